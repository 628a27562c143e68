//! Expands `embed_migrations!` to a constant expression.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use lockgate_source::core::{CompanionKind, Dialect, Dialects};
use lockgate_source::folder::{
    self, DatabaseFolder, Embedded, EmbeddedText, Migration, NoDatabase, RustStep, SnapshotFile,
};
use lockgate_source::{Diagnostic, Folder, Loaded, Severity, build_warnings, policy};
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{format_ident, quote};
use syn::LitStr;

use crate::args::{self, Args, Given};
use crate::fallback;

/// Expands the macro.
pub(crate) fn embed(input: TokenStream) -> TokenStream {
    let args: Args = match args::EMBED.parse(input) {
        Ok(args) => args,
        Err(error) => return fallback::after_errors(&args::lockgate(), Given::One, error.to_compile_error()),
    };
    if !args.errors.is_empty() {
        let errors = args.errors.iter().map(syn::Error::to_compile_error).collect();
        return fallback::after_errors(&args.krate, args.given(), errors);
    }
    let Some(crate_directory) = crate_directory() else {
        return fallback::after(&args.krate, args.given(), &[NO_DIRECTORY.to_owned()]);
    };
    let work_directory = std::env::current_dir().unwrap_or_default();
    expansion(&args, &crate_directory, &work_directory)
}

pub(crate) const NO_DIRECTORY: &str =
    "the variable `CARGO_MANIFEST_DIR` is not set: build with cargo, or set it to the crate's directory";

pub(crate) fn crate_directory() -> Option<PathBuf> {
    std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from)
}

/// Returns the output for these arguments, one block.
fn expansion(args: &Args, crate_directory: &Path, work_directory: &Path) -> TokenStream {
    let mut loaded = load(args, crate_directory, work_directory);
    // A build script reports warnings for the whole folder, whichever database is embedded.
    let is_said = build_warnings::variable(&loaded).is_some_and(|variable| std::env::var_os(variable).is_some());
    // Errors in the folder come first: a bad file name has no database.
    let mut databases = Vec::new();
    if !loaded.has_errors() {
        let chosen = match args.given() {
            Given::One => choose(&mut loaded, args, "embed_migrations"),
            Given::Each => each(&loaded.folder).map(|each| databases = each),
        };
        if let Err(error) = chosen {
            return fallback::after_errors(&args.krate, args.given(), error.to_compile_error());
        }
    }
    let (errors, mut warnings): (Vec<&Diagnostic>, Vec<&Diagnostic>) =
        loaded.diagnostics.iter().partition(|diagnostic| diagnostic.severity == Severity::Error);
    let mut messages: Vec<String> = errors.into_iter().map(Diagnostic::render_behind_level).collect();
    if messages.is_empty() {
        messages.extend(lacking(args.given(), &loaded.folder, BUILT));
    }
    if messages.is_empty() {
        if is_said {
            warnings.clear();
        }
        let block = match args.given() {
            Given::One => {
                block(&args.krate, &loaded.folder.shown, &loaded.folder.encode(), &warnings).map_err(not_utf8)
            }
            Given::Each => each_block(&args.krate, &loaded.folder, &databases, &warnings),
        };
        match block {
            Ok(block) => return block,
            Err(message) => messages.push(message),
        }
    }
    fallback::after(&args.krate, args.given(), &messages)
}

/// Loads the folder that the arguments name, with the tests of its migrations.
pub(crate) fn load(args: &Args, crate_directory: &Path, work_directory: &Path) -> Loaded {
    folder::load_embedded(crate_directory, &args.path, args.tests.as_deref(), work_directory, built())
}

/// Returns the databases for which `lockgate` was built.
pub(crate) fn built() -> Dialects {
    let of = [(Dialect::Postgres, cfg!(feature = "postgres")), (Dialect::Sqlite, cfg!(feature = "sqlite"))];
    of.into_iter().filter_map(|(dialect, is_built)| is_built.then_some(dialect)).collect()
}

/// What `lockgate` was built for besides databases.
#[derive(Clone, Copy)]
struct Capabilities {
    databases: bool,
    psql: bool,
}

const BUILT: Capabilities = Capabilities { databases: cfg!(feature = "databases"), psql: cfg!(feature = "psql") };

