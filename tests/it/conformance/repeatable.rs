//! Repeatable scripts and profiles.

use lockgate::wait::{self, Readiness};
use lockgate::{
    Action, Atomicity, DownTo, Drift, ErrorKind, Migrations, Migrator, OutOfOrder, Repair, RepeatableState, UpTo,
    Version,
};

use crate::support::database::{Db, backends};
use crate::support::set::migrations;

backends! {
    they_run_after_the_last_migration_and_again_after_a_change,
    one_that_fails_leaves_the_migrations_before_it,
    in_one_transaction_nothing_is_left,
    one_that_is_gone_is_reported_and_forgotten,
    down_and_redo_leave_them_alone,
    an_old_build_leaves_those_of_a_newer_one_alone,
    two_runners_run_each_once,
    many_of_them_beside_many_migrations,
    profiles_choose_what_runs,
    a_program_that_lost_its_last_one_reports_it,
}

const USERS: (&str, &str) = ("0001_create_users.up.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY, age INTEGER);\n");
const NO_USERS: (&str, &str) = ("0001_create_users.down.sql", "DROP TABLE users;\n");
const TAGS: (&str, &str) = ("0002_create_tags.up.sql", "CREATE TABLE tags (id INTEGER PRIMARY KEY);\n");
const NO_TAGS: (&str, &str) = ("0002_create_tags.down.sql", "DROP TABLE tags;\n");
const ADULTS: (&str, &str) = (
    "R__zz_adults.sql",
    "DROP VIEW IF EXISTS many;\nDROP VIEW IF EXISTS adults;\nCREATE VIEW adults AS SELECT id FROM users WHERE age >= 18;\n",
);
const OLDER_ADULTS: (&str, &str) = (
    "R__zz_adults.sql",
    "DROP VIEW IF EXISTS many;\nDROP VIEW IF EXISTS adults;\nCREATE VIEW adults AS SELECT id FROM users WHERE age >= 21;\n",
);
const MANY: (&str, &str) =
    ("R__many.sql", "DROP VIEW IF EXISTS many;\nCREATE VIEW many AS SELECT count(*) AS number FROM adults;\n");
const SEED: (&str, &str) = ("R__seed.sql", "INSERT INTO users SELECT 1, 20 WHERE NOT EXISTS (SELECT 1 FROM users);\n");

async fn applied(db: &Db, set: &'static Migrations) -> Vec<(String, Action)> {
    let report = db.apply(set).await;
    report.steps.into_iter().map(|step| (step.id, step.action)).collect()
}

fn done(steps: &[(&str, Action)]) -> Vec<(String, Action)> {
    steps.iter().map(|(id, action)| ((*id).to_owned(), *action)).collect()
}

async fn rows(db: &Db) -> Vec<String> {
    db.texts("SELECT set_name || ' ' || name || ' ' || state FROM lockgate_history ORDER BY set_name, name").await
}

