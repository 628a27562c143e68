//! PostgreSQL.

use lockgate::{Console, Dialect, Migrations, Migrator, Stage};
use lockgate_backup::data::{DumpOptions, Limits, LoadOptions, NewFile, TableChoice};
use lockgate_backup::refresh::Refresh;

use super::place::{Place, says};

const SCHEMA: &str = r#"
CREATE SCHEMA "we""ird";
CREATE TYPE mood AS ENUM ('fine', 'it''s');
-- A circle, of tables whose names are in the wrong order.
CREATE TABLE a_people (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL,
    lead BIGINT REFERENCES a_people (id),
    club BIGINT
);
CREATE TABLE clubs (id BIGSERIAL PRIMARY KEY, chair BIGINT NOT NULL REFERENCES a_people (id) DEFERRABLE);
ALTER TABLE a_people ADD CONSTRAINT club FOREIGN KEY (club) REFERENCES clubs (id);
CREATE TABLE a_loans (person BIGINT NOT NULL REFERENCES a_people (id), at TIMESTAMPTZ NOT NULL);
CREATE TABLE kinds (
    id INTEGER PRIMARY KEY,
    twice INTEGER GENERATED ALWAYS AS (id * 2) STORED,
    bytes BYTEA,
    list TEXT[],
    grid INTEGER[][],
    doc JSONB,
    text_doc JSON,
    float DOUBLE PRECISION,
    small REAL,
    number NUMERIC,
    day DATE,
    moment TIMESTAMP,
    while INTERVAL,
    network INET,
    word TEXT,
    feeling mood,
    range INT8RANGE,
    "odd ""name" TEXT
);
CREATE TABLE "we""ird"."Table.x" (id INTEGER PRIMARY KEY);
CREATE TABLE parts (id INTEGER NOT NULL, region TEXT NOT NULL, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE parts_north PARTITION OF parts FOR VALUES IN ('north');
CREATE TABLE parts_rest PARTITION OF parts DEFAULT;
CREATE TABLE parent (id INTEGER);
CREATE TABLE child (extra TEXT) INHERITS (parent);
CREATE SEQUENCE alone START 100;
CREATE SEQUENCE unused;
CREATE TABLE audit (what TEXT);
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO audit VALUES (TG_TABLE_NAME || ' ' || TG_OP); RETURN NEW; END $$;
CREATE TRIGGER noted AFTER INSERT ON a_people FOR EACH ROW EXECUTE FUNCTION noted();
CREATE TRIGGER always AFTER INSERT ON parts FOR EACH ROW EXECUTE FUNCTION noted();
CREATE TRIGGER off AFTER INSERT ON kinds FOR EACH ROW EXECUTE FUNCTION noted();
ALTER TABLE kinds DISABLE TRIGGER off;
CREATE MATERIALIZED VIEW names AS SELECT name FROM a_people;
"#;

const ROWS: &str = r#"
BEGIN;
INSERT INTO a_people (name, lead) VALUES ('Ada', 1), ('Eve', 1);
INSERT INTO clubs (chair) VALUES (2);
UPDATE a_people SET club = 1;
COMMIT;
INSERT INTO a_loans VALUES (1, '2024-02-29 12:00:00.123456+02');
INSERT INTO kinds VALUES (1, DEFAULT, '\x00ff5c0a', ARRAY['', NULL, 'a"b', '{,}', E'\\'], '{{1,2},{3,4}}',
    '{"a": "\\n"}', '{"b":  1}', 'NaN', 'Infinity', 'NaN', 'infinity', '-infinity', '1 year -2 days 00:00:00.5',
    '10.0.0.1/8', E'tab\tline\nbackslash\\ \\N \\. \r end', 'it''s', '[1,5)', 'x');
INSERT INTO kinds (id, word, float, small) VALUES (2, '', 0.1::float8 + 0.2::float8, 1.1), (3, NULL, '-0', 3.4e38);
INSERT INTO kinds (id, word) VALUES (4, '\.'), (5, '\N'), (6, repeat('long', 100000));
INSERT INTO "we""ird"."Table.x" VALUES (7);
INSERT INTO parts VALUES (1, 'north'), (2, 'south');
INSERT INTO parent VALUES (1);
INSERT INTO child VALUES (2, 'more');
SELECT nextval('alone'), nextval('alone');
DELETE FROM audit;
INSERT INTO audit VALUES ('one');
REFRESH MATERIALIZED VIEW names;
"#;

/// What keys and triggers are, which a load puts off and back.
const GUARDS: &str = "SELECT conrelid::regclass || ' ' || conname || ' ' || condeferrable || ' ' || condeferred \
                      FROM pg_constraint WHERE contype = 'f' UNION ALL \
                      SELECT tgrelid::regclass || ' ' || tgname || ' ' || tgenabled::text FROM pg_trigger \
                      WHERE NOT tgisinternal ORDER BY 1";

async fn filled() -> Option<Place> {
    let place = Place::with(Dialect::Postgres, SCHEMA).await?;
    place.run(ROWS).await;
    Some(place)
}

async fn same_as(place: &Place, source: &Place) {
    assert!(place.whole().await == source.whole().await, "the rows differ");
    for question in [
        GUARDS,
        "SELECT twice::text FROM kinds ORDER BY id",
        "SELECT what FROM audit",
        "SELECT name FROM names ORDER BY 1",
        "SELECT tableoid::regclass || ' ' || id FROM parts UNION ALL SELECT tableoid::regclass || ' ' || id FROM parent ORDER BY 1",
        "SELECT nextval('alone')::text || ' ' || nextval('unused') || ' ' || nextval('clubs_id_seq')",
        "INSERT INTO a_people (name) VALUES ('new') RETURNING id::text",
    ] {
        assert_eq!(place.texts(question).await, source.texts(question).await, "{question}");
    }
}

#[tokio::test]
async fn what_is_dumped_is_loaded() {
    let Some(source) = filled().await else { return };
    let target = Place::with(Dialect::Postgres, SCHEMA).await.unwrap();
    let (file, dumped) = source.dump(&DumpOptions::default()).await.unwrap();
    let loaded = target.load(&file).await.unwrap();
    assert_eq!(loaded, dumped);
    assert!(dumped.rows.contains(&("we\"ird.Table.x".to_owned(), 1)), "{dumped:?}");
    assert!(dumped.rows.contains(&("kinds".to_owned(), 6)) || dumped.rows.contains(&("public.kinds".to_owned(), 6)));
    same_as(&target, &source).await;
}

#[tokio::test]
async fn psql_reads_the_same_file() {
    let Some(source) = filled().await else { return };
    let target = Place::with(Dialect::Postgres, SCHEMA).await.unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), source.whole().await).unwrap();
    let mut psql = Console::of(&target.url()).unwrap().command();
    let psql = psql.args(["-X", "--single-transaction", "-v", "ON_ERROR_STOP=1", "-f"]).arg(file.path()).output();
    let Ok(output) = psql else {
        // Not every server comes with a client.
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    same_as(&target, &source).await;
}

