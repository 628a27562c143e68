//! Reading changes neither the session nor the database, and names unknown objects.

use lockgate::{ErrorKind, Migrator, read_schema};
use sqlx::{Connection, Row};

use super::{read, run};
use crate::support::set::migrations;
use crate::support::{polled, postgres};

async fn text(connection: &mut sqlx::PgConnection, sql: &'static str) -> String {
    let row = sqlx::raw_sql(sql).fetch_one(connection).await.unwrap();
    row.get(0)
}

#[tokio::test]
async fn a_lent_connection_is_returned_unchanged() {
    let Some(database) = postgres::database() else { return };
    let mut connection = database.connect().await;
    run(&mut connection, "SET search_path = public, pg_catalog; SET TimeZone = 'Asia/Tokyo'; CREATE TABLE t (a int)")
        .await;
    assert_eq!(read_schema(&mut connection).await.unwrap().tables.len(), 1);
    assert_eq!(text(&mut connection, "SHOW search_path").await, "public, pg_catalog");
    assert_eq!(text(&mut connection, "SHOW TimeZone").await, "Asia/Tokyo");
    let idle = "SELECT (transaction_timestamp() = statement_timestamp())::text";
    assert_eq!(text(&mut connection, idle).await, "true");

    // Dropped wherever it waits.
    for polls in 1..60 {
        if polled(read_schema(&mut connection), polls).await.is_some() {
            break;
        }
        assert_eq!(text(&mut connection, "SHOW search_path").await, "public, pg_catalog", "after {polls} polls");
        assert_eq!(text(&mut connection, idle).await, "true", "after {polls} polls");
    }
    run(&mut connection, "INSERT INTO t VALUES (1)").await;
}

#[tokio::test]
async fn a_connection_inside_a_transaction_is_refused_and_left_in_it() {
    let Some(database) = postgres::database() else { return };
    let mut connection = database.connect().await;
    run(&mut connection, "BEGIN; CREATE TABLE t (a int)").await;
    let error = read_schema(&mut connection).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("inside a transaction"), "{error}");
    run(&mut connection, "COMMIT").await;
    assert_eq!(read_schema(&mut connection).await.unwrap().tables.len(), 1);

    let mut transaction = connection.begin().await.unwrap();
    let error = read_schema(&mut *transaction).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    transaction.rollback().await.unwrap();
}

#[tokio::test]
async fn a_session_that_may_not_write_may_read() {
    let Some(database) = postgres::database() else { return };
    let mut connection = database.connect().await;
    run(&mut connection, "CREATE TABLE t (a int); SET default_transaction_read_only = on").await;
    assert_eq!(read_schema(&mut connection).await.unwrap().tables.len(), 1);
    run(&mut connection, "SET default_transaction_read_only = off; SET ROLE pg_monitor").await;
    assert_eq!(read_schema(&mut connection).await.unwrap(), read(&database.url()).await);
}

#[tokio::test]
async fn only_the_own_session_sees_its_temporary_objects() {
    let Some(database) = postgres::database() else { return };
    let mut connection = database.connect().await;
    let before = read_schema(&mut connection).await.unwrap();
    run(
        &mut connection,
        "CREATE TEMPORARY TABLE left_over (id serial PRIMARY KEY, a text CHECK (a <> '')); CREATE INDEX ON left_over (a); \
         CREATE TEMPORARY VIEW shown AS SELECT a FROM left_over; CREATE TEMPORARY TABLE pg_class (a int); \
         CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TYPE pg_temp.e AS ENUM ('a')",
    )
    .await;
    let here = read_schema(&mut connection).await.unwrap().to_text();
    for line in [
        "table pg_temp.left_over TEMPORARY",
        "table pg_temp.pg_class TEMPORARY",
        "view pg_temp.shown",
        "function pg_temp.f()",
        "enum pg_temp.e",
        "sequence pg_temp.left_over_id_seq AS integer TEMPORARY",
    ] {
        assert!(here.contains(line), "{line} is not in\n{here}");
    }
    assert!(!here.contains("pg_temp_"), "{here}");
    assert_eq!(read(&database.url()).await, before);
}

