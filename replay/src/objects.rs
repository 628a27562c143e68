//! What an SQLite database contains, as the replay compares it after each script. Objects that stay are shared between the
//! states of a database: reading a state costs one row, and more only for what is new in it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use lockgate_schema::sqlite::{Answer, Catalogue, ColumnRow, ObjectRow, TableRow};

/// The query that lists every object in one row, in the order in which they were made: the lengths of its texts, and the
/// texts. Temporary objects end with the connection of a run, and are left out.
pub(super) const QUESTION: &str = "SELECT COALESCE(group_concat(length(CAST(type AS BLOB)) || ' ' || \
     length(CAST(name AS BLOB)) || ' ' || length(CAST(tbl_name AS BLOB)) || ' ' || \
     COALESCE(length(CAST(sql AS BLOB)), '-') || ' ' || type || name || tbl_name || COALESCE(sql, ''), ''), '') \
     FROM (SELECT type, name, tbl_name, sql FROM main.sqlite_schema ORDER BY rowid)";

/// The query that reads what the text of a table does not say.
pub(super) const TABLE: &str = r#"
SELECT 'table', schema, type, name, name, NULL, wr, strict, -1 AS position FROM pragma_table_list(?1)
WHERE schema = 'main'
UNION ALL
SELECT 'column', 'main', type, name, ?1, dflt_value, "notnull", hidden, cid FROM pragma_table_xinfo(?1, 'main')
ORDER BY position"#;

/// An object of a database.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// `table`, `index`, `view` or `trigger`.
    pub(super) kind: String,
    pub(super) name: String,
    /// The table that it belongs to, or its own name.
    pub(super) table: String,
    /// Its name in lower case.
    pub(super) lower_name: String,
    /// Its SQL in lower case, if it names what it needs: that of a view, a trigger, or a table with foreign keys.
    pub(super) lower_sql: String,
    sql: Option<String>,
    listed: Option<TableRow>,
    columns: Vec<ColumnRow>,
}

impl Entry {
    fn new(texts: Texts<'_>) -> Self {
        let sql = texts.sql.map(str::to_lowercase).unwrap_or_default();
        let needs_others = texts.kind == "view" || texts.kind == "trigger" || sql.contains("references");
        Self {
            kind: texts.kind.to_owned(),
            name: texts.name.to_owned(),
            table: texts.table.to_owned(),
            lower_name: texts.name.to_lowercase(),
            lower_sql: if needs_others { sql } else { String::new() },
            sql: texts.sql.map(str::to_owned),
            listed: None,
            columns: Vec::new(),
        }
    }

    fn says(&self, texts: Texts<'_>) -> bool {
        self.table == texts.table && self.sql.as_deref() == texts.sql
    }

    /// Adds a row of the answer to [`TABLE`].
    pub(super) fn add(&mut self, answer: Answer) {
        let mut one = Catalogue::default();
        one.add(answer);
        self.listed = one.tables.pop().or(self.listed.take());
        self.columns.append(&mut one.columns);
    }

    /// Whether SQLite has more to say about it than its text.
    pub(super) fn has_columns(&self) -> bool {
        self.kind == "table"
    }
}

/// Every object of a database, in the order of the query.
#[derive(Clone, Debug, Default)]
pub(super) struct Objects {
    /// The answer that lists them, which says whether two states are the same.
    answer: Arc<str>,
    entries: Arc<Vec<Listed>>,
}

/// An object and where it begins in the answer.
type Listed = (usize, Arc<Entry>);

impl PartialEq for Objects {
    fn eq(&self, other: &Self) -> bool {
        // What was dropped and made again is at another place.
        let sorted = |all: &Self| {
            let mut entries: Vec<Arc<Entry>> = all.entries.iter().map(|(_, entry)| Arc::clone(entry)).collect();
            entries.sort_by(|a, b| (&a.kind, &a.name).cmp(&(&b.kind, &b.name)));
            entries
        };
        self.answer == other.answer
            || (self.answer.len() == other.answer.len()
                && self.entries.len() == other.entries.len()
                && sorted(self) == sorted(other))
    }
}

