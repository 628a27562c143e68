//! `cargo xtask init`: what a package needs to have migrations.

use std::fs;
use std::path::Path;

use anstream::println;
use lockgate_source::core::{Dialect, Dialects};
use lockgate_source::folder::policy::{FILE as POLICY, Numbering};
use lockgate_source::folder::{self, Folder, Loaded, Migration};
use lockgate_source::{Diagnostic, Policy, Severity, lockfile, scaffold};

use super::check;
use super::convert::Anew;
use crate::called::Called;
use crate::changes::Changes;
use crate::failure::Failure;
use crate::git::{self, Clone};
use crate::project::{Package, Project};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Nothing is overwritten: what exists is left as it is. Where another tool has laid out the folder \
                  (dbmate, goose, Flyway, diesel and others), what would be renamed and split is shown, and done with \
                  `--convert`."
)]
pub(crate) struct Arguments {
    /// The package that gets migrations
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
    /// What every script must be valid in: postgres, sqlite, mysql (several, with commas); found out
    /// from the features of the package's `lockgate` or `sqlx` if not given
    #[arg(long, value_delimiter = ',')]
    dialects: Vec<Dialect>,
    /// Rename the files of another tool and split those with a way up and a way down, as shown without it
    #[arg(long)]
    convert: bool,
}

