//! The SQL dialects that a script can be written for.

use std::fmt;
use std::str::FromStr;

/// A dialect of SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// SQLite.
    Sqlite,
    /// MySQL and MariaDB.
    Mysql,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 3] = [Self::Postgres, Self::Sqlite, Self::Mysql];

    /// Its name in `migrations.toml`: `postgres`, `sqlite` or `mysql`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
            Self::Mysql => "mysql",
        }
    }

    /// The product name: `PostgreSQL`, `SQLite` or `MySQL`.
    pub const fn product(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Sqlite => "SQLite",
            Self::Mysql => "MySQL",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Postgres => 1,
            Self::Sqlite => 2,
            Self::Mysql => 4,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is not the name of a dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseDialectError;

impl fmt::Display for ParseDialectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a dialect is one of postgres, sqlite, mysql")
    }
}

impl std::error::Error for ParseDialectError {}

impl FromStr for Dialect {
    type Err = ParseDialectError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|dialect| dialect.as_str() == text).ok_or(ParseDialectError)
    }
}

/// A set of dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dialects(u8);

impl Dialects {
    /// All dialects: the default of a folder.
    pub const ALL: Self = Self(7);
    /// No dialect.
    pub const NONE: Self = Self(0);

    /// The set with these bits (1 PostgreSQL, 2 SQLite, 4 MySQL), or `None` if another bit is set.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        if bits > 7 { None } else { Some(Self(bits)) }
    }

    /// The bits: 1 PostgreSQL, 2 SQLite, 4 MySQL.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether the set contains this dialect.
    pub const fn contains(self, dialect: Dialect) -> bool {
        self.0 & dialect.bit() != 0
    }

    /// This set with one more dialect.
    #[must_use]
    pub const fn with(self, dialect: Dialect) -> Self {
        Self(self.0 | dialect.bit())
    }

    /// The dialects of the set, in the order of [`Dialect::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Dialect> {
        Dialect::ALL.into_iter().filter(move |dialect| self.contains(*dialect))
    }
}

impl FromIterator<Dialect> for Dialects {
    fn from_iter<T: IntoIterator<Item = Dialect>>(dialects: T) -> Self {
        dialects.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for Dialects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, dialect) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            f.write_str(dialect.as_str())?;
        }
        Ok(())
    }
}
