//! Expands `#[lockgate_harness::test]`: a test with its own migrated database.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, FnArg, Ident, ItemFn, Lit, Path, ReturnType, Token, Type};

/// Expands the attribute. After an error it emits the function unchanged, so that the compiler also reports errors in it.
pub(crate) fn test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function: ItemFn = match syn::parse2(item.clone()) {
        Ok(function) => function,
        Err(_) => {
            let message = "a test is a function: write `#[lockgate_harness::test]` above \
                           `async fn name(db: sqlx::PgPool) { … }`";
            let error = Error::new_spanned(&item, message).to_compile_error();
            return quote! { #error #item };
        }
    };
    let mut errors = Vec::new();
    let args = syn::parse2::<Args>(arguments).unwrap_or_else(|error| {
        errors.push(error);
        Args::default()
    });
    errors.extend(args.errors.iter().cloned());
    errors.extend(wrong_signature(&function, &args));
    if errors.is_empty() {
        return expansion(&function, &args);
    }
    let errors = errors.iter().map(Error::to_compile_error);
    quote! {
        #(#errors)*
        #[allow(unused)]
        #function
    }
}

/// The arguments of the attribute.
#[derive(Default)]
struct Args {
    migrations: Option<Source>,
    stop: Option<(Ident, Stop)>,
    dialect: Option<(Ident, Ident)>,
    krate: Option<Path>,
    errors: Vec<Error>,
}

/// Where the migrations come from.
enum Source {
    /// The path of a static.
    Path(Path),
    /// A folder, as for `embed_migrations!`.
    Folder(String),
}

/// The last migration to apply.
enum Stop {
    Number(i64),
    Name(String),
}

const OPTIONS: &str = "`migrations = crate::MIGRATIONS`, `migrations = \"../folder\"`, `at = 7`, `before = \"0007_tags\"`, \
                       `dialect = \"sqlite\"` and `crate = ::lockgate_harness`";

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        use syn::ext::IdentExt;

        let mut args = Self::default();
        while !input.is_empty() {
            if !(input.peek(Ident::peek_any) && input.peek2(Token![=])) {
                return Err(input.error(format!("options are written by name: {OPTIONS}")));
            }
            let name = Ident::parse_any(input)?;
            input.parse::<Token![=]>()?;
            let value = input.parse::<Expr>()?;
            args.option(name, &value);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(args)
    }
}

impl Args {
    fn option(&mut self, name: Ident, value: &Expr) {
        let twice = match name.to_string().as_str() {
            "migrations" => match source(value) {
                Some(source) => self.migrations.replace(source).is_some(),
                None => {
                    self.error(
                        value,
                        "`migrations` is the path of a static, or a folder as `embed_migrations!` takes it",
                    );
                    false
                }
            },
            "at" | "before" => match stop(value) {
                Some(stop) => {
                    let other = self.stop.replace((name.clone(), stop));
                    if let Some((other, _)) = other.as_ref().filter(|(other, _)| *other != name) {
                        let message = format!("`{other}` and `{name}` both say how far the database is migrated");
                        self.error(&name, &message);
                        return;
                    }
                    other.is_some()
                }
                None => {
                    let message = format!("`{name}` is a version or a name: `{name} = 7`, `{name} = \"0007_tags\"`");
                    self.error(value, &message);
                    false
                }
            },
            "dialect" => match dialect(value) {
                Some(dialect) => self.dialect.replace((name.clone(), dialect)).is_some(),
                None => {
                    self.error(value, "`dialect` is `\"sqlite\"` or `\"postgres\"`");
                    false
                }
            },
            "crate" => match value {
                Expr::Path(path) if path.qself.is_none() => self.krate.replace(path.path.clone()).is_some(),
                _ => {
                    self.error(value, "`crate` needs a path, for example `crate = ::lockgate_harness`");
                    false
                }
            },
            unknown => {
                let message = format!("there is no option `{unknown}`: the options are {OPTIONS}");
                self.error(&name, &message);
                false
            }
        };
        if twice {
            let message = format!("the option `{name}` is given twice: delete one of them");
            self.error(&name, &message);
        }
    }

