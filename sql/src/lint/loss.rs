//! Statements that remove data or names that running programs use: dropped and renamed columns and tables,
//! emptied tables, and rows that a down script deletes.

use std::ops::Range;

use lockgate_core::{Dialect, StatementKind};

use super::change::{Action, Change};
use super::context::Context;
use super::cursor::{self, Name, key};
use super::rebuild;
use crate::lexer::Kind;

/// The rules `drop-cascade`, `drop-column`, `drop-table`, `empty-table`, `rename` and `lossy-down`.
pub(super) fn check(cx: &mut Context<'_, '_>, change: &Change<'_>) {
    match change {
        Change::Drop { what: "table", names, .. } => {
            for name in names {
                if cx.file.is_down {
                    lossy(cx, name.range.clone(), &format!("the rows of `{}`", name.written));
                } else if !cx.is_new(name) && !is_swapped(cx, name) && !is_refilled(cx, name) {
                    let also = referring_rows(cx, name);
                    if !is_copied(cx, name) {
                        drop_table(cx, name, also);
                    } else if let Some(also) = also.filter(|_| !rebuild::is_made_again(cx, name)) {
                        drop_referring(cx, name, also);
                    }
                }
            }
        }
        Change::Drop { what, names, cascade, .. } if (*cascade || *what == "owned") && CASCADING.contains(what) => {
            for name in names {
                let shown = format!("{} `{}`", if *what == "owned" { "role" } else { what }, name.written);
                if cx.file.is_down {
                    lossy(cx, name.range.clone(), &format!("everything that depends on the {shown}"));
                } else if !cx.is_new_other(what, name) {
                    drop_cascade(cx, what, name, &shown, *cascade);
                }
            }
        }
        Change::Empty { verb, tables, cascade } => {
            for table in tables {
                if cx.file.is_down {
                    lossy(cx, table.range.clone(), &format!("the rows of `{}`", table.written));
                } else if !cx.is_new(table) && !is_copied(cx, table) && !is_dropped(cx, table) {
                    empty_table(cx, verb, table, *cascade);
                }
            }
        }
        Change::AlterTable { table, actions } => {
            for (range, action) in actions {
                match action {
                    Action::DropColumn { column, .. } if cx.file.is_down => {
                        let what = format!("what is in `{}` of `{}`", column.written, table.written);
                        lossy(cx, range.clone(), &what);
                    }
                    Action::DropColumn { column, .. } if !cx.is_new_column(table, column) => {
                        drop_column(cx, table, column, range.clone());
                    }
                    Action::RenameColumn(column) if !cx.file.is_down && !cx.is_new_column(table, column) => {
                        let what = format!("the column `{}` of `{}`", column.written, table.written);
                        let help = "add a column with the new name, write both for one release, and drop the old one in the next";
                        rename(cx, range.clone(), &what, help);
                    }
                    Action::RenameTable(to) if !cx.file.is_down && !cx.is_new(table) && !is_made_again(cx, table) => {
                        let what = format!("the table `{}`", table.written);
                        let can = match is_sqlite(cx) {
                            true => "read (to write, they need `INSTEAD OF` triggers on it)",
                            false => "read and write",
                        };
                        let help = format!(
                            "create a view with the old name in the same script, which those programs can {can}, and \
                             drop it in the next release: `CREATE VIEW {} AS SELECT * FROM {}`",
                            table.written,
                            table.written.beside(&to.written)
                        );
                        rename(cx, range.clone(), &what, &help);
                    }
                    Action::SetSchema(to) if !cx.file.is_down && !cx.is_new(table) && !is_made_again(cx, table) => {
                        let what = format!("the table `{}`", table.written);
                        let help = format!(
                            "create a view in the old schema in the same script, which those programs can read and write, \
                             and drop it in the next release: `CREATE VIEW {} AS SELECT * FROM {}`",
                            table.written,
                            to.written.within(&table.written)
                        );
                        rename(cx, range.clone(), &what, &help);
                    }
                    _ => {}
                }
            }
        }
        Change::RenameSchema { name, to } if !cx.file.is_down && !cx.is_new_other("schema", name) => {
            let is_made_again = cx.following().any(
                |change| matches!(change, Change::Create { what: "schema", name: made, .. } if made.key == name.key),
            );
            if !is_made_again {
                let (old, new) = (&name.written, &to.written);
                let help = format!(
                    "create the schema again in the same script, with a view of each table that those programs use, and drop \
                     it in the next release: `CREATE SCHEMA {old}`, `CREATE VIEW {old}.… AS SELECT * FROM {new}.…`"
                );
                rename(cx, cx.statement(), &format!("the schema `{old}`"), &help);
            }
        }
        Change::Rename { what, name, to } if !cx.file.is_down => rename_other(cx, what, name, to),
        Change::RenameViewColumn { of, column } if !cx.file.is_down && !cx.is_new(of) => {
            let what = format!("the column `{}` of `{}`", column.written, of.written);
            let help = format!(
                "add a column with the new name at the end of the view, and drop the old one one release later: `CREATE OR \
                 REPLACE VIEW {} AS …`",
                of.written
            );
            rename(cx, cx.statement(), &what, &help);
        }
        Change::RenameValue { of, value } if !cx.file.is_down && !cx.is_new_other("type", of) => {
            let what = format!("the value {value} of `{}`", of.written);
            let help = "add a value with the new name, write it from the next release on, and change the rows with the old one \
                        after that";
            rename(cx, cx.statement(), &what, help);
        }
        _ => {}
    }
}

