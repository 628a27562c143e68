//! Compares the state of a database before and after a statement, and derives what the statement did.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use lockgate_source::core::touch::is_same_table;
use lockgate_source::core::{TableLock, Touch};

use crate::missing_role::quoted;

/// What a statement did to a relation that existed before its migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The line where the statement starts, counted from 1.
    pub line: usize,
    /// The column, in characters, counted from 1.
    pub column: usize,
    /// The relation with its schema: `public.users`.
    pub relation: String,
    /// `table`, `index` and so on.
    pub kind: &'static str,
    /// The strongest lock that is held on it after the statement; `None` if it could not be observed.
    pub lock: Option<TableLock>,
    /// The lock that was predicted from the text, if it [exceeds writes](TableLock::exceeds_writes): weaker locks, which
    /// every program takes, are not reported.
    pub predicted: Option<TableLock>,
    /// How the two locks differ.
    pub differs: Option<Difference>,
    /// Whether it was rewritten.
    pub rewritten: bool,
    /// Whether it was scanned.
    pub scanned: bool,
    /// The indexes that were built on it.
    pub indexes: Vec<String>,
}

/// How the lock that was taken differs from the predicted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// A stronger lock was taken than predicted, or none was predicted.
    NotPredicted,
    /// A weaker lock was taken than predicted, or none.
    NotTaken,
}

/// A statement that has run.
pub(super) struct Executed<'a> {
    /// Line and column.
    pub(super) place: (usize, usize),
    /// Whether it truncates tables, which also gives them new files, without a rewrite or a scan.
    pub(super) empties: bool,
    /// Whether its locks were read while it ran, so that some may have been missed.
    pub(super) is_glimpse: bool,
    pub(super) predicted: Vec<&'a Touch<String>>,
}

/// A relation, as the catalog has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) schema: String,
    pub(super) name: String,
    /// `pg_class.relkind`.
    pub(super) kind: String,
    /// `pg_class.relfilenode`: 0 if it has no file.
    pub(super) file: i64,
    /// The table, if this is an index.
    pub(super) table: Option<i64>,
}

/// Relations by their OIDs.
pub(super) type Relations = BTreeMap<i64, Relation>;

/// The state that is read after each statement.
pub(super) struct Observation {
    pub(super) locks: BTreeMap<i64, TableLock>,
    /// The relations that are new or have changed, and `None` for those that are gone.
    pub(super) changed: BTreeMap<i64, Option<Relation>>,
    /// How often each table was scanned in this transaction.
    pub(super) scans: BTreeMap<i64, i64>,
}

/// The relations before a migration, and the state that was read last.
pub(super) struct TraceState {
    before: Relations,
    /// The OIDs of those relations, by their names without schema.
    names: HashMap<String, Vec<i64>>,
    /// The relations that exist now.
    pub(super) now: Relations,
    locks: BTreeMap<i64, TableLock>,
    scans: BTreeMap<i64, i64>,
    /// Whether the scan counts at the start of the running transaction have been read.
    pub(super) begun: bool,
}

impl TraceState {
    pub(super) fn new(before: Relations) -> Self {
        let mut names: HashMap<String, Vec<i64>> = HashMap::new();
        for (number, relation) in &before {
            names.entry(relation.name.clone()).or_default().push(*number);
        }
        let now = before.clone();
        Self { before, names, now, locks: BTreeMap::new(), scans: BTreeMap::new(), begun: false }
    }

    /// Returns the quoted names of the tables that existed before and still do.
    pub(super) fn tables(&self) -> Vec<String> {
        let still = |number: &i64| self.now.get(number);
        let tables = self.before.keys().filter_map(still).filter(|relation| matches!(&*relation.kind, "r" | "p"));
        tables.map(|table| format!("{}.{}", quoted(&table.schema), quoted(&table.name))).collect()
    }

    /// Forgets the locks and scan counts of a transaction that has ended.
    pub(super) fn end_transaction(&mut self) {
        self.locks.clear();
        self.scans.clear();
        self.begun = false;
    }

    /// Sets the scan counts at the start of a transaction: the server may not have reset those of the last one.
    pub(super) fn begin(&mut self, scans: BTreeMap<i64, i64>) {
        self.scans = scans;
        self.begun = true;
    }

    /// Returns what a statement did, and stores the new state.
    pub(super) fn effects(&mut self, done: Executed<'_>, now: Observation) -> Vec<Effect> {
        let Executed { place: (line, column), empties, is_glimpse, predicted } = done;
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
                // Report an index only if more happens to it than to its table.
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

    /// Returns the new indexes, by their tables. When the type of a column changes, an index can get a new OID and keep
    /// its file, which is not a new index.
    fn built(&self, now: &Observation) -> BTreeMap<i64, Vec<String>> {
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

impl TraceState {
    /// Returns the predicted locks, by the OIDs of tables. Names are those from before the script.
    fn predictions(&self, predicted: &[&Touch<String>]) -> BTreeMap<i64, TableLock> {
        let mut locks = BTreeMap::new();
        for touch in predicted {
            let Some(lock) = touch.lock.filter(|lock| lock.exceeds_writes()) else { continue };
            // The server truncates longer names.
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
            // A name may contain a dot.
            let named = [last, &table].into_iter().filter_map(|name| self.names.get(name)).flatten();
            let named = named.filter_map(|number| self.before.get_key_value(number));
            let mut meant = named.filter(|(_, relation)| is_meant(relation));
            // If two schemas have the table, `public` is most likely.
            let found = meant.clone().find(|(_, relation)| relation.schema == "public").or_else(|| meant.next());
            if let Some((number, relation)) = found {
                let held: &mut TableLock = locks.entry(relation.table.unwrap_or(*number)).or_insert(lock);
                *held = lock.max(*held);
            }
        }
        locks
    }
}

/// The most bytes of a name in PostgreSQL.
const NAME_MAX: usize = 63;

/// Whether programs read and write it, unlike an index.
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
