//! Roles that may read but not write.

use lockgate::{Database, ErrorKind, Migrations, Migrator, UpTo};
use lockgate_harness::server::Options;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};

use super::reports;
use crate::support::database::Db;
use crate::support::postgres;
use crate::support::set::migrations;

const A: (&str, &str) = ("0001_a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY);");
const B: (&str, &str) = ("0002_b.sql", "CREATE TABLE b (id INTEGER PRIMARY KEY);");

/// Checks that every read-only verb works and every writing verb fails.
async fn reads(database: &mut Database, applied: &'static Migrations, more: &'static Migrations) -> lockgate::Error {
    let migrator = Migrator::new(applied);
    assert!(migrator.status(&mut *database).await.unwrap().is_up_to_date());
    assert!(migrator.drift(&mut *database).await.unwrap().is_empty());
    assert!(migrator.apply(&mut *database).await.unwrap().is_empty(), "an up-to-date start needs to read alone");
    let migrator = Migrator::new(more);
    assert_eq!(migrator.plan(&mut *database, UpTo::Latest).await.unwrap().steps.len(), 1);
    assert_eq!(migrator.status(&mut *database).await.unwrap().pending().count(), 1);
    migrator.apply(&mut *database).await.unwrap_err()
}

/// A role for one test, and its URL.
struct Role {
    name: String,
    url: String,
}

impl Role {
    async fn new(database: &postgres::Database, admin: &mut PgConnection) -> Self {
        let url = database.url();
        let name = format!("role_of_{}", url.rsplit('/').next().unwrap());
        admin.execute(AssertSqlSafe(format!("CREATE ROLE {name} LOGIN PASSWORD 's3cret'"))).await.unwrap();
        let at = url.find('@').unwrap();
        Self { url: format!("postgres://{name}:s3cret{}", &url[at..]), name }
    }

    async fn drop(self, admin: &mut PgConnection) {
        admin.execute(AssertSqlSafe(format!("DROP OWNED BY {0}; DROP ROLE {0}", self.name))).await.unwrap();
    }
}

#[tokio::test]
async fn a_role_that_may_only_select_reads_and_is_denied_the_rest() {
    let Some(database) = postgres::database() else { return };
    let mut admin = database.connect().await;
    Migrator::new(migrations(&[A])).apply(&mut admin).await.unwrap();
    let role = Role::new(&database, &mut admin).await;
    let grants = format!(
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO {0}; \
         GRANT SELECT ON lockgate_history TO {0}",
        role.name
    );
    admin.execute(AssertSqlSafe(grants)).await.unwrap();
    let mut database = Database::connect(&role.url).await.unwrap();
    let error = reads(&mut database, migrations(&[A]), migrations(&[A, B])).await;
    reports(
        &error,
        ErrorKind::Denied,
        &[
            "`0002_b` failed at statement 1 of 1",
            "migrations/0002_b.sql:1:",
            "permission denied for schema public",
            "nothing of it is in the database",
            "nothing was committed before it in this run",
            "GRANT USAGE, CREATE ON SCHEMA \"public\" TO \"role_of_",
        ],
    );

    // It may create tables but not write the history: the migration's table is rolled back.
    admin.execute(AssertSqlSafe(format!("GRANT CREATE ON SCHEMA public TO {}", role.name))).await.unwrap();
    let error = Migrator::new(migrations(&[A, B])).apply(&mut database).await.unwrap_err();
    reports(
        &error,
        ErrorKind::Denied,
        &["`0002_b` could not be recorded", "permission denied for table lockgate_history", "was rolled back"],
    );
    let tables = sqlx::query_scalar::<_, String>("SELECT tablename::text FROM pg_tables WHERE tablename = 'b'");
    assert_eq!(tables.fetch_all(&mut admin).await.unwrap(), [""; 0]);

    // It may not even read.
    admin.execute(AssertSqlSafe(format!("REVOKE SELECT ON lockgate_history FROM {}", role.name))).await.unwrap();
    let error = Migrator::new(migrations(&[A])).status(&mut database).await.unwrap_err();
    reports(&error, ErrorKind::Denied, &["the history cannot be read", "permission denied for table lockgate_history"]);
    database.close().await.unwrap();
    role.drop(&mut admin).await;
}

