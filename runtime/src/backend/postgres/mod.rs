//! PostgreSQL. Several migrations are sent in one simple-query message, each in its own transaction with its history
//! row. Only the last commit of a run waits for the disk.

#[cfg(feature = "adopt")]
mod adopt;
mod bookkeeping;
#[cfg(feature = "operations")]
pub(crate) mod bootstrap;
mod catalogue;
mod cause;
mod copy;
#[cfg(feature = "operations")]
mod doctor;
#[cfg(feature = "databases")]
mod elsewhere;
#[cfg(not(feature = "databases"))]
#[path = "nowhere.rs"]
mod elsewhere;
mod facts;
#[cfg(feature = "operations")]
mod invalid_index;
#[cfg(feature = "operations")]
mod look;
mod message;
#[cfg(feature = "databases")]
pub(crate) mod mirror;
mod outside_transaction;
#[cfg(feature = "databases")]
pub(crate) mod rights;
mod run;
#[cfg(feature = "schema")]
mod schema;
#[cfg(feature = "schema")]
pub(crate) mod scratch;
mod session_state;
mod sql;
#[cfg(feature = "operations")]
mod verifier;

use std::task::{Context, Waker};
use std::time::Duration;

use futures_util::TryStreamExt;
#[cfg(feature = "databases")]
use lockgate_core::mirror::Identity;
use lockgate_core::{Atomicity, Dialect, History, Probe, Set, Stage};
use sqlx::postgres::{PgQueryResult, PgRow, PgTransactionManager};
use sqlx::{Connection, Either, PgConnection, Postgres, Row};
use sqlx_core::transaction::TransactionManager;

use self::facts::DatabaseFacts;
use self::message::{Message, Slot};
use self::sql::BEGIN;
use self::sql::{EQ, Lock, TEXT, literal};
use super::{
    Backend, BoxFuture, Deadline, Failure, Intent, Job, Limits, LockFailure, LockRequest, OnProgress, Pace, RunEnd,
    SessionCleanup, backoff,
};
use crate::error::{Cause, Class};
#[cfg(feature = "operations")]
use crate::finding::{Examination, Finding};
use crate::history_table::{self, HistoryEntry, HistoryTable, LogEvent, TableName, identifier};
#[cfg(feature = "operations")]
use crate::log::LogEntry;
use crate::session::HeldConnection;
#[cfg(feature = "operations")]
use crate::table_size::TableSize;

use self::cause::{OwnTables, with_grant};

pub(crate) use cause::cause;
#[cfg(feature = "operations")]
pub(crate) use look::progress;

/// The digest of a history without rows: the SHA-256 of an empty text.
const NO_ROWS: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(crate) struct PostgresBackend<'a> {
    held: HeldConnection<'a, Postgres>,
    /// When the connection began to be made, if it is ours.
    connected: Option<tokio::time::Instant>,
    /// Whether nobody else has had the connection.
    is_own: bool,
    facts: Option<DatabaseFacts>,
    limits: Option<Limits>,
    atomicity: Atomicity,
    connection_state: ConnectionState,
    /// The transaction of the whole run, if the run has one.
    run_transaction: RunTransaction,
    /// The history from the last read, until `lock` takes it.
    history: Option<History>,
    /// What the next transaction expects the history to be.
    expected: Expected,
    /// The number of rows that the set has by then: those that were read, and those that this run has written since.
    rows: i64,
    /// What the verb does with the history.
    intent: Intent,
    /// Whether another session held the lock at the last attempt.
    busy: bool,
    /// The transaction id of the transaction that began last.
    transaction: Option<i64>,
    /// Whether the session may have been changed.
    dirty: bool,
    /// Whether the last commit of this run did not wait for the disk.
    unflushed: bool,
    /// Whether the database has code that may change a session, or this run has defined some.
    reaches_session_code: bool,
    string_syntax: StringSyntax,
    /// The error of a pooler, if that is why the connection is lost.
    refused: Option<Cause>,
    /// The session in another database in which a script goes on.
    elsewhere: Option<elsewhere::Elsewhere>,
    /// The transaction of the statement that was started last in another database; empty if it has none.
    started_there: Option<String>,
    /// The SQL that releases the claim on a script outside a transaction.
    claimed: Option<String>,
    /// How many migrations one message may hold.
    batch: usize,
    /// The saved session state, if the session is the caller's or the whole run is one transaction.
    saved_session: Option<String>,
    session_cleanup: SessionCleanup,
    pace: Pace,
    /// The indexes that were invalid before the last statement that builds indexes concurrently.
    invalid: Option<Vec<catalogue::Invalid>>,
}

/// What the connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ConnectionState {
    /// Nothing: every query is answered.
    Ready,
    /// An answer is outstanding.
    Asked,
    /// The data of a COPY are being sent.
    Copying,
    /// The connection is lost.
    Lost,
}

/// How the server parses string literals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StringSyntax {
    /// As the session is set.
    OfSession,
    /// As the scripts were checked: a backslash in a plain string is an ordinary character.
    Standard,
}

