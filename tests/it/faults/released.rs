//! Released migrations that fail, and the messages for amended ones.

use std::fs;

use lockgate::{Audience, ErrorKind, Migrator, OutOfOrder};
use lockgate_cli::Exit;
use lockgate_source::folder;

use super::reports;
use crate::advice::types;
use crate::support::database::{Db, backends};
use crate::support::set::migrations;

backends! {
    a_change_that_is_there_is_recorded_as_the_message_says,
    a_script_that_creates_the_history_is_the_one_to_correct,
    a_released_migration_that_fails_names_the_data_and_how_to_amend,
    a_database_with_the_old_text_reports_the_amendment,
}

const A: &str = "CREATE TABLE a (email TEXT);\nINSERT INTO a VALUES ('ada@b.c'), ('ada@b.c');\n";
const B: &str = "CREATE UNIQUE INDEX a_email ON a (email);\n";
const AMENDED: &str = "DELETE FROM a;\nCREATE UNIQUE INDEX a_email ON a (email);\n";

/// The lockfile of a folder with these two released migrations, the second amended if its text differs.
fn lock(b: &str, now: &str) -> String {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("migrations");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("0001_a.sql"), A).unwrap();
    fs::write(folder.join("0002_b.sql"), b).unwrap();
    let frozen = folder::freeze(&folder::load(&folder, "migrations").folder, None).render();
    if b == now {
        return frozen;
    }
    fs::write(folder.join("migrations.lock"), frozen).unwrap();
    fs::write(folder.join("0002_b.sql"), now).unwrap();
    let loaded = folder::load(&folder, "migrations").folder;
    let amended = folder::amend(&loaded, loaded.find("0002_b").unwrap(), "two rows have one email").unwrap();
    amended.lockfile.render()
}

async fn a_released_migration_that_fails_names_the_data_and_how_to_amend(db: Db) {
    let (released, amended) = (lock(B, B), lock(B, AMENDED));
    let set = |b, lock| migrations(&[("0001_a.sql", A), ("0002_b.sql", b), ("migrations.lock", lock)]);
    let mut database = db.open().await;
    let error = Migrator::new(set(B, &released)).apply(&mut database).await.unwrap_err();
    let rows = if db.is_sqlite() { "" } else { " (Key (email)=(ada@b.c) is duplicated.)" };
    let data = format!(
        "`0002_b` is released, so the data of this database may be at fault{rows}: fix the rows, then run again"
    );
    let amend = "if no database has applied `0002_b` yet: correct migrations/0002_b.sql, run `cargo xtask amend 0002 \
                 --reason \"why\"`, build again, then run again";
    reports(&error, ErrorKind::Failed, &[&data, amend]);
    // Follow the message: the amended set resumes where the other stopped.
    Migrator::new(set(AMENDED, &amended)).apply(&mut database).await.unwrap();
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);

    // Rows cannot fix a misspelling.
    let misspelt = "INSERT INTO b VALUES (1);\n";
    let migrator = Migrator::new(migrations(&[("0001_a.sql", misspelt), ("migrations.lock", &lock_of(misspelt))]));
    let shown = migrator.set_name("other").apply(&mut database).await.unwrap_err().report().to_string();
    // Nor do they fix a name that is taken.
    let taken = "CREATE TABLE a (id INTEGER);\n";
    let migrator = Migrator::new(migrations(&[("0001_a.sql", taken), ("migrations.lock", &lock_of(taken))]));
    let found = migrator.set_name("third").apply(&mut database).await.unwrap_err().report().to_string();
    assert!(found.contains("if something else has made what `0001_a` makes"), "{found}");

    // SQLite has the same code for both.
    let blames_rows = shown.contains("may be at fault");
    assert!(shown.contains("amend 0001 --reason") && blames_rows == db.is_sqlite(), "{shown}");
}

/// After a row of the history was lost, or before it was written: what is there is not to be dropped.
async fn a_change_that_is_there_is_recorded_as_the_message_says(db: Db) {
    for change in ["CREATE TABLE c (id INTEGER);\n", "ALTER TABLE a ADD COLUMN c TEXT;\n"] {
        let files = [("0001_a.sql", A), ("0002_b.sql", change), ("0003_d.sql", "SELECT 1;\n")];
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("migrations");
        fs::create_dir(&folder).unwrap();
        files.iter().for_each(|(name, text)| fs::write(folder.join(name), text).unwrap());
        let lock = folder::freeze(&folder::load(&folder, "migrations").folder, None).render();
        let set = migrations(&[files[0], files[1], files[2], ("migrations.lock", &lock)]);
        let mut database = db.open().await;
        Migrator::new(set).apply(&mut database).await.unwrap();
        db.execute("DELETE FROM lockgate_history WHERE version = 2").await;
        let late = Migrator::new(set).out_of_order(OutOfOrder::Allow);
        let error = late.apply(&mut database).await.unwrap_err();
        let report = error.report_for(Audience::CommandLine);
        let help = report.help().first().unwrap();
        assert!(help.starts_with("if the database already has the changes of `0002_b`"), "{report}");
        let line = help.split('`').rev().nth(1).unwrap();
        assert_eq!(types(set, &db.url(), line).await, Exit::Done, "{report}");
        assert_eq!(late.apply(&mut database).await.unwrap().steps.len(), 0);
        assert_eq!(db.history().await, ["1:applied", "2:applied", "3:applied"]);
        db.execute("DROP TABLE a; DROP TABLE IF EXISTS c; DROP TABLE lockgate_history").await;
    }
}

/// The dump of a database that Lockgate migrates has Lockgate's tables.
async fn a_script_that_creates_the_history_is_the_one_to_correct(db: Db) {
    for own in ["CREATE TABLE lockgate_history (id INTEGER);\n", "CREATE TABLE lockgate_log (id INTEGER);\n"] {
        for lock in [Some(lock_of(own)), None] {
            let files = [("0001_a.sql", own), ("migrations.lock", lock.as_deref().unwrap_or_default())];
            let set = migrations(&files[..if lock.is_some() { 2 } else { 1 }]);
            let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
            let help = error.report().help().join("; ");
            assert!(help.starts_with("the script creates a table of Lockgate's own"), "{error:?}");
            assert!(!help.contains("drop") && !help.contains("baseline"), "{error:?}");
        }
    }
}

/// The lockfile of a folder with this released script.
fn lock_of(text: &str) -> String {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("migrations");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("0001_a.sql"), text).unwrap();
    folder::freeze(&folder::load(&folder, "migrations").folder, None).render()
}

async fn a_database_with_the_old_text_reports_the_amendment(db: Db) {
    const OTHER: &str = "CREATE INDEX a_email ON a (email);\n";
    let (released, amended) = (lock(OTHER, OTHER), lock(OTHER, AMENDED));
    let set = |b, lock| migrations(&[("0001_a.sql", A), ("0002_b.sql", b), ("migrations.lock", lock)]);
    let mut database = db.open().await;
    Migrator::new(set(OTHER, &released)).apply(&mut database).await.unwrap();
    let error = Migrator::new(set(AMENDED, &amended)).apply(&mut database).await.unwrap_err();
    let shown = error.report().to_string();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(shown.contains("`0002_b` was applied before it was amended: the database recorded v1:"), "{shown}");
    assert!(
        shown.contains("help: change the database by hand so that it matches the amended text of `0002_b`"),
        "{shown}"
    );
    // Any other text is an ordinary edit.
    let error = Migrator::new(set(B, &lock(B, B))).apply(&mut database).await.unwrap_err();
    assert!(error.report().to_string().contains("`0002_b` was applied with a different text"), "{error}");
}
