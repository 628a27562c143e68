//! Finds out from the catalogue whether a statement with an unknown outcome has finished, and removes what it left half
//! done.
//!
//! Names are looked up by the search path of the script, as its own statement does. All else is in `pg_catalog`.

use lockgate_core::Probe;
use lockgate_core::probe::{Object, Path};
use sqlx::Row;

use super::sql::{EQ, GREATER, LIKE, TEXT, literal};
use super::{PostgresBackend, sql};
use crate::error::Cause;
use crate::history_table::identifier;

/// The result of the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The statement has finished.
    Finished,
    /// It has not, or it can safely run twice: send it.
    Send,
    /// Another session is still running it.
    Building,
    /// The catalogue does not show it.
    Unknown,
}

/// What there is of the index that a statement builds.
enum Index {
    /// Nothing, or something that is not a valid index.
    Missing,
    /// Exactly this index, which is valid.
    Same,
    /// A valid index of its name that is built otherwise.
    Other,
    /// This index, which another session is still building.
    Building,
    /// A valid index of its name that the server cannot compare: this role may not make a temporary table, or the
    /// statement cannot be run on a copy.
    Incomparable,
}

/// An invalid index.
#[derive(Clone, Debug)]
pub(super) struct Invalid {
    pub(super) oid: i64,
    /// Whether the statement names this index or its table.
    pub(super) meant: bool,
    pub(super) name: String,
    /// As SQL names it.
    pub(super) shown: String,
}

