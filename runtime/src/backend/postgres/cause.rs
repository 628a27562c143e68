//! Classifies PostgreSQL's errors.

use std::num::NonZero;

use sqlx::postgres::{PgDatabaseError, PgErrorPosition, PgSeverity};

use crate::backend::Intent;
use crate::error::{Cause, Class};
use crate::history_table::identifier;

/// Converts a driver error, with PostgreSQL's own message. sqlx's `Display` is not used: its line number is one of the
/// server's C source.
pub(crate) fn cause(error: &sqlx::Error) -> Cause {
    let sqlx::Error::Database(database) = error else { return Cause::from_driver(error) };
    let Some(error) = database.try_downcast_ref::<PgDatabaseError>() else {
        return Cause::new(Class::Other, database.message());
    };
    let position = match error.position() {
        Some(PgErrorPosition::Original(position)) => Some(position),
        Some(PgErrorPosition::Internal { .. }) | None => None,
    };
    let cause = Cause {
        class: class(error.code(), matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic)),
        message: error.message().to_owned(),
        code: Some(format!("SQLSTATE {}", error.code()).into()),
        detail: error.detail().map(Into::into),
        hint: error.hint().map(Into::into),
        context: error.r#where().map(Into::into),
        position: position.and_then(NonZero::new),
        advice: None,
        source: None,
    };
    // Messages are in any language; the function of the server that has failed is not.
    match error.routine() {
        Some(routine) if error.code() == "42704" && routine.starts_with("get_role") => no_role(cause),
        _ => cause,
    }
}

/// Says how the role comes to be that a script names. Roles belong to the server, so it may be right that the database
/// has none.
fn no_role(cause: Cause) -> Cause {
    let name = cause.message.split('"').nth(1).map(identifier);
    let statement = name.map_or_else(|| "CREATE ROLE".to_owned(), |name| format!("CREATE ROLE {name}"));
    let advice = format!(
        "create the role on this server, as an administrator: `{statement}`, with `LOGIN` if it is to log in; or correct \
         its name in the script; then run again. Where the script is a bootstrap, an earlier bootstrap can create it"
    );
    Cause { class: Class::NoRole, ..cause }.with_advice(advice)
}

/// Adds the GRANT that a role lacks, if the server's message names the object. The history table and the log need the
/// same grants.
pub(super) fn with_grant(cause: Cause, role: &str, ours: &OwnTables) -> Cause {
    if cause.class != Class::Privilege {
        return cause;
    }
    if let Some(statement) = new_owner(&cause.message, role) {
        // A table has one owner: to give it away takes it from the role that had it.
        let advice = format!(
            "make this role a member of the owner, so that both may alter it: `GRANT owner TO {}`, with the name of the \
             owner (`SELECT tableowner FROM pg_tables`); or, if no other role alters it, let the owner of it, or \
             a superuser, run `{statement}`, then run again",
            identifier(role)
        );
        return cause.with_advice(advice);
    }
    let Some(statement) = grant(&cause.message, role, ours) else { return cause };
    let advice = format!("let the owner of it, or a superuser, run `{statement}`, then run again");
    cause.with_advice(advice)
}

/// The history table and the log, and what the verb does with them.
pub(super) struct OwnTables {
    pub(super) history: String,
    pub(super) log: String,
    pub(super) intent: Intent,
}

/// The statement that gives an object to a role, if the server demands that it is the owner.
fn new_owner(message: &str, role: &str) -> Option<String> {
    let owned = message.strip_prefix("must be owner of ")?;
    let kinds = ["table", "view", "materialized view", "sequence", "schema", "type", "domain", "foreign table"];
    let (kind, name) = kinds.iter().find_map(|kind| Some((kind, owned.strip_prefix(kind)?.strip_prefix(' ')?)))?;
    Some(format!("ALTER {} {} OWNER TO {}", kind.to_uppercase(), identifier(name), identifier(role)))
}

fn grant(message: &str, role: &str, ours: &OwnTables) -> Option<String> {
    let role = identifier(role);
    let (kind, name) = message.strip_prefix("permission denied for ")?.split_once(' ')?;
    let (name, schema) = match name.split_once(" in the schema ") {
        Some((name, schema)) => (name, format!("{}.", identifier(schema))),
        None => (name, String::new()),
    };
    let place = |name: &str| format!("{schema}{}", identifier(name));
    let what = match kind {
        "schema" => format!("USAGE, CREATE ON SCHEMA {}", place(name)),
        "table" if ours.history == name || ours.log == name => match ours.intent {
            Intent::Read => format!("SELECT ON {}", place(name)),
            Intent::Write => {
                format!("SELECT, INSERT, UPDATE, DELETE ON {}, {}", place(&ours.history), place(&ours.log))
            }
        },
        "table" | "relation" => {
            format!("SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON {}", place(name))
        }
        "view" => format!("SELECT ON {}", place(name)),
        "sequence" => format!("USAGE, SELECT, UPDATE ON SEQUENCE {}", place(name)),
        "database" => format!("CREATE ON DATABASE {}", place(name)),
        "type" => format!("USAGE ON TYPE {}", place(name)),
        "language" => format!("USAGE ON LANGUAGE {}", place(name)),
        "tablespace" => format!("CREATE ON TABLESPACE {}", place(name)),
        _ => return None,
    };
    Some(format!("GRANT {what} TO {role}"))
}

/// Whether the server ended the session with this error.
pub(super) fn is_last(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(database) = error else { return false };
    let error = database.try_downcast_ref::<PgDatabaseError>();
    error.is_some_and(|error| matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic))
}

/// Classifies SQLSTATEs from PostgreSQL's appendix of error codes. Only the severity says whether the session ended:
/// code in it may report another server's error (`postgres_fdw`, `dblink`) or raise any code.
fn class(code: &str, last: bool) -> Class {
    match code {
        "42P01" => Class::Absent,
        // The caller's transaction has failed.
        "25P02" => Class::Usage,
        "42601" => Class::Syntax,
        "28000" | "28P01" => Class::Login,
        "42501" => Class::Privilege,
        "25006" => Class::ReadOnly,
        "55P03" | "40P01" | "40001" => Class::LockTimeout,
        // By a timeout or by a person: only the message says which, and it may be in any language.
        "57014" => Class::Cancelled,
        "53100" => Class::Full,
        // A database with `ALLOW_CONNECTIONS false`, such as `template0`, has 55000.
        "3D000" | "53300" | "55000" | "57P03" if last => Class::Unreachable,
        // An administrator's command, a crash or an idle timeout.
        _ if last => Class::Lost,
        _ => Class::Other,
    }
}
