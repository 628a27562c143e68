//! Every code that the crate's own text gives to a diagnostic is in the catalogue, and no other;
//! and its example is one.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lockgate_source::Diagnostic;
use lockgate_source::diagnostic::catalogue::{CODES, Finder};
use lockgate_source::diagnostic::example::{EXAMPLES, File, When};

use crate::support::Project;

/// Codes that the text of a file cannot show, or not well.
const WITHOUT_EXAMPLE: [&str; 4] = ["not-parsed", "not-utf8", "nul-byte", "unreadable"];
/// Codes of the macro's argument and of the package, which the ui cases show.
const OF_THE_PACKAGE: [&str; 3] = ["no-such-folder", "not-a-folder", "undeclared-dialects"];

#[test]
fn the_catalogue_is_complete() {
    let mut used = BTreeSet::new();
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    codes(&here.join("src"), &mut used);
    codes(&here.join("../sql/src"), &mut used);
    let ours = CODES.iter().filter(|entry| entry.finder == Finder::Compiler);
    let listed: BTreeSet<String> = ours.map(|entry| entry.code.to_owned()).collect();
    assert_eq!(used, listed);
}

#[test]
fn every_code_has_an_example_that_shows_it() {
    assert!(EXAMPLES.is_sorted_by(|a, b| a.code < b.code));
    let codes: Vec<&str> = CODES.iter().map(|entry| entry.code).collect();
    let mut shown: Vec<&str> = EXAMPLES.iter().map(|example| example.code).collect();
    shown.extend(WITHOUT_EXAMPLE);
    shown.sort_unstable();
    assert_eq!(shown, codes);
    for example in EXAMPLES.iter().filter(|example| !OF_THE_PACKAGE.contains(&example.code)) {
        let wrong = found(&written(&example.wrong()));
        // What takes a database to find is shown by a real run of `check`.
        let finder = CODES.iter().find(|entry| entry.code == example.code).map(|entry| entry.finder);
        let is_found = wrong.iter().any(|diagnostic| diagnostic.code == example.code);
        assert_eq!(is_found, finder == Some(Finder::Compiler), "{}: {wrong:?}", example.code);
        let right = found(&written(&example.right()));
        assert!(right.is_empty(), "{}:\n{right:?}", example.code);
    }
}

/// What is wrong with a folder and with the tests of its migrations.
fn found(project: &Project) -> Vec<Diagnostic> {
    let loaded = project.load();
    let (_, of_tests) = loaded.folder.tests(loaded.folder.policy.dialects());
    loaded.diagnostics.into_iter().chain(of_tests).collect()
}

/// The folder of an example: first what was released, then what was drafted, then what it is now.
fn written(files: &[File]) -> Project {
    let project = Project::new(&[]);
    let at = |when: When| files.iter().filter(move |file| file.when == when);
    let write = |file: &File| project.write(file.path, format!("{}\n", file.text));
    at(When::Released).for_each(write);
    if at(When::Released).count() > 0 {
        project.freeze();
    }
    at(When::Drafted).for_each(write);
    if at(When::Drafted).count() > 0 {
        project.lock();
    }
    at(When::Now).for_each(write);
    at(When::Gone).for_each(|file| project.delete(file.path));
    project
}

/// What stands in quotation marks as the first argument of `error`, `warning` or `problem`, or as
/// the value of a `code`.
fn codes(directory: &Path, used: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes(&path, used);
        } else if !path.ends_with("catalogue.rs") && !path.ends_with("example.rs") && !path.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            let code_only: String = text.lines().filter(|line| !line.trim_start().starts_with("///")).collect();
            let words = code_only.split('"').collect::<Vec<_>>();
            for pair in words.windows(2) {
                let before = pair[0].trim_end();
                let introduces = ["error(", "warning(", "problem(", "report(", "code:", "=> ("]
                    .iter()
                    .any(|end| before.ends_with(end))
                    || before.rsplit_once("problem(").is_some_and(|(_, range)| range.ends_with(','));
                if introduces
                    && pair[1].bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte.is_ascii_digit())
                {
                    used.insert(pair[1].to_owned());
                }
            }
        }
    }
}
