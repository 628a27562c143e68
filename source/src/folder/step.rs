//! Finds `pub async fn up` and `down` among the tokens of a Rust step. The compiler checks their signatures.

use std::str::FromStr;

use proc_macro2::{TokenStream, TokenTree};

use crate::{Code, Diagnostic};

/// The functions that a Rust step has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Functions {
    pub(super) up: bool,
    pub(super) down: bool,
}

/// Looks for the functions at the top level of a file. Reports a missing `up`.
pub(super) fn scan(text: &str, file: &str) -> (Functions, Vec<Diagnostic>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Ok(tokens) = TokenStream::from_str(text) else {
        let error =
            Diagnostic::error(Code::BadRust, file, "the file is not Rust: a quotation mark or bracket has no partner")
                .help(format!("run `rustfmt {file}`: its message says where"));
        return (Functions { up: true, down: false }, vec![error]);
    };
    let mut functions = Functions::default();
    let mut diagnostics = Vec::new();
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (i, pair) in tokens.windows(2).enumerate() {
        let [TokenTree::Ident(keyword), TokenTree::Ident(name)] = pair else { continue };
        let name = name.to_string();
        if keyword != "fn" || !matches!(name.as_str(), "up" | "down") {
            continue;
        }
        let before = |back: usize| i.checked_sub(back).map(|at| tokens[at].to_string()).unwrap_or_default();
        let is_async = before(1) == "async";
        let is_public = is_async && before(2) == "pub";
        let found = if name == "up" { &mut functions.up } else { &mut functions.down };
        *found = true;
        if !is_public {
            let wanted = format!("pub async fn {name}");
            let place = text.find(&format!("fn {name}")).map(|at| at..at + 3 + name.len());
            let error = Diagnostic::error(
                Code::BadStep,
                file,
                format!("the function `{name}` of a Rust step is not `{wanted}`"),
            )
            .help(format!("write `{wanted}(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult`"));
            diagnostics.push(match place {
                Some(range) => error.at(text, range, ""),
                None => error,
            });
        }
    }
    if !functions.up {
        diagnostics.push(
            Diagnostic::error(
                Code::MissingUp,
                file,
                "a Rust step has a function `up`, and there is none at the top level",
            )
            .help("add `pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { … }`"),
        );
    }
    (functions, diagnostics)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, up: bool, down: bool, codes: &[&str]) {
        let (functions, diagnostics) = scan(text, "m/1_x.rs");
        assert_eq!(functions, Functions { up, down }, "{text}");
        assert_eq!(diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), codes, "{text}");
    }

    #[test]
    fn only_functions_at_the_top_level_are_found() {
        check("pub async fn up(tx: &mut T<'_>) -> R { Ok(()) }", true, false, &[]);
        check("/// Doc.\n#[a]\npub async fn up() {}\nstruct S;\npub async fn down() {}\n", true, true, &[]);
        check(
            "mod inner { pub async fn up() {} }\n// pub async fn up() {}\nconst S: &str = \"pub async fn up\";",
            false,
            false,
            &["missing-up"],
        );
        check("fn upper() {}", false, false, &["missing-up"]);
    }

    #[test]
    fn private_and_blocking_functions_are_refused() {
        check("async fn up() {}", true, false, &["bad-step"]);
        check("pub fn up() {}", true, false, &["bad-step"]);
        check("pub(crate) async fn up() {}", true, false, &["bad-step"]);
        check("pub async fn up() {}\nfn down() {}", true, true, &["bad-step"]);
    }

    #[test]
    fn a_file_that_is_not_rust_is_reported_once() {
        check("pub async fn up() {", true, false, &["bad-rust"]);
    }
}
