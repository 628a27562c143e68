//! `cargo xtask generate`: from the desired schema to a proven migration, as somebody types it.

use std::process::Command;

use lockgate_testing::server::Options;
use sqlx::{AssertSqlSafe, Executor};

use crate::support::postgres;
use crate::support::scratch::{Output, Scratch, xtask};
use crate::support::terminal::Terminal;

/// A workspace whose package `app` has no migration yet.
fn project(dialects: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch.run(&["init", "--dialects", dialects]).succeeds();
    scratch
}

const USERS: &str = "CREATE TABLE users (\n  id INTEGER PRIMARY KEY,\n  name TEXT NOT NULL\n);\n";
const POSTS: &str = "CREATE INDEX posts_author ON posts (author);\n\nCREATE TABLE posts (\n  id INTEGER PRIMARY KEY,\n  \
                     author INTEGER NOT NULL REFERENCES users (id)\n);\n";

/// The same with two tables, and the migration that makes them.
fn library() -> Scratch {
    let scratch = project("sqlite");
    scratch.write("app/schema/users.sql", USERS);
    scratch.write("app/schema/posts.sql", POSTS);
    scratch.run(&["generate", "create users and posts"]).succeeds();
    scratch
}

fn migration(scratch: &Scratch, name: &str) -> [String; 2] {
    ["up", "down"].map(|direction| scratch.read(&format!("app/migrations/{name}.{direction}.sql")))
}

#[test]
fn files_in_any_order_become_a_migration_and_nothing_is_left() {
    let scratch = project("sqlite");
    scratch.write("app/schema/tables/users.sql", USERS);
    scratch.write("app/schema/posts.sql", POSTS);
    scratch.write("app/schema/README.md", "What there should be.\n");
    let output = scratch.run(&["generate", "create users and posts"]).succeeds();
    assert_eq!(
        output,
        "app/migrations/0001_create_users_and_posts.up.sql\napp/migrations/0001_create_users_and_posts.down.sql\n\
         app/tests/migrations/0001_create_users_and_posts.rs\napp/migrations/migrations.lock\n\
         proven on SQLite: up, down and up again, in a database without tables\n"
    );
    let [up, down] = migration(&scratch, "0001_create_users_and_posts");
    let [users, posts] = ["CREATE TABLE users", "CREATE TABLE posts"].map(|words| up.find(words).expect("it is made"));
    assert!(users < posts, "{up}");
    assert!(up.starts_with("-- Create users and posts: drafted from app/schema.\n"), "{up}");
    assert!(
        down.starts_with("-- Reverts 0001_create_users_and_posts.\n") && down.contains("DROP TABLE users;"),
        "{down}"
    );

    let again = scratch.run(&["generate", "more"]).succeeds();
    assert_eq!(again, "nothing to do: the migrations make what app/schema says\n");
    let checked = scratch.run(&["check"]).succeeds();
    assert!(checked.ends_with("; the migrations and `app/schema` are alike on SQLite\n"), "{checked}");
}

#[test]
fn a_folder_without_a_desired_schema_says_what_to_write() {
    let scratch = project("sqlite");
    let output = scratch.run(&["generate", "x"]).fails(1);
    assert!(output.contains("there is no desired schema: write `CREATE TABLE …`"), "{output}");
    assert!(output.contains("`app/schema/*.sql`, in any order"), "{output}");
    let output = scratch.run(&["generate", "?"]).fails(1);
    assert!(output.contains("\"?\" is not a name"), "{output}");
}

/// Rows are in both tables while the draft is proven.
#[test]
fn a_new_column_is_drafted_with_its_way_back_and_its_test() {
    let scratch = library();
    scratch.write("app/schema/users.sql", &USERS.replace("NOT NULL\n", "NOT NULL,\n  age INT\n"));
    let red = scratch.run(&["check"]).fails(1);
    for part in [
        "error[schema-differs]: on SQLite: table users: column age is only in `app/schema` (real)\n--> app/schema",
        "help: if `app/schema` is right, this drafts the migration: `cargo xtask generate \"what it changes\"`",
    ] {
        assert!(red.contains(part), "`{part}` is missing: {red}");
    }
    let output = scratch.run(&["generate", "add age to users"]).succeeds();
    assert!(output.contains("proven on SQLite: up, down and up again, with rows in 2 of 2 tables\n"), "{output}");
    let [up, down] = migration(&scratch, "0002_add_age_to_users");
    assert!(up.contains("\nALTER TABLE users ADD COLUMN age INT;\n"), "{up}");
    assert!(down.contains("\nALTER TABLE users DROP COLUMN age;\n"), "{down}");
    let test = scratch.read("app/tests/migrations/0002_add_age_to_users.rs");
    assert!(test.contains("    db.expect_no_column(\"users\", \"age\").await\n"), "{test}");
    assert!(test.contains("    db.expect_column(\"users\", \"age\").await\n"), "{test}");
    scratch.run(&["check"]).succeeds();
    assert!(scratch.run(&["generate", "again"]).succeeds().starts_with("nothing to do"));

    let same = scratch.run(&["generate", "add age to users"]).fails(1);
    assert!(same.contains("`0002_add_age_to_users` already has this name"), "{same}");
}

#[test]
fn an_answer_is_kept_until_something_changes() {
    let scratch = library();
    let answers = || std::fs::read_dir(scratch.path("target/lockgate/desired")).map_or(0, Iterator::count);
    scratch.run(&["check"]).succeeds();
    assert_eq!(answers(), 1);
    scratch.run(&["check"]).succeeds();
    assert_eq!(answers(), 1, "an answer is kept under the same name");
    scratch.write("app/schema/tags.sql", "CREATE TABLE tags (name TEXT);\n");
    for _ in 0..2 {
        let red = scratch.run(&["check"]).fails(1);
        assert!(red.contains("table tags is only in `app/schema`"), "{red}");
    }
    assert_eq!(answers(), 2);
    std::fs::remove_file(scratch.path("app/schema/tags.sql")).unwrap();
    scratch.run(&["check"]).succeeds();
}

#[test]
fn a_dry_run_shows_the_scripts_and_writes_nothing() {
    let scratch = library();
    scratch.write("app/schema/tags.sql", "CREATE TABLE tags (name TEXT);\n");
    let before = scratch.everything();
    let output = scratch.run(&["generate", "tags", "--dry-run"]).succeeds();
    for part in ["-- migrations/0002_tags.up.sql\n", "CREATE TABLE tags", "DROP TABLE tags", "nothing was written\n"] {
        assert!(output.contains(part), "`{part}` is missing: {output}");
    }
    assert!(before == scratch.everything());
}

