//! Divides a script that runs outside a transaction into units. After each unit the history records how far the
//! script has come.

use std::ops::Range;

use crate::tokens::{Token, tokens};
use crate::{Dialect, Statement, StatementFlags, StatementKind};

/// Consecutive statements of a script whose progress is recorded together.
///
/// Client-only lines, which are not sent to the database, belong to the unit that follows them, or to the last one.
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
    /// In a transaction of Lockgate's, together with the update of the history row.
    Transaction,
    /// In a transaction that the script itself begins and ends. Its beginning or its end may be missing in the script.
    Block,
    /// They change only the session. A new session that resumes the script gets them again.
    Session,
    /// One statement that the database refuses in a transaction, or that may end one. The history records it before it
    /// is sent, because its success is known only afterwards.
    Alone,
}

/// Divides these statements of a script into units.
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

/// Returns the end and the kind of the unit that begins at `at`.
fn unit(dialect: Dialect, text: &str, statements: &[Statement], at: usize) -> (usize, UnitKind) {
    let statement = &statements[at];
    let control = control(dialect, text, statement);
    match control {
        // PostgreSQL has savepoints only inside a transaction, so Lockgate begins one.
        Some(Control::Savepoint(_)) if dialect != Dialect::Sqlite => {
            (savepoints(dialect, text, statements, at), UnitKind::Transaction)
        }
        Some(Control::Begin | Control::Savepoint(_)) => (block(dialect, text, statements, at), UnitKind::Block),
        Some(Control::Commit | Control::Rollback | Control::Prepare | Control::Chain) => (at + 1, UnitKind::Block),
        Some(Control::Release(_) | Control::RollbackTo) => (at + 1, UnitKind::Transaction),
        None if is_alone(dialect, text, statement) => (at + 1, UnitKind::Alone),
        None if is_session(dialect, text, statement) => (at + 1, UnitKind::Session),
        None => (at + 1, UnitKind::Transaction),
    }
}

/// What writes rows within a query: `WITH u AS (UPDATE …) SELECT …`, `SELECT … INTO t`.
const WRITES: [&str; 5] = ["delete", "insert", "into", "merge", "update"];

/// Whether the statement must be sent alone, outside every transaction of Lockgate's.
fn is_alone(dialect: Dialect, text: &str, statement: &Statement) -> bool {
    let outside = statement.flags.contains(StatementFlags::OUTSIDE_TRANSACTION);
    statement.kind == StatementKind::Call || (outside && !is_session(dialect, text, statement))
}

/// Whether the history may say of this statement that it was sent and that its end is not known: it runs alone, ends a
/// transaction of the script for later, or is one that the database may have refused in a transaction, although its text
/// does not show that: it runs code, or is of a kind that depends on what it names (`REINDEX` of a partitioned table,
/// `ALTER SUBSCRIPTION`).
pub fn may_be_announced(dialect: Dialect, text: &str, statement: &Statement) -> bool {
    let depends = matches!(
        statement.kind,
        StatementKind::Maintenance
            | StatementKind::CreateOther
            | StatementKind::AlterOther
            | StatementKind::DropOther
            | StatementKind::Other
    );
    is_alone(dialect, text, statement)
        || (depends && !is_session(dialect, text, statement))
        || statement.flags.contains(StatementFlags::RUNS_CODE)
        || control(dialect, text, statement) == Some(Control::Prepare)
}

/// Whether the statement changes only the session. A called function may change more, and so may a part of a query that
/// writes.
fn is_session(dialect: Dialect, text: &str, statement: &Statement) -> bool {
    statement.flags.contains(StatementFlags::SESSION_STATE)
        && match statement.kind {
            StatementKind::Session | StatementKind::Pragma | StatementKind::Other => true,
            StatementKind::Select => {
                !statement.flags.contains(StatementFlags::RUNS_CODE)
                    && !tokens(dialect, &text[statement.range.clone()])
                        .iter()
                        .any(|token| WRITES.iter().any(|word| token.is(word)))
            }
            _ => false,
        }
}

/// Returns the end of the transaction block that begins at `at`: after the statement that ends the transaction, or
/// the end of the script.
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

/// Returns where all savepoints from `at` on are released, or where a statement follows that cannot be in a
/// transaction.
fn savepoints(dialect: Dialect, text: &str, statements: &[Statement], at: usize) -> usize {
    let mut savepoints = Savepoints::default();
    for (index, statement) in statements.iter().enumerate().skip(at) {
        match control(dialect, text, statement) {
            Some(Control::Savepoint(_) | Control::Release(_) | Control::RollbackTo) => {}
            Some(Control::Begin | Control::Commit | Control::Rollback | Control::Prepare | Control::Chain) => {
                return index;
            }
            None if is_alone(dialect, text, statement)
                || statement.flags.contains(StatementFlags::OUTSIDE_TRANSACTION) =>
            {
                return index;
            }
            None => continue,
        }
        savepoints.see(control(dialect, text, statement).expect("the match above found one"));
        if savepoints.0.is_empty() {
            return index + 1;
        }
    }
    statements.len()
}

/// The names of the open savepoints.
#[derive(Default)]
struct Savepoints(Vec<String>);

impl Savepoints {
    fn see(&mut self, control: Control) {
        match control {
            Control::Savepoint(name) => self.0.push(name),
            Control::Release(name) => {
                // Releases the newest of this name and all savepoints inside it.
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

/// Returns the schema name of a SQLite `ATTACH` statement.
pub fn attached(text: &str, statement: &Statement) -> Option<String> {
    let tokens = tokens(Dialect::Sqlite, &text[statement.range.clone()]);
    tokens.first().filter(|word| word.is("attach"))?;
    let at = tokens.iter().rposition(|word| word.is("as"))?;
    tokens.get(at + 1).map(|name| name.text.clone())
}

/// What a statement does to a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Begins one.
    Begin,
    /// Commits it.
    Commit,
    /// Rolls it back.
    Rollback,
    /// Prepares it for a later `COMMIT PREPARED`.
    Prepare,
    /// Ends it and begins another: `AND CHAIN`.
    Chain,
    /// Makes a savepoint of this name.
    Savepoint(String),
    /// Releases the savepoint of this name.
    Release(String),
    /// Rolls back to a savepoint, which stays open.
    RollbackTo,
}

/// Returns what this statement does to a transaction, or `None` if it does nothing to one.
pub fn control(dialect: Dialect, text: &str, statement: &Statement) -> Option<Control> {
    let outside = statement.flags.contains(StatementFlags::OUTSIDE_TRANSACTION);
    if statement.kind != StatementKind::Transaction || outside {
        return None;
    }
    let tokens = tokens(dialect, &text[statement.range.clone()]);
    let says = |at: usize, word: &str| tokens.get(at).is_some_and(|found| found.is(word));
    let name = |tokens: &[Token]| {
        tokens.iter().rev().find(|word| !word.is(";")).map_or_else(String::new, |name| name.text.to_lowercase())
    };
    Some(match tokens.first().map_or("", |word| word.text.as_str()) {
        "begin" | "start" | "xa" => Control::Begin,
        "savepoint" => Control::Savepoint(name(&tokens)),
        "release" => Control::Release(name(&tokens)),
        "prepare" => Control::Prepare,
        first => {
            let chains = tokens.windows(2).any(|pair| pair[0].is("and") && pair[1].is("chain"));
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
