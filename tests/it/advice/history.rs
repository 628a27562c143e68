//! Histories that differ from the program, and destinations that cannot be reached.

use lockgate::{Atomicity, Database, DownTo, Error, Migrations, Migrator, Repair, Version};
use lockgate_cli::Exit;

use super::{read, types};
use crate::support::database::{Db, backends};
use crate::support::set::migrations;

backends! {
    drift_is_repaired_as_the_message_says,
    a_partial_migration_is_finished_as_the_message_says,
    the_history_of_another_set_is_avoided_as_the_message_says,
}

type Files = &'static [(&'static str, &'static str)];

enum Ask {
    Up,
    Down(DownTo),
    Repair(Repair),
    WholeRun,
}

/// One mistake and its way out.
struct Case {
    name: &'static str,
    /// The files that are applied first.
    before: Files,
    /// Changes that are made by hand.
    sql: &'static str,
    /// The files that the program embeds now.
    now: Files,
    ask: Ask,
    /// The commands in the message, typed in this order. A command in brackets is not in the message.
    types: &'static [&'static str],
}

const A: (&str, &str) = ("0001_a.up.sql", "CREATE TABLE a (id INTEGER);");
const A_DOWN: (&str, &str) = ("0001_a.down.sql", "DROP TABLE a;");
const B: (&str, &str) = ("0002_b.up.sql", "CREATE TABLE b (id INTEGER);");
const B_DOWN: (&str, &str) = ("0002_b.down.sql", "DROP TABLE b;");
const C: (&str, &str) = ("0003_c.up.sql", "CREATE TABLE c (id INTEGER);");
const C_DOWN: (&str, &str) = ("0003_c.down.sql", "DROP TABLE c;");
const OUTSIDE: (&str, &str) = ("0002_b.up.sql", "-- lockgate: no-transaction\nCREATE TABLE b (id INTEGER);");

fn version(number: i64) -> Version {
    Version::new(number).unwrap()
}

fn cases() -> Vec<Case> {
    let to = |number| Ask::Down(DownTo::Version(version(number)));
    let steps = |steps| Ask::Down(DownTo::Steps(steps));
    let case = |name, before, sql, now, ask, types| Case { name, before, sql, now, ask, types };
    vec![
        case(
            "edited",
            &[A],
            "",
            &[("0001_a.up.sql", "CREATE TABLE a (id BIGINT);")],
            Ask::Up,
            &["repair --accept-edited --reason \"why\""],
        ),
        case("renamed", &[A], "", &[("0001_e.up.sql", A.1)], Ask::Up, &["repair --accept-edited --reason \"why\""]),
        case("replaced", &[A], "", &[("0001_e.up.sql", "SELECT 1;")], Ask::Up, &["repair --mark-applied 0001_e"]),
        case("a file is gone", &[A, B, C], "", &[A, C], Ask::Up, &["repair --forget 2"]),
        case(
            "squashed",
            &[A, B],
            "",
            &[("0003_all.up.sql", "CREATE TABLE a (id INTEGER); CREATE TABLE b (id INTEGER);")],
            Ask::Up,
            &["repair --forget 1", "repair --forget 2", "(baseline 3)"],
        ),
        case(
            "a row was deleted by hand",
            &[A, B],
            "DELETE FROM lockgate_history WHERE version = 1",
            &[A, B],
            Ask::Up,
            &["baseline 0001_a"],
        ),
        case("out of order", &[B], "", &[A, B], Ask::Up, &["up --out-of-order"]),
        case(
            "the newest file is gone",
            &[A, A_DOWN, B],
            "DROP TABLE b",
            &[A, A_DOWN],
            steps(1),
            &["repair --forget 2", "(down 1)"],
        ),
        case("irreversible", &[A, B, B_DOWN, C, C_DOWN], "", &[A, B, B_DOWN, C, C_DOWN], steps(3), &["down 2"]),
        case("too far down", &[A, B, B_DOWN, C, C_DOWN], "", &[A, B, B_DOWN, C, C_DOWN], steps(20), &["down 2"]),
        case(
            "all the way down",
            &[A, B, B_DOWN, C, C_DOWN],
            "",
            &[A, B, B_DOWN, C, C_DOWN],
            Ask::Down(DownTo::Empty),
            &["down 2"],
        ),
        case("one too many", &[A, A_DOWN], "", &[A, A_DOWN], steps(2), &["down 1"]),
        case("below the oldest", &[A, A_DOWN], "", &[A, A_DOWN], to(0), &["down --all"]),
        case("not applied yet", &[A], "", &[A, B], to(2), &["up --to 0002_b"]),
        case(
            "another tool's history",
            &[],
            "CREATE TABLE _sqlx_migrations (version BIGINT); CREATE TABLE a (id INTEGER); CREATE TABLE b (id INTEGER)",
            &[A, B],
            Ask::Up,
            &["baseline 0002_b"],
        ),
        case(
            "beside another tool",
            &[],
            "CREATE TABLE _sqlx_migrations (version BIGINT)",
            &[A, B],
            Ask::Up,
            &["up --allow-other-tools"],
        ),
        case("not in one transaction", &[A], "", &[A, OUTSIDE], Ask::WholeRun, &["--atomicity per-migration"]),
        case(
            "nothing to repair",
            &[],
            "CREATE TABLE a (id INTEGER)",
            &[A],
            Ask::Repair(Repair::MarkApplied(version(1))),
            &["baseline 1"],
        ),
        case(
            "nothing to record",
            &[A, B],
            "",
            &[A],
            Ask::Repair(Repair::MarkApplied(version(2))),
            &["repair --forget 2"],
        ),
    ]
}

