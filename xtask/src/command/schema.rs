//! `cargo xtask schema`: prints the schema that the migrations make, as text to check in or as a picture, or writes its
//! documentation (`docs`).

mod docs;

use std::path::{Path, PathBuf};

use anstream::{eprintln, println};
use clap::builder::{OsStringValueParser, TypedValueParser};
use lockgate_schema::{picture, snapshot};
use lockgate_source::Id;
use lockgate_source::core::snapshot::Head;
use lockgate_source::core::table::BodyData;
use lockgate_source::core::{Dialect, Version};
use lockgate_source::folder::{Folder, Migration, NoDatabase};
use lockgate_testing::request::{Form, Request};

use super::check;
use crate::changes::Changes;
use crate::failure::Failure;
use crate::program;
use crate::project::{Package, Project};
use crate::schema::{ReadSchema, of_database, of_folder};
use crate::scripts;
use crate::structs::of_package;
use crate::throwaway;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Runs the migrations on an in-memory SQLite or a throwaway PostgreSQL, and prints the schema. If there \
                  are Rust steps, the package's migration tests (`tests/migrations`) run them. Exit codes: 0 success, or \
                  the file is up to date; 1 the file is out of date, or a migration fails; 2 the command failed."
)]
pub(crate) struct Arguments {
    /// Print the schema after this migration instead of the last one
    #[arg(long, value_name = "VERSION", conflicts_with = "database_url")]
    at: Option<String>,
    /// `sqlite` or `postgres`, if the policy names both; by default `sqlite`
    #[arg(long, value_name = "DIALECT", conflicts_with = "database_url")]
    dialect: Option<Dialect>,
    /// With `numbering = "encoded"`, in a folder for several databases: which database's schema to print
    #[arg(long, value_name = "NAME", conflicts_with = "database_url")]
    database: Option<String>,
    /// Run nothing, but read this database; without a URL, the one of DATABASE_URL
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    database_url: Option<String>,
    /// The history table of that database, if it is not `lockgate_history`: it is no part of the schema
    #[arg(long, value_name = "TABLE", requires = "database_url")]
    table: Option<String>,
    /// Compare this file with the text that would be printed, and show the differences; without a name, the snapshot
    /// beside the migrations, or with `--docs` the pages
    #[arg(long, value_name = "FILE", group = "form", num_args = 0..=1, default_missing_value = "", value_parser = path())]
    check: Option<PathBuf>,
    /// Write the documentation of the schema to this folder: a page for each table, and all of it as one HTML page
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["write", "mermaid", "svg"])]
    docs: Option<PathBuf>,
    /// Write the text or the picture to this file; without a name, the text to `schema.txt` beside the migrations
    #[arg(long, value_name = "FILE", conflicts_with = "check", num_args = 0..=1, default_missing_value = "", value_parser = path())]
    write: Option<PathBuf>,
    /// Print a Mermaid diagram
    #[arg(long, group = "form")]
    mermaid: bool,
    /// Print an SVG picture
    #[arg(long, group = "form")]
    svg: bool,
    /// Run nothing, but print the tables that the structs with `#[derive(lockgate::Table)]` describe
    #[arg(long, group = "form", conflicts_with_all = ["at", "database", "database_url", "docs"])]
    structs: bool,
    /// The package whose migrations these are
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
}

/// Parses a path, which may be empty.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.structs {
        return structs(arguments);
    }
    if let Some(folder) = &arguments.docs {
        return docs::run(folder, arguments);
    }
    let named = [&arguments.check, &arguments.write].into_iter().flatten().next();
    let beside = named.is_some_and(|path| path.as_os_str().is_empty());
    if beside && arguments.form() != Form::Text {
        return Err(Failure::impossible("`--write` needs the name of a file for a picture: `--write schema.svg`"));
    }
    let mut checked = match &arguments.check {
        Some(path) if !beside => Some(read(path)?),
        Some(_) | None => None,
    };
    let (text, dialect) = match &arguments.database_url {
        Some(url) => {
            let read = existing(url, arguments.table.as_deref())?;
            (shown(arguments.form(), &read), read.schema.dialect)
        }
        None => {
            let package = package(arguments)?;
            let dialect = checked.as_deref().and_then(snapshot::dialect);
            migrated(&package, arguments, dialect)?
        }
    };
    let named = match named {
        Some(_) if beside => Some(path_beside(arguments, dialect)?),
        named => named.cloned(),
    };
    if let (Some(path), true) = (&named, beside && arguments.check.is_some()) {
        checked = Some(read(path)?);
    }
    match (&named, &checked) {
        (Some(path), Some(checked)) => compare(path, checked, &text, dialect, arguments),
        (Some(path), None) => write(path, text),
        (None, _) => {
            anstream::print!("{text}");
            Ok(())
        }
    }
}

