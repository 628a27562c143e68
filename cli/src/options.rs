//! The options of every verb.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use lockgate::{Atomicity, Migrator, OutOfOrder, Stage, shell_word};
#[cfg(feature = "backup")]
use lockgate_backup::data::{Limit, Limits};

use crate::duration;
use crate::format::Format;
use crate::url::DatabaseUrl;

/// The variable that chooses profiles.
const PROFILES: &str = "LOCKGATE_PROFILE";

/// Which database to use, and how long to wait for it. `-h` shows the URL only, `--help` all of them.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Options for every command")]
pub struct Options {
    /// The database: `sqlite://library.db` or `postgres://user@host/library`
    // The variables are read by `connect`, which has to know whether it was the flag.
    #[arg(long, global = true, value_name = "URL")]
    pub database_url: Option<DatabaseUrl>,

    /// Instead of a URL: the server of the database, as a name, an address, or the directory of a socket
    #[arg(id = "lockgate_host", long = "host", global = true, hide_short_help = true, value_name = "HOST", value_parser = not_empty)]
    pub host: Option<String>,

    /// The port of the server; 5432 by default
    #[arg(id = "lockgate_port", long = "port", global = true, hide_short_help = true, value_name = "PORT")]
    pub port: Option<u16>,

    /// The role that connects
    #[arg(id = "lockgate_user", long = "user", global = true, hide_short_help = true, value_name = "ROLE", value_parser = not_empty)]
    pub user: Option<String>,

    /// The name of the database on the server
    #[arg(id = "lockgate_dbname", long = "dbname", global = true, hide_short_help = true, value_name = "NAME", value_parser = not_empty)]
    pub dbname: Option<String>,

    /// A file that holds the password and nothing else
    #[arg(
        id = "lockgate_password_file",
        long = "password-file",
        global = true,
        hide_short_help = true,
        value_name = "FILE"
    )]
    pub password_file: Option<PathBuf>,

    /// How to show the answer
    #[arg(long, global = true, hide_short_help = true, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: Format,

    /// How long to wait for a server that is still starting; by default, not at all
    #[arg(long, global = true, hide_short_help = true, value_name = "TIME", value_parser = duration::parse)]
    pub wait_for_server: Option<Duration>,

    /// Connect through the tunnel that this command opens: `ssh -N -L {port}:db:5432 host` (PostgreSQL)
    #[cfg(feature = "backup")]
    #[arg(id = "lockgate_tunnel", long = "tunnel", global = true, hide_short_help = true, value_name = "COMMAND")]
    pub tunnel: Option<String>,

    /// Refuse to do anything unless the database is marked with this stage
    #[arg(
        id = "lockgate_stage",
        long = "stage",
        global = true,
        hide_short_help = true,
        value_name = "STAGE",
        env = "LOCKGATE_STAGE"
    )]
    pub stage: Option<Stage>,

    /// Do what a protected stage refuses, and record this reason in the log
    #[arg(long, global = true, hide_short_help = true, value_name = "WHY")]
    pub override_stage: Option<String>,

    /// The table that records what was applied
    #[arg(long, global = true, hide_short_help = true, value_name = "[SCHEMA.]TABLE")]
    pub history_table: Option<String>,

    /// How long to wait for another run to end: `500ms`, `5s`, `10min`
    #[arg(long, global = true, hide_short_help = true, value_name = "TIME", value_parser = duration::parse)]
    pub lock_wait: Option<Duration>,

    /// How long a statement may wait for a lock on what it changes; `none` is without a limit
    #[arg(long, global = true, hide_short_help = true, value_name = "TIME")]
    pub lock_timeout: Option<TimeLimit>,

    /// How long a statement may run; `none` is without a limit
    #[arg(long, global = true, hide_short_help = true, value_name = "TIME")]
    pub statement_timeout: Option<TimeLimit>,

    /// How much of a run is one transaction
    #[arg(long, global = true, hide_short_help = true, value_name = "WHAT", value_enum)]
    pub atomicity: Option<Whole>,

    /// The name of these migrations in the history table, where several programs share a database
    #[arg(long, global = true, hide_short_help = true, value_name = "NAME")]
    pub set: Option<String>,

    /// Give a variable of psql its value, in the scripts that declare it; for a password, use `\getenv` in the script
    #[arg(
        id = "lockgate_variable",
        long = "variable",
        global = true,
        hide_short_help = true,
        value_name = "NAME=VALUE"
    )]
    pub variables: Vec<Assignment>,

    /// Run the scripts of this profile, too; may be given several times
    #[arg(
        id = "lockgate_profile",
        long = "profile",
        global = true,
        value_name = "NAME",
        env = PROFILES,
        value_delimiter = ','
    )]
    pub profiles: Vec<String>,

    /// Apply pending migrations even if they are older than an applied one
    #[arg(long, global = true, hide_short_help = true)]
    pub out_of_order: bool,

    /// Keep a second record of the history in this database, and compare before each run: a name on the same server, or
    /// a URL (PostgreSQL)
    #[cfg(feature = "postgres")]
    #[arg(
        id = "lockgate_mirror",
        long = "mirror",
        global = true,
        value_name = "DATABASE",
        conflicts_with = "without_mirror"
    )]
    pub mirror: Option<DatabaseUrl>,

    /// Leave the mirror out of this run; the next run with it adds what it lacks
    #[cfg(feature = "postgres")]
    #[arg(long, global = true)]
    pub without_mirror: bool,

    /// Run even if another tool has migrated this database and Lockgate has not
    #[arg(long, global = true, hide_short_help = true)]
    pub allow_other_tools: bool,
}

