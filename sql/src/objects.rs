//! Which objects a script creates and which names it mentions, to find out which repeatable script needs which other.

use std::collections::BTreeSet;
use std::ops::Range;

use lockgate_core::{Dialect, Statement};

use crate::cursor::key;
use crate::lexer::{Kind, Lexer, Token};

/// The objects of a script. A name is its parts, in lower case and without quotes: `["app", "active_users"]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// What it creates: views, functions, tables, types, sequences, schemas, roles.
    pub creates: BTreeSet<Vec<String>>,
    /// Every name in it, keywords and what it creates included, but for what it drops.
    pub mentions: BTreeSet<Vec<String>>,
}

impl Objects {
    /// Whether the script mentions one of the objects that another one creates and it does not create itself. A name
    /// without its schema may be in any.
    pub fn needs(&self, other: &Self) -> bool {
        let of_others = other.creates.iter().filter(|created| !self.creates.iter().any(|own| is_same(own, created)));
        of_others.into_iter().any(|created| self.mentions.iter().any(|mentioned| names(mentioned, created)))
    }
}

/// Whether two names may mean one object.
fn is_same(one: &[String], other: &[String]) -> bool {
    let shorter = one.len().min(other.len());
    one[one.len() - shorter..] == other[other.len() - shorter..]
}

/// Whether a name in a script is that of this object, perhaps with its schema before it or a column after it.
fn names(mentioned: &[String], created: &[String]) -> bool {
    let Some((last, schema)) = created.split_last() else { return false };
    match mentioned {
        [only] => only == last,
        [first, second, ..] => match schema.last() {
            Some(schema) => (first == schema && second == last) || first == last,
            None => first == last || second == last,
        },
        [] => false,
    }
}

/// Finds the objects of a script, given its statements. In PostgreSQL the bodies of `DO` and of SQL functions count;
/// those of other functions do not, because the server reads them only when they run.
pub fn objects(dialect: Dialect, text: &str, statements: &[Statement]) -> Objects {
    let mut found = Objects::default();
    for statement in statements {
        let end = statement.data.as_ref().map_or(statement.range.end, |data| data.start);
        read(dialect, text, statement.range.start..end, &mut found, true);
    }
    found
}

/// Reads one statement, or the body of a function or block.
fn read(dialect: Dialect, text: &str, range: Range<usize>, found: &mut Objects, creates: bool) {
    let mut lexer = Lexer::new(dialect, &text[..range.end], range.start);
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next();
        if token.kind == Kind::End {
            break;
        }
        tokens.push(token);
    }
    let words = Words { text, tokens: &tokens };
    if words.is(0, "drop") {
        // Whoever drops something does not need it.
        return;
    }
    let mut at = 0;
    while at < tokens.len() {
        if creates && words.is(at, "create") {
            found.creates.extend(words.created(at + 1));
        }
        match words.path(at) {
            Some((path, end)) => {
                found.mentions.insert(path);
                at = end;
            }
            None => at += 1,
        }
    }
    let is_block = words.is(0, "do");
    if dialect == Dialect::Postgres && (is_block || words.is_sql_function()) {
        for token in tokens.iter().filter(|token| token.kind == Kind::Text) {
            // Other strings are no code; what is in them is at worst a name too many.
            read(dialect, text, inside(text, *token), found, is_block);
        }
    }
}

/// The range between the quotes of a string.
fn inside(text: &str, token: Token) -> Range<usize> {
    let shown = &text[token.start..token.end];
    let open = match shown.strip_prefix('$') {
        Some(rest) => rest.find('$').map_or(1, |tag| tag + 2),
        None => shown.find('\'').map_or(0, |quote| quote + 1),
    };
    let close = if shown.starts_with('$') { open } else { 1 };
    let start = (token.start + open).min(token.end);
    start..token.end.saturating_sub(close).max(start)
}

struct Words<'a> {
    text: &'a str,
    tokens: &'a [Token],
}