#[tokio::test]
async fn passwords_of_any_form_work() {
    let Some(place) = filled().await else { return };
    let password = "a:b@c%d'e\"f/g?#";
    place.run("DROP ROLE IF EXISTS lockgate_data_test").await;
    place
        .run(&format!("CREATE ROLE lockgate_data_test SUPERUSER LOGIN PASSWORD '{}'", password.replace('\'', "''")))
        .await;
    let url = place.url();
    let (_, host) = url.rsplit_once('@').unwrap();
    let (host, name) = host.split_once('/').unwrap();
    let (host, port) = host.rsplit_once(':').unwrap();
    let parts = lockgate::DatabaseParts {
        host: Some(host.to_owned()),
        port: Some(port.parse().unwrap()),
        user: Some("lockgate_data_test".to_owned()),
        name: Some(name.to_owned()),
        password: Some(password.to_owned()),
    };
    let mut database = lockgate::Database::connect(&parts.url()).await.unwrap();
    let mut file = Vec::new();
    lockgate_backup::data::dump(&mut database, &DumpOptions::default(), &mut file).await.unwrap();
    database.close().await.unwrap();
    assert_eq!(String::from_utf8(file).unwrap(), place.whole().await);
    place.run("DROP OWNED BY lockgate_data_test; DROP ROLE lockgate_data_test").await;
}

