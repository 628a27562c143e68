//! The connection that a verb uses: from a pool, from the caller or from a [`Database`](crate::Database).
//!
//! The compiler builds the asynchronous code of the driver (the pool, the handshake, the queries) again in each crate
//! that awaits it. A user's program contains it in any case. So a backend uses it through [`Source`], whose
//! implementations are generic. Only [`open`](crate::target::sealed::LockgateTarget::open) makes them, and it is
//! inlined into the program. So the driver is not built a second time in this crate.

use std::sync::Arc;

use futures_util::stream::BoxStream;
use sqlx::pool::{Pool, PoolConnection};
use sqlx::{AssertSqlSafe, Connection, Database, Either, Executor, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;

use crate::backend::BoxFuture;

/// The connection options of a driver.
pub(crate) type OptionsOf<DB> = <<DB as Database>::Connection as Connection>::Options;

/// The answer of a driver, piece by piece.
pub(crate) type Answers<'e, DB> =
    BoxStream<'e, Result<Either<<DB as Database>::QueryResult, <DB as Database>::Row>, sqlx::Error>>;

/// Who owns a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// It came from a pool.
    Pool,
    /// It belongs to the caller, and only the caller may close it.
    Caller,
    /// It belongs to this crate.
    Own,
}

/// A connection, and where to get another one.
pub(crate) trait Source<DB: Database>: Send {
    fn owner(&self) -> Owner;

    /// The connection. `None` after it was taken.
    fn connection(&mut self) -> Option<&mut DB::Connection>;

    /// Takes the connection out. Dropping it closes its socket, unless the connection belongs to the caller.
    fn take(&mut self) -> Option<DB::Connection>;

    /// Closes the connection and makes another one, unless the connection belongs to the caller.
    fn renew(&mut self) -> BoxFuture<'_, Result<(), sqlx::Error>>;

    /// The options that make another one. They are unknown for a connection of the caller.
    fn options(&self) -> Option<Arc<OptionsOf<DB>>>;

    /// Sends SQL without parameters.
    fn fetch(&mut self, sql: String) -> Answers<'_, DB>
    where
        for<'e> &'e mut DB::Connection: Executor<'e, Database = DB>,
    {
        sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(self.connection().expect(GONE))
    }

    /// Begins a transaction with this statement.
    fn begin(&mut self, statement: String) -> BoxFuture<'_, Result<(), sqlx::Error>> {
        let statement = AssertSqlSafe(statement).into_sql_str();
        Box::pin(DB::TransactionManager::begin(self.connection().expect(GONE), Some(statement)))
    }

    /// Commits the transaction.
    fn commit(&mut self) -> BoxFuture<'_, Result<(), sqlx::Error>> {
        Box::pin(DB::TransactionManager::commit(self.connection().expect(GONE)))
    }

    /// Rolls the transaction back.
    fn roll_back(&mut self) -> BoxFuture<'_, Result<(), sqlx::Error>> {
        Box::pin(DB::TransactionManager::rollback(self.connection().expect(GONE)))
    }
}

const GONE: &str = "an abandoned connection is not used again";

/// A pool, and one of its connections.
pub(crate) struct FromPool<DB: Database> {
    pool: Pool<DB>,
    pooled: Option<PoolConnection<DB>>,
}

impl<DB: Database> FromPool<DB> {
    pub(crate) async fn acquire(pool: Pool<DB>) -> Result<Self, sqlx::Error> {
        let pooled = Some(pool.acquire().await?);
        Ok(Self { pool, pooled })
    }
}

impl<DB: Database> Source<DB> for FromPool<DB> {
    fn owner(&self) -> Owner {
        Owner::Pool
    }

    fn connection(&mut self) -> Option<&mut DB::Connection> {
        self.pooled.as_deref_mut()
    }

    fn take(&mut self) -> Option<DB::Connection> {
        self.pooled.take().map(PoolConnection::detach)
    }

    fn renew(&mut self) -> BoxFuture<'_, Result<(), sqlx::Error>> {
        Box::pin(async move {
            if let Some(closed) = self.take() {
                // If it cannot be closed properly, it is gone anyway.
                let _ = closed.close().await;
            }
            self.pooled = Some(self.pool.acquire().await?);
            Ok(())
        })
    }

    fn options(&self) -> Option<Arc<OptionsOf<DB>>> {
        Some(self.pool.connect_options())
    }
}