#[test]
fn data_is_deleted_only_if_that_is_allowed() {
    let scratch = library();
    scratch.run(&["freeze"]).succeeds();
    std::fs::remove_file(scratch.path("app/schema/posts.sql")).unwrap();
    scratch.write("app/schema/users.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY);\n");
    let before = scratch.everything();
    let output = scratch.run(&["generate", "less"]).fails(1);
    for part in [
        "the draft would delete data, so nothing was written:\n",
        "  drop-table: DROP TABLE posts\n",
        "if that is meant, add `--allow drop-table --allow drop-column`",
    ] {
        assert!(output.contains(part), "`{part}` is missing: {output}");
    }
    let output = scratch.run(&["generate", "less", "--allow", "drop-table"]).fails(1);
    assert!(output.contains("add `--allow drop-column`") && !output.contains("DROP TABLE posts"), "{output}");
    assert!(before == scratch.everything());
    let output = scratch.run(&["generate", "less", "--allow", "drop-tables"]).fails(2);
    assert!(output.contains("drop-table, drop-column") && output.contains("all"), "{output}");

    scratch.run(&["generate", "less", "--allow", "drop-table", "--allow", "drop-column"]).succeeds();
    let [up, _] = migration(&scratch, "0002_less");
    assert!(up.contains("-- lockgate: allow(drop-table) \"asked for when this was drafted\"\n"), "{up}");
    assert!(up.contains("-- Deletes data (drop-table).\nDROP TABLE posts;\n"), "{up}");
    let test = scratch.read("app/tests/migrations/0002_less.rs");
    assert!(test.contains("pub const LOSES_ROWS: &[&str] = &[\"posts\"];\n"), "{test}");
    assert!(test.contains("pub const LOSES_VALUES: &[&str] = &[\"users.name\"];\n"), "{test}");
}

const RENAMED: &str = "CREATE TABLE users (\n  id INTEGER PRIMARY KEY,\n  full_name TEXT NOT NULL\n);\n";

#[test]
fn a_rename_is_never_guessed() {
    let scratch = library();
    scratch.write("app/schema/users.sql", RENAMED);
    let before = scratch.everything();
    let output = scratch.run(&["generate", "rename"]).fails(1);
    for part in [
        "these may have been renamed, and nothing was written:\n  users.name → full_name\n",
        "add `--rename users.name=full_name` for those that were, and `--no-renames` if none, or no other, was",
    ] {
        assert!(output.contains(part), "`{part}` is missing: {output}");
    }
    let output = scratch.run(&["generate", "rename", "--no-renames"]).fails(1);
    assert!(output.contains("add `--allow drop-column`; if something has another name now"), "{output}");
    let output = scratch.run(&["generate", "rename", "--rename", "users.name=fullname"]).fails(1);
    assert!(output.contains("is not a column of the desired schema"), "{output}");
    assert!(before == scratch.everything());

    scratch.run(&["generate", "rename", "--rename", "users.name=full_name"]).succeeds();
    let [up, down] = migration(&scratch, "0002_rename");
    assert!(up.contains("\nALTER TABLE users RENAME COLUMN name TO full_name;\n"), "{up}");
    assert!(down.contains("\nALTER TABLE users RENAME COLUMN full_name TO name;\n"), "{down}");
    let test = scratch.read("app/tests/migrations/0002_rename.rs");
    assert!(!test.contains("LOSES_VALUES"), "{test}");
    scratch.run(&["check"]).succeeds();
}

#[test]
fn two_columns_can_swap_their_names() {
    let scratch = project("sqlite");
    scratch.write("app/schema/t.sql", "CREATE TABLE t (\n  id INTEGER PRIMARY KEY,\n  a TEXT,\n  b TEXT\n);\n");
    scratch.run(&["generate", "create t"]).succeeds();
    scratch.write("app/schema/t.sql", "CREATE TABLE t (\n  id INTEGER PRIMARY KEY,\n  b TEXT,\n  a TEXT\n);\n");
    scratch.run(&["generate", "swap", "--rename", "t.a=b", "--rename", "t.b=a"]).succeeds();
    let swap = "ALTER TABLE t RENAME COLUMN a TO a_before;\n\nALTER TABLE t RENAME COLUMN b TO a;\n\n\
                ALTER TABLE t RENAME COLUMN a_before TO b;\n";
    for text in migration(&scratch, "0002_swap") {
        assert!(text.ends_with(swap), "{text}");
    }
}

#[test]
fn a_column_under_a_view_on_a_view_can_be_renamed_and_dropped() {
    let scratch = project("sqlite");
    let schema = |column: &str, read: &str| {
        format!(
            "CREATE TABLE t (\n  id INTEGER PRIMARY KEY{column}\n);\nCREATE VIEW v AS SELECT {read} FROM t;\n\
             CREATE VIEW w AS SELECT {} FROM v;\n",
            read.rsplit(' ').next().unwrap()
        )
    };
    scratch.write("app/schema/t.sql", &schema(",\n  a TEXT", "a"));
    scratch.run(&["generate", "create t"]).succeeds();
    scratch.write("app/schema/t.sql", &schema(",\n  b TEXT", "b"));
    let output = scratch.run(&["generate", "rename", "--rename", "t.a=b"]).succeeds();
    assert!(output.contains("with rows in 1 of 1 table"), "{output}");
    scratch.write("app/schema/t.sql", &schema("", "id AS b"));
    let output = scratch.run(&["generate", "drop", "--allow", "drop-column"]).succeeds();
    assert!(output.contains("with rows in 1 of 1 table"), "{output}");
}

#[test]
fn a_comment_says_the_earlier_name_of_a_column_and_of_a_table() {
    let scratch = library();
    scratch.write(
        "app/schema/users.sql",
        "-- lockgate: was users\nCREATE TABLE members (\n  id INTEGER PRIMARY KEY,\n  -- lockgate: was name\n  full_name \
         TEXT NOT NULL\n);\n",
    );
    scratch.write("app/schema/posts.sql", &POSTS.replace("users", "members"));
    scratch.run(&["generate", "members"]).succeeds();
    let [up, down] = migration(&scratch, "0002_members");
    for (text, parts) in [
        (&up, ["ALTER TABLE users RENAME COLUMN name TO full_name;", "ALTER TABLE users RENAME TO members;"]),
        (&down, ["ALTER TABLE members RENAME TO users;", "ALTER TABLE users RENAME COLUMN full_name TO name;"]),
    ] {
        let [first, second] = parts.map(|part| text.find(part).unwrap_or_else(|| panic!("{part} is missing: {text}")));
        assert!(first < second, "{text}");
    }
    // The comments may stay: what they say has happened.
    assert!(scratch.run(&["generate", "again"]).succeeds().starts_with("nothing to do"));
    scratch.write("app/schema/tags.sql", "CREATE TABLE tags (\n  -- lockgate: was label\n  name TEXT\n);\n");
    scratch.run(&["generate", "tags"]).succeeds();

    scratch.write("app/schema/users.sql", &scratch.read("app/schema/users.sql").replace("was name", "wass name"));
    let output = scratch.run(&["generate", "wrong"]).fails(1);
    assert!(output.contains("error[bad-directive]") && output.contains("did you mean `was`?"), "{output}");
}

