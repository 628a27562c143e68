//! What the roles of several databases may do with one history, and the grants that they lack; which databases and roles
//! a server has.

use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::cause::cause;
use super::sql::{EQ, NE, TEXT, literal};
use crate::error::{Cause, Class};
use crate::history_table::{TableName, identifier};

/// A history table that exists, and what the role of this session may do with it and with its log.
#[derive(Clone, Debug)]
pub(crate) struct HistoryAccess {
    pub(crate) owner: String,
    schema: String,
    /// Whether the role may read and write both.
    pub(crate) writes: bool,
}

/// A condition: `c` in the schema `n` is the history table.
fn of_table(table: &TableName) -> String {
    let place =
        table.schema.as_ref().map_or_else(String::new, |schema| format!(" AND n.nspname {EQ} {}", literal(schema)));
    format!("c.relname {EQ} {} AND c.relkind {EQ} 'r' AND c.relpersistence {NE} 't'{place}", literal(&table.name))
}

/// A condition: the role of this expression may do all that a run does with the table `c` and its log.
fn may_write(role: &str, log: &str) -> String {
    let may = |on: &str, rights: &[&str]| {
        let each = rights.iter().map(|right| format!("pg_catalog.has_table_privilege({role}, {on}, '{right}')"));
        each.collect::<Vec<_>>().join(" AND ")
    };
    format!(
        "pg_catalog.has_schema_privilege({role}, n.oid, 'USAGE') AND {} AND COALESCE((SELECT {} FROM \
         pg_catalog.pg_class l WHERE l.relnamespace {EQ} n.oid AND l.relname {EQ} {}), true)",
        may("c.oid", &["SELECT", "INSERT", "UPDATE", "DELETE"]),
        may("l.oid", &["SELECT", "INSERT"]),
        literal(log),
    )
}

async fn rows(connection: &mut PgConnection, sql: String) -> Result<Vec<sqlx::postgres::PgRow>, Cause> {
    sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection).await.map_err(|error| cause(&error))
}

fn unanswered() -> Cause {
    Cause::new(Class::Lost, "the server did not answer")
}

/// Looks for the history table of a database.
pub(crate) async fn of_history(
    connection: &mut PgConnection,
    table: &TableName,
) -> Result<Option<HistoryAccess>, Cause> {
    let sql = format!(
        "SELECT pg_catalog.pg_get_userbyid(c.relowner)::{TEXT} AS owner, n.nspname::{TEXT} AS schema, ({}) AS writes \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace WHERE {}",
        may_write("current_user", &table.log().name),
        of_table(table)
    );
    let rows = rows(connection, sql).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let text = |name| row.try_get::<String, _>(name).map_err(|error| cause(&error));
    let writes = row.try_get("writes").map_err(|error| cause(&error))?;
    Ok(Some(HistoryAccess { owner: text("owner")?, schema: text("schema")?, writes }))
}

/// The schema in which the role of this session would create the history table, if it may not do so.
pub(crate) async fn closed_schema(connection: &mut PgConnection, table: &TableName) -> Result<Option<String>, Cause> {
    let schema = match &table.schema {
        Some(schema) => literal(schema),
        None => format!("pg_catalog.current_schema()::{TEXT}"),
    };
    let sql = format!(
        "SELECT n.nspname::{TEXT} AS schema FROM pg_catalog.pg_namespace n WHERE n.nspname::{TEXT} {EQ} {schema} \
         AND NOT pg_catalog.has_schema_privilege(n.oid, 'CREATE')"
    );
    let rows = rows(connection, sql).await?;
    Ok(rows.first().and_then(|row| row.try_get("schema").ok()))
}

impl HistoryAccess {
    /// The grants that let a role write.
    pub(crate) fn grants(&self, table: &TableName, role: &str) -> Vec<String> {
        let (history, role) = (table.within(&self.schema), identifier(role));
        vec![
            format!("GRANT SELECT, INSERT, UPDATE, DELETE ON {history} TO {role}"),
            format!("GRANT SELECT, INSERT ON {} TO {role}", history.log()),
        ]
    }