pub(crate) fn run(arguments: &Arguments, called: Called) -> Result<(), Failure> {
    let project = Project::find()?;
    let package = project.package_to_init(arguments.package.as_deref())?;
    if let Some(path) = project.folder_above(&package) {
        let manifest = project.shown(&package.directory.join("Cargo.toml"));
        return Err(Failure::refused(format!(
            "`{}` has no folder `migrations`, and there is `{path}`: if that is meant, add to `{manifest}`\n\n\
             [package.metadata.lockgate]\nmigrations = {path:?}\n\nand type this again; for one of its own, type \
             `mkdir {}` first",
            package.name, package.shown
        )));
    }
    let mut dialects: Dialects = arguments.dialects.iter().copied().collect();
    if dialects == Dialects::NONE {
        dialects = package.backends;
    }
    if dialects == Dialects::NONE {
        dialects = check::load(&package).folder.policy.dialects.unwrap_or(Dialects::NONE);
    }
    if dialects == Dialects::NONE {
        return Err(Failure::impossible(format!(
            "`{}` does not say what it is for: give `--dialects`, or depend on lockgate with the feature `postgres` or \
             `sqlite`",
            package.name
        )));
    }

    let before = existing(&package);
    let anew = Anew::plan(&before.folder, &package, dialects)?;
    if let Some(anew) = anew.as_ref().filter(|_| !arguments.convert) {
        anew.show(&package);
        return Err(Failure::refused(format!("nothing was changed: type `{}` to do it", typed(arguments, called))));
    }
    let mut changes = Changes::default();
    let mut told = Vec::new();
    if let Some(anew) = &anew {
        anew.add_to(&package, &mut changes);
        anew.show(&package);
        let path = package.folder.join(lockfile::FILE);
        if path.exists() {
            let known = before.folder.lockfile.as_ref();
            changes.replace(path, folder::with_drafts(&anew.loaded.folder, known).render());
        }
    }
    let folder = anew.as_ref().map_or(&before.folder, |anew| &anew.loaded.folder);
    // What it says of the folder once its dialects are known.
    let as_declared = Policy { dialects: Some(dialects), numbering: folder.policy.numbering, ..Policy::default() };
    let found = folder::load_as(&folder.root, &folder.shown, folder.tests.clone(), as_declared).diagnostics;
    for file in scaffold::init(&package.path, dialects) {
        let path = package.place(&file.path);
        let shown = project.shown(&path);
        if path.exists() {
            told.push(format!("kept    {shown}"));
            continue;
        }
        let text = match path.file_name().and_then(|name| name.to_str()) {
            Some(POLICY) if !folder.migrations.is_empty() => {
                as_strict_as_it_is(&file.content, folder, &package, &found)
            }
            Some(lockfile::FILE) => folder::with_drafts(folder, None).render(),
            _ => file.content,
        };
        changes.create(path, text);
        told.push(format!("written {shown}"));
    }
    // The compiler's messages name `cargo xtask`, so that must be there.
    let alias = project.root.join(".cargo").join("config.toml");
    let has_alias = fs::read_to_string(&alias).is_ok_and(|text| text.contains("xtask"));
    let installed = called.is_installed() && !project.depends_on("lockgate-xtask") && !has_alias;
    if installed && !alias.exists() {
        told.push(format!("written {}", project.shown(&alias)));
        changes.create(alias, scaffold::alias().content);
    }
    changes.make()?;
    told.extend(merge_driver(&project, &package, called));
    told.extend(hints(&package, dialects));
    if installed && !told.iter().any(|line| line.ends_with(".cargo/config.toml")) {
        told.push("add to `.cargo/config.toml`, as the messages of the compiler name `cargo xtask`:".to_owned());
        told.push(scaffold::alias().content.trim_end().to_owned());
    } else if called == Called::Xtask && !has_alias && !project.depends_on("lockgate-xtask") {
        told.extend(xtask());
    }
    if folder.migrations.is_empty() {
        told.push("then type `cargo xtask new-migration \"create users\"`, or whatever comes first".to_owned());
    }
    told.iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// The folder as it is. Without a policy its names say how it is numbered.
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

/// Whether these are 00000, 00001 and so on.
fn is_ordinal(migrations: &[Migration]) -> bool {
    let is_next = |(number, migration): (usize, &Migration)| migration.id.starts_with(&format!("{number:05}-"));
    migrations.iter().enumerate().all(is_next)
}

/// The command that was typed, with what it takes to convert.
fn typed(arguments: &Arguments, called: Called) -> String {
    let mut line = format!("{} init --convert", called.program());
    if let Some(package) = &arguments.package {
        line.push_str(&format!(" --package {package}"));
    }
    if !arguments.dialects.is_empty() {
        let dialects: Vec<&str> = arguments.dialects.iter().map(|dialect| dialect.as_str()).collect();
        line.push_str(&format!(" --dialects {}", dialects.join(",")));
    }
    line
}

/// The strict policy, without what the migrations that are there already do not keep.
fn as_strict_as_it_is(strict: &str, folder: &Folder, package: &Package, found: &[Diagnostic]) -> String {
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
    let tests = migrations.iter().all(|migration| package.tests.join(format!("{}.rs", migration.id.key())).exists());
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

/// Has this clone merge lockfiles by what both sides have: git keeps that for each clone by itself.
fn merge_driver(project: &Project, package: &Package, called: Called) -> Vec<String> {
    let mut told = Vec::new();
    let attributes = package.folder.join(".gitattributes");
    let line = format!("{} {}", lockfile::FILE, git::ATTRIBUTE);
    if !fs::read_to_string(&attributes).is_ok_and(|text| text.contains(git::ATTRIBUTE)) {
        told.push(format!("add `{line}` to `{}`: git merges the lockfile by itself then", project.shown(&attributes)));
    }
    let Some(clone) = Clone::around(&project.root) else { return told };
    let command = clone.command(project, called);
    match clone.driver() {
        Some(_) => told.push(format!("kept    git config {}", git::KEY)),
        None if clone.set_driver(&command) => told.push(format!("set     git config {}, in this clone", git::KEY)),
        None => {
            told.push(format!("run `git config {} \"{command}\"`: git merges the lockfile by itself then", git::KEY))
        }
    }
    told
}

/// What is left to the user: files that exist, and manifests, are theirs.
fn hints(package: &Package, dialects: Dialects) -> Vec<String> {
    let mut hints = Vec::new();
    let features = format!(" --features {}", dialects.iter().map(Dialect::as_str).collect::<Vec<_>>().join(","));
    let build = fs::read_to_string(package.directory.join("build.rs")).unwrap_or_default();
    if !build.contains("lockgate_build::") {
        let check = scaffold::check_in_build_script(&package.path);
        hints.push(format!(
            "add `{check};` to the build script of `{}`: it says errors and warnings before the package is compiled, and \
             a new migration rebuilds it",
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
            // What is not from a registry has its companions beside it.
            let beside = package.clone.as_ref().map(|clone| clone.join(name.trim_start_matches("lockgate-")));
            let from = match beside.filter(|beside| beside.join("Cargo.toml").exists()) {
                Some(path) => format!("--path {}", path.display()),
                None => name.to_owned(),
            };
            hints.push(format!("run `cargo add --package {}{section} {from}{arguments}`", package.name));
        }
    }
    if !embeds {
        hints.push("embed the migrations in the program, in `src/main.rs` for one:".to_owned());
        hints.push(EMBED.to_owned());
        hints.push("or, in a `main` of its own, apply them:".to_owned());
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

/// The commands as a member of the workspace.
fn xtask() -> Vec<String> {
    let mut hints = vec!["add the xtask as a member of the workspace:".to_owned()];
    for file in scaffold::xtask() {
        hints.push(format!("--- {}", file.path));
        hints.push(file.content.trim_end().to_owned());
    }
    hints
}
