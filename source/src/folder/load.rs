//! Reads a folder of migrations and runs every check on it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Component, Path, PathBuf};

use lockgate_core::table::{BodyData, PROFILES_MAX};
use lockgate_core::{CompanionKind, Dialect, Dialects, Version};

use super::compare::compare;
use super::model::{CompanionFolder, Folder, Loaded, ScriptFile, Tests};
use super::name::{Kind, Name};
use super::policy::{self, Layout, Need, Numbering, Policy};
use super::read::{FolderFile, Listing};
use super::{
    backends, freeze, grammar, lint, name, order, placeholder, proposed, psql, read, repeatable, script, section, seed,
    snapshot, test, tree,
};
use crate::id::Id;
use crate::lockfile;
use crate::sql::touch::{Catalogue, touches_after};
use crate::{Code, Diagnostic, diagnostic};

/// Reads a folder. `directory` is its absolute path; `shown` is its path in messages (`migrations`).
///
/// Returns every problem at once, and does not panic on any input.
pub fn load(directory: &Path, shown: &str) -> Loaded {
    let beside = match shown.rsplit_once('/') {
        _ if shown.is_empty() || shown == "." => "..",
        _ if shown.ends_with("..") => &format!("{shown}/.."),
        Some((beside, _)) => beside,
        None => "",
    };
    let tests = Tests {
        directory: directory.parent().unwrap_or(directory).join("tests").join("migrations"),
        shown: read::join(beside, "tests/migrations"),
    };
    load_with(directory, shown, tests)
}

/// Reads a folder like [`load`], with the tests in another directory: a package may embed a folder that
/// lies outside of it.
pub fn load_with(directory: &Path, shown: &str, tests: Tests) -> Loaded {
    load_for(directory, shown, tests, Dialects::NONE)
}

/// Reads a folder like [`load_with`], for a package that uses these databases. If the policy names no
/// dialect and the package uses one database, the folder is for that one.
pub fn load_for(directory: &Path, shown: &str, tests: Tests, backends: Dialects) -> Loaded {
    load_any(directory, shown, tests, Policy::default(), backends)
}

/// Reads a folder like [`load_with`]; `policy` applies if the folder has none of its own.
pub fn load_as(directory: &Path, shown: &str, tests: Tests, policy: Policy) -> Loaded {
    load_any(directory, shown, tests, policy, Dialects::NONE)
}

/// Reads these files as if the folder `directory` had no others. Each comes with its path below it. Only what they include
/// is looked for in the folder itself.
pub fn load_files(directory: &Path, shown: &str, files: Vec<(String, PathBuf)>, policy: Policy) -> Loaded {
    let mut files: Vec<FolderFile> = files.into_iter().map(|(path, absolute)| FolderFile { path, absolute }).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let listing = Listing { files, directories: vec![directory.to_owned()], diagnostics: Vec::new() };
    let tests = Tests { directory: PathBuf::new(), shown: String::new() };
    load_listed(listing, None, directory, shown, tests, policy, Dialects::NONE)
}

fn load_any(directory: &Path, shown: &str, tests: Tests, policy: Policy, backends: Dialects) -> Loaded {
    let seeds = seed::list(directory, shown);
    load_listed(read::list(directory, shown), seeds, directory, shown, tests, policy, backends)
}

