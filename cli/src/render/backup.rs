//! Formats the answers of the commands for backups.

use anstyle::Style;
use lockgate::__private::{Date, readable_size};
use lockgate_backup::list::{Broken, Listing};
use lockgate_backup::prune::Pruned;
use lockgate_backup::schedule::Change;
use lockgate_backup::{Event, Meta};

use crate::answer::{Aim, Kept};
use crate::duration;

use super::table::{Column, table};
use super::text::Text;
use super::{BAD, BOLD, DIM, GOOD, WAITING, count, paint, progress, remark};

const COLUMNS: [Column; 6] = [
    Column { title: "MADE AT (UTC)", weight: 3, is_number: false },
    Column { title: "OF", weight: 2, is_number: false },
    Column { title: "NEWEST MIGRATION", weight: 3, is_number: false },
    Column { title: "SIZE", weight: 2, is_number: true },
    Column { title: "WHY", weight: 1, is_number: false },
    Column { title: "KEY", weight: 5, is_number: false },
];

/// Formats an answer.
pub(super) fn kept(kept: &Kept, aim: &Aim, width: Option<u16>) -> Text {
    match kept {
        Kept::Created(meta) => out(created(meta)),
        Kept::Listed(listing, database) => listed(listing, database, width),
        Kept::Fetched(fetched) => {
            out(format!("{} `{}` into `{}`", paint(GOOD, "fetched"), fetched.meta.key, fetched.file.display()))
        }
        Kept::Verified(verified) => {
            let compared = if verified.has_compared_schema {
                "the newest migration, the rows and the schema match"
            } else {
                "the newest migration and the rows match"
            };
            out(format!(
                "{} `{}` was restored on {}: {compared}",
                paint(GOOD, "verified:"),
                verified.meta.key,
                verified.on
            ))
        }
        Kept::Pruned(done) => pruned(done),
        Kept::Restored { restored, .. } if restored.is_dry_run => {
            out(format!("`{}` can be restored into `{}`; nothing was changed", restored.meta.key, restored.database))
        }
        Kept::Restored { restored, drops } => {
            let mut text =
                out(format!("{} `{}` from `{}`", paint(GOOD, "restored"), restored.database, restored.meta.key));
            text.notes.extend(restored.ignored.iter().cloned());
            if let Some(old) = &restored.kept {
                text.notes.push(format!("the old database is kept as `{old}`; {} drops it", aim.advise(drops)));
            }
            text
        }
        Kept::OldDropped(names) if names.is_empty() => out("no restore has left anything to drop".to_owned()),
        Kept::OldDropped(names) => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            out(format!("{} {}", paint(GOOD, "dropped"), names.join(", ")))
        }
        Kept::Deployed(deployed) => {
            let mut text = out(progress::report(&deployed.report));
            if let Some(before) = &deployed.before {
                text.out.insert(0, format!("before: {}", created(before)));
            }
            match &deployed.after {
                Some(after) => text.out.push(format!("after: {}", created(after))),
                None => text.notes.push("no migration was pending, so no backup was made".to_owned()),
            }
            text
        }
        Kept::Scheduled { changes, is_dry_run } => scheduled(changes, *is_dry_run),
    }
}

fn out(line: String) -> Text {
    Text { out: vec![line], notes: Vec::new() }
}

fn created(meta: &Meta) -> String {
    format!("{} `{}`, {}", paint(GOOD, "backed up"), meta.key, readable_size(meta.size))
}

fn listed(listing: &Listing, database: &str, width: Option<u16>) -> Text {
    let mut text = Text::default();
    if listing.backups.is_empty() {
        text.out.push(format!("there is no backup of `{database}`"));
    } else {
        let rows: Vec<_> = listing.backups.iter().map(row).collect();
        let head = format!("{} of `{database}`", count(listing.backups.len(), "backup"));
        text.out.push(format!("{}\n\n{}", paint(BOLD, head), table(&COLUMNS, &rows, width)));
    }
    text.notes.extend(listing.broken.iter().map(broken));
    text
}

