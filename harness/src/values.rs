//! Whether the values of rows are what they were. Digests say which tables to look at; their rows are read on a
//! second database, which goes the same way, and only there a difference is told.

use std::collections::HashMap;

use lockgate::Dialect;

use crate::db::{Content, Db, Row, decoded};
use crate::failure::TestResult;
use crate::ground::Ground;

/// Among how many rows one is searched for that is like another.
const LOOKED_AT: usize = 200;

/// A table that is there at two moments, with something in it that may not be the same.
#[derive(Clone, Debug)]
pub(crate) struct Suspect {
    pub(crate) table: String,
    /// The columns of its primary key as it was.
    key: Vec<String>,
    /// The columns that are there at both moments, but for those that the database computes.
    pub(crate) columns: Vec<Column>,
}

#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Its type, then and now.
    types: [String; 2],
    /// Whether its digest is another one.
    pub(crate) differs: bool,
}

/// A value that is not what it was, or a row that is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) table: String,
    /// The column; `None` for a row that is gone.
    pub(crate) column: Option<String>,
    /// The first row, and what is in it.
    sample: String,
    /// In how many rows.
    rows: usize,
}

impl Finding {
    /// The column as a test names it.
    pub(crate) fn place(&self) -> String {
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
        format!("`{}` {}{more}", self.place(), self.sample)
    }
}

/// The tables in which the digests of a column differ.
pub(crate) fn suspects(dialect: Dialect, then: &[Content], now: &[Content]) -> Vec<Suspect> {
    let is = |a: &str, b: &str| same_name(dialect, a, b);
    let mut suspects = Vec::new();
    for old in then {
        let Some(new) = now.iter().find(|new| is(&new.table, &old.table)) else { continue };
        let mut columns = Vec::new();
        for column in old.columns.iter().filter(|column| !column.generated) {
            let there = new.columns.iter().find(|there| is(&there.name, &column.name) && !there.generated);
            columns.extend(there.map(|there| Column {
                name: column.name.clone(),
                types: [column.data_type.clone(), there.data_type.clone()],
                differs: there.placed != column.placed,
            }));
        }
        if columns.iter().any(|column| column.differs) {
            suspects.push(Suspect { table: old.table.clone(), key: old.key.clone(), columns });
        }
    }
    suspects
}

/// Whether two names are one.
pub(crate) fn same_name(dialect: Dialect, a: &str, b: &str) -> bool {
    if dialect == Dialect::Sqlite { a.eq_ignore_ascii_case(b) } else { a == b }
}

/// The rows of each suspect, as they are on this database.
pub(crate) async fn rows(ground: &Ground, suspects: &[Suspect]) -> TestResult<Vec<Vec<Row>>> {
    let mut db = Db::new(ground.connect().await?);
    let mut rows = Vec::with_capacity(suspects.len());
    for suspect in suspects {
        let columns: Vec<&str> = suspect.columns.iter().map(|column| &*column.name).collect();
        rows.push(db.rows_of(&suspect.table, &columns).await?);
    }
    db.close().await;
    Ok(rows)
}

/// What a test allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed<'a> {
    /// Tables of which rows may go.
    pub(crate) rows: &'a [&'a str],
    /// Columns whose values may be others.
    pub(crate) values: &'a [&'a [&'a str]],
}

impl Allowed<'_> {
    /// Whether something in it differs that is not allowed to.
    pub(crate) fn is_in_doubt(&self, dialect: Dialect, suspect: &Suspect) -> bool {
        let columns = suspect.columns.iter();
        columns.filter(|column| column.differs).any(|column| !self.allows(dialect, &suspect.table, &column.name))
    }

    fn allows(&self, dialect: Dialect, table: &str, column: &str) -> bool {
        let place = format!("{table}.{column}");
        self.values.iter().flat_map(|names| *names).any(|name| same_name(dialect, name, &place))
    }
}

