//! Queries of the rows of tables: their count, a digest of each column, which the database computes, and the rows
//! themselves.

use lockgate::Dialect;

use super::catalog::{Kind, NamedObject, Rows, identifier, literal, texts};
use super::{Db, TextRow};
use crate::failure::TestResult;

/// The most tables or columns in one statement.
const BATCH: usize = 100;

/// The most bytes of one statement: SQLite accepts a million. For a table without a key, the part for each column names
/// all columns.
const MAX_BYTES: usize = 256 * 1024;

/// Digests of a table that has rows.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    /// The name of the table in messages.
    pub(crate) table: String,
    /// The columns of its primary key; none if it has no key.
    pub(crate) key: Vec<String>,
    pub(crate) columns: Vec<ColumnContent>,
}

/// Digests of a column, which do not depend on the order of rows.
#[derive(Clone, Debug)]
pub(crate) struct ColumnContent {
    pub(crate) name: String,
    pub(crate) data_type: String,
    /// Whether the database computes it from other columns.
    pub(crate) generated: bool,
    /// A digest of its values.
    pub(crate) values: String,
    /// A digest of its values, each with the key of its row.
    pub(crate) placed: String,
}

/// A column as the catalog has it.
struct Listed {
    table: String,
    name: String,
    data_type: String,
    generated: bool,
    /// Its position in the primary key, counted from 1; 0 if it is not part of the key.
    key: usize,
}

impl Db {
    /// Counts the rows of each table where that is possible. It takes few statements, as a walk counts four times.
    pub(crate) async fn row_counts(&mut self) -> TestResult<Vec<(String, u64)>> {
        let counted = self.counted().await?;
        Ok(counted.into_iter().map(|(table, count)| (table.shown(), count)).collect())
    }

    /// Returns the tables whose rows cannot be counted: those on other servers, and virtual tables that cannot be read.
    pub(crate) async fn uncounted(&mut self) -> TestResult<Vec<String>> {
        let counted = self.row_counts().await?;
        let tables = self.objects(Kind::Table).await?.into_iter().filter(|table| table.rows != Rows::OfAnother);
        let shown = tables.map(|table| table.shown());
        Ok(shown.filter(|table| !counted.iter().any(|(name, _)| name == table)).collect())
    }

    async fn counted(&mut self) -> TestResult<Vec<(NamedObject, u64)>> {
        let tables = self.objects(Kind::Table).await?;
        let own: Vec<NamedObject> = tables.iter().filter(|table| table.rows == Rows::Own).cloned().collect();
        let mut counted = Vec::with_capacity(own.len());
        for some in own.chunks(BATCH) {
            counted.extend(self.count(some).await?);
        }
        // Leave out a table whose module is missing, or cannot read it.
        for table in tables.into_iter().filter(|table| table.rows == Rows::Virtual) {
            counted.extend(self.count(&[table]).await.unwrap_or_default());
        }
        Ok(counted)
    }

    async fn count(&mut self, tables: &[NamedObject]) -> TestResult<Vec<(NamedObject, u64)>> {
        let each = tables.iter().map(|table| format!("(SELECT count(*) FROM {})", table.quoted()));
        let sql = format!("SELECT {}", each.collect::<Vec<_>>().join(", "));
        let row = self.ask(&sql).await?.into_iter().next().unwrap_or_default();
        let counts = row.into_iter().map(|count| count.and_then(|count| count.parse().ok()).unwrap_or_default());
        Ok(tables.iter().cloned().zip(counts).collect())
    }

    /// Reads the digests of each table that has rows.
    pub(crate) async fn contents(&mut self) -> TestResult<Vec<Content>> {
        let counted = self.counted().await?;
        let tables: Vec<NamedObject> =
            counted.into_iter().filter(|(_, count)| *count > 0).map(|(table, _)| table).collect();
        let (plain, others): (Vec<NamedObject>, Vec<NamedObject>) =
            tables.into_iter().partition(|table| table.rows != Rows::Virtual);
        let mut contents = self.contents_of(&plain).await?;
        // A full-text index may need the rows of a table that is gone.
        for table in others {
            contents.extend(self.contents_of(&[table]).await.unwrap_or_default());
        }
        Ok(contents)
    }