/// Returns what a program needs for this folder that `lockgate` was built without.
fn lacking(given: Given, folder: &Folder, built: Capabilities) -> Option<String> {
    let lacks = |what: String, feature: &str| {
        Some(format!(
            "{what} the feature `{feature}` of `lockgate`, which is off\n  = help: turn it on: `cargo add lockgate \
             --features {feature}`"
        ))
    };
    if matches!(given, Given::Each) && !built.databases {
        return lacks("`embed_migrations!(…, databases)` needs".to_owned(), "databases");
    }
    match (!built.psql).then(|| with_psql(folder)).flatten() {
        Some(path) => lacks(format!("`{path}` says `-- lockgate: psql`, and that needs"), "psql"),
        None => None,
    }
}

/// The first script in which psql's lines are read.
fn with_psql(folder: &Folder) -> Option<String> {
    let mut files = folder.migrations.iter().flat_map(Migration::files);
    let own = files.find(|script| script.options.psql.is_some()).map(|script| folder.show(&script.path));
    own.or_else(|| folder.companions.iter().find_map(|companion| with_psql(&companion.folder)))
}

pub(crate) fn not_utf8(path: &Path) -> String {
    format!("the path of the folder is not UTF-8, and the compiler needs it to be: {}", path.to_string_lossy())
}

/// Reduces the folder to the migrations of the database that is embedded, and to the warnings about them.
pub(crate) fn choose(loaded: &mut Loaded, args: &Args, name: &str) -> syn::Result<()> {
    let written = args.path.trim().replace('\\', "/");
    let wanted = args.database.as_ref().map(LitStr::value);
    let files = |folder: &Folder| -> HashSet<String> {
        folder.migrations.iter().flat_map(Migration::files).map(|script| folder.show(&script.path)).collect()
    };
    let before = files(&loaded.folder);
    let chosen = loaded.folder.choose(wanted.as_deref());
    let Err(reason) = chosen else {
        let after = files(&loaded.folder);
        loaded.diagnostics.retain(|warning| !before.contains(&warning.file) || after.contains(&warning.file));
        return Ok(());
    };
    let shown = &loaded.folder.shown;
    let span = args.database.as_ref().map_or_else(Span::call_site, LitStr::span);
    let wanted = wanted.unwrap_or_default();
    let message = match reason {
        NoDatabase::Several { known } => format!(
            "`{shown}` has migrations for {}, but a program embeds those of one\n  = help: write \
             `{name}!({written:?}, database = {:?})`{}",
            list(&known),
            known[0],
            match name {
                "embed_migrations" => format!(", or `{name}!({written:?}, databases)` for all of them"),
                _ => String::new(),
            }
        ),
        NoDatabase::Unknown { known, .. } if known.is_empty() => {
            format!("`{shown}` has no migration for the database `{wanted}`: it has none at all")
        }
        NoDatabase::Unknown { known, meant } => {
            let help = match meant {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("it has them for {}", list(&known)),
            };
            format!("`{shown}` has no migration for the database `{wanted}`: {help}")
        }
        NoDatabase::NotEncoded => format!(
            "the names in `{shown}` have no database: delete `database = {wanted:?}`, or set `numbering = \"encoded\"` in \
             `{}`",
            loaded.folder.show(policy::FILE)
        ),
    };
    Err(syn::Error::new(span, message))
}

/// `a`, `b` and `c`.
fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Emits the block with the embedded set. The error is a path that is not UTF-8.
pub(crate) fn block<'a>(
    krate: &syn::Path,
    shown: &str,
    embedded: &'a Embedded,
    warnings: &[&Diagnostic],
) -> Result<TokenStream, &'a Path> {
    let warnings = warn(warnings);
    let steps = embedded.rust_steps.iter().map(|step| module(krate, step)).collect::<Result<Vec<_>, _>>()?;
    let values = embedded.rust_steps.iter().map(|step| value(krate, step));
    let set = set(krate, shown, embedded)?;
    Ok(quote! {
        {
            #warnings
            #(#steps)*
            const MIGRATIONS: #krate::Migrations = #krate::__private::migrations(
                #set,
                &[#(#values),*],
            );
            MIGRATIONS
        }
    })
}