#[tokio::test]
async fn some_tables_and_some_rows_are_chosen() {
    let Some(source) = filled().await else { return };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let choice = |only: &[&str], exclude: &[&str], conditions: &[&str]| DumpOptions {
        choice: TableChoice {
            only: words(only),
            exclude: words(exclude),
            conditions: conditions.iter().map(|one| one.parse().unwrap()).collect(),
        },
        ..DumpOptions::default()
    };
    let (file, tables) = source.dump(&choice(&["kinds", "clubs", "a_people"], &[], &["kinds=id > 4"])).await.unwrap();
    for sql in ["kinds=false) UNION SELECT what FROM audit WHERE (true", "kinds=true) TO STDOUT; DROP TABLE kinds; --"]
    {
        let error = source.dump(&choice(&[], &[], &[sql])).await.unwrap_err().report();
        assert!(error.contains("the condition of `kinds` for `--where` closes a parenthesis"), "{error}");
    }
    let mut rows: Vec<_> = tables.rows.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    rows.sort_unstable();
    assert_eq!(rows, [("public.a_people", 2), ("public.clubs", 1), ("public.kinds", 2)]);
    assert!(file.contains("clubs_id_seq") && !file.contains("alone"), "the sequences of these tables alone");
    let target = Place::with(Dialect::Postgres, SCHEMA).await.unwrap();
    target.load(&file).await.unwrap();
    assert_eq!(target.texts("SELECT id::text FROM kinds ORDER BY id").await, ["5", "6"]);
    assert_eq!(target.texts("SELECT nextval('alone')::text").await, ["100"]);

    let (_, tables) = source.dump(&choice(&[], &["kinds", "public.audit"], &[])).await.unwrap();
    assert!(tables.rows.iter().all(|(name, _)| !name.contains("kinds") && !name.contains("audit")), "{tables:?}");
    let bookkeeping = vec!["clubs".to_owned()];
    let (file, _) = source.dump(&DumpOptions { bookkeeping, ..DumpOptions::default() }).await.unwrap();
    assert!(!file.contains("clubs_id_seq") && file.contains("alone"), "nor are the sequences of bookkeeping");
    let error = source.dump(&choice(&["kind"], &[], &[])).await.unwrap_err().report();
    assert!(error.contains("there is no table `kind` for `--only`"), "{error}");

    // A sequence that a default uses, although no column owns it.
    source.run("ALTER TABLE audit ADD COLUMN number BIGINT DEFAULT nextval('alone')").await;
    let (file, _) = source.dump(&choice(&["audit"], &[], &[])).await.unwrap();
    assert!(file.contains("alone") && !file.contains("unused"), "{file}");
    source.run("ALTER TABLE audit DROP COLUMN number").await;

    // Rows whose partners were left out are not loaded.
    let (file, _) = source.dump(&choice(&["a_loans"], &[], &[])).await.unwrap();
    let target = Place::with(Dialect::Postgres, SCHEMA).await.unwrap();
    says(
        target.load(&file).await,
        &["violates foreign key constraint", "Key (person)=(1) is not present", "help: dump these tables together"],
    );
    assert_eq!(target.texts(GUARDS).await, source.texts(GUARDS).await);
}

#[tokio::test]
async fn what_does_not_fit_changes_nothing() {
    let Some(source) = filled().await else { return };
    let file = source.whole().await;
    let target = Place::with(Dialect::Postgres, SCHEMA).await.unwrap();
    let empty = target.whole().await;

    // A file that is cut off, at the end of any of its lines.
    let short: String = file.replace(&"long".repeat(100_000), "long");
    let ends: Vec<usize> = short.match_indices('\n').map(|(at, _)| at + 1).collect();
    for end in &ends[..ends.len() - 1] {
        says(target.load(&short[..*end]).await, &["dump"]);
    }
    says(target.load(&short[..short.len() / 2]).await, &["truncated"]);
    says(
        target.load(&short.replace("-- end of the dump", "DROP TABLE kinds;\n-- end of the dump")).await,
        &["is not one that `dump` writes"],
    );
    says(target.load(&format!("{short}SELECT 1;\n")).await, &["follows the end of the dump"]);
    says(target.load("SELECT 1;\n").await, &["not a dump that this release can load"]);
    says(
        target.load(&short.replace("dump 1 postgres", "dump 1 sqlite")).await,
        &["the dump is of a database of SQLite"],
    );
    says(target.load(&short.replace("\t{\"b\":  1}\t", "\tno json\t")).await, &["a row of `public.kinds` is refused"]);
    assert!(target.whole().await == empty, "something is left");
    assert_eq!(target.texts(GUARDS).await, source.texts(GUARDS).await);

    let before = source.whole().await;
    says(source.load(&short).await, &["has rows, and `load` does not add rows"]);
    assert!(source.whole().await == before, "something has changed");

    // BackupStage another migration.
    let newest = |newest: &str| Some(newest.to_owned());
    let options = DumpOptions { newest: newest("0004_tags"), ..DumpOptions::default() };
    let (file, _) = source.dump(&options).await.unwrap();
    let options = LoadOptions { newest: newest("0006_upper"), ..LoadOptions::default() };
    says(
        target.load_with(&options, &file).await,
        &["made at the migration `0004_tags`, and this database is at `0006_upper`", "`up --to 0004_tags`"],
    );
    target.load_with(&LoadOptions { newest: newest("0004_tags"), ..LoadOptions::default() }, &file).await.unwrap();
}

