//! Which names have changed: what flags and comments say, and what a person answers. It is never guessed.

use std::io::{BufRead, IsTerminal, Write};

use anstream::eprint;
use lockgate_schema::Schema;
use lockgate_schema::draft::{Named, Rename, Renamed, named, possible_renames};
use lockgate_source::core::audience::shell_word;
use lockgate_source::desired::Was;
use lockgate_source::{Code, Diagnostic};

use crate::failure::Failure;

/// Returns the renames that flags and comments say. A comment about a name that has changed already says nothing any more.
pub(super) fn said(
    flags: &[String],
    comments: &[(Was, Diagnostic)],
    before: &Schema,
    desired: &Schema,
) -> Result<Vec<Rename>, Failure> {
    let mut found = Vec::new();
    for text in flags {
        found.push(Rename::parse(text, before, desired).map_err(|e| Failure::refused(e.to_string()))?);
    }
    for (was, place) in comments {
        if let Some(rename) = of_comment(was, comments, before, desired).map_err(|why| at(place, &why))? {
            found.push(rename);
        }
    }
    // Columns have the name of their table before the change, so they come first.
    found.sort_by_key(|rename| !rename.is_of_part());
    found.dedup();
    Ok(found)
}

fn of_comment(
    was: &Was,
    all: &[(Was, Diagnostic)],
    before: &Schema,
    desired: &Schema,
) -> Result<Option<Rename>, String> {
    let path = |name: &lockgate_schema::Name| -> Vec<String> {
        name.schema.iter().chain([&name.name]).map(|part| part.to_lowercase()).collect()
    };
    let is_meant = |name: &lockgate_schema::Name| path(name).ends_with(&was.table) || was.table.ends_with(&path(name));
    let shown = was.table.join(".");
    let Some(table) = desired.tables.iter().find(|table| is_meant(&table.name)) else {
        return of_other(was, all, before, desired);
    };
    let of = |name: &str, schema: &Option<String>| {
        before.tables.iter().find(|table| table.name.name == name && table.name.schema == *schema)
    };
    let Some(column) = &was.column else {
        if of(&table.name.name, &table.name.schema).is_some() {
            return Ok(None);
        }
        return match of(&was.old, &table.name.schema) {
            Some(old) => Ok(Some(Rename {
                what: Renamed::Table,
                object: old.name.clone(),
                part: None,
                to: table.name.name.clone(),
                schema: None,
            })),
            None => Err(format!("the migrations make neither `{shown}` nor `{}`", was.old)),
        };
    };
    // The table may have another name as well.
    let earlier = all.iter().find(|(other, _)| other.column.is_none() && other.table == was.table);
    let present = of(&table.name.name, &table.name.schema)
        .or_else(|| earlier.and_then(|(earlier, _)| of(&earlier.old, &table.name.schema)));
    let Some(present) = present else { return Ok(None) };
    let has = |name: &str| present.columns.iter().any(|column| column.name == name);
    let new = table.columns.iter().find(|known| known.name.to_lowercase() == column.to_lowercase());
    match new {
        None => Err(format!("`{shown}` has no column `{column}` in the desired schema")),
        Some(new) if has(&new.name) => Ok(None),
        Some(new) if has(&was.old) => {
            let (object, part) = (present.name.clone(), Some(was.old.clone()));
            Ok(Some(Rename { what: Renamed::Column, object, part, to: new.name.clone(), schema: None }))
        }
        Some(_) => Err(format!("`{shown}` has neither a column `{column}` nor `{}`", was.old)),
    }
}

