//! Runs the statements of a desired schema in an empty database, and describes those that never work.

use std::collections::BTreeSet;

use lockgate::__private::{self as runtime, Refused};
use lockgate::Database;
use lockgate_source::core::Dialect;
use lockgate_source::desired::{Desired, DesiredStatement};
use lockgate_source::sql::{self, objects::objects};
use lockgate_source::{Code, Diagnostic};

use super::{Unmade, unresolved};
use crate::throwaway::has_made_role;

/// Runs the files in an empty database.
pub(super) async fn make(files: &Desired, database: &mut Database, dialect: Dialect) -> Result<(), Unmade> {
    let (statements, diagnostics) = files.statements(dialect);
    if !diagnostics.is_empty() {
        return Err(Unmade::Found(diagnostics));
    }
    let text = |one: &DesiredStatement, range: &std::ops::Range<usize>| &files.files[one.file].text[range.clone()];
    let to_run: Vec<runtime::Desired<'_>> = statements
        .iter()
        .map(|one| runtime::Desired {
            sql: text(one, &one.range),
            session: one.session.iter().map(|range| text(one, range)).collect(),
        })
        .collect();
    let shown = Shown { files, statements: &statements, dialect };
    let mut left: Vec<usize> = (0..to_run.len()).collect();
    let mut roles = BTreeSet::new();
    while let Err(failed) = runtime::make(database, &to_run, &mut left).await {
        let mut has_new = false;
        for (_, refused) in &failed {
            if roles.insert(refused.message.clone()) {
                has_new |= has_made_role(database, refused.code.as_deref(), &refused.message).await?;
            }
        }
        if !has_new {
            return Err(Unmade::Found(shown.refused(failed)));
        }
    }
    if dialect != Dialect::Sqlite {
        return Ok(());
    }
    let sql: Vec<&str> = to_run.iter().map(|statement| statement.sql).collect();
    match unresolved::find(database, &sql).await {
        found if found.is_empty() => Ok(()),
        found => Err(Unmade::Found(shown.unresolved(found))),
    }
}

/// The statements, for messages about them.
struct Shown<'a> {
    files: &'a Desired,
    statements: &'a [DesiredStatement],
    dialect: Dialect,
}

impl Shown<'_> {
    /// Describes the statements that never worked, without those that only wait for one of the others.
    fn refused(&self, mut failed: Vec<(usize, Refused)>) -> Vec<Diagnostic> {
        // A name that is taken is there: nothing waits for it.
        if failed.iter().any(|(_, refused)| !refused.is_missing() && !is_taken(refused)) {
            failed.retain(|(_, refused)| !refused.is_missing());
        }
        let product = self.dialect.product();
        let describe = |(at, refused): (usize, Refused)| {
            let first = is_taken(&refused).then(|| self.first_of(at)).flatten();
            let found = self.describe(at, &refused, format!("{product} refuses this statement: {}", refused.message));
            first
                .into_iter()
                .fold(found, |found, place| found.help(format!("{place} creates it too: delete one of them")))
        };
        sorted(failed.into_iter().map(describe).collect())
    }

    /// Describes the statements that SQLite accepts although something in them does not exist.
    fn unresolved(&self, found: Vec<(usize, Refused)>) -> Vec<Diagnostic> {
        let describe = |(at, refused): (usize, Refused)| {
            let message = format!("SQLite accepts this statement, but it does not work: {}", refused.message);
            let found = self.describe(at, &refused, message);
            match refused.message.starts_with("foreign key mismatch") {
                true => {
                    found.help("the columns that it refers to must be the primary key of their table, or UNIQUE there")
                }
                false => found,
            }
        };
        sorted(found.into_iter().map(describe).collect())
    }

    fn describe(&self, at: usize, refused: &Refused, message: String) -> Diagnostic {
        let (file, range) = (&self.files.files[self.statements[at].file], &self.statements[at].range);
        let byte = refused.byte.or_else(|| named(&file.text[range.clone()], refused));
        let start = byte.map_or(range.start, |byte| range.start + byte).min(range.end.saturating_sub(1));
        let rest = &file.text[start..range.end];
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let word = word.max(rest.chars().next().map_or(0, char::len_utf8));
        let mut found = Diagnostic::error(Code::BadSchema, file.shown.as_str(), message);
        found = found.at(&file.text, start..start + word, "");
        found.help.extend(refused.detail.iter().map(|detail| format!("the server adds: {detail}")));
        found.help.extend(refused.hint.iter().map(|hint| format!("the server's hint: {hint}")));
        if refused.is_missing() {
            found = found.help("create it in a file of this folder, or correct the name");
        }
        found
    }

    /// Returns the place of another statement that creates what this one creates.
    fn first_of(&self, at: usize) -> Option<String> {
        let creates = |one: &DesiredStatement| {
            let text = &self.files.files[one.file].text[one.range.clone()];
            objects(self.dialect, text, &sql::split(self.dialect, text).statements).creates
        };
        let own = creates(&self.statements[at]);
        let others = self.statements.iter().enumerate().filter(|(other, _)| *other != at);
        let (_, other) = others.into_iter().find(|(_, other)| !creates(other).is_disjoint(&own))?;
        let file = &self.files.files[other.file];
        Some(format!("`{}:{}`", file.shown, 1 + file.text[..other.range.start].matches('\n').count()))
    }
}

/// Whether the name of what the statement creates is taken.
fn is_taken(refused: &Refused) -> bool {
    const TAKEN: [&str; 5] = ["42P07", "42710", "42P06", "42723", "42701"];
    match refused.code.as_deref().and_then(|code| code.strip_prefix("SQLSTATE ")) {
        Some(state) => TAKEN.contains(&state),
        None => refused.message.contains("already exists") || refused.message.starts_with("there is already"),
    }
}

/// Returns the byte of the name or word that a message of SQLite ends or begins with, which does not say where it is:
/// `no such column: name`, `near "TABEL": syntax error`.
fn named(text: &str, refused: &Refused) -> Option<usize> {
    if refused.is_missing() {
        let (_, name) = refused.message.rsplit_once(": ")?;
        return text.rfind(name.strip_prefix("main.").unwrap_or(name));
    }
    let (word, _) = refused.message.strip_prefix("near \"")?.rsplit_once("\": ")?;
    // Of several, nobody knows which one is meant.
    let mut places = text.match_indices(word).map(|(at, _)| at).filter(|at| is_word(text, *at, word.len()));
    places.next().filter(|_| places.next().is_none())
}

fn is_word(text: &str, at: usize, length: usize) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let is_symbol = !text[at..].starts_with(is_part);
    is_symbol || !(text[..at].ends_with(is_part) || text[at + length..].starts_with(is_part))
}

fn sorted(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    lockgate_source::diagnostic::sort(&mut found);
    found
}