/// `name=value`. It is never shown with its value.
#[derive(Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The name of the variable.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl fmt::Debug for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assignment").field("name", &self.name).finish_non_exhaustive()
    }
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self { name: name.to_owned(), value: value.to_owned() }),
            Some(_) | None => Err("write it like `name=value`".to_owned()),
        }
    }
}

/// A limit on a duration: a length of time, or `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimit(pub Option<Duration>);

impl FromStr for TimeLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self(None)),
            text => duration::parse(text).map(|duration| Self(Some(duration))),
        }
    }
}

/// How much of a run is one transaction.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whole {
    /// Each migration: the ones before a failure stay
    PerMigration,
    /// The whole run: a failure leaves nothing
    WholeRun,
}

/// The flags for the parts of a database: identifier, variable, and the flag to use if the program has another use for
/// the short one.
pub(crate) const PART_FLAGS: [(&str, &str, &str); 5] = [
    ("lockgate_host", "HOST", "database-host"),
    ("lockgate_port", "PORT", "database-port"),
    ("lockgate_user", "USER", "database-user"),
    ("lockgate_dbname", "NAME", "database-name"),
    ("lockgate_password_file", "PASSWORD_FILE", "database-password-file"),
];

fn not_empty(text: &str) -> Result<String, String> {
    if text.is_empty() { Err("it is empty: give it a value, or leave it out".to_owned()) } else { Ok(text.to_owned()) }
}

impl Options {
    /// The flags that were given for parts of the database.
    pub(crate) fn part_flags(&self) -> Vec<String> {
        let given = [
            ("--host", self.host.is_some()),
            ("--port", self.port.is_some()),
            ("--user", self.user.is_some()),
            ("--dbname", self.dbname.is_some()),
            ("--password-file", self.password_file.is_some()),
        ];
        given.into_iter().filter(|(_, is_given)| *is_given).map(|(flag, _)| flag.to_owned()).collect()
    }

    /// The flags that were given and say which database, which history and which scripts are meant, each with its value:
    /// a command that a message advises must repeat them. Secrets are masked.
    pub(crate) fn naming_flags(&self) -> Vec<String> {
        let typed = |(flag, value): (&str, Option<String>)| Some(format!("{flag} {}", shell_word(&value?)));
        let port = self.port.map(|port| port.to_string());
        let file = self.password_file.as_ref().map(|file| file.display().to_string());
        // They are one flag, as all of them together name the database.
        let database = [
            ("--database-url", self.database_url.as_ref().map(ToString::to_string)),
            ("--host", self.host.clone()),
            ("--port", port),
            ("--user", self.user.clone()),
            ("--dbname", self.dbname.clone()),
            ("--password-file", file),
        ];
        let database: Vec<String> = database.into_iter().filter_map(typed).collect();
        let database = (!database.is_empty()).then(|| database.join(" "));
        let history = [("--set", self.set.clone()), ("--history-table", self.history_table.clone())];
        let history = history.into_iter().filter_map(typed);
        // The variable reaches the next command by itself.
        let profiles = (!self.profiles.is_empty()).then(|| self.profiles.join(","));
        let profiles = profiles.filter(|profiles| std::env::var(PROFILES).as_ref() != Ok(profiles));
        database.into_iter().chain(history).chain(typed(("--profile", profiles))).chain(self.mirror_flags()).collect()
    }

