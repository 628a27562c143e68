//! The replay: a whole set, up, down and up again, on an empty SQLite in memory. It finds before any
//! test what only a database knows: missing tables, bad columns, broken views, a way back that is none.
//!
//! It is a loop of its own and not the runtime's: it keeps no history, goes on after a failure where
//! that says something, and must not need the program that embeds the set. `cargo xtask check` runs it,
//! and a build script through `lockgate_build::replay`.
//!
//! The SQLite is the one that the workspace's programs embed: a workspace has one `libsqlite3-sys`.

#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod database;

use std::collections::BTreeMap;
use std::fmt;

use lockgate_schema::sqlite::Catalogue;
use lockgate_schema::{Class, compare};
use lockgate_source::core::{Dialect, Statement, StatementFlags, StatementKind};
use lockgate_source::folder::{Folder, Loaded, Migration, Script, ScriptState};
use lockgate_source::scripts::{self, Sql};
use lockgate_source::{Diagnostic, Severity, diagnostic};

use database::{Broken, Database, Refusal, State, Watched};

const CODE: &str = "replay";

/// The lint that tells by reading what a replay tells by doing.
const LINT: &str = "incomplete-down";

/// There is no SQLite to replay on. No script is to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(String);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the replay: SQLite says: {}", self.0)
    }
}

impl std::error::Error for Error {}

/// Whether a folder is replayed: its policy names `sqlite`.
pub fn is_replayed(folder: &Folder) -> bool {
    scripts::is_for(folder, Dialect::Sqlite)
}

/// Replays a folder whose policy names `sqlite`, adds what it finds to what is known of the folder, and
/// says in a few words what was done; `None` where there is nothing to replay.
///
/// # Errors
///
/// Where there is no SQLite to replay on. What is wrong with a script is a diagnostic.
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
    if !is_replayed(&loaded.folder) || loaded.folder.migrations.is_empty() {
        return Ok(None);
    }
    if !scripts::can_run(&loaded.diagnostics) {
        return Ok(Some("not replayed before the errors are put right".to_owned()));
    }
    let folders = loaded.folder.split_by_database();
    let mut found = Vec::new();
    let mut summaries = Vec::new();
    for folder in &folders {
        let replayed = run(folder).map_err(Error)?;
        let first = found.len();
        found.extend(replayed.diagnostics);
        for (at, down) in replayed.stuck {
            let lint = loaded.diagnostics.iter().position(|known| known.code == LINT && known.file == down);
            if let Some(lint) = lint.map(|lint| loaded.diagnostics.remove(lint)) {
                found[first + at] = once(&found[first + at], lint);
            }
        }
        summaries.push(scripts::name_database(folder, folders.len(), replayed.summary));
    }
    loaded.diagnostics.extend(found);
    diagnostic::sort(&mut loaded.diagnostics);
    Ok(Some(summaries.join("; ")))
}

/// A way back that left something behind, which the lint saw as well: what happened, at the script where
/// something is to be written, and what that is.
fn once(found: &Diagnostic, lint: Diagnostic) -> Diagnostic {
    let help = std::iter::once(lint.message).chain(lint.help.into_iter().next()).collect();
    Diagnostic { code: found.code, severity: found.severity, message: found.message.clone(), help, ..lint }
}

/// What a replay found.
struct Replayed {
    diagnostics: Vec<Diagnostic>,
    /// Which of these say that a way back has left something, and which file it is.
    stuck: Vec<(usize, String)>,
    /// What was done, in a few words.
    summary: String,
}

fn run(folder: &Folder) -> Result<Replayed, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let mut database = Database::open().await?;
        let version = database.version().await?;
        let mut replay = Replay {
            folder,
            database,
            applied: Vec::new(),
            states: vec![State::default()],
            catalogues: vec![Catalogue::default()],
            strayed: false,
            pending: BTreeMap::new(),
            stopped: false,
            reverted: 0,
            found: Vec::new(),
            stuck: Vec::new(),
        };
        replay.whole().await?;
        Ok(replay.end(&version))
    })
}

struct Replay<'a> {
    folder: &'a Folder,
    database: Database,
    applied: Vec<Step<'a>>,
    /// What there was before the first migration, after the first, and so on.
    states: Vec<State>,
    /// The catalogues at the same times.
    catalogues: Vec<Catalogue>,
    /// Whether a way back leads to another schema.
    strayed: bool,
    /// What is broken and may be mended by a later migration.
    pending: BTreeMap<Watched, Diagnostic>,
    /// Whether the rest of the set could not be replayed.
    stopped: bool,
    reverted: usize,
    found: Vec<Diagnostic>,
    /// As [`Replayed`] has it.
    stuck: Vec<(usize, String)>,
}

