//! `cargo xtask generate`: drafts the migration from what the migrations make to the desired schema, and proves it before
//! anything is written.

mod copy;
mod drafted;
mod expectation;
mod fill;
mod json;
mod proof;
mod rename;
pub mod rows;
mod script;

use anstream::{eprint, eprintln, print, println};
use lockgate_schema::draft::{Loss, Mode};
use lockgate_source::core::Dialect;
use lockgate_source::core::table::BodyData;
use lockgate_source::folder::Folder;
use lockgate_source::folder::policy::Layout;
use lockgate_source::scaffold;
use lockgate_source::{Color, Diagnostic, lockfile};

use self::drafted::{Context, Drafted};
use self::json::{Document, Status};
use self::proof::Unproven;
use super::{check, new_migration, schema};
use crate::changes::Changes;
use crate::desired::{Snapshot, Source, Unmade};
use crate::failure::Failure;
use crate::invocation;
use crate::program;
use crate::project::{Package, Project};
use crate::scripts;
use crate::throwaway::{NoDatabase, Throwaway, block_on};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The desired schema is in `schema/*.sql` beside the migrations, or in `create/` with `layout = \
                  \"trees\"`. The draft runs up, down and up again on a throwaway database whose tables have rows; if \
                  anything is left then, it is shown and nothing is written. Exit codes: 0 the migration is written, \
                  perhaps with questions about existing rows, or nothing is to be done; 1 it was refused, or a difference \
                  was not drafted; 2 the command failed."
)]
pub(crate) struct Arguments {
    /// What the migration does, in words: "add email to users"
    name: String,
    /// The short form: fewer statements, which hold their locks for longer
    #[arg(long)]
    offline: bool,
    /// Let the draft delete data, or change values, in this way; may be given several times, and `all` names every kind
    #[arg(long, value_name = "KIND", value_parser = words_of_loss())]
    allow: Vec<String>,
    /// Something was renamed: `users.mail=email`, `users=accounts`, `mood.ok=fine`; may be given several times
    #[arg(long, value_name = "OLD=NEW")]
    rename: Vec<String>,
    /// Nothing else was renamed: do not ask
    #[arg(long)]
    no_renames: bool,
    /// The desired schema is that of this database, which is only read
    #[arg(long, value_name = "URL", conflicts_with = "to")]
    to_url: Option<String>,
    /// The desired schema is the text in this file, as `cargo xtask schema --write FILE` writes it
    #[arg(long, value_name = "FILE")]
    to: Option<String>,
    /// Show the draft and its proof, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// The output format: `text` for people; `json` writes one document to stdout, and everything else to stderr
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,
    /// `sqlite` or `postgres`, if the policy names both; by default `sqlite`
    #[arg(long, value_name = "DIALECT")]
    dialect: Option<Dialect>,
    /// With `numbering = "encoded"`: the database of the migration; by default the folder's only one
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// With `numbering = "encoded"`: the role in its name; by default that of the database's newest patch
    #[arg(long, value_name = "ROLE")]
    user: Option<String>,
    /// The package that gets the migration
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
}

/// The output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// The words that `--allow` takes.
fn words_of_loss() -> Vec<&'static str> {
    Loss::ALL.into_iter().map(Loss::word).chain(["all"]).collect()
}

impl Arguments {
    fn mode(&self) -> Mode {
        if self.offline { Mode::Offline } else { Mode::Online }
    }

    fn allows(&self, loss: Loss) -> bool {
        self.allow.iter().any(|word| word == "all" || word == loss.word())
    }
}

