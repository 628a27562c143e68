//! Restores a backup of a PostgreSQL database.
//!
//! The backup is restored into a database with another name. One transaction renames both databases, so that one with
//! the right name always exists. `pg_dump` omits the settings, privileges and comment of the database itself, so they
//! are copied from the old database.

use std::process::{ExitStatus, Stdio};

use lockgate::__private::readable_size;
use lockgate::{Console, Database, DatabaseParts, ErrorKind, Stage};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::said::{self, Failure};
use super::{Extent, Ignored, Names, Obstacles, Options, Restored, compare, free_bytes, mark};
use crate::client::{self, Client};
use crate::error::Error;
use crate::event::{Phase, Progress};
use crate::meta::{Locale, Meta, major, now};
use crate::names::identifier;
use crate::postgres::{connection, locale};
use crate::subject::Subject;

/// PostgreSQL truncates longer names.
const LONGEST: usize = 63;
/// The ending of a database that is being restored. An interrupted restore leaves it, and the next one drops it.
const RESTORING: &str = "_lockgate_restoring";
/// The text before the time in the name of an old database.
const BEFORE: &str = "_before_";
/// The SQLSTATE of a database in which other sessions are.
const IN_USE: &str = "55006";
/// How often the renaming is tried, because ended sessions may reconnect at once.
const TRIES: u32 = 20;

/// An existing database.
struct Old {
    oid: i64,
    owner: String,
    comment: Option<String>,
    locale: Locale,
    /// `None` if it is the one in which new databases are.
    tablespace: Option<String>,
    stage: Option<Stage>,
}

fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// The name of a database that restores of this one have made.
///
/// It may be truncated, and other databases may have similar names. The hash of the whole name identifies ours.
fn made_name(name: &str, ending: &str) -> String {
    with_ending(name, &format!("{ending}_{}", mark(name, ending)))
}

pub(super) fn names(url: &str) -> Result<Names, Error> {
    let name = crate::subject::name_of(url)?;
    // Only the ending depends on the time.
    let mut kept = made_name(&name, &format!("{BEFORE}{}", now()));
    let end = kept.rfind(BEFORE).map_or(kept.len(), |at| at + BEFORE.len());
    kept.truncate(end);
    Ok(Names { unfinished: made_name(&name, RESTORING), kept, file: None })
}

/// The name with an ending, truncated to the length that PostgreSQL allows.
fn with_ending(name: &str, ending: &str) -> String {
    let mut end = name.len().min(LONGEST - ending.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ending}", &name[..end])
}

/// The URL of another database on the same server.
pub(crate) fn beside(url: &str, name: &str) -> String {
    let parts = DatabaseParts { name: Some(name.to_owned()), ..DatabaseParts::default() };
    lockgate::__private::with_parts(url, &parts).unwrap_or_else(|| url.to_owned())
}

async fn run(session: &mut PgConnection, what: &str, sql: String) -> Result<(), Error> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(session).await;
    done.map(drop).map_err(|error| Error::of_driver(what, &error))
}

/// Connects to another database of the server than the one to be replaced.
///
/// Advisory locks are per database, so all restores of a database should use the same one: `postgres` if possible.
async fn administer(subject: &Subject<'_>, options: &Options, name: &str) -> Result<(Database, String), Error> {
    let url = options.admin_url.as_deref().unwrap_or(subject.url);
    let console = Console::of(url)?;
    let mut others = vec!["postgres", "template1"];
    others.extend(console.database());
    others.retain(|other| *other != name);
    let mut failed = None;
    for other in others {
        let beside = beside(url, other);
        match Database::connect(&beside).await {
            Ok(mut database) => {
                if options.admin_url.is_some() {
                    check_server(subject, options, name, connection(&mut database)?).await?;
                }
                return Ok((database, beside));
            }
            Err(error) if matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Denied) => {
                failed.get_or_insert(error);
            }
            Err(error) => return Err(of_administrator(error, options).into()),
        }
    }
    let failed = failed.expect("at least one attempt has failed");
    Err(of_administrator(failed, options).into())
}

/// An error of the administrator's URL, if there is one, says which flag or variable gave it.
fn of_administrator(error: lockgate::Error, options: &Options) -> lockgate::Error {
    match (&options.admin_url, &options.admin_url_given_by) {
        (Some(_), Some(given_by)) => error.of_administrator(given_by),
        (None, _) | (_, None) => error,
    }
}

