//! Finds the next number of a folder, and plans new numbers for drafts that are out of order. The xtask carries
//! the plan out.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use lockgate_core::Version;
use lockgate_core::patch;

use crate::folder::name::separator;
use crate::folder::policy::Numbering;
use crate::folder::{Folder, Migration, order, read};
use crate::id::Id;
use crate::lockfile::{Line, LineState, Lockfile};
use crate::time;

/// A version, and its digits in a file name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// The version.
    pub version: Version,
    /// Its digits, as wide as those of the folder: `0007`; for a patch `00000001.0007`.
    pub digits: String,
}

/// A plan to renumber drafts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renumbering {
    /// The old and new ids.
    pub ids: Vec<(Id, Id)>,
    /// The old and new files, tests included. Renamed in this order, no file overwrites another.
    pub renames: Vec<Rename>,
    /// The new lockfile, if the folder has one.
    pub lockfile: Option<Lockfile>,
}

/// A file to rename.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    /// Its path.
    pub from: PathBuf,
    /// Its new path.
    pub to: PathBuf,
    /// Its path as messages show it.
    pub shown_from: String,
    /// Its new path as messages show it.
    pub shown_to: String,
}

/// Returns the version of a new migration. `database` is `None` for a folder whose file names contain no database. `now`
/// is the time in seconds since 1970, for folders that are numbered by timestamps.
///
/// # Errors
///
/// A message, if no number is left, or if a time is needed and `now` is `None`.
pub fn next_version(folder: &Folder, database: Option<&str>, now: Option<i64>) -> Result<Next, String> {
    let last = last(folder, |_| true);
    after(folder.policy.numbering, last.get(&(database, false)), now)
}

/// A database, and whether its bootstraps are meant: these are numbered by themselves.
type Numbered<'a> = (Option<&'a str>, bool);

fn numbered(id: &Id) -> Numbered<'_> {
    (id.database(), id.is_bootstrap())
}

/// Returns the last id of each database, among the folder's migrations and the released ones in the lockfile, whose
/// file may be gone.
fn last(folder: &Folder, counts: impl Fn(&Migration) -> bool) -> BTreeMap<Numbered<'_>, Id> {
    let files = folder.migrations.iter().filter(|migration| counts(migration));
    let released = folder.lockfile.iter().flat_map(Lockfile::lines).filter(|line| line.state != LineState::Draft);
    let mut last: BTreeMap<Numbered<'_>, &Id> = BTreeMap::new();
    for id in files.map(|migration| &migration.id).chain(released.map(|line| &line.id)) {
        let known = last.entry(numbered(id)).or_insert(id);
        if id.version() >= known.version() {
            *known = id;
        }
    }
    last.into_iter().map(|(of, id)| (of, id.clone())).collect()
}

/// Returns the number after that of this id.
fn after(numbering: Numbering, last: Option<&Id>, now: Option<i64>) -> Result<Next, String> {
    if numbering == Numbering::Encoded {
        let version = match last.filter(|last| last.database().is_some()) {
            Some(last) => patch::next(last.version())
                .ok_or_else(|| format!("no minor number is left after `{}`: begin a major one", last.key()))?,
            None => patch::version(1, 1).ok_or("the first patch has the version 1.1")?,
        };
        return Ok(Next { version, digits: patch::numbers(version) });
    }
    let digits = last.map(Id::word);
    let number = digits.and_then(|digits| digits.parse::<i64>().ok());
    let by_time = match numbering {
        Numbering::Timestamp => true,
        Numbering::Any => now.is_some() && digits.is_some_and(time::is_time),
        Numbering::Sequence | Numbering::Ordinal | Numbering::Encoded => false,
    };
    let (number, width) = if by_time {
        let now = now.ok_or("the folder is numbered by time, but no time was given")?;
        // Two migrations in one second, or a slow clock: take the next free second.
        (following(now, number.unwrap_or(0)), 14)
    } else {
        let first = if numbering == Numbering::Ordinal { 0 } else { 1 };
        let width = if numbering == Numbering::Ordinal { 5 } else { digits.map_or(4, str::len) };
        (number.map_or(Some(first), |last| last.checked_add(1)), width)
    };
    let version = number.and_then(Version::new).ok_or("there is no number left after the last migration's")?;
    Ok(Next { version, digits: format!("{:0width$}", version.get()) })
}

