//! Makes a role and a database on a server, as an administrator. Which ones, `crate::bootstrap` reads from a URL.

use lockgate_core::Refusal;
use lockgate_core::Stage;
use lockgate_core::plan::Reason;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use super::cause::cause;
use super::verifier::verifier;
use crate::error::{Cause, Class, Error, ErrorKind, UNCHANGED, Wording};
use crate::history_table::identifier;

/// What is to exist. Not `Debug`, because of the password.
pub(crate) struct Wanted {
    pub(crate) role: String,
    pub(crate) password: Option<String>,
    /// Whether a role that exists gets this password.
    pub(crate) set_password: bool,
    pub(crate) database: String,
    /// The stage that a database must be marked with that exists.
    pub(crate) stage: Option<Stage>,
}

/// What was made; the rest existed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Made {
    pub(crate) role: bool,
    /// Whether the role got its password.
    pub(crate) password: bool,
    pub(crate) database: bool,
}

/// What the server has of it, and what its administrator may do.
struct Found {
    release: i32,
    is_standby: bool,
    administrator: String,
    is_superuser: bool,
    may_create_roles: bool,
    may_create_databases: bool,
    /// Whether the role may log in. `None` if there is no such role.
    may_log_in: Option<bool>,
    /// Whether the administrator may give something to the role.
    may_give: bool,
    /// Whether the administrator may become a member of the role.
    may_join: bool,
    /// Who owns the database. `None` if there is no such database.
    owner: Option<String>,
    comment: Option<String>,
}

const LOOK: &str = "\
SELECT r.release, pg_catalog.pg_is_in_recovery() AS is_standby, me.rolname::text AS administrator, me.rolsuper, \
me.rolcreaterole, me.rolcreatedb, role.rolcanlogin, \
COALESCE(pg_catalog.pg_has_role(me.oid, role.oid, CASE WHEN r.release < 160000 THEN 'MEMBER' ELSE 'SET' END), false) AS may_give, \
CASE WHEN r.release < 160000 THEN me.rolcreaterole \
ELSE COALESCE(pg_catalog.pg_has_role(me.oid, role.oid, 'MEMBER WITH ADMIN OPTION'), false) END AS may_join, \
owner.rolname::text AS owner, pg_catalog.shobj_description(d.oid, 'pg_database') AS comment \
FROM pg_catalog.pg_roles me \
CROSS JOIN (SELECT pg_catalog.current_setting('server_version_num')::int4 AS release) r \
LEFT JOIN pg_catalog.pg_roles role ON role.rolname = $1 \
LEFT JOIN pg_catalog.pg_database d ON d.datname = $2 \
LEFT JOIN pg_catalog.pg_roles owner ON owner.oid = d.datdba \
WHERE me.rolname = current_user";

/// How often another bootstrap may go first.
const ATTEMPTS: usize = 3;

/// Makes what is missing: the role in one transaction, then the database, for which PostgreSQL allows none.
pub(crate) async fn make(connection: &mut PgConnection, wanted: &Wanted) -> Result<Made, Error> {
    let mut made = Made::default();
    let mut attempt = 1;
    loop {
        match make_missing(connection, wanted, &mut made).await {
            Err(Stopped::Failed(_, cause)) if is_taken(&cause) && attempt < ATTEMPTS => attempt += 1,
            Err(Stopped::Failed(what, cause)) => return Err(failed(&what, cause, wanted, made)),
            Err(Stopped::Refused(error)) => return Err(error),
            Ok(()) => return Ok(made),
        }
    }
}

enum Stopped {
    Refused(Error),
    /// What could not be done, and why.
    Failed(String, Cause),
}

async fn make_missing(connection: &mut PgConnection, wanted: &Wanted, made: &mut Made) -> Result<(), Stopped> {
    let found = look(connection, wanted).await;
    let found = found.map_err(|cause| Stopped::Failed("the server's roles cannot be read".to_owned(), cause))?;
    check(&found, wanted).map_err(Stopped::Refused)?;
    let (role, database) = (identifier(&wanted.role), identifier(&wanted.database));
    let password = || wanted.password.as_deref().map(|password| format!(" PASSWORD '{}'", verifier(password)));
    let is_new = found.may_log_in.is_none();
    let mut statements = Vec::new();
    if is_new {
        statements.push(format!("CREATE ROLE {role} LOGIN{}", password().unwrap_or_default()));
    } else if wanted.set_password && !made.password {
        statements.extend(password().map(|password| format!("ALTER ROLE {role}{password}")));
    }
    let sets_password = wanted.password.is_some() && !statements.is_empty();
    if found.owner.is_none() && !found.is_superuser && !found.may_give {
        // Who gives a database to a role must be able to become that role.
        let least = if found.release < 160_000 { "" } else { " WITH INHERIT FALSE, SET TRUE" };
        statements.push(format!("GRANT {role} TO {}{least}", identifier(&found.administrator)));
    }
    if !statements.is_empty() {
        // One message is one transaction.
        let sent = connection.execute(sqlx::raw_sql(AssertSqlSafe(statements.join("; ")))).await;
        let verb = if is_new { "created" } else { "changed" };
        sent.map_err(|error| Stopped::Failed(format!("the role {role} could not be {verb}"), cause(&error)))?;
        made.role |= is_new;
        made.password |= sets_password;
    }
    if found.owner.is_none() {
        let statement = format!("CREATE DATABASE {database} OWNER {role}");
        let sent = connection.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await;
        sent.map_err(|error| Stopped::Failed(format!("the database {database} could not be created"), cause(&error)))?;
        made.database = true;
    }
    Ok(())
}