#[tokio::test]
async fn a_role_without_create_gets_an_error_about_the_history_table() {
    let Some(database) = postgres::database() else { return };
    let mut admin = database.connect().await;
    let role = Role::new(&database, &mut admin).await;
    admin.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC").await.unwrap();
    let mut database = Database::connect(&role.url).await.unwrap();
    assert_eq!(Migrator::new(migrations(&[A])).status(&mut database).await.unwrap().pending().count(), 1);
    let error = Migrator::new(migrations(&[A])).apply(&mut database).await.unwrap_err();
    reports(
        &error,
        ErrorKind::Denied,
        &["the history table could not be created", "permission denied for schema public", "nothing was changed"],
    );
    let error =
        Migrator::new(migrations(&[A])).history_table("ops.lockgate_history").apply(&mut database).await.unwrap_err();
    reports(&error, ErrorKind::Denied, &["the history table could not be created", "permission denied for database"]);
    // With the missing grant, the same value resumes.
    admin.execute(AssertSqlSafe(format!("GRANT CREATE ON SCHEMA public TO {}", role.name))).await.unwrap();
    Migrator::new(migrations(&[A, B])).apply(&mut database).await.unwrap();
    database.close().await.unwrap();
    role.drop(&mut admin).await;
}

#[tokio::test]
async fn a_read_only_session_reads() {
    let Some(database) = postgres::database() else { return };
    Migrator::new(migrations(&[A])).apply(&mut database.connect().await).await.unwrap();
    let url = format!("{}?options[default_transaction_read_only]=on", database.url());
    let mut read_only = Database::connect(&url).await.unwrap();
    let error = reads(&mut read_only, migrations(&[A]), migrations(&[A, B])).await;
    reports(
        &error,
        ErrorKind::ReadOnly,
        &[
            "the run could not begin",
            "the session is read-only",
            "nothing was changed",
            "`default_transaction_read_only` is on",
        ],
    );
}

#[tokio::test]
async fn a_read_only_file_reads() {
    let db = Db::sqlite().unwrap();
    db.apply(migrations(&[A])).await;
    for mode in ["mode=ro", "mode=ro&immutable=1"] {
        let url = db.url().replace("mode=rwc", mode);
        let mut read_only = Database::connect(&url).await.unwrap();
        let error = reads(&mut read_only, migrations(&[A]), migrations(&[A, B])).await;
        reports(
            &error,
            ErrorKind::ReadOnly,
            &[
                "`0002_b`",
                "readonly database",
                "nothing of it is in the database",
                "make the file and its folder writable",
            ],
        );
    }
    let mut borrowed = SqliteConnection::connect(&db.url().replace("mode=rwc", "mode=ro")).await.unwrap();
    assert!(Migrator::new(migrations(&[A])).apply(&mut borrowed).await.unwrap().is_empty());
    Migrator::new(migrations(&[A, B])).apply(&mut borrowed).await.unwrap_err();
    let timeout: i64 = sqlx::query_scalar("PRAGMA busy_timeout").fetch_one(&mut borrowed).await.unwrap();
    assert_eq!(timeout, 5000, "as the connection had it");
}

#[tokio::test]
async fn a_replica_reads() {
    let Some(mut server) = postgres::cluster(&Options::default()) else { return };
    let url = server.url("postgres");
    Migrator::new(migrations(&[A])).apply(&mut Database::connect(&url).await.unwrap()).await.unwrap();
    // A server with this file is a standby, even if its primary never answers.
    std::fs::write(server.directory().join("data/standby.signal"), "").unwrap();
    let server = tokio::task::spawn_blocking(move || {
        server.restart().unwrap();
        server
    });
    let server = server.await.unwrap();
    let mut replica = Database::connect(&url).await.unwrap();
    let error = reads(&mut replica, migrations(&[A]), migrations(&[A, B])).await;
    reports(
        &error,
        ErrorKind::ReadOnly,
        &[
            "the run could not begin",
            "the server is a read-only replica",
            "nothing was changed",
            "connect to the primary",
        ],
    );
    drop(server);
}
