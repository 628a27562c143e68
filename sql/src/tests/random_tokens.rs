//! Random scripts: whatever comes, no byte is lost, and nothing panics.

use lockgate_core::Statement;

use super::*;
use crate::lexer::{Kind, Lexer};

/// A small generator (xorshift), so that each run tries the same scripts.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const TOKENS: &[&str] = &[
    "'",
    "''",
    "'a;b'",
    "E'\\'",
    "\"",
    "\"x\"",
    "`",
    "[",
    "]",
    "$$",
    "$a$",
    "$1",
    "$",
    "--",
    "-- c\n",
    "/*",
    "*/",
    "/*!40101",
    "#",
    ";",
    ";",
    "(",
    ")",
    "\\",
    "\\.",
    "\n",
    "\r",
    " ",
    "\t",
    "\0",
    "\u{feff}",
    "é",
    "日本",
    ".",
    ":",
    "@",
    "=",
    ",",
    "*",
    "1",
    "1e",
    "BEGIN",
    "ATOMIC",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "IF",
    "LOOP",
    "WHILE",
    "DO",
    "REPEAT",
    "UNTIL",
    "FOR",
    "CREATE",
    "OR",
    "REPLACE",
    "FUNCTION",
    "PROCEDURE",
    "TRIGGER",
    "EVENT",
    "ROW",
    "TEMP",
    "TABLE",
    "INDEX",
    "CONCURRENTLY",
    "DECLARE",
    "HANDLER",
    "COPY",
    "FROM",
    "stdin",
    "DELIMITER",
    "DELIMITER //",
    "DELIMITER é",
    "//",
    "WITH",
    "SELECT",
    "SET",
    "LOCAL",
    "set_config",
    "set_config(",
    "DO $$",
    "ROLLBACK",
    "TO",
    "PRAGMA",
    "REINDEX",
    "CLUSTER",
    "ALTER",
    "SUBSCRIPTION",
    "DETACH",
    "PARTITION",
    "EXPLAIN",
    "DEFINER",
    "\\copy t from stdin",
    "x",
];

/// Statements that are whole in every dialect, without what only a client understands.
const STATEMENTS: &[&str] = &[
    "SELECT 1",
    "SELECT 'a;b', 'it''s'",
    "SELECT \"a;b\"",
    "/* c; */ BEGIN",
    "COMMIT -- c;",
    "INSERT INTO t VALUES (1, (2))",
    "CREATE TABLE t (a int) -- c",
    "UPDATE t SET a = CASE WHEN b THEN 1 ELSE 2 END",
    "\n\n-- c\nDROP TABLE t /* c */",
    "",
];

const POSTGRES: &[&str] = &[
    "DO $$ BEGIN a; END $$",
    "SELECT E'\\';'",
    "CREATE RULE r AS ON INSERT TO t DO (a; b)",
    "/* /* ; */ ; */ SELECT 1",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT 2; END",
    "SELECT a$b$, $1",
    "COPY t FROM stdin;\n1;2\n\\.",
    "\\restrict a;b",
    "SELECT U&\"a;\"",
];

const SQLITE: &[&str] = &[
    "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT CASE WHEN a THEN 1 END; SELECT 2; END",
    "SELECT [a;], `b;`",
    "PRAGMA foreign_keys = ON",
];

const MYSQL: &[&str] = &[
    "SELECT '\\';', \"\\\";\", `a;`",
    "SELECT 1 # c;",
    "/*!40101 SET NAMES utf8 */",
    "SELECT 1--1",
    "DELIMITER //\nCREATE PROCEDURE p() BEGIN a; b; END //\nDELIMITER ;",
    "CREATE PROCEDURE p() BEGIN IF a THEN b; END IF; CASE a WHEN 1 THEN b; END CASE; END",
    "CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW IF a THEN SET b = IF(c, 1, 2); END IF",
];

/// A script of complete statements, each without a `;` of its own.
fn random_statements(dialect: Dialect, random: &mut Random) -> String {
    let own = match dialect {
        Postgres => POSTGRES,
        Sqlite => SQLITE,
        Mysql => MYSQL,
    };
    let mut text = String::new();
    for _ in 0..random.below(6) {
        text.push_str(if random.below(2) == 0 { random.pick(own) } else { random.pick(STATEMENTS) });
        text.push_str(random.pick(&["\n;", "\n;;\n", "\n; -- c;\n", "\n;\n/* c; */ "]));
    }
    text
}

fn random_tokens(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..random.below(60) {
        text.push_str(random.pick(TOKENS));
        text.push_str(random.pick(&["", " ", " ", "\n"]));
    }
    text
}

