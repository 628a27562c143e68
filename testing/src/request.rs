//! Requests of the developers' commands to a package's test program, into which its Rust steps and test functions are
//! compiled. The request is in the environment, the answer in a file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use lockgate_core::Dialect;

/// The variable with the request: see [`Request::to_text`].
pub const REQUEST: &str = "LOCKGATE_REQUEST";
/// The variable with the path of the file for the answer.
pub const ANSWER: &str = "LOCKGATE_ANSWER";
/// The variable with the URL of the development database. It is not an argument, as every process on the machine can read
/// arguments.
pub const TESTDB_URL: &str = "LOCKGATE_TESTDB_URL";

/// Separates the parts of a request. No file name that Lockgate accepts contains a line break.
const SEPARATOR: char = '\n';

/// A request to a test program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Create the database of [`TESTDB_URL`] again, with all migrations and with rows.
    CreateTestdb {
        /// The seed of the random rows.
        seed: u64,
        /// Where the command was typed: a relative path is meant from there.
        from: PathBuf,
    },
    /// Bring the database of [`TESTDB_URL`] to the head, with rows: make it if it does not exist, and apply what is new
    /// if it does.
    Develop {
        /// The seed of the random rows, for a database that is made.
        seed: u64,
        /// Whether to drop an existing database first.
        fresh: bool,
    },
    /// Mark the database of [`TESTDB_URL`] as a development database.
    MarkTestdb {
        /// Where the command was typed: a relative path is meant from there.
        from: PathBuf,
    },
    /// Apply the migrations to the throwaway database of [`TESTDB_URL`].
    Migrate {
        /// The id of the last migration to apply.
        at: String,
    },
    /// Return the schema that the set makes.
    Schema {
        /// The dialect of the database.
        dialect: Dialect,
        /// The form of the answer.
        form: Form,
        /// The id of the last migration to apply.
        at: String,
    },
    /// Return the documentation of the schema that the set makes, as `lockgate_schema::docs::join` writes it.
    Docs {
        /// The dialect of the database.
        dialect: Dialect,
        /// The id of the last migration to apply.
        at: String,
        /// What the schema is called.
        title: String,
    },
}

/// The form of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text to check in.
    Text,
    /// An SVG picture.
    Svg,
    /// A Mermaid diagram.
    Mermaid,
}

impl Form {
    const ALL: [Self; 3] = [Self::Text, Self::Svg, Self::Mermaid];

    /// Returns the name of the form.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Svg => "svg",
            Self::Mermaid => "mermaid",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Request {
    /// Returns the value of the variable for this request.
    ///
    /// ```
    /// use lockgate_core::Dialect;
    /// use lockgate_testing::request::{Form, Request};
    ///
    /// let at = "0002_add tags".to_owned();
    /// let request = Request::Schema { dialect: Dialect::Sqlite, form: Form::Svg, at };
    /// assert_eq!(Request::parse(&request.to_text()), Ok(request));
    /// ```
    pub fn to_text(&self) -> String {
        let parts = match self {
            Self::CreateTestdb { seed, from } => vec!["create-testdb".to_owned(), seed.to_string(), path(from)],
            Self::Develop { seed, fresh } => vec!["develop".to_owned(), seed.to_string(), fresh.to_string()],
            Self::MarkTestdb { from } => vec!["mark-testdb".to_owned(), path(from)],
            Self::Migrate { at } => vec!["migrate".to_owned(), at.clone()],
            Self::Schema { dialect, form, at } => {
                vec!["schema".to_owned(), dialect.to_string(), form.to_string(), at.clone()]
            }
            Self::Docs { dialect, at, title } => {
                vec!["docs".to_owned(), dialect.to_string(), at.clone(), title.clone()]
            }
        };
        parts.join(&SEPARATOR.to_string())
    }

    /// Reads what [`to_text`](Self::to_text) wrote.
    ///
    /// # Errors
    ///
    /// If the text is not a request, for example because it is from another release.
    pub fn parse(text: &str) -> Result<Self, String> {
        let unknown =
            || format!("{REQUEST} has a request that this release of `lockgate-harness` does not know: {text:?}");
        match *text.split(SEPARATOR).collect::<Vec<_>>() {
            ["create-testdb", seed, from] => {
                Ok(Self::CreateTestdb { seed: seed.parse().map_err(|_| unknown())?, from: from.into() })
            }
            ["develop", seed, fresh] => Ok(Self::Develop {
                seed: seed.parse().map_err(|_| unknown())?,
                fresh: fresh.parse().map_err(|_| unknown())?,
            }),
            ["mark-testdb", from] => Ok(Self::MarkTestdb { from: from.into() }),
            ["migrate", at] => Ok(Self::Migrate { at: at.to_owned() }),
            ["schema", dialect, form, at] => {
                let form = Form::ALL.into_iter().find(|known| known.as_str() == form).ok_or_else(unknown)?;
                Ok(Self::Schema { dialect: dialect.parse().map_err(|_| unknown())?, form, at: at.to_owned() })
            }
            ["docs", dialect, at, title] => {
                let dialect = dialect.parse().map_err(|_| unknown())?;
                Ok(Self::Docs { dialect, at: at.to_owned(), title: title.to_owned() })
            }
            _ => Err(unknown()),
        }
    }

    /// Reads the request in this process's environment; `None` if there is none.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse).
    pub fn from_environment() -> Option<Result<Self, String>> {
        env::var(REQUEST).ok().map(|text| Self::parse(&text))
    }
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The answer of a test program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Success, with the text to show.
    Done(String),
    /// Failure, with the reason.
    Refused(String),
}

impl Answer {
    /// Writes the answer to the file that the environment names, if it names one.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn write(&self) -> io::Result<()> {
        let (word, text) = match self {
            Self::Done(text) => ("done", text),
            Self::Refused(text) => ("refused", text),
        };
        env::var_os(ANSWER).map_or(Ok(()), |file| fs::write(file, format!("{word}\n{text}")))
    }

    /// Reads an answer from a file; `None` if the file has none.
    pub fn read(file: &Path) -> Option<Self> {
        let text = fs::read_to_string(file).ok()?;
        match text.split_once('\n')? {
            ("done", text) => Some(Self::Done(text.to_owned())),
            (_, text) => Some(Self::Refused(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_survive_the_environment() {
        let from = PathBuf::from("/a place/with blanks");
        let schema = |at: &str| Request::Schema { dialect: Dialect::Postgres, form: Form::Text, at: at.to_owned() };
        for request in [
            Request::CreateTestdb { seed: 42, from: from.clone() },
            Request::MarkTestdb { from },
            Request::Develop { seed: 7, fresh: true },
            Request::Migrate { at: "0002_add tags".to_owned() },
            schema("0001_create users"),
            schema("billing.00000001.0002.owner.größe"),
            Request::Docs { dialect: Dialect::Sqlite, at: "0001_create users".to_owned(), title: "app".to_owned() },
        ] {
            assert_eq!(Request::parse(&request.to_text()), Ok(request));
        }
        for wrong in ["", "schema", "schema\nsqlite\nsvg", "create-testdb\nmany\n/", "testdb mark"] {
            assert!(Request::parse(wrong).unwrap_err().contains(REQUEST), "{wrong}");
        }
    }
}
