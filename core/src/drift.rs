//! Every way in which a history can differ from the set that a program embeds.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::patch::Patch;
use crate::{Body, Checksum, Dialect, Front, History, Migration, Row, Script, Set, State, Statement, Version};

/// One difference between a set and a history.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Drift {
    /// Applied with another text than the embedded one.
    Edited {
        /// The migration, as its file names it.
        id: String,
        /// What the database recorded.
        recorded: Checksum,
        /// What the program embeds.
        embedded: Checksum,
        /// Whether the lockfile records it: a draft may be reverted with its new text, a frozen one
        /// not.
        frozen: bool,
        /// Whether the recorded text is one from before the migration was amended.
        amended: bool,
        /// Whether it is wholly there with the text that the database recorded.
        state: State,
    },
    /// Applied under another name, with the embedded text.
    Renamed {
        /// The migration, as its file names it.
        id: String,
        /// The name that the database recorded.
        recorded: String,
    },
    /// Another migration is recorded at its version: both name and text differ, as when two
    /// branches took the same number.
    Replaced {
        /// The embedded migration, as its file names it.
        id: String,
        /// Version and name as recorded.
        recorded: String,
        /// The embedded migration with exactly the recorded text, if there is one: it was
        /// renumbered.
        same_text_as: Option<String>,
    },
    /// Recorded, not embedded, and either older than the newest embedded migration or embedded
    /// under another version.
    Unknown {
        /// Version and name as recorded.
        id: String,
        /// The version.
        version: Version,
        /// Whether it is wholly there.
        state: State,
        /// The embedded migration with exactly its text, if there is one: it was renumbered.
        same_text_as: Option<String>,
    },
    /// Recorded, and by its name for another database than the embedded ones: all else that differs
    /// comes from that.
    OtherDatabase {
        /// Version and name as recorded.
        id: String,
        /// The database that the embedded migrations are for.
        embedded: String,
        /// The one that the recorded migration is for.
        recorded: String,
    },
    /// Recorded and newer than every embedded migration: the program may be an old build.
    Ahead {
        /// Version and name as recorded.
        id: String,
        /// The version.
        version: Version,
        /// Whether it is wholly there: the build that embeds it may be at it right now.
        state: State,
    },
    /// Frozen and embedded, but not recorded although a newer one is.
    Missing {
        /// The migration, as its file names it.
        id: String,
        /// The newest recorded one.
        newest: String,
    },
    /// Embedded as a draft, but not recorded although a newer one is: it was added late.
    OutOfOrder {
        /// The migration, as its file names it.
        id: String,
        /// The newest recorded one.
        newest: String,
    },
    /// Embedded, stopped half way, and what has finished is not what its script begins with now.
    FinishedEdited {
        /// The migration, as its file names it.
        id: String,
        /// The direction in which it stopped: [`State::Partial`] or [`State::Reverting`].
        state: State,
        /// How many of its statements have finished.
        statements_done: u32,
        /// What stands in the place of those now, each with its file and line.
        now: Vec<String>,
    },
    /// Embedded, and stopped half way.
    Partial {
        /// The migration, as its file names it.
        id: String,
        /// The direction in which it stopped: [`State::Partial`] or [`State::Reverting`].
        state: State,
        /// How many of its statements have finished.
        statements_done: u32,
    },
}

