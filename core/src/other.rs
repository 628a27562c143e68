//! The tables in which other migration tools keep their histories. A database that has one of these and no history
//! of ours is not an empty one.

/// Each table as its tool writes it, and the tool. Names are compared as the database compares them: without regard
/// to case on SQLite.
///
/// Not here are names that an application would choose for itself, such as `migrations`.
pub const OTHERS: &[(&str, &str)] = &[
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

/// The tool that keeps its history in the table of this name.
pub fn tool(table: &str) -> Option<&'static str> {
    OTHERS.iter().find(|(name, _)| name.eq_ignore_ascii_case(table)).map(|(_, tool)| *tool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_known_by_its_name_once() {
        assert_eq!(tool("_sqlx_migrations"), Some("sqlx"));
        assert_eq!(tool("sequelizemeta"), Some("Sequelize"));
        assert_eq!(tool("lockgate_history"), None);
        for (table, _) in OTHERS {
            let same = OTHERS.iter().filter(|(name, _)| name.eq_ignore_ascii_case(table)).count();
            assert_eq!(same, 1, "{table}");
            assert!(!table.contains('\''), "it is written into SQL: {table}");
        }
    }
}
