//! Makes a database that does not exist, by its bootstraps.
//!
//! They run connected to another database, the maintenance database, as `CREATE DATABASE` has to. While they run, they
//! are recorded there, each statement of theirs, as every script is that runs outside a transaction. When all have run,
//! they are recorded in the history of the new database too, all at once. So rows in the maintenance database, and none in
//! the new one, mean that a run was interrupted, and the next one goes on with it. If all are recorded in the maintenance
//! database and there is no new one, it was dropped: those rows are removed, and all bootstraps run again.
//!
//! When the new database has its records, the maintenance database notes that it was made. So if somebody drops it and
//! creates another one of its name, the bootstraps are not recorded there as if they had run.

use lockgate_core::patch::Patch;
use lockgate_core::{Atomicity, Migration, Plan};

use super::as_roles::run_as_roles;
use super::server::{Login, place};
use super::survey::{Site, have_all_run};
use crate::error::{Error, ErrorKind};
use crate::history_table::identifier;
use crate::migrator::Migrator;
use crate::report::FinishedStep;

/// Runs those bootstraps that have not run, and hands their records over to the new database.
pub(super) async fn run(site: &Site<'_>, steps: &mut Vec<FinishedStep>) -> Result<(), Error> {
    let migrator = site.running();
    // The rows are read before the catalogue: if all bootstraps had run then, the database existed, and was dropped.
    let mut connected = site.enter_maintenance().await?;
    let forgetting = migrator.plan_forget_all(&mut connected).await?;
    let begun = migrator.status(&mut connected).await?;
    let made = site.made();
    let forgetting_made = made.plan_forget_all(&mut connected).await?;
    drop(connected);
    let has_begun = !forgetting.is_empty() || !forgetting_made.is_empty();
    if has_begun && !site.existing(&[]).await?.database {
        if !forgetting_made.is_empty() {
            forget(site, &made, &forgetting_made).await?;
        }
        if have_all_run(&begun) {
            forget(site, &migrator, &forgetting).await?;
        }
    }
    run_as_roles(site, &site.maintenance(), steps).await?;
    if !site.existing(&[]).await?.database {
        let name = site.name();
        return Err(Error::new(
            ErrorKind::Failed,
            format!("all bootstraps of `{name}` have run, and the database does not exist"),
        )
        .with_help(format!(
            "let one of them create it, by `CREATE DATABASE {}`; the next run begins with the first of them again, so \
             undo by hand what they have done",
            identifier(name)
        )));
    }
    hand_over(site).await
}

/// Records the bootstraps in the new database.
async fn hand_over(site: &Site<'_>) -> Result<(), Error> {
    let Some(last) = site.of.bootstraps().iter().next_back() else { return Ok(()) };
    // The role of the first patch creates the history, which then belongs to it.
    let first = site.of.migrations().iter().next().unwrap_or(last);
    let role = Patch::parse(first.id()).map_or("", |patch| patch.user());
    let login = site.login(role);
    let mut database = site.enter(site.name(), login).await?;
    // All at once: what is recorded there says that the bootstraps are over.
    let baselined =
        site.recorded().quiet().atomicity(Atomicity::WholeRun).baseline(&mut database, last.version()).await;
    baselined.map_err(|error| error.in_front(&place(site.name(), login)))?;
    if let Login::Role(role) = login {
        site.open_history(&site.own(), &mut database, role).await?;
    }
    note_made(site, last).await
}

/// Notes in the maintenance database that the new database has its records, as the role that runs the last bootstrap.
async fn note_made(site: &Site<'_>, last: Migration) -> Result<(), Error> {
    let maintenance = &site.server.maintenance;
    let login = site.login(Patch::parse(last.id()).map_or("", |patch| patch.user()));
    let mut connected = site.enter(maintenance, login).await?;
    let noted = site.made().quiet().atomicity(Atomicity::WholeRun).baseline(&mut connected, last.version()).await;
    noted.map(drop).map_err(|error| error.in_front(&place(maintenance, login)))
}

/// Removes the rows from the maintenance database, as the role that runs the last of the bootstraps.
async fn forget(site: &Site<'_>, migrator: &Migrator, plan: &Plan) -> Result<(), Error> {
    let last = site.of.bootstraps().iter().next_back();
    let role = last.and_then(|last| Patch::parse(last.id())).map_or("", |patch| patch.user());
    let maintenance = &site.server.maintenance;
    let login = site.login(role);
    let mut connected = site.enter(maintenance, login).await?;
    match migrator.quiet().atomicity(Atomicity::WholeRun).apply_plan(&mut connected, plan).await {
        // Another run has begun to make the database.
        Err(error) if error.kind() == ErrorKind::PlanStale => Ok(()),
        forgotten => forgotten.map(drop).map_err(|error| error.in_front(&place(maintenance, login))),
    }
}
