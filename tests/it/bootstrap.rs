//! `bootstrap` on real servers: role and database of a URL, made by an administrator.

use std::process::{Command, Stdio};

use lockgate::{Database, DatabaseParts, ErrorKind, bootstrap};
use lockgate_harness::server::{Options, Postgres};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::app::{Answer, Place, answer, command, wait};
use crate::support::postgres;
use crate::support::wire::{Cut, Wire};

const PASSWORD: &str = "5e'cret @\\\"$x é";

/// A server of its own, which asks for passwords by SCRAM and logs every statement.
fn server() -> Option<Postgres> {
    postgres::cluster(&Options::default().durable(true).setting("log_statement", "all"))
}

/// The URL of this role and database on the server.
fn url(server: &Postgres, user: &str, password: Option<&str>, name: &str) -> String {
    DatabaseParts {
        host: Some("127.0.0.1".to_owned()),
        port: Some(server.port()),
        user: Some(user.to_owned()),
        password: password.map(str::to_owned),
        name: Some(name.to_owned()),
    }
    .url()
}

fn program(arguments: &[&str], url: &str, administrator: &str) -> Command {
    let mut command = command(arguments);
    command.env("DATABASE_URL", url).env("DATABASE_ADMIN_URL", administrator);
    command
}

fn run(arguments: &[&str], url: &str, administrator: &str) -> Answer {
    answer(program(arguments, url, administrator).output().unwrap())
}

#[track_caller]
fn ok(arguments: &[&str], url: &str, administrator: &str) -> Answer {
    let answer = run(arguments, url, administrator);
    assert_eq!(answer.code, Some(0), "{arguments:?}: {answer:#?}");
    answer
}

/// Roles, passwords, members, and databases with their owners.
fn state(server: &Postgres) -> Vec<String> {
    rows(
        server,
        "SELECT concat_ws(' ', 'role', rolname, rolsuper, rolcreaterole, rolcreatedb, rolcanlogin, rolpassword) FROM pg_authid \
         WHERE rolname NOT LIKE 'pg\\_%' \
         UNION ALL SELECT concat_ws(' ', 'member', roleid::regrole, member::regrole) FROM pg_auth_members \
         UNION ALL SELECT concat_ws(' ', 'database', datname, datdba::regrole, datacl) FROM pg_database ORDER BY 1",
    )
}

fn rows(server: &Postgres, sql: &str) -> Vec<String> {
    wait(async {
        let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.unwrap()
    })
}

fn execute(server: &Postgres, sql: &str) {
    wait(async {
        let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
        for statement in sql.split("; ") {
            connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
        }
    });
}

/// All that the server has logged.
fn log(server: &Postgres) -> String {
    String::from_utf8_lossy(&std::fs::read(server.directory().join("log")).unwrap()).into_owned()
}

#[test]
fn an_empty_server_is_ready_for_up_and_twice_is_once() {
    let Some(server) = server() else { return };
    let administrator = server.url("postgres");
    for (role, name) in [("library", "library"), ("Big o'd \"@:/?#%40 ü", "A 'b\" ../@:?#%40ü")] {
        let url = url(&server, role, Some(PASSWORD), name);
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let first = ok(&["bootstrap"], &url, &administrator);
        let lines = format!(
            "created the role {}: it may log in with the password of the database URL\n\
             created the database {}: it belongs to that role\n",
            quoted(role),
            quoted(name)
        );
        assert_eq!(first.out, lines);
        let made = state(&server);
        let second = ok(&["bootstrap"], &url, &administrator);
        let lines = format!(
            "the role {} existed: its password was not changed\n\
             the database {} existed: it belongs to that role\n",
            quoted(role),
            quoted(name)
        );
        assert_eq!(second.out, lines);
        assert_eq!(state(&server), made);
        let literal = role.replace('\'', "''");
        let rights =
            format!("SELECT concat(rolsuper, rolcreaterole, rolcreatedb) FROM pg_roles WHERE rolname = '{literal}'");
        assert_eq!(rows(&server, &rights), ["fff"]);
        let up = ok(&["up"], &url, &administrator);
        assert!(up.out.contains("applied 12 migrations"), "{up:#?}");
        for answer in [&first, &second] {
            for secret in [PASSWORD, server.password(), "cret"] {
                assert!(!format!("{}{}", answer.out, answer.err).contains(secret), "{answer:#?}");
            }
            assert!(!answer.err.contains("does not work"), "{answer:#?}");
        }
    }
    let log = log(&server);
    assert!(log.contains("CREATE ROLE \"library\" LOGIN PASSWORD 'SCRAM-SHA-256$"), "the server logs every statement");
    assert!(!log.contains("cret @"), "the server logged the password");
}

