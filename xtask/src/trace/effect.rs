//! From two looks at a database to what the statement between them did to what was there before.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use lockgate_source::core::touch::is_same_table;
use lockgate_source::core::{TableLock, Touch};

use crate::role::quoted;

/// What one statement did to one relation that was there before its migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Where the statement begins, counted from 1; columns are characters.
    pub line: usize,
    /// Its character there.
    pub column: usize,
    /// With its schema: `public.users`.
    pub relation: String,
    /// `table`, `index` and so on.
    pub kind: &'static str,
    /// The strongest lock that is held on it by then; none where it could not be seen.
    pub lock: Option<TableLock>,
    /// The lock that the statement's text let expect, where it is one that
    /// [exceeds writes](TableLock::exceeds_writes): what every program takes is no news.
    pub predicted: Option<TableLock>,
    /// How the two differ.
    pub differs: Option<Difference>,
    /// Whether all of it was written anew.
    pub rewritten: bool,
    /// Whether it was read from end to end.
    pub scanned: bool,
    /// The indexes that were built on it.
    pub indexes: Vec<String>,
}

/// How the lock that was taken is another one than the one that was predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// A stronger one was taken than was predicted, if one was.
    NotPredicted,
    /// A weaker one was taken than was predicted, or none.
    NotTaken,
}

/// A statement that has run.
pub(super) struct Done<'a> {
    /// Line and column.
    pub(super) place: (usize, usize),
    /// Whether it empties tables: it gives them new files too, and has nothing to write or read.
    pub(super) empties: bool,
    /// Whether its locks were looked at while it ran: what was not seen may have been taken all the same.
    pub(super) is_glimpse: bool,
    pub(super) predicted: Vec<&'a Touch<String>>,
}

/// A relation of the database, as its catalogue has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) schema: String,
    pub(super) name: String,
    /// `pg_class.relkind`.
    pub(super) kind: String,
    /// `pg_class.relfilenode`: 0 where it has no file.
    pub(super) file: i64,
    /// The table, where this is an index.
    pub(super) table: Option<i64>,
}

/// By their numbers in the database.
pub(super) type Relations = BTreeMap<i64, Relation>;

/// What is looked at behind each statement.
pub(super) struct Look {
    pub(super) locks: BTreeMap<i64, TableLock>,
    /// The relations that are new or others than at the last look, and those that are gone.
    pub(super) changed: BTreeMap<i64, Option<Relation>>,
    /// How often each table was read from end to end in this transaction.
    pub(super) scans: BTreeMap<i64, i64>,
}

/// What was there before a migration, and how things stood at the last look.
pub(super) struct Seen {
    before: Relations,
    /// The numbers of what was there before, by their names without schema.
    names: HashMap<String, Vec<i64>>,
    /// What is there, as of the last look.
    pub(super) now: Relations,
    locks: BTreeMap<i64, TableLock>,
    scans: BTreeMap<i64, i64>,
    /// Whether the transaction that runs has been looked at: the counts before it are not its own.
    pub(super) begun: bool,
}

impl Seen {
    pub(super) fn new(before: Relations) -> Self {
        let mut names: HashMap<String, Vec<i64>> = HashMap::new();
        for (number, relation) in &before {
            names.entry(relation.name.clone()).or_default().push(*number);
        }
        let now = before.clone();
        Self { before, names, now, locks: BTreeMap::new(), scans: BTreeMap::new(), begun: false }
    }

    /// The tables that were there before and still are, quoted.
    pub(super) fn tables(&self) -> Vec<String> {
        let still = |number: &i64| self.now.get(number);
        let tables = self.before.keys().filter_map(still).filter(|relation| matches!(&*relation.kind, "r" | "p"));
        tables.map(|table| format!("{}.{}", quoted(&table.schema), quoted(&table.name))).collect()
    }

    /// A transaction has ended: its locks are gone, and its counts.
    pub(super) fn let_go(&mut self) {
        self.locks.clear();
        self.scans.clear();
        self.begun = false;
    }

    /// The counts with which a transaction begins: the server may not have cleared those before it.
    pub(super) fn begin(&mut self, scans: BTreeMap<i64, i64>) {
        self.scans = scans;
        self.begun = true;
    }