impl Drift {
    /// A stable word for it: `edited`, `renamed`, `replaced`, `unknown`, `other-database`, `ahead`,
    /// `missing`, `out-of-order`, `finished-edited`, `partial`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Edited { .. } => "edited",
            Self::Renamed { .. } => "renamed",
            Self::Replaced { .. } => "replaced",
            Self::Unknown { .. } => "unknown",
            Self::OtherDatabase { .. } => "other-database",
            Self::Ahead { .. } => "ahead",
            Self::Missing { .. } => "missing",
            Self::OutOfOrder { .. } => "out-of-order",
            Self::FinishedEdited { .. } => "finished-edited",
            Self::Partial { .. } => "partial",
        }
    }

    /// The migration that it is about, as its file or its row names it.
    pub fn id(&self) -> &str {
        match self {
            Self::Edited { id, .. }
            | Self::Renamed { id, .. }
            | Self::Replaced { id, .. }
            | Self::Unknown { id, .. }
            | Self::OtherDatabase { id, .. }
            | Self::Ahead { id, .. }
            | Self::Missing { id, .. }
            | Self::OutOfOrder { id, .. }
            | Self::FinishedEdited { id, .. }
            | Self::Partial { id, .. } => id,
        }
    }

    /// What to do about it, for whoever calls from Rust.
    pub fn help(&self) -> String {
        self.help_for(Front::Rust)
    }

    /// What to do about it, in the words of a front.
    pub fn help_for(&self, front: Front) -> String {
        let (up, down, down_1) = (front.up(), front.down(), front.down_by(1));
        match self {
            Self::Edited { id, state: State::Partial, .. } => format!(
                "put the text back that it stopped with, and {up} goes on where it stopped; or {}",
                by_hand(front, id)
            ),
            Self::Edited { state: State::Reverting, .. } => {
                format!("put the applied text back, and {down_1} goes on where it stopped")
            }
            Self::Edited { id, amended: true, .. } => format!(
                "change the database by hand to what the amended text of `{id}` makes, and record that with {}; \
                 `migrations.lock` says why it was amended",
                front.accept_edited()
            ),
            Self::Edited { id, frozen: true, .. } => format!(
                "put the applied text of `{id}` back and write the change as a new migration; if the database already \
                 is as the new text says, {} records that",
                front.accept_edited()
            ),
            Self::Edited { id, frozen: false, .. } => format!(
                "put the applied text of `{id}` back and write the change as a new migration; or, while it is a draft \
                 of your own, revert it with {down} and run {up}; if the database already is as the new text says, {} \
                 records that",
                front.accept_edited()
            ),
            Self::Renamed { id, recorded } => format!(
                "give `{id}` its old name `{recorded}` back, or record the new one with {}",
                front.accept_edited()
            ),
            Self::Replaced { recorded, same_text_as: Some(now), .. } => format!(
                "`{now}` has exactly the text of `{recorded}`: revert `{recorded}` with the build that applied it, \
                 then run {up} with this one"
            ),
            Self::Replaced { id, recorded, same_text_as: None } => format!(
                "bring `{recorded}` back, or, if it was a draft of another branch, revert it with the build that \
                 applied it; if the database already is as `{id}` says, {} records that",
                front.mark_applied(id)
            ),
            Self::Unknown { same_text_as: Some(now), .. } => {
                format!("`{now}` has exactly its text: an applied migration keeps its version, so number it back")
            }
            Self::Unknown { id, version, same_text_as: None, .. } => format!(
                "bring the file of `{id}` back: what was applied somewhere is never deleted or renumbered; if it was a \
                 draft of another branch, revert it with the build that applied it; if its text is part of another \
                 migration now, or what it did was undone by hand, {} takes its row out, and {} records a migration \
                 whose effect is there without running it",
                front.forget(version),
                front.baseline("VERSION")
            ),
            Self::OtherDatabase { embedded, .. } => format!(
                "connect to the database of `{embedded}`; where one database is to hold the histories of both, give this \
                 one a name of its own there: {}",
                front.set(embedded)
            ),
            Self::Ahead { id, version, .. } => format!(
                "is this an old build? run the build that applied it; if the file of `{id}` is gone for good and what \
                 it did was undone by hand, {} takes its row out",
                front.forget(version)
            ),
            Self::Missing { id, .. } => format!(
                "if the database already has what `{id}` does, record that with {}; if not, {} runs it late",
                front.baseline(id),
                front.out_of_order()
            ),
            Self::OutOfOrder { id, .. } => format!(
                "give it a number above the newest one (`cargo xtask renumber {id}`), or run it late with {}; if the \
                 database already has what it does, record it with {}",
                front.out_of_order(),
                front.baseline(id)
            ),
            Self::FinishedEdited { id, state, statements_done, now } => {
                let back = match (*statements_done, now.as_slice()) {
                    (_, []) => "bring back the text of what has finished".to_owned(),
                    (1, [now]) => {
                        format!("bring back the text of the statement that has finished, where now stands {now}")
                    }
                    (done, now) => format!(
                        "bring back the text of the first {done} statements, which have finished, where now stands {}",
                        now.join(", ")
                    ),
                };
                let on = "the failing statement and those after it may be changed";
                match state {
                    State::Partial | State::Applied => {
                        format!("{back}, and {up} goes on after it: {on}; or {}", by_hand(front, id))
                    }
                    State::Reverting => format!(
                        "{back}, and {down_1} goes on after it: {on}; or finish it by hand, and {} records that",
                        front.forget(id)
                    ),
                }
            }
            Self::Partial { id, state: State::Reverting, .. } => format!(
                "{down_1} goes on where it stopped; if it is to stay, bring back by hand what is undone, and {} \
                 records that",
                front.mark_applied(id)
            ),
            Self::Partial { id, state: State::Partial | State::Applied, .. } => format!(
                "{up} goes on where it stopped, once no other run is at it; to give it up, undo it by hand, and {} \
                 records that",
                front.forget(id)
            ),
        }
    }
}

