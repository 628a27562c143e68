//! `cargo xtask new-migration`: creates the files of a migration, its test, and its line in the lockfile.

use std::fs;

use anstream::println;
use lockgate_source::core::CompanionKind;
use lockgate_source::core::patch::{self, Patch};
use lockgate_source::folder::policy::{self, Layout, Numbering};
use lockgate_source::folder::{self, Migration, name, tree};
use lockgate_source::renumber::{self, Next};
use lockgate_source::scaffold::{self, NewMigration, Owner, Shape, TestLanguage};
use lockgate_source::{Folder, lockfile};

use super::{check, now};
use crate::changes::Changes;
use crate::failure::Failure;
use crate::project::{Package, Project};

#[derive(Debug, clap::Args)]
#[command(after_help = "No file is overwritten: if one exists already, nothing is changed.")]
pub(crate) struct Arguments {
    /// What the migration does, in words: "add email to users"
    name: String,
    /// Write one script, without a down script
    #[arg(long)]
    one_way: bool,
    /// Write a Rust step instead of SQL
    #[arg(long)]
    rust: bool,
    /// With `layout = "trees"`: write a script that an operator runs, in `manual-deployment/`
    #[arg(long, conflicts_with_all = ["rust", "one_way", "sql_test", "database", "user"])]
    manual: bool,
    /// Write the test in SQL instead of Rust
    #[arg(long)]
    sql_test: bool,
    /// With `numbering = "encoded"`: the database of the migration; by default the folder's only one
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// With `numbering = "encoded"`: the role in its name; by default that of the database's newest
    /// patch
    #[arg(long, value_name = "ROLE")]
    user: Option<String>,
    /// The version, if it is not the next one; with `numbering = "encoded"` as `2.1`
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
    let is_trees = loaded.folder.policy.layout == Layout::Trees;
    if arguments.manual && !is_trees {
        return Err(Failure::refused(format!(
            "`--manual` needs `layout = \"trees\"`, which `{}` does not say",
            loaded.folder.show(policy::FILE)
        )));
    }
    let manual = arguments.manual.then(|| manual_scripts(&loaded.folder));
    let folder = manual.as_ref().unwrap_or(&loaded.folder);
    let lockfile = folder.lock_path().unwrap_or(lockfile::FILE);
    let lock = package.folder.join(lockfile);

    let (asked, user) = (arguments.database.as_deref(), arguments.user.as_deref());
    let owner = owner(folder, asked, user, arguments.version.is_some())?;
    let database = owner.as_ref().map(|owner| owner.database.as_str());
    let migration = NewMigration {
        folder: match (is_trees, arguments.manual) {
            (false, _) => package.path.clone(),
            (true, false) => format!("{}/{}", package.path, tree::DEPLOYMENT),
            (true, true) => format!("{}/{}", package.path, tree::MANUAL),
        },
        version: version(folder, database, arguments.version.as_deref())?,
        numbering: folder.policy.numbering,
        owner: owner.clone(),
        name: arguments.name.clone(),
        shape: match (arguments.rust, arguments.one_way) {
            (false, false) if arguments.manual => Shape::OneWay,
            (false, false) => Shape::Reversible,
            (false, true) => Shape::OneWay,
            (true, false) => Shape::Rust,
            (true, true) => Shape::OneWayRust,
        },
        test: if arguments.sql_test { TestLanguage::Sql } else { TestLanguage::Rust },
    };
    let (Some(id), Some(files)) = (migration.id(), migration.files()) else {
        return Err(Failure::refused(format!("{:?} is not a name: it needs a letter or a digit", arguments.name)));
    };
    if owner.is_some()
        && let Err(bad) = name::parse(&format!("{id}.sql"), folder.policy.numbering)
    {
        return Err(Failure::refused(format!("`{id}` {}", bad.message)));
    }
    // Someone who types the same command twice most likely does so by mistake.
    let name = scaffold::slug(&arguments.name).unwrap_or_default();
    let of_it = |migration: &&Migration| migration.name() == name && migration.database() == database;
    if let Some(same) = folder.migrations.iter().find(of_it)
        && arguments.version.is_none()
    {
        return Err(Failure::refused(format!(
            "`{}` already has this name, so nothing was changed: choose another name, or add `--version {}` if you want \
             both",
            same.id, migration.version.digits
        )));
    }

