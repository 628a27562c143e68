//! Compares a database with what its mirror remembers of it. The mirror is kept in a database of its own.

use std::fmt;

use crate::{Audience, Row, State, Version};

/// What a mirror remembers of one database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Which database it was.
    pub identity: Option<Identity>,
    /// What was applied to it.
    pub rows: Vec<Remembered>,
}

/// A migration, as a mirror remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The set that it belongs to.
    pub set: String,
    /// Its version.
    pub version: Version,
    /// Its version and name.
    pub id: String,
    /// The checksum of its up script when it was applied.
    pub checksum: String,
    /// When it was applied, by the clock of its database.
    pub applied_at: String,
    /// Whether a run was about to revert it or to correct its row, and has not said what became of it.
    pub leaving: bool,
}

/// Which database of which server it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What the server calls itself. `None` if it does not say so.
    pub system: Option<String>,
    /// The number of the database on its server.
    pub number: String,
}

/// A database that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which one it is.
    pub identity: Identity,
    /// Its history: each row with its set.
    pub rows: Vec<(String, Row)>,
}

/// How a database differs from what its mirror remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// It does not exist.
    Dropped {
        /// How many migrations the mirror remembers.
        remembered: usize,
    },
    /// It exists, and has no history.
    Cleared {
        /// How many migrations the mirror remembers.
        remembered: usize,
    },
    /// It lacks some of what was applied, and the rest is the same: an older state of it.
    Older {
        /// The migrations that it lacks.
        missing: Vec<String>,
        /// How many migrations the mirror remembers.
        remembered: usize,
        /// Whether it is another database than the one in the mirror: a copy, such as a restored dump.
        is_copy: bool,
    },
    /// Its history is another one.
    Rewritten {
        /// The migrations that were applied at another time or with another text, and those that it lacks.
        different: Vec<String>,
    },
    /// It is another database, with another history.
    Replaced {
        /// The migrations that differ.
        different: Vec<String>,
    },
    /// It is another database with the same history.
    Moved,
}

impl Identity {
    /// Whether it is certainly another database.
    pub fn differs(&self, other: &Self) -> bool {
        let systems = self.system.as_ref().zip(other.system.as_ref());
        self.number != other.number || systems.is_some_and(|(one, other)| one != other)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.system.as_deref().unwrap_or_default(), self.number)
    }
}

impl Identity {
    /// Reads what its `Display` has written.
    pub fn parse(text: &str) -> Option<Self> {
        let (system, number) = text.split_once('/')?;
        Some(Self { system: Some(system.to_owned()).filter(|system| !system.is_empty()), number: number.to_owned() })
    }
}

impl Found {
    fn row(&self, set: &str, version: Version) -> Option<&Row> {
        self.rows.iter().find(|(of, row)| of == set && row.version == version).map(|(_, row)| row)
    }

    /// The rows that a mirror remembers: those of migrations that are fully applied.
    pub fn applied(&self) -> impl Iterator<Item = (&str, &Row)> {
        self.rows.iter().filter(|(_, row)| row.state == State::Applied).map(|(set, row)| (set.as_str(), row))
    }
}