/// Checks that the administrator is on the server of the database URL. Otherwise, the stage of one database would be
/// checked, and another one of the same name replaced.
async fn check_server(
    subject: &Subject<'_>,
    options: &Options,
    name: &str,
    session: &mut PgConnection,
) -> Result<(), Error> {
    let mut failed = None;
    for url in [subject.url.to_owned(), beside(subject.url, "postgres"), beside(subject.url, "template1")] {
        match Database::connect(&url).await {
            Ok(mut database) => {
                let (started, cluster) = server(connection(&mut database)?).await?;
                let (started_here, cluster_here) = server(session).await?;
                let is_same = started == started_here
                    && cluster.zip(cluster_here).is_none_or(|(cluster, cluster_here)| cluster == cluster_here);
                database.close().await?;
                if is_same {
                    return Ok(());
                }
                let given_by = options.admin_url_given_by.as_ref();
                let url = given_by.map_or("the administrator's URL".to_owned(), |by| format!("the URL of `{by}`"));
                let place = given_by.map_or(String::new(), |by| format!(" in `{by}`"));
                let what = format!("{url} is of another server than the database URL of `{name}`");
                return Err(Error::refused(what).state("nothing was changed").help(format!(
                    "name a role of the same server{place}, with the host and port of the database URL: \
                     `postgres://postgres@HOST:PORT/postgres`"
                )));
            }
            Err(error) => {
                failed.get_or_insert(error);
            }
        }
    }
    Err(failed.expect("every attempt has failed").into())
}

/// When a server was started, to the microsecond, and the identifier of its cluster, which its replicas share.
async fn server(session: &mut PgConnection) -> Result<(String, Option<i64>), Error> {
    let started = sqlx::query_scalar("SELECT extract(epoch FROM pg_postmaster_start_time())::text");
    let started = started.fetch_one(&mut *session).await;
    let started = started.map_err(|error| Error::of_driver("the server cannot be identified", &error))?;
    // Some servers do not allow this.
    let cluster = sqlx::query_scalar("SELECT system_identifier FROM pg_control_system()").fetch_one(session).await;
    Ok((started, cluster.ok()))
}

pub(super) async fn restore(
    subject: &Subject<'_>,
    options: &Options,
    extent: Extent,
    meta: Meta,
) -> Result<Restored, Error> {
    let name = subject.name()?;
    let (mut administrator, url) = administer(subject, options, &name).await?;
    let session = connection(&mut administrator)?;
    // The lock is held until this session ends, however it ends.
    lock(session, &name).await?;
    let new = made_name(&name, RESTORING);
    if exists(session, &new).await? {
        super::note_unfinished(subject, "database", &new);
    }
    let (client, old) = examine(subject, options, &meta, &name, session).await?;
    let mut restored =
        Restored { meta, database: name.clone(), kept: None, ignored: Vec::new(), is_dry_run: extent != Extent::Whole };
    match extent {
        Extent::Obstacles => return Ok(restored),
        Extent::Dump => {
            let read = read_dump(subject, &restored.meta, &client).await;
            return read.map(|()| restored).map_err(|error| error.state("nothing was changed"));
        }
        Extent::Whole => {}
    }
    let meta = &restored.meta;
    let made = async {
        drop_database(session, &new).await?;
        let owner = match &old {
            Some(old) => Some(old.owner.clone()),
            None => owner_of_new(subject, session).await?,
        };
        let target = old.as_ref().map(|old| &old.locale).or(meta.locale.as_ref());
        let place = old.as_ref().and_then(|old| old.tablespace.as_deref());
        create(session, &new, owner.as_deref(), target, place).await?;
        let ignored = fill(subject, meta, &client, (&url, &new), &options.ignored).await?;
        let of_history = give_to_owner_of_history(subject, &beside(&url, &new), session, &new).await?;
        check(subject, meta, &beside(&url, &new), session, !ignored.is_empty()).await?;
        let mut database = Database::connect(&beside(&url, &new)).await?;
        if let Some(owner) = &of_history {
            // Triggers of the history run with the rights of its owner, and not with those of a superuser.
            let what = format!("the role `{owner}` cannot be used");
            run(connection(&mut database)?, &what, format!("SET ROLE {}", identifier(owner))).await?;
        }
        if let (None, Some(stage)) = (&old, options.stage) {
            subject.migrator.mark_stage(&mut database, stage).await?;
        }
        if let (Some(_), Some(owner)) = (&of_history, &owner) {
            give(session, &new, owner).await?;
        }
        if let Some(old) = &old {
            take_over(session, old, &new).await?;
            if old.stage.is_some_and(Stage::is_protected) {
                let detail = format!("replaced by the backup `{}`", meta.key);
                lockgate::__private::log_replaced(subject.migrator, &mut database, &detail).await?;
            }
        }
        database.close().await?;
        swap(session, &name, &new, old.is_some(), options.disconnect).await.map(|kept| (kept, ignored))
    }
    .await;
    match made {
        Ok((kept, ignored)) => {
            restored.kept = kept;
            restored.ignored = ignored;
            let _ = administrator.close().await;
            Ok(restored)
        }
        // It may have been swapping the names.
        Err(error) if error.kind() == ErrorKind::Interrupted => Err(error
            .state(format!("if there is an unfinished database `{new}`, `{name}` was not changed"))
            .state(format!("if there is none, `{name}` may already be the restored one"))
            .help(format!("run the same command again: it drops `{new}` before it begins"))),
        Err(error) => {
            let as_it_was = match &old {
                Some(_) => format!("the database `{name}` was not changed"),
                None => format!("the database `{name}` does not exist yet"),
            };
            let left = match connection(&mut administrator) {
                Ok(session) => drop_database(session, &new).await.err(),
                Err(why) => Some(why),
            };
            if let Some(why) = left {
                super::note_undropped(subject, "database", &new, &why);
            }
            let _ = administrator.close().await;
            Err(error.state(as_it_was))
        }
    }
}

