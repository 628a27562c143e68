//! SIGKILL at every moment of a run that makes two databases and their mirror: each script runs exactly once.

use std::io::{BufRead, BufReader};
use std::process::Child;

use lockgate::{Databases, DatabasesMigrator, Event};

use super::{Server, migrator};
use crate::support::child::{self, say};
use crate::support::set::databases;

const CHILD: &str = "LOCKGATE_TEST_DATABASES_URL";

/// Two databases. The bootstraps cannot run twice: a role and a database of one name are created once.
fn patches() -> &'static Databases {
    databases(&[
        ("migrations.toml", "numbering = \"encoded\"\ndialects = [\"postgres\"]\nmirror = \"lockgate_state\"\n"),
        ("one.00000000.0001.postgres.role.sql", "CREATE ROLE guest_one;"),
        (
            "one.00000000.0002.postgres.database.sql",
            "-- lockgate: psql\n-- lockgate: no-transaction\nCREATE DATABASE one OWNER auditor;\n\
             ALTER DATABASE one SET work_mem = '5MB';\n\\connect one\nCREATE TABLE moved (id int);\n\
             INSERT INTO moved VALUES (1);\nCOPY moved FROM stdin;\n2\n\\.\n\\connect postgres\n\
             COMMENT ON DATABASE one IS 'one';\n",
        ),
        ("one.00000000.0003.postgres.last.sql", "CREATE ROLE guest_last;"),
        ("one.00000001.0001.auditor.a.sql", "CREATE TABLE a (id int);"),
        ("one.00000001.0002.librarian.b.sql", "CREATE TEMPORARY TABLE b (id int); DROP TABLE b;"),
        ("one.00000001.0003.auditor.c.sql", "CREATE TABLE c (id int);"),
        (
            "two.00000000.0001.postgres.database.sql",
            "-- lockgate: no-transaction\nCREATE DATABASE two OWNER librarian;\n",
        ),
        ("two.00000001.0001.librarian.d.sql", "CREATE TABLE d (id int);"),
    ])
}

/// The killed processes run this test, each in its own process. In the test run itself it does nothing.
#[tokio::test]
async fn the_child() {
    let Ok(url) = std::env::var(CHILD) else { return };
    let migrator: DatabasesMigrator = migrator(patches()).options(|options| {
        options.each_statement().on_event(move |event| match event {
            Event::DatabaseStarted { .. } => say("* entered"),
            Event::Started { .. } => say("* started"),
            Event::StatementStarted { .. } => say("* statement"),
            Event::StatementFinished { .. } => say("* finished"),
            Event::Ran { .. } => say("* ran"),
            Event::Committed { .. } => say("* committed"),
            _ => {}
        })
    });
    migrator.apply(&url).await.unwrap();
    say("* done");
}

fn child(url: &str) -> Child {
    child::start("databases::killed::the_child", CHILD, url)
}

async fn clear(server: &Server) {
    for database in ["one", "two", "lockgate_state"] {
        let gone = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'");
        server.texts("postgres", &format!("SELECT count(*)::text FROM ({gone}) x")).await;
        server.admin(&format!("DROP DATABASE IF EXISTS {database}")).await;
    }
    server
        .admin("DROP ROLE IF EXISTS guest_one, guest_last; DROP TABLE IF EXISTS lockgate_history, lockgate_log")
        .await;
}

#[tokio::test]
async fn after_each_odd_word_every_script_runs_exactly_once() {
    kill_after(1).await;
}

#[tokio::test]
async fn after_each_even_word_every_script_runs_exactly_once() {
    kill_after(2).await;
}

/// After every second word of the run in turn, the process is killed; the next run does the rest, and nothing twice.
async fn kill_after(first: usize) {
    let Some(server) = Server::new().await else { return };
    let url = server.url();
    let mut kills = 0;
    for after in (first..).step_by(2) {
        clear(&server).await;
        let mut child = child(&url);
        let out = BufReader::new(child.stdout.take().unwrap());
        let words = out.lines().map_while(Result::ok).filter(|line| line.contains("* "));
        let mut seen = 0;
        let mut done = false;
        for word in words {
            seen += 1;
            done = word.ends_with("* done");
            if done || seen == after {
                break;
            }
        }
        let _ = child.kill();
        child.wait().unwrap();
        assert!(seen > 0, "the child has said nothing");
        if done {
            break;
        }
        kills += 1;
        migrator(patches()).apply(&url).await.unwrap_or_else(|error| panic!("killed after word {after}: {error:?}"));
        let again = migrator(patches()).apply(&url).await.unwrap();
        assert!(again.is_empty(), "killed after word {after}: {again:?}");
        assert_eq!(server.history("one").await.len(), 6, "killed after word {after}");
        assert_eq!(server.history("two").await.len(), 2, "killed after word {after}");
        let mirror = "SELECT database || ' ' || count(*) FROM lockgate_mirror.history GROUP BY database ORDER BY 1";
        let mirror = server.texts("lockgate_state", mirror).await;
        assert_eq!(mirror, ["lockgate_state 1", "one 6", "two 2"], "killed after word {after}");
        let moved = server.texts("one", "SELECT id::text FROM moved ORDER BY id").await;
        assert_eq!(moved, ["1", "2"], "killed after word {after}");
        let once = |names: Vec<String>| names.iter().all(|name| name.ends_with(" 1"));
        for database in ["one", "two", "postgres"] {
            let applied = server.applied(database).await;
            assert!(once(applied.clone()), "killed after word {after}: {applied:?}");
        }
        assert_eq!(server.applied("postgres").await.len(), 4, "killed after word {after}");
    }
    assert!(kills > 12, "only {kills} moments");
}
