//! Lockfiles in real merges, rebases and cherry-picks. Every problem afterwards is solved by typing what the
//! messages say, to the letter, until there is none.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::scratch::{Scratch, xtask};

/// Whether git merges the lockfile by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Driver {
    Lockgate,
    Text,
}

/// How the branch `theirs` comes to `main`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Merge,
    Rebase,
    CherryPick,
}

const EVERY: [(Driver, How); 6] = [
    (Driver::Lockgate, How::Merge),
    (Driver::Lockgate, How::Rebase),
    (Driver::Lockgate, How::CherryPick),
    (Driver::Text, How::Merge),
    (Driver::Text, How::Rebase),
    (Driver::Text, How::CherryPick),
];

/// Each driver and each kind of merge once, for tests that are about the lines.
const SOME: [(Driver, How); 3] =
    [(Driver::Lockgate, How::Rebase), (Driver::Text, How::Merge), (Driver::Text, How::CherryPick)];

/// A repository with a workspace whose developers have `cargo lockgate` installed.
struct Repository {
    scratch: Scratch,
}

impl Repository {
    /// With `0001_users` released.
    fn new(driver: Driver, policy: &str) -> Self {
        let repository = Self { scratch: Scratch::new() };
        repository.write("app/migrations/migrations.toml", policy);
        repository.types("git init --quiet --initial-branch=main");
        repository.types("cargo lockgate init --dialects sqlite");
        if driver == Driver::Text {
            repository.types("git config --unset merge.lockgate.driver");
        }
        repository
    }

    fn sequence(driver: Driver) -> Self {
        let repository = Self::new(driver, "dialects = [\"sqlite\"]\nnumbering = \"sequence\"\n");
        repository.add("0001_users");
        repository.types("cargo xtask freeze");
        repository.commit("users");
        repository
    }

    fn path(&self) -> &Path {
        // Scratch gives paths below its directory.
        Box::leak(self.scratch.path(".").into_boxed_path())
    }

    fn write(&self, path: &str, text: &str) {
        self.scratch.write(path, text);
    }

    /// A migration of this id, and its line.
    fn add(&self, id: &str) {
        let table = id.rsplit(['_', '.', ' ']).next().unwrap();
        self.write(&format!("app/migrations/{id}.up.sql"), &format!("CREATE TABLE {table} (x int);\n"));
        self.write(&format!("app/migrations/{id}.down.sql"), &format!("DROP TABLE {table};\n"));
        self.runs("cargo xtask check --write");
    }

    fn commit(&self, message: &str) {
        self.types(&format!("git add --all && git commit --quiet --message '{message}'"));
    }

    /// Runs this in a shell, from the top of the workspace.
    fn runs(&self, line: &str) -> (bool, String) {
        let programs = xtask().parent().unwrap().to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([programs].into_iter().chain(std::env::split_paths(&path))).unwrap();
        let output = Command::new("sh")
            .args(["-c", line])
            .current_dir(self.path())
            .env("PATH", path)
            .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_EDITOR", "true")])
            .envs([("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@b.c")])
            .envs([("GIT_COMMITTER_NAME", "a"), ("GIT_COMMITTER_EMAIL", "a@b.c")])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.success(), text)
    }

    #[track_caller]
    fn types(&self, line: &str) -> String {
        let (succeeds, output) = self.runs(line);
        assert!(succeeds, "{line}\n{output}");
        output
    }

    /// Starts both branches at the current commit, and brings `theirs` to `main`. Returns whether git succeeded.
    fn branches(&self, ours: impl Fn(&Self), theirs: impl Fn(&Self), how: How) -> bool {
        self.types("git checkout --quiet -b theirs");
        theirs(self);
        self.commit("theirs");
        self.types("git checkout --quiet main");
        ours(self);
        self.commit("ours");
        let (done, output) = match how {
            How::Merge => self.runs("git merge --quiet --no-edit theirs"),
            How::Rebase => self.runs("git checkout --quiet theirs && git rebase --quiet main"),
            How::CherryPick => self.runs("git cherry-pick theirs"),
        };
        assert!(done || output.contains("CONFLICT"), "{output}");
        done
    }

    /// Types what the first message says, until there is none. Returns what was typed.
    #[track_caller]
    fn follow(&self) -> Vec<String> {
        let mut typed: Vec<String> = Vec::new();
        loop {
            let (is_clean, output) = self.runs("cargo xtask check --no-replay");
            if is_clean {
                return typed;
            }
            let help = output.lines().find(|line| line.contains("= help: ") && line.contains("`cargo xtask "));
            let help = help.unwrap_or_else(|| panic!("nothing to type: {output}"));
            let command = help.split('`').find(|words| words.starts_with("cargo xtask ")).unwrap().to_owned();
            assert!(!typed.contains(&command), "{command} was typed already: {typed:?}\n{output}");
            let (_, answer) = self.runs(&command);
            assert!(!answer.contains("nothing was"), "{command}\n{answer}");
            typed.push(command);
        }
    }

    /// Commits the merge with all changes, and returns the lines of the lockfile.
    fn end(&self, how: How) -> Vec<String> {
        self.types("git add --all");
        match how {
            How::Merge => self.runs("git commit --quiet --no-edit"),
            How::Rebase => self.runs("git rebase --continue"),
            How::CherryPick => self.runs("git cherry-pick --continue"),
        };
        self.runs("git commit --quiet --all --message 'renumbered'");
        assert_eq!(self.types("git status --porcelain"), "");
        self.types("cargo xtask check");
        let text = self.scratch.read("app/migrations/migrations.lock");
        text.lines().skip(2).map(|line| line.split(" up=").next().unwrap().to_owned()).collect()
    }

    fn files(&self) -> Vec<String> {
        let files = fs::read_dir(self.path().join("app/migrations")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(".up.sql")).collect();
        names.sort();
        names
    }
}

