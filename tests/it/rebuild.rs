//! When cargo rebuilds a crate that embeds migrations: real builds of crates in temporary directories. They share a target
//! directory, so that dependencies are built once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, SystemTime};

use lockgate_source::folder;
use tempfile::TempDir;

use crate::support::nested;

const A: &str = "CREATE TABLE a (id BIGINT PRIMARY KEY);\n";
const B: &str = "CREATE TABLE b (id BIGINT PRIMARY KEY);\n";

/// A crate that prints the migrations which it embeds, one a line: path and text.
struct Crate {
    directory: TempDir,
    /// The name of the package. It is unique, because tests run at the same time and cargo keeps builds by this name.
    name: String,
}

impl Crate {
    fn new() -> Self {
        let test = std::thread::current();
        let name = test.name().and_then(|name| name.rsplit("::").next()).unwrap_or("scratch").to_owned();
        let scratch = Self { directory: tempfile::tempdir().expect("there is a temporary directory"), name };
        let root = root();
        scratch.write(
            "Cargo.toml",
            &format!(
                "[package]\nname = {:?}\nversion = \"1.2.3\"\nedition = \"2024\"\n\n[workspace]\n\n\
                 [dependencies]\nlockgate = {{ path = {:?} }}\n\n\
                 [build-dependencies]\nlockgate-build = {{ path = {:?} }}\n",
                scratch.name,
                root.join("runtime"),
                root.join("build"),
            ),
        );
        fs::copy(root.join("Cargo.lock"), scratch.path("Cargo.lock")).expect("the workspace has a Cargo.lock");
        scratch.write(
            "src/main.rs",
            "static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!();\n\n\
             fn main() {\n    for migration in MIGRATIONS.iter() {\n        \
             println!(\"{} {:?}\", migration.up().path(), migration.up().body());\n    }\n}\n",
        );
        scratch.write("migrations/0001_a.sql", A);
        scratch
    }

    /// With a build script that watches the folder.
    fn watched() -> Self {
        let scratch = Self::new();
        scratch.built_by("lockgate_build::watch();");
        scratch
    }

    /// With a build script that contains this line, which needs a feature of `lockgate-build`.
    fn asking(feature: &str, calls: &str) -> Self {
        let scratch = Self::new();
        let manifest = fs::read_to_string(scratch.path("Cargo.toml")).expect("it was just written");
        let build = format!("{:?} }}", root().join("build"));
        let with = format!("{:?}, features = [{feature:?}] }}", root().join("build"));
        scratch.write("Cargo.toml", &manifest.replace(&build, &with));
        scratch.built_by(calls);
        scratch
    }

    fn built_by(&self, calls: &str) {
        self.write("build.rs", &format!("fn main() {{\n    {calls}\n}}\n"));
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.path(path);
        fs::create_dir_all(file.parent().expect("a file is in a directory")).expect("a directory can be made");
        fs::write(file, text).expect("a file can be written");
    }

    /// Writes the lockfile as `cargo xtask new-migration` does.
    fn lock(&self) {
        let folder = folder::load(&self.path("migrations"), "migrations").folder;
        let lockfile = folder::with_drafts(&folder, folder.lockfile.as_ref());
        self.write("migrations/migrations.lock", &lockfile.render());
    }

    fn cargo(&self, arguments: &[&str]) -> Output {
        let mut command = nested::cargo();
        command
            .args(arguments)
            .args(["--offline", "--manifest-path"])
            .arg(self.path("Cargo.toml"))
            // Not the crate's directory: nothing may depend on where cargo is started.
            .current_dir(std::env::temp_dir());
        command.output().expect("cargo can be started")
    }

