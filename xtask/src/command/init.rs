//! `cargo xtask init`: creates what a package needs for migrations.

use std::fs;
use std::path::Path;

use anstream::println;
use lockgate_source::convert;
use lockgate_source::core::{Dialect, Dialects};
use lockgate_source::folder::policy::{FILE as POLICY, Need, Numbering};
use lockgate_source::folder::{self, Folder, Loaded, Migration};
use lockgate_source::scaffold::{NewFile, TestLanguage};
use lockgate_source::{Diagnostic, Policy, Severity, lockfile, scaffold};

use super::check;
use super::convert::Convert;
use crate::changes::Changes;
use crate::failure::Failure;
use crate::git::{self, Clone, Staged};
use crate::invocation::Invocation;
use crate::project::{Package, Project};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "No file is overwritten. If the folder is laid out for another tool (dbmate, goose, Flyway, diesel and \
                  others), the command shows which files it would rename and split, and does so with `--convert`. \
                  `adopt` does all of this for a tool that you name, and also writes tests: type one of the two."
)]
pub(crate) struct Arguments {
    /// The package that gets migrations
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
    /// The databases that every script must be valid for: postgres, sqlite, mysql (separated by commas);
    /// by default those that the features of the package's `lockgate` or `sqlx` enable
    #[arg(long, value_delimiter = ',')]
    dialects: Vec<Dialect>,
    /// Rename the files of another tool, and split those that hold both an up and a down script
    #[arg(long)]
    convert: bool,
}

pub(crate) fn run(arguments: &Arguments, invocation: Invocation) -> Result<(), Failure> {
    let start = Start::find(arguments.package.as_deref(), &arguments.dialects)?;
    let convert = Convert::plan(&start.before.folder, &start.package, start.dialects, convert::Options::default())?;
    if let Some(convert) = &convert {
        convert.show(&start.package);
        if !arguments.convert {
            return Err(Failure::refused(format!(
                "nothing was changed: run `{}` to do it",
                convert_command(arguments, invocation)
            )));
        }
    }
    start.write(convert.as_ref(), Tests::AsTheyAre, invocation)
}

/// A package that gets migrations, before anything is written.
pub(super) struct Start {
    pub(super) project: Project,
    pub(super) package: Package,
    pub(super) dialects: Dialects,
    pub(super) before: Loaded,
}

/// Which tests are written for existing migrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tests {
    /// None.
    AsTheyAre,
    /// Those that the policy asks for.
    IfRequired,
    /// One for each migration, and the policy asks for them.
    Required,
}

impl Start {
    /// Finds the package and its databases, and loads its folder.
    pub(super) fn find(package: Option<&str>, dialects: &[Dialect]) -> Result<Self, Failure> {
        let project = Project::find()?;
        let package = project.package_to_init(package)?;
        if let Some(path) = project.folder_above(&package) {
            let manifest = project.shown(&package.directory.join("Cargo.toml"));
            return Err(Failure::refused(format!(
                "`{}` has no folder `migrations`, but `{path}` exists: to use it, add to `{manifest}`\n\n\
                 [package.metadata.lockgate]\nmigrations = {path:?}\n\nand run this command again; to create a new folder \
                 instead, run `mkdir {}` first",
                package.name, package.shown
            )));
        }
        let mut dialects: Dialects = dialects.iter().copied().collect();
        if dialects == Dialects::NONE {
            dialects = package.backends;
        }
        if dialects == Dialects::NONE {
            dialects = check::load(&package).folder.policy.dialects.unwrap_or(Dialects::NONE);
        }
        if dialects == Dialects::NONE {
            return Err(Failure::impossible(format!(
                "`{}` does not say which databases it is for: pass `--dialects`, or depend on lockgate with the feature \
                 `postgres` or `sqlite`",
                package.name
            )));
        }
        let before = existing(&package);
        Ok(Self { project, package, dialects, before })
    }

    /// Checks a folder again, now that its dialects are known.
    pub(super) fn checked(&self, folder: &Folder) -> Loaded {
        let (dialects, numbering) = (Some(self.dialects), folder.policy.numbering);
        let policy = Policy { dialects, numbering, ..Policy::default() };
        folder::load_as(&folder.root, &folder.shown, folder.tests.clone(), policy)
    }

