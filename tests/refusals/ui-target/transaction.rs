//! The caller's transaction is not a target.
use lockgate::{Migrations, Migrator};

async fn migrate(migrations: &'static Migrations, transaction: sqlx::Transaction<'_, sqlx::Postgres>) {
    Migrator::new(migrations).apply(transaction).await.unwrap();
}

fn main() {}
