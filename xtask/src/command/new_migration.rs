//! `cargo xtask new-migration`: the files of a migration, its test and its line in the lockfile, in
//! one step.

use std::fs;

use anstream::println;
use lockgate_source::core::Version;
use lockgate_source::folder::policy::Numbering;
use lockgate_source::renumber::{self, Next};
use lockgate_source::scaffold::{self, NewMigration, Shape, TestLanguage};
use lockgate_source::{Folder, Lockfile, lockfile};

use super::{check, now};
use crate::changes::Changes;
use crate::failure::Failure;
use crate::project::{Package, Project};

/// Nothing is overwritten: where a file is in the way, nothing is changed.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What the migration does, in words: "add email to users"
    name: String,
    /// One script without a way back
    #[arg(long)]
    one_way: bool,
    /// A Rust step instead of SQL
    #[arg(long)]
    rust: bool,
    /// The test in SQL instead of Rust
    #[arg(long)]
    sql_test: bool,
    /// The version, where the next one is not the right one
    #[arg(long, value_name = "V")]
    version: Option<String>,
    /// The package that gets the migration
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let project = Project::find()?;
    let package = project.package(arguments.package.as_deref())?;
    let loaded = check::load_to_write(&package)?;
    let folder = &loaded.folder;
    let lock = package.folder.join(lockfile::FILE);

    let migration = NewMigration {
        folder: package.path.clone(),
        version: version(folder, arguments.version.as_deref())?,
        numbering: folder.policy.numbering,
        name: arguments.name.clone(),
        shape: match (arguments.rust, arguments.one_way) {
            (false, false) => Shape::Reversible,
            (false, true) => Shape::OneWay,
            (true, false) => Shape::Rust,
            (true, true) => Shape::OneWayRust,
        },
        test: if arguments.sql_test { TestLanguage::Sql } else { TestLanguage::Rust },
    };
    let (Some(id), Some(files)) = (migration.id(), migration.files()) else {
        return Err(Failure::refused(format!("{:?} is no name: it needs a letter or a digit", arguments.name)));
    };
    // The same command typed twice is a mistake far more often than a wish.
    let name = scaffold::slug(&arguments.name).unwrap_or_default();
    if let Some(same) = folder.migrations.iter().find(|migration| migration.name == name)
        && arguments.version.is_none()
    {
        return Err(Failure::refused(format!(
            "`{}` has this name already, and nothing was changed: choose another name, or say `--version {}` if you \
             want both",
            same.id, migration.version.digits
        )));
    }

    let mut changes = Changes::default();
    let mut shown = Vec::new();
    for file in files {
        let path = package.place(&file.path);
        shown.push(project.shown(&path));
        changes.create(path, file.content);
    }
    let main = package.tests.join("main.rs");
    let hint = compile_again(&mut changes, &package);
    changes.replace(&lock, with_line(folder, &package, &id)?);
    changes.make()?;

    shown.extend([project.shown(&main), project.shown(&lock)]);
    shown.iter().for_each(|path| println!("{path}"));
    let what = match (arguments.rust, arguments.one_way) {
        (false, false) => "the two scripts",
        (false, true) => "the script",
        (true, _) => "the step",
    };
    println!("now write {what} and the test, which fails until it is written");
    hint.iter().for_each(|hint| println!("{hint}"));
    Ok(())
}

/// The version to give it: the next one, or the one that is asked for.
fn version(folder: &Folder, wanted: Option<&str>) -> Result<Next, Failure> {
    let next = renumber::next_version(folder, Some(now())).map_err(Failure::refused);
    let Some(wanted) = wanted else { return next };
    let version: Version = wanted.parse().map_err(|e| Failure::refused(format!("`{wanted}` is no version: {e}")))?;
    if let Some(taken) = folder.migrations.iter().find(|migration| migration.version == version) {
        return Err(Failure::refused(format!("the version {wanted} is taken by `{}`", taken.id)));
    }
    let newest = folder.lockfile.as_ref().and_then(Lockfile::newest_frozen);
    if let Some(newest) = newest.filter(|newest| version < newest.version) {
        return Err(Failure::refused(format!(
            "the version {wanted} sorts before `{}`, which is released: what is new comes after it",
            newest.id
        )));
    }
    let dense = matches!(folder.policy.numbering, Numbering::Sequence | Numbering::Ordinal);
    if dense && next.as_ref().is_ok_and(|next| next.version != version) {
        return Err(Failure::refused(format!(
            "the versions of `{}` follow each other without a gap: the next one is {}",
            folder.shown, next?.digits
        )));
    }
    // As wide as the others, unless it was typed wider.
    let width = next.map_or(4, |next| next.digits.len()).max(wanted.len());
    Ok(Next { version, digits: format!("{:0width$}", version.get()) })
}

/// Writes the main file of the tests: what it says already where it is there, so that a test beside it is
/// compiled. Gives what is left to the user where it says something else.
pub(super) fn compile_again(changes: &mut Changes, package: &Package) -> Option<String> {
    let main = package.tests.join("main.rs");
    let Ok(text) = fs::read_to_string(&main) else {
        changes.create(main, scaffold::main_of_tests(&package.path).content);
        return None;
    };
    let has_macro = text.contains("migration_tests!");
    changes.replace(main, text);
    (!has_macro).then(|| {
        let path = if package.path == "migrations" { String::new() } else { format!("{:?}", package.path) };
        format!(
            "add `lockgate_harness::migration_tests!({path});` to {}/main.rs: it runs the tests",
            package.shown_tests
        )
    })
}

/// The lockfile with one more draft. `lockfile::parse` puts a line where it belongs, and `render`
/// chains the lines anew.
fn with_line(folder: &Folder, package: &Package, id: &str) -> Result<String, Failure> {
    let lines = lockfile::with_drafts(folder, folder.lockfile.as_ref()).render() + &format!("draft {id}\n");
    let shown = format!("{}/{}", package.shown, lockfile::FILE);
    let (lockfile, _) = lockfile::parse(&lines, &shown);
    lockfile.map(|lockfile| lockfile.render()).ok_or_else(|| Failure::refused(format!("{shown} cannot hold `{id}`")))
}