    /// Writes the files, converted if a conversion is given, and says what is left to do.
    pub(super) fn write(&self, convert: Option<&Convert>, tests: Tests, invocation: Invocation) -> Result<(), Failure> {
        let Self { project, package, dialects, before } = self;
        let mut changes = Changes::default();
        let mut lines = Vec::new();
        if let Some(convert) = convert {
            convert.add_to(package, &mut changes);
            let path = package.folder.join(lockfile::FILE);
            if path.exists() {
                let known = before.folder.lockfile.as_ref();
                changes.replace(path, folder::with_drafts(&convert.loaded.folder, known).render());
            }
        }
        let folder = convert.map_or(&before.folder, |convert| &convert.loaded.folder);
        let found = self.checked(folder).diagnostics;
        for file in missing_tests(folder, package, tests) {
            lines.push(format!("written {}", project.shown(&package.path_of(&file.path))));
            changes.create(package.path_of(&file.path), file.content);
        }
        for file in scaffold::init(&package.path, *dialects) {
            let path = package.path_of(&file.path);
            let shown = project.shown(&path);
            if path.exists() {
                lines.push(format!("kept    {shown}"));
                continue;
            }
            let text = match path.file_name().and_then(|name| name.to_str()) {
                Some(POLICY) if !folder.migrations.is_empty() => {
                    relaxed_policy(&file.content, folder, package, &found, tests)
                }
                Some(lockfile::FILE) => folder::with_drafts(folder, None).render(),
                _ => file.content,
            };
            changes.create(path, text);
            lines.push(format!("written {shown}"));
        }
        // The compiler's messages name `cargo xtask`, so it must exist.
        let alias = project.root.join(".cargo").join("config.toml");
        let has_alias = fs::read_to_string(&alias).is_ok_and(|text| text.contains("xtask"));
        let installed = invocation.is_installed() && !project.depends_on("lockgate-xtask") && !has_alias;
        if installed && !alias.exists() {
            lines.push(format!("written {}", project.shown(&alias)));
            changes.create(alias, scaffold::alias().content);
        }
        let staged = convert.map(|convert| convert.staged_in(package)).transpose()?;
        changes.make()?;
        lines.extend(staged.flatten().and_then(Staged::write));
        lines.extend(merge_driver(project, package, invocation));
        lines.extend(hints(package, *dialects));
        if installed && !lines.iter().any(|line| line.ends_with(".cargo/config.toml")) {
            lines.push("add to `.cargo/config.toml`, as compile errors name `cargo xtask`:".to_owned());
            lines.push(scaffold::alias().content.trim_end().to_owned());
        } else if invocation == Invocation::Xtask && !has_alias && !project.depends_on("lockgate-xtask") {
            lines.extend(xtask());
        }
        if folder.migrations.is_empty() {
            lines.push("now create your first migration: `cargo xtask new-migration \"create users\"`".to_owned());
        }
        lines.iter().for_each(|line| println!("{line}"));
        Ok(())
    }
}

/// The tests that are to be written for the migrations of a folder.
pub(super) fn missing_tests(folder: &Folder, package: &Package, tests: Tests) -> Vec<NewFile> {
    let wanted = match tests {
        Tests::AsTheyAre => false,
        Tests::IfRequired => {
            package.folder.join(POLICY).exists() && check::load(package).folder.policy.tests == Need::Required
        }
        Tests::Required => true,
    };
    if !wanted {
        return Vec::new();
    }
    let (existing, _) = folder.tests(folder.policy.dialects());
    let without =
        folder.migrations.iter().filter(|migration| !existing.iter().any(|test| test.key == migration.id.key()));
    without.flat_map(|migration| scaffold::test(migration.id.key(), TestLanguage::Rust)).collect()
}

/// Loads the existing folder. If it has no policy, the numbering is guessed from the names.
fn existing(package: &Package) -> Loaded {
    let loaded = check::load(package);
    if !loaded.folder.migrations.is_empty() || package.folder.join(POLICY).exists() {
        return loaded;
    }
    let otherwise = [Numbering::Encoded, Numbering::Ordinal].map(|numbering| check::load_as(package, numbering));
    let fits = |loaded: &Loaded| {
        let migrations = &loaded.folder.migrations;
        let ordinals = loaded.folder.policy.numbering != Numbering::Ordinal || is_ordinal(migrations);
        !migrations.is_empty() && ordinals
    };
    otherwise.into_iter().find(fits).unwrap_or(loaded)
}

/// Whether the migrations are numbered 00000, 00001 and so on.
fn is_ordinal(migrations: &[Migration]) -> bool {
    let is_next = |(number, migration): (usize, &Migration)| migration.id.starts_with(&format!("{number:05}-"));
    migrations.iter().enumerate().all(is_next)
}

/// Returns the command that was typed, with `--convert`.
fn convert_command(arguments: &Arguments, invocation: Invocation) -> String {
    let mut line = format!("{} init --convert", invocation.program());
    if let Some(package) = &arguments.package {
        line.push_str(&format!(" --package {package}"));
    }
    if !arguments.dialects.is_empty() {
        let dialects: Vec<&str> = arguments.dialects.iter().map(|dialect| dialect.as_str()).collect();
        line.push_str(&format!(" --dialects {}", dialects.join(",")));
    }
    line
}

