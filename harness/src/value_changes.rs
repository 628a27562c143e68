//! Finds rows and values that a migration changed. Digests say which tables to compare; their rows are read on a second
//! database, which goes the same way.

use std::collections::HashMap;

use lockgate::Dialect;

use crate::database::TestDatabase;
use crate::db::{Content, Db, TextRow, decoded};
use crate::failure::TestResult;

/// Among how many rows the most similar one is searched for.
const CANDIDATES: usize = 200;

/// A table that exists at two moments, and whose digests differ.
#[derive(Clone, Debug)]
pub(crate) struct SuspectTable {
    pub(crate) table: String,
    /// The columns of its old primary key.
    key: Vec<String>,
    /// The columns that exist at both moments, without those that the database computes.
    pub(crate) columns: Vec<Column>,
}

#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Its old and its new type.
    types: [String; 2],
    /// Whether its digests differ.
    pub(crate) differs: bool,
}

/// A column with changed values, or a table with lost rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) table: String,
    /// The column; `None` for lost rows.
    pub(crate) column: Option<String>,
    /// Describes the first such row.
    sample: String,
    /// How many rows there are.
    rows: usize,
}

impl Finding {
    /// The column, or the table, as a test names it.
    pub(crate) fn name(&self) -> String {
        match &self.column {
            Some(column) => format!("{}.{column}", self.table),
            None => self.table.clone(),
        }
    }

    pub(crate) fn shown(&self) -> String {
        let more = match self.rows {
            1 => String::new(),
            2 => ", and 1 more row".to_owned(),
            rows => format!(", and {} more rows", rows - 1),
        };
        format!("`{}` {}{more}", self.name(), self.sample)
    }
}

/// Returns the tables in which the digests of a column differ.
pub(crate) fn suspects(dialect: Dialect, then: &[Content], now: &[Content]) -> Vec<SuspectTable> {
    let is = |a: &str, b: &str| same_name(dialect, a, b);
    let mut suspects = Vec::new();
    for old in then {
        let Some(new) = now.iter().find(|new| is(&new.table, &old.table)) else { continue };
        let mut columns = Vec::new();
        for column in old.columns.iter().filter(|column| !column.generated) {
            let new_column =
                new.columns.iter().find(|new_column| is(&new_column.name, &column.name) && !new_column.generated);
            columns.extend(new_column.map(|new_column| Column {
                name: column.name.clone(),
                types: [column.data_type.clone(), new_column.data_type.clone()],
                differs: new_column.placed != column.placed,
            }));
        }
        if columns.iter().any(|column| column.differs) {
            suspects.push(SuspectTable { table: old.table.clone(), key: old.key.clone(), columns });
        }
    }
    suspects
}

/// Whether two names mean the same: SQLite ignores case.
pub(crate) fn same_name(dialect: Dialect, a: &str, b: &str) -> bool {
    if dialect == Dialect::Sqlite { a.eq_ignore_ascii_case(b) } else { a == b }
}

/// Reads the rows of each of these tables.
pub(crate) async fn rows(database: &TestDatabase, suspects: &[SuspectTable]) -> TestResult<Vec<Vec<TextRow>>> {
    let mut db = Db::new(database.connect().await?);
    let mut rows = Vec::with_capacity(suspects.len());
    for suspect in suspects {
        let columns: Vec<&str> = suspect.columns.iter().map(|column| &*column.name).collect();
        rows.push(db.rows_of(&suspect.table, &columns).await?);
    }
    db.close().await;
    Ok(rows)
}

/// What a test declares as intended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed<'a> {
    /// Tables that may lose rows.
    pub(crate) rows: &'a [&'a str],
    /// Columns whose values may change.
    pub(crate) values: &'a [&'a [&'a str]],
}

impl Allowed<'_> {
    /// Whether a column of the table differs that may not.
    pub(crate) fn is_in_doubt(&self, dialect: Dialect, suspect: &SuspectTable) -> bool {
        let columns = suspect.columns.iter();
        columns.filter(|column| column.differs).any(|column| !self.allows(dialect, &suspect.table, &column.name))
    }

    fn allows(&self, dialect: Dialect, table: &str, column: &str) -> bool {
        let place = format!("{table}.{column}");
        self.values.iter().flat_map(|names| *names).any(|name| same_name(dialect, name, &place))
    }
}

