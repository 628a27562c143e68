//! The replay: runs a whole set up, down and up again on an empty in-memory SQLite, and its repeatable scripts twice. It
//! finds errors that only a database finds, before any test: missing tables, wrong columns, broken views, down scripts that
//! do not restore the schema.
//!
//! The replay does not use the runtime. It records no history, continues after a failure if that finds more, and needs
//! no program that embeds the set. `cargo xtask check` runs it, and a build script with `lockgate_build::replay`.
//!
//! It uses the SQLite that the workspace's programs embed, as a workspace has one `libsqlite3-sys`.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod database;
mod objects;

use std::collections::BTreeMap;
use std::fmt;

use lockgate_schema::sqlite::{Catalogue, Unknown};
use lockgate_schema::{Class, Difference, compare};
use lockgate_source::core::{CompanionKind, Dialect, Statement, StatementFlags, StatementKind, seed};
use lockgate_source::folder::{Folder, Loaded, Migration, ScriptFile, ScriptState};
use lockgate_source::scripts::{self, Sql};
use lockgate_source::{Code, Diagnostic, Severity, diagnostic};

use database::{Broken, Database, Refusal, State, ViewOrTriggers};
use objects::Objects;

const CODE: Code = Code::Replay;

/// The lint that finds by reading what a replay finds by running.
const LINT: Code = Code::IncompleteDown;

/// SQLite itself failed. This is not an error of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the replay failed: SQLite reports: {}", self.0)
    }
}

impl std::error::Error for Error {}

/// Whether a folder is replayed: its policy names `sqlite`.
pub fn is_replayed(folder: &Folder) -> bool {
    scripts::is_for(folder, Dialect::Sqlite)
}

/// Replays a folder whose policy names `sqlite`, and adds what it finds to the folder's diagnostics. Returns a summary, or
/// `None` if there is nothing to replay.
///
/// # Errors
///
/// If SQLite itself fails. An error of a script is a diagnostic.
///
/// ```
/// # let directory = std::env::temp_dir().join(format!("lockgate-replay-{}", std::process::id()));
/// # std::fs::create_dir_all(&directory)?;
/// # std::fs::write(directory.join("migrations.toml"), "dialects = [\"sqlite\"]\n")?;
/// # std::fs::write(directory.join("0001_a.sql"), "DELETE FROM nowhere;\n")?;
/// let mut loaded = lockgate_source::folder::load(&directory, "migrations");
/// let summary = lockgate_replay::replay(&mut loaded)?;
/// # std::fs::remove_dir_all(&directory)?;
/// assert!(summary.is_some_and(|summary| summary.ends_with("0 of 1 up")));
/// assert_eq!(loaded.diagnostics[0].place(), "migrations/0001_a.sql:1:1");
/// assert_eq!(loaded.diagnostics[0].message, "SQLite refuses this statement: no such table: nowhere");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn replay(loaded: &mut Loaded) -> Result<Option<String>, Error> {
    let is_empty = loaded.folder.migrations.is_empty() && loaded.folder.repeatables().is_empty();
    if !is_replayed(&loaded.folder) || is_empty {
        return Ok(None);
    }
    if !scripts::can_run(&loaded.diagnostics) {
        return Ok(Some("not replayed: fix the errors first".to_owned()));
    }
    let folders = loaded.folder.split_by_database();
    let mut found = Vec::new();
    let mut summaries = Vec::new();
    for folder in &folders {
        let replayed = run(folder).map_err(Error)?;
        let first = found.len();
        found.extend(replayed.diagnostics);
        for (at, down) in replayed.incomplete_downs {
            let lint = loaded.diagnostics.iter().position(|known| known.code == LINT && known.file == down);
            if let Some(lint) = lint.map(|lint| loaded.diagnostics.remove(lint)) {
                found[first + at] = merge_with_lint(&found[first + at], lint);
            }
        }
        summaries.push(scripts::name_database(folder, folders.len(), replayed.summary));
    }
    loaded.diagnostics.extend(found);
    diagnostic::sort(&mut loaded.diagnostics);
    Ok(Some(summaries.join("; ")))
}

