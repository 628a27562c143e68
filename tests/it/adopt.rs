//! The histories of other tools, taken over: how they compare, what is refused, what is recorded, and that the next
//! migration applies. sqlx itself makes its database here; the tables of the others have the layout that their
//! documentation gives. `adopt_peers.rs` has the databases that the other tools themselves make.

use std::path::Path;

use lockgate::adopt::{Adopt, Adoption};
use lockgate::{Action, Audience, ErrorKind, Migrations, Migrator};
use sqlx::Connection;

use crate::support::database::{Db, backends};
use crate::support::set::migrations;

backends! {
    sqlx_is_taken_over_with_its_times,
    sqlx_in_a_table_of_another_name,
    a_crlf_checkout_is_only_line_endings,
    an_edited_file_is_refused_until_somebody_has_looked,
    a_missing_file_is_refused_until_it_is_left_out,
    a_dirty_row_is_refused_with_the_way_out,
    a_late_file_is_named_and_applied_afterwards,
    twice_is_once_and_what_sqlx_adds_is_added,
    undo_leaves_what_was_there_before,
    a_history_of_lockgates_own_is_not_mixed_with_another,
    several_histories_are_distinguished,
    a_dropped_adoption_leaves_nothing,
    refinery_of_both_widths,
    diesel_with_and_without_a_count,
    sea_orm_by_its_file_names,
    flyway_with_dotted_versions,
    alembic_by_revision_or_by_version,
    golang_migrate_and_its_dirty_flag,
    goose_and_what_it_reverted,
    dbmate_after_conversion,
    prisma_and_tools_that_record_names,
    a_users_own_table,
    a_file_of_names,
    patches_that_another_database_records,
}

const THREE: &[(&str, &str)] = &[
    ("0001_users.up.sql", "CREATE TABLE users (id BIGINT PRIMARY KEY);\n"),
    ("0001_users.down.sql", "DROP TABLE users;\n"),
    ("0002_add_tags.up.sql", "CREATE TABLE tags (\n  id BIGINT PRIMARY KEY\n);\n"),
    ("0002_add_tags.down.sql", "DROP TABLE tags;\n"),
    ("0003_notes.up.sql", "CREATE TABLE notes (id BIGINT PRIMARY KEY);\n"),
    ("0003_notes.down.sql", "DROP TABLE notes;\n"),
];

fn set() -> &'static Migrations {
    migrations(THREE)
}

fn without<'a>(files: &[(&'a str, &'a str)], version: &str) -> Vec<(&'a str, &'a str)> {
    files.iter().copied().filter(|(file, _)| !file.starts_with(version)).collect()
}

fn write(folder: &Path, files: &[(&str, &str)]) {
    files.iter().for_each(|(file, text)| std::fs::write(folder.join(file), text).unwrap());
}

/// Applies these files with sqlx.
async fn by_sqlx(db: &Db, files: &[(&str, &str)]) {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), files);
    let migrator = sqlx::migrate::Migrator::new(folder.path()).await.unwrap();
    if db.is_sqlite() {
        migrator.run(&mut sqlx::SqliteConnection::connect(&db.url()).await.unwrap()).await.unwrap();
    } else {
        migrator.run(&mut sqlx::PgConnection::connect(&db.url()).await.unwrap()).await.unwrap();
    }
}

/// Each line of the comparison, as text.
fn shown(adoption: &Adoption) -> Vec<String> {
    adoption.entries.iter().map(|entry| format!("{}: {}", entry.id, entry.finding)).collect()
}

async fn look(db: &Db, set: &'static Migrations, options: &Adopt) -> Adoption {
    let mut database = db.open().await;
    Migrator::new(set).plan_adopt(&mut database, options).await.unwrap_or_else(|error| panic!("{error:?}"))
}

async fn adopt(db: &Db, set: &'static Migrations, options: &Adopt) -> Vec<String> {
    let mut database = db.open().await;
    let report = Migrator::new(set).adopt(&mut database, options).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert!(report.steps.iter().all(|step| step.action == Action::Record));
    report.steps.into_iter().map(|step| step.id).collect()
}

/// What the command line says of a refused adoption, which changes nothing.
async fn refused(db: &Db, set: &'static Migrations, options: &Adopt) -> String {
    let before = db.objects().await;
    let mut database = db.open().await;
    let error = Migrator::new(set).adopt(&mut database, options).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    assert_eq!(db.objects().await, before);
    let report = error.report_for(Audience::CommandLine).to_string();
    assert!(report.contains("nothing was changed"), "{report}");
    report
}

