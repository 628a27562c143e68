//! An INVALID index is dropped by the command that a message offers, and nothing else is.

use lockgate::{Audience, Database, ErrorKind, Migrator, Stage};
use lockgate_cli::Exit;
use sqlx::{Connection, Executor, PgConnection};

use crate::advice::types;
use crate::support::app::Place;
use crate::support::database::Db;
use crate::support::set::migrations;

const MEMBER: (&str, &str) = (
    "0001_member.sql",
    "CREATE TABLE member (id INTEGER, email TEXT);\nINSERT INTO member VALUES (1, 'ann@example.org'), (2, 'ann@example.org');",
);
const INVALID: &str = "SELECT count(*)::text FROM pg_index WHERE NOT indisvalid";

/// A database with the INVALID index `by_email`, which no run of ours has left.
async fn with_invalid() -> Option<Db> {
    let db = Db::postgres()?;
    db.apply(migrations(&[MEMBER])).await;
    let mut other = PgConnection::connect(&db.url()).await.unwrap();
    other.execute("CREATE UNIQUE INDEX CONCURRENTLY by_email ON member (email)").await.unwrap_err();
    Some(db)
}

async fn why(db: &Db, migrator: &Migrator, index: &str) -> String {
    let error = migrator.drop_invalid_index(&mut db.open().await, index).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    let text = error.report_for(Audience::CommandLine).to_string();
    assert!(text.contains("nothing was changed"), "{text}");
    text
}

#[tokio::test]
async fn it_is_dropped_and_the_log_says_so() {
    let Some(db) = with_invalid().await else { return };
    let set = migrations(&[MEMBER]);
    let dropped =
        Migrator::new(set).repair_reason("half built").drop_invalid_index(&mut db.open().await, "by_email").await;
    assert_eq!(dropped.unwrap(), "public.by_email");
    assert_eq!(db.texts("SELECT count(*)::text FROM pg_class WHERE relname LIKE 'lockgate_invalid%'").await, ["0"]);
    assert_eq!(db.texts(INVALID).await, ["0"]);
    let log = Migrator::new(set).log(&mut db.open().await, 9).await.unwrap();
    let last = log.last().unwrap();
    assert_eq!((last.event.as_str(), last.version.get()), ("index-dropped", 1));
    assert_eq!(last.detail.as_deref(), Some("public.by_email: half built"));
    // A second time there is nothing to drop.
    assert!(why(&db, &Migrator::new(set), "by_email").await.contains("there is no index by_email"));
}

/// The session has other settings afterwards as little as before, also one that was lent.
#[tokio::test]
async fn an_odd_name_is_typed_as_the_message_says() {
    let Some(db) = Db::postgres() else { return };
    db.apply(migrations(&[MEMBER])).await;
    db.execute("CREATE SCHEMA \"Odd 'one\"; CREATE TABLE \"Odd 'one\".t (id INTEGER); INSERT INTO \"Odd 'one\".t VALUES (1), (1)")
        .await;
    let mut lent = PgConnection::connect(&db.url()).await.unwrap();
    let odd = "CREATE UNIQUE INDEX CONCURRENTLY \"by.\"\"id\" ON \"Odd 'one\".t (id)";
    lent.execute(odd).await.unwrap_err();
    let set = migrations(&[MEMBER]);
    let name = "\"Odd 'one\".\"by.\"\"id\"";
    assert_eq!(
        Audience::CommandLine.drop_invalid_index(name),
        "`repair --drop-invalid-index '\"Odd '\\''one\".\"by.\"\"id\"'`",
        "as a shell reads it"
    );
    let settings = "SELECT string_agg(name || setting, ' ' ORDER BY name) FROM pg_settings WHERE source = 'session'";
    let before: Option<String> = sqlx::query_scalar(settings).fetch_one(&mut lent).await.unwrap();
    let dropped = Migrator::new(set).drop_invalid_index(&mut lent, name).await.unwrap();
    assert_eq!(dropped, name);
    let after: Option<String> = sqlx::query_scalar(settings).fetch_one(&mut lent).await.unwrap();
    assert_eq!(before, after);
    assert_eq!(db.texts(INVALID).await, ["0"]);
}

