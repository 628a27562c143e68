//! The history table and its log: their names, and the text form of their rows. Each backend has its own SQL to create,
//! read and write them.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use lockgate_core::companion::is_of_repeatable;
use lockgate_core::{Checksum, CompanionKind, Row, State, Version};

use crate::error::Cause;

/// The history table of a run, and the values that each of its rows gets.
#[derive(Clone, Debug)]
pub(crate) struct HistoryTable {
    pub(crate) table: TableName,
    pub(crate) set: String,
    /// Name and version of the program.
    pub(crate) application: &'static str,
}

impl HistoryTable {
    /// The names of the sets whose rows belong to it: its own, and that of its repeatable scripts. A program that embeds
    /// no such script any more still has to see those that have run.
    pub(crate) fn sets(&self) -> [String; 2] {
        [self.set.clone(), self.set_of_repeatables()]
    }

    /// The name of the set that the row of this migration has.
    pub(crate) fn set_of(&self, entry: &HistoryEntry) -> Cow<'_, str> {
        if entry.is_repeatable() { Cow::Owned(self.set_of_repeatables()) } else { Cow::Borrowed(&self.set) }
    }

    fn set_of_repeatables(&self) -> String {
        format!("{}{}", self.set, CompanionKind::Repeatable.suffix())
    }
}

/// The name of the history table, with or without its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableName {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

impl TableName {
    /// Parses `table` or `schema.table`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (schema, name) = match text.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, text),
        };
        for part in schema.into_iter().chain([name]) {
            let plain = part.chars().all(|c| c.is_alphanumeric() || c == '_');
            // PostgreSQL keeps 63 bytes of a name; `_log` takes four of them.
            if part.is_empty() || !plain || part.len() > 59 {
                return Err(format!(
                    "`{text}` cannot name a history table: write `table` or `schema.table` with letters, digits and \
                     `_`, at most 59 bytes each"
                ));
            }
        }
        Ok(Self { schema: schema.map(str::to_owned), name: name.to_owned() })
    }

    /// The name of the log table, in the same schema.
    pub(crate) fn log(&self) -> Self {
        let base = self.name.strip_suffix("_history").unwrap_or(&self.name);
        Self { schema: self.schema.clone(), name: format!("{base}_log") }
    }

    /// The same name, in this schema unless it already has one.
    pub(crate) fn within(&self, schema: &str) -> Self {
        Self { schema: Some(self.schema.clone().unwrap_or_else(|| schema.to_owned())), name: self.name.clone() }
    }
}

/// Shows the name as a quoted SQL identifier.
impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{}.", identifier(schema))?;
        }
        f.write_str(&identifier(&self.name))
    }
}

/// Quotes a name as an SQL identifier.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A history is sent as one text, with these separators between fields and between rows.
///
/// A driver reads a thousand rows one by one more slowly than a server finds them; that took most of the time of an
/// up-to-date start.
pub(crate) use lockgate_core::history::{FIELD, ROW};

/// Parses the rows of such a text. The fields are version, name, checksum, state, finished statements, checksum of
/// these or empty, time, milliseconds, role, program, release; and, if the table has them, owner or empty, and the
/// running statement or empty.
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
        Cause::history_format(format!("the row of version {version} in {table} is invalid: {what}"))
    };
    if count != fields.len() && count != fields.len() - 2 {
        return Err(wrong(&"it has the wrong number of fields"));
    }
    let number = version.parse::<i64>().map_err(|_| wrong(&"the version is not a number"))?;
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

/// The migration that a row is about.
#[derive(Clone, Debug)]
pub(crate) struct HistoryEntry {
    pub(crate) version: Version,
    pub(crate) name: String,
    pub(crate) checksum: Checksum,
    /// What another tool has recorded of it, if its history is taken over or given back.
    pub(crate) adopted: Option<Box<Adopted>>,
    /// Why its row is corrected.
    pub(crate) reason: Option<String>,
}

impl HistoryEntry {
    /// Whether it is of a repeatable script, whose version follows from its name.
    pub(crate) fn is_repeatable(&self) -> bool {
        is_of_repeatable(&self.name, self.version)
    }

    /// What the log says of it besides the event.
    pub(crate) fn detail(&self) -> Option<&str> {
        self.adopted.as_deref().map(|adopted| adopted.detail.as_str()).or(self.reason.as_deref())
    }
}

/// What another tool has recorded of a migration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Adopted {
    /// When it was applied, as RFC 3339 in UTC.
    pub(crate) applied_at: Option<String>,
    pub(crate) elapsed: Option<Duration>,
    pub(crate) applied_by: Option<String>,
    /// What the log says of it.
    pub(crate) detail: String,
}

/// The events of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogEvent {
    Applied,
    Reverted,
    Repaired,
    Forgotten,
    Baselined,
    Failed,
    /// A protected stage was changed all the same. The detail says which stage, and why.
    Overridden,
    Adopted,
    /// An adoption was taken back.
    Disowned,
    /// An INVALID index was dropped. The detail names it. The migration is the one that stopped half way, or else the
    /// newest.
    IndexDropped,
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
            Self::Overridden => "overridden",
            Self::Adopted => "adopted",
            Self::Disowned => "disowned",
            Self::IndexDropped => "index-dropped",
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
            "the row of version 4 in \"done\" is invalid: it has the wrong number of fields"
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