    fn error(&mut self, place: &impl Spanned, message: &str) {
        self.errors.push(Error::new(place.span(), message));
    }
}

fn source(value: &Expr) -> Option<Source> {
    match value {
        Expr::Path(path) if path.qself.is_none() => Some(Source::Path(path.path.clone())),
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(folder) => Some(Source::Folder(folder.value())),
            _ => None,
        },
        _ => None,
    }
}

fn stop(value: &Expr) -> Option<Stop> {
    let Expr::Lit(literal) = value else { return None };
    match &literal.lit {
        Lit::Str(name) => Some(Stop::Name(name.value())),
        Lit::Int(number) => number.base10_parse().ok().map(Stop::Number),
        _ => None,
    }
}

fn dialect(value: &Expr) -> Option<Ident> {
    let Expr::Lit(literal) = value else { return None };
    let Lit::Str(word) = &literal.lit else { return None };
    let variant = match word.value().as_str() {
        "sqlite" => "Sqlite",
        "postgres" => "Postgres",
        _ => return None,
    };
    Some(Ident::new(variant, word.span()))
}

/// Returns all errors in the function's signature.
fn wrong_signature(function: &ItemFn, args: &Args) -> Vec<Error> {
    let head = &function.sig;
    let mut errors = Vec::new();
    let mut wrong = |place: &dyn quote::ToTokens, message: &str| errors.push(Error::new_spanned(place, message));
    if head.asyncness.is_none() {
        wrong(&head.fn_token, "a test with a database must be async: write `async fn`");
    }
    if !head.generics.params.is_empty() {
        wrong(&head.generics, "a test cannot be generic: delete the generic parameters");
    }
    if let Some(other) = function.attrs.iter().find(|attribute| makes_a_test(attribute)) {
        wrong(other, "this attribute and `#[lockgate_harness::test]` both make a test of it: delete one of them");
    }
    match head.inputs.first() {
        None => wrong(
            &head.ident,
            "the test takes no database: give it one argument, `db: sqlx::PgPool` or `db: sqlx::SqlitePool`",
        ),
        Some(FnArg::Receiver(receiver)) => wrong(receiver, "a test cannot be a method: write `db: sqlx::PgPool`"),
        Some(FnArg::Typed(argument)) => match (&*argument.ty, last_word(&argument.ty).as_deref()) {
            (Type::Reference(reference), _) => {
                wrong(reference, "the test owns its database: write the type without `&`");
            }
            (ty, Some(word @ ("Database" | "Throwaway"))) if args.dialect.is_none() => {
                wrong(
                    ty,
                    &format!(
                        "a `{word}` can have any dialect: write `#[lockgate_harness::test(dialect = \"sqlite\")]`, or `\"postgres\"`"
                    ),
                );
            }
            (_, Some(word @ ("PgPool" | "SqlitePool"))) if args.dialect.is_some() => {
                let (name, _) = args.dialect.as_ref().expect("looked at above");
                wrong(name, &format!("`{word}` already determines the dialect: delete `dialect`"));
            }
            _ => {}
        },
    }
    if let Some(second) = head.inputs.iter().nth(1) {
        wrong(second, "a test takes one database: delete this argument");
    }
    errors
}

/// `#[test]`, `#[tokio::test]`, `#[sqlx::test]`.
fn makes_a_test(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|last| last.ident == "test")
}

fn last_word(ty: &Type) -> Option<String> {
    let Type::Path(path) = ty else { return None };
    path.path.segments.last().map(|segment| segment.ident.to_string())
}

