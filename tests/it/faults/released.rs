//! Released migrations that fail, and the messages for amended ones.

use std::fs;

use lockgate::{ErrorKind, Migrator};
use lockgate_source::folder;

use super::reports;
use crate::support::database::{Db, backends};
use crate::support::set::migrations;

backends! {
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
    let shown = migrator.set("other").apply(&mut database).await.unwrap_err().report().to_string();
    // Nor do they fix a name that is taken.
    let taken = "CREATE TABLE a (id INTEGER);\n";
    let migrator = Migrator::new(migrations(&[("0001_a.sql", taken), ("migrations.lock", &lock_of(taken))]));
    let found = migrator.set("third").apply(&mut database).await.unwrap_err().report().to_string();
    assert!(found.contains("something else has made what it makes") != db.is_sqlite(), "{found}");

    // SQLite has the same code for both.
    let blames_rows = shown.contains("may be at fault");
    assert!(shown.contains("amend 0001 --reason") && blames_rows == db.is_sqlite(), "{shown}");
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
