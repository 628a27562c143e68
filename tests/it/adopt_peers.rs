//! Databases that other tools have made with their own code: refinery, diesel, SeaORM and rusqlite_migration from
//! crates.io, Alembic from PyPI, dbmate from npm. Each folder is converted by `cargo xtask init --convert`, the history
//! is taken over, and the next migration applies.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use lockgate::adopt::Adopt;
use lockgate::{Audience, Migrations, Migrator};

use crate::support::database::{Db, backends};
use crate::support::postgres::skip;
use crate::support::scratch::Scratch;
use crate::support::set::migrations;
use crate::support::tree::root;

backends! {
    refinery,
    diesel,
    sea_orm,
    dbmate,
}

const TEXTS: [&str; 3] = [
    "CREATE TABLE users (\n    id BIGINT PRIMARY KEY\n);\n",
    "CREATE TABLE tags (id BIGINT PRIMARY KEY);\n",
    "CREATE TABLE notes (id BIGINT PRIMARY KEY);\n",
];

/// A folder with some of the files of a layout, a text each.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// The same files as `init --convert` names them, as a set.
fn converted(db: &Db, files: &[(&str, &str)]) -> &'static Migrations {
    let scratch = Scratch::new();
    files.iter().for_each(|(path, text)| scratch.write(&format!("app/migrations/{path}"), text));
    let dialect = if db.is_sqlite() { "sqlite" } else { "postgres" };
    scratch.run(&["init", "--convert", "--dialects", dialect]).succeeds();
    let folder = scratch.path("app/migrations");
    let files: Vec<(String, String)> = scratch
        .everything()
        .into_iter()
        .filter_map(|(path, text)| Some((path.strip_prefix(&folder).ok()?.to_str()?.to_owned(), text)))
        .filter(|(path, _)| path.ends_with(".sql"))
        .collect();
    migrations(&files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect::<Vec<_>>())
}

async fn compared(db: &Db, set: &'static Migrations, options: &Adopt) -> Vec<String> {
    let mut database = db.open().await;
    let adoption = Migrator::new(set).plan_adopt(&mut database, options).await;
    let adoption = adoption.unwrap_or_else(|error| panic!("{error:?}"));
    adoption.entries.iter().map(|entry| entry.finding.to_string()).collect()
}

/// Takes over two of three migrations, finds all times, and applies the third.
async fn taken_over(db: &Db, set: &'static Migrations, options: &Adopt) {
    let mut database = db.open().await;
    let migrator = Migrator::new(set);
    let before = migrator.apply(&mut database).await.unwrap_err().report_for(Audience::CommandLine).to_string();
    assert!(before.contains("`adopt`"), "{before}");
    let report = migrator.adopt(&mut database, options).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(report.steps.len(), 2);
    let status = migrator.status(&mut database).await.unwrap();
    assert!(status.drift.is_empty(), "{:?}", status.drift);
    assert_eq!(migrator.apply(&mut database).await.unwrap().steps.len(), 1);
    assert!(migrator.status(&mut database).await.unwrap().is_up_to_date());
    assert!(migrator.adopt(&mut database, options).await.unwrap().is_empty());
}

async fn refinery(db: Db) {
    let names = ["V1__create_users.sql", "V2__tags.sql", "V3__notes.sql"];
    let windows = TEXTS[1].replace('\n', "\r\n");
    let files: Vec<(&str, &str)> = names.into_iter().zip(TEXTS).collect();
    peer("refinery", &db, folder(&[files[0], (names[1], &windows)]).path());
    assert_eq!(
        compared(&db, converted(&db, &files), &Adopt::new()).await,
        ["match", "line endings only", "not recorded"]
    );
    let edited = [(names[0], "CREATE TABLE users (id INT);\n"), files[1], files[2]];
    let found = compared(&db, converted(&db, &edited), &Adopt::new()).await;
    assert_eq!(found, ["modified", "line endings only", "not recorded"]);
    let found = compared(&db, converted(&db, &files[1..]), &Adopt::new()).await;
    assert_eq!(found, ["line endings only", "not recorded", "missing: recorded, no file"]);
    taken_over(&db, converted(&db, &files), &Adopt::new()).await;
    let years = "SELECT substr(CAST(applied_at AS TEXT), 1, 2) FROM lockgate_history";
    assert_eq!(db.texts(years).await, ["20"; 3]);
}

