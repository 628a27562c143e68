//! Runs a script outside a transaction, unit by unit. Its history row keeps other runs out: the row names the owner,
//! and each unit is recorded only if the owner has not changed. A unit that can run in a transaction is recorded in it.
//! Otherwise the row first records that the statement was started, and a later run asks [`super::catalogue`] whether a
//! started statement has finished.

use std::slice;
use std::time::Duration;

use lockgate_core::unit::{self, Control};
use lockgate_core::{Action, Dialect, Probe, State, Statement, StatementFlags, StatementKind, Unit, UnitKind, Version};
use sqlx::Row;

use super::catalogue::Answer;
use super::message::{Message, Slot};
use super::sql::{BEFORE, BEGIN, EQ, GREATER, LESS, MADE, NE, PER, PLUS, TEXT, TIMES, literal};
use super::{PostgresBackend, session_state, sql};
use crate::backend::{ALTERED, FailedAt, Failure, Job, JobBody, OnProgress, Progress, Sql, backoff};
use crate::error::{Cause, Class};
use crate::history_table::{HistoryTable, identifier};

/// The start of a session, as it is written into `owner`. Sessions of other roles may hide it.
const BACKEND_START: &str =
    "pg_catalog.to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";

/// The format of times in `owner`.
const MOMENT: &str = "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'";

/// The error codes of a statement that cannot run in a transaction.
pub(super) const REFUSES_TRANSACTION: [&str; 2] = ["SQLSTATE 25001", "SQLSTATE 2D000"];

/// The error code of a failed check: no row was written, or it is not ours.
const GUARD: &str = sql::check::UNWRITTEN;

/// How many times a claim is tried if it fails although nobody has the row.
const CLAIMS: u32 = 3;

/// A script that this run has claimed.
pub(super) struct Claim<'a> {
    history_table: &'a HistoryTable,
    job: &'a Job,
    pub(super) sql: &'a Sql,
    /// Our value of the column `owner`.
    pub(super) owner: String,
    /// The statement, counted from 1, that an earlier run started and that may have finished.
    under_way: Option<u32>,
    /// The transaction in which it was started, if that was in another database.
    pub(super) transaction: Option<i64>,
    scope: SettingsScope,
}

/// How long the session settings of a script last.
#[derive(Clone, Debug, PartialEq, Eq)]
enum SettingsScope {
    /// One unit. The settings of these statements are sent before each unit and restored after it.
    PerUnit(Vec<usize>),
    /// The whole script, which needs its own session: something in it cannot be sent twice.
    WholeScript,
}

/// Decides how long the session settings of this script last.
fn settings_scope(sql: &Sql, units: &[Unit]) -> SettingsScope {
    let mut settings = Vec::new();
    for unit in units {
        for index in unit.statements.clone().filter(|index| sql.connect_before(*index).is_none()) {
            let statement = &sql.statements[index];
            let has = |flag| statement.flags.contains(flag);
            if has(StatementFlags::RUNS_CODE) {
                return SettingsScope::WholeScript;
            }
            if !has(StatementFlags::SESSION_STATE) || has(StatementFlags::CLIENT_ONLY) {
                continue;
            }
            let sets = statement.kind == StatementKind::Session && !has(StatementFlags::OUTSIDE_TRANSACTION);
            // A seed that is set again gives the same numbers again.
            let seeds = sql.text.get(statement.range.clone()).is_some_and(|text| text.to_lowercase().contains("seed"));
            if unit.kind != UnitKind::Session || !sets || seeds {
                return SettingsScope::WholeScript;
            }
            settings.push(index);
        }
    }
    SettingsScope::PerUnit(settings)
}

impl Claim<'_> {
    /// The index of the statement that an earlier run started and that may have finished.
    pub(super) fn in_doubt(&self) -> Option<usize> {
        let number = self.under_way.filter(|number| *number > self.job.action.statements_done())?;
        usize::try_from(number).ok()?.checked_sub(1)
    }

    fn total(&self) -> u32 {
        u32::try_from(self.sql.statements.len()).unwrap_or(u32::MAX)
    }
}

/// The failure if another statement would be sent before the one whose outcome is unknown: its record would remove that
/// one's.
fn sent_before_doubt(claim: &Claim<'_>, units: &[Unit], done: usize) -> Option<Failure> {
    let in_doubt = claim.in_doubt()?;
    let next = units.iter().filter(|unit| unit.statements.end > done).find_map(|unit| {
        let mut left = unit.statements.start.max(done)..unit.statements.end;
        Some((unit, left.find(|index| claim.sql.statements[*index].is_sent())?))
    });
    let announced = next.and_then(|(unit, first)| match claim.sql.connect_before(first) {
        Some(_) => is_announced_there(claim.sql, unit).then_some(first),
        None => {
            let target = prepares(claim.sql, unit).unwrap_or(first);
            let statement = &claim.sql.statements[target];
            unit::may_be_announced(Dialect::Postgres, &claim.sql.text, statement).then_some(target)
        }
    });
    if announced == Some(in_doubt) {
        return None;
    }
    let message = format!(
        "statement {} was sent by an earlier run, and its end was not recorded. Another statement is to be sent before it now, \
         or in its place: the script, or a variable of it, has changed since",
        in_doubt + 1
    );
    Some(at_statement(in_doubt, Cause::new(Class::InDoubt, message)))
}

/// Whether the row says that a unit was started in another database before it has an effect that stays. What only sets
/// the session has none, nor has a block that is rolled back.
fn is_announced_there(sql: &Sql, unit: &Unit) -> bool {
    match unit.kind {
        UnitKind::Alone | UnitKind::Transaction => true,
        UnitKind::Session => false,
        UnitKind::Block => commits(sql, unit),
    }
}

/// Whether a block ends with a statement that commits it.
pub(super) fn commits(sql: &Sql, unit: &Unit) -> bool {
    let last = unit.statements.clone().rev().find(|index| sql.statements[*index].is_sent());
    last.and_then(|index| unit::control(Dialect::Postgres, &sql.text, &sql.statements[index])) == Some(Control::Commit)
}

