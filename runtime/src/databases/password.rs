//! The passwords of the roles: from the environment, from files that it names, or from a function of the caller's.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use crate::error::Error;
use crate::parts::password_in;

/// A function that knows the passwords of roles.
pub(super) type Function = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Where passwords come from.
#[derive(Clone, Default)]
pub(super) enum Passwords {
    /// None is known.
    #[default]
    None,
    /// From the variables `{prefix}{ROLE}_PASSWORD` and `{prefix}{ROLE}_PASSWORD_FILE`.
    Environment {
        /// The prefix.
        prefix: String,
    },
    /// From a function.
    Function(Function),
}

impl Passwords {
    /// The password of a role, if there is one.
    pub(super) fn of(&self, role: &str) -> Result<Option<String>, Error> {
        match self {
            Self::None => Ok(None),
            Self::Function(function) => Ok(function(role)),
            Self::Environment { prefix } => read(&variable(prefix, role), |name| std::env::var_os(name)),
        }
    }

    /// The variable that may hold the password of a role.
    pub(super) fn variable(&self, role: &str) -> Option<String> {
        match self {
            Self::Environment { prefix } => Some(variable(prefix, role)),
            Self::None | Self::Function(_) => None,
        }
    }

    /// Refuses two roles that would share a variable, and passwords that cannot be sent.
    pub(super) fn check<'a>(&self, roles: impl Iterator<Item = &'a str>) -> Result<(), Error> {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for role in roles {
            // Whether it can be read matters when the role logs in.
            if let Ok(Some(password)) = self.of(role)
                && password.contains(char::is_control)
            {
                return Err(self.unsendable(role));
            }
            let Some(variable) = self.variable(role) else { continue };
            if let Some(other) = seen.insert(variable.clone(), role).filter(|other| *other != role) {
                let summary = format!("the roles `{other}` and `{role}` would share the variable {variable}");
                return Err(Error::usage(summary)
                    .with_help("rename one of the two roles, in the database and in the names of its patches"));
            }
        }
        Ok(())
    }

    fn unsendable(&self, role: &str) -> Error {
        let of = match self.variable(role) {
            Some(variable) => {
                format!("the password of the role `{role}`, in {variable} or the file of {variable}_FILE,")
            }
            None => format!("the password of the role `{role}`"),
        };
        Error::usage(format!("{of} has a control character, such as a line break or a tab, which cannot be sent"))
            .with_help("give the password without it: it is often at the end, from a copied line")
    }
}

/// The variable of a role: in capital letters, with `_` for every character that such a name cannot have.
fn variable(prefix: &str, role: &str) -> String {
    let name = role.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    format!("{prefix}{}_PASSWORD", name.collect::<String>())
}

/// Reads the password from a variable, or from the file that a second one names.
fn read(variable: &str, value: impl Fn(&str) -> Option<OsString>) -> Result<Option<String>, Error> {
    let file_variable = format!("{variable}_FILE");
    let text = |name: &str| {
        let Some(value) = value(name) else { return Ok(None) };
        let wrong = |what: &str, help: String| Err(Error::usage(format!("{name} {what}")).with_help(help));
        match value.into_string() {
            Ok(value) if value.is_empty() => wrong("is set, but empty", format!("give {name} a value, or unset it")),
            Ok(value) => Ok(Some(value)),
            Err(_) => wrong("is not UTF-8", format!("set {name} to text in UTF-8, or unset it")),
        }
    };
    match (text(variable)?, text(&file_variable)?) {
        (Some(_), Some(_)) => Err(Error::usage(format!("{variable} and {file_variable} are both set"))
            .with_help(format!("unset {variable}, or unset {file_variable}"))),
        (Some(password), None) => Ok(Some(password)),
        (None, Some(file)) => password_in(Path::new(&file), &file_variable).map(Some),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_has_a_variable() {
        assert_eq!(variable("", "billing_owner"), "BILLING_OWNER_PASSWORD");
        assert_eq!(variable("PATCH_", "billing-owner"), "PATCH_BILLING_OWNER_PASSWORD");
        assert_eq!(variable("", "ä1"), "_1_PASSWORD");
    }

    #[test]
    fn two_roles_do_not_share_a_variable() {
        let environment = Passwords::Environment { prefix: "X_".to_owned() };
        environment.check(["a", "b", "a"].into_iter()).unwrap();
        let error = environment.check(["app-owner", "b", "app_owner"].into_iter()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the roles `app-owner` and `app_owner` would share the variable X_APP_OWNER_PASSWORD"
        );
        Passwords::None.check(["app-owner", "app_owner"].into_iter()).unwrap();
    }

    #[test]
    fn a_password_is_in_a_variable_or_in_a_file() {
        let file = std::env::temp_dir().join(format!("lockgate-password-{}", std::process::id()));
        std::fs::write(&file, "s3cret\n").unwrap();
        let path = file.to_str().unwrap().to_owned();
        let of = |set: &[(&str, &str)]| {
            let set: Vec<(String, OsString)> =
                set.iter().map(|(name, value)| ((*name).to_owned(), OsString::from(value))).collect();
            read("A_PASSWORD", move |name| set.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()))
                .map_err(|error| error.to_string())
        };
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[("A_PASSWORD", "p w")]), Ok(Some("p w".to_owned())));
        assert_eq!(of(&[("A_PASSWORD_FILE", &path)]), Ok(Some("s3cret".to_owned())));
        assert_eq!(of(&[("A_PASSWORD", "")]), Err("A_PASSWORD is set, but empty".to_owned()));
        let both = of(&[("A_PASSWORD", "x"), ("A_PASSWORD_FILE", &path)]);
        assert_eq!(both, Err("A_PASSWORD and A_PASSWORD_FILE are both set".to_owned()));
        let missing = of(&[("A_PASSWORD_FILE", "no/such/file")]).unwrap_err();
        assert!(missing.starts_with("the password file `no/such/file` (A_PASSWORD_FILE) cannot be read"), "{missing}");
        std::fs::write(&file, "one\ntwo\n").unwrap();
        assert!(of(&[("A_PASSWORD_FILE", &path)]).unwrap_err().ends_with("holds more than one line"));
        std::fs::remove_file(&file).unwrap();
    }
}
