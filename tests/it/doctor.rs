//! `doctor`: each thing that can go wrong is made on a real server, its line is seen, and what the line says to type makes
//! it go away.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;

use lockgate::doctor::{Examination, Verdict, examine};
use lockgate::{Database, Migrator};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};

use crate::support::app::{Answer, Place, answer, on_each, wait};
use crate::support::pooler::Pooler;
use crate::support::set::migrations;

on_each! {
    a_healthy_database_has_nothing_in_the_way_and_nothing_is_written,
    the_history_of_another_tool_is_reported,
}

/// What `doctor` says of one check: its verdict, and all its lines. What is wrong comes before what is as it should be.
fn says(answer: &Answer, check: &str) -> Option<(String, String)> {
    let of_it = |line: &&str| line.split_whitespace().nth(1) == Some(check);
    let found: Vec<&str> = answer.out.lines().filter(of_it).collect();
    let first = found.iter().find(|line| !line.starts_with("ok")).or(found.first())?;
    let verdict = first.split_whitespace().next().unwrap().to_owned();
    let after = answer.out.split_once(*first).unwrap().1.lines().skip(1);
    let more = after.take_while(|line| line.starts_with(' ')).map(str::trim);
    Some((verdict, [first.trim()].into_iter().chain(more).collect::<Vec<_>>().join(" ")))
}

/// The first thing in backticks that begins with this word.
fn typed(text: &str, word: &str) -> String {
    let mut quoted = text.split('`').skip(1).step_by(2);
    quoted.find(|part| part.starts_with(word)).unwrap_or_else(|| panic!("no `{word}` in: {text}")).to_owned()
}

#[track_caller]
fn assert_found(answer: &Answer, check: &str, verdict: &str, words: &str) -> String {
    let Some((found, text)) = says(answer, check) else { panic!("nothing of {check}: {answer:#?}") };
    assert!(found == verdict && text.contains(words), "no «{words}» as {verdict}: {text}\n{answer:#?}");
    assert_eq!(
        answer.code,
        Some(if answer.out.contains("\nproblem") || answer.out.starts_with("problem") { 3 } else { 0 })
    );
    text
}

#[track_caller]
fn is_ok(answer: &Answer, check: &str) {
    assert!(says(answer, check).is_some_and(|(verdict, _)| verdict == "ok"), "{check}: {answer:#?}");
}

fn a_healthy_database_has_nothing_in_the_way_and_nothing_is_written(place: &Place) {
    let fresh = place.app(&["doctor"]);
    assert_eq!(fresh.code, Some(0), "{fresh:#?}");
    assert_found(&fresh, "plan", "ok", "12 to apply");
    if place.is_sqlite() {
        assert_found(&fresh, "file", "ok", "does not exist yet: the first run creates it");
        assert_found(&fresh, "folder", "ok", "the file can be created in");
        assert!(!fresh.out.contains("memory"), "{fresh:#?}");
        assert!(!place.file().exists());
        let elsewhere = format!("sqlite://{}?mode=rwc", place.folder().join("none/library.db").display());
        let answer = place.app(&["doctor", "--database-url", &elsewhere]);
        let text = assert_found(&answer, "folder", "problem", "there is no folder");
        assert!(std::process::Command::new("sh").args(["-c", &typed(&text, "mkdir")]).status().unwrap().success());
        is_ok(&place.app(&["doctor", "--database-url", &elsewhere]), "folder");
    }
    place.ok(&["up"]);
    let state = || (place.schema(), place.history(), place.is_sqlite().then(|| fs::read(place.file()).unwrap()));
    let before = state();
    let healthy = place.app(&["doctor", "--integrity"]);
    assert_eq!(healthy.code, Some(0), "{healthy:#?}");
    assert!(healthy.out.ends_with("\nnothing is in the way of a run\n"), "{healthy:#?}");
    assert!(healthy.out.lines().rev().skip(2).all(|line| line.starts_with("ok  ")), "{healthy:#?}");
    assert!(healthy.out.contains(if place.is_sqlite() { "SQLite 3." } else { "PostgreSQL " }), "{healthy:#?}");
    assert!(healthy.out.contains("the history can be read, and has 12 rows"), "{healthy:#?}");
    assert_eq!(state(), before);
    let json = place.ok(&["doctor", "--format", "json"]);
    let line: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!(line["findings"][0]["check"], "server");
    assert_eq!(line["findings"][0]["verdict"], "ok");
}

