//! What a verb can work on: a pool, a connection, or a [`Database`](crate::Database).

/// A database to work on: `&SqlitePool`, `&PgPool`, `&mut SqliteConnection`, `&mut PgConnection` or
/// `&mut Database`.
///
/// A pool lends one connection for the length of the verb. A connection of the caller's must not be
/// inside a transaction when something is to be written; on PostgreSQL other runs are then kept out
/// by each transaction instead of by the session, so that nothing stays locked if the verb is dropped.
///
/// A verb's future may be dropped at any point: no lock is left, and no migration is half recorded.
/// A connection of the caller's is put back as it was. One thing is beyond our reach there: sqlx
/// answers the next query on it with the error of the one that was dropped, if that one fails; so it
/// does behind a first look at a PostgreSQL database that has no history table yet.
#[diagnostic::on_unimplemented(
    message = "migrations cannot run on `{Self}`",
    label = "not a pool, and not a connection",
    note = "a verb takes `&PgPool`, `&SqlitePool`, `&mut PgConnection`, `&mut SqliteConnection` or `&mut Database`",
    note = "a transaction is none, as each migration commits its own: give the pool, or a connection that is in no transaction",
    note = "`AnyPool` does not say which database it is of: connect with `Database::connect(url)`, or make a `PgPool` or a `SqlitePool`"
)]
pub trait Target: sealed::Sealed + Send {}

impl<T: sealed::Sealed + Send> Target for T {}

pub(crate) mod sealed {
    use crate::backend::{Backend, BoxFuture};
    use crate::error::Cause;
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    use crate::session::Held;

    // The same as above: rustc shows the one or the other, by the place of the error, and the attribute takes no macro.
    #[diagnostic::on_unimplemented(
        message = "migrations cannot run on `{Self}`",
        label = "not a pool, and not a connection",
        note = "a verb takes `&PgPool`, `&SqlitePool`, `&mut PgConnection`, `&mut SqliteConnection` or `&mut Database`",
        note = "a transaction is none, as each migration commits its own: give the pool, or a connection that is in no transaction",
        note = "`AnyPool` does not say which database it is of: connect with `Database::connect(url)`, or make a `PgPool` or a `SqlitePool`"
    )]
    pub trait Sealed {
        #[doc(hidden)]
        #[expect(private_interfaces, reason = "the trait is sealed: nobody outside can name or call this")]
        fn open<'a>(self) -> BoxFuture<'a, Result<Box<dyn Backend + 'a>, Cause>>
        where
            Self: 'a;
    }

    macro_rules! backend {
        ($feature:literal, $module:ident, $backend:ident, $database:ty, $connection:ty) => {
            #[cfg(feature = $feature)]
            impl Sealed for &sqlx::Pool<$database> {
                #[expect(private_interfaces, reason = "the trait is sealed: nobody outside can name or call this")]
                fn open<'a>(self) -> BoxFuture<'a, Result<Box<dyn Backend + 'a>, Cause>>
                where
                    Self: 'a,
                {
                    Box::pin(async move {
                        let connection = self.acquire().await.map_err(|error| {
                            let mut cause = crate::backend::$module::cause(&error);
                            if cause.class == crate::error::Class::Lost {
                                cause.class = crate::error::Class::Unreachable;
                            }
                            cause
                        })?;
                        let backend =
                            crate::backend::$module::$backend::new(Held::Pool(self.clone(), Some(connection)));
                        Ok(Box::new(backend) as Box<dyn Backend + 'a>)
                    })
                }
            }

            #[cfg(feature = $feature)]
            impl Sealed for &mut $connection {
                #[expect(private_interfaces, reason = "the trait is sealed: nobody outside can name or call this")]
                fn open<'a>(self) -> BoxFuture<'a, Result<Box<dyn Backend + 'a>, Cause>>
                where
                    Self: 'a,
                {
                    let backend = crate::backend::$module::$backend::new(Held::Borrowed(self));
                    Box::pin(async move { Ok(Box::new(backend) as Box<dyn Backend + 'a>) })
                }
            }
        };
    }

    backend!("sqlite", sqlite, SqliteBackend, sqlx::Sqlite, sqlx::SqliteConnection);
    backend!("postgres", postgres, PostgresBackend, sqlx::Postgres, sqlx::PgConnection);

    impl Sealed for &mut crate::Database {
        #[expect(private_interfaces, reason = "the trait is sealed: nobody outside can name or call this")]
        fn open<'a>(self) -> BoxFuture<'a, Result<Box<dyn Backend + 'a>, Cause>>
        where
            Self: 'a,
        {
            self.backend()
        }
    }
}
