//! Folders of other tools: the messages about them, and how `cargo xtask init` converts them.
//! Real runs on scratch workspaces.

use std::collections::BTreeMap;

use crate::support::scratch::Scratch;

const FOLDER: &str = "app/migrations";

/// A folder as text: each file begins with a line `==> path`.
fn files(text: &str) -> BTreeMap<String, String> {
    let files = text.split("==> ").filter(|file| !file.is_empty());
    files
        .map(|file| file.split_once('\n').unwrap_or((file, "")))
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .collect()
}

fn with(folder: &BTreeMap<String, String>) -> Scratch {
    let scratch = Scratch::new();
    folder.iter().for_each(|(path, text)| scratch.write(&format!("{FOLDER}/{path}"), text));
    scratch
}

/// The files of the folder without those that `init` writes for any folder.
fn inside(scratch: &Scratch) -> BTreeMap<String, String> {
    let folder = scratch.path(FOLDER);
    let found = scratch.everything().into_iter().filter_map(|(path, text)| {
        let path = path.strip_prefix(&folder).ok()?.to_string_lossy().into_owned();
        Some((path, text))
            .filter(|(path, _)| !matches!(path.as_str(), "migrations.toml" | "migrations.lock" | ".gitattributes"))
    });
    found.collect()
}

/// `init` shows what it would do and changes nothing, does it with `--convert`, and `check` finds no error then.
#[track_caller]
fn converts(before: &str, after: &str) {
    let (before, after) = (files(before), files(after));
    for dialect in ["sqlite", "postgres"] {
        let scratch = with(&before);
        let untouched = scratch.everything();
        let shown = scratch.run(&["init", "--dialects", dialect]);
        let command = format!("init --convert --dialects {dialect}");
        let typed = format!("nothing was changed: run `cargo xtask {command}` to do it");
        assert!(shown.code == 1 && shown.stderr.contains(&typed), "{}{}", shown.stdout, shown.stderr);
        for path in after.keys().filter(|path| !before.contains_key(*path)) {
            assert!(shown.stdout.contains(path), "{path}: {}", shown.stdout);
        }
        assert_eq!(scratch.everything(), untouched);

        let output = scratch.run(&command.split(' ').collect::<Vec<_>>()).succeeds();
        assert!(output.starts_with(&shown.stdout), "{output}");
        assert_eq!(inside(&scratch), after, "{output}");
        scratch.run(&["check"]).succeeds();
        let done = scratch.everything();
        scratch.run(&["init", "--dialects", dialect]).succeeds();
        assert_eq!(scratch.everything(), done);
    }
}

#[test]
fn rollbacks_of_liquibase_become_down_scripts() {
    converts(
        "\
==> 0001_users.sql
--liquibase formatted sql

--changeset ann:1
CREATE TABLE users (id BIGINT PRIMARY KEY);
CREATE INDEX users_id ON users (id);
--rollback DROP INDEX users_id;
--rollback DROP TABLE
--rollback   users;

--changeset ann:2 stripComments:false
CREATE TABLE posts (id BIGINT PRIMARY KEY);
--rollback DROP TABLE posts;
==> 0002_tags.sql
-- liquibase formatted sql
-- changeset ann:3
CREATE TABLE tags (id BIGINT PRIMARY KEY);
-- rollback empty
==> 0003_links.sql
--liquibase formatted sql
--changeset ann:4 splitStatements:false
CREATE TABLE links (id BIGINT PRIMARY KEY);
--ignoreLines:start
CREATE TABLE never (id BIGINT PRIMARY KEY);
--ignoreLines:end
/* liquibase rollback
DROP TABLE links;
*/
",
        "\
==> 0001_users.up.sql

CREATE TABLE users (id BIGINT PRIMARY KEY);
CREATE INDEX users_id ON users (id);

CREATE TABLE posts (id BIGINT PRIMARY KEY);
==> 0001_users.down.sql
DROP TABLE posts;
DROP INDEX users_id;
DROP TABLE
users;
==> 0002_tags.sql
CREATE TABLE tags (id BIGINT PRIMARY KEY);
==> 0003_links.up.sql
CREATE TABLE links (id BIGINT PRIMARY KEY);
==> 0003_links.down.sql
DROP TABLE links;
",
    );
}