impl Arguments {
    /// Shows a text to a person: on stdout, or on stderr if stdout is for a program.
    fn say(&self, text: &str) {
        match self.format {
            Format::Text => print!("{text}"),
            Format::Json => eprint!("{text}"),
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let document = match generate(arguments) {
        Ok(document) => document,
        Err(Failure::Refused(why)) => Document::new(Status::Refused, json::Draft::default(), Some(why)),
        Err(other) => return Err(other),
    };
    if arguments.format == Format::Json {
        println!("{}", document.text());
    }
    document.message().map_or(Ok(()), |why| Err(Failure::refused(why)))
}

fn generate(arguments: &Arguments) -> Result<Document, Failure> {
    let project = Project::find()?;
    let package = project.package(arguments.package.as_deref())?;
    let loaded = check::load_to_write(&package)?;
    if !scripts::can_run(&loaded.diagnostics) {
        check::show(&loaded);
        return Err(Failure::refused("nothing was drafted: fix the errors above first"));
    }
    let whole = loaded.folder;
    let name = scaffold::slug(&arguments.name)
        .ok_or_else(|| Failure::refused(format!("{:?} is not a name: it needs a letter or a digit", arguments.name)))?;
    let owner = new_migration::owner(&whole, arguments.database.as_deref(), arguments.user.as_deref(), false)?;
    let database = owner.as_ref().map(|owner| owner.database.clone());
    if let Some(same) =
        whole.migrations.iter().find(|known| known.name() == name && known.database() == database.as_deref())
    {
        return Err(Failure::refused(format!(
            "`{}` already has this name, so nothing was drafted: choose another name",
            same.id
        )));
    }
    let mut folder = whole.clone();
    schema::choose(&mut folder, database.as_deref())?;
    let dialect = schema::dialect(&folder, arguments.dialect)?;
    let step = folder.migrations.iter().find(|migration| migration.up.body == BodyData::Rust);
    if let Some(step) = step.filter(|_| !program::exists(&package)) {
        return Err(Failure::refused(format!(
            "`{}` is a Rust step, which only a program of `{}` can run, and `{}/main.rs` with \
             `lockgate_harness::migration_tests!();` does not exist: write it, and type the same again",
            step.id, package.name, package.shown_tests
        )));
    }
    let source = match &arguments.to {
        Some(path) => Source::Snapshot(Snapshot::read(path, dialect)?),
        None => source(arguments, &project, &package, &whole, database.as_deref())?,
    };
    let context = Context { arguments, package: &package, whole, folder, owner, dialect, source };
    let drafted = block_on(draft(&context), Failure::impossible)?;
    let Some(drafted) = drafted else {
        return Ok(Document::new(Status::Nothing, json::Draft::default(), None));
    };
    finish(&context, &project, &drafted)
}

/// Finds the desired schema.
fn source(
    arguments: &Arguments,
    project: &Project,
    package: &Package,
    folder: &Folder,
    database: Option<&str>,
) -> Result<Source, Failure> {
    if let Some(url) = &arguments.to_url {
        // It is only read, so a missing file is not created.
        return Ok(Source::Url(lockgate::__private::existing(url)));
    }
    let (found, diagnostics) = Source::find(project, package, folder, database)?;
    if !diagnostics.is_empty() {
        return Err(found_in_desired(diagnostics));
    }
    found.ok_or_else(|| {
        let (_, place) = lockgate_source::desired::place(folder, database);
        let create = if folder.policy.layout == Layout::Trees { "write the files of `create/`, or " } else { "" };
        Failure::refused(format!(
            "there is no desired schema: {create}write `CREATE TABLE …` and whatever else there should be into \
             `{place}/*.sql`, in any order, or `#[derive(lockgate::Table)]` above the structs that are the tables; `cargo \
             xtask schema` shows what the migrations make"
        ))
    })
}

fn found_in_desired(mut diagnostics: Vec<Diagnostic>) -> Failure {
    invocation::rename_commands(&mut diagnostics);
    diagnostics.iter().for_each(|diagnostic| eprintln!("{}\n", diagnostic.render(Color::On)));
    Failure::refused("nothing was drafted: fix the desired schema first")
}

/// Drafts and proves. `None` if nothing is to be done.
async fn draft(context: &Context<'_>) -> Result<Option<Drafted>, Failure> {
    let arguments = context.arguments;
    let mut throwaway = Throwaway::start(context.dialect).map_err(no_database)?;
    let Some(mut drafted) = drafted::draft(context, &mut throwaway).await? else { return Ok(None) };
    for dialect in context.dialects() {
        let proven = match dialect == context.dialect {
            true => drafted.prove(context, &mut throwaway).await,
            false => drafted.prove_elsewhere(context, dialect).await,
        };
        match proven {
            Ok(()) => {}
            Err(Unproven::NoDatabase(why)) => return Err(no_database(why)),
            Err(Unproven::Wrong(what, lines)) => {
                arguments.say(&drafted.shown());
                lines.iter().for_each(|line| eprintln!("{line}"));
                if let Source::Snapshot(snapshot) = &context.source
                    && let Some(note) = snapshot.note(&throwaway.release())
                {
                    eprintln!("note: {note}");
                }
                return Err(Failure::refused(format!(
                    "the draft above is not proven on {}, and nothing was written: {what}",
                    dialect.product()
                )));
            }
        }
    }
    Ok(Some(drafted))
}

fn no_database(why: NoDatabase) -> Failure {
    match why {
        NoDatabase::Error(error) => {
            let report = error.report_for(lockgate::Audience::CommandLine).to_string();
            // The command writes its own `error:` in front.
            let rest = report.strip_prefix("error[").and_then(|rest| rest.split_once("]: ")).map(|(_, rest)| rest);
            Failure::refused(rest.unwrap_or(&report).trim_end())
        }
        NoDatabase::Server(error) => error.into(),
        NoDatabase::Other(why) => Failure::impossible(why),
    }
}

fn unmade(why: Unmade) -> Failure {
    match why {
        Unmade::Found(diagnostics) => found_in_desired(diagnostics),
        Unmade::NoDatabase(why) => no_database(why),
    }
}

/// Writes the files, or shows them.
fn finish(context: &Context<'_>, project: &Project, drafted: &Drafted) -> Result<Document, Failure> {
    let arguments = context.arguments;
    let package: &Package = context.package;
    let mut shown = Vec::new();
    let mut hint = None;
    if context.arguments.dry_run {
        arguments.say(&drafted.shown());
    } else {
        let mut changes = Changes::default();
        for file in &drafted.files {
            let path = package.path_of(&file.path);
            shown.push(project.shown(&path));
            changes.create(path, file.content.clone());
        }
        hint = new_migration::touch_test_main(&mut changes, package);
        let lock = context.whole.lock_path().unwrap_or(lockfile::FILE);
        changes.replace(package.folder.join(lock), drafted.lockfile.clone());
        shown.push(project.shown(&package.folder.join(lock)));
        changes.make()?;
    }
    shown.iter().for_each(|path| arguments.say(&format!("{path}\n")));
    for diagnostic in &drafted.warnings {
        eprintln!("{}\n", diagnostic.render(Color::On));
    }
    arguments.say(&drafted.summary());
    hint.iter().for_each(|hint| arguments.say(&format!("{hint}\n")));
    if arguments.dry_run {
        arguments.say("nothing was written\n");
    }
    let message = match drafted.open().len() {
        0 => None,
        count => {
            let (what, lines) =
                if count == 1 { ("1 difference was", "its line") } else { ("these differences were", "their lines") };
            Some(format!("{what} not drafted: answer {lines} `-- lockgate: unanswered` in the scripts"))
        }
    };
    let status = if arguments.dry_run { Status::DryRun } else { Status::Written };
    Ok(Document::new(status, drafted.for_programs(context, &|path| project.shown(&package.path_of(path))), message))
}
