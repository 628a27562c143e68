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
