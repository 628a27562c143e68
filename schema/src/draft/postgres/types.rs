//! Enums, composites, domains, ranges and base types.

use super::change::Change;
use super::meta::{self, Address};
use crate::draft::step::{Hazard, Loss, Statement};
use crate::draft::write::{ident, literal, qualified};
use crate::model::{Attribute, Constraint, Detail, Name, Type, TypeKind};

pub(super) fn address(it: &Type) -> Address {
    let word = match it.kind {
        TypeKind::Domain { .. } => "DOMAIN",
        TypeKind::Enum(_) | TypeKind::Composite(_) | TypeKind::Defined { .. } => "TYPE",
    };
    Address { object: format!("{word} {}", qualified(&it.name)), grant: Some(format!("TYPE {}", qualified(&it.name))) }
}

pub(super) fn create(it: &Type) -> Vec<Statement> {
    let mut found = vec![Statement::new(definition(it))];
    found.extend(meta::create(&address(it), &it.meta));
    match &it.kind {
        TypeKind::Composite(attributes) => {
            for attribute in attributes {
                found.extend(attribute_comment(&it.name, None, attribute));
            }
        }
        TypeKind::Domain { constraints, .. } => {
            // Only an existing domain can get a check that is not validated.
            for constraint in constraints.iter().filter(|constraint| is_not_valid(constraint)) {
                let name = ident(constraint.name.as_deref().unwrap_or_default());
                let sql =
                    format!("ALTER DOMAIN {} ADD CONSTRAINT {name} {}", qualified(&it.name), constraint.definition);
                found.push(Statement::new(sql));
            }
            found.extend(constraints.iter().filter_map(|constraint| constraint_comment(&it.name, None, constraint)));
        }
        TypeKind::Enum(_) | TypeKind::Defined { .. } => {}
    }
    found
}

/// The `CREATE TYPE`.
fn definition(it: &Type) -> String {
    let name = qualified(&it.name);
    match &it.kind {
        TypeKind::Enum(values) => {
            let values: Vec<String> = values.iter().map(|value| literal(value)).collect();
            format!("CREATE TYPE {name} AS ENUM ({})", values.join(", "))
        }
        TypeKind::Composite(attributes) => {
            let attributes: Vec<String> = attributes.iter().map(attribute).collect();
            format!("CREATE TYPE {name} AS ({})", attributes.join(", "))
        }
        TypeKind::Domain { base, not_null, default, collation, constraints } => {
            let mut text = format!("CREATE DOMAIN {name} AS {base}");
            text.extend(collation.iter().map(|collation| format!(" COLLATE {collation}")));
            text.extend(default.iter().map(|default| format!(" DEFAULT {default}")));
            text.push_str(if *not_null { " NOT NULL" } else { "" });
            for constraint in constraints.iter().filter(|constraint| !is_not_valid(constraint)) {
                let name = constraint.name.iter().map(|name| format!(" CONSTRAINT {}", ident(name)));
                text.extend(name.chain([format!(" {}", constraint.definition)]));
            }
            text
        }
        TypeKind::Defined { what: "shell", .. } => format!("CREATE TYPE {name}"),
        TypeKind::Defined { what: "range", details } => {
            let words = [
                ("subtype", "SUBTYPE"),
                ("operator class", "SUBTYPE_OPCLASS"),
                ("collation", "COLLATION"),
                ("canonical", "CANONICAL"),
                ("subtype diff", "SUBTYPE_DIFF"),
                ("multirange", "MULTIRANGE_TYPE_NAME"),
            ];
            format!("CREATE TYPE {name} AS RANGE ({})", named(details, &words))
        }
        TypeKind::Defined { details, .. } => {
            let words = [
                ("input", "INPUT"),
                ("output", "OUTPUT"),
                ("receive", "RECEIVE"),
                ("send", "SEND"),
                ("typmod in", "TYPMOD_IN"),
                ("typmod out", "TYPMOD_OUT"),
                ("analyze", "ANALYZE"),
                ("subscript", "SUBSCRIPT"),
                ("length", "INTERNALLENGTH"),
                ("alignment", "ALIGNMENT"),
                ("storage", "STORAGE"),
                ("category", "CATEGORY"),
                ("preferred", "PREFERRED"),
                ("delimiter", "DELIMITER"),
                ("default", "DEFAULT"),
                ("element", "ELEMENT"),
                ("collatable", "COLLATABLE"),
            ];
            let by_value = details.iter().any(|detail| detail.name == "by value" && detail.value == "true");
            format!("CREATE TYPE {name} ({}{})", named(details, &words), if by_value { ", PASSEDBYVALUE" } else { "" })
        }
    }
}

