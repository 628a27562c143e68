//! Sends single statements to a throwaway database: those of a desired schema, in whichever order works, and those of a
//! draft. Nothing here records anything. For the developers' commands and the tests of migrations, not for programs.

use sqlx::{AssertSqlSafe, Row};

use crate::database::Database;
use crate::error::Cause;

/// What a database says about a statement that it refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its code, such as `SQLSTATE 42P01`.
    pub code: Option<String>,
    /// Its message.
    pub message: String,
    /// More about it.
    pub detail: Option<String>,
    /// What the server proposes.
    pub hint: Option<String>,
    /// The byte of the statement that it points at.
    pub byte: Option<usize>,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        self.detail.iter().try_for_each(|detail| write!(f, " ({detail})"))
    }
}

/// A statement of a desired schema.
#[derive(Clone, Debug)]
pub struct Desired<'a> {
    /// Its text.
    pub sql: &'a str,
    /// The statements that must have set the session before it.
    pub session: Vec<&'a str>,
}

/// What a session is before the first statement. The body of a function may mention what is created later.
#[cfg(feature = "postgres")]
const FRESH: &str = "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; SET check_function_bodies = off";

/// Runs the statements of `left`, which are indexes into `statements`, and removes those that worked. A statement that fails
/// is put off until others have worked.
///
/// # Errors
///
/// The statements that never worked, with what the database says.
pub async fn make(
    database: &mut Database,
    statements: &[Desired<'_>],
    left: &mut Vec<usize>,
) -> Result<(), Vec<(usize, Refused)>> {
    // Whatever was in force before.
    let mut in_force: Option<&[&str]> = None;
    loop {
        let mut failed: Vec<(usize, Refused)> = Vec::new();
        let before = left.len();
        for at in std::mem::take(left) {
            let statement = &statements[at];
            let ran = match in_force == Some(&statement.session) {
                true => Ok(()),
                false => enter(database, &statement.session).await,
            };
            in_force = ran.is_ok().then_some(&statement.session);
            let ran = match ran {
                Ok(()) => execute(database, statement.sql).await,
                Err(refused) => Err(refused),
            };
            if let Err(refused) = ran {
                failed.push((at, refused));
            }
        }
        left.extend(failed.iter().map(|(at, _)| *at));
        if left.is_empty() {
            return enter(database, &[]).await.map_err(|refused| vec![(0, refused)]);
        }
        if left.len() == before {
            return Err(failed);
        }
    }
}

/// Brings the session into the state after these statements.
async fn enter(database: &mut Database, session: &[&str]) -> Result<(), Refused> {
    #[cfg(feature = "postgres")]
    if database.postgres().is_some() {
        execute(database, FRESH).await?;
    }
    for statement in session {
        execute(database, statement).await?;
    }
    Ok(())
}

/// Sends a text of one or several statements.
///
/// # Errors
///
/// What the database says.
pub async fn execute(database: &mut Database, sql: &str) -> Result<(), Refused> {
    rows(database, sql).await.map(drop)
}

/// Sends a query, and returns its rows. Every column must be a text, or NULL.
///
/// # Errors
///
/// What the database says.
pub async fn rows(database: &mut Database, sql: &str) -> Result<Vec<Vec<Option<String>>>, Refused> {
    macro_rules! texts {
        ($rows:expr) => {
            $rows
                .iter()
                .map(|row| {
                    (0..row.len()).map(|at| row.try_get_unchecked::<Option<String>, _>(at).ok().flatten()).collect()
                })
                .collect()
        };
    }
    #[cfg(feature = "postgres")]
    if let Some(connection) = database.postgres() {
        let answer = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(connection).await;
        return match answer {
            Ok(rows) => Ok(texts!(rows)),
            Err(error) => Err(Refused::of(crate::backend::postgres::cause(&error), sql)),
        };
    }
    #[cfg(feature = "sqlite")]
    if let Some(connection) = database.sqlite() {
        let answer = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(connection).await;
        return match answer {
            Ok(rows) => Ok(texts!(rows)),
            Err(error) => Err(Refused::of(crate::backend::sqlite::cause(&error), sql)),
        };
    }
    let gone = "the connection is gone".to_owned();
    Err(Refused { code: None, message: gone, detail: None, hint: None, byte: None })
}

impl Refused {
    fn of(cause: Cause, sql: &str) -> Self {
        let owned = |text: Option<Box<str>>| text.map(String::from);
        let at = cause.position.and_then(|position| sql.char_indices().nth(position.get() - 1));
        Self {
            byte: at.map(|(byte, _)| byte),
            code: owned(cause.code),
            message: cause.message,
            detail: owned(cause.detail),
            hint: owned(cause.hint),
        }
    }

    /// Whether something that it needs does not exist, which another statement may create.
    pub fn is_missing(&self) -> bool {
        const MISSING: [&str; 7] = ["42P01", "42703", "42883", "42704", "3F000", "42P02", "42830"];
        match self.code.as_deref().and_then(|code| code.strip_prefix("SQLSTATE ")) {
            Some(state) => MISSING.contains(&state),
            None => self.message.starts_with("no such"),
        }
    }
}
