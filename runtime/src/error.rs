//! Why a run stopped: a kind to branch on, and a report to read.

use std::error::Error as StdError;
use std::fmt;
use std::num::NonZero;
use std::sync::Arc;

use lockgate_core::audience::with_flags;
#[cfg(feature = "postgres")]
use lockgate_core::audience::{on_bootstraps, on_database};
use lockgate_core::plan::Reason;
use lockgate_core::psql::FilePlace;
use lockgate_core::{Audience, Drift, Refusal, Script};

use crate::migrations::BoxError;

/// The state after something that stopped before it changed anything.
pub(crate) const UNCHANGED: &str = "nothing was changed";

/// An error of Lockgate. Handle it by its [`kind`](Self::kind), and show its [`report`](Self::report).
///
/// `Display` is one line, for logs; `Debug` is the whole report, so that a `main` that returns the
/// error shows everything.
pub struct Error {
    kind: ErrorKind,
    /// One for each audience, in the order of [`Audience::ALL`].
    reports: Box<[ErrorReport; 2]>,
    /// Of a refusal.
    reasons: Vec<Reason>,
}

/// A line of a report, worded for Rust and for the command line.
#[derive(Clone, Debug)]
pub(crate) struct Wording([String; 2]);

impl Wording {
    pub(crate) fn each(line: impl Fn(Audience) -> String) -> Self {
        Self(Audience::ALL.map(line))
    }

    pub(crate) fn to(&self, audience: Audience) -> &str {
        let [rust, command_line] = &self.0;
        match audience {
            Audience::Rust => rust,
            Audience::CommandLine => command_line,
        }
    }
}

impl From<&str> for Wording {
    fn from(line: &str) -> Self {
        Self::each(|_| line.to_owned())
    }
}

impl From<String> for Wording {
    fn from(line: String) -> Self {
        Self::each(|_| line.clone())
    }
}

/// The kind of an error. The kinds are few and stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A URL, an option or an argument is invalid.
    Usage,
    /// The database cannot be reached, or does not exist.
    Unreachable,
    /// The database refuses this user: a wrong password or a missing privilege.
    Denied,
    /// The database is read-only.
    ReadOnly,
    /// The history table does not have a format that this release of Lockgate knows.
    HistoryFormat,
    /// Lockgate refuses to run: drift, an unknown destination, an irreversible migration, or a protected stage.
    Refused,
    /// The history has changed since the plan was made.
    PlanStale,
    /// Another run held the lock until the deadline.
    Locked,
    /// A migration failed.
    Failed,
    /// The connection was lost in the middle of a run.
    Interrupted,
    /// A wait for migrations ended before all of them were applied.
    TimedOut,
    /// A wait for migrations ended, and a migration had stopped halfway.
    Partial,
    /// The database server, or an object in the database, is of a kind that this release of Lockgate does not know.
    Unsupported,
}

impl ErrorKind {
    /// A stable name, as reports show it: `refused`, `plan-stale`.
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
            Self::TimedOut => "timed-out",
            Self::Partial => "partial",
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
    /// The kind of this error.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The full report, worded for a caller from Rust: its advice names functions. Its `Display` has several lines.
    pub fn report(&self) -> &ErrorReport {
        self.report_for(Audience::Rust)
    }

    /// The full report, worded for an audience: for users of the command line it names commands, for callers from Rust
    /// it names functions.
    pub fn report_for(&self, audience: Audience) -> &ErrorReport {
        let [rust, command_line] = &*self.reports;
        match audience {
            Audience::Rust => rust,
            Audience::CommandLine => command_line,
        }
    }

