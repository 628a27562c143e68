//! PostgreSQL: an enum value that is used in the transaction that adds it, or that is added in a transaction
//! on a server that does not allow that.

use super::change::{self, Action, Change, Column};
use super::context::Context;
use super::cursor::{Cursor, Name, key, tokens};
use crate::LintLevel;
use crate::lexer::Kind;
use lockgate_core::{Dialect, Statement, StatementKind};

/// Returns the statements that add a value to an enum that the same script does not create. Before PostgreSQL 12,
/// the server refuses them inside a transaction.
pub fn added<'a>(text: &str, statements: &'a [Statement]) -> Vec<&'a Statement> {
    let mut made: Vec<String> = Vec::new();
    let mut added = Vec::new();
    for statement in statements {
        if !matches!(statement.kind, StatementKind::CreateType | StatementKind::AlterOther) {
            continue;
        }
        let tokens = change::tokens_of(Dialect::Postgres, text, statement);
        match change::read(text, &tokens) {
            Some(Change::Create { what: "type", name, .. }) => made.push(name.key),
            Some(Change::AddValue { of, .. }) if !made.contains(&of.key) => added.push(statement),
            _ => {}
        }
    }
    added
}

/// The rule `enum-value-used`.
pub(super) fn check(cx: &mut Context<'_, '_>) {
    if !cx.file.is_transactional {
        return;
    }
    for (at, change) in cx.changes.iter().enumerate() {
        let Some(Change::AddValue { of, value, tolerant }) = change else { continue };
        cx.at = at;
        let is_new = is_new_type(cx, at, of);
        // PostgreSQL 17 and the releases before 12 let a script use the values of a type that it creates.
        let is_allowed = cx.input.release.is_some_and(|release| !(12..17).contains(&release.major()));
        if is_new && is_allowed || *tolerant && was_there(cx, of, value) {
            continue;
        }
        if let Some((range, sure)) = used(cx, at, of, value) {
            let shown = &of.written;
            let (message, help) = if is_new {
                let message = format!(
                    "PostgreSQL 12 to 16 refuse `{value}` here: a value that was added to `{shown}` can be used only after the commit"
                );
                (message, format!("list {value} in `CREATE TYPE {shown} AS ENUM (…)` instead of adding it"))
            } else {
                let message = format!(
                    "PostgreSQL refuses `{value}` here: a value that was added to `{shown}` can be used only after the commit"
                );
                let help = format!(
                    "add the value in a migration of its own, before this one: `ALTER TYPE {shown} ADD VALUE {value}`"
                );
                (message, help)
            };
            cx.report("enum-value-used", range, message, vec![help]);
            // The same text may be a value of another type, and the server may be newer.
            if (!sure || is_new && cx.input.release.is_none())
                && let Some(finding) = cx.found.last_mut()
            {
                finding.level = LintLevel::Warn;
            }
        }
    }
}

/// Whether the script itself has created the type before. It may have renamed it since.
fn is_new_type(cx: &Context<'_, '_>, at: usize, of: &Name) -> bool {
    let mut name = of.key.clone();
    for change in cx.changes[..at].iter().rev().flatten() {
        match change {
            Change::Create { what: "type", name: made, .. } if made.key == name => return true,
            Change::Rename { name: from, to, .. } if to.key == name => name.clone_from(&from.key),
            _ => {}
        }
    }
    false
}

/// Whether an earlier script has added the value, so that `IF NOT EXISTS` does nothing.
fn was_there(cx: &Context<'_, '_>, of: &Name, value: &str) -> bool {
    let earlier = cx.input.files[..cx.index].iter().filter(|source| !source.is_down);
    earlier.flat_map(|source| source.statements.iter().map(move |statement| (source, statement))).any(
        |(source, statement)| {
            let is_of_type = matches!(statement.kind, StatementKind::CreateType | StatementKind::AlterOther);
            is_of_type && source.text[statement.range.clone()].contains(value) && {
                let tokens = change::tokens_of(source.reads_as, source.text, statement);
                match change::read(source.text, &tokens) {
                    Some(Change::Create { what: "type", name, .. } | Change::AddValue { of: name, .. }) => {
                        name.key == of.key
                    }
                    _ => false,
                }
            }
        },
    )
}