fn at_a_terminal(scratch: &Scratch, words: &[&str]) -> Terminal {
    let mut command = Command::new(xtask());
    command.args(words).current_dir(scratch.path("."));
    Terminal::start(&command, 200)
}

#[test]
fn at_a_terminal_a_rename_is_asked_about() {
    let scratch = library();
    scratch.write("app/schema/users.sql", RENAMED);
    for (typed, code, says) in [
        ("n\r", 1, "the draft would delete data"),
        ("\r", 1, "the draft would delete data"),
        ("\x04", 1, "add `--rename users.name=full_name` for those that were"),
    ] {
        let mut terminal = at_a_terminal(&scratch, &["generate", "rename"]);
        terminal.until("rename users.name → full_name? [y/N] ");
        terminal.types(typed);
        let (ended, rest) = terminal.end();
        assert!(ended == Some(code) && rest.contains(says), "{typed:?}: {rest}");
    }
    let mut terminal = at_a_terminal(&scratch, &["generate", "rename"]);
    terminal.until("rename users.name → full_name? [y/N] ");
    terminal.types("y\r");
    let (code, rest) = terminal.end();
    assert!(code == Some(0) && rest.contains("proven on SQLite"), "{rest}");
    let [up, _] = migration(&scratch, "0002_rename");
    assert!(up.contains("RENAME COLUMN name TO full_name"), "{up}");
}

#[test]
fn what_only_a_person_knows_keeps_the_folder_from_compiling() {
    let scratch = library();
    scratch.write("app/schema/users.sql", &USERS.replace("NOT NULL\n", "NOT NULL,\n  email TEXT NOT NULL\n"));
    let output = scratch.run(&["generate", "add email"]).succeeds();
    assert!(
        output.contains("1 question has no answer yet, and the folder does not compile until it is answered"),
        "{output}"
    );
    let [up, _] = migration(&scratch, "0002_add_email");
    let question = up.lines().find(|line| line.starts_with("-- lockgate: unanswered \"the value of users.email"));
    let question = question.unwrap_or_else(|| panic!("there is no question: {up}"));
    let red = scratch.run(&["check"]).fails(1);
    assert!(red.contains("error[unanswered-question]: this question of the draft has no answer"), "{red}");
    assert!(red.contains("write the answer into the script, and delete this line"), "{red}");
    scratch.write("app/migrations/0002_add_email.up.sql", &up.replace(&format!("{question}\n"), ""));
    scratch.run(&["check"]).succeeds();
}

#[test]
fn a_statement_that_never_works_is_named_with_its_place() {
    let scratch = library();
    for (text, parts) in [
        (
            "CREATE TABLE tags (name TEXT);\nCREATE INDEX tags_label ON tags (label);\n",
            &["error[bad-schema]: SQLite refuses this statement: ", "label", "--> app/schema/tags.sql:2:"][..],
        ),
        (
            "CREATE TABEL tags (name TEXT);\n",
            &["error[bad-schema]: SQLite refuses this statement: near \"TABEL\"", "--> app/schema/tags.sql:1:"],
        ),
        (
            "CREATE TABLE tags (name TEXT);\nINSERT INTO tags VALUES ('x');\n",
            &["error[bad-schema]: the desired schema has no rows", "--> app/schema/tags.sql:2:1", "new-migration"],
        ),
        (
            "DROP TABLE IF EXISTS tags;\n",
            &["error[bad-schema]: the desired schema says what there is", "--> app/schema/tags.sql:1:1"],
        ),
        // SQLite accepts these, and whoever uses them gets an error.
        (
            "CREATE TABLE tags (name TEXT);\nCREATE VIEW names AS\n  SELECT nam FROM tags;\n",
            &["SQLite accepts this statement, but it does not work: no such column: nam", "tags.sql:3:10"],
        ),
        (
            "CREATE TABLE tags (post INTEGER REFERENCES post (id));\n",
            &["it does not work: no such table: post", "tags.sql:1:44", "correct the name"],
        ),
        (
            "CREATE TABLE tags (name TEXT REFERENCES users (name));\n",
            &[
                "it does not work: foreign key mismatch - \"tags\" referencing \"users\"",
                "tags.sql:1:1",
                "must be the primary key of their table, or UNIQUE there",
            ],
        ),
        (
            "CREATE TABLE tags (name TEXT);\nCREATE TRIGGER noted AFTER UPDATE ON tags BEGIN INSERT INTO log VALUES (1); END;\n",
            &["it does not work: no such table: main.log", "tags.sql:2:61"],
        ),
        // Neither hides the other.
        (
            "CREATE TABLE tags (name TEXT);\nCREATE VIEW users AS SELECT 1;\nCREATE INDEX i ON tagz (name);\n",
            &[
                "already",
                "`app/schema/users.sql:1` creates it too: delete one of them",
                "tags.sql:2:1",
                "no such table: main.tagz",
            ],
        ),
    ] {
        scratch.write("app/schema/tags.sql", text);
        for words in [&["generate", "tags"][..], &["check"]] {
            let output = scratch.run(words).fails(1);
            for part in parts {
                assert!(output.contains(part), "`{part}` is missing: {output}");
            }
        }
    }
    std::fs::remove_file(scratch.path("app/schema/tags.sql")).unwrap();
    scratch.write("app/schema/old.down.sql", "DROP TABLE users;\n");
    let output = scratch.run(&["generate", "tags"]).fails(1);
    assert!(output.contains("`app/schema/old.down.sql` has a direction, and the desired schema has none"), "{output}");
}

#[test]
fn a_database_that_is_only_read_can_be_the_desired_schema() {
    let scratch = library();
    let other = library();
    other.write("app/schema/tags.sql", "CREATE TABLE tags (name TEXT);\n");
    other.run(&["generate", "tags"]).succeeds();
    let url = format!("sqlite://{}?mode=rwc", scratch.path("other.db").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut database = lockgate::Database::connect(&url).await.unwrap();
        for file in ["0001_create_users_and_posts", "0002_tags"] {
            let text = other.read(&format!("app/migrations/{file}.up.sql"));
            sqlx::raw_sql(AssertSqlSafe(text)).execute(database.sqlite().unwrap()).await.unwrap();
        }
        database.close().await.unwrap();
    });
    let bytes = std::fs::read(scratch.path("other.db")).unwrap();
    let url = url.replace("?mode=rwc", "");
    let output = scratch.run(&["generate", "tags", "--to-url", &url]).succeeds();
    assert!(output.contains("app/migrations/0002_tags.up.sql"), "{output}");
    let again = scratch.run(&["generate", "again", "--to-url", &url]).succeeds();
    assert!(again.starts_with("nothing to do"), "{again}");
    assert!(bytes == std::fs::read(scratch.path("other.db")).unwrap(), "it is only read");
}