/// Returns the first time from `now` on whose number is above `last`; `None` if `last` is not a time.
fn following(now: i64, last: i64) -> Option<i64> {
    let time = time::number(now);
    if time > last { Some(time) } else { time::seconds(last).map(|seconds| time::number(seconds + 1)) }
}

/// Plans new numbers: for one draft, which moves after all others; or without an id for all drafts that share a
/// version with another migration, sort before a released one, or follow a gap where there must be none.
///
/// # Errors
///
/// A message, if there is no such migration, it is released, or there is no next version.
pub fn plan(folder: &Folder, id: Option<&str>, now: Option<i64>) -> Result<Renumbering, String> {
    let moving: Vec<&Migration> = match id {
        Some(id) => vec![one(folder, id)?],
        None => misplaced(folder),
    };
    let ids_of: HashSet<&str> = moving.iter().map(|moving| moving.id.as_str()).collect();
    let moves = |migration: &Migration| ids_of.contains(migration.id.as_str());
    let mut last = last(folder, |migration| !moves(migration));
    let mut ids = Vec::new();
    for migration in &moving {
        let place = numbered(&migration.id);
        if migration.is_bootstrap() && !last.contains_key(&place) {
            // The only bootstrap has its number right.
            last.insert(place, migration.id.clone());
            continue;
        }
        let next = after(folder.policy.numbering, last.get(&place), now)?;
        let separator = separator(folder.policy.numbering);
        let (id, name) = (&migration.id, migration.name());
        let to = match id.database().zip(id.user()) {
            Some((database, user)) => format!("{database}.{}.{user}.{name}", next.digits),
            None => format!("{}{separator}{name}", next.digits),
        };
        let to = Id::parse(&to)?;
        last.insert(place, to.clone());
        if to != migration.id {
            ids.push((migration.id.clone(), to));
        }
    }
    let renames = renames(folder, &ids);
    let lockfile = folder.lockfile.as_ref().map(|lockfile| lockfile.renamed(&ids));
    Ok(Renumbering { ids, renames, lockfile })
}

/// Turns a released migration into a draft, so that [`plan`] can move it. Another released migration must have the
/// same number, and no database may have applied this one.
///
/// # Errors
///
/// A message, if there is no such migration, or no other one has its number.
pub fn thaw(folder: &mut Folder, id: &str) -> Result<(), String> {
    let migration = find(folder, id)?;
    if !migration.frozen {
        return Err(format!("`{}` is a draft already: `--thaw` is for released migrations", migration.id));
    }
    let place = (migration.database(), migration.version());
    let shares = |other: &&Migration| (other.database(), other.version()) == place && other.id != migration.id;
    if !folder.migrations.iter().filter(|other| other.frozen).any(|other| shares(&other)) {
        return Err(format!("`{}` is released and keeps its number: no other released one has it", migration.id));
    }
    let id = migration.id.clone();
    for migration in folder.migrations.iter_mut().filter(|migration| migration.id == id) {
        migration.frozen = false;
        migration.amended.clear();
    }
    folder.lockfile = folder.lockfile.as_ref().map(|lockfile| lockfile.thawed(&id));
    Ok(())
}

fn one<'a>(folder: &'a Folder, id: &str) -> Result<&'a Migration, String> {
    let migration = find(folder, id)?;
    if migration.frozen {
        return Err(format!("`{}` is released and keeps its number, by which databases know it", migration.id));
    }
    Ok(migration)
}

fn find<'a>(folder: &'a Folder, id: &str) -> Result<&'a Migration, String> {
    // A patch may be named by its key.
    let of_key = || folder.migrations.iter().find(|migration| migration.id.key() == id);
    folder.find(id).or_else(of_key).ok_or_else(|| {
        let near = crate::sql::suggest::nearest(id, folder.migrations.iter().map(|migration| migration.id.as_str()));
        let hint = near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
        format!("there is no migration `{id}` in `{}`{hint}", folder.shown)
    })
}

/// Returns the drafts that must move.
fn misplaced(folder: &Folder) -> Vec<&Migration> {
    let places: BTreeSet<Numbered<'_>> = folder.migrations.iter().map(|migration| numbered(&migration.id)).collect();
    places.into_iter().flat_map(|place| misplaced_of(folder, place)).collect()
}

