//! Which objects a text mentions. Definitions come from the database with every name qualified, so a name that is found
//! is the object. The bodies of functions are texts of their own, whose names may lack the schema.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::key::Key;
use crate::model::{Name, ObjectKind};

/// The names in a text.
#[derive(Debug, Default)]
pub(super) struct Mentioned {
    words: HashSet<String>,
    /// Two names with a dot between them.
    pairs: HashSet<(String, String)>,
}

impl Mentioned {
    /// Reads all names, also those inside quotes: `nextval('app.counter'::regclass)`.
    pub(super) fn of(text: &str) -> Self {
        let mut found = Self::default();
        let mut rest = text;
        let mut before: Option<String> = None;
        while let Some(first) = rest.chars().next() {
            let (name, after) = if first == '"' {
                quoted(&rest[1..])
            } else if first.is_alphabetic() || first == '_' {
                let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
                (rest[..end].to_lowercase(), &rest[end..])
            } else if before.is_some() && is_operator(first) {
                let end = rest.find(|c: char| !is_operator(c)).unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            } else {
                before = None;
                rest = &rest[first.len_utf8()..];
                continue;
            };
            if let Some(schema) = before.take() {
                found.pairs.insert((schema, name.clone()));
            }
            if let Some(after) = after.strip_prefix('.') {
                before = Some(name.clone());
                rest = after;
            } else {
                rest = after;
            }
            found.words.insert(name);
        }
        found
    }

    pub(super) fn has_word(&self, word: &str) -> bool {
        self.words.contains(word)
    }
}

/// The last name of `app."odd.name"`, without its quotes.
pub(super) fn last_name(text: &str) -> String {
    let mut last = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, after) = match rest.strip_prefix('"') {
            Some(inside) => quoted(inside),
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        last = name;
        rest = after.strip_prefix('.').unwrap_or_default();
    }
    last
}

/// Returns the name up to the closing quote, and what follows.
fn quoted(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c != '"' {
            name.push(c);
        } else if text[at + 1..].starts_with('"') {
            name.push('"');
            chars.next();
        } else {
            return (name, &text[at + 1..]);
        }
    }
    (name, "")
}

fn is_operator(c: char) -> bool {
    "+-*/<>=~!@#%^&|`?".contains(c)
}

/// The objects of a schema by their names.
#[derive(Debug, Default)]
pub(super) struct Names {
    qualified: BTreeMap<(String, String), Vec<Key>>,
    bare: BTreeMap<String, Vec<Key>>,
}

impl Names {
    pub(super) fn add(&mut self, key: &Key) {
        let Some(name) = name(key) else { return };
        let Some(schema) = name.schema else { return };
        self.bare.entry(name.name.clone()).or_default().push(key.clone());
        self.qualified.entry((schema, name.name)).or_default().push(key.clone());
    }

    /// The objects whose qualified names are mentioned.
    pub(super) fn of(&self, mentioned: &Mentioned) -> BTreeSet<Key> {
        mentioned.pairs.iter().filter_map(|pair| self.qualified.get(pair)).flatten().cloned().collect()
    }

    pub(super) fn in_texts<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> BTreeSet<Key> {
        texts.into_iter().flat_map(|text| self.of(&Mentioned::of(text))).collect()
    }

    /// The objects that may be meant in the body of a function, with or without their schema.
    pub(super) fn in_body(&self, mentioned: &Mentioned) -> BTreeSet<Key> {
        mentioned.words.iter().filter_map(|word| self.bare.get(word)).flatten().cloned().collect()
    }
}

/// The name by which other texts mention a part; `None` for what none mentions by name.
fn name(key: &Key) -> Option<Name> {
    match key {
        Key::Type(name) | Key::Sequence(name) | Key::Table(name) | Key::View(name) => Some(name.clone()),
        Key::Object(kind, name, None) => {
            Some(Name { schema: name.schema.clone(), name: short(*kind, name).to_owned() })
        }
        Key::Namespace(_)
        | Key::Owned(_)
        | Key::Parent(_)
        | Key::Marks(_)
        | Key::Column(..)
        | Key::Default(..)
        | Key::Constraint(..)
        | Key::Index(..)
        | Key::Object(_, _, Some(_)) => None,
    }
}

/// The name of an object without the types of its arguments or its access method.
pub(super) fn short(kind: ObjectKind, name: &Name) -> &str {
    let end = match kind {
        ObjectKind::Function
        | ObjectKind::Procedure
        | ObjectKind::Aggregate
        | ObjectKind::WindowFunction
        | ObjectKind::Operator => "(",
        ObjectKind::OperatorClass | ObjectKind::OperatorFamily => " USING ",
        _ => return &name.name,
    };
    name.name.split(end).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_name_may_have_dots_in_quotes() {
        for (text, last) in [("app.i", "i"), ("i", "i"), ("app.\"odd.\"\"name\"", "odd.\"name"), ("\"a.b\".c", "c")] {
            assert_eq!(last_name(text), last, "{text}");
        }
    }

    #[test]
    fn names_are_found_with_and_without_quotes() {
        let pair = |schema: &str, name: &str| (schema.to_owned(), name.to_owned());
        let found = Mentioned::of("nextval('app.\"We ird\"'::regclass) + App.f(a.b.c) OPERATOR(app.===) 1.5e3");
        for wanted in [pair("app", "We ird"), pair("app", "f"), pair("a", "b"), pair("b", "c"), pair("app", "===")] {
            assert!(found.pairs.contains(&wanted), "{wanted:?} in {found:?}");
        }
        assert!(found.has_word("nextval") && !found.has_word("We"));
        // The quotes of a body are no part of a name.
        assert!(Mentioned::of("AS $function$SELECT 1 FROM users$function$").has_word("users"));
    }
}
