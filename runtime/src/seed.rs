//! Loads seeds from `seeds/`. A seed is loaded right after its migration is applied, and then the later migrations are
//! applied. `core::seed` decides which seed is loaded.

use lockgate_core::{CompanionKind, Row, Set, UpTo, Version, seed};

use crate::database::Database;
use crate::error::{Error, Wording};
use crate::migrator::{Migrator, Opened};
use crate::report::Report;
use crate::target::Target;

/// A seed, and whether it was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seed {
    /// Version and name: `0004_demo`.
    pub id: String,
    /// The migration after which it is loaded.
    pub at: Version,
    /// The profiles of the seed, one of which must be chosen to load it. Empty if it needs no profile.
    pub profiles: Vec<&'static str>,
    /// Whether [`Migrator::load_seed`] would choose this seed.
    pub is_next: bool,
    /// Its row in the history.
    pub row: Option<Row>,
}

impl Migrator {
    /// Returns the seeds of the program, and whether each was loaded. Takes no lock and writes nothing.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use lockgate::{Database, Migrations, Migrator};
    ///
    /// # static MIGRATIONS: Migrations = Migrations::EMPTY;
    /// let mut database = Database::connect("sqlite::memory:").await?;
    /// assert!(Migrator::new(&MIGRATIONS).seeds(&mut database).await?.is_empty()); // this program has none
    /// # Ok::<(), lockgate::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`status`](Self::status).
    pub async fn seeds(&self, target: impl Target) -> Result<Vec<Seed>, Error> {
        let Some(seeds) = self.of_companion(CompanionKind::Seed) else { return Ok(Vec::new()) };
        let Opened { history, .. } = seeds.open(target).await?;
        let set = seeds.set_of_migrations();
        let newest = seed::newest(set).map(|(_, seed)| seed.version());
        let all = seed::all(set).into_iter().map(|(at, seed)| Seed {
            id: seed.id().to_owned(),
            at,
            profiles: seed.profiles(),
            is_next: newest == Some(seed.version()),
            row: history.row(seed.version()).cloned(),
        });
        Ok(all.collect())
    }

    /// Loads the newest seed: applies the migrations up to that of the seed, loads the seed and writes its history row
    /// in one transaction, and applies the remaining migrations. A seed with a chosen [profile](Self::profile) is
    /// preferred. If the seed was already loaded, this only applies the remaining migrations.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use lockgate::{Database, Migrations, Migrator};
    ///
    /// # static MIGRATIONS: Migrations = Migrations::EMPTY;
    /// let mut database = Database::connect("sqlite::memory:").await?;
    /// let error = Migrator::new(&MIGRATIONS).load_seed(&mut database).await.unwrap_err();
    /// assert_eq!(error.report().summary(), "the program embeds no seeds");
    /// # Ok::<(), lockgate::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) if the program embeds no seed for the chosen profiles.
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if the database has later migrations than that of the seed, or
    /// is marked with a protected stage: nothing was changed. Otherwise as for [`apply`](Self::apply). If the seed
    /// fails, its migration stays applied, and none of its data is loaded.
    pub async fn load_seed(&self, database: &mut Database) -> Result<Report, Error> {
        self.load_seed_of(database, None).await
    }

    /// Loads the seed with this id, or the newest.
    pub(crate) async fn load_seed_of(&self, database: &mut Database, id: Option<&str>) -> Result<Report, Error> {
        let seeds = self.of_companion(CompanionKind::Seed).ok_or_else(|| {
            Error::usage("the program embeds no seeds")
                .with_help("write `seeds/<version>_<name>.sql` beside the migrations, and build again")
        })?;
        let set = seeds.set_of_migrations();
        let chosen = match id {
            None => seed::newest(set),
            Some(id) => seed::all(set).into_iter().find(|(_, seed)| seed.id() == id),
        };
        let (at, chosen) = chosen.ok_or_else(|| no_seed(set))?;
        if let Some(stage) = self.stage_of(&mut *database).await?.filter(|stage| stage.is_protected())
            && !self.overrides_stage()
        {
            let help = Wording::each(|audience| {
                format!("to load it here, give a reason for the log: {}", audience.override_stage())
            });
            let reason = format!("the database is marked as {stage}, and seeds are not loaded at this stage");
            return Err(Error::refused_for("the stage of the database does not allow this", &[(reason, help)]));
        }
        let was_loaded = {
            let Opened { history, .. } = seeds.open(&mut *database).await?;
            history.row(chosen.version()).is_some()
        };
        let mut report = Report::default();
        if !was_loaded {
            self.refuse_if_past(database, at, chosen.id()).await?;
            add(&mut report, self.apply_to(&mut *database, UpTo::Version(at)).await?);
            add(&mut report, self.run_script(&seeds, &mut *database, chosen.version()).await?);
        }
        add(&mut report, self.apply(&mut *database).await?);
        Ok(report)
    }

    /// Refuses a database that has later migrations than that of a seed.
    async fn refuse_if_past(&self, database: &mut Database, at: Version, seed: &str) -> Result<(), Error> {
        let status = self.status(&mut *database).await?;
        match status.current().filter(|newest| newest.version > at) {
            None => Ok(()),
            Some(newest) => {
                let reason =
                    format!("the database is at `{}`, past the migration {at} of the seed `{seed}`", newest.id);
                let help = format!("load it into a new database, or write a seed for `{}`", newest.id);
                Err(Error::refused_for("the seed is not loaded", &[(reason, help.into())]))
            }
        }
    }
}

fn no_seed(seeds: &Set) -> Error {
    let all: Vec<String> = seed::all(seeds)
        .into_iter()
        .map(|(_, seed)| format!("`{}` is for the profile {}", seed.id(), seed.profiles().join(", ")))
        .collect();
    Error::usage("there is no seed for the chosen profiles").with_help(format!("choose a profile: {}", all.join("; ")))
}

/// Adds the steps of another run.
fn add(report: &mut Report, more: Report) {
    report.steps.extend(more.steps);
    report.tolerated = more.tolerated;
    report.elapsed += more.elapsed;
}