/// The connection of the caller.
pub(crate) struct Borrowed<'a, DB: Database>(pub(crate) &'a mut DB::Connection);

impl<DB: Database> Source<DB> for Borrowed<'_, DB> {
    fn owner(&self) -> Owner {
        Owner::Caller
    }

    fn connection(&mut self) -> Option<&mut DB::Connection> {
        Some(self.0)
    }

    fn take(&mut self) -> Option<DB::Connection> {
        None
    }

    fn renew(&mut self) -> BoxFuture<'_, Result<(), sqlx::Error>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn options(&self) -> Option<Arc<OptionsOf<DB>>> {
        None
    }
}

/// A connection of this crate's own, and the options to make another.
pub(crate) struct Own<P, DB: Database> {
    /// Empty after the connection was taken.
    place: P,
    options: Arc<OptionsOf<DB>>,
}

impl<P, DB: Database> Own<P, DB> {
    pub(crate) fn new(place: P, options: Arc<OptionsOf<DB>>) -> Self {
        Self { place, options }
    }
}

impl<P: Place<DB::Connection> + Send, DB: Database> Source<DB> for Own<P, DB> {
    fn owner(&self) -> Owner {
        Owner::Own
    }

    fn connection(&mut self) -> Option<&mut DB::Connection> {
        self.place.place().as_mut()
    }

    fn take(&mut self) -> Option<DB::Connection> {
        self.place.place().take()
    }

    fn renew(&mut self) -> BoxFuture<'_, Result<(), sqlx::Error>> {
        Box::pin(async move {
            if let Some(closed) = self.take() {
                // If it cannot be closed properly, it is gone anyway.
                let _ = closed.close().await;
            }
            *self.place.place() = Some(DB::Connection::connect_with(&self.options).await?);
            Ok(())
        })
    }

    fn options(&self) -> Option<Arc<OptionsOf<DB>>> {
        Some(Arc::clone(&self.options))
    }
}

/// A connection that a [`Database`](crate::Database) keeps, or that is kept here.
pub(crate) trait Place<C> {
    fn place(&mut self) -> &mut Option<C>;
}

impl<C> Place<C> for Option<C> {
    fn place(&mut self) -> &mut Option<C> {
        self
    }
}

impl<C> Place<C> for &mut Option<C> {
    fn place(&mut self) -> &mut Option<C> {
        self
    }
}

/// The connection of one verb.
pub(crate) struct HeldConnection<'a, DB: Database>(Box<dyn Source<DB> + 'a>);

impl<'a, DB: Database> HeldConnection<'a, DB> {
    /// Inlined, so that the program builds the source.
    #[inline]
    pub(crate) fn new(source: impl Source<DB> + 'a) -> Self {
        Self(Box::new(source))
    }

    pub(crate) fn connection(&mut self) -> &mut DB::Connection {
        self.0.connection().expect(GONE)
    }

    /// The driver's asynchronous functions.
    pub(crate) fn driver(&mut self) -> &mut (dyn Source<DB> + 'a) {
        &mut *self.0
    }

    /// Whether it belongs to the caller, who alone may close it.
    pub(crate) fn is_borrowed(&self) -> bool {
        self.0.owner() == Owner::Caller
    }

    /// The options that make another one. A borrowed connection does not tell them.
    pub(crate) fn options(&self) -> Option<Arc<OptionsOf<DB>>> {
        self.0.options()
    }

    /// Whether it came from a pool.
    pub(crate) fn is_pooled(&self) -> bool {
        self.0.owner() == Owner::Pool
    }

    /// Whether it was abandoned.
    pub(crate) fn is_gone(&mut self) -> bool {
        self.0.connection().is_none()
    }

    /// Closes the connection without waiting, so that the server releases its locks and rolls back its transaction. A
    /// borrowed connection stays open.
    pub(crate) fn abandon(&mut self) {
        drop(self.0.take());
    }

    /// Replaces the connection with a new one from the pool or with the same options. A borrowed connection stays.
    pub(crate) fn renew(&mut self) -> BoxFuture<'_, Result<(), sqlx::Error>> {
        self.0.renew()
    }
}
