//! Checks a database for everything that could stop a run. It writes nothing.

use lockgate_core::plan::Reason;
use lockgate_core::{Drift, Plan};

use crate::error::{Error, ErrorKind, Wording};
use crate::{Migrator, Target};

pub use crate::finding::{Examination, Finding, Verdict};

/// Checks a database for everything that could stop a run. Each finding has a verdict and says what to do. The order of
/// the findings is always the same, and does not depend on the verdicts.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use lockgate::doctor::{Examination, Verdict, examine};
/// use lockgate::{Database, Migrations, Migrator};
///
/// # static MIGRATIONS: Migrations = Migrations::EMPTY;
/// let mut database = Database::connect("sqlite::memory:").await?;
/// let findings = examine(&Migrator::new(&MIGRATIONS), &mut database, Examination::default()).await?;
/// assert!(findings.iter().all(|finding| finding.verdict() == Verdict::Ok));
/// assert!(findings.iter().any(|finding| finding.check() == "history"));
/// # Ok::<(), lockgate::Error>(()) }).unwrap();
/// ```
///
/// # Errors
///
/// [`ErrorKind::Unreachable`], [`ErrorKind::Interrupted`], and [`ErrorKind::Usage`] if the options of the migrator are
/// invalid or the connection is inside a transaction. Everything else is a finding.
pub async fn examine(
    migrator: &Migrator,
    target: impl Target,
    examination: Examination,
) -> Result<Vec<Finding>, Error> {
    let (planned, mut findings) = migrator.examined(target, examination).await?;
    let Some((planned, drift)) = planned else { return Ok(findings) };
    match planned {
        Ok(plan) if plan.is_empty() => findings.push(Finding::ok("plan", "nothing is pending")),
        Ok(plan) => findings.push(ahead("plan", &plan, "apply", &drift)),
        Err(error) if error.kind() == ErrorKind::Refused => {
            findings.extend(error.reasons().iter().map(|reason| {
                let check = match reason {
                    Reason::OtherTool { .. } => "other-tools",
                    Reason::Draft { .. } | Reason::ProtectedStage { .. } | Reason::OtherStage { .. } => "stage",
                    _ => "plan",
                };
                Finding::problem(check, reason.to_string(), Wording::each(|audience| reason.help_for(audience)))
            }));
        }
        Err(error) => return Err(error),
    }
    Ok(findings)
}

/// What a plan that nothing refuses would do. A run may still have to ask a person about a statement that was sent and
/// whose end was not recorded.
pub(crate) fn ahead(check: &'static str, plan: &Plan, verb: &str, drift: &[Drift]) -> Finding {
    let is_in_doubt = |drift: &&Drift| matches!(drift, Drift::Partial { in_doubt: Some(_), .. });
    match drift.iter().find(is_in_doubt) {
        Some(drift) => Finding::warning(check, drift.to_string(), Wording::each(|audience| drift.help_for(audience))),
        None => Finding::ok(check, format!("{} to {verb}", plan.steps.len())),
    }
}

/// Checks a SQLite file that does not exist yet: what a run would find in an empty database, and whether the file can
/// be created.
///
/// # Errors
///
/// As for [`examine`].
#[cfg(feature = "sqlite")]
pub async fn examine_missing_file(
    migrator: &Migrator,
    file: &std::path::Path,
    examination: Examination,
) -> Result<Vec<Finding>, Error> {
    let mut database = crate::Database::connect("sqlite::memory:").await?;
    let mut findings = examine(migrator, &mut database, examination).await?;
    // These are about the database in memory.
    findings.retain(|finding| finding.check() != "journal");
    let at = findings.iter().position(|finding| finding.check() == "file").unwrap_or(0);
    findings.splice(at..=at, crate::backend::sqlite::missing(file));
    Ok(findings)
}