fn misplaced_of<'a>(folder: &'a Folder, place: Numbered<'_>) -> Vec<&'a Migration> {
    let migrations: Vec<&Migration> =
        folder.migrations.iter().filter(|migration| numbered(&migration.id) == place).collect();
    let newest = migrations.iter().rfind(|migration| migration.frozen).map(|migration| migration.version());
    let (mut moving, mut staying) = (Vec::new(), Vec::<Version>::new());
    let frozen: Vec<Version> =
        migrations.iter().filter(|migration| migration.frozen).map(|migration| migration.version()).collect();
    // In a sequence, everything after a moved draft moves up.
    let dense = matches!(folder.policy.numbering, Numbering::Sequence | Numbering::Ordinal);
    let first = if folder.policy.numbering == Numbering::Ordinal { 0 } else { 1 };
    for migration in migrations.into_iter().filter(|migration| !migration.frozen) {
        let taken = staying.last() == Some(&migration.version()) || frozen.binary_search(&migration.version()).is_ok();
        let before = Some(migration.version()) < newest;
        let expected = staying.last().copied().max(newest).map_or(first, |last| last.get() + 1);
        let gap = dense && (!moving.is_empty() || migration.version().get() != expected);
        if taken || before || gap {
            moving.push(migration);
        } else {
            staying.push(migration.version());
        }
    }
    moving
}

fn renames(folder: &Folder, ids: &[(Id, Id)]) -> Vec<Rename> {
    let tests = &folder.tests.directory;
    let present = read::names(tests);
    let mut renames = Vec::new();
    for (from, to) in ids {
        let Some(migration) = folder.find(from) else { continue };
        for script in migration.files() {
            let name = format!("{to}{}", script.kind.suffix());
            let path = match script.path.rsplit_once('/') {
                Some((directory, _)) => format!("{directory}/{name}"),
                None => name.clone(),
            };
            renames.push(Rename {
                from: script.absolute.clone(),
                to: script.absolute.with_file_name(name),
                shown_from: folder.show(&script.path),
                shown_to: folder.show(&path),
            });
        }
        let (from, to) = (from.key(), to.key());
        // Of two patches of one key, the other may have written the test.
        let is_shared = order::is_duplicate(folder, migration) && migration.database().is_some();
        if present.contains(&format!("{from}.rs")) && !is_shared {
            renames.push(Rename {
                from: tests.join(format!("{from}.rs")),
                to: tests.join(format!("{to}.rs")),
                shown_from: folder.shown_test(from),
                shown_to: folder.shown_test(to),
            });
        }
    }
    in_order(renames)
}

/// Each file moves only to where no other file of the list still stands, but where they change places in a ring.
fn in_order(renames: Vec<Rename>) -> Vec<Rename> {
    let at: HashMap<PathBuf, usize> =
        renames.iter().enumerate().map(|(at, rename)| (rename.from.clone(), at)).collect();
    let mut left: Vec<Option<Rename>> = renames.into_iter().map(Some).collect();
    let mut ordered = Vec::with_capacity(left.len());
    for first in 0..left.len() {
        // Those that wait for one another, the last of whom waits for none.
        let mut chain = Vec::new();
        let mut next = Some(first);
        while let Some(rename) = next.and_then(|next| left[next].take()) {
            next = at.get(&rename.to).copied();
            chain.push(rename);
        }
        ordered.extend(chain.into_iter().rev());
    }
    ordered
}

impl Lockfile {
    /// The same with a draft for this migration.
    fn thawed(&self, id: &Id) -> Self {
        // A patch may have another name than its line.
        let released = self.find(id).map(|line| &line.id);
        let thaw = |line: &Line| if Some(&line.id) == released { Line::draft(id.clone()) } else { line.clone() };
        Self::of(self.lines().iter().map(thaw).collect())
    }

