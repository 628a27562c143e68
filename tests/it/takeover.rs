//! Taking over a live database: its dump is the first migration, recorded without running after it was compared with what
//! the dump makes.

use lockgate::schema::{Class, Policy};
use lockgate::{Database, Error, ErrorKind, Migrations, Migrator};
use lockgate_harness::server::Options;
use sqlx::Executor;

use crate::copy::LIBRARY;
use crate::support::postgres::{self, client};
use crate::support::set::migrations;

fn says(error: &Error, words: &[&str]) {
    let shown = format!("{error:?}");
    assert!(words.iter().all(|word| shown.contains(word)), "{words:?} in {shown}");
}

#[tokio::test]
async fn a_live_database_is_taken_over_by_its_dump() {
    let Some(folder) = postgres::folder_with("pg_dump") else { return };
    let Some(server) = postgres::cluster(&Options::default().bin(&folder)) else { return };
    let mut admin = Database::connect(&server.url("postgres")).await.unwrap();
    let admin = admin.postgres().unwrap();
    admin.execute("CREATE ROLE librarian LOGIN PASSWORD 'x'").await.unwrap();
    admin.execute("CREATE DATABASE library TEMPLATE template0").await.unwrap();
    let (url, scratch) = (server.url("library"), server.url("postgres"));
    let mut live = Database::connect(&url).await.unwrap();
    live.postgres().unwrap().execute(LIBRARY).await.unwrap();
    live.postgres().unwrap().execute("ALTER TABLE public.loan OWNER TO librarian").await.unwrap();
    let dump = client(&folder, "pg_dump", &["--schema-only", "--dbname", &url]);
    let policy = ("migrations.toml", "dialects = [\"postgres\"]\n[lint]\nplpgsql-syntax = \"allow\"\n");
    let files = [policy, ("0001_dump.sql", dump.as_str()), ("0002_next.sql", "CREATE TABLE public.next (id int);")];
    let set: &'static Migrations = migrations(&files);
    let migrator = Migrator::new(set);
    let first = set.iter().next().unwrap().version();

    assert_eq!(migrator.verify(&mut live, first, &scratch).await.unwrap(), []);
    // Somebody has worked on the database after the dump was made.
    let later = "COMMENT ON TABLE public.loan IS 'edited'; ALTER TABLE public.loan OWNER TO CURRENT_USER; \
                 ALTER TABLE public.loan ADD COLUMN extra text;";
    live.postgres().unwrap().execute(later).await.unwrap();
    let refused = migrator.baseline_verified(&mut live, first, &scratch, &Policy::strict()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Refused);
    says(
        &refused,
        &[
            "the database is not what the migrations make, and nothing was recorded",
            "1 difference of the class `real`:",
            "table public.loan: column extra is new (real)",
            "correct the migrations, or the database; or accept them with `Policy::tolerating([Class::Real])`",
            "1 difference of the class `owner`:",
            "1 difference of the class `comment`:",
        ],
    );
    let accepted = Policy::tolerating([Class::Owner, Class::Comment]);
    let refused = migrator.baseline_verified(&mut live, first, &scratch, &accepted).await.unwrap_err();
    let shown = format!("{refused:?}");
    assert!(shown.contains("class `real`") && !shown.contains("class `owner`"), "{shown}");
    live.postgres().unwrap().execute("ALTER TABLE public.loan DROP COLUMN extra").await.unwrap();
    assert!(migrator.status(&mut live).await.unwrap().current().is_none(), "nothing was recorded");
    let report = migrator.baseline_verified(&mut live, first, &scratch, &accepted).await.unwrap();
    assert_eq!(report.steps.len(), 1);
    assert_eq!(migrator.apply(&mut live).await.unwrap().steps[0].id, "0002_next");

    // Nothing is left, also after a dump that does not run.
    let broken = Migrator::new(migrations(&[policy, ("0001_dump.sql", "SELECT 1 / 0;")]));
    let error = broken.verify(&mut live, first, &scratch).await.unwrap_err();
    says(&error, &["the scratch database: `0001_dump` failed at statement 1 of 1"]);
    let denied = format!("postgres://librarian:x@127.0.0.1:{}/postgres", server.port());
    let error = migrator.verify(&mut live, first, &denied).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    says(&error, &["no scratch database can be made", "the login needs CREATEDB; or give the URL"]);
    let left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'lockgate_scratch%'";
    let left: i64 = sqlx::query_scalar(left).fetch_one(live.postgres().unwrap()).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_database_of_sqlite_is_compared_in_memory() {
    let set = migrations(&[("0001_a.sql", "CREATE TABLE a (id INTEGER PRIMARY KEY, name TEXT);")]);
    let (migrator, first) = (Migrator::new(set), set.iter().next().unwrap().version());
    let mut live = Database::connect("sqlite::memory:").await.unwrap();
    live.sqlite().unwrap().execute("CREATE TABLE a (id INTEGER PRIMARY KEY)").await.unwrap();
    let memory = "sqlite::memory:";
    let error = migrator.baseline_verified(&mut live, first, memory, &Policy::strict()).await.unwrap_err();
    says(&error, &["table a: column name is gone (real)"]);
    let wrong = migrator.verify(&mut live, first, "sqlite://scratch.db").await.unwrap_err();
    says(&wrong, &["a scratch database of SQLite is in memory"]);
    live.sqlite().unwrap().execute("ALTER TABLE a ADD COLUMN name TEXT").await.unwrap();
    migrator.baseline_verified(&mut live, first, memory, &Policy::strict()).await.unwrap();
    assert!(migrator.apply(&mut live).await.unwrap().is_empty());
}
