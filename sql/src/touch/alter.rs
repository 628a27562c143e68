//! `ALTER TABLE`: the lock that each action takes, most often ACCESS EXCLUSIVE, and the data that it destroys.

use lockgate_core::TableLock;
use lockgate_core::touch::is_same_table;

use super::effect::{TableEffects, references};
use crate::cursor::Cursor;

/// Reads the actions after the table's name. All run under one lock: the strongest that any of them needs.
pub(super) fn table(table: &str, mut at: Cursor<'_>, doing: &mut TableEffects) {
    if at.take("rename to") {
        doing.lock([table.to_owned()], TableLock::AccessExclusive);
        doing.renames = at.path().map(|to| (table.to_owned(), to));
        return;
    }
    let (mut strongest, mut destroys) = (None, false);
    for action in at.pieces() {
        strongest = strongest.max(Some(lock(action)));
        destroys |= loses(action);
    }
    let Some(lock) = strongest else { return };
    match destroys {
        true => doing.lose([table.to_owned()], lock),
        false => doing.lock([table.to_owned()], lock),
    }
    at.pieces().into_iter().for_each(|action| others(table, action, doing));
}

/// Returns the lock that an action takes on the altered table.
pub(crate) fn lock(mut at: Cursor<'_>) -> TableLock {
    if at.take("add") {
        if at.take("constraint") {
            at.path();
        }
        return if at.is("foreign") { TableLock::ShareRowExclusive } else { TableLock::AccessExclusive };
    }
    if at.take("alter") {
        at.take("column");
        // Columns of an index have numbers.
        at.next();
        let options = at.take("set statistics") || (at.take("set") || at.take("reset")) && at.group().is_some();
        return if options { TableLock::ShareUpdateExclusive } else { TableLock::AccessExclusive };
    }
    if at.take("enable") || at.take("disable") {
        while at.is_any(&["always", "replica"]) {
            at.next();
        }
        return if at.is("trigger") { TableLock::ShareRowExclusive } else { TableLock::AccessExclusive };
    }
    if at.take("detach partition") {
        at.path();
        let waits = !at.is_any(&["concurrently", "finalize"]);
        return if waits { TableLock::AccessExclusive } else { TableLock::ShareUpdateExclusive };
    }
    let light = ["validate constraint", "attach partition", "cluster on", "set without cluster"];
    if light.into_iter().any(|words| at.take(words)) {
        return TableLock::ShareUpdateExclusive;
    }
    if (at.take("set") || at.take("reset"))
        && let Some(options) = at.group()
    {
        return storage(options);
    }
    TableLock::AccessExclusive
}

/// Storage parameters of vacuum and of the planner, which can be changed while others write.
fn storage(options: Cursor<'_>) -> TableLock {
    const HEAVY: [&str; 4] = ["user_catalog_table", "security_barrier", "security_invoker", "check_option"];
    match options.pieces().iter().any(|option| option.is_any(&HEAVY)) {
        true => TableLock::AccessExclusive,
        false => TableLock::ShareUpdateExclusive,
    }
}

/// Returns the locks on other tables that an action names.
fn others(table: &str, mut at: Cursor<'_>, doing: &mut TableEffects) {
    if at.take("add") {
        doing.lock(references(at).filter(|other| !is_same_table(other, table)), TableLock::ShareRowExclusive);
    } else if at.take("attach partition") || at.take("detach partition") {
        doing.lock(at.path(), TableLock::AccessExclusive);
    } else if at.take("inherit") {
        doing.lock(at.path(), TableLock::ShareUpdateExclusive);
    }
}

/// Whether an action destroys data in the table.
fn loses(mut at: Cursor<'_>) -> bool {
    if at.take("drop") {
        const OTHERS: [&str; 6] = ["constraint", "index", "key", "primary", "foreign", "check"];
        return at.take("column") || !at.is_any(&OTHERS);
    }
    if at.take("truncate partition") {
        return true;
    }
    if !at.take("alter") || at.is("constraint") {
        return false;
    }
    at.take("column");
    let Some(column) = at.name() else { return false };
    if !at.take("set data type") && !at.take("type") {
        return false;
    }
    let to = at.before(&["using", "collate"]).plain();
    let using = at.seek("using").then_some(at);
    using.is_some_and(|using| !is_cast(&column.key, &using.plain())) || rounds(&to)
}

/// Whether the expression is the column itself or a cast of it.
fn is_cast(column: &str, expression: &str) -> bool {
    let expression = expression.trim_matches(['(', ')']);
    match expression.strip_prefix(column) {
        Some(rest) => rest.is_empty() || rest.starts_with("::") && !rest.contains(['+', '-', '*', '/', '|', '=']),
        None => expression.starts_with(&format!("cast({column} as ")),
    }
}

/// Whether converting to this type can change a value without an error. PostgreSQL refuses values that are too long
/// or too large, but rounds those that are too precise.
fn rounds(to: &str) -> bool {
    let (name, precision) = match to.split_once('(') {
        Some((name, rest)) => {
            let behind = rest.split_once(')').map_or("", |(_, behind)| behind);
            (format!("{} {}", name.trim(), behind.trim()).trim_end().to_owned(), true)
        }
        None => (to.to_owned(), false),
    };
    let always = [
        "smallint",
        "int2",
        "integer",
        "int",
        "int4",
        "real",
        "float4",
        "float",
        "double precision",
        "float8",
        "date",
        "timestamp",
        "timestamp without time zone",
        "time",
        "time without time zone",
        "boolean",
        "bool",
        "money",
    ];
    let by_precision = ["numeric", "decimal", "timestamptz", "timestamp with time zone", "timetz", "interval"];
    always.contains(&name.as_str()) || precision && by_precision.contains(&name.as_str())
}
