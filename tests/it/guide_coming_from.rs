//! The pages "Coming from …": what each says to type is typed, on a folder in the tool's layout and on a database with
//! its history.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use sqlx::{Connection, SqliteConnection};

use crate::support::app::wait;
use crate::support::scratch::Scratch;
use crate::support::tree::root;

/// A tool's page, a folder in its layout, and the SQL of its history, which has one or two of three migrations.
struct Tool {
    page: &'static str,
    files: &'static [(&'static str, &'static str)],
    history: &'static str,
}

const USERS: &str = "CREATE TABLE users (id BIGINT PRIMARY KEY);\n";
const TAGS: &str = "CREATE TABLE tags (id BIGINT PRIMARY KEY);\n";
const NOTES: &str = "CREATE TABLE notes (id BIGINT PRIMARY KEY);\n";
const PLAIN: &[(&str, &str)] = &[("0001_users.sql", USERS), ("0002_tags.sql", TAGS), ("0003_notes.sql", NOTES)];

const TOOLS: &[Tool] = &[
    Tool { page: "sqlx", files: PLAIN, history: "" },
    Tool {
        page: "diesel",
        files: &[
            ("2026-01-02-030405_users/up.sql", USERS),
            ("2026-01-02-030405_users/down.sql", "DROP TABLE users;\n"),
            ("2026-02-02-030405_tags/up.sql", TAGS),
            ("2026-02-02-030405_tags/down.sql", "DROP TABLE tags;\n"),
            ("2026-03-02-030405_notes/up.sql", NOTES),
            ("2026-03-02-030405_notes/down.sql", "DROP TABLE notes;\n"),
        ],
        history: "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT \
                  NULL DEFAULT CURRENT_TIMESTAMP); \
                  INSERT INTO __diesel_schema_migrations (version) VALUES ('20260102030405'), ('20260202030405')",
    },
    Tool {
        page: "sea-orm",
        files: &[
            ("20220101000001_users.sql", USERS),
            ("20220101000002_tags.sql", TAGS),
            ("20220101000003_notes.sql", NOTES),
        ],
        history: "CREATE TABLE seaql_migrations (version VARCHAR PRIMARY KEY, applied_at BIGINT NOT NULL); \
                  INSERT INTO seaql_migrations VALUES ('m20220101_000001_users', 1), ('m20220101_000002_tags', 2)",
    },
    Tool { page: "rusqlite-migration", files: PLAIN, history: "PRAGMA user_version = 2" },
    Tool {
        page: "alembic",
        files: &[
            ("0001_1975ea83b712_users.sql", USERS),
            ("0002_ae1027a6acf1_tags.sql", TAGS),
            ("0003_27c6a30d7c24_notes.sql", NOTES),
        ],
        history: "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY); \
                  INSERT INTO alembic_version VALUES ('ae1027a6acf1')",
    },
    Tool {
        page: "golang-migrate",
        files: PLAIN,
        history: "CREATE TABLE schema_migrations (version uint64, dirty bool); \
                  INSERT INTO schema_migrations VALUES (2, false)",
    },
    Tool {
        page: "goose",
        files: &[
            ("00001_users.sql", "-- +goose Up\nCREATE TABLE users (id INT);\n-- +goose Down\nDROP TABLE users;\n"),
            ("00002_tags.sql", "-- +goose Up\nCREATE TABLE tags (id INT);\n-- +goose Down\nDROP TABLE tags;\n"),
            ("00003_notes.sql", "-- +goose Up\nCREATE TABLE notes (id INT);\n-- +goose Down\nDROP TABLE notes;\n"),
        ],
        history: "CREATE TABLE goose_db_version (id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, \
                  is_applied INTEGER NOT NULL, tstamp TIMESTAMP DEFAULT (datetime('now'))); \
                  INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, 1), (1, 1), (2, 1)",
    },
    Tool {
        page: "dbmate",
        files: &[
            (
                "20240101000000_users.sql",
                "-- migrate:up\nCREATE TABLE users (id INT);\n-- migrate:down\nDROP TABLE users;\n",
            ),
            (
                "20240202000000_tags.sql",
                "-- migrate:up\nCREATE TABLE tags (id INT);\n-- migrate:down\nDROP TABLE tags;\n",
            ),
            (
                "20240303000000_notes.sql",
                "-- migrate:up\nCREATE TABLE notes (id INT);\n-- migrate:down\nDROP TABLE notes;\n",
            ),
        ],
        history: "CREATE TABLE schema_migrations (version varchar(128) primary key); \
                  INSERT INTO schema_migrations VALUES ('20240101000000'), ('20240202000000')",
    },
    Tool {
        page: "refinery",
        files: &[("V1__initial.sql", REFINERY), ("V2__tags.sql", TAGS), ("V3__notes.sql", NOTES)],
        history: "CREATE TABLE refinery_schema_history (version INT4 PRIMARY KEY, name VARCHAR(255), applied_on \
                  VARCHAR(255), checksum VARCHAR(255)); \
                  INSERT INTO refinery_schema_history VALUES (1, 'initial', '2024-05-06T07:08:09Z', '13938959368620441626')",
    },
    Tool {
        page: "flyway",
        files: &[
            ("V1__users.sql", "CREATE TABLE users (id INT);\n-- end\n"),
            ("V2__tags.sql", TAGS),
            ("V3__notes.sql", NOTES),
        ],
        history: "CREATE TABLE flyway_schema_history (installed_rank INT PRIMARY KEY, version VARCHAR(50), description \
                  VARCHAR(200), type VARCHAR(20), script VARCHAR(1000), checksum INT, installed_by VARCHAR(100), \
                  installed_on TEXT, execution_time INT, success BOOLEAN); \
                  INSERT INTO flyway_schema_history VALUES (1, '1', 'users', 'SQL', 'V1__users.sql', -2070907318, 'ada', \
                  '2024-05-06 07:08:09.000', 12, 1)",
    },
    Tool {
        page: "others",
        files: &[("0001_users.sql", USERS), ("0002_tags.sql", TAGS), ("0003_notes.sql", NOTES)],
        history: "CREATE TABLE tbl_deployments (file_name TEXT, deployed_at TEXT); \
                  INSERT INTO tbl_deployments VALUES ('0001_users.sql', ''), ('0002_tags.sql', '')",
    },
];

