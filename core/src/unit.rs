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

/// What a query writes with: `WITH u AS (UPDATE …) SELECT …`, `SELECT … INTO t`, `nextval('s')`.
const WRITES: [&str; 7] = ["delete", "insert", "into", "merge", "nextval", "setval", "update"];

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
            StatementKind::Session | StatementKind::Pragma => true,
            StatementKind::Other => !statement.flags.contains(StatementFlags::RUNS_CODE),
            StatementKind::Select => {
                !statement.flags.contains(StatementFlags::RUNS_CODE)
                    && !tokens(dialect, &text[statement.range.clone()])
                        .iter()
                        .any(|token| WRITES.iter().any(|word| token.is(word)))
            }
            _ => false,
        }
}

/// A finished statement that changed its session and is not sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Which statement, counted from 0.
    pub statement: usize,
    /// What it did to the session.
    pub change: Change,
}

/// What a statement does to its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// Makes a temporary object.
    Temporary,
    /// Sets a role, which `RESET ALL` does not reset.
    Role,
    /// Changes other settings.
    Settings,
    /// Runs code that changes settings.
    Code,
}

impl Lost {
    /// What is wrong, and what to type.
    pub fn message(&self, dialect: Dialect) -> String {
        let (did, again, without) = match (self.change, dialect) {
            (Change::Temporary, Dialect::Sqlite) => {
                ("made a temporary object", "makes it again (`CREATE TEMP …`)", "`DROP TABLE IF EXISTS temp.…`")
            }
            (Change::Temporary, _) => ("made a temporary object", "makes it again (`CREATE TEMP …`)", "`DISCARD TEMP`"),
            (_, Dialect::Sqlite) => {
                ("changed settings of the session", "sets them again (`PRAGMA …`)", "the same `PRAGMA` and its default")
            }
            (Change::Role, _) => ("changed the role of the session", "sets it again (`SET ROLE …`)", "`RESET ROLE`"),
            (Change::Code, _) => ("changed the session by code", "sets it again (`SET …`)", "`RESET ALL`"),
            (Change::Settings, _) => ("changed settings of the session", "sets them again (`SET …`)", "`RESET ALL`"),
        };
        format!(
            "statement {} {did}. It has finished and is not sent again, so the statements after it would run without \
             that change. Begin the rest of the script with a statement that {again}, or with {without} if the rest \
             does not need it",
            self.statement + 1
        )
    }
}

/// Returns a statement among the `finished` ones whose change of the session is lost in a new session, unless a
/// statement that is sent again, or the first ones of the rest, make up for it. Code inside a function of the database
/// cannot be seen.
pub fn lost(
    dialect: Dialect,
    text: &str,
    statements: &[Statement],
    units: &[Unit],
    finished: Range<usize>,
) -> Option<Lost> {
    let code = |index: usize| &text[statements[index].range.clone()];
    let unit_of = |index: usize| units.iter().find(|unit| unit.statements.contains(&index));
    let is_sent = |index: &usize| !statements[*index].flags.contains(StatementFlags::CLIENT_ONLY);
    let done = finished.end.min(statements.len());
    let rest: Vec<usize> = (done..statements.len()).filter(is_sent).collect();
    if rest.is_empty() {
        return None;
    }
    let changes = |index: usize| {
        statements[index].flags.contains(StatementFlags::SESSION_STATE) || is_temporary(&tokens(dialect, code(index)))
    };
    let first: Vec<usize> = rest.into_iter().take_while(|index| changes(*index)).collect();
    let again = |index: &usize| unit_of(*index).is_some_and(|unit| unit.kind == UnitKind::Session);
    (finished.start..done).rev().filter(is_sent).filter(|index| !again(index)).find_map(|index| {
        let rolled_back = unit_of(index).filter(|unit| unit.kind == UnitKind::Block).is_some_and(|unit| {
            let last = &statements[unit.statements.end - 1];
            control(dialect, text, last) == Some(Control::Rollback)
        });
        let change = change(dialect, &statements[index], code(index)).filter(|_| !rolled_back)?;
        let made_up = |answer: &usize| makes_up(change, code(index), &tokens(dialect, code(*answer)));
        let dropped = change == Change::Temporary
            && (index + 1..done).any(|later| drops(&tokens(dialect, code(index)), &tokens(dialect, code(later))));
        let answered = dropped || (index + 1..done).filter(again).any(|at| made_up(&at)) || first.iter().any(made_up);
        (!answered).then_some(Lost { statement: index, change })
    })
}

/// What this statement does to its session for longer than its transaction.
fn change(dialect: Dialect, statement: &Statement, code: &str) -> Option<Change> {
    let words = tokens(dialect, code);
    let runs_code = statement.flags.contains(StatementFlags::RUNS_CODE);
    let ends = words.windows(3).any(|three| three[0].is("on") && three[1].is("commit") && three[2].is("drop"));
    if is_temporary(&words) && !words.first().is_some_and(|word| word.is("drop") || word.is("discard")) {
        let makes = statement.flags.contains(StatementFlags::SESSION_STATE) && !ends;
        return makes.then_some(Change::Temporary);
    }
    let sets = dialect == Dialect::Postgres && sets_session(code);
    if runs_code && sets {
        return Some(Change::Code);
    }
    if !statement.flags.contains(StatementFlags::SESSION_STATE) {
        return (sets && words.iter().any(|word| word.is("set_config"))).then_some(Change::Settings);
    }
    // `SET transaction_read_only = on` ends with its transaction.
    if words.iter().take(3).any(|word| !word.quoted && word.text.starts_with("transaction_")) {
        return None;
    }
    let is_role = words.iter().take(3).any(|word| word.is("role") || word.is("authorization"));
    Some(if is_role { Change::Role } else { Change::Settings })
}

