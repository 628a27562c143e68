//! The errors of a command: the runtime's, and the command line's own.

use std::fmt::Write;

use lockgate::Audience;
#[cfg(feature = "backup")]
use lockgate_backup::restore::Names;

use crate::exit::Exit;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum CommandError {
    /// The arguments are invalid. `help` says what to type instead.
    Usage { message: String, help: String },
    /// The arguments cannot be parsed, with the parser's message. This is for JSON only: as text, the parser shows
    /// its errors itself.
    Arguments(String),
    /// The database does not exist yet.
    Absent(String),
    /// The operator was asked, and gave this answer.
    Declined(&'static str),
    /// A signal interrupted the run.
    Stopped { signal: &'static str, postgres: bool, flags: Vec<String> },
    /// A signal interrupted `wait`.
    StoppedWaiting { signal: &'static str },
    /// A signal interrupted a command of `lockgate-backup`.
    #[cfg(feature = "backup")]
    StoppedData { signal: &'static str, what: DataCommand, flags: Vec<String> },
    /// The client of the database cannot be started.
    NoClient { program: &'static str, why: String, url: String },
    /// The operating system refuses the program something that it needs, such as a thread.
    System(String),
    /// An error of backups, restores and data.
    #[cfg(feature = "backup")]
    Backup(lockgate_backup::Error),
    /// An error of the runtime.
    Lockgate(lockgate::Error),
}

/// What a signal interrupted.
#[cfg(feature = "backup")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DataCommand {
    /// A command on backups, which does not change the database.
    Backup,
    /// A dump.
    Dump,
    /// A load or a refresh.
    Load,
    /// A restore, and how what it makes is called, if the URL says so.
    Restore(Option<Names>),
    /// A deploy.
    Deploy,
}

#[cfg(feature = "backup")]
impl DataCommand {
    /// What is known of the database after a signal.
    fn known(&self) -> Vec<String> {
        let known = match self {
            Self::Backup => "the database was not changed; an unfinished backup does not count as one",
            Self::Dump => "the database was not changed, and no file was written",
            Self::Load => "the outcome is unknown: either all of the new rows are in the tables, or only the old ones",
            Self::Restore(None) => "either nothing was changed, or the database is the restored one",
            Self::Restore(Some(Names { unfinished, kept, .. })) => {
                return vec![
                    format!(
                        "either nothing was changed, or the database is the restored one and the name of the old one \
                         begins with `{kept}`"
                    ),
                    format!("if there is an unfinished `{unfinished}`, nothing was changed"),
                ];
            }
            Self::Deploy => "a migration is applied exactly if `status` lists it as applied",
        };
        vec![known.to_owned()]
    }

    /// What to do after a signal.
    fn advice(&self) -> Vec<String> {
        let advice = match self {
            Self::Backup => "`backup list` lists all backups",
            Self::Dump => "run the same command again",
            Self::Load => "look at a table, and run the same command again if the new rows are missing",
            Self::Restore(None) => "run the same command again",
            Self::Restore(Some(names)) => {
                let list = match names.of_file() {
                    Some(file) => format!("`ls -l {}*` lists the files", lockgate::shell_word(file)),
                    None => "`sql -- --list` lists the databases".to_owned(),
                };
                let again = format!(
                    "run the same command again: it drops `{}` before it begins; `restore --drop-old` drops it together \
                     with the old ones",
                    names.unfinished
                );
                return vec![list, again];
            }
            Self::Deploy => "`deploy --resume` continues, if `backup list` lists its first backup",
        };
        vec![advice.to_owned()]
    }
}

impl CommandError {
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), help: help.into() }
    }

    /// The same error, after these flags were typed: the commands in its advice carry them.
    pub(crate) fn with_flags(self, flags: &[String]) -> Self {
        match self {
            Self::Lockgate(error) => Self::Lockgate(error.with_flags(flags)),
            Self::Usage { message, help } => Self::Usage { message, help: lockgate::with_flags(&help, flags) },
            Self::Stopped { signal, postgres, .. } => Self::Stopped { signal, postgres, flags: flags.to_vec() },
            #[cfg(feature = "backup")]
            Self::StoppedData { signal, what, .. } => Self::StoppedData { signal, what, flags: flags.to_vec() },
            #[cfg(feature = "backup")]
            Self::Backup(error) => Self::Backup(error.with_flags(flags)),
            other => other,
        }
    }

    /// The same error about one of several databases: the commands in its advice name the database.
    #[cfg(feature = "postgres")]
    pub(crate) fn on_database(self, name: &str) -> Self {
        match self {
            Self::Lockgate(error) => Self::Lockgate(error.on_database(name)),
            Self::Usage { message, help } => Self::Usage { message, help: lockgate::on_database(&help, name) },
            other => other,
        }
    }

    /// The same error about one of several databases: if it does not exist, the help says how it is made.
    #[cfg(feature = "postgres")]
    pub(crate) fn of_database(self, database: &lockgate::DatabaseMigrations) -> Self {
        match self {
            Self::Lockgate(error) => Self::Lockgate(database.explained(error)),
            other => other,
        }
    }

    /// The same error about the bootstraps of a database.
    #[cfg(feature = "postgres")]
    pub(crate) fn on_bootstraps(self, name: &str) -> Self {
        match self {
            Self::Lockgate(error) => Self::Lockgate(error.on_bootstraps(name)),
            Self::Usage { message, help } => Self::Usage { message, help: lockgate::on_bootstraps(&help, name) },
            other => other,
        }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } | Self::Arguments(_) => Exit::Usage,
            Self::Absent(_) => Exit::Unreachable,
            Self::Declined(_) => Exit::Refused,
            Self::Stopped { .. } | Self::StoppedWaiting { .. } | Self::NoClient { .. } | Self::System(_) => {
                Exit::Failed
            }
            #[cfg(feature = "backup")]
            Self::StoppedData { .. } => Exit::Failed,
            #[cfg(feature = "backup")]
            Self::Backup(error) => Exit::of(error.kind()),
            Self::Lockgate(error) => Exit::of(error.kind()),
        }
    }

    /// A stable word for the kind of error.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Usage { .. } | Self::Arguments(_) => "usage",
            Self::Absent(_) => "unreachable",
            Self::Declined(_) => "refused",
            Self::Stopped { .. } | Self::StoppedWaiting { .. } => "interrupted",
            #[cfg(feature = "backup")]
            Self::StoppedData { .. } => "interrupted",
            #[cfg(feature = "backup")]
            Self::Backup(error) => error.kind().as_str(),
            Self::NoClient { .. } | Self::System(_) => "failed",
            Self::Lockgate(error) => error.kind().as_str(),
        }
    }

    /// What happened, in one line.
    pub(crate) fn summary(&self) -> String {
        match self {
            Self::Usage { message, .. } => message.clone(),
            Self::Arguments(message) => {
                let first = message.lines().next().unwrap_or_default();
                first.strip_prefix("error: ").unwrap_or(first).to_owned()
            }
            Self::Absent(message) | Self::System(message) => message.clone(),
            Self::NoClient { program, why, .. } => format!("the client `{program}` cannot be started: {why}"),
            Self::Declined(answer) => (*answer).to_owned(),
            Self::Stopped { signal, .. } => format!("{signal} interrupted the run"),
            Self::StoppedWaiting { signal } => format!("{signal} ended the wait"),
            #[cfg(feature = "backup")]
            Self::StoppedData { signal, what, .. } => {
                let what = match what {
                    DataCommand::Backup | DataCommand::Dump | DataCommand::Load => "command",
                    DataCommand::Restore(_) => "restore",
                    DataCommand::Deploy => "deploy",
                };
                format!("{signal} interrupted the {what}")
            }
            #[cfg(feature = "backup")]
            Self::Backup(error) => error.summary().to_owned(),
            Self::Lockgate(error) => error.report_for(Audience::CommandLine).summary().to_owned(),
        }
    }

    /// What is known about the database, one fact each.
    pub(crate) fn state(&self) -> Vec<String> {
        match self {
            Self::Usage { .. } | Self::Arguments(_) | Self::Absent(_) | Self::System(_) => Vec::new(),
            Self::NoClient { url, .. } => vec![format!("the database is {url}")],
            Self::Declined(_) | Self::StoppedWaiting { .. } => vec!["nothing was changed".to_owned()],
            #[cfg(feature = "backup")]
            Self::Backup(error) => error.facts().to_vec(),
            #[cfg(feature = "backup")]
            Self::StoppedData { what, .. } => what.known(),
            Self::Stopped { postgres, .. } => {
                let unknown = "the outcome is unknown: a migration is applied exactly if `status` lists it as applied";
                let server = "PostgreSQL 14 or newer notices within a second that its client is gone, and rolls the \
                              transaction back; an older server, and a statement outside a transaction, go on to their end";
                let lines = [Some(unknown), postgres.then_some(server)];
                lines.into_iter().flatten().map(str::to_owned).collect()
            }
            Self::Lockgate(error) => error.report_for(Audience::CommandLine).state().to_vec(),
        }
    }

    /// What to do next.
    pub(crate) fn help(&self) -> Vec<String> {
        match self {
            Self::Usage { help, .. } => vec![help.clone()],
            Self::Arguments(message) => {
                let rest = message.lines().skip(1).map(str::trim).filter(|line| !line.is_empty());
                rest.map(str::to_owned).collect()
            }
            Self::NoClient { program, .. } => {
                let package = match *program {
                    "psql" => {
                        "PostgreSQL's client: `apt install postgresql-client`, `apk add postgresql-client`, \
                               `dnf install postgresql`, or `brew install libpq`"
                    }
                    _ => {
                        "SQLite's shell: `apt install sqlite3`, `apk add sqlite`, `dnf install sqlite`, or `brew \
                          install sqlite`"
                    }
                };
                vec![format!("install {package}; its folder must be in PATH")]
            }
            Self::Absent(_) | Self::System(_) | Self::Declined(_) | Self::StoppedWaiting { .. } => Vec::new(),
            #[cfg(feature = "backup")]
            Self::Backup(error) => error.advice().to_vec(),
            #[cfg(feature = "backup")]
            Self::StoppedData { what, flags, .. } => {
                what.advice().iter().map(|line| lockgate::with_flags(line, flags)).collect()
            }
            Self::Stopped { postgres, flags, .. } => {
                let look = lockgate::with_flags("`status` shows how far the run came", flags);
                let server = "`SELECT pid, application_name, state, query_start FROM pg_stat_activity WHERE datname = \
                              current_database()` shows what still runs, and `SELECT pg_cancel_backend(pid)` stops it";
                let lines = [Some(look), postgres.then(|| server.to_owned())];
                lines.into_iter().flatten().collect()
            }
            Self::Lockgate(error) => error.report_for(Audience::CommandLine).help().to_vec(),
        }
    }

    /// The whole error, on several lines and without colours.
    pub(crate) fn report(&self) -> String {
        if let Self::Lockgate(error) = self {
            return error.report_for(Audience::CommandLine).to_string();
        }
        let mut report = format!("error[{}]: {}", self.kind(), self.summary());
        for line in self.state() {
            write!(report, "\n  = {line}").expect("writing to a String cannot fail");
        }
        for line in self.help() {
            write!(report, "\n  = help: {line}").expect("writing to a String cannot fail");
        }
        report
    }
}

