//! Drafts for SQLite.
//!
//! Views and triggers that change are dropped first and created last, so that no statement between them meets one that does
//! not fit. SQLite looks at their texts only when a table is renamed or loses a column, and not at all with
//! `legacy_alter_table`: those that stay are neither dropped nor changed.

mod change;
mod column;
mod copy;
mod create;
mod limits;
mod lookup;
mod order;
mod rebuild;
mod search;

use std::collections::BTreeSet;

use lockgate_core::Dialect;

use crate::compare::compare;
use crate::draft::rename::Rename;
use crate::draft::step::{Draft, Hazard, Loss, Script, Statement, Step};
use crate::model::{Index, Name, Object, ObjectKind, Schema, Table, View};
use change::Change;
use lookup::{Key, has_name, is_same, is_same_index, key, same_table, triggers};

/// Drafts the statements that make `to` of `from`.
///
/// The order of columns is part of a schema of SQLite: a new column that does not come last makes its table be rebuilt.
pub(super) fn draft(from: &Schema, to: &Schema) -> Draft {
    let differences = compare(from, to);
    if differences.is_empty() {
        return Draft::default();
    }
    let open = limits::open(from, to, &differences);
    let mut script = Script { steps: open, ..Script::default() };
    if to.dialect == Dialect::Sqlite {
        let (from, to) = (limits::possible(from), limits::possible(to));
        let drafting = Drafting::new(&from, &to);
        script.foreign_keys_off = drafting.needs_foreign_keys_off();
        script.steps.extend(drafting.statements().into_iter().map(Step::Statement));
    }
    if script.steps.is_empty() {
        script.steps = limits::all_open(&differences);
    }
    Draft { scripts: vec![script] }
}

/// Drops the views that read other views of renamed columns, with those and with the triggers that mention them: SQLite
/// gives the columns of the first view other names, and then refuses the second.
pub(super) fn in_the_way(schema: &Schema, renames: &[Rename]) -> Vec<Statement> {
    let (views, triggers) = of_renamed(schema, renames);
    let triggers = triggers.into_iter().filter(|trigger| !is_on(trigger, &views));
    let triggers = triggers.map(|trigger| format!("DROP TRIGGER {}", create::name(&trigger.name)));
    let views = views.iter().rev().map(|view| format!("DROP VIEW {}", create::name(&view.name)));
    triggers.chain(views).map(Statement::new).collect()
}

/// Creates all of these again.
pub(super) fn back_again(schema: &Schema, renames: &[Rename]) -> Vec<Statement> {
    let (views, triggers) = of_renamed(schema, renames);
    let views = views.into_iter().map(create::view);
    views.chain(triggers.into_iter().map(create::trigger)).map(|sql| again(sql, true)).collect()
}

fn is_on(trigger: &Object, views: &[&View]) -> bool {
    views.iter().any(|view| trigger.on.as_ref().is_some_and(|on| is_same(on, &view.name)))
}

/// The views that read a table whose columns have other names, if one of them reads another, each after those that it reads;
/// and the triggers that mention them.
fn of_renamed<'a>(schema: &'a Schema, renames: &[Rename]) -> (Vec<&'a View>, Vec<&'a Object>) {
    let tables: Vec<&str> = renames.iter().filter(|one| one.is_of_part()).map(|one| one.object.name.as_str()).collect();
    let is_direct = |view: &View| tables.iter().any(|table| lookup::mentions(&view.definition, table));
    let mut found: Vec<&View> = schema.views.iter().filter(|view| is_direct(view)).collect();
    let mut at = 0;
    while let Some(&view) = found.get(at) {
        at += 1;
        for other in &schema.views {
            if lookup::mentions(&other.definition, &view.name.name) && !found.contains(&other) && other != view {
                found.push(other);
            }
        }
    }
    let reads_another = |view: &&&View| {
        found.iter().any(|other| other.name != view.name && lookup::mentions(&view.definition, &other.name.name))
    };
    if found.iter().find(reads_another).is_none() {
        return (Vec::new(), Vec::new());
    }
    let views: Vec<&View> =
        order::mentioned_first(&schema.views).into_iter().filter(|view| found.contains(view)).collect();
    let mentions = |trigger: &&Object| {
        is_on(trigger, &views) || views.iter().any(|view| lookup::mentions(&trigger.definition, &view.name.name))
    };
    let triggers = triggers(schema).filter(mentions).collect();
    (views, triggers)
}