    /// The same with other ids for its drafts.
    fn renamed(&self, ids: &[(Id, Id)]) -> Self {
        let new: HashMap<&Id, &Id> = ids.iter().map(|(from, to)| (from, to)).collect();
        let mut lines: Vec<Line> = self.lines().to_vec();
        for line in lines.iter_mut().filter(|line| line.state == LineState::Draft) {
            if let Some(&to) = new.get(&line.id) {
                *line = Line::draft(to.clone());
            }
        }
        // A draft that came with a merge may have no line yet.
        let known: HashSet<Id> = lines.iter().map(|line| line.id.clone()).collect();
        lines.extend(ids.iter().filter(|(_, to)| !known.contains(to)).map(|(_, to)| Line::draft(to.clone())));
        Self::of(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(numbering: Numbering, last: Option<&str>, now: Option<i64>) -> String {
        let last = last.map(|last| Id::parse(last).unwrap());
        after(numbering, last.as_ref(), now).map_or_else(|error| error, |next| next.digits)
    }

    #[test]
    fn the_next_number_is_as_wide_as_the_last() {
        assert_eq!(next(Numbering::Any, None, Some(0)), "0001");
        assert_eq!(next(Numbering::Sequence, Some("030_foo"), None), "031");
        assert_eq!(next(Numbering::Any, Some("9_x"), None), "10");
        assert_eq!(next(Numbering::Ordinal, None, None), "00000");
        assert_eq!(next(Numbering::Ordinal, Some("00009-x"), None), "00010");
        assert_eq!(
            next(Numbering::Any, Some("9223372036854775807_x"), None),
            "there is no number left after the last migration's"
        );
    }

    #[test]
    fn folders_numbered_by_time_continue_with_times() {
        assert_eq!(time::number(0), 19_700_101_000_000);
        assert_eq!(time::number(951_827_696), 20_000_229_123_456);
        assert_eq!(time::number(1_795_179_600), 20_261_120_130_000);
        assert_eq!(time::number(32_503_679_999), 29_991_231_235_959);
        assert_eq!(next(Numbering::Timestamp, None, Some(0)), "19700101000000");
        assert_eq!(next(Numbering::Any, Some("20230331140529_x"), Some(1_795_179_600)), "20261120130000");
        assert_eq!(next(Numbering::Any, Some("20230331140529_x"), None), "20230331140530");
        assert_eq!(next(Numbering::Timestamp, Some("20261120130000_x"), Some(1_795_179_600)), "20261120130001");
        assert_eq!(next(Numbering::Timestamp, Some("20261120135959_x"), Some(1_795_179_600)), "20261120140000");
        assert_eq!(next(Numbering::Timestamp, None, None), "the folder is numbered by time, but no time was given");
    }

    fn rename(from: usize, to: usize) -> Rename {
        let [from, to] = [from, to].map(|n| format!("{n:06}.sql"));
        Rename { from: from.clone().into(), to: to.clone().into(), shown_from: from, shown_to: to }
    }

    /// In a row of so many, each waits for the one after it: to look through all for each would take days.
    #[test]
    fn a_long_row_is_put_in_order_at_once() {
        const FILES: usize = 100_000;
        let ordered = in_order((0..FILES).map(|n| rename(n, n + 1)).collect());
        let mut there: HashSet<PathBuf> = ordered.iter().map(|rename| rename.from.clone()).collect();
        for rename in &ordered {
            there.remove(&rename.from);
            assert!(there.insert(rename.to.clone()), "{} is in the way", rename.shown_to);
        }
        assert_eq!((ordered.len(), there.len()), (FILES, FILES));
    }

    #[test]
    fn migrations_that_swap_numbers_are_all_kept() {
        let pairs = |renames: Vec<Rename>| {
            let mut pairs: Vec<_> = renames.into_iter().map(|rename| (rename.shown_from, rename.shown_to)).collect();
            pairs.sort();
            pairs
        };
        let ring = || vec![rename(1, 2), rename(2, 3), rename(3, 1), rename(5, 5), rename(7, 2)];
        assert_eq!(pairs(in_order(ring())), pairs(ring()));
    }

    /// The lockfile of a folder in which every draft gets another number.
    #[test]
    fn all_lines_are_renamed_at_once() {
        const FILES: usize = 50_000;
        let id = |n: usize| Id::parse(&format!("{n:06}_a")).unwrap();
        let before = Lockfile::of((1..=FILES).map(|n| Line::draft(id(n))).collect());
        let ids: Vec<_> = (1..=FILES).map(|n| (id(n), id(n + FILES))).collect();
        let after = before.renamed(&ids);
        assert_eq!(after.lines().len(), FILES);
        assert_eq!(after.lines()[0].id, id(1 + FILES));
        // One that came with a merge has no line yet.
        assert_eq!(Lockfile::of(Vec::new()).renamed(&ids).lines().len(), FILES);
    }
}