/// The texts of an object in the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Texts<'a> {
    kind: &'a str,
    name: &'a str,
    table: &'a str,
    sql: Option<&'a str>,
}

/// An object that was there before, or a new one.
pub(super) enum Found {
    Known(Arc<Entry>),
    New(Box<Entry>),
}

impl Objects {
    pub(super) fn new(answer: String, entries: Vec<Listed>) -> Self {
        Self { answer: Arc::from(answer), entries: Arc::new(entries) }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(|(_, entry)| &**entry)
    }

    /// Whether this answer lists just these objects.
    pub(super) fn is(&self, answer: &str) -> bool {
        *self.answer == *answer
    }

    /// Finds out what in an answer was there before, with its place in the answer. Only what is between the beginning and the
    /// end that both answers share is looked at. `None` if the answer is none.
    pub(super) fn divide(&self, answer: &str) -> Option<Vec<(usize, Found)>> {
        // A text may end like the list, and then only its beginning counts.
        self.divide_between(answer, true).or_else(|| self.divide_between(answer, false))
    }

    fn divide_between(&self, answer: &str, has_end: bool) -> Option<Vec<(usize, Found)>> {
        let (old, new) = (self.answer.as_bytes(), answer.as_bytes());
        let most = old.len().min(new.len());
        let front = longest(most, |length| old[..length] == new[..length]);
        let back = longest(if has_end { most - front } else { 0 }, |length| {
            old[old.len() - length..] == new[new.len() - length..]
        });
        let end = |at: usize| self.entries.get(at + 1).map_or(old.len(), |(start, _)| *start);
        let entries = self.entries.len();
        let first = longest(entries, |count| count == 0 || end(count - 1) <= front);
        let last = longest(entries - first, |count| count == 0 || self.entries[entries - count].0 >= old.len() - back);
        let known =
            |(at, entry): &Listed, shift: usize, start: usize| (*at - start + shift, Found::Known(Arc::clone(entry)));
        let mut found: Vec<(usize, Found)> = self.entries[..first].iter().map(|one| known(one, 0, 0)).collect();
        let tail = &self.entries[entries - last..];
        let (mut at, old_tail) = (first.checked_sub(1).map_or(0, end), tail.first().map_or(old.len(), |(at, _)| *at));
        let new_tail = new.len() - (old.len() - old_tail);
        let between = self.entries[first..entries - last].iter().map(|(_, entry)| entry);
        let between: HashMap<(&str, &str), &Arc<Entry>> =
            between.map(|entry| ((entry.kind.as_str(), entry.name.as_str()), entry)).collect();
        while at < new_tail {
            let (texts, rest) = take(answer.get(at..new_tail)?)?;
            let same = between.get(&(texts.kind, texts.name)).filter(|entry| entry.says(texts));
            found.push((
                at,
                match same {
                    Some(entry) => Found::Known(Arc::clone(entry)),
                    None => Found::New(Box::new(Entry::new(texts))),
                },
            ));
            at = new_tail - rest.len();
        }
        found.extend(tail.iter().map(|one| known(one, new_tail, old_tail)));
        Some(found)
    }

    /// All of them.
    pub(super) fn catalogue(&self) -> Catalogue {
        catalogue(self.iter())
    }

    /// What differs between two states, with the tables that it names: a foreign key takes columns from its table.
    pub(super) fn differing(&self, other: &Self) -> [Catalogue; 2] {
        let key = |entry: &&Entry| (entry.kind.clone(), entry.name.clone(), entry.table.clone(), entry.sql.clone());
        let [own, others] = [self, other].map(|all| all.iter().map(|entry| key(&entry)).collect::<HashSet<_>>());
        let changed = self.iter().filter(|entry| !others.contains(&key(entry)));
        let changed: Vec<&Entry> = changed.chain(other.iter().filter(|entry| !own.contains(&key(entry)))).collect();
        let mut tables: BTreeSet<String> = changed.iter().map(|entry| entry.table.to_lowercase()).collect();
        let sql = |entry: &&Entry| entry.sql.as_deref().unwrap_or_default().to_lowercase();
        let texts: Vec<String> = changed.iter().map(sql).collect();
        for entry in self.iter().chain(other.iter()).filter(|entry| entry.has_columns()) {
            let name = &entry.lower_name;
            if !tables.contains(name) && texts.iter().any(|text| text.contains(name)) {
                tables.insert(name.clone());
            }
        }
        let of_them = |all: &Self| catalogue(all.iter().filter(|entry| tables.contains(&entry.table.to_lowercase())));
        [of_them(self), of_them(other)]
    }
}