/// Whether code that a statement outside a transaction ran may have committed before it failed. If the server refused the
/// call itself, no code ran: it names a mistake in the statement (class 42), and no place in the code. An error at the last
/// commit has no place either.
fn may_have_committed(statement: &Statement, cause: &Cause) -> bool {
    let is_of_call =
        cause.code.as_deref().is_some_and(|code| code.starts_with("SQLSTATE 42")) && cause.context.is_none();
    statement.flags.contains(StatementFlags::RUNS_CODE) && !is_of_call
}

/// The session of an earlier run has not ended.
pub(super) fn still_at_work() -> Cause {
    Cause::new(Class::Busy, "another session is still working on it, perhaps for a run that was killed")
}

pub(super) fn at_statement(index: usize, cause: Cause) -> Failure {
    Failure::new(0, FailedAt::Statement { index, byte: None }, cause)
}

impl PostgresBackend<'_> {
    pub(super) async fn run_alone(
        &mut self,
        history_table: &HistoryTable,
        job: &Job,
        progress: OnProgress<'_>,
    ) -> Result<(), Failure> {
        let JobBody::Sql(sql) = &job.body else { return Ok(()) };
        let units = sql.units();
        for unit in &units {
            check_unit(sql, unit).map_err(|(index, why)| at_statement(index, Cause::new(Class::Syntax, why)))?;
        }
        if self.dirty {
            self.renew().await.map_err(|cause| Failure::new(0, FailedAt::Begin, cause))?;
        }
        (self.elsewhere, self.started_there) = (None, None);
        // Set first, in case this future is dropped.
        self.dirty = true;
        let scope = if self.facts().plpgsql { settings_scope(sql, &units) } else { SettingsScope::WholeScript };
        if self.saved_session.is_none() && matches!(&scope, SettingsScope::PerUnit(settings) if !settings.is_empty()) {
            self.save_session_state().await.map_err(|cause| Failure::new(0, FailedAt::Begin, cause))?;
        }
        self.transaction = None;
        let claim = match self.claim(history_table, job, sql, scope).await {
            Ok(claim) => claim,
            Err(failure) => {
                self.put_back(sql).await;
                return Err(failure);
            }
        };
        progress(Progress::Started(0..1));
        // The claim waited for the disk, and so made earlier commits durable.
        progress(Progress::Committed(0));
        let ran = self.run_units(&claim, &units, progress).await;
        let left = match &ran {
            Err(failure) if failure.cause.class != Class::Lost => self.may_be_half_done(&claim, failure).await,
            Ok(()) | Err(_) => false,
        };
        self.elsewhere = None;
        self.put_back(sql).await;
        if let Err(failure) = &ran {
            if failure.cause.class != Class::Lost {
                self.give_up(&claim, left).await;
            }
            return ran;
        }
        self.claimed = None;
        self.note_done(slice::from_ref(job));
        progress(Progress::Ran(0));
        // The script may have turned synchronous commits off.
        self.unflushed = self.changes_session(job);
        if self.flush().await.is_ok() {
            progress(Progress::Committed(1));
        }
        Ok(())
    }

    async fn run_units(&mut self, claim: &Claim<'_>, units: &[Unit], progress: OnProgress<'_>) -> Result<(), Failure> {
        let done = claim.job.action.statements_done() as usize;
        if let Some(cause) = lost_session(claim.sql, units, done) {
            return Err(Failure::new(0, FailedAt::Begin, cause));
        }
        // Lines that are not sent, such as `\connect` itself, are at the beginning of a unit.
        let is_here = |unit: &&Unit| claim.sql.connect_before(unit.statements.end - 1).is_none();
        let set_before = |unit: &&Unit| unit.statements.end <= done && unit.kind == UnitKind::Session && is_here(unit);
        for unit in units.iter().filter(|_| claim.scope == SettingsScope::WholeScript).filter(set_before) {
            // The session that had these settings has ended, or was restored.
            for index in unit.statements.clone() {
                if claim.sql.statements[index].is_sent() {
                    let sent = self.run_statement(claim.sql, index).await;
                    sent.map_err(|(at, cause)| Failure::new(0, at, cause))?;
                }
            }
        }
        if let Some(failure) = sent_before_doubt(claim, units, done) {
            return Err(failure);
        }
        for unit in units.iter().filter(|unit| unit.statements.end > done) {
            // If the text was split differently when it was recorded, resume where the record says.
            let unit = Unit { statements: unit.statements.start.max(done)..unit.statements.end, kind: unit.kind };
            progress(Progress::StatementStarted(0, unit.statements.start));
            self.run_unit(claim, units, &unit).await?;
            progress(Progress::Statement(0, u32::try_from(unit.statements.end).unwrap_or(u32::MAX)));
        }
        if units.last().is_none_or(|last| last.statements.end <= done) {
            self.record(claim, done).await?;
        }
        Ok(())
    }

    async fn run_unit(&mut self, claim: &Claim<'_>, units: &[Unit], unit: &Unit) -> Result<(), Failure> {
        let sent = |index: &usize| claim.sql.statements[*index].is_sent();
        let Some(first) = unit.statements.clone().find(sent) else {
            return self.record(claim, unit.statements.end).await;
        };
        if claim.sql.connect_before(first).is_some() {
            return self.run_elsewhere(claim, units, unit, first).await;
        }
        let outside = claim.sql.statements[first].flags.contains(StatementFlags::OUTSIDE_TRANSACTION);
        let of_transaction = sets_transaction_mode(claim.sql, &claim.sql.statements[first]);
        let target = prepares(claim.sql, unit).unwrap_or(first);
        match unit.kind {
            _ if claim.in_doubt() == Some(target) => self.run_announced(claim, unit, first).await,
            UnitKind::Alone => self.run_announced(claim, unit, first).await,
            // Outside a transaction it has no effect. In ours it would have one.
            UnitKind::Session | UnitKind::Transaction if outside || of_transaction => {
                let ran = self.run_statement(claim.sql, first).await;
                ran.map_err(|(at, cause)| Failure::new(0, at, cause))?;
                self.record(claim, unit.statements.end).await
            }
            UnitKind::Block if prepares(claim.sql, unit).is_some() => self.run_announced(claim, unit, first).await,
            UnitKind::Transaction | UnitKind::Session | UnitKind::Block => {
                let Err(failure) = self.run_in_transaction(claim, unit).await else { return Ok(()) };
                let refuses = failure.cause.code.as_deref().is_some_and(|code| REFUSES_TRANSACTION.contains(&code));
                let single = unit.statements.clone().filter(sent).count() == 1;
                let itself = matches!(failure.at, FailedAt::Statement { .. });
                if unit.kind == UnitKind::Transaction && refuses && single && itself {
                    // Its text did not show that. The transaction rolled back whatever it did.
                    return self.run_announced(claim, unit, first).await;
                }
                Err(failure)
            }
        }
    }

    /// Runs statements in one transaction, together with their record.
    async fn run_in_transaction(&mut self, claim: &Claim<'_>, unit: &Unit) -> Result<(), Failure> {
        let (sql, end) = (claim.sql, unit.statements.end);
        let mut message = Message::default();
        let block = unit.kind == UnitKind::Block;
        let closes = if block { closes(sql, unit) } else { None };
        if !block {
            message.push(Slot::Begin(0), BEGIN);
            self.enter(claim, unit, &mut message);
        }
        let (mut quiet, mut begun) = (false, false);
        let last = closes.unwrap_or(end);
        for index in unit.statements.start..last {
            if sql.statements[index].data.is_some() {
                if !quiet {
                    message.push(Slot::Begin(0), &self.messages("SET LOCAL", true));
                }
                if !message.sql.is_empty() {
                    self.send_part(claim, std::mem::take(&mut message)).await?;
                }
                if let Err((at, cause)) = self.copy(sql, index).await {
                    let _ = self.roll_back().await;
                    return Err(Failure::new(0, at, cause));
                }
                quiet = true;
                continue;
            }
            if std::mem::take(&mut quiet) {
                message.push(Slot::Begin(0), &self.messages("SET LOCAL", false));
            }
            message.push_script(0, sql, index..index + 1);
            let begins = unit::control(Dialect::Postgres, &sql.text, &sql.statements[index]) == Some(Control::Begin);
            // The mode of a transaction must be set before its first query.
            begun = begun || (block && begins);
            if begun && !sql.statements.get(index + 1).is_some_and(|next| sets_transaction_mode(sql, next)) {
                begun = false;
                self.enter(claim, unit, &mut message);
            }
        }
        let bookkeeping = Slot::Bookkeeping(0);
        if block && closes.is_none() {
            // The block is rolled back or read-only, so it can safely run twice.
            message.push(bookkeeping, BEGIN);
        } else if unit.kind != UnitKind::Session {
            message.push(bookkeeping, &sql::still_in_unit(self.unit_lock(claim)));
        }
        if quiet {
            message.push(bookkeeping, &self.messages("SET LOCAL", false));
        }
        self.push_record(claim, end, &mut message);
        if !block || closes.is_some() {
            self.leave(claim, &mut message);
        }
        match closes {
            Some(index) => message.push_script(0, sql, index..end),
            None => message.push(Slot::End(0), "COMMIT"),
        }
        self.send_part(claim, message).await
    }

    /// Adds the beginning of a unit's transaction: the session settings of the script so far.
    fn enter(&self, claim: &Claim<'_>, unit: &Unit, message: &mut Message) {
        if claim.scope == SettingsScope::WholeScript {
            message.push(Slot::Begin(0), &same_session(claim));
        }
        // The role of the script may already be set if it has its own session.
        let as_run = matches!(claim.scope, SettingsScope::PerUnit(_))
            || self.keep(claim.sql).is_empty()
            || !names_role(claim.sql);
        if as_run && self.may_alter(claim.history_table, claim.job) {
            message.push(Slot::Begin(0), &sql::count(claim.history_table, self.table()));
        }
        if let SettingsScope::PerUnit(settings) = &claim.scope {
            if !settings.is_empty() {
                message.push(Slot::Begin(0), &session_state::save(self.session_cleanup));
            }
            self.set_anew(claim, settings, unit, "LOCAL ", message);
        }
        message.push(Slot::Begin(0), &sql::mark_unit(self.unit_lock(claim)));
        message.push(Slot::Begin(0), &self.default_lock_timeout());
    }

    /// The key of the lock that shows that the transaction of a unit is still the same, for scripts that may remove
    /// its mark.
    fn unit_lock(&self, claim: &Claim<'_>) -> Option<i64> {
        (self.facts().advisory && self.changes_session(claim.job)).then(|| sql::key(&[&claim.owner]))
    }

    /// Adds the end of a unit's transaction: restores those settings.
    fn leave(&self, claim: &Claim<'_>, message: &mut Message) {
        if matches!(&claim.scope, SettingsScope::PerUnit(settings) if !settings.is_empty()) {
            for word in self.restore_within() {
                message.push(Slot::Bookkeeping(0), &word);
            }
        }
    }

    /// Adds the script's directives, and its settings before this unit.
    fn set_anew(&self, claim: &Claim<'_>, settings: &[usize], unit: &Unit, scope: &str, message: &mut Message) {
        for word in self.head(claim.sql, scope) {
            message.push(Slot::Begin(0), &word);
        }
        for index in settings.iter().filter(|index| **index < unit.statements.start) {
            message.push_script(0, claim.sql, *index..*index + 1);
        }
    }

    /// The directives of a script as SET statements. By default there is no lock timeout: CREATE INDEX CONCURRENTLY
    /// waits for every older transaction as if for a lock, and a timeout would leave an invalid index behind.
    pub(super) fn head(&self, sql: &Sql, scope: &str) -> Vec<String> {
        let script = &sql.script;
        let wait = script.lock_timeout().map_or(0, |timeout| timeout.as_millis());
        let mut words = vec![format!("SET {scope}lock_timeout = {wait}")];
        let general = || Some(u128::from(self.limits?.statement_timeout?.as_millis()));
        if let Some(timeout) = script.statement_timeout().map(|timeout| timeout.as_millis()).or_else(general) {
            words.push(format!("SET {scope}statement_timeout = {timeout}"));
        }
        if let Some(role) = sql.role() {
            words.push(format!("SET {scope}ROLE {}", identifier(role)));
        }
        words
    }

    /// Sets the run's lock timeout in a transaction, unless the script sets one: a failure there leaves nothing behind.
    fn default_lock_timeout(&self) -> String {
        let limit = self.limits.map_or(0, |limits| limits.lock_timeout.as_millis());
        format!(
            "SELECT pg_catalog.set_config('lock_timeout', '{limit}', true) \
             WHERE pg_catalog.current_setting('lock_timeout') OPERATOR(pg_catalog.=) '0'"
        )
    }

    pub(super) async fn send_part(&mut self, claim: &Claim<'_>, message: Message) -> Result<(), Failure> {
        let Err((results, cause)) = self.send(message.sql.clone(), &mut |_| ()).await else { return Ok(()) };
        let slot = message.slots.get(results).copied().unwrap_or(Slot::Bookkeeping(0));
        let _ = self.roll_back().await;
        if cause.code.as_deref() == Some(sql::check::OVERTAKEN) && matches!(slot, Slot::Begin(_)) {
            let message = "the connection goes through a pooler in transaction mode, but this script needs a session \
                           of its own: it runs code or changes the session";
            return Err(Failure::new(0, FailedAt::Begin, Cause::new(Class::Pooler, message)));
        }
        if cause.code.as_deref() == Some(sql::check::ALTERED) && matches!(slot, Slot::Guard(_)) {
            return Err(Failure::new(0, FailedAt::Bookkeeping, Cause::new(Class::Altered, ALTERED)));
        }
        if cause.code.as_deref() == Some(GUARD) {
            match slot {
                Slot::Guard(_) => return Err(self.not_recorded(claim).await),
                Slot::Bookkeeping(_) => {
                    let message = "a statement ended the transaction that should have recorded it: what it did up to \
                                   there may be committed";
                    let cause = Cause::new(Class::Other, message);
                    return Err(Failure::new(0, FailedAt::Bookkeeping, cause));
                }
                _ => {}
            }
        }
        Err(self.failure(&message, slot, slice::from_ref(claim.job), 0, cause))
    }

    /// Runs a statement that cannot run in a transaction, or a block that cannot be recorded in its own transaction.
    async fn run_announced(&mut self, claim: &Claim<'_>, unit: &Unit, first: usize) -> Result<(), Failure> {
        let target = prepares(claim.sql, unit).unwrap_or(first);
        let number = u32::try_from(target + 1).unwrap_or(u32::MAX);
        let effect = Probe::of(&claim.sql.text, &claim.sql.statements[target]);
        if claim.in_doubt() == Some(target) {
            // Names must mean the same as to the statement itself.
            self.enter_session(claim, unit).await?;
            let answer = self.ask_catalogue(&effect).await.map_err(|cause| at_statement(target, cause))?;
            match answer {
                Answer::Finished => {
                    self.leave_session(claim).await;
                    return self.record(claim, unit.statements.end).await;
                }
                Answer::Send => {}
                Answer::Building => {
                    return Err(at_statement(target, still_at_work()));
                }
                Answer::Unknown => {
                    return Err(at_statement(target, Cause::in_doubt()));
                }
            }
        } else {
            let mut message = Message::default();
            message.push(Slot::Begin(0), BEGIN);
            if claim.scope == SettingsScope::WholeScript {
                message.push(Slot::Begin(0), &same_session(claim));
            }
            if let SettingsScope::PerUnit(settings) = &claim.scope {
                self.set_anew(claim, settings, unit, "LOCAL ", &mut message);
            }
            for setting in self.keep(claim.sql) {
                message.push(Slot::Bookkeeping(0), &setting);
            }
            let heard = owner_now(&claim.owner);
            // If an index of this name exists, the statement fails or does nothing: an index that is found later is not
            // its work.
            let number = match super::catalogue::index_exists(&effect) {
                Some(there) => format!("CASE WHEN {there} THEN NULL ELSE {number} END"),
                None => number.to_string(),
            };
            let announce =
                format!("UPDATE {} SET under_way = {number}, owner = {heard}{}", self.table(), where_owned(claim));
            message.push(Slot::Guard(0), &checked(&announce));
            message.push(Slot::End(0), "COMMIT");
            self.send_part(claim, message).await?;
        }
        self.enter_session(claim, unit).await?;
        self.send_outside(claim, unit, first).await?;
        self.leave_session(claim).await;
        self.record(claim, unit.statements.end).await
    }

    /// Gives the session the settings of the script before this unit, for a statement outside a transaction.
    async fn enter_session(&mut self, claim: &Claim<'_>, unit: &Unit) -> Result<(), Failure> {
        let SettingsScope::PerUnit(settings) = &claim.scope else { return Ok(()) };
        let mut message = Message::default();
        self.set_anew(claim, settings, unit, "", &mut message);
        self.send_part(claim, message).await
    }

    /// Restores the session after such a statement.
    async fn leave_session(&mut self, claim: &Claim<'_>) {
        if let SettingsScope::PerUnit(_) = claim.scope {
            self.put_back(claim.sql).await;
        }
    }

    async fn send_outside(&mut self, claim: &Claim<'_>, unit: &Unit, first: usize) -> Result<(), Failure> {
        if unit.kind == UnitKind::Block {
            let mut message = Message::default();
            message.push_script(0, claim.sql, unit.statements.clone());
            return self.send_part(claim, message).await;
        }
        if let Err((at, cause)) = self.run_statement(claim.sql, first).await {
            let _ = self.roll_back().await;
            return Err(Failure::new(0, at, cause));
        }
        Ok(())
    }

    /// Records that `done` statements have finished, in its own transaction.
    pub(super) async fn record(&mut self, claim: &Claim<'_>, done: usize) -> Result<(), Failure> {
        let mut message = Message::default();
        message.push(Slot::Bookkeeping(0), BEGIN);
        self.push_record(claim, done, &mut message);
        message.push(Slot::End(0), "COMMIT");
        let mut recorded = self.send_part(claim, message).await;
        if let Err(failure) = &mut recorded {
            failure.at = FailedAt::Bookkeeping;
        }
        recorded
    }

    /// Adds the record that `done` statements have finished. It fails if the script is no longer ours.
    fn push_record(&self, claim: &Claim<'_>, done: usize, message: &mut Message) {
        let (history_table, entry, table) = (claim.history_table, &claim.job.entry, self.table());
        for setting in self.keep(claim.sql) {
            message.push(Slot::Bookkeeping(0), &setting);
        }
        let done = u32::try_from(done).unwrap_or(u32::MAX);
        let altered = self.may_alter(history_table, claim.job);
        // The row of the script is there since it was claimed.
        let rows = self.rows + i64::from(claim.job.action == Action::Apply);
        if altered {
            message.push(Slot::Guard(0), &sql::counted(history_table, table, rows, 0));
        }
        if done < claim.total() {
            let finished = claim.sql.finished(done).map_or_else(|| "NULL".to_owned(), |sum| format!("'{sum}'"));
            let step = format!(
                "UPDATE {table} SET statements_done = {done}, finished_checksum = {finished}, under_way = NULL, \
                 owner = {}{}",
                owner_now(&claim.owner),
                where_owned(claim)
            );
            message.push(Slot::Guard(0), &checked(&step));
            if altered {
                message.push(Slot::Guard(0), &sql::counted(history_table, table, rows, 0));
            }
            return;
        }
        let last = match claim.job.goes_up() {
            true => format!(
                "UPDATE {table} SET state = 'applied', statements_done = {done}, finished_checksum = NULL, \
                 checksum = '{}', owner = NULL, under_way = NULL, \
                 elapsed_ms = elapsed_ms {PLUS} (EXTRACT(epoch FROM pg_catalog.clock_timestamp() {LESS} applied_at) {TIMES} \
                 1000)::bigint, \
                 applied_at = pg_catalog.clock_timestamp(){}",
                entry.checksum,
                where_owned(claim)
            ),
            false => format!("DELETE FROM {table}{}", where_owned(claim)),
        };
        message.push(Slot::Guard(0), &checked(&last));
        if altered {
            let more = if claim.job.goes_up() { 0 } else { -1 };
            message.push(Slot::Guard(0), &sql::counted(history_table, table, rows, more));
        }
        message.push(Slot::Bookkeeping(0), &sql::log(history_table, table, entry, claim.job.log_event(), None));
    }

    /// The settings for Lockgate's own statements in this transaction: the role of the run. The search path stays,
    /// because deferred triggers run at the commit.
    pub(super) fn keep(&self, sql: &Sql) -> Vec<String> {
        let mut settings = Vec::new();
        let changes = |statement: &Statement| {
            let flags = statement.flags;
            flags.contains(StatementFlags::SESSION_STATE) || flags.contains(StatementFlags::RUNS_CODE)
        };
        let changed = sql.statements.iter().any(changes);
        if changed && sql.text.to_ascii_lowercase().contains("authorization") {
            settings.push(format!("SET LOCAL SESSION AUTHORIZATION {}", literal(&self.facts().login)));
        }
        if changed || sql.role().is_some() {
            settings.push(format!("SET LOCAL ROLE {}", self.role()));
        }
        settings
    }

    /// Claims the row of this script, unless a live run owns it.
    async fn claim<'c>(
        &mut self,
        history_table: &'c HistoryTable,
        job: &'c Job,
        sql: &'c Sql,
        scope: SettingsScope,
    ) -> Result<Claim<'c>, Failure> {
        let fail = |at, cause| Failure::new(0, at, cause);
        let (mut attempt, mut free) = (0, 0);
        let token = crate::backend::chance();
        loop {
            let cause = match self.rows(self.claiming(history_table, job, sql, &scope, token)).await {
                Ok(rows) => {
                    self.prepared(history_table);
                    let row = rows.iter().find(|row| row.try_get::<String, _>("owner").is_ok());
                    let under_way = row.and_then(|row| row.try_get::<Option<i32>, _>("under_way").ok().flatten());
                    let owner: String = row.and_then(|row| row.try_get("owner").ok()).unwrap_or_default();
                    let owner = owner.rsplit_once('/').map_or_else(String::new, |(owner, _)| owner.to_owned());
                    let own = of_owner(history_table, job, &owner);
                    self.claimed = Some(format!("UPDATE {} SET owner = NULL{own}", self.table()));
                    return Ok(Claim {
                        history_table,
                        job,
                        sql,
                        owner,
                        under_way: under_way.and_then(|number| u32::try_from(number).ok()),
                        transaction: row.and_then(|row| row.try_get::<String, _>("transaction").ok()?.parse().ok()),
                        scope,
                    });
                }
                Err(cause) => cause,
            };
            let _ = self.roll_back().await;
            match cause.code.as_deref() {
                // The history has changed since the plan was made.
                Some(sql::check::OVERTAKEN) => {
                    return Err(fail(FailedAt::Bookkeeping, Cause::new(Class::Overtaken, "another run came first")));
                }
                Some(sql::check::ALTERED) => {
                    return Err(fail(FailedAt::Bookkeeping, Cause::new(Class::Altered, ALTERED)));
                }
                Some(sql::check::BUSY) if !self.facts().candidates.present(&history_table.table) => {
                    return Err(fail(
                        FailedAt::Begin,
                        Cause::new(Class::Busy, "another run is creating the history table"),
                    ));
                }
                // Another run has created the row or the table.
                Some(GUARD) => {}
                Some(code) if MADE.contains(&code) && self.facts().candidates.present(&history_table.table) => {}
                Some(code) if MADE.contains(&code) => {
                    return Err(fail(FailedAt::Bookkeeping, Cause::new(Class::Overtaken, "another run came first")));
                }
                _ => {
                    let there = self.facts().candidates.present(&history_table.table);
                    return Err(fail(if there { FailedAt::Begin } else { FailedAt::Preparation }, cause));
                }
            }
            let found = self.rows(select_row(history_table, self.table(), job.entry.version)).await;
            let found = found.map_err(|cause| fail(FailedAt::Bookkeeping, cause))?;
            let holder: Option<String> = found.first().and_then(|row| row.try_get("holder").ok()).flatten();
            let planned = found.first().map_or(job.action == Action::Apply, |row| as_planned(row, job));
            if let Some(holder) = holder {
                let message = format!("{holder}, which is working on `{}`", job.id);
                return Err(fail(FailedAt::Bookkeeping, Cause::new(Class::Busy, message)));
            } else if free >= CLAIMS && planned {
                let message = "the history table did not take the row: a trigger or a rule on it may be the reason";
                return Err(fail(FailedAt::Bookkeeping, Cause::new(Class::Unwritten, message)));
            } else if !planned && (free >= CLAIMS || !found.is_empty()) {
                return Err(fail(FailedAt::Bookkeeping, Cause::new(Class::Overtaken, "another run came first")));
            } else {
                free += 1;
            }
            tokio::time::sleep(backoff(attempt, Duration::from_millis(20), Duration::from_millis(500))).await;
            attempt += 1;
        }
    }

    /// The message that claims the row and applies the script's directives.
    fn claiming(
        &self,
        history_table: &HistoryTable,
        job: &Job,
        sql: &Sql,
        scope: &SettingsScope,
        token: u64,
    ) -> String {
        let table = self.table();
        let mut statements = vec![BEGIN.to_owned()];
        let found = &self.facts().candidates;
        if !found.present(&history_table.table) {
            let lock = self.mutex(history_table);
            statements.extend(sql::create_alone(table, &lock));
            statements.extend(sql::create(table, &history_table.table, &lock));
        } else if !found.extended(&history_table.table) {
            statements.push(sql::extend(table));
        }
        if *scope == SettingsScope::WholeScript {
            statements.extend(self.head(sql, ""));
        }
        statements.extend(self.keep(sql));
        statements.push(self.guard(history_table));
        let triggers = self.facts().candidates.has_triggers(&history_table.table);
        if triggers {
            statements.push(sql::count(history_table, table));
        }
        if job.action == Action::Apply {
            let insert = sql::insert(history_table, table, &job.entry, State::Partial, 0, None);
            statements.push(checked(&insert));
        }
        let done = job.action.statements_done();
        let (expected, state) = match job.action {
            Action::Revert => (format!("h.state {NE} 'reverting'"), State::Reverting),
            Action::ResumeRevert { .. } => {
                (format!("h.state {EQ} 'reverting' AND h.statements_done {EQ} {done}"), State::Reverting)
            }
            _ => (format!("h.state {EQ} 'partial' AND h.statements_done {EQ} {done}"), State::Partial),
        };
        // The part that has not run may have been edited since the row was written. When reverting, the row keeps the
        // checksum of the applied text.
        let checksum = if job.goes_up() { format!(", checksum = '{}'", job.entry.checksum) } else { String::new() };
        let anew = match job.action {
            Action::Revert => ", statements_done = 0, finished_checksum = NULL, under_way = NULL",
            _ => "",
        };
        let me = format!(
            "pg_catalog.concat(pg_catalog.pg_backend_pid(), '/', (SELECT {BACKEND_START} \
             FROM pg_catalog.pg_stat_activity a WHERE a.pid {EQ} pg_catalog.pg_backend_pid()), '/{token:016x}/', {})",
            moment(0)
        );
        statements.push(format!(
            "WITH o AS (SELECT pg_catalog.split_part(h.owner, '/', 5) AS transaction FROM {table} h \
             WHERE h.set_name {EQ} {set} AND h.version {EQ} {version}::bigint), \
             w AS (UPDATE {table} AS h SET owner = {me}, state = '{}'{checksum}{anew} \
             WHERE h.set_name {EQ} {set} AND h.version {EQ} {version}::bigint AND {expected} AND NOT {} \
             RETURNING h.owner, h.under_way) \
             SELECT pg_catalog.max(owner) AS owner, pg_catalog.max(under_way) AS under_way, \
             (SELECT o.transaction FROM o) AS transaction, 1 {PER} pg_catalog.count(*)::integer AS taken FROM w",
            state.as_str(),
            alive(),
            set = literal(&history_table.set),
            version = job.entry.version,
        ));
        if triggers {
            statements.push(sql::counted(history_table, table, self.rows, i64::from(job.action == Action::Apply)));
        }
        statements.push("COMMIT".to_owned());
        statements.join(";\n")
    }

    /// Explains, from the row as it is now, why a unit could not be recorded.
    async fn not_recorded(&mut self, claim: &Claim<'_>) -> Failure {
        let rows =
            self.rows(select_row(claim.history_table, self.table(), claim.job.entry.version)).await.unwrap_or_default();
        let owner: Option<String> = rows.first().and_then(|row| row.try_get("owner").ok()).flatten();
        let message = match owner {
            Some(owner) if owner.starts_with(&claim.owner) => {
                "the history table did not take the row: a trigger or a rule on it may be the reason".to_owned()
            }
            Some(owner) => format!("another run took the script over while this one did not respond: {owner}"),
            None => "its row in the history was changed while it ran".to_owned(),
        };
        Failure::new(0, FailedAt::Bookkeeping, Cause::new(Class::Other, message))
    }

    /// Whether the failed statement may have left something half done, so that its record as started must stay. Must be
    /// called before the session is restored. A valid object is older than the statement, which failed.
    async fn may_be_half_done(&mut self, claim: &Claim<'_>, failure: &Failure) -> bool {
        let FailedAt::Statement { index, .. } = failure.at else { return true };
        let Some(statement) = claim.sql.statements.get(index) else { return true };
        if matches!(failure.cause.class, Class::InDoubt | Class::Busy) {
            return true;
        }
        // What was sent to another database is looked for there.
        if let Some(mut elsewhere) = self.elsewhere.take() {
            let effect = Probe::of(&claim.sql.text, statement);
            let half = match &effect {
                Probe::Index { .. } | Probe::Rebuilt(_) | Probe::Detached(_) => {
                    elsewhere.backend.is_half_made(&effect).await.unwrap_or(true)
                }
                _ => may_have_committed(statement, &failure.cause),
            };
            // What ran in a transaction was rolled back.
            return half && self.started_there.as_ref().is_some_and(String::is_empty);
        }
        match Probe::of(&claim.sql.text, statement) {
            effect @ (Probe::Index { .. } | Probe::Rebuilt(_) | Probe::Detached(_)) => {
                self.is_half_made(&effect).await.unwrap_or(true)
            }
            _ => may_have_committed(statement, &failure.cause),
        }
    }

    /// Releases the claim on a script that failed. Removes the record of a started statement that left nothing.
    async fn give_up(&mut self, claim: &Claim<'_>, left: bool) {
        let forget = if left { "" } else { ", under_way = NULL" };
        let owner = match self.started_there.take().filter(|transaction| left && !transaction.is_empty()) {
            Some(transaction) => kept_owner(&transaction),
            None => "owner = NULL".to_owned(),
        };
        self.claimed = None;
        let mut statements = vec![BEGIN.to_owned()];
        statements.extend(self.keep(claim.sql));
        statements.push(format!("UPDATE {} SET {owner}{forget}{}", self.table(), where_owned(claim)));
        statements.push("COMMIT".to_owned());
        // If this fails, the next run finds a dead owner.
        if self.execute(statements.join("; ")).await.is_err() {
            let _ = self.roll_back().await;
        }
    }

    /// Runs one statement of a script outside a transaction.
    pub(super) async fn run_statement(&mut self, sql: &Sql, index: usize) -> Result<(), (FailedAt, Cause)> {
        let statement = &sql.statements[index];
        if statement.data.is_some() {
            let hide = self.messages("SET", true);
            self.execute(hide).await.map_err(|cause| (FailedAt::Statement { index, byte: None }, cause))?;
            return self.copy(sql, index).await;
        }
        let builds = matches!(statement.kind, StatementKind::CreateIndex | StatementKind::Maintenance);
        self.invalid = None;
        if builds && statement.flags.contains(StatementFlags::OUTSIDE_TRANSACTION) {
            let about = Probe::of(&sql.text, statement);
            let found = self.invalid_indexes(&about).await;
            self.invalid = Some(found.map_err(|cause| (FailedAt::Statement { index, byte: None }, cause))?);
        }
        // Alone in its message: several statements in one message would be a transaction.
        let code = sql.text[statement.range.clone()].to_owned();
        self.send(code.clone(), &mut |_| ()).await.map_err(|(_, cause)| {
            let byte = cause
                .position
                .and_then(|position| code.char_indices().nth(position.get() - 1))
                .map(|(byte, _)| statement.range.start + byte);
            (FailedAt::Statement { index, byte }, cause)
        })?;
        let untouched = match &self.invalid {
            Some(before) if before.iter().any(|index| index.meant) => self.left_invalid(statement.kind).await,
            Some(_) | None => None,
        };
        match untouched {
            Some(name) => {
                let message = format!("the index \"{name}\" was INVALID before, and IF NOT EXISTS does not rebuild it");
                Err((FailedAt::Statement { index, byte: None }, Cause::new(Class::Other, message)))
            }
            None => Ok(()),
        }
    }

    /// Returns the invalid index that `IF NOT EXISTS` found and did not rebuild: it has the same oid as before the
    /// statement. The server reports this only in a notice.
    async fn left_invalid(&mut self, kind: StatementKind) -> Option<String> {
        if kind != StatementKind::CreateIndex {
            return None;
        }
        let now = self.invalid_indexes(&Probe::Unknown).await.ok()?;
        let before = self.invalid.as_ref()?;
        let left = before.iter().find(|old| old.meant && now.iter().any(|now| now.oid == old.oid))?;
        Some(left.name.clone())
    }

    /// Restores the session after a script outside a transaction.
    async fn put_back(&mut self, sql: &Sql) {
        let mut statements = self.restore_statements();
        if sql.has_data() {
            statements.push(self.messages("SET", false));
        }
        // If this fails, the bookkeeping that follows fails too.
        let _ = self.execute(statements.join("; ")).await;
    }
}

