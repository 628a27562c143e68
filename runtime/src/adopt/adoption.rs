//! A history of another tool compared with the embedded migrations.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use lockgate_core::{Audience, Body, History, Migration, Set, Version};

use super::matching::{Matched, plain};
use super::options::Adopt;
use super::record::{Key, Record, Unfinished};
use super::text::{Compared, compare};
use super::tool::Tool;
use crate::error::{Error, Wording};
use crate::history_table::Adopted;

/// The summary of a refusal.
pub(super) const REFUSES: &str = "`adopt` refuses";

/// How the history of another tool and the embedded migrations compare: what [`Migrator::adopt`](crate::Migrator::adopt)
/// would take over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Adoption {
    /// The tool, for messages: `sqlx`.
    pub tool: String,
    /// Where its history is: a table, or a file.
    pub place: String,
    /// Whether the tool keeps checksums. If not, an edit of a file after it was applied cannot be detected.
    pub has_checksums: bool,
    /// Every migration that is embedded or recorded, in the order of the versions. Those that are not embedded come
    /// last.
    pub entries: Vec<AdoptionEntry>,
    pub(super) problems: Vec<(String, Wording)>,
    pub(super) records: BTreeMap<Version, Adopted>,
}

/// One migration of an [`Adoption`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdoptionEntry {
    /// Version and name as in the file name, or as the other tool shows it if it is not embedded.
    pub id: String,
    /// How the two compare.
    pub finding: Finding,
    /// When the other tool applied it, as RFC 3339 in UTC, if that is recorded.
    pub applied_at: Option<String>,
    /// Whether Lockgate's history has it already.
    pub is_recorded: bool,
    /// Whether the migration is embedded and not in the lockfile yet.
    pub is_draft: bool,
}

/// How a migration compares with what another tool has recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// It is recorded, and its checksum is that of the file.
    Match,
    /// It is recorded. The file differs from what was applied only in line endings or a byte order mark.
    LineEndings,
    /// It is recorded, and there is no checksum to compare.
    Recorded,
    /// It is recorded, and the file was edited.
    Modified,
    /// It is recorded under this name, and there is no checksum to compare.
    Renamed(String),
    /// It is recorded, and the tool says that it is not fully applied.
    Unfinished,
    /// It is recorded and not embedded.
    Missing,
    /// It is embedded and not recorded: it is applied next.
    Pending,
    /// It is embedded and not recorded, although a later one is.
    Late,
}

impl Finding {
    /// A stable name, for programs: `line-endings`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::LineEndings => "line-endings",
            Self::Recorded => "recorded",
            Self::Modified => "modified",
            Self::Renamed(_) => "renamed",
            Self::Unfinished => "unfinished",
            Self::Missing => "missing",
            Self::Pending => "pending",
            Self::Late => "late",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Match => "match",
            Self::LineEndings => "line endings only",
            Self::Recorded => "recorded",
            Self::Modified => "modified",
            Self::Renamed(name) => return write!(f, "recorded as `{name}`"),
            Self::Unfinished => "not finished",
            Self::Missing => "missing: recorded, no file",
            Self::Pending => "not recorded",
            Self::Late => "not recorded, but later ones are",
        })
    }
}

impl Adoption {
    /// How many migrations would be recorded.
    pub fn to_record(&self) -> usize {
        self.entries.iter().filter(|entry| entry.is_taken() && !entry.is_recorded).count()
    }

    /// The error with which [`Migrator::adopt`](crate::Migrator::adopt) would refuse. `None` if all is well.
    pub fn refusal(&self) -> Option<Error> {
        (!self.problems.is_empty()).then(|| Error::refused_for(REFUSES, &self.problems))
    }

    /// Why nothing can be taken over, each with what to do about it, in the words of an audience. Empty if all is well.
    pub fn problems(&self, audience: Audience) -> impl Iterator<Item = (&str, &str)> {
        self.problems.iter().map(move |(problem, help)| (problem.as_str(), help.to(audience)))
    }
}

/// One line for each migration.
impl fmt::Display for Adoption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "history of {} in `{}`", self.tool, self.place)?;
        self.entries.iter().try_for_each(|entry| write!(f, "\n  {}: {}", entry.id, entry.finding))
    }
}

