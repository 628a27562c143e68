//! Deploys: a backup, the migrations, and a backup of the result.

use lockgate::{Database, Report, UpTo};

use crate::create::create;
use crate::error::Error;
use crate::list;
use crate::meta::{Meta, Purpose};
use crate::subject::{Of, Subject};

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
    /// The backup from before the migrations. For a resumed deploy, the one that its first attempt made.
    pub before: Meta,
    /// What was applied.
    pub report: Report,
    /// The backup from after the migrations. `None` if nothing was applied.
    pub after: Option<Meta>,
}

/// Makes a backup, applies the migrations, and makes another backup. It stops at the first step that fails: if the
/// first backup fails, nothing is applied.
///
/// # Errors
///
/// Those of [`create`] and [`Migrator::apply`](lockgate::Migrator::apply);
/// [`ErrorKind::Refused`](lockgate::ErrorKind::Refused) if there is no deploy to resume.
pub async fn deploy(subject: &Subject<'_>, options: Options) -> Result<Deployed, Error> {
    let before = if options.resume { begun(subject).await? } else { create(subject, Purpose::BeforeDeploy).await? };
    let mut database = Database::connect(subject.url).await?;
    let applied = subject.migrator.apply_to(&mut database, options.destination.unwrap_or(UpTo::Latest)).await;
    let _ = database.close().await;
    let report = match applied {
        Ok(report) => report,
        Err(error) => {
            subject.note(format!(
                "the backup `{0}` was made before the migrations: after you have fixed the cause, `deploy --resume` \
                 continues, or `restore {0}` goes back",
                before.key
            ));
            return Err(error.into());
        }
    };
    if report.is_empty() && !options.resume {
        return Ok(Deployed { before, report, after: None });
    }
    match create(subject, Purpose::AfterDeploy).await {
        Ok(after) => Ok(Deployed { before, report, after: Some(after) }),
        Err(error) => {
            subject.note("the migrations are applied; `deploy --resume` makes the second backup");
            Err(error)
        }
    }
}

/// The first backup of a deploy that has not ended.
async fn begun(subject: &Subject<'_>) -> Result<Meta, Error> {
    let mut database = Database::connect(subject.url).await?;
    let stage = subject.migrator.stage_of(&mut database).await;
    let _ = database.close().await;
    let listing = list::list(subject.store, &subject.name()?, Some(Of::from(stage?))).await?;
    let newest = listing.backups.into_iter().next_back();
    match newest {
        Some(meta) if meta.purpose == Purpose::BeforeDeploy => Ok(meta),
        Some(meta) => {
            let what = format!(
                "there is no deploy to resume: the newest backup, `{}`, is not the first backup of a deploy",
                meta.key
            );
            Err(Error::refused(what).state("nothing was changed").help("`deploy` starts one"))
        }
        None => {
            let what = "there is no deploy to resume: the database has no backup";
            Err(Error::refused(what).state("nothing was changed").help("`deploy` starts one"))
        }
    }
}
