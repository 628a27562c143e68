//! Each pass over a folder takes work in proportion to it, whatever is wrong with all of its files. (Renaming 400
//! released files once took 41 seconds, and grew with the cube.) The work of four times as many files is counted:
//! the bytes that are read, and the time that the kernel has given this thread, whatever else the machine does.

use std::fs;

use lockgate_source::{lockfile, policy};

use crate::support::Project;

const FEW: usize = 500;
const TIMES: usize = 4;

/// What this thread has used: nanoseconds, and bytes read.
fn used() -> (u64, u64) {
    let number = |text: &str| text.parse().expect("Linux counts what a thread uses");
    let time = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let read = fs::read_to_string("/proc/thread-self/io").unwrap();
    let read = read.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap_or_default();
    (number(time.split(' ').next().unwrap_or_default()), number(read))
}

/// Loads the folder, and gives what that took. All of it is found with this code, so many times.
fn load(project: &Project, code: &str, wanted: usize) -> (u64, u64) {
    let before = used();
    let diagnostics = project.load().diagnostics;
    let after = used();
    assert_eq!(diagnostics.iter().filter(|diagnostic| diagnostic.code == code).count(), wanted, "{code}");
    (after.0 - before.0, after.1 - before.1)
}

/// Four times as many files take four times the work, or a little more, and by no means sixteen times as much.
fn grows(code: &str, wanted: impl Fn(usize) -> usize, project: impl Fn(usize) -> Project) {
    let (few, many) = (project(FEW), project(FEW * TIMES));
    let (time, read) = load(&few, code, wanted(FEW));
    let (more_time, more_read) = load(&many, code, wanted(FEW * TIMES));
    assert!(more_time < time * 10, "{code}: {time} ns, then {more_time} ns");
    assert!(more_read < read * 6, "{code}: {read} bytes, then {more_read}");
}

fn project(files: usize, name: impl Fn(usize) -> String, write: impl Fn(&Project)) -> Project {
    let files: Vec<(String, String)> = (1..=files).map(|n| (name(n), format!("SELECT {n};\n"))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let project = Project::new(&files);
    write(&project);
    project
}

/// A released folder, each of whose files gets another name.
fn renamed(files: usize, to: impl Fn(usize) -> String) -> Project {
    let project = project(files, |n| format!("{n:05}_a{n}.sql"), Project::freeze);
    (1..=files).for_each(|n| project.rename(&format!("{n:05}_a{n}.sql"), &to(n)));
    project
}

#[test]
fn all_released_files_renamed_renumbered_or_deleted() {
    grows("renamed", |files| files, |files| renamed(files, |n| format!("{n:05}_b{n}.sql")));
    grows("renamed", |files| files, |files| renamed(files, |n| format!("{:05}_a{n}.sql", n + files)));
    // Each a draft before what is released, and in another order.
    grows("renamed", |files| files, |files| renamed(files, |n| format!("{:05}_b{n}.sql", files + 1 - n)));
    let deleted = |files: usize| {
        let project = project(files, |n| format!("{n:05}_a{n}.sql"), Project::freeze);
        (1..=files).for_each(|n| project.delete(&format!("{n:05}_a{n}.sql")));
        project.write("00001_z.sql", "SELECT 0;\n");
        project
    };
    grows("deleted", |files| files - 1, deleted);
}

#[test]
fn all_files_without_a_line_or_a_way_up() {
    let optional = |project: &Project| {
        project.write(policy::FILE, "down = \"optional\"\n");
        project.write(lockfile::FILE, lockfile::Lockfile::default().render());
    };
    grows("down-without-up", |files| files, |files| project(files, |n| format!("{n:05}_a{n}.down.sql"), optional));
    grows("unlocked", |files| files, |files| project(files, |n| format!("{n:05}_a{n}.sql"), optional));
    grows("duplicate", |files| files / 2 - 1, |files| project(files, |n| format!("{:05}_a{n}.sql", n / 2), optional));
    grows("duplicate", |files| files - 1, |files| project(files, |n| format!("00001_a{n}.sql"), optional));
}