#[test]
fn both_add_a_draft_of_one_number() {
    for (driver, how) in EVERY {
        let repository = Repository::sequence(driver);
        let merged = repository.branches(|here| here.add("0002_tags"), |here| here.add("0002_books"), how);
        assert_eq!(merged, driver == Driver::Lockgate, "{how:?}");
        let typed = repository.follow();
        assert_eq!(typed, ["cargo xtask renumber 0002_tags"], "{driver:?} {how:?}");
        let lines = repository.end(how);
        assert_eq!(lines, ["frozen 0001_users", "draft 0002_books", "draft 0003_tags"], "{driver:?} {how:?}");
        assert_eq!(repository.files(), ["0001_users.up.sql", "0002_books.up.sql", "0003_tags.up.sql"]);
    }
}

#[test]
fn one_freezes_and_the_other_adds_two_drafts() {
    for (driver, how) in SOME {
        let repository = Repository::sequence(driver);
        let ours = |here: &Repository| {
            here.add("0002_tags");
            here.types("cargo xtask freeze");
        };
        let theirs = |here: &Repository| {
            here.add("0002_books");
            here.add("0003_pages");
        };
        assert_eq!(repository.branches(ours, theirs, how), driver == Driver::Lockgate, "{how:?}");
        repository.follow();
        let lines = repository.end(how);
        let wanted = ["frozen 0001_users", "frozen 0002_tags", "draft 0003_pages", "draft 0004_books"];
        assert_eq!(lines, wanted, "{driver:?} {how:?}");
    }
}

/// Both branches released a migration with one number. Only a person knows which one databases have, so the message has
/// both ways.
#[test]
fn both_freeze() {
    for (driver, how) in SOME {
        let repository = Repository::sequence(driver);
        let frozen = |id: &'static str| {
            move |here: &Repository| {
                here.add(id);
                here.types("cargo xtask freeze");
            }
        };
        assert_eq!(repository.branches(frozen("0002_tags"), frozen("0002_books"), how), driver == Driver::Lockgate);
        let typed = repository.follow();
        assert_eq!(typed.last().unwrap(), "cargo xtask renumber 0002_books --thaw", "{driver:?} {how:?}");
        let lines = repository.end(how);
        assert_eq!(lines, ["frozen 0001_users", "frozen 0002_tags", "draft 0003_books"], "{driver:?} {how:?}");
    }
}

#[test]
fn one_renumbers() {
    for (driver, how) in SOME {
        let repository = Repository::new(driver, "dialects = [\"sqlite\"]\nnumbering = \"any\"\n");
        repository.add("0001_users");
        repository.types("cargo xtask freeze");
        repository.add("0002_tags");
        repository.add("0004_books");
        repository.commit("drafts");
        let ours = |here: &Repository| drop(here.types("cargo xtask renumber 0002_tags"));
        assert_eq!(repository.branches(ours, |here| here.add("0006_pages"), how), driver == Driver::Lockgate);
        repository.follow();
        let lines = repository.end(how);
        let wanted = ["frozen 0001_users", "draft 0004_books", "draft 0005_tags", "draft 0006_pages"];
        assert_eq!(lines, wanted, "{driver:?} {how:?}");
    }
}

/// A migration that is released in one branch and a draft in the other is released, with the text of its release.
#[test]
fn both_have_the_draft_and_one_freezes_it() {
    for (driver, how) in SOME {
        let repository = Repository::sequence(driver);
        repository.add("0002_tags");
        repository.commit("tags");
        let ours = |here: &Repository| drop(here.types("cargo xtask freeze"));
        assert_eq!(repository.branches(ours, |here| here.add("0003_books"), how), driver == Driver::Lockgate);
        repository.follow();
        let lines = repository.end(how);
        assert_eq!(lines, ["frozen 0001_users", "frozen 0002_tags", "draft 0003_books"], "{driver:?} {how:?}");
    }
}

#[test]
fn one_amends_and_the_other_adds() {
    for (driver, how) in SOME {
        let repository = Repository::sequence(driver);
        let ours = |here: &Repository| {
            here.write("app/migrations/0001_users.up.sql", "CREATE TABLE users (y int);\n");
            here.types("cargo xtask amend 0001 --reason 'x is no column'");
        };
        assert_eq!(repository.branches(ours, |here| here.add("0002_books"), how), driver == Driver::Lockgate);
        repository.follow();
        let lines = repository.end(how);
        assert_eq!(lines, ["frozen 0001_users", "amended 0001_users", "draft 0002_books"], "{driver:?} {how:?}");
    }
}