impl AdoptionEntry {
    /// Whether the other tool has applied it and it is embedded.
    pub fn is_taken(&self) -> bool {
        match self.finding {
            Finding::Match | Finding::LineEndings | Finding::Recorded | Finding::Modified | Finding::Renamed(_) => true,
            Finding::Unfinished | Finding::Missing | Finding::Pending | Finding::Late => false,
        }
    }
}

/// Compares a history with the embedded migrations.
pub(super) fn adoption(
    set: &Set,
    own: &History,
    tool: &Tool,
    place: String,
    matched: Vec<Matched>,
    options: &Adopt,
) -> Adoption {
    let mut adoption = Adoption {
        tool: tool.shown.to_owned(),
        place,
        has_checksums: tool.verify.is_some(),
        entries: Vec::new(),
        problems: Vec::new(),
        records: BTreeMap::new(),
    };
    let (embedded, missing): (Vec<_>, Vec<_>) = matched.into_iter().partition(|matched| matched.migration.is_some());
    let by_version: BTreeMap<Version, Record> =
        embedded.into_iter().filter_map(|matched| Some((matched.migration?.version(), matched.record))).collect();
    let newest = by_version.keys().rev().find(|version| set.find(**version).is_some()).copied();
    for migration in set.iter() {
        let version = migration.version();
        let record = by_version.get(&version);
        let finding = match record {
            Some(record) => finding(tool, record, &migration),
            None if newest.is_some_and(|newest| version < newest) => Finding::Late,
            None => Finding::Pending,
        };
        let entry = AdoptionEntry {
            id: migration.id().to_owned(),
            applied_at: record.and_then(|record| record.applied_at.clone()),
            is_recorded: own.row(version).is_some(),
            is_draft: !migration.is_frozen(),
            finding,
        };
        if let Some(record) = record {
            adoption.judge(record, &entry, options);
            if entry.is_taken() {
                let adopted = adopted(tool, &adoption.place, record, &entry.finding, options);
                adoption.records.insert(version, adopted);
            }
        }
        adoption.entries.push(entry);
    }
    for script in set.repeatables() {
        let record = by_version.get(&script.version());
        // One that has changed since simply runs again.
        let finding = record.map(|record| finding(tool, record, &script));
        let same = finding.filter(|finding| matches!(finding, Finding::Match | Finding::LineEndings));
        if let (Some(record), Some(finding)) = (record, &same) {
            let adopted = adopted(tool, &adoption.place, record, finding, options);
            adoption.records.insert(script.version(), adopted);
        }
        adoption.entries.push(AdoptionEntry {
            id: script.id().to_owned(),
            applied_at: record.and_then(|record| record.applied_at.clone()),
            is_recorded: own.row(script.version()).is_some(),
            is_draft: false,
            finding: same.unwrap_or(Finding::Pending),
        });
    }
    let mut shown: BTreeSet<String> = BTreeSet::new();
    for Matched { record, .. } in missing.into_iter().filter(|missing| shown.insert(missing.record.shown.clone())) {
        adoption.miss(&record, options);
        adoption.entries.push(AdoptionEntry {
            id: record.shown,
            finding: Finding::Missing,
            applied_at: record.applied_at,
            is_recorded: false,
            is_draft: false,
        });
    }
    adoption
}

fn finding(tool: &Tool, record: &Record, migration: &Migration) -> Finding {
    if record.unfinished.is_some() {
        return Finding::Unfinished;
    }
    match (tool.verify, &record.checksum, migration.up().body()) {
        (Some(verify), Some(_), Body::Sql(text)) => match compare(text, |text| verify(record, text)) {
            Compared::Same => Finding::Match,
            Compared::LineEndings => Finding::LineEndings,
            Compared::Otherwise => Finding::Modified,
        },
        _ => match &record.name {
            // A name may have a number before it, or the number may be in its middle.
            Some(name) if !same_name(name, migration) => Finding::Renamed(record.shown.clone()),
            Some(_) | None => Finding::Recorded,
        },
    }
}

