//! The names that PostgreSQL gives to constraints that a script does not name.

use std::collections::HashSet;

use super::change::{Action, Change, Column, Constraint, ConstraintKind};
use super::context::Context;
use super::cursor::{Cursor, Name, Written, key};
use super::schema_events::SchemaEvent;
use crate::lexer::Kind;

/// Returns the name of a constraint that the statement adds, or one that the table does not have yet.
pub(super) fn free(cx: &Context<'_, '_>, table: &Name, constraint: &Constraint<'_>) -> Written {
    let mut before = Vec::new();
    cx.earlier(&table.key, |event, of| -> Option<()> {
        match event {
            SchemaEvent::ConstraintNamed { table, name, is_chosen } if table == of => {
                before.push((name.clone(), *is_chosen));
            }
            SchemaEvent::TableCreated { table, .. } if table == of => return Some(()),
            _ => {}
        }
        None
    });
    // Events come latest first.
    before.reverse();
    if let Some(Change::AlterTable { actions, .. }) = &cx.changes[cx.at] {
        for (_, action) in actions {
            match action {
                Action::AddConstraint(other) if other.start() < constraint.start() => {
                    before.push((usual(table, other), other.name.is_some()));
                }
                Action::AddColumn(column) => before.extend(of_column(table, column)),
                _ => {}
            }
        }
    }
    let mut taken = HashSet::new();
    for (name, is_chosen) in before {
        let name = if is_chosen { name } else { unused(&taken, &name) };
        taken.insert(key(name.last()));
    }
    let name = usual(table, constraint);
    if constraint.name.is_some() { name } else { unused(&taken, &name) }
}

/// Returns this name, with a number if it is taken.
fn unused(taken: &HashSet<String>, name: &Written) -> Written {
    let mut free = name.clone();
    let mut number = 0;
    while taken.contains(&key(free.last())) {
        number += 1;
        free = name.numbered(number);
    }
    free
}

/// Returns the name of a constraint, or the one that the server chooses if it is not taken.
pub(super) fn usual(table: &Name, constraint: &Constraint<'_>) -> Written {
    if let Some(name) = &constraint.name {
        return name.written.clone();
    }
    let suffix = match constraint.kind {
        ConstraintKind::Check => "check",
        ConstraintKind::ForeignKey => "fkey",
        ConstraintKind::Unique => "key",
        ConstraintKind::PrimaryKey => return Written::joined(&[table.written.last(), "pkey"]),
        ConstraintKind::Exclude => "excl",
        ConstraintKind::NotNull => "not_null",
    };
    let mut columns = match constraint.kind {
        ConstraintKind::ForeignKey | ConstraintKind::Unique => {
            constraint.rest.seek_group().map_or_else(Vec::new, |group| group.pieces())
        }
        ConstraintKind::NotNull => vec![constraint.rest],
        ConstraintKind::Check => only_column(constraint.rest).into_iter().collect(),
        ConstraintKind::PrimaryKey | ConstraintKind::Exclude => Vec::new(),
    };
    let columns: Vec<Name> = columns.iter_mut().filter_map(Cursor::name).collect();
    let parts: Vec<&str> = columns.iter().map(|column| column.written.last()).collect();
    Written::joined(&[&[table.written.last()][..], &parts, &[suffix]].concat())
}

/// Returns the names of the constraints in the definition of a column, and whether the script has chosen them.
pub(super) fn of_column(table: &Name, column: &Column<'_>) -> Vec<(Written, bool)> {
    const SUFFIXES: [(&str, &str); 4] =
        [("check", "check"), ("unique", "key"), ("references", "fkey"), ("primary key", "pkey")];
    let mut names = Vec::new();
    let mut chosen = None;
    let mut at = column.rest;
    while !at.ended() {
        if at.take("constraint") {
            chosen = at.name();
        } else if let Some((_, suffix)) = SUFFIXES.into_iter().find(|(words, _)| at.take(words)) {
            let (table, column) = (table.written.last(), column.name.written.last());
            let parts: &[&str] = if suffix == "pkey" { &[table, suffix] } else { &[table, column, suffix] };
            let name = chosen.take().map(|name| name.written);
            let is_chosen = name.is_some();
            names.push((name.unwrap_or_else(|| Written::joined(parts)), is_chosen));
        } else if at.group().is_none() {
            at.next();
        }
    }
    names
}

/// Words in an expression that name no column.
const LANGUAGE: [&str; 36] = [
    "all",
    "and",
    "any",
    "array",
    "at",
    "between",
    "case",
    "cast",
    "collate",
    "distinct",
    "else",
    "end",
    "escape",
    "false",
    "from",
    "ilike",
    "in",
    "interval",
    "is",
    "isnull",
    "like",
    "not",
    "notnull",
    "null",
    "or",
    "overlaps",
    "row",
    "similar",
    "some",
    "symmetric",
    "then",
    "time",
    "to",
    "true",
    "when",
    "zone",
];

/// Returns the column in a `CHECK`, if it names a single one.
fn only_column(rest: Cursor<'_>) -> Option<Cursor<'_>> {
    let inner = rest.seek_group()?;
    let mut found: Option<(String, Cursor<'_>)> = None;
    for (place, token) in inner.tokens.iter().enumerate() {
        let shown = inner.shown(*token);
        let is_name = match token.kind {
            Kind::Word => !LANGUAGE.contains(&shown.to_lowercase().as_str()),
            Kind::Name => true,
            _ => false,
        };
        let is_called = inner.tokens.get(place + 1).is_some_and(|next| next.kind == Kind::Open);
        let before = |back: usize| place.checked_sub(back).map_or("", |at| inner.shown(inner.tokens[at]));
        let is_type = before(1) == ":" || before(1) == "::" || before(1).eq_ignore_ascii_case("as");
        // The type of a literal: `date '2020-01-01'`.
        let is_prefix = inner.tokens.get(place + 1).is_some_and(|next| next.kind == Kind::Text);
        let is_collation = before(1).eq_ignore_ascii_case("collate");
        if !is_name || is_called || is_type || is_prefix || is_collation {
            continue;
        }
        let name = key(shown);
        match &found {
            Some((known, _)) if *known != name => return None,
            Some(_) => {}
            None => found = Some((name, inner.on(&inner.tokens[place..=place]))),
        }
    }
    found.map(|(_, column)| column)
}
