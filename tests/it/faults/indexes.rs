//! CREATE INDEX CONCURRENTLY fails: the invalid index is named, and the next run can resume.

use std::time::Duration;

use lockgate::{Database, ErrorKind, Migrations, Migrator, Repair, Version};
use sqlx::{Connection, PgConnection};

use super::reports;
use crate::support::database::Db;
use crate::support::set::migrations;
use crate::support::wire::{Cut, Wire};

const MEMBER: (&str, &str) = (
    "0001_member.sql",
    "CREATE TABLE member (id INTEGER, email TEXT);\nINSERT INTO member VALUES (1, 'ann@example.org'), (2, 'ann@example.org');",
);

#[tokio::test]
async fn a_unique_index_that_cannot_be_built_is_named() {
    let Some(db) = Db::postgres() else { return };
    // An invalid index of another statement is not touched.
    db.execute("CREATE TABLE other (id INTEGER); CREATE INDEX other_id ON other (id)").await;
    db.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'other_id'::regclass").await;
    let script = "-- lockgate: no-transaction\nCREATE INDEX CONCURRENTLY member_id ON member (id);\n\
                  CREATE UNIQUE INDEX CONCURRENTLY \"Member's email\" ON member (email);\nVACUUM member;\n";
    let set = migrations(&[MEMBER, ("0002_index.sql", script)]);
    let mut database = db.open().await;
    let invalid = [
        "the index public.\"Member's email\" is INVALID: every write updates it, and no query uses it",
        "fix what the cause names, and `up` drops it and resumes at this statement",
        "`0002_index` is partial: 1 of its 3 statements have finished and stay",
        "migrations/0002_index.sql:3:1",
    ];
    let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &invalid);
    reports(
        &error,
        ErrorKind::Failed,
        &["could not create unique index", "Key (email)=(ann@example.org) is duplicated"],
    );
    assert!(!error.report().to_string().contains("other_id"), "{error:?}");

    // Resuming without a fix fails in the same way; the index is dropped and built again.
    let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &invalid);
    reports(&error, ErrorKind::Failed, &["could not create unique index"]);
    db.execute("DELETE FROM member WHERE id = 2").await;
    Migrator::new(set).apply(&mut database).await.unwrap();
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);
    assert_eq!(db.objects().await, ["Member's email", "member", "member_id", "other", "other_id"]);
}

#[tokio::test]
async fn an_index_without_a_name_is_found_too() {
    let Some(db) = Db::postgres() else { return };
    let script = "-- lockgate: no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY ON member (email);\n";
    let set = migrations(&[MEMBER, ("0002_index.sql", script)]);
    let mut database = db.open().await;
    let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["the index public.member_email_idx is INVALID"]);
    // A failure that leaves nothing behind does not mention an index.
    let set = migrations(&[MEMBER, ("0002_index.sql", &script.replace("email", "mail"))]);
    let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["column \"mail\" does not exist", "correct migrations/0002_index.sql"]);
    assert!(!error.report().to_string().contains("INVALID"), "{error:?}");
}

#[tokio::test]
async fn an_invalid_index_is_not_taken_for_one_that_exists() {
    let Some(db) = Db::postgres() else { return };
    let script = "-- lockgate: no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS email ON member (email);\n\
                  CREATE INDEX CONCURRENTLY IF NOT EXISTS member_id ON member (id);\n";
    let set = migrations(&[MEMBER, ("0002_index.sql", script)]);
    let mut database = db.open().await;
    db.execute("CREATE TABLE member (id INTEGER, email TEXT); CREATE INDEX email ON member (email)").await;
    db.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'email'::regclass").await;
    Migrator::new(set).baseline(&mut database, Version::new(1).unwrap()).await.unwrap();
    let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
    reports(
        &error,
        ErrorKind::Failed,
        &[
            "migrations/0002_index.sql:2:1",
            "the index \"email\" was INVALID before, and IF NOT EXISTS does not rebuild it",
            "`up` drops it",
            "0 of its 2 statements have finished",
        ],
    );
    Migrator::new(set).apply(&mut database).await.unwrap();
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);
}

