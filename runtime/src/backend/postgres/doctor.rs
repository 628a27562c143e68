//! Examines a PostgreSQL database for what could stop a run. Its queries run in one read-only transaction with nothing
//! but `pg_catalog` in the search path, so that no schema can put something of its own in front.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lockgate_core::other_tools::{self, OTHER_TOOLS};
use sqlx::Row as _;

use super::sql::{self, HIDDEN, literal};
use super::{PostgresBackend, TEXT};
use crate::error::{Cause, Class, Wording};
use crate::finding::{Examination, Finding};
use crate::history_table::identifier;

/// How far the clocks of server and program may differ.
const CLOCKS: Duration = Duration::from_secs(5);
/// How far two clocks drift apart in the life of a connection.
const DRIFT: Duration = Duration::from_millis(20);
/// How often the server session is compared with itself.
const LOOKS: usize = 4;
/// How many objects of a kind are listed.
const LISTED: usize = 10;

/// One row of the answer: what it is about, and up to five texts.
struct Fact {
    about: String,
    texts: [String; 5],
}

impl PostgresBackend<'_> {
    pub(super) async fn findings(&mut self, examination: Examination) -> Result<Vec<Finding>, Cause> {
        // If there are none, reading the history has already reported why.
        let Some(facts) = &self.facts else { return Ok(Vec::new()) };
        if facts.in_transaction {
            return Err(Cause::new(Class::Usage, "the connection is inside a transaction: end it first"));
        }
        let mut findings = Vec::new();
        let before = SystemTime::now();
        let answer = self.rows(self.questions(examination)).await;
        let took = before.elapsed().unwrap_or_default();
        let connection_age = self.connected.map(|connected| connected.elapsed());
        let answer: Vec<Fact> = match answer {
            Ok(rows) => rows.iter().filter_map(fact).collect(),
            Err(cause) if cause.class == Class::Lost => return Err(cause),
            Err(cause) => {
                let fact = format!("the catalogue cannot be examined: {cause}");
                findings.push(Finding::warning("catalogue", fact, "connect as a role that may read `pg_catalog`"));
                Vec::new()
            }
        };
        let about = |what: &'static str| answer.iter().filter(move |fact| fact.about == what).map(|fact| &fact.texts);
        let mut session_age = Duration::ZERO;
        for [version, encoding, now, database, age] in about("server") {
            session_age = Duration::try_from_secs_f64(age.parse().unwrap_or_default()).unwrap_or_default();
            findings.push(Finding::ok("server", version.clone()));
            findings.push(clock(now, before, took));
            findings.push(encoded(encoding, database));
        }
        findings.push(self.writable().await);
        findings.push(self.lock());
        findings.extend(self.timeout());
        findings.extend(self.place().await);
        findings.extend(privileges(about("privilege"), self.facts().is_now()));
        findings.extend(owners(about("owner"), self.facts().is_now()));
        findings.extend(row_security(about("row-security")));
        findings.extend(self.log_table().await);
        findings.extend(listed(
            about("invalid"),
            "invalid-index",
            "no index is INVALID",
            |[index, table, building, ..]| {
                if building == "true" {
                    let fact = format!("the index {index} on {table} is INVALID, and may still be being built");
                    return Finding::warning(
                        "invalid-index",
                        fact,
                        "look again when nothing holds a lock on the table",
                    );
                }
                Finding::warning(
                    "invalid-index",
                    format!("the index {index} on {table} is INVALID: every write updates it, and no query uses it"),
                    Wording::each(|audience| {
                        format!(
                            "drop it ({}), or build it again (`REINDEX INDEX CONCURRENTLY {index}`)",
                            audience.drop_invalid_index(index)
                        )
                    }),
                )
            },
        ));
        findings.extend(listed(
            about("unvalidated"),
            "unvalidated-constraint",
            "every constraint is validated",
            |[name, table, ..]| {
                Finding::warning(
                    "unvalidated-constraint",
                    format!("the constraint {name} of {table} is NOT VALID: existing rows may violate it"),
                    format!("run `ALTER TABLE {table} VALIDATE CONSTRAINT {name}`"),
                )
            },
        ));
        let none = format!("no other session has held a lock for more than {:?}", examination.long_transaction);
        let role = identifier(self.facts().is_now());
        findings.extend(listed(about("session"), "sessions", &none, |[pid, who, state, age, locks]| {
            if age.is_empty() {
                return Finding::warning(
                    "sessions",
                    format!("{who} (pid {pid}) holds {locks}; this role may not see since when"),
                    format!("let a superuser run `GRANT pg_read_all_stats TO {role}`, then look again"),
                );
            }
            Finding::warning(
                "sessions",
                format!("{who} (pid {pid}, {state}) has had a transaction open for {age} s and holds {locks}"),
                format!("end it if it is not needed: `SELECT pg_terminate_backend({pid})`"),
            )
        }));
        findings.extend(about("prepared").map(|[gid, age, ..]| {
            Finding::warning(
                "sessions",
                format!("the prepared transaction {gid} has held its locks for {age} s"),
                format!("end it: `ROLLBACK PREPARED {}`, or `COMMIT PREPARED` with the same name", literal(gid)),
            )
        }));
        // Without a history of ours, this is a reason against every run, and reported as such.
        if self.facts().other.is_none() {
            findings.push(others(about("other")));
        }
        // Last, because a pooler may close the connection.
        findings.push(self.pooler(session_age, connection_age).await?);
        Ok(findings)
    }

    /// Every question in one message.
    fn questions(&self, examination: Examination) -> String {
        let facts = self.facts();
        let table = &facts.table;
        let schema = literal(table.schema.as_deref().unwrap_or_default());
        let (history, log) = (literal(&table.name), literal(&table.log().name));
        let own = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";
        let tools: Vec<String> = OTHER_TOOLS.iter().map(|(table, _)| literal(table)).collect();
        let age = i64::try_from(examination.long_transaction.as_millis()).unwrap_or(i64::MAX);
        let privileges = if facts.candidates.present(table) {
            format!(
                "SELECT 'privilege', p.kind || ' ON ' || quote_ident(n.nspname) || '.' || quote_ident(c.relname), \
                 (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, p.kind))::text \
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN (VALUES ({history}, 'SELECT'), \
                 ({history}, 'INSERT'), ({history}, 'UPDATE'), ({history}, 'DELETE'), ({log}, 'INSERT')) AS p (name, kind) \
                 ON p.name = c.relname::text WHERE n.nspname = {schema} AND c.relkind = 'r'; \
                 SELECT 'privilege', 'USAGE ON SCHEMA ' || quote_ident(n.nspname), \
                 has_schema_privilege(n.oid, 'USAGE')::text FROM pg_namespace n WHERE n.nspname = {schema}"
            )
        } else {
            format!(
                "SELECT 'privilege', 'CREATE ON SCHEMA ' || quote_ident(n.nspname), \
                 has_schema_privilege(n.oid, 'CREATE')::text FROM pg_namespace n WHERE n.nspname = {schema}"
            )
        };
        [
            "BEGIN TRANSACTION READ ONLY; SET LOCAL search_path = pg_catalog".to_owned(),
            "SELECT 'server', split_part(version(), ' on ', 1), current_setting('server_encoding'), \
             extract(epoch FROM clock_timestamp())::text, current_database()::text, \
             (SELECT extract(epoch FROM clock_timestamp() - a.backend_start)::text FROM pg_stat_activity a \
             WHERE a.pid = pg_backend_pid())"
                .to_owned(),
            privileges,
            "SELECT 'privilege', 'EXECUTE ON FUNCTION pg_catalog.pg_try_advisory_xact_lock(bigint)', \
             has_function_privilege(p.oid, 'EXECUTE')::text FROM pg_proc p \
             WHERE p.oid = to_regprocedure('pg_catalog.pg_try_advisory_xact_lock(bigint)')"
                .to_owned(),
            format!(
                "SELECT 'owner', quote_ident(pg_get_userbyid(c.relowner)), count(*)::text, min(c.oid::regclass::text) \
                 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {own} AND c.relkind IN ('r', 'p') \
                 AND NOT pg_has_role(c.relowner, 'USAGE') AND NOT EXISTS (SELECT FROM pg_depend d \
                 WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e') GROUP BY c.relowner"
            ),
            format!(
                "SELECT 'row-security', c.oid::regclass::text FROM pg_class c JOIN pg_namespace n \
                 ON n.oid = c.relnamespace WHERE n.nspname = {schema} AND c.relname IN ({history}, {log}) \
                 AND c.relrowsecurity"
            ),
            format!(
                "SELECT 'invalid', i.indexrelid::regclass::text, i.indrelid::regclass::text, EXISTS (SELECT FROM pg_locks l \
                 WHERE l.relation = i.indrelid AND l.granted AND l.mode = 'ShareUpdateExclusiveLock')::text \
                 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE {own} AND NOT i.indisvalid AND c.relkind = 'i' ORDER BY 2"
            ),
            format!(
                "SELECT 'unvalidated', quote_ident(k.conname), k.conrelid::regclass::text FROM pg_constraint k \
                 JOIN pg_namespace n ON n.oid = k.connamespace WHERE {own} AND NOT k.convalidated AND k.conrelid <> 0 \
                 ORDER BY 3, 2"
            ),
            format!(
                "SELECT 'session', a.pid::text, concat_ws(' ', a.usename, nullif(a.application_name, '')), \
                 coalesce(a.state, 'hidden'), floor(extract(epoch FROM clock_timestamp() - a.xact_start))::text, l.locks \
                 FROM pg_stat_activity a JOIN LATERAL (SELECT string_agg(DISTINCT l.mode || ' on ' || \
                 l.relation::regclass::text, ', ') AS locks FROM pg_locks l JOIN pg_class c ON c.oid = l.relation \
                 JOIN pg_namespace n ON n.oid = c.relnamespace WHERE l.pid = a.pid AND l.granted AND {own} AND l.database = \
                 (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())) l ON l.locks IS NOT NULL \
                 WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND (a.query = {HIDDEN} OR \
                 a.backend_type = 'client backend' \
                 AND a.xact_start < clock_timestamp() - interval '1 millisecond' * {age}) ORDER BY a.xact_start"
            ),
            format!(
                "SELECT 'prepared', p.gid, floor(extract(epoch FROM clock_timestamp() - p.prepared))::text \
                 FROM pg_prepared_xacts p WHERE p.database = current_database() \
                 AND p.prepared < clock_timestamp() - interval '1 millisecond' * {age} ORDER BY p.prepared"
            ),
            format!(
                "SELECT 'other', c.relname, n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE {own} AND c.relkind = 'r' AND c.relname IN ({}) ORDER BY 2",
                tools.join(", ")
            ),
            "ROLLBACK".to_owned(),
        ]
        .join("; ")
    }

    /// Whether the server accepts writes from this session.
    async fn writable(&mut self) -> Finding {
        let (read_only, replica) = (self.facts().read_only, self.facts().replica);
        if replica {
            let fact = "the server is a read-only replica";
            return Finding::problem("writable", fact, "connect to the primary");
        }
        if read_only {
            return Finding::of_cause("writable", &self.read_only().await);
        }
        Finding::ok("writable", "the server is a primary, and the session may write")
    }

    /// Whether there is a pooler in between: the server session is older than the connection that has it, or
    /// consecutive transactions run in different ones.
    async fn pooler(&mut self, session: Duration, connection: Option<Duration>) -> Result<Finding, Cause> {
        // A transaction over two messages. A connection of the caller's might stay in it if this future is dropped.
        if !self.held.is_borrowed() {
            match self.execute("BEGIN TRANSACTION READ ONLY".to_owned()).await {
                Ok(()) => self.execute("ROLLBACK".to_owned()).await?,
                Err(cause) if cause.class == Class::Pooler => {
                    let advice = "connect to the server itself, or to a pool in session mode or transaction mode";
                    return Ok(Finding::problem("pooler", cause.message, advice));
                }
                Err(cause) => return Err(cause),
            }
        }
        if connection.is_some_and(|connection| session > connection + DRIFT) {
            return Ok(Finding::warning(
                "pooler",
                "the server session is older than the connection: a pooler has lent it",
                "migrations work through a pooler in session mode or transaction mode; a script with `-- lockgate: \
                 no-transaction` that depends on its session is refused in transaction mode: for that one, connect to the \
                 server itself",
            ));
        }
        let mut seen: Vec<String> = Vec::new();
        for _ in 0..LOOKS {
            let rows = self.rows(format!("SELECT pg_catalog.pg_backend_pid()::{TEXT}")).await?;
            seen.extend(rows.first().and_then(|row| row.try_get::<String, _>(0).ok()));
        }
        seen.dedup();
        Ok(if seen.len() > 1 {
            Finding::warning(
                "pooler",
                "the connection goes through a pooler in transaction mode: each transaction may have another session",
                "migrations work through it; a script with `-- lockgate: no-transaction` that depends on its session is \
                 refused: for that one, connect to the server itself",
            )
        } else {
            // A pooler that always lends the same session cannot be detected.
            Finding::ok("pooler", "every transaction had the same server session")
        })
    }

    fn lock(&self) -> Finding {
        if self.facts().advisory {
            Finding::ok("lock", "runs take turns by an advisory lock in each transaction")
        } else {
            Finding::ok("lock", "runs take turns by a row of the history table")
        }
    }

    fn timeout(&self) -> Option<Finding> {
        let timeout = &self.facts().statement_timeout;
        (timeout != "0").then(|| {
            Finding::warning(
                "statement-timeout",
                format!("the session stops every statement after {timeout}, also those of migrations"),
                Wording::each(|audience| format!("give migrations more time: {}", audience.statement_timeout())),
            )
        })
    }

    /// Whether the log can take rows, if there is a history.
    async fn log_table(&mut self) -> Option<Finding> {
        let table = self.table().clone();
        if !self.facts().candidates.present(&table) {
            return None;
        }
        let log = table.log();
        let shown = log.to_string();
        let rows = self.rows(sql::log_sequence(&log)).await.ok()?;
        let Some(row) = rows.first() else {
            let advice = format!(
                "let the owner of the history table, or a superuser, run `{}`; each role that migrates then needs \
                 `GRANT SELECT, INSERT ON {shown} TO` it",
                sql::create_log(&table)
            );
            return Some(Finding::problem("log", format!("the log table {shown} does not exist"), advice));
        };
        let Some(sequence) = row.try_get::<Option<String>, _>(0).ok().flatten() else {
            return Some(Finding::ok("log", "the log table exists"));
        };
        // Only a role that may read both can compare them.
        let rows = self.rows(sql::log_is_behind(&log, &sequence)).await.unwrap_or_default();
        if rows.first().is_some_and(|row| row.try_get(0).unwrap_or(false)) {
            return Some(Finding::problem(
                "log",
                format!("the sequence of the log table {shown} is behind its rows, so no run can write to it"),
                format!(
                    "let the owner of the history table, or a superuser, run `{}`: neither logical replication nor a copy of \
                     the rows alone advances a sequence",
                    sql::advance_log(&table)
                ),
            ));
        }
        Some(Finding::ok("log", "the log table exists"))
    }

    /// Where the history table is or would be created.
    async fn place(&mut self) -> Option<Finding> {
        if self.facts().table.schema.is_none() {
            return Some(Finding::of_cause("schema", &self.no_schema().await));
        }
        None
    }
}

