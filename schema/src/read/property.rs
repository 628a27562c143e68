//! The properties that several kinds of objects and parts share: names, comments, privileges, options of a sequence.

use super::Wrong;
use super::line::{Node, is_flag, name, quoted, value};
use crate::model::{Detail, Meta, Name, Owner, Persistence, Privilege, SequenceOptions};

pub(super) fn nameless(node: &Node<'_>) -> Wrong {
    node.wrong(format!("`{}` has no name that can be read", node.text))
}

/// Refuses the rest of a line.
pub(super) fn is_end(node: &Node<'_>, rest: &str) -> Result<(), Wrong> {
    if rest.is_empty() {
        return Ok(());
    }
    let end = node.start + node.text.len();
    let blanks = rest.len() - rest.trim_start().len();
    Err(Wrong(end - rest.len() + blanks..end, format!("`{}` is not understood here", rest.trim())))
}

pub(super) fn no_lines(node: &Node<'_>) -> Result<(), Wrong> {
    match node.lines {
        Some(_) => Err(node.wrong(format!("`{}` has no lines that begin with `|`", node.text))),
        None => Ok(()),
    }
}

/// Takes a name with its schema.
pub(super) fn qualified<'a>(node: &Node<'_>, text: &'a str) -> Result<(Name, &'a str), Wrong> {
    let (first, rest) = name(text).ok_or_else(|| nameless(node))?;
    match rest.strip_prefix('.') {
        Some(more) => {
            let (second, rest) = name(more).ok_or_else(|| nameless(node))?;
            Ok((Name::qualified(first, second), rest))
        }
        None => Ok((Name::plain(first), rest)),
    }
}

/// Takes the persistence from the end of the line of a table or a sequence.
pub(super) fn persistence(rest: &str) -> (Persistence, &str) {
    let words = [(" UNLOGGED", Persistence::Unlogged), (" TEMPORARY", Persistence::Temporary)];
    let found = words.into_iter().find_map(|(word, it)| Some((it, rest.strip_suffix(word)?)));
    found.unwrap_or((Persistence::Permanent, rest))
}

/// Reads `bigint INCREMENT 2 MINVALUE 0`; without a type, it is that of the column.
pub(super) fn counting(text: &str, of_column: &str) -> SequenceOptions {
    let mut words: Vec<&str> = text.split(' ').collect();
    let cycle = words.pop_if(|last| *last == "CYCLE").is_some();
    let (mut increment, mut min, mut max, mut start, mut cache) = (None, None, None, None, None);
    while let [.., word, number] = &words[..] {
        let Ok(number) = number.parse::<i64>() else { break };
        *(match *word {
            "INCREMENT" => &mut increment,
            "MINVALUE" => &mut min,
            "MAXVALUE" => &mut max,
            "START" => &mut start,
            "CACHE" => &mut cache,
            _ => break,
        }) = Some(number);
        words.truncate(words.len() - 2);
    }
    let data_type = match words.join(" ") {
        own if own.is_empty() => of_column.to_owned(),
        own => own,
    };
    let increment = increment.unwrap_or(1);
    let (usual_min, usual_max) = SequenceOptions::usual_range(&data_type, increment);
    let (min, max) = (min.unwrap_or(usual_min), max.unwrap_or(usual_max));
    let start = start.unwrap_or(if increment < 0 { max } else { min });
    SequenceOptions { data_type, start, increment, min, max, cache: cache.unwrap_or(1), cycle }
}

/// The error for a line that does not belong to this kind of thing.
pub(super) fn unknown(node: &Node<'_>, of: &str) -> Wrong {
    node.wrong(format!("`{}` is not a line of {of} that this release knows", node.text))
}

/// Sets a property that may appear only once.
pub(super) fn once<T>(place: &mut Option<T>, value: T, node: &Node<'_>) -> Result<(), Wrong> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(node.wrong(format!("`{}` appears twice", node.text))),
    }
}

/// Reads the properties that every object has, and those that begin with `with`.
pub(super) struct MetaReader {
    of: &'static str,
    owner: Option<Owner>,
    role: Option<Owner>,
    comment: Option<String>,
    privileges: Vec<Privilege>,
    details: Vec<Detail>,
    /// How many details belong to the kind of object, if a line says so.
    own: Option<usize>,
}

