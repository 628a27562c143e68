//! Tools that record a name for each migration and no checksum, and users' own tables of this kind, such as
//! `tbl_deployments` or the tables of a database of patches.

use lockgate_core::patch;

use super::record::{Key, Record, Row, Rows};
use super::tool::Tool;
use crate::backend::{ColumnKind, ForeignTable};

macro_rules! named {
    ($($word:literal $shown:literal $table:literal $columns:expr, $read:expr;)*) => {
        /// These tools, each with its table and the columns that are read.
        pub(super) const TOOLS: &[Tool] = &[$(Tool {
            word: $word,
            shown: $shown,
            table: $table,
            columns: $columns,
            read: $read,
            ..Tool::PLAIN
        }),*];
    };
}

named! {
    "sql-migrate" "sql-migrate" "gorp_migrations" &["id", "applied_at"], |rows| by_name(rows, "id", "applied_at");
    "knex" "Knex" "knex_migrations" &["name", "migration_time"], |rows| by_name(rows, "name", "migration_time");
    "sequelize" "Sequelize" "SequelizeMeta" &["name"], |rows| by_name(rows, "name", "");
    "kysely" "Kysely" "kysely_migration" &["name", "timestamp"], |rows| by_name(rows, "name", "timestamp");
    "mikro-orm" "MikroORM" "mikro_orm_migrations" &["name", "executed_at"], |rows| by_name(rows, "name", "executed_at");
    "node-pg-migrate" "node-pg-migrate" "pgmigrations" &["name", "run_on"], |rows| by_name(rows, "name", "run_on");
    "doctrine" "Doctrine" "doctrine_migration_versions" &["version", "executed_at"], |rows| by_name(rows, "version", "executed_at");
    "phinx" "Phinx" "phinxlog" &["version", "migration_name", "end_time"], |rows| by_name(rows, "version", "end_time");
    "entity-framework" "Entity Framework" "__EFMigrationsHistory" &["MigrationId"], |rows| by_name(rows, "MigrationId", "");
    "yoyo" "yoyo" "_yoyo_migration" &["migration_id", "applied_at_utc"], |rows| by_name(rows, "migration_id", "applied_at_utc");
    "ecto" "Ecto" "schema_migrations" &["version", "inserted_at"], |rows| by_name(rows, "version", "inserted_at");
    "tern" "tern" "schema_version" &["version"], position;
    "tbl_deployments" "tbl_deployments" "tbl_deployments" &[], any;
}

/// The reader of a table that belongs to no known tool.
pub(super) const ANY: Tool =
    Tool { word: "names", shown: "the table", table: "", columns: &[], read: any, ..Tool::PLAIN };

/// The names that columns of names have, the likeliest first.
const NAMES: &[&str] = &[
    "name",
    "migration",
    "migration_name",
    "filename",
    "file_name",
    "file",
    "script",
    "script_name",
    "patch",
    "patch_name",
    "deployment",
    "deployment_name",
    "migration_id",
    "version",
    "title",
    "id",
];

/// The names that columns of times have, the likeliest first.
const TIMES: &[&str] = &[
    "applied_at",
    "executed_at",
    "deployed_at",
    "installed_on",
    "applied_on",
    "run_on",
    "run_at",
    "migration_time",
    "created_at",
    "created",
    "timestamp",
    "applied",
    "date",
    "time",
];

fn by_name(rows: &Rows<'_>, column: &str, time: &str) -> Vec<Record> {
    let read = |row: Row<'_>| {
        let name = row.get(column)?.trim();
        let key = name.parse().map_or_else(|_| Key::Name(name.to_owned()), Key::Number);
        Some(Record { applied_at: row.time(time), ..Record::new(key, name) })
    };
    rows.iter().filter_map(read).collect()
}

/// A table whose one row is the newest version.
fn position(rows: &Rows<'_>) -> Vec<Record> {
    let numbers = rows.iter().filter_map(|row| row.number("version"));
    numbers.map(|number| Record::new(Key::UpTo(number), number.to_string())).collect()
}

/// A table whose columns are not known: by the likeliest of them, or by the major and minor numbers of patches.
fn any(rows: &Rows<'_>) -> Vec<Record> {
    let time = column_of(rows.table, TIMES, |kind| matches!(kind, ColumnKind::Moment | ColumnKind::LocalTime));
    let time = time.unwrap_or_default();
    if rows.has("major") && rows.has("minor") {
        return rows.iter().filter_map(|row| patch(&row, &time)).collect();
    }
    match column_of(rows.table, NAMES, |kind| kind == ColumnKind::Text) {
        Some(column) => by_name(rows, &column, &time),
        None => Vec::new(),
    }
}

/// The same with the column of the names given.
pub(super) fn in_column(rows: &Rows<'_>, column: &str) -> Vec<Record> {
    let time = column_of(rows.table, TIMES, |kind| matches!(kind, ColumnKind::Moment | ColumnKind::LocalTime));
    by_name(rows, column, &time.unwrap_or_default())
}

fn column_of(table: &ForeignTable, likely: &[&str], fits: impl Fn(ColumnKind) -> bool) -> Option<String> {
    let named =
        likely.iter().find_map(|name| table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)));
    named.or_else(|| table.columns.iter().find(|column| fits(column.kind))).map(|column| column.name.clone())
}

/// A patch whose numbers are in columns of their own.
fn patch(row: &Row<'_>, time: &str) -> Option<Record> {
    let (major, minor) = (row.number("major")?, row.number("minor")?);
    let version = patch::version(major, minor)?;
    let database = ["database", "database_name", "db", "dbname"].into_iter().find_map(|column| row.get(column));
    let numbers = patch::numbers(version);
    let key = match database {
        Some(database) => Key::Name(format!("{database}.{numbers}.unknown.unknown")),
        None => Key::Number(version.get()),
    };
    let shown = database.map_or_else(|| numbers.clone(), |database| format!("{database}.{numbers}"));
    Some(Record { applied_at: row.time(time), ..Record::new(key, shown) })
}

#[cfg(test)]
mod tests {
    use super::super::record::table;
    use super::*;

    #[test]
    fn names_and_times_are_found_in_a_users_own_table() {
        let text = "id|file_name|who|deployed_at\n1|00001-fix.sql|me|2026-01-02 03:04:05\n";
        let (found, rows) = table("tbl_deployments", text);
        let records = any(&Rows { table: &found, rows: &rows });
        assert_eq!(records[0].key, Key::Name("00001-fix.sql".to_owned()));
        assert_eq!(records[0].applied_at.as_deref(), Some("2026-01-02T03:04:05.000Z"));
        let (found, rows) = table("patches", "database|major|minor|at\nbilling|1|2|x\naudit|1|3|x\n");
        let records = any(&Rows { table: &found, rows: &rows });
        assert_eq!(records[0].key, Key::Name("billing.00000001.0002.unknown.unknown".to_owned()));
        assert_eq!(records[1].shown, "audit.00000001.0003");
    }
}
