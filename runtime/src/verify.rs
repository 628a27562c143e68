//! Compares a database with what its migrations would make, on a scratch database that is made for it and dropped again:
//! so that a baseline records what is true.

use std::collections::BTreeMap;

use lockgate_core::{Audience, UpTo, Version};
use lockgate_schema::{Class, Difference, Policy, compare, report};

use crate::database::Database;
use crate::error::{Error, ErrorKind, Wording};
use crate::migrator::Migrator;
use crate::report::Report;
use crate::target::Target;

/// The most differences of a class that an error lists.
const MOST_LISTED: usize = 20;

impl Migrator {
    /// Compares a database with what the migrations up to a version make. They run on a scratch database, which is made on
    /// the server of the URL `scratch` and dropped again; for SQLite, `scratch` is `sqlite::memory:`. The database itself
    /// is only read. A difference says how the database differs from what the migrations make.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("doc");
    /// use lockgate::{Database, Migrator};
    ///
    /// // The migrations are `1_create_users` and `2_create_loans`, and the database is empty.
    /// let mut database = Database::connect("sqlite::memory:").await?;
    /// let verified = Migrator::new(&MIGRATIONS).verify(&mut database, "1".parse().unwrap(), "sqlite::memory:").await?;
    /// assert_eq!(verified[0].to_string(), "table users: is gone (real)");
    /// # Ok::<(), lockgate::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Denied`] if the scratch database cannot be made; those of [`apply_to`](Self::apply_to) on it, and those
    /// of [`read_schema`](Self::read_schema).
    pub async fn verify(&self, target: impl Target, version: Version, scratch: &str) -> Result<Vec<Difference>, Error> {
        let live = self.read_schema(target).await?;
        let mut scratch = Scratch::create(scratch).await?;
        let made = async {
            if scratch.database.dialect() != live.dialect {
                return Err(Error::usage(format!("the scratch database is not one of {}", live.dialect.product()))
                    .with_help("name a server of the same kind"));
            }
            let migrator = self.for_scratch();
            let applied = migrator.apply_to(&mut scratch.database, UpTo::Version(version)).await;
            applied.map_err(|error| error.in_front("the scratch database"))?;
            migrator.read_schema(&mut scratch.database).await
        };
        let made = made.await;
        let dropped = scratch.drop().await;
        let made = made?;
        dropped?;
        Ok(compare(&made, &live))
    }

    /// Records every embedded migration up to this version as applied, as [`baseline`](Self::baseline) does, after the
    /// database was compared with what they make, as [`verify`](Self::verify) does. Differences of the classes that
    /// `accepted` tolerates are accepted.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`] if there are other differences: nothing was recorded. Otherwise those of
    /// [`verify`](Self::verify) and [`baseline`](Self::baseline).
    pub async fn baseline_verified(
        &self,
        database: &mut Database,
        version: Version,
        scratch: &str,
        accepted: &Policy,
    ) -> Result<Report, Error> {
        let differences = self.verify(&mut *database, version, scratch).await?;
        refuse(&differences, accepted)?;
        self.baseline(database, version).await
    }
}

/// Refuses differences that are not accepted, class by class.
fn refuse(differences: &[Difference], accepted: &Policy) -> Result<(), Error> {
    let mut classes: BTreeMap<Class, Vec<&Difference>> = BTreeMap::new();
    for difference in differences.iter().filter(|difference| accepted.minds(difference.class)) {
        classes.entry(difference.class).or_default().push(difference);
    }
    if classes.is_empty() {
        return Ok(());
    }
    let reasons: Vec<(String, Wording)> = classes.iter().map(|(class, of_it)| reason(*class, of_it)).collect();
    Err(Error::refused_for("the database is not what the migrations make, and nothing was recorded", &reasons))
}