/// The catalogue decides which index a statement is about, not the similarity of names.
#[tokio::test]
async fn an_invalid_index_of_another_name_is_ignored() {
    let Some(db) = Db::postgres() else { return };
    // Named like a column, a table and a keyword of the statements below, and one of the same name in another schema.
    let others = "CREATE SCHEMA other; CREATE TABLE other.t (id INTEGER); CREATE INDEX email ON other.t (id); \
                  CREATE INDEX member ON other.t (id); CREATE INDEX \"exists\" ON other.t (id); \
                  CREATE INDEX member_id ON other.t (id); \
                  UPDATE pg_index SET indisvalid = false WHERE indrelid = 'other.t'::regclass";
    db.execute(others).await;
    let script = "-- lockgate: no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS by_email ON member (email);\n\
                  CREATE INDEX CONCURRENTLY IF NOT EXISTS member_id ON public.member (id);\n\
                  CREATE INDEX CONCURRENTLY IF NOT EXISTS \"Member's\" ON member (id);\n\
                  REINDEX TABLE CONCURRENTLY member;\n\
                  CREATE UNIQUE INDEX CONCURRENTLY once ON member (email);\n";
    let set = migrations(&[MEMBER, ("0002_index.sql", script)]);
    let mut database = db.open().await;
    let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
    reports(&error, ErrorKind::Failed, &["4 of its 5 statements have finished", "the index public.once is INVALID"]);
    assert!(!error.report().to_string().contains("other."), "{error:?}");

    // An index that is not rebuilt is named, however it is written and wherever the search path finds its table.
    let found = "SET search_path = other, public;\nCREATE INDEX CONCURRENTLY IF NOT EXISTS \"email\" ON t (id);";
    let set = migrations(&[MEMBER, ("0002_index.sql", &format!("-- lockgate: no-transaction\n{found}"))]);
    let Some(db) = Db::postgres() else { return };
    db.execute(others).await;
    let mut database = db.open().await;
    let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
    reports(
        &error,
        ErrorKind::Failed,
        &["the index \"email\" was INVALID before, and IF NOT EXISTS does not rebuild it"],
    );
}

/// The statement failed, so an existing index of its name is older.
#[tokio::test]
async fn a_statement_that_failed_is_not_taken_for_one_that_finished() {
    let Some(db) = Db::postgres() else { return };
    let ground = (
        "0001_member.sql",
        "CREATE TABLE member (id INTEGER, email TEXT);\nCREATE INDEX email ON member (email);\n\
         CREATE TABLE parent (id INTEGER) PARTITION BY LIST (id);\nCREATE TABLE alone (id INTEGER);",
    );
    for (statement, says) in [
        ("CREATE INDEX CONCURRENTLY email ON member (email) WHERE id > 5;", "relation \"email\" already exists"),
        ("ALTER TABLE parent DETACH PARTITION alone CONCURRENTLY;", "is not a partition of relation \"parent\""),
    ] {
        let script = format!("-- lockgate: no-transaction\n{statement}");
        let set = migrations(&[ground, ("0002_x.sql", &script)]);
        for _ in 0..2 {
            let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
            reports(&error, ErrorKind::Failed, &[says, "0 of its 1 statements have finished"]);
        }
        Migrator::new(set).repair(&mut db.open().await, Repair::Forget(Version::new(2).unwrap())).await.unwrap();
    }

    // The run was killed before it sent the statement: the name belongs to another index.
    let script = "-- lockgate: no-transaction\nCREATE INDEX CONCURRENTLY email ON member (email) WHERE id > 5;";
    let set = migrations(&[ground, ("0002_x.sql", script)]);
    let mut message = 1;
    loop {
        let wire = Wire::in_front_of(&db.url()).await;
        let mut through = Database::connect(&wire.url()).await.unwrap();
        wire.cut(Cut::BeforeQuery(message));
        Migrator::new(set).apply(&mut through).await.unwrap_err();
        let came = !wire.is_cut_pending();
        drop((through, wire));
        let mut database = db.open().await;
        let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
        reports(&error, ErrorKind::Failed, &["relation \"email\" already exists"]);
        Migrator::new(set).repair(&mut database, Repair::Forget(Version::new(2).unwrap())).await.unwrap();
        if !came {
            break;
        }
        message += 1;
    }
    assert!(message > 3, "{message} messages");
}