async fn diesel(db: Db) {
    let paths = [
        ("2026-01-02-030405-0000_create_users/up.sql", TEXTS[0]),
        ("2026-01-02-030405-0000_create_users/down.sql", "DROP TABLE users;\n"),
        ("2026-02-03-040506-0000_tags/up.sql", TEXTS[1]),
        ("2026-02-03-040506-0000_tags/down.sql", "DROP TABLE tags;\n"),
        ("2026-03-03-040506-0000_notes/up.sql", TEXTS[2]),
        ("2026-03-03-040506-0000_notes/down.sql", "DROP TABLE notes;\n"),
    ];
    if !db.is_sqlite() && !has_libpq() {
        return skip("diesel needs libpq and its headers, which are not on this machine");
    }
    peer("diesel", &db, folder(&paths[..4]).path());
    let set = converted(&db, &paths);
    assert_eq!(compared(&db, set, &Adopt::new()).await, ["recorded", "recorded", "not recorded"]);
    taken_over(&db, set, &Adopt::new()).await;
}

async fn sea_orm(db: Db) {
    let names = ["m20220101_000001_create_users.sql", "m20220101_000002_tags.sql", "m20220101_000003_notes.sql"];
    let files: Vec<(&str, &str)> = names.into_iter().zip(TEXTS).collect();
    peer("sea-orm", &db, folder(&files[..2]).path());
    // Its migrations are Rust: their SQL is written into files of these names by hand.
    let ours = ["20220101000001_create_users.sql", "20220101000002_tags.sql", "20220101000003_notes.sql"];
    let ours: Vec<(&str, &str)> = ours.into_iter().zip(TEXTS).collect();
    let set = migrations(&ours);
    assert_eq!(compared(&db, set, &Adopt::new()).await, ["recorded", "recorded", "not recorded"]);
    taken_over(&db, set, &Adopt::new()).await;
}

#[tokio::test]
async fn rusqlite_migration() {
    let Some(db) = Db::sqlite() else { return };
    let names = ["0001_users.sql", "0002_tags.sql", "0003_notes.sql"];
    let files: Vec<(&str, &str)> = names.into_iter().zip(TEXTS).collect();
    peer("rusqlite_migration", &db, folder(&files[..2]).path());
    let set = migrations(&files);
    assert_eq!(compared(&db, set, &Adopt::new()).await, ["recorded", "recorded", "not recorded"]);
    // `user_version` may be a program's own, so that `up` does not look at it.
    let mut database = db.open().await;
    let migrator = Migrator::new(set);
    assert_eq!(migrator.adopt(&mut database, &Adopt::new()).await.unwrap().steps.len(), 2);
    assert_eq!(migrator.apply(&mut database).await.unwrap().steps[0].id, "0003_notes");
}

async fn dbmate(db: Db) {
    let Some(program) = dbmate_program() else { return };
    let text = |up: &str, down: &str| format!("-- migrate:up\n{up}\n-- migrate:down\nDROP TABLE {down};\n");
    let texts = [text(TEXTS[0], "users"), text(TEXTS[1], "tags"), text(TEXTS[2], "notes")];
    let names = ["20260102030405_create_users.sql", "20260203040506_tags.sql", "20260303040506_notes.sql"];
    let files: Vec<(&str, &str)> = names.into_iter().zip(texts.iter().map(String::as_str)).collect();
    let folder = folder(&files[..2]);
    let url = if db.is_sqlite() { format!("sqlite:{}", file(&db)) } else { with_option(&db.url(), "sslmode=disable") };
    let words = ["--no-dump-schema", "--migrations-dir", folder.path().to_str().unwrap(), "--url", &url, "up"];
    runs(Command::new(program).args(words));
    let set = converted(&db, &files);
    assert_eq!(compared(&db, set, &Adopt::new()).await, ["recorded", "recorded", "not recorded"]);
    taken_over(&db, set, &Adopt::new()).await;
}

const ENV: &str = "\
from alembic import context
from sqlalchemy import create_engine

