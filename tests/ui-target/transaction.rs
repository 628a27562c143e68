//! A transaction of the caller's is no target.
use lockgate::{Migrations, Migrator};

async fn migrate(migrations: &'static Migrations, transaction: sqlx::Transaction<'_, sqlx::Postgres>) {
    Migrator::new(migrations).apply(transaction).await.unwrap();
}

fn main() {}