#[test]
fn what_liquibase_and_atlas_would_not_run_is_refused_at_its_line() {
    let liquibase = "--liquibase formatted sql\n--changeset ann:1 dbms:oracle context:test\n--preconditions onFail:HALT\n\
                     CREATE TABLE users (id BIGINT PRIMARY KEY);\n";
    let atlas = "-- atlas:txtar\n\n-- checks.sql --\nSELECT true;\n\n-- migration.sql --\nSELECT 1;\n";
    for (text, places) in
        [(liquibase, &["2:19", "2:31", "3:1"][..]), (atlas, &["3:1"]), ("-- atlas:checkpoint\n\nSELECT 1;\n", &["1:1"])]
    {
        let scratch = with(&[("0001_users.sql".to_owned(), text.to_owned())].into());
        let untouched = scratch.everything();
        let output = scratch.run(&["check"]).fails(1);
        for place in places {
            let place = format!("{FOLDER}/0001_users.sql:{place}");
            assert!(output.contains(&place) && output.contains("is only a comment here"), "{place}: {output}");
        }
        let output = scratch.run(&["adopt", "--dialects", "postgres", "--write"]).fails(1);
        for place in places {
            let line = place.split(':').next().unwrap();
            assert!(output.contains(&format!("`0001_users.sql`:{line}: ")), "{output}");
        }
        assert_eq!(scratch.everything(), untouched);
    }
    let plain = "--liquibase formatted sql\n--changeset ann:1\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n";
    let scratch = with(&[("0001_users.sql".to_owned(), plain.to_owned())].into());
    let output = scratch.run(&["check"]);
    assert!(output.stderr.contains("Lockgate runs the file as one migration"), "{}{}", output.stdout, output.stderr);
}

#[test]
fn changes_of_sqitch_are_numbered_as_its_plan_orders_them() {
    let of = |change: &str, sql: &str| format!("-- {change}\n\nBEGIN;\n\n{sql}\n\nCOMMIT;\n");
    let plan = "%syntax-version=1.0.0\n%project=app\n\nusers 2026-01-01T10:00:00Z Ann <ann@example.org> # Add users\n\
                api/posts [users] 2026-01-02T10:00:00Z Ann <ann@example.org> # Add posts\n@v1 2026-01-03T10:00:00Z Ann \
                <ann@example.org> # Tag v1\n\nusers [users@v1] 2026-01-04T10:00:00Z Ann <ann@example.org> # Rework\n";
    let (users, view) = ("CREATE TABLE users (id BIGINT PRIMARY KEY);", "CREATE VIEW names AS SELECT id FROM users;");
    let posts = "CREATE TABLE posts (id BIGINT PRIMARY KEY);";
    let scratch = Scratch::new();
    for (path, text) in [
        ("sqitch.plan", plan),
        ("deploy/users@v1.sql", &of("Deploy app:users to pg", users)),
        ("revert/users@v1.sql", &of("Revert app:users from pg", "DROP TABLE users;")),
        ("deploy/api/posts.sql", &of("Deploy app:api/posts to pg", posts)),
        ("revert/api/posts.sql", "DROP TABLE posts;\n"),
        ("deploy/users.sql", &of("Deploy app:users to pg", view)),
        ("revert/users.sql", &of("Revert app:users from pg", "DROP VIEW names;")),
        ("verify/users.sql", "BEGIN;\nSELECT id FROM users WHERE false;\nROLLBACK;\n"),
        ("deploy/later.sql", "SELECT 1;\n"),
    ] {
        scratch.write(&format!("{FOLDER}/{path}"), text);
    }
    let output = scratch.run(&["check"]).fails(1);
    let help =
        "help: `sqitch.plan` has the order of these scripts: number them in that order, or type `cargo xtask adopt`";
    assert!(output.matches(help).count() == 9 && !output.contains("rename it"), "{output}");
    let shown = scratch.run(&["init", "--dialects", "sqlite"]);
    for line in [
        "deploy/users@v1.sql -> 0001_users.up.sql: without its BEGIN and COMMIT",
        "deploy/api/posts.sql -> 0002_api_posts.up.sql",
        "revert/users.sql -> 0003_users.down.sql",
        "left    verify/users.sql: write a test of the migration that checks the same",
        "left    deploy/later.sql: `sqitch.plan` does not list it",
        "left    sqitch.plan: after the conversion the file names have its order: delete it",
    ] {
        assert!(shown.stdout.contains(line), "no «{line}» in:\n{}{}", shown.stdout, shown.stderr);
    }
    scratch.run(&["init", "--convert", "--dialects", "sqlite"]);
    for left in ["verify/users.sql", "deploy/later.sql", "sqitch.plan"] {
        std::fs::remove_file(scratch.path(&format!("{FOLDER}/{left}"))).unwrap();
    }
    scratch.run(&["check"]).succeeds();
    let found = inside(&scratch);
    assert_eq!(found["0003_users.up.sql"], format!("-- Deploy app:users to pg\n\n\n{view}\n\n"));
    assert_eq!(found["0002_api_posts.down.sql"], "DROP TABLE posts;\n");
    assert_eq!(found.len(), 6);
}

