//! Objects that are fully described by their definitions: routines, triggers, policies, extensions and the rare kinds.

use super::change::Change;
use super::meta::{self, Address};
use super::options;
use super::part::checked_part;
use crate::draft::step::{Hazard, Loss, Statement, Step};
use crate::draft::write::{ident, qualified};
use crate::model::{Detail, Meta, Name, Object, ObjectKind};

/// How statements name an object: `FUNCTION app.f(integer)`, `TRIGGER t ON app.users`.
pub(super) fn address(it: &Object) -> Address {
    let name = &it.name;
    let on = it.on.as_ref().map(qualified).unwrap_or_default();
    let attached = |word: &str| Address::without_privileges(format!("{word} {} ON {on}", ident(&name.name)));
    let plain = |word: &str| Address::without_privileges(format!("{word} {}", qualified(name)));
    // The end of the name is SQL already: the types of arguments, or `USING btree`.
    let with_end = |word: &str, mark: &str| {
        let at = name.name.find(mark).unwrap_or(name.name.len());
        let (short, end) = name.name.split_at(at);
        let short = Name { schema: name.schema.clone(), name: short.to_owned() };
        Address::new(format!("{word} {}{end}", qualified(&short)))
    };
    match it.kind {
        ObjectKind::Function | ObjectKind::WindowFunction => with_end("FUNCTION", "("),
        ObjectKind::Procedure => with_end("PROCEDURE", "("),
        ObjectKind::Aggregate => with_end("ROUTINE", "("),
        ObjectKind::Operator => {
            let schema = name.schema.iter().map(|schema| format!("{}.", ident(schema)));
            Address::without_privileges(
                ["OPERATOR ".to_owned()].into_iter().chain(schema).chain([name.name.clone()]).collect(),
            )
        }
        ObjectKind::OperatorClass => Address::without_privileges(with_end("OPERATOR CLASS", " USING ").object),
        ObjectKind::OperatorFamily => Address::without_privileges(with_end("OPERATOR FAMILY", " USING ").object),
        ObjectKind::Trigger => attached("TRIGGER"),
        ObjectKind::Rule => attached("RULE"),
        ObjectKind::Policy => attached("POLICY"),
        ObjectKind::Extension => plain("EXTENSION"),
        ObjectKind::Collation => plain("COLLATION"),
        ObjectKind::Conversion => plain("CONVERSION"),
        ObjectKind::Language => Address::new(format!("LANGUAGE {}", ident(&name.name))),
        ObjectKind::Cast => Address::without_privileges(format!("CAST {}", name.name)),
        ObjectKind::AccessMethod => plain("ACCESS METHOD"),
        ObjectKind::Transform => Address::without_privileges(format!("TRANSFORM {}", name.name)),
        ObjectKind::TextSearchParser => plain("TEXT SEARCH PARSER"),
        ObjectKind::TextSearchDictionary => plain("TEXT SEARCH DICTIONARY"),
        ObjectKind::TextSearchTemplate => plain("TEXT SEARCH TEMPLATE"),
        ObjectKind::TextSearchConfiguration => plain("TEXT SEARCH CONFIGURATION"),
        ObjectKind::ForeignDataWrapper => Address::new(format!("FOREIGN DATA WRAPPER {}", ident(&name.name))),
        ObjectKind::Server => Address {
            object: format!("SERVER {}", ident(&name.name)),
            grant: Some(format!("FOREIGN SERVER {}", ident(&name.name))),
        },
        ObjectKind::UserMapping => Address::without_privileges(format!("USER MAPPING {}", name.name)),
        ObjectKind::Statistics => plain("STATISTICS"),
        ObjectKind::EventTrigger => plain("EVENT TRIGGER"),
        ObjectKind::Publication => plain("PUBLICATION"),
        ObjectKind::Subscription => plain("SUBSCRIPTION"),
        ObjectKind::DefaultPrivileges => Address::without_privileges(String::new()),
    }
}

fn shown(it: &Object) -> String {
    address(it).object.to_lowercase()
}