/// Merges the finding of the replay and that of the lint about one incomplete down script: the message of the replay, and
/// the place and help of the lint.
fn merge_with_lint(found: &Diagnostic, lint: Diagnostic) -> Diagnostic {
    let help = std::iter::once(lint.message).chain(lint.help.into_iter().next()).collect();
    Diagnostic { code: found.code, severity: found.severity, message: found.message.clone(), help, ..lint }
}

/// The result of a replay.
struct Replayed {
    diagnostics: Vec<Diagnostic>,
    /// Which of these diagnostics are about an incomplete down script, and its file.
    incomplete_downs: Vec<(usize, String)>,
    /// A summary for people.
    summary: String,
}

fn run(folder: &Folder) -> Result<Replayed, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let mut database = Database::open().await?;
        let version = database.version().await?;
        let mut replay = Replay::new(folder, database);
        replay.run_passes().await?;
        Ok(replay.end(&version))
    })
}

struct Replay<'a> {
    folder: &'a Folder,
    database: Database,
    applied: Vec<ReplayedMigration<'a>>,
    /// The states before the first migration, after the first, and so on.
    states: Vec<State>,
    /// What was there at the same times.
    objects: Vec<Objects>,
    /// Whether a down script has made another schema.
    schema_differs: bool,
    /// What is broken, but may be repaired by a later migration.
    pending: BTreeMap<ViewOrTriggers, Diagnostic>,
    /// Whether the rest of the set could not be replayed.
    stopped: bool,
    reverted: usize,
    /// How many repeatable scripts have run twice.
    repeated: usize,
    /// How many seeds were loaded at their migration, and survived to the last.
    seeded: usize,
    found: Vec<Diagnostic>,
    /// As in [`Replayed`].
    incomplete_downs: Vec<(usize, String)>,
}

/// A migration whose scripts can be run.
#[derive(Clone, Copy)]
struct ReplayedMigration<'a> {
    source: &'a Migration,
    up: Sql<'a>,
    down: Option<Sql<'a>>,
}

/// The pass in which a script runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    Up,
    Down,
    /// Up again, after the migration was reverted.
    UpAgain,
    /// A repeatable script, which has run before.
    Repeated,
    /// A seed, or a migration on its rows.
    Seed,
}

impl<'a> Replay<'a> {
    fn new(folder: &'a Folder, database: Database) -> Self {
        Self {
            folder,
            database,
            applied: Vec::new(),
            states: vec![State::default()],
            objects: vec![Objects::default()],
            schema_differs: false,
            pending: BTreeMap::new(),
            stopped: false,
            reverted: 0,
            repeated: 0,
            seeded: 0,
            found: Vec::new(),
            incomplete_downs: Vec::new(),
        }
    }

    /// Runs every pass. An `Err` is an error of SQLite itself, not of a script.
    async fn run_passes(&mut self) -> Result<(), String> {
        self.up().await?;
        self.found.extend(std::mem::take(&mut self.pending).into_values());
        let mut at_head = !self.stopped;
        if !self.found.iter().any(|diagnostic| diagnostic.severity != Severity::Note) {
            at_head &= self.down_and_up().await?;
        }
        if at_head {
            self.repeatables().await?;
            self.seeds().await?;
        }
        Ok(())
    }

    /// Runs the repeatable scripts after the last migration, and again, with all profiles.
    async fn repeatables(&mut self) -> Result<(), String> {
        let scripts = self.folder.repeatables();
        for pass in [Pass::Up, Pass::Repeated] {
            let known = self.database.state.broken.clone();
            let mut broken_views: BTreeMap<ViewOrTriggers, Diagnostic> = BTreeMap::new();
            for script in scripts {
                let script = match self.scripts_of(script) {
                    Ok(script) => script,
                    Err(note) => {
                        self.found.push(*note);
                        return Ok(());
                    }
                };
                match self.database.run(script.up, &known).await {
                    Ok(broken) => {
                        for broken in broken {
                            let diagnostic = self.breaks(script, pass, &broken);
                            broken_views.entry(broken.what).or_insert(diagnostic);
                        }
                    }
                    Err(refusal) => {
                        self.refused(script, pass, refusal);
                        return Ok(());
                    }
                }
                self.repeated += usize::from(pass == Pass::Repeated);
            }
            // One script may drop a view that another one makes again.
            broken_views.retain(|what, _| self.database.state.broken.contains(what));
            self.found.extend(broken_views.into_values());
        }
        Ok(())
    }

