//! Tables: their creation with all columns, what is changed in place, parents, and the marks that name an index.

use super::column::{self, alter};
use super::constraint;
use super::meta::{self, Address};
use super::options;
use crate::draft::step::{Hazard, Loss, Statement};
use crate::draft::write::{ident, literal, qualified};
use crate::model::{Column, Constraint, Detail, Name, Persistence, RowSecurity, Table, TableKind};

pub(super) fn address(it: &Table) -> Address {
    let word = if matches!(it.kind, TableKind::Foreign { .. }) { "FOREIGN TABLE" } else { "TABLE" };
    Address { object: format!("{word} {}", qualified(&it.name)), grant: Some(format!("TABLE {}", qualified(&it.name))) }
}

/// Creates a table with its columns, its parents and these of its constraints.
pub(super) fn create(it: &Table, parent: Option<&Table>, with: &[&Constraint]) -> Vec<Statement> {
    let name = qualified(&it.name);
    let of_type = value(it, "of type");
    // A partition whose columns are all inherited is made as one; another was a table before it was attached.
    let as_partition = it.partition_of.as_ref().filter(|_| it.columns.iter().all(|column| column.inherited));
    let own: Vec<&Column> = it.columns.iter().filter(|column| !column.inherited).collect();
    let mut lines: Vec<String> = match of_type {
        Some(_) => Vec::new(),
        None => own.iter().map(|column| column::definition(column, true)).collect(),
    };
    for constraint in with {
        lines.push(format!("CONSTRAINT {} {}", constraint::name(constraint), constraint::definition(constraint)));
    }
    let kind = match (&it.kind, it.persistence) {
        (TableKind::Foreign { .. }, _) => "FOREIGN TABLE",
        (_, Persistence::Unlogged) => "UNLOGGED TABLE",
        (_, Persistence::Temporary) => "TEMPORARY TABLE",
        (_, Persistence::Permanent) => "TABLE",
    };
    let body = match &lines[..] {
        [] => "()".to_owned(),
        lines => format!("(\n    {}\n)", lines.join(",\n    ")),
    };
    let mut sql = match (as_partition, of_type) {
        (Some(partition), _) => {
            let body = if lines.is_empty() { String::new() } else { format!(" {body}") };
            format!("CREATE {kind} {name} PARTITION OF {}{body} {}", qualified(&partition.parent), partition.bound)
        }
        (None, Some(of)) => {
            let body = if lines.is_empty() { String::new() } else { format!(" {body}") };
            format!("CREATE {kind} {name} OF {of}{body}")
        }
        (None, None) => format!("CREATE {kind} {name} {body}"),
    };
    if !it.inherits.is_empty() {
        let parents: Vec<String> = it.inherits.iter().map(qualified).collect();
        sql.push_str(&format!(" INHERITS ({})", parents.join(", ")));
    }
    match &it.kind {
        TableKind::Partitioned { key } => sql.push_str(&format!(" PARTITION BY {key}")),
        TableKind::Foreign { server } => {
            sql.push_str(&format!(" SERVER {}", ident(server)));
            sql.extend(value(it, "options").map(|options| format!(" OPTIONS ({options})")));
        }
        TableKind::Ordinary | TableKind::Virtual { .. } => {}
    }
    sql.extend(value(it, "access method").map(|method| format!(" USING {}", ident(method))));
    let parameters: Vec<String> =
        parameters(it).iter().map(|detail| format!("{} = {}", detail.name, options::value(&detail.value))).collect();
    if !parameters.is_empty() {
        sql.push_str(&format!(" WITH ({})", parameters.join(", ")));
    }
    sql.extend(value(it, "tablespace").map(|space| format!(" TABLESPACE {}", ident(space))));
    let mut found = vec![Statement::new(sql)];
    if let Some(partition) = it.partition_of.as_ref().filter(|_| as_partition.is_none()) {
        found.push(attach(&it.name, &partition.parent, &partition.bound));
    }
    found.extend(row_security(it, RowSecurity::Off, it.row_security));
    found.extend(meta::create(&address(it), &it.meta));
    for column in &it.columns {
        found.extend(column::extras(it, column));
        if column.inherited || of_type.is_some() {
            found.extend(unlike_parent(it, column, parent));
        }
    }
    found
}

