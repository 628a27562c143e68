//! Reads the schema of a PostgreSQL database: every catalogue in one snapshot, all queries in one message. A connection
//! that someone else has had is asked first whether it is inside a transaction.
//!
//! A query returns its rows as one text (`rows`). `context` has what all objects share; each other file has the SQL for
//! its objects and builds them from the answer. An object that no file reads is an error (`unknown`).

mod acl;
mod column;
mod constraint;
mod context;
mod index;
mod object;
mod relation;
mod rows;
mod types;
mod unknown;

use std::borrow::Cow;

use lockgate_core::Dialect;
use lockgate_schema::{Detail, Name, Schema};
use sqlx::{Connection, Either, Row as _};

use self::column::Columns;
use self::context::CatalogContext;
use self::relation::Relations;
use super::{PostgresBackend, facts};
use crate::backend::ReadSchema;
use crate::error::{Cause, Class};
use crate::history_table::TableName;

/// The major version of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Release(u32);

const OLDEST: Release = Release(12);

/// How many times reading is retried if objects are dropped meanwhile: the server builds definitions from the current
/// state, not from the snapshot.
const ATTEMPTS: u32 = 5;

/// Begins one snapshot with all settings that affect how the server writes expressions. They end with the transaction.
/// Names outside the server's own schema are qualified, and temporary tables cannot hide catalogues.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL search_path = pg_catalog, pg_temp; \
     SELECT set_config(s.name, s.value, true) FROM (VALUES ('jit', 'off'), \
     ('quote_all_identifiers', 'off'), ('TimeZone', 'UTC'), ('DateStyle', 'ISO, MDY'), ('IntervalStyle', 'postgres'), \
     ('extra_float_digits', '1'), ('bytea_output', 'hex'), ('lc_monetary', 'C')) s (name, value); \
     SELECT 'pg_temp_' || n FROM (SELECT substr(nspname, 9) AS n FROM pg_catalog.pg_namespace \
     WHERE oid = pg_catalog.pg_my_temp_schema()) t;\n";

/// How many unread objects an error names.
const SHOWN: usize = 3;

/// The number of answers before the first query: to BEGIN, the search path, the settings and the temporary schema.
const BEFORE: usize = 4;

impl PostgresBackend<'_> {
    pub(super) async fn schema(&mut self, own: &TableName) -> Result<ReadSchema, Cause> {
        let mut attempt = 1;
        let release = self.release().await?;
        if release < OLDEST {
            let message =
                format!("the server is PostgreSQL {}, and {} is the oldest that is read", release.0, OLDEST.0);
            return Err(Cause::new(Class::Unknown, message));
        }
        loop {
            match self.attempt(own, release).await {
                Err(cause) if attempt < ATTEMPTS && is_overtaken(&cause) => attempt += 1,
                Err(cause) if cause.class == Class::Overtaken => return Err(Cause { class: Class::Other, ..cause }),
                read => return Ok(ReadSchema { schema: read?, release: Some(release.0) }),
            }
        }
    }

    /// Returns the release of the server, and makes sure that the connection is outside a transaction. The server has said
    /// both when it was connected, if nobody else has had the connection.
    async fn release(&mut self) -> Result<Release, Cause> {
        // Read what a dropped future left unread on the caller's connection.
        while let Err(sqlx::Error::Database(_)) = self.held.connection().flush().await {}
        if self.is_own
            && let Some(number) = self.held.connection().server_version_num()
        {
            return Ok(Release(number / 10_000));
        }
        let rows = self.rows(FACTS.to_owned()).await?;
        let row = rows.first().ok_or_else(|| Cause::new(Class::Lost, "the server did not answer"))?;
        let read = |error| super::cause(&error);
        if row.try_get::<bool, _>(1).map_err(read)? || self.held.connection().is_in_transaction() {
            let message = "the connection is inside a transaction: end it first";
            return Err(Cause::new(Class::Usage, message));
        }
        Ok(Release(row.try_get::<i32, _>(0).map_err(read)?.unsigned_abs() / 10_000))
    }

    async fn attempt(&mut self, own: &TableName, release: Release) -> Result<Schema, Cause> {
        let answers = self.answers(&queries(own, release)).await?;
        let answers: Vec<_> = answers.iter().map(String::as_str).collect();
        let (schema, unseen) = assemble(own, &answers)?;
        if unseen.is_empty() {
            return Ok(schema);
        }
        let rows = self.rows(format!("{BEGIN}{}; COMMIT", wrapped(&unknown::named(&unseen), "answer"))).await?;
        let found = rows.last().and_then(|row| row.try_get::<Option<String>, _>(0).ok().flatten()).unwrap_or_default();
        let mut names = Vec::new();
        for row in rows::rows(&found) {
            let mut row = row?;
            let (kind, identity, catalogue) = (row.text()?, row.maybe()?, row.text()?);
            names.push(format!("the {kind} `{}` ({catalogue})", identity.unwrap_or_default()));
        }
        match names.len() {
            0 => Ok(schema),
            1..=SHOWN => Err(unknown(&names.join(", "))),
            many => Err(unknown(&format!("{} (and {} more)", names[..SHOWN].join(", "), many - SHOWN))),
        }
    }

    /// Returns one text for each query.
    async fn answers(&mut self, queries: &[String]) -> Result<Vec<String>, Cause> {
        let message = format!("{BEGIN}{};\nCOMMIT", queries.join(";\n"));
        let mut answers = vec![String::new(); queries.len()];
        let mut temporary = None;
        let mut done: usize = 0;
        let sent = self
            .ask(message, &mut |answer| {
                match answer {
                    Either::Left(_) => done += 1,
                    Either::Right(row) => {
                        let text: Option<String> = row.try_get(0).map_err(|error| super::cause(&error))?;
                        match done.checked_sub(BEFORE) {
                            Some(index) => answers[index] = text.unwrap_or_default(),
                            None if done + 1 == BEFORE => temporary = text,
                            None => {}
                        }
                    }
                }
                Ok(())
            })
            .await;
        if sent.is_err() && self.connection_state != super::ConnectionState::Lost {
            self.execute("ROLLBACK".to_owned()).await?;
        }
        sent?;
        if let Some(schema) = temporary {
            // The number differs each time.
            let schema = format!("{schema}.");
            answers.iter_mut().for_each(|answer| *answer = answer.replace(&schema, "pg_temp."));
        }
        Ok(answers)
    }
}

