//! What the macro emits: one expression that is a constant.
//!
//! It is written as text and read by the compiler's own lexer: that is several times as fast as
//! building a hundred thousand tokens one by one, and this code runs unoptimised.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use lockgate_source::folder::{self, Embedded};
use lockgate_source::{Diagnostic, Severity, Style};
use proc_macro2::{Span, TokenStream, TokenTree};

use crate::args::{self, Args};
use crate::fallback;

/// The whole macro.
pub(crate) fn embed(input: TokenStream) -> TokenStream {
    let (args, errors) = args::parse(input);
    if !errors.is_empty() {
        let mut tokens: TokenStream = errors.iter().map(|error| error_at(error.span, &error.message)).collect();
        tokens.extend(parse(&fallback::value(&args.krate)));
        return in_block(tokens);
    }
    let Some(crate_directory) = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from) else {
        let message =
            "the variable `CARGO_MANIFEST_DIR` is not set: build with cargo, or set it to the crate's directory";
        return parse(&fallback::after(&args.krate, &[message.to_owned()]));
    };
    parse(&expansion(&args, &crate_directory))
}

/// The output for these arguments, as the text of one block.
fn expansion(args: &Args, crate_directory: &Path) -> String {
    let shown = shown(&args.path);
    let loaded = folder::load(&crate_directory.join(&shown), &shown);
    let (errors, warnings): (Vec<&Diagnostic>, Vec<&Diagnostic>) =
        loaded.diagnostics.iter().partition(|diagnostic| diagnostic.severity == Severity::Error);
    let mut messages: Vec<String> = errors.into_iter().map(message).collect();
    if messages.is_empty() {
        match block(args, &shown, &loaded.folder.encode(), &warnings) {
            Ok(block) => return block,
            Err(path) => messages.push(format!(
                "the path of the folder is not UTF-8, and the compiler needs it to be: {}",
                path.to_string_lossy()
            )),
        }
    }
    fallback::after(&args.krate, &messages)
}

/// The path as messages show it: with forward slashes, and without `./` and a slash at the end.
fn shown(path: &str) -> String {
    let path = path.trim().replace('\\', "/");
    let short = path.trim_end_matches('/');
    let short = if short.is_empty() { path.as_str() } else { short };
    short.strip_prefix("./").unwrap_or(short).to_owned()
}

/// A diagnostic as the text of a `compile_error!`, before which the compiler writes `error: `.
fn message(diagnostic: &Diagnostic) -> String {
    let rendered = diagnostic.render(Style::Plain);
    let title = rendered.strip_prefix("error").or_else(|| rendered.strip_prefix("warning")).unwrap_or(&rendered);
    title.replacen("]: ", "] ", 1)
}

/// The block that is the embedded set, or a path that is not UTF-8.
fn block<'a>(args: &Args, shown: &str, embedded: &'a Embedded, warnings: &[&Diagnostic]) -> Result<String, &'a Path> {
    let krate = &args.krate;
    let mut code = String::with_capacity(256 * (embedded.texts.len() + 8) + 4 * embedded.encoded.table.len());
    code.push('{');
    for (i, warning) in warnings.iter().enumerate() {
        // The only warning that a stable macro can give: the use of something deprecated.
        let note = message(warning);
        write_code(
            &mut code,
            format_args!("#[deprecated(note = {note:?})] const WARNING_{i}: () = (); const _: () = WARNING_{i};"),
        );
    }
    for file in &embedded.tracked {
        write_code(&mut code, format_args!("const _: &[u8] = ::core::include_bytes!({:?});", text(file)?));
    }
    let mut steps = String::new();
    for step in &embedded.rust_steps {
        let version = step.version;
        write_code(
            &mut code,
            format_args!("#[allow(unreachable_pub)] #[path = {:?}] mod step_{version};", text(&step.file)?),
        );
        function(&mut code, krate, "up", version.get());
        let mut down = "::core::option::Option::None".to_owned();
        if step.has_down {
            function(&mut code, krate, "down", version.get());
            down = format!("::core::option::Option::Some(down_{version})");
        }
        write_code(
            &mut steps,
            format_args!("{krate}::__private::RustStep {{ version: {version}, up: up_{version}, down: {down} }},"),
        );
    }
    write_code(
        &mut code,
        format_args!("const STEPS: &[{krate}::__private::RustStep] = &[{steps}];{krate}::__private::migrations("),
    );
    write_code(
        &mut code,
        format_args!(
            "{krate}::__private::Set::from_parts({shown:?}, \
             ::core::concat!(::core::env!(\"CARGO_PKG_NAME\"), \" \", ::core::env!(\"CARGO_PKG_VERSION\")), \
             ::core::concat!("
        ),
    );
    for file in &embedded.texts {
        write_code(&mut code, format_args!("::core::include_str!({:?}),", text(file)?));
    }
    write_code(
        &mut code,
        format_args!("), {:?}, b\"{}\"), STEPS) }}", embedded.encoded.paths, embedded.encoded.table.escape_ascii()),
    );
    Ok(code)
}

/// The function that runs a direction of a Rust step, with a type that all steps share.
fn function(code: &mut String, krate: &str, direction: &str, version: i64) {
    write_code(
        code,
        format_args!(
            "fn {direction}_{version}<'a>(tx: &'a mut {krate}::Transaction<'_>) -> {krate}::__private::StepFuture<'a> {{ \
             ::std::boxed::Box::pin(async move {{ \
             step_{version}::{direction}(tx).await.map_err(::core::convert::Into::into) }}) }}"
        ),
    );
}

fn text(path: &Path) -> Result<&str, &Path> {
    path.to_str().ok_or(path)
}

fn write_code(code: &mut String, part: std::fmt::Arguments<'_>) {
    code.write_fmt(part).expect("writing to a string does not fail");
}

fn parse(code: &str) -> TokenStream {
    code.parse().expect("what the macro writes is Rust")
}

/// A `compile_error!` that points at an argument.
fn error_at(span: Span, message: &str) -> TokenStream {
    let tokens = parse(&fallback::error(message));
    let spanned = tokens.into_iter().map(|mut token| {
        token.set_span(span);
        token
    });
    spanned.collect()
}

fn in_block(tokens: TokenStream) -> TokenStream {
    TokenTree::Group(proc_macro2::Group::new(proc_macro2::Delimiter::Brace, tokens)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_short() {
        for (path, expected) in
            [("migrations/", "migrations"), ("./db/m", "db/m"), ("..\\m", "../m"), ("/", "/"), (" m ", "m")]
        {
            assert_eq!(shown(path), expected);
        }
    }

    #[test]
    fn the_compiler_says_error_itself() {
        let diagnostic = Diagnostic::error("gap", "m/2_x.sql", "version 1 is missing");
        assert_eq!(message(&diagnostic), "[gap] version 1 is missing\n--> m/2_x.sql");
    }

    #[test]
    fn no_folder_is_an_error_and_a_value() {
        let code = expansion(&Args::default(), Path::new("/nowhere"));
        assert!(
            code.starts_with("{::core::compile_error!{\"[no-such-folder] there is no folder `migrations`"),
            "{code}"
        );
        assert!(
            code.ends_with("::lockgate::__private::migrations(::lockgate::__private::Set::empty(), &[])}"),
            "{code}"
        );
    }
}
