//! `cargo xtask check`: checks what the compiler checks, without compiling.

#[cfg(feature = "schema")]
mod answers;
#[cfg(feature = "schema")]
mod desired;
mod json;
mod sarif;
#[cfg(feature = "schema")]
mod snapshot;
#[cfg(feature = "trace")]
mod trace;

use std::path::Path;

use anstream::{eprintln, print, println};
use lockgate_source::core::{CompanionKind, Dialect};
use lockgate_source::folder::policy::Numbering;
use lockgate_source::folder::{self, Folder, Loaded, Migration, Tests};
use lockgate_source::{Code, Color, Diagnostic, Policy, Severity, lockfile, scripts};

use crate::changes::Changes;
use crate::failure::Failure;
use crate::git::{self, Clone};
use crate::invocation;
use crate::project::{Package, Project};
#[cfg(feature = "trace")]
use trace::Trace;

#[derive(Debug, clap::Args)]
#[command(after_help = "Exit codes: 0 no errors (there may be warnings), 1 errors were found, 2 the command failed.")]
pub(crate) struct Arguments {
    /// Update the drafts in the lockfile: add a line for each new one, remove those that are gone.
    /// Lines of released migrations do not change
    #[arg(long)]
    write: bool,
    /// The output format: `text` for people; `json` and `sarif` write one document to stdout, and
    /// everything else to stderr
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,
    /// Do not run the set on an in-memory SQLite, which happens if the policy names `sqlite`, and do not compare what the
    /// migrations make with `schema.txt` and with the desired schema in `schema/` or `create/`
    #[arg(long)]
    no_replay: bool,
    /// Run the set on a throwaway PostgreSQL, if the policy names `postgres`, and show what each draft
    /// locks, rewrites and scans. The tables are empty: a scan of one still counts as a scan, but
    /// failures on existing rows and durations do not show. Without PostgreSQL it is skipped, unless
    /// LOCKGATE_REQUIRE names `postgres`
    #[arg(long)]
    trace: bool,
    /// Check only the migrations of this package
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
}

/// The output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// As the compiler shows them.
    Text,
    /// Lockgate's own document.
    Json,
    /// The interchange format of static analysis tools, version 2.1.0.
    Sarif,
}

/// A folder and what was found in it.
struct Checked {
    package: Package,
    loaded: Loaded,
    /// A summary of the replay, if there was one.
    replayed: Option<String>,
    /// A summary of the comparison with the desired schema, if there was one.
    compared: Option<String>,
    /// A summary of the comparison of the snapshots, if there are any.
    snapshots: Option<String>,
    /// The result of the trace, if it was requested.
    traced: Option<Trace>,
}

impl Checked {
    fn new(project: &Project, package: Package, arguments: &Arguments) -> Result<Self, Failure> {
        let mut loaded = load(&package);
        let replayed = if arguments.no_replay { None } else { replay(&mut loaded)? };
        let compared = if arguments.no_replay { None } else { compare(&mut loaded, project, &package)? };
        let snapshots = if arguments.no_replay { None } else { compare_snapshots(&mut loaded, &project.target)? };
        let traced = if arguments.trace { Some(trace(&mut loaded)?) } else { None };
        invocation::rename_commands(&mut loaded.diagnostics);
        Ok(Self { package, loaded, replayed, compared, snapshots, traced })
    }