fn load_listed(
    listing: Listing,
    seeds: Option<(String, Listing)>,
    directory: &Path,
    shown: &str,
    tests: Tests,
    policy: Policy,
    backends: Dialects,
) -> Loaded {
    let mut folder = Folder {
        kind: None,
        root: directory.to_owned(),
        shown: shown.to_owned(),
        tests,
        policy,
        lockfile: None,
        migrations: Vec::new(),
        companions: Vec::new(),
        profiles: Vec::new(),
        directories: listing.directories.clone(),
        snapshots: Vec::new(),
        tracked: Vec::new(),
    };
    let mut listing = listing;
    let mut diagnostics = std::mem::take(&mut listing.diagnostics);
    if folder.directories.is_empty() {
        return Loaded { folder, diagnostics };
    }

    if let Some(found) = listing.file(policy::FILE) {
        folder.tracked.push(found.absolute.clone());
        let file = folder.show(policy::FILE);
        match read::text(&found.absolute, &file) {
            Ok(text) => {
                let (policy, problems) = policy::parse(&text, &file);
                folder.policy = policy;
                diagnostics.extend(problems);
            }
            Err(problem) => diagnostics.push(*problem),
        }
    }
    backends::assume(&mut folder, backends);

    match folder.policy.layout {
        Layout::Flat => {
            let files: Vec<&FolderFile> = listing.files.iter().collect();
            diagnostics.extend(read_part(&mut folder, &listing, &files));
        }
        Layout::Trees => {
            let (trees, problems) = tree::divide(&folder, &listing);
            diagnostics.extend(problems);
            let whole = folder.clone();
            diagnostics.extend(read_part(&mut folder, &listing, &trees.deployment));
            for (kind, files) in [(CompanionKind::Create, &trees.create), (CompanionKind::Manual, &trees.manual)] {
                let mut part = Folder { kind: Some(kind), tracked: Vec::new(), ..whole.clone() };
                diagnostics.extend(read_part(&mut part, &listing, files));
                if !part.migrations.is_empty() {
                    folder.companions.push(CompanionFolder { kind, folder: part });
                }
            }
            folder.tracked.extend(trees.orders);
        }
    }
    if let Some((shown, mut listing)) = seeds {
        diagnostics.append(&mut listing.diagnostics);
        match seed::part(&mut folder, shown, &listing) {
            Ok(mut part) => {
                let files: Vec<&FolderFile> = listing.files.iter().collect();
                diagnostics.extend(read_part(&mut part, &listing, &files));
                diagnostics.extend(seed::check(&folder, &mut part));
                if !part.migrations.is_empty() {
                    folder.companions.push(CompanionFolder { kind: CompanionKind::Seed, folder: part });
                }
            }
            Err(problem) => diagnostics.extend(problem.map(|problem| *problem)),
        }
    }
    diagnostics.extend(snapshot::read(&mut folder, &listing));
    diagnostics.extend(collect_profiles(&mut folder));
    diagnostics.extend(backends::check(&folder, backends));
    diagnostic::sort(&mut diagnostics);
    Loaded { folder, diagnostics }
}

