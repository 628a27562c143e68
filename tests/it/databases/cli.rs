//! The example program, typed as an operator would type it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use super::{ROLES, Server};
use crate::support::app::{Answer, answer, built};

fn patches(server: &Server, arguments: &[&str]) -> Answer {
    run(&server.url(), arguments, |command| {
        for role in ROLES {
            command.env(format!("{}_PASSWORD", role.to_uppercase()), format!("{role}-secret"));
        }
    })
}

pub(super) fn run(url: &str, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Answer {
    static PROGRAM: OnceLock<std::path::PathBuf> = OnceLock::new();
    let program: &Path = PROGRAM.get_or_init(|| built("patches"));
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("DATABASE_") || ["LOCKGATE_STAGE", "CLICOLOR_FORCE"].contains(&&*name) {
            command.env_remove(variable);
        }
    }
    command.env("DATABASE_URL", url);
    change(&mut command);
    answer(command.output().unwrap())
}

pub(super) fn last(answer: &Answer) -> Value {
    serde_json::from_str(answer.out.lines().last().expect("there is a line")).unwrap()
}

#[tokio::test]
async fn an_operator_brings_a_virgin_server_up() {
    let Some(server) = Server::new().await else { return };
    let status = patches(&server, &["status"]);
    assert_eq!(status.code, Some(0), "{status:#?}");
    assert!(
        status.out.contains("billing.00000001.0002.reporter.create_total") && status.out.contains("pending"),
        "{status:#?}"
    );
    let note = "the database `billing` does not exist: `up` makes it, by 1 bootstrap";
    assert!(status.err.contains(note), "{status:#?}");
    let plan = patches(&server, &["plan"]);
    assert!(plan.out.contains("9 migrations would run, and nothing was executed"), "{plan:#?}");
    assert_eq!(patches(&server, &["ready"]).code, Some(7), "nothing is there");

    let up = patches(&server, &["up"]);
    assert_eq!(up.code, Some(0), "{up:#?}");
    for line in [
        "billing, as billing_owner",
        "billing, as reporter",
        "applied billing.00000001.0002.reporter.create_total",
        "applied 9 migrations in 3 databases",
    ] {
        assert!(up.out.contains(line), "{line}: {up:#?}");
    }
    // What is only bookkeeping is not shown.
    assert!(!up.out.contains("recorded"), "{up:#?}");
    assert!(!up.out.contains("secret") && !up.err.contains("secret"), "{up:#?}");
    let again = patches(&server, &["up", "--exit-code"]);
    assert_eq!((again.code, again.out.as_str()), (Some(10), "nothing to do\n"), "{again:#?}");
    let ready = patches(&server, &["ready"]);
    let lines = "audit: the database has every migration\nbilling: the database has every migration\ncatalog: the \
                 database has every migration\n";
    assert_eq!((ready.code, ready.out.as_str()), (Some(0), lines), "{ready:#?}");
    assert_eq!(patches(&server, &["wait", "--timeout", "1s"]).code, Some(0));
    let status = patches(&server, &["status", "--database", "catalog"]);
    assert!(status.out.starts_with("up to date: 2 migrations applied"), "{status:#?}");

    // What works on one database has to be told which.
    let history = patches(&server, &["history"]);
    assert_eq!(history.code, Some(2));
    assert!(history.err.contains("write `--database NAME` with one of `audit`, `billing`, `catalog`"), "{history:#?}");
    let history = patches(&server, &["history", "--database", "billing"]);
    assert!(history.out.contains("reporter"), "{history:#?}");
}

