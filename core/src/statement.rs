//! One statement of a script, as the splitter of `lockgate-sql` found it at compile time.

use std::ops::Range;

/// What a statement is, as far as its first words tell.
///
/// The discriminants are part of the embedded table: they are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum StatementKind {
    /// Anything that has no kind of its own.
    Other = 0,
    /// `SELECT`, `VALUES`, `TABLE`, `WITH … SELECT`.
    Select = 1,
    /// `INSERT`, `REPLACE`.
    Insert = 2,
    /// `UPDATE`.
    Update = 3,
    /// `DELETE`.
    Delete = 4,
    /// `CREATE TABLE` in all its forms.
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
    /// `BEGIN`, `COMMIT`, `ROLLBACK`, `SAVEPOINT` and their like.
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
    /// A line of psql's own, such as `\restrict`.
    PsqlLine = 60,
    /// A line that only a client understands, such as `DELIMITER`.
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

    /// The number that stands for it in the embedded table.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The kind with this number; an unknown number is [`StatementKind::Other`], as a newer macro
    /// may know more kinds than an older runtime.
    pub fn from_code(code: u8) -> Self {
        Self::ALL.into_iter().find(|kind| kind.code() == code).unwrap_or(Self::Other)
    }
}

/// What the runtime must know of a statement before it sends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StatementFlags(u8);

impl StatementFlags {
    /// Nothing special.
    pub const NONE: Self = Self(0);
    /// The database refuses it inside a transaction.
    pub const OUTSIDE_TRANSACTION: Self = Self(1);
    /// It begins, ends or rolls back a transaction.
    pub const CONTROLS_TRANSACTION: Self = Self(2);
    /// It changes what the session is: its settings, search path or role, what it listens to, has
    /// prepared, loaded or attached, its temporary objects.
    pub const SESSION_STATE: Self = Self(4);
    /// Lines of data follow it, up to `\.`; they belong to its range, and [`Statement::data`] says
    /// where they are.
    pub const COPY_DATA: Self = Self(8);
    /// It is a line for a client and means nothing to the server.
    pub const CLIENT_ONLY: Self = Self(16);
    /// It is a `COPY` that says `stdout`: its answer is lines of data, for which there is no reader.
    pub const COPY_OUT: Self = Self(32);
    /// It destroys data: what it drops or deletes is gone, and it was not the script that made it.
    pub const DESTROYS_DATA: Self = Self(64);
    /// It runs code of the user's: `DO`, `CALL`, `EXECUTE`, a query that calls a function which is not
    /// known to be harmless. What that does to the session is not known.
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

/// One statement of a script: where it stands and what it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Statement {
    /// Bytes of the script's text: from the statement's first byte to behind its terminator, if
    /// it has one. Between two statements stand white space and comments alone.
    pub range: Range<usize>,
    /// What it is.
    pub kind: StatementKind,
    /// What must be known before sending it.
    pub flags: StatementFlags,
    /// Bytes of the script's text: the lines of data that follow it, without the line `\.` that ends
    /// them. There exactly where the flags say [`StatementFlags::COPY_DATA`].
    pub data: Option<Range<usize>>,
}

impl Statement {
    /// Bytes of the script's text: what the server is sent as SQL, without data. White space and a
    /// comment may stand at its end.
    pub fn command(&self) -> Range<usize> {
        self.range.start..self.data.as_ref().map_or(self.range.end, |data| data.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_its_code() {
        for kind in StatementKind::ALL {
            assert_eq!(StatementKind::from_code(kind.code()), kind);
        }
        assert_eq!(StatementKind::from_code(255), StatementKind::Other);
    }
}
