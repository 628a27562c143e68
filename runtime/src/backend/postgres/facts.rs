//! The facts that the first query reads about a database, and which of the tables that it finds is the history.

use lockgate_core::Stage;

use super::cause::{OwnTables, with_grant};
use crate::backend::Intent;
use crate::error::{Cause, Class, Wording};
use crate::history_table::{FIELD, ROW, TableName, identifier};

/// The facts about a database.
#[derive(Clone)]
pub(super) struct DatabaseFacts {
    pub(super) database: String,
    pub(super) in_transaction: bool,
    pub(super) read_only: bool,
    pub(super) replica: bool,
    /// The history table, with the schema that has it or will have it.
    pub(super) table: TableName,
    /// All relations with the name of the history table or of the log.
    pub(super) candidates: HistoryCandidates,
    /// If there is no history: the history table of another tool, and the name of that tool.
    pub(super) other: Option<(String, String)>,
    pub(super) lock_timeout: String,
    pub(super) statement_timeout: String,
    pub(super) synchronous_commit: String,
    pub(super) client_min_messages: String,
    /// Whether a backslash in a plain string is an ordinary character.
    pub(super) conforming: bool,
    pub(super) role: String,
    /// The role of the session, by login or by SET SESSION AUTHORIZATION.
    pub(super) login: String,
    /// Whether the server has advisory locks and this role may take them.
    pub(super) advisory: bool,
    /// Whether the database has plpgsql and this role may use it.
    pub(super) plpgsql: bool,
    /// Whether the database has functions that may change the session in which they run.
    pub(super) session_code: bool,
    /// Whether error positions count bytes, because the database has no encoding.
    pub(super) counts_bytes: bool,
    /// Whether the server can notice, while it works, that its client is gone.
    pub(super) notices_hang_up: bool,
    /// The stage that the database is marked with.
    pub(super) stage: Option<Stage>,
}

/// The relations that may be the history table or its log, from any schema.
#[derive(Clone, Debug, Default)]
pub(super) struct HistoryCandidates {
    relations: Vec<Relation>,
    is_now: String,
}

#[derive(Clone, Debug)]
struct Relation {
    schema: String,
    name: String,
    is_table: bool,
    owner: String,
    trusted: bool,
    hidden: bool,
    plain: bool,
    readable: bool,
    extended: bool,
    logged: bool,
    keyed: bool,
    has_triggers: bool,
}

impl DatabaseFacts {
    /// The role that runs statements, unless a script sets its own.
    pub(super) fn is_now(&self) -> &str {
        &self.candidates.is_now
    }

    /// Reads the answer by column names. `None` if a column is missing.
    pub(super) fn read(answer: &dyn Fn(&str) -> Option<String>, table: &TableName) -> Option<Self> {
        let is = |name: &str| Some(answer(name)? == "true");
        let text = answer("found");
        let mut candidates = HistoryCandidates { relations: Vec::new(), is_now: answer("is_now")? };
        candidates.relations.extend(text.as_deref().into_iter().flat_map(|text| text.split(ROW)).filter_map(relation));
        let here = answer("schema");
        let place = candidates.of(&table.name).next().map(|relation| relation.schema.clone()).or(here);
        let other = answer("other");
        let other = other.and_then(|other| {
            let (schema, name) = other.split_once(FIELD)?;
            let (_, tool) = lockgate_core::other_tools::OTHER_TOOLS.iter().find(|(table, _)| *table == name)?;
            Some((format!("{schema}.{name}"), (*tool).to_owned()))
        });
        let release = answer("release")?;
        // PostgreSQL has the setting since version 14, and refuses it on systems without support.
        let tells = ["linux", "apple-darwin", "freebsd"].iter().any(|system| release.contains(system));
        let number: i32 = answer("number")?.parse().unwrap_or(0);
        Some(Self {
            database: answer("database")?,
            table: place.map_or_else(|| table.clone(), |schema| table.within(&schema)),
            candidates,
            other,
            in_transaction: is("in_transaction")?,
            read_only: is("read_only")?,
            replica: is("replica")?,
            lock_timeout: answer("lock_timeout")?,
            statement_timeout: answer("statement_timeout")?,
            synchronous_commit: answer("synchronous_commit")?,
            client_min_messages: answer("client_min_messages")?,
            conforming: answer("conforming")? == "on",
            role: answer("role")?,
            login: answer("login")?,
            advisory: is("advisory")?,
            plpgsql: is("plpgsql")?,
            session_code: is("session_code")?,
            counts_bytes: answer("encoding")? == "SQL_ASCII",
            notices_hang_up: number >= 140_000 && tells,
            stage: answer("stage").and_then(|stage| stage.parse().ok()),
        })
    }
}

/// The quoted name of a relation.
fn written(relation: &Relation) -> String {
    format!("{}.{}", identifier(&relation.schema), identifier(&relation.name))
}

fn relation(text: &str) -> Option<Relation> {
    let mut fields = text.split(FIELD);
    let mut next = || fields.next();
    let (schema, name, kind, owner) = (next()?, next()?, next()?, next()?);
    let mut is = || next().map(|field| field == "t");
    Some(Relation {
        schema: schema.to_owned(),
        name: name.to_owned(),
        is_table: kind == "r",
        owner: owner.to_owned(),
        trusted: is()?,
        hidden: is()?,
        plain: is()?,
        readable: is()?,
        extended: is()?,
        logged: is()?,
        keyed: is()?,
        has_triggers: is()?,
    })
}

impl HistoryCandidates {
    fn of(&self, name: &str) -> impl Iterator<Item = &Relation> {
        self.relations.iter().filter(move |relation| relation.name == name)
    }