/// The failure if the session of the finished statements is gone, and the rest of the script may need it.
fn lost_session(sql: &Sql, units: &[Unit], done: usize) -> Option<Cause> {
    let next = units.iter().find(|unit| unit.statements.end > done)?;
    // After `\connect`, only the statements since then belong to the session.
    let from = sql.connect_before(next.statements.end - 1).map_or(0, |(at, _)| at);
    let lost = unit::lost(Dialect::Postgres, &sql.text, &sql.statements, units, from..done)?;
    Some(Cause::new(Class::Other, lost.message(Dialect::Postgres)))
}

/// Whether a script mentions a role.
fn names_role(sql: &Sql) -> bool {
    let text = sql.text.to_ascii_lowercase();
    sql.role().is_some() || text.contains("role") || text.contains("authorization")
}

/// Whether a statement sets the mode of its transaction: isolation, read-only or deferrable.
fn sets_transaction_mode(sql: &Sql, statement: &Statement) -> bool {
    const OF_IT: [&str; 4] =
        ["transaction", "transaction_read_only", "transaction_isolation", "transaction_deferrable"];
    let code = sql.text.get(statement.range.clone()).unwrap_or_default();
    let words = code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let mut words = words.map(str::to_ascii_lowercase).take(3);
    let sets = words.next().is_some_and(|word| word == "set");
    let name = words.find(|word| word != "local" && word != "session");
    sets && name.is_some_and(|name| OF_IT.contains(&name.as_str()))
}

