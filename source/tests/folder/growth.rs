//! Each pass over a folder takes time in proportion to it, whatever is wrong with all of its files: what compares
//! each with each would take hours here. (Renaming 400 released files once took 41 seconds, and grew with the cube.)

use lockgate_source::{Diagnostic, lockfile, policy};

use crate::support::Project;

const FILES: usize = 2_000;

fn names(say: impl Fn(usize) -> String) -> Vec<(String, String)> {
    (1..=FILES).map(|n| (say(n), format!("SELECT {n};\n"))).collect()
}

fn project(files: &[(String, String)], write: impl Fn(&Project)) -> Project {
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let project = Project::new(&files);
    write(&project);
    project
}

fn codes(project: &Project, code: &str) -> usize {
    let diagnostics: Vec<Diagnostic> = project.load().diagnostics;
    diagnostics.iter().filter(|diagnostic| diagnostic.code == code).count()
}

/// Another name for each file of a released folder.
fn rename(project: &Project, to: impl Fn(usize) -> String) {
    (1..=FILES).for_each(|n| project.rename(&format!("{n:05}_a{n}.sql"), &to(n)));
}

fn released() -> Project {
    project(&names(|n| format!("{n:05}_a{n}.sql")), Project::freeze)
}

#[test]
fn all_released_files_renamed_renumbered_or_deleted() {
    let project = released();
    rename(&project, |n| format!("{n:05}_b{n}.sql"));
    assert_eq!(codes(&project, "renamed"), FILES);

    let project = released();
    rename(&project, |n| format!("{:05}_a{n}.sql", n + FILES));
    assert_eq!(codes(&project, "renamed"), FILES);

    // Each a draft before what is released, and in another order.
    let project = released();
    rename(&project, |n| format!("{:05}_b{n}.sql", FILES + 1 - n));
    assert_eq!(codes(&project, "renamed"), FILES);

    let project = released();
    (1..=FILES).for_each(|n| project.delete(&format!("{n:05}_a{n}.sql")));
    project.write("00001_z.sql", "SELECT 0;\n");
    assert_eq!(codes(&project, "deleted"), FILES - 1);
}

#[test]
fn all_files_without_a_line_or_a_way_up() {
    let optional = |project: &Project| {
        project.write(policy::FILE, "down = \"optional\"\n");
        project.write(lockfile::FILE, lockfile::Lockfile::default().render());
    };
    let alone = project(&names(|n| format!("{n:05}_a{n}.down.sql")), optional);
    assert_eq!(codes(&alone, "down-without-up"), FILES);
    let unlocked = project(&names(|n| format!("{n:05}_a{n}.sql")), optional);
    assert_eq!(codes(&unlocked, "unlocked"), FILES);
    let twice = project(&names(|n| format!("{:05}_a{n}.sql", n / 2)), optional);
    assert_eq!(codes(&twice, "duplicate"), FILES / 2 - 1);
    let one = project(&names(|n| format!("00001_a{n}.sql")), optional);
    assert_eq!(codes(&one, "duplicate"), FILES - 1);
}