#[cfg(feature = "backup")]
impl From<lockgate_backup::Error> for CommandError {
    fn from(error: lockgate_backup::Error) -> Self {
        error.into_lockgate().map_or_else(Self::Backup, Self::Lockgate)
    }
}

impl From<lockgate::Error> for CommandError {
    fn from(error: lockgate::Error) -> Self {
        Self::Lockgate(error)
    }
}

#[cfg(all(test, feature = "backup", feature = "postgres", feature = "sqlite"))]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_restore_names_what_it_leaves() {
        let report = |url: &str| {
            let what = DataCommand::Restore(lockgate_backup::restore::names(url).ok());
            let error = CommandError::StoppedData { signal: "SIGTERM", what, flags: Vec::new() };
            error.with_flags(&["--set other".to_owned()]).report()
        };
        let unfinished = "library_lockgate_restoring_";
        let said = report("postgres://ada@localhost/library");
        for words in [
            "error[interrupted]: SIGTERM interrupted the restore",
            "or the database is the restored one and the name of the old one begins with `library_before_`",
            &format!("if there is an unfinished `{unfinished}"),
            "`sql --set other -- --list` lists the databases",
            &format!("it drops `{unfinished}"),
            "`restore --drop-old --set other` drops it",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        let said = report("sqlite://library.db");
        for words in [
            "begins with `library.db.before-`",
            "unfinished `library.db.lockgate-restoring`",
            "`ls -l library.db*` lists the files",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(!said.contains("`status`"), "{said}");
    }
}
