//! The columns of tables: their types, defaults, identities and options.

use std::collections::BTreeSet;

use super::mention::{Mentioned, last_name};
use super::meta;
use super::options;
use super::sequence;
use crate::draft::step::{Hazard, Loss, Statement};
use crate::draft::write::{ident, literal, qualified};
use crate::model::{Column, Detail, Generation, Identity, Name, Privilege, Table, TableKind};

/// The word of `ALTER` for a table.
pub(super) fn alter(table: &Table) -> String {
    let word = if matches!(table.kind, TableKind::Foreign { .. }) { "FOREIGN TABLE" } else { "TABLE" };
    format!("ALTER {word} {}", qualified(&table.name))
}

/// A column as `CREATE TABLE` and `ADD COLUMN` write it.
pub(super) fn definition(it: &Column, with_default: bool) -> String {
    let mut text = format!("{} {}", ident(&it.name), it.data_type);
    text.extend(options::find(&it.options, "options").map(|options| format!(" OPTIONS ({options})")));
    text.extend(it.collation.iter().map(|collation| format!(" COLLATE {collation}")));
    if let Some(generated) = &it.generated {
        let when = match generated.generation {
            Generation::Stored => "STORED",
            Generation::Virtual => "VIRTUAL",
        };
        text.push_str(&format!(" GENERATED ALWAYS AS ({}) {when}", generated.expression));
    }
    if let Some(identity) = &it.identity {
        text.push_str(&format!(" {}", identity_words(identity, it)));
    }
    if let Some(default) = it.default.as_ref().filter(|_| with_default) {
        text.push_str(&format!(" DEFAULT {default}"));
    }
    text.push_str(if it.not_null { " NOT NULL" } else { "" });
    text
}

fn identity_words(identity: &Identity, column: &Column) -> String {
    let when = if identity.always { "ALWAYS" } else { "BY DEFAULT" };
    let mut words =
        sequence::options(&sequence::usual(&column.data_type, identity.options.increment), &identity.options);
    let name = options::find(&column.options, "sequence");
    words.splice(0..0, name.map(|name| format!("SEQUENCE NAME {name}")));
    let words = if words.is_empty() { String::new() } else { format!(" ({})", words.join(" ")) };
    format!("GENERATED {when} AS IDENTITY{words}")
}

/// Adds a column to an existing table.
pub(super) fn add(table: &Table, it: &Column) -> Vec<Statement> {
    let mut statement = Statement::new(format!("{} ADD COLUMN {}", alter(table), definition(it, true)));
    let fills_itself = it.default.is_some() || it.generated.is_some() || it.identity.is_some();
    if it.not_null && !fills_itself {
        statement.question = Some(format!("the value of {} in existing rows", shown(&table.name, &it.name)));
        statement = statement.with(Hazard::MayFail("the table has rows".to_owned()));
    }
    let differs = it.default.as_deref().is_some_and(is_volatile);
    if differs || it.identity.is_some() || it.generated.as_ref().is_some_and(|it| it.generation == Generation::Stored) {
        statement = statement.with(Hazard::Rewrites);
    }
    let mut found = vec![statement];
    found.extend(extras(table, it));
    found
}

/// Whether each row may get a value of its own by a default, so that the server computes all of them. A function with a
/// schema is one of the user, and volatile unless it was created otherwise.
fn is_volatile(default: &str) -> bool {
    let volatile =
        ["nextval", "random", "gen_random_uuid", "clock_timestamp", "timeofday", "setseed", "uuidv4", "uuidv7"];
    let default: String = default.split('\'').step_by(2).collect();
    default.match_indices('(').any(|(at, _)| {
        let is_of_name = |c: char| c.is_alphanumeric() || "_.\"".contains(c);
        let name = default[..at].rsplit(|c| !is_of_name(c)).next().unwrap_or_default();
        name.contains('.') || volatile.contains(&name) || name.starts_with("uuid_generate")
    })
}

/// The columns that a statement must write so that the server computes a stored expression again. It does not if it cannot
/// tell that one of them changes.
pub(super) fn written_for(table: &Table, expression: &str) -> Vec<String> {
    if !matches!(table.kind, TableKind::Ordinary | TableKind::Partitioned { .. }) {
        return Vec::new();
    }
    let mentioned = Mentioned::of(expression);
    let is_written = |it: &&Column| {
        let always = it.identity.as_ref().is_some_and(|identity| identity.always);
        mentioned.has_word(&it.name) && it.generated.is_none() && !always
    };
    table.columns.iter().filter(is_written).map(|it| it.name.clone()).collect()
}

