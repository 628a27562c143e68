//! Bad migrations and bad tests, one a case.

use lockgate::Dialect;
use lockgate_harness::Step;

use super::{Sql, caught, on_each, passes, tests};

const USERS: (&str, &str) = (
    "0001_create_users.up.sql",
    "CREATE TABLE users (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40) NOT NULL, city VARCHAR(40) DEFAULT 'Ulm');\n\
     CREATE UNIQUE INDEX users_name ON users (name);\nCREATE INDEX users_city ON users (city);",
);
const NO_USERS: (&str, &str) = ("0001_create_users.down.sql", "DROP TABLE users;");
const EMAIL: &[(&str, &str)] = &[
    USERS,
    NO_USERS,
    ("0002_add_email.up.sql", "ALTER TABLE users ADD COLUMN email VARCHAR(40);"),
    ("0002_add_email.down.sql", "ALTER TABLE users DROP COLUMN email;"),
];
const GOOD: Sql = Sql {
    before: &["SELECT count(*) >= 0 FROM users"],
    after: &["SELECT count(*) >= 0 FROM (SELECT email FROM users) AS emails"],
    fill: &["INSERT INTO users (id, name) VALUES (1, 'Ada'), (2, 'Grace')"],
    loses_rows: &[],
};

on_each! {
    l10_l11_a_before_that_always_passes,
    l11_an_after_that_always_passes,
    l10_a_before_that_never_passes,
    l10_an_after_that_never_passes,
    l2_without_a_way_back_only_the_way_up_is_walked,
    l10_a_migration_without_a_test_is_walked_all_the_same,
    s11_a_down_that_forgets_an_index,
    s12_a_down_that_loses_a_unique,
    s12_a_down_that_loses_a_not_null,
    s12_a_down_that_loses_a_default,
    s13_a_down_that_puts_a_column_elsewhere,
    t9_not_null_without_a_default_on_a_filled_table,
    t9_rows_of_earlier_fills_are_there,
    a_migration_that_loses_rows,
    a_way_back_that_loses_rows,
    rows_may_go_where_the_test_says_so,
    a_table_that_is_dropped_on_purpose_is_no_loss,
    a_migration_that_works_only_the_first_time,
    one_that_leaves_a_temporary_table,
    a_fill_that_fails,
    what_depends_on_chance_is_not_told_of,
}

/// A before that sees the column and one that does not, so that both sides say something.
const BEFORE: &str = "SELECT count(*) = 0 FROM lockgate_history WHERE version = 2";

async fn l10_l11_a_before_that_always_passes(dialect: Dialect) {
    let tests = tests(EMAIL, vec![GOOD.of(2)]);
    let words = ["`0002_add_email` on ", "it does not notice it [before-must-fail]", "in tests/migrations/x.sql"];
    caught(tests, dialect, 2, Step::BeforeMustFail, &words).await;
}

async fn l11_an_after_that_always_passes(dialect: Dialect) {
    let suite = Sql { before: &[BEFORE], after: &["SELECT count(*) >= 0 FROM users"], ..GOOD };
    caught(tests(EMAIL, vec![suite.of(2)]), dialect, 2, Step::AfterMustFail, &["`after` passes before"]).await;
}

async fn l10_a_before_that_never_passes(dialect: Dialect) {
    let suite = Sql { before: &["SELECT 1 = 1", "SELECT 1 = 2"], ..GOOD };
    let words = ["expected true, found ", "in `SELECT 1 = 2`", "at tests/migrations/x.sql:2"];
    caught(tests(EMAIL, vec![suite.of(2)]), dialect, 2, Step::Before, &words).await;
}

async fn l10_an_after_that_never_passes(dialect: Dialect) {
    let suite = Sql { before: &[BEFORE], after: &["SELECT 1 FROM users WHERE email = 'x'"], ..GOOD };
    let words = ["expected a row, found none", "x.sql:1"];
    caught(tests(EMAIL, vec![suite.of(2)]), dialect, 2, Step::After, &words).await;
}

async fn l2_without_a_way_back_only_the_way_up_is_walked(dialect: Dialect) {
    let files = [USERS, NO_USERS, ("0002_x.sql", "-- lockgate: irreversible \"x\"\nCREATE TABLE x (id INTEGER);")];
    let walked = super::walk(tests(&files, vec![]), dialect, 2).await;
    let walked = walked.map(|walked| walked.unwrap_or_else(|problem| panic!("{problem}")));
    assert!(matches!(walked, None | Some(lockgate_harness::__private::Walked::Irreversible)), "{walked:?}");
}