#[test]
fn what_would_mean_something_else_is_not_converted() {
    let scratch = Scratch::new();
    let goose = "-- +goose ENVSUB ON\n-- +goose Up\nCREATE TABLE a (host TEXT DEFAULT '${HOST}');\n-- +goose Down\nDROP TABLE a;\n";
    scratch.write(&format!("{FOLDER}/0001_a.sql"), goose);
    let fills = "goose fills variables of the environment into this file, and Lockgate runs it as it is";
    let output = scratch.run(&["check"]).fails(1);
    assert!(output.contains(fills) && output.contains("0001_a.sql:1:1"), "{output}");
    let output = scratch.run(&["init", "--convert", "--dialects", "sqlite"]).fails(1);
    assert!(output.contains(&format!("`0001_a.sql`: {fills}: write the values into the file")), "{output}");
    assert_eq!(scratch.read(&format!("{FOLDER}/0001_a.sql")), goose);

    let scratch = with(&files("==> afterMigrate.sql\nANALYZE;\n==> V1__a.sql\nCREATE TABLE a (id BIGINT);\n"));
    let shown = scratch.run(&["init", "--dialects", "sqlite"]);
    assert!(shown.stdout.contains("left    afterMigrate.sql: this is a callback"), "{}", shown.stdout);

    // refinery applies what Flyway would undo.
    let scratch =
        with(&files("==> V1__a.sql\nCREATE TABLE a (id BIGINT);\n==> U2__b.sql\nALTER TABLE a ADD COLUMN b BIGINT;\n"));
    let shown = scratch.run(&["init", "--dialects", "sqlite"]);
    assert!(
        shown.stdout.contains("left    U2__b.sql: Flyway's `U` undoes a version, and refinery's applies one"),
        "{}",
        shown.stdout
    );
}

#[test]
fn a_down_section_is_refused_at_its_line() {
    let up = "CREATE TABLE users (id BIGINT PRIMARY KEY);\n";
    let scratch = Scratch::new();
    scratch
        .write("app/migrations/0001_users.sql", &format!("-- migrate:up\n{up}\n-- migrate:down\nDROP TABLE users;\n"));
    let output = scratch.run(&["check"]).fails(1);
    assert_eq!(
        output,
        "\
error[foreign-section]: dbmate's down section would run as part of the up script: `-- migrate:down` is only a comment here
 --> app/migrations/0001_users.sql:4:1
  |
4 | -- migrate:down
  | ^^^^^^^^^^^^^^^
  |
  = help: move line 5 to `0001_users.down.sql`, and name this file `0001_users.up.sql`
  = help: or type `cargo xtask adopt`: it shows how it would split and rename the files of this folder, and changes nothing before you add `--write`

error: there is 1 problem
"
    );
    // If the folder requires down scripts, none is reported as missing, because the file contains it.
    scratch.write("app/migrations/migrations.toml", "dialects = [\"sqlite\"]\ndown = \"required\"\n");
    let output = scratch.run(&["check"]).fails(1);
    assert!(output.contains("foreign-section") && !output.contains("missing-down"), "{output}");
    // Follow the message literally.
    scratch.write("app/migrations/0001_users.up.sql", &format!("-- migrate:up\n{up}\n-- migrate:down\n"));
    scratch.write("app/migrations/0001_users.down.sql", "DROP TABLE users;\n");
    std::fs::remove_file(scratch.path("app/migrations/0001_users.sql")).unwrap();
    scratch.run(&["check"]).succeeds();
}