/// Status is clean, and exactly these migrations are applied next.
async fn assert_up_applies(db: &Db, set: &'static Migrations, pending: &[&str]) {
    let mut database = db.open().await;
    let status = Migrator::new(set).status(&mut database).await.unwrap();
    assert!(status.drift.is_empty(), "{:?}", status.drift);
    let report = Migrator::new(set).apply(&mut database).await.unwrap_or_else(|error| panic!("{error:?}"));
    let ids: Vec<&str> = report.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, pending);
}

/// Makes a table of another tool.
async fn made(db: &Db, sqlite: &str, postgres: &str, rows: &[&str]) {
    db.execute(if db.is_sqlite() { sqlite } else { postgres }).await;
    for row in rows {
        db.execute(row).await;
    }
}

async fn applied_at(db: &Db) -> Vec<String> {
    db.texts(if db.is_sqlite() {
        "SELECT applied_at FROM lockgate_history ORDER BY version"
    } else {
        "SELECT to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') FROM lockgate_history ORDER BY version"
    })
    .await
}

async fn sqlx_is_taken_over_with_its_times(db: Db) {
    by_sqlx(&db, &without(THREE, "0003")).await;
    let time = "UPDATE _sqlx_migrations SET installed_on = '2024-05-06 07:08:09', execution_time = 1500000";
    db.execute(&if db.is_sqlite() { time.to_owned() } else { time.replace("09'", "09+00'") }).await;

    // The refusal names the way.
    let mut database = db.open().await;
    let error = Migrator::new(set()).apply(&mut database).await.unwrap_err();
    let help = error.report_for(Audience::CommandLine).to_string();
    assert!(help.contains("if these are the migrations of sqlx, take over its history with `adopt`"), "{help}");

    let adoption = look(&db, set(), &Adopt::new()).await;
    assert_eq!(shown(&adoption), ["0001_users: match", "0002_add_tags: match", "0003_notes: not recorded"]);
    assert_eq!((adoption.tool.as_str(), adoption.place.as_str()), ("sqlx", "_sqlx_migrations"));
    assert!(db.objects().await.iter().all(|name| !name.starts_with("lockgate")), "a look writes nothing");

    assert_eq!(adopt(&db, set(), &Adopt::new()).await, ["0001_users", "0002_add_tags"]);
    assert_eq!(applied_at(&db).await, ["2024-05-06T07:08:09.000Z"; 2]);
    assert_eq!(db.history().await, ["1:applied", "2:applied"]);
    assert_eq!(db.log().await, ["1:adopted", "2:adopted"]);
    let details = db.texts("SELECT detail FROM lockgate_log").await;
    assert_eq!(details, ["from sqlx, `_sqlx_migrations`: match"; 2]);
    assert_eq!(db.texts("SELECT CAST(elapsed_ms AS TEXT) FROM lockgate_history").await, ["1", "1"]);
    assert_up_applies(&db, set(), &["0003_notes"]).await;
    assert_eq!(db.texts("SELECT CAST(count(*) AS TEXT) FROM _sqlx_migrations").await, ["2"], "it is left as it is");
}

async fn sqlx_in_a_table_of_another_name(db: Db) {
    by_sqlx(&db, &without(THREE, "0003")).await;
    db.execute("ALTER TABLE _sqlx_migrations RENAME TO app_migrations").await;
    let adoption = look(&db, set(), &Adopt::new()).await;
    assert_eq!((adoption.tool.as_str(), adoption.place.as_str()), ("sqlx", "app_migrations"));
    assert_eq!(adopt(&db, set(), &Adopt::new().from("sqlx").table("app_migrations")).await.len(), 2);
    assert_up_applies(&db, set(), &["0003_notes"]).await;
}

async fn a_crlf_checkout_is_only_line_endings(db: Db) {
    let windows: Vec<(&str, String)> =
        THREE[..4].iter().map(|(file, text)| (*file, format!("\u{feff}{}", text.replace('\n', "\r\n")))).collect();
    let windows: Vec<(&str, &str)> = windows.iter().map(|(file, text)| (*file, text.as_str())).collect();
    // sqlx sends the byte order mark to the server, which does not know it.
    let without_mark: Vec<(&str, &str)> =
        windows.iter().map(|(file, text)| (*file, text.trim_start_matches('\u{feff}'))).collect();
    by_sqlx(&db, &without_mark).await;
    for files in [&THREE[..4], &windows] {
        let adoption = look(&db, migrations(files), &Adopt::new()).await;
        assert_eq!(shown(&adoption), ["0001_users: line endings only", "0002_add_tags: line endings only"]);
    }
    assert_eq!(adopt(&db, set(), &Adopt::new()).await.len(), 2);
    assert_up_applies(&db, set(), &["0003_notes"]).await;
}