/// The transaction of a whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RunTransaction {
    /// There is none.
    None,
    /// It has begun.
    Begun,
    /// It has begun, and the history table exists.
    WithTables,
}

/// What a transaction expects the history to be. The database checks it under the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Expected {
    /// The history that was read, with this digest.
    Digest(String),
    /// The last step of this run: a version, and whether it is now recorded.
    Step(i64, bool),
}

/// What the first query has found.
enum Looked {
    /// Exactly the expected set is applied.
    AtHead,
    /// The same, with the rows and the stage of the database.
    Rows(History, Option<Stage>),
    /// The history, and the facts about the database.
    Everything(History),
}

/// The backend on this connection.
pub(crate) fn backend<'a>(held: HeldConnection<'a, Postgres>) -> Box<dyn Backend + 'a> {
    Box::new(PostgresBackend::new(held))
}

/// The backend on a connection of ours: when it began to be made, and whether nobody else has had it.
pub(crate) fn backend_of<'a>(
    held: HeldConnection<'a, Postgres>,
    connected: Option<tokio::time::Instant>,
    is_own: bool,
) -> Box<dyn Backend + 'a> {
    let mut backend = PostgresBackend::new(held);
    (backend.connected, backend.is_own) = (connected, is_own);
    Box::new(backend)
}

impl<'a> PostgresBackend<'a> {
    fn new(held: HeldConnection<'a, Postgres>) -> Self {
        Self {
            held,
            facts: None,
            limits: None,
            atomicity: Atomicity::PerMigration,
            connection_state: ConnectionState::Ready,
            intent: Intent::Write,
            run_transaction: RunTransaction::None,
            history: None,
            expected: Expected::Digest(NO_ROWS.to_owned()),
            rows: 0,
            busy: false,
            transaction: None,
            dirty: false,
            unflushed: false,
            reaches_session_code: false,
            claimed: None,
            elsewhere: None,
            started_there: None,
            string_syntax: StringSyntax::OfSession,
            refused: None,
            batch: bookkeeping::FIRST_JOBS,
            saved_session: None,
            session_cleanup: SessionCleanup::Restore,
            pace: Pace::Whole,
            invalid: None,
            connected: None,
            is_own: false,
        }
    }

    /// Whether the whole run is one transaction.
    fn is_one_transaction(&self) -> bool {
        self.atomicity == Atomicity::WholeRun
    }

    fn facts(&self) -> &DatabaseFacts {
        self.facts.as_ref().expect("the history is read before anything is written")
    }

    fn table(&self) -> &TableName {
        &self.facts().table
    }

    /// The lock that keeps other runs out.
    fn mutex(&self, history_table: &HistoryTable) -> Lock {
        let facts = self.facts();
        if facts.advisory {
            let schema = history_table.table.schema.as_deref().unwrap_or_default();
            Lock::Advisory(sql::key(&[&facts.database, schema, &history_table.table.name, &history_table.set]))
        } else {
            Lock::Row(history_table.set.clone())
        }
    }

    /// Sends a message and calls `on` with the index of each result. An error comes with the number of results before
    /// it.
    async fn send(&mut self, sql: String, on: &mut (dyn FnMut(usize) + Send)) -> Result<(), (usize, Cause)> {
        let mut results = 0;
        let (mut transaction, mut kept) = (None, None);
        let mut each = |result: Either<PgQueryResult, PgRow>| {
            match result {
                Either::Left(_) => {
                    on(results);
                    results += 1;
                }
                Either::Right(row) => {
                    let begun: Option<String> = row.try_get("xid").ok();
                    transaction = begun.and_then(|begun| begun.parse().ok()).or(transaction);
                    kept = row.try_get("kept").ok().or(kept.take());
                }
            }
            Ok(())
        };
        let sent = self.ask(sql, &mut each).await;
        self.transaction = transaction.or(self.transaction);
        self.saved_session = kept.or(self.saved_session.take());
        sent.map_err(|cause| (results, cause))
    }

    /// Sends a message and passes every result and every row to `on`.
    async fn ask(
        &mut self,
        sql: String,
        on: &mut (dyn FnMut(Either<PgQueryResult, PgRow>) -> Result<(), Cause> + Send),
    ) -> Result<(), Cause> {
        if self.connection_state == ConnectionState::Lost {
            return Err(self.why_lost());
        }
        self.connection_state = ConnectionState::Asked;
        let begins = begins(&sql);
        let mut stream = self.held.driver().fetch(sql);
        let mut refused = None;
        let answered = loop {
            match stream.try_next().await {
                Ok(None) => break Ok(()),
                // After an invalid answer, the rest must still be read.
                Ok(Some(answer)) if refused.is_none() => refused = on(answer).err(),
                Ok(Some(_)) => {}
                Err(error) if begins => break Err(began(&error)),
                Err(error) => break Err(by_pooler(&error, "a pooler on the way to the server refused")),
            }
        };
        drop(stream);
        self.connection_state = ConnectionState::Ready;
        let answered = match &self.facts {
            Some(facts) => answered.map_err(|mut cause| {
                // A read-only server was detected earlier.
                if self.limits.is_some() {
                    cause.made_read_only();
                }
                with_grant(cause, facts.is_now(), &self.own_tables())
            }),
            None => answered,
        };
        if let Err(cause) = &answered
            && matches!(cause.class, Class::Lost | Class::Pooler)
        {
            self.connection_state = ConnectionState::Lost;
            self.refused = Some(cause.clone()).filter(|cause| cause.class == Class::Pooler);
        }
        refused.map_or(answered, Err)
    }

