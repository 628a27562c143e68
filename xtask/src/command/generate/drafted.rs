//! A draft as the files that it becomes: each of its scripts is a migration of its own, whose down script is drafted from
//! the schemas before and after it.

use lockgate::__private::{execute, rows as ask};
use lockgate::{Database, Migrator, read_schema};
use lockgate_schema::draft::{self, Hazard, Loss, Mode, Rename, Script, Statement, Step};
use lockgate_schema::{Name, Schema};
use lockgate_source::core::Dialect;
use lockgate_source::core::table::BodyData;
use lockgate_source::folder::policy::Layout;
use lockgate_source::folder::{Folder, tree};
use lockgate_source::scaffold::{self, NewFile, NewMigration, Owner, Shape, TestLanguage};
use lockgate_source::{Code, Diagnostic, Severity, lockfile, renumber};
use lockgate_testing::server::ErrorKind;

use super::copy::Copy;
use super::expectation::{self, Expectation};
use super::proof::{self, Claim, Proven, Unproven};
use super::script::{self, Head, Known};
use super::{Arguments, fill, found_in_desired, json, no_database, rename, rows, unmade};
use crate::command::{new_migration, now, schema};
use crate::desired::{COMMAND, Source};
use crate::failure::Failure;
use crate::invocation;
use crate::project::Package;
use crate::scripts;
use crate::throwaway::{Made, NoDatabase, Replay, Throwaway, migrator};

/// The lints about what somebody has asked for in so many words.
const ASKED_FOR: [Code; 5] = [Code::DropCascade, Code::DropColumn, Code::DropTable, Code::EmptyTable, Code::Rename];

/// What a draft is made of.
pub(super) struct Context<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) package: &'a Package,
    /// The folder with the migrations of all its databases.
    pub(super) whole: Folder,
    /// The folder with those of the one that is meant.
    pub(super) folder: Folder,
    pub(super) owner: Option<Owner>,
    pub(super) dialect: Dialect,
    pub(super) source: Source,
}

impl Context<'_> {
    /// The dialects that it must be right in: first the one that it is drafted for.
    pub(super) fn dialects(&self) -> Vec<Dialect> {
        let others = [Dialect::Sqlite, Dialect::Postgres].into_iter().filter(|one| scripts::is_for(&self.folder, *one));
        let mut all = vec![self.dialect];
        all.extend(others.filter(|other| *other != self.dialect));
        all
    }

    /// The migrations without the draft, to run on throwaway databases.
    fn replay(&self) -> Replay {
        let replay = Replay::new(self.folder.leak(COMMAND), Made::ByAll);
        let has_step = self.folder.migrations.iter().any(|migration| migration.up.body == BodyData::Rust);
        match self.folder.migrations.last().filter(|_| has_step) {
            Some(last) => replay.by(self.package, last.id.to_string()),
            None => replay,
        }
    }

    fn database(&self) -> Option<&str> {
        self.owner.as_ref().map(|owner| owner.database.as_str())
    }
}

/// A draft with everything that is written of it.
pub(super) struct Drafted {
    /// The scripts and the tests.
    pub(super) files: Vec<NewFile>,
    /// The text of the lockfile.
    pub(super) lockfile: String,
    /// What the checks of the folder say about the scripts.
    pub(super) warnings: Vec<Diagnostic>,
    migrations: Vec<Written>,
    renames: Vec<Rename>,
    before: Schema,
    desired: Schema,
    /// All migrations and the draft.
    migrator: Migrator,
    /// The migrations without it.
    replay: Replay,
    /// Where it was proven, and what.
    proven: Vec<(String, Proven)>,
    notes: Vec<String>,
}

/// One migration of it.
struct Written {
    id: String,
    up: Script,
    down: Script,
    heads: [Head; 2],
    /// What there is when each script runs.
    known: [Known; 2],
    /// Paths relative to the directory that holds the folder.
    paths: [String; 2],
    test: NewFile,
    is_tested: bool,
}

impl Written {
    fn scripts(&self) -> [(&Head, &Script, &str, &Known); 2] {
        let [up, down] = &self.known;
        [(&self.heads[0], &self.up, &self.paths[0], up), (&self.heads[1], &self.down, &self.paths[1], down)]
    }
}

