//! `dump`, `load` and `--tunnel`, as the example's program has them.

use std::net::{Ipv4Addr, TcpListener, TcpStream};

use serde_json::Value;

use crate::support::app::{Place, on_each};

on_each! {
    a_dump_is_loaded_into_another_database,
    what_must_not_be_loaded_is_refused,
    a_lock_is_waited_for_as_long_as_the_flag_says,
    a_stage_is_refreshed_from_another,
    a_schema_is_dumped_and_loaded,
}

/// Those that no migration has inserted.
const MEMBERS: &str = "SELECT name FROM members WHERE id >= 100 ORDER BY id";

/// Another database of the same kind, with all migrations.
fn another(place: &Place) -> Place {
    let other = if place.is_sqlite() { Place::sqlite() } else { Place::postgres().expect("there was one before") };
    other.ok(&["up"]);
    other
}

fn insert(place: &Place) {
    let insert = "INSERT INTO members (id, name, email) VALUES (100, 'Ada', 'ada@example.com') RETURNING name";
    assert_eq!(place.rows(insert), ["Ada"]);
}

fn a_dump_is_loaded_into_another_database(place: &Place) {
    place.ok(&["up"]);
    insert(place);
    let file = place.folder().join("rows.sql").display().to_string();
    let wrote = place.ok(&["dump", &file]);
    assert!(wrote.contains("wrote") && wrote.contains("members: "), "{wrote}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("\n-- newest migration 0012_add_phone_to_members\n"), "{text}");
    assert!(!text.contains("lockgate_history") && !text.contains("lockgate_log"), "{text}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "the rows are nobody else's");
    }
    let again = place.app(&["dump", &file]);
    assert!(again.code == Some(2) && again.err.contains("exists"), "{again:#?}");

    // A migration has filled the books, so they are replaced, which is for marked databases.
    let other = another(place);
    let refused = other.app(&["load", &file]);
    assert!(
        refused.code == Some(3) && refused.err.contains("has rows") && refused.err.contains("--replace"),
        "{refused:#?}"
    );
    let refused = other.app(&["load", &file, "--replace"]);
    assert!(refused.code == Some(3) && refused.err.contains("`mark-stage development`"), "{refused:#?}");
    assert_eq!(other.rows(MEMBERS), Vec::<String>::new());
    other.ok(&["mark-stage", "development"]);
    let script = place.folder().join("anonymous.sql").display().to_string();
    std::fs::write(&script, "UPDATE members SET name = 'member ' || id;\n").unwrap();
    let loaded = other.ok(&["load", &file, "--replace", "--script", &script, "--format", "json"]);
    let loaded: Value = serde_json::from_str(loaded.lines().last().unwrap()).unwrap();
    assert_eq!(loaded["moved"]["direction"], "loaded", "{loaded}");
    assert_eq!(other.rows(MEMBERS), ["member 100"]);
    other.ok(&["status"]);

    let one = place.folder().join("one.sql").display().to_string();
    place.ok(&["dump", &one, "--only", "members", "--where", "members=name = 'Eve'"]);
    assert!(!std::fs::read_to_string(&one).unwrap().contains("Ada"));
    let wrong = place.app(&["dump", &format!("{one}.2"), "--only", "member"]);
    assert!(wrong.code == Some(2) && wrong.err.contains("there is no table `member`"), "{wrong:#?}");
    let left: Vec<_> = std::fs::read_dir(place.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains(".part")), "{left:?}");
}

