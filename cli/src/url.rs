//! The database URL, with its secrets masked wherever it is shown.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use lockgate::mask_secrets;
use percent_encoding::percent_decode_str;

/// A database URL. Its `Display` and `Debug` mask every secret.
///
/// ```
/// let url: lockgate_cli::DatabaseUrl = "postgres://ada:secret@localhost/library".parse().unwrap();
/// assert_eq!(url.to_string(), "postgres://ada:***@localhost/library");
/// assert_eq!(url.reveal(), "postgres://ada:secret@localhost/library");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The URL with its secrets, to connect with.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The same URL, but without creating a missing SQLite file: for programs that use a database that another program
    /// creates.
    ///
    /// ```
    /// let url: lockgate_cli::DatabaseUrl = "sqlite://library.db?mode=rwc".parse().unwrap();
    /// assert_eq!(url.existing().reveal(), "sqlite://library.db?mode=rw");
    /// ```
    #[must_use]
    pub fn existing(&self) -> Self {
        Self(lockgate::__private::existing(&self.0))
    }

    /// The URL of the database that this names, where it may be only a name on the server of another URL.
    #[cfg(feature = "postgres")]
    pub(crate) fn beside(&self, other: &Self) -> String {
        if self.0.contains("://") {
            return self.0.clone();
        }
        let parts = lockgate::DatabaseParts { name: Some(self.0.clone()), ..lockgate::DatabaseParts::default() };
        lockgate::__private::with_parts(&other.0, &parts).unwrap_or_else(|| self.0.clone())
    }

    /// The file of a SQLite URL that creates a missing file.
    pub(crate) fn file_to_create(&self) -> Option<PathBuf> {
        let rest = self.0.strip_prefix("sqlite:")?;
        let (path, query) = rest.split_once('?')?;
        let path = path.strip_prefix("//").unwrap_or(path);
        if !query.split('&').any(|pair| pair == "mode=rwc") || path == ":memory:" {
            return None;
        }
        Some(PathBuf::from(percent_decode_str(path).decode_utf8().ok()?.as_ref()))
    }
}

impl FromStr for DatabaseUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mask_secrets(&self.0))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DatabaseUrl").field(&mask_secrets(&self.0)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tests of the library say what a secret is.
    #[test]
    fn a_url_is_shown_without_its_secrets() {
        for url in ["postgres://ada:secret@localhost/library", "postgres://h/d?password=secret", "ada:secret@localhost"]
        {
            let parsed: DatabaseUrl = url.parse().unwrap();
            assert_eq!(parsed.to_string(), mask_secrets(url));
            assert!(!format!("{parsed} {parsed:?}").contains("secret"));
        }
    }

    #[test]
    fn the_file_to_create_is_known_before_connecting() {
        let file = |url: &str| url.parse::<DatabaseUrl>().unwrap().file_to_create();
        assert_eq!(file("sqlite://library.db?mode=rwc"), Some(PathBuf::from("library.db")));
        assert_eq!(file("sqlite:a%20b.db?cache=private&mode=rwc"), Some(PathBuf::from("a b.db")));
        assert_eq!(file("sqlite:///var/lib/library.db?mode=rwc"), Some(PathBuf::from("/var/lib/library.db")));
        assert_eq!(file("sqlite://100%.db?mode=rwc"), Some(PathBuf::from("100%.db")));
        assert_eq!(file("sqlite://library.db"), None);
        assert_eq!(file("sqlite://library.db?mode=rw"), None);
        assert_eq!(file("sqlite::memory:?mode=rwc"), None);
        assert_eq!(file("postgres://localhost/library?mode=rwc"), None);
    }
}