#[tokio::test]
async fn doctor_examines_the_roles_and_the_bootstraps_of_a_database() {
    let Some(server) = Server::new().await else { return };
    let says = |answer: &Answer, code: i32, lines: &[&str]| {
        assert_eq!(answer.code, Some(code), "{answer:#?}");
        let out = answer.out.split_whitespace().collect::<Vec<_>>().join(" ");
        for line in lines {
            assert!(out.contains(line), "{line}: {answer:#?}");
        }
    };
    // The database is not there yet.
    let doctor = ["doctor", "--database", "billing"];
    let virgin =
        ["the database `billing` does not exist yet", " 1 to run", "every role with something to do may do it"];
    says(&patches(&server, &doctor), 0, &virgin);
    let wrong = |command: &mut Command| {
        for role in ROLES {
            command.env(format!("{}_PASSWORD", role.to_uppercase()), "wrong");
        }
    };
    let refused = run(&server.url(), &doctor, wrong);
    says(&refused, 3, &["problem", "roles", "the role `billing_owner`"]);
    assert!(!refused.out.contains("secret"), "{refused:#?}");
    assert!(!server.exists("billing").await);

    assert_eq!(patches(&server, &["up"]).code, Some(0));
    says(&patches(&server, &doctor), 0, &["nothing is pending", "none is pending"]);
    // Nothing is pending, so no role has anything to do.
    says(&run(&server.url(), &doctor, wrong), 0, &["every role with something to do may do it"]);
}

#[tokio::test]
async fn json_names_the_database() {
    let Some(server) = Server::with_databases().await else { return };
    let json = |arguments: &[&str]| last(&patches(&server, &[arguments, &["--format", "json"]].concat()));
    let status = json(&["status"]);
    assert_eq!(
        (status["type"].as_str(), status["statuses"][1]["database"].as_str()),
        (Some("result"), Some("billing"))
    );
    assert_eq!(json(&["plan"])["plans"][1]["plan"]["steps"].as_array().unwrap().len(), 3);
    let up = patches(&server, &["up", "--format", "json"]);
    assert!(
        up.out.contains("{\"lockgate\":1,\"type\":\"entered\",\"database\":\"billing\",\"role\":\"reporter\"}"),
        "{up:#?}"
    );
    assert_eq!(last(&up)["runs"][2]["steps"].as_array().unwrap().len(), 2);
    // The bootstraps have not made these databases.
    assert_eq!(last(&up)["runs"][0]["left_out"][0].as_str(), Some("audit.00000000.0001.postgres.create_database"));
    assert_eq!(json(&["ready"])["all-ready"][0]["ready"]["is_ready"].as_bool(), Some(true));
}

#[tokio::test]
async fn an_operator_settles_what_the_mirror_has_noticed() {
    let Some(server) = Server::new().await else { return };
    let with_mirror = |arguments: &[&str]| patches(&server, &[arguments, &["--mirror", "lockgate_state"]].concat());
    assert!(with_mirror(&["mirror"]).out.contains("there is no mirror yet"));
    let up = with_mirror(&["up"]);
    assert_eq!(up.code, Some(0), "{up:#?}");
    let mirror = with_mirror(&["mirror"]);
    assert!(mirror.out.contains("mirror of billing: the mirror has the same 4 migrations"), "{mirror:#?}");
    server.admin("DROP DATABASE billing").await;
    let up = with_mirror(&["up"]);
    assert_eq!(up.code, Some(3), "{up:#?}");
    assert!(
        up.err.contains("accept it with `mirror accept billing --reason \"why\" --mirror lockgate_state`"),
        "{up:#?}"
    );
    let status = with_mirror(&["status"]);
    assert_eq!(status.code, Some(3), "{status:#?}");
    assert!(
        status.out.contains("mirror of billing: it does not exist, and the mirror has 4 migrations"),
        "{status:#?}"
    );
    let json = last(&with_mirror(&["status", "--format", "json"]));
    assert_eq!(json["statuses"][1]["status"]["mirror"]["difference"].as_str(), Some("dropped"), "{json}");
    // What works on one database looks at its mirror too.
    let one = with_mirror(&["baseline", "1.1", "--database", "billing"]);
    assert_ne!(one.code, Some(0), "{one:#?}");
    let accepted = with_mirror(&["mirror", "accept", "billing", "--reason", "it may be made anew"]);
    assert_eq!(accepted.code, Some(0), "{accepted:#?}");
    assert!(accepted.out.contains("accepted `billing` as it is, although it does not exist"), "{accepted:#?}");
    assert_eq!(with_mirror(&["up"]).code, Some(0));
    let away = patches(&server, &["up", "--mirror", "postgres://x@127.0.0.1:1/lockgate_state"]);
    assert!(away.err.contains("or leave the mirror out of this run, with `--without-mirror`"), "{away:#?}");
    assert_eq!(patches(&server, &["up", "--without-mirror"]).code, Some(0));
}