/// refinery's own, whose checksum its tests give.
const REFINERY: &str = "CREATE TABLE persons (\n    id int,\n    name varchar(255),\n    city varchar(255)\n);\n";

#[test]
fn what_each_page_says_to_type_takes_the_history_over() {
    for Tool { page, files, history } in TOOLS {
        let text = std::fs::read_to_string(root().join(format!("guide/coming-from-{page}.md"))).unwrap();
        let scratch = Scratch::new();
        files.iter().for_each(|(path, text)| scratch.write(&format!("app/migrations/{path}"), text));
        let database = scratch.path("app.db");
        made(&database, history, &scratch.path("app/migrations"));
        let mut last = String::new();
        let typed: Vec<&str> = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        let lines: Vec<&str> = typed.iter().flat_map(|block| block.lines()).collect();
        for end in ["app adopt", "app adopt --write", "app up"] {
            assert!(lines.contains(&end), "{page} does not say `{end}`");
        }
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            last = match words.as_slice() {
                ["cargo", "lockgate", words @ ..] => {
                    scratch.run(&[words, &["--dialects", "sqlite"]].concat()).succeeds()
                }
                ["app", words @ ..] => app(words, &scratch.path("app/migrations"), &database),
                _ => panic!("{page}: what is to be done with `{line}`?"),
            };
        }
        let third = last.contains("notes") && last.contains("applied");
        assert!(third, "{page}: {last}");
        let clean = app(&["status"], &scratch.path("app/migrations"), &database);
        assert!(clean.starts_with("up to date: 3 migrations applied"), "{page}: {clean}");
        // The way back, which begins with what Lockgate has applied itself.
        if text.contains("`app adopt --undo`") {
            let folder = scratch.path("app/migrations");
            for version in applied(&database) {
                app(&["repair", "--forget", &version], &folder, &database);
            }
            app(&["adopt", "--undo"], &folder, &database);
        }
    }
}

