//! Names of the form `database.MAJOR.MINOR.user.description`: what `numbering = "encoded"` reads.
//!
//! Database, major and minor identify a patch. User and description may change.

use crate::Version;

const MAJOR: usize = 8;
const MINOR: usize = 4;
/// The number of minor versions of each major version.
const MINORS: i64 = 10_000;

/// The id of a patch, split into its parts.
///
/// ```
/// use lockgate_core::patch::Patch;
///
/// let patch = Patch::parse("billing.00000001.0002.billing_owner.add_invoices").unwrap();
/// assert_eq!((patch.key(), patch.database()), ("billing.00000001.0002", "billing"));
/// assert_eq!(patch.version().get(), 1_0002);
/// assert_eq!(Patch::parse("0002_add_invoices"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patch<'a> {
    id: &'a str,
    version: Version,
    database: usize,
    user: usize,
    description: usize,
}

impl<'a> Patch<'a> {
    /// Parses an id, which is a file name without its ending. Returns `None` for every other form; an id that begins
    /// with a digit is never a patch.
    pub fn parse(id: &'a str) -> Option<Self> {
        let mut parts = id.splitn(5, '.');
        let mut next = || parts.next().filter(|part| !part.is_empty());
        let (database, major, minor, user, description) = (next()?, next()?, next()?, next()?, next()?);
        if database.starts_with(|c: char| c.is_ascii_digit())
            || (major.len(), minor.len()) != (MAJOR, MINOR)
            || description.contains('.')
        {
            return None;
        }
        let version = version(digits(major)?, digits(minor)?)?;
        let key = database.len() + 1 + MAJOR + 1 + MINOR;
        Some(Self { id, version, database: database.len(), user: key + 1, description: key + 1 + user.len() + 1 })
    }

    /// The name of its database: `billing`.
    pub fn database(&self) -> &'a str {
        &self.id[..self.database]
    }

    /// Major and minor as one number; see [`version`].
    pub fn version(&self) -> Version {
        self.version
    }

    /// The part that identifies it: `billing.00000001.0002`.
    pub fn key(&self) -> &'a str {
        &self.id[..self.user - 1]
    }

    /// The role in its name: `billing_owner`.
    pub fn user(&self) -> &'a str {
        &self.id[self.user..self.description - 1]
    }

    /// Its description: `add_invoices`.
    pub fn description(&self) -> &'a str {
        &self.id[self.description..]
    }
}

fn digits(text: &str) -> Option<i64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Major and minor as one number: `major * 10_000 + minor`. `None` if the major has more than 8 digits or the minor
/// more than 4.
///
/// ```
/// use lockgate_core::patch::version;
///
/// assert_eq!(version(1, 2).map(|version| version.get()), Some(1_0002));
/// assert_eq!(version(1, 10_000), None);
/// ```
pub const fn version(major: i64, minor: i64) -> Option<Version> {
    if major < 0 || major > 99_999_999 || minor < 0 || minor >= MINORS {
        return None;
    }
    Version::new(major * MINORS + minor)
}

/// Whether this is the version of a bootstrap, `00000000.MINOR`: a script that runs only if its database does not exist.
///
/// ```
/// use lockgate_core::patch;
///
/// assert!(patch::version(0, 1).is_some_and(patch::is_bootstrap));
/// assert!(!patch::version(1, 0).is_some_and(patch::is_bootstrap));
/// ```
pub const fn is_bootstrap(version: Version) -> bool {
    version.get() < MINORS
}

/// The next version of the same major. `None` after its last minor.
pub const fn next(last: Version) -> Option<Version> {
    version(last.get() / MINORS, last.get() % MINORS + 1)
}

/// The version as it is written in names: `00000001.0002`.
pub fn numbers(version: Version) -> String {
    let (major, minor) = (version.get() / MINORS, version.get() % MINORS);
    format!("{major:0MAJOR$}.{minor:0MINOR$}")
}

/// Reads major and minor, with or without the zeros before them: `1.2` and `00000001.0002`.
pub fn parse_numbers(text: &str) -> Option<Version> {
    let (major, minor) = text.split_once('.')?;
    version(digits(major).filter(|_| !major.is_empty())?, digits(minor).filter(|_| !minor.is_empty())?)
}

/// Reads a key, with or without the zeros: `billing.1.2` is `billing.00000001.0002`.
pub fn parse_key(text: &str) -> Option<(&str, Version)> {
    let (database, numbers) = text.split_once('.')?;
    let is_database = !database.is_empty() && !database.starts_with(|c: char| c.is_ascii_digit());
    Some((database, parse_numbers(numbers)?)).filter(|_| is_database)
}

/// A version as the set that has this id writes it.
pub(crate) fn like(id: Option<&str>, version: Version) -> String {
    match id.and_then(Patch::parse) {
        Some(_) => numbers(version),
        None => version.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_database_major_and_minor_are_the_key() {
        let patch = Patch::parse("billing.00000012.0345.the-owner.Add invoices").unwrap();
        assert_eq!((patch.database(), patch.user(), patch.description()), ("billing", "the-owner", "Add invoices"));
        assert_eq!((patch.key(), patch.version().get()), ("billing.00000012.0345", 120_345));
        assert_eq!(numbers(patch.version()), "00000012.0345");
        assert_eq!(next(patch.version()).map(numbers).as_deref(), Some("00000012.0346"));
        assert_eq!(version(3, 9_999).and_then(next), None);
        assert_eq!(Patch::parse("ä.99999999.9999.ö.ü").map(|patch| patch.version().get()), Some(999_999_999_999));
    }

    #[test]
    fn other_forms_are_not_patches() {
        for id in [
            "",
            "billing",
            "billing.00000001.0002.owner",
            "billing.00000001.0002.owner.",
            "billing.00000001.0002..x",
            ".00000001.0002.owner.x",
            "billing.0000001.0002.owner.x",
            "billing.00000001.002.owner.x",
            "billing.0000000a.0002.owner.x",
            "billing.+0000001.0002.owner.x",
            "billing.00000001.0002.owner.x.y",
            "1billing.00000001.0002.owner.x",
            "0001_x",
        ] {
            assert_eq!(Patch::parse(id), None, "{id:?}");
        }
    }

    #[test]
    fn numbers_are_read_with_and_without_zeros() {
        for (text, number) in [("1.2", 10_002), ("00000001.0002", 10_002), ("3.10", 30_010), ("0.0", 0)] {
            assert_eq!(parse_numbers(text).map(Version::get), Some(number), "{text}");
        }
        for text in ["", ".", "1.", ".2", "1", "1.2.3", "1.10000", "100000000.1", "-1.2", "1.+2"] {
            assert_eq!(parse_numbers(text), None, "{text}");
        }
        assert_eq!(parse_key("billing.1.2"), Version::new(10_002).map(|version| ("billing", version)));
        for text in ["1.2", "billing.1", ".1.2", "1.1.2", "billing.00000001.0002.owner.x"] {
            assert_eq!(parse_key(text), None, "{text}");
        }
    }
}