#[test]
fn a_password_is_set_for_a_new_role_and_else_on_request_alone() {
    let Some(server) = server() else { return };
    let administrator = server.url("postgres");
    let without = url(&server, "library", None, "library");
    let made = run(&["bootstrap"], &without, &administrator);
    assert!(made.out.contains("it has no password, as the database URL has none"), "{made:#?}");
    assert_eq!(made.code, Some(0), "{made:#?}");
    assert_eq!(
        rows(&server, "SELECT rolname::text FROM pg_authid WHERE rolname = 'library' AND rolpassword IS NULL").len(),
        1
    );

    let with = url(&server, "library", Some("first"), "library");
    let kept = ok(&["bootstrap"], &with, &administrator);
    assert!(
        kept.err.contains("the database URL does not work from here: cannot connect to postgres://library:***@"),
        "{kept:#?}"
    );
    assert!(kept.err.contains("`bootstrap --set-password` gives the role the password of the URL"), "{kept:#?}");
    let set = ok(&["bootstrap", "--set-password"], &with, &administrator);
    assert!(set.out.contains("the role \"library\" existed: it has the password of the database URL now"), "{set:#?}");
    assert!(!set.err.contains("does not work"), "{set:#?}");
    ok(&["up"], &with, &administrator);

    let other = url(&server, "library", Some("second"), "library");
    ok(&["bootstrap"], &other, &administrator);
    ok(&["status"], &with, &administrator);
    let nothing = run(&["bootstrap", "--set-password"], &without, &administrator);
    assert_eq!(nothing.code, Some(2), "{nothing:#?}");
    assert!(nothing.err.contains("the database URL has no password to set"), "{nothing:#?}");
}

#[test]
fn an_administrator_without_the_rights_is_named_before_anything_changes() {
    let Some(server) = server() else { return };
    let own = url(&server, "library", Some("word"), "library");
    execute(
        &server,
        "CREATE ROLE \"Ad min\" LOGIN PASSWORD 'x'; CREATE ROLE roles LOGIN CREATEROLE PASSWORD 'x'; \
         CREATE ROLE databases LOGIN CREATEDB PASSWORD 'x'; CREATE ROLE \"both\" LOGIN CREATEROLE CREATEDB PASSWORD 'x'",
    );
    let before = state(&server);
    let administrator = |name: &str, password: &str| url(&server, name, Some(password), "postgres");
    let wrong = run(&["bootstrap"], &own, &administrator("postgres", "5ecret"));
    assert_eq!(wrong.code, Some(6), "{wrong:#?}");
    assert!(wrong.err.contains("cannot connect to postgres://postgres:***@127.0.0.1"), "{wrong:#?}");
    assert!(!wrong.err.contains("5ecret"), "{wrong:#?}");
    let roles = "the administrator \"Ad min\" may not create roles";
    let cases: [(&str, &[&str]); 3] = [
        ("Ad min", &[roles, "`ALTER ROLE \"Ad min\" CREATEROLE`", "`ALTER ROLE \"Ad min\" CREATEDB`"]),
        ("roles", &["the administrator \"roles\" may not create databases"]),
        ("databases", &["the administrator \"databases\" may not create roles"]),
    ];
    for (name, words) in cases {
        let answer = run(&["bootstrap"], &own, &administrator(name, "x"));
        assert_eq!(answer.code, Some(6), "{answer:#?}");
        for word in words.iter().chain(&["nothing was changed"]) {
            assert!(answer.err.contains(word), "no «{word}»: {answer:#?}");
        }
        assert_eq!(state(&server), before);
    }
    // What one of them says is typed.
    execute(&server, "ALTER ROLE \"Ad min\" CREATEROLE; ALTER ROLE \"Ad min\" CREATEDB");
    for (name, database) in [("Ad min", "library"), ("both", "other")] {
        let own = url(&server, database, Some("word"), database);
        ok(&["bootstrap"], &own, &administrator(name, "x"));
        let made = state(&server);
        ok(&["bootstrap"], &own, &administrator(name, "x"));
        assert_eq!(state(&server), made);
        ok(&["up"], &own, "");
    }
}

