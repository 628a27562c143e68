//! The command line from outside: the example's program on real databases, its output, its exit codes, and what it
//! leaves unchanged.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::app::{Answer, Place, answer, built, command, on_each, wait};

/// The password in every URL of these tests. It occurs nowhere else.
const PASSWORD: &str = "5esame-0pen";

on_each! {
    a_dry_run_changes_nothing,
    a_plan_shows_locks_and_destroyed_data,
    a_plan_shows_the_sizes_of_its_tables,
    redo_goes_down_and_up_again,
    each_statement_is_shown_before_it_runs,
    drift_lists_and_ends_with_9,
    history_shows_who_did_what,
    ready_looks_once,
    nothing_to_do_has_a_code_where_one_asks_for_it,
    an_atomic_up_leaves_nothing_of_a_failure,
    down_by_steps_or_to_a_version,
    a_second_up_has_nothing_to_do,
    up_stops_at_the_given_version,
    status_distinguishes_pending_from_applied,
    a_failed_migration_ends_with_1,
    usage_ends_with_2,
    a_refusal_exits_with_3,
    drift_is_shown_and_ends_with_3,
    advice_names_the_set_and_the_history_table_that_were_typed,
    wait_ends_with_7_until_another_run_has_applied_everything,
    a_reader_that_goes_away_does_not_stop_a_run,
    a_signal_ends_a_run_with_what_is_known,
    a_signal_ends_a_wait_with_a_last_line,
}

