//! A template: a database that is made once and copied for each test.

use std::future::Future;

use lockgate::Dialect;

use crate::Error;

/// How to make a database that is then copied for each test: from another template, with something added.
pub(crate) trait Template: Copy + Send + Sync + 'static {
    /// A key that is the same for equal databases.
    fn key(self, dialect: Dialect) -> String;

    /// The template that this one is made from; `None` for an empty database.
    fn base(self) -> Option<Self>;

    /// Turns a copy of [`base`](Self::base), or an empty database, into this template.
    fn build(self, url: &str, dialect: Dialect) -> impl Future<Output = Result<(), Error>> + Send;
}

/// No template: the database is empty.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NoTemplate {}

impl Template for NoTemplate {
    fn key(self, _: Dialect) -> String {
        match self {}
    }

    fn base(self) -> Option<Self> {
        match self {}
    }

    async fn build(self, _: &str, _: Dialect) -> Result<(), Error> {
        match self {}
    }
}