    fn released(&self) -> usize {
        self.loaded.folder.migrations.iter().filter(|migration| migration.frozen).count()
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let project = Project::find()?;
    let packages = match &arguments.package {
        Some(name) => vec![project.package(Some(name))?],
        None => project.folders(),
    };
    if packages.is_empty() {
        // This fails with a message that says what to do.
        project.package(None)?;
    }
    let mut all = Vec::new();
    for package in packages {
        if arguments.write {
            write_drafts(&package, arguments.format)?;
        }
        let checked = Checked::new(&project, package, arguments)?;
        if arguments.format == Format::Text {
            show(&checked.loaded);
            remind_of_driver(&project, &checked.package);
            println!("{}", summary(&checked));
            print!("{}", checked.traced.as_ref().map(Trace::text).unwrap_or_default());
        }
        all.push(checked);
    }
    if let Some(note) = left_out(&all) {
        eprintln!("{}", invocation::with_command_name(&note));
    }
    match arguments.format {
        Format::Text => {}
        Format::Json => println!("{}", json::document(&all)),
        Format::Sarif => println!("{}", sarif::document(&all)),
    }
    match count(&all, Severity::Error) {
        0 => Ok(()),
        1 => Err(Failure::refused("there is 1 problem")),
        errors => Err(Failure::refused(format!("there are {errors} problems"))),
    }
}

/// Prints a note if this clone lacks the merge driver that `.gitattributes` names: git would merge the lockfile as plain
/// text, which never works.
fn remind_of_driver(project: &Project, package: &Package) {
    let attributes = package.folder.join(".gitattributes");
    if !std::fs::read_to_string(&attributes).is_ok_and(|text| text.contains(git::ATTRIBUTE)) {
        return;
    }
    if Clone::around(&project.root).is_some_and(|clone| clone.driver().is_none()) {
        let note = format!(
            "note: {} makes git merge {} with the driver `lockgate`, which this clone lacks: run `cargo xtask init{}`\n",
            project.shown(&attributes),
            lockfile::FILE,
            project.choice(package)
        );
        eprintln!("{}", invocation::with_command_name(&note));
    }
}

fn has_snapshot(checked: &Checked) -> bool {
    !checked.loaded.folder.snapshots.is_empty()
}

fn has_desired(checked: &Checked) -> bool {
    let folder = &checked.loaded.folder;
    let (directory, shown) = lockgate_source::desired::place(folder, None);
    folder.companion(CompanionKind::Create).is_some() || lockgate_source::desired::read(&directory, &shown).0.is_some()
}

/// Says which checks of the compiler this build of the command lacks for these folders.
fn left_out(all: &[Checked]) -> Option<String> {
    let is_for = |dialect: Dialect| all.iter().any(|checked| scripts::is_for(&checked.loaded.folder, dialect));
    let parsed = is_for(Dialect::Postgres) || is_for(Dialect::Sqlite);
    let missing: Vec<&str> = [
        ("check the grammar of SQL (the compiler does)", cfg!(not(feature = "grammar")) && parsed),
        ("compare the snapshot of the schema", cfg!(not(feature = "schema")) && all.iter().any(has_snapshot)),
        (
            "compare the migrations with the desired schema",
            cfg!(not(feature = "schema")) && all.iter().any(has_desired),
        ),
        ("replay the migrations on SQLite", cfg!(not(feature = "replay")) && is_for(Dialect::Sqlite)),
    ]
    .into_iter()
    .filter_map(|(what, is_missing)| is_missing.then_some(what))
    .collect();
    (!missing.is_empty()).then(|| {
        format!(
            "note: this build of the command does not {}: install `lockgate-xtask` with `--features full` for that",
            missing.join(", and does not ")
        )
    })
}

/// Runs the whole set on an in-memory SQLite, and returns a summary.
#[cfg(feature = "replay")]
fn replay(loaded: &mut Loaded) -> Result<Option<String>, Failure> {
    lockgate_replay::replay(loaded).map_err(|e| Failure::impossible(e.to_string()))
}

/// Built without the feature `replay`.
#[cfg(not(feature = "replay"))]
fn replay(_: &mut Loaded) -> Result<Option<String>, Failure> {
    Ok(None)
}

/// Compares what the migrations make with the desired schema, and returns a summary.
#[cfg(feature = "schema")]
fn compare(loaded: &mut Loaded, project: &Project, package: &Package) -> Result<Option<String>, Failure> {
    desired::run(loaded, project, package)
}

/// Built without the feature `schema`.
#[cfg(not(feature = "schema"))]
fn compare(_: &mut Loaded, _: &Project, _: &Package) -> Result<Option<String>, Failure> {
    Ok(None)
}

/// Compares the snapshots of the schema with what the migrations make, and returns a summary.
#[cfg(feature = "schema")]
pub(super) fn compare_snapshots(loaded: &mut Loaded, target: &Path) -> Result<Option<String>, Failure> {
    snapshot::run(loaded, target)
}

/// Built without the feature `schema`.
#[cfg(not(feature = "schema"))]
pub(super) fn compare_snapshots(_: &mut Loaded, _: &Path) -> Result<Option<String>, Failure> {
    Ok(None)
}

/// Runs the whole set on a throwaway PostgreSQL.
#[cfg(feature = "trace")]
fn trace(loaded: &mut Loaded) -> Result<Trace, Failure> {
    trace::run(loaded)
}

/// Built without the feature `trace`.
#[cfg(not(feature = "trace"))]
fn trace(_: &mut Loaded) -> Result<Trace, Failure> {
    Err(Failure::impossible(
        "this build has no `--trace`: type `cargo install --path lockgate/xtask --features full`, where `lockgate` is your clone",
    ))
}

/// What cannot be made without the feature `trace`.
#[cfg(not(feature = "trace"))]
#[derive(Debug, serde::Serialize)]
struct Trace {
    summary: String,
}

#[cfg(not(feature = "trace"))]
impl Trace {
    fn text(&self) -> String {
        String::new()
    }
}

/// Returns every finding, folder by folder.
fn problems(all: &[Checked]) -> impl Iterator<Item = &Diagnostic> {
    all.iter().flat_map(|checked| &checked.loaded.diagnostics)
}

fn count(all: &[Checked], severity: Severity) -> usize {
    problems(all).filter(|diagnostic| diagnostic.severity == severity).count()
}

/// Reads a package's folder, and the tests of its migrations.
pub(super) fn load(package: &Package) -> Loaded {
    let tests = Tests { directory: package.tests.clone(), shown: package.shown_tests.clone() };
    let mut loaded = folder::load_for(&package.folder, &package.shown, tests, package.backends);
    let (_, of_tests) = loaded.folder.tests(loaded.folder.policy.dialects());
    if !of_tests.is_empty() {
        loaded.diagnostics.extend(of_tests);
        lockgate_source::diagnostic::sort(&mut loaded.diagnostics);
    }
    loaded
}

/// Finds a migration by its version or full name.
pub(super) fn migration<'a>(folder: &'a Folder, word: &str) -> Result<&'a Migration, Failure> {
    let version = word.trim_start_matches('m').parse().ok();
    let found = folder
        .migrations
        .iter()
        .find(|migration| migration.id == word || migration.id.key() == word || Some(migration.version()) == version);
    found.ok_or_else(|| Failure::refused(format!("`{}` has no migration `{word}`", folder.shown)))
}

