//! Translates the parser's messages, which name its tokens, into Lockgate's words.

/// A message of the parser.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ParserMessage {
    /// Something else is expected here; what, if the parser says so.
    Expected(Option<String>),
    /// A rule is broken.
    Rule(String),
}

pub(super) fn translate(message: &str) -> ParserMessage {
    let message = message.trim_end_matches('.');
    match message {
        "missing comma" => return ParserMessage::Expected(Some("`,`".to_owned())),
        "Missing column type" => return ParserMessage::Expected(Some("a type".to_owned())),
        "Expected new line or comma between string literals" => return ParserMessage::Expected(Some("`,`".to_owned())),
        // For the parser the statement has ended.
        "Missing semicolon between statements" => return ParserMessage::Expected(None),
        "Join missing condition" => return ParserMessage::Expected(Some("`ON` or `USING`".to_owned())),
        _ if message.starts_with("unexpected ") => return ParserMessage::Expected(None),
        _ => {}
    }
    let beginnings = ["expected ", "Expected ", "missing "];
    let expected = beginnings.into_iter().find_map(|beginning| message.strip_prefix(beginning));
    let Some(expected) = expected else {
        let mut letters = message.chars();
        // Keep a keyword or a name at the beginning.
        let lower = message.chars().nth(1).is_some_and(char::is_lowercase);
        let rule = match letters.next() {
            Some(first) if lower => first.to_lowercase().collect::<String>() + letters.as_str(),
            _ => message.to_owned(),
        };
        return ParserMessage::Rule(quote(&rule));
    };
    // Lockgate shows itself what was found instead.
    let found = [", found ", ", got ", " but found "].into_iter().filter_map(|word| expected.find(word)).min();
    let expected = &expected[..found.unwrap_or(expected.len())];
    // "command" means that for the parser the statement has ended.
    ParserMessage::Expected((expected != "command").then(|| with_article(&quote(expected))))
}

/// Puts keywords and marks in backticks.
fn quote(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let core = word.trim_end_matches([',', ':', ';']);
        let tail = &word[core.len()..];
        if let Some(mark) = MARKS.iter().find(|(name, _)| *name == core).map(|(_, mark)| *mark) {
            return format!("`{mark}`{tail}");
        }
        let keyword = core.strip_suffix("_KW").unwrap_or(core);
        let upper = keyword.len() > 1 && keyword.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
        match core {
            "IDENT" => format!("a name{tail}"),
            "STRING" => format!("a string{tail}"),
            "INT_NUMBER" => format!("a number{tail}"),
            "expr" => format!("expression{tail}"),
            "select" | "join" | "lateral" if text.len() > word.len() => format!("`{}`{tail}", core.to_uppercase()),
            _ if upper => format!("`{keyword}`{tail}"),
            _ => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn with_article(text: &str) -> String {
    let text = match text {
        "path name" | "identifier" | "column_name" | "name ref list" => "name",
        "expression" | "an expression" => "expression",
        "simple type name" | "type name" => "type",
        "from_item" | "from item" | "table relation name" | "relation name" => "table",
        other => other,
    };
    let first = text.split(' ').next().unwrap_or_default();
    let bare = first.chars().all(|c| c.is_ascii_lowercase() || c == '-')
        && !["a", "an", "at", "either", "start", "the", "valid"].contains(&first)
        && !text.ends_with("options");
    match first.chars().next() {
        Some('a' | 'e' | 'i' | 'o' | 'u') if bare => format!("an {text}"),
        Some(_) if bare => format!("a {text}"),
        _ => text.to_owned(),
    }
}

const MARKS: [(&str, &str); 40] = [
    ("SEMICOLON", ";"),
    ("COMMA", ","),
    ("L_PAREN", "("),
    ("R_PAREN", ")"),
    ("L_BRACK", "["),
    ("R_BRACK", "]"),
    ("L_CURLY", "{"),
    ("R_CURLY", "}"),
    ("L_ANGLE", "<"),
    ("R_ANGLE", ">"),
    ("LESS_LESS", "<<"),
    ("GREATER_GREATER", ">>"),
    ("LTEQ", "<="),
    ("GTEQ", ">="),
    ("NEQ", "!="),
    ("NEQB", "<>"),
    ("AT", "@"),
    ("POUND", "#"),
    ("TILDE", "~"),
    ("QUESTION", "?"),
    ("AMP", "&"),
    ("PIPE", "|"),
    ("PLUS", "+"),
    ("STAR", "*"),
    ("SLASH", "/"),
    ("CARET", "^"),
    ("PERCENT", "%"),
    ("UNDERSCORE", "_"),
    ("DOT", "."),
    ("DOT_DOT", ".."),
    ("COLON", ":"),
    ("COLON_COLON", "::"),
    ("COLON_EQ", ":="),
    ("EQ", "="),
    ("FAT_ARROW", "=>"),
    ("BANG", "!"),
    ("MINUS", "-"),
    ("BACKTICK", "`"),
    ("DOLLAR", "$"),
    ("EOF", "the end"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_of_a_token_is_shown() {
        let expected = |text: &str| ParserMessage::Expected(Some(text.to_owned()));
        for (message, said_as) in [
            ("expected L_PAREN", expected("`(`")),
            ("expected TABLE_KW", expected("`TABLE`")),
            ("expected command, found IDENT", ParserMessage::Expected(None)),
            ("expected name, got SEMICOLON", expected("a name")),
            ("expected path name", expected("a name")),
            ("expected expression", expected("an expression")),
            (
                "expected SET, DROP, ADD, RENAME, VALIDATE, or OWNER",
                expected("`SET`, `DROP`, `ADD`, `RENAME`, `VALIDATE`, or `OWNER`"),
            ),
            ("missing comma", expected("`,`")),
            ("Missing semicolon between statements", ParserMessage::Expected(None)),
            ("unexpected trailing comma", ParserMessage::Expected(None)),
            ("Expected at least one expression in IN list.", expected("at least one expression in `IN` list")),
            ("Duplicate function body.", ParserMessage::Rule("duplicate function body".to_owned())),
            ("VARIADIC param must be last.", ParserMessage::Rule("`VARIADIC` param must be last".to_owned())),
            ("`left` is a reserved keyword", ParserMessage::Rule("`left` is a reserved keyword".to_owned())),
        ] {
            assert_eq!(translate(message), said_as, "{message}");
        }
    }
}
