//! Each state of a database and each verb: the exit code of the command, and its first line of output.

use std::process::{Child, Stdio};

use crate::support::app::{Place, answer, wait};

/// `both` means that the two databases answer alike. A duration is shown as `…`.
const TABLE: &str = "
state       | verb                   | database | exit | first line
absent      | status                 | sqlite   | 0    | nothing is applied, 12 pending
absent      | status                 | postgres | 4    | error[unreachable]: cannot connect to URL
absent      | plan                   | sqlite   | 0    | 12 migrations would run, and nothing was executed
absent      | plan                   | postgres | 4    | error[unreachable]: cannot connect to URL
absent      | up --dry-run           | sqlite   | 0    | 12 migrations would run, and nothing was executed
absent      | up --dry-run           | postgres | 4    | error[unreachable]: cannot connect to URL
absent      | drift                  | sqlite   | 0    | no difference between program and database
absent      | drift                  | postgres | 4    | error[unreachable]: cannot connect to URL
absent      | history                | sqlite   | 0    | no migration has run on this database yet
absent      | history                | postgres | 4    | error[unreachable]: cannot connect to URL
absent      | ready                  | sqlite   | 7    | not ready: 12 of 12 migrations not applied: `0001_create_members` to `0012_add_phone_to_members`
absent      | ready                  | postgres | 4    | error[unreachable]: cannot connect to URL
absent      | wait --timeout 1ms     | sqlite   | 4    | error[unreachable]: cannot connect to sqlite://FILE?mode=rw
absent      | wait --timeout 1ms     | postgres | 4    | error[unreachable]: cannot connect to URL
absent      | up                     | sqlite   | 0    | 12 migrations to run
absent      | up                     | postgres | 4    | error[unreachable]: cannot connect to URL
absent      | down 1                 | sqlite   | 4    | error[unreachable]: `FILE` does not exist yet; `up` creates it
absent      | down 1                 | postgres | 4    | error[unreachable]: cannot connect to URL
absent      | redo                   | sqlite   | 4    | error[unreachable]: `FILE` does not exist yet; `up` creates it
absent      | redo                   | postgres | 4    | error[unreachable]: cannot connect to URL
absent      | baseline 12            | sqlite   | 4    | error[unreachable]: `FILE` does not exist yet; `up` creates it
absent      | baseline 12            | postgres | 4    | error[unreachable]: cannot connect to URL
absent      | repair --accept-edited --reason why | sqlite   | 4    | error[unreachable]: `FILE` does not exist yet; `up` creates it
absent      | repair --accept-edited --reason why | postgres | 4    | error[unreachable]: cannot connect to URL
empty       | status                 | both     | 0    | nothing is applied, 12 pending
empty       | plan                   | both     | 0    | 12 migrations would run, and nothing was executed
empty       | up --dry-run           | both     | 0    | 12 migrations would run, and nothing was executed
empty       | drift                  | both     | 0    | no difference between program and database
empty       | history                | both     | 0    | no migration has run on this database yet
empty       | ready                  | both     | 7    | not ready: 12 of 12 migrations not applied: `0001_create_members` to `0012_add_phone_to_members`
empty       | wait --timeout 1ms     | both     | 7    | error[timed-out]: 12 of 12 migrations are not applied after 1ms
empty       | up                     | both     | 0    | 12 migrations to run
empty       | down 1                 | both     | 3    | error[refused]: `down` refuses
empty       | redo                   | both     | 3    | error[refused]: `redo` refuses
empty       | baseline 12            | both     | 0    | 12 migrations to record, and nothing runs
empty       | repair --accept-edited --reason why | both     | 0    | nothing to do
behind      | status                 | both     | 0    | 11 migrations applied, 1 pending
behind      | plan                   | both     | 0    | 1 migration would run, and nothing was executed
behind      | up --dry-run           | both     | 0    | 1 migration would run, and nothing was executed
behind      | drift                  | both     | 0    | no difference between program and database
behind      | history                | both     | 0    | AT (UTC) EVENT MIGRATION TOOK BY PROGRAM LOCKGATE
behind      | ready                  | both     | 7    | not ready: 1 of 12 migrations not applied: `0012_add_phone_to_members`
behind      | wait --timeout 1ms     | both     | 7    | error[timed-out]: 1 of 12 migrations is not applied after 1ms
behind      | up                     | both     | 0    | 1 migration to run
behind      | down 1                 | both     | 0    | 1 migration to revert
behind      | redo                   | both     | 0    | 2 steps to run
behind      | baseline 12            | both     | 0    | 1 migration to record, and nothing runs
behind      | repair --accept-edited --reason why | both     | 0    | nothing to do
at head     | status                 | both     | 0    | up to date: 12 migrations applied
at head     | plan                   | both     | 0    | nothing to do
at head     | up --dry-run           | both     | 0    | nothing to do
at head     | drift                  | both     | 0    | no difference between program and database
at head     | history                | both     | 0    | AT (UTC) EVENT MIGRATION TOOK BY PROGRAM LOCKGATE
at head     | ready                  | both     | 0    | the database has every migration
at head     | wait --timeout 1ms     | both     | 0    | the database has every migration
at head     | up                     | both     | 0    | nothing to do
at head     | down 1                 | both     | 0    | 1 migration to revert
at head     | redo                   | both     | 0    | 2 steps to run
at head     | baseline 12            | both     | 0    | nothing to do
at head     | repair --accept-edited --reason why | both     | 0    | nothing to do
ahead       | status                 | both     | 0    | up to date: 13 migrations applied, 1 difference between program and database
ahead       | plan                   | both     | 0    | nothing to do
ahead       | up --dry-run           | both     | 0    | nothing to do
ahead       | drift                  | both     | 0    | no drift: the database is ahead of the program by 1 migration
ahead       | history                | both     | 0    | AT (UTC) EVENT MIGRATION TOOK BY PROGRAM LOCKGATE
ahead       | ready                  | both     | 0    | the database has every migration
ahead       | wait --timeout 1ms     | both     | 0    | the database has every migration
ahead       | up                     | both     | 0    | nothing to do
ahead       | down 1                 | both     | 3    | error[refused]: `down` refuses
ahead       | redo                   | both     | 3    | error[refused]: `redo` refuses
ahead       | baseline 12            | both     | 0    | nothing to do
ahead       | repair --accept-edited --reason why | both     | 0    | nothing to do
drifted     | status                 | both     | 3    | 12 migrations applied, 1 difference between program and database
drifted     | plan                   | both     | 3    | error[refused]: `up` refuses
drifted     | up --dry-run           | both     | 3    | error[refused]: `up` refuses
drifted     | drift                  | both     | 9    | 1 difference between program and database
drifted     | history                | both     | 0    | AT (UTC) EVENT MIGRATION TOOK BY PROGRAM LOCKGATE
drifted     | ready                  | both     | 7    | not ready: 1 difference between program and database
drifted     | wait --timeout 1ms     | both     | 7    | error[timed-out]: the database still differs from the program after 1ms
drifted     | up                     | both     | 3    | error[refused]: `up` refuses
drifted     | down 1                 | both     | 3    | error[refused]: `down` refuses
drifted     | redo                   | both     | 3    | error[refused]: `redo` refuses
drifted     | baseline 12            | both     | 3    | error[refused]: `baseline` refuses
drifted     | repair --accept-edited --reason why | both     | 0    | 1 row to correct in the history, and nothing runs
partial     | status                 | both     | 0    | 10 migrations applied, 1 partial, 1 pending, 1 difference between program and database
partial     | plan                   | both     | 0    | 2 migrations would run, and nothing was executed
partial     | up --dry-run           | both     | 0    | 2 migrations would run, and nothing was executed
partial     | drift                  | both     | 9    | 1 difference between program and database
partial     | history                | both     | 0    | AT (UTC) EVENT MIGRATION TOOK BY PROGRAM LOCKGATE
partial     | ready                  | both     | 8    | not ready: `0011_reclaim_space` has stopped half way
partial     | wait --timeout 1ms     | both     | 8    | error[partial]: `0011_reclaim_space` stopped half way, and nobody has resumed it within 1ms
partial     | up                     | both     | 0    | 2 migrations to run
partial     | down 1                 | both     | 3    | error[refused]: `down` refuses
partial     | redo                   | both     | 3    | error[refused]: `redo` refuses
partial     | baseline 12            | both     | 3    | error[refused]: `baseline` refuses
partial     | repair --accept-edited --reason why | both     | 0    | nothing to do
locked      | status                 | both     | 0    | 11 migrations applied, 1 pending
locked      | plan                   | both     | 0    | 1 migration would run, and nothing was executed
locked      | up --dry-run           | both     | 0    | 1 migration would run, and nothing was executed
locked      | drift                  | both     | 0    | no difference between program and database
locked      | history                | both     | 0    | AT (UTC) EVENT MIGRATION TOOK BY PROGRAM LOCKGATE
locked      | ready                  | both     | 7    | not ready: 1 of 12 migrations not applied: `0012_add_phone_to_members`
locked      | wait --timeout 1ms     | both     | 7    | error[timed-out]: 1 of 12 migrations is not applied after 1ms
locked      | up                     | sqlite   | 5    | waiting for another run to end
locked      | up                     | postgres | 5    | 1 migration to run
locked      | down 1                 | sqlite   | 5    | waiting for another run to end
locked      | down 1                 | postgres | 5    | 1 migration to revert
locked      | redo                   | sqlite   | 5    | waiting for another run to end
locked      | redo                   | postgres | 5    | 2 steps to run
locked      | baseline 12            | sqlite   | 5    | waiting for another run to end
locked      | baseline 12            | postgres | 5    | 1 migration to record, and nothing runs
locked      | repair --accept-edited --reason why | both     | 0    | nothing to do
unreachable | status                 | both     | 4    | error[unreachable]: cannot connect to URL
unreachable | plan                   | both     | 4    | error[unreachable]: cannot connect to URL
unreachable | up --dry-run           | both     | 4    | error[unreachable]: cannot connect to URL
unreachable | drift                  | both     | 4    | error[unreachable]: cannot connect to URL
unreachable | history                | both     | 4    | error[unreachable]: cannot connect to URL
unreachable | ready                  | both     | 4    | error[unreachable]: cannot connect to URL
unreachable | wait --timeout 1ms     | both     | 4    | error[unreachable]: cannot connect to URL
unreachable | up                     | both     | 4    | error[unreachable]: cannot connect to URL
unreachable | down 1                 | both     | 4    | error[unreachable]: cannot connect to URL
unreachable | redo                   | both     | 4    | error[unreachable]: cannot connect to URL
unreachable | baseline 12            | both     | 4    | error[unreachable]: cannot connect to URL
unreachable | repair --accept-edited --reason why | both     | 4    | error[unreachable]: cannot connect to URL
read-only   | status                 | both     | 0    | 11 migrations applied, 1 pending
read-only   | plan                   | both     | 0    | 1 migration would run, and nothing was executed
read-only   | up --dry-run           | both     | 0    | 1 migration would run, and nothing was executed
read-only   | drift                  | both     | 0    | no difference between program and database
read-only   | history                | both     | 0    | AT (UTC) EVENT MIGRATION TOOK BY PROGRAM LOCKGATE
read-only   | ready                  | both     | 7    | not ready: 1 of 12 migrations not applied: `0012_add_phone_to_members`
read-only   | wait --timeout 1ms     | both     | 7    | error[timed-out]: 1 of 12 migrations is not applied after 1ms
read-only   | up                     | sqlite   | 6    | 1 migration to run
read-only   | up                     | postgres | 6    | error[read-only]: the run could not begin
read-only   | down 1                 | sqlite   | 6    | 1 migration to revert
read-only   | down 1                 | postgres | 6    | error[read-only]: the run could not begin
read-only   | redo                   | sqlite   | 6    | 2 steps to run
read-only   | redo                   | postgres | 6    | error[read-only]: the run could not begin
read-only   | baseline 12            | sqlite   | 6    | 1 migration to record, and nothing runs
read-only   | baseline 12            | postgres | 6    | error[read-only]: the run could not begin
read-only   | repair --accept-edited --reason why | both     | 0    | nothing to do
";

