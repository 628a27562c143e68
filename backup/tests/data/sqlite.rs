//! SQLite.

use lockgate::Dialect;
use lockgate_backup::data::{DumpOptions, LoadOptions, TableChoice};

use super::place::{Place, says};

const SCHEMA: &str = r#"
CREATE TABLE a_people (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, club INTEGER REFERENCES clubs (id));
CREATE TABLE clubs (id INTEGER PRIMARY KEY, chair INTEGER NOT NULL REFERENCES a_people (id));
CREATE TABLE kinds (
    id INTEGER PRIMARY KEY,
    twice INTEGER GENERATED ALWAYS AS (id * 2) VIRTUAL,
    kept INTEGER GENERATED ALWAYS AS (id * 3) STORED,
    anything,
    flag BOOLEAN,
    moment DATETIME,
    number NUMERIC,
    "odd ""name" BLOB
);
CREATE TABLE pairs (a TEXT, b TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE audit (what TEXT);
CREATE TRIGGER noted AFTER INSERT ON a_people BEGIN INSERT INTO audit VALUES ('a; ''b'); END;
"#;

const ROWS: &str = r#"
PRAGMA foreign_keys = OFF;
INSERT INTO a_people (id, name, club) VALUES (1, 'Ada', 1), (5, 'it''s', 1), (9, NULL, NULL);
DELETE FROM a_people WHERE id = 9;
INSERT INTO clubs VALUES (1, 5);
INSERT INTO kinds (id, anything, flag, moment, number, "odd ""name") VALUES
    (1, NULL, TRUE, '2024-02-29 12:00:00', 1e300, X'00FF0A'),
    (2, '', FALSE, NULL, 0.1, ''),
    (3, 'two' || char(10) || 'lines', NULL, 7, 12345678901234567890, X''),
    (4, 9e999, NULL, -9e999, 9223372036854775807, 5.0),
    (5, 0.1 + 0.2, 2, 'x', -9223372036854775807 - 1, CAST(X'FF61' AS TEXT));
INSERT INTO pairs VALUES ('a', ''), ('', 'b');
DELETE FROM audit;
INSERT INTO audit VALUES ('one');
"#;

async fn filled() -> Place {
    let place = Place::with(Dialect::Sqlite, SCHEMA).await.unwrap();
    place.run(ROWS).await;
    place
}

#[tokio::test]
async fn what_is_dumped_is_loaded() {
    let (source, target) = (filled().await, Place::with(Dialect::Sqlite, SCHEMA).await.unwrap());
    let (file, dumped) = source.dump(&DumpOptions::default()).await.unwrap();
    assert_eq!(target.load(&file).await.unwrap(), dumped);
    assert_eq!(target.whole().await, file);
    for question in [
        "SELECT typeof(anything) || hex(anything) || typeof(flag) || typeof(moment) || typeof(number) || \
         typeof(\"odd \"\"name\") || hex(\"odd \"\"name\") || twice || kept FROM kinds ORDER BY id",
        "SELECT name || seq FROM sqlite_sequence",
        "SELECT what FROM audit",
        "SELECT sql FROM sqlite_schema WHERE type = 'trigger'",
        "SELECT CAST(foreign_keys AS TEXT) FROM pragma_foreign_keys",
        "INSERT INTO a_people (name) VALUES ('new') RETURNING CAST(id AS TEXT)",
        "SELECT what FROM audit",
    ] {
        assert_eq!(target.texts(question).await, source.texts(question).await, "{question}");
    }
    assert_eq!(target.texts("SELECT what FROM audit").await, ["one", "a; 'b"], "the trigger fires again");
}

#[tokio::test]
async fn what_does_not_fit_changes_nothing() {
    let (source, target) = (filled().await, Place::with(Dialect::Sqlite, SCHEMA).await.unwrap());
    let (file, empty) = (source.whole().await, target.whole().await);
    let ends: Vec<usize> = file.match_indices('\n').map(|(at, _)| at + 1).collect();
    for end in &ends[..ends.len() - 1] {
        says(target.load(&file[..*end]).await, &["dump"]);
    }
    says(target.load(&file.replace("COMMIT;", "DROP TABLE kinds;\nCOMMIT;")).await, &["is not one that `dump` writes"]);
    says(
        target
            .load(&file.replace(
                "INTO \"clubs\" (\"id\", \"chair\") VALUES (1, 5)",
                "INTO \"clubs\" (\"id\", \"chair\") VALUES (1, 6)",
            ))
            .await,
        &[
            "rows refer to rows that do not exist",
            "1 row of `clubs` refers to a missing row of `a_people`",
            "`dump FILE --only a_people --only audit --only clubs --only kinds --only pairs` and `load FILE`",
        ],
    );
    assert_eq!(target.whole().await, empty);
    assert_eq!(target.texts("SELECT name FROM sqlite_schema WHERE type = 'trigger'").await, ["noted"]);
    says(source.load(&file).await, &["has rows, and `load` does not add rows"]);
    assert_eq!(source.whole().await, file);
}

#[tokio::test]
async fn some_tables_and_some_rows_are_chosen() {
    let (source, target) = (filled().await, Place::with(Dialect::Sqlite, SCHEMA).await.unwrap());
    let choice = TableChoice {
        only: vec!["kinds".to_owned(), "pairs".to_owned()],
        exclude: vec!["pairs".to_owned()],
        conditions: vec!["kinds=id IN (2, 4)".parse().unwrap()],
    };
    let (file, tables) = source.dump(&DumpOptions { choice, ..DumpOptions::default() }).await.unwrap();
    assert_eq!(tables.rows, [("kinds".to_owned(), 2)]);
    target.load(&file).await.unwrap();
    assert_eq!(target.texts("SELECT CAST(id AS TEXT) FROM kinds ORDER BY id").await, ["2", "4"]);

    source.run("CREATE VIRTUAL TABLE words USING fts5(word)").await;
    let error = source.dump(&DumpOptions::default()).await.unwrap_err().report();
    assert!(error.contains("`words` is a virtual table") && error.contains("`--exclude words`"), "{error}");
    let only = TableChoice { only: vec!["pairs".to_owned()], ..TableChoice::default() };
    let without = TableChoice { exclude: vec!["words".to_owned()], ..TableChoice::default() };
    for (choice, count) in [(only, 1), (without, 5)] {
        let (file, tables) = source.dump(&DumpOptions { choice, ..DumpOptions::default() }).await.unwrap();
        assert!(tables.rows.len() == count && !file.contains("words"), "{tables:?}");
    }
}

#[tokio::test]
async fn a_condition_changes_nothing_and_chooses_rows_of_its_table_alone() {
    let source = filled().await;
    for sql in [
        "kinds=1=1); DROP TABLE pairs; --",
        "kinds=1=1); DROP TABLE pairs; SELECT (1",
        "kinds=false) UNION ALL SELECT 1, 2, 3, 4, 5, what FROM audit WHERE (true",
    ] {
        let choice = TableChoice { conditions: vec![sql.parse().unwrap()], ..TableChoice::default() };
        let error = source.dump(&DumpOptions { choice, ..DumpOptions::default() }).await.unwrap_err().report();
        assert!(error.contains("the condition of `kinds` for `--where` closes a parenthesis"), "{error}");
    }
    assert_eq!(source.texts("SELECT a || b FROM pairs ORDER BY 1").await, ["a", "b"]);
    // After a dump, the same connection writes.
    let mut database = source.open().await;
    lockgate_backup::data::dump(&mut database, &DumpOptions::default(), &mut Vec::new()).await.unwrap();
    sqlx::raw_sql("DELETE FROM pairs").execute(database.sqlite().unwrap()).await.unwrap();
    database.close().await.unwrap();
}

#[tokio::test]
async fn a_script_is_part_of_the_load() {
    let (source, target) = (filled().await, Place::with(Dialect::Sqlite, SCHEMA).await.unwrap());
    let (file, empty) = (source.whole().await, target.whole().await);
    let script = |script: &str| LoadOptions { script: Some(script.to_owned()), ..LoadOptions::default() };
    let failing = script("UPDATE a_people SET name = 'x'; UPDATE nowhere SET id = 1");
    says(target.load_with(&failing, &file).await, &["the script fails"]);
    for ends in ["COMMIT", "ROLLBACK", "ROLLBACK; BEGIN", "COMMIT; BEGIN", "END; SAVEPOINT a"] {
        says(target.load_with(&script(ends), &file).await, &["the script ends the transaction"]);
    }
    assert_eq!(target.whole().await, empty);
    target.load_with(&script("UPDATE a_people SET name = 'person ' || id"), &file).await.unwrap();
    assert_eq!(target.texts("SELECT name FROM a_people ORDER BY id").await, ["person 1", "person 5"]);
}

#[tokio::test]
async fn rows_that_are_there_are_replaced() {
    let (source, target) = (filled().await, filled().await);
    target.run("INSERT INTO a_people (name) VALUES ('old')").await;
    let (file, before) = (source.whole().await, target.whole().await);
    let replace = LoadOptions { replace: true, ..LoadOptions::default() };
    says(target.load_with(&replace, &file.replace("-- end of the dump\n", "")).await, &["truncated"]);
    assert_eq!(target.whole().await, before);
    target.load_with(&replace, &file).await.unwrap();
    assert_eq!(target.whole().await, file);
}

#[tokio::test]
async fn a_table_is_replaced_with_those_that_refer_to_it() {
    let schema = "CREATE TABLE members (id INTEGER PRIMARY KEY); \
                  CREATE TABLE loans (member INTEGER REFERENCES members); INSERT INTO members VALUES";
    let source = Place::with(Dialect::Sqlite, &format!("{schema} (1), (3)")).await.unwrap();
    let target = Place::with(Dialect::Sqlite, &format!("{schema} (2); INSERT INTO loans VALUES (2)")).await.unwrap();
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
            "1 row of `loans` refers to a missing row of `members`",
            "`dump FILE --only members --only loans` and `load FILE --replace`",
        ],
    );
    assert_eq!(target.whole().await, before);
    let together = DumpOptions { choice: only(&["members", "loans"]), ..DumpOptions::default() };
    target.load_with(&replace, &source.dump(&together).await.unwrap().0).await.unwrap();
    assert_eq!(target.whole().await, source.whole().await);
}

#[tokio::test]
async fn an_altered_dump_does_not_touch_the_history() {
    let (source, target) = (filled().await, filled().await);
    let history = "CREATE TABLE lockgate_history (id INTEGER); INSERT INTO lockgate_history VALUES (1)";
    target.run(history).await;
    let bookkeeping = vec!["lockgate_history".to_owned()];
    let options = LoadOptions { replace: true, bookkeeping, ..LoadOptions::default() };
    let file = source.whole().await;
    for name in ["lockgate_history", "LOCKGATE_history"] {
        // In its head and its rows, and only in its rows.
        let rows = file.replace(
            "INSERT INTO \"clubs\" (\"id\", \"chair\") VALUES (1, 5)",
            &format!("INSERT INTO \"{name}\" (\"id\") VALUES (2)"),
        );
        assert_ne!(rows, file);
        for altered in [&rows, &file.replace("\"clubs\"", &format!("\"{name}\""))] {
            says(target.load_with(&options, altered).await, &[name, "is not a table of the application"]);
        }
    }
    assert_eq!(target.texts("SELECT CAST(id AS TEXT) FROM lockgate_history").await, ["1"]);
}
