//! What each script makes of tables and columns, read when a rule first asks and kept: a thousand
//! released scripts cost nothing where no draft touches what they made.

use std::cell::OnceCell;

use lockgate_core::StatementKind;

use super::change::{self, Action, Change, ConstraintKind};
use super::cursor::{Cursor, Name};
use super::{Set, Source};

/// One thing that a statement leaves behind. Names are in lower case.
#[derive(Debug)]
pub(super) enum Fact {
    Table {
        table: String,
        partitioned: bool,
    },
    Gone {
        table: String,
    },
    Column {
        table: String,
        column: String,
        kind: String,
    },
    /// A constraint, in lower case, or the whole body of a table.
    Checked {
        table: String,
        says: String,
    },
    Index {
        name: String,
        table: String,
    },
    /// A foreign key, and whether it deletes or changes rows with those that they refer to.
    Refers {
        from: String,
        to: String,
        deletes: bool,
    },
}

/// The facts of the scripts of a set.
pub(super) struct Facts<'s, 'a> {
    set: &'s Set<'a>,
    lower: Vec<OnceCell<String>>,
    read: Vec<OnceCell<Vec<(usize, Fact)>>>,
}

impl<'s, 'a> Facts<'s, 'a> {
    pub(super) fn new(set: &'s Set<'a>) -> Self {
        let count = set.sources.len();
        Self { set, lower: vec![OnceCell::new(); count], read: (0..count).map(|_| OnceCell::new()).collect() }
    }

    /// Looks at the facts before this statement, the latest first, until one is what is looked for.
    /// Scripts without this word are passed over, and so are those that revert.
    pub(super) fn earlier<R>(
        &self,
        (index, at): (usize, usize),
        word: &str,
        mut look: impl FnMut(&Fact) -> Option<R>,
    ) -> Option<R> {
        for source in (0..=index).rev() {
            let script = &self.set.sources[source];
            if script.is_down && source != index {
                continue;
            }
            if self.read[source].get().is_none()
                && !self.lower[source].get_or_init(|| script.text.to_lowercase()).contains(word)
            {
                continue;
            }
            for (statement, fact) in self.read[source].get_or_init(|| read(script)).iter().rev() {
                if (source < index || *statement < at)
                    && let Some(result) = look(fact)
                {
                    return Some(result);
                }
            }
        }
        None
    }
}

fn read(source: &Source<'_>) -> Vec<(usize, Fact)> {
    let mut facts = Vec::new();
    for (at, statement) in source.statements.iter().enumerate() {
        let leaves = matches!(
            statement.kind,
            StatementKind::CreateTable
                | StatementKind::CreateIndex
                | StatementKind::DropTable
                | StatementKind::AlterTable
        );
        if !leaves {
            continue;
        }
        let tokens = change::tokens_of(source.reads_as, source.text, statement);
        if let Some(change) = change::read(source.text, &tokens) {
            of(&change, &mut |fact| facts.push((at, fact)));
        }
    }
    facts
}

fn of(change: &Change<'_>, tell: &mut impl FnMut(Fact)) {
    match change {
        Change::CreateTable(made) => {
            let table = &made.name.key;
            tell(Fact::Table { table: table.clone(), partitioned: made.partitioned });
            for column in &made.columns {
                let (column, kind) = (column.name.key.clone(), column.kind.clone());
                tell(Fact::Column { table: table.clone(), column, kind });
            }
            if let Some(body) = made.body.filter(|_| !made.temporary) {
                refers(table, body, tell);
                tell(Fact::Checked { table: table.clone(), says: body.plain() });
            }
        }
        Change::CreateIndex(index) => {
            if let Some(name) = &index.name {
                tell(Fact::Index { name: name.key.clone(), table: index.table.key.clone() });
            }
        }
        Change::Drop { what: "table", names, .. } => {
            names.iter().for_each(|name| tell(Fact::Gone { table: name.key.clone() }));
        }
        Change::AlterTable { table, actions } => actions.iter().for_each(|(_, action)| altered(table, action, tell)),
        _ => {}
    }
}

fn altered(table: &Name, action: &Action<'_>, tell: &mut impl FnMut(Fact)) {
    let table = &table.key;
    match action {
        Action::AddColumn(column) => {
            refers(table, column.rest, tell);
            let (column, kind) = (column.name.key.clone(), column.kind.clone());
            tell(Fact::Column { table: table.clone(), column, kind });
        }
        Action::ChangeType { column, to, .. } => {
            tell(Fact::Column { table: table.clone(), column: column.key.clone(), kind: to.clone() });
        }
        Action::AddConstraint(constraint) => {
            refers(table, constraint.rest, tell);
            let says = match constraint.kind {
                ConstraintKind::NotNull => format!("{} is not null", constraint.rest.plain()),
                _ => constraint.rest.plain(),
            };
            tell(Fact::Checked { table: table.clone(), says });
        }
        _ => {}
    }
}

/// Each `REFERENCES`.
fn refers(from: &str, mut at: Cursor<'_>, tell: &mut impl FnMut(Fact)) {
    while !at.ended() {
        if !at.take("references") {
            at.next();
        } else if let Some(to) = at.name() {
            at.group();
            let mut deletes = false;
            while at.is("on") {
                deletes |= at.take("on delete cascade") || at.take("on delete set");
                at.next();
                at.next();
            }
            tell(Fact::Refers { from: from.to_owned(), to: to.key, deletes });
        }
    }
}
