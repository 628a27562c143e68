//! The developers' side of drift: the snapshot beside the migrations, which `check` keeps up to date, and `cargo xtask drift`.

use lockgate::{Database, Migrations, Migrator};

use crate::support::postgres;
use crate::support::scratch::Scratch;
use crate::support::set;

const FILES: &[(&str, &str)] = &[
    ("migrations.toml", "dialects = [\"sqlite\", \"postgres\"]\n"),
    ("0001_users.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT NOT NULL);\n"),
    ("0002_names.sql", "ALTER TABLE users ADD COLUMN name TEXT;\n"),
];

fn package(files: &[(&str, &str)]) -> Scratch {
    let scratch = Scratch::new();
    files.iter().for_each(|(file, text)| scratch.write(&format!("app/migrations/{file}"), text));
    scratch
}

/// The set of a package as its program would embed it now.
fn embedded(scratch: &Scratch) -> &'static Migrations {
    let folder = scratch.path("app/migrations");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let files: Vec<(String, String)> = files
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    set::migrations(&files)
}

fn sqlite(scratch: &Scratch) -> String {
    format!("sqlite://{}?mode=rwc", scratch.path("live.db").display())
}

async fn execute(url: &str, sql: &'static str) {
    let mut database = Database::connect(url).await.unwrap();
    match url.starts_with("sqlite") {
        true => sqlx::raw_sql(sql).execute(database.sqlite().unwrap()).await.map(drop).unwrap(),
        false => sqlx::raw_sql(sql).execute(database.postgres().unwrap()).await.map(drop).unwrap(),
    }
    database.close().await.unwrap();
}

async fn apply(url: &str, migrations: &'static Migrations, table: &str) {
    let mut database = Database::connect(url).await.unwrap();
    Migrator::new(migrations).history_table(table).apply(&mut database).await.unwrap();
    database.close().await.unwrap();
}

/// Runs the blocking command beside the runtime of the test.
fn drift(scratch: &Scratch, url: &str, words: &[&str]) -> (i32, String) {
    let words = [&["drift", "--database-url", url], words].concat();
    let output = scratch.run(&words);
    (output.code, format!("{}{}", output.stdout, output.stderr))
}

#[tokio::test]
async fn a_live_database_is_compared_with_what_its_migrations_make() {
    let made = postgres::database();
    let postgres = made.as_ref().map(|made| (made.url(), "table public.users", "our_history"));
    let scratch = package(FILES);
    for (url, table, history) in
        [Some((sqlite(&scratch), "table users", "lockgate_history")), postgres].into_iter().flatten()
    {
        let own: &[&str] = &["--table", history];
        let alike = "the database has the schema that the migrations make";
        apply(&url, embedded(&scratch), history).await;
        assert_eq!(drift(&scratch, &url, own), (0, format!("{alike}\n")));

        execute(&url, "CREATE INDEX by_hand ON users (email)").await;
        let (code, out) = drift(&scratch, &url, own);
        assert_eq!(code, 1, "{out}");
        assert!(out.contains(&format!("{table}: index by_hand is only in the database (real)")), "{out}");
        assert!(out.contains("there is 1 difference: add `--draft-in \"what it is\"` to write the migration"), "{out}");
        execute(&url, "DROP INDEX by_hand").await;
    }
}

