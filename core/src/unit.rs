//! The units in which a script outside a transaction makes progress: what of it runs together with the
//! record of it, and what cannot.

use std::ops::Range;

use crate::words::{Word, words};
use crate::{Dialect, Statement, StatementFlags, StatementKind};

/// Some statements of a script that are recorded together.
///
/// Lines for a client alone, which no database is sent, stand at the beginning of the unit of what follows
/// them, or at the end of the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Which statements, counted from 0.
    pub statements: Range<usize>,
    /// How they run.
    pub kind: UnitKind,
}

/// How the statements of a unit run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnitKind {
    /// In a transaction of ours, together with the record of it.
    Transaction,
    /// In a transaction of the script's own, which begins and ends in this unit as far as the script has
    /// beginning and end of it.
    Block,
    /// They change the session and nothing else: sent again to a new session that resumes the script.
    Session,
    /// One statement that the database refuses in a transaction, or that may end one by itself: announced
    /// before it is sent, as its end can be known only after it.
    Alone,
}

/// The units of these statements of a script.
pub fn units(dialect: Dialect, text: &str, statements: &[Statement]) -> Vec<Unit> {
    let mut units: Vec<Unit> = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < statements.len() {
        if statements[at].flags.contains(StatementFlags::CLIENT_ONLY) {
            at += 1;
            continue;
        }
        let (end, kind) = unit(dialect, text, statements, at);
        units.push(Unit { statements: start..end, kind });
        (start, at) = (end, end);
    }
    match units.last_mut() {
        Some(last) => last.statements.end = statements.len(),
        None if !statements.is_empty() => {
            units.push(Unit { statements: 0..statements.len(), kind: UnitKind::Transaction });
        }
        None => {}
    }
    units
}

/// The end and the kind of the unit that begins here.
fn unit(dialect: Dialect, text: &str, statements: &[Statement], at: usize) -> (usize, UnitKind) {
    let statement = &statements[at];
    let control = control(dialect, text, statement);
    match control {
        // Outside a transaction PostgreSQL knows no savepoints: ours is what they stand in.
        Some(Control::Savepoint(_)) if dialect != Dialect::Sqlite => {
            (savepoints(dialect, text, statements, at), UnitKind::Transaction)
        }
        Some(Control::Begin | Control::Savepoint(_)) => (block(dialect, text, statements, at), UnitKind::Block),
        Some(Control::Commit | Control::Rollback | Control::Prepare | Control::Chain) => (at + 1, UnitKind::Block),
        Some(Control::Release(_) | Control::RollbackTo) => (at + 1, UnitKind::Transaction),
        None if is_alone(statement) => (at + 1, UnitKind::Alone),
        None if is_session(statement) => (at + 1, UnitKind::Session),
        None => (at + 1, UnitKind::Transaction),
    }
}

/// Whether it is sent alone, outside any transaction of ours.
fn is_alone(statement: &Statement) -> bool {
    let outside = statement.flags.contains(StatementFlags::OUTSIDE_TRANSACTION);
    statement.kind == StatementKind::Call || (outside && !is_session(statement))
}

/// Whether it changes the session, and nothing that outlives it. A function that is called may change more.
fn is_session(statement: &Statement) -> bool {
    statement.flags.contains(StatementFlags::SESSION_STATE)
        && match statement.kind {
            StatementKind::Session | StatementKind::Pragma | StatementKind::Other => true,
            StatementKind::Select => !statement.flags.contains(StatementFlags::RUNS_CODE),
            _ => false,
        }
}

/// Where the block that begins here ends: behind the statement that ends its transaction, or with the
/// script.
fn block(dialect: Dialect, text: &str, statements: &[Statement], at: usize) -> usize {
    let mut savepoints = Savepoints::default();
    let outermost = matches!(control(dialect, text, &statements[at]), Some(Control::Savepoint(_)));
    for (index, statement) in statements.iter().enumerate().skip(at) {
        match control(dialect, text, statement) {
            Some(Control::Commit | Control::Rollback | Control::Prepare | Control::Chain) => return index + 1,
            Some(control) => {
                savepoints.see(control);
                if outermost && savepoints.0.is_empty() {
                    return index + 1;
                }
            }
            None => {}
        }
    }
    statements.len()
}

