//! `#[lockgate_harness::test]` beside `#[sqlx::test]`: a project may have tests of both kinds in one file,
//! on one folder of migrations and one server.

use std::path::Path;

use crate::support::postgres;
use crate::support::scratch::Scratch;

const TESTS: &str = r#"
static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!();

mod DIALECT {
    use sqlx::POOL;

    async fn is_empty_and_its_own(db: &POOL) {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(db).await.unwrap();
        assert_eq!(count, 0);
        sqlx::query("INSERT INTO users (name) VALUES ('Ada')").execute(db).await.unwrap();
    }

    #[lockgate_harness::test(migrations = crate::MIGRATIONS)]
    async fn one_of_lockgate(db: POOL) {
        is_empty_and_its_own(&db).await;
        let history: i64 = sqlx::query_scalar("SELECT count(*) FROM lockgate_history").fetch_one(&db).await.unwrap();
        assert_eq!(history, 1);
    }

    #[lockgate_harness::test(migrations = crate::MIGRATIONS)]
    async fn another_of_lockgate(db: POOL) {
        is_empty_and_its_own(&db).await;
    }

    #[sqlx::test]
    async fn one_of_sqlx(db: POOL) {
        is_empty_and_its_own(&db).await;
        let history: i64 = sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations").fetch_one(&db).await.unwrap();
        assert_eq!(history, 1);
    }

    #[sqlx::test(migrator = "MIGRATOR")]
    async fn another_of_sqlx(db: POOL) -> sqlx::Result<()> {
        is_empty_and_its_own(&db).await;
        Ok(())
    }

    static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();
}
"#;

#[test]
fn tests_of_both_kinds_stand_in_one_file_on_sqlite() {
    let output = tested("sqlite", "SqlitePool", "");
    assert!(output.contains("4 passed; 0 failed"), "{output}");
}

#[test]
fn tests_of_both_kinds_stand_in_one_file_on_postgres() {
    let Some(database) = postgres::database() else { return };
    let output = tested("postgres", "PgPool", &database.url());
    assert!(output.contains("4 passed; 0 failed"), "{output}");
}

/// Returns the output of `cargo test`, with both tools on the server of this URL.
fn tested(dialect: &str, pool: &str, url: &str) -> String {
    let scratch = Scratch::new();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().display();
    let dependencies = format!(
        "[dependencies]\nlockgate = {{ path = \"{workspace}/runtime\" }}\n\
         [dev-dependencies]\nlockgate-harness = {{ path = \"{workspace}/harness\", features = [\"postgres\", \"sqlite\"] }}\n\
         sqlx = {{ version = \"0.9\", default-features = false, features = [\"macros\", \"migrate\", \"postgres\", \
         \"runtime-tokio\", \"sqlite\"] }}\n"
    );
    scratch.package("app", &dependencies);
    scratch.write("app/migrations/0001_users.up.sql", "CREATE TABLE users (name TEXT NOT NULL);\n");
    scratch.write("app/migrations/0001_users.down.sql", "DROP TABLE users;\n");
    // All scratch workspaces are built in one folder: what two of them call the same would be the same file.
    let name = format!("beside_sqlx_{dialect}");
    scratch.write(&format!("app/tests/{name}.rs"), &TESTS.replace("DIALECT", dialect).replace("POOL", pool));
    let variables = [("DATABASE_URL", url), ("LOCKGATE_TEST_POSTGRES", url)];
    let (passes, output) = scratch.cargo_with(&variables, &["test", "--test", &name]);
    assert!(passes, "{output}");
    output
}
