//! A mirror of the histories: what was dropped, restored or replaced is named before anything runs.

use lockgate::adopt::Adopt;
use lockgate::{Database, DatabasesMigrator, DownTo, Error, ErrorKind, Migrator, MirrorMismatch, Version};

use super::{PATCHES, Server, migrator};
use crate::support::set::{databases, migrations};

fn mirrored() -> DatabasesMigrator {
    migrator(&PATCHES).mirror("lockgate_state")
}

impl Server {
    /// What the mirror has: each database and set, with the number of migrations.
    async fn mirror(&self) -> Vec<String> {
        let sql = "SELECT database || ' ' || set_name || ' ' || count(*) FROM lockgate_mirror.history \
                   GROUP BY database, set_name ORDER BY 1";
        self.texts("lockgate_state", sql).await
    }
}

const WHOLE: [&str; 7] = [
    "audit default 1",
    "audit default/bootstraps 1",
    "billing default 3",
    "billing default/bootstraps 1",
    "catalog default 2",
    "catalog default/bootstraps 1",
    "lockgate_state lockgate/mirror 1",
];

fn says(error: &Error, words: &[&str]) {
    let shown = format!("{error:?}");
    assert!(words.iter().all(|word| shown.contains(word)), "{words:?} in {shown}");
}

#[tokio::test]
async fn what_was_dropped_restored_or_replaced_is_named_before_anything_runs() {
    let Some(server) = Server::new().await else { return };
    let (url, migrator) = (server.url(), mirrored());
    assert_eq!(migrator.status(&url).await.unwrap()[0].mirror, None);
    assert!(migrator.mirror_status(&url).await.unwrap().is_empty() && !server.exists("lockgate_state").await);
    assert_eq!(migrator.apply(&url).await.unwrap().steps().count(), 9);
    assert_eq!(server.mirror().await, WHOLE, "the mirror lists its own tables too");
    assert!(migrator.apply(&url).await.unwrap().is_empty());

    // What a run that was killed has not written, the next start adds.
    server.run("lockgate_state", "DELETE FROM lockgate_mirror.history WHERE database = 'billing'").await;
    assert_eq!(migrator.mirror_status(&url).await.unwrap()[1].behind, 4);
    assert!(migrator.apply(&url).await.unwrap().is_empty());
    assert_eq!(server.mirror().await, WHOLE);

    // Dropped: not made again in silence, and nothing else runs either.
    server.admin("DROP DATABASE billing").await;
    server
        .run("catalog", "ALTER TABLE book DROP COLUMN isbn; DELETE FROM lockgate_history WHERE name LIKE '%isbn'")
        .await;
    let error = migrator.apply(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    says(
        &error,
        &[
            "2 databases differ from their mirror",
            "the database `billing`: it does not exist, and the mirror has 4 migrations of it",
            "restore it from a backup; or, if it is right as it is, accept it with `accept_in_mirror`",
            "the database `catalog`: it is older: its history lacks 1 of the 3 migrations in the mirror, \
             `catalog.00000001.0002.librarian.add_isbn`",
            "nothing was changed",
        ],
    );
    assert!(!server.exists("billing").await);
    assert_eq!(migrator.plan(&url).await.unwrap_err().kind(), ErrorKind::Refused);
    let status = migrator.status(&url).await.unwrap();
    assert!(!status[0].up_refuses && status[1].up_refuses && status[2].up_refuses, "{status:?}");
    let codes = status.iter().map(|stand| stand.mirror.as_ref().unwrap().mismatch.as_ref().map(MirrorMismatch::code));
    assert_eq!(codes.collect::<Vec<_>>(), [None, Some("dropped"), Some("older")]);
    // The others can be worked on meanwhile.
    assert!(migrator.clone().only("audit").apply(&url).await.unwrap().is_empty());
    let no_reason = migrator.accept_in_mirror(&url, "billing", " ").await.unwrap_err();
    assert_eq!(no_reason.kind(), ErrorKind::Usage);
    migrator.accept_in_mirror(&url, "billing", "made anew on purpose").await.unwrap();
    migrator.accept_in_mirror(&url, "catalog", "the backup of yesterday").await.unwrap();
    assert_eq!(migrator.apply(&url).await.unwrap().steps().count(), 5);
    assert_eq!(server.mirror().await, WHOLE);
    let log = "SELECT database || ' ' || event || ' ' || detail FROM lockgate_mirror.log ORDER BY id";
    assert_eq!(
        server.texts("lockgate_state", log).await,
        ["billing accepted made anew on purpose", "catalog accepted the backup of yesterday"]
    );

    // Replaced: by a copy, and by one that was made elsewhere.
    server.admin("ALTER DATABASE audit RENAME TO audit_before").await;
    server.admin("CREATE DATABASE audit TEMPLATE audit_before OWNER auditor").await;
    says(
        &migrator.apply(&url).await.unwrap_err(),
        &["`audit`: it is not the database in the mirror", "the same history"],
    );
    migrator.accept_in_mirror(&url, "audit", "moved").await.unwrap();
    server.admin("DROP DATABASE audit").await;
    assert!(!migrator.clone().without_mirror().apply(&url).await.unwrap().is_empty());
    says(&migrator.apply(&url).await.unwrap_err(), &["another one, with another history: `audit.00000001.0001"]);
    migrator.accept_in_mirror(&url, "audit", "made anew").await.unwrap();
    server.run("audit", "DELETE FROM lockgate_history").await;
    says(&migrator.apply(&url).await.unwrap_err(), &["`audit`: it has no history, and the mirror has 2 migrations"]);
    server.admin("DROP DATABASE audit").await;
    server.admin("CREATE DATABASE audit OWNER auditor").await;
    let others = migrator.mirror_status(&url).await.unwrap();
    assert_eq!(others[0].mismatch.as_ref().map(MirrorMismatch::code), Some("replaced"));
    assert_eq!((others[3].database.as_str(), others[3].is_compared), ("lockgate_state", false));
}

/// A restored dump is a new database of the server, with rows of the old one.
#[tokio::test]
async fn an_older_dump_that_was_restored_is_called_older() {
    let Some(server) = Server::new().await else { return };
    const POLICY: (&str, &str) = ("migrations.toml", "numbering = \"encoded\"\ndialects = [\"postgres\"]\n");
    const FIRST: (&str, &str) = ("tt.00000001.0001.postgres.a.sql", "CREATE TABLE a (id int);");
    const LATER: [(&str, &str); 3] = [
        ("tt.00000001.0002.postgres.b.sql", "CREATE TABLE b (id int);"),
        ("tt.00000001.0003.postgres.c.sql", "CREATE TABLE c (id int);"),
        ("tt.00000001.0004.postgres.d.sql", "CREATE TABLE d (id int);"),
    ];
    let url = server.url();
    server.admin("CREATE DATABASE tt").await;
    let of = |files: &[(&str, &str)]| migrator(databases(files)).mirror("lockgate_state");
    of(&[POLICY, FIRST]).apply(&url).await.unwrap();
    let whole = of(&[&[POLICY, FIRST], &LATER[..]].concat());
    server.admin("CREATE DATABASE dump TEMPLATE tt").await;
    whole.apply(&url).await.unwrap();
    server.admin("DROP DATABASE tt").await;
    server.admin("ALTER DATABASE dump RENAME TO tt").await;
    let error = whole.apply(&url).await.unwrap_err();
    let help = "restore a newer backup; or, if it is right as it is, accept it with `accept_in_mirror`; then `apply` applies \
                what it lacks";
    let lacks = "its history lacks 3 of the 4 migrations in the mirror, `tt.00000001.0002.postgres.b` to \
                 `tt.00000001.0004.postgres.d`";
    says(&error, &["the database `tt`: it is a copy of the database in the mirror, and older: ", lacks, help]);
    let accepted = whole.accept_in_mirror(&url, "tt", "the backup of yesterday").await.unwrap();
    assert_eq!(accepted.mismatch.as_ref().map(MirrorMismatch::code), Some("older"));
    assert_eq!(whole.apply(&url).await.unwrap().steps().count(), 3);
    assert_eq!(whole.mirror_status(&url).await.unwrap()[0].mismatch, None);
}

#[tokio::test]
async fn a_mirror_that_cannot_be_used_stops_the_run_and_names_the_way_out() {
    let Some(server) = Server::new().await else { return };
    let url = server.url();
    let away = migrator(&PATCHES).mirror("postgres://postgres:x@127.0.0.1:1/lockgate_state");
    let error = away.apply(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    says(&error, &["the mirror: cannot connect", "nothing was changed", "with `without_mirror`"]);
    assert!(!server.exists("audit").await);
    server.admin("CREATE ROLE reader LOGIN PASSWORD 'reader-secret'").await;
    let port = server.postgres.port();
    let denied = format!("postgres://reader:reader-secret@127.0.0.1:{port}/lockgate_state");
    let error = migrator(&PATCHES).mirror(denied).apply(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    says(&error, &["the database `lockgate_state` does not exist, and could not be created", "CREATE DATABASE"]);
    let own = migrator(&PATCHES).mirror("audit").apply(&url).await.unwrap_err();
    assert_eq!(own.kind(), ErrorKind::Usage);
    assert_eq!(away.without_mirror().apply(&url).await.unwrap().steps().count(), 9);
}

#[tokio::test]
async fn the_policy_names_the_mirror() {
    let Some(server) = Server::new().await else { return };
    let patches = databases(&[
        ("migrations.toml", "numbering = \"encoded\"\ndialects = [\"postgres\"]\nmirror = \"lockgate_state\"\n"),
        ("one.00000000.0001.postgres.a.sql", "-- lockgate: no-transaction\nCREATE DATABASE one OWNER auditor;\n"),
        ("one.00000001.0001.auditor.b.sql", "CREATE TABLE b (id int);"),
        ("one.00000001.0002.auditor.c.sql", "CREATE TABLE c (id int); SELECT 1 / 0;"),
    ]);
    assert_eq!(patches.mirror(), Some("lockgate_state"));
    let migrator = migrator(patches);
    assert_eq!(migrator.apply(&server.url()).await.unwrap_err().kind(), ErrorKind::Failed);
    let kept = ["lockgate_state lockgate/mirror 1", "one default 1", "one default/bootstraps 1"];
    assert_eq!(server.mirror().await, kept, "after a failure, the mirror has what is committed");
}

#[tokio::test]
async fn one_database_has_a_mirror_too_and_what_a_run_reverts_is_no_older_state() {
    let Some(server) = Server::new().await else { return };
    server.admin("CREATE DATABASE shop").await;
    let set = migrations(&[
        ("0001_a.up.sql", "CREATE TABLE a (id int);"),
        ("0001_a.down.sql", "DROP TABLE a;"),
        ("0002_b.up.sql", "CREATE TABLE b (id int);"),
        ("0002_b.down.sql", "DROP TABLE b;"),
    ]);
    let (url, plain) = (server.postgres.url("shop"), Migrator::new(set));
    let mut database = Database::connect(&url).await.unwrap();
    let migrator = plain.clone().mirror(server.postgres.url("lockgate_state"));
    migrator.apply(&mut database).await.unwrap();
    assert_eq!(server.mirror().await, ["lockgate_state lockgate/mirror 1", "shop default 2"]);
    migrator.redo(&mut database, 1).await.unwrap();
    migrator.revert(&mut database, DownTo::Steps(1)).await.unwrap();
    assert_eq!(server.mirror().await[1], "shop default 1");
    assert_eq!(migrator.mirror_status(&mut database).await.unwrap().unwrap().mismatch, None);
    migrator.apply(&mut database).await.unwrap();

    let seen = server.texts("lockgate_state", "SELECT seen_at::text FROM lockgate_mirror.database ORDER BY name").await;
    assert!(migrator.apply(&mut database).await.unwrap().is_empty());
    let again =
        server.texts("lockgate_state", "SELECT seen_at::text FROM lockgate_mirror.database ORDER BY name").await;
    assert_eq!(seen, again, "a start that finds nothing to do writes nothing");
    let own = plain.clone().mirror(&url).apply(&mut database).await.unwrap_err();
    assert_eq!(own.kind(), ErrorKind::Usage);

    // A run that was killed after it had reverted: the mirror knew what was coming.
    server.run("lockgate_state", "UPDATE lockgate_mirror.history SET leaving = true WHERE version = 2").await;
    plain.revert(&mut database, DownTo::Steps(1)).await.unwrap();
    migrator.apply(&mut database).await.unwrap();
    assert_eq!(server.mirror().await[1], "shop default 2");

    // Without the mirror, it looks like an older state, and somebody has to say that it is right.
    plain.revert(&mut database, DownTo::Steps(1)).await.unwrap();
    let error = migrator.apply(&mut database).await.unwrap_err();
    says(&error, &["the database `shop`: it is older: its history lacks 1 of the 2 migrations in the mirror, `2_b`"]);
    let accepted = migrator.accept_in_mirror(&mut database, "reverted by hand").await.unwrap();
    assert!(accepted.mismatch.is_some());
    assert_eq!(migrator.apply(&mut database).await.unwrap().steps.len(), 1);
}

/// They are meant to change, and what is lost of them the next run makes again.
#[tokio::test]
async fn repeatable_scripts_are_not_in_the_mirror() {
    let Some(server) = Server::new().await else { return };
    server.admin("CREATE DATABASE shop").await;
    let shop = server.postgres.url("shop");
    let set = |view: &str| migrations(&[("0001_a.up.sql", "CREATE TABLE a (id int);\n"), ("R__v.sql", view)]);
    let of = |view: &str| Migrator::new(set(view)).mirror(server.postgres.url("lockgate_state"));
    let mut database = Database::connect(&shop).await.unwrap();
    let first = of("CREATE OR REPLACE VIEW v AS SELECT id FROM a;\n");
    assert_eq!(first.apply(&mut database).await.unwrap().steps.len(), 2);
    assert!(server.mirror().await.contains(&"shop default 1".to_owned()), "{:?}", server.mirror().await);
    // A run without the mirror, or one that was killed before it told the mirror, is no other history.
    let changed = of("CREATE OR REPLACE VIEW v AS SELECT id AS id FROM a;\n");
    assert_eq!(changed.clone().without_mirror().apply(&mut database).await.unwrap().steps.len(), 1);
    assert!(changed.apply(&mut database).await.unwrap().is_empty());
    // A mirror of an earlier release has them.
    let row = format!(
        "INSERT INTO lockgate_mirror.history (database, set_name, version, migration, checksum, applied_at, applied_by) \
         VALUES ('shop', 'default', {}, 'R__v', 'v1:00', '2020', 'x')",
        Version::of_name("R__v")
    );
    server.run("lockgate_state", &row).await;
    let status = changed.mirror_status(&mut database).await.unwrap().unwrap();
    assert_eq!((status.remembered, status.mismatch), (1, None));
}

/// Whatever writes the history: the mirror is asked before, and told after.
#[tokio::test]
async fn adopting_creating_and_manual_scripts_keep_the_mirror() {
    let Some(server) = Server::new().await else { return };
    server.admin("CREATE DATABASE shop").await;
    let (shop, state) = (server.postgres.url("shop"), server.postgres.url("lockgate_state"));
    let set = migrations(&[("0001_a.up.sql", "CREATE TABLE a (id int);\n"), ("0001_a.down.sql", "DROP TABLE a;\n")]);
    let migrator = Migrator::new(set).mirror(&state);
    let mut database = Database::connect(&shop).await.unwrap();
    let taken = Adopt::new().json(r#"["0001_a"]"#);
    assert_eq!(migrator.adopt(&mut database, &taken).await.unwrap().steps.len(), 1);
    assert!(server.mirror().await.contains(&"shop default 1".to_owned()));
    // What was taken back is no older state.
    migrator.undo_adopt(&mut database).await.unwrap();
    assert!(!server.mirror().await.iter().any(|row| row.starts_with("shop")), "{:?}", server.mirror().await);
    assert_eq!(migrator.apply(&mut database).await.unwrap().steps.len(), 1);
    server.run("shop", "DELETE FROM lockgate_history").await;
    says(
        &migrator.adopt(&mut database, &taken).await.unwrap_err(),
        &["`shop`: it has no history, and the mirror has 1"],
    );

    server.admin("CREATE DATABASE trees").await;
    let trees = server.postgres.url("trees");
    let set = migrations(&[
        ("migrations.toml", "layout = \"trees\"\n"),
        ("create/1-tables/a.sql", "CREATE TABLE a (id int);\n"),
        ("deployment/00000-a.sql", "CREATE TABLE a (id int);\n"),
        ("manual-deployment/00007-fill.sql", "INSERT INTO a VALUES (1);\n"),
    ]);
    let migrator = Migrator::new(set).mirror(&state);
    let mut database = Database::connect(&trees).await.unwrap();
    migrator.create(&mut database).await.unwrap();
    assert!(server.mirror().await.contains(&"trees default 1".to_owned()), "{:?}", server.mirror().await);
    migrator.run_manual(&mut database, Version::new(7).unwrap()).await.unwrap();
    assert!(server.mirror().await.contains(&"trees default/manual 1".to_owned()), "{:?}", server.mirror().await);
    // Made anew in silence, the rows would be missing.
    drop(database);
    server.admin("DROP DATABASE trees").await;
    server.admin("CREATE DATABASE trees").await;
    let mut database = Database::connect(&trees).await.unwrap();
    let lost = ["`trees`: it is not the database in the mirror, but another one"];
    says(&migrator.create(&mut database).await.unwrap_err(), &lost);
    says(&migrator.run_manual(&mut database, Version::new(7).unwrap()).await.unwrap_err(), &lost);
}
