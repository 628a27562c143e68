//! Finds strings in double quotes. SQLite takes a quoted word for a string if there is no column of this name, and writes
//! neither form into its catalogue. Here such a string gets its own quotes, so that it stays one in every text.

use std::collections::HashSet;

use super::layout::is_keyword;
use super::token::Token;

/// Names that are columns although no table lists them.
const HIDDEN: [&str; 3] = ["rowid", "oid", "_rowid_"];

/// The keywords after which there is the name of a table.
const BEFORE_A_TABLE: [&str; 4] = ["FROM", "JOIN", "INTO", "UPDATE"];

/// The names in a database that a view or a trigger can mean.
#[derive(Debug, Default)]
pub(super) struct Names {
    objects: HashSet<String>,
    columns: HashSet<String>,
}

impl Names {
    pub(super) fn add_object(&mut self, name: &str) {
        self.objects.insert(name.to_ascii_lowercase());
    }

    pub(super) fn add_column(&mut self, name: &str) {
        self.columns.insert(name.to_ascii_lowercase());
    }

    /// Adds the names that a view or a trigger gives to something.
    pub(super) fn add_aliases(&mut self, tokens: &[Token]) {
        for (at, token) in tokens.iter().enumerate() {
            match token {
                Token::Word(word) if !is_keyword(word) => self.add_column(word),
                Token::Quoted(word) if at.checked_sub(1).is_some_and(|before| is_before_an_alias(&tokens[before])) => {
                    self.add_column(word);
                }
                Token::Word(_) | Token::Quoted(_) | Token::Literal(_) | Token::Sign(_) => {}
            }
        }
    }

    /// Returns the tokens of a view or a trigger, with each string as one. If it reads something whose columns are not
    /// known, its quoted words keep their quotes, as each may be a name or a string.
    pub(super) fn with_strings(&self, tokens: &[Token]) -> Vec<Token> {
        let is_known = |name: &str| self.objects.contains(name) || self.columns.contains(name);
        if self.reads_unknown(tokens) {
            let quoted = |word: &str| Token::Literal(format!("\"{}\"", word.replace('"', "\"\"")));
            return strings(tokens, is_known, quoted);
        }
        strings(tokens, is_known, literal)
    }

    /// Whether a text reads a table that is not there, or the result of a function.
    fn reads_unknown(&self, tokens: &[Token]) -> bool {
        tokens.windows(2).enumerate().any(|(at, two)| {
            let name = match &two[1] {
                Token::Word(word) if is_keyword(word) => return false,
                Token::Word(word) | Token::Quoted(word) => word.to_ascii_lowercase(),
                Token::Literal(_) | Token::Sign(_) => return false,
            };
            let is_called = tokens.get(at + 2).is_some_and(|next| next.is_sign("("));
            let is_after = BEFORE_A_TABLE.iter().any(|word| two[0].is(word));
            let is_function = is_called && (is_after && !two[0].is("INTO") || gives_rows(&name));
            is_function || is_after && !self.objects.contains(&name) && !is_cte(tokens, &name)
        })
    }
}

/// Whether a function of SQLite is read as a table.
fn gives_rows(function: &str) -> bool {
    ["json_each", "json_tree", "jsonb_each", "jsonb_tree", "generate_series"].contains(&function)
        || function.starts_with("pragma_")
}

/// Whether the text has this name for a query: `WITH x AS (…)`.
fn is_cte(tokens: &[Token], name: &str) -> bool {
    tokens.windows(3).any(|three| {
        let begins = three[0].is("WITH") || three[0].is("RECURSIVE") || three[0].is_sign(",");
        let is_it = three[1].name().is_some_and(|own| own.eq_ignore_ascii_case(name));
        begins && is_it && (three[2].is("AS") || three[2].is_sign("("))
    })
}

/// Returns the tokens of an expression of a table with these columns: strings are strings, and names do not mention the
/// table.
pub(super) fn of_table(tokens: &[Token], table: &str, columns: &[&str]) -> Vec<Token> {
    let mut rest = tokens;
    let mut plain = Vec::with_capacity(tokens.len());
    while let Some((token, after)) = rest.split_first() {
        let is_table = token.name().is_some_and(|name| name.eq_ignore_ascii_case(table));
        if is_table && !matches!(token, Token::Literal(_)) && after.first().is_some_and(|next| next.is_sign(".")) {
            rest = &after[1..];
            continue;
        }
        plain.push(token.clone());
        rest = after;
    }
    strings(&plain, |name| columns.iter().any(|column| column.eq_ignore_ascii_case(name)), literal)
}