fn same_name(recorded: &str, migration: &Migration) -> bool {
    let recorded = plain(recorded);
    recorded == plain(migration.name()) || recorded == plain(migration.id())
}

/// What our history and log say of a migration that was taken over.
fn adopted(tool: &Tool, place: &str, record: &Record, finding: &Finding, options: &Adopt) -> Adopted {
    let mut detail = format!("from {}, `{place}`: {finding}", tool.shown);
    let accepted = options.accept_modified.as_ref();
    if let (Finding::Modified | Finding::Renamed(_), Some(reason)) = (finding, accepted) {
        detail.push_str(&format!("; accepted: {reason}"));
    }
    if let Some(reason) = &options.without_missing {
        detail.push_str(&format!("; missing ones were left out: {reason}"));
    }
    if record.applied_at.is_none() {
        detail.push_str("; the time is that of the adoption");
    }
    Adopted {
        applied_at: record.applied_at.clone(),
        elapsed: record.elapsed,
        applied_by: record.applied_by.clone(),
        detail,
    }
}

/// What accepts files that differ.
fn accept(audience: Audience) -> &'static str {
    match audience {
        Audience::Rust => "say so with `Adopt::accept_modified(\"why\")`",
        Audience::CommandLine => "add `--accept-modified \"why\"`",
    }
}

impl Adoption {
    /// Notes what prevents the adoption of an embedded migration.
    fn judge(&mut self, record: &Record, entry: &AdoptionEntry, options: &Adopt) {
        let (id, tool) = (&entry.id, &self.tool);
        match &entry.finding {
            Finding::Unfinished => {
                let Some(Unfinished { why, finished, undone }) = &record.unfinished else { return };
                let problem = format!("`{id}` is not fully applied: {why} in `{}`", self.place);
                let help = format!(
                    "look which of its statements the database has. Finish it by hand and run `{finished}`, or undo it by \
                     hand and run `{undone}`"
                );
                self.problems.push((problem, help.into()));
            }
            Finding::Modified if options.accept_modified.is_none() => {
                let problem = format!("`{id}` was edited after {tool} had applied it: the checksum is another");
                self.problems.push((
                    problem,
                    Wording::each(|audience| {
                        format!(
                            "restore the file as it was when it was applied; if the database has what the file says now, {}",
                            accept(audience)
                        )
                    }),
                ));
            }
            Finding::Renamed(name) if options.accept_modified.is_none() => {
                let problem = format!("`{id}` is recorded as `{name}`, and {tool} keeps no checksum to compare");
                self.problems.push((
                    problem,
                    Wording::each(|audience| {
                        format!(
                            "give the file the name that is recorded; if it is the same migration, {}",
                            accept(audience)
                        )
                    }),
                ));
            }
            _ => {}
        }
    }

    /// Notes a recorded migration that is not embedded.
    fn miss(&mut self, record: &Record, options: &Adopt) {
        if options.without_missing.is_some() {
            return;
        }
        let (shown, tool) = (&record.shown, &self.tool);
        let (problem, help) = match &record.key {
            Key::Revision(_) => (
                format!("no embedded migration is the revision `{shown}`"),
                Wording::each(|audience| {
                    let last = match audience {
                        Audience::Rust => "`Adopt::up_to(version)`",
                        Audience::CommandLine => "`--up-to VERSION`",
                    };
                    format!(
                        "write the revision into the name or into a comment of its file (`-- revision: {shown}`), or name \
                         the last migration that the database has with {last}"
                    )
                }),
            ),
            Key::Count(count) => (
                format!("{tool} has applied {count} migrations, and the program embeds fewer"),
                "bring the missing files back, in the order in which they were applied".into(),
            ),
            _ => (
                format!("{tool} has applied `{shown}`, and the program embeds no such migration"),
                Wording::each(|audience| {
                    let without = match audience {
                        Audience::Rust => "`Adopt::without_missing(\"why\")`",
                        Audience::CommandLine => "`--without-missing \"why\"`",
                    };
                    format!("bring its file back, or leave it out of Lockgate's history with {without}")
                }),
            ),
        };
        self.problems.push((problem, help));
    }
}