    /// Loads each seed into a database that stands at its migration, and applies the rest.
    async fn seeds(&mut self) -> Result<(), String> {
        let Some(part) = self.folder.companion(CompanionKind::Seed) else { return Ok(()) };
        for seed in &part.migrations {
            let Some(at) = seed::at(&seed.id) else { continue };
            self.database = Database::open().await?;
            let (before, after): (Vec<&'a Migration>, Vec<&'a Migration>) =
                self.folder.migrations.iter().partition(|migration| migration.version() <= at);
            for migration in before {
                // It has run before, on another database.
                let Ok(script) = self.scripts_of(migration) else { return Ok(()) };
                if self.database.run(script.up, &[].into()).await.is_err() {
                    return Ok(());
                }
            }
            let whole = std::mem::replace(&mut self.folder, part);
            let loaded = match self.scripts_of(seed) {
                Ok(script) => match self.database.run(script.up, &[].into()).await {
                    Ok(_) => true,
                    Err(refusal) => {
                        self.refused(script, Pass::Seed, refusal);
                        false
                    }
                },
                Err(note) => {
                    self.found.push(*note);
                    false
                }
            };
            self.folder = whole;
            if loaded && self.survives(&part.show(&seed.up.path), after).await? {
                self.seeded += 1;
            }
        }
        Ok(())
    }