fn the_history_of_another_tool_is_reported(place: &Place) {
    if place.is_sqlite() {
        fs::write(place.file(), "").unwrap();
    }
    place.try_rows("CREATE TABLE _sqlx_migrations (version BIGINT)").unwrap();
    let answer = place.app(&["doctor"]);
    let text = assert_found(&answer, "other-tools", "problem", "another tool (sqlx, table `");
    let line = typed(&text, "baseline");
    place.ok(&line.split(' ').collect::<Vec<_>>());
    let answer = place.app(&["doctor"]);
    is_ok(&answer, "other-tools");
    assert!(answer.out.contains("the history of sqlx (`"), "{answer:#?}");
}

#[test]
fn each_problem_of_a_postgres_database_is_solved_by_its_advice() {
    let Some(place) = Place::postgres() else { return };
    place.ok(&["up", "--to", "11"]);
    place.try_rows("CREATE TABLE \"Odd table\" (id INTEGER)").unwrap();
    place.try_rows("INSERT INTO \"Odd table\" VALUES (1), (1)").unwrap();

    place.try_rows("CREATE UNIQUE INDEX CONCURRENTLY \"odd index\" ON \"Odd table\" (id)").unwrap_err();
    for word in ["REINDEX", "repair"] {
        let text =
            assert_found(&place.app(&["doctor"]), "invalid-index", "warning", "is INVALID: every write updates it");
        if word == "REINDEX" {
            place.try_rows("DELETE FROM \"Odd table\"").unwrap();
        }
        if word == "REINDEX" {
            place.try_rows(&typed(&text, word)).unwrap();
        } else {
            // As a shell reads it.
            let line = typed(&text, word).replace('\'', "");
            let (command, index) = line.split_once("-index ").unwrap();
            place.ok(&[command.split_once(' ').unwrap().0, "--drop-invalid-index", index]);
        }
        is_ok(&place.app(&["doctor"]), "invalid-index");
        if word == "REINDEX" {
            place.try_rows("DROP INDEX \"odd index\"").unwrap();
            place.try_rows("INSERT INTO \"Odd table\" VALUES (1), (1)").unwrap();
            place.try_rows("CREATE UNIQUE INDEX CONCURRENTLY \"odd index\" ON \"Odd table\" (id)").unwrap_err();
        }
    }

    place.try_rows("ALTER TABLE \"Odd table\" ADD CONSTRAINT \"odd check\" CHECK (id > 0) NOT VALID").unwrap();
    let text = assert_found(&place.app(&["doctor"]), "unvalidated-constraint", "warning", "\"odd check\"");
    place.try_rows(&typed(&text, "ALTER TABLE")).unwrap();
    is_ok(&place.app(&["doctor"]), "unvalidated-constraint");

    place.try_rows("ALTER TABLE lockgate_history ENABLE ROW LEVEL SECURITY").unwrap();
    let text = assert_found(&place.app(&["doctor"]), "row-security", "warning", "public.lockgate_history");
    place.try_rows(&typed(&text, "ALTER TABLE")).unwrap();
    is_ok(&place.app(&["doctor"]), "row-security");

    let name = place.url().rsplit('/').next().unwrap().to_owned();
    place.try_rows(&format!("ALTER DATABASE \"{name}\" SET default_transaction_read_only = on")).unwrap();
    let text = assert_found(&place.app(&["doctor"]), "writable", "problem", "the session is read-only");
    let off = typed(&text, "ALTER DATABASE");
    wait(async {
        let mut connection = PgConnection::connect(place.url()).await.unwrap();
        connection.execute("SET default_transaction_read_only = off").await.unwrap();
        connection.execute(sqlx::AssertSqlSafe(off)).await.unwrap();
    });
    is_ok(&place.app(&["doctor"]), "writable");

    place.try_rows(&format!("ALTER DATABASE \"{name}\" SET statement_timeout = '15s'")).unwrap();
    let text = assert_found(&place.app(&["doctor"]), "statement-timeout", "warning", "stops every statement after 15s");
    let line = typed(&text, "--statement-timeout");
    let longer = place.app(&["doctor"].into_iter().chain(line.split(' ')).collect::<Vec<_>>());
    assert!(says(&longer, "statement-timeout").is_none() && longer.code == Some(0), "{longer:#?}");
    place.try_rows(&format!("ALTER DATABASE \"{name}\" RESET statement_timeout")).unwrap();

    place.try_rows("UPDATE lockgate_history SET checksum = 'v9:x' WHERE version = 11").unwrap();
    assert_found(&place.app(&["doctor"]), "history", "problem", "the row of version 11");
    place.try_rows("DELETE FROM lockgate_history WHERE version = 10").unwrap();
    place.try_rows("DELETE FROM lockgate_history WHERE version = 11").unwrap();
    place.try_rows("DELETE FROM lockgate_history WHERE version = 3").unwrap();
    let drifted = place.app(&["doctor"]);
    assert_found(&drifted, "plan", "problem", "0003_create_loans");
}

