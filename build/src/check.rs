//! Reports the errors and warnings of a folder to cargo before the crate is compiled, and those of a replay.

use std::fmt::Write as _;
use std::path::Path;

use lockgate_source::core::Dialects;
use lockgate_source::folder::{Loaded, load_embedded};
use lockgate_source::{Severity, build_warnings};

use crate::Folder;

/// Watches the folder `migrations` next to the crate's `Cargo.toml`, and checks it.
///
/// Each error and warning is reported once in a build, with file, line, column and what to do. After an error the crate is
/// not compiled. `embed_migrations!` does not repeat the warnings. The lines look like cargo's own, so that tools which
/// read the output of cargo find them.
///
/// ```toml
/// [build-dependencies]
/// lockgate-build = { version = "0.1", features = ["check"] }
/// ```
///
/// ```no_run
/// // build.rs
/// lockgate_build::check();
/// ```
///
/// ```text
/// error: app@0.1.0: [syntax] expected `(`, found `id`
/// error: app@0.1.0:  --> migrations/0002_tags.up.sql:1:19
/// ```
pub fn check() {
    check_folder("migrations");
}

/// Does what [`check`] does for another folder, relative to the directory of the crate's `Cargo.toml`, as in
/// `embed_migrations!`. A crate that embeds several folders calls it for each. If the tests are in another folder, use
/// [`folder`](crate::folder).
///
/// ```no_run
/// lockgate_build::check_folder("../db/migrations");
/// ```
pub fn check_folder(path: impl AsRef<Path>) {
    crate::folder(path).check();
}

/// Does what [`check`] does, and runs the set up, down and up again on an empty in-memory SQLite. A missing table, a wrong
/// column, a broken view or a down script that does not restore the schema fails the build, with file, line and column. It
/// is the SQLite that the workspace's programs embed.
///
/// The policy must name `sqlite` among its `dialects`. The replay ends before a Rust step, which only its own program can
/// run. `cargo xtask check` shows how far the replay came, as does a build with `-vv`.
///
/// ```toml
/// [build-dependencies]
/// lockgate-build = { version = "0.1", features = ["replay"] }
/// ```
///
/// ```no_run
/// // build.rs
/// lockgate_build::replay();
/// ```
///
/// ```text
/// error: app@0.1.0: [replay] SQLite refuses this statement: no such table: usrs
/// error: app@0.1.0:  --> migrations/0002_tags.up.sql:1:1
/// ```
#[cfg(feature = "replay")]
pub fn replay() {
    replay_folder("migrations");
}

/// Does what [`replay`] does for another folder, relative to the directory of the crate's `Cargo.toml`, as in
/// `embed_migrations!`.
///
/// ```no_run
/// lockgate_build::replay_folder("../db/migrations");
/// ```
#[cfg(feature = "replay")]
pub fn replay_folder(path: impl AsRef<Path>) {
    crate::folder(path).replay();
}

impl Folder {
    /// Does what [`check`] does.
    ///
    /// ```no_run
    /// // As in `embed_migrations!("migrations", tests = "tests/schema")`.
    /// lockgate_build::folder("migrations").tests("tests/schema").check();
    /// ```
    pub fn check(&self) {
        looked_at(self, |_, _| {});
    }

    /// Does what [`replay`] does.
    #[cfg(feature = "replay")]
    pub fn replay(&self) {
        looked_at(self, replayed);
    }
}

/// Watches and checks a folder, calls `more` for further checks, and prints what was found.
fn looked_at(folder: &Folder, more: impl FnOnce(&mut Loaded, &mut String)) {
    let crate_directory = crate::crate_directory();
    let mut lines = folder.instructions(&crate_directory);
    let tests = folder.tests.as_ref().map(|tests| tests.to_string_lossy());
    let path = folder.path.to_string_lossy();
    let (tests, root) = (tests.as_deref(), workspace(&crate_directory));
    let mut loaded = load_embedded(&crate_directory, &path, tests, root, Dialects::NONE);
    // The macro will find these again, but not those that `more` adds.
    let variable = build_warnings::variable(&loaded);
    more(&mut loaded, &mut lines);
    for found in &loaded.diagnostics {
        let text = found.render_behind_level();
        match found.severity {
            Severity::Error => add_lines(&mut lines, "cargo::error=", &text),
            Severity::Warning => add_lines(&mut lines, "cargo::warning=", &text),
            Severity::Note => add_lines(&mut lines, "note: ", &text),
        }
    }
    if let Some(variable) = variable {
        add_lines(&mut lines, "cargo::rustc-env=", &format!("{variable}=1"));
    }
    crate::say(&lines);
}

/// Replays the folder. If it is not replayed, `lines` gets the reason.
#[cfg(feature = "replay")]
fn replayed(loaded: &mut Loaded, lines: &mut String) {
    if !lockgate_replay::is_replayed(&loaded.folder) && !loaded.has_errors() {
        let shown = &loaded.folder.shown;
        let why = format!(
            "`{shown}` is not replayed, as its policy does not name `sqlite`: write `dialects = [\"sqlite\"]` in \
             `{shown}/migrations.toml`, or call `lockgate_build::check` in the build script"
        );
        return add_lines(lines, "cargo::warning=", &why);
    }
    match lockgate_replay::replay(loaded) {
        Ok(summary) => summary.iter().for_each(|summary| add_lines(lines, "note: ", summary)),
        Err(why) => add_lines(lines, "cargo::error=", &why.to_string()),
    }
}

/// Writes each line of a text as an instruction for cargo.
fn add_lines(lines: &mut String, instruction: &str, text: &str) {
    for line in text.lines() {
        writeln!(lines, "{instruction}{line}").expect("writing to a string does not fail");
    }
}

/// Returns the directory in which cargo runs the compiler: the root of the workspace, or that of the crate. A build
/// script runs in another directory and does not learn it from cargo. If the guess is wrong, only the shown paths
/// differ.
fn workspace(crate_directory: &Path) -> &Path {
    let is_root = |directory: &&Path| {
        let manifest = std::fs::read_to_string(directory.join("Cargo.toml")).unwrap_or_default();
        manifest
            .lines()
            .map(str::trim_start)
            .any(|line| line.starts_with("[workspace]") || line.starts_with("[workspace."))
    };
    crate_directory.ancestors().find(is_root).unwrap_or(crate_directory)
}