async fn l10_a_migration_without_a_test_is_walked_all_the_same(dialect: Dialect) {
    passes(tests(EMAIL, vec![]), dialect, 2).await;
    let suite = Sql { before: &[BEFORE], ..GOOD };
    passes(tests(EMAIL, vec![suite.of(2)]), dialect, 2).await;
    passes(tests(EMAIL, vec![suite.of(2)]), dialect, 1).await;
}

/// The second migration is this one, and is caught behind its way back.
async fn not_the_same_schema(dialect: Dialect, up: &str, down: &str, words: &[&str]) {
    let files = [USERS, NO_USERS, ("0002_x.up.sql", up), ("0002_x.down.sql", down)];
    caught(tests(&files, vec![]), dialect, 2, Step::SchemaAfterRevert, words).await;
}

async fn s11_a_down_that_forgets_an_index(dialect: Dialect) {
    let (up, down) = ("CREATE INDEX users_both ON users (name, city);", "SELECT 1;");
    not_the_same_schema(dialect, up, down, &["users_both", "0002_x.down.sql"]).await;
}

async fn s12_a_down_that_loses_a_unique(dialect: Dialect) {
    let (up, down) = ("DROP INDEX users_name;", "CREATE INDEX users_name ON users (name);");
    not_the_same_schema(dialect, up, down, &["users_name", "(real)"]).await;
}

/// A table that is built anew, with its columns as this says.
async fn rebuilt(dialect: Dialect, columns: &str, words: &[&str]) {
    let down = format!(
        "DROP TABLE users;\nCREATE TABLE users ({columns});\n\
         CREATE UNIQUE INDEX users_name ON users (name);\nCREATE INDEX users_city ON users (city);"
    );
    not_the_same_schema(dialect, "ALTER TABLE users ADD COLUMN email VARCHAR(40);", &down, words).await;
}

async fn s12_a_down_that_loses_a_not_null(dialect: Dialect) {
    let columns = "id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40), city VARCHAR(40) DEFAULT 'Ulm'";
    rebuilt(dialect, columns, &["name", "(real)"]).await;
}

async fn s12_a_down_that_loses_a_default(dialect: Dialect) {
    let columns = "id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40) NOT NULL, city VARCHAR(40)";
    rebuilt(dialect, columns, &["city", "(real)"]).await;
}

async fn s13_a_down_that_puts_a_column_elsewhere(dialect: Dialect) {
    let columns = "id INTEGER NOT NULL PRIMARY KEY, city VARCHAR(40) DEFAULT 'Ulm', name VARCHAR(40) NOT NULL";
    rebuilt(dialect, columns, &["(column-order)"]).await;
}

async fn t9_not_null_without_a_default_on_a_filled_table(dialect: Dialect) {
    // SQLite refuses the column on an empty table too: there the table is built anew.
    let up = match dialect {
        Dialect::Sqlite => {
            "CREATE TABLE new (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL);\n\
             INSERT INTO new (id, name) SELECT id, name FROM users;\nDROP TABLE users;\nALTER TABLE new RENAME TO users;"
        }
        Dialect::Postgres | Dialect::Mysql => "ALTER TABLE users ADD COLUMN email TEXT NOT NULL;",
    };
    let files = [USERS, NO_USERS, ("0002_x.sql", &format!("-- lockgate: irreversible \"x\"\n{up}"))];
    let fill = Sql { fill: GOOD.fill, ..Sql::default() };
    caught(tests(&files, vec![fill.of(2)]), dialect, 2, Step::Apply, &["0002_x", "email"]).await;
    let without = super::walk(tests(&files, vec![]), dialect, 2).await;
    assert!(without.is_none_or(|walked| walked.is_ok()), "on an empty table it goes well");
}

async fn t9_rows_of_earlier_fills_are_there(dialect: Dialect) {
    let files = [
        USERS,
        NO_USERS,
        ("0002_x.up.sql", "CREATE TABLE x (id INTEGER);"),
        ("0002_x.down.sql", "DROP TABLE x;"),
        ("0003_y.up.sql", "CREATE UNIQUE INDEX users_city_once ON users (city);"),
        ("0003_y.down.sql", "DROP INDEX users_city_once;"),
    ];
    let fill = Sql { fill: GOOD.fill, ..Sql::default() };
    caught(tests(&files, vec![fill.of(2)]), dialect, 3, Step::Apply, &["0003_y", "it fails"]).await;
}

