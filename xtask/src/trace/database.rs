//! The throwaway PostgreSQL of a trace: how a script is run on it, and how it is looked at between two
//! statements. Where a statement cannot run in a transaction, its locks are seen while it waits for them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::TryStreamExt;
use lockgate_source::core::{StatementFlags, StatementKind, TableLock};
use sqlx::postgres::{PgConnectOptions, PgDatabaseError, PgErrorPosition, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection, Row};

use super::effect::{Done, Effect, Look, Relation, Relations, Seen};
use crate::role::{self, quoted};
use crate::scripts::Sql;

/// How often a statement that runs outside a transaction is looked at.
const GLANCE: Duration = Duration::from_millis(1);

/// What a script may have left: its transaction, its settings, its role.
const PUT_BACK: [&str; 4] = ["ROLLBACK", "RESET SESSION AUTHORIZATION", "RESET ROLE", "RESET ALL"];

/// Everything that is not the server's own. 16384 is the first number that the server gives to others.
const RELATIONS: &str = "SELECT 'r', c.oid::int8, NULL::int8, n.nspname::text, c.relname::text, c.relkind::text, \
     c.relfilenode::int8, i.indrelid::int8 FROM pg_catalog.pg_class c \
     JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid \
     WHERE c.oid >= 16384 AND n.nspname <> 'information_schema' AND left(n.nspname::text, 3) <> 'pg_' \
     AND c.relkind <> 'c'";

/// Those of them that the transaction has made or changed; its first number is asked for when it begins.
/// What is gone shows in how many there are, and in the sum of their numbers.
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

/// From this number on the transactions are later than those that have begun.
const NEXT: &str = "SELECT pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot())";

/// The server's answers where a statement cannot run in a transaction, or ends it by itself.
const NOT_IN_A_TRANSACTION: [&str; 2] = ["25001", "2D000"];

/// What a script may need, and a server that was just made lacks.
const LACKING: [&str; 4] =
    ["extension \"", "could not open extension control file", "could not access file", "tablespace \""];

/// The database of a trace.
pub(super) struct Database {
    connection: PgConnection,
    /// Keeps statements waiting that run outside a transaction.
    holder: PgConnection,
    /// Looks at them meanwhile.
    watcher: PgConnection,
    process: i32,
    /// What is there behind the script that ran last, where it was looked at.
    relations: Option<Relations>,
    /// The number of the first transaction that the one which runs can be.
    first: i64,
    /// The roles that scripts named and none had made.
    pub(super) roles: BTreeSet<String>,
}

/// A script that did not run.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The statement; without one it is the beginning or the end of the transaction.
    pub(super) at: Option<usize>,
    /// The byte of the script that the server points at.
    pub(super) byte: Option<usize>,
    pub(super) said: Said,
}

/// What the server said.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) message: String,
    pub(super) detail: Option<String>,
    pub(super) hint: Option<String>,
    code: String,
    /// In characters of what was sent, counted from 1.
    position: Option<usize>,
}

impl Said {
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

impl From<sqlx::Error> for Said {
    fn from(error: sqlx::Error) -> Self {
        Self::of(&error)
    }
}

impl Refusal {
    fn at_the_ends(said: Said) -> Self {
        Self { at: None, byte: None, said }
    }

    fn at(sql: Sql<'_>, index: usize, said: Said) -> Self {
        let range = sql.statements[index].range.clone();
        let code = &sql.script.text[range.clone()];
        let byte = said.position.and_then(|position| code.char_indices().nth(position.checked_sub(1)?));
        Self { at: Some(index), byte: byte.map(|(byte, _)| range.start + byte), said }
    }

    /// Whether it is the server that lacks something, and not the set.
    pub(super) fn is_of_the_server(&self) -> bool {
        let lacks = LACKING.iter().any(|start| self.said.message.starts_with(start));
        lacks && ["0A000", "58P01", "42704"].contains(&&*self.said.code) || self.said.code == "3D000"
    }
}

impl Database {
    pub(super) async fn open(url: &str) -> Result<Self, String> {
        let options: PgConnectOptions = url.parse().map_err(|error: sqlx::Error| Said::of(&error).message)?;
        let options = options.application_name("lockgate trace").disable_statement_logging();
        let words = |error: sqlx::Error| Said::of(&error).message;
        let mut connection = options.connect().await.map_err(words)?;
        let holder = options.connect().await.map_err(words)?;
        let watcher = options.connect().await.map_err(words)?;
        let rows = rows(&mut connection, "SELECT pg_catalog.pg_backend_pid()").await.map_err(|said| said.message)?;
        let process = rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or_default();
        let roles = BTreeSet::new();
        Ok(Self { connection, holder, watcher, process, relations: None, first: 0, roles })
    }

