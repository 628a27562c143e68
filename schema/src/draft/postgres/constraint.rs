//! Constraints of tables.

use super::column::alter;
use super::meta;
use crate::draft::step::{Hazard, Statement};
use crate::draft::write::{ident, qualified};
use crate::model::{Constraint, ConstraintKind, Table};

/// What a foreign key has whose triggers are disabled.
const DISABLED: &str = " (its triggers are disabled)";

pub(super) fn name(it: &Constraint) -> String {
    ident(it.name.as_deref().unwrap_or_default())
}

/// The definition that the server takes.
pub(super) fn definition(it: &Constraint) -> &str {
    it.definition.strip_suffix(DISABLED).unwrap_or(&it.definition)
}

pub(super) fn is_disabled(it: &Constraint) -> bool {
    it.definition.ends_with(DISABLED)
}

pub(super) fn is_not_valid(it: &Constraint) -> bool {
    definition(it).ends_with(" NOT VALID")
}

pub(super) fn add(table: &Table, it: &Constraint) -> Vec<Statement> {
    let sql = format!("{} ADD CONSTRAINT {} {}", alter(table), name(it), definition(it));
    let mut found = vec![risky(Statement::new(sql), it)];
    found.extend(comment(table, None, it));
    found
}

/// Notes that existing rows may not fit.
fn risky(statement: Statement, it: &Constraint) -> Statement {
    if is_not_valid(it) {
        return statement;
    }
    let why = match it.kind {
        ConstraintKind::PrimaryKey => "two rows have the same key, or one has NULL in it",
        ConstraintKind::Unique => "two rows have the same values",
        ConstraintKind::ForeignKey => "a row refers to one that does not exist",
        ConstraintKind::Check => "a row does not pass the check",
        ConstraintKind::Exclude => "two rows exclude each other",
        ConstraintKind::NotNull => "the column contains NULL",
    };
    statement.with(Hazard::MayFail(why.to_owned()))
}

/// The same in two steps, of which the second, in a later transaction, holds no lock that blocks others.
pub(super) fn add_in_two(table: &Table, it: &Constraint) -> (Vec<Statement>, Vec<Statement>) {
    let mut first =
        vec![Statement::new(format!("{} ADD CONSTRAINT {} {} NOT VALID", alter(table), name(it), definition(it)))];
    first.extend(comment(table, None, it));
    (first, vec![validate(table, it)])
}

pub(super) fn validate(table: &Table, it: &Constraint) -> Statement {
    risky(Statement::new(format!("{} VALIDATE CONSTRAINT {}", alter(table), name(it))), it)
}

/// Whether a constraint can be added without looking at the rows.
pub(super) fn can_wait(it: &Constraint) -> bool {
    matches!(it.kind, ConstraintKind::ForeignKey | ConstraintKind::Check)
        && !is_not_valid(it)
        && !definition(it).ends_with(" NOT ENFORCED")
}

/// Adds a constraint again, so that it looks at the rows that it has passed before. No moment is without it.
pub(super) fn again(table: &Table, it: &Constraint, online: bool) -> Vec<Statement> {
    let later = online && can_wait(it);
    let (end, name) = (if later { " NOT VALID" } else { "" }, name(it));
    let sql = format!("{} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {}{end}", alter(table), definition(it));
    let statement = Statement::new(sql);
    let mut found = vec![if later { statement } else { risky(statement, it) }];
    found.extend(comment(table, None, it));
    found.extend(later.then(|| validate(table, it)));
    found
}

/// Makes a constraint of a unique index that was built before, under another name if it takes the place of one.
pub(super) fn using_index(table: &Table, it: &Constraint, built: Option<&Constraint>) -> Vec<Statement> {
    let word = if it.kind == ConstraintKind::PrimaryKey { "PRIMARY KEY" } else { "UNIQUE" };
    let deferrable = definition(it).find(" DEFERRABLE").map_or("", |at| &definition(it)[at..]);
    let own = name(it);
    let drop = built.map_or_else(String::new, |_| format!(" DROP CONSTRAINT {own},"));
    let index = name(built.unwrap_or(it));
    let sql = format!("{}{drop} ADD CONSTRAINT {own} {word} USING INDEX {index}{deferrable}", alter(table));
    let mut found = vec![Statement::new(sql)];
    found.extend(comment(table, None, it));
    found
}

/// The unique index for [`using_index`], if one can be built before.
pub(super) fn unique_index(table: &Table, it: &Constraint) -> Option<Statement> {
    let rest = definition(it).strip_prefix("PRIMARY KEY ").or_else(|| definition(it).strip_prefix("UNIQUE "))?;
    let rest = rest.find(" DEFERRABLE").map_or(rest, |at| &rest[..at]);
    let (nulls, columns) = match rest.strip_prefix("NULLS NOT DISTINCT ") {
        Some(columns) => (" NULLS NOT DISTINCT", columns),
        None => ("", rest),
    };
    let (keys, more) = columns.split_at(columns.find(')')? + 1);
    let (include, with) = match more.find(" WITH (") {
        Some(at) => more.split_at(at),
        None => (more, ""),
    };
    let sql = format!(
        "CREATE UNIQUE INDEX CONCURRENTLY {} ON {} {keys}{include}{nulls}{with}",
        name(it),
        qualified(&table.name)
    );
    Some(Statement::new(sql).with(Hazard::MayFail("two rows have the same values".to_owned())))
}

pub(super) fn drop(table: &Table, it: &Constraint) -> Statement {
    Statement::new(format!("{} DROP CONSTRAINT {}", alter(table), name(it)))
}

/// Changes a constraint in place; `None` if it must be created again.
pub(super) fn change(table: &Table, before: &Constraint, after: &Constraint) -> Option<Vec<Statement>> {
    let mut found = Vec::new();
    let (old, new) = (definition(before), definition(after));
    if before.inherited != after.inherited && after.inherited {
        return Some(comment(table, Some(before), after).into_iter().collect());
    }
    if old != new {
        let validated = old.strip_suffix(" NOT VALID") == Some(new);
        let bare = |text: &str| {
            let text = text.replace(" INITIALLY DEFERRED", "");
            text.replace(" DEFERRABLE", "")
        };
        if validated {
            found.push(validate(table, after));
        } else if after.kind == ConstraintKind::ForeignKey && bare(old) == bare(new) {
            let deferred = match (new.contains(" DEFERRABLE"), new.contains(" INITIALLY DEFERRED")) {
                (true, true) => "DEFERRABLE INITIALLY DEFERRED",
                (true, false) => "DEFERRABLE INITIALLY IMMEDIATE",
                (false, _) => "NOT DEFERRABLE",
            };
            found.push(Statement::new(format!("{} ALTER CONSTRAINT {} {deferred}", alter(table), name(after))));
        } else {
            return None;
        }
    }
    found.extend(comment(table, Some(before), after));
    Some(found)
}

pub(super) fn rename(table: &Table, before: &Constraint, after: &Constraint) -> Statement {
    Statement::new(format!("{} RENAME CONSTRAINT {} TO {}", alter(table), name(before), name(after)))
}

pub(super) fn comment(table: &Table, before: Option<&Constraint>, after: &Constraint) -> Option<Statement> {
    let object = format!("CONSTRAINT {} ON {}", name(after), qualified(&table.name));
    meta::comment(&object, before.and_then(|before| before.comment.as_deref()), after.comment.as_deref())
}