async fn a_migration_that_loses_rows(dialect: Dialect) {
    let files =
        [USERS, NO_USERS, ("0002_x.up.sql", "DELETE FROM users WHERE id = 2;"), ("0002_x.down.sql", "SELECT 1;")];
    let fill = Sql { fill: GOOD.fill, ..Sql::default() };
    let words = ["it loses rows", "`users` had 2 and has 1", "LOSES_ROWS"];
    caught(tests(&files, vec![fill.of(2)]), dialect, 2, Step::RowsAfterApply, &words).await;
}

async fn a_way_back_that_loses_rows(dialect: Dialect) {
    let files = [
        USERS,
        NO_USERS,
        EMAIL[2],
        ("0002_add_email.down.sql", "DELETE FROM users;\nALTER TABLE users DROP COLUMN email;"),
    ];
    let fill = Sql { fill: GOOD.fill, ..Sql::default() };
    let words = ["its way back loses rows", "`users` had 2 and has 0"];
    caught(tests(&files, vec![fill.of(2)]), dialect, 2, Step::RowsAfterRevert, &words).await;
}

async fn rows_may_go_where_the_test_says_so(dialect: Dialect) {
    let files =
        [USERS, NO_USERS, ("0002_x.up.sql", "DELETE FROM users WHERE id = 2;"), ("0002_x.down.sql", "SELECT 1;")];
    let fill = Sql { fill: GOOD.fill, loses_rows: &["users"], ..Sql::default() };
    passes(tests(&files, vec![fill.of(2)]), dialect, 2).await;
}

async fn a_table_that_is_dropped_on_purpose_is_no_loss(dialect: Dialect) {
    let files = [USERS, NO_USERS, ("0002_x.up.sql", "DROP TABLE users;"), ("0002_x.down.sql", USERS.1)];
    let fill = Sql { fill: GOOD.fill, ..Sql::default() };
    passes(tests(&files, vec![fill.of(2)]), dialect, 2).await;
}

async fn a_migration_that_works_only_the_first_time(dialect: Dialect) {
    let files = [
        USERS,
        NO_USERS,
        ("0002_x.up.sql", "INSERT INTO users (id, name) VALUES (7, 'Root');"),
        ("0002_x.down.sql", "SELECT 1;"),
    ];
    caught(tests(&files, vec![]), dialect, 2, Step::ApplyAgain, &["it fails the second time"]).await;
}

async fn one_that_leaves_a_temporary_table(dialect: Dialect) {
    let up = "CREATE TEMPORARY TABLE scratch (id INTEGER);";
    let files = [USERS, NO_USERS, ("0002_x.up.sql", up), ("0002_x.down.sql", "SELECT 1;")];
    caught(tests(&files, vec![]), dialect, 2, Step::Session, &["the temporary table scratch"]).await;
}

async fn a_fill_that_fails(dialect: Dialect) {
    let fill = Sql { fill: &["INSERT INTO users (id) VALUES (1)"], ..Sql::default() };
    caught(tests(EMAIL, vec![fill.of(2)]), dialect, 2, Step::Fill, &["its `fill` fails", "x.sql:1"]).await;
}

/// No false alarm: what is another value with every run is nobody's fault.
async fn what_depends_on_chance_is_not_told_of(dialect: Dialect) {
    let files = [
        USERS,
        NO_USERS,
        ("0002_x.up.sql", "ALTER TABLE users ADD COLUMN chance DOUBLE PRECISION;\nUPDATE users SET chance = random();"),
        ("0002_x.down.sql", "ALTER TABLE users DROP COLUMN chance;"),
    ];
    let fill = Sql { fill: GOOD.fill, ..Sql::default() };
    passes(tests(&files, vec![fill.of(2)]), dialect, 2).await;
}

#[tokio::test]
async fn what_depends_on_the_order_of_rows() {
    let up = "ALTER TABLE users ADD COLUMN first INTEGER;\n\
              UPDATE users SET first = (SELECT u.id FROM users u LIMIT 1);";
    let files = [USERS, NO_USERS, ("0002_x.up.sql", up), ("0002_x.down.sql", "ALTER TABLE users DROP COLUMN first;")];
    let fill = Sql { fill: GOOD.fill, ..Sql::default() };
    let words = ["depends on the session", "users.first", "reverse_unordered_selects"];
    caught(tests(&files, vec![fill.of(2)]), Dialect::Sqlite, 2, Step::RowsAgain, &words).await;
}

