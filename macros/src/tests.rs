//! Expands `migration_tests!`: the embedded set, the test files as modules, a `#[test]` for each migration and database,
//! and those of the whole set.

use std::path::{Path, PathBuf};

use lockgate_source::core::{CompanionKind, Dialect, Dialects};
use lockgate_source::desired;
use lockgate_source::folder::{Folder, Intent, MigrationTest, SqlSuite, TestBody};
use lockgate_source::{Diagnostic, Severity};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{Error, LitStr};

use crate::args::{self, Args};
use crate::{expand, fallback};

/// The tests of the whole set: each is the name of a test, and of the function that it calls.
const SET_TESTS: [&str; 8] = [
    "back_to_nothing",
    "eight_runners_apply_once",
    "every_table_has_a_row",
    "fresh_install",
    "second_run_does_nothing",
    "step_by_step_equals_all_at_once",
    "two_runners_apply_once",
    "whole_run_is_all_or_nothing",
];

/// Expands the macro.
pub(crate) fn tests(input: TokenStream) -> TokenStream {
    let args = match args::TESTS.parse(input) {
        Ok(args) => args,
        Err(error) => return error.to_compile_error(),
    };
    if !args.errors.is_empty() {
        return args.errors.iter().map(Error::to_compile_error).collect();
    }
    let Some(crate_directory) = expand::crate_directory() else {
        return fallback::items_after(&[expand::NO_DIRECTORY.to_owned()]);
    };
    let work_directory = std::env::current_dir().unwrap_or_default();
    expansion(&args, &crate_directory, &work_directory)
}

fn expansion(args: &Args, crate_directory: &Path, work_directory: &Path) -> TokenStream {
    let mut loaded = expand::load(args, crate_directory, work_directory);
    let dialects = match dialects(args, &loaded.folder) {
        Ok(dialects) => dialects,
        Err(error) => return error.to_compile_error(),
    };
    let (mut tests, problems) = loaded.folder.tests(dialects);
    let errors = loaded.diagnostics.iter().chain(&problems);
    let mut messages: Vec<String> = errors
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(Diagnostic::render_behind_level)
        .collect();
    if messages.is_empty() {
        let (place, shown) = desired::place(&loaded.folder, args.database.as_ref().map(LitStr::value).as_deref());
        if let Err(error) = expand::choose(&mut loaded, args, "migration_tests") {
            return error.to_compile_error();
        }
        let folder = &loaded.folder;
        tests.retain(|test| folder.migrations.iter().any(|migration| migration.id.key() == test.key));
        let (desired, problems) = desired::read(&place, &shown);
        messages.extend(problems.iter().map(Diagnostic::render_behind_level));
        let desired = Desired { directory: place, files: desired };
        match items(args, folder, &tests, dialects, &desired) {
            Ok(items) if messages.is_empty() => return items,
            Ok(_) => {}
            Err(message) => messages.push(message),
        }
    }
    fallback::items_after(&messages)
}

/// Returns the dialects to test on: those of the option, or of the policy.
fn dialects(args: &Args, folder: &Folder) -> Result<Dialects, Error> {
    let at_call = |message: String| Err(Error::new(proc_macro2::Span::call_site(), message));
    let policy = folder.policy.dialects;
    let Some(named) = &args.dialects else {
        return match policy {
            Some(dialects) if dialects.contains(Dialect::Mysql) => at_call(
                "there are no throwaway databases of MySQL yet: name the others, \
                 `migration_tests!(dialects = [\"sqlite\"])`"
                    .to_owned(),
            ),
            Some(dialects) => Ok(dialects),
            None if folder.directories.is_empty() => Ok(Dialects::NONE),
            None => at_call(format!(
                "`{}` names no dialects to test on: write `dialects = [\"sqlite\"]` into it, or \
                 `migration_tests!(dialects = [\"sqlite\"])`",
                folder.show("migrations.toml")
            )),
        };
    };
    let mut dialects = Dialects::NONE;
    let mut errors: Option<Error> = None;
    for word in named {
        let known =
            [Dialect::Sqlite, Dialect::Postgres].into_iter().find(|dialect| dialect.to_string() == word.value());
        match known {
            Some(dialect) if policy.is_none_or(|policy| policy.contains(dialect)) => dialects = dialects.with(dialect),
            Some(dialect) => add(
                &mut errors,
                word,
                format!("the folder is not for `{dialect}`: `{}` names other dialects", folder.show("migrations.toml")),
            ),
            None => add(
                &mut errors,
                word,
                format!("there are no throwaway databases of `{}`: there are `sqlite` and `postgres`", word.value()),
            ),
        }
    }
    errors.map_or(Ok(dialects), Err)
}