/// Whether a statement names something temporary.
fn is_temporary(words: &[Token]) -> bool {
    words.iter().take(8).any(|word| ["temp", "temporary", "pg_temp"].iter().any(|temporary| word.is(temporary)))
}

/// Whether the `later` statement drops what the other one made.
fn drops(made: &[Token], later: &[Token]) -> bool {
    const BEFORE_NAME: [&str; 18] = [
        "create",
        "or",
        "replace",
        "global",
        "local",
        "temp",
        "temporary",
        "pg_temp",
        "table",
        "view",
        "sequence",
        "trigger",
        "recursive",
        "if",
        "not",
        "exists",
        "unlogged",
        ".",
    ];
    let name = made.iter().find(|word| !BEFORE_NAME.iter().any(|before| word.is(before)));
    later.first().is_some_and(|word| word.is("drop"))
        && name.is_some_and(|name| later.iter().any(|word| word.text == name.text))
}

/// Whether this statement makes up for the lost change of `lost`, or says that it is not needed.
fn makes_up(change: Change, lost: &str, words: &[Token]) -> bool {
    const BEFORE_SETTING: [&str; 11] =
        ["set", "reset", "session", "local", "pragma", "select", "set_config", "pg_catalog", ".", "(", "temp"];
    let first = |word: &str| words.first().is_some_and(|first| first.is(word));
    let all = words.iter().any(|word| word.is("all"));
    if first("discard") && all {
        return true;
    }
    if change == Change::Temporary {
        return is_temporary(words);
    }
    if first("reset") && all {
        return change != Change::Role;
    }
    let setting = words.iter().find(|word| !BEFORE_SETTING.iter().any(|before| word.is(before)));
    !is_temporary(words) && setting.is_some_and(|setting| lost.to_lowercase().contains(&setting.text.to_lowercase()))
}

/// Whether this code changes a setting for longer than its transaction: by `set_config`, or by a statement that begins
/// with `SET`.
fn sets_session(code: &str) -> bool {
    let code = code.to_lowercase();
    let of_transaction = |rest: &str| {
        let call = rest.split(';').next().unwrap_or_default();
        call.split(',').any(|value| value.trim_start().starts_with("true"))
    };
    if code.match_indices("set_config").any(|(at, _)| !of_transaction(&code[at..])) {
        return true;
    }
    let begins = |before: &str| {
        let before = before.trim_end();
        let word = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        before.ends_with([';', '\'', '$']) || matches!(word, "begin" | "then" | "else" | "loop")
    };
    code.match_indices("set ").any(|(at, _)| {
        let is_word = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let next = code[at + 4..].split_whitespace().next().unwrap_or_default();
        is_word && begins(&code[..at]) && !matches!(next, "local" | "constraints" | "transaction")
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is lost if the first of these two statements has finished, and the second begins the rest.
    fn lost_by(dialect: Dialect, finished: (&str, StatementKind), next: &str) -> Option<Change> {
        let text = format!("{}\n{next}", finished.0);
        let statement = |range, kind| Statement { range, kind, flags: StatementFlags::SESSION_STATE, data: None };
        let end = finished.0.len();
        let statements = [statement(0..end, finished.1), statement(end + 1..text.len(), StatementKind::Session)];
        let units = units(dialect, &text, &statements);
        lost(dialect, &text, &statements, &units, 0..1).map(|lost| lost.change)
    }

    #[test]
    fn only_a_statement_that_fits_makes_up_for_what_is_lost() {
        let temporary = ("CREATE TEMP TABLE n (n int);", StatementKind::CreateTable);
        let query = ("INSERT INTO t SELECT set_config('search_path', 'app', false);", StatementKind::Insert);
        for (finished, next, lost) in [
            (temporary, "SET lock_timeout = '5s';", Some(Change::Temporary)),
            (temporary, "RESET ALL;", Some(Change::Temporary)),
            (temporary, "DISCARD TEMP;", None),
            (temporary, "CREATE TEMP TABLE n (n int);", None),
            (query, "SET lock_timeout = '5s';", Some(Change::Settings)),
            (query, "DISCARD TEMP;", Some(Change::Settings)),
            (query, "SET search_path = app;", None),
            (query, "RESET ALL;", None),
            (("SET search_path = app;", StatementKind::Session), "SELECT 1;", None),
            (("SET transaction_read_only = on;", StatementKind::Insert), "SELECT 1;", None),
        ] {
            assert_eq!(lost_by(Dialect::Postgres, finished, next), lost, "{finished:?} {next}");
        }
    }
}
