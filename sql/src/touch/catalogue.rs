//! The objects that earlier scripts created, as far as locks depend on them: foreign keys, partitions and children,
//! views on views, and the tables of indexes, statistics and triggers. PostgreSQL locks these tables too, although
//! the statement does not name them.

use std::collections::{BTreeMap, BTreeSet};

use lockgate_core::TableLock;
use lockgate_core::touch::is_same_table;

use super::effect::{TableEffects, references};
use super::read::tables;
use crate::cursor::{Cursor, key};
use crate::lexer::Kind;

/// The existing tables and views, by their names as `Cursor::path` returns them.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    relations: BTreeMap<String, Relation>,
    /// The names that they have or had, without schemas. A name that is not here need not be looked for among them all.
    last_names: BTreeSet<String>,
    /// Indexes, each with its table.
    indexes: BTreeMap<String, String>,
    /// Extended statistics, each with its table.
    statistics: BTreeMap<String, String>,
    triggers: Vec<Trigger>,
}

#[derive(Clone, Debug)]
struct Trigger {
    name: String,
    table: String,
    function: String,
    /// Whether it runs for each row. Partitions have such a trigger too.
    for_rows: bool,
}

#[derive(Clone, Debug, Default)]
struct Relation {
    keys: Vec<Key>,
    /// The tables that it is a partition or a child of.
    parents: Vec<String>,
    is_partition: bool,
    is_default: bool,
    is_partitioned: bool,
    /// The columns of its primary key.
    primary: Vec<String>,
    /// Unique constraints and the primary key, each with its name and its columns.
    unique: Vec<(String, Vec<String>)>,
    /// The types of its columns, without schema.
    columns: Vec<(String, String)>,
    /// Every name in the query, if this is a view.
    query: Option<BTreeSet<String>>,
}

/// A foreign key.
#[derive(Clone, Debug)]
struct Key {
    name: String,
    columns: Vec<String>,
    to: String,
    /// If there are none, it refers to the primary key.
    to_columns: Vec<String>,
}

use TableLock::{AccessExclusive, Share, ShareRowExclusive, ShareUpdateExclusive};

impl Catalogue {
    /// Adds the locks that a statement takes on tables that it does not name.
    pub(super) fn leads(&self, at: Cursor<'_>, doing: &mut TableEffects) {
        let mut found = BTreeMap::new();
        self.statement(at, &mut |table: &str, lock: TableLock| {
            let held = found.entry(table.to_owned()).or_insert(lock);
            *held = lock.max(*held);
        });
        for (table, lock) in found {
            doing.lock([table], lock);
        }
    }

    fn statement(&self, mut at: Cursor<'_>, lock: &mut dyn FnMut(&str, TableLock)) {
        if at.take("drop") {
            self.drop(at, lock);
        } else if at.take("alter") {
            self.alter(at, lock);
        } else if at.take("create") {
            self.create(at, lock);
        } else if at.take("truncate") {
            at.take("table");
            let cascade = at.tokens.last().is_some_and(|token| at.shown(*token).eq_ignore_ascii_case("cascade"));
            self.each(&mut at, |table, only| {
                self.below(table, !only, &mut |table| {
                    lock(table, AccessExclusive);
                    if cascade {
                        self.referring(table)
                            .iter()
                            .for_each(|from| self.below(from, true, &mut |table| lock(table, AccessExclusive)));
                    }
                });
            });
        } else if at.take("lock") {
            at.take("table");
            let mut named = at;
            while !named.ended() && !named.is("in") {
                named.next();
            }
            let mode = super::read::named(named);
            self.each(&mut at, |table, only| self.below(table, !only, &mut |table| lock(table, mode)));
        } else if at.take("analyze") || at.take("analyse") {
            at.group();
            at.take("verbose");
            self.each(&mut at, |table, only| self.below(table, !only, &mut |table| lock(table, ShareUpdateExclusive)));
        }
    }

    /// Calls `say` for each table of a list, with whether `ONLY` stands before it.
    fn each(&self, at: &mut Cursor<'_>, mut say: impl FnMut(&str, bool)) {
        loop {
            at.take("table");
            let only = at.take("only");
            let Some(table) = at.path() else { return };
            say(&table, only);
            if at.is_mark("*") {
                at.next();
            }
            at.group();
            if !at.is_mark(",") {
                return;
            }
            at.next();
        }
    }

