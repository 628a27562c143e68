//! A history table that is not as it should be, or not the only one, on PostgreSQL.

use std::time::Duration;

use lockgate::doctor::{Examination, Verdict, examine};
use lockgate::{Audience, Database, ErrorKind, Migrator};
use lockgate_cli::Exit;
use sqlx::{AssertSqlSafe, Executor};

use super::{quoted, read, types};
use crate::support::database::{Db, backends};
use crate::support::postgres;
use crate::support::set::migrations;

const A: (&str, &str) = ("0001_a.sql", "CREATE TABLE a (id INTEGER);");
const B: (&str, &str) = ("0002_b.sql", "CREATE TABLE b (id INTEGER);");

/// A superuser does not write into a table of just anyone: it is given to him, or dropped.
#[tokio::test]
async fn a_history_table_of_another_owner_is_reassigned_or_dropped_as_the_message_says() {
    let set = migrations(&[A, B]);
    for start in ["ALTER TABLE", "DROP TABLE"] {
        for table in ["lockgate_history", "ops.lockgate_history"] {
            let Some(db) = Db::postgres() else { return };
            let role = format!("planter_{}", db.url().rsplit('/').next().unwrap());
            Migrator::new(migrations(&[A])).history_table(table).apply(&mut db.open().await).await.unwrap();
            let log = table.replace("history", "log");
            let planted =
                format!("CREATE ROLE {role}; ALTER TABLE {table} OWNER TO {role}; ALTER TABLE {log} OWNER TO {role}");
            db.execute(&planted).await;
            // Each of the two tables is named.
            for _ in 0..2 {
                let applied = Migrator::new(set).history_table(table).apply(&mut db.open().await).await;
                let error = applied.expect_err(start);
                assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
                let text = read(&error, &[&format!("belongs to the role {role}")]);
                db.execute(quoted(&text, start)).await;
            }
            if start == "DROP TABLE" {
                // A table that is not a history says nothing about existing objects.
                db.execute("DROP TABLE a").await;
            }
            assert_eq!(types(set, &db.url(), &format!("up --history-table {table}")).await, Exit::Done);
            db.execute(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}")).await;
        }
    }
}