/// Compares the old and the new rows of a table. `db` is a connection to the database in its new state, which decides
/// whether a value whose type changed is still the same.
pub(crate) async fn compare(
    db: &mut Db,
    suspect: &SuspectTable,
    allowed: Allowed<'_>,
    then: &[TextRow],
    now: &[TextRow],
) -> Vec<Finding> {
    let dialect = db.dialect();
    let is_compared = |column: &Column| !allowed.allows(dialect, &suspect.table, &column.name);
    let compared: Vec<usize> = (0..suspect.columns.len()).filter(|at| is_compared(&suspect.columns[*at])).collect();
    let place = |name: &String| compared.iter().copied().find(|at| suspect.columns[*at].name == *name);
    let key: Option<Vec<usize>> = suspect.key.iter().map(place).collect();
    let key = key.filter(|key| !key.is_empty() && is_unique(key, then) && is_unique(key, now));
    let rows_may_go = allowed.rows.iter().any(|name| same_name(dialect, name, &suspect.table));
    let mut comparison = Comparison { db, suspect, compared, findings: Vec::new() };
    match key {
        Some(key) => comparison.by_key(&key, rows_may_go, then, now).await,
        None => comparison.by_content(rows_may_go, then, now).await,
    }
    comparison.findings
}

struct Comparison<'a> {
    db: &'a mut Db,
    suspect: &'a SuspectTable,
    /// The indexes of the columns to compare.
    compared: Vec<usize>,
    findings: Vec<Finding>,
}

impl Comparison<'_> {
    async fn by_key(&mut self, key: &[usize], rows_may_go: bool, then: &[TextRow], now: &[TextRow]) {
        let known: HashMap<Vec<&Option<String>>, &TextRow> = now.iter().map(|row| (of(row, key), row)).collect();
        let mut gone = Vec::new();
        for old in then {
            let Some(new) = known.get(&of(old, key)) else {
                gone.push(old);
                continue;
            };
            for at in self.others(key) {
                if !self.is_same(at, &old[at], &new[at]).await {
                    self.found(at, key, old, new);
                }
            }
        }
        if gone.is_empty() || rows_may_go {
            return;
        }
        // Either the key of a row changed, or a row is gone and another one is new.
        let before: HashMap<Vec<&Option<String>>, &TextRow> = then.iter().map(|row| (of(row, key), row)).collect();
        let mut come: Vec<&TextRow> = now.iter().filter(|row| !before.contains_key(&of(row, key))).collect();
        for old in gone {
            let rest = self.others(key);
            match come.iter().position(|new| of(new, &rest) == of(old, &rest)) {
                Some(at) => {
                    let new = come.swap_remove(at);
                    let changed: Vec<usize> = key.iter().copied().filter(|at| old[*at] != new[*at]).collect();
                    changed.into_iter().for_each(|at| self.found(at, key, old, new));
                }
                None => self.is_gone(key, old),
            }
        }
    }

    /// Compares a table without a key: each row must occur as often as before.
    async fn by_content(&mut self, rows_may_go: bool, then: &[TextRow], now: &[TextRow]) {
        let stable = |at: &usize| self.suspect.columns[*at].types[0] == self.suspect.columns[*at].types[1];
        let columns: Vec<usize> = self.compared.iter().copied().filter(stable).collect();
        let gone = without(then, now, &columns);
        let mut come = without(now, then, &columns);
        for old in gone {
            // Pair it with the most similar new row.
            let differences = |new: &TextRow| columns.iter().filter(|at| old[**at] != new[**at]).count();
            let nearest = (0..come.len().min(CANDIDATES)).min_by_key(|at| differences(come[*at]));
            let Some(new) = nearest.map(|at| come.remove(at)) else {
                if !rows_may_go {
                    self.is_gone(&columns, old);
                }
                continue;
            };
            let (changed, same): (Vec<usize>, Vec<usize>) = columns.iter().partition(|at| old[**at] != new[**at]);
            if rows_may_go && same.is_empty() {
                continue;
            }
            changed.into_iter().for_each(|at| self.found(at, &same, old, new));
        }
    }

    /// The compared columns without these.
    fn others(&self, key: &[usize]) -> Vec<usize> {
        self.compared.iter().copied().filter(|at| !key.contains(at)).collect()
    }

    async fn is_same(&mut self, at: usize, old: &Option<String>, new: &Option<String>) -> bool {
        let [from, to] = &self.suspect.columns[at].types;
        let (Some(old), Some(new)) = (old, new) else { return old == new };
        if old == new {
            return true;
        }
        if from == to {
            return false;
        }
        match self.db.dialect() {
            Dialect::Sqlite => is_one_number_or_text(old, new),
            Dialect::Postgres | Dialect::Mysql => self.db.is_converted((old, from), (new, to)).await,
        }
    }

    fn found(&mut self, at: usize, known_by: &[usize], old: &TextRow, new: &TextRow) {
        let (dialect, Column { name: column, types: [from, to], .. }) = (self.db.dialect(), &self.suspect.columns[at]);
        let known = |finding: &&mut Finding| finding.column.as_ref() == Some(column);
        if let Some(finding) = self.findings.iter_mut().find(known) {
            finding.rows += 1;
            return;
        }
        let (was, is) =
            excerpts(&decoded(dialect, from, old[at].as_deref()), &decoded(dialect, to, new[at].as_deref()));
        let sample = format!("was {was} and is {is}{}", self.row(known_by, old));
        self.findings.push(Finding {
            table: self.suspect.table.clone(),
            column: Some(column.clone()),
            sample,
            rows: 1,
        });
    }

    fn is_gone(&mut self, known_by: &[usize], old: &TextRow) {
        if let Some(finding) = self.findings.iter_mut().find(|finding| finding.column.is_none()) {
            finding.rows += 1;
            return;
        }
        let sample = format!("no longer has a row{}", self.row(known_by, old));
        self.findings.push(Finding { table: self.suspect.table.clone(), column: None, sample, rows: 1 });
    }

    /// ` where id = 7`.
    fn row(&self, known_by: &[usize], row: &TextRow) -> String {
        const MOST: usize = 3;
        let from = |at: usize| &*self.suspect.columns[at].types[0];
        let value = |at: usize| excerpt(&decoded(self.db.dialect(), from(at), row[at].as_deref()), 0);
        let named = |at: &usize| match &row[*at] {
            Some(_) => format!("{} = {}", self.suspect.columns[*at].name, value(*at)),
            None => format!("{} IS NULL", self.suspect.columns[*at].name),
        };
        let known: Vec<String> = known_by.iter().take(MOST).map(named).collect();
        if known.is_empty() { String::new() } else { format!(" where {}", known.join(" AND ")) }
    }
}

