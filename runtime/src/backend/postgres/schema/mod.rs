//! What is in a PostgreSQL database, as a value.

use lockgate_schema::Schema;

use super::Backing;
use crate::error::{Cause, Class};
use crate::store::Table;

impl Backing<'_> {
    pub(super) async fn schema(&mut self, _own: &Table) -> Result<Schema, Cause> {
        Err(Cause::new(Class::Unknown, "the schema of a PostgreSQL database is not read by this release"))
    }
}
