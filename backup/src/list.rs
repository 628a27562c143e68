//! Lists what is in a store: backups, and files that are not complete backups.

use futures_util::{StreamExt, TryStreamExt, stream};
use lockgate::ErrorKind;

use crate::error::Error;
use crate::meta::Meta;
use crate::store::{Name, Store};
use crate::subject::{BackupChoice, BackupStage, Subject};

/// How many meta files are read at once.
const AT_ONCE: usize = 8;

/// The backups of a database in a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing {
    /// The backups, the oldest first.
    pub backups: Vec<Meta>,
    /// Backups that are unfinished or damaged.
    pub broken: Vec<Broken>,
}

/// An unfinished or damaged backup.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Broken {
    /// The key that the dump has, or would have.
    pub key: String,
    /// Why it is not a backup.
    pub why: String,
    /// How many bytes it takes.
    pub size: u64,
    /// When it was last written, in seconds since 1970.
    pub changed_at: u64,
    /// Whether it may still become a backup: it is incomplete, but nothing in it is wrong.
    pub is_unfinished: bool,
}

/// Lists the backups of a database, of one stage or of all.
///
/// # Errors
///
/// [`ErrorKind::Usage`] if the name is empty;
/// [`ErrorKind::Denied`] and [`ErrorKind::Failed`] if the store
/// cannot be read.
pub async fn list(store: &Store, database: &str, stage: Option<BackupStage>) -> Result<Listing, Error> {
    if database.is_empty() {
        // It would mean the backups of all databases.
        return Err(Error::usage("the name of the database is empty")
            .help("name it, `--database NAME`, or omit the option for the database of the URL"));
    }
    let folder = stage.map_or_else(|| Name::folder_of_all(database), |stage| Name::folder_of(database, stage));
    let mut names: std::collections::BTreeMap<Name, Parts> = std::collections::BTreeMap::new();
    for (key, object) in store.objects_in(&folder).await? {
        let Some(name) = Name::of_key(&key) else { continue };
        let parts = names.entry(name.clone()).or_default();
        parts.size += object.size;
        parts.changed_at = parts.changed_at.max(u64::try_from(object.last_modified.timestamp()).unwrap_or_default());
        if key == name.dump() {
            parts.dump = Some(object.size);
        } else if key == name.meta() {
            parts.has_meta = true;
        } else if key == name.mark() {
            parts.has_mark = true;
        }
    }
    let read: Vec<Result<Meta, Broken>> =
        stream::iter(names).map(|(name, parts)| examine(store, name, parts)).buffered(AT_ONCE).try_collect().await?;
    let mut listing = Listing::default();
    for found in read {
        match found {
            Ok(meta) => listing.backups.push(meta),
            Err(broken) => listing.broken.push(broken),
        }
    }
    listing.broken.extend(store.staged_in(&folder).into_iter().map(|(key, size, changed_at)| Broken {
        key,
        why: "it is part of a dump that is being written, or was interrupted".to_owned(),
        size,
        changed_at,
        is_unfinished: true,
    }));
    listing.backups.sort_by(|a, b| (a.taken_at, &a.key).cmp(&(b.taken_at, &b.key)));
    Ok(listing)
}

/// The objects of one name.
#[derive(Clone, Copy, Default)]
struct Parts {
    dump: Option<u64>,
    has_meta: bool,
    /// Whether a backup of this name was started, and has not ended.
    has_mark: bool,
    size: u64,
    changed_at: u64,
}

async fn examine(store: &Store, name: Name, parts: Parts) -> Result<Result<Meta, Broken>, Error> {
    let broken = |why: String, is_unfinished| Broken {
        key: name.dump(),
        why,
        size: parts.size,
        changed_at: parts.changed_at,
        is_unfinished,
    };
    if !parts.has_meta && parts.has_mark {
        return Ok(Err(broken(
            "it has no meta file: the backup is still running, or was interrupted".to_owned(),
            true,
        )));
    }
    let text = match store.get(&name.meta()).await {
        Ok(text) => text,
        // A backup that has ended after its folder was listed has one now.
        Err(error) if !parts.has_meta && error.kind() == ErrorKind::Unreachable => {
            return Ok(Err(broken("its meta file is missing".to_owned(), false)));
        }
        Err(error) => return Err(error),
    };
    let meta = match Meta::read(&text, &name.dump()) {
        Ok(meta) => meta,
        Err(error) => return Ok(Err(broken(error.to_string(), false))),
    };
    Ok(match parts.dump {
        None => Err(broken("its dump is missing".to_owned(), false)),
        Some(size) if size != meta.size => {
            Err(broken(format!("its dump has {size} bytes instead of {}", meta.size), false))
        }
        Some(_) => Ok(meta),
    })
}

