//! What the steps of a plan do to tables, judged by their SQL alone.

use super::Plan;
use crate::touch::is_same_table;
use crate::{Dialect, Set, StatementFlags, TableLock, Touch};

/// What a step does to tables that existed before the plan's first step, judged by its SQL alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The strongest lock that it takes on each table, the strongest first. Locks that do not
    /// [exceed those of writes](TableLock::exceeds_writes) are left out.
    pub locks: Vec<Touch>,
    /// Whether it destroys data.
    pub destroys: bool,
    /// The tables whose data it destroys, if it names them.
    pub loses: Vec<&'static str>,
}

impl Plan {
    /// Returns the effects of each step on tables that existed before the first one, on a database of this dialect.
    pub fn effects(&self, set: &Set, dialect: Dialect) -> Vec<Effects> {
        let mut made: Vec<&'static str> = Vec::new();
        let mut indexes = None;
        let mut all = Vec::with_capacity(self.steps.len());
        for step in &self.steps {
            let script = set.find_any(step.version).and_then(|migration| migration.script(step.action));
            let done = step.action.statements_done();
            let mut effects = Effects::default();
            if let Some(script) = script {
                let mut touches = script.touches(dialect);
                for touch in touches.iter_mut().filter(|touch| touch.of_index && !touch.makes) {
                    let indexes = indexes.get_or_insert_with(|| indexes_of(set, dialect));
                    if let Some((_, table)) = indexes.iter().rfind(|(index, _)| is_same_table(index, touch.table)) {
                        (touch.table, touch.of_index) = (table, false);
                    }
                }
                let rest = || touches.iter().filter(|touch| touch.statement >= done as usize && !touch.makes);
                for touch in rest().filter(|touch| !made.iter().any(|made| is_same_table(made, touch.table))) {
                    effects.add(touch);
                }
                let flagged = script.statements(dialect).into_iter().enumerate().skip(done as usize);
                let flagged = flagged.filter(|(_, statement)| statement.flags.contains(StatementFlags::DESTROYS_DATA));
                // A destructive statement that names no table counts too.
                effects.destroys = !effects.loses.is_empty()
                    || flagged.map(|(at, _)| at).any(|at| !rest().any(|touch| touch.statement == at && touch.destroys));
                made.extend(touches.iter().filter(|touch| touch.makes && !touch.of_index).map(|touch| touch.table));
            }
            effects.locks.sort_by(|a, b| b.lock.cmp(&a.lock).then_with(|| a.table.cmp(b.table)));
            all.push(effects);
        }
        all
    }
}

impl Plan {
    /// The tables that existed before the first step and that the steps read, write or change, as far as their SQL names
    /// them: each once, in their order.
    pub fn tables(&self, set: &Set, dialect: Dialect) -> Vec<&'static str> {
        let (mut made, mut tables): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for step in &self.steps {
            let Some(script) = set.find_any(step.version).and_then(|migration| migration.script(step.action)) else {
                continue;
            };
            for touch in script.touches(dialect).into_iter().filter(|touch| !touch.of_index) {
                let known = |names: &[&str]| names.iter().any(|name| is_same_table(name, touch.table));
                if touch.makes {
                    made.push(touch.table);
                } else if !known(&made) && !known(&tables) {
                    tables.push(touch.table);
                }
            }
        }
        tables
    }
}

/// Every index that an up script of the set creates, with its table.
fn indexes_of(set: &Set, dialect: Dialect) -> Vec<(&'static str, &'static str)> {
    let mut indexes = Vec::new();
    for migration in set.iter() {
        let touches = migration.up().touches(dialect);
        let pairs = touches.windows(2).filter(|pair| pair[0].of_index && pair[0].makes);
        indexes.extend(pairs.map(|pair| (pair[0].table, pair[1].table)));
    }
    indexes
}

impl Effects {
    fn add(&mut self, touch: &Touch) {
        if touch.destroys && !self.loses.contains(&touch.table) {
            self.loses.push(touch.table);
        }
        if !touch.lock.is_some_and(TableLock::exceeds_writes) {
            return;
        }
        match self.locks.iter_mut().find(|known| known.table == touch.table && known.of_index == touch.of_index) {
            Some(known) if known.lock >= touch.lock => {}
            Some(known) => *known = *touch,
            None => self.locks.push(*touch),
        }
    }
}