#[tokio::test]
async fn a_database_that_is_behind_is_compared_with_the_migrations_that_it_has() {
    let scratch = package(&FILES[..2]);
    let url = sqlite(&scratch);
    apply(&url, embedded(&scratch), "lockgate_history").await;
    scratch.write("app/migrations/0002_names.sql", FILES[2].1);
    let (code, out) = drift(&scratch, &url, &[]);
    assert_eq!((code, out.as_str()), (0, "the database has the schema that the migrations up to `0001_users` make\n"));

    execute(&url, "CREATE INDEX by_hand ON users (email)").await;
    let (code, out) = drift(&scratch, &url, &["--draft-in", "take in the index"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("the database lacks `0002_names`") && out.contains("apply what is pending first"), "{out}");

    scratch.write("app/migrations/0001_users.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY);\n");
    let (code, out) = drift(&scratch, &url, &[]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("the history differs: `0001_users` was applied with a different text"), "{out}");
}

/// The index is taken in by a migration, which this database records and every other one runs.
#[tokio::test]
async fn drift_is_taken_into_the_migrations() {
    let (made, others) = (postgres::database(), postgres::database());
    let postgres = made.iter().zip(&others).map(|(made, other)| ("postgres", Some((made.url(), other.url()))));
    for (dialect, urls) in [("sqlite", None)].into_iter().chain(postgres) {
        taken_in(dialect, urls).await;
    }
}

/// Takes in the drift of a database of this dialect, and brings another one to the same schema.
async fn taken_in(dialect: &str, urls: Option<(String, String)>) {
    let scratch = package(FILES);
    scratch.write("app/migrations/migrations.toml", &format!("dialects = [\"{dialect}\"]\n"));
    let in_scratch = |file: &str| format!("sqlite://{}?mode=rwc", scratch.path(file).display());
    let (url, other) = urls.unwrap_or_else(|| (in_scratch("live.db"), in_scratch("other.db")));
    apply(&url, embedded(&scratch), "lockgate_history").await;
    execute(&url, "CREATE INDEX by_hand ON users (email)").await;

    let (code, out) = drift(&scratch, &url, &["--draft-in", "take in the index"]);
    assert_eq!(code, 0, "{out}");
    let baseline = "record it there, without running it, with `baseline 0003_take_in_the_index`";
    assert!(out.contains(baseline), "{out}");
    assert!(scratch.read("app/migrations/0003_take_in_the_index.up.sql").contains("CREATE INDEX by_hand"), "{out}");

    let migrator = Migrator::new(embedded(&scratch));
    let mut live = Database::connect(&url).await.unwrap();
    migrator.baseline(&mut live, "3".parse().unwrap()).await.unwrap();
    live.close().await.unwrap();
    assert_eq!(drift(&scratch, &url, &[]).0, 0);
    apply(&other, embedded(&scratch), "lockgate_history").await;
    assert_eq!(drift(&scratch, &other, &[]).0, 0);
}

#[tokio::test]
async fn drift_is_put_back_by_what_is_printed() {
    let scratch = package(FILES);
    let made = postgres::database();
    for url in [Some(sqlite(&scratch)), made.as_ref().map(postgres::Database::url)].into_iter().flatten() {
        apply(&url, embedded(&scratch), "lockgate_history").await;
        execute(&url, "CREATE INDEX by_hand ON users (email); ALTER TABLE users DROP COLUMN name").await;
        let output = scratch.run(&["drift", "--database-url", &url, "--draft-back"]);
        assert_eq!(output.code, 0, "{}", output.stderr);
        assert!(output.stdout.contains("by_hand;\nALTER TABLE"), "{}", output.stdout);
        execute(&url, output.stdout.clone().leak()).await;
        assert_eq!(drift(&scratch, &url, &[]).0, 0);
    }
}

#[test]
fn check_reports_a_snapshot_that_is_out_of_date() {
    let scratch = package(FILES);
    let output = scratch.run(&["schema", "--write", "--dialect", "sqlite"]).succeeds();
    assert_eq!(output, "app/migrations/schema.sqlite.txt written\n");
    let output = scratch.run(&["check"]);
    assert!(output.stdout.contains("; `schema.sqlite.txt` up to date"), "{}{}", output.stdout, output.stderr);
    scratch.run(&["schema", "--check", "--dialect", "sqlite"]).succeeds();

    scratch.write(
        "app/migrations/0003_tags.sql",
        "CREATE TABLE tags (name TEXT);\nALTER TABLE users ADD COLUMN age INT;\n",
    );
    let output = scratch.run(&["check"]);
    assert_eq!(output.code, 1, "{}", output.stderr);
    for part in [
        "error[stale-snapshot]: `schema.sqlite.txt` is not what the migrations make:\n",
        "  table tags: is new\n",
        "  table users:\n",
        "  +   column age INT\n",
        "= help: write it again: `cargo xtask schema --write app/migrations/schema.sqlite.txt --dialect sqlite`",
    ] {
        assert!(output.stderr.contains(part), "`{part}` is missing: {}", output.stderr);
    }
    // A release would be built with it.
    let frozen = scratch.run(&["freeze"]);
    assert_eq!(frozen.code, 0, "{}", frozen.stderr);
    assert!(frozen.stderr.contains("warning[stale-snapshot]: `schema.sqlite.txt` is not what"), "{}", frozen.stderr);
    scratch.run(&["schema", "--write", "app/migrations/schema.sqlite.txt", "--dialect", "sqlite"]).succeeds();
    assert!(scratch.run(&["check"]).stdout.contains("; `schema.sqlite.txt` up to date"));
}

/// Each file with such a name is understood, or refused by name.
#[test]
fn a_snapshot_that_is_none_is_refused() {
    let good = "-- lockgate schema 1 (sqlite)\n\ntable users\n";
    let only = |dialects: &str, files: &[(&str, &str)]| {
        let scratch = package(&[FILES[1]]);
        scratch.write("app/migrations/migrations.toml", &format!("dialects = [{dialects}]\n"));
        files.iter().for_each(|(file, text)| scratch.write(&format!("app/migrations/{file}"), text));
        let output = scratch.run(&["check", "--no-replay"]);
        (output.code, output.stderr)
    };
    let both = "\"sqlite\", \"postgres\"";
    for (dialects, files, message, help) in [
        (
            both,
            &[("schema.txt", "CREATE TABLE x")][..],
            "`schema.txt` is not the text of a schema",
            "or move it out of the folder",
        ),
        (
            both,
            &[("schema.postgres.txt", good)],
            "is the schema of a database on SQLite",
            "rename it to `schema.sqlite.txt`",
        ),
        (
            both,
            &[("schema.mine.txt", good)],
            "is the schema of a database on SQLite",
            "rename it to `schema.sqlite.txt`",
        ),
        (
            "\"postgres\"",
            &[("schema.txt", good)],
            "is the schema of a database on SQLite, and the folder is not for it",
            "delete it",
        ),
        (
            both,
            &[("schema.txt", good), ("schema.sqlite.txt", good)],
            "is a second snapshot for SQLite, beside `schema.sqlite.txt`",
            "delete one of the two",
        ),
        (
            both,
            &[("schema.txt", "-- lockgate schema 9 (sqlite)\n")],
            "has form 9, and this release reads form 1",
            "run `cargo xtask schema --write app/migrations/schema.txt --dialect sqlite`",
        ),
        (
            both,
            &[("schema.txt", "<<<<<<< HEAD\n-- lockgate schema 1 (sqlite)\n=======\n>>>>>>> b\n")],
            "has a merge conflict",
            "run `cargo xtask schema --write app/migrations/schema.txt --dialect sqlite`",
        ),
    ] {
        let (code, shown) = only(dialects, files);
        assert_eq!(code, 1, "{files:?}: {shown}");
        assert!(shown.contains("error[bad-snapshot]: "), "{shown}");
        assert!(shown.contains(message) && shown.contains(help), "`{message}` or `{help}` is missing: {shown}");
    }
    let (code, shown) = only(both, &[("schema.sqlite.txt", good)]);
    assert!(code == 0 || !shown.contains("snapshot"), "{shown}");
}

#[test]
fn of_several_databases_each_has_its_snapshot() {
    let scratch = Scratch::new();
    scratch.write("app/migrations/migrations.toml", "dialects = [\"sqlite\"]\nnumbering = \"encoded\"\n");
    scratch.write("app/migrations/billing.00000001.0001.ann.users.sql", "CREATE TABLE users (id INTEGER);\n");
    scratch.write("app/migrations/press.00000001.0001.ann.posts.sql", "CREATE TABLE posts (id INTEGER);\n");
    for database in ["billing", "press"] {
        let output = scratch.run(&["schema", "--write", "--database", database]).succeeds();
        assert_eq!(output, format!("app/migrations/schema.{database}.txt written\n"));
    }
    let output = scratch.run(&["check"]);
    assert!(
        output.stdout.contains("`schema.billing.txt` and `schema.press.txt` up to date"),
        "{}{}",
        output.stdout,
        output.stderr
    );
    scratch.write("app/migrations/schema.pres.txt", "-- lockgate schema 1 (sqlite)\n");
    let output = scratch.run(&["check"]);
    assert!(output.stderr.contains("did you mean `schema.press.txt`?"), "{}", output.stderr);
}