#[test]
fn in_a_folder_with_trees_create_is_the_desired_schema() {
    let scratch = Scratch::new();
    for (path, text) in [
        ("migrations.toml", "layout = \"trees\"\ndialects = [\"sqlite\"]\n"),
        ("create/1-tables/users.sql", USERS),
        ("deployment/00000-users.sql", USERS),
    ] {
        scratch.write(&format!("app/migrations/{path}"), text);
    }
    assert!(scratch.run(&["generate", "x"]).succeeds().starts_with("nothing to do"));
    scratch.write("app/migrations/create/2-more/tags.sql", "CREATE TABLE tags (name TEXT);\n");
    let output = scratch.run(&["generate", "add tags"]).succeeds();
    assert!(output.contains("app/migrations/deployment/00001-add_tags.up.sql"), "{output}");
    scratch.run(&["check"]).succeeds();
}

#[test]
fn errors_in_the_folder_come_first() {
    let scratch = library();
    scratch.write("app/migrations/0002_x.sql", "-- lockgate: no-transation\nSELECT 1;\n");
    let output = scratch.run(&["generate", "more"]).fails(1);
    assert!(output.contains("unknown-directive") && output.contains("nothing was drafted: fix the errors"), "{output}");
    std::fs::remove_file(scratch.path("app/migrations/0002_x.sql")).unwrap();
    let step = "use lockgate::{StepResult, Transaction};\n\npub async fn up(_: &mut Transaction<'_>) -> StepResult {\n    \
                Ok(())\n}\n";
    scratch.write("app/migrations/0002_hash.rs", step);
    std::fs::remove_file(scratch.path("app/tests/migrations/main.rs")).unwrap();
    let output = scratch.run(&["generate", "more"]).fails(1);
    assert!(output.contains("`0002_hash` is a Rust step, which only a program of `app` can run"), "{output}");
    assert!(output.contains("`app/tests/migrations/main.rs` with `lockgate_harness::migration_tests!();`"), "{output}");
}

/// The generated tests compile and pass as they are, and a general one compares the desired schema.
#[test]
fn the_generated_tests_pass_as_they_are() {
    let scratch = library();
    scratch.write("app/schema/users.sql", &USERS.replace("NOT NULL\n", "NOT NULL,\n  age INT NOT NULL DEFAULT 0\n"));
    scratch.write(
        "app/schema/posts.sql",
        &(POSTS.replace("(id)\n", "(id) ON DELETE CASCADE\n") + "CREATE VIEW authors AS SELECT author FROM posts;\n"),
    );
    scratch.run(&["generate", "ages"]).succeeds();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().display();
    scratch.package(
        "app",
        &format!(
            "[dependencies]\nlockgate = {{ path = \"{root}/runtime\", features = [\"sqlite\"] }}\n\
             [build-dependencies]\nlockgate-build = {{ path = \"{root}/build\", features = [\"check\"] }}\n\
             [dev-dependencies]\nlockgate-harness = {{ path = \"{root}/harness\", features = [\"sqlite\"] }}\n"
        ),
    );
    // Each table that there was before has a row, by the test of the second migration.
    let test = scratch.read("app/tests/migrations/0002_ages.rs");
    let fill = "pub async fn fill(db: &mut Db) -> TestResult {\n    db.execute(\"INSERT INTO users (id, name) VALUES (1, 'a1')\").await?;\n";
    assert!(test.contains(fill), "{test}");
    scratch.write("app/tests/migrations/main.rs", "lockgate_harness::migration_tests!();\n");
    let (passes, output) = scratch.cargo(&["test", "--test", "migrations"]);
    assert!(passes, "{output}");
    for test in [
        "sqlite::m0001_create_users_and_posts",
        "sqlite::m0002_ages",
        "sqlite::migrations_make_the_desired_schema",
        "sqlite::every_table_has_a_row",
    ] {
        assert!(output.contains(&format!("test {test} ... ok")), "{test}: {output}");
    }

    // A Rust step among the migrations: the program runs them.
    let step = "use lockgate::{StepResult, Transaction};\n\npub async fn up(tx: &mut Transaction<'_>) -> StepResult {\n    \
                tx.execute(\"CREATE INDEX users_name ON users (name)\").await?;\n    Ok(())\n}\n\n\
                pub async fn down(tx: &mut Transaction<'_>) -> StepResult {\n    \
                tx.execute(\"DROP INDEX users_name\").await?;\n    Ok(())\n}\n";
    scratch.write("app/migrations/0003_index.rs", step);
    scratch.write(
        "app/tests/migrations/0003_index.rs",
        "use lockgate_harness::{Db, TestResult};\n\npub async fn before(db: &mut Db) -> TestResult {\n    \
         db.expect_no_index(\"users_name\").await\n}\n\npub async fn after(db: &mut Db) -> TestResult {\n    \
         db.expect_index(\"users_name\").await\n}\n",
    );
    scratch.run(&["check", "--write", "--no-replay"]).succeeds();
    scratch.write("app/schema/index.sql", "CREATE INDEX users_name ON users (name);\n");
    scratch.write("app/schema/tags.sql", "CREATE TABLE tags (name TEXT);\n");
    let output = scratch.run_with_cargo(&["generate", "tags"]).succeeds();
    assert!(output.contains("proven on SQLite: up, down and up again, with rows in 2 of 2 tables"), "{output}");
    let [up, _] = migration(&scratch, "0004_tags");
    assert!(up.contains("CREATE TABLE tags") && !up.contains("users_name"), "{up}");

    std::fs::remove_file(scratch.path("app/schema/tags.sql")).unwrap();
    let (passes, output) = scratch.cargo(&["test", "--test", "migrations"]);
    assert!(!passes && output.contains("the migrations do not make what `app/schema` says"), "{output}");
    assert!(output.contains("`cargo xtask generate \"what it changes\"`"), "{output}");
    scratch.write("app/schema/labels.sql", "CREATE TABLE labels (name TEXT);\n");
    let (passes, output) = scratch.cargo(&["test", "--test", "migrations", "embedded"]);
    assert!(!passes && output.contains("is in `app/schema` but was not compiled"), "{output}");
}

fn has_postgres() -> bool {
    postgres::cluster(&Options::default()).is_some()
}

