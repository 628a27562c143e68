//! What SQLite's errors mean to a run.

use crate::error::{Cause, Class};

/// What went wrong, in SQLite's own words.
pub(crate) fn cause(error: &sqlx::Error) -> Cause {
    let sqlx::Error::Database(database) = error else { return Cause::from_driver(error) };
    let code = database.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or(0);
    let message = database.message().to_owned();
    let class = class(code, &message);
    Cause { code: Some(format!("SQLite code {code}")), ..Cause::new(class, message) }
}

/// Extended result codes, whose lowest byte is the primary one.
fn class(code: u32, message: &str) -> Class {
    const CONSTRAINT_PRIMARYKEY: u32 = 1555;
    match code {
        CONSTRAINT_PRIMARYKEY if message.contains("set_name") => return Class::Overtaken,
        _ => {}
    }
    match code & 0xff {
        1 if message.starts_with("no such table") => Class::Absent,
        1 if message.contains("syntax error")
            || message == "incomplete input"
            || message.starts_with("unrecognized token") =>
        {
            Class::Syntax
        }
        5 | 6 => Class::LockTimeout,
        8 => Class::ReadOnly,
        13 => Class::Full,
        14 => Class::NoFile,
        26 => Class::NotADatabase,
        23 => Class::Privilege,
        _ => Class::Other,
    }
}
