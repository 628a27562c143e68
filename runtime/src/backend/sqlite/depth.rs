//! Transactions begun and ended through the driver, which counts how deep it is in them: only so can a Rust step
//! begin one within ours.

use sqlx::sqlite::SqliteTransactionManager as Manager;
use sqlx::{AssertSqlSafe, Error, SqlSafeStr, SqliteConnection};
// The crate `sqlx` has the type and not the trait that its functions are of.
use sqlx_core::transaction::TransactionManager;

pub(super) async fn begin(connection: &mut SqliteConnection) -> Result<(), Error> {
    Manager::begin(connection, Some("BEGIN IMMEDIATE".into_sql_str())).await
}

/// Runs these statements, all in one go, in a transaction that is open and that the driver does not know of; if none
/// fails, it counts it from then on.
pub(super) async fn adopt(connection: &mut SqliteConnection, sql: String) -> Result<(), Error> {
    Manager::begin(connection, Some(AssertSqlSafe(sql).into_sql_str())).await
}

pub(super) async fn commit(connection: &mut SqliteConnection) -> Result<(), Error> {
    Manager::commit(connection).await
}

pub(super) async fn roll_back(connection: &mut SqliteConnection) -> Result<(), Error> {
    Manager::rollback(connection).await
}

/// Asks for it without waiting for the answer.
pub(super) fn start_roll_back(connection: &mut SqliteConnection) {
    Manager::start_rollback(connection);
}

/// How many transactions, one in the other, the driver has open.
pub(super) fn depth(connection: &SqliteConnection) -> usize {
    Manager::get_transaction_depth(connection)
}

/// What the driver calls the savepoint of a transaction within so many others.
pub(super) fn savepoint(within: usize) -> String {
    format!("_sqlx_savepoint_{within}")
}
