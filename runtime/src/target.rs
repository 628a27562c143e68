//! What a verb can run on: a pool, a connection or a [`Database`](crate::Database).

/// What a verb can run on: `&SqlitePool`, `&PgPool`, `&mut SqliteConnection`, `&mut PgConnection` or
/// `&mut Database`.
///
/// A verb takes one connection from a pool and returns it at the end. A connection that you pass must not be inside a
/// transaction if the verb writes. On PostgreSQL the lock then belongs to each transaction, not to the session, so
/// nothing stays locked if you drop the future.
///
/// You may drop a verb's future at any time: no lock is left, and no migration is half recorded. A connection that
/// you passed is restored. One limit comes from sqlx: if the interrupted query fails, the next query on the connection
/// returns its error. The first query on a PostgreSQL database without a history table always fails in this way.
#[diagnostic::on_unimplemented(
    message = "migrations cannot run on `{Self}`",
    label = "not a pool, and not a connection",
    note = "a verb takes `&PgPool`, `&SqlitePool`, `&mut PgConnection`, `&mut SqliteConnection` or `&mut Database`",
    note = "a transaction is none, as each migration commits its own: give the pool, or a connection that is in no transaction",
    note = "`AnyPool` does not say which database it is of: connect with `Database::connect(url)`, or make a `PgPool` or a `SqlitePool`"
)]
pub trait Target: sealed::LockgateTarget + Send {}

impl<T: sealed::LockgateTarget + Send> Target for T {}

pub(crate) mod sealed {
    use crate::backend::{Backend, BoxFuture};
    use crate::error::Cause;
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    use crate::session::{Borrowed, FromPool, HeldConnection};

    // The same as above: rustc shows the one or the other, by the place of the error, and the attribute takes no macro.
    #[diagnostic::on_unimplemented(
        message = "migrations cannot run on `{Self}`",
        label = "not a pool, and not a connection",
        note = "a verb takes `&PgPool`, `&SqlitePool`, `&mut PgConnection`, `&mut SqliteConnection` or `&mut Database`",
        note = "a transaction is none, as each migration commits its own: give the pool, or a connection that is in no transaction",
        note = "`AnyPool` does not say which database it is of: connect with `Database::connect(url)`, or make a `PgPool` or a `SqlitePool`"
    )]
    pub trait LockgateTarget {
        #[doc(hidden)]
        #[expect(private_interfaces, reason = "the trait is sealed: nobody outside can name or call this")]
        fn open<'a>(self) -> BoxFuture<'a, Result<Box<dyn Backend + 'a>, Cause>>
        where
            Self: 'a;
    }

    macro_rules! backend {
        ($feature:literal, $module:ident, $database:ty, $connection:ty) => {
            #[cfg(feature = $feature)]
            impl LockgateTarget for &sqlx::Pool<$database> {
                // Inlined into the program: see `crate::session`.
                #[inline]
                #[expect(private_interfaces, reason = "the trait is sealed: nobody outside can name or call this")]
                fn open<'a>(self) -> BoxFuture<'a, Result<Box<dyn Backend + 'a>, Cause>>
                where
                    Self: 'a,
                {
                    Box::pin(async move {
                        let acquired = FromPool::acquire(self.clone()).await;
                        let source = acquired.map_err(|error| unreachable(crate::backend::$module::cause(&error)))?;
                        Ok(crate::backend::$module::backend(HeldConnection::new(source)))
                    })
                }
            }

            #[cfg(feature = $feature)]
            impl LockgateTarget for &mut $connection {
                #[inline]
                #[expect(private_interfaces, reason = "the trait is sealed: nobody outside can name or call this")]
                fn open<'a>(self) -> BoxFuture<'a, Result<Box<dyn Backend + 'a>, Cause>>
                where
                    Self: 'a,
                {
                    let backend = crate::backend::$module::backend(HeldConnection::new(Borrowed(self)));
                    Box::pin(std::future::ready(Ok(backend)))
                }
            }
        };
    }

    backend!("sqlite", sqlite, sqlx::Sqlite, sqlx::SqliteConnection);
    backend!("postgres", postgres, sqlx::Postgres, sqlx::PgConnection);

    /// The error of a pool that has no connection, whatever the driver reports about the last one.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    fn unreachable(mut cause: Cause) -> Cause {
        if cause.class == crate::error::Class::Lost {
            cause.class = crate::error::Class::Unreachable;
        }
        cause
    }

    impl LockgateTarget for &mut crate::Database {
        #[inline]
        #[expect(private_interfaces, reason = "the trait is sealed: nobody outside can name or call this")]
        fn open<'a>(self) -> BoxFuture<'a, Result<Box<dyn Backend + 'a>, Cause>>
        where
            Self: 'a,
        {
            self.backend()
        }
    }
}
