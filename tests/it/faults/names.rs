//! Planted names: everything that Lockgate sends resolves to `pg_catalog`, whatever the settings of the database or the
//! role are.
//!
//! The test puts a twin of everything that has a name in the server's catalogue in front of it. An unqualified name
//! runs the twin, which shows in the server's log.

use std::cell::Cell;
use std::time::Duration;

use lockgate::__private::RustStep;
use lockgate::adopt::Adopt;
use lockgate::{
    Atomicity, Database, DownTo, ErrorKind, Event, Migrations, Migrator, Repair, Stage, UpTo, Version, doctor,
};
use lockgate_harness::server::{Options, Postgres};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tokio::sync::mpsc;

use super::cut_at_each_message;
use crate::support::postgres;
use crate::support::set::with_steps;
use crate::support::wire::Cut;

/// Makes the template of hostile databases.
const PLANT: &str = include_str!("plant.sql");

/// A server with a template that contains the twins.
struct Hostile {
    server: Postgres,
    /// How much of the log was read.
    seen: Cell<usize>,
    databases: Cell<usize>,
}

/// How an unqualified name resolves to a twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By a setting of the database.
    Database,
    /// By a setting of the role in the database.
    Role,
    /// By argument types that match better, with the default search path.
    Types,
}

const WAYS: [Way; 3] = [Way::Database, Way::Role, Way::Types];

impl Hostile {
    async fn start() -> Option<Self> {
        let options = Options::default().setting("max_prepared_transactions", "9");
        let server = postgres::cluster(&options)?;
        let mut admin = PgConnection::connect(&server.url("postgres")).await.unwrap();
        admin.execute("CREATE DATABASE planted").await.unwrap();
        admin.execute("CREATE ROLE helper; CREATE ROLE runner LOGIN PASSWORD 'runner'").await.unwrap();
        let mut planted = PgConnection::connect(&server.url("planted")).await.unwrap();
        planted.execute(PLANT).await.unwrap();
        planted.execute("GRANT ALL ON SCHEMA public TO PUBLIC").await.unwrap();
        planted.close().await.unwrap();
        let hostile = Self { server, seen: Cell::new(0), databases: Cell::new(0) };
        // The detection works.
        let url = hostile.database(Way::Database).await;
        let mut connection = PgConnection::connect(&url).await.unwrap();
        for (sql, says) in [
            ("SELECT 1 = 1", "planted: integer = integer"),
            ("SELECT txid_current()", "planted: txid_current()"),
            ("SELECT count(*)", "planted: count()"),
            ("SELECT 'a'::text", "planted: type text"),
            ("SELECT FROM pg_class", "planted: relation pg_class"),
            ("SELECT concat_ws('a', 1)", "cannot accept a value of a shell type"),
        ] {
            let _ = connection.execute(sql).await;
            let ran = hostile.ran();
            assert!(ran.iter().any(|line| line.contains(says)), "{sql}: {ran:?}");
        }
        let url = hostile.database(Way::Types).await;
        let mut connection = PgConnection::connect(&url).await.unwrap();
        connection.execute("SELECT 1.5 * 2::integer").await.unwrap();
        assert_eq!(hostile.ran(), ["planted: public numeric * integer"]);
        Some(hostile)
    }

    /// A new database, for the server's superuser.
    async fn database(&self, way: Way) -> String {
        let count = self.databases.get();
        self.databases.set(count + 1);
        let name = format!("hostile_{count}");
        let mut admin = PgConnection::connect(&self.server.url("postgres")).await.unwrap();
        admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE planted"))).await.unwrap();
        let whose = match way {
            Way::Database => format!("DATABASE {name}"),
            Way::Role => format!("ROLE ALL IN DATABASE {name}"),
            Way::Types => return self.server.url(&name),
        };
        let sql = format!("ALTER {whose} SET search_path = evil, pg_catalog, public");
        admin.execute(AssertSqlSafe(sql)).await.unwrap();
        self.server.url(&name)
    }