fn fact(row: &sqlx::postgres::PgRow) -> Option<Fact> {
    let text = |index| row.try_get::<Option<String>, _>(index).ok().flatten();
    let texts = [1, 2, 3, 4, 5].map(|index| text(index).unwrap_or_default());
    Some(Fact { about: text(0)?, texts })
}

/// Compares the server's clock with that of this machine, as it was in the middle of the question.
fn clock(server: &str, asked: SystemTime, took: Duration) -> Finding {
    let here = asked.duration_since(UNIX_EPOCH).unwrap_or_default() + took / 2;
    let there = Duration::try_from_secs_f64(server.parse().unwrap_or_default()).unwrap_or_default();
    let apart = there.abs_diff(here).saturating_sub(took / 2);
    if apart <= CLOCKS {
        return Finding::ok("clock", "the clocks of server and program agree");
    }
    let (which, seconds) = (if there > here { "ahead of" } else { "behind" }, apart.as_secs());
    Finding::warning(
        "clock",
        format!("the server's clock is {seconds} s {which} this machine's: the times in the history are the server's"),
        "set the clock of the machine that is wrong; `timedatectl` shows whether it is synchronized",
    )
}

fn encoded(encoding: &str, database: &str) -> Finding {
    if encoding == "UTF8" {
        return Finding::ok("encoding", "the database is in UTF-8");
    }
    let effect = if encoding == "SQL_ASCII" {
        "it takes any bytes for text"
    } else {
        "a character that it does not have stops the script that contains it"
    };
    Finding::warning(
        "encoding",
        format!("the encoding of the database {database} is {encoding}: {effect}"),
        format!(
            "an encoding cannot be changed: create a database (`CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0`) \
             and move the data with `pg_dump`",
            identifier(&format!("{database}_utf8"))
        ),
    )
}