/// PostgreSQL alone: rows that this migration writes are other ones.
async fn other_rows(up: &str, down: &str, words: &[&str]) {
    let files = [USERS, NO_USERS, ("0002_x.up.sql", up), ("0002_x.down.sql", down)];
    let fill = Sql { fill: GOOD.fill, ..Sql::default() };
    caught(tests(&files, vec![fill.of(2)]), Dialect::Postgres, 2, Step::RowsAgain, words).await;
}

#[tokio::test]
async fn what_depends_on_the_time_zone() {
    let up = "ALTER TABLE users ADD COLUMN since TIMESTAMPTZ;\nUPDATE users SET since = '2020-01-01 00:00';";
    other_rows(up, "ALTER TABLE users DROP COLUMN since;", &["`users.since`", "TimeZone"]).await;
}

#[tokio::test]
async fn what_depends_on_the_date_style() {
    let up = "ALTER TABLE users ADD COLUMN born DATE;\nUPDATE users SET born = '02/03/1990';";
    other_rows(up, "ALTER TABLE users DROP COLUMN born;", &["`users.born`", "DateStyle"]).await;
}

#[tokio::test]
async fn what_depends_on_the_search_path() {
    let up = "ALTER TABLE users ADD COLUMN path TEXT;\nUPDATE users SET path = current_setting('search_path');";
    other_rows(up, "ALTER TABLE users DROP COLUMN path;", &["`users.path`", "search_path"]).await;
}

#[tokio::test]
async fn a_check_that_depends_on_the_time_zone() {
    let up = "ALTER TABLE users ADD COLUMN since TIMESTAMPTZ CHECK (since > '2020-01-01 00:00');";
    let files = [USERS, NO_USERS, ("0002_x.up.sql", up), ("0002_x.down.sql", "ALTER TABLE users DROP COLUMN since;")];
    caught(tests(&files, vec![]), Dialect::Postgres, 2, Step::SchemaAgain, &["since"]).await;
}

#[tokio::test]
async fn the_current_date_is_no_dependence() {
    let up = "ALTER TABLE users ADD COLUMN joined DATE NOT NULL DEFAULT CURRENT_DATE;\n\
              ALTER TABLE users ADD COLUMN at TIMESTAMPTZ NOT NULL DEFAULT now();";
    let down = "ALTER TABLE users DROP COLUMN joined;\nALTER TABLE users DROP COLUMN at;";
    let files = [USERS, NO_USERS, ("0002_x.up.sql", up), ("0002_x.down.sql", down)];
    let fill = Sql { fill: GOOD.fill, ..Sql::default() };
    passes(tests(&files, vec![fill.of(2)]), Dialect::Postgres, 2).await;
}

/// PostgreSQL alone: a migration that does this to its session.
fn left(up: &str) -> &'static lockgate_harness::__private::Tests {
    tests(&[USERS, NO_USERS, ("0002_x.up.sql", up), ("0002_x.down.sql", "SELECT 1;")], vec![])
}

#[tokio::test]
async fn one_that_leaves_a_lock() {
    let tests = left("SELECT pg_advisory_lock(7);");
    caught(tests, Dialect::Postgres, 2, Step::Session, &["the advisory lock 0,7"]).await;
}

#[tokio::test]
async fn one_that_leaves_a_prepared_statement() {
    let tests = left("PREPARE later AS SELECT 1;");
    caught(tests, Dialect::Postgres, 2, Step::Session, &["the prepared statement later"]).await;
}

/// Not left: the run itself puts settings back behind each migration.
#[tokio::test]
async fn a_setting_is_not_left() {
    passes(left("SET work_mem = '64MB';"), Dialect::Postgres, 2).await;
}

#[tokio::test]
async fn s13_a_down_that_adds_an_enum_value_at_the_end() {
    let files = [
        ("0001_mood.up.sql", "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');"),
        ("0001_mood.down.sql", "DROP TYPE mood;"),
        ("0002_x.up.sql", "DROP TYPE mood;\nCREATE TYPE mood AS ENUM ('sad', 'happy');"),
        ("0002_x.down.sql", "DROP TYPE mood;\nCREATE TYPE mood AS ENUM ('sad', 'happy', 'ok');"),
    ];
    caught(tests(&files, vec![]), Dialect::Postgres, 2, Step::SchemaAfterRevert, &["mood", "(enum-order)"]).await;
}
