use sqlx::{PgPool, SqlitePool};

static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("ui/bad-test/migrations");

#[lockgate_harness::test(migrations = MIGRATIONS)]
fn not_asynchronous(db: PgPool) {}

#[lockgate_harness::test(migrations = MIGRATIONS)]
async fn no_database() {}

#[lockgate_harness::test(migrations = MIGRATIONS)]
async fn two_databases(one: PgPool, two: SqlitePool) {}

#[lockgate_harness::test(migrations = MIGRATIONS)]
async fn by_reference(db: &PgPool) {}

#[lockgate_harness::test(migrations = MIGRATIONS)]
async fn of_any_dialect(db: lockgate::Database) {}

#[lockgate_harness::test(migrations = MIGRATIONS, dialect = "sqlite")]
async fn of_two_dialects(db: PgPool) {}

#[lockgate_harness::test(migrations = MIGRATIONS)]
#[tokio::test]
async fn twice(db: PgPool) {}

#[lockgate_harness::test(migrations = MIGRATIONS)]
async fn generic<T>(db: PgPool) {}

#[lockgate_harness::test(migrations = MIGRATIONS, after = 3)]
async fn unknown_option(db: SqlitePool) {}

#[lockgate_harness::test(migrations = MIGRATIONS, before = 3, at = "0003_x")]
async fn two_ends(db: SqlitePool) {}

#[lockgate_harness::test]
static NOT_A_FUNCTION: u8 = 0;

fn main() {}
