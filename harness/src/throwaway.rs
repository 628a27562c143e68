//! A database for one test, empty or migrated, that is dropped with its value.

use std::fmt;

use lockgate::{Database, Dialect};

use crate::Error;
#[cfg(feature = "postgres")]
use crate::postgres;
#[cfg(feature = "sqlite")]
use crate::sqlite;
use crate::template::{NoTemplate, Template};

/// A database for one test. It is dropped with this value, and kept if the test panics.
///
/// On PostgreSQL it is on the server of `LOCKGATE_TEST_POSTGRES`, or on a throwaway server that the processes of a test
/// run share. On a throwaway server the first fifty databases stay until the server is deleted, as dropping one takes
/// about as long as creating one.
pub struct Throwaway {
    inner: Inner,
}

enum Inner {
    #[cfg(feature = "sqlite")]
    Sqlite(sqlite::DatabaseFile),
    #[cfg(feature = "postgres")]
    Postgres(postgres::ServerDatabase),
    /// An existing database, which is not dropped.
    Given { url: String, dialect: Dialect },
}

impl Throwaway {
    /// Makes an empty database.
    ///
    /// Returns `None` if this machine has no server of that dialect. The test has then been reported as skipped, and
    /// should end.
    ///
    /// # Errors
    ///
    /// If the server fails; if this build has no feature for the dialect; and if this machine has no server, but
    /// `LOCKGATE_REQUIRE` names the dialect.
    pub async fn empty(dialect: Dialect) -> Result<Option<Self>, Error> {
        Self::like(None::<NoTemplate>, dialect).await
    }

    /// Copies a template, or makes an empty database without one.
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

    /// Uses an existing database, which is not dropped.
    pub(crate) fn given(url: String, dialect: Dialect) -> Self {
        Self { inner: Inner::Given { url, dialect } }
    }

    /// Returns its URL with the password, for [`Database::connect`] and for sqlx.
    pub fn url(&self) -> String {
        match &self.inner {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite(inner) => inner.url(),
            #[cfg(feature = "postgres")]
            Inner::Postgres(inner) => inner.url(),
            Inner::Given { url, .. } => url.clone(),
        }
    }

    /// Says where it is and how to connect to it, without the password.
    pub fn shown(&self) -> String {
        match &self.inner {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite(inner) => inner.url(),
            #[cfg(feature = "postgres")]
            Inner::Postgres(inner) => inner.shown(),
            Inner::Given { url, .. } => lockgate::mask_secrets(url),
        }
    }

    /// Returns its dialect.
    pub fn dialect(&self) -> Dialect {
        match &self.inner {
            #[cfg(feature = "sqlite")]
            Inner::Sqlite(_) => Dialect::Sqlite,
            #[cfg(feature = "postgres")]
            Inner::Postgres(_) => Dialect::Postgres,
            Inner::Given { dialect, .. } => *dialect,
        }
    }

    /// Opens a connection to it.
    ///
    /// # Errors
    ///
    /// If the connection fails.
    pub async fn connect(&self) -> Result<Database, Error> {
        let connected = Database::connect(&self.url()).await;
        connected.map_err(|e| Error::because("cannot connect to a throwaway database", e))
    }

    /// Keeps the database when this value is dropped. A server that was started for the tests is deleted with them all
    /// the same.
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
        "this build has no throwaway {} databases: enable the feature `{dialect}` of `lockgate-harness`, if it has one",
        dialect.product()
    ))
}
