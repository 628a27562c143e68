//! How an operator names a migration: by its version, or as `status` shows it.

use std::fmt;
use std::str::FromStr;

use lockgate::companion;
use lockgate::patch::{self, Patch};
use lockgate::{Migrations, Version};

use crate::command_error::CommandError;

/// A reference to a migration: `7`, `0007` or `0007_create_reservations`. For patches `1.7`, `billing.00000001.0007`,
/// or that with the rest of the file name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationRef {
    version: Version,
    form: Form,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// `7`
    Version,
    /// `0007_create_reservations`
    Name(String),
    /// `1.7`
    Numbers,
    /// `R__active_users`
    Repeatable,
    /// `billing.00000001.0007`, with or without the rest of the name, which may have changed.
    Key { database: String },
}

/// The text is not a reference to a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseMigrationRefError {
    number: <Version as FromStr>::Err,
}

impl ParseMigrationRefError {
    /// The same about a manual script.
    pub(crate) fn of_manual(&self) -> String {
        format!("name it as `manual` shows it, or by its number: {}", self.number)
    }
}

impl fmt::Display for ParseMigrationRefError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "name it as `status` shows it, or by its version: {}", self.number)
    }
}

impl std::error::Error for ParseMigrationRefError {}

impl FromStr for MigrationRef {
    type Err = ParseMigrationRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let of_patch = Patch::parse(text).map(|patch| (patch.database(), patch.version()));
        if let Some((database, version)) = of_patch.or_else(|| patch::parse_key(text)) {
            return Ok(Self { version, form: Form::Key { database: database.to_owned() } });
        }
        if let Some(version) = patch::parse_numbers(text) {
            return Ok(Self { version, form: Form::Numbers });
        }
        if companion::is_repeatable(text) {
            return Ok(Self { version: Version::of_name(text), form: Form::Repeatable });
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (version, form) = match text[digits..].strip_prefix(['_', '-']) {
            Some(name) if digits > 0 => (&text[..digits], Form::Name(name.to_owned())),
            Some(_) | None => (text, Form::Version),
        };
        Ok(Self { version: version.parse().map_err(|number| ParseMigrationRefError { number })?, form })
    }
}

impl MigrationRef {
    /// Returns the version. Fails if the name belongs to another version or another database. The plan checks whether a
    /// migration with this version exists.
    pub(crate) fn version(&self, migrations: &Migrations) -> Result<Version, CommandError> {
        let set = migrations.set();
        let (what, instead) = match (&self.form, set.database()) {
            (Form::Version | Form::Repeatable, _) | (Form::Numbers, Some(_)) => return Ok(self.version),
            (Form::Name(name), _) => match set.find(self.version) {
                Some(migration) if migration.name() != name => {
                    (format!("version {} is not `{name}`", self.version), format!("it is `{}`", migration.id()))
                }
                Some(_) | None => return Ok(self.version),
            },
            (Form::Key { database }, Some(ours)) if database == ours => return Ok(self.version),
            (Form::Key { database }, Some(ours)) => {
                (format!("`{database}` is another database"), format!("the program embeds the migrations of `{ours}`"))
            }
            (Form::Key { .. } | Form::Numbers, None) => {
                let newest = set.last().map(|migration| format!("the newest is `{}`", migration.id()));
                let instead = newest.unwrap_or_else(|| "the program embeds none".to_owned());
                ("no migration of the program has a name of this form".to_owned(), instead)
            }
        };
        Err(CommandError::usage(
            format!("{what}: {instead}"),
            "name a migration as `status` shows it, or by its version alone",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_may_be_left_out() {
        let wanted = |text: &str| text.parse::<MigrationRef>().map(|wanted| (wanted.version.get(), wanted.form));
        assert_eq!(wanted("7"), Ok((7, Form::Version)));
        assert_eq!(wanted("0007"), Ok((7, Form::Version)));
        assert_eq!(wanted("0007_create_reservations"), Ok((7, Form::Name("create_reservations".to_owned()))));
        assert_eq!(wanted("0007_v1.2"), Ok((7, Form::Name("v1.2".to_owned()))));
        let script = "R__active_users".to_owned();
        assert_eq!(wanted(&script), Ok((Version::of_name(&script).get(), Form::Repeatable)));
        for bad in ["create_reservations", "-7", "_7", "7x", "7.", "billing", "billing.7"] {
            assert!(wanted(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_ordinal_is_found_as_its_file_names_it() {
        let wanted = |text: &str| text.parse::<MigrationRef>().map(|wanted| (wanted.version.get(), wanted.form));
        assert_eq!(wanted("00003-fix_tbl"), Ok((3, Form::Name("fix_tbl".to_owned()))));
        assert_eq!(wanted("00000-create"), Ok((0, Form::Name("create".to_owned()))));
    }

    #[test]
    fn what_is_named_is_of_the_database_of_the_set() {
        static BILLING: Migrations = lockgate::embed_migrations!("../tests/fixtures/patches", database = "billing");
        static OTHERS: Migrations =
            lockgate::embed_migrations!("../tests/refusals/folders/database-not-encoded/migrations");
        let version = |migrations: &Migrations, text: &str| {
            let wanted: MigrationRef = text.parse().map_err(|error: ParseMigrationRefError| error.to_string())?;
            wanted.version(migrations).map(Version::get).map_err(|error| error.report())
        };
        for text in ["2.1", "20001", "billing.2.1", "billing.00000002.0001.some_one.under_another_name"] {
            assert_eq!(version(&BILLING, text), Ok(20_001), "{text}");
        }
        let other = version(&BILLING, "audit.00000001.0001.auditor.create_entry").unwrap_err();
        assert!(
            other.contains("`audit` is another database: the program embeds the migrations of `billing`"),
            "{other}"
        );
        for text in ["1.2", "billing.1.2"] {
            let form = version(&OTHERS, text).unwrap_err();
            assert!(form.contains("no migration of the program has a name of this form: the newest is `00"), "{form}");
        }
    }

    #[test]
    fn a_patch_is_found_by_number_key_and_name() {
        let wanted = |text: &str| text.parse::<MigrationRef>().map(|wanted| (wanted.version.get(), wanted.form));
        let key = || Form::Key { database: "billing".to_owned() };
        assert_eq!(wanted("1.7"), Ok((10_007, Form::Numbers)));
        assert_eq!(wanted("00000001.0007"), Ok((10_007, Form::Numbers)));
        assert_eq!(wanted("10007"), Ok((10_007, Form::Version)));
        assert_eq!(wanted("billing.1.7"), Ok((10_007, key())));
        assert_eq!(wanted("billing.00000001.0007"), Ok((10_007, key())));
        assert_eq!(wanted("billing.00000001.0007.billing_owner.add_invoices"), Ok((10_007, key())));
    }
}