/// Writes columns as they are, so that the server computes from them what it has stored.
pub(super) fn write_again(table: &Table, columns: &BTreeSet<String>) -> Statement {
    let columns: Vec<String> =
        columns.iter().map(|column| ident(column)).map(|name| format!("{name} = {name}")).collect();
    let statement = Statement::new(format!("UPDATE {} SET {}", qualified(&table.name), columns.join(", ")));
    statement.with(Hazard::MayFail("a new value does not fit".to_owned()))
}

/// What a new column has besides its definition.
pub(super) fn extras(table: &Table, it: &Column) -> Vec<Statement> {
    details(table, &initial(it), it)
}

/// The column as its definition alone makes it.
fn initial(it: &Column) -> Column {
    let given = |option: &&Detail| option.name == "options" || option.name == "sequence";
    Column {
        options: it.options.iter().filter(given).cloned().collect(),
        privileges: Vec::new(),
        comment: None,
        ..it.clone()
    }
}

pub(super) fn drop(table: &Table, it: &Column) -> Statement {
    let statement = Statement::new(format!("{} DROP COLUMN {}", alter(table), ident(&it.name)));
    // The values of a generated column can be computed again.
    if it.generated.is_some() { statement } else { statement.with(Hazard::Loses(Loss::Column)) }
}

/// The default of a column, if it differs.
pub(super) fn default(table: &Table, it: &Column) -> Statement {
    let what = match &it.default {
        Some(default) => format!("SET DEFAULT {default}"),
        None => "DROP DEFAULT".to_owned(),
    };
    Statement::new(format!("{} ALTER COLUMN {} {what}", alter(table), ident(&it.name)))
}

pub(super) fn drop_default(table: &Table, it: &Column) -> Statement {
    Statement::new(format!("{} ALTER COLUMN {} DROP DEFAULT", alter(table), ident(&it.name)))
}

/// Whether a column must be created again: an expression can be taken from a column, but not given to it.
pub(super) fn is_another(before: &Column, after: &Column) -> bool {
    match (&before.generated, &after.generated) {
        (None, Some(_)) => true,
        (Some(before), None) => before.generation == Generation::Virtual,
        (Some(old), Some(new)) => {
            old != new || before.data_type != after.data_type || before.collation != after.collation
        }
        (None, None) => false,
    }
}

/// Whether the values of a column get another type.
pub(super) fn is_retyped(before: &Column, after: &Column) -> bool {
    before.data_type != after.data_type || before.collation != after.collation
}

/// Changes a column in place, but for its default.
pub(super) fn change(table: &Table, before: &Column, after: &Column) -> Vec<Statement> {
    let at = format!("{} ALTER COLUMN {}", alter(table), ident(&after.name));
    let mut found = Vec::new();
    if before.generated.is_some() && after.generated.is_none() {
        found.push(Statement::new(format!("{at} DROP EXPRESSION")));
    }
    if before.identity.is_some() && after.identity.is_none() {
        found.push(Statement::new(format!("{at} DROP IDENTITY")));
    }
    if before.not_null && !after.not_null {
        found.push(Statement::new(format!("{at} DROP NOT NULL")));
    }
    if is_retyped(before, after) {
        found.push(retype(table, before, after));
    }
    if !before.not_null && after.not_null {
        let mut statement = Statement::new(format!("{at} SET NOT NULL"));
        statement.question = Some(format!("the value of {} where it is NULL", shown(&table.name, &after.name)));
        found.push(statement.with(Hazard::MayFail("the column contains NULL".to_owned())));
    }
    match (&before.identity, &after.identity) {
        (None, Some(identity)) => {
            found.push(Statement::new(format!("{at} ADD {}", identity_words(identity, after))));
        }
        (Some(old), Some(new)) if old != new => {
            let mut words = Vec::new();
            if old.always != new.always {
                words.push(format!("SET GENERATED {}", if new.always { "ALWAYS" } else { "BY DEFAULT" }));
            }
            let retyped =
                is_retyped(before, after).then(|| sequence::usual(&new.options.data_type, new.options.increment));
            let base = retyped.unwrap_or_else(|| old.options.clone());
            words.extend(sequence::options(&base, &new.options).iter().map(|word| format!("SET {word}")));
            if !words.is_empty() {
                found.push(Statement::new(format!("{at} {}", words.join(" "))));
            }
        }
        _ => {}
    }
    found.extend(details(table, before, after));
    found
}