    /// The twins that ran since the last call.
    fn ran(&self) -> Vec<String> {
        let log = self.server.log();
        let new = &log[self.seen.get()..];
        self.seen.set(log.len());
        let found = new.lines().filter_map(|line| {
            let at = line.find("planted: ").or_else(|| line.find("cannot accept a value of"))?;
            Some(line[at..].to_owned())
        });
        let mut found: Vec<String> = found.collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    #[track_caller]
    fn nothing_ran(&self, behind: &str) {
        assert_eq!(self.ran(), [""; 0], "{behind}");
    }
}

/// A connection for the test's own queries.
async fn plain(url: &str) -> PgConnection {
    PgConnection::connect(&format!("{url}?options[search_path]=pg_catalog")).await.unwrap()
}

async fn works(_: &mut lockgate::Transaction<'_>) -> lockgate::StepResult {
    Ok(())
}
static WORKS: &[RustStep] =
    &[RustStep { version: 4, up: |tx| Box::pin(works(tx)), down: Some(|tx| Box::pin(works(tx))) }];

const RUST: &str = "pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }\n\
                    pub async fn down(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }\n";

/// One migration of each kind, with qualified names.
const FILES: [(&str, &str); 16] = [
    ("migrations.toml", "dialects = [\"postgres\"]\n"),
    (
        "0001_a.up.sql",
        "CREATE TABLE public.a (id INTEGER PRIMARY KEY, v INTEGER);\nINSERT INTO public.a VALUES (1, 1), (2, 2);",
    ),
    ("0001_a.down.sql", "DROP TABLE public.a;"),
    (
        "0002_settings.up.sql",
        "SET work_mem = '1MB';\nSELECT pg_catalog.set_config('lock_timeout', '7s', false);\nDO LANGUAGE plpgsql 'BEGIN END';",
    ),
    ("0002_settings.down.sql", "SET work_mem = '1MB';"),
    ("0003_copy.up.sql", "COPY public.a FROM stdin;\n3\t3\n\\.\n"),
    ("0003_copy.down.sql", "DELETE FROM public.a WHERE id OPERATOR(pg_catalog.=) 3;"),
    ("0004_step.rs", RUST),
    (
        "0005_role.up.sql",
        "-- lockgate: role helper\n-- lockgate: statement-timeout 2min\n-- lockgate: lock-timeout 9s\nSELECT 1;",
    ),
    ("0005_role.down.sql", "-- lockgate: role helper\nSELECT 1;"),
    ("0006_b.up.sql", "CREATE TABLE public.b ();"),
    ("0006_b.down.sql", "DROP TABLE public.b;"),
    ("0007_c.up.sql", "CREATE TABLE public.c ();"),
    ("0007_c.down.sql", "DROP TABLE public.c;"),
    ("0008_d.up.sql", "CREATE TABLE public.d ();"),
    ("0008_d.down.sql", "DROP TABLE public.d;"),
];

fn set(more: &[(&str, &str)]) -> &'static Migrations {
    with_steps(&[&FILES, more].concat(), WORKS)
}

fn to(version: i64) -> UpTo {
    UpTo::Version(Version::new(version).unwrap())
}