    async fn contents_of(&mut self, tables: &[NamedObject]) -> TestResult<Vec<Content>> {
        let listed = self.listed(tables).await?;
        let dialect = self.dialect();
        let mut contents = Vec::with_capacity(tables.len());
        let mut questions = Vec::new();
        for table in tables {
            let columns: Vec<&Listed> = listed.iter().filter(|column| column.table == id(table, dialect)).collect();
            let mut key: Vec<&Listed> = columns.iter().copied().filter(|column| column.key > 0).collect();
            key.sort_by_key(|column| column.key);
            // A row without a key is identified by all of its values.
            let known_by: Vec<&str> = match key.len() {
                0 => columns.iter().filter(|column| !column.generated).map(|column| &*column.name).collect(),
                _ => key.iter().map(|column| &*column.name).collect(),
            };
            questions.extend(columns.iter().map(|column| digest(dialect, table, &known_by, &column.name)));
            contents.push(Content {
                table: table.shown(),
                key: key.iter().map(|column| column.name.clone()).collect(),
                columns: columns.into_iter().map(Listed::empty).collect(),
            });
        }
        let mut digests = Vec::with_capacity(questions.len());
        let mut questions = questions.as_slice();
        while !questions.is_empty() {
            let mut length = 0;
            let fits = |question: &&String| {
                length += question.len();
                length <= MAX_BYTES
            };
            let count = questions.iter().take(BATCH).take_while(fits).count().max(1);
            let some;
            (some, questions) = questions.split_at(count);
            digests
                .extend(self.ask(&format!("SELECT {}", some.join(", "))).await?.into_iter().next().unwrap_or_default());
        }
        let columns = contents.iter_mut().flat_map(|content| &mut content.columns);
        for (column, digest) in columns.zip(digests) {
            let digest = digest.unwrap_or_default();
            let (values, placed) = digest.split_once('|').unwrap_or((&digest, ""));
            (column.values, column.placed) = (values.to_owned(), placed.to_owned());
        }
        Ok(contents)
    }

    /// Returns the columns of these tables, without the hidden ones of virtual tables.
    async fn listed(&mut self, tables: &[NamedObject]) -> TestResult<Vec<Listed>> {
        if tables.is_empty() {
            return Ok(Vec::new());
        }
        let ids = tables.iter().map(|table| id(table, self.dialect()));
        let sql = match self.dialect() {
            Dialect::Sqlite => format!(
                "SELECT l.schema || '.' || l.name, x.name, x.type, x.hidden IN (2, 3), x.pk \
                 FROM pragma_table_list AS l, pragma_table_xinfo(l.name, l.schema) AS x \
                 WHERE x.hidden <> 1 AND l.schema || '.' || l.name IN ({}) ORDER BY 1, x.cid",
                ids.map(|id| literal(&id)).collect::<Vec<_>>().join(", ")
            ),
            Dialect::Postgres | Dialect::Mysql => format!(
                "SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), a.attgenerated <> '', \
                 COALESCE(array_position(k.conkey, a.attnum), 0) FROM pg_attribute a \
                 LEFT JOIN pg_constraint k ON k.conrelid = a.attrelid AND k.contype = 'p' \
                 WHERE a.attrelid IN ({}) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum",
                ids.collect::<Vec<_>>().join(", ")
            ),
        };
        let rows = self.ask(&sql).await?;
        let listed = rows.into_iter().map(|row| {
            let [table, name, data_type, generated, key] = texts(row);
            let generated = matches!(generated.as_str(), "t" | "1");
            Listed { table, name, data_type, generated, key: key.parse().unwrap_or_default() }
        });
        Ok(listed.collect())
    }

    /// Reads these columns of every row of a table, as [`encoded`] writes them.
    pub(crate) async fn rows_of(&mut self, table: &str, columns: &[&str]) -> TestResult<Vec<TextRow>> {
        let tables = self.objects(Kind::Table).await?;
        let Some(table) = tables.iter().find(|object| object.shown() == table) else { return Ok(Vec::new()) };
        let dialect = self.dialect();
        let columns: Vec<String> = columns.iter().map(|column| encoded(dialect, &identifier(column))).collect();
        self.ask(&format!("SELECT {} FROM {} AS t", columns.join(", "), table.quoted())).await
    }

    /// Whether the conversion of a value to another type lost nothing: the new value converts back to the old one, or the
    /// old value was text and converts to the new one. Both are given as text, with their types.
    pub(crate) async fn is_converted(&mut self, old: (&str, &str), new: (&str, &str)) -> bool {
        let ((old, from), (new, to)) = ((literal(old.0), old.1), (literal(new.0), new.1));
        let was_text = ["text", "character", "citext", "\"char\""].iter().any(|text| from.starts_with(text));
        let back = format!("SELECT CAST(CAST(CAST({new} AS {to}) AS {from}) AS text) = {old}");
        let forth = format!("SELECT CAST(CAST({old} AS {to}) AS text) = {new}");
        self.holds(&back).await.is_ok() || was_text && !to.starts_with("character") && self.holds(&forth).await.is_ok()
    }
}

