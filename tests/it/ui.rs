//! The compile errors of bad folders: one case for each diagnostic in `tests/ui`, with its folder in `tests/fixtures/ui`.
//!
//! After an intended change of messages, run `TRYBUILD=overwrite cargo test -p lockgate-tests ui`.

use std::fs;
use std::path::{Path, PathBuf};

use lockgate_source::Code;
use lockgate_source::diagnostic::catalogue::Finder;

fn tests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The macro's paths are relative to its crate, and trybuild compiles the cases in its own crate. So the folders are linked
/// into that crate. If trybuild moves it one day, every case fails with `no-such-folder`.
fn link_folders() {
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().other_options(["--offline".to_owned()]).exec();
    let target = metadata.expect("cargo describes this workspace").target_directory;
    let project = target.into_std_path_buf().join("tests").join("trybuild").join(env!("CARGO_PKG_NAME"));
    fs::create_dir_all(&project).expect("the target directory can be written");
    let link = project.join("ui");
    let _ = fs::remove_file(&link);
    let folders = tests().join("fixtures").join("ui");
    #[cfg(unix)]
    std::os::unix::fs::symlink(folders, link).expect("the folders can be linked");
    #[cfg(windows)]
    std::os::windows::fs::symlink_dir(folders, link).expect("the folders can be linked");
}

#[test]
fn refusals_are_shown_with_place_and_way_out() {
    link_folders();
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/*.rs");
    // These cases are about the target of a verb, not about a folder.
    cases.compile_fail("ui-target/*.rs");
}

/// Returns the output of each case, by its name.
fn shown() -> Vec<(String, String)> {
    let mut shown = Vec::new();
    for entry in fs::read_dir(tests().join("ui")).expect("there are ui cases") {
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
    assert!(missing.is_empty(), "{missing:?}: write a case for each in tests/ui");
}

#[test]
fn one_mistake_is_one_error_and_shows_no_path_of_this_machine() {
    let root = tests();
    let root = root.parent().expect("the tests are in a workspace").to_string_lossy();
    for (case, text) in shown() {
        assert!(!text.contains(root.as_ref()) && !text.contains("fixtures"), "{case}: {text}");
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
