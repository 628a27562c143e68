//! Compares several databases with their mirror before a run, and tells the mirror what a run has done.

use super::survey::Site;
use crate::backend::postgres::mirror::Taken;
use crate::error::Error;
use crate::event::Event;
use crate::mirror::{self, Memories, Mirror, MirrorStatus};

/// Compares all databases, and refuses those that differ. Then the mirror gets what it did not know.
pub(super) async fn settle(mirror: &Mirror, sites: &[Site<'_>]) -> Result<(), Error> {
    let mut looks = 0;
    // The mirror is read before the databases, so that another run, which writes to the databases first, is not taken for
    // a difference. One that reverts is noticed by the second look.
    let (memories, found) = loop {
        let memories = mirror.memories().await?;
        let mut statuses = Vec::with_capacity(sites.len());
        let mut all = Vec::with_capacity(sites.len());
        for site in sites {
            let found = site.observe().await?;
            statuses.push(memories.status(site.name(), &site.sets(), found.as_ref()));
            all.push(found);
        }
        looks += 1;
        match mirror::refuse(&statuses) {
            Ok(()) => break (memories, all),
            Err(error) if looks == 2 => return Err(error),
            Err(_) => {}
        }
    };
    for (site, found) in sites.iter().zip(&found) {
        if let Some(found) = found
            && memories.is_outdated(site.name(), &site.sets(), found)
        {
            mirror.take(site.name(), &site.sets(), Some(found), Taken::Added).await?;
        }
    }
    Ok(())
}

/// Tells the mirror what a run has left in a database. If that fails, the next run does it.
pub(super) async fn record(mirror: &Mirror, site: &Site<'_>) -> Result<(), Error> {
    let recorded = async {
        match site.observe().await? {
            Some(found) => mirror.take(site.name(), &site.sets(), Some(&found), Taken::Settled).await,
            None => Ok(()),
        }
    };
    match recorded.await {
        Ok(()) => Ok(()),
        Err(error) => {
            site.migrator.tell(Event::MirrorBehind { database: site.name().to_owned(), reason: error.to_string() })
        }
    }
}

/// Compares all databases, and changes nothing. `None` if there is no mirror.
pub(super) async fn look(
    url: Option<String>,
    sites: &[Site<'_>],
) -> Result<Option<(Memories, Vec<MirrorStatus>)>, Error> {
    let Some(url) = url else { return Ok(None) };
    let Some(mirror) = Mirror::look(&url).await? else { return Ok(None) };
    let memories = mirror.memories().await?;
    let mut statuses = Vec::with_capacity(sites.len());
    for site in sites {
        let found = site.observe().await?;
        statuses.push(memories.status(site.name(), &site.sets(), found.as_ref()));
    }
    Ok(Some((memories, statuses)))
}

/// Lets the mirror take what a database has, and returns how it differed.
pub(super) async fn accept(mirror: &Mirror, site: &Site<'_>, reason: &str) -> Result<MirrorStatus, Error> {
    let memories = mirror.memories().await?;
    let found = site.observe().await?;
    let status = memories.status(site.name(), &site.sets(), found.as_ref());
    mirror.take(site.name(), &site.sets(), found.as_ref(), Taken::Accepted(reason)).await?;
    Ok(status)
}
