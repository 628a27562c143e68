//! `cargo xtask check`: everything that the compiler checks, without compiling.

use anstream::{eprintln, println};
use lockgate_source::folder::{self, Loaded, Tests};
use lockgate_source::{Severity, Style, lockfile};

use crate::changes::Changes;
use crate::failure::Failure;
use crate::project::{Package, Project};

/// Exit codes: 0 no errors (there may be warnings), 1 errors were found, 2 the folder could not be
/// looked at.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Write the lockfile: a line for each new draft, none for drafts that are gone. What is
    /// released stays as it was recorded
    #[arg(long)]
    write: bool,
    /// Check this package's migrations alone
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let project = Project::find()?;
    let packages = match &arguments.package {
        Some(name) => vec![project.package(Some(name))?],
        None => project.folders(),
    };
    if packages.is_empty() {
        // Says what to do.
        project.package(None)?;
    }
    let mut errors = 0;
    for package in &packages {
        if arguments.write {
            write_drafts(package)?;
        }
        let loaded = load(package);
        errors += show(&loaded);
        println!("{}", summary(package, &loaded));
    }
    match errors {
        0 => Ok(()),
        1 => Err(Failure::refused("there is 1 problem")),
        _ => Err(Failure::refused(format!("there are {errors} problems"))),
    }
}

/// Reads a package's folder.
pub(super) fn load(package: &Package) -> Loaded {
    let tests = Tests { directory: package.tests.clone(), shown: package.shown_tests.clone() };
    folder::load_with(&package.folder, &package.shown, tests)
}

/// Reads a package's folder to change it. Without the released lines of its lockfile there is nothing
/// to go on with.
pub(super) fn load_to_write(package: &Package) -> Result<Loaded, Failure> {
    let loaded = load(package);
    if loaded.folder.lockfile.is_none() && package.folder.join(lockfile::FILE).exists() {
        show(&loaded);
        return Err(Failure::refused(format!(
            "{}/{} cannot be read, and nothing was written: put it right first",
            package.shown,
            lockfile::FILE
        )));
    }
    Ok(loaded)
}

/// Shows everything that is wrong, and says how many errors there are among it.
pub(super) fn show(loaded: &Loaded) -> usize {
    // What is no terminal gets it without the colours.
    loaded.diagnostics.iter().for_each(|diagnostic| eprintln!("{}\n", diagnostic.render(Style::Styled)));
    loaded.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
}

fn summary(package: &Package, loaded: &Loaded) -> String {
    let migrations = &loaded.folder.migrations;
    let drafts = migrations.iter().filter(|migration| !migration.frozen).count();
    let counted = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    format!(
        "{}: {}, {} of them released",
        package.shown,
        counted(migrations.len(), "migration"),
        migrations.len() - drafts
    )
}

fn write_drafts(package: &Package) -> Result<(), Failure> {
    let loaded = load_to_write(package)?;
    let path = package.folder.join(lockfile::FILE);
    let old = loaded.folder.lockfile.as_ref();
    let new = lockfile::with_drafts(&loaded.folder, old);
    let text = new.render();
    let before = std::fs::read_to_string(&path).unwrap_or_default();
    if before == text {
        return Ok(());
    }
    let mut changes = Changes::default();
    changes.replace(&path, text);
    changes.make()?;
    let ids = |lockfile: Option<&lockgate_source::Lockfile>| -> Vec<String> {
        lockfile.into_iter().flat_map(|lockfile| lockfile.lines().iter().map(|line| line.id.clone())).collect()
    };
    let (old, new) = (ids(old), ids(Some(&new)));
    new.iter().filter(|id| !old.contains(id)).for_each(|id| println!("{}: draft added: {id}", package.shown));
    old.iter().filter(|id| !new.contains(id)).for_each(|id| println!("{}: draft removed: {id}", package.shown));
    println!("{}/{} written", package.shown, lockfile::FILE);
    Ok(())
}