/// What an inherited column has that is not its parent's.
fn unlike_parent(it: &Table, column: &Column, parent: Option<&Table>) -> Vec<Statement> {
    let of_parent = parent.and_then(|parent| parent.columns.iter().find(|other| other.name == column.name));
    let default = of_parent.and_then(|parent| parent.default.as_ref());
    let mut found = Vec::new();
    if default != column.default.as_ref() {
        found.push(column::default(it, column));
    }
    if column.not_null && of_parent.is_none_or(|parent| !parent.not_null) {
        found.push(Statement::new(format!("{} ALTER COLUMN {} SET NOT NULL", alter(it), ident(&column.name))));
    }
    found
}

pub(super) fn drop(it: &Table) -> Statement {
    let word = if matches!(it.kind, TableKind::Foreign { .. }) { "FOREIGN TABLE" } else { "TABLE" };
    let statement = Statement::new(format!("DROP {word} {}", qualified(&it.name)));
    // The rows of a foreign table are elsewhere.
    if matches!(it.kind, TableKind::Foreign { .. }) { statement } else { statement.with(Hazard::Loses(Loss::Table)) }
}

/// Whether a table can only be made again.
pub(super) fn is_another(before: &Table, after: &Table) -> bool {
    // Only a table that is made as a child has columns that are nothing but inherited.
    let inherits = after.columns.iter().any(|column| {
        column.inherited && before.columns.iter().any(|other| other.name == column.name && !other.inherited)
    });
    let other_kind = match (&before.kind, &after.kind) {
        (TableKind::Foreign { server: old }, TableKind::Foreign { server: new }) => old != new,
        (old, new) => old != new,
    };
    (inherits && !can_be_attached(before, after)) || other_kind
}

/// Whether a table becomes a partition as it is: the server takes its columns for those of the parent.
fn can_be_attached(before: &Table, after: &Table) -> bool {
    let same = |one: &Column, other: &Column| one.name == other.name && one.data_type == other.data_type;
    after.partition_of.is_some()
        && before.partition_of.is_none()
        && before.columns.len() == after.columns.len()
        && after.columns.iter().all(|it| before.columns.iter().any(|other| same(it, other)))
}

/// Changes a table in place.
pub(super) fn change(before: &Table, after: &Table) -> Vec<Statement> {
    let at = alter(after);
    let mut found = Vec::new();
    if before.persistence != after.persistence {
        let word = if after.persistence == Persistence::Unlogged { "UNLOGGED" } else { "LOGGED" };
        found.push(Statement::new(format!("{at} SET {word}")).with(Hazard::Rewrites));
    }
    found.extend(row_security(after, before.row_security, after.row_security));
    found.extend(options::reloptions(&at, &parameters(before), &parameters(after)));
    let changed = |name: &str| (value(before, name) != value(after, name)).then(|| value(after, name));
    if let Some(method) = changed("access method") {
        let sql = format!("{at} SET ACCESS METHOD {}", ident(method.unwrap_or("heap")));
        found.push(Statement::new(sql).with(Hazard::Rewrites));
    }
    if let Some(space) = changed("tablespace") {
        let sql = format!("{at} SET TABLESPACE {}", ident(space.unwrap_or("pg_default")));
        found.push(Statement::new(sql).with(Hazard::Rewrites));
    }
    if let Some(of) = changed("of type") {
        found.push(Statement::new(match of {
            Some(of) => format!("{at} OF {of}"),
            None => format!("{at} NOT OF"),
        }));
    }
    if changed("options").is_some() {
        let text = |table: &Table| value(table, "options").unwrap_or_default().to_owned();
        found.extend(options::foreign(&at, &text(before), &text(after)));
    }
    found.extend(meta::change(&address(after), &before.meta, &after.meta));
    found
}