    fn drop(&self, mut at: Cursor<'_>, lock: &mut dyn FnMut(&str, TableLock)) {
        let cascade = at.tokens.iter().rev().take(1).any(|token| at.shown(*token).eq_ignore_ascii_case("cascade"));
        let foreign = at.take("foreign");
        let materialized = at.take("materialized");
        let names = |mut at: Cursor<'_>| {
            at.take("concurrently");
            at.take("if exists");
            let mut names = Vec::new();
            self.each(&mut at, |name, _| names.push(name.to_owned()));
            names
        };
        if at.take("table")
            || (foreign || materialized || at.is("view")) && {
                at.next();
                true
            }
        {
            names(at).iter().for_each(|name| self.gone(name, cascade, lock));
        } else if at.take("index") {
            for table in names(at).iter().filter_map(|name| find(&self.indexes, name)) {
                if self.is_partitioned(table) {
                    self.below(table, true, &mut |table| lock(table, AccessExclusive));
                }
            }
        } else if at.take("statistics") {
            for table in names(at).iter().filter_map(|name| find(&self.statistics, name)) {
                lock(table, ShareUpdateExclusive);
            }
        } else if at.take("trigger") {
            at.take("if exists");
            let name = at.path();
            let table = at.seek("on").then(|| at.path()).flatten().map(|table| self.known(&table));
            let is_it =
                |trigger: &&Trigger| Some(&trigger.name) == name.as_ref() && Some(&trigger.table) == table.as_ref();
            if let Some(trigger) = self.triggers.iter().find(is_it) {
                let recurses = trigger.for_rows && self.is_partitioned(&trigger.table);
                self.below(&trigger.table, recurses, &mut |table| lock(table, AccessExclusive));
            }
        } else if cascade && at.take("schema") {
            for schema in names(at) {
                let inside = |name: &&String| name.strip_prefix(&schema).is_some_and(|rest| rest.starts_with('.'));
                for name in self.relations.keys().filter(inside) {
                    lock(name, AccessExclusive);
                    self.gone(name, true, lock);
                }
            }
        } else if cascade && at.is_any(&["function", "procedure", "routine"]) {
            at.next();
            for function in names(at) {
                let calls = self.triggers.iter().filter(|trigger| is_same_table(&trigger.function, &function));
                calls.for_each(|trigger| lock(&trigger.table, AccessExclusive));
                self.views_on(last(&function), lock);
            }
        } else if cascade && at.is_any(&["type", "domain"]) {
            at.next();
            for kind in names(at) {
                self.of_type(last(&kind), |table| lock(table, AccessExclusive));
                self.views_on(last(&kind), lock);
            }
        }
    }

    /// Reports the locks that dropping a table or a view takes.
    fn gone(&self, name: &str, cascade: bool, lock: &mut dyn FnMut(&str, TableLock)) {
        let mut all = vec![name.to_owned()];
        let mut at = 0;
        while let Some(table) = all.get(at).cloned() {
            at += 1;
            let Some(relation) = self.relation(&table) else { continue };
            relation.keys.iter().for_each(|key| self.below(&key.to, true, &mut |table| lock(table, AccessExclusive)));
            if relation.is_partition {
                relation.parents.iter().for_each(|parent| lock(parent, AccessExclusive));
                let siblings = relation.parents.iter().flat_map(|parent| self.children(parent));
                siblings.filter(|(_, of)| of.is_default).for_each(|(name, _)| lock(name, AccessExclusive));
            }
            for (child, of) in self.children(&table) {
                if (of.is_partition || cascade) && !all.contains(child) {
                    lock(child, AccessExclusive);
                    all.push(child.clone());
                }
            }
            if cascade {
                self.referrers(&table)
                    .for_each(|(from, _)| self.below(from, true, &mut |table| lock(table, AccessExclusive)));
                self.views_on(last(&table), lock);
            }
        }
    }

    fn alter(&self, mut at: Cursor<'_>, lock: &mut dyn FnMut(&str, TableLock)) {
        if at.take("domain") {
            let Some(domain) = at.path() else { return };
            if at.is_any(&["add", "validate"]) || at.take("set not null") {
                self.of_type(last(&domain), |table| lock(table, Share));
            }
            return;
        }
        at.take("foreign");
        if !at.take("table") {
            return;
        }
        at.take("if exists");
        let only = at.take("only");
        let Some(table) = at.path() else { return };
        if at.is_mark("*") {
            at.next();
        }
        if at.take("rename") {
            if !at.is_any(&["to", "constraint"]) {
                self.below(&table, !only, &mut |table| lock(table, AccessExclusive));
            }
            return;
        }
        at.pieces().into_iter().for_each(|action| self.action(&table, only, action, lock));
    }

    fn action(&self, table: &str, only: bool, action: Cursor<'_>, lock: &mut dyn FnMut(&str, TableLock)) {
        let mut at = action;
        let strength = super::alter::lock(action);
        let cascade = at.tokens.last().is_some_and(|token| at.shown(*token).eq_ignore_ascii_case("cascade"));
        let below = |lock: &mut dyn FnMut(&str, TableLock)| {
            self.below(table, !only, &mut |table| lock(table, strength));
        };
        if at.take("drop") {
            if at.take("constraint") {
                at.take("if exists");
                let Some(name) = at.name().map(|name| name.key) else { return };
                below(lock);
                self.below(table, !only, &mut |table| {
                    let Some(relation) = self.relation(table) else { return };
                    let dropped = relation.keys.iter().filter(|key| key.name.eq_ignore_ascii_case(&name));
                    dropped.for_each(|key| self.below(&key.to, true, &mut |table| lock(table, AccessExclusive)));
                    let unique = relation.unique.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name));
                    if let Some((_, columns)) = unique.filter(|_| cascade) {
                        for (from, key) in self.referrers(table) {
                            if self.targets(table, key) == columns {
                                lock(from, AccessExclusive);
                            }
                        }
                    }
                });
            } else if !at.is_any(&["identity", "expression"]) {
                at.take("column");
                at.take("if exists");
                let Some(column) = at.name().map(|name| name.key) else { return };
                below(lock);
                self.below(table, !only, &mut |table| self.column(table, &column, cascade, lock));
                if cascade {
                    self.views_on(last(table), lock);
                }
            }
        } else if at.take("alter") {
            if at.is("constraint") {
                return;
            }
            at.take("column");
            let Some(column) = at.name().map(|name| name.key) else { return };
            if at.clone().take("set") && at.on(&at.tokens[1..]).clone().group().is_some() || at.is("reset") {
                return;
            }
            below(lock);
            if at.take("set data type") || at.take("type") {
                self.below(table, !only, &mut |table| self.column(table, &column, true, lock));
            }
        } else if at.take("add") {
            if at.take("constraint") {
                at.name();
            }
            let has_parts = self.is_partitioned(table);
            // Children by INHERITS get columns and checks, but no keys.
            match at.is_any(&["foreign", "unique", "exclude"]) {
                true if !has_parts => {}
                true if !at.is("foreign") => self.below(table, !only, &mut |table| lock(table, Share)),
                _ => below(lock),
            }
            // If the table that is referred to is partitioned, its partitions are locked too.
            for to in references(at) {
                self.below(&to, true, &mut |table| lock(table, ShareRowExclusive));
            }
        } else if at.take("validate constraint") {
            below(lock);
        } else if at.take("attach partition") {
            let Some(part) = at.path() else { return };
            self.below(&part, true, &mut |table| lock(table, AccessExclusive));
            self.defaults(table, lock);
            self.partition_gets(table, lock);
        } else if at.take("detach partition") {
            self.defaults(table, lock);
            if let Some(relation) = self.relation(table) {
                relation.keys.iter().for_each(|key| lock(&key.to, ShareRowExclusive));
            }
            for above in self.above(table) {
                self.referrers(&above).for_each(|(from, _)| lock(from, AccessExclusive));
            }
        } else if at.is_any(&["enable", "disable"]) {
            at.next();
            while at.is_any(&["always", "replica"]) {
                at.next();
            }
            if at.is("trigger") && self.is_partitioned(table) {
                below(lock);
            }
        }
    }

    /// Reports the locks for the foreign keys that a partition gets from its table: those of the table, and those that
    /// refer to it.
    fn partition_gets(&self, table: &str, lock: &mut dyn FnMut(&str, TableLock)) {
        let Some(relation) = self.relation(table) else { return };
        relation.keys.iter().for_each(|key| self.below(&key.to, true, &mut |table| lock(table, ShareRowExclusive)));
        for above in self.above(table) {
            self.referrers(&above).for_each(|(from, _)| lock(from, ShareRowExclusive));
        }
    }

    /// Returns the table and the tables that it is a partition of, at any depth.
    fn above(&self, table: &str) -> Vec<String> {
        reach(self.known(table), |table| {
            let relation = self.relation(table).filter(|relation| relation.is_partition);
            relation.map(|relation| relation.parents.clone()).unwrap_or_default()
        })
    }

    fn defaults(&self, table: &str, lock: &mut dyn FnMut(&str, TableLock)) {
        let parts = self.children(table).filter(|(_, of)| of.is_default);
        parts.for_each(|(name, _)| lock(name, AccessExclusive));
    }

    /// Reports the locks that dropping a column takes, or rebuilding it together with what depends on it.
    fn column(&self, table: &str, column: &str, leads_in: bool, lock: &mut dyn FnMut(&str, TableLock)) {
        let Some(relation) = self.relation(table) else { return };
        let has = |columns: &[String]| columns.iter().any(|known| known == column);
        let out = relation.keys.iter().filter(|key| has(&key.columns));
        out.for_each(|key| self.below(&key.to, true, &mut |table| lock(table, AccessExclusive)));
        for (from, key) in self.referrers(table).filter(|_| leads_in) {
            if has(self.targets(table, key)) {
                lock(from, AccessExclusive);
            }
        }
    }

    /// Returns the columns that a foreign key refers to.
    fn targets<'c>(&'c self, table: &str, key: &'c Key) -> &'c [String] {
        let primary = || self.relation(table).map_or(&[][..], |relation| &relation.primary);
        if key.to_columns.is_empty() { primary() } else { &key.to_columns }
    }

    fn create(&self, mut at: Cursor<'_>, lock: &mut dyn FnMut(&str, TableLock)) {
        at.take("or replace");
        at.adjectives();
        if at.take("index") {
            let concurrently = at.take("concurrently");
            at.take("if not exists");
            if !at.is("on") {
                at.path();
            }
            at.take("on");
            let only = at.take("only");
            if let Some(table) = at.path().filter(|_| !concurrently) {
                // A child by INHERITS gets no foreign keys.
                let is_partitioned = self.is_partitioned(&table);
                self.below(&table, !only && is_partitioned, &mut |table| lock(table, Share));
            }
        } else if at.take("trigger") {
            if is_for_rows(at)
                && at.seek("on")
                && let Some(table) = at.path().filter(|table| self.is_partitioned(table))
            {
                self.below(&table, true, &mut |table| lock(table, ShareRowExclusive));
            }
        } else if at.take("table") {
            at.take("if not exists");
            at.path();
            if at.take("partition of")
                && let Some(table) = at.path()
            {
                self.defaults(&table, lock);
                self.partition_gets(&table, lock);
            }
            for to in references(at) {
                self.below(&to, true, &mut |table| lock(table, ShareRowExclusive));
            }
        }
    }

    /// Calls `say` for this table, and if `recurses` is set for its partitions and children, at any depth.
    fn below(&self, table: &str, recurses: bool, say: &mut dyn FnMut(&str)) {
        if !recurses {
            return say(table);
        }
        let all = reach(table.to_owned(), |table| self.children(table).map(|(name, _)| name.clone()).collect());
        all.iter().for_each(|table| say(table));
    }

    fn children<'c>(&'c self, table: &str) -> impl Iterator<Item = (&'c String, &'c Relation)> + use<'c> {
        let table = self.known(table);
        self.relations.iter().filter(move |(name, relation)| **name != table && relation.parents.contains(&table))
    }

    fn is_partitioned(&self, table: &str) -> bool {
        self.relation(table).is_some_and(|relation| relation.is_partitioned)
    }

    /// Whether an earlier script created this table or view.
    pub(super) fn has(&self, name: &str) -> bool {
        self.last_names.contains(last(name)) && self.relation(name).is_some()
    }

    fn insert(&mut self, name: String, relation: Relation) {
        self.last_names.insert(last(&name).to_owned());
        self.relations.insert(name, relation);
    }

    fn relation(&self, name: &str) -> Option<&Relation> {
        find(&self.relations, name)
    }

    /// Returns the foreign keys of other tables that refer to this table, each with its table.
    fn referrers<'c>(&'c self, table: &str) -> impl Iterator<Item = (&'c String, &'c Key)> + use<'c> {
        let table = self.known(table);
        let keys = self.relations.iter().flat_map(|(from, relation)| relation.keys.iter().map(move |key| (from, key)));
        keys.filter(move |(from, key)| key.to == table && **from != table)
    }

    /// Returns every table whose foreign keys refer to this table, directly or through other tables.
    fn referring(&self, table: &str) -> Vec<String> {
        let all = reach(table.to_owned(), |table| self.referrers(table).map(|(from, _)| from.clone()).collect());
        all.into_iter().skip(1).collect()
    }

    /// Reports the views whose query has this name, and the views on those.
    fn views_on(&self, name: &str, lock: &mut dyn FnMut(&str, TableLock)) {
        let is_on = |relation: &Relation, name: &str| relation.query.as_ref().is_some_and(|query| query.contains(name));
        let on = |name: &str| -> Vec<&String> {
            self.relations.iter().filter(|(_, relation)| is_on(relation, name)).map(|(view, _)| view).collect()
        };
        for name in reach(name.to_owned(), |name| on(name).into_iter().map(|view| last(view).to_owned()).collect()) {
            on(&name).into_iter().for_each(|view| lock(view, AccessExclusive));
        }
    }

    fn of_type(&self, kind: &str, mut say: impl FnMut(&str)) {
        for (name, relation) in &self.relations {
            if relation.columns.iter().any(|(_, known)| known == kind) {
                say(name);
            }
        }
    }
}

