//! Folders with three trees: an empty database is made from `create/`, and manual scripts run once, by hand.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use lockgate::{Atomicity, Drift, ErrorKind, ManualState, Migrator, Reason, UpTo, Version};

use crate::support::app::{Answer, answer, built};
use crate::support::database::{Db, backends};
use crate::support::scratch::Scratch;
use crate::support::set::migrations;
use crate::support::tree::root;

backends! {
    an_empty_database_is_made_from_the_desired_schema,
    every_failing_file_is_listed_and_the_next_run_goes_on,
    one_transaction_leaves_nothing_after_a_failure,
    a_database_with_something_in_it_is_refused,
    a_file_that_has_run_may_not_change_before_the_database_is_complete,
    a_tree_without_migrations_makes_a_database_too,
    a_manual_script_runs_once_and_by_hand_alone,
    a_manual_script_that_stopped_half_way_is_resumed,
}

const POLICY: (&str, &str) = ("migrations.toml", "layout = \"trees\"\n");
const USERS: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);\n";
const LOANS: &str = "CREATE TABLE loans (id INTEGER PRIMARY KEY, reader INTEGER REFERENCES users);\n";
const READERS: &str = "CREATE VIEW readers AS SELECT DISTINCT reader FROM loans;\n";
const DEPLOYMENTS: [(&str, &str); 3] = [
    ("deployment/00000-users.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY);\n"),
    ("deployment/00001-names.sql", "ALTER TABLE users ADD COLUMN name TEXT;\n"),
    (
        "deployment/00002-loans.sql",
        "CREATE TABLE loans (id INTEGER PRIMARY KEY, reader INTEGER REFERENCES users);\nCREATE VIEW readers AS SELECT DISTINCT reader FROM loans;\n",
    ),
];

fn of_create(create: &[(&str, &str)]) -> &'static lockgate::Migrations {
    migrations(&[&[POLICY], create, &DEPLOYMENTS].concat())
}

fn good() -> &'static lockgate::Migrations {
    of_create(&[
        ("create/1-tables/order.json", "[\"users.sql\", \"loans.sql\"]"),
        ("create/1-tables/users.sql", USERS),
        ("create/1-tables/loans.sql", LOANS),
        ("create/2-views/readers.sql", READERS),
    ])
}

async fn an_empty_database_is_made_from_the_desired_schema(db: Db) {
    let migrator = Migrator::new(good());
    let mut database = db.open().await;
    let plan = migrator.plan_create(&mut database).await.unwrap();
    let ids: Vec<&str> = plan.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["create/1-tables/users", "create/1-tables/loans", "create/2-views/readers"]);
    let report = migrator.create(&mut database).await.unwrap();
    assert_eq!(db.objects().await, ["loans", "readers", "users"]);
    let shown = report.to_string();
    assert!(shown.starts_with("ran 3 files of `create/` and recorded 3 migrations in "), "{shown}");

    // Nothing is left to do, and nothing is made twice.
    assert!(migrator.apply(&mut database).await.unwrap().is_empty());
    assert!(migrator.status(&mut database).await.unwrap().is_up_to_date());
    let error = migrator.create(&mut database).await.unwrap_err();
    assert!(matches!(error.reasons(), [Reason::AlreadyCreated { newest }] if newest == "00002-loans"), "{error:?}");
    assert_eq!(db.history().await, ["0:applied", "1:applied", "2:applied"]);
    assert_eq!(
        db.log().await,
        [
            "1:applied",
            "2:applied",
            "3:applied",
            "0:baselined",
            "1:baselined",
            "2:baselined",
            "3:forgotten",
            "2:forgotten",
            "1:forgotten"
        ]
    );
}

