//! The names that PostgreSQL gives to constraints that a script does not name.

use super::change::{Column, Constraint, ConstraintKind};
use super::cursor::{Cursor, Name, Written, key};
use crate::lexer::Kind;

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