/// Returns the first name and everything that is reached from it, each name once. What scripts say may lead in a circle,
/// by a mistake or because two tables have the same name here.
fn reach(first: String, next: impl Fn(&str) -> Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::from([first.clone()]);
    let mut all = vec![first];
    let mut at = 0;
    while let Some(name) = all.get(at) {
        let found: Vec<String> = next(name).into_iter().filter(|name| seen.insert(name.clone())).collect();
        all.extend(found);
        at += 1;
    }
    all
}

/// Reads a trigger after CREATE TRIGGER.
fn is_for_rows(at: Cursor<'_>) -> bool {
    at.tokens.windows(2).any(|pair| {
        let is = |token, word| at.shown(token).eq_ignore_ascii_case(word);
        (is(pair[0], "each") || is(pair[0], "for")) && is(pair[1], "row")
    })
}

/// Finds the entry of this name, or of another form of the same name.
fn find<'m, T>(map: &'m BTreeMap<String, T>, name: &str) -> Option<&'m T> {
    map.get(name).or_else(|| map.iter().find(|(known, _)| is_same_table(known, name)).map(|(_, found)| found))
}

/// Returns a name without its schema.
fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Records what statements change.
impl Catalogue {
    /// Records a statement.
    pub(super) fn follow(&mut self, mut at: Cursor<'_>) {
        if at.take("create") {
            self.made(at);
        } else if at.take("alter") {
            self.altered(at);
        } else if at.take("drop") {
            self.dropped(at);
        }
    }

