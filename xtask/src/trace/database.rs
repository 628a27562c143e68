//! The throwaway PostgreSQL of a trace: runs scripts, and reads locks, relations and scans after each statement. The locks
//! of a statement that cannot run in a transaction are read while it waits for them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::TryStreamExt;
use lockgate_source::core::{StatementFlags, StatementKind, TableLock};
use lockgate_source::{Code, Diagnostic};
use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgErrorPosition, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, Row};

use super::effect::{Effect, Executed, Observation, Relation, Relations, TraceState};
use crate::missing_role::{self, quoted};
use crate::scripts::Sql;

/// How often the locks of a statement outside a transaction are read.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Resets what a script may have left: its transaction, its settings, its role.
const RESET: [&str; 4] = ["ROLLBACK", "RESET SESSION AUTHORIZATION", "RESET ROLE", "RESET ALL"];

/// All relations of users. 16384 is the first OID that is not the server's own.
const RELATIONS: &str = "SELECT 'r', c.oid::int8, NULL::int8, n.nspname::text, c.relname::text, c.relkind::text, \
     c.relfilenode::int8, i.indrelid::int8 FROM pg_catalog.pg_class c \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid \
     WHERE c.oid >= 16384 AND n.nspname <> 'information_schema' AND left(n.nspname::text, 3) <> 'pg_' \
     AND c.relkind <> 'c'";

/// Selects those that the transaction has created or changed, by its first transaction number. Dropped relations show in
/// the count of relations, and in the sum of their OIDs.
const CHANGED: &str = "AND c.xmin::text::int8 >= ";

const COUNT: &str = "SELECT 'n', count(*)::int8, sum(c.oid::int8)::int8, NULL, NULL, NULL, NULL, NULL \
     FROM pg_catalog.pg_class c \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.oid >= 16384 AND n.nspname <> 'information_schema' AND left(n.nspname::text, 3) <> 'pg_' \
     AND c.relkind <> 'c'";

const LOCKS: &str = "SELECT 'l', relation::int8, NULL::int8, mode, NULL, NULL, NULL::int8, NULL::int8 FROM pg_catalog.pg_locks \
     WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'relation' AND granted AND relation >= 16384";

const SCANS: &str = "SELECT 's', oid::int8, pg_catalog.pg_stat_get_xact_numscans(oid), NULL, NULL, NULL, NULL::int8, NULL::int8 \
     FROM pg_catalog.pg_class WHERE oid >= 16384 AND relkind IN ('r', 'm') AND pg_catalog.pg_stat_get_xact_numscans(oid) > 0";

/// The first transaction number that is not in use yet.
const NEXT: &str = "SELECT pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot())";

/// The SQLSTATEs of a statement that cannot run in a transaction, or ends it itself.
const NOT_IN_A_TRANSACTION: [&str; 2] = ["25001", "2D000"];

/// The starts of messages about something that a throwaway server lacks.
const MISSING: [&str; 4] =
    ["extension \"", "could not open extension control file", "could not access file", "tablespace \""];

/// The database of a trace.
pub(super) struct Database {
    connection: PgConnection,
    /// Holds locks, so that a statement outside a transaction waits.
    holder: PgConnection,
    /// Reads the locks of that statement meanwhile.
    watcher: PgConnection,
    process: i32,
    /// The relations after the last script, if they were read.
    relations: Option<Relations>,
    /// The lowest number that the running transaction can have.
    first: i64,
    /// The roles that scripts named but did not create.
    pub(super) roles: BTreeSet<String>,
}

/// Why a script failed.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The index of the statement; `None` if the transaction failed to begin or commit.
    pub(super) at: Option<usize>,
    /// The byte of the script that the error points at.
    pub(super) byte: Option<usize>,
    pub(super) error: ServerError,
}

/// An error of the server.
#[derive(Debug, Default)]
pub(super) struct ServerError {
    pub(super) message: String,
    pub(super) detail: Option<String>,
    pub(super) hint: Option<String>,
    code: String,
    /// In characters of the statement, counted from 1.
    position: Option<usize>,
}

impl ServerError {
    fn of(error: &sqlx::Error) -> Self {
        let database = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
        let Some(error) = database else {
            return Self { message: error.to_string(), ..Self::default() };
        };
        let position = match error.position() {
            Some(PgErrorPosition::Original(position)) => Some(position),
            Some(PgErrorPosition::Internal { .. }) | None => None,
        };
        Self {
            message: error.message().to_owned(),
            detail: error.detail().map(str::to_owned),
            hint: error.hint().map(str::to_owned),
            code: error.code().to_owned(),
            position,
        }
    }
}

impl From<sqlx::Error> for ServerError {
    fn from(error: sqlx::Error) -> Self {
        Self::of(&error)
    }
}