    let mut changes = Changes::default();
    let mut shown = Vec::new();
    // Nobody but an operator runs a manual script, so it has no test.
    let files = files.into_iter().take(if arguments.manual { 1 } else { usize::MAX });
    for file in files {
        let path = package.path_of(&file.path);
        shown.push(project.shown(&path));
        changes.create(path, file.content);
    }
    let main = package.tests.join("main.rs");
    let hint = if arguments.manual { None } else { touch_test_main(&mut changes, &package) };
    changes.replace(&lock, with_line(folder, &package, lockfile, &id)?);
    changes.make()?;

    shown.extend((!arguments.manual).then(|| project.shown(&main)));
    shown.push(project.shown(&lock));
    shown.iter().for_each(|path| println!("{path}"));
    if arguments.manual {
        println!("now write the script; `manual run {}` of the program runs it once", id.word());
        return Ok(());
    }
    let what = match (arguments.rust, arguments.one_way) {
        (false, false) => "the two scripts",
        (false, true) => "the script",
        (true, _) => "the step",
    };
    println!("now write {what} and the test, which fails until it is written");
    if is_trees {
        println!("and write into `{}/create/` what the schema is afterwards: `check` compares the two", package.shown);
    }
    for snapshot in &loaded.folder.snapshots {
        println!(
            "and then `cargo xtask schema --write {} --dialect {}`: `check` compares that file with what the migrations make",
            loaded.folder.show(&snapshot.path),
            snapshot.snapshot.dialect
        );
    }
    hint.iter().for_each(|hint| println!("{hint}"));
    Ok(())
}

/// Returns the folder of the manual scripts, which may have none yet.
fn manual_scripts(folder: &Folder) -> Folder {
    let kind = CompanionKind::Manual;
    folder.companion(kind).cloned().unwrap_or_else(|| Folder {
        kind: Some(kind),
        migrations: Vec::new(),
        lockfile: None,
        companions: Vec::new(),
        ..folder.clone()
    })
}

/// Returns the database and the role in the name of a patch; `None` with other numberings. `has_version` says whether the
/// command names a version, as it does for the first patch of a database.
pub(super) fn owner(
    folder: &Folder,
    database: Option<&str>,
    user: Option<&str>,
    has_version: bool,
) -> Result<Option<Owner>, Failure> {
    let numbering = folder.policy.numbering;
    if numbering != Numbering::Encoded {
        for (flag, given) in [("--database", database), ("--user", user)] {
            if given.is_some() {
                return Err(Failure::refused(format!(
                    "`{flag}` needs `numbering = \"encoded\"`, but `{}` is numbered \"{}\"",
                    folder.shown,
                    numbering.as_str()
                )));
            }
        }
        return Ok(None);
    }
    let known = folder.databases();
    let database = match (database, &known[..]) {
        (Some(database), _) => database,
        (None, [only]) => only,
        (None, []) => {
            return Err(Failure::refused(format!(
                "`{}` has no patch yet: name its database and its role, `--database NAME --user ROLE`",
                folder.shown
            )));
        }
        (None, several) => {
            let several: Vec<String> = several.iter().map(|database| format!("`{database}`")).collect();
            return Err(Failure::refused(format!(
                "`{}` has patches for {}: choose one with `--database NAME`",
                folder.shown,
                several.join(" and ")
            )));
        }
    };
    let is_new = !known.contains(&database);
    if let Some(meant) = folder.near_database(database).filter(|_| is_new && !has_version) {
        return Err(Failure::refused(format!(
            "`{}` has no patch for `{database}`, so nothing was changed: did you mean `{meant}`? if it is a new \
             database, add `--version 1.1`",
            folder.shown
        )));
    }
    let of_it = folder.migrations.iter().rfind(|migration| migration.database() == Some(database));
    let user = match (user, of_it.and_then(|newest| Patch::parse(&newest.id))) {
        (Some(user), _) => user,
        (None, Some(newest)) => newest.user(),
        (None, None) => {
            return Err(Failure::refused(format!(
                "`{}` has no patch for `{database}` yet: name its role too, `--user ROLE`",
                folder.shown
            )));
        }
    };
    let bad = name::bad_word("database", database).or_else(|| name::bad_word("user", user));
    match bad {
        Some(bad) => Err(Failure::refused(format!("the new patch {bad}"))),
        None => Ok(Some(Owner { database: database.to_owned(), user: user.to_owned() })),
    }
}