/// The other tool obeys such a line, but Lockgate ignores it as a comment.
#[test]
fn a_script_with_another_tools_no_transaction_gets_a_warning() {
    let tables = "CREATE TABLE a (id INT);\nCREATE TABLE b (id INT);\n";
    let line = |line: &str| format!("{line}\n{tables}");
    for (file, text, says, at) in [
        ("0001_a.sql", line("-- migrate:up transaction:false"), "`-- migrate:up transaction:false` is dbmate's way", 1),
        ("0001_a.sql", format!("-- a\n\n-- +goose NO TRANSACTION\n-- +goose Up\n{tables}"), "is goose's way", 3),
        ("0001_a.sql", line("-- +migrate Up notransaction"), "is sql-migrate's way", 1),
        ("0001_a.sql", line("---- tern: disable-tx ----"), "is tern's way", 1),
        ("0001_a.sql", line("-- atlas:txmode none"), "is Atlas's way", 1),
        ("0001_a.up.sql", line("-- +goose NO TRANSACTION").replace('\n', "\r\n"), "is goose's way", 1),
    ] {
        let place = format!("app/migrations/{file}");
        let scratch = Scratch::new();
        scratch.write("app/migrations/migrations.toml", "dialects = [\"sqlite\"]\n");
        scratch.write(&place, &text);
        let output = scratch.run(&["check"]);
        assert_eq!(output.code, 0, "{}", output.stderr);
        assert!(
            output.stderr.contains("warning[foreign-transaction]: this script runs in a transaction: "),
            "{}",
            output.stderr
        );
        assert!(
            output.stderr.contains(says) && output.stderr.contains(&format!("{place}:{at}:1")),
            "{}",
            output.stderr
        );
        // Follow each of its helps.
        scratch.write(&place, &format!("-- lockgate: no-transaction\n{text}"));
        assert!(!scratch.run(&["check"]).stderr.contains("foreign-transaction"), "{text}");
        let without: String =
            text.lines().enumerate().filter(|(line, _)| line + 1 != at).map(|(_, line)| format!("{line}\n")).collect();
        scratch.write(&place, &without);
        assert!(!scratch.run(&["check"]).stderr.contains("foreign-transaction"), "{without}");
        // A released script has run unchanged.
        scratch.write(&place, &text);
        scratch.run(&["freeze"]).succeeds();
        assert!(!scratch.run(&["check"]).stderr.contains("foreign-transaction"), "{text}");
    }
    // No warning for a comment that only looks like it, for one in a section of the other direction, or in a script with an error.
    for text in [
        line("-- no transaction here").as_str(),
        &line("-- no-transaction"),
        &line("-- migrate:up transaction:true"),
        &format!("-- migrate:up\n{tables}-- migrate:down transaction:false\n"),
        &line("-- lockgate: no-transaction\n-- migrate:up transaction:false"),
        "-- migrate:up transaction:false\nVACUUM;\n",
    ] {
        let scratch = Scratch::new();
        scratch.write("app/migrations/migrations.toml", "dialects = [\"sqlite\"]\n");
        scratch.write("app/migrations/0001_a.sql", text);
        let output = scratch.run(&["check"]).stderr;
        assert!(!output.contains("foreign-transaction"), "{text}:\n{output}");
    }
}