/// The options of a type by the words of the statement.
fn named(details: &[Detail], words: &[(&str, &str)]) -> String {
    let write = |word: &str, value: &str| match (word, value) {
        ("INTERNALLENGTH", "-1") => "INTERNALLENGTH = VARIABLE".to_owned(),
        ("ALIGNMENT", letter) => {
            let word = [("c", "char"), ("s", "int2"), ("i", "int4"), ("d", "double")];
            format!("ALIGNMENT = {}", word.iter().find(|(l, _)| *l == letter).map_or(letter, |(_, word)| word))
        }
        ("STORAGE", letter) => {
            let word = [("p", "plain"), ("e", "external"), ("m", "main"), ("x", "extended")];
            format!("STORAGE = {}", word.iter().find(|(l, _)| *l == letter).map_or(letter, |(_, word)| word))
        }
        ("CATEGORY" | "DELIMITER" | "DEFAULT", value) => format!("{word} = {}", literal(value)),
        (_, value) => format!("{word} = {value}"),
    };
    let found = words.iter().filter_map(|(name, word)| {
        let detail = details.iter().find(|detail| detail.name == *name)?;
        Some(write(word, &detail.value))
    });
    found.collect::<Vec<_>>().join(", ")
}

fn attribute(it: &Attribute) -> String {
    let collation = it.collation.iter().map(|collation| format!(" COLLATE {collation}"));
    [format!("{} {}", ident(&it.name), it.data_type)].into_iter().chain(collation).collect()
}

fn attribute_comment(of: &Name, before: Option<&Attribute>, it: &Attribute) -> Option<Statement> {
    let object = format!("COLUMN {}.{}", qualified(of), ident(&it.name));
    meta::comment(&object, before.and_then(|before| before.comment.as_deref()), it.comment.as_deref())
}

fn constraint_comment(of: &Name, before: Option<&Constraint>, it: &Constraint) -> Option<Statement> {
    let object = format!("CONSTRAINT {} ON DOMAIN {}", ident(it.name.as_deref()?), qualified(of));
    meta::comment(&object, before.and_then(|before| before.comment.as_deref()), it.comment.as_deref())
}

pub(super) fn drop(it: &Type) -> Statement {
    let word = if matches!(it.kind, TypeKind::Domain { .. }) { "DOMAIN" } else { "TYPE" };
    // A base type and its functions need each other, and go together.
    let cascade = if is_base(it) { " CASCADE" } else { "" };
    Statement::new(format!("DROP {word} {}{cascade}", qualified(&it.name)))
}

/// Whether a type is made of functions, which have it as an argument.
pub(super) fn is_base(it: &Type) -> bool {
    matches!(it.kind, TypeKind::Defined { what: "base", .. })
}

/// Changes a type in place, if that can be done.
pub(super) fn change(before: &Type, after: &Type) -> Change {
    let mut found = match (&before.kind, &after.kind) {
        (TypeKind::Enum(old), TypeKind::Enum(new)) => match added(&after.name, old, new) {
            Some(found) => found,
            None => return Change::Again,
        },
        (TypeKind::Composite(old), TypeKind::Composite(new)) => match attributes(&after.name, old, new) {
            Some(found) => found,
            None => return Change::Again,
        },
        (TypeKind::Domain { .. }, TypeKind::Domain { .. }) => match domain(before, after) {
            Some(found) => found,
            None => return Change::Again,
        },
        (old, new) if old == new => Vec::new(),
        _ => return Change::Again,
    };
    found.extend(meta::change(&address(after), &before.meta, &after.meta));
    Change::Statements(found)
}

