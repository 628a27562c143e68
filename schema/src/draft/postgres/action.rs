//! Writes the actions of a draft: for each part that is created, changed or dropped, its statements and what they must
//! follow.

use std::collections::{BTreeMap, BTreeSet};

use super::column;
use super::constraint;
use super::fate::Fate;
use super::index;
use super::key::Key;
use super::meta::{self, Address};
use super::object;
use super::order::Action;
use super::part::{Model, Part, Parts, parents};
use super::sequence;
use super::stale::Stale;
use super::table;
use super::types;
use super::view;
use crate::draft::step::{Hazard, Loss, Mode, Statement, Step};
use crate::draft::write::{ident, literal, qualified};
use crate::model::{
    Column, Constraint, ConstraintKind, Index, Name, Object, ObjectKind, Privilege, RowSecurity, Schema, Sequence,
    Table, TableKind, Type, TypeKind,
};

/// All actions that make the new parts of the old ones.
pub(super) fn all(
    from: &Schema,
    old: &Parts<'_>,
    new: &Parts<'_>,
    fates: &BTreeMap<Key, Fate>,
    stale: &BTreeMap<Key, Stale>,
    mode: Mode,
) -> Vec<Action> {
    let mut writer = Writer {
        from,
        old,
        new,
        fates,
        mode,
        actions: Vec::new(),
        ends: BTreeMap::new(),
        makes: BTreeMap::new(),
        builds: BTreeMap::new(),
        not_nulls: BTreeMap::new(),
        shells: BTreeMap::new(),
        copies: Vec::new(),
        follows: Vec::new(),
        with_new: BTreeMap::new(),
        with_old: BTreeMap::new(),
    };
    // What stays is made by nothing and dropped by nothing, and that is nearly all of a large schema.
    for key in fates.iter().filter(|(_, fate)| !matches!(fate, Fate::Stays)).map(|(key, _)| key) {
        if let Some(with) = writer.find_creator(key) {
            writer.with_new.insert(key.clone(), with);
        }
        if let Some(with) = writer.find_dropper(key) {
            writer.with_old.insert(key.clone(), with);
        }
    }
    for (key, fate) in fates {
        writer.part(key, fate);
    }
    writer.recompute(stale);
    writer.link();
    writer.actions
}

struct Writer<'a> {
    from: &'a Schema,
    old: &'a Parts<'a>,
    new: &'a Parts<'a>,
    fates: &'a BTreeMap<Key, Fate>,
    mode: Mode,
    actions: Vec<Action>,
    /// The action after which an old part is gone or changed.
    ends: BTreeMap<Key, usize>,
    /// The action that creates or changes a new part.
    makes: BTreeMap<Key, usize>,
    /// The action that builds the index for a constraint.
    builds: BTreeMap<Key, usize>,
    /// The action that makes a column NOT NULL, if it is another than the one that changes it.
    not_nulls: BTreeMap<Key, usize>,
    /// The action that names a base type, before the functions that it is made of.
    shells: BTreeMap<Key, usize>,
    /// The actions that copy the rows of a table to a new one.
    copies: Vec<(Name, usize)>,
    /// Actions and those that follow them, besides what the needs of the parts say.
    follows: Vec<(usize, usize)>,
    /// The part whose action creates another one too.
    with_new: BTreeMap<Key, Key>,
    /// The part whose action drops another one too.
    with_old: BTreeMap<Key, Key>,
}

/// How many parts bring one another along at most: a default, its column, that of the parent, and of its parents.
const DEEPEST: usize = 64;

/// When an action comes, among those that do not need each other.
mod rank {
    pub(super) const DROP_FOR_ANOTHER: u32 = 0;
    pub(super) const DROP: u32 = 1;
    pub(super) const CREATE: u32 = 10;
    pub(super) const RECOMPUTE: u32 = 60;
    pub(super) const LOSE: u32 = 90;
    pub(super) const LAST: u32 = 99;
}