/// Reads the files of a folder, or of one of its trees, and runs every check on them.
fn read_part(folder: &mut Folder, listing: &Listing, files: &[&FolderFile]) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let mut lockfile_text = None;
    if let Some(found) = folder.lock_path().and_then(|path| listing.file(path)) {
        folder.tracked.push(found.absolute.clone());
        let file = folder.show(&found.path);
        match read::text(&found.absolute, &file) {
            Ok(text) => {
                let (lockfile, problems) = lockfile::parse(&text, &file);
                diagnostics.extend(problems);
                folder.lockfile = lockfile;
                lockfile_text = Some(text);
            }
            Err(problem) => diagnostics.push(*problem),
        }
    }

    let mut named = Vec::with_capacity(files.len());
    let mut odd = Vec::new();
    for (place, found) in files.iter().copied().enumerate() {
        let file = found.path.rsplit('/').next().unwrap_or(&found.path);
        if name::is_ignored(file)
            || found.path == policy::FILE
            || found.path == lockfile::FILE
            || snapshot::is_named(&found.path)
        {
            continue;
        }
        let parsed = match folder.kind {
            Some(CompanionKind::Create) => Ok(placed(place, &found.path)),
            Some(CompanionKind::Seed) => seed::parse(file, folder.policy.numbering),
            Some(CompanionKind::Manual | CompanionKind::Repeatable) | None => {
                name::parse(file, folder.policy.numbering)
            }
        };
        match parsed {
            Ok(name) => named.push((name, found)),
            Err(mut bad) => {
                if folder.policy.numbering != Numbering::Encoded && name::parse(file, Numbering::Encoded).is_ok() {
                    let policy = folder.show(policy::FILE);
                    bad.help = name::Help::Text(format!(
                        "if the files are named like this one, say `numbering = \"encoded\"` in `{policy}`"
                    ));
                }
                odd.push((found, bad));
            }
        }
    }
    let reads = script::read_all(folder, &named);
    let mut files = Vec::with_capacity(named.len());
    let mut sources = psql::Sources::default();
    let mut included = HashSet::new();
    for ((name, _), (read, problems)) in named.into_iter().zip(reads) {
        diagnostics.extend(problems);
        if let Some(program) = &read.script.options.psql {
            sources.add(folder.show(&read.script.path), program, &read.script.text);
        }
        for path in &read.script.included {
            if included.insert(path.clone()) {
                folder.tracked.push(path.clone());
            }
        }
        files.push((name, read));
    }
    diagnostics.extend(grammar::check(folder, &files));
    // The desired schema runs in an empty database, and a seed in a new one, where nobody waits and no row is lost.
    if !matches!(folder.kind, Some(CompanionKind::Create | CompanionKind::Seed)) {
        diagnostics.extend(lint::check(folder, &files));
    }
    let wrong = section::check(folder, &files);
    let divided: Vec<String> = wrong.iter().map(|wrong| wrong.file.clone()).collect();
    if !wrong.is_empty() {
        diagnostics = section::without_echoes(diagnostics, &wrong);
        diagnostics.extend(wrong);
    }
    let placeholders = placeholder::check(folder, &files);
    if !placeholders.is_empty() {
        diagnostics = section::without_echoes(diagnostics, &placeholders);
        diagnostics.extend(placeholders);
    }
    diagnostics.extend(section::check_effects(folder, &files));
    let asking = section::check_transactions(folder, &files, &diagnostics);
    diagnostics.extend(asking);
    let is_seed = folder.kind == Some(CompanionKind::Seed);
    if is_seed {
        files.iter().for_each(|(name, read)| diagnostics.extend(seed::unfit(folder, name, read)));
    }
    let (repeatable, versioned) = files.into_iter().partition(|(name, _)| name.is_repeatable() && !is_seed);
    let (migrations, problems) = order::group(&folder.shown, &folder.policy, versioned);
    folder.migrations = migrations;
    diagnostics.extend(problems);
    let (companion, problems) = repeatable::companion(folder, repeatable);
    folder.companions.extend(companion);
    diagnostics.extend(problems);
    record_touches(folder);
    let mut proposed = proposed::ProposedNames::new(folder);
    let is_sqitch = listing.files.iter().any(|found| found.path == section::SQITCH_PLAN);
    for (found, bad) in odd.into_iter().filter(|(found, _)| !included.contains(&found.absolute)) {
        let message = format!("`{}` {}", found.path, bad.message);
        let mut help = proposed.help_for(&found.path, &bad.help);
        if let Some(script) = section::settings(found, &listing.files) {
            help = format!(
                "write `-- lockgate: no-transaction` as the first line of `{script}`, which says the same, and delete this file"
            );
        }
        if is_sqitch && (found.path == section::SQITCH_PLAN || found.path.contains('/')) {
            help = format!(
                "`{}` has the order of these scripts: number them in that order, {}",
                section::SQITCH_PLAN,
                name::CONVERT
            );
        }
        let shown = folder.show(&found.path);
        if name::is_flyway(&found.path) {
            let text = read::text(&found.absolute, &shown).unwrap_or_default();
            diagnostics.extend(placeholder::check_flyway(&text, &shown));
        }
        let diagnostic = Diagnostic::error(bad.code, shown, message).help(help);
        diagnostics.push(match tree::looks_like(&found.path) && folder.policy.layout == Layout::Flat {
            true => diagnostic.help(format!(
                "or, if the folder has the trees `create/`, `deployment/` and `manual-deployment/`, say `layout = \"trees\"` \
                 in `{}`",
                folder.show(policy::FILE)
            )),
            false => diagnostic,
        });
    }

    if let (Some(lockfile), Some(text)) = (folder.lockfile.take(), &lockfile_text) {
        freeze::mark(&lockfile, &mut folder.migrations);
        if diagnostics.iter().any(|diagnostic| diagnostic.code == Code::MergeConflict) {
            // After an unfinished merge the files decide which drafts exist.
            folder.lockfile = Some(freeze::with_drafts(folder, Some(&lockfile)));
        } else {
            diagnostics.extend(compare(folder, &lockfile, text));
            folder.lockfile = Some(lockfile);
        }
    }
    diagnostics.extend(order::check(folder));
    if folder.policy.tests == Need::Required && folder.kind.is_none() {
        diagnostics.extend(missing_tests(folder));
    }
    // A file that another tool would divide has its down script inside it.
    diagnostics.retain(|diagnostic| diagnostic.code != Code::MissingDown || !divided.contains(&diagnostic.file));
    sources.relocate(folder, &mut diagnostics);
    diagnostics
}

