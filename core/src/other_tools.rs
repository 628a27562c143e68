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

/// Returns the tool whose history table has this name.
pub fn tool(table: &str) -> Option<&'static str> {
    OTHER_TOOLS.iter().find(|(name, _)| name.eq_ignore_ascii_case(table)).map(|(_, tool)| *tool)
}

#[cfg(test)]
mod tests {
    use super::*;

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