    fn made(&mut self, mut at: Cursor<'_>) {
        at.take("or replace");
        if at.adjectives() {
            return;
        }
        if at.take("table") {
            let tolerant = at.take("if not exists");
            if let Some(name) = at.path().filter(|name| !tolerant || !self.has(name)) {
                let mut relation = table(&name, at);
                self.resolve(&name, &mut relation);
                // A partition has the keys of its table.
                let above = relation.parents.first().filter(|_| relation.is_partition);
                if let Some(above) = above.and_then(|above| self.relation(above)) {
                    relation.keys.extend(above.keys.iter().cloned());
                    relation.columns.extend(above.columns.iter().cloned());
                    relation.primary.clone_from(&above.primary);
                }
                self.insert(name, relation);
            }
        } else if at.take("view") {
            at.take("if not exists");
            if let Some(name) = at.path() {
                let names = at.tokens.iter().filter(|token| matches!(token.kind, Kind::Word | Kind::Name));
                let query = names.map(|token| bare(at.shown(*token))).collect();
                self.insert(name, Relation { query: Some(query), ..Relation::default() });
            }
        } else if at.take("index") {
            at.take("concurrently");
            at.take("if not exists");
            let index = if at.is("on") { None } else { at.path() };
            at.take("on");
            at.take("only");
            let table = at.path().map(|table| self.known(&table));
            self.indexes.extend(index.zip(table));
        } else if at.take("statistics") {
            at.take("if not exists");
            let name = at.path();
            if at.seek("from") {
                let table = at.path().map(|table| self.known(&table));
                self.statistics.extend(name.zip(table));
            }
        } else if at.take("trigger") {
            let for_rows = is_for_rows(at);
            let Some(name) = at.path() else { return };
            let Some(table) = at.seek("on").then(|| at.path()).flatten() else { return };
            if at.seek("execute") {
                at.next();
                let table = self.known(&table);
                self.triggers.extend(at.path().map(|function| Trigger { name, table, function, for_rows }));
            }
        }
    }

