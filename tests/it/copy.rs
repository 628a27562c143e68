//! `COPY … FROM stdin` with its data, and the other output of pg_dump.

use std::path::Path;
use std::time::Duration;

use lockgate::{Atomicity, Database, DownTo, ErrorKind, Migrations, Migrator};
use lockgate_harness::server::Options;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, Executor, PgConnection};

use crate::faults::reports;
use crate::support::database::Db;
use crate::support::polled;
use crate::support::postgres::{self, client};
use crate::support::set::migrations;
use crate::support::wire::Wire;

const POSTGRES: (&str, &str) = ("migrations.toml", "dialects = [\"postgres\"]\n[lint]\nsyntax = \"allow\"\n");

fn set(files: &[(&str, &str)]) -> &'static Migrations {
    migrations(&[&[POSTGRES], files].concat())
}

const BOOKS: &str = "\
\\restrict k4
CREATE TABLE book (id integer PRIMARY KEY, title text, year integer);
COPY book (id, title, year) FROM stdin; -- three of them
1\tMiddlemarch\t1871
2\tit's; -- $$ (\t\\N
3\tgröße 🚢\t-5
\\.

-- and none
COPY book FROM STDIN;
\\.
COPY book (id, title) FROM stdin WITH (FORMAT csv, HEADER);
id,title
4,\"one, two
\\. three\"
\\.
UPDATE book SET year = 0 WHERE id = 4;
\\unrestrict k4
INSERT INTO book SELECT id + 100, title FROM book WHERE id = 1;
";

const ROWS: [&str; 5] =
    ["1|Middlemarch|1871", "2|it's; -- $$ (|", "3|größe 🚢|-5", "4|one, two\n\\. three|0", "101|Middlemarch|"];

const SELECT: &str = "SELECT concat_ws('|', id, title, coalesce(year::text, '')) FROM book ORDER BY id";

#[tokio::test]
async fn data_are_at_their_place_between_the_statements() {
    let Some(db) = Db::postgres() else { return };
    let set = set(&[
        ("0001_a.sql", "CREATE TABLE a (id integer);"),
        ("0002_book.up.sql", BOOKS),
        ("0002_book.down.sql", "COPY a FROM stdin;\n7\n\\.\nDROP TABLE book;"),
        ("0003_c.sql", "CREATE TABLE c (id integer);"),
    ]);
    let report = db.apply(set).await;
    assert_eq!(report.steps.len(), 3);
    assert_eq!(db.texts(SELECT).await, ROWS);
    assert_eq!(db.history().await, ["1:applied", "2:applied", "3:applied"]);
    assert!(db.apply(set).await.is_empty());
    assert_eq!(
        db.texts("SELECT statements_done::text FROM lockgate_history WHERE version = 2").await,
        ["8"],
        "lines of psql are statements that are done"
    );
}

#[tokio::test]
async fn down_scripts_and_whole_runs_have_data_too() {
    let Some(db) = Db::postgres() else { return };
    let set = set(&[
        ("0001_a.up.sql", "CREATE TABLE a (id integer);"),
        ("0001_a.down.sql", "DROP TABLE a;"),
        ("0002_book.up.sql", BOOKS),
        ("0002_book.down.sql", "COPY a FROM stdin;\n7\n\\.\nDROP TABLE book;"),
    ]);
    let mut database = db.open().await;
    let migrator = Migrator::new(set).atomicity(Atomicity::WholeRun);
    assert_eq!(migrator.apply(&mut database).await.unwrap().steps.len(), 2);
    assert_eq!(db.texts(SELECT).await, ROWS);
    migrator.revert(&mut database, DownTo::Steps(1)).await.unwrap();
    assert_eq!(db.texts("SELECT id::text FROM a").await, ["7"]);
    assert_eq!(db.objects().await, ["a"]);

    // And on a connection of the caller's, which is restored.
    let mut connection = PgConnection::connect(&db.url()).await.unwrap();
    connection.execute("SET client_min_messages = 'log'; SET lock_timeout = '5s'").await.unwrap();
    migrator.apply(&mut connection).await.unwrap();
    let sql = "SELECT current_setting('client_min_messages') || current_setting('lock_timeout')";
    assert_eq!(sqlx::query_scalar::<_, String>(sql).fetch_one(&mut connection).await.unwrap(), "log5s");
}

