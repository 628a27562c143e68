//! Lockgate: applies what is pending.

use lockgate::{Migrations, Migrator, embed_migrations};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

static MIGRATIONS: Migrations = embed_migrations!();

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let target = std::env::args().nth(1).ok_or("usage: contender <URL or file>")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let migrator = Migrator::new(&MIGRATIONS);
        if target.starts_with("postgres:") {
            let mut connection = PgConnection::connect(&target).await?;
            migrator.apply(&mut connection).await?;
            connection.close().await?;
        } else {
            let mut connection = SqliteConnectOptions::new().filename(target).create_if_missing(true).connect().await?;
            migrator.apply(&mut connection).await?;
            connection.close().await?;
        }
        Ok(())
    })
}