fn on_postgres(schema: &str) -> Scratch {
    let scratch = project("postgres");
    scratch.write("app/schema/all.sql", schema);
    scratch
}

const LIBRARY: &str = "\
CREATE VIEW names AS SELECT name FROM users;
CREATE TABLE posts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  author int NOT NULL REFERENCES users (id),
  status mood NOT NULL
);
CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL);
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE FUNCTION count_users() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM users';
";

/// What holds a lock for long goes into scripts of its own.
#[test]
fn on_postgresql_a_draft_is_online_unless_it_should_be_short() {
    if !has_postgres() {
        return;
    }
    let scratch = on_postgres(LIBRARY);
    let output = scratch.run(&["generate", "library"]).succeeds();
    assert!(output.contains("proven on PostgreSQL "), "{output}");
    let more =
        LIBRARY.replace("'ok')", "'ok', 'good')").replace("name text NOT NULL", "name text NOT NULL, age bigint")
            + "CREATE INDEX users_name ON users (name);\n";
    scratch.write("app/schema/all.sql", &more);
    let short = scratch.run(&["generate", "more", "--offline", "--dry-run"]).succeeds();
    assert!(short.contains("CREATE INDEX users_name") && !short.contains("0003_"), "{short}");
    let output = scratch.run(&["generate", "more"]).succeeds();
    assert!(output.contains("app/migrations/0003_more_indexes.up.sql"), "{output}");
    assert!(output.contains("up, down and up again, with rows in 2 of 2 tables"), "{output}");
    let [up, _] = migration(&scratch, "0003_more_indexes");
    assert!(up.starts_with("-- lockgate: no-transaction\n"), "{up}");
    assert!(up.contains("-- Locks users in SHARE UPDATE EXCLUSIVE mode"), "{up}");
    assert!(up.contains("CREATE INDEX CONCURRENTLY users_name"), "{up}");
    let checked = scratch.run(&["check"]).succeeds();
    assert!(checked.contains("the migrations and `app/schema` are alike on PostgreSQL"), "{checked}");
    let again = scratch.run(&["generate", "again"]).succeeds();
    assert!(again.starts_with("nothing to do"), "{again}");
}

/// The rows of one table that do not fit say nothing about those of another.
#[test]
fn on_postgresql_only_tables_whose_rows_do_not_fit_are_empty_in_the_proof() {
    if !has_postgres() {
        return;
    }
    let scratch = on_postgres(
        "CREATE TABLE t (id int, d date) PARTITION BY RANGE (d);\nCREATE TABLE t_d PARTITION OF t DEFAULT;\n\
         CREATE TABLE z (a text);\n",
    );
    scratch.run(&["generate", "tables"]).succeeds();
    scratch.write("app/schema/all.sql", "CREATE TABLE t (id int, d date);\nCREATE TABLE z (a int);\n");
    let output = scratch.run(&["generate", "plain", "--allow", "narrow-type"]).succeeds();
    assert!(output.contains("up, down and up again, with rows in 1 of 2 tables\n"), "{output}");
    assert!(output.contains("on tables with rows it can fail: invalid input syntax for type integer"), "{output}");
}

/// A search of SQLite has the names of its table and columns in its text.
#[test]
fn what_a_search_reads_can_have_another_name() {
    let scratch = project("sqlite");
    let schema = |table: &str, column: &str| {
        format!(
            "CREATE TABLE {table} (\n  id INTEGER PRIMARY KEY,\n  {column} TEXT\n);\n\
             CREATE VIRTUAL TABLE f USING fts5({column}, content='{table}', content_rowid='id');\n\
             CREATE TRIGGER g AFTER INSERT ON {table} BEGIN\n  INSERT INTO f (rowid, {column}) VALUES (new.id, new.{column});\nEND;\n"
        )
    };
    scratch.write("app/schema/t.sql", &schema("t", "a"));
    scratch.run(&["generate", "tables"]).succeeds();
    scratch.write("app/schema/t.sql", &schema("u", "b"));
    let output = scratch.run(&["generate", "names", "--rename", "t=u", "--rename", "t.a=b"]).succeeds();
    assert!(output.contains("up, down and up again, with rows in 1 of 1 table\n"), "{output}");
}

/// Each word says what can be lost, and the line names it.
#[test]
fn a_refusal_says_what_would_be_lost() {
    let scratch = project("sqlite");
    scratch.write("app/schema/t.sql", "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT UNIQUE);\n");
    scratch.run(&["generate", "tables"]).succeeds();
    scratch.write("app/schema/t.sql", "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER);\n");
    let output = scratch.run(&["generate", "less"]).fails(1);
    for part in ["the draft would delete data and can change values, so nothing", "\n  drop-column: t.b\n"] {
        assert!(output.contains(part), "`{part}` is missing: {output}");
    }
    let output = scratch.run(&["generate", "less", "--allow", "drop-column"]).fails(1);
    assert!(output.contains("the draft can change values, so nothing was written:\n  narrow-type: "), "{output}");
    if !has_postgres() {
        return;
    }
    let scratch = on_postgres("CREATE EXTENSION citext;\nCREATE TABLE t (at timestamp);\n");
    scratch.run(&["generate", "tables"]).succeeds();
    scratch.write("app/schema/all.sql", "CREATE TABLE t (at timestamptz);\n");
    let output = scratch.run(&["generate", "zones"]).fails(1);
    assert!(output.contains("\n  drop-extension: DROP EXTENSION citext\n"), "{output}");
    scratch.run(&["generate", "zones", "--allow", "drop-extension", "--allow", "narrow-type"]).succeeds();
    let [up, _] = migration(&scratch, "0002_zones");
    assert!(up.contains("-- Rewrites the table, unless TimeZone is UTC.\n"), "{up}");
}

/// Objects move to a schema that may be new, and back.
#[test]
fn on_postgresql_objects_move_to_another_schema() {
    if !has_postgres() {
        return;
    }
    let scratch = on_postgres(LIBRARY);
    scratch.run(&["generate", "library", "--offline"]).succeeds();
    let moved = LIBRARY
        .replace("VIEW names", "VIEW arch.names")
        .replace("TABLE users", "TABLE arch.members")
        .replace("FROM users", "FROM arch.members")
        .replace("REFERENCES users", "REFERENCES arch.members")
        .replace("TYPE mood", "TYPE arch.mood")
        .replace("status mood", "status arch.mood")
        .replace("count_users()", "arch.count_users()");
    scratch.write("app/schema/all.sql", &format!("CREATE SCHEMA arch;\n{moved}"));
    let moves = ["users=arch.members", "names=arch.names", "mood=arch.mood", "count_users()=arch.count_users"];
    let renames = moves.iter().flat_map(|one| ["--rename", one]);
    let words: Vec<&str> = ["generate", "arch"].into_iter().chain(renames).collect();
    let output = scratch.run(&words).succeeds();
    assert!(output.contains("up, down and up again, with rows in 2 of 2 tables\n"), "{output}");
    let [up, down] = migration(&scratch, "0002_arch");
    for (text, part) in [
        (&up, "CREATE SCHEMA arch;\n"),
        (&up, "ALTER TABLE public.users SET SCHEMA arch;\n"),
        (&up, "ALTER TABLE arch.users RENAME TO members;\n"),
        (&up, "ALTER FUNCTION public.count_users() SET SCHEMA arch;\n"),
        (&down, "ALTER TYPE arch.mood SET SCHEMA public;\n"),
        (&down, "DROP SCHEMA arch;\n"),
    ] {
        assert!(text.contains(part), "`{part}` is missing: {text}");
    }
    assert!(!up.contains("DROP"), "{up}");
}

