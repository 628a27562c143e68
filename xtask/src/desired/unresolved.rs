//! Finds what SQLite accepts although it cannot work: views, triggers and foreign keys that name something that does not
//! exist. SQLite looks them up when they are used.

use lockgate::__private::{self as runtime, Refused};
use lockgate::Database;
use lockgate_source::core::Dialect;
use lockgate_source::sql::{self, objects::objects};

/// What a program may register with its connection. Here it is missing.
const APP_DEFINED: [&str; 4] =
    ["no such function", "no such module", "no such collation sequence", "no such tokenizer"];

/// An object, and a statement that fails if something that it names is missing.
const PROBES: &str = r#"
SELECT name, 'SELECT * FROM "' || replace(name, '"', '""') || '" LIMIT 0' FROM sqlite_schema WHERE type = 'view'
UNION ALL
SELECT t.name, 'EXPLAIN ' || v.verb || ' "' || replace(t.tbl_name, '"', '""') || '"' || v.rest
FROM sqlite_schema t JOIN (
  SELECT 'DELETE FROM' AS verb, '' AS rest
  UNION ALL SELECT 'INSERT INTO', ' DEFAULT VALUES'
) v WHERE t.type = 'trigger'
UNION ALL
SELECT t.name, 'EXPLAIN UPDATE "' || replace(t.tbl_name, '"', '""') || '" SET "' || replace(c.name, '"', '""') || '" = NULL'
FROM sqlite_schema t JOIN pragma_table_xinfo(t.tbl_name) c ON c.hidden = 0 WHERE t.type = 'trigger'
UNION ALL
SELECT name, 'PRAGMA foreign_key_check("' || replace(name, '"', '""') || '")' FROM sqlite_schema WHERE type = 'table'"#;

/// Tables, and the table that a foreign key of theirs refers to and that does not exist.
const PARENTS: &str = r#"
SELECT m.name, f."table" FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'
AND NOT EXISTS (SELECT 1 FROM sqlite_schema p WHERE p.type = 'table' AND lower(p.name) = lower(f."table"))"#;

/// Returns the statements that do not work, as indexes, with what SQLite says when their objects are used.
pub(super) async fn find(database: &mut Database, statements: &[&str]) -> Vec<(usize, Refused)> {
    let mut found: Vec<(usize, Refused)> = Vec::new();
    let mut add = |name: &str, refused: Refused| {
        // A trigger is tried by several statements.
        let at = statements.iter().position(|statement| creates(statement, name));
        if let Some(at) = at.filter(|at| found.iter().all(|(known, _)| known != at)) {
            found.push((at, refused));
        }
    };
    for (name, parent) in pairs(database, PARENTS).await {
        let message = format!("no such table: {parent}");
        add(&name, Refused { code: None, message, detail: None, hint: None, byte: None });
    }
    for (name, probe) in pairs(database, PROBES).await {
        let Err(refused) = runtime::execute(database, &probe).await else { continue };
        let is_ours = refused.is_missing() || refused.message.contains("has no column named");
        if (is_ours || refused.message.starts_with("foreign key mismatch"))
            && !APP_DEFINED.iter().any(|word| refused.message.starts_with(word))
        {
            add(&name, refused);
        }
    }
    found
}

/// The rows of a query with two columns.
async fn pairs(database: &mut Database, query: &str) -> Vec<(String, String)> {
    let rows = runtime::rows(database, query).await.unwrap_or_default();
    let pair = |row: Vec<Option<String>>| match <[Option<String>; 2]>::try_from(row) {
        Ok([Some(one), Some(other)]) => Some((one, other)),
        Ok(_) | Err(_) => None,
    };
    rows.into_iter().filter_map(pair).collect()
}

fn creates(statement: &str, name: &str) -> bool {
    let of_it = objects(Dialect::Sqlite, statement, &sql::split(Dialect::Sqlite, statement).statements);
    if of_it.creates.iter().any(|created| created.last().is_some_and(|last| last.eq_ignore_ascii_case(name))) {
        return true;
    }
    // Nothing refers to a trigger, so it is not among them: `CREATE TEMP TRIGGER IF NOT EXISTS noted`.
    let head = statement.to_lowercase();
    let Some((_, rest)) = head.split_once("trigger").filter(|(first, _)| first.trim_start().starts_with("create"))
    else {
        return false;
    };
    let rest = rest.trim_start();
    let rest = rest.strip_prefix("if not exists").unwrap_or(rest).trim_start();
    rest.trim_start_matches(['"', '`', '[', '\'']).starts_with(&name.to_lowercase())
}