impl Listed {
    fn empty(&self) -> ColumnContent {
        ColumnContent {
            name: self.name.clone(),
            data_type: self.data_type.clone(),
            generated: self.generated,
            values: String::new(),
            placed: String::new(),
        }
    }
}

/// Returns the key of a table in [`Listed`].
fn id(table: &NamedObject, dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite => format!("{}.{}", table.schema, table.name),
        Dialect::Postgres | Dialect::Mysql => table.oid.clone(),
    }
}

/// SQL that encodes a value as unambiguous text; NULL stays NULL. SQLite's `quote` would cut a text at its first NUL.
fn encoded(dialect: Dialect, column: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!(
            "CASE typeof(t.{column}) WHEN 'null' THEN NULL WHEN 'text' THEN 't' || hex(t.{column}) \
             WHEN 'blob' THEN 'b' || hex(t.{column}) ELSE quote(t.{column}) END"
        ),
        Dialect::Postgres | Dialect::Mysql => format!("CAST(t.{column} AS text)"),
    }
}

/// Shows a value that [`encoded`] wrote, of a column of this type, as a SQL literal.
pub(crate) fn decoded(dialect: Dialect, data_type: &str, value: Option<&str>) -> String {
    const BARE: [&str; 7] = ["smallint", "integer", "bigint", "numeric", "real", "double precision", "boolean"];
    let Some(value) = value else { return "NULL".to_owned() };
    if dialect != Dialect::Sqlite {
        let is_bare = BARE.iter().any(|bare| data_type.split('(').next() == Some(bare));
        return if is_bare { value.to_owned() } else { literal(value) };
    }
    match (value.strip_prefix('t'), value.strip_prefix('b')) {
        (Some(hex), _) => literal(&String::from_utf8_lossy(&bytes(hex))),
        (None, Some(hex)) => format!("X'{hex}'"),
        (None, None) => value.to_owned(),
    }
}

/// Decodes hexadecimal digits.
fn bytes(hex: &str) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).unwrap_or_default();
    hex.as_bytes().chunks(2).map(|pair| pair.iter().fold(0, |byte, c| byte * 16 + digit(*c)) as u8).collect()
}

/// SQL that computes the two digests of a column, separated by `|`.
fn digest(dialect: Dialect, table: &NamedObject, known_by: &[&str], column: &str) -> String {
    let (table, value) = (table.quoted(), encoded(dialect, &identifier(column)));
    match dialect {
        Dialect::Sqlite => {
            let key = known_by.iter().map(|column| format!("ifnull({}, '-')", encoded(dialect, &identifier(column))));
            let key = if known_by.is_empty() { "''".to_owned() } else { key.collect::<Vec<_>>().join(" || ',' || ") };
            format!(
                "(SELECT (SELECT group_concat(v, ',') FROM (SELECT ifnull({value}, '-') AS v FROM {table} AS t ORDER BY 1)) \
                 || '|' || (SELECT group_concat(v, ';') \
                 FROM (SELECT {key} || '=' || ifnull({value}, '-') AS v FROM {table} AS t ORDER BY 1)))"
            )
        }
        Dialect::Postgres | Dialect::Mysql => {
            let key = known_by.iter().map(|column| format!("t.{}", identifier(column))).collect::<Vec<_>>().join(", ");
            format!(
                "(SELECT md5(string_agg(v, ',' ORDER BY v COLLATE \"C\")) || '|' || \
                 md5(string_agg(k || v, ',' ORDER BY k COLLATE \"C\", v COLLATE \"C\")) \
                 FROM (SELECT md5(CAST(ROW({key}) AS text)) AS k, COALESCE(md5({value}), '-') AS v FROM {table} AS t) AS s)"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_as_it_would_be_written() {
        for (value, expected) in [
            (None, "NULL"),
            (Some("t"), "''"),
            (Some("t4F276E"), "'O''n'"),
            (Some("b00FF"), "X'00FF'"),
            (Some("-1.5"), "-1.5"),
        ] {
            assert_eq!(decoded(Dialect::Sqlite, "", value), expected);
        }
        assert_eq!(decoded(Dialect::Postgres, "text", Some("t4F")), "'t4F'");
        assert_eq!(decoded(Dialect::Postgres, "numeric(3,1)", Some("4.5")), "4.5");
        assert_eq!(decoded(Dialect::Postgres, "integer[]", Some("{4}")), "'{4}'");
    }
}
