//! The arguments of the macros: a path, then options by name.

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, Expr, Ident, Lit, LitStr, Path, Token};

/// The arguments of a call.
pub(crate) struct Args {
    /// The folder, relative to the crate's directory.
    pub(crate) path: String,
    /// The path of the macro's crate in the output.
    pub(crate) krate: Path,
    /// The folder of the tests, relative to the crate's directory, if it is not `tests/migrations`.
    pub(crate) tests: Option<String>,
    /// The dialects to test on, if the option is given.
    pub(crate) dialects: Option<Vec<LitStr>>,
    /// The tables that are meant to be empty after the last migration.
    pub(crate) empty_tables: Vec<LitStr>,
    /// The classes of differences that do not count.
    pub(crate) tolerate: Vec<Ident>,
    /// The database whose migrations are embedded, if the option is given.
    pub(crate) database: Option<LitStr>,
    /// Whether the word `databases` is given: those of each database are embedded.
    pub(crate) databases: bool,
    /// The errors in the arguments. The other fields have what could be parsed.
    pub(crate) errors: Vec<Error>,
}

/// The type of what `embed_migrations!` gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// `Migrations`
    One,
    /// `Databases`
    Each,
}

/// A macro and its options.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Macro {
    name: &'static str,
    krate: fn() -> Path,
    options: &'static [&'static str],
    /// The words that stand without a value.
    words: &'static [&'static str],
}

/// `embed_migrations!`
pub(crate) const EMBED: Macro = Macro {
    name: "embed_migrations",
    krate: lockgate,
    options: &["crate", "database", "tests"],
    words: &["databases"],
};
/// `migration_tests!`
pub(crate) const TESTS: Macro = Macro {
    name: "migration_tests",
    krate: harness,
    options: &["crate", "database", "dialects", "empty_tables", "tests", "tolerate"],
    words: &[],
};

impl Macro {
    /// Parses the arguments of a call.
    pub(crate) fn parse(self, input: TokenStream) -> syn::Result<Args> {
        let parser = |input: ParseStream<'_>| self.read(input);
        parser.parse2(input)
    }

    fn read(self, input: ParseStream<'_>) -> syn::Result<Args> {
        let mut args = Args {
            path: "migrations".to_owned(),
            krate: (self.krate)(),
            tests: None,
            database: None,
            databases: false,
            dialects: None,
            empty_tables: Vec::new(),
            tolerate: Vec::new(),
            errors: Vec::new(),
        };
        let mut seen: Vec<Ident> = Vec::new();
        let mut first = true;
        while !input.is_empty() {
            if input.peek(Ident::peek_any) && input.peek2(Token![=]) {
                let name = Ident::parse_any(input)?;
                input.parse::<Token![=]>()?;
                let value = Value::read(input)?;
                args.option(self, &name, &value, &seen);
                seen.push(name);
            } else {
                let value = input.parse::<Expr>()?;
                args.positional(self, &value, first);
            }
            first = false;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if let (true, Some(one)) = (args.databases, &args.database) {
            let message =
                format!("`databases` embeds those of each database: delete it, or `database = {:?}`", one.value());
            args.error(one.span(), message);
        }
        Ok(args)
    }
}

impl Args {
    /// What the macro gives.
    pub(crate) fn given(&self) -> Given {
        if self.databases { Given::Each } else { Given::One }
    }

