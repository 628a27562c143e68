//! Writes tokens as normalized text: texts that mean the same are written the same.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::token::Token;

/// Where lines end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Nowhere, as in an expression.
    Line,
    /// Before each clause, as in a query.
    Query,
    /// After each statement, as in a trigger.
    Body,
}

/// The words that are read as keywords. A keyword that is the name of a column is read as a name.
const KEYWORDS: &str = "\
    ABORT ACTION ADD AFTER ALL ALTER ALWAYS ANALYZE AND AS ASC ATTACH AUTOINCREMENT BEFORE BEGIN BETWEEN BY \
    CASCADE CASE CAST CHECK COLLATE COLUMN COMMIT CONFLICT CONSTRAINT CREATE CROSS CURRENT CURRENT_DATE \
    CURRENT_TIME CURRENT_TIMESTAMP DEFAULT DEFERRABLE DEFERRED DELETE DESC DETACH DISTINCT DO DROP EACH ELSE END \
    ESCAPE EXCEPT EXCLUDE EXCLUSIVE EXISTS EXPLAIN FAIL FALSE FILTER FIRST FOLLOWING FOR FOREIGN FROM FULL \
    GENERATED GLOB GROUP GROUPS HAVING IF IGNORE IMMEDIATE IN INDEX INDEXED INITIALLY INNER INSERT INSTEAD \
    INTERSECT INTO IS ISNULL JOIN LAST LEFT LIKE LIMIT MATCH MATERIALIZED NATURAL NO NOT NOTHING NOTNULL NULL \
    NULLS OF OFFSET ON OR ORDER OTHERS OUTER OVER PARTITION PRECEDING PRIMARY RAISE RANGE RECURSIVE REFERENCES \
    REGEXP REPLACE RESTRICT RETURNING RIGHT ROLLBACK ROW ROWS SELECT SET TABLE TEMP TEMPORARY THEN TIES TO \
    TRANSACTION TRIGGER TRUE UNBOUNDED UNION UNIQUE UPDATE USING VALUES VIEW VIRTUAL WHEN WHERE WINDOW WITH \
    WITHOUT";

/// The keywords before which a query gets a line break.
const CLAUSES: [&str; 17] = [
    "FROM",
    "WHERE",
    "GROUP",
    "HAVING",
    "WINDOW",
    "ORDER",
    "LIMIT",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "JOIN",
    "LEFT",
    "RIGHT",
    "FULL",
    "INNER",
    "CROSS",
    "NATURAL",
];

/// The keywords after which a name before a bracket is not a function.
const BEFORE_A_TABLE: [&str; 6] = ["INTO", "ON", "RECURSIVE", "REFERENCES", "TABLE", "WITH"];

pub(crate) fn is_keyword(word: &str) -> bool {
    static WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| KEYWORDS.split_ascii_whitespace().collect());
    WORDS.contains(word.to_ascii_uppercase().as_str())
}