fn a_signal_ends_a_run_with_what_is_known(place: &Place) {
    place.ok(&["up", "--to", "11"]);
    let patient = || {
        let mut command = place.command(&["up", "--lock-timeout", "1h", "--lock-wait", "1h"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    // Whoever waits for another run has changed nothing. On PostgreSQL, the scripts wait on the server with the lock.
    let interrupted_while_it_waits = |signal: &str, name: &str| {
        let mut waiting = patient().spawn().unwrap();
        let mut out = std::io::BufReader::new(waiting.stdout.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut out, &mut line).unwrap();
        assert!(line.starts_with("waiting for another run to end"), "{line}");
        crate::support::app::interrupt(&waiting, signal);
        let ended = answer(waiting.wait_with_output().unwrap());
        assert_eq!(ended.code, Some(1), "{ended:#?}");
        let says = format!("error[interrupted]: {name} ended the wait\n  = nothing was changed\n");
        assert!(ended.err.contains(&says), "{ended:#?}");
    };
    for (signal, name) in [("-INT", "SIGINT"), ("-TERM", "SIGTERM")] {
        wait(async {
            use sqlx::{Connection, Executor};
            if place.is_sqlite() {
                let mut other = sqlx::SqliteConnection::connect(place.url()).await.unwrap();
                other.execute("BEGIN IMMEDIATE").await.unwrap();
                interrupted_while_it_waits(signal, name);
                return;
            }
            let mut other = sqlx::PgConnection::connect(place.url()).await.unwrap();
            other.execute("BEGIN; LOCK TABLE members").await.unwrap();
            let running = patient().spawn().unwrap();
            let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'members'::regclass";
            while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut other).await.unwrap() == 0 {
                tokio::task::yield_now().await;
            }
            crate::support::app::interrupt(&running, signal);
            let running = answer(running.wait_with_output().unwrap());
            let others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                          WHERE datname = current_database() AND pid <> pg_backend_pid() AND wait_event_type = 'Lock'";
            // On another connection, because a transaction sees only one state of the sessions.
            let mut looks = sqlx::PgConnection::connect(place.url()).await.unwrap();
            while sqlx::query_scalar::<_, i64>(others).fetch_one(&mut looks).await.unwrap() > 0 {
                tokio::task::yield_now().await;
            }
            assert_eq!(running.code, Some(1), "{running:#?}");
            for says in [
                &*format!("error[interrupted]: {name} interrupted the run\n"),
                "the outcome is unknown: a migration is applied exactly if `status` lists it as applied",
                "help: `status` shows how far the run came",
                "pg_stat_activity",
            ] {
                assert!(running.err.contains(says), "{says}: {running:#?}");
            }
            assert!(!running.out.contains("applied 0012"), "{running:#?}");
        });
        assert_eq!(place.history().len(), 11);
    }
}

fn a_signal_ends_a_wait_with_a_last_line(place: &Place) {
    place.ok(&["up", "--to", "3"]);
    let mut command = place.command(&["wait", "--timeout", "1h", "--format", "json"]);
    let mut running = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = std::io::BufReader::new(running.stdout.take().unwrap());
    let (mut first, mut rest) = (String::new(), String::new());
    std::io::BufRead::read_line(&mut out, &mut first).unwrap();
    crate::support::app::interrupt(&running, "-TERM");
    std::io::Read::read_to_string(&mut out, &mut rest).unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(1));
    let last = rest.lines().last().unwrap_or_default();
    assert!(last.contains("\"interrupted\"") && last.contains("SIGTERM ended the wait"), "{first}{rest}");
    assert!(last.contains("nothing was changed"), "{last}");
}

fn a_dry_run_changes_nothing(place: &Place) {
    place.ok(&["up", "--to", "3"]);
    let before = (place.schema(), place.history(), place.is_sqlite().then(|| fs::read(place.file()).unwrap()));
    let looks: [&[&str]; 6] = [
        &["up", "--dry-run"],
        &["up", "--dry-run", "--verbose", "--to", "9"],
        &["plan"],
        &["plan", "-v", "--steps", "2"],
        &["down", "--dry-run", "2"],
        &["status"],
    ];
    for look in looks {
        place.ok(look);
        let after = (place.schema(), place.history(), place.is_sqlite().then(|| fs::read(place.file()).unwrap()));
        assert_eq!(before, after, "{look:?}");
    }

    let plan = place.ok(&["plan", "--to", "0009"]);
    assert!(plan.starts_with("6 migrations would run, and nothing was executed\n"), "{plan}");
    assert!(plan.contains("\n  0006_create_open_loans         apply   1 statement\n"), "{plan}");
    assert!(plan.contains("migrations/0006_create_open_loans.up.sql\nCREATE VIEW open_loans AS\n"), "{plan}");
    assert!(!plan.contains("0010"), "{plan}");

    // Only the flag makes a dry run, not the environment.
    let run = answer(place.command(&["up", "--steps", "1"]).env("DRY_RUN", "false").output().unwrap());
    assert_eq!(run.code, Some(0), "{run:#?}");
    let run = answer(place.command(&["up", "--steps", "1"]).env("DRY_RUN", "true").output().unwrap());
    assert_eq!(run.code, Some(0), "{run:#?}");
    assert_eq!(place.history(), ["1", "2", "3", "4", "5"]);
}

fn a_plan_shows_locks_and_destroyed_data(place: &Place) {
    // Tables that a run creates are not in use yet.
    let fresh = place.ok(&["plan"]);
    assert!(!fresh.contains("blocks") && !fresh.contains("destroys"), "{fresh}");

    place.ok(&["up", "--to", "11"]);
    let locked = "\n  0012_add_phone_to_members: ACCESS EXCLUSIVE on members (blocks reads and writes)\n";
    // 0011 analyzes the tables. What SQLite adds a column to is not known as a table that it touches.
    let size = format!("\n  TABLE    ROWS   SIZE\n  members    ~3  ~{} kB\n", if place.is_sqlite() { 4 } else { 8 });
    for look in [&["plan"][..], &["up", "--dry-run"], &["plan", "--verbose"]] {
        let plan = place.ok(look);
        let end = plan.split_once("1 statement\n").unwrap_or_else(|| panic!("{plan}")).1;
        let shown = if place.is_sqlite() { String::new() } else { format!("{locked}{size}") };
        assert_eq!(end, format!("{shown}{PHONE}"), "{plan}");
    }

    place.ok(&["up"]);
    let down = place.ok(&["down", "--dry-run", "1"]);
    let end = down.split_once("1 statement\n").unwrap_or_else(|| panic!("{down}")).1;
    let lock = if place.is_sqlite() { "" } else { "ACCESS EXCLUSIVE on members (blocks reads and writes); " };
    let sql = "\n-- migrations/0012_add_phone_to_members.down.sql\nALTER TABLE members DROP COLUMN phone;\n";
    assert_eq!(end, format!("\n  0012_add_phone_to_members: {lock}destroys data of members\n{size}{sql}"), "{down}");
}

/// The SQL of the newest migration, as a plan shows it.
const PHONE: &str = "\n-- migrations/0012_add_phone_to_members.up.sql\nALTER TABLE members ADD COLUMN phone TEXT;\n";

fn a_plan_shows_the_sizes_of_its_tables(place: &Place) {
    place.ok(&["up"]);
    let numbers = "WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 3000)";
    place
        .try_rows(&format!(
            "INSERT INTO members (id, name, email) {numbers} SELECT id + 99, 'm' || id, 'm' || id FROM n"
        ))
        .unwrap();
    place.try_rows("ANALYZE").unwrap();
    let plan = place.ok(&["down", "--dry-run", "1"]);
    let row = plan.lines().find(|line| line.trim_start().starts_with("members ")).unwrap_or_else(|| panic!("{plan}"));
    let words: Vec<_> = row.split_whitespace().collect();
    let rows = place.rows("SELECT CAST(count(*) AS TEXT) FROM members");
    let rows: usize = rows[0].parse().unwrap();
    assert_eq!(words[1], format!("~{},{:03}", rows / 1000, rows % 1000));
    assert!(words[2].starts_with('~') && words[3] == "kB", "{row}");
}

fn redo_goes_down_and_up_again(place: &Place) {
    place.ok(&["up"]);
    let head = place.schema();
    let planned = place.ok(&["redo", "--dry-run", "2"]);
    assert!(planned.starts_with("4 steps would run, and nothing was executed\n"), "{planned}");
    let redone = place.ok(&["redo", "2"]);
    assert!(redone.starts_with("4 steps to run\n"), "{redone}");
    assert!(redone.contains("\nreverted and applied 2 migrations in "), "{redone}");
    let lines: Vec<_> = redone.lines().filter_map(|line| line.strip_prefix("  ")?.split(" (").next()).collect();
    let [down, up] = ["reverted", "applied"];
    let [last, before] = ["0012_add_phone_to_members", "0011_reclaim_space"];
    let expected = [(down, last), (down, before), (up, before), (up, last)];
    let lines: Vec<_> = lines.iter().map(|line| line.split_once(' ').unwrap()).collect();
    assert_eq!(lines, expected, "{redone}");
    assert_eq!(place.schema(), head);
    assert_eq!(place.ok(&["redo"]).lines().count(), 4, "one is the default");
    let refused = place.app(&["redo", "12"]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.err.contains("error[refused]: `redo` refuses\n"), "{refused:?}");
    assert!(refused.err.contains("` redoes as many as possible now"), "{refused:?}");
}

fn each_statement_is_shown_before_it_runs(place: &Place) {
    // The second statement of the third migration fails.
    place.try_rows("CREATE TABLE reservations (in_the_way TEXT)").unwrap();
    let up = place.app(&["up", "--verbose"]);
    assert_eq!(up.code, Some(1), "{up:?}");
    let file = "migrations/0007_create_reservations.up.sql";
    let (before, failing) = up.out.rsplit_once(&format!("\n-- {file}:")).unwrap_or_else(|| panic!("{up:#?}"));
    assert!(before.contains("-- migrations/0001_create_members.up.sql:1\nCREATE TABLE members ("), "{up:#?}");
    assert!(before.contains("\n-- migrations/0002_create_books.up.sql:"), "{up:#?}");
    assert!(failing.contains("CREATE TABLE reservations ("), "the one that fails is the last one shown: {up:#?}");
    assert!(!up.out.contains("0008"), "{up:#?}");
}

fn drift_lists_and_ends_with_9(place: &Place) {
    let none = "no difference between program and database\n";
    assert_eq!(place.ok(&["drift"]), none);
    place.ok(&["up"]);
    assert_eq!(place.ok(&["drift"]), none);
    place.try_rows("UPDATE lockgate_history SET name = 'create_friends' WHERE version = 1").unwrap();
    let drift = place.app(&["drift"]);
    assert_eq!(drift.code, Some(9), "{drift:#?}");
    assert!(drift.out.starts_with("1 difference between program and database\n\ndrift[renamed]: "), "{drift:#?}");
    assert!(drift.out.contains("help: rename `0001_create_members` back to `create_friends`"), "{drift:#?}");
}

fn history_shows_who_did_what(place: &Place) {
    assert_eq!(place.ok(&["history"]), "no migration has run on this database yet\n");
    place.ok(&["up", "--to", "2"]);
    place.try_rows("CREATE TABLE loans (in_the_way TEXT)").unwrap();
    assert_eq!(place.app(&["up"]).code, Some(1));
    let history = place.ok(&["history"]);
    let lines: Vec<_> = history.lines().collect();
    assert!(lines[0].starts_with("  AT (UTC)"), "{history}");
    let words = |line: &str| line.split_whitespace().skip(2).take(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(lines[1]), ["applied", "0001_create_members"], "{history}");
    assert_eq!(words(lines[3]), ["failed", "0003_create_loans"], "{history}");
    assert!(lines[1].contains("ms") && lines[1].contains("app 0.1.0"), "{history}");
    assert!(lines[5].contains("0003_create_loans failed: ") && lines[5].contains("loans"), "{history}");
    let last = place.ok(&["history", "--last", "1"]);
    assert!(!last.contains("applied") && last.contains("0003_create_loans"), "{last}");
}

fn ready_looks_once(place: &Place) {
    let ready = |code: i32| {
        let ready = place.app(&["ready"]);
        assert_eq!(ready.code, Some(code), "{ready:#?}");
        ready.out
    };
    let all = "`0001_create_members` to `0012_add_phone_to_members`";
    assert_eq!(ready(7), format!("not ready: 12 of 12 migrations not applied: {all}\n"));
    place.ok(&["up", "--to", "11"]);
    assert_eq!(ready(7), "not ready: 1 of 12 migrations not applied: `0012_add_phone_to_members`\n");
    place.ok(&["up"]);
    assert_eq!(ready(0), "the database has every migration\n");
    place.try_rows("UPDATE lockgate_history SET state = 'partial' WHERE version = 12").unwrap();
    assert_eq!(ready(8), "not ready: `0012_add_phone_to_members` has stopped half way\n");
    place.try_rows("UPDATE lockgate_history SET state = 'applied', name = 'x' WHERE version = 12").unwrap();
    assert!(ready(7).starts_with("not ready: 1 difference between program and database\n"));
}

fn nothing_to_do_has_a_code_where_one_asks_for_it(place: &Place) {
    let code = |arguments: &[&str]| place.app(arguments).code.unwrap();
    assert_eq!(code(&["plan", "--exit-code"]), 0);
    assert_eq!(code(&["up", "--exit-code"]), 0);
    for arguments in [&["up"][..], &["plan"], &["up", "--dry-run"], &["down", "--to", "12"], &["baseline", "12"]] {
        assert_eq!(code(arguments), 0, "{arguments:?}");
        assert_eq!(code(&[arguments, &["--exit-code"]].concat()), 10, "{arguments:?}");
    }
}

fn an_atomic_up_leaves_nothing_of_a_failure(place: &Place) {
    place.try_rows("CREATE TABLE loans (in_the_way TEXT)").unwrap();
    let to_3 = ["up", "--atomic", "--to", "3"];
    let failed = place.app(&to_3);
    assert_eq!(failed.code, Some(1), "{failed:#?}");
    assert!(place.ok(&["status"]).starts_with("nothing is applied, 12 pending\n"));
    place.try_rows("DROP TABLE loans").unwrap();
    place.ok(&to_3);
    assert_eq!(place.history().len(), 3);
}

#[test]
fn a_script_completes_the_programs_own_commands_too() {
    for shell in ["bash", "zsh", "fish"] {
        let script = answer(command(&["completions", shell]).output().unwrap());
        assert_eq!((script.code, script.err.as_str()), (Some(0), ""), "{shell}");
        assert!(script.out.contains("history-table") && script.out.contains("loans"), "{shell}: {}", script.out);
    }
    let bash = answer(command(&["completions", "bash"]).output().unwrap()).out;
    let complete = format!("{bash}\nCOMP_WORDS=(app sta); COMP_CWORD=1; _app app sta app; echo \"${{COMPREPLY[@]}}\"");
    // As a file: an argument holds 128 KiB.
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), complete).unwrap();
    let text = std::process::Command::new("bash").arg(file.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&text.stdout), "status\n", "{text:?}");
}