#[test]
fn a_session_that_holds_locks_for_long_is_reported_and_ended() {
    let Some(place) = Place::postgres() else { return };
    place.ok(&["up"]);
    wait(async {
        let mut other = PgConnection::connect(place.url()).await.unwrap();
        other
            .execute("SET application_name = 'the forgotten one'; BEGIN; LOCK TABLE members IN EXCLUSIVE MODE")
            .await
            .unwrap();
        is_ok(&place.app(&["doctor", "--long-transaction", "1h"]), "sessions");
        let mut answer = place.app(&["doctor", "--long-transaction", "1ms"]);
        while says(&answer, "sessions").is_none_or(|(verdict, _)| verdict == "ok") {
            answer = place.app(&["doctor", "--long-transaction", "1ms"]);
        }
        let text = assert_found(&answer, "sessions", "warning", "ExclusiveLock on public.members");
        assert!(text.contains("the forgotten one") && text.contains("idle in transaction"), "{text}");
        let ended = format!("SELECT CAST(({}) AS TEXT)", typed(&text, "SELECT pg_terminate_backend"));
        std::thread::scope(|scope| scope.spawn(|| place.try_rows(&ended).unwrap()).join().unwrap());
        other.execute("SELECT 1").await.unwrap_err();
        while says(&place.app(&["doctor", "--long-transaction", "1ms"]), "sessions").unwrap().0 != "ok" {}
    });
}

#[test]
fn a_session_of_another_role_is_reported_although_its_details_are_hidden() {
    let Some(place) = Place::postgres() else { return };
    place.ok(&["up"]);
    let role = format!("blind_{}", std::process::id());
    place.try_rows(&format!("CREATE ROLE {role} LOGIN PASSWORD 'x'")).unwrap();
    let (_, address) = place.url().rsplit_once('@').unwrap();
    let url = format!("postgres://{role}:x@{address}");
    let doctor = || place.app(&["doctor", "--long-transaction", "1ms", "--database-url", &url]);
    wait(async {
        let mut other = PgConnection::connect(place.url()).await.unwrap();
        other.execute("BEGIN; LOCK TABLE members IN EXCLUSIVE MODE").await.unwrap();
        let text = assert_found(&doctor(), "sessions", "warning", "ExclusiveLock on public.members");
        assert!(text.contains("this role may not see since when"), "{text}");
        let grant = typed(&text, "GRANT pg_read_all_stats");
        std::thread::scope(|scope| scope.spawn(|| place.try_rows(&grant).unwrap()).join().unwrap());
        assert_found(&doctor(), "sessions", "warning", "has had a transaction open for");
        other.execute("ROLLBACK").await.unwrap();
    });
    for statement in [format!("DROP OWNED BY {role}"), format!("DROP ROLE {role}")] {
        place.try_rows(&statement).unwrap();
    }
}

