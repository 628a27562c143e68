//! Compares the desired schema, in `schema/` or in `create/`, with what the migrations make, on throwaway databases. The
//! answer is kept in the target directory until one of the two, or the server, changes.

use std::path::Path;

use anstream::eprintln;
use lockgate::read_schema;
use lockgate_schema::{between, compare};
use lockgate_source::core::Dialect;
use lockgate_source::core::table::BodyData;
use lockgate_source::folder::{Folder, Loaded};
use lockgate_source::{Code, Diagnostic};
use lockgate_testing::server::{Error, ErrorKind, require};

use super::answers::{Answers, Key, release};
use crate::desired::{self, Source, Unmade};
use crate::failure::Failure;
use crate::project::{Package, Project};
use crate::scripts;
use crate::throwaway::{Made, NoDatabase, Replay, Throwaway, block_on};

/// Compares the two on each database that the policy names, and adds the differences to the folder's findings. Returns a
/// summary; `None` if the folder has no desired schema.
pub(super) fn run(loaded: &mut Loaded, project: &Project, package: &Package) -> Result<Option<String>, Failure> {
    let target = &project.target;
    let several = loaded.folder.databases().len() > 1;
    let mut summaries = Vec::new();
    for part in loaded.folder.split_by_database() {
        let database = part.databases().first().map(|database| (*database).to_owned());
        let (source, mut wrong) = Source::find(project, package, &loaded.folder, database.as_deref())?;
        loaded.diagnostics.append(&mut wrong);
        let Some(source) = source else { continue };
        let runs = scripts::can_run(&loaded.diagnostics);
        let summary = compared(&part, &source, runs, &mut loaded.diagnostics, target)?;
        summaries.push(match database.filter(|_| several) {
            Some(database) => format!("`{database}`: {summary}"),
            None => summary,
        });
    }
    lockgate_source::diagnostic::sort(&mut loaded.diagnostics);
    Ok((!summaries.is_empty()).then(|| summaries.join("; ")))
}

/// What is compared, in the words of messages.
struct Words {
    code: Code,
    /// The file or folder that a difference is about.
    place: String,
    migrations: String,
    desired: String,
    helps: [String; 2],
}

impl Words {
    fn of(source: &Source, folder: &Folder) -> Self {
        let shown = source.shown(folder);
        let drafts = "drafts the migration: `cargo xtask generate \"what it changes\"`";
        match source {
            Source::Create => Self {
                code: Code::TreesDiffer,
                place: shown,
                migrations: "`deployment/`".to_owned(),
                desired: "`create/`".to_owned(),
                helps: [
                    "if the deployment is right, write the same into `create/`".to_owned(),
                    format!("if `create/` is right, this {drafts}"),
                ],
            },
            Source::Files(_) | Source::Url(_) | Source::Snapshot(_) => Self {
                code: Code::SchemaDiffers,
                migrations: "the migrations".to_owned(),
                desired: format!("`{shown}`"),
                helps: [
                    format!("if `{shown}` is right, this {drafts}"),
                    format!("if the migrations are right, write the same into `{shown}`"),
                ],
                place: shown,
            },
        }
    }
}

fn compared(
    folder: &Folder,
    source: &Source,
    runs: bool,
    diagnostics: &mut Vec<Diagnostic>,
    target: &Path,
) -> Result<String, Failure> {
    let words = Words::of(source, folder);
    let not_compared = |why: &str| Ok(format!("{} was not compared with {}: {why}", words.desired, words.migrations));
    if !runs {
        return not_compared("fix the errors first");
    }
    if folder.migrations.iter().any(|migration| migration.up.body == BodyData::Rust) {
        return not_compared("there is a Rust step, and the tests of the migrations compare them");
    }
    let dialects = [Dialect::Sqlite, Dialect::Postgres].into_iter().filter(|dialect| scripts::is_for(folder, *dialect));
    let dialects: Vec<Dialect> = dialects.collect();
    if dialects.is_empty() {
        return not_compared("the policy names neither `sqlite` nor `postgres`");
    }
    let mut found = Vec::new();
    let mut on = Vec::new();
    for dialect in dialects {
        match on_database(folder, source, dialect, &words, target)? {
            Some(mut differences) => {
                on.push(dialect.product());
                found.append(&mut differences);
            }
            None => return not_compared("PostgreSQL is not installed"),
        }
    }
    let how = if found.is_empty() { "alike" } else { "unlike" };
    let (desired, migrations) = (&words.desired, &words.migrations);
    diagnostics.append(&mut found);
    Ok(match source {
        Source::Create => format!("{desired} and {migrations} are {how} on {}", on.join(" and ")),
        Source::Files(_) | Source::Url(_) | Source::Snapshot(_) => {
            format!("{migrations} and {desired} are {how} on {}", on.join(" and "))
        }
    })
}

