//! `cargo xtask adopt`: makes the folder of another tool one of Lockgate. Real runs on scratch workspaces, most of them
//! in a clone of git.

use std::process::Command;

use crate::support::scratch::Scratch;

const FOLDER: &str = "app/migrations";
const USERS: &str = "CREATE TABLE users (id BIGINT PRIMARY KEY);\n";
const TAGS: &str = "CREATE TABLE tags (id BIGINT PRIMARY KEY);\n";
const DIALECT: [&str; 2] = ["--dialects", "sqlite"];

fn with(files: &[(&str, &str)]) -> Scratch {
    let scratch = Scratch::new();
    files.iter().for_each(|(path, text)| scratch.write(&format!("{FOLDER}/{path}"), text));
    scratch
}

fn adopt(scratch: &Scratch, words: &[&str]) -> crate::support::scratch::Output {
    scratch.run(&[&["adopt"], words, &DIALECT].concat())
}

/// The names of the migrations' files, without those that `init` writes for any folder.
fn names(scratch: &Scratch) -> Vec<String> {
    let folder = scratch.path(FOLDER);
    let files = scratch.everything().into_iter();
    let names = files.filter_map(|(path, _)| Some(path.strip_prefix(&folder).ok()?.to_string_lossy().into_owned()));
    names.filter(|name| !matches!(name.as_str(), "migrations.toml" | "migrations.lock" | ".gitattributes")).collect()
}

fn git(scratch: &Scratch, words: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]).args(words);
    let output = command.current_dir(scratch.path(".")).output().unwrap();
    assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn it_shows_what_it_would_do_and_does_that_with_write() {
    const GOOSE: &str = "-- +goose Up\nCREATE TABLE a (x INT);\n-- +goose Down\nDROP TABLE a;\n";
    const DBMATE: &str = "-- migrate:up\nCREATE TABLE a (x INT);\n-- migrate:down\nDROP TABLE a;\n";
    const LIQUIBASE: &str =
        "--liquibase formatted sql\n--changeset ann:1\nCREATE TABLE a (x INT);\n--rollback DROP TABLE a;\n";
    let plan = "%project=app\nusers 2026-01-01T10:00:00Z Ann <ann@example.org> # Add users\n";
    for (from, files, expected) in [
        ("refinery", &[("V1__users.sql", USERS), ("U2__tags.sql", TAGS)][..], &["1_users.sql", "2_tags.sql"][..]),
        (
            "flyway",
            &[("V1__users.sql", USERS), ("U1__users.sql", "DROP TABLE users;\n")],
            &["1_users.down.sql", "1_users.up.sql"],
        ),
        (
            "diesel",
            &[("2026-01-02-030405_users/up.sql", USERS), ("2026-01-02-030405_users/down.sql", "DROP TABLE users;\n")],
            &["20260102030405_users.down.sql", "20260102030405_users.up.sql"],
        ),
        ("goose", &[("00001_a.sql", GOOSE)], &["00001_a.down.sql", "00001_a.up.sql"]),
        ("dbmate", &[("20260102030405_a.sql", DBMATE)], &["20260102030405_a.down.sql", "20260102030405_a.up.sql"]),
        ("liquibase", &[("0001_a.sql", LIQUIBASE)], &["0001_a.down.sql", "0001_a.up.sql"]),
        (
            "sqitch",
            &[("sqitch.plan", plan), ("deploy/users.sql", USERS), ("revert/users.sql", "DROP TABLE users;\n")],
            &["0001_users.down.sql", "0001_users.up.sql", "sqitch.plan"],
        ),
    ] {
        let scratch = with(files);
        let untouched = scratch.everything();
        let shown = adopt(&scratch, &["--from", from]).succeeds();
        let typed =
            format!("nothing was changed: run `cargo xtask adopt --from {from} --dialects sqlite --write` to do it");
        assert!(shown.trim_end().ends_with(&typed), "{shown}");
        assert_eq!(scratch.everything(), untouched, "{from}");
        let done = adopt(&scratch, &["--from", from, "--write"]).succeeds();
        if from == "sqitch" {
            assert!(
                done.contains("left    sqitch.plan")
                    && done.contains("now run `cargo xtask check`: it shows 1 problem")
            );
            std::fs::remove_file(scratch.path("app/migrations/sqitch.plan")).unwrap();
        } else {
            assert!(done.trim_end().ends_with("then `app adopt` of your own program on each database"), "{done}");
        }
        let expected: Vec<&&str> = expected.iter().filter(|name| **name != "sqitch.plan").collect();
        assert_eq!(names(&scratch).iter().collect::<Vec<_>>(), expected, "{from}");
        scratch.run(&["check"]).succeeds();
        let all = scratch.everything();
        let again = adopt(&scratch, &["--from", from, "--write"]).succeeds();
        assert!(again.starts_with("no file of `app/migrations` has to be renamed or split"), "{again}");
        assert_eq!(scratch.everything(), all, "{from}");
    }
}