/// Reads a package's folder that has no policy yet with this numbering.
pub(super) fn load_as(package: &Package, numbering: Numbering) -> Loaded {
    let tests = Tests { directory: package.tests.clone(), shown: package.shown_tests.clone() };
    folder::load_as(&package.folder, &package.shown, tests, Policy { numbering, ..Policy::default() })
}

/// Reads a package's folder in order to change it. Fails if the lockfile cannot be read, as its released lines are needed.
pub(super) fn load_to_write(package: &Package) -> Result<Loaded, Failure> {
    let loaded = load(package);
    for folder in loaded.folder.locked() {
        let lockfile = folder.lock_path().unwrap_or(lockfile::FILE);
        if folder.lockfile.is_none() && package.folder.join(lockfile).exists() {
            show(&loaded);
            return Err(Failure::refused(format!(
                "{}/{lockfile} cannot be read, so nothing was written: fix it first",
                package.shown
            )));
        }
    }
    Ok(loaded)
}

/// Whether the lockfile still has merge conflicts.
pub(super) fn is_unmerged(loaded: &Loaded) -> bool {
    loaded.diagnostics.iter().any(|diagnostic| diagnostic.code == Code::MergeConflict)
}

/// The message after such a lockfile was written.
pub(super) fn merged(package: &Package, lockfile: &str) -> String {
    let lockfile = format!("{}/{lockfile}", package.shown);
    let merged = format!(
        "{lockfile} has the lines of both branches: run `git add {lockfile}` once `cargo xtask check` finds nothing"
    );
    invocation::with_command_name(&merged).into_owned()
}

/// Prints all diagnostics.
pub(super) fn show(loaded: &Loaded) {
    let mut diagnostics = loaded.diagnostics.clone();
    invocation::rename_commands(&mut diagnostics);
    // `anstream` removes the colors if stderr is not a terminal.
    diagnostics.iter().for_each(|diagnostic| eprintln!("{}\n", diagnostic.render(Color::On)));
}

fn summary(checked: &Checked) -> String {
    let counted = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    let replayed = checked.replayed.iter().map(|replayed| format!("; {replayed}")).collect::<String>();
    let compared = checked.compared.iter().chain(&checked.snapshots);
    let compared = compared.map(|compared| format!("; {compared}")).collect::<String>();
    let traced = checked.traced.iter().map(|traced| format!("; {}", traced.summary)).collect::<String>();
    format!(
        "{}: {}, {} of them released{replayed}{compared}{traced}",
        checked.package.shown,
        counted(checked.loaded.folder.migrations.len(), "migration"),
        checked.released()
    )
}

fn write_drafts(package: &Package, format: Format) -> Result<(), Failure> {
    let loaded = load_to_write(package)?;
    loaded.folder.locked().try_for_each(|folder| write_drafts_of(package, folder, is_unmerged(&loaded), format))
}

/// Writes one lockfile.
fn write_drafts_of(package: &Package, folder: &Folder, is_unmerged: bool, format: Format) -> Result<(), Failure> {
    let lockfile = folder.lock_path().unwrap_or(lockfile::FILE);
    let path = package.folder.join(lockfile);
    let old = folder.lockfile.as_ref();
    let new = folder::with_drafts(folder, old);
    let text = new.render();
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    if before == text {
        return Ok(());
    }
    let mut changes = Changes::default();
    changes.replace(&path, text);
    changes.make()?;
    let ids = |lockfile: Option<&lockgate_source::Lockfile>| -> Vec<String> {
        lockfile.into_iter().flat_map(|lockfile| lockfile.lines().iter().map(|line| line.id.to_string())).collect()
    };
    let (old, new) = (ids(old), ids(Some(&new)));
    let added = new.iter().filter(|id| !old.contains(id)).map(|id| format!("{}: draft added: {id}", package.shown));
    let gone = old.iter().filter(|id| !new.contains(id)).map(|id| format!("{}: draft removed: {id}", package.shown));
    let written = match is_unmerged {
        true => merged(package, lockfile),
        false => format!("{}/{lockfile} written", package.shown),
    };
    for line in added.chain(gone).chain([written]) {
        match format {
            Format::Text => println!("{line}"),
            Format::Json | Format::Sarif => eprintln!("{line}"),
        }
    }
    Ok(())
}
