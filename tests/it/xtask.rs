//! The developers' commands, as real runs: servers that come and go, scratch workspaces.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lockgate_harness::server::{Options, Postgres};
use sqlx::{Connection, Executor, PgConnection};

use crate::support::postgres;
use crate::support::scratch::{Scratch, xtask};

#[tokio::test]
async fn a_server_survives_kill_9_and_restart() {
    let Some(mut server) = postgres::cluster(&Options::default().durable(true)) else { return };
    let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
    connection.execute("CREATE TABLE kept (x int)").await.unwrap();
    let fsync: String = sqlx::query_scalar("SHOW fsync").fetch_one(&mut connection).await.unwrap();
    assert_eq!(fsync, "on");

    server.kill_9().unwrap();
    assert_eq!(server.pid(), None);
    connection.execute("SELECT 1").await.unwrap_err();

    server.restart().unwrap();
    for url in [server.url("postgres"), server.socket_url("postgres")] {
        let mut connection = PgConnection::connect(&url).await.unwrap();
        connection.execute("SELECT * FROM kept").await.unwrap();
    }
    let directory = server.directory().to_owned();
    drop(server);
    assert!(!directory.exists());
}

#[test]
fn a_server_goes_with_a_starter_that_is_killed() {
    // The starter is this test binary, which runs only the next test.
    let mut starter = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "xtask::starter_for_the_test_that_kills_it", "--nocapture"])
        .env("LOCKGATE_TEST_STARTER", "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(starter.stdout.take().unwrap()).lines().map(Result::unwrap);
    let started = lines.filter_map(|line| line.split_once("starter: ").map(|(_, rest)| rest.to_owned())).next();
    let started = started.expect("the starter says what it has started");
    let was_there = started.split_once(' ').map(|(pid, directory)| (pid.to_owned(), PathBuf::from(directory)));
    let both_were = was_there.as_ref().is_some_and(|(pid, directory)| is_alive(pid) && directory.exists());

    starter.kill().unwrap();
    starter.wait().unwrap();
    // The test is reported as skipped if there is no PostgreSQL.
    let Some((pid, directory)) = was_there else { return };
    assert!(both_were, "{started}");

    let deadline = Instant::now() + Duration::from_secs(30);
    while (is_alive(&pid) || directory.exists()) && Instant::now() < deadline {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    assert!(!is_alive(&pid), "the server lives on");
    assert!(!directory.exists(), "{} is left behind", directory.display());
}

#[test]
fn starter_for_the_test_that_kills_it() {
    if std::env::var_os("LOCKGATE_TEST_STARTER").is_none() {
        return;
    }
    let mut stdout = std::io::stdout();
    let Some(server) = postgres::cluster(&Options::default()) else {
        writeln!(stdout, "starter: skipped").unwrap();
        return;
    };
    let pid = server.pid().expect("it has just been started");
    writeln!(stdout, "\nstarter: {pid} {}", server.directory().display()).unwrap();
    stdout.flush().unwrap();
    std::thread::park();
}

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn a_server_that_cannot_start_shows_its_log() {
    let options = Options::default().setting("shared_buffers", "nonsense");
    let Err(error) = Postgres::start(&options) else { panic!("it starts") };
    if error.kind() == lockgate_harness::server::ErrorKind::Failed {
        assert!(error.to_string().contains("shared_buffers"), "{error}");
    }
}

#[test]
fn new_migration_numbers_itself_and_overwrites_nothing() {
    let scratch = Scratch::with_migrations();
    let output = scratch.run(&["new-migration", "add foo"]).succeeds();
    let test = "app/tests/migrations/0003_add_foo.rs";
    for file in ["app/migrations/0003_add_foo.up.sql", "app/migrations/0003_add_foo.down.sql", test] {
        assert!(output.contains(file), "{output}");
        assert!(scratch.read(file).contains("0003_add_foo"), "{file}");
    }
    assert!(scratch.read("app/migrations/migrations.lock").ends_with("draft 0002_tags\ndraft 0003_add_foo\n"));
    assert!(scratch.read("app/tests/migrations/main.rs").contains("lockgate_harness::migration_tests!();"));
    scratch.run(&["check"]).succeeds();

    let before = scratch.everything();
    let output = scratch.run(&["new-migration", "Add foo!"]).fails(1);
    assert!(output.contains("`0003_add_foo` already has this name, so nothing was changed"), "{output}");
    scratch.write("app/tests/migrations/0004_bar.rs", "// mine");
    let output = scratch.run(&["new-migration", "bar"]).fails(1);
    assert!(output.contains("0004_bar.rs exists already: nothing was changed"), "{output}");
    std::fs::remove_file(scratch.path("app/tests/migrations/0004_bar.rs")).unwrap();
    assert_eq!(scratch.everything(), before);
}

/// First in SQL, where the failure names the line to write; then the same in Rust, with several functions.
fn a_test_says_what_its_migration_means_to_do(scratch: &Scratch) {
    scratch.run(&["new-migration", "double"]).succeeds();
    scratch.write("app/migrations/0002_double.up.sql", "UPDATE foo SET n = n * 2;\n");
    scratch.write("app/migrations/0002_double.down.sql", "SELECT 1;\n");
    scratch.write(
        "app/migrations/0001_add_foo.up.sql",
        "CREATE TABLE foo (id INTEGER NOT NULL PRIMARY KEY, n INTEGER);\n",
    );
    std::fs::remove_file(scratch.path("app/tests/migrations/0002_double.rs")).unwrap();
    let [before, after, fill] =
        ["before", "after", "fill"].map(|part| format!("app/tests/migrations/0002_double.{part}.sql"));
    scratch.write(&before, "SELECT count(*) = 1 FROM foo WHERE n = 7;\n");
    scratch.write(&after, "SELECT count(*) = 1 FROM foo WHERE n = 14;\n");
    scratch.write(&fill, "INSERT INTO foo VALUES (1, 7);\n");
    let walk = || scratch.cargo(&["test", "--test", "migrations", "m0002"]);
    let (passes, output) = walk();
    assert!(!passes && output.contains("`foo.n` was 7 and is 14 where id = 1"), "{output}");
    assert!(
        output
            .contains("declare it in app/tests/migrations/0002_double.before.sql: `-- lockgate: changes-values foo.n`"),
        "{output}"
    );
    let of = |word: &str| format!("-- lockgate: {word} foo.n\nSELECT count(*) = 1 FROM foo WHERE n = 7;\n");
    scratch.write(&before, &of("changes-values"));
    let (passes, output) = walk();
    assert!(!passes && output.contains("fix app/migrations/0002_double.down.sql; or,"), "{output}");
    scratch.write(&before, &of("loses-values"));
    let (passes, output) = walk();
    assert!(!passes && output.contains("`before` fails after the down script [before-again]"), "{output}");
    assert!(output.contains("at app/tests/migrations/0002_double.before.sql:2"), "{output}");

    [before, after, fill].iter().for_each(|file| std::fs::remove_file(scratch.path(file)).unwrap());
    scratch.write("app/migrations/0002_double.down.sql", "UPDATE foo SET n = n / 2;\n");
    let test = "use lockgate_harness::{Db, TestResult};\n\npub const CHANGES_VALUES: &[&str] = &[\"foo.n\"];\n\n\
                pub async fn fill(db: &mut Db) -> TestResult {\n    db.execute(\"INSERT INTO foo VALUES (1, 7)\").await.map(drop)\n}\n\n\
                pub async fn before(db: &mut Db) -> TestResult {\n    db.expect_value(7, \"SELECT n FROM foo\").await\n}\n\n\
                pub async fn after_one(db: &mut Db) -> TestResult {\n    db.execute(\"DELETE FROM foo\").await.map(drop)\n}\n\n\
                pub async fn after_two(db: &mut Db) -> TestResult {\n    db.expect_value(14, \"SELECT n FROM foo\").await\n}\n";
    scratch.write("app/tests/migrations/0002_double.rs", test);
    let (passes, output) = walk();
    assert!(passes && output.contains("test sqlite::m0002_double ... ok"), "{output}");
}

#[test]
fn the_test_of_a_new_migration_fails_until_it_is_written() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().display();
    let scratch = Scratch::new();
    scratch.run(&["init", "--dialects", "sqlite"]).succeeds();
    scratch.run(&["new-migration", "add foo"]).succeeds();
    scratch.write("app/migrations/0001_add_foo.up.sql", "CREATE TABLE foo (id INTEGER NOT NULL PRIMARY KEY);\n");
    scratch.write("app/migrations/0001_add_foo.down.sql", "DROP TABLE foo;\n");
    scratch.package(
        "app",
        &format!(
            "[dependencies]\nlockgate = {{ path = \"{workspace}/runtime\", features = [\"sqlite\"] }}\n\
             [dev-dependencies]\nlockgate-harness = {{ path = \"{workspace}/harness\", features = [\"sqlite\"] }}\n"
        ),
    );
    std::fs::remove_file(scratch.path("app/build.rs")).unwrap();
    let (passes, output) = scratch.cargo(&["test", "--test", "migrations", "m0001"]);
    assert!(!passes && output.contains("`SELECT 'what is true before 0001_add_foo' = 'not written yet'`"), "{output}");
    assert!(output.contains("`0001_add_foo` on SQLite: `before` fails before the migration [before]"), "{output}");
    assert!(output.contains("at app/tests/migrations/0001_add_foo.rs:"), "{output}");

    let test = "use lockgate_harness::{Db, TestResult};\n\n\
                pub async fn before(db: &mut Db) -> TestResult {\n    db.expect_no_table(\"foo\").await\n}\n\n\
                pub async fn after(db: &mut Db) -> TestResult {\n    db.expect_table(\"foo\").await\n}\n";
    scratch.write("app/tests/migrations/0001_add_foo.rs", test);
    let (passes, output) = scratch.cargo(&["test", "--test", "migrations"]);
    assert!(passes && output.contains("test sqlite::m0001_add_foo ... ok"), "{output}");
    assert!(output.contains("test sqlite::fresh_install ... ok") && output.contains("10 passed"), "{output}");
    a_test_says_what_its_migration_means_to_do(&scratch);
}