#[tokio::test]
async fn passwords_have_a_prefix_or_are_in_files() {
    let Some(server) = Server::with_databases().await else { return };
    let wrong = run(&server.url(), &["up", "--prefix", "PATCH_"], |_| {});
    assert_eq!(wrong.code, Some(6), "{wrong:#?}");
    assert!(wrong.err.contains("set PATCH_AUDITOR_PASSWORD to its password"), "{wrong:#?}");
    let folder = tempfile::tempdir().unwrap();
    let up = run(&server.url(), &["up", "--prefix", "PATCH_"], |command| {
        for role in ROLES {
            let file = folder.path().join(role);
            std::fs::write(&file, format!("{role}-secret\n")).unwrap();
            command.env(format!("PATCH_{}_PASSWORD_FILE", role.to_uppercase()), file);
        }
    });
    assert_eq!(up.code, Some(0), "{up:#?}");
}

#[tokio::test]
async fn one_login_suffices_with_set_role() {
    let Some(server) = Server::with_databases().await else { return };
    let up = run(&server.url(), &["up", "--set-role", "--verbose"], |_| {});
    assert_eq!(up.code, Some(0), "{up:#?}");
    assert!(up.out.contains("CREATE VIEW total"), "{up:#?}");
    assert!(server.owners("billing").await.contains(&"total reporter".to_owned()));
}

/// What a message says works as it is typed.
#[tokio::test]
async fn advice_about_one_of_several_databases_names_it() {
    let Some(server) = Server::with_databases().await else { return };
    assert_eq!(patches(&server, &["up"]).code, Some(0));
    let edited = "UPDATE lockgate_history SET checksum = 'v1:' || repeat('0', 64) WHERE name LIKE '%isbn'";
    server.run("catalog", edited).await;
    let says = r#"`repair --accept-edited --reason "why" --database catalog` records that"#;
    let status = patches(&server, &["status"]);
    assert!(status.out.contains(says), "{status:#?}");
    let up = patches(&server, &["up"]);
    assert!(up.err.contains(says), "{up:#?}");
    let drift = patches(&server, &["drift", "--database", "catalog"]);
    assert!(drift.out.contains(says), "{drift:#?}");
    // Programs read the same, although they have not typed the name.
    for arguments in [["up", "--format", "json"], ["status", "--format", "json"]] {
        let json = last(&patches(&server, &arguments));
        let drift = [&json["drift"][0], &json["statuses"][2]["status"]["drift"][0]];
        assert!(drift.iter().any(|drift| drift["help"].as_str().is_some_and(|help| help.contains(says))), "{json:#}");
    }
    let repair = patches(&server, &["repair", "--accept-edited", "--reason", "why", "--database", "catalog"]);
    assert_eq!(repair.code, Some(0), "{repair:#?}");
    assert_eq!(patches(&server, &["up"]).code, Some(0));

    let invalid = "CREATE TABLE public.x (a integer); CREATE INDEX bad ON public.x (a); UPDATE pg_index SET indisvalid = \
                   false WHERE indexrelid = 'public.bad'::regclass";
    server.run("catalog", invalid).await;
    let doctor = patches(&server, &["doctor", "--database", "catalog"]);
    let said = doctor.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("`repair --drop-invalid-index public.bad --database catalog`"), "{doctor:#?}");
    let repair = patches(&server, &["repair", "--drop-invalid-index", "public.bad", "--database", "catalog"]);
    assert_eq!(repair.code, Some(0), "{repair:#?}");
    let doctor = patches(&server, &["doctor", "--database", "catalog"]);
    assert!(doctor.out.contains("no index is INVALID"), "{doctor:#?}");
}

