//! `cargo xtask schema`: the text, its check against a file, and its pictures.

use std::process::Command;

use lockgate::Dialect;
use lockgate::schema::docs;
use lockgate_harness::__private::Tests;
use lockgate_harness::{Throwaway, request};
use lockgate_testing::request::Form;

use crate::support::scratch::{Scratch, xtask};
use crate::support::set;
use crate::support::tree::root;

const USERS: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE);";
const POSTS: &str = "CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER NOT NULL REFERENCES users (id));";

/// A package for SQLite with these migrations, without a lockfile.
fn folder(migrations: &[(&str, &str)]) -> Scratch {
    let scratch = Scratch::new();
    for (file, text) in migrations {
        scratch.write(&format!("app/migrations/{file}"), text);
    }
    scratch.write("app/migrations/migrations.toml", "dialects = [\"sqlite\"]\n");
    scratch
}

fn library() -> Scratch {
    folder(&[("0001_users.sql", USERS), ("0002_posts.sql", POSTS)])
}

const AT_1: &str = "-- lockgate schema 1 (sqlite)

table users
  column id INTEGER
  column email TEXT NOT NULL
  constraint PRIMARY KEY (id)
  constraint UNIQUE (email)
";

#[test]
fn the_text_is_printed_at_head_and_at_a_version() {
    let scratch = library();
    let text = scratch.run(&["schema"]).succeeds();
    assert!(text.contains("\n  constraint FOREIGN KEY (author) REFERENCES users (id)\n"), "{text}");
    for at in ["1", "0001", "0001_users"] {
        assert_eq!(scratch.run(&["schema", "--at", at]).succeeds(), AT_1);
    }
    let output = scratch.run(&["schema", "--at", "7"]).fails(1);
    assert!(output.contains("there is no migration `7` in app/migrations: the last is `0002_posts`"), "{output}");
}

#[test]
fn a_stale_file_is_reported_with_its_differences_and_the_command() {
    let scratch = library();
    let output = scratch.run(&["schema", "--check", "schema.txt"]).fails(2);
    assert!(output.contains("`cargo xtask schema --write schema.txt` creates it"), "{output}");
    scratch.run(&["schema", "--write", "schema.txt"]).succeeds();
    assert_eq!(scratch.run(&["schema", "--check", "schema.txt"]).succeeds(), "schema.txt is up to date\n");
    let output = scratch.run(&["schema", "--write", "schema.txt"]).succeeds();
    assert_eq!(output, "schema.txt is up to date\n");

    let before = scratch.read("schema.txt");
    scratch.write("schema.txt", &before.replace('\n', "\r\n"));
    scratch.run(&["schema", "--check", "schema.txt"]).succeeds();

    scratch.write("app/migrations/0003_more.sql", "ALTER TABLE users ADD age INT; CREATE TABLE tags (name TEXT);");
    let output = scratch.run(&["schema", "--check", "schema.txt"]).fails(1);
    for part in [
        "table users:\n+   column age INT\n",
        "table tags: is new\n",
        "schema.txt is out of date: `cargo xtask schema --write schema.txt --dialect sqlite` updates it",
    ] {
        assert!(output.contains(part), "`{part}` is missing: {output}");
    }
    assert_eq!(scratch.read("schema.txt").replace("\r\n", "\n"), before, "a check writes nothing");
    scratch.run(&["schema", "--at", "2", "--check", "schema.txt"]).succeeds();
}

/// The order in which objects or constraints of columns were created does not show.
#[test]
fn the_order_is_stable() {
    const TAGS: &str =
        "CREATE TABLE tags (name TEXT); CREATE INDEX tags_b ON tags (name); CREATE INDEX tags_a ON tags (name);";
    const OTHER_TAGS: &str =
        "CREATE TABLE tags (name TEXT); CREATE INDEX tags_a ON tags (name); CREATE INDEX tags_b ON tags (name);";
    let one = folder(&[("0001_users.sql", USERS), ("0002_tags.sql", TAGS), ("0003_posts.sql", POSTS)]);
    let other = folder(&[("0001_tags.sql", OTHER_TAGS), ("0002_users.sql", USERS), ("0003_posts.sql", POSTS)]);
    let text = one.run(&["schema"]).succeeds();
    assert_eq!(text, one.run(&["schema"]).succeeds());
    assert_eq!(text, other.run(&["schema"]).succeeds());
    let tables: Vec<&str> = text.lines().filter(|line| line.starts_with("table ")).collect();
    assert_eq!(tables, ["table posts", "table tags", "table users"]);
    one.run(&["schema", "--write", "schema.txt"]).succeeds();
    other.write("schema.txt", &one.read("schema.txt"));
    other.run(&["schema", "--check", "schema.txt"]).succeeds();
}