/// Adds the new values of an enum, if no other has gone or moved.
fn added(name: &Name, old: &[String], new: &[String]) -> Option<Vec<Statement>> {
    let kept: Vec<&String> = new.iter().filter(|value| old.contains(value)).collect();
    if kept.len() != old.len() || kept.iter().zip(old).any(|(new, old)| *new != old) {
        return None;
    }
    let mut found = Vec::new();
    for (at, value) in new.iter().enumerate().filter(|(_, value)| !old.contains(value)) {
        let place = match at.checked_sub(1).map(|before| &new[before]) {
            Some(before) if new[at..].iter().all(|value| !old.contains(value)) && old.last() == Some(before) => {
                String::new()
            }
            Some(before) => format!(" AFTER {}", literal(before)),
            None => match old.first() {
                Some(first) => format!(" BEFORE {}", literal(first)),
                None => String::new(),
            },
        };
        found.push(Statement::new(format!("ALTER TYPE {} ADD VALUE {}{place}", qualified(name), literal(value))));
    }
    Some(found)
}

/// Changes the attributes of a composite type, if their order allows that.
fn attributes(name: &Name, old: &[Attribute], new: &[Attribute]) -> Option<Vec<Statement>> {
    let find = |list: &[Attribute], name: &str| list.iter().find(|attribute| attribute.name == name).cloned();
    let kept: Vec<&str> = old.iter().map(|a| a.name.as_str()).filter(|name| find(new, name).is_some()).collect();
    if kept.iter().zip(new).any(|(kept, new)| *kept != new.name) {
        return None;
    }
    let mut found = Vec::new();
    let alter = format!("ALTER TYPE {}", qualified(name));
    for gone in old.iter().filter(|attribute| find(new, &attribute.name).is_none()) {
        let sql = format!("{alter} DROP ATTRIBUTE {}", ident(&gone.name));
        found.push(Statement::new(sql).with(Hazard::Loses(Loss::Column)));
    }
    for after in new {
        let before = find(old, &after.name);
        match &before {
            None => found.push(Statement::new(format!("{alter} ADD ATTRIBUTE {}", attribute(after)))),
            Some(before) if before.data_type != after.data_type || before.collation != after.collation => {
                let collation = after.collation.iter().map(|collation| format!(" COLLATE {collation}"));
                let sql = format!("{alter} ALTER ATTRIBUTE {} TYPE {}", ident(&after.name), after.data_type);
                found.push(Statement::new([sql].into_iter().chain(collation).collect::<String>()));
            }
            Some(_) => {}
        }
        found.extend(attribute_comment(name, before.as_ref(), after));
    }
    Some(found)
}

/// Changes a domain, unless its base is another.
fn domain(before: &Type, after: &Type) -> Option<Vec<Statement>> {
    let (
        TypeKind::Domain { base, not_null, default, collation, constraints },
        TypeKind::Domain {
            base: new_base,
            not_null: new_not_null,
            default: new_default,
            collation: new_collation,
            constraints: new_constraints,
        },
    ) = (&before.kind, &after.kind)
    else {
        return None;
    };
    if base != new_base || collation != new_collation {
        return None;
    }
    let alter = format!("ALTER DOMAIN {}", qualified(&after.name));
    let mut found = Vec::new();
    let find = |list: &[Constraint], name: &Option<String>| list.iter().find(|it| it.name == *name).cloned();
    for old in constraints {
        let new = find(new_constraints, &old.name);
        if new.is_none_or(|new| new.definition != old.definition)
            && !is_validated(old, find(new_constraints, &old.name))
        {
            let name = ident(old.name.as_deref().unwrap_or_default());
            found.push(Statement::new(format!("{alter} DROP CONSTRAINT {name}")));
        }
    }
    for new in new_constraints {
        let old = find(constraints, &new.name);
        let name = ident(new.name.as_deref().unwrap_or_default());
        if old.as_ref().is_none_or(|old| old.definition != new.definition) {
            let sql = match &old {
                Some(old) if is_validated(old, Some(new.clone())) => format!("{alter} VALIDATE CONSTRAINT {name}"),
                _ => format!("{alter} ADD CONSTRAINT {name} {}", new.definition),
            };
            found.push(Statement::new(sql).with(Hazard::MayFail("an existing value does not fit".to_owned())));
        }
        found.extend(constraint_comment(&after.name, old.as_ref(), new));
    }
    if default != new_default {
        let what = match new_default {
            Some(default) => format!("SET DEFAULT {default}"),
            None => "DROP DEFAULT".to_owned(),
        };
        found.push(Statement::new(format!("{alter} {what}")));
    }
    if not_null != new_not_null {
        let what = if *new_not_null { "SET" } else { "DROP" };
        let statement = Statement::new(format!("{alter} {what} NOT NULL"));
        found.push(match new_not_null {
            true => statement.with(Hazard::MayFail("a column of this domain contains NULL".to_owned())),
            false => statement,
        });
    }
    Some(found)
}