    /// Runs a script as the runtime does, but for the bookkeeping. Where it is looked at, says what it
    /// did to what was there before.
    pub(super) async fn run(&mut self, sql: Sql<'_>, looks: bool) -> Result<Vec<Effect>, Refusal> {
        if let Some(role) = &sql.script.options.role {
            let question = "SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1";
            let found = sqlx::query(question).bind(role).persistent(false).fetch_optional(&mut self.connection).await;
            if found.map_err(|error| Refusal::at_the_ends(error.into()))?.is_none() {
                self.make_role(role).await.map_err(Refusal::at_the_ends)?;
            }
        }
        loop {
            let done = self.once(sql, looks).await;
            for statement in PUT_BACK {
                // What fails here fails again in whatever comes next.
                let _ = send(&mut self.connection, statement).await;
            }
            match done {
                Err(refusal) if sql.script.options.transactional && self.make_the_missing_role(&refusal.said).await => {
                }
                done => return done,
            }
        }
    }

    async fn once(&mut self, sql: Sql<'_>, looks: bool) -> Result<Vec<Effect>, Refusal> {
        let mut seen = match (looks, self.relations.take()) {
            (true, Some(known)) => Some(Seen::new(known)),
            (true, None) => Some(Seen::new(relations(&mut self.connection).await.map_err(Refusal::at_the_ends)?)),
            (false, _) => None,
        };
        let mut effects = Vec::new();
        if sql.script.options.transactional {
            self.begin(sql).await?;
            for index in 0..sql.statements.len() {
                self.statement(sql, index, seen.as_mut(), &mut effects).await?;
            }
            send(&mut self.connection, "COMMIT").await.map_err(Refusal::at_the_ends)?;
        } else {
            if let Some(role) = &sql.script.options.role {
                let set = format!("SET ROLE {}", quoted(role));
                send(&mut self.connection, &set).await.map_err(Refusal::at_the_ends)?;
            }
            self.one_by_one(sql, seen.as_mut(), &mut effects).await?;
        }
        // Outside of a transaction, and where a script ends it, not every change is seen by its number.
        self.relations = seen.map(|seen| seen.now).filter(|_| sql.script.options.transactional);
        Ok(effects)
    }

    async fn begin(&mut self, sql: Sql<'_>) -> Result<(), Refusal> {
        send(&mut self.connection, "BEGIN").await.map_err(Refusal::at_the_ends)?;
        if let Some(role) = &sql.script.options.role {
            let set = format!("SET LOCAL ROLE {}", quoted(role));
            send(&mut self.connection, &set).await.map_err(Refusal::at_the_ends)?;
        }
        Ok(())
    }

    /// Runs a statement inside the open transaction, and looks at what it did.
    async fn statement(
        &mut self,
        sql: Sql<'_>,
        index: usize,
        seen: Option<&mut Seen>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let statement = &sql.statements[index];
        let refused = |said| Refusal::at(sql, index, said);
        // Behind `SET TRANSACTION` a question of ours would be in the way of the next one.
        let is_quiet = matches!(statement.kind, StatementKind::Session | StatementKind::Transaction);
        let Some(seen) = seen.filter(|_| !is_quiet) else {
            return send(&mut self.connection, code(sql, index)).await.map_err(refused);
        };
        if !seen.begun {
            let first = rows(&mut self.connection, NEXT).await.map_err(refused)?;
            self.first = first.first().and_then(|row| row.try_get(0).ok()).unwrap_or_default();
            seen.begin(self.scans().await.map_err(refused)?);
        }
        send(&mut self.connection, code(sql, index)).await.map_err(refused)?;
        let now = self.look(seen).await.map_err(refused)?;
        let done = Done { empties: statement.kind == StatementKind::Truncate, ..Done::of(sql, index) };
        effects.extend(seen.effects(done, now));
        Ok(())
    }

