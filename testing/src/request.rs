//! What a developers' command asks of a package's test program, which alone has the Rust steps and the functions of
//! its tests compiled in. The question stands in the environment, the answer in a file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use lockgate_core::Dialect;

/// The variable with the question: see [`Request::to_text`].
pub const REQUEST: &str = "LOCKGATE_REQUEST";
/// The variable with the path of the file for the answer.
pub const ANSWER: &str = "LOCKGATE_ANSWER";
/// The variable with the URL of the database for people. It is not part of the question, and no argument: every
/// process of a machine can read those.
pub const TESTDB_URL: &str = "LOCKGATE_TESTDB_URL";

/// What parts a question has, one a line: no name of a file that Lockgate reads has a line break in it.
const SEPARATOR: char = '\n';

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Make the database of [`TESTDB_URL`] anew, at the head of the set and with rows.
    CreateTestdb {
        /// What the rows are made from.
        seed: u64,
        /// Where the command was typed: a relative path is meant from there.
        from: PathBuf,
    },
    /// Mark the database of [`TESTDB_URL`] for development.
    MarkTestdb {
        /// Where the command was typed: a relative path is meant from there.
        from: PathBuf,
    },
    /// Say what the set makes of an empty database.
    Schema {
        /// Of which kind the database is.
        dialect: Dialect,
        /// In which form.
        form: Form,
        /// Up to this migration, by its id.
        at: String,
    },
}

/// The form in which a schema is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A text to check in.
    Text,
    /// A picture.
    Svg,
    /// A diagram of Mermaid.
    Mermaid,
}

impl Form {
    const ALL: [Self; 3] = [Self::Text, Self::Svg, Self::Mermaid];

    /// The word for it.
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
    /// The question as the variable has it.
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
            Self::MarkTestdb { from } => vec!["mark-testdb".to_owned(), path(from)],
            Self::Schema { dialect, form, at } => {
                vec!["schema".to_owned(), dialect.to_string(), form.to_string(), at.clone()]
            }
        };
        parts.join(&SEPARATOR.to_string())
    }

    /// Reads what [`to_text`](Self::to_text) wrote.
    ///
    /// # Errors
    ///
    /// Where the text is no question, as one of another release may be none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let unknown = || format!("{REQUEST} asks what this release of `lockgate-harness` does not know: {text:?}");
        match *text.split(SEPARATOR).collect::<Vec<_>>() {
            ["create-testdb", seed, from] => {
                Ok(Self::CreateTestdb { seed: seed.parse().map_err(|_| unknown())?, from: from.into() })
            }
            ["mark-testdb", from] => Ok(Self::MarkTestdb { from: from.into() }),
            ["schema", dialect, form, at] => {
                let form = Form::ALL.into_iter().find(|known| known.as_str() == form).ok_or_else(unknown)?;
                Ok(Self::Schema { dialect: dialect.parse().map_err(|_| unknown())?, form, at: at.to_owned() })
            }
            _ => Err(unknown()),
        }
    }

    /// The question that this process is asked; `None` where it is asked nothing.
    ///
    /// # Errors
    ///
    /// As those of [`parse`](Self::parse).
    pub fn from_environment() -> Option<Result<Self, String>> {
        env::var(REQUEST).ok().map(|text| Self::parse(&text))
    }
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// What a test program answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done: what there is to show.
    Done(String),
    /// It was refused: why.
    Refused(String),
}

impl Answer {
    /// Writes it into the file that the environment names; does nothing where it names none.
    ///
    /// # Errors
    ///
    /// Where the file cannot be written.
    pub fn write(&self) -> io::Result<()> {
        let (word, text) = match self {
            Self::Done(text) => ("done", text),
            Self::Refused(text) => ("refused", text),
        };
        env::var_os(ANSWER).map_or(Ok(()), |file| fs::write(file, format!("{word}\n{text}")))
    }

    /// Reads it from a file; `None` where there is none in it.
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
    fn questions_survive_the_environment() {
        let from = PathBuf::from("/a place/with blanks");
        let schema = |at: &str| Request::Schema { dialect: Dialect::Postgres, form: Form::Text, at: at.to_owned() };
        for request in [
            Request::CreateTestdb { seed: 42, from: from.clone() },
            Request::MarkTestdb { from },
            schema("0001_create users"),
            schema("billing.00000001.0002.owner.größe"),
        ] {
            assert_eq!(Request::parse(&request.to_text()), Ok(request));
        }
        for wrong in ["", "schema", "schema\nsqlite\nsvg", "create-testdb\nmany\n/", "testdb mark"] {
            assert!(Request::parse(wrong).unwrap_err().contains(REQUEST), "{wrong}");
        }
    }
}
