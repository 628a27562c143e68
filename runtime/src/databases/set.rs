//! The patches of several databases, as a program embeds them.

use std::fmt;

use lockgate_core::Set;

#[cfg(feature = "databases")]
use crate::error::{Error, Wording};
#[cfg(feature = "databases")]
use crate::history_table::identifier;
use crate::migrations::Migrations;

/// The patches of each database in a folder, as `embed_migrations!("patches", databases)` returns them.
///
/// ```
/// use lockgate::{Databases, Migrations};
///
/// # /*
/// static PATCHES: Databases = lockgate::embed_migrations!("patches", databases);
/// # */
/// # static PATCHES: Databases = Databases::EMPTY;
/// for database in &PATCHES {
///     println!("{} has {} patches", database.name(), database.migrations().len());
/// }
/// assert!(PATCHES.get("no_such_database").is_none());
/// ```
#[derive(Clone, Copy)]
pub struct Databases {
    each: &'static [DatabaseMigrations],
    mirror: Option<&'static str>,
}

/// The patches of one database.
pub struct DatabaseMigrations {
    name: &'static str,
    bootstraps: Migrations,
    migrations: Migrations,
}

impl Databases {
    /// No database.
    pub const EMPTY: Self = Self { each: &[], mirror: None };

    /// Called by what the macro emits.
    #[doc(hidden)]
    pub const fn from_parts(each: &'static [DatabaseMigrations]) -> Self {
        Self { each, mirror: None }
    }

    /// The same, with the database of the mirror that the policy names.
    #[doc(hidden)]
    #[must_use]
    pub const fn with_mirror(self, mirror: Option<&'static str>) -> Self {
        Self { mirror, ..self }
    }

    /// The database of the mirror, if `migrations.toml` names one.
    pub const fn mirror(&self) -> Option<&'static str> {
        self.mirror
    }

    /// Makes the value from sets that were made without the macro: for each database its name, its bootstraps and its
    /// other patches. The databases are sorted by name. The memory is never freed.
    pub fn leak(each: impl IntoIterator<Item = (String, Set, Set)>) -> Self {
        let mut each: Vec<(String, Set, Set)> = each.into_iter().collect();
        each.sort_by(|(one, ..), (other, ..)| one.cmp(other));
        let each: Vec<DatabaseMigrations> = each
            .into_iter()
            .map(|(name, bootstraps, migrations)| {
                DatabaseMigrations::from_parts(name.leak(), bootstraps.into(), migrations.into())
            })
            .collect();
        Self { each: each.leak(), mirror: None }
    }

    /// Returns the patches of the database with this name.
    pub fn get(&self, name: &str) -> Option<&'static DatabaseMigrations> {
        self.iter().find(|database| database.name == name)
    }

    /// Returns the patches of each database, sorted by the names of the databases.
    pub fn iter(&self) -> std::slice::Iter<'static, DatabaseMigrations> {
        self.each.iter()
    }

    /// How many databases there are.
    pub const fn len(&self) -> usize {
        self.each.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.each.is_empty()
    }
}

impl DatabaseMigrations {
    /// Called by what the macro emits.
    #[doc(hidden)]
    pub const fn from_parts(name: &'static str, bootstraps: Migrations, migrations: Migrations) -> Self {
        Self { name, bootstraps, migrations }
    }

    /// The name of the database.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The scripts that run if the database does not exist: those with the major number `00000000`.
    pub const fn bootstraps(&self) -> &Migrations {
        &self.bootstraps
    }

    /// All other patches.
    pub const fn migrations(&self) -> &Migrations {
        &self.migrations
    }

    /// Whether an error says that this database does not exist.
    #[cfg(feature = "databases")]
    #[doc(hidden)]
    #[must_use]
    pub fn is_absent(&self, error: &Error) -> bool {
        let report = error.report();
        // The server says which database it means.
        let is_this = report.database_message().is_some_and(|message| message.contains(self.name));
        report.database_code() == Some("SQLSTATE 3D000") && is_this
    }

    /// Returns the error with more help: if this database does not exist, the help says how to create it.
    #[cfg(feature = "databases")]
    #[doc(hidden)]
    #[must_use]
    pub fn explained(&self, error: Error) -> Error {
        let name = self.name;
        if !self.is_absent(&error) {
            return error;
        }
        if !self.bootstraps.is_empty() {
            return error
                .with_help_instead(Wording::each(|audience| format!("{} makes it, by its bootstraps", audience.up())));
        }
        error.with_help_instead(format!(
            "create the database (`CREATE DATABASE {}`), or add a bootstrap that does, \
             `{name}.00000000.0001.<role>.create_database.sql`",
            identifier(name)
        ))
    }
}

impl IntoIterator for &Databases {
    type Item = &'static DatabaseMigrations;
    type IntoIter = std::slice::Iter<'static, DatabaseMigrations>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Databases {
    type Item = &'static DatabaseMigrations;
    type IntoIter = std::slice::Iter<'static, DatabaseMigrations>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for Databases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for DatabaseMigrations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseMigrations")
            .field("name", &self.name)
            .field("bootstraps", &self.bootstraps.len())
            .field("migrations", &self.migrations.len())
            .finish()
    }
}