/// Returns the first place after the statement that uses the value, and whether it is certain that it is a value of
/// this enum.
fn used(cx: &Context<'_, '_>, at: usize, of: &Name, value: &str) -> Option<(std::ops::Range<usize>, bool)> {
    let mut first = None;
    for (index, statement) in cx.file.statements.iter().enumerate().skip(at + 1) {
        let text = &cx.file.text[statement.range.clone()];
        match statement.kind {
            StatementKind::Copy => match copied(cx, index, of, value) {
                Some((range, true)) => return Some((range, true)),
                found => first = first.or(found),
            },
            // It is not known whether the body uses it as a value of this enum.
            StatementKind::Do => {
                let place = text.find(value).map(|place| statement.range.start + place);
                first = first.or(place.map(|place| (place..place + value.len(), false)));
            }
            _ => {}
        }
        let verb = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
        let merges = statement.kind == StatementKind::Other
            && (verb.eq_ignore_ascii_case("merge") || verb.eq_ignore_ascii_case("with"));
        let reads = merges
            || matches!(
                statement.kind,
                StatementKind::Insert
                    | StatementKind::Update
                    | StatementKind::Delete
                    | StatementKind::Select
                    | StatementKind::CreateIndex
                    | StatementKind::CreateView
                    | StatementKind::AlterTable
                    | StatementKind::CreateTable
            );
        if !reads || !cx.file.text[statement.range.clone()].contains(value) {
            continue;
        }
        const TOKENS_MAX: usize = 2_000;
        let tokens = tokens(cx.file.reads_as, cx.file.text, statement.range.clone(), TOKENS_MAX);
        let cursor = Cursor::new(cx.file.text, &tokens);
        let places = (0..tokens.len())
            .filter(|place| tokens[*place].kind == Kind::Text && cursor.shown(tokens[*place]) == value);
        for place in places {
            let range = tokens[place].start..tokens[place].end;
            match cast(cursor, place) {
                Some(to) if to == of.key => return Some((range, true)),
                // A literal that is cast to text or to another enum is not a value of this enum.
                Some(_) => continue,
                None if is_stored(cx, index, cursor, place, of) => return Some((range, true)),
                None if is_of_other_type(cx, index, cursor, place, of) => continue,
                None => first = first.or(Some((range, false))),
            }
        }
    }
    first
}

/// Returns the first place in the data of a `COPY … FROM stdin` that is the value, and whether its column is of this
/// enum. A column of texts does not use the value.
fn copied(cx: &Context<'_, '_>, index: usize, of: &Name, value: &str) -> Option<(std::ops::Range<usize>, bool)> {
    const TOKENS_MAX: usize = 2_000;
    let statement = &cx.file.statements[index];
    let data = statement.data.clone()?;
    let plain = value.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'");
    let tokens = tokens(cx.file.reads_as, cx.file.text, statement.command(), TOKENS_MAX);
    let mut at = Cursor::new(cx.file.text, &tokens);
    at.take("copy");
    let table = at.table()?;
    let columns: Vec<String> = match at.group() {
        Some(group) => group.pieces().into_iter().filter_map(|mut piece| piece.name()).map(|name| name.key).collect(),
        None => cx.columns_of(index, &table),
    };
    let options = at.plain();
    let separator = if options.contains("csv") { ',' } else { '\t' };
    let mut first = None;
    let mut start = data.start;
    for line in cx.file.text[data].split_inclusive('\n') {
        let mut field_start = start;
        for (place, field) in line.trim_end_matches(['\n', '\r']).split(separator).enumerate() {
            let range = field_start..field_start + field.len();
            field_start += field.len() + separator.len_utf8();
            if field.trim_matches('"') != plain {
                continue;
            }
            let kind = columns.get(place).and_then(|column| cx.events.type_of((cx.index, index), &table.key, column));
            match kind {
                Some(kind) if is_of(&kind, of) => return Some((range, true)),
                Some(kind) if is_text(&kind) => {}
                _ => first = first.or(Some((range, false))),
            }
        }
        start += line.len();
    }
    first
}

/// Returns the name, without its schema, of the type that a literal is cast to.
fn cast(cursor: Cursor<'_>, place: usize) -> Option<String> {
    let mut behind = cursor.on(&cursor.tokens[place + 1..]);
    let doubled = |at: &Cursor<'_>| at.is_mark("::") || at.is_mark(":") && at.on(&at.tokens[1..]).is_mark(":");
    if doubled(&behind) {
        while behind.is_mark(":") || behind.is_mark("::") {
            behind.next();
        }
    } else if !behind.take("as") || place < 2 || !cursor.on(&cursor.tokens[place - 2..]).is("cast") {
        return None;
    }
    behind.name().map(|name| name.key)
}

/// Whether the value goes into a column of this enum, or is compared with one.
fn is_stored(cx: &Context<'_, '_>, index: usize, cursor: Cursor<'_>, place: usize, of: &Name) -> bool {
    let tables = named(cursor);
    let is_enum = |column: &str| {
        tables
            .iter()
            .any(|table| cx.events.type_of((cx.index, index), table, column).is_some_and(|kind| is_of(&kind, of)))
    };
    // `DEFAULT 'calm'` for a column that this statement adds or alters.
    match cx.changes[index].as_ref() {
        Some(Change::CreateTable(table)) => {
            return table.columns.iter().any(|column| defaults(column, cursor, place, of));
        }
        Some(Change::AlterTable { actions, .. }) => {
            let added = actions.iter().any(|(_, action)| match action {
                Action::AddColumn(column) => defaults(column, cursor, place, of),
                _ => false,
            });
            return added || before_default(cursor, place).is_some_and(|column| is_enum(&column));
        }
        _ => {}
    }
    compared(cursor, place).is_some_and(|column| is_enum(&column))
        || inserted(cx, index, cursor, place).is_some_and(|column| is_enum(&column))
}

