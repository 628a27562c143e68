//! Several migrations in one simple-query message, and the way back from what the server answers to
//! the statement that it is about.

use std::ops::Range;

use lockgate_core::StatementFlags;

use crate::backend::{FailedAt, Sql};

/// What one result of a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// The run's own set-up.
    Setup,
    /// The check that no other run is under way, or came before.
    Guard(usize),
    /// The beginning of a job's transaction.
    Begin(usize),
    /// A statement of a job's script, counted from 0.
    Statement(usize, usize),
    /// A job's bookkeeping.
    Bookkeeping(usize),
    /// The end of the run: the lock is let go of.
    Farewell,
    /// The end of a job: it is recorded, and committed unless all of the run is one transaction.
    End(usize),
}

impl Slot {
    pub(super) fn job(self) -> Option<usize> {
        match self {
            Self::Setup | Self::Farewell => None,
            Self::Guard(job) | Self::Begin(job) | Self::Statement(job, _) | Self::Bookkeeping(job) | Self::End(job) => {
                Some(job)
            }
        }
    }
}

/// A message being written: its text, what each result will belong to, and where the scripts are.
#[derive(Default)]
pub(super) struct Message {
    pub(super) sql: String,
    pub(super) slots: Vec<Slot>,
    scripts: Vec<Placed>,
}

struct Placed {
    job: usize,
    /// Where the script's code begins in the message.
    start: usize,
    len: usize,
    /// Where the code begins in the script's text.
    offset: usize,
}

impl Message {
    /// Adds one statement.
    pub(super) fn push(&mut self, slot: Slot, sql: &str) {
        self.sql.push_str(sql);
        self.sql.push_str(";\n");
        self.slots.push(slot);
    }

    /// Adds these statements of a job's script, none of which has data: as they stand there, with
    /// the comments between them. Lines that mean nothing to the server are left out.
    pub(super) fn push_script(&mut self, job: usize, sql: &Sql, statements: Range<usize>) {
        let sent = |index: &usize| !sql.statements[*index].flags.contains(StatementFlags::CLIENT_ONLY);
        let mut next = statements.start;
        while let Some(first) = (next..statements.end).find(sent) {
            next = (first..statements.end).find(|index| !sent(index)).unwrap_or(statements.end);
            let (offset, end) = (sql.statements[first].range.start, sql.statements[next - 1].range.end);
            self.scripts.push(Placed { job, start: self.sql.len(), len: end - offset, offset });
            self.sql.push_str(&sql.text[offset..end]);
            // A second semicolon is no statement to PostgreSQL and gives no result.
            self.sql.push_str("\n;\n");
            self.slots.extend((first..next).map(|index| Slot::Statement(job, index)));
        }
    }

    /// The job and the byte of its script that a position (in characters, counted from 1) is about.
    pub(super) fn locate(&self, position: usize) -> Option<(usize, usize)> {
        let (byte, _) = self.sql.char_indices().nth(position.checked_sub(1)?)?;
        let placed = self.scripts.iter().find(|placed| (placed.start..=placed.start + placed.len).contains(&byte))?;
        Some((placed.job, byte - placed.start + placed.offset))
    }
}

/// The statement that a byte of its script belongs to.
pub(super) fn statement_at(sql: &Sql, byte: usize) -> FailedAt {
    let index = sql.statements.partition_point(|statement| statement.range.end <= byte);
    FailedAt::Statement { index: index.min(sql.statements.len().saturating_sub(1)), byte: Some(byte) }
}
