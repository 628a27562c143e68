//! One connection, wherever it came from, and what becomes of it when its state is not known.

use std::sync::Arc;

use sqlx::Connection;
use sqlx::pool::{Pool, PoolConnection};

/// How a connection is made.
type OptionsOf<DB> = <<DB as sqlx::Database>::Connection as Connection>::Options;

/// A connection held for one verb.
pub(crate) enum Held<'a, DB: sqlx::Database> {
    /// Taken from a pool; empty once it was abandoned.
    Pool(Pool<DB>, Option<PoolConnection<DB>>),
    /// Lent by the caller.
    Borrowed(&'a mut DB::Connection),
    /// The place of a [`Database`](crate::Database)'s own connection, empty once it was abandoned, and how
    /// another is made.
    Owned(&'a mut Option<DB::Connection>, Arc<OptionsOf<DB>>),
}

impl<DB: sqlx::Database> Held<'_, DB> {
    pub(crate) fn connection(&mut self) -> &mut DB::Connection {
        match self {
            Self::Pool(_, pooled) => pooled.as_deref_mut().expect("nothing is asked of an abandoned connection"),
            Self::Borrowed(connection) => connection,
            Self::Owned(place, _) => place.as_mut().expect("nothing is asked of an abandoned connection"),
        }
    }

    /// Whether closing it is up to somebody else.
    pub(crate) fn is_borrowed(&self) -> bool {
        matches!(self, Self::Borrowed(_))
    }

    /// Whether a pool closes it, and makes another when it is asked.
    pub(crate) fn is_pooled(&self) -> bool {
        matches!(self, Self::Pool(..))
    }

    /// Whether it was abandoned.
    pub(crate) fn is_gone(&self) -> bool {
        match self {
            Self::Pool(_, pooled) => pooled.is_none(),
            Self::Borrowed(_) => false,
            Self::Owned(place, _) => place.is_none(),
        }
    }

    /// Closes the connection at once and without waiting, so that the server drops what the session
    /// held: its locks and its open transaction. A borrowed one cannot be closed.
    pub(crate) fn abandon(&mut self) {
        match self {
            Self::Pool(_, pooled) => drop(pooled.take().map(PoolConnection::detach)),
            Self::Borrowed(_) => {}
            Self::Owned(place, _) => drop(place.take()),
        }
    }

    /// Closes the connection and takes another, set up as the first one was: by the pool and its hooks,
    /// or by its options. A borrowed one stays.
    pub(crate) async fn renew(&mut self) -> Result<(), sqlx::Error> {
        let closed = match self {
            Self::Pool(_, pooled) => pooled.take().map(PoolConnection::detach),
            Self::Borrowed(_) => None,
            Self::Owned(place, _) => place.take(),
        };
        if let Some(closed) = closed {
            // What cannot be said goodbye to is gone anyway.
            let _ = closed.close().await;
        }
        match self {
            Self::Pool(pool, pooled) => *pooled = Some(pool.acquire().await?),
            Self::Borrowed(_) => {}
            Self::Owned(place, options) => **place = Some(DB::Connection::connect_with(options).await?),
        }
        Ok(())
    }
}
