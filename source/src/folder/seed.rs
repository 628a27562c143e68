//! Reads the seeds in `seeds/`, beside the folder of migrations: `seeds/0004_demo.sql` is loaded into a database that
//! has the migrations up to `0004`. Checks their names, and that no two are for the same migration and profile.

use std::path::Path;

use lockgate_core::{CompanionKind, Version, seed};

use super::model::{Folder, Migration, ScriptFile};
use super::name::{self, BadName, Help, Kind, Name};
use super::policy::Numbering;
use super::read::{self, Listing};
use super::script::ReadScript;
use crate::id::Id;
use crate::{Code, Diagnostic};

/// The name of the folder.
pub const FOLDER: &str = "seeds";

/// Lists the folder of seeds beside a folder of migrations, with its name for messages. `None` if it does not exist.
pub(super) fn list(directory: &Path, shown: &str) -> Option<(String, Listing)> {
    let beside = directory.parent()?.join(FOLDER);
    if !read::is_directory(&beside) {
        return None;
    }
    let shown = match shown.rsplit_once('/') {
        Some((above, name)) if name != ".." && name != "." => format!("{above}/{FOLDER}"),
        None if !shown.is_empty() && shown != "." && shown != ".." => FOLDER.to_owned(),
        Some(_) | None => format!("{shown}/../{FOLDER}"),
    };
    let listing = read::list(&beside, &shown);
    Some((shown, listing))
}

/// Returns the empty folder for the seeds. `Err` if there are no seeds, possibly with a diagnostic that says why.
pub(super) fn part(folder: &mut Folder, shown: String, listing: &Listing) -> Result<Folder, Option<Box<Diagnostic>>> {
    let Some(root) = listing.directories.first().cloned() else { return Err(None) };
    folder.directories.extend(listing.directories.iter().cloned());
    if folder.policy.numbering == Numbering::Encoded {
        let message = format!("`{shown}` has seeds, but the names of these migrations have several parts");
        let help =
            "seeds need migrations with plain numbers, such as `0004_add_tags.sql`; use a patch to load the data";
        return Err(Some(Box::new(Diagnostic::error(Code::BadName, &shown, message).help(help))));
    }
    Ok(Folder {
        kind: Some(CompanionKind::Seed),
        root,
        shown,
        directories: listing.directories.clone(),
        lockfile: None,
        migrations: Vec::new(),
        companions: Vec::new(),
        snapshots: Vec::new(),
        tracked: Vec::new(),
        ..folder.clone()
    })
}

/// Checks that each seed has its migration, and that no two seeds conflict.
pub(super) fn check(folder: &Folder, part: &mut Folder) -> Vec<Diagnostic> {
    // Seeds are not released: the version in the working tree counts.
    part.migrations.iter_mut().for_each(|seed| seed.frozen = true);
    let mut diagnostics: Vec<Diagnostic> =
        part.migrations.iter().filter_map(|seed| at_migration(folder, part, seed)).collect();
    diagnostics.extend(twice(part));
    diagnostics
}

/// Reads the name of a seed.
pub(super) fn parse(file: &str, numbering: Numbering) -> Result<Name, Box<BadName>> {
    let bad = |message: &str, help: Help| Box::new(BadName { code: Code::BadName, message: message.to_owned(), help });
    let form = || {
        Help::text(format!(
            "name it `<version>_<name>.sql`, with the version of the migration after which it is loaded, or move it out \
             of `{FOLDER}/`"
        ))
    };
    let name = name::parse(file, numbering).map_err(|problem| {
        let message = problem.message.replace("a migration", "a seed");
        Box::new(BadName { message, help: form(), ..*problem })
    })?;
    match name.kind {
        Kind::OneWay if !name.is_repeatable() => Ok(Name { id: Id::named(&name.id), kind: Kind::OneWay }),
        Kind::OneWay => Err(bad("is named like a repeatable script, but a seed is loaded only once", form())),
        Kind::Up => Err(bad(
            "is named like an up script, but a seed has no direction",
            Help::rename(format!("{}.sql", name.id)),
        )),
        Kind::Down => Err(bad("is a down script, but seeds are never reverted", Help::text("delete it"))),
        Kind::Rust => Err(bad(
            "is a Rust file, but seeds are SQL",
            Help::text("write it as SQL; computed rows belong in `tests/migrations/seed.rs`"),
        )),
    }
}