/// Writes a name, in quotes if it needs them.
pub(crate) fn name(name: &str) -> String {
    let mut chars = name.chars();
    let is_plain = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_plain && !is_keyword(name) { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// Writes a type, in upper case because case does not matter: `VARCHAR(40)`.
pub(super) fn data_type(tokens: &[Token]) -> String {
    let upper: Vec<Token> = tokens
        .iter()
        .map(|token| match token {
            Token::Word(word) | Token::Quoted(word) => Token::Literal(word.to_ascii_uppercase()),
            Token::Literal(_) | Token::Sign(_) => token.clone(),
        })
        .collect();
    write(&upper, &[], Layout::Line)
}

/// Writes tokens as text. The names of these columns are written as the columns write them.
pub(super) fn write(tokens: &[Token], columns: &[&str], layout: Layout) -> String {
    let mut text = String::new();
    let mut depth = 0_usize;
    let mut in_case = 0_usize;
    let mut in_body = false;
    let mut joining = false;
    for (index, token) in tokens.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| &tokens[index]);
        let after = tokens.get(index + 1);
        if token.is_sign(")") {
            depth = depth.saturating_sub(1);
        }
        let keyword = |word: &str| token.is(word) && !is_column(token, columns);
        if keyword("CASE") {
            in_case += 1;
        }
        let ends_body = in_body && in_case == 0 && depth == 0 && keyword("END");
        let begins_clause = CLAUSES.iter().any(|clause| keyword(clause));
        let breaks = match layout {
            Layout::Line => false,
            Layout::Query => depth == 0 && begins_clause && !joining && index > 0,
            Layout::Body => ends_body || before.is_some_and(|before| before.is_sign(";")) && in_body,
        };
        if keyword("END") {
            in_case = in_case.saturating_sub(1);
        }
        // Each of `LEFT OUTER JOIN` and `JOIN` begins one line.
        joining = begins_clause && !["FROM", "JOIN"].iter().any(|word| token.is(word)) || joining && keyword("OUTER");
        if breaks {
            text.push_str(if ends_body || layout == Layout::Query { "\n" } else { "\n  " });
        } else if is_spaced(&tokens[..index], token, columns) && !text.ends_with("\n  ") {
            text.push(' ');
        }
        text.push_str(&written(before, token, after, columns));
        if token.is_sign("(") {
            depth += 1;
        }
        if layout == Layout::Body && !in_body && keyword("BEGIN") {
            in_body = true;
            text.push_str("\n  ");
        }
    }
    text
}

fn is_column(token: &Token, columns: &[&str]) -> bool {
    match token {
        Token::Word(word) => columns.iter().any(|column| column.eq_ignore_ascii_case(word)),
        Token::Quoted(_) | Token::Literal(_) | Token::Sign(_) => false,
    }
}

/// Whether a token before a bracket is the name of a function or a table, and not a keyword.
fn is_called(token: &Token, columns: &[&str]) -> bool {
    match token {
        Token::Word(word) => {
            let is_function_too = ["REPLACE", "IF"].iter().any(|keyword| word.eq_ignore_ascii_case(keyword));
            !is_keyword(word) || is_function_too || is_column(token, columns)
        }
        Token::Quoted(_) => true,
        Token::Literal(literal) => literal.starts_with(|c: char| c.is_ascii_alphabetic()),
        Token::Sign(_) => false,
    }
}

fn is_spaced(written: &[Token], token: &Token, columns: &[&str]) -> bool {
    let Some((before, rest)) = written.split_last() else { return false };
    let follows_a_sign = match before {
        Token::Sign("(" | "." | "~") => true,
        Token::Sign("-" | "+") => is_sign(rest.last(), columns),
        _ => false,
    };
    match token {
        Token::Sign(")" | "," | "." | ";") => false,
        // Without a blank, `- -1` would begin a comment.
        Token::Sign("-") if before.is_sign("-") => true,
        Token::Sign("(") => !follows_a_sign && !is_called(before, columns),
        _ => !follows_a_sign,
    }
}

/// Whether a `-` after this token is a sign and not a subtraction.
fn is_sign(before: Option<&Token>, columns: &[&str]) -> bool {
    match before {
        None => true,
        Some(Token::Sign(sign)) => *sign != ")",
        Some(Token::Word(word)) => is_keyword(word) && !columns.iter().any(|column| column.eq_ignore_ascii_case(word)),
        Some(Token::Quoted(_) | Token::Literal(_)) => false,
    }
}

