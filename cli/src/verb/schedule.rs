//! `schedule`: makes backups at fixed times.

use std::path::PathBuf;

use lockgate_backup::Store;
use lockgate_backup::schedule::{self, Clock, Schedule, When};

use crate::answer::{Answer, Body, Kept};
use crate::command_error::CommandError;
use crate::invocation::Invocation;

use super::backup::{Keep, StoreOption};

/// The arguments of `schedule`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with a schedule.
#[derive(clap::Subcommand, Clone, Debug)]
#[command(about = None)]
pub enum What {
    /// Show what would be installed; with `--write`, install it and replace the schedule of the same name
    Install(Install),
    /// Show what is installed
    Show(Show),
    /// Show what would be removed; with `--write`, remove it
    Remove(Remove),
}

/// Which schedule, and whether cron or systemd runs it.
#[derive(clap::Args, Clone, Debug)]
pub struct Place {
    /// The name of the schedule, which must be unique on this machine; by default that of the program
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Use a systemd timer instead of the crontab of this user
    #[arg(long)]
    pub systemd: bool,
    /// The folder of the systemd units; by default that of this user, or for root that of the system
    #[arg(long, value_name = "FOLDER", requires = "systemd")]
    pub unit_folder: Option<PathBuf>,
}

/// The arguments of `schedule install`.
#[derive(clap::Args, Clone, Debug)]
pub struct Install {
    /// When: a time of day, `03:15`, or `hourly`, or `hourly:20` for a minute of each hour
    #[arg(long, value_name = "TIME")]
    pub at: When,
    /// Which.
    #[command(flatten)]
    pub place: Place,
    /// A file with environment variables for systemd, such as `DATABASE_PASSWORD=…`
    #[arg(long, value_name = "FILE", requires = "systemd")]
    pub environment_file: Option<PathBuf>,
    /// After each backup, delete old ones; the options `--keep-…` say which backups are kept
    #[arg(long, requires = "lockgate_stage")]
    pub prune: bool,
    /// Which backups are kept.
    #[command(flatten)]
    pub keep: Keep,
    /// Install it
    #[arg(long)]
    pub write: bool,
    /// Where.
    #[command(flatten)]
    pub store: StoreOption,
}

/// The arguments of `schedule show`.
#[derive(clap::Args, Clone, Debug)]
pub struct Show {
    /// Which.
    #[command(flatten)]
    pub place: Place,
}

/// The arguments of `schedule remove`.
#[derive(clap::Args, Clone, Debug)]
pub struct Remove {
    /// Which.
    #[command(flatten)]
    pub place: Place,
    /// Remove it
    #[arg(long)]
    pub write: bool,
}

impl Place {
    fn name(&self, invocation: &Invocation<'_>) -> String {
        let program = invocation.migrations().set().application().split(' ').next().unwrap_or("app");
        self.name.clone().unwrap_or_else(|| program.to_owned())
    }

    fn clock(&self) -> Clock {
        if self.systemd { Clock::systemd(self.unit_folder.clone()) } else { Clock::Crontab }
    }
}

/// The options that name the database, for a command that runs without the variables of this shell. None contains a
/// password.
fn database(invocation: &Invocation<'_>, has_variables: bool) -> Result<Vec<String>, CommandError> {
    let options = invocation.options();
    let mut words = Vec::new();
    let mut add = |flag: &str, value: Option<String>| {
        if let Some(value) = value {
            words.extend([flag.to_owned(), value]);
        }
    };
    if let Some(url) = &options.database_url {
        if url.to_string() != url.reveal() {
            return Err(CommandError::usage(
                "the database URL contains a password, which everybody could read in the schedule",
                "leave it out of the URL: name its parts and a file, `--host HOST --user ROLE --dbname NAME \
                 --password-file FILE`, or with `--systemd` give it in `--environment-file FILE`",
            ));
        }
        add("--database-url", Some(absolute_url(url.reveal())));
    }
    add("--host", options.host.clone());
    add("--port", options.port.map(|port| port.to_string()));
    add("--user", options.user.clone());
    add("--dbname", options.dbname.clone());
    add("--password-file", options.password_file.as_ref().map(|file| absolute(file)));
    add("--history-table", options.history_table.clone());
    add("--set", options.set.clone());
    // Without it, the host and the port would mean another server.
    add("--tunnel", options.tunnel.clone());
    add("--stage", options.stage.map(|stage| stage.to_string()));
    let names_database = options.database_url.is_some() || !options.part_flags().is_empty();
    if !names_database && !has_variables {
        return Err(CommandError::usage(
            "the schedule does not see the environment variables of this shell, so it has no database",
            "name it: `--database-url URL`, or `--host HOST --user ROLE --dbname NAME --password-file FILE`",
        ));
    }
    Ok(words)
}