    async fn rows(&mut self, sql: String) -> Result<Vec<PgRow>, Cause> {
        let mut rows = Vec::new();
        let mut each = |answer: Either<PgQueryResult, PgRow>| {
            rows.extend(answer.right());
            Ok(())
        };
        self.ask(sql, &mut each).await?;
        Ok(rows)
    }

    /// Why this session may not write, if it may not, as far as the facts were read.
    async fn unwritable(&mut self) -> Option<Cause> {
        let facts = self.facts.as_ref().filter(|facts| facts.read_only)?;
        if facts.replica {
            return Some(Cause::new(Class::ReadOnly, "the server is a read-only replica"));
        }
        Some(self.read_only().await)
    }

    /// Returns the error for a read-only session, with the statement that ends that.
    async fn read_only(&mut self) -> Cause {
        const SOURCE: &str = "SELECT s.source FROM pg_catalog.pg_settings s \
                              WHERE s.name OPERATOR(pg_catalog.=) 'default_transaction_read_only'";
        let rows = self.rows(SOURCE.to_owned()).await.unwrap_or_default();
        let source: String = rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or_default();
        let (database, role) = (identifier(&self.facts().database), identifier(&self.facts().login));
        let (by, lasting) = match source.as_str() {
            "database" => (", by a setting of the database", format!("ALTER DATABASE {database} RESET")),
            "user" => (", by a setting of the role", format!("ALTER ROLE {role} RESET")),
            "database user" => (
                ", by a setting of the role in this database",
                format!("ALTER ROLE {role} IN DATABASE {database} RESET"),
            ),
            _ => ("", String::new()),
        };
        let lasting = match lasting.as_str() {
            "" => String::new(),
            statement => format!(", or end it for everybody with `{statement} default_transaction_read_only`"),
        };
        let message = format!("the session is read-only: `default_transaction_read_only` is on{by}");
        Cause::new(Class::ReadOnly, message).with_advice(format!(
            "add `options=-cdefault_transaction_read_only%3Doff` to the parameters of the database URL, or run `SET \
             default_transaction_read_only = off` on a connection of your own{lasting}"
        ))
    }

    /// Returns the error if no schema of the search path can hold the history table: none exists, or the role lacks
    /// rights.
    async fn no_schema(&mut self) -> Cause {
        let path = format!(
            "SELECT pg_catalog.current_setting('search_path') AS path, (SELECT n.nspname::{TEXT} FROM \
             pg_catalog.pg_namespace n WHERE n.nspname::{TEXT} {EQ} ANY (pg_catalog.regexp_split_to_array(\
             pg_catalog.replace(pg_catalog.current_setting('search_path'), '\"', ''), ', *')) LIMIT 1) AS found"
        );
        let rows = self.rows(path).await.unwrap_or_default();
        let text = |name| rows.first().and_then(|row| row.try_get::<Option<String>, _>(name).ok().flatten());
        let role = self.facts().is_now().to_owned();
        if let Some(schema) = text("found") {
            let denied = Cause::new(Class::Privilege, format!("permission denied for schema {schema}"));
            return with_grant(denied, &role, &self.own_tables());
        }
        let path = text("path").unwrap_or_default();
        let names = path.split(',').map(|name| name.trim().trim_matches('"'));
        let first = names.into_iter().find(|name| !name.is_empty() && *name != "$user").unwrap_or("public").to_owned();
        let message = format!("no schema of the search path (`{path}`) exists, so the history table has no place");
        Cause::new(Class::Usage, message).with_advice(format!(
            "make the schema: `CREATE SCHEMA {}`; or name another in the parameters of the database URL: \
             `options=-csearch_path%3Dpublic`",
            identifier(&first)
        ))
    }

    /// The names of the history table and the log.
    fn own_tables(&self) -> OwnTables {
        let table = self.table();
        OwnTables { history: table.name.clone(), log: table.log().name, intent: self.intent }
    }

