//! `cargo xtask drift`: compares a live database with what the migrations make on a throwaway one, and drafts both ways out:
//! the migration that takes the difference in, and the SQL that puts the database back.

use std::ffi::OsString;

use anstream::{eprintln, print, println};
use clap::{Args, FromArgMatches};
use lockgate::__private::{of_every_profile, read_with_release};
use lockgate::{Audience, Database, Drift, Migrations, Migrator, Status};
use lockgate_schema::draft::{Draft, Mode, Step, draft};
use lockgate_schema::snapshot::{self, changes};
use lockgate_schema::{Difference, Schema, between, compare};
use lockgate_source::core::Dialect;
use lockgate_source::core::table::BodyData;
use lockgate_source::folder::Folder;
use lockgate_testing::request::{Form, Request};

use super::{check, generate, schema};
use crate::failure::Failure;
use crate::program;
use crate::project::{Package, Project};
use crate::schema::of_folder;
use crate::scripts;
use crate::throwaway::{NoDatabase, block_on};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The migrations run on a throwaway database, up to the one that the live database has. That one is only \
                  read. Exit codes: 0 the two are alike, or the draft is made; 1 they differ, or cannot be compared; 2 the \
                  command failed."
)]
pub(crate) struct Arguments {
    /// The database; without a URL, the one of DATABASE_URL
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "", required = true)]
    database_url: String,
    /// Its history table, if it is not `lockgate_history`
    #[arg(long, value_name = "TABLE")]
    table: Option<String>,
    /// Write the migration that makes the difference in every other database: "take in the index"
    #[arg(long, value_name = "NAME", conflicts_with_all = ["draft_back", "table"])]
    draft_in: Option<String>,
    /// Let that migration delete data of this kind; may be given several times, and `all` names every kind
    #[arg(long, value_name = "KIND", requires = "draft_in")]
    allow: Vec<String>,
    /// Print the SQL that undoes the difference in this database
    #[arg(long)]
    draft_back: bool,
    /// With `numbering = "encoded"`, in a folder for several databases: which one it is
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
    /// The package whose migrations these are
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
}

/// A live database.
struct Live {
    schema: Schema,
    release: Option<u32>,
    status: Status,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let project = Project::find()?;
    let package = project.package(arguments.package.as_deref())?;
    let loaded = check::load(&package);
    if !scripts::can_run(&loaded.diagnostics) {
        check::show(&loaded);
        return Err(Failure::refused("nothing was compared: fix the errors above first"));
    }
    let mut folder = loaded.folder;
    schema::choose(&mut folder, arguments.database.as_deref())?;
    let url = schema::url(&arguments.database_url)?;
    let live = block_on(read(&url, &folder, arguments.table.as_deref()), NoDatabase::Other).map_err(unread)?;
    let dialect = schema::dialect(&folder, Some(live.schema.dialect))?;
    let count = standing(&folder, &live.status)?;
    let place = match count.checked_sub(1).and_then(|last| folder.migrations.get(last)) {
        Some(last) if count < folder.migrations.len() => format!("the migrations up to `{}`", last.id),
        Some(_) => "the migrations".to_owned(),
        None => "no migration".to_owned(),
    };
    if let Some(step) = folder.migrations[..count].iter().find(|migration| migration.up.body == BodyData::Rust) {
        if arguments.draft_in.is_some() || arguments.draft_back {
            return Err(Failure::refused(format!(
                "`{}` is a Rust step, which only a program of `{}` can run, so nothing was drafted: `cargo xtask drift \
                 --database-url` shows what differs, for a migration of your own",
                step.id, package.name
            )));
        }
        return by_program(&package, &folder, count, dialect, &live, &place);
    }
    let made = of_folder(&folder, count, dialect).map_err(unread)?.schema;
    let differences = compare(&made, &live.schema);
    if differences.is_empty() {
        println!("the database has the schema that {place} make{}", if count == 0 { "s" } else { "" });
        return Ok(());
    }
    if arguments.draft_back {
        return back(&live.schema, &made);
    }
    if let Some(name) = &arguments.draft_in {
        return take_in(arguments, name, &url, &folder, &live.status);
    }
    between(&differences, &place, "the database").iter().for_each(|line| println!("{line}"));
    Err(found(&differences))
}