/// The name of a file of `create/`, given its place in the order.
fn placed(place: usize, path: &str) -> Name {
    let version = i64::try_from(place + 1).ok().and_then(Version::new).expect("a folder has fewer than 2⁶³ files");
    Name { id: Id::placed(path.strip_suffix(".sql").unwrap_or(path), version), kind: Kind::OneWay }
}

/// Reads the folder that a package embeds.
///
/// `written` is the path in the macro call, relative to `crate_directory`. `tests` is the path of the tests,
/// if it is not `tests/migrations`. Messages show paths relative to `work_directory`, where cargo runs the
/// compiler, so that editors can open them. `built` are the databases that lockgate was built for, if they
/// are known; they count if the package's manifest names none.
pub fn load_embedded(
    crate_directory: &Path,
    written: &str,
    tests: Option<&str>,
    work_directory: &Path,
    built: Dialects,
) -> Loaded {
    let place = |written: &str| {
        let written = written.trim().replace('\\', "/");
        let directory = normal(&crate_directory.join(written.trim_end_matches('/')));
        let shown = shown(&directory, &written, work_directory);
        (directory, shown)
    };
    let (folder, shown) = place(written);
    let (directory, shown_tests) = place(tests.unwrap_or("tests/migrations"));
    let asked_for = backends::of_package(crate_directory);
    let backends = if asked_for == Dialects::NONE { built } else { asked_for };
    let mut loaded = load_for(&folder, &shown, Tests { directory, shown: shown_tests }, backends);
    let name = written.trim().trim_end_matches('/').rsplit(['/', '\\']).next().unwrap_or_default();
    if let Some(missing) = loaded.diagnostics.iter_mut().find(|found| found.code == Code::NoSuchFolder)
        && let Some(path) = read::above(crate_directory, name)
    {
        missing.help.insert(0, format!("there is `{path}`: if that is meant, write `embed_migrations!({path:?})`"));
    }
    let manifest = crate_directory.join(backends::MANIFEST);
    let has_policy = loaded.folder.tracked.iter().any(|path| path.ends_with(policy::FILE));
    if !loaded.folder.directories.is_empty() && !has_policy && read::is_file(&manifest) {
        // Without a policy, the manifest decides which database the folder is for.
        loaded.folder.tracked.push(manifest);
    }
    loaded
}

/// Returns the path relative to the work directory if it is inside it, otherwise as it was written.
fn shown(path: &Path, written: &str, work_directory: &Path) -> String {
    let short = path.strip_prefix(work_directory).ok().and_then(Path::to_str).filter(|path| !path.is_empty());
    match short {
        Some(path) => path.replace('\\', "/"),
        None => written.strip_prefix("./").unwrap_or(written).trim_end_matches('/').to_owned(),
    }
}

/// Removes `.` and `..` from a path without looking at the file system: links are not followed, and the
/// path need not exist.
pub fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(normal.components().next_back(), Some(Component::Normal(_))) => {
                normal.pop();
            }
            component => normal.push(component),
        }
    }
    normal
}