#[test]
fn there_is_a_page_of_the_manual_for_each_command() {
    for (words, title) in [(&["man"][..], "app"), (&["man", "redo"], "app-redo")] {
        let page = answer(command(words).output().unwrap());
        assert_eq!((page.code, page.err.as_str()), (Some(0), ""));
        assert!(page.out.contains(&format!(".TH {title}")), "{}", page.out);
    }
    let unknown = answer(command(&["man", "rendo"]).output().unwrap());
    assert_eq!(unknown.code, Some(2));
}

#[test]
fn looking_creates_no_file() {
    let place = Place::sqlite();
    for look in [&["plan"][..], &["up", "--dry-run"], &["status"]] {
        let answer = place.app(look);
        assert_eq!(answer.code, Some(0), "{answer:#?}");
        assert!(answer.err.contains("does not exist yet; `up` creates it"), "{answer:#?}");
        assert!(answer.out.contains("0012_add_phone_to_members"), "{answer:#?}");
    }
    let down = place.app(&["down", "1"]);
    assert_eq!(down.code, Some(4), "{down:#?}");
    assert_eq!(fs::read_dir(place.folder()).unwrap().count(), 0);
}

fn down_by_steps_or_to_a_version(place: &Place) {
    place.ok(&["up"]);
    let head = place.schema();

    let down = place.ok(&["down", "1"]);
    assert!(down.contains("  reverted 0012_add_phone_to_members ("), "{down}");
    assert!(down.contains("\nreverted 1 migration in "), "{down}");
    assert_eq!(place.history().len(), 11);
    assert_eq!(place.history().last().unwrap(), "11");
    assert_ne!(place.schema(), head);

    place.ok(&["down", "--to", "0009_fine_for_several_reasons"]);
    assert_eq!(place.history().last().unwrap(), "9");
    place.ok(&["down", "--to", "7"]);
    assert_eq!(place.history().last().unwrap(), "7");

    place.ok(&["up"]);
    assert_eq!(place.schema(), head);

    let amount = place.app(&["down"]);
    assert_eq!(amount.code, Some(2), "{amount:#?}");
    assert_eq!(place.history().len(), 12);
}

