//! Stages: a database has a marker, another stage is refused before anything runs, and a protected stage allows
//! nothing destructive without a logged reason.

use std::fs;

use lockgate::{Atomicity, DownTo, ErrorKind, Migrations, Migrator, Reason, Repair, Stage, UpTo};

use crate::support::app::{Answer, Place, answer, on_each};
use crate::support::database::{Db, backends};
use crate::support::set::migrations;

on_each! {
    another_stage_is_refused_before_anything_runs,
    a_protected_stage_gives_up_nothing_without_a_reason,
    the_marker_of_a_protected_stage_is_not_changed_without_a_reason,
    a_database_without_a_marker_is_as_before,
}

backends! {
    drafts_are_refused,
}

/// The command that the help says to type, word by word.
fn typed(help: &str, word: &str) -> Vec<String> {
    let quoted = help.split('`').skip(1).step_by(2).find(|part| part.starts_with(word));
    let quoted = quoted.unwrap_or_else(|| panic!("no `{word}` in: {help}"));
    quoted.replace('"', "").split(' ').map(str::to_owned).collect()
}

/// Whoever mistypes the name of a file must not think that the database is marked.
#[test]
fn a_file_that_does_not_exist_is_not_marked() {
    let place = Place::sqlite();
    let refused = place.app(&["mark-stage", "production"]);
    assert_eq!(refused.code, Some(4), "{refused:#?}");
    let says = format!("`{}` does not exist yet; `up` creates it", place.file().display());
    assert!(refused.err.contains(&says), "{refused:#?}");
    assert!(!place.file().exists());
    place.ok(&["up"]);
    place.ok(&["mark-stage", "production"]);
}

fn another_stage_is_refused_before_anything_runs(place: &Place) {
    // Not marked yet.
    let unmarked = place.app(&["up", "--stage", "production"]);
    assert_eq!(unmarked.code, Some(3), "{unmarked:#?}");
    assert!(
        unmarked.err.contains("the database is not marked with a stage, but production was asked for"),
        "{unmarked:#?}"
    );
    assert!(place.try_rows("SELECT 1 FROM lockgate_history").is_err(), "nothing ran");
    let mark = typed(&unmarked.err, "mark-stage");
    let mark: Vec<&str> = mark.iter().map(String::as_str).chain(["--stage", "production"]).collect();
    assert_eq!(place.ok(&mark), "the database is marked as production\n");
    assert_eq!(place.ok(&mark), "the database is already marked as production\n");

    let verbs: [&[&str]; 16] = [
        &["up"],
        &["up", "--dry-run"],
        &["plan"],
        &["status"],
        &["down", "1"],
        &["baseline", "3"],
        &["repair", "--accept-edited", "--reason", "why"],
        &["mark-stage", "test"],
        &["redo"],
        &["drift"],
        &["history"],
        &["ready"],
        &["wait", "--timeout", "30s"],
        &["doctor"],
        &["adopt"],
        &["adopt", "--undo"],
    ];
    for verb in verbs {
        for stage in ["dev", "development", "test", "staging"] {
            let refused = place.app(&[verb, &["--stage", stage, "--override-stage", "no excuse"]].concat());
            assert_eq!(refused.code, Some(3), "{verb:?}: {refused:#?}");
            assert!(refused.err.contains("the database is marked as production, but "), "{refused:#?}");
        }
        let variable = answer(place.command(verb).env("LOCKGATE_STAGE", "test").output().unwrap());
        assert_eq!(variable.code, Some(3), "{variable:#?}");
    }
    assert!(place.try_rows("SELECT 1 FROM lockgate_history").is_err(), "nothing ran");
    let wrong = place.app(&["up", "--stage", "prodution"]);
    assert_eq!(wrong.code, Some(2), "{wrong:#?}");
    assert!(wrong.err.contains("a stage is one of development, test, staging, production"), "{wrong:#?}");

    let help = place.app(&["up", "--stage", "test"]).err;
    let right = typed(&help, "--stage");
    let up: Vec<&str> = ["up", "--to", "11"].into_iter().chain(right.iter().map(String::as_str)).collect();
    place.ok(&up);
    // Nothing is pending up to there, but the wrong stage is refused anyway.
    assert_eq!(place.app(&["up", "--to", "11", "--stage", "test"]).code, Some(3));
    let draft = place.app(&["up"]);
    assert_eq!(draft.code, Some(3), "{draft:#?}");
    assert!(draft.err.contains("`0012_add_phone_to_members` is a draft"), "{draft:#?}");
    // Whoever looks before a run learns the same.
    let status = place.app(&["status"]);
    assert_eq!(status.code, Some(3), "{status:#?}");
    assert!(status.out.contains("\nstage: production\n"), "{status:#?}");
    assert!(status.out.contains("`0012_add_phone_to_members` is a draft"), "{status:#?}");
    assert!(status.out.contains("`up` refuses to run until this is fixed"), "{status:#?}");
    let doctor = place.app(&["doctor"]);
    assert_eq!(doctor.code, Some(3), "{doctor:#?}");
    let line = |answer: &Answer, start: &str| {
        answer.out.lines().any(|line| line.split_whitespace().collect::<Vec<_>>().join(" ").starts_with(start))
    };
    assert!(line(&doctor, "problem stage `0012_add_phone_to_members` is a draft"), "{doctor:#?}");
    let overridden = ["--override-stage", "it is a rehearsal"];
    assert_eq!(place.app(&[&["status"][..], &overridden].concat()).code, Some(0));
    let doctor = place.app(&[&["doctor"][..], &overridden].concat());
    assert!(line(&doctor, "ok stage the database is marked as production"), "{doctor:#?}");
    assert_eq!(doctor.code, Some(0), "{doctor:#?}");
}

