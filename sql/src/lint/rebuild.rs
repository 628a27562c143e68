//! SQLite: a table is rebuilt (made anew, filled, dropped and renamed) while foreign keys are on. The
//! drop deletes its rows first, and so what refers to them.

use lockgate_core::Dialect;

use super::change::{Action, Change};
use super::cursor::Name;
use super::world::View;
use crate::LintLevel;

/// The rule `rebuild-foreign-keys`.
pub(super) fn check(view: &mut View<'_, '_>) {
    if !view.set.may_be(Dialect::Sqlite) || view.source.foreign_keys_off || !view.source.is_transactional {
        return;
    }
    for (at, change) in view.changes.iter().enumerate() {
        let Some(Change::Drop { what: "table", names, cascade: false, .. }) = change else { continue };
        view.at = at;
        for name in names {
            if !is_made_again(view, name) {
                continue;
            }
            let Some((from, deletes)) = referrer(view, name) else { continue };
            let shown = &name.written;
            let effect = if deletes {
                format!("deletes or empties the rows of `{from}` that refer to it, as its foreign key says")
            } else {
                format!("fails if a row of `{from}` refers to it")
            };
            let message = format!("dropping `{shown}` deletes its rows first, which {effect}");
            let help =
                "write `-- lockgate: foreign-keys off` as the first line: they are checked before the commit instead";
            view.tell("rebuild-foreign-keys", name.range.clone(), message, vec![help.to_owned()]);
            if deletes
                && view.set.names(Dialect::Sqlite)
                && view.set.has_lockfile
                && let Some(finding) = view.found.last_mut()
            {
                finding.level = LintLevel::Deny;
            }
        }
    }
}

/// Whether a table that the script made takes the name.
fn is_made_again(view: &View<'_, '_>, table: &Name) -> bool {
    let made = |name: &Name| {
        view.before().any(|change| matches!(change, Change::CreateTable(made) if made.name.key == name.key))
    };
    view.behind().any(|change| match change {
        Change::AlterTable { table: altered, actions } => {
            let renamed =
                actions.iter().any(|(_, action)| matches!(action, Action::RenameTable(to) if to.key == table.key));
            renamed && made(altered)
        }
        _ => false,
    })
}

/// A table that refers to this one, and whether that deletes or changes its rows: one where it does, if
/// there is any.
fn referrer(view: &View<'_, '_>, table: &Name) -> Option<(String, bool)> {
    let all = view.facts.references((view.index, view.at)).into_iter();
    all.filter(|(from, to, _)| *to == table.key && *from != table.key)
        .map(|(from, _, deletes)| (from, deletes))
        .max_by_key(|(_, deletes)| *deletes)
}
