//! What PostgreSQL's errors mean to a run.

use sqlx::postgres::{PgDatabaseError, PgErrorPosition};

use crate::error::{Cause, Class};

/// What went wrong, in PostgreSQL's own words. Never sqlx's `Display`: the line that it names is one
/// of the server's C source.
pub(crate) fn cause(error: &sqlx::Error) -> Cause {
    let sqlx::Error::Database(database) = error else { return Cause::from_driver(error) };
    let Some(error) = database.try_downcast_ref::<PgDatabaseError>() else {
        return Cause::new(Class::Other, database.message());
    };
    let position = match error.position() {
        Some(PgErrorPosition::Original(position)) => Some(position),
        Some(PgErrorPosition::Internal { .. }) | None => None,
    };
    Cause {
        class: class(error.code()),
        message: error.message().to_owned(),
        code: Some(format!("SQLSTATE {}", error.code())),
        detail: error.detail().map(Into::into),
        hint: error.hint().map(Into::into),
        context: error.r#where().map(Into::into),
        position,
    }
}

/// SQLSTATEs from PostgreSQL's appendix of error codes.
fn class(code: &str) -> Class {
    match code {
        "42P01" => Class::Absent,
        // The caller's transaction has failed.
        "25P02" => Class::Usage,
        "42601" => Class::Syntax,
        "28000" | "28P01" => Class::Login,
        "42501" => Class::Privilege,
        "25006" => Class::ReadOnly,
        "55P03" | "40P01" | "40001" => Class::LockTimeout,
        // By a limit, or by somebody: its words alone say which, and they may be in any language.
        "57014" => Class::Cancelled,
        "53100" => Class::Full,
        "3D000" | "53300" | "57P03" => Class::Unreachable,
        // The server ends the session: an administrator's command, a crash, an idle timeout.
        "57P01" | "57P02" | "57P05" => Class::Lost,
        code if code.starts_with("08") => Class::Lost,
        _ => Class::Other,
    }
}
