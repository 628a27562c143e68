//! Splits SQLite's SQL into tokens, without white space and comments.

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A keyword or a name, as the text writes it.
    Word(String),
    /// A quoted name, without its quotes.
    Quoted(String),
    /// `'text'`, `x'00'`, a number or a variable, normalized.
    Literal(String),
    /// Anything else: a bracket, an operator.
    Sign(&'static str),
}

impl Token {
    /// Whether it is this keyword, in any case and without quotes.
    pub(super) fn is(&self, keyword: &str) -> bool {
        matches!(self, Self::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        matches!(self, Self::Sign(own) if *own == sign)
    }

    /// Returns the name, if the token can be one. In some places SQLite accepts a string as a name.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            Self::Word(name) | Self::Quoted(name) => Some(name.clone()),
            Self::Literal(text) if text.starts_with('\'') => Some(text[1..text.len() - 1].replace("''", "'")),
            Self::Literal(_) | Self::Sign(_) => None,
        }
    }
}

/// Returns the names and keywords of a text, in lower case. A text without tokens has none.
pub(crate) fn words(text: &str) -> Vec<String> {
    let tokens = tokens(text).unwrap_or_default();
    let word = |token: &Token| match token {
        Token::Word(word) | Token::Quoted(word) => Some(word.to_ascii_lowercase()),
        Token::Literal(_) | Token::Sign(_) => None,
    };
    tokens.iter().filter_map(word).collect()
}

/// The signs, longer ones first, each with the sign that is written for it.
const SIGNS: [(&str, &str); 28] = [
    ("->>", "->>"),
    ("->", "->"),
    ("||", "||"),
    ("<<", "<<"),
    (">>", ">>"),
    ("<=", "<="),
    (">=", ">="),
    ("<>", "!="),
    ("!=", "!="),
    ("==", "="),
    ("=", "="),
    ("<", "<"),
    (">", ">"),
    ("(", "("),
    (")", ")"),
    (",", ","),
    (".", "."),
    (";", ";"),
    ("+", "+"),
    ("-", "-"),
    ("*", "*"),
    ("/", "/"),
    ("%", "%"),
    ("&", "&"),
    ("|", "|"),
    ("~", "~"),
    ("!", "!"),
    ("^", "^"),
];

/// Returns the tokens of a text, or an error that names the character that begins no token.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut rest = text;
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            // A text in SQLite's catalogue may contain a byte order mark, but does not begin with one.
            c if c.is_ascii_whitespace() || c == '\u{feff}' => (None, c.len_utf8()),
            '-' if rest.starts_with("--") => (None, rest.find('\n').unwrap_or(rest.len())),
            '/' if rest.starts_with("/*") => (None, rest.find("*/").map_or(rest.len(), |end| end + 2)),
            '\'' => {
                let length = quoted_length(rest, '\'')?;
                (Some(Token::Literal(rest[..length].to_owned())), length)
            }
            '"' | '`' => {
                let length = quoted_length(rest, first)?;
                let doubled = [first, first].iter().collect::<String>();
                (Some(Token::Quoted(rest[1..length - 1].replace(&doubled, &first.to_string()))), length)
            }
            '[' => {
                let end = rest.find(']').ok_or("a `[` without its end")?;
                (Some(Token::Quoted(rest[1..end].to_owned())), end + 1)
            }
            'x' | 'X' if rest[1..].starts_with('\'') => {
                let length = 1 + quoted_length(&rest[1..], '\'')?;
                (Some(Token::Literal(format!("x{}", rest[1..length].to_ascii_uppercase()))), length)
            }
            c if c.is_ascii_digit() || (c == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) => {
                let length = number_length(rest);
                (Some(Token::Literal(rest[..length].to_ascii_lowercase())), length)
            }
            '?' | ':' | '@' | '#' | '$' => {
                let length = 1 + word_length(&rest[1..]);
                (Some(Token::Literal(rest[..length].to_owned())), length)
            }
            c if is_of_a_word(c) => {
                let length = word_length(rest);
                (Some(Token::Word(rest[..length].to_owned())), length)
            }
            c => {
                let sign = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign));
                let (sign, written) = sign.ok_or_else(|| format!("the character `{}`", c.escape_default()))?;
                (Some(Token::Sign(written)), sign.len())
            }
        };
        tokens.extend(token);
        rest = &rest[length..];
    }
    Ok(tokens)
}

