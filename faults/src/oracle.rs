//! The oracle: reads a database with plain queries, and compares it with what must be there. It shares no code with the
//! runtime, so that a bug of the runtime cannot hide itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row as _, SqliteConnection};

use crate::Backend;
use crate::runner::{Failure, OutputLine};
use crate::set::{Migration, Set, Statement, Things, add};

#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) version: i64,
    pub(crate) state: String,
    pub(crate) done: usize,
}

/// The content of the database.
#[derive(Clone, Debug, Default)]
pub(crate) struct DatabaseContents {
    pub(crate) things: Things,
    pub(crate) history: BTreeMap<i64, Row>,
    /// Schemas that have a history table.
    histories: Vec<String>,
    /// For each version, how often the log has it as applied, minus how often as reverted.
    pub(crate) logged: BTreeMap<i64, i64>,
}

const POSTGRES_THINGS: &str = "
SELECT 'count', n FROM public.counter
UNION ALL SELECT 'mark:' || v || ':' || p, count(*) FROM public.marks GROUP BY v, p
UNION ALL SELECT 'place:public:' || v, count(*) FROM public.place GROUP BY v
UNION ALL SELECT 'place:app:' || v, count(*) FROM app.place GROUP BY v
UNION ALL SELECT 'table:' || relname || ':' || relowner::regrole, 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname ~ '^t[0-9]+$'
UNION ALL SELECT CASE WHEN indisvalid THEN 'index:' ELSE 'invalid:' END || relname, 1 FROM pg_class JOIN pg_index ON indexrelid = oid WHERE relname ~ '^i[0-9]+(_ccnew)?$'
UNION ALL SELECT 'value:' || enumlabel, 1 FROM pg_enum WHERE enumlabel <> 'm0'";

const SQLITE_THINGS: &str = "
SELECT 'count', n FROM counter
UNION ALL SELECT 'mark:' || v || ':' || p, count(*) FROM marks GROUP BY v, p
UNION ALL SELECT 'place:public:' || v, count(*) FROM place GROUP BY v
UNION ALL SELECT 'table:' || name, 1 FROM sqlite_schema WHERE type = 'table' AND name GLOB 't[0-9]*'";

const HISTORY: &str = "SELECT CAST(version AS bigint), CAST(state AS text), CAST(statements_done AS bigint) FROM ";
/// Bootstraps of databases are another set.
const OF_SET: &str = "WHERE set_name = 'default'";
const LOG: &str = "SELECT CAST(version AS bigint), CAST(sum(CASE event WHEN 'applied' THEN 1 WHEN 'reverted' THEN -1 ELSE 0 END) AS bigint) FROM ";

/// Reads the database at this URL.
pub(crate) async fn look(backend: Backend, url: &str) -> Result<DatabaseContents, sqlx::Error> {
    match backend {
        Backend::Postgres => {
            let mut connection = PgConnection::connect(url).await?;
            let facts = postgres(&mut connection).await;
            let _ = connection.close().await;
            facts
        }
        Backend::Sqlite => {
            let mut connection = SqliteConnection::connect(url).await?;
            let facts = sqlite(&mut connection).await;
            let _ = connection.close().await;
            facts
        }
    }
}

async fn postgres(connection: &mut PgConnection) -> Result<DatabaseContents, sqlx::Error> {
    let mut facts = DatabaseContents::default();
    for row in sqlx::raw_sql(POSTGRES_THINGS).fetch_all(&mut *connection).await? {
        *facts.things.entry(row.try_get(0)?).or_default() += row.try_get::<i64, _>(1)?;
    }
    let sql = "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'lockgate_history' ORDER BY 1";
    facts.histories = sqlx::query_scalar(sql).fetch_all(&mut *connection).await?;
    for schema in &facts.histories {
        let sql = AssertSqlSafe(format!("{HISTORY}{schema}.lockgate_history {OF_SET}"));
        for row in sqlx::raw_sql(sql).fetch_all(&mut *connection).await? {
            let (version, state, done) = (row.try_get(0)?, row.try_get(1)?, row.try_get::<i64, _>(2)?);
            facts.history.insert(version, Row { version, state, done: usize::try_from(done).unwrap_or(0) });
        }
        let sql = AssertSqlSafe(format!("{LOG}{schema}.lockgate_log {OF_SET} GROUP BY version"));
        for row in sqlx::raw_sql(sql).fetch_all(&mut *connection).await.unwrap_or_default() {
            facts.logged.insert(row.try_get(0)?, row.try_get(1)?);
        }
    }
    Ok(facts)
}