#[test]
fn a_folder_of_another_tool_is_refused_by_name() {
    let scratch = with(&[("V1__users.sql", USERS)]);
    let output = adopt(&scratch, &["--from", "diesel"]).fails(1);
    assert_eq!(
        output,
        "error: `app/migrations/V1__users.sql` is a file of flyway or refinery, and not of diesel, whose layout is \
         `2026-01-02-030405_users/up.sql` and `down.sql`: type `--from flyway` or `--from refinery`\n"
    );
    let output = adopt(&scratch, &[]).fails(1);
    assert!(
        output.contains("`app/migrations/V1__users.sql` can be a file of flyway or refinery: say which with `--from`"),
        "{output}"
    );
    let output = adopt(&scratch, &["--from", "oracle"]).fails(2);
    assert!(output.contains("Lockgate knows the folders of sqlx, refinery, diesel"), "{output}");

    // Where only one tool writes such files, its name may be left out.
    let scratch = with(&[("0001_a.sql", "-- migrate:up\nCREATE TABLE a (x INT);\n-- migrate:down\nDROP TABLE a;\n")]);
    let shown = adopt(&scratch, &[]).succeeds();
    assert!(shown.contains("cargo xtask adopt --from dbmate --dialects sqlite --write"), "{shown}");
    scratch.write(&format!("{FOLDER}/V2__b.sql"), "CREATE TABLE b (x INT);\n");
    let output = adopt(&scratch, &[]).fails(1);
    assert!(
        output.contains("0001_a.sql` is a file of dbmate, and `app/migrations/V2__b.sql` one of flyway or refinery"),
        "{output}"
    );

    let scratch = with(&[("changelog.xml", "<databaseChangeLog/>\n")]);
    let output = adopt(&scratch, &["--from", "liquibase"]).fails(1);
    assert!(
        output.contains("has no migration in SQL") && output.contains("`liquibase update-sql` prints it"),
        "{output}"
    );
    // A record that a tool keeps of its files is named even where no file has to be renamed.
    let scratch = with(&[("20240101000000_users.sql", USERS), ("atlas.sum", "h1:x=\n")]);
    let shown = adopt(&scratch, &["--from", "atlas"]).succeeds();
    assert!(shown.contains("  left    atlas.sum: this is Atlas's own: delete it"), "{shown}");

    let scratch = with(&[("0001_a.sql", "-- +goose Up\nSELECT 1;\n"), ("0002_b.sql", "-- migrate:up\nSELECT 1;\n")]);
    for words in [&["--from", "goose"][..], &["--from", "dbmate"], &[]] {
        let output = adopt(&scratch, words).fails(1);
        assert!(
            output.contains("is a file of goose, and `app/migrations/0002_b.sql` one of dbmate: put each into"),
            "{output}"
        );
    }

    // Migrations that are programs have no SQL to take over.
    let scratch = with(&[("0001_initial.py", "")]);
    let output = adopt(&scratch, &["--from", "django"]).fails(1);
    assert!(
        output.contains("has no migration in SQL") && output.contains("`manage.py sqlmigrate APP NUMBER` prints it"),
        "{output}"
    );
}

