//! The proxy of the tests counts round trips truly, and cuts connections where it is asked to.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, raw_sql};
use tokio::net::TcpListener;

use crate::support::postgres;
use crate::support::wire::{Address, Counts, Cut, Message, Session, Shared, Verdict, Wire};

/// Opens a connection through a proxy, and resets the counts.
async fn connected(database: &postgres::Database) -> (Wire, PgConnection) {
    let wire = Wire::in_front_of(&database.url()).await;
    let connection = PgConnection::connect(&wire.url()).await.unwrap();
    assert_eq!(wire.counts().connections, 1);
    wire.reset();
    (wire, connection)
}

async fn rows(database: &postgres::Database) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM t").fetch_one(&mut database.connect().await).await.unwrap()
}

/// Waits until the table has this many rows. The server does not notice immediately that its client is gone.
async fn rows_become(database: &postgres::Database, expected: i64) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while rows(database).await != expected {
        assert!(Instant::now() < deadline, "{} rows", rows(database).await);
    }
}

#[test]
fn a_url_goes_through_the_proxy() {
    let through = |url| Address::of(url).through(7);
    assert_eq!(through("postgres://u:p@h:1/a?x=y/z"), "postgres://u:p@127.0.0.1:7/a?x=y/z&sslmode=disable");
    assert_eq!(through("postgres://h/a"), "postgres://127.0.0.1:7/a?sslmode=disable");
    assert_eq!(Address::of("postgres://h/a").port, 5432);
}

#[tokio::test]
async fn round_trips_and_commits_are_counted() {
    let Some(database) = postgres::database() else { return };
    let (wire, mut connection) = connected(&database).await;
    assert_eq!(wire.counts(), Counts::default());

    connection.execute(raw_sql("BEGIN; CREATE TABLE t (x int); COMMIT; BEGIN; COMMIT")).await.unwrap();
    let counts = wire.counts();
    assert_eq!((counts.round_trips, counts.completions, counts.commits), (1, 5, 2));
    assert_eq!(counts.sql, ["BEGIN; CREATE TABLE t (x int); COMMIT; BEGIN; COMMIT"]);
    assert_eq!(counts.messages, BTreeMap::from([('Q', 1)]));
    assert_eq!(counts.bytes_sent, 5 + counts.sql[0].len() + 1);

    // A statement with parameters is prepared first, and then cached.
    wire.reset();
    let insert = "INSERT INTO t VALUES ($1)";
    sqlx::query(insert).bind(1).execute(&mut connection).await.unwrap();
    let counts = wire.counts();
    assert_eq!((counts.round_trips, counts.of('P'), counts.of('B'), counts.of('Q')), (2, 1, 1, 0));
    assert_eq!(counts.sql, [insert]);
    wire.reset();
    sqlx::query(insert).bind(2).execute(&mut connection).await.unwrap();
    assert_eq!((wire.counts().round_trips, wire.counts().sql.len()), (1, 0));

    // The server asks for the data before the client sends it, so these are two round trips.
    wire.reset();
    let mut copy = connection.copy_in_raw("COPY t FROM STDIN").await.unwrap();
    copy.send(b"3\n4\n".as_slice()).await.unwrap();
    copy.finish().await.unwrap();
    assert_eq!(wire.counts().round_trips, 2);

    // An error is an answer too, and Terminate is not a round trip.
    wire.reset();
    connection.execute("SELECT 1/0").await.unwrap_err();
    connection.close().await.unwrap();
    assert_eq!((wire.counts().round_trips, wire.counts().completions), (1, 0));
    assert_eq!(rows(&database).await, 4);
}

/// Counts the round trips of a conversation, given as the types of the client's messages after `>`, and of the
/// server's after `<`.
fn round_trips(conversation: &str) -> usize {
    let (mut session, mut shared) = (Session::default(), Shared::default());
    for turn in conversation.split_whitespace() {
        let (side, kinds) = turn.split_at(1);
        for kind in kinds.chars() {
            let message = Message { kind, bytes: &mut [kind as u8, 0, 0, 0, 6, 0, 0] };
            let verdict = match side {
                ">" => session.sent(&message, &mut shared),
                _ => session.received(&message, &mut shared),
            };
            assert!(verdict == Verdict::Pass);
        }
    }
    shared.counts.round_trips
}