#[test]
fn a_settings_file_for_no_transaction_names_the_directive() {
    for (script, settings, text) in [
        ("0001_a.sql", "0001_a.sql.conf", "executeInTransaction=false\n"),
        ("0001_a/up.sql", "0001_a/metadata.toml", "# why\nrun_in_transaction = false\n"),
    ] {
        let scratch = Scratch::new();
        scratch.write(&format!("app/migrations/{script}"), "CREATE TABLE a (id INT);\n");
        scratch.write(&format!("app/migrations/{settings}"), text);
        let output = scratch.run(&["check"]).fails(1);
        let help = format!(
            "write `-- lockgate: no-transaction` as the first line of `{script}`, which says the same, and delete this file"
        );
        assert!(output.contains(&help), "{output}");
        scratch.write(&format!("app/migrations/{settings}"), "batch_mode = true\n");
        let output = scratch.run(&["check"]).fails(1);
        assert!(!output.contains("which says the same"), "{output}");
    }
}

#[test]
fn sections_become_files() {
    // dbmate
    converts(
        "==> 20240101000000_users.sql\n-- Who they are.\n-- migrate:up\nCREATE TABLE users (id INT);\n\n-- migrate:down\nDROP TABLE users;\n\
         ==> 20240202000000_tags.sql\n-- migrate:up\nCREATE TABLE tags (id INT);\n-- migrate:down\n",
        "==> 20240101000000_users.up.sql\n-- Who they are.\nCREATE TABLE users (id INT);\n\n\
         ==> 20240101000000_users.down.sql\nDROP TABLE users;\n\
         ==> 20240202000000_tags.sql\n-- migrate:up\nCREATE TABLE tags (id INT);\n-- migrate:down\n",
    );
    // goose, written on Windows, with a trigger in which semicolons end nothing, and two rounds
    converts(
        &"==> 00001_t.sql\n\u{feff}-- +goose Up\n-- +goose StatementBegin\nCREATE TABLE t (id INT, s TEXT DEFAULT '\n-- +goose Down\n');\n\
          -- +goose StatementEnd\n-- +goose Down\nDROP TABLE t;\n-- +goose Up\nCREATE TABLE u (id INT);\n-- +goose Down\nDROP TABLE u;\n"
            .replace('\n', "\r\n").replacen("\r\n", "\n", 1),
        &"==> 00001_t.up.sql\nCREATE TABLE t (id INT, s TEXT DEFAULT '\n-- +goose Down\n');\nCREATE TABLE u (id INT);\n\
          ==> 00001_t.down.sql\nDROP TABLE t;\nDROP TABLE u;\n"
            .replace('\n', "\r\n").replace("sql\r\n", "sql\n"),
    );
    // sql-migrate, whose names may have a dash; tern; node-pg-migrate without a newline at the end
    converts(
        "==> 1-users.sql\n-- +migrate Up\nCREATE TABLE users (id INT);\n-- +migrate Down\nDROP TABLE users;\n\
         ==> 002_tags.sql\nCREATE TABLE tags (id INT);\n---- create above / drop below ----\nDROP TABLE tags;\n\
         ==> 0003_more.sql\n-- Up Migration\nCREATE TABLE more (id INT);\n-- Down Migration\nDROP TABLE more",
        "==> 1_users.up.sql\nCREATE TABLE users (id INT);\n==> 1_users.down.sql\nDROP TABLE users;\n\
         ==> 002_tags.up.sql\nCREATE TABLE tags (id INT);\n==> 002_tags.down.sql\nDROP TABLE tags;\n\
         ==> 0003_more.up.sql\nCREATE TABLE more (id INT);\n==> 0003_more.down.sql\nDROP TABLE more",
    );
}

#[test]
fn a_wish_for_no_transaction_is_kept() {
    converts(
        "==> 1_a.sql\n-- migrate:up transaction:false\nCREATE TABLE a (id INT);\n-- migrate:down\nDROP TABLE a;\n\
         ==> 2_b.sql\n-- +goose NO TRANSACTION\n-- +goose Up\nCREATE TABLE b (id INT);\n\
         ==> 3_c/up.sql\nCREATE TABLE c (id INT);\n==> 3_c/down.sql\nDROP TABLE c;\n\
         ==> 3_c/metadata.toml\n# diesel\nrun_in_transaction = false\n",
        "==> 1_a.up.sql\n-- lockgate: no-transaction\nCREATE TABLE a (id INT);\n==> 1_a.down.sql\nDROP TABLE a;\n\
         ==> 2_b.sql\n-- lockgate: no-transaction\n-- +goose NO TRANSACTION\n-- +goose Up\nCREATE TABLE b (id INT);\n\
         ==> 3_c.up.sql\n-- lockgate: no-transaction\nCREATE TABLE c (id INT);\n\
         ==> 3_c.down.sql\n-- lockgate: no-transaction\nDROP TABLE c;\n",
    );
}

