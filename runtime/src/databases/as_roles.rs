//! Runs what is pending at a place, each part as its role: consecutive scripts of a role are one run as that role.

use lockgate_core::{DownTo, Plan, UpTo};

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
        at.migrator.tell(Event::DatabaseStarted { database: at.database.to_owned(), role: Some(current.clone()) })?;
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

/// Runs the steps of a plan, each part as its role. The history must be the one that the plan was made for.
pub(super) async fn run_plan(
    site: &Site<'_>,
    at: &Place<'_>,
    plan: &Plan,
    steps: &mut Vec<FinishedStep>,
) -> Result<(), Error> {
    let mut rest = plan.steps.as_slice();
    let mut seen = Some(plan.seen);
    while let Some(first) = rest.first() {
        let role = first.role().filter(|_| site.roles == Roles::LogIn);
        let len = match role {
            Some(role) => rest.iter().take_while(|step| step.role() == Some(role)).count(),
            None => rest.len(),
        };
        let (part, others) = rest.split_at(len);
        rest = others;
        let login = role.map_or(Login::OfUrl, Login::Role);
        let here = place(at.database, login);
        let mut connected = site.enter(at.database, login).await?;
        if let Some(role) = role {
            admit(site, at, &mut connected, role).await?;
        }
        at.migrator.tell(Event::DatabaseStarted { database: at.database.to_owned(), role: role.map(str::to_owned) })?;
        let migrator = if role.is_none() { at.migrator.as_roles_of_names() } else { at.migrator.clone() };
        // Of the parts after the first, each step still has to fit its row.
        let seen = match seen.take() {
            Some(seen) => seen,
            None => migrator.digest(&mut connected).await.map_err(|error| error.in_front(&here))?,
        };
        let mut leading = plan.clone();
        (leading.steps, leading.seen) = (part.to_vec(), seen);
        let ran = migrator.apply_plan(&mut connected, &leading).await.map_err(|error| error.in_front(&here))?;
        steps.extend(ran.steps);
    }
    Ok(())
}

/// Applies all that is pending as the user of the URL, who becomes each role by SET ROLE.
async fn run_as_login(site: &Site<'_>, at: &Place<'_>) -> Result<Report, Error> {
    let mut connected = site.enter(at.database, Login::OfUrl).await?;
    at.migrator.tell(Event::DatabaseStarted { database: at.database.to_owned(), role: None })?;
    let applied = at.migrator.as_roles_of_names().apply(&mut connected).await;
    applied.map_err(|error| error.in_front(&place(at.database, Login::OfUrl)))
}

/// The role of the first step.
fn next_role(plan: &Plan) -> Option<String> {
    plan.steps.first().and_then(|step| step.role()).map(str::to_owned)
}

/// What a plan can be made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goal {
    Up,
    Down(DownTo),
    Redo(usize),
}

/// The role of the first pending script.
async fn first_role(site: &Site<'_>, at: &Place<'_>) -> Result<Option<String>, Error> {
    planned(site, at, Goal::Up).await.map(|plan| next_role(&plan))
}

/// Makes a plan, as somebody who may read the history.
pub(super) async fn planned(site: &Site<'_>, at: &Place<'_>, goal: Goal) -> Result<Plan, Error> {
    let mut first: Option<Error> = None;
    for reader in &at.readers {
        let read = async {
            let mut connected = site.enter(at.database, *reader).await?;
            let plan = match goal {
                Goal::Up => at.migrator.plan(&mut connected, UpTo::Latest).await,
                Goal::Down(destination) => at.migrator.plan_revert(&mut connected, destination).await,
                Goal::Redo(steps) => at.migrator.plan_redo(&mut connected, steps).await,
            };
            plan.map_err(|error| error.in_front(&place(at.database, *reader)))
        };
        match read.await {
            Ok(plan) => return Ok(plan),
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