    /// Whether the history table exists.
    pub(super) fn present(&self, table: &TableName) -> bool {
        self.of(&table.name).next().is_some()
    }

    /// Whether the table has the columns that older releases did not create.
    pub(super) fn extended(&self, table: &TableName) -> bool {
        self.of(&table.name).all(|relation| relation.extended)
    }

    /// Whether writing the table fires a trigger.
    pub(super) fn has_triggers(&self, table: &TableName) -> bool {
        self.of(&table.name).any(|relation| relation.has_triggers)
    }

    /// Notes that the history table exists, as this release creates it. Triggers stay.
    pub(super) fn made(&mut self, schema: String, name: String) {
        let has_triggers = self.of(&name).any(|relation| relation.has_triggers);
        self.relations.retain(|relation| relation.name != name);
        let owner = self.is_now.clone();
        self.relations.push(Relation {
            schema,
            name,
            is_table: true,
            owner,
            trusted: true,
            hidden: false,
            plain: true,
            readable: true,
            extended: true,
            logged: true,
            keyed: true,
            has_triggers,
        });
    }

    /// Whether the history table exists. Fails with a specific error if it cannot be read or relied on, because rows
    /// that are hidden may be applied migrations.
    pub(super) fn readable(&self, table: &TableName, intent: Intent) -> Result<bool, Cause> {
        let shown = |relation: &Relation| format!("{}.{}", relation.schema, relation.name);
        let histories: Vec<&Relation> = self.of(&table.name).collect();
        let log = table.log().name;
        let logs = self.of(&log).filter(|log| histories.iter().all(|history| history.schema == log.schema));
        for relation in histories.iter().copied().chain(logs) {
            let (place, is_now) = (shown(relation), &self.is_now);
            if !relation.is_table {
                let message = format!("{place} is a view or another object, and not a table of Lockgate");
                return Err(Cause::new(Class::HistoryFormat, message));
            }
            if !relation.trusted {
                let message = format!(
                    "{place} belongs to the role {}, and {is_now} is a superuser: triggers on it would run with all rights",
                    relation.owner
                );
                let (table, role) = (written(relation), identifier(is_now));
                return Err(Cause::new(Class::Planted, message).with_advice(format!(
                    "look at the table and at its triggers; if it is yours, give it to this role (`ALTER TABLE {table} OWNER TO \
                     {role}`), or connect as the role that it belongs to; else drop it (`DROP TABLE {table}`)"
                )));
            }
            if relation.hidden {
                let message = format!(
                    "row-level security hides rows of {place} from the role {is_now}: what is not seen may be applied"
                );
                return Err(Cause::new(Class::Hidden, message).with_advice(format!(
                    "let its owner switch that off (`ALTER TABLE {} DISABLE ROW LEVEL SECURITY`), or connect as a role with \
                     BYPASSRLS, then run again",
                    written(relation)
                )));
            }
        }
        match histories.as_slice() {
            [] => Ok(false),
            [one] if !one.readable => {
                let message = format!("permission denied for table {} in the schema {}", one.name, one.schema);
                let cause = Cause::new(Class::Privilege, message);
                let ours = OwnTables { history: table.name.clone(), log: log.clone(), intent };
                Err(with_grant(cause, &self.is_now, &ours))
            }
            [one] if !one.plain => {
                let message = format!("{} has columns of types that no history table of Lockgate has", shown(one));
                Err(Cause::new(Class::HistoryFormat, message))
            }
            [one] if !one.logged => {
                let message = format!("{} is UNLOGGED: after a crash of the server it is empty", shown(one));
                let statement = format!("ALTER TABLE {} SET LOGGED", table.within(&one.schema));
                Err(Cause::new(Class::Unfit, message).with_advice(format!("run `{statement}`, then run again")))
            }
            [one] if !one.keyed => {
                let message = format!("{} has no primary key: it is a copy of a history table", shown(one));
                let statement =
                    format!("ALTER TABLE {} ADD PRIMARY KEY (set_name, version)", table.within(&one.schema));
                Err(Cause::new(Class::Unfit, message)
                    .with_advice(format!("if it is the one that counts, run `{statement}`, then run again")))
            }
            [_] => Ok(true),
            many => {
                let places: Vec<String> = many.iter().map(|relation| shown(relation)).collect();
                let message = format!("there are {} history tables: {}", places.len(), places.join(", "));
                let named: Vec<String> =
                    histories.iter().map(|relation| format!("{}.{}", relation.schema, relation.name)).collect();
                Err(Cause::new(Class::Ambiguous, message).with_advice(Wording::each(|audience| {
                    let each = named.iter().map(|name| audience.history_table().replace("schema.table", name));
                    format!("name the one that is meant: {}", each.collect::<Vec<_>>().join(" or "))
                })))
            }
        }
    }
}

/// Reads a field of a row that PostgreSQL wrote as XML. `None` if it is null.
pub(super) fn field(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    // `&amp;` last, because the other entities contain `&`.
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&#x0d;", "\r");
    Some(text.replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_read_from_the_servers_xml() {
        let xml = "<row xmlns:xsi=\"x\">\n  <digest>ab12</digest>\n  <history>1\u{1f}a&lt;b&gt;&amp;lt;&#x0d;\u{1e}2</history>\n</row>\n\n";
        assert_eq!(field(xml, "digest").unwrap(), "ab12");
        assert_eq!(field(xml, "history").unwrap(), "1\u{1f}a<b>&lt;\r\u{1e}2");
        assert_eq!(field("<row>\n  <digest>ab</digest>\n</row>", "history"), None);
    }
}
