//! What a migration has changed, as checks of its test: what is true before it, and what is true after it.

use lockgate_schema::{Column, Constraint, ConstraintKind, Name, ObjectKind, Schema, Table, TypeKind};
use lockgate_source::core::Dialect;

use super::rows;

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expectation {
    /// A call of the harness, without the `.await`: `db.expect_table("users")`.
    Call(String),
    /// A query that is true.
    Query(String),
    /// A query with one value, which is different after the migration. The values are those of the two databases.
    Value(String),
}

impl Expectation {
    /// The statement of Rust, without the `.await`.
    pub(super) fn rust(&self) -> String {
        match self {
            Self::Call(call) => call.clone(),
            Self::Query(query) | Self::Value(query) => format!("db.is_true({query:?})"),
        }
    }
}

/// Whether a value may be another in another release of the server. It is checked if nothing else is.
pub(super) fn is_of_release(query: &str) -> bool {
    ["pg_get_viewdef", "pg_get_functiondef"].iter().any(|function| query.contains(function))
}

/// The query that is true where the query of [`Expectation::Value`] has this value.
pub(super) fn has_value(query: &str, value: &str) -> String {
    match query.strip_prefix("SELECT ").and_then(|rest| rest.split_once(" FROM ")) {
        Some((expression, rest)) => format!("SELECT {expression} = {} FROM {rest}", literal(value)),
        None => format!("SELECT ({query}) = {}", literal(value)),
    }
}

/// What is true of `here` and not of `there`. With `any_dialect`, only what can be said of every database.
pub(super) fn of(here: &Schema, there: &Schema, any_dialect: bool) -> Vec<Expectation> {
    let mut found = Vec::new();
    tables(here, there, any_dialect, &mut found);
    for (object, kind) in [(here, ""), (there, "no_")] {
        let other = if kind.is_empty() { there } else { here };
        let mut call =
            |what: &str, name: &str| found.push(Expectation::Call(format!("db.expect_{kind}{what}({name:?})")));
        for view in object.views.iter().filter(|view| !other.views.iter().any(|known| known.name == view.name)) {
            call("view", &shown(&view.name));
        }
        for one in object.types.iter().filter(|one| !other.types.iter().any(|known| known.name == one.name)) {
            call("type", &shown(&one.name));
        }
        let is_trigger = |kind: ObjectKind| kind == ObjectKind::Trigger;
        for trigger in object.objects.iter().filter(|one| is_trigger(one.kind)) {
            if !other.objects.iter().any(|known| is_trigger(known.kind) && known.name == trigger.name) {
                call("trigger", &trigger.name.name);
            }
        }
    }
    for view in &here.views {
        let Some(other) = there.views.iter().find(|known| known.name == view.name) else { continue };
        let name = shown(&view.name);
        let has = |columns: &[Column], one: &Column| columns.iter().any(|known| known.name == one.name);
        let new = view.columns.iter().filter(|one| !has(&other.columns, one));
        found.extend(new.map(|column| call("expect_column", &[&name, &column.name])));
        let gone = other.columns.iter().filter(|one| !has(&view.columns, one));
        found.extend(gone.map(|column| call("expect_no_column", &[&name, &column.name])));
    }
    if !any_dialect && here.dialect == Dialect::Postgres {
        postgres(here, there, &mut found);
        values(here, there, &mut found);
    }
    found
}