#[test]
fn a_missing_test_is_written_by_the_command_that_the_message_names() {
    let scratch = Scratch::with_migrations();
    std::fs::remove_file(scratch.path("app/tests/migrations/0002_tags.rs")).unwrap();
    let output = scratch.run(&["check"]).fails(1);
    assert!(output.contains("missing-test") && output.contains("cargo xtask new-test 0002"), "{output}");
    let output = scratch.run(&["new-test", "0002", "--sql"]).succeeds();
    for file in ["app/tests/migrations/0002_tags.before.sql", "app/tests/migrations/0002_tags.after.sql"] {
        assert!(output.contains(file) && scratch.path(file).exists(), "{output}");
    }
    scratch.run(&["check"]).succeeds();

    let before = scratch.everything();
    let output = scratch.run(&["new-test", "2"]).fails(1);
    assert!(output.contains("`0002_tags` already has a test: nothing was changed"), "{output}");
    let output = scratch.run(&["new-test", "7"]).fails(1);
    assert!(output.contains("`app/migrations` has no migration `7`"), "{output}");
    assert_eq!(scratch.everything(), before);
}

/// The commands of CI fail for a change whose migration has no test, and use a real server.
#[test]
fn a_change_without_a_test_is_red() {
    let scratch = Scratch::with_migrations();
    scratch.run(&["check"]).succeeds();
    scratch.write("app/migrations/0003_more.up.sql", "CREATE TABLE more (id INTEGER);\n");
    scratch.write("app/migrations/0003_more.down.sql", "DROP TABLE more;\n");
    let output = scratch.run(&["check"]).fails(1);
    assert!(output.contains("error[missing-test]: `0003_more` has no test"), "{output}");
    assert!(output.contains("`app/tests/migrations/0003_more.rs`"), "{output}");
    scratch.run(&["new-test", "3"]).succeeds();
    scratch.run(&["check", "--write"]).succeeds();

    let ours = crate::support::tree::text(".ci/run").unwrap_or_default();
    assert!(ours.contains("\nLOCKGATE_REQUIRE=sqlite,postgres step cargo xtask test\n"), "{ours}");
}