#[tokio::test]
async fn the_history_is_not_part_of_the_schema() {
    let files = [("0001_a.up.sql", "CREATE TABLE a (id int);"), ("0001_a.down.sql", "DROP TABLE a;")];
    let migrations = migrations(&files);
    let Some(database) = postgres::database() else { return };
    let pool = database.pool().await;
    let migrator = Migrator::new(migrations).history_table("ops.done");
    let empty = read(&database.url()).await;
    migrator.apply(&pool).await.unwrap();
    Migrator::new(migrations).baseline(&pool, lockgate::Version::new(1).unwrap()).await.unwrap();
    let ours = read_schema(&pool).await.unwrap().to_text();
    assert!(ours.contains("table ops.done\n") && !ours.contains("lockgate_"), "{ours}");
    let own = migrator.read_schema(&pool).await.unwrap().to_text();
    assert!(!own.contains("ops") && own.contains("lockgate_history"), "{own}");
    migrator.revert(&pool, lockgate::DownTo::Empty).await.unwrap();
    run(&mut database.connect().await, "DROP TABLE lockgate_history, lockgate_log").await;
    assert_eq!(migrator.read_schema(&pool).await.unwrap(), empty);
    // A table with this name in another schema is a user's table.
    run(&mut database.connect().await, "CREATE SCHEMA x; CREATE TABLE x.lockgate_log (a int)").await;
    assert!(read(&database.url()).await.to_text().contains("table x.lockgate_log\n"));
}

#[tokio::test]
async fn an_unknown_kind_of_object_is_named() {
    let Some(database) = postgres::database() else { return };
    let mut connection = database.connect().await;
    run(&mut connection, "CREATE SCHEMA app; CREATE TABLE app.t (a int PRIMARY KEY); CREATE VIEW app.v AS SELECT 1")
        .await;
    read(&database.url()).await;
    // As on a newer server: unknown kinds and catalogues.
    let cases = [
        (
            "UPDATE pg_class SET relkind = 'g' WHERE relname = 'v'",
            "UPDATE pg_class SET relkind = 'v' WHERE relname = 'v'",
            "the relation app.v, of kind `g`",
        ),
        (
            "CREATE TYPE app.e AS ENUM ('a'); UPDATE pg_type SET typtype = 'q' WHERE typname = 'e'",
            "UPDATE pg_type SET typtype = 'e' WHERE typname = 'e'",
            "the type app.e, of kind `q`",
        ),
        (
            "UPDATE pg_constraint SET contype = 'y' WHERE conname = 't_pkey'",
            "UPDATE pg_constraint SET contype = 'p' WHERE conname = 't_pkey'",
            "the constraint `t_pkey`, of kind `y`",
        ),
        (
            "INSERT INTO pg_depend SELECT 'pg_tablespace'::regclass, 99999, 0, 'pg_namespace'::regclass, 'app'::regnamespace, 0, 'n'; \
             INSERT INTO pg_tablespace (oid, spcname, spcowner) VALUES (99999, 'lockgate_test_unknown', 10)",
            "DELETE FROM pg_tablespace WHERE oid = 99999; DELETE FROM pg_depend WHERE objid = 99999",
            "the tablespace `lockgate_test_unknown` (pg_tablespace)",
        ),
    ];
    for (make, unmake, words) in cases {
        run(&mut connection, make).await;
        let error = read_schema(&database.pool().await).await.unwrap_err();
        run(&mut connection, unmake).await;
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.report().to_string().contains("help: use a newer release"), "{error:?}");
        read(&database.url()).await;
    }
    connection.close().await.unwrap();
}

#[tokio::test]
async fn objects_of_an_extension_are_left_out() {
    let Some(database) = postgres::database() else { return };
    let mut connection = database.connect().await;
    let available = "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'hstore')::text";
    if text(&mut connection, available).await != "true" {
        return postgres::skip("the server has no hstore");
    }
    let before = read(&database.url()).await;
    run(&mut connection, "CREATE EXTENSION hstore").await;
    let with = read(&database.url()).await;
    let differences = lockgate::schema::compare(&before, &with);
    assert_eq!(differences.len(), 1, "{differences:#?}");
    assert_eq!(differences[0].object, "extension hstore");
    run(&mut connection, "CREATE TABLE t (a hstore); DROP TABLE t; DROP EXTENSION hstore").await;
    assert_eq!(read(&database.url()).await, before);
}