/// Makes the draft; `None` if nothing is to be done.
pub(super) async fn draft(context: &Context<'_>, throwaway: &mut Throwaway) -> Result<Option<Drafted>, Failure> {
    let (arguments, mode) = (context.arguments, context.arguments.mode());
    let mut replay = context.replay();
    let mut work = throwaway.replayed(&mut replay).await.map_err(no_database)?;
    let before = read(&mut work).await?;
    let made = context.source.schema(throwaway, &context.folder, context.dialect).await;
    let desired = made.map_err(unmade)?;
    let (renames, renaming) = renamed(context, &mut work, &before, &desired).await?;
    let present = read(&mut work).await?;
    let drafted = draft::draft(&present, &desired, mode);
    let shown = context.source.shown(&context.folder);
    if drafted.is_empty() && renames.is_empty() {
        arguments.say(&format!("nothing to do: the migrations make what {shown} says\n"));
        if !lockgate_schema::compare(&present, &desired).is_empty() {
            arguments.say("(some columns are in another order, which PostgreSQL cannot change)\n");
        }
        return Ok(None);
    }
    refuse_losses(context, &drafted, [&present, &desired])?;
    let scripts = with_renames(drafted.scripts, &renaming);

    let mut behind = throwaway.replayed(&mut replay).await.map_err(no_database)?;
    let copy = Copy::of(context.package)?;
    let lock = context.whole.lock_path().unwrap_or(lockfile::FILE);
    let mut written: Vec<Written> = Vec::new();
    let mut lockfile = String::new();
    let names = names(&arguments.name, &scripts);
    let mut schema_before = present;
    let mut fills = fill::Fills::of(context.package);
    // Reading a large folder takes seconds.
    let mut present_folder = context.whole.clone();
    for (at, (up, name)) in scripts.iter().zip(&names).enumerate() {
        if at > 0 {
            present_folder = copy.load().folder;
        }
        let next =
            renumber::next_version(&present_folder, context.database(), Some(now())).map_err(Failure::refused)?;
        let migration = NewMigration {
            folder: match context.folder.policy.layout {
                Layout::Flat => context.package.path.clone(),
                Layout::Trees => format!("{}/{}", context.package.path, tree::DEPLOYMENT),
            },
            version: next,
            numbering: context.folder.policy.numbering,
            owner: context.owner.clone(),
            name: name.clone(),
            shape: Shape::Reversible,
            test: TestLanguage::Rust,
        };
        let (Some(id), Some(files)) = (migration.id(), migration.files()) else {
            return Err(Failure::refused(format!("{name:?} is not a name: it needs a letter or a digit")));
        };
        // The database has the new names already.
        let done = if at == 0 { renaming.len() } else { 0 };
        let rest = Script { steps: up.steps[done..].to_vec(), ..up.clone() };
        if let Err(why) = run(&mut work, &rest, context.dialect).await {
            arguments.say(&shown_scripts(&scripts, context.dialect));
            return Err(Failure::refused(format!("the draft above fails, and nothing was written: {why}")));
        }
        let after = read(&mut work).await?;
        let mut down = as_one(draft::draft(&after, &schema_before, Mode::Offline).scripts);
        if at == 0 {
            rename_back(&mut down.steps, &renames);
            down.steps.extend(draft::after_renames(&before, &renames).into_iter().map(Step::Statement));
        }
        let schema_with_old_names = if at == 0 { &before } else { &schema_before };
        let schemas = [schema_with_old_names, &after];
        let rows = fills.next(schemas, &mut behind, context.dialects().len() > 1).await;
        let (test, is_tested) = test(context, id.key(), schemas, &schema_before, [&mut behind, &mut work], &rows).await;
        if let Err(why) = run(&mut behind, up, context.dialect).await {
            return Err(Failure::refused(format!("the draft fails with its renames, and nothing was written: {why}")));
        }
        let heads = [
            Head { title: format!("{}: drafted from {shown}.", sentence(name)), has_limits: true, ..Head::default() },
            Head { title: format!("Reverts {id}."), ..Head::default() },
        ];
        let paths = [files[0].path.clone(), files[1].path.clone()];
        let known = [schema_with_old_names, &after].map(script::known);
        written.push(Written { id: id.to_string(), up: up.clone(), down, heads, known, paths, test, is_tested });
        lockfile = new_migration::with_line(&present_folder, context.package, lock, &id)?;
        copy.write(lock, &lockfile)?;
        let last = written.last().expect("one was just pushed");
        write(&copy, context, last)?;
        schema_before = after;
    }
    let (warnings, mut set) = silence(&copy, context, &mut written)?;
    schema::choose(&mut set, context.database())?;
    let files = written.iter().flat_map(|one| files_of(one, context.dialect)).collect();
    Ok(Some(Drafted {
        files,
        lockfile,
        warnings,
        migrations: written,
        renames,
        before,
        desired,
        migrator: migrator(set.leak(COMMAND)),
        replay,
        proven: Vec::new(),
        notes: Vec::new(),
    }))
}