#[tokio::test]
async fn hidden_rows_become_visible_as_the_message_says() {
    let Some(database) = postgres::database() else { return };
    let set = migrations(&[A, B]);
    let mut admin = database.connect().await;
    Migrator::new(migrations(&[A])).apply(&mut admin).await.unwrap();
    let url = database.url();
    let role = format!("sees_{}", url.rsplit('/').next().unwrap());
    let url = format!("postgres://{role}:s3cret{}", &url[url.find('@').unwrap()..]);
    admin
        .execute(AssertSqlSafe(format!(
            "CREATE ROLE {role} LOGIN PASSWORD 's3cret'; GRANT ALL ON SCHEMA public TO {role}; \
             GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}; \
             ALTER TABLE lockgate_history ENABLE ROW LEVEL SECURITY; ALTER TABLE lockgate_log ENABLE ROW LEVEL SECURITY"
        )))
        .await
        .unwrap();
    for table in ["lockgate_history", "lockgate_log"] {
        let error = Migrator::new(set).apply(&mut Database::connect(&url).await.unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
        let text = read(&error, &["row-level security hides rows", table, "as a role with BYPASSRLS"]);
        admin.execute(AssertSqlSafe(quoted(&text, "ALTER TABLE").to_owned())).await.unwrap();
    }
    assert_eq!(types(set, &url, "up").await, Exit::Done);
    admin.execute(AssertSqlSafe(format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"))).await.unwrap();
}

/// Each existing table is named in the form in which the option accepts it.
#[tokio::test]
async fn one_of_several_history_tables_is_named_as_the_message_says() {
    for meant in ["app.lockgate_history", "public.lockgate_history"] {
        let Some(db) = Db::postgres() else { return };
        let set = migrations(&[A, B]);
        let first = migrations(&[A]);
        Migrator::new(first).history_table("app.lockgate_history").apply(&mut db.open().await).await.unwrap();
        let other = Migrator::new(first).history_table("public.lockgate_history");
        other.baseline(&mut db.open().await, lockgate::Version::new(1).unwrap()).await.unwrap();
        let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::HistoryFormat, "{error:?}");
        let text = read(&error, &["there are 2 history tables"]);
        let option = quoted(&text, &format!("--history-table {meant}"));
        assert_eq!(types(set, &db.url(), &format!("up {option}")).await, Exit::Done, "{text}");
        assert_eq!(db.texts(&format!("SELECT count(*)::text FROM {meant}")).await, ["2"]);
        let rust = error.report_for(Audience::Rust).to_string();
        assert!(rust.contains(&format!("`Migrator::history_table(\"{meant}\")`")), "{rust}");
    }
}

/// A table with the name of the history that no release created: use another name, or the right schema.
#[tokio::test]
async fn a_table_that_is_not_a_history_is_avoided_as_the_message_says() {
    let Some(db) = Db::postgres() else { return };
    db.execute("CREATE TABLE lockgate_history (version bigint)").await;
    let set = migrations(&[A, B]);
    let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HistoryFormat, "{error:?}");
    let text = read(&error, &["name another table with `--history-table schema.table`"]);
    let option = quoted(&text, "--history-table").replace("schema.table", "ops.migrations");
    assert_eq!(types(set, &db.url(), &format!("up {option}")).await, Exit::Done, "{text}");
    assert_eq!(types(set, &db.url(), &format!("up {option}")).await, Exit::Done);
}

/// What `doctor` says of the log table, with its advice.
async fn log_finding(db: &Db, migrations: &'static lockgate::Migrations) -> (Verdict, String) {
    let findings = examine(&Migrator::new(migrations), &mut db.open().await, Examination::default()).await.unwrap();
    let finding = findings.iter().find(|finding| finding.check() == "log").expect("a line about the log");
    (finding.verdict(), finding.advice_for(Audience::CommandLine).collect())
}

/// Logical replication and a copy of the rows alone leave the sequence of the log where it was.
#[tokio::test]
async fn a_log_whose_sequence_is_behind_is_advanced_as_the_message_says() {
    let outside = "-- lockgate: no-transaction\nCREATE TABLE b (id INTEGER);";
    for second in [B, ("0002_b.sql", outside)] {
        let Some(db) = Db::postgres() else { return };
        db.apply(migrations(&[A])).await;
        let set = migrations(&[A, second]);
        assert_eq!(log_finding(&db, set).await.0, Verdict::Ok);
        // A run that fails takes a value or two.
        db.execute(
            "INSERT INTO lockgate_log (id, set_name, version, name, event, application, lockgate) OVERRIDING SYSTEM VALUE \
             SELECT generate_series(2, 50), set_name, version, name, event, application, lockgate FROM lockgate_log",
        )
        .await;
        // A run that took this for another run would wait until the end of time.
        let migrator = Migrator::new(set).lock_wait(Duration::MAX);
        let error = migrator.apply(&mut db.open().await).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Failed, "{error:?}");
        let text = read(&error, &["the sequence of the log table", "is behind its rows", "23505"]);
        let statement = quoted(&text, "SELECT setval").to_owned();
        let (verdict, advice) = log_finding(&db, set).await;
        assert_eq!((verdict, quoted(&advice, "SELECT setval")), (Verdict::Problem, statement.as_str()));
        db.execute(&statement).await;
        assert_eq!(log_finding(&db, set).await.0, Verdict::Ok);
        assert_eq!(types(set, &db.url(), "up").await, Exit::Done, "{text}");
    }
}

/// A trigger on the history whose own table has a unique key is not another run.
#[tokio::test]
async fn a_unique_key_of_another_table_is_not_another_run() {
    let Some(db) = Db::postgres() else { return };
    db.apply(migrations(&[A])).await;
    db.execute(
        "CREATE TABLE audit (what TEXT UNIQUE); INSERT INTO audit VALUES ('INSERT'); CREATE FUNCTION audit() RETURNS \
         trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.audit VALUES (TG_OP); RETURN NEW; END'; \
         CREATE TRIGGER audit BEFORE INSERT ON lockgate_history FOR EACH ROW EXECUTE FUNCTION audit()",
    )
    .await;
    let migrator = Migrator::new(migrations(&[A, B])).lock_wait(Duration::MAX);
    let error = migrator.apply(&mut db.open().await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed, "{error:?}");
    read(&error, &["audit_what_key"]);
}

backends! {
    a_log_that_is_missing_is_created_as_the_message_says,
}

async fn a_log_that_is_missing_is_created_as_the_message_says(db: Db) {
    let set = migrations(&[A, B]);
    db.apply(migrations(&[A])).await;
    assert_eq!(log_finding(&db, set).await.0, Verdict::Ok);
    db.execute("DROP TABLE lockgate_log").await;
    let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed, "{error:?}");
    let text = read(&error, &["the log table", "lockgate_log\" does not exist"]);
    let (verdict, advice) = log_finding(&db, set).await;
    assert_eq!(verdict, Verdict::Problem);
    assert_eq!(quoted(&advice, "CREATE TABLE"), quoted(&text, "CREATE TABLE"));
    db.execute(quoted(&text, "CREATE TABLE")).await;
    assert_eq!(log_finding(&db, set).await.0, Verdict::Ok);
    assert_eq!(types(set, &db.url(), "up").await, Exit::Done, "{text}");
    assert_eq!(db.log().await, ["2:applied"]);
}