/// What an index or a generated column reads of a document is in the rows that are made up.
#[test]
fn rows_have_documents_that_the_schema_can_read() {
    let scratch = project("sqlite");
    let table = "CREATE TABLE t (id INTEGER PRIMARY KEY, data TEXT NOT NULL,\n  \
                 mail TEXT NOT NULL GENERATED ALWAYS AS (json_extract(data, '$.mail.first')) STORED);\n\
                 CREATE UNIQUE INDEX t_name ON t (data ->> '$.name');\n";
    scratch.write("app/schema/all.sql", table);
    scratch.run(&["generate", "tables"]).succeeds();
    scratch.write("app/schema/all.sql", &format!("{table}CREATE TABLE u (id INTEGER PRIMARY KEY);\n"));
    let output = scratch.run(&["generate", "more"]).succeeds();
    assert!(output.contains("with rows in 1 of 1 table"), "{output}");
    if !has_postgres() {
        return;
    }
    let table = "CREATE TABLE t (id int PRIMARY KEY, data jsonb NOT NULL, raw text NOT NULL,\n  \
                 mail text NOT NULL GENERATED ALWAYS AS (data ->> 'mail') STORED, CHECK (data ? 'name'));\n\
                 CREATE INDEX t_raw ON t (((raw::json) ->> 'x'));\n";
    let scratch = on_postgres(table);
    scratch.run(&["generate", "tables"]).succeeds();
    scratch.write("app/schema/all.sql", &format!("{table}CREATE TABLE u (id int PRIMARY KEY);\n"));
    let output = scratch.run(&["generate", "more"]).succeeds();
    assert!(output.contains("with rows in 1 of 1 table"), "{output}");
}

/// A function that computes something else, as its user meets it.
#[test]
fn on_postgresql_a_changed_function_rebuilds_what_it_has_computed() {
    if !has_postgres() {
        return;
    }
    let schema = |body: &str| {
        format!(
            "CREATE FUNCTION f(a text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT {body}(a)';\n\
             CREATE TABLE t (a text, b text GENERATED ALWAYS AS (f(a)) STORED);\nCREATE INDEX i ON t (f(a));\n"
        )
    };
    let scratch = on_postgres(&schema("lower"));
    scratch.run(&["generate", "tables"]).succeeds();
    scratch.write("app/schema/all.sql", &schema("upper"));
    let output = scratch.run(&["generate", "upper"]).succeeds();
    assert!(output.contains("up, down and up again, with rows in 1 of 1 table\n"), "{output}");
    let [up, down] = migration(&scratch, "0002_upper");
    assert!(up.starts_with("-- lockgate: no-transaction\n"), "{up}");
    for (text, part) in [
        (&up, "-- Locks t in SHARE UPDATE EXCLUSIVE mode"),
        (
            &up,
            "-- Computes stored values again, as what they are computed with changes.\nREINDEX INDEX CONCURRENTLY public.i;\n",
        ),
        (&up, "UPDATE public.t SET a = a;\n"),
        (&down, "DROP INDEX public.i;\n"),
        (&down, "CREATE INDEX i ON public.t USING btree (public.f(a));\n"),
        (&down, "UPDATE public.t SET a = a;\n"),
    ] {
        assert!(text.contains(part), "`{part}` is missing: {text}");
    }
    scratch.run(&["check"]).succeeds();
}

/// Rows stay in the table in which they are, whatever it becomes a part of.
#[test]
fn on_postgresql_partitions_and_children_come_and_go_with_their_rows() {
    if !has_postgres() {
        return;
    }
    let scratch = on_postgres("CREATE TABLE t (id int PRIMARY KEY, a text);\n");
    scratch.run(&["generate", "tables"]).succeeds();
    let whole = "CREATE TABLE t (id int PRIMARY KEY, a text) PARTITION BY RANGE (id);\n\
                 CREATE TABLE low PARTITION OF t FOR VALUES FROM (100) TO (200);\n";
    let user = "CREATE TABLE u (t int REFERENCES t (id));\n";
    let part = "CREATE TABLE high PARTITION OF t FOR VALUES FROM (200) TO (300);\n";
    let plain = "CREATE TABLE high (id int PRIMARY KEY, a text);\n";
    for (name, schema, filled) in [
        ("divide", whole.to_owned(), "1 of 1 table"),
        ("refer", format!("{whole}{user}"), "1 of 1 table"),
        ("part", format!("{whole}{user}{part}"), "2 of 2 tables"),
        ("detach", format!("{whole}{user}{plain}"), "1 of 2 tables"),
        ("attach", format!("{whole}{user}{part}"), "3 of 3 tables"),
        ("again", format!("{whole}{user}{plain}"), "1 of 2 tables"),
        (
            "inherit",
            format!("{whole}{user}{plain}ALTER TABLE high INHERIT b;\nCREATE TABLE b (id int, a text);\n"),
            "3 of 3 tables",
        ),
        ("leave", format!("{whole}{user}{plain}CREATE TABLE b (id int, a text);\n"), "4 of 4 tables"),
        (
            "join",
            format!("{whole}{user}{plain}ALTER TABLE high INHERIT b;\nCREATE TABLE b (id int, a text);\n"),
            "4 of 4 tables",
        ),
    ] {
        scratch.write("app/schema/all.sql", &schema);
        let output = scratch.run(&["generate", name]).succeeds();
        assert!(output.contains(&format!("up, down and up again, with rows in {filled}\n")), "{name}: {output}");
    }
    let copied = scratch.everything();
    assert!(!format!("{copied:?}").contains("high_before"), "it is attached as it is");
}