fn a_second_up_has_nothing_to_do(place: &Place) {
    let first = place.ok(&["up"]);
    assert!(first.starts_with("12 migrations to run\n  applied 0001_create_members ("), "{first}");
    assert!(first.contains("\napplied 12 migrations in "), "{first}");
    let before = (
        place.schema(),
        place.rows("SELECT CAST(applied_at AS TEXT) FROM lockgate_history ORDER BY lockgate_history.version"),
    );
    assert_eq!(place.ok(&["up"]), "nothing to do\n");
    let after = (
        place.schema(),
        place.rows("SELECT CAST(applied_at AS TEXT) FROM lockgate_history ORDER BY lockgate_history.version"),
    );
    assert_eq!(before, after);
}

fn up_stops_at_the_given_version(place: &Place) {
    place.ok(&["up", "--to", "0002_create_books"]);
    assert_eq!(place.history(), ["1", "2"]);
    let verbose = place.ok(&["up", "--steps", "1", "--verbose"]);
    assert!(verbose.contains("migrations/0003_create_loans.up.sql:1\nCREATE TABLE loans (\n"), "{verbose}");
    assert_eq!(place.history(), ["1", "2", "3"]);
    // A destination that is already applied is reached.
    assert_eq!(place.ok(&["up", "--to", "2"]), "nothing to do\n");
}

