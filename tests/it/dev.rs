//! `cargo xtask dev`: a database that is at hand, kept between runs, as real runs on a scratch workspace.

use std::path::Path;

use lockgate::{Database, Dialect};
use sqlx::Row;

use crate::support::scratch::{Output, Scratch};
use crate::support::{nested, postgres};

/// Ends the server of a test that fails.
struct Ended<'a>(&'a Scratch);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        for dialect in ["sqlite", "postgres"] {
            self.0.run_with_cargo(&["dev", "down", "--delete", "--dialect", dialect]);
        }
    }
}

fn shop() -> Scratch {
    let scratch = Scratch::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().display();
    scratch.package(
        "app",
        &format!(
            "[dependencies]\nlockgate = {{ path = \"{root}/runtime\", features = [\"postgres\", \"sqlite\"] }}\n\
             [build-dependencies]\nlockgate-build = {{ path = \"{root}/build\" }}\n\
             [dev-dependencies]\nlockgate-harness = {{ path = \"{root}/harness\", features = [\"postgres\", \"sqlite\"] }}\n"
        ),
    );
    scratch.run(&["init", "--dialects", "sqlite,postgres"]).succeeds();
    let policy = "dialects = [\"postgres\", \"sqlite\"]\ntests = \"optional\"\n";
    scratch.write("app/migrations/migrations.toml", policy);
    scratch.write("app/build.rs", "fn main() {\n    lockgate_build::watch();\n}\n");
    scratch.write(
        "app/migrations/0001_users.up.sql",
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n",
    );
    scratch.write("app/migrations/0001_users.down.sql", "DROP TABLE users;\n");
    scratch.write(
        "app/tests/migrations/seed.rs",
        "use lockgate_harness::{Db, Random, TestResult};\n\npub async fn seed(db: &mut Db, _random: &mut Random) -> \
         TestResult {\n    db.execute(\"INSERT INTO users (id, name) VALUES (1, 'Ada')\").await?;\n    Ok(())\n}\n",
    );
    scratch.run(&["check", "--write", "--no-replay"]);
    scratch
}

fn dev(scratch: &Scratch, dialect: Dialect, words: &[&str]) -> Output {
    scratch.run_with_cargo(&[&["dev"], words, &["--dialect", dialect.as_str()]].concat())
}

/// The one line on standard output.
#[track_caller]
fn url(output: &Output) -> String {
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    assert_eq!(output.stdout.lines().count(), 1, "{}", output.stdout);
    output.stdout.trim_end().to_owned()
}

/// Runs a statement, and returns the first column of its rows.
fn ask(url: &str, sql: &'static str) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut database = Database::connect(url).await.unwrap();
        let rows: Vec<String> = match database.dialect() {
            Dialect::Sqlite => {
                let rows = sqlx::query(sql).fetch_all(database.sqlite().unwrap()).await.unwrap();
                rows.iter().map(|row| row.get(0)).collect()
            }
            _ => {
                let rows = sqlx::query(sql).fetch_all(database.postgres().unwrap()).await.unwrap();
                rows.iter().map(|row| row.get(0)).collect()
            }
        };
        database.close().await.unwrap();
        rows
    })
}

#[test]
fn a_database_is_at_hand_and_stays() {
    let scratch = shop();
    let _ended = Ended(&scratch);
    let has_server = postgres::cluster(&lockgate_harness::server::Options::default()).is_some();
    for dialect in [Dialect::Sqlite, Dialect::Postgres].into_iter().take(if has_server { 2 } else { 1 }) {
        stays(&scratch, dialect);
    }
}

