//! Whether a script looks as if it were written for MySQL or MariaDB.

use lockgate_core::Dialect;

use crate::lexer::{Kind, Lexer, Token};

/// Words that only MySQL and MariaDB know, or that hardly anyone writes for another database.
const WORDS: [&str; 9] = [
    "auto_increment",
    "charset",
    "fulltext",
    "longtext",
    "mediumint",
    "mediumtext",
    "tinyint",
    "unsigned",
    "delimiter",
];

/// Pairs of words that only MySQL and MariaDB know.
const PAIRS: [(&str, &str); 7] = [
    ("alter", "ignore"),
    ("delete", "ignore"),
    ("insert", "ignore"),
    ("on", "duplicate"),
    ("signal", "sqlstate"),
    ("update", "ignore"),
    ("replace", "ignore"),
];

/// Words before which `CHANGE` and `MODIFY` are names, within `ALTER TABLE`.
const BEFORE_NAMES: [&str; 8] = ["add", "alter", "by", "column", "drop", "rename", "table", "to"];

/// Whether the script has a word or a mark that only MySQL and MariaDB know: `AUTO_INCREMENT`, `ENGINE=`,
/// a name in backticks, a comment that begins with `#`. The text is read in `dialect`; a word in a comment
/// or in a string does not count.
///
/// ```
/// use lockgate_core::Dialect;
/// use lockgate_sql::looks_like_mysql;
///
/// assert!(looks_like_mysql(Dialect::Postgres, "CREATE TABLE a (b int) ENGINE=InnoDB;"));
/// assert!(!looks_like_mysql(Dialect::Postgres, "CREATE TABLE a (engine text); -- ENGINE=InnoDB"));
/// ```
pub fn looks_like_mysql(dialect: Dialect, text: &str) -> bool {
    let mut lexer = Lexer::new(dialect, text, 0);
    let mut before: Option<Token> = None;
    let mut in_alter = false;
    loop {
        let mut has_code_comment = false;
        let token = lexer.next_after(|start| {
            has_code_comment |= text[start..].starts_with("/*!") || text[start..].starts_with("/*M!");
        });
        let follows = |word: &str| before.is_some_and(|before| lexer.is(before, word));
        let bytes = lexer.bytes(token);
        let is_mysql = match token.kind {
            Kind::End => return has_code_comment,
            Kind::CodeOpen => true,
            Kind::Name => bytes.starts_with(b"`"),
            // Other databases do not escape quotes by a backslash in a plain string.
            Kind::Text => bytes.starts_with(b"'") && has_escaped_quote(bytes),
            Kind::Word if lexer.is(token, "change") || lexer.is(token, "modify") => {
                in_alter && before.is_some() && !BEFORE_NAMES.into_iter().any(follows)
            }
            Kind::Word if lexer.is(token, "engine") => before.is_some_and(|before| before.kind == Kind::Close),
            Kind::Word => {
                WORDS.into_iter().any(|word| lexer.is(token, word))
                    || PAIRS.into_iter().any(|(first, second)| lexer.is(token, second) && follows(first))
            }
            Kind::Other => {
                bytes.starts_with(b"`")
                    || (bytes == b"=" && follows("engine"))
                    || (bytes == b"#" && begins_comment(text, token.start))
            }
            _ => false,
        };
        if is_mysql || has_code_comment {
            return true;
        }
        match before {
            None => in_alter = lexer.is(token, "alter"),
            Some(_) if token.kind == Kind::Terminator => in_alter = false,
            Some(_) => {}
        }
        before = (token.kind != Kind::Terminator).then_some(token);
    }
}

fn has_escaped_quote(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|pair| matches!(pair, b"\\'" | b"\\\""))
}

/// Whether the `#` at this byte is the first thing on its line or stands between blanks.
fn begins_comment(text: &str, at: usize) -> bool {
    let line = text[..at].rsplit('\n').next().unwrap_or_default();
    line.trim().is_empty() || (line.ends_with(' ') && text[at + 1..].starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_and_marks_of_mysql_count() {
        for (text, expected) in [
            ("CREATE TABLE a (b INT AUTO_INCREMENT);", true),
            ("CREATE TABLE a (b INT UNSIGNED, c TINYINT(1));", true),
            ("CREATE TABLE a (b INT) ENGINE=InnoDB;", true),
            ("CREATE TABLE a (b INT) ENGINE InnoDB;", true),
            ("CREATE TABLE a (b TEXT) DEFAULT CHARSET=utf8mb4;", true),
            ("CREATE TABLE `a` (b int);", true),
            ("ALTER TABLE a MODIFY b INT;", true),
            ("ALTER TABLE a ADD c INT, CHANGE b d INT;", true),
            ("INSERT IGNORE INTO a VALUES (1);", true),
            ("INSERT INTO a VALUES (1) ON DUPLICATE KEY UPDATE b = 1;", true),
            ("SIGNAL SQLSTATE '45000';", true),
            ("DELIMITER //\nCREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN END//", true),
            ("INSERT INTO a VALUES ('it\\'s');", true),
            ("/*!40101 SET NAMES utf8 */;", true),
            ("/*M!100100 SET @a = 1 */", true),
            ("# a comment\nSELECT 1;", true),
            ("SELECT 1; # a comment", true),
            // The same words may be names, or in comments and strings.
            ("CREATE TABLE a (engine text, change int, modify int, ignore int);", false),
            ("ALTER TABLE a ADD COLUMN change int; ALTER TABLE a DROP modify;", false),
            ("INSERT OR IGNORE INTO a VALUES (1);", false),
            ("INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING;", false),
            ("-- AUTO_INCREMENT\nSELECT 1; /* ENGINE=InnoDB `a` */", false),
            ("SELECT 'AUTO_INCREMENT', 'ENGINE=InnoDB', '`a`', '# a', '/*! a */';", false),
            ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 -- UNSIGNED\n$$;", false),
            ("SELECT a#b, 'it''s', E'it\\'s';", false),
            ("", false),
        ] {
            assert_eq!(looks_like_mysql(Dialect::Postgres, text), expected, "{text}");
        }
        assert!(looks_like_mysql(Dialect::Sqlite, "CREATE TABLE `a` (b INTEGER);"));
        assert!(!looks_like_mysql(Dialect::Sqlite, "CREATE TABLE \"a\" (b INTEGER);"));
    }
}
