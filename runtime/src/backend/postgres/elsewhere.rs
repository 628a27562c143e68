//! Runs the statements after `\\connect` in a session of their own, in another database. The row of the script stays where
//! the run began, so the two are not one transaction. Instead, before a statement commits, the row says that it was
//! started, and in which transaction. A later run asks the server what became of that transaction.

use std::sync::Arc;
use std::time::Duration;

use lockgate_core::{Probe, Unit, UnitKind};
use sqlx::Row;

use super::catalogue::Answer;
use super::message::{Message, Slot};
use super::outside_transaction::{
    Claim, REFUSES_TRANSACTION, at_statement, checked, commits, kept_owner, moment, still_at_work, where_owned,
};
use super::{PostgresBackend, connect, sql};
use crate::backend::{Deadline, FailedAt, Failure, backoff};
use crate::error::{Cause, Class};
use crate::session::{HeldConnection, Own};

/// How long to wait for a transaction that an earlier run has left.
const PATIENCE: Duration = Duration::from_secs(10);

/// A session in another database.
pub(super) struct Elsewhere {
    pub(super) backend: Box<PostgresBackend<'static>>,
    /// The index of the `\\connect` line that began it.
    at: usize,
}

/// What became of a statement that an earlier run has started.
enum Became {
    Finished,
    Nothing,
}

