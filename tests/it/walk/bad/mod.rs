//! Bad migrations and bad tests, one per case. This file has those that are bad on every database.

mod postgres;
mod session;
mod set_tests;
mod sqlite;
mod steps;
mod values;

use lockgate::Dialect;
use lockgate_harness::__private::{MigrationTest, TestPart};
use lockgate_harness::Phase;

use super::{EMAIL, FILL, NO_USERS, Sql, USERS, caught, on_each, tests};

const GOOD: Sql = Sql {
    before: &["SELECT count(*) >= 0 FROM users"],
    after: &["SELECT count(*) >= 0 FROM (SELECT email FROM users) AS emails"],
    fill: FILL,
    loses_rows: &[],
    changes_values: &[],
    loses_values: &[],
};

on_each! {
    a_before_that_always_passes,
    an_after_that_always_passes,
    a_before_that_never_passes,
    an_after_that_never_passes,
    a_down_that_forgets_an_index,
    a_down_that_loses_a_unique,
    a_down_that_loses_a_not_null,
    a_down_that_loses_a_default,
    a_down_that_puts_a_column_elsewhere,
    not_null_without_a_default_on_a_filled_table,
    rows_of_earlier_fills_are_there,
    a_migration_that_loses_rows,
    a_down_script_that_loses_rows,
    a_table_that_comes_back_without_its_rows,
    a_migration_that_works_only_the_first_time,
    a_fill_that_fails,
    a_fill_that_a_deferred_key_refuses,
    a_down_script_that_fails,
    a_before_that_fails_after_the_down_script,
    an_after_that_holds_only_once,
    a_test_that_depends_on_the_rows_of_another,
    a_failure_that_needs_rows_of_an_earlier_migration,
}

/// A `before` and an `after` that check for the column, so that both can fail.
const BEFORE: &str = "SELECT count(*) = 0 FROM lockgate_history WHERE version = 2";

async fn a_before_that_always_passes(dialect: Dialect) {
    let tests = tests(EMAIL, vec![GOOD.of(2)]);
    let words =
        ["`0002_add_email` on ", "so it proves nothing [before-must-fail]", "add a check to tests/migrations/x.sql"];
    caught(tests, dialect, 2, Phase::BeforeMustFail, &words).await;
}

async fn an_after_that_always_passes(dialect: Dialect) {
    let migration_test = Sql { before: &[BEFORE], after: &["SELECT count(*) >= 0 FROM users"], ..GOOD };
    caught(tests(EMAIL, vec![migration_test.of(2)]), dialect, 2, Phase::AfterMustFail, &["`after` passes before"])
        .await;
}

async fn a_before_that_never_passes(dialect: Dialect) {
    let migration_test = Sql { before: &["SELECT 1 = 1", "SELECT 1 = 2"], ..GOOD };
    let words = ["expected true, found ", "in `SELECT 1 = 2`", "at tests/migrations/x.sql:2"];
    caught(tests(EMAIL, vec![migration_test.of(2)]), dialect, 2, Phase::Before, &words).await;
}

async fn an_after_that_never_passes(dialect: Dialect) {
    let migration_test = Sql { before: &[BEFORE], after: &["SELECT 1 FROM users WHERE email = 'x'"], ..GOOD };
    let words = ["expected a row, found none", "x.sql:1"];
    caught(tests(EMAIL, vec![migration_test.of(2)]), dialect, 2, Phase::After, &words).await;
}

/// The second migration is this one, and its down script does not restore the schema.
async fn not_the_same_schema(dialect: Dialect, up: &str, down: &str, words: &[&str]) {
    let files = [USERS, NO_USERS, ("0002_x.up.sql", up), ("0002_x.down.sql", down)];
    caught(tests(&files, vec![]), dialect, 2, Phase::SchemaAfterRevert, words).await;
}