/// The folder is what the patterns have in common.
#[tokio::test]
async fn patches_beside_the_binary_include_files_of_their_folder() {
    let Some(server) = Server::with_databases().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let typed = |arguments: &[&str]| {
        run(&server.url(), arguments, |command| {
            command.current_dir(folder.path()).env("AUDITOR_PASSWORD", "auditor-secret");
        })
    };
    let patch = "db/audit/audit.00000001.0001.auditor.a.sql";
    write(patch, "-- lockgate: psql\n\\i parts/a.inc\n\\ir ../parts/b.inc\n");
    write("db/parts/a.inc", "CREATE TABLE a (id int);\n");
    write("db/parts/b.inc", "CREATE TABLE b (id int);\n");
    let dry = typed(&["up", "--files", "db/**/*.sql", "--dry-run"]);
    assert_eq!(dry.code, Some(0), "{dry:#?}");
    // Without the folder above, neither is in it.
    let below = typed(&["up", "--files", "db/audit/*.sql"]);
    assert_eq!(below.code, Some(2), "{below:#?}");
    assert!(below.err.contains("`../parts/b.inc` is outside of the folder"), "{below:#?}");
    let up = typed(&["up", "--files", &format!("{}/db/**/*.sql", folder.path().display())]);
    assert_eq!(up.code, Some(0), "{up:#?}");
    // Nobody has to build anything to correct a file.
    let failing = "db/audit/audit.00000001.0002.auditor.b.sql";
    write(failing, "INSERT INTO a VALUES (1 / 0);\n");
    let failed = typed(&["up", "--files", "db/**/*.sql"]);
    assert!(failed.err.contains(&format!("correct {failing}, then run again")), "{failed:#?}");
    assert!(!failed.err.contains("cargo"), "{failed:#?}");
    std::fs::remove_file(folder.path().join(failing)).unwrap();
    write(patch, "-- lockgate: psql\n\\i parts/c.inc\n");
    let none = typed(&["up", "--files", "./db/*/*.sql"]);
    assert!(none.err.contains("there is no file `parts/c.inc`") && none.err.contains(patch), "{none:#?}");
}