/// Whether an attribute gets another type, which the server refuses while a column has it.
pub(super) fn retypes(before: &Type, after: &Type) -> bool {
    let (TypeKind::Composite(old), TypeKind::Composite(new)) = (&before.kind, &after.kind) else { return false };
    let is_retyped = |one: &Attribute, other: &Attribute| {
        one.name == other.name && (&one.data_type, &one.collation) != (&other.data_type, &other.collation)
    };
    old.iter().any(|one| new.iter().any(|other| is_retyped(one, other)))
}

/// Whether values must fit what a domain asks for in addition.
pub(super) fn looks_at_values(before: &Type, after: &Type) -> bool {
    let (
        TypeKind::Domain { not_null: had, constraints: old, .. },
        TypeKind::Domain { not_null: has, constraints: new, .. },
    ) = (&before.kind, &after.kind)
    else {
        return false;
    };
    let is_new = |it: &&Constraint| !is_not_valid(it) && !old.iter().any(|one| one.definition == it.definition);
    (*has && !had) || new.iter().find(is_new).is_some()
}

/// Whether a composite type gets more, fewer or other attributes, so that its values cannot be read as text.
pub(super) fn is_reshaped(before: &Type, after: &Type) -> bool {
    let (TypeKind::Composite(old), TypeKind::Composite(new)) = (&before.kind, &after.kind) else { return false };
    old.len() != new.len() || old.iter().zip(new).any(|(one, other)| one.name != other.name)
}

/// The expression that makes a value of the type `data_type` of one that was stored before.
pub(super) fn converted(before: &Type, after: &Type, name: &str, data_type: &str) -> String {
    let (TypeKind::Composite(old), TypeKind::Composite(new)) = (&before.kind, &after.kind) else {
        return format!("{name}::text::{data_type}");
    };
    if !is_reshaped(before, after) {
        return format!("{name}::text::{data_type}");
    }
    let value = |it: &Attribute| match old.iter().any(|other| other.name == it.name) {
        true => format!("({name}).{}::text::{}", ident(&it.name), it.data_type),
        false => "NULL".to_owned(),
    };
    let values: Vec<String> = new.iter().map(value).collect();
    // A row of nothing but NULL is NULL too, but not as text.
    format!("CASE WHEN {name}::text IS NOT NULL THEN ROW({})::{data_type} END", values.join(", "))
}

/// Whether an attribute goes with its values.
pub(super) fn loses_attributes(before: &Type, after: &Type) -> bool {
    let (TypeKind::Composite(old), TypeKind::Composite(new)) = (&before.kind, &after.kind) else { return false };
    old.iter().any(|one| !new.iter().any(|other| other.name == one.name))
}

/// Adds the checks of a domain again, so that they look at the values that they have passed before.
pub(super) fn check_again(it: &Type) -> Vec<Statement> {
    let TypeKind::Domain { constraints, .. } = &it.kind else { return Vec::new() };
    let alter = format!("ALTER DOMAIN {}", qualified(&it.name));
    let mut found = Vec::new();
    for constraint in constraints.iter().filter(|constraint| !is_not_valid(constraint)) {
        let Some(name) = &constraint.name else { continue };
        let new = ident(&format!("{name}_again"));
        let add = Statement::new(format!("{alter} ADD CONSTRAINT {new} {}", constraint.definition));
        found.push(add.with(Hazard::MayFail("an existing value does not fit".to_owned())));
        found.push(Statement::new(format!("{alter} DROP CONSTRAINT {}", ident(name))));
        found.push(Statement::new(format!("{alter} RENAME CONSTRAINT {new} TO {}", ident(name))));
        found.extend(constraint_comment(&it.name, None, constraint));
    }
    found
}

/// Whether the only difference is that the new one is validated.
fn is_validated(old: &Constraint, new: Option<Constraint>) -> bool {
    new.is_some_and(|new| old.definition.strip_suffix(" NOT VALID") == Some(&new.definition))
}

fn is_not_valid(it: &Constraint) -> bool {
    it.definition.ends_with(" NOT VALID")
}