    /// Lets these roles write, and this one read, as far as they exist and cannot yet. The role of this session owns the
    /// table.
    pub(crate) async fn open_to(
        &self,
        connection: &mut PgConnection,
        table: &TableName,
        writers: &[&str],
        reader: Option<&str>,
    ) -> Result<(), Cause> {
        let names = writers.iter().copied().chain(reader).map(literal).collect::<Vec<_>>().join(", ");
        let log = table.log().name;
        let sql = format!(
            "SELECT r.rolname::{TEXT} AS role, ({}) AS writes, (pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE') \
             AND pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT')) AS reads, \
             pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE') AS enters \
             FROM pg_catalog.pg_roles r, pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid {EQ} \
             c.relnamespace WHERE r.rolname {EQ} ANY (ARRAY[{names}]::pg_catalog.name[]) AND {}",
            may_write("r.oid", &log),
            of_table(table)
        );
        let mut statements = Vec::new();
        for row in rows(connection, sql).await? {
            let role: String = row.try_get("role").map_err(|error| cause(&error))?;
            let is = |name| row.try_get::<bool, _>(name).map_err(|error| cause(&error));
            let is_writer = writers.contains(&role.as_str());
            if is(if is_writer { "writes" } else { "reads" })? {
                continue;
            }
            if !is("enters")? {
                statements.push(format!("GRANT USAGE ON SCHEMA {} TO {}", identifier(&self.schema), identifier(&role)));
            }
            if is_writer {
                statements.extend(self.grants(table, &role));
            } else {
                let history = table.within(&self.schema);
                let log = history.log();
                statements.push(format!("GRANT SELECT ON {history}, {log} TO {}", identifier(&role)));
            }
        }
        if statements.is_empty() {
            return Ok(());
        }
        rows(connection, statements.join("; ")).await.map(drop)
    }
}

/// What a server has of a database and of some roles.
#[derive(Clone, Debug)]
pub(crate) struct Existing {
    pub(crate) database: bool,
    pub(crate) roles: Vec<String>,
}

/// Asks the server, connected to any of its databases.
pub(crate) async fn existing(connection: &mut PgConnection, database: &str, roles: &[&str]) -> Result<Existing, Cause> {
    let names = roles.iter().map(|role| literal(role)).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_database d WHERE d.datname {EQ} {}) AS database, \
         ARRAY(SELECT r.rolname::{TEXT} FROM pg_catalog.pg_roles r WHERE r.rolname {EQ} ANY \
         (ARRAY[{names}]::pg_catalog.name[])) AS roles",
        literal(database)
    );
    let rows = rows(connection, sql).await?;
    let row = rows.first().ok_or_else(unanswered)?;
    let database = row.try_get("database").map_err(|error| cause(&error))?;
    Ok(Existing { database, roles: text_array(row, "roles")? })
}

/// A role that this session cannot become.
#[derive(Clone, Debug)]
pub(crate) enum Unbecoming {
    /// It does not exist.
    Missing(String),
    /// The role of this session is not a member of it.
    NotMember {
        /// The role.
        role: String,
        /// The role of this session.
        login: String,
    },
}

/// The first of these roles that this session cannot become by SET ROLE.
pub(crate) async fn unbecoming(connection: &mut PgConnection, roles: &[&str]) -> Result<Option<Unbecoming>, Cause> {
    let names = roles.iter().map(|role| literal(role)).collect::<Vec<_>>().join(", ");
    // Since PostgreSQL 16, a membership may exclude SET ROLE.
    let sql = format!(
        "SELECT n.name::{TEXT} AS name, r.oid IS NOT NULL AS known, session_user::{TEXT} AS login \
         FROM pg_catalog.unnest(ARRAY[{names}]::{TEXT}[]) n (name) LEFT JOIN pg_catalog.pg_roles r \
         ON r.rolname::{TEXT} {EQ} n.name WHERE r.oid IS NULL OR NOT pg_catalog.pg_has_role(session_user, r.oid, \
         CASE WHEN pg_catalog.current_setting('server_version_num')::integer OPERATOR(pg_catalog.>=) 160000 THEN 'SET' \
         ELSE 'MEMBER' END) LIMIT 1"
    );
    let rows = rows(connection, sql).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let text = |name| row.try_get::<String, _>(name).map_err(|error| cause(&error));
    let (role, login) = (text("name")?, text("login")?);
    Ok(Some(match row.try_get("known").map_err(|error| cause(&error))? {
        true => Unbecoming::NotMember { role, login },
        false => Unbecoming::Missing(role),
    }))
}

fn text_array(row: &sqlx::postgres::PgRow, name: &str) -> Result<Vec<String>, Cause> {
    row.try_get::<Vec<String>, _>(name).map_err(|error| cause(&error))
}