    /// Writes a row of the log, in a transaction of its own.
    async fn log_alone(
        &mut self,
        history_table: &HistoryTable,
        entry: &HistoryEntry,
        event: LogEvent,
        detail: &str,
    ) -> Result<(), Cause> {
        let mut message = Message::default();
        message.tables = self.prepare(history_table, &mut message);
        message.push(Slot::Setup, BEGIN);
        // Its commit waits for the disk, and so makes earlier commits durable.
        message.push(Slot::Setup, &self.begins(history_table, None, true));
        let log = sql::log(history_table, self.table(), entry, event, Some(detail));
        message.push(Slot::Setup, &log);
        message.push(Slot::Setup, "COMMIT");
        let sent = self.send(message.sql.clone(), &mut |_| ()).await;
        let results = sent.as_ref().map_or_else(|(results, _)| *results, |()| message.slots.len());
        self.note_results(history_table, &message, results);
        if sent.is_err() {
            let _ = self.roll_back().await;
        }
        self.unflushed &= sent.is_err();
        sent.map_err(|(_, cause)| self.of_log(&cause).unwrap_or(cause))
    }

    async fn execute(&mut self, sql: String) -> Result<(), Cause> {
        self.send(sql, &mut |_| ()).await.map_err(|(_, cause)| cause)
    }

    fn why_lost(&self) -> Cause {
        self.refused.clone().unwrap_or_else(|| Cause::new(Class::Lost, "the connection was lost before"))
    }

    /// Reads the facts about the database, and the history.
    async fn inspect(&mut self, history_table: &HistoryTable) -> Result<History, Cause> {
        match self.inspect_by(history_table, sql::look(history_table, None)).await? {
            Looked::Everything(history) => Ok(history),
            Looked::AtHead | Looked::Rows(..) => unreachable!("everything was asked for"),
        }
    }

    /// The same by this query, which may answer less if exactly an expected set is applied.
    async fn inspect_by(&mut self, history_table: &HistoryTable, query: String) -> Result<Looked, Cause> {
        if self.connection_state == ConnectionState::Lost {
            return Err(self.why_lost());
        }
        // Read what a dropped future left unread on the caller's connection.
        while let Err(sqlx::Error::Database(_)) = self.held.connection().flush().await {}
        let looked = self.rows(query).await;
        if let Err(cause) = &looked
            && cause.class == Class::Lost
        {
            return Err(cause.clone());
        }
        let mut xml = None;
        if let Some(row) = looked.iter().flatten().next() {
            match row.try_get::<Option<String>, _>("answer").map_err(|error| cause(&error))? {
                None => return Ok(Looked::AtHead),
                Some(answer) if facts::field(&answer, "database").is_none() => {
                    let history = facts::field(&answer, "history").unwrap_or_default();
                    let history = History::Present(history_table::rows(&history, &history_table.table)?);
                    let stage = facts::field(&answer, "stage").and_then(|stage| stage.parse().ok());
                    return Ok(Looked::Rows(history, stage));
                }
                answer => xml = answer,
            }
        }
        let history = xml.as_deref().and_then(|xml| facts::field(xml, "history"));
        let mut digest = history.as_deref().and_then(|xml| facts::field(xml, "digest"));
        let read = match &xml {
            Some(xml) => DatabaseFacts::read(&|name| facts::field(xml, name), &history_table.table),
            // The server has no XML support, or the history table has another form.
            None => {
                let rows = self.rows(sql::facts(&history_table.table)).await?;
                let row = rows.first();
                DatabaseFacts::read(
                    &|name| row?.try_get::<Option<String>, _>(name).ok().flatten(),
                    &history_table.table,
                )
            }
        };
        let read = read.ok_or_else(|| Cause::new(Class::Lost, "the server did not answer"))?;
        let there = read.candidates.readable(&history_table.table, self.intent);
        let (table, other) = (read.table.clone(), read.other.clone());
        self.reaches_session_code |= read.session_code;
        self.facts = Some(read);
        self.rows = 0;
        let there = there?;
        if !there {
            self.expected = Expected::Digest(NO_ROWS.to_owned());
            let absent = other.map_or(History::Absent, |(table, tool)| History::Foreign { tool, table });
            return Ok(Looked::Everything(absent));
        }
        let mut text = history.as_deref().and_then(|xml| facts::field(xml, "history"));
        if digest.is_none() {
            let rows = self.rows(sql::history(&table.to_string(), history_table)).await.map_err(|cause| {
                if cause.code.as_deref() != Some("SQLSTATE 42703") {
                    return cause;
                }
                let message = format!("{table} is not a history table of Lockgate: {}", cause.message);
                Cause { class: Class::HistoryFormat, message, ..cause }
            })?;
            let row = rows.first().ok_or_else(|| Cause::new(Class::Lost, "the server did not answer"))?;
            (digest, text) = (row.try_get("digest").ok(), row.try_get("history").ok().flatten());
        }
        self.expected = Expected::Digest(digest.unwrap_or_else(|| NO_ROWS.to_owned()));
        let rows = text.map_or(Ok(Vec::new()), |text: String| history_table::rows(&text, &table))?;
        self.rows = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        Ok(Looked::Everything(History::Present(rows)))
    }