#[tokio::test]
async fn an_interrupted_dump_leaves_no_file() {
    use sqlx::{Connection, Executor};
    let Some(place) = Place::postgres() else { return };
    place.ok(&["up"]);
    let mut other = sqlx::PgConnection::connect(place.url()).await.unwrap();
    other.execute("BEGIN; LOCK TABLE members").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = place.command(&["dump", &folder.path().join("rows.sql").display().to_string()]);
    let running = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'members'::regclass";
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut other).await.unwrap() == 0 {}
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a file is begun");
    crate::support::app::interrupt(&running, "-TERM");
    let ended = crate::support::app::answer(running.wait_with_output().unwrap());
    assert!(ended.code == Some(1) && ended.err.contains("SIGTERM interrupted the command"), "{ended:#?}");
    assert!(ended.err.contains("no file was written"), "{ended:#?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

fn a_schema_is_dumped_and_loaded(place: &Place) {
    place.ok(&["up", "--to", "11"]);
    insert(place);
    let file = place.folder().join("schema.sql").display().to_string();
    place.ok(&["dump", &file, "--schema"]);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("CREATE TABLE") && !text.contains("Ada") && !text.contains("lockgate_history"), "{text}");

    let new = if place.is_sqlite() { Place::sqlite() } else { Place::postgres().unwrap() };
    let loaded = new.ok(&["load", &file]);
    assert!(loaded.starts_with("loaded the schema from"), "{loaded}");
    assert_eq!(new.schema(), place.schema());
    new.ok(&["up"]);
    place.ok(&["up"]);
    assert_eq!(new.schema(), place.schema());
    assert_eq!(new.rows(MEMBERS), Vec::<String>::new());

    for (words, code, message) in [
        (&["load", &file][..], 3, "the database is not empty: it has"),
        (&["load", &file, "--replace"], 2, "is a schema, without any rows"),
        (&["dump", &format!("{file}.2"), "--schema", "--only", "members"], 2, "cannot be used with"),
    ] {
        let refused = new.app(words);
        assert!(refused.code == Some(code) && refused.err.contains(message), "{message}: {refused:#?}");
    }
    let new = if place.is_sqlite() { Place::sqlite() } else { Place::postgres().unwrap() };
    std::fs::write(&file, text.replace("-- end of the schema\n", "CREATE TABLE x (;\n-- end of the schema\n")).unwrap();
    let failed = new.app(&["load", &file]);
    assert!(failed.code == Some(1) && failed.err.contains("nothing was changed"), "{failed:#?}");
    if !place.is_sqlite() {
        let line =
            1 + std::fs::read_to_string(&file).unwrap().lines().position(|line| line.ends_with(" x (;")).unwrap();
        assert!(failed.err.contains(&format!("line {line} of the file")), "{failed:#?}");
    }
    new.ok(&["up"]);
}

/// A load and a dump that would wait for somebody else.
fn a_lock_is_waited_for_as_long_as_the_flag_says(place: &Place) {
    use sqlx::{Connection, Executor, PgConnection, SqliteConnection};

    place.ok(&["up"]);
    insert(place);
    let path = |name: &str| place.folder().join(name).display().to_string();
    let (file, second, schema) = (path("rows.sql"), path("second.sql"), path("schema.sql"));
    place.ok(&["dump", &file]);
    let target = another(place);
    target.ok(&["mark-stage", "development"]);
    let stops = |place: &Place, words: &[&str], said: &str| {
        let answer = place.app(&[words, &["--lock-timeout", "50ms"]].concat());
        assert!(answer.code != Some(0) && answer.err.contains(said), "{answer:#?}");
        assert!(answer.err.contains("wait longer: `--lock-timeout 1min`"), "{answer:#?}");
    };
    if place.is_sqlite() {
        crate::support::app::wait(async {
            let mut other = SqliteConnection::connect(target.url()).await.unwrap();
            other.execute("BEGIN IMMEDIATE").await.unwrap();
            stops(&target, &["load", &file, "--replace"], "database is locked");
            other.close().await.unwrap();
        });
    } else {
        crate::support::app::wait(async {
            for (place, words) in [
                (&target, &["load", &file, "--replace"][..]),
                (place, &["dump", &second]),
                (place, &["dump", &schema, "--schema"]),
            ] {
                let mut other = PgConnection::connect(place.url()).await.unwrap();
                other.execute("BEGIN; LOCK TABLE members").await.unwrap();
                stops(place, words, "timeout");
                other.close().await.unwrap();
            }
        });
        let mut slow = target.app(&["load", &file, "--replace", "--statement-timeout", "none"]);
        assert_eq!(slow.code, Some(0), "{slow:#?}");
        let script = path("slow.sql");
        std::fs::write(&script, "SELECT pg_sleep(60);\n").unwrap();
        slow = target.app(&["load", &file, "--replace", "--script", &script, "--statement-timeout", "200ms"]);
        assert!(slow.err.contains("`--statement-timeout 10min`"), "{slow:#?}");
    }
    target.ok(&["load", &file, "--replace", "--lock-timeout", "50ms"]);
    assert_eq!(target.rows(MEMBERS), ["Ada"]);
}

