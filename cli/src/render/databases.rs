//! Formats what is said of several databases: one table for all of them, and a line for what is special about one.

use lockgate::{Audience, DatabasesReport, Drift, Status, on_bootstraps, patch};

use crate::answer::{Aim, DatabasePlanned, Planned, Stands};
use crate::duration;

use super::error::{bootstrap_difference, bootstraps_refused, coloured, drift_of_bootstraps};
use super::text::Text;
use super::{GOOD, count, drift, paint, plan, progress, remark, status};

/// What a run did.
pub(super) fn runs(report: &DatabasesReport) -> String {
    let steps = report.steps().count();
    if steps == 0 {
        return paint(GOOD, "nothing to do");
    }
    let changed = report.databases.iter().filter(|database| !database.steps.is_empty()).count();
    let done = format!("applied {} in {}", count(steps, "migration"), count(changed, "database"));
    format!("{} in {}", paint(GOOD, done), duration::show(report.elapsed))
}

/// What would run.
pub(super) fn plans(plans: &[DatabasePlanned], width: Option<u16>) -> Text {
    let planned: Vec<&Planned> = plans.iter().flat_map(|of| [&of.bootstraps, &of.patches]).collect();
    let mut text = Text { out: vec![plan::plans(&planned, width)], notes: Vec::new() };
    for of in plans {
        if !of.exists {
            text.notes.push(missing(&of.database, of.bootstraps.plan.steps.len()));
        }
        text.notes.extend(of.left_out.iter().map(|id| left_out(id, &of.database)));
        text.notes.extend(of.patches.plan.tolerated.iter().map(ToString::to_string));
    }
    text
}

/// Where the databases stand.
pub(super) fn statuses(stands: &Stands, aim: &Aim, width: Option<u16>) -> Text {
    let Stands { each, all } = stands;
    // The names have the database in them, so that one table can have them all.
    let together = Status {
        entries: each.iter().flat_map(|stand| stand.status.entries.iter().cloned()).collect(),
        repeatables: Vec::new(),
        drift: each.iter().flat_map(|stand| stand.status.drift.iter().cloned()).collect(),
        stage: None,
        at_work: None,
    };
    let table = match together.entries.is_empty() {
        true => "there are no patches besides bootstraps".to_owned(),
        false => status::status(&together, width, *all),
    };
    let mut text = Text { out: vec![table], notes: Vec::new() };
    for stand in each {
        let aim = aim.of(&stand.database);
        let shown = |difference: &Drift| format!("\n{}", drift(difference, &aim, width));
        text.out.extend(stand.status.drift.iter().map(shown));
        let refused = stand.bootstraps_refused.iter().map(|reason| bootstraps_refused(reason, &aim, width));
        text.out.extend(refused.map(|refused| format!("\n{refused}")));
        let stopped = stand.bootstraps_stopped().iter();
        text.out.extend(stopped.map(|drift| format!("\n{}", drift_of_bootstraps(drift, &aim, width))));
        let changed = stand.changed(Audience::CommandLine);
        text.out.extend(changed.iter().map(|of| format!("\n{}", bootstrap_difference(of, &aim, width))));
        let at_work = stand.begun.iter().filter_map(|begun| begun.at_work.as_ref());
        text.out.extend(at_work.map(|work| format!("\n{}", remark(&work.to_string()))));
    }
    for stand in each {
        text.out.extend(stand.status.at_work.iter().map(|work| format!("\n{}", remark(&work.to_string()))));
        if let Some(stage) = stand.status.stage {
            text.out.push(format!("stage of {}: {stage}", stand.database));
        }
        text.out.extend(stand.mirror.as_ref().map(|mirror| mirrored(mirror, aim, width)));
        if stand.up_refuses {
            text.out.push(format!("\n{}", remark(&format!("`up` refuses to run until {} is fixed", stand.database))));
        }
        let is_expected = stand.mirror.as_ref().is_some_and(|mirror| mirror.mismatch.is_some());
        if !stand.dropped.is_empty() {
            let forget = stand.dropped.iter().rev().map(|id| {
                let version = patch::Patch::parse(id).map_or(id.as_str(), |patch| patch.key());
                aim.of(&stand.database).advise_on_bootstraps(&Audience::CommandLine.forget(version))
            });
            let forget = forget.collect::<Vec<_>>().join(", then ");
            text.notes.push(format!(
                "the database `{}` was dropped after its bootstraps had made it, and before they ended: {forget} lets `up` \
                 run them again",
                stand.database
            ));
        } else if !stand.exists && !is_expected {
            text.notes.push(missing(&stand.database, stand.bootstraps.len()));
        } else if stand.exists && !stand.bootstraps.is_empty() {
            let rest = count(stand.bootstraps.len(), "bootstrap");
            let is_working = stand.begun.as_ref().is_some_and(|begun| begun.at_work.is_some());
            let has_ended = if is_working { "has not ended" } else { "was interrupted" };
            text.notes.push(format!("the run that makes the database `{}` {has_ended}: {rest} to run", stand.database));
        }
        text.notes.extend(stand.left_out.iter().map(|id| left_out(id, &stand.database)));
    }
    text
}

/// How a database compares with its mirror.
pub(super) fn mirrored(status: &lockgate::MirrorStatus, aim: &Aim, width: Option<u16>) -> String {
    let of = format!("mirror of {}", status.database);
    let Some(mismatch) = &status.mismatch else { return format!("{of}: {status}") };
    coloured(
        &format!(
            "{of}: {status}\n  = help: {}",
            aim.advise(&mismatch.help_for(Audience::CommandLine, &status.database))
        ),
        width,
    )
}

/// That a bootstrap does not run, and how to say that it need not.
fn left_out(id: &str, database: &str) -> String {
    let records = on_bootstraps(&Audience::CommandLine.baseline(id), database);
    format!("{}; if that has what it makes, {records} records it", progress::left_out(id, database))
}

fn missing(database: &str, bootstraps: usize) -> String {
    format!("the database `{database}` does not exist: `up` makes it, by {}", count(bootstraps, "bootstrap"))
}