async fn asked(ask: &Ask, set: &'static Migrations, database: &mut Database) -> Result<lockgate::Report, Error> {
    let migrator = Migrator::new(set);
    match ask {
        Ask::Up => migrator.apply(database).await,
        Ask::Down(destination) => migrator.revert(database, *destination).await,
        Ask::Repair(repair) => migrator.repair(database, *repair).await,
        Ask::WholeRun => migrator.atomicity(Atomicity::WholeRun).apply(database).await,
    }
}

async fn drift_is_repaired_as_the_message_says(first: Db) {
    let is_sqlite = first.is_sqlite();
    drop(first);
    for case in cases() {
        let Some(db) = (if is_sqlite { Db::sqlite() } else { Db::postgres() }) else { return };
        if !case.before.is_empty() {
            db.apply(migrations(case.before)).await;
        }
        if !case.sql.is_empty() {
            db.execute(case.sql).await;
        }
        let set = migrations(case.now);
        let error = asked(&case.ask, set, &mut db.open().await).await.expect_err(case.name);
        let text = read(&error, &[]);
        for line in case.types {
            let typed = line.trim_matches(['(', ')']);
            if typed == *line {
                assert!(text.contains(&format!("`{typed}`")), "{}: no `{typed}` in:\n{text}", case.name);
            }
            let typed = if typed.starts_with("--") { format!("up {typed}") } else { typed.to_owned() };
            assert_eq!(types(set, &db.url(), &typed).await, Exit::Done, "{}: `{typed}`, after:\n{text}", case.name);
        }
        assert_eq!(types(set, &db.url(), "up").await, Exit::Done, "{}: it is well again, after:\n{text}", case.name);
    }
}

async fn a_partial_migration_is_finished_as_the_message_says(first: Db) {
    let is_sqlite = first.is_sqlite();
    drop(first);
    let script = |second: &str| format!("-- lockgate: no-transaction\nCREATE TABLE b (id INTEGER);\n{second};");
    for (by_hand, line) in [
        ("", "up"),
        ("DROP TABLE b", "repair --forget 0002_b"),
        ("CREATE TABLE c (id INTEGER)", "repair --mark-applied 0002_b"),
    ] {
        let Some(db) = (if is_sqlite { Db::sqlite() } else { Db::postgres() }) else { return };
        let wrong = script("CREATE INDEX c_id ON nowhere (id)");
        let right =
            script(if line.contains("mark") { "CREATE TABLE c (id INTEGER)" } else { "CREATE INDEX b_id ON b (id)" });
        let stopped = Migrator::new(migrations(&[A, ("0002_b.up.sql", &wrong)])).apply(&mut db.open().await).await;
        stopped.unwrap_err();
        // A partial migration prevents reverting, and editing.
        let edited = wrong.replace("id INTEGER", "ident INTEGER");
        let set = migrations(&[A, ("0002_b.up.sql", &edited)]);
        let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
        let text =
            read(&error, &["`repair --forget 0002_b`", "`repair --mark-applied 0002_b`", "`up` then resumes after it"]);
        if !by_hand.is_empty() {
            db.execute(by_hand).await;
        }
        let set = migrations(&[A, ("0002_b.up.sql", &right)]);
        assert_eq!(types(set, &db.url(), line).await, Exit::Done, "`{line}`, after:\n{text}");
        assert_eq!(types(set, &db.url(), "up").await, Exit::Done, "`{line}`, after:\n{text}");
        assert_eq!(db.history().await, ["1:applied", "2:applied"]);
    }
}

/// A program of one database, connected to that of another one.
async fn the_history_of_another_set_is_avoided_as_the_message_says(db: Db) {
    const POLICY: (&str, &str) = ("migrations.toml", "numbering = \"encoded\"\n");
    let audit = migrations(&[POLICY, ("audit.00000001.0001.owner.make.sql", "CREATE TABLE audit (id INTEGER);")]);
    let billing = migrations(&[POLICY, ("billing.00000001.0001.owner.make.sql", "CREATE TABLE bill (id INTEGER);")]);
    db.apply(audit).await;
    let error = Migrator::new(billing).apply(&mut db.open().await).await.unwrap_err();
    let text = read(&error, &["connect to the database of `billing`"]);
    for (name, set) in [("billing", billing), ("audit", audit)] {
        let option = format!("--set {name}");
        let line = if text.contains(&format!("`{option}`")) { format!("up {option}") } else { "up".to_owned() };
        assert_eq!(types(set, &db.url(), &line).await, Exit::Done, "`{line}`, after:\n{text}");
    }
    assert!(text.contains("`--set billing`"), "{text}");
}
