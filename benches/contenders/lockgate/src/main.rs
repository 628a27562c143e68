//! Lockgate: applies what is pending.

use lockgate::{Database, Migrations, Migrator, embed_migrations};

static MIGRATIONS: Migrations = embed_migrations!();

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let target = std::env::args().nth(1).ok_or("usage: contender <URL or file>")?;
    let url = if target.starts_with("postgres:") { target } else { format!("sqlite:{target}?mode=rwc") };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut database = Database::connect(&url).await?;
        Migrator::new(&MIGRATIONS).apply(&mut database).await?;
        database.close().await?;
        Ok(())
    })
}
