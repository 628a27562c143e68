//! Scripts that a server stops: by a limit, a lock, a missing right, a setting or an encoding.

use std::time::Duration;

use lockgate::{Database, ErrorKind, Migrator, Stage};
use lockgate_cli::Exit;
use lockgate_harness::server::Options;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::{quoted, read, types};
use crate::support::database::Db;
use crate::support::pooler::Pooler;
use crate::support::postgres;
use crate::support::set::migrations;

const A: (&str, &str) = ("0001_a.sql", "CREATE TABLE a (id INTEGER);");

#[tokio::test]
async fn a_limit_of_the_role_or_the_database_is_raised_as_the_message_says() {
    for outside in ["", "-- lockgate: no-transaction\n"] {
        let Some(db) = Db::postgres() else { return };
        db.execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = 100', current_database()); END $$",
        )
        .await;
        let slow = format!("{outside}SELECT pg_sleep(0.5);");
        let set = migrations(&[A, ("0002_slow.sql", &slow)]);
        let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
        let text = read(&error, &["statement timeout", "57014"]);
        let line = format!("up {}", quoted(&text, "--statement-timeout"));
        assert_eq!(types(set, &db.url(), &line).await, Exit::Done, "{text}");
    }
    // A script's own limit applies to it.
    let Some(db) = Db::postgres() else { return };
    let set = migrations(&[("0001_slow.sql", "-- lockgate: statement-timeout 50ms\nSELECT pg_sleep(0.5);")]);
    let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
    let text = read(&error, &["`-- lockgate: statement-timeout` in migrations/0001_slow.sql", "raise it there"]);
    assert!(!text.contains("--statement-timeout"), "{text}");
    let raised = migrations(&[("0001_slow.sql", "-- lockgate: statement-timeout 10min\nSELECT pg_sleep(0.5);")]);
    assert_eq!(types(raised, &db.url(), "up").await, Exit::Done, "{text}");
}

#[tokio::test]
async fn waiting_for_a_lock_works_as_the_message_says() {
    let Some(db) = Db::postgres() else { return };
    db.apply(migrations(&[A])).await;
    let mut holder = PgConnection::connect(&db.url()).await.unwrap();
    holder.execute("BEGIN; LOCK TABLE a").await.unwrap();
    let set = migrations(&[A, ("0002_b.sql", "ALTER TABLE a ADD COLUMN b INTEGER;")]);
    let migrator = Migrator::new(set).lock_timeout(Duration::from_millis(50)).lock_wait(Duration::from_millis(200));
    let error = migrator.apply(&mut db.open().await).await.unwrap_err();
    let text = read(&error, &["may hold the lock that it needs"]);
    let line = format!("up {}", quoted(&text, "--lock-timeout"));
    let ends = async {
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'a'::regclass";
        while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut holder).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
        holder.execute("ROLLBACK").await.unwrap();
    };
    let url = db.url();
    let (exit, ()) = tokio::join!(types(set, &url, &line), ends);
    assert_eq!(exit, Exit::Done, "{text}");
}