/// A lock on a table that the statement does not name, and on one that has another name by then.
#[test]
fn on_postgresql_the_locks_are_those_of_the_tables_by_their_names() {
    if !has_postgres() {
        return;
    }
    let scratch = on_postgres(
        "CREATE TABLE a (id int PRIMARY KEY);\nCREATE TABLE b (id int REFERENCES a (id), x int);\n\
         CREATE INDEX b_x ON b (x);\n",
    );
    scratch.run(&["generate", "tables"]).succeeds();
    scratch.write(
        "app/schema/all.sql",
        "CREATE TABLE a (id int PRIMARY KEY);\nCREATE TABLE child (id int, x bigint, u uuid DEFAULT gen_random_uuid());\n",
    );
    scratch.run(&["generate", "child", "--rename", "b=child", "--offline"]).succeeds();
    let [up, _] = migration(&scratch, "0002_child");
    let both = "in ACCESS EXCLUSIVE mode, which blocks reads and writes.\n";
    for part in [
        format!("-- Locks b {both}ALTER TABLE public.b RENAME TO child;\n"),
        format!("-- Locks a {both}ALTER TABLE public.child DROP CONSTRAINT b_id_fkey;\n"),
        format!("-- Locks child {both}DROP INDEX public.b_x;\n"),
        format!("-- Locks child {both}-- Rewrites the table.\nALTER TABLE public.child ALTER COLUMN x TYPE bigint;\n"),
        format!(
            "-- Locks child {both}-- Rewrites the table.\nALTER TABLE public.child ADD COLUMN u uuid DEFAULT gen_random_uuid();\n"
        ),
    ] {
        assert!(up.contains(&part), "`{part}` is missing: {up}");
    }
}

/// A value is used when its transaction has ended, on the way back too.
#[test]
fn on_postgresql_the_way_back_to_an_enum_value_that_is_a_default_is_drafted() {
    if !has_postgres() {
        return;
    }
    let enum_of = |values: &str, default: &str| {
        format!("CREATE TYPE mood AS ENUM ({values});\nCREATE TABLE t (id int, m mood DEFAULT '{default}');\n")
    };
    let scratch = on_postgres(&enum_of("'sad', 'ok'", "ok"));
    scratch.run(&["generate", "tables"]).succeeds();
    scratch.write("app/schema/all.sql", &enum_of("'sad'", "sad"));
    scratch.run(&["generate", "sad", "--allow", "drop-enum-value", "--no-renames"]).succeeds();
    let [_, down] = migration(&scratch, "0002_sad");
    assert!(down.starts_with("-- lockgate: no-transaction\n"), "{down}");
}

/// The rights of the owner are NULL before the first GRANT, a list after it is revoked, and longer in PostgreSQL 17.
#[tokio::test]
async fn on_postgresql_the_test_of_a_grant_passes_over_the_rights_of_the_owner() {
    if !has_postgres() {
        return;
    }
    let users = "CREATE TABLE users (id int PRIMARY KEY);\n";
    let scratch = on_postgres(users);
    scratch.run(&["generate", "users"]).succeeds();
    scratch.write("app/schema/all.sql", &format!("{users}GRANT SELECT ON users TO PUBLIC;\n"));
    scratch.run(&["generate", "grants"]).succeeds();
    let test = scratch.read("app/tests/migrations/0002_grants.rs");
    let queries: Vec<&str> =
        test.split("db.is_true(\"").skip(1).filter_map(|rest| rest.split_once("\")")).map(|(query, _)| query).collect();
    let [before, after] = queries[..] else { panic!("{test}") };
    let database = postgres::database().unwrap();
    let mut connection = database.connect().await;
    let revoked = "GRANT SELECT ON users TO PUBLIC; REVOKE SELECT ON users FROM PUBLIC;";
    for (made, is_granted) in [("", false), (revoked, false), ("GRANT SELECT ON users TO PUBLIC;", true)] {
        let sql = format!("DROP TABLE IF EXISTS users; {users} {made}");
        connection.execute(AssertSqlSafe(sql)).await.unwrap();
        for (query, expected) in [(before, !is_granted), (after, is_granted)] {
            let query = query.replace("\\\"", "\"");
            let holds: bool = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut connection).await.unwrap();
            assert_eq!(holds, expected, "{made}: {test}");
        }
    }
}

#[test]
fn on_postgresql_a_place_in_a_statement_is_shown() {
    if !has_postgres() {
        return;
    }
    let scratch = on_postgres("CREATE TABLE users (\n  id int PRIMARY KEY,\n  mood moood\n);\n");
    let Output { stderr, code, .. } = scratch.run(&["generate", "x"]);
    assert_eq!(code, 1, "{stderr}");
    for part in [
        "error[bad-schema]: PostgreSQL refuses this statement: type \"moood\" does not exist",
        "--> app/schema/all.sql:3:8",
    ] {
        assert!(stderr.contains(part), "`{part}` is missing: {stderr}");
    }
}

/// A model in any module is seen, and what a struct cannot say is in a file.
#[test]
fn structs_and_files_together_are_the_desired_schema() {
    let scratch = project("sqlite");
    let user = "#[derive(lockgate::Table)]\n#[lockgate(table = \"users\")]\npub struct User {\n    #[lockgate(primary_key)]\n    pub id: i64,\n    pub name: String,\n}\n";
    scratch.write("app/src/lib.rs", "pub mod models;\n");
    scratch.write("app/src/models.rs", user);
    let first = scratch.run(&["generate", "create users"]).succeeds();
    assert!(first.contains("proven on SQLite"), "{first}");
    scratch.write("app/schema/names.sql", "CREATE VIEW names AS SELECT name FROM users;\n");
    scratch.write(
        "app/src/models.rs",
        &user.replace("pub name: String,", "pub name: String,\n    pub mail: Option<String>,"),
    );
    let red = scratch.run(&["check"]).fails(1);
    assert!(red.contains("table users: column mail is only in `app/schema` (real)"), "{red}");
    assert!(red.contains("view names is only in `app/schema` (real)"), "{red}");
    scratch.run(&["generate", "mail and names"]).succeeds();
    let [up, _] = migration(&scratch, "0002_mail_and_names");
    assert!(up.contains("ADD COLUMN mail TEXT") && up.contains("CREATE VIEW names"), "{up}");
    let again = scratch.run(&["generate", "more"]).succeeds();
    assert!(again.starts_with("nothing to do"), "{again}");
    // A mistake is reported with its place.
    scratch.write("app/src/models.rs", &user.replace("pub name: String,", "pub name: Name,"));
    let wrong = scratch.run(&["generate", "more"]).fails(1);
    assert!(wrong.contains("app/src/models.rs:6"), "{wrong}");
}

