//! The history table and the log beside it: their names, and the words that are written into them.
//! How they are created, read and written in SQL is each backend's own.

use std::fmt;
use std::time::Duration;

use lockgate_core::{Checksum, Row, State, Version};

use crate::error::Cause;

/// Where a run keeps its history, and what it writes of itself into each row.
#[derive(Clone, Debug)]
pub(crate) struct HistoryTable {
    pub(crate) table: TableName,
    pub(crate) set: String,
    /// Name and version of the program.
    pub(crate) application: &'static str,
}

/// The name of the history table, perhaps with its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableName {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

impl TableName {
    /// Reads `table` or `schema.table`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (schema, name) = match text.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, text),
        };
        for part in schema.into_iter().chain([name]) {
            let plain = part.chars().all(|c| c.is_alphanumeric() || c == '_');
            // 59 and `_log` are the 63 bytes that PostgreSQL keeps of a name.
            if part.is_empty() || !plain || part.len() > 59 {
                return Err(format!(
                    "`{text}` cannot name a history table: write `table` or `schema.table` with letters, digits and \
                     `_`, at most 59 bytes each"
                ));
            }
        }
        Ok(Self { schema: schema.map(str::to_owned), name: name.to_owned() })
    }

    /// The log's table, in the same schema.
    pub(crate) fn log(&self) -> Self {
        let base = self.name.strip_suffix("_history").unwrap_or(&self.name);
        Self { schema: self.schema.clone(), name: format!("{base}_log") }
    }

    /// The same table in this schema, unless it has one already.
    pub(crate) fn within(&self, schema: &str) -> Self {
        Self { schema: Some(self.schema.clone().unwrap_or_else(|| schema.to_owned())), name: self.name.clone() }
    }
}

/// As SQL writes it, quoted.
impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{}.", identifier(schema))?;
        }
        f.write_str(&identifier(&self.name))
    }
}

/// A name as an SQL identifier.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What stands between two fields and between two rows of a history that comes as one text.
///
/// A driver takes a thousand rows one by one slower than a server finds them, and SQLite's hands each
/// from one thread to another: that took most of an up-to-date start.
pub(crate) use lockgate_core::history::{FIELD, ROW};

/// The rows of a text that has the fields of each in this order: version, name, checksum, state, finished
/// statements, checksum over these or nothing, time, milliseconds, role, program, release; then, where the
/// table has them, owner or nothing, and the statement under way or nothing.
pub(crate) fn rows(text: &str, table: &TableName) -> Result<Vec<Row>, Cause> {
    let mut rows = text.split(ROW).map(|text| row(text, table)).collect::<Result<Vec<_>, _>>()?;
    rows.sort_by_key(|row| row.version);
    Ok(rows)
}

fn row(text: &str, table: &TableName) -> Result<Row, Cause> {
    let mut fields = [""; 13];
    let mut count = 0;
    for field in text.split(FIELD) {
        fields.get_mut(count).into_iter().for_each(|place| *place = field);
        count += 1;
    }
    let [version, name, checksum, state, done, finished, applied_at, elapsed_ms, applied_by, ..] = fields;
    let [.., application, lockgate, owner, under_way] = fields;
    let wrong = |what: &dyn fmt::Display| {
        Cause::history_format(format!("the row of version {version} in {table} is not understood: {what}"))
    };
    if count != fields.len() && count != fields.len() - 2 {
        return Err(wrong(&"it has another number of fields"));
    }
    let number = version.parse::<i64>().map_err(|_| wrong(&"the version is no number"))?;
    let parsed = |text: &str| text.parse::<Checksum>().map_err(|e| wrong(&e));
    Ok(Row {
        version: Version::new(number).ok_or_else(|| wrong(&"the version is negative"))?,
        name: name.to_owned(),
        checksum: parsed(checksum)?,
        state: state.parse::<State>().map_err(|e| wrong(&e))?,
        statements_done: done.parse().map_err(|_| wrong(&"the number of finished statements is out of range"))?,
        finished: if finished.is_empty() { None } else { Some(parsed(finished)?) },
        owner: Some(owner).filter(|owner| !owner.is_empty()).map(str::to_owned),
        under_way: match under_way {
            "" => None,
            number => Some(number.parse().map_err(|_| wrong(&"the statement under way is out of range"))?),
        },
        applied_at: applied_at.to_owned(),
        elapsed: Duration::from_millis(elapsed_ms.parse().unwrap_or(0)),
        applied_by: applied_by.to_owned(),
        application: application.to_owned(),
        lockgate: lockgate.to_owned(),
    })
}

/// What the bookkeeping writes of one step.
#[derive(Clone, Debug)]
pub(crate) struct HistoryEntry {
    pub(crate) version: Version,
    pub(crate) name: String,
    pub(crate) checksum: Checksum,
}

/// The words of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogEvent {
    Applied,
    Reverted,
    Repaired,
    Forgotten,
    Baselined,
    Failed,
}

impl LogEvent {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Reverted => "reverted",
            Self::Repaired => "repaired",
            Self::Forgotten => "forgotten",
            Self::Baselined => "baselined",
            Self::Failed => "failed",
        }
    }
}

/// The release of Lockgate that writes the row.
pub(crate) const LOCKGATE: &str = env!("CARGO_PKG_VERSION");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_in_order_and_a_broken_one_is_named() {
        let table = TableName::parse("done").unwrap();
        let checksum = Checksum::v1([7; 32]);
        let text = |version: &str, done: &str| {
            ["n", &checksum.to_string(), "applied", done, "", "t", "3", "me", "app", "1"]
                .into_iter()
                .fold(version.to_owned(), |text, field| text + &FIELD.to_string() + field)
        };
        let both = rows(&format!("{}{ROW}{}", text("10", "1"), text("9", "2")), &table).unwrap();
        assert_eq!(
            both.iter().map(|row| (row.version.get(), row.statements_done)).collect::<Vec<_>>(),
            [(9, 2), (10, 1)]
        );
        assert_eq!((both[0].owner.as_deref(), both[0].under_way), (None, None));
        let claimed = |owner: &str, under_way: &str| format!("{}{FIELD}{owner}{FIELD}{under_way}", text("4", "1"));
        let row = &rows(&claimed("17/now", "2"), &table).unwrap()[0];
        assert_eq!((row.owner.as_deref(), row.under_way), (Some("17/now"), Some(2)));
        assert_eq!(rows(&claimed("", ""), &table).unwrap()[0].under_way, None);
        let why = |text: &str| rows(text, &table).unwrap_err().message;
        assert_eq!(
            why(&format!("{}{FIELD}", text("4", "1"))),
            "the row of version 4 in \"done\" is not understood: it has another number of fields"
        );
        assert!(why(&text("-4", "1")).ends_with("the version is negative"));
        assert!(why(&text("4", "-1")).ends_with("the number of finished statements is out of range"));
        assert!(why(&claimed("", "-1")).ends_with("the statement under way is out of range"));
    }

    #[test]
    fn a_history_table_is_named_with_or_without_schema() {
        assert_eq!(TableName::parse("ops.lockgate_history").unwrap().to_string(), "\"ops\".\"lockgate_history\"");
        assert_eq!(TableName::parse("lockgate_history").unwrap().log().to_string(), "\"lockgate_log\"");
        assert_eq!(TableName::parse("done").unwrap().log().to_string(), "\"done_log\"");
        for bad in ["", ".", "a.", ".b", "a.b.c", "a b", "a\"b", &"x".repeat(60)] {
            assert!(TableName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