impl PostgresBackend<'_> {
    pub(super) async fn ask_catalogue(&mut self, probe: &Probe) -> Result<Answer, Cause> {
        match probe {
            Probe::Repeatable => Ok(Answer::Send),
            Probe::Unknown => Ok(Answer::Unknown),
            Probe::Index { name, table, unique, columns, definition, tolerant } => {
                let columns = columns.as_deref();
                match self.index(name, table, *unique, columns, definition).await? {
                    // The server would leave an index alone that is not what the script says now.
                    Index::Other if *tolerant => Ok(Answer::Unknown),
                    Index::Other | Index::Missing => Ok(Answer::Send),
                    Index::Same => Ok(Answer::Finished),
                    Index::Building => Ok(Answer::Building),
                    Index::Incomparable => Ok(Answer::Unknown),
                }
            }
            Probe::IndexGone(path) => self.finished(format!("{} IS NULL", relation(path))).await,
            Probe::Rebuilt(path) => {
                let half_made = format!(
                    "SELECT {SHOWN} AS shown, {} AS building FROM pg_catalog.pg_index i \
                     JOIN pg_catalog.pg_class c ON c.oid {EQ} i.indexrelid \
                     JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace \
                     WHERE NOT i.indisvalid AND c.relname {LIKE} '_cc(new|old)[0-9]*$' AND (i.indrelid {EQ} {path} OR \
                     i.indrelid {EQ} (SELECT x.indrelid FROM pg_catalog.pg_index x WHERE x.indexrelid {EQ} {path}))",
                    sql::building("i"),
                    path = relation(path)
                );
                for row in self.rows(half_made).await? {
                    if row.try_get("building").unwrap_or(false) {
                        return Ok(Answer::Building);
                    }
                    self.drop_index(row.try_get("shown").unwrap_or_default()).await?;
                }
                Ok(Answer::Send)
            }
            Probe::Detached(path) => self.detached(path).await,
            Probe::Exists(object, name) => self.finished(exists(*object, name)).await,
            Probe::Gone(object, name) => self.finished(format!("NOT {}", exists(*object, name))).await,
            Probe::Prepared(name) => {
                let there = format!(
                    "SELECT EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts p WHERE p.gid {EQ} {} \
                     AND p.database {EQ} pg_catalog.current_database()) AS yes",
                    literal(name)
                );
                // If it is gone, it may have been committed or never have existed.
                Ok(if self.yes(there).await? { Answer::Finished } else { Answer::Unknown })
            }
        }
    }

    async fn yes(&mut self, question: String) -> Result<bool, Cause> {
        let rows = self.rows(question).await?;
        Ok(rows.first().and_then(|row| row.try_get("yes").ok()).unwrap_or(false))
    }

    async fn finished(&mut self, condition: String) -> Result<Answer, Cause> {
        Ok(if self.yes(format!("SELECT {condition} AS yes")).await? { Answer::Finished } else { Answer::Send })
    }

    async fn index(
        &mut self,
        name: &str,
        table: &Path,
        unique: bool,
        columns: Option<&[String]>,
        definition: &str,
    ) -> Result<Index, Cause> {
        let question = format!(
            "SELECT i.indisvalid AND i.indisready AS valid, i.indisunique AS uniq, \
             (i.indrelid {EQ} {table}) AS of_table, \
             (SELECT pg_catalog.string_agg(COALESCE(t.attname::{TEXT}, ''), pg_catalog.chr(31) ORDER BY k.place) \
             FROM pg_catalog.unnest(i.indkey::smallint[]) WITH ORDINALITY AS k (attnum, place) \
             LEFT JOIN pg_catalog.pg_attribute t ON t.attrelid {EQ} i.indrelid AND t.attnum {EQ} k.attnum \
             WHERE NOT k.place {GREATER} i.indnkeyatts) AS columns, \
             (SELECT {SHOWN} FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace \
             WHERE c.oid {EQ} i.indrelid) AS on_table, i.indexrelid::bigint AS oid, \
             {SHOWN} AS shown, {building} AS building \
             FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid {EQ} i.indexrelid \
             JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace \
             WHERE c.relname {EQ} {name} \
             AND c.relnamespace {EQ} (SELECT x.relnamespace FROM pg_catalog.pg_class x WHERE x.oid {EQ} {table})",
            name = literal(name),
            building = sql::building("i"),
            table = relation(table),
        );
        let rows = self.rows(question).await?;
        // If it is missing, or another object has its name, the server is asked again and reports that itself.
        let Some(row) = rows.first() else { return Ok(Index::Missing) };
        let is = |column: &str| row.try_get::<bool, _>(column).unwrap_or(false);
        let found: String = row.try_get("columns").unwrap_or_default();
        let same_columns = columns.is_none_or(|columns| columns.join("\u{1f}") == found);
        if !is("of_table") || is("uniq") != unique || !same_columns {
            return Ok(if is("valid") { Index::Other } else { Index::Missing });
        }
        if is("valid") {
            let on: String = row.try_get("on_table").unwrap_or_default();
            let oid: i64 = row.try_get("oid").unwrap_or_default();
            return self.compare_index(oid, &on, table, unique, definition).await;
        }
        if is("building") {
            return Ok(Index::Building);
        }
        self.drop_index(row.try_get("shown").unwrap_or_default()).await?;
        Ok(Index::Missing)
    }

    /// Whether an index is the one that a statement builds. The server alone can say it, because it writes a predicate
    /// in its own way: it makes the same index on an empty copy of the table, in a transaction that is rolled back.
    async fn compare_index(
        &mut self,
        oid: i64,
        on: &str,
        table: &Path,
        unique: bool,
        definition: &str,
    ) -> Result<Index, Cause> {
        let name = table.last().map_or("", String::as_str);
        // An expression may name the table, so the copy has its name.
        let copy = format!("pg_temp.{}", identifier(name));
        let unique = if unique { "UNIQUE " } else { "" };
        let made = format!(
            "{begin}; CREATE TEMPORARY TABLE {copy} (LIKE {on}); CREATE {unique}INDEX ON {copy} {definition}",
            begin = sql::BEGIN
        );
        let same = format!(
            "SELECT {old} {EQ} {new} AS same FROM pg_catalog.pg_index i WHERE i.indrelid {EQ} pg_catalog.to_regclass({})",
            literal(&copy),
            old = built(&format!("{oid}::pg_catalog.oid")),
            new = built("i.indexrelid"),
        );
        let compared = match self.execute(made).await {
            Ok(()) => self.rows(same).await,
            Err(cause) => Err(cause),
        };
        self.roll_back().await?;
        let same = compared.ok().and_then(|rows| rows.first().and_then(|row| row.try_get::<bool, _>("same").ok()));
        Ok(match same {
            Some(true) => Index::Same,
            Some(false) => Index::Other,
            None => Index::Incomparable,
        })
    }

    /// Whether this statement, which failed, left something half done.
    pub(super) async fn is_half_made(&mut self, probe: &Probe) -> Result<bool, Cause> {
        match probe {
            Probe::Index { .. } => Ok(self.invalid_indexes(probe).await?.iter().any(|index| index.meant)),
            Probe::Rebuilt(_) => Ok(true),
            Probe::Detached(path) => {
                let row = self.rows(parent_of(path)).await?.into_iter().next();
                Ok(row.is_some_and(|row| is_pending(&row)))
            }
            Probe::IndexGone(_)
            | Probe::Exists(..)
            | Probe::Gone(..)
            | Probe::Prepared(_)
            | Probe::Repeatable
            | Probe::Unknown => Ok(false),
        }
    }

    /// Returns the invalid indexes, each with whether this statement names it.
    pub(super) async fn invalid_indexes(&mut self, about: &Probe) -> Result<Vec<Invalid>, Cause> {
        let meant = match about {
            Probe::Index { name, table, .. } => format!(
                "c.relname {EQ} {} AND c.relnamespace {EQ} (SELECT x.relnamespace FROM pg_catalog.pg_class x WHERE x.oid \
                 {EQ} {})",
                literal(name),
                relation(table)
            ),
            Probe::Rebuilt(path) => {
                format!("({path} {EQ} i.indexrelid OR {path} {EQ} i.indrelid)", path = relation(path))
            }
            _ => "false".to_owned(),
        };
        let rows = self.rows(sql::invalid(&meant)).await?;
        let read = |row: &sqlx::postgres::PgRow| {
            let (oid, meant) = (row.try_get("oid").ok()?, row.try_get("meant").ok()?);
            Some(Invalid { oid, meant, name: row.try_get("name").ok()?, shown: row.try_get("shown").ok()? })
        };
        Ok(rows.iter().filter_map(read).collect())
    }

    pub(super) async fn drop_index(&mut self, shown: String) -> Result<(), Cause> {
        self.execute(format!("DROP INDEX CONCURRENTLY {shown}")).await
    }

    async fn detached(&mut self, path: &Path) -> Result<Answer, Cause> {
        let rows = self.rows(parent_of(path)).await?;
        let Some(row) = rows.first() else {
            let there = self.yes(format!("SELECT {} IS NOT NULL AS yes", relation(path))).await?;
            return Ok(if there { Answer::Finished } else { Answer::Unknown });
        };
        if is_pending(row) {
            let (parent, partition): (String, String) =
                (row.try_get("shown").unwrap_or_default(), row.try_get("partition").unwrap_or_default());
            self.execute(format!("ALTER TABLE {parent} DETACH PARTITION {partition} FINALIZE")).await?;
            return Ok(Answer::Finished);
        }
        Ok(Answer::Send)
    }
}

