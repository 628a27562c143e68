//! Deploys: a backup, the migrations, and a backup of the result.

use lockgate::{Database, ErrorKind, Report, Stage, UpTo};

use crate::create::create;
use crate::error::Error;
use crate::list;
use crate::meta::{Meta, Purpose};
use crate::subject::{BackupStage, Subject};

/// How to deploy.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Options {
    /// The last migration to apply. `None`: all pending migrations.
    pub destination: Option<UpTo>,
    /// Continues a deploy that stopped after its first backup.
    pub resume: bool,
}

/// What a deploy did.
#[derive(Debug)]
#[non_exhaustive]
pub struct Deployed {
    /// The backup from before the migrations. For a resumed deploy, the one that its first attempt made. `None` if
    /// nothing was pending.
    pub before: Option<Meta>,
    /// What was applied.
    pub report: Report,
    /// The backup from after the migrations. `None` if nothing was pending.
    pub after: Option<Meta>,
}

/// Makes a backup, applies the migrations, and makes another backup. It stops at the first step that fails: if the
/// migrations would be refused, or nothing is pending, there is no backup, and if the first backup fails, nothing is
/// applied.
///
/// # Errors
///
/// Those of [`create`] and [`Migrator::apply`](lockgate::Migrator::apply);
/// [`ErrorKind::Refused`] if there is no deploy to resume.
pub async fn deploy(subject: &Subject<'_>, options: Options) -> Result<Deployed, Error> {
    let destination = options.destination.unwrap_or(UpTo::Latest);
    let begun = if options.resume { Some(begun(subject).await?) } else { None };
    let mut database = Database::connect(subject.url).await?;
    let planned = subject.migrator.plan(&mut database, destination).await;
    let _ = database.close().await;
    let is_pending = !planned?.is_empty();
    if begun.is_none() {
        note_begun(subject, is_pending).await;
    }
    let before = match begun {
        Some(before) => before,
        None if !is_pending => return Ok(Deployed { before: None, report: Report::default(), after: None }),
        None => create(subject, Purpose::BeforeDeploy).await?,
    };
    let report = if is_pending { apply(subject, destination, &before).await? } else { Report::default() };
    // Even if another program was faster and nothing was applied: this backup ends the deploy.
    match create(subject, Purpose::AfterDeploy).await {
        Ok(after) => Ok(Deployed { before: Some(before), report, after: Some(after) }),
        Err(error) => {
            subject.note("the migrations are applied; `deploy --resume` makes the second backup");
            Err(error)
        }
    }
}

async fn apply(subject: &Subject<'_>, destination: UpTo, before: &Meta) -> Result<Report, Error> {
    let mut database = Database::connect(subject.url).await?;
    let applied = subject.migrator.apply_to(&mut database, destination).await;
    let _ = database.close().await;
    applied.map_err(|error| {
        // What is refused has changed nothing, so there is nothing to go back from.
        let back = match error.kind() {
            ErrorKind::Refused => String::new(),
            _ => format!(", or {} goes back", restore(subject, before)),
        };
        subject.note(format!(
            "the backup `{}` was made before the migrations: after you have fixed the cause, `deploy --resume` \
             continues{back}",
            before.key
        ));
        error.into()
    })
}

/// The command that restores a backup in place.
fn restore(subject: &Subject<'_>, meta: &Meta) -> String {
    let store = lockgate::shell_word(subject.store.place());
    let command = format!("restore {} --store {store} --stage", meta.key);
    match meta.stage.as_deref().map(str::parse::<Stage>) {
        Some(Ok(stage)) if stage.is_protected() => format!("`{command} {stage} --override-stage \"why\"`"),
        Some(Ok(stage)) => format!("`{command} {stage}`"),
        // Only a database with a stage is replaced.
        _ => format!("`{command} development` (after `mark-stage development`)"),
    }
}

/// Reports a deploy that has not ended, because it failed or was interrupted.
async fn note_begun(subject: &Subject<'_>, is_pending: bool) {
    let note = match last_of_deploys(subject).await {
        Ok(Some(meta)) if meta.purpose == Purpose::BeforeDeploy && is_pending => format!(
            "the deploy that began with the backup `{}` has not ended; this one begins again, with another backup: \
             `deploy --resume` would have continued",
            meta.key
        ),
        Ok(Some(meta)) if meta.purpose == Purpose::BeforeDeploy => format!(
            "the deploy that began with the backup `{}` has not ended: the backup after the migrations is missing, and \
             `deploy --resume` makes it",
            meta.key
        ),
        Ok(_) => return,
        // If something is pending, the backup before the migrations fails too, and says why.
        Err(_) if is_pending => return,
        Err(error) => format!("it is unknown whether an earlier deploy has ended: {error}"),
    };
    subject.note(note);
}

/// The first backup of a deploy that has not ended.
async fn begun(subject: &Subject<'_>) -> Result<Meta, Error> {
    let what = match last_of_deploys(subject).await? {
        Some(meta) if meta.purpose == Purpose::BeforeDeploy => return Ok(meta),
        Some(meta) => format!("there is no deploy to resume: the last one has ended with the backup `{}`", meta.key),
        None => "there is no deploy to resume: no backup is the first one of a deploy".to_owned(),
    };
    Err(Error::refused(what).state("nothing was changed").help("`deploy` starts one"))
}

/// The newest backup that a deploy has made. Backups that are not part of a deploy may be newer.
async fn last_of_deploys(subject: &Subject<'_>) -> Result<Option<Meta>, Error> {
    let mut database = Database::connect(subject.url).await?;
    let stage = subject.migrator.stage_of(&mut database).await;
    let _ = database.close().await;
    let listing = list::list(subject.store, &subject.name()?, Some(BackupStage::from(stage?))).await?;
    Ok(listing.backups.into_iter().rfind(|meta| meta.purpose != Purpose::Asked))
}
