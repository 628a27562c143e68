//! PostgreSQL reserves few of its keywords. All others are names wherever a name may be, which the parser does
//! not know at every place. Here is which words are names, and where.

use std::ops::Range;

use lockgate_core::Dialect;
use lockgate_core::keywords::{COLUMN, FUNCTION, RESERVED};

use crate::check::nesting;
use crate::lexer::{Kind, Lexer, Token};
use crate::words::Words;

/// Words that cannot be labels of columns without `AS`.
const NOT_BARE: &str = "array as char character create day except fetch filter for from grant group having hour intersect into \
    isnull limit minute month notnull offset on order over overlaps precision returning second to union \
    varying where window with within without year";

/// The number of tokens before the place where the parser stopped that are tried as names.
const TRIED_MAX: usize = 8;

/// The bytes that are parsed at most in search of names.
const PARSED_MAX: usize = 1 << 20;

/// The statements that are tried at most.
const ATTEMPTS_MAX: usize = 200;

/// Puts a plain name in the place of each keyword that the parser does not take for a name. The server takes such a
/// keyword wherever it takes that name. `stops` parses a text and returns where the parser stops, and `at` is
/// where it stops in this one. Returns the text that gets furthest, or `None` if it is this one. All tokens stay
/// where they are.
pub(super) fn as_names(
    text: &str,
    at: usize,
    keywords: &[String],
    mut stops: impl FnMut(&str) -> Option<usize>,
) -> Option<String> {
    let mut attempts = (PARSED_MAX / text.len().max(1)).min(ATTEMPTS_MAX);
    let mut best: Option<String> = None;
    let mut at = at;
    loop {
        let here = best.as_deref().unwrap_or(text);
        let mut further: Option<(usize, String)> = None;
        for range in candidates(here, at, keywords) {
            attempts = attempts.checked_sub(1)?;
            let plain = format!("{}x{}{}", &here[..range.start], "_".repeat(range.len() - 1), &here[range.end..]);
            match stops(&plain) {
                None => return Some(plain),
                Some(stop) if stop > further.as_ref().map_or(at, |(stop, _)| *stop) => further = Some((stop, plain)),
                Some(_) => {}
            }
        }
        let Some((stop, plain)) = further else { return best };
        at = stop;
        best = Some(plain);
    }
}

/// Returns the keywords around this byte that may be names, nearest first.
fn candidates(text: &str, at: usize, keywords: &[String]) -> Vec<Range<usize>> {
    let mut tokens = before(text, 0..text.len(), at);
    // The parser stopped in the body of a function.
    if let Some(body) = tokens.iter().find(|token| token.kind == Kind::Text && token.start < at && at < token.end) {
        let inner = nesting::inside(&text.as_bytes()[body.start..body.end]);
        tokens = before(text, body.start + inner.start..body.start + inner.end, at);
    }
    let shown = |token: &Token| &text[token.start..token.end];
    // A statement does not begin with a name.
    let tried = (1..tokens.len()).rev().take(TRIED_MAX);
    let parameters = parameters_end(text);
    let returned = returned_columns(text, parameters);
    let names = tried.filter(|place| {
        let token = &tokens[*place];
        token.kind == Kind::Word
            && keywords.iter().any(|keyword| keyword.eq_ignore_ascii_case(shown(token)))
            && !(token.end <= parameters && is_in(COLUMN, shown(token)))
            && !is_refused(shown(token), tokens[place - 1].kind, &text[token.end..])
            && (is_name(shown(token), shown(&tokens[place - 1]), text[token.end..].trim_start().starts_with('('))
                || returned.contains(&token.start) && is_in(FUNCTION, shown(token))
                || is_label(shown(token), &text[token.end..]))
    });
    names.map(|place| tokens[place].start..tokens[place].end).collect()
}

/// Returns the tokens in this range up to the one after this byte.
fn before(text: &str, range: Range<usize>, at: usize) -> Vec<Token> {
    let mut lexer = Lexer::new(Dialect::Postgres, &text[..range.end], range.start);
    let mut tokens = Vec::new();
    loop {
        let token = lexer.next();
        if token.kind == Kind::End {
            return tokens;
        }
        tokens.push(token);
        // The parser may stop at the blank before a token, or at the comma before it.
        if token.start > at {
            return tokens;
        }
    }
}