impl MetaReader {
    pub(super) fn new(of: &'static str, owner: Option<Owner>) -> Self {
        Self { of, owner, role: None, comment: None, privileges: Vec::new(), details: Vec::new(), own: None }
    }

    /// Reads a line that must be a property.
    pub(super) fn must(&mut self, node: &Node<'_>) -> Result<(), Wrong> {
        if let Some(detail) = detail(node)? {
            self.details.push(detail);
        } else if let Some(privilege) = privilege(node)? {
            self.privileges.push(privilege);
        } else if let Some(comment) = value(node, "comment")? {
            once(&mut self.comment, comment, node)?;
        } else if let Some(owner) = value(node, "owner")? {
            let (role, rest) = name(&owner).ok_or_else(|| nameless(node))?;
            is_end(node, rest)?;
            once(&mut self.role, Owner::Role(role), node)?;
        } else {
            return Err(unknown(node, self.of));
        }
        Ok(())
    }

    /// Ends the details that belong to the kind of object.
    pub(super) fn own_end_here(&mut self) {
        self.own = Some(self.details.len());
    }

    /// Returns the details of the kind of object, and the others. Both lists are sorted, and the second has the
    /// security labels.
    pub(super) fn end(mut self) -> (Vec<Detail>, Meta) {
        let falls = self.details.windows(2).position(|pair| pair[1] < pair[0]).map(|at| at + 1);
        let of_labels = self.details.iter().rev().take_while(|one| one.name.starts_with("security label")).count();
        let own = self.own.or(falls).unwrap_or(self.details.len() - of_labels);
        let rest = self.details.split_off(own);
        let own = std::mem::replace(&mut self.details, rest);
        (own, self.whole())
    }

    /// Returns everything, for a kind that has no details of its own.
    pub(super) fn whole(self) -> Meta {
        let Self { owner, role, comment, privileges, details, .. } = self;
        Meta { owner: role.or(owner), privileges, comment, details }
    }
}

/// Reads `with fillfactor = 70`.
pub(super) fn detail(node: &Node<'_>) -> Result<Option<Detail>, Wrong> {
    let Some((name, rest)) = node.text.strip_prefix("with ").and_then(word) else { return Ok(None) };
    let value = match (rest, &node.lines) {
        ("", None) => Some(String::new()),
        (":", Some(lines)) => lines.strip_prefix("= ").map(str::to_owned),
        (rest, None) => rest.strip_prefix(" = ").map(str::to_owned),
        (_, Some(_)) => None,
    };
    let value = value.ok_or_else(|| unknown(node, "an object"))?;
    match node.below.first() {
        Some(other) => Err(other.wrong(format!("nothing can be below `{}`", node.text))),
        None => Ok(Some(Detail { name, value })),
    }
}

/// Takes a word before ` = `, ` to ` or the end of its line.
fn word(text: &str) -> Option<(String, &str)> {
    if text.starts_with('"') {
        return quoted(text, '"');
    }
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ' | '.');
    let end = text.find(|c: char| !is_plain(c)).unwrap_or(text.len());
    let end = text[..end].find(" to ").unwrap_or(end);
    let word = text[..end].trim_end();
    (!word.is_empty()).then(|| (word.to_owned(), &text[word.len()..]))
}

/// Reads `grant SELECT to reader with grant option`.
pub(super) fn privilege(node: &Node<'_>) -> Result<Option<Privilege>, Wrong> {
    let Some((privilege, rest)) = node.text.strip_prefix("grant ").and_then(word) else { return Ok(None) };
    let rest = rest.strip_prefix(" to ").ok_or_else(|| unknown(node, "an object"))?;
    let all = rest.strip_prefix("PUBLIC").map(|rest| ("PUBLIC".to_owned(), rest));
    let (grantee, rest) = all.or_else(|| name(rest)).ok_or_else(|| nameless(node))?;
    let (grantable, rest) = match rest.strip_prefix(" with grant option") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    is_end(node, rest)?;
    node.is_all()?;
    Ok(Some(Privilege { grantee, privilege, grantable }))
}

/// Whether a line is a flag of an item.
pub(super) fn flag(node: &Node<'_>, words: &str, is_so: &mut bool) -> Result<bool, Wrong> {
    let found = is_flag(node, words)?;
    *is_so |= found;
    Ok(found)
}