async fn sqlite(connection: &mut SqliteConnection) -> Result<DatabaseContents, sqlx::Error> {
    let mut facts = DatabaseContents::default();
    for row in sqlx::raw_sql(SQLITE_THINGS).fetch_all(&mut *connection).await? {
        *facts.things.entry(row.try_get(0)?).or_default() += row.try_get::<i64, _>(1)?;
    }
    let sql = "SELECT name FROM sqlite_schema WHERE name = 'lockgate_history'";
    facts.histories = sqlx::query_scalar(sql).fetch_all(&mut *connection).await?;
    if !facts.histories.is_empty() {
        let sql = AssertSqlSafe(format!("{HISTORY}lockgate_history {OF_SET}"));
        for row in sqlx::raw_sql(sql).fetch_all(&mut *connection).await? {
            let (version, state, done) = (row.try_get(0)?, row.try_get(1)?, row.try_get::<i64, _>(2)?);
            facts.history.insert(version, Row { version, state, done: usize::try_from(done).unwrap_or(0) });
        }
        let sql = AssertSqlSafe(format!("{LOG}lockgate_log {OF_SET} GROUP BY version"));
        for row in sqlx::raw_sql(sql).fetch_all(&mut *connection).await.unwrap_or_default() {
            facts.logged.insert(row.try_get(0)?, row.try_get(1)?);
        }
    }
    let sound: String = sqlx::query_scalar("PRAGMA integrity_check").fetch_one(connection).await?;
    if sound != "ok" {
        facts.things.insert(format!("integrity: {sound}"), 1);
    }
    Ok(facts)
}

/// Reads what the bootstraps have made in the maintenance database of several databases, whose history has them by name.
pub(crate) async fn look_at_bootstraps(url: &str, bootstraps: &[&Migration]) -> Result<DatabaseContents, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    let mut facts = DatabaseContents::default();
    for row in sqlx::raw_sql(POSTGRES_THINGS).fetch_all(&mut connection).await? {
        *facts.things.entry(row.try_get(0)?).or_default() += row.try_get::<i64, _>(1)?;
    }
    let exists = "SELECT to_regclass('public.lockgate_history') IS NOT NULL";
    if sqlx::query_scalar::<_, bool>(exists).fetch_one(&mut connection).await? {
        let version = |name: &str| bootstraps.iter().find(|one| one.id == name).map(|one| one.version);
        let sql = "SELECT name, state, statements_done::bigint FROM public.lockgate_history";
        for row in sqlx::raw_sql(sql).fetch_all(&mut connection).await? {
            let (name, state, done) = (row.try_get::<String, _>(0)?, row.try_get(1)?, row.try_get::<i64, _>(2)?);
            if let Some(version) = version(&name) {
                facts.history.insert(version, Row { version, state, done: usize::try_from(done).unwrap_or(0) });
            }
        }
        let sql = "SELECT name, count(*) FROM public.lockgate_log WHERE event = 'applied' GROUP BY name";
        for row in sqlx::raw_sql(sql).fetch_all(&mut connection).await? {
            if let Some(version) = version(row.try_get(0)?) {
                facts.logged.insert(version, row.try_get(1)?);
            }
        }
    }
    connection.close().await?;
    Ok(facts)
}