#[tokio::test]
async fn windows_line_endings_are_not_data() {
    let Some(db) = Db::postgres() else { return };
    db.apply(set(&[("0001_book.sql", &BOOKS.replace('\n', "\r\n"))])).await;
    let rows = db.texts(SELECT).await;
    assert_eq!(rows[..3], ROWS[..3]);
    assert_eq!((rows[3].as_str(), rows.len()), ("4|one, two\n\\. three|0", 5), "a line end within quotes is one");
}

#[tokio::test]
async fn an_error_in_the_data_names_a_line_of_the_file() {
    let Some(db) = Db::postgres() else { return };
    let before = ("0001_a.sql", "CREATE TABLE a (id integer PRIMARY KEY, note text);");
    let after = ("0003_c.sql", "CREATE TABLE c (id integer);");
    for (script, says) in [
        (
            "COPY a FROM stdin;\n1\tx\n2\ty\nthree\tz\n\\.\n",
            ["statement 1 of 1", "0002_b.sql:4:1", "4 | three", "invalid input syntax for type integer: \"three\""],
        ),
        (
            "-- ü\nSELECT 'ü';\nCOPY a (note, id) FROM stdin; -- 🚢\nü\t1\nö\tbad\n\\.\nSELECT 2;\n",
            ["statement 2 of 3", "0002_b.sql:5:3", "5 | ö bad", "COPY a, line 2, column id: \"bad\""],
        ),
        (
            "COPY a FROM stdin;\n1\tx\n\\.\nCOPY a FROM stdin;\n2\tx\n1\ty\n3\tz\n\\.\n",
            ["statement 2 of 2", "0002_b.sql:6:1", "duplicate key value", "COPY a, line 2"],
        ),
        (
            "COPY a FROM stdin WITH (FORMAT csv, HEADER);\nid,note\n1,\"x\ny\"\n2,z,3\n\\.\n",
            ["statement 1 of 1", "0002_b.sql:5:1", "5 | 2,z,3", "extra data after last expected column"],
        ),
        (
            "COPY a FROM stdin;\n1\n\\.\n",
            ["statement 1 of 1", "0002_b.sql:2:1", "missing data for column \"note\"", "correct migrations/0002_b.sql"],
        ),
        (
            "SELECT 1;\nCOPY a (id, nota) FROM stdin;\n\\.\n",
            ["statement 2 of 2", "0002_b.sql:2:1", "column \"nota\"", "correct migrations/0002_b.sql"],
        ),
        (
            "COPY a FROM stdin WITH (FORMAT csv, NOPE);\n1\n\\.\n",
            ["statement 1 of 1", "0002_b.sql:1:37", "option \"nope\" not recognized", "correct migrations/0002_b.sql"],
        ),
        (
            "COPY a FROM stdin;\n1\tx\n\\.\nSELECT 'ü', FROM FROM a;\n",
            ["statement 2 of 2", "0002_b.sql:4:13", "syntax error", "1 more was not tried"],
        ),
        (
            "SELECT 1;\nSELEC 2;\nCOPY a FROM stdin;\n1\tx\n\\.\n",
            ["statement 2 of 3", "0002_b.sql:2:1", "syntax error", "1 more was not tried"],
        ),
    ] {
        let set = set(&[before, ("0002_b.sql", script), after]);
        let mut database = db.open().await;
        for _ in 0..2 {
            // The value still works.
            let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
            reports(&error, ErrorKind::Failed, &says);
            reports(&error, ErrorKind::Failed, &["`0002_b` was rolled back: nothing of it is in the database"]);
        }
        assert_eq!(db.history().await, ["1:applied"], "{script}");
        assert_eq!(db.texts("SELECT id::text FROM a").await, [""; 0], "{script}");
    }
}

