//! Formats answers as text: what goes to standard output, and the notes beside it.

use crate::answer::{Answer, Body, Marked};

use super::{drift, plan, progress, remark, status};

/// An answer as text.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    /// For standard output.
    pub(crate) out: Vec<String>,
    /// For standard error, without their colours and `note:`.
    pub(crate) notes: Vec<String>,
}

/// Formats an answer for a terminal of this width.
pub(crate) fn answer(answer: &Answer, width: Option<u16>) -> Text {
    match &answer.body {
        Body::Run(report) => out(progress::report(report)),
        Body::Plan(planned) => {
            let mut text = out(plan::plan(planned, width));
            if planned.sql && !planned.plan.is_empty() {
                text.out.push(plan::scripts(planned.migrations, &planned.plan));
            }
            text.notes.extend(planned.plan.tolerated.iter().map(ToString::to_string));
            text
        }
        Body::Status(stand) => {
            let mut text = out(status::status(&stand.status, width));
            text.out.extend(stand.status.drift.iter().map(|difference| format!("\n{}", drift(difference))));
            if stand.up_refuses {
                text.out.push(format!("\n{}", remark("`up` refuses to run until this is fixed")));
            }
            text
        }
        Body::Marked(Marked { stage, before }) => out(match before {
            Some(before) if before == stage => format!("the database is already marked as {stage}"),
            Some(before) => format!("the database is marked as {stage}; before, it was marked as {before}"),
            None => format!("the database is marked as {stage}"),
        }),
        Body::Migrated => out("the database has every migration".to_owned()),
        Body::Document(text) => out(text.trim_end().to_owned()),
    }
}

fn out(line: String) -> Text {
    Text { out: vec![line], notes: Vec::new() }
}