/// The text that `cargo xtask schema` writes, changed by hand or taken from another branch.
#[test]
fn a_snapshot_text_can_be_the_desired_schema() {
    let scratch = library();
    scratch.run(&["schema", "--write", "wanted.txt", "--dialect", "sqlite"]).succeeds();
    let same = scratch.run(&["generate", "nothing", "--to", "wanted.txt"]).succeeds();
    assert_eq!(same, "nothing to do: the migrations make what wanted.txt says\n");
    let text = scratch.read("wanted.txt");
    let wanted = text.replace("  column name TEXT NOT NULL\n", "  column name TEXT NOT NULL\n  column email TEXT\n");
    assert_ne!(wanted, text);
    scratch.write("wanted.txt", &wanted.replace("column email", "colum email"));
    let wrong = scratch.run(&["generate", "email", "--to", "wanted.txt"]).fails(1);
    for part in [
        "error[bad-schema]: `colum email TEXT` is not a line of a table that this release knows\n",
        "--> wanted.txt:13:3\n",
        "nothing was drafted: fix the desired schema first",
    ] {
        assert!(wrong.contains(part), "`{part}` is missing: {wrong}");
    }
    scratch.write("wanted.txt", &wanted);
    let other = scratch.run(&["generate", "email", "--to", "nowhere.txt"]).fails(1);
    assert!(other.contains("`nowhere.txt` cannot be read"), "{other}");
    scratch.run(&["generate", "email", "--to", "wanted.txt"]).succeeds();
    let [up, _] = migration(&scratch, "0002_email");
    assert!(up.starts_with("-- Email: drafted from wanted.txt.\n") && up.contains("ADD COLUMN email TEXT"), "{up}");
    scratch.write("wanted.txt", "-- lockgate schema 1 (postgres)\n");
    let other = scratch.run(&["generate", "more", "--to", "wanted.txt"]).fails(1);
    assert!(other.contains("`wanted.txt` is a schema of PostgreSQL"), "{other}");
}

/// One document, whatever becomes of the draft.
#[test]
fn a_draft_is_also_written_for_programs() {
    let scratch = library();
    let document =
        |output: Output| -> serde_json::Value { serde_json::from_str(&output.stdout).expect("one document") };
    let nothing = scratch.run(&["generate", "more", "--format", "json"]);
    assert_eq!((nothing.code, document(nothing)["status"].as_str()), (0, Some("nothing")));
    scratch.write("app/schema/users.sql", &USERS.replace("NOT NULL\n", "NOT NULL,\n  email TEXT\n"));
    let dry = scratch.run(&["generate", "email", "--format", "json", "--dry-run"]);
    let dry = document(dry);
    assert_eq!((dry["version"].as_u64(), dry["status"].as_str()), (Some(1), Some("dry-run")));
    assert_eq!(dry["migrations"][0]["up"]["steps"][0]["sql"], "ALTER TABLE users ADD COLUMN email TEXT");
    assert_eq!(dry["files"][0]["path"], "app/migrations/0002_email.up.sql");
    assert_eq!((dry["dialect"].as_str(), dry["proofs"][0]["tables_with_rows"].as_u64()), (Some("sqlite"), Some(2)));
    let written = scratch.run(&["generate", "email", "--format", "json"]);
    assert_eq!((written.code, document(written)["status"].as_str()), (0, Some("written")));
    scratch.write("app/schema/users.sql", USERS);
    let refused = scratch.run(&["generate", "no email", "--format", "json"]);
    assert_eq!(refused.code, 1);
    let refused = document(refused);
    assert_eq!(refused["status"], "refused");
    assert!(refused["message"].as_str().is_some_and(|why| why.contains("--allow drop-column")), "{refused}");
}

/// Not only tables and columns have names.
#[test]
fn on_postgresql_types_values_views_and_functions_can_have_other_names() {
    if !has_postgres() {
        return;
    }
    let scratch = on_postgres(LIBRARY);
    scratch.run(&["generate", "library", "--offline"]).succeeds();
    let renamed = LIBRARY
        .replace("VIEW names", "VIEW all_names")
        .replace("count_users()", "number_of_users()")
        .replace("'sad'", "'unhappy'");
    scratch.write("app/schema/all.sql", &renamed.replace("mood", "feeling"));
    let open = scratch.run(&["generate", "names"]).fails(1);
    for part in
        ["  mood → feeling\n", "  names → all_names\n", "  count_users() → number_of_users\n", "  mood.sad → unhappy\n"]
    {
        assert!(open.contains(part), "`{part}` is missing: {open}");
    }
    assert!(open.contains("--rename 'count_users()=number_of_users'"), "{open}");
    // What comments say is not asked.
    scratch.write(
        "app/schema/all.sql",
        &renamed
            .replace("CREATE VIEW", "-- lockgate: was names\nCREATE VIEW")
            .replace("CREATE TYPE mood", "-- lockgate: was mood\nCREATE TYPE mood")
            .replace("('unhappy'", "(\n-- lockgate: was 'sad'\n'unhappy'")
            .replace("mood", "feeling")
            .replace("was feeling", "was mood"),
    );
    scratch.run(&["generate", "names", "--rename", "count_users()=number_of_users"]).succeeds();
    let [up, down] = migration(&scratch, "0002_names");
    for part in [
        "ALTER TYPE public.mood RENAME VALUE 'sad' TO 'unhappy';",
        "ALTER TYPE public.mood RENAME TO feeling;",
        "ALTER VIEW public.names RENAME TO all_names;",
        "ALTER FUNCTION public.count_users() RENAME TO number_of_users;",
    ] {
        assert!(up.contains(part), "`{part}` is missing: {up}");
    }
    assert!(down.contains("ALTER TYPE public.feeling RENAME TO mood;") && !down.contains("CREATE"), "{down}");
    let again = scratch.run(&["generate", "again"]).succeeds();
    assert!(again.starts_with("nothing to do"), "{again}");
}

/// A change of the snapshot alone, or of nothing, needs no server.
#[test]
fn what_the_migrations_make_is_kept_for_the_snapshot() {
    let scratch = library();
    scratch.run(&["schema", "--write", "--dialect", "sqlite"]).succeeds();
    let kept = || std::fs::read_dir(scratch.path("target/lockgate/made")).map_or(0, Iterator::count);
    for _ in 0..2 {
        scratch.run(&["check"]).succeeds();
        assert_eq!(kept(), 1);
    }
    let place = scratch.path("target/lockgate/made");
    let file = std::fs::read_dir(&place).unwrap().next().unwrap().unwrap().path();
    // Nothing is made where an answer is: this one is believed.
    std::fs::write(&file, "\"-- lockgate schema 1 (sqlite)\\n\\ntable other\\n\"").unwrap();
    let red = scratch.run(&["check"]).fails(1);
    assert!(red.contains("table other: is new"), "{red}");
    std::fs::remove_file(&file).unwrap();
    scratch.run(&["check"]).succeeds();
}
