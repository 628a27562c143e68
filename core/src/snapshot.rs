//! What a program knows of the schema that its migrations make: the head and the digest of a schema's text. The texts
//! themselves are written by `lockgate-schema`, and checked in beside the migrations.
//!
//! ```text
//! -- lockgate schema 1 (postgres)
//! -- made by PostgreSQL 17
//!
//! table public.users
//!   column id bigint NOT NULL
//! ```

use std::fmt;

use crate::row_hash::hash;
use crate::{Dialect, Dialects};

/// The version of the form of the texts. It changes whenever the form changes.
pub const FORM: u32 = 1;

const FIRST: &str = "-- lockgate schema ";
const MADE_BY: &str = "-- made by PostgreSQL ";

/// The head of a schema's text.
///
/// ```
/// use lockgate_core::Dialect;
/// use lockgate_core::snapshot::Head;
///
/// let head = Head::parse("-- lockgate schema 1 (postgres)\n-- made by PostgreSQL 17\n\ntable public.users\n").unwrap();
/// assert_eq!((head.form, head.dialect, head.release), (1, Dialect::Postgres, Some(17)));
/// assert!(Head::parse("CREATE TABLE users (id INTEGER);").is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The version of the form.
    pub form: u32,
    /// The database that the schema is for.
    pub dialect: Dialect,
    /// The major release of the PostgreSQL that made it, if the text says so.
    pub release: Option<u32>,
}

impl Head {
    /// Reads the head of a text. `None` if it is not the text of a schema.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let (form, dialect) = lines.next()?.strip_prefix(FIRST)?.split_once(" (")?;
        let (form, dialect) = (form.parse().ok()?, dialect.strip_suffix(')')?.parse().ok()?);
        let release = lines.next().and_then(|line| line.strip_prefix(MADE_BY)?.parse().ok());
        Some(Self { form, dialect, release })
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST}{} ({})", self.form, self.dialect)?;
        match self.release {
            Some(release) => writeln!(f, "{MADE_BY}{release}"),
            None => Ok(()),
        }
    }
}

/// The name of the file of a snapshot.
pub fn file(named_after: NamedAfter, dialect: Dialect, database: Option<&str>) -> String {
    match (named_after, database) {
        (NamedAfter::Dialect, _) => format!("schema.{dialect}.txt"),
        (NamedAfter::Database, Some(database)) => format!("schema.{database}.txt"),
        (NamedAfter::Nothing, _) | (NamedAfter::Database, None) => "schema.txt".to_owned(),
    }
}

/// Whether a line says which release made a schema, and not what is in it.
pub fn is_origin(line: &str) -> bool {
    line.starts_with(MADE_BY)
}

/// A digest of a schema's text. Which release made the text, its line ends and its empty lines do not count.
///
/// ```
/// use lockgate_core::snapshot::SchemaDigest;
///
/// let digest = SchemaDigest::of("-- lockgate schema 1 (postgres)\n\ntable public.users\n");
/// let made_by = SchemaDigest::of("-- lockgate schema 1 (postgres)\r\n-- made by PostgreSQL 17\r\n\r\ntable public.users");
/// assert_eq!(made_by, digest);
/// assert_ne!(SchemaDigest::of("-- lockgate schema 1 (postgres)\n\ntable public.user\n"), digest);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SchemaDigest([u8; 16]);

impl SchemaDigest {
    /// The digest of a text: the hash of history rows, from two seeds. It notices accidents and has no defence against
    /// someone who looks for a collision: whoever can change a schema needs none.
    pub fn of(text: &str) -> Self {
        let mut lines = String::with_capacity(text.len());
        for line in text.lines().filter(|line| !line.is_empty() && !is_origin(line)) {
            lines.push_str(line);
            lines.push('\n');
        }
        let mut digest = [0; 16];
        let (first, second) = digest.split_at_mut(8);
        first.copy_from_slice(&hash(&lines, 0).to_le_bytes());
        second.copy_from_slice(&hash(&lines, i64::MAX).to_le_bytes());
        Self(digest)
    }