/// The verbs that only read, and can run one after the other on one database.
const LOOKS: &[&str] = &["status", "plan", "up --dry-run", "drift", "history", "ready", "wait --timeout 1ms"];
/// What changes the database, each on its own one.
const CHANGES: &[&str] = &["up", "down 1", "redo", "baseline 12", "repair --accept-edited --reason why"];

/// A state: how a new database gets into it, and what must be kept alive meanwhile.
type Prepare = fn(&Place) -> Option<Held>;

/// Another process or a connection that holds a lock until it is dropped.
enum Held {
    Process(Child),
    Connection(tokio::runtime::Runtime, Option<sqlx::SqliteConnection>),
}

impl Drop for Held {
    fn drop(&mut self) {
        match self {
            Self::Process(child) => {
                child.kill().expect("it runs");
                child.wait().expect("it ends");
            }
            Self::Connection(runtime, connection) => {
                let connection = connection.take().expect("it is dropped once");
                runtime.block_on(sqlx::Connection::close(connection)).expect("it can be closed");
            }
        }
    }
}

fn prepared(state: &str) -> Prepare {
    match state {
        "absent" | "unreachable" => |_| None,
        "empty" => |place| {
            if place.is_sqlite() {
                std::fs::write(place.file(), "").expect("an empty file");
            }
            None
        },
        "behind" => |place| {
            place.ok(&["up", "--to", "11"]);
            None
        },
        "at head" => |place| {
            place.ok(&["up"]);
            None
        },
        "ahead" => |place| {
            place.ok(&["up"]);
            let row = format!("13, 'of_tomorrow', 'v1:{}', 'applied', 1", "0".repeat(64));
            let more = "applied_at, elapsed_ms, applied_by, application, lockgate";
            place
                .try_rows(&format!(
                    "INSERT INTO lockgate_history (set_name, version, name, checksum, state, statements_done, {more}) \
                     SELECT set_name, {row}, {more} FROM lockgate_history WHERE version = 12"
                ))
                .expect("a row of tomorrow");
            None
        },
        "drifted" => |place| {
            place.ok(&["up"]);
            place.try_rows("UPDATE lockgate_history SET name = 'create_friends' WHERE version = 1").expect("an update");
            None
        },
        "partial" => |place| {
            place.ok(&["up", "--to", "11"]);
            place
                .try_rows("UPDATE lockgate_history SET state = 'partial', statements_done = 1 WHERE version = 11")
                .expect("an update");
            None
        },
        "locked" => |place| {
            place.ok(&["up", "--to", "11"]);
            Some(locked(place))
        },
        "read-only" => |place| {
            place.ok(&["up", "--to", "11"]);
            if !place.is_sqlite() {
                let name = place.rows("SELECT current_database()::text").remove(0);
                place
                    .try_rows(&format!("ALTER DATABASE \"{name}\" SET default_transaction_read_only = on"))
                    .expect("the database is ours");
            }
            None
        },
        other => panic!("`{other}` is no state"),
    }
}

