//! `backup`: makes, lists, fetches, verifies and deletes backups.

use std::path::PathBuf;

use lockgate::Migrator;
use lockgate_backup::prune::{self, Policy};
use lockgate_backup::{BackupChoice, BackupStage, Event, Purpose, Store, Subject, list};

use crate::answer::{Answer, Body, Kept};
use crate::command_error::CommandError;
use crate::invocation::Invocation;
use crate::kept::shown;

/// The arguments of `backup`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What to do with backups.
#[derive(clap::Subcommand, Clone, Debug)]
#[command(about = None)]
pub enum What {
    /// Make a backup and read it back
    Create(Create),
    /// List the backups of the database
    List(List),
    /// Fetch a backup into a file: the newest one, or the one that you name
    Fetch(Fetch),
    /// Restore a backup on a throwaway server or into a temporary file, and compare it with its meta file
    Verify(Verify),
    /// Delete the backups that a policy does not keep; the newest always stays
    Prune(Prune),
}

/// Where backups are kept.
#[derive(clap::Args, Clone, Debug)]
pub struct StoreOption {
    /// Where the backups are: a folder, `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`
    #[arg(id = "lockgate_store", long = "store", value_name = "STORE", env = "LOCKGATE_STORE")]
    pub store: String,
}

/// Which database the backups are of.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Which {
    /// The name that the database has in the store; by default that of the database URL
    #[arg(id = "lockgate_of_database", long = "database", value_name = "NAME")]
    pub database: Option<String>,
    /// The stage that the database had when the backup was made: `production`, or `unmarked`
    #[arg(id = "lockgate_of_stage", long = "of", value_name = "STAGE")]
    pub stage: Option<BackupStage>,
}

/// The arguments of `backup create`.
#[derive(clap::Args, Clone, Debug)]
pub struct Create {
    /// Where.
    #[command(flatten)]
    pub store: StoreOption,
}

/// The arguments of `backup list`.
#[derive(clap::Args, Clone, Debug)]
pub struct List {
    /// Where.
    #[command(flatten)]
    pub store: StoreOption,
    /// Of what.
    #[command(flatten)]
    pub which: Which,
}

/// The arguments of `backup fetch`.
#[derive(clap::Args, Clone, Debug)]
pub struct Fetch {
    /// The key of the backup, or the last part of it; by default the newest
    #[arg(id = "backup_key", value_name = "KEY")]
    pub key: Option<String>,
    /// The file to write, or the folder; by default a file in this folder, with the name of the backup
    #[arg(long, value_name = "FILE", default_value = ".")]
    pub to: PathBuf,
    /// Where.
    #[command(flatten)]
    pub store: StoreOption,
    /// Of what.
    #[command(flatten)]
    pub which: Which,
}

/// The arguments of `backup verify`.
#[derive(clap::Args, Clone, Debug)]
pub struct Verify {
    /// The key of the backup, or the last part of it; by default the newest
    #[arg(id = "backup_key", value_name = "KEY")]
    pub key: Option<String>,
    /// Where.
    #[command(flatten)]
    pub store: StoreOption,
    /// Of what.
    #[command(flatten)]
    pub which: Which,
}

/// The arguments of `backup prune`.
#[derive(clap::Args, Clone, Debug)]
pub struct Prune {
    /// Which backups are kept.
    #[command(flatten)]
    pub keep: Keep,
    /// Show what would be deleted, and delete nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Where.
    #[command(flatten)]
    pub store: StoreOption,
    /// Of what.
    #[command(flatten)]
    pub which: Which,
}

/// Which backups are kept.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct Keep {
    /// Keep this many of the newest backups
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    pub keep_last: usize,
    /// Keep the newest backup of each hour, for this many hours that have one
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    pub keep_hourly: usize,
    /// Keep the newest backup of each day, for this many days that have one
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    pub keep_daily: usize,
    /// Keep the newest backup of each month, for this many months that have one
    #[arg(long, value_name = "N", default_value = "0", hide_default_value = true)]
    pub keep_monthly: usize,
}

impl Keep {
    fn policy(self) -> Policy {
        let Self { keep_last, keep_hourly, keep_daily, keep_monthly } = self;
        Policy { last: keep_last, hourly: keep_hourly, daily: keep_daily, monthly: keep_monthly }
    }
}

impl Which {
    pub(super) fn choice(&self, key: Option<&String>) -> BackupChoice {
        BackupChoice { database: self.database.clone(), stage: self.stage, key: key.cloned() }
    }
}

impl Arguments {
    /// Whether a signal must be handled, so that unfinished files are deleted.
    pub(super) fn writes(&self) -> bool {
        matches!(self.what, What::Create(_) | What::Prune(_))
    }
}

/// Calls a function of `lockgate-backup`, and shows its events.
pub(super) async fn with<T>(
    invocation: &Invocation<'_>,
    migrator: &Migrator,
    store: &StoreOption,
    call: impl AsyncFnOnce(Subject<'_>) -> Result<T, lockgate_backup::Error>,
) -> Result<T, CommandError> {
    let store = Store::open(&store.store)?;
    let on_event = shown(invocation.output());
    let on_event: &(dyn Fn(&Event) + Send + Sync) = &on_event;
    let done = call(Subject { url: invocation.url(), migrator, store: &store, on_event }).await;
    invocation.output().bar(|bar| bar.end());
    Ok(done?)
}

pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let migrator = invocation.migrator();
    let kept = match &arguments.what {
        What::Create(Create { store }) => {
            let made = async |subject: Subject<'_>| lockgate_backup::create(&subject, Purpose::Asked).await;
            Kept::Created(with(invocation, &migrator, store, made).await?)
        }
        What::List(List { store, which }) => {
            let listed = async |subject: Subject<'_>| {
                let database = which.database.clone().map_or_else(|| subject.name(), Ok)?;
                Ok((list::list(subject.store, &database, which.stage).await?, database))
            };
            let (listing, database) = with(invocation, &migrator, store, listed).await?;
            Kept::Listed(listing, database)
        }
        What::Fetch(Fetch { key, to, store, which }) => {
            let choice = which.choice(key.as_ref());
            let fetched = async |subject: Subject<'_>| lockgate_backup::fetch(&subject, &choice, to).await;
            Kept::Fetched(with(invocation, &migrator, store, fetched).await?)
        }
        What::Verify(Verify { key, store, which }) => {
            let choice = which.choice(key.as_ref());
            let verified = async |subject: Subject<'_>| lockgate_backup::verify(&subject, &choice).await;
            Kept::Verified(with(invocation, &migrator, store, verified).await?)
        }
        What::Prune(Prune { keep, dry_run, store, which }) => {
            let mut options = prune::Options::default();
            options.database.clone_from(&which.database);
            options.stage = which.stage;
            options.policy = keep.policy();
            options.why = invocation.overrides().map(str::to_owned);
            options.dry_run = *dry_run;
            let pruned = async |subject: Subject<'_>| prune::prune(&subject, &options).await;
            Kept::Pruned(with(invocation, &migrator, store, pruned).await?)
        }
    };
    Ok(Answer::done(Body::Kept(Box::new(kept))))
}