fn what_must_not_be_loaded_is_refused(place: &Place) {
    place.ok(&["up"]);
    insert(place);
    let file = place.folder().join("rows.sql").display().to_string();
    place.ok(&["dump", &file]);
    let other = another(place);
    other.ok(&["mark-stage", "production"]);
    for words in
        [&["load", &file][..], &["load", &file, "--replace"], &["load", &file, "--replace", "--override-stage", "why"]]
    {
        let refused = other.app(words);
        assert!(
            refused.code == Some(3)
                && refused.err.contains("marked as production, and `load` never changes such a database"),
            "{refused:#?}"
        );
    }
    assert_eq!(other.rows(MEMBERS), Vec::<String>::new());
    let staging = another(place);
    staging.ok(&["mark-stage", "staging"]);
    let refused = staging.app(&["load", &file, "--replace"]);
    assert!(refused.code == Some(3) && refused.err.contains("`--override-stage \"why\"`"), "{refused:#?}");
    staging.ok(&["load", &file, "--replace", "--override-stage", "a demonstration"]);
    assert_eq!(staging.rows(MEMBERS), ["Ada"]);
    let marked = &staging;
    let history = staging.ok(&["history"]);
    assert!(history.contains("rows loaded from") && history.contains("a demonstration"), "{history}");
    let behind = if place.is_sqlite() { Place::sqlite() } else { Place::postgres().unwrap() };
    behind.ok(&["up", "--to", "3"]);
    let refused = behind.app(&["load", &file]);
    assert!(refused.code == Some(3) && refused.err.contains("`up --to 0012_add_phone_to_members`"), "{refused:#?}");
    // What is not UTF-8, as a file and as a script, and what other programs take for standard input.
    let latin = place.folder().join("latin.sql").display().to_string();
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.windows(3).position(|word| word == b"Ada").unwrap();
    bytes[at] = 0xc4;
    std::fs::write(&latin, bytes).unwrap();
    let staging = &["--replace", "--override-stage", "why"][..];
    for (words, code, said) in [
        (&["load", &latin][..], 3, &[" is not UTF-8", "copy the file again as it was"][..]),
        (&["load", &file, "--script", &latin], 2, &["/latin.sql` is not UTF-8", "save it as UTF-8"]),
        (&["load", "-"], 2, &["does not use standard input", "`load rows.sql`"]),
        (&["dump", "-"], 2, &["does not use standard input", "`dump rows.sql`"]),
    ] {
        let refused = marked.app(&[words, if words[0] == "load" { staging } else { &[] }].concat());
        assert!(refused.code == Some(code) && said.iter().all(|said| refused.err.contains(said)), "{refused:#?}");
    }
    assert!(!marked.folder().join("-").exists());
    let missing = behind.app(&["load", "no-such-file.sql"]);
    assert!(missing.code == Some(2) && missing.err.contains("`no-such-file.sql` cannot be read"), "{missing:#?}");
}

fn a_stage_is_refreshed_from_another(production: &Place) {
    production.ok(&["up"]);
    insert(production);
    production.ok(&["mark-stage", "production"]);
    let target = another(production);
    let old = "INSERT INTO members (id, name, email) VALUES (107, 'Old', 'old@example.com') RETURNING name";
    assert_eq!(target.rows(old), ["Old"]);
    let path = |name: &str| target.folder().join(name).display().to_string();
    let (kept, script, bad) = (path("kept.sql"), path("anonymous.sql"), path("bad.sql"));
    std::fs::write(&script, "UPDATE members SET name = 'member ' || id;\n").unwrap();
    std::fs::write(&bad, "UPDATE nowhere SET name = 'x';\n").unwrap();
    let refresh = |from: &str, to: &str, words: &[&str]| {
        let all = [&["refresh", "--from", from, "--to", to, "--keep", &kept], words].concat();
        let mut command = target.command(&all);
        command.env("DATABASE_PRODUCTION_URL", production.url()).env("DATABASE_TEST_URL", target.url());
        crate::support::app::answer(command.output().unwrap())
    };
    let refused = |from: &str, to: &str, words: &[&str], code: i32, message: &str| {
        let answer = refresh(from, to, words);
        assert!(answer.code == Some(code) && answer.err.contains(message), "{message}: {answer:#?}");
        assert_eq!(target.rows(MEMBERS), ["Old"]);
        assert_eq!(production.rows(MEMBERS), ["Ada"]);
        assert!(!std::path::Path::new(&kept).exists(), "nothing is kept of a refusal");
    };

    let with_script = &["--script", &script][..];
    // Neither is marked as it should be, and the other way round nothing goes at all.
    refused(
        "production",
        "staging",
        with_script,
        3,
        "the database is not marked with a stage, but staging was asked for",
    );
    target.ok(&["mark-stage", "test"]);
    refused("production", "staging", with_script, 3, "the database is marked as test");
    refused("test", "production", with_script, 3, "production is never refreshed from test");
    refused("test", "test", with_script, 3, "test is never refreshed from test");
    refused("staging", "test", with_script, 2, "DATABASE_STAGING_URL is not set");
    refused("production", "test", &[], 2, "--script <FILE>|--unchanged");

    // The advice is about the other database, and not about this one.
    let unmarked = another(production);
    for (place, said) in [
        (&unmarked, "`mark-stage staging --database-url \"$DATABASE_STAGING_URL\"`"),
        (production, "is marked as production, but staging was asked for"),
    ] {
        let mut command =
            target.command(&["refresh", "--from", "staging", "--to", "test", "--keep", &kept, "--unchanged"]);
        let answer = crate::support::app::answer(command.env("DATABASE_STAGING_URL", place.url()).output().unwrap());
        let is_named = answer.err.contains(said) && answer.err.contains("DATABASE_STAGING_URL");
        assert!(answer.code == Some(3) && is_named && !answer.err.contains("`mark-stage staging`"), "{answer:#?}");
        assert!(!std::path::Path::new(&kept).exists());
    }

    // A script that fails puts everything back, and nothing needs to be kept.
    let failed = refresh("production", "test", &["--script", &bad]);
    assert!(failed.code == Some(1) && failed.err.contains("the script fails"), "{failed:#?}");
    assert_eq!(target.rows(MEMBERS), ["Old"]);
    assert!(!std::path::Path::new(&kept).exists());

    let refreshed = refresh("production", "test", with_script);
    assert!(refreshed.code == Some(0) && refreshed.out.contains("test refreshed with"), "{refreshed:#?}");
    assert_eq!(target.rows(MEMBERS), ["member 100"]);
    assert_eq!(production.rows(MEMBERS), ["Ada"]);
    let again = refresh("production", "test", with_script);
    assert!(again.code == Some(2) && again.err.contains("exists"), "{again:#?}");
    target.ok(&["load", &kept, "--replace"]);
    assert_eq!(target.rows(MEMBERS), ["Old"], "it can be brought back");
    std::fs::remove_file(&kept).unwrap();

    // Of different migrations.
    target.ok(&["down", "--to", "11", "--yes"]);
    refused("production", "test", with_script, 3, "bring both to the same migration first");
}

