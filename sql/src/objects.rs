//! Which objects a script creates and which names it mentions, to find out which repeatable script needs which other.

use std::collections::{BTreeSet, HashMap};
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

/// Puts scripts in an order in which each comes after what it needs, and otherwise stays where it is. Where scripts need
/// each other, the first one comes first.
///
/// ```
/// use lockgate_core::Dialect;
/// use lockgate_sql::objects::{objects, order};
/// use lockgate_sql::split;
///
/// let texts = ["CREATE VIEW names AS SELECT name FROM users;", "CREATE TABLE users (name text);"];
/// let found = texts.map(|text| objects(Dialect::Sqlite, text, &split(Dialect::Sqlite, text).statements));
/// assert_eq!(order(&found), [1, 0]);
/// ```
pub fn order(all: &[Objects]) -> Vec<usize> {
    // Comparing each with each would take seconds for some thousand scripts.
    let mut by_word: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, objects) in all.iter().enumerate() {
        for last in objects.creates.iter().filter_map(|created| created.last()) {
            by_word.entry(last).or_default().push(at);
        }
    }
    let needed_by = |at: usize| -> Vec<usize> {
        let words = all[at].mentions.iter().flatten();
        let maybe: BTreeSet<usize> = words
            .filter_map(|word| by_word.get(word.as_str()))
            .flatten()
            .copied()
            .filter(|other| *other != at)
            .collect();
        maybe.into_iter().filter(|other| all[at].needs(&all[*other])).collect()
    };
    let mut order = Vec::with_capacity(all.len());
    let mut is_seen = vec![false; all.len()];
    for first in 0..all.len() {
        // A chain of views may be longer than the stack is deep.
        let mut open: Vec<(usize, Vec<usize>)> = Vec::new();
        if !std::mem::replace(&mut is_seen[first], true) {
            open.push((first, needed_by(first)));
        }
        while let Some((at, needed)) = open.last_mut() {
            let at = *at;
            // They are visited in their order, so the first is taken first.
            match (!needed.is_empty()).then(|| needed.remove(0)) {
                Some(next) => {
                    if !std::mem::replace(&mut is_seen[next], true) {
                        open.push((next, needed_by(next)));
                    }
                }
                None => {
                    order.push(at);
                    open.pop();
                }
            }
        }
    }
    order
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
    fn each_comes_after_what_it_needs() {
        let order_of = |texts: &[&str]| order(&texts.iter().map(|text| of(text)).collect::<Vec<_>>());
        let (users, posts) = ("CREATE TABLE users (id int)", "CREATE TABLE posts (author int REFERENCES users)");
        assert_eq!(order_of(&[users, posts]), [0, 1]);
        assert_eq!(order_of(&[posts, users]), [1, 0]);
        let view = "CREATE VIEW v AS SELECT * FROM posts JOIN users ON true";
        assert_eq!(order_of(&["CREATE INDEX i ON v (x)", view, posts, "CREATE TABLE a ()", users]), [4, 2, 1, 0, 3]);
        // In a circle somebody is first.
        assert_eq!(order_of(&["CREATE TABLE a (b int REFERENCES b)", "CREATE TABLE b (a int REFERENCES a)"]), [1, 0]);
        let chain: Vec<String> =
            (0..20_000).map(|at| format!("CREATE VIEW v{at} AS SELECT * FROM v{}", at + 1)).collect();
        let chain: Vec<&str> = chain.iter().map(String::as_str).collect();
        assert!(order_of(&chain).is_sorted_by(|a, b| a > b));
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