/// Writes each quoted word that is no known name in this way.
fn strings(tokens: &[Token], is_known: impl Fn(&str) -> bool, written: impl Fn(&str) -> Token) -> Vec<Token> {
    let as_string = |at: usize| {
        let before = at.checked_sub(1).map(|before| &tokens[before]);
        let after = tokens.get(at + 1);
        let is_part = before.is_some_and(|token| token.is_sign(".") || token.is("COLLATE") || token.is("AS"))
            || before.is_some_and(|token| BEFORE_A_TABLE.iter().any(|word| token.is(word)) || token.is("ON"))
            || after.is_some_and(|token| token.is_sign(".") || token.is_sign("("));
        match &tokens[at] {
            Token::Quoted(word) if !is_part => {
                let lower = word.to_ascii_lowercase();
                let is_name = HIDDEN.contains(&&*lower) || is_known(&lower);
                (!is_name).then(|| written(word))
            }
            Token::Word(_) | Token::Quoted(_) | Token::Literal(_) | Token::Sign(_) => None,
        }
    };
    (0..tokens.len()).map(|at| as_string(at).unwrap_or_else(|| tokens[at].clone())).collect()
}

/// Returns the tokens of a default. It has no columns: a word is a string too.
pub(super) fn of_default(tokens: &[Token]) -> Vec<Token> {
    const VALUES: [&str; 6] = ["NULL", "TRUE", "FALSE", "CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME"];
    match tokens {
        [Token::Word(word)] if !VALUES.iter().any(|value| word.eq_ignore_ascii_case(value)) => vec![literal(word)],
        tokens => strings(tokens, |_| false, literal),
    }
}

fn literal(word: &str) -> Token {
    Token::Literal(format!("'{}'", word.replace('\'', "''")))
}

/// Whether a quoted word after this token is a new name of what stands before it.
fn is_before_an_alias(before: &Token) -> bool {
    match before {
        Token::Word(word) => word.eq_ignore_ascii_case("AS") || word.eq_ignore_ascii_case("END") || !is_keyword(word),
        Token::Quoted(_) | Token::Literal(_) => true,
        Token::Sign(sign) => *sign == ")",
    }
}

#[cfg(test)]
mod tests {
    use super::super::token::tokens;
    use super::*;

    fn read(text: &str) -> Vec<Token> {
        tokens(text).expect("the text has tokens")
    }

    #[test]
    fn a_quoted_word_is_a_string_if_it_is_no_column() {
        for (text, same) in [
            ("\"A\" = \"x\"", "\"A\" = 'x'"),
            ("t.a = \"it's\" COLLATE \"nocase\"", "a = 'it''s' COLLATE \"nocase\""),
            ("\"t\".\"a\" > \"lower\"(a)", "\"a\" > \"lower\"(a)"),
            ("\"rowid\" > 0", "\"rowid\" > 0"),
        ] {
            assert_eq!(of_table(&read(text), "T", &["a"]), read(same), "{text}");
        }
    }

    #[test]
    fn a_word_of_a_default_is_a_string() {
        for (text, same) in
            [("x", "'x'"), ("\"x\"", "'x'"), ("null", "null"), ("1", "1"), ("lower(\"X\")", "lower('X')")]
        {
            assert_eq!(of_default(&read(text)), read(same), "{text}");
        }
    }

    #[test]
    fn a_view_may_give_names_itself() {
        let mut names = Names::default();
        names.add_object("t");
        names.add_column("a");
        for (text, same) in [
            ("SELECT \"a\", \"x\" FROM t", "SELECT \"a\", 'x' FROM t"),
            ("SELECT a \"B\" FROM \"t\" ORDER BY \"b\"", "SELECT a \"B\" FROM \"t\" ORDER BY \"b\""),
        ] {
            names.add_aliases(&read(text));
            assert_eq!(names.with_strings(&read(text)), read(same), "{text}");
        }
        // Whether there is such a column is not known.
        for text in ["SELECT \"x\" FROM gone", "SELECT \"x\" FROM json_each(1)", "SELECT \"x\" FROM t, json_each(a)"] {
            assert_eq!(names.with_strings(&read(text))[1], Token::Literal("\"x\"".to_owned()), "{text}");
        }
    }
}