/// The chapter on repeatable scripts: its scripts, and its commands.
#[test]
fn the_chapter_on_repeatable_scripts_can_be_typed() {
    let page = std::fs::read_to_string(root().join("guide/repeatables.md")).unwrap();
    let scratch = Scratch::new();
    let (folder, database) = (scratch.path("app/migrations"), scratch.path("app.db"));
    scratch.write("app/migrations/migrations.toml", "dialects = [\"sqlite\"]\n");
    scratch.write(
        "app/migrations/0001_create_users.sql",
        "CREATE TABLE users (id INT, name TEXT, left_at INT);\nCREATE TABLE peers (name TEXT PRIMARY KEY);\n",
    );
    let blocks = |language: &str| -> Vec<String> {
        let open = format!("```{language}\n");
        page.split(open.as_str()).skip(1).filter_map(|rest| rest.split("```").next()).map(str::to_owned).collect()
    };
    let mut files = 0;
    for (head, text) in blocks("sql").iter().filter_map(|block| block.split_once('\n')) {
        let Some(file) = head.strip_prefix("-- R__") else { continue };
        scratch.write(&format!("app/migrations/R__{file}"), text);
        files += 1;
    }
    assert_eq!(files, 2);
    made(&database, "SELECT 1", &folder);
    let app = |words: &str| app(&words.split(' ').collect::<Vec<_>>(), &folder, &database);
    let typed: Vec<(String, String)> = blocks("sh")
        .iter()
        .flat_map(|block| block.lines())
        .map(|line| (line.to_owned(), app(line.strip_prefix("app ").expect("a command of the program"))))
        .collect();
    let said = |line: &str| &typed.iter().find(|(typed, _)| typed == line).unwrap_or_else(|| panic!("`{line}`")).1;
    assert!(said("app plan").starts_with("1 migration and 1 repeatable script would run"), "{}", said("app plan"));
    for state in ["R__active_users    new ", "R__peers           skipped: profile testnet "] {
        assert!(said("app status").contains(state), "{}", said("app status"));
    }
    assert!(said("app status").contains("1 pending, 1 repeatable script to run"), "{}", said("app status"));
    assert!(said("app up").contains("applied 1 migration and 1 repeatable script in"), "{}", said("app up"));
    assert!(said("app drift").contains("no difference"));

    assert!(app("up --profile testnet").contains("applied 1 repeatable script"));
    let changed = "DROP VIEW IF EXISTS active_users;\nCREATE VIEW active_users AS SELECT id FROM users;\n";
    scratch.write("app/migrations/R__active_users.sql", changed);
    let status = app("status");
    for state in ["R__active_users    changed ", "R__peers           applied "] {
        assert!(status.contains(state), "{status}");
    }
    assert!(app("up").contains("applied R__active_users"));
    std::fs::remove_file(folder.join("R__active_users.sql")).unwrap();
    let status = app("status");
    assert!(status.contains("R__active_users    gone ") && status.contains("restore its file"), "{status}");
    assert!(page.contains("`app repair --forget R__active_users`"));
    app("repair --forget R__active_users");
    assert!(app("status").starts_with("up to date"));
    let history = app("history");
    for line in ["applied", "forgotten"] {
        assert!(history.contains("R__active_users") && history.contains(line), "{history}");
    }
}

/// The versions of the migrations that Lockgate has applied itself, the newest first.
fn applied(database: &Path) -> Vec<String> {
    wait(async {
        let mut connection = SqliteConnection::connect(&format!("sqlite://{}", database.display())).await.unwrap();
        let versions =
            "SELECT CAST(version AS TEXT) FROM lockgate_log WHERE event = 'applied' ORDER BY lockgate_log.version DESC";
        sqlx::query_scalar(versions).fetch_all(&mut connection).await.unwrap()
    })
}

/// A database with the history of a tool. sqlx makes its own.
fn made(database: &Path, history: &str, folder: &Path) {
    let url = format!("sqlite://{}?mode=rwc", database.display());
    wait(async {
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        if history.is_empty() {
            let mut migrator = sqlx::migrate::Migrator::new(folder).await.unwrap();
            migrator.migrations = migrator.migrations.iter().take(2).cloned().collect::<Vec<_>>().into();
            migrator.run(&mut connection).await.unwrap();
        } else {
            sqlx::raw_sql(sqlx::AssertSqlSafe(history.to_owned())).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
    });
}

fn app(words: &[&str], folder: &Path, database: &Path) -> String {
    let mut command = Command::new(program());
    command.args(words).env("MIGRATIONS", folder).env("NO_COLOR", "1");
    let output = command.env("DATABASE_URL", format!("sqlite://{}", database.display())).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "`app {}`: {out}{err}", words.join(" "));
    out
}

/// The program of `tests/examples/folder.rs`.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let words = "build --package lockgate-tests --example folder --message-format=json-render-diagnostics";
        let output = Command::new(cargo).args(words.split(' ')).current_dir(root()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let built =
            cargo_metadata::Message::parse_stream(&output.stdout[..]).flatten().find_map(|message| match message {
                cargo_metadata::Message::CompilerArtifact(artifact) => artifact.executable,
                _ => None,
            });
        built.expect("cargo names what it has built").into_std_path_buf()
    })
}