#[test]
fn each_missing_privilege_is_named_with_its_grant() {
    let Some(place) = Place::postgres() else { return };
    let role = format!("needy_{}", std::process::id());
    place.try_rows(&format!("CREATE ROLE {role} LOGIN PASSWORD 'x'")).unwrap();
    place.try_rows("REVOKE CREATE ON SCHEMA public FROM PUBLIC").unwrap();
    let (_, address) = place.url().rsplit_once('@').unwrap();
    let url = format!("postgres://{role}:x@{address}");
    let doctor = || place.app(&["doctor", "--database-url", &url]);
    let grant_all = |answer: &Answer| {
        for statement in answer.out.split('`').filter(|part| part.starts_with("GRANT ")) {
            place.try_rows(statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
    };

    let text = assert_found(&doctor(), "privileges", "problem", "lacks the privilege CREATE ON SCHEMA public");
    place.try_rows(&typed(&text, "GRANT CREATE")).unwrap();
    is_ok(&doctor(), "privileges");

    place.try_rows("REVOKE EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_xact_lock(bigint) FROM PUBLIC").unwrap();
    let text = assert_found(&doctor(), "privileges", "warning", "so runs take turns by a row of the history table");
    place.try_rows(&typed(&text, "GRANT EXECUTE")).unwrap();
    is_ok(&doctor(), "privileges");
    place.try_rows("GRANT EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_xact_lock(bigint) TO PUBLIC").unwrap();

    place.try_rows("CREATE TABLE kept (id INTEGER)").unwrap();
    let text =
        assert_found(&doctor(), "owners", "warning", "1 table of this database (for example public.kept) belong");
    assert!(typed(&text, "GRANT ").ends_with(&format!("TO \"{role}\"")), "{text}");
    place.try_rows("DROP TABLE kept").unwrap();

    place.ok(&["up", "--steps", "1"]);
    let before = doctor();
    assert_found(&before, "history", "problem", "permission denied for table lockgate_history");
    for privilege in
        ["SELECT ON public.lockgate_history", "DELETE ON public.lockgate_history", "INSERT ON public.lockgate_log"]
    {
        assert!(before.out.contains(&format!("lacks the privilege {privilege}")), "{privilege}: {before:#?}");
    }
    grant_all(&before);
    let after = doctor();
    for check in ["privileges", "history", "owners", "plan"] {
        is_ok(&after, check);
    }
    assert_eq!(after.code, Some(0), "{after:#?}");

    for statement in [format!("DROP OWNED BY {role}"), format!("DROP ROLE {role}")] {
        place.try_rows(&statement).unwrap();
    }
}

#[test]
fn a_database_in_another_encoding_is_reported() {
    let Some(place) = Place::postgres() else { return };
    let name = format!("{}_latin", place.url().rsplit('/').next().unwrap());
    let create = format!("CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    place.try_rows(&create).unwrap();
    let (server, _) = place.url().rsplit_once('/').unwrap();
    let doctor = |name: &str| place.app(&["doctor", "--database-url", &format!("{server}/{name}")]);
    let text = assert_found(&doctor(&name), "encoding", "warning", "LATIN1: a character that it does not have");
    let statement = typed(&text, "CREATE DATABASE");
    place.try_rows(&statement).unwrap();
    let new = statement.split('"').nth(1).unwrap();
    let after = doctor(new);
    for name in [&name, new] {
        place.try_rows(&format!("DROP DATABASE {name}")).unwrap();
    }
    is_ok(&after, "encoding");
}

#[test]
fn a_pooler_is_noticed() {
    let Some(place) = Place::postgres() else { return };
    is_ok(&place.app(&["doctor"]), "pooler");
    for mode in ["session", "transaction", "statement"] {
        let Some(pooler) = Pooler::start(place.url(), mode, 1) else { return };
        let doctor = || place.app(&["doctor", "--database-url", &pooler.url()]);
        if mode == "statement" {
            assert_found(&doctor(), "pooler", "problem", "a pooler in statement mode, which has no transactions");
            continue;
        }
        // The first makes the session that the second is lent.
        doctor();
        assert_found(&doctor(), "pooler", "warning", "a pooler has lent it");
    }
}

#[test]
fn each_problem_of_a_sqlite_file_is_solved_by_its_advice() {
    let place = Place::sqlite();
    place.ok(&["up"]);
    let execute = |sql: &'static str| {
        wait(async {
            let options = place.url().parse::<sqlx::sqlite::SqliteConnectOptions>().unwrap().foreign_keys(false);
            let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
            connection.execute(sql).await.unwrap();
            connection.close().await.unwrap();
        });
    };
    execute(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE \"odd child\" (of INTEGER REFERENCES parent); \
             INSERT INTO \"odd child\" VALUES (7)",
    );
    let text = assert_found(
        &place.app(&["doctor"]),
        "foreign-keys",
        "warning",
        "a row of odd child (rowid 1) refers to a row of parent",
    );
    place.try_rows(&typed(&text, "SELECT ").replace('*', "'seen'")).unwrap();
    place.try_rows(&typed(&text, "DELETE ")).unwrap();
    is_ok(&place.app(&["doctor"]), "foreign-keys");

    execute(
        "CREATE TABLE checked (id INTEGER CHECK (id > 0)); PRAGMA ignore_check_constraints = ON; INSERT INTO checked VALUES (-1)",
    );
    assert!(says(&place.app(&["doctor"]), "integrity").is_none(), "only on request");
    assert_found(&place.app(&["doctor", "--integrity"]), "integrity", "problem", "CHECK constraint failed in checked");
    execute("UPDATE checked SET id = 1");
    is_ok(&place.app(&["doctor", "--integrity"]), "integrity");

    let read_only = format!("sqlite://{}?mode=ro", place.file().display());
    let text = assert_found(&place.app(&["doctor", "--database-url", &read_only]), "file", "problem", "readonly");
    assert!(text.contains("mode=ro"), "{text}");

    wait(async {
        let mut other = SqliteConnection::connect(place.url()).await.unwrap();
        let writing = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
        assert_found(&place.app(&["doctor"]), "file", "warning", "another connection is writing");
        writing.rollback().await.unwrap();
    });
    is_ok(&place.app(&["doctor"]), "file");
}

/// As another user, where this one may write everywhere.
#[test]
fn a_file_or_a_folder_without_permissions_is_reported() {
    let place = Place::sqlite();
    place.ok(&["up"]);
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    fs::set_permissions(place.folder(), fs::Permissions::from_mode(0o755)).unwrap();
    let own = |path: &std::path::Path| {
        if is_root {
            chown(path, Some(65534), Some(65534)).unwrap();
        }
    };
    own(place.folder());
    own(&place.file());
    let doctor = || {
        let mut command = place.command(&["doctor"]);
        if is_root {
            command.uid(65534).gid(65534);
        }
        command.output().map(answer)
    };
    let Ok(healthy) = doctor() else {
        // Another user may not reach the program, for example in a home directory.
        assert!(is_root, "this user runs its own program");
        return;
    };
    assert_eq!(healthy.code, Some(0), "{healthy:#?}");
    for (path, check) in [(place.file(), "file"), (place.folder().to_owned(), "folder")] {
        let mode = fs::metadata(&path).unwrap().mode();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode & !0o222)).unwrap();
        let answer = doctor().unwrap();
        let text = assert_found(&answer, check, "problem", &path.display().to_string());
        let shell = typed(&text, "chmod");
        assert!(std::process::Command::new("sh").args(["-c", &shell]).status().unwrap().success());
        is_ok(&doctor().unwrap(), check);
    }

    // A script outside a transaction needs the folder too, and a file that does not exist is created there.
    let as_user = |arguments: &[&str]| {
        let mut command = place.command(arguments);
        if is_root {
            command.uid(65534).gid(65534);
        }
        answer(command.output().unwrap())
    };
    fs::remove_file(place.file()).unwrap();
    assert_eq!(as_user(&["up", "--to", "10"]).code, Some(0));
    fs::set_permissions(place.folder(), fs::Permissions::from_mode(0o555)).unwrap();
    let denied = as_user(&["up", "--to", "11"]);
    assert_eq!(denied.code, Some(6), "{denied:#?}");
    fs::remove_file(place.file()).unwrap();
    let text = assert_found(&doctor().unwrap(), "folder", "problem", "the file cannot be created in the folder");
    let absent = as_user(&["up"]);
    assert!(absent.err.contains("cannot be created in the folder") && !absent.err.contains("mode=rwc`"), "{absent:#?}");
    assert!(absent.err.contains(&typed(&text, "chmod")), "{absent:#?}");
    fs::set_permissions(place.folder(), fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_connection_without_a_journal_is_reported() {
    let place = Place::sqlite();
    let set = migrations(&[("0001_a.sql", "CREATE TABLE a (id INTEGER);")]);
    let migrator = Migrator::new(set);
    let mut database = Database::connect(place.url()).await.unwrap();
    migrator.apply(&mut database).await.unwrap();
    let connection = database.sqlite().unwrap();
    connection.execute("PRAGMA journal_mode = OFF").await.unwrap();
    let findings = examine(&migrator, &mut *connection, Examination::default()).await.unwrap();
    let journal = findings.iter().find(|finding| finding.check() == "journal").unwrap();
    assert_eq!(journal.verdict(), Verdict::Problem);
    assert_eq!(journal.to_string().lines().count(), 1);
    let pragma = typed(&journal.advice().collect::<String>(), "PRAGMA");
    connection.execute(sqlx::AssertSqlSafe(pragma)).await.unwrap();
    let findings = examine(&migrator, connection, Examination::default()).await.unwrap();
    assert!(findings.iter().all(|finding| finding.verdict() == Verdict::Ok), "{findings:#?}");
}
