//! The compile errors of bad folders: one case for each diagnostic in `ui`, with its folder in `folders`.
//!
//! After an intended change of messages, run `TRYBUILD=overwrite cargo test -p lockgate-refusals`.

use std::fs;
use std::path::PathBuf;

/// The macro's paths are relative to its crate, and trybuild compiles the cases in its own crate. So the folders are linked
/// into that crate. If trybuild moves it one day, every case fails with `no-such-folder`.
fn link_folders() {
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().other_options(["--offline".to_owned()]).exec();
    let target = metadata.expect("cargo describes this workspace").target_directory.into_std_path_buf();
    let project = target.join("tests").join("trybuild").join(env!("CARGO_PKG_NAME"));
    fs::create_dir_all(&project).expect("the target directory can be written");
    let link = project.join("ui");
    let _ = fs::remove_file(&link);
    let folders = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("folders");
    #[cfg(unix)]
    std::os::unix::fs::symlink(folders, link).expect("the folders can be linked");
    #[cfg(windows)]
    std::os::windows::fs::symlink_dir(folders, link).expect("the folders can be linked");
    // The macro and all that it needs were built for the tests.
    #[cfg(unix)]
    let _ = std::os::unix::fs::symlink("../../debug", target.join("tests").join("trybuild").join("debug"));
}

#[test]
fn refusals_are_shown_with_place_and_way_out() {
    link_folders();
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/*.rs");
    // These cases are about the target of a verb, not about a folder.
    cases.compile_fail("ui-target/*.rs");
}