async fn a_down_that_forgets_an_index(dialect: Dialect) {
    let (up, down) = ("CREATE INDEX users_both ON users (name, city);", "SELECT 1;");
    not_the_same_schema(dialect, up, down, &["users_both", "0002_x.down.sql"]).await;
}

async fn a_down_that_loses_a_unique(dialect: Dialect) {
    let (up, down) = ("DROP INDEX users_name;", "CREATE INDEX users_name ON users (name);");
    not_the_same_schema(dialect, up, down, &["users_name", "(real)"]).await;
}

/// Rebuilds a table with these columns.
async fn rebuilt(dialect: Dialect, columns: &str, words: &[&str]) {
    let down = format!(
        "DROP TABLE users;\nCREATE TABLE users ({columns});\n\
         CREATE UNIQUE INDEX users_name ON users (name);\nCREATE INDEX users_city ON users (city);"
    );
    not_the_same_schema(dialect, "ALTER TABLE users ADD COLUMN email VARCHAR(40);", &down, words).await;
}

async fn a_down_that_loses_a_not_null(dialect: Dialect) {
    let columns = "id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40), city VARCHAR(40) DEFAULT 'Ulm'";
    rebuilt(dialect, columns, &["name", "(real)"]).await;
}

async fn a_down_that_loses_a_default(dialect: Dialect) {
    let columns = "id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40) NOT NULL, city VARCHAR(40)";
    rebuilt(dialect, columns, &["city", "(real)"]).await;
}

async fn a_down_that_puts_a_column_elsewhere(dialect: Dialect) {
    let columns = "id INTEGER NOT NULL PRIMARY KEY, city VARCHAR(40) DEFAULT 'Ulm', name VARCHAR(40) NOT NULL";
    rebuilt(dialect, columns, &["(column-order)"]).await;
}

async fn not_null_without_a_default_on_a_filled_table(dialect: Dialect) {
    // SQLite refuses the column on an empty table too, so the table is rebuilt there.
    let up = match dialect {
        Dialect::Sqlite => {
            "CREATE TABLE new (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL);\n\
             INSERT INTO new (id, name) SELECT id, name FROM users;\nDROP TABLE users;\nALTER TABLE new RENAME TO users;"
        }
        Dialect::Postgres | Dialect::Mysql => "ALTER TABLE users ADD COLUMN email TEXT NOT NULL;",
    };
    let files = [USERS, NO_USERS, ("0002_x.sql", &format!("-- lockgate: irreversible \"x\"\n{up}"))];
    let fill = Sql { fill: FILL, ..Sql::default() };
    caught(tests(&files, vec![fill.of(2)]), dialect, 2, Phase::Apply, &["0002_x", "email"]).await;
    let without = super::walk(tests(&files, vec![]), dialect, 2).await;
    assert!(without.is_none_or(|walked| walked.is_ok()), "on an empty table it goes well");
}

async fn rows_of_earlier_fills_are_there(dialect: Dialect) {
    let files = [
        USERS,
        NO_USERS,
        ("0002_x.up.sql", "CREATE TABLE x (id INTEGER);"),
        ("0002_x.down.sql", "DROP TABLE x;"),
        ("0003_y.up.sql", "CREATE UNIQUE INDEX users_city_once ON users (city);"),
        ("0003_y.down.sql", "DROP INDEX users_city_once;"),
    ];
    let fill = Sql { fill: FILL, ..Sql::default() };
    caught(tests(&files, vec![fill.of(2)]), dialect, 3, Phase::Apply, &["0003_y", "the migration fails"]).await;
}

async fn a_migration_that_loses_rows(dialect: Dialect) {
    let files =
        [USERS, NO_USERS, ("0002_x.up.sql", "DELETE FROM users WHERE id = 2;"), ("0002_x.down.sql", "SELECT 1;")];
    let fill = Sql { fill: FILL, ..Sql::default() };
    let words = ["the migration loses rows", "`users` had 2 rows and has 1", "x.sql: `-- lockgate: loses-rows users`"];
    caught(tests(&files, vec![fill.of(2)]), dialect, 2, Phase::RowsAfterApply, &words).await;
}