/// A migration whose scripts can be run.
#[derive(Clone, Copy)]
struct Step<'a> {
    migration: &'a Migration,
    up: Sql<'a>,
    down: Option<Sql<'a>>,
}

/// Which way a script is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
    /// Up, after it was reverted.
    Again,
}

impl<'a> Replay<'a> {
    /// Every pass. The `Err` is a failure of ours and not of a script.
    async fn whole(&mut self) -> Result<(), String> {
        self.up().await?;
        self.found.extend(std::mem::take(&mut self.pending).into_values());
        if !self.found.iter().any(|diagnostic| diagnostic.severity != Severity::Note) {
            self.down_and_up().await?;
        }
        Ok(())
    }

    /// All of it up, and each migration down and up again before the next, without a trace.
    async fn up(&mut self) -> Result<(), String> {
        for migration in &self.folder.migrations {
            let step = match self.step(migration) {
                Ok(step) => step,
                Err(note) => {
                    self.stop(*note);
                    break;
                }
            };
            match self.database.run(step.up, &self.now().broken).await {
                Ok(broken) => {
                    self.applied_with(step, broken);
                    let catalogue = self.database.catalogue().await?;
                    self.catalogues.push(catalogue);
                }
                Err(refusal) => {
                    self.refused(step, Way::Up, refusal);
                    break;
                }
            }
            self.try_back(step).await?;
        }
        Ok(())
    }

    fn now(&self) -> State {
        self.states.last().cloned().unwrap_or_default()
    }

    fn applied_with(&mut self, step: Step<'a>, broken: Vec<Broken>) {
        for broken in broken {
            let diagnostic = self.breaks(step, Way::Up, &broken);
            self.pending.insert(broken.what, diagnostic);
        }
        let mended: Vec<Watched> =
            self.pending.keys().filter(|what| !self.database.state.broken.contains(what)).cloned().collect();
        for what in mended {
            let Some(mut diagnostic) = self.pending.remove(&what) else { continue };
            diagnostic.severity = Severity::Warning;
            let id = &step.migration.id;
            diagnostic.help = vec![format!("`{id}` mends it: do it here already, for databases that stop in between")];
            self.found.push(diagnostic);
        }
        self.applied.push(step);
        self.states.push(self.database.state.clone());
    }

    /// Reverts the migration that was applied last and applies it again, and leaves no trace: a bad way
    /// back is found also where an older migration has none, and does not disturb what follows.
    async fn try_back(&mut self, step: Step<'a>) -> Result<(), String> {
        let Some(down) = step.down else { return Ok(()) };
        let fits = |sql: Sql<'_>| sql.script.options.transactional && !sql.script.options.foreign_keys_off;
        if !fits(step.up) || !fits(down) {
            return Ok(());
        }
        let (before, after) = (self.states[self.states.len() - 2].clone(), self.now());
        self.database.begin().await?;
        match self.database.within(down, &before.broken).await {
            Err(refusal) => self.refused(step, Way::Down, refusal),
            Ok(broken) if !broken.is_empty() => self.breaks_all(step, Way::Down, &broken),
            Ok(_) => {
                let reverted = self.database.catalogue().await?;
                match self.database.within(step.up, &after.broken).await {
                    Err(refusal) => self.refused(step, Way::Again, refusal),
                    Ok(_) => self.leads_back(step, self.applied.len() - 1, &reverted),
                }
            }
        }
        // Gone already, where a failure ended it.
        let _ = self.database.roll_back().await;
        self.database.state = after;
        Ok(())
    }

    /// Whether there is, behind the way back, what was there before. What cannot be applied again says it by itself.
    fn leads_back(&mut self, step: Step<'a>, at: usize, reverted: &Catalogue) {
        if self.catalogues[at] == *reverted {
            return;
        }
        let (wanted, found) = match (self.catalogues[at].schema(&[]), reverted.schema(&[])) {
            (Ok(wanted), Ok(found)) => (wanted, found),
            (Err(unknown), _) | (_, Err(unknown)) => {
                let note = format!(
                    "what `{}` leaves behind when it is reverted is not compared: {unknown}",
                    step.migration.id
                );
                let note = self.note(step.script(Way::Down).script, 0..0, note);
                self.found.push(note);
                return;
            }
        };
        let differences = compare(&wanted, &found);
        let mut real = differences.iter().filter(|difference| difference.class == Class::Real);
        let Some(first) = real.next() else { return };
        let down = step.script(Way::Down);
        let id = &step.migration.id;
        let message = format!("`{id}` reverted leaves another schema than before it: {}: {}", first.object, first.what);
        let mut finding = self.finding(step, Way::Down, first_statement(down), message);
        let more: Vec<String> = real.map(|difference| format!("{}: {}", difference.object, difference.what)).collect();
        if !more.is_empty() {
            finding = finding.help(format!("and {}", more.join("; ")));
        }
        finding = finding.help(format!("let `{}` make the schema what it was before `{id}`", down.script.path));
        self.stuck.push((self.found.len(), self.folder.show(&down.script.path)));
        self.strayed = true;
        self.found.push(finding);
    }

