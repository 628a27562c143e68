//! What the replay and the trace share, which run a folder without its program: whether the folder can be run, and
//! which statements of a script are sent.

use lockgate_core::table::BodyData;
use lockgate_core::{Dialect, Statement, StatementFlags, Touch};

use crate::folder::{Folder, Migration, ScriptFile};
use crate::{Code, Diagnostic, Severity};

/// Errors that do not change what the scripts of a folder do on a database.
const HARMLESS: [Code; 20] = [
    Code::BadSchema,
    Code::BadSnapshot,
    Code::BadTest,
    Code::BrokenChain,
    Code::DuplicateTest,
    Code::Edited,
    Code::Gap,
    Code::IncompleteTest,
    Code::IrreversibleDown,
    Code::MissingDown,
    Code::MissingTest,
    Code::Renamed,
    Code::Replay,
    Code::SchemaDiffers,
    Code::StaleSnapshot,
    Code::TreesDiffer,
    Code::Unanswered,
    Code::UnknownTest,
    Code::Unlocked,
    Code::VanishedDraft,
];

/// A script with its statements in one dialect.
#[derive(Clone, Copy, Debug)]
pub struct Sql<'a> {
    /// The script.
    pub script: &'a ScriptFile,
    /// Its statements; none if it was not read in that dialect.
    pub statements: &'a [Statement],
    /// What they do to tables.
    pub touches: &'a [Touch<String>],
}

impl<'a> Sql<'a> {
    /// Returns the statements of a script in this dialect, or `None` for a Rust step.
    pub fn of(script: &'a ScriptFile, dialect: Dialect) -> Option<Self> {
        match &script.body {
            BodyData::Sql { readings, .. } => {
                let found = readings.iter().find(|reading| reading.dialects.contains(dialect));
                Some(Self {
                    script,
                    statements: found.map_or(&[], |reading| &reading.statements),
                    touches: found.map_or(&[], |reading| &reading.touches),
                })
            }
            BodyData::Rust => None,
        }
    }

    /// Whether it begins or ends transactions itself.
    pub fn controls_transactions(&self) -> bool {
        self.statements.iter().any(|statement| statement.flags.contains(StatementFlags::CONTROLS_TRANSACTION))
    }
}

/// Whether the policy names this dialect.
pub fn is_for(folder: &Folder, dialect: Dialect) -> bool {
    folder.policy.dialects.is_some_and(|dialects| dialects.contains(dialect))
}

/// Whether a folder with these diagnostics can be run.
pub fn can_run(found: &[Diagnostic]) -> bool {
    !found.iter().any(|diagnostic| diagnostic.severity == Severity::Error && !HARMLESS.contains(&diagnostic.code))
}

/// Adds the database's name to a summary, if the folder is for several databases.
pub fn name_database(folder: &Folder, databases: usize, summary: String) -> String {
    match folder.databases()[..] {
        [database] if databases > 1 => format!("`{database}` {summary}"),
        _ => summary,
    }
}

/// Creates a note about a byte range of a script.
pub fn note(
    code: Code,
    folder: &Folder,
    script: &ScriptFile,
    range: std::ops::Range<usize>,
    message: String,
) -> Diagnostic {
    let note = Diagnostic::warning(code, folder.show(&script.path), message).at(&script.text, range, "");
    script.relocated(folder, Diagnostic { severity: Severity::Note, ..note })
}

/// Creates the note that the replay or the trace, named by `code`, stops before a Rust step.
pub fn ends_before(code: Code, folder: &Folder, migration: &Migration) -> Diagnostic {
    let up = &migration.up;
    let at = up.text.find("pub async fn up").map(|at| at..at + "pub async fn up".len());
    let message = format!("the {code} ends before `{}`: a Rust step runs in its own program", migration.id);
    let help = "its tests, and those of the migrations after it, run it";
    note(code, folder, up, at.unwrap_or(0..0), message).help(help)
}
