//! Puts two rows into each table of a database, as `cargo xtask generate` does before it tries a draft.

use lockgate::Database;
use lockgate::schema::Schema;
use lockgate_xtask::__private::rows;

use super::database::execute;

/// Fills the tables, those first that others refer to, and returns the names of those that stay without a row.
pub(super) async fn fill(database: &mut Database, schema: &Schema) -> Vec<String> {
    let mut empty = Vec::new();
    for filled in rows::all(schema) {
        let mut is_empty = true;
        for row in filled.rows {
            for statement in row {
                if execute(database, &statement).await.is_ok() {
                    is_empty = false;
                    break;
                }
            }
        }
        if is_empty {
            empty.push(filled.table.name);
        }
    }
    empty
}