async fn every_failing_file_is_listed_and_the_next_run_goes_on(db: Db) {
    let broken = Migrator::new(of_create(&[
        (
            "create/1-tables/a_users.sql",
            "\n-- the users\nCREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, FOREIGN KEY (nothing) REFERENCES users);\n",
        ),
        ("create/1-tables/b_other.sql", "CREATE TABLE other (id INTEGER PRIMARY KEY);\n"),
        ("create/2-views/a_names.sql", "CREATE TABLE copy AS\n  SELECT name FROM users;\n"),
        ("create/2-views/b_others.sql", "CREATE VIEW others AS SELECT id FROM other;\n"),
        ("create/2-views/c_missing.sql", "INSERT INTO nowhere VALUES (1);\n"),
        ("manual-deployment/00001-a.sql", "INSERT INTO other VALUES (1);\n"),
    ]));
    let mut database = db.open().await;
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let watched = broken.clone().on_event(move |event| heard.lock().unwrap().push(format!("{event:?}")));
    let error = watched.create(&mut database).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    let said: Vec<String> =
        events.lock().unwrap().iter().filter(|event| event.starts_with("Planned")).cloned().collect();
    assert_eq!(said, ["Planned { steps: 5 }"], "it says once how many files there are");
    let shown = format!("{error:?}");
    for said in [
        "error[failed]: 3 of 5 files of `create/` failed\n --> migrations/create/1-tables/a_users.sql:3:",
        "migrations/create/2-views/a_names.sql:",
        "migrations/create/2-views/c_missing.sql:1:",
        "2 of 5 files have run and are committed; no migration is recorded",
        "the first failure may explain those after it",
    ] {
        assert!(shown.contains(said), "{said}\n{shown}");
    }
    assert_eq!(db.objects().await, ["other", "others"]);
    // No migration may run on half a schema.
    for error in
        [broken.apply(&mut database).await.unwrap_err(), broken.plan(&mut database, UpTo::Latest).await.unwrap_err()]
    {
        assert!(matches!(error.reasons(), [Reason::UnfinishedCreate { files: 2 }]), "{error:?}");
        assert!(format!("{error:?}").contains("`Migrator::create` goes on where it stopped"), "{error:?}");
    }
    let baseline = broken.baseline(&mut database, Version::new(1).unwrap()).await.unwrap_err();
    assert!(baseline.to_string().starts_with("`baseline` refuses"), "{baseline}");
    let manual = broken.run_manual(&mut database, Version::new(1).unwrap()).await.unwrap_err();
    assert!(matches!(manual.reasons(), [Reason::UnfinishedCreate { files: 2 }]), "{manual:?}");
    assert!(broken.plan_manual(&mut database, Version::new(1).unwrap()).await.is_err());

    let corrected = Migrator::new(of_create(&[
        ("create/1-tables/a_users.sql", USERS),
        ("create/1-tables/b_other.sql", "CREATE TABLE other (id INTEGER PRIMARY KEY);\n"),
        ("create/2-views/a_names.sql", "CREATE TABLE copy AS\n  SELECT name FROM users;\n"),
        ("create/2-views/b_others.sql", "CREATE VIEW others AS SELECT id FROM other;\n"),
        ("create/2-views/c_missing.sql", "INSERT INTO users VALUES (1, 'Ada');\n"),
    ]));
    let report = corrected.create(&mut database).await.unwrap();
    let ids: Vec<&str> = report.steps.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids[..3], ["create/1-tables/a_users", "create/2-views/a_names", "create/2-views/c_missing"]);
    assert!(corrected.apply(&mut database).await.unwrap().is_empty());
}

async fn one_transaction_leaves_nothing_after_a_failure(db: Db) {
    let files = [
        ("create/1-tables/users.sql", USERS),
        ("create/2-rows/a.sql", "INSERT INTO nowhere VALUES (1);\n"),
        ("create/2-rows/b.sql", "INSERT INTO nowhere VALUES (2);\n"),
    ];
    let mut database = db.open().await;
    let migrator = Migrator::new(of_create(&files)).atomicity(Atomicity::WholeRun);
    let error = migrator.create(&mut database).await.unwrap_err();
    let shown = format!("{error:?}");
    assert!(shown.contains("`create/2-rows/a` failed at statement 1 of 1"), "{shown}");
    assert_eq!(db.objects().await, [""; 0]);
    let migrator = Migrator::new(good()).atomicity(Atomicity::WholeRun);
    migrator.create(&mut database).await.unwrap();
    assert!(migrator.apply(&mut database).await.unwrap().is_empty());
}

