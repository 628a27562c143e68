//! Compares a history with the embedded set: every way in which they can differ, and what to do about it.

use std::collections::{HashMap, HashSet};
use std::fmt;

use crate::patch::Patch;
use crate::{Audience, Body, Checksum, Dialect, History, Migration, Row, Script, Set, State, Statement, Version};

/// One difference between the set and the history.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Drift {
    /// The migration was applied with a different text than the embedded one.
    Edited {
        /// The migration, as in its file name.
        id: String,
        /// The recorded checksum.
        recorded: Checksum,
        /// The embedded checksum.
        embedded: Checksum,
        /// Whether the lockfile records it. A draft may be reverted with its new text, a frozen migration may not.
        frozen: bool,
        /// Whether the recorded text is an older one from before an amendment.
        amended: bool,
        /// Whether it is fully applied with the recorded text.
        state: State,
    },
    /// The migration was applied under another name, with the embedded text.
    Renamed {
        /// The migration, as in its file name.
        id: String,
        /// The recorded name.
        recorded: String,
    },
    /// A different migration is recorded with this version: name and text both differ. This happens when two branches
    /// use the same number.
    Replaced {
        /// The embedded migration, as in its file name.
        id: String,
        /// Version and name as recorded.
        recorded: String,
        /// The embedded migration with the recorded text, if there is one: it was renumbered.
        same_text_as: Option<String>,
    },
    /// The migration is recorded but not embedded, and it is older than the newest embedded one or embedded with
    /// another version.
    Unknown {
        /// Version and name as recorded.
        id: String,
        /// The version.
        version: Version,
        /// Whether it is fully applied.
        state: State,
        /// The embedded migration with the same text, if there is one: it was renumbered.
        same_text_as: Option<String>,
    },
    /// The recorded migration is for another database, by its name. All other differences follow from that.
    OtherDatabase {
        /// Version and name as recorded.
        id: String,
        /// The database that the embedded migrations are for.
        embedded: String,
        /// The database that the recorded migration is for.
        recorded: String,
    },
    /// The recorded migration is newer than every embedded one: the program may be an old build.
    Ahead {
        /// Version and name as recorded.
        id: String,
        /// The version.
        version: Version,
        /// Whether it is fully applied. The build that embeds it may be applying it right now.
        state: State,
    },
    /// A frozen migration is not recorded, but a newer one is.
    Missing {
        /// The migration, as in its file name.
        id: String,
        /// The newest recorded migration.
        newest: String,
    },
    /// A draft is not recorded, but a newer migration is: the draft was added late.
    OutOfOrder {
        /// The migration, as in its file name.
        id: String,
        /// The newest recorded migration.
        newest: String,
    },
    /// The migration stopped half way, and its script no longer begins with the statements that have finished.
    FinishedEdited {
        /// The migration, as in its file name.
        id: String,
        /// The direction in which it stopped: [`State::Partial`] or [`State::Reverting`].
        state: State,
        /// How many of its statements have finished.
        statements_done: u32,
        /// The statements that are now in their place, each with file and line.
        now: Vec<String>,
    },
    /// The migration stopped half way.
    Partial {
        /// The migration, as in its file name.
        id: String,
        /// The direction in which it stopped: [`State::Partial`] or [`State::Reverting`].
        state: State,
        /// How many of its statements have finished.
        statements_done: u32,
        /// The statement, counted from 1, that was sent and whose end was not recorded.
        in_doubt: Option<u32>,
    },
    /// A repeatable script ran with another text, or something that it depends on has changed since.
    Changed {
        /// The script, as in its file name.
        id: String,
        /// The recorded checksum.
        recorded: Checksum,
        /// The embedded checksum.
        embedded: Checksum,
    },
    /// A repeatable script is recorded and not embedded.
    Gone {
        /// The script, as in its file name.
        id: String,
    },
    /// A manual script has run with another text than the embedded one.
    ManualEdited {
        /// The script, as in its file name.
        id: String,
        /// When it ran.
        at: String,
        /// Who ran it.
        by: String,
    },
}