fn reason(class: Class, of_it: &[&Difference]) -> (String, Wording) {
    let count = of_it.len();
    let noun = if count == 1 { "difference" } else { "differences" };
    let listed: Vec<Difference> = of_it.iter().take(MOST_LISTED).map(|difference| (*difference).clone()).collect();
    let mut text = format!("{count} {noun} of the class `{class}`:\n{}", report(&listed));
    if count > listed.len() {
        text.push_str(&format!("and {} more", count - listed.len()));
    }
    let accept = Wording::each(|audience| {
        let first = match class {
            Class::Real => "correct the migrations, or the database; or accept them",
            _ => "if they do not matter, accept them",
        };
        match audience {
            Audience::Rust => format!("{first} with `Policy::tolerating([Class::{class:?}])`"),
            Audience::CommandLine => format!("{first} with `--accept {class}`"),
        }
    });
    (text.trim_end().to_owned(), accept)
}

/// A database that is made to be compared with, and dropped.
struct Scratch {
    database: Database,
    /// How it is dropped: the URL of the server, and the name.
    #[cfg(feature = "postgres")]
    made: Option<(String, String)>,
}

impl Scratch {
    async fn create(url: &str) -> Result<Self, Error> {
        #[cfg(feature = "postgres")]
        if url.starts_with("postgres") {
            return Self::create_on(url).await;
        }
        if url != "sqlite::memory:" {
            return Err(Error::new(ErrorKind::Usage, "a scratch database of SQLite is in memory")
                .with_help("write `sqlite::memory:`"));
        }
        let database = Database::connect(url).await?;
        Ok(Self {
            database,
            #[cfg(feature = "postgres")]
            made: None,
        })
    }

    #[cfg(feature = "postgres")]
    async fn create_on(url: &str) -> Result<Self, Error> {
        use crate::backend::postgres::scratch;

        let unmade = |error: Error| error.in_front("no scratch database can be made");
        let mut server = Database::connect(url).await.map_err(unmade)?;
        let connection = server.postgres().expect("it has just been connected");
        let name = format!("lockgate_scratch_{:016x}", crate::backend::chance());
        let made = scratch::create(connection, &name).await;
        made.map_err(|cause| {
            Error::from_cause(format!("no scratch database can be made: `{name}` could not be created"), cause)
                .with_help(Wording::each(|audience| {
                    let other = match audience {
                        Audience::Rust => "give the URL of a login that may, on this server or on a throwaway one",
                        Audience::CommandLine => {
                            "name a login that may, on this server or on a throwaway one: `--scratch URL`"
                        }
                    };
                    format!("the login needs CREATEDB; or {other}")
                }))
        })?;
        let parts = crate::DatabaseParts { name: Some(name.clone()), ..crate::DatabaseParts::default() };
        let place = crate::url::with_parts(url, &parts).expect("the driver has understood the URL");
        let made = Some((url.to_owned(), name));
        match Database::connect(&place).await {
            Ok(database) => Ok(Self { database, made }),
            Err(error) => {
                if let Some((_, name)) = &made
                    && let Some(connection) = server.postgres()
                {
                    // The first error matters more.
                    let _ = scratch::remove(connection, name).await;
                }
                Err(unmade(error))
            }
        }
    }

    async fn drop(self) -> Result<(), Error> {
        // A server that does not say goodbye is asked to drop it all the same.
        let _ = self.database.close().await;
        #[cfg(feature = "postgres")]
        if let Some((url, name)) = self.made {
            let left = |error: Error| {
                error
                    .in_front(&format!("the scratch database `{name}` is left"))
                    .with_help(format!("drop it: `DROP DATABASE {name}`"))
            };
            let mut server = Database::connect(&url).await.map_err(left)?;
            let connection = server.postgres().expect("it has just been connected");
            let removed = crate::backend::postgres::scratch::remove(connection, &name).await;
            removed.map_err(|cause| left(Error::from_cause("it cannot be dropped", cause)))?;
        }
        Ok(())
    }
}
