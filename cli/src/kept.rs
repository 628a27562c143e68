//! Shows the progress of backups and restores: a bar on a terminal, lines in a log, events as JSON.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lockgate_backup::{Event, Phase};

use crate::format::Format;
use crate::output::Output;
use crate::render::{self, Line};

/// How often a long phase reports its progress in a log or as JSON.
const EVERY: Duration = Duration::from_secs(10);

/// Returns the function that shows the events of backups on this output.
pub(crate) fn shown(output: &Output) -> impl Fn(&Event) + Send + Sync + 'static {
    let output = output.clone();
    let now: Mutex<Option<(Phase, Option<u64>, Instant)>> = Mutex::new(None);
    move |event| {
        let noted = match event {
            Event::Noted(note) => Some(Event::Noted(output.aim().advise(note))),
            _ => None,
        };
        let event = noted.as_ref().unwrap_or(event);
        let mut now = now.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = match (event, &mut *now) {
            (Event::Moved { .. }, Some((_, _, said))) if said.elapsed() >= EVERY => {
                *said = Instant::now();
                true
            }
            (Event::Moved { .. }, _) => false,
            _ => true,
        };
        if let Event::Began { phase, bytes, .. } = event {
            *now = Some((*phase, *bytes, Instant::now()));
        }
        if output.format() == Format::Json {
            if is_due && let Some(line) = Line::backup_event(event) {
                output.line(&line);
            }
            return;
        }
        match event {
            Event::Began { phase, what, bytes } => {
                output.bar(|bar| bar.begin_bytes(&format!("{phase} {what}"), *bytes))
            }
            Event::Moved { bytes, .. } => output.bar(|bar| bar.moved(*bytes)),
            Event::Ended { .. } => output.bar(|bar| bar.end()),
            _ => {}
        }
        let total = now.as_ref().and_then(|(_, total, _)| *total);
        if (is_due || matches!(event, Event::Ended { .. }))
            && !(output.is_live() && matches!(event, Event::Moved { .. }))
            && let Some(text) = render::backup_event(event, total)
        {
            output.note(&text);
        }
    }
}
