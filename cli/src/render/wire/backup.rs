//! Backups as JSON.

use lockgate_backup::list::{Broken, Listing};
use lockgate_backup::prune::Pruned;
use lockgate_backup::restore::Restored;
use lockgate_backup::schedule::Change;
use lockgate_backup::{Fetched, Meta, Verified};
use serde::Serialize;

/// A backup, as its meta file describes it.
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub(super) struct BackupValue {
    key: String,
    /// When it was started, in seconds since 1970, in UTC.
    taken_at: u64,
    size: u64,
    sha256: String,
    database: String,
    /// The stage that the database was marked with; null if it was not marked.
    stage: Option<String>,
    /// The name of the set in the history table.
    set: String,
    /// The newest migration that the database has; null if it has none.
    head: Option<String>,
    applied: usize,
    /// `postgres` or `sqlite`.
    dialect: String,
    server_version: String,
    made_by: String,
    /// Name and version of the program that made it.
    program: String,
    /// `asked`, `before-deploy` or `after-deploy`.
    purpose: String,
}

/// The backups of a database, the oldest first.
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub(super) struct ListingValue {
    database: String,
    backups: Vec<BackupValue>,
    /// Unfinished or damaged backups in the store.
    broken: Vec<BrokenValue>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub(super) struct BrokenValue {
    key: String,
    why: String,
    size: u64,
    /// Whether it may still become a backup.
    is_unfinished: bool,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub(super) struct FetchedValue {
    backup: BackupValue,
    file: String,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub(super) struct VerifiedValue {
    backup: BackupValue,
    /// The server on which it was restored.
    on: String,
    has_compared_schema: bool,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub(super) struct PrunedValue {
    kept: Vec<KeptValue>,
    deleted: Vec<BackupValue>,
    /// Unfinished backups that were deleted.
    remains: Vec<BrokenValue>,
    /// Unfinished or damaged backups that were not deleted.
    left: Vec<BrokenValue>,
    is_dry_run: bool,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub(super) struct KeptValue {
    key: String,
    /// `newest`, `last`, `hourly`, `daily`, `monthly`.
    why: Vec<&'static str>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub(super) struct RestoredValue {
    backup: BackupValue,
    database: String,
    /// The name under which the old database is kept; null if there was none.
    kept: Option<String>,
    /// The errors that were ignored.
    ignored: Vec<String>,
    is_dry_run: bool,
}

/// A change to a unit or to the crontab.
#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
pub(super) struct ScheduleValue {
    changes: Vec<ChangeValue>,
    is_dry_run: bool,
}

#[derive(Serialize)]
#[cfg_attr(feature = "json-schema", derive(schemars::JsonSchema))]
struct ChangeValue {
    /// `crontab`, or the path of a unit.
    target: String,
    /// Lockgate's part of it before the change; null if there was none.
    before: Option<String>,
    /// Lockgate's part of it after the change; null if there is none.
    after: Option<String>,
}

impl BackupValue {
    pub(super) fn of(meta: &Meta) -> Self {
        Self {
            key: meta.key.clone(),
            taken_at: meta.taken_at,
            size: meta.size,
            sha256: meta.sha256.clone(),
            database: meta.database.clone(),
            stage: meta.stage.clone(),
            set: meta.set.clone(),
            head: meta.head.clone(),
            applied: meta.applied,
            dialect: meta.dialect.clone(),
            server_version: meta.server_version.clone(),
            made_by: meta.made_by.clone(),
            program: meta.program.clone(),
            purpose: meta.purpose.to_string(),
        }
    }
}

impl BrokenValue {
    fn of(broken: &Broken) -> Self {
        let Broken { key, why, size, is_unfinished, .. } = broken;
        Self { key: key.clone(), why: why.clone(), size: *size, is_unfinished: *is_unfinished }
    }
}

impl ListingValue {
    pub(super) fn of(listing: &Listing, database: &str) -> Self {
        Self {
            database: database.to_owned(),
            backups: listing.backups.iter().map(BackupValue::of).collect(),
            broken: listing.broken.iter().map(BrokenValue::of).collect(),
        }
    }
}

impl FetchedValue {
    pub(super) fn of(fetched: &Fetched) -> Self {
        Self { backup: BackupValue::of(&fetched.meta), file: fetched.file.display().to_string() }
    }
}

impl VerifiedValue {
    pub(super) fn of(verified: &Verified) -> Self {
        let (on, has_compared_schema) = (verified.on.clone(), verified.has_compared_schema);
        Self { backup: BackupValue::of(&verified.meta), on, has_compared_schema }
    }
}

impl PrunedValue {
    pub(super) fn of(pruned: &Pruned) -> Self {
        let kept = pruned.kept.iter().map(|(meta, why)| KeptValue { key: meta.key.clone(), why: why.clone() });
        Self {
            kept: kept.collect(),
            deleted: pruned.deleted.iter().map(BackupValue::of).collect(),
            remains: pruned.remains.iter().map(BrokenValue::of).collect(),
            left: pruned.left.iter().map(BrokenValue::of).collect(),
            is_dry_run: pruned.is_dry_run,
        }
    }
}

impl RestoredValue {
    pub(super) fn of(restored: &Restored) -> Self {
        Self {
            backup: BackupValue::of(&restored.meta),
            database: restored.database.clone(),
            kept: restored.kept.clone(),
            ignored: restored.ignored.clone(),
            is_dry_run: restored.is_dry_run,
        }
    }
}

impl ScheduleValue {
    pub(super) fn of(changes: &[Change], is_dry_run: bool) -> Self {
        let value = |change: &Change| ChangeValue {
            target: change.target.clone(),
            before: change.before.clone(),
            after: change.after.clone(),
        };
        Self { changes: changes.iter().map(value).collect(), is_dry_run }
    }
}
