//! Why a run stopped: a kind to branch on, and a report to read.

use std::fmt;

use lockgate_core::{Refusal, Script};

/// An error of Lockgate: handle it by [`kind`](Self::kind), show it by [`report`](Self::report).
///
/// `Display` is one line, for logs; `Debug` is the whole report, so that a `main` that returns the
/// error shows everything.
pub struct Error {
    kind: ErrorKind,
    report: Box<ErrorReport>,
}

/// What kind of error it is. Few and stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A URL, an option or an argument makes no sense.
    Usage,
    /// The database cannot be reached, or does not exist.
    Unreachable,
    /// The database refuses this user: a wrong password or a missing privilege.
    Denied,
    /// The database cannot be written to.
    ReadOnly,
    /// The history table is not as any release known to this one writes it.
    HistoryFormat,
    /// The plan refuses: drift, an unknown destination, an irreversible migration.
    Refused,
    /// The history changed since the plan was made.
    PlanStale,
    /// Another run held the lock until the deadline.
    Locked,
    /// A migration failed.
    Failed,
    /// The connection was lost in the middle of a run.
    Interrupted,
    /// The database has something, or is of a release, that this release of Lockgate does not know.
    Unsupported,
}

impl ErrorKind {
    /// A stable word for it, as reports show it: `refused`, `plan-stale`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Unreachable => "unreachable",
            Self::Denied => "denied",
            Self::ReadOnly => "read-only",
            Self::HistoryFormat => "history-format",
            Self::Refused => "refused",
            Self::PlanStale => "plan-stale",
            Self::Locked => "locked",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Error {
    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// All that is known, to be read by a person. Its `Display` has several lines.
    pub fn report(&self) -> &ErrorReport {
        &self.report
    }

    pub(crate) fn new(kind: ErrorKind, summary: impl Into<String>) -> Self {
        let report = ErrorReport {
            kind,
            summary: summary.into(),
            place: None,
            cause: None,
            reasons: Vec::new(),
            state: Vec::new(),
            help: Vec::new(),
        };
        Self { kind, report: Box::new(report) }
    }

    pub(crate) fn usage(summary: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, summary)
    }

    pub(crate) fn refused(what: &str, refusal: &Refusal) -> Self {
        let mut error = Self::new(ErrorKind::Refused, what);
        error.report.reasons = refusal.reasons.iter().map(|reason| (reason.to_string(), reason.help())).collect();
        error
    }

    pub(crate) fn from_cause(summary: impl Into<String>, cause: Cause) -> Self {
        let mut error = Self::new(cause.class.kind(), summary);
        error.report.help.extend(cause.class.help().map(str::to_owned));
        error.report.cause = Some(cause);
        error
    }

    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self.report.kind = kind;
        self
    }

    pub(crate) fn with_place(mut self, place: Option<Place>) -> Self {
        self.report.place = place;
        self
    }

    /// The same error, with this line instead of one that it said of the state.
    pub(crate) fn with_state_instead(mut self, of: &str, line: String) -> Self {
        self.report.state.retain(|said| said != of);
        self.with_state(line)
    }

    pub(crate) fn with_state(mut self, line: impl Into<String>) -> Self {
        self.report.state.push(line.into());
        self
    }

    pub(crate) fn with_help(mut self, line: impl Into<String>) -> Self {
        self.report.help.push(line.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.report.summary)?;
        if let Some(cause) = &self.report.cause {
            write!(f, ": {}", cause.message)?;
        }
        if let Some((reason, _)) = self.report.reasons.first() {
            write!(f, ": {reason}")?;
        }
        match self.report.reasons.len() {
            0 | 1 => Ok(()),
            many => write!(f, " (and {} more)", many - 1),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&*self.report, f)
    }
}

impl std::error::Error for Error {}

/// All that is known of an error.
#[derive(Clone, Debug)]
pub struct ErrorReport {
    kind: ErrorKind,
    summary: String,
    place: Option<Place>,
    cause: Option<Cause>,
    reasons: Vec<(String, String)>,
    state: Vec<String>,
    help: Vec<String>,
}

impl ErrorReport {
    /// What happened, in one line.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// Where in the migrations: `migrations/0004_x.up.sql:3:1`.
    pub fn place(&self) -> Option<String> {
        self.place.as_ref().map(Place::to_string)
    }

    /// What the database said.
    pub fn database_message(&self) -> Option<&str> {
        self.cause.as_ref().map(|cause| cause.message.as_str())
    }

    /// The database's own code for it: an SQLSTATE, or SQLite's extended result code.
    pub fn database_code(&self) -> Option<&str> {
        self.cause.as_ref()?.code.as_deref()
    }

    /// Every reason for a refusal, each with what to do about it.
    pub fn reasons(&self) -> impl Iterator<Item = (&str, &str)> {
        self.reasons.iter().map(|(reason, help)| (reason.as_str(), help.as_str()))
    }

