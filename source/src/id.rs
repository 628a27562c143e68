//! The id of a migration, parsed once from a file name or a line of the lockfile.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;

use lockgate_core::Version;
use lockgate_core::patch;

/// The id of a migration: its file name without the ending. It dereferences to that text. Ids sort in the order in
/// which migrations run, by database and version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Id {
    /// A version and a name: `0001_create_users`.
    Numbered(Numbered),
    /// A patch: `billing.00000001.0002.billing_owner.add_invoices`.
    Patch(Patch),
    /// A name alone, of a script of a companion set: `R__active_users`.
    Named(Named),
    /// A place in the order, and a path: `create/1-tables/users`.
    Placed(Named),
}

/// The id of a script whose name does not begin with its version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Named {
    text: String,
    version: Version,
}

/// A version and a name, with one character between them: `0001_create_users`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Numbered {
    text: String,
    version: Version,
    /// How many digits the version is written with.
    digits: usize,
}

/// The id of a patch: `database.MAJOR.MINOR.user.description`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Patch {
    text: String,
    version: Version,
    /// Where each part ends.
    database: usize,
    key: usize,
    user: usize,
}

impl Id {
    /// Parses an id.
    ///
    /// # Errors
    ///
    /// A message, if it is neither `<version>_<name>`, `<version>-<name>` nor the name of a patch.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(patch) = patch::Patch::parse(text) {
            return Ok(Self::of_patch(text, patch));
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let version = text[..digits].parse::<Version>().map_err(|error| error.to_string())?;
        if !text[digits..].starts_with(['_', '-']) || text.len() == digits + 1 {
            return Err("a line names a migration, `<version>_<name>`".to_owned());
        }
        Ok(Self::numbered(text, version, digits))
    }

    /// Creates the id of a numbered migration; `digits` is the number of bytes of the version.
    pub(crate) fn numbered(text: &str, version: Version, digits: usize) -> Self {
        Self::Numbered(Numbered { text: text.to_owned(), version, digits })
    }

    /// Creates the id of a script that has only a name. Its version follows from it.
    pub fn named(text: &str) -> Self {
        Self::Named(Named { text: text.to_owned(), version: Version::of_name(text) })
    }

    /// Creates the id of a file of `create/`. Its version is its place in the order.
    pub(crate) fn placed(path: &str, place: Version) -> Self {
        Self::Placed(Named { text: path.to_owned(), version: place })
    }

    pub(crate) fn of_patch(text: &str, patch: patch::Patch<'_>) -> Self {
        let (database, key) = (patch.database().len(), patch.key().len());
        let user = key + 1 + patch.user().len();
        Self::Patch(Patch { text: text.to_owned(), version: patch.version(), database, key, user })
    }

    /// The whole text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Numbered(id) => &id.text,
            Self::Patch(id) => &id.text,
            Self::Named(id) | Self::Placed(id) => &id.text,
        }
    }

    /// Its version. For a patch, major and minor as one number; for a name alone, [`Version::of_name`].
    pub fn version(&self) -> Version {
        match self {
            Self::Numbered(id) => id.version,
            Self::Patch(id) => id.version,
            Self::Named(id) | Self::Placed(id) => id.version,
        }
    }

    /// Its name without the version: `create_users`. For a patch, the description; for a name alone, all of it.
    pub fn name(&self) -> &str {
        match self {
            Self::Numbered(id) => &id.text[id.digits + 1..],
            Self::Patch(id) => &id.text[id.user + 1..],
            Self::Named(id) | Self::Placed(id) => &id.text,
        }
    }

    /// Whether it is a patch that runs only if its database does not exist: `database.00000000.MINOR.user.description`.
    pub fn is_bootstrap(&self) -> bool {
        match self {
            Self::Numbered(_) | Self::Named(_) | Self::Placed(_) => false,
            Self::Patch(id) => patch::is_bootstrap(id.version),
        }
    }

    /// The database in the name of a patch.
    pub fn database(&self) -> Option<&str> {
        match self {
            Self::Numbered(_) | Self::Named(_) | Self::Placed(_) => None,
            Self::Patch(id) => Some(&id.text[..id.database]),
        }
    }

    /// The user in the name of a patch.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Numbered(_) | Self::Named(_) | Self::Placed(_) => None,
            Self::Patch(id) => Some(&id.text[id.key + 1..id.user]),
        }
    }

    /// The part that identifies the migration: `billing.00000001.0002` of a patch, whose user and description may change;
    /// otherwise the whole id. The migration's test is named by it.
    pub fn key(&self) -> &str {
        match self {
            Self::Numbered(id) => &id.text,
            Self::Patch(id) => &id.text[..id.key],
            Self::Named(id) | Self::Placed(id) => &id.text,
        }
    }

    /// What a user types for it: its digits, `0007`, or a patch's key.
    pub fn word(&self) -> &str {
        match self {
            Self::Numbered(id) => &id.text[..id.digits],
            Self::Patch(id) => &id.text[..id.key],
            Self::Named(id) | Self::Placed(id) => &id.text,
        }
    }

    /// Its database and version, by which migrations are sorted.
    pub fn place(&self) -> (Option<&str>, Version) {
        (self.database(), self.version())
    }
}

impl Ord for Id {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.place(), self.as_str()).cmp(&(other.place(), other.as_str()))
    }
}

impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Deref for Id {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl PartialEq<str> for Id {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Id {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialEq<String> for Id {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_once_and_knows_its_parts() {
        let id = Id::parse("0007_add-tags").unwrap();
        assert_eq!((id.version().get(), id.name(), id.word(), id.key()), (7, "add-tags", "0007", "0007_add-tags"));
        assert_eq!((id.database(), id.user()), (None, None));
        let id = Id::parse("billing.00000001.0002.owner.add invoices").unwrap();
        assert_eq!((id.version().get(), id.name(), id.word()), (1_0002, "add invoices", "billing.00000001.0002"));
        assert_eq!((id.database(), id.user()), (Some("billing"), Some("owner")));
        assert_eq!(Id::parse("00003-x").unwrap().name(), "x");
        for bad in ["", "7", "7_", "x_7", "7 x", "99999999999999999999_x", "a.1.2.u.x"] {
            assert!(Id::parse(bad).is_err(), "{bad}");
        }
    }
}
