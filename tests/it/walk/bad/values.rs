//! Migrations that keep the number of rows and change their values.

use lockgate::Dialect;
use lockgate_harness::Phase;

use super::super::{FILL, NO_USERS, Sql, USERS, caught, on_each, tests};

on_each! {
    an_up_that_overwrites,
    an_up_that_overwrites_a_few_of_many,
    a_down_script_that_overwrites,
    a_down_script_that_overwrites_what_no_test_checks,
    values_that_change_places,
    values_that_change_places_in_a_table_without_a_key,
    a_column_that_comes_back_empty,
    a_change_that_does_not_come_back,
    an_empty_text_for_no_value,
    a_key_that_is_another,
    a_row_that_replaces_another,
}

/// A migration and its down script, on the rows of the fill.
async fn second(says: Sql, dialect: Dialect, up: &str, down: &str, step: Phase, words: &[&str]) {
    let files = [USERS, NO_USERS, ("0002_x.up.sql", up), ("0002_x.down.sql", down)];
    caught(tests(&files, vec![says.of(2)]), dialect, 2, step, words).await;
}

const TWO: Sql = Sql { fill: FILL, before: &[], after: &[], loses_rows: &[], changes_values: &[], loses_values: &[] };

/// Ada lives in Bonn and Grace nowhere.
const CITIES: Sql =
    Sql { fill: &["INSERT INTO users (id, name, city) VALUES (1, 'Ada', 'Bonn'), (2, 'Grace', NULL)"], ..TWO };

async fn an_up_that_overwrites(dialect: Dialect) {
    let words = [
        "`0002_x` on ",
        "the migration changes values of rows that it keeps [values-after-apply]",
        "`users.city` was 'Ulm' and is 'gone' where id = 1, and 1 more row",
        "help: if it is meant to, declare it in tests/migrations/x.sql: `-- lockgate: changes-values users.city`",
    ];
    let (up, down) = ("UPDATE users SET city = 'gone';", "UPDATE users SET city = 'Ulm';");
    second(TWO, dialect, up, down, Phase::ValuesAfterApply, &words).await;
}

async fn an_up_that_overwrites_a_few_of_many(dialect: Dialect) {
    let up = "UPDATE users SET city = 'gone', name = upper(name) WHERE name = 'Grace';";
    let says = Sql { changes_values: &["users.name"], ..CITIES };
    let words = ["`users.city` was NULL and is 'gone' where id = 2\n", "changes-values users.name, users.city`"];
    second(says, dialect, up, "SELECT 1;", Phase::ValuesAfterApply, &words).await;
}

async fn a_down_script_that_overwrites(dialect: Dialect) {
    let words = [
        "its down script does not restore all values [values-after-revert]",
        "`users.name` was 'Ada' and is 'gone 1' where id = 1, and 1 more row",
        "fix ",
        "0002_x.down.sql; or, if they cannot be restored, declare it in tests/migrations/x.sql: `-- lockgate: loses-values \
         users.name`",
    ];
    let up = "ALTER TABLE users ADD COLUMN email VARCHAR(40);";
    let down = "UPDATE users SET name = 'gone ' || id;\nALTER TABLE users DROP COLUMN email;";
    second(TWO, dialect, up, down, Phase::ValuesAfterRevert, &words).await;
}

/// No fill has inserted a row, and the migration itself does not change the rows of earlier migrations.
async fn a_down_script_that_overwrites_what_no_test_checks(dialect: Dialect) {
    let seed = format!("{}\nINSERT INTO users (id, name) VALUES (1, 'Ada');", USERS.1);
    let files = [
        (USERS.0, &*seed),
        NO_USERS,
        ("0002_x.up.sql", "ALTER TABLE users ADD COLUMN email VARCHAR(40);"),
        ("0002_x.down.sql", "ALTER TABLE users DROP COLUMN email;\nUPDATE users SET city = NULL;"),
    ];
    let words = [
        "`users.city` was 'Ulm' and is NULL where id = 1",
        "its test, which `cargo xtask new-test 2` creates: `pub const",
    ];
    caught(tests(&files, vec![]), dialect, 2, Phase::ValuesAfterRevert, &words).await;
}

async fn values_that_change_places(dialect: Dialect) {
    let fill = &["INSERT INTO users (id, name, city) VALUES (1, 'Ada', 'Bonn'), (2, 'Grace', 'Ulm')"];
    let up = "UPDATE users SET city = CASE city WHEN 'Bonn' THEN 'Ulm' ELSE 'Bonn' END;";
    let words = ["`users.city` was 'Bonn' and is 'Ulm' where id = 1, and 1 more row"];
    second(Sql { fill, ..TWO }, dialect, up, up, Phase::ValuesAfterApply, &words).await;
}