fn a_protected_stage_gives_up_nothing_without_a_reason(place: &Place) {
    place.ok(&["up"]);
    for stage in ["staging", "production"] {
        place.ok(&["mark-stage", stage]);
        let before = (place.schema(), place.history());
        for verb in
            [&["down", "1"][..], &["down", "--dry-run", "1"], &["down", "--to", "5"], &["repair", "--forget", "12"]]
        {
            let refused = place.app(verb);
            assert_eq!(refused.code, Some(3), "{verb:?}: {refused:#?}");
            let says = format!("the database is marked as {stage}, where nothing is reverted, corrected or replaced");
            assert!(refused.err.contains(&says) && refused.err.contains("nothing was changed"), "{refused:#?}");
            assert_eq!(place.app(&[verb, &["--override-stage", " "]].concat()).code, Some(2));
        }
        // Nothing is destroyed by these.
        assert_eq!(place.ok(&["up"]), "nothing to do\n");
        place.ok(&["plan"]);
        assert_eq!((place.schema(), place.history()), before);
        assert_eq!(place.rows("SELECT detail FROM lockgate_log WHERE event = 'overridden'").len(), 0);

        if stage == "staging" {
            let demoted = place.app(&["mark-stage", "production"]);
            assert_eq!(demoted.code, Some(3), "{demoted:#?}");
            if place.is_sqlite() {
                place.try_rows("PRAGMA application_id = 0").unwrap();
            } else {
                let name = place.url().rsplit('/').next().unwrap().to_owned();
                place.try_rows(&format!("COMMENT ON DATABASE \"{name}\" IS NULL")).unwrap();
            }
        }
    }
    let refused = place.app(&["down", "1"]);
    let mut line = typed(&refused.err, "--override-stage");
    line.insert(0, "1".to_owned());
    line.insert(0, "down".to_owned());
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    place.ok(&line);
    assert_eq!(place.history().len(), 11);
    let logged = "SELECT event || ' ' || name || ': ' || detail FROM lockgate_log WHERE event = 'overridden'";
    assert_eq!(place.rows(logged), ["overridden add_phone_to_members: production: why"]);
    let who = place
        .rows("SELECT CAST(logged_by AS TEXT) || CAST(logged_at AS TEXT) FROM lockgate_log WHERE event = 'overridden'");
    assert!(who[0].len() > "2026-11-29".len(), "{who:?}");
    // The log records only runs that needed the override.
    place.ok(&["status", "--override-stage", "no need"]);
    place.ok(&["baseline", "12", "--override-stage", "no need"]);
    assert_eq!(place.rows(logged).len(), 1);
}

fn the_marker_of_a_protected_stage_is_not_changed_without_a_reason(place: &Place) {
    place.ok(&["up", "--steps", "1"]);
    place.ok(&["mark-stage", "test"]);
    place.ok(&["mark-stage", "prod"]);
    let refused = place.app(&["mark-stage", "development"]);
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    assert!(refused.err.contains("is marked as production, and would be marked as development"), "{refused:#?}");
    place.ok(&["mark-stage", "development", "--override-stage", "it was a copy"]);
    assert!(place.ok(&["status"]).contains("\nstage: development\n"));
    let logged = place.rows("SELECT detail FROM lockgate_log WHERE event = 'overridden'");
    assert_eq!(logged, ["production, now marked as development: it was a copy"]);
}

fn a_database_without_a_marker_is_as_before(place: &Place) {
    place.ok(&["up"]);
    assert!(!place.ok(&["status"]).contains("stage"));
    place.ok(&["down", "1"]);
    place.ok(&["down", "1", "--override-stage", "never needed"]);
    assert_eq!(place.rows("SELECT detail FROM lockgate_log WHERE event = 'overridden'").len(), 0);
}

