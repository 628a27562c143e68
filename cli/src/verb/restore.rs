//! `restore`: replaces the database by a backup.

use lockgate_backup::Subject;
use lockgate_backup::restore::{self, Ignored, Options};

use super::Caution;
use super::backup::{StoreOption, Which, with};
use crate::answer::{Answer, Body, Kept};
use crate::command_error::CommandError;
use crate::confirm;
use crate::invocation::Invocation;
use crate::url::DatabaseUrl;

/// The arguments of `restore`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// The key of the backup, or the last part of it; by default the newest
    #[arg(id = "backup_key", value_name = "KEY")]
    pub key: Option<String>,
    /// Check whether the restore is possible, read the whole dump, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// End other sessions when the databases are swapped (PostgreSQL)
    #[arg(long)]
    pub disconnect: bool,
    /// Ignore an error with this SQLSTATE about this object, such as `42704:rdsadmin` for a role that the server lacks;
    /// may be given several times (PostgreSQL)
    #[arg(long = "ignore-error", value_name = "SQLSTATE:OBJECT")]
    pub ignored: Vec<Ignored>,
    /// The URL of a role that may create databases, if the role of the database URL may not; by default that of the
    /// variable DATABASE_ADMIN_URL, whose prefix is that of DATABASE_URL (PostgreSQL)
    #[arg(id = "lockgate_admin_url", long = "admin-url", value_name = "URL")]
    pub admin_url: Option<DatabaseUrl>,
    /// Restore nothing, but drop what earlier restores have left: the old databases (or files), and an unfinished copy
    #[arg(long, conflicts_with_all = ["backup_key", "dry_run", "disconnect", "ignored"])]
    pub drop_old: bool,
    /// Where.
    #[command(flatten)]
    pub store: StoreOption,
    /// Of what.
    #[command(flatten)]
    pub which: Which,
    /// Whether to ask first.
    #[command(flatten)]
    pub caution: Caution,
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let migrator = invocation.migrator();
    let mut options = Options::default();
    options.choice = arguments.which.choice(arguments.key.as_ref());
    options.stage = invocation.options().stage;
    let admin_url = |url: &DatabaseUrl| match invocation.options().tunnel {
        // The URL of the database is already that of the tunnel.
        Some(_) => through(invocation.url(), url),
        None => Ok(url.reveal().to_owned()),
    };
    // SQLite has no administrator, and the variable may be for other databases.
    let is_sqlite = invocation.url().starts_with("sqlite:");
    let administrator = match is_sqlite && arguments.admin_url.is_none() {
        true => None,
        false => invocation.administrator_if_any(arguments.admin_url.as_ref())?,
    };
    if let Some((url, given_by)) = administrator {
        options.admin_url = Some(admin_url(&url)?);
        options.admin_url_given_by = Some(given_by);
    }
    options.disconnect = arguments.disconnect;
    options.ignored.clone_from(&arguments.ignored);
    options.dry_run = arguments.dry_run;
    let asks = arguments.caution.asks(invocation);
    if arguments.drop_old {
        if asks {
            let question =
                format!("this drops every old database or file that restores of {} have left", invocation.database());
            confirm::confirm(invocation, &question).await?;
        }
        let dropped = async |subject: Subject<'_>| restore::drop_old(&subject, &options).await;
        let dropped = with(invocation, &migrator, &arguments.store, dropped).await?;
        return Ok(Answer::done(Body::Kept(Box::new(Kept::OldDropped(dropped)))));
    }
    if asks && !arguments.dry_run {
        let found = async |subject: Subject<'_>| restore::find(&subject, &options).await;
        let found = with(invocation, &migrator, &arguments.store, found).await?;
        // Restores the backup that was shown, even if a newer one was made meanwhile.
        let question = format!("the backup `{}` replaces {}", found.key, invocation.database());
        options.choice.key = Some(found.key);
        confirm::confirm(invocation, &question).await?;
    }
    let restored = async |subject: Subject<'_>| restore::restore(&subject, &options).await;
    let restored = with(invocation, &migrator, &arguments.store, restored).await?;
    let drops = drops(invocation, arguments);
    Ok(Answer::done(Body::Kept(Box::new(Kept::Restored { restored, drops }))))
}

/// The command that drops the old database, with what it needs.
fn drops(invocation: &Invocation<'_>, arguments: &Arguments) -> String {
    let store = lockgate::shell_word(&arguments.store.store);
    let mut command = format!("`restore --drop-old --store {store}");
    if let Some(stage) = invocation.options().stage {
        command.push_str(&format!(" --stage {stage}"));
        if stage.is_protected() {
            command.push_str(" --override-stage \"why\"");
        }
    }
    command + "`"
}

/// The administrator's URL, with the host and port of the tunnel to which this database URL leads.
fn through(tunnel: &str, url: &DatabaseUrl) -> Result<String, CommandError> {
    let console = lockgate::Console::of(tunnel).map_err(lockgate_backup::Error::from)?;
    let command = console.command();
    let port =
        command.get_envs().find(|(name, _)| *name == "PGPORT").and_then(|(_, port)| port?.to_str()?.parse().ok());
    let parts =
        lockgate::DatabaseParts { host: console.host().map(str::to_owned), port, ..lockgate::DatabaseParts::default() };
    lockgate::__private::with_parts(url.reveal(), &parts).ok_or_else(|| {
        CommandError::usage(
            format!("{url} has no host and port that the tunnel could replace"),
            "write them: `--admin-url postgres://user@host:5432/database`",
        )
    })
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::*;

    #[test]
    fn the_administrator_goes_through_the_tunnel() {
        let Ok(admin) = "postgres://admin:secret@db.example:5432/postgres".parse::<DatabaseUrl>();
        let url = through("postgres://ada@127.0.0.1:40123/library", &admin).unwrap();
        assert_eq!(url, "postgres://admin:secret@127.0.0.1:40123/postgres");
    }
}