/// Where the savepoints that begin here are all released, or what cannot stand in a transaction follows.
fn savepoints(dialect: Dialect, text: &str, statements: &[Statement], at: usize) -> usize {
    let mut savepoints = Savepoints::default();
    for (index, statement) in statements.iter().enumerate().skip(at) {
        match control(dialect, text, statement) {
            Some(Control::Savepoint(_) | Control::Release(_) | Control::RollbackTo) => {}
            Some(Control::Begin | Control::Commit | Control::Rollback | Control::Prepare | Control::Chain) => {
                return index;
            }
            None if is_alone(statement) || statement.flags.contains(StatementFlags::OUTSIDE_TRANSACTION) => {
                return index;
            }
            None => continue,
        }
        savepoints.see(control(dialect, text, statement).expect("it was one just now"));
        if savepoints.0.is_empty() {
            return index + 1;
        }
    }
    statements.len()
}

/// The savepoints that are open, by name.
#[derive(Default)]
struct Savepoints(Vec<String>);

impl Savepoints {
    fn see(&mut self, control: Control) {
        match control {
            Control::Savepoint(name) => self.0.push(name),
            Control::Release(name) => {
                // The youngest of this name goes, and all within it.
                if let Some(place) = self.0.iter().rposition(|open| *open == name) {
                    self.0.truncate(place);
                }
            }
            Control::Begin
            | Control::Commit
            | Control::Rollback
            | Control::Prepare
            | Control::Chain
            | Control::RollbackTo => {}
        }
    }
}

/// The name under which this statement attaches a database to a connection to SQLite, where it does.
pub fn attached(text: &str, statement: &Statement) -> Option<String> {
    let words = words(Dialect::Sqlite, &text[statement.range.clone()]);
    words.first().filter(|word| word.is("attach"))?;
    let at = words.iter().rposition(|word| word.is("as"))?;
    words.get(at + 1).map(|name| name.text.clone())
}

/// What a statement does to a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Begins one.
    Begin,
    /// Commits it.
    Commit,
    /// Undoes it.
    Rollback,
    /// Hands it over to whoever says `COMMIT PREPARED`.
    Prepare,
    /// Ends it, and begins another one: `AND CHAIN`.
    Chain,
    /// Makes a savepoint of this name.
    Savepoint(String),
    /// Releases the savepoint of this name.
    Release(String),
    /// Goes back to a savepoint, which stays.
    RollbackTo,
}

/// What this statement does to a transaction, where it is one that does.
pub fn control(dialect: Dialect, text: &str, statement: &Statement) -> Option<Control> {
    let outside = statement.flags.contains(StatementFlags::OUTSIDE_TRANSACTION);
    if statement.kind != StatementKind::Transaction || outside {
        return None;
    }
    let words = words(dialect, &text[statement.range.clone()]);
    let says = |at: usize, word: &str| words.get(at).is_some_and(|found| found.is(word));
    let name = |words: &[Word]| {
        words.iter().rev().find(|word| !word.is(";")).map_or_else(String::new, |name| name.text.to_lowercase())
    };
    Some(match words.first().map_or("", |word| word.text.as_str()) {
        "begin" | "start" | "xa" => Control::Begin,
        "savepoint" => Control::Savepoint(name(&words)),
        "release" => Control::Release(name(&words)),
        "prepare" => Control::Prepare,
        first => {
            let chains = words.windows(2).any(|pair| pair[0].is("and") && pair[1].is("chain"));
            let to = (1..3).any(|at| says(at, "to"));
            match first {
                "rollback" if to => Control::RollbackTo,
                _ if chains => Control::Chain,
                "rollback" | "abort" => Control::Rollback,
                _ => Control::Commit,
            }
        }
    })
}