async fn values_that_change_places_in_a_table_without_a_key(dialect: Dialect) {
    let files = [
        ("0001_t.up.sql", "CREATE TABLE t (a VARCHAR(9), b VARCHAR(9));"),
        ("0001_t.down.sql", "DROP TABLE t;"),
        ("0002_x.up.sql", "UPDATE t SET b = CASE b WHEN '1' THEN '2' ELSE '1' END WHERE a <> 'z';"),
        ("0002_x.down.sql", "SELECT 1;"),
    ];
    let fill = &["INSERT INTO t VALUES ('x', '1'), ('y', '2'), ('z', '1'), ('z', '1')"];
    let words = ["`t.b` was '", "where a = '", "', and 1 more row", "changes-values t.b"];
    caught(tests(&files, vec![Sql { fill, ..TWO }.of(2)]), dialect, 2, Phase::ValuesAfterApply, &words).await;
}

async fn a_column_that_comes_back_empty(dialect: Dialect) {
    let files = [
        ("0001_t.up.sql", "CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER);"),
        ("0001_t.down.sql", "DROP TABLE t;"),
        ("0002_x.up.sql", "ALTER TABLE t DROP COLUMN b;"),
        ("0002_x.down.sql", "ALTER TABLE t ADD COLUMN b INTEGER;"),
    ];
    let says = Sql { fill: &["INSERT INTO t VALUES (1, 7), (2, NULL)"], ..TWO };
    let words = ["`t.b` was ", "7", " and is NULL where a = ", "loses-values t.b`"];
    caught(tests(&files, vec![says.of(2)]), dialect, 2, Phase::ValuesAfterRevert, &words).await;
}

async fn a_change_that_does_not_come_back(dialect: Dialect) {
    let says = Sql { changes_values: &["users.city"], ..CITIES };
    let words = ["`users.city` was 'Bonn' and is 'BONN' where id = 1\n"];
    let up = "UPDATE users SET city = upper(city);";
    second(says, dialect, up, "SELECT 1;", Phase::ValuesAfterRevert, &words).await;
}

async fn an_empty_text_for_no_value(dialect: Dialect) {
    let up = "UPDATE users SET city = '' WHERE city IS NULL;";
    let words = ["`users.city` was NULL and is '' where id = 2\n"];
    second(CITIES, dialect, up, "SELECT 1;", Phase::ValuesAfterApply, &words).await;
}

async fn a_key_that_is_another(dialect: Dialect) {
    let words = ["`users.id` was ", "1", " and is ", "11", " where id = ", "changes-values users.id`"];
    let (up, down) = ("UPDATE users SET id = id + 10;", "UPDATE users SET id = id - 10;");
    second(TWO, dialect, up, down, Phase::ValuesAfterApply, &words).await;
}

async fn a_row_that_replaces_another(dialect: Dialect) {
    let up = "DELETE FROM users WHERE id = 2;\nINSERT INTO users (id, name) VALUES (3, 'Edsger');";
    let words = ["`users` no longer has a row where id = ", "2", "`-- lockgate: loses-rows users`"];
    second(TWO, dialect, up, "SELECT 1;", Phase::ValuesAfterApply, &words).await;
}

/// Checks that a change is reported in a column of each kind.
async fn every_kind(dialect: Dialect, columns: &[(&str, &str, &str)]) {
    let list = |part: fn(&(&str, &str, &str)) -> String| columns.iter().map(part).collect::<Vec<_>>().join(", ");
    let made = list(|(name, data_type, _)| format!("{name} {data_type}"));
    let before = format!("-- lockgate: irreversible \"the ground\"\nCREATE TABLE t (id INTEGER PRIMARY KEY, {made});");
    let up = format!(
        "UPDATE t SET {};",
        list(|(name, _, change)| { format!("{name} = {}", change.split_once(" -> ").expect("an arrow").1) })
    );
    let values = list(|(_, _, change)| change.split_once(" -> ").expect("an arrow").0.to_owned());
    let fill: &'static str = format!("INSERT INTO t VALUES (1, {values})").leak();
    let files = [("0001_ground.sql", &*before), ("0002_x.up.sql", &*up), ("0002_x.down.sql", "SELECT 1;")];
    let output: Vec<String> = columns.iter().map(|(name, ..)| format!("`t.{name}` was ")).collect();
    let words: Vec<&str> = output.iter().map(String::as_str).collect();
    let says = Sql { fill: vec![fill].leak(), ..TWO };
    caught(tests(&files, vec![says.of(2)]), dialect, 2, Phase::ValuesAfterApply, &words).await;
}