fn status_distinguishes_pending_from_applied(place: &Place) {
    let nothing = place.ok(&["status"]);
    assert!(nothing.starts_with("nothing is applied, 12 pending\n"), "{nothing}");
    place.ok(&["up", "--steps", "10"]);
    let some = place.ok(&["status"]);
    assert!(some.starts_with("10 migrations applied, 2 pending\n"), "{some}");
    let line = |of: &str| some.lines().find(|line| line.contains(of)).unwrap().split_whitespace().nth(1).unwrap();
    assert_eq!(line("0010_"), "applied");
    assert_eq!(line("0011_"), "pending");
    place.ok(&["up"]);
    assert!(place.ok(&["status"]).starts_with("up to date: 12 migrations applied\n"));
}

fn a_failed_migration_ends_with_1(place: &Place) {
    assert_eq!(place.try_rows("CREATE TABLE loans (in_the_way TEXT)").unwrap(), [""; 0]);
    let failed = place.app(&["up"]);
    assert_eq!(failed.code, Some(1), "{failed:#?}");
    assert!(failed.err.contains("error[failed]: "), "{failed:#?}");
    assert!(failed.err.contains("migrations/0003_create_loans.up.sql:1:"), "{failed:#?}");
    assert!(failed.out.contains("  applied 0002_create_books ("), "{failed:#?}");
    assert_eq!(place.history(), ["1", "2"]);
}

fn usage_ends_with_2(place: &Place) {
    let wrong: [&[&str]; 11] = [
        &[],
        &["upp"],
        &["up", "--too", "7"],
        &["up", "--to", "seven"],
        &["up", "--to", "7_create_nothing"],
        &["up", "--to", "7", "--steps", "1"],
        &["up", "--lock-wait", "5"],
        &["down", "0"],
        &["down", "1", "--all"],
        &["up", "--database-url", ""],
        &["status", "--database-url", "gopher://localhost/library"],
    ];
    for arguments in wrong {
        let answer = place.app(arguments);
        assert_eq!(answer.code, Some(2), "{arguments:?}: {answer:#?}");
        assert_eq!(answer.out, "", "{arguments:?}");
        assert_ne!(answer.err, "", "{arguments:?}");
    }
    assert!(place.app(&["up", "--to", "7_create_nothing"]).err.contains("it is `0007_create_reservations`"));
}

fn wait_ends_with_7_until_another_run_has_applied_everything(place: &Place) {
    let short = ["wait", "--timeout", "100ms"];
    let answer = place.app(&short);
    let missing = if place.is_sqlite() { 4 } else { 7 };
    assert_eq!(answer.code, Some(missing), "{answer:?}");
    place.ok(&["up", "--to", "2"]);
    let answer = place.app(&short);
    assert_eq!(answer.code, Some(7), "{answer:?}");
    assert!(answer.err.contains("error[timed-out]: 10 of 12 migrations are not applied after 100ms"), "{answer:?}");
    place.ok(&["up"]);
    assert_eq!(place.ok(&short).trim(), "the database has every migration");
}

fn a_refusal_exits_with_3(place: &Place) {
    let refused = place.app(&["up", "--to", "99"]);
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    place.ok(&["up"]);
    let before = (place.schema(), place.history());
    for arguments in [&["down", "--all"][..], &["down", "--to", "2"], &["down", "--all", "--dry-run"]] {
        let refused = place.app(arguments);
        assert_eq!(refused.code, Some(3), "{arguments:?}: {refused:#?}");
        assert!(refused.err.contains("`0004_seed_opening_stock` is irreversible"), "{refused:#?}");
    }
    let refused = place.app(&["down", "13"]);
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    assert_eq!(before, (place.schema(), place.history()));
}

