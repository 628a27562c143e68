//! Writes the statements that create something.

use super::column::is_plain;
use super::limits::{NULL_ON_CONFLICT, TABLE_OPTIONS};
use super::lookup::has_option;
use crate::model::{Column, Constraint, ConstraintKind, Generation, Index, Name, Object, Table, TableKind, View};
use crate::sqlite;

/// Writes a name with its schema.
pub(super) fn name(name: &Name) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", sqlite::name(schema), sqlite::name(&name.name)),
        None => sqlite::name(&name.name),
    }
}

/// Writes a table, under this name.
pub(super) fn table(table: &Table, under: &Name) -> String {
    let under = name(under);
    if let TableKind::Virtual { module } = &table.kind {
        return format!("CREATE VIRTUAL TABLE {under} USING {module}");
    }
    let mut rest: Vec<&Constraint> = table.constraints.iter().collect();
    rest.sort_by_key(|constraint| constraint.kind);
    let mut parts = Vec::new();
    for own in &table.columns {
        // Those that say something of this column alone stand with it, as people write them.
        let (beside, others): (Vec<&Constraint>, Vec<&Constraint>) =
            rest.into_iter().partition(|constraint| is_beside(constraint, own));
        rest = others;
        parts.push(column(own, &beside));
    }
    parts.extend(rest.into_iter().map(at_the_end));
    let options: Vec<&str> = TABLE_OPTIONS.into_iter().filter(|option| has_option(table, option)).collect();
    let options = if options.is_empty() { String::new() } else { format!(" {}", options.join(", ")) };
    format!("CREATE TABLE {under} (\n  {}\n){options}", parts.join(",\n  "))
}

/// Writes a column with these constraints, which must be of one column or checks.
pub(super) fn column(own: &Column, constraints: &[&Constraint]) -> String {
    let written = |is_key: bool| {
        let fitting = constraints.iter().filter(move |one| (one.kind == ConstraintKind::PrimaryKey) == is_key);
        fitting.map(|one| beside(one, own).unwrap_or_else(|| format!(" {}", at_the_end(one)))).collect::<String>()
    };
    format!("{}{}{}{}{}", sqlite::name(&own.name), head(own), written(true), tail(own), written(false))
}

pub(super) fn index(table: &Table, index: &Index) -> String {
    let unique = if index.unique { "UNIQUE " } else { "" };
    let named = Name { schema: table.name.schema.clone(), name: index.name.clone() };
    format!("CREATE {unique}INDEX {} ON {} {}", name(&named), sqlite::name(&table.name.name), index.definition)
}

pub(super) fn view(view: &View) -> String {
    // A view that names its columns begins with them.
    let head = if view.definition.starts_with('(') { "" } else { "AS\n" };
    format!("CREATE VIEW {} {head}{}", name(&view.name), view.definition)
}

pub(super) fn trigger(trigger: &Object) -> String {
    format!("CREATE TRIGGER {} {}", name(&trigger.name), trigger.definition)
}

fn head(column: &Column) -> String {
    if column.data_type.is_empty() { String::new() } else { format!(" {}", column.data_type) }
}

fn tail(column: &Column) -> String {
    let mut text = String::new();
    if column.not_null {
        text.push_str(" NOT NULL");
        let conflict = column.options.iter().find(|option| option.name == NULL_ON_CONFLICT);
        if let Some(conflict) = conflict {
            text.push_str(&format!(" ON CONFLICT {}", conflict.value));
        }
    }
    if let Some(default) = &column.default {
        text.push_str(&match is_plain(default) {
            true => format!(" DEFAULT {default}"),
            false => format!(" DEFAULT ({default})"),
        });
    }
    if let Some(collation) = &column.collation {
        text.push_str(&format!(" COLLATE {}", sqlite::name(collation)));
    }
    if let Some(generated) = &column.generated {
        let when = match generated.generation {
            Generation::Stored => "STORED",
            Generation::Virtual => "VIRTUAL",
        };
        text.push_str(&format!(" GENERATED ALWAYS AS ({}) {when}", generated.expression));
    }
    text
}

fn is_beside(constraint: &Constraint, column: &Column) -> bool {
    beside(constraint, column).is_some()
}

/// Writes a constraint as one of this column, if it can be.
fn beside(constraint: &Constraint, column: &Column) -> Option<String> {
    let own = sqlite::name(&column.name);
    let definition = constraint.definition.as_str();
    let text = match constraint.kind {
        ConstraintKind::PrimaryKey => {
            let rest = definition.strip_prefix(&format!("PRIMARY KEY ({own}"))?;
            match rest.strip_prefix(" DESC)") {
                // Only here it keeps the key beside the rowid.
                Some(rest) => format!("PRIMARY KEY DESC{}", rest.strip_suffix(" BESIDE THE ROWID")?),
                None => format!("PRIMARY KEY{}", rest.strip_prefix(')')?),
            }
        }
        ConstraintKind::Unique => {
            format!("UNIQUE{}", definition.strip_prefix(&format!("UNIQUE ({own})"))?)
        }
        ConstraintKind::ForeignKey => definition.strip_prefix(&format!("FOREIGN KEY ({own}) "))?.to_owned(),
        ConstraintKind::Check | ConstraintKind::Exclude | ConstraintKind::NotNull => return None,
    };
    Some(format!(" {}{text}", named(constraint)))
}

fn at_the_end(constraint: &Constraint) -> String {
    format!("{}{}", named(constraint), constraint.definition)
}

fn named(constraint: &Constraint) -> String {
    constraint.name.as_ref().map(|name| format!("CONSTRAINT {} ", sqlite::name(name))).unwrap_or_default()
}