#[test]
fn one_step_makes_the_final_name_and_number() {
    let scratch = Scratch::with_migrations();
    scratch.run(&["new-migration", "purpose of migration"]).succeeds();
    assert!(scratch.path("app/migrations/0003_purpose_of_migration.up.sql").exists());

    scratch.run(&["new-migration", "one way", "--one-way"]).succeeds();
    assert!(scratch.read("app/migrations/0004_one_way.sql").contains("-- lockgate: irreversible"));
    scratch.run(&["new-migration", "in rust", "--rust"]).succeeds();
    assert!(scratch.read("app/migrations/0005_in_rust.rs").contains("pub async fn down"));
    scratch.run(&["new-migration", "in rust", "--rust", "--one-way", "--version", "6"]).succeeds();
    assert!(!scratch.read("app/migrations/0006_in_rust.rs").contains("pub async fn down"));
    scratch.run(&["check"]).succeeds();

    let before = scratch.everything();
    let output = scratch.run(&["new-migration", "x", "--version", "2"]).fails(1);
    assert!(output.contains("the version 2 is taken by `0002_tags`"), "{output}");
    let output = scratch.run(&["new-migration", "x", "--version", "9"]).fails(1);
    assert!(output.contains("must not have a gap: the next one is 0007"), "{output}");
    let output = scratch.run(&["new-migration", "?!"]).fails(1);
    assert!(output.contains("is not a name"), "{output}");
    let output = scratch.run(&["new-migration", "x", "--package", "nobody"]).fails(2);
    assert!(output.contains("has no package `nobody`: it has `app`"), "{output}");
    assert_eq!(scratch.everything(), before);
}