    /// What is committed and what is not, one fact a line.
    pub fn state(&self) -> &[String] {
        &self.state
    }

    /// What to do next.
    pub fn help(&self) -> &[String] {
        &self.help
    }
}

impl fmt::Display for ErrorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.kind, self.summary)?;
        if let Some(place) = &self.place {
            let number = place.line.to_string();
            let margin = " ".repeat(number.len());
            write!(f, "\n{margin}--> {place}\n{margin} |")?;
            write!(f, "\n{number} | {}", place.text)?;
            let caret = " ".repeat(place.column.saturating_sub(1));
            write!(f, "\n{margin} | {caret}^")?;
        }
        if let Some(cause) = &self.cause {
            write!(f, "\n  = {}", indent(&cause.message))?;
            if let Some(code) = &cause.code {
                write!(f, " ({code})")?;
            }
            for (word, text) in [("detail", &cause.detail), ("hint", &cause.hint), ("where", &cause.context)] {
                if let Some(text) = text {
                    write!(f, "\n  = {word}: {}", indent(text))?;
                }
            }
        }
        for (reason, help) in &self.reasons {
            write!(f, "\n  = {}\n    help: {}", indent(reason), indent(help))?;
        }
        for line in &self.state {
            write!(f, "\n  = {}", indent(line))?;
        }
        for line in &self.help {
            write!(f, "\n  = help: {}", indent(line))?;
        }
        Ok(())
    }
}

fn indent(text: &str) -> String {
    text.trim_end().replace('\n', "\n    ")
}

/// A place in a migration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    path: String,
    line: usize,
    /// In characters, counted from 1.
    column: usize,
    /// The line's text.
    text: String,
}

impl Place {
    /// The place of a byte of an SQL script.
    pub(crate) fn of(script: &Script, text: &str, byte: usize) -> Self {
        let mut byte = byte.min(text.len());
        while !text.is_char_boundary(byte) {
            byte -= 1;
        }
        let before = &text[..byte];
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = text[start..].lines().next().unwrap_or_default().trim_start_matches('\u{feff}');
        let column = text[start..byte].trim_start_matches('\u{feff}').chars().count() + 1;
        Self {
            path: script.path(),
            line: before.matches('\n').count() + 1,
            column,
            text: line.trim_end().replace('\t', " "),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path, self.line, self.column)
    }
}

/// What a database, or the way to it, said.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    pub(crate) class: Class,
    pub(crate) message: String,
    pub(crate) code: Option<String>,
    pub(crate) detail: Option<Box<str>>,
    pub(crate) hint: Option<Box<str>>,
    pub(crate) context: Option<Box<str>>,
    /// Where in the message that was sent: characters, counted from 1.
    pub(crate) position: Option<usize>,
}

/// What Lockgate must know of a database's error to handle it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The table is not there.
    Absent,
    /// The history table has other columns or words than any known release writes.
    HistoryFormat,
    /// The script cannot be parsed.
    Syntax,
    Usage,
    /// A pooler gives the connection no session for as long as it needs one.
    Pooler,
    Unreachable,
    /// The file is not there, or cannot be opened.
    NoFile,
    /// The file is something else, or encrypted.
    NotADatabase,
    /// Wrong password, or no such user.
    Login,
    /// The user may not do this.
    Privilege,
    ReadOnly,
    /// A lock could not be had in time, or a deadlock was resolved against us: try again.
    LockTimeout,
    /// Others held what it needs for as long as it may wait for them.
    Held,
    /// The statement ran longer than it may, or somebody cancelled it.
    Cancelled,
    /// There is no room left.
    Full,
    /// The connection is gone.
    Lost,
    /// Another run is at work on what this one was to do.
    Busy,
    /// Whether a statement has finished cannot be told, and sending it again may do it twice.
    InDoubt,
    /// What a migration changed in a connection that was lent cannot be put back.
    Unclean,
    /// Another run did first what this one was to do.
    Overtaken,
    /// The history table did not take what was to be recorded.
    Unwritten,
    /// Rows of the history are hidden from this role.
    Hidden,
    /// The history table may have been made by somebody with fewer rights.
    Planted,
    /// There are several history tables.
    Ambiguous,
    /// There is something that no code here knows.
    #[cfg_attr(not(feature = "schema"), expect(dead_code, reason = "only a schema that is read has such"))]
    Unknown,
    Other,
}

impl Class {
    fn kind(self) -> ErrorKind {
        match self {
            Self::Usage | Self::Pooler => ErrorKind::Usage,
            Self::Unreachable | Self::NoFile | Self::NotADatabase => ErrorKind::Unreachable,
            Self::Login | Self::Privilege => ErrorKind::Denied,
            Self::ReadOnly => ErrorKind::ReadOnly,
            Self::HistoryFormat => ErrorKind::HistoryFormat,
            Self::Lost => ErrorKind::Interrupted,
            Self::Overtaken => ErrorKind::PlanStale,
            Self::Busy => ErrorKind::Locked,
            Self::Hidden | Self::Planted => ErrorKind::Denied,
            Self::Ambiguous => ErrorKind::HistoryFormat,
            Self::InDoubt => ErrorKind::Refused,
            Self::Unknown => ErrorKind::Unsupported,
            Self::Absent
            | Self::Syntax
            | Self::LockTimeout
            | Self::Held
            | Self::Cancelled
            | Self::Full
            | Self::Unclean
            | Self::Unwritten
            | Self::Other => ErrorKind::Failed,
        }
    }