/// Reports the rename of a view or function, which programs know by name.
fn rename_other(cx: &mut Context<'_, '_>, what: &str, name: &Name, to: &Name) {
    let (old, new) = (&name.written, name.written.beside(&to.written));
    let (is_new, help) = match what {
        "view" | "materialized view" => (
            cx.is_new(name),
            format!(
                "create a view with the old name in the same script, and drop it in the next release: `CREATE VIEW {old} AS \
                 SELECT * FROM {new}`"
            ),
        ),
        "function" | "procedure" | "routine" | "aggregate" => (
            cx.is_new_other("function", name) || cx.is_new_other("procedure", name),
            format!(
                "create a {what} with the old name in the same script that calls `{new}`, and drop it in the next release"
            ),
        ),
        _ => return,
    };
    let is_taken_over = cx.following().any(|change| match change {
        Change::Create { name: made, .. } | Change::Rename { to: made, .. } => made.key == name.key,
        Change::CreateTable(made) => made.name.key == name.key,
        _ => false,
    });
    if !is_new && !is_taken_over {
        rename(cx, cx.statement(), &format!("the {what} `{old}`"), &help);
    }
}

/// SQLite deletes the rows of a dropped table first. Returns what that does to the rows that refer to them, unless the
/// script also drops their table.
fn referring_rows(cx: &Context<'_, '_>, table: &Name) -> Option<String> {
    if !cx.input.names(Dialect::Sqlite) || cx.file.foreign_keys_off {
        return None;
    }
    let (from, _) = rebuild::referrer(cx, table).filter(|(_, deletes)| *deletes)?;
    let is_dropped = cx.changes.iter().flatten().any(|change| match change {
        Change::Drop { what: "table", names, .. } => names.iter().any(|name| name.key == from),
        _ => false,
    });
    (!is_dropped).then(|| {
        format!("SQLite deletes its rows first, which deletes or empties the rows of `{from}` that refer to it, as its foreign key says")
    })
}

/// Reports a table whose rows are copied, but not those that refer to them.
fn drop_referring(cx: &mut Context<'_, '_>, name: &Name, also: String) {
    let message = format!("dropping `{}` loses rows of another table for good: {also}", name.written);
    let help = "write `-- lockgate: foreign-keys off` as the first line, or save those rows first".to_owned();
    cx.report("drop-table", name.range.clone(), message, vec![help]);
}

/// The kinds of objects for which CASCADE drops tables or columns that no statement names.
const CASCADING: [&str; 5] = ["domain", "extension", "owned", "schema", "type"];

/// Whether the script also drops the table later, which is reported there.
fn is_dropped(cx: &Context<'_, '_>, table: &Name) -> bool {
    let mut behind = cx.following();
    behind.any(|change| matches!(change, Change::Drop { what: "table", names, .. } if names.iter().any(|name| name.key == table.key)))
}

/// Whether the script has copied the rows to another table before, as in a rebuild. The table may have had another name
/// then.
fn is_copied(cx: &Context<'_, '_>, table: &Name) -> bool {
    names(cx, table).any(|(name, change)| match change {
        Change::Copy { from, .. } => from.contains(&name),
        Change::CreateTable(made) => made.from.contains(&name),
        _ => false,
    })
}

