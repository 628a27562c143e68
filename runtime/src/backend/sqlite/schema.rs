//! What is in a SQLite database, as a value: the rows of its catalogue, which `lockgate-schema`
//! understands.

use lockgate_schema::Schema;
use lockgate_schema::sqlite::{Catalogue, ColumnRow, ObjectRow, TableRow};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Backing, cause};
use crate::error::{Cause, Class};
use crate::store::Table;

/// One statement, and so one snapshot without a transaction to end. The columns of a view are not asked
/// for: its tables may be gone, and the whole answer with them.
const CATALOGUE: &str = r#"
SELECT 'object' AS what, 'main' AS place, type AS kind, name, tbl_name AS on_table, sql AS text,
       0 AS one, 0 AS other, 0 AS position FROM main.sqlite_schema
UNION ALL
SELECT 'object', 'temp', type, name, tbl_name, sql, 0, 0, 0 FROM temp.sqlite_schema
UNION ALL
SELECT 'table', schema, type, name, name, NULL, wr, strict, 0 FROM pragma_table_list
WHERE schema IN ('main', 'temp')
UNION ALL
SELECT 'column', l.schema, x.type, x.name, l.name, x.dflt_value, x."notnull", x.hidden, x.cid
FROM pragma_table_list AS l, pragma_table_xinfo(l.name, l.schema) AS x
WHERE l.schema IN ('main', 'temp') AND l.type IN ('table', 'virtual')
ORDER BY what, place, on_table, position, name"#;

impl Backing<'_> {
    pub(super) async fn schema(&mut self, own: &Table) -> Result<Schema, Cause> {
        let rows = sqlx::raw_sql(CATALOGUE).fetch_all(self.held.connection()).await.map_err(|error| cause(&error))?;
        let mut catalogue = Catalogue::default();
        for row in &rows {
            add(&mut catalogue, row).map_err(|error| cause(&error))?;
        }
        let own = [own.name.clone(), own.log().name];
        let own = own.each_ref().map(String::as_str);
        catalogue.schema(&own).map_err(|unknown| Cause::new(Class::Unknown, unknown.to_string()))
    }
}

fn add(catalogue: &mut Catalogue, row: &SqliteRow) -> Result<(), sqlx::Error> {
    let (schema, kind) = (row.try_get("place")?, row.try_get::<Option<String>, _>("kind")?.unwrap_or_default());
    let (name, table) = (row.try_get("name")?, row.try_get("on_table")?);
    let (one, other): (i64, i64) = (row.try_get("one")?, row.try_get("other")?);
    let text = row.try_get("text")?;
    match row.try_get("what")? {
        "object" => catalogue.objects.push(ObjectRow { schema, kind, name, table, sql: text }),
        "table" => {
            catalogue.tables.push(TableRow { schema, name, kind, without_rowid: one != 0, strict: other != 0 });
        }
        _ => {
            let (not_null, hidden) = (one != 0, other);
            let row = ColumnRow { schema, table, name, data_type: kind, not_null, default: text, hidden };
            catalogue.columns.push(row);
        }
    }
    Ok(())
}