async fn an_edited_file_is_refused_until_somebody_has_looked(db: Db) {
    let mut before = without(THREE, "0003");
    before[2].1 = "CREATE TABLE tags (id INT);\n";
    by_sqlx(&db, &before).await;
    let adoption = look(&db, set(), &Adopt::new()).await;
    assert_eq!(shown(&adoption), ["0001_users: match", "0002_add_tags: modified", "0003_notes: not recorded"]);
    let output = refused(&db, set(), &Adopt::new()).await;
    assert!(
        output.contains("`0002_add_tags` was edited after sqlx had applied it: the checksum is another"),
        "{output}"
    );
    assert!(output.contains("add `--accept-modified \"why\"`"), "{output}");
    let accepted = Adopt::new().accept_modified("the type was widened by hand");
    assert_eq!(adopt(&db, set(), &accepted).await.len(), 2);
    let details = db.texts("SELECT detail FROM lockgate_log WHERE version = 2").await;
    assert_eq!(details, ["from sqlx, `_sqlx_migrations`: modified; accepted: the type was widened by hand"]);
    assert_up_applies(&db, set(), &["0003_notes"]).await;
}

async fn a_missing_file_is_refused_until_it_is_left_out(db: Db) {
    by_sqlx(&db, THREE).await;
    let fewer = migrations(THREE.split_at(4).0);
    let adoption = look(&db, fewer, &Adopt::new()).await;
    assert_eq!(shown(&adoption)[2], "3 notes: missing: recorded, no file");
    let output = refused(&db, fewer, &Adopt::new()).await;
    assert!(output.contains("sqlx has applied `3 notes`, and the program embeds no such migration"), "{output}");
    assert!(output.contains("`--without-missing \"why\"`"), "{output}");
    assert_eq!(adopt(&db, fewer, &Adopt::new().without_missing("moved elsewhere")).await.len(), 2);
    assert_up_applies(&db, fewer, &[]).await;
}

async fn a_dirty_row_is_refused_with_the_way_out(db: Db) {
    by_sqlx(&db, &without(THREE, "0003")).await;
    db.execute("UPDATE _sqlx_migrations SET success = false WHERE version = 2").await;
    let output = refused(&db, set(), &Adopt::new().accept_modified("no matter")).await;
    assert!(
        output.contains("`0002_add_tags` is not fully applied: `success` is false in `_sqlx_migrations`"),
        "{output}"
    );
    // What it says to type, word for word.
    let typed: Vec<&str> = output.split('`').filter(|part| part.contains("version = 2")).collect();
    let [finished, undone] = typed.as_slice() else { panic!("{output}") };
    assert!(undone.starts_with("DELETE"), "{undone}");
    db.execute(finished).await;
    assert_eq!(adopt(&db, set(), &Adopt::new()).await.len(), 2);
    assert_up_applies(&db, set(), &["0003_notes"]).await;
}

async fn a_late_file_is_named_and_applied_afterwards(db: Db) {
    by_sqlx(&db, &without(THREE, "0002")).await;
    let adoption = look(&db, set(), &Adopt::new()).await;
    assert_eq!(shown(&adoption)[1], "0002_add_tags: not recorded, but later ones are");
    assert_eq!(adopt(&db, set(), &Adopt::new()).await, ["0001_users", "0003_notes"]);
    let mut database = db.open().await;
    let late = Migrator::new(set()).out_of_order(lockgate::OutOfOrder::Allow);
    assert_eq!(late.apply(&mut database).await.unwrap().steps[0].id, "0002_add_tags");
}

async fn twice_is_once_and_what_sqlx_adds_is_added(db: Db) {
    by_sqlx(&db, &without(THREE, "0003")).await;
    assert_eq!(adopt(&db, set(), &Adopt::new()).await.len(), 2);
    assert_eq!(adopt(&db, set(), &Adopt::new()).await, [""; 0]);
    by_sqlx(&db, THREE).await;
    assert_eq!(adopt(&db, set(), &Adopt::new()).await, ["0003_notes"]);
    assert_up_applies(&db, set(), &[]).await;
    // A deployment that adopts each time has nothing to do, also after migrations of Lockgate's own.
    let mut four = THREE.to_vec();
    four.push(("0004_more.sql", "CREATE TABLE more (id INT);\n"));
    assert_up_applies(&db, migrations(&four), &["0004_more"]).await;
    assert_eq!(adopt(&db, migrations(&four), &Adopt::new()).await, [""; 0]);
}