async fn lock(session: &mut PgConnection, name: &str) -> Result<(), Error> {
    let sql = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))";
    let locked = sqlx::query_scalar(sql).bind(format!("lockgate restore {name}")).fetch_one(session).await;
    if locked.map_err(|error| Error::of_driver("the restore cannot be locked", &error))? {
        return Ok(());
    }
    let error = Error::new(ErrorKind::Locked, format!("another restore of `{name}` is running"));
    Err(error.state("nothing was changed").help("wait until it ends"))
}

async fn exists(session: &mut PgConnection, name: &str) -> Result<bool, Error> {
    let sql = "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)";
    let found = sqlx::query_scalar(sql).bind(name).fetch_one(session).await;
    found.map_err(|error| Error::of_driver("the databases cannot be listed", &error))
}

/// Finds all obstacles.
async fn examine(
    subject: &Subject<'_>,
    options: &Options,
    meta: &Meta,
    name: &str,
    session: &mut PgConnection,
) -> Result<(Client, Option<Old>), Error> {
    let read = |error: sqlx::Error| Error::of_driver("the server cannot be read", &error);
    let mut obstacles = Obstacles::default();
    let (version, may_create, role): (String, bool, String) = sqlx::query_as(
        "SELECT current_setting('server_version'), r.rolcreatedb OR r.rolsuper, r.rolname::text \
         FROM pg_roles r WHERE r.rolname = current_user",
    )
    .fetch_one(&mut *session)
    .await
    .map_err(read)?;
    if !may_create {
        obstacles.add(
            format!("the role `{role}` may not create databases"),
            "name a role that may: `--admin-url postgres://postgres@host/postgres`",
        );
    }
    let of_server = major(&version).unwrap_or_default();
    if let Some(of_backup) = meta.server_major().filter(|of_backup| *of_backup > of_server) {
        obstacles.add(
            format!("the backup is of PostgreSQL {of_backup}, but this server is {version}"),
            format!("restore it on PostgreSQL {of_backup} or newer"),
        );
    }
    let missing: Vec<(String, String)> = sqlx::query_as(
        "SELECT 'role', name FROM unnest($1::text[]) AS wanted (name) \
         WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) UNION ALL \
         SELECT 'tablespace', name FROM unnest($2::text[]) AS wanted (name) \
         WHERE NOT EXISTS (SELECT FROM pg_tablespace WHERE spcname = name) ORDER BY 1, 2",
    )
    .bind(&meta.roles)
    .bind(&meta.tablespaces)
    .fetch_all(&mut *session)
    .await
    .map_err(read)?;
    for (kind, name) in missing {
        // A missing tablespace is a wrong value of the setting `default_tablespace`.
        let (code, rest) = if kind == "tablespace" { ("22023", " LOCATION '…'") } else { ("42704", "") };
        let is_ignored = options.ignored.iter().any(|ignored| ignored.sqlstate == code && ignored.object == name);
        if !is_ignored {
            obstacles.add(
                format!("the server has no {kind} `{name}`, which the backup needs"),
                format!(
                    "`CREATE {} {}{rest}`, or ignore the errors about it: `--ignore-error {code}:{name}`",
                    kind.to_uppercase(),
                    identifier(&name)
                ),
            );
        }
    }
    let old = old(subject, session, name).await?;
    if let Some((found, is_empty)) = &old {
        obstacles.add_stage(found.stage, *is_empty, options, name);
        let of_server = "SELECT pg_has_role(current_user, datdba, 'MEMBER') FROM pg_database WHERE datname = $1";
        let owns: bool = sqlx::query_scalar(of_server).bind(name).fetch_one(&mut *session).await.map_err(read)?;
        if !owns {
            obstacles.add(
                format!("the role `{role}` may not rename `{name}`, which belongs to `{}`", found.owner),
                "name a role that may: `--admin-url postgres://postgres@host/postgres`",
            );
        }
        if let Some(space) = &found.tablespace {
            let may = "SELECT has_tablespace_privilege(current_user, $1, 'CREATE')";
            let may: bool = sqlx::query_scalar(may).bind(space).fetch_one(&mut *session).await.map_err(read)?;
            if !may {
                obstacles.add(
                    format!("the role `{role}` may not create a database in the tablespace `{space}` of `{name}`"),
                    format!(
                        "let a superuser allow it: `GRANT CREATE ON TABLESPACE {} TO {}`",
                        identifier(space),
                        identifier(&role)
                    ),
                );
            }
        }
        let sessions = sessions(session, name).await?;
        if !sessions.is_empty() && !options.disconnect {
            obstacles.add(
                format!("other sessions use `{name}`: {}", sessions.join(", ")),
                "end the programs that use it, or let `restore` end their sessions: `--disconnect`",
            );
        }
        let prepared: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_prepared_xacts WHERE database = $1")
            .bind(name)
            .fetch_one(&mut *session)
            .await
            .map_err(read)?;
        if prepared > 0 {
            obstacles.add(
                format!("`{name}` cannot be renamed while it has prepared transactions ({prepared})"),
                "commit them or roll them back; `SELECT gid FROM pg_prepared_xacts` lists them",
            );
        }
    }
    if let Some((free, place)) = free_on_server(subject.url, session).await
        && free < meta.database_bytes
    {
        let needed = readable_size(meta.database_bytes);
        obstacles.add(
            format!("{} are free in `{place}`, but the database needs {needed}", readable_size(free)),
            "free some disk space there; the old database is kept until `restore --drop-old`",
        );
    }
    let least = meta.made_by.rsplit(' ').next().and_then(major).unwrap_or(of_server).max(of_server);
    let client = match Client::find("pg_restore", least).await {
        Ok(client) => Some(client),
        Err(error) => {
            obstacles.add(error.summary(), error.advice().join("; "));
            None
        }
    };
    obstacles.check(name)?;
    Ok((client.expect("without it, there is an obstacle"), old.map(|(old, _)| old)))
}