pub(super) fn create(it: &Object) -> Vec<Step> {
    if it.kind == ObjectKind::Subscription {
        let why = "its connection is never read: write the statement with it".to_owned();
        return vec![Step::Open { what: format!("{} is new", shown(it)), why }];
    }
    if it.kind == ObjectKind::DefaultPrivileges {
        return steps(meta::default_privileges(&it.name.name, &[], &it.meta.privileges));
    }
    let mut found: Vec<Statement> = definition(it).into_iter().map(Statement::new).collect();
    found.extend(details(it, &[], &it.meta.details));
    found.extend(meta::create(&address(it), &it.meta));
    let mut found = steps(found);
    if options::has_secret(&it.definition) {
        found.push(options::secret(&format!("an option of {}", shown(it))));
    }
    found
}

fn steps(statements: Vec<Statement>) -> Vec<Step> {
    statements.into_iter().map(Step::Statement).collect()
}

/// The definition as statements that the server takes.
fn definition(it: &Object) -> Vec<String> {
    let text = it.definition.trim().trim_end_matches(';');
    match it.kind {
        ObjectKind::TextSearchConfiguration | ObjectKind::OperatorFamily => {
            let mut parts = text.split("; ADD ");
            let first = parts.next().unwrap_or_default().to_owned();
            let alter = format!("ALTER {}", address(it).object);
            [first].into_iter().chain(parts.map(|part| format!("{alter} ADD {part}"))).collect()
        }
        ObjectKind::Operator => {
            let text = operator_option(text, "COMMUTATOR = ");
            vec![operator_option(&text, "NEGATOR = ")]
        }
        ObjectKind::Aggregate => {
            let text = operator_option(text, "SORTOP = ").replace(", ORDERED SET", "");
            let mut text = text.replace("()(", "(*)(").replace("() (", "(*) (");
            for (letter, word) in [("r", "READ_ONLY"), ("s", "SHAREABLE"), ("w", "READ_WRITE")] {
                text = text.replace(&format!("MFINALFUNC_MODIFY = {letter}"), &format!("MFINALFUNC_MODIFY = {word}"));
            }
            // Without the functions of a moving aggregate there is nothing to modify.
            if !text.contains("MSFUNC = ") {
                for word in ["READ_ONLY", "SHAREABLE", "READ_WRITE"] {
                    text = text.replace(&format!(", MFINALFUNC_MODIFY = {word}"), "");
                }
            }
            vec![text]
        }
        ObjectKind::Publication => vec![publication(text)],
        ObjectKind::ForeignDataWrapper | ObjectKind::Server | ObjectKind::UserMapping => {
            vec![options::without_secrets(text)]
        }
        _ => vec![text.to_owned()],
    }
}

/// `app.===(integer,integer)` in an option as `OPERATOR(app.===)`.
fn operator_option(text: &str, option: &str) -> String {
    let Some(at) = text.find(option) else { return text.to_owned() };
    let (before, rest) = text.split_at(at + option.len());
    let Some(open) = rest.find('(') else { return text.to_owned() };
    let Some(close) = rest[open..].find(')') else { return text.to_owned() };
    format!("{before}OPERATOR({}){}", &rest[..open], &rest[open + close + 1..])
}

/// Each table is listed with its children already, and brackets belong around a condition.
fn publication(text: &str) -> String {
    text.replacen(" FOR TABLE ", " FOR TABLE ONLY ", 1).replace(", TABLE ", ", ONLY ")
}

/// What the definition does not have: whether it is enabled, and targets of statistics.
fn details(it: &Object, before: &[Detail], after: &[Detail]) -> Vec<Statement> {
    let mut found = Vec::new();
    let (old, new) = (options::find(before, "enabled"), options::find(after, "enabled"));
    if old != new {
        let state = match new {
            None => "ENABLE",
            Some("false") => "DISABLE",
            Some("replica") => "ENABLE REPLICA",
            Some(_) => "ENABLE ALWAYS",
        };
        let name = ident(&it.name.name);
        let sql = match (&it.on, it.kind) {
            (Some(on), kind) => {
                let word = if kind == ObjectKind::Rule { "RULE" } else { "TRIGGER" };
                Some(format!("ALTER TABLE {} {state} {word} {name}", qualified(on)))
            }
            (None, ObjectKind::EventTrigger) => Some(format!("ALTER EVENT TRIGGER {name} {state}")),
            (None, _) => None,
        };
        found.extend(sql.map(Statement::new));
    }
    let (old, new) = (options::find(before, "statistics"), options::find(after, "statistics"));
    if old != new && it.kind == ObjectKind::Statistics {
        let target = new.unwrap_or("-1");
        found.push(Statement::new(format!("ALTER STATISTICS {} SET STATISTICS {target}", qualified(&it.name))));
    }
    found
}

