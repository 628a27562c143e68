//! SQLite: a table is rebuilt (created anew, filled, dropped and renamed) while foreign keys are on. The drop
//! first deletes its rows, and with them the rows that refer to them.

use lockgate_core::Dialect;

use super::change::{Action, Change};
use super::context::Context;
use super::cursor::Name;
use crate::LintLevel;

/// The rule `rebuild-foreign-keys`.
pub(super) fn check(cx: &mut Context<'_, '_>) {
    if !cx.input.may_be(Dialect::Sqlite) || cx.file.foreign_keys_off || !cx.file.is_transactional {
        return;
    }
    for (at, change) in cx.changes.iter().enumerate() {
        let Some(Change::Drop { what: "table", names, cascade: false, .. }) = change else { continue };
        cx.at = at;
        for name in names {
            if !is_made_again(cx, name) {
                continue;
            }
            let Some((from, deletes)) = referrer(cx, name) else { continue };
            let shown = &name.written;
            let effect = if deletes {
                format!("deletes or empties the rows of `{from}` that refer to it, as its foreign key says")
            } else {
                format!("fails if a row of `{from}` refers to it")
            };
            let message = format!("dropping `{shown}` deletes its rows first, which {effect}");
            let help = "write `-- lockgate: foreign-keys off` as the first line: foreign keys are then checked before the commit instead";
            cx.report("rebuild-foreign-keys", name.range.clone(), message, vec![help.to_owned()]);
            if deletes
                && cx.input.names(Dialect::Sqlite)
                && cx.input.has_lockfile
                && let Some(finding) = cx.found.last_mut()
            {
                finding.level = LintLevel::Deny;
            }
        }
    }
}

/// Reports a table that is renamed out of the way of the one that takes its place: SQLite takes the foreign keys of other
/// tables along, and the script drops what they then refer to.
pub(super) fn renamed_away(cx: &mut Context<'_, '_>) {
    if !cx.input.may_be(Dialect::Sqlite) || is_legacy(cx.file.text) {
        return;
    }
    for (at, change) in cx.changes.iter().enumerate() {
        let Some(Change::AlterTable { table, actions }) = change else { continue };
        cx.at = at;
        for (range, action) in actions {
            let Action::RenameTable(to) = action else { continue };
            let makes_again =
                |change: &Change<'_>| matches!(change, Change::CreateTable(made) if made.name.key == table.key);
            let drops = |change: &Change<'_>| match change {
                Change::Drop { what: "table", names, .. } => names.iter().any(|name| name.key == to.key),
                _ => false,
            };
            if !cx.following().any(makes_again) || !cx.following().any(drops) {
                continue;
            }
            let Some((from, _)) = referrer(cx, table) else { continue };
            // A table that is dropped after the rename has no keys, or new ones.
            let drops_it = |change: &Change<'_>| match change {
                Change::Drop { what: "table", names, .. } => names.iter().any(|name| name.key == from),
                _ => false,
            };
            if cx.following().any(drops_it) {
                continue;
            }
            let (old, new) = (&table.written, &to.written);
            let message = format!(
                "SQLite takes the foreign key of `{from}` along: it then refers to `{new}`, which this script drops"
            );
            let help = format!(
                "create the new table under another name, copy the rows into it, drop `{old}`, and rename the new table to \
                 `{old}`, in this order and with `-- lockgate: foreign-keys off` as the first line"
            );
            cx.report("rebuild-foreign-keys", range.clone(), message, vec![help]);
            if cx.input.names(Dialect::Sqlite)
                && cx.input.has_lockfile
                && let Some(finding) = cx.found.last_mut()
            {
                finding.level = LintLevel::Deny;
            }
        }
    }
}

/// Whether the script asks SQLite to leave foreign keys as they are when a table is renamed.
fn is_legacy(text: &str) -> bool {
    text.to_ascii_lowercase().contains("legacy_alter_table")
}

/// Whether a table that the script creates is later renamed to this name.
pub(super) fn is_made_again(cx: &Context<'_, '_>, table: &Name) -> bool {
    let made = |name: &Name| {
        cx.before().any(|change| matches!(change, Change::CreateTable(made) if made.name.key == name.key))
    };
    cx.following().any(|change| match change {
        Change::AlterTable { table: altered, actions } => {
            let renamed =
                actions.iter().any(|(_, action)| matches!(action, Action::RenameTable(to) if to.key == table.key));
            renamed && made(altered)
        }
        _ => false,
    })
}

/// Returns a table that refers to this one, and whether its foreign key deletes or changes its rows.
/// Prefers a table where it does.
pub(super) fn referrer(cx: &Context<'_, '_>, table: &Name) -> Option<(String, bool)> {
    let all = cx.events.references((cx.index, cx.at)).into_iter();
    all.filter(|(from, to, _)| *to == table.key && *from != table.key)
        .map(|(from, _, deletes)| (from, deletes))
        .max_by_key(|(_, deletes)| *deletes)
}