async fn a_down_script_that_loses_rows(dialect: Dialect) {
    let files = [
        USERS,
        NO_USERS,
        EMAIL[2],
        ("0002_add_email.down.sql", "DELETE FROM users;\nALTER TABLE users DROP COLUMN email;"),
    ];
    let fill = Sql { fill: FILL, ..Sql::default() };
    let words = ["its down script loses rows", "`users` had 2 rows and has 0"];
    caught(tests(&files, vec![fill.of(2)]), dialect, 2, Phase::RowsAfterRevert, &words).await;
}

/// This also holds if another migration inserted the rows, and if the table was kept under another name.
async fn a_table_that_comes_back_without_its_rows(dialect: Dialect) {
    let words = ["its down script loses rows", "`users` had 2 rows and has 0", "`-- lockgate: loses-rows users`"];
    let fill = Sql { fill: FILL, ..Sql::default() };
    let emptied = format!("DROP TABLE people;\n{}", USERS.1);
    for (up, down) in [("DROP TABLE users;", USERS.1), ("ALTER TABLE users RENAME TO people;", &*emptied)] {
        let files = [USERS, NO_USERS, ("0002_x.up.sql", up), ("0002_x.down.sql", down)];
        caught(tests(&files, vec![fill.of(2)]), dialect, 2, Phase::RowsAfterRevert, &words).await;
    }
    let between = [("0002_w.up.sql", "SELECT 1;"), ("0002_w.down.sql", "SELECT 1;")];
    let files =
        [USERS, NO_USERS, between[0], between[1], ("0003_x.up.sql", "DROP TABLE users;"), ("0003_x.down.sql", USERS.1)];
    let migration_tests = vec![fill.of(2), Sql::default().of(3)];
    caught(tests(&files, migration_tests), dialect, 3, Phase::RowsAfterRevert, &words).await;
}

async fn a_migration_that_works_only_the_first_time(dialect: Dialect) {
    let files = [
        USERS,
        NO_USERS,
        ("0002_x.up.sql", "INSERT INTO users (id, name) VALUES (7, 'Root');"),
        ("0002_x.down.sql", "SELECT 1;"),
    ];
    caught(tests(&files, vec![]), dialect, 2, Phase::ApplyAgain, &["the second run fails"]).await;
}

/// On SQLite, the run itself restores the connection.
#[tokio::test]
async fn one_that_leaves_a_temporary_table() {
    let dialect = Dialect::Postgres;
    let up = "CREATE TEMPORARY TABLE scratch (id INTEGER);";
    let files = [USERS, NO_USERS, ("0002_x.up.sql", up), ("0002_x.down.sql", "SELECT 1;")];
    caught(tests(&files, vec![]), dialect, 2, Phase::Session, &["the temporary table scratch"]).await;
}

async fn a_fill_that_fails(dialect: Dialect) {
    let fill = Sql { fill: &["INSERT INTO users (id) VALUES (1)"], ..Sql::default() };
    caught(tests(EMAIL, vec![fill.of(2)]), dialect, 2, Phase::Fill, &["its `fill` fails", "x.sql:1"]).await;
}

async fn a_fill_that_a_deferred_key_refuses(dialect: Dialect) {
    let files = [
        USERS,
        NO_USERS,
        ("0002_notes.up.sql", NOTES),
        ("0002_notes.down.sql", "DROP TABLE notes;"),
        ("0003_x.up.sql", "ALTER TABLE users ADD COLUMN email VARCHAR(40);"),
        ("0003_x.down.sql", "ALTER TABLE users DROP COLUMN email;"),
    ];
    let fill = Sql { fill: &["INSERT INTO notes (owner) VALUES (9)"], ..Sql::default() };
    let words = ["its `fill` fails", "in `COMMIT`"];
    caught(tests(&files, vec![fill.of(3)]), dialect, 3, Phase::Fill, &words).await;
}
const NOTES: &str = "CREATE TABLE notes (owner INTEGER NOT NULL REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED);";

