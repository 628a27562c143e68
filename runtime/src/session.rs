//! One connection, wherever it came from, and what becomes of it when its state is not known.

use sqlx::pool::PoolConnection;

/// A connection held for one verb.
pub(crate) enum Held<'a, DB: sqlx::Database> {
    /// Taken from a pool; empty once it was abandoned.
    Pool(Option<PoolConnection<DB>>),
    /// Lent by the caller.
    Borrowed(&'a mut DB::Connection),
    /// The place of a [`Database`](crate::Database)'s own connection; empty once it was abandoned.
    Owned(&'a mut Option<DB::Connection>),
}

impl<DB: sqlx::Database> Held<'_, DB> {
    pub(crate) fn connection(&mut self) -> &mut DB::Connection {
        match self {
            Self::Pool(pooled) => pooled.as_deref_mut().expect("nothing is asked of an abandoned connection"),
            Self::Borrowed(connection) => connection,
            Self::Owned(place) => place.as_mut().expect("nothing is asked of an abandoned connection"),
        }
    }

    /// Whether closing it is up to somebody else.
    pub(crate) fn is_borrowed(&self) -> bool {
        matches!(self, Self::Borrowed(_))
    }

    /// Closes the connection at once and without waiting, so that the server drops what the session
    /// held: its locks and its open transaction. A borrowed one cannot be closed.
    pub(crate) fn abandon(&mut self) {
        match self {
            Self::Pool(pooled) => drop(pooled.take().map(PoolConnection::detach)),
            Self::Borrowed(_) => {}
            Self::Owned(place) => drop(place.take()),
        }
    }
}