#[test]
fn patches_of_two_branches() {
    for (driver, how) in SOME {
        let repository = Repository::new(driver, "dialects = [\"sqlite\"]\nnumbering = \"encoded\"\n");
        repository.add("shop.00000001.0001.owner.users");
        repository.types("cargo xtask freeze");
        repository.commit("users");
        let ours = |here: &Repository| {
            here.add("shop.00000001.0002.owner.tags");
            here.add("stock.00000001.0001.owner.parts");
        };
        let theirs = |here: &Repository| {
            here.add("shop.00000001.0002.other.more books");
            here.types("cargo xtask freeze");
        };
        assert_eq!(repository.branches(ours, theirs, how), driver == Driver::Lockgate, "{how:?}");
        repository.follow();
        let lines = repository.end(how);
        let wanted = [
            "frozen shop.00000001.0001.owner.users",
            "frozen shop.00000001.0002.other.more books",
            "draft shop.00000001.0003.owner.tags",
            "draft stock.00000001.0001.owner.parts",
        ];
        assert_eq!(lines, wanted, "{driver:?} {how:?}");
    }
}

/// If the driver cannot run, git merges as usual, and nothing is lost.
#[test]
fn a_driver_that_cannot_run_loses_nothing() {
    let repository = Repository::sequence(Driver::Lockgate);
    let driver = repository.types("git config merge.lockgate.driver");
    let driver = driver.trim().replace("cargo lockgate", "cargo-not-installed");
    repository.types(&format!("git config merge.lockgate.driver '{driver}'"));
    assert!(!repository.branches(|here| here.add("0002_tags"), |here| here.add("0002_books"), How::Merge));
    let text = repository.scratch.read("app/migrations/migrations.lock");
    assert!(text.contains("<<<<<<< ours\n") && text.contains(">>>>>>> theirs\n"), "{text}");
    let (_, output) = repository.runs("cargo xtask check --write");
    let written =
        "app/migrations/migrations.lock has the lines of both branches: run `git add app/migrations/migrations.lock`";
    assert!(output.contains(written) && !output.contains("merge-conflict"), "{output}");
    assert_eq!(repository.follow(), ["cargo xtask renumber 0002_tags"]);
    assert_eq!(repository.end(How::Merge), ["frozen 0001_users", "draft 0002_books", "draft 0003_tags"]);
}

/// Two branches froze one migration with two texts: git stops, and the message names it.
#[test]
fn a_migration_that_both_froze_differently_is_for_a_person() {
    for driver in [Driver::Lockgate, Driver::Text] {
        let repository = Repository::sequence(driver);
        let frozen = |text: &'static str| {
            move |here: &Repository| {
                here.add("0002_tags");
                here.write("app/migrations/0002_tags.up.sql", text);
                here.types("cargo xtask freeze");
            }
        };
        let [ours, theirs] = ["CREATE TABLE tags (x int);\n", "CREATE TABLE tags (y int);\n"];
        assert!(!repository.branches(frozen(ours), frozen(theirs), How::Merge));
        repository.types("git checkout --ours app/migrations/0002_tags.up.sql");
        let (_, output) = repository.runs("cargo xtask check");
        assert!(output.contains("error[merge-conflict]: `0002_tags` is frozen with two texts: `up=v1:"), "{output}");
        let (_, refused) = repository.runs("cargo xtask freeze");
        assert!(refused.contains("cannot be read, so nothing was written"), "{refused}");
        // Remove one of the two lines, as the message says.
        let text = repository.scratch.read("app/migrations/migrations.lock");
        let last = text.lines().rfind(|line| line.starts_with("frozen 0002_tags")).unwrap();
        repository.write("app/migrations/migrations.lock", &text.replace(&format!("{last}\n"), ""));
        repository.follow();
        assert_eq!(repository.end(How::Merge), ["frozen 0001_users", "frozen 0002_tags"]);
    }
}

/// Git configures the driver per clone, and says nothing if it is missing.
#[test]
fn a_clone_without_the_merge_driver_gets_a_note() {
    let repository = Repository::sequence(Driver::Text);
    let output = repository.types("cargo xtask check");
    let note = "note: app/migrations/.gitattributes makes git merge migrations.lock with the driver `lockgate`, which this \
                clone lacks: run `cargo xtask init`\n";
    assert!(output.contains(note), "{output}");
    let before = repository.types("git status --porcelain");
    let output = repository.types("cargo xtask init");
    assert!(output.contains("set     git config merge.lockgate.driver, in this clone\n"), "{output}");
    assert_eq!(repository.types("git status --porcelain"), before);
    let output = repository.types("cargo xtask check");
    assert!(!output.contains("note:"), "{output}");
    let output = repository.types("cargo xtask init");
    assert!(output.contains("kept    git config merge.lockgate.driver\n"), "{output}");
}
