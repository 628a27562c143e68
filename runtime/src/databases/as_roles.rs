//! Runs what is pending at a place, each part as its role: consecutive scripts of a role are one run as that role.

use lockgate_core::{Plan, UpTo};

use super::server::{Login, lost, place};
use super::survey::{Place, Roles, Site};
use crate::backend::postgres::rights;
use crate::database::Database;
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::report::{FinishedStep, Report};

/// Applies all that is pending at a place, each part as its role.
pub(super) async fn run_as_roles(
    site: &Site<'_>,
    at: &Place<'_>,
    steps: &mut Vec<FinishedStep>,
) -> Result<Report, Error> {
    let mut last = Report::default();
    let mut role = first_role(site, at).await?;
    if site.roles == Roles::Set {
        if role.is_some() {
            last = run_as_login(site, at).await?;
            steps.extend(last.steps.iter().cloned());
        }
        return Ok(last);
    }
    let mut is_second = false;
    while let Some(current) = role {
        let login = Login::Role(&current);
        let here = place(at.database, login);
        let mut connected = site.enter(at.database, login).await?;
        admit(site, at, &mut connected, &current).await?;
        at.migrator.tell(Event::Entered { database: at.database.to_owned(), role: Some(current.clone()) })?;
        let applied = at.migrator.apply_leading(&mut connected, &current).await;
        last = applied.map_err(|error| error.in_front(&here))?;
        steps.extend(last.steps.iter().cloned());
        site.open_history(at, &mut connected, &current).await?;
        let plan = at.migrator.plan(&mut connected, UpTo::Latest).await.map_err(|error| error.in_front(&here))?;
        role = next_role(&plan);
        // Another run may have come first, but not twice at the same place.
        let is_stuck = last.is_empty() && role.as_ref() == Some(&current);
        if is_stuck && is_second {
            return Err(crate::failure::stale().in_front(&here));
        }
        is_second = is_stuck;
    }
    Ok(last)
}

/// Applies all that is pending as the user of the URL, who becomes each role by SET ROLE.
async fn run_as_login(site: &Site<'_>, at: &Place<'_>) -> Result<Report, Error> {
    let mut connected = site.enter(at.database, Login::OfUrl).await?;
    at.migrator.tell(Event::Entered { database: at.database.to_owned(), role: None })?;
    let applied = at.migrator.as_roles_of_names().apply(&mut connected).await;
    applied.map_err(|error| error.in_front(&place(at.database, Login::OfUrl)))
}

/// The role of the first step.
fn next_role(plan: &Plan) -> Option<String> {
    plan.steps.first().and_then(|step| step.role()).map(str::to_owned)
}

/// The role of the first pending script.
async fn first_role(site: &Site<'_>, at: &Place<'_>) -> Result<Option<String>, Error> {
    let mut first: Option<Error> = None;
    for reader in &at.readers {
        let read = async {
            let mut connected = site.enter(at.database, *reader).await?;
            let plan = at.migrator.plan(&mut connected, UpTo::Latest).await;
            plan.map_err(|error| error.in_front(&place(at.database, *reader)))
        };
        match read.await {
            Ok(plan) => return Ok(next_role(&plan)),
            Err(error) if error.kind() == ErrorKind::Denied => {
                first.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(first.expect("somebody was asked"))
}

/// Lets a role write the history, if it may not yet and the owner can be asked.
async fn admit(site: &Site<'_>, at: &Place<'_>, connected: &mut Database, role: &str) -> Result<(), Error> {
    let unreadable = |cause| Error::from_cause("the rights to the history cannot be read", cause);
    let connection = connected.postgres().ok_or_else(lost)?;
    let access = rights::of_history(connection, &site.table).await.map_err(unreadable)?;
    let Some(access) = access.filter(|access| !access.writes) else { return Ok(()) };
    let owner = site.owner_login(at, &access.owner).filter(|owner| *owner != Login::Role(role));
    let Some(owner) = owner else { return Ok(()) };
    let mut as_owner = site.enter(at.database, owner).await?;
    site.open_history(at, &mut as_owner, &access.owner).await
}