pub(super) fn drop(it: &Object) -> Vec<Step> {
    match it.kind {
        ObjectKind::DefaultPrivileges => steps(meta::default_privileges(&it.name.name, &it.meta.privileges, &[])),
        ObjectKind::Subscription => {
            let why = "a slot on another server belongs to it: write the statements that end it there".to_owned();
            vec![Step::Open { what: format!("{} is gone", shown(it)), why }]
        }
        ObjectKind::Extension => {
            let statement = Statement::new(format!("DROP {}", address(it).object));
            vec![Step::Statement(statement.with(Hazard::Loses(Loss::Extension)))]
        }
        _ => vec![Step::Statement(Statement::new(format!("DROP {}", address(it).object)))],
    }
}

/// The enabled state alone, which is all that the trigger of a partition has of its own.
pub(super) fn create_state(it: &Object) -> Vec<Step> {
    steps(details(it, &[], &it.meta.details))
}

pub(super) fn drop_state(it: &Object) -> Vec<Step> {
    steps(details(it, &it.meta.details, &[]))
}

/// Changes an object in place, if its kind can be.
pub(super) fn change(before: &Object, after: &Object) -> Change {
    if after.kind == ObjectKind::DefaultPrivileges {
        return Change::Statements(meta::default_privileges(
            &after.name.name,
            &before.meta.privileges,
            &after.meta.privileges,
        ));
    }
    if after.kind == ObjectKind::Subscription && before != after {
        return Change::Open("it belongs to another server too: write the statement yourself".to_owned());
    }
    let mut found = Vec::new();
    if before.definition != after.definition {
        match redefined(before, after) {
            Some(statements) => found.extend(statements),
            None => return Change::Again,
        }
    }
    found.extend(details(after, &before.meta.details, &after.meta.details));
    let labels = |meta: &Meta| Meta {
        details: meta.details.iter().filter(|detail| detail.name.starts_with("security label")).cloned().collect(),
        ..meta.clone()
    };
    found.extend(meta::change(&address(after), &labels(&before.meta), &labels(&after.meta)));
    Change::Statements(found)
}

