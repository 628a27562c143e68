//! Reads and writes the tables of a mirror, and asks a server which database it is.

use lockgate_core::mirror::{Found, Identity, Memory, Remembered};
use lockgate_core::{Row as HistoryRow, Version};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use super::cause::cause;
use super::sql::{EQ, TEXT};
use crate::error::{Cause, Class};

/// The name of a database, and which one it is. A server that does not tell its identifier, or not everybody, is known by
/// the number of the database alone.
pub(super) fn identity() -> String {
    let function = "pg_catalog.to_regprocedure('pg_catalog.pg_control_system()')";
    format!(
        "SELECT d.datname::{TEXT} AS name, d.oid::{TEXT} AS number, \
         CASE WHEN pg_catalog.has_function_privilege({function}::pg_catalog.oid, 'EXECUTE') THEN \
         pg_catalog.substring(pg_catalog.query_to_xml('SELECT system_identifier FROM pg_catalog.pg_control_system()', \
         false, false, '')::{TEXT}, '[0-9]{{9,}}') END AS system \
         FROM pg_catalog.pg_database d WHERE d.datname {EQ} pg_catalog.current_database()"
    )
}

/// The answer to [`identity`]: the name, and which one it is.
pub(super) fn identified(rows: &[sqlx::postgres::PgRow]) -> Result<(String, Identity), Cause> {
    let row = rows.first().ok_or_else(|| Cause::new(Class::Lost, "the server did not answer"))?;
    let read = || {
        let identity = Identity { system: row.try_get("system")?, number: row.try_get("number")? };
        Ok((row.try_get("name")?, identity))
    };
    read().map_err(|error: sqlx::Error| cause(&error))
}

/// Makes a database of this quoted name, if another run has not made it first.
pub(crate) async fn create(connection: &mut PgConnection, quoted: &str) -> Result<(), Cause> {
    let made = sqlx::raw_sql(AssertSqlSafe(format!("CREATE DATABASE {quoted}"))).execute(connection).await;
    match made.map_err(|error| cause(&error)) {
        Err(cause) if matches!(cause.code.as_deref(), Some("SQLSTATE 42P04" | "SQLSTATE 23505")) => Ok(()),
        made => made.map(drop),
    }
}

/// What the mirror has of each database, by its name.
pub(crate) async fn memories(connection: &mut PgConnection) -> Result<Vec<(String, Memory)>, Cause> {
    // One message, so that both are read in one transaction.
    let sql = "SELECT d.name, d.identity, h.set_name, h.version, h.migration, h.checksum, h.applied_at, h.leaving \
               FROM lockgate_mirror.database d LEFT JOIN lockgate_mirror.history h ON h.database = d.name \
               ORDER BY d.name, h.set_name, h.version";
    let rows = sqlx::raw_sql(sql).fetch_all(connection).await.map_err(|error| cause(&error))?;
    let mut memories: Vec<(String, Memory)> = Vec::new();
    for row in rows {
        let read = || -> Result<(String, String, Option<Remembered>), sqlx::Error> {
            let version: Option<i64> = row.try_get("version")?;
            let remembered = match version.and_then(Version::new) {
                None => None,
                Some(version) => Some(Remembered {
                    set: row.try_get("set_name")?,
                    version,
                    id: row.try_get("migration")?,
                    checksum: row.try_get("checksum")?,
                    applied_at: row.try_get("applied_at")?,
                    leaving: row.try_get("leaving")?,
                }),
            };
            Ok((row.try_get("name")?, row.try_get("identity")?, remembered))
        };
        let (name, identity, remembered) = read().map_err(|error| cause(&error))?;
        if memories.last().is_none_or(|(last, _)| *last != name) {
            memories.push((name, Memory { identity: Identity::parse(&identity), rows: Vec::new() }));
        }
        if let Some((_, memory)) = memories.last_mut() {
            memory.rows.extend(remembered);
        }
    }
    Ok(memories)
}

/// Marks these migrations of a set: a run is about to revert them, or to correct their rows.
pub(crate) async fn mark_leaving(
    connection: &mut PgConnection,
    database: &str,
    set: &str,
    versions: &[i64],
) -> Result<(), Cause> {
    let sql = "UPDATE lockgate_mirror.history SET leaving = true WHERE database = $1 AND set_name = $2 AND version = ANY ($3)";
    let marked = sqlx::query(sql).bind(database).bind(set).bind(versions).execute(connection).await;
    marked.map(drop).map_err(|error| cause(&error))
}