/// The qualified SQL name of the class `c` in the namespace `n`.
pub(super) const SHOWN: &str =
    "pg_catalog.concat(pg_catalog.quote_ident(n.nspname), '.', pg_catalog.quote_ident(c.relname))";

/// What an index is made of, as the server writes it, without its name and its table. Both may be quoted.
fn built(oid: &str) -> String {
    format!("pg_catalog.regexp_replace(pg_catalog.pg_get_indexdef({oid}), '^([^\"]|\"[^\"]*\")*? USING ', '')")
}

/// A query for the parent of this partition, and whether it is being detached.
fn parent_of(path: &Path) -> String {
    format!(
        "SELECT {SHOWN} AS shown, p.oid::pg_catalog.regclass::{TEXT} AS partition, \
         COALESCE(pg_catalog.to_jsonb(h) OPERATOR(pg_catalog.->>) 'inhdetachpending', 'false') AS pending \
         FROM pg_catalog.pg_class p JOIN pg_catalog.pg_inherits h ON h.inhrelid {EQ} p.oid \
         JOIN pg_catalog.pg_class c ON c.oid {EQ} h.inhparent \
         JOIN pg_catalog.pg_namespace n ON n.oid {EQ} c.relnamespace WHERE p.oid {EQ} {}",
        relation(path)
    )
}

fn is_pending(row: &sqlx::postgres::PgRow) -> bool {
    row.try_get::<String, _>("pending").is_ok_and(|pending| pending == "true")
}

/// A condition that holds if a valid index already has the name of the one that this statement builds.
pub(super) fn index_exists(probe: &Probe) -> Option<String> {
    let Probe::Index { name, table, .. } = probe else { return None };
    Some(format!(
        "EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid {EQ} i.indexrelid \
         WHERE i.indisvalid AND c.relname {EQ} {} AND c.relnamespace {EQ} \
         (SELECT x.relnamespace FROM pg_catalog.pg_class x WHERE x.oid {EQ} {}))",
        literal(name),
        relation(table)
    ))
}

/// The oid of a table or an index, looked up as the script's own statement does.
fn relation(path: &Path) -> String {
    let path: Vec<String> = path.iter().map(|part| identifier(part)).collect();
    format!("pg_catalog.to_regclass({})", literal(&path.join(".")))
}

fn exists(object: Object, name: &str) -> String {
    let (catalogue, column) = match object {
        Object::Database => ("pg_database", "datname"),
        Object::Tablespace => ("pg_tablespace", "spcname"),
        Object::Subscription => ("pg_subscription", "subname"),
    };
    // `pg_subscription` has the subscriptions of all databases.
    let here = match object {
        Object::Subscription => format!(
            " AND o.subdbid {EQ} (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname {EQ} \
             pg_catalog.current_database())"
        ),
        Object::Database | Object::Tablespace => String::new(),
    };
    format!("EXISTS (SELECT FROM pg_catalog.{catalogue} o WHERE o.{column} {EQ} {}{here})", literal(name))
}
