//! Runs scripts in pieces, in their one transaction: `COPY … FROM stdin` with its data, which need their own protocol,
//! and each statement by itself if somebody wants to see which one runs.

use std::ops::Range;
use std::slice;

use sqlx::PgConnection;

use super::message::{Message, Slot, byte_at};
use super::sql::literal;
use super::{ConnectionState, PostgresBackend, RunTransaction, cause};
use crate::backend::{FailedAt, Failure, Job, JobBody, OnProgress, Pace, Progress, Sql};
use crate::error::{Cause, Class};
use crate::history_table::HistoryTable;

/// The size of the pieces in which data are sent.
const PIECE_BYTES: usize = 64 * 1024;

impl PostgresBackend<'_> {
    /// Runs a script in [`pieces`], the last one with the history row.
    pub(super) async fn run_in_pieces(
        &mut self,
        history_table: &HistoryTable,
        jobs: &[Job],
        index: usize,
        progress: OnProgress<'_>,
    ) -> Result<(), Failure> {
        let job = &jobs[index];
        let JobBody::Sql(sql) = &job.body else { return Ok(()) };
        progress(Progress::Started(index..index + 1));
        self.dirty |= self.changes_session(job);
        let mut message = Message::default();
        if self.run_transaction != RunTransaction::WithTables {
            message.tables = self.prepare(history_table, &mut message);
        }
        self.begin(history_table, index, job, true, &mut message);
        let mut quiet = false;
        let each = self.pace == Pace::EachStatement;
        for piece in pieces(sql, self.pace) {
            if each {
                progress(Progress::StatementStarted(index, piece.start));
            }
            if sql.statements[piece.start].data.is_none() {
                if std::mem::take(&mut quiet) {
                    message.push(Slot::Begin(index), &self.messages("SET LOCAL", false));
                }
                message.push_script(index, sql, piece);
                if each && !message.slots.is_empty() {
                    self.send_piece(history_table, std::mem::take(&mut message), jobs, index).await?;
                }
                continue;
            }
            if !std::mem::replace(&mut quiet, true) {
                message.push(Slot::Begin(index), &self.messages("SET LOCAL", true));
                self.send_piece(history_table, std::mem::take(&mut message), jobs, index).await?;
            }
            if let Err((at, cause)) = self.copy(sql, piece.start).await {
                let mut failure = Failure::new(index, at, cause);
                self.undo(&mut failure).await;
                return Err(failure);
            }
        }
        if quiet {
            message.push(Slot::Bookkeeping(index), &self.messages("SET LOCAL", false));
        }
        self.finish(history_table, index, job, self.behind(), None, &mut message);
        self.send_piece(history_table, message, jobs, index).await?;
        self.note_done(slice::from_ref(job));
        progress(Progress::Ran(index));
        Ok(())
    }

    /// Hides notices while data are sent, or shows them again. Nobody reads them meanwhile: a trigger that raises one
    /// for each row would fill the buffers, and both sides would wait for ever.
    pub(super) fn messages(&self, set: &str, hide: bool) -> String {
        let least = if hide { "error" } else { &self.facts().client_min_messages };
        format!("{set} client_min_messages = {}", literal(least))
    }

    async fn send_piece(
        &mut self,
        history_table: &HistoryTable,
        message: Message,
        jobs: &[Job],
        index: usize,
    ) -> Result<(), Failure> {
        let sent = self.send(message.sql.clone(), &mut |_| ()).await;
        let results = sent.as_ref().map_or_else(|(results, _)| *results, |()| message.slots.len());
        self.note_results(history_table, &message, results);
        let Err((results, cause)) = sent else { return Ok(()) };
        let slot = message.slots.get(results).copied().unwrap_or(Slot::Bookkeeping(index));
        let mut failure = self.failure(&message, slot, jobs, index, cause);
        self.undo(&mut failure).await;
        Err(failure)
    }

    /// Sends one COPY and its data.
    pub(super) async fn copy(&mut self, sql: &Sql, index: usize) -> Result<(), (FailedAt, Cause)> {
        let statement = &sql.statements[index];
        let (command, data) = (statement.command(), statement.data.clone().unwrap_or(0..0));
        if self.connection_state == ConnectionState::Lost {
            let cause = self.why_lost();
            return Err((FailedAt::Statement { index, byte: None }, cause));
        }
        // Set first, in case this future is dropped.
        self.connection_state = ConnectionState::Copying;
        let copied = send(self.held.connection(), &sql.text[command.clone()], &sql.text[data.clone()]).await;
        self.connection_state = ConnectionState::Ready;
        let counts_bytes = self.facts().counts_bytes;
        copied.map_err(|error| {
            let cause = cause(&error);
            if cause.class == Class::Lost {
                self.connection_state = ConnectionState::Lost;
            }
            let byte = match cause.position {
                Some(position) => {
                    let byte = byte_at(&sql.text[command.clone()], position.get(), counts_bytes);
                    byte.map(|byte| command.start + byte)
                }
                None => place(&sql.text, &data, cause.context.as_deref().unwrap_or_default()),
            };
            (FailedAt::Statement { index, byte }, cause)
        })
    }
}