#[test]
fn a_picture_is_made() {
    let scratch = library();
    let svg = scratch.run(&["schema", "--svg"]).succeeds();
    assert!(svg.starts_with("<svg ") && svg.contains("<title>posts (author) → users</title>"), "{svg}");
    let mermaid = scratch.run(&["schema", "--mermaid"]).succeeds();
    assert!(mermaid.contains("    \"users\" ||--o{ \"posts\" : \"author\"\n"), "{mermaid}");
    scratch.run(&["schema", "--svg", "--write", "schema.svg"]).succeeds();
    assert_eq!(scratch.read("schema.svg"), svg);
    scratch.run(&["schema", "--svg", "--mermaid"]).fails(2);
}

#[test]
fn a_folder_that_cannot_be_run_is_reported() {
    let scratch = folder(&[("0001_users.sql", USERS), ("0002_again.sql", USERS)]);
    let output = scratch.run(&["schema"]).fails(1);
    assert!(output.contains("app/migrations/0002_again.sql:1:1") && output.contains("already exists"), "{output}");
    let output = scratch.run(&["schema", "--dialect", "postgres"]).fails(1);
    assert!(output.contains("app/migrations is not for `postgres`: its policy names `sqlite`"), "{output}");

    scratch.write("app/migrations/migrations.toml", "");
    let output = scratch.run(&["schema"]).fails(1);
    assert!(output.contains("names no dialect: choose one with `--dialect sqlite`"), "{output}");
    assert_eq!(scratch.run(&["schema", "--dialect", "sqlite", "--at", "1"]).succeeds(), AT_1);
}

#[test]
fn a_rust_step_without_a_test_program_is_refused() {
    let step = "use lockgate::{StepResult, Transaction};\n\n\
                pub async fn up(_: &mut Transaction<'_>) -> StepResult {\n    Ok(())\n}\n";
    let scratch = folder(&[("0001_users.sql", USERS), ("0002_hash.rs", step)]);
    let output = scratch.run(&["schema"]).fails(1);
    for part in ["`0002_hash` is a Rust step", "`app/tests/migrations/main.rs` with", "--at", "--database-url"] {
        assert!(output.contains(part), "`{part}` is missing: {output}");
    }
    assert_eq!(scratch.run(&["schema", "--at", "1"]).succeeds(), AT_1);

    scratch.write("app/tests/migrations/main.rs", "lockgate_harness::migration_tests!();\n");
    let output = scratch.run(&["schema"]).fails(2);
    assert!(output.contains("the migration tests of `app` do not build"), "{output}");
}

/// With Rust steps in the set: its test program runs them.
#[tokio::test]
async fn the_snapshots_of_the_example_say_what_is_there() {
    let check = |dialect: &str, more: &[&str]| {
        let mut command = Command::new(xtask());
        command.args(["schema", "--package", "app", "--dialect", dialect]).args(more).current_dir(root());
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    };
    assert_eq!(check("sqlite", &["--check"]), "migrations/schema.sqlite.txt is up to date\n");
    let Some(place) = Throwaway::empty(Dialect::Postgres).await.unwrap() else { return };
    let mut database = place.connect().await.unwrap();
    let connection = database.postgres().expect("it is PostgreSQL");
    let release: String = sqlx::query_scalar("SHOW server_version").fetch_one(connection).await.unwrap();
    database.close().await.unwrap();
    // Other releases write views and privileges differently.
    if release.starts_with("15.") {
        assert_eq!(check("postgres", &["--check"]), "migrations/schema.postgres.txt is up to date\n");
    }
}