/// The number, the owner, the comment, the encoding, the row of the catalogue, and the tablespace.
type FoundOld = (i64, String, Option<String>, String, String, Option<String>);

/// The database to be replaced, and whether it is empty. A wrong or protected stage is an error.
async fn old(subject: &Subject<'_>, session: &mut PgConnection, name: &str) -> Result<Option<(Old, bool)>, Error> {
    let read = |error: sqlx::Error| Error::of_driver("the server cannot be read", &error);
    let found: Option<FoundOld> = sqlx::query_as(
        "SELECT d.oid::int8, pg_get_userbyid(d.datdba)::text, shobj_description(d.oid, 'pg_database'), \
         pg_encoding_to_char(d.encoding)::text, to_jsonb(d)::text, \
         (SELECT t.spcname::text FROM pg_tablespace t WHERE t.oid = d.dattablespace AND t.oid <> \
         (SELECT dattablespace FROM pg_database WHERE datname = 'template0')) \
         FROM pg_database d WHERE d.datname = $1",
    )
    .bind(name)
    .fetch_optional(session)
    .await
    .map_err(read)?;
    let Some((oid, owner, comment, encoding, row, tablespace)) = found else { return Ok(None) };
    let mut database = Database::connect(subject.url).await?;
    let stage = lockgate::__private::may_replace(subject.migrator, &mut database).await?;
    let objects: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind <> 'i'",
    )
    .fetch_one(connection(&mut database)?)
    .await
    .map_err(read)?;
    database.close().await?;
    Ok(Some((Old { oid, owner, comment, locale: locale(encoding, &row), tablespace, stage }, objects == 0)))
}

