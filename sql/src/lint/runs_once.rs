//! The rule about repeatable scripts that fail when they run again.

use std::collections::HashSet;
use std::ops::Range;

use lockgate_core::{Dialect, StatementKind, companion};

use super::change::{self, Action, Change};
use super::context::Context;
use super::cursor::{self, Cursor, Name};

/// The number of tokens that are read of a statement that only this rule reads.
const TOKENS_MAX: usize = 24;

/// What a script drops, renames, or makes. Names are compared without their kind: two objects of one name are rare, and
/// this rule had better miss something than complain about a script that is right.
#[derive(Default)]
struct Names {
    dropped: HashSet<String>,
    created: HashSet<String>,
}

impl Names {
    fn is_dropped(&self, name: &Name) -> bool {
        self.dropped.contains(&name.key)
    }

    fn is_own(&self, name: &Name) -> bool {
        self.dropped.contains(&name.key) || self.created.contains(&name.key)
    }
}

/// The rule `runs-once`.
pub(super) fn check(cx: &mut Context<'_, '_>) {
    if !companion::is_repeatable(cx.file.id) {
        return;
    }
    let statements = cx.file.statements;
    let tokens: Vec<_> =
        statements.iter().map(|statement| change::tokens_of(cx.file.reads_as, cx.file.text, statement)).collect();
    // Also what has no effect the first time, such as a `DROP … IF EXISTS`.
    let changes: Vec<_> = tokens.iter().map(|tokens| change::read(cx.file.text, tokens)).collect();
    let Some(names) = names(cx, &changes) else { return };
    for at in 0..statements.len() {
        cx.at = at;
        for (range, message, help) in found(cx, &changes, &names) {
            cx.report("runs-once", range, message, help);
        }
    }
}