impl Drift {
    /// A stable code: `edited`, `renamed`, `replaced`, `unknown`, `other-database`, `ahead`,
    /// `missing`, `out-of-order`, `finished-edited`, `partial`, `changed`, `gone`, `manual-edited`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Edited { .. } => "edited",
            Self::Renamed { .. } => "renamed",
            Self::Replaced { .. } => "replaced",
            Self::Unknown { .. } => "unknown",
            Self::OtherDatabase { .. } => "other-database",
            Self::ManualEdited { .. } => "manual-edited",
            Self::Ahead { .. } => "ahead",
            Self::Missing { .. } => "missing",
            Self::OutOfOrder { .. } => "out-of-order",
            Self::FinishedEdited { .. } => "finished-edited",
            Self::Partial { .. } => "partial",
            Self::Changed { .. } => "changed",
            Self::Gone { .. } => "gone",
        }
    }

    /// The migration that it is about, as in its file name or its row.
    pub fn id(&self) -> &str {
        match self {
            Self::Edited { id, .. }
            | Self::Renamed { id, .. }
            | Self::Replaced { id, .. }
            | Self::Unknown { id, .. }
            | Self::OtherDatabase { id, .. }
            | Self::ManualEdited { id, .. }
            | Self::Ahead { id, .. }
            | Self::Missing { id, .. }
            | Self::OutOfOrder { id, .. }
            | Self::FinishedEdited { id, .. }
            | Self::Partial { id, .. }
            | Self::Changed { id, .. }
            | Self::Gone { id } => id,
        }
    }

    /// What to do about it, with the names of the Rust functions.
    pub fn help(&self) -> String {
        self.help_for(Audience::Rust)
    }

    /// What to do about it, with the Rust functions or the commands of `audience`.
    pub fn help_for(&self, audience: Audience) -> String {
        let (up, down, down_1) = (audience.up(), audience.down(), audience.down_by(1));
        match self {
            Self::Edited { id, state: State::Partial, .. } => format!(
                "restore the text that it stopped with, and {up} resumes where it stopped; or {}",
                by_hand(audience, id)
            ),
            Self::Edited { state: State::Reverting, .. } => {
                format!("restore the applied text, and {down_1} resumes where it stopped")
            }
            Self::Edited { id, amended: true, .. } => format!(
                "change the database by hand so that it matches the amended text of `{id}`, and record that with {}; \
                 `migrations.lock` says why it was amended",
                audience.accept_edited()
            ),
            Self::Edited { id, frozen: true, .. } => format!(
                "restore the applied text of `{id}` and put the change in a new migration; if the database already matches \
                 the new text, {} records that",
                audience.accept_edited()
            ),
            Self::Edited { id, frozen: false, .. } => format!(
                "restore the applied text of `{id}` and put the change in a new migration; or, if it is still your own \
                 draft, revert it with {down} and run {up}; if the database already matches the new text, {} records that",
                audience.accept_edited()
            ),
            Self::Renamed { id, recorded } => {
                format!("rename `{id}` back to `{recorded}`, or record the new name with {}", audience.accept_edited())
            }
            Self::Replaced { recorded, same_text_as: Some(now), .. } => format!(
                "`{now}` has exactly the text of `{recorded}`: revert `{recorded}` with the build that applied it, \
                 then run {up} with this build"
            ),
            Self::Replaced { id, recorded, same_text_as: None } => format!(
                "restore `{recorded}`; or, if it was a draft of another branch, revert it with the build that applied it; \
                 if the database already matches `{id}`, {} records that",
                audience.mark_applied(id)
            ),
            Self::Unknown { same_text_as: Some(now), .. } => {
                format!(
                    "`{now}` has exactly its text: give it its old version back, because an applied migration keeps its version"
                )
            }
            Self::Unknown { id, version, same_text_as: None, .. } => format!(
                "restore the file of `{id}`: an applied migration must never be deleted or renumbered; if it was a draft of \
                 another branch, revert it with the build that applied it; if its text is now part of another migration, or \
                 you have undone it by hand, {} removes its row, and {} records a migration whose changes are already there \
                 without running it",
                audience.forget(version),
                audience.baseline("VERSION")
            ),
            Self::ManualEdited { .. } => {
                "restore its text; what else is to be done is another script in `manual-deployment/`".to_owned()
            }
            Self::OtherDatabase { embedded, .. } => format!(
                "connect to the database of `{embedded}`; if one database must hold both histories, give this one its own \
                 name there: {}",
                audience.set(embedded)
            ),
            Self::Ahead { id, version, .. } => format!(
                "if this is an old build, run the build that applied it; if the file of `{id}` is gone for good and you have \
                 undone its changes by hand, {} removes its row",
                audience.forget(version)
            ),
            Self::Missing { id, .. } => format!(
                "if the database already has the changes of `{id}`, record that with {}; if not, {} runs it late",
                audience.baseline(id),
                audience.out_of_order()
            ),
            Self::OutOfOrder { id, .. } => format!(
                "give it a number above the newest one (`cargo xtask renumber {id}`), or run it late with {}; if the \
                 database already has its changes, record it with {}",
                audience.out_of_order(),
                audience.baseline(id)
            ),
            Self::FinishedEdited { id, state, statements_done, now } => {
                let back = match (*statements_done, now.as_slice()) {
                    (_, []) => "restore the text of the statements that have finished".to_owned(),
                    (1, [now]) => {
                        format!("restore the text of the statement that has finished; {now} is in its place now")
                    }
                    (done, now) => format!(
                        "restore the text of the first {done} statements, which have finished; in their place are now {}",
                        now.join(", ")
                    ),
                };
                let on = "you may change the failing statement and those after it";
                match state {
                    State::Partial | State::Applied => {
                        format!("{back}; {up} then resumes after it ({on}); or {}", by_hand(audience, id))
                    }
                    State::Reverting => format!(
                        "{back}; {down_1} then resumes after it ({on}); or finish the revert by hand, and {} records that",
                        audience.forget(id)
                    ),
                }
            }
            Self::Partial { id, state: State::Reverting, in_doubt, .. } => format!(
                "{}; to keep the migration instead, redo by hand what was \
                 reverted, and {} records that",
                resumes(&down_1, "the revert ", *in_doubt),
                audience.mark_applied(id)
            ),
            Self::Partial { id, state: State::Partial | State::Applied, in_doubt, .. } => format!(
                "{}, unless another run is still working on it; to give it up, undo it by hand, \
                 and {} records that",
                resumes(up, "", *in_doubt),
                audience.forget(id)
            ),
            Self::Changed { .. } => format!("{up} runs it again"),
            Self::Gone { id } => format!(
                "restore its file; or drop in a new migration what it has made, and remove its row with {}",
                audience.forget(id)
            ),
        }
    }

    /// Whether it asks for nothing before the program may work with the database.
    pub fn is_harmless(&self) -> bool {
        matches!(self, Self::Ahead { .. } | Self::Gone { .. } | Self::ManualEdited { .. })
    }
}