/// What a test declares about rows and values that are deleted. The names are those before the migration.
pub(super) fn losses(before: &Schema, after: &Schema) -> [(&'static str, Vec<String>); 2] {
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for table in &before.tables {
        match after.tables.iter().find(|known| known.name == table.name) {
            None => rows.push(shown(&table.name)),
            Some(now) => {
                let gone =
                    table.columns.iter().filter(|column| !now.columns.iter().any(|known| known.name == column.name));
                values.extend(gone.map(|column| format!("{}.{}", shown(&table.name), column.name)));
            }
        }
    }
    [("LOSES_ROWS", rows), ("LOSES_VALUES", values)]
}

fn tables(here: &Schema, there: &Schema, any_dialect: bool, found: &mut Vec<Expectation>) {
    let of = |schema: &Schema, name: &Name| schema.tables.iter().find(|table| table.name == *name).cloned();
    for table in &here.tables {
        match of(there, &table.name) {
            None => {
                found.push(call("expect_table", &[&shown(&table.name)]));
                let indexes =
                    table.indexes.iter().map(|index| call("expect_index", &[&beside(&table.name, &index.name)]));
                found.extend(indexes);
            }
            Some(other) => table_differs(here, table, &other, any_dialect, found),
        }
    }
    for table in there.tables.iter().filter(|table| of(here, &table.name).is_none()) {
        found.push(call("expect_no_table", &[&shown(&table.name)]));
    }
}

fn table_differs(here: &Schema, table: &Table, other: &Table, any_dialect: bool, found: &mut Vec<Expectation>) {
    let name = shown(&table.name);
    for column in &table.columns {
        match other.columns.iter().find(|known| known.name == column.name) {
            None => found.push(call("expect_column", &[&name, &column.name])),
            Some(known) => column_differs(here, table, column, known, any_dialect, found),
        }
    }
    for column in other.columns.iter().filter(|column| !table.columns.iter().any(|own| own.name == column.name)) {
        found.push(call("expect_no_column", &[&name, &column.name]));
    }
    for index in table.indexes.iter().filter(|index| !other.indexes.iter().any(|known| known.name == index.name)) {
        found.push(call("expect_index", &[&beside(&table.name, &index.name)]));
    }
    for index in other.indexes.iter().filter(|index| !table.indexes.iter().any(|known| known.name == index.name)) {
        found.push(call("expect_no_index", &[&beside(&table.name, &index.name)]));
    }
    let has = |table: &Table, one: &Constraint| {
        table.constraints.iter().any(|known| known.name == one.name && known.definition == one.definition)
    };
    let new: Vec<&Constraint> = table.constraints.iter().filter(|one| !has(other, one)).collect();
    let gone: Vec<&Constraint> = other.constraints.iter().filter(|one| !has(table, one)).collect();
    if here.dialect == Dialect::Sqlite && !any_dialect {
        for (constraint, is_here) in new.iter().map(|one| (one, true)).chain(gone.iter().map(|one| (one, false))) {
            let text = match (constraint.kind, constraint.definition.find("REFERENCES")) {
                (ConstraintKind::ForeignKey, Some(at)) => &constraint.definition[at..],
                (ConstraintKind::Check, _) => constraint.definition.as_str(),
                _ => continue,
            };
            let is = if is_here { "> 0" } else { "= 0" };
            found.push(Expectation::Query(format!(
                "SELECT instr(sql, {}) {is} FROM sqlite_schema WHERE type = 'table' AND name = {}",
                literal(text),
                literal(&table.name.name)
            )));
        }
    }
    constraints(&name, "expect_", &new, &gone, found);
    constraints(&name, "expect_no_", &gone, &new, found);
}

/// Checks for constraints that are new, or gone, and have no counterpart of the same name.
fn constraints(table: &str, expect: &str, these: &[&Constraint], others: &[&Constraint], found: &mut Vec<Expectation>) {
    for constraint in these {
        let name =
            constraint.name.as_ref().filter(|name| !others.iter().any(|other| other.name.as_ref() == Some(*name)));
        match (constraint.kind, name, &constraint.references) {
            (ConstraintKind::NotNull, _, _) => {}
            (ConstraintKind::PrimaryKey, _, _)
                if others.iter().any(|other| other.kind == constraint.kind && other.columns == constraint.columns) => {}
            (ConstraintKind::PrimaryKey, _, _) if expect == "expect_" => {
                found.push(Expectation::Call(format!("db.expect_primary_key({table:?}, &{:?})", constraint.columns)));
            }
            (ConstraintKind::PrimaryKey, _, _) if others.iter().any(|other| other.kind == constraint.kind) => {}
            (ConstraintKind::PrimaryKey, _, _) => found.push(call("expect_no_primary_key", &[table])),
            (_, Some(name), _) => found.push(call(&format!("{expect}constraint"), &[table, name])),
            (ConstraintKind::ForeignKey, None, Some(to)) => {
                let same = |other: &&&Constraint| {
                    other.columns == constraint.columns
                        && other.references.as_ref().is_some_and(|one| one.table == to.table)
                };
                if others.iter().find(same).is_some() {
                    continue;
                }
                let (columns, to) = (&constraint.columns, shown(&to.table));
                found.push(Expectation::Call(format!("db.{expect}foreign_key({table:?}, &{columns:?}, {to:?})")));
            }
            _ => {}
        }
    }
}

fn column_differs(
    here: &Schema,
    table: &Table,
    column: &Column,
    other: &Column,
    any_dialect: bool,
    found: &mut Vec<Expectation>,
) {
    if any_dialect {
        return;
    }
    if column.data_type != other.data_type && !column.data_type.is_empty() {
        found.push(call("expect_column_type", &[&shown(&table.name), &column.name, &column.data_type]));
    }
    match here.dialect {
        Dialect::Postgres => {
            let schema = table.name.schema.as_deref().unwrap_or("public");
            let place = format!(
                "FROM information_schema.columns WHERE table_schema = {} AND table_name = {} AND column_name = {}",
                literal(schema),
                literal(&table.name.name),
                literal(&column.name)
            );
            if column.not_null != other.not_null {
                let is = if column.not_null { "NO" } else { "YES" };
                found.push(Expectation::Query(format!("SELECT is_nullable = '{is}' {place}")));
            }
            if column.default != other.default {
                found.push(match &column.default {
                    Some(default) => {
                        Expectation::Query(format!("SELECT column_default = {} {place}", literal(default)))
                    }
                    None => Expectation::Query(format!("SELECT column_default IS NULL {place}")),
                });
            }
            if column.identity.is_some() != other.identity.is_some() {
                let is = if column.identity.is_some() { "YES" } else { "NO" };
                found.push(Expectation::Query(format!("SELECT is_identity = '{is}' {place}")));
            }
        }
        Dialect::Sqlite | Dialect::Mysql => {
            let place = format!(
                "FROM pragma_table_xinfo({}) WHERE name = {}",
                literal(&table.name.name),
                literal(&column.name)
            );
            if column.not_null != other.not_null {
                let is = u8::from(column.not_null);
                found.push(Expectation::Query(format!("SELECT \"notnull\" = {is} {place}")));
            }
            if column.default != other.default {
                let default = column.default.as_deref().map_or_else(|| "NULL".to_owned(), literal);
                found.push(Expectation::Query(format!("SELECT dflt_value IS {default} {place}")));
            }
        }
    }
}

/// What only PostgreSQL has.
fn postgres(here: &Schema, there: &Schema, found: &mut Vec<Expectation>) {
    let query = |text: String| Expectation::Query(text);
    for one in &here.types {
        let other = there.types.iter().find(|known| known.name == one.name);
        if let (TypeKind::Enum(values), Some(TypeKind::Enum(before))) = (&one.kind, other.map(|known| &known.kind))
            && values != before
        {
            let name = rows::name(&one.name);
            let values: Vec<String> = values.iter().map(|value| literal(value)).collect();
            found
                .push(query(format!("SELECT enum_range(NULL::{name})::text[] = ARRAY[{}]::text[]", values.join(", "))));
        }
    }
    let exists = |is_here: bool| if is_here { "IS NOT NULL" } else { "IS NULL" };
    for (one, other, is_here) in [(here, there, true), (there, here, false)] {
        for object in &one.objects {
            if other
                .objects
                .iter()
                .any(|known| known.kind == object.kind && known.name == object.name && known.on == object.on)
            {
                continue;
            }
            let name = rows::name(&object.name);
            found.extend(match object.kind {
                ObjectKind::Function | ObjectKind::Procedure | ObjectKind::Aggregate | ObjectKind::WindowFunction => {
                    // The name has the types of the arguments.
                    let (schema, rest) = (object.name.schema.as_deref(), object.name.name.as_str());
                    let schema = schema.map_or_else(String::new, |schema| format!("{}.", rows::quoted(schema)));
                    let (own, arguments) = rest.split_once('(').unwrap_or((rest, ")"));
                    let full = format!("{schema}{}({arguments}", rows::quoted(own));
                    Some(query(format!("SELECT to_regprocedure({}) {}", literal(&full), exists(is_here))))
                }
                ObjectKind::Extension => Some(query(format!(
                    "SELECT count(*) = {} FROM pg_extension WHERE extname = {}",
                    u8::from(is_here),
                    literal(&object.name.name)
                ))),
                ObjectKind::Policy => {
                    let table = object.on.as_ref().map(rows::name).unwrap_or_default();
                    Some(query(format!(
                        "SELECT count(*) = {} FROM pg_policy WHERE polname = {} AND polrelid = to_regclass({})",
                        u8::from(is_here),
                        literal(&object.name.name),
                        literal(&table)
                    )))
                }
                ObjectKind::Statistics => Some(query(format!(
                    "SELECT count(*) = {} FROM pg_statistic_ext WHERE stxname = {}",
                    u8::from(is_here),
                    literal(&object.name.name)
                ))),
                ObjectKind::Collation => {
                    Some(query(format!("SELECT to_regcollation({}) {}", literal(&name), exists(is_here))))
                }
                _ => None,
            });
        }
        for sequence in one.sequences.iter().filter(|one| !other.sequences.iter().any(|known| known.name == one.name)) {
            let name = literal(&rows::name(&sequence.name));
            found.push(query(format!("SELECT to_regclass({name}) {}", exists(is_here))));
        }
        for namespace in
            one.namespaces.iter().filter(|one| !other.namespaces.iter().any(|known| known.name == one.name))
        {
            let name = literal(&rows::quoted(&namespace.name));
            found.push(query(format!("SELECT to_regnamespace({name}) {}", exists(is_here))));
        }
    }
    for table in &here.tables {
        let Some(other) = there.tables.iter().find(|known| known.name == table.name) else { continue };
        let name = literal(&rows::name(&table.name));
        if table.row_security != other.row_security {
            let is = table.row_security != lockgate_schema::RowSecurity::Off;
            let forced = table.row_security == lockgate_schema::RowSecurity::Forced;
            found.push(query(format!(
                "SELECT relrowsecurity = {is} AND relforcerowsecurity = {forced} FROM pg_class WHERE oid = to_regclass({name})"
            )));
        }
        if table.meta.comment != other.meta.comment {
            let comment = table.meta.comment.as_deref().map_or_else(|| "NULL".to_owned(), literal);
            found.push(query(format!(
                "SELECT obj_description(to_regclass({name}), 'pg_class') IS NOT DISTINCT FROM {comment}"
            )));
        }
    }
}

/// What PostgreSQL says about objects that exist before and after, and are different.
fn values(here: &Schema, there: &Schema, found: &mut Vec<Expectation>) {
    let mut value = |query: String| found.push(Expectation::Value(query));
    for object in &here.objects {
        let same = |known: &&lockgate_schema::Object| {
            known.kind == object.kind && known.name == object.name && known.on == object.on
        };
        let Some(other) = there.objects.iter().find(same) else { continue };
        if other.definition == object.definition {
            continue;
        }
        let (name, on) = (literal(&object.name.name), literal(&object.on.as_ref().map(rows::name).unwrap_or_default()));
        match object.kind {
            ObjectKind::Function | ObjectKind::Procedure => {
                let schema =
                    object.name.schema.as_deref().map_or_else(String::new, |one| format!("{}.", rows::quoted(one)));
                let (own, arguments) = object.name.name.split_once('(').unwrap_or((&object.name.name, ")"));
                let full = literal(&format!("{schema}{}({arguments}", rows::quoted(own)));
                value(format!("SELECT md5(prosrc) FROM pg_proc WHERE oid = to_regprocedure({full})"));
                value(format!("SELECT md5(pg_get_functiondef(oid)) FROM pg_proc WHERE oid = to_regprocedure({full})"));
            }
            ObjectKind::Trigger => value(format!(
                "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = {name} AND tgrelid = to_regclass({on})"
            )),
            ObjectKind::Policy => {
                for part in ["polqual", "polwithcheck"] {
                    value(format!(
                        "SELECT pg_get_expr({part}, polrelid) FROM pg_policy WHERE polname = {name} AND polrelid = \
                         to_regclass({on})"
                    ));
                }
            }
            ObjectKind::Rule => value(format!(
                "SELECT pg_get_ruledef(oid) FROM pg_rewrite WHERE rulename = {name} AND ev_class = to_regclass({on})"
            )),
            _ => {}
        }
    }
    for view in &here.views {
        if there.views.iter().any(|known| known.name == view.name && known.definition != view.definition) {
            let name = literal(&rows::name(&view.name));
            value(format!("SELECT md5(pg_get_viewdef(oid)) FROM pg_class WHERE oid = to_regclass({name})"));
        }
    }
    for table in &here.tables {
        let Some(other) = there.tables.iter().find(|known| known.name == table.name) else { continue };
        let name = literal(&rows::name(&table.name));
        for index in &table.indexes {
            if other.indexes.iter().any(|known| known.name == index.name && known.definition != index.definition) {
                let full = Name { schema: table.name.schema.clone(), name: index.name.clone() };
                let full = literal(&rows::name(&full));
                value(format!("SELECT pg_get_indexdef(oid) FROM pg_class WHERE oid = to_regclass({full})"));
            }
        }
        for constraint in table.constraints.iter().filter_map(|one| one.name.as_ref().map(|name| (one, name))) {
            let (one, named) = (constraint.0, literal(constraint.1));
            if other.constraints.iter().any(|known| known.name == one.name && known.definition != one.definition) {
                value(format!(
                    "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = {named} AND conrelid = \
                     to_regclass({name})"
                ));
            }
        }
        for column in &table.columns {
            let Some(before) = other.columns.iter().find(|known| known.name == column.name) else { continue };
            if before.comment != column.comment {
                value(format!(
                    "SELECT coalesce(col_description(attrelid, attnum), '') FROM pg_attribute WHERE attrelid = \
                     to_regclass({name}) AND attname = {}",
                    literal(&column.name)
                ));
            }
        }
        if table.meta.privileges != other.meta.privileges {
            // Those of the owner are NULL or a list, depending on what was granted before, and differ between releases.
            value(format!(
                "SELECT coalesce(string_agg(concat_ws(' ', a.privilege_type, 'to', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE \
                 a.grantee::regrole::text END, CASE WHEN a.is_grantable THEN 'with grant option' END), ', ' ORDER BY \
                 a.grantee::regrole::text, a.privilege_type), '') FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = \
                 to_regclass({name}) AND a.grantee <> c.relowner"
            ));
        }
    }
}

fn call(function: &str, arguments: &[&str]) -> Expectation {
    let arguments: Vec<String> = arguments.iter().map(|argument| format!("{argument:?}")).collect();
    Expectation::Call(format!("db.{function}({})", arguments.join(", ")))
}

/// A name as the harness takes it.
fn shown(name: &Name) -> String {
    match &name.schema {
        Some(schema) if schema != "public" => format!("{schema}.{}", name.name),
        Some(_) | None => name.name.clone(),
    }
}

/// The name of something in the schema of a table.
fn beside(table: &Name, name: &str) -> String {
    shown(&Name { schema: table.schema.clone(), name: name.to_owned() })
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