async fn a_database_with_something_in_it_is_refused(db: Db) {
    db.execute("CREATE TABLE members (id INTEGER PRIMARY KEY)").await;
    let mut database = db.open().await;
    let migrator = Migrator::new(good());
    for error in
        [migrator.create(&mut database).await.unwrap_err(), migrator.plan_create(&mut database).await.unwrap_err()]
    {
        assert!(matches!(error.reasons(), [Reason::NotEmpty { .. }]), "{error:?}");
        let shown = format!("{error:?}");
        assert!(shown.contains("the database is not empty: it has the table ") && shown.contains("members"), "{shown}");
    }
    assert_eq!(db.objects().await, ["members"]);
    // If it belongs to something else, it is not in the way.
    migrator.allow_other_tools().create(&mut database).await.unwrap();
    assert_eq!(db.objects().await, ["loans", "members", "readers", "users"]);
}

async fn a_file_that_has_run_may_not_change_before_the_database_is_complete(db: Db) {
    let files =
        |users| [("create/1-tables/users.sql", users), ("create/2-rows/a.sql", "INSERT INTO nowhere VALUES (1);\n")];
    let mut database = db.open().await;
    Migrator::new(of_create(&files(USERS))).create(&mut database).await.unwrap_err();
    let edited = "CREATE TABLE users (id INTEGER PRIMARY KEY);\n";
    let error = Migrator::new(of_create(&files(edited))).create(&mut database).await.unwrap_err();
    assert!(
        matches!(error.reasons(), [Reason::CreateChanged { files }] if files == &["create/1-tables/users"]),
        "{error:?}"
    );
    let moved = [("create/1-tables/a.sql", USERS), ("create/1-tables/users.sql", USERS)];
    let error = Migrator::new(of_create(&moved)).create(&mut database).await.unwrap_err();
    assert!(matches!(error.reasons(), [Reason::CreateChanged { .. }]), "{error:?}");
}

async fn a_tree_without_migrations_makes_a_database_too(db: Db) {
    let users = [POLICY, ("create/1-tables/users.sql", USERS)];
    let mut database = db.open().await;
    Migrator::new(migrations(&users)).create(&mut database).await.unwrap();
    let later = [&users[..], &[("deployment/00000-more.sql", "ALTER TABLE users ADD COLUMN email TEXT;\n")]].concat();
    let report = Migrator::new(migrations(&later)).apply(&mut database).await.unwrap();
    assert_eq!(report.steps[0].id, "00000-more");
}

async fn a_manual_script_runs_once_and_by_hand_alone(db: Db) {
    let with = |text| {
        let manual = [
            ("manual-deployment/00003-fix.sql", "UPDATE users SET name = 'x' WHERE id = 1;\n"),
            ("manual-deployment/00007-seed.sql", text),
        ];
        Migrator::new(migrations(&[&[POLICY], &DEPLOYMENTS[..], &manual].concat()))
    };
    let migrator = with("INSERT INTO users VALUES (1, 'Ada');\n");
    let number = |number| Version::new(number).unwrap();
    let mut database = db.open().await;
    migrator.apply(&mut database).await.unwrap();
    assert_eq!(db.texts("SELECT name FROM users").await, [""; 0]);
    let states = migrator.manual_scripts(&mut database).await.unwrap();
    let shown: Vec<(&str, ManualState)> = states.iter().map(|script| (script.id.as_str(), script.state)).collect();
    assert_eq!(shown, [("00003-fix", ManualState::Pending), ("00007-seed", ManualState::Pending)]);

    let report = migrator.run_manual(&mut database, number(7)).await.unwrap();
    assert_eq!(report.steps[0].id, "00007-seed");
    assert!(migrator.run_manual(&mut database, number(7)).await.unwrap().is_empty());
    migrator.run_manual(&mut database, number(3)).await.unwrap();
    assert_eq!(db.texts("SELECT name FROM users").await, ["x"]);
    assert!(migrator.status(&mut database).await.unwrap().is_up_to_date());

    let error = migrator.run_manual(&mut database, number(4)).await.unwrap_err();
    assert!(
        format!("{error:?}")
            .contains("there is no manual script with the number 4\n    help: there is 00003-fix, 00007-seed"),
        "{error:?}"
    );
    let edited = with("INSERT INTO users VALUES (2, 'Bob');\n");
    let error = edited.run_manual(&mut database, number(7)).await.unwrap_err();
    assert!(
        matches!(error.reasons(), [Reason::Drift(Drift::ManualEdited { id, .. })] if id == "00007-seed"),
        "{error:?}"
    );
    let states = edited.manual_scripts(&mut database).await.unwrap();
    assert_eq!((states[1].state, states[0].state), (ManualState::Edited, ManualState::Run));
    assert_eq!(edited.drift(&mut database).await.unwrap().len(), 1);
    assert!(edited.apply(&mut database).await.unwrap().is_empty());
    // A script whose file is gone is still listed.
    let gone = Migrator::new(migrations(
        &[
            &[POLICY],
            &DEPLOYMENTS[..],
            &[("manual-deployment/00003-fix.sql", "UPDATE users SET name = 'x' WHERE id = 1;\n")],
        ]
        .concat(),
    ));
    let states = gone.manual_scripts(&mut database).await.unwrap();
    assert_eq!((states[1].id.as_str(), states[1].state), ("7_seed", ManualState::Unknown));
}