/// What happens to each table, from which the rest follows.
struct Drafting<'a> {
    from: &'a Schema,
    to: &'a Schema,
    /// Tables that both have.
    changes: Vec<(&'a Table, &'a Table, Change)>,
    gone: Vec<&'a Table>,
    new: Vec<&'a Table>,
    /// The tables that are dropped, with their indexes and triggers: for good, or to be created again.
    dropped: BTreeSet<Key>,
    /// The views that have not changed and are created again.
    again: BTreeSet<Key>,
    /// Whether a view or a trigger knows rows by their numbers.
    has_row_numbers: bool,
}

impl<'a> Drafting<'a> {
    fn new(from: &'a Schema, to: &'a Schema) -> Self {
        let pair = |after: &'a Table| same_table(from, &after.name).map(|before| (before, after));
        let both = order::parents_first(&to.tables).into_iter().filter_map(pair);
        let again = views_of_changed(from, to);
        let is_checked = !lookup::texts(from).all(|text| lookup::is_whole(text, from));
        let changes = both.map(|(before, after)| {
            let change = change::of(before, after, from, to);
            // `DROP COLUMN` looks at every view and trigger, and fails if one has never worked.
            let fails = is_checked && !change::gone_columns(before, Some(after)).is_empty();
            let change = if fails && matches!(change, Change::Alter(_)) { Change::Rebuild } else { change };
            (before, after, change)
        });
        let changes: Vec<(&Table, &Table, Change)> = changes.collect();
        // It looks at all views, those on others too that have no columns for a moment.
        let drops_columns = changes.iter().any(|(before, after, change)| {
            matches!(change, Change::Alter(_)) && !change::gone_columns(before, Some(after)).is_empty()
        });
        let again = if drops_columns { again } else { BTreeSet::new() };
        let new = order::parents_first(&to.tables).into_iter().filter(|table| same_table(from, &table.name).is_none());
        let mut gone = order::parents_first(&from.tables);
        gone.retain(|table| same_table(to, &table.name).is_none());
        gone.reverse();
        let rebuilt = changes.iter().filter(|(_, _, change)| change.drops_the_table()).map(|(before, _, _)| *before);
        let dropped = rebuilt.chain(gone.iter().copied()).map(|table| key(&table.name)).collect();
        let new = new.collect();
        let has_row_numbers = [from, to].into_iter().any(copy::mentions_row_numbers);
        Self { from, to, changes, gone, new, dropped, again, has_row_numbers }
    }

    fn statements(&self) -> Vec<Statement> {
        let mut statements = Vec::new();
        statements.extend(self.dropped_triggers());
        statements.extend(self.dropped_views());
        statements.extend(self.dropped_indexes());
        statements.extend(self.new.iter().map(|table| Statement::new(create::table(table, &table.name))));
        statements.extend(self.altered());
        statements.extend(self.gone.iter().map(|table| dropped(table)));
        statements.extend(self.created_indexes());
        statements.extend(self.created_views());
        statements.extend(self.filled_searches());
        statements.extend(self.created_triggers());
        statements
    }

    fn is_dropped(&self, table: &Name) -> bool {
        self.dropped.contains(&key(table))
    }

    /// Whether a view of `from` is dropped.
    fn is_dropped_view(&self, name: &Name) -> bool {
        self.from.views.iter().any(|view| is_same(&view.name, name) && !self.is_view_kept(view))
    }

    /// Whether a view is neither changed, created nor dropped.
    fn is_view_kept(&self, view: &View) -> bool {
        self.from.views.contains(view) && self.to.views.contains(view) && !self.again.contains(&key(&view.name))
    }

    fn is_trigger_kept(&self, trigger: &Object) -> bool {
        let on = trigger.on.as_ref();
        let goes_with_it = on.is_some_and(|on| self.is_dropped(on) || self.is_dropped_view(on));
        !goes_with_it && triggers(self.to).any(|other| is_same_trigger(other, trigger))
    }