async fn read(database: &mut Database) -> Result<Schema, Failure> {
    read_schema(database).await.map_err(|error| no_database(NoDatabase::from(error)))
}

/// Finds out what has another name, and gives it that name in the database by these statements.
async fn renamed(
    context: &Context<'_>,
    database: &mut Database,
    before: &Schema,
    desired: &Schema,
) -> Result<(Vec<Rename>, Vec<Statement>), Failure> {
    let (comments, problems) = context.source.renames(context.dialect);
    if !problems.is_empty() {
        return Err(found_in_desired(problems));
    }
    let comments = rename::placed(comments, |file| match &context.source {
        Source::Files(files) => {
            let file = &files.of(context.dialect).files[file];
            (file.shown.clone(), file.text.clone())
        }
        Source::Create | Source::Url(_) | Source::Snapshot(_) => (String::new(), String::new()),
    });
    let mut all = rename::said(&context.arguments.rename, &comments, before, desired)?;
    let mut statements = name_anew(database, before, &all).await?;
    let present = read(database).await?;
    let more = rename::asked(&present, desired, context.arguments.no_renames)?;
    statements.extend(name_anew(database, &present, &more).await?);
    all.extend(more);
    Ok((all, statements))
}

/// Gives the new names, and returns the statements that did it.
async fn name_anew(database: &mut Database, schema: &Schema, renames: &[Rename]) -> Result<Vec<Statement>, Failure> {
    let mut statements = draft::before_renames(schema, renames);
    for statement in &statements {
        let ran = execute(database, &statement.sql).await;
        ran.map_err(|why| Failure::refused(format!("`{}` fails, so nothing was drafted: {why}", statement.sql)))?;
    }
    for rename in draft::in_order(renames) {
        for statement in rename.statements() {
            let ran = execute(database, &statement.sql).await;
            ran.map_err(|why| Failure::refused(format!("the rename `{rename}` fails, so nothing was drafted: {why}")))?;
            statements.push(statement);
        }
    }
    Ok(statements)
}

/// The scripts with the renames before everything else.
fn with_renames(mut scripts: Vec<Script>, renaming: &[Statement]) -> Vec<Script> {
    if renaming.is_empty() {
        return scripts;
    }
    if scripts.first().is_none_or(|first| first.outside_transaction) {
        scripts.insert(0, Script::default());
    }
    scripts[0].steps.splice(0..0, renaming.iter().cloned().map(Step::Statement));
    scripts
}