#[tokio::test]
async fn a_run_and_every_verb_run_nothing_that_is_planted() {
    let Some(hostile) = Hostile::start().await else { return };
    let more = [("0009_e.up.sql", "CREATE TABLE public.e ();\nSELECT 1 OPERATOR(pg_catalog./) 0;")];
    let (good, bad) = (set(&[]), set(&more));
    let all = FILES.len() / 2;
    let (per, whole) = (Atomicity::PerMigration, Atomicity::WholeRun);
    let (here, public, ops) = ("lockgate_history", "public.lockgate_history", "ops.lockgate_history");
    let mut cases = Vec::new();
    for (way, table, atomicity) in [
        (Way::Database, here, per),
        (Way::Database, ops, whole),
        (Way::Role, public, per),
        (Way::Types, here, per),
        (Way::Types, ops, whole),
    ] {
        cases.push((hostile.database(way).await, format!("{way:?} {table} {atomicity:?}"), table, atomicity));
    }
    // A row is the lock without advisory locks.
    let url = hostile.database(Way::Database).await;
    let mut admin = plain(&url).await;
    let revoke = "REVOKE EXECUTE ON FUNCTION pg_try_advisory_xact_lock(bigint) FROM PUBLIC; GRANT helper TO runner";
    admin.execute(revoke).await.unwrap();
    let name = url.rsplit('/').next().unwrap();
    let url = format!("postgres://runner:runner@127.0.0.1:{}/{name}", hostile.server.port());
    cases.push((url, "by the lock of a row".to_owned(), here, per));

    for (url, case, table, atomicity) in cases {
        let of = |set: &'static Migrations| Migrator::new(set).history_table(table).atomicity(atomicity);
        let mut database = Database::connect(&url).await.unwrap();
        assert_eq!(of(good).status(&mut database).await.unwrap().pending().count(), all);
        hostile.nothing_ran(&format!("status of nothing, {case}"));
        // Half through the value, half through a connection of the caller's.
        let ran = of(good).apply_to(&mut database, to(4)).await.unwrap_or_else(|error| panic!("{case}: {error:?}"));
        assert_eq!(ran.steps.len(), 4);
        hostile.nothing_ran(&format!("a fresh run, {case}"));
        let mut lent = PgConnection::connect(&url).await.unwrap();
        of(good).apply(&mut lent).await.unwrap_or_else(|error| panic!("{case}: {error:?}"));
        hostile.nothing_ran(&format!("a lent connection, {case}"));
        assert!(of(good).apply(&mut database).await.unwrap().is_empty());
        assert!(of(good).status(&mut lent).await.unwrap().is_up_to_date());
        assert!(of(good).drift(&mut lent).await.unwrap().is_empty());
        hostile.nothing_ran(&format!("an up-to-date start, {case}"));
        for _ in 0..2 {
            let error = of(bad).apply(&mut database).await.unwrap_err();
            assert!(error.report().to_string().contains("division by zero"), "{case}: {error:?}");
            hostile.nothing_ran(&format!("a failing run, {case}"));
        }
        let eight = Version::new(8).unwrap();
        of(good).repair(&mut database, Repair::Forget(eight)).await.unwrap();
        of(good).baseline(&mut lent, eight).await.unwrap();
        of(good).set_name("other").baseline(&mut database, Version::new(3).unwrap()).await.unwrap();
        hostile.nothing_ran(&format!("baseline, {case}"));
        let edited = [&FILES[..14], &[("0008_d.up.sql", "CREATE TABLE public.d (id INTEGER);"), FILES[15]]].concat();
        let edited = with_steps(&edited, WORKS);
        of(edited).repair(&mut lent, Repair::AcceptEdited).await.unwrap();
        of(good).repair(&mut lent, Repair::AcceptEdited).await.unwrap();
        hostile.nothing_ran(&format!("repair, {case}"));
        of(good).read_schema(&mut database).await.unwrap();
        hostile.nothing_ran(&format!("the schema, {case}"));
        assert!(!of(good).log(&mut database, 1000).await.unwrap().is_empty());
        hostile.nothing_ran(&format!("the log, {case}"));
        let down = of(good).plan_revert(&mut database, DownTo::Empty).await.unwrap();
        of(good).sizes(&mut lent, &down).await.unwrap();
        hostile.nothing_ran(&format!("the sizes of tables, {case}"));
        of(good).redo(&mut database, 1).await.unwrap();
        hostile.nothing_ran(&format!("redo, {case}"));
        lockgate::server_progress(&mut database).await.unwrap();
        hostile.nothing_ran(&format!("the progress of a statement, {case}"));
        doctor::examine(&of(good), &mut database, doctor::Examination::default()).await.unwrap();
        hostile.nothing_ran(&format!("doctor, {case}"));
        let theirs = "CREATE TABLE public._sqlx_migrations (version bigint, description pg_catalog.text, \
                      installed_on timestamp with time zone, success boolean, checksum pg_catalog.bytea, \
                      execution_time bigint); \
                      INSERT INTO public._sqlx_migrations VALUES (1, 'a', '2026-01-02', true, NULL, 1)";
        lent.execute(theirs).await.unwrap();
        let adopted = of(set(&[])).set_name("adopted");
        adopted.plan_adopt(&mut database, &Adopt::new()).await.unwrap();
        let report = adopted.adopt(&mut database, &Adopt::new().accept_modified("on purpose")).await;
        assert_eq!(report.unwrap_or_else(|error| panic!("{case}: {error:?}")).steps.len(), 1);
        adopted.undo_adopt(&mut database).await.unwrap_or_else(|error| panic!("{case}: {error:?}"));
        lent.execute("DROP TABLE public._sqlx_migrations").await.unwrap();
        hostile.nothing_ran(&format!("adopt, {case}"));
        // Only the owner may mark the database.
        let marked = of(good).mark_stage(&mut database, Stage::Test).await;
        assert!(marked.is_ok() || url.contains("runner"), "{marked:?}");
        hostile.nothing_ran(&format!("mark-stage, {case}"));
        of(good).revert(&mut database, DownTo::Steps(1)).await.unwrap();
        of(good).revert(&mut lent, DownTo::Empty).await.unwrap_or_else(|error| panic!("{case}: {error:?}"));
        hostile.nothing_ran(&format!("down, {case}"));
    }
}

