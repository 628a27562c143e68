//! The tools whose history can be taken over, and which of them has been at work in a database.

use super::tool::{Tool, has_columns};
use super::{
    alembic, dbmate, diesel, flyway, golang_migrate, goose, names, prisma, refinery, rusqlite_migration, sea_orm, sqlx,
};
use crate::backend::ForeignTable;

/// The tools with a checksum or a layout of their own. Those that only record names are in [`names`].
const OWN: [Tool; 11] = [
    sqlx::TOOL,
    refinery::TOOL,
    diesel::TOOL,
    sea_orm::TOOL,
    flyway::TOOL,
    alembic::TOOL,
    golang_migrate::TOOL,
    goose::TOOL,
    dbmate::TOOL,
    rusqlite_migration::TOOL,
    prisma::TOOL,
];

/// Every tool.
pub(super) fn all() -> impl Iterator<Item = Tool> {
    OWN.into_iter().chain(names::TOOLS.iter().copied())
}

/// The tool of this name on the command line.
pub(super) fn find(word: &str) -> Option<Tool> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['_', ' '], "-");
    all().find(|tool| plain(tool.word) == plain(word) || plain(tool.shown) == plain(word))
}

/// A history table of a tool.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) tool: Tool,
    pub(super) table: ForeignTable,
}

/// The history tables among these. A table of the tool's own name counts more than one that only has its columns.
pub(super) fn detect(tables: &[ForeignTable]) -> Vec<Found> {
    let of = |by_name: bool| {
        let found = tables.iter().flat_map(move |table| {
            let fits = move |tool: &Tool| {
                let named = table.name.eq_ignore_ascii_case(tool.table);
                has_columns(tool, table) && if by_name { named } else { tool.other_names && !named }
            };
            all().find(fits).map(|tool| Found { tool, table: table.clone() })
        });
        found.collect::<Vec<_>>()
    };
    let named = of(true);
    let found = if named.is_empty() { of(false) } else { named };
    // Many programs set the user version of SQLite themselves.
    let counts = |found: &Found| found.tool.word == rusqlite_migration::TOOL.word;
    if found.iter().all(counts) { found } else { found.into_iter().filter(|found| !counts(found)).collect() }
}

#[cfg(test)]
mod tests {
    use lockgate_core::other_tools::{OTHER_TOOLS, is_adoptable};

    use super::super::record::table;
    use super::*;

    fn detected(tables: &[(&str, &str)]) -> Vec<&'static str> {
        let tables: Vec<ForeignTable> = tables.iter().map(|(name, columns)| table(name, columns).0).collect();
        detect(&tables).iter().map(|found| found.tool.word).collect()
    }

    #[test]
    fn a_table_is_known_by_its_name_and_columns() {
        assert_eq!(detected(&[("schema_migrations", "version|dirty")]), ["golang-migrate"]);
        assert_eq!(detected(&[("schema_migrations", "version")]), ["dbmate"]);
        assert_eq!(detected(&[("schema_migrations", "version|inserted_at")]), ["ecto"]);
        assert_eq!(detected(&[("schema_version", "version")]), ["tern"]);
        let sqlx = "version|description|installed_on|success|checksum|execution_time";
        assert_eq!(detected(&[("app_migrations", sqlx), ("users", "id|name")]), ["sqlx"]);
        assert_eq!(detected(&[("app_migrations", sqlx), ("SequelizeMeta", "name")]), ["sequelize"]);
        assert_eq!(detected(&[("pragma_user_version", "user_version")]), ["rusqlite_migration"]);
        assert_eq!(detected(&[("pragma_user_version", "user_version"), ("_sqlx_migrations", sqlx)]), ["sqlx"]);
        assert_eq!(detected(&[("users", "id|name")]), [""; 0]);
    }

    #[test]
    fn every_word_is_one_tool_and_messages_offer_what_is_read() {
        for tool in all() {
            assert_eq!(find(tool.word).unwrap().table, tool.table, "{}", tool.word);
            assert!(all().filter(|other| other.word == tool.word).count() == 1, "{}", tool.word);
        }
        assert_eq!(find("sea_orm").unwrap().word, "sea-orm");
        for (table, _) in OTHER_TOOLS {
            let reads = all().any(|tool| tool.table.eq_ignore_ascii_case(table));
            assert_eq!(reads, is_adoptable(table), "{table}");
        }
    }
}