fn privileges<'a>(needed: impl Iterator<Item = &'a [String; 5]>, role: &str) -> Vec<Finding> {
    let (mut had, mut findings) = (Vec::new(), Vec::new());
    for [privilege, has, ..] in needed {
        if has == "true" {
            had.push(privilege.as_str());
            continue;
        }
        let statement = format!("GRANT {privilege} TO {}", identifier(role));
        let fact = format!("the role {role} lacks the privilege {privilege}");
        let advice = format!("let the owner, or a superuser, run `{statement}`");
        findings.push(if privilege.starts_with("EXECUTE") {
            Finding::warning("privileges", format!("{fact}, so runs take turns by a row of the history table"), advice)
        } else {
            Finding::problem("privileges", fact, advice)
        });
    }
    if !had.is_empty() {
        findings.insert(0, Finding::ok("privileges", format!("the role {role} has {}", had.join(", "))));
    }
    findings
}

fn owners<'a>(others: impl Iterator<Item = &'a [String; 5]>, role: &str) -> Vec<Finding> {
    let findings: Vec<Finding> = others
        .map(|[owner, count, example, ..]| {
            let tables = if count == "1" { "1 table".to_owned() } else { format!("{count} tables") };
            Finding::warning(
                "owners",
                format!(
                    "{tables} of this database (for example {example}) belong to {owner}: only an owner may alter a table"
                ),
                format!("if migrations alter them, let a superuser run `GRANT {owner} TO {}`", identifier(role)),
            )
        })
        .collect();
    or_ok(findings, "owners", "the role may alter every table")
}