/// A statement that fails with [`sql::check::OVERTAKEN`] in any session but the one that claimed the row.
fn same_session(claim: &Claim<'_>) -> String {
    let pid = claim.owner.split('/').next().unwrap_or_default();
    format!(
        "SELECT pg_catalog.sqrt((CASE WHEN pg_catalog.pg_backend_pid()::pg_catalog.text OPERATOR(pg_catalog.=) {} \
         THEN 1 ELSE -1 END)::double precision)",
        literal(pid)
    )
}

/// A WHERE clause for the row of this script, if it is still ours.
pub(super) fn where_owned(claim: &Claim<'_>) -> String {
    of_owner(claim.history_table, claim.job, &claim.owner)
}

/// A WHERE clause for the row of this script, if it has this owner.
fn of_owner(history_table: &HistoryTable, job: &Job, owner: &str) -> String {
    format!(
        " WHERE set_name {EQ} {} AND version {EQ} {}::bigint AND pg_catalog.split_part(owner, '/', 3) {EQ} {}",
        literal(&history_table.set),
        job.entry.version,
        literal(owner.rsplit('/').next().unwrap_or_default())
    )
}

/// The value of `owner` with the current time, as a sign of life.
fn owner_now(owner: &str) -> String {
    format!("pg_catalog.concat({}, '/', {})", literal(owner), moment(0))
}

