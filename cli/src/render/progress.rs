//! Formats the progress of a run, and its report.

use std::time::Duration;

use lockgate::companion::counted;
use lockgate::{Action, Direction, Event, Migrations, Report, ServerProgress};

use super::plan::goes_both_ways;
use super::{BOLD, Charset, DIM, GOOD, WAITING, count, grouped, paint};
use crate::duration;

/// How an event is shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// As a line that stays.
    Line(String),
    /// On the progress bar: a run of this many steps begins.
    Begin(usize),
    /// On the progress bar: what runs now.
    Running(String),
    /// On the progress bar: how many steps ran.
    Steps(usize),
}

/// What the steps of a run are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counts {
    /// Each runs a script.
    Migrations,
    /// Each runs the down script of a migration.
    Reversals,
    /// Each runs a file of `create/`.
    Files,
    /// Each runs a manual script.
    ManualScripts,
    /// Each runs a script, of a migration or a repeatable one.
    Scripts,
    /// Each runs a script, and the same migration goes down and up again.
    Steps,
    /// Each records a migration, and nothing runs.
    Records,
    /// Each changes the history, and nothing runs.
    Corrections,
}

impl Counts {
    /// What the steps of `up` are in a program with these migrations.
    pub(crate) fn of_up(migrations: &Migrations) -> Self {
        if migrations.set().repeatables().is_empty() { Self::Migrations } else { Self::Scripts }
    }

    /// `2 migrations to run`.
    fn of(self, steps: usize) -> String {
        match self {
            Self::Files => format!("{} to run", count(steps, "file")),
            Self::ManualScripts => format!("{} to run", count(steps, "manual script")),
            Self::Migrations => format!("{} to run", count(steps, "migration")),
            Self::Reversals => format!("{} to revert", count(steps, "migration")),
            Self::Scripts => format!("{} to run", count(steps, "script")),
            Self::Steps => format!("{} to run", count(steps, "step")),
            Self::Records => format!("{} to record, and nothing runs", count(steps, "migration")),
            Self::Corrections => format!("{} to correct in the history, and nothing runs", count(steps, "row")),
        }
    }
}

/// The migrations that were sent and are not answered yet.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Whether the statements are shown.
    verbose: bool,
    counts: Counts,
    under_way: Vec<String>,
    /// How many have run.
    ran: usize,
    /// How many are committed.
    committed: usize,
    /// Whether the last event was `Started`: migrations that are sent together are reported one by one.
    sending: bool,
}

impl Progress {
    pub(crate) fn new(verbose: bool, counts: Counts) -> Self {
        Self { verbose, counts, under_way: Vec::new(), ran: 0, committed: 0, sending: false }
    }

    /// Formats an event.
    pub(crate) fn show(&mut self, event: &Event) -> Vec<Shown> {
        let sent = matches!(event, Event::Started { .. });
        if sent && !std::mem::replace(&mut self.sending, sent) {
            self.under_way.clear();
        }
        self.sending = sent;
        let mut all: Vec<Shown> = shown(event, self.counts).map(Shown::Line).into_iter().collect();
        match event {
            Event::Planned { steps } if *steps > 0 => {
                (self.ran, self.committed) = (0, 0);
                all.push(Shown::Begin(*steps));
            }
            Event::Started { id, action } => {
                self.under_way.push(id.clone());
                let first = self.under_way.first().filter(|first| *first != id);
                let first = first.map_or_else(String::new, |first| format!("{first} … "));
                all.push(Shown::Running(format!("{} {first}{id}", present(*action))));
            }
            Event::StatementStarted { id, statement, statements, place, sql } => {
                if self.verbose {
                    let place = paint(DIM, format_args!("-- {place}"));
                    all.push(Shown::Line(format!("\n{place}\n{}", sql.trim_end())));
                }
                let words = sql.split_whitespace().take(12).collect::<Vec<_>>().join(" ");
                all.push(Shown::Running(format!("{id}, statement {statement} of {statements}: {words}")));
            }
            Event::Ran { .. } => {
                self.ran += 1;
                all.push(Shown::Steps(self.ran));
            }
            Event::Committed { .. } => self.committed += 1,
            Event::Retrying { .. } => {
                self.ran = self.committed;
                all.push(Shown::Steps(self.ran));
            }
            _ => {}
        }
        all
    }
}

