//! Where the parser and PostgreSQL differ, found by PostgreSQL's own tests and their mutations. What
//! PostgreSQL takes must pass, whatever the parser says of it. Each entry can go when the parser has
//! learned it.

use lockgate_core::Dialect;
use squawk_syntax::syntax_error::SyntaxError;

use crate::sql::check::{Fact, Wrong, fact, stuck};
use crate::sql::lexer::Kind;
use crate::sql::words::Words;

/// Beginnings of statements that PostgreSQL takes and the parser does not; `*` is any one word.
const BEGINNINGS: [&str; 7] = [
    "alter user mapping for user",
    "alter user mapping if exists for user",
    "alter statistics if exists",
    "set role to",
    "set local role to",
    "set session role to",
    "comment on constraint * on domain is",
];

/// Whether the statement is of a kind that the parser does not know.
pub(super) fn begins(text: &str) -> bool {
    let begin = Words::new(Dialect::Postgres, text, 0);
    BEGINNINGS.into_iter().any(|beginning| {
        let mut at = begin.clone();
        beginning.split(' ').all(|word| {
            let is = word == "*" || at.is(word);
            at.next();
            is
        })
    })
}

/// Whether this error is one that the parser gives to good statements.
pub(super) fn excuses(text: &str, error: &SyntaxError) -> bool {
    // `SELECT * FROM json_object(…)`, and `;;` in the list of a rule.
    if error.message().ends_with("is not a valid function name") || error.message().ends_with("got EMPTY_STMT") {
        return true;
    }
    // Each keyword may be an argument of a trigger, where it stands for a text.
    let mut at = Words::new(Dialect::Postgres, text, 0);
    if !at.take("create") {
        return false;
    }
    at.until(&["trigger"]);
    at.until(&["execute"]);
    while !at.ended() && at.token.kind != Kind::Open {
        at.next();
    }
    !at.ended() && at.token.start < usize::from(error.range().start())
}

/// Whether this is said of good bodies: `SELECT … INTO variable` and its like are refused by the
/// parser where it meets the verb.
pub(super) fn excuses_body(message: &str) -> bool {
    const VERBS: [&str; 8] = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "TABLE"];
    message.starts_with("SELECT ... INTO")
        // A second DECLARE is useless and fine.
        || message == "expected a declaration, got DECLARE_KW"
        || message
            .strip_prefix("expected a statement, got ")
            .and_then(|kind| kind.strip_suffix("_KW"))
            .is_some_and(|verb| VERBS.contains(&verb))
}

/// What PostgreSQL refuses and the parser takes, of the mistakes that are likely.
pub(super) fn missed(text: &str) -> Option<Wrong> {
    let mut at = Words::new(Dialect::Postgres, text, 0);
    if at.take("drop") {
        let table = at.take("table");
        // A table may be called `if`.
        let mut exists = at.clone();
        if exists.take("if") && exists.take("exists") {
            at = exists;
        }
        let expected = Some("a name".to_owned());
        return (table && at.ended()).then(|| stuck(Dialect::Postgres, text, at.token.start, expected));
    }
    let creates = at.is("create");
    if !creates && !at.is("alter") {
        return None;
    }
    at.next();
    if at.is_any(&["role", "user", "group"]) {
        let user = at.is("user");
        at.next();
        return if user && at.is("mapping") { None } else { role(text, at) };
    }
    // CREATE TABLE … PARTITION BY RANGE.
    while creates && at.take("unlogged") {}
    if !creates || !at.is("table") {
        return None;
    }
    let mut depth = 0_usize;
    while at.token.kind != Kind::End {
        match at.token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && at.take("partition") && at.take("by") {
            let known = ["range", "list", "hash"].into_iter().any(|strategy| at.is_name(strategy));
            let expected = "`RANGE`, `LIST` or `HASH`".to_owned();
            return (!known && !at.ended()).then(|| unexpected(text, &at, expected));
        }
        at.next();
    }
    None
}

/// Options of a role, each a word of its own.
fn role(text: &str, mut at: Words<'_>) -> Option<Wrong> {
    // Its name.
    at.next();
    if at.is_any(&["in", "rename", "set", "reset", "add", "drop"]) {
        return None;
    }
    at.take("with");
    while at.token.kind == Kind::Word {
        let bare = at.is_any(&[
            "superuser",
            "nosuperuser",
            "createrole",
            "nocreaterole",
            "createdb",
            "nocreatedb",
            "replication",
            "noreplication",
            "bypassrls",
            "nobypassrls",
            "login",
            "nologin",
            "inherit",
            "noinherit",
        ]);
        let valued = !bare
            && at.is_any(&[
                "password",
                "encrypted",
                "unencrypted",
                "sysid",
                "connection",
                "valid",
                "user",
                "admin",
                "role",
                "in",
            ]);
        if valued {
            // What follows is a list of names or a value: the parser knows them.
            return None;
        } else if !bare {
            return Some(unexpected(text, &at, "an option of a role".to_owned()));
        }
        at.next();
    }
    None
}

fn unexpected(text: &str, at: &Words<'_>, expected: String) -> Wrong {
    let range = at.token.start..at.token.end;
    let found = fact::shown(&text[range.clone()]);
    Wrong::new(range, Fact::Unexpected { found, expected: Some(expected) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likely_mistakes_that_the_parser_takes() {
        for text in [
            "DROP TABLE;",
            "DROP TABLE IF EXISTS;",
            "CREATE ROLE a LOGNI;",
            "ALTER USER a WITH SUPERUSR;",
            "CREATE TABLE a (b int) PARTITION BY RNAGE (b);",
        ] {
            assert!(missed(text).is_some(), "{text}");
        }
        for text in [
            "DROP TABLE a;",
            "DROP TABLE IF EXISTS a;",
            "CREATE ROLE a;",
            "CREATE ROLE a WITH LOGIN PASSWORD 'x' SUPERUSER;",
            "CREATE ROLE a NOLOGIN IN ROLE b, c;",
            "ALTER ROLE a SET search_path TO b;",
            "ALTER ROLE a IN DATABASE b SET c = 1;",
            "ALTER ROLE a RENAME TO b;",
            "ALTER GROUP a ADD USER b;",
            "ALTER USER a VALID UNTIL 'infinity' NOLOGIN;",
            "CREATE USER MAPPING FOR a SERVER b;",
            "CREATE TABLE a (b int) PARTITION BY RANGE (b);",
            "CREATE TABLE a (b int) PARTITION BY \"list\" (b);",
            "CREATE TABLE a PARTITION OF b FOR VALUES IN (1) PARTITION BY HASH (c);",
            "CREATE TABLE a AS SELECT row_number() OVER (PARTITION BY b) FROM c;",
            "CREATE TABLE a AS SELECT row_number() OVER w FROM c WINDOW w AS (PARTITION BY b);",
        ] {
            assert!(missed(text).is_none(), "{text}: {:?}", missed(text));
        }
    }

    #[test]
    fn gaps_are_left_alone() {
        assert!(begins("ALTER USER MAPPING FOR user SERVER s OPTIONS (ADD a 'b');"));
        assert!(begins("COMMENT ON CONSTRAINT c ON domain IS 'x';"));
        assert!(!begins("ALTER USER a NOLOGIN;"));
        assert!(excuses_body("expected a statement, got SELECT_KW"));
        assert!(!excuses_body("expected a statement, got NULL_KW"));
    }
}