    /// The reasons why a plan was refused, as values. Empty if no plan was refused.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use lockgate::{Database, DownTo, Migrations, Migrator, Reason};
    ///
    /// # static MIGRATIONS: Migrations = Migrations::EMPTY;
    /// let mut database = Database::connect("sqlite::memory:").await?;
    /// let error = Migrator::new(&MIGRATIONS).revert(&mut database, DownTo::Steps(1)).await.unwrap_err();
    /// assert!(matches!(error.reasons(), [Reason::TooManySteps { asked: 1, applied: 0, .. }]));
    /// # Ok::<(), lockgate::Error>(()) }).unwrap();
    /// ```
    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }

    /// The differences between the set of migrations and the history because of which a plan was refused.
    pub fn drift(&self) -> impl Iterator<Item = &Drift> {
        self.reasons.iter().filter_map(|reason| match reason {
            Reason::Drift(drift) => Some(drift),
            _ => None,
        })
    }

    /// The same, each with what to do about it, worded for an audience.
    pub fn drift_for(&self, audience: Audience) -> impl Iterator<Item = (&Drift, &str)> {
        let helps = self.report_for(audience).reasons().map(|(_, help)| help);
        self.reasons.iter().zip(helps).filter_map(|(reason, help)| match reason {
            Reason::Drift(drift) => Some((drift, help)),
            _ => None,
        })
    }

    pub(crate) fn new(kind: ErrorKind, summary: impl Into<Wording>) -> Self {
        let reports = summary.into().0.map(|summary| ErrorReport {
            kind,
            summary,
            place: None,
            cause: None,
            reasons: Vec::new(),
            state: Vec::new(),
            help: Vec::new(),
        });
        Self { kind, reports: Box::new(reports), reasons: Vec::new() }
    }

    fn with(mut self, mut change: impl FnMut(Audience, &mut ErrorReport)) -> Self {
        for (audience, report) in Audience::ALL.into_iter().zip(&mut *self.reports) {
            change(audience, report);
        }
        self
    }

    pub(crate) fn usage(summary: impl Into<Wording>) -> Self {
        Self::new(ErrorKind::Usage, summary)
    }

    pub(crate) fn refused(summary: impl Into<Wording>, refusal: &Refusal) -> Self {
        let reasons = &refusal.reasons;
        let error = Self::new(ErrorKind::Refused, summary).with(|audience, report| {
            report.reasons = reasons.iter().map(|reason| (reason.to_string(), reason.help_for(audience))).collect();
        });
        Self { reasons: reasons.clone(), ..error }
    }

    /// A refusal for these reasons, each with what to do about it.
    pub(crate) fn refused_for(summary: impl Into<Wording>, reasons: &[(String, Wording)]) -> Self {
        let error = Self::new(ErrorKind::Refused, summary).with(|audience, report| {
            report.reasons =
                reasons.iter().map(|(reason, help)| (reason.clone(), help.to(audience).to_owned())).collect();
        });
        error.with_state(UNCHANGED)
    }

    pub(crate) fn from_cause(summary: impl Into<Wording>, cause: Cause) -> Self {
        Self::new(cause.class.kind(), summary).with(|audience, report| {
            report.help.extend(cause.help(audience));
            report.cause = Some(cause.clone());
        })
    }

    /// The error of something that needs no lock of a run, and that a lock of somebody else stopped, or another cause.
    pub(crate) fn of_read(summary: impl Into<Wording>, cause: Cause) -> Self {
        let is_locked = cause.class == Class::LockTimeout;
        let error = Self::from_cause(summary, cause);
        if is_locked { error.with_kind(ErrorKind::Locked) } else { error }
    }

    /// The same error, which shows none of these words.
    pub(crate) fn masked(self, secrets: &[String]) -> Self {
        self.with(|_, report| {
            for text in [&mut report.summary].into_iter().chain(&mut report.help) {
                for secret in secrets {
                    *text = text.replace(secret, "***");
                }
            }
        })
    }

    /// The same error, with this in front of its summary.
    pub(crate) fn in_front(self, words: &str) -> Self {
        self.with(|_, report| report.summary = format!("{words}: {}", report.summary))
    }

    /// The same error, about another URL than the database URL.
    pub(crate) fn of_url(self, named: &str) -> Self {
        let name = |text: &mut String| *text = text.replace("the database URL", named);
        self.with(|_, report| [&mut report.summary].into_iter().chain(&mut report.help).for_each(name))
    }

    /// The same error, but about the administrator's URL, which was given by this flag or variable.
    #[doc(hidden)]
    #[must_use]
    pub fn of_administrator(self, given_by: &str) -> Self {
        let error = self.of_url(&format!("the URL of `{given_by}`")).in_front(&format!("`{given_by}`"));
        match error.report().database_code() {
            // The usual help says how to create the database, which is what the administrator is about to do.
            Some("SQLSTATE 3D000") => {
                error.with_help_instead("name a database that exists on the server, such as `postgres`")
            }
            _ => error,
        }
    }

    /// The same error about one of several databases: the commands in its advice name the database.
    #[cfg(feature = "postgres")]
    #[doc(hidden)]
    #[must_use]
    pub fn on_database(self, name: &str) -> Self {
        self.with_advice(|audience, help| match audience {
            Audience::CommandLine => on_database(help, name),
            Audience::Rust => help.to_owned(),
        })
    }

    /// The same error about the bootstraps of a database. While they run, their history is in another database, and the
    /// advice says how to correct that history.
    #[cfg(feature = "postgres")]
    #[doc(hidden)]
    #[must_use]
    pub fn on_bootstraps(self, name: &str) -> Self {
        self.with_advice(|audience, help| match audience {
            Audience::CommandLine => on_bootstraps(help, name),
            Audience::Rust => help.replace(
                "(`Migrator::repair`)",
                &format!(
                    "(`Migrator::repair`, on the migrator that `DatabasesMigrator::bootstraps(\"{name}\")` returns)"
                ),
            ),
        })
    }

    /// The same error for a command line that was called with these flags: the commands in its advice have them too.
    #[doc(hidden)]
    #[must_use]
    pub fn with_flags(self, flags: &[String]) -> Self {
        self.with_advice(|audience, help| match audience {
            Audience::CommandLine => with_flags(help, flags),
            Audience::Rust => help.to_owned(),
        })
    }

    fn with_advice(self, change: impl Fn(Audience, &str) -> String) -> Self {
        self.with(|audience, report| {
            let reasons = report.reasons.iter_mut().map(|(_, help)| help);
            reasons.chain(&mut report.help).for_each(|help| *help = change(audience, help));
        })
    }

    /// The same error, with this help alone.
    pub(crate) fn with_help_instead(self, line: impl Into<Wording>) -> Self {
        self.with(|_, report| report.help.clear()).with_help(line)
    }

    /// One error for several files, each of which failed by itself: the first with its place, the others in a line each.
    pub(crate) fn of_files(errors: Vec<Self>, summary: String) -> Self {
        let mut all = Self::new(ErrorKind::Failed, summary);
        let mut each = errors.into_iter();
        let Some(first) = each.next() else { return all };
        all = all.with(|audience, report| {
            let first = first.report_for(audience);
            report.place.clone_from(&first.place);
            report.cause.clone_from(&first.cause);
            if first.place.is_none() {
                report.state.push(first.summary.clone());
            }
        });
        each.fold(all, |all, error| {
            all.with(|audience, report| {
                let other = error.report_for(audience);
                let cause = other.cause.as_ref().map(|cause| format!(": {cause}")).unwrap_or_default();
                let reasons: String = other.reasons.iter().map(|(reason, _)| format!(": {reason}")).collect();
                let subject = other.place().unwrap_or_else(|| other.summary.clone());
                report.state.push(format!("{subject}{cause}{reasons}"));
            })
        })
    }

    pub(crate) fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self.with(|_, report| report.kind = kind)
    }

    pub(crate) fn with_place(self, place: Option<Place>) -> Self {
        self.with(|_, report| report.place.clone_from(&place))
    }

    /// The same error, with this line about the state instead of that one.
    pub(crate) fn with_state_instead(self, of: &str, line: String) -> Self {
        self.with(|_, report| report.state.retain(|wording| wording != of)).with_state(line)
    }

    /// The same error, with each line about the state replaced by what this gives for it.
    pub(crate) fn with_states(self, replace: impl Fn(String) -> Option<String>) -> Self {
        self.with(|_, report| {
            report.state = std::mem::take(&mut report.state).into_iter().filter_map(&replace).collect()
        })
    }

    pub(crate) fn with_state(self, line: impl Into<Wording>) -> Self {
        let mut lines = line.into().0.into_iter();
        self.with(|_, report| report.state.extend(lines.next()))
    }

    pub(crate) fn with_help(self, line: impl Into<Wording>) -> Self {
        let mut lines = line.into().0.into_iter();
        self.with(|_, report| report.help.extend(lines.next()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report();
        f.write_str(&report.summary)?;
        if let Some(cause) = &report.cause {
            write!(f, ": {}", cause.message)?;
        }
        if let Some((reason, _)) = report.reasons.first() {
            write!(f, ": {reason}")?;
        }
        match report.reasons.len() {
            0 | 1 => Ok(()),
            many => write!(f, " (and {} more)", many - 1),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.report(), f)
    }
}

impl StdError for Error {
    /// What the database said, or the error that a Rust migration returned, which can be downcast. `Display` has its
    /// message too.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        let cause = self.report().cause.as_ref()?;
        match &cause.source {
            Some(source) => Some(&***source),
            None => cause.code.is_some().then_some(cause as &dyn StdError),
        }
    }
}