/// The rename of something other than a table or a column.
fn of_other(was: &Was, all: &[(Was, Diagnostic)], before: &Schema, desired: &Schema) -> Result<Option<Rename>, String> {
    let shown = was.table.join(".");
    // A routine has its arguments in its name.
    let bare = |name: &str| name.split('(').next().unwrap_or(name).to_lowercase();
    let is_meant = |known: &Named<'_>, path: &[String]| {
        let own = [known.object.schema.as_deref().unwrap_or_default().to_lowercase(), bare(&known.object.name)];
        own.ends_with(path)
    };
    let found = named(desired).into_iter().filter(|known| is_meant(known, &was.table));
    let found: Vec<Named<'_>> = found.filter(|known| known.part == was.column.as_deref()).collect();
    let new = match &found[..] {
        [new] => *new,
        [] => {
            let part = was.column.as_ref().map_or_else(String::new, |part| format!(".{part}"));
            return Err(format!("the desired schema has no `{shown}{part}`"));
        }
        _ => return Err(format!("`{shown}` can be several things in the desired schema: use `--rename OLD=NEW`")),
    };
    let present = named(before);
    let is_in = |known: &Named<'_>, name: &str, part: Option<&str>| {
        let of_schema = known.object.schema == new.object.schema;
        known.what == new.what && of_schema && bare(&known.object.name) == name.to_lowercase() && known.part == part
    };
    let own = bare(&new.object.name);
    // The type of a value may be renamed as well.
    let earlier = all.iter().find(|(other, _)| other.column.is_none() && other.table == was.table);
    let owners: Vec<&str> = match new.part {
        Some(_) => earlier.iter().map(|(earlier, _)| earlier.old.as_str()).chain([own.as_str()]).collect(),
        None => vec![was.old.as_str()],
    };
    let is_done = match new.part {
        Some(_) => owners.iter().any(|owner| present.iter().any(|known| is_in(known, owner, new.part))),
        None => present.iter().any(|known| is_in(known, &own, None)),
    };
    if is_done {
        return Ok(None);
    }
    let part = new.part.map(|_| was.old.as_str());
    let old: Vec<&Named<'_>> =
        present.iter().filter(|known| owners.iter().any(|owner| is_in(known, owner, part))).collect();
    match &old[..] {
        [old] => Ok(Some(Rename {
            what: old.what,
            object: old.object.clone(),
            part: old.part.map(str::to_owned),
            to: new.part.map_or(own, str::to_owned),
            schema: None,
        })),
        [] => Err(format!("the migrations make neither `{shown}` nor `{}`", was.old)),
        _ => Err(format!("`{}` can be several things: use `--rename OLD=NEW`", was.old)),
    }
}

fn at(place: &Diagnostic, why: &str) -> Failure {
    let place = place.place();
    Failure::refused(format!("{place}: the earlier name is wrong: {why}: correct it, or delete the comment"))
}

/// The comments with their places, for messages.
pub(super) fn placed(found: Vec<Was>, files: impl Fn(usize) -> (String, String)) -> Vec<(Was, Diagnostic)> {
    let place = |was: Was| {
        let (file, text) = files(was.file);
        let place = Diagnostic::error(Code::BadDirective, file, "").at(&text, was.range.clone(), "");
        (was, place)
    };
    found.into_iter().map(place).collect()
}

/// Asks about what may have been renamed, and returns what was. Without a terminal, an open question is an error that says
/// what to type.
pub(super) fn asked(before: &Schema, desired: &Schema, never: bool) -> Result<Vec<Rename>, Failure> {
    if never {
        return Ok(Vec::new());
    }
    let possible = possible_renames(before, desired);
    if possible.is_empty() {
        return Ok(possible);
    }
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Err(open(&possible));
    }
    let mut refused: Vec<&Rename> = Vec::new();
    let mut confirmed = Vec::new();
    for rename in &possible {
        // If the table is another one, so are its columns.
        if refused.iter().any(|other| !other.is_of_part() && other.object == rename.object) {
            continue;
        }
        eprint!("rename {}? [y/N] ", arrow(rename));
        let _ = std::io::stderr().flush();
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        if read.is_ok_and(|length| length == 0) {
            eprint!("\n");
            return Err(open(&possible));
        }
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => confirmed.push(rename.clone()),
            _ => refused.push(rename),
        }
    }
    confirmed.sort_by_key(|rename| !rename.is_of_part());
    Ok(confirmed)
}

/// The error about questions that nobody answers.
fn open(possible: &[Rename]) -> Failure {
    let list: Vec<String> = possible.iter().map(|rename| format!("  {}", arrow(rename))).collect();
    let flags: Vec<String> = possible.iter().map(|rename| format!("--rename {}", shell_word(&short(rename)))).collect();
    Failure::refused(format!(
        "these may have been renamed, and nothing was written:\n{}\nadd `{}` for those that were, and `--no-renames` if \
         none, or no other, was",
        list.join("\n"),
        flags.join(" ")
    ))
}

/// As it is typed, without the schema that is usual.
fn short(rename: &Rename) -> String {
    let text = rename.to_string();
    text.strip_prefix("public.").map_or_else(|| text.clone(), str::to_owned)
}

fn arrow(rename: &Rename) -> String {
    let text = short(rename);
    text.rsplit_once('=').map_or_else(|| text.clone(), |(old, new)| format!("{old} → {new}"))
}