    /// Builds and runs the program, and returns its output.
    #[track_caller]
    fn run(&self) -> String {
        let output = self.cargo(&["run", "--quiet"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.text(&output.stdout)
    }

    /// The paths of the embedded migrations after a build.
    #[track_caller]
    fn embedded(&self) -> Vec<String> {
        self.run().lines().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
    }

    /// Returns the compiler's output.
    fn says(&self) -> String {
        self.text(&self.cargo(&["build"]).stderr)
    }

    /// Returns the output of a build that must succeed, or fail.
    #[track_caller]
    fn build(&self, succeeds: bool) -> String {
        let output = self.cargo(&["build"]);
        let message = self.text(&output.stderr);
        assert_eq!(output.status.success(), succeeds, "{message}");
        message
    }

    /// Returns output with the name of the package replaced by `scratch`.
    fn text(&self, output: &[u8]) -> String {
        String::from_utf8_lossy(output).replace(&self.name, "scratch")
    }
}

/// Gives a file another text and the time of a change long before the build, as `cp -p` does.
fn replace_by_an_older_one(path: &Path, text: &str) {
    fs::write(path, text).expect("a file can be written");
    set_time(path, SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000));
}

fn set_time(path: &Path, time: SystemTime) {
    let file = fs::File::options().write(true).open(path).expect("a file can be opened");
    file.set_modified(time).expect("a file can be given a time");
}

/// Counts how often the output contains this text.
fn count(output: &str, words: &str) -> usize {
    output.matches(words).count()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are in a workspace")
}

/// Cargo compares times and never contents, for a build script too. The documentation says so, and says what
/// to type. If cargo improves, this test fails, because the documentation is out of date.
#[test]
fn a_file_replaced_by_an_older_one_is_built_once_it_is_touched() {
    for calls in ["", "lockgate_build::watch();"] {
        let scratch = Crate::new();
        if !calls.is_empty() {
            scratch.built_by(calls);
        }
        let file = scratch.path("migrations/0001_a.sql");
        assert!(scratch.run().contains("CREATE TABLE a"));
        replace_by_an_older_one(&file, B);
        assert!(scratch.run().contains("CREATE TABLE a"), "cargo compares contents now");
        set_time(&file, SystemTime::now());
        assert!(scratch.run().contains("CREATE TABLE b"));
    }
}

#[test]
fn watched_a_new_a_deleted_and_a_moved_file_build_again() {
    let scratch = Crate::watched();
    assert_eq!(scratch.embedded(), ["migrations/0001_a.sql"]);

    scratch.write("migrations/0002_b.sql", B);
    assert_eq!(scratch.embedded(), ["migrations/0001_a.sql", "migrations/0002_b.sql"]);

    // Files from a version control system or an archive have such times.
    scratch.write("migrations/2026/0003_c.sql", A);
    replace_by_an_older_one(&scratch.path("migrations/2026/0003_c.sql"), A);
    assert_eq!(scratch.embedded().last().map(String::as_str), Some("migrations/2026/0003_c.sql"));

    fs::rename(scratch.path("migrations/2026/0003_c.sql"), scratch.path("migrations/0003_c.sql"))
        .expect("a file can be moved");
    assert_eq!(scratch.embedded().last().map(String::as_str), Some("migrations/0003_c.sql"));

    fs::remove_file(scratch.path("migrations/0003_c.sql")).expect("a file can be deleted");
    assert_eq!(scratch.embedded(), ["migrations/0001_a.sql", "migrations/0002_b.sql"]);

    // And nothing is built where nothing changed.
    assert!(!scratch.says().contains("Compiling"), "{}", scratch.says());
}

#[test]
fn unwatched_what_the_xtask_makes_builds_again_through_the_lockfile() {
    let scratch = Crate::new();
    scratch.lock();
    assert_eq!(scratch.embedded(), ["migrations/0001_a.sql"]);
    scratch.write("migrations/0002_b.sql", B);
    scratch.lock();
    assert_eq!(scratch.embedded(), ["migrations/0001_a.sql", "migrations/0002_b.sql"]);
    assert!(!scratch.says().contains("Compiling"), "{}", scratch.says());
}

#[test]
fn edits_build_again_with_and_without_a_build_script() {
    for scratch in [Crate::watched(), Crate::new()] {
        scratch.write("migrations/migrations.toml", "down = \"optional\"\n");
        assert!(scratch.run().contains("TABLE a "));
        scratch.write("migrations/0001_a.sql", B);
        assert!(scratch.run().contains("TABLE b "));
        scratch.write("migrations/migrations.toml", "down = \"required\"\n");
        let output = scratch.says();
        assert!(output.contains("error: [missing-down] `0001_a` has no down script"), "{output}");
        assert!(output.contains("--> migrations/0001_a.sql:1:1"), "{output}");
        scratch.write("migrations/migrations.toml", "down = \"optional\"\n");
        assert!(scratch.run().contains("TABLE b "));
    }
}

#[test]
fn warnings_are_shown_whole_and_do_not_stop_the_build() {
    let scratch = Crate::new();
    scratch.write("migrations/0002_b.sql", "-- why\n-- no-transaction\nVALUES (1);\n");
    let output = scratch.says();
    assert!(output.contains("[misplaced-directive] `-- no-transaction` has no effect here"), "{output}");
    assert!(output.contains("--> migrations/0002_b.sql:2:4") && output.contains("^^^^^^^^^^^^^^"), "{output}");
    assert!(output.contains("= help: write `-- lockgate: no-transaction`"), "{output}");
    assert_eq!(scratch.embedded().len(), 2);
}

#[test]
fn a_call_works_in_a_static_a_constant_a_function_and_under_another_name() {
    let scratch = Crate::new();
    let manifest = fs::read_to_string(scratch.path("Cargo.toml")).expect("it was just written");
    scratch.write("Cargo.toml", &manifest.replace("\nlockgate = { ", "\nother = { package = \"lockgate\", "));
    scratch.write("empty/.gitkeep", "");
    scratch.write("db/crlf/0001_a.sql", "\u{feff}SELECT 1;\r\n");
    scratch.write(
        "migrations/0002_step.rs",
        "//! A step with helpers of its own.\nuse other::{StepResult, Transaction};\n\n\
         pub async fn up(tx: &mut Transaction<'_>) -> Result<(), std::num::ParseIntError> {\n    \
         let _ = (tx, \"1\".parse::<i32>()?);\n    helper();\n    Ok(())\n}\n\n\
         pub async fn down(_: &mut Transaction<'_>) -> StepResult {\n    Ok(())\n}\n\nfn helper() {}\n",
    );
    scratch.write(
        "src/main.rs",
        "#![deny(warnings, missing_docs, unreachable_pub)]\n//! Calls.\n\
         use other::{Migrations, embed_migrations};\n\n\
         static A: Migrations = embed_migrations!(\"./migrations/\", crate = ::other);\n\
         const B: Migrations = embed_migrations!(\"empty\", crate = other,);\n\n\
         fn main() {\n    let c = embed_migrations!(r\"db/crlf\", crate = ::other);\n    \
         println!(\"{:?} {:?} {:?}\", A, B, c);\n    \
         let step = A.iter().nth(1).unwrap();\n    \
         println!(\"{} {} {:?}\", step.up().path(), step.down().is_some(), A.set().application());\n    \
         println!(\"{:?}\", c.iter().next().unwrap().up().body());\n}\n",
    );
    assert_eq!(
        scratch.run(),
        "[\"0001_a\", \"0002_step\"] [] [\"0001_a\"]\n\
         migrations/0002_step.rs true \"scratch 1.2.3\"\n\
         Sql(\"SELECT 1;\\n\")\n"
    );
}

const MISPLACED: &str = "[misplaced-directive] `-- no-transaction` has no effect here";

#[test]
fn a_warning_of_the_build_script_is_shown_once() {
    let scratch = Crate::asking("check", "lockgate_build::check();");
    assert_eq!(scratch.embedded(), ["migrations/0001_a.sql"]);
    scratch.write("migrations/0002_b.sql", "-- why\n-- no-transaction\nVALUES (1);\n");
    let output = scratch.build(true);
    assert_eq!(count(&output, MISPLACED), 1, "{output}");
    assert!(output.contains(&format!("warning: scratch@1.2.3: {MISPLACED}")), "{output}");
    assert!(output.contains("warning: scratch@1.2.3:  --> migrations/0002_b.sql:2:4"), "{output}");
    // The warning is not lost either if the build script does not run again.
    let main = fs::read_to_string(scratch.path("src/main.rs")).expect("it was just written");
    scratch.write("src/main.rs", &format!("{main}\n// Edited.\n"));
    for _ in 0..2 {
        let output = scratch.build(true);
        assert_eq!(count(&output, MISPLACED), 1, "{output}");
    }
    // Another warning is added, and each is shown once.
    scratch.write("migrations/0003_c.sql", "-- why\n-- no-transaction\nVALUES (1);\n");
    let output = scratch.build(true);
    assert_eq!(count(&output, MISPLACED), 2, "{output}");
    // With only `watch`, the macro shows the warnings.
    scratch.built_by("lockgate_build::watch();");
    let output = scratch.build(true);
    assert_eq!((count(&output, MISPLACED), count(&output, "scratch@1.2.3")), (2, 0), "{output}");
}

#[test]
fn checked_by_the_build_script_each_of_several_folders_is_spoken_of_once() {
    let scratch = Crate::asking("check", "lockgate_build::check();\n    lockgate_build::check_folder(\"db/more\");");
    let warned = "-- why\n-- no-transaction\nVALUES (1);\n";
    scratch.write("migrations/0001_a.sql", warned);
    scratch.write("db/more/0001_a.sql", warned);
    scratch.write("db/unchecked/0001_a.sql", warned);
    scratch.write(
        "src/main.rs",
        "fn main() {\n    let _ = lockgate::embed_migrations!();\n    let _ = lockgate::embed_migrations!(\"./db/more/\");\n    \
         let _ = lockgate::embed_migrations!(\"db/unchecked\");\n}\n",
    );
    let output = scratch.build(true);
    let places = ["--> migrations/0001_a.sql:2:4", "--> db/more/0001_a.sql:2:4", "--> db/unchecked/0001_a.sql:2:4"];
    assert_eq!(places.map(|place| count(&output, place)), [1, 1, 1], "{output}");
    // The macro still shows warnings that the build script has not checked.
    assert_eq!(places.map(|place| count(&output, &format!("scratch@1.2.3:  {place}"))), [1, 1, 0], "{output}");
}

#[test]
fn an_error_of_the_build_script_is_shown_once_and_stops_the_build() {
    let scratch = Crate::asking("check", "lockgate_build::check();");
    scratch.write("migrations/migrations.toml", "dialects = [\"postgres\"]\n");
    scratch.write("migrations/0002_b.sql", "SELECT 1;\nCREATE TABEL b (id bigint);\n");
    scratch.write("migrations/0003_c.sql", "-- lockgate: no-transation\nSELECT 1;\n");
    let output = scratch.build(false);
    for place in ["migrations/0002_b.sql:2:8", "migrations/0003_c.sql:1:14"] {
        assert_eq!(count(&output, &format!("error: scratch@1.2.3:  --> {place}")), 1, "{output}");
        assert_eq!(count(&output, place), 1, "{output}");
    }
    assert_eq!(count(&output, "[syntax]"), 1, "{output}");
    assert!(!output.contains("embed_migrations!"), "the macro has not run: {output}");
    scratch.write("migrations/0002_b.sql", B);
    scratch.write("migrations/0003_c.sql", A);
    assert_eq!(scratch.embedded().len(), 3);
}

#[test]
fn checked_by_the_build_script_tests_may_stand_elsewhere() {
    let scratch = Crate::asking("check", "lockgate_build::folder(\"migrations\").tests(\"spec\").check();");
    scratch.write("migrations/migrations.toml", "tests = \"required\"\n");
    scratch.write("src/main.rs", "fn main() {\n    let _ = lockgate::embed_migrations!(tests = \"spec\");\n}\n");
    scratch.write("spec/0001_a.after.sql", "SELECT 1 = 1;\n");
    scratch.write("spec/0001_a.before.sql", "SELECT 1 = 1;\n");
    let output = scratch.build(true);
    assert!(!output.contains("warning"), "{output}");
    fs::remove_dir_all(scratch.path("spec")).expect("a directory can be removed");
    let output = scratch.build(false);
    assert!(output.contains("[missing-test]") && output.contains("spec/0001_a.rs"), "{output}");
    // Without an argument, the message names the default folder.
    scratch.built_by("lockgate_build::check();");
    let output = scratch.build(false);
    assert!(output.contains("tests/migrations/0001_a.rs"), "{output}");
}

#[test]
fn checked_by_the_build_script_paths_are_those_of_the_workspace() {
    let scratch = Crate::asking("check", "lockgate_build::check_folder(\"../migrations\");");
    let manifest = fs::read_to_string(scratch.path("Cargo.toml")).expect("it was just written");
    scratch.write("app/Cargo.toml", &manifest.replace("[workspace]\n", ""));
    scratch.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"app\"]\n");
    fs::rename(scratch.path("build.rs"), scratch.path("app/build.rs")).expect("a file can be moved");
    scratch.write("app/src/main.rs", "fn main() {\n    let _ = lockgate::embed_migrations!(\"../migrations\");\n}\n");
    scratch.write("migrations/0002_b.sql", "-- why\n-- no-transaction\nVALUES (1);\n");
    let output = scratch.build(true);
    assert_eq!((count(&output, MISPLACED), count(&output, " --> migrations/0002_b.sql:2:4")), (1, 1), "{output}");
}