/// Everything that is known about an error.
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

    /// The database's own error code: an SQLSTATE, or SQLite's extended result code.
    pub fn database_code(&self) -> Option<&str> {
        self.cause.as_ref()?.code.as_deref()
    }

    /// Every reason for a refusal, each with what to do about it.
    pub fn reasons(&self) -> impl Iterator<Item = (&str, &str)> {
        self.reasons.iter().map(|(reason, help)| (reason.as_str(), help.as_str()))
    }

    /// What is committed and what is not, one fact per line.
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

    /// The place of a byte of a script that has included files.
    pub(crate) fn in_file(script: &Script, place: &FilePlace<'_>, text: &str, byte: usize) -> Self {
        let path = match place.included {
            Some(included) => script.path_beside(included),
            None => script.path(),
        };
        Self { path, line: place.line, column: place.column, ..Self::of(script, text, byte) }
    }

    /// Its file and line.
    pub(crate) fn file_and_line(&self) -> String {
        format!("{}:{}", self.path, self.line)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path, self.line, self.column)
    }
}

/// The error of a database or of the connection to it.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    pub(crate) class: Class,
    pub(crate) message: String,
    pub(crate) code: Option<Box<str>>,
    pub(crate) detail: Option<Box<str>>,
    pub(crate) hint: Option<Box<str>>,
    pub(crate) context: Option<Box<str>>,
    /// Where in the message that was sent: characters, counted from 1.
    pub(crate) position: Option<NonZero<usize>>,
    /// What to do about it, if more is known than its class.
    pub(crate) advice: Option<Box<Wording>>,
    /// The error that a Rust migration returned.
    pub(crate) source: Option<Arc<BoxError>>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.code {
            Some(code) => write!(f, " ({code})"),
            None => Ok(()),
        }
    }
}

