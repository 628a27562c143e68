//! What is in a SQLite database, as a value: the rows of its catalogue, which `lockgate-schema`
//! understands.

use lockgate_schema::Schema;
use lockgate_schema::sqlite::{Answer, Catalogue, QUESTION};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Backing, cause};
use crate::error::{Cause, Class};
use crate::store::Table;

impl Backing<'_> {
    pub(super) async fn schema(&mut self, own: &Table) -> Result<Schema, Cause> {
        let rows = sqlx::raw_sql(QUESTION).fetch_all(self.held.connection()).await.map_err(|error| cause(&error))?;
        let mut catalogue = Catalogue::default();
        for row in &rows {
            catalogue.add(answer(row).map_err(|error| cause(&error))?);
        }
        let own = [own.name.clone(), own.log().name];
        let own = own.each_ref().map(String::as_str);
        catalogue.schema(&own).map_err(|unknown| Cause::new(Class::Unknown, unknown.to_string()))
    }
}

fn answer(row: &SqliteRow) -> Result<Answer, sqlx::Error> {
    Ok(Answer {
        what: row.try_get("what")?,
        place: row.try_get("place")?,
        kind: row.try_get("kind")?,
        name: row.try_get("name")?,
        on_table: row.try_get("on_table")?,
        text: row.try_get("text")?,
        one: row.try_get("one")?,
        other: row.try_get("other")?,
    })
}
