//! Roles that scripts name but do not create. On a throwaway server they are created when a script fails without them.

use sqlx::{AssertSqlSafe, PgConnection};

/// Returns the role that an error of the server reports as missing.
pub(crate) fn named_in<'a>(code: &str, message: &'a str) -> Option<&'a str> {
    let name = message.strip_prefix("role \"")?.strip_suffix("\" does not exist")?;
    (code == "42704" || code == "22023").then_some(name)
}

/// Creates the role, as a superuser: the server is a throwaway one.
pub(crate) async fn create(connection: &mut PgConnection, role: &str) -> Result<(), sqlx::Error> {
    let statement = format!("CREATE ROLE {} SUPERUSER", quoted(role));
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await.map(drop)
}

/// Quotes a name as an SQL identifier.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
