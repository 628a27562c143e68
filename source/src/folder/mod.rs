//! A folder of migrations, read and understood: [`load`] gives everything that is in it and
//! everything that is wrong with it.

pub mod backends;
pub mod directive;
mod free;
mod grammar;
mod lint;
pub mod name;
pub(crate) mod order;
mod patch;
pub mod policy;
pub(crate) mod read;
mod script;
pub(crate) mod section;
mod step;
mod test;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use lockgate_core::history::applied_text;
use lockgate_core::patch::{self as numbers, Patch};
use lockgate_core::table::{self, BodyData, Encoded, MigrationData, Names, ScriptData, ScriptOptions};
use lockgate_core::{Checksum, Dialect, Dialects, Touch, Version};

use sha2::{Digest, Sha256};

use crate::lockfile::{self, Lockfile};
use crate::sql::suggest;
use crate::sql::touch::{Catalogue, touches_after};
use crate::{Diagnostic, Policy, Severity};
use crate::{checksum, diagnostic};
use name::{Kind, Name};
use policy::{Need, Numbering};
pub use test::{Intent, MigrationTest, SqlSuite, TestBody, TestStatement};

/// A folder and everything that is wrong with it.
#[derive(Debug)]
pub struct Loaded {
    /// What is in it; after errors only as much as could be understood.
    pub folder: Folder,
    /// Every problem, in the order of the files and their lines.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// Whether the folder does not compile.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// What a folder holds.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Where it is.
    pub root: PathBuf,
    /// How messages name it: `migrations`.
    pub shown: String,
    /// Where the tests of its migrations are.
    pub tests: Tests,
    /// What it asks of its migrations.
    pub policy: Policy,
    /// Its lockfile, where there is one that can be read.
    pub lockfile: Option<Lockfile>,
    /// The migrations in ascending order of database, version and id. Where two of one database have
    /// the same version there is an error too.
    pub migrations: Vec<Migration>,
    /// The folder and every directory in it.
    pub directories: Vec<PathBuf>,
    /// Policy and lockfile, those that exist.
    pub tracked: Vec<PathBuf>,
}

/// The directory of the tests of migrations: `tests/migrations` of the package that embeds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tests {
    /// Where it is.
    pub directory: PathBuf,
    /// How messages name it.
    pub shown: String,
}

/// Why there is no one database that a folder's migrations are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoDatabase {
    /// The folder's names say no database.
    NotEncoded,
    /// Its names say others.
    Unknown {
        /// Those that they say.
        known: Vec<String>,
        /// The one among them that was meant, perhaps.
        meant: Option<String>,
    },
    /// Its names say more than one, and none was named.
    Several {
        /// Those that they say.
        known: Vec<String>,
    },
}

/// One migration of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its version.
    pub version: Version,
    /// Version and name as its files write them: `0001_create_users`.
    pub id: String,
    /// Its name without the version: `create_users`. Of a patch, its description.
    pub name: String,
    /// Whether the lockfile records it as released.
    pub frozen: bool,
    /// The checksums that its up script had before it was amended, the first one first.
    pub amended: Vec<Checksum>,
    /// Why it cannot be reverted, where its author said so.
    pub irreversible: Option<String>,
    /// The script that applies it, or the file of the Rust step.
    pub up: Script,
    /// The script that reverts it; for a Rust step that has a `down` the same file again.
    pub down: Option<Script>,
}

/// One file of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The path below the folder, with forward slashes.
    pub path: String,
    /// Where the file is.
    pub absolute: PathBuf,
    /// What its name says that it is.
    pub kind: Kind,
    /// What is in it. SQL is without a byte order mark and has LF for CRLF, as it is summed: two checkouts of one
    /// file send the same.
    pub text: String,
    /// Whether these are the bytes of the file.
    pub as_in_file: bool,
    /// The checksum of its canonical text; `None` where it could not be read.
    pub checksum: Option<Checksum>,
    /// What it is made of.
    pub body: BodyData,
    /// For each list of statements of its body, what they do to tables.
    pub touches: Vec<Vec<Touch<String>>>,
    /// What it says where it reverts and only raises an error: then the migration is irreversible.
    pub raises: Option<String>,
    /// What its head asks for.
    pub options: ScriptOptions,
    /// The lints that its head silences, with the reasons.
    pub allow: Vec<(String, String)>,
}

/// What the macro needs to emit a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embedded {
    /// Paths and table.
    pub encoded: Encoded,
    /// The SQL files whose texts are to be laid in a row, in this order.
    pub texts: Vec<EmbeddedText>,
    /// The Rust steps.
    pub rust_steps: Vec<RustStep>,
    /// Other files that the embedded set depends on.
    pub tracked: Vec<PathBuf>,
}