fn row_security(it: &Table, before: RowSecurity, after: RowSecurity) -> Vec<Statement> {
    let flags = |state: RowSecurity| match state {
        RowSecurity::Off => (false, false),
        RowSecurity::Enabled => (true, false),
        RowSecurity::Forced => (true, true),
    };
    let (old, new) = (flags(before), flags(after));
    let mut words = Vec::new();
    if old.0 != new.0 {
        words.push(if new.0 { "ENABLE" } else { "DISABLE" });
    }
    if old.1 != new.1 {
        words.push(if new.1 { "FORCE" } else { "NO FORCE" });
    }
    words.iter().map(|word| Statement::new(format!("{} {word} ROW LEVEL SECURITY", alter(it)))).collect()
}

/// The value of an option.
fn value<'a>(it: &'a Table, name: &str) -> Option<&'a str> {
    options::find(&it.options, name)
}

/// The storage parameters.
fn parameters(it: &Table) -> Vec<Detail> {
    let others = ["access method", "tablespace", "of type", "options", "replica identity"];
    let is_parameter =
        |option: &&Detail| !others.contains(&option.name.as_str()) && !option.name.starts_with("index of ");
    it.options.iter().filter(is_parameter).cloned().collect()
}

fn attach(child: &Name, parent: &Name, bound: &str) -> Statement {
    let sql = format!("ALTER TABLE {} ATTACH PARTITION {} {bound}", qualified(parent), qualified(child));
    Statement::new(sql).with(Hazard::MayFail("a row is outside of the bounds".to_owned()))
}

/// Takes a table from its parents.
pub(super) fn leave(it: &Table, stays: &[Name]) -> Vec<Statement> {
    let gone = it.inherits.iter().filter(|parent| !stays.contains(parent));
    let mut found: Vec<Statement> =
        gone.map(|parent| Statement::new(format!("{} NO INHERIT {}", alter(it), qualified(parent)))).collect();
    if let Some(partition) = &it.partition_of {
        let sql = format!("ALTER TABLE {} DETACH PARTITION {}", qualified(&partition.parent), qualified(&it.name));
        found.push(Statement::new(sql));
    }
    found
}

/// Gives a table its parents.
pub(super) fn join(it: &Table, has: &[Name]) -> Vec<Statement> {
    let new = it.inherits.iter().filter(|parent| !has.contains(parent));
    let mut found: Vec<Statement> =
        new.map(|parent| Statement::new(format!("{} INHERIT {}", alter(it), qualified(parent)))).collect();
    found.extend(it.partition_of.iter().map(|partition| attach(&it.name, &partition.parent, &partition.bound)));
    found
}

/// What a table has that names one of its indexes or constraints, as statements that set and reset it.
struct Mark {
    /// What is marked, with its value.
    what: (String, String),
    set: Statement,
    /// `None` if it goes with what it names.
    reset: Option<Statement>,
}