/// The time `ago` seconds ago, as a text that sorts by time.
pub(super) fn moment(ago: u32) -> String {
    format!(
        "pg_catalog.to_char((pg_catalog.clock_timestamp() {LESS} interval '{ago} seconds') AT TIME ZONE 'UTC', {MOMENT})"
    )
}

/// What the row keeps of a run that has given up, if a statement in another database may have taken effect.
pub(super) fn kept_owner(transaction: &str) -> String {
    format!("owner = '0////{transaction}'")
}

/// Wraps a statement so that it fails if it writes no row.
pub(super) fn checked(statement: &str) -> String {
    format!("WITH w AS ({statement} RETURNING 1) SELECT 1 {PER} pg_catalog.count(*)::integer FROM w")
}

/// A condition: the owner in the row `h` is another run that is alive. A session that has long been idle belongs to a
/// dead run, as in a pooler, because a run sends one statement after the other. If the owner's session is this very
/// connection, both share it through a pooler: then the owner is alive if its sign of life is recent.
fn alive() -> String {
    format!(
        "EXISTS (SELECT FROM pg_catalog.pg_stat_activity a \
         WHERE a.pid::{TEXT} {EQ} pg_catalog.split_part(h.owner, '/', 1) \
         AND (a.backend_start IS NULL OR {BACKEND_START} {EQ} pg_catalog.split_part(h.owner, '/', 2)) \
         AND CASE WHEN a.pid {EQ} pg_catalog.pg_backend_pid() \
         THEN pg_catalog.split_part(h.owner, '/', 4) {GREATER} {} \
         ELSE NOT (COALESCE(a.state, '') {EQ} 'idle' \
         AND a.state_change {BEFORE} (pg_catalog.clock_timestamp() {LESS} interval '10 seconds')) END)",
        moment(10),
    )
}

