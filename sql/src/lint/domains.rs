//! PostgreSQL: domains, composite types and functions, whose definitions decide what happens to the rows of tables.

use lockgate_core::TableLock;

use super::change::{Change, Column, Constraint, ConstraintKind};
use super::context::{Context, a_lock};
use super::cursor::{Cursor, Name, Written};
use crate::lexer::Kind;

/// Findings of the rules `blocking-constraint`, `set-not-null` and `change-type` about statements that change a type.
pub(super) fn check(cx: &mut Context<'_, '_>, change: &Change<'_>) {
    match change {
        Change::AlterDomain { name, constraint } if !cx.is_new_other("domain", name) => {
            constrain(cx, name, constraint.as_ref());
        }
        Change::AlterAttribute { of, attribute } if !cx.is_new_other("type", of) => {
            let message = format!(
                "nobody can read or write the tables of the type `{}` while all of them are rewritten: `ALTER ATTRIBUTE … \
                 CASCADE` holds {} on each until the commit",
                of.written,
                a_lock(TableLock::AccessExclusive)
            );
            let help = format!(
                "add an attribute of the new type beside `{}`, fill it in batches, and switch to it in a later migration",
                attribute.written
            );
            cx.report("change-type", cx.statement(), message, vec![help]);
        }
        _ => {}
    }
}

fn constrain(cx: &mut Context<'_, '_>, name: &Name, constraint: Option<&Constraint<'_>>) {
    if constraint.is_some_and(|constraint| constraint.rest.has("not valid")) {
        return;
    }
    let shown = &name.written;
    let is_check = constraint.is_some_and(|constraint| constraint.kind == ConstraintKind::Check);
    let (rule, what, suffix) = match is_check {
        true => ("blocking-constraint", "ADD CHECK", "check"),
        false => ("set-not-null", "SET NOT NULL", "not_null"),
    };
    let message = format!(
        "nobody can write to any table with a column of the domain `{shown}` while every row of them is checked: `ALTER \
         DOMAIN … {what}` holds {} on each until the commit",
        a_lock(TableLock::Share)
    );
    let given = constraint.and_then(|constraint| constraint.name.as_ref()).map(|name| name.written.clone());
    let check = given.unwrap_or_else(|| Written::joined(&[shown.last(), suffix]));
    let says = match constraint.filter(|_| is_check) {
        Some(constraint) => constraint.rest.written(),
        None => "(VALUE IS NOT NULL)".to_owned(),
    };
    let help = format!(
        "`ALTER DOMAIN {shown} ADD CONSTRAINT {check} CHECK {says} NOT VALID` checks only new values, and is fast; \
         `ALTER DOMAIN {shown} VALIDATE CONSTRAINT {check}` checks the rows, in a later migration and when little is \
         written, because it holds the same locks"
    );
    cx.report(rule, cx.statement(), message, vec![help]);
}

/// Types that the server brings, which no script defines.
const BUILT_IN: [&str; 34] = [
    "bigint",
    "bigserial",
    "bit",
    "bool",
    "boolean",
    "bytea",
    "char",
    "character",
    "cidr",
    "citext",
    "date",
    "decimal",
    "double",
    "float",
    "inet",
    "int",
    "int2",
    "int4",
    "int8",
    "integer",
    "interval",
    "json",
    "jsonb",
    "numeric",
    "real",
    "serial",
    "smallint",
    "text",
    "time",
    "timestamp",
    "timestamptz",
    "uuid",
    "varchar",
    "xml",
];

/// What a script says about a domain.
#[derive(Clone, Debug, Default)]
struct Domain {
    is_constrained: bool,
    /// The function in its default that gives each row another value.
    volatile: Option<String>,
}

/// Why a new column of a domain rewrites the table, if it does.
pub(super) fn rewrites(cx: &Context<'_, '_>, column: &Column<'_>) -> Option<String> {
    let domain = domain(cx, &column.kind)?;
    let name = &column.kind;
    if domain.is_constrained {
        return Some(format!("`{name}` is a domain with a constraint, which is checked for each row"));
    }
    let volatile = domain.volatile.filter(|_| column.default.is_none())?;
    Some(format!("the default of the domain `{name}` is `{volatile}()`, which gives each row another value"))
}