    async fn acquire(
        &mut self,
        request: LockRequest<'_>,
        on_wait: &mut (dyn FnMut(Option<String>) + Send),
    ) -> Result<History, LockFailure> {
        if let Some(cause) = self.unwritable().await {
            return Err(cause.into());
        }
        let facts = self.facts();
        if facts.table.schema.is_none() {
            return Err(self.no_schema().await.into());
        }
        if facts.in_transaction || self.held.connection().is_in_transaction() {
            let message = "the connection is inside a transaction: end it first";
            return Err(Cause::new(Class::Usage, message).into());
        }
        self.limits = Some(request.limits);
        self.session_cleanup = request.session_cleanup;
        self.pace = request.pace;
        self.atomicity = request.atomicity;
        if (request.session_state || self.reaches_session_code) && self.held.is_borrowed() && self.facts().plpgsql {
            self.save_session_state().await?;
        }
        if !self.facts().conforming {
            self.string_syntax = StringSyntax::Standard;
            self.set_string_syntax().await?;
        }
        // Each transaction acquires the lock itself. Only a run that was kept out waits here.
        if self.busy {
            self.wait(request.history_table, request.deadline, on_wait).await?;
            self.busy = false;
            return Ok(self.inspect(request.history_table).await?);
        }
        match self.history.take() {
            Some(history) => Ok(history),
            None => Ok(self.inspect(request.history_table).await?),
        }
    }

    /// Saves the state of the session.
    async fn save_session_state(&mut self) -> Result<(), Cause> {
        self.execute(session_state::query(self.session_cleanup)).await
    }

    /// Waits until the lock is free.
    async fn wait(
        &mut self,
        history_table: &HistoryTable,
        deadline: Deadline,
        on_wait: &mut (dyn FnMut(Option<String>) + Send),
    ) -> Result<(), LockFailure> {
        let lock = self.mutex(history_table);
        let mut attempt = 0;
        loop {
            match self.execute(sql::attempt(&lock, self.table())).await {
                Ok(()) => return Ok(()),
                Err(cause) if !is_busy(&cause) => return Err(cause.into()),
                Err(_) => {}
            }
            let late = deadline.is_over();
            let holder = if attempt == 0 || late { self.holder(&lock).await? } else { None };
            if attempt == 0 {
                on_wait(holder.clone());
            }
            if late {
                return Err(LockFailure::Held { holder });
            }
            let left = deadline.left();
            tokio::time::sleep(backoff(attempt, Duration::from_millis(50), Duration::from_millis(500)).min(left)).await;
            attempt += 1;
        }
    }

    async fn holder(&mut self, lock: &Lock) -> Result<Option<String>, Cause> {
        let Lock::Advisory(key) = lock else { return Ok(None) };
        let rows = self.rows(sql::holder(*key)).await?;
        Ok(rows.first().and_then(|row| row.try_get("holder").ok()))
    }

    /// Gives the next migration a clean session. In a whole run, each migration restores the session itself.
    async fn renew(&mut self) -> Result<(), Cause> {
        if self.run_transaction != RunTransaction::None {
            return Ok(());
        }
        if self.held.is_borrowed() {
            let words = self.restore_statements();
            self.execute(words.join("; ")).await?;
            self.dirty = false;
            return self.set_string_syntax().await;
        }
        self.dirty = false;
        // Set first, in case this future is dropped.
        self.connection_state = ConnectionState::Lost;
        self.held.renew().await.map_err(|error| cause(&error))?;
        self.connection_state = ConnectionState::Ready;
        self.set_string_syntax().await
    }

    /// Makes the server parse strings as the scripts were checked. It is sent ahead because the server lexes a whole
    /// message before it runs any of it.
    async fn set_string_syntax(&mut self) -> Result<(), Cause> {
        match self.string_syntax {
            StringSyntax::OfSession => Ok(()),
            StringSyntax::Standard => self.execute("SET standard_conforming_strings = on".to_owned()).await,
        }
    }

    /// Asks for the status of the last transaction, which is over.
    async fn transaction_status(&mut self) -> super::TransactionStatus {
        let Some(transaction) = self.transaction.take() else { return super::TransactionStatus::RolledBack };
        let rows = self.rows(sql::transaction_status(transaction)).await.unwrap_or_default();
        match rows
            .first()
            .and_then(|row| row.try_get::<Option<String>, _>("transaction_status").ok().flatten())
            .as_deref()
        {
            Some("committed") => super::TransactionStatus::Committed,
            Some("aborted") => super::TransactionStatus::RolledBack,
            _ => super::TransactionStatus::Unknown,
        }
    }

    async fn end_run(&mut self, run_end: RunEnd) -> Result<(), Cause> {
        let ended = self.end_transaction(run_end).await;
        if self.string_syntax == StringSyntax::Standard
            && self.connection_state == ConnectionState::Ready
            && !self.held.is_gone()
        {
            self.string_syntax = StringSyntax::OfSession;
            return ended.and(self.execute(RESET_STRING_SYNTAX.to_owned()).await);
        }
        ended
    }

