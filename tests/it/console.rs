//! `sql`: the client of the database, with what a run has.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use lockgate::mask_secrets;
use lockgate_harness::server::Options;

use crate::support::app::{Answer, Place, answer, command, on_each};
use crate::support::postgres;
use crate::support::terminal::Terminal;

on_each! {
    a_missing_client_is_named,
    a_protected_stage_is_named_and_another_is_refused,
    only_text_can_be_asked_for,
}

const ASK: &str =
    "SELECT concat_ws(' ', current_user, session_user, current_database(), current_setting('search_path'))";

fn psql(command: &mut Command) -> Answer {
    answer(command.args(["sql", "--", "-X", "-At", "-c", ASK]).output().unwrap())
}

#[test]
fn psql_has_database_search_path_and_role_of_a_run() {
    let Some(server) = postgres::cluster(&Options::default().durable(true)) else { return };
    let folder = tempfile::tempdir().unwrap();
    let settings = "options=-csearch_path%3Dshop,public%20-crole%3Dpg_monitor";
    for url in [server.url("postgres"), server.socket_url("postgres")] {
        let found = psql(command(&[]).env("DATABASE_URL", format!("{url}?{settings}&sslmode=disable")));
        assert_eq!(found.out, "pg_monitor postgres postgres shop,public\n", "{found:#?}");
        assert_eq!(found.code, Some(0));
        assert!(!found.err.contains(server.password()), "{found:#?}");
    }
    // By its parts, with the password in a file; what would lead psql elsewhere is not in its way.
    let file = folder.path().join("password");
    fs::write(&file, format!("{}\n", server.password())).unwrap();
    let port = server.port().to_string();
    let mut parts = command(&["--host", "127.0.0.1", "--port", &port, "--user", "postgres", "--dbname", "postgres"]);
    parts.arg("--password-file").arg(&file);
    parts
        .env("PGSERVICE", "elsewhere")
        .env("PGHOSTADDR", "127.0.0.1")
        .env("PGPASSWORD", "wrong")
        .env("PGOPTIONS", "-csearch_path=x");
    let found = psql(&mut parts);
    assert_eq!(found.out, "postgres postgres postgres x\n", "{found:#?}");
    let wrong = psql(command(&[]).env("DATABASE_URL", format!("postgres://postgres:5ecret@127.0.0.1:{port}/postgres")));
    assert_eq!(wrong.code, Some(6), "{wrong:#?}");
    assert!(wrong.err.contains("error[denied]") && !wrong.err.contains("5ecret"), "{wrong:#?}");
}