const FACTS: &str = "SELECT pg_catalog.current_setting('server_version_num')::integer, \
     pg_catalog.transaction_timestamp() OPERATOR(pg_catalog.<>) pg_catalog.statement_timestamp()";

/// Wraps a query so that it returns all rows in one text, with this name.
fn wrapped(query: &str, name: &str) -> String {
    format!("SELECT string_agg(q::text, '') AS {name} FROM ({query}) q")
}

/// The queries, in the order in which `assemble` takes the answers.
fn queries(own: &TableName, release: Release) -> Vec<String> {
    let mut queries = vec![
        context::database(own),
        context::NAMESPACES.to_owned(),
        context::COMMENTS.to_owned(),
        context::LABELS.to_owned(),
        relation::relations(),
        relation::PARENTS.to_owned(),
        relation::sequences(),
        column::columns(release),
        constraint::constraints(),
        index::indexes(),
        types::types(release),
        object::DEFAULT_PRIVILEGES.to_owned(),
        unknown::EVERYTHING.to_owned(),
    ];
    queries.extend(object::queries(release));
    let mut queries: Vec<String> = queries.iter().map(|query| wrapped(query, "answer")).collect();
    queries.extend(object::rare_queries(release));
    queries
}

/// Builds the schema, and lists the objects that were not read.
fn assemble(own: &TableName, answers: &[&str]) -> Result<(Schema, Vec<(u32, u32)>), Cause> {
    let (
        &[
            database,
            namespaces,
            comments,
            labels,
            relations,
            parents,
            sequences,
            columns,
            constraints,
            indexes,
            types,
            default_privileges,
            everything,
        ],
        objects,
    ) = answers.split_first_chunk().expect("there is an answer to each query");
    let mut context = CatalogContext::read(own, [database, namespaces, comments, labels])?;
    let mut relations = Relations::read(&mut context, relations, parents, sequences)?;
    let mut columns = Columns::read(&context, &mut relations, columns)?;
    let of_domains = constraint::read(&mut context, &mut relations, &columns, constraints)?;
    index::read(&mut context, &mut relations, &columns, indexes)?;
    let types = types::read(&mut context, &mut columns, of_domains, types)?;
    // Those of rare kinds are in XML, in which no row begins.
    let objects: Vec<Cow<'_, str>> = objects.iter().map(|answer| unwrapped(answer)).collect();
    let objects = object::read(&mut context, &relations, &objects, default_privileges)?;
    let unseen = unknown::unseen(&context, everything)?;
    let mut sequences = relations.take_sequences(&columns.names);
    let mut tables: Vec<_> = relations.tables.into_values().collect();
    let mut views: Vec<_> = relations.views.into_values().collect();
    sequences.sort_by(|a, b| a.name.cmp(&b.name));
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    views.sort_by(|a, b| a.name.cmp(&b.name));
    let namespaces = context.into_namespaces();
    Ok((Schema { dialect: Dialect::Postgres, namespaces, types, sequences, tables, views, objects }, unseen))
}

/// Returns the rows in an answer that may be XML.
fn unwrapped(answer: &str) -> Cow<'_, str> {
    match answer.starts_with('<') {
        true => Cow::Owned(facts::field(answer, object::ROWS).unwrap_or_default()),
        false => Cow::Borrowed(answer),
    }
}

/// Whether an object was dropped while it was read: the server no longer finds it.
fn is_overtaken(cause: &Cause) -> bool {
    let lost = ["cache lookup failed", "could not open relation with OID", "does not exist"];
    cause.class == Class::Overtaken
        || (cause.class != Class::Lost && lost.iter().any(|words| cause.message.contains(words)))
}

fn detail(name: &str, value: impl Into<String>) -> Detail {
    Detail { name: name.to_owned(), value: value.into() }
}

fn unknown(what: &str) -> Cause {
    Cause::new(Class::Unknown, format!("{what} is of a kind that this release of Lockgate does not know"))
}

fn gone(name: &Name) -> Cause {
    Cause::new(Class::Overtaken, format!("{} was dropped while it was read", shown(name)))
}

/// Formats a name for SQL, quoted if needed.
fn shown(name: &Name) -> String {
    let quoted = |name: &str| {
        let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if plain { name.to_owned() } else { crate::history_table::identifier(name) }
    };
    let schema = name.schema.as_ref().map(|schema| format!("{}.", quoted(schema)));
    schema.unwrap_or_default() + &quoted(&name.name)
}