/// What makes the test `forwards` a forwarder: its port, and where it leads.
const FORWARD: &str = "LOCKGATE_TEST_FORWARD";

#[test]
fn forwards() {
    let Ok(ports) = std::env::var(FORWARD) else { return };
    let (own, target) = ports.split_once(':').unwrap();
    let (own, target): (u16, u16) = (own.parse().unwrap(), target.parse().unwrap());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, own)).unwrap();
    for stream in listener.incoming() {
        std::thread::spawn(move || {
            let mut here = stream.unwrap();
            let mut there = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).unwrap();
            let (mut from, mut to) = (there.try_clone().unwrap(), here.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            let _ = std::io::copy(&mut here, &mut there);
        });
    }
}

#[test]
fn a_verb_goes_through_a_tunnel() {
    let Some(place) = Place::postgres() else { return };
    let url = place.url();
    let (start, rest) = url.rsplit_once('@').unwrap();
    let (server, name) = rest.split_once('/').unwrap();
    let target = server.rsplit_once(':').unwrap().1;
    let elsewhere = format!("{start}@db.internal.example:1/{name}");
    let program = std::env::current_exe().unwrap();
    let tunnel = format!("env {FORWARD}={{port}}:{target} '{}' --exact data::forwards --nocapture", program.display());
    let through = |words: &[&str]| {
        let all = [&["--tunnel", &tunnel, "--database-url", &elsewhere], words].concat();
        crate::support::app::answer(crate::support::app::command(&all).output().unwrap())
    };
    for words in [&["up"][..], &["status"], &["drift"], &["doctor"]] {
        let answer = through(words);
        assert_eq!(answer.code, Some(0), "{answer:#?}");
        assert!(
            answer.err.contains("through a tunnel to postgres://") && answer.err.contains("db.internal.example"),
            "{answer:#?}"
        );
    }
    assert_eq!(place.history().len(), 12);
    let refused = crate::support::app::answer(
        crate::support::app::command(&[
            "status",
            "--database-url",
            &elsewhere,
            "--tunnel",
            "sh -c 'echo {port} no >&2'",
        ])
        .output()
        .unwrap(),
    );
    assert!(refused.code == Some(4) && refused.err.contains("ended before it listened"), "{refused:#?}");
    let sqlite = Place::sqlite().app(&["status", "--tunnel", "ssh {port}"]);
    assert!(sqlite.code == Some(2) && sqlite.err.contains("`--tunnel` needs a server"), "{sqlite:#?}");
}