    /// Down to the first migration that has no way back, and up again.
    async fn down_and_up(&mut self) -> Result<(), String> {
        let tail = self.applied.iter().rev().take_while(|step| step.down.is_some()).count();
        let first = self.applied.len() - tail;
        for at in (first..self.applied.len()).rev() {
            let step = self.applied[at];
            let Some(down) = step.down else { return Ok(()) };
            let known = self.states[at].broken.clone();
            match self.database.run(down, &known).await {
                Ok(broken) if broken.is_empty() => self.reverted += 1,
                Ok(broken) => {
                    self.breaks_all(step, Way::Down, &broken);
                    return Ok(());
                }
                Err(refusal) => {
                    self.refused(step, Way::Down, refusal);
                    return Ok(());
                }
            }
            // Those below it would say the same once more.
            if !self.strayed {
                let reverted = self.database.catalogue().await?;
                self.leads_back(step, at, &reverted);
            }
        }
        for at in first..self.applied.len() {
            let (step, known) = (self.applied[at], self.states[at + 1].broken.clone());
            match self.database.run(step.up, &known).await {
                Ok(broken) if broken.is_empty() => {}
                Ok(broken) => {
                    self.breaks_all(step, Way::Again, &broken);
                    return Ok(());
                }
                Err(refusal) => {
                    self.refused(step, Way::Again, refusal);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The scripts of a migration, or why the replay ends before it.
    fn step(&self, migration: &'a Migration) -> Result<Step<'a>, Box<Diagnostic>> {
        let Some(up) = sql(&migration.up) else {
            return Err(Box::new(scripts::ends_before(CODE, self.folder, migration)));
        };
        let down = migration.down_script().and_then(sql);
        for sql in [Some(up), down].into_iter().flatten() {
            if let Some(statement) = sql.statements.iter().find(|statement| leaves(sql.script, statement)) {
                let message =
                    format!("the replay ends before `{}`: this statement is about another file", migration.id);
                let note = self.note(sql.script, statement.range.clone(), message);
                return Err(Box::new(note.help("a replay touches no file")));
            }
        }
        Ok(Step { migration, up, down })
    }

    fn note(&self, script: &Script, range: std::ops::Range<usize>, message: String) -> Diagnostic {
        scripts::note(CODE, self.folder, script, range, message)
    }

    fn stop(&mut self, note: Diagnostic) {
        self.stopped = true;
        self.found.push(note);
        // What the rest may mend is not known.
        self.pending.values_mut().for_each(|diagnostic| diagnostic.severity = Severity::Warning);
    }

    fn refused(&mut self, step: Step<'a>, way: Way, refusal: Refusal) {
        let sql = step.script(way);
        let range = refusal.at.or(Some(0)).and_then(|at| sql.statements.get(at)).map(|found| found.range.clone());
        let range = range.unwrap_or(0..0);
        let id = &step.migration.id;
        if refusal.is_of_the_app() {
            let (what, ends) = match way {
                Way::Up => ("the replay ends here", true),
                Way::Down | Way::Again => ("the way back is not replayed", false),
            };
            let note = self.note(sql.script, range, format!("{what}: {}", refusal.message));
            let note =
                note.help("SQLite itself has none of this name: the program that embeds the set may register it");
            if ends {
                self.stop(note);
            } else {
                self.found.push(note);
            }
            return;
        }
        let message = match (way, refusal.at) {
            (Way::Up, Some(_)) => format!("SQLite refuses this statement: {}", refusal.message),
            (Way::Down, Some(_)) => format!("`{id}` cannot be reverted: {}", refusal.message),
            (Way::Again, Some(_)) => {
                format!("`{id}` cannot be applied again once it was reverted: {}", refusal.message)
            }
            (Way::Up | Way::Down | Way::Again, None) => {
                format!("the transaction of this script cannot be committed: {}", refusal.message)
            }
        };
        let mut diagnostic = self.finding(step, way, range, message);
        if refusal.message.starts_with("error in view") || refusal.message.starts_with("error in trigger") {
            diagnostic = diagnostic.help("drop it before the change, and create it again behind it");
        }
        let diagnostic = match way {
            Way::Up => match self.applied.last() {
                None => {
                    diagnostic.help("the set begins with an empty database; where yours does not, say `--no-replay`, or `check` in a build script")
                }
                Some(last) => diagnostic.help(format!(
                    "the replay ran everything up to `{}` before it, on an empty database",
                    last.migration.id
                )),
            },
            Way::Down => diagnostic,
            Way::Again => diagnostic.help(format!(
                "let `{}` undo everything that the migration does",
                step.down.map_or("", |down| down.script.path.as_str())
            )),
        };
        if let (Way::Again, Some(down)) = (way, step.down) {
            self.stuck.push((self.found.len(), self.folder.show(&down.script.path)));
        }
        self.found.push(diagnostic);
        self.stopped = self.stopped || way == Way::Up;
    }

    fn breaks_all(&mut self, step: Step<'a>, way: Way, broken: &[Broken]) {
        for broken in broken {
            let diagnostic = self.breaks(step, way, broken);
            self.found.push(diagnostic);
        }
    }

    fn breaks(&self, step: Step<'a>, way: Way, broken: &Broken) -> Diagnostic {
        let statement = step.script(way).statements.get(broken.at);
        let range = statement.map_or(0..0, |statement| statement.range.clone());
        let kind = statement.map_or(StatementKind::Other, |statement| statement.kind);
        let since = if matches!(kind, StatementKind::CreateView | StatementKind::CreateTrigger) {
            ""
        } else {
            "from this statement on "
        };
        let (message, help) = match &broken.what {
            Watched::View(view) => {
                let help = match since {
                    "" => "SQLite takes a view as it is written, and looks into it when it is read".to_owned(),
                    _ => "drop the view before it, and create it again behind it".to_owned(),
                };
                (format!("{since}the view `{view}` cannot be read: {}", broken.message), help)
            }
            Watched::Triggers { verb, table } => {
                let help = match since {
                    "" => "SQLite takes a trigger as it is written, and looks into it when it is fired".to_owned(),
                    _ => format!("drop the trigger of `{table}` before it, and create it again behind it"),
                };
                (format!("{since}no {verb} `{table}` works, for its triggers: {}", broken.message), help)
            }
        };
        self.finding(step, way, range, message).help(help)
    }

    /// A failure of a script. What is released and as it was is only warned of, as it may not be edited,
    /// and so is a way back that was never written: folders of other tools have such files.
    fn finding(&self, step: Step<'a>, way: Way, range: std::ops::Range<usize>, message: String) -> Diagnostic {
        let script = step.script(way).script;
        let found = Diagnostic::error(CODE, self.folder.show(&script.path), message).at(&script.text, range, "");
        let unwritten = way != Way::Up && step.down.is_some_and(|down| down.statements.is_empty());
        if unwritten || script.state == ScriptState::Frozen {
            Diagnostic { severity: Severity::Warning, ..found }
        } else {
            found
        }
    }

    fn end(mut self, version: &str) -> Replayed {
        for (what, message) in std::mem::take(&mut self.database.unseen) {
            let what = match what {
                Watched::View(view) => format!("the view `{view}`"),
                Watched::Triggers { table, .. } => format!("the triggers of `{table}`"),
            };
            let note = format!("{what} could not be looked at: {message}");
            let note = Diagnostic::warning(CODE, self.folder.shown.clone(), note)
                .help("SQLite itself has none of this name: the program that embeds the set may register it");
            self.found.push(Diagnostic { severity: Severity::Note, ..note });
        }
        let (applied, all) = (self.applied.len(), self.folder.migrations.len());
        let of = if applied < all { format!(" of {all}") } else { String::new() };
        let back = if self.reverted > 0 { format!(", {} down and up again", self.reverted) } else { String::new() };
        let summary = format!("replayed on SQLite {version}: {applied}{of} up{back}");
        Replayed { diagnostics: self.found, stuck: self.stuck, summary }
    }
}

impl<'a> Step<'a> {
    fn script(&self, way: Way) -> Sql<'a> {
        match way {
            Way::Up | Way::Again => self.up,
            Way::Down => self.down.unwrap_or(self.up),
        }
    }
}

/// Where the first statement of a script is.
fn first_statement(sql: Sql<'_>) -> std::ops::Range<usize> {
    sql.statements.first().map_or(0..0, |statement| statement.range.clone())
}

/// The statements of a script in SQLite's dialect; a Rust step has none.
fn sql(script: &Script) -> Option<Sql<'_>> {
    Sql::of(script, Dialect::Sqlite)
}

/// Whether a statement reads or writes another file than the database.
fn leaves(script: &Script, statement: &Statement) -> bool {
    let text = &script.text[statement.range.clone()];
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default();
    first.eq_ignore_ascii_case("ATTACH")
        || first.eq_ignore_ascii_case("VACUUM") && words.any(|word| word.eq_ignore_ascii_case("INTO"))
        || statement.flags.contains(StatementFlags::CLIENT_ONLY)
}