/// Gives the values of a column another type.
pub(super) fn retype(table: &Table, before: &Column, after: &Column) -> Statement {
    let collation = after.collation.iter().map(|collation| format!(" COLLATE {collation}"));
    let (name, data_type) = (ident(&after.name), &after.data_type);
    let mut sql = format!("{} ALTER COLUMN {name} TYPE {data_type}", alter(table));
    sql.extend(collation);
    // A foreign table has no values here.
    if !matches!(table.kind, TableKind::Foreign { .. }) {
        sql.extend(using(&name, &before.data_type, data_type).map(|expression| format!(" USING {expression}")));
    }
    let mut statement = Statement::new(sql);
    let before = &before.data_type;
    if before != data_type && !keeps_storage(before, data_type) {
        if !is_text(data_type) && !widens(before, data_type) {
            statement = statement.with(Hazard::MayFail("a value cannot be converted".to_owned()));
        }
        statement = statement.with(match is_same_in_utc(before, data_type) {
            true => Hazard::RewritesUnless("TimeZone is UTC".to_owned()),
            false => Hazard::Rewrites,
        });
        if rounds(before, data_type) {
            statement = statement.with(Hazard::Loses(Loss::Precision));
        }
    }
    statement
}

/// A type without its parameters, and these: `timestamp with time zone` and 3.
fn parsed(data_type: &str) -> (String, Vec<i32>) {
    let Some((start, rest)) = data_type.split_once('(') else { return (data_type.to_owned(), Vec::new()) };
    let (inner, end) = rest.split_once(')').unwrap_or((rest, ""));
    let numbers = inner.split(',').filter_map(|number| number.trim().parse().ok()).collect();
    (format!("{}{end}", start.trim_end()), numbers)
}

/// Whether the server changes the type and does not touch the rows, as it says of each pair of types.
fn keeps_storage(before: &str, after: &str) -> bool {
    let ((old, from), (new, to)) = (parsed(before), parsed(after));
    let texts = ["text", "character varying"];
    if texts.contains(&old.as_str()) && texts.contains(&new.as_str()) {
        return to.is_empty() || (!from.is_empty() && from <= to);
    }
    let grows = match (from.first(), to.first()) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(old), Some(new)) => old <= new,
    };
    match old.as_str() {
        "bit varying" => old == new && grows,
        // Six digits are all that a time has.
        _ if old == new && is_moment(&old) => grows || to == [6],
        "numeric" => {
            new == "numeric" && (to.is_empty() || (grows && scale(&from).is_some() && scale(&from) == scale(&to)))
        }
        _ if old.starts_with("interval") && new == "interval" => grows || to == [6],
        "cidr" => new == "inet",
        _ => false,
    }
}

/// Whether values with and without a time zone are stored alike where the zone of the session is UTC, as that of the driver
/// is. The server looks at the values if it has to round them.
fn is_same_in_utc(before: &str, after: &str) -> bool {
    let ((old, _), (new, to)) = (parsed(before), parsed(after));
    old != new && [old, new].iter().all(|it| it.starts_with("timestamp")) && (to.is_empty() || to == [6])
}

/// The digits behind the point, if they are limited.
fn scale(parameters: &[i32]) -> Option<i32> {
    parameters.first().map(|_| parameters.get(1).copied().unwrap_or(0))
}

/// Whether every value of one type is one of the other.
fn widens(before: &str, after: &str) -> bool {
    if let (Some(old), Some(new)) = (before.strip_suffix("[]"), after.strip_suffix("[]")) {
        return old == new || keeps_storage(old, new) || widens(old, new);
    }
    let ((old, from), (new, to)) = (parsed(before), parsed(after));
    match (old.as_str(), new.as_str()) {
        _ if keeps_storage(before, after) => true,
        ("numeric", "numeric") => {
            let (Some(old), Some(new)) = (scale(&from), scale(&to)) else { return to.is_empty() };
            old <= new && from[0] - old <= to[0] - new
        }
        ("smallint", "integer" | "bigint" | "real" | "double precision")
        | ("integer", "bigint" | "double precision")
        | ("real", "double precision")
        | ("jsonb", "json") => true,
        ("smallint" | "integer" | "bigint", "numeric") => to.is_empty(),
        ("date", "timestamp without time zone") => to.is_empty(),
        _ => false,
    }
}