/// Emits a set with its companions, as a block. The error is a path that is not UTF-8.
fn set<'a>(krate: &syn::Path, shown: &str, embedded: &'a Embedded) -> Result<TokenStream, &'a Path> {
    // A script that is not embedded by `include_str!` needs to be tracked by `include_bytes!`.
    let odd = embedded.texts.iter().filter(|script| !script.as_in_file).map(|script| &script.file);
    let tracked = embedded.tracked.iter().chain(odd).map(|path| text(path)).collect::<Result<Vec<_>, _>>()?;
    let scripts = embedded.texts.iter().map(script).collect::<Result<Vec<_>, _>>()?;
    let (paths, table) = (&embedded.encoded.paths, Literal::byte_string(&embedded.encoded.table));
    let mut companions = Vec::with_capacity(embedded.companions.len());
    for (kind, embedded) in &embedded.companions {
        // Seeds have a folder of their own.
        let shown = match kind {
            CompanionKind::Seed => &embedded.shown,
            CompanionKind::Repeatable | CompanionKind::Manual | CompanionKind::Create => shown,
        };
        let set = set(krate, shown, embedded)?;
        let kind = match kind {
            CompanionKind::Repeatable => quote! { Repeatable },
            CompanionKind::Manual => quote! { Manual },
            CompanionKind::Create => quote! { Create },
            CompanionKind::Seed => quote! { Seed },
        };
        companions.push(quote! {
            #krate::__private::Companion { kind: #krate::__private::CompanionKind::#kind, set: #set }
        });
    }
    let with_companions = if companions.is_empty() {
        quote! {}
    } else {
        quote! { .with_companions(&[#(#companions),*]) }
    };
    let schemas: &[SnapshotFile] = if cfg!(feature = "schema-snapshot") { &embedded.snapshots } else { &[] };
    let schemas = schemas.iter().map(|file| text(&file.absolute)).collect::<Result<Vec<_>, _>>()?;
    let with_schemas = if schemas.is_empty() {
        quote! {}
    } else {
        quote! { .with_schemas(&[#(::core::include_str!(#schemas)),*]) }
    };
    Ok(quote! {
        {
            #(const _: &[u8] = ::core::include_bytes!(#tracked);)*
            #krate::__private::Set::from_parts(
                #shown,
                ::core::concat!(::core::env!("CARGO_PKG_NAME"), " ", ::core::env!("CARGO_PKG_VERSION")),
                ::core::concat!(#(#scripts),*),
                #paths,
                #table,
            )
            #with_companions
            #with_schemas
        }
    })
}

/// Returns the patches of each database in the folder.
fn each(folder: &Folder) -> syn::Result<Vec<DatabaseFolder>> {
    folder.each_database().map_err(|_| {
        let policy = folder.show(policy::FILE);
        let message = format!(
            "the names in `{}` have no database: delete `databases`, or set `numbering = \"encoded\"` in `{policy}`",
            folder.shown
        );
        syn::Error::new(Span::call_site(), message)
    })
}

/// Emits the block with the patches of each database.
fn each_block(
    krate: &syn::Path,
    folder: &Folder,
    databases: &[DatabaseFolder],
    warnings: &[&Diagnostic],
) -> Result<TokenStream, String> {
    let one = |folder: &Folder| block(krate, &folder.shown, &folder.encode(), &[]).map_err(not_utf8);
    let mut values = Vec::with_capacity(databases.len());
    for DatabaseFolder { name, bootstraps, patches } in databases {
        let (bootstraps, patches) = (one(bootstraps)?, one(patches)?);
        values.push(quote! { #krate::__private::database(#name, #bootstraps, #patches) });
    }
    // A folder without a patch depends on its policy and its lockfile too.
    let tracked = folder.tracked.iter().map(|path| text(path)).collect::<Result<Vec<_>, _>>().map_err(not_utf8)?;
    let warnings = warn(warnings);
    let mirror = match &folder.policy.mirror {
        Some(mirror) => quote! { ::core::option::Option::Some(#mirror) },
        None => quote! { ::core::option::Option::None },
    };
    Ok(quote! {
        {
            #warnings
            #(const _: &[u8] = ::core::include_bytes!(#tracked);)*
            const EACH: &[#krate::DatabaseMigrations] = &[#(#values),*];
            const DATABASES: #krate::Databases = #krate::__private::databases(EACH, #mirror);
            DATABASES
        }
    })
}

/// Emits warnings. On stable Rust, a macro can only warn by using something deprecated.
fn warn(warnings: &[&Diagnostic]) -> TokenStream {
    let warnings = warnings.iter().enumerate().map(|(i, warning)| {
        let (name, note) = (format_ident!("WARNING_{i}"), warning.render_behind_level());
        quote! { #[deprecated(note = #note)] const #name: () = (); const _: () = #name; }
    });
    quote! { #(#warnings)* }
}

/// Emits the file of a Rust step as a module, and wraps its functions in a common type.
fn module<'a>(krate: &syn::Path, step: &'a RustStep) -> Result<TokenStream, &'a Path> {
    let (module, file) = (module_name(step), text(&step.file)?);
    let functions = directions(step).map(|direction| {
        let (name, direction) = (function_name(direction, step), Ident::new(direction, Span::call_site()));
        quote! {
            fn #name<'a>(tx: &'a mut #krate::Transaction<'_>) -> #krate::__private::StepFuture<'a> {
                ::std::boxed::Box::pin(async move {
                    #module::#direction(tx).await.map_err(::core::convert::Into::into)
                })
            }
        }
    });
    Ok(quote! {
        // Public items in a module of an expansion are never reachable from outside.
        #[allow(unreachable_pub)]
        #[path = #file]
        mod #module;
        #(#functions)*
    })
}

fn value(krate: &syn::Path, step: &RustStep) -> TokenStream {
    let (version, up) = (step.version.get(), function_name("up", step));
    let down = if step.has_down {
        let down = function_name("down", step);
        quote! { ::core::option::Option::Some(#down) }
    } else {
        quote! { ::core::option::Option::None }
    };
    quote! { #krate::__private::RustStep { version: #version, up: #up, down: #down } }
}

fn directions(step: &RustStep) -> impl Iterator<Item = &'static str> {
    std::iter::once("up").chain(step.has_down.then_some("down"))
}

fn module_name(step: &RustStep) -> Ident {
    format_ident!("step_{}", step.version.get().to_string())
}

fn function_name(direction: &str, step: &RustStep) -> Ident {
    format_ident!("{direction}_{}", step.version.get().to_string())
}

/// Emits the text of a script: `include_str!` of its file, if that has the same text, otherwise the text itself.
fn script(script: &EmbeddedText) -> Result<TokenStream, &Path> {
    if script.as_in_file {
        let file = text(&script.file)?;
        return Ok(quote! { ::core::include_str!(#file) });
    }
    let text = &script.text;
    Ok(quote! { #text })
}

pub(crate) fn text(path: &Path) -> Result<&str, &Path> {
    path.to_str().ok_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lockgate_was_built_without_is_refused_with_the_command_that_turns_it_on() {
        let folder = std::env::temp_dir().join(format!("lockgate-macros-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("migrations")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.join("migrations").join(name), text).unwrap();
        write("migrations.toml", "dialects = [\"postgres\"]\n");
        write("0001_a.up.sql", "-- lockgate: psql\n\\set n 3\nSELECT :n;\n");
        write("0001_a.down.sql", "SELECT 1;\n");
        let loaded = folder::load_embedded(&folder, "migrations", None, &folder, Dialects::NONE);
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics);

        let all = Capabilities { databases: true, psql: true };
        assert_eq!(lacking(Given::Each, &loaded.folder, all), None);
        assert_eq!(
            lacking(Given::One, &loaded.folder, Capabilities { psql: false, ..all }).unwrap(),
            "`migrations/0001_a.up.sql` says `-- lockgate: psql`, and that needs the feature `psql` of `lockgate`, which \
             is off\n  = help: turn it on: `cargo add lockgate --features psql`"
        );
        let message = lacking(Given::Each, &loaded.folder, Capabilities { databases: false, ..all }).unwrap();
        assert!(message.starts_with("`embed_migrations!(…, databases)` needs the feature `databases`"), "{message}");
    }

    #[test]
    fn no_folder_is_an_error_and_a_value() {
        let args = args::EMBED.parse(TokenStream::new()).unwrap();
        let code = expansion(&args, Path::new("/nowhere"), Path::new("/")).to_string();
        assert!(code.contains("\"[no-such-folder] there is no folder `nowhere/migrations`"), "{code}");
        assert!(code.contains(":: Migrations :: EMPTY"), "{code}");
    }
}
