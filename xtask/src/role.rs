//! Roles that scripts name and none of them makes, as they belong to a server: on a throwaway server they
//! are made when they are missed.

use sqlx::{AssertSqlSafe, PgConnection};

/// The role that a server says it does not have.
pub(crate) fn missing<'a>(code: &str, message: &'a str) -> Option<&'a str> {
    let name = message.strip_prefix("role \"")?.strip_suffix("\" does not exist")?;
    (code == "42704" || code == "22023").then_some(name)
}

/// Makes it, on a server that is thrown away.
pub(crate) async fn make(connection: &mut PgConnection, role: &str) -> Result<(), sqlx::Error> {
    let statement = format!("CREATE ROLE {} SUPERUSER", quoted(role));
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(drop)
}

/// A name as PostgreSQL reads it back.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