/// The name of a type without its parameters.
fn base(data_type: &str) -> &str {
    data_type.split('(').next().unwrap_or_default()
}

/// Whether a type holds every text.
fn is_text(data_type: &str) -> bool {
    data_type == "text" || data_type == "character varying"
}

fn is_number(data_type: &str) -> bool {
    ["smallint", "integer", "bigint", "numeric", "real", "double precision"].contains(&base(data_type))
}

fn is_time(data_type: &str) -> bool {
    data_type.starts_with("timestamp") || data_type == "date"
}

/// Whether the values of a type, given without its parameters, have a fraction of a second.
fn is_moment(name: &str) -> bool {
    name.starts_with("time") || name.starts_with("interval")
}

/// Whether a conversion can change what a value says, and does not fail.
fn rounds(before: &str, after: &str) -> bool {
    if let (Some(old), Some(new)) = (before.strip_suffix("[]"), after.strip_suffix("[]")) {
        return parsed(old).0 == parsed(new).0 && rounds(old, new);
    }
    if keeps_storage(before, after) || widens(before, after) {
        return false;
    }
    let ((old, from), (new, to)) = (parsed(before), parsed(after));
    let exact = |name: &str| ["smallint", "integer", "bigint"].contains(&name);
    let float = |name: &str| ["real", "double precision"].contains(&name);
    let fraction = |name: &str| float(name) || name == "numeric";
    let text = |name: &str| ["text", "character varying", "character"].contains(&name);
    match (old.as_str(), new.as_str()) {
        (old, new) if exact(old) && exact(new) => false,
        (old, "numeric") if exact(old) => false,
        (old, new) if exact(old) && float(new) => true,
        ("numeric", "numeric") => match (scale(&from), scale(&to)) {
            (Some(old), Some(new)) => new < old,
            (None, Some(_)) => true,
            (_, None) => false,
        },
        (old, new) if fraction(old) && is_number(new) => true,
        (old, "money") => fraction(old),
        (old, "boolean") if exact(old) => true,
        // '007' is another text than 7.
        (old, new) if text(old) => {
            // A name has 63 bytes, and a character up to four.
            let is_short = from.first().is_some_and(|length| *length * 4 <= 63);
            is_number(new) || ["money", "boolean", "jsonb", "\"char\""].contains(&new) || (new == "name" && !is_short)
        }
        ("json", "jsonb") => true,
        (old, new) if is_moment(old) && is_moment(new) => {
            // Without a zone, or with another precision, or as a part of it.
            old != new || from.first().is_none_or(|old| to.first().is_some_and(|new| new < old))
        }
        (old, "date") => old.starts_with("timestamp"),
        _ => false,
    }
}

/// The expression that converts a value, unless the server has a conversion of its own. A value that is too long makes
/// that fail, where an expression would cut it.
fn using(name: &str, before: &str, after: &str) -> Option<String> {
    let texts = ["text", "character varying", "character"];
    let (old, new) = (base(before), base(after));
    let kin = old == new
        || texts.contains(&new)
        || (is_number(before) && is_number(after))
        || (is_time(before) && is_time(after))
        || matches!((old, new), ("json", "jsonb") | ("jsonb", "json"));
    if kin {
        return None;
    }
    let direct = texts.contains(&old) || matches!((old, new), ("integer", "boolean") | ("boolean", "integer"));
    Some(if direct { format!("{name}::{after}") } else { format!("{name}::text::{after}") })
}