#[test]
fn what_another_program_has_marked_is_left_alone() {
    let place = Place::sqlite();
    fs::write(place.file(), "").unwrap();
    place.try_rows("PRAGMA application_id = 7").unwrap();
    let refused = place.app(&["mark-stage", "production"]);
    assert_eq!(refused.code, Some(2), "{refused:#?}");
    assert!(refused.err.contains("the `application_id` 7"), "{refused:#?}");
    let repaired = typed(&refused.err, "PRAGMA").join(" ");
    place.try_rows(&repaired).unwrap();
    place.ok(&["mark-stage", "production"]);
}

/// Only the owner of a database can comment on it; the message has the statement for the owner.
#[test]
fn a_role_that_does_not_own_the_database_gets_the_owners_statement() {
    let Some(place) = Place::postgres() else { return };
    let role = format!("marker_{}", std::process::id());
    place.try_rows(&format!("CREATE ROLE {role} LOGIN PASSWORD 'x'")).unwrap();
    let name = place.url().rsplit('/').next().unwrap();
    place.try_rows(&format!("COMMENT ON DATABASE \"{name}\" IS 'it''s the library\\'")).unwrap();
    let (_, address) = place.url().rsplit_once('@').unwrap();
    let answer = place.app(&["mark-stage", "staging", "--database-url", &format!("postgres://{role}:x@{address}")]);
    place.try_rows(&format!("DROP ROLE {role}")).unwrap();
    assert_eq!(answer.code, Some(6), "{answer:#?}");
    let statement = answer.err.split("run `").nth(1).unwrap().rsplit_once('`').unwrap().0.replace("\n    ", "\n");
    place.try_rows(&statement).unwrap();
    // What is pending are drafts, which `up` refuses there.
    let status = place.app(&["status"]);
    assert_eq!(status.code, Some(3), "{status:#?}");
    assert!(status.out.contains("\nstage: staging\n"), "{statement}: {status:#?}");
    let comment =
        place.rows("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()");
    assert_eq!(comment, ["it's the library\\\nlockgate: staging"]);
}

/// From Rust, with drafts: the migrations of a set without a lockfile.
async fn drafts_are_refused(db: Db) {
    let set: &'static Migrations =
        migrations(&[("0001_a.up.sql", "CREATE TABLE a (id INTEGER);"), ("0001_a.down.sql", "DROP TABLE a;")]);
    let migrator = Migrator::new(set);
    let mut database = db.open().await;
    assert_eq!(migrator.mark_stage(&mut database, Stage::Production).await.unwrap(), None);
    for error in [
        migrator.apply(&mut database).await.unwrap_err(),
        migrator.plan(&mut database, UpTo::Latest).await.unwrap_err(),
        migrator.clone().expect_stage(Stage::Production).apply(&mut database).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(matches!(error.reasons(), [Reason::Draft { stage: Stage::Production, .. }]), "{error:?}");
        assert!(error.report().to_string().contains("`cargo xtask freeze`"), "{error:?}");
    }
    let overridden = migrator.clone().override_stage("the hotfix of tonight");
    assert_eq!(overridden.apply(&mut database).await.unwrap().steps.len(), 1);
    let error = migrator.revert(&mut database, DownTo::Empty).await.unwrap_err();
    assert!(matches!(error.reasons(), [Reason::ProtectedStage { .. }]), "{error:?}");
    let version = set.set().get(0).unwrap().version();
    let error = migrator.repair(&mut database, Repair::Forget(version)).await.unwrap_err();
    assert!(matches!(error.reasons(), [Reason::ProtectedStage { .. }]), "{error:?}");
    let plan = overridden.plan_revert(&mut database, DownTo::Empty).await.unwrap();
    let error = migrator.apply_plan(&mut database, &plan).await.unwrap_err();
    assert!(matches!(error.reasons(), [Reason::ProtectedStage { .. }]), "{error:?}");
    for atomicity in [Atomicity::PerMigration, Atomicity::WholeRun] {
        let overridden = overridden.clone().atomicity(atomicity);
        overridden.revert(&mut database, DownTo::Empty).await.unwrap();
        overridden.apply(&mut database).await.unwrap();
    }
    assert_eq!(
        db.texts("SELECT detail FROM lockgate_log WHERE event = 'overridden'").await,
        ["production: the hotfix of tonight"; 5]
    );
    migrator.drift(&mut database).await.unwrap();
    let other = migrator.expect_stage(Stage::Test);
    assert_eq!(other.drift(&mut database).await.unwrap_err().kind(), ErrorKind::Refused);
}