/// Formats what runs now and for how long, in a line of at most this width.
pub(crate) fn running(
    what: &str,
    age: Option<Duration>,
    server: Option<&str>,
    width: usize,
    charset: Charset,
) -> String {
    let age = age.filter(|age| age.as_secs() > 0).map(|age| match age.as_secs() {
        seconds @ 1..60 => format!(" ({seconds} s)"),
        seconds => format!(" ({} min {} s)", seconds / 60, seconds % 60),
    });
    let server = server.map(|server| format!(" {server}"));
    // The changing part comes first, so that it is not cut off.
    let after = [age, server].into_iter().flatten().collect::<String>();
    let what = charset.show(what);
    let room = width.saturating_sub(after.chars().count());
    if what.chars().count() <= room {
        return format!("{what}{after}");
    }
    let dots = charset.show("…");
    let cut: String = what.chars().take(room.saturating_sub(dots.chars().count())).collect();
    format!("{}{dots}{after}", cut.trim_end())
}

/// Formats what the server says about a statement: `building index: scanning table 34 %`.
pub(crate) fn server(progress: &ServerProgress) -> String {
    let ServerProgress { phase, done, total, unit, .. } = progress;
    match total {
        Some(total) => format!("{phase} {} %", done.saturating_mul(100) / total),
        None if *done > 0 => format!("{phase} {} {unit}", grouped(*done)),
        None => phase.clone(),
    }
}

/// Returns the line of an event that stays on the screen.
fn shown(event: &Event, counts: Counts) -> Option<String> {
    Some(match event {
        Event::LockWaiting { holder } => {
            let holder = holder.as_ref().map(|holder| format!(": {holder}")).unwrap_or_default();
            paint(WAITING, format_args!("waiting for another run to end{holder}"))
        }
        Event::Planned { steps } if *steps > 0 => paint(BOLD, format_args!("{}", counts.of(*steps))),
        Event::DriftTolerated(drift) => super::remark(&drift.to_string()),
        Event::Retrying { id, attempt, delay, blockers } => {
            let blockers =
                if blockers.is_empty() { String::new() } else { format!("; possibly held by {}", blockers.join(", ")) };
            let delay = duration::show(*delay);
            paint(WAITING, format_args!("  {id} could not get its locks, attempt {attempt} in {delay}{blockers}"))
        }
        Event::Echo { id, text } => format!("  {id}: {text}"),
        Event::Committed { id, action, elapsed } => {
            let elapsed = elapsed.map(|elapsed| paint(DIM, format_args!(" ({})", duration::show(elapsed))));
            format!("  {} {id}{}", paint(GOOD, action.past()), elapsed.unwrap_or_default())
        }
        Event::DatabaseStarted { database, role } => {
            let role = role.as_ref().map(|role| format!(", as {role}")).unwrap_or_default();
            paint(BOLD, format_args!("{database}{role}"))
        }
        Event::PasswordAssumed { role, variable } => {
            let way = variable.as_ref().map(|variable| format!("; {variable} would hold it")).unwrap_or_default();
            super::remark(&format!("there is no password for the role `{role}`, so its name is tried{way}"))
        }
        Event::BootstrapSkipped { id, database } => super::remark(&left_out(id, database)),
        Event::MirrorCreated { mirror, databases } => super::remark(&format!(
            "the mirror `{mirror}` did not exist: made, with {} as it is now",
            count(*databases, "database")
        )),
        Event::MirrorBehind { database, reason } => super::remark(&format!(
            "the mirror of `{database}` could not be written, and the next run does that: {reason}"
        )),
        // A newer runtime may have other events. A run can be understood without them.
        _ => return None,
    })
}

/// Formats a remark about a bootstrap that does not run.
pub(super) fn left_out(id: &str, database: &str) -> String {
    format!("`{id}` is not recorded and does not run, because the database `{database}` exists")
}

/// Formats what a run did, in one line.
pub(super) fn report(report: &Report) -> String {
    match report.steps.first() {
        None => paint(GOOD, "nothing to do"),
        Some(_) if goes_both_ways(report.steps.iter().map(|step| step.action)) => {
            let applied = report.steps.iter().filter(|step| step.action.direction() == Some(Direction::Up)).count();
            let done = format!("reverted and applied {}", count(applied, "migration"));
            format!("{} in {}", paint(GOOD, done), duration::show(report.elapsed))
        }
        Some(_) if report.created().is_some() => {
            let (files, migrations) = report.created().unwrap_or_default();
            let done = format!("ran {} of `create/`", count(files, "file"));
            let recorded = count(migrations, "migration");
            format!("{} and recorded {recorded} in {}", paint(GOOD, done), duration::show(report.elapsed))
        }
        Some(step) => {
            let done = format!("{} {}", step.action.past(), counted(report.steps.iter().map(|step| &*step.id)));
            format!("{} in {}", paint(GOOD, done), duration::show(report.elapsed))
        }
    }
}