/// Storage, compression, statistics, options, comment and privileges.
fn details(table: &Table, before: &Column, after: &Column) -> Vec<Statement> {
    let at = format!("{} ALTER COLUMN {}", alter(table), ident(&after.name));
    let mut found = Vec::new();
    let changed = |name: &str| {
        let (before, after) = (options::find(&before.options, name), options::find(&after.options, name));
        (before != after).then_some(after)
    };
    if let Some(storage) = changed("storage") {
        // The usual storage has no word before PostgreSQL 16.
        let word = storage.map_or_else(|| usual_storage(&after.data_type).to_owned(), |storage| storage.to_uppercase());
        found.push(Statement::new(format!("{at} SET STORAGE {word}")));
    }
    if let Some(compression) = changed("compression") {
        let word = compression.unwrap_or("default");
        found.push(Statement::new(format!("{at} SET COMPRESSION {word}")));
    }
    if let Some(statistics) = changed("statistics") {
        found.push(Statement::new(format!("{at} SET STATISTICS {}", statistics.unwrap_or("-1"))));
    }
    if let Some(options) = changed("options") {
        let old = options::find(&before.options, "options").unwrap_or_default();
        found.extend(options::foreign(&at, old, options.unwrap_or_default()));
    }
    found.extend(of_sequence(table, before, after));
    let own = |column: &Column| -> Vec<Detail> {
        let others = ["storage", "compression", "statistics", "options"];
        let is_own = |option: &&Detail| {
            !others.contains(&option.name.as_str())
                && !option.name.starts_with("sequence")
                && !option.name.starts_with("security label")
        };
        column.options.iter().filter(is_own).cloned().collect()
    };
    found.extend(options::reloptions(&at, &own(before), &own(after)));
    let object = format!("COLUMN {}.{}", qualified(&table.name), ident(&after.name));
    found.extend(meta::comment(&object, before.comment.as_deref(), after.comment.as_deref()));
    found.extend(meta::labels(&object, &before.options, &after.options));
    let columns = format!(" ({})", ident(&after.name));
    found.extend(meta::privileges(
        &format!("TABLE {}", qualified(&table.name)),
        &columns,
        &before.privileges,
        &after.privileges,
    ));
    found
}

/// The name, the comment and the privileges of the sequence of an identity column.
fn of_sequence(table: &Table, before: &Column, after: &Column) -> Vec<Statement> {
    let mut found = Vec::new();
    if after.identity.is_none() {
        return found;
    }
    let name = |column: &Column| sequence_name(table, column);
    if before.identity.is_some() && name(before) != name(after) {
        found.push(sequence::rename(&name(before), &name(after)));
    }
    let sequence = format!("SEQUENCE {}", qualified(&name(after)));
    let persistence = |column| options::find(column, "sequence persistence");
    if persistence(&before.options) != persistence(&after.options) {
        let word = if persistence(&after.options) == Some("unlogged") { "UNLOGGED" } else { "LOGGED" };
        found.push(Statement::new(format!("ALTER {sequence} SET {word}")));
    }
    let comment = |column| options::find(column, "sequence comment");
    found.extend(meta::comment(&sequence, comment(&before.options), comment(&after.options)));
    found.extend(meta::privileges(&sequence, "", &sequence_privileges(before), &sequence_privileges(after)));
    found
}

/// The name of the sequence of an identity column.
pub(super) fn sequence_name(table: &Table, it: &Column) -> Name {
    let own = options::find(&it.options, "sequence").map(last_name);
    let name = own.unwrap_or_else(|| format!("{}_{}_seq", table.name.name, it.name));
    Name { schema: table.name.schema.clone(), name }
}

/// Sets a sequence past the greatest value of a column that takes its values from it, so that the next row gets a new
/// one. An empty table changes nothing, and a sequence is never set back.
pub(super) fn past_existing(table: &Table, it: &Column, from: &Name, increment: i64) -> Option<Statement> {
    let is_whole = ["smallint", "integer", "bigint", "numeric"].contains(&base(&it.data_type));
    if !is_whole || matches!(table.kind, TableKind::Foreign { .. }) {
        return None;
    }
    let (last, beyond) = if increment < 0 { ("min", "<=") } else { ("max", ">=") };
    let cast = if base(&it.data_type) == "numeric" { "::bigint" } else { "" };
    let (sequence, column) = (qualified(from), ident(&it.name));
    Some(Statement::new(format!(
        "SELECT setval({}, {last}({column}){cast}) FROM {} HAVING {last}({column}) {beyond} (SELECT last_value FROM {sequence})",
        literal(&sequence),
        qualified(&table.name)
    )))
}

/// The privileges on the sequence of an identity column: `USAGE TO app WITH GRANT OPTION`.
fn sequence_privileges(column: &Column) -> Vec<Privilege> {
    let of = column.options.iter().filter(|option| option.name == "sequence privilege");
    of.filter_map(|option| {
        let bare = option.value.strip_suffix(" WITH GRANT OPTION");
        let (privilege, grantee) = bare.unwrap_or(&option.value).split_once(" TO ")?;
        Some(Privilege { grantee: grantee.to_owned(), privilege: privilege.to_owned(), grantable: bare.is_some() })
    })
    .collect()
}