async fn undo_leaves_what_was_there_before(db: Db) {
    by_sqlx(&db, &without(THREE, "0003")).await;
    let mut database = db.open().await;
    let migrator = Migrator::new(set());
    let error = migrator.undo_adopt(&mut database).await.unwrap_err();
    assert_eq!(error.to_string(), "the adoption cannot be taken back: no history was taken over here");

    adopt(&db, set(), &Adopt::new()).await;
    migrator.apply(&mut database).await.unwrap();
    let error = migrator.undo_adopt(&mut database).await.unwrap_err();
    let output = error.report_for(Audience::CommandLine).to_string();
    assert!(output.contains("`0003_notes` was not taken over") && output.contains("(`down`)"), "{output}");
    migrator.revert(&mut database, lockgate::DownTo::Steps(1)).await.unwrap();

    let report = migrator.undo_adopt(&mut database).await.unwrap();
    assert_eq!(report.steps.len(), 2);
    // The tool's history counts again: nothing is run on what it has made.
    let error = migrator.apply(&mut database).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error:?}");
    assert!(error.to_string().contains("sqlx"), "{error}");
    assert_eq!(db.log().await.iter().filter(|line| line.ends_with(":disowned")).count(), 2);
    // And again.
    assert_eq!(adopt(&db, set(), &Adopt::new()).await.len(), 2);
    assert_up_applies(&db, set(), &["0003_notes"]).await;
    migrator.revert(&mut database, lockgate::DownTo::Steps(1)).await.unwrap();
    // A repeatable script that has run since is forgotten with the rest, as it runs again.
    let view = ("R__v.sql", "DROP VIEW IF EXISTS v;\nCREATE VIEW v AS SELECT id FROM users;\n");
    let with_view = Migrator::new(migrations(&[&THREE[..4], &[view]].concat()));
    assert_eq!(with_view.apply(&mut database).await.unwrap().steps.len(), 1);
    assert_eq!(with_view.undo_adopt(&mut database).await.unwrap().steps.len(), 3);
}

async fn a_history_of_lockgates_own_is_not_mixed_with_another(db: Db) {
    db.apply(migrations(&THREE[..2])).await;
    by_sqlx(&db, &THREE[2..4]).await;
    let output = refused(&db, set(), &Adopt::new()).await;
    assert!(output.contains("Lockgate has a history of its own here: `0001_users` was not taken over"), "{output}");
    let mut database = db.open().await;
    let error = Migrator::new(set()).undo_adopt(&mut database).await.unwrap_err();
    assert_eq!(error.to_string(), "the adoption cannot be taken back: no history was taken over here");
}

async fn several_histories_are_distinguished(db: Db) {
    by_sqlx(&db, &without(THREE, "0003")).await;
    let output = refused(&db, set(), &Adopt::new().from("refinery")).await;
    assert!(output.contains("the database has no history of refinery"), "{output}");
    made(
        &db,
        "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT NULL \
         DEFAULT CURRENT_TIMESTAMP)",
        "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT NULL \
         DEFAULT CURRENT_TIMESTAMP)",
        &[],
    )
    .await;
    let output = refused(&db, set(), &Adopt::new()).await;
    assert!(output.contains("`adopt --from sqlx`") && output.contains("`adopt --from diesel`"), "{output}");
    let mut database = db.open().await;
    let error = Migrator::new(set()).adopt(&mut database, &Adopt::new().from("sqlite")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.report().to_string().contains("write one of sqlx, refinery, diesel"), "{error:?}");
    assert_eq!(adopt(&db, set(), &Adopt::new().from("sqlx")).await.len(), 2);
}

/// However early the future is dropped, there is all of it or nothing.
async fn a_dropped_adoption_leaves_nothing(db: Db) {
    by_sqlx(&db, &without(THREE, "0003")).await;
    let mut done = false;
    for most in 1.. {
        let mut database = db.open().await;
        let migrator = Migrator::new(set());
        let options = Adopt::new();
        done = crate::support::polled(migrator.adopt(&mut database, &options), most).await.is_some();
        drop(database);
        let mut database = db.open().await;
        let rows = Migrator::new(set()).status(&mut database).await.unwrap();
        let recorded = rows.entries.iter().filter(|entry| entry.row.is_some()).count();
        assert!(recorded == 0 || recorded == 2, "{recorded} after {most} polls");
        if recorded == 2 {
            break;
        }
        let apply = Migrator::new(set()).apply(&mut database).await.unwrap_err();
        assert_eq!(apply.kind(), ErrorKind::Refused, "the other tool's history still counts: {apply:?}");
    }
    let again = adopt(&db, set(), &Adopt::new()).await;
    assert!(again.is_empty(), "{done}: {again:?}");
    assert_up_applies(&db, set(), &["0003_notes"]).await;
}

const REFINERY: &str = "CREATE TABLE refinery_schema_history (version INT4 PRIMARY KEY, name VARCHAR(255), \
                        applied_on VARCHAR(255), checksum VARCHAR(255))";

