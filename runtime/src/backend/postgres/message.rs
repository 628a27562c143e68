//! Builds messages with several migrations, and maps an error that the server returns to the statement that caused it.

use std::ops::Range;

use crate::backend::{FailedAt, Sql};

/// The part of a message that a result belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// The setup of the run.
    Setup,
    /// Creates the history table and the log.
    Tables,
    /// Marks a job's transaction and acquires the lock.
    Lock(usize),
    /// Checks that the history is the one that the plan was made for.
    Guard(usize),
    /// The beginning of a job's transaction.
    Begin(usize),
    /// A statement of a job's script, counted from 0.
    Statement(usize, usize),
    /// A job's bookkeeping.
    Bookkeeping(usize),
    /// Writes a job's row.
    Record(usize),
    /// Writes a job's row as the last statement of the job, because the whole run is one transaction.
    RecordEnd(usize),
    /// The end of a job: its commit, unless the whole run is one transaction.
    End(usize),
    /// Cleans up what only this message needed.
    Farewell,
}

impl Slot {
    pub(super) fn job(self) -> Option<usize> {
        match self {
            Self::Setup | Self::Tables | Self::Farewell => None,
            Self::Lock(job)
            | Self::Guard(job)
            | Self::Begin(job)
            | Self::Statement(job, _)
            | Self::Bookkeeping(job)
            | Self::Record(job)
            | Self::RecordEnd(job)
            | Self::End(job) => Some(job),
        }
    }
}

/// A message: its text, the slot of each result, and where the scripts are.
#[derive(Default)]
pub(super) struct Message {
    pub(super) sql: String,
    pub(super) slots: Vec<Slot>,
    /// The number of results after which the tables exist.
    pub(super) tables: usize,
    /// The name of the prepared statement.
    pub(super) prepared: Option<String>,
    scripts: Vec<Placed>,
}

struct Placed {
    job: usize,
    /// The offset of the code in the message.
    start: usize,
    len: usize,
    /// The offset of the code in the script's text.
    offset: usize,
}

impl Message {
    /// Adds one statement.
    pub(super) fn push(&mut self, slot: Slot, sql: &str) {
        self.sql.push_str(sql);
        self.sql.push_str(";\n");
        self.slots.push(slot);
    }

    /// Removes the first BEGIN, which the driver has sent.
    pub(super) fn drop_begin(&mut self) {
        let begin = format!("{};\n", super::BEGIN);
        if let Some(rest) = self.sql.strip_prefix(&begin) {
            self.sql = rest.to_owned();
            self.slots.remove(0);
        }
    }

    /// Removes the last COMMIT, which the driver will send.
    pub(super) fn drop_end(&mut self) {
        if let Some(rest) = self.sql.strip_suffix("COMMIT;\n") {
            self.sql = rest.to_owned();
            self.slots.pop();
        }
    }

    /// Adds these statements of a job's script, with the comments between them. None of them has data. Client-only
    /// lines are left out.
    pub(super) fn push_script(&mut self, job: usize, sql: &Sql, statements: Range<usize>) {
        let sent = |index: &usize| sql.statements[*index].is_sent();
        let mut next = statements.start;
        while let Some(first) = (next..statements.end).find(sent) {
            next = (first..statements.end).find(|index| !sent(index)).unwrap_or(statements.end);
            let (offset, end) = (sql.statements[first].range.start, sql.statements[next - 1].range.end);
            self.scripts.push(Placed { job, start: self.sql.len(), len: end - offset, offset });
            self.sql.push_str(&sql.text[offset..end]);
            // PostgreSQL ignores an empty statement and returns no result for it.
            self.sql.push_str("\n;\n");
            self.slots.extend((first..next).map(|index| Slot::Statement(job, index)));
        }
    }

    /// The job and the byte of its script that a position (counted from 1) is about.
    pub(super) fn locate(&self, position: usize, counts_bytes: bool) -> Option<(usize, usize)> {
        let byte = byte_at(&self.sql, position, counts_bytes)?;
        let placed = self.scripts.iter().find(|placed| (placed.start..=placed.start + placed.len).contains(&byte))?;
        Some((placed.job, byte - placed.start + placed.offset))
    }
}

/// The byte of a text that a server's position is about: in characters, counted from 1, unless the
/// database does not know what its characters are.
pub(super) fn byte_at(text: &str, position: usize, counts_bytes: bool) -> Option<usize> {
    let before = position.checked_sub(1)?;
    if counts_bytes {
        return (0..=before).rev().find(|byte| text.is_char_boundary(*byte)).filter(|byte| *byte < text.len());
    }
    text.char_indices().nth(before).map(|(byte, _)| byte)
}

/// The statement that a byte of its script belongs to.
pub(super) fn statement_at(sql: &Sql, byte: usize) -> FailedAt {
    let index = sql.statements.partition_point(|statement| statement.range.end <= byte);
    FailedAt::Statement { index: index.min(sql.statements.len().saturating_sub(1)), byte: Some(byte) }
}