/// Whether the script creates the table again and fills it with a query, so its rows can be computed.
fn is_refilled(cx: &Context<'_, '_>, table: &Name) -> bool {
    let is_made = cx.following().any(|change| match change {
        Change::CreateTable(made) => made.name.key == table.key,
        _ => false,
    });
    is_made
        && cx.following().any(|change| match change {
            Change::CreateTable(made) => made.name.key == table.key && !made.from.is_empty(),
            Change::Copy { to, .. } => to.key == table.key,
            _ => false,
        })
}

/// Whether a table from before this script takes over the name that this table had before the script.
fn is_swapped(cx: &Context<'_, '_>, table: &Name) -> bool {
    let first = names(cx, table).last().map_or_else(|| table.key.clone(), |(name, _)| name);
    let is_made = |name: &str| {
        let mut made = cx.changes.iter().flatten();
        made.any(|change| matches!(change, Change::CreateTable(made) if made.name.key == name))
    };
    cx.changes.iter().flatten().any(|change| match change {
        Change::AlterTable { table: other, actions } => {
            let takes = |action: &Action<'_>| matches!(action, Action::RenameTable(to) if to.key == first);
            other.key != table.key && actions.iter().any(|(_, action)| takes(action)) && !is_made(&other.key)
        }
        _ => false,
    })
}

/// Returns the changes before the statement, the latest first, each with the name that the table had at that time.
fn names<'v>(cx: &'v Context<'_, '_>, table: &Name) -> impl Iterator<Item = (String, &'v Change<'v>)> {
    let mut name = table.key.clone();
    cx.changes[..cx.at].iter().rev().flatten().map(move |change| {
        if let Change::AlterTable { table, actions } = change
            && actions.iter().any(|(_, action)| matches!(action, Action::RenameTable(to) if to.key == name))
        {
            name.clone_from(&table.key);
        }
        (name.clone(), change)
    })
}

/// Whether another table or a view takes over the name, as in a rebuild.
fn is_made_again(cx: &Context<'_, '_>, table: &Name) -> bool {
    cx.following().any(|change| match change {
        Change::CreateTable(made) => made.name.key == table.key,
        Change::Create { what: "view", name, .. } => name.key == table.key,
        Change::AlterTable { actions, .. } => {
            actions.iter().any(|(_, action)| matches!(action, Action::RenameTable(to) if to.key == table.key))
        }
        _ => false,
    })
}

fn drop_table(cx: &mut Context<'_, '_>, name: &Name, also: Option<String>) {
    let shown = &name.written;
    let (message, help) = if is_read_from(cx, name) {
        let message = format!("programs of the previous release that still use `{shown}` fail from the commit on");
        (message, "drop it one release after the last program that uses it")
    } else {
        let message = format!(
            "the rows of `{shown}` are lost for good, and programs of the previous release that still use it fail"
        );
        (message, "drop it one release after the last program that uses it, and once its rows are saved")
    };
    let message = also.map_or_else(|| message.clone(), |also| format!("{message}; {also}"));
    cx.report("drop-table", name.range.clone(), message, vec![help.to_owned()]);
}

fn drop_cascade(cx: &mut Context<'_, '_>, what: &str, name: &Name, shown: &str, cascade: bool) {
    let (goes, way) = match what {
        "schema" => {
            (format!("every table in the {shown}, with its rows"), "drop its tables by name, without `CASCADE`")
        }
        "owned" => (format!("every table of the {shown}, with its rows"), "`REASSIGN OWNED BY … TO …` first"),
        "extension" => {
            let goes = format!("every column of a type that the {shown} brings, with what is in it");
            (goes, "drop or change the columns by name, without `CASCADE`")
        }
        _ => {
            let goes = format!("every column of the {shown}, with what is in it");
            (goes, "drop or change the columns by name, without `CASCADE`")
        }
    };
    let verb = if cascade { "`CASCADE` also drops" } else { "`DROP OWNED` drops" };
    let message = format!("{verb} for good what this script does not name: {goes}");
    let help = format!("{way}: then the script says what is lost, and fails if something was forgotten");
    cx.report("drop-cascade", name.range.clone(), message, vec![help]);
}