/// The owner in the row `h`, for messages.
const HOLDER: &str = "pg_catalog.concat('pid ', pg_catalog.split_part(h.owner, '/', 1), ', connected since ', \
     pg_catalog.split_part(h.owner, '/', 2))";

/// Selects the row of a script, and its owner if that is alive.
pub(super) fn select_row(
    history_table: &HistoryTable,
    table: &crate::history_table::TableName,
    version: Version,
) -> String {
    format!(
        "SELECT h.state, h.statements_done, h.owner, CASE WHEN {} THEN {HOLDER} END AS holder \
         FROM {table} h WHERE h.set_name {EQ} {} AND h.version {EQ} {}::bigint",
        alive(),
        literal(&history_table.set),
        version
    )
}

/// Whether a row still matches the plan.
fn as_planned(row: &sqlx::postgres::PgRow, job: &Job) -> bool {
    let state: String = row.try_get("state").unwrap_or_default();
    let done = row.try_get::<i32, _>("statements_done").ok().and_then(|done| u32::try_from(done).ok());
    match job.action {
        Action::ResumeApply { statements_done } => state == "partial" && done == Some(statements_done),
        Action::ResumeRevert { statements_done } => state == "reverting" && done == Some(statements_done),
        Action::Revert => state != "reverting",
        Action::Apply
        | Action::ApplyAgain
        | Action::Record
        | Action::Rewrite
        | Action::Forget
        | Action::Settle { .. } => false,
    }
}

