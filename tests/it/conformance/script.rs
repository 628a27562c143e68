//! Rust steps, scripts outside a transaction, and directives.

use lockgate::__private::RustStep;
use lockgate::{DownTo, ErrorKind, Migrator, StepResult, Transaction};

use crate::support::database::{Db, backends};
use crate::support::set::{migrations, with_steps};

backends! {
    a_rust_step_runs_with_its_history_row,
    a_script_outside_a_transaction_resumes_where_it_stopped,
    a_failing_statement_is_put_right_and_a_finished_one_is_not_edited,
    an_interrupted_revert_outside_a_transaction_is_repaired,
    comments_quotes_and_no_semicolon_run_as_written,
    two_checkouts_of_one_file_send_the_same,
    rust_that_fails_leaves_nothing,
}

const RUST: &str = "pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }\n\
                    pub async fn down(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }\n";

/// A checkout with CRLF and one with LF have the same checksum, so they must do the same.
async fn two_checkouts_of_one_file_send_the_same(db: Db) {
    let text = "CREATE TABLE note (body TEXT);\nINSERT INTO note VALUES ('one\ntwo');\n";
    let length = || async { db.texts("SELECT CAST(length(body) AS TEXT) FROM note").await };
    db.apply(migrations(&[("0001_note.sql", text)])).await;
    assert_eq!(length().await, ["7"]);
    let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let set = migrations(&[("0001_note.sql", &windows)]);
    assert!(Migrator::new(set).drift(&mut db.open().await).await.unwrap().is_empty(), "one checksum");
    db.execute("DROP TABLE note").await;
    Migrator::new(set).set_name("windows").apply(&mut db.open().await).await.unwrap();
    assert_eq!(length().await, ["7"], "and one text");

    // A carriage return without a line feed is content.
    let content = migrations(&[("0001_x.sql", "DELETE FROM note; INSERT INTO note VALUES ('a\rb');\r\n")]);
    Migrator::new(content).set_name("content").apply(&mut db.open().await).await.unwrap();
    assert_eq!(length().await, ["3"]);

    // Positions are those that an editor shows.
    let wrong = migrations(&[("0001_w.sql", "\u{feff}SELECT 1;\r\n\r\nSELECT 'é',\r\n  nowhere;\r\n")]);
    let error = Migrator::new(wrong).set_name("wrong").apply(&mut db.open().await).await.unwrap_err();
    assert_eq!(
        error.report().place().unwrap(),
        format!("migrations/0001_w.sql:{}", if db.is_sqlite() { "3:1" } else { "4:3" })
    );
    assert!(error.report().to_string().lines().nth(3).unwrap().ends_with(if db.is_sqlite() {
        "SELECT 'é',"
    } else {
        "nowhere;"
    }));
}

/// An error of the user's own.
#[derive(Debug, PartialEq)]
struct NoSuchLuck;

impl std::fmt::Display for NoSuchLuck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no such luck")
    }
}

impl std::error::Error for NoSuchLuck {}

async fn lower(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("UPDATE member SET email = lower(email)").await?;
    Ok(())
}

async fn nothing(_: &mut Transaction<'_>) -> StepResult {
    Ok(())
}

async fn fail(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("CREATE TABLE made_by_rust (id INTEGER)").await?;
    Err(Box::new(NoSuchLuck))
}

static STEPS: &[RustStep] =
    &[RustStep { version: 2, up: |tx| Box::pin(lower(tx)), down: Some(|tx| Box::pin(nothing(tx))) }];
static FAILING: &[RustStep] = &[RustStep { version: 2, up: |tx| Box::pin(fail(tx)), down: None }];

const MEMBER: (&str, &str) = (
    "0001_member.up.sql",
    "CREATE TABLE member (id INTEGER PRIMARY KEY, email TEXT NOT NULL);\nINSERT INTO member VALUES (1, 'Ann@Example.org');",
);
const NO_MEMBER: (&str, &str) = ("0001_member.down.sql", "DROP TABLE member;");

