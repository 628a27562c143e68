//! What is read of a PostgreSQL database: every kind of object, and nothing that depends on the session
//! that reads.

mod changes;
mod drafts;
mod kinds;
mod session;

use lockgate::schema::Schema;
use lockgate::{Database, read_schema};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::support::{postgres, text};

/// A step of a table in these tests: SQL with what it is about. `15+ ` in front leaves it out on a server
/// that is older.
struct Step {
    sql: &'static str,
}

/// The condition in the line before a step's SQL.
fn for_release(text: &'static str, release: u32) -> Option<Step> {
    let Some((from, sql)) = text.split_once("+ ") else { return Some(Step { sql: text }) };
    match from.parse::<u32>() {
        Ok(from) => (release >= from).then_some(Step { sql }),
        Err(_) => Some(Step { sql: text }),
    }
}

/// The main version of the server.
async fn release(connection: &mut PgConnection) -> u32 {
    let number: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::integer")
        .fetch_one(connection)
        .await
        .expect("the server says what it is");
    number.unsigned_abs() / 10_000
}

async fn run(connection: &mut PgConnection, sql: &str) {
    let ran = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await;
    ran.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn read(url: &str) -> Schema {
    let mut database = Database::connect(url).await.expect("a database of a test can be connected to");
    let schema = read_schema(&mut database).await.unwrap_or_else(|error| panic!("{error:?}"));
    text::says_all(&schema);
    schema
}

#[tokio::test]
async fn an_unchanged_database_reads_equal_a_hundred_times() {
    let Some(database) = postgres::database() else { return };
    let mut connection = database.connect().await;
    let release = release(&mut connection).await;
    for (text, _) in kinds::KINDS {
        if let Some(step) = for_release(text, release) {
            run(&mut connection, step.sql).await;
        }
    }
    let pool = database.pool().await;
    let first = read_schema(&pool).await.unwrap();
    assert!(first.tables.len() > 10 && first.objects.len() > 20, "{}", first.to_text());
    for _ in 0..100 {
        let again = read_schema(&pool).await.unwrap();
        assert!(again == first, "{:#?}", lockgate::schema::compare(&first, &again));
    }
    // Another session, of another mind about everything that decides how an expression is written.
    run(
        &mut connection,
        "SET search_path = app, public; SET DateStyle = 'German'; SET TimeZone = 'Asia/Tokyo'; SET IntervalStyle = 'iso_8601'; \
         SET quote_all_identifiers = on; SET extra_float_digits = -10; SET bytea_output = 'escape'",
    )
    .await;
    let again = read_schema(&mut connection).await.unwrap();
    assert!(again == first, "{:#?}", lockgate::schema::compare(&first, &again));
    // No database with a subscription can be dropped.
    run(&mut connection, "DROP SUBSCRIPTION away").await;
    connection.close().await.unwrap();
}

/// A schema written by hand, which is not `public` and not on the search path.
#[tokio::test]
async fn an_index_made_by_hand_in_another_schema_is_seen() {
    let Some(database) = postgres::database() else { return };
    let mut connection = database.connect().await;
    run(&mut connection, "CREATE SCHEMA audit; CREATE TABLE audit.log (id int); CREATE TABLE log (id int)").await;
    let before = read(&database.url()).await;
    run(&mut connection, "CREATE INDEX by_hand ON audit.log (id)").await;
    let after = read(&database.url()).await;
    let found: Vec<String> = lockgate::schema::compare(&before, &after).iter().map(ToString::to_string).collect();
    assert_eq!(found, ["table audit.log: index by_hand is new (real)"]);
    connection.close().await.unwrap();
}