    async fn end_transaction(&mut self, run_end: RunEnd) -> Result<(), Cause> {
        let ended = match std::mem::replace(&mut self.run_transaction, RunTransaction::None) {
            RunTransaction::None => self.flush().await,
            RunTransaction::Begun | RunTransaction::WithTables if run_end == RunEnd::Stopped => self.roll_back().await,
            RunTransaction::Begun | RunTransaction::WithTables => self.commit().await,
        };
        if self.dirty && self.connection_state == ConnectionState::Ready && !self.held.is_pooled() {
            let renewed = self.renew().await;
            // The next verb can make another connection, but not if it is the caller's.
            if self.held.is_borrowed() && self.connection_state == ConnectionState::Ready {
                return ended.and(renewed.map_err(|cause| Cause { class: Class::Unclean, ..cause }));
            }
        }
        ended
    }

    /// Flushes asynchronous commits to disk, if no synchronous commit followed them.
    pub(super) async fn flush(&mut self) -> Result<(), Cause> {
        if !self.unflushed {
            return Ok(());
        }
        if self.connection_state == ConnectionState::Lost {
            // It is unknown whether the disk has it.
            return Err(Cause::new(Class::Lost, "the connection was lost before what was committed was on the disk"));
        }
        let flushed = self.execute(sql::flush(&self.facts().synchronous_commit)).await;
        self.unflushed = flushed.is_err();
        if flushed.is_err() {
            let _ = self.roll_back().await;
        }
        flushed
    }

    async fn commit(&mut self) -> Result<(), Cause> {
        self.connection_state = ConnectionState::Asked;
        let committed = self.held.driver().commit().await;
        self.connection_state = ConnectionState::Ready;
        committed.map_err(|error| {
            let cause = cause(&error);
            if cause.class == Class::Lost {
                self.connection_state = ConnectionState::Lost;
            }
            cause
        })
    }
}

/// Restores the session's string syntax.
const RESET_STRING_SYNTAX: &str = "SET standard_conforming_strings = off";

/// Whether a message contains a word that begins a transaction, in Lockgate's SQL or in a script.
fn begins(sql: &str) -> bool {
    let words = |word: &str| word.eq_ignore_ascii_case("begin") || word.eq_ignore_ascii_case("transaction");
    sql.split(|c: char| !c.is_ascii_alphabetic()).any(words)
}

/// Explains an error at the beginning of a transaction: a pooler in statement mode ends the session then.
fn began(error: &sqlx::Error) -> Cause {
    by_pooler(error, "the connection goes through a pooler in statement mode, which has no transactions")
}

/// Explains an error that only a pooler sends, with this message.
fn by_pooler(error: &sqlx::Error, message: &str) -> Cause {
    let cause = cause(error);
    if cause.code.as_deref() != Some(PROTOCOL_VIOLATION) || !cause::is_last(error) {
        return cause;
    }
    Cause { class: Class::Pooler, message: message.to_owned(), detail: Some(cause.message.into()), ..cause }
}

/// The code with which a pooler in statement mode refuses a transaction.
const PROTOCOL_VIOLATION: &str = "SQLSTATE 08P01";

/// Whether the error means that another session holds the lock.
fn is_busy(cause: &Cause) -> bool {
    matches!(cause.code.as_deref(), Some(sql::check::BUSY | "SQLSTATE 55P03"))
}

