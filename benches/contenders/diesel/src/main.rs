//! diesel_migrations with libpq and SQLite: applies what is pending.

use diesel::{Connection, PgConnection, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let target = std::env::args().nth(1).ok_or("usage: contender <URL or file>")?;
    if target.starts_with("postgres:") {
        PgConnection::establish(&target)?.run_pending_migrations(MIGRATIONS)?;
    } else {
        SqliteConnection::establish(&target)?.run_pending_migrations(MIGRATIONS)?;
    }
    Ok(())
}
