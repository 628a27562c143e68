//! Likely mistakes that PostgreSQL refuses and the parser accepts, found among the words of a statement. Where a keyword
//! without its value is read as a name, the parser's tree says nothing of the mistake.

use lockgate_core::Dialect;

use crate::check::{FindingKind, ParserFinding, kind, stuck};
use crate::lexer::Kind;
use crate::words::Words;

/// Finds the first of these mistakes.
pub(super) fn find(text: &str) -> Option<ParserFinding> {
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
    if let Some(wrong) = nothing_before(text, at.clone()) {
        return Some(wrong);
    }
    if at.take("reset") {
        return at.ended().then(|| ends(text, &at, "a setting, or `ALL`"));
    }
    if at.is_any(&["grant", "revoke"]) {
        at.next();
        let expected = "a privilege or a role".to_owned();
        return at.is_any(&["on", "to", "from"]).then(|| unexpected(text, &at, expected));
    }
    if at.take("discard") {
        return at.ended().then(|| ends(text, &at, "`ALL`, `PLANS`, `SEQUENCES` or `TEMP`"));
    }
    if at.take("set") {
        return client_encoding(text, at);
    }
    let creates = at.is("create");
    if !creates && !at.is("alter") {
        return None;
    }
    at.next();
    if let Some(wrong) = not_distinct(text, at.clone()) {
        return Some(wrong);
    }
    if creates && at.take("publication") {
        at.next();
        let what = at.take("for") && !at.is_any(&["table", "tables", "all"]);
        return what.then(|| unexpected(text, &at, "`TABLE`, `TABLES IN SCHEMA` or `ALL TABLES`".to_owned()));
    }
    if creates && at.take("type") {
        return attribute(text, at);
    }
    if at.is_any(&["role", "user", "group"]) {
        let user = at.is("user");
        at.next();
        return if user && at.is("mapping") { None } else { role(text, at) };
    }
    if !creates && at.take("database") {
        at.next();
        if at.take("reset") {
            return at.ended().then(|| ends(text, &at, "a setting, or `ALL`"));
        }
        return at.take("set").then(|| setting(text, at)).flatten();
    }
    // CREATE TABLE … PARTITION BY RANGE.
    while creates && at.is_any(&["unlogged", "temp", "temporary", "global", "local"]) {
        at.next();
    }
    if !creates {
        at.take("foreign");
    }
    if !at.is("table") {
        return None;
    }
    let mut name = at.clone();
    name.next();
    if let Some(wrong) = only_named(text, name, creates) {
        return Some(wrong);
    }
    if !creates {
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

/// Finds what is wrong with the call of a trigger: `EXECUTE FUNCTION name(arguments)`, whose arguments are words, numbers and
/// strings.
pub(super) fn trigger_call(text: &str) -> Option<ParserFinding> {
    let mut at = Words::new(Dialect::Postgres, text, 0);
    if !at.take("create") {
        return None;
    }
    while at.is_any(&["or", "replace", "constraint"]) {
        at.next();
    }
    if !at.take("trigger") {
        return None;
    }
    // A trigger may be called `execute`.
    at.next();
    let mut depth = 0_usize;
    while !at.ended() && (depth > 0 || !at.is("execute")) {
        match at.token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        at.next();
    }
    let executes = at.take("execute") && (at.take("function") || at.take("procedure"));
    if !executes {
        return None;
    }
    let wrong = |at: &Words<'_>, expected: &str| match at.ended() {
        true => Some(ends(text, at, expected)),
        false => Some(unexpected(text, at, expected.to_owned())),
    };
    let is_name = |at: &Words<'_>| matches!(at.token.kind, Kind::Word | Kind::Name);
    loop {
        if !is_name(&at) {
            return wrong(&at, "the name of a function");
        }
        at.next();
        if !at.is_byte(b'.') {
            break;
        }
        at.next();
    }
    if at.token.kind != Kind::Open {
        return wrong(&at, "`(`");
    }
    at.next();
    // The server takes a comma before the first one.
    if at.token.kind == Kind::Close || at.is_byte(b',') {
        let is_empty = at.token.kind == Kind::Close;
        at.next();
        if is_empty {
            return if at.ended() { None } else { wrong(&at, "`;`") };
        }
    }
    loop {
        if !is_name(&at) && !matches!(at.token.kind, Kind::Text | Kind::Number) {
            return wrong(&at, "a word, a number or a string");
        }
        let mut escaped = at.clone();
        if escaped.take("u") && escaped.is_byte(b'&') {
            at = escaped;
        }
        let is_number = at.token.kind == Kind::Number;
        at.next();
        // The lexer reads `2.5` as three tokens.
        while is_number && (at.is_byte(b'.') || at.token.kind == Kind::Number) {
            at.next();
        }
        // A string may go on in the next line, and name its escape character.
        while at.token.kind == Kind::Text || at.take("uescape") {
            at.next();
        }
        if at.token.kind == Kind::Close {
            at.next();
            return if at.ended() { None } else { wrong(&at, "`;`") };
        }
        if !at.is_byte(b',') {
            return wrong(&at, "`,` or `)`");
        }
        at.next();
    }
}

/// Finds `UNIQUE NULLS NOT` without `DISTINCT`.
fn not_distinct(text: &str, mut at: Words<'_>) -> Option<ParserFinding> {
    let mut follows = false;
    while !at.ended() {
        let mut here = at.clone();
        if follows && here.take("nulls") && here.take("not") && !here.is("distinct") {
            let expected = "`DISTINCT`";
            return Some(if here.ended() {
                ends(text, &here, expected)
            } else {
                unexpected(text, &here, expected.to_owned())
            });
        }
        follows = at.is("unique");
        at.next();
    }
    None
}

/// Finds a comparison without a left operand, which the parser reads as a prefix operator.
fn nothing_before(text: &str, mut at: Words<'_>) -> Option<ParserFinding> {
    let mut begins = false;
    while !at.ended() {
        // As in the server's lexer, the longest run of such characters is one operator.
        let rest = if begins { &text[at.token.start..] } else { "" };
        let length = rest.find(|c: char| !"<>=!+-*/%^&|~@#?`".contains(c)).unwrap_or(rest.len());
        if ["<=", ">=", "<>", "!=", "=>"].contains(&&rest[..length]) {
            let operator = &rest[..length];
            let range = at.token.start..at.token.start + length;
            let kind =
                FindingKind::Unexpected { found: format!("`{operator}`"), expected: Some("an expression".to_owned()) };
            return Some(ParserFinding::new(range, kind));
        }
        begins = at.is_any(&["where", "having", "when", "and", "or", "not", "then", "else"]);
        at.next();
    }
    None
}

/// Finds an attribute of a composite type that has a name but no type.
fn attribute(text: &str, mut at: Words<'_>) -> Option<ParserFinding> {
    at.next();
    while at.is_byte(b'.') {
        at.next();
        at.next();
    }
    if !at.take("as") || at.token.kind != Kind::Open {
        return None;
    }
    at.next();
    let (mut depth, mut tokens) = (0_usize, 0_usize);
    while !at.ended() {
        match at.token.kind {
            Kind::Open => depth += 1,
            Kind::Close if depth > 0 => depth -= 1,
            _ if depth > 0 => {}
            kind if kind == Kind::Close || at.is_byte(b',') => {
                if tokens == 1 {
                    return Some(unexpected(text, &at, "a type".to_owned()));
                }
                if kind == Kind::Close {
                    return None;
                }
                tokens = 0;
                at.next();
                continue;
            }
            _ => {}
        }
        tokens += 1;
        at.next();
    }
    None
}

/// Finds a statement that ends after the name of the table.
fn only_named(text: &str, mut at: Words<'_>, creates: bool) -> Option<ParserFinding> {
    // A table may be called `if` or `only`, and then it is not the last word.
    let mut exists = at.clone();
    if exists.take("if") {
        exists.take("not");
        if exists.take("exists") && !exists.ended() {
            at = exists;
        }
    }
    at.take("only");
    at.next();
    while at.is_byte(b'.') {
        at.next();
        at.next();
    }
    if !creates && at.is_byte(b'*') {
        at.next();
    }
    let expected = if creates { "`(`, `AS`, `OF` or `PARTITION OF`" } else { "an action, such as `ADD COLUMN`" };
    at.ended().then(|| ends(text, &at, expected))
}

/// `SET NAMES` takes a string, unless `names` is a setting of its own.
fn client_encoding(text: &str, mut at: Words<'_>) -> Option<ParserFinding> {
    while at.is_any(&["session", "local"]) {
        at.next();
    }
    let is_encoding = at.take("names") && matches!(at.token.kind, Kind::Word | Kind::Name);
    (is_encoding && !at.is_any(&["to", "default"])).then(|| unexpected(text, &at, "a string, or `DEFAULT`".to_owned()))
}

/// Finds what follows the name of a setting, where a value must follow.
fn setting(text: &str, mut at: Words<'_>) -> Option<ParserFinding> {
    while at.is_any(&["session", "local"]) {
        at.next();
    }
    const WITHOUT_TO: [&str; 11] = [
        "time",
        "names",
        "role",
        "schema",
        "authorization",
        "xml",
        "transaction",
        "characteristics",
        "catalog",
        "tablespace",
        "constraints",
    ];
    if at.is_any(&WITHOUT_TO) {
        return None;
    }
    at.next();
    while at.is_byte(b'.') {
        at.next();
        at.next();
    }
    let expected = "`=` or `TO`";
    if at.ended() {
        return Some(ends(text, &at, expected));
    }
    let has_value = at.is_byte(b'=') || at.is_any(&["to", "from"]);
    (!has_value).then(|| unexpected(text, &at, expected.to_owned()))
}

/// Finds a wrong option of a role, or an option with a wrong value.
fn role(text: &str, mut at: Words<'_>) -> Option<ParserFinding> {
    const ALONE: [&str; 14] = [
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
    ];
    // The name of the role.
    at.next();
    let mut of_database = at.clone();
    if of_database.take("in") && of_database.take("database") {
        of_database.next();
        at = of_database;
    }
    if at.take("set") {
        return setting(text, at);
    }
    if at.take("reset") {
        return at.ended().then(|| ends(text, &at, "a setting, or `ALL`"));
    }
    if at.is_any(&["rename", "add", "drop"]) {
        return None;
    }
    at.take("with");
    while at.token.kind == Kind::Word {
        if at.is_any(&ALONE) {
            at.next();
            continue;
        }
        let (is_value, expected): (fn(&Words<'_>) -> bool, &str) = if at.take("password") {
            (|at| at.token.kind == Kind::Text || at.is("null"), "a string, or `NULL`")
        } else if at.is_any(&["encrypted", "unencrypted"]) {
            at.next();
            if !at.take("password") {
                return Some(unexpected(text, &at, "`PASSWORD`".to_owned()));
            }
            (|at| at.token.kind == Kind::Text, "a string")
        } else if at.take("valid") {
            at.take("until");
            (|at| at.token.kind == Kind::Text, "a string")
        } else if at.take("connection") {
            at.take("limit");
            if at.is_byte(b'-') || at.is_byte(b'+') {
                at.next();
            }
            (|at| at.token.kind == Kind::Number, "a number")
        } else if at.take("sysid") {
            (|at| at.token.kind == Kind::Number, "a number")
        } else if at.is_any(&["user", "admin", "role", "in"]) {
            // A list of names follows, which the parser checks.
            return None;
        } else {
            return Some(unexpected(text, &at, "an option of a role".to_owned()));
        };
        if at.ended() {
            return Some(ends(text, &at, expected));
        }
        // The lexer reads `U&'…'` as three tokens.
        let mut escaped = at.clone();
        if escaped.take("u") && escaped.is_byte(b'&') {
            escaped.next();
            at = escaped;
        }
        if !is_value(&at) {
            return Some(unexpected(text, &at, expected.to_owned()));
        }
        at.next();
        // A string may go on in the next line, and name its escape character.
        while at.token.kind == Kind::Text || at.take("uescape") {
            at.next();
        }
    }
    None
}

/// The statement ends where something is expected.
fn ends(text: &str, at: &Words<'_>, expected: &str) -> ParserFinding {
    stuck(Dialect::Postgres, text, at.token.start, Some(expected.to_owned()))
}

fn unexpected(text: &str, at: &Words<'_>, expected: String) -> ParserFinding {
    let range = at.token.start..at.token.end;
    let found = kind::shown(&text[range.clone()]);
    ParserFinding::new(range, FindingKind::Unexpected { found, expected: Some(expected) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_of_a_trigger_are_read() {
        let of = |call: &str| {
            format!("CREATE TRIGGER execute BEFORE UPDATE ON a FOR EACH ROW WHEN (OLD.execute) EXECUTE {call}")
        };
        for call in [
            "FUNCTION f() );",
            "FUNCTION f(a b c, ,);",
            "FUNCTION f(a,);",
            "FUNCTION f('a' b);",
            "FUNCTION f(-1);",
            "FUNCTION f(a.b);",
            "FUNCTION f((a));",
            "FUNCTION f(a;",
            "FUNCTION ('a');",
            "FUNCTION s.('a');",
            "FUNCTION f;",
            "PROCEDURE f() WHEN (true);",
        ] {
            assert!(trigger_call(&of(call)).is_some(), "{call}");
        }
        for call in [
            "FUNCTION f();",
            "PROCEDURE s.\"F\"(a, \"b\", 1, 2.5, 'c', E'\\n', $$d$$, order, default);",
            "FUNCTION f(U&'d!0061t' UESCAPE '!', 'a'\n'b')",
            "FUNCTION f(, a);",
        ] {
            assert!(trigger_call(&of(call)).is_none(), "{call}: {:?}", trigger_call(&of(call)));
        }
        assert!(trigger_call("CREATE EVENT TRIGGER e ON login EXECUTE FUNCTION f();").is_none());
    }

    #[test]
    fn likely_mistakes_that_the_parser_takes() {
        for text in [
            "DROP TABLE;",
            "DROP TABLE IF EXISTS;",
            "CREATE ROLE a LOGNI;",
            "ALTER USER a WITH SUPERUSR;",
            "CREATE TABLE a (b int) PARTITION BY RNAGE (b);",
            "CREATE TYPE a AS (b, c text);",
            "CREATE TYPE s.a AS (b numeric(3, 2), c);",
            "GRANT TO a;",
            "REVOKE FROM a CASCADE;",
            "GRANT ON t TO a;",
            "CREATE ROLE a PASSWORD b;",
            "CREATE USER a PASSWORD EXPIRE;",
            "CREATE USER a WITH LOGIN PASSWORD \"b\";",
            "CREATE USER a LOGIN PASSWORD;",
            "CREATE USER a ENCRYPTED 'b';",
            "CREATE USER a PASSWORD 'b' IDENTIFIED BY 'c';",
            "CREATE USER a IDENTIFIED BY 'p';",
            "ALTER ROLE a VALID UNTIL infinity;",
            "ALTER ROLE a CONNECTION LIMIT 'b';",
            "ALTER ROLE a SET PASSWORD 'b';",
            "ALTER ROLE a SET b;",
            "ALTER ROLE a IN DATABASE b SET c d;",
            "ALTER DATABASE a SET b;",
            "SET NAMES utf8mb4;",
            "DISCARD;",
            "RESET;",
            "ALTER USER a RESET;",
            "ALTER ROLE a IN DATABASE b RESET;",
            "ALTER DATABASE a RESET;",
            "CREATE PUBLICATION p FOR t;",
            "CREATE TABLE a (b int UNIQUE NULLS NOT);",
            "ALTER TABLE a ADD UNIQUE NULLS NOT (b);",
            "ALTER TABLE a ADD CONSTRAINT c UNIQUE NULLS NOT;",
            "ALTER TABLE a;",
            "ALTER TABLE IF EXISTS ONLY a.b *;",
            "ALTER FOREIGN TABLE a;",
            "CREATE TABLE a;",
            "CREATE TEMP TABLE IF NOT EXISTS a.b;",
            "UPDATE a SET b = 1 WHERE >= 2;",
            "ALTER TABLE a ADD CHECK (b > 0 AND <> 7);",
            "CREATE INDEX i ON a (b) WHERE != 'x';",
        ] {
            assert!(find(text).is_some(), "{text}");
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
            "CREATE TYPE a AS ();",
            "CREATE TYPE a AS (b int, \"c\" text COLLATE \"C\", d s.t[]);",
            "CREATE TYPE a AS ENUM ('x');",
            "CREATE TYPE a AS RANGE (subtype = float8);",
            "CREATE TYPE a;",
            "GRANT SELECT ON t TO a;",
            "GRANT \"on\" TO a;",
            "ALTER ROLE a SET TIME ZONE 'UTC';",
            "ALTER ROLE a SET b.c = 1;",
            "ALTER ROLE a IN DATABASE b SET c FROM CURRENT;",
            "ALTER ROLE a PASSWORD NULL CONNECTION LIMIT -1;",
            "ALTER USER a WITH ENCRYPTED PASSWORD $$b$$ VALID UNTIL 'infinity' LOGIN;",
            "CREATE ROLE a PASSWORD U&'b!0061' UESCAPE '!' NOLOGIN;",
            "CREATE ROLE a SYSID 5 ROLE b, c;",
            "ALTER DATABASE a SET TABLESPACE b;",
            "ALTER DATABASE a SET b TO DEFAULT;",
            "ALTER DATABASE a RENAME TO b;",
            "SET NAMES 'UTF8';",
            "SET NAMES;",
            "SET LOCAL names TO utf8;",
            "SET names = utf8;",
            "DISCARD ALL;",
            "RESET ALL;",
            "ALTER USER a RESET ALL;",
            "ALTER ROLE a IN DATABASE b RESET c.d;",
            "ALTER DATABASE a RESET b;",
            "CREATE PUBLICATION p;",
            "CREATE PUBLICATION p FOR TABLE t, ONLY u (a) WHERE (b);",
            "CREATE PUBLICATION p FOR ALL TABLES;",
            "CREATE PUBLICATION p FOR TABLES IN SCHEMA s WITH (publish = 'insert');",
            "CREATE TABLE a (b int UNIQUE NULLS NOT DISTINCT, c int UNIQUE NULLS DISTINCT NOT NULL);",
            "CREATE VIEW v AS SELECT nulls NOT IN (1) FROM a;",
            "CREATE TABLE a ();",
            "CREATE TABLE if AS SELECT 1;",
            "ALTER TABLE only ADD b int;",
            "ALTER TABLE ONLY a ADD b int;",
            "REVOKE ADMIN OPTION FOR b FROM a;",
            "SELECT a FROM b WHERE a <= 1 AND b >= 2 AND NOT c <> 3;",
            "SELECT a FROM b WHERE @ a > 1 AND !! b = 2 AND -1 <= c;",
            "SELECT a FROM b WHERE a OPERATOR(pg_catalog.<=) 1 ORDER BY a USING <;",
            "CREATE OPERATOR <= (LEFTARG = a, RIGHTARG = a, FUNCTION = f, NEGATOR = >);",
            "CREATE TABLE a (b int, EXCLUDE USING gist (b WITH <>));",
        ] {
            assert!(find(text).is_none(), "{text}: {:?}", find(text));
        }
    }
}