#[test]
fn renumber_after_a_merge() {
    let scratch = Scratch::with_migrations();
    // Another branch took the number 2 as well, and git merged both.
    let theirs = "app/migrations/0002_ratings";
    scratch.write(&format!("{theirs}.up.sql"), "CREATE TABLE ratings (x int);\n");
    scratch.write(&format!("{theirs}.down.sql"), "DROP TABLE ratings;\n");
    let test = "// of 0002_ratings\npub async fn before(db: &mut Db) {}\npub async fn after(db: &mut Db) {}\n";
    scratch.write("app/tests/migrations/0002_ratings.rs", test);
    let lock = scratch.read("app/migrations/migrations.lock");
    let merged = lock.replace("draft 0002_tags\n", "draft 0002_ratings\ndraft 0002_tags\n");
    scratch.write("app/migrations/migrations.lock", &merged);
    let output = scratch.run(&["check"]).fails(1);
    assert!(output.contains("0002_ratings") && output.contains("0002_tags") && output.contains("renumber"), "{output}");

    let (builds, output) = scratch.builds();
    assert!(!builds && output.contains("0002_tags"), "{output}");

    let output = scratch.run(&["renumber", "2"]).fails(1);
    assert!(output.contains("belongs to 0002_ratings and 0002_tags"), "{output}");
    let before = scratch.everything();
    scratch.run(&["renumber", "0002_tags", "--dry-run"]).succeeds();
    assert_eq!(scratch.everything(), before);

    let output = scratch.run(&["renumber", "0002_tags"]).succeeds();
    assert!(output.contains("app/migrations/0002_tags.up.sql is now app/migrations/0003_tags.up.sql"), "{output}");
    assert!(output.contains("app/tests/migrations/0002_tags.rs is now app/tests/migrations/0003_tags.rs"), "{output}");
    scratch.run(&["check"]).succeeds();
    let (builds, output) = scratch.builds();
    assert!(builds, "{output}");
    assert!(scratch.read("app/migrations/migrations.lock").ends_with("draft 0002_ratings\ndraft 0003_tags\n"));
    assert!(scratch.read("app/tests/migrations/0003_tags.rs").contains("`0003_tags`"));
    let output = scratch.run(&["renumber", "0001_users"]).fails(1);
    assert!(output.contains("is released and keeps its number"), "{output}");
    scratch.run(&["renumber", "--all-drafts"]).succeeds();
    scratch.run(&["renumber"]).fails(2);
}

/// If a draft has the number of a released migration, the number means the draft, never the released one.
#[test]
fn a_released_migration_keeps_its_number() {
    let scratch = Scratch::with_migrations();
    let output = scratch.run(&["renumber", "1"]).fails(1);
    assert!(output.contains("`0001_users` is released and keeps its number"), "{output}");
    let output = scratch.run(&["renumber", "7"]).fails(1);
    assert!(output.contains("no draft has the number 7"), "{output}");

    scratch.run(&["freeze"]).succeeds();
    let lock = scratch.read("app/migrations/migrations.lock");
    let output = scratch.run(&["renumber", "2"]).fails(1);
    assert!(output.contains("`0002_tags` is released and keeps its number"), "{output}");
    // Another branch took the number 2 as well.
    scratch.write("app/migrations/0002_ratings.up.sql", "CREATE TABLE ratings (x int);\n");
    scratch.write("app/migrations/0002_ratings.down.sql", "DROP TABLE ratings;\n");
    scratch.write("app/migrations/migrations.lock", &format!("{lock}draft 0002_ratings\n"));
    let output = scratch.run(&["renumber", "2"]).succeeds();
    assert!(
        output.contains("app/migrations/0002_ratings.up.sql is now app/migrations/0003_ratings.up.sql"),
        "{output}"
    );
    assert!(!output.contains("0002_tags"), "{output}");
    assert!(scratch.read("app/migrations/migrations.lock").ends_with("draft 0003_ratings\n"));
    assert!(scratch.path("app/migrations/0002_tags.up.sql").exists());
}

#[test]
fn freeze_check_is_red_until_frozen() {
    let scratch = Scratch::with_migrations();
    let output = scratch.run(&["freeze", "--check"]).fails(1);
    assert!(output.contains("1 of 2 are not frozen (0002_tags): run `cargo xtask freeze`"), "{output}");
    let output = scratch.run(&["freeze"]).succeeds();
    assert!(output.contains("frozen: 0002_tags\n") && !output.contains("0001"), "{output}");
    scratch.run(&["freeze", "--check"]).succeeds();
    let frozen = scratch.everything();
    scratch.run(&["freeze"]).succeeds();
    assert_eq!(scratch.everything(), frozen);

    scratch.write("app/migrations/0001_users.up.sql", "CREATE TABLE users (edited int);\n");
    let before = scratch.everything();
    let output = scratch.run(&["freeze"]).fails(1);
    assert!(output.contains("edited") && output.contains("nothing was frozen"), "{output}");
    scratch.run(&["freeze", "--check"]).fails(1);
    scratch.run(&["check", "--write"]).fails(1);
    assert_eq!(scratch.everything(), before);
}

