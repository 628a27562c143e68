//! Begins and ends transactions through the driver, which counts their depth. Only so can a Rust step begin a nested
//! transaction.

use sqlx::sqlite::SqliteTransactionManager as Manager;
use sqlx::{AssertSqlSafe, Error, SqlSafeStr, SqliteConnection};
// `sqlx` exports the type but not the trait of its functions.
use sqlx_core::transaction::TransactionManager;

pub(super) async fn begin(connection: &mut SqliteConnection) -> Result<(), Error> {
    Manager::begin(connection, Some("BEGIN IMMEDIATE".into_sql_str())).await
}

/// Runs these statements in an open transaction that the driver does not know. If none fails, the driver counts the
/// transaction from then on.
pub(super) async fn adopt(connection: &mut SqliteConnection, sql: String) -> Result<(), Error> {
    Manager::begin(connection, Some(AssertSqlSafe(sql).into_sql_str())).await
}

pub(super) async fn commit(connection: &mut SqliteConnection) -> Result<(), Error> {
    Manager::commit(connection).await
}

pub(super) async fn roll_back(connection: &mut SqliteConnection) -> Result<(), Error> {
    Manager::rollback(connection).await
}

/// Rolls back without waiting for the answer.
pub(super) fn start_roll_back(connection: &mut SqliteConnection) {
    Manager::start_rollback(connection);
}

/// The number of nested transactions that the driver has open.
pub(super) fn depth(connection: &SqliteConnection) -> usize {
    Manager::get_transaction_depth(connection)
}

/// The driver's name for the savepoint of a transaction at this depth.
pub(super) fn savepoint(within: usize) -> String {
    format!("_sqlx_savepoint_{within}")
}