/// A client that shows what it was given.
fn client(folder: &Path, name: &str) {
    let file = folder.join(name);
    fs::write(&file, "#!/bin/sh\nprintf 'argument <%s>\\n' \"$@\"\nenv\n").unwrap();
    fs::set_permissions(file, PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn the_password_is_in_the_environment_of_the_client_alone() {
    let Some(place) = Place::postgres() else { return };
    let folder = tempfile::tempdir().unwrap();
    client(folder.path(), "psql");
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let url = format!("{}?sslmode=prefer&application_name=shop", place.url());
    let secret = place.url().rsplit_once('@').unwrap().0.rsplit_once(':').unwrap().1;
    let seen = answer(
        command(&["sql", "--", "-c", "SELECT '$x' \"y\""])
            .env("DATABASE_URL", &url)
            .env("PATH", path)
            .output()
            .unwrap(),
    );
    let has = |line: &str| seen.out.lines().any(|seen| seen == line);
    assert!(has("argument <-c>") && has("argument <SELECT '$x' \"y\">"), "{seen:#?}");
    assert!(has(&format!("PGPASSWORD={secret}")), "{seen:#?}");
    assert!(has("PGSSLMODE=prefer") && has("PGAPPNAME=shop") && has("PGHOST=127.0.0.1"), "{seen:#?}");
    let arguments: Vec<&str> = seen.out.lines().filter(|line| line.starts_with("argument")).collect();
    assert!(arguments.len() == 2 && arguments.iter().all(|line| !line.contains(secret)), "{seen:#?}");
    assert!(!seen.err.contains(secret), "{seen:#?}");
}

#[test]
fn the_exit_code_is_that_of_the_client() {
    let place = Place::sqlite();
    place.ok(&["up"]);
    assert_eq!(place.app(&["sql", "--", ".exit 7"]).code, Some(7));
    let Some(place) = Place::postgres() else { return };
    let failed = place.app(&["sql", "--", "-X", "-v", "ON_ERROR_STOP=1", "-c", "SELECT 1/0"]);
    assert!(failed.code == Some(1) && failed.err.contains("division by zero"), "{failed:#?}");
    let script = place.folder().join("script.sql");
    fs::write(&script, "SELECT 1/0;\n").unwrap();
    assert_eq!(place.app(&["sql", "--", "-X", "-v", "ON_ERROR_STOP=1", "-f", "script.sql"]).code, Some(3));
    let mut piped = place.command(&["sql", "--", "-X", "-At"]);
    let piped = answer(piped.stdin(Stdio::from(fs::File::open(script).unwrap())).output().unwrap());
    assert!(piped.err.contains("division by zero"), "{piped:#?}");
}

fn a_missing_client_is_named(place: &Place) {
    place.ok(&["up", "--to", "1"]);
    let empty = tempfile::tempdir().unwrap();
    let missing = answer(place.command(&["sql"]).env("PATH", empty.path()).output().unwrap());
    assert_eq!(missing.code, Some(1), "{missing:#?}");
    let client =
        if place.is_sqlite() { ("sqlite3", "apt install sqlite3") } else { ("psql", "apt install postgresql-client") };
    let masked = format!("the database is {}", mask_secrets(place.url()));
    for words in
        [&format!("the client `{}` cannot be started: there is no such program in PATH", client.0), client.1, &masked]
    {
        assert!(missing.err.contains(words), "no «{words}»: {missing:#?}");
    }
}

fn a_protected_stage_is_named_and_another_is_refused(place: &Place) {
    place.ok(&["up", "--to", "1"]);
    let one: &[&str] =
        if place.is_sqlite() { &["sql", "--", "SELECT 1"] } else { &["sql", "--", "-X", "-Atc", "SELECT 1"] };
    let note = |stage| format!("note: {} is marked as {stage}: what you type changes it\n", mask_secrets(place.url()));
    for (stage, is_named) in [(None, false), (Some("test"), false), (Some("production"), true)] {
        if let Some(stage) = stage {
            place.ok(&["mark-stage", stage]);
        }
        let answer = place.app(one);
        assert_eq!((answer.code, &*answer.out), (Some(0), "1\n"), "{answer:#?}");
        assert_eq!(answer.err.contains(&note("production")), is_named, "{answer:#?}");
        assert_eq!(answer.err.contains("is marked as"), is_named, "{answer:#?}");
    }
    let refused = place.app(&[&["--stage", "test"], one].concat());
    assert_eq!((refused.code, &*refused.out), (Some(3), ""), "{refused:#?}");
}

fn only_text_can_be_asked_for(place: &Place) {
    place.ok(&["up", "--to", "1"]);
    let refused = place.app(&["sql", "--format", "json"]);
    assert!(refused.code == Some(2) && refused.out.contains("leave out `--format json`"), "{refused:#?}");
}

#[test]
fn sqlite3_has_the_file_and_the_settings_of_a_run() {
    let place = Place::sqlite();
    let file = place.folder().join("a 'b\" %?#ü.db");
    let url = format!(
        "sqlite://{}?mode=rwc",
        file.display().to_string().replace('%', "%25").replace('?', "%3F").replace('#', "%23")
    );
    let run = |words: &[&str], url: &str| answer(command(words).env("DATABASE_URL", url).output().unwrap());
    assert_eq!(run(&["up"], &url).code, Some(0));
    assert!(file.exists());
    let asked = run(&["sql", "--", "PRAGMA foreign_keys; SELECT count(*) > 0 FROM lockgate_history"], &url);
    assert_eq!((asked.code, &*asked.out), (Some(0), "1\n1\n"), "{asked:#?}");
    let reads = run(&["sql", "--", "CREATE TABLE x (y)"], &url.replace("rwc", "ro"));
    assert!(reads.code != Some(0) && reads.err.contains("readonly"), "{reads:#?}");
}

#[test]
fn what_is_in_memory_or_absent_is_refused_and_nothing_is_created() {
    let folder = tempfile::tempdir().unwrap();
    let run =
        |url: &str| answer(command(&["sql"]).current_dir(folder.path()).env("DATABASE_URL", url).output().unwrap());
    for url in ["sqlite::memory:", "sqlite://:memory:", "sqlite://x.db?mode=memory", "sqlite:"] {
        let refused = run(url);
        assert_eq!(refused.code, Some(2), "{url}: {refused:#?}");
        assert!(refused.err.contains("a database in memory is seen by this process alone"), "{url}: {refused:#?}");
    }
    for url in ["sqlite://x.db", "sqlite://x.db?mode=rwc", "sqlite:no/x.db?mode=rw"] {
        let absent = run(url);
        assert_eq!(absent.code, Some(4), "{url}: {absent:#?}");
        assert!(
            absent.err.contains("x.db` does not exist") && absent.err.contains("`up` creates it"),
            "{url}: {absent:#?}"
        );
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was created");
}

/// Ctrl-C belongs to the client: it cancels the statement, and the console goes on.
#[test]
fn at_a_terminal_the_client_has_the_keys() {
    let Some(place) = Place::postgres() else { return };
    let mut command = place.command(&["sql", "--", "-X", "-P", "pager=off"]);
    command.env("PSQL_HISTORY", "/dev/null");
    let mut console = Terminal::start(&command, 120);
    console.until("=# ");
    console.types("SELECT 'sum ' || 6*7;\r");
    console.until("sum 42");
    console.types("SELECT pg_sleep(600);\r");
    let application = "SELECT pid::text FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600);' AND state = 'active' AND datname = current_database()";
    while place.rows(application).is_empty() {
        std::thread::yield_now();
    }
    console.types("\x03");
    console.until("canceling statement due to user request");
    console.types("\\q\r");
    let (code, rest) = console.end();
    assert_eq!(code, Some(0), "{rest}");
}
