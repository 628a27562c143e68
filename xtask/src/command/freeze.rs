//! `cargo xtask freeze`: records all migrations as released in the lockfile.

use anstream::println;
use lockgate_source::sql::lint;
use lockgate_source::{Code, Severity, folder, lockfile};

use super::check;
use crate::changes::Changes;
use crate::failure::Failure;
use crate::project::{Package, Project};

/// The codes of problems that writing the lockfile solves.
const SOLVED: [Code; 3] = [Code::Unlocked, Code::VanishedDraft, Code::MergeConflict];

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Run it when you release. Exit codes: 0 everything is frozen, 1 something is not frozen or has errors, \
                  2 the command failed."
)]
pub(crate) struct Arguments {
    /// Only check whether everything is frozen
    #[arg(long)]
    check: bool,
    /// The package whose migrations these are
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let project = Project::find()?;
    let package = project.package(arguments.package.as_deref())?;
    if arguments.check { check_frozen(&package) } else { freeze(&project, &package) }
}

fn freeze(project: &Project, package: &Package) -> Result<(), Failure> {
    let mut loaded = check::load_to_write(package)?;
    loaded.diagnostics.retain(|diagnostic| !SOLVED.contains(&diagnostic.code));
    // Migrations from before the lockfile cannot be edited any more, so their lints are only warnings.
    let is_first = loaded.folder.lockfile.as_ref().is_none_or(|lockfile| !lockfile.has_frozen());
    for diagnostic in
        loaded.diagnostics.iter_mut().filter(|diagnostic| is_first && lint::find(diagnostic.code.as_str()).is_some())
    {
        diagnostic.severity = diagnostic.severity.max(Severity::Warning);
    }
    check::show(&loaded);
    if loaded.has_errors() {
        return Err(Failure::refused("nothing was frozen: fix the errors above first"));
    }
    let mut changes = Changes::default();
    let mut said = Vec::new();
    for folder in loaded.folder.locked() {
        let lockfile = folder.lock_path().unwrap_or(lockfile::FILE);
        let text = folder::freeze(folder, folder.lockfile.as_ref()).render();
        let path = package.folder.join(lockfile);
        if std::fs::read_to_string(&path).is_ok_and(|before| before == text) {
            continue;
        }
        changes.replace(path, text);
        said.extend(folder.migrations.iter().filter(|one| !one.frozen).map(|one| format!("frozen: {}", one.id)));
        said.push(format!("{}/{lockfile} written: commit it", package.shown));
    }
    if said.is_empty() {
        println!("{}: everything is already frozen", package.shown);
        return Ok(());
    }
    changes.make()?;
    said.iter().for_each(|line| println!("{line}"));
    remind_of_snapshots(project, package)
}

/// Warns if the snapshot of the schema differs from what the released migrations make: the next program would embed it.
fn remind_of_snapshots(project: &Project, package: &Package) -> Result<(), Failure> {
    let mut loaded = check::load(package);
    loaded.diagnostics.retain(|diagnostic| diagnostic.severity == Severity::Error);
    check::compare_snapshots(&mut loaded, &project.target)?;
    loaded.diagnostics.retain(|diagnostic| diagnostic.code == Code::StaleSnapshot);
    loaded.diagnostics.iter_mut().for_each(|diagnostic| diagnostic.severity = Severity::Warning);
    check::show(&loaded);
    Ok(())
}

fn check_frozen(package: &Package) -> Result<(), Failure> {
    let loaded = check::load(package);
    check::show(&loaded);
    let drafts: Vec<&str> = loaded
        .folder
        .locked()
        .flat_map(|folder| &folder.migrations)
        .filter(|migration| !migration.frozen)
        .map(|m| m.id.as_str())
        .collect();
    if !drafts.is_empty() {
        return Err(Failure::refused(format!(
            "{} of {} are not frozen ({}): run `cargo xtask freeze` and commit {}/{}",
            drafts.len(),
            loaded.folder.locked().map(|folder| folder.migrations.len()).sum::<usize>(),
            drafts.join(", "),
            package.shown,
            lockfile::FILE
        )));
    }
    if loaded.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(Failure::refused(format!("{} differs from its lockfile", package.shown)));
    }
    println!("{}: everything is frozen ({} migrations)", package.shown, loaded.folder.migrations.len());
    Ok(())
}