#[test]
fn layouts_become_names() {
    // diesel, whose folders are gone afterwards
    converts(
        "==> 00000000000000_diesel_initial_setup/up.sql\nCREATE TABLE a (id INT);\n\
         ==> 00000000000000_diesel_initial_setup/down.sql\nDROP TABLE a;\n\
         ==> 2026-01-02-030405_create-users/up.sql\nCREATE TABLE users (id INT);\n\
         ==> 2026-01-02-030405_create-users/down.sql\nDROP TABLE users;\n",
        "==> 00000000000000_diesel_initial_setup.up.sql\nCREATE TABLE a (id INT);\n\
         ==> 00000000000000_diesel_initial_setup.down.sql\nDROP TABLE a;\n\
         ==> 20260102030405_create-users.up.sql\nCREATE TABLE users (id INT);\n\
         ==> 20260102030405_create-users.down.sql\nDROP TABLE users;\n",
    );
    // diesel, which counts the migrations of one second in some of its releases
    converts(
        "==> 2026-01-02-030405-0000_a/up.sql\nCREATE TABLE a (id INT);\n==> 2026-02-02-030405_b/up.sql\nCREATE TABLE b (id INT);\n",
        "==> 20260102030405_a.sql\nCREATE TABLE a (id INT);\n==> 20260202030405_b.sql\nCREATE TABLE b (id INT);\n",
    );
    converts(
        "==> 2026-01-02-030405-0001_a/up.sql\nCREATE TABLE a (id INT);\n==> 2026-02-02-030405_b/up.sql\nCREATE TABLE b (id INT);\n",
        "==> 202601020304050001_a.sql\nCREATE TABLE a (id INT);\n==> 202602020304050000_b.sql\nCREATE TABLE b (id INT);\n",
    );
    // Flyway with whole numbers
    converts(
        "==> V1__Create users.sql\nCREATE TABLE users (id INT);\n==> U1__Drop them.sql\nDROP TABLE users;\n\
         ==> V2__tags.sql\nCREATE TABLE tags (id INT);\n==> R__names.sql\nDROP VIEW IF EXISTS names;\nCREATE VIEW names AS SELECT id FROM users;\n",
        "==> 1_Create users.up.sql\nCREATE TABLE users (id INT);\n==> 1_Create users.down.sql\nDROP TABLE users;\n\
         ==> 2_tags.sql\nCREATE TABLE tags (id INT);\n==> R__names.sql\nDROP VIEW IF EXISTS names;\nCREATE VIEW names AS SELECT id FROM users;\n",
    );
    // Flyway with others
    converts(
        "==> V1.10__c.sql\nCREATE TABLE c (id INT);\n==> V1.9__b.sql\nCREATE TABLE b (id INT);\n==> V1__a.sql\nCREATE TABLE a (id INT);\n\
         ==> U1.9__b.sql\nDROP TABLE b;\n",
        "==> 0001_a.sql\nCREATE TABLE a (id INT);\n==> 0002_b.up.sql\nCREATE TABLE b (id INT);\n==> 0002_b.down.sql\nDROP TABLE b;\n\
         ==> 0003_c.sql\nCREATE TABLE c (id INT);\n",
    );
    // postgrator, yoyo, ragtime, db-migrate, two folders, Prisma
    converts(
        "==> 001.do.users.sql\nCREATE TABLE users (id INT);\n==> 001.undo.users.sql\nDROP TABLE users;\n\
         ==> 0002.tags.sql\nCREATE TABLE tags (id INT);\n==> 0002.tags.rollback.sql\nDROP TABLE tags;\n\
         ==> 003-c.up.sql\nCREATE TABLE c (id INT);\n==> 003-c.down.sql\nDROP TABLE c;\n\
         ==> 004-d-up.sql\nCREATE TABLE d (id INT);\n==> 004-d-down.sql\nDROP TABLE d;\n\
         ==> 005_e_up.sql\nCREATE TABLE e (id INT);\n==> 005_e_down.sql\nDROP TABLE e;\n\
         ==> up/006_f.sql\nCREATE TABLE f (id INT);\n==> down/006_f.sql\nDROP TABLE f;\n\
         ==> 007_sign_up.sql\nCREATE TABLE g (id INT);\n\
         ==> 20260102030405_init/migration.sql\nCREATE TABLE h (id INT);\n",
        "==> 001_users.up.sql\nCREATE TABLE users (id INT);\n==> 001_users.down.sql\nDROP TABLE users;\n\
         ==> 0002_tags.up.sql\nCREATE TABLE tags (id INT);\n==> 0002_tags.down.sql\nDROP TABLE tags;\n\
         ==> 003_c.up.sql\nCREATE TABLE c (id INT);\n==> 003_c.down.sql\nDROP TABLE c;\n\
         ==> 004_d.up.sql\nCREATE TABLE d (id INT);\n==> 004_d.down.sql\nDROP TABLE d;\n\
         ==> 005_e.up.sql\nCREATE TABLE e (id INT);\n==> 005_e.down.sql\nDROP TABLE e;\n\
         ==> 006_f.up.sql\nCREATE TABLE f (id INT);\n==> 006_f.down.sql\nDROP TABLE f;\n\
         ==> 007_sign_up.sql\nCREATE TABLE g (id INT);\n\
         ==> 20260102030405_init.sql\nCREATE TABLE h (id INT);\n",
    );
}