    /// What a statement did since the last look.
    pub(super) fn effects(&mut self, done: Done<'_>, now: Look) -> Vec<Effect> {
        let Done { place: (line, column), empties, is_glimpse, predicted } = done;
        let predictions = self.predictions(&predicted);
        let file = |number: &i64| self.now.get(number).map_or(0, |relation| relation.file);
        let new_file = |number: &i64| match now.changed.get(number) {
            Some(changed) => changed.as_ref().map_or(0, |relation| relation.file),
            None => file(number),
        };
        let rewritten = |number: &i64, relation: &Relation| {
            let (old, new) = (file(number), new_file(number));
            matches!(&*relation.kind, "r" | "m" | "i") && !empties && old != 0 && new != 0 && old != new
        };
        let built = self.built(&now);
        let strengthened = now.locks.iter().filter(|(number, lock)| Some(*lock) > self.locks.get(number));
        let mut numbers: BTreeSet<i64> = strengthened.map(|(number, _)| *number).collect();
        numbers.extend(now.changed.keys().chain(now.scans.keys()).chain(predictions.keys()).chain(built.keys()));
        let mut effects = Vec::new();
        for (number, relation) in numbers.iter().filter_map(|number| self.before.get_key_value(number)) {
            let lock = now.locks.get(number).copied();
            let stronger = lock > self.locks.get(number).copied();
            let anew = rewritten(number, relation);
            let count = |scans: &BTreeMap<i64, i64>| scans.get(number).copied().unwrap_or(0);
            let scanned = !empties && count(&now.scans) > count(&self.scans);
            let indexes: Vec<String> = built.get(number).cloned().unwrap_or_default();
            let predicted = predictions.get(number).copied();
            let is_taken = stronger && lock.is_some_and(TableLock::exceeds_writes) && is_table(relation);
            let differs = if is_taken && predicted < lock {
                Some(Difference::NotPredicted)
            } else if predicted > lock && !is_glimpse {
                Some(Difference::NotTaken)
            } else {
                None
            };
            let worth_a_line = match relation.table {
                None => stronger || anew || scanned || !indexes.is_empty() || differs.is_some(),
                // An index goes with its table, unless more is done to it.
                Some(table) => {
                    let with_table = self.before.get(&table).is_some_and(|relation| rewritten(&table, relation));
                    stronger && lock > now.locks.get(&table).copied() || anew && !with_table
                }
            };
            if worth_a_line {
                effects.push(Effect {
                    line,
                    column,
                    relation: format!("{}.{}", relation.schema, relation.name),
                    kind: kind(&relation.kind),
                    lock,
                    predicted,
                    differs,
                    rewritten: anew,
                    scanned,
                    indexes,
                });
            }
        }
        effects.sort_by(|a, b| b.lock.cmp(&a.lock).then_with(|| a.relation.cmp(&b.relation)));
        for (number, changed) in now.changed {
            match changed {
                Some(relation) => drop(self.now.insert(number, relation)),
                None => drop(self.now.remove(&number)),
            }
        }
        self.locks = now.locks;
        self.scans = now.scans;
        effects
    }

    /// The indexes that are new, by their tables. Where only the type of a column changes, an index may keep
    /// the file under a new number.
    fn built(&self, now: &Look) -> BTreeMap<i64, Vec<String>> {
        let mut built: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        let changed = now.changed.iter().filter_map(|(number, relation)| Some((number, relation.as_ref()?)));
        let new = changed.filter(|(number, _)| !self.now.contains_key(number));
        let new: Vec<(i64, &Relation)> = new.filter_map(|(_, relation)| Some((relation.table?, relation))).collect();
        if new.is_empty() {
            return built;
        }
        let files = self.now.values().map(|relation| relation.file).filter(|file| *file != 0);
        let files: HashSet<i64> = files.collect();
        for (table, index) in new.into_iter().filter(|(_, index)| !files.contains(&index.file)) {
            built.entry(table).or_default().push(index.name.clone());
        }
        built
    }
}

impl Seen {
    /// The locks that were predicted, by the numbers of tables, which are called as they were before the script.
    fn predictions(&self, predicted: &[&Touch<String>]) -> BTreeMap<i64, TableLock> {
        let mut locks = BTreeMap::new();
        for touch in predicted {
            let Some(lock) = touch.lock.filter(|lock| lock.exceeds_writes()) else { continue };
            // The server cuts off what is longer, and looks for what is left.
            let cut = |name: &str| name[..name.floor_char_boundary(NAME_MAX)].to_owned();
            let table = match touch.table.rsplit_once('.') {
                Some((schema, name)) => format!("{schema}.{}", cut(name)),
                None => cut(&touch.table),
            };
            let last = table.rsplit('.').next().unwrap_or(&table);
            let is_meant = |relation: &Relation| {
                let is_named = is_same_table(&format!("{}.{}", relation.schema, relation.name), &table);
                is_named && (if touch.of_index { relation.table.is_some() } else { is_table(relation) })
            };
            // A name may have a dot in it.
            let named = [last, &table].into_iter().filter_map(|name| self.names.get(name)).flatten();
            let named = named.filter_map(|number| self.before.get_key_value(number));
            let mut meant = named.filter(|(_, relation)| is_meant(relation));
            // Of two schemas it is most often the usual one.
            let found = meant.clone().find(|(_, relation)| relation.schema == "public").or_else(|| meant.next());
            if let Some((number, relation)) = found {
                let held: &mut TableLock = locks.entry(relation.table.unwrap_or(*number)).or_insert(lock);
                *held = lock.max(*held);
            }
        }
        locks
    }
}

/// As many bytes of a name a server keeps.
const NAME_MAX: usize = 63;

/// Whether it is something that programs read and write, and not a part of it.
fn is_table(relation: &Relation) -> bool {
    matches!(&*relation.kind, "r" | "p" | "v" | "m" | "f")
}

fn kind(letter: &str) -> &'static str {
    match letter {
        "r" => "table",
        "p" => "partitioned table",
        "i" | "I" => "index",
        "S" => "sequence",
        "v" => "view",
        "m" => "materialized view",
        "f" => "foreign table",
        _ => "relation",
    }
}