#[test]
fn values_that_flyway_fills_in_are_refused_at_their_lines() {
    let text = "-- by ${author}\nCREATE TABLE users (id BIGINT PRIMARY KEY, host TEXT DEFAULT '${host}');\n";
    let scratch = with(&[("V1__users.sql", text)]);
    let output = scratch.run(&["check"]).fails(1);
    assert!(output.contains("Flyway writes a value in the place of `${host}`, and Lockgate does not"), "{output}");
    assert!(output.contains("V1__users.sql:2:63"), "{output}");
    let output = adopt(&scratch, &["--from", "flyway", "--write"]).fails(1);
    assert!(
        output.contains(
            "`V1__users.sql`:2: Flyway writes a value in the place of `${host}`: write the value in its place"
        ) && !output.contains("author"),
        "{output}"
    );
    assert_eq!(names(&scratch), ["V1__users.sql"]);
    let done = adopt(&scratch, &["--from", "flyway", "--keep-placeholders", "--write"]).succeeds();
    assert!(done.contains("renamed V1__users.sql -> 1_users.sql"), "{done}");
    // Now it is an ordinary text.
    scratch.run(&["check"]).succeeds();
}

#[test]
fn a_folder_in_the_layout_of_sqlx_stays_as_it_is() {
    for from in ["sqlx", "golang-migrate"] {
        let scratch = with(&[("1_users.up.sql", USERS), ("1_users.down.sql", "DROP TABLE users;\n")]);
        let done = adopt(&scratch, &["--from", from, "--write"]).succeeds();
        assert!(done.starts_with("no file of `app/migrations` has to be renamed or split\n"), "{done}");
        assert_eq!(names(&scratch), ["1_users.down.sql", "1_users.up.sql"]);
        scratch.run(&["check"]).succeeds();
    }
}

#[test]
fn migrations_of_one_time_are_put_in_a_row() {
    let scratch = with(&[
        ("20260102030405_users/migration.sql", USERS),
        ("20260102030405_tags/migration.sql", TAGS),
        ("20260102030500_notes/migration.sql", "CREATE TABLE notes (id BIGINT PRIMARY KEY);\n"),
        ("migration_lock.toml", "provider = \"sqlite\"\n"),
    ]);
    let done = adopt(&scratch, &["--from", "prisma", "--write"]).succeeds();
    for line in [
        "renamed 20260102030405_users/migration.sql -> 20260102030406_users.sql: another migration has the same time\n",
        "left    migration_lock.toml: this is Prisma's own: delete it when nobody runs Prisma on this folder any more\n",
    ] {
        assert!(done.contains(line), "no «{line}» in:\n{done}");
    }
    std::fs::remove_file(scratch.path("app/migrations/migration_lock.toml")).unwrap();
    assert_eq!(names(&scratch), ["20260102030405_tags.sql", "20260102030406_users.sql", "20260102030500_notes.sql"]);
    scratch.run(&["check"]).succeeds();
}

#[test]
fn git_keeps_the_history_and_every_edit() {
    let old =
        "CREATE TABLE users (\n    id BIGINT PRIMARY KEY,\n    name TEXT NOT NULL,\n    email TEXT NOT NULL\n);\n";
    let scratch = with(&[("V1__users.sql", old), ("V2__tags.sql", TAGS)]);
    git(&scratch, &["init", "--quiet"]);
    git(&scratch, &["add", "--all"]);
    git(&scratch, &["commit", "--quiet", "-m", "first"]);
    // One edit that is staged, one that is not, and a file that git does not know.
    let (staged, edited) = (old.replace("email", "mail"), TAGS.replace("tags", "labels"));
    scratch.write(&format!("{FOLDER}/V1__users.sql"), &staged);
    git(&scratch, &["add", "--all"]);
    scratch.write(&format!("{FOLDER}/V2__tags.sql"), &edited);
    scratch.write(&format!("{FOLDER}/V3__notes.sql"), "CREATE TABLE notes (id BIGINT);\n");

    let done = adopt(&scratch, &["--from", "refinery", "--write"]).succeeds();
    assert!(done.contains("moved   2 files in git's index\n"), "{done}");
    assert_eq!(scratch.read(&format!("{FOLDER}/1_users.sql")), staged);
    assert_eq!(scratch.read(&format!("{FOLDER}/2_tags.sql")), edited);
    assert_eq!(git(&scratch, &["show", ":app/migrations/1_users.sql"]), staged);
    assert_eq!(git(&scratch, &["show", ":app/migrations/2_tags.sql"]), TAGS);
    let status = git(&scratch, &["status", "--porcelain", "app/migrations"]);
    for line in ["RM app/migrations/V2__tags.sql -> app/migrations/2_tags.sql\n", "?? app/migrations/3_notes.sql\n"] {
        assert!(status.contains(line), "no «{line}» in:\n{status}");
    }
    git(&scratch, &["commit", "--quiet", "-m", "second"]);
    let log = git(&scratch, &["log", "--follow", "--format=%s", "app/migrations/1_users.sql"]);
    assert_eq!(log, "second\nfirst\n");
}

