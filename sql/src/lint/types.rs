//! PostgreSQL: the rule about changing the type of a column.

use super::change::{Action, Change};
use super::context::{Context, a_lock};
use super::cursor::Name;
use super::schema_events::SchemaEvent;

/// What changing a type costs while the table is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cost {
    /// Rows and plain indexes on the column are kept.
    Nothing,
    /// Rows are kept, but each index on the column is rebuilt, because the new type sorts differently.
    Indexes,
    /// The table and its indexes are rewritten.
    Rewrite,
}

/// The rule `change-type`.
pub(super) fn check(cx: &mut Context<'_, '_>, change: &Change<'_>) {
    let Change::AlterTable { table, actions } = change else { return };
    for (range, action) in actions {
        let Action::ChangeType { column, to, using, collates } = action else { continue };
        if cx.is_new(table) {
            continue;
        }
        let from = cx.type_of(table, column);
        let is_plain = using.as_ref().is_none_or(|using| is_cast(using, &column.key, to));
        let in_utc = in_utc(cx);
        let cost = match &from {
            _ if !is_plain => Cost::Rewrite,
            Some(from) if *collates => cost(from, to, in_utc).max_indexes(),
            Some(from) => cost(from, to, in_utc),
            // The old type is unknown. It was most likely a varchar with a length, or the other timestamp type.
            None if matches!(plain_type(to).0.as_str(), "text" | "varchar") && using.is_none() => Cost::Nothing,
            None if in_utc && matches!(plain_type(to).0.as_str(), "timestamp" | "timestamptz") => Cost::Nothing,
            None => Cost::Rewrite,
        };
        let (shown, name) = (&table.written, &column.written);
        let lock = a_lock(cx.lock_of(range));
        let change = format!("{} to {to}", from.map_or_else(String::new, |from| format!(" from {from}")));
        let (message, help) = match cost {
            Cost::Rewrite => (
                format!(
                    "nobody can read or write `{shown}` while all of it and its indexes are rewritten: changing a type{change} \
                     holds {lock} until the commit"
                ),
                format!(
                    "add a column of the new type beside `{name}`, let a trigger keep both equal, fill it in \
                     batches, and switch to it in a later migration"
                ),
            ),
            Cost::Nothing | Cost::Indexes => match built_anew(cx, table, column, cost) {
                Some((index, true)) => (
                    format!(
                        "nobody can read or write `{shown}` while an index {index} is rebuilt: changing a type{change} keeps the \
                         rows but not that index, and holds {lock} until the commit"
                    ),
                    "do it while the table is small, or in a maintenance window".to_owned(),
                ),
                Some((index, false)) => (
                    format!(
                        "nobody can read or write `{shown}` while its index `{index}` is rebuilt: changing a type{change} keeps \
                         the rows but not that index, and holds {lock} until the commit"
                    ),
                    format!(
                        "first drop the index, in a migration of its own with `-- lockgate: no-transaction` as its first line: \
                         `DROP INDEX CONCURRENTLY {index}`; after this one, create it again with `CREATE INDEX CONCURRENTLY`"
                    ),
                ),
                None if is_checked(cx, table, column) => (
                    format!(
                        "nobody can read or write `{shown}` while every row is checked: a `CHECK` names `{name}`, and changing its \
                         type{change} holds {lock} until the commit"
                    ),
                    "first drop the check; after this, add it again with `NOT VALID`, and `VALIDATE` it in the next migration"
                        .to_owned(),
                ),
                None => continue,
            },
        };
        cx.report("change-type", range.clone(), message, vec![help]);
    }
}

impl Cost {
    /// The cost if the collation changes too.
    fn max_indexes(self) -> Self {
        if self == Self::Nothing { Self::Indexes } else { self }
    }
}

/// Whether both timestamp types mean the same here: the script has set a time zone without an offset, and the server
/// is new enough to use that.
fn in_utc(cx: &Context<'_, '_>) -> bool {
    let zone = cx.before().filter_map(|change| match change {
        Change::TimeZone { is_utc } => Some(*is_utc),
        _ => None,
    });
    zone.last() == Some(true) && cx.input.release.is_none_or(|release| release.major() >= 12)
}

/// Whether the expression is the column itself, or a plain cast of it to the new type.
fn is_cast(expression: &str, column: &str, to: &str) -> bool {
    let mut inner = expression;
    while let Some(within) = inner.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        inner = within;
    }
    let cast = inner.strip_prefix(column).and_then(|rest| rest.strip_prefix("::"));
    let called =
        inner.strip_prefix("cast(").and_then(|rest| rest.strip_prefix(column)?.strip_prefix(" as ")?.strip_suffix(')'));
    inner == column || cast.or(called).is_some_and(|kind| plain_type(kind) == plain_type(to))
}