impl StdError for Cause {}

/// The class of a database's error, by which Lockgate handles it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The table does not exist.
    Absent,
    /// The history table has other columns or words than any known release writes.
    HistoryFormat,
    /// The script cannot be parsed.
    Syntax,
    Usage,
    /// A pooler does not give the connection a session for as long as it needs one.
    Pooler,
    Unreachable,
    /// The requested encrypted connection is not possible.
    Encryption,
    /// The file does not exist, or cannot be opened.
    NoFile,
    /// The file is something else, or encrypted.
    NotADatabase,
    /// Wrong password, or no such user.
    Login,
    /// A role that the script names does not exist.
    NoRole,
    /// The user may not do this.
    Privilege,
    ReadOnly,
    /// A lock was not granted in time, or a deadlock was resolved against us: try again.
    LockTimeout,
    /// Others held a lock that it needs until its deadline.
    Held,
    /// The statement ran longer than it may, or somebody cancelled it.
    Cancelled,
    /// The disk or the database is full.
    Full,
    /// The connection is lost.
    Lost,
    /// Another run is working on the same migration.
    Busy,
    /// It cannot be found out whether a statement has finished, and sending it again may repeat its effect.
    InDoubt,
    /// The caller's connection cannot be restored to its state before a migration.
    Unclean,
    /// Another run did the work of this one first.
    Overtaken,
    /// The history table did not accept a record.
    Unwritten,
    /// The history table may lose rows, or contain one twice.
    Unfit,
    /// The history table has other rows than those that this run found and wrote.
    Altered,
    /// The session accepts writes, but a statement in it failed because it was read-only.
    MadeReadOnly,
    /// Rows of the history are hidden from this role.
    Hidden,
    /// The history table may have been made by somebody with fewer rights.
    Planted,
    /// There are several history tables.
    Ambiguous,
    /// The database contains an object that this release does not know.
    #[cfg_attr(not(feature = "schema"), expect(dead_code, reason = "only a schema that is read has such"))]
    Unknown,
    Other,
}