impl Refusal {
    fn of_transaction(error: ServerError) -> Self {
        Self { at: None, byte: None, error }
    }

    fn at(sql: Sql<'_>, index: usize, error: ServerError) -> Self {
        let range = sql.statements[index].range.clone();
        let code = &sql.script.text[range.clone()];
        let byte = error.position.and_then(|position| code.char_indices().nth(position.checked_sub(1)?));
        Self { at: Some(index), byte: byte.map(|(byte, _)| range.start + byte), error }
    }

    /// Whether the throwaway server lacks something that another server may have.
    pub(super) fn is_missing_on_server(&self) -> bool {
        let lacks = MISSING.iter().any(|start| self.error.message.starts_with(start));
        lacks && ["0A000", "58P01", "42704"].contains(&&*self.error.code) || self.error.code == "3D000"
    }
}

impl Database {
    pub(super) async fn open(url: &str) -> Result<Self, String> {
        let options: PgConnectOptions = url.parse().map_err(|error: sqlx::Error| ServerError::of(&error).message)?;
        let options = options.application_name("lockgate trace").disable_statement_logging();
        let words = |error: sqlx::Error| ServerError::of(&error).message;
        let mut connection = options.connect().await.map_err(words)?;
        let holder = options.connect().await.map_err(words)?;
        let watcher = options.connect().await.map_err(words)?;
        let rows = rows(&mut connection, "SELECT pg_catalog.pg_backend_pid()").await.map_err(|error| error.message)?;
        let process = rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or_default();
        let roles = BTreeSet::new();
        Ok(Self { connection, holder, watcher, process, relations: None, first: 0, roles })
    }

    /// Runs a script as the runtime does, but without recording it. If `looks` is set, returns what it did to the
    /// relations that existed before.
    pub(super) async fn run(&mut self, sql: Sql<'_>, looks: bool) -> Result<Vec<Effect>, Refusal> {
        if let Some(role) = &sql.script.options.role {
            let question = "SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1";
            let found = sqlx::query(question).bind(role).persistent(false).fetch_optional(&mut self.connection).await;
            if found.map_err(|error| Refusal::of_transaction(error.into()))?.is_none() {
                self.make_role(role).await.map_err(Refusal::of_transaction)?;
            }
        }
        loop {
            let done = self.once(sql, looks).await;
            for statement in RESET {
                // If this fails, the next statement fails too.
                let _ = send(&mut self.connection, statement).await;
            }
            match done {
                Err(refusal)
                    if sql.script.options.transactional && self.make_the_missing_role(&refusal.error).await => {}
                done => return done,
            }
        }
    }

    async fn once(&mut self, sql: Sql<'_>, looks: bool) -> Result<Vec<Effect>, Refusal> {
        let mut state = match (looks, self.relations.take()) {
            (true, Some(known)) => Some(TraceState::new(known)),
            (true, None) => {
                Some(TraceState::new(relations(&mut self.connection).await.map_err(Refusal::of_transaction)?))
            }
            (false, _) => None,
        };
        let mut effects = Vec::new();
        if sql.script.options.transactional {
            self.begin(sql).await?;
            for index in 0..sql.statements.len() {
                self.statement(sql, index, state.as_mut(), &mut effects).await?;
            }
            send(&mut self.connection, "COMMIT").await.map_err(Refusal::of_transaction)?;
        } else {
            if let Some(role) = &sql.script.options.role {
                let set = format!("SET ROLE {}", quoted(role));
                send(&mut self.connection, &set).await.map_err(Refusal::of_transaction)?;
            }
            self.one_by_one(sql, state.as_mut(), &mut effects).await?;
        }
        // Outside a transaction, the transaction number does not show every change, so read the relations again.
        self.relations = state.map(|state| state.now).filter(|_| sql.script.options.transactional);
        Ok(effects)
    }

    async fn begin(&mut self, sql: Sql<'_>) -> Result<(), Refusal> {
        send(&mut self.connection, "BEGIN").await.map_err(Refusal::of_transaction)?;
        if let Some(role) = &sql.script.options.role {
            let set = format!("SET LOCAL ROLE {}", quoted(role));
            send(&mut self.connection, &set).await.map_err(Refusal::of_transaction)?;
        }
        Ok(())
    }