impl Backend for PostgresBackend<'_> {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn expect(&mut self, intent: Intent, _: Deadline) {
        // Nothing that reads the history waits for a lock, but for one on the history table itself.
        self.intent = intent;
    }

    fn read<'a>(&'a mut self, history_table: &'a HistoryTable) -> BoxFuture<'a, Result<History, Cause>> {
        Box::pin(async move {
            let history = self.inspect(history_table).await?;
            self.history = Some(history.clone());
            Ok(history)
        })
    }

    fn read_unless<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        set: &'a Set,
    ) -> BoxFuture<'a, Result<Option<History>, Cause>> {
        Box::pin(async move {
            let query = sql::look(history_table, set.applied_digest());
            self.history = match self.inspect_by(history_table, query).await? {
                Looked::AtHead => None,
                Looked::Rows(history, _) | Looked::Everything(history) => Some(history),
            };
            Ok(self.history.clone())
        })
    }

    fn read_with_stage<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        set: &'a Set,
    ) -> BoxFuture<'a, Result<(History, Option<Stage>), Cause>> {
        Box::pin(async move {
            let query = match set.applied_digest() {
                Some(expected) => sql::look_at_rows(history_table, expected),
                None => sql::look(history_table, None),
            };
            match self.inspect_by(history_table, query).await? {
                Looked::Rows(history, stage) => Ok((history, stage)),
                Looked::Everything(history) => Ok((history, self.stage().await?)),
                Looked::AtHead => unreachable!("the rows were asked for"),
            }
        })
    }

    fn at_work<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        row: &'a lockgate_core::Row,
    ) -> BoxFuture<'a, Result<Option<String>, Cause>> {
        Box::pin(async move {
            if self.facts.is_none() {
                return Ok(None);
            }
            let query = outside_transaction::select_row(history_table, self.table(), row.version);
            let rows = self.rows(query).await?;
            Ok(rows.first().and_then(|row| row.try_get::<Option<String>, _>("holder").ok().flatten()))
        })
    }

    #[cfg(feature = "operations")]
    fn read_log<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        last: usize,
    ) -> BoxFuture<'a, Result<Vec<LogEntry>, Cause>> {
        Box::pin(self.log(history_table, last))
    }

    #[cfg(feature = "operations")]
    fn sizes<'a>(&'a mut self, tables: &'a [&'a str]) -> BoxFuture<'a, Result<Vec<TableSize>, Cause>> {
        Box::pin(self.table_sizes(tables))
    }

    #[cfg(feature = "operations")]
    fn objects<'a>(&'a mut self, history_table: &'a HistoryTable) -> BoxFuture<'a, Result<Vec<String>, Cause>> {
        Box::pin(self.other_objects(history_table))
    }

    fn lock<'a>(
        &'a mut self,
        request: LockRequest<'a>,
        on_wait: &'a mut (dyn FnMut(Option<String>) + Send),
    ) -> BoxFuture<'a, Result<History, LockFailure>> {
        Box::pin(self.acquire(request, on_wait))
    }

    fn run<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        jobs: &'a [Job],
        progress: OnProgress<'a>,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.run_jobs(history_table, jobs, progress))
    }

    fn run_outside<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        job: &'a Job,
        progress: OnProgress<'a>,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.run_alone(history_table, job, progress))
    }

    fn log_failure<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        entry: &'a HistoryEntry,
        message: &'a str,
    ) -> BoxFuture<'a, Result<(), Cause>> {
        // The transaction of the whole run is rolled back; this is another.
        self.atomicity = Atomicity::PerMigration;
        Box::pin(self.log_alone(history_table, entry, LogEvent::Failed, message))
    }

    fn log_override<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        entry: &'a HistoryEntry,
        why: &'a str,
    ) -> BoxFuture<'a, Result<(), Cause>> {
        Box::pin(async move {
            // It stays whatever becomes of the run.
            let atomicity = std::mem::replace(&mut self.atomicity, Atomicity::PerMigration);
            let logged = self.log_alone(history_table, entry, LogEvent::Overridden, why).await;
            self.atomicity = atomicity;
            logged
        })
    }

    #[cfg(feature = "operations")]
    fn drop_invalid_index<'a>(&'a mut self, name: &'a str) -> BoxFuture<'a, Result<super::Dropped, Cause>> {
        Box::pin(self.drop_invalid(name))
    }

    #[cfg(feature = "operations")]
    fn log_index_dropped<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        entry: &'a HistoryEntry,
        detail: &'a str,
    ) -> BoxFuture<'a, Result<(), Cause>> {
        Box::pin(self.log_alone(history_table, entry, LogEvent::IndexDropped, detail))
    }

    fn stage(&mut self) -> BoxFuture<'_, Result<Option<Stage>, Cause>> {
        Box::pin(async move {
            if let Some(facts) = &self.facts {
                return Ok(facts.stage);
            }
            let rows = self.rows(sql::stage()).await?;
            let stage: Option<String> = rows.first().and_then(|row| row.try_get(0).ok()).flatten();
            Ok(stage.and_then(|stage| stage.parse().ok()))
        })
    }

    #[cfg(feature = "databases")]
    fn identity(&mut self) -> BoxFuture<'_, Result<Option<(String, Identity)>, Cause>> {
        Box::pin(async move { mirror::identified(&self.rows(mirror::identity()).await?).map(Some) })
    }

    #[cfg(feature = "operations")]
    fn examine(&mut self, examination: Examination) -> BoxFuture<'_, Result<Vec<Finding>, Cause>> {
        Box::pin(self.findings(examination))
    }

    fn mark(&mut self, stage: Stage) -> BoxFuture<'_, Result<(), Cause>> {
        Box::pin(async move {
            if let Some(cause) = self.unwritable().await {
                return Err(cause);
            }
            let rows = self.rows(sql::comment()).await?;
            let row = rows.first().ok_or_else(|| Cause::new(Class::Lost, "the server did not answer"))?;
            let name: String = row.try_get("name").map_err(|error| cause(&error))?;
            let comment: Option<String> = row.try_get("comment").map_err(|error| cause(&error))?;
            let marked = literal(&stage.marked(&comment.unwrap_or_default()));
            let statement = format!("COMMENT ON DATABASE {} IS {marked}", identifier(&name));
            self.execute(statement.clone()).await.map_err(|cause| match cause.class {
                Class::Privilege => {
                    cause.with_advice(format!("let the owner of the database, or a superuser, run `{statement}`"))
                }
                _ => cause,
            })?;
            if let Some(facts) = &mut self.facts {
                facts.stage = Some(stage);
            }
            Ok(())
        })
    }

    fn release(&mut self, run_end: RunEnd) -> BoxFuture<'_, Result<(), Cause>> {
        Box::pin(self.end_run(run_end))
    }

    fn invalid(&mut self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async move {
            let Some(before) = self.invalid.take() else { return Vec::new() };
            let mut found = self.invalid_indexes(&Probe::Unknown).await.unwrap_or_default();
            found.retain(|now| before.iter().find(|old| old.oid == now.oid).is_none_or(|old| old.meant));
            found.into_iter().map(|now| now.shown).collect()
        })
    }

    #[cfg(feature = "schema")]
    fn read_schema<'a>(&'a mut self, own: &'a TableName) -> BoxFuture<'a, Result<crate::backend::ReadSchema, Cause>> {
        Box::pin(self.schema(own))
    }

    fn blockers(&mut self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(async move {
            let rows = self.rows(sql::blockers()).await.unwrap_or_default();
            rows.iter().filter_map(|row| row.try_get("blocker").ok()).collect()
        })
    }

    #[cfg(feature = "adopt")]
    fn tables(&mut self) -> BoxFuture<'_, Result<Vec<super::ForeignTable>, Cause>> {
        Box::pin(self.foreign_tables())
    }

    #[cfg(feature = "adopt")]
    fn table_rows<'a>(&'a mut self, table: &'a super::ForeignTable) -> BoxFuture<'a, Result<super::TextRows, Cause>> {
        Box::pin(self.foreign_rows(table))
    }

    #[cfg(feature = "adopt")]
    fn keep_out<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
        table: Option<&'a super::ForeignTable>,
        keys: &'a (dyn Fn(&str) -> Vec<i64> + Send + Sync),
    ) -> BoxFuture<'a, Result<(), Cause>> {
        Box::pin(self.keep_others_out(history_table, table, keys))
    }

    #[cfg(feature = "adopt")]
    fn last_events<'a>(
        &'a mut self,
        history_table: &'a HistoryTable,
    ) -> BoxFuture<'a, Result<Vec<(i64, String)>, Cause>> {
        Box::pin(self.last_logged(history_table))
    }

    #[cfg(feature = "adopt")]
    fn drop_if_empty<'a>(&'a mut self, _: &'a HistoryTable) -> BoxFuture<'a, Result<(), Cause>> {
        Box::pin(self.drop_empty_history())
    }
}

