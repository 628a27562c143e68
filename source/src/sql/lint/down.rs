//! A down script that leaves behind what its up script made.

use super::Source;
use super::change::{self, Action, Change};
use super::cursor::{Name, key};
use super::world::View;
use crate::sql::lexer::{Kind, Lexer};
use std::collections::HashSet;

/// Something that an up script makes.
struct Made {
    what: &'static str,
    name: String,
    /// The table that it goes with.
    on: Option<String>,
    /// The columns of that table with any of which it goes.
    columns: Vec<String>,
}

/// The rule `incomplete-down`.
pub(super) fn check(view: &mut View<'_, '_>, up: &Source<'_>) {
    // Folders of other tools are full of ways down that were never written.
    if view.source.statements.is_empty() && !view.set.has_lockfile {
        return;
    }
    let made = made(up);
    if made.is_empty() {
        return;
    }
    let mentioned = mentioned(view);
    // With a schema goes everything in it, and what an owner has goes with him.
    let all_gone =
        view.changes.iter().flatten().any(|change| matches!(change, Change::Drop { what: "schema" | "owned", .. }));
    let gone: HashSet<&str> = view
        .changes
        .iter()
        .flatten()
        .filter_map(|change| match change {
            Change::Drop { what: "table" | "view", names, .. } => Some(names.iter().map(|name| name.key.as_str())),
            _ => None,
        })
        .flatten()
        .collect();
    let left: Vec<&Made> = made
        .iter()
        .filter(|made| !mentioned.contains(&made.name))
        .filter(|made| made.on.as_ref().is_none_or(|on| !gone.contains(on.as_str())))
        .filter(|made| !drops_column(view, made))
        .collect();
    let Some(first) = left.first().filter(|_| !all_gone) else { return };
    const SHOWN_MAX: usize = 3;
    let mut names: Vec<String> = left.iter().take(SHOWN_MAX).map(|made| shown(made)).collect();
    if left.len() > SHOWN_MAX {
        names.push(format!("{} more", left.len() - SHOWN_MAX));
    }
    let last = names.pop().unwrap_or_default();
    let names = if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) };
    let it = if left.len() == 1 { "it" } else { "them" };
    let file = up.file.rsplit('/').next().unwrap_or(up.file);
    let message = format!("`{file}` makes {names}, and this script does not mention {it}");
    let help = match (first.what, &first.on) {
        ("column", Some(table)) => format!("add `ALTER TABLE {table} DROP COLUMN {}`", first.name),
        ("trigger", Some(table)) => format!("add `DROP TRIGGER {} ON {table}`", first.name),
        (what, _) => format!("add `DROP {} {}`", what.to_uppercase(), first.name),
    };
    let range = view.source.statements.first().map_or(0..0, |statement| statement.range.clone());
    view.tell("incomplete-down", range, message, vec![help]);
}

fn shown(made: &Made) -> String {
    match (made.what, &made.on) {
        ("column", Some(table)) => format!("the column `{}` of `{table}`", made.name),
        (what, _) => format!("the {what} `{}`", made.name),
    }
}

/// Whether the script drops a column with which the thing goes.
fn drops_column(view: &View<'_, '_>, made: &Made) -> bool {
    view.changes.iter().flatten().any(|change| match change {
        Change::AlterTable { table, actions } if made.on.as_ref() == Some(&table.key) => actions
            .iter()
            .any(|(_, action)| matches!(action, Action::DropColumn(column) if made.columns.contains(&column.key))),
        _ => false,
    })
}

/// What there is after the up script that was not there before.
fn made(up: &Source<'_>) -> Vec<Made> {
    let mut made: Vec<Made> = Vec::new();
    let mut dropped: HashSet<String> = HashSet::new();
    let add = |made: &mut Vec<Made>, dropped: &HashSet<String>, what, name: &Name, on: Option<&Name>| {
        // What was there before is changed and not made.
        if !dropped.contains(&name.key) {
            made.push(Made { what, name: name.key.clone(), on: on.map(|on| on.key.clone()), columns: Vec::new() });
        }
    };
    for statement in up.statements {
        let tokens = change::tokens_of(up.reads_as, up.text, statement);
        match change::read(up.text, &tokens) {
            Some(Change::CreateTable(table)) if !table.temporary => {
                add(&mut made, &dropped, "table", &table.name, None)
            }
            Some(Change::Create { what, name, on, replaces: false }) if what != "schema" => {
                add(&mut made, &dropped, what, &name, on.as_ref());
            }
            Some(Change::CreateIndex(index)) => {
                if let Some(name) = &index.name {
                    add(&mut made, &dropped, "index", name, Some(&index.table));
                    if let Some(made) = made.last_mut().filter(|made| made.name == name.key) {
                        made.columns = index.names;
                    }
                }
            }
            Some(Change::Drop { names, .. }) => {
                for name in names {
                    made.retain(|made| made.name != name.key && made.on.as_ref() != Some(&name.key));
                    dropped.insert(name.key);
                }
            }
            Some(Change::AlterTable { table, actions }) => {
                for (_, action) in actions {
                    match action {
                        Action::AddColumn(column) => add(&mut made, &dropped, "column", &column.name, Some(&table)),
                        Action::DropColumn(column) => {
                            made.retain(|made| made.name != column.key || made.on.as_ref() != Some(&table.key));
                            dropped.insert(column.key);
                        }
                        Action::RenameTable(to) => rename(&mut made, &dropped, &table.key, &to.key),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    // What goes with a table that is made is gone with it.
    let tables: HashSet<String> =
        made.iter().filter(|made| made.what == "table").map(|made| made.name.clone()).collect();
    made.retain(|made| made.on.as_ref().is_none_or(|on| !tables.contains(on)));
    made
}

fn rename(made: &mut Vec<Made>, dropped: &HashSet<String>, from: &str, to: &str) {
    for thing in made.iter_mut() {
        if thing.on.as_deref() == Some(from) {
            thing.on = Some(to.to_owned());
        }
        if thing.name == from {
            to.clone_into(&mut thing.name);
        }
    }
    made.retain(|thing| !dropped.contains(&thing.name) && !thing.on.as_ref().is_some_and(|on| dropped.contains(on)));
}

/// Every name in the script, and every word in its texts: a body may drop things too.
fn mentioned(view: &View<'_, '_>) -> HashSet<String> {
    let mut mentioned = HashSet::new();
    let mut lexer = Lexer::new(view.source.reads_as, view.source.text, 0);
    loop {
        let token = lexer.next();
        let text = &view.source.text[token.start..token.end];
        match token.kind {
            Kind::End => return mentioned,
            Kind::Word | Kind::Name => {
                mentioned.insert(key(text));
            }
            Kind::Text => {
                let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
                mentioned.extend(words.map(str::to_lowercase));
            }
            _ => {}
        }
    }
}