url = context.config.get_main_option('sqlalchemy.url')
if context.is_offline_mode():
    context.configure(url=url, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(url).connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
";

/// The files are what `alembic upgrade FROM:TO --sql` writes, without the lines about `alembic_version`.
#[tokio::test]
async fn alembic() {
    let Some(db) = Db::sqlite() else { return };
    let Some(packages) = alembic_packages() else { return };
    let revisions = ["1975ea83b712", "ae1027a6acf1", "27c6a30d7c24"];
    let folder = folder(&[("migrations/env.py", ENV)]);
    let ini = format!("[alembic]\nscript_location = migrations\nsqlalchemy.url = sqlite:///{}\n", file(&db));
    std::fs::write(folder.path().join("alembic.ini"), ini).unwrap();
    std::fs::create_dir(folder.path().join("migrations/versions")).unwrap();
    for (index, (revision, table)) in revisions.iter().zip(["users", "tags", "notes"]).enumerate() {
        let before = index.checked_sub(1).map_or("None".to_owned(), |before| format!("'{}'", revisions[before]));
        let text = format!(
            "from alembic import op\nimport sqlalchemy as sa\nrevision = '{revision}'\ndown_revision = {before}\n\n\
             def upgrade():\n    op.create_table('{table}', sa.Column('id', sa.Integer, primary_key=True))\n\n\
             def downgrade():\n    op.drop_table('{table}')\n"
        );
        std::fs::write(folder.path().join(format!("migrations/versions/{revision}_{table}.py")), text).unwrap();
    }
    let run = |words: &[&str]| {
        let mut python = Command::new("python3");
        python.args(["-m", "alembic"]).args(words).env("PYTHONPATH", &packages);
        runs(python.current_dir(folder.path()))
    };
    run(&["upgrade", revisions[1]]);
    let mut files = Vec::new();
    for (index, revision) in revisions.iter().enumerate() {
        let from = index.checked_sub(1).map_or("base", |before| revisions[before]);
        let sql = run(&["upgrade", &format!("{from}:{revision}"), "--sql"]);
        let statements = sql.split_inclusive(";\n").filter(|statement| !statement.contains("alembic_version"));
        let text: String = statements.filter(|statement| !matches!(statement.trim(), "BEGIN;" | "COMMIT;")).collect();
        files.push((format!("{:04}_{revision}.sql", index + 1), format!("{text}\n")));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let set = migrations(&files);
    assert_eq!(compared(&db, set, &Adopt::new()).await, ["recorded", "recorded", "not recorded"]);
    taken_over(&db, set, &Adopt::new()).await;
}

/// Lets a tool of `tests/peers` apply a folder.
fn peer(tool: &str, db: &Db, folder: &Path) {
    let url = if db.is_sqlite() { format!("sqlite://{}", file(db)) } else { db.url() };
    // rusqlite does not create the folder of a database, and sqlx not the file.
    if db.is_sqlite() {
        std::fs::File::options().create(true).append(true).open(file(db)).unwrap();
    }
    runs(Command::new(peers()).args([tool, &url]).arg(folder));
}

/// The file of an SQLite database.
fn file(db: &Db) -> String {
    let url = db.url();
    url.trim_start_matches("sqlite://").split('?').next().unwrap().to_owned()
}

fn with_option(url: &str, option: &str) -> String {
    format!("{url}{}{option}", if url.contains('?') { '&' } else { '?' })
}

fn runs(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {}{text}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

/// Whether diesel can be linked with PostgreSQL's client library.
fn has_libpq() -> bool {
    let asked = |program: &str, words: &[&str]| {
        Command::new(program).args(words).output().is_ok_and(|output| output.status.success())
    };
    asked("pkg-config", &["--exists", "libpq"])
}

/// The program of `tests/peers`, built once a process; where nothing has changed that takes a moment.
fn peers() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["build", "--quiet", "--locked"]).current_dir(root().join("tests/peers"));
        if has_libpq() {
            command.args(["--features", "libpq"]);
        }
        let target = root().join("target/peers");
        runs(command.env("CARGO_TARGET_DIR", &target));
        target.join("debug/peers")
    })
}

/// A peer that is installed into `target/peers` first, by a program that this machine must have.
fn installed(program: &str, by: &str, words: &[&str]) -> Option<PathBuf> {
    let place = root().join("target/peers").join(by);
    let program = place.join(program);
    if program.exists() {
        return Some(program);
    }
    std::fs::create_dir_all(&place).unwrap();
    // Two tests may install at the same time: each installs aside, and the first one stays.
    let aside = tempfile::tempdir_in(root().join("target/peers")).unwrap();
    let run = |program: &str, words: &[&str]| {
        Command::new(program).args(words).current_dir(aside.path()).output().is_ok_and(|done| done.status.success())
    };
    if !run(by, words) {
        skip(&format!("`{by} {}` does not run on this machine", words.join(" ")));
        return None;
    }
    for entry in std::fs::read_dir(aside.path()).unwrap() {
        let entry = entry.unwrap();
        let _ = std::fs::rename(entry.path(), place.join(entry.file_name()));
    }
    Some(program)
}

fn dbmate_program() -> Option<PathBuf> {
    let words = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", ".", "dbmate@2"];
    installed("node_modules/.bin/dbmate", "npm", &words)
}

/// A folder of Python packages that has Alembic.
fn alembic_packages() -> Option<PathBuf> {
    let words =
        ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", "packages", "alembic>=1.13,<2"];
    installed("packages", "python3", &words)
}