/// Gives back the old names at the end of a down script. PostgreSQL checks the body of a function against the names that
/// there are, so a function that has one of the old names in its text follows; and a search of SQLite reads the table that
/// its text names.
fn rename_back(steps: &mut Vec<Step>, renames: &[Rename]) {
    let old: Vec<&str> = renames.iter().map(|one| one.part.as_ref().unwrap_or(&one.object.name).as_str()).collect();
    let words = |sql: &str| -> Vec<String> {
        sql.split(|c: char| !(c.is_alphanumeric() || c == '_')).map(str::to_owned).collect()
    };
    let follows = |at: usize| {
        let Step::Statement(statement) = &steps[at] else { return false };
        if statement.sql.ends_with(" VALUES ('rebuild')") {
            return !renames.is_empty();
        }
        let Some(rest) = ["FUNCTION ", "PROCEDURE "]
            .iter()
            .find_map(|word| statement.sql.strip_prefix("CREATE OR REPLACE ")?.strip_prefix(word))
        else {
            return false;
        };
        // A body that is not a text has the names of the objects themselves.
        let Some((_, body)) = rest.split_once("\nAS ") else { return false };
        let name = rest.split('(').next().and_then(|name| name.rsplit('.').next()).unwrap_or_default();
        let is_needed = steps[at + 1..].iter().any(|step| match step {
            Step::Statement(later) => words(&later.sql).iter().any(|word| word == name.trim_matches('"')),
            Step::Open { .. } => false,
        });
        !is_needed && words(body).iter().any(|word| old.contains(&word.as_str()))
    };
    let later: Vec<bool> = (0..steps.len()).map(follows).collect();
    let mut moved = Vec::new();
    let mut at = 0;
    steps.retain(|step| {
        at += 1;
        if later[at - 1] {
            moved.push(with_old_name(step, renames));
        }
        !later[at - 1]
    });
    let back: Vec<Rename> = renames.iter().rev().map(Rename::reversed).collect();
    steps.extend(draft::in_order(&back).iter().flat_map(Rename::statements).map(Step::Statement));
    steps.append(&mut moved);
}

/// The statement that creates a routine, with the name that it has before the renames.
fn with_old_name(step: &Step, renames: &[Rename]) -> Step {
    let Step::Statement(statement) = step else { return step.clone() };
    let Some((head, rest)) = statement.sql.split_once('(') else { return step.clone() };
    let Some((words, name)) = head.rsplit_once(' ') else { return step.clone() };
    let path = |name: &Name| -> Vec<String> {
        let bare = name.name.split('(').next().unwrap_or_default();
        name.schema.iter().map(String::as_str).chain([bare]).map(str::to_owned).collect()
    };
    let is_it =
        |rename: &&Rename| rename.object.name.contains('(') && path(&rename.after()).join(".") == name.replace('"', "");
    match renames.iter().find(is_it) {
        Some(rename) => {
            let quote = |part: String| if draft::needs_quotes(&part) { rows::quoted(&part) } else { part };
            let old: Vec<String> = path(&rename.object).into_iter().map(quote).collect();
            let sql = format!("{words} {}({rest}", old.join("."));
            Step::Statement(Statement { sql, ..statement.clone() })
        }
        None => step.clone(),
    }
}

