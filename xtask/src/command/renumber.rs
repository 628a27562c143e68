//! `cargo xtask renumber`: drafts that took a place which somebody else took before get new
//! numbers, with their files, their tests, the lockfile and the names in them.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use anstream::println;
use lockgate_source::core::patch;
use lockgate_source::folder::policy::Numbering;
use lockgate_source::{lockfile, renumber};

use super::{check, new_migration, now};
use crate::changes::Changes;
use crate::failure::Failure;
use crate::project::Project;

#[derive(Debug, clap::Args)]
#[command(after_help = "What is released keeps its number: databases know it by that.")]
pub(crate) struct Arguments {
    /// The draft to put behind all others: `0031_tags`, or `31` where there is only one; of patches
    /// `billing.00000001.0031`, or `1.31`
    #[arg(value_name = "ID", required_unless_present = "all_drafts")]
    id: Option<String>,
    /// All drafts that share a number, sort before a released migration or leave a gap
    #[arg(long, conflicts_with = "id")]
    all_drafts: bool,
    /// Show what would be renamed, and rename nothing
    #[arg(long)]
    dry_run: bool,
    /// The package whose migrations these are
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let project = Project::find()?;
    let package = project.package(arguments.package.as_deref())?;
    let loaded = check::load_to_write(&package)?;
    let folder = &loaded.folder;
    let path = package.folder.join(lockfile::FILE);
    let id = arguments.id.as_deref().map(|id| whole_id(&loaded, id)).transpose()?;
    let plan = renumber::plan(folder, id.as_deref(), Some(now())).map_err(Failure::refused)?;
    if plan.ids.is_empty() {
        println!("{}: every draft has its place already", package.shown);
        return Ok(());
    }

    let mut changes = Changes::default();
    let mut shown = Vec::new();
    let mut moves_tests = false;
    for rename in plan.renames.iter().filter(|rename| !rename.from.starts_with(&folder.tests.directory)) {
        changes.rename(&rename.from, &rename.to);
        shown.push((rename.shown_from.clone(), rename.shown_to.clone()));
    }
    let renamed: HashSet<&Path> = plan.renames.iter().map(|rename| rename.from.as_path()).collect();
    for (from, to) in &plan.ids {
        let (from, to) = (renumber::test_of(from), renumber::test_of(to));
        for ending in [".rs", ".before.sql", ".after.sql", ".fill.sql"] {
            let place = |id: &str| package.tests.join(format!("{id}{ending}"));
            let (old, new) = (place(from), place(to));
            // A test of Rust that two of one number claim goes with the one that the plan names.
            let moves = if ending == ".rs" { renamed.contains(old.as_path()) } else { old.exists() };
            if !moves {
                continue;
            }
            moves_tests = true;
            changes.rename(&old, &new);
            shown.push((project.shown(&old), project.shown(&new)));
            // A test that names its migration names it as it is called now.
            let text = fs::read_to_string(&old).unwrap_or_default();
            if text.contains(from) {
                changes.replace(&new, text.replace(from, to));
            }
        }
    }
    if moves_tests {
        new_migration::compile_again(&mut changes, &package);
    }
    if let Some(lockfile) = &plan.lockfile {
        changes.replace(path, lockfile.render());
    }
    if !arguments.dry_run {
        changes.make()?;
    }
    let arrow = if arguments.dry_run { "would become" } else { "is now" };
    shown.iter().for_each(|(from, to)| println!("{from} {arrow} {to}"));
    Ok(())
}

/// The id that is meant: itself, or the only draft of this number.
fn whole_id(loaded: &lockgate_source::Loaded, id: &str) -> Result<String, Failure> {
    let id =
        ["up.sql", "down.sql", "sql", "rs"].iter().find_map(|end| id.strip_suffix(&format!(".{end}"))).unwrap_or(id);
    let id = id.rsplit('/').next().unwrap_or(id);
    let of_patch = || patch::parse_numbers(id).filter(|_| loaded.folder.policy.numbering == Numbering::Encoded);
    let Some(version) = id.parse().ok().or_else(of_patch) else { return Ok(id.to_owned()) };
    let numbered = loaded.folder.migrations.iter().filter(|migration| migration.version == version);
    let (released, drafts): (Vec<_>, Vec<_>) = numbered.partition(|migration| migration.frozen);
    let drafts: Vec<&str> = drafts.iter().map(|migration| migration.id.as_str()).collect();
    match drafts[..] {
        // Why it does not move is said of it by name.
        [] if !released.is_empty() => Ok(released[0].id.clone()),
        [] => Err(Failure::refused(format!("no draft has the number {id}"))),
        [one] => Ok(one.to_owned()),
        _ => {
            Err(Failure::refused(format!("the number {id} belongs to {}: name the one to move", drafts.join(" and "))))
        }
    }
}
