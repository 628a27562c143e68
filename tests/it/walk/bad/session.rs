//! Migrations that depend on their session, or leave state in it.

use lockgate::Dialect;
use lockgate_harness::Phase;

use super::super::{FILL, NO_USERS, Sql, USERS, caught, tests};

#[tokio::test]
async fn a_dependence_on_the_order_of_rows() {
    let up = "ALTER TABLE users ADD COLUMN first INTEGER;\n\
              UPDATE users SET first = (SELECT u.id FROM users u LIMIT 1);";
    let files = [USERS, NO_USERS, ("0002_x.up.sql", up), ("0002_x.down.sql", "ALTER TABLE users DROP COLUMN first;")];
    let fill = Sql { fill: FILL, ..Sql::default() };
    let words = ["settings of the session", "users.first", "reverse_unordered_selects"];
    caught(tests(&files, vec![fill.of(2)]), Dialect::Sqlite, 2, Phase::RowsAgain, &words).await;
}

/// Only PostgreSQL: checks that the rows that this migration writes depend on the session.
async fn other_rows(up: &str, down: &str, words: &[&str]) {
    let files = [USERS, NO_USERS, ("0002_x.up.sql", up), ("0002_x.down.sql", down)];
    let fill = Sql { fill: FILL, ..Sql::default() };
    caught(tests(&files, vec![fill.of(2)]), Dialect::Postgres, 2, Phase::RowsAgain, words).await;
}

#[tokio::test]
async fn a_dependence_on_the_time_zone() {
    let up = "ALTER TABLE users ADD COLUMN since TIMESTAMPTZ;\nUPDATE users SET since = '2020-01-01 00:00';";
    other_rows(up, "ALTER TABLE users DROP COLUMN since;", &["`users.since`", "TimeZone"]).await;
}

#[tokio::test]
async fn a_dependence_on_the_date_style() {
    let up = "ALTER TABLE users ADD COLUMN born DATE;\nUPDATE users SET born = '02/03/1990';";
    other_rows(up, "ALTER TABLE users DROP COLUMN born;", &["`users.born`", "DateStyle"]).await;
}

#[tokio::test]
async fn a_stored_search_path() {
    let up = "ALTER TABLE users ADD COLUMN path TEXT;\nUPDATE users SET path = current_setting('search_path');";
    other_rows(up, "ALTER TABLE users DROP COLUMN path;", &["`users.path`", "search_path"]).await;
}

#[tokio::test]
async fn a_check_that_depends_on_the_time_zone() {
    let up = "ALTER TABLE users ADD COLUMN since TIMESTAMPTZ CHECK (since > '2020-01-01 00:00');";
    let files = [USERS, NO_USERS, ("0002_x.up.sql", up), ("0002_x.down.sql", "ALTER TABLE users DROP COLUMN since;")];
    caught(tests(&files, vec![]), Dialect::Postgres, 2, Phase::SchemaAgain, &["since"]).await;
}

/// Only PostgreSQL: checks a migration that changes its session in this way.
fn left(up: &str) -> &'static lockgate_harness::__private::Tests {
    tests(&[USERS, NO_USERS, ("0002_x.up.sql", up), ("0002_x.down.sql", "SELECT 1;")], vec![])
}

#[tokio::test]
async fn one_that_leaves_a_lock() {
    let tests = left("SELECT pg_advisory_lock(7);");
    caught(tests, Dialect::Postgres, 2, Phase::Session, &["the advisory lock 0,7"]).await;
}

#[tokio::test]
async fn one_that_leaves_a_prepared_statement() {
    let tests = left("PREPARE later AS SELECT 1;");
    caught(tests, Dialect::Postgres, 2, Phase::Session, &["the prepared statement later"]).await;
}

/// The function keeps the search path of its creation.
#[tokio::test]
async fn a_function_that_keeps_the_search_path() {
    let up = "CREATE FUNCTION one() RETURNS INT LANGUAGE sql SET search_path FROM CURRENT AS 'SELECT 1';";
    let files = [USERS, NO_USERS, ("0002_x.up.sql", up), ("0002_x.down.sql", "DROP FUNCTION one;")];
    let words = ["function public.one", "another TimeZone, DateStyle, IntervalStyle and search_path"];
    caught(tests(&files, vec![]), Dialect::Postgres, 2, Phase::SchemaAgain, &words).await;
}

/// It creates its table in the first schema of the search path, which may not exist.
#[tokio::test]
async fn a_table_in_the_first_schema_of_the_search_path() {
    let up = "DO $$ BEGIN EXECUTE format('CREATE TABLE %s.found (id INT)', \n\
         replace(split_part(current_setting('search_path'), ',', 1), '\"$user\"', 'public')); END $$;";
    let files = [USERS, NO_USERS, ("0002_x.up.sql", up), ("0002_x.down.sql", "DROP TABLE found;")];
    let words = ["the second run fails", "lockgate_elsewhere"];
    caught(tests(&files, vec![]), Dialect::Postgres, 2, Phase::ApplyAgain, &words).await;
}

/// A search path that is set for the database applies from the next session on: the second time, the table is created
/// in the other schema.
#[tokio::test]
async fn a_table_that_lands_in_another_schema() {
    let up = "CREATE TABLE notes (id INT);\n\
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = app, public', current_database()); END $$;";
    let files = [
        ("0001_app.sql", "-- lockgate: irreversible \"the ground\"\nCREATE SCHEMA app;"),
        ("0002_x.up.sql", up),
        ("0002_x.down.sql", "DROP TABLE notes;"),
    ];
    let words = ["table app.notes: is new (real)", "table public.notes: is gone (real)"];
    caught(tests(&files, vec![]), Dialect::Postgres, 2, Phase::SchemaAgain, &words).await;
}

/// A run restores the settings that a migration changes, so the next one does not see them.
#[tokio::test]
async fn one_that_relies_on_the_search_path_of_the_one_before() {
    let files = [
        ("0001_app.up.sql", "CREATE SCHEMA app;\nSET search_path = app;\nCREATE TABLE notes (id INT);"),
        ("0001_app.down.sql", "DROP TABLE app.notes;\nDROP SCHEMA app;"),
        ("0002_x.up.sql", "ALTER TABLE notes ADD COLUMN body TEXT;"),
        ("0002_x.down.sql", "ALTER TABLE app.notes DROP COLUMN body;"),
    ];
    let words = ["`0002_x` on PostgreSQL: the migration fails [apply]", "relation \"notes\" does not exist"];
    caught(tests(&files, vec![]), Dialect::Postgres, 2, Phase::Apply, &words).await;
}

#[tokio::test]
async fn a_dependence_on_the_interval_style() {
    let up = "ALTER TABLE users ADD COLUMN away TEXT;\nUPDATE users SET away = ('1 day 2 hours'::interval)::text;";
    other_rows(up, "ALTER TABLE users DROP COLUMN away;", &["`users.away`", "IntervalStyle"]).await;
}

#[tokio::test]
async fn one_that_leaves_a_temporary_view() {
    let tests = left("CREATE TEMPORARY VIEW ones AS SELECT 1 AS one;");
    caught(tests, Dialect::Postgres, 2, Phase::Session, &["the temporary view ones"]).await;
}

#[tokio::test]
async fn one_that_leaves_a_listener() {
    caught(left("LISTEN news;"), Dialect::Postgres, 2, Phase::Session, &["LISTEN news"]).await;
}
