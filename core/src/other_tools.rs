//! The history tables of other migration tools. A database that has one of them, and none of Lockgate's, is not
//! empty.

/// Each table, as its tool spells it, and the tool. SQLite compares the names without regard to case.
///
/// Names that an application might choose itself, such as `migrations`, are left out.
pub const OTHER_TOOLS: &[(&str, &str)] = &[
    ("_sqlx_migrations", "sqlx"),
    ("refinery_schema_history", "refinery"),
    ("__diesel_schema_migrations", "diesel"),
    ("seaql_migrations", "SeaORM"),
    ("flyway_schema_history", "Flyway"),
    ("databasechangelog", "Liquibase"),
    ("alembic_version", "Alembic"),
    ("django_migrations", "Django"),
    ("schema_migrations", "Rails, dbmate or golang-migrate"),
    ("goose_db_version", "goose"),
    ("atlas_schema_revisions", "Atlas"),
    ("gorp_migrations", "sql-migrate"),
    ("schema_version", "tern or an old Flyway"),
    ("_prisma_migrations", "Prisma"),
    ("__drizzle_migrations", "Drizzle"),
    ("knex_migrations", "Knex"),
    ("SequelizeMeta", "Sequelize"),
    ("kysely_migration", "Kysely"),
    ("mikro_orm_migrations", "MikroORM"),
    ("pgmigrations", "node-pg-migrate"),
    ("doctrine_migration_versions", "Doctrine"),
    ("phinxlog", "Phinx"),
    ("__EFMigrationsHistory", "Entity Framework"),
    ("_yoyo_migration", "yoyo"),
    ("play_evolutions", "Play"),
];

/// The tables among them whose history the feature `adopt` of `lockgate` can take over.
const ADOPTABLE: &[&str] = &[
    "_sqlx_migrations",
    "refinery_schema_history",
    "__diesel_schema_migrations",
    "seaql_migrations",
    "flyway_schema_history",
    "alembic_version",
    "schema_migrations",
    "goose_db_version",
    "gorp_migrations",
    "schema_version",
    "_prisma_migrations",
    "knex_migrations",
    "SequelizeMeta",
    "kysely_migration",
    "mikro_orm_migrations",
    "pgmigrations",
    "doctrine_migration_versions",
    "phinxlog",
    "__EFMigrationsHistory",
    "_yoyo_migration",
];

/// Whether the history in this table, named with or without its schema, can be taken over.
pub fn is_adoptable(table: &str) -> bool {
    let name = table.rsplit_once('.').map_or(table, |(_, name)| name);
    ADOPTABLE.iter().any(|adoptable| adoptable.eq_ignore_ascii_case(name))
}

/// Returns the tool whose history table has this name.
pub fn tool(table: &str) -> Option<&'static str> {
    OTHER_TOOLS.iter().find(|(name, _)| name.eq_ignore_ascii_case(table)).map(|(_, tool)| *tool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adoptable_tables_are_listed() {
        for table in ADOPTABLE {
            assert!(tool(table).is_some(), "{table}");
        }
        assert!(is_adoptable("public._sqlx_migrations") && is_adoptable("sequelizemeta"));
        assert!(!is_adoptable("play_evolutions"));
    }

    #[test]
    fn each_table_is_listed_once() {
        assert_eq!(tool("_sqlx_migrations"), Some("sqlx"));
        assert_eq!(tool("sequelizemeta"), Some("Sequelize"));
        assert_eq!(tool("lockgate_history"), None);
        for (table, _) in OTHER_TOOLS {
            let same = OTHER_TOOLS.iter().filter(|(name, _)| name.eq_ignore_ascii_case(table)).count();
            assert_eq!(same, 1, "{table}");
            assert!(!table.contains('\''), "it is written into SQL: {table}");
        }
    }
}
