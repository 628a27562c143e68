//! Runs the scripts of a trace one after the other, and reports the first that fails.

use lockgate_source::core::{Dialect, StatementFlags, StatementKind};
use lockgate_source::folder::{Folder, Migration, ScriptState};
use lockgate_source::{Code, Diagnostic, Severity};

use super::database::{Database, Refusal};
use super::effect::Effect;
use crate::scripts::{self, Sql};

const CODE: Code = Code::Trace;

/// The result of a trace.
#[derive(Debug)]
pub struct Traced {
    /// Errors and notes.
    pub diagnostics: Vec<Diagnostic>,
    /// How many migrations ran.
    pub applied: usize,
    /// How many repeatable scripts ran twice.
    pub repeated: usize,
    /// The roles that the scripts name but do not create.
    pub roles: Vec<String>,
    /// What each draft that ran did.
    pub drafts: Vec<Draft>,
}

/// What a draft did to the relations that existed before it.
#[derive(Debug)]
pub struct Draft {
    /// Version and name.
    pub id: String,
    /// Its file, as messages name it.
    pub file: String,
    /// Whether it runs in one transaction, which holds each lock until its end.
    pub transactional: bool,
    /// Whether it begins and ends transactions itself.
    pub controls: bool,
    /// What its statements did to relations that existed before.
    pub effects: Vec<Effect>,
}

/// Traces a folder on the server at this URL, which must be a throwaway one. An `Err` is an error of the server.
pub fn trace(folder: &Folder, url: &str) -> Result<Traced, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let mut database = Database::open(url).await?;
        let mut traced =
            Traced { diagnostics: Vec::new(), applied: 0, repeated: 0, roles: Vec::new(), drafts: Vec::new() };
        for migration in &folder.migrations {
            let before = traced.applied.checked_sub(1).and_then(|last| folder.migrations.get(last));
            if !traced.run(folder, &mut database, migration, before).await {
                break;
            }
            traced.applied += 1;
        }
        if traced.applied == folder.migrations.len() {
            traced.repeatables(folder, &mut database).await;
        }
        traced.roles = database.roles.into_iter().collect();
        Ok(traced)
    })
}

impl Traced {
    /// Runs the up script of a migration, or a repeatable script. Returns whether it ran.
    async fn run(
        &mut self,
        folder: &Folder,
        database: &mut Database,
        migration: &Migration,
        before: Option<&Migration>,
    ) -> bool {
        let sql = match script(folder, migration) {
            Ok(sql) => sql,
            Err(note) => {
                self.diagnostics.push(*note);
                return false;
            }
        };
        match database.run(sql, !migration.frozen).await {
            Ok(effects) => {
                if !migration.frozen {
                    self.drafts.push(Draft {
                        id: migration.id.to_string(),
                        file: folder.show(&migration.up.path),
                        transactional: sql.script.options.transactional,
                        controls: sql.controls_transactions(),
                        effects,
                    });
                }
                true
            }
            Err(refusal) => {
                self.diagnostics.push(refused(folder, sql, &refusal, before));
                false
            }
        }
    }

    /// Runs the repeatable scripts after the last migration, and again, with all profiles.
    async fn repeatables(&mut self, folder: &Folder, database: &mut Database) {
        let mut before = folder.migrations.last();
        for script in folder.repeatables() {
            if !self.run(folder, database, script, before).await {
                return;
            }
            before = Some(script);
        }
        for migration in folder.repeatables() {
            let Ok(sql) = script(folder, migration) else { return };
            if let Err(refusal) = database.run(sql, false).await {
                let first = refused(folder, sql, &refusal, None);
                let (message, mut help) =
                    (format!("`{}` cannot run again: {}", migration.id, refusal.error.message), first.help);
                help.pop();
                help.push(
                    "a repeatable script runs again whenever its text changes: write `CREATE OR REPLACE`, \
                     `CREATE … IF NOT EXISTS`, or `DROP … IF EXISTS` before `CREATE`"
                        .to_owned(),
                );
                self.diagnostics.push(Diagnostic { message, help, ..first });
                return;
            }
            self.repeated += 1;
        }
    }
}

/// Returns the up script, or why the trace ends before it.
fn script<'a>(folder: &Folder, migration: &'a Migration) -> Result<Sql<'a>, Box<Diagnostic>> {
    let Some(sql) = Sql::of(&migration.up, Dialect::Postgres) else {
        return Err(Box::new(scripts::ends_before(CODE, folder, migration)));
    };
    if let Some(program) = &sql.script.options.psql {
        let place = program.places.first().map(|place| place.range.clone());
        let line = || program.commands.first().map(|command| sql.statements[command.statement].range.clone());
        if let Some(range) = place.or_else(line) {
            let message = format!("the trace ends before `{}`: a run gives its variables their values", migration.id);
            return Err(Box::new(scripts::note(CODE, folder, sql.script, range, message)));
        }
    }
    let leaves = sql.statements.iter().find(|statement| {
        statement.kind == StatementKind::Copy || statement.flags.contains(StatementFlags::CLIENT_ONLY)
    });
    match leaves {
        None => Ok(sql),
        Some(statement) => {
            let message = format!("the trace ends before `{}`: this statement acts outside the database", migration.id);
            let note = scripts::note(CODE, folder, sql.script, statement.range.clone(), message);
            Err(Box::new(note.help("a trace touches no file and starts no program")))
        }
    }
}

fn refused(folder: &Folder, sql: Sql<'_>, refusal: &Refusal, before: Option<&Migration>) -> Diagnostic {
    let text = &sql.script.text;
    let statement = sql.statements.get(refusal.at.unwrap_or(0)).map_or(0..0, |statement| statement.range.clone());
    let range = refusal.byte.map_or(statement, |byte| byte..byte + word(&text[byte..]));
    let error = &refusal.error;
    if refusal.is_missing_on_server() {
        let message = format!("the trace ends here: {}", error.message);
        let note = scripts::note(CODE, folder, sql.script, range, message);
        return note.help("the throwaway server has no object of this name, but yours may");
    }
    let message = match refusal.at {
        Some(_) => format!("PostgreSQL refuses this statement: {}", error.message),
        None => format!("the transaction of this script cannot begin or commit: {}", error.message),
    };
    let mut found = Diagnostic::error(CODE, folder.show(&sql.script.path), message).at(text, range, "");
    found.help.extend(error.detail.iter().map(|detail| format!("the server adds: {detail}")));
    found.help.extend(error.hint.iter().map(|hint| format!("the server's hint: {hint}")));
    let found = found.help(match before {
        None => "the trace starts with an empty database; if your set does not, do not use `--trace`".to_owned(),
        Some(last) => format!("before it, the trace ran everything up to `{}`, on an empty database", last.id),
    });
    // A frozen script may not be edited, so this is only a warning.
    match sql.script.state {
        ScriptState::Frozen => Diagnostic { severity: Severity::Warning, ..found },
        ScriptState::Draft | ScriptState::Edited => found,
    }
}

/// Returns the length of the first word of a text, or of its first character.
fn word(text: &str) -> usize {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    end.max(text.chars().next().map_or(0, char::len_utf8))
}
