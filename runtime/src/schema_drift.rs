//! Compares the schema of a live database with the schema that the embedded migrations create, of which a snapshot is
//! checked in beside them.

use std::fmt;

use lockgate_core::{Audience, Dialect, Drift, RepeatableState, SchemaDigest, Status};
use lockgate_schema::snapshot::{self, Change};

use crate::backend::{Deadline, Intent};
use crate::error::Error;
use crate::migrator::{Migrator, open};
use crate::run::patiently;
use crate::target::Target;
use crate::{executor, stage};

/// How the schema of a database compares with the schema that the embedded migrations create. See
/// [`Migrator::schema_drift`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaDrift {
    /// Whether the two are the same.
    pub verdict: SchemaVerdict,
    /// What differs, object by object: `New` is what only the database has, `Gone` is what it lacks. `None` if the
    /// program does not embed the text of the snapshot, or if the two cannot be compared.
    pub changes: Option<Vec<Change>>,
    /// The database that the snapshot is for.
    pub dialect: Dialect,
    /// The path of the snapshot in the source folder: `migrations/schema.txt`.
    pub snapshot: String,
    history_table: String,
}

/// The answer of a comparison of schemas.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaVerdict {
    /// The schema is the one that the program was built for.
    Same,
    /// The schema differs, although the database has exactly the embedded migrations: something else changed it.
    Differs,
    /// The schemas differ, but the snapshot was made with another release of PostgreSQL. Releases write some
    /// expressions differently, so this may not be a real difference.
    OtherRelease {
        /// The major release that made the snapshot. `None` if the snapshot does not say.
        made_by: Option<u32>,
        /// The major release of this server.
        server: u32,
    },
    /// The database does not have exactly the embedded migrations, so its schema cannot be compared with the schema
    /// that all of them create.
    NotAtHead {
        /// The migrations and the repeatable scripts that the next run applies.
        pending: Vec<String>,
        /// How the history differs from the embedded migrations.
        drift: Vec<Drift>,
    },
    /// The snapshot was made with every profile, but these migrations were not applied to the database, because none of
    /// their profiles is chosen.
    OtherProfiles {
        /// The migrations.
        skipped: Vec<String>,
    },
    /// The program embeds no snapshot for this database.
    NoSnapshot,
}

impl SchemaVerdict {
    /// A stable name: `same`, `differs`, `other-release`, `not-at-head`, `other-profiles`, `no-snapshot`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Differs => "differs",
            Self::OtherRelease { .. } => "other-release",
            Self::NotAtHead { .. } => "not-at-head",
            Self::OtherProfiles { .. } => "other-profiles",
            Self::NoSnapshot => "no-snapshot",
        }
    }
}

impl SchemaDrift {
    /// Whether the schema is the one that the program was built for.
    pub fn is_same(&self) -> bool {
        self.verdict == SchemaVerdict::Same
    }

    /// What to do about it, if anything.
    pub fn help(&self) -> Option<String> {
        self.help_for(Audience::Rust)
    }

    /// What to do about it, in the words of this audience.
    pub fn help_for(&self, audience: Audience) -> Option<String> {
        let Self { snapshot, dialect, .. } = self;
        let write = format!("`cargo xtask schema --write {snapshot} --dialect {dialect}`");
        let table = match self.history_table.as_str() {
            "lockgate_history" => String::new(),
            other => format!(" --table {other}"),
        };
        let what = format!(
            "type `cargo xtask drift{table} --database-url` where the sources are, with DATABASE_URL for this database"
        );
        match &self.verdict {
            SchemaVerdict::Same => None,
            SchemaVerdict::Differs if self.changes.is_some() => {
                Some(format!("to take this into the migrations or to put the database back, {what}: it drafts both"))
            }
            SchemaVerdict::Differs => Some(format!(
                "to see what differs, {what}; or build the program with the feature `schema-snapshot` of `lockgate`"
            )),
            SchemaVerdict::OtherRelease { server, .. } => Some(format!(
                "{what}, and LOCKGATE_POSTGRES_BIN for the programs of a PostgreSQL {server}: then one release makes both; or \
                 let one make the snapshot, with {write}"
            )),
            SchemaVerdict::NotAtHead { pending, drift } => Some(match drift.first() {
                Some(Drift::Ahead { .. }) => "ask the program that has migrated the database last".to_owned(),
                Some(first) => format!("first correct the history: {}", first.help_for(audience)),
                None if pending.is_empty() => return None,
                None => format!("first apply what is pending, with {}", audience.up()),
            }),
            SchemaVerdict::OtherProfiles { .. } => {
                Some("choose every profile, if the database should have them".to_owned())
            }
            SchemaVerdict::NoSnapshot => Some(format!("run {write}, check the file in, and build the program again")),
        }
    }
}