impl Words<'_> {
    fn shown(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &self.text[token.start..token.end])
    }

    fn is(&self, at: usize, word: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.kind == Kind::Word) && self.shown(at).eq_ignore_ascii_case(word)
    }

    fn is_any(&self, at: usize, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(at, word))
    }

    /// The name at this token, and the token after it.
    fn path(&self, mut at: usize) -> Option<(Vec<String>, usize)> {
        let mut path = Vec::with_capacity(1);
        loop {
            let token = self.tokens.get(at).filter(|token| matches!(token.kind, Kind::Word | Kind::Name))?;
            path.push(key(&self.text[token.start..token.end]));
            at += 1;
            if self.shown(at) != "." {
                return Some((path, at));
            }
            match self.tokens.get(at + 1) {
                Some(next) if matches!(next.kind, Kind::Word | Kind::Name) => at += 1,
                _ => return Some((path, at)),
            }
        }
    }

    /// The object that a `CREATE` before this token creates.
    fn created(&self, mut at: usize) -> Option<Vec<String>> {
        const ADJECTIVES: [&str; 11] = [
            "or",
            "replace",
            "global",
            "local",
            "temp",
            "temporary",
            "unlogged",
            "recursive",
            "materialized",
            "foreign",
            "trusted",
        ];
        const KINDS: [&str; 14] = [
            "view",
            "table",
            "function",
            "procedure",
            "aggregate",
            "type",
            "domain",
            "sequence",
            "schema",
            "role",
            "user",
            "group",
            "server",
            "collation",
        ];
        while self.is_any(at, &ADJECTIVES) {
            at += 1;
        }
        if !self.is_any(at, &KINDS) {
            return None;
        }
        at += 1;
        while self.is_any(at, &["if", "not", "exists"]) {
            at += 1;
        }
        self.path(at).map(|(path, _)| path)
    }

    /// Whether this creates a function or a procedure in the language SQL.
    fn is_sql_function(&self) -> bool {
        let head = (1..4).any(|at| self.is_any(at, &["function", "procedure"]));
        let in_sql = |at: usize| self.is(at, "language") && key(self.shown(at + 1)) == "sql";
        self.is(0, "create") && head && (0..self.tokens.len()).any(in_sql)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Objects {
        objects(Dialect::Postgres, text, &crate::split(Dialect::Postgres, text).statements)
    }

    /// Whether the first script needs the second.
    fn needs(one: &str, other: &str) -> bool {
        of(one).needs(&of(other))
    }

    #[test]
    fn what_is_created_is_found() {
        let text = "CREATE OR REPLACE VIEW App.\"Active\" AS SELECT 1;\nCREATE MATERIALIZED VIEW IF NOT EXISTS m AS SELECT 1;\n\
                    DO $$ BEGIN IF true THEN CREATE ROLE reader; END IF; END $$;\nCREATE TRIGGER t BEFORE INSERT ON u \
                    EXECUTE FUNCTION f();\nCREATE INDEX i ON u (x);\nCREATE FUNCTION f(int) RETURNS int LANGUAGE plpgsql AS \
                    $$ BEGIN CREATE TEMP TABLE hidden (); END $$;";
        let created: Vec<String> = of(text).creates.into_iter().map(|path| path.join(".")).collect();
        assert_eq!(created, ["app.active", "f", "m", "reader"]);
    }

    #[test]
    fn a_script_needs_what_it_mentions() {
        let view = "CREATE VIEW app.active AS SELECT 1";
        for text in [
            "SELECT * FROM app.active",
            "SELECT * FROM Active",
            "SELECT active.id FROM \"active\" a",
            "GRANT SELECT ON app.active TO x",
            "CREATE FUNCTION g() RETURNS int LANGUAGE sql AS $f$ SELECT count(*) FROM app.active $f$",
            "CREATE FUNCTION g() RETURNS int AS 'SELECT count(*) FROM app.active' LANGUAGE 'sql'",
            "DO $$ BEGIN PERFORM * FROM active; END $$",
        ] {
            assert!(needs(text, view), "{text}");
        }
        for text in [
            "SELECT * FROM other.active",
            "DROP VIEW IF EXISTS active CASCADE",
            "SELECT 'active' -- active",
            "SELECT * FROM active_users",
            "CREATE FUNCTION g() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT 1 FROM app.active); END $$",
            "CREATE OR REPLACE VIEW app.active AS SELECT 2",
        ] {
            assert!(!needs(text, view), "{text}");
        }
        assert!(needs("SELECT app.f(1)", "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'"));
        assert!(needs("GRANT reader TO ada", "DO $$ BEGIN CREATE ROLE reader; END $$"));
        assert!(!needs("CREATE VIEW x AS SELECT 1", "SELECT * FROM x"));
    }

    #[test]
    fn odd_texts_do_no_harm() {
        for text in
            ["CREATE", "CREATE VIEW", "DO", "DO $", "DO $a$", "a.", ".a", "CREATE FUNCTION LANGUAGE SQL '", "DO ''"]
        {
            of(text);
            objects(Dialect::Sqlite, text, &crate::split(Dialect::Sqlite, text).statements);
            objects(Dialect::Mysql, text, &crate::split(Dialect::Mysql, text).statements);
        }
    }
}