fn package(arguments: &Arguments) -> Result<Package, Failure> {
    Project::find()?.package(arguments.package.as_deref())
}

/// Returns the path of the snapshot beside the migrations, as a person in this directory would type it.
fn path_beside(arguments: &Arguments, dialect: Dialect) -> Result<PathBuf, Failure> {
    let package = package(arguments)?;
    let mut folder = check::load(&package).folder;
    choose(&mut folder, arguments.database.as_deref())?;
    let path = package.folder.join(folder.snapshot_path(dialect));
    let here = std::env::current_dir().unwrap_or_default();
    Ok(path.strip_prefix(here).map(Path::to_owned).unwrap_or(path))
}

impl Arguments {
    /// Returns the options that say which schema it is, as one would type them again.
    fn options(&self, dialect: Option<Dialect>) -> String {
        let mut options = String::new();
        match (&self.database_url, dialect) {
            (Some(_), _) => {
                options.push_str(" --database-url");
                options.extend(self.table.iter().map(|table| format!(" --table {table}")));
            }
            (None, Some(dialect)) => options.push_str(&format!(" --dialect {dialect}")),
            (None, None) => {}
        }
        for (name, value) in [("at", &self.at), ("database", &self.database), ("package", &self.package)] {
            if let Some(value) = value {
                options.push_str(&format!(" --{name} {value}"));
            }
        }
        options
    }

    fn form(&self) -> Form {
        match (self.mermaid, self.svg) {
            (true, _) => Form::Mermaid,
            (false, true) => Form::Svg,
            (false, false) => Form::Text,
        }
    }
}

fn shown(form: Form, read: &ReadSchema) -> String {
    match form {
        Form::Text => read.text(),
        Form::Mermaid => picture::mermaid(&read.schema),
        Form::Svg => picture::svg(&read.schema),
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path);
    text.map(|text| text.replace("\r\n", "\n")).map_err(|error| {
        let path = path.display();
        Failure::impossible(format!("{path} cannot be read: {error}: `cargo xtask schema --write {path}` creates it"))
    })
}

fn write(path: &Path, text: String) -> Result<(), Failure> {
    if std::fs::read_to_string(path).is_ok_and(|before| before == text) {
        println!("{} is up to date", path.display());
        return Ok(());
    }
    let absolute = std::path::absolute(path)
        .map_err(|error| Failure::impossible(format!("{} cannot be written: {error}", path.display())))?;
    let mut changes = Changes::default();
    changes.replace(absolute, text);
    changes.make()?;
    println!("{} written", path.display());
    Ok(())
}

fn compare(path: &Path, checked: &str, text: &str, dialect: Dialect, arguments: &Arguments) -> Result<(), Failure> {
    let shown = path.display();
    let differences = snapshot::differences(checked, text);
    if differences.is_empty() {
        println!("{shown} is up to date");
        return Ok(());
    }
    eprintln!("{}", differences.trim_end());
    if let Some(note) = release_note(&shown.to_string(), checked, text) {
        eprintln!("{note}");
    }
    let names_dialect = arguments.dialect.is_some() || snapshot::dialect(checked).is_some();
    let options = arguments.options(names_dialect.then_some(dialect));
    let command = format!("cargo xtask schema --write {shown}{options}");
    Err(Failure::refused(format!("{shown} is out of date: `{command}` updates it")))
}

