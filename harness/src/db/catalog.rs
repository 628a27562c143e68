//! Queries of the catalogs of each database, with results in one form.

use lockgate::Dialect;

use super::{Db, TextRow};
use crate::failure::TestResult;

/// A table, index or other object with a name.
#[derive(Clone, Debug)]
pub(super) struct NamedObject {
    pub(super) schema: String,
    pub(super) name: String,
    /// Whether its name is enough without its schema.
    visible: bool,
    /// Its OID, on PostgreSQL.
    pub(super) oid: String,
    /// Where its rows are, if it is a table.
    pub(super) rows: Rows,
}

/// Where the rows of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// In the table.
    Own,
    /// Where the module of a virtual table keeps them.
    Virtual,
    /// In another table: the partitioned table that this is a partition of, or a virtual table that this belongs to.
    OfAnother,
    /// On another server.
    Foreign,
}

/// A column of a table or view.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) data_type: String,
}

/// A foreign key: its columns, the table that it references, and the columns there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ForeignKey {
    pub(super) columns: Vec<String>,
    pub(super) table: String,
    pub(super) to: Vec<String>,
}

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Table,
    View,
    Index,
    Type,
    Trigger,
}

impl Kind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
            Self::Index => "index",
            Self::Type => "type",
            Self::Trigger => "trigger",
        }
    }
}

impl NamedObject {
    pub(super) fn has_name(&self, name: &str, dialect: Dialect) -> bool {
        let same = |a: &str, b: &str| if dialect == Dialect::Sqlite { a.eq_ignore_ascii_case(b) } else { a == b };
        (self.visible && same(&self.name, name))
            || name.split_once('.').is_some_and(|(schema, name)| same(&self.schema, schema) && same(&self.name, name))
    }

    /// Its name in messages.
    pub(super) fn shown(&self) -> String {
        if self.visible { self.name.clone() } else { format!("{}.{}", self.schema, self.name) }
    }

    /// Its name in SQL.
    pub(super) fn quoted(&self) -> String {
        format!("{}.{}", identifier(&self.schema), identifier(&self.name))
    }
}

