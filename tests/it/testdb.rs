//! Development databases: the same seed gives the same rows, and a database without the mark is not dropped.

use lockgate::{Dialect, Migrator, Stage};
use lockgate_harness::__private::{MigrationTest, SeedFn, TestFuture, TestPart, Tests};
use lockgate_harness::{Db, Random, Throwaway, testdb};

use crate::support::{on_each, set};

on_each! {
    the_same_seed_gives_the_same_rows,
    an_unmarked_database_is_refused,
}

async fn the_same_seed_gives_the_same_rows(dialect: Dialect) {
    let Some(place) = Throwaway::empty(dialect).await.unwrap() else { return };
    let url = place.url();
    make_and_mark(&place).await;
    let mut contents = Vec::new();
    for seed in [42, 42, 43] {
        let output = testdb::create(tests(), &url, seed).await.unwrap();
        assert!(output.contains("has all migrations") && output.contains(&seed.to_string()), "{output}");
        contents.push(rows(&place, "SELECT name FROM users ORDER BY id").await);
        let kinds = rows(&place, "SELECT DISTINCT kind FROM users").await;
        assert_eq!(kinds, ["reader"]);
    }
    assert_eq!(contents[0], contents[1]);
    assert_ne!(contents[0], contents[2]);
    // The row of `fill`, which was inserted before the second migration, and the rows of the seed.
    assert_eq!(contents[0].len(), 21);
    assert_eq!(contents[0][0], "Ada");
}

async fn an_unmarked_database_is_refused(dialect: Dialect) {
    let Some(place) = Throwaway::empty(dialect).await.unwrap() else { return };
    let url = place.url();
    execute(&place, "CREATE TABLE precious (name TEXT)").await;
    let refused = testdb::create(tests(), &url, 1).await.unwrap_err();
    assert!(refused.contains("not marked as a development database") && refused.contains("testdb mark"), "{refused}");
    assert!(rows(&place, "SELECT name FROM precious").await.is_empty());

    testdb::mark(&url).await.unwrap();
    testdb::mark(&url).await.unwrap();
    testdb::create(tests(), &url, 1).await.unwrap();
    assert_eq!(rows(&place, "SELECT name FROM users WHERE id = 1").await, ["Ada"]);
    // A database that this command created may be replaced.
    testdb::create(tests(), &url, 2).await.unwrap();

    let migrator = Migrator::new(tests().migrations);
    let mut database = place.connect().await.unwrap();
    assert_eq!(migrator.mark_stage(&mut database, Stage::Production).await.unwrap(), Some(Stage::Development));
    database.close().await.unwrap();
    for refused in [testdb::create(tests(), &url, 1).await.unwrap_err(), testdb::mark(&url).await.unwrap_err()] {
        assert!(refused.contains("is marked as production"), "{refused}");
    }
    assert_eq!(rows(&place, "SELECT name FROM users WHERE id = 1").await, ["Ada"]);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_made_and_marked() {
    let place = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", place.path().join("dev.db").display());
    let missing = testdb::mark(&url).await.unwrap_err();
    assert!(missing.contains("does not exist"), "{missing}");
    testdb::create(tests(), &url, 1).await.unwrap();
    testdb::create(tests(), &url, 1).await.unwrap();
}

#[tokio::test]
async fn an_impossible_database_is_refused() {
    for (url, words) in
        [("sqlite::memory:", "name a file"), ("mysql://ann:s3cret@h/d", "not a URL of a database that the tests")]
    {
        let refused = testdb::create(tests(), url, 1).await.unwrap_err();
        assert!(refused.contains(words) && !refused.contains("s3cret"), "{refused}");
    }
}

/// An existing database with the mark.
async fn make_and_mark(place: &Throwaway) {
    execute(place, "CREATE TABLE earlier (name TEXT)").await;
    testdb::mark(&place.url()).await.unwrap();
}

async fn execute(place: &Throwaway, sql: &'static str) {
    let mut database = place.connect().await.unwrap();
    match place.dialect() {
        Dialect::Sqlite => drop(sqlx::raw_sql(sql).execute(database.sqlite().expect("it is")).await.unwrap()),
        _ => drop(sqlx::raw_sql(sql).execute(database.postgres().expect("it is")).await.unwrap()),
    }
    database.close().await.unwrap();
}

async fn rows(place: &Throwaway, sql: &'static str) -> Vec<String> {
    let mut database = place.connect().await.unwrap();
    let rows = match place.dialect() {
        Dialect::Sqlite => sqlx::query_scalar(sql).fetch_all(database.sqlite().expect("it is")).await.unwrap(),
        _ => sqlx::query_scalar(sql).fetch_all(database.postgres().expect("it is")).await.unwrap(),
    };
    database.close().await.unwrap();
    rows
}

fn tests() -> &'static Tests {
    let files = [
        ("0001_users.up.sql", "CREATE TABLE users (id INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL);\n"),
        ("0001_users.down.sql", "DROP TABLE users;\n"),
        ("0002_kind.up.sql", "ALTER TABLE users ADD COLUMN kind TEXT NOT NULL DEFAULT 'reader';\n"),
        ("0002_kind.down.sql", "ALTER TABLE users DROP COLUMN kind;\n"),
    ];
    let fill = Some(TestPart::Rust(|db| Box::pin(fill(db))));
    let migration_test = MigrationTest {
        version: 2,
        file: "0002_kind.rs",
        before: None,
        after: None,
        fill,
        loses_rows: &[],
        changes_values: &[],
        loses_values: &[],
    };
    let seed: SeedFn = seed;
    Box::leak(Box::new(Tests {
        migrations: set::migrations(&files),
        folder: "migrations",
        directory: "tests/migrations",
        files: &[],
        migration_tests: vec![migration_test].leak(),
        empty_tables: &[],
        desired: None,
        seed: Some(seed),
        tolerate: &[],
    }))
}

async fn fill(db: &mut Db) -> lockgate_harness::TestResult {
    db.execute("INSERT INTO users (id, name) VALUES (1, 'Ada')").await.map(drop)
}

fn seed<'a>(db: &'a mut Db, random: &'a mut Random) -> TestFuture<'a> {
    Box::pin(async move {
        for id in 2..22 {
            let name: String = std::iter::repeat_with(|| random.lowercase()).take(8).collect();
            db.execute(&format!("INSERT INTO users (id, name) VALUES ({id}, '{name}')")).await?;
        }
        Ok(())
    })
}