    fn altered(&mut self, mut at: Cursor<'_>) {
        if at.take("schema") {
            let (from, to) = (at.path(), at.take("rename to").then(|| at.path()).flatten());
            if let Some((from, to)) = from.zip(to) {
                let moved = |name: &String| name.strip_prefix(&from).is_some_and(|rest| rest.starts_with('.'));
                let names: Vec<String> = self.relations.keys().filter(|name| moved(name)).cloned().collect();
                names.iter().for_each(|name| self.renamed(name, &format!("{to}{}", &name[from.len()..])));
            }
            return;
        }
        at.take("materialized");
        at.take("foreign");
        let is_index = at.is("index");
        if !at.is_any(&["table", "view", "index"]) {
            return;
        }
        at.next();
        at.take("if exists");
        at.take("only");
        let Some(name) = at.path() else { return };
        if at.is_mark("*") {
            at.next();
        }
        if at.take("rename") {
            if at.take("to") {
                let Some(to) = at.path() else { return };
                let schema = name.rsplit_once('.').map_or_else(String::new, |(schema, _)| format!("{schema}."));
                match is_index {
                    true => {
                        if let Some(table) = self.indexes.remove(&name) {
                            self.indexes.insert(format!("{schema}{to}"), table);
                        }
                    }
                    false => self.renamed(&name, &format!("{schema}{to}")),
                }
                return;
            }
            let constraint = at.take("constraint");
            at.take("column");
            let (old, new) = (at.name(), at.take("to").then(|| at.name()).flatten());
            if let (Some(old), Some(new)) = (old, new) {
                self.part_renamed(&name, constraint, &old.key, &new.key);
            }
            return;
        }
        if at.take("set schema") {
            if let Some(schema) = at.path() {
                let to = if schema == "public" { last(&name).to_owned() } else { format!("{schema}.{}", last(&name)) };
                self.renamed(&name, &to);
            }
            return;
        }
        if is_index {
            return;
        }
        for action in at.pieces() {
            self.changed(&name, action);
        }
    }