/// Returns how a database differs from its mirror. `found` is `None` if it does not exist.
///
/// A migration that the mirror does not know is no difference: a run may have ended before it wrote to the mirror.
pub fn compare(memory: &Memory, found: Option<&Found>) -> Option<Mismatch> {
    let certain: Vec<&Remembered> = memory.rows.iter().filter(|row| !row.leaving).collect();
    let remembered = certain.len();
    if remembered == 0 {
        return None;
    }
    let Some(found) = found else { return Some(Mismatch::Dropped { remembered }) };
    let (mut missing, mut different, mut rewritten, mut kept) = (Vec::new(), Vec::new(), false, false);
    for row in certain {
        let is_the_row = |found: &Row| found.applied_at == row.applied_at && found.checksum.to_string() == row.checksum;
        match found.row(&row.set, row.version) {
            None => missing.push(row.id.clone()),
            Some(found) if is_the_row(found) => {
                kept = true;
                continue;
            }
            // What stopped half way belongs to a run that will go on.
            Some(found) if found.state != State::Applied => continue,
            Some(_) => rewritten = true,
        }
        different.push(row.id.clone());
    }
    let is_other = memory.identity.as_ref().is_some_and(|identity| identity.differs(&found.identity));
    match (is_other, different.is_empty()) {
        (true, true) => Some(Mismatch::Moved),
        // A restored dump is a new database of the server. Its rows say that it is a state of the old one.
        (true, false) if kept && !rewritten => Some(Mismatch::Older { missing, remembered, is_copy: true }),
        (true, false) => Some(Mismatch::Replaced { different }),
        (false, true) => None,
        (false, false) if rewritten => Some(Mismatch::Rewritten { different }),
        (false, false) if found.rows.is_empty() => Some(Mismatch::Cleared { remembered }),
        (false, false) => Some(Mismatch::Older { missing, remembered, is_copy: false }),
    }
}

impl Mismatch {
    /// A stable name: `older`, `moved`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Dropped { .. } => "dropped",
            Self::Cleared { .. } => "cleared",
            Self::Older { .. } => "older",
            Self::Rewritten { .. } => "rewritten",
            Self::Replaced { .. } => "replaced",
            Self::Moved => "moved",
        }
    }

    /// What to do about this database: if the mirror is right, and if the database is.
    pub fn help_for(&self, audience: Audience, database: &str) -> String {
        let remedy = match self {
            Self::Dropped { .. } | Self::Cleared { .. } => "restore it from a backup",
            Self::Older { .. } => "restore a newer backup",
            Self::Rewritten { .. } | Self::Replaced { .. } | Self::Moved => "connect to the right database",
        };
        let then = match self {
            Self::Older { .. } => format!("; then {} applies what it lacks", audience.up()),
            Self::Dropped { .. }
            | Self::Cleared { .. }
            | Self::Rewritten { .. }
            | Self::Replaced { .. }
            | Self::Moved => String::new(),
        };
        format!("{remedy}; or, if it is right as it is, {}{then}", audience.accept_in_mirror(database))
    }
}

/// Says what is different, after the name of the database.
impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted =
            |number: usize| if number == 1 { "1 migration".to_owned() } else { format!("{number} migrations") };
        match self {
            Self::Dropped { remembered } => {
                write!(f, "it does not exist, and the mirror has {} of it", counted(*remembered))
            }
            Self::Cleared { remembered } => {
                write!(f, "it has no history, and the mirror has {} of it", counted(*remembered))
            }
            Self::Older { missing, remembered, is_copy } => {
                let state = if *is_copy { "it is a copy of the database in the mirror, and older" } else { "it is older" };
                let of_all = counted(*remembered);
                write!(f, "{state}: its history lacks {} of the {of_all} in the mirror, ", missing.len())?;
                match missing.as_slice() {
                    [first, _, .., last] => write!(f, "`{first}` to `{last}`"),
                    few => f.write_str(&listed(few)),
                }
            }
            Self::Rewritten { different } => {
                write!(f, "its history is not the one in the mirror: {} differ{}", listed(different), s(different))
            }
            Self::Replaced { different } => write!(
                f,
                "it is not the database in the mirror, but another one, with another history: {} differ{}",
                listed(different),
                s(different)
            ),
            Self::Moved => f.write_str(
                "it is not the database in the mirror, but another one with the same history: a copy, or the same one on \
                 another server",
            ),
        }
    }
}

fn s(ids: &[String]) -> &'static str {
    if ids.len() == 1 { "s" } else { "" }
}