impl fmt::Display for SchemaDrift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            SchemaVerdict::Same => f.write_str("the schema is the one that the program was built for"),
            SchemaVerdict::Differs => match self.changes.as_deref() {
                None => f.write_str("the schema differs from the one that the migrations make"),
                Some([_]) => f.write_str("the schema differs from the one that the migrations make, in 1 object"),
                Some(changes) => {
                    write!(f, "the schema differs from the one that the migrations make, in {} objects", changes.len())
                }
            },
            SchemaVerdict::OtherRelease { made_by, server } => {
                let made_by = made_by.map_or_else(|| "an unknown release".to_owned(), |release| release.to_string());
                write!(
                    f,
                    "whether the schema differs is not known: `{}` was made by PostgreSQL {made_by}, this is {server}, and \
                     the two texts differ",
                    self.snapshot
                )
            }
            SchemaVerdict::NotAtHead { pending, drift } => {
                f.write_str("the schema cannot be compared, because ")?;
                match (&pending[..], &drift[..]) {
                    ([], []) => f.write_str("the history differs"),
                    ([one], []) => write!(f, "`{one}` is pending"),
                    ([first, .., last], []) => {
                        write!(f, "{} migrations are pending, from `{first}` to `{last}`", pending.len())
                    }
                    (_, [one]) => write!(f, "{one}"),
                    (_, [first, others @ ..]) => {
                        write!(f, "{first}, and there are {} more differences in the history", others.len())
                    }
                }
            }
            SchemaVerdict::OtherProfiles { skipped } => match &skipped[..] {
                [one] => write!(
                    f,
                    "whether the schema differs is not known: the snapshot was made with every profile, and `{one}` is left \
                     out here"
                ),
                many => write!(
                    f,
                    "whether the schema differs is not known: the snapshot was made with every profile, and {} migrations \
                     are left out here",
                    many.len()
                ),
            },
            SchemaVerdict::NoSnapshot => write!(
                f,
                "the schema cannot be compared: the program embeds no snapshot of it for {}",
                self.dialect.product()
            ),
        }
    }
}