/// Finds the backup that a choice means.
///
/// # Errors
///
/// [`ErrorKind::Refused`] if there is none, if it is broken, if no key is given and a broken
/// one is newer than the newest that is not, or if there are backups of several stages and none is named; and those of
/// [`list`].
pub async fn choose(subject: &Subject<'_>, choice: &BackupChoice) -> Result<Meta, Error> {
    let database = match &choice.database {
        Some(database) => database.clone(),
        None => subject.name()?,
    };
    let listing = list(subject.store, &database, choice.stage).await?;
    let shows = || match &choice.database {
        Some(database) => format!("`backup list --database {database}` lists all backups"),
        None => "`backup list` lists all backups".to_owned(),
    };
    if let Some(key) = &choice.key {
        let is_meant = |found: &str| {
            let plain = found.strip_suffix(".dump").unwrap_or(found);
            let asked = key.strip_suffix(".dump").unwrap_or(key);
            plain == asked || plain.rsplit('/').next() == Some(asked)
        };
        if let Some(broken) = listing.broken.iter().find(|broken| is_meant(&broken.key)) {
            return Err(Error::refused(format!("`{}` is not a backup: {}", broken.key, broken.why)).help(shows()));
        }
        let mut found = listing.backups.into_iter().filter(|meta| is_meant(&meta.key));
        return match (found.next(), found.next()) {
            (Some(meta), None) => Ok(meta),
            (Some(first), Some(second)) => {
                let what = format!("`{key}` can mean `{}` or `{}`", first.key, second.key);
                Err(Error::refused(what).help("give the whole key"))
            }
            (None, _) => {
                let what = format!("the store {} has no backup `{key}` of `{database}`", subject.store);
                Err(Error::refused(what).help(shows()))
            }
        };
    }
    let mut stages: Vec<&str> =
        listing.backups.iter().map(|meta| meta.stage.as_deref().unwrap_or("unmarked")).collect();
    stages.sort_unstable();
    stages.dedup();
    if stages.len() > 1 {
        let what = format!("the store has backups of `{database}` at several stages: {}", stages.join(", "));
        return Err(Error::refused(what).help(format!("choose one: `--of {}`", stages[0])));
    }
    let of = choice.stage.map(|stage| format!(" at the stage {stage}")).unwrap_or_default();
    let newest = listing.backups.into_iter().next_back();
    // An older one in its place would be a surprise.
    let time = |broken: &Broken| Name::of_key(&broken.key).and_then(|name| name.time().parse::<u64>().ok());
    let is_newer = |at: u64| newest.as_ref().is_none_or(|meta| at > meta.taken_at);
    let (unfinished, finished): (Vec<_>, Vec<_>) = listing.broken.into_iter().partition(|broken| broken.is_unfinished);
    if let Some((at, broken)) =
        finished.into_iter().filter_map(|broken| Some((time(&broken)?, broken))).max_by_key(|(at, _)| *at)
        && is_newer(at)
    {
        let error = Error::refused(format!("the newest backup, `{}`, is broken: {}", broken.key, broken.why));
        let other = newest.map(|meta| format!("give the key of the one before it, `{}`, or ", meta.key));
        let files = format!("`{}` and `{}.json`", broken.key, broken.key.trim_end_matches(".dump"));
        return Err(error.help(format!(
            "{}delete what is left of it from the store: {files}; {}",
            other.unwrap_or_default(),
            shows()
        )));
    }
    if let Some(taken) = &newest {
        // It may be running at this moment, so it is no reason to refuse the one before it.
        for broken in unfinished.iter().filter(|broken| time(broken).is_some_and(is_newer)) {
            subject.note(format!("`{}` is newer than `{}`, and is passed over: {}", broken.key, taken.key, broken.why));
        }
    }
    newest.ok_or_else(|| {
        let what = format!("the store {} has no backup of `{database}`{of}", subject.store);
        Error::refused(what).help("`backup create` makes one; `--database NAME` names another database")
    })
}