#[test]
fn replayed_by_the_build_script_a_missing_table_does_not_build() {
    let scratch = Crate::asking("replay", "lockgate_build::replay();");
    // If the policy does not name SQLite, nothing is replayed, and a warning says so.
    let output = scratch.build(true);
    assert!(output.contains("warning: scratch@1.2.3: `migrations` is not replayed"), "{output}");
    scratch.write("migrations/migrations.toml", "dialects = [\"sqlite\"]\n");
    let output = scratch.build(true);
    assert!(!output.contains("warning"), "{output}");

    scratch.write("migrations/0002_b.up.sql", "-- b\nCREATE INDEX b ON\n  gone (id);\n");
    scratch.write("migrations/0002_b.down.sql", "DROP INDEX b;\n");
    let output = scratch.build(false);
    let refused = "error: scratch@1.2.3: [replay] SQLite refuses this statement: no such table: main.gone";
    assert_eq!((count(&output, refused), count(&output, "[replay]")), (1, 1), "{output}");
    assert!(output.contains("error: scratch@1.2.3:  --> migrations/0002_b.up.sql:2:1"), "{output}");
    // A down script that restores nothing, which a lint finds too, is reported once.
    scratch.write("migrations/0002_b.up.sql", "CREATE TABLE b (id BIGINT);\n");
    scratch.write("migrations/0002_b.down.sql", "DROP TABLE IF EXISTS c;\n");
    let output = scratch.build(false);
    assert_eq!((count(&output, "0002_b.down.sql:1:1"), count(&output, "[incomplete-down]")), (1, 0), "{output}");
    scratch.write("migrations/0002_b.down.sql", "DROP TABLE b;\n");
    assert_eq!(scratch.embedded().len(), 2);
    // And nothing is replayed where nothing changed.
    let output = scratch.build(true);
    assert!(!output.contains("Compiling"), "{output}");
}