    /// Whether a trigger has a statement that drops it, and does not go with its table or view.
    fn is_dropped_first(&self, trigger: &Object) -> bool {
        let with = trigger.on.as_ref().is_some_and(|on| self.is_dropped(on) || self.is_dropped_view(on));
        !with && !triggers(self.to).any(|other| is_same_trigger(other, trigger))
    }

    fn dropped_triggers(&self) -> Vec<Statement> {
        let gone = triggers(self.from).filter(|trigger| self.is_dropped_first(trigger));
        gone.map(|trigger| Statement::new(format!("DROP TRIGGER {}", create::name(&trigger.name)))).collect()
    }

    fn created_triggers(&self) -> Vec<Statement> {
        let is_made = |trigger: &&Object| {
            let same = triggers(self.from).find(|other| is_same_trigger(other, trigger));
            same.is_none_or(|same| !self.is_trigger_kept(same))
        };
        let made: Vec<&Object> = triggers(self.to).filter(is_made).collect();
        let recreated = |trigger: &Object| triggers(self.from).any(|other| is_same_trigger(other, trigger));
        made.into_iter().map(|trigger| again(create::trigger(trigger), recreated(trigger))).collect()
    }

    /// Those first that others mention, as a reader expects: SQLite would take any order.
    fn created_views(&self) -> Vec<Statement> {
        let new = order::mentioned_first(&self.to.views).into_iter().filter(|view| !self.is_view_kept(view));
        new.map(|view: &View| again(create::view(view), self.again.contains(&key(&view.name)))).collect()
    }

    fn dropped_views(&self) -> Vec<Statement> {
        let mut gone = order::mentioned_first(&self.from.views);
        gone.retain(|view| !self.is_view_kept(view));
        gone.reverse();
        gone.into_iter().map(|view| Statement::new(format!("DROP VIEW {}", create::name(&view.name)))).collect()
    }

    fn dropped_indexes(&self) -> Vec<Statement> {
        let mut statements = Vec::new();
        for table in &self.from.tables {
            let goes = |index: &&Index| {
                if self.is_dropped(&table.name) {
                    // It would go with the table, but a new table has its name.
                    return self.new.iter().any(|new| has_name(new, &index.name));
                }
                let after = same_table(self.to, &table.name);
                !after.is_some_and(|after| after.indexes.iter().any(|other| is_same_index(other, index)))
            };
            let name = |index: &Index| Name { schema: table.name.schema.clone(), name: index.name.clone() };
            let gone = table.indexes.iter().filter(goes).map(name);
            statements.extend(gone.map(|name| Statement::new(format!("DROP INDEX {}", create::name(&name)))));
        }
        statements
    }

    fn created_indexes(&self) -> Vec<Statement> {
        let mut statements = Vec::new();
        for table in &self.to.tables {
            let before = same_table(self.from, &table.name);
            let was =
                |index: &Index| before.is_some_and(|before| before.indexes.iter().any(|b| is_same_index(b, index)));
            let is_kept = before.is_some() && !self.is_dropped(&table.name);
            for index in table.indexes.iter().filter(|index| !is_kept || !was(index)) {
                let mut statement = again(create::index(table, index), was(index));
                if index.unique && before.is_some() && !was(index) {
                    let keys = index.keys.join(", ");
                    let why = format!("two rows of {} have the same {keys}", create::name(&table.name));
                    statement.hazards.push(Hazard::MayFail(why));
                }
                statements.push(statement);
            }
        }
        statements
    }

    fn altered(&self) -> Vec<Statement> {
        let mut statements = Vec::new();
        let mut lenient = false;
        for (before, after, change) in &self.changes {
            if self.needs_leniency(before, change) && !lenient {
                statements.push(Statement::new("PRAGMA legacy_alter_table = ON"));
                lenient = true;
            }
            match change {
                Change::Same => {}
                Change::Alter(altered) => statements.extend(altered.iter().cloned()),
                Change::Rebuild => {
                    let rows = copy::Rows {
                        before,
                        after,
                        from: self.from,
                        to: self.to,
                        has_row_numbers: self.has_row_numbers,
                    };
                    statements.extend(rebuild::statements(&rows));
                }
                Change::Replace => {
                    statements.push(dropped(before));
                    statements.push(Statement::new(create::table(after, &after.name)));
                }
            }
        }
        if lenient {
            statements.push(Statement::new("PRAGMA legacy_alter_table = OFF"));
        }
        statements
    }