/// Returns what scripts say about a type, if it is a domain.
fn domain(cx: &Context<'_, '_>, kind: &str) -> Option<Domain> {
    let mut found = Domain::default();
    let mut kind = kind.to_owned();
    // A domain may be over another domain.
    const DEEPEST: usize = 4;
    for depth in 0..DEEPEST {
        let name = kind.rsplit('.').next().unwrap_or_default().to_owned();
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if !is_name || BUILT_IN.contains(&name.as_str()) {
            return (depth > 0).then_some(found);
        }
        let mut constrained = false;
        let base = cx.events.definitions((cx.index, cx.at), &name, |change, _| match change {
            Change::AlterDomain { name: known, .. } if known.key == name => {
                constrained = true;
                None
            }
            Change::Create { what: "domain", name: known, words, .. } if known.key == name => Some(words.clone()),
            _ => None,
        });
        let Some(words) = base else { return (depth > 0).then_some(found) };
        let has = |words: &[String], wanted: &[&str]| words.windows(wanted.len()).any(|found| found == wanted);
        found.is_constrained |= constrained || has(&words, &["check"]) || has(&words, &["not", "null"]);
        let default = words.iter().position(|word| word == "default").map_or(&[][..], |at| &words[at + 1..]);
        let volatile = || default.iter().find(|word| is_volatile(cx, word)).cloned();
        found.volatile = found.volatile.or_else(volatile);
        kind = words.into_iter().find(|word| word != "as").unwrap_or_default();
    }
    Some(found)
}

/// Returns the function of a default that gives each row another value.
pub(super) fn volatile_in(cx: &Context<'_, '_>, default: Cursor<'_>) -> Option<String> {
    functions(default).into_iter().find(|name| is_volatile(cx, name))
}

/// Whether each call of a function may return another value. One that a script creates is VOLATILE unless it says
/// something else.
fn is_volatile(cx: &Context<'_, '_>, function: &str) -> bool {
    if VOLATILE.contains(&function) {
        return true;
    }
    let found = cx.events.definitions((cx.index, cx.at), function, |change, text| match change {
        Change::Create { what: "function", name, words, .. } if name.key == function => {
            let says = |wanted: &[&str]| words.windows(wanted.len()).any(|found| found == wanted);
            // The server replaces the call of a simple SQL function by its body.
            let is_inlined = says(&["language", "sql"]) && {
                let text = text.to_lowercase();
                !VOLATILE.iter().any(|name| text.contains(name))
            };
            Some(!says(&["immutable"]) && !says(&["stable"]) && !is_inlined)
        }
        _ => None,
    });
    found == Some(true)
}

/// How to add a column whose domain would rewrite the table.
pub(super) fn way(table: &Written, column: &Column<'_>) -> String {
    let name = &column.name.written;
    format!(
        "add `{name}` to `{table}` with the base type of the domain and without a default; then set its default, add the \
         condition of the domain as a `CHECK` with `NOT VALID`, fill the old rows in batches, and validate the check in a \
         later migration"
    )
}

/// Functions that give each row another value.
const VOLATILE: [&str; 14] = [
    "random",
    "gen_random_uuid",
    "uuidv4",
    "uuidv7",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "clock_timestamp",
    "timeofday",
    "nextval",
    "setval",
    "gen_random_bytes",
    "random_normal",
    "gen_salt",
];

/// The names of the functions that are called.
pub(super) fn functions(cursor: Cursor<'_>) -> Vec<String> {
    let pairs = cursor.tokens.windows(2);
    pairs
        .filter(|pair| pair[0].kind == Kind::Word && pair[1].kind == Kind::Open)
        .map(|pair| cursor.shown(pair[0]).to_lowercase())
        .collect()
}
