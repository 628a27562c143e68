//! What is asked of the catalogue of a statement that may have finished.

use lockgate_core::Probe;
use lockgate_core::probe::Object::{Database, Subscription, Tablespace};

use super::*;

fn of(text: &str) -> Probe {
    let statements = split(Postgres, text).statements;
    assert_eq!(statements.len(), 1, "{text}");
    Probe::of(text, &statements[0])
}

fn path(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

#[test]
fn an_index_is_known_by_name_table_and_columns() {
    let index = |name: &str, table: &[&str], unique, columns: Option<&[&str]>, definition: &str| Probe::Index {
        name: name.to_owned(),
        table: path(table),
        unique,
        columns: columns.map(path),
        definition: definition.to_owned(),
        // Only one of them says IF NOT EXISTS.
        tolerant: unique,
    };
    for (text, expected) in [
        ("CREATE INDEX CONCURRENTLY t_a ON t (a, b);", index("t_a", &["t"], false, Some(&["a", "b"]), "(a, b);")),
        (
            "create unique index /* x */ concurrently if not exists \"T \"\"a\" on only App.\"T\" using btree (\"A\")",
            index("T \"a", &["app", "T"], true, Some(&["A"]), "using btree (\"A\")"),
        ),
        ("CREATE INDEX CONCURRENTLY i ON t (lower(a)) WHERE b", index("i", &["t"], false, None, "(lower(a)) WHERE b")),
        ("CREATE INDEX CONCURRENTLY i ON t (a DESC)", index("i", &["t"], false, None, "(a DESC)")),
    ] {
        assert_eq!(of(text), expected, "{text}");
    }
    for text in ["CREATE INDEX CONCURRENTLY ON t (a)", "CREATE INDEX CONCURRENTLY U&\"i\" ON t (a)"] {
        assert_eq!(of(text), Probe::Unknown, "{text}");
    }
}

#[test]
fn created_and_dropped_objects() {
    for (text, expected) in [
        ("DROP INDEX CONCURRENTLY IF EXISTS app.i CASCADE;", Probe::IndexGone(path(&["app", "i"]))),
        ("ALTER TABLE ONLY app.t DETACH PARTITION app.p CONCURRENTLY", Probe::Detached(path(&["app", "p"]))),
        ("CREATE DATABASE d OWNER x", Probe::Exists(Database, "d".to_owned())),
        ("DROP DATABASE IF EXISTS \"D\" WITH (FORCE)", Probe::Gone(Database, "D".to_owned())),
        ("CREATE TABLESPACE x LOCATION '/x'", Probe::Exists(Tablespace, "x".to_owned())),
        ("DROP SUBSCRIPTION s", Probe::Gone(Subscription, "s".to_owned())),
        ("PREPARE TRANSACTION 'it''s'", Probe::Prepared("it's".to_owned())),
        ("VACUUM t", Probe::Repeatable),
        ("REINDEX (VERBOSE, CONCURRENTLY) TABLE t", Probe::Rebuilt(path(&["t"]))),
        ("REINDEX INDEX CONCURRENTLY app.\"I\"", Probe::Rebuilt(path(&["app", "I"]))),
        ("REINDEX DATABASE CONCURRENTLY d", Probe::Repeatable),
        ("ALTER SYSTEM SET work_mem = '1MB'", Probe::Repeatable),
        ("ALTER DATABASE d SET TABLESPACE x", Probe::Repeatable),
        ("ALTER SUBSCRIPTION s REFRESH PUBLICATION", Probe::Repeatable),
        ("ALTER SUBSCRIPTION s ADD PUBLICATION p", Probe::Unknown),
        ("CALL p()", Probe::Unknown),
        ("COMMIT PREPARED 'x'", Probe::Unknown),
        ("DO $$ BEGIN COMMIT; END $$", Probe::Unknown),
        ("DROP INDEX CONCURRENTLY a, b", Probe::Unknown),
    ] {
        assert_eq!(of(text), expected, "{text}");
    }
}