/// A run was killed after it recorded the start of the second migration's first statement, and before it sent that.
async fn announced(db: &Db, set: &'static Migrations) {
    for message in 1.. {
        let wire = Wire::in_front_of(&db.url()).await;
        let mut through = Database::connect(&wire.url()).await.unwrap();
        wire.cut(Cut::BeforeQuery(message));
        let error = Migrator::new(set).apply(&mut through).await.unwrap_err();
        if db.texts("SELECT 'yes' FROM lockgate_history WHERE under_way = 1").await.contains(&"yes".to_owned()) {
            let says = ["`status` shows how far `0002_x` came", "may have finished too"];
            reports(&error, ErrorKind::Interrupted, &says);
            return;
        }
    }
}

/// Only the server knows that these cannot run in a transaction: the table is partitioned, or the subscription has a slot.
#[tokio::test]
async fn a_statement_that_only_the_server_sent_out_of_a_transaction_can_be_in_doubt() {
    let ground = "CREATE TABLE p (a INTEGER) PARTITION BY RANGE (a);\n\
                  CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9);\nCREATE INDEX i ON p (a);";
    for statement in ["REINDEX TABLE p;", "REINDEX INDEX i;"] {
        let script = format!("-- lockgate: no-transaction\n{statement}\nINSERT INTO p VALUES (1);");
        let set = migrations(&[("0001_p.sql", ground), ("0002_x.sql", &script)]);
        for settled in [None, Some(Repair::Finished(Version::new(2).unwrap()))] {
            let Some(db) = Db::postgres() else { return };
            db.apply(migrations(&[("0001_p.sql", ground)])).await;
            announced(&db, set).await;
            let mut database = db.open().await;
            if let Some(repair) = settled {
                Migrator::new(set).repair(&mut database, repair).await.unwrap();
            }
            Migrator::new(set).apply(&mut database).await.unwrap();
            assert_eq!(db.history().await, ["1:applied", "2:applied"], "{statement}");
            assert_eq!(db.texts("SELECT a::text FROM p").await, ["1"], "{statement}");
        }
    }
}

/// An object of that name that was created meanwhile is not taken for the statement's.
#[tokio::test]
async fn an_index_of_another_table_kind_or_columns_is_not_the_one_in_doubt() {
    let ground = ("0001_t.sql", "CREATE TABLE t (a INTEGER, b INTEGER);\nCREATE TABLE u (a INTEGER);");
    let script = "-- lockgate: no-transaction\nCREATE INDEX CONCURRENTLY i ON t (a);";
    let set = migrations(&[ground, ("0002_x.sql", script)]);
    for (other, is_it) in [
        ("CREATE INDEX i ON u (a)", false),
        ("CREATE UNIQUE INDEX i ON t (a)", false),
        ("CREATE INDEX i ON t (b)", false),
        ("CREATE INDEX i ON t (a, b)", false),
        ("CREATE INDEX i ON t (a)", true),
    ] {
        let Some(db) = Db::postgres() else { return };
        db.apply(migrations(&[ground])).await;
        announced(&db, set).await;
        db.execute(other).await;
        let ran = Migrator::new(set).apply(&mut db.open().await).await;
        if is_it {
            ran.unwrap();
            continue;
        }
        reports(&ran.unwrap_err(), ErrorKind::Failed, &["relation \"i\" already exists"]);
        assert_eq!(db.history().await, ["1:applied", "2:partial"], "{other}");
    }
}