/// Reports directives that a seed cannot have.
pub(super) fn unfit(folder: &Folder, name: &Name, read: &ReadScript) -> Vec<Diagnostic> {
    let (file, text) = (folder.show(&read.script.path), &read.script.text);
    let error = |range: &std::ops::Range<usize>, why: &str| {
        let message = format!("`{}` is a seed, {why}", name.id);
        Diagnostic::error(Code::BadDirective, &file, message).at(text, range.clone(), "").help("delete this line")
    };
    let mut diagnostics = Vec::new();
    if let Some(range) = &read.no_transaction {
        diagnostics.push(error(range, "which always runs in one transaction"));
    }
    if let Some((_, range)) = &read.irreversible {
        diagnostics.push(error(range, "which is never reverted"));
    }
    for (_, range) in &read.after {
        diagnostics.push(error(range, "which runs after its migration"));
    }
    diagnostics
}

/// Reports a seed whose migration does not exist.
fn at_migration(folder: &Folder, part: &Folder, seed: &Migration) -> Option<Diagnostic> {
    let at = seed::at(&seed.id)?;
    if folder.migrations.iter().any(|migration| migration.version() == at) {
        return None;
    }
    let message = format!("`{}` is loaded after the migration {at}, which does not exist", seed.id);
    let error = part.error(Code::BadName, &seed.up, message);
    let before = folder.migrations.iter().rev().find(|migration| migration.version() < at);
    Some(match before {
        Some(before) => error.help(format!(
            "the newest earlier migration is `{}`: if the data fit it, rename the seed to `{}`",
            before.id,
            renamed(&seed.up, before)
        )),
        None if folder.migrations.is_empty() => {
            error.help(format!("`{}` has no migrations yet: write one first", folder.shown))
        }
        None => error.help(format!("the first migration is `{}`", folder.migrations[0].id)),
    })
}

/// The file name of a seed with the version of this migration.
fn renamed(script: &ScriptFile, migration: &Migration) -> String {
    let digits = |name: &str| name.bytes().take_while(u8::is_ascii_digit).count();
    let file = script.path.rsplit('/').next().unwrap_or(&script.path);
    format!("{}{}", &migration.id[..digits(&migration.id)], &file[digits(file)..])
}

/// Reports two seeds of one migration if a choice of profiles can mean both.
fn twice(part: &Folder) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let mut known: Vec<(Version, &Migration)> = Vec::with_capacity(part.migrations.len());
    let mut seeds: Vec<&Migration> = part.migrations.iter().collect();
    seeds.sort_by_key(|seed| &seed.up.path);
    for seed in seeds {
        let Some(at) = seed::at(&seed.id) else { continue };
        let is_other = |(known_at, known): &&(Version, &Migration)| *known_at == at && overlap(known, seed);
        if let Some((_, first)) = known.iter().find(is_other) {
            let (a, b) = (part.show(&first.up.path), part.show(&seed.up.path));
            let profile = match shared_profile(first, seed) {
                Some(profile) => format!(" and the profile `{profile}`"),
                None => String::new(),
            };
            let message = format!("two seeds are for the migration {at}{profile}: `{a}` and `{b}`");
            diagnostics.push(part.error(Code::Duplicate, &seed.up, message).help(
                "merge them into one file, or give them different profiles: write `-- lockgate: profile <name>` in the first \
                 lines",
            ));
        }
        known.push((at, seed));
    }
    diagnostics
}

/// Whether a choice of profiles can mean both.
fn overlap(one: &Migration, other: &Migration) -> bool {
    one.profiles.is_empty() && other.profiles.is_empty() || shared_profile(one, other).is_some()
}

fn shared_profile<'a>(one: &'a Migration, other: &Migration) -> Option<&'a String> {
    one.profiles.iter().find(|profile| other.profiles.contains(profile))
}
