//! Several databases, as their mirror sees them.

use super::survey::Site;
use crate::backend::BoxFuture;
use crate::error::Error;
use crate::mirror::{Memories, Mirror, MirrorStatus, Observed, Seen};

impl Observed for &Site<'_> {
    fn observe(&mut self) -> BoxFuture<'_, Result<Seen, Error>> {
        Box::pin(async {
            let found = Site::observe(self).await?;
            Ok(Seen { database: self.name().to_owned(), sets: self.sets(), found })
        })
    }
}

/// Compares all databases, and refuses those that differ. Then the mirror gets what it did not know.
pub(super) async fn settle(mirror: &Mirror, sites: &[Site<'_>]) -> Result<(), Error> {
    let Some(first) = sites.first() else { return Ok(()) };
    let run = first.migrator.run()?;
    mirror.settle(&mut sites.iter().collect::<Vec<_>>(), |event| run.tell(event)).await.map(drop)
}

/// Tells the mirror what a run has left in a database. If that fails, the next run does it.
pub(super) async fn record(mirror: &Mirror, site: &Site<'_>) -> Result<(), Error> {
    let run = site.migrator.run()?;
    mirror.record(site.name(), site, |event| run.tell(event)).await;
    Ok(())
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
    for mut site in sites {
        statuses.push(Observed::observe(&mut site).await?.status(&memories));
    }
    Ok(Some((memories, statuses)))
}