fn usual_storage(data_type: &str) -> &'static str {
    let fixed = ["smallint", "integer", "bigint", "boolean", "real", "double precision", "date", "uuid", "oid"];
    match data_type {
        _ if fixed.contains(&data_type) || data_type.starts_with("time") => "PLAIN",
        _ if data_type.starts_with("numeric") || data_type == "inet" || data_type == "cidr" => "MAIN",
        _ => "EXTENDED",
    }
}

/// The name of a column for people.
pub(super) fn shown(table: &Name, column: &str) -> String {
    format!("{}.{column}", table.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_converted_without_being_cut() {
        let check =
            |before: &str, after: &str, wanted: Option<&str>| assert_eq!(using("a", before, after).as_deref(), wanted);
        check("text", "character varying(3)", None);
        check("integer", "text", None);
        check("bigint", "integer", None);
        check("text", "integer", Some("a::integer"));
        check("uuid", "bytea", Some("a::text::bytea"));
        check("integer[]", "bigint[]", Some("a::text::bigint[]"));
        check("timestamp(3) with time zone", "date", None);
    }

    #[test]
    fn it_is_known_what_a_conversion_loses() {
        for (before, after) in
            [("numeric", "integer"), ("double precision", "real"), ("timestamp with time zone", "date")]
        {
            assert!(rounds(before, after), "{before} to {after}");
        }
        for (before, after) in
            [("integer", "numeric"), ("date", "timestamp with time zone"), ("text", "date"), ("bigint", "integer")]
        {
            assert!(!rounds(before, after), "{before} to {after}");
        }
        for (before, after) in
            [("integer", "bigint"), ("character varying(3)", "text"), ("character varying(3)", "character varying(9)")]
        {
            assert!(widens(before, after), "{before} to {after}");
        }
        assert!(!widens("character varying(9)", "character varying(3)") && !widens("bigint", "integer"));
    }

    #[test]
    fn what_only_grows_is_neither_a_loss_nor_a_rewrite() {
        for (before, after) in [
            ("numeric(8,2)", "numeric(10,2)"),
            ("numeric(8,2)", "numeric"),
            ("timestamp(3) without time zone", "timestamp(6) without time zone"),
            ("timestamp(3) with time zone", "timestamp with time zone"),
            ("time without time zone", "time(6) without time zone"),
            ("interval(3)", "interval"),
            ("character varying(3)", "character varying(9)"),
            ("character varying(3)", "text"),
            ("bit varying(3)", "bit varying(9)"),
        ] {
            assert!(keeps_storage(before, after) && !rounds(before, after), "{before} to {after}");
        }
        for (before, after) in
            [("integer", "bigint"), ("numeric(8,2)", "numeric(10,3)"), ("text", "character varying(3)")]
        {
            assert!(!keeps_storage(before, after) && !rounds(before, after), "{before} to {after}");
        }
    }

    #[test]
    fn what_can_change_a_value_is_a_loss() {
        for (before, after) in [
            ("json", "jsonb"),
            ("interval", "interval(0)"),
            ("interval day to second", "interval year"),
            ("integer", "boolean"),
            ("bigint", "double precision"),
            ("text", "name"),
            ("real", "integer"),
            ("timestamp without time zone", "time without time zone"),
            ("numeric", "money"),
            ("text", "integer"),
            ("character varying(9)", "numeric(5,2)"),
            ("numeric(8,2)", "numeric(9,1)"),
            ("numeric", "numeric(9,1)"),
            ("real", "numeric"),
            ("timestamp(6) without time zone", "timestamp(3) without time zone"),
            ("numeric(8,2)[]", "numeric(8,1)[]"),
        ] {
            assert!(rounds(before, after), "{before} to {after}");
        }
    }

    #[test]
    fn a_default_that_differs_by_row_is_known() {
        for default in ["clock_timestamp()", "gen_random_uuid()", "nextval('public.s'::regclass)", "(app.f() || 'x')"] {
            assert!(is_volatile(default), "{default}");
        }
        for default in ["now()", "'a.b(c)'::text", "CURRENT_DATE", "(1 + 2)", "COALESCE(1, 2)"] {
            assert!(!is_volatile(default), "{default}");
        }
    }
}