fn of<'r>(row: &'r TextRow, columns: &[usize]) -> Vec<&'r Option<String>> {
    columns.iter().map(|at| &row[*at]).collect()
}

/// Returns these rows without those: each of those removes one equal row.
fn without<'r>(these: &'r [TextRow], those: &'r [TextRow], columns: &[usize]) -> Vec<&'r TextRow> {
    let mut count: HashMap<Vec<&Option<String>>, usize> = HashMap::new();
    those.iter().for_each(|row| *count.entry(of(row, columns)).or_default() += 1);
    let mut left = Vec::new();
    for row in these {
        match count.get_mut(&of(row, columns)) {
            Some(of_those @ 1..) => *of_those -= 1,
            Some(0) | None => left.push(row),
        }
    }
    left
}

fn is_unique(key: &[usize], rows: &[TextRow]) -> bool {
    let mut keys: Vec<_> = rows.iter().map(|row| of(row, key)).collect();
    keys.sort_unstable();
    keys.windows(2).all(|pair| pair[0] != pair[1])
}

/// Whether two values of a SQLite column whose type changed are the same text or the same number.
fn is_one_number_or_text(old: &str, new: &str) -> bool {
    let text = |value: &str| match decoded(Dialect::Sqlite, "", Some(value)) {
        text if value.starts_with('t') => text[1..text.len() - 1].to_owned(),
        bytes if value.starts_with('b') => {
            decoded(Dialect::Sqlite, "", Some(&format!("t{}", &bytes[2..bytes.len() - 1])))
                .trim_matches('\'')
                .to_owned()
        }
        number => number,
    };
    let (old, new) = (text(old), text(new));
    old == new || matches!((old.parse::<f64>(), new.parse::<f64>()), (Ok(a), Ok(b)) if a == b)
}

/// Shortens two values to the part where they differ.
fn excerpts(a: &str, b: &str) -> (String, String) {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    (excerpt(a, same), excerpt(b, same))
}

/// Shortens a value so that the character at this index is shown.
fn excerpt(value: &str, at: usize) -> String {
    const MOST: usize = 48;
    let count = value.chars().count();
    if count <= MOST {
        return value.to_owned();
    }
    let start = if at < MOST / 2 { 0 } else { (at - MOST / 4).min(count - MOST) };
    let shown: String = value.chars().skip(start).take(MOST).collect();
    format!("{}{shown}{}", if start > 0 { "…" } else { "" }, if start + MOST < count { "…" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_shown_where_it_differs() {
        let long = "x".repeat(100);
        let (a, b) = excerpts(&format!("'{long}a{long}'"), &format!("'{long}b{long}'"));
        assert!(a.starts_with("…x") && a.contains("xax") && a.ends_with("x…"), "{a}");
        assert!(b.contains("xbx") && b.chars().count() <= 50, "{b}");
        assert_eq!(excerpts("'a'", "NULL"), ("'a'".to_owned(), "NULL".to_owned()));
    }

    #[test]
    fn sqlite_may_store_a_value_differently_after_a_type_change() {
        for (old, new, expected) in
            [("1", "t31", true), ("1", "1.0", true), ("t612F", "b612F", true), ("t31", "2", false), ("t", "0", false)]
        {
            assert_eq!(is_one_number_or_text(old, new), expected, "{old} {new}");
        }
    }
}