/// Compares the history of a database with what the mirror has of it.
pub(crate) async fn unmirrored(mirror: &str, name: &str, url: &str) -> Result<Vec<String>, sqlx::Error> {
    let read = async |url: &str, sql: String| -> Result<Vec<String>, sqlx::Error> {
        let mut connection = PgConnection::connect(url).await?;
        let rows = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut connection).await?;
        connection.close().await?;
        Ok(rows)
    };
    let rows = "set_name || ' ' || version || ' ' || checksum";
    let own = format!("SELECT {rows} FROM public.lockgate_history WHERE state = 'applied' ORDER BY 1");
    let kept = format!(
        "SELECT {rows} || CASE WHEN leaving THEN ' leaving' ELSE '' END FROM lockgate_mirror.history \
         WHERE database = '{name}' ORDER BY 1"
    );
    let (own, kept) = (read(url, own).await?, read(mirror, kept).await?);
    let only = |these: &[String], others: &[String], who: &str| -> Vec<String> {
        let alone = these.iter().filter(|row| !others.contains(row));
        alone.map(|row| format!("only {who} of `{name}` has `{row}`")).collect()
    };
    Ok([only(&own, &kept, "the history"), only(&kept, &own, "the mirror")].concat())
}

/// Returns what a migration has put into the database, according to its history row.
fn expected(migration: &Migration, row: Option<&Row>) -> (Things, Option<Statement>) {
    let mut things = Things::new();
    let none: &[Statement] = &[];
    let down = migration.down.as_deref().unwrap_or(none);
    let mut doubtful = None;
    match row.map(|row| (row.state.as_str(), row.done)) {
        None => {}
        Some(("partial", done)) => {
            add(&mut things, migration.up.iter().take(done));
            doubtful = migration.up.get(done).cloned();
        }
        Some(("reverting", done)) => {
            add(&mut things, &migration.up);
            add(&mut things, down.iter().take(done));
            doubtful = down.get(done).cloned();
        }
        Some(_) => add(&mut things, &migration.up),
    }
    (things, doubtful.filter(|statement| statement.alone))
}

/// Whether a statement outside a transaction, of a partial migration, has taken effect.
pub(crate) fn took_effect(set: &Set, facts: &DatabaseContents, version: i64) -> Option<bool> {
    let migration = set.of(version)?;
    let (before, doubtful) = expected(migration, facts.history.get(&version));
    let statement = doubtful?;
    let (key, by) = statement.effects.iter().find(|(key, _)| key != "count")?;
    let has = facts.things.get(key).copied().unwrap_or(0);
    Some(has == before.get(key).copied().unwrap_or(0) + by)
}

/// Returns where the history and the database disagree.
pub(crate) fn disagreements(set: &Set, facts: &DatabaseContents) -> Vec<String> {
    let mut found = Vec::new();
    if facts.histories.len() > 1 {
        found.push(format!("there are several histories: {:?}", facts.histories));
    }
    let mut things = Things::new();
    for migration in &set.migrations {
        let row = facts.history.get(&migration.version);
        let (mut these, doubtful) = expected(migration, row);
        if let Some(statement) = doubtful {
            if took_effect(set, facts, migration.version) == Some(true) {
                add(&mut these, [&statement]);
            }
            // An index that was being built is there and INVALID.
            for (key, _) in &statement.effects {
                let invalid = key.replace("index:", "invalid:");
                if invalid != *key && facts.things.contains_key(&invalid) {
                    these.insert(invalid, 1);
                    if row.is_some_and(|row| row.state == "reverting") {
                        these.remove(key);
                    }
                }
            }
        }
        for (key, by) in these {
            *things.entry(key).or_default() += by;
        }
    }
    let keys: std::collections::BTreeSet<_> = things.keys().chain(facts.things.keys()).collect();
    for key in keys {
        let of = |things: &Things| things.get(key).copied().unwrap_or(0);
        let (has, should) = (of(&facts.things), of(&things));
        if has != should {
            let version = key.split(':').find_map(|part| part.trim_start_matches(['t', 'i', 'm']).parse::<i64>().ok());
            let row = version.and_then(|version| facts.history.get(&version));
            let row = row.map(|row| format!("{} with {} statements done", row.state, row.done));
            found.push(format!(
                "`{key}` is there {has} times and should be {should} times (its row: {})",
                row.as_deref().unwrap_or("none")
            ));
        }
    }
    for (version, row) in &facts.history {
        let logged = facts.logged.get(version).copied().unwrap_or(0);
        let should = i64::from(row.state == "applied" || row.state == "reverting");
        if logged != should {
            found.push(format!("the log says {logged} times that {version} was applied, its row is {}", row.state));
        }
    }
    // What is recorded is a prefix of the set, and only its last may be half done.
    let mut versions = facts.history.keys();
    if let Some(first) = set.migrations.iter().find(|migration| versions.next() != Some(&migration.version)) {
        let beyond: Vec<_> = facts.history.keys().filter(|version| **version > first.version).collect();
        if !beyond.is_empty() {
            found.push(format!("{} is not recorded and {beyond:?} are", first.id));
        }
    }
    found
}