#[tokio::test]
async fn a_script_is_part_of_the_load() {
    let Some(source) = filled().await else { return };
    let target = Place::with(Dialect::Postgres, SCHEMA).await.unwrap();
    let (empty, file) = (target.whole().await, source.whole().await);
    let script = |script: &str| LoadOptions { script: Some(script.to_owned()), ..LoadOptions::default() };
    says(
        target.load_with(&script("UPDATE a_people SET name = 'x'; UPDATE nowhere SET id = 1"), &file).await,
        &["the script fails", "nowhere", "rows and script are one transaction"],
    );
    says(
        target.load_with(&script("UPDATE a_people SET name = 'x'; COMMIT"), &file).await,
        &["the script ends the transaction"],
    );
    says(
        target.load_with(&script("UPDATE a_people SET name = 'x'; SET CONSTRAINTS ALL IMMEDIATE"), &file).await,
        &["the script says `SET CONSTRAINTS ALL IMMEDIATE`", "help: delete the statement"],
    );
    assert!(target.whole().await == empty, "something is left");
    target.load_with(&script("UPDATE a_people SET name = 'person ' || id"), &file).await.unwrap();
    assert_eq!(target.texts("SELECT name FROM a_people ORDER BY id").await, ["person 1", "person 2"]);
    assert_eq!(
        target.texts("SELECT name FROM names ORDER BY 1").await,
        ["person 1", "person 2"],
        "no view keeps a name"
    );
}

#[tokio::test]
async fn rows_that_are_there_are_replaced() {
    let Some(source) = filled().await else { return };
    let target = filled().await.unwrap();
    target
        .run(
            "INSERT INTO a_people (name) VALUES ('old'); INSERT INTO parts VALUES (9, 'old'); INSERT INTO clubs (chair) VALUES (1); \
             CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'never'; END $$; \
             CREATE TRIGGER never BEFORE TRUNCATE ON kinds EXECUTE FUNCTION never()",
        )
        .await;
    let before = target.whole().await;
    let replace = LoadOptions { replace: true, ..LoadOptions::default() };
    let file = source.whole().await;
    says(target.load_with(&replace, &file.replace("-- end of the dump\n", "")).await, &["truncated"]);
    assert!(target.whole().await == before, "something has changed");
    target.load_with(&replace, &file).await.unwrap();
    target.run("DROP TRIGGER never ON kinds").await;
    same_as(&target, &source).await;
}

#[tokio::test]
async fn a_table_is_replaced_with_those_that_refer_to_it() {
    // Through partitions, from another table, and through that from one more.
    let schema = "CREATE SCHEMA \"my club\"; CREATE TABLE members (id INT PRIMARY KEY); \
                  CREATE TABLE loans (id INT PRIMARY KEY, member INT REFERENCES members) PARTITION BY RANGE (id); \
                  CREATE TABLE loans_1 PARTITION OF loans FOR VALUES FROM (1) TO (100); \
                  CREATE TABLE \"my club\".fees (loan INT REFERENCES loans_1); CREATE TABLE books (id INT); \
                  INSERT INTO members VALUES";
    let Some(source) = Place::with(Dialect::Postgres, &format!("{schema} (1), (3)")).await else { return };
    let rows = "INSERT INTO loans VALUES (7, 2); INSERT INTO \"my club\".fees VALUES (7)";
    let target = Place::with(Dialect::Postgres, &format!("{schema} (2); {rows}")).await.unwrap();
    let replace = LoadOptions { replace: true, ..LoadOptions::default() };
    let only = |names: &[&str]| TableChoice {
        only: names.iter().map(|name| (*name).to_owned()).collect(),
        ..TableChoice::default()
    };
    let alone = DumpOptions { choice: only(&["members"]), ..DumpOptions::default() };
    let (file, _) = source.dump(&alone).await.unwrap();
    let before = target.whole().await;
    says(
        target.load_with(&replace, &file).await,
        &[
            "the rows of `public.members` cannot be replaced alone: foreign keys refer to them from `my club.fees`, `public.loans`",
            "`dump FILE --only public.members --only 'my club.fees' --only public.loans` and `load FILE --replace`",
        ],
    );
    assert!(target.whole().await == before, "something has changed");
    let choice = only(&["public.members", "my club.fees", "public.loans"]);
    let together = DumpOptions { choice, ..DumpOptions::default() };
    target.load_with(&replace, &source.dump(&together).await.unwrap().0).await.unwrap();
    assert!(target.whole().await == source.whole().await, "the rows differ");
}