/// Prints or writes the tables that the structs describe.
fn structs(arguments: &Arguments) -> Result<(), Failure> {
    let project = Project::find()?;
    let package = project.package(arguments.package.as_deref())?;
    let dialect = dialect(&check::load(&package).folder, arguments.dialect)?;
    let structs = of_package(&project, &package, dialect)?;
    for note in &structs.notes {
        eprintln!("note: {note}");
    }
    if structs.statements.is_empty() {
        let folders: Vec<_> = structs.folders.iter().map(|folder| format!("`{folder}`")).collect();
        return Err(Failure::refused(format!(
            "no struct below {} has `#[derive(lockgate::Table)]`: write it above the structs that describe tables",
            folders.join(", ")
        )));
    }
    let mut text = String::new();
    let mut before = None;
    for placed in &structs.statements {
        let place = (&placed.file, &placed.of);
        if before != Some(place) {
            let gap = if text.is_empty() { "" } else { "\n" };
            text.push_str(&format!("{gap}-- {} ({}:{})\n", placed.of, placed.file, placed.line));
        }
        before = Some(place);
        text.push_str(&placed.sql);
        text.push('\n');
    }
    match &arguments.write {
        Some(path) if path.as_os_str().is_empty() => {
            Err(Failure::impossible("`--write` needs the name of a file for the structs: `--write schema/structs.sql`"))
        }
        Some(path) => write(path, text),
        None => {
            anstream::print!("{text}");
            Ok(())
        }
    }
}

/// Returns the URL of `--database-url`, which may be that of DATABASE_URL.
pub(super) fn url(url: &str) -> Result<String, Failure> {
    match url {
        "" => std::env::var("DATABASE_URL").map_err(|_| {
            Failure::impossible("`--database-url` has no value and DATABASE_URL is not set: name the database")
        }),
        url => Ok(url.to_owned()),
    }
}

/// Says that two releases of PostgreSQL made the texts, if so.
pub(crate) fn release_note(file: &str, checked: &str, text: &str) -> Option<String> {
    let release = |text: &str| Head::parse(text)?.release;
    let (made_by, this) = (release(checked)?, release(text)?);
    (made_by != this).then(|| {
        format!(
            "note: {file} was made by PostgreSQL {made_by}, and this is PostgreSQL {this}: releases write some expressions \
             differently"
        )
    })
}

/// Reads the schema of an existing database.
fn existing(url: &str, table: Option<&str>) -> Result<ReadSchema, Failure> {
    of_database(&self::url(url)?, table).map_err(|why| match why {
        throwaway::NoDatabase::Error(error) => Failure::impossible(error.report().to_string().trim_end()),
        throwaway::NoDatabase::Server(error) => error.into(),
        throwaway::NoDatabase::Other(why) => Failure::impossible(why),
    })
}

/// A folder that can be run, and how much of it.
struct Runnable {
    folder: Folder,
    dialect: Dialect,
    count: usize,
}

impl Runnable {
    /// Loads the folder of a package, up to the migration that the arguments name.
    fn load(package: &Package, arguments: &Arguments, wanted: Option<Dialect>) -> Result<Self, Failure> {
        let mut loaded = check::load(package);
        if !scripts::can_run(&loaded.diagnostics) {
            check::show(&loaded);
            return Err(Failure::refused("nothing was run: fix the errors above first"));
        }
        choose(&mut loaded.folder, arguments.database.as_deref())?;
        let folder = loaded.folder;
        let dialect = dialect(&folder, arguments.dialect.or(wanted))?;
        let count = match &arguments.at {
            None => folder.migrations.len(),
            Some(at) => find(&folder, at)? + 1,
        };
        Ok(Self { folder, dialect, count })
    }

    /// Returns the first Rust step, which only a program of the package can run.
    fn rust_step(&self) -> Option<&Migration> {
        self.run().iter().find(|migration| matches!(migration.up.body, BodyData::Rust))
    }

    fn run(&self) -> &[Migration] {
        &self.folder.migrations[..self.count]
    }
}

/// Returns the schema that a folder makes, in the requested form, and its dialect.
fn migrated(package: &Package, arguments: &Arguments, wanted: Option<Dialect>) -> Result<(String, Dialect), Failure> {
    let runnable = Runnable::load(package, arguments, wanted)?;
    let dialect = runnable.dialect;
    if let (Some(step), Some(last)) = (runnable.rust_step(), runnable.run().last()) {
        if program::exists(package) {
            let request = Request::Schema { dialect, form: arguments.form(), at: last.id.to_string() };
            return Ok((program::ask(package, &request, &[])?, dialect));
        }
        return Err(needs_a_program(step, package));
    }
    let read = of_folder(&runnable.folder, runnable.count, dialect).map_err(failure)?;
    Ok((shown(arguments.form(), &read), dialect))
}