/// Refuses a draft that deletes data or changes values, which nobody has allowed.
fn refuse_losses(context: &Context<'_>, drafted: &draft::Draft, schemas: [&Schema; 2]) -> Result<(), Failure> {
    let missing: Vec<_> = drafted.losses().into_iter().filter(|loss| !context.arguments.allows(*loss)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let [_, (_, mut columns)] = expectation::losses(schemas[0], schemas[1]);
    let mut lines = Vec::new();
    for step in drafted.steps() {
        let Step::Statement(statement) = step else { continue };
        for hazard in &statement.hazards {
            let Hazard::Loses(loss) = hazard else { continue };
            if !missing.contains(loss) {
                continue;
            }
            // A table that is made again names no columns when the old one goes.
            if *loss == Loss::Column && statement.sql.starts_with("DROP TABLE ") {
                lines.extend(columns.drain(..).map(|column| format!("  {}: {column}", loss.word())));
            } else {
                lines.push(format!("  {}: {}", loss.word(), first_line(&statement.sql)));
            }
        }
    }
    let flags: Vec<String> = missing.iter().map(|loss| format!("--allow {}", loss.word())).collect();
    let deletes = missing.iter().any(|loss| *loss != Loss::Precision);
    let what = match (deletes, missing.contains(&Loss::Precision)) {
        (true, false) => "would delete data",
        (true, true) => "would delete data and can change values",
        (false, _) => "can change values",
    };
    Err(Failure::refused(format!(
        "the draft {what}, so nothing was written:\n{}\nif that is meant, add `{}`; if something has another name now, say \
         so with `--rename OLD=NEW`",
        lines.join("\n"),
        flags.join(" ")
    )))
}

fn first_line(sql: &str) -> String {
    let mut lines = sql.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    if lines.next().is_some() { format!("{first} …") } else { first }
}

/// Sends the statements of a script as a run would.
async fn run(database: &mut Database, script: &Script, dialect: Dialect) -> Result<(), String> {
    let off = script.foreign_keys_off && dialect == Dialect::Sqlite;
    let (begin, end) = match (script.outside_transaction, off) {
        (true, _) => ("", ""),
        (false, true) => ("PRAGMA foreign_keys = OFF; BEGIN", "COMMIT; PRAGMA foreign_keys = ON"),
        (false, false) => ("BEGIN", "COMMIT"),
    };
    for sql in [begin].into_iter().chain(script::statements(script)).chain([end]).filter(|sql| !sql.is_empty()) {
        if let Err(why) = execute(database, sql).await {
            return Err(format!("{why}, in `{}`", first_line(sql)));
        }
    }
    Ok(())
}

/// One script of all.
fn as_one(scripts: Vec<Script>) -> Script {
    // What is in several scripts needs the commit between them: a value of an enum, and its use.
    let mut one = Script { outside_transaction: scripts.len() > 1, ..Script::default() };
    for script in scripts {
        one.outside_transaction |= script.outside_transaction;
        one.foreign_keys_off |= script.foreign_keys_off;
        one.steps.extend(script.steps);
    }
    one
}

/// The names of the migrations: the first has the given one.
fn names(name: &str, scripts: &[Script]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (at, script) in scripts.iter().enumerate() {
        let all = |words: &str| script::statements(script).all(|sql| sql.to_uppercase().contains(words));
        let validates = script::statements(script).any(|sql| sql.to_uppercase().contains("VALIDATE CONSTRAINT"));
        let what = match at {
            0 => String::new(),
            _ if validates => " validate".to_owned(),
            _ if all("INDEX CONCURRENTLY") && all("CREATE") => " indexes".to_owned(),
            _ if all("DROP INDEX") => " drop indexes".to_owned(),
            _ => format!(" part {}", at + 1),
        };
        let full = format!("{name}{what}");
        names.push(if names.contains(&full) { format!("{full} {}", at + 1) } else { full });
    }
    names
}

fn sentence(name: &str) -> String {
    let name = name.trim().trim_end_matches('.');
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + chars.as_str())
}

/// The test of one migration: each of its checks was tried on the database before and after it. Says, too, whether it checks
/// anything.
async fn test(
    context: &Context<'_>,
    key: &str,
    schemas: [&Schema; 2],
    with_new_names: &Schema,
    databases: [&mut Database; 2],
    rows: &[String],
) -> (NewFile, bool) {
    let any_dialect = context.dialects().len() > 1;
    let [was, is] = databases;
    let mut lines = Vec::new();
    for (here, there, is_after) in [(schemas[0], schemas[1], false), (schemas[1], schemas[0], true)] {
        let (mut good, mut last_resort) = (Vec::new(), Vec::new());
        for expectation in expectation::of(here, there, any_dialect) {
            match &expectation {
                Expectation::Call(_) => good.push(expectation.rust()),
                Expectation::Query(query) => {
                    let (before, after) = (holds(was, query).await, holds(is, query).await);
                    if before != after && after == is_after {
                        good.push(expectation.rust());
                    }
                }
                Expectation::Value(query) => {
                    let (before, after) = (value(was, query).await, value(is, query).await);
                    if let (Some(before), Some(after)) = (before, after)
                        && before != after
                    {
                        let value = if is_after { after } else { before };
                        let list = if expectation::is_of_release(query) { &mut last_resort } else { &mut good };
                        list.push(Expectation::Query(expectation::has_value(query, &value)).rust());
                    }
                }
            }
        }
        lines.push(if good.is_empty() { last_resort } else { good });
    }
    let is_tested = lines.iter().all(|lines| !lines.is_empty());
    let declares = expectation::losses(with_new_names, schemas[1]);
    (scaffold::generated_test(key, &lines[0], &lines[1], &declares, rows), is_tested)
}