async fn they_run_after_the_last_migration_and_again_after_a_change(db: Db) {
    let first = migrations(&[USERS, NO_USERS, ADULTS, MANY, SEED]);
    assert_eq!(
        applied(&db, first).await,
        done(&[
            ("0001_create_users", Action::Apply),
            ("R__seed", Action::Apply),
            ("R__zz_adults", Action::Apply),
            ("R__many", Action::Apply),
        ]),
        "R__many needs R__zz_adults"
    );
    assert_eq!(db.texts("SELECT CAST(number AS TEXT) FROM many").await, ["1"]);
    let recorded = [
        "default create_users applied",
        "default/repeatable R__many applied",
        "default/repeatable R__seed applied",
        "default/repeatable R__zz_adults applied",
    ];
    assert_eq!(rows(&db).await, recorded);
    assert_eq!(applied(&db, first).await, []);

    let changed = migrations(&[USERS, NO_USERS, TAGS, NO_TAGS, OLDER_ADULTS, MANY, SEED]);
    let (migrator, mut database) = (Migrator::new(changed), db.open().await);
    let drift = migrator.drift(&mut database).await.unwrap();
    assert!(matches!(&drift[..], [Drift::Changed { .. }, Drift::Changed { .. }]), "{drift:?}");
    let status = migrator.status(&mut database).await.unwrap();
    let states: Vec<_> = status.repeatables.iter().map(|script| (script.id.as_str(), script.state)).collect();
    let expected = [
        ("R__seed", RepeatableState::Current),
        ("R__zz_adults", RepeatableState::Changed),
        ("R__many", RepeatableState::Changed),
    ];
    assert_eq!(states, expected);
    assert!(!status.is_up_to_date());
    let Readiness::Behind { missing, .. } = wait::readiness(&migrator, &mut database).await.unwrap() else { panic!() };
    assert_eq!(missing, ["0002_create_tags", "R__zz_adults", "R__many"]);
    let some = migrator.plan(&mut database, UpTo::Steps(0)).await.unwrap();
    assert!(some.is_empty(), "a migration is missing: {some:?}");
    let plan = migrator.plan(&mut database, UpTo::Latest).await.unwrap();
    assert!(plan.tolerated.is_empty(), "{plan:?}");
    let again =
        [("0002_create_tags", Action::Apply), ("R__zz_adults", Action::ApplyAgain), ("R__many", Action::ApplyAgain)];
    assert_eq!(plan.steps.iter().map(|step| (step.id.as_str(), step.action)).collect::<Vec<_>>(), again);
    assert_eq!(applied(&db, changed).await, done(&again));
    assert_eq!(db.texts("SELECT CAST(number AS TEXT) FROM many").await, ["0"]);
    assert_eq!(rows(&db).await.len(), 5);
    assert!(migrator.status(&mut database).await.unwrap().is_up_to_date());
    assert_eq!(applied(&db, changed).await, []);
    let log = migrator.log(&mut database, 100).await.unwrap();
    let log: Vec<_> =
        log.iter().map(|entry| (entry.name.as_str(), entry.event.as_str(), entry.elapsed.is_some())).collect();
    assert_eq!(
        log,
        [
            ("create_users", "applied", true),
            ("R__seed", "applied", true),
            ("R__zz_adults", "applied", false),
            ("R__many", "applied", false),
            ("create_tags", "applied", true),
            ("R__zz_adults", "applied", true),
            ("R__many", "applied", true),
        ]
    );
}

async fn one_that_fails_leaves_the_migrations_before_it(db: Db) {
    let broken = (
        "R__zz_adults.sql",
        "DROP VIEW IF EXISTS adults;\nCREATE VIEW adults AS SELECT id FROM nowhere;\nSELECT * FROM adults;\n",
    );
    let error = Migrator::new(migrations(&[USERS, broken, SEED])).apply(&mut db.open().await).await.unwrap_err();
    let report = format!("{error:?}");
    assert!(report.contains("R__zz_adults") && report.contains("migrations/R__zz_adults.sql:"), "{report}");
    assert!(report.contains("correct migrations/R__zz_adults.sql, build again, then run again"), "{report}");
    assert!(!report.contains("amend"), "{report}");
    assert_eq!(rows(&db).await, ["default create_users applied", "default/repeatable R__seed applied"]);
    // It runs once it is right, and a failure afterwards keeps what was there.
    db.apply(migrations(&[USERS, ADULTS, SEED])).await;
    let broken = migrations(&[USERS, broken, SEED]);
    Migrator::new(broken).apply(&mut db.open().await).await.unwrap_err();
    assert_eq!(db.texts("SELECT CAST(id AS TEXT) FROM adults").await, ["1"]);
    let status = Migrator::new(broken).status(&mut db.open().await).await.unwrap();
    assert_eq!(status.pending_repeatables().map(|script| script.id.as_str()).collect::<Vec<_>>(), ["R__zz_adults"]);
}

async fn in_one_transaction_nothing_is_left(db: Db) {
    let broken = ("R__zz_broken.sql", "INSERT INTO nowhere VALUES (1);\n");
    let migrator = |files: &[(&str, &str)]| Migrator::new(migrations(files)).atomicity(Atomicity::WholeRun);
    let files = [USERS, ADULTS, SEED, broken];
    migrator(&files).apply(&mut db.open().await).await.unwrap_err();
    assert!(db.objects().await.is_empty());
    let report = migrator(&files[..3]).apply(&mut db.open().await).await.unwrap();
    assert_eq!(report.steps.len(), 3);
    let changed = migrator(&[USERS, OLDER_ADULTS, SEED]);
    assert_eq!(changed.apply(&mut db.open().await).await.unwrap().steps[0].action, Action::ApplyAgain);
    assert_eq!(db.texts("SELECT CAST(id AS TEXT) FROM adults").await, [""; 0]);
}