/// The statements that are sent together: each COPY alone, and all between two of them or each alone.
fn pieces(sql: &Sql, pace: Pace) -> Vec<Range<usize>> {
    let has_data = |index: usize| sql.statements[index].data.is_some();
    let mut pieces: Vec<Range<usize>> = Vec::new();
    for index in 0..sql.statements.len() {
        match pieces.last_mut() {
            Some(last) if pace == Pace::Whole && !has_data(index) && !has_data(last.start) => last.end = index + 1,
            Some(_) | None => pieces.push(index..index + 1),
        }
    }
    pieces
}

async fn send(connection: &mut PgConnection, command: &str, data: &str) -> Result<(), sqlx::Error> {
    let mut copy = connection.copy_in_raw(command).await?;
    for piece in data.as_bytes().chunks(PIECE_BYTES) {
        copy.send(piece).await?;
    }
    copy.finish().await.map(drop)
}

/// Finds the byte of a script at which data failed, from the server's context: `COPY t, line 3, column x: "abc"`, in
/// the server's language, with lines counted from 1.
fn place(text: &str, data: &Range<usize>, context: &str) -> Option<usize> {
    let (context_line, number) =
        context.lines().find_map(|line| Some((line, line_number(line.strip_prefix("COPY ")?)?)))?;
    let mut lines = text[data.clone()].split_inclusive('\n');
    let before: usize = lines.by_ref().take(number.checked_sub(1)?).map(str::len).sum();
    let start = data.start + before;
    // The value's position, if the line contains it exactly once.
    let line = lines.next().unwrap_or_default();
    let value = context_line.split_once(": \"").and_then(|(_, value)| value.strip_suffix('"')).unwrap_or_default();
    let mut found = line.match_indices(value).map(|(at, _)| at);
    match (found.next(), found.next()) {
        (Some(at), None) => Some(start + at),
        _ => Some(start),
    }
}

/// Reads the number in `t, line 3…`: it follows a comma and one word.
fn line_number(context: &str) -> Option<usize> {
    context.match_indices(", ").find_map(|(at, _)| {
        let (word, rest) = context[at + 2..].split_once(' ')?;
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        if word.contains(['"', ':']) { None } else { rest[..digits].parse().ok() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_data_is_located_in_the_file() {
        let text = "COPY t FROM stdin;\nä\t1\nbé\tx1\n1\t1\n\\.\n";
        let data = "COPY t FROM stdin;\n".len()..text.len() - "\\.\n".len();
        let at = |context: &str| place(text, &data, context).map(|byte| &text[byte..]);
        assert_eq!(at("COPY t, line 1, column a: \"ä\""), Some("ä\t1\nbé\tx1\n1\t1\n\\.\n"));
        assert_eq!(at("COPY t, line 2, column b: \"x1\""), Some("x1\n1\t1\n\\.\n"));
        assert_eq!(at("COPY t, Zeile 3, Spalte b: »1«"), Some("1\t1\n\\.\n"));
        assert_eq!(at("COPY t, line 3, column b: \"1\""), Some("1\t1\n\\.\n"), "it stands there twice");
        assert_eq!(at("COPY a, b c, line 2"), Some("bé\tx1\n1\t1\n\\.\n"));
        assert_eq!(at("PL/pgSQL function f() line 1 at RAISE\nCOPY t, line 2"), Some("bé\tx1\n1\t1\n\\.\n"));
        assert_eq!(at("COPY t, line 99"), Some("\\.\n"));
        assert_eq!(at("COPY t, line 0"), None);
        assert_eq!(at("SQL function f"), None);
    }
}