/// Whether all of a set is applied.
pub(crate) fn unfinished(set: &Set, facts: &DatabaseContents, floor: Option<i64>) -> Vec<String> {
    let missing = |migration: &&Migration| {
        let row = facts.history.get(&migration.version);
        match floor {
            Some(floor) if migration.version > floor => row.is_some(),
            Some(_) | None => row.is_none_or(|row| row.state != "applied"),
        }
    };
    let missing: Vec<_> = set.migrations.iter().filter(missing).map(|migration| migration.id.as_str()).collect();
    if missing.is_empty() { Vec::new() } else { vec![format!("said done, and these are not: {missing:?}")] }
}

/// What a runner reported.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunOutput {
    pub(crate) done: Option<Vec<(String, String)>>,
    pub(crate) failure: Option<Failure>,
    pub(crate) dropped: bool,
    /// What it reported as finished or committed.
    pub(crate) finished: Vec<String>,
    pub(crate) events: usize,
    pub(crate) planned: bool,
    pub(crate) left: Vec<String>,
    /// It ended by itself.
    pub(crate) ended: bool,
}

impl DatabaseContents {
    /// Adds what another database has. Their versions differ.
    pub(crate) fn merge(&mut self, other: Self) {
        for (key, count) in other.things {
            *self.things.entry(key).or_default() += count;
        }
        self.history.extend(other.history);
        self.logged.extend(other.logged);
        if other.histories.len() > self.histories.len() {
            self.histories = other.histories;
        }
    }
}

impl RunOutput {
    pub(crate) fn hear(&mut self, line: OutputLine) {
        match line {
            OutputLine::Event(name, id) => {
                self.events += 1;
                self.planned |= name == "Planned" || name == "Started";
                if matches!(name.as_str(), "Finished" | "Committed")
                    && let Some(id) = id
                {
                    self.finished.push(id);
                }
            }
            OutputLine::Done(steps) => self.done = Some(steps),
            OutputLine::Failed(failure) => self.failure = Some(failure),
            OutputLine::Dropped => self.dropped = true,
            OutputLine::Left(what) => self.left.push(what),
            OutputLine::End => self.ended = true,
        }
    }

    /// Describes how it ended.
    pub(crate) fn end(&self) -> String {
        match (&self.done, &self.failure) {
            (Some(steps), _) => format!("done, {} steps", steps.len()),
            (None, Some(failure)) => format!("{}: {}", failure.kind, failure.text.replace('\n', "\n      ")),
            (None, None) if self.dropped => "dropped".to_owned(),
            (None, None) => "killed".to_owned(),
        }
    }
}

/// Returns the text between the first two backticks.
fn quoted(line: &str) -> Option<&str> {
    line.split('`').nth(1)
}

