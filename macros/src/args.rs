//! The arguments of the macro: a path, then options by name.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Error, Expr, Ident, Lit, LitStr, Path, Token};

/// What the macro was called with.
pub(crate) struct Args {
    /// The folder, relative to the crate's directory.
    pub(crate) path: String,
    /// The path of the crate `lockgate`, as it is to stand in the output.
    pub(crate) krate: Path,
    /// The database whose migrations are embedded, where the call names one.
    pub(crate) database: Option<LitStr>,
    /// What says nothing. After it, the rest is what could be understood.
    pub(crate) errors: Vec<Error>,
}

const OPTIONS: [&str; 2] = ["crate", "database"];
const CALL: &str =
    "a call is `embed_migrations!()`, or `embed_migrations!(\"path\")` with options by name behind the path";

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut args = Self { path: "migrations".to_owned(), krate: lockgate(), database: None, errors: Vec::new() };
        let mut seen: Vec<Ident> = Vec::new();
        let mut first = true;
        while !input.is_empty() {
            if input.peek(Ident::peek_any) && input.peek2(Token![=]) {
                let name = Ident::parse_any(input)?;
                input.parse::<Token![=]>()?;
                let value = input.parse::<Expr>()?;
                args.option(&name, &value, &seen);
                seen.push(name);
            } else {
                let value = input.parse::<Expr>()?;
                args.positional(&value, first);
            }
            first = false;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(args)
    }
}

impl Args {
    fn option(&mut self, name: &Ident, value: &Expr, seen: &[Ident]) {
        if seen.contains(name) {
            self.error(name.span(), format!("the option `{name}` stands here twice: delete one of them"));
        } else if name == "database" {
            match string(value) {
                Some(database) => self.database = Some(database.clone()),
                None => self
                    .error(value.span(), "`database` needs a string, for example `database = \"billing\"`".to_owned()),
            }
        } else if name != "crate" {
            let known: Vec<String> = OPTIONS.iter().map(|option| format!("`{option}`")).collect();
            self.error(name.span(), format!("there is no option `{name}`: the options are {}", known.join(", ")));
        } else {
            match value {
                Expr::Path(path) if path.qself.is_none() => self.krate = path.path.clone(),
                _ => self.error(value.span(), "`crate` needs a path, for example `crate = ::lockgate`".to_owned()),
            }
        }
    }

    fn positional(&mut self, value: &Expr, first: bool) {
        let value = ungrouped(value);
        match value {
            Expr::Lit(literal) if first => match &literal.lit {
                Lit::Str(path) if path.value().trim().is_empty() => self.error(
                    path.span(),
                    "the path of the folder is empty: write `embed_migrations!(\"migrations\")`".to_owned(),
                ),
                Lit::Str(path) => self.path = path.value(),
                _ => self.error(value.span(), "the path of the folder is a string: `\"migrations\"`".to_owned()),
            },
            Expr::Lit(_) => self.error(
                value.span(),
                "there is one path, and options follow it by name: `crate = ::lockgate`".to_owned(),
            ),
            _ => self.error(value.span(), CALL.to_owned()),
        }
    }

    fn error(&mut self, span: Span, message: String) {
        self.errors.push(Error::new(span, message));
    }
}

fn string(value: &Expr) -> Option<&LitStr> {
    match ungrouped(value) {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(string) => Some(string),
            _ => None,
        },
        _ => None,
    }
}

/// What a `macro_rules!` macro hands on comes in an invisible group.
fn ungrouped(mut value: &Expr) -> &Expr {
    while let Expr::Group(group) = value {
        value = &group.expr;
    }
    value
}

/// Where the crate is, unless the user says otherwise.
pub(crate) fn lockgate() -> Path {
    syn::parse_quote!(::lockgate)
}

#[cfg(test)]
impl std::fmt::Display for Args {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let krate = quote::ToTokens::to_token_stream(&self.krate).to_string().replace(' ', "");
        write!(f, "{} {krate}", self.path)?;
        self.database.iter().try_for_each(|database| write!(f, " for {}", database.value()))?;
        self.errors.iter().try_for_each(|error| write!(f, " | {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str) {
        let got = syn::parse_str::<Args>(input).map_or_else(|error| error.to_string(), |args| args.to_string());
        assert_eq!(got, expected, "{input}");
    }

    #[test]
    fn good_arguments() {
        check("", "migrations ::lockgate");
        check("\"db/m\"", "db/m ::lockgate");
        check("r#\"db\\m\"#,", "db\\m ::lockgate");
        check("\"db\\\\m\", crate = ::a::b", "db\\m ::a::b");
        check("crate = lockgate2", "migrations lockgate2");
        check("\"m\", database = \"billing\", crate = x", "m x for billing");
    }

    #[test]
    fn bad_arguments() {
        check(
            "\"\"",
            "migrations ::lockgate | the path of the folder is empty: write `embed_migrations!(\"migrations\")`",
        );
        check("3", "migrations ::lockgate | the path of the folder is a string: `\"migrations\"`");
        check("migrations", &format!("migrations ::lockgate | {CALL}"));
        check("concat!(\"a\")", &format!("migrations ::lockgate | {CALL}"));
        check(
            "\"a\", strict = true",
            "a ::lockgate | there is no option `strict`: the options are `crate`, `database`",
        );
        check("\"a\", strict", &format!("a ::lockgate | {CALL}"));
        check("\"a\", crate = \"x\"", "a ::lockgate | `crate` needs a path, for example `crate = ::lockgate`");
        check(
            "\"a\", database = billing",
            "a ::lockgate | `database` needs a string, for example `database = \"billing\"`",
        );
        check("\"a\", crate = x, crate = y", "a x | the option `crate` stands here twice: delete one of them");
        check("\"a\", \"b\"", "a ::lockgate | there is one path, and options follow it by name: `crate = ::lockgate`");
        check("\"a\" \"b\"", "expected `,`");
    }
}