/// Quotes a text as a SQL literal.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Quotes a name as a SQL identifier.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Db {
    /// Returns all objects of a kind, without those of the database and of Lockgate itself.
    pub(super) async fn objects(&mut self, kind: Kind) -> TestResult<Vec<NamedObject>> {
        let sql = match (self.dialect(), kind) {
            (Dialect::Sqlite, Kind::Type) => return Ok(Vec::new()),
            (Dialect::Sqlite, Kind::Table) => "SELECT schema, name, 1, '', type FROM pragma_table_list \
                 WHERE schema IN ('main', 'temp') AND type <> 'view' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
                 ORDER BY 2"
                .to_owned(),
            (Dialect::Sqlite, kind) => format!(
                "SELECT 'main', name, 1, '' FROM main.sqlite_schema \
                 WHERE type = '{word}' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
                 UNION ALL SELECT 'temp', name, 1, '' FROM temp.sqlite_schema WHERE type = '{word}' ORDER BY 2",
                word = kind.word()
            ),
            (_, Kind::Type) => format!(
                "SELECT n.nspname, t.typname, pg_type_is_visible(t.oid), t.oid FROM pg_type t \
                 JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid \
                 WHERE (t.typtype IN ('e', 'd', 'r', 'm') OR c.relkind = 'c') AND {USERS} ORDER BY 1, 2"
            ),
            (_, Kind::Trigger) => format!(
                "SELECT n.nspname, t.tgname, pg_table_is_visible(c.oid), t.oid FROM pg_trigger t \
                 JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE NOT t.tgisinternal AND {USERS} ORDER BY 1, 2"
            ),
            (_, Kind::Table | Kind::View | Kind::Index) => {
                let kinds = match kind {
                    Kind::Table => "'r', 'p', 'f'",
                    Kind::View => "'v', 'm'",
                    Kind::Index | Kind::Type | Kind::Trigger => "'i', 'I'",
                };
                format!(
                    "SELECT n.nspname, c.relname, pg_table_is_visible(c.oid), c.oid, {ROWS_OF} FROM pg_class c \
                     JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ({kinds}) AND {USERS} ORDER BY 1, 2"
                )
            }
        };
        let rows = self.ask(&sql).await?;
        let objects = rows.into_iter().map(|row| {
            let [schema, name, visible, oid, rows] = texts(row);
            let rows = match rows.as_str() {
                "foreign" => Rows::Foreign,
                "part" | "shadow" => Rows::OfAnother,
                "virtual" => Rows::Virtual,
                _ => Rows::Own,
            };
            NamedObject { schema, name, visible: matches!(visible.as_str(), "t" | "1"), oid, rows }
        });
        // Lockgate's own tables are not part of the migrations.
        Ok(objects.filter(|object| !["lockgate_history", "lockgate_log"].contains(&object.name.as_str())).collect())
    }

    pub(super) async fn columns(&mut self, table: &NamedObject) -> TestResult<Vec<Column>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                format!(
                    "SELECT name, type FROM pragma_table_xinfo({}) WHERE hidden <> 1 ORDER BY cid",
                    literal(&table.name)
                )
            }
            Dialect::Postgres | Dialect::Mysql => format!(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute \
                 WHERE attrelid = {} AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
                table.oid
            ),
        };
        let rows = self.ask(&sql).await?;
        let column = |row| {
            let [name, data_type] = texts(row);
            Column { name, data_type }
        };
        Ok(rows.into_iter().map(column).collect())
    }

    /// Returns the columns of the primary key in order; none if there is no key.
    pub(super) async fn primary_key(&mut self, table: &NamedObject) -> TestResult<Vec<String>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                format!("SELECT name FROM pragma_table_info({}) WHERE pk > 0 ORDER BY pk", literal(&table.name))
            }
            Dialect::Postgres | Dialect::Mysql => format!(
                "SELECT a.attname FROM pg_constraint c CROSS JOIN LATERAL unnest(c.conkey) WITH ORDINALITY AS k (n, i) \
                 JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n \
                 WHERE c.conrelid = {} AND c.contype = 'p' ORDER BY k.i",
                table.oid
            ),
        };
        self.names(&sql).await
    }

    pub(super) async fn foreign_keys(&mut self, table: &NamedObject) -> TestResult<Vec<ForeignKey>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => format!(
                "SELECT id, \"from\", \"table\", coalesce(\"to\", '') FROM pragma_foreign_key_list({}) ORDER BY id, seq",
                literal(&table.name)
            ),
            Dialect::Postgres | Dialect::Mysql => format!(
                "SELECT c.oid, a.attname, CASE WHEN pg_table_is_visible(f.oid) THEN f.relname \
                 ELSE n.nspname || '.' || f.relname END, b.attname \
                 FROM pg_constraint c JOIN pg_class f ON f.oid = c.confrelid JOIN pg_namespace n ON n.oid = f.relnamespace \
                 CROSS JOIN LATERAL unnest(c.conkey, c.confkey) WITH ORDINALITY AS k (n, m, i) \
                 JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n \
                 JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = k.m \
                 WHERE c.conrelid = {} AND c.contype = 'f' ORDER BY c.oid, k.i",
                table.oid
            ),
        };
        let mut keys: Vec<(String, ForeignKey)> = Vec::new();
        for row in self.ask(&sql).await? {
            let [id, from, table, to] = texts(row);
            let at = keys.iter().position(|(known, _)| *known == id).unwrap_or_else(|| {
                keys.push((id, ForeignKey { columns: Vec::new(), table, to: Vec::new() }));
                keys.len() - 1
            });
            keys[at].1.columns.push(from);
            keys[at].1.to.extend(Some(to).filter(|to| !to.is_empty()));
        }
        Ok(keys.into_iter().map(|(_, key)| key).collect())
    }

    /// Returns the names of the named constraints. SQLite has them only in the text of the table.
    pub(super) async fn constraints(&mut self, table: &NamedObject) -> TestResult<Vec<String>> {
        if self.dialect() == Dialect::Sqlite {
            let name = literal(&table.name);
            let sql = format!("SELECT sql FROM {}.sqlite_schema WHERE type = 'table' AND name = {name}", table.schema);
            let text = self.names(&sql).await?;
            return Ok(text.first().map(|sql| constraint_names(sql)).unwrap_or_default());
        }
        self.names(&format!("SELECT conname FROM pg_constraint WHERE conrelid = {} ORDER BY conname", table.oid)).await
    }

    pub(crate) async fn names(&mut self, sql: &str) -> TestResult<Vec<String>> {
        Ok(self.ask(sql).await?.into_iter().map(|row| texts::<1>(row)[0].clone()).collect())
    }
}

