//! What `embed_migrations!` emits: one expression that is a constant.

use std::path::{Path, PathBuf};

use lockgate_source::folder::{self, Embedded, Loaded, RustStep, Tests, normal};
use lockgate_source::{Diagnostic, Severity, Style};
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{format_ident, quote};

use crate::args::{self, Args};
use crate::fallback;

/// The whole macro.
pub(crate) fn embed(input: TokenStream) -> TokenStream {
    let args: Args = match args::EMBED.parse(input) {
        Ok(args) => args,
        Err(error) => return fallback::after_errors(&args::lockgate(), error.to_compile_error()),
    };
    if !args.errors.is_empty() {
        let errors = args.errors.iter().map(syn::Error::to_compile_error).collect();
        return fallback::after_errors(&args.krate, errors);
    }
    let Some(crate_directory) = crate_directory() else {
        return fallback::after(&args.krate, &[NO_DIRECTORY.to_owned()]);
    };
    let work_directory = std::env::current_dir().unwrap_or_default();
    expansion(&args, &crate_directory, &work_directory)
}

pub(crate) const NO_DIRECTORY: &str =
    "the variable `CARGO_MANIFEST_DIR` is not set: build with cargo, or set it to the crate's directory";

pub(crate) fn crate_directory() -> Option<PathBuf> {
    std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from)
}

/// The output for these arguments, as one block.
fn expansion(args: &Args, crate_directory: &Path, work_directory: &Path) -> TokenStream {
    let loaded = load(args, crate_directory, work_directory);
    let (errors, warnings): (Vec<&Diagnostic>, Vec<&Diagnostic>) =
        loaded.diagnostics.iter().partition(|diagnostic| diagnostic.severity == Severity::Error);
    let mut messages: Vec<String> = errors.into_iter().map(message).collect();
    if messages.is_empty() {
        match block(&args.krate, &loaded.folder.shown, &loaded.folder.encode(), &warnings) {
            Ok(block) => return block,
            Err(path) => messages.push(not_utf8(path)),
        }
    }
    fallback::after(&args.krate, &messages)
}

/// The folder that the arguments name, and where the tests of its migrations are.
pub(crate) fn load(args: &Args, crate_directory: &Path, work_directory: &Path) -> Loaded {
    let place = |written: &str| {
        let written = written.trim().replace('\\', "/");
        let directory = normal(&crate_directory.join(written.trim_end_matches('/')));
        let shown = shown(&directory, &written, work_directory);
        (directory, shown)
    };
    let (folder, shown) = place(&args.path);
    let (directory, shown_tests) = place(args.tests.as_deref().unwrap_or("tests/migrations"));
    folder::load_with(&folder, &shown, Tests { directory, shown: shown_tests })
}

pub(crate) fn not_utf8(path: &Path) -> String {
    format!("the path of the folder is not UTF-8, and the compiler needs it to be: {}", path.to_string_lossy())
}

/// The path as messages show it: from the directory where cargo runs the compiler, which is that of
/// the workspace, so that a click on it finds the file; else as it is written.
fn shown(folder: &Path, written: &str, work_directory: &Path) -> String {
    let short = folder.strip_prefix(work_directory).ok().and_then(Path::to_str).filter(|path| !path.is_empty());
    match short {
        Some(path) => path.replace('\\', "/"),
        None => written.strip_prefix("./").unwrap_or(written).trim_end_matches('/').to_owned(),
    }
}

/// A diagnostic as the text of a `compile_error!`, before which the compiler writes `error: `.
pub(crate) fn message(diagnostic: &Diagnostic) -> String {
    let rendered = diagnostic.render(Style::Plain);
    let title = rendered.strip_prefix("error").or_else(|| rendered.strip_prefix("warning")).unwrap_or(&rendered);
    title.replacen("]: ", "] ", 1)
}

/// The block that is the embedded set, or a path that is not UTF-8.
pub(crate) fn block<'a>(
    krate: &syn::Path,
    shown: &str,
    embedded: &'a Embedded,
    warnings: &[&Diagnostic],
) -> Result<TokenStream, &'a Path> {
    // The only warning that a stable macro can give: the use of something deprecated.
    let warnings = warnings.iter().enumerate().map(|(i, warning)| {
        let (name, note) = (format_ident!("WARNING_{i}"), message(warning));
        quote! { #[deprecated(note = #note)] const #name: () = (); const _: () = #name; }
    });
    let tracked = texts(&embedded.tracked)?;
    let scripts = texts(&embedded.texts)?;
    let steps = embedded.rust_steps.iter().map(|step| module(krate, step)).collect::<Result<Vec<_>, _>>()?;
    let values = embedded.rust_steps.iter().map(|step| value(krate, step));
    let (paths, table) = (&embedded.encoded.paths, Literal::byte_string(&embedded.encoded.table));
    Ok(quote! {
        {
            #(#warnings)*
            #(const _: &[u8] = ::core::include_bytes!(#tracked);)*
            #(#steps)*
            const MIGRATIONS: #krate::Migrations = #krate::__private::migrations(
                #krate::__private::Set::from_parts(
                    #shown,
                    ::core::concat!(::core::env!("CARGO_PKG_NAME"), " ", ::core::env!("CARGO_PKG_VERSION")),
                    ::core::concat!(#(::core::include_str!(#scripts)),*),
                    #paths,
                    #table,
                ),
                &[#(#values),*],
            );
            MIGRATIONS
        }
    })
}

/// The file of a Rust step as a module, and its functions with a type that all steps share.
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
        // In a module of an expansion nothing that is `pub` can be reached.
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

fn texts(paths: &[PathBuf]) -> Result<Vec<&str>, &Path> {
    paths.iter().map(|path| text(path)).collect()
}

pub(crate) fn text(path: &Path) -> Result<&str, &Path> {
    path.to_str().ok_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_from_where_the_compiler_runs() {
        let work = Path::new("/repository");
        for (crate_directory, written, expected) in [
            ("/repository", "migrations", "migrations"),
            ("/repository/examples/app", "../../migrations/", "migrations"),
            ("/repository/a", "./db/m", "a/db/m"),
            ("/elsewhere/a", "./db/m/", "db/m"),
            ("/elsewhere/a", "../m", "../m"),
        ] {
            let folder = normal(&Path::new(crate_directory).join(written));
            assert_eq!(shown(&folder, written, work), expected);
        }
    }

    #[test]
    fn the_compiler_says_error_itself() {
        let diagnostic = Diagnostic::error("gap", "m/2_x.sql", "version 1 is missing");
        assert_eq!(message(&diagnostic), "[gap] version 1 is missing\n--> m/2_x.sql");
    }

    #[test]
    fn no_folder_is_an_error_and_a_value() {
        let args = args::EMBED.parse(TokenStream::new()).unwrap();
        let code = expansion(&args, Path::new("/nowhere"), Path::new("/")).to_string();
        assert!(code.contains("\"[no-such-folder] there is no folder `nowhere/migrations`"), "{code}");
        assert!(code.contains(":: __private :: Set :: empty ()"), "{code}");
    }
}