    /// The bytes of a digest.
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SchemaDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a set knows of the schema that it makes on one database: from a text that was checked in beside the migrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The database.
    pub dialect: Dialect,
    /// The major release of the PostgreSQL that made it, if the text says so.
    pub release: Option<u32>,
    /// The digest of the text.
    pub digest: SchemaDigest,
    /// How its file is named.
    pub named_after: NamedAfter,
}

/// How the file of a snapshot is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum NamedAfter {
    /// It is the only one: `schema.txt`.
    Nothing = 0,
    /// `schema.postgres.txt`.
    Dialect = 1,
    /// For one of several databases of a server: `schema.billing.txt`.
    Database = 2,
}

impl Snapshot {
    /// How many bytes one takes in a table.
    pub(crate) const LEN: usize = 20;

    /// Returns what is to be known of a text with this name. `None` if it is not the text of a schema.
    pub fn of(text: &str, named_after: NamedAfter) -> Option<Self> {
        let Head { form: _, dialect, release } = Head::parse(text)?;
        Some(Self { dialect, release, digest: SchemaDigest::of(text), named_after })
    }

    #[cfg(feature = "encode")]
    pub(crate) fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[0] = Dialects::NONE.with(self.dialect).bits();
        let release = self.release.and_then(|release| u16::try_from(release).ok()).unwrap_or(0);
        bytes[1..3].copy_from_slice(&release.to_le_bytes());
        bytes[3] = self.named_after as u8;
        bytes[4..].copy_from_slice(&self.digest.0);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; Self::LEN]) -> Option<Self> {
        let dialect = Dialect::ALL.into_iter().find(|dialect| Dialects::NONE.with(*dialect).bits() == bytes[0])?;
        let release = u32::from(u16::from_le_bytes([bytes[1], bytes[2]]));
        let named = [NamedAfter::Nothing, NamedAfter::Dialect, NamedAfter::Database];
        let named_after = named.into_iter().find(|named| *named as u8 == bytes[3])?;
        let digest = SchemaDigest(bytes[4..].try_into().expect("the rest has 16 bytes"));
        Some(Self { dialect, release: (release != 0).then_some(release), digest, named_after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_is_written() {
        for text in ["-- lockgate schema 1 (sqlite)\n", "-- lockgate schema 2 (postgres)\n-- made by PostgreSQL 9\n"] {
            assert_eq!(Head::parse(text).unwrap().to_string(), text);
        }
        for other in
            ["", "table t\n", "-- lockgate schema 1\n", "-- lockgate schema x (sqlite)", "-- lockgate schema 1 (db2)"]
        {
            assert_eq!(Head::parse(other), None, "{other:?}");
        }
    }

    #[test]
    fn each_line_and_its_place_count() {
        let of = SchemaDigest::of;
        assert_eq!(of("a\nb\n"), of("a\r\n\r\nb"));
        for other in ["b\na\n", "a\n b\n", "a\n", "ab\n", "a\nb\nb\n"] {
            assert_ne!(of(other), of("a\nb\n"), "{other:?}");
        }
        // The value is in programs that are in production: it must not change.
        assert_eq!(of("-- lockgate schema 1 (sqlite)\n").to_string(), "4ea642eec7a609fce25b7a74edb640c5");
    }

    #[test]
    fn it_is_decoded_as_it_was_encoded() {
        for text in
            ["-- lockgate schema 1 (sqlite)\n\nx\n", "-- lockgate schema 1 (postgres)\n-- made by PostgreSQL 18\n"]
        {
            for named_after in [NamedAfter::Nothing, NamedAfter::Dialect, NamedAfter::Database] {
                let snapshot = Snapshot::of(text, named_after).unwrap();
                assert_eq!(Snapshot::decode(&snapshot.encode()), Some(snapshot));
            }
        }
    }
}