    fn changed(&mut self, name: &str, mut at: Cursor<'_>) {
        if at.take("attach partition") || at.clone().take("inherit") {
            let is_partition = !at.take("inherit");
            let (parent, child) = match (is_partition, at.path()) {
                (_, None) => return,
                (true, Some(part)) => (name.to_owned(), part),
                (false, Some(parent)) => (parent, name.to_owned()),
            };
            let parent = self.known(&parent);
            let keys = self.relation(&parent).map_or_else(Vec::new, |above| above.keys.clone());
            let relation = self.entry(&child);
            relation.keys.extend(keys.into_iter().filter(|_| is_partition));
            relation.parents.push(parent);
            relation.is_partition |= is_partition;
            relation.is_default |= is_partition && at.is("default");
            return;
        }
        if at.take("detach partition") {
            if let Some(part) = at.path() {
                let name = self.known(name);
                let relation = self.entry(&part);
                relation.parents.retain(|parent| *parent != name);
                (relation.is_partition, relation.is_default) = (false, false);
            }
            return;
        }
        if at.take("no inherit") {
            if let Some(parent) = at.path().map(|parent| self.known(&parent)) {
                self.entry(name).parents.retain(|known| *known != parent);
            }
            return;
        }
        // Partitions change with their table.
        let mut names = Vec::new();
        self.below(name, self.is_partitioned(name), &mut |table| names.push(self.known(table)));
        names.iter().for_each(|name| self.changed_alone(name, at));
    }

    fn changed_alone(&mut self, name: &str, mut at: Cursor<'_>) {
        if at.take("add") {
            let mut relation = std::mem::take(self.entry(name));
            part(name, at, &mut relation);
            self.resolve(name, &mut relation);
            *self.entry(name) = relation;
        } else if at.take("drop constraint") {
            at.take("if exists");
            if let Some(constraint) = at.name() {
                let relation = self.entry(name);
                relation.keys.retain(|key| !key.name.eq_ignore_ascii_case(&constraint.key));
                relation.unique.retain(|(known, _)| !known.eq_ignore_ascii_case(&constraint.key));
            }
        } else if at.take("drop") {
            at.take("column");
            at.take("if exists");
            if let Some(column) = at.name() {
                let relation = self.entry(name);
                relation.keys.retain(|key| !key.columns.contains(&column.key));
                relation.columns.retain(|(known, _)| *known != column.key);
            }
        }
    }

    /// Replaces the names in a relation by those of existing tables.
    fn resolve(&self, name: &str, relation: &mut Relation) {
        for other in relation.keys.iter_mut().map(|key| &mut key.to).chain(&mut relation.parents) {
            if other != name {
                *other = self.known(other);
            }
        }
    }