/// Released scripts cannot be edited, so their findings are warnings. The macro does not repeat them.
#[test]
fn a_warning_of_the_build_scripts_replay_is_shown_once() {
    let scratch = Crate::asking("replay", "lockgate_build::replay();");
    scratch.write("migrations/migrations.toml", "dialects = [\"sqlite\"]\n");
    scratch.write("migrations/0002_b.up.sql", "CREATE TABLE b (id BIGINT);\n");
    scratch.write("migrations/0002_b.down.sql", "-- no way back yet\n");
    scratch.lock();
    scratch.write("migrations/0003_c.sql", "-- why\n-- no-transaction\nVALUES (1);\n");
    scratch.lock();
    let output = scratch.build(true);
    assert_eq!(
        (count(&output, "[replay]"), count(&output, "[incomplete-down]"), count(&output, MISPLACED)),
        (1, 0, 1),
        "{output}"
    );
}

/// A build script reports on a whole folder; a program embeds the patches of one of its databases.
#[test]
fn a_build_script_reports_the_patches_of_all_databases_once() {
    let scratch = Crate::asking("replay", "lockgate_build::replay_folder(\"patches\");");
    scratch.write("patches/migrations.toml", "numbering = \"encoded\"\ndialects = [\"sqlite\"]\n");
    let warned = "-- why\n-- no-transaction\nCREATE TABLE a (id BIGINT);\n";
    let (a, b) = ("patches/one.00000001.0001.owner.a.sql", "patches/two.00000001.0001.owner.a.sql");
    scratch.write(a, warned);
    scratch.write(b, warned);
    scratch.write(
        "src/main.rs",
        "fn main() {\n    let _ = lockgate::embed_migrations!(\"patches\", database = \"one\");\n}\n",
    );
    // Each database is replayed on its own, or the second would find the table of the first.
    let output = scratch.build(true);
    assert_eq!([a, b].map(|file| count(&output, &format!("scratch@1.2.3:  --> {file}:2:4"))), [1, 1], "{output}");
    assert_eq!(count(&output, MISPLACED), 2, "{output}");
    scratch.write(b, "DELETE FROM a;\n");
    let output = scratch.build(false);
    assert!(output.contains("[replay] SQLite refuses this statement: no such table: a"), "{output}");
    assert!(output.contains(&format!("error: scratch@1.2.3:  --> {b}:1:1")), "{output}");
}