impl Class {
    fn kind(self) -> ErrorKind {
        match self {
            Self::Usage | Self::Pooler => ErrorKind::Usage,
            Self::Unreachable | Self::Encryption | Self::NoFile | Self::NotADatabase => ErrorKind::Unreachable,
            Self::Login | Self::Privilege => ErrorKind::Denied,
            Self::ReadOnly => ErrorKind::ReadOnly,
            Self::HistoryFormat | Self::Unfit => ErrorKind::HistoryFormat,
            Self::Lost => ErrorKind::Interrupted,
            Self::Overtaken => ErrorKind::PlanStale,
            Self::Busy => ErrorKind::Locked,
            Self::Hidden | Self::Planted => ErrorKind::Denied,
            Self::Ambiguous => ErrorKind::HistoryFormat,
            Self::InDoubt => ErrorKind::Refused,
            Self::Unknown => ErrorKind::Unsupported,
            Self::Absent
            | Self::NoRole
            | Self::Syntax
            | Self::LockTimeout
            | Self::Held
            | Self::Cancelled
            | Self::Full
            | Self::Unclean
            | Self::Altered
            | Self::MadeReadOnly
            | Self::Unwritten
            | Self::Other => ErrorKind::Failed,
        }
    }

    /// What to do about it. The code is the database's own.
    fn help(self, code: &str, audience: Audience) -> Option<String> {
        let is_sqlite = code.starts_with("SQLite");
        let line = match self {
            Self::HistoryFormat => format!(
                "the table was written by a newer release or by something else: use the newer release, or name another \
                 table with {}",
                audience.history_table()
            ),
            Self::Unreachable => match code {
                "SQLSTATE 57P03" => format!("wait until the server has started: {} does", audience.wait_for_server()),
                "SQLSTATE 53300" => format!(
                    "end connections that nobody uses (`SELECT pid, application_name, state, state_change FROM \
                     pg_stat_activity` lists them), or wait for one to end: {} does",
                    audience.wait_for_server()
                ),
                "SQLSTATE 55000" => {
                    "name another database, or allow connections to this one, as a superuser in another \
                                     database: `ALTER DATABASE … ALLOW_CONNECTIONS true`"
                        .to_owned()
                }
                _ => "check that the server runs and that host, port and database name are right".to_owned(),
            },
            Self::Encryption => {
                "check that the server has `ssl = on`. If an authority of your own signed its certificate, name that \
                     authority's certificate with `sslrootcert=/path/root.crt`; if the certificate is for another host \
                     name, connect to that name, or write `sslmode=verify-ca`, which does not compare names. \
                     `sslmode=disable` connects in clear text"
                    .to_owned()
            }
            Self::NoFile => {
                "check the path in the database URL, and that its folder may be read; to create a file that \
                     is missing, add `?mode=rwc`"
                    .to_owned()
            }
            Self::NotADatabase => {
                "check the path in the database URL: the file is not a SQLite database, or is encrypted".to_owned()
            }
            Self::Pooler => "connect to the server itself, or to a pool in session mode, then run again".to_owned(),
            Self::Login => match code {
                "SQLSTATE 28000" => {
                    "check the user in the database URL, and what `pg_hba.conf` of the server lets in; \
                     where it takes encrypted connections alone, add `sslmode=require` to the URL"
                        .to_owned()
                }
                _ => "check user and password in the database URL".to_owned(),
            },
            Self::Privilege => {
                "grant the privilege to this role, or connect as one that has it, then run again".to_owned()
            }
            Self::ReadOnly if code == "SQLite code 1032" => {
                "the file was moved, replaced or deleted after the connection was made: connect again, then look with "
                    .to_owned()
                    + audience.status()
            }
            Self::ReadOnly if is_sqlite => {
                "make the file and its folder writable for this user, and leave `mode=ro` and \
                     `immutable` out of the URL, then run again"
                    .to_owned()
            }
            Self::ReadOnly => "connect to the primary".to_owned(),
            Self::LockTimeout if is_sqlite => format!(
                "end what writes to the database, or allow more time with {}, then run again",
                audience.lock_wait()
            ),
            Self::LockTimeout => match code {
                "SQLSTATE 40P01" | "SQLSTATE 40001" => {
                    "another transaction was in the way of this one: run again when it has ended".to_owned()
                }
                _ => format!("end what holds it, or allow more time with {}, then run again", audience.lock_timeout()),
            },
            Self::Held => format!(
                "end what reads or writes the database, or allow more time with {}, then run again",
                audience.lock_wait()
            ),
            Self::Cancelled => format!(
                "if a limit ended it (`statement_timeout` of the role, the database or the server): allow more time \
                 with {}, and run again; if somebody did (`pg_cancel_backend`): find out who, then run again",
                audience.statement_timeout()
            ),
            Self::Full => "free some space, then run again: nothing needs to be repaired".to_owned(),
            Self::Lost => format!("look with {}, then run again: what is recorded is not repeated", audience.status()),
            Self::Unclean => {
                "close the connection, and run what changes its session on one that is not used again".to_owned()
            }
            Self::Overtaken => format!("look with {}, then run again", audience.status()),
            Self::Busy => format!("wait for it to end, or allow more time with {}", audience.lock_wait()),
            Self::Unwritten => {
                "look for a trigger or a rule on the history table that keeps rows from being written, drop \
                     it, then run again"
                    .to_owned()
            }
            Self::Altered => {
                "take what writes into the history table out of the script, or drop the trigger that does, then run \
                     again: what is recorded is put right by `repair` and `baseline`"
                    .to_owned()
            }
            Self::MadeReadOnly if is_sqlite => {
                "`PRAGMA query_only` is on: switch it off where the script or the program switches it on, then run \
                     again"
                    .to_owned()
            }
            Self::MadeReadOnly => {
                "what ran made its transaction read-only (`SET TRANSACTION READ ONLY`, `transaction_read_only`), and \
                     what it does is recorded in the same transaction: take that out, then run again"
                    .to_owned()
            }
            Self::Hidden => {
                "switch it off (`ALTER TABLE … DISABLE ROW LEVEL SECURITY`), or connect as the owner of the \
                     table or as a role with BYPASSRLS"
                    .to_owned()
            }
            Self::Planted => {
                "look at the table and at its triggers; if it is yours, give it to the owner of the database \
                     (`ALTER TABLE … OWNER TO`), or connect as the role that it belongs to; else drop it"
                    .to_owned()
            }
            Self::Ambiguous => {
                format!("name the one that is meant, with its schema: {}", audience.history_table())
            }
            Self::Unknown => "use a newer release of Lockgate, or take the object out of the database".to_owned(),
            Self::Other if code == "SQLSTATE 55006" => {
                "if the constraints of rows that this migration changed are still \
                     to be checked, write `SET CONSTRAINTS ALL IMMEDIATE;` before \
                     this statement; if another session uses the object, end that \
                     session; then run again"
                    .to_owned()
            }
            Self::Absent | Self::NoRole | Self::Unfit | Self::Syntax | Self::Usage | Self::InDoubt | Self::Other => {
                return None;
            }
        };
        Some(line)
    }
}

