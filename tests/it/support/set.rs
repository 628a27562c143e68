//! Makes sets of migrations while a test runs, from files as a user would write them. The same code as in the macro
//! reads, checks and encodes them.

use std::fs;
use std::path::Path;

use lockgate::__private::RustStep;
use lockgate::{Databases, Migrations};
use lockgate_source::diagnostic::Color;
use lockgate_source::folder;

/// Makes the set of a folder with these files, each `(path below migrations/, text)`.
pub(crate) fn migrations(files: &[(&str, &str)]) -> &'static Migrations {
    with_steps(files, &[])
}

/// Makes the patches of each database in a folder with these files.
pub(crate) fn databases(files: &[(&str, &str)]) -> &'static Databases {
    let place = written(files);
    let folder = checked(place.path());
    let each = folder.each_database().expect("the names have databases");
    let set = |folder: &folder::Folder| folder.leak("tests 1.2.3");
    let each = each.iter().map(|one| (one.name.clone(), set(&one.bootstraps), set(&one.patches)));
    let mirror = folder.policy.mirror.clone().map(|mirror| &*mirror.leak());
    Box::leak(Box::new(Databases::leak(each).with_mirror(mirror)))
}

/// Like [`migrations`], with the functions of Rust steps.
pub(crate) fn with_steps(files: &[(&str, &str)], steps: &'static [RustStep]) -> &'static Migrations {
    let place = written(files);
    let set = checked(place.path()).leak("tests 1.2.3");
    Box::leak(Box::new(lockgate::__private::migrations(set, steps)))
}

/// Writes these files into a folder `migrations`.
fn written(files: &[(&str, &str)]) -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a folder for migrations");
    let root = place.path().join("migrations");
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("a folder in migrations");
        fs::write(path, text).expect("a migration file");
    }
    place
}

fn checked(place: &Path) -> folder::Folder {
    let loaded = folder::load(&place.join("migrations"), "migrations");
    let problems: Vec<String> = loaded.diagnostics.iter().map(|diagnostic| diagnostic.render(Color::Off)).collect();
    assert!(!loaded.has_errors(), "the migrations of this test have errors:\n{}", problems.join("\n"));
    loaded.folder
}
