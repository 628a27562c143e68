//! Options in brackets: `SET (fillfactor = 70)` and `OPTIONS (ADD host 'h')`.

use crate::draft::step::{Statement, Step};
use crate::draft::write::{ident, literal};
use crate::model::Detail;

/// `SET (…)` and `RESET (…)` for storage parameters that differ.
pub(super) fn reloptions(alter: &str, before: &[Detail], after: &[Detail]) -> Vec<Statement> {
    let name = |detail: &Detail| detail.name.split('.').map(ident).collect::<Vec<_>>().join(".");
    let set: Vec<String> = after
        .iter()
        .filter(|detail| !before.contains(detail))
        .map(|detail| format!("{} = {}", name(detail), value(&detail.value)))
        .collect();
    let reset: Vec<String> =
        before.iter().filter(|detail| !after.iter().any(|other| other.name == detail.name)).map(name).collect();
    let mut found = Vec::new();
    if !reset.is_empty() {
        found.push(Statement::new(format!("{alter} RESET ({})", reset.join(", "))));
    }
    if !set.is_empty() {
        found.push(Statement::new(format!("{alter} SET ({})", set.join(", "))));
    }
    found
}

/// The value of the option of this name.
pub(super) fn find<'a>(options: &'a [Detail], name: &str) -> Option<&'a str> {
    options.iter().find(|option| option.name == name).map(|option| option.value.as_str())
}

/// A parameter's value, in quotes unless it is a number or a word.
pub(super) fn value(text: &str) -> String {
    let is_plain = !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_')
        && !text.starts_with('.');
    if is_plain { text.to_owned() } else { literal(text) }
}

/// The options of a foreign object: `a 'b', "c" 'd'`.
fn parse(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = text.trim_start_matches([',', ' ']);
    while !rest.is_empty() {
        let quoted = rest.starts_with('"');
        let end = if quoted {
            rest[1..].find('"').map_or(rest.len(), |at| at + 2)
        } else {
            rest.find(' ').unwrap_or(rest.len())
        };
        let (name, after) = rest.split_at(end);
        let Some(start) = after.find('\'') else { break };
        let body = &after[start + 1..];
        let mut at = 0;
        while let Some(quote) = body[at..].find('\'') {
            at += quote;
            if body[at + 1..].starts_with('\'') {
                at += 2;
            } else {
                break;
            }
        }
        found.push((name.to_owned(), body[..at].to_owned()));
        rest = body[(at + 1).min(body.len())..].trim_start_matches([',', ' ']);
    }
    found
}

/// `OPTIONS (ADD …, SET …, DROP …)` for the options that differ.
pub(super) fn foreign(alter: &str, before: &str, after: &str) -> Option<Statement> {
    let (before, after) = (parse(before), parse(after));
    let old = |name: &str| before.iter().find(|(other, _)| other == name);
    let mut words = Vec::new();
    for (name, value) in &after {
        match old(name) {
            None => words.push(format!("ADD {name} '{value}'")),
            Some((_, other)) if other != value => words.push(format!("SET {name} '{value}'")),
            Some(_) => {}
        }
    }
    words.extend(
        before
            .iter()
            .filter(|(name, _)| !after.iter().any(|(other, _)| other == name))
            .map(|(name, _)| format!("DROP {name}")),
    );
    (!words.is_empty()).then(|| Statement::new(format!("{alter} OPTIONS ({})", words.join(", "))))
}

/// A step for a person where a definition has a secret that is not shown.
pub(super) fn secret(what: &str) -> Step {
    Step::Open {
        what: what.to_owned(),
        why: "it has a secret, which is never read: write `ALTER … OPTIONS (ADD …)` with its value".to_owned(),
    }
}

/// Whether a definition has a secret that was left out.
pub(super) fn has_secret(definition: &str) -> bool {
    definition.contains("'***'")
}

/// The same definition without the options whose values are secret.
pub(super) fn without_secrets(definition: &str) -> String {
    let Some((head, list)) = definition.split_once(" OPTIONS (") else { return definition.to_owned() };
    let open: Vec<String> = parse(list.trim_end_matches(')'))
        .into_iter()
        .filter(|(_, value)| value != "***")
        .map(|(name, value)| format!("{name} '{value}'"))
        .collect();
    if open.is_empty() { head.to_owned() } else { format!("{head} OPTIONS ({})", open.join(", ")) }
}