fn stays(scratch: &Scratch, dialect: Dialect) {
    scratch.run_with_cargo(&["dev", "down", "--delete", "--dialect", dialect.as_str()]).succeeds();
    let none = dev(scratch, dialect, &["url"]);
    assert_eq!((none.code, none.stdout.as_str()), (1, ""), "{}", none.stderr);
    let command = format!("`cargo xtask dev up --dialect {dialect}` starts it");
    assert!(none.stderr.contains(&command), "{}", none.stderr);

    let first = url(&dev(scratch, dialect, &["up"]));
    assert_eq!(url(&dev(scratch, dialect, &["url"])), first);
    assert_eq!(ask(&first, "SELECT name FROM users"), ["Ada"]);
    ask(&first, "INSERT INTO users (id, name) VALUES (2, 'mine') RETURNING name");

    // The same database again, and a new migration is applied to it.
    assert_eq!(url(&dev(scratch, dialect, &["up"])), first);
    let (up, down) = ("app/migrations/0002_tags.up.sql", "app/migrations/0002_tags.down.sql");
    scratch.write(up, "CREATE TABLE tags (name TEXT);\n");
    scratch.write(down, "DROP TABLE tags;\n");
    scratch.write("app/tests/migrations/0002_tags.fill.sql", "INSERT INTO users (id, name) VALUES (2, 'Eve');\n");
    scratch.write("app/tests/migrations/0002_tags.before.sql", "SELECT true;\n");
    scratch.write("app/tests/migrations/0002_tags.after.sql", "SELECT true FROM tags;\n");
    scratch.run(&["check", "--write", "--no-replay"]);
    let second = dev(scratch, dialect, &["up"]);
    assert_eq!(url(&second), first);
    assert!(second.stderr.contains("0002_tags applied"), "{}", second.stderr);
    assert!(second.stderr.contains("the rows of the `fill` of 0002_tags are left out"), "{}", second.stderr);
    assert_eq!(ask(&first, "SELECT name FROM users ORDER BY id"), ["Ada", "mine"]);
    assert!(ask(&first, "SELECT name FROM tags").is_empty());

    // A draft that was edited since: the way out is named, and works.
    scratch.write(up, "CREATE TABLE tags (name TEXT, kind TEXT);\n");
    scratch.run(&["check", "--write", "--no-replay"]);
    let edited = dev(scratch, dialect, &["up"]);
    let command = format!("`cargo xtask dev up --fresh --dialect {dialect}` drops the database and creates it again");
    assert!(edited.code == 1 && edited.stderr.contains(&command), "{}", edited.stderr);
    assert_eq!(ask(&first, "SELECT name FROM users ORDER BY id"), ["Ada", "mine"]);
    assert_eq!(url(&dev(scratch, dialect, &["up", "--fresh"])), first);
    assert_eq!(ask(&first, "SELECT name FROM users ORDER BY id"), ["Ada", "Eve"]);

    // Its data survive its server.
    assert!(dev(scratch, dialect, &["down"]).code == 0);
    if dialect == Dialect::Postgres {
        assert_eq!(dev(scratch, dialect, &["url"]).code, 1);
    }
    assert_eq!(url(&dev(scratch, dialect, &["up"])), first);
    assert_eq!(ask(&first, "SELECT name FROM users ORDER BY id"), ["Ada", "Eve"]);

    let deleted = dev(scratch, dialect, &["down", "--delete"]);
    assert!(deleted.code == 0 && deleted.stderr.starts_with("deleted;"), "{}", deleted.stderr);
    assert_eq!(dev(scratch, dialect, &["url"]).code, 1);
    assert!(!nested::target().join("lockgate/dev/app").join(dialect.as_str()).exists());
    for name in ["0002_tags.up.sql", "0002_tags.down.sql"] {
        std::fs::remove_file(scratch.path(&format!("app/migrations/{name}"))).unwrap();
    }
    for name in ["0002_tags.fill.sql", "0002_tags.before.sql", "0002_tags.after.sql"] {
        std::fs::remove_file(scratch.path(&format!("app/tests/migrations/{name}"))).unwrap();
    }
    scratch.run(&["check", "--write", "--no-replay"]);
}