#[tokio::test]
async fn a_session_that_is_read_only_is_opened_as_the_message_says() {
    let set = migrations(&[A]);
    for of in ["DATABASE {db}", "ROLE {role}", "ROLE {role} IN DATABASE {db}"] {
        for lasting in [false, true] {
            let Some(database) = postgres::database() else { return };
            let mut admin = database.connect().await;
            let name = database.url().rsplit('/').next().unwrap().to_owned();
            let role = format!("ro_{name}");
            let url = database.url();
            let url = format!("postgres://{role}:s3cret{}", &url[url.find('@').unwrap()..]);
            let of = of.replace("{db}", &name).replace("{role}", &role);
            admin
                .execute(AssertSqlSafe(format!(
                    "CREATE ROLE {role} LOGIN PASSWORD 's3cret'; GRANT ALL ON SCHEMA public TO {role}; ALTER {of} SET \
                     default_transaction_read_only = on"
                )))
                .await
                .unwrap();
            let error = Migrator::new(set).apply(&mut Database::connect(&url).await.unwrap()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error:?}");
            let text = read(&error, &["`default_transaction_read_only` is on"]);
            let mut database = Database::connect(&url).await.unwrap();
            let error = Migrator::new(set).mark_stage(&mut database, Stage::Test).await.unwrap_err();
            assert_eq!(read(&error, &[]).split("help: ").nth(1), text.split("help: ").nth(1));
            let url = if lasting {
                admin.execute("SET default_transaction_read_only = off").await.unwrap();
                admin.execute(AssertSqlSafe(quoted(&text, "ALTER ").to_owned())).await.unwrap();
                url
            } else {
                format!("{url}?{}", quoted(&text, "options="))
            };
            assert_eq!(types(set, &url, "up").await, Exit::Done, "{text}");
            admin.execute("SET default_transaction_read_only = off").await.unwrap();
            admin.execute(AssertSqlSafe(format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"))).await.unwrap();
        }
    }
}

#[tokio::test]
async fn deferred_checks_are_made_as_the_message_says() {
    let Some(db) = Db::postgres() else { return };
    let ground = (
        "0001_a.sql",
        "CREATE TABLE p (id INTEGER PRIMARY KEY);\nCREATE TABLE c (p INTEGER REFERENCES p DEFERRABLE INITIALLY DEFERRED);\n\
         INSERT INTO p VALUES (1);",
    );
    let script = ["INSERT INTO c VALUES (1);", "ALTER TABLE c ADD COLUMN more INTEGER;"];
    let set = migrations(&[ground, ("0002_b.sql", &script.join("\n"))]);
    let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
    let text = read(&error, &["55006", "--> migrations/0002_b.sql:2:"]);
    let right = [script[0], quoted(&text, "SET CONSTRAINTS"), script[1]].join("\n");
    let set = migrations(&[ground, ("0002_b.sql", &right)]);
    assert_eq!(types(set, &db.url(), "up").await, Exit::Done, "{text}");
}

/// Whatever a role lacks, the statement that is named gives it; one after the other until it goes.
#[tokio::test]
async fn a_right_is_granted_as_the_message_says() {
    let cases: [(&str, &str, &[&str]); 8] = [
        ("", "CREATE TABLE b (id INTEGER);", &["GRANT USAGE, CREATE ON SCHEMA \"public\""]),
        ("CREATE SCHEMA app", "CREATE TABLE app.b (id INTEGER);", &["ON SCHEMA \"app\""]),
        ("CREATE TABLE t (id INTEGER)", "INSERT INTO t VALUES (1);", &["ON \"t\""]),
        ("CREATE TABLE t (id INTEGER)", "TRUNCATE t;", &["ON \"t\""]),
        (
            "CREATE TABLE \"T t\" (id INTEGER)",
            "ALTER TABLE \"T t\" ADD COLUMN b INTEGER;",
            &["`GRANT owner TO \"may_", "ALTER TABLE \"T t\" OWNER TO"],
        ),
        ("CREATE SEQUENCE s", "SELECT nextval('s');", &["ON SEQUENCE \"s\""]),
        ("CREATE VIEW v AS SELECT 1 AS one", "SELECT * FROM v;", &["SELECT ON \"v\""]),
        ("", "CREATE SCHEMA more;", &["GRANT CREATE ON DATABASE"]),
    ];
    for (ground, script, says) in cases {
        let Some(database) = postgres::database() else { return };
        let mut admin = database.connect().await;
        let name = database.url().rsplit('/').next().unwrap().to_owned();
        let role = format!("may_{name}");
        let url = database.url();
        let url = format!("postgres://{role}:s3cret{}", &url[url.find('@').unwrap()..]);
        admin
            .execute(AssertSqlSafe(format!(
                "CREATE ROLE {role} LOGIN PASSWORD 's3cret'; REVOKE ALL ON SCHEMA public FROM PUBLIC; {ground}"
            )))
            .await
            .unwrap();
        let set = migrations(&[("0001_x.sql", script)]);
        let mut output = String::new();
        for _ in 0..6 {
            let Err(error) = Migrator::new(set).apply(&mut Database::connect(&url).await.unwrap()).await else { break };
            assert_eq!(error.kind(), ErrorKind::Denied, "{error:?}");
            let text = read(&error, &["let the owner of it, or a superuser, run"]);
            let statement = text.split("run `").nth(1).and_then(|rest| rest.split('`').next()).unwrap().to_owned();
            admin.execute(AssertSqlSafe(statement)).await.unwrap_or_else(|error| panic!("{error}:\n{text}"));
            output.push_str(&text);
        }
        for wanted in says {
            assert!(output.contains(wanted), "no «{wanted}» in:\n{output}");
        }
        assert_eq!(types(set, &url, "up").await, Exit::Done, "{output}");
        admin.execute(AssertSqlSafe(format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"))).await.unwrap();
    }
}

#[tokio::test]
async fn a_missing_schema_is_created_as_the_message_says() {
    for start in ["CREATE SCHEMA", "options="] {
        let Some(db) = Db::postgres() else { return };
        let url = format!("{}?options=-csearch_path%3Dapp", db.url());
        let set = migrations(&[A]);
        let error = Migrator::new(set).apply(&mut Database::connect(&url).await.unwrap()).await.unwrap_err();
        let text = read(&error, &["no schema of the search path (`app`) exists"]);
        let advice = quoted(&text, start);
        let url = if start == "options=" {
            format!("{}?{advice}", db.url())
        } else {
            db.execute(advice).await;
            url
        };
        assert_eq!(types(set, &url, "up").await, Exit::Done, "{text}");
    }
}

/// Also for an existing history, and for a role that a script sets.
#[tokio::test]
async fn a_right_to_the_history_is_granted_as_the_message_says() {
    let Some(database) = postgres::database() else { return };
    let mut admin = database.connect().await;
    let set = migrations(&[A, ("0002_b.sql", "SELECT 1;")]);
    Migrator::new(migrations(&[A])).apply(&mut admin).await.unwrap();
    let name = database.url().rsplit('/').next().unwrap().to_owned();
    let role = format!("may_{name}");
    let url = database.url();
    let url = format!("postgres://{role}:s3cret{}", &url[url.find('@').unwrap()..]);
    let sql =
        format!("CREATE ROLE {role} LOGIN PASSWORD 's3cret'; CREATE ROLE helper_{role}; GRANT helper_{role} TO {role}");
    admin.execute(AssertSqlSafe(sql)).await.unwrap();
    let error = Migrator::new(set).apply(&mut Database::connect(&url).await.unwrap()).await.unwrap_err();
    let text = read(&error, &["permission denied for table lockgate_history"]);
    admin.execute(AssertSqlSafe(quoted(&text, "GRANT ").to_owned())).await.unwrap();
    assert_eq!(types(set, &url, "up").await, Exit::Done, "{text}");

    let script = format!("-- lockgate: role helper_{role}\nINSERT INTO a VALUES (1);");
    let set = migrations(&[A, ("0002_b.sql", "SELECT 1;"), ("0003_c.sql", &script)]);
    let error = Migrator::new(set).apply(&mut Database::connect(&url).await.unwrap()).await.unwrap_err();
    let text = read(&error, &[&format!("TO \"helper_{role}\"")]);
    admin.execute(AssertSqlSafe(quoted(&text, "GRANT ").to_owned())).await.unwrap();
    assert_eq!(types(set, &url, "up").await, Exit::Done, "{text}");
    let sql = format!("DROP OWNED BY helper_{role}, {role} CASCADE; DROP ROLE helper_{role}; DROP ROLE {role}");
    admin.execute(AssertSqlSafe(sql)).await.unwrap();
}

#[tokio::test]
async fn the_place_is_the_character_that_the_database_cannot_write() {
    let Some(server) = postgres::cluster(&Options::default()) else { return };
    let mut admin = PgConnection::connect(&server.url("postgres")).await.unwrap();
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let sql =
            format!("CREATE DATABASE {encoding} TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'");
        admin.execute(AssertSqlSafe(sql)).await.unwrap();
        let url = server.url(&encoding.to_lowercase());
        let character = "SELECT 'é' AS \"ü\",\n  'é costs 5 →';";
        let unknown = "SELECT 'é' AS \"ü\",\n  'éé', nothing;";
        for outside in ["-- ä →\n", "-- lockgate: no-transaction\n"] {
            let (script, place) = match encoding {
                "LATIN1" => (character, "0002_b.sql:3:14"),
                _ => (unknown, "0002_b.sql:3:9"),
            };
            let text = format!("{outside}{script}");
            let set = migrations(&[A, ("0002_b.sql", &text)]);
            let migrator = Migrator::new(set).set_name(format!("set {}", outside.len())).lock_wait(Duration::ZERO);
            let mut database = Database::connect(&url).await.unwrap();
            let error = migrator.apply(&mut database).await.unwrap_err();
            read(&error, &[&format!("--> migrations/{place}"), "correct migrations/0002_b.sql"]);
            database.postgres().unwrap().execute("DROP TABLE IF EXISTS a").await.unwrap();
        }
    }
}

/// A standby server accepts no writes until it is promoted.
#[tokio::test]
async fn connecting_to_the_primary_works_as_the_message_says() {
    let options = Options::default().durable(true).setting("wal_level", "replica").setting("hot_standby", "on");
    let Some(mut server) = postgres::cluster(&options) else { return };
    let set = migrations(&[A, ("0002_b.sql", "SELECT 1;")]);
    let url = server.url("postgres");
    Migrator::new(migrations(&[A])).apply(&mut Database::connect(&url).await.unwrap()).await.unwrap();
    server.kill_9().unwrap();
    std::fs::write(server.directory().join("data").join("standby.signal"), "").unwrap();
    server.restart().unwrap();
    let error = Migrator::new(set).apply(&mut Database::connect(&url).await.unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly, "{error:?}");
    read(&error, &["the server is a read-only replica", "nothing was changed", "connect to the primary"]);
    // Reading is what a replica is for.
    assert_eq!(types(set, &url, "status").await, Exit::Done);
    let mut admin = PgConnection::connect(&url).await.unwrap();
    admin.execute("SELECT pg_promote()").await.unwrap();
    assert_eq!(types(set, &url, "up").await, Exit::Done);
}

/// The index that a failed `CREATE INDEX CONCURRENTLY` leaves behind is dropped by the next run or by the statement in
/// the message.
#[tokio::test]
async fn an_invalid_index_is_dropped_as_the_message_says() {
    let member = (
        "0001_member.sql",
        "CREATE TABLE \"Member\" (email TEXT);\nINSERT INTO \"Member\" VALUES ('ann@example.org'), ('ann@example.org');",
    );
    let script =
        "-- lockgate: no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY \"by email\" ON \"Member\" (email);\nVACUUM;\n";
    let set = migrations(&[member, ("0002_index.sql", script)]);
    for by_hand in [false, true] {
        let Some(db) = Db::postgres() else { return };
        let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
        let text = read(&error, &["is INVALID", "Key (email)=(ann@example.org) is duplicated"]);
        let up = quoted(&text, "up");
        db.execute("DELETE FROM \"Member\" WHERE ctid = (SELECT min(ctid) FROM \"Member\")").await;
        if by_hand {
            db.execute("DROP INDEX CONCURRENTLY \"by email\"").await;
        }
        assert_eq!(types(set, &db.url(), up).await, Exit::Done, "{text}");
        assert_eq!(db.texts("SELECT count(*)::text FROM pg_index WHERE NOT indisvalid").await, ["0"]);
    }
    // An invalid index that is not Lockgate's, with the name of one that another script creates.
    let Some(db) = Db::postgres() else { return };
    db.apply(migrations(&[member])).await;
    db.execute("CREATE INDEX \"by email\" ON \"Member\" (email)").await;
    db.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = '\"by email\"'::regclass").await;
    let tolerant = script.replace("UNIQUE INDEX CONCURRENTLY", "INDEX CONCURRENTLY IF NOT EXISTS");
    let set = migrations(&[member, ("0002_index.sql", &tolerant)]);
    let error = Migrator::new(set).apply(&mut db.open().await).await.unwrap_err();
    let text = read(&error, &["was INVALID before, and IF NOT EXISTS does not rebuild it"]);
    assert_eq!(types(set, &db.url(), quoted(&text, "up")).await, Exit::Done, "{text}");
    assert_eq!(db.texts("SELECT count(*)::text FROM pg_index WHERE NOT indisvalid").await, ["0"]);
}

/// Through a pool that takes the session away, what needs it is refused; the server itself takes it.
#[tokio::test]
async fn bypassing_a_pooler_works_as_the_message_says() {
    let Some(db) = Db::postgres() else { return };
    for mode in ["session", "direct"] {
        let Some(statement) = Pooler::start(&db.url(), "statement", 2) else { return };
        db.execute("DROP TABLE IF EXISTS a, lockgate_history, lockgate_log").await;
        let policy = ("migrations.toml", "dialects = [\"postgres\"]\n");
        let set = migrations(&[policy, A, ("0002_copy.sql", "COPY a FROM stdin;\n1\n\\.\n")]);
        let mut database = Database::connect(&statement.url()).await.unwrap();
        let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
        let text = read(&error, &["connect to the server itself, or to a pool in session mode, then run again"]);
        let session = Pooler::start(&db.url(), "session", 2).unwrap();
        let url = if mode == "session" { session.url() } else { db.url() };
        assert_eq!(types(set, &url, "up").await, Exit::Done, "{mode}: {text}");
        assert_eq!(db.texts("SELECT count(*)::text FROM a").await, ["1"], "{mode}");
    }
}

/// A small file system in memory, mounted until this is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// Mounts one that belongs to this user, if this process may mount.
    fn mount(owner: u32) -> Option<Self> {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        let folder = tempfile::Builder::new().permissions(open).tempdir().unwrap();
        let options = format!("size=12m,mode=0700,uid={owner}");
        let path = folder.path().to_str().unwrap();
        mount(&["-t", "tmpfs", "-o", &options, "tmpfs", path]).then_some(Self(folder))
    }

    fn path(&self) -> &str {
        self.0.path().to_str().unwrap()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

fn mount(words: &[&str]) -> bool {
    std::process::Command::new("mount").args(words).status().is_ok_and(|status| status.success())
}

/// The disk is full for the script, and in the second case for the history too.
#[tokio::test]
async fn a_full_disk_is_given_space_as_the_message_says() {
    use std::os::unix::fs::MetadataExt as _;
    let Some(server) = postgres::cluster(&Options::default()) else { return };
    let owner = server.directory().metadata().unwrap().uid();
    let Some(disk) = SmallDisk::mount(owner) else {
        postgres::skip("this process may not mount a file system");
        return;
    };
    let mut admin = PgConnection::connect(&server.url("postgres")).await.unwrap();
    let create = format!("CREATE TABLESPACE small LOCATION '{}'", disk.path());
    admin.execute(AssertSqlSafe(create)).await.unwrap();
    admin.execute("CREATE DATABASE small TABLESPACE small").await.unwrap();
    let url = server.url("small");
    let mut filler = PgConnection::connect(&url).await.unwrap();
    filler.execute("CREATE TABLE fill (text TEXT); ALTER TABLE fill ALTER text SET STORAGE PLAIN").await.unwrap();

    let set = migrations(&[A, ("0002_b.sql", "CREATE TABLE b AS SELECT generate_series(1, 500000) AS n;")]);
    let error = Migrator::new(set).apply(&mut Database::connect(&url).await.unwrap()).await.unwrap_err();
    let text = read(&error, &["53100", "`0002_b` was rolled back", "applied and committed before it: 0001_a"]);
    assert!(text.contains("free some space, then run again: nothing needs to be repaired"), "{text}");
    assert!(mount(&["-o", "remount,size=64m", disk.path()]));
    assert_eq!(types(set, &url, "up").await, Exit::Done, "{text}");

    // Fill every page that the history could use.
    while filler.execute("INSERT INTO fill SELECT repeat('x', 7000) FROM generate_series(1, 100)").await.is_ok() {}
    while filler.execute("INSERT INTO fill VALUES (repeat('x', 7000))").await.is_ok() {}
    let many: Vec<(String, String)> =
        (3..400).map(|n| (format!("{n:04}_{}.sql", "c".repeat(40)), "SELECT 1;".to_owned())).collect();
    let more: Vec<(&str, &str)> = many.iter().map(|(name, sql)| (&**name, &**sql)).collect();
    let set = migrations(
        &[&[A, ("0002_b.sql", "CREATE TABLE b AS SELECT generate_series(1, 500000) AS n;")], &*more].concat(),
    );
    let error = Migrator::new(set).apply(&mut Database::connect(&url).await.unwrap()).await.unwrap_err();
    let text = read(&error, &["53100", "could not be recorded", "free some space, then run again"]);
    filler.execute("DROP TABLE fill").await.unwrap();
    assert_eq!(types(set, &url, "up").await, Exit::Done, "{text}");
    let history = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM lockgate_history");
    assert_eq!(history.fetch_one(&mut filler).await.unwrap(), 399);
    filler.close().await.unwrap();
    drop(server);
}

/// To look needs less than to migrate.
#[tokio::test]
async fn a_role_that_only_looks_is_granted_no_more() {
    let Some(db) = Db::postgres() else { return };
    let set = migrations(&[A]);
    db.apply(set).await;
    let name = db.url().rsplit('/').next().unwrap().to_owned();
    let role = format!("looks_{name}");
    db.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 's3cret'")).await;
    let url = db.url();
    let url = format!("postgres://{role}:s3cret{}", &url[url.find('@').unwrap()..]);
    let error = Migrator::new(set).status(&mut Database::connect(&url).await.unwrap()).await.unwrap_err();
    let text = read(&error, &[]);
    let grant = quoted(&text, "GRANT ");
    assert!(grant.starts_with("GRANT SELECT ON ") && !grant.contains("lockgate_log"), "{text}");
    db.execute(grant).await;
    Migrator::new(set).status(&mut Database::connect(&url).await.unwrap()).await.unwrap();
    db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

/// Whoever may not see what the other session does still learns which one it is.
#[tokio::test]
async fn a_blocker_of_another_role_is_named() {
    let Some(db) = Db::postgres() else { return };
    let name = db.url().rsplit('/').next().unwrap().to_owned();
    let role = format!("waits_{name}");
    db.execute(&format!("CREATE ROLE {role} LOGIN PASSWORD 's3cret'; GRANT ALL ON SCHEMA public TO {role}")).await;
    let url = db.url();
    let url = format!("postgres://{role}:s3cret{}", &url[url.find('@').unwrap()..]);
    Migrator::new(migrations(&[A])).apply(&mut Database::connect(&url).await.unwrap()).await.unwrap();
    let mut holder = PgConnection::connect(&db.url()).await.unwrap();
    holder.execute("BEGIN; LOCK TABLE a").await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut holder).await.unwrap();
    let set = migrations(&[A, ("0002_b.sql", "ALTER TABLE a ADD COLUMN b INTEGER;")]);
    let migrator = Migrator::new(set).lock_timeout(Duration::from_millis(50)).lock_wait(Duration::from_millis(200));
    let error = migrator.apply(&mut Database::connect(&url).await.unwrap()).await.unwrap_err();
    read(&error, &[&format!("may hold the lock that it needs: pid {pid},"), "pg_read_all_stats"]);
    holder.execute("ROLLBACK").await.unwrap();
    db.execute(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}")).await;
}
