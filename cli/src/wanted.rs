//! A migration as an operator names it: by its version, or as `status` shows it.

use std::str::FromStr;

use lockgate::{Migrations, Version};

use crate::problem::Problem;

/// `7`, `0007` or `0007_create_reservations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    version: Version,
    name: Option<String>,
}

impl FromStr for Wanted {
    type Err = <Version as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (version, name) = match text.split_once('_') {
            Some((version, name)) => (version, Some(name.to_owned())),
            None => (text, None),
        };
        Ok(Self { version: version.parse()?, name })
    }
}

impl Wanted {
    /// The version. Whether a migration has it is for the plan to say; a name that belongs to
    /// another version is a slip of the pen and goes no further.
    pub(crate) fn version(&self, migrations: &Migrations) -> Result<Version, Problem> {
        let Some(name) = &self.name else { return Ok(self.version) };
        match migrations.set().find(self.version) {
            Some(migration) if migration.name() != name => Err(Problem::usage(
                format!("version {} is not `{name}`: it is `{}`", self.version, migration.id()),
                "name a migration as `status` shows it, or by its version alone",
            )),
            Some(_) | None => Ok(self.version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_may_be_left_out() {
        let wanted = |text: &str| text.parse::<Wanted>().map(|wanted| (wanted.version.get(), wanted.name));
        assert_eq!(wanted("7"), Ok((7, None)));
        assert_eq!(wanted("0007"), Ok((7, None)));
        assert_eq!(wanted("0007_create_reservations"), Ok((7, Some("create_reservations".to_owned()))));
        assert!(wanted("create_reservations").is_err());
        assert!(wanted("-7").is_err());
    }
}
