//! Deletes backups that a policy does not keep. It never deletes the newest.

use std::collections::BTreeMap;

use lockgate::__private::Date;

use crate::error::Error;
use crate::list::{self, Broken};
use crate::meta::{Meta, now};
use crate::store::Name;
use crate::subject::{BackupStage, Subject};

/// For how many seconds a dump without a meta file is kept, because it may still be being written.
const UNFINISHED: u64 = 24 * 60 * 60;

/// Which backups are kept: the newest one of each hour, day or month, for the given number of hours, days and months in
/// UTC, counted back from the newest backup. An hour, day or month without a backup does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// How many of the newest backups are kept, whenever they were made.
    pub last: usize,
    /// For how many hours the newest backup of the hour is kept.
    pub hourly: usize,
    /// For how many days the newest backup of the day is kept.
    pub daily: usize,
    /// For how many months the newest backup of the month is kept.
    pub monthly: usize,
}

/// How to prune.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// The database that the backups are of. `None`: the one of the URL.
    pub database: Option<String>,
    /// The stage of the backups, which must be named.
    pub stage: Option<BackupStage>,
    /// Which backups are kept.
    pub policy: Policy,
    /// Why backups of a protected stage may be deleted.
    pub why: Option<String>,
    /// Whether to report only what would be deleted.
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
    /// Unfinished backups that were deleted.
    pub remains: Vec<Broken>,
    /// Unfinished or damaged backups that were not deleted.
    pub left: Vec<Broken>,
    /// Whether this was a dry run, which deletes nothing.
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

/// The months since the year 0.
fn month(time: u64) -> u64 {
    let date = Date::from_days(i64::try_from(day(time)).unwrap_or(i64::MAX >> 1));
    u64::try_from(date.year * 12 + date.month).unwrap_or_default()
}

/// Deletes the backups of one database at one stage that the policy does not keep, and unfinished backups that are more
/// than a day old.
///
/// The policy counts only backups that are complete: with a meta file that can be read, and a dump of the size that it
/// says. Damaged ones are not deleted.
///
/// # Errors
///
/// [`ErrorKind::Usage`](lockgate::ErrorKind::Usage) if the policy keeps nothing, or no stage is named;
/// [`ErrorKind::Refused`](lockgate::ErrorKind::Refused) for a protected stage without a reason; and the errors of
/// [`list::list`].
pub async fn prune(subject: &Subject<'_>, options: &Options) -> Result<Pruned, Error> {
    if options.policy == Policy::default() {
        return Err(Error::usage("no option says which backups are kept")
            .help("say how many to keep: `--keep-last 7 --keep-daily 30 --keep-monthly 12`"));
    }
    let Some(stage) = options.stage else {
        return Err(Error::usage("no stage is named")
            .help("name the stage of the backups: `--of development`; `backup list` lists all backups"));
    };
    let why = options.why.as_deref().filter(|why| !why.trim().is_empty());
    if let (BackupStage::Stage(protected), None, false) = (stage, why, options.dry_run)
        && protected.is_protected()
    {
        return Err(Error::refused(format!(
            "these are backups of {protected}, which are not deleted without a reason"
        ))
        .state("nothing was deleted")
        .help("give the reason: `--override-stage \"why\"`; `--dry-run` shows what would be deleted"));
    }
    let database = match &options.database {
        Some(database) => database.clone(),
        None => subject.name()?,
    };
    let listing = list::list(subject.store, &database, Some(stage)).await?;
    let now = now();
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
        // Without its meta file it is no longer a backup, whatever happens next. If this is interrupted, the mark says
        // so: a dump without both has lost its meta file, and is not deleted. A full disk has no room for a mark.
        let _ = subject.store.mark(&name).await;
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