impl Writer<'_> {
    fn part(&mut self, key: &Key, fate: &Fate) {
        match fate {
            Fate::Stays => {}
            Fate::Changes(statements) => {
                if !self.is_of_parent(key) {
                    self.change(key, statements.clone());
                }
            }
            Fate::Open(why) => {
                let step = Step::Open { what: format!("{} differs", key.shown()), why: why.clone() };
                self.make(key, vec![step]);
            }
            Fate::Renamed { from, then } => {
                let index = self.make(key, steps(then.clone()));
                self.ends.insert(from.clone(), index);
            }
            Fate::Created => self.create(key),
            Fate::Dropped => self.drop(key, false),
            Fate::Again { .. } => {
                self.drop(key, true);
                self.create(key);
            }
            Fate::Swapped => self.swap(key),
        }
    }

    fn add(&mut self, steps: Vec<Step>, rank: u32) -> usize {
        self.actions.push(Action { steps, rank, ..Action::default() });
        self.actions.len() - 1
    }

    /// Adds the action that makes a part.
    fn make(&mut self, key: &Key, steps: Vec<Step>) -> usize {
        let index = self.add(steps, rank::CREATE + kind_rank(key));
        self.makes.insert(key.clone(), index);
        index
    }

    fn change(&mut self, key: &Key, statements: Vec<Statement>) {
        let statements = match (self.old.get(key).map(|part| part.model), self.new.get(key).map(|part| part.model)) {
            (Some(Model::Column(_, before)), Some(Model::Column(table, after))) => {
                return self.change_column(key, table, before, after);
            }
            (Some(Model::Default(..)), Some(Model::Default(table, after))) => self.set_default(key, table, after),
            _ => statements,
        };
        let index = self.make(key, steps(statements));
        self.ends.insert(key.clone(), index);
    }

    fn change_column(&mut self, key: &Key, table: &Table, before: &Column, after: &Column) {
        let mut before = before.clone();
        self.take_from_parents(table, &mut before, after);
        // A primary key makes its columns NOT NULL, but looks at all rows for that under its lock.
        let is_fast = self.mode == Mode::Online && self.is_busy(&table.name);
        if !before.not_null && after.not_null && !is_fast && self.has_new_primary_key(table, &after.name) {
            before.not_null = true;
        }
        let gains = !before.not_null && after.not_null;
        let named = |constraint: &&Constraint| {
            constraint.kind == ConstraintKind::NotNull && constraint.columns.first() == Some(&after.name)
        };
        if before.not_null != after.not_null && table.constraints.iter().any(|constraint| named(&constraint)) {
            before.not_null = after.not_null;
        }
        // Only a column that is NOT NULL can get an identity.
        let is_plain = matches!(table.kind, TableKind::Ordinary) && after.identity.is_none();
        let online = self.mode == Mode::Online && gains && is_plain;
        if !online {
            let statements = column::change(table, &before, after);
            let index = self.make(key, steps(statements));
            self.ends.insert(key.clone(), index);
            match (&before.identity, &after.identity) {
                (None, Some(_)) => self.begin_identity(index, table, after),
                (Some(_), None) => self.end_identity(index, table, &before),
                (Some(_), Some(_)) | (None, None) => {}
            }
            return;
        }
        let nullable = Column { not_null: false, ..after.clone() };
        let mut statements = column::change(table, &before, &nullable);
        let name = ident(&format!("{}_{}_not_null", table.name.name, after.name));
        let (alter, column) = (column::alter(table), ident(&after.name));
        let mut first = Statement::new(format!("{alter} ADD CONSTRAINT {name} CHECK ({column} IS NOT NULL) NOT VALID"));
        first.question = Some(format!("the value of {} where it is NULL", column::shown(&table.name, &after.name)));
        statements.push(first);
        let index = self.make(key, steps(statements));
        self.ends.insert(key.clone(), index);
        let validate = Statement::new(format!("{alter} VALIDATE CONSTRAINT {name}"));
        let later = vec![
            validate.with(Hazard::MayFail("the column contains NULL".to_owned())),
            Statement::new(format!("{alter} ALTER COLUMN {column} SET NOT NULL")),
            Statement::new(format!("{alter} DROP CONSTRAINT {name}")),
        ];
        let later = self.add(steps(later), rank::CREATE + kind_rank(key));
        self.actions[later].after_commit.insert(index);
        self.not_nulls.insert(key.clone(), later);
    }

    /// Sets the default of a column. A sequence goes on where the one before is, and past the values of existing rows.
    fn set_default(&self, key: &Key, table: &Table, it: &Column) -> Vec<Statement> {
        let mut found = vec![column::default(table, it)];
        let Some(to) = sequence_of_default(self.new, table, it) else { return found };
        let from = sequence_of_default(self.old, table, it);
        if from.is_some_and(|from| from.name == to.name) || self.created_with(key).is_some() {
            return found;
        }
        let increment = to.options.increment;
        if let Some(from) = from
            && self.is_new(&Key::Sequence(to.name.clone()))
        {
            found.push(sequence::go_on(&from.name, &to.name, increment));
        }
        found.extend(column::past_existing(table, it, &to.name, increment));
        found
    }

    /// Lets the sequence of a new identity go on where that of the default is, and past the values of existing rows.
    fn begin_identity(&mut self, index: usize, table: &Table, it: &Column) {
        let to = column::sequence_name(table, it);
        let increment = it.identity.as_ref().map_or(1, |identity| identity.options.increment);
        let mut found = Vec::new();
        if let Some(from) = sequence_of_default(self.old, table, it) {
            let end = self.end(&Key::Sequence(from.name.clone()));
            if from.name == to {
                let aside = sequence::aside(&from.name);
                found.push(sequence::go_on(&aside, &to, increment));
                found.push(Statement::new(format!("DROP SEQUENCE {}", qualified(&aside))));
                self.follows.extend(end.map(|end| (end, index)));
            } else {
                found.push(sequence::go_on(&from.name, &to, increment));
                self.follows.extend(end.map(|end| (index, end)));
            }
        }
        found.extend(column::past_existing(table, it, &to, increment));
        self.actions[index].steps.extend(steps(found));
    }

    /// Lets the new sequence of a default go on where that of the identity is, before that goes.
    fn end_identity(&mut self, index: usize, table: &Table, before: &Column) {
        let Some(to) = sequence_of_default(self.new, table, before) else { return };
        let Some(&made) =
            self.makes.get(&Key::Sequence(to.name.clone())).filter(|_| self.is_new(&Key::Sequence(to.name.clone())))
        else {
            return;
        };
        let mut from = column::sequence_name(table, before);
        if from == to.name {
            let aside = sequence::aside(&from);
            let renamed = self.add(steps(vec![sequence::rename(&from, &aside)]), rank::CREATE);
            self.follows.push((renamed, made));
            from = aside;
        }
        let go_on = Step::Statement(sequence::go_on(&from, &to.name, to.options.increment));
        self.actions[index].steps.insert(0, go_on);
        self.follows.push((made, index));
    }

    /// Whether a column of this draft gets an identity whose sequence has the name of one that goes, and goes on there.
    fn becomes_identity(&self, it: &Sequence) -> bool {
        self.new.all.iter().any(|(key, part)| match part.model {
            Model::Column(table, column) => {
                column.identity.is_some()
                    && matches!(self.fates.get(key), Some(Fate::Changes(_)))
                    && column::sequence_name(table, column) == it.name
                    && sequence_of_default(self.old, table, column).is_some_and(|from| from.name == it.name)
            }
            _ => false,
        })
    }

    /// What the parents of a table change in it.
    fn take_from_parents(&self, table: &Table, before: &mut Column, after: &Column) {
        for parent in parents(table) {
            let key = Key::Column(parent.clone(), after.name.clone());
            let (Some(old), Some(new)) = (self.old.get(&key), self.new.get(&key)) else { continue };
            let (Model::Column(_, old), Model::Column(_, new)) = (old.model, new.model) else { continue };
            if old.data_type != new.data_type && new.data_type == after.data_type {
                before.data_type.clone_from(&after.data_type);
            }
            if old.collation != new.collation && new.collation == after.collation {
                before.collation.clone_from(&after.collation);
            }
            if old.not_null != new.not_null && new.not_null == after.not_null {
                before.not_null = after.not_null;
            }
            if old.options != new.options && new.options == after.options {
                before.options.clone_from(&after.options);
            }
            if old.generated.is_some() && new.generated.is_none() {
                before.generated.clone_from(&after.generated);
            }
        }
    }

    fn has_new_primary_key(&self, table: &Table, column: &str) -> bool {
        table.constraints.iter().any(|constraint| {
            constraint.kind == ConstraintKind::PrimaryKey
                && constraint.columns.iter().any(|name| name == column)
                && constraint.name.as_ref().is_some_and(|name| {
                    matches!(
                        self.fates.get(&Key::Constraint(table.name.clone(), name.clone())),
                        Some(Fate::Created | Fate::Again { .. })
                    )
                })
        })
    }

    fn is_new(&self, key: &Key) -> bool {
        matches!(self.fates.get(key), Some(Fate::Created | Fate::Again { .. }))
    }

    fn is_gone(&self, key: &Key) -> bool {
        matches!(self.fates.get(key), Some(Fate::Dropped))
    }

    /// Whether a change is made by the parent of the table, whose statement it is part of.
    fn is_of_parent(&self, key: &Key) -> bool {
        match self.new.get(key).or_else(|| self.old.get(key)).map(|part| part.model) {
            Some(Model::Constraint(_, constraint)) => constraint.inherited,
            Some(Model::Default(table, column)) => parents(table).any(|parent| {
                let key = Key::Default(parent.clone(), column.name.clone());
                let fate = self.fates.get(&key);
                let same = match (self.new.get(&key).map(|part| part.model), fate) {
                    (Some(Model::Default(_, other)), _) => other.default == column.default,
                    (_, Some(Fate::Dropped)) => true,
                    _ => false,
                };
                same && matches!(fate, Some(Fate::Changes(_) | Fate::Created | Fate::Dropped | Fate::Again { .. }))
            }),
            Some(_) | None => false,
        }
    }

    /// The part whose action creates this one too.
    fn created_with(&self, key: &Key) -> Option<&Key> {
        self.with_new.get(key)
    }

    /// The part whose action drops this one too.
    fn dropped_with(&self, key: &Key) -> Option<&Key> {
        self.with_old.get(key)
    }

    fn find_creator(&self, key: &Key) -> Option<Key> {
        let model = self.new.get(key)?.model;
        let of_table =
            |table: &Table| self.is_new(&Key::Table(table.name.clone())).then(|| Key::Table(table.name.clone()));
        let of_attachment = |table: &Table| Some(Key::Parent(table.name.clone())).filter(|key| self.is_new(key));
        let of_parent = |table: &Table, make: &dyn Fn(&Name) -> Key| {
            parents(table).map(make).find(|key| self.new.get(key).is_some())
        };
        match model {
            Model::Parent(table) => of_table(table),
            Model::Column(table, column) => of_table(table).or_else(|| {
                let parent = of_parent(table, &|parent| Key::Column(parent.clone(), column.name.clone()));
                parent.filter(|_| column.inherited)
            }),
            Model::Default(table, column) => {
                let key = Key::Column(table.name.clone(), column.name.clone());
                of_table(table).or_else(|| self.is_new(&key).then_some(key)).or_else(|| {
                    let parent = of_parent(table, &|parent| Key::Default(parent.clone(), column.name.clone()));
                    parent.filter(|_| self.is_of_parent(&Key::Default(table.name.clone(), column.name.clone())))
                })
            }
            Model::Constraint(table, constraint) => {
                if constraint.inherited {
                    let parent = || of_parents(self.new, table, constraint);
                    return of_table(table).or_else(|| of_attachment(table)).or_else(parent);
                }
                of_table(table).filter(|_| self.is_in_create(table, constraint))
            }
            Model::Index(on, index) => {
                let above = index::above(index)?;
                let table = self.new.get(&Key::Table(on.clone()))?.model;
                let Model::Table(table) = table else { return None };
                let above = of_parent(table, &|parent| Key::Index(parent.clone(), above.clone()));
                // The later one of the index above and the partition brings it along.
                above.filter(|key| self.is_new(key)).or_else(|| of_attachment(table)).or_else(|| of_table(table))
            }
            _ => None,
        }
    }

    /// Whether `CREATE TABLE` can have a constraint of the table.
    fn is_in_create(&self, table: &Table, constraint: &Constraint) -> bool {
        if constraint::is_not_valid(constraint) || constraint::is_disabled(constraint) {
            return false;
        }
        if constraint.kind == ConstraintKind::ForeignKey {
            let Some(references) = &constraint.references else { return false };
            return references.table == table.name || !self.reaches(&references.table, &table.name);
        }
        if constraint.kind == ConstraintKind::NotNull {
            return false;
        }
        let Some(name) = constraint.name.clone() else { return false };
        let Some(part) = self.new.get(&Key::Constraint(table.name.clone(), name)) else { return false };
        part.needs.iter().all(|need| match need {
            Key::Table(name) | Key::Column(name, _) => *name == table.name,
            Key::Type(_) | Key::Namespace(_) => true,
            other => !self.is_new(other),
        })
    }

    /// Whether a new table refers to another one, directly or by way of others that are new.
    fn reaches(&self, start: &Name, wanted: &Name) -> bool {
        let mut seen = BTreeSet::new();
        let mut queue = vec![start.clone()];
        while let Some(name) = queue.pop() {
            if name == *wanted {
                return true;
            }
            let key = Key::Table(name.clone());
            if !seen.insert(name) || !self.is_new(&key) {
                continue;
            }
            if let Some(Model::Table(table)) = self.new.get(&key).map(|part| part.model) {
                let referred = table.constraints.iter().filter_map(|constraint| constraint.references.as_ref());
                queue.extend(referred.map(|references| references.table.clone()));
                queue.extend(parents(table).cloned());
            }
        }
        false
    }

    fn create(&mut self, key: &Key) {
        if self.created_with(key).is_some() {
            return;
        }
        let Some(part) = self.new.get(key) else { return };
        let mut found = match part.model {
            Model::Namespace(it) => {
                let address = Address::new(format!("SCHEMA {}", ident(&it.name)));
                let mut found = vec![Statement::new(format!("CREATE {}", address.object))];
                found.extend(meta::create(&address, &it.meta));
                found.extend(self.unwanted(&address, " ON SCHEMAS", None, &it.meta.privileges));
                steps(found)
            }
            Model::Type(it) => {
                if types::is_base(it) {
                    let shell = Statement::new(format!("CREATE TYPE {}", qualified(&it.name)));
                    let shell = self.add(vec![Step::Statement(shell)], rank::CREATE + kind_rank(key));
                    self.shells.insert(key.clone(), shell);
                }
                let mut found = types::create(it);
                found.extend(self.unwanted(&types::address(it), " ON TYPES", Some(&it.name), &it.meta.privileges));
                steps(found)
            }
            Model::Sequence(it) => {
                let mut found = sequence::create(it);
                found.extend(self.unwanted(
                    &sequence::address(it),
                    " ON SEQUENCES",
                    Some(&it.name),
                    &it.meta.privileges,
                ));
                steps(found)
            }
            Model::Owned(it) => vec![Step::Statement(sequence::owned(it, true))],
            Model::Table(it) => self.create_table(it),
            Model::Parent(it) => steps(table::join(it, &[])),
            Model::Marks(it) => {
                let before = match self.old.get(key).map(|part| part.model) {
                    Some(Model::Marks(before)) if !self.is_new(&Key::Table(it.name.clone())) => Some(before),
                    _ => None,
                };
                steps(table::change_marks(before, it, true))
            }
            Model::Column(table, it) => steps(column::add(table, it)),
            Model::Default(table, it) => steps(self.set_default(key, table, it)),
            Model::Constraint(table, it) => return self.create_constraint(key, table, it),
            Model::Index(on, it) => return self.create_index(key, on, it),
            Model::View(it) => {
                let mut found = view::create(it);
                found.extend(self.unwanted(&view::address(it), " ON TABLES", Some(&it.name), &it.meta.privileges));
                steps(found)
            }
            Model::Object(it) => self.create_object(it),
        };
        // Another part has changed, and this one not.
        if matches!(self.fates.get(key), Some(Fate::Again { changed: false })) {
            found.iter_mut().for_each(recreates);
        }
        self.make(key, found);
    }

    fn create_object(&self, it: &Object) -> Vec<Step> {
        if self.is_state_of_partition(self.new, it) {
            return object::create_state(it);
        }
        let mut found = object::create(it);
        if matches!(
            it.kind,
            ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Aggregate | ObjectKind::WindowFunction
        ) {
            let unwanted = self.unwanted(&object::address(it), " ON FUNCTIONS", Some(&it.name), &it.meta.privileges);
            found.extend(steps(unwanted));
        }
        found
    }

    /// Whether a trigger is that of the partitioned table, and only its state is another.
    fn is_state_of_partition(&self, parts: &Parts<'_>, it: &Object) -> bool {
        let Some(on) = it.on.as_ref().filter(|_| it.kind == ObjectKind::Trigger) else { return false };
        let Some(Model::Table(table)) = parts.get(&Key::Table(on.clone())).map(|part| part.model) else { return false };
        table.partition_of.as_ref().is_some_and(|partition| {
            parts.get(&Key::Object(it.kind, it.name.clone(), Some(partition.parent.clone()))).is_some()
        })
    }

    /// Takes what the default privileges give to a new object, and it should not have.
    fn unwanted(&self, at: &Address, kind: &str, name: Option<&Name>, wanted: &[Privilege]) -> Vec<Statement> {
        let Some(grant) = &at.grant else { return Vec::new() };
        let defaults = self.from.objects.iter().filter(|it| it.kind == ObjectKind::DefaultPrivileges);
        let applies = |it: &&Object| {
            let schema = name.and_then(|name| name.schema.as_ref());
            let in_schema =
                it.name.name.split("IN SCHEMA ").nth(1).map(|rest| rest.trim_end_matches(kind).trim_matches('"'));
            it.name.name.ends_with(kind)
                && in_schema.is_none_or(|in_schema| schema.is_some_and(|schema| schema == in_schema))
        };
        let mut given: Vec<Privilege> = Vec::new();
        for privilege in defaults.filter(applies).flat_map(|it| &it.meta.privileges) {
            let is_wanted =
                wanted.iter().any(|other| other.grantee == privilege.grantee && other.privilege == privilege.privilege);
            if !is_wanted && !given.contains(privilege) {
                given.push(privilege.clone());
            }
        }
        meta::privileges(grant, "", &given, &[])
    }

    fn create_table(&mut self, it: &Table) -> Vec<Step> {
        let inline: Vec<&Constraint> = it
            .constraints
            .iter()
            .filter(|constraint| !constraint.inherited && self.is_in_create(it, constraint))
            .collect();
        let parent = it.partition_of.as_ref().map(|partition| Key::Table(partition.parent.clone()));
        let parent = parent.or_else(|| it.inherits.first().cloned().map(Key::Table));
        let parent = parent.and_then(|key| match self.new.get(&key)?.model {
            Model::Table(table) => Some(table),
            _ => None,
        });
        let mut found = table::create(it, parent, &inline);
        if let Some(partition) = &it.partition_of
            && self.old.all.values().any(|part| {
                matches!(part.model, Model::Parent(other) if other.partition_of.as_ref()
                    .is_some_and(|other| other.parent == partition.parent && other.bound == "DEFAULT"))
            })
            && !self.is_new(&Key::Table(partition.parent.clone()))
        {
            let why = "the default partition has a row that belongs into it".to_owned();
            found[0].hazards.push(Hazard::MayFail(why));
        }
        found.extend(self.unwanted(&table::address(it), " ON TABLES", Some(&it.name), &it.meta.privileges));
        found.extend(inline.iter().filter_map(|constraint| constraint::comment(it, None, constraint)));
        if let Some(Model::Table(before)) = self.old.get(&Key::Table(it.name.clone())).map(|part| part.model)
            && is_copied(before, it)
        {
            let copy = self.add(steps(self.copy(before, it)), rank::CREATE + 1);
            self.copies.push((it.name.clone(), copy));
        }
        steps(found)
    }

    /// Copies the rows of a table to the new one, whose sequences go on after them.
    fn copy(&self, before: &Table, after: &Table) -> Vec<Statement> {
        let mut found = table::copy(before, after);
        let is_common = |it: &&Column| before.columns.iter().any(|other| other.name == it.name);
        let past = after.columns.iter().filter(is_common).filter_map(|it| {
            if let Some(identity) = &it.identity {
                let name = column::sequence_name(after, it);
                return column::past_existing(after, it, &name, identity.options.increment);
            }
            let sequence = sequence_of_default(self.new, after, it)?;
            let same = sequence_of_default(self.old, before, it).is_some_and(|old| old.name == sequence.name);
            if same { None } else { column::past_existing(after, it, &sequence.name, sequence.options.increment) }
        });
        let past: Vec<Statement> = past.collect();
        let dropped = found.pop();
        found.extend(past);
        found.extend(dropped);
        found
    }

    /// Whether a table has had rows before this draft, which others read and write meanwhile.
    fn is_busy(&self, name: &Name) -> bool {
        let key = Key::Table(name.clone());
        let ordinary = match self.new.get(&key).map(|part| part.model) {
            Some(Model::Table(table)) => matches!(table.kind, TableKind::Ordinary),
            // A materialized view.
            _ => !self.is_new(&Key::View(name.clone())),
        };
        self.mode == Mode::Online && ordinary && !self.is_new(&key)
    }

    fn create_constraint(&mut self, key: &Key, table: &Table, it: &Constraint) {
        if !self.is_busy(&table.name) {
            self.make(key, steps(constraint::add(table, it)));
            return;
        }
        if constraint::can_wait(it) {
            let (first, then) = constraint::add_in_two(table, it);
            let index = self.make(key, steps(first));
            let later = self.add(steps(then), rank::CREATE + kind_rank(key));
            self.actions[later].after_commit.insert(index);
            return;
        }
        let is_replaced = self.is_replaced(key);
        let own = Constraint { name: it.name.as_ref().map(|name| aside(name)), ..it.clone() };
        match constraint::unique_index(table, if is_replaced { &own } else { it }) {
            Some(build) => {
                let built = self.add(vec![Step::Statement(build)], rank::CREATE + kind_rank(key));
                self.actions[built].outside_transaction = true;
                self.builds.insert(key.clone(), built);
                let index = self.make(key, steps(constraint::using_index(table, it, is_replaced.then_some(&own))));
                self.actions[index].after.insert(built);
                if is_replaced {
                    self.ends.insert(key.clone(), index);
                }
            }
            None => {
                self.make(key, steps(constraint::add(table, it)));
            }
        }
    }

    fn create_index(&mut self, key: &Key, on: &Name, it: &Index) {
        let kind = match self.new.get(&Key::Table(on.clone())).map(|part| part.model) {
            Some(Model::Table(table)) => Some(&table.kind),
            _ => None,
        };
        let concurrently = self.is_busy(on) && it.valid;
        let before = match self.old.get(key).map(|part| part.model) {
            Some(Model::Index(_, before)) if self.is_replaced(key) => Some(before),
            _ => None,
        };
        let found = match before {
            Some(before) => index::replace(on, before, it, &aside(&it.name)),
            None => index::create(on, it, kind, concurrently),
        };
        let index = self.make(key, steps(found));
        self.actions[index].outside_transaction = concurrently;
        if before.is_some() {
            self.ends.insert(key.clone(), index);
        }
    }

    /// Whether the index of a busy table stays until another one with its name has been built.
    fn is_replaced(&self, key: &Key) -> bool {
        let (Some(old), Some(new)) = (self.old.get(key), self.new.get(key)) else { return false };
        let Some(table) = table_of(key) else { return false };
        let is_built = match (old.model, new.model) {
            (Model::Index(_, before), Model::Index(_, after)) => {
                before.valid && after.valid && index::above(before).is_none() && index::above(after).is_none()
            }
            (Model::Constraint(_, before), Model::Constraint(of, after)) => {
                let has_index = |it| constraint::unique_index(of, it).is_some();
                has_index(before) && has_index(after) && !before.inherited && !after.inherited
            }
            _ => false,
        };
        // The names of the server have 63 bytes.
        let has_room = matches!(key, Key::Index(_, name) | Key::Constraint(_, name) if aside(name).len() < 64);
        let stays = |need: &Key| match self.fates.get(need) {
            Some(Fate::Stays) => true,
            Some(Fate::Changes(_)) => !matches!(need, Key::Column(..)) || !self.is_retyped(need),
            _ => false,
        };
        is_built
            && has_room
            && matches!(self.fates.get(key), Some(Fate::Again { .. }))
            && self.is_busy(table)
            && old.needs.iter().all(stays)
            && new.needs.iter().all(|need| stays(need) || matches!(self.fates.get(need), Some(Fate::Created)))
    }

    fn find_dropper(&self, key: &Key) -> Option<Key> {
        let model = self.old.get(key)?.model;
        let gone = |key: Key| self.is_gone(&key).then_some(key);
        let again = |key: Key| self.is_new(&key).then_some(key);
        let of_column = |table: &Name, column: &str| gone(Key::Column(table.clone(), column.to_owned()));
        match model {
            Model::Owned(it) => {
                // A sequence that stays must not go with its old owner.
                let sequence = gone(Key::Sequence(it.name.clone()))?;
                let owned = it.owned_by.as_ref().and_then(|(table, column)| of_column(table, column));
                Some(owned.unwrap_or(sequence))
            }
            Model::Sequence(it) => {
                let (table, column) = it.owned_by.as_ref()?;
                of_column(table, column)
            }
            Model::Parent(it) | Model::Marks(it) => gone(Key::Table(it.name.clone())),
            Model::Column(table, column) => {
                let table_key = Key::Table(table.name.clone());
                gone(table_key.clone()).or_else(|| again(table_key)).or_else(|| {
                    let of = parents(table).map(|parent| Key::Column(parent.clone(), column.name.clone()));
                    let stays = column.inherited && !self.leaves(&table.name);
                    of.into_iter().find(|key| stays && self.old.get(key).is_some())
                })
            }
            Model::Default(table, column) => {
                let key = Key::Default(table.name.clone(), column.name.clone());
                let of = Key::Column(table.name.clone(), column.name.clone());
                gone(of.clone()).or_else(|| again(of)).or_else(|| {
                    let of = parents(table).map(|parent| Key::Default(parent.clone(), column.name.clone()));
                    of.into_iter().find(|_| self.is_of_parent(&key))
                })
            }
            Model::Constraint(table, it) => {
                let of_table = gone(Key::Table(table.name.clone()));
                if let (Some(of_table), Some(references)) = (&of_table, &it.references) {
                    let is_circle = references.table != table.name && self.is_circle(&table.name, &references.table);
                    return (!is_circle).then(|| of_table.clone());
                }
                if it.inherited {
                    return of_table.or_else(|| of_parents(self.old, table, it).filter(|_| !self.leaves(&table.name)));
                }
                of_table.or_else(|| {
                    let column = it.columns.iter().find_map(|column| of_column(&table.name, column));
                    column.filter(|_| self.is_gone(key))
                })
            }
            Model::Index(on, it) => {
                let of_table = gone(Key::Table(on.clone())).or_else(|| {
                    let view = Key::View(on.clone());
                    gone(view.clone()).or_else(|| again(view))
                });
                if let Some(above) = index::above(it) {
                    let Some(Model::Table(table)) = self.old.get(&Key::Table(on.clone())).map(|part| part.model) else {
                        return of_table;
                    };
                    let of = parents(table).map(|parent| Key::Index(parent.clone(), above.clone()));
                    let of = of.into_iter().find(|key| self.old.get(key).is_some());
                    return of_table.or(of.filter(|_| !self.leaves(&table.name)));
                }
                of_table.or_else(|| {
                    let needs = &self.old.get(key)?.needs;
                    let column = needs
                        .iter()
                        .find(|need| matches!(need, Key::Column(table, _) if table == on) && self.is_gone(need));
                    column.cloned().filter(|_| {
                        self.is_gone(key)
                            && it.keys.iter().any(|name| self.is_gone(&Key::Column(on.clone(), name.clone())))
                    })
                })
            }
            Model::Object(it) => {
                // A base type and its functions go together.
                let base = self.old.get(key)?.needs.iter().find(|need| {
                    matches!(need, Key::Type(_))
                        && self.is_gone(need)
                        && self.old.get(need).is_some_and(|of| of.needs.contains(key))
                });
                if let Some(base) = base.filter(|_| self.is_gone(key)) {
                    return Some(base.clone());
                }
                let on = it.on.clone()?;
                if it.kind == ObjectKind::Statistics {
                    return None;
                }
                let view = Key::View(on.clone());
                gone(Key::Table(on)).or_else(|| gone(view.clone())).or_else(|| again(view))
            }
            Model::Namespace(_) | Model::Type(_) | Model::Table(_) | Model::View(_) => None,
        }
    }

    /// Whether a table is no partition or child of another any more.
    fn leaves(&self, table: &Name) -> bool {
        self.is_gone(&Key::Parent(table.clone()))
    }

    /// Whether two tables that go refer to each other, directly or by way of others that go.
    fn is_circle(&self, table: &Name, referred: &Name) -> bool {
        if !self.is_gone(&Key::Table(referred.clone())) {
            return false;
        }
        let mut seen = BTreeSet::new();
        let mut queue = vec![referred.clone()];
        while let Some(name) = queue.pop() {
            if name == *table {
                return true;
            }
            let key = Key::Table(name.clone());
            if !seen.insert(name) || !self.is_gone(&key) {
                continue;
            }
            if let Some(Model::Table(table)) = self.old.get(&key).map(|part| part.model) {
                let referred = table.constraints.iter().filter_map(|constraint| constraint.references.as_ref());
                queue.extend(referred.map(|references| references.table.clone()));
            }
        }
        false
    }

    fn drop(&mut self, key: &Key, again: bool) {
        if self.dropped_with(key).is_some() || (again && self.is_replaced(key)) {
            return;
        }
        let Some(part) = self.old.get(key) else { return };
        let mut rank = if again { rank::DROP_FOR_ANOTHER } else { rank::DROP };
        let found = match part.model {
            Model::Namespace(it) => {
                rank = rank::LOSE + 5;
                vec![Step::Statement(Statement::new(format!("DROP SCHEMA {}", ident(&it.name))))]
            }
            Model::Type(it) => {
                rank = rank::LOSE + 3;
                vec![Step::Statement(types::drop(it))]
            }
            Model::Sequence(it) if self.becomes_identity(it) => {
                vec![Step::Statement(sequence::rename(&it.name, &sequence::aside(&it.name)))]
            }
            Model::Sequence(it) => {
                rank = rank::LOSE + 2;
                vec![Step::Statement(sequence::drop(it))]
            }
            Model::Owned(it) => vec![Step::Statement(sequence::owned(it, false))],
            // It goes with its parent, when the rows have been copied.
            Model::Table(it) if self.goes_with_copied(it) => return,
            Model::Table(it) => {
                let copied = match self.new.get(key).map(|part| part.model) {
                    Some(Model::Table(after)) => is_copied(it, after),
                    _ => false,
                };
                if !again {
                    rank = rank::LOSE + 1;
                }
                let leaves = it.partition_of.is_some() && !copied && self.is_referred_to(key);
                let mut found = if leaves { self.leave(it) } else { Vec::new() };
                found.push(if copied { table::put_aside(it) } else { table::drop(it) });
                steps(found)
            }
            Model::Parent(it) => steps(self.leave(it)),
            Model::Marks(_) => Vec::new(),
            Model::Column(table, it) => {
                if !again {
                    rank = rank::LOSE;
                }
                vec![Step::Statement(column::drop(table, it))]
            }
            Model::Default(table, it) => vec![Step::Statement(column::drop_default(table, it))],
            Model::Constraint(table, it) => vec![Step::Statement(constraint::drop(table, it))],
            Model::Index(on, it) => vec![Step::Statement(index::drop(on, it, false))],
            Model::View(it) => vec![Step::Statement(view::drop(it))],
            Model::Object(it) => {
                if it.kind == ObjectKind::Extension {
                    rank = rank::LOSE + 4;
                }
                match self.is_state_of_partition(self.old, it) {
                    true => object::drop_state(it),
                    false => object::drop(it),
                }
            }
        };
        let index = self.add(found, rank);
        self.ends.insert(key.clone(), index);
    }

    /// Takes a table from its parents, if no foreign key minds.
    fn leave(&self, it: &Table) -> Vec<Statement> {
        let mut found = table::leave(it, &[]);
        if it.partition_of.is_some() && self.is_referred_to(&Key::Table(it.name.clone())) {
            let why = "a row refers to one of the partition".to_owned();
            found.iter_mut().for_each(|statement| statement.hazards.push(Hazard::MayFail(why.clone())));
        }
        found
    }

    /// Whether a foreign key refers to a table or to the one that it is a partition of, which the server does not let go of
    /// a partition that is dropped.
    fn is_referred_to(&self, key: &Key) -> bool {
        self.old.all.values().any(|part| {
            matches!(part.model, Model::Constraint(_, it) if it.kind == ConstraintKind::ForeignKey)
                && part.needs.contains(key)
        })
    }

    /// Creates a type beside the old one, moves the columns to it, and drops the old one.
    fn swap(&mut self, key: &Key) {
        let (Some(Part { model: Model::Type(before), .. }), Some(Part { model: Model::Type(after), .. })) =
            (self.old.get(key), self.new.get(key))
        else {
            return;
        };
        let aside = Name { schema: before.name.schema.clone(), name: format!("{}_before", before.name.name) };
        let address = types::address(before).object;
        let mut found = vec![Statement::new(format!("ALTER {address} RENAME TO {}", ident(&aside.name)))];
        found.extend(types::create(after));
        let (old, lost) = (before, lost_values(before, after));
        for part in self.new.all.values().filter(|part| part.needs.contains(key)) {
            let Model::Column(table, column) = part.model else { continue };
            let column_key = Key::Column(table.name.clone(), column.name.clone());
            let before = self.old.get(&column_key).filter(|part| part.needs.contains(key));
            let stays = !self.is_new(&Key::Table(table.name.clone())) && !self.is_new(&column_key);
            if before.is_none() || !stays || column.inherited || column.generated.is_some() {
                continue;
            }
            let name = ident(&column.name);
            let mut statement = Statement::new(format!(
                "{} ALTER COLUMN {name} TYPE {} USING {}",
                column::alter(table),
                column.data_type,
                types::converted(old, after, &name, &column.data_type)
            ));
            statement.hazards.push(Hazard::Rewrites);
            if !matches!(after.kind, TypeKind::Enum(_)) {
                statement = statement.with(Hazard::MayFail("a value does not fit".to_owned()));
            }
            if types::loses_attributes(old, after) {
                statement = statement.with(Hazard::Loses(Loss::Column));
            }
            if !lost.is_empty() {
                let values: Vec<String> = lost.iter().map(|value| literal(value)).collect();
                statement = statement.with(Hazard::MayFail(format!("a row has the value {}", values.join(" or "))));
                statement = statement.with(Hazard::Loses(Loss::EnumValue));
            }
            found.push(statement);
        }
        let index = self.make(key, steps(found));
        let word = if matches!(before.kind, TypeKind::Domain { .. }) { "DOMAIN" } else { "TYPE" };
        let dropped = Statement::new(format!("DROP {word} {}", qualified(&aside)));
        let end = self.add(vec![Step::Statement(dropped)], rank::CREATE + 1);
        self.actions[end].after.insert(index);
        self.ends.insert(key.clone(), end);
    }

    /// Computes again what keeps the values of before. Outside of a transaction each statement locks for itself, and nobody
    /// waits for the whole.
    fn recompute(&mut self, stale: &BTreeMap<Key, Stale>) {
        let stays = |key: &Key| {
            matches!(self.fates.get(key), Some(Fate::Stays | Fate::Changes(_) | Fate::Renamed { .. }))
                || matches!(key, Key::Object(ObjectKind::Cast, ..))
        };
        let mut tables: BTreeMap<&Name, (BTreeSet<String>, BTreeSet<&Key>)> = BTreeMap::new();
        let mut views: Vec<(&Key, usize)> = Vec::new();
        for (key, it) in stale.iter().filter(|(key, _)| stays(key)) {
            if !it.doubt.is_empty() {
                self.doubt(key, it);
                continue;
            }
            let online = self.mode == Mode::Online;
            let (rank, statements) = match self.new.get(key).map(|part| part.model) {
                Some(Model::Type(it)) => (0, types::check_again(it)),
                Some(Model::Constraint(table, it)) => (1, constraint::again(table, it, online)),
                Some(Model::Column(table, column)) => {
                    let (columns, causes) = tables.entry(&table.name).or_default();
                    let expression = column.generated.iter().map(|generated| generated.expression.as_str());
                    columns.extend(expression.flat_map(|expression| column::written_for(table, expression)));
                    causes.extend(&it.causes);
                    continue;
                }
                Some(Model::View(it)) => (3, vec![view::refresh(it, online)]),
                Some(Model::Index(on, it)) => (4, vec![index::rebuild(on, it)]),
                _ => continue,
            };
            let index = self.follow(statements, rank, &it.causes);
            self.follows.extend(self.made(key).map(|made| (made, index)));
            if matches!(key, Key::View(_)) {
                views.push((key, index));
            }
        }
        for (name, (columns, causes)) in tables {
            let Some(Model::Table(table)) = self.new.get(&Key::Table(name.clone())).map(|part| part.model) else {
                continue;
            };
            let mut statement = column::write_again(table, &columns);
            statement.question = self.asked_about_rows(table);
            self.follow(vec![statement], 2, causes);
        }
        for (view, index) in &views {
            let read = views.iter().filter(|(other, _)| other != view && self.reads(view, other));
            let read: Vec<(usize, usize)> = read.map(|(_, of)| (*of, *index)).collect();
            self.follows.extend(read);
        }
    }

    /// Asks whether a part is stale where what it is computed with changes.
    fn doubt(&mut self, key: &Key, it: &Stale) {
        let causes: Vec<String> = it.causes.iter().map(Key::shown).collect();
        let what = format!("{} may keep what was computed before {} changes", key.shown(), causes.join(", "));
        if let Some(made) = it.causes.iter().find_map(|cause| self.made(cause)) {
            self.actions[made].steps.push(Step::Open { what, why: it.doubt.clone() });
        }
    }

    /// Adds an action that follows what changes in place. Online they are in one script: one that changes nothing a test
    /// can see would be a migration without a test.
    fn follow<'k>(
        &mut self,
        statements: Vec<Statement>,
        rank: u32,
        causes: impl IntoIterator<Item = &'k Key>,
    ) -> usize {
        let mut steps = steps(statements);
        steps.iter_mut().for_each(recomputes);
        let index = self.add(steps, rank::RECOMPUTE + rank);
        let online = self.mode == Mode::Online;
        self.actions[index].outside_transaction = online;
        let made: Vec<usize> = causes.into_iter().filter_map(|cause| self.made(cause)).collect();
        for made in made {
            self.follows.push((made, index));
            self.actions[made].outside_transaction |= online;
        }
        index
    }

    /// Whether a view reads another one, directly or by way of others.
    fn reads(&self, view: &Key, other: &Key) -> bool {
        let mut seen = BTreeSet::new();
        let mut queue = vec![view];
        while let Some(key) = queue.pop() {
            let needs = self.new.get(key).map(|part| &part.needs).into_iter().flatten();
            queue.extend(needs.filter(|need| matches!(need, Key::View(_)) && seen.insert(*need)));
        }
        seen.contains(other)
    }

    /// What a person must decide before every row of a table is written.
    fn asked_about_rows(&self, table: &Table) -> Option<String> {
        let mut names = vec![&table.name];
        while let Some(more) = self.new.all.values().find_map(|part| match part.model {
            Model::Table(it) if !names.contains(&&it.name) && parents(it).any(|of| names.contains(&of)) => {
                Some(&it.name)
            }
            _ => None,
        }) {
            names.push(more);
        }
        let fires = |it: &Object| {
            let is_on = it.on.as_ref().is_some_and(|on| names.contains(&on));
            let event = it.definition.split(" ON ").next().unwrap_or_default();
            let is_update = match it.kind {
                ObjectKind::Trigger => event.contains("UPDATE"),
                ObjectKind::Rule => it.definition.contains(" ON UPDATE "),
                _ => false,
            };
            is_on && is_update && !it.meta.details.iter().any(|one| one.name == "enabled" && one.value == "false")
        };
        let found: Vec<String> = self
            .new
            .all
            .iter()
            .filter(|(_, part)| matches!(part.model, Model::Object(it) if fires(it)))
            .map(|(key, _)| key.shown())
            .collect();
        let mut why = found;
        why.extend((table.row_security == RowSecurity::Forced).then(|| "the policies apply to it".to_owned()));
        (!why.is_empty()).then(|| {
            format!(
                "whether this may write every row of {}, although {} is there",
                qualified(&table.name),
                why.join(", ")
            )
        })
    }

    /// Whether a part is anything but a column that keeps its type.
    fn is_retyped(&self, key: &Key) -> bool {
        match (self.old.get(key).map(|part| part.model), self.new.get(key).map(|part| part.model)) {
            (Some(Model::Column(_, before)), Some(Model::Column(_, after))) => column::is_retyped(before, after),
            _ => true,
        }
    }

    /// Whether a table is a partition that goes, of a table whose rows are copied to another.
    fn goes_with_copied(&self, it: &Table) -> bool {
        self.copied_parent(it).is_some() && self.is_gone(&Key::Table(it.name.clone()))
    }

    /// The table whose rows are copied and whose partition this is, directly or by way of other partitions.
    fn copied_parent(&self, it: &Table) -> Option<Name> {
        let mut it = it;
        for _ in 0..DEEPEST {
            let key = Key::Table(it.partition_of.as_ref()?.parent.clone());
            let Model::Table(parent) = self.old.get(&key)?.model else { return None };
            if let Some(Model::Table(after)) = self.new.get(&key).map(|part| part.model)
                && self.is_new(&key)
                && is_copied(parent, after)
            {
                return Some(parent.name.clone());
            }
            if !self.is_gone(&key) {
                return None;
            }
            it = parent;
        }
        None
    }

    /// The action after which an old part is gone or has changed.
    fn end(&self, key: &Key) -> Option<usize> {
        let mut key = key;
        for _ in 0..DEEPEST {
            if let Some(&index) = self.ends.get(key) {
                return Some(index);
            }
            key = self.dropped_with(key)?;
        }
        None
    }

    /// The action that makes or changes a new part.
    fn made(&self, key: &Key) -> Option<usize> {
        let mut key = key;
        for _ in 0..DEEPEST {
            if let Some(&index) = self.makes.get(key) {
                return Some(index);
            }
            key = self.created_with(key)?;
        }
        None
    }

    /// Says which actions must follow which.
    fn link(&mut self) {
        let mut edges: Vec<(usize, usize)> = Vec::new();
        let mut wishes: Vec<(usize, usize)> = Vec::new();
        let is_drop = |key: &Key| matches!(self.fates.get(key), Some(Fate::Dropped | Fate::Again { .. }));
        for (key, part) in &self.old.all {
            if let Model::Table(it) = part.model
                && self.goes_with_copied(it)
                && let Some(parent) = self.copied_parent(it)
            {
                let copy = self.copies.iter().find(|(name, _)| *name == parent).map(|(_, copy)| *copy);
                self.ends.extend(copy.map(|copy| (key.clone(), copy)));
            }
        }
        for (key, part) in &self.old.all {
            let Some(end) = self.end(key) else { continue };
            let is_copy = self.copies.iter().any(|(_, copy)| *copy == end);
            for need in &part.needs {
                // It goes with a table that has another name by then.
                if is_copy && table_of(need).is_some_and(|name| self.copies.iter().any(|(copied, _)| copied == name)) {
                    continue;
                }
                let swapped = matches!(self.fates.get(need), Some(Fate::Swapped));
                if is_drop(need) || swapped {
                    edges.extend(self.end(need).map(|of| (end, of)));
                }
                let leaves = self.new.get(key).is_none_or(|part| !part.needs.contains(need));
                // An index does not mind what its column gets besides another type.
                let is_minded = !matches!(part.model, Model::Index(..)) || self.is_retyped(need);
                let changes = matches!(self.fates.get(need), Some(Fate::Changes(_))) && is_minded;
                if (changes && is_drop(key)) || (swapped && (is_drop(key) || leaves)) {
                    edges.extend(self.made(need).map(|of| (end, of)));
                }
            }
            if let Key::Constraint(table, _) | Key::Index(table, _) = key
                && self.leaves(table)
                && is_drop(key)
            {
                edges.extend(self.end(&Key::Parent(table.clone())).map(|left| (left, end)));
            }
            for need in part.prefers.iter().filter(|need| is_drop(need)) {
                // What an extension made is not read, and may be needed by whatever goes.
                let is_extension = matches!(need, Key::Object(ObjectKind::Extension, ..));
                let to = if is_extension && is_drop(key) { &mut edges } else { &mut wishes };
                to.extend(self.end(need).map(|of| (end, of)));
            }
        }
        for (key, part) in &self.new.all {
            let Some(made) = self.made(key) else { continue };
            if let Some(&shell) = self.shells.get(key) {
                edges.push((shell, made));
                let namespaces = part.needs.iter().filter(|need| matches!(need, Key::Namespace(_)));
                edges.extend(namespaces.filter_map(|need| Some((self.made(need)?, shell))));
            }
            // What a parent brings along needs only what that needs.
            if !self.makes.contains_key(key) && self.is_brought(key) {
                continue;
            }
            for need in &part.needs {
                let is_own = self.new.get(need).is_some_and(|of| of.needs.contains(key));
                let shell = self.shells.get(need).copied().filter(|_| is_own);
                edges.extend(shell.or_else(|| self.made(need)).map(|of| (of, made)));
                if matches!(part.model, Model::Constraint(_, it) if it.kind == ConstraintKind::PrimaryKey) {
                    edges.extend(self.not_nulls.get(need).map(|&of| (of, made)));
                }
                if let Some(&built) = self.builds.get(key) {
                    edges.extend(self.made(need).map(|of| (of, built)));
                }
            }
            wishes.extend(part.prefers.iter().filter_map(|need| Some((self.made(need)?, made))));
            if matches!(self.fates.get(key), Some(Fate::Again { .. })) && self.end(key) != Some(made) {
                edges.extend(self.end(key).map(|end| (end, made)));
                if let Some(&built) = self.builds.get(key) {
                    edges.extend(self.end(key).map(|end| (end, built)));
                }
            }
            // A value of an enum can be used when its transaction has ended.
            for need in &part.needs {
                for value in self.new_values(need) {
                    let uses = self.actions[made].steps.iter().any(|step| match step {
                        Step::Statement(statement) => statement.sql.contains(&value),
                        Step::Open { .. } => false,
                    });
                    if let Some(of) = self.made(need).filter(|of| uses && *of != made) {
                        self.actions[made].after_commit.insert(of);
                    }
                }
            }
        }
        edges.append(&mut self.follows);
        self.link_replaced(&mut edges, &mut wishes);
        self.link_defaults(&mut edges);
        self.link_names(&mut edges);
        self.link_copies(&mut edges);
        for (before, after) in edges.into_iter().filter(|(before, after)| before != after) {
            self.actions[after].after.insert(before);
        }
        for (before, after) in wishes.into_iter().filter(|(before, after)| before != after) {
            self.actions[after].prefers.insert(before);
        }
        self.drop_concurrently();
    }

    /// Whether the parent of its table brings a part along.
    fn is_brought(&self, key: &Key) -> bool {
        self.created_with(key).is_some_and(|with| table_of(with) != table_of(key))
    }

    /// A foreign key stays until the index that it needs has been built again, and an index until those are built that may
    /// take its place.
    fn link_replaced(&self, edges: &mut Vec<(usize, usize)>, wishes: &mut Vec<(usize, usize)>) {
        for (key, part) in &self.old.all {
            let Some(end) = self.end(key) else { continue };
            let replaced = part.needs.iter().filter(|need| self.is_replaced(need));
            edges.extend(replaced.filter_map(|need| self.builds.get(need)).map(|&built| (built, end)));
            let Key::Index(table, _) = key else { continue };
            if self.is_gone(key) && self.is_busy(table) {
                let new = self.makes.iter().filter(|(other, _)| {
                    matches!(other, Key::Index(of, _) if of == table)
                        && matches!(self.fates.get(other), Some(Fate::Created))
                });
                wishes.extend(new.map(|(_, &made)| (made, end)));
            }
        }
    }

    /// Default privileges change last, so that they are given to no object of this draft.
    fn link_defaults(&self, edges: &mut Vec<(usize, usize)>) {
        let is_default = |key: &Key| matches!(key, Key::Object(ObjectKind::DefaultPrivileges, ..));
        let both = || self.ends.iter().chain(&self.makes);
        for (_, &last) in both().filter(|(key, _)| is_default(key)) {
            edges.extend(both().filter(|(key, _)| !is_default(key)).map(|(_, &other)| (other, last)));
        }
    }

    /// What has the name of a part that goes follows it.
    fn link_names(&self, edges: &mut Vec<(usize, usize)>) {
        let mut gone: BTreeMap<Name, Vec<usize>> = BTreeMap::new();
        for (key, part) in &self.old.all {
            if self.is_gone(key) || matches!(self.fates.get(key), Some(Fate::Again { .. })) {
                for name in relation_names(part.model) {
                    gone.entry(name).or_default().extend(self.end(key));
                }
            }
        }
        for (key, part) in &self.new.all {
            if !self.is_new(key) {
                continue;
            }
            for end in relation_names(part.model).iter().filter_map(|name| gone.get(name)).flatten() {
                // One that replaces another has a name of its own before.
                if self.made(key) == Some(*end) {
                    continue;
                }
                let made = self.made(key).into_iter().chain(self.builds.get(key).copied());
                edges.extend(made.map(|made| (*end, made)));
            }
        }
    }

    /// Rows are copied when the new table and its partitions are there, and before its indexes, keys and triggers.
    fn link_copies(&self, edges: &mut Vec<(usize, usize)>) {
        for (name, copy) in &self.copies {
            edges.extend(self.made(&Key::Table(name.clone())).map(|made| (made, *copy)));
            for (key, part) in &self.new.all {
                let Some(made) = self.made(key) else { continue };
                match part.model {
                    Model::Table(table) if table.partition_of.as_ref().is_some_and(|p| p.parent == *name) => {
                        edges.push((made, *copy));
                    }
                    Model::Constraint(table, _) if table.name == *name && self.makes.contains_key(key) => {
                        edges.push((*copy, made));
                    }
                    Model::Index(on, _) if on == name && self.makes.contains_key(key) => edges.push((*copy, made)),
                    Model::Object(it) if it.on.as_ref() == Some(name) => edges.push((*copy, made)),
                    _ => {}
                }
            }
        }
    }

    /// Drops an index concurrently if nothing but its successor waits for that.
    fn drop_concurrently(&mut self) {
        if self.mode == Mode::Offline {
            return;
        }
        let keys: Vec<(Key, usize)> = self.ends.iter().map(|(key, index)| (key.clone(), *index)).collect();
        for (key, end) in keys {
            let Some(Model::Index(on, it)) = self.old.get(&key).map(|part| part.model) else { continue };
            let is_table = matches!(self.old.get(&Key::Table(on.clone())).map(|part| part.model),
                Some(Model::Table(table)) if matches!(table.kind, TableKind::Ordinary) && table.partition_of.is_none());
            let is_drop = matches!(self.fates.get(&key), Some(Fate::Dropped | Fate::Again { .. }));
            let own = self.makes.get(&key).copied();
            // It is part of what replaces it.
            if own == Some(end) {
                continue;
            }
            let waits =
                self.actions.iter().enumerate().any(|(index, action)| {
                    action.after.contains(&end) && Some(index) != own && !action.steps.is_empty()
                });
            let again_in_transaction = own.is_some_and(|own| !self.actions[own].outside_transaction);
            if is_table && is_drop && !waits && !again_in_transaction {
                self.actions[end].steps = vec![Step::Statement(index::drop(on, it, true))];
                self.actions[end].outside_transaction = true;
                self.actions[end].rank = rank::CREATE;
            }
        }
    }

    /// The new values of an enum, as literals.
    fn new_values(&self, key: &Key) -> Vec<String> {
        let (Some(Model::Type(before)), Some(Model::Type(after))) =
            (self.old.get(key).map(|part| part.model), self.new.get(key).map(|part| part.model))
        else {
            return Vec::new();
        };
        match (&before.kind, &after.kind, self.fates.get(key)) {
            (TypeKind::Enum(old), TypeKind::Enum(new), Some(Fate::Changes(_))) => {
                new.iter().filter(|value| !old.contains(value)).map(|value| literal(value)).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The sequence from which the default of a column takes its values.
fn sequence_of_default<'a>(parts: &Parts<'a>, table: &Table, column: &Column) -> Option<&'a Sequence> {
    let part = parts.get(&Key::Default(table.name.clone(), column.name.clone()))?;
    let Model::Default(_, it) = part.model else { return None };
    it.default.as_ref().filter(|default| default.starts_with("nextval("))?;
    part.needs.iter().find_map(|need| match parts.get(need)?.model {
        Model::Sequence(it) => Some(it),
        _ => None,
    })
}

/// The constraint of a parent that brought one along. That of a key has another name there.
fn of_parents(parts: &Parts<'_>, table: &Table, it: &Constraint) -> Option<Key> {
    let candidates = parents(table).filter_map(|parent| match parts.get(&Key::Table(parent.clone()))?.model {
        Model::Table(parent) => Some(parent),
        _ => None,
    });
    candidates.into_iter().find_map(|parent| {
        let same = |other: &&Constraint| other.name == it.name;
        let alike = |other: &&Constraint| other.kind == it.kind && other.columns == it.columns;
        let found = parent.constraints.iter().find(same).or_else(|| parent.constraints.iter().find(alike))?;
        Some(Key::Constraint(parent.name.clone(), found.name.clone().unwrap_or_default()))
    })
}

fn steps(statements: Vec<Statement>) -> Vec<Step> {
    statements.into_iter().map(Step::Statement).collect()
}

fn recreates(step: &mut Step) {
    if let Step::Statement(statement) = step
        && (statement.sql.starts_with("CREATE") || statement.sql.contains(" ADD "))
    {
        statement.hazards.push(Hazard::Recreates);
    }
}

fn recomputes(step: &mut Step) {
    if let Step::Statement(statement) = step
        && !statement.sql.starts_with("COMMENT")
    {
        statement.hazards.push(Hazard::Recomputes);
    }
}

/// Whether the rows of a table are copied to one of another kind.
fn is_copied(before: &Table, after: &Table) -> bool {
    let has_rows = |table: &Table| matches!(table.kind, TableKind::Ordinary | TableKind::Partitioned { .. });
    has_rows(before) && has_rows(after)
}

fn lost_values(before: &Type, after: &Type) -> Vec<String> {
    match (&before.kind, &after.kind) {
        (TypeKind::Enum(old), TypeKind::Enum(new)) => {
            old.iter().filter(|value| !new.contains(value)).cloned().collect()
        }
        _ => Vec::new(),
    }
}

/// The names of a part among relations, which no two of them share.
fn relation_names(model: Model<'_>) -> Vec<Name> {
    let of = |schema: &Name, name: &str| Name { schema: schema.schema.clone(), name: name.to_owned() };
    match model {
        Model::Type(it) => vec![it.name.clone()],
        Model::Sequence(it) => vec![it.name.clone()],
        Model::Table(it) => vec![it.name.clone()],
        Model::View(it) => vec![it.name.clone()],
        Model::Index(on, it) => vec![of(on, &it.name)],
        Model::Constraint(table, it) => match it.kind {
            ConstraintKind::PrimaryKey | ConstraintKind::Unique | ConstraintKind::Exclude => {
                vec![of(&table.name, it.name.as_deref().unwrap_or_default())]
            }
            ConstraintKind::ForeignKey | ConstraintKind::Check | ConstraintKind::NotNull => Vec::new(),
        },
        Model::Column(table, it) if it.identity.is_some() => vec![column::sequence_name(table, it)],
        Model::Namespace(_)
        | Model::Owned(_)
        | Model::Parent(_)
        | Model::Marks(_)
        | Model::Column(..)
        | Model::Default(..)
        | Model::Object(_) => Vec::new(),
    }
}

/// The table that a part belongs to, or is.
fn table_of(key: &Key) -> Option<&Name> {
    match key {
        Key::Column(table, _) | Key::Default(table, _) | Key::Constraint(table, _) | Key::Index(table, _) => {
            Some(table)
        }
        Key::Table(table) | Key::Parent(table) => Some(table),
        Key::Namespace(_)
        | Key::Type(_)
        | Key::Sequence(_)
        | Key::Owned(_)
        | Key::Marks(_)
        | Key::View(_)
        | Key::Object(..) => None,
    }
}

/// The name of an index until it replaces another one.
fn aside(name: &str) -> String {
    format!("{name}_new")
}

/// The order of kinds in a script.
fn kind_rank(key: &Key) -> u32 {
    match key {
        Key::Namespace(_) => 0,
        Key::Object(ObjectKind::Extension, ..) => 1,
        Key::Type(_) => 2,
        Key::Sequence(_) => 3,
        // No expression names the casts that it uses.
        Key::Object(ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Cast, ..) => 4,
        Key::Table(_) | Key::Parent(_) => 5,
        Key::Column(..) => 6,
        Key::Owned(_) | Key::Default(..) => 7,
        Key::Constraint(..) => 8,
        Key::Index(..) => 9,
        Key::View(_) => 10,
        Key::Object(ObjectKind::DefaultPrivileges, ..) => rank::LAST - rank::CREATE,
        Key::Object(..) => 11,
        Key::Marks(_) => 12,
    }
}
