//! The scripts that an operator runs once, in `manual-deployment/`. `core::manual` decides.

use lockgate_core::{Audience, CompanionKind, History, ManualScript, Plan, UpTo, Version, manual};

use crate::error::Error;
use crate::executor::{self, OnHistoryChange};
use crate::migrator::{Migrator, Opened, open, refused, tell_mirror};
use crate::report::Report;
use crate::run::{Precondition, Run};
use crate::stage;
use crate::target::Target;

impl Migrator {
    /// Returns the manual scripts, which are in `manual-deployment/`, and whether each has run. Takes no lock and
    /// writes nothing.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use lockgate::{Database, Migrations, Migrator};
    ///
    /// # static MIGRATIONS: Migrations = Migrations::EMPTY;
    /// let mut database = Database::connect("sqlite::memory:").await?;
    /// let scripts = Migrator::new(&MIGRATIONS).manual_scripts(&mut database).await?;
    /// assert!(scripts.is_empty()); // this program has none
    /// # Ok::<(), lockgate::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`status`](Self::status).
    pub async fn manual_scripts(&self, target: impl Target) -> Result<Vec<ManualScript>, Error> {
        let Some(scripts) = self.of_companion(CompanionKind::Manual) else { return Ok(Vec::new()) };
        let Opened { history, .. } = scripts.open(target).await?;
        Ok(manual::scripts(scripts.set_of_migrations(), &history))
    }

    /// Returns what [`run_manual`](Self::run_manual) would run: nothing if the script has already run. Takes no lock
    /// and writes nothing.
    ///
    /// # Errors
    ///
    /// As for [`run_manual`](Self::run_manual), except those of the script itself, because it does not run.
    pub async fn plan_manual(&self, target: impl Target, number: Version) -> Result<Plan, Error> {
        let scripts = self.scripts()?;
        let Opened { run, mut backend, history } = scripts.open(target).await?;
        let run = Run { precondition: self.precondition_of_script()?, ..run };
        let dialect = backend.dialect();
        stage::decide(&mut *backend, &run, &history, &scripts.decide_manual(number, dialect)).await
    }

    /// Runs the manual script with this number. If it has already run, this does nothing, and the report is empty. The
    /// script is recorded in the history, separately from the migrations. No other script has to run before it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused) if there is no script with this number, or if it has already
    /// run with another text: nothing was run. [`ErrorKind::Usage`](crate::ErrorKind::Usage) if the program embeds no
    /// manual scripts. Otherwise as for [`apply`](Self::apply).
    pub async fn run_manual(&self, target: impl Target, number: Version) -> Result<Report, Error> {
        let scripts = self.scripts()?;
        self.run_script(&scripts, target, number).await
    }

    /// Runs one script of the companion set of this migrator, unless it has already run.
    pub(crate) async fn run_script(
        &self,
        scripts: &Self,
        target: impl Target,
        number: Version,
    ) -> Result<Report, Error> {
        let (own, run) = (self.run()?, scripts.run()?);
        let mut backend = open(target).await?;
        let mirror = self.settle_mirror(&own, &mut *backend).await?;
        let run = Run { mirror: mirror.as_deref(), precondition: self.precondition_of_script()?, ..run };
        let dialect = backend.dialect();
        let decide = scripts.decide_manual(number, dialect);
        let ran = executor::execute(&mut *backend, &run, OnHistoryChange::Replan, &decide).await;
        tell_mirror(mirror.as_deref(), &own, &mut *backend, &ran).await;
        ran
    }

    /// A script does not run on a database that was begun from `create/` and is not complete, as no migration does.
    fn precondition_of_script(&self) -> Result<Precondition, Error> {
        let own = self.run()?;
        Ok(match own.precondition {
            Precondition::NotBegun { files, .. } => {
                Precondition::NotBegun { files, migrations: Some(own.history_table), verb: Audience::manual }
            }
            other => other,
        })
    }

    fn decide_manual(
        &self,
        number: Version,
        dialect: lockgate_core::Dialect,
    ) -> impl Fn(&History) -> Result<Plan, Error> + Send + Sync + '_ {
        let request = self.request(UpTo::Version(number).into(), dialect);
        move |history| {
            manual::run(self.set_of_migrations(), history, &request, number)
                .map_err(|refusal| refused(Audience::manual, &refusal))
        }
    }

    /// The migrator of the manual scripts.
    fn scripts(&self) -> Result<Self, Error> {
        self.of_companion(CompanionKind::Manual).ok_or_else(|| {
            Error::usage("the program embeds no manual scripts")
                .with_help("say `layout = \"trees\"` in `migrations.toml`, and write them into `manual-deployment/`")
        })
    }
}