/// Returns the version of the new migration: the requested one, or the next one.
fn version(folder: &Folder, database: Option<&str>, wanted: Option<&str>) -> Result<Next, Failure> {
    let next = renumber::next_version(folder, database, Some(now())).map_err(Failure::refused);
    let Some(wanted) = wanted else { return next };
    let version = match database {
        Some(_) => patch::parse_numbers(wanted).ok_or_else(|| {
            Failure::refused(format!("`{wanted}` is not a version: write major and minor, as in `2.1`"))
        })?,
        None => wanted.parse().map_err(|e| Failure::refused(format!("`{wanted}` is not a version: {e}")))?,
    };
    let of_it = |migration: &&Migration| migration.version() == version && migration.database() == database;
    if let Some(taken) = folder.migrations.iter().find(of_it) {
        return Err(Failure::refused(format!("the version {wanted} is taken by `{}`", taken.id)));
    }
    let newest = folder.lockfile.as_ref().and_then(|lockfile| lockfile.newest_frozen(database));
    if let Some(newest) = newest.filter(|newest| version < newest.id.version()) {
        return Err(Failure::refused(format!(
            "the version {wanted} sorts before `{}`, which is released: a new migration must sort after it",
            newest.id
        )));
    }
    let dense = matches!(folder.policy.numbering, Numbering::Sequence | Numbering::Ordinal);
    if dense && next.as_ref().is_ok_and(|next| next.version != version) {
        return Err(Failure::refused(format!(
            "the versions of `{}` must not have a gap: the next one is {}",
            folder.shown, next?.digits
        )));
    }
    if database.is_some() {
        return Ok(Next { version, digits: patch::numbers(version) });
    }
    // Use as many digits as the others, or as were typed if those are more.
    let width = next.map_or(4, |next| next.digits.len()).max(wanted.len());
    Ok(Next { version, digits: format!("{:0width$}", version.get()) })
}

/// Creates the main file of the tests, or rewrites it unchanged, so that cargo compiles the new test. Returns a hint for
/// the user if an existing main file lacks the macro.
pub(super) fn touch_test_main(changes: &mut Changes, package: &Package) -> Option<String> {
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
            "add `lockgate_harness::migration_tests!({path});` to {}/main.rs, so that the tests run",
            package.shown_tests
        )
    })
}

/// Returns the lockfile with one more draft. `lockfile::parse` sorts the lines, and `render` computes their hashes.
pub(super) fn with_line(folder: &Folder, package: &Package, lockfile: &str, id: &str) -> Result<String, Failure> {
    let lines = folder::with_drafts(folder, folder.lockfile.as_ref()).render() + &format!("draft {id}\n");
    let shown = format!("{}/{lockfile}", package.shown);
    let (lockfile, _) = lockfile::parse(&lines, &shown);
    lockfile.map(|lockfile| lockfile.render()).ok_or_else(|| Failure::refused(format!("{shown} cannot hold `{id}`")))
}
