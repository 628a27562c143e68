//! Patches beside the binary, which their operator edits, interrupts, and repairs.

use std::path::PathBuf;
use std::process::Command;

use super::Server;
use super::cli::{last, run};
use crate::support::app::Answer;

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

    fn types_with(&self, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Answer {
        run(&self.server.url(), &[arguments, &["--files", "*.sql"]].concat(), |command| {
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
        vec!["doctor"],
        vec!["down", "1"],
        vec!["redo"],
        vec!["repair", "--accept-edited", "--reason", "why"],
        vec!["mark-stage", "test"],
    ] {
        let answer = operator.types(&[&arguments[..], &["--database", "tt"]].concat());
        assert!(answer.err.contains("help: `up` makes it, by its bootstraps"), "{arguments:?}: {answer:#?}");
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
    says(&status, 0, &["a run that made the database `tt` was interrupted: 1 bootstrap to run"]);
    let json = last(&operator.types(&["status", "--format", "json"]));
    let stand = &json["statuses"][0];
    assert_eq!(stand["bootstraps"][0].as_str(), Some("tt.00000000.0001.postgres.z"), "{json:#}");
    says(&operator.types(&["ready"]), 8, &["`tt.00000000.0001.postgres.z` has stopped half way"]);
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
