//! The history table and the log beside it: their names, and the words that are written into them.
//! How they are created, read and written in SQL is each backend's own.

use std::fmt;

use lockgate_core::{Checksum, Row, State, Version};

use crate::error::Cause;

/// Where a run keeps its history, and what it writes of itself into each row.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) table: Table,
    pub(crate) set: String,
    /// Name and version of the program.
    pub(crate) application: &'static str,
}

/// The name of the history table, perhaps with its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) schema: Option<String>,
    pub(crate) name: String,
}

impl Table {
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
impl fmt::Display for Table {
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

/// A text as an SQL string.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// One row as the database gave it, every field a text or a number.
pub(crate) struct RawRow {
    pub(crate) version: i64,
    pub(crate) name: String,
    pub(crate) checksum: String,
    pub(crate) state: String,
    pub(crate) statements_done: i64,
    pub(crate) finished_checksum: Option<String>,
    pub(crate) applied_at: String,
    pub(crate) elapsed_ms: i64,
    pub(crate) applied_by: String,
    pub(crate) application: String,
    pub(crate) lockgate: String,
}

impl RawRow {
    pub(crate) fn read(self, table: &Table) -> Result<Row, Cause> {
        let version = Version::new(self.version);
        let wrong = |what: String| {
            Cause::history_format(format!("the row of version {} in {table} is not understood: {what}", self.version))
        };
        let unknown = |e: lockgate_core::checksum::ParseChecksumError| wrong(e.to_string());
        Ok(Row {
            version: version.ok_or_else(|| wrong("the version is negative".to_owned()))?,
            checksum: self.checksum.parse().map_err(unknown)?,
            state: self.state.parse::<State>().map_err(|e| wrong(e.to_string()))?,
            statements_done: u32::try_from(self.statements_done)
                .map_err(|_| wrong("the number of finished statements is out of range".to_owned()))?,
            finished: match &self.finished_checksum {
                Some(checksum) => Some(checksum.parse().map_err(unknown)?),
                None => None,
            },
            name: self.name,
            applied_at: self.applied_at,
            elapsed: std::time::Duration::from_millis(u64::try_from(self.elapsed_ms).unwrap_or(0)),
            applied_by: self.applied_by,
            application: self.application,
            lockgate: self.lockgate,
        })
    }
}

/// What the bookkeeping writes of one step.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
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
    fn a_history_table_is_named_with_or_without_schema() {
        assert_eq!(Table::parse("ops.lockgate_history").unwrap().to_string(), "\"ops\".\"lockgate_history\"");
        assert_eq!(Table::parse("lockgate_history").unwrap().log().to_string(), "\"lockgate_log\"");
        assert_eq!(Table::parse("done").unwrap().log().to_string(), "\"done_log\"");
        for bad in ["", ".", "a.", ".b", "a.b.c", "a b", "a\"b", &"x".repeat(60)] {
            assert!(Table::parse(bad).is_err(), "{bad:?}");
        }
    }
}