#[tokio::test]
async fn the_test_program_answers_or_refuses_requests() {
    let scratch = library();
    let text = scratch.run(&["schema"]).succeeds();
    let tests = Box::leak(Box::new(Tests {
        migrations: set::migrations(&[("0001_users.sql", USERS), ("0002_posts.sql", POSTS)]),
        folder: "migrations",
        directory: "tests/migrations",
        files: &[],
        migration_tests: &[],
        empty_tables: &[],
        desired: None,
        seed: None,
        tolerate: &[],
    }));
    let ask = |form, at| request::schema(tests, Dialect::Sqlite, form, at);
    assert_eq!(ask(Form::Text, "0002_posts").await.unwrap(), text);
    assert_eq!(ask(Form::Text, "0001_users").await.unwrap(), AT_1);
    assert_eq!(ask(Form::Svg, "0002_posts").await.unwrap(), scratch.run(&["schema", "--svg"]).succeeds());
    assert_eq!(ask(Form::Mermaid, "0002_posts").await.unwrap(), scratch.run(&["schema", "--mermaid"]).succeeds());
    let pages = request::documentation(tests, Dialect::Sqlite, "0002_posts", "app").await.unwrap();
    scratch.run(&["schema", "--docs", "docs"]).succeeds();
    for page in docs::split(&pages).unwrap() {
        assert_eq!(page.text, scratch.read(&format!("docs/{}", page.path)), "{}", page.path);
    }
    assert_eq!(ask(Form::Text, "0003_tags").await.unwrap_err(), "the tests of migrations embed no `0003_tags`");
}

#[test]
fn of_several_databases_one_is_named() {
    let scratch = Scratch::new();
    scratch.write("app/migrations/migrations.toml", "dialects = [\"sqlite\"]\nnumbering = \"encoded\"\n");
    scratch.write("app/migrations/billing.00000001.0001.ann.users.sql", USERS);
    scratch.write("app/migrations/press.00000001.0001.ann.posts.sql", "CREATE TABLE posts (id INTEGER);");
    let output = scratch.run(&["schema"]).fails(1);
    let several =
        "`app/migrations` has patches for `billing` and `press`: choose one, for example `--database billing`";
    assert!(output.contains(several), "{output}");
    assert_eq!(scratch.run(&["schema", "--database", "billing"]).succeeds(), AT_1);
    let output = scratch.run(&["schema", "--database", "biling"]).fails(1);
    assert!(output.contains("`app/migrations` has no patch for `biling`: did you mean `billing`?"), "{output}");
    scratch.run(&["schema", "--database", "press", "--write", "press.txt"]).succeeds();
    scratch.write("press.txt", "-- lockgate schema 1 (sqlite)\n");
    let output = scratch.run(&["schema", "--database", "press", "--check", "press.txt"]).fails(1);
    assert!(output.contains("`cargo xtask schema --write press.txt --dialect sqlite --database press`"), "{output}");
    let output = library().run(&["schema", "--database", "press"]).fails(1);
    assert!(output.contains("`--database` needs `numbering = \"encoded\"`"), "{output}");
}

#[tokio::test]
async fn a_role_that_no_script_makes_is_made_on_the_throwaway_server() {
    if Throwaway::empty(Dialect::Postgres).await.unwrap().is_none() {
        return;
    }
    let scratch = Scratch::new();
    scratch.write("app/migrations/migrations.toml", "dialects = [\"postgres\"]\n");
    let users =
        "CREATE TABLE users (id BIGINT);\nGRANT SELECT ON users TO clerk;\nGRANT INSERT ON users TO \"the desk\";";
    scratch.write("app/migrations/0001_users.sql", users);
    scratch.write("app/migrations/0002_tags.sql", "-- lockgate: role owner\nCREATE TABLE tags (id BIGINT);");
    let text = scratch.run(&["schema"]).succeeds();
    for part in ["\n  grant SELECT to clerk\n", "the desk", "owner"] {
        assert!(text.contains(part), "`{part}` is missing: {text}");
    }
}

#[tokio::test]
async fn a_database_that_is_there_is_read() {
    let scratch = library();
    let url = format!("sqlite://{}?mode=rwc", scratch.path("head.db").display());
    let mut database = lockgate::Database::connect(&url).await.unwrap();
    sqlx::raw_sql(USERS).execute(database.sqlite().unwrap()).await.unwrap();
    assert_eq!(scratch.run(&["schema", "--database-url", &url]).succeeds(), AT_1);
    assert_eq!(scratch.run_with(&[("DATABASE_URL", &url)], &["schema", "--database-url"]).succeeds(), AT_1);
    let output = scratch.run(&["schema", "--database-url", "sqlite:///nowhere/at/all.db"]).fails(2);
    assert!(output.contains("cannot connect to sqlite:///nowhere/at/all.db"), "{output}");
}