async fn look(connection: &mut PgConnection, wanted: &Wanted) -> Result<Found, Cause> {
    let row = sqlx::query(LOOK).bind(&wanted.role).bind(&wanted.database).fetch_one(connection).await;
    let row = row.map_err(|error| cause(&error))?;
    let read = || {
        Ok(Found {
            release: row.try_get("release")?,
            is_standby: row.try_get("is_standby")?,
            administrator: row.try_get("administrator")?,
            is_superuser: row.try_get("rolsuper")?,
            may_create_roles: row.try_get("rolcreaterole")?,
            may_create_databases: row.try_get("rolcreatedb")?,
            may_log_in: row.try_get("rolcanlogin")?,
            may_give: row.try_get("may_give")?,
            may_join: row.try_get("may_join")?,
            owner: row.try_get("owner")?,
            comment: row.try_get("comment")?,
        })
    };
    read().map_err(|error: sqlx::Error| cause(&error))
}

/// Refuses what cannot be done, before anything is.
fn check(found: &Found, wanted: &Wanted) -> Result<(), Error> {
    let (role, database) = (identifier(&wanted.role), identifier(&wanted.database));
    let administrator = identifier(&found.administrator);
    if found.is_standby {
        let error = Error::new(ErrorKind::ReadOnly, "the administrator's server is a standby, which takes no writes");
        return Err(error.with_state(UNCHANGED).with_help("connect to the primary"));
    }
    let marked = found.comment.as_deref().and_then(Stage::of_comment);
    if let (Some(asked), Some(_)) = (wanted.stage, &found.owner)
        && marked != Some(asked)
    {
        let reasons = vec![Reason::OtherStage { asked, database: marked }];
        let error = Error::refused("the stage of the database does not allow this", &Refusal { reasons });
        return Err(error.with_state(UNCHANGED));
    }
    let mut denied = Vec::new();
    let mut lacks = |what: &str, word: &str| {
        let help = format!("connect as a superuser, or let one run `ALTER ROLE {administrator} {word}`");
        denied.push((format!("the administrator {administrator} may not create {what}"), Wording::from(help)));
    };
    if found.may_log_in.is_none() && !found.is_superuser && !found.may_create_roles {
        lacks("roles", "CREATEROLE");
    }
    if found.owner.is_none() && !found.is_superuser && !found.may_create_databases {
        lacks("databases", "CREATEDB");
    }
    let exists = found.may_log_in.is_some();
    if exists && found.owner.is_none() && !found.is_superuser && !found.may_give && !found.may_join {
        let help = format!("connect as a superuser, or let one run `GRANT {role} TO {administrator}`");
        let fact = format!("the administrator {administrator} may not give a database to the role {role}");
        denied.push((fact, Wording::from(help)));
    }
    if !denied.is_empty() {
        return Err(refused(&denied).with_kind(ErrorKind::Denied));
    }
    let mut reasons = Vec::new();
    if found.may_log_in == Some(false) {
        let help = format!("let it log in with `ALTER ROLE {role} LOGIN`, or name another role in the database URL");
        reasons.push((format!("the role {role} exists and may not log in"), Wording::from(help)));
    }
    if let Some(owner) = found.owner.as_ref().filter(|owner| **owner != wanted.role) {
        let help = format!(
            "give it to the role with `ALTER DATABASE {database} OWNER TO {role}`, or name another database or role in \
             the database URL"
        );
        let fact = format!("the database {database} exists and belongs to the role {}", identifier(owner));
        reasons.push((fact, Wording::from(help)));
    }
    if reasons.is_empty() { Ok(()) } else { Err(refused(&reasons)) }
}

fn refused(reasons: &[(String, Wording)]) -> Error {
    Error::refused_for("role and database cannot be set up", reasons)
}

/// Whether another bootstrap went first.
fn is_taken(cause: &Cause) -> bool {
    matches!(cause.code.as_deref(), Some("SQLSTATE 42710" | "SQLSTATE 42P04" | "SQLSTATE 23505"))
}

fn failed(what: &str, mut cause: Cause, wanted: &Wanted, made: Made) -> Error {
    if cause.code.as_deref() == Some("SQLSTATE 55006") {
        cause = cause.with_advice("end the sessions that use the database `template1`, then run it again");
    } else if cause.class == Class::Lost {
        cause = cause.with_advice("run it again: it makes what is still missing");
    }
    let error = Error::from_cause(what, cause);
    let (role, database) = (identifier(&wanted.role), identifier(&wanted.database));
    match (made.role, made.password) {
        (true, _) => error.with_state(format!("the role {role} was created, and the database {database} was not")),
        (false, true) => error.with_state(format!("the role {role} has its new password; nothing else was changed")),
        (false, false) => error,
    }
}
