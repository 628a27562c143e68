//! What the cases of `tests/refusals` show, all together.

use std::fs;
use std::path::{Path, PathBuf};

use lockgate_source::Code;
use lockgate_source::diagnostic::catalogue::Finder;

fn tests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the output of each case, by its name.
fn shown() -> Vec<(String, String)> {
    let mut shown = Vec::new();
    for entry in fs::read_dir(tests().join("refusals").join("ui")).expect("there are ui cases") {
        let path = entry.expect("the directory can be read").path();
        if path.extension().is_some_and(|extension| extension == "stderr") {
            let case = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
            shown.push((case, fs::read_to_string(&path).expect("what a case shows is text")));
        }
    }
    shown
}

#[test]
fn every_diagnostic_has_a_case_that_shows_it() {
    let shown = shown();
    // `tests/it/check.rs` shows the codes that the compiler does not find.
    let missing: Vec<Code> = Code::ALL
        .iter()
        .copied()
        .filter(|code| code.finder() == Finder::Compiler)
        .filter(|code| !shown.iter().any(|(_, text)| text.contains(&format!("error: [{code}] "))))
        .collect();
    assert!(missing.is_empty(), "{missing:?}: write a case for each in tests/refusals/ui");
}

#[test]
fn one_mistake_is_one_error_and_shows_no_path_of_this_machine() {
    let root = tests();
    let root = root.parent().expect("the tests are in a workspace").to_string_lossy();
    for (case, text) in shown() {
        assert!(!text.contains(root.as_ref()) && !text.contains("refusals"), "{case}: {text}");
        // A use of the value after the error must not give another error.
        assert!(!text.contains("E0"), "{case}: {text}");
        let folder = Path::new("ui").join(&case);
        let elsewhere = text.lines().filter(|line| line.trim_start().starts_with("--> "));
        for line in elsewhere {
            let place = line.trim_start().trim_start_matches("--> ");
            assert!(place.starts_with(&*folder.to_string_lossy()), "{case}: {line}");
        }
    }
}