    /// Runs a statement in the open transaction, and reads what it did.
    async fn statement(
        &mut self,
        sql: Sql<'_>,
        index: usize,
        state: Option<&mut TraceState>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let statement = &sql.statements[index];
        let refused = |error| Refusal::at(sql, index, error);
        // A query after `SET TRANSACTION` would make a second one fail.
        let is_quiet = matches!(statement.kind, StatementKind::Session | StatementKind::Transaction);
        let Some(state) = state.filter(|_| !is_quiet) else {
            return send(&mut self.connection, code(sql, index)).await.map_err(refused);
        };
        if !state.begun {
            let first = rows(&mut self.connection, NEXT).await.map_err(refused)?;
            self.first = first.first().and_then(|row| row.try_get(0).ok()).unwrap_or_default();
            state.begin(self.scans().await.map_err(refused)?);
        }
        send(&mut self.connection, code(sql, index)).await.map_err(refused)?;
        let now = self.observe(state).await.map_err(refused)?;
        let done = Executed { empties: statement.kind == StatementKind::Truncate, ..Executed::of(sql, index) };
        effects.extend(state.effects(done, now));
        Ok(())
    }

    /// Runs a script without a transaction around it. A statement that can run in a transaction gets its own, in which its
    /// locks can be read. For the server that is the same.
    async fn one_by_one(
        &mut self,
        sql: Sql<'_>,
        mut state: Option<&mut TraceState>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let controls = sql.controls_transactions();
        let mut index = 0;
        while index < sql.statements.len() {
            let outside = sql.statements[index].flags.contains(StatementFlags::OUTSIDE_TRANSACTION);
            let done = match state.as_deref_mut() {
                None => {
                    send(&mut self.connection, code(sql, index)).await.map_err(|error| Refusal::at(sql, index, error))
                }
                Some(state) if controls => {
                    state.begun &= sql.statements[index].kind != StatementKind::Transaction;
                    self.statement(sql, index, Some(state), effects).await
                }
                Some(state) if outside => self.outside(sql, index, state, effects).await,
                Some(state) => match self.in_its_own(sql, index, state, effects).await {
                    Err(refusal) if NOT_IN_A_TRANSACTION.contains(&&*refusal.error.code) => {
                        self.outside(sql, index, state, effects).await
                    }
                    done => done,
                },
            };
            match done {
                Ok(()) => index += 1,
                Err(refusal) if !controls && self.make_the_missing_role(&refusal.error).await => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(())
    }

    async fn in_its_own(
        &mut self,
        sql: Sql<'_>,
        index: usize,
        state: &mut TraceState,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        send(&mut self.connection, "BEGIN").await.map_err(Refusal::of_transaction)?;
        state.end_transaction();
        let done = self.statement(sql, index, Some(state), effects).await;
        let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = send(&mut self.connection, end).await;
        state.end_transaction();
        done?;
        ended.map_err(|error| Refusal::at(sql, index, error))
    }

    /// Runs a statement that begins its own transactions, and holds no lock when it ends. Another connection locks all
    /// tables until the statement waits for one: then its locks can be read.
    async fn outside(
        &mut self,
        sql: Sql<'_>,
        index: usize,
        state: &mut TraceState,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let refused = |error| Refusal::at(sql, index, error);
        let tables = state.tables();
        let mut holds = !tables.is_empty();
        if holds {
            let hold = format!("BEGIN; LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE", tables.join(", "));
            send(&mut self.holder, &hold).await.map_err(refused)?;
        }
        let process = self.process;
        let watch =
            format!("SELECT relation::int8, mode, granted, locktype FROM pg_catalog.pg_locks WHERE pid = {process}");
        let mut locks: BTreeMap<i64, TableLock> = BTreeMap::new();
        let done = {
            let mut running = std::pin::pin!(send(&mut self.connection, code(sql, index)));
            loop {
                tokio::select! {
                    biased;
                    done = &mut running => break done,
                    () = tokio::time::sleep(POLL_INTERVAL) => {}
                }
                let mut waits = false;
                for row in rows(&mut self.watcher, &watch).await.map_err(refused)? {
                    let read = || -> Result<(Option<i64>, String, bool, String), sqlx::Error> {
                        Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?))
                    };
                    let (number, mode, granted, kind) = read().map_err(|error| refused(error.into()))?;
                    waits |= !granted;
                    if let (Some(number), Some(lock), "relation") = (number, TableLock::from_mode(&mode), &*kind) {
                        locks.entry(number).and_modify(|held| *held = lock.max(*held)).or_insert(lock);
                    }
                }
                if holds && waits {
                    holds = false;
                    send(&mut self.holder, "COMMIT").await.map_err(refused)?;
                }
            }
        };
        if holds {
            send(&mut self.holder, "COMMIT").await.map_err(refused)?;
        }
        done.map_err(refused)?;
        let changed = changed(&state.now, relations(&mut self.connection).await.map_err(refused)?);
        state.end_transaction();
        let done = Executed { is_glimpse: true, ..Executed::of(sql, index) };
        effects.extend(state.effects(done, Observation { locks, changed, scans: BTreeMap::new() }));
        state.end_transaction();
        Ok(())
    }