#[tokio::test]
async fn patches_beside_the_binary_have_the_same_rules() {
    let Some(server) = Server::with_databases().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let typed = |arguments: &[&str]| {
        run(&server.url(), arguments, |command| {
            command.current_dir(folder.path());
            for role in ROLES {
                command.env(format!("{}_PASSWORD", role.to_uppercase()), format!("{role}-secret"));
            }
        })
    };
    write("db/one/billing.00000001.0001.billing_owner.a.sql", "CREATE TABLE a (id int);");
    write("db/two/audit.00000001.0001.auditor.b.sql", "CREATE TABLE b (id int);");
    let nothing = typed(&["up", "--files", "db/**/*.sql", "nowhere/*.sql"]);
    assert_eq!(nothing.code, Some(2), "{nothing:#?}");
    assert!(nothing.err.contains("no file matches `nowhere/*.sql`"), "{nothing:#?}");
    for folders in ["db", "db/**"] {
        let only = typed(&["up", "--files", folders]);
        assert_eq!(only.code, Some(2), "{only:#?}");
        assert!(only.err.contains(&format!("no file matches `{folders}`, only folders do")), "{only:#?}");
        assert!(only.err.contains("write `db/**/*.sql`"), "{only:#?}");
    }
    write("db/one/billing.00000001.0001.billing_owner.a.down.sql", "DROP TABLE a;");
    write("db/two/audit.00000001.0001.auditor.again.sql", "CREATE TABLE c (id int);");
    let twice = typed(&["up", "--files", "db/**/*.sql"]);
    assert_eq!(twice.code, Some(2), "{twice:#?}");
    assert!(twice.err.contains("`audit.00000001.0001` exists twice"), "{twice:#?}");
    assert!(server.owners("billing").await.is_empty() && server.owners("audit").await.is_empty());
    std::fs::remove_file(folder.path().join("db/two/audit.00000001.0001.auditor.again.sql")).unwrap();
    let up = typed(&["up", "--files", "db/**/*.sql", "db/one/*.sql"]);
    assert_eq!(up.code, Some(0), "{up:#?}");
    assert!(up.out.contains("applied 2 migrations in 2 databases"), "{up:#?}");
    assert!(server.owners("billing").await.contains(&"a billing_owner".to_owned()));
    let again = typed(&["status", "--files", "db/**/*.sql"]);
    assert!(again.out.starts_with("up to date: 2 migrations applied"), "{again:#?}");

    // One database goes down and up again, as the role of its patches.
    let which = typed(&["down", "1", "--files", "db/**/*.sql"]);
    assert!(which.err.contains("`down` works on one database"), "{which:#?}");
    let billing =
        |arguments: &[&str]| typed(&[arguments, &["--database", "billing", "--files", "db/**/*.sql"]].concat());
    let dry = billing(&["down", "1", "--dry-run"]);
    assert!(dry.out.contains("DROP TABLE a") && dry.code == Some(0), "{dry:#?}");
    assert_eq!(billing(&["redo"]).code, Some(0));
    let down = billing(&["down", "1"]);
    assert!(down.out.contains("reverted billing.00000001.0001.billing_owner.a"), "{down:#?}");
    assert!(down.out.contains("billing, as billing_owner"), "{down:#?}");
    assert_eq!(billing(&["down", "--all", "--exit-code"]).code, Some(10));

    // A database that is there already is compared before it is taken over.
    server.run("billing", "CREATE TABLE a (id bigint); ALTER TABLE a OWNER TO billing_owner").await;
    let refused = billing(&["baseline", "1.1", "--verify"]);
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    for says in ["column id: type was integer, is bigint", "accept them with `--accept real`"] {
        assert!(refused.err.contains(says), "{says}: {refused:#?}");
    }
    let accepted = billing(&["baseline", "1.1", "--verify", "--accept", "real,owner", "--scratch", &server.url()]);
    assert_eq!(accepted.code, Some(0), "{accepted:#?}");
    let without = billing(&["baseline", "1.1", "--accept", "real"]);
    assert_eq!(without.code, Some(2), "{without:#?}");
}