/// The two ways to end by hand what stopped half way up.
fn by_hand(front: Front, id: &str) -> String {
    format!(
        "finish it by hand, and {} records that; or undo it by hand, and {} records that",
        front.mark_applied(id),
        front.forget(id)
    )
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited { id, recorded, embedded, amended: true, .. } => write!(
                f,
                "`{id}` was applied before it was amended: the database recorded {}, the program embeds {}",
                short(recorded),
                short(embedded)
            ),
            Self::Edited { id, recorded, embedded, .. } => write!(
                f,
                "`{id}` was applied with another text: the database recorded {}, the program embeds {}",
                short(recorded),
                short(embedded)
            ),
            Self::Renamed { id, recorded } => write!(f, "`{id}` was applied under the name `{recorded}`"),
            Self::Replaced { id, recorded, .. } => {
                write!(f, "`{recorded}` was applied where the program embeds `{id}`, which has another name and text")
            }
            Self::Unknown { id, state, .. } => {
                write!(f, "`{id}` is recorded as {state}, and the program does not embed it")
            }
            Self::OtherDatabase { id, embedded, .. } => {
                write!(f, "`{id}` is recorded, and the program embeds the migrations of another database, `{embedded}`")
            }
            Self::Ahead { id, state, .. } => {
                write!(f, "`{id}` is recorded as {state}, and newer than all that the program embeds")
            }
            Self::Missing { id, newest } => {
                write!(f, "`{id}` is released and pending, and sorts before `{newest}`, which is applied")
            }
            Self::OutOfOrder { id, newest } => {
                write!(f, "`{id}` is pending, and sorts before `{newest}`, which is applied")
            }
            Self::FinishedEdited { id, state, statements_done, .. } => {
                let half_way = match state {
                    State::Partial | State::Applied => "half way",
                    State::Reverting => "half way down",
                };
                match statements_done {
                    1 => write!(
                        f,
                        "`{id}` stopped {half_way}, after 1 finished statement, and its script does not begin with that any more"
                    ),
                    many => write!(
                        f,
                        "`{id}` stopped {half_way}, after {many} finished statements, and its script does not begin with \
                         those any more"
                    ),
                }
            }
            Self::Partial { id, state, statements_done } => {
                let half_way = match state {
                    State::Partial | State::Applied => "half way",
                    State::Reverting => "half way down",
                };
                match statements_done {
                    0 => write!(f, "`{id}` stopped {half_way}, before its first statement was finished"),
                    1 => write!(f, "`{id}` stopped {half_way}, after 1 finished statement"),
                    many => write!(f, "`{id}` stopped {half_way}, after {many} finished statements"),
                }
            }
        }
    }
}

fn short(checksum: &Checksum) -> String {
    checksum.to_string().chars().take("v1:".len() + 8).chain(['…']).collect()
}

/// All differences, in ascending order of the versions they are about. Pure.
pub fn drift(set: &Set, history: &History) -> Vec<Drift> {
    let Some(newest) = history.rows().last() else { return Vec::new() };
    if let Some(other) = other_database(set, history) {
        return vec![other];
    }
    let head = set.last().map(|migration| migration.version());
    let pending: Vec<Migration> = set.iter().filter(|migration| history.row(migration.version()).is_none()).collect();
    let texts = Texts::of(&pending);
    let mut found = Vec::new();
    for row in history.rows() {
        let version = row.version;
        match set.find(version) {
            Some(migration) => {
                found.extend(difference(&migration, row, &texts).map(|drift| (version, drift)));
                let script = half_way(&migration, row);
                if let Some(script) = script.filter(|script| finished(script, row) == Finished::Edited) {
                    let (id, now) = (migration.id().to_owned(), first_statements(&script, row.statements_done));
                    let drift =
                        Drift::FinishedEdited { id, state: row.state, statements_done: row.statements_done, now };
                    found.push((version, drift));
                }
                if row.state != State::Applied {
                    let (id, statements_done) = (migration.id().to_owned(), row.statements_done);
                    found.push((version, Drift::Partial { id, state: row.state, statements_done }));
                }
            }
            None => {
                let (id, state) = (row.id(), row.state);
                // A build that embeds its text is no old build: it was renumbered.
                let same_text_as = texts.same_as(row);
                let newer_than_all = head.is_none_or(|head| version > head);
                let drift = if newer_than_all && same_text_as.is_none() {
                    Drift::Ahead { id, version, state }
                } else {
                    Drift::Unknown { id, version, state, same_text_as }
                };
                found.push((version, drift));
            }
        }
    }
    found.extend(holes(set, history, newest, &pending));
    found.sort_by_key(|(version, _)| *version);
    found.into_iter().map(|(_, drift)| drift).collect()
}

/// Whether the history is that of another database: the wrong one was connected to.
pub(crate) fn other_database(set: &Set, history: &History) -> Option<Drift> {
    let embedded = set.database()?;
    let (row, patch) = history.rows().iter().find_map(|row| {
        let patch = Patch::parse(&row.name)?;
        (patch.version() == row.version && patch.database() != embedded).then_some((row, patch))
    })?;
    let (embedded, recorded) = (embedded.to_owned(), patch.database().to_owned());
    Some(Drift::OtherDatabase { id: row.id(), embedded, recorded })
}

