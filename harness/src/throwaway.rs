//! A database of its own for one test: empty, or migrated, and gone with the value.

use std::fmt;

use lockgate::{Database, Dialect};

use crate::Error;
#[cfg(feature = "postgres")]
use crate::postgres;
#[cfg(feature = "sqlite")]
use crate::sqlite;
use crate::template::{NoTemplate, Template};

/// A database of its own for one test. It is dropped with the value, and kept where the test
/// panics.
///
/// On PostgreSQL it is on the server of `LOCKGATE_TEST_POSTGRES`, or on a throwaway one that the
/// processes of a test run share. That one takes the first fifty of them along when it goes, as to drop one takes
/// about as long as to make one.
pub struct Throwaway {
    inner: Inner,
}

enum Inner {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlite::DatabaseFile),
    #[cfg(feature = "postgres")]
    Postgres(postgres::ServerDatabase),
    /// Somebody else's, which is not dropped.
    Given { url: String, dialect: Dialect },
}

impl Throwaway {
    /// An empty database.
    ///
    /// `None` where this machine has no server of that dialect: the test is over then, and has been
    /// reported as skipped. Where `LOCKGATE_REQUIRE` names the dialect that is an error.
    ///
    /// # Errors
    ///
    /// Where there is a server and it does not do what it should, and where this build has no
    /// feature for the dialect.
    pub async fn empty(dialect: Dialect) -> Result<Option<Self>, Error> {
        Self::like(None::<NoTemplate>, dialect).await
    }

    /// A copy of a template, or an empty database.
    pub(crate) async fn like<R: Template>(template: Option<R>, dialect: Dialect) -> Result<Option<Self>, Error> {
        let inner: Option<Inner> = match dialect {
            #[cfg(feature = "sqlite")]
            Dialect::Sqlite => Some(Inner::Sqlite(sqlite::DatabaseFile::like(template).await?)),
            #[cfg(feature = "postgres")]
            Dialect::Postgres => postgres::ServerDatabase::like(template).await?.map(Inner::Postgres),
            #[cfg(not(all(feature = "sqlite", feature = "postgres")))]
            Dialect::Sqlite | Dialect::Postgres => return Err(no_feature(dialect)),
            Dialect::Mysql => return Err(no_feature(dialect)),
        };
        Ok(inner.map(|inner| Self { inner }))
    }

    /// A database that is there, as if it were one of ours.
    pub(crate) fn given(url: String, dialect: Dialect) -> Self {
        Self { inner: Inner::Given { url, dialect } }
    }

    /// Where it is, with the password: for [`Database::connect`] and for sqlx.
    pub fn url(&self) -> String {
        match &self.inner {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite(inner) => inner.url(),
            #[cfg(feature = "postgres")]
            Inner::Postgres(inner) => inner.url(),
            Inner::Given { url, .. } => url.clone(),
        }
    }

    /// Where it is, for people: without the password, and how to get at it all the same.
    pub fn shown(&self) -> String {
        match &self.inner {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite(inner) => inner.url(),
            #[cfg(feature = "postgres")]
            Inner::Postgres(inner) => inner.shown(),
            Inner::Given { url, .. } => lockgate::mask_secrets(url),
        }
    }

    /// What it speaks.
    pub fn dialect(&self) -> Dialect {
        match &self.inner {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite(_) => Dialect::Sqlite,
            #[cfg(feature = "postgres")]
            Inner::Postgres(_) => Dialect::Postgres,
            Inner::Given { dialect, .. } => *dialect,
        }
    }

    /// One connection to it.
    ///
    /// # Errors
    ///
    /// Where it cannot be connected to.
    pub async fn connect(&self) -> Result<Database, Error> {
        let connected = Database::connect(&self.url()).await;
        connected.map_err(|e| Error::because("a throwaway database cannot be connected to", e))
    }

    /// Leaves it where it is when the value is dropped. A server that was started for the tests goes
    /// with them all the same.
    pub fn keep(&mut self) {
        match &mut self.inner {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite(inner) => inner.keep(),
            #[cfg(feature = "postgres")]
            Inner::Postgres(inner) => inner.keep(),
            Inner::Given { .. } => {}
        }
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep();
        }
    }
}

impl fmt::Debug for Throwaway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Throwaway").field(&lockgate::mask_secrets(&self.url())).finish()
    }
}

fn no_feature(dialect: Dialect) -> Error {
    Error::new(format!(
        "this build has no throwaway databases of {}: enable the feature `{dialect}` of `lockgate-harness`, if it has one",
        dialect.product()
    ))
}
