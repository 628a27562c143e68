//! `AnyPool` is not a target.
use lockgate::{Migrations, Migrator};

async fn migrate(migrations: &'static Migrations, pool: &sqlx::AnyPool) {
    Migrator::new(migrations).apply(pool).await.unwrap();
}

fn main() {}