    #[cfg(feature = "postgres")]
    fn mirror_flags(&self) -> Option<String> {
        match &self.mirror {
            Some(mirror) => Some(format!("--mirror {}", shell_word(&mirror.to_string()))),
            None => self.without_mirror.then(|| "--without-mirror".to_owned()),
        }
    }

    #[cfg(not(feature = "postgres"))]
    fn mirror_flags(&self) -> Option<String> {
        None
    }

    /// How long the statements of a dump or a load may take.
    #[cfg(feature = "backup")]
    pub(crate) fn limits(&self) -> Limits {
        let limit = |limit: TimeLimit| limit.0.map_or(Limit::Never, Limit::After);
        Limits { lock_timeout: self.lock_timeout.map(limit), statement_timeout: self.statement_timeout.map(limit) }
    }

    /// Sets these options on a migrator. Options that were not given stay as the program has set them.
    pub(crate) fn configure(&self, mut migrator: Migrator) -> Migrator {
        if let Some(table) = &self.history_table {
            migrator = migrator.history_table(table);
        }
        if let Some(stage) = self.stage {
            migrator = migrator.expect_stage(stage);
        }
        if let Some(why) = &self.override_stage {
            migrator = migrator.override_stage(why);
        }
        if let Some(wait) = self.lock_wait {
            migrator = migrator.lock_wait(wait);
        }
        if let Some(timeout) = self.lock_timeout {
            migrator = migrator.lock_timeout(timeout.0);
        }
        if let Some(timeout) = self.statement_timeout {
            migrator = migrator.statement_timeout(timeout.0);
        }
        if let Some(whole) = self.atomicity {
            migrator = migrator.atomicity(match whole {
                Whole::PerMigration => Atomicity::PerMigration,
                Whole::WholeRun => Atomicity::WholeRun,
            });
        }
        if let Some(set) = &self.set {
            migrator = migrator.set_name(set);
        }
        for Assignment { name, value } in &self.variables {
            migrator = migrator.psql_variable(name, value);
        }
        for profile in &self.profiles {
            migrator = migrator.profile(profile);
        }
        if self.out_of_order {
            migrator = migrator.out_of_order(OutOfOrder::Allow);
        }
        if self.allow_other_tools {
            migrator = migrator.allow_other_tools();
        }
        migrator
    }
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Typed {
        #[command(flatten)]
        options: Options,
    }

    #[test]
    fn the_flags_that_name_something_are_repeated_and_no_secret_is() {
        let flags = |line: &str| {
            let words = std::iter::once("app").chain(line.split(' ').filter(|word| !word.is_empty()));
            Typed::try_parse_from(words).unwrap().options.naming_flags()
        };
        assert!(flags("").is_empty());
        assert!(flags("--format json --lock-wait 5s --out-of-order --variable password=secret").is_empty());
        assert_eq!(
            flags("--port 7 --dbname d --host h --user u --password-file p --set s --history-table a.b --profile x,y"),
            [
                "--host h --port 7 --user u --dbname d --password-file p",
                "--set s",
                "--history-table a.b",
                "--profile x,y"
            ]
        );
        assert_eq!(
            flags("--database-url postgres://u:secret@h/d --mirror postgres://u:secret@h/m"),
            ["--database-url 'postgres://u:***@h/d'", "--mirror 'postgres://u:***@h/m'"]
        );
        assert_eq!(flags("--without-mirror"), ["--without-mirror"]);
    }
}
