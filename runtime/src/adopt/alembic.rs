//! Alembic: `alembic_version` has only the newest revision, or one for each branch.

use super::record::{Key, Record, Rows};
use super::tool::Tool;

pub(super) const TOOL: Tool = Tool {
    word: "alembic",
    shown: "Alembic",
    table: "alembic_version",
    columns: &["version_num"],
    other_names: true,
    read,
    ..Tool::PLAIN
};

fn read(rows: &Rows<'_>) -> Vec<Record> {
    let revisions = rows.iter().filter_map(|row| row.get("version_num"));
    revisions.map(|revision| Record::new(Key::Revision(revision.to_owned()), revision)).collect()
}