/// A table is locked and a run is working: the blockers are looked up.
#[tokio::test]
async fn conflicting_objects_are_found_without_running_planted_code() {
    let Some(hostile) = Hostile::start().await else { return };
    let alter = ("0009_alter.up.sql", "ALTER TABLE public.a ADD COLUMN w INTEGER;");
    let waits = ("0009_waits.up.sql", "SELECT pg_catalog.pg_advisory_xact_lock(77);");
    let outside = (
        "0009_out.up.sql",
        "-- lockgate: no-transaction\nSELECT pg_catalog.pg_advisory_xact_lock(77);\nVACUUM public.a;",
    );
    for way in WAYS {
        let url = hostile.database(way).await;
        let mut database = Database::connect(&url).await.unwrap();
        Migrator::new(set(&[])).apply(&mut database).await.unwrap();
        let mut other = plain(&url).await;
        other.execute("BEGIN; LOCK TABLE public.a IN ACCESS SHARE MODE").await.unwrap();
        // A whole run is not retried.
        let once = Migrator::new(set(&[alter])).atomicity(Atomicity::WholeRun).lock_timeout(Duration::from_millis(20));
        let error = once.apply(&mut database).await.unwrap_err();
        assert!(error.report().to_string().contains("may hold the lock that it needs: pid"), "{error:?}");
        hostile.nothing_ran(&format!("the blockers, {way:?}"));

        other.execute("ROLLBACK; SELECT pg_advisory_lock(77)").await.unwrap();
        for last in [waits, outside] {
            let (tell, mut message) = mpsc::unbounded_channel();
            let migrator = Migrator::new(set(&[last])).on_event(move |event| {
                let _ = tell.send(matches!(event, Event::Started { .. }));
            });
            let mut first = Database::connect(&url).await.unwrap();
            let running = tokio::spawn(async move { migrator.apply(&mut first).await });
            while !message.recv().await.unwrap() {}
            let waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
            while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut other).await.unwrap() == 0 {
                tokio::task::yield_now().await;
            }
            let second = Migrator::new(set(&[last])).lock_wait(Duration::from_millis(50));
            let error = second.apply(&mut database).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Locked, "{error:?}");
            assert!(error.report().to_string().contains("held by pid"), "{error:?}");
            other.execute("SELECT pg_advisory_unlock(77)").await.unwrap();
            running.await.unwrap().unwrap();
            other.execute("SELECT pg_advisory_lock(77)").await.unwrap();
            let forget = Repair::Forget(Version::new(9).unwrap());
            Migrator::new(set(&[last])).repair(&mut database, forget).await.unwrap();
            hostile.nothing_ran(&format!("the holder of {last:?}, {way:?}"));
        }
    }
}