/// Whether the word cannot be a name without quotes.
pub(super) fn is_reserved(word: &str) -> bool {
    is_in(RESERVED, word)
}

/// Whether the word names a column or a table, but no function and no type.
pub(super) fn is_value_word(word: &str) -> bool {
    is_in(COLUMN, word)
}

/// Whether the word names a function or a type, but no column and no table.
pub(super) fn is_function_word(word: &str) -> bool {
    is_in(FUNCTION, word)
}

/// Whether the word is the label of a column only after `AS`.
pub(super) fn is_label_after_as(word: &str) -> bool {
    is_in(NOT_BARE, word)
}

fn is_in(words: &str, word: &str) -> bool {
    words.split(' ').any(|known| known.eq_ignore_ascii_case(word))
}

/// Returns where the parameters end in a statement about a function, or 0. Their names are those of functions.
fn parameters_end(text: &str) -> usize {
    let mut at = Words::new(Dialect::Postgres, text, 0);
    if !at.is_any(&["create", "alter", "drop"]) {
        return 0;
    }
    at.next();
    while at.is_any(&["or", "replace"]) {
        at.next();
    }
    if !at.is_any(&["function", "procedure", "routine", "aggregate"]) {
        return 0;
    }
    while !at.ended() && at.token.kind != Kind::Open {
        at.next();
    }
    at.skip_parentheses();
    at.token.start
}

/// Returns where the columns of `RETURNS TABLE (…)` are. Their names are those of functions too.
fn returned_columns(text: &str, parameters_end: usize) -> Range<usize> {
    let mut at = Words::new(Dialect::Postgres, text, parameters_end);
    if parameters_end == 0 || !at.take("returns") || !at.take("table") {
        return 0..0;
    }
    let start = at.token.start;
    at.skip_parentheses();
    start..at.token.start
}

/// Whether the server refuses this keyword although a name would be valid here: it reads `SET` after `UPDATE t` never
/// as an alias, and units of time after a constant never as a label.
fn is_refused(word: &str, last: Kind, rest: &str) -> bool {
    let is_set = word.eq_ignore_ascii_case("set");
    let next = rest.trim_start().get(..3).unwrap_or_default();
    is_set && next.eq_ignore_ascii_case("set")
        || matches!(last, Kind::Number | Kind::Text) && is_in("year month day hour minute second", word)
}

/// Whether this keyword may be a name after this token.
fn is_name(word: &str, last: &str, before_parenthesis: bool) -> bool {
    if is_in(RESERVED, word) {
        return false;
    }
    if is_in(FUNCTION, word) {
        return before_parenthesis && !last.eq_ignore_ascii_case("table") || last.eq_ignore_ascii_case("language");
    }
    // `coalesce()` calls no function of this name, but a table may have it.
    const TABLE_FOLLOWS: [&str; 5] = ["into", "table", "on", "exists", "references"];
    !is_in(COLUMN, word) || !before_parenthesis || TABLE_FOLLOWS.into_iter().any(|word| word.eq_ignore_ascii_case(last))
}