fn drift_is_shown_and_ends_with_3(place: &Place) {
    place.ok(&["up"]);
    place.try_rows("UPDATE lockgate_history SET name = 'create_friends' WHERE version = 1").unwrap();
    let status = place.app(&["status"]);
    assert_eq!(status.code, Some(3), "{status:#?}");
    assert!(status.out.contains("  0001_create_members            renamed  "), "{status:#?}");
    assert!(status.out.contains("drift[renamed]: `0001_create_members` was applied under the name `create_friends`"));
    assert!(status.out.contains("`up` refuses to run until this is fixed"), "{status:#?}");
    let up = place.app(&["up"]);
    assert_eq!(up.code, Some(3), "{up:#?}");
    place.try_rows("UPDATE lockgate_history SET name = 'create_members' WHERE version = 1").unwrap();

    // A newer build was here: not an error, but shown.
    let text = format!("v1:{}", "0".repeat(64));
    let newer = format!("SET version = 13, name = 'of_tomorrow', checksum = '{text}' WHERE version = 12");
    place.try_rows(&format!("UPDATE lockgate_history {newer}")).unwrap();
    let status = place.app(&["status"]);
    assert!(status.out.contains("drift[ahead]: `13_of_tomorrow`"), "{status:#?}");
    assert!(status.out.contains("  13_of_tomorrow                 ahead    "), "{status:#?}");
}