/// Leaves out the temporary tables of other sessions, which may disappear at any moment.
const USERS: &str = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%' \
     AND (n.nspname NOT LIKE 'pg\\_temp\\_%' OR n.oid = pg_my_temp_schema())";

/// Says where the rows of a table are. Those of a partition are counted with its partitioned table. Those of a foreign
/// table, or of a table with a foreign partition, are on another server.
const ROWS_OF: &str = "CASE WHEN c.relkind = 'f' OR EXISTS (WITH RECURSIVE part (oid) AS (\
     SELECT inhrelid FROM pg_inherits WHERE inhparent = c.oid \
     UNION SELECT i.inhrelid FROM pg_inherits i JOIN part ON i.inhparent = part.oid) \
     SELECT FROM part JOIN pg_class f USING (oid) WHERE f.relkind = 'f') THEN 'foreign' \
     WHEN c.relispartition THEN 'part' ELSE '' END";

/// Returns the first columns of a row.
pub(super) fn texts<const N: usize>(row: TextRow) -> [String; N] {
    let mut values = row.into_iter();
    std::array::from_fn(|_| values.next().flatten().unwrap_or_default())
}

/// Finds the names after `CONSTRAINT` in the text of a table.
fn constraint_names(sql: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut words = Words { rest: sql };
    while let Some((word, quoted)) = words.next() {
        if !quoted && word.eq_ignore_ascii_case("constraint") {
            names.extend(words.next().map(|(name, _)| name));
        }
    }
    names
}

/// Iterates over the words of SQL, each with whether it was quoted. Skips strings and comments.
struct Words<'a> {
    rest: &'a str,
}

impl Iterator for Words<'_> {
    type Item = (String, bool);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let first = self.rest.chars().next()?;
            let close = match first {
                '\'' | '"' | '`' => Some(first),
                '[' => Some(']'),
                _ => None,
            };
            if let Some(close) = close {
                let mut text = String::new();
                let mut chars = self.rest.char_indices().skip(1).peekable();
                let mut end = self.rest.len();
                while let Some((at, c)) = chars.next() {
                    if c != close {
                        text.push(c);
                    } else if close != ']' && chars.peek().is_some_and(|(_, next)| *next == close) {
                        text.push(c);
                        chars.next();
                    } else {
                        end = at + c.len_utf8();
                        break;
                    }
                }
                self.rest = &self.rest[end..];
                if first == '\'' {
                    continue;
                }
                return Some((text, true));
            }
            if self.rest.starts_with("--") {
                self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
                continue;
            }
            if self.rest.starts_with("/*") {
                self.rest = self.rest.split_once("*/").map_or("", |(_, rest)| rest);
                continue;
            }
            let end = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(self.rest.len());
            if end == 0 {
                self.rest = &self.rest[first.len_utf8()..];
                continue;
            }
            let word = self.rest[..end].to_owned();
            self.rest = &self.rest[end..];
            return Some((word, false));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_of_sqlite_are_read_from_the_text() {
        let sql = "CREATE TABLE t (a TEXT CONSTRAINT one NOT NULL DEFAULT 'CONSTRAINT no', -- CONSTRAINT no\n\
                   \"constraint\" TEXT, CONSTRAINT [two three] CHECK (a <> ''''), constraint \"f\"\"our\" UNIQUE (a))";
        assert_eq!(constraint_names(sql), ["one", "two three", "f\"our"]);
    }
}