/// Whether this operator is the label of a column, as in `SELECT a in FROM t`: where nothing follows that it could be
/// applied to, the server takes it for one.
fn is_label(word: &str, rest: &str) -> bool {
    const ENDS: &str = "from into where group having window union intersect except order limit offset fetch for";
    if !is_in("in like ilike", word) {
        return false;
    }
    let next = Words::new(Dialect::Postgres, rest, 0);
    let is_mark = rest.trim_start().starts_with([',', ')', ';']);
    next.ended() || is_mark || ENDS.split(' ').any(|word| next.is(word))
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;
    use lockgate_core::StatementKind;

    /// Words that are any name, in PostgreSQL 15.
    const UNRESERVED: &str = "abort absolute access action add admin after aggregate also alter always asensitive assertion assignment \
        at atomic attach attribute backward before begin breadth by cache call called cascade cascaded catalog \
        chain characteristics checkpoint class close cluster columns comment comments commit committed \
        compression configuration conflict connection constraints content continue conversion copy cost csv cube \
        current cursor cycle data database day deallocate declare defaults deferred definer delete delimiter \
        delimiters depends depth detach dictionary disable discard document domain double drop each enable \
        encoding encrypted enum escape event exclude excluding exclusive execute explain expression extension \
        external family filter finalize first following force forward function functions generated global \
        granted groups handler header hold hour identity if immediate immutable implicit import include \
        including increment index indexes inherit inherits inline input insensitive insert instead invoker \
        isolation key label language large last leakproof level listen load local location lock locked logged \
        mapping match matched materialized maxvalue merge method minute minvalue mode month move name names new \
        next nfc nfd nfkc nfkd no normalized nothing notify nowait nulls object of off oids old operator option \
        options ordinality others over overriding owned owner parallel parameter parser partial partition \
        passing password plans policy preceding prepare prepared preserve prior privileges procedural procedure \
        procedures program publication quote range read reassign recheck recursive ref referencing refresh \
        reindex relative release rename repeatable replace replica reset restart restrict return returns revoke \
        role rollback rollup routine routines rows rule savepoint schema schemas scroll search second security \
        sequence sequences serializable server session set sets share show simple skip snapshot sql stable \
        standalone start statement statistics stdin stdout storage stored strict strip subscription support \
        sysid system tables tablespace temp template temporary text ties transaction transform trigger truncate \
        trusted type types uescape unbounded uncommitted unencrypted unknown unlisten unlogged until update \
        vacuum valid validate validator value varying version view views volatile whitespace within without work \
        wrapper write xml year yes zone";

    /// Places for the name of a column, a table or another object.
    const NAMES: &[&str] = &[
        "CREATE TABLE {} (a int);",
        "CREATE TABLE t ({} int);",
        "CREATE TABLE t ({} int, {} text NOT NULL DEFAULT 'x');",
        "CREATE TABLE t (a int, {} boolean);",
        "CREATE TABLE t (LIKE x, {} int);",
        "CREATE TABLE t (CONSTRAINT {} CHECK (a > 0));",
        "CREATE TABLE t (a int, UNIQUE (a, {}));",
        "CREATE TABLE t (a int, PRIMARY KEY ({}));",
        "CREATE TABLE t (a int, FOREIGN KEY ({}) REFERENCES u ({}));",
        "CREATE TABLE t (a int REFERENCES {} ({}));",
        "CREATE TABLE t (a int, CHECK ({} > 0));",
        "CREATE TABLE t (a int, EXCLUDE USING gist ({} WITH &&));",
        "CREATE TABLE t (a int GENERATED ALWAYS AS ({} + 1) STORED);",
        "CREATE TABLE t PARTITION OF {} FOR VALUES IN (1);",
        "CREATE TABLE t (a int) PARTITION BY RANGE ({});",
        "CREATE TABLE t (a int) INHERITS ({});",
        "CREATE TABLE t (a int) TABLESPACE {};",
        "CREATE TABLE {} AS SELECT 1;",
        "CREATE TABLE t ({}) AS SELECT 1;",
        "ALTER TABLE {} ADD a int;",
        "ALTER TABLE t ADD {} int;",
        "ALTER TABLE t ADD COLUMN {} int;",
        "ALTER TABLE t ADD CONSTRAINT {} UNIQUE (a);",
        "ALTER TABLE t DROP {};",
        "ALTER TABLE t DROP COLUMN {};",
        "ALTER TABLE t DROP CONSTRAINT {};",
        "ALTER TABLE t ALTER {} SET NOT NULL;",
        "ALTER TABLE t ALTER COLUMN {} TYPE text USING {}::text;",
        "ALTER TABLE t RENAME {} TO b;",
        "ALTER TABLE t RENAME COLUMN a TO {};",
        "ALTER TABLE t RENAME TO {};",
        "ALTER TABLE t SET SCHEMA {};",
        "ALTER TABLE t OWNER TO {};",
        "ALTER TABLE t VALIDATE CONSTRAINT {};",
        "ALTER TABLE t ENABLE TRIGGER {};",
        "DROP TABLE {};",
        "DROP TABLE a, {};",
        "DROP INDEX {};",
        "DROP VIEW {} CASCADE;",
        "TRUNCATE {};",
        "TRUNCATE TABLE {};",
        "LOCK TABLE {};",
        "ANALYZE t ({});",
        "VACUUM {};",
        "UPDATE {} SET a = 1;",
        "UPDATE t SET {} = 1;",
        "UPDATE t SET a = 1, {} = 2 WHERE b = 1;",
        "UPDATE t SET (a, {}) = (1, 2);",
        "UPDATE t SET a = {};",
        "UPDATE t SET a = 1 WHERE {};",
        "UPDATE t SET a = 1 WHERE {} AND b;",
        "UPDATE t SET a = 1 RETURNING {};",
        "DELETE FROM {};",
        "DELETE FROM t WHERE {};",
        "DELETE FROM t WHERE {} = false;",
        "DELETE FROM t WHERE NOT {};",
        "DELETE FROM t USING {} WHERE a = 1;",
        "INSERT INTO {} (a) VALUES (1);",
        "INSERT INTO {} VALUES (1);",
        "INSERT INTO {} SELECT 1;",
        "INSERT INTO t ({}) VALUES (1);",
        "INSERT INTO t ({}, b) VALUES (1, 2);",
        "INSERT INTO t (a, {}) VALUES (1, 2);",
        "INSERT INTO t ({}) SELECT 1;",
        "INSERT INTO t (a) VALUES ({});",
        "INSERT INTO t (a) VALUES (1) ON CONFLICT ({}) DO NOTHING;",
        "INSERT INTO t (a) VALUES (1) ON CONFLICT ON CONSTRAINT {} DO NOTHING;",
        "INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET {} = excluded.a;",
        "INSERT INTO t (a) VALUES (1) RETURNING {};",
        "SELECT {} FROM t;",
        "SELECT {}, b FROM t;",
        "SELECT a, {} FROM t;",
        "SELECT {}.a FROM {};",
        "SELECT {}.* FROM {};",
        "SELECT {} AS b FROM t;",
        "SELECT {} + 1 FROM t;",
        "SELECT a = {} FROM t;",
        "SELECT ({}) FROM t;",
        "SELECT f({}) FROM t;",
        "SELECT f(a, {}) FROM t;",
        "SELECT {}::text FROM t;",
        "SELECT {} IS NULL FROM t;",
        "SELECT {} IN (1, 2) FROM t;",
        "SELECT {} BETWEEN 1 AND 2 FROM t;",
        "SELECT {} LIKE 'a' FROM t;",
        "SELECT a FROM t WHERE {} = 1;",
        "SELECT a FROM t WHERE a = 1 AND {} > 2;",
        "SELECT a FROM t {};",
        "SELECT a FROM t AS {};",
        "SELECT a FROM (SELECT 1) {};",
        "SELECT a FROM (SELECT 1) AS {};",
        "SELECT a FROM t, {};",
        "SELECT a FROM t JOIN {} ON true;",
        "SELECT a FROM t JOIN u USING ({});",
        "SELECT a FROM t ORDER BY {};",
        "SELECT a FROM t ORDER BY {} DESC, a;",
        "SELECT a FROM t GROUP BY {};",
        "SELECT a FROM t GROUP BY a, {} HAVING {} > 1;",
        "SELECT a FROM t WINDOW {} AS (PARTITION BY a);",
        "SELECT sum(a) OVER (PARTITION BY {}) FROM t;",
        "SELECT sum(a) OVER (ORDER BY {}) FROM t;",
        "SELECT CASE {} WHEN 1 THEN {} ELSE {} END FROM t;",
        "SELECT CASE WHEN {} THEN 1 END FROM t;",
        "SELECT {}[1] FROM t;",
        "SELECT ARRAY[{}] FROM t;",
        "SELECT ROW({}, 1) FROM t;",
        "SELECT a FROM t FOR UPDATE OF {};",
        "SELECT a FROM f() AS x ({} int);",
        "WITH {} AS (SELECT 1) SELECT a FROM {};",
        "WITH x ({}) AS (SELECT 1) SELECT a FROM x;",
        "CREATE INDEX {} ON t (a);",
        "CREATE INDEX i ON {} (a);",
        "CREATE INDEX ON t ({});",
        "CREATE INDEX i ON t (a, {} DESC);",
        "CREATE INDEX i ON t ({} text_pattern_ops);",
        "CREATE INDEX i ON t (a {});",
        "CREATE INDEX i ON t (lower({}));",
        "CREATE INDEX i ON t (a) WHERE {} = 1;",
        "CREATE INDEX i ON t (a) INCLUDE ({});",
        "CREATE UNIQUE INDEX {} ON t ({});",
        "CREATE VIEW {} AS SELECT 1;",
        "CREATE VIEW v ({}) AS SELECT 1;",
        "CREATE MATERIALIZED VIEW {} AS SELECT 1;",
        "CREATE SCHEMA {};",
        "CREATE SEQUENCE {};",
        "CREATE SEQUENCE s OWNED BY t.{};",
        "CREATE EXTENSION {};",
        "CREATE ROLE {};",
        "CREATE TYPE {} AS ENUM ('a');",
        "CREATE TYPE x AS ({} int);",
        "CREATE TYPE x AS (a int, {} text);",
        "ALTER TYPE x ADD ATTRIBUTE {} int;",
        "ALTER TYPE x RENAME TO {};",
        "CREATE DOMAIN {} AS int;",
        "CREATE DOMAIN d AS int CONSTRAINT {} CHECK (value > 0);",
        "CREATE POLICY {} ON t USING (true);",
        "CREATE POLICY p ON {} USING ({} = 1);",
        "CREATE TRIGGER {} BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f();",
        "CREATE TRIGGER g BEFORE UPDATE OF {} ON t FOR EACH ROW EXECUTE FUNCTION f();",
        "CREATE RULE {} AS ON UPDATE TO t DO NOTHING;",
        "CREATE STATISTICS {} ON a, b FROM t;",
        "CREATE STATISTICS s ON {}, b FROM t;",
        "CREATE PUBLICATION {} FOR TABLE t;",
        "COMMENT ON COLUMN t.{} IS 'x';",
        "COMMENT ON TABLE {} IS 'x';",
        "COMMENT ON CONSTRAINT {} ON t IS 'x';",
        "GRANT SELECT ({}) ON t TO a;",
        "GRANT SELECT ON {} TO a;",
        "GRANT SELECT ON t TO {};",
        "GRANT USAGE ON SCHEMA {} TO a;",
        "REVOKE ALL ON {} FROM {};",
        "COPY {} FROM '/x';",
        "COPY t ({}) FROM '/x';",
        "COPY t (a, {}) TO '/x';",
        "REFRESH MATERIALIZED VIEW {};",
        "SAVEPOINT {};",
        "SET x.{} = 1;",
        "RESET x.{};",
        "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET {} = 1;",
        "MERGE INTO t USING u ON t.a = u.a WHEN NOT MATCHED THEN INSERT ({}) VALUES (1);",
        "CREATE FUNCTION f() RETURNS int LANGUAGE {} AS 'SELECT 1';",
    ];

    /// Places for the name of a function or a type, and of a parameter.
    const FUNCTIONS: &[&str] = &[
        "CREATE FUNCTION f({} int) RETURNS int LANGUAGE sql AS 'SELECT 1';",
        "CREATE FUNCTION {}() RETURNS int LANGUAGE sql AS 'SELECT 1';",
        "SELECT {}();",
        "SELECT {}(1);",
        "SELECT {}(a, b) FROM t;",
        "SELECT a, {}('x') FROM t;",
        "SELECT {}(1) + 1;",
        "SELECT a FROM {}(1);",
        "SELECT a FROM {}(1) x;",
        "DROP FUNCTION {}(int);",
        "CREATE INDEX i ON t ({}(a));",
        "CREATE TABLE t (a int DEFAULT {}());",
        "CREATE TABLE t (a int CHECK ({}(a) > 0));",
        "INSERT INTO t (a) VALUES ({}(1));",
        "UPDATE t SET a = {}(1) WHERE {}(2);",
        "CALL {}(1);",
        "CREATE TABLE t (a {});",
        "CREATE TABLE t (a {}, b int);",
        "CREATE TABLE t (a {} NOT NULL);",
        "CREATE TABLE t (a {}[]);",
        "ALTER TABLE t ADD COLUMN a {};",
        "ALTER TABLE t ALTER COLUMN a TYPE {};",
        "SELECT 1::{};",
        "SELECT CAST(1 AS {});",
        "CREATE FUNCTION f(a {}) RETURNS int LANGUAGE sql AS 'SELECT 1';",
        "CREATE FUNCTION f() RETURNS {} LANGUAGE sql AS 'SELECT 1';",
        "CREATE DOMAIN d AS {};",
        "CREATE TYPE x AS (a {});",
    ];

    /// Places for the name of a parameter.
    const PARAMETERS: &[&str] = &["CREATE FUNCTION f() RETURNS TABLE ({} int) LANGUAGE sql AS 'SELECT 1';"];

    /// Places for any word.
    const LABELS: &[&str] = &[
        "SELECT a AS {} FROM t;",
        "SELECT a AS {}, b FROM t;",
        "SELECT count(*) AS {} FROM t;",
        "SELECT t.{} FROM t;",
        "SELECT t.{}, b FROM t;",
        "SELECT a FROM t WHERE t.{} = 1;",
        "SELECT a FROM t WHERE t.{};",
        "SELECT a FROM s.{};",
        "SELECT (t).{} FROM t;",
        "UPDATE s.{} SET a = 1;",
        "INSERT INTO s.{} (a) VALUES (1);",
        "CREATE TABLE s.{} (a int);",
        "INSERT INTO t (a) VALUES (1) RETURNING a AS {};",
    ];

    /// Places for a label of a column without AS.
    const BARE_LABELS: &[&str] = &[
        "SELECT a {} FROM t;",
        "SELECT a {}, b FROM t;",
        "SELECT count(*) {} FROM t;",
        "SELECT f(1) {} FROM t;",
        "SELECT 1 {};",
        "SELECT 'x' {} FROM t;",
        "INSERT INTO t (a) VALUES (1) RETURNING a {};",
    ];

    /// Every keyword is tried at one place in so many. With 1, the test takes half a minute.
    const EVERY: usize = 7;

    /// The server takes every one of these statements; it was asked.
    #[test]
    fn a_keyword_is_a_name_wherever_the_server_takes_it() {
        let words = |words: &'static str| words.split(' ');
        let bare = || {
            let all = words(UNRESERVED).chain(words(COLUMN)).chain(words(FUNCTION)).chain(words(RESERVED));
            all.filter(|word| !words(NOT_BARE).any(|other| other == *word))
        };
        let mut refused: Vec<String> = Vec::new();
        let mut all = |places: &[&str], words: Vec<&str>| {
            for (number, place) in places.iter().enumerate() {
                let wrong = |word: &&&str| {
                    let text = place.replace("{}", word);
                    let statements = crate::split(Dialect::Postgres, &text).statements;
                    let kind = statements.first().map_or(StatementKind::Other, |statement| statement.kind);
                    !check(&text, kind, None).is_empty()
                };
                let some =
                    words.iter().enumerate().filter(|(word, _)| (word + number) % EVERY == 0).map(|(_, word)| word);
                let wrong: Vec<&str> = some.filter(wrong).copied().collect();
                if !wrong.is_empty() {
                    refused.push(format!("{place} {}", wrong.join(" ")));
                }
            }
        };
        let is_role = |place: &&&str| {
            ["OWNER TO {}", "CREATE ROLE {}", "TO {};", "FROM {};"].iter().any(|end| place.contains(end))
        };
        let roles: Vec<&str> = NAMES.iter().filter(is_role).copied().collect();
        let others: Vec<&str> = NAMES.iter().filter(|place| !is_role(place)).copied().collect();
        all(&others, words(UNRESERVED).chain(words(COLUMN)).collect());
        all(&roles, words(UNRESERVED).chain(words(COLUMN)).filter(|word| *word != "none").collect());
        // `OPERATOR(` begins an operator.
        all(FUNCTIONS, words(UNRESERVED).chain(words(FUNCTION)).filter(|word| *word != "operator").collect());
        all(PARAMETERS, words(UNRESERVED).collect());
        all(LABELS, words(UNRESERVED).chain(words(COLUMN)).chain(words(FUNCTION)).chain(words(RESERVED)).collect());
        all(BARE_LABELS, bare().collect());
        assert!(refused.is_empty(), "{}", refused.join("\n"));
    }
}