impl Cause {
    /// The outcome of a statement that an earlier run has sent is unknown.
    pub(crate) fn in_doubt() -> Self {
        let message = "it was sent by a run that ended before its end was recorded, and the database does not show \
                       whether it took effect";
        Self::new(Class::InDoubt, message)
    }

    pub(crate) fn new(class: Class, message: impl Into<String>) -> Self {
        Self {
            class,
            message: message.into(),
            code: None,
            detail: None,
            hint: None,
            context: None,
            position: None,
            advice: None,
            source: None,
        }
    }

    /// The same, of this error of a Rust migration.
    pub(crate) fn caused_by(self, error: BoxError) -> Self {
        Self { source: Some(Arc::new(error)), ..self }
    }

    /// Says of a refusal to write that it is not the server's.
    pub(crate) fn made_read_only(&mut self) {
        if self.class == Class::ReadOnly {
            self.class = Class::MadeReadOnly;
        }
    }

    pub(crate) fn with_advice(self, advice: impl Into<Wording>) -> Self {
        Self { advice: Some(Box::new(advice.into())), ..self }
    }

    /// What to do about it, in the words of an audience.
    pub(crate) fn help(&self, audience: Audience) -> Option<String> {
        match &self.advice {
            Some(wording) => Some(wording.to(audience).to_owned()),
            None => self.class.help(self.code.as_deref().unwrap_or_default(), audience),
        }
    }

    pub(crate) fn history_format(message: String) -> Self {
        Self::new(Class::HistoryFormat, message)
    }

    /// What is known of an error that did not come from the database's own mouth.
    pub(crate) fn from_driver(error: &sqlx::Error) -> Self {
        let (class, message) = match error {
            sqlx::Error::Configuration(e) => (Class::Usage, format!("the database URL is invalid: {e}")),
            sqlx::Error::InvalidArgument(e) => (Class::Usage, e.clone()),
            sqlx::Error::Io(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                (Class::Lost, "the server, or something on the way to it, closed the connection".to_owned())
            }
            sqlx::Error::Io(e) => (Class::Lost, e.to_string()),
            sqlx::Error::Tls(e) => (Class::Encryption, format!("no encrypted connection: {e}")),
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