#[test]
fn check_writes_drafts_and_nothing_else() {
    let scratch = Scratch::with_migrations();
    scratch.write("app/migrations/0003_by_hand.up.sql", "CREATE TABLE t (x int);\n");
    scratch.write("app/migrations/0003_by_hand.down.sql", "DROP TABLE t;\n");
    let test = "pub async fn before(db: &mut Db) {}\npub async fn after(db: &mut Db) {}\n";
    scratch.write("app/tests/migrations/0003_by_hand.rs", test);
    let output = scratch.run(&["check"]).fails(1);
    assert!(output.contains("not in the lockfile") && output.contains("check --write"), "{output}");
    let output = scratch.run(&["check", "--write"]).succeeds();
    assert!(output.contains("draft added: 0003_by_hand"), "{output}");
    assert!(scratch.read("app/migrations/migrations.lock").contains("draft 0003_by_hand\n"));
    scratch.run(&["check"]).succeeds();

    for end in ["up", "down"] {
        std::fs::remove_file(scratch.path(&format!("app/migrations/0003_by_hand.{end}.sql"))).unwrap();
    }
    let output = scratch.run(&["check"]).fails(1);
    assert!(output.contains("there is no migration `0003_by_hand` for the test `0003_by_hand.rs`"), "{output}");
    std::fs::remove_file(scratch.path("app/tests/migrations/0003_by_hand.rs")).unwrap();
    let output = scratch.run(&["check", "--write"]).succeeds();
    assert!(output.contains("draft removed: 0003_by_hand"), "{output}");

    // Without its released lines, the command cannot continue.
    scratch.write("app/migrations/migrations.lock", "<<<<<<< ours\n");
    let before = scratch.everything();
    let output = scratch.run(&["check", "--write"]).fails(1);
    assert!(output.contains("app/migrations/migrations.lock cannot be read, so nothing was written"), "{output}");
    scratch.run(&["new-migration", "x"]).fails(1);
    scratch.run(&["renumber", "0002_tags"]).fails(1);
    assert_eq!(scratch.everything(), before);
}

#[test]
fn init_twice_changes_nothing() {
    let scratch = Scratch::new();
    let output = scratch.run(&["init"]).fails(2);
    assert!(output.contains("pass `--dialects`"), "{output}");
    let output = scratch.run(&["init", "--dialects", "postgres,sqlite"]).succeeds();
    assert!(
        output.contains("written app/migrations/migrations.toml") && output.contains("lockgate_xtask::main()"),
        "{output}"
    );
    assert!(output.contains("cargo add --package app lockgate --features postgres,sqlite"), "{output}");
    assert!(scratch.read("app/migrations/migrations.toml").contains("dialects = [\"postgres\", \"sqlite\"]"));
    scratch.run(&["check"]).succeeds();

    scratch.write("app/build.rs", "fn main() {}\n");
    let before = scratch.everything();
    let output = scratch.run(&["init", "--dialects", "mysql"]).succeeds();
    assert!(output.contains("kept    app/migrations/migrations.toml"), "{output}");
    assert!(output.contains("add `lockgate_build::check();` to the build script of `app`"), "{output}");
    assert_eq!(scratch.everything(), before);
}

