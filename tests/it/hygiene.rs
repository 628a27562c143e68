//! No file of the workspace contains unfinished code, machine paths or registry hosts.

use crate::support::tree::{files, says, text};

/// This file is excluded, as it names what it looks for.
const OURSELVES: &str = "tests/it/hygiene.rs";

fn found(is_in: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in files().iter().filter(|file| *file != OURSELVES) {
        let Some(text) = text(file) else { continue };
        for (number, line) in text.lines().enumerate() {
            if is_in(file, line) {
                found.push(format!("{file}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    found
}

#[test]
fn nothing_is_unfinished() {
    // The workspace's lints name the macros that they deny.
    let unfinished = ["todo!", "unimplemented!", "dbg!"];
    let found = found(|file, line| {
        file.ends_with(".rs")
            && (unfinished.iter().any(|word| says(line, &format!("{word}("))) || line.contains("#[ignore"))
    });
    assert!(found.is_empty(), "unfinished, or not run:\n{}", found.join("\n"));
}

#[test]
fn no_file_knows_a_machine() {
    let places = ["/home/", "/root/", "/work/", "/Users/"];
    // A package manager's path on any machine, and a made-up awkward name.
    let any_machine = ["/home/linuxbrew/", "/home/a@b:c@d/"];
    let found = found(|_, line| {
        places.iter().any(|place| {
            line.match_indices(place).any(|(start, _)| {
                if any_machine.iter().any(|known| line[start..].starts_with(known)) {
                    return false;
                }
                let before = line[..start].chars().next_back();
                // `$DIR/work/` and `fixtures/root/x` are relative, `"/root/x"` is not.
                before.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | ')' | '*')))
            })
        })
    });
    assert!(found.is_empty(), "paths of a machine:\n{}", found.join("\n"));
}

#[test]
fn no_file_names_the_host_of_a_registry() {
    let hosts = [
        "index.crates.io",
        "static.crates.io",
        "crates.io/api",
        "registry.npmjs.org",
        "pypi.org",
        "pythonhosted.org",
        "proxy.golang.org",
        "deb.debian.org",
        "replace-with",
    ];
    let found = found(|_, line| hosts.iter().any(|host| line.contains(host)));
    assert!(found.is_empty(), "registries are the package client's business:\n{}", found.join("\n"));
}

#[test]
fn every_rust_file_begins_by_saying_what_lives_in_it() {
    // Examples are written as a user would write them.
    let users = ["tests/refusals/", "tests/fixtures/", "migrations/", "examples/app/build.rs", "source/templates/"];
    let silent: Vec<_> = files()
        .iter()
        .filter(|file| file.ends_with(".rs") && !users.iter().any(|folder| file.starts_with(folder)))
        .filter(|file| !text(file).is_some_and(|text| text.starts_with("//!")))
        .collect();
    assert!(silent.is_empty(), "no `//!` line at the top: {silent:#?}");
}