    fn dropped(&mut self, mut at: Cursor<'_>) {
        let cascade = at.tokens.last().is_some_and(|token| at.shown(*token).eq_ignore_ascii_case("cascade"));
        at.take("foreign");
        at.take("materialized");
        let kinds = ["table", "view", "index", "statistics", "schema", "trigger"];
        let Some(what) = kinds.into_iter().find(|kind| at.take(kind)) else { return };
        at.take("concurrently");
        at.take("if exists");
        if what == "trigger" {
            let name = at.path();
            let table = at.seek("on").then(|| at.path()).flatten();
            let table = table.map(|table| self.known(&table));
            self.triggers.retain(|known| Some(&known.name) != name.as_ref() || Some(&known.table) != table.as_ref());
            return;
        }
        for name in tables(&mut at) {
            match what {
                "index" => drop(self.indexes.remove(&name)),
                "statistics" => drop(self.statistics.remove(&name)),
                "schema" => {
                    let prefix = format!("{name}.");
                    let inside: Vec<String> =
                        self.relations.keys().filter(|name| name.starts_with(&prefix)).cloned().collect();
                    inside.iter().for_each(|name| self.remove(name, true));
                }
                _ => self.remove(&name, cascade),
            }
        }
    }

    /// Removes a table or a view, with its partitions and the foreign keys that refer to it.
    fn remove(&mut self, name: &str, cascade: bool) {
        let name = self.known(name);
        let mut views = Vec::new();
        if cascade {
            self.views_on(last(&name), &mut |view, _| views.push(view.to_owned()));
        }
        let parts = self.children(&name).filter(|(_, of)| of.is_partition || cascade);
        let parts: Vec<String> = parts.map(|(part, _)| part.clone()).collect();
        self.relations.remove(&name);
        self.indexes.retain(|_, table| *table != name);
        self.statistics.retain(|_, table| *table != name);
        self.triggers.retain(|trigger| trigger.table != name);
        for relation in self.relations.values_mut() {
            relation.keys.retain(|key| key.to != name);
        }
        for view in views {
            self.relations.remove(&view);
        }
        parts.iter().for_each(|part| self.remove(part, cascade));
    }

    fn renamed(&mut self, from: &str, to: &str) {
        let from = self.known(from);
        if let Some(relation) = self.relations.remove(&from) {
            self.insert(to.to_owned(), relation);
        }
        let put = |name: &mut String| {
            if *name == from {
                to.clone_into(name);
            }
        };
        for relation in self.relations.values_mut() {
            relation.keys.iter_mut().for_each(|key| put(&mut key.to));
            relation.parents.iter_mut().for_each(put);
            if let Some(query) = relation.query.as_mut().filter(|query| query.contains(last(&from))) {
                query.insert(last(to).to_owned());
            }
        }
        self.indexes.values_mut().for_each(put);
        self.statistics.values_mut().for_each(put);
        self.triggers.iter_mut().for_each(|trigger| put(&mut trigger.table));
    }

    /// Renames a column or a constraint of a table.
    fn part_renamed(&mut self, table: &str, constraint: bool, old: &str, new: &str) {
        let put = |name: &mut String| {
            if name.eq_ignore_ascii_case(old) {
                new.clone_into(name);
            }
        };
        let table = self.known(table);
        for (name, relation) in &mut self.relations {
            let is_it = *name == table;
            for key in &mut relation.keys {
                if is_it && constraint {
                    put(&mut key.name);
                } else if is_it {
                    key.columns.iter_mut().for_each(put);
                }
                if !constraint && key.to == table {
                    key.to_columns.iter_mut().for_each(put);
                }
            }
            if is_it && constraint {
                relation.unique.iter_mut().for_each(|(name, _)| put(name));
            } else if is_it {
                relation.primary.iter_mut().for_each(put);
                relation.unique.iter_mut().flat_map(|(_, columns)| columns).for_each(put);
                relation.columns.iter_mut().for_each(|(column, _)| put(column));
            }
        }
    }

    /// Returns the name under which the catalogue has a table.
    fn known(&self, name: &str) -> String {
        if self.relations.contains_key(name) {
            return name.to_owned();
        }
        let found = self.relations.keys().find(|known| is_same_table(known, name));
        found.map_or(name, String::as_str).to_owned()
    }

