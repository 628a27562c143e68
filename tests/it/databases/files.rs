//! Patches beside the binary, which their operator edits, interrupts, and repairs.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lockgate::{Event, OutOfOrder};

use super::cli::{last, run};
use super::{Server, migrator};
use crate::support::app::Answer;
use crate::support::set::databases;

/// A server, and a folder of patches beside the binary.
struct Operator {
    server: Server,
    folder: tempfile::TempDir,
}

impl Operator {
    async fn new() -> Option<Self> {
        Some(Self { server: Server::new().await?, folder: tempfile::tempdir().unwrap() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn types(&self, arguments: &[&str]) -> Answer {
        self.types_with(arguments, |_| {})
    }

    /// Types a command that an answer says to type, as it is.
    fn advised(&self, answer: &Answer, begins: &str) -> Answer {
        let words = answer.advised(begins);
        self.typed(&words.iter().map(String::as_str).collect::<Vec<_>>(), |_| {})
    }

    fn types_with(&self, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Answer {
        self.typed(&[arguments, &["--files", "*.sql"]].concat(), change)
    }

    fn typed(&self, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Answer {
        run(&self.server.url(), arguments, |command| {
            for role in super::ROLES {
                command.env(format!("{}_PASSWORD", role.to_uppercase()), format!("{role}-secret"));
            }
            change(command.current_dir(self.folder.path()));
        })
    }
}

fn says(answer: &Answer, code: i32, words: &[&str]) {
    assert_eq!(answer.code, Some(code), "{answer:#?}");
    for words in words {
        assert!(answer.out.contains(words) || answer.err.contains(words), "no «{words}»: {answer:#?}");
    }
}

const CREATE: &str = "-- lockgate: no-transaction\nCREATE DATABASE tt;\n";

#[tokio::test]
async fn a_database_that_was_made_by_hand_after_its_drop_has_not_had_its_bootstraps() {
    let Some(operator) = Operator::new().await else { return };
    let inside = "-- lockgate: psql\n-- lockgate: no-transaction\nCREATE DATABASE tt;\n\\connect tt\nCREATE TABLE base (id \
                  int);\n";
    operator.write("tt.00000000.0001.postgres.z.sql", inside);
    says(&operator.types(&["up"]), 0, &["applied 1 migration in 1 database"]);
    operator.server.admin("DROP DATABASE tt").await;
    for arguments in [
        vec!["drift"],
        vec!["history"],
        vec!["down", "1"],
        vec!["redo"],
        vec!["repair", "--accept-edited", "--reason", "why"],
        vec!["mark-stage", "test"],
    ] {
        let answer = operator.types(&[&arguments[..], &["--database", "tt"]].concat());
        assert!(
            answer.err.contains("help: `up --files '*.sql' --database tt` makes it, by its bootstraps"),
            "{arguments:?}: {answer:#?}"
        );
        assert!(!answer.err.contains("CREATE DATABASE"), "{arguments:?}: {answer:#?}");
    }
    operator.server.admin("CREATE DATABASE tt").await;
    let left_out = "`tt.00000000.0001.postgres.z` is not recorded and does not run, because the database `tt` exists";
    says(&operator.types(&["status"]), 0, &[left_out]);
    for _ in 0..2 {
        says(&operator.types(&["up"]), 0, &[left_out, "nothing to do"]);
    }
    // Dropped again, it is made with everything in it.
    operator.server.admin("DROP DATABASE tt").await;
    says(&operator.types(&["up"]), 0, &["applied 1 migration in 1 database"]);
    assert_eq!(operator.server.owners("tt").await[0], "base postgres");
    says(&operator.types(&["up"]), 0, &["nothing to do"]);
}

/// What came later or was edited since takes no effect there, and that is not silent; what settles it can be typed.
#[tokio::test]
async fn drift_shows_the_bootstraps_of_a_database_too() {
    let Some(operator) = Operator::new().await else { return };
    operator.write("tt.00000000.0001.postgres.z.sql", CREATE);
    operator.write("tt.00000001.0001.postgres.a.sql", "CREATE TABLE a (id int);");
    says(&operator.types(&["up"]), 0, &[]);
    let drift = || operator.types(&["drift", "--database", "tt"]);
    says(&drift(), 0, &["no difference between program and database"]);
    operator.write("tt.00000000.0001.postgres.z.sql", &format!("{CREATE}CREATE ROLE other;\n"));
    operator.write("tt.00000000.0002.postgres.guest.sql", "CREATE ROLE guest;");
    let edited = "drift[edited]: `tt.00000000.0001.postgres.z` was applied with a different text";
    let left_out =
        "`tt.00000000.0002.postgres.guest` is not recorded and does not run, because the database `tt` exists";
    let both = ["2 differences between program and database", edited, &format!("drift[left-out]: {left_out}")];
    says(&drift(), 9, &both);
    says(&operator.types(&["status"]), 0, &[edited, left_out]);
    says(&operator.types(&["doctor", "--database", "tt"]), 0, &["tt.00000000.0001.postgres.z"]);
    let json = last(&operator.types(&["drift", "--database", "tt", "--format", "json"]));
    let codes: Vec<&str> = json["drift"].as_array().unwrap().iter().map(|of| of["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["edited", "left-out"], "{json:#}");
    let help = json["drift"][1]["help"].as_str().unwrap();
    let says_type = "`baseline tt.00000000.0002.postgres.guest --database tt --bootstraps --files '*.sql'`";
    assert!(help.contains(says_type), "{help}");

    says(&operator.advised(&drift(), "repair --accept-edited"), 0, &["repaired tt.00000000.0001.postgres.z"]);
    says(&drift(), 9, &["1 difference between program and database"]);
    let recorded = operator.advised(&operator.types(&["status"]), "baseline");
    says(&recorded, 0, &["recorded tt.00000000.0002.postgres.guest"]);
    says(&drift(), 0, &["no difference between program and database"]);
    let up = operator.types(&["up"]);
    says(&up, 0, &["nothing to do"]);
    assert!(!format!("{}{}", up.out, up.err).contains(left_out), "{up:#?}");
    assert!(operator.server.texts("postgres", "SELECT 'x' FROM pg_roles WHERE rolname = 'guest'").await.is_empty());
}

#[tokio::test]
async fn bootstraps_that_have_run_do_not_stand_in_the_way_of_one_transaction() {
    let Some(operator) = Operator::new().await else { return };
    operator.write("tt.00000000.0001.postgres.z.sql", CREATE);
    says(&operator.types(&["up"]), 0, &[]);
    operator.write("tt.00000001.0001.postgres.a.sql", "CREATE TABLE a (id int);");
    let up = operator.types(&["up", "--atomicity", "whole-run"]);
    says(&up, 0, &["applied 1 migration in 1 database"]);
}

#[tokio::test]
async fn a_bootstrap_that_has_stopped_half_way_is_seen() {
    let Some(operator) = Operator::new().await else { return };
    operator.write("tt.00000000.0001.postgres.z.sql", &format!("{CREATE}SELECT 1 / 0;\n"));
    operator.write("tt.00000001.0001.postgres.a.sql", "CREATE TABLE a (id int);");
    assert_eq!(operator.types(&["up"]).code, Some(1));
    let status = operator.types(&["status"]);
    says(&status, 0, &["the run that makes the database `tt` was interrupted: 1 bootstrap to run"]);
    let json = last(&operator.types(&["status", "--format", "json"]));
    let stand = &json["statuses"][0];
    assert_eq!(stand["bootstraps"][0].as_str(), Some("tt.00000000.0001.postgres.z"), "{json:#}");
    says(&operator.types(&["ready"]), 8, &["`tt.00000000.0001.postgres.z` has stopped half way"]);
}

/// `up` will ask a person, so nothing may say before that it will simply go on.
#[tokio::test]
async fn a_statement_of_a_bootstrap_whose_outcome_nobody_knows_is_named_by_whoever_looks() {
    let Some(operator) = Operator::new().await else { return };
    let procedure = "CREATE PROCEDURE half() LANGUAGE plpgsql AS $$ BEGIN COMMIT; RAISE 'no'; END $$;\n";
    operator.write("tt.00000000.0001.postgres.z.sql", &format!("{CREATE}{procedure}CALL half();\nSELECT 1;\n"));
    operator.write("tt.00000001.0001.postgres.a.sql", "CREATE TABLE a (id int);");
    assert_eq!(operator.types(&["up"]).code, Some(1));
    let doubt = [
        "`tt.00000000.0001.postgres.z` stopped half way, after 2 finished statements; statement 3 was sent, and its end was \
         not recorded",
        "looks whether statement 3 took effect",
        "`repair --forget tt.00000000.0001.postgres.z --database tt --bootstraps --files '*.sql'`",
    ];
    says(&operator.types(&["status"]), 0, &doubt);
    let doctor = operator.types(&["doctor", "--database", "tt"]);
    says(&doctor, 0, &doubt);
    assert!(doctor.out.ends_with("\n1 warning\n"), "{doctor:?}");
    let json = last(&operator.types(&["status", "--format", "json"]));
    let stopped = &json["statuses"][0]["bootstraps_stopped"][0];
    assert_eq!(stopped["code"].as_str(), Some("partial"), "{json:#}");
    // The advice, followed.
    operator.server.admin("DROP DATABASE tt").await;
    operator.server.admin("DROP PROCEDURE half").await;
    says(
        &operator.types(&["repair", "--forget", "tt.00000000.0001.postgres.z", "--database", "tt", "--bootstraps"]),
        0,
        &[],
    );
    operator.write("tt.00000000.0001.postgres.z.sql", CREATE);
    says(&operator.types(&["up"]), 0, &["applied 2 migrations in 1 database"]);
}

#[tokio::test]
async fn a_database_without_its_bootstraps_is_not_ready() {
    let Some(operator) = Operator::new().await else { return };
    operator.write("tt.00000000.0001.postgres.z.sql", CREATE);
    says(&operator.types(&["ready"]), 7, &["1 of 1 migration not applied: `tt.00000000.0001.postgres.z`"]);
}

#[tokio::test]
async fn variables_and_profiles_are_those_of_any_of_the_databases() {
    let Some(operator) = Operator::new().await else { return };
    operator.server.admin("CREATE DATABASE one").await;
    operator.server.admin("CREATE DATABASE two").await;
    operator.write(
        "one.00000001.0001.postgres.a.sql",
        "-- lockgate: psql\n-- lockgate: variable v\nCREATE TABLE :\"v\" (id int);\n",
    );
    operator.write("two.00000001.0001.postgres.b.sql", "CREATE TABLE b (id int);");
    operator.write("two.00000001.0002.postgres.c.sql", "-- lockgate: profile testnet\nCREATE TABLE c (id int);");
    let with =
        |arguments: &[&str]| operator.types(&[arguments, &["--variable", "v=named", "--profile", "testnet"]].concat());
    says(&with(&["up"]), 0, &["applied 3 migrations in 2 databases"]);
    assert_eq!(operator.server.owners("one").await.last().unwrap(), "named postgres");
    says(&with(&["drift", "--database", "one"]), 0, &[]);
    says(&with(&["redo", "--database", "two", "--dry-run"]), 3, &["has no down script"]);
    let wrong = operator.types(&["up", "--variable", "w=x"]);
    says(&wrong, 2, &["no script declares the variable `w`", "the scripts declare `v`"]);
    let wrong = operator.types(&["up", "--profile", "other"]);
    says(&wrong, 2, &["names the profile `other`", "the profiles are `testnet`"]);
}

#[tokio::test]
async fn a_database_that_was_dropped_while_it_was_made_is_begun_again() {
    let Some(operator) = Operator::new().await else { return };
    operator.write("tt.00000000.0001.postgres.role.sql", "CREATE ROLE guest;");
    let text = "-- lockgate: psql\n-- lockgate: no-transaction\nCREATE DATABASE tt;\n\\connect tt\nSELECT 1 / 0;\n";
    operator.write("tt.00000000.0002.postgres.z.sql", text);
    assert_eq!(operator.types(&["up"]).code, Some(1));
    operator.server.admin("DROP DATABASE tt").await;
    let forget = "`repair --forget tt.00000000.0002 --database tt --bootstraps --files '*.sql'`";
    let dropped = "the database `tt` was dropped after its bootstraps had made it, and before they ended";
    says(&operator.types(&["status"]), 3, &[forget, dropped]);
    says(&operator.types(&["up"]), 3, &[forget, dropped]);
    operator.write("tt.00000000.0002.postgres.z.sql", &text.replace("1 / 0", "1"));
    says(&operator.advised(&operator.types(&["up"]), "repair --forget"), 0, &[]);
    says(&operator.types(&["up"]), 0, &["applied 1 migration in 1 database"]);
}

#[tokio::test]
async fn no_file_is_left_out_without_a_word() {
    let Some(operator) = Operator::new().await else { return };
    operator.server.admin("CREATE DATABASE tt").await;
    operator.write("tt.00000001.0001.postgres.a.sql", "CREATE TABLE a (id int);");
    operator.write("tt.00000001.0002.postgres.b.down.sql", "DROP TABLE b;");
    says(&operator.types(&["status"]), 0, &["tt.00000001.0002.postgres.b.down.sql"]);
    std::fs::create_dir(operator.path("tt.00000001.0003.postgres.c.sql")).unwrap();
    says(&operator.types(&["up"]), 2, &["`tt.00000001.0003.postgres.c.sql` is a folder"]);
    std::fs::remove_dir(operator.path("tt.00000001.0003.postgres.c.sql")).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere", operator.path("tt.00000001.0003.postgres.c.sql")).unwrap();
        says(&operator.types(&["up"]), 2, &["is a link to a file that does not exist"]);
    }
}

/// Whoever has the files may not have the workspace.
#[tokio::test]
async fn advice_on_files_names_no_command_of_developers() {
    let Some(operator) = Operator::new().await else { return };
    operator.server.admin("CREATE DATABASE tt").await;
    operator.write("tt.00000001.0001.postgres.a.sql", "-- nothing\n");
    let empty = operator.types(&["plan"]);
    says(&empty, 0, &["warning[empty-script]", "write its statements, or delete it"]);
    operator.write("tt.00000001.0001.postgres.b.sql", "SELECT 1;\n");
    let twice = operator.types(&["plan"]);
    says(&twice, 2, &["error[duplicate]", "rename it, with a free number"]);
    for answer in [empty, twice] {
        assert!(!answer.err.contains("cargo xtask"), "{answer:#?}");
    }
}

#[tokio::test]
async fn a_mirror_is_in_no_template_and_does_not_appear_in_silence() {
    let Some(operator) = Operator::new().await else { return };
    operator.server.admin("CREATE DATABASE tt").await;
    operator.write("tt.00000001.0001.postgres.a.sql", "CREATE TABLE a (id int);");
    for template in ["template0", "template1"] {
        let up = operator.types(&["up", "--mirror", template]);
        says(&up, 2, &[&format!("the mirror cannot be in `{template}`")]);
    }
    let note = "the mirror `state` did not exist: made, with 1 database as it is now";
    says(&operator.types(&["up", "--mirror", "state"]), 0, &[note]);
    let again = operator.types(&["up", "--mirror", "state"]);
    assert!(!again.err.contains(note) && !again.out.contains(note), "{again:#?}");
}

#[tokio::test]
async fn a_password_that_cannot_be_sent_is_named_with_its_variable() {
    let Some(operator) = Operator::new().await else { return };
    operator.server.admin("CREATE DATABASE tt").await;
    operator.write("tt.00000001.0001.auditor.a.sql", "SELECT 1;");
    let up = operator.types_with(&["up"], |command| {
        command.env("AUDITOR_PASSWORD", "auditor-secret\t");
    });
    says(&up, 2, &["AUDITOR_PASSWORD", "has a control character"]);
    assert!(!up.err.contains("auditor-secret"), "{up:#?}");
}

#[tokio::test]
async fn what_has_only_bootstraps_is_not_called_empty() {
    let Some(operator) = Operator::new().await else { return };
    operator.write("tt.00000000.0001.postgres.z.sql", CREATE);
    let wait = operator.types(&["wait", "--timeout", "1s"]);
    says(&wait, 7, &["the database `tt` does not exist: waiting for it"]);
    says(&operator.types(&["up"]), 0, &[]);
    says(&operator.types(&["status"]), 0, &["there are no patches besides bootstraps"]);
    says(&operator.types(&["history", "--database", "tt"]), 0, &["no migration has run on this database yet"]);
}

#[tokio::test]
async fn a_role_in_the_head_of_a_script_is_checked_before_anything_runs() {
    let Some(operator) = Operator::new().await else { return };
    operator.server.admin("CREATE DATABASE tt OWNER auditor").await;
    operator.write("tt.00000001.0001.auditor.a.sql", "CREATE TABLE a (id int);");
    operator.write("tt.00000001.0002.auditor.b.sql", "-- lockgate: role reporter\nSELECT 1;\n");
    says(&operator.types(&["up"]), 6, &["GRANT \"reporter\" TO \"auditor\""]);
    assert!(operator.server.owners("tt").await.is_empty());
    operator.server.admin("GRANT reporter TO auditor").await;
    says(&operator.types(&["up"]), 0, &[]);
    says(&operator.types(&["down", "--to", "1.1", "--database", "tt"]), 3, &[]);
}

#[tokio::test]
async fn a_run_says_what_it_reverts() {
    let Some(operator) = Operator::new().await else { return };
    operator.server.admin("CREATE DATABASE tt").await;
    operator.write("tt.00000001.0001.postgres.a.sql", "CREATE TABLE a (id int);");
    operator.write("tt.00000001.0001.postgres.a.down.sql", "DROP TABLE a;");
    says(&operator.types(&["up"]), 0, &["1 migration to run"]);
    says(&operator.types(&["down", "1", "--database", "tt"]), 0, &["1 migration to revert"]);
}

/// A run that waits for another one tells once what it is going to do.
#[tokio::test]
async fn a_run_that_waits_does_not_repeat_itself() {
    let Some(server) = Server::new().await else { return };
    server.admin("CREATE DATABASE tt").await;
    let patches = databases(&[
        ("migrations.toml", "numbering = \"encoded\"\ndialects = [\"postgres\"]\n"),
        (
            "tt.00000001.0001.postgres.a.sql",
            "-- lockgate: no-transaction\nSELECT pg_advisory_lock(42);\nSELECT pg_advisory_unlock(42);\n",
        ),
    ]);
    let mut holder = server.connect("tt").await;
    sqlx::query("SELECT pg_advisory_lock(42)").execute(&mut holder).await.unwrap();
    let url = server.url();
    let first = tokio::spawn({
        let (url, migrator) = (url.clone(), migrator(patches));
        async move { migrator.apply(&url).await }
    });
    let waits = "SELECT pid::text FROM pg_stat_activity WHERE wait_event = 'advisory' AND query LIKE '%(42)%'";
    while server.texts("tt", waits).await.is_empty() {
        assert!(!first.is_finished(), "{:?}", first.await);
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let second = migrator(patches).options({
        let seen = Arc::clone(&seen);
        move |options| {
            options.lock_wait(Duration::from_secs(1)).on_event(move |event| {
                if let Event::Planned { .. } | Event::Started { .. } = event {
                    seen.lock().unwrap().push(format!("{event:?}"));
                }
            })
        }
    });
    second.apply(&url).await.unwrap_err();
    let told = seen.lock().unwrap().clone();
    assert!(told.len() <= 2, "{told:#?}");
    sqlx::query("SELECT pg_advisory_unlock(42)").execute(&mut holder).await.unwrap();
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_late_patch_is_no_difference_after_it_has_run() {
    let Some(server) = Server::new().await else { return };
    server.admin("CREATE DATABASE tt").await;
    const POLICY: (&str, &str) = ("migrations.toml", "numbering = \"encoded\"\ndialects = [\"postgres\"]\n");
    const LATE: (&str, &str) = ("tt.00000001.0001.postgres.a.sql", "SELECT 1;");
    const LAST: (&str, &str) = ("tt.00000001.0002.postgres.b.sql", "SELECT 2;");
    migrator(databases(&[POLICY, LAST])).apply(&server.url()).await.unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let late = migrator(databases(&[POLICY, LATE, LAST])).options({
        let seen = Arc::clone(&seen);
        move |options| {
            options.out_of_order(OutOfOrder::Allow).on_event(move |event| {
                if let Event::DriftTolerated(drift) = event {
                    seen.lock().unwrap().push(drift.to_string());
                }
            })
        }
    });
    assert_eq!(late.apply(&server.url()).await.unwrap().steps().count(), 1);
    assert_eq!(*seen.lock().unwrap(), Vec::<String>::new());
}