fn listed(ids: &[String]) -> String {
    match ids {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [one, other] => format!("`{one}` and `{other}`"),
        [first, .., last] => format!("{} migrations, `{first}` to `{last}`,", ids.len()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Checksum;

    fn row(version: i64, at: &str) -> Row {
        Row {
            version: Version::new(version).unwrap(),
            name: "x".to_owned(),
            checksum: Checksum::v1([7; 32]),
            state: State::Applied,
            statements_done: 1,
            finished: None,
            owner: None,
            under_way: None,
            applied_at: at.to_owned(),
            elapsed: Duration::ZERO,
            applied_by: String::new(),
            application: String::new(),
            lockgate: String::new(),
        }
    }

    fn found(system: &str, rows: &[(i64, &str)]) -> Found {
        let rows = rows.iter().map(|(version, at)| ("default".to_owned(), row(*version, at))).collect();
        Found { identity: Identity::parse(&format!("{system}/7")).unwrap(), rows }
    }

    fn memory(system: &str, rows: &[(i64, &str)]) -> Memory {
        let found = found(system, rows);
        let rows = found.applied().map(|(set, row)| Remembered {
            set: set.to_owned(),
            version: row.version,
            id: row.id(),
            checksum: row.checksum.to_string(),
            applied_at: row.applied_at.clone(),
            leaving: false,
        });
        Memory { rows: rows.collect(), identity: Some(found.identity.clone()) }
    }

    #[test]
    fn each_difference_has_its_name() {
        let both = memory("s", &[(1, "a"), (2, "b")]);
        let check = |found: Option<&Found>, code: Option<&str>| {
            assert_eq!(compare(&both, found).as_ref().map(Mismatch::code), code, "{found:?}");
        };
        check(Some(&found("s", &[(1, "a"), (2, "b")])), None);
        check(Some(&found("", &[(1, "a"), (2, "b")])), None);
        check(Some(&found("s", &[(1, "a"), (2, "b"), (3, "c")])), None);
        check(None, Some("dropped"));
        check(Some(&found("s", &[])), Some("cleared"));
        check(Some(&found("s", &[(1, "a")])), Some("older"));
        check(Some(&found("s", &[(2, "b"), (3, "c")])), Some("older"));
        check(Some(&found("s", &[(1, "a"), (2, "c")])), Some("rewritten"));
        check(Some(&found("t", &[(1, "c"), (2, "d")])), Some("replaced"));
        check(Some(&found("t", &[(1, "a"), (2, "b")])), Some("moved"));
        // A dump that was restored is another database of the server, or one of another server.
        check(Some(&found("t", &[(1, "a")])), Some("older"));
        check(Some(&found("t", &[(1, "a"), (3, "c")])), Some("older"));
        check(Some(&found("t", &[(1, "a"), (2, "c")])), Some("replaced"));
        check(Some(&found("t", &[(3, "c")])), Some("replaced"));
        check(Some(&found("t", &[])), Some("replaced"));
        let said = |system: &str| compare(&both, Some(&found(system, &[(1, "a")]))).unwrap().to_string();
        assert_eq!(said("s"), "it is older: its history lacks 1 of the 2 migrations in the mirror, `2_x`");
        assert_eq!(
            said("t"),
            "it is a copy of the database in the mirror, and older: its history lacks 1 of the 2 migrations in the mirror, \
             `2_x`"
        );
    }

    #[test]
    fn what_a_run_was_about_to_change_is_not_missed() {
        let mut memory = memory("s", &[(1, "a"), (2, "b")]);
        memory.rows[1].leaving = true;
        for rows in [&[(1, "a")][..], &[(1, "a"), (2, "b")], &[(1, "a"), (2, "later")]] {
            assert_eq!(compare(&memory, Some(&found("s", rows))), None);
        }
        assert_eq!(compare(&Memory::default(), None), None);
        let mut half = found("s", &[(1, "later")]);
        half.rows[0].1.state = State::Partial;
        assert_eq!(compare(&memory, Some(&half)), None);
    }
}