/// Compares the rows of a suspect then and now. The connection is to the database as it is now, and asked
/// whether a value of a changed type is still the same.
pub(crate) async fn compare(
    db: &mut Db,
    suspect: &Suspect,
    allowed: Allowed<'_>,
    then: &[Row],
    now: &[Row],
) -> Vec<Finding> {
    let dialect = db.dialect();
    let is_asked = |column: &Column| !allowed.allows(dialect, &suspect.table, &column.name);
    let minds: Vec<usize> = (0..suspect.columns.len()).filter(|at| is_asked(&suspect.columns[*at])).collect();
    let place = |name: &String| minds.iter().copied().find(|at| suspect.columns[*at].name == *name);
    let key: Option<Vec<usize>> = suspect.key.iter().map(place).collect();
    let key = key.filter(|key| !key.is_empty() && is_unique(key, then) && is_unique(key, now));
    let rows_may_go = allowed.rows.iter().any(|name| same_name(dialect, name, &suspect.table));
    let mut comparison = Comparison { db, suspect, minds, findings: Vec::new() };
    match key {
        Some(key) => comparison.by_key(&key, rows_may_go, then, now).await,
        None => comparison.as_a_whole(rows_may_go, then, now).await,
    }
    comparison.findings
}

struct Comparison<'a> {
    db: &'a mut Db,
    suspect: &'a Suspect,
    /// The columns that are compared, by their place.
    minds: Vec<usize>,
    findings: Vec<Finding>,
}

impl Comparison<'_> {
    async fn by_key(&mut self, key: &[usize], rows_may_go: bool, then: &[Row], now: &[Row]) {
        let known: HashMap<Vec<&Option<String>>, &Row> = now.iter().map(|row| (of(row, key), row)).collect();
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
        // One with another key, or one that has gone while another one came.
        let before: HashMap<Vec<&Option<String>>, &Row> = then.iter().map(|row| (of(row, key), row)).collect();
        let mut come: Vec<&Row> = now.iter().filter(|row| !before.contains_key(&of(row, key))).collect();
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

    /// Without a key a row is what is in it: each is there once more for each time that it was there.
    async fn as_a_whole(&mut self, rows_may_go: bool, then: &[Row], now: &[Row]) {
        let stable = |at: &usize| self.suspect.columns[*at].types[0] == self.suspect.columns[*at].types[1];
        let columns: Vec<usize> = self.minds.iter().copied().filter(stable).collect();
        let gone = without(then, now, &columns);
        let mut come = without(now, then, &columns);
        for old in gone {
            // The one that is most like it, of the first so many.
            let unlike = |new: &Row| columns.iter().filter(|at| old[**at] != new[**at]).count();
            let nearest = (0..come.len().min(LOOKED_AT)).min_by_key(|at| unlike(come[*at]));
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

    /// The columns that are compared and are not among these.
    fn others(&self, key: &[usize]) -> Vec<usize> {
        self.minds.iter().copied().filter(|at| !key.contains(at)).collect()
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

    fn found(&mut self, at: usize, known_by: &[usize], old: &Row, new: &Row) {
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

    fn is_gone(&mut self, known_by: &[usize], old: &Row) {
        if let Some(finding) = self.findings.iter_mut().find(|finding| finding.column.is_none()) {
            finding.rows += 1;
            return;
        }
        let sample = format!("has another row for the one{}", self.row(known_by, old));
        self.findings.push(Finding { table: self.suspect.table.clone(), column: None, sample, rows: 1 });
    }

    /// ` where id = 7`.
    fn row(&self, known_by: &[usize], row: &Row) -> String {
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

fn of<'r>(row: &'r Row, columns: &[usize]) -> Vec<&'r Option<String>> {
    columns.iter().map(|at| &row[*at]).collect()
}

/// These rows without those, each of which stands for one.
fn without<'r>(these: &'r [Row], those: &'r [Row], columns: &[usize]) -> Vec<&'r Row> {
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

fn is_unique(key: &[usize], rows: &[Row]) -> bool {
    let mut keys: Vec<_> = rows.iter().map(|row| of(row, key)).collect();
    keys.sort_unstable();
    keys.windows(2).all(|pair| pair[0] != pair[1])
}

/// Whether two values of SQLite, whose column has another type now, are written alike or are one number.
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

/// As much of two values as shows where they differ.
fn excerpts(a: &str, b: &str) -> (String, String) {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    (excerpt(a, same), excerpt(b, same))
}

/// At most so many characters of a value, of which this one is seen.
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
    fn a_value_of_sqlite_may_be_stored_otherwise_where_the_type_changed() {
        for (old, new, expected) in
            [("1", "t31", true), ("1", "1.0", true), ("t612F", "b612F", true), ("t31", "2", false), ("t", "0", false)]
        {
            assert_eq!(is_one_number_or_text(old, new), expected, "{old} {new}");
        }
    }
}