const UP: &str = "-- lockgate: no-transaction\n\
    UPDATE public.a SET v = v OPERATOR(pg_catalog.+) 1;\n\
    CREATE UNIQUE INDEX CONCURRENTLY a_v ON public.a (id, v);\n\
    BEGIN;\nUPDATE public.a SET v = v OPERATOR(pg_catalog.+) 1;\nCOMMIT;\n\
    REINDEX TABLE CONCURRENTLY public.a;\n\
    SET work_mem = '1MB';\n\
    ALTER TABLE public.whole DETACH PARTITION public.part CONCURRENTLY;\n\
    CREATE DATABASE base_of_DB;\n\
    DROP DATABASE base_of_DB;\n\
    BEGIN;\nUPDATE public.a SET v = v OPERATOR(pg_catalog.+) 1;\nPREPARE TRANSACTION 'DB';\n\
    COMMIT PREPARED 'DB';\n\
    DROP INDEX CONCURRENTLY public.a_v;\n";

const DOWN: &str = "-- lockgate: no-transaction\n\
    UPDATE public.a SET v = v OPERATOR(pg_catalog.-) 3;\n\
    ALTER TABLE public.whole ATTACH PARTITION public.part DEFAULT;\n\
    VACUUM public.a;\n";

/// A script outside a transaction, killed at each message and resumed.
#[tokio::test]
async fn a_resumed_script_outside_a_transaction_runs_no_planted_code() {
    let Some(hostile) = Hostile::start().await else { return };
    let url = hostile.database(Way::Database).await;
    let name = url.rsplit('/').next().unwrap();
    let ground = "CREATE TABLE public.whole (id INTEGER) PARTITION BY LIST (id);\n\
                  CREATE TABLE public.part PARTITION OF public.whole FOR VALUES IN (1);";
    let down = DOWN.replace("DEFAULT", "FOR VALUES IN (1)");
    let up = UP.replace("DB", name);
    let set = set(&[("0009_whole.sql", ground), ("0010_out.up.sql", &up), ("0010_out.down.sql", &down)]);
    let migrator = Migrator::new(set);
    let mut database = Database::connect(&url).await.unwrap();
    migrator.apply_to(&mut database, to(9)).await.unwrap();
    hostile.nothing_ran("the ground");
    let mut asks = plain(&url).await;
    let values = "SELECT string_agg(v::text, ',' ORDER BY id) FROM public.a";
    let run = async |through: &mut Database| migrator.apply(through).await;
    let after = async |cut: Cut, ran: Result<_, _>| {
        hostile.nothing_ran(&format!("{cut:?}"));
        let ours = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                    AND state <> 'idle' AND pid <> pg_backend_pid()";
        while sqlx::query_scalar::<_, i64>(ours).fetch_one(&mut asks).await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
        if let Err(error) = migrator.apply(&mut database).await {
            // A person must say whether it was committed.
            assert!(error.report().to_string().contains("`Repair::Finished`"), "{cut:?}: {error:?}\nafter {ran:?}");
            let of_it = sqlx::query_scalar::<_, bool>("SELECT EXISTS (SELECT FROM pg_prepared_xacts)");
            let there = of_it.fetch_one(&mut asks).await.unwrap();
            let ten = Version::new(10).unwrap();
            let sent = sqlx::query_scalar::<_, String>(values).fetch_one(&mut asks).await.unwrap() == "4,5,6";
            // The catalogue shows a prepared transaction, but not what became of it.
            let commits = error.to_string().contains("statement 14 of 15");
            assert!(commits || !there, "the catalogue says that it has finished: {error:?}");
            let again = if commits { there } else { !sent };
            let repair = if again { Repair::Again(ten) } else { Repair::Finished(ten) };
            migrator.repair(&mut database, repair).await.unwrap();
            migrator.apply(&mut database).await.unwrap_or_else(|error| panic!("{cut:?}: {error:?}"));
        }
        hostile.nothing_ran(&format!("resumed after {cut:?}"));
        let found: String = sqlx::query_scalar(values).fetch_one(&mut asks).await.unwrap();
        assert_eq!(found, "4,5,6", "{cut:?}");
        migrator.revert(&mut database, DownTo::Steps(1)).await.unwrap();
        hostile.nothing_ran("down");
    };
    let message = cut_at_each_message(&url, run, after).await;
    assert!(message > 20, "{message} messages");
}