fn present(action: Action) -> &'static str {
    match action {
        Action::Apply | Action::ApplyAgain => "applying",
        Action::ResumeApply { .. } | Action::ResumeRevert { .. } => "going on with",
        Action::Revert => "reverting",
        Action::Record => "recording",
        Action::Rewrite | Action::Settle { .. } => "repairing",
        Action::Forget => "forgetting",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(id: &str) -> Event {
        Event::Started { id: id.to_owned(), action: Action::Apply }
    }

    fn ran(id: &str) -> Event {
        Event::Ran { id: id.to_owned(), action: Action::Apply }
    }

    fn committed(id: &str, milliseconds: Option<u64>) -> Event {
        let elapsed = milliseconds.map(Duration::from_millis);
        Event::Committed { id: id.to_owned(), action: Action::Apply, elapsed }
    }

    #[test]
    fn migrations_sent_together_share_a_line_and_none_is_applied_before_its_commit() {
        let mut progress = Progress::new(false, Counts::Migrations);
        let mut show = |event: Event| {
            let lines = progress.show(&event).into_iter().map(|shown| match shown {
                Shown::Line(line) => anstream::adapter::strip_str(&line).to_string(),
                Shown::Running(what) => format!("… {what}"),
                Shown::Begin(steps) => format!("[0/{steps}]"),
                Shown::Steps(steps) => format!("[{steps}]"),
            });
            lines.collect::<Vec<_>>().join(" | ")
        };
        assert_eq!(show(Event::Planned { steps: 3 }), "3 migrations to run | [0/3]");
        assert_eq!(show(started("0007_a")), "… applying 0007_a");
        assert_eq!(show(started("0008_b")), "… applying 0007_a … 0008_b");
        assert_eq!(show(ran("0007_a")), "[1]");
        assert_eq!(show(ran("0008_b")), "[2]");
        assert_eq!(show(started("0031_c")), "… applying 0031_c");
        assert_eq!(show(committed("0007_a", Some(12))), "  applied 0007_a (12 ms)");
        let (id, delay) = ("0008_b".to_owned(), Duration::from_millis(250));
        let again = show(Event::Retrying { id, attempt: 2, delay, blockers: Vec::new() });
        assert_eq!(again, "  0008_b could not get its locks, attempt 2 in 250 ms | [1]");
        assert_eq!(show(committed("0008_b", None)), "  applied 0008_b");
    }

    #[test]
    fn the_sessions_that_hold_locks_are_named() {
        let shown = |event: Event| match &Progress::new(false, Counts::Migrations).show(&event)[..] {
            [Shown::Line(line), ..] => anstream::adapter::strip_str(line).to_string(),
            other => panic!("it stays on the screen: {other:?}"),
        };
        let holder = Some("pid 7, application `app`".to_owned());
        assert_eq!(shown(Event::LockWaiting { holder }), "waiting for another run to end: pid 7, application `app`");
        assert_eq!(shown(Event::LockWaiting { holder: None }), "waiting for another run to end");
        let retrying = |blockers: &[&str]| {
            let blockers = blockers.iter().map(|&blocker| blocker.to_owned()).collect();
            shown(Event::Retrying { id: "0007_a".to_owned(), attempt: 2, delay: Duration::from_millis(250), blockers })
        };
        assert_eq!(
            retrying(&["pid 7", "pid 8"]),
            "  0007_a could not get its locks, attempt 2 in 250 ms; possibly held by pid 7, pid 8"
        );
    }

    #[test]
    fn a_long_statement_is_cut_and_its_age_is_not() {
        let what = "0007_a, statement 2 of 3: CREATE INDEX CONCURRENTLY books_by_title ON books (title)";
        let line = |seconds: u64, server: Option<&str>, charset| {
            running(what, Some(Duration::from_secs(seconds)), server, 50, charset)
        };
        assert_eq!(line(0, None, Charset::Unicode), "0007_a, statement 2 of 3: CREATE INDEX CONCURRENT…");
        assert_eq!(line(9, None, Charset::Ascii), "0007_a, statement 2 of 3: CREATE INDEX CO... (9 s)");
        let index = ServerProgress::of("building index", 34, Some(100), "blocks");
        let long = line(75, Some(&server(&index)), Charset::Unicode);
        assert_eq!(long, "0007_a, statemen… (1 min 15 s) building index 34 %");
        assert_eq!(server(&ServerProgress::of("copying", 1_234_567, None, "rows")), "copying 1,234,567 rows");
    }
}
