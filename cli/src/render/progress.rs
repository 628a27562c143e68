//! Formats the progress of a run, and its report.

use std::time::SystemTime;

use lockgate::{Action, Direction, Event, Report};

use super::plan::goes_both_ways;
use super::{BOLD, DIM, GOOD, WAITING, count, paint};
use crate::duration;

/// How an event is shown.
pub(crate) enum Shown {
    /// As a line that stays.
    Line(String),
    /// As a line that the next output overwrites.
    Passing(String),
}

/// The migrations that were sent and not answered.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Whether the statements are shown.
    verbose: bool,
    /// What is counted: `migration`, or `step` where the same migration goes down and up again.
    noun: &'static str,
    under_way: Vec<String>,
    /// How many ran and are not committed.
    ran: usize,
    /// Whether the last event was `Started`: migrations that are sent together are reported one by one.
    sending: bool,
}

impl Progress {
    pub(crate) fn new(verbose: bool, noun: &'static str) -> Self {
        Self { verbose, noun, under_way: Vec::new(), ran: 0, sending: false }
    }

    /// Formats an event, if it is shown. `now` is the time of day in UTC.
    pub(crate) fn show(&mut self, event: &Event, now: SystemTime) -> Option<Shown> {
        let sent = matches!(event, Event::Started { .. });
        if sent && !std::mem::replace(&mut self.sending, sent) {
            self.under_way.clear();
        }
        self.sending = sent;
        match event {
            Event::Started { id, action } => {
                self.under_way.push(id.clone());
                let first = self.under_way.first().filter(|first| *first != id);
                let first = first.map_or_else(String::new, |first| format!("{first} … "));
                Some(Shown::Passing(format!("  {} {first}{id} (since {})", present(*action), time_of_day(now))))
            }
            Event::StatementStarted { place, sql, .. } if self.verbose => {
                Some(Shown::Line(format!("\n{}\n{}", paint(DIM, format_args!("-- {place}")), sql.trim_end())))
            }
            Event::StatementStarted { id, statement, statements, .. } => {
                Some(Shown::Passing(format!("  {id}: statement {statement} of {statements}")))
            }
            Event::Planned { steps } if *steps > 0 => {
                Some(Shown::Line(paint(BOLD, format_args!("{} to run", count(*steps, self.noun)))))
            }
            Event::Ran { id, .. } => {
                self.ran += 1;
                Some(Shown::Passing(format!("  {id} ran and is not committed yet ({} so far)", self.ran)))
            }
            Event::Committed { .. } => {
                self.ran = self.ran.saturating_sub(1);
                shown(event)
            }
            Event::Retrying { .. } => {
                self.ran = 0;
                shown(event)
            }
            _ => shown(event),
        }
    }
}

