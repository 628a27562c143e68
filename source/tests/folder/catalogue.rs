//! The example of each code shows what the code is about.

use lockgate_source::diagnostic::catalogue::Finder;
use lockgate_source::diagnostic::example::{EXAMPLES, File, When};
use lockgate_source::{Code, Diagnostic};

use crate::support::Project;

/// Codes that the text of a file cannot show, or not well.
const WITHOUT_EXAMPLE: [Code; 4] = [Code::NotParsed, Code::NotUtf8, Code::NulByte, Code::Unreadable];
/// Codes of the macro's argument and of the package, which the ui cases show.
const OF_THE_PACKAGE: [Code; 3] = [Code::NoSuchFolder, Code::NotAFolder, Code::UndeclaredDialects];

#[test]
fn every_code_has_an_example_that_shows_it() {
    assert!(EXAMPLES.is_sorted_by(|a, b| a.code < b.code));
    let mut shown: Vec<Code> = EXAMPLES.iter().map(|example| example.code).collect();
    shown.extend(WITHOUT_EXAMPLE);
    shown.sort_unstable();
    assert_eq!(shown, Code::ALL);
    for example in EXAMPLES.iter().filter(|example| !OF_THE_PACKAGE.contains(&example.code)) {
        let wrong = found(&written(&example.wrong()));
        // What takes a database to find is shown by a real run of `check`.
        let is_found = wrong.iter().any(|diagnostic| diagnostic.code == example.code);
        assert_eq!(is_found, example.code.finder() == Finder::Compiler, "{}: {wrong:?}", example.code);
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