fn expansion(function: &ItemFn, args: &Args) -> TokenStream {
    let krate = args.krate.clone().unwrap_or_else(|| syn::parse_quote!(::lockgate_harness));
    let (name, attributes, output) = (&function.sig.ident, &function.attrs, &function.sig.output);
    let (inputs, body) = (&function.sig.inputs, &function.block);
    let migrations = match &args.migrations {
        Some(Source::Path(path)) => quote! { &#path },
        source => {
            let folder = match source {
                Some(Source::Folder(folder)) => quote! { #folder, },
                _ => quote! {},
            };
            quote! {
                {
                    static MIGRATIONS: #krate::__private::Migrations =
                        #krate::__private::embed_migrations!(#folder crate = #krate::__private::lockgate);
                    &MIGRATIONS
                }
            }
        }
    };
    let stop = match &args.stop {
        None => quote! { Head },
        Some((word, Stop::Number(number))) if word == "at" => quote! { AtVersion(#number) },
        Some((_, Stop::Number(number))) => quote! { BeforeVersion(#number) },
        Some((word, Stop::Name(name))) if word == "at" => quote! { At(#name) },
        Some((_, Stop::Name(name))) => quote! { Before(#name) },
    };
    let dialect = match &args.dialect {
        None => quote! { ::core::option::Option::None },
        Some((_, dialect)) => quote! { ::core::option::Option::Some(#krate::__private::Dialect::#dialect) },
    };
    let panics = attributes.iter().any(|attribute| attribute.path().is_ident("should_panic"));
    // A test with `should_panic` must return `()`, so the exit code is dropped.
    let (returns, end) = match output {
        ReturnType::Default => (quote! {}, quote! { let _ = }),
        ReturnType::Type(..) => (quote! { -> ::std::process::ExitCode }, quote! {}),
    };
    let semicolon = matches!(output, ReturnType::Default).then(|| quote! { ; });
    // This span makes the compiler show an argument of a wrong type at the argument.
    let run = quote_spanned! { inputs.span() => #krate::__private::run };
    quote! {
        #[::core::prelude::v1::test]
        #(#attributes)*
        fn #name() #returns {
            async fn #name(#inputs) #output #body
            #end #run(
                &#krate::__private::Test {
                    name: ::core::concat!(::core::module_path!(), "::", ::core::stringify!(#name)),
                    migrations: #migrations,
                    stop: #krate::__private::Stop::#stop,
                    dialect: #dialect,
                    panics: #panics,
                },
                #name,
            ) #semicolon
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The errors of an attribute with these arguments on this function.
    fn errors(arguments: &str, function: &str) -> Vec<String> {
        let function: ItemFn = syn::parse_str(function).unwrap();
        match syn::parse_str::<Args>(arguments) {
            Err(error) => vec![error.to_string()],
            Ok(args) => {
                args.errors.iter().cloned().chain(wrong_signature(&function, &args)).map(|e| e.to_string()).collect()
            }
        }
    }

    #[test]
    fn good_arguments() {
        let good = "async fn a(db: sqlx::PgPool) {}";
        for arguments in
            ["", "migrations = crate::M", "migrations = \"../m\", at = 3", "before = \"0003_x\", crate = a::b"]
        {
            assert_eq!(errors(arguments, good), [""; 0], "{arguments}");
        }
        assert_eq!(errors("dialect = \"sqlite\"", "async fn a(db: lockgate::Database) {}"), [""; 0]);
    }

    #[test]
    fn bad_arguments() {
        let good = "async fn a(db: PgPool) {}";
        for (arguments, words) in [
            ("7", "options are written by name"),
            ("migrations = 3", "path of a static"),
            ("at = 3, before = 4", "`at` and `before` both"),
            ("at = 3, at = 4", "twice"),
            ("at = \"x\" at", "expected `,`"),
            ("dialect = \"oracle\"", "`\"sqlite\"` or `\"postgres\"`"),
            ("dialect = \"postgres\"", "delete `dialect`"),
            ("crate = 1", "`crate` needs a path"),
            ("folder = \"x\"", "there is no option `folder`"),
        ] {
            let errors = errors(arguments, good);
            assert!(errors.len() == 1 && errors[0].contains(words), "{arguments}: {errors:?}");
        }
    }
}