async fn a_down_script_that_fails(dialect: Dialect) {
    let files = [USERS, NO_USERS, EMAIL[2], ("0002_add_email.down.sql", "ALTER TABLE users DROP COLUMN mail;")];
    let words = ["its down script fails [revert]", "0002_add_email.down.sql:1", "mail"];
    caught(tests(&files, vec![]), dialect, 2, Phase::Revert, &words).await;
}

/// The schema is the same as before, but the data differ.
async fn a_before_that_fails_after_the_down_script(dialect: Dialect) {
    let files = [
        USERS,
        NO_USERS,
        ("0002_x.up.sql", "UPDATE users SET city = upper(city);"),
        ("0002_x.down.sql", "UPDATE users SET city = lower(city);"),
    ];
    let migration_test = Sql {
        before: &["SELECT count(*) = 2 FROM users WHERE city = 'Ulm'"],
        after: &["SELECT count(*) = 2 FROM users WHERE city = 'ULM'"],
        fill: FILL,
        loses_rows: &[],
        changes_values: &[],
        loses_values: &["users.city"],
    };
    let words = ["`before` fails after the down script", "x.sql:1"];
    caught(tests(&files, vec![migration_test.of(2)]), dialect, 2, Phase::BeforeAgain, &words).await;
}

/// The rows of the first run are still there in the second.
async fn an_after_that_holds_only_once(dialect: Dialect) {
    let files = [
        USERS,
        NO_USERS,
        ("0002_x.up.sql", "INSERT INTO users (id, name) SELECT max(id) + 1, 'user ' || max(id) FROM users;"),
        ("0002_x.down.sql", "SELECT 1;"),
    ];
    let migration_test = Sql { after: &["SELECT count(*) = 3 FROM users"], fill: FILL, ..Sql::default() };
    let words = ["`after` fails after the second run", "in `SELECT count(*) = 3 FROM users`"];
    caught(tests(&files, vec![migration_test.of(2)]), dialect, 2, Phase::AfterAgain, &words).await;
}

/// The rows that `before` inserts are rolled back, so `after` cannot use them.
async fn a_test_that_depends_on_the_rows_of_another(dialect: Dialect) {
    let before = TestPart::Rust(|db| {
        Box::pin(async {
            db.expect_no_column("users", "email").await?;
            db.execute("INSERT INTO users (id, name) VALUES (1, 'Ada')").await?;
            Ok(())
        })
    });
    let after = TestPart::Rust(|db| {
        Box::pin(async {
            db.expect_column("users", "email").await?;
            db.expect_value(1, "SELECT count(*) FROM users").await
        })
    });
    let migration_test = MigrationTest { before: Some(before), after: Some(after), ..Sql::default().of(2) };
    let words = ["`after` fails after the migration", "expected 1, found 0", "bad/mod.rs:"];
    caught(tests(EMAIL, vec![migration_test]), dialect, 2, Phase::After, &words).await;
}

/// The third migration is walked on a database that the second one could not be applied to.
async fn a_failure_that_needs_rows_of_an_earlier_migration(dialect: Dialect) {
    let files = [
        USERS,
        NO_USERS,
        ("0002_once.up.sql", "CREATE UNIQUE INDEX users_city_once ON users (city);"),
        ("0002_once.down.sql", "DROP INDEX users_city_once;"),
        ("0003_x.up.sql", "CREATE TABLE x (id INTEGER);"),
        ("0003_x.down.sql", "DROP TABLE x;"),
    ];
    let fill = Sql { fill: FILL, ..Sql::default() };
    let words =
        ["`0002_once` on ", "it fails while the test database is prepared, with the rows of each `fill` [setup]"];
    caught(tests(&files, vec![fill.of(2)]), dialect, 3, Phase::Setup, &words).await;
}
