//! `cargo xtask freeze`: what is released is written to the lockfile, and not edited any more.

use anstream::println;
use lockgate_source::sql::lint;
use lockgate_source::{Severity, folder, lockfile};

use super::check;
use crate::changes::Changes;
use crate::failure::Failure;
use crate::project::{Package, Project};

/// What is wrong with the lockfile alone: to write it is what this command is for.
const CURED: [&str; 3] = ["unlocked", "vanished-draft", "merge-conflict"];

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Run it when you release. Exit codes: 0 everything is frozen, 1 something is not or must be put right \
                  first, 2 it could not be done."
)]
pub(crate) struct Arguments {
    /// Change nothing; say whether everything is frozen
    #[arg(long)]
    check: bool,
    /// The package whose migrations these are
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let project = Project::find()?;
    let package = project.package(arguments.package.as_deref())?;
    if arguments.check { ask(&package) } else { freeze(&package) }
}

fn freeze(package: &Package) -> Result<(), Failure> {
    let mut loaded = check::load_to_write(package)?;
    loaded.diagnostics.retain(|diagnostic| !CURED.contains(&diagnostic.code));
    // What ran before there was a lockfile cannot be edited any more: a lint is told, and no reason to refuse.
    let is_first = loaded.folder.lockfile.as_ref().is_none_or(|lockfile| !lockfile.has_frozen());
    for diagnostic in
        loaded.diagnostics.iter_mut().filter(|diagnostic| is_first && lint::find(diagnostic.code).is_some())
    {
        diagnostic.severity = diagnostic.severity.max(Severity::Warning);
    }
    check::show(&loaded);
    if loaded.has_errors() {
        return Err(Failure::refused("nothing was frozen: put right what is said above first"));
    }
    let folder = &loaded.folder;
    let text = folder::freeze(folder, folder.lockfile.as_ref()).render();
    let path = package.folder.join(lockfile::FILE);
    if std::fs::read_to_string(&path).is_ok_and(|before| before == text) {
        println!("{}: everything is frozen already", package.shown);
        return Ok(());
    }
    let mut changes = Changes::default();
    changes.replace(path, text);
    changes.make()?;
    folder.migrations.iter().filter(|migration| !migration.frozen).for_each(|m| println!("frozen: {}", m.id));
    println!("{}/{} written: commit it", package.shown, lockfile::FILE);
    Ok(())
}

fn ask(package: &Package) -> Result<(), Failure> {
    let loaded = check::load(package);
    check::show(&loaded);
    let drafts: Vec<&str> =
        loaded.folder.migrations.iter().filter(|migration| !migration.frozen).map(|m| m.id.as_str()).collect();
    if !drafts.is_empty() {
        return Err(Failure::refused(format!(
            "{} of {} are not frozen ({}): run `cargo xtask freeze` and commit {}/{}",
            drafts.len(),
            loaded.folder.migrations.len(),
            drafts.join(", "),
            package.shown,
            lockfile::FILE
        )));
    }
    if loaded.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(Failure::refused(format!("{} is not what its lockfile says", package.shown)));
    }
    println!("{}: everything is frozen ({} migrations)", package.shown, loaded.folder.migrations.len());
    Ok(())
}