/// The one value of a query.
async fn value(database: &mut Database, query: &str) -> Option<String> {
    ask(database, query).await.ok()?.into_iter().next()?.into_iter().next()?
}

async fn holds(database: &mut Database, query: &str) -> bool {
    let is_true =
        |row: &Vec<Option<String>>| matches!(row.first().and_then(Option::as_deref), Some("t" | "true" | "1"));
    ask(database, query).await.is_ok_and(|rows| !rows.is_empty() && rows.iter().all(is_true))
}

fn files_of(one: &Written, dialect: Dialect) -> Vec<NewFile> {
    let scripts = one.scripts().map(|(head, script, path, known)| NewFile {
        path: path.to_owned(),
        content: script::text(head, script, dialect, known),
    });
    scripts.into_iter().chain([one.test.clone()]).collect()
}

/// Writes the scripts of a migration into the copy of the folder.
fn write(copy: &Copy, context: &Context<'_>, one: &Written) -> Result<(), Failure> {
    one.scripts().into_iter().try_for_each(|(head, script, path, known)| {
        copy.write(in_folder(context, path), &script::text(head, script, context.dialect, known))
    })
}

/// The path of a script relative to the folder.
fn in_folder<'p>(context: &Context<'_>, path: &'p str) -> &'p str {
    path.strip_prefix(&context.package.path).unwrap_or(path).trim_start_matches('/')
}

/// Silences the lints about what was asked for, and returns the warnings that are left, and the folder with the draft. Fails
/// if there are errors.
fn silence(copy: &Copy, context: &Context<'_>, written: &mut [Written]) -> Result<(Vec<Diagnostic>, Folder), Failure> {
    let mut loaded = copy.load();
    for one in written.iter_mut() {
        for at in 0..2 {
            let shown = loaded.folder.show(in_folder(context, &one.paths[at]));
            let why = if at == 0 { "asked for when this was drafted" } else { "what the up script has made" };
            let mut rules: Vec<Code> = loaded
                .diagnostics
                .iter()
                .filter(|found| found.file == shown && ASKED_FOR.contains(&found.code))
                .map(|found| found.code)
                .collect();
            rules.sort();
            rules.dedup();
            one.heads[at].allow = rules.into_iter().map(|rule| (rule, why.to_owned())).collect();
        }
        write(copy, context, one)?;
    }
    if written.iter().flat_map(|one| &one.heads).any(|head| !head.allow.is_empty()) {
        loaded = copy.load();
    }
    let mut found: Vec<Diagnostic> = loaded.diagnostics;
    invocation::rename_commands(&mut found);
    let shown: Vec<String> = written
        .iter()
        .flat_map(|one| one.paths.iter().map(|path| loaded.folder.show(in_folder(context, path))).collect::<Vec<_>>())
        .collect();
    // The test is not written yet, and a question is for whoever reads the draft.
    found.retain(|one| shown.contains(&one.file) && !matches!(one.code, Code::MissingTest | Code::Unanswered));
    if found.iter().any(|one| one.severity == Severity::Error) {
        written.iter().for_each(|one| context.arguments.say(&shown_files(&files_of(one, context.dialect))));
        return Err(found_in_draft(&found));
    }
    found.retain(|one| one.severity == Severity::Warning);
    Ok((found, loaded.folder))
}

fn found_in_draft(found: &[Diagnostic]) -> Failure {
    let colored = lockgate_source::Color::On;
    found.iter().for_each(|one| anstream::eprintln!("{}\n", one.render(colored)));
    Failure::refused("the draft above is not accepted, and nothing was written")
}

fn shown_scripts(scripts: &[Script], dialect: Dialect) -> String {
    let text = |script| {
        script::text(&Head::default(), script, dialect, &Known::default()).trim_start_matches("-- \n").to_owned() + "\n"
    };
    scripts.iter().map(text).collect()
}