#[test]
fn git_follows_a_file_that_is_split_into_its_up_script() {
    let up = "CREATE TABLE users (\n    id BIGINT PRIMARY KEY,\n    name TEXT NOT NULL,\n    email TEXT NOT NULL\n);\n";
    let scratch = with(&[("1_a.sql", &format!("-- +goose Up\n{up}-- +goose Down\nDROP TABLE users;\n"))]);
    git(&scratch, &["init", "--quiet"]);
    git(&scratch, &["add", "--all"]);
    git(&scratch, &["commit", "--quiet", "-m", "first"]);
    adopt(&scratch, &["--from", "goose", "--write"]).succeeds();
    git(&scratch, &["add", "--all"]);
    git(&scratch, &["commit", "--quiet", "-m", "second"]);
    assert_eq!(scratch.read(&format!("{FOLDER}/1_a.up.sql")), up);
    let log = git(&scratch, &["log", "--follow", "--format=%s", "app/migrations/1_a.up.sql"]);
    assert_eq!(log, "second\nfirst\n");
}

#[test]
fn a_conflict_of_a_merge_is_refused_before_anything_changes() {
    let scratch = with(&[("V1__users.sql", USERS)]);
    git(&scratch, &["init", "--quiet", "--initial-branch=main"]);
    let commit = |text: &str| {
        scratch.write(&format!("{FOLDER}/V1__users.sql"), text);
        git(&scratch, &["add", "--all"]);
        git(&scratch, &["commit", "--quiet", "-m", "it"]);
    };
    commit(USERS);
    git(&scratch, &["checkout", "--quiet", "-b", "theirs"]);
    commit(&USERS.replace("id", "key"));
    git(&scratch, &["checkout", "--quiet", "main"]);
    commit(&USERS.replace("id", "number"));
    let merge = Command::new("git").args(["merge", "theirs"]).current_dir(scratch.path(".")).output().unwrap();
    assert!(!merge.status.success());
    scratch.write(&format!("{FOLDER}/V1__users.sql"), USERS);
    let before = scratch.read(&format!("{FOLDER}/V1__users.sql"));
    let message = adopt(&scratch, &["--from", "refinery", "--write"]).fails(1);
    assert!(message.contains("`V1__users.sql` has a conflict of a merge: resolve it and run `git add`"), "{message}");
    assert_eq!(scratch.read(&format!("{FOLDER}/V1__users.sql")), before);
    // What the message says.
    git(&scratch, &["add", "--all"]);
    adopt(&scratch, &["--from", "refinery", "--write"]).succeeds();
    scratch.run(&["check"]).succeeds();
}

#[test]
fn tests_are_written_where_they_are_required() {
    let files = [("V1__users.sql", USERS), ("V2__tags.sql", TAGS)];
    // Nobody has asked for tests of migrations that are long applied.
    let scratch = with(&files);
    adopt(&scratch, &["--from", "flyway", "--write"]).succeeds();
    assert!(scratch.read("app/migrations/migrations.toml").contains("tests = \"optional\""));
    assert!(!scratch.path("app/tests/migrations/1_users.rs").exists());

    let policies = ["", "dialects = [\"sqlite\"]\ntests = \"required\"\n"];
    for (policy, flags) in policies.into_iter().zip([&["--tests"][..], &[]]) {
        let scratch = with(&files);
        if !policy.is_empty() {
            scratch.write("app/migrations/migrations.toml", policy);
        }
        let shown = adopt(&scratch, &[&["--from", "flyway"], flags].concat()).succeeds();
        assert!(shown.contains("  new     app/tests/migrations/1_users.rs\n"), "{shown}");
        adopt(&scratch, &[&["--from", "flyway", "--write"], flags].concat()).succeeds();
        assert!(scratch.read("app/migrations/migrations.toml").contains("tests = \"required\""));
        for name in ["1_users", "2_tags"] {
            let test = scratch.read(&format!("app/tests/migrations/{name}.rs"));
            assert!(test.contains("not written yet"), "{test}");
        }
        scratch.run(&["check"]).succeeds();
    }
}
