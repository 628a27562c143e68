//! `cargo xtask renumber`: gives new numbers to drafts whose number is taken or out of order. It renames their files and
//! tests, and updates the lockfile and the names in the tests.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use anstream::println;
use lockgate_source::core::patch;
use lockgate_source::folder::Migration;
use lockgate_source::folder::policy::Numbering;
use lockgate_source::{lockfile, renumber};

use super::{check, new_migration, now};
use crate::changes::Changes;
use crate::failure::Failure;
use crate::project::Project;

#[derive(Debug, clap::Args)]
#[command(after_help = "A released migration keeps its number, as databases have recorded it.")]
pub(crate) struct Arguments {
    /// The draft to move to the end: `0031_tags`, or `31` if only one has this number; with patches
    /// `billing.00000001.0031`, or `1.31`
    #[arg(value_name = "ID", required_unless_present = "all_drafts")]
    id: Option<String>,
    /// Move all drafts that share a number, sort before a released migration or leave a gap
    #[arg(long, conflicts_with = "id")]
    all_drafts: bool,
    /// First make the released migration a draft again, if another one has its number. No database may have applied it
    #[arg(long, requires = "id")]
    thaw: bool,
    /// Show what would be renamed, without renaming it
    #[arg(long)]
    dry_run: bool,
    /// The package whose migrations these are
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let project = Project::find()?;
    let package = project.package(arguments.package.as_deref())?;
    let mut loaded = check::load_to_write(&package)?;
    let path = package.folder.join(lockfile::FILE);
    let id = arguments.id.as_deref().map(|id| whole_id(&loaded, id, arguments.thaw)).transpose()?;
    if let Some(id) = id.as_deref().filter(|_| arguments.thaw) {
        renumber::thaw(&mut loaded.folder, id).map_err(Failure::refused)?;
    }
    let folder = &loaded.folder;
    let plan = renumber::plan(folder, id.as_deref(), Some(now())).map_err(Failure::refused)?;
    let mut changes = Changes::default();
    if plan.ids.is_empty() {
        println!("{}: no draft needs a new number", package.shown);
        if arguments.dry_run || !check::is_unmerged(&loaded) {
            return Ok(());
        }
    }
    let mut shown = Vec::new();
    let mut moves_tests = false;
    for rename in plan.renames.iter().filter(|rename| !rename.from.starts_with(&folder.tests.directory)) {
        changes.rename(&rename.from, &rename.to);
        shown.push((rename.shown_from.clone(), rename.shown_to.clone()));
    }
    let renamed: HashSet<&Path> = plan.renames.iter().map(|rename| rename.from.as_path()).collect();
    for (from, to) in &plan.ids {
        let (from, to) = (from.key(), to.key());
        for ending in [".rs", ".before.sql", ".after.sql", ".fill.sql"] {
            let place = |id: &str| package.tests.join(format!("{id}{ending}"));
            let (old, new) = (place(from), place(to));
            // If two migrations with one number share a Rust test, it moves with the one that the plan names.
            let moves = if ending == ".rs" { renamed.contains(old.as_path()) } else { old.exists() };
            if !moves {
                continue;
            }
            moves_tests = true;
            changes.rename(&old, &new);
            shown.push((project.shown(&old), project.shown(&new)));
            // Replace the old name in the text of the test.
            let text = fs::read_to_string(&old).unwrap_or_default();
            if text.contains(from) {
                changes.replace(&new, text.replace(from, to));
            }
        }
    }
    if moves_tests {
        new_migration::touch_test_main(&mut changes, &package);
    }
    let unmerged = check::is_unmerged(&loaded);
    if let Some(lockfile) = &plan.lockfile {
        changes.replace(path, lockfile.render());
    }
    if !arguments.dry_run {
        changes.make()?;
    }
    let arrow = if arguments.dry_run { "would become" } else { "is now" };
    shown.iter().for_each(|(from, to)| println!("{from} {arrow} {to}"));
    if unmerged && !arguments.dry_run {
        println!("{}", check::merged(&package, lockfile::FILE));
    }
    Ok(())
}

fn ids<'a>(migrations: &[&'a Migration]) -> Vec<&'a str> {
    migrations.iter().map(|migration| migration.id.as_str()).collect()
}

/// Returns the full id: the given one, or that of the only draft with this number.
fn whole_id(loaded: &lockgate_source::Loaded, id: &str, thaw: bool) -> Result<String, Failure> {
    let id =
        ["up.sql", "down.sql", "sql", "rs"].iter().find_map(|end| id.strip_suffix(&format!(".{end}"))).unwrap_or(id);
    let id = id.rsplit('/').next().unwrap_or(id);
    let of_patch = || patch::parse_numbers(id).filter(|_| loaded.folder.policy.numbering == Numbering::Encoded);
    let Some(version) = id.parse().ok().or_else(of_patch) else { return Ok(id.to_owned()) };
    let numbered = loaded.folder.migrations.iter().filter(|migration| migration.version() == version);
    let (released, drafts): (Vec<_>, Vec<_>) = numbered.partition(|migration| migration.frozen);
    let (released, drafts) = (ids(&released), ids(&drafts));
    let meant = if thaw { &released } else { &drafts };
    match meant[..] {
        // A later check explains why a released migration does not move.
        [] if !released.is_empty() => Ok(released[0].to_owned()),
        [] if thaw => Err(Failure::refused(format!("no released migration has the number {id}"))),
        [] => Err(Failure::refused(format!("no draft has the number {id}"))),
        [one] => Ok(one.to_owned()),
        _ => Err(Failure::refused(format!("the number {id} belongs to {}: name the one to move", meant.join(" and ")))),
    }
}