fn marks(it: &Table, other: Option<&Table>) -> Vec<Mark> {
    let at = alter(it);
    let mut found = Vec::new();
    let mut mark = |name: &str, value: &str, set: String, reset: Option<String>| {
        let what = (name.to_owned(), value.to_owned());
        found.push(Mark { what, set: Statement::new(set), reset: reset.map(Statement::new) });
    };
    let still_there = |constraint: &str| {
        let name = Some(constraint.to_owned());
        other.is_some_and(|other| other.constraints.iter().any(|constraint| constraint.name == name))
    };
    let mut of_index = |index: &str, is_constraint: bool, option: &str, value: &str| match option {
        "clustered" => mark(
            "clustered",
            index,
            format!("{at} CLUSTER ON {}", ident(index)),
            Some(format!("{at} SET WITHOUT CLUSTER")),
        ),
        "replica identity" => mark(
            "replica identity",
            index,
            format!("{at} REPLICA IDENTITY USING INDEX {}", ident(index)),
            Some(format!("{at} REPLICA IDENTITY DEFAULT")),
        ),
        _ if !is_constraint => {}
        _ => {
            let name = qualified(&Name { schema: it.name.schema.clone(), name: index.to_owned() });
            let (set, reset) = match option {
                "valid" => return,
                "comment" => (
                    format!("COMMENT ON INDEX {name} IS {}", literal(value)),
                    format!("COMMENT ON INDEX {name} IS NULL"),
                ),
                "tablespace" => (
                    format!("ALTER INDEX {name} SET TABLESPACE {}", ident(value)),
                    format!("ALTER INDEX {name} SET TABLESPACE pg_default"),
                ),
                option => (
                    format!("ALTER INDEX {name} SET ({option} = {})", options::value(value)),
                    format!("ALTER INDEX {name} RESET ({option})"),
                ),
            };
            mark(&format!("{option} of {index}"), value, set, still_there(index).then_some(reset));
        }
    };
    for option in &it.options {
        if let Some((index, name)) = option.name.strip_prefix("index of ").and_then(|rest| rest.split_once(": ")) {
            of_index(index, true, name, &option.value);
        }
    }
    for index in &it.indexes {
        for option in &index.options {
            of_index(&index.name, false, &option.name, &option.value);
        }
    }
    if let Some(identity) = value(it, "replica identity") {
        mark(
            "replica identity",
            identity,
            format!("{at} REPLICA IDENTITY {}", identity.to_uppercase()),
            Some(format!("{at} REPLICA IDENTITY DEFAULT")),
        );
    }
    if it.constraints.iter().any(constraint::is_disabled) {
        let reset = format!("{at} ENABLE TRIGGER ALL");
        mark("triggers", "disabled", format!("{at} DISABLE TRIGGER ALL"), Some(reset));
    }
    found
}

/// The statements for other marks. `all` says that none of the old ones is left.
pub(super) fn change_marks(before: Option<&Table>, after: &Table, all: bool) -> Vec<Statement> {
    let old = before.map(|before| marks(before, Some(after))).unwrap_or_default();
    let new = marks(after, None);
    let mut found = Vec::new();
    for mark in &old {
        if !new.iter().any(|other| other.what.0 == mark.what.0) {
            found.extend(mark.reset.clone());
        }
    }
    for mark in new {
        if all || !old.iter().any(|other| other.what == mark.what) {
            found.push(mark.set);
        }
    }
    found
}

/// A table whose rows are copied to another of the same name, under the name that it has meanwhile.
pub(super) fn aside(it: &Table) -> Name {
    Name { schema: it.name.schema.clone(), name: format!("{}_before", it.name.name) }
}

/// Gives a table another name, so that its rows can be copied.
pub(super) fn put_aside(it: &Table) -> Statement {
    Statement::new(format!("{} RENAME TO {}", alter(it), ident(&aside(it).name)))
}

/// Copies the rows of the columns that both have, and drops the old table.
pub(super) fn copy(before: &Table, after: &Table) -> Vec<Statement> {
    let common: Vec<&Column> = after
        .columns
        .iter()
        .filter(|column| column.generated.is_none() && before.columns.iter().any(|other| other.name == column.name))
        .collect();
    let old = qualified(&aside(before));
    let mut found = Vec::new();
    if !common.is_empty() {
        let names: Vec<String> = common.iter().map(|column| ident(&column.name)).collect();
        let names = names.join(", ");
        let identity = common.iter().any(|column| column.identity.is_some());
        let overriding = if identity { " OVERRIDING SYSTEM VALUE" } else { "" };
        let sql = format!("INSERT INTO {} ({names}){overriding} SELECT {names} FROM {old}", qualified(&after.name));
        let mut statement = Statement::new(sql).with(Hazard::Rewrites);
        if matches!(after.kind, TableKind::Partitioned { .. }) {
            statement = statement.with(Hazard::MayFail("no partition takes a row".to_owned()));
        }
        found.push(statement);
    }
    let loses = before
        .columns
        .iter()
        .any(|column| column.generated.is_none() && !after.columns.iter().any(|other| other.name == column.name));
    let dropped = Statement::new(format!("DROP TABLE {old}"));
    found.push(if loses { dropped.with(Hazard::Loses(Loss::Column)) } else { dropped });
    found
}