/// What the verb does with a migration that stopped half way, perhaps at a statement whose outcome nobody knows yet.
fn resumes(verb: &str, what: &str, in_doubt: Option<u32>) -> String {
    match in_doubt {
        None => format!("{verb} resumes {what}where it stopped"),
        Some(number) => format!(
            "{verb} looks whether statement {number} took effect, and resumes {what}there, or says what to type where the \
             database does not show it"
        ),
    }
}

/// The two ways to settle by hand a migration that stopped half way up.
fn by_hand(audience: Audience, id: &str) -> String {
    format!(
        "finish it by hand, and {} records that; or undo it by hand, and {} records that",
        audience.mark_applied(id),
        audience.forget(id)
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
                "`{id}` was applied with a different text: the database recorded {}, the program embeds {}",
                short(recorded),
                short(embedded)
            ),
            Self::Renamed { id, recorded } => write!(f, "`{id}` was applied under the name `{recorded}`"),
            Self::Replaced { id, recorded, .. } => {
                write!(
                    f,
                    "`{recorded}` was applied, but the program embeds `{id}` there, with a different name and text"
                )
            }
            Self::Unknown { id, state, .. } => {
                write!(f, "`{id}` is recorded as {state}, but the program does not embed it")
            }
            Self::ManualEdited { id, at, by } => write!(f, "`{id}` was run on {at} by {by}, with another text"),
            Self::OtherDatabase { id, embedded, .. } => {
                write!(f, "`{id}` is recorded, but the program embeds the migrations of another database, `{embedded}`")
            }
            Self::Ahead { id, state, .. } => {
                write!(f, "`{id}` is recorded as {state} and is newer than every migration that the program embeds")
            }
            Self::Missing { id, newest } => {
                write!(f, "`{id}` is released and not applied, but the newer `{newest}` is applied")
            }
            Self::OutOfOrder { id, newest } => {
                write!(f, "`{id}` is pending, but the newer `{newest}` is applied")
            }
            Self::FinishedEdited { id, state, statements_done, .. } => {
                let half_way = match state {
                    State::Partial | State::Applied => "half way",
                    State::Reverting => "half way through its revert",
                };
                match statements_done {
                    1 => write!(
                        f,
                        "`{id}` stopped {half_way}, after 1 finished statement, and its script no longer begins with that statement"
                    ),
                    many => write!(
                        f,
                        "`{id}` stopped {half_way}, after {many} finished statements, and its script no longer begins with those \
                         statements"
                    ),
                }
            }
            Self::Partial { id, state, statements_done, in_doubt } => {
                let half_way = match state {
                    State::Partial | State::Applied => "half way",
                    State::Reverting => "half way through its revert",
                };
                match statements_done {
                    0 => write!(f, "`{id}` stopped {half_way}, before its first statement finished"),
                    1 => write!(f, "`{id}` stopped {half_way}, after 1 finished statement"),
                    many => write!(f, "`{id}` stopped {half_way}, after {many} finished statements"),
                }?;
                match in_doubt {
                    Some(number) => write!(f, "; statement {number} was sent, and its end was not recorded"),
                    None => Ok(()),
                }
            }
            Self::Changed { id, recorded, embedded } => write!(
                f,
                "`{id}`, or something that it depends on, has changed since it ran: the database recorded {}, the program \
                 embeds {}",
                short(recorded),
                short(embedded)
            ),
            Self::Gone { id } => write!(f, "`{id}` has run, but the program does not embed it any more"),
        }
    }
}

