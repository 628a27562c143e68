//! The paths, crates and commands that the pages at the root name exist.

use std::path::Path;

use crate::support::tree::{code, files, root, rust_files, text};

fn page(file: &str) -> String {
    text(file).unwrap_or_else(|| panic!("{file} is not text"))
}

/// Returns the words in backticks in a line.
fn quoted(page: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    page.lines()
        .filter(move |line| {
            let fence = line.trim_start().starts_with("```");
            fenced ^= fence;
            !fence && !fenced
        })
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The lines of the blocks between fences.
fn fenced(page: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    page.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fence && fenced
    })
}

#[test]
fn every_path_in_architecture_exists() {
    let decisions = page("DECISIONS.md");
    let page = page("ARCHITECTURE.md");
    let looks_like_a_path = |words: &&str| {
        words.contains('/')
            && !words.starts_with(['/', '-'])
            && words.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
    };
    let mut paths: Vec<_> = quoted(&page).filter(looks_like_a_path).collect();
    assert!(paths.len() > 20, "the page has lost its map: {paths:?}");
    paths.extend(quoted(&decisions).filter(looks_like_a_path));
    let missing: Vec<_> = paths.into_iter().filter(|path| !root().join(path).exists()).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md or DECISIONS.md names what is not there: {missing:#?}");
}

/// A merge may bring back a row that somebody had made longer.
#[test]
fn the_map_has_each_file_once() {
    let page = page("ARCHITECTURE.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let first_cells = rows.filter_map(|row| row.split(" | ").next());
    let mut paths: Vec<&str> = first_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    paths.sort_unstable();
    let twice: Vec<_> = paths.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    assert!(twice.is_empty(), "ARCHITECTURE.md has rows twice: keep the fuller one of {twice:?}");
}

#[test]
fn architecture_is_short_and_names_every_crate() {
    let page = page("ARCHITECTURE.md");
    let lines = page.lines().count();
    assert!(lines <= 250, "ARCHITECTURE.md has {lines} lines: 250 are what one reads");
    let names = packages().into_iter().map(|(name, _)| name);
    let missing: Vec<_> = names.filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md does not name {missing:?}");
}

#[test]
fn links_between_pages_lead_somewhere() {
    for file in files().iter().filter(|file| file.ends_with(".md")) {
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        let page = page(file);
        for link in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.contains(' ') {
                continue;
            }
            assert!(root().join(folder).join(target).exists(), "{file} leads to `{link}`, which is not there");
        }
    }
}

/// In the documentation of the library, a link between two pages of the guide leads to the other chapter.
#[test]
fn every_page_of_the_guide_is_a_chapter_and_every_link_between_them_leads_there() {
    let chapters = page("runtime/src/guide.rs");
    let mut labels = 0;
    for file in files().iter().filter(|file| file.starts_with("guide/") && file.ends_with(".md")) {
        let name = file.trim_start_matches("guide/");
        let is_chapter = name == "README.md" || chapters.contains(&format!("\"{}\"", name.trim_end_matches(".md")));
        assert!(is_chapter, "{file} is no chapter of runtime/src/guide.rs");
        for line in page(file).lines() {
            let Some((label, target)) = line.strip_prefix('[').and_then(|line| line.split_once("]: ")) else {
                continue;
            };
            // Other targets are the same wherever the page is read.
            if target.split('#').next().is_some_and(|page| page.ends_with(".md") && !page.contains('/')) {
                labels += 1;
                let leads = chapters.contains(&format!("[{label}]: crate::guide::"));
                assert!(leads, "{file} leads to [{label}], for which runtime/src/guide.rs has no chapter");
            }
        }
    }
    assert!(labels > 50, "{labels} links");
}

#[test]
fn every_command_in_the_pages_exists() {
    let (packages, verbs) = (packages(), verbs());
    let mut seen = 0;
    let chapters = files().iter().map(String::as_str).filter(|file| file.starts_with("guide/"));
    for file in ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "ARCHITECTURE.md", "benches/README.md"]
        .into_iter()
        .chain(chapters)
    {
        let page = page(file);
        for command in fenced(&page).map(str::trim).chain(quoted(&page)) {
            let Some(arguments) = command.strip_prefix("cargo ") else { continue };
            let words: Vec<_> = arguments.split_whitespace().collect();
            seen += 1;
            let is_known = match words.as_slice() {
                ["xtask", verb, ..] => verbs.iter().any(|known| known == verb),
                ["run", "--", ..] => true,
                ["run", rest @ ..] => runs(rest, &packages),
                ["xtask"] => true,
                ["lockgate", verb, ..] => verbs.iter().any(|known| known == verb),
                ["lockgate"] | ["new", ..] | ["install", "--path" | "lockgate-xtask" | "cargo-mutants", ..] => true,
                [verb, ..] => {
                    ["add", "bench", "build", "check", "clippy", "doc", "fmt", "mutants", "nextest", "test", "tree"]
                        .contains(verb)
                }
                [] => false,
            };
            assert!(is_known, "{file} says `{command}`, which cannot be run");
        }
    }
    assert!(seen > 5, "the pages have lost their commands");
}

/// Whether the package is there and has a program, and that knows its first word.
fn runs(words: &[&str], packages: &[(String, String)]) -> bool {
    let named = words.iter().position(|word| matches!(*word, "-p" | "--package"));
    let Some(name) = named.and_then(|at| words.get(at + 1)) else { return words.contains(&"--manifest-path") };
    let Some((_, folder)) = packages.iter().find(|(known, _)| known == name) else { return false };
    let has_program = rust_files(folder).any(|file| file.ends_with("/main.rs") || file.contains("/bin/"));
    let verb = words.iter().position(|word| *word == "--").and_then(|at| words.get(at + 1));
    has_program
        && verb.is_none_or(|verb| {
            let variant: String = verb.split('-').map(capital).collect();
            verb.starts_with('-')
                || root().join(format!("cli/src/verb/{}.rs", verb.replace('-', "_"))).exists()
                || rust_files(folder).any(|file| code(file).contains(&variant))
        })
}

fn capital(word: &str) -> String {
    let (first, rest) = word.split_at(1.min(word.len()));
    first.to_uppercase() + rest
}

/// The names of the workspace's packages and their folders.
fn packages() -> Vec<(String, String)> {
    let manifest = page("Cargo.toml");
    let members = manifest.split("members = [").nth(1).and_then(|rest| rest.split(']').next()).unwrap_or_default();
    let folders = members.split('"').skip(1).step_by(2);
    let named = folders.map(|folder| {
        let manifest = page(&format!("{folder}/Cargo.toml"));
        let name = manifest.split("name = \"").nth(1).and_then(|rest| rest.split('"').next());
        (name.expect("a package has a name").to_owned(), folder.to_owned())
    });
    named.collect()
}

/// The commands of the xtask: one file or folder each.
fn verbs() -> Vec<String> {
    // Those of every project, and those of this one.
    let of_all = rust_files("xtask/src/command").filter_map(|file| file.strip_prefix("xtask/src/command/"));
    let of_ours = rust_files("lab/src").filter_map(|file| file.strip_prefix("lab/src/"));
    let mut verbs: Vec<String> = of_all
        .chain(of_ours)
        .map(|file| file.split('/').next().unwrap_or(file).trim_end_matches(".rs").replace('_', "-"))
        .filter(|verb| verb != "mod")
        .collect();
    verbs.dedup();
    verbs
}