#[tokio::test]
async fn every_kind_of_value_of_postgres() {
    let columns = [
        ("a", "DOUBLE PRECISION", "0.1 -> 0.10000000000000002"),
        ("b", "REAL", "'-0' -> '0'"),
        ("c", "NUMERIC", "1.0 -> 1.00"),
        ("d", "BYTEA", "'\\x00ff' -> '\\x00fe'"),
        ("e", "JSON", "'{\"a\": 1}' -> '{\"a\":1}'"),
        ("f", "JSONB", "'{\"a\": null}' -> '{}'"),
        ("g", "TEXT[]", "'{NULL}' -> '{\"NULL\"}'"),
        ("h", "TEXT[]", "'{}' -> NULL"),
        ("i", "TIMESTAMPTZ", "'2020-01-01 00:00:00.000001+00' -> '2020-01-01 00:00:00+00'"),
        ("j", "CHAR(3)", "'a' -> 'b'"),
        ("k", "TEXT", "E'a,b|c;\\n\\\\N' -> E'a,b|c;\\n\\\\n'"),
        ("l", "INTERVAL", "'1 month' -> '30 days'"),
        ("m", "BIT VARYING", "B'01' -> B'001'"),
        ("n", "POINT", "'(1,2)' -> '(1,3)'"),
        ("o", "TEXT", "'é' -> E'e\\u0301'"),
    ];
    every_kind(Dialect::Postgres, &columns).await;
}

#[tokio::test]
async fn every_kind_of_value_of_sqlite() {
    let columns = [
        ("a", "REAL", "0.1 -> 0.10000000000000002"),
        ("b", "", "1 -> 1.0"),
        ("c", "", "1 -> '1'"),
        ("d", "", "'a' -> x'61'"),
        ("e", "", "x'00ff' -> x'00fe'"),
        ("f", "TEXT", "'a' || char(0) || 'b' -> 'a' || char(0) || 'c'"),
        ("g", "TEXT", "'' -> NULL"),
        ("h", "", "x'' -> ''"),
        ("i", "TEXT", "'a,b|c;' || char(10) -> 'a,b|c;' || char(13)"),
        ("j", "INTEGER", "9223372036854775807 -> 9223372036854775806"),
    ];
    every_kind(Dialect::Sqlite, &columns).await;
}

/// The new type cuts values off.
#[tokio::test]
async fn a_type_that_cuts_values_off() {
    let up = "ALTER TABLE users ALTER COLUMN city TYPE VARCHAR(2) USING left(city, 2);";
    let down = "ALTER TABLE users ALTER COLUMN city TYPE VARCHAR(40);";
    let words = ["`users.city` was 'Ulm' and is 'Ul' where id = 1"];
    second(TWO, Dialect::Postgres, up, down, Phase::ValuesAfterApply, &words).await;
}

/// A one-way script is checked too.
#[tokio::test]
async fn a_one_way_script_that_depends_on_the_session() {
    let one_way = |up: &str, step, words: &'static [&'static str]| {
        let files = [USERS, NO_USERS, ("0002_x.sql", &*format!("-- lockgate: irreversible \"x\"\n{up}"))];
        (tests(&files, vec![Sql { changes_values: &["users.city"], ..TWO }.of(2)]), step, words)
    };
    let cases = [
        one_way(
            "UPDATE users SET city = to_char(now(), 'TZ');",
            Phase::RowsAgain,
            &["the rows that it writes depend on settings of the session", "`users.city`"],
        ),
        one_way(
            "DO $$ BEGIN IF current_setting('DateStyle') LIKE 'ISO%' THEN CREATE TABLE x (id INT); END IF; END $$;",
            Phase::SchemaAgain,
            &["the schema that it makes depends on settings of the session", "table public.x: is gone (real)"],
        ),
        one_way("UPDATE users SET city = '13/12/2020'::date::text;", Phase::Apply, &["the migration fails [apply]"]),
        one_way(
            "UPDATE users SET city = '12/13/2020'::date::text;",
            Phase::ApplyAgain,
            &["the migration fails in a session with another"],
        ),
    ];
    for (tests, step, words) in cases {
        caught(tests, Dialect::Postgres, 2, step, words).await;
    }
}