/// The text of an SQL file, as it is embedded and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedText {
    /// The file.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
    /// Whether these are the bytes of the file: it has no byte order mark and no CRLF.
    pub as_in_file: bool,
}

/// A migration that is a Rust file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RustStep {
    /// Its version.
    pub version: Version,
    /// The file.
    pub file: PathBuf,
    /// Whether it has a function `down`.
    pub has_down: bool,
}

/// Reads a folder. `directory` is absolute; `shown` is how messages name it (`migrations`).
///
/// Every problem is found at once, and none of them is a panic.
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

/// Reads a folder like [`load`], with the tests of its migrations elsewhere than beside it: a
/// package may embed a folder that is not its own.
pub fn load_with(directory: &Path, shown: &str, tests: Tests) -> Loaded {
    load_for(directory, shown, tests, Dialects::NONE)
}

/// Reads a folder like [`load_with`] for a package that has these databases: where its policy names none,
/// it is for the only one that there is.
pub fn load_for(directory: &Path, shown: &str, tests: Tests, backends: Dialects) -> Loaded {
    load_any(directory, shown, tests, Policy::default(), backends)
}

/// Reads a folder like [`load_with`]; where it has no policy of its own, by this one.
pub fn load_as(directory: &Path, shown: &str, tests: Tests, policy: Policy) -> Loaded {
    load_any(directory, shown, tests, policy, Dialects::NONE)
}