/// Whether the value goes into a column of another type, or is compared with one, as far as every table with such a
/// column is known.
fn is_of_other_type(cx: &Context<'_, '_>, index: usize, cursor: Cursor<'_>, place: usize, of: &Name) -> bool {
    let types = |column: &str, tables: &[String]| -> Vec<String> {
        tables.iter().filter_map(|table| cx.events.type_of((cx.index, index), table, column)).collect()
    };
    let is_other = |column: &str, tables: &[String]| {
        let types = types(column, tables);
        // A type that is not a base type may be a domain over the enum.
        !types.is_empty() && types.iter().all(|kind| !is_of(kind, of) && is_text(kind))
    };
    if let Some(column) = inserted(cx, index, cursor, place) {
        let mut at = cursor;
        at.take("insert into");
        return at.table().is_some_and(|table| is_other(&column, &[table.key]));
    }
    let tables = named(cursor);
    // Of several tables, one whose columns are unknown may have the column.
    tables.len() == 1 && compared(cursor, place).is_some_and(|column| is_other(&column, &tables))
}

/// Whether this is a type for texts, as [`Cursor::plain`] writes it.
fn is_text(kind: &str) -> bool {
    const TEXTS: [&str; 9] = ["text", "varchar", "character", "char", "bpchar", "citext", "json", "jsonb", "name"];
    let word = kind.rsplit("pg_catalog.").next().unwrap_or(kind);
    let end = word.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(word.len());
    TEXTS.contains(&&word[..end])
}

fn is_of(kind: &str, of: &Name) -> bool {
    kind.rsplit('.').next() == Some(of.key.as_str())
}

/// Whether the literal is the whole default of a column of this enum.
fn defaults(column: &Column<'_>, cursor: Cursor<'_>, place: usize, of: &Name) -> bool {
    let literal = cursor.tokens[place].start..cursor.tokens[place].end;
    is_of(&column.kind, of) && column.default.is_some_and(|default| default.range() == literal)
}

/// Returns the column in `ALTER COLUMN name SET DEFAULT 'calm'`.
fn before_default(cursor: Cursor<'_>, place: usize) -> Option<String> {
    let mut here = cursor.on(cursor.tokens.get(place.checked_sub(3)?..place)?);
    let column = here.name()?.key;
    here.take("set default").then_some(column)
}

/// Returns the column that the literal is compared with, or that is set to the literal.
fn compared(cursor: Cursor<'_>, place: usize) -> Option<String> {
    let tokens = cursor.tokens;
    let operator = |at: usize| {
        tokens.get(at).is_some_and(|token| {
            token.kind == Kind::Other && cursor.shown(*token).bytes().all(|byte| b"=<>!".contains(&byte))
        })
    };
    let is_name = |at: usize| tokens.get(at).is_some_and(|token| matches!(token.kind, Kind::Word | Kind::Name));
    let mut before = place.checked_sub(1)?;
    if operator(before) {
        while operator(before) {
            before = before.checked_sub(1)?;
        }
        return is_name(before).then(|| key(cursor.shown(tokens[before])));
    }
    // `column IN ('a', 'b')`
    while matches!(tokens[before].kind, Kind::Text) || cursor.shown(tokens[before]) == "," {
        before = before.checked_sub(1)?;
    }
    if tokens[before].kind != Kind::Open || !cursor.on(&tokens[before.checked_sub(1)?..]).is("in") {
        return None;
    }
    let mut name = before.checked_sub(2)?;
    if cursor.on(&tokens[name..]).is("not") {
        name = name.checked_sub(1)?;
    }
    is_name(name).then(|| key(cursor.shown(tokens[name])))
}

/// Returns the column that an INSERT writes the literal to, by the literal's position in the row.
fn inserted(cx: &Context<'_, '_>, index: usize, cursor: Cursor<'_>, place: usize) -> Option<String> {
    let mut at = cursor;
    if !at.take("insert into") {
        return None;
    }
    let table = at.table()?;
    let columns: Vec<String> = match at.group() {
        Some(group) => group.pieces().into_iter().filter_map(|mut piece| piece.name()).map(|name| name.key).collect(),
        None => cx.columns_of(index, &table),
    };
    let start = cursor.tokens[place].start;
    let rows: Vec<Cursor<'_>> = if at.take("values") {
        at.pieces().into_iter().filter_map(|mut row| row.group()).collect()
    } else if at.take("select") {
        vec![at.before(&["from", "where", "union", "limit", "order"])]
    } else {
        return None;
    };
    rows.into_iter().find_map(|row| {
        let piece = row.pieces().into_iter().position(|piece| piece.range().start == start)?;
        columns.get(piece).cloned()
    })
}

/// Returns the tables that the statement reads or writes.
fn named(mut at: Cursor<'_>) -> Vec<String> {
    const BEFORE: [&str; 7] = ["into", "update", "from", "join", "on", "table", "only"];
    let mut tables = Vec::new();
    while !at.ended() {
        let is_before = at.is_any(&BEFORE);
        at.next();
        if is_before {
            let mut here = at;
            while here.is_any(&["only", "if", "exists"]) {
                here.next();
            }
            tables.extend(here.table().map(|name| name.key));
        }
    }
    tables
}