fn is_of_a_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

fn word_length(text: &str) -> usize {
    text.find(|c| !is_of_a_word(c)).unwrap_or(text.len())
}

/// Returns the length of the quoted text that begins here, including both quotes.
fn quoted_length(text: &str, quote: char) -> Result<usize, String> {
    let mut at = 1;
    while let Some(found) = text[at..].find(quote) {
        at += found + 1;
        if !text[at..].starts_with(quote) {
            return Ok(at);
        }
        at += 1;
    }
    Err(format!("a `{quote}` without its end"))
}

fn number_length(text: &str) -> usize {
    let mut before = ' ';
    let is_hex = text.starts_with("0x") || text.starts_with("0X");
    let end = text.find(|c: char| {
        let goes_on = c.is_ascii_alphanumeric()
            || c == '_'
            || c == '.'
            || (matches!(c, '+' | '-') && matches!(before, 'e' | 'E') && !is_hex);
        before = c;
        !goes_on
    });
    end.unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Token {
        Token::Word(text.to_owned())
    }

    fn quoted(text: &str) -> Token {
        Token::Quoted(text.to_owned())
    }

    fn literal(text: &str) -> Token {
        Token::Literal(text.to_owned())
    }

    #[test]
    fn every_kind_of_token_is_split() {
        for (text, expected) in [
            ("a -- b\n c", vec![word("a"), word("c")]),
            ("a -- b", vec![word("a")]),
            ("a/* ' */b/* c", vec![word("a"), word("b")]),
            ("a-b", vec![word("a"), Token::Sign("-"), word("b")]),
            ("a/b", vec![word("a"), Token::Sign("/"), word("b")]),
            ("'it''s' ''", vec![literal("'it''s'"), literal("''")]),
            (r#""a""b" `c``d` [e"f]"#, vec![quoted("a\"b"), quoted("c`d"), quoted("e\"f")]),
            ("X'ab' x", vec![literal("x'AB'"), word("x")]),
            (
                "1 .5 1.5E+3-2 0xE-1",
                vec![
                    literal("1"),
                    literal(".5"),
                    literal("1.5e+3"),
                    Token::Sign("-"),
                    literal("2"),
                    literal("0xe"),
                    Token::Sign("-"),
                    literal("1"),
                ],
            ),
            ("a.b", vec![word("a"), Token::Sign("."), word("b")]),
            ("?1 :a @b $c ?", vec![literal("?1"), literal(":a"), literal("@b"), literal("$c"), literal("?")]),
            ("größe_1$", vec![word("größe_1$")]),
            ("a<>b==c", vec![word("a"), Token::Sign("!="), word("b"), Token::Sign("="), word("c")]),
            ("a->>b<=c", vec![word("a"), Token::Sign("->>"), word("b"), Token::Sign("<="), word("c")]),
        ] {
            assert_eq!(tokens(text).as_ref(), Ok(&expected), "{text}");
        }
    }

    #[test]
    fn an_unterminated_token_is_an_error() {
        for (text, why) in [
            ("'a", "a `'` without its end"),
            ("\"a\"\"", "a `\"` without its end"),
            ("[a", "a `[` without its end"),
            ("{", "the character `{`"),
        ] {
            assert_eq!(tokens(text), Err(why.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_name_may_be_written_as_a_text() {
        assert_eq!(literal("'it''s'").name(), Some("it's".to_owned()));
        assert_eq!(literal("1").name(), None);
        assert_eq!(Token::Sign("(").name(), None);
        assert_eq!((word("A").name(), quoted("B").name()), (Some("A".to_owned()), Some("B".to_owned())));
        assert!(word("ON").is("on") && !quoted("ON").is("on"));
    }
}
