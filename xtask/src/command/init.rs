//! `cargo xtask init`: what a package needs to have migrations.

use std::fs;

use anstream::println;
use lockgate_source::core::{Dialect, Dialects};
use lockgate_source::folder::policy::{FILE as POLICY, Numbering};
use lockgate_source::{Folder, lockfile, scaffold};

use super::check;
use crate::changes::Changes;
use crate::cli::Called;
use crate::failure::Failure;
use crate::git::{self, Clone};
use crate::project::{Package, Project};

#[derive(Debug, clap::Args)]
#[command(after_help = "Nothing is overwritten: what exists is left as it is.")]
pub(crate) struct Arguments {
    /// The package that gets migrations
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
    /// What every script must be valid in: postgres, sqlite, mysql (several, with commas); found out
    /// from the features of the package's `lockgate` if not given
    #[arg(long, value_delimiter = ',')]
    dialects: Vec<Dialect>,
}

pub(crate) fn run(arguments: &Arguments, called: Called) -> Result<(), Failure> {
    let project = Project::find()?;
    let package = project.package_to_init(arguments.package.as_deref())?;
    let mut dialects: Dialects = arguments.dialects.iter().copied().collect();
    if dialects == Dialects::NONE {
        dialects = package.lockgate.iter().filter_map(|feature| feature.parse::<Dialect>().ok()).collect();
    }
    let mut loaded = check::load(&package);
    if dialects == Dialects::NONE {
        dialects = loaded.folder.policy.dialects.unwrap_or(Dialects::NONE);
    }
    if dialects == Dialects::NONE {
        return Err(Failure::impossible(format!(
            "`{}` does not say what it is for: give `--dialects`, or depend on lockgate with the feature `postgres` or \
             `sqlite`",
            package.name
        )));
    }

    if loaded.folder.migrations.is_empty() && !package.folder.join(POLICY).exists() {
        let as_patches = check::load_as(&package, Numbering::Encoded);
        if !as_patches.folder.migrations.is_empty() {
            loaded = as_patches;
        }
    }
    let folder = &loaded.folder;
    let mut changes = Changes::default();
    let mut told = Vec::new();
    for file in scaffold::init(&package.path, dialects) {
        let path = package.place(&file.path);
        let shown = project.shown(&path);
        if path.exists() {
            told.push(format!("kept    {shown}"));
            continue;
        }
        let text = match path.file_name().and_then(|name| name.to_str()) {
            Some(POLICY) if !folder.migrations.is_empty() => as_strict_as_it_is(&file.content, folder, &package),
            Some(lockfile::FILE) => lockfile::with_drafts(folder, None).render(),
            _ => file.content,
        };
        changes.create(path, text);
        told.push(format!("written {shown}"));
    }
    // Messages name `cargo xtask`, so that must be there.
    let alias = project.root.join(".cargo").join("config.toml");
    let has_alias = fs::read_to_string(&alias).is_ok_and(|text| text.contains("xtask"));
    let installed = called == Called::Lockgate && !project.depends_on("lockgate-xtask") && !has_alias;
    if installed && !alias.exists() {
        told.push(format!("written {}", project.shown(&alias)));
        changes.create(alias, scaffold::alias().content);
    }
    changes.make()?;
    told.extend(merge_driver(&project, &package, called));
    told.extend(hints(&package, dialects));
    if installed && !told.iter().any(|line| line.ends_with(".cargo/config.toml")) {
        told.push("add to `.cargo/config.toml`, as messages name `cargo xtask`:".to_owned());
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

/// The strict policy, without what the migrations that are there already do not keep.
fn as_strict_as_it_is(strict: &str, folder: &Folder, package: &Package) -> String {
    let migrations = &folder.migrations;
    let dense = migrations.iter().zip(1..).all(|(migration, number)| migration.version.get() == number);
    let times = migrations.iter().all(|migration| migration.version.to_string().len() == 14);
    let patches = migrations.iter().all(|migration| migration.database().is_some());
    let numbering = match (dense, times) {
        _ if patches => Numbering::Encoded,
        (true, _) => Numbering::Sequence,
        (false, true) => Numbering::Timestamp,
        (false, false) => Numbering::Any,
    };
    let downs = migrations.iter().all(|migration| migration.down.is_some() || migration.irreversible.is_some());
    let tests = migrations.iter().all(|migration| package.tests.join(format!("{}.rs", migration.key())).exists());
    let mut text = strict.replace("numbering = \"sequence\"", &format!("numbering = \"{}\"", numbering.as_str()));
    for (kept, key) in [(downs, "down"), (tests, "tests")] {
        if !kept {
            text = text.replace(&format!("{key} = \"required\""), &format!("{key} = \"optional\""));
        }
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
        let watch = match package.path.as_str() {
            "migrations" => "watch()".to_owned(),
            path => format!("watch_folder({path:?})"),
        };
        hints.push(format!(
            "add `lockgate_build::{watch};` to the build script of `{}`: a new migration rebuilds it then",
            package.name
        ));
    }
    for (section, name, arguments) in [
        ("", "lockgate", features.as_str()),
        (" --build", "lockgate-build", ""),
        (" --dev", "lockgate-harness", features.as_str()),
    ] {
        if !package.depends_on(name) {
            hints.push(format!("run `cargo add --package {}{section} {name}{arguments}`", package.name));
        }
    }
    hints
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