fn row(meta: &Meta) -> Vec<(String, Style)> {
    let plain = |text: String| (text, Style::new());
    vec![
        plain(moment_of(meta.taken_at)),
        match &meta.stage {
            Some(stage) => plain(stage.clone()),
            None => ("unmarked".to_owned(), WAITING),
        },
        meta.head.clone().map_or_else(|| ("-".to_owned(), DIM), plain),
        plain(readable_size(meta.size)),
        plain(meta.purpose.to_string()),
        plain(meta.key.clone()),
    ]
}

fn broken(broken: &Broken) -> String {
    format!("`{}` is not a backup: {}", broken.key, broken.why)
}

fn pruned(done: &Pruned) -> Text {
    let mut text = Text::default();
    let verb = if done.is_dry_run { "would delete" } else { "deleted" };
    for meta in &done.deleted {
        text.out.push(format!("{} `{}`, {}", paint(BAD, verb), meta.key, readable_size(meta.size)));
    }
    for remains in &done.remains {
        text.out.push(format!("{} `{}`, which was never finished", paint(BAD, verb), remains.key));
    }
    for (meta, why) in &done.kept {
        text.out.push(format!("{} `{}` ({})", paint(GOOD, "kept"), meta.key, why.join(", ")));
    }
    if done.deleted.is_empty() && done.remains.is_empty() {
        text.out.push("nothing to delete".to_owned());
    }
    text.notes.extend(done.left.iter().map(broken));
    text
}

fn scheduled(changes: &[Change], is_dry_run: bool) -> Text {
    let mut text = Text::default();
    for change in changes {
        let (word, shown) = match (&change.before, &change.after) {
            (None, None) => ("not installed in", ""),
            (Some(before), None) => (if is_dry_run { "would remove from" } else { "removed from" }, &**before),
            (Some(before), Some(after)) if before == after => ("in", &**after),
            (Some(_), Some(after)) => (if is_dry_run { "would replace in" } else { "replaced in" }, &**after),
            (None, Some(after)) => (if is_dry_run { "would add to" } else { "added to" }, &**after),
        };
        text.out.push(format!("{} {}\n{}", paint(BOLD, word), paint(BOLD, &change.target), shown.trim_end()));
    }
    if is_dry_run {
        text.notes.push("nothing was changed: add `--write` to do this".to_owned());
    }
    text
}

/// Formats an event for standard error. `None` if only the bar shows it.
pub(crate) fn backup_event(event: &Event, total: Option<u64>) -> Option<String> {
    match event {
        Event::Moved { phase, bytes: moved } => {
            let of = total.map(|total| format!(" of {}", readable_size(total))).unwrap_or_default();
            Some(format!("{phase}: {}{of}", readable_size(*moved)))
        }
        Event::Ended { phase, bytes: 0, elapsed } => Some(format!("{phase}: {}", duration::show(*elapsed))),
        Event::Ended { phase, bytes: moved, elapsed } => {
            let rate = (*moved as f64 / elapsed.as_secs_f64().max(0.001)) as u64;
            Some(format!(
                "{phase}: {} in {}, {} per second",
                readable_size(*moved),
                duration::show(*elapsed),
                readable_size(rate)
            ))
        }
        Event::Noted(note) => Some(remark(note)),
        _ => None,
    }
}

/// Formats seconds since 1970: `2026-11-20 13:24:05`.
fn moment_of(time: u64) -> String {
    let (days, second) = (time / 86_400, time % 86_400);
    let Date { year, month, day } = Date::from_days(i64::try_from(days).unwrap_or_default());
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_by_the_calendar() {
        for (time, shown) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_796_037_370, "2026-11-30 11:16:10"),
            (1_735_689_599, "2024-12-31 23:59:59"),
        ] {
            assert_eq!(moment_of(time), shown);
        }
    }
}
