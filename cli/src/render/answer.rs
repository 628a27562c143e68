//! Formats answers as text: what goes to standard output, and the notes for standard error.

use lockgate::bootstrap::Outcome;
use lockgate::wait::Readiness;
use lockgate::{Drift, ErrorKind};
#[cfg(feature = "schema")]
use lockgate::{SchemaDrift, SchemaVerdict};

use crate::answer::{Aim, Answer, Body, Differences, Marked};

#[cfg(feature = "postgres")]
use super::databases;
#[cfg(any(feature = "postgres", feature = "schema"))]
use super::error;
use super::text::Text;
use super::{
    BAD, BOLD, GOOD, WAITING, count, doctor, drift, history, manual, paint, plan, progress, remark, seed, status,
};

/// Formats an answer for a terminal of this width. The commands in its advice name this aim.
pub(crate) fn answer(answer: &Answer, aim: &Aim, width: Option<u16>) -> Text {
    match &answer.body {
        Body::Run(report) => out(progress::report(report)),
        Body::Plan(planned) => {
            let mut text = out(plan::plans(&[planned], width));
            text.notes.extend(planned.plan.tolerated.iter().map(ToString::to_string));
            text
        }
        Body::Status(stand) => {
            let mut text = out(status::status(&stand.status, width, stand.all));
            text.out.extend(stand.status.drift.iter().map(|difference| format!("\n{}", drift(difference, aim, width))));
            #[cfg(feature = "postgres")]
            text.out.extend(stand.mirror.as_ref().map(|mirror| databases::mirrored(mirror, aim, width)));
            text.out.extend(stand.status.at_work.iter().map(|work| format!("\n{}", remark(&work.to_string()))));
            text.out.extend(stand.refusals.iter().map(|line| format!("\n{}", remark(&aim.advise(line)))));
            if stand.up_refuses {
                text.out.push(format!("\n{}", remark("`up` refuses to run until this is fixed")));
            }
            text
        }
        Body::Examined(findings) => out(doctor::findings(findings, aim, width)),
        Body::Marked(Marked { stage, before }) => out(match before {
            Some(before) if before == stage => format!("the database is already marked as {stage}"),
            Some(before) => format!("the database is marked as {stage}; before, it was marked as {before}"),
            None => format!("the database is marked as {stage}"),
        }),
        Body::Bootstrapped(outcome) => bootstrapped(outcome),
        Body::IndexDropped(index) => out(format!("{} the INVALID index {index}", paint(GOOD, "dropped"))),
        #[cfg(feature = "adopt")]
        Body::Adoption(compared) => {
            let (out, notes) = super::adopt::adoption(compared, aim, width);
            Text { out, notes }
        }
        Body::Drift(differences) => drifts(differences, aim, width),
        #[cfg(feature = "schema")]
        Body::SchemaDrift(drift) => schema_drift(drift, aim, width),
        Body::Manual(scripts) => out(manual::scripts(scripts, width)),
        Body::Seeds(seeds) => out(aim.advise(&seed::seeds(seeds, width))),
        Body::RanManual(report) => out(manual::ran(report)),
        Body::HasRun(scripts) => Text { out: scripts.iter().map(manual::has_run).collect(), notes: Vec::new() },
        Body::History(log) => out(history::history(log, width)),
        Body::Ready(readiness) => out(ready(readiness)),
        #[cfg(feature = "postgres")]
        Body::Runs(report) => out(databases::runs(report)),
        #[cfg(feature = "postgres")]
        Body::Plans(plans) => databases::plans(plans, width),
        #[cfg(feature = "postgres")]
        Body::Statuses(stands) => databases::statuses(stands, aim, width),
        #[cfg(feature = "postgres")]
        Body::AllReady(each) => {
            let lines = each.iter().map(|(database, readiness)| format!("{database}: {}", ready(readiness)));
            Text { out: lines.collect(), notes: Vec::new() }
        }
        #[cfg(feature = "postgres")]
        Body::Mirror(statuses) if statuses.is_empty() => {
            out("there is no mirror yet: the next run makes it, if `--mirror` or the policy names one".to_owned())
        }
        #[cfg(feature = "postgres")]
        Body::Mirror(statuses) => Text {
            out: statuses.iter().map(|status| databases::mirrored(status, aim, width)).collect(),
            notes: Vec::new(),
        },
        #[cfg(feature = "postgres")]
        Body::MirrorAccepted(status) => {
            let differed = status.mismatch.as_ref().map(|mismatch| format!(", although {mismatch}"));
            out(format!("{} `{}` as it is{}", paint(GOOD, "accepted"), status.database, differed.unwrap_or_default()))
        }
        #[cfg(feature = "backup")]
        Body::Kept(kept) => super::backup::kept(kept, aim, width),
        #[cfg(feature = "backup")]
        Body::Moved(moved) => out(super::moved(moved)),
        #[cfg(feature = "backup")]
        Body::Refreshed(refreshed) => out(super::refreshed(refreshed)),
        Body::Document(text) => out(text.trim_end().to_owned()),
    }
}