impl PostgresBackend<'_> {
    /// Runs a unit in another database, and records it here.
    pub(super) async fn run_elsewhere(
        &mut self,
        claim: &Claim<'_>,
        units: &[Unit],
        unit: &Unit,
        first: usize,
    ) -> Result<(), Failure> {
        self.go_elsewhere(claim, units, unit, first).await?;
        let (sql, end) = (claim.sql, unit.statements.end);
        let sent = |index: &usize| sql.statements[*index].is_sent();
        let statements: Vec<usize> = unit.statements.clone().filter(sent).collect();
        if claim.in_doubt() == Some(first) {
            match self.became(claim, first).await? {
                Became::Finished => return self.record(claim, end).await,
                Became::Nothing => {}
            }
        }
        match unit.kind {
            UnitKind::Session => {
                for index in statements {
                    self.run_there(claim, index, false).await?;
                }
            }
            UnitKind::Alone => return self.run_alone_there(claim, first, end).await,
            UnitKind::Transaction => {
                let Err(failure) = self.run_in_transaction_there(claim, &statements, None, first).await else {
                    return self.record(claim, end).await;
                };
                let refuses = failure.cause.code.as_deref().is_some_and(|code| REFUSES_TRANSACTION.contains(&code));
                if !refuses || statements.len() > 1 {
                    return Err(failure);
                }
                return self.run_alone_there(claim, first, end).await;
            }
            UnitKind::Block => match statements.split_last() {
                Some((last, before)) if commits(sql, unit) => {
                    self.run_in_transaction_there(claim, before, Some(*last), first).await?;
                }
                // It is rolled back, and can run twice.
                _ => {
                    for index in statements {
                        self.run_there(claim, index, false).await?;
                    }
                }
            },
        }
        self.record(claim, end).await
    }

    /// Begins the session, unless it is the one that is open. Like psql, it has nothing of the one before; what the script
    /// has set in it, in a run that was interrupted, is set again.
    async fn go_elsewhere(
        &mut self,
        claim: &Claim<'_>,
        units: &[Unit],
        unit: &Unit,
        first: usize,
    ) -> Result<(), Failure> {
        let Some((at, database)) = claim.sql.connect_before(first) else { return Ok(()) };
        if self.elsewhere.as_ref().is_some_and(|elsewhere| elsewhere.at == at) {
            return Ok(());
        }
        self.elsewhere = None;
        let Some(options) = self.held.options() else {
            let message = "`\\connect` needs the URL of the server, which this connection does not have";
            return Err(at_statement(at, Cause::new(Class::Usage, message)));
        };
        let options = Arc::new((*options).clone().database(database));
        let connection = connect(&options).await.map_err(|cause| at_statement(at, cause))?;
        let mut backend = PostgresBackend::new(HeldConnection::new(Own::new(Some(connection), options)));
        backend.facts.clone_from(&self.facts);
        backend.limits = self.limits;
        // Its session is never used for anything else.
        backend.dirty = true;
        for word in backend.head(claim.sql, "") {
            backend.execute(word).await.map_err(|cause| Failure::new(0, FailedAt::Begin, cause))?;
        }
        self.elsewhere = Some(Elsewhere { backend: Box::new(backend), at });
        let before = |other: &&Unit| other.statements.end <= unit.statements.start && other.kind == UnitKind::Session;
        for earlier in units.iter().filter(before) {
            for index in earlier.statements.clone().filter(|index| *index > at) {
                if claim.sql.statements[index].is_sent() {
                    self.run_there(claim, index, false).await?;
                }
            }
        }
        Ok(())
    }

    fn there(&mut self) -> &mut PostgresBackend<'static> {
        &mut self.elsewhere.as_mut().expect("the session was begun before").backend
    }

    /// Sends a statement there.
    async fn run_there(&mut self, claim: &Claim<'_>, index: usize, in_transaction: bool) -> Result<(), Failure> {
        let (sql, there) = (claim.sql, self.there());
        let ran = if in_transaction && sql.statements[index].data.is_some() {
            let hide = there.messages("SET LOCAL", true);
            there.execute(hide).await.map_err(|cause| at_statement(index, cause))?;
            there.copy(sql, index).await
        } else {
            there.run_statement(sql, index).await
        };
        ran.map_err(|(at, cause)| Failure::new(0, at, cause))
    }

    /// Runs statements there in one transaction, which ends with the statement `commit` of the script, or else with one of
    /// Lockgate's. Before it ends, the row says which transaction it is.
    async fn run_in_transaction_there(
        &mut self,
        claim: &Claim<'_>,
        statements: &[usize],
        commit: Option<usize>,
        first: usize,
    ) -> Result<(), Failure> {
        let ran = async {
            if commit.is_none() {
                let begun = self.there().execute("BEGIN".to_owned()).await;
                begun.map_err(|cause| Failure::new(0, FailedAt::Begin, cause))?;
            }
            for index in statements {
                self.run_there(claim, *index, true).await?;
            }
            let last = commit.or(statements.last().copied()).unwrap_or(first);
            let number = "SELECT pg_catalog.txid_current()::pg_catalog.text AS there".to_owned();
            let rows = self.there().rows(number).await.map_err(|cause| at_statement(last, cause))?;
            let transaction: Option<String> = rows.first().and_then(|row| row.try_get("there").ok());
            let transaction = transaction.and_then(|number| number.parse::<i64>().ok());
            self.announce_there(claim, first, transaction).await?;
            let Err(cause) = self.there().execute("COMMIT".to_owned()).await else { return Ok(()) };
            if cause.class != Class::Lost {
                return Err(at_statement(last, cause));
            }
            // The connection was lost while the server committed.
            match self.outcome(transaction).await {
                Some(true) => Ok(()),
                Some(false) => Err(at_statement(last, cause)),
                None => Err(at_statement(last, Cause { class: Class::InDoubt, ..cause })),
            }
        };
        let ran: Result<(), Failure> = ran.await;
        if ran.is_err() {
            let _ = self.there().roll_back().await;
        }
        ran
    }

    /// Runs a statement there that cannot run in a transaction.
    async fn run_alone_there(&mut self, claim: &Claim<'_>, first: usize, end: usize) -> Result<(), Failure> {
        self.announce_there(claim, first, None).await?;
        self.run_there(claim, first, false).await?;
        self.record(claim, end).await
    }

    /// Records here that a statement there was started, and in which transaction.
    async fn announce_there(
        &mut self,
        claim: &Claim<'_>,
        first: usize,
        transaction: Option<i64>,
    ) -> Result<(), Failure> {
        let mut message = Message::default();
        message.push(Slot::Begin(0), sql::BEGIN);
        for setting in self.keep(claim.sql) {
            message.push(Slot::Bookkeeping(0), &setting);
        }
        let transaction = transaction.map_or_else(String::new, |number| number.to_string());
        let announce = format!(
            "UPDATE {} SET under_way = {}, owner = pg_catalog.concat({}, '/', {}, '/', '{transaction}'){}",
            self.table(),
            first + 1,
            sql::literal(&claim.owner),
            moment(0),
            where_owned(claim)
        );
        message.push(Slot::Guard(0), &checked(&announce));
        message.push(Slot::End(0), "COMMIT");
        // If this future is dropped, the row keeps the transaction.
        self.claimed = Some(format!("UPDATE {} SET {}{}", self.table(), kept_owner(&transaction), where_owned(claim)));
        self.started_there = Some(transaction);
        self.send_part(claim, message).await
    }

    /// What became of the statement that an earlier run has started there.
    async fn became(&mut self, claim: &Claim<'_>, first: usize) -> Result<Became, Failure> {
        if let Some(transaction) = claim.transaction {
            self.started_there = Some(transaction.to_string());
            return match self.outcome(Some(transaction)).await {
                Some(true) => Ok(Became::Finished),
                Some(false) => Ok(Became::Nothing),
                None => Err(at_statement(first, still_at_work())),
            };
        }
        let effect = Probe::of(&claim.sql.text, &claim.sql.statements[first]);
        let answer = self.there().ask_catalogue(&effect).await.map_err(|cause| at_statement(first, cause))?;
        match answer {
            Answer::Finished => Ok(Became::Finished),
            Answer::Send => Ok(Became::Nothing),
            Answer::Building => Err(at_statement(first, still_at_work())),
            Answer::Unknown => Err(at_statement(first, Cause::in_doubt())),
        }
    }

    /// Whether a transaction of this server was committed. `None` if it has not ended, or nobody knows.
    async fn outcome(&mut self, transaction: Option<i64>) -> Option<bool> {
        let transaction = transaction?;
        let (deadline, mut attempt) = (Deadline::after(PATIENCE), 0);
        loop {
            let rows = self.rows(sql::transaction_status(transaction)).await.ok()?;
            let status: Option<String> = rows.first()?.try_get("transaction_status").ok()?;
            match status.as_deref() {
                Some("committed") => return Some(true),
                Some("aborted") => return Some(false),
                Some(_) if !deadline.is_over() => {}
                Some(_) | None => return None,
            }
            tokio::time::sleep(backoff(attempt, Duration::from_millis(20), Duration::from_millis(500))).await;
            attempt += 1;
        }
    }
}