/// The other sessions in a database, for a message.
async fn sessions(session: &mut PgConnection, name: &str) -> Result<Vec<String>, Error> {
    let sql = "SELECT format('%s (%s%s)', pid, usename, \
         CASE WHEN application_name = '' THEN '' ELSE ', ' || application_name END) \
         FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid() AND backend_type = 'client backend' \
         ORDER BY pid";
    // A session that has just ended, such as our own, is still listed for a moment.
    for _ in 0..TRIES {
        let found: Vec<String> = sqlx::query_scalar(sql)
            .bind(name)
            .fetch_all(&mut *session)
            .await
            .map_err(|error| Error::of_driver("the sessions cannot be listed", &error))?;
        if found.is_empty() {
            return Ok(found);
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    sqlx::query_scalar(sql)
        .bind(name)
        .fetch_all(session)
        .await
        .map_err(|error| Error::of_driver("the sessions cannot be listed", &error))
}

/// The free space on the server's disk, if the server is on this machine and reports its data directory.
async fn free_on_server(url: &str, session: &mut PgConnection) -> Option<(u64, String)> {
    let host = Console::of(url).ok()?.host()?.to_owned();
    if !(host.starts_with('/') || matches!(&*host, "localhost" | "127.0.0.1" | "::1")) {
        return None;
    }
    let place: String = sqlx::query_scalar("SHOW data_directory").fetch_one(session).await.ok()?;
    Some((free_bytes(std::path::Path::new(&place))?, place))
}

/// Drops a database that a restore has made, if it exists, and ends sessions that an earlier restore has left in it.
async fn drop_database(session: &mut PgConnection, name: &str) -> Result<(), Error> {
    let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()";
    let mut failed = None;
    for _ in 0..TRIES {
        let _ = sqlx::query(ended).bind(name).execute(&mut *session).await;
        let what = format!("the database `{name}` cannot be dropped");
        match run(session, &what, format!("DROP DATABASE IF EXISTS {}", identifier(name))).await {
            Ok(()) => return Ok(()),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.expect("every attempt has failed"))
}

/// The owner of a database that did not exist before: the role of the database URL, if it exists and may be given the
/// database. `None` for a superuser, who may be another than the owner of the restored tables.
async fn owner_of_new(subject: &Subject<'_>, session: &mut PgConnection) -> Result<Option<String>, Error> {
    let console = Console::of(subject.url)?;
    let command = console.command();
    let role = command.get_envs().find(|(name, _)| *name == "PGUSER").and_then(|(_, role)| role?.to_str());
    let Some(role) = role else { return Ok(None) };
    // Since PostgreSQL 16, being a member of a role is not enough.
    let sql = "SELECT r.rolname::text FROM pg_roles r WHERE r.rolname = $1 AND NOT r.rolsuper \
         AND pg_has_role(current_user, r.oid, 'USAGE') AND pg_has_role(current_user, r.oid, \
         CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)";
    let found = sqlx::query_scalar(sql).bind(role).fetch_optional(session).await;
    found.map_err(|error| Error::of_driver("the roles cannot be read", &error))
}

async fn give(session: &mut PgConnection, name: &str, owner: &str) -> Result<(), Error> {
    let sql = format!("ALTER DATABASE {} OWNER TO {}", identifier(name), identifier(owner));
    run(session, &format!("the database `{name}` cannot be given to `{owner}`"), sql).await
}

/// Gives a restored database to the owner of its history, and returns this role. A superuser trusts a history only if
/// it belongs to the owner of the database. `None` if the history is trusted anyway, or if there is none.
pub(crate) async fn give_to_owner_of_history(
    subject: &Subject<'_>,
    url: &str,
    administrator: &mut PgConnection,
    name: &str,
) -> Result<Option<String>, Error> {
    let mut database = Database::connect(url).await?;
    let sql = "SELECT o.rolname::text FROM pg_class c JOIN pg_roles o ON o.oid = c.relowner \
         WHERE c.relkind = 'r' AND c.relname = ANY ($1) AND NOT o.rolsuper \
         AND (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) \
         ORDER BY array_position($1, c.relname::text) DESC LIMIT 1";
    let tables = lockgate::__private::history_tables(subject.migrator);
    let tables: Vec<&str> = tables.iter().map(|table| table.rsplit('.').next().unwrap_or(table)).collect();
    let owner: Option<String> = sqlx::query_scalar(sql)
        .bind(&tables)
        .fetch_optional(connection(&mut database)?)
        .await
        .map_err(|error| Error::of_driver("the owner of the history cannot be read", &error))?;
    database.close().await?;
    if let Some(owner) = &owner {
        give(administrator, name, owner).await?;
    }
    Ok(owner)
}

/// Creates a database with this encoding and collation.
pub(crate) async fn create(
    session: &mut PgConnection,
    name: &str,
    owner: Option<&str>,
    locale: Option<&Locale>,
    tablespace: Option<&str>,
) -> Result<(), Error> {
    let mut sql = format!("CREATE DATABASE {} TEMPLATE template0", identifier(name));
    if let Some(owner) = owner {
        sql += &format!(" OWNER {}", identifier(owner));
    }
    if let Some(place) = tablespace {
        sql += &format!(" TABLESPACE {}", identifier(place));
    }
    if let Some(locale) = locale {
        sql += &format!(
            " ENCODING {} LC_COLLATE {} LC_CTYPE {}",
            literal(&locale.encoding),
            literal(&locale.collate),
            literal(&locale.ctype)
        );
        match (&*locale.provider, &locale.name) {
            ("i", Some(name)) => sql += &format!(" LOCALE_PROVIDER icu ICU_LOCALE {}", literal(name)),
            ("b", Some(name)) => sql += &format!(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {}", literal(name)),
            _ => {}
        }
    }
    run(session, &format!("the database `{name}` cannot be created"), sql).await
}

/// What became of a dump that was given to `pg_restore`.
struct Fed {
    /// Whether the dump could be read, and matches its meta file.
    read: Result<(), Error>,
    status: ExitStatus,
    said: String,
    /// Whether `pg_restore` stopped reading before the end of the dump.
    ended_early: bool,
}

/// Gives the whole dump to `pg_restore`, which is killed if the dump cannot be read.
async fn feed(
    subject: &Subject<'_>,
    meta: &Meta,
    client: &Client,
    command: &mut Command,
    phase: Phase,
) -> Result<Fed, Error> {
    let mut child = client.start(command.stdin(Stdio::piped()))?;
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let mut stdin = stdin.expect("it is a pipe");
    let mut ended_early = false;
    let feeding = async {
        let progress = Progress::begin(phase, &meta.key, Some(meta.size), subject.on_event);
        let take = async |piece: &[u8]| {
            // The rest is read for the checksum. After an error, the message of `pg_restore` is what counts.
            ended_early = ended_early || stdin.write_all(piece).await.is_err();
            Ok(())
        };
        let read = crate::fetch::read(subject.store, meta, progress, take).await;
        if read.is_err() {
            let _ = child.start_kill();
        }
        drop(stdin);
        read
    };
    let (read, said) = tokio::join!(feeding, client::said(stderr.expect("it is a pipe")));
    let status = child.wait().await;
    let status = status.map_err(|error| Error::failed(format!("`pg_restore` cannot be waited for: {error}")))?;
    Ok(Fed { read, status, said, ended_early })
}

/// Reads the whole dump, which must match its meta file, and lets `pg_restore` list what is in it.
async fn read_dump(subject: &Subject<'_>, meta: &Meta, client: &Client) -> Result<(), Error> {
    let mut command = client.command(subject.url)?;
    command.arg("--list");
    let Fed { read, status, said, .. } = feed(subject, meta, client, &mut command, Phase::ReadBack).await?;
    // What is damaged may also be unreadable, and the checksum says why.
    read?;
    match status.success() {
        true => Ok(()),
        false => Err(client
            .failed(status, &said, subject.url)
            .state(format!("it cannot read the dump `{}`", meta.key))
            .help("use another backup: `backup list` lists them, and `backup verify` checks one")),
    }
}

/// Restores the dump into an empty database, and returns the errors that were ignored.
pub(crate) async fn fill(
    subject: &Subject<'_>,
    meta: &Meta,
    client: &Client,
    (url, name): (&str, &str),
    ignored: &[Ignored],
) -> Result<Vec<String>, Error> {
    let mut command = client.command(url)?;
    // The name could be mistaken for a connection string, so it is passed as a parameter of one.
    let quoted = name.replace('\\', "\\\\").replace('\'', "\\'");
    command.arg(format!("--dbname=dbname='{quoted}'"));
    if ignored.is_empty() {
        command.arg("--exit-on-error");
    }
    let Fed { read, status, said, ended_early } = feed(subject, meta, client, &mut command, Phase::Restore).await?;
    read?;
    if status.success() {
        return Ok(Vec::new());
    }
    let failure = client.failed(status, &said, url);
    let understood = said::failures(&said).filter(|failures| !failures.is_empty() && status.code() == Some(1));
    let Some(failures) = understood else { return Err(failure) };
    // Without a list of ignored errors, it stops at the first error. With a list, it reports their number at the end.
    let counted = format!("errors ignored on restore: {}", failures.len());
    if !ignored.is_empty() && (ended_early || !said.contains(&counted)) {
        return Err(failure);
    }
    let mut database = Database::connect(&beside(url, name)).await?;
    let mut notes = Vec::new();
    for failure in failures {
        notes.push(is_ignored(connection(&mut database)?, &failure, ignored).await?);
    }
    database.close().await?;
    Ok(notes)
}

/// Checks whether a failure is on the list. `pg_restore` does not report the SQLSTATE, so the command is run once more.
async fn is_ignored(session: &mut PgConnection, failure: &Failure, ignored: &[Ignored]) -> Result<String, Error> {
    let about = failure.to_string();
    let not_on_the_list = |code: Option<&str>| {
        let error = Error::failed(format!("the backup cannot be restored: {about}"));
        match code {
            Some(code) => {
                let object = failure.tablespace().unwrap_or("OBJECT");
                error.help(format!(
                    "correct the cause; if it does not matter, ignore it for the object: `--ignore-error {code}:{object}`"
                ))
            }
            None => error,
        }
    };
    let Some(command) = &failure.command else { return Err(not_on_the_list(None)) };
    let tried = async {
        // The settings of `pg_restore`.
        let settings = "BEGIN; SET LOCAL search_path TO ''; SET LOCAL check_function_bodies = off; \
                        SET LOCAL row_security = off; SET LOCAL xmloption = content";
        sqlx::raw_sql(settings).execute(&mut *session).await?;
        let tried = sqlx::raw_sql(AssertSqlSafe(command.clone())).execute(&mut *session).await;
        sqlx::raw_sql("ROLLBACK").execute(&mut *session).await?;
        Ok::<_, sqlx::Error>(tried.err())
    }
    .await;
    let again = tried.map_err(|error| Error::of_driver("the failure cannot be examined", &error))?;
    let code = again.as_ref().and_then(|error| error.as_database_error()?.code()).map(|code| code.into_owned());
    let Some(code) = code else { return Err(not_on_the_list(None)) };
    let is_word = |object: &str| {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        command
            .match_indices(object)
            .any(|(at, _)| !command[..at].ends_with(is_part) && !command[at + object.len()..].starts_with(is_part))
    };
    match ignored.iter().find(|ignored| ignored.sqlstate == code && is_word(&ignored.object)) {
        Some(rule) => Ok(format!("ignored, as {rule} says: {about}")),
        None => Err(not_on_the_list(Some(&code))),
    }
}

/// Compares a restored database with the meta file of the backup.
pub(crate) async fn check(
    subject: &Subject<'_>,
    meta: &Meta,
    url: &str,
    administrator: &mut PgConnection,
    has_ignored: bool,
) -> Result<(), Error> {
    let progress = Progress::begin(Phase::Check, &meta.key, None, subject.on_event);
    let mut database = Database::connect(url).await?;
    // The new database is not marked yet.
    let migrator = lockgate::__private::of_any_stage(subject.migrator);
    let tables = crate::postgres::tables(connection(&mut database)?).await?;
    // Advice about the history is for a database that is in use, and not for a copy that was just made.
    let unread =
        |error: Error| Error::new(error.kind(), format!("the restored copy cannot be read: {}", error.summary()));
    let status = migrator.status(&mut database).await.map_err(|error| unread(error.into()))?;
    let head = status.current().map(|entry| entry.id.clone());
    let version: String = sqlx::query_scalar("SHOW server_version")
        .fetch_one(administrator)
        .await
        .map_err(|error| Error::of_driver("the server cannot be read", &error))?;
    // Releases write some definitions differently, and objects whose errors were ignored are missing.
    let schema = match has_ignored || major(&version) != meta.server_major() {
        true => None,
        false => crate::schema::digest(&migrator, &mut database).await.map_err(unread)?,
    };
    database.close().await?;
    compare(meta, head.as_deref(), &tables, schema.as_deref())?;
    progress.end();
    Ok(())
}

/// Copies the settings of the old database itself, which are not part of its content, to the new one.
async fn take_over(session: &mut PgConnection, old: &Old, new: &str) -> Result<(), Error> {
    let read = |error: sqlx::Error| Error::of_driver("the settings of the database cannot be read", &error);
    let what = "the settings of the database cannot be copied";
    let target = identifier(new);
    if let Some(comment) = &old.comment {
        run(session, what, format!("COMMENT ON DATABASE {target} IS {}", literal(comment))).await?;
    }
    let limit: i32 = sqlx::query_scalar("SELECT datconnlimit FROM pg_database WHERE oid = $1::int8::oid")
        .bind(old.oid)
        .fetch_one(&mut *session)
        .await
        .map_err(read)?;
    if limit != -1 {
        run(session, what, format!("ALTER DATABASE {target} CONNECTION LIMIT {limit}")).await?;
    }
    // `pg_db_role_setting` has the form `name=value`; lists keep their quotes, as in `pg_dump`.
    let settings: Vec<(Option<String>, String, String)> = sqlx::query_as(
        "SELECT r.rolname::text, split_part(c, '=', 1), substr(c, strpos(c, '=') + 1) \
         FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS c LEFT JOIN pg_roles r ON r.oid = s.setrole \
         WHERE s.setdatabase = $1::int8::oid",
    )
    .bind(old.oid)
    .fetch_all(&mut *session)
    .await
    .map_err(read)?;
    const LISTS: [&str; 5] = [
        "local_preload_libraries",
        "search_path",
        "session_preload_libraries",
        "temp_tablespaces",
        "unix_socket_directories",
    ];
    for (role, setting, value) in settings {
        let of = match role {
            Some(role) => format!("ALTER ROLE {} IN DATABASE {target}", identifier(&role)),
            None => format!("ALTER DATABASE {target}"),
        };
        let value = match LISTS.contains(&&*setting.to_ascii_lowercase()) {
            true if value.is_empty() => "''".to_owned(),
            // Each name is already quoted if necessary.
            true => value,
            false => literal(&value),
        };
        run(session, what, format!("{of} SET {} TO {value}", identifier(&setting))).await?;
    }
    let grants: Vec<(Option<String>, String, bool)> = sqlx::query_as(
        "SELECT r.rolname::text, a.privilege_type, a.is_grantable FROM pg_database d \
         CROSS JOIN aclexplode(d.datacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee \
         WHERE d.oid = $1::int8::oid AND (a.grantee = 0 OR r.rolname IS NOT NULL)",
    )
    .bind(old.oid)
    .fetch_all(&mut *session)
    .await
    .map_err(read)?;
    let has_own: bool = sqlx::query_scalar("SELECT datacl IS NOT NULL FROM pg_database WHERE oid = $1::int8::oid")
        .bind(old.oid)
        .fetch_one(&mut *session)
        .await
        .map_err(read)?;
    if has_own {
        run(session, what, format!("REVOKE ALL ON DATABASE {target} FROM PUBLIC")).await?;
        for (grantee, privilege, is_grantable) in grants {
            let to = grantee.as_deref().map_or_else(|| "PUBLIC".to_owned(), identifier);
            let more = if is_grantable { " WITH GRANT OPTION" } else { "" };
            run(session, what, format!("GRANT {privilege} ON DATABASE {target} TO {to}{more}")).await?;
        }
    }
    Ok(())
}

/// Renames both databases in one transaction.
async fn swap(
    session: &mut PgConnection,
    name: &str,
    new: &str,
    has_old: bool,
    disconnect: bool,
) -> Result<Option<String>, Error> {
    let what = "the databases cannot be swapped";
    let rename = |from: &str, to: &str| format!("ALTER DATABASE {} RENAME TO {}; ", identifier(from), identifier(to));
    if !has_old {
        run(session, what, rename(new, name)).await?;
        return Ok(None);
    }
    let kept = free_name(session, name).await?;
    let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()";
    let mut failed = None;
    for _ in 0..if disconnect { TRIES } else { 1 } {
        if disconnect {
            let done = sqlx::query(ended).bind(name).execute(&mut *session).await;
            done.map_err(|error| Error::of_driver("other sessions cannot be ended", &error))?;
        }
        // Several statements in one message are one transaction.
        let sql = format!("{}{}", rename(name, &kept), rename(new, name));
        match sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *session).await {
            Ok(_) => return Ok(Some(kept)),
            Err(error) if error.as_database_error().and_then(|error| error.code()).as_deref() == Some(IN_USE) => {
                failed = Some(error);
            }
            Err(error) => return Err(Error::of_driver(what, &error)),
        }
    }
    let error = Error::of_driver(what, &failed.expect("every attempt has failed"));
    Err(error.help("end the programs that use the database, or let `restore` end their sessions: `--disconnect`"))
}

/// A name for the old database that no other has: its time is the next second for which there is none.
async fn free_name(session: &mut PgConnection, name: &str) -> Result<String, Error> {
    let now = now();
    let taken: Vec<String> = sqlx::query_scalar("SELECT datname::text FROM pg_database")
        .fetch_all(session)
        .await
        .map_err(|error| Error::of_driver("the databases cannot be listed", &error))?;
    let mut names = (now..).map(|time| made_name(name, &format!("{BEFORE}{time}")));
    Ok(names.find(|name| !taken.contains(name)).expect("some second has no database"))
}

pub(super) async fn drop_old(subject: &Subject<'_>, options: &Options) -> Result<Vec<String>, Error> {
    let name = subject.name()?;
    let (mut administrator, url) = administer(subject, options, &name).await?;
    let session = connection(&mut administrator)?;
    lock(session, &name).await?;
    let unfinished = made_name(&name, RESTORING);
    let all: Vec<String> = sqlx::query_scalar("SELECT datname::text FROM pg_database ORDER BY 1")
        .fetch_all(&mut *session)
        .await
        .map_err(|error| Error::of_driver("the databases cannot be listed", &error))?;
    let is_kept = |found: &String| {
        let of_time = found.rsplit_once(BEFORE).and_then(|(_, rest)| rest.split_once('_'));
        let time = of_time.map_or("", |(time, _)| time);
        let is_time = !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit());
        is_time && *found == made_name(&name, &format!("{BEFORE}{time}"))
    };
    let has_unfinished = all.contains(&unfinished);
    let mut kept: Vec<String> = all.into_iter().filter(is_kept).collect();
    for name in &kept {
        let mut obstacles = Obstacles::default();
        let mut database = Database::connect(&beside(&url, name)).await?;
        let stage = lockgate::__private::may_replace(subject.migrator, &mut database).await?;
        database.close().await?;
        obstacles.add_stage(stage, false, options, name);
        let sessions = sessions(session, name).await?;
        if !sessions.is_empty() {
            let what = format!("other sessions use it: {}", sessions.join(", "));
            obstacles.add(what, "end the programs that use it");
        }
        obstacles.check(name)?;
    }
    for name in &kept {
        let what = format!("the old database `{name}` cannot be dropped");
        run(session, &what, format!("DROP DATABASE {}", identifier(name))).await?;
    }
    if has_unfinished {
        drop_database(session, &unfinished).await?;
        kept.push(unfinished);
    }
    let _ = administrator.close().await;
    Ok(kept)
}