#[tokio::test]
async fn nothing_else_is_dropped() {
    let Some(db) = with_invalid().await else { return };
    db.execute(
        "CREATE INDEX by_id ON member (id); CREATE TABLE parted (id INTEGER) PARTITION BY RANGE (id); \
         CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (9); CREATE INDEX parted_id ON ONLY parted (id); \
         CREATE TABLE keyed (id INTEGER PRIMARY KEY); \
         UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'keyed_pkey'::regclass",
    )
    .await;
    let migrator = Migrator::new(migrations(&[MEMBER]));
    assert!(why(&db, &migrator, "by_id").await.contains("the index public.by_id is valid"));
    for none in ["by_nothing", "member", "nowhere.by_email", "pg_catalog.by_email"] {
        assert!(why(&db, &migrator, none).await.contains(&format!("there is no index {none}")));
    }
    for part in ["parted_id", "keyed_pkey"] {
        let text = why(&db, &migrator, part).await;
        assert!(text.contains(&format!("the index public.{part} belongs to a constraint, or to")), "{text}");
    }
    for none in ["a b", "a.b.c", "\"a"] {
        let error = migrator.drop_invalid_index(&mut db.open().await, none).await.unwrap_err();
        assert_eq!(error.to_string(), format!("`{none}` does not name an index"));
        assert_eq!(error.kind(), ErrorKind::Usage);
    }

    db.execute("UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'keyed_pkey'::regclass").await;
    migrator.mark_stage(&mut db.open().await, Stage::Production).await.unwrap();
    let text = why(&db, &migrator, "by_email").await;
    assert!(text.contains("`--override-stage \"why\"`"), "{text}");
    let overriding = migrator.override_stage("it is INVALID");
    overriding.drop_invalid_index(&mut db.open().await, "by_email").await.unwrap();
    let events = "SELECT event || ' ' || detail FROM lockgate_log WHERE detail IS NOT NULL ORDER BY id";
    assert_eq!(db.texts(events).await, ["overridden production: it is INVALID", "index-dropped public.by_email"]);

    let mut sqlite = Database::connect("sqlite::memory:").await.unwrap();
    let error = Migrator::new(migrations(&[MEMBER])).drop_invalid_index(&mut sqlite, "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
}

/// While another session builds it, an index is INVALID too.
#[tokio::test]
async fn an_index_that_is_being_built_stays() {
    let Some(db) = Db::postgres() else { return };
    let set = migrations(&[MEMBER]);
    db.apply(set).await;
    let mut writer = PgConnection::connect(&db.url()).await.unwrap();
    writer.execute("BEGIN; UPDATE member SET id = 3 WHERE id = 2").await.unwrap();
    let mut builder = PgConnection::connect(&db.url()).await.unwrap();
    let builds = async { builder.execute("CREATE INDEX CONCURRENTLY by_id ON member (id)").await.unwrap() };
    let looks = async {
        while db.texts(INVALID).await != ["1"] {
            tokio::task::yield_now().await;
        }
        let text = why(&db, &Migrator::new(set), "by_id").await;
        assert!(text.contains("another session is building the index public.by_id"), "{text}");
        writer.execute("COMMIT").await.unwrap();
    };
    tokio::join!(builds, looks);
    assert_eq!(db.texts(INVALID).await, ["0"]);
    assert!(why(&db, &Migrator::new(set), "by_id").await.contains("the index public.by_id is valid"));
}

/// From the finding of `doctor` to a database without one, word for word.
#[tokio::test]
async fn the_line_of_doctor_can_be_typed() {
    let Some(db) = with_invalid().await else { return };
    let set = migrations(&[MEMBER]);
    let mut database = db.open().await;
    let findings = lockgate::doctor::examine(&Migrator::new(set), &mut database, Default::default()).await.unwrap();
    let found = findings.iter().find(|finding| finding.check() == "invalid-index").unwrap();
    let advice: Vec<&str> = found.advice_for(Audience::CommandLine).collect();
    let line = advice[0].split('`').nth(1).unwrap();
    assert_eq!(line, "repair --drop-invalid-index public.by_email");
    assert_eq!(types(set, &db.url(), line).await, Exit::Done);
    assert_eq!(db.texts(INVALID).await, ["0"]);
}

#[test]
fn the_command_says_what_it_did() {
    let Some(place) = Place::postgres() else { return };
    place.ok(&["up"]);
    place.try_rows("CREATE TABLE t (id INTEGER)").unwrap();
    place.try_rows("INSERT INTO t VALUES (1), (1)").unwrap();
    for format in ["text", "json"] {
        place.try_rows("CREATE UNIQUE INDEX CONCURRENTLY t_id ON t (id)").unwrap_err();
        let output = place.ok(&["repair", "--drop-invalid-index", "t_id", "--format", format]);
        match format {
            "text" => assert_eq!(output, "dropped the INVALID index public.t_id\n"),
            _ => assert!(output.ends_with(",\"index-dropped\":\"public.t_id\"}\n"), "{output}"),
        }
    }
    let refused = place.app(&["repair", "--drop-invalid-index", "t_id"]);
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    assert!(refused.err.contains("there is no index t_id") && refused.err.contains("`doctor` lists"), "{refused:#?}");
    assert!(place.ok(&["history"]).contains("index-dropped: public.t_id\n"));
}
