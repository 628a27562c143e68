//! The arguments of the macro: a path, then options by name.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

/// What the macro was called with.
#[derive(Debug)]
pub(crate) struct Args {
    /// The folder, relative to the crate's directory.
    pub(crate) path: String,
    /// The path of the crate `lockgate`, as it is to stand in the output.
    pub(crate) krate: String,
}

impl Default for Args {
    fn default() -> Self {
        Self { path: "migrations".to_owned(), krate: "::lockgate".to_owned() }
    }
}

/// An argument that says nothing.
#[derive(Debug)]
pub(crate) struct BadArgument {
    pub(crate) span: Span,
    pub(crate) message: String,
}

const OPTIONS: [&str; 1] = ["crate"];

/// Reads the arguments. After an error they are what could be understood.
pub(crate) fn parse(input: TokenStream) -> (Args, Vec<BadArgument>) {
    let mut args = Args::default();
    let mut errors = Vec::new();
    let mut seen = Vec::new();
    for (index, argument) in split(input).into_iter().enumerate() {
        let span = argument.first().map_or_else(Span::call_site, TokenTree::span);
        let mut error = |message: String| errors.push(BadArgument { span, message });
        match argument.as_slice() {
            [TokenTree::Literal(literal)] => match (index, string(&literal.to_string())) {
                (0, Some(path)) if !path.trim().is_empty() => args.path = path,
                (0, Some(_)) => error("the path of the folder is empty: write `embed_migrations!(\"migrations\")`".to_owned()),
                (0, None) => error("the path of the folder is a string without escapes: `\"migrations\"`".to_owned()),
                _ => error("there is one path, and options follow it by name: `crate = ::lockgate`".to_owned()),
            },
            [TokenTree::Ident(name), TokenTree::Punct(equals), value @ ..] if equals.as_char() == '=' => {
                let name = name.to_string();
                if seen.contains(&name) {
                    error(format!("the option `{name}` stands here twice: delete one of them"));
                } else if name != "crate" {
                    error(unknown(&name));
                } else if value.is_empty() || !value.iter().all(is_path) {
                    error("`crate` needs a path, for example `crate = ::lockgate`".to_owned());
                } else {
                    args.krate = value.iter().map(ToString::to_string).collect();
                }
                seen.push(name);
            }
            [TokenTree::Ident(name)] if index > 0 => error(unknown(&name.to_string())),
            _ => error(
                "a call is `embed_migrations!()`, or `embed_migrations!(\"path\")` with options by name behind the path"
                    .to_owned(),
            ),
        }
    }
    (args, errors)
}

fn unknown(name: &str) -> String {
    let known: Vec<String> = OPTIONS.iter().map(|option| format!("`{option}`")).collect();
    format!("there is no option `{name}`: the options are {}", known.join(", "))
}

/// The tokens between the commas; a comma at the end is allowed.
fn split(input: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut arguments = vec![Vec::new()];
    for token in input {
        match token {
            TokenTree::Punct(comma) if comma.as_char() == ',' => arguments.push(Vec::new()),
            // What a `macro_rules!` macro hands on comes in an invisible group.
            TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
                if let Some(last) = arguments.last_mut() {
                    last.extend(group.stream());
                }
            }
            token => {
                if let Some(last) = arguments.last_mut() {
                    last.push(token);
                }
            }
        }
    }
    if arguments.last().is_some_and(Vec::is_empty) {
        arguments.pop();
    }
    arguments
}

fn is_path(token: &TokenTree) -> bool {
    match token {
        TokenTree::Ident(_) => true,
        TokenTree::Punct(punct) => punct.as_char() == ':',
        TokenTree::Group(_) | TokenTree::Literal(_) => false,
    }
}

/// The value of a string literal without escapes.
fn string(literal: &str) -> Option<String> {
    if let Some(raw) = literal.strip_prefix('r') {
        let text = raw.trim_matches('#').strip_prefix('"')?.strip_suffix('"')?;
        return Some(text.to_owned());
    }
    let text = literal.strip_prefix('"')?.strip_suffix('"')?;
    // A path of Windows is written with `\\`; nothing else is escaped in a path.
    let text = text.replace("\\\\", "\u{0}");
    (!text.contains('\\')).then(|| text.replace('\u{0}', "\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str) {
        let (args, errors) = parse(input.parse().unwrap());
        let mut got = format!("{} {}", args.path, args.krate);
        for error in errors {
            got.push_str(&format!(" | {}", error.message));
        }
        assert_eq!(got, expected, "{input}");
    }

    #[test]
    fn good_arguments() {
        check("", "migrations ::lockgate");
        check("\"db/m\"", "db/m ::lockgate");
        check("r#\"db\\m\"#,", "db\\m ::lockgate");
        check("\"db\\\\m\", crate = ::a::b", "db\\m ::a::b");
        check("crate = lockgate2", "migrations lockgate2");
    }

    #[test]
    fn bad_arguments() {
        let call =
            "a call is `embed_migrations!()`, or `embed_migrations!(\"path\")` with options by name behind the path";
        check(
            "\"\"",
            "migrations ::lockgate | the path of the folder is empty: write `embed_migrations!(\"migrations\")`",
        );
        check(
            "\"a\\n\"",
            "migrations ::lockgate | the path of the folder is a string without escapes: `\"migrations\"`",
        );
        check("3", "migrations ::lockgate | the path of the folder is a string without escapes: `\"migrations\"`");
        check("migrations", &format!("migrations ::lockgate | {call}"));
        check("concat!(\"a\")", &format!("migrations ::lockgate | {call}"));
        check("\"a\", strict = true", "a ::lockgate | there is no option `strict`: the options are `crate`");
        check("\"a\", strict", "a ::lockgate | there is no option `strict`: the options are `crate`");
        check("\"a\", crate = \"x\"", "a ::lockgate | `crate` needs a path, for example `crate = ::lockgate`");
        check("\"a\", crate = x, crate = y", "a x | the option `crate` stands here twice: delete one of them");
        check("\"a\", \"b\"", "a ::lockgate | there is one path, and options follow it by name: `crate = ::lockgate`");
    }
}