fn shown_files(files: &[NewFile]) -> String {
    files.iter().map(|file| format!("-- {}\n{}\n", file.path, file.content)).collect()
}

/// A script for programs.
fn for_programs(path: String, script: &Script) -> json::Script {
    let step = |step: &Step| match step {
        Step::Open { what, why } => {
            json::Step { sql: None, hazards: Vec::new(), question: Some(format!("{what}: {why}")) }
        }
        Step::Statement(statement) => json::Step {
            sql: Some(statement.sql.clone()),
            hazards: statement.hazards.iter().map(ToString::to_string).collect(),
            question: statement.question.clone(),
        },
    };
    let outside_transaction = script.outside_transaction;
    json::Script { path, outside_transaction, steps: script.steps.iter().map(step).collect() }
}

impl Drafted {
    /// Proves it on the server on which it was drafted.
    pub(super) async fn prove(&mut self, context: &Context<'_>, throwaway: &mut Throwaway) -> Result<(), Unproven> {
        let scripts = self.scripts();
        let claim = Claim {
            migrator: &self.migrator,
            drafted: self.migrations.len(),
            renames: &self.renames,
            scripts: &scripts,
            before: &self.before,
            desired: &self.desired,
            mode: context.arguments.mode(),
        };
        let proven = proof::prove(&claim, throwaway, &mut self.replay).await?;
        self.proven.push((throwaway.release(), proven));
        Ok(())
    }

    /// Proves it on another database that the folder is for.
    pub(super) async fn prove_elsewhere(&mut self, context: &Context<'_>, dialect: Dialect) -> Result<(), Unproven> {
        if let Source::Snapshot(_) = context.source {
            let shown = context.source.shown(&context.folder);
            self.notes.push(format!("not proven on {}: `{shown}` is not its schema", dialect.product()));
            return Ok(());
        }
        let mut throwaway = match Throwaway::start(dialect) {
            Err(NoDatabase::Server(error)) if error.kind() == ErrorKind::NotFound => {
                self.notes.push(format!("not proven on {}: it is not installed", dialect.product()));
                return Ok(());
            }
            started => started?,
        };
        let mut replay = context.replay();
        let before = read_schema(&mut throwaway.replayed(&mut replay).await?).await?;
        let desired = context.source.schema(&mut throwaway, &context.folder, dialect).await;
        let desired = match desired {
            Ok(desired) => desired,
            Err(crate::desired::Unmade::NoDatabase(why)) => return Err(why.into()),
            Err(crate::desired::Unmade::Found(found)) => {
                let lines = found.iter().map(|one| format!("{}: {}", one.place(), one.message)).collect();
                return Err(Unproven::Wrong("the desired schema cannot be made".to_owned(), lines));
            }
        };
        let scripts = self.scripts();
        let claim = Claim {
            migrator: &self.migrator,
            drafted: self.migrations.len(),
            renames: &self.renames,
            scripts: &scripts,
            before: &before,
            desired: &desired,
            mode: context.arguments.mode(),
        };
        let proven = proof::prove(&claim, &mut throwaway, &mut replay).await?;
        self.proven.push((throwaway.release(), proven));
        Ok(())
    }

    fn scripts(&self) -> Vec<Script> {
        self.migrations.iter().flat_map(|one| [one.up.clone(), one.down.clone()]).collect()
    }

    /// The text of every file.
    pub(super) fn shown(&self) -> String {
        shown_files(&self.files)
    }

    /// All of it for programs, with each path as messages show it.
    pub(super) fn for_programs(&self, context: &Context<'_>, shown: &dyn Fn(&str) -> String) -> json::Draft {
        let migration = |one: &Written| json::Migration {
            id: one.id.clone(),
            up: for_programs(shown(&one.paths[0]), &one.up),
            down: for_programs(shown(&one.paths[1]), &one.down),
        };
        let file = |file: &NewFile| json::File { path: shown(&file.path), text: file.content.clone() };
        let proof = |(on, proven): &(String, Proven)| json::Proof {
            on: on.clone(),
            tables: proven.filled.1,
            tables_with_rows: proven.filled.0,
            tables_without_rows: proven.not_filled.clone(),
            fails_on_rows: proven.fails_on_rows.clone(),
        };
        json::Draft {
            dialect: Some(context.dialect.to_string()),
            desired: Some(context.source.shown(&context.folder)),
            renames: self.renames.iter().map(ToString::to_string).collect(),
            migrations: self.migrations.iter().map(migration).collect(),
            files: self.files.iter().map(file).collect(),
            proofs: self.proven.iter().map(proof).collect(),
            notes: self.notes.clone(),
            warnings: self.warnings.iter().map(|one| format!("{}: {}", one.place(), one.message)).collect(),
        }
    }

