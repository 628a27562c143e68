//! PostgreSQL: a column changes its type.

use super::change::{Action, Change};
use super::world::{View, a_lock};

/// The rule `change-type`.
pub(super) fn check(view: &mut View<'_, '_>, change: &Change<'_>) {
    let Change::AlterTable { table, actions } = change else { return };
    for (range, action) in actions {
        let Action::ChangeType { column, to, using } = action else { continue };
        if view.is_new(table) {
            continue;
        }
        let from = view.type_of(table, column);
        match &from {
            Some(from) if is_free(from, to) => continue,
            // Of a type that nobody can see: most often it was a varchar of some length.
            None if !using && matches!(plain_type(to).0.as_str(), "text" | "varchar") => continue,
            _ => {}
        }
        let (shown, name) = (view.shown(table), view.shown(column));
        let from = from.map_or_else(String::new, |from| format!(" from {from}"));
        let message = format!(
            "nobody can read or write `{shown}` while all of it and its indexes are written anew: changing a type{from} to {to} \
             holds {} until the commit",
            a_lock(view.lock_of(range))
        );
        let help = format!(
            "add a column of the new type beside `{name}`, let a trigger keep both alike, fill it in pieces, and change over to it \
             in a later migration"
        );
        view.tell("change-type", range.clone(), message, vec![help]);
    }
}

/// A type under its one name, and its arguments.
fn plain_type(kind: &str) -> (String, Vec<u32>) {
    let (name, arguments) = match kind.split_once('(') {
        Some((name, rest)) => {
            let (arguments, behind) = rest.split_once(')').unwrap_or((rest, ""));
            (format!("{}{behind}", name.trim_end()), arguments)
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

/// Whether the change touches no row.
fn is_free(from: &str, to: &str) -> bool {
    let ((from, was), (to, is)) = (plain_type(from), plain_type(to));
    let wider = || match (was.first(), is.first()) {
        (_, None) => true,
        (Some(was), Some(is)) => is >= was,
        (None, Some(_)) => false,
    };
    match (from.as_str(), to.as_str()) {
        ("varchar" | "text", "text") | ("cidr", "inet") => true,
        ("text", "varchar") => is.is_empty(),
        ("varchar", "varchar")
        | ("varbit", "varbit")
        | ("timestamp", "timestamp")
        | ("timestamptz", "timestamptz")
        | ("time", "time")
        | ("interval", "interval") => wider(),
        ("numeric", "numeric") => wider() && (is.is_empty() || was.get(1).unwrap_or(&0) == is.get(1).unwrap_or(&0)),
        _ => from == to && was == is,
    }
}

#[cfg(test)]
mod tests {
    use super::is_free;

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
            assert!(is_free(from, to), "{from} to {to}");
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
            assert!(!is_free(from, to), "{from} to {to}");
        }
    }
}
