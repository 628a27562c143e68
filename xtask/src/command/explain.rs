//! `cargo xtask explain`: prints the page of a diagnostic code, a directive or a key of the policy.

use std::fmt::Write;

use anstream::adapter::strip_str;
use anstream::{eprintln, println};
use anstyle::{Effects, Style};
use lockgate_source::Code;
use lockgate_source::diagnostic::catalogue::{self, Finder};
use lockgate_source::diagnostic::example::{Example, File};
use lockgate_source::folder::directive::{DIRECTIVES, Directive};
use lockgate_source::policy::{self, KEYS, Key};

use crate::failure::Failure;
use crate::invocation;

/// The width of a page, in characters.
const WIDTH: usize = 100;
const BOLD: Style = Style::new().effects(Effects::BOLD);

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 explained, 2 unknown name.")]
pub(crate) struct Arguments {
    /// A code such as `misordered`, a directive such as `no-transaction`, or a key of
    /// `migrations.toml`; without it, all of them are listed
    #[arg(value_name = "CODE")]
    name: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let Some(typed) = &arguments.name else {
        println!("{}", list().trim_end());
        return Ok(());
    };
    // Accept a code as messages show it: `error[gap]`, `[gap]`.
    let bare = ["error[", "warning["].into_iter().find_map(|level| typed.strip_prefix(level)).unwrap_or(typed);
    let name = bare.trim_matches(['[', ']', '`']);
    let pages = pages(name);
    if pages.is_empty() {
        eprintln!("{}", list());
        let words = DIRECTIVES.iter().map(|directive| directive.name).chain(KEYS.iter().map(|key| key.name));
        let meant = catalogue::nearest(name, words).map(|word| format!(": did you mean `{word}`?"));
        let meant = meant.unwrap_or_else(|| ": all codes are listed above".to_owned());
        return Err(Failure::impossible(format!("there is no code `{name}`{meant}")));
    }
    println!("{}", pages.join("\n\n"));
    Ok(())
}

/// Returns every page of this name.
fn pages(name: &str) -> Vec<String> {
    let code = name.parse().ok().map(code);
    let directive = DIRECTIVES.iter().find(|directive| directive.name == name).map(directive);
    let key = KEYS.iter().find(|key| key.name == name).map(key);
    [code, directive, key].into_iter().flatten().collect()
}

/// Returns the page of a code as plain text.
pub(super) fn plain(of: Code) -> String {
    strip_str(&code(of)).to_string()
}

/// Lists everything that has a page.
fn list() -> String {
    let mut text = format!("{BOLD}codes{BOLD:#}\n");
    let longest = Code::ALL.iter().map(|code| code.as_str().len()).max().unwrap_or_default();
    let mut line = |name: &str, what: &str| writeln!(text, "  {name:longest$}  {what}").expect("a text grows");
    Code::ALL.iter().for_each(|code| line(code.as_str(), code.summary()));
    text.push_str(&format!("\n{BOLD}directives, at the head of a script{BOLD:#}\n"));
    DIRECTIVES.iter().for_each(|directive| {
        writeln!(text, "  {:longest$}  -- lockgate: {}", directive.name, directive.example).expect("a text grows");
    });
    text.push_str(&format!("\n{BOLD}keys of {}{BOLD:#}\n", policy::FILE));
    KEYS.iter().for_each(|key| {
        writeln!(text, "  {:longest$}  {}", key.name, key.example.replace('\n', " ")).expect("a text grows");
    });
    text
}

fn code(code: Code) -> String {
    let mut text = format!("{BOLD}{code}{BOLD:#}\n\n{}", wrapped(&invocation::with_command_name(code.explanation())));
    if code.finder() == Finder::Check {
        let found = invocation::with_command_name("Found by `cargo xtask check`, and not by the compiler.");
        text.push_str(&format!("\n\n{found}"));
    }
    if let Some(example) = Example::find(code) {
        shown(&mut text, "wrong", &example.wrong());
        shown(&mut text, "right", &example.right());
    }
    text
}

fn directive(directive: &Directive) -> String {
    let doc = sentence(&invocation::with_command_name(directive.doc));
    format!(
        "{BOLD}{}{BOLD:#}, a directive at the head of a script\n\n{doc}\n\n    -- lockgate: {}",
        directive.name, directive.example
    )
}

fn key(key: &Key) -> String {
    let doc = sentence(&invocation::with_command_name(key.doc));
    let example = key.example.replace('\n', "\n    ");
    let more: String = key
        .more
        .iter()
        .map(|paragraph| format!("\n\n{}", wrapped(&invocation::with_command_name(paragraph))))
        .collect();
    format!(
        "{BOLD}{}{BOLD:#}, a key of {}\n\n{doc}\nWithout it: {}.\n\n    {example}{more}",
        key.name,
        policy::FILE,
        key.default
    )
}

fn shown(text: &mut String, title: &str, files: &[File]) {
    text.push_str(&format!("\n\n{BOLD}{title}{BOLD:#}"));
    for file in files {
        // `../` is the directory of the package.
        let path = file.path.strip_prefix("../").map_or_else(|| format!("migrations/{}", file.path), str::to_owned);
        text.push_str(&format!("\n  {path}{}", file.when.suffix()));
        file.text.lines().for_each(|line| text.push_str(&format!("\n      {line}")));
    }
}

/// Makes a sentence of a text of the tables, which have no capital and no full stop.
fn sentence(doc: &str) -> String {
    let mut characters = doc.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    wrapped(&format!("{first}{}.", characters.as_str()))
}

fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > WIDTH {
            out.push('\n');
            width = 0;
        } else if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_in_the_tables_has_a_page() {
        for code in Code::ALL {
            assert_eq!(pages(code.as_str()).len(), 1, "{code}");
        }
        for name in DIRECTIVES.iter().map(|directive| directive.name).chain(KEYS.iter().map(|key| key.name)) {
            assert!(!pages(name).is_empty(), "{name}");
        }
    }

    #[test]
    fn a_page_fits_the_width_of_a_screen() {
        let page = wrapped(&"word ".repeat(100));
        assert!(page.lines().all(|line| line.len() <= WIDTH) && page.lines().count() > 4, "{page}");
        assert_eq!(wrapped(""), "");
    }
}