/// Closes the connection if something is running on it or the session may have been changed; the server notices within
/// a quarter of a second. On the caller's connection it queues the statements that restore the session.
impl Drop for PostgresBackend<'_> {
    fn drop(&mut self) {
        if self.held.is_gone() {
            return;
        }
        let under_way = self.connection_state != ConnectionState::Ready || self.run_transaction != RunTransaction::None;
        if !self.held.is_borrowed() {
            if under_way || self.dirty || self.string_syntax == StringSyntax::Standard {
                self.held.abandon();
            }
            return;
        }
        if !(under_way || self.dirty || self.string_syntax == StringSyntax::Standard)
            || self.connection_state == ConnectionState::Lost
        {
            return;
        }
        let mut words = vec!["ROLLBACK".to_owned()];
        if self.connection_state == ConnectionState::Copying {
            // sqlx does not count the answer to an aborted COPY: from then on, every query would get the answer of the
            // query before. No connection is better than such a one.
            words.push(format!("SET SESSION AUTHORIZATION {}; SET ROLE NONE", literal(&self.facts().login)));
            words.push("SELECT pg_catalog.pg_terminate_backend(pg_catalog.pg_backend_pid())".to_owned());
        }
        if self.dirty {
            // One statement each, so that a failing one does not prevent the others.
            words.push("BEGIN".to_owned());
            words.extend(self.restore_statements());
            words.push("COMMIT".to_owned());
            words.extend(self.claimed.take());
        }
        if self.string_syntax == StringSyntax::Standard {
            words.push(RESET_STRING_SYNTAX.to_owned());
        }
        while PgTransactionManager::get_transaction_depth(self.held.connection()) > 0 {
            PgTransactionManager::start_rollback(self.held.connection());
        }
        // sqlx queues the beginning of a transaction before it waits. The first poll hands it to the socket; whoever
        // uses the connection next reads the answer.
        let mut sent = self.held.driver().begin(words.join("; "));
        let _ = sent.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
}

/// Connects with these options.
pub(crate) async fn connect(options: &sqlx::postgres::PgConnectOptions) -> Result<PgConnection, Cause> {
    PgConnection::connect_with(options).await.map_err(|error| {
        let mut cause = cause(&error);
        match &error {
            // The handshake failed: the certificate of the server, or of this client, is not accepted.
            sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::InvalidData => {
                cause.class = Class::Encryption;
                cause.message = format!("no encrypted connection: {io}");
            }
            _ if cause.class == Class::Lost => cause.class = Class::Unreachable,
            _ => {}
        }
        cause
    })
}