fn out(line: String) -> Text {
    Text { out: vec![line], notes: Vec::new() }
}

/// Every difference between program and database.
fn drifts(differences: &Differences, aim: &Aim, width: Option<u16>) -> Text {
    let of_patches = &differences.drift;
    let shown = of_patches.iter().map(|difference| drift(difference, aim, width));
    #[cfg(feature = "postgres")]
    let shown = shown.chain(differences.bootstraps.iter().flat_map(|(database, differences)| {
        let aim = aim.of(database);
        differences.iter().map(move |difference| error::bootstrap_difference(difference, &aim, width))
    }));
    let shown: Vec<String> = shown.collect();
    let is_ahead =
        shown.len() == of_patches.len() && of_patches.iter().all(|drift| matches!(drift, Drift::Ahead { .. }));
    let head = match shown.len() {
        0 => return out(paint(GOOD, "no difference between program and database")),
        number if is_ahead => {
            format!("no drift: the database is ahead of the program by {}", count(number, "migration"))
        }
        number => format!("{} between program and database", count(number, "difference")),
    };
    let mut text = out(paint(BOLD, head));
    text.out.extend(shown.iter().map(|shown| format!("\n{shown}")));
    text
}

/// What differs, object by object, below the verdict.
#[cfg(feature = "schema")]
fn schema_drift(found: &SchemaDrift, aim: &Aim, width: Option<u16>) -> Text {
    let mut text = match &found.verdict {
        SchemaVerdict::Same => return out(paint(GOOD, found.to_string())),
        verdict => out(error::schema_drift(found, verdict.code(), aim, width)),
    };
    text.out.extend(found.changes.iter().flatten().map(|change| format!("\n{}", error::schema_change(change))));
    if let SchemaVerdict::NotAtHead { drift: differences, .. } = &found.verdict {
        text.out.extend(differences.iter().map(|difference| format!("\n{}", drift(difference, aim, width))));
    }
    text
}

fn bootstrapped(outcome: &Outcome) -> Text {
    let line = |was_created, what: &str, name: &str| {
        let named = format!("the {what} {}", quoted(name));
        if was_created { format!("{} {named}", paint(GOOD, "created")) } else { format!("{named} existed") }
    };
    let password = match (outcome.role_was_created, outcome.password_was_set, outcome.has_password) {
        (true, true, _) => "it may log in with the password of the database URL",
        (true, false, _) => "it has no password, as the database URL has none",
        (false, true, _) => "it has the password of the database URL now",
        (false, false, true) => "its password was not changed",
        (false, false, false) => "nothing of it was changed",
    };
    let role = line(outcome.role_was_created, "role", &outcome.role);
    let database = line(outcome.database_was_created, "database", &outcome.database);
    let mut notes = Vec::new();
    if let Some(error) = &outcome.unusable {
        notes.push(format!("the database URL does not work from here: {error}"));
        if !outcome.password_was_set && outcome.has_password && error.kind() == ErrorKind::Denied {
            notes.push("`bootstrap --set-password` gives the role the password of the URL".to_owned());
        }
    }
    Text { out: vec![format!("{role}: {password}"), format!("{database}: it belongs to that role")], notes }
}

/// A name as SQL quotes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn ready(readiness: &Readiness) -> String {
    match readiness {
        Readiness::Ready => paint(GOOD, "the database has every migration"),
        Readiness::Behind { missing, embedded } => {
            let head = format!("not ready: {} of {} not applied", missing.len(), count(*embedded, "migration"));
            let (Some(first), Some(last)) = (missing.first(), missing.last()) else { return head };
            let which = if first == last { format!("`{first}`") } else { format!("`{first}` to `{last}`") };
            format!("{}: {which}", paint(WAITING, head))
        }
        Readiness::Working { id, by } => format!("{}: {by} is working on `{id}`", paint(WAITING, "not ready")),
        Readiness::Partial { id } => format!("{}: `{id}` has stopped half way", paint(BAD, "not ready")),
        Readiness::Drifted(differences) => {
            let head = format!("not ready: {} between program and database", count(differences.len(), "difference"));
            differences.iter().fold(paint(BAD, head), |text, difference| format!("{text}\n  {difference}"))
        }
        // A newer runtime may have other results; none of them means ready.
        _ => paint(BAD, "not ready"),
    }
}