/// Returns which reports of a runner are false. `before` is the database before the run; `alone` means that no other run
/// was active.
pub(crate) fn false_claims(
    set: &Set,
    output: &RunOutput,
    before: &DatabaseContents,
    facts: &DatabaseContents,
    down: bool,
    alone: bool,
) -> Vec<String> {
    let mut found: Vec<String> = output.left.iter().map(|what| format!("left in a session: {what}")).collect();
    let version_of = |id: &str| set.migrations.iter().find(|migration| migration.id == id).map(|found| found.version);
    let applied = |id: &str| {
        version_of(id).and_then(|version| facts.history.get(&version)).is_some_and(|row| row.state == "applied")
    };
    let gone = |id: &str| version_of(id).is_none_or(|version| !facts.history.contains_key(&version));
    let is_so = |id: &str| if down { gone(id) } else { applied(id) };
    for id in output.finished.iter().filter(|id| !is_so(id)) {
        found.push(format!("`{id}` was told as finished, and is not recorded so"));
    }
    for (id, _) in output.done.iter().flatten().filter(|(id, _)| !is_so(id)) {
        found.push(format!("the report lists `{id}`, which is not recorded so"));
    }
    let Some(failure) = &output.failure else { return found };
    let unchanged = || {
        let rows = |facts: &DatabaseContents| {
            facts.history.values().map(|row| (row.version, row.state.clone(), row.done)).collect::<Vec<_>>()
        };
        rows(before) == rows(facts)
    };
    for line in &failure.state {
        let wrong = if let Some((_, ids)) = line.split_once("and committed before it: ") {
            match ids.split_once(" migrations, ").and_then(|(count, ends)| Some((count, ends.split_once(" to ")?))) {
                // Of many, their number, the first and the last.
                Some((count, (first, last))) => {
                    let ends = [first, last].map(|id| version_of(id).unwrap_or_default());
                    let between = ends[0].min(ends[1])..=ends[0].max(ends[1]);
                    let all = facts.history.iter().filter(|(version, _)| between.contains(version));
                    let recorded = all.filter(|(_, row)| row.state == "applied").count();
                    let count = count.parse().unwrap_or(usize::MAX);
                    !is_so(first) || !is_so(last) || if down { recorded > 0 } else { recorded < count }
                }
                None => ids.split(", ").any(|id| !is_so(id)),
            }
        } else if line.contains("nothing was changed")
            || line.contains("nothing of this run is in the database")
            || line.contains("nothing of it was committed")
        {
            alone && !unchanged()
        } else if line.contains("nothing was committed before it") {
            alone
                && facts.history.values().any(|row| {
                    let before = before.history.get(&row.version);
                    row.state == "applied" && before.is_none_or(|before| before.state != "applied") && !down
                })
        } else if line.contains("was rolled back: nothing of it is in the database")
            || (line.starts_with("nothing of `") && line.contains("in the database"))
        {
            let id = quoted(line).unwrap_or_default();
            let version = version_of(id).unwrap_or_default();
            let (row, was) = (facts.history.get(&version), before.history.get(&version));
            alone && row.map(|row| (&row.state, row.done)) != was.map(|row| (&row.state, row.done))
        } else if line.contains("is partial") && line.contains("statements have finished") {
            let id = quoted(line).unwrap_or_default();
            let count: Option<usize> =
                line.split("is partial: ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
            let row = version_of(id).and_then(|version| facts.history.get(&version));
            alone && row.map(|row| row.done) != count
        } else {
            false
        };
        if wrong {
            found.push(format!("it said \"{line}\", and that is not so"));
        }
    }
    found
}

/// Waits until the database has no other session, and returns those that remain, and the locks that are held.
pub(crate) async fn quiet(admin: &mut PgConnection, database: &str, patience: Duration) -> Vec<String> {
    let sql = "SELECT coalesce(a.state, '?') || ': ' || left(coalesce(a.query, ''), 200) || ' (locks: ' || \
               (SELECT count(*) FROM pg_locks l WHERE l.pid = a.pid AND locktype = 'advisory') || ')' \
               FROM pg_stat_activity a WHERE a.datname = $1 AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'";
    let start = Instant::now();
    loop {
        let found: Vec<String> = match sqlx::query_scalar(sql).bind(database).fetch_all(&mut *admin).await {
            Ok(found) => found,
            Err(error) => return vec![format!("the sessions cannot be seen: {error}")],
        };
        if found.is_empty() {
            return Vec::new();
        }
        if start.elapsed() > patience {
            return found.into_iter().map(|who| format!("a session is left: {who}")).collect();
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}