#[test]
fn what_stands_in_the_way_is_named_and_left_alone() {
    let Some(server) = server() else { return };
    let administrator = server.url("postgres");
    execute(
        &server,
        "CREATE ROLE \"group\"; CREATE ROLE other; CREATE ROLE library LOGIN; CREATE DATABASE taken OWNER other",
    );
    execute(&server, "CREATE DATABASE live OWNER library; COMMENT ON DATABASE live IS 'lockgate: production'");
    let before = state(&server);
    let long = "x".repeat(64);
    let cases: [(String, &[&str], i32, &[&str]); 7] = [
        (
            url(&server, "group", None, "new"),
            &[],
            3,
            &["\"group\" exists and may not log in", "`ALTER ROLE \"group\" LOGIN`"],
        ),
        (
            url(&server, "library", None, "taken"),
            &[],
            3,
            &["\"taken\" exists and belongs to the role \"other\"", "`ALTER DATABASE \"taken\" OWNER TO \"library\"`"],
        ),
        (url(&server, "library", None, "live"), &["--stage", "test"], 3, &["the stage of the database"]),
        (url(&server, "library", None, &long), &[], 2, &["has 64 bytes, and PostgreSQL allows 63"]),
        (format!("postgres://127.0.0.1:{}/library", server.port()), &[], 2, &["the database URL names no role"]),
        (format!("postgres://library@127.0.0.1:{}", server.port()), &[], 2, &["the database URL names no database"]),
        (
            "sqlite://library.db?mode=rwc".to_owned(),
            &[],
            2,
            &["SQLite has neither roles nor a server", "`up` creates the file"],
        ),
    ];
    for (own, flags, code, words) in cases {
        let answer = run(&[&["bootstrap"], flags].concat(), &own, &administrator);
        assert_eq!(answer.code, Some(code), "{answer:#?}");
        for word in words {
            assert!(answer.err.contains(word), "no «{word}»: {answer:#?}");
        }
        assert_eq!(state(&server), before);
    }
    let file = run(&["bootstrap"], &url(&server, "library", None, "new"), "sqlite://administrator.db?mode=rwc");
    assert_eq!(file.code, Some(2), "{file:#?}");
    assert!(file.err.contains("the administrator's URL is one of SQLite"), "{file:#?}");
    assert!(!std::path::Path::new("administrator.db").exists(), "nothing was created");
    // The message says which of the URLs is wrong.
    let with = |admin: &str| {
        answer(command(&["bootstrap", "--admin-url", admin, "--database-url", "postgres://a:b@h/a"]).output().unwrap())
    };
    let at = administrator.trim_end_matches("/postgres");
    for (admin, code, words) in [
        ("x".to_owned(), 2, ["`--admin-url` is not a URL of PostgreSQL", "postgres://postgres@host/postgres"]),
        (String::new(), 2, ["`--admin-url` is not a URL of PostgreSQL", "postgres://postgres@host/postgres"]),
        (
            format!("{at}/postgres?foo=1"),
            2,
            ["`--admin-url`: the URL of `--admin-url` has a parameter `foo`", "leave it out"],
        ),
        (
            format!("{at}/nowhere"),
            4,
            ["database \"nowhere\" does not exist", "name a database that exists on the server"],
        ),
    ] {
        let wrong = with(&admin);
        assert_eq!(wrong.code, Some(code), "{admin}: {wrong:#?}");
        for word in words {
            assert!(wrong.err.contains(word), "no «{word}»: {wrong:#?}");
        }
        assert!(!wrong.err.contains("the database URL") && !wrong.err.contains("`bootstrap`"), "{wrong:#?}");
    }
    let variable = run(&["bootstrap"], &url(&server, "library", None, "new"), "mysql://x");
    assert!(variable.err.contains("`DATABASE_ADMIN_URL` is not a URL of PostgreSQL"), "{variable:#?}");
    let nobody = answer(command(&["bootstrap", "--database-url", "postgres://a@h/a"]).output().unwrap());
    assert_eq!(nobody.code, Some(2), "{nobody:#?}");
    assert!(nobody.err.contains("set DATABASE_ADMIN_URL, or write `--admin-url URL`"), "{nobody:#?}");
    ok(&["bootstrap", "--stage", "production"], &url(&server, "library", None, "live"), &administrator);
    assert_eq!(state(&server), before);
    // What one of them says is typed.
    execute(&server, "ALTER DATABASE \"taken\" OWNER TO \"library\"");
    ok(&["bootstrap"], &url(&server, "library", None, "taken"), &administrator);
}

