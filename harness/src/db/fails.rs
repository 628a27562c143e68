//! Checks that a statement fails for the right reason, named the same on every database.

use std::fmt;
use std::future::Future;
use std::panic::Location;

use lockgate::Dialect;

use super::Db;
use crate::failure::{Failure, TestResult, shortened};

/// Why a statement fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fails {
    /// It violates a `NOT NULL`.
    NotNull,
    /// It violates a `UNIQUE` or a primary key.
    Unique,
    /// It violates a foreign key.
    ForeignKey,
    /// It violates a `CHECK`.
    Check,
    /// It fails with this code: an SQLSTATE (`42P01`), an extended result code of SQLite (`1811`) or its name
    /// (`SQLITE_CONSTRAINT_TRIGGER`). The SQLSTATEs of the reasons above work on SQLite too.
    Code(String),
}

impl From<&str> for Fails {
    fn from(code: &str) -> Self {
        match code {
            "23502" => Self::NotNull,
            "23505" => Self::Unique,
            "23503" => Self::ForeignKey,
            "23514" => Self::Check,
            code => Self::Code(code.to_owned()),
        }
    }
}

impl fmt::Display for Fails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNull => f.write_str("NOT NULL"),
            Self::Unique => f.write_str("UNIQUE"),
            Self::ForeignKey => f.write_str("FOREIGN KEY"),
            Self::Check => f.write_str("CHECK"),
            Self::Code(code) => f.write_str(code),
        }
    }
}

/// SQLite's names of result codes, and their numbers.
const NAMES: [(&str, &str); 12] = [
    ("SQLITE_ERROR", "1"),
    ("SQLITE_ABORT", "4"),
    ("SQLITE_READONLY", "8"),
    ("SQLITE_CONSTRAINT_CHECK", "275"),
    ("SQLITE_CONSTRAINT_FOREIGNKEY", "787"),
    ("SQLITE_CONSTRAINT_NOTNULL", "1299"),
    ("SQLITE_CONSTRAINT_PRIMARYKEY", "1555"),
    ("SQLITE_CONSTRAINT_TRIGGER", "1811"),
    ("SQLITE_CONSTRAINT_UNIQUE", "2067"),
    ("SQLITE_CONSTRAINT_ROWID", "2579"),
    ("SQLITE_CONSTRAINT_DATATYPE", "3091"),
    ("SQLITE_MISMATCH", "20"),
];

const SAVEPOINT: &str = "lockgate_must_fail";

impl Db {
    /// Checks that the statement fails for this reason. It is rolled back, and the test continues.
    ///
    /// On PostgreSQL, deferred constraints are checked right after the statement.
    ///
    /// # Errors
    ///
    /// If the statement succeeds, or fails for another reason.
    #[track_caller]
    pub fn fails_with(&mut self, reason: impl Into<Fails>, sql: &str) -> impl Future<Output = TestResult> {
        let (place, reason) = (Location::caller(), reason.into());
        async move { self.must_fail(&reason, sql).await.map_err(|e| e.at(place)) }
    }

    async fn must_fail(&mut self, reason: &Fails, sql: &str) -> TestResult {
        let savepoint_failed = |e: sqlx::Error| Failure::of(&e, sql);
        self.run(&format!("SAVEPOINT {SAVEPOINT}")).await.map_err(savepoint_failed)?;
        let mut outcome = self.run(sql).await;
        if outcome.is_ok() && self.dialect() == Dialect::Postgres {
            outcome = self.run("SET CONSTRAINTS ALL IMMEDIATE").await;
        }
        let rollback = format!("ROLLBACK TO SAVEPOINT {SAVEPOINT}; RELEASE SAVEPOINT {SAVEPOINT}");
        let rolled_back = self.run(&rollback).await;
        let error = match outcome {
            Ok(_) => {
                let message = format!("expected it to fail with {reason}, but it succeeded\n  in {}", shortened(sql));
                return Err(Failure::without_place(message));
            }
            Err(error) => error,
        };
        let failure = Failure::of(&error, sql);
        if failure.is_broken() {
            return Err(failure);
        }
        rolled_back.map_err(savepoint_failed)?;
        if matches(reason, &error) {
            return Ok(());
        }
        Err(Failure::without_place(format!("expected it to fail with {reason}, but it failed with {failure}")))
    }
}

fn matches(reason: &Fails, error: &sqlx::Error) -> bool {
    use sqlx::error::ErrorKind;

    let sqlx::Error::Database(error) = error else { return false };
    let kind = error.kind();
    match reason {
        Fails::NotNull => kind == ErrorKind::NotNullViolation,
        Fails::Unique => kind == ErrorKind::UniqueViolation,
        Fails::ForeignKey => kind == ErrorKind::ForeignKeyViolation,
        Fails::Check => kind == ErrorKind::CheckViolation,
        Fails::Code(code) => {
            let number = NAMES.iter().find(|(name, _)| name == code).map_or(code.as_str(), |(_, number)| number);
            error.code().is_some_and(|found| found == number)
        }
    }
}