async fn a_manual_script_that_stopped_half_way_is_resumed(db: Db) {
    let with = |last| {
        let text = format!("-- lockgate: no-transaction\nINSERT INTO users VALUES (1, 'Ada');\n{last}\n");
        Migrator::new(migrations(&[&[POLICY], &DEPLOYMENTS[..], &[("manual-deployment/00001-a.sql", &*text)]].concat()))
    };
    let (broken, number) = (with("INSERT INTO nowhere VALUES (1);"), Version::new(1).unwrap());
    let mut database = db.open().await;
    broken.apply(&mut database).await.unwrap();
    broken.run_manual(&mut database, number).await.unwrap_err();
    assert_eq!(broken.manual_scripts(&mut database).await.unwrap()[0].state, ManualState::Partial);
    with("INSERT INTO users VALUES (2, 'Bob');").run_manual(&mut database, number).await.unwrap();
    assert_eq!(db.texts("SELECT name FROM users ORDER BY id").await, ["Ada", "Bob"]);
}

/// Runs the example on a database file in this folder.
fn trees(place: &Path, arguments: &[&str]) -> Answer {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    let mut command = Command::new(PROGRAM.get_or_init(|| built("trees")));
    command.args(arguments).current_dir(place).stdin(Stdio::null());
    command.env("DATABASE_URL", format!("sqlite://{}?mode=rwc", place.join("library.db").display()));
    command.env_remove("LOCKGATE_STAGE").env_remove("CLICOLOR_FORCE");
    answer(command.output().unwrap())
}

/// A line of a terminal session without what differs from run to run: times, and who ran it.
fn without_times(line: &str) -> String {
    let line = [" in ", " was run on ", " ("].iter().fold(line, |line, end| line.split(end).next().unwrap_or_default());
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The guide's sessions, typed word by word.
#[test]
fn the_guide_shows_what_the_program_says() {
    let guide = std::fs::read_to_string(root().join("guide/trees.md")).unwrap();
    let place = tempfile::tempdir().unwrap();
    let sessions: Vec<&str> =
        guide.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let mut typed = 0;
    for session in sessions.into_iter().filter(|session| session.starts_with("$ trees ")) {
        for part in session.trim_start_matches("$ ").split("\n$ ") {
            let (line, shown) = part.split_once('\n').unwrap_or((part, ""));
            let words: Vec<&str> = line.split(' ').skip(1).collect();
            let said = trees(place.path(), &words);
            assert_eq!(said.code, Some(0), "{line}: {said:#?}");
            let said: Vec<String> = said
                .err
                .lines()
                .chain(said.out.lines())
                .filter(|line| !line.starts_with("note: "))
                .map(without_times)
                .collect();
            let expected: Vec<String> = shown.lines().map(without_times).collect();
            assert_eq!(said, expected, "{line}");
            typed += 1;
        }
    }
    assert!(typed >= 5, "only {typed} commands were found");

    // What the chapter says besides.
    let twice = trees(place.path(), &["up", "--from", "create"]);
    assert_eq!(twice.code, Some(3), "{twice:#?}");
    assert!(twice.err.contains("so the database is made already"), "{twice:#?}");
    let again = trees(place.path(), &["manual", "run", "00000-forget_returned_loans", "--exit-code"]);
    assert_eq!(again.code, Some(10), "{again:#?}");
    let json = trees(place.path(), &["manual", "--format", "json"]).out;
    let json: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!(json["manual"][0]["state"], "run");
    let history = trees(place.path(), &["history"]).out;
    for id in ["create/2-views/open_loans", "00002-email", "00000-forget_returned_loans"] {
        assert!(history.contains(id), "{id}\n{history}");
    }
    let wrong = trees(place.path(), &["manual", "run", "7"]);
    assert_eq!(wrong.code, Some(3), "{wrong:#?}");
    let other = trees(place.path(), &["up", "--from", "creat"]);
    assert_eq!(other.code, Some(2), "{other:#?}");
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("library.db"), "").unwrap();
    let plan = trees(elsewhere.path(), &["up", "--from", "create", "--dry-run"]);
    assert!(plan.out.contains("CREATE TABLE members"), "{plan:#?}");
    // A stage that is protected has frozen migrations alone.
    trees(elsewhere.path(), &["mark-stage", "production"]);
    let drafts = trees(elsewhere.path(), &["up", "--from", "create"]);
    assert!(drafts.err.contains("is a draft") || drafts.code == Some(0), "{drafts:#?}");
}