/// For an installed program, `init` writes an alias and no crate.
#[test]
fn init_of_an_installed_program_writes_the_alias() {
    let scratch = Scratch::new();
    let text = scratch.run(&["lockgate", "init", "--dialects", "sqlite"]).succeeds();
    assert!(text.contains("written .cargo/config.toml") && !text.contains("member of the workspace"), "{text}");
    assert!(text.contains("now create your first migration: `cargo xtask new-migration"), "{text}");
    assert!(scratch.read(".cargo/config.toml").contains("xtask = \"lockgate xtask\""));
    let path = format!("{}:{}", xtask().parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output =
        Command::new("cargo").args(["xtask", "check"]).env("PATH", path).current_dir(scratch.path(".")).output();
    assert!(output.unwrap().status.success());
    let help = scratch.run(&["lockgate", "--help"]).succeeds();
    assert!(help.contains("Usage: cargo lockgate <COMMAND>"), "{help}");
    // The alias that messages name does not exist before `init`.
    let text = Scratch::new().run(&["lockgate", "check"]).fails(2);
    assert!(text.contains("create one with `cargo lockgate init`"), "{text}");

    let before = scratch.everything();
    let text = scratch.run(&["lockgate", "init", "--dialects", "sqlite"]).succeeds();
    assert!(!text.contains("config.toml"), "{text}");
    scratch.write(".cargo/config.toml", "[build]\n");
    let text = scratch.run(&["lockgate", "init", "--dialects", "sqlite"]).succeeds();
    assert!(text.contains("add to `.cargo/config.toml`, as compile errors name `cargo xtask`:\n[alias]"), "{text}");
    scratch.write(".cargo/config.toml", &before.iter().find(|(path, _)| path.ends_with("config.toml")).unwrap().1);
    assert_eq!(scratch.everything(), before);
}

/// Messages name the command as it was typed, because not every workspace has the alias.
#[test]
fn messages_name_the_command_that_was_typed() {
    let scratch = Scratch::with_migrations();
    let path = |file: &str| format!("app/migrations/{file}");
    let draft = scratch.read(&path("0002_tags.up.sql"));
    scratch.write(&path("0003_extra.up.sql"), &draft);
    scratch.write(&path("0001_users.up.sql"), "SELECT 1;\n");
    let schema: &[&str] = &["schema", "--check", "app/schema.sql"];
    let commands: &[&[&str]] = &[
        &["check"],
        &["check", "--format", "json"],
        &["check", "--format", "sarif"],
        &["freeze"],
        &["freeze", "--check"],
        &["renumber"],
        &["amend", "9"],
        &["new-migration"],
        &["explain", "edited"],
        &["explain", "misordered"],
        &["explain", "replay"],
        &["explain", "numbering"],
        &["merge-lockfile", "--help"],
        &["check", "--help"],
        schema,
    ];
    let mut named = 0;
    for words in commands {
        for (called, other, first) in [
            (&["lockgate"][..], "cargo xtask", "cargo lockgate"),
            (&["lockgate", "xtask"], "cargo lockgate", "cargo xtask"),
            (&[], "cargo lockgate", "cargo xtask"),
        ] {
            let output = scratch.run(&[called, words].concat());
            let text = output.stdout + &output.stderr;
            assert!(!text.contains(other), "{called:?} {words:?}:\n{text}");
            named += usize::from(text.contains(first));
        }
    }
    assert!(named >= 2 * commands.len(), "{named}");
}

/// For a dependency on a clone, the lines that `init` prints name the other crates in that clone, and work unchanged.
#[test]
fn init_names_the_files_beside_a_clone() {
    let scratch = Scratch::new();
    let workspace = crate::support::tree::root().display();
    scratch.package(
        "app",
        &format!("[dependencies]\nlockgate = {{ path = \"{workspace}/runtime\", features = [\"sqlite\"] }}\n"),
    );
    let output = scratch.run(&["init"]).succeeds();
    let lines: Vec<&str> =
        output.lines().filter_map(|line| line.strip_prefix("run `cargo ")?.strip_suffix('`')).collect();
    assert_eq!(lines.len(), 3, "{output}");
    for line in lines {
        let (done, answer) = scratch.cargo(&line.split(' ').collect::<Vec<_>>());
        assert!(done, "{answer}");
    }
    let manifest = scratch.read("app/Cargo.toml");
    assert!(manifest.contains("lockgate-build = {") && manifest.contains("lockgate-harness = {"), "{manifest}");
    // The printed lines for the program are used as the program.
    let main = output
        .split("for example in `src/main.rs`:\n")
        .nth(1)
        .and_then(|rest| rest.split("\nor apply ").next())
        .unwrap();
    scratch.write("app/src/main.rs", main);
    scratch.run(&["new-migration", "create users"]).succeeds();
    scratch.write("app/migrations/0001_create_users.up.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY);\n");
    scratch.write("app/migrations/0001_create_users.down.sql", "DROP TABLE users;\n");
    let (done, answer) = scratch.cargo(&["check", "--package", "app"]);
    assert!(done, "{answer}");
    assert!(!scratch.run(&["init"]).succeeds().contains("embed_migrations!"), "it is embedded");
    assert!(!scratch.run(&["init"]).succeeds().contains("cargo add"), "all of it was done");
}

#[test]
fn init_accepts_an_existing_folder() {
    let scratch = Scratch::new();
    scratch.write("app/migrations/20240101000000_a.sql", "CREATE TABLE a (x int);\n");
    scratch.write("app/migrations/20240202000000_b.up.sql", "CREATE TABLE b (x int);\n");
    scratch.write("app/migrations/20240202000000_b.down.sql", "DROP TABLE b;\n");
    // This down script leaves something behind, which is an error in a new folder.
    scratch.write("app/migrations/20240303000000_c.up.sql", "CREATE TABLE c (x int);\nCREATE TABLE d (x int);\n");
    scratch.write("app/migrations/20240303000000_c.down.sql", "DROP TABLE c;\n");
    scratch.run(&["init", "--dialects", "postgres"]).succeeds();
    scratch.run(&["check"]).succeeds();
    let policy = scratch.read("app/migrations/migrations.toml");
    for line in [
        "numbering = \"timestamp\"",
        "down = \"optional\"",
        "tests = \"optional\"",
        "enum-value-used = \"deny\"",
        "incomplete-down = \"warn\"",
    ] {
        assert!(policy.contains(line), "{policy}");
    }
    scratch.run(&["new-migration", "e"]).succeeds();
    scratch.run(&["check"]).succeeds();
}

#[test]
fn patches_are_created_renumbered_and_renamed() {
    let scratch = Scratch::new();
    let first = "billing.00000001.0001.billing_owner.create_invoice";
    scratch.write(&format!("app/migrations/{first}.sql"), "CREATE TABLE invoice (id BIGINT PRIMARY KEY);\n");
    scratch.run(&["init", "--dialects", "sqlite"]).succeeds();
    let policy = scratch.read("app/migrations/migrations.toml");
    assert!(policy.contains("numbering = \"encoded\"\n"), "{policy}");

    // Database and user are those of the newest patch, and the test has the name of the key.
    let output = scratch.run(&["new-migration", "Add v1.2 tags"]).succeeds();
    let second = "billing.00000001.0002.billing_owner.add_v1_2_tags";
    for file in [&format!("app/migrations/{second}.up.sql"), "app/tests/migrations/billing.00000001.0002.rs"] {
        assert!(output.contains(file) && scratch.path(file).exists(), "{output}");
    }
    scratch.run(&["new-migration", "next", "--user", "ops", "--version", "2.1"]).succeeds();
    assert!(scratch.path("app/migrations/billing.00000002.0001.ops.next.up.sql").exists());
    scratch.run(&["new-migration", "entry", "--database", "audit", "--user", "auditor", "--one-way"]).succeeds();
    assert!(scratch.path("app/migrations/audit.00000001.0001.auditor.entry.sql").exists());
    let message = scratch.run(&["check"]).succeeds();
    assert!(
        message.contains("`audit` replayed on SQLite") && message.contains("; `billing` replayed on SQLite"),
        "{message}"
    );

    let before = scratch.everything();
    let wrong: [(&[&str], &str); 7] = [
        (&["x"], "has patches for `audit` and `billing`: choose one with `--database NAME`"),
        (&["x", "--database", "biling"], "did you mean `billing`? if it is a new database, add `--version 1.1`"),
        (&["x", "--database", "shop"], "has no patch for `shop` yet: name its role too, `--user ROLE`"),
        (
            &["x", "--database", "billing", "--user", "a.b"],
            "the new patch names the user \"a.b\": one is a letter or `_`, followed by letters",
        ),
        (&["x", "--database", "billing", "--version", "3"], "`3` is not a version: write major and minor, as in `2.1`"),
        (&["x", "--database", "billing", "--version", "2.1"], "is taken by `billing.00000002.0001.ops.next`"),
        (&["next", "--database", "billing"], "`billing.00000002.0001.ops.next` already has this name"),
    ];
    for (words, says) in wrong {
        let output = scratch.run(&[&["new-migration"], words].concat()).fails(1);
        assert!(output.contains(says), "{words:?}: {output}");
    }
    assert_eq!(scratch.everything(), before);

    // A released patch was moved and renamed: there is nothing to report and nothing to write.
    scratch.run(&["freeze"]).succeeds();
    let lock = scratch.read("app/migrations/migrations.lock");
    std::fs::create_dir(scratch.path("app/migrations/old")).unwrap();
    let (from, to) = (format!("app/migrations/{first}.sql"), "app/migrations/old/billing.00000001.0001.ops.words.sql");
    std::fs::rename(scratch.path(&from), scratch.path(to)).unwrap();
    scratch.run(&["check", "--write"]).succeeds();
    scratch.run(&["freeze", "--check"]).succeeds();
    assert_eq!(scratch.read("app/migrations/migrations.lock"), lock);

    // A late patch gets a number after the newest of its database, and so does its test.
    scratch.run(&["new-migration", "late", "--database", "billing"]).succeeds();
    for file in
        ["migrations/billing.00000002.0002.ops.late.up.sql", "migrations/billing.00000002.0002.ops.late.down.sql"]
    {
        let to = format!("app/{}", file.replace("00000002.0002", "00000001.0003"));
        std::fs::rename(scratch.path(&format!("app/{file}")), scratch.path(&to)).unwrap();
    }
    let test = |key: &str| scratch.path(&format!("app/tests/migrations/{key}.rs"));
    std::fs::rename(test("billing.00000002.0002"), test("billing.00000001.0003")).unwrap();
    scratch.run(&["check", "--write"]).fails(1);
    let output = scratch.run(&["renumber", "1.3"]).succeeds();
    assert!(output.contains("is now app/migrations/billing.00000002.0002.ops.late.up.sql"), "{output}");
    assert!(test("billing.00000002.0002").exists() && !test("billing.00000001.0003").exists(), "{output}");
    scratch.run(&["check"]).succeeds();

    let others = Scratch::with_migrations();
    let output = others.run(&["new-migration", "x", "--user", "ops"]).fails(1);
    assert!(output.contains("`--user` needs `numbering = \"encoded\"`"), "{output}");
}

#[test]
fn a_new_ordinal_is_the_next_one() {
    let scratch = Scratch::new();
    scratch.run(&["init", "--dialects", "sqlite"]).succeeds();
    let policy = scratch.read("app/migrations/migrations.toml").replace("\"sequence\"", "\"ordinal\"");
    scratch.write("app/migrations/migrations.toml", &policy);
    scratch.run(&["new-migration", "first"]).succeeds();
    scratch.run(&["new-migration", "second"]).succeeds();
    assert!(scratch.path("app/migrations/00000-first.up.sql").exists());
    assert!(scratch.path("app/tests/migrations/00001-second.rs").exists());
    scratch.run(&["check"]).succeeds();
    std::fs::rename(scratch.path("app/migrations/00001-second.up.sql"), scratch.path("app/migrations/second.up.sql"))
        .unwrap();
    let output = scratch.run(&["check"]).fails(1);
    assert!(output.contains("rename it to `00001-second.up.sql`"), "{output}");
}

#[test]
fn the_package_is_the_one_that_is_meant() {
    let scratch = Scratch::new();
    scratch.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"app\", \"service\"]\n");
    scratch.package("service", "[package.metadata.lockgate]\nmigrations = \"../shared/db\"\n");
    let output = scratch.run(&["init", "--dialects", "sqlite"]).fails(2);
    assert!(output.contains("choose one with `--package NAME`"), "{output}");
    scratch.run(&["init", "--dialects", "sqlite", "--package", "service"]).succeeds();
    assert!(scratch.path("shared/db/migrations.toml").exists());
    assert!(scratch.read("service/build.rs").contains("check_folder(\"../shared/db\")"));

    scratch.run(&["new-migration", "first"]).succeeds();
    assert!(scratch.path("shared/db/0001_first.up.sql").exists());
    assert!(scratch.path("service/tests/migrations/0001_first.rs").exists());

    scratch.run_in("app", &["init", "--dialects", "sqlite"]).succeeds();
    let output = scratch.run(&["new-migration", "second"]).fails(2);
    assert!(output.contains("several packages have migrations (`app`, `service`)"), "{output}");
    scratch.run_in("app/src", &["new-migration", "second"]).succeeds();
    assert!(scratch.path("app/migrations/0001_second.up.sql").exists());

    scratch.package("service", "[package.metadata.lockgate]\nmigrations = 7\n");
    let output = scratch.run(&["check"]).fails(2);
    assert!(output.contains("`package.metadata.lockgate.migrations` is 7"), "{output}");
}