    fn help(self) -> Option<&'static str> {
        match self {
            Self::HistoryFormat => Some(
                "the table was written by a newer release or by something else: use the newer release, or name \
                 another table with `history_table`",
            ),
            Self::Unreachable => Some("check that the server runs and that host, port and database name are right"),
            Self::NoFile => Some(
                "check the path in the database URL, and that its folder may be read; to create a file that is \
                 missing, add `?mode=rwc`",
            ),
            Self::NotADatabase => {
                Some("check the path in the database URL: the file there is no SQLite database, or an encrypted one")
            }
            Self::Pooler => Some("connect to the server itself, or to a pool in session mode, then run again"),
            Self::Login => Some("check user and password in the database URL"),
            Self::Privilege => Some("grant the privilege to this role, or connect as one that has it, then run again"),
            Self::ReadOnly => Some("connect to the primary, or to a file and a folder that can be written"),
            Self::LockTimeout => {
                Some("end what holds it, or allow more time with `lock_timeout` (SQLite: `lock_wait`), then run again")
            }
            Self::Held => {
                Some("end what reads or writes the database, or allow more time with `lock_wait`, then run again")
            }
            Self::Cancelled => Some(
                "if a limit ended it: raise `statement_timeout`, or write `-- lockgate: statement-timeout 10min`; if \
                 somebody did (`pg_cancel_backend`): find out who cancelled it; then run again",
            ),
            Self::Full => Some("free some space, then run again: nothing needs to be repaired"),
            Self::Lost => Some("look with `status`, then run again: what is recorded is not repeated"),
            Self::Unclean => {
                Some("close the connection, and run what changes its session on one that is not used again")
            }
            Self::Overtaken => Some("look with `status`, then run again"),
            Self::Busy => Some("wait for it to end, or allow more time with `lock_wait`"),
            Self::Unwritten => Some(
                "look for a trigger or a rule on the history table that keeps rows from being written, drop it, then run again",
            ),
            Self::Hidden => Some(
                "switch it off (`ALTER TABLE … DISABLE ROW LEVEL SECURITY`), or connect as the owner of the table or as a \
                 role with BYPASSRLS",
            ),
            Self::Planted => Some(
                "look at the table and at its triggers; if it is yours, give it to the owner of the database \
                 (`ALTER TABLE … OWNER TO`), or connect as the role that it belongs to; else drop it",
            ),
            Self::Ambiguous => Some("name the one that is meant, with its schema: `history_table(\"schema.table\")`"),
            Self::Unknown => Some("use a newer release of Lockgate, or take the object out of the database"),
            Self::Absent | Self::Syntax | Self::Usage | Self::InDoubt | Self::Other => None,
        }
    }
}

impl Cause {
    pub(crate) fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), code: None, detail: None, hint: None, context: None, position: None }
    }

    pub(crate) fn history_format(message: String) -> Self {
        Self::new(Class::HistoryFormat, message)
    }

    /// What is known of an error that did not come from the database's own mouth.
    pub(crate) fn from_driver(error: &sqlx::Error) -> Self {
        let (class, message) = match error {
            sqlx::Error::Configuration(e) => (Class::Usage, format!("the database URL is not understood: {e}")),
            sqlx::Error::InvalidArgument(e) => (Class::Usage, e.clone()),
            sqlx::Error::Io(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                (Class::Lost, "the server, or something on the way to it, closed the connection".to_owned())
            }
            sqlx::Error::Io(e) => (Class::Lost, e.to_string()),
            sqlx::Error::Tls(e) => (Class::Unreachable, format!("no encrypted connection: {e}")),
            sqlx::Error::PoolTimedOut => (
                Class::Unreachable,
                "the pool gave no connection in time: all are in use, or none can be made".to_owned(),
            ),
            sqlx::Error::PoolClosed => (Class::Unreachable, "the pool is closed".to_owned()),
            // Nobody knows what the server sends next: COPY FROM STDIN in a script, for one.
            sqlx::Error::Protocol(e) => (Class::Lost, format!("the conversation with the server broke down: {e}")),
            sqlx::Error::WorkerCrashed => (Class::Lost, "the connection's worker thread is gone".to_owned()),
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. } => (Class::HistoryFormat, error.to_string()),
            other => (Class::Other, other.to_string()),
        };
        Self::new(class, message)
    }
}

/// An error and all that it was caused by, in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let message = error.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        source = error.source();
    }
    text
}
