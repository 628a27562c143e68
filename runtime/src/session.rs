//! The connection that a verb uses: from a pool, from the caller or from a [`Database`](crate::Database).

use std::sync::Arc;

use sqlx::Connection;
use sqlx::pool::{Pool, PoolConnection};

use crate::backend::BoxFuture;

/// The connection options of a driver.
pub(crate) type OptionsOf<DB> = <<DB as sqlx::Database>::Connection as Connection>::Options;

/// The connection of one verb.
pub(crate) enum HeldConnection<'a, DB: sqlx::Database> {
    /// From a source that can give another one.
    From(Box<dyn Source<DB> + 'a>),
    /// Borrowed from the caller, who alone may close it.
    Borrowed(&'a mut DB::Connection),
}

/// Where connections come from that a run may close.
///
/// Pools and handshakes are generic and asynchronous code of the driver, which the compiler builds anew in each crate that
/// uses it. A user's program has it in any case. Only [`Target::open`](crate::target::sealed::LockgateTarget::open) makes
/// a source, and is inlined there, so that this crate does not build all that a second time.
pub(crate) trait Source<DB: sqlx::Database>: Send {
    /// The connection. `None` after it was taken.
    fn connection(&mut self) -> Option<&mut DB::Connection>;

    /// Takes the connection out. When that is dropped, its socket is closed.
    fn take(&mut self) -> Option<DB::Connection>;

    /// Closes the connection and makes another one.
    fn renew(&mut self) -> BoxFuture<'_, Result<(), sqlx::Error>>;

    /// The options that make another one.
    fn options(&self) -> Arc<OptionsOf<DB>>;

    /// Whether it is a pool.
    fn is_pool(&self) -> bool;
}

/// A pool, and one of its connections.
pub(crate) struct FromPool<DB: sqlx::Database> {
    pool: Pool<DB>,
    pooled: Option<PoolConnection<DB>>,
}

impl<DB: sqlx::Database> FromPool<DB> {
    pub(crate) async fn acquire(pool: Pool<DB>) -> Result<Self, sqlx::Error> {
        let pooled = Some(pool.acquire().await?);
        Ok(Self { pool, pooled })
    }
}

impl<DB: sqlx::Database> Source<DB> for FromPool<DB> {
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

    fn options(&self) -> Arc<OptionsOf<DB>> {
        self.pool.connect_options()
    }

    fn is_pool(&self) -> bool {
        true
    }
}

/// A connection of this crate's own, and the options to make another.
pub(crate) struct Own<P, DB: sqlx::Database> {
    /// Empty after the connection was taken.
    place: P,
    options: Arc<OptionsOf<DB>>,
}

impl<P, DB: sqlx::Database> Own<P, DB> {
    pub(crate) fn new(place: P, options: Arc<OptionsOf<DB>>) -> Self {
        Self { place, options }
    }
}

impl<P, DB> Source<DB> for Own<P, DB>
where
    P: AsPlace<DB::Connection> + Send,
    DB: sqlx::Database,
{
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

    fn options(&self) -> Arc<OptionsOf<DB>> {
        Arc::clone(&self.options)
    }

    fn is_pool(&self) -> bool {
        false
    }
}

/// The place of a connection: that of a [`Database`](crate::Database), or one of its own.
pub(crate) trait AsPlace<C> {
    fn place(&mut self) -> &mut Option<C>;
}

impl<C> AsPlace<C> for Option<C> {
    fn place(&mut self) -> &mut Option<C> {
        self
    }
}

impl<C> AsPlace<C> for &mut Option<C> {
    fn place(&mut self) -> &mut Option<C> {
        self
    }
}

impl<DB: sqlx::Database> HeldConnection<'_, DB> {
    pub(crate) fn connection(&mut self) -> &mut DB::Connection {
        match self {
            Self::From(source) => source.connection().expect("an abandoned connection is not used again"),
            Self::Borrowed(connection) => connection,
        }
    }

    /// Whether it belongs to the caller, who alone may close it.
    pub(crate) fn is_borrowed(&self) -> bool {
        matches!(self, Self::Borrowed(_))
    }

    /// The options that make another one. A borrowed connection does not tell them.
    pub(crate) fn options(&self) -> Option<Arc<OptionsOf<DB>>> {
        match self {
            Self::From(source) => Some(source.options()),
            Self::Borrowed(_) => None,
        }
    }

    /// Whether it came from a pool.
    pub(crate) fn is_pooled(&self) -> bool {
        match self {
            Self::From(source) => source.is_pool(),
            Self::Borrowed(_) => false,
        }
    }

    /// Whether it was abandoned.
    pub(crate) fn is_gone(&mut self) -> bool {
        match self {
            Self::From(source) => source.connection().is_none(),
            Self::Borrowed(_) => false,
        }
    }

    /// Closes the connection without waiting, so that the server releases its locks and rolls back its transaction. A
    /// borrowed connection stays open.
    pub(crate) fn abandon(&mut self) {
        match self {
            Self::From(source) => drop(source.take()),
            Self::Borrowed(_) => {}
        }
    }

    /// Replaces the connection with a new one from the pool or with the same options. A borrowed connection stays.
    pub(crate) async fn renew(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::From(source) => source.renew().await,
            Self::Borrowed(_) => Ok(()),
        }
    }
}