fn add(errors: &mut Option<Error>, at: &LitStr, message: String) {
    let error = Error::new(at.span(), message);
    match errors {
        Some(errors) => errors.combine(error),
        None => *errors = Some(error),
    }
}

/// The desired schema, and where it would be if there is none.
struct Desired {
    directory: PathBuf,
    files: Option<desired::Desired>,
}

impl Desired {
    /// Emits it as statements for each dialect.
    fn tokens(&self, krate: &syn::Path, dialects: Dialects) -> Result<TokenStream, String> {
        let Some(files) = &self.files else { return Ok(quote! { ::core::option::Option::None }) };
        let text = |path: &Path| expand::text(path).map(str::to_owned).map_err(expand::not_utf8);
        let (directory, shown) = (text(&self.directory)?, &files.shown);
        let paths = files.files.iter().map(|file| text(&file.absolute)).collect::<Result<Vec<_>, _>>()?;
        let mut each = Vec::new();
        for dialect in dialects.iter() {
            let name = dialect_name(krate, dialect);
            let (statements, problems) = files.statements(dialect);
            if let Some(first) = problems.first() {
                return Err(first.render_behind_level());
            }
            let statements = statements.iter().map(|statement| {
                let file = &files.files[statement.file];
                let line = file.text[..statement.range.start].matches('\n').count() + 1;
                let (place, sql) = (format!("{}:{line}", file.shown), &file.text[statement.range.clone()]);
                let session = statement.session.iter().map(|range| &file.text[range.clone()]);
                quote! { (#place, #sql, &[#(#session),*]) }
            });
            each.push(quote! { (#name, &[#(#statements),*]) });
        }
        Ok(quote! {
            ::core::option::Option::Some(#krate::__private::DesiredSchema {
                directory: #directory,
                shown: #shown,
                files: &[#((#paths, ::core::include_bytes!(#paths).len())),*],
                statements: &[#(#each),*],
            })
        })
    }
}

fn items(
    args: &Args,
    folder: &Folder,
    tests: &[MigrationTest],
    dialects: Dialects,
    desired: &Desired,
) -> Result<TokenStream, String> {
    let krate = &args.krate;
    let lockgate: syn::Path = syn::parse_quote!(#krate::lockgate);
    let embedded = folder.encode();
    // Warnings are reported where the program embeds the folder.
    let none: [&Diagnostic; 0] = [];
    let set = expand::block(&lockgate, &folder.shown, &embedded, &none).map_err(expand::not_utf8)?;
    let text = |path: &Path| expand::text(path).map(str::to_owned).map_err(expand::not_utf8);
    let (root, directory) = (text(&folder.root)?, text(&folder.tests.directory)?);
    let shown_tests = &folder.tests.shown;

    let mut modules = Vec::new();
    let mut migration_tests = Vec::new();
    let mut files = Vec::new();
    for test in tests {
        let (module, version) = (module(&test.key), test.version.get());
        let (before, after, fill, shown);
        let intents: [TokenStream; 3];
        match &test.body {
            TestBody::Rust { file, before: b, after: a, fill: fills, intents: declared } => {
                let path = text(file)?;
                let functions = b.iter().chain(a).map(String::as_str).chain(fills.then_some("fill"));
                modules.push(rust(krate, &module, &path, functions));
                shown = format!("{shown_tests}/{}.rs", test.key);
                files.push(format!("{}.rs", test.key));
                (before, after) = (functions_of(krate, &module, b), functions_of(krate, &module, a));
                fill = functions_of(krate, &module, if *fills { &["fill"] } else { &[] });
                intents = Intent::ALL.map(|intent| {
                    let name = Ident::new(intent.constant(), proc_macro2::Span::call_site());
                    if declared.contains(&intent) {
                        quote! { &#module::lockgate_file::#name }
                    } else {
                        quote! { &[] }
                    }
                });
            }
            TestBody::Sql { before: b, after: a, fill: f, intents: declared } => {
                shown = b.shown.clone();
                let suites = [Some(b), Some(a), f.as_ref()];
                for suite in suites.into_iter().flatten() {
                    let path = text(&suite.file)?;
                    files.extend(suite.file.file_name().and_then(|name| name.to_str()).map(str::to_owned));
                    modules.push(quote! { const _: &[u8] = ::core::include_bytes!(#path); });
                }
                (before, after) = (sql(krate, Some(b)), sql(krate, Some(a)));
                fill = sql(krate, f.as_ref());
                intents = Intent::ALL.map(|intent| {
                    let names =
                        declared.iter().filter(|(declared, _)| *declared == intent).flat_map(|(_, names)| names);
                    quote! { &[#(#names),*] }
                });
            }
        }
        let [loses_rows, changes_values, loses_values] = intents;
        migration_tests.push(quote! {
            #krate::__private::MigrationTest {
                version: #version, file: #shown, before: #before, after: #after, fill: #fill, loses_rows: #loses_rows,
                changes_values: #changes_values, loses_values: #loses_values,
            }
        });
    }

    let seed = folder.tests.directory.join("seed.rs");
    let (seed, has_seed) = if seed.is_file() {
        let file = text(&seed)?;
        let module = quote! {
            mod lockgate_seed {
                #[allow(unreachable_pub)]
                #[path = #file]
                mod lockgate_file;
                pub(super) fn seed<'a>(
                    db: &'a mut #krate::Db,
                    random: &'a mut #krate::Random,
                ) -> #krate::__private::TestFuture<'a> {
                    ::std::boxed::Box::pin(lockgate_file::seed(db, random))
                }
            }
        };
        (module, quote! { ::core::option::Option::Some(lockgate_seed::seed) })
    } else {
        (quote! {}, quote! { ::core::option::Option::None })
    };
    let schema = desired.tokens(krate, dialects)?;
    let empty_tables = &args.empty_tables;
    let tolerate = &args.tolerate;
    let named = dialects.iter().map(|dialect| {
        let (name, feature) = match dialect {
            Dialect::Sqlite => ("sqlite", "Sqlite"),
            Dialect::Postgres => ("postgres", "Postgres"),
            Dialect::Mysql => ("mysql", "Mysql"),
        };
        let (module, dialect) = (format_ident!("{name}"), format_ident!("{feature}"));
        let check = format_ident!("__requires_{name}");
        let repeatable = (!folder.repeatables().is_empty()).then_some("repeatable_scripts_run_twice");
        // Only a folder with trees has something to compare.
        let of_trees = folder.companion(CompanionKind::Create).map(|_| "create_equals_deployment");
        let of_seeds = folder.companion(CompanionKind::Seed).map(|_| "seeds_load_and_survive");
        // Structs in the source may be a part of it, which only `cargo xtask check` reads.
        let is_whole = !desired::has_structs(desired.directory.parent().unwrap_or(&desired.directory));
        let of_schema = desired.files.as_ref().filter(|_| is_whole).map(|_| "migrations_make_the_desired_schema");
        let set_tests =
            SET_TESTS.into_iter().chain(repeatable).chain(of_trees).chain(of_seeds).chain(of_schema).map(|test| {
                let test = format_ident!("{test}");
                quote! {
                    #[test]
                    fn #test() -> ::core::result::Result<(), #krate::Problem> {
                        #krate::__private::#test(&super::LOCKGATE_TESTS, #krate::lockgate::Dialect::#dialect)
                    }
                }
            });
        let each = folder.migrations.iter().map(|migration| {
            let (test, version) = (self::module(&migration.id), migration.version().get());
            quote! {
                #[test]
                fn #test() -> ::core::result::Result<(), #krate::Problem> {
                    #krate::__private::walk(&super::LOCKGATE_TESTS, #krate::lockgate::Dialect::#dialect, #version)
                }
            }
        });
        quote! {
            #krate::#check! {}
            mod #module {
                #(#each)*
                #(#set_tests)*
            }
        }
    });
    Ok(quote! {
        static LOCKGATE_MIGRATIONS: #lockgate::Migrations = #set;
        static LOCKGATE_TESTS: #krate::__private::Tests = #krate::__private::Tests {
            migrations: &LOCKGATE_MIGRATIONS,
            folder: #root,
            directory: #directory,
            files: &[#(#files),*],
            migration_tests: &[#(#migration_tests),*],
            empty_tables: &[#(#empty_tables),*],
            seed: #has_seed,
            desired: #schema,
            tolerate: &[#(#krate::Class::#tolerate),*],
        };
        #(#modules)*
        #seed
        #[test]
        fn embedded_is_what_is_on_disk() -> ::core::result::Result<(), #krate::Problem> {
            #krate::__private::embedded_is_what_is_on_disk(&LOCKGATE_TESTS)
        }
        #(#named)*
    })
}

/// Emits a test file as a module, and wraps its functions in a common type.
fn rust<'a>(krate: &syn::Path, module: &Ident, file: &str, functions: impl Iterator<Item = &'a str>) -> TokenStream {
    let functions = functions.map(|function| {
        let (name, function) = (format_ident!("lockgate_{function}"), format_ident!("{function}"));
        quote! {
            pub(super) fn #name(db: &mut #krate::Db) -> #krate::__private::TestFuture<'_> {
                ::std::boxed::Box::pin(lockgate_file::#function(db))
            }
        }
    });
    quote! {
        mod #module {
            // Public items in a module of an expansion are never reachable from outside.
            #[allow(unreachable_pub)]
            #[path = #file]
            pub(super) mod lockgate_file;
            #(#functions)*
        }
    }
}

/// Emits functions of a test as one part of it.
fn functions_of(krate: &syn::Path, module: &Ident, names: &[impl AsRef<str>]) -> TokenStream {
    let functions: Vec<Ident> = names.iter().map(|name| format_ident!("lockgate_{}", name.as_ref())).collect();
    let names = names.iter().map(AsRef::as_ref);
    match functions.as_slice() {
        [] => quote! { ::core::option::Option::None },
        [function] => {
            quote! { ::core::option::Option::Some(#krate::__private::TestPart::Rust(#module::#function)) }
        }
        _ => quote! {
            ::core::option::Option::Some(#krate::__private::TestPart::Several(&[#((#names, #module::#functions)),*]))
        },
    }
}

/// Emits a SQL file as a list of statements for each group of dialects.
fn sql(krate: &syn::Path, suite: Option<&SqlSuite>) -> TokenStream {
    let Some(suite) = suite else { return quote! { ::core::option::Option::None } };
    let shown = &suite.shown;
    let groups = suite.statements.iter().map(|(dialects, statements)| {
        let dialects = dialects.iter().map(|dialect| dialect_name(krate, dialect));
        let statements = statements.iter().map(|statement| {
            let (line, sql) = (statement.line, &statement.sql);
            quote! { (#line, #sql) }
        });
        quote! { (&[#(#dialects),*], &[#(#statements),*]) }
    });
    quote! {
        ::core::option::Option::Some(#krate::__private::TestPart::Sql { file: #shown, statements: &[#(#groups),*] })
    }
}

fn dialect_name(krate: &syn::Path, dialect: Dialect) -> TokenStream {
    match dialect {
        Dialect::Sqlite => quote! { #krate::lockgate::Dialect::Sqlite },
        Dialect::Postgres => quote! { #krate::lockgate::Dialect::Postgres },
        Dialect::Mysql => quote! { #krate::lockgate::Dialect::Mysql },
    }
}

/// Makes an identifier of an id: `m0001_create_users` of `0001_create-users`. Other characters become `_`.
fn module(id: &str) -> Ident {
    let fits = |c: char| c == '_' || !c.is_whitespace() && syn::parse_str::<Ident>(&format!("m{c}")).is_ok();
    let name: String = id.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    format_ident!("m{name}")
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn every_id_is_the_name_of_a_function() {
        for (id, expected) in [
            ("0001_create_users", "m0001_create_users"),
            ("0001_add-tags", "m0001_add_tags"),
            ("2_größe", "m2_größe"),
            ("3_a².b c", "m3_a__b_c"),
        ] {
            assert_eq!(module(id).to_string(), expected);
        }
    }

    #[test]
    fn no_folder_is_an_error_and_nothing_else() {
        let args = args::TESTS.parse(TokenStream::new()).unwrap();
        let code = expansion(&args, Path::new("/nowhere"), Path::new("/")).to_string();
        assert!(code.contains("\"[no-such-folder] there is no folder `nowhere/migrations`"), "{code}");
        assert!(!code.contains("static"), "{code}");
    }
}