/// Notes every profile in the folder and in its companions.
fn collect_profiles(folder: &mut Folder) -> Option<Diagnostic> {
    let of_companions = || folder.companions.iter().flat_map(|companion| &companion.folder.migrations);
    let all = || folder.migrations.iter().chain(of_companions());
    let mut profiles: BTreeSet<String> = all().flat_map(|migration| migration.profiles.clone()).collect();
    let mut problem = None;
    if profiles.len() > PROFILES_MAX {
        let last = all().rfind(|migration| !migration.profiles.is_empty());
        problem = last.map(|migration| {
            let message = format!("the folder has {} profiles, and a program can choose among 64", profiles.len());
            folder.error(Code::BadDirective, &migration.up, message).help("use fewer")
        });
        profiles.clear();
        let companions = folder.companions.iter_mut().flat_map(|companion| &mut companion.folder.migrations);
        folder.migrations.iter_mut().chain(companions).for_each(|migration| migration.profiles.clear());
    }
    folder.profiles = profiles.into_iter().collect();
    for companion in &mut folder.companions {
        companion.folder.profiles.clone_from(&folder.profiles);
    }
    problem
}

/// Records what each statement does to tables, given the tables that earlier scripts created.
fn record_touches(folder: &mut Folder) {
    let mut catalogues: BTreeMap<String, Catalogue> = BTreeMap::new();
    let companions = folder.companions.iter_mut().flat_map(|companion| &mut companion.folder.migrations);
    for migration in folder.migrations.iter_mut().chain(companions) {
        let database = migration.database().unwrap_or_default().to_owned();
        let catalogue = catalogues.entry(database).or_default();
        touch(&mut migration.up, catalogue);
        if let Some(down) = &mut migration.down {
            touch(down, &mut catalogue.clone());
        }
    }
}

fn touch(script: &mut ScriptFile, catalogue: &mut Catalogue) {
    let text = script.masked.as_deref().unwrap_or(&script.text);
    let BodyData::Sql { readings, .. } = &mut script.body else { return };
    for reading in readings {
        // Dialects that read the script alike agree on what it does; the locks are PostgreSQL's.
        let reads_as = reading.dialects.iter().next().unwrap_or(Dialect::Postgres);
        reading.touches = touches_after(reads_as, text, &mut reading.statements, catalogue);
    }
}

/// Reports the migrations without a test file, under `tests = "required"`.
fn missing_tests(folder: &Folder) -> Vec<Diagnostic> {
    let present = read::names(&folder.tests.directory);
    let has_test = |key: &str| test::endings().any(|ending| present.contains(&format!("{key}{ending}")));
    // A bootstrap makes its database on a server, and a test has a database.
    let tested = folder.migrations.iter().filter(|migration| !migration.is_bootstrap());
    let missing = tested.filter(|migration| !has_test(migration.id.key()));
    missing
        .map(|migration| {
            let test = folder.shown_test(migration.id.key());
            let message = format!("`{}` has no test: there is no `{test}`", migration.id);
            folder
                .error(Code::MissingTest, &migration.up, message)
                .help(format!(
                    "type `cargo xtask new-test {}`: it writes one that fails until it is filled in",
                    migration.id.word()
                ))
                .help(format!("or say `tests = \"optional\"` in `{}`", folder.show(policy::FILE)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_from_where_the_compiler_runs() {
        let work = Path::new("/repository");
        for (crate_directory, written, expected) in [
            ("/repository", "migrations", "migrations"),
            ("/repository/examples/app", "../../migrations/", "migrations"),
            ("/repository/a", "./db/m", "a/db/m"),
            ("/elsewhere/a", "./db/m/", "db/m"),
            ("/elsewhere/a", "../m", "../m"),
        ] {
            let folder = normal(&Path::new(crate_directory).join(written));
            assert_eq!(shown(&folder, written, work), expected);
        }
    }
}