#[test]
fn a_message_after_a_wait_is_a_round_trip() {
    assert_eq!(round_trips(">p <RSKZ"), 0);
    assert_eq!(round_trips("<RZ >X"), 0);
    assert_eq!(round_trips("<RZ >Q <CZ >Q <CZ >X"), 2);
    // Sent without waiting for the first answer.
    assert_eq!(round_trips("<RZ >QQ <CZCZ >Q <CZ"), 2);
    assert_eq!(round_trips("<RZ >Q <C >Q <ZCZ >Q <CZ"), 2);
    // Prepared, then run.
    assert_eq!(round_trips("<RZ >PDS <1tnZ >BES <2CZ"), 2);
    assert_eq!(round_trips("<RZ >PDH <1tn >BES <2CZ"), 2);
    assert_eq!(round_trips("<RZ >PDBES <1tn2CZ"), 1);
    // Notices are not answers, but a request for COPY data is one.
    assert_eq!(round_trips("<RZ >PH <NSA >BES <12CZ"), 1);
    assert_eq!(round_trips("<RZ >Q <G >dddc <CZ"), 2);
}

#[tokio::test]
async fn a_message_in_many_pieces_is_one_round_trip() {
    let Some(database) = postgres::database() else { return };
    let (wire, mut connection) = connected(&database).await;
    let long = format!("SELECT '{}'", "x".repeat(1 << 20));
    connection.execute(raw_sql(AssertSqlSafe(long.clone()))).await.unwrap();
    let counts = wire.counts();
    assert_eq!((counts.round_trips, &counts.sql), (1, &vec![long]));
    assert!(counts.bytes_received > 1 << 20);
}

#[tokio::test]
async fn latency_is_added_per_round_trip_and_not_per_message() {
    let Some(database) = postgres::database() else { return };
    let (wire, mut connection) = connected(&database).await;
    wire.delay(Duration::from_millis(100));
    let start = Instant::now();
    connection.execute(raw_sql("SELECT 1; SELECT 2; SELECT 3")).await.unwrap();
    let one = start.elapsed();
    assert!(one >= Duration::from_millis(200), "{one:?}");
    let start = Instant::now();
    connection.execute(raw_sql("SELECT 1")).await.unwrap();
    connection.execute(raw_sql("SELECT 2")).await.unwrap();
    let two = start.elapsed();
    assert!(two >= Duration::from_millis(400), "{two:?}");
}

#[tokio::test]
async fn a_connection_is_cut_before_a_query_once() {
    let Some(database) = postgres::database() else { return };
    let (wire, mut connection) = connected(&database).await;
    connection.execute(raw_sql("CREATE TABLE t (x int)")).await.unwrap();
    wire.cut(Cut::BeforeQuery(2));
    connection.execute(raw_sql("INSERT INTO t VALUES (1)")).await.unwrap();
    assert!(wire.is_cut_pending());
    connection.execute(raw_sql("INSERT INTO t VALUES (2)")).await.unwrap_err();
    assert!(!wire.is_cut_pending());
    assert_eq!(rows(&database).await, 1);

    let mut again = PgConnection::connect(&wire.url()).await.unwrap();
    again.execute(raw_sql("INSERT INTO t VALUES (3)")).await.unwrap();
    assert_eq!(rows(&database).await, 2);
}

#[tokio::test]
async fn a_connection_is_cut_after_a_query_that_the_server_got() {
    let Some(database) = postgres::database() else { return };
    let (wire, mut connection) = connected(&database).await;
    connection.execute(raw_sql("CREATE TABLE t (x int)")).await.unwrap();
    wire.cut(Cut::AfterQuery(1));
    connection.execute(raw_sql("INSERT INTO t VALUES (1)")).await.unwrap_err();
    rows_become(&database, 1).await;
}

#[tokio::test]
async fn a_connection_is_cut_after_the_nth_completion() {
    let Some(database) = postgres::database() else { return };
    let (wire, mut connection) = connected(&database).await;
    connection.execute(raw_sql("CREATE TABLE t (x int)")).await.unwrap();
    wire.reset();
    wire.cut(Cut::AfterCompletions(2));
    connection.execute(raw_sql("INSERT INTO t VALUES (1)")).await.unwrap();
    connection.execute(raw_sql("INSERT INTO t VALUES (2); INSERT INTO t VALUES (3)")).await.unwrap_err();
    assert_eq!(wire.counts().completions, 2);
    // The server has already received the whole message, and runs all of it.
    rows_become(&database, 3).await;
}

#[tokio::test]
async fn an_unreachable_server_gives_no_answer() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let wire = Wire::start("127.0.0.1", unused).await;
    assert_eq!(wire.url(), format!("postgres://127.0.0.1:{}/?sslmode=disable", wire.port()));
    PgConnection::connect(&wire.url()).await.unwrap_err();
    assert_eq!(wire.counts(), Counts::default());
}