/// A run that stops while it makes a database leaves its rows in another one. Each command that an error names is typed.
#[tokio::test]
async fn an_interrupted_bootstrap_is_repaired_as_its_error_says() {
    let Some(server) = Server::new().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let plain = |arguments: &[&str]| {
        run(&server.url(), arguments, |command| {
            command.current_dir(folder.path());
        })
    };
    let typed = |arguments: &[&str]| plain(&[arguments, &["--files", "*.sql"]].concat());
    let advised =
        |answer: &Answer, begins: &str| plain(&answer.advised(begins).iter().map(String::as_str).collect::<Vec<_>>());
    let (role, database) = ("shop.00000000.0001.postgres.role.sql", "shop.00000000.0002.postgres.database.sql");
    let create = "-- lockgate: no-transaction\nCREATE DATABASE shop OWNER shopkeeper;\n";
    write(role, "CREATE ROLE shopkeeper LOGIN PASSWORD 'shopkeeper';\n");
    write(database, &format!("{create}SELECT 1 / 0;\n"));
    write("shop.00000001.0001.shopkeeper.good.sql", "CREATE TABLE good (id int);\n");
    let failed = typed(&["up"]);
    assert_eq!(failed.code, Some(1), "{failed:#?}");

    // The statement that has finished, and a bootstrap that has run, are written anew.
    write(role, "CREATE ROLE shopkeeper LOGIN CREATEDB PASSWORD 'shopkeeper';\n");
    write(database, "-- lockgate: no-transaction\nCREATE DATABASE shop TEMPLATE template0 OWNER shopkeeper;\n");
    // The status says all of it, and offers the same commands.
    let status = typed(&["status"]);
    assert_eq!(status.code, Some(3), "{status:#?}");
    for says in [
        "shop.00000001.0001.shopkeeper.good",
        "drift[edited]: `shop.00000000.0001.postgres.role`",
        "repair --accept-edited --reason \"why\" --database shop --bootstraps",
        "repair --forget shop.00000000.0002",
        "`up` refuses to run until shop is fixed",
    ] {
        assert!(status.out.contains(says), "no «{says}»: {status:#?}");
    }
    let refused = typed(&["up"]);
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    let forgot = advised(&refused, "repair --forget shop.00000000.0002");
    assert_eq!(forgot.code, Some(0), "{forgot:#?}");
    assert!(forgot.out.contains("forgot shop.00000000.0002.postgres.database"), "{forgot:#?}");
    let refused = typed(&["up"]);
    assert_eq!(refused.code, Some(3), "{refused:#?}");
    let accepted = advised(&refused, "repair --accept-edited");
    assert_eq!(accepted.code, Some(0), "{accepted:#?}");
    // As the advice says, what the forgotten one did is undone by hand.
    server.admin("DROP DATABASE shop").await;
    let up = typed(&["up"]);
    assert_eq!(up.code, Some(0), "{up:#?}");
    assert!(server.owners("shop").await.contains(&"good shopkeeper".to_owned()));
    assert_eq!(typed(&["status"]).code, Some(0));

    // The database was dropped, and a bootstrap edited since: all of them run again, as they are now. This time the one
    // that fails is finished by hand.
    server.admin("DROP DATABASE shop").await;
    server.admin("DROP ROLE shopkeeper").await;
    write(database, &format!("{create}SELECT 1 / 0;\n"));
    assert_eq!(typed(&["status"]).code, Some(0));
    let failed = typed(&["up"]);
    assert_eq!(failed.code, Some(1), "{failed:#?}");
    write(database, "-- lockgate: no-transaction\nCREATE DATABASE shop TEMPLATE template0 OWNER shopkeeper;\n");
    let marked = advised(&typed(&["up"]), "repair --mark-applied shop.00000000.0002");
    assert_eq!(marked.code, Some(0), "{marked:#?}");
    assert_eq!(typed(&["up"]).code, Some(0));

    // The log has all of it, also of what was forgotten.
    let log = typed(&["history", "--bootstraps", "--database", "shop"]);
    assert_eq!(log.code, Some(0), "{log:#?}");
    for (event, id) in [
        ("failed", "shop.00000000.0002.postgres.database"),
        ("forgotten", "shop.00000000.0002.postgres.database"),
        ("repaired", "shop.00000000.0002.postgres.database"),
        ("applied", "shop.00000000.0001.postgres.role"),
    ] {
        let is_there = log.out.lines().any(|line| line.contains(event) && line.contains(id));
        assert!(is_there, "no {event} {id}: {log:#?}");
    }

    for (arguments, words) in [
        (vec!["history", "--bootstraps"], "`history --bootstraps` works on one database"),
        (vec!["repair", "--forget", "0.1", "--bootstraps"], "write `--database NAME` with one of `shop`"),
        (
            vec!["repair", "--accept-edited", "--bootstraps", "--database", "shop"],
            "`repair --accept-edited --reason \"why\" --database shop --bootstraps --files '*.sql'`",
        ),
        (
            vec!["repair", "--accept-edited", "--database", "shop"],
            "`repair --accept-edited --reason \"why\" --database shop --files '*.sql'`",
        ),
    ] {
        let wrong = typed(&arguments);
        assert_eq!(wrong.code, Some(2), "{wrong:#?}");
        assert!(wrong.err.contains(words), "no «{words}»: {wrong:#?}");
    }
    let none = patches(&server, &["repair", "--forget", "1", "--bootstraps", "--database", "shop"]);
    assert!(none.err.contains("there are no patches for the database `shop`"), "{none:#?}");
}