/// Returns `None` where the script may drop things that this rule does not see.
fn names(cx: &Context<'_, '_>, changes: &[Option<Change<'_>>]) -> Option<Names> {
    let mut names = Names::default();
    for (statement, change) in cx.file.statements.iter().zip(changes) {
        match (statement.kind, change) {
            (StatementKind::Do | StatementKind::Call, _) => return None,
            (
                _,
                Some(Change::Drop { cascade: true, .. } | Change::Drop { what: "schema" | "owned" | "extension", .. }),
            ) => {
                return None;
            }
            (_, Some(Change::Drop { names: dropped, .. })) => {
                names.dropped.extend(dropped.iter().map(|name| name.key.clone()));
            }
            (StatementKind::DropTable | StatementKind::DropIndex | StatementKind::DropOther, None) => {
                names.dropped.extend(role_dropped(cx, &statement.range)?);
            }
            (_, Some(Change::AlterTable { table, actions })) => {
                for (_, action) in actions {
                    if let Action::RenameTable(to) = action {
                        names.dropped.insert(table.key.clone());
                        names.created.insert(to.key.clone());
                    }
                }
            }
            (_, Some(Change::Rename { name, .. })) => {
                names.dropped.insert(name.key.clone());
            }
            (_, Some(Change::CreateTable(table))) => {
                names.created.insert(table.name.key.clone());
            }
            (_, Some(Change::Create { name, .. })) => {
                names.created.insert(name.key.clone());
            }
            (_, Some(Change::CreateIndex(index))) => {
                names.created.extend(index.name.iter().map(|name| name.key.clone()));
            }
            _ => {}
        }
    }
    Some(names)
}

/// The names of the roles, policies or rules that a statement drops, if it is understood.
fn role_dropped(cx: &Context<'_, '_>, range: &Range<usize>) -> Option<Vec<String>> {
    let tokens = cursor::tokens(cx.file.reads_as, cx.file.text, range.clone(), TOKENS_MAX);
    let mut at = Cursor::new(cx.file.text, &tokens);
    at.next();
    if !["role", "user", "group", "policy", "rule"].into_iter().any(|noun| at.take(noun)) {
        return None;
    }
    at.take("if exists");
    Some(at.names().into_iter().map(|name| name.key).collect())
}

type Found = (Range<usize>, String, Vec<String>);

/// What fails in this statement when it runs again.
fn found(cx: &Context<'_, '_>, changes: &[Option<Change<'_>>], names: &Names) -> Vec<Found> {
    let whole = cx.statement();
    let exists = |what: &str, name: &Name| {
        format!("this fails when the script runs again: the {what} `{}` exists then", name.written)
    };
    let drops =
        |what: &str, name: &Name| format!("write `DROP {} IF EXISTS {};` before it", what.to_uppercase(), name.written);
    let in_migration = || "or do it in a migration, which runs once".to_owned();
    let Some(change) = &changes[cx.at] else {
        return role_created(cx, names).into_iter().map(|(message, help)| (whole.clone(), message, help)).collect();
    };
    let one = |message: String, help: Vec<String>| vec![(whole.clone(), message, help)];
    match change {
        Change::CreateTable(table) if !table.tolerant && !table.temporary && !names.is_dropped(&table.name) => {
            one(exists("table", &table.name), vec!["write `CREATE TABLE IF NOT EXISTS`".to_owned(), in_migration()])
        }
        Change::Create { what, name, on, replaces: false, tolerant: false, .. }
            if !names.is_dropped(name) && !on.as_ref().is_some_and(|on| names.is_dropped(on)) =>
        {
            let replaces = match *what {
                "view" | "function" | "procedure" => cx.file.reads_as == Dialect::Postgres,
                _ => false,
            };
            let first = match *what {
                _ if replaces => format!("write `CREATE OR REPLACE {}`", what.to_uppercase()),
                "schema" | "sequence" => format!("write `CREATE {} IF NOT EXISTS`", what.to_uppercase()),
                "trigger" if cx.file.reads_as == Dialect::Postgres => match on {
                    Some(on) => format!("write `DROP TRIGGER IF EXISTS {} ON {};` before it", name.written, on.written),
                    None => drops(what, name),
                },
                _ => drops(what, name),
            };
            one(exists(what, name), vec![first])
        }
        Change::CreateIndex(index) if !index.tolerant && !names.is_dropped(&index.table) => match &index.name {
            Some(name) if !names.is_dropped(name) => {
                one(exists("index", name), vec!["write `IF NOT EXISTS` before its name".to_owned(), in_migration()])
            }
            _ => Vec::new(),
        },
        Change::Drop { what, names: dropped, tolerant: false, .. } => {
            let gone = dropped.iter().find(|name| !names.created.contains(&name.key));
            gone.map_or_else(Vec::new, |name| {
                let message =
                    format!("this fails when the script runs again: the {what} `{}` is gone then", name.written);
                one(message, vec![format!("write `DROP {} IF EXISTS`", what.to_uppercase())])
            })
        }
        Change::AddValue { value, tolerant: false, of } if !names.is_own(of) => {
            let message = format!("this fails when the script runs again: the value {value} exists then");
            one(message, vec!["write `ADD VALUE IF NOT EXISTS`".to_owned(), in_migration()])
        }
        Change::Rename { name, .. } if !names.created.contains(&name.key) => renamed(whole, name, in_migration()),
        Change::RenameSchema { name, .. } => renamed(whole, name, in_migration()),
        Change::AlterTable { table, actions } if !names.is_own(table) => {
            actions.iter().filter_map(|(range, action)| of_action(cx, changes, table, (range, action))).collect()
        }
        Change::AlterTable { table, actions } if !names.created.contains(&table.key) => {
            let rename = actions.iter().find(|(_, action)| matches!(action, Action::RenameTable(_)));
            rename.map_or_else(Vec::new, |(range, _)| renamed(range.clone(), table, in_migration()))
        }
        _ => Vec::new(),
    }
}

fn renamed(range: Range<usize>, name: &Name, in_migration: String) -> Vec<Found> {
    let message = format!("this fails when the script runs again: `{}` has its new name then", name.written);
    vec![(range, message, vec![in_migration.trim_start_matches("or ").to_owned()])]
}

/// What fails in one action of an `ALTER TABLE`.
fn of_action(
    cx: &Context<'_, '_>,
    changes: &[Option<Change<'_>>],
    table: &Name,
    (range, action): (&Range<usize>, &Action<'_>),
) -> Option<Found> {
    let once = "do it in a migration, which runs once".to_owned();
    let others = || {
        changes.iter().flatten().filter_map(|change| match change {
            Change::AlterTable { table: other, actions } if other.key == table.key => Some(actions),
            _ => None,
        })
    };
    let drops_column = |column: &Name| {
        others()
            .flatten()
            .any(|(_, other)| matches!(other, Action::DropColumn { column: gone, .. } if gone.key == column.key))
    };
    let adds_column = |column: &Name| {
        others().flatten().any(|(_, other)| matches!(other, Action::AddColumn(added) if added.name.key == column.key))
    };
    let again = "this fails when the script runs again";
    let (message, help) = match action {
        Action::AddColumn(column) if !column.tolerant && !drops_column(&column.name) => {
            let message = format!("{again}: the column `{}` exists then", column.name.written);
            let tolerant =
                Some("write `ADD COLUMN IF NOT EXISTS`".to_owned()).filter(|_| cx.file.reads_as == Dialect::Postgres);
            (
                message,
                tolerant
                    .into_iter()
                    .map(|first| vec![first, format!("or {once}")])
                    .next()
                    .unwrap_or_else(|| vec![once]),
            )
        }
        Action::DropColumn { column, tolerant: false } if !adds_column(column) => {
            (format!("{again}: the column `{}` is gone then", column.written), vec![once])
        }
        Action::RenameColumn(column) => {
            (format!("{again}: the column `{}` has its new name then", column.written), vec![once])
        }
        Action::AddConstraint(constraint) => {
            let name = constraint.name.as_ref()?;
            let is_dropped = others().flatten().any(|(_, other)| matches!(other, Action::DropConstraint));
            if is_dropped {
                return None;
            }
            (
                format!("{again}: the constraint `{}` exists then", name.written),
                vec![format!(
                    "write `ALTER TABLE {} DROP CONSTRAINT IF EXISTS {};` before it",
                    table.written, name.written
                )],
            )
        }
        _ => return None,
    };
    Some((range.clone(), message, help))
}

/// Roles, extensions and policies, which no other rule reads.
fn role_created(cx: &Context<'_, '_>, names: &Names) -> Option<(String, Vec<String>)> {
    let statement = &cx.file.statements[cx.at];
    if statement.kind != StatementKind::CreateOther {
        return None;
    }
    let tokens = cursor::tokens(cx.file.reads_as, cx.file.text, statement.range.clone(), TOKENS_MAX);
    let mut at = Cursor::new(cx.file.text, &tokens);
    at.next();
    let what = ["role", "user", "group", "extension", "policy"].into_iter().find(|noun| at.take(noun))?;
    if at.take("if not exists") {
        return None;
    }
    let name = at.name()?;
    let on = if what == "policy" && at.take("on") { at.table() } else { None };
    if names.is_dropped(&name) || on.as_ref().is_some_and(|on| names.is_dropped(on)) {
        return None;
    }
    let message = format!("this fails when the script runs again: the {what} `{}` exists then", name.written);
    let help = match (what, on) {
        ("policy", Some(on)) => format!("write `DROP POLICY IF EXISTS {} ON {};` before it", name.written, on.written),
        ("extension", _) => "write `CREATE EXTENSION IF NOT EXISTS`".to_owned(),
        _ if cx.file.reads_as == Dialect::Mysql => format!("write `CREATE {} IF NOT EXISTS`", what.to_uppercase()),
        _ => format!(
            "ask first, in a `DO` block: `IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{}') THEN CREATE ROLE …`",
            name.key
        ),
    };
    Some((message, vec![help]))
}