/// The checksums are those of refinery's own tests, for its `V1__initial.sql`.
async fn refinery_of_both_widths(db: Db) {
    let text = "CREATE TABLE persons (\n    id int,\n    name varchar(255),\n    city varchar(255)\n);\n";
    let set = migrations(&[("1_initial.sql", text), ("2_more.sql", "CREATE TABLE more (id INT);\n")]);
    made(&db, REFINERY, REFINERY, &[]).await;
    for sum in ["2959965718684201605", "13938959368620441626"] {
        db.execute("DELETE FROM refinery_schema_history").await;
        db.execute(&format!(
            "INSERT INTO refinery_schema_history VALUES (1, 'initial', '2024-05-06T07:08:09.123456789Z', '{sum}')"
        ))
        .await;
        let adoption = look(&db, set, &Adopt::new()).await;
        assert_eq!(shown(&adoption), ["1_initial: match", "2_more: not recorded"], "{sum}");
    }
    assert_eq!(adopt(&db, set, &Adopt::new()).await, ["1_initial"]);
    assert_eq!(applied_at(&db).await, ["2024-05-06T07:08:09.123Z"]);
    assert_up_applies(&db, set, &["2_more"]).await;
}

async fn diesel_with_and_without_a_count(db: Db) {
    let set = migrations(&[
        ("00000000000000_diesel_initial_setup.sql", "SELECT 1;\n"),
        ("20260102030405_create-users.sql", "CREATE TABLE users (id INT);\n"),
        ("20260203040506_tags.sql", "CREATE TABLE tags (id INT);\n"),
        ("20260303040506_more.sql", "CREATE TABLE more (id INT);\n"),
    ]);
    let table = "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP \
                 NOT NULL DEFAULT CURRENT_TIMESTAMP)";
    made(
        &db,
        table,
        table,
        &["INSERT INTO __diesel_schema_migrations VALUES ('00000000000000', '2026-01-01 00:00:00'), \
           ('20260102030405', '2026-01-02 03:04:05'), ('202602030405060000', '2026-02-03 04:05:06')"],
    )
    .await;
    let adoption = look(&db, set, &Adopt::new()).await;
    assert!(!adoption.has_checksums);
    assert_eq!(adoption.entries.iter().filter(|entry| entry.is_taken()).count(), 3, "{adoption}");
    adopt(&db, set, &Adopt::new()).await;
    assert_eq!(applied_at(&db).await[1], "2026-01-02T03:04:05.000Z");
    assert_up_applies(&db, set, &["20260303040506_more"]).await;
}

async fn sea_orm_by_its_file_names(db: Db) {
    let set = migrations(&[
        ("20220101000001_create_users.sql", "CREATE TABLE users (id INT);\n"),
        ("20220101000002_tags.sql", "CREATE TABLE tags (id INT);\n"),
    ]);
    let table = "CREATE TABLE seaql_migrations (version VARCHAR NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL)";
    made(&db, table, table, &["INSERT INTO seaql_migrations VALUES ('m20220101_000001_create_users', 1767323045)"])
        .await;
    assert_eq!(adopt(&db, set, &Adopt::new()).await, ["20220101000001_create_users"]);
    assert_eq!(applied_at(&db).await, ["2026-01-02T03:04:05.000Z"]);
    assert_up_applies(&db, set, &["20220101000002_tags"]).await;
}

