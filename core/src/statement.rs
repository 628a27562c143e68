//! One statement of a script, as `lockgate-sql` split and classified it at compile time.

use std::ops::Range;

/// The kind of a statement, judged by its first words.
///
/// The discriminants are part of the embedded table and are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum StatementKind {
    /// Any other statement.
    Other = 0,
    /// `SELECT`, `VALUES`, `TABLE`, `WITH … SELECT`.
    Select = 1,
    /// `INSERT`, `REPLACE`.
    Insert = 2,
    /// `UPDATE`.
    Update = 3,
    /// `DELETE`.
    Delete = 4,
    /// `CREATE TABLE` in every form.
    CreateTable = 10,
    /// `CREATE INDEX`, `CREATE UNIQUE INDEX`.
    CreateIndex = 11,
    /// `CREATE VIEW`, `CREATE MATERIALIZED VIEW`.
    CreateView = 12,
    /// `CREATE TRIGGER`.
    CreateTrigger = 13,
    /// `CREATE FUNCTION`, `CREATE PROCEDURE`.
    CreateFunction = 14,
    /// `CREATE TYPE`, `CREATE DOMAIN`.
    CreateType = 15,
    /// Any other `CREATE`.
    CreateOther = 19,
    /// `ALTER TABLE`.
    AlterTable = 20,
    /// Any other `ALTER`.
    AlterOther = 29,
    /// `DROP TABLE`.
    DropTable = 30,
    /// `DROP INDEX`.
    DropIndex = 31,
    /// Any other `DROP`.
    DropOther = 39,
    /// `TRUNCATE`.
    Truncate = 40,
    /// `BEGIN`, `COMMIT`, `ROLLBACK`, `SAVEPOINT` and similar.
    Transaction = 50,
    /// `SET`, `RESET`, `DISCARD`, `USE`.
    Session = 51,
    /// `COPY`.
    Copy = 52,
    /// `PRAGMA`.
    Pragma = 53,
    /// `DO`.
    Do = 54,
    /// `VACUUM`, `ANALYZE`, `REINDEX`, `CLUSTER`, `OPTIMIZE`.
    Maintenance = 55,
    /// `CALL`.
    Call = 56,
    /// A psql command, such as `\restrict`.
    PsqlLine = 60,
    /// A command for another client, such as `DELIMITER`.
    ClientCommand = 61,
}

impl StatementKind {
    const ALL: [Self; 27] = [
        Self::Other,
        Self::Select,
        Self::Insert,
        Self::Update,
        Self::Delete,
        Self::CreateTable,
        Self::CreateIndex,
        Self::CreateView,
        Self::CreateTrigger,
        Self::CreateFunction,
        Self::CreateType,
        Self::CreateOther,
        Self::AlterTable,
        Self::AlterOther,
        Self::DropTable,
        Self::DropIndex,
        Self::DropOther,
        Self::Truncate,
        Self::Transaction,
        Self::Session,
        Self::Copy,
        Self::Pragma,
        Self::Do,
        Self::Maintenance,
        Self::Call,
        Self::PsqlLine,
        Self::ClientCommand,
    ];

    /// Its number in the embedded table.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind with this number. An unknown number gives [`StatementKind::Other`], because the macro may be newer than
    /// the runtime.
    pub fn from_code(code: u8) -> Self {
        Self::ALL.into_iter().find(|kind| kind.code() == code).unwrap_or(Self::Other)
    }
}

/// What the runtime must know about a statement before it sends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StatementFlags(u8);

impl StatementFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// It cannot run inside a transaction.
    pub const OUTSIDE_TRANSACTION: Self = Self(1);
    /// It begins, ends or rolls back a transaction.
    pub const CONTROLS_TRANSACTION: Self = Self(2);
    /// It changes the session: settings, search path, role, `LISTEN`, prepared statements, loaded libraries, attached
    /// databases or temporary objects.
    pub const SESSION_STATE: Self = Self(4);
    /// Lines of data follow it, up to `\.`. They belong to its range; [`Statement::data`] says where they are.
    pub const COPY_DATA: Self = Self(8);
    /// It is a command for a client and is not sent to the server.
    pub const CLIENT_ONLY: Self = Self(16);
    /// It is `COPY … TO STDOUT`, whose output nothing would read.
    pub const COPY_OUT: Self = Self(32);
    /// It drops or deletes data that the script did not create.
    pub const DESTROYS_DATA: Self = Self(64);
    /// It runs user code, which may do anything to the session: `DO`, `CALL`, `EXECUTE`, or a query that calls a
    /// function not known to be harmless.
    pub const RUNS_CODE: Self = Self(128);

    /// The flags with these bits.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// The bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether every flag of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags and those of `other`.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One statement of a script: its position and its kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Statement {
    /// Its bytes in the script's text, its terminator included. Only white space and comments are between two
    /// statements.
    pub range: Range<usize>,
    /// Its kind.
    pub kind: StatementKind,
    /// What the runtime must know before it sends it.
    pub flags: StatementFlags,
    /// The bytes of the data lines that follow it, without the final `\.`. Present only with
    /// [`StatementFlags::COPY_DATA`].
    pub data: Option<Range<usize>>,
}

impl Statement {
    /// Whether a server gets it. Lines for psql alone are not sent.
    pub fn is_sent(&self) -> bool {
        !self.flags.contains(StatementFlags::CLIENT_ONLY)
    }

    /// The bytes that are sent to the server as SQL, without data. They may end with white space and a comment.
    pub fn command(&self) -> Range<usize> {
        self.range.start..self.data.as_ref().map_or(self.range.end, |data| data.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_round_trips_through_its_code() {
        for kind in StatementKind::ALL {
            assert_eq!(StatementKind::from_code(kind.code()), kind);
        }
        assert_eq!(StatementKind::from_code(255), StatementKind::Other);
    }
}