fn row_security<'a>(tables: impl Iterator<Item = &'a [String; 5]>) -> Vec<Finding> {
    let findings: Vec<Finding> = tables
        .map(|[table, ..]| {
            Finding::warning(
                "row-security",
                format!("row-level security is on for {table}: another role may not see its rows"),
                format!("let its owner run `ALTER TABLE {table} DISABLE ROW LEVEL SECURITY`"),
            )
        })
        .collect();
    or_ok(findings, "row-security", "no policy hides rows of the history")
}

fn others<'a>(tables: impl Iterator<Item = &'a [String; 5]>) -> Finding {
    let named = tables.map(|[table, schema, ..]| {
        format!("{} (`{schema}.{table}`)", other_tools::tool(table).unwrap_or("another tool"))
    });
    let named: Vec<String> = named.collect();
    if named.is_empty() {
        return Finding::ok("other-tools", "no other tool has migrated this database");
    }
    Finding::ok("other-tools", format!("the history of {} is here too, beside Lockgate's", named.join(", ")))
}

/// A finding for each row, at most so many, or that there is none.
fn listed<'a>(
    rows: impl Iterator<Item = &'a [String; 5]>,
    check: &'static str,
    none: &str,
    finding: impl Fn(&[String; 5]) -> Finding,
) -> Vec<Finding> {
    let rows: Vec<_> = rows.collect();
    let mut findings: Vec<Finding> = rows.iter().take(LISTED).map(|row| finding(row)).collect();
    if let Some(more) = rows.len().checked_sub(LISTED).filter(|more| *more > 0) {
        let last = findings.pop().expect("as many as are listed");
        findings.push(last.with_advice(format!("{more} more are not listed")));
    }
    or_ok(findings, check, none)
}

fn or_ok(findings: Vec<Finding>, check: &'static str, none: &str) -> Vec<Finding> {
    if findings.is_empty() { vec![Finding::ok(check, none)] } else { findings }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Verdict;

    #[test]
    fn clocks_that_differ_are_reported() {
        let here = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let verdict = |server: &str, took| clock(server, here, Duration::from_secs(took)).verdict();
        assert_eq!(verdict("1000000.5", 0), Verdict::Ok);
        assert_eq!(verdict("1000004.5", 0), Verdict::Ok);
        assert_eq!(verdict("1000009.5", 10), Verdict::Ok, "the answer was under way for long");
        let ahead = clock("1000065.5", here, Duration::ZERO);
        assert!(ahead.fact().contains("65 s ahead of this machine's"), "{ahead}");
        let behind = clock("999935", here, Duration::ZERO);
        assert!(behind.fact().contains("65 s behind this machine's"), "{behind}");
    }
}