/// Returns an index on the column that the change rebuilds, and whether it belongs to a constraint.
fn built_anew(cx: &Context<'_, '_>, of: &Name, column: &Name, cost: Cost) -> Option<(String, bool)> {
    let mut found: Vec<(String, String, bool)> = Vec::new();
    let mut lost_constraints = false;
    cx.earlier(&of.key, |event, of| -> Option<()> {
        match event {
            SchemaEvent::ConstraintDropped { table } if table == of => lost_constraints = true,
            SchemaEvent::IndexCreated { name, table, shown, plain, computed, of_constraint, .. } if table == of => {
                let is_on = computed.contains(&column.key) || cost == Cost::Indexes && plain.contains(&column.key);
                if is_on && !(*of_constraint && lost_constraints) {
                    found.push((name.clone(), shown.clone(), *of_constraint));
                }
            }
            SchemaEvent::TableCreated { table, .. } if table == of => return Some(()),
            _ => {}
        }
        None
    });
    let is_there = |name: &str| {
        let gone = cx.earlier(name, |event, _| match event {
            SchemaEvent::IndexGone { name: known } if known == name => Some(true),
            SchemaEvent::IndexCreated { name: known, .. } if known == name => Some(false),
            _ => None,
        });
        gone != Some(true)
    };
    let (_, shown, of_constraint) =
        found.into_iter().find(|(name, _, of_constraint)| *of_constraint || is_there(name))?;
    Some((shown, of_constraint))
}

/// Whether a CHECK names the column. The server then checks every row again.
fn is_checked(cx: &Context<'_, '_>, of: &Name, column: &Name) -> bool {
    let found = cx.earlier(&of.key, |event, of| match event {
        // It is not known which constraint was dropped.
        SchemaEvent::ConstraintDropped { table } if table == of => Some(false),
        SchemaEvent::CheckAdded { table, names } if table == of && names.contains(&column.key) => Some(true),
        SchemaEvent::TableCreated { table, .. } if table == of => Some(false),
        _ => None,
    });
    found == Some(true)
}

/// Returns the main name of a type, and its arguments.
fn plain_type(kind: &str) -> (String, Vec<u32>) {
    let (name, arguments) = match kind.split_once('(') {
        Some((name, rest)) => {
            let (arguments, after) = rest.split_once(')').unwrap_or((rest, ""));
            (format!("{}{after}", name.trim_end()), arguments)
        }
        None => (kind.to_owned(), ""),
    };
    let name = match name.as_str() {
        "character varying" => "varchar",
        "int" | "int4" => "integer",
        "int8" => "bigint",
        "decimal" => "numeric",
        "bit varying" => "varbit",
        "timestamp without time zone" => "timestamp",
        "timestamp with time zone" => "timestamptz",
        other => other,
    };
    (name.to_owned(), arguments.split(',').filter_map(|argument| argument.trim().parse().ok()).collect())
}

/// Returns what a change from one type to another costs. `in_utc` says whether both timestamp types mean the same.
fn cost(from: &str, to: &str, in_utc: bool) -> Cost {
    let ((from, was), (to, is)) = (plain_type(from), plain_type(to));
    let wider = || match (was.first(), is.first()) {
        (_, None) => true,
        (Some(was), Some(is)) => is >= was,
        (None, Some(_)) => false,
    };
    let free = |is_free: bool, cost: Cost| if is_free { cost } else { Cost::Rewrite };
    match (from.as_str(), to.as_str()) {
        ("varchar" | "text", "text") | ("cidr", "inet") => Cost::Nothing,
        ("citext", "text") => Cost::Indexes,
        ("varchar" | "text", "citext") => Cost::Indexes,
        ("text", "varchar") => free(is.is_empty(), Cost::Nothing),
        ("citext", "varchar") => free(is.is_empty(), Cost::Indexes),
        ("timestamp", "timestamptz") | ("timestamptz", "timestamp") => free(in_utc && wider(), Cost::Indexes),
        ("varchar", "varchar")
        | ("varbit", "varbit")
        | ("timestamp", "timestamp")
        | ("timestamptz", "timestamptz")
        | ("time", "time")
        | ("interval", "interval") => free(wider(), Cost::Nothing),
        ("numeric", "numeric") => {
            let same_scale = is.is_empty() || was.get(1).unwrap_or(&0) == is.get(1).unwrap_or(&0);
            free(wider() && same_scale, Cost::Nothing)
        }
        _ => free(from == to && was == is, Cost::Nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::{Cost, cost};

    #[test]
    fn widening_is_free() {
        for (from, to) in [
            ("varchar(10)", "varchar(20)"),
            ("character varying(10)", "text"),
            ("varchar", "text"),
            ("text", "varchar"),
            ("numeric(10,2)", "numeric(12,2)"),
            ("numeric(10,2)", "numeric"),
            ("timestamp(3)", "timestamp"),
            ("int", "integer"),
        ] {
            assert_eq!(cost(from, to, false), Cost::Nothing, "{from} to {to}");
        }
        for (from, to) in [
            ("integer", "bigint"),
            ("varchar(20)", "varchar(10)"),
            ("text", "varchar(10)"),
            ("numeric(10,2)", "numeric(12,3)"),
            ("timestamp", "timestamptz"),
            ("char(3)", "text"),
            ("varchar", "varchar(5)"),
        ] {
            assert_eq!(cost(from, to, false), Cost::Rewrite, "{from} to {to}");
        }
    }
}
