//! Makes an empty database from `create/`, the tree of the desired schema. `core::create` decides.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lockgate_core::plan;
use lockgate_core::{Atomicity, Audience, CompanionKind, History, Plan, Refusal, UpTo, Version, create};

use crate::backend::Backend;
use crate::error::{Error, ErrorKind, UNCHANGED, Wording};
use crate::event::{Event, OnEvent};
use crate::executor::{self, OnHistoryChange};
use crate::migrator::{Migrator, open, refused, tell_mirror};
use crate::report::Report;
use crate::run::{Precondition, Run};
use crate::stage;
use crate::target::Target;

impl Migrator {
    /// Makes an empty database from `create/`, the tree of the desired schema, and records every embedded migration as
    /// applied, because the schema has what they do. See the guide's chapter "Desired-state trees".
    ///
    /// Each file runs in a transaction of its own. If one fails, the run goes on with the next one, and the error lists
    /// all that failed; no migration is recorded then, and the next run goes on with the files that have not run. With
    /// [`Atomicity::WholeRun`], all files are one transaction, and the first failure ends it.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use lockgate::{Database, ErrorKind, Migrations, Migrator};
    ///
    /// # static MIGRATIONS: Migrations = Migrations::EMPTY;
    /// let mut database = Database::connect("sqlite::memory:").await?;
    /// // This program has no tree.
    /// let error = Migrator::new(&MIGRATIONS).create(&mut database).await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Usage);
    /// # Ok::<(), lockgate::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`] if the database is not empty, if a migration is recorded, or if a file that has run was
    /// changed since. [`ErrorKind::Usage`] if the program embeds no such tree. Otherwise as for [`apply`](Self::apply).
    pub async fn create(&self, target: impl Target) -> Result<Report, Error> {
        let files = self.files()?;
        let run = files.run_of_files(self)?;
        let mut backend = open(target).await?;
        let backend = &mut *backend;
        self.refuse_drafts(backend).await?;
        let own = self.run()?;
        let mirror = self.settle_mirror(&own, backend).await?;
        let created = self.create_on(backend, &files, &run).await;
        tell_mirror(mirror.as_deref(), &own, backend, &created).await;
        created
    }

    async fn create_on(&self, backend: &mut dyn Backend, files: &Self, run: &Run<'_>) -> Result<Report, Error> {
        let mut report = run_files(backend, files, run).await?;
        if let Some(last) = self.set_of_migrations().last() {
            let recorded = self.clone().atomicity(Atomicity::WholeRun);
            // The report says how many were recorded; a line for each would hide the files.
            let precondition = Precondition::Nothing;
            let run = Run { is_bookkeeping: true, precondition, on_event: None, ..recorded.run()? };
            let dialect = backend.dialect();
            let decide = |history: &History| {
                plan::baseline(self.set_of_migrations(), history, dialect, last.version()).map_err(|r| refusal(&r))
            };
            let recorded = executor::execute(backend, &run, OnHistoryChange::Replan, &decide).await?;
            report.steps.extend(recorded.steps);
            report.elapsed += recorded.elapsed;
        }
        // From now on, the rows of the files would only say that the database is not complete.
        let quiet = Run {
            is_bookkeeping: true,
            precondition: Precondition::Nothing,
            on_event: None,
            reason: Some("the database is complete".to_owned()),
            atomicity: Atomicity::WholeRun,
            ..files.run()?
        };
        let forget = |history: &History| Ok(plan::forget_all(files.set_of_migrations(), history));
        executor::execute(backend, &quiet, OnHistoryChange::Replan, &forget).await?;
        Ok(report)
    }

    /// Returns the files of `create/` that [`create`](Self::create) would run, as a plan. Takes no lock and writes nothing.
    ///
    /// # Errors
    ///
    /// As for [`create`](Self::create), but no file fails.
    pub async fn plan_create(&self, target: impl Target) -> Result<Plan, Error> {
        let files = self.files()?;
        let run = files.run_of_files(self)?;
        let mut backend = open(target).await?;
        let backend = &mut *backend;
        self.refuse_drafts(backend).await?;
        let history = executor::read(backend, &run).await?;
        let dialect = backend.dialect();
        let request = files.request(UpTo::Latest.into(), dialect);
        let decide = |history: &History| {
            create::files(files.set_of_migrations(), history, &request, &[]).map_err(|reasons| refusal(&reasons))
        };
        stage::decide(backend, &run, &history, &decide).await
    }

