//! Constraints of tables and of domains.

use std::collections::HashMap;

use lockgate_schema::{Constraint, ConstraintKind, References};

use super::column::Columns;
use super::context::{CatalogContext, class};
use super::relation::{READABLE, Relations};
use super::rows::{Row, rows};
use crate::error::Cause;

pub(super) fn constraints() -> String {
    format!(
        "SELECT k.oid, k.conname, k.contype, k.conrelid, k.contypid, \
         CASE WHEN k.contype IN ('p', 'u', 'f', 'c', 'x', 'n') THEN pg_get_constraintdef(k.oid) END, k.conkey, \
         f.relnamespace, f.relname, k.confrelid, k.confkey, CASE WHEN EXISTS (SELECT FROM pg_depend e \
         WHERE e.classid = 1259 AND e.objid = k.confrelid AND e.deptype = 'e') THEN ARRAY(SELECT a.attname FROM \
         unnest(k.confkey) WITH ORDINALITY u (attnum, place) JOIN pg_attribute a ON a.attrelid = k.confrelid \
         AND a.attnum = u.attnum ORDER BY u.place) END, k.conislocal OR k.coninhcount = 0, k.convalidated, \
         k.connoinherit, COALESCE(p.conrelid = k.conrelid, false), \
         k.contype = 'f' AND EXISTS (SELECT FROM pg_trigger g WHERE g.tgconstraint = k.oid AND g.tgenabled <> 'O') \
         FROM pg_constraint k LEFT JOIN pg_class c ON c.oid = k.conrelid LEFT JOIN pg_class f ON f.oid = k.confrelid \
         LEFT JOIN pg_constraint p ON p.oid = k.conparentid AND k.conparentid <> 0 \
         WHERE k.oid >= 16384 AND (c.oid IS NULL OR ({READABLE}))"
    )
}

/// Adds the constraints of tables to their relations, and returns those of domains.
pub(super) fn read(
    context: &mut CatalogContext<'_>,
    relations: &mut Relations,
    columns: &Columns,
    answer: &str,
) -> Result<HashMap<u32, Vec<Constraint>>, Cause> {
    let mut of_domains: HashMap<u32, Vec<Constraint>> = HashMap::new();
    for row in rows(answer) {
        let mut row = row?;
        let oid = row.oid()?;
        context.see(class::CONSTRAINT, oid);
        let (name, letter) = (row.text()?, row.letter()?);
        let (table, domain) = (row.oid()?, row.oid()?);
        let kind = match letter {
            'p' => ConstraintKind::PrimaryKey,
            'u' => ConstraintKind::Unique,
            'f' => ConstraintKind::ForeignKey,
            'c' => ConstraintKind::Check,
            'x' => ConstraintKind::Exclude,
            'n' => ConstraintKind::NotNull,
            // The trigger is read instead.
            't' => continue,
            other => return Err(super::unknown(&format!("the constraint `{name}`, of kind `{other}`"))),
        };
        let constraint = constraint(context, columns, (oid, table), name, kind, row)?;
        let Some((constraint, own_words)) = constraint else { continue };
        if let Some(table) = relations.tables.get_mut(&table) {
            if kind != ConstraintKind::NotNull || own_words || !has_usual_name(&table.name.name, &constraint) {
                table.constraints.push(constraint);
            }
        } else if domain != 0 && kind != ConstraintKind::NotNull {
            of_domains.entry(domain).or_default().push(constraint);
        }
    }
    for list in of_domains.values_mut().chain(relations.tables.values_mut().map(|table| &mut table.constraints)) {
        list.sort_by(|a, b| (&a.name, &a.definition).cmp(&(&b.name, &b.definition)));
    }
    Ok(of_domains)
}

/// Returns a constraint, and whether it has more than the NOT NULL of its column. `None` for the constraints that the
/// server creates for each partition that a foreign key references, and for an inherited NOT NULL.
fn constraint(
    context: &CatalogContext<'_>,
    columns: &Columns,
    (oid, table): (u32, u32),
    name: String,
    kind: ConstraintKind,
    mut row: Row<'_>,
) -> Result<Option<(Constraint, bool)>, Cause> {
    let definition = row.definition()?;
    let keys = row.list()?;
    let name_of = |table: u32, key: &String| columns.names.get(&(table, key.parse().ok()?)).cloned();
    let (schema, target) = (row.maybe()?, row.maybe()?);
    let (target_oid, target_keys, names) = (row.oid()?, row.list()?, row.maybe_list()?);
    let (local, validated, no_inherit) = (row.flag()?, row.flag()?, row.flag()?);
    let (is_part, disabled) = (row.flag()?, row.flag()?);
    if is_part || (kind == ConstraintKind::NotNull && !local) {
        return Ok(None);
    }
    let references = schema.zip(target).and_then(|(schema, target)| {
        let table = context.name(schema.parse().ok()?, target)?;
        // Objects of an extension are not read, but may be referenced.
        let columns = names.unwrap_or_else(|| target_keys.iter().filter_map(|key| name_of(target_oid, key)).collect());
        Some(References { table, columns })
    });
    let comment = context.comment(class::CONSTRAINT, oid, 0);
    let own_words = !validated || no_inherit || comment.is_some();
    let constraint = Constraint {
        name: Some(name),
        kind,
        definition: if disabled { format!("{definition} (its triggers are disabled)") } else { definition },
        columns: keys.iter().filter_map(|key| name_of(table, key)).collect(),
        references,
        inherited: !local,
        comment,
    };
    Ok(Some((constraint, own_words)))
}

/// Whether a NOT NULL has the name that PostgreSQL 18 gives it. Older releases have none.
fn has_usual_name(table: &str, constraint: &Constraint) -> bool {
    let column = constraint.columns.first().map_or("", String::as_str);
    let usual = format!("{table}_{column}_not_null");
    // The server shortens a longer name in its own way, with the same ending.
    constraint.name.as_ref().is_none_or(|name| *name == usual || (usual.len() > 63 && name.ends_with("_not_null")))
}