impl Migrator {
    /// Compares the schema of the database with the schema that the embedded migrations create: the snapshot
    /// `schema.txt`, which is checked in beside them (`cargo xtask schema --write migrations/schema.txt`). Takes no
    /// lock and writes nothing.
    ///
    /// The program embeds the hash of the snapshot. With the feature `schema-snapshot` it also embeds the text, and can
    /// say what differs. The whole database is compared, without this migrator's own tables: see
    /// [`read_schema`](Self::read_schema). If the schemas are the same, this takes one round trip on a connection of a
    /// [`Database`](crate::Database), and two on any other.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!("doc");
    /// use lockgate::{Database, Migrator, SchemaVerdict};
    ///
    /// // The migrations are `1_create_users` and `2_create_loans`, with `schema.txt` beside them.
    /// let mut database = Database::connect("sqlite::memory:").await?;
    /// let migrator = Migrator::new(&MIGRATIONS);
    /// let drift = migrator.schema_drift(&mut database).await?;
    /// assert!(matches!(&drift.verdict, SchemaVerdict::NotAtHead { pending, .. } if pending.len() == 2));
    ///
    /// migrator.apply(&mut database).await?;
    /// assert!(migrator.schema_drift(&mut database).await?.is_same());
    ///
    /// sqlx::raw_sql("CREATE INDEX by_hand ON users (name)").execute(database.sqlite().unwrap()).await.unwrap();
    /// let drift = migrator.schema_drift(&mut database).await?;
    /// assert_eq!(drift.verdict, SchemaVerdict::Differs);
    /// # Ok::<(), lockgate::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`read_schema`](Self::read_schema) and of [`status`](Self::status).
    pub async fn schema_drift(&self, target: impl Target) -> Result<SchemaDrift, Error> {
        let run = self.run()?;
        let set = self.set_of_migrations();
        let mut backend = open(target).await?;
        let dialect = backend.dialect();
        let answer = |verdict, changes| SchemaDrift {
            verdict,
            changes,
            dialect,
            snapshot: set.snapshot_path(dialect),
            history_table: run.history_table.table.to_string(),
        };
        if run.stage.asked.is_some() {
            executor::read(&mut *backend, &run).await?;
            stage::check(&mut *backend, &run).await?;
        }
        let Some(expected) = set.snapshot(dialect) else { return Ok(answer(SchemaVerdict::NoSnapshot, None)) };
        let (own, deadline) = (&run.history_table.table, Deadline::after(run.limits.lock_wait));
        let read = patiently(&mut *backend, &run, Intent::Read, deadline, |backend| backend.read_schema(own)).await;
        let read = read.map_err(|cause| Error::from_cause("the schema cannot be read", cause))?;
        let live = read.schema.to_text();
        if SchemaDigest::of(&live) == expected.digest {
            return Ok(answer(SchemaVerdict::Same, None));
        }
        let status = lockgate_core::status(set, &executor::read(&mut *backend, &run).await?);
        if let Some(verdict) = apart(&status) {
            return Ok(answer(verdict, None));
        }
        let changes = set.schema(dialect).map(|made| snapshot::changes(made, &live));
        Ok(match read.release {
            _ if changes.as_ref().is_some_and(Vec::is_empty) => answer(SchemaVerdict::Same, None),
            Some(server) if expected.release != Some(server) => {
                answer(SchemaVerdict::OtherRelease { made_by: expected.release, server }, changes)
            }
            Some(_) | None => answer(SchemaVerdict::Differs, changes),
        })
    }
}

/// Why a database of this status cannot be compared with what all migrations make.
fn apart(status: &Status) -> Option<SchemaVerdict> {
    let pending = status.entries.iter().filter(|entry| entry.embedded && entry.row.is_none() && !entry.skipped);
    let pending = pending.map(|entry| entry.id.clone());
    let scripts = status
        .repeatables
        .iter()
        .filter(|script| matches!(script.state, RepeatableState::New | RepeatableState::Changed));
    let pending: Vec<String> = pending.chain(scripts.map(|script| script.id.clone())).collect();
    // Another name of a migration makes no other schema.
    let drift = status.drift.iter().filter(|drift| !matches!(drift, Drift::Renamed { .. })).cloned();
    let drift: Vec<Drift> = drift.collect();
    if !pending.is_empty() || !drift.is_empty() {
        return Some(SchemaVerdict::NotAtHead { pending, drift });
    }
    let skipped = status.entries.iter().filter(|entry| entry.skipped && entry.row.is_none());
    let left_out = status.repeatables.iter().filter(|script| script.state == RepeatableState::Skipped);
    let skipped: Vec<String> =
        skipped.map(|entry| entry.id.clone()).chain(left_out.map(|script| script.id.clone())).collect();
    (!skipped.is_empty()).then_some(SchemaVerdict::OtherProfiles { skipped })
}