fn load_any(directory: &Path, shown: &str, tests: Tests, policy: Policy, backends: Dialects) -> Loaded {
    let listing = read::list(directory, shown);
    let mut folder = Folder {
        root: directory.to_owned(),
        shown: shown.to_owned(),
        tests,
        policy,
        lockfile: None,
        migrations: Vec::new(),
        directories: listing.directories,
        tracked: Vec::new(),
    };
    let mut diagnostics = listing.diagnostics;
    if folder.directories.is_empty() {
        return Loaded { folder, diagnostics };
    }

    let at_top = |file: &str| listing.files.iter().find(|found| found.path == file);
    if let Some(found) = at_top(policy::FILE) {
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

    let mut lockfile_text = None;
    if let Some(found) = at_top(lockfile::FILE) {
        folder.tracked.push(found.absolute.clone());
        let file = folder.show(lockfile::FILE);
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

    let mut named = Vec::with_capacity(listing.files.len());
    let mut odd = Vec::new();
    for found in &listing.files {
        let file = found.path.rsplit('/').next().unwrap_or(&found.path);
        if name::is_ignored(file) || found.path == policy::FILE || found.path == lockfile::FILE {
            continue;
        }
        match name::parse(file, folder.policy.numbering) {
            Ok(name) => named.push((name, found)),
            Err(mut bad) => {
                if folder.policy.numbering != Numbering::Encoded && name::parse(file, Numbering::Encoded).is_ok() {
                    let policy = folder.show(policy::FILE);
                    bad.help =
                        format!("if the files are named like this one, say `numbering = \"encoded\"` in `{policy}`");
                }
                odd.push((found, bad));
            }
        }
    }
    let reads = script::read_all(&folder, &named);
    let mut files = Vec::with_capacity(named.len());
    for ((name, _), (read, problems)) in named.into_iter().zip(reads) {
        diagnostics.extend(problems);
        files.push((name, read));
    }
    diagnostics.extend(grammar::check(&folder, &files));
    diagnostics.extend(lint::check(&folder, &files));
    let wrong = section::check(&folder, &files);
    if !wrong.is_empty() {
        diagnostics = section::without_echoes(diagnostics, &wrong);
        diagnostics.extend(wrong);
    }
    let (migrations, problems) = order::group(&folder.shown, &folder.policy, files);
    folder.migrations = migrations;
    touched(&mut folder.migrations);
    diagnostics.extend(problems);
    let user = folder.last_user();
    let mut free = free::Free::of(&folder);
    for (found, bad) in odd {
        let message = format!("`{}` {}", found.path, bad.message);
        let help = free.put_in(&found.path, &bad.help.replace("{user}", &user));
        diagnostics.push(Diagnostic::error(bad.code, folder.show(&found.path), message).help(help));
    }

    if let (Some(lockfile), Some(text)) = (folder.lockfile.take(), &lockfile_text) {
        lockfile.mark(&mut folder.migrations);
        if diagnostics.iter().any(|diagnostic| diagnostic.code == "merge-conflict") {
            // Which drafts there are after a merge, the files say.
            folder.lockfile = Some(lockfile::with_drafts(&folder, Some(&lockfile)));
        } else {
            diagnostics.extend(lockfile::compare(&folder, &lockfile, text));
            folder.lockfile = Some(lockfile);
        }
    }
    diagnostics.extend(order::check(&folder));
    diagnostics.extend(backends::check(&folder, backends));
    if folder.policy.tests == Need::Required {
        diagnostics.extend(missing_tests(&folder));
    }
    diagnostic::sort(&mut diagnostics);
    Loaded { folder, diagnostics }
}

/// Reads the folder that a package embeds: `written` is the path as the call of the macro has it, from the
/// directory of the package, and `tests` that of its tests, if not `tests/migrations`. Messages name files from `work_directory`,
/// where cargo runs the compiler, so that a click on them finds the file. `built` are the databases for which
/// lockgate itself was built, where that is known: they count where the manifest of the package names none.
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
    if let Some(missing) = loaded.diagnostics.iter_mut().find(|found| found.code == "no-such-folder")
        && let Some(path) = read::above(crate_directory, name)
    {
        missing.help.insert(0, format!("there is `{path}`: if that is meant, write `embed_migrations!({path:?})`"));
    }
    let manifest = crate_directory.join(backends::MANIFEST);
    let has_policy = loaded.folder.tracked.iter().any(|path| path.ends_with(policy::FILE));
    if !loaded.folder.directories.is_empty() && !has_policy && read::is_file(&manifest) {
        // Where no policy says what the folder is for, the manifest does.
        loaded.folder.tracked.push(manifest);
    }
    loaded
}

/// The path from the work directory, where it is below that; else as it is written.
fn shown(path: &Path, written: &str, work_directory: &Path) -> String {
    let short = path.strip_prefix(work_directory).ok().and_then(Path::to_str).filter(|path| !path.is_empty());
    match short {
        Some(path) => path.replace('\\', "/"),
        None => written.strip_prefix("./").unwrap_or(written).trim_end_matches('/').to_owned(),
    }
}

/// The path without `.` and `..`, by its letters alone: a link stays a link, and nothing
/// needs to be there.
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

/// Says of each script what it does to tables, by what those before it have made.
fn touched(migrations: &mut [Migration]) {
    let mut catalogues: BTreeMap<String, Catalogue> = BTreeMap::new();
    for migration in migrations {
        let database = migration.database().unwrap_or_default().to_owned();
        let catalogue = catalogues.entry(database).or_default();
        migration.up.touch(catalogue);
        if let Some(down) = &mut migration.down {
            down.touch(&mut catalogue.clone());
        }
    }
}

/// Under `tests = "required"`: the migrations without a test file (L1).
fn missing_tests(folder: &Folder) -> Vec<Diagnostic> {
    let present = read::names(&folder.tests.directory);
    let has_test = |key: &str| test::endings().any(|ending| present.contains(&format!("{key}{ending}")));
    let missing = folder.migrations.iter().filter(|migration| !has_test(migration.key()));
    missing
        .map(|migration| {
            let test = folder.shown_test(migration.key());
            let message = format!("`{}` has no test: there is no `{test}`", migration.id);
            folder
                .error("missing-test", &migration.up, message)
                .help(format!(
                    "type `cargo xtask new-test {}`: it writes one that fails until it is filled in",
                    migration.word()
                ))
                .help(format!("or say `tests = \"optional\"` in `{}`", folder.show(policy::FILE)))
        })
        .collect()
}

impl Folder {
    /// A path below the folder as messages name it: `migrations/0001_create_users.sql`.
    pub fn show(&self, path: &str) -> String {
        read::join(&self.shown, path)
    }

    /// An error about a file of a migration, shown at its first line that does something.
    pub(crate) fn error(&self, code: &'static str, script: &Script, message: impl Into<String>) -> Diagnostic {
        script.point(Diagnostic::error(code, self.show(&script.path), message))
    }

    /// The migration of this id; of a patch, whatever it is called now.
    pub fn find(&self, id: &str) -> Option<&Migration> {
        let place = lockfile::place_of(id)?;
        let at = self.migrations.partition_point(|known| (known.database(), known.version) < place);
        let of_it = || self.migrations[at..].iter().take_while(|known| (known.database(), known.version) == place);
        let by_key = || of_it().find(|known| known.frozen).or_else(|| of_it().next()).filter(|_| place.0.is_some());
        of_it().find(|known| known.id == id).or_else(by_key)
    }

    /// The databases that its migrations are for, where their names say so.
    pub fn databases(&self) -> Vec<&str> {
        let mut databases: Vec<&str> = self.migrations.iter().filter_map(Migration::database).collect();
        databases.dedup();
        databases
    }

    /// Leaves the migrations of one database: what a program embeds. Where names do not say what they
    /// are for, and where they all say the same, all of them are.
    ///
    /// Checks look at the whole folder, and so at all databases.
    ///
    /// # Errors
    ///
    /// [`NoDatabase`] where the folder is for several and none is named, or this one is not among them.
    pub fn choose(&mut self, database: Option<&str>) -> Result<(), NoDatabase> {
        let known: Vec<String> = self.databases().into_iter().map(str::to_owned).collect();
        match database {
            Some(_) if self.policy.numbering != Numbering::Encoded => return Err(NoDatabase::NotEncoded),
            Some(wanted) if !known.iter().any(|known| known == wanted) => {
                let meant = self.near_database(wanted).map(str::to_owned);
                return Err(NoDatabase::Unknown { known, meant });
            }
            None if known.len() > 1 => return Err(NoDatabase::Several { known }),
            Some(wanted) => self.migrations.retain(|migration| migration.database() == Some(wanted)),
            None => {}
        }
        Ok(())
    }

    /// The database of the folder that this slip of the pen stands for.
    pub fn near_database(&self, wanted: &str) -> Option<&str> {
        suggest::nearest(wanted, self.databases())
    }

    /// The folder once for each of its databases, or once where its names do not say what they are for.
    pub fn of_each_database(&self) -> Vec<Self> {
        let of = |database: &&str| {
            let mut one = self.clone();
            one.migrations.retain(|migration| migration.database() == Some(*database));
            one
        };
        match self.databases() {
            databases if databases.len() > 1 => databases.iter().map(of).collect(),
            _ => vec![self.clone()],
        }
    }

    /// The test of a migration as messages name it, by its key: `tests/migrations/0001_create_users.rs`.
    pub fn shown_test(&self, key: &str) -> String {
        read::join(&self.tests.shown, &format!("{key}.rs"))
    }

    /// The user that a suggestion gives to a patch without one.
    fn last_user(&self) -> String {
        let last = self.migrations.last().and_then(|migration| Patch::parse(&migration.id));
        last.filter(|_| self.databases().len() == 1).map_or("<user>", |patch| patch.user()).to_owned()
    }

    /// The number that a suggestion gives to a file without one, written as wide as the others: the first one, or so
    /// many after it.
    fn next_number(&self, after: usize) -> String {
        let last = self.migrations.last();
        let width = last.map_or(4, |last| last.id.len() - last.name.len() - 1);
        let next = match (last, self.policy.numbering) {
            (Some(last), _) => last.version.get().saturating_add(1),
            (None, Numbering::Ordinal) => 0,
            (None, _) => 1,
        };
        let next = next.saturating_add(i64::try_from(after).unwrap_or(i64::MAX));
        match self.policy.numbering {
            Numbering::Encoded => {
                let (only, next) = match self.databases()[..] {
                    [only] => {
                        let next = last.and_then(|last| numbers::next(last.version));
                        (only, (0..after).fold(next, |next, _| next.and_then(numbers::next)))
                    }
                    _ => ("<database>", numbers::version(1, 1)),
                };
                let numbers = next.map_or("<MAJOR>.<MINOR>".to_owned(), numbers::numbers);
                format!("{only}.{numbers}")
            }
            Numbering::Timestamp => "<YYYYMMDDhhmmss>".to_owned(),
            Numbering::Ordinal => format!("{next:05}"),
            Numbering::Any | Numbering::Sequence => format!("{next:0width$}"),
        }
    }

    /// What the macro emits.
    ///
    /// # Panics
    ///
    /// Where [`load`] found errors: two migrations of one version, or texts of more than 4 GiB; and
    /// where it is for several databases and [`choose`](Self::choose) has not chosen one.
    pub fn encode(&self) -> Embedded {
        let mut texts = Vec::new();
        let mut rust_steps = Vec::new();
        let mut migrations = Vec::with_capacity(self.migrations.len());
        for migration in &self.migrations {
            for script in [Some(&migration.up), migration.way_down()].into_iter().flatten() {
                if script.kind != Kind::Rust {
                    texts.push(EmbeddedText {
                        file: script.absolute.clone(),
                        text: script.text.clone(),
                        as_in_file: script.as_in_file,
                    });
                }
            }
            if migration.up.kind == Kind::Rust {
                let (file, has_down) = (migration.up.absolute.clone(), migration.down.is_some());
                rust_steps.push(RustStep { version: migration.version, file, has_down });
            }
            migrations.push(MigrationData {
                version: migration.version,
                name: match migration.database() {
                    Some(_) => migration.id.clone(),
                    None => migration.name.clone(),
                },
                frozen: migration.frozen,
                amended: migration.amended.clone(),
                irreversible: migration.reason().map(str::to_owned),
                up: migration.up.data(),
                down: migration.way_down().map(Script::data),
            });
        }
        let names = match self.policy.numbering {
            Numbering::Encoded => Names::Free,
            Numbering::Any | Numbering::Sequence | Numbering::Timestamp | Numbering::Ordinal => Names::Kept,
        };
        let rows = migrations.iter().map(|migration| (migration.version, &migration.name, migration.up.checksum));
        let digest = Sha256::digest(applied_text(rows));
        let encoded = table::encode(self.policy.dialects(), names, &migrations).with_digest(digest.into());
        Embedded { encoded, texts, rust_steps, tracked: self.tracked.clone() }
    }
}

impl Migration {
    fn new(name: &Name, up: Script, down: Option<Script>, irreversible: Option<String>) -> Self {
        Self {
            version: name.version,
            id: name.id.clone(),
            name: name.name().to_owned(),
            frozen: false,
            amended: Vec::new(),
            irreversible,
            up,
            down,
        }
    }

    /// The script that reverts it. One that only raises an error is none.
    pub fn way_down(&self) -> Option<&Script> {
        self.down.as_ref().filter(|down| down.raises.is_none())
    }

    /// Why it is irreversible, as its directive or its way down says.
    pub fn reason(&self) -> Option<&str> {
        let raises = || self.down.as_ref().and_then(|down| down.raises.as_deref());
        self.irreversible.as_deref().or_else(raises)
    }

    /// The database that it is for, where its name says so.
    pub fn database(&self) -> Option<&str> {
        Patch::parse(&self.id).map(|patch| patch.database())
    }

    /// What it is known by: `billing.00000001.0002` of a patch, whose user and description may change;
    /// otherwise its id. Its test is found by it.
    pub fn key(&self) -> &str {
        Patch::parse(&self.id).map_or(&self.id, |patch| patch.key())
    }

    /// What one types to name it: its digits, `0007`; of a patch its key.
    pub fn word(&self) -> &str {
        match self.database() {
            Some(_) => self.key(),
            None => &self.id[..self.id.len() - self.name.len() - 1],
        }
    }

    /// The files that it is made of.
    pub fn files(&self) -> impl Iterator<Item = &Script> {
        let down = self.down.as_ref().filter(|down| down.kind != Kind::Rust);
        std::iter::once(&self.up).chain(down)
    }
}

impl Script {
    fn touch(&mut self, catalogue: &mut Catalogue) {
        let BodyData::Sql { statements, .. } = &mut self.body else { return };
        let touches = statements.iter_mut().map(|(dialects, statements)| {
            // What the dialects read alike does the same in each; the locks are PostgreSQL's.
            let reads_as = dialects.iter().next().unwrap_or(Dialect::Postgres);
            touches_after(reads_as, &self.text, statements, catalogue)
        });
        self.touches = touches.collect();
    }

    /// The diagnostic at the first line of the script that does something.
    pub(crate) fn point(&self, diagnostic: Diagnostic) -> Diagnostic {
        let first = match &self.body {
            BodyData::Sql { statements, .. } => statements
                .first()
                .and_then(|(_, statements)| statements.first())
                .map(|statement| statement.range.clone()),
            BodyData::Rust => self.text.find("pub async fn up").map(|at| at..at + "pub async fn up".len()),
        };
        diagnostic.at(&self.text, first.unwrap_or(0..0), "")
    }

    fn data(&self) -> ScriptData {
        let finished = match &self.body {
            BodyData::Sql { statements, .. } if !self.options.transactional => {
                statements.iter().map(|(_, statements)| checksum::finished(&self.text, statements)).collect()
            }
            BodyData::Sql { .. } | BodyData::Rust => Vec::new(),
        };
        ScriptData {
            finished,
            path: self.path.clone(),
            checksum: self.checksum.expect("an unreadable file is an error, and a folder with errors is not encoded"),
            body: self.body.clone(),
            options: self.options.clone(),
            touches: self.touches.clone(),
        }
    }
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