    /// Whether a change meets views and triggers that stay, and that SQLite would refuse: while a table is rebuilt, those
    /// that mention it have none.
    fn needs_leniency(&self, before: &Table, change: &Change) -> bool {
        let views = self.from.views.iter().filter(|view| self.is_view_kept(view)).map(|view| &view.definition);
        // Its own triggers are dropped with it, those of other tables perhaps later.
        let is_there = |trigger: &&Object| {
            let is_own = trigger.on.as_ref().is_some_and(|on| is_same(on, &before.name));
            !(self.is_dropped_first(trigger) || is_own && change.drops_the_table())
        };
        let kept = triggers(self.from).filter(is_there);
        let mut texts = views.chain(kept.map(|trigger| &trigger.definition));
        match change {
            Change::Same | Change::Replace => false,
            Change::Rebuild => texts.next().is_some(),
            Change::Alter(_) => {
                let gone = change::gone_columns(before, same_table(self.to, &before.name));
                texts.any(|text| gone.iter().any(|column| lookup::mentions(text, column)))
            }
        }
    }

    fn filled_searches(&self) -> Vec<Statement> {
        let replaced = self.changes.iter().filter(|(_, _, change)| matches!(change, Change::Replace));
        let made = self.new.iter().copied().chain(replaced.map(|(_, after, _)| *after));
        made.filter_map(search::filled).collect()
    }

    /// Whether a table with a foreign key is rebuilt, or one to which there is one; or a table is dropped to which another
    /// one refers that is not dropped before.
    fn needs_foreign_keys_off(&self) -> bool {
        let mut parts = BTreeSet::new();
        for table in self.from.tables.iter().chain(&self.to.tables) {
            let mut parents = lookup::parents(table).peekable();
            if parents.peek().is_some() {
                parts.insert(key(&table.name));
            }
            parts.extend(parents);
        }
        let mut rebuilt = self.changes.iter().filter(|(_, _, change)| change.drops_the_table());
        let is_still_wanted = |(at, table): (usize, &&Table)| {
            let later = self.gone[at + 1..].iter().copied();
            let kept = self.changes.iter().map(|(_, after, _)| *after);
            later.chain(kept).any(|other| lookup::parents(other).any(|to| to == key(&table.name)))
        };
        rebuilt.any(|(before, _, _)| parts.contains(&key(&before.name)))
            || self.gone.iter().enumerate().any(is_still_wanted)
    }
}

fn dropped(table: &Table) -> Statement {
    let statement = Statement::new(format!("DROP TABLE {}", create::name(&table.name)));
    // The rows of a search may be those of another table.
    if search::filled(table).is_some() { statement } else { statement.with(Hazard::Loses(Loss::Table)) }
}

/// A statement, and whether what it creates has been there.
fn again(sql: String, recreates: bool) -> Statement {
    let statement = Statement::new(sql);
    if recreates { statement.with(Hazard::Recreates) } else { statement }
}

/// The views that stay, and read one that changes, directly or by way of others.
fn views_of_changed(from: &Schema, to: &Schema) -> BTreeSet<Key> {
    let mut changed: Vec<&View> = from.views.iter().filter(|view| !to.views.contains(view)).collect();
    let mut found = BTreeSet::new();
    while let Some(view) = changed.pop() {
        let readers = from.views.iter().filter(|other| lookup::mentions(&other.definition, &view.name.name));
        for reader in readers.filter(|other| to.views.contains(other)) {
            if found.insert(key(&reader.name)) {
                changed.push(reader);
            }
        }
    }
    found
}

fn is_same_trigger(one: &Object, other: &Object) -> bool {
    one.kind == ObjectKind::Trigger
        && (&one.name, &one.on, &one.definition) == (&other.name, &other.on, &other.definition)
}