/// Ranges are ordered, inside of the text, not empty, and what stands between them says nothing.
fn assert_nothing_lost(dialect: Dialect, text: &str) {
    let split = split(dialect, text);
    // An empty statement leaves its terminator behind, which a DELIMITER line may have changed.
    let changed = dialect == Mysql && text.to_ascii_lowercase().contains("delimiter");
    let mut end = 0;
    let rest = text.len()..text.len();
    for range in split.statements.iter().map(|statement| statement.range.clone()).chain(std::iter::once(rest)) {
        assert!(
            end <= range.start && range.start <= range.end && range.end <= text.len(),
            "{dialect}: {text:?}: {split:?}"
        );
        let gap = &text[end..range.start];
        let gap = if end == 0 { gap.strip_prefix('\u{feff}').unwrap_or(gap) } else { gap };
        let mut lexer = Lexer::new(dialect, gap, 0);
        let mut token = lexer.next();
        while token.kind == Kind::Terminator {
            token = lexer.next();
        }
        assert!(token.kind == Kind::End || changed, "{dialect}: {gap:?} lost of {text:?}");
        end = range.end;
    }
    for statement in &split.statements {
        assert!(!text[statement.range.clone()].trim().is_empty(), "{dialect}: {text:?}");
    }
    for problem in &split.problems {
        assert!(!text[problem.range.clone()].is_empty(), "{dialect}: {text:?}: {problem:?}");
    }
}

#[test]
fn random_tokens_lose_no_byte() {
    let mut random = Random(42);
    for _ in 0..4_000 {
        let text = random_tokens(&mut random);
        for dialect in Dialect::ALL {
            assert_nothing_lost(dialect, &text);
            head_comments(&text).for_each(|range| assert!(text.get(range).is_some()));
        }
    }
}

#[test]
fn mutated_scripts_lose_no_byte() {
    let mut random = Random(7);
    for _ in 0..4_000 {
        for dialect in Dialect::ALL {
            let mut text = random_statements(dialect, &mut random);
            for _ in 0..=random.below(3) {
                let places: Vec<usize> = text.char_indices().map(|(place, _)| place).chain([text.len()]).collect();
                let (a, b) = (places[random.below(places.len())], places[random.below(places.len())]);
                match random.below(3) {
                    0 => text.insert_str(a, random.pick(TOKENS)),
                    1 => text.truncate(a),
                    _ => text.replace_range(a.min(b)..a.max(b), ""),
                }
            }
            assert_nothing_lost(dialect, &text);
        }
    }
}

#[test]
fn scripts_split_the_same_alone_and_concatenated() {
    let mut random = Random(1);
    for _ in 0..2_000 {
        for dialect in Dialect::ALL {
            let (first, second) = (random_statements(dialect, &mut random), random_statements(dialect, &mut random));
            let both = format!("{first}\n;\n{second}");
            let (split_first, split_second) = (split(dialect, &first), split(dialect, &second));
            assert_eq!(split_first.problems, [], "{dialect}: {first}");
            let moved = |statement: &Statement| {
                let by = first.len() + 3;
                let moved = |range: std::ops::Range<usize>| range.start + by..range.end + by;
                let data = statement.data.clone().map(moved);
                Statement { range: moved(statement.range.clone()), data, ..statement.clone() }
            };
            let expected: Vec<Statement> =
                split_first.statements.iter().cloned().chain(split_second.statements.iter().map(moved)).collect();
            assert_eq!(split(dialect, &both).statements, expected, "{dialect}: {both}");
        }
    }
}

/// A recursive splitter would overflow its stack, and a quadratic one would not end.
#[test]
fn large_and_deeply_nested_scripts_are_split() {
    let times = |text: &str, count: usize| text.repeat(count);
    for dialect in Dialect::ALL {
        for text in [
            times(";", 1_000_000),
            times("(", 1_000_000),
            times("/*", 500_000),
            times("$a", 500_000),
            times("CREATE FUNCTION f() BEGIN ATOMIC ", 30_000),
            format!("CREATE PROCEDURE p() BEGIN {}", times("CASE BEGIN IF a THEN ", 50_000)),
            format!("SELECT {}", times("set_config(", 100_000)),
            format!("DO $$ {} $$", times("set_config(", 100_000)),
            format!("SELECT '{}", times("a\\b ", 250_000)),
            format!("DELIMITER aaaaaaaaaaaaaab\n{}", times("a", 1_000_000)),
            format!("WITH {}", times("a AS (", 100_000)),
        ] {
            assert_nothing_lost(dialect, &text);
        }
    }
}