/// Returns the statement of a block before which the block must be recorded: its COMMIT, or the statement after which
/// it may not write. `None` if it must be recorded after the block, which then can safely run twice: it is rolled
/// back or read-only.
fn closes(sql: &Sql, unit: &Unit) -> Option<usize> {
    let control = |index: usize| unit::control(Dialect::Postgres, &sql.text, &sql.statements[index]);
    let last = unit.statements.clone().rev().find(|index| control(*index).is_some())?;
    if control(unit.statements.start) != Some(Control::Begin) || control(last) != Some(Control::Commit) {
        return None;
    }
    let mode = |index: usize| reads_only(sql, &sql.statements[index]);
    let Some(first) = unit.statements.clone().find(|index| mode(*index) == Some(true)) else { return Some(last) };
    if (first + 1..last).any(|index| mode(index) == Some(false)) {
        return Some(last);
    }
    let ran = (unit.statements.start + 1..first).any(|index| !sets_transaction_mode(sql, &sql.statements[index]));
    ran.then_some(first)
}

/// Whether a statement makes its transaction read-only or read-write. `None` if it does neither.
fn reads_only(sql: &Sql, statement: &Statement) -> Option<bool> {
    if !matches!(statement.kind, StatementKind::Transaction | StatementKind::Session) {
        return None;
    }
    let code = sql.text[statement.range.clone()].to_ascii_lowercase();
    let words: Vec<&str> =
        code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty()).collect();
    if words.contains(&"characteristics") {
        return None; // of the transactions to come
    }
    match words.windows(2).find(|pair| pair[0] == "read" && matches!(pair[1], "only" | "write")) {
        Some(pair) => Some(pair[1] == "only"),
        None => words
            .contains(&"transaction_read_only")
            .then(|| !words.last().is_some_and(|value| matches!(*value, "off" | "false" | "no" | "0" | "default"))),
    }
}

