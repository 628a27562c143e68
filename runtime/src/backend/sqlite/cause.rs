//! Classifies SQLite's errors.

use crate::error::{Cause, Class};

/// Converts a driver error, with SQLite's own message.
pub(crate) fn cause(error: &sqlx::Error) -> Cause {
    let sqlx::Error::Database(database) = error else { return Cause::from_driver(error) };
    let code = database.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or(0);
    let message = database.message().to_owned();
    Cause { code: Some(format!("SQLite code {code}").into()), ..Cause::new(class(code), message) }
}

/// Classifies an extended result code, whose lowest byte is the primary code.
fn class(code: u32) -> Class {
    match code & 0xff {
        5 | 6 => Class::LockTimeout,
        8 => Class::ReadOnly,
        13 => Class::Full,
        14 => Class::NoFile,
        26 => Class::NotADatabase,
        23 => Class::Privilege,
        _ => Class::Other,
    }
}