fn written(before: Option<&Token>, token: &Token, after: Option<&Token>, columns: &[&str]) -> String {
    let as_column = |word: &str| columns.iter().find(|column| column.eq_ignore_ascii_case(word)).copied();
    let is_called = after.is_some_and(|after| after.is_sign("("))
        && !before.is_some_and(|before| BEFORE_A_TABLE.iter().any(|word| before.is(word)))
        && is_called(token, &[]);
    match token {
        Token::Word(word) if is_called => word.to_ascii_lowercase(),
        Token::Word(word) => match as_column(word) {
            Some(column) => name(column),
            None if is_keyword(word) => word.to_ascii_uppercase(),
            // A word without quotes may contain `$`, and needs no quotes.
            None => word.clone(),
        },
        Token::Quoted(word) => name(as_column(word).unwrap_or(word)),
        Token::Literal(literal) => literal.clone(),
        Token::Sign(sign) => (*sign).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::token::tokens;
    use super::*;

    #[track_caller]
    fn check(text: &str, columns: &[&str], expected: &str) {
        let tokens = tokens(text).expect("the text has tokens");
        assert_eq!(write(&tokens, columns, Layout::Line), expected, "{text}");
    }

    #[test]
    fn equivalent_texts_are_normalized() {
        for (text, expected) in [
            ("a>0 and  b<>'x'", "a > 0 AND b != 'x'"),
            ("\"a\" > [b] AND `c d`==1", "a > b AND \"c d\" = 1"),
            ("LOWER ( a )||Upper(b)", "lower(a) || upper(b)"),
            ("a in(1,2) and ( b or c )", "a IN (1, 2) AND (b OR c)"),
            ("-1", "-1"),
            ("a - -1", "a - -1"),
            ("a = - -1", "a = - -1"),
            ("(a) - 1 + (-b)", "(a) - 1 + (-b)"),
            ("a is not -1", "a IS NOT -1"),
            ("5 - 1", "5 - 1"),
            ("\"a\" - 1", "a - 1"),
            ("~ a & (~b)", "~a & (~b)"),
            ("main . t . a", "main.t.a"),
            ("count( * )", "count(*)"),
            ("Replace(a, 'x', '')", "replace(a, 'x', '')"),
            ("((a))", "((a))"),
            ("\"select\" = \"Key\"", "\"select\" = Key"),
            ("current_timestamp", "CURRENT_TIMESTAMP"),
            ("cast(a as text)", "CAST (a AS text)"),
            ("json_extract(a, '$.x') ->> 'y'", "json_extract(a, '$.x') ->> 'y'"),
            ("insert into Users(a) values(1)", "INSERT INTO Users(a) VALUES (1)"),
            ("", ""),
        ] {
            check(text, &[], expected);
        }
    }

    #[test]
    fn a_column_name_keeps_its_case() {
        check("AGE > 0 and \"name\" is not null", &["Age", "Name"], "Age > 0 AND Name IS NOT NULL");
        check("key > 0 and desc < -1", &["key", "desc"], "key > 0 AND \"desc\" < -1");
        check("key - 1", &["key"], "key - 1");
        check("desc - 1", &["desc"], "\"desc\" - 1");
        check("lower(lower)", &["Lower"], "lower(Lower)");
    }

    #[test]
    fn a_type_is_written_in_one_way() {
        for (text, expected) in [
            ("varchar ( 40 )", "VARCHAR(40)"),
            ("\"double\"  precision", "DOUBLE PRECISION"),
            ("decimal(10,-2)", "DECIMAL(10, -2)"),
            ("", ""),
        ] {
            assert_eq!(data_type(&tokens(text).expect("the text has tokens")), expected);
        }
    }

    #[test]
    fn a_query_has_a_line_a_clause() {
        let text = "select a,(select b from c where d) from t natural left outer join u join v on w \
                    where x group by y having z order by 1 limit 2";
        let tokens = tokens(text).expect("the text has tokens");
        let expected = "SELECT a, (SELECT b FROM c WHERE d)\nFROM t\nNATURAL LEFT OUTER JOIN u\nJOIN v ON w\n\
                        WHERE x\nGROUP BY y\nHAVING z\nORDER BY 1\nLIMIT 2";
        assert_eq!(write(&tokens, &[], Layout::Query), expected);
        let from = super::super::token::tokens("from t").expect("the text has tokens");
        assert_eq!(write(&from, &[], Layout::Query), "FROM t");
    }

    #[test]
    fn a_trigger_has_a_line_a_statement() {
        let text = "after insert on t begin update t set a=case when b then 1 else 2 end; select 1 ; end";
        let tokens = tokens(text).expect("the text has tokens");
        let expected = "AFTER INSERT ON t BEGIN\n  UPDATE t SET a = CASE WHEN b THEN 1 ELSE 2 END;\n  SELECT 1;\nEND";
        assert_eq!(write(&tokens, &[], Layout::Body), expected);
    }
}