/// Returns the differences on a database of this dialect; `None` if this machine has no server.
fn on_database(
    folder: &Folder,
    source: &Source,
    dialect: Dialect,
    words: &Words,
    target: &Path,
) -> Result<Option<Vec<Diagnostic>>, Failure> {
    let release = match release(dialect) {
        Ok(release) => release,
        Err(error) => return no_server(folder, error),
    };
    let answers = Answers::of(target, "desired", &key(folder, source, dialect, &release));
    if let Some(lines) = answers.read::<Vec<String>>() {
        return Ok(Some(lines.into_iter().map(|line| words.difference(line)).collect()));
    }
    let work = lines(folder, source, dialect);
    let failed = |message: String| words.error(message).help("correct what failed");
    match block_on(work, |why| Failed::Unmade(NoDatabase::Other(why).into())) {
        Ok(lines) => {
            answers.write(&lines);
            Ok(Some(lines.into_iter().map(|line| words.difference(line)).collect()))
        }
        Err(Failed::Unmade(Unmade::Found(diagnostics))) => Ok(Some(diagnostics)),
        Err(Failed::Unmade(Unmade::NoDatabase(NoDatabase::Server(error)))) => no_server(folder, error),
        Err(Failed::Unmade(Unmade::NoDatabase(NoDatabase::Other(why)))) => Err(Failure::impossible(why)),
        Err(Failed::Unmade(Unmade::NoDatabase(NoDatabase::Error(error)))) => {
            let report = error.report_for(lockgate::Audience::CommandLine);
            Ok(Some(vec![failed(format!("{} fails on {}: {report}", words.desired, dialect.product()))]))
        }
        Err(Failed::Migrations(error)) => {
            let report = error.report_for(lockgate::Audience::CommandLine);
            let fail = if words.migrations.starts_with('`') { "fails" } else { "fail" };
            Ok(Some(vec![failed(format!("{} {fail} on {}: {report}", words.migrations, dialect.product()))]))
        }
    }
}

enum Failed {
    Migrations(Box<lockgate::Error>),
    Unmade(Unmade),
}

/// Makes both schemas, and describes how they differ.
async fn lines(folder: &Folder, source: &Source, dialect: Dialect) -> Result<Vec<String>, Failed> {
    let mut throwaway = Throwaway::start(dialect).map_err(|why| Failed::Unmade(why.into()))?;
    let mut replay = Replay::new(folder.leak("cargo xtask check"), Made::ByAll);
    let of_migrations = |why: NoDatabase| match why {
        NoDatabase::Error(error) => Failed::Migrations(error),
        other => Failed::Unmade(other.into()),
    };
    let mut database = throwaway.replayed(&mut replay).await.map_err(of_migrations)?;
    let made = read_schema(&mut database).await.map_err(|error| Failed::Migrations(Box::new(error)))?;
    let wanted = source.schema(&mut throwaway, folder, dialect).await.map_err(Failed::Unmade)?;
    let words = Words::of(source, folder);
    let differences = match source {
        Source::Create => compare(&made, &wanted),
        Source::Files(_) | Source::Url(_) | Source::Snapshot(_) => desired::differences(&made, &wanted),
    };
    let lines = between(&differences, &words.migrations, &words.desired);
    Ok(lines.into_iter().map(|line| format!("on {}: {line}", dialect.product())).collect())
}

impl Words {
    fn error(&self, message: String) -> Diagnostic {
        Diagnostic::error(self.code, self.place.clone(), message)
    }

    fn difference(&self, line: String) -> Diagnostic {
        let [first, second] = self.helps.clone();
        self.error(line).help(first).help(second)
    }
}

/// Skips the comparison where there is no server, unless `LOCKGATE_REQUIRE` demands it.
fn no_server(folder: &Folder, error: Error) -> Result<Option<Vec<Diagnostic>>, Failure> {
    if error.kind() != ErrorKind::NotFound || require::requires("postgres")? {
        return Err(error.into());
    }
    let yellow = anstyle::AnsiColor::Yellow.on_default().bold();
    eprintln!(
        "{yellow}skipped{yellow:#}: the comparison of {} with its desired schema: postgres: {error}",
        folder.shown
    );
    Ok(None)
}

/// What the answer depends on.
fn key(folder: &Folder, source: &Source, dialect: Dialect, release: &str) -> String {
    let mut key = Key::of(folder, dialect, release);
    if let Source::Files(files) = source {
        files.of(dialect).files.iter().for_each(|file| key.add(&file.shown, &file.text));
    }
    key.digest()
}