    /// The differences that were not drafted.
    pub(super) fn open(&self) -> Vec<&str> {
        let steps = self.migrations.iter().flat_map(|one| &one.up.steps);
        let open = steps.filter_map(|step| match step {
            Step::Open { what, .. } => Some(what.as_str()),
            Step::Statement(_) => None,
        });
        open.collect()
    }

    /// What was proven, and what is left to do, each on a line of its own.
    pub(super) fn summary(&self) -> String {
        let mut lines = Vec::new();
        for (release, proven) in &self.proven {
            let rows = match (proven.filled, proven.is_empty) {
                (_, true) => "on empty tables".to_owned(),
                ((0, 0), false) => "in a database without tables".to_owned(),
                ((filled, all), false) => {
                    format!("with rows in {filled} of {all} table{}", if all == 1 { "" } else { "s" })
                }
            };
            lines.push(format!("proven on {release}: up, down and up again, {rows}"));
            lines.extend(proven.not_filled.iter().map(|why| format!("no rows were made up for {why}")));
            lines.extend(proven.fails_on_rows.iter().map(|why| format!("on tables with rows it can fail: {why}")));
            lines.extend(proven.order.iter().cloned());
        }
        lines.extend(self.notes.iter().cloned());
        let asks = |script: &Script| {
            script
                .steps
                .iter()
                .filter(|step| match step {
                    Step::Statement(statement) => statement.question.is_some(),
                    Step::Open { .. } => true,
                })
                .count()
        };
        let questions: usize = self.migrations.iter().map(|one| asks(&one.up) + asks(&one.down)).sum();
        if questions > 0 {
            let (what, them) =
                if questions == 1 { ("1 question has", "it is") } else { ("questions have", "they are") };
            let count = if questions == 1 { String::new() } else { format!("{questions} ") };
            lines.push(format!(
                "{count}{what} no answer yet, and the folder does not compile until {them} answered: look for \
                 `-- lockgate: unanswered`"
            ));
        }
        for one in self.migrations.iter().filter(|one| !one.is_tested) {
            lines.push(format!("write the test of {}: nothing was found that it could check", one.id));
        }
        lines.into_iter().map(|line| line + "\n").collect()
    }
}

#[cfg(test)]
mod tests {
    use lockgate_schema::draft::Renamed;

    use super::*;

    #[test]
    fn a_function_with_an_old_name_in_its_text_follows_the_rename_back() {
        let rename = Rename {
            what: Renamed::Table,
            object: Name { schema: Some("public".to_owned()), name: "t".to_owned() },
            part: None,
            to: "tt".to_owned(),
            schema: None,
        };
        let function =
            |name: &str, body: &str| format!("CREATE OR REPLACE FUNCTION public.{name}()\nAS $f$SELECT {body}$f$");
        let statements = [function("g", "a FROM t"), function("h", "a FROM tt"), "DROP TABLE public.x".to_owned()];
        let mut steps: Vec<Step> = statements.into_iter().map(|sql| Step::Statement(Statement::new(sql))).collect();
        rename_back(&mut steps, &[rename]);
        let script = Script { steps, ..Script::default() };
        let found: Vec<&str> = script::statements(&script).collect();
        let wanted = [
            function("h", "a FROM tt"),
            "DROP TABLE public.x".to_owned(),
            "ALTER TABLE public.tt RENAME TO t".to_owned(),
            function("g", "a FROM t"),
        ];
        assert_eq!(found, wanted);
    }
}