    /// The migrator of the files of `create/`.
    fn files(&self) -> Result<Self, Error> {
        self.of_companion(CompanionKind::Create).ok_or_else(|| {
            Error::usage("the program embeds no desired schema").with_help(
                "say `layout = \"trees\"` in `migrations.toml`, and write the schema into the numbered folders of `create/`",
            )
        })
    }

    fn run_of_files(&self, of: &Self) -> Result<Run<'_>, Error> {
        let (set, migrations) = (*of.set_of_migrations(), of.run()?.history_table);
        let precondition = Precondition::Empty { set, migrations, beside_others: of.is_beside_others() };
        let run = self.run()?;
        let on_event = run.on_event.clone().map(|tell| {
            // After a file that failed, it goes on with the rest of what it has said that it would run.
            let has_said = AtomicBool::new(false);
            let told = move |event: &Event| match event {
                Event::Planned { .. } if has_said.swap(true, Ordering::Relaxed) => {}
                event => tell(event),
            };
            Arc::new(told) as OnEvent
        });
        Ok(Run { precondition, on_event, ..run })
    }

    /// Refuses to record drafts on a protected stage, where they could not be applied either.
    async fn refuse_drafts(&self, backend: &mut dyn Backend) -> Result<(), Error> {
        let run = self.run()?;
        executor::read(backend, &run).await?;
        stage::check(backend, &run).await?;
        let guard = stage::guard(backend, &run).await?;
        let reasons = guard.forbidden_drafts(self.set_of_migrations());
        if reasons.is_empty() { Ok(()) } else { Err(stage::refused(&Refusal { reasons })) }
    }
}

fn refusal(refusal: &Refusal) -> Error {
    refused(Audience::from_create, refusal)
}

/// Runs the files that have not run. After a failure it goes on with the next file, unless all are one transaction.
async fn run_files(backend: &mut dyn Backend, files: &Migrator, run: &Run<'_>) -> Result<Report, Error> {
    let set = files.set_of_migrations();
    let request = files.request(UpTo::Latest.into(), backend.dialect());
    let mut failed: Vec<Version> = Vec::new();
    let mut errors: Vec<Error> = Vec::new();
    loop {
        let decide =
            |history: &History| create::files(set, history, &request, &failed).map_err(|reasons| refusal(&reasons));
        let ran = executor::execute(backend, run, OnHistoryChange::Replan, &decide).await;
        let error = match ran {
            Ok(report) if errors.is_empty() => return Ok(report),
            Ok(_) => return Err(all_failures(errors, set.len(), executor::read(backend, run).await.ok())),
            Err(error) => error,
        };
        let is_of_a_file = matches!(error.kind(), ErrorKind::Failed | ErrorKind::Denied);
        if !is_of_a_file || run.is_one_transaction() {
            // What failed before is not forgotten where the run itself cannot go on.
            errors.push(error);
            let history = if errors.len() > 1 { executor::read(backend, run).await.ok() } else { None };
            return Err(if errors.len() > 1 { all_failures(errors, set.len(), history) } else { errors.remove(0) });
        }
        errors.push(error);
        let history = executor::read(backend, run).await?;
        // Every file before the one that failed has run.
        let next = if history.is_absent() { None } else { decide(&history)?.steps.first().map(|step| step.version) };
        match next {
            Some(version) => failed.push(version),
            None => return Err(errors.remove(0)),
        }
    }
}

/// One error for all files that failed.
fn all_failures(errors: Vec<Error>, all: usize, history: Option<History>) -> Error {
    let count = errors.len();
    let summary = format!("{count} of {all} files of `create/` failed");
    let error = Error::of_files(errors, summary);
    let error = match history.map(|history| history.rows().len()) {
        Some(0) => error.with_state(UNCHANGED),
        Some(done) => {
            error.with_state(format!("{done} of {all} files have run and are committed; no migration is recorded"))
        }
        None => error,
    };
    let first = if count > 1 { " (the first failure may explain those after it)" } else { "" };
    error.with_help(Wording::each(|audience| {
        format!(
            "correct them{first}, and build again: {} then goes on with the files that have not run",
            audience.from_create()
        )
    }))
}