async fn flyway_with_dotted_versions(db: Db) {
    // As `init --convert` names V1__Create_users.sql, V1.2__tags.sql and V1.10__notes.sql; R__names.sql keeps its name.
    let files = [
        ("0001_Create_users.sql", "CREATE TABLE users (id INT);\n-- end\n"),
        ("0002_tags.sql", "CREATE TABLE tags (id INT);\n"),
        ("0003_notes.sql", "CREATE TABLE notes (id INT);\n"),
        ("R__Names_now.sql", "DROP VIEW IF EXISTS names;\nCREATE VIEW names AS SELECT 1 AS one;\n"),
        ("R__more.sql", "DROP VIEW IF EXISTS more;\nCREATE VIEW more AS SELECT 2 AS two;\n"),
    ];
    // zlib.crc32 of the lines without their ends.
    let sums = ["-2070907318", "7", "384824012", "1"];
    let columns = "installed_rank INT NOT NULL PRIMARY KEY, version VARCHAR(50), description VARCHAR(200) NOT NULL, \
                   type VARCHAR(20) NOT NULL, script VARCHAR(1000) NOT NULL, checksum INT, installed_by VARCHAR(100) \
                   NOT NULL, installed_on TIMESTAMP NOT NULL, execution_time INT NOT NULL, success BOOLEAN NOT NULL";
    let table = format!("CREATE TABLE flyway_schema_history ({columns})");
    made(&db, &table, &table, &[]).await;
    let row = |rank: u8, version: &str, name: &str, sum: &str| {
        format!(
            "INSERT INTO flyway_schema_history VALUES ({rank}, '{version}', '{name}', 'SQL', 'V{version}__{name}.sql', {sum}, \
             'ada', '2024-05-06 07:08:09', 12, true)"
        )
    };
    db.execute(&row(1, "1", "Create users", sums[0])).await;
    db.execute(&row(2, "1.2", "tags", sums[1])).await;
    let repeatable = |rank: u8, name: &str, script: &str, sum: &str| {
        row(rank, "", name, sum).replace("''", "NULL").replace(&format!("V__{name}.sql"), script)
    };
    db.execute(&repeatable(3, "Names now", "R__Names_now.sql", sums[2])).await;
    db.execute(&repeatable(4, "more", "R__more.sql", sums[3])).await;
    db.execute("CREATE VIEW names AS SELECT 1 AS one").await;
    let adoption = look(&db, migrations(&files), &Adopt::new()).await;
    assert_eq!(
        shown(&adoption),
        [
            "0001_Create_users: match",
            "0002_tags: modified",
            "0003_notes: not recorded",
            "R__Names_now: match",
            "R__more: not recorded",
        ]
    );
    let set = migrations(&files);
    assert_eq!(adopt(&db, set, &Adopt::new().accept_modified("looked")).await.len(), 3);
    let by = db.texts("SELECT applied_by || ' ' || CAST(elapsed_ms AS TEXT) FROM lockgate_history").await;
    assert_eq!(by, ["ada 12", "ada 12", "ada 12"]);
    // One that has changed since runs again.
    assert_up_applies(&db, set, &["0003_notes", "R__more"]).await;
}

async fn alembic_by_revision_or_by_version(db: Db) {
    let table = "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)";
    made(&db, table, table, &["INSERT INTO alembic_version VALUES ('ae1027a6acf1')"]).await;
    let output = refused(&db, set(), &Adopt::new()).await;
    assert!(output.contains("no embedded migration is the revision `ae1027a6acf1`"), "{output}");
    assert!(output.contains("`-- revision: ae1027a6acf1`") && output.contains("`--up-to VERSION`"), "{output}");
    // Each of its ways out, and the line that `alembic upgrade --sql` writes.
    let named = |line: &'static str| {
        let mut files = THREE.to_vec();
        files[2].1 = line;
        migrations(&files)
    };
    for set in [
        named("-- revision: ae1027a6acf1\nCREATE TABLE tags (id INT);\n"),
        named("-- Running upgrade 1975ea83b712 -> ae1027a6acf1\n\nCREATE TABLE tags (id INT);\n"),
    ] {
        let adoption = look(&db, set, &Adopt::new()).await;
        assert_eq!(shown(&adoption), ["0001_users: recorded", "0002_add_tags: recorded", "0003_notes: not recorded"]);
    }
    let two = Adopt::new().up_to("2".parse().unwrap());
    db.execute("CREATE TABLE users (id INT); CREATE TABLE tags (id INT)").await;
    assert_eq!(adopt(&db, set(), &two).await, ["0001_users", "0002_add_tags"]);
    assert_up_applies(&db, set(), &["0003_notes"]).await;
}

async fn golang_migrate_and_its_dirty_flag(db: Db) {
    made(
        &db,
        "CREATE TABLE schema_migrations (version uint64, dirty bool)",
        "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)",
        &["INSERT INTO schema_migrations VALUES (2, true)"],
    )
    .await;
    let output = refused(&db, set(), &Adopt::new()).await;
    assert!(
        output.contains("`0002_add_tags` is not fully applied: `dirty` is true in `schema_migrations`"),
        "{output}"
    );
    assert!(output.contains("`UPDATE schema_migrations SET dirty = false`"), "{output}");
    assert!(output.contains("`UPDATE schema_migrations SET dirty = false, version = 1`"), "{output}");
    db.execute("UPDATE schema_migrations SET dirty = false").await;
    assert_eq!(adopt(&db, set(), &Adopt::new()).await, ["0001_users", "0002_add_tags"]);
    assert_up_applies(&db, set(), &["0003_notes"]).await;
    db.execute("UPDATE schema_migrations SET version = 9").await;
    let adoption = look(&db, set(), &Adopt::new()).await;
    assert_eq!(shown(&adoption)[3], "9: missing: recorded, no file");
}