async fn one_that_is_gone_is_reported_and_forgotten(db: Db) {
    db.apply(migrations(&[USERS, ADULTS, SEED])).await;
    let (set, mut database) = (migrations(&[USERS, SEED]), db.open().await);
    let migrator = Migrator::new(set);
    let report = migrator.apply(&mut database).await.unwrap();
    let [Drift::Gone { id }] = &report.tolerated[..] else { panic!("{report:?}") };
    assert_eq!(id, "R__zz_adults");
    assert!(matches!(wait::readiness(&migrator, &mut database).await.unwrap(), Readiness::Ready));
    assert_eq!(rows(&db).await.len(), 3, "nothing is dropped");
    let script = Version::of_name("R__zz_adults");
    migrator.repair(&mut database, Repair::Forget(script)).await.unwrap();
    assert!(migrator.apply(&mut database).await.unwrap().tolerated.is_empty());
    // What is forgotten runs again, as if it were new.
    migrator.repair(&mut database, Repair::Forget(Version::of_name("R__seed"))).await.unwrap();
    assert!(matches!(wait::readiness(&migrator, &mut database).await.unwrap(), Readiness::Behind { .. }));
    assert_eq!(applied(&db, set).await, done(&[("R__seed", Action::Apply)]));
    // What was done by hand is recorded.
    let (changed, edited) =
        (migrations(&[USERS, (SEED.0, "SELECT 1;\n")]), Repair::MarkApplied(Version::of_name("R__seed")));
    Migrator::new(changed).repair(&mut database, edited).await.unwrap();
    assert_eq!(applied(&db, changed).await, []);
}

async fn down_and_redo_leave_them_alone(db: Db) {
    let set = migrations(&[USERS, NO_USERS, TAGS, NO_TAGS, ADULTS]);
    db.apply(set).await;
    let (migrator, mut database) = (Migrator::new(set), db.open().await);
    let redone = migrator.redo(&mut database, 1).await.unwrap();
    assert_eq!(redone.steps.iter().map(|step| &*step.id).collect::<Vec<_>>(), ["0002_create_tags", "0002_create_tags"]);
    migrator.revert(&mut database, DownTo::Steps(1)).await.unwrap();
    assert_eq!(rows(&db).await, ["default create_users applied", "default/repeatable R__zz_adults applied"]);
    // A view of the table is in the way, which the database says; SQLite does not mind.
    let reverted = migrator.revert(&mut database, DownTo::Empty).await;
    match reverted {
        Ok(_) => assert!(db.is_sqlite()),
        Err(error) => assert!(format!("{error:?}").contains("adults"), "{error:?}"),
    }
}

async fn an_old_build_leaves_those_of_a_newer_one_alone(db: Db) {
    db.apply(migrations(&[USERS, TAGS, OLDER_ADULTS, SEED])).await;
    let old = migrations(&[USERS, ADULTS]);
    let report = db.apply(old).await;
    assert!(report.is_empty() && matches!(&report.tolerated[..], [Drift::Ahead { .. }]), "{report:?}");
    assert!(matches!(wait::readiness(&Migrator::new(old), &mut db.open().await).await.unwrap(), Readiness::Ready));
}

async fn two_runners_run_each_once(db: Db) {
    db.apply(migrations(&[USERS, ADULTS, MANY])).await;
    let set = migrations(&[USERS, TAGS, OLDER_ADULTS, MANY, SEED]);
    let (mut one, mut other) = (db.open().await, db.open().await);
    let (migrator, another) = (Migrator::new(set), Migrator::new(set));
    let (one, other) = tokio::join!(migrator.apply(&mut one), another.apply(&mut other));
    let mut ids: Vec<String> =
        [one.unwrap(), other.unwrap()].iter().flat_map(|report| &report.steps).map(|step| step.id.clone()).collect();
    ids.sort();
    assert_eq!(ids, ["0002_create_tags", "R__many", "R__seed", "R__zz_adults"]);
}