#[tokio::test]
async fn a_dump_is_of_one_moment() {
    let Some(source) = filled().await else { return };
    // While a table is read, rows come into the next one.
    struct Slow<'a>(Vec<u8>, &'a str, bool);
    impl std::io::Write for Slow<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.extend_from_slice(bytes);
            if !self.2 && self.0.windows(4).any(|text| text == b"COPY") {
                self.2 = true;
                let url = self.1.to_owned();
                std::thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    runtime.block_on(async {
                        let mut database = lockgate::Database::connect(&url).await.unwrap();
                        let insert = "INSERT INTO parts VALUES (99, 'late')";
                        sqlx::raw_sql(insert).execute(database.postgres().unwrap()).await.unwrap();
                    });
                })
                .join()
                .unwrap();
            }
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let url = source.url();
    let mut file = Slow(Vec::new(), &url, false);
    lockgate_backup::data::dump(&mut source.open().await, &DumpOptions::default(), &mut file).await.unwrap();
    assert!(!String::from_utf8(file.0).unwrap().contains("late"));
    assert_eq!(source.texts("SELECT id::text FROM parts WHERE region = 'late'").await, ["99"]);
}

/// A row that somebody writes while a refresh begins is kept with the others, or comes after it. It is never lost.
#[tokio::test]
async fn a_refresh_keeps_every_row_that_it_deletes() {
    static NONE: Migrations = Migrations::EMPTY;
    let books = "CREATE TABLE books (id INTEGER); INSERT INTO books VALUES";
    let Some(source) = Place::with(Dialect::Postgres, &format!("{books} (1)")).await else { return };
    let target = Place::with(Dialect::Postgres, &format!("{books} (2)")).await.unwrap();
    let migrator = Migrator::new(&NONE);
    for (place, stage) in [(&source, Stage::Production), (&target, Stage::Test)] {
        migrator.mark_stage(&mut place.open().await, stage).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kept.sql");

    let mut other = target.open().await;
    sqlx::raw_sql("BEGIN; INSERT INTO books VALUES (3)").execute(other.postgres().unwrap()).await.unwrap();
    let (from, to) = (Stage::Production, Stage::Test);
    let limits = Limits::default();
    let refresh = Refresh { migrator: &migrator, from, to, forbidden: &[], script: None, limits };
    let (mut of_source, mut of_target) = (source.open().await, target.open().await);
    let run = refresh.run(&mut of_source, &mut of_target, NewFile::create(&path).unwrap());
    let commit = async {
        let waits = "SELECT count(*)::text FROM pg_locks WHERE NOT granted AND relation = 'books'::regclass";
        while target.texts(waits).await == ["0"] {}
        sqlx::raw_sql("COMMIT").execute(other.postgres().unwrap()).await.unwrap();
    };
    let (refreshed, ()) = tokio::join!(run, commit);
    assert_eq!(refreshed.unwrap().rows, [("public.books".to_owned(), 1)]);
    assert_eq!(target.texts("SELECT id::text FROM books").await, ["1"]);
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(kept.contains("\n2\n3\n"), "{kept}");
}

#[tokio::test]
async fn an_altered_dump_does_not_touch_the_history() {
    let schema = "CREATE TABLE books (id INT); INSERT INTO books VALUES (1); \
                  CREATE TABLE lockgate_history (id INT); INSERT INTO lockgate_history VALUES (1)";
    let Some(place) = Place::with(Dialect::Postgres, schema).await else { return };
    let bookkeeping = vec!["lockgate_history".to_owned()];
    let dumped = DumpOptions { bookkeeping: bookkeeping.clone(), ..DumpOptions::default() };
    let file = place.dump(&dumped).await.unwrap().0;
    let options = LoadOptions { replace: true, bookkeeping, ..LoadOptions::default() };
    let rows = file.replace("COPY \"public\".\"books\"", "COPY \"public\".\"lockgate_history\"");
    assert_ne!(rows, file);
    for altered in [&rows, &file.replace("\"books\"", "\"lockgate_history\"")] {
        says(place.load_with(&options, altered).await, &["is not a table of the application"]);
    }
    assert_eq!(place.texts("SELECT id::text FROM lockgate_history").await, ["1"]);
    place.load_with(&options, &file).await.unwrap();
}