async fn goose_and_what_it_reverted(db: Db) {
    made(
        &db,
        "CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied \
         INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now')))",
        "CREATE TABLE goose_db_version (id integer PRIMARY KEY GENERATED BY DEFAULT AS IDENTITY, version_id bigint NOT \
         NULL, is_applied boolean NOT NULL, tstamp timestamp NOT NULL DEFAULT now())",
        &["INSERT INTO goose_db_version (version_id, is_applied, tstamp) VALUES (0, true, '2026-01-01 00:00:00'), \
           (1, true, '2026-01-02 03:04:05'), (2, true, '2026-01-02 03:04:06'), (2, false, '2026-01-02 03:04:07')"],
    )
    .await;
    assert_eq!(adopt(&db, set(), &Adopt::new()).await, ["0001_users"]);
    assert_eq!(applied_at(&db).await, ["2026-01-02T03:04:05.000Z"]);
    assert_up_applies(&db, set(), &["0002_add_tags", "0003_notes"]).await;
}

async fn dbmate_after_conversion(db: Db) {
    let set = migrations(&[
        ("20240101000000_users.up.sql", "CREATE TABLE users (id INT);\n"),
        ("20240101000000_users.down.sql", "DROP TABLE users;\n"),
        ("20240202000000_tags.sql", "CREATE TABLE tags (id INT);\n"),
    ]);
    let table = "CREATE TABLE schema_migrations (version varchar(128) primary key)";
    made(&db, table, table, &["INSERT INTO schema_migrations VALUES ('20240101000000')"]).await;
    assert_eq!(adopt(&db, set, &Adopt::new()).await, ["20240101000000_users"]);
    let details = db.texts("SELECT detail FROM lockgate_log").await;
    assert_eq!(details, ["from dbmate (or Rails), `schema_migrations`: recorded; the time is that of the adoption"]);
    assert_up_applies(&db, set, &["20240202000000_tags"]).await;
}

async fn prisma_and_tools_that_record_names(db: Db) {
    let set = migrations(&[
        ("20240101000000_init.sql", "SELECT 1;\n"),
        ("20240202000000_tags.sql", "CREATE TABLE tags (id INT);\n"),
    ]);
    // `printf 'SELECT 1;\n' | sha256sum`
    let sum = "b4e0497804e46e0a0b0b8c31975b062152d551bac49c3c2e80932567b4085dcd";
    let columns = "id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, finished_at TIMESTAMP, \
                   migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMP, started_at TIMESTAMP";
    db.execute(&format!("CREATE TABLE _prisma_migrations ({columns})")).await;
    db.execute(&format!(
        "INSERT INTO _prisma_migrations VALUES ('a', '{sum}', '2026-01-02 03:04:05', '20240101000000_init', NULL, NULL, NULL)"
    ))
    .await;
    assert_eq!(shown(&look(&db, set, &Adopt::new()).await)[0], "20240101000000_init: match");
    // Two of one time: the file of the later one has the second after it.
    let two = migrations(&[("20240101000000_init.sql", "SELECT 1;\n"), ("20240101000001_tags.sql", "SELECT 1;\n")]);
    db.execute(&format!(
        "INSERT INTO _prisma_migrations VALUES ('b', '{sum}', '2026-01-02 03:04:06', '20240101000000_tags', NULL, NULL, NULL)"
    ))
    .await;
    let both = shown(&look(&db, two, &Adopt::new()).await);
    assert_eq!(both[..2], ["20240101000000_init: match", "20240101000001_tags: match"]);
    db.execute("DROP TABLE _prisma_migrations").await;

    for (table, column, name) in [
        ("\"SequelizeMeta\"", "name", "20240101000000-init.js"),
        ("kysely_migration", "name", "20240101000000_init"),
        ("gorp_migrations", "id", "20240101000000-init.sql"),
        ("doctrine_migration_versions", "version", "DoctrineMigrations\\Version20240101000000"),
    ] {
        let more = "applied_at TIMESTAMP, executed_at TIMESTAMP, timestamp VARCHAR(255)";
        db.execute(&format!("CREATE TABLE {table} ({column} VARCHAR(255), {more})")).await;
        db.execute(&format!("INSERT INTO {table} ({column}) VALUES ('{name}')")).await;
        assert_eq!(shown(&look(&db, set, &Adopt::new()).await)[0], "20240101000000_init: recorded", "{table}");
        db.execute(&format!("DROP TABLE {table}")).await;
    }
}

