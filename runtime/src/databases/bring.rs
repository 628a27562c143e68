//! Brings one database to its newest patch, and makes it first if it does not exist.

use super::answer::DatabaseReport;
use super::as_roles::run_as_roles;
use super::bootstrap;
use super::survey::{Site, Survey};
use crate::error::Error;
use crate::event::Event;
use crate::failure;

/// Runs what the survey has found pending. `report` has what was committed, also after an error.
pub(super) async fn bring(site: &Site<'_>, survey: &Survey, report: &mut DatabaseReport) -> Result<(), Error> {
    for id in &survey.left_out {
        let (id, database) = (id.clone(), site.name().to_owned());
        site.migrator.tell(Event::BootstrapSkipped { id, database })?;
    }
    report.left_out.clone_from(&survey.left_out);
    if !survey.exists || survey.unfinished {
        let made = bootstrap::run(site, &mut report.steps).await;
        made.map_err(|error| error.on_bootstraps(site.name()))?;
    } else if let Ok(plan) = &survey.plan
        && plan.is_empty()
    {
        report.tolerated.clone_from(&plan.tolerated);
        return Ok(());
    }
    let ran = run_as_roles(site, &site.own(), &mut report.steps).await;
    report.tolerated = ran.map_err(|error| error.on_database(site.name()))?.tolerated;
    Ok(())
}

/// Adds to an error what the run had committed in databases before.
pub(super) fn after(error: Error, reports: &[DatabaseReport]) -> Error {
    let ids: Vec<&str> = reports.iter().flat_map(|report| &report.steps).map(|step| step.id.as_str()).collect();
    failure::in_part(error, &ids)
}
