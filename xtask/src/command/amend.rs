//! `cargo xtask amend`: records the new text of a released migration that no database could apply, with its old
//! checksums and the reason.

use anstream::println;
use lockgate_source::core::{Checksum, CompanionKind};
use lockgate_source::folder::{self, Folder, Migration, tree};
use lockgate_source::{Code, Severity, lockfile};

use super::check;
use crate::changes::Changes;
use crate::failure::Failure;
use crate::project::Project;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Edit the file first. A database that has applied the old text is not changed: it reports the migration \
                  as `edited`, and that it was amended."
)]
pub(crate) struct Arguments {
    /// The released migration: `0004`, `0004_unique_email`; with patches `billing.00000001.0004`; a manual script by its
    /// path, `manual-deployment/00007-fix.sql`
    #[arg(value_name = "ID")]
    id: String,
    /// The reason. It is recorded in the lockfile, for those who find the old text in a database
    #[arg(long, value_name = "WHY")]
    reason: String,
    /// The package whose migrations these are
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
}

/// The codes of problems that an amendment solves.
const SOLVED: [Code; 2] = [Code::Edited, Code::Unlocked];

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let project = Project::find()?;
    let package = project.package(arguments.package.as_deref())?;
    let mut loaded = check::load_to_write(&package)?;
    let is_manual = arguments.id.split('/').any(|part| part == tree::MANUAL);
    let manual = loaded.folder.companion(CompanionKind::Manual).filter(|_| is_manual).cloned();
    let folder = &manual.unwrap_or_else(|| loaded.folder.clone());
    let lockfile = folder.lock_path().unwrap_or(lockfile::FILE);
    let migration = find(folder, &arguments.id)?.clone();
    let amended = folder::amend(folder, &migration, &arguments.reason).map_err(Failure::refused)?;
    let files: Vec<String> = migration.files().map(|script| folder.show(&script.path)).collect();
    // Other migrations may need an amendment too.
    loaded.diagnostics.retain(|diagnostic| {
        files.contains(&diagnostic.file) && !SOLVED.contains(&diagnostic.code) && diagnostic.severity == Severity::Error
    });
    if loaded.has_errors() {
        check::show(&loaded);
        return Err(Failure::refused(format!("nothing was amended: fix the errors in `{}` first", migration.id)));
    }
    let mut changes = Changes::default();
    changes.replace(package.folder.join(lockfile), amended.lockfile.render());
    changes.make()?;
    println!("amended: {}", migration.id);
    let (before, now) = amended.up;
    if before != now {
        println!("  up   {before}\n    -> {now}");
    }
    let sum = |down: Option<Checksum>| down.map_or("none".to_owned(), |checksum| checksum.to_string());
    if amended.down.0 != amended.down.1 {
        println!("  down {}\n    -> {}", sum(amended.down.0), sum(amended.down.1));
    }
    println!("{}/{lockfile} written: commit it together with the script, and build again", package.shown);
    if before != now {
        println!("a database that has applied the old text reports `edited`, and that it was amended");
    }
    Ok(())
}

/// Finds the migration that `word` names.
fn find<'a>(folder: &'a Folder, word: &str) -> Result<&'a Migration, Failure> {
    let named = word.rsplit('/').next().unwrap_or(word);
    let named = [".up.sql", ".down.sql", ".sql", ".rs"].iter().find_map(|end| named.strip_suffix(end)).unwrap_or(named);
    let version = named.parse().ok();
    let migrations = &folder.migrations;
    let by_name = migrations.iter().filter(|migration| migration.id == named || migration.id.key() == named);
    let by_version =
        migrations.iter().filter(|migration| version.is_some_and(|version| migration.version() == version));
    let found: Vec<&Migration> = by_name.chain(by_version).collect();
    match found[..] {
        [] => check::migration(folder, named),
        [one] => Ok(one),
        _ => {
            let ids: Vec<&str> = found.iter().map(|migration| migration.id.as_str()).collect();
            Err(Failure::refused(format!("`{word}` is {}: name the one to amend", ids.join(" and "))))
        }
    }
}