/// The connection ends before or after each statement, as it does when the program is killed.
#[tokio::test(flavor = "multi_thread")]
async fn a_bootstrap_that_was_cut_off_is_completed_by_the_next() {
    let Some(server) = server() else { return };
    for (number, cut) in
        [Cut::BeforeQuery(1), Cut::AfterQuery(1), Cut::BeforeQuery(2), Cut::AfterQuery(2)].into_iter().enumerate()
    {
        let name = format!("library{number}");
        let own = url(&server, &name, Some("word"), &name);
        let wire = Wire::in_front_of(&server.url("postgres")).await;
        let mut through = Database::connect(&wire.url()).await.unwrap();
        wire.cut(cut);
        let error = bootstrap::create(&mut through, &own, bootstrap::Options::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted, "{cut:?}: {error:?}");
        assert!(format!("{error:?}").contains("run it again"), "{cut:?}: {error:?}");
        let mut administrator = Database::connect(&server.url("postgres")).await.unwrap();
        let outcome = bootstrap::create(&mut administrator, &own, bootstrap::Options::default()).await.unwrap();
        assert!(outcome.unusable.is_none(), "{cut:?}: {outcome:?}");
        let owner: String = sqlx::query_scalar("SELECT datdba::regrole::text FROM pg_database WHERE datname = $1")
            .bind(&name)
            .fetch_one(administrator.postgres().unwrap())
            .await
            .unwrap();
        assert_eq!(owner, name, "{cut:?}");
        let again = bootstrap::create(&mut administrator, &own, bootstrap::Options::default()).await.unwrap();
        assert!(!again.role_was_created && !again.database_was_created && !again.password_was_set, "{again:?}");
    }
}

/// The program is killed while the server works on a statement, which the server may still finish.
#[tokio::test(flavor = "multi_thread")]
async fn a_bootstrap_that_was_killed_is_completed_by_the_next() {
    let Some(server) = server() else { return };
    let administrator = server.url("postgres");
    for (number, (table, statement)) in
        [("pg_authid", "CREATE ROLE"), ("pg_database", "CREATE DATABASE")].into_iter().enumerate()
    {
        let name = format!("library{number}");
        let own = url(&server, &name, Some("word"), &name);
        let mut other = PgConnection::connect(&administrator).await.unwrap();
        other.execute(AssertSqlSafe(format!("BEGIN; LOCK TABLE {table} IN SHARE MODE"))).await.unwrap();
        let mut killed = program(&["bootstrap"], &own, &administrator);
        let mut killed = killed.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE $1 || '%'";
        while sqlx::query_scalar::<_, i64>(waits).bind(statement).fetch_one(&mut other).await.unwrap() == 0 {
            assert_eq!(killed.try_wait().unwrap(), None, "it ended before it was killed");
            // Within a transaction, the view would show the same for ever.
            other.execute("SELECT pg_stat_clear_snapshot()").await.unwrap();
        }
        killed.kill().unwrap();
        killed.wait().unwrap();
        other.execute("ROLLBACK").await.unwrap();
        let next =
            tokio::task::block_in_place(|| answer(program(&["bootstrap"], &own, &administrator).output().unwrap()));
        assert_eq!(next.code, Some(0), "{statement}: {next:#?}");
        assert!(!next.err.contains("does not work"), "{statement}: {next:#?}");
        let owner: String = sqlx::query_scalar("SELECT datdba::regrole::text FROM pg_database WHERE datname = $1")
            .bind(&name)
            .fetch_one(&mut other)
            .await
            .unwrap();
        assert_eq!(owner, name, "{statement}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_make_it_once() {
    let Some(server) = server() else { return };
    let own = url(&server, "library", Some("word"), "library");
    let one = async || {
        let mut administrator = Database::connect(&server.url("postgres")).await.unwrap();
        bootstrap::create(&mut administrator, &own, bootstrap::Options::default()).await.unwrap()
    };
    let (first, second) = tokio::join!(one(), one());
    assert_ne!(first.role_was_created, second.role_was_created, "{first:?} {second:?}");
    assert!(first.database_was_created != second.database_was_created, "{first:?} {second:?}");
    assert!(first.unusable.is_none() || second.unusable.is_none(), "{first:?} {second:?}");
}

#[test]
fn json_says_what_was_made() {
    let Some(server) = server() else { return };
    let own = url(&server, "library", Some("word"), "library");
    let made = ok(&["bootstrap", "--format", "json"], &own, &server.url("postgres"));
    let line: serde_json::Value = serde_json::from_str(made.out.lines().last().unwrap()).unwrap();
    let expected = serde_json::json!({
        "role": "library", "role_was_created": true, "password_was_set": true,
        "database": "library", "database_was_created": true, "unusable": null,
    });
    assert_eq!(line["bootstrap"], expected, "{line}");
    assert_eq!(line["verb"], "bootstrap");
}

/// Where the server is not the one that the program's URL names, the note says so.
#[test]
fn a_url_that_leads_elsewhere_is_noted() {
    let Some(place) = Place::postgres() else { return };
    let name = place.url().rsplit_once('/').unwrap().1.to_owned();
    let own = format!("postgres://postgres@127.0.0.1:1/{name}");
    let noted = ok(&["bootstrap"], &own, place.url());
    assert!(noted.err.contains("the database URL does not work from here: cannot connect to"), "{noted:#?}");
}