    /// Runs a script that has no transaction around it. A statement that could be in one gets its own,
    /// in which it can be looked at: to the server there is no difference.
    async fn one_by_one(
        &mut self,
        sql: Sql<'_>,
        mut seen: Option<&mut Seen>,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let controls = sql.controls_transactions();
        let mut index = 0;
        while index < sql.statements.len() {
            let outside = sql.statements[index].flags.contains(StatementFlags::OUTSIDE_TRANSACTION);
            let done = match seen.as_deref_mut() {
                None => {
                    send(&mut self.connection, code(sql, index)).await.map_err(|said| Refusal::at(sql, index, said))
                }
                Some(seen) if controls => {
                    seen.begun &= sql.statements[index].kind != StatementKind::Transaction;
                    self.statement(sql, index, Some(seen), effects).await
                }
                Some(seen) if outside => self.outside(sql, index, seen, effects).await,
                Some(seen) => match self.in_its_own(sql, index, seen, effects).await {
                    Err(refusal) if NOT_IN_A_TRANSACTION.contains(&&*refusal.said.code) => {
                        self.outside(sql, index, seen, effects).await
                    }
                    done => done,
                },
            };
            match done {
                Ok(()) => index += 1,
                Err(refusal) if !controls && self.make_the_missing_role(&refusal.said).await => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(())
    }

    async fn in_its_own(
        &mut self,
        sql: Sql<'_>,
        index: usize,
        seen: &mut Seen,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        send(&mut self.connection, "BEGIN").await.map_err(Refusal::at_the_ends)?;
        seen.let_go();
        let done = self.statement(sql, index, Some(seen), effects).await;
        let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = send(&mut self.connection, end).await;
        seen.let_go();
        done?;
        ended.map_err(|said| Refusal::at(sql, index, said))
    }

    /// Runs a statement that takes transactions of its own, whose locks are gone when it is done. All
    /// tables are held until it waits for one: then what it wants can be read.
    async fn outside(
        &mut self,
        sql: Sql<'_>,
        index: usize,
        seen: &mut Seen,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let refused = |said| Refusal::at(sql, index, said);
        let tables = seen.tables();
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
                    () = tokio::time::sleep(GLANCE) => {}
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
        let changed = changed(&seen.now, relations(&mut self.connection).await.map_err(refused)?);
        seen.let_go();
        let done = Done { is_glimpse: true, ..Done::of(sql, index) };
        effects.extend(seen.effects(done, Look { locks, changed, scans: BTreeMap::new() }));
        seen.let_go();
        Ok(())
    }

    /// Looks at what is locked, changed and read, with one question.
    async fn look(&mut self, seen: &Seen) -> Result<Look, Said> {
        let first = self.first;
        let question = format!("{LOCKS} UNION ALL {SCANS} UNION ALL {COUNT} UNION ALL {RELATIONS} {CHANGED} {first}");
        let mut look = Look { locks: BTreeMap::new(), changed: BTreeMap::new(), scans: BTreeMap::new() };
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
                    if seen.now.get(&number) != Some(&relation) {
                        look.changed.insert(number, Some(relation));
                    }
                }
            }
        }
        let new = look.changed.keys().filter(|number| !seen.now.contains_key(number));
        let (more, sum) = new.fold((0, 0), |(more, sum), number| (more + 1, sum + number));
        if count != (seen.now.len() as i64 + more, seen.now.keys().sum::<i64>() + sum) {
            look.changed = changed(&seen.now, relations(&mut self.connection).await?);
        }
        Ok(look)
    }

    async fn scans(&mut self) -> Result<BTreeMap<i64, i64>, Said> {
        let read = |row: &PgRow| -> Result<(i64, i64), sqlx::Error> { Ok((row.try_get(1)?, row.try_get(2)?)) };
        let rows = rows(&mut self.connection, SCANS).await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// Makes the role that was missing, once. Roles belong to a server, and sets rarely make them.
    async fn make_the_missing_role(&mut self, said: &Said) -> bool {
        match role::missing(&said.code, &said.message) {
            Some(role) if !self.roles.contains(role) => self.make_role(role).await.is_ok(),
            Some(_) | None => false,
        }
    }

    async fn make_role(&mut self, role: &str) -> Result<(), Said> {
        self.roles.insert(role.to_owned());
        Ok(role::make(&mut self.connection, role).await?)
    }
}

async fn relations(connection: &mut PgConnection) -> Result<Relations, Said> {
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

/// What is new, other or gone.
fn changed(before: &Relations, now: Relations) -> BTreeMap<i64, Option<Relation>> {
    let gone = before.keys().filter(|number| !now.contains_key(number)).map(|number| (*number, None));
    let mut changed: BTreeMap<i64, Option<Relation>> = gone.collect();
    let new = now.into_iter().filter(|(number, relation)| before.get(number) != Some(relation));
    changed.extend(new.map(|(number, relation)| (number, Some(relation))));
    changed
}

async fn rows(connection: &mut PgConnection, question: &str) -> Result<Vec<PgRow>, Said> {
    Ok(sqlx::raw_sql(AssertSqlSafe(question.to_owned())).fetch_all(connection).await?)
}

async fn send(connection: &mut PgConnection, sql: &str) -> Result<(), Said> {
    let mut stream = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_many(connection);
    while stream.try_next().await?.is_some() {}
    Ok(())
}

fn code<'a>(sql: Sql<'a>, index: usize) -> &'a str {
    &sql.script.text[sql.statements[index].range.clone()]
}

impl<'a> Done<'a> {
    fn of(sql: Sql<'a>, index: usize) -> Self {
        let range = sql.statements[index].range.clone();
        let at = lockgate_source::Diagnostic::warning("trace", "", "").at(&sql.script.text, range, "");
        let predicted = sql.touches.iter().filter(|touch| touch.statement == index).collect();
        // As diagnostics count them.
        Self { place: at.position().unwrap_or((1, 1)), empties: false, is_glimpse: false, predicted }
    }
}