/// How an embedded migration differs from its row in name and text.
fn difference(migration: &Migration, row: &Row, pending: &Texts) -> Option<Drift> {
    let id = migration.id().to_owned();
    match (migration.goes_by(&row.name), row.checksum == migration.checksum()) {
        (true, true) => None,
        // What has not run yet may be put right. What has is looked at by itself.
        (true, false) if row.state == State::Partial && finished(&migration.up(), row) != Finished::Unknown => None,
        (false, true) => Some(Drift::Renamed { id, recorded: row.name.clone() }),
        (true, false) => Some(Drift::Edited {
            id,
            recorded: row.checksum,
            embedded: migration.checksum(),
            frozen: migration.is_frozen(),
            amended: migration.was_amended_from(&row.checksum),
            state: row.state,
        }),
        (false, false) => Some(Drift::Replaced { id, recorded: row.id(), same_text_as: pending.same_as(row) }),
    }
}

/// The script that stopped half way.
fn half_way(migration: &Migration, row: &Row) -> Option<Script> {
    match row.state {
        State::Applied => None,
        // The same text is not looked at twice: another release may cut it otherwise.
        State::Partial => {
            Some(migration.up()).filter(|_| row.checksum != migration.checksum() && migration.goes_by(&row.name))
        }
        State::Reverting => migration.down(),
    }
}

/// What became of the statements that have finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finished {
    /// Nobody can tell.
    Unknown,
    /// The script still begins with them.
    Kept,
    /// It does not.
    Edited,
}

fn finished(script: &Script, row: &Row) -> Finished {
    // To run in a transaction now is to begin anew.
    if row.state == State::Partial && script.is_transactional() {
        return Finished::Unknown;
    }
    let Some(last) = row.statements_done.checked_sub(1) else { return Finished::Kept };
    let Some(recorded) = &row.finished else { return Finished::Unknown };
    // In which dialect they were counted is not recorded; another one's first statements have
    // another text, or are these.
    let last = usize::try_from(last).unwrap_or(usize::MAX);
    let kept = Dialect::ALL.into_iter().any(|dialect| script.finished(dialect).get(last) == Some(recorded));
    if kept { Finished::Kept } else { Finished::Edited }
}

/// So many statements of a script from its first on, each with its file and line.
fn first_statements(script: &Script, count: u32) -> Vec<String> {
    const SHOWN: usize = 5;
    let Body::Sql(text) = script.body() else { return Vec::new() };
    let statements = Dialect::ALL.into_iter().map(|dialect| script.statements(dialect)).find(|list| !list.is_empty());
    let mut statements = statements.unwrap_or_default();
    statements.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    let more = statements.len().saturating_sub(SHOWN);
    statements.truncate(SHOWN);
    let show = |statement: &Statement| {
        let line = text[..statement.range.start].matches('\n').count() + 1;
        let first = text[statement.range.clone()].lines().next().unwrap_or_default().trim_end();
        let cut: String = first.chars().take(60).collect();
        let more = if cut.len() < statement.range.len() { "…" } else { "" };
        format!("{}:{line} `{cut}{more}`", script.path())
    };
    statements.iter().map(show).chain((more > 0).then(|| format!("and {more} more"))).collect()
}

/// The texts of what is pending.
struct Texts(HashMap<Checksum, String>);

impl Texts {
    fn of(pending: &[Migration]) -> Self {
        // Of several with one text, the first is meant.
        Self(pending.iter().rev().map(|migration| (migration.checksum(), migration.id().to_owned())).collect())
    }

    /// The pending migration that has the text of this row.
    fn same_as(&self, row: &Row) -> Option<String> {
        self.0.get(&row.checksum).cloned()
    }
}

/// What is pending although a newer one is recorded.
fn holes(set: &Set, history: &History, newest: &Row, pending: &[Migration]) -> Vec<(Version, Drift)> {
    let newest_id = set.find(newest.version).map_or_else(|| newest.id(), |known| known.id().to_owned());
    // What was renumbered after it was applied is told with its row, and is not late.
    let strangers = history.rows().iter().filter(|row| set.find(row.version).is_none());
    let strangers: HashSet<Checksum> = strangers.map(|row| row.checksum).collect();
    let was_renumbered = |migration: &Migration| strangers.contains(&migration.checksum());
    let late = pending.iter().take_while(|migration| migration.version() < newest.version);
    late.filter(|migration| !was_renumbered(migration))
        .map(|migration| {
            let (id, newest) = (migration.id().to_owned(), newest_id.clone());
            let hole =
                if migration.is_frozen() { Drift::Missing { id, newest } } else { Drift::OutOfOrder { id, newest } };
            (migration.version(), hole)
        })
        .collect()
}
