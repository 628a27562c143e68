//! The connection that a verb uses: from a pool, from the caller or from a [`Database`](crate::Database).

use std::sync::Arc;

use sqlx::Connection;
use sqlx::pool::{Pool, PoolConnection};

/// The connection options of a driver.
pub(crate) type OptionsOf<DB> = <<DB as sqlx::Database>::Connection as Connection>::Options;

/// The connection of one verb.
pub(crate) enum HeldConnection<'a, DB: sqlx::Database> {
    /// From a pool. Empty after it was abandoned.
    Pool(Pool<DB>, Option<PoolConnection<DB>>),
    /// Borrowed from the caller.
    Borrowed(&'a mut DB::Connection),
    /// The connection of a [`Database`](crate::Database), empty after it was abandoned, and the options to make
    /// another.
    Owned(&'a mut Option<DB::Connection>, Arc<OptionsOf<DB>>),
    /// A second one of this run. Empty after it was abandoned.
    Second(Option<DB::Connection>, Arc<OptionsOf<DB>>),
}

impl<DB: sqlx::Database> HeldConnection<'_, DB> {
    pub(crate) fn connection(&mut self) -> &mut DB::Connection {
        match self {
            Self::Pool(_, pooled) => pooled.as_deref_mut().expect("an abandoned connection is not used again"),
            Self::Borrowed(connection) => connection,
            Self::Owned(place, _) => place.as_mut().expect("an abandoned connection is not used again"),
            Self::Second(place, _) => place.as_mut().expect("an abandoned connection is not used again"),
        }
    }

    /// Whether it belongs to the caller, who alone may close it.
    pub(crate) fn is_borrowed(&self) -> bool {
        matches!(self, Self::Borrowed(_))
    }

    /// The options that make another one. A borrowed connection does not tell them.
    pub(crate) fn options(&self) -> Option<Arc<OptionsOf<DB>>> {
        match self {
            Self::Pool(pool, _) => Some(pool.connect_options()),
            Self::Borrowed(_) => None,
            Self::Owned(_, options) | Self::Second(_, options) => Some(Arc::clone(options)),
        }
    }

    /// Whether it came from a pool.
    pub(crate) fn is_pooled(&self) -> bool {
        matches!(self, Self::Pool(..))
    }

    /// Whether it was abandoned.
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            Self::Pool(_, pooled) => pooled.is_none(),
            Self::Borrowed(_) => false,
            Self::Owned(place, _) => place.is_none(),
            Self::Second(place, _) => place.is_none(),
        }
    }

    /// Closes the connection without waiting, so that the server releases its locks and rolls back its transaction. A
    /// borrowed connection stays open.
    pub(crate) fn abandon(&mut self) {
        match self {
            Self::Pool(_, pooled) => drop(pooled.take().map(PoolConnection::detach)),
            Self::Borrowed(_) => {}
            Self::Owned(place, _) => drop(place.take()),
            Self::Second(place, _) => drop(place.take()),
        }
    }

    /// Replaces the connection with a new one from the pool or with the same options. A borrowed connection stays.
    pub(crate) async fn renew(&mut self) -> Result<(), sqlx::Error> {
        let closed = match self {
            Self::Pool(_, pooled) => pooled.take().map(PoolConnection::detach),
            Self::Borrowed(_) => None,
            Self::Owned(place, _) => place.take(),
            Self::Second(place, _) => place.take(),
        };
        if let Some(closed) = closed {
            // If it cannot be closed properly, it is gone anyway.
            let _ = closed.close().await;
        }
        match self {
            Self::Pool(pool, pooled) => *pooled = Some(pool.acquire().await?),
            Self::Borrowed(_) => {}
            Self::Owned(place, options) => **place = Some(DB::Connection::connect_with(options).await?),
            Self::Second(place, options) => *place = Some(DB::Connection::connect_with(options).await?),
        }
        Ok(())
    }
}