/// Reads the schema and the history of a database.
async fn read(url: &str, folder: &Folder, table: Option<&str>) -> Result<Live, NoDatabase> {
    let mut database = Database::connect(url).await?;
    let all: &'static Migrations = Box::leak(Box::new(Migrations::from(folder.leak("cargo xtask drift"))));
    let migrator = of_every_profile(&Migrator::new(all));
    let migrator = match table {
        Some(table) => migrator.history_table(table),
        None => migrator,
    };
    let (schema, release) = read_with_release(&migrator, &mut database).await?;
    let status = migrator.status(&mut database).await?;
    database.close().await?;
    Ok(Live { schema, release, status })
}

/// Returns how many of the migrations the database has, which must be the first ones.
fn standing(folder: &Folder, status: &Status) -> Result<usize, Failure> {
    // Another name, and what was run by hand, make no other schema.
    let matters = |drift: &&Drift| !matches!(drift, Drift::Renamed { .. } | Drift::ManualEdited { .. });
    if let Some(drift) = status.drift.iter().find(matters) {
        return Err(Failure::refused(format!(
            "the schema cannot be compared, because the history differs: {drift}\n  = help: {}",
            drift.help_for(Audience::CommandLine)
        )));
    }
    if status.entries.iter().all(|entry| entry.row.is_none()) {
        eprintln!("note: the database has no history: it is compared with what all migrations make");
        return Ok(folder.migrations.len());
    }
    if let Some(script) = status.pending_repeatables().next() {
        return Err(Failure::refused(format!(
            "the schema cannot be compared, because the repeatable script `{}` is pending: apply it first",
            script.id
        )));
    }
    // Without drift, those without a row come last, but for those of profiles.
    let last = status.entries.iter().rposition(|entry| entry.row.is_some());
    Ok(last.map_or(0, |last| last + 1))
}

/// Compares with what the tests of the migrations make, which can run Rust steps.
fn by_program(
    package: &Package,
    folder: &Folder,
    count: usize,
    dialect: Dialect,
    live: &Live,
    place: &str,
) -> Result<(), Failure> {
    let last = &folder.migrations[count - 1].id;
    if !program::exists(package) {
        let help = "write it, or compare with a file: `cargo xtask schema --check schema.txt --database-url`";
        return Err(schema::no_program(package, last, help));
    }
    let request = Request::Schema { dialect, form: Form::Text, at: last.to_string() };
    let made = program::ask(package, &request, &[])?;
    let text = snapshot::text(&live.schema, live.release);
    let changes = changes(&made, &text);
    if changes.is_empty() {
        println!("the database has the schema that {place} make");
        return Ok(());
    }
    changes.iter().for_each(|change| println!("{change}"));
    if let Some(note) = schema::release_note("what the migrations make", &made, &text) {
        eprintln!("{note}");
    }
    let objects = if changes.len() == 1 { "1 object".to_owned() } else { format!("{} objects", changes.len()) };
    Err(Failure::refused(format!("the database differs from what {place} make, in {objects}")))
}

fn found(differences: &[Difference]) -> Failure {
    let count = match differences.len() {
        1 => "there is 1 difference".to_owned(),
        many => format!("there are {many} differences"),
    };
    Failure::refused(format!(
        "{count}: add `--draft-in \"what it is\"` to write the migration that makes it everywhere, or `--draft-back` to \
         print the SQL that undoes it in this database"
    ))
}