#[tokio::test]
async fn many_rows_travel_in_pieces_and_notices_do_not_block_them() {
    let Some(db) = Db::postgres() else { return };
    let mut script = "CREATE TABLE a (id integer, note text);
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '%', repeat('x', 200); RETURN NEW; END; $$;
CREATE TRIGGER tell BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION tell();
COPY a FROM stdin;
"
    .to_owned();
    for n in 0..60_000 {
        script.push_str(&format!("{n}\t{}\n", "größe".repeat(8)));
    }
    script.push_str("\\.\nCREATE TABLE b (id integer);\n");
    assert!(script.len() > 3 << 20);
    let set = set(&[("0001_a.sql", &script)]);
    let run = async { db.apply(set).await };
    tokio::time::timeout(Duration::from_secs(120), run).await.expect("nobody waits for the other");
    assert_eq!(db.texts("SELECT count(*)::text FROM a").await, ["60000"]);
    assert_eq!(db.objects().await, ["a", "b"]);
}

#[tokio::test]
async fn a_script_with_data_costs_three_messages_more_and_the_others_none() {
    let Some(database) = postgres::database() else { return };
    let wire = Wire::in_front_of(&database.url()).await;
    let mut through = Database::connect(&wire.url()).await.unwrap();
    let files: Vec<(String, String)> = (1..=20)
        .map(|n| {
            let script = match n {
                // Two in a row, with nothing between them.
                10 => "CREATE TABLE t10 (id integer);\nCOPY t10 FROM stdin;\n1\n\\.\nCOPY t10 FROM stdin;\n2\n\\.\n"
                    .to_owned(),
                n => format!("\\restrict x\nCREATE TABLE t{n} (id integer);\n\\unrestrict x\n"),
            };
            (format!("{n:04}_t.sql"), script)
        })
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, sql)| (name.as_str(), sql.as_str())).collect();
    Migrator::new(set(&files)).apply(&mut through).await.unwrap();
    // The read; the nine migrations before; the part before the data; two COPYs with data; the part after; the ten
    // after.
    assert_eq!(wire.counts().round_trips, 1 + 1 + (1 + 2 * 2 + 1) + 1, "{:#?}", wire.counts().sql);
}

#[tokio::test]
async fn outside_a_transaction_each_is_recorded() {
    let Some(db) = Db::postgres() else { return };
    let script = "-- lockgate: no-transaction\n\\restrict x\nCREATE TABLE a (id integer PRIMARY KEY);\nCOPY a FROM stdin;\n1\n2\n\\.\n\
                  VACUUM a;\nCOPY a FROM stdin;\n3\n2\n\\.\nCREATE INDEX CONCURRENTLY i ON a (id);\n\\unrestrict x\n";
    let set = set(&[("0001_a.sql", script)]);
    let mut database = db.open().await;
    let error = Migrator::new(set).apply(&mut database).await.unwrap_err();
    reports(
        &error,
        ErrorKind::Failed,
        &[
            "failed at statement 5 of 7",
            "0001_a.sql:11:1",
            "duplicate key",
            "4 of its 7 statements have finished and stay",
        ],
    );
    db.execute("DELETE FROM a WHERE id = 2").await;
    Migrator::new(set).apply(&mut database).await.unwrap();
    assert_eq!(db.texts("SELECT id::text FROM a ORDER BY id").await, ["1", "2", "3"]);
    assert_eq!(db.history().await, ["1:applied"]);
    let shown = sqlx::query_scalar::<_, String>("SELECT current_setting('client_min_messages')");
    assert_eq!(shown.fetch_one(database.postgres().unwrap()).await.unwrap(), "notice");
}