async fn a_rust_step_runs_with_its_history_row(db: Db) {
    let set = with_steps(
        &[
            MEMBER,
            NO_MEMBER,
            ("0002_lower.rs", RUST),
            ("0003_index.sql", "CREATE INDEX member_email ON member (email)"),
        ],
        STEPS,
    );
    db.apply(set).await;
    assert_eq!(db.texts("SELECT email FROM member").await, ["ann@example.org"]);
    assert_eq!(db.history().await, ["1:applied", "2:applied", "3:applied"]);
}

async fn rust_that_fails_leaves_nothing(db: Db) {
    let set = with_steps(&[MEMBER, ("0002_lower.rs", RUST)], FAILING);
    let mut database = db.open().await;
    let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    assert_eq!(error.to_string(), "the Rust function of `0002_lower` failed: no such luck");
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<NoSuchLuck>());
    assert_eq!(source, Some(&NoSuchLuck));
    assert!(error.reasons().is_empty() && error.drift().next().is_none());
    assert_eq!(db.objects().await, ["member"]);
    assert_eq!(db.history().await, ["1:applied"]);
}

async fn a_script_outside_a_transaction_resumes_where_it_stopped(db: Db) {
    let script = "-- lockgate: no-transaction\nINSERT INTO member VALUES (2, 'bo');\nVACUUM;\nINSERT INTO missing VALUES (1);\nINSERT INTO member VALUES (3, 'cy');";
    let set = migrations(&[MEMBER, ("0002_outside.sql", script), ("0003_c.sql", "CREATE TABLE c (id INTEGER)")]);
    let mut database = db.open().await;
    let migrator = Migrator::new(set);
    let error = migrator.apply(&mut database).await.unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string);
    let output = error.report().database_message().zip(error.report().database_code());
    assert_eq!(source, output.map(|(message, code)| format!("{message} ({code})")));
    assert_eq!(
        error.report().place().as_deref(),
        Some(if db.is_sqlite() { "migrations/0002_outside.sql:4:1" } else { "migrations/0002_outside.sql:4:13" })
    );
    let shown = error.report().to_string();
    assert!(shown.contains("`0002_outside` is partial: 2 of its 4 statements have finished and stay"), "{shown}");
    assert_eq!(db.history().await, ["1:applied", "2:partial"]);
    let drift = migrator.drift(&mut database).await.unwrap();
    assert_eq!(drift[0].to_string(), "`0002_outside` stopped half way, after 2 finished statements");

    db.execute("CREATE TABLE missing (id INTEGER)").await;
    let report = migrator.apply(&mut database).await.unwrap();
    assert_eq!(report.steps.len(), 2);
    assert_eq!(db.history().await, ["1:applied", "2:applied", "3:applied"]);
    assert_eq!(
        db.texts("SELECT email FROM member ORDER BY id").await,
        ["Ann@Example.org", "bo", "cy"],
        "each ran once"
    );
    assert_eq!(db.log().await, ["1:applied", "2:failed", "2:applied", "3:applied"]);
}