#[test]
fn a_conversion_that_would_lose_something_is_refused() {
    let folder = files(
        "==> 1_a.sql\n-- migrate:up\nCREATE TABLE a (id INT);\n-- migrate:down\nDROP TABLE a;\n==> 1_a.down.sql\nDROP TABLE a;\n\
         ==> V2__b.sql\nCREATE TABLE b (id INT);\n==> 2_b.sql\nCREATE TABLE b (id INT);\n",
    );
    let scratch = with(&folder);
    let before = scratch.everything();
    for words in [&["init", "--dialects", "sqlite"][..], &["init", "--dialects", "sqlite", "--convert"]] {
        let output = scratch.run(words).fails(1);
        assert!(output.contains("`1_a.sql` would become `1_a.down.sql`, which exists"), "{output}");
        assert!(output.contains("`V2__b.sql` would become `2_b.sql`, which exists"), "{output}");
        assert_eq!(scratch.everything(), before);
    }
}

#[test]
fn released_lines_are_kept_and_drafts_are_recorded_again() {
    let scratch = Scratch::with_migrations();
    scratch.write(
        "app/migrations/0002_tags.up.sql",
        "-- +goose Up\nCREATE TABLE tags (id INT);\n-- +goose Down\nDROP TABLE tags;\n",
    );
    let output = scratch.run(&["check"]).fails(1);
    assert!(
        output.contains("error[foreign-section]: goose's down section")
            && output.contains("delete lines 4 to 4") | output.contains("delete line 4"),
        "{output}"
    );
    std::fs::remove_file(scratch.path("app/migrations/0002_tags.down.sql")).unwrap();
    let output = scratch.run(&["init", "--convert", "--dialects", "sqlite"]).succeeds();
    assert!(
        output.contains("split   0002_tags.up.sql -> 0002_tags.up.sql (line 2), 0002_tags.down.sql (line 4)"),
        "{output}"
    );
    assert_eq!(scratch.read("app/migrations/0002_tags.up.sql"), "CREATE TABLE tags (id INT);\n");
    assert_eq!(scratch.read("app/migrations/0002_tags.down.sql"), "DROP TABLE tags;\n");
    let lockfile = scratch.read("app/migrations/migrations.lock");
    assert!(lockfile.contains("0001_users") && lockfile.contains("0002_tags"), "{lockfile}");
    let output = scratch.run(&["check"]);
    assert!(!output.stderr.contains("[edited]") && !output.stderr.contains("0002_tags.up.sql"), "{}", output.stderr);
}