async fn many_of_them_beside_many_migrations(db: Db) {
    let set = |changed: usize| {
        let tables = (1..=40).map(|n| (format!("{n:04}_t.sql"), format!("CREATE TABLE t{n} (id INTEGER);\n")));
        let views = (1..=40).map(|n| {
            let id = if n <= changed { "id + 1" } else { "id" };
            let view = format!("DROP VIEW IF EXISTS v{n};\nCREATE VIEW v{n} AS SELECT {id} AS id FROM t{n};\n");
            (format!("R__v{n:02}.sql"), view)
        });
        let files: Vec<(String, String)> = tables.chain(views).collect();
        migrations(&files.iter().map(|(name, text)| (&**name, &**text)).collect::<Vec<_>>())
    };
    let first = set(0);
    assert_eq!(db.apply(first).await.steps.len(), 80);
    assert!(db.apply(first).await.is_empty());
    assert_eq!(db.apply(set(17)).await.steps.len(), 17);
    assert!(db.apply(set(17)).await.is_empty());
    assert_eq!(rows(&db).await.len(), 80);
    assert_eq!(db.log().await.len(), 97);
}

async fn profiles_choose_what_runs(db: Db) {
    let seed = ("0002_seed.sql", "-- lockgate: profile testnet\nINSERT INTO users VALUES (7, 7);\n");
    let demo =
        ("R__demo.sql", "-- lockgate: profile demo\n-- lockgate: profile testnet\nDELETE FROM users WHERE id = 9;\n");
    let set = migrations(&[USERS, seed, ("0003_tags.sql", TAGS.1), demo]);
    assert_eq!(applied(&db, set).await, done(&[("0001_create_users", Action::Apply), ("0003_tags", Action::Apply)]));
    let mut database = db.open().await;
    let plain = Migrator::new(set);
    let status = plain.status(&mut database).await.unwrap();
    assert!(status.is_up_to_date() && status.entries[1].skipped, "{status:?}");
    assert_eq!(status.repeatables[0].state, RepeatableState::Skipped);
    assert!(plain.apply(&mut database).await.unwrap().is_empty());

    let testnet = Migrator::new(set).profile("testnet");
    let error = testnet.apply(&mut database).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(format!("{error:?}").contains("`0002_seed` is pending, but the newer `0003_tags` is applied"), "{error:?}");
    assert!(matches!(wait::readiness(&testnet, &mut database).await.unwrap(), Readiness::Behind { .. }));
    let late = testnet.clone().out_of_order(OutOfOrder::Allow);
    let report = late.apply(&mut database).await.unwrap();
    assert_eq!(report.steps.iter().map(|step| &*step.id).collect::<Vec<_>>(), ["0002_seed", "R__demo"]);
    for migrator in [&plain, &testnet, &plain.clone().profile("demo").profile("testnet")] {
        assert!(migrator.apply(&mut database).await.unwrap().is_empty());
        assert!(migrator.status(&mut database).await.unwrap().is_up_to_date());
    }

    let unknown = Migrator::new(set).profile("testnett").apply(&mut database).await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Usage);
    let said = format!("{unknown:?}");
    assert!(said.contains("no file in migrations names the profile `testnett`"), "{said}");
    assert!(said.contains("the profiles are `demo`, `testnet`"), "{said}");
}

async fn a_program_that_lost_its_last_one_reports_it(db: Db) {
    db.apply(migrations(&[USERS, ADULTS])).await;
    let (migrator, mut database) = (Migrator::new(migrations(&[USERS])), db.open().await);
    let report = migrator.apply(&mut database).await.unwrap();
    assert!(report.is_empty() && matches!(&report.tolerated[..], [Drift::Gone { .. }]), "{report:?}");
    let status = migrator.status(&mut database).await.unwrap();
    assert_eq!((status.repeatables[0].state, status.is_up_to_date()), (RepeatableState::Gone, true));
    let drift = migrator.drift(&mut database).await.unwrap();
    assert!(matches!(&drift[..], [Drift::Gone { id }] if id == "R__zz_adults"), "{drift:?}");
    let log = migrator.log(&mut database, 100).await.unwrap();
    assert!(log.iter().any(|entry| entry.name == "R__zz_adults"), "{log:?}");
    migrator.repair(&mut database, Repair::Forget(Version::of_name("R__zz_adults"))).await.unwrap();
    assert_eq!(migrator.drift(&mut database).await.unwrap(), []);
    assert_eq!(rows(&db).await, ["default create_users applied"]);
}
