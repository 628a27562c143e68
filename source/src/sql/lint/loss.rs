//! What takes something away from those who use it: dropped and renamed columns and tables, and the
//! rows that a down script deletes.

use std::ops::Range;

use super::change::{Action, Change};
use super::cursor::Name;
use super::world::View;

/// The rules `drop-column`, `drop-table`, `rename` and `lossy-down`.
pub(super) fn check(view: &mut View<'_, '_>, change: &Change<'_>) {
    match change {
        Change::Drop { what: "table", names, .. } => {
            for name in names {
                if view.source.is_down {
                    lossy(view, name.range.clone(), &format!("the rows of `{}`", view.shown(name)));
                } else if !view.is_new(name) && !is_copied(view, name) {
                    drop_table(view, name);
                }
            }
        }
        Change::Empty { tables, .. } if view.source.is_down => {
            for table in tables {
                lossy(view, table.range.clone(), &format!("the rows of `{}`", view.shown(table)));
            }
        }
        Change::AlterTable { table, actions } => {
            for (range, action) in actions {
                match action {
                    Action::DropColumn(column) if view.source.is_down => {
                        let what = format!("what is in `{}` of `{}`", view.shown(column), view.shown(table));
                        lossy(view, range.clone(), &what);
                    }
                    Action::DropColumn(column) if !view.is_new_column(table, column) => {
                        drop_column(view, table, column, range.clone());
                    }
                    Action::RenameColumn(column) if !view.source.is_down && !view.is_new_column(table, column) => {
                        let what = format!("the column `{}` of `{}`", view.shown(column), view.shown(table));
                        let help = "add a column of the new name, write both for one release, and drop the old one in the next";
                        rename(view, range.clone(), &what, help);
                    }
                    Action::RenameTable(_)
                        if !view.source.is_down && !view.is_new(table) && !is_made_again(view, table) =>
                    {
                        let what = format!("the table `{}`", view.shown(table));
                        let help = format!(
                            "make a view of the old name in the same script, which those programs can read and write, and drop it in \
                             the next release: `CREATE VIEW {} AS SELECT * FROM …`",
                            view.shown(table)
                        );
                        rename(view, range.clone(), &what, &help);
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// Whether the rows went to another table before, as in a rebuild.
fn is_copied(view: &View<'_, '_>, table: &Name) -> bool {
    view.before().any(|change| matches!(change, Change::Copy { from, .. } if from.contains(&table.key)))
}

/// Whether another table takes the name, as in a rebuild.
fn is_made_again(view: &View<'_, '_>, table: &Name) -> bool {
    view.behind().any(|change| match change {
        Change::CreateTable(made) => made.name.key == table.key,
        Change::Create { what: "view", name, .. } => name.key == table.key,
        Change::AlterTable { actions, .. } => {
            actions.iter().any(|(_, action)| matches!(action, Action::RenameTable(to) if to.key == table.key))
        }
        _ => false,
    })
}

fn drop_table(view: &mut View<'_, '_>, name: &Name) {
    let shown = view.shown(name);
    let message =
        format!("the rows of `{shown}` are gone for good, and programs of the release before that still use it fail");
    let help = "drop it one release after the last program that uses it, and when its rows are saved".to_owned();
    view.tell("drop-table", name.range.clone(), message, vec![help]);
}

fn drop_column(view: &mut View<'_, '_>, table: &Name, column: &Name, range: Range<usize>) {
    let (column, table) = (view.shown(column), view.shown(table));
    let message = format!(
        "what is in `{column}` of `{table}` is gone for good, and programs of the release before that still name it fail"
    );
    let help =
        "drop it one release after the last program that names it; until then it may be without `NOT NULL`".to_owned();
    view.tell("drop-column", range, message, vec![help]);
}

fn rename(view: &mut View<'_, '_>, range: Range<usize>, what: &str, help: &str) {
    let message = format!("programs of the release before fail from the commit on: they know {what} by its old name");
    view.tell("rename", range, message, vec![help.to_owned()]);
}

fn lossy(view: &mut View<'_, '_>, range: Range<usize>, what: &str) {
    let message = format!("going down deletes {what}, and going up again does not bring it back");
    view.tell("lossy-down", range, message, vec!["save it first, for example in a table of its own".to_owned()]);
}