async fn a_failing_statement_is_put_right_and_a_finished_one_is_not_edited(db: Db) {
    let outside = |statements: &str| -> &'static lockgate::Migrations {
        let script = format!("-- lockgate: no-transaction\n{statements}");
        migrations(&[MEMBER, ("0002_outside.sql", &script), ("0003_c.sql", "CREATE TABLE c (id INTEGER)")])
    };
    let first = "INSERT INTO member VALUES (2, 'bo');\nVACUUM;\n";
    let last = "INSERT INTO member VALUES (4, 'di');\n";
    let mut database = db.open().await;
    let set = outside(&format!("{first}INSERT INTO members VALUES (3, 'cy');\n{last}"));
    Migrator::new(set).apply(&mut database).await.unwrap_err();
    assert_eq!(db.history().await, ["1:applied", "2:partial"]);

    // A finished statement was edited.
    let set = outside(&format!("INSERT INTO member VALUES (2, 'bob');\nVACUUM;\nSELECT 1;\n{last}"));
    let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let shown = error.report().to_string();
    for text in [
        "`0002_outside` stopped half way, after 2 finished statements, and its script no longer begins with those statements",
        "restore the text of the first 2 statements, which have finished",
        "migrations/0002_outside.sql:2 `INSERT INTO member VALUES (2, 'bob');`, migrations/0002_outside.sql:3 `VACUUM;`",
        "nothing was changed",
    ] {
        assert!(shown.contains(text), "no «{text}» in:\n{shown}");
    }
    assert_eq!(db.texts("SELECT email FROM member ORDER BY id").await, ["Ann@Example.org", "bo"]);

    // The failing statement was fixed, and a comment does not count as an edit: the run resumes there.
    let first = "-- bo is new\nINSERT INTO member VALUES (2, 'bo')  ;\r\n\n/* as ever */ VACUUM;\n";
    let set = outside(&format!("{first}INSERT INTO member VALUES (3, 'cy');\nINSERT INTO nowhere VALUES (1);\n{last}"));
    let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
    assert!(error.to_string().contains("failed at statement 4 of 5"), "{error:?}");
    // And again, from the text that it has now.
    let set = outside(&format!("{first}INSERT INTO member VALUES (3, 'cy');\n{last}"));
    assert_eq!(Migrator::new(set).apply(&mut database).await.unwrap().steps.len(), 2);
    assert_eq!(db.texts("SELECT email FROM member ORDER BY id").await, ["Ann@Example.org", "bo", "cy", "di"]);
    assert_eq!(db.history().await, ["1:applied", "2:applied", "3:applied"]);
    assert!(Migrator::new(set).status(&mut database).await.unwrap().is_up_to_date(), "its row has the text that ran");
    assert_eq!(db.texts("SELECT 'left' FROM lockgate_history WHERE finished_checksum IS NOT NULL").await, [""; 0]);
}

async fn an_interrupted_revert_outside_a_transaction_is_repaired(db: Db) {
    let set = |down: &str| {
        migrations(&[
            MEMBER,
            ("0002_b.up.sql", "CREATE TABLE b (id INTEGER);\nCREATE TABLE c (id INTEGER);"),
            ("0002_b.down.sql", &format!("-- lockgate: no-transaction\n{down}")),
        ])
    };
    let mut database = db.open().await;
    let migrator = Migrator::new(set("DROP TABLE b;\nDROP TABLE d;"));
    migrator.apply(&mut database).await.unwrap();
    migrator.revert(&mut database, DownTo::Steps(1)).await.unwrap_err();
    assert_eq!(db.history().await, ["1:applied", "2:reverting"]);
    let other = Migrator::new(set("SELECT 1;\nDROP TABLE c;"));
    let error = other.revert(&mut database, DownTo::Steps(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(
        error.to_string().contains("half way through its revert, after 1 finished statement, and its script no longer"),
        "{error}"
    );
    Migrator::new(set("DROP TABLE b;\nDROP TABLE c;")).revert(&mut database, DownTo::Steps(1)).await.unwrap();
    assert_eq!(db.objects().await, ["member"]);
    assert_eq!(db.history().await, ["1:applied"]);
}

async fn comments_quotes_and_no_semicolon_run_as_written(db: Db) {
    let set = migrations(&[
        (
            "0001_a.sql",
            "\u{feff}-- ; '\r\n/* ; \" */ CREATE TABLE \"a;b\" (id INTEGER, note TEXT DEFAULT 'it''s; -- not');;\r\nINSERT INTO \"a;b\" (id) VALUES (1) -- the end; without a newline",
        ),
        ("0002_empty.sql", "-- nothing at all yet\n"),
        ("0003_c.sql", "CREATE TABLE c (id INTEGER)"),
    ]);
    db.apply(set).await;
    assert_eq!(db.texts("SELECT note FROM \"a;b\"").await, ["it's; -- not"]);
    assert_eq!(db.history().await.len(), 3);
}