fn short(checksum: &Checksum) -> String {
    checksum.to_string().chars().take("v1:".len() + 8).chain(['…']).collect()
}

/// Returns all differences, in ascending order of their versions. Those of repeatable scripts are the last ones.
pub fn drift(set: &Set, history: &History) -> Vec<Drift> {
    let (versioned, rows) = history.divided();
    let mut found = versioned_drift(set, &versioned);
    found.extend(repeatable_drift(set, &rows, &found));
    found
}

/// Whether a newer build has migrated the database.
pub(crate) fn is_ahead(found: &[Drift]) -> bool {
    found.iter().any(|drift| matches!(drift, Drift::Ahead { .. }))
}

/// Returns the differences of repeatable scripts that have run, given those of migrations. If a newer build has migrated
/// the database, its scripts are no difference.
pub(crate) fn repeatable_drift(set: &Set, rows: &[&Row], versioned: &[Drift]) -> Vec<Drift> {
    if rows.is_empty() || is_ahead(versioned) {
        return Vec::new();
    }
    let scripts = set.repeatables();
    let script = |row: &Row| scripts.iter().find(|script| script.version() == row.version);
    let changed = scripts.iter().filter(|script| !script.is_skipped()).filter_map(|script| {
        let row = rows.iter().find(|row| row.version == script.version())?;
        let (id, recorded, embedded) = (script.id().to_owned(), row.checksum, script.checksum());
        (recorded != embedded).then_some(Drift::Changed { id, recorded, embedded })
    });
    let gone = rows.iter().filter(|row| script(row).is_none()).map(|row| Drift::Gone { id: row.name.clone() });
    changed.chain(gone).collect()
}

/// Returns the differences of migrations, given a history without repeatable scripts.
pub(crate) fn versioned_drift(set: &Set, history: &History) -> Vec<Drift> {
    let Some(newest) = history.rows().last() else { return Vec::new() };
    if let Some(other) = other_database(set, history) {
        return vec![other];
    }
    let head = set.last().map(|migration| migration.version());
    let is_pending = |one: &Migration| !one.is_skipped() && history.row(one.version()).is_none();
    let pending: Vec<Migration> = set.iter().filter(is_pending).collect();
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
                    let in_doubt = row.in_doubt();
                    found.push((version, Drift::Partial { id, state: row.state, statements_done, in_doubt }));
                }
            }
            None => {
                let (id, state) = (row.id(), row.state);
                // A build that embeds the text is not an old build: the migration was renumbered.
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
    found.extend(late(set, history, newest, &pending));
    found.sort_by_key(|(version, _)| *version);
    found.into_iter().map(|(_, drift)| drift).collect()
}