/// The time of day, as `14:02:03 UTC`: std does not know the operator's time zone.
fn time_of_day(now: SystemTime) -> String {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs() % 86_400;
    format!("{:02}:{:02}:{:02} UTC", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

fn shown(event: &Event) -> Option<Shown> {
    Some(match event {
        Event::LockWaiting { holder } => {
            let holder = holder.as_ref().map(|holder| format!(": {holder}")).unwrap_or_default();
            Shown::Line(paint(WAITING, format_args!("waiting for another run to end{holder}")))
        }
        Event::Tolerated(drift) => Shown::Line(super::remark(&drift.to_string())),
        Event::StatementFinished { id, statements_done, statements } => {
            Shown::Passing(format!("  {id}: statement {statements_done} of {statements} is done"))
        }
        Event::Retrying { id, attempt, delay, blockers } => {
            let blockers =
                if blockers.is_empty() { String::new() } else { format!("; possibly held by {}", blockers.join(", ")) };
            let delay = duration::show(*delay);
            Shown::Line(paint(
                WAITING,
                format_args!("  {id} could not get its locks, attempt {attempt} in {delay}{blockers}"),
            ))
        }
        Event::Committed { id, action, elapsed } => {
            let elapsed = elapsed.map(|elapsed| paint(DIM, format_args!(" ({})", duration::show(elapsed))));
            Shown::Line(format!("  {} {id}{}", paint(GOOD, action.past()), elapsed.unwrap_or_default()))
        }
        // What a newer runtime tells beside this is nothing that a run needs to be understood.
        _ => return None,
    })
}

/// What a run did, in one line.
pub(super) fn report(report: &Report) -> String {
    match report.steps.first() {
        None => paint(GOOD, "nothing to do"),
        Some(_) if goes_both_ways(report.steps.iter().map(|step| step.action)) => {
            let applied = report.steps.iter().filter(|step| step.action.direction() == Some(Direction::Up)).count();
            let done = format!("reverted and applied {}", count(applied, "migration"));
            format!("{} in {}", paint(GOOD, done), duration::show(report.elapsed))
        }
        Some(step) => {
            let done = format!("{} {}", step.action.past(), count(report.steps.len(), "migration"));
            format!("{} in {}", paint(GOOD, done), duration::show(report.elapsed))
        }
    }
}

fn present(action: Action) -> &'static str {
    match action {
        Action::Apply => "applying",
        Action::ResumeApply { .. } | Action::ResumeRevert { .. } => "going on with",
        Action::Revert => "reverting",
        Action::Record => "recording",
        Action::Rewrite | Action::Settle { .. } => "repairing",
        Action::Forget => "forgetting",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_sent_together_stands_in_one_line_and_nothing_is_applied_before_it_is_committed() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 * 3 + 14 * 3_600 + 2 * 60 + 3);
        let mut progress = Progress::new(false, "migration");
        let mut show = |event: Event| match progress.show(&event, at) {
            Some(Shown::Passing(line)) => format!("… {}", anstream::adapter::strip_str(&line)),
            Some(Shown::Line(line)) => anstream::adapter::strip_str(&line).to_string(),
            None => String::new(),
        };
        let (a, b, c) = ("0007_a".to_owned(), "0008_b".to_owned(), "0031_c".to_owned());
        let action = Action::Apply;
        let started = |id: &String| Event::Started { id: id.clone(), action };
        let ran = |id: &String| Event::Ran { id: id.clone(), action };
        assert_eq!(show(started(&a)), "…   applying 0007_a (since 14:02:03 UTC)");
        assert_eq!(show(started(&b)), "…   applying 0007_a … 0008_b (since 14:02:03 UTC)");
        assert_eq!(show(ran(&a)), "…   0007_a ran and is not committed yet (1 so far)");
        assert_eq!(show(ran(&b)), "…   0008_b ran and is not committed yet (2 so far)");
        assert_eq!(show(started(&c)), "…   applying 0031_c (since 14:02:03 UTC)");
        let elapsed = Some(Duration::from_millis(12));
        assert_eq!(show(Event::Committed { id: a, action, elapsed }), "  applied 0007_a (12 ms)");
        assert_eq!(show(Event::Committed { id: b, action, elapsed: None }), "  applied 0008_b");
    }

    #[test]
    fn the_sessions_that_hold_locks_are_named() {
        let shown = |event: Event| match Progress::new(false, "migration").show(&event, SystemTime::UNIX_EPOCH) {
            Some(Shown::Line(line)) => anstream::adapter::strip_str(&line).to_string(),
            Some(Shown::Passing(_)) | None => panic!("it stays on the screen"),
        };
        let holder = Some("pid 7, application `app`".to_owned());
        assert_eq!(shown(Event::LockWaiting { holder }), "waiting for another run to end: pid 7, application `app`");
        assert_eq!(shown(Event::LockWaiting { holder: None }), "waiting for another run to end");
        let retrying = |blockers: &[&str]| {
            let blockers = blockers.iter().map(|&blocker| blocker.to_owned()).collect();
            shown(Event::Retrying { id: "0007_a".to_owned(), attempt: 2, delay: Duration::from_millis(250), blockers })
        };
        assert_eq!(retrying(&[]), "  0007_a could not get its locks, attempt 2 in 250 ms");
        assert_eq!(
            retrying(&["pid 7", "pid 8"]),
            "  0007_a could not get its locks, attempt 2 in 250 ms; possibly held by pid 7, pid 8"
        );
    }
}