/// The developers' commands in a folder with trees.
#[test]
fn a_developer_keeps_both_trees_alike() {
    let scratch = Scratch::new();
    for (path, text) in [
        ("migrations.toml", "layout = \"trees\"\ndialects = [\"sqlite\"]\n"),
        ("create/1-tables/users.sql", USERS),
        ("deployment/00000-users.sql", USERS),
    ] {
        scratch.write(&format!("app/migrations/{path}"), text);
    }
    let alike = scratch.run(&["check"]).succeeds();
    assert!(alike.contains("; `create/` and `deployment/` are alike on SQLite"), "{alike}");

    let new = scratch.run(&["new-migration", "add email"]).succeeds();
    for said in [
        "app/migrations/deployment/00001-add_email.up.sql",
        "app/migrations/migrations.lock",
        "and write into `app/migrations/create/` what the schema is afterwards: `check` compares the two",
    ] {
        assert!(new.contains(said), "{said}\n{new}");
    }
    scratch.write("app/migrations/deployment/00001-add_email.up.sql", "ALTER TABLE users ADD COLUMN email TEXT;\n");
    scratch.write("app/migrations/deployment/00001-add_email.down.sql", "ALTER TABLE users DROP COLUMN email;\n");
    scratch.write("app/migrations/create/2-more/tags.sql", "CREATE TABLE tags (id INTEGER PRIMARY KEY);\n");
    let unlike = scratch.run(&["check"]).fails(1);
    for said in [
        "error[trees-differ]: on SQLite: table users: column email is only in `deployment/` (real)\n--> app/migrations/create",
        "error[trees-differ]: on SQLite: table tags is only in `create/` (real)",
        "help: if the deployment is right, write the same into `create/`",
    ] {
        assert!(unlike.contains(said), "{said}\n{unlike}");
    }
    scratch.write("app/migrations/create/2-more/tags.sql", "ALTER TABLE users ADD COLUMN email TEXT;\n");
    scratch.run(&["check"]).succeeds();
    scratch.write("app/migrations/create/2-more/tags.sql", "ALTER TABLE usrs ADD COLUMN email TEXT;\n");
    let broken = scratch.run(&["check"]).fails(1);
    assert!(broken.contains("`create/` fails on SQLite: error[failed]: 1 of 2 files of `create/` failed"), "{broken}");
    assert!(broken.contains("app/migrations/create/2-more/tags.sql:1:"), "{broken}");
    scratch.write("app/migrations/create/2-more/tags.sql", "ALTER TABLE users ADD COLUMN email TEXT;\n");

    // Manual scripts are numbered and frozen by themselves.
    let manual = scratch.run(&["new-migration", "--manual", "fix emails"]).succeeds();
    assert!(manual.contains("app/migrations/manual-deployment/00000-fix_emails.sql"), "{manual}");
    assert!(manual.contains("now write the script; `manual run 00000` of the program runs it once"), "{manual}");
    let script = "app/migrations/manual-deployment/00000-fix_emails.sql";
    scratch.write(script, "UPDATE users SET email = lower(email);\n");
    let frozen = scratch.run(&["freeze"]).succeeds();
    assert!(frozen.contains("app/migrations/manual-deployment/migrations.lock written: commit it"), "{frozen}");
    scratch.run(&["freeze", "--check"]).succeeds();
    scratch.write(script, "UPDATE users SET email = upper(email);\n");
    let edited = scratch.run(&["check"]).fails(1);
    let amend = "cargo xtask amend manual-deployment/00000-fix_emails.sql --reason \"why\"";
    assert!(edited.contains("error[edited]") && edited.contains(amend), "{edited}");
    scratch.run(&["amend", "manual-deployment/00000-fix_emails.sql", "--reason", "upper case"]).succeeds();
    scratch.run(&["check"]).succeeds();
}