fn empty_table(cx: &mut Context<'_, '_>, verb: &str, table: &Name, cascade: bool) {
    let shown = &table.written;
    let also = if cascade { ", and of every table that refers to it," } else { "" };
    let message = match verb {
        "DELETE" => format!("every row of `{shown}` is lost for good: this `DELETE` has no `WHERE`"),
        _ => format!("every row of `{shown}`{also} is lost for good"),
    };
    let help = match verb {
        "DELETE" => "select rows with `WHERE`, or save them in another table first".to_owned(),
        _ => "delete selected rows with `DELETE … WHERE`, or save them in another table first".to_owned(),
    };
    cx.report("empty-table", table.range.clone(), message, vec![help]);
}

fn drop_column(cx: &mut Context<'_, '_>, table: &Name, column: &Name, range: Range<usize>) {
    let is_moved = is_read(cx, table, column);
    let (column, table) = (&column.written, &table.written);
    let message = if is_moved {
        format!("programs of the previous release that still use `{column}` of `{table}` fail from the commit on")
    } else {
        format!(
            "what is in `{column}` of `{table}` is lost for good, and programs of the previous release that still use it fail"
        )
    };
    let mut help = "drop it one release after the last program that uses it".to_owned();
    if !is_sqlite(cx) {
        help += &format!(
            "; until then, new programs can leave it empty: `ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL`"
        );
    }
    cx.report("drop-column", range, message, vec![help]);
}

/// Whether the folder is for SQLite and not for PostgreSQL.
fn is_sqlite(cx: &Context<'_, '_>) -> bool {
    cx.input.names(Dialect::Sqlite) && !cx.input.names(Dialect::Postgres)
}

/// Whether the script has copied the column before: a statement that changes rows names the table, and uses the column
/// other than to set it.
fn is_read(cx: &Context<'_, '_>, table: &Name, column: &Name) -> bool {
    written_before(cx).any(|written| {
        let is_given = |at: usize| {
            let before = at.checked_sub(1).map_or("", |before| &written.0[before]);
            (before == "," || before == "set") && written.0.get(at + 1).is_some_and(|after| after == "=")
        };
        written.places(&table.key).next().is_some() && written.places(&column.key).any(|at| !is_given(at))
    })
}

/// Whether the script has copied the table's rows before: a statement that changes rows reads from it.
fn is_read_from(cx: &Context<'_, '_>, table: &Name) -> bool {
    written_before(cx).any(|written| {
        written.places(&table.key).any(|at| {
            let has_schema = at > 0 && written.0[at - 1] == ".";
            let before = at.checked_sub(if has_schema { 3 } else { 1 }).map_or("", |before| &written.0[before]);
            ["from", "join", "only", "using"].contains(&before)
        })
    })
}

/// The words and marks of a statement, in lower case and without quotes.
struct StatementWords(Vec<String>);

impl StatementWords {
    fn places(&self, name: &str) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().filter(move |(_, word)| *word == name).map(|(at, _)| at)
    }
}

/// Returns the statements before this one that may write rows.
fn written_before(cx: &Context<'_, '_>) -> impl Iterator<Item = StatementWords> {
    const KINDS: [StatementKind; 6] = [
        StatementKind::Insert,
        StatementKind::Update,
        StatementKind::CreateTable,
        StatementKind::Select,
        StatementKind::Do,
        StatementKind::Other,
    ];
    const READ_MAX: usize = 4096;
    let (source, text) = (cx.file, cx.file.text);
    source.statements[..cx.at].iter().filter(|statement| KINDS.contains(&statement.kind)).map(move |statement| {
        let tokens = cursor::tokens(source.reads_as, text, statement.range.clone(), READ_MAX);
        let words = tokens.iter().flat_map(|token| {
            let written = &text[token.start..token.end];
            match token.kind {
                // The lexer reads the body of a DO as a string.
                Kind::Text if statement.kind == StatementKind::Do => {
                    let words = written.split(|c: char| !c.is_alphanumeric() && c != '_');
                    words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
                }
                Kind::Text => Vec::new(),
                _ => vec![key(written)],
            }
        });
        StatementWords(words.collect())
    })
}

fn rename(cx: &mut Context<'_, '_>, range: Range<usize>, what: &str, help: &str) {
    let message = format!("programs of the previous release fail from the commit on: they know {what} by its old name");
    cx.report("rename", range, message, vec![help.to_owned()]);
}

fn lossy(cx: &mut Context<'_, '_>, range: Range<usize>, what: &str) {
    let message = format!("this down script deletes {what}, and applying the migration again does not bring it back");
    cx.report("lossy-down", range, message, vec!["save it first, for example in a table of its own".to_owned()]);
}
