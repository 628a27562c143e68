//! How a database is made that is then copied for each test.

use std::future::Future;

use lockgate::Dialect;

use crate::Error;

/// How a database is made that is then copied for each test: from another one, with something added.
pub(crate) trait Recipe: Copy + Send + Sync + 'static {
    /// Equal for what makes equal databases.
    fn key(self, dialect: Dialect) -> String;

    /// The one that this one is made from; `None` for an empty database.
    fn before(self) -> Option<Self>;

    /// Makes a copy of [`before`](Self::before), or an empty database, be like this.
    fn fill(self, url: &str, dialect: Dialect) -> impl Future<Output = Result<(), Error>> + Send;
}

/// There is nothing to copy: the database is empty.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Nothing {}

impl Recipe for Nothing {
    fn key(self, _: Dialect) -> String {
        match self {}
    }

    fn before(self) -> Option<Self> {
        match self {}
    }

    async fn fill(self, _: &str, _: Dialect) -> Result<(), Error> {
        match self {}
    }
}