async fn a_users_own_table(db: Db) {
    db.execute("CREATE TABLE tbl_deployments (id INT, file_name VARCHAR(200), comment TEXT, deployed_at TIMESTAMP)")
        .await;
    db.execute("INSERT INTO tbl_deployments VALUES (1, 'deployment/0001_users.sql', 'x', '2026-01-02 03:04:05')").await;
    assert_eq!(adopt(&db, set(), &Adopt::new()).await, ["0001_users"]);
    assert_eq!(applied_at(&db).await, ["2026-01-02T03:04:05.000Z"]);
    assert_up_applies(&db, set(), &["0002_add_tags", "0003_notes"]).await;

    db.execute("CREATE TABLE done (what VARCHAR(200), note TEXT)").await;
    db.execute("INSERT INTO done VALUES ('0001_users', 'x'), ('0002_tags_and_more', 'y')").await;
    let mut database = db.open().await;
    let migrator = Migrator::new(set()).set_name("other");
    let column = Adopt::new().table("done").column("nothing");
    let error = migrator.plan_adopt(&mut database, &column).await.unwrap_err();
    assert_eq!(error.to_string(), "`done` has no column `nothing`, only `what`, `note`");
    let what = Adopt::new().table("done").column("what");
    let adoption = migrator.plan_adopt(&mut database, &what).await.unwrap();
    assert_eq!(
        shown(&adoption),
        ["0001_users: recorded", "0002_add_tags: recorded as `0002_tags_and_more`", "0003_notes: not recorded"]
    );
    let error = migrator.adopt(&mut database, &what).await.unwrap_err();
    assert!(error.report().to_string().contains("give the file the name that is recorded"), "{error:?}");
}

async fn a_file_of_names(db: Db) {
    let names = r#"[{"name": "0001_users", "applied_at": "2026-01-02T03:04:05Z"}, {"name": "0002_add_tags"}]"#;
    assert_eq!(adopt(&db, set(), &Adopt::new().json(names)).await, ["0001_users", "0002_add_tags"]);
    assert_eq!(applied_at(&db).await[0], "2026-01-02T03:04:05.000Z");
    assert_up_applies(&db, set(), &["0003_notes"]).await;
    let mut database = db.open().await;
    let error = Migrator::new(set()).plan_adopt(&mut database, &Adopt::new().json("{")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
}

async fn patches_that_another_database_records(db: Db) {
    let Some(records) = (if db.is_sqlite() { Db::sqlite() } else { Db::postgres() }) else { return };
    records.execute("CREATE TABLE patches (name VARCHAR(200), applied_at TIMESTAMP)").await;
    records
        .execute(
            "INSERT INTO patches VALUES ('billing.00000001.0001.owner.old_name.sql', '2026-01-02 03:04:05'), \
             ('audit.00000001.0001.owner.logs.sql', '2026-01-02 03:04:05')",
        )
        .await;
    let set = migrations(&[
        ("migrations.toml", "numbering = \"encoded\"\n"),
        ("billing.00000001.0001.owner.invoices.sql", "CREATE TABLE invoices (id INT);\n"),
        ("billing.00000001.0002.owner.lines.sql", "CREATE TABLE lines (id INT);\n"),
    ]);
    let there = Adopt::new().recorded_in(records.url()).table("patches");
    assert_eq!(adopt(&db, set, &there).await, ["billing.00000001.0001.owner.invoices"]);
    assert_up_applies(&db, set, &["billing.00000001.0002.owner.lines"]).await;
}

#[tokio::test]
async fn rusqlite_migration_by_its_count() {
    let Some(db) = Db::sqlite() else { return };
    by_hand(&db, &THREE[..4]).await;
    db.execute("PRAGMA user_version = 2").await;
    assert_eq!(adopt(&db, set(), &Adopt::new()).await, ["0001_users", "0002_add_tags"]);
    assert_up_applies(&db, set(), &["0003_notes"]).await;
    db.execute("PRAGMA user_version = 4").await;
    let output = refused(&db, set(), &Adopt::new()).await;
    assert!(output.contains("rusqlite_migration has applied 4 migrations, and the program embeds fewer"), "{output}");
}

async fn by_hand(db: &Db, files: &[(&str, &str)]) {
    for (_, text) in files.iter().filter(|(file, _)| file.ends_with("up.sql")) {
        db.execute(text).await;
    }
}

/// sqlx holds its lock for as long as it runs.
#[tokio::test]
async fn a_run_of_the_other_tool_is_waited_for_and_not_for_ever() {
    let Some(db) = Db::postgres() else { return };
    by_sqlx(&db, &without(THREE, "0003")).await;
    let mut other = sqlx::PgConnection::connect(&db.url()).await.unwrap();
    sqlx::migrate::Migrate::lock(&mut other).await.unwrap();
    let mut database = db.open().await;
    let migrator = Migrator::new(set()).lock_timeout(std::time::Duration::from_millis(50));
    let error = migrator.adopt(&mut database, &Adopt::new()).await.unwrap_err();
    assert!(error.to_string().contains("the other tool holds its lock: one of its runs is under way"), "{error}");
    assert_eq!(db.objects().await, ["_sqlx_migrations", "tags", "users"]);
    sqlx::migrate::Migrate::unlock(&mut other).await.unwrap();
    migrator.adopt(&mut database, &Adopt::new()).await.unwrap();
}