/// Another run, in the middle of its work.
fn locked(place: &Place) -> Held {
    if place.is_sqlite() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        let connection = runtime.block_on(async {
            use sqlx::{Connection, Executor};
            let mut connection = sqlx::SqliteConnection::connect(place.url()).await.expect("a connection");
            connection.execute("BEGIN IMMEDIATE").await.expect("the write lock");
            connection
        });
        return Held::Connection(runtime, Some(connection));
    }
    wait(async {
        use sqlx::{Connection, Executor};
        let mut other = sqlx::PgConnection::connect(place.url()).await.expect("a connection");
        other.execute("BEGIN; LOCK TABLE members").await.expect("the lock of a table");
        let mut command = place.command(&["up", "--lock-timeout", "none"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a run starts");
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'members'::regclass";
        while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut other).await.expect("a number") == 0 {
            tokio::task::yield_now().await;
        }
        // The run keeps waiting for this connection, which ends with the test's process or with the run.
        std::mem::forget(other);
        Held::Process(child)
    })
}

/// Returns the first line of a command's output, and its exit code.
fn run(place: &Place, state: &str, words: &str) -> (i32, String) {
    let url = match state {
        "unreachable" if place.is_sqlite() => "sqlite:///nowhere/library.db".to_owned(),
        "unreachable" => "postgres://ada@127.0.0.1:1/library".to_owned(),
        "absent" if !place.is_sqlite() => {
            let (server, _) = place.url().rsplit_once('/').expect("a URL names a database");
            format!("{server}/of_tomorrow")
        }
        "read-only" if place.is_sqlite() => place.url().replace("mode=rwc", "mode=ro"),
        _ => place.url().to_owned(),
    };
    let mut arguments: Vec<&str> = words.split(' ').collect();
    arguments.extend(["--database-url", &url, "--lock-wait", "50ms"]);
    let answer = answer(place.command(&arguments).output().expect("the program starts"));
    let mut lines = answer.out.lines().chain(answer.err.lines()).map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with("note: "));
    let first = first.unwrap_or_else(|| panic!("{answer:?}")).split_whitespace().collect::<Vec<_>>().join(" ");
    let first = match first.rsplit_once(" in ") {
        Some((what, duration)) if duration.ends_with("ms") || duration.ends_with(" s") => format!("{what} in …"),
        _ => first,
    };
    let first = first.replace(&lockgate::mask_secrets(&url), "URL");
    let first = first.replace(&place.file().display().to_string(), "FILE");
    (answer.code.expect("it ends by itself"), first)
}