/// Several histories have the same versions: what a message says corrects the one that the command was about.
fn advice_names_the_set_and_the_history_table_that_were_typed(place: &Place) {
    place.ok(&["up"]);
    let edited = format!("v1:{}", "0".repeat(64));
    let left = |table: &str, of: &str| {
        let rows = place
            .try_rows(&format!("SELECT checksum FROM {table} WHERE version = 1 AND {of} AND checksum = '{edited}'"));
        rows.unwrap().len()
    };
    for (table, flags, of) in [
        ("lockgate_history", &["--set", "other"][..], "set_name = 'other'"),
        ("kept", &["--history-table", "kept"], "1 = 1"),
        ("kept", &["--set", "it's", "--history-table", "kept"], "set_name = 'it''s'"),
    ] {
        let with = |arguments: &[&'static str]| [arguments, flags].concat();
        place.ok(&with(&["baseline", "12"]));
        for table in ["lockgate_history", table] {
            place.try_rows(&format!("UPDATE {table} SET checksum = '{edited}' WHERE version = 1")).unwrap();
        }
        let typed = flags.join(" ").replace("it's", "'it'\\''s'");
        let says = format!("`repair --accept-edited --reason \"why\" {typed}`");
        for (arguments, code) in [(&["up"][..], 3), (&["status"], 3), (&["drift"], 9)] {
            let answer = place.app(&with(arguments));
            assert_eq!(answer.code, Some(code), "{answer:#?}");
            assert!(format!("{}{}", answer.out, answer.err).contains(&says), "{arguments:?} {says}: {answer:#?}");
            let json = place.app(&with(&[arguments, &["--format", "json"]].concat()));
            let last: serde_json::Value = serde_json::from_str(json.out.lines().last().unwrap()).unwrap();
            let drift = [&last["drift"], &last["status"]["drift"]].into_iter().find(|drift| drift.is_array()).unwrap();
            let help = drift[0]["help"].as_str().unwrap();
            assert!(help.contains(&says), "{arguments:?} {says}: {last:#}");
        }
        let (all, mine) = (left("lockgate_history", "1 = 1"), left(table, of));
        assert_eq!(mine, 1, "{flags:?}");
        place.ok(&with(&["repair", "--accept-edited", "--reason", "why"]));
        assert_eq!(left(table, of), 0, "{flags:?}");
        let corrected = usize::from(table == "lockgate_history");
        assert_eq!(left("lockgate_history", "1 = 1"), all - corrected, "{flags:?}");
        place.ok(&with(&["up"]));
        // What a run tolerates has advice in JSON alone.
        let ahead = format!("version = 13, name = 'of_tomorrow', checksum = '{edited}' WHERE version = 12 AND {of}");
        place.try_rows(&format!("UPDATE {table} SET {ahead}")).unwrap();
        place.ok(&with(&["baseline", "12"]));
        for arguments in [&["up", "--format", "json"][..], &["plan", "--format", "json"]] {
            let json = place.ok(&with(arguments));
            let lines: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let told = lines.iter().flat_map(|line| {
                [&line["drift"], &line["run"]["tolerated"][0], &line["plan"]["tolerated"][0]].map(|of| &of["help"])
            });
            let told: Vec<&str> = told.filter_map(serde_json::Value::as_str).collect();
            let forget = format!("`repair --forget 13 {typed}`");
            assert!(!told.is_empty() && told.iter().all(|help| help.contains(&forget)), "{forget}: {json}");
        }
        place.ok(&with(&["repair", "--forget", "13"]));
    }
}

fn a_reader_that_goes_away_does_not_stop_a_run(place: &Place) {
    let mut child = place.command(&["up"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(place.history().len(), 12);
}

#[test]
fn unreachable_ends_with_4() {
    let place = Place::sqlite();
    // Nothing listens on port 1 of the loopback, and a missing file is not created.
    let missing = format!("sqlite://{}", place.file().display());
    for url in ["postgres://ada@127.0.0.1:1/library", &missing] {
        for verb in ["up", "status"] {
            let answer = place.app(&[verb, "--database-url", url]);
            assert_eq!(answer.code, Some(4), "{verb} {url}: {answer:#?}");
            assert!(answer.err.contains("error[unreachable]: "), "{answer:#?}");
        }
    }
    assert!(!place.file().exists());

    let start = Instant::now();
    let late = place.app(&["up", "--wait-for-server", "700ms", "--database-url", "postgres://ada@127.0.0.1:1/library"]);
    assert_eq!(late.code, Some(4), "{late:#?}");
    assert!(start.elapsed() >= Duration::from_millis(700), "{:?}", start.elapsed());
}

#[test]
fn busy_ends_with_5() {
    use sqlx::{Connection, SqliteConnection};
    let place = Place::sqlite();
    place.ok(&["up", "--steps", "1"]);
    let url = place.url().to_owned();
    let busy = wait(async {
        let mut other = SqliteConnection::connect(&url).await.unwrap();
        let transaction = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let busy = place.app(&["up", "--lock-wait", "200ms"]);
        transaction.rollback().await.unwrap();
        busy
    });
    assert_eq!(busy.code, Some(5), "{busy:#?}");
    assert_eq!(place.history(), ["1"]);
}

#[test]
fn a_user_that_is_turned_away_ends_with_6() {
    let Some(place) = Place::postgres() else { return };
    let (_, address) = place.url().rsplit_once('@').unwrap();
    let nobody = format!("postgres://nobody_{}:{PASSWORD}@{address}", std::process::id());
    for verb in ["up", "status"] {
        let answer = place.app(&[verb, "--database-url", &nobody]);
        assert_eq!(answer.code, Some(6), "{answer:#?}");
        assert!(answer.err.contains("error[denied]: "), "{answer:#?}");
        no_password(&answer);
    }
}

#[test]
fn a_missing_privilege_ends_with_6() {
    let Some(place) = Place::postgres() else { return };
    let role = format!("reader_{}", std::process::id());
    place.try_rows(&format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")).unwrap();
    // The default since PostgreSQL 15.
    place.try_rows("REVOKE CREATE ON SCHEMA public FROM PUBLIC").unwrap();
    let (_, address) = place.url().rsplit_once('@').unwrap();
    let answer = place.app(&["up", "--database-url", &format!("postgres://{role}:{PASSWORD}@{address}")]);
    place.try_rows(&format!("DROP ROLE {role}")).unwrap();
    assert_eq!(answer.code, Some(6), "{answer:#?}");
    assert!(answer.err.contains("error[denied]: "), "{answer:#?}");
    assert!(!answer.err.contains("help: correct"), "there is nothing wrong with the file: {answer:#?}");
    no_password(&answer);
}

#[test]
fn a_read_only_database_ends_with_6() {
    let place = Place::sqlite();
    for steps in ["1", "2"] {
        let read_only = format!("sqlite://{}?mode=ro", place.file().display());
        if !place.file().exists() {
            fs::write(place.file(), "").unwrap();
        }
        let answer = place.app(&["up", "--database-url", &read_only]);
        assert_eq!(answer.code, Some(6), "{answer:#?}");
        assert!(answer.err.contains("error[read-only]: "), "{answer:#?}");
        assert!(!answer.err.contains("help: correct"), "there is nothing wrong with the file: {answer:#?}");
        assert_eq!(place.app(&["status", "--database-url", &read_only]).code, Some(0));
        place.ok(&["up", "--steps", steps]);
    }
}

#[test]
fn no_password_is_printed() {
    let place = Place::sqlite();
    let urls = [
        format!("postgres://ada:{PASSWORD}@127.0.0.1:1/library"),
        format!("postgres://127.0.0.1:1/library?user=ada&password={PASSWORD}"),
        // Not escaped, so invalid or ambiguous.
        format!("postgres://ada:{PASSWORD}/@127.0.0.1:1/library"),
        format!("postgres://ada:x@{PASSWORD}@127.0.0.1:1/library"),
        format!("postgres://ada:{PASSWORD}@127.0.0.1:port/library"),
        format!("gopher://ada:{PASSWORD}@localhost/library"),
        format!("host=localhost user=ada password={PASSWORD}"),
        format!("sqlite://library.db?password={PASSWORD}"),
    ];
    for url in &urls {
        for verb in [&["up"][..], &["up", "--dry-run"], &["status"], &["plan"], &["down", "1"], &["--help"], &["loans"]]
        {
            let of_flag = place.app(&[verb, &["--database-url", url]].concat());
            let of_variable = answer(place.command(verb).env("DATABASE_URL", url).output().unwrap());
            for answer in [of_flag, of_variable] {
                assert!(verb == ["--help"] || answer.code != Some(0), "{url} {verb:?}: {answer:#?}");
                no_password(&answer);
            }
        }
        // In the wrong place.
        for arguments in [&["up", url][..], &[url], &["down", url], &["--lock-wait", url, "up"]] {
            let answer = place.app(arguments);
            assert_eq!(answer.code, Some(2), "{answer:#?}");
            no_password(&answer);
        }
    }
}

#[test]
fn a_flag_wins_over_the_variable() {
    let place = Place::sqlite();
    let other = Place::sqlite();
    let answer = place.app(&["up", "--database-url", other.url()]);
    assert_eq!(answer.code, Some(0), "{answer:#?}");
    assert!(!place.file().exists());
    assert_eq!(other.history().len(), 12);
}

#[test]
fn the_default_database_is_shown_on_a_terminal() {
    let place = Place::sqlite();
    let answer = answer(command(&["up"]).current_dir(place.folder()).output().unwrap());
    assert_eq!(answer.code, Some(0), "{answer:#?}");
    assert_eq!(answer.err, "note: the database is sqlite://library.db?mode=rwc, as DATABASE_URL is not set\n",);
    assert_eq!(place.history().len(), 12);
}

#[test]
fn help_shows_the_exit_codes_and_the_default() {
    let help = answer(command(&["--help"]).output().unwrap());
    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    for part in ["Exit codes:\n  0  done", "\n  6  denied", "  up  ", "  loans  ", "sqlite://library.db?mode=rwc"] {
        assert!(help.out.contains(part), "{part}: {}", help.out);
    }
    let version = answer(command(&["--version"]).output().unwrap());
    assert_eq!(version.out, format!("app {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn short_help_has_the_options_of_the_command_and_long_help_those_of_every_command() {
    let help = |arguments: &[&str]| answer(command(arguments).env("COLUMNS", "80").output().unwrap()).out;
    let (short, long) = (help(&["down", "-h"]), help(&["down", "--help"]));
    let (own, shared) = long.split_once("Options for every command:").unwrap();
    for option in ["--host", "--format", "--lock-timeout", "--history-table", "--allow-other-tools"] {
        assert!(
            !short.contains(option) && !own.contains(option) && shared.contains(option),
            "{option}: {short}\n{long}"
        );
    }
    for part in ["--to", "--all", "--database-url", "(see more with '--help')"] {
        assert!(short.contains(part), "{part}: {short}");
    }
}

#[test]
fn output_in_a_pipe_has_no_colours() {
    let place = Place::sqlite();
    for arguments in [&["up"][..], &["status"], &["plan"], &["down", "99"], &["upp"]] {
        let answer = place.app(arguments);
        assert!(!answer.out.contains('\u{1b}') && !answer.err.contains('\u{1b}'), "{answer:#?}");
    }
}

fn no_password(answer: &Answer) {
    assert!(!answer.out.contains(PASSWORD) && !answer.err.contains(PASSWORD), "{answer:#?}");
}

/// What was typed is what the message is about.
#[test]
fn wrong_words_are_named_as_they_were_typed() {
    let place = Place::sqlite();
    place.ok(&["up"]);
    for (words, code, says) in [
        (&["down", "-1"][..], 2, "invalid value '-1' for '[N]': write a whole number, at least 1"),
        (&["redo", "-1"], 2, "invalid value '-1' for '[N]': write a whole number, at least 1"),
        (&["repair", "--forget", "R__nope"], 3, "no repeatable script of this name is recorded"),
        (&["adopt", "--undo"], 3, "no history was taken over here"),
    ] {
        let found = place.app(words);
        assert_eq!(found.code, Some(code), "{words:?}: {found:#?}");
        assert!(found.err.contains(says), "{words:?}: {found:#?}");
    }
    let trees = built("trees");
    let typed = answer(std::process::Command::new(trees).args(["manual", "run", "totals"]).output().unwrap());
    assert!(typed.err.contains("name it as `manual` shows it, or by its number"), "{typed:#?}");
}
