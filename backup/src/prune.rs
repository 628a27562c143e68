//! Deletes backups that a policy does not keep. It never deletes the newest.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Error;
use crate::list::{self, Broken};
use crate::meta::Meta;
use crate::store::Name;
use crate::subject::{Of, Subject};

/// What was begun and has no meta file is left alone so long, as it may still be written.
const UNFINISHED: u64 = 24 * 60 * 60;

/// Which backups are kept: the newest of each of so many hours, days and months, counted from the newest, in UTC. An hour
/// without a backup does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// The newest ones, whenever they were made.
    pub last: usize,
    /// The newest of each hour.
    pub hourly: usize,
    /// The newest of each day.
    pub daily: usize,
    /// The newest of each month.
    pub monthly: usize,
}

/// Which backups of what, and what is done.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// The database that the backups are of. `None`: the one of the URL.
    pub database: Option<String>,
    /// The stage that they are of, which must be named.
    pub of: Option<Of>,
    /// Which are kept.
    pub policy: Policy,
    /// Why backups of a protected stage may be deleted.
    pub why: Option<String>,
    /// Says what would be deleted, and deletes nothing.
    pub dry_run: bool,
}

/// What was deleted, and what is left.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pruned {
    /// The backups that are kept, the oldest first, each with the reasons: `newest`, `daily`.
    pub kept: Vec<(Meta, Vec<&'static str>)>,
    /// The backups that were deleted.
    pub deleted: Vec<Meta>,
    /// What was begun and never became a backup, and was deleted.
    pub remains: Vec<Broken>,
    /// What is no backup, and was not deleted.
    pub left: Vec<Broken>,
    /// Whether nothing was deleted.
    pub is_dry_run: bool,
}

/// The name of a kind of period, how many of it are kept, and the number of the period at a time.
type Rule = (&'static str, usize, fn(u64) -> u64);

impl Policy {
    /// Divides backups, the oldest first, into those that are kept, with the reasons, and the others.
    fn divide(self, backups: Vec<Meta>) -> (Vec<(Meta, Vec<&'static str>)>, Vec<Meta>) {
        let mut reasons: BTreeMap<usize, Vec<&'static str>> = BTreeMap::new();
        if let Some(newest) = backups.len().checked_sub(1) {
            reasons.entry(newest).or_default().push("newest");
        }
        for place in (0..backups.len()).rev().take(self.last) {
            reasons.entry(place).or_default().push("last");
        }
        let rules: [Rule; 3] =
            [("hourly", self.hourly, hour), ("daily", self.daily, day), ("monthly", self.monthly, month)];
        for (name, count, period) in rules {
            let mut seen = Vec::new();
            for (place, meta) in backups.iter().enumerate().rev() {
                let period = period(meta.taken_at);
                if seen.len() < count && !seen.contains(&period) {
                    seen.push(period);
                    reasons.entry(place).or_default().push(name);
                }
            }
        }
        let (mut kept, mut others) = (Vec::new(), Vec::new());
        for (place, meta) in backups.into_iter().enumerate() {
            match reasons.remove(&place) {
                Some(reasons) => kept.push((meta, reasons)),
                None => others.push(meta),
            }
        }
        (kept, others)
    }
}

fn hour(time: u64) -> u64 {
    time / 3600
}

fn day(time: u64) -> u64 {
    time / 86_400
}

/// The months since a March, by the calendar of Gregory.
fn month(time: u64) -> u64 {
    // 1970-01-01 is 719,468 days after 0000-03-01.
    let days = day(time) + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    (era * 400 + year_of_era) * 12 + (5 * day_of_year + 2) / 153
}

/// Deletes what the policy does not keep of the backups of one database at one stage, and what was begun a day ago or
/// longer and never became a backup.
///
/// # Errors
///
/// [`ErrorKind::Usage`](lockgate::ErrorKind::Usage) if the policy keeps nothing, or no stage is named;
/// [`ErrorKind::Refused`](lockgate::ErrorKind::Refused) for a protected stage without a reason; and those of
/// [`list::list`].
pub async fn prune(subject: &Subject<'_>, options: &Options) -> Result<Pruned, Error> {
    if options.policy == Policy::default() {
        return Err(Error::usage("nothing says which backups are kept")
            .help("say how many: `--keep-last 7 --keep-daily 30 --keep-monthly 12`"));
    }
    let Some(of) = options.of else {
        return Err(Error::usage("nothing says which stage the backups are of")
            .help("name it: `--of development`; `backup list` shows what there is"));
    };
    if let (Of::Stage(stage), None, false) = (of, &options.why, options.dry_run)
        && stage.is_protected()
    {
        return Err(Error::refused(format!("these are backups of {stage}, where nothing is deleted"))
            .state("nothing was deleted")
            .help("if it must be done, say why: `--override-stage \"why\"`; `--dry-run` shows what would be deleted"));
    }
    let database = match &options.database {
        Some(database) => database.clone(),
        None => subject.name()?,
    };
    let listing = list::list(subject.store, &database, Some(of)).await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let is_old = |broken: &Broken| broken.is_unfinished && broken.changed_at + UNFINISHED < now;
    let (remains, left) = listing.broken.into_iter().partition(is_old);
    let (kept, deleted) = options.policy.divide(listing.backups);
    let pruned = Pruned { kept, deleted, remains, left, is_dry_run: options.dry_run };
    if options.dry_run {
        return Ok(pruned);
    }
    let keys = pruned.deleted.iter().map(|meta| &meta.key).chain(pruned.remains.iter().map(|broken| &broken.key));
    for key in keys {
        let Some(name) = Name::of_key(key) else {
            subject.store.delete_staged(key)?;
            continue;
        };
        // Without its meta file it is no backup any more, whatever happens next.
        for key in [name.meta(), name.dump(), name.mark()] {
            subject.store.delete(&key).await?;
        }
    }
    Ok(pruned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_those_of_the_calendar() {
        let at = |day: u64| month(day * 86_400);
        // 1970-01-01, 1970-01-31, 1970-02-01, 1970-03-01, 2000-02-29, 2000-03-01, 2024-12-31, 2025-01-01
        let months = [0, 30, 31, 59, 11_016, 11_017, 20_088, 20_089].map(at);
        let since = months.map(|month| month - months[0]);
        assert_eq!(since, [0, 0, 1, 2, 361, 362, 659, 660]);
    }
}