#[test]
fn a_test_run_lists_skipped_tests() {
    let scratch = Scratch::new();
    scratch.write("app/src/lib.rs", "#[test]\nfn passes() {}\n");
    let run = |require: &str| {
        let mut command = Command::new(xtask());
        command.arg("test").current_dir(scratch.path("."));
        command.env("LOCKGATE_REQUIRE", require).env_remove("CARGO_TARGET_DIR").env_remove("LOCKGATE_TEST_POSTGRES");
        // The outer test run must not see the variables of this one.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("NEXTEST")) {
            command.env_remove(name);
        }
        let output = command.env("LOCKGATE_POSTGRES_BIN", "/nowhere").output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    // No package uses PostgreSQL, so it is not required.
    let (code, text) = run("postgres");
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("skipped: postgres"), "{text}");
    let (code, text) = run("postgresql");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("LOCKGATE_REQUIRE names `postgresql`"), "{text}");

    // PostgreSQL is required by a `lockgate` that has its feature.
    scratch.package("app", "[dependencies]\nlockgate = { path = \"../lockgate\", features = [\"postgres\"] }\n");
    scratch.write("app/src/lib.rs", "#[test]\nfn passes() {}\n");
    scratch.package("lockgate", "[features]\npostgres = []\n");
    let (code, text) = run("");
    assert_eq!(code, Some(0), "{text}");
    let why = "skipped: postgres: LOCKGATE_POSTGRES_BIN says /nowhere, which has no `initdb` and `postgres`";
    assert_eq!(text.matches(why).count(), 2, "at the begin and at the end: {text}");
    let (code, text) = run("postgres");
    assert_eq!(code, Some(2), "{text}");

    scratch.write("app/src/lib.rs", "#[test]\nfn fails() { panic!() }\n");
    let (code, text) = run("");
    assert_ne!(code, Some(0), "{text}");
}

#[test]
fn the_help_of_a_command_lists_exit_codes_and_notes() {
    let scratch = Scratch::new();
    for (words, part) in [
        (&["--help"][..], "Exit codes: 0 success"),
        (&["check", "--help"], "Exit codes: 0 no errors"),
        (&["schema", "--help"], "If there are Rust steps"),
        (&["test", "--help"], "LOCKGATE_POSTGRES_BIN"),
        (&["testdb", "--help"], "marked as a development database"),
        (&["renumber", "--help"], "A released migration keeps its number"),
    ] {
        let help = scratch.run(words).succeeds();
        let flat = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(part), "`{part}` is missing: {help}");
    }
}