    /// Whether the migrations after a seed run on its rows.
    async fn survives(&mut self, path: &str, after: Vec<&'a Migration>) -> Result<bool, String> {
        for migration in after {
            let Ok(script) = self.scripts_of(migration) else { return Ok(false) };
            if let Err(refusal) = self.database.run(script.up, &[].into()).await {
                let count = self.found.len();
                self.refused(script, Pass::Seed, refusal);
                for found in &mut self.found[count..] {
                    found.help.push(format!(
                        "it ran on the rows of `{path}`: correct one of the two, or write the seed as of `{}`",
                        migration.id
                    ));
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Applies all migrations. Before the next one, each is reverted and applied again in a transaction that is rolled
    /// back.
    async fn up(&mut self) -> Result<(), String> {
        for migration in &self.folder.migrations {
            let migration = match self.scripts_of(migration) {
                Ok(migration) => migration,
                Err(note) => {
                    self.stop(*note);
                    break;
                }
            };
            match self.database.run(migration.up, &self.now().broken).await {
                Ok(broken) => {
                    self.applied_with(migration, broken);
                    let objects = self.database.objects().await?;
                    self.objects.push(objects);
                }
                Err(refusal) => {
                    self.refused(migration, Pass::Up, refusal);
                    break;
                }
            }
            self.try_down_and_up(migration).await?;
        }
        Ok(())
    }

    fn now(&self) -> State {
        self.states.last().cloned().unwrap_or_default()
    }

    fn applied_with(&mut self, migration: ReplayedMigration<'a>, broken: Vec<Broken>) {
        for broken in broken {
            let diagnostic = self.breaks(migration, Pass::Up, &broken);
            self.pending.insert(broken.what, diagnostic);
        }
        let mended: Vec<ViewOrTriggers> =
            self.pending.keys().filter(|what| !self.database.state.broken.contains(what)).cloned().collect();
        for what in mended {
            let Some(mut diagnostic) = self.pending.remove(&what) else { continue };
            diagnostic.severity = Severity::Warning;
            let id = &migration.source.id;
            diagnostic.help =
                vec![format!("`{id}` repairs it: do that here already, for databases that stop in between")];
            self.found.push(diagnostic);
        }
        self.applied.push(migration);
        self.states.push(self.database.state.clone());
    }

    /// Reverts the last migration and applies it again, in a transaction that is rolled back. So a bad down script is found
    /// even if an older migration has none, and does not affect later migrations.
    async fn try_down_and_up(&mut self, migration: ReplayedMigration<'a>) -> Result<(), String> {
        let Some(down) = migration.down else { return Ok(()) };
        let fits = |sql: Sql<'_>| sql.script.options.transactional && !sql.script.options.foreign_keys_off;
        if !fits(migration.up) || !fits(down) {
            return Ok(());
        }
        let (before, after) = (self.states[self.states.len() - 2].clone(), self.now());
        self.database.begin().await?;
        match self.database.within(down, &before.broken).await {
            Err(refusal) => self.refused(migration, Pass::Down, refusal),
            Ok(broken) if !broken.is_empty() => self.breaks_all(migration, Pass::Down, &broken),
            Ok(_) => {
                let reverted = self.database.objects().await?;
                match self.database.within(migration.up, &after.broken).await {
                    Err(refusal) => self.refused(migration, Pass::UpAgain, refusal),
                    Ok(_) => {
                        let at = self.applied.len() - 1;
                        self.check_restored(migration, at, &reverted);
                        // SQLite reads the whole schema again after every rollback.
                        if keeps_rows(migration.up, down)
                            && self.objects[at] == reverted
                            && self.objects[at + 1] == self.database.objects().await?
                            && self.database.commit().await.is_ok()
                        {
                            self.database.state = after;
                            return Ok(());
                        }
                    }
                }
            }
        }
        // This fails if an error has already ended the transaction.
        let _ = self.database.roll_back().await;
        self.database.state = after;
        Ok(())
    }

    /// Checks that the down script has restored the schema.
    fn check_restored(&mut self, migration: ReplayedMigration<'a>, at: usize, reverted: &Objects) {
        let before = &self.objects[at];
        if *before == *reverted {
            return;
        }
        // Most of a large schema is the same, and most differences are only of the texts.
        let [one, other] = before.differing(reverted);
        if real(&one, &other).is_ok_and(|found| found.is_empty()) {
            return;
        }
        let found = match real(&before.catalogue(), &reverted.catalogue()) {
            Ok(found) => found,
            Err(unknown) => {
                let note = format!("the schema after reverting `{}` is not compared: {unknown}", migration.source.id);
                let note = self.note(migration.script(Pass::Down).script, 0..0, note);
                self.found.push(note);
                return;
            }
        };
        let mut real = found.iter();
        let Some(first) = real.next() else { return };
        let down = migration.script(Pass::Down);
        let id = &migration.source.id;
        let message = format!("reverting `{id}` does not restore the schema: {}: {}", first.object, first.what);
        let mut finding = self.finding(migration, Pass::Down, first_statement(down), message);
        let more: Vec<String> = real.map(|difference| format!("{}: {}", difference.object, difference.what)).collect();
        if !more.is_empty() {
            finding = finding.help(format!("and {}", more.join("; ")));
        }
        finding = finding.help(format!("make `{}` restore the schema that was there before `{id}`", down.script.path));
        self.incomplete_downs.push((self.found.len(), self.folder.show(&down.script.path)));
        self.schema_differs = true;
        self.found.push(finding);
    }

    /// Reverts all migrations down to the first without a down script, and applies them again. Returns whether all are
    /// applied then.
    async fn down_and_up(&mut self) -> Result<bool, String> {
        let tail = self.applied.iter().rev().take_while(|migration| migration.down.is_some()).count();
        let first = self.applied.len() - tail;
        for at in (first..self.applied.len()).rev() {
            let migration = self.applied[at];
            let Some(down) = migration.down else { return Ok(false) };
            let known = self.states[at].broken.clone();
            match self.database.run(down, &known).await {
                Ok(broken) if broken.is_empty() => self.reverted += 1,
                Ok(broken) => {
                    self.breaks_all(migration, Pass::Down, &broken);
                    return Ok(false);
                }
                Err(refusal) => {
                    self.refused(migration, Pass::Down, refusal);
                    return Ok(false);
                }
            }
            // Older migrations would report the same difference again.
            if !self.schema_differs {
                let reverted = self.database.objects().await?;
                self.check_restored(migration, at, &reverted);
            }
        }
        for at in first..self.applied.len() {
            let (migration, known) = (self.applied[at], self.states[at + 1].broken.clone());
            match self.database.run(migration.up, &known).await {
                Ok(broken) if broken.is_empty() => {}
                Ok(broken) => {
                    self.breaks_all(migration, Pass::UpAgain, &broken);
                    return Ok(false);
                }
                Err(refusal) => {
                    self.refused(migration, Pass::UpAgain, refusal);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Returns the scripts of a migration, or why the replay ends before it.
    fn scripts_of(&self, migration: &'a Migration) -> Result<ReplayedMigration<'a>, Box<Diagnostic>> {
        let Some(up) = sql(&migration.up) else {
            return Err(Box::new(scripts::ends_before(CODE, self.folder, migration)));
        };
        let down = migration.down_script().and_then(sql);
        for sql in [Some(up), down].into_iter().flatten() {
            if let Some(statement) = sql.statements.iter().find(|statement| leaves(sql.script, statement)) {
                let message = format!("the replay ends before `{}`: this statement uses another file", migration.id);
                let note = self.note(sql.script, statement.range.clone(), message);
                return Err(Box::new(note.help("a replay touches no file")));
            }
        }
        Ok(ReplayedMigration { source: migration, up, down })
    }

    fn note(&self, script: &ScriptFile, range: std::ops::Range<usize>, message: String) -> Diagnostic {
        scripts::note(CODE, self.folder, script, range, message)
    }

    fn stop(&mut self, note: Diagnostic) {
        self.stopped = true;
        self.found.push(note);
        // The migrations that did not run may repair it.
        self.pending.values_mut().for_each(|diagnostic| diagnostic.severity = Severity::Warning);
    }

    fn refused(&mut self, migration: ReplayedMigration<'a>, pass: Pass, refusal: Refusal) {
        let sql = migration.script(pass);
        let range = refusal.at.or(Some(0)).and_then(|at| sql.statements.get(at)).map(|found| found.range.clone());
        let range = range.unwrap_or(0..0);
        let id = &migration.source.id;
        if refusal.is_app_defined() {
            let (what, ends) = match pass {
                Pass::Up => ("the replay ends here", true),
                Pass::Down | Pass::UpAgain => ("the down script is not replayed", false),
                Pass::Repeated | Pass::Seed => ("the replay ends here", true),
            };
            let note = self.note(sql.script, range, format!("{what}: {}", refusal.message));
            let note = note
                .help("SQLite itself has nothing of this name, but the program that embeds the set may register it");
            if ends {
                self.stop(note);
            } else {
                self.found.push(note);
            }
            return;
        }
        let message = match (pass, refusal.at) {
            (Pass::Up | Pass::Seed, Some(_)) => format!("SQLite refuses this statement: {}", refusal.message),
            (Pass::Down, Some(_)) => format!("`{id}` cannot be reverted: {}", refusal.message),
            (Pass::UpAgain, Some(_)) => {
                format!("`{id}` cannot be applied again after it was reverted: {}", refusal.message)
            }
            (Pass::Repeated, Some(_)) => format!("`{id}` cannot run again: {}", refusal.message),
            (Pass::Up | Pass::Down | Pass::UpAgain | Pass::Repeated | Pass::Seed, None) => {
                format!("the transaction of this script cannot be committed: {}", refusal.message)
            }
        };
        let mut diagnostic = self.finding(migration, pass, range, message);
        if refusal.message.starts_with("error in view") || refusal.message.starts_with("error in trigger") {
            diagnostic = diagnostic.help("drop it before the change, and create it again after it");
        }
        let diagnostic = match pass {
            Pass::Up => match self.applied.last() {
                // The grammar takes what the newest SQLite does.
                _ if refusal.message.ends_with("syntax error") => diagnostic.help(
                    "the SQLite of the replay is older than this syntax: write it in the older way, or use `--no-replay` \
                     if every program that runs it embeds a newer one",
                ),
                None => {
                    diagnostic.help("the replay starts with an empty database; if your set does not, use `--no-replay`, or `check` in a build script")
                }
                Some(last) => diagnostic.help(format!(
                    "before it, the replay ran everything up to `{}`, on an empty database",
                    last.source.id
                )),
            },
            Pass::Down | Pass::Seed => diagnostic,
            Pass::Repeated => diagnostic.help(
                "a repeatable script runs again whenever its text changes: write `CREATE … IF NOT EXISTS`, or \
                 `DROP … IF EXISTS` before `CREATE`",
            ),
            Pass::UpAgain => diagnostic.help(format!(
                "make `{}` undo everything that the migration does",
                migration.down.map_or("", |down| down.script.path.as_str())
            )),
        };
        if let (Pass::UpAgain, Some(down)) = (pass, migration.down) {
            self.incomplete_downs.push((self.found.len(), self.folder.show(&down.script.path)));
        }
        self.found.push(diagnostic);
        self.stopped = self.stopped || pass == Pass::Up;
    }

    fn breaks_all(&mut self, migration: ReplayedMigration<'a>, pass: Pass, broken: &[Broken]) {
        for broken in broken {
            let diagnostic = self.breaks(migration, pass, broken);
            self.found.push(diagnostic);
        }
    }

    fn breaks(&self, migration: ReplayedMigration<'a>, pass: Pass, broken: &Broken) -> Diagnostic {
        let statement = migration.script(pass).statements.get(broken.at);
        let range = statement.map_or(0..0, |statement| statement.range.clone());
        let kind = statement.map_or(StatementKind::Other, |statement| statement.kind);
        let since = if matches!(kind, StatementKind::CreateView | StatementKind::CreateTrigger) {
            ""
        } else {
            "from this statement on "
        };
        let (message, help) = match &broken.what {
            ViewOrTriggers::View(view) => {
                let help = match since {
                    "" => "SQLite accepts any view, and checks it only when it is read".to_owned(),
                    _ => "drop the view before it, and create it again after it".to_owned(),
                };
                (format!("{since}the view `{view}` cannot be read: {}", broken.message), help)
            }
            ViewOrTriggers::Triggers { verb, table } => {
                let help = match since {
                    "" => "SQLite accepts any trigger, and checks it only when it fires".to_owned(),
                    _ => format!("drop the trigger of `{table}` before it, and create it again after it"),
                };
                (format!("{since}every {verb} `{table}` fails in its triggers: {}", broken.message), help)
            }
            ViewOrTriggers::ForeignKey { table, target } => (
                format!("from this statement on a foreign key of `{table}` refers to `{target}`, which does not exist"),
                "SQLite changes foreign keys with the table that they refer to. To rebuild a table, create the new one under \
                 another name, copy the rows, drop the old one, and rename the new one, in this order"
                    .to_owned(),
            ),
        };
        self.finding(migration, pass, range, message).help(help)
    }

    /// Makes a diagnostic about a script. It is only a warning if the script is frozen, as it may not be edited, or if the
    /// down script is empty: folders of other tools have such files.
    fn finding(
        &self,
        migration: ReplayedMigration<'a>,
        pass: Pass,
        range: std::ops::Range<usize>,
        message: String,
    ) -> Diagnostic {
        let script = migration.script(pass).script;
        let found = Diagnostic::error(CODE, self.folder.show(&script.path), message).at(&script.text, range, "");
        let unwritten =
            matches!(pass, Pass::Down | Pass::UpAgain) && migration.down.is_some_and(|down| down.statements.is_empty());
        if unwritten || script.state == ScriptState::Frozen {
            Diagnostic { severity: Severity::Warning, ..found }
        } else {
            found
        }
    }

    fn end(mut self, version: &str) -> Replayed {
        for (what, message) in std::mem::take(&mut self.database.unchecked) {
            let what = match what {
                ViewOrTriggers::View(view) => format!("the view `{view}`"),
                ViewOrTriggers::Triggers { table, .. } => format!("the triggers of `{table}`"),
                ViewOrTriggers::ForeignKey { table, .. } => format!("a foreign key of `{table}`"),
            };
            let note = format!("{what} could not be checked: {message}");
            let note = Diagnostic::warning(CODE, self.folder.shown.clone(), note)
                .help("SQLite itself has nothing of this name, but the program that embeds the set may register it");
            self.found.push(Diagnostic { severity: Severity::Note, ..note });
        }
        let (applied, all) = (self.applied.len(), self.folder.migrations.len());
        let of = if applied < all { format!(" of {all}") } else { String::new() };
        let back = if self.reverted > 0 { format!(", {} down and up again", self.reverted) } else { String::new() };
        let twice = match self.repeated {
            0 => String::new(),
            1 => ", 1 repeatable script twice".to_owned(),
            many => format!(", {many} repeatable scripts twice"),
        };
        let seeds = match self.seeded {
            0 => String::new(),
            1 => ", 1 seed loaded".to_owned(),
            many => format!(", {many} seeds loaded"),
        };
        let summary = format!("replayed on SQLite {version}: {applied}{of} up{back}{twice}{seeds}");
        Replayed { diagnostics: self.found, incomplete_downs: self.incomplete_downs, summary }
    }
}

/// The differences that are more than a name.
fn real(wanted: &Catalogue, found: &Catalogue) -> Result<Vec<Difference>, Unknown> {
    let mut differences = compare(&wanted.schema(&[])?, &found.schema(&[])?);
    differences.retain(|difference| difference.class == Class::Real);
    Ok(differences)
}

/// Whether reverting a migration and applying it again leaves every row as it was, if both leave the schema as it was: the
/// one only creates and alters, and the other only drops and alters.
fn keeps_rows(up: Sql<'_>, down: Sql<'_>) -> bool {
    let text = |sql: Sql<'_>, statement: &Statement| sql.script.text[statement.range.clone()].to_ascii_lowercase();
    let creates = |statement: &Statement| match statement.kind {
        // `CREATE TABLE … AS SELECT` makes rows.
        StatementKind::CreateTable => {
            let text = text(up, statement);
            !["select", "values", "virtual"].iter().any(|word| text.contains(word))
        }
        StatementKind::CreateIndex
        | StatementKind::CreateView
        | StatementKind::CreateTrigger
        | StatementKind::AlterTable => true,
        _ => false,
    };
    let drops = |statement: &Statement| {
        matches!(
            statement.kind,
            StatementKind::DropTable | StatementKind::DropIndex | StatementKind::DropOther | StatementKind::AlterTable
        )
    };
    // A column that is dropped and added again has lost its values.
    let adds =
        |statement: &Statement| statement.kind == StatementKind::AlterTable && text(down, statement).contains("add");
    up.statements.iter().all(creates) && down.statements.iter().all(drops) && !down.statements.iter().any(adds)
}

impl<'a> ReplayedMigration<'a> {
    fn script(&self, pass: Pass) -> Sql<'a> {
        match pass {
            Pass::Up | Pass::UpAgain | Pass::Repeated | Pass::Seed => self.up,
            Pass::Down => self.down.unwrap_or(self.up),
        }
    }
}

/// Returns the range of the first statement of a script.
fn first_statement(sql: Sql<'_>) -> std::ops::Range<usize> {
    sql.statements.first().map_or(0..0, |statement| statement.range.clone())
}

/// Returns the statements of a script in SQLite's dialect; `None` for a Rust step.
fn sql(script: &ScriptFile) -> Option<Sql<'_>> {
    Sql::of(script, Dialect::Sqlite)
}

/// Whether a statement reads or writes another file than the database.
fn leaves(script: &ScriptFile, statement: &Statement) -> bool {
    let text = &script.text[statement.range.clone()];
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default();
    first.eq_ignore_ascii_case("ATTACH")
        || first.eq_ignore_ascii_case("VACUUM") && words.any(|word| word.eq_ignore_ascii_case("INTO"))
        || statement.flags.contains(StatementFlags::CLIENT_ONLY)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A set of this many migrations, each with a table, an index, a view and a way back.
    fn rows_read(count: usize) -> usize {
        let directory = std::env::temp_dir().join(format!("lockgate-replay-rows-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("migrations.toml"), "dialects = [\"sqlite\"]\n").unwrap();
        for at in 1..=count {
            let up = format!(
                "CREATE TABLE t{at} (id INTEGER PRIMARY KEY, a TEXT);\nCREATE INDEX i{at} ON t{at} (a);\n\
                 CREATE VIEW v{at} AS SELECT a FROM t{at};\n"
            );
            std::fs::write(directory.join(format!("{at:04}_t.up.sql")), up).unwrap();
            let down = format!("DROP VIEW v{at};\nDROP TABLE t{at};\n");
            std::fs::write(directory.join(format!("{at:04}_t.down.sql")), down).unwrap();
        }
        let loaded = lockgate_source::folder::load(&directory, "migrations");
        std::fs::remove_dir_all(&directory).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut replay = Replay::new(&loaded.folder, runtime.block_on(Database::open()).unwrap());
        runtime.block_on(replay.run_passes()).unwrap();
        assert_eq!(
            (replay.found.len(), replay.applied.len(), replay.reverted),
            (0, count, count),
            "{:?}",
            replay.found
        );
        replay.database.rows_read
    }

    /// The messages about a set of these scripts, each with its file and line.
    fn found(name: &str, scripts: &[&str]) -> Vec<String> {
        let directory = std::env::temp_dir().join(format!("lockgate-replay-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("migrations.toml"), "dialects = [\"sqlite\"]\n").unwrap();
        for (at, script) in scripts.iter().enumerate() {
            std::fs::write(directory.join(format!("{:04}_t.sql", at + 1)), script).unwrap();
        }
        let loaded = lockgate_source::folder::load(&directory, "migrations");
        std::fs::remove_dir_all(&directory).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut replay = Replay::new(&loaded.folder, runtime.block_on(Database::open()).unwrap());
        runtime.block_on(replay.run_passes()).unwrap();
        replay.found.iter().map(|found| format!("{}: {:?}: {}", found.place(), found.severity, found.message)).collect()
    }

    #[test]
    fn a_foreign_key_to_a_table_that_is_gone_is_found() {
        const TABLES: &str = "CREATE TABLE u (id INTEGER PRIMARY KEY);\nCREATE TABLE c (u_id INT REFERENCES u (id));\n";
        const AWAY: &str = "-- lockgate: foreign-keys off\nALTER TABLE u RENAME TO \"u old\";\n\
                            CREATE TABLE u (id INTEGER PRIMARY KEY, name TEXT);\nINSERT INTO u (id) SELECT id FROM \"u old\";\n\
                            DROP TABLE \"u old\";\n";
        const RIGHT: &str = "-- lockgate: foreign-keys off\nCREATE TABLE new (id INTEGER PRIMARY KEY, name TEXT);\n\
                             INSERT INTO new (id) SELECT id FROM u;\nDROP TABLE u;\nALTER TABLE new RENAME TO u;\n";
        let broken = "migrations/0002_t.sql:5:1: Error: from this statement on a foreign key of `c` refers to `u old`, which does not exist";
        assert_eq!(found("away", &[TABLES, AWAY]), [broken]);
        assert_eq!(found("away-once", &[TABLES, AWAY, "CREATE TABLE other (x INT);\nDROP TABLE other;\n"]), [broken]);
        assert_eq!(found("right", &[TABLES, RIGHT]), [""; 0]);
        let dropped = "migrations/0002_t.sql:1:1: Error: from this statement on a foreign key of `c` refers to `u`, which does not exist";
        assert_eq!(found("dropped", &[TABLES, "DROP TABLE U;\n"]), [dropped]);
        assert_eq!(found("dropped-both", &[TABLES, "DROP TABLE u;\nDROP TABLE c;\n"]), [""; 0]);
        // SQLite takes a key to a table that a later script creates.
        let early = "CREATE TABLE c (u_id INT REFERENCES u (id));\nCREATE TABLE x (id INT);\n";
        assert_eq!(found("early", &[early, "DROP TABLE x;\n", "CREATE TABLE u (id INTEGER PRIMARY KEY);\n"]), [""; 0]);
        let legacy = AWAY.replace("ALTER TABLE", "PRAGMA legacy_alter_table = ON;\nALTER TABLE");
        assert_eq!(found("legacy", &[TABLES, &legacy]), [""; 0]);
    }

    #[test]
    fn each_migration_of_a_long_set_reads_as_many_rows_as_one_of_a_short_set() {
        let (short, long) = (rows_read(20), rows_read(80));
        assert_eq!(long, 4 * short);
    }
}