/// Returns the strict policy, relaxed where the existing migrations break it.
fn relaxed_policy(strict: &str, folder: &Folder, package: &Package, found: &[Diagnostic], tests: Tests) -> String {
    let migrations = &folder.migrations;
    let dense = migrations.iter().zip(1..).all(|(migration, number)| migration.version().get() == number);
    let times = migrations.iter().all(|migration| migration.version().to_string().len() == 14);
    let patches = migrations.iter().all(|migration| migration.database().is_some());
    let numbering = match (dense, times) {
        _ if patches => Numbering::Encoded,
        _ if folder.policy.numbering == Numbering::Ordinal => Numbering::Ordinal,
        (true, _) => Numbering::Sequence,
        (false, true) => Numbering::Timestamp,
        (false, false) => Numbering::Any,
    };
    let downs = migrations.iter().all(|migration| migration.down.is_some() || migration.irreversible.is_some());
    let tests = tests == Tests::Required
        || migrations.iter().all(|migration| package.tests.join(format!("{}.rs", migration.id.key())).exists());
    let mut text = strict.replace("numbering = \"sequence\"", &format!("numbering = \"{}\"", numbering.as_str()));
    for (kept, key) in [(downs, "down"), (tests, "tests")] {
        if !kept {
            text = text.replace(&format!("{key} = \"required\""), &format!("{key} = \"optional\""));
        }
    }
    for lint in found.iter().filter(|found| found.severity == Severity::Warning) {
        text = text.replace(&format!("{} = \"deny\"", lint.code), &format!("{} = \"warn\"", lint.code));
    }
    text
}

/// Sets up the merge driver for lockfiles in this clone. Git does not share this setting between clones.
fn merge_driver(project: &Project, package: &Package, invocation: Invocation) -> Vec<String> {
    let mut lines = Vec::new();
    let attributes = package.folder.join(".gitattributes");
    let line = format!("{} {}", lockfile::FILE, git::ATTRIBUTE);
    if !fs::read_to_string(&attributes).is_ok_and(|text| text.contains(git::ATTRIBUTE)) {
        lines.push(format!("add `{line}` to `{}`, so that git can merge the lockfile", project.shown(&attributes)));
    }
    let Some(clone) = Clone::around(&project.root) else { return lines };
    let command = clone.command(project, invocation);
    match clone.driver() {
        Some(_) => lines.push(format!("kept    git config {}", git::KEY)),
        None if clone.set_driver(&command) => lines.push(format!("set     git config {}, in this clone", git::KEY)),
        None => lines.push(format!("run `git config {} \"{command}\"`, so that git can merge the lockfile", git::KEY)),
    }
    lines
}

/// Says what the user still has to do, as `init` does not edit existing files or manifests.
fn hints(package: &Package, dialects: Dialects) -> Vec<String> {
    let mut hints = Vec::new();
    let features = format!(" --features {}", dialects.iter().map(Dialect::as_str).collect::<Vec<_>>().join(","));
    let build = fs::read_to_string(package.directory.join("build.rs")).unwrap_or_default();
    if !build.contains("lockgate_build::") {
        let check = scaffold::check_in_build_script(&package.path);
        hints.push(format!(
            "add `{check};` to the build script of `{}`: it reports errors and warnings before the package is compiled, \
             and rebuilds the package when a migration is added",
            package.name
        ));
    }
    let embeds = embeds(&package.directory.join("src"));
    for (section, name, arguments) in [
        ("", "lockgate", features.as_str()),
        (" --build", "lockgate-build", " --features check"),
        (" --dev", "lockgate-harness", features.as_str()),
        ("", "lockgate-cli", features.as_str()),
    ] {
        if !(package.depends_on(name) || embeds && name == "lockgate-cli") {
            // If `lockgate` is a path dependency, the other crates are next to it.
            let beside = package.clone.as_ref().map(|clone| clone.join(name.trim_start_matches("lockgate-")));
            let from = match beside.filter(|beside| beside.join("Cargo.toml").exists()) {
                Some(path) => format!("--path {}", path.display()),
                None => name.to_owned(),
            };
            hints.push(format!("run `cargo add --package {}{section} {from}{arguments}`", package.name));
        }
    }
    if !embeds {
        hints.push("embed the migrations in the program, for example in `src/main.rs`:".to_owned());
        hints.push(EMBED.to_owned());
        hints.push("or apply them in your own `main`:".to_owned());
        hints.push("    lockgate::Migrator::new(&MIGRATIONS).apply(&pool).await?;".to_owned());
    }
    hints
}

/// A whole program with the operators' command line.
const EMBED: &str = "    static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!();

    fn main() -> std::process::ExitCode {
        lockgate_cli::main(&MIGRATIONS)
    }";

/// Whether a Rust file below this folder embeds migrations.
fn embeds(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| match path.is_dir() {
        true => embeds(&path),
        false => fs::read_to_string(&path).is_ok_and(|text| text.contains("embed_migrations!")),
    })
}

/// Says how to add the commands as a member of the workspace.
fn xtask() -> Vec<String> {
    let mut hints = vec!["add the xtask as a member of the workspace:".to_owned()];
    for file in scaffold::xtask() {
        hints.push(format!("--- {}", file.path));
        hints.push(file.content.trim_end().to_owned());
    }
    hints
}