/// The server finished an index for a killed run, and the script was edited before the next run: the index is not what the
/// script says.
#[tokio::test]
async fn an_index_that_is_built_otherwise_is_not_the_one_in_doubt() {
    let Some(db) = Db::postgres() else { return };
    let ground = (
        "0001_t.sql",
        "CREATE TABLE \"on t USING x (a)\" (a INTEGER, b TEXT, \"b USING c\" INTEGER, dropped INTEGER);\n\
         ALTER TABLE \"on t USING x (a)\" DROP COLUMN dropped;\n\
         CREATE FUNCTION twice(INTEGER) RETURNS INTEGER IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 2';",
    );
    let table = "\"on t USING x (a)\"";
    let name = "\"i USING y\"";
    let kinds = [
        "(a) WHERE a > 5",
        "(a) WHERE b::varchar IN ('x; --', 'y') AND a > 7 -- why\n",
        "(a)",
        "(a DESC)",
        "(a NULLS FIRST)",
        "(a) INCLUDE (b)",
        "USING hash (a)",
        "(b text_pattern_ops)",
        "(b COLLATE \"C\")",
        "(lower(b))",
        "(upper(b))",
        "(twice(a), (\"on t USING x (a)\".a + 1))",
        "(\"b USING c\")",
        "(a) WITH (fillfactor = 70)",
    ];
    db.apply(migrations(&[ground])).await;
    for (at, built) in kinds.iter().enumerate() {
        for (written, says) in
            [(*built, None), (kinds[(at + 1) % kinds.len()], Some("relation \"i USING y\" already exists"))]
        {
            let script =
                format!("-- lockgate: no-transaction\nCREATE INDEX CONCURRENTLY {name} ON public.{table} {written};\n");
            let set = migrations(&[ground, ("0002_x.sql", &script)]);
            announced(&db, set).await;
            db.execute(&format!("CREATE INDEX {name} ON {table} {built}")).await;
            let ran = Migrator::new(set).apply(&mut db.open().await).await;
            match says {
                None => drop(ran.unwrap_or_else(|error| panic!("{built}: {error:?}"))),
                Some(says) => reports(&ran.expect_err(written), ErrorKind::Failed, &[says]),
            }
            assert_eq!(db.texts("SELECT relname::text FROM pg_class WHERE relpersistence = 't'").await, [""; 0]);
            Migrator::new(set).repair(&mut db.open().await, Repair::Forget(Version::new(2).unwrap())).await.unwrap();
            db.execute(&format!("DROP INDEX {name}")).await;
        }
    }
}

/// What the server cannot compare, or would leave alone, is a question.
#[tokio::test]
async fn an_index_that_cannot_be_compared_is_a_question() {
    let ground = ("0001_t.sql", "CREATE TABLE t (a INTEGER);");
    let unknown = "it is unknown whether statement 1 of 1 of `0002_x` has finished";
    for (statement, built, forbids) in [
        ("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a) WHERE a > 7", "CREATE INDEX i ON t (a) WHERE a > 5", ""),
        ("CREATE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX i ON t (a)", "EXCEPTION"),
    ] {
        let Some(db) = Db::postgres() else { return };
        let script = format!("-- lockgate: no-transaction\n{statement};");
        let set = migrations(&[ground, ("0002_x.sql", &script)]);
        db.apply(migrations(&[ground])).await;
        announced(&db, set).await;
        db.execute(built).await;
        if !forbids.is_empty() {
            db.execute(
                "CREATE FUNCTION forbid() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no copy'; \
                 END $$; CREATE EVENT TRIGGER forbid ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION \
                 forbid()",
            )
            .await;
        }
        let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
        reports(&error, ErrorKind::Refused, &[unknown]);
        assert_eq!(db.history().await, ["1:applied", "2:partial"], "{statement}");
    }
}

/// The server may still be building the index for a killed run: it is neither dropped nor built twice.
#[tokio::test]
async fn an_index_that_is_being_built_is_waited_for() {
    let Some(db) = Db::postgres() else { return };
    let ground = ("0001_t.sql", "CREATE TABLE t (a INTEGER);");
    let script = "-- lockgate: no-transaction\nCREATE INDEX CONCURRENTLY i ON t (a);";
    let set = migrations(&[ground, ("0002_x.sql", script)]);
    db.apply(migrations(&[ground])).await;
    announced(&db, set).await;
    let mut writer = PgConnection::connect(&db.url()).await.unwrap();
    sqlx::raw_sql("BEGIN; INSERT INTO t VALUES (1)").execute(&mut writer).await.unwrap();
    let mut builder = PgConnection::connect(&db.url()).await.unwrap();
    let builds =
        tokio::spawn(async move { sqlx::raw_sql("CREATE INDEX CONCURRENTLY i ON t (a)").execute(&mut builder).await });
    let oid = "SELECT oid::text FROM pg_class WHERE relname = 'i'";
    let mut begun = db.texts(oid).await;
    while begun.is_empty() {
        begun = db.texts(oid).await;
    }
    let impatient = Migrator::new(set).lock_wait(Duration::from_millis(100));
    let error = impatient.apply(&mut db.open().await).await.unwrap_err();
    reports(&error, ErrorKind::Locked, &["another session is still working on it"]);
    sqlx::raw_sql("COMMIT").execute(&mut writer).await.unwrap();
    builds.await.unwrap().unwrap();
    db.apply(set).await;
    assert_eq!(db.texts(oid).await, begun, "the same index");
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);
}
