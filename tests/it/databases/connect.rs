//! `\connect` in bootstraps: the statements after it run in that database, and each of them runs once.

use std::sync::Mutex;

use lockgate::{Databases, DatabasesMigrator, ErrorKind, Event};
use sqlx::{Connection, Executor, PgConnection};

use super::{Server, migrator};
use crate::support::set::databases;

const POLICY: (&str, &str) = ("migrations.toml", "numbering = \"encoded\"\ndialects = [\"postgres\"]\n");

fn shop(bootstrap: &str) -> &'static Databases {
    let script = format!("-- lockgate: psql\n-- lockgate: no-transaction\n{bootstrap}");
    databases(&[
        POLICY,
        ("shop.00000000.0001.postgres.dump.sql", &script),
        ("shop.00000001.0001.postgres.order.sql", "-- lockgate: psql\n\\connect shop\nCREATE TABLE bought (id int);\n"),
    ])
}

#[tokio::test]
async fn each_statement_runs_in_the_database_that_was_named_last() {
    let Some(server) = Server::new().await else { return };
    let script = "\
SET work_mem = '7MB';
CREATE DATABASE shop;
\\connect shop
CREATE SCHEMA goods;
SELECT pg_catalog.set_config('search_path', 'goods', false);
CREATE TABLE item (id int, note text);
COPY item FROM stdin;
1\tone
\\.
CREATE INDEX CONCURRENTLY item_note ON item (note);
BEGIN;
INSERT INTO item VALUES (2, current_setting('work_mem')), (3, current_user);
COMMIT;
CREATE DATABASE \"odd \"\"one\";
\\connect -reuse-previous=on \"dbname='odd \"\"one'\"
VACUUM;
CREATE TABLE there AS SELECT current_setting('search_path') AS path;
\\connect postgres
CREATE TABLE back AS SELECT current_database()::text AS name, current_setting('work_mem') AS memory;
";
    let report = migrator(shop(script)).apply(&server.url()).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(report.steps().count(), 2);
    let work_mem = server.texts("postgres", "SELECT current_setting('work_mem')").await.remove(0);
    let items = server.texts("shop", "SELECT id || ' ' || note FROM goods.item ORDER BY id").await;
    assert_eq!(items, ["1 one".to_owned(), format!("2 {work_mem}"), "3 postgres".to_owned()]);
    assert_eq!(server.texts("shop", "SELECT indexrelid::regclass::text FROM pg_index WHERE indisvalid AND indexrelid = 'goods.item_note'::regclass").await.len(), 1);
    assert_eq!(server.texts("odd \"one", "SELECT path FROM there").await, ["\"$user\", public"]);
    let back = server.texts("postgres", "SELECT name || ' ' || memory FROM back").await;
    assert_eq!(back, [format!("postgres {work_mem}")], "a session after `\\connect` is a new one");
    assert!(migrator(shop(script)).apply(&server.url()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_failure_there_is_placed_and_the_next_run_goes_on_with_it() {
    let Some(server) = Server::new().await else { return };
    let script = |broken: &str| {
        format!(
            "CREATE DATABASE shop;\n\\connect shop\nCREATE TABLE item (id int);\nSET search_path = pg_catalog;\n\
             INSERT INTO public.item VALUES (1);\n{broken}\nCREATE TABLE public.last (id int);\n"
        )
    };
    let url = server.url();
    let broken = script("INSERT INTO item VALUES (2);");
    let error = migrator(shop(&broken)).apply(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    let shown = format!("{error:?}");
    for says in ["failed at statement", "shop.00000000.0001.postgres.dump.sql:8:13", "relation \"item\" does not exist"]
    {
        assert!(shown.contains(says), "{says}: {shown}");
    }
    assert_eq!(server.texts("shop", "SELECT id::text FROM item").await, ["1"]);
    // It is corrected, and the settings of its session are as they were.
    let right = script("CREATE TABLE public.path AS SELECT current_setting('search_path') AS path;");
    migrator(shop(&right)).apply(&url).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(server.texts("shop", "SELECT id::text FROM item").await, ["1"]);
    assert_eq!(server.texts("shop", "SELECT path FROM path").await, ["pg_catalog"]);

    let nowhere = "CREATE DATABASE other;\n\\connect nowhere\nSELECT 1;\n";
    server.admin("DROP DATABASE shop").await;
    server.admin("DROP TABLE lockgate_history, lockgate_log").await;
    let error = migrator(shop(nowhere)).apply(&url).await.unwrap_err();
    assert!(format!("{error:?}").contains("dump.sql:4:1"), "{error:?}");
}

/// The server has the answer when a run ends while a statement in the other database commits.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_nobody_has_seen_is_neither_repeated_nor_lost() {
    let Some(server) = Server::new().await else { return };
    let script = "\
CREATE DATABASE shop;
\\connect shop
CREATE TABLE item (id int);
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON item DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION slow();
INSERT INTO item VALUES (1);
DROP TRIGGER slow ON item;
";
    let patches = shop(script);
    for is_committed in [true, false] {
        server.admin("DROP TABLE IF EXISTS lockgate_history, lockgate_log").await;
        let url = server.url();
        let (said, heard) = std::sync::mpsc::channel();
        let (go, may_go) = std::sync::mpsc::channel();
        let waits = Mutex::new((said, may_go));
        let running: DatabasesMigrator = migrator(patches).options(move |options| {
            options.on_event(move |event| {
                // The run stops here until the lock is held, which belongs to a database that exists by now.
                if matches!(event, Event::StatementFinished { statements_done: 5, .. }) {
                    let (said, may_go) = &*waits.lock().unwrap();
                    said.send(()).unwrap();
                    // So that another thread drives the connections meanwhile.
                    tokio::task::block_in_place(|| may_go.recv()).unwrap();
                }
            })
        });
        let run = tokio::spawn({
            let url = url.clone();
            async move { running.apply(&url).await }
        });
        tokio::task::spawn_blocking(move || heard.recv()).await.unwrap().expect("the run comes to the trigger");
        let mut holder: PgConnection = server.connect("shop").await;
        holder.execute("SELECT pg_advisory_lock(7)").await.unwrap();
        go.send(()).unwrap();
        let waiting = "SELECT pid::text FROM pg_stat_activity WHERE datname = 'shop' AND query = 'COMMIT' \
                       AND wait_event_type = 'Lock'";
        let pid = loop {
            if let Some(pid) = server.texts("postgres", waiting).await.pop() {
                break pid;
            }
            assert!(!run.is_finished(), "{:?}", run.await);
        };
        run.abort();
        assert!(run.await.unwrap_err().is_cancelled());
        if !is_committed {
            server.texts("postgres", &format!("SELECT pg_terminate_backend({pid})::text")).await;
        }
        holder.close().await.unwrap();
        migrator(patches).apply(&url).await.unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(server.texts("shop", "SELECT id::text FROM item").await, ["1"], "{is_committed}");
        server.admin("DROP DATABASE shop").await;
    }
}