/// Writes the migration that makes of what the migrations make what this database has.
fn take_in(arguments: &Arguments, name: &str, url: &str, folder: &Folder, status: &Status) -> Result<(), Failure> {
    let pending: Vec<&str> =
        status.entries.iter().filter(|entry| entry.row.is_none()).map(|entry| entry.id.as_str()).collect();
    if let (Some(first), true) = (pending.first(), pending.len() < status.entries.len()) {
        return Err(Failure::refused(format!(
            "the database lacks `{first}`, so what it has is not the newest schema: apply what is pending first"
        )));
    }
    let mut words: Vec<OsString> = vec![name.into(), "--to-url".into(), url.into(), "--no-renames".into()];
    words.push("--offline".into());
    for (option, value) in [("--database", &arguments.database), ("--package", &arguments.package)] {
        words.extend(value.iter().flat_map(|value| [option.into(), value.into()]));
    }
    words.extend(arguments.allow.iter().flat_map(|kind| ["--allow".into(), kind.into()]));
    let command = generate::Arguments::augment_args(clap::Command::new("drift").no_binary_name(true));
    let parsed = command.try_get_matches_from(words).and_then(|found| generate::Arguments::from_arg_matches(&found));
    let parsed = parsed.map_err(|error| Failure::impossible(error.to_string().trim_end()))?;
    let known: Vec<String> = folder.migrations.iter().map(|migration| migration.id.to_string()).collect();
    generate::run(&parsed)?;
    let package = Project::find()?.package(arguments.package.as_deref())?;
    let mut now = check::load(&package).folder;
    schema::choose(&mut now, arguments.database.as_deref())?;
    if let Some(last) = now.migrations.iter().map(|migration| migration.id.to_string()).rfind(|id| !known.contains(id))
    {
        println!(
            "this database has it already: once the program embeds it, record it there, without running it, with \
             `baseline {last}`; every other database gets it by `up`"
        );
    }
    Ok(())
}

/// Prints the SQL that makes of the live schema what the migrations make.
fn back(live: &Schema, made: &Schema) -> Result<(), Failure> {
    let draft = draft(live, made, Mode::Offline);
    if draft.is_empty() {
        return Err(Failure::refused(
            "the columns of a table are in another order, which no statement changes: nothing was drafted",
        ));
    }
    let open = print_back(&draft);
    match open {
        0 => Ok(()),
        1 => Err(Failure::refused("1 difference was not drafted: it is a comment in the script")),
        many => Err(Failure::refused(format!("{many} differences were not drafted: they are comments in the script"))),
    }
}

/// Prints each script of a draft in a transaction, and returns how many differences are open.
fn print_back(draft: &Draft) -> usize {
    let mut open = 0;
    for script in &draft.scripts {
        let (begin, commit) = match (script.outside_transaction, script.foreign_keys_off) {
            (true, _) => ("", ""),
            (false, true) => ("PRAGMA foreign_keys = off;\nBEGIN;\n", "COMMIT;\nPRAGMA foreign_keys = on;\n"),
            (false, false) => ("BEGIN;\n", "COMMIT;\n"),
        };
        print!("{begin}");
        for step in &script.steps {
            match step {
                Step::Open { what, why } => {
                    open += 1;
                    println!("-- NOT DRAFTED: {what}: {why}");
                }
                Step::Statement(statement) => {
                    statement.hazards.iter().for_each(|hazard| println!("-- {hazard}"));
                    if let Some(question) = &statement.question {
                        open += 1;
                        println!("-- NOT ANSWERED: {question}");
                    }
                    println!("{};", statement.sql.trim_end().trim_end_matches(';'));
                }
            }
        }
        print!("{commit}");
    }
    open
}

fn unread(why: NoDatabase) -> Failure {
    match why {
        NoDatabase::Error(error) => Failure::impossible(error.report_for(Audience::CommandLine).to_string().trim_end()),
        NoDatabase::Server(error) => error.into(),
        NoDatabase::Other(why) => Failure::impossible(why),
    }
}
