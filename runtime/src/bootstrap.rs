//! Creates the role and the database of a program on a server that has neither.

use lockgate_core::Stage;

use crate::Database;
use crate::error::{Error, ErrorKind, Wording};

/// How to bootstrap.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// Gives a role that exists the password of the URL. Without it, the password of such a role is not changed.
    pub set_password: bool,
    /// Refuses a database that exists and is not marked with this stage.
    pub stage: Option<Stage>,
}

/// What exists now, and what of it was made.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// The role.
    pub role: String,
    /// Whether the role was created.
    pub role_was_created: bool,
    /// Whether the role was given the password of the URL.
    pub password_was_set: bool,
    /// Whether the URL has a password.
    pub has_password: bool,
    /// The database.
    pub database: String,
    /// Whether the database was created.
    pub database_was_created: bool,
    /// Why the program's own URL does not lead to this database; `None` if it does.
    pub unusable: Option<Error>,
}

/// Checks what is asked for, without a server: whether the URL names a role and a database of PostgreSQL.
///
/// # Errors
///
/// [`ErrorKind::Usage`].
pub fn check(url: &str, options: Options) -> Result<(), Error> {
    if url.starts_with("sqlite:") {
        return Err(of_sqlite());
    }
    #[cfg(feature = "postgres")]
    wanted(url, options)?;
    #[cfg(not(feature = "postgres"))]
    let _ = options;
    Ok(())
}

/// Creates what a program's URL names, where it is missing: the role, which may log in with the password of the URL, and
/// the database, which that role owns. Nothing else is changed, so a second call finds everything and changes nothing.
///
/// The server never gets the password itself, only its SCRAM verifier. A role that exists keeps its password, unless
/// [`Options::set_password`] says otherwise. An administrator who is no superuser becomes a member of a new role, as
/// PostgreSQL demands this of whoever gives a database to a role.
///
/// ```no_run
/// # async fn example() -> Result<(), lockgate::Error> {
/// use lockgate::{Database, bootstrap};
///
/// let mut administrator = Database::connect("postgres://postgres:secret@db.internal/postgres").await?;
/// let url = "postgres://library:secret@db.internal/library";
/// let outcome = bootstrap::create(&mut administrator, url, bootstrap::Options::default()).await?;
/// assert_eq!((&*outcome.role, &*outcome.database), ("library", "library"));
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// [`ErrorKind::Usage`] where the URL names no role or no database, or is one of SQLite; [`ErrorKind::Denied`] where the
/// administrator lacks a privilege; [`ErrorKind::Refused`] where the role may not log in, or the database belongs to
/// another one; [`ErrorKind::ReadOnly`] on a standby. In these cases nothing was changed. After [`ErrorKind::Interrupted`],
/// another call makes what is still missing.
pub async fn create(administrator: &mut Database, url: &str, options: Options) -> Result<Outcome, Error> {
    check(url, options)?;
    created(administrator, url, options).await
}

fn of_sqlite() -> Error {
    Error::new(ErrorKind::Usage, "SQLite has neither roles nor a server: there is nothing to bootstrap").with_help(
        Wording::each(|audience| {
            format!("{} creates the file, if the database URL ends in `?mode=rwc`", audience.up())
        }),
    )
}

#[cfg(not(feature = "postgres"))]
async fn created(_: &mut Database, url: &str, _: Options) -> Result<Outcome, Error> {
    // Without PostgreSQL, every other URL is refused by name.
    Database::connect(url).await.and(Err(of_sqlite()))
}

#[cfg(feature = "postgres")]
async fn created(administrator: &mut Database, url: &str, options: Options) -> Result<Outcome, Error> {
    use crate::backend::postgres::bootstrap::make;

    let wanted = wanted(url, options)?;
    let Some(connection) = administrator.postgres() else {
        return Err(Error::new(ErrorKind::Usage, "the administrator's URL is not one of PostgreSQL")
            .with_help("write it as `postgres://postgres@host/postgres`"));
    };
    let made = make(connection, &wanted).await?;
    let unusable = match Database::connect(url).await {
        // What was found out is known, even if the server does not say goodbye.
        Ok(database) => database.close().await.err().filter(|_| false),
        Err(error) => Some(error),
    };
    Ok(Outcome {
        role: wanted.role,
        role_was_created: made.role,
        password_was_set: made.password,
        has_password: wanted.password.is_some(),
        database: wanted.database,
        database_was_created: made.database,
        unusable,
    })
}

/// Reads role, password and database from the program's URL.
#[cfg(feature = "postgres")]
fn wanted(url: &str, options: Options) -> Result<crate::backend::postgres::bootstrap::Wanted, Error> {
    use crate::DatabaseParts;
    use crate::backend::postgres::bootstrap::Wanted;

    /// PostgreSQL cuts longer names off.
    const LONGEST: usize = 63;

    crate::url::understood(url)?;
    let parts = crate::url::parts(url).map_or_else(DatabaseParts::default, |(parts, _)| parts);
    let named = |part: Option<String>, what: &str| match part {
        None => Err(Error::new(ErrorKind::Usage, format!("the database URL names no {what}"))
            .with_help("write both into it: `postgres://role:password@host/database`")),
        Some(name) if name.len() > LONGEST => {
            let what = format!("the name of the {what} has {} bytes, and PostgreSQL allows {LONGEST}", name.len());
            Err(Error::new(ErrorKind::Usage, what).with_help("choose a shorter name"))
        }
        Some(name) => Ok(name),
    };
    let password = parts.password.filter(|password| !password.is_empty());
    if options.set_password && password.is_none() {
        return Err(Error::new(ErrorKind::Usage, "the database URL has no password to set")
            .with_help("write it into the URL: `postgres://role:password@host/database`"));
    }
    Ok(Wanted {
        role: named(parts.user, "role")?,
        password,
        set_password: options.set_password,
        database: named(parts.name, "database")?,
        stage: options.stage,
    })
}