/// 15 tables, 21 indexes and 53 functions, of which one typo breaks 28 files, and a wrong name in a list.
#[tokio::test]
async fn every_defect_of_a_large_tree_is_named() {
    let Some(db) = Db::postgres() else { return };
    let mut files: Vec<(String, String)> = Vec::new();
    let mut order = Vec::new();
    for table in 0..15 {
        let column = if table == 3 { "amuont" } else { "amount" };
        order.push(format!("\"tbl-{table:02}.sql\""));
        files.push((format!("create/1-tables/tbl-{table:02}.sql"), format!("-- table {table}\nCREATE TABLE tbl_{table:02} (\n  id INTEGER PRIMARY KEY,\n  {column} INTEGER NOT NULL\n);\n")));
    }
    for index in 0..21 {
        // Eight of them are on the table with the typo.
        let table = if index < 8 { 3 } else { index % 3 };
        files.push((
            format!("create/2-indexes/idx-{index:02}.sql"),
            format!("CREATE INDEX idx_{index:02}\n  ON tbl_{table:02} (amount, id);\n"),
        ));
    }
    for function in 0..53 {
        // Twenty read the column with the typo.
        let table = if function < 20 { 3 } else { 4 + function % 11 };
        files.push((format!("create/3-functions/fn-{function:02}.sql"), format!("CREATE FUNCTION fn_{function:02}() RETURNS bigint LANGUAGE sql AS $$\n  SELECT sum(amount) FROM tbl_{table:02}\n$$;\n")));
    }
    let list = |order: &[String]| format!("[\n  {}\n]\n", order.join(",\n  "));
    let set = |files: &[(String, String)], list: &str| {
        let all = files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        let policy = [
            ("migrations.toml", "layout = \"trees\"\ndialects = [\"postgres\"]\n"),
            ("create/1-tables/order.json", list),
        ];
        all.chain(policy).map(|(path, text)| (path.to_owned(), text.to_owned())).collect::<Vec<_>>()
    };

    // While compiling: the wrong name is the only error.
    let mut wrong = order.clone();
    wrong[7] = "\"tbl-7.sql\"".to_owned();
    let all = set(&files, &list(&wrong));
    let place = tempfile::tempdir().unwrap();
    for (path, text) in &all {
        let path = place.path().join("migrations").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let loaded = lockgate_source::folder::load(&place.path().join("migrations"), "migrations");
    let problems: Vec<String> =
        loaded.diagnostics.iter().map(|one| format!("{} {}", one.place(), one.message)).collect();
    assert_eq!(problems, ["migrations/create/1-tables/order.json:9:3 there is no file `tbl-7.sql`"]);

    // In one run: each of the 28 files that the typo breaks.
    let all = set(&files, &list(&order));
    let borrowed =
        |all: &[(String, String)]| all.iter().map(|(path, text)| (path.clone(), text.clone())).collect::<Vec<_>>();
    let of = |all: Vec<(String, String)>| {
        let all: Vec<(&str, &str)> = all.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        Migrator::new(migrations(&all))
    };
    let mut database = db.open().await;
    let error = of(borrowed(&all)).create(&mut database).await.unwrap_err();
    let shown = format!("{error:?}");
    assert!(
        shown.starts_with(
            "error[failed]: 28 of 89 files of `create/` failed\n --> migrations/create/2-indexes/idx-00.sql:"
        ),
        "{shown}"
    );
    for (folder, of, count) in [("2-indexes", "idx", 8), ("3-functions", "fn", 20)] {
        for number in 0..count {
            let place = format!("migrations/create/{folder}/{of}-{number:02}.sql:");
            assert!(shown.contains(&place), "{place}\n{shown}");
        }
    }
    assert_eq!(shown.matches("column \"amount\" does not exist").count(), 28, "{shown}");
    assert!(shown.contains("61 of 89 files have run and are committed; no migration is recorded"), "{shown}");
}