    fn option(&mut self, of: Macro, name: &Ident, value: &Value, seen: &[Ident]) {
        let word = name.to_string();
        if seen.contains(name) {
            return self.error(name.span(), format!("the option `{name}` is given twice: delete one of them"));
        }
        if !of.options.contains(&word.as_str()) {
            let known: Vec<String> = of.options.iter().map(|option| format!("`{option}`")).collect();
            return self
                .error(name.span(), format!("there is no option `{name}`: the options are {}", known.join(", ")));
        }
        match word.as_str() {
            "crate" => match value {
                Value::One(Expr::Path(path)) if path.qself.is_none() => self.krate = path.path.clone(),
                _ => {
                    let example = quote::ToTokens::to_token_stream(&(of.krate)()).to_string().replace(' ', "");
                    self.error(value.span(), format!("`crate` needs a path, for example `crate = {example}`"));
                }
            },
            "database" => match value.text() {
                Some(database) => self.database = Some(database.clone()),
                None => self
                    .error(value.span(), "`database` needs a string, for example `database = \"billing\"`".to_owned()),
            },
            "tests" => match value.text() {
                Some(path) if !path.value().trim().is_empty() => self.tests = Some(path.value()),
                _ => self.error(value.span(), "`tests` is a path: `tests = \"tests/migrations\"`".to_owned()),
            },
            "dialects" => match value.list() {
                Some(dialects) if !Vec::is_empty(&dialects) => self.dialects = Some(dialects),
                _ => {
                    self.error(value.span(), "`dialects` is a list: `dialects = [\"sqlite\", \"postgres\"]`".to_owned())
                }
            },
            "empty_tables" => match value.list() {
                Some(tables) => self.empty_tables = tables,
                None => {
                    self.error(value.span(), "`empty_tables` is a list: `empty_tables = [\"sessions\"]`".to_owned())
                }
            },
            _ => match value.list() {
                Some(classes) => self.tolerate = classes,
                None => {
                    self.error(value.span(), "`tolerate` is a list: `tolerate = [ColumnOrder, Comment]`".to_owned())
                }
            },
        }
    }

    fn positional(&mut self, of: Macro, value: &Expr, first: bool) {
        let (value, name) = (ungrouped(value), of.name);
        match value {
            Expr::Path(word) if of.words.iter().any(|known| word.path.is_ident(known)) => self.databases = true,
            Expr::Lit(literal) if first => match &literal.lit {
                Lit::Str(path) if path.value().trim().is_empty() => {
                    self.error(path.span(), format!("the path of the folder is empty: write `{name}!(\"migrations\")`"))
                }
                Lit::Str(path) => self.path = path.value(),
                _ => self.error(value.span(), "the path of the folder is a string: `\"migrations\"`".to_owned()),
            },
            Expr::Lit(_) => self.error(
                value.span(),
                "only one path is allowed, and options follow it by name: `crate = ::lockgate`".to_owned(),
            ),
            _ => self.error(
                value.span(),
                format!("write `{name}!()`, or `{name}!(\"path\")` with options by name after the path"),
            ),
        }
    }

    fn error(&mut self, span: Span, message: String) {
        self.errors.push(Error::new(span, message));
    }
}

/// The value of an option.
enum Value {
    One(Expr),
    List(Span, TokenStream),
}

impl Value {
    /// Parses a value. Lists are parsed by hand, as syn without its feature `full` cannot parse them as expressions.
    fn read(input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(syn::token::Bracket) {
            let mut value = input.parse::<Expr>()?;
            while let Expr::Group(group) = value {
                value = *group.expr;
            }
            return Ok(Self::One(value));
        }
        let content;
        let bracket = syn::bracketed!(content in input);
        Ok(Self::List(bracket.span.join(), content.parse()?))
    }

    fn span(&self) -> Span {
        match self {
            Self::One(value) => value.span(),
            Self::List(span, _) => *span,
        }
    }

    fn text(&self) -> Option<&LitStr> {
        match self {
            Self::One(Expr::Lit(literal)) => match &literal.lit {
                Lit::Str(text) => Some(text),
                _ => None,
            },
            Self::One(_) | Self::List(..) => None,
        }
    }