/// The statements for another definition in place.
fn redefined(before: &Object, after: &Object) -> Option<Vec<Statement>> {
    let one = |sql: String| Some(vec![Statement::new(sql)]);
    let object = address(after).object;
    match after.kind {
        ObjectKind::Function | ObjectKind::Procedure | ObjectKind::WindowFunction => {
            (head(before) == head(after)).then(|| vec![Statement::new(after.definition.trim_end_matches(';'))])
        }
        ObjectKind::Rule => one(definition(after).join("; ").replacen("CREATE RULE", "CREATE OR REPLACE RULE", 1)),
        ObjectKind::Extension => extension(before, after),
        ObjectKind::Server | ObjectKind::ForeignDataWrapper | ObjectKind::UserMapping => {
            let split = |it: &Object| -> (String, String) {
                let (head, list) = it.definition.split_once(" OPTIONS (").unwrap_or((&it.definition, ""));
                (head.to_owned(), list.trim_end_matches(')').to_owned())
            };
            let ((old_head, old), (new_head, new)) = (split(before), split(after));
            let secret = options::has_secret(&before.definition) || options::has_secret(&after.definition);
            if old_head != new_head || secret {
                return None;
            }
            Some(options::foreign(&format!("ALTER {object}"), &old, &new).into_iter().collect())
        }
        ObjectKind::TextSearchDictionary => {
            let parse = |it: &Object| -> (String, Vec<(String, String)>) {
                let body = it.definition.split_once(" (TEMPLATE = ").map_or("", |(_, body)| body).trim_end_matches(')');
                let mut parts = body.split(", ");
                let template = parts.next().unwrap_or_default().to_owned();
                let pairs = parts.filter_map(|part| part.split_once(" = "));
                (template, pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
            };
            let ((old_template, old), (new_template, new)) = (parse(before), parse(after));
            if old_template != new_template {
                return None;
            }
            let gone = old.iter().filter(|(name, _)| !new.iter().any(|(other, _)| other == name));
            let mut words: Vec<String> = gone.map(|(name, _)| name.clone()).collect();
            words
                .extend(new.iter().filter(|pair| !old.contains(pair)).map(|(name, value)| format!("{name} = {value}")));
            one(format!("ALTER {object} ({})", words.join(", ")))
        }
        ObjectKind::TextSearchConfiguration => {
            let parse = |it: &Object| -> (String, Vec<(String, String)>) {
                let mut parts = it.definition.split("; ADD MAPPING FOR ");
                let head = parts.next().unwrap_or_default().to_owned();
                let pairs = parts.filter_map(|part| part.split_once(" WITH "));
                (head, pairs.map(|(token, list)| (token.to_owned(), list.to_owned())).collect())
            };
            let ((old_head, old), (new_head, new)) = (parse(before), parse(after));
            if old_head != new_head {
                return None;
            }
            let mut found = Vec::new();
            for (token, _) in old.iter().filter(|pair| !new.contains(pair)) {
                found.push(Statement::new(format!("ALTER {object} DROP MAPPING FOR {token}")));
            }
            for (token, list) in new.iter().filter(|pair| !old.contains(pair)) {
                found.push(Statement::new(format!("ALTER {object} ADD MAPPING FOR {token} WITH {list}")));
            }
            Some(found)
        }
        ObjectKind::Publication => {
            let split = |text: &str| text.rsplit_once(" WITH (").map(|(a, b)| (a.to_owned(), b.to_owned()));
            let ((old_list, old_with), (new_list, new_with)) =
                (split(&publication(&before.definition))?, split(&publication(&after.definition))?);
            let mut found = Vec::new();
            if old_list != new_list {
                let tables =
                    |list: &str| Some(list.split_once(" FOR ")?.1.to_owned()).filter(|list| list.starts_with("TABLE"));
                tables(&old_list)?;
                found.push(Statement::new(format!("ALTER {object} SET {}", tables(&new_list)?)));
            }
            if old_with != new_with {
                // An option that is not named keeps its value.
                let root =
                    old_with.contains("publish_via_partition_root") && !new_with.contains("publish_via_partition_root");
                let off = if root { ", publish_via_partition_root = false" } else { "" };
                let with = new_with.trim_end_matches(')');
                found.push(Statement::new(format!("ALTER {object} SET ({with}{off})")));
            }
            Some(found)
        }
        _ => None,
    }
}

/// What `CREATE OR REPLACE FUNCTION` cannot change: the names and types of the arguments, and the result.
fn head(it: &Object) -> String {
    let text = checked_part(it).0;
    let end = text.find("\n LANGUAGE ").unwrap_or(text.len());
    // Defaults can be added and changed, but not taken.
    text[..end].to_owned()
}

fn extension(before: &Object, after: &Object) -> Option<Vec<Statement>> {
    let part = |it: &Object, from: &str, to: &str| -> Option<String> {
        let rest = it.definition.split_once(from)?.1;
        Some(rest.split(to).next().unwrap_or(rest).to_owned())
    };
    let object = address(after).object;
    let mut found = Vec::new();
    let schema = |it: &Object| part(it, " WITH SCHEMA ", " VERSION ");
    if schema(before) != schema(after) {
        found.push(Statement::new(format!("ALTER {object} SET SCHEMA {}", schema(after)?)));
    }
    let version = |it: &Object| part(it, " VERSION ", "\n");
    if version(before) != version(after) {
        // No version is said of one that is what this server installs.
        let to = version(after).map_or_else(String::new, |version| format!(" TO {version}"));
        found.push(Statement::new(format!("ALTER {object} UPDATE{to}")));
    }
    Some(found)
}
