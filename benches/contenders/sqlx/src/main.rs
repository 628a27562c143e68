//! sqlx's own migrator: applies what is pending.

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let target = std::env::args().nth(1).ok_or("usage: contender <URL or file>")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if target.starts_with("postgres:") {
            let mut connection = PgConnection::connect(&target).await?;
            MIGRATIONS.run(&mut connection).await?;
            connection.close().await?;
        } else {
            let mut connection = SqliteConnectOptions::new().filename(target).create_if_missing(true).connect().await?;
            MIGRATIONS.run(&mut connection).await?;
            connection.close().await?;
        }
        Ok(())
    })
}