/// Returns the difference if the history is that of another database: the program is connected to the wrong one.
pub(crate) fn other_database(set: &Set, history: &History) -> Option<Drift> {
    let embedded = set.database()?;
    let (row, patch) = history.rows().iter().find_map(|row| {
        let patch = Patch::parse(&row.name)?;
        (patch.version() == row.version && patch.database() != embedded).then_some((row, patch))
    })?;
    let (embedded, recorded) = (embedded.to_owned(), patch.database().to_owned());
    Some(Drift::OtherDatabase { id: row.id(), embedded, recorded })
}

/// Compares the name and the text of an embedded migration with its row.
fn difference(migration: &Migration, row: &Row, pending: &Texts) -> Option<Drift> {
    let id = migration.id().to_owned();
    match (migration.goes_by(&row.name), row.checksum == migration.checksum()) {
        (true, true) => None,
        // The statements that have not run may be edited. `FinishedEdited` is about those that have.
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

/// Returns the script that stopped half way, if its finished statements must be compared.
fn half_way(migration: &Migration, row: &Row) -> Option<Script> {
    match row.state {
        State::Applied => None,
        // An unchanged text needs no comparison, and another release may split it differently.
        State::Partial => {
            Some(migration.up()).filter(|_| row.checksum != migration.checksum() && migration.goes_by(&row.name))
        }
        State::Reverting => migration.down(),
    }
}

/// Whether a script still begins with the statements that have finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finished {
    /// Unknown.
    Unknown,
    /// It does.
    Kept,
    /// It does not: they were edited.
    Edited,
}

fn finished(script: &Script, row: &Row) -> Finished {
    // A script that now runs in a transaction starts from its beginning.
    if row.state == State::Partial && script.is_transactional() {
        return Finished::Unknown;
    }
    let Some(last) = row.statements_done.checked_sub(1) else { return Finished::Kept };
    let Some(recorded) = &row.finished else { return Finished::Unknown };
    // The row does not record the dialect. In another dialect the first statements have another text, or are
    // the same.
    let last = usize::try_from(last).unwrap_or(usize::MAX);
    let kept = Dialect::ALL.into_iter().any(|dialect| script.finished(dialect).get(last) == Some(recorded));
    if kept { Finished::Kept } else { Finished::Edited }
}

/// Lists the first `count` statements of a script, each with its file and line.
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

/// The pending migrations by their checksums.
struct Texts(HashMap<Checksum, String>);

impl Texts {
    fn of(pending: &[Migration]) -> Self {
        // If several have the same text, the first one counts.
        Self(pending.iter().rev().map(|migration| (migration.checksum(), migration.id().to_owned())).collect())
    }

    /// The pending migration that has the text of this row.
    fn same_as(&self, row: &Row) -> Option<String> {
        self.0.get(&row.checksum).cloned()
    }
}

/// Returns the pending migrations that are older than the newest recorded one.
fn late(set: &Set, history: &History, newest: &Row, pending: &[Migration]) -> Vec<(Version, Drift)> {
    let newest_id = set.find(newest.version).map_or_else(|| newest.id(), |known| known.id().to_owned());
    // A migration that was renumbered after it was applied is reported with its row and is not late.
    let not_embedded = history.rows().iter().filter(|row| set.find(row.version).is_none());
    let not_embedded: HashSet<Checksum> = not_embedded.map(|row| row.checksum).collect();
    let was_renumbered = |migration: &Migration| not_embedded.contains(&migration.checksum());
    let older = pending.iter().take_while(|migration| migration.version() < newest.version);
    older
        .filter(|migration| !was_renumbered(migration))
        .map(|migration| {
            let (id, newest) = (migration.id().to_owned(), newest_id.clone());
            let drift =
                if migration.is_frozen() { Drift::Missing { id, newest } } else { Drift::OutOfOrder { id, newest } };
            (migration.version(), drift)
        })
        .collect()
}