    fn entry(&mut self, name: &str) -> &mut Relation {
        let name = self.known(name);
        self.last_names.insert(last(&name).to_owned());
        self.relations.entry(name).or_default()
    }
}

/// Reads CREATE TABLE after the table's name.
fn table(name: &str, mut at: Cursor<'_>) -> Relation {
    let mut relation = Relation::default();
    if at.take("partition of") {
        relation.parents.extend(at.path());
        relation.is_partition = true;
        relation.is_default = at.has("default") && !at.has("for values");
    }
    if let Some(body) = at.seek_group().filter(|_| !at.is("as")) {
        body.pieces().into_iter().for_each(|piece| part(name, piece, &mut relation));
    }
    relation.is_partitioned = at.has("partition by");
    if at.seek("inherits")
        && let Some(mut parents) = at.group()
    {
        relation.parents.extend(tables(&mut parents));
    }
    relation
}

/// Reads a column or a constraint, inside the parentheses of a table or after ADD.
fn part(table: &str, mut at: Cursor<'_>, relation: &mut Relation) {
    let mut name = None;
    if at.take("constraint") {
        name = at.name().map(|name| name.key);
    }
    let group = |at: &mut Cursor<'_>| -> Vec<String> {
        let group = at.seek_group();
        let pieces = group.map_or_else(Vec::new, |group| group.pieces());
        pieces.into_iter().filter_map(|mut piece| piece.name()).map(|name| name.key).collect()
    };
    if at.take("foreign key") {
        let columns = group(&mut at);
        key_to(table, name, columns, at, relation);
    } else if at.take("primary key") {
        let columns = group(&mut at);
        relation.primary.clone_from(&columns);
        relation.unique.push((name.unwrap_or_else(|| made_up(table, &[], "pkey")), columns));
    } else if at.take("unique") {
        let columns = group(&mut at);
        relation.unique.push((name.unwrap_or_else(|| made_up(table, &columns, "key")), columns));
    } else if !at.is_any(&["check", "exclude", "like", "not", "period"]) && name.is_none() {
        at.take("column");
        at.take("if not exists");
        let Some(column) = at.name().map(|name| name.key) else { return };
        if let Some(kind) = at.clone().name() {
            relation.columns.push((column.clone(), kind.key));
        }
        let mut rest = at;
        while !rest.ended() {
            let named = rest.take("constraint").then(|| rest.name()).flatten().map(|name| name.key);
            let columns = vec![column.clone()];
            if rest.is("references") {
                key_to(table, named, columns, rest, relation);
            } else if rest.take("primary key") {
                relation.primary.clone_from(&columns);
                relation.unique.push((named.unwrap_or_else(|| made_up(table, &[], "pkey")), columns));
                continue;
            } else if rest.is("unique") {
                relation.unique.push((named.unwrap_or_else(|| made_up(table, &columns, "key")), columns));
            }
            rest.next();
        }
    }
}

fn key_to(table: &str, name: Option<String>, columns: Vec<String>, mut at: Cursor<'_>, relation: &mut Relation) {
    if !at.seek("references") {
        return;
    }
    let Some(to) = at.path() else { return };
    let to_columns = at.group().map_or_else(Vec::new, |group| {
        group.pieces().into_iter().filter_map(|mut piece| piece.name()).map(|name| name.key).collect()
    });
    let name = name.unwrap_or_else(|| {
        let plain = made_up(table, &columns, "fkey");
        let taken = |name: &str| relation.keys.iter().any(|key| key.name == name);
        let numbered = (1..).map(|number| format!("{plain}{number}"));
        std::iter::once(plain.clone()).chain(numbered).find(|name| !taken(name)).expect("numbers do not end")
    });
    relation.keys.push(Key { name, columns, to, to_columns });
}

/// Returns the name that the server gives a constraint. It has 63 bytes at most; the server shortens its longest part.
fn made_up(table: &str, columns: &[String], suffix: &str) -> String {
    const LONGEST: usize = 63;
    let (mut first, mut second) = (last(table).to_owned(), columns.join("_"));
    let marks = if second.is_empty() { 1 } else { 2 };
    while first.len() + second.len() + suffix.len() + marks > LONGEST {
        if first.len() > second.len() {
            first.pop()
        } else {
            second.pop()
        };
    }
    if columns.is_empty() { format!("{first}_{suffix}") } else { format!("{first}_{second}_{suffix}") }
}

/// Returns a name without its quotes; a name that has none, in lower case.
fn bare(name: &str) -> String {
    match name.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => key(name),
    }
}
