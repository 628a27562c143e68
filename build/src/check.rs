//! What the macro would say of a folder, said to cargo before the crate is compiled; and what a replay
//! finds, which no compiler knows.

use std::fmt::Write as _;
use std::path::Path;

use lockgate_source::core::Dialects;
use lockgate_source::folder::{Loaded, load_embedded};
use lockgate_source::{Severity, build_warnings};

use crate::Folder;

/// Watches the folder `migrations` beside the crate's `Cargo.toml`, and says what is wrong with it.
///
/// Each error and each warning is said once in a build, with file, line, column and the way out: errors
/// here, and the crate is not compiled; warnings here, and `embed_migrations!` is silent about them. The
/// lines look like cargo's own, so that whoever reads the output of cargo finds them.
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

/// Does what [`check`] does for another folder, named as in `embed_migrations!`: relative to the
/// directory of the crate's `Cargo.toml`. A crate that embeds several calls it for each. Where
/// `embed_migrations!` is told that the tests are elsewhere, [`folder`](crate::folder) is too.
///
/// ```no_run
/// lockgate_build::check_folder("../db/migrations");
/// ```
pub fn check_folder(path: impl AsRef<Path>) {
    crate::folder(path).check();
}

/// Does what [`check`] does, and runs the set up, down and up again on an empty SQLite in memory: missing
/// tables, bad columns, broken views and ways back that are none do not build, and are shown with file,
/// line and column. It is the SQLite that the workspace's programs embed.
///
/// The policy has to name `sqlite` among its `dialects`. The replay ends before a Rust step, which runs in
/// its own program alone; `cargo xtask check` shows how far it came, and a build with `-vv`.
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

/// Does what [`replay`] does for another folder, named as in `embed_migrations!`: relative to the
/// directory of the crate's `Cargo.toml`.
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

/// Watches and reads a folder, looks at it as `more` does, and says what was found.
fn looked_at(folder: &Folder, more: impl FnOnce(&mut Loaded, &mut String)) {
    let crate_directory = crate::crate_directory();
    let mut lines = folder.instructions(&crate_directory);
    let tests = folder.tests.as_ref().map(|tests| tests.to_string_lossy());
    let path = folder.path.to_string_lossy();
    let (tests, root) = (tests.as_deref(), workspace(&crate_directory));
    let mut loaded = load_embedded(&crate_directory, &path, tests, root, Dialects::NONE);
    // What the macro will find is known before more is looked at.
    let said = build_warnings::variable(&loaded);
    more(&mut loaded, &mut lines);
    for found in &loaded.diagnostics {
        let text = found.render_behind_level();
        match found.severity {
            Severity::Error => told(&mut lines, "cargo::error=", &text),
            Severity::Warning => told(&mut lines, "cargo::warning=", &text),
            Severity::Note => told(&mut lines, "note: ", &text),
        }
    }
    if let Some(variable) = said {
        told(&mut lines, "cargo::rustc-env=", &format!("{variable}=1"));
    }
    crate::say(&lines);
}

/// What a replay finds, and in `lines` why there was none.
#[cfg(feature = "replay")]
fn replayed(loaded: &mut Loaded, lines: &mut String) {
    if !lockgate_replay::is_replayed(&loaded.folder) && !loaded.has_errors() {
        let shown = &loaded.folder.shown;
        let why = format!(
            "`{shown}` is not replayed, as its policy does not name `sqlite`: say `dialects = [\"sqlite\"]` in \
             `{shown}/migrations.toml`, or `lockgate_build::check` in the build script"
        );
        return told(lines, "cargo::warning=", &why);
    }
    match lockgate_replay::replay(loaded) {
        Ok(summary) => summary.iter().for_each(|summary| told(lines, "note: ", summary)),
        Err(why) => told(lines, "cargo::error=", &why.to_string()),
    }
}

/// An instruction of cargo is one line.
fn told(lines: &mut String, instruction: &str, text: &str) {
    for line in text.lines() {
        writeln!(lines, "{instruction}{line}").expect("writing to a string does not fail");
    }
}

/// Where cargo runs the compiler: the root of the workspace, or the crate itself where it is in none.
/// A build script is run elsewhere and is not told; if this is mistaken, paths are shown from there.
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