/// A run that is dropped anywhere leaves nothing, and no query gets the answer of the one before: a connection that
/// was interrupted in the middle of data is closed.
#[tokio::test]
async fn a_run_dropped_among_its_data_leaves_nothing_and_no_wrong_answer() {
    let Some(db) = Db::postgres() else { return };
    let rows: String = (0..100_000).map(|n| format!("{n}\n")).collect();
    let script = format!("CREATE TABLE a (id integer);\nCOPY a FROM stdin;\n{rows}\\.\nCREATE TABLE b (id integer);\n");
    let set = set(&[("0001_a.up.sql", &script), ("0001_a.down.sql", "DROP TABLE a, b;")]);
    let migrator = Migrator::new(set).lock_wait(Duration::from_secs(60));
    let pool = PgPoolOptions::new().max_connections(1).connect(&db.url()).await.unwrap();
    let mut ended = 0;
    // How many polls the data take depends on the machine, so that one round may not be dropped among them.
    for borrowed in std::iter::once(false).chain(std::iter::repeat_n(true, 20)) {
        if ended > 0 {
            break;
        }
        for polls in 1.. {
            let mut connection = PgConnection::connect(&db.url()).await.unwrap();
            let done = match borrowed {
                true => polled(migrator.apply(&mut connection), polls).await,
                false => polled(migrator.apply(&pool), polls).await,
            };
            if let Some(ran) = &done {
                ran.as_ref().unwrap_or_else(|error| panic!("{polls}: {error:?}"));
            }
            if borrowed {
                let mut errors = 0;
                for question in 0..6 {
                    match sqlx::query_scalar::<_, i32>("SELECT $1").bind(question).fetch_one(&mut connection).await {
                        Ok(answer) => assert_eq!(answer, question, "dropped at {polls}"),
                        Err(_) => errors += 1,
                    }
                }
                assert!(errors < 2 || errors == 6, "dropped at {polls}: {errors} errors");
                ended += usize::from(errors == 6);
            } else {
                let answer = sqlx::query_scalar::<_, i32>("SELECT 7").fetch_one(&pool).await.unwrap();
                assert_eq!(answer, 7);
            }
            let mut other = db.open().await;
            migrator.apply(&mut other).await.unwrap_or_else(|error| panic!("dropped at {polls}: {error:?}"));
            assert_eq!(db.texts("SELECT count(*)::text FROM a").await, ["100000"], "dropped at {polls}");
            assert_eq!(db.objects().await, ["a", "b"]);
            migrator.revert(&mut other, DownTo::Empty).await.unwrap();
            if done.is_some() {
                break;
            }
        }
    }
    assert!(ended > 0, "a run was dropped among its data");
}

/// The contents of a small database.
pub(crate) const LIBRARY: &str = r#"
CREATE SCHEMA desk;
CREATE TYPE desk.shelf AS ENUM ('fiction', 'rare books', 'it''s');
CREATE TABLE desk.book (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, title text NOT NULL UNIQUE,
    shelf desk.shelf DEFAULT 'fiction', note text, price numeric(8, 2) CHECK (price > 0), tags text[]);
CREATE TABLE public.loan (book bigint NOT NULL REFERENCES desk.book, since timestamptz NOT NULL, PRIMARY KEY (book, since));
CREATE TABLE public.nothing (a integer, "b;c" text);
CREATE INDEX loan_since ON loan (since) WHERE book > 1;
CREATE VIEW public.lent AS SELECT title, since FROM desk.book JOIN loan ON book = id;
CREATE FUNCTION public.shout() RETURNS trigger LANGUAGE plpgsql AS $_$
BEGIN
  NEW.title := upper(NEW.title) || ';\.';
  RETURN NEW;
END;
$_$;
CREATE TRIGGER shout BEFORE UPDATE ON desk.book FOR EACH ROW EXECUTE FUNCTION shout();
INSERT INTO desk.book (title, shelf, note, price, tags) VALUES
    ('Middlemarch', 'fiction', E'a\tb\\c\nd\r', 12.50, '{a,"b c"}'),
    ('größe 🚢; -- $$', 'it''s', NULL, NULL, NULL), ('\.', 'rare books', '', 0.01, '{}');
INSERT INTO loan SELECT id, '2026-01-31 09:30:00+00' FROM desk.book;
COMMENT ON TABLE loan IS 'who has what; since when';
ALTER SEQUENCE desk.book_id_seq RESTART WITH 77;
"#;

