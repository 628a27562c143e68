//! Why a test function failed: what was expected and found, and at which line. A failed connection is distinguished,
//! because it proves nothing about the migration.

use std::any::Any;
use std::fmt;
use std::panic::Location;
use std::path::Path;

/// The result of a test function. [`Failure`] converts from every error, so `?` works.
pub type TestResult<T = ()> = Result<T, Failure>;

/// Why a test function failed.
pub struct Failure {
    message: String,
    /// The file, as the compiler names it, and the line.
    place: Option<(String, u32)>,
    broken: bool,
}

impl Failure {
    /// Makes a failure with this message, at the line of the call.
    ///
    /// ```
    /// use lockgate_harness::Failure;
    ///
    /// let failure = Failure::new("two of three loans are gone");
    /// assert!(failure.to_string().starts_with("two of three loans are gone"));
    /// ```
    #[track_caller]
    pub fn new(message: impl Into<String>) -> Self {
        Self::without_place(message).at(Location::caller())
    }

    pub(crate) fn without_place(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, broken: false }
    }

    /// A failure that says nothing about the migration, as the database did not answer.
    pub(crate) fn broken(message: impl Into<String>) -> Self {
        Self { broken: true, ..Self::without_place(message) }
    }

    /// The error of a statement.
    pub(crate) fn of(error: &sqlx::Error, sql: &str) -> Self {
        let reason = match error {
            sqlx::Error::Database(e) => match e.code() {
                Some(code) => format!("{} ({code})", e.message()),
                None => e.message().to_owned(),
            },
            error => error.to_string(),
        };
        let message = if sql.is_empty() { reason } else { format!("{reason}\n  in {}", shortened(sql)) };
        Self { broken: proves_nothing(error), ..Self::without_place(message) }
    }

    /// Sets the line, unless it already has one.
    pub(crate) fn at(self, place: &Location<'_>) -> Self {
        self.at_line(place.file(), place.line())
    }

    pub(crate) fn at_line(mut self, file: &str, line: u32) -> Self {
        self.place.get_or_insert_with(|| (file.to_owned(), line));
        self
    }

    /// Makes its file relative to this folder. The macro compiles tests by their absolute paths.
    pub(crate) fn seen_from(mut self, base: &Path) -> Self {
        if let Some((file, _)) = &mut self.place {
            *file = shown_from(base, Path::new(file));
        }
        self
    }

    /// Names the test function in the message.
    pub(crate) fn within(mut self, function: &str) -> Self {
        self.message = format!("`{function}`: {}", self.message);
        self
    }

    /// Whether the database did not answer, so that it says nothing about the migration.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.place {
            Some((file, line)) => {
                // Test programs run in the directory of their package.
                let here = std::env::current_dir().unwrap_or_default();
                write!(f, "\n  at {}:{line}", shown_from(&here, Path::new(file)))
            }
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Returns a path relative to a folder, if it is inside it.
pub(crate) fn shown_from(base: &Path, path: &Path) -> String {
    path.strip_prefix(base).unwrap_or(path).display().to_string()
}

/// Converts every error, at the line of the `?`. For this, `Failure` itself cannot implement `std::error::Error`.
impl<E: std::error::Error + Send + Sync + 'static> From<E> for Failure {
    #[track_caller]
    fn from(error: E) -> Self {
        let place = Location::caller();
        let any: &dyn Any = &error;
        if let Some(error) = any.downcast_ref::<sqlx::Error>() {
            return Self::of(error, "").at(place);
        }
        let mut message = error.to_string();
        let mut next = error.source();
        while let Some(source) = next {
            let words = source.to_string();
            if !message.contains(&words) {
                message = format!("{message}: {words}");
            }
            next = source.source();
        }
        Self::without_place(message).at(place)
    }
}

/// Whether an error means that the database is gone, busy or full, and says nothing about the statement.
fn proves_nothing(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else {
        return matches!(
            error,
            sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::Configuration(_)
        );
    };
    let code = error.code().unwrap_or_default();
    if let Ok(code) = code.parse::<u32>()
        && code < 10_000
    {
        // SQLite: BUSY, LOCKED, NOMEM, INTERRUPT, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, NOTADB.
        return matches!(code & 0xff, 5 | 6 | 7 | 9 | 10 | 11 | 13 | 14 | 15 | 26);
    }
    // PostgreSQL's classes: connection, resources, operator intervention (timeouts too), system, internal.
    ["08", "53", "57", "58", "XX"].iter().any(|class| code.starts_with(class))
        || ["40001", "40P01", "55P03", "25P03", "25P04"].contains(&&*code)
}

/// Shortens a statement for a message.
pub(crate) fn shortened(sql: &str) -> String {
    let words = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(160) {
        Some((end, _)) => format!("`{} …`", &words[..end]),
        None => format!("`{words}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_mark_records_its_line() {
        fn asks() -> TestResult {
            let error = std::io::Error::other("no such luck");
            Err(error)?
        }
        let failure = asks().unwrap_err();
        assert!(failure.to_string().starts_with("no such luck\n  at "), "{failure}");
        assert!(failure.to_string().contains("failure.rs:"), "{failure}");
        assert!(!failure.is_broken());
    }

    #[test]
    fn a_lost_connection_proves_nothing() {
        assert!(Failure::of(&sqlx::Error::Io(std::io::Error::other("gone")), "").is_broken());
        assert!(Failure::of(&sqlx::Error::PoolTimedOut, "").is_broken());
        assert!(!Failure::of(&sqlx::Error::RowNotFound, "").is_broken());
    }
}