fn check(state: &str, new: fn() -> Option<Place>) {
    let Some(place) = new() else { return };
    let database = if place.is_sqlite() { "sqlite" } else { "postgres" };
    let mut actual = Vec::new();
    let mut row = |place: &Place, verb: &str| {
        let (code, first) = run(place, state, verb);
        actual.push((verb.to_owned(), code.to_string(), first));
    };
    {
        let held = prepared(state)(&place);
        LOOKS.iter().for_each(|verb| row(&place, verb));
        drop(held);
    }
    for verb in CHANGES {
        let place = new().expect("there was one before");
        let held = prepared(state)(&place);
        row(&place, verb);
        drop(held);
    }
    let expected = TABLE.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let [of, verb, on, code, first] = cells[..] else { return None };
        (of == state && (on == "both" || on == database)).then(|| (verb.to_owned(), code.to_owned(), first.to_owned()))
    });
    let expected: Vec<_> = expected.collect();
    let shown = actual.iter().map(|(verb, code, first)| format!("{state} | {verb} | {database} | {code} | {first}\n"));
    let shown: String = shown.collect();
    let mut rows = actual.clone();
    let (mut left, mut right) = (expected, std::mem::take(&mut rows));
    left.sort();
    right.sort();
    assert!(left == right, "the table has other rows than\n{shown}");
}

macro_rules! states {
    ($($name:ident: $state:literal),+ $(,)?) => {
        /// The states in the table.
        const STATES: &[&str] = &[$($state),+];
        $(
            mod $name {
                use crate::support::app::Place;

                #[test]
                fn sqlite() {
                    super::check($state, || Some(Place::sqlite()));
                }

                #[test]
                fn postgres() {
                    super::check($state, Place::postgres);
                }
            }
        )+
    };
}

states! {
    absent: "absent",
    empty: "empty",
    behind: "behind",
    at_head: "at head",
    ahead: "ahead",
    drifted: "drifted",
    partial: "partial",
    locked_by_another: "locked",
    unreachable: "unreachable",
    read_only: "read-only",
}

#[test]
fn the_table_has_no_state_that_is_not_tried() {
    let states = TABLE.lines().filter_map(|line| line.split_once(" | ")).map(|(state, _)| state.trim());
    let unknown: Vec<_> = states.filter(|state| *state != "state" && !STATES.contains(state)).collect();
    assert_eq!(unknown, [""; 0]);
}