/// How the mirror takes what a database has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken<'a> {
    /// What the mirror does not know is added, and what was marked as leaving and is gone is removed.
    Added,
    /// The same, after a run: what is still there does not leave any more.
    Settled,
    /// All of it, whatever the mirror had, for this reason.
    Accepted(&'a str),
}

/// Writes what a database has in these sets to the mirror, in one transaction. `found` is `None` if it does not exist.
pub(crate) async fn take(
    connection: &mut PgConnection,
    database: &str,
    sets: &[String],
    found: Option<&Found>,
    taken: Taken<'_>,
) -> Result<(), Cause> {
    let applied: Vec<(&str, &HistoryRow)> = found.into_iter().flat_map(Found::applied).collect();
    let of = |value: fn(&(&str, &HistoryRow)) -> String| applied.iter().map(value).collect::<Vec<String>>();
    let versions: Vec<i64> = applied.iter().map(|(_, row)| row.version.get()).collect();
    let write = async {
        let mut transaction = connection.begin().await?;
        if let Some(found) = found {
            sqlx::query(
                "INSERT INTO lockgate_mirror.database (name, identity, seen_at) VALUES ($1, $2, clock_timestamp()) \
                 ON CONFLICT (name) DO UPDATE SET identity = excluded.identity, seen_at = excluded.seen_at",
            )
            .bind(database)
            .bind(found.identity.to_string())
            .execute(&mut *transaction)
            .await?;
        }
        if let Taken::Accepted(reason) = taken {
            sqlx::query("INSERT INTO lockgate_mirror.log (database, event, detail) VALUES ($1, 'accepted', $2)")
                .bind(database)
                .bind(reason)
                .execute(&mut *transaction)
                .await?;
        }
        let gone = match taken {
            Taken::Added | Taken::Settled => "h.leaving AND",
            Taken::Accepted(_) => "",
        };
        // What is there in another state than applied has not gone.
        let present: Vec<(&str, i64)> =
            found.iter().flat_map(|found| &found.rows).map(|(set, row)| (set.as_str(), row.version.get())).collect();
        sqlx::query(AssertSqlSafe(format!(
            "DELETE FROM lockgate_mirror.history h WHERE {gone} h.database = $1 AND h.set_name = ANY ($2) AND NOT EXISTS \
             (SELECT FROM unnest($3::text[], $4::bigint[]) AS p (set_name, version) \
             WHERE p.set_name = h.set_name AND p.version = h.version)"
        )))
        .bind(database)
        .bind(sets)
        .bind(present.iter().map(|(set, _)| (*set).to_owned()).collect::<Vec<String>>())
        .bind(present.iter().map(|(_, version)| *version).collect::<Vec<i64>>())
        .execute(&mut *transaction)
        .await?;
        let settled = match taken {
            Taken::Added => "h.leaving AND h.checksum = excluded.checksum AND h.applied_at = excluded.applied_at",
            Taken::Settled | Taken::Accepted(_) => "false",
        };
        sqlx::query(AssertSqlSafe(format!(
            "INSERT INTO lockgate_mirror.history AS h (database, set_name, version, migration, checksum, applied_at, \
             applied_by) SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], \
             $7::text[]) ON CONFLICT (database, set_name, version) DO UPDATE SET migration = excluded.migration, \
             checksum = excluded.checksum, applied_at = excluded.applied_at, applied_by = excluded.applied_by, \
             leaving = {settled}"
        )))
        .bind(database)
        .bind(of(|(set, _)| (*set).to_owned()))
        .bind(&versions)
        .bind(of(|(_, row)| row.id()))
        .bind(of(|(_, row)| row.checksum.to_string()))
        .bind(of(|(_, row)| row.applied_at.clone()))
        .bind(of(|(_, row)| row.applied_by.clone()))
        .execute(&mut *transaction)
        .await?;
        if found.is_none() {
            sqlx::query("DELETE FROM lockgate_mirror.database WHERE name = $1")
                .bind(database)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await
    };
    write.await.map_err(|error: sqlx::Error| cause(&error))
}
