//! What is asked of the catalogue of a statement that may have finished.

use lockgate_core::Effect;
use lockgate_core::effect::Object::{Database, Subscription, Tablespace};

use super::*;

fn of(text: &str) -> Effect {
    let statements = split(Postgres, text).statements;
    assert_eq!(statements.len(), 1, "{text}");
    Effect::of(text, &statements[0])
}

fn path(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

#[test]
fn an_index_is_known_by_name_table_and_columns() {
    let index = |name: &str, table: &[&str], unique, columns: Option<&[&str]>| Effect::Index {
        name: name.to_owned(),
        table: path(table),
        unique,
        columns: columns.map(path),
    };
    for (text, expected) in [
        ("CREATE INDEX CONCURRENTLY t_a ON t (a, b);", index("t_a", &["t"], false, Some(&["a", "b"]))),
        (
            "create unique index /* x */ concurrently if not exists \"T \"\"a\" on only App.\"T\" using btree (\"A\")",
            index("T \"a", &["app", "T"], true, Some(&["A"])),
        ),
        ("CREATE INDEX CONCURRENTLY i ON t (lower(a))", index("i", &["t"], false, None)),
        ("CREATE INDEX CONCURRENTLY i ON t (a DESC)", index("i", &["t"], false, None)),
    ] {
        assert_eq!(of(text), expected, "{text}");
    }
    for text in ["CREATE INDEX CONCURRENTLY ON t (a)", "CREATE INDEX CONCURRENTLY U&\"i\" ON t (a)"] {
        assert_eq!(of(text), Effect::Unknown, "{text}");
    }
}

#[test]
fn what_is_gone_or_there() {
    for (text, expected) in [
        ("DROP INDEX CONCURRENTLY IF EXISTS app.i CASCADE;", Effect::IndexGone(path(&["app", "i"]))),
        ("ALTER TABLE ONLY app.t DETACH PARTITION app.p CONCURRENTLY", Effect::Detached(path(&["app", "p"]))),
        ("CREATE DATABASE d OWNER x", Effect::There(Database, "d".to_owned())),
        ("DROP DATABASE IF EXISTS \"D\" WITH (FORCE)", Effect::Gone(Database, "D".to_owned())),
        ("CREATE TABLESPACE x LOCATION '/x'", Effect::There(Tablespace, "x".to_owned())),
        ("DROP SUBSCRIPTION s", Effect::Gone(Subscription, "s".to_owned())),
        ("PREPARE TRANSACTION 'it''s'", Effect::Prepared("it's".to_owned())),
        ("VACUUM t", Effect::Again),
        ("REINDEX (VERBOSE, CONCURRENTLY) TABLE t", Effect::Rebuilt(path(&["t"]))),
        ("REINDEX INDEX CONCURRENTLY app.\"I\"", Effect::Rebuilt(path(&["app", "I"]))),
        ("REINDEX DATABASE CONCURRENTLY d", Effect::Again),
        ("ALTER SYSTEM SET work_mem = '1MB'", Effect::Again),
        ("ALTER DATABASE d SET TABLESPACE x", Effect::Again),
        ("ALTER SUBSCRIPTION s REFRESH PUBLICATION", Effect::Again),
        ("ALTER SUBSCRIPTION s ADD PUBLICATION p", Effect::Unknown),
        ("CALL p()", Effect::Unknown),
        ("COMMIT PREPARED 'x'", Effect::Unknown),
        ("DO $$ BEGIN COMMIT; END $$", Effect::Unknown),
        ("DROP INDEX CONCURRENTLY a, b", Effect::Unknown),
    ] {
        assert_eq!(of(text), expected, "{text}");
    }
}