    /// Reads locks, changed relations and scans in one query.
    async fn observe(&mut self, state: &TraceState) -> Result<Observation, ServerError> {
        let first = self.first;
        let question = format!("{LOCKS} UNION ALL {SCANS} UNION ALL {COUNT} UNION ALL {RELATIONS} {CHANGED} {first}");
        let mut look = Observation { locks: BTreeMap::new(), changed: BTreeMap::new(), scans: BTreeMap::new() };
        let mut count = (0, 0);
        for row in rows(&mut self.connection, &question).await? {
            let (what, number): (&str, i64) = (row.try_get(0)?, row.try_get(1)?);
            match what {
                "l" => {
                    let mode: &str = row.try_get(3)?;
                    if let Some(lock) = TableLock::from_mode(mode) {
                        look.locks.entry(number).and_modify(|held| *held = lock.max(*held)).or_insert(lock);
                    }
                }
                "s" => drop(look.scans.insert(number, row.try_get(2)?)),
                "n" => count = (number, row.try_get::<Option<i64>, _>(2)?.unwrap_or_default()),
                _ => {
                    let relation = relation(&row)?;
                    if state.now.get(&number) != Some(&relation) {
                        look.changed.insert(number, Some(relation));
                    }
                }
            }
        }
        let new = look.changed.keys().filter(|number| !state.now.contains_key(number));
        let (more, sum) = new.fold((0, 0), |(more, sum), number| (more + 1, sum + number));
        if count != (state.now.len() as i64 + more, state.now.keys().sum::<i64>() + sum) {
            look.changed = changed(&state.now, relations(&mut self.connection).await?);
        }
        Ok(look)
    }

    async fn scans(&mut self) -> Result<BTreeMap<i64, i64>, ServerError> {
        let read = |row: &PgRow| -> Result<(i64, i64), sqlx::Error> { Ok((row.try_get(1)?, row.try_get(2)?)) };
        let rows = rows(&mut self.connection, SCANS).await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// Creates the role that the error reports as missing, once. Roles belong to a server, and sets rarely create them.
    async fn make_the_missing_role(&mut self, error: &ServerError) -> bool {
        match missing_role::named_in(&error.code, &error.message) {
            Some(role) if !self.roles.contains(role) => self.make_role(role).await.is_ok(),
            Some(_) | None => false,
        }
    }

    async fn make_role(&mut self, role: &str) -> Result<(), ServerError> {
        self.roles.insert(role.to_owned());
        Ok(missing_role::create(&mut self.connection, role).await?)
    }
}

async fn relations(connection: &mut PgConnection) -> Result<Relations, ServerError> {
    let rows = rows(connection, RELATIONS).await?;
    let read = |row: &PgRow| -> Result<(i64, Relation), sqlx::Error> { Ok((row.try_get(1)?, relation(row)?)) };
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

fn relation(row: &PgRow) -> Result<Relation, sqlx::Error> {
    Ok(Relation {
        schema: row.try_get(3)?,
        name: row.try_get(4)?,
        kind: row.try_get(5)?,
        file: row.try_get(6)?,
        table: row.try_get(7)?,
    })
}

/// Returns the relations that are new, changed or gone.
fn changed(before: &Relations, now: Relations) -> BTreeMap<i64, Option<Relation>> {
    let gone = before.keys().filter(|number| !now.contains_key(number)).map(|number| (*number, None));
    let mut changed: BTreeMap<i64, Option<Relation>> = gone.collect();
    let new = now.into_iter().filter(|(number, relation)| before.get(number) != Some(relation));
    changed.extend(new.map(|(number, relation)| (number, Some(relation))));
    changed
}

async fn rows(connection: &mut PgConnection, question: &str) -> Result<Vec<PgRow>, ServerError> {
    Ok(sqlx::raw_sql(AssertSqlSafe(question.to_owned())).fetch_all(connection).await?)
}

async fn send(connection: &mut PgConnection, sql: &str) -> Result<(), ServerError> {
    let mut stream = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_many(connection);
    while stream.try_next().await?.is_some() {}
    Ok(())
}

fn code<'a>(sql: Sql<'a>, index: usize) -> &'a str {
    &sql.script.text[sql.statements[index].range.clone()]
}

impl<'a> Executed<'a> {
    fn of(sql: Sql<'a>, index: usize) -> Self {
        let range = sql.statements[index].range.clone();
        let at = Diagnostic::warning(Code::Trace, "", "").at(&sql.script.text, range, "");
        let predicted = sql.touches.iter().filter(|touch| touch.statement == index).collect();
        // Count lines and columns as diagnostics do.
        Self { place: at.position().unwrap_or((1, 1)), empties: false, is_glimpse: false, predicted }
    }
}