/// Refuses what `prune` would refuse each time, when nobody sees it.
fn check_prune(invocation: &Invocation<'_>, install: &Install) -> Result<(), CommandError> {
    let Keep { keep_last, keep_hourly, keep_daily, keep_monthly } = install.keep;
    let keeps = [keep_last, keep_hourly, keep_daily, keep_monthly].iter().any(|number| *number > 0);
    if install.prune != keeps {
        return Err(match keeps {
            true => CommandError::usage(
                "the options `--keep-…` delete nothing without `--prune`",
                "add `--prune --stage STAGE`, or omit them",
            ),
            false => CommandError::usage(
                "no option says which backups are kept",
                "say how many to keep: `--prune --keep-last 7 --keep-daily 30 --keep-monthly 12`",
            ),
        });
    }
    let is_protected = invocation.options().stage.is_some_and(|stage| stage.is_protected());
    let has_reason = invocation.overrides().is_some_and(|why| !why.trim().is_empty());
    if install.prune && is_protected && !has_reason {
        return Err(CommandError::usage(
            "backups of staging and production are not deleted without a reason",
            "give the reason, which the schedule then contains: `--override-stage \"why\"`",
        ));
    }
    Ok(())
}

/// Refuses what every scheduled backup would fail at, when nobody sees it.
fn check_files(install: &Install) -> Result<(), CommandError> {
    Store::check(&install.store.store)?;
    if let Some(file) = &install.environment_file
        && let Err(error) = std::fs::File::open(file)
    {
        return Err(CommandError::usage(
            format!("the environment file `{}` cannot be read: {error}", absolute(file)),
            "write it first, or name another one: `--environment-file FILE`",
        ));
    }
    Ok(())
}

/// Remarks on a SQLite file that does not exist. `up` may create it before the first backup.
#[cfg(feature = "sqlite")]
fn remark_missing(invocation: &Invocation<'_>) {
    let url = invocation.options().database_url.as_ref().filter(|url| url.reveal().starts_with("sqlite:"));
    if let Some(file) = url.and_then(|url| lockgate::__private::file_of(url.reveal())).filter(|file| !file.exists()) {
        invocation
            .output()
            .remark(&format!("`{}` does not exist yet: until `up` makes it, backups fail", absolute(&file)));
    }
}

fn absolute(path: &std::path::Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// The URL with an absolute path, if it is one of SQLite: the schedule runs in another folder.
fn absolute_url(url: &str) -> String {
    const ESCAPED: &percent_encoding::AsciiSet = &percent_encoding::CONTROLS.add(b' ').add(b'#').add(b'%').add(b'?');
    let rest = url.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest));
    let is_relative = |rest: &&str| !rest.starts_with('/') && !rest.starts_with(":memory:") && !rest.is_empty();
    let (Some(rest), Ok(folder)) = (rest.filter(is_relative), std::env::current_dir()) else { return url.to_owned() };
    let folder = folder.display().to_string();
    let folder = percent_encoding::utf8_percent_encode(&folder, ESCAPED);
    format!("sqlite://{folder}/{}", rest.strip_prefix("./").unwrap_or(rest))
}

pub(super) fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let (changes, is_dry_run) = match &arguments.what {
        What::Show(Show { place }) => (schedule::show(&place.clock(), &place.name(invocation))?, false),
        What::Remove(Remove { place, write }) => {
            (schedule::remove(&place.clock(), &place.name(invocation), !write)?, !write)
        }
        What::Install(install) => {
            let program = std::env::current_exe()
                .map_err(|error| CommandError::System(format!("the path of this program is unknown: {error}")))?;
            check_prune(invocation, install)?;
            check_files(install)?;
            #[cfg(feature = "sqlite")]
            remark_missing(invocation);
            let database = database(invocation, install.environment_file.is_some())?;
            let store = if install.store.store.contains("://") {
                install.store.store.clone()
            } else {
                absolute(std::path::Path::new(&install.store.store))
            };
            let command = |verb: &str| -> Vec<String> {
                let words = [program.display().to_string(), "backup".to_owned(), verb.to_owned()];
                words.into_iter().chain(["--store".to_owned(), store.clone()]).chain(database.iter().cloned()).collect()
            };
            let mut commands = vec![command("create")];
            if install.prune {
                let mut words = command("prune");
                let stage = invocation.options().stage.map(|stage| stage.to_string()).unwrap_or_default();
                words.extend(["--of".to_owned(), stage]);
                let keep = install.keep;
                for (flag, number) in [
                    ("--keep-last", keep.keep_last),
                    ("--keep-hourly", keep.keep_hourly),
                    ("--keep-daily", keep.keep_daily),
                    ("--keep-monthly", keep.keep_monthly),
                ] {
                    if number > 0 {
                        words.extend([flag.to_owned(), number.to_string()]);
                    }
                }
                if let Some(why) = invocation.overrides() {
                    words.extend(["--override-stage".to_owned(), why.to_owned()]);
                }
                commands.push(words);
            }
            let schedule = Schedule {
                name: install.place.name(invocation),
                when: install.at,
                commands,
                environment: install.environment_file.as_ref().map(|file| absolute(file).into()),
            };
            (schedule::install(&install.place.clock(), &schedule, !install.write)?, !install.write)
        }
    };
    Ok(Answer::done(Body::Kept(Box::new(Kept::Scheduled { changes, is_dry_run }))))
}