fn dump(folder: &Path, url: &str) -> String {
    let text = client(folder, "pg_dump", &["--format=plain", "--exclude-table=lockgate_*", "--dbname", url]);
    // Its lines \restrict and \unrestrict have a new random key each time.
    text.lines().filter(|line| !line.contains("restrict ")).map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn a_database_dumped_and_migrated_is_the_same_again() {
    let Some(folder) = postgres::folder_with("pg_dump") else { return };
    let Some(server) = postgres::cluster(&Options::default().bin(&folder)) else { return };
    let mut original = PgConnection::connect(&server.url("postgres")).await.unwrap();
    original.execute("CREATE DATABASE copied TEMPLATE template0").await.unwrap();
    original.execute(LIBRARY).await.unwrap();
    let before = dump(&folder, &server.url("postgres"));
    assert_eq!(before.matches("FROM stdin;").count(), 3);

    // Newer releases of pg_dump write the two lines.
    let head = before.find("-- Dumped from").unwrap();
    let script = format!("{}\\restrict hK3x9\n\n{}\n\\unrestrict hK3x9\n\n", &before[..head], &before[head..]);
    let set = set(&[("0001_dump.sql", &script), ("0002_more.sql", "CREATE TABLE public.more (id integer);")]);
    let mut database = Database::connect(&server.url("copied")).await.unwrap();
    let report = Migrator::new(set).apply(&mut database).await.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(report.steps.len(), 2);
    database.postgres().unwrap().execute("DROP TABLE public.more").await.unwrap();
    assert_eq!(dump(&folder, &server.url("copied")), before);
}

/// What the progress bar asks on a second connection, half way through a copy and through an index build.
#[tokio::test]
async fn the_server_says_how_far_a_copy_and_an_index_build_are() {
    let Some(db) = Db::postgres() else { return };
    let version: i32 = db.texts("SHOW server_version_num").await[0].parse().unwrap();
    // A copy of 100,000 rows stops before the 50,000th until the lock is free.
    let table = "CREATE TABLE book (id integer, title text);\n\
                 CREATE FUNCTION waits() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN\n\
                 IF NEW.id = 50000 THEN PERFORM pg_advisory_xact_lock(4711); END IF; RETURN NEW; END $$;\n\
                 CREATE TRIGGER waits BEFORE INSERT ON book FOR EACH ROW EXECUTE FUNCTION waits();\n";
    let rows: String = (1..=100_000).map(|id| format!("{id}\tthe title of book {id}\n")).collect();
    let copy = format!("COPY book (id, title) FROM stdin;\n{rows}\\.\n");
    let index = "-- lockgate: no-transaction\nCREATE INDEX CONCURRENTLY book_title ON book (title);\n";
    let set = set(&[("0001_book.sql", table), ("0002_copy.sql", &copy), ("0003_index.sql", index)]);
    let mut other = PgConnection::connect(&db.url()).await.unwrap();
    other.execute("SELECT pg_advisory_lock(4711)").await.unwrap();
    let mut runs = db.open().await;
    let migrator = Migrator::new(set);
    let run = migrator.apply(&mut runs);
    let look = async {
        let mut second = db.open().await;
        let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted \
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut other).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
        let copying = lockgate::server_progress(&mut second).await.unwrap();
        // The index waits for this transaction, which has written into its table.
        other.execute("BEGIN; UPDATE book SET id = id WHERE false; SELECT pg_advisory_unlock(4711)").await.unwrap();
        let built = loop {
            match lockgate::server_progress(&mut second).await.unwrap() {
                Some(progress) if progress.phase.starts_with("waiting") => break progress,
                Some(_) | None => tokio::task::yield_now().await,
            }
        };
        other.execute("COMMIT").await.unwrap();
        (copying, built)
    };
    let (report, (copying, built)) = tokio::join!(run, look);
    report.unwrap();
    if version >= 140_000 {
        let copying = copying.expect("a copy is under way");
        assert_eq!((copying.phase.as_str(), copying.done, copying.unit), ("copying", 49_999, "rows"));
    }
    assert_eq!(built.phase, "waiting for writers before build");
    let none = lockgate::server_progress(&mut db.open().await).await.unwrap();
    assert!(none.is_none(), "nothing runs any more: {none:?}");
    assert_eq!(db.texts("SELECT count(*)::text FROM book").await, ["100000"]);
}
