//! Reads the schema of a SQLite database: the rows of its catalogue, which `lockgate-schema` interprets.

use lockgate_schema::sqlite::{Answer, AnswerColumns, Catalogue, QUESTION};
use sqlx::FromRow;

use super::{SqliteBackend, cause};
use crate::backend::ReadSchema;
use crate::error::{Cause, Class};
use crate::history_table::TableName;

impl SqliteBackend<'_> {
    pub(super) async fn schema(&mut self, own: &TableName) -> Result<ReadSchema, Cause> {
        let rows = sqlx::raw_sql(QUESTION).fetch_all(self.held.connection()).await.map_err(|error| cause(&error))?;
        let mut catalogue = Catalogue::default();
        for row in &rows {
            catalogue.add(Answer::from(AnswerColumns::from_row(row).map_err(|error| cause(&error))?));
        }
        let own = [own.name.clone(), own.log().name];
        let own = own.each_ref().map(String::as_str);
        let schema = catalogue.schema(&own).map_err(|unknown| Cause::new(Class::Unknown, unknown.to_string()))?;
        Ok(ReadSchema { schema, release: None })
    }
}