    /// Returns the items of a list, if all of them parse.
    fn list<T: Parse>(&self) -> Option<Vec<T>> {
        match self {
            Self::One(_) => None,
            Self::List(_, items) => {
                let items = Punctuated::<T, Token![,]>::parse_terminated.parse2(items.clone()).ok()?;
                Some(items.into_iter().collect())
            }
        }
    }
}

/// Unwraps the invisible groups around what a `macro_rules!` macro passes on.
fn ungrouped(mut value: &Expr) -> &Expr {
    while let Expr::Group(group) = value {
        value = &group.expr;
    }
    value
}

/// The default path of the crate `lockgate`.
pub(crate) fn lockgate() -> Path {
    syn::parse_quote!(::lockgate)
}

fn harness() -> Path {
    syn::parse_quote!(::lockgate_harness)
}

#[cfg(test)]
impl std::fmt::Display for Args {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let krate = quote::ToTokens::to_token_stream(&self.krate).to_string().replace(' ', "");
        write!(f, "{} {krate}", self.path)?;
        self.database.iter().try_for_each(|database| write!(f, " for {}", database.value()))?;
        if self.databases {
            f.write_str(" for each database")?;
        }
        self.errors.iter().try_for_each(|error| write!(f, " | {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str) {
        check_as(EMBED, input, expected);
    }

    fn check_as(of: Macro, input: &str, expected: &str) {
        let got = of.parse(input.parse().unwrap()).map_or_else(|error| error.to_string(), |args| args.to_string());
        assert_eq!(got, expected, "{input}");
    }

    #[test]
    fn good_arguments() {
        check("", "migrations ::lockgate");
        check("\"db/m\"", "db/m ::lockgate");
        check("r#\"db\\m\"#,", "db\\m ::lockgate");
        check("\"db\\\\m\", crate = ::a::b", "db\\m ::a::b");
        check("crate = lockgate2", "migrations lockgate2");
        check("\"m\", databases", "m ::lockgate for each database");
        check("databases, crate = x", "migrations x for each database");
        check("\"m\", database = \"billing\", crate = x", "m x for billing");
    }

    #[test]
    fn bad_arguments() {
        check(
            "\"\"",
            "migrations ::lockgate | the path of the folder is empty: write `embed_migrations!(\"migrations\")`",
        );
        check("3", "migrations ::lockgate | the path of the folder is a string: `\"migrations\"`");
        check(
            "migrations",
            "migrations ::lockgate | write `embed_migrations!()`, or `embed_migrations!(\"path\")` with options by name after the path",
        );
        check(
            "concat!(\"a\")",
            "migrations ::lockgate | write `embed_migrations!()`, or `embed_migrations!(\"path\")` with options by name after the path",
        );
        check(
            "\"a\", strict = true",
            "a ::lockgate | there is no option `strict`: the options are `crate`, `database`, `tests`",
        );
        check(
            "\"a\", strict",
            "a ::lockgate | write `embed_migrations!()`, or `embed_migrations!(\"path\")` with options by name after the path",
        );
        check("\"a\", crate = \"x\"", "a ::lockgate | `crate` needs a path, for example `crate = ::lockgate`");
        check(
            "\"a\", database = billing",
            "a ::lockgate | `database` needs a string, for example `database = \"billing\"`",
        );
        check(
            "\"a\", databases, database = \"billing\"",
            "a ::lockgate for billing for each database | `databases` embeds those of each database: delete it, or \
             `database = \"billing\"`",
        );
        check("\"a\", crate = x, crate = y", "a x | the option `crate` is given twice: delete one of them");
        check(
            "\"a\", \"b\"",
            "a ::lockgate | only one path is allowed, and options follow it by name: `crate = ::lockgate`",
        );
        check("\"a\" \"b\"", "expected `,`");
    }

    #[test]
    fn the_tests_have_options_of_their_own() {
        check_as(TESTS, "", "migrations ::lockgate_harness");
        let all = "\"a\", dialects = [\"sqlite\"], empty_tables = [\"t\", \"u\"], tests = \"x\", tolerate = [Comment]";
        let args = TESTS.parse(all.parse().unwrap()).unwrap();
        assert_eq!(args.to_string(), "a ::lockgate_harness");
        assert_eq!(args.dialects.unwrap().iter().map(LitStr::value).collect::<Vec<_>>(), ["sqlite"]);
        assert_eq!(args.empty_tables.iter().map(LitStr::value).collect::<Vec<_>>(), ["t", "u"]);
        assert_eq!((args.tests.as_deref(), args.tolerate[0].to_string().as_str()), (Some("x"), "Comment"));
        check(
            "dialects = []",
            "migrations ::lockgate | there is no option `dialects`: the options are `crate`, `database`, `tests`",
        );
        for (wrong, expected) in [
            ("dialects = []", "`dialects` is a list: `dialects = [\"sqlite\", \"postgres\"]`"),
            ("empty_tables = \"t\"", "`empty_tables` is a list: `empty_tables = [\"sessions\"]`"),
            ("tests = 3", "`tests` is a path: `tests = \"tests/migrations\"`"),
            ("tests = \"\"", "`tests` is a path: `tests = \"tests/migrations\"`"),
            ("tests = \" \"", "`tests` is a path: `tests = \"tests/migrations\"`"),
            ("tolerate = [\"comment\"]", "`tolerate` is a list: `tolerate = [ColumnOrder, Comment]`"),
        ] {
            check_as(TESTS, wrong, &format!("migrations ::lockgate_harness | {expected}"));
        }
    }
}