/// Returns the `PREPARE TRANSACTION` of a block.
fn prepares(sql: &Sql, unit: &Unit) -> Option<usize> {
    let is =
        |index: &usize| unit::control(Dialect::Postgres, &sql.text, &sql.statements[*index]) == Some(Control::Prepare);
    unit.statements.clone().find(is)
}

/// Checks that a unit can be recorded. The error is the index of a statement, and the reason.
fn check_unit(sql: &Sql, unit: &Unit) -> Result<(), (usize, &'static str)> {
    let is_sent = |index: &usize| sql.statements[*index].is_sent();
    let mut sent = unit.statements.clone().filter(is_sent);
    let ends = sent.next().map(|first| (first, sent.next_back().unwrap_or(first)));
    if let Some((first, last)) = ends
        && let Some((at, _)) = sql.connect_before(last)
        && at > first
    {
        return Err((at, "`\\connect` would leave the transaction that is open here: end it before"));
    }
    if unit.kind != UnitKind::Block {
        return Ok(());
    }
    let control = |index: usize| unit::control(Dialect::Postgres, &sql.text, &sql.statements[index]);
    if let Some(chain) = unit.statements.clone().find(|index| control(*index) == Some(Control::Chain)) {
        return Err((chain, "progress cannot be recorded after `AND CHAIN`: write COMMIT and BEGIN instead"));
    }
    let ends = |index: usize| matches!(control(index), Some(Control::Commit | Control::Rollback | Control::Prepare));
    let prepared = unit.statements.clone().find(|index| control(*index) == Some(Control::Prepare));
    if let Some(prepared) = prepared.filter(|index| sql.connect_before(*index).is_some()) {
        return Err((prepared, "progress cannot be recorded for a prepared transaction after `\\connect`"));
    }
    if !unit.statements.clone().any(ends) {
        let first = unit.statements.clone().find(|index| control(*index).is_some()).unwrap_or(unit.statements.start);
        return Err((first, "the transaction that begins here does not end in the script: add a COMMIT"));
    }
    Ok(())
}