/// The greatest number up to `most` for which this holds; it holds for all that are smaller.
fn longest(most: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if holds(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

/// Takes an object from the beginning of an answer.
fn take(text: &str) -> Option<(Texts<'_>, &str)> {
    let mut parts = text.splitn(5, ' ');
    let mut length = || parts.next();
    let [kind, name, table, sql] = [length()?, length()?, length()?, length()?];
    let mut rest = parts.next()?;
    let mut cut = |length: &str| {
        let (text, after) = rest.split_at_checked(length.parse().ok()?)?;
        rest = after;
        Some(text)
    };
    let (kind, name, table) = (cut(kind)?, cut(name)?, cut(table)?);
    let sql = match sql {
        "-" => None,
        length => Some(cut(length)?),
    };
    Some((Texts { kind, name, table, sql }, rest))
}

fn catalogue<'a>(entries: impl Iterator<Item = &'a Entry>) -> Catalogue {
    let mut all = Catalogue::default();
    for Entry { kind, name, table, sql, listed, columns, .. } in entries {
        all.objects.push(ObjectRow {
            schema: "main".to_owned(),
            kind: kind.clone(),
            name: name.clone(),
            table: table.clone(),
            sql: sql.clone(),
        });
        all.tables.extend(listed.clone());
        if listed.as_ref().is_some_and(|listed| matches!(listed.kind.as_str(), "table" | "virtual")) {
            all.columns.extend(columns.iter().cloned());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The state after this answer, and the names of what is new in it.
    fn read(before: &Objects, answer: &str) -> Option<(Objects, Vec<String>)> {
        let mut new = Vec::new();
        let mut entries = Vec::new();
        for (at, found) in before.divide(answer)? {
            entries.push((
                at,
                match found {
                    Found::Known(entry) => entry,
                    Found::New(entry) => {
                        new.push(entry.name.clone());
                        Arc::new(*entry)
                    }
                },
            ));
        }
        Some((Objects::new(answer.to_owned(), entries), new))
    }

    #[test]
    fn only_what_is_new_in_an_answer_is_read() {
        // The lengths are in bytes, and a text may have anything in it.
        let [a, b, c] = ["5 1 1 3 tableaa5 1", "5 1 1 4 tablebböö", "4 2 2 - viewöö"];
        let mut state = Objects::default();
        assert!(read(&state, "5 1 1 17 tablet").is_none());
        for (answer, wanted, all) in [
            (format!("{a}{b}{c}"), vec!["a", "b", "ö"], vec!["a", "b", "ö"]),
            (format!("{a}{b}{c}"), vec![], vec!["a", "b", "ö"]),
            (format!("{a}{c}"), vec![], vec!["a", "ö"]),
            (format!("{a}{b}{c}"), vec!["b"], vec!["a", "b", "ö"]),
            (format!("{b}{c}"), vec![], vec!["b", "ö"]),
            (b.to_owned(), vec![], vec!["b"]),
            (String::new(), vec![], vec![]),
            (format!("{c}{c}"), vec!["ö", "ö"], vec!["ö", "ö"]),
        ] {
            let (next, new) = read(&state, &answer).unwrap();
            assert_eq!(new, wanted, "{answer}");
            assert_eq!(next.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), all, "{answer}");
            for (at, entry) in next.entries.iter() {
                assert_eq!(take(&answer[*at..]).unwrap().0.name, entry.name, "{answer}");
            }
            state = next;
        }
    }
}