fn needs_a_program(step: &Migration, package: &Package) -> Failure {
    no_program(
        package,
        &step.id,
        "write it, stop before the step with `--at`, or migrate a database with your program and name it: `cargo xtask \
         schema --database-url sqlite://head.db`",
    )
}

/// Says why migrations made no schema.
fn failure(why: throwaway::NoDatabase) -> Failure {
    match why {
        throwaway::NoDatabase::Error(error) => Failure::refused(error.report().to_string().trim_end()),
        throwaway::NoDatabase::Server(error) => error.into(),
        throwaway::NoDatabase::Other(why) => Failure::impossible(why),
    }
}

/// The refusal of a Rust step without tests of the migrations, which could run it.
pub(super) fn no_program(package: &Package, step: &Id, help: &str) -> Failure {
    Failure::refused(format!(
        "`{step}` is a Rust step, which only a program of `{}` can run, and `{}/main.rs` with \
         `lockgate_harness::migration_tests!();` does not exist: {help}",
        package.name, package.shown_tests
    ))
}

/// Reduces the folder to the migrations of one database.
pub(super) fn choose(folder: &mut Folder, database: Option<&str>) -> Result<(), Failure> {
    let list = |known: &[String]| known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
    let (shown, wanted) = (folder.shown.clone(), database.unwrap_or_default());
    folder.choose(database).map_err(|why| match why {
        NoDatabase::Several { known } => Failure::refused(format!(
            "`{shown}` has patches for {}: choose one, for example `--database {}`",
            list(&known),
            known[0]
        )),
        NoDatabase::Unknown { known, meant } => Failure::refused(match (meant, &*known) {
            (Some(meant), _) => format!("`{shown}` has no patch for `{wanted}`: did you mean `{meant}`?"),
            (None, []) => format!("`{shown}` has no patch for `{wanted}`: it has none at all"),
            (None, known) => format!("`{shown}` has no patch for `{wanted}`: it has them for {}", list(known)),
        }),
        NoDatabase::NotEncoded => Failure::refused(format!(
            "`--database` needs `numbering = \"encoded\"`, and the names in `{shown}` have no database: leave it out"
        )),
    })
}

pub(super) fn dialect(folder: &Folder, wanted: Option<Dialect>) -> Result<Dialect, Failure> {
    let names: Vec<Dialect> = Dialect::ALL.into_iter().filter(|&dialect| scripts::is_for(folder, dialect)).collect();
    let runs = |dialect: &Dialect| [Dialect::Sqlite, Dialect::Postgres].contains(dialect);
    match (wanted, &*names) {
        (Some(wanted), []) => Ok(wanted),
        (Some(wanted), names) if names.contains(&wanted) => Ok(wanted),
        (Some(wanted), names) => {
            let names: Vec<_> = names.iter().map(|dialect| format!("`{dialect}`")).collect();
            let (shown, names) = (&folder.shown, names.join(" and "));
            Err(Failure::refused(format!("{shown} is not for `{wanted}`: its policy names {names}")))
        }
        (None, []) => Err(Failure::refused(format!(
            "the policy of {} names no dialect: choose one with `--dialect sqlite` or `--dialect postgres`",
            folder.shown
        ))),
        // Prefer SQLite, as it needs no server.
        (None, names) if names.contains(&Dialect::Sqlite) => Ok(Dialect::Sqlite),
        (None, names) => Ok(names.iter().copied().find(runs).unwrap_or(names[0])),
    }
}

/// Returns the index of a migration by its version, or by version and name.
fn find(folder: &Folder, at: &str) -> Result<usize, Failure> {
    let version: Option<Version> = at.parse().ok();
    let found = folder
        .migrations
        .iter()
        .position(|migration| migration.id == at || migration.id.key() == at || Some(migration.version()) == version);
    found.ok_or_else(|| {
        let last =
            folder.migrations.last().map_or("it is empty".to_owned(), |last| format!("the last is `{}`", last.id));
        Failure::refused(format!("there is no migration `{at}` in {}: {last}", folder.shown))
    })
}
