//! Enums, composites, domains, ranges and base types.

use std::collections::HashMap;

use lockgate_schema::{Constraint, Type, TypeKind};

use super::column::Columns;
use super::context::{CatalogContext, class};
use super::rows::{Row, rows};
use super::{Release, shown, unknown};
use crate::error::Cause;

/// Left out are the row types of tables, array types, and multiranges, which belong to their range.
pub(super) fn types(release: Release) -> String {
    let multirange = if release.0 >= 14 { "format_type(r.rngmultitypid, NULL)" } else { "NULL::text" };
    let subscript = if release.0 >= 14 { "NULLIF(t.typsubscript, 0)::regproc::text" } else { "NULL::text" };
    format!(
        "SELECT t.oid, t.typnamespace, t.typname, t.typtype, t.typowner, pg_get_userbyid(t.typowner), t.typacl, \
         CASE WHEN t.typacl IS NOT NULL THEN acldefault('T', t.typowner) END, t.typisdefined, t.typrelid, \
         CASE WHEN t.typtype = 'e' THEN ARRAY(SELECT v.enumlabel FROM pg_enum v WHERE v.enumtypid = t.oid \
         ORDER BY v.enumsortorder) END, \
         CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END, t.typnotnull, \
         CASE WHEN t.typtype = 'd' THEN COALESCE(pg_get_expr(t.typdefaultbin, 0), quote_literal(t.typdefault)) END, \
         CASE WHEN t.typtype = 'd' AND t.typcollation <> (SELECT b.typcollation FROM pg_type b WHERE b.oid = t.typbasetype) \
         THEN (SELECT quote_ident(n.nspname) || '.' || quote_ident(l.collname) FROM pg_collation l \
         JOIN pg_namespace n ON n.oid = l.collnamespace WHERE l.oid = t.typcollation) END, \
         CASE t.typtype WHEN 'r' THEN (SELECT ARRAY['subtype', format_type(r.rngsubtype, NULL), \
         'operator class', (SELECT quote_ident(n.nspname) || '.' || quote_ident(o.opcname) FROM pg_opclass o \
         JOIN pg_namespace n ON n.oid = o.opcnamespace WHERE o.oid = r.rngsubopc), \
         'collation', CASE WHEN r.rngcollation <> 0 THEN (SELECT quote_ident(n.nspname) || '.' || quote_ident(l.collname) \
         FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace WHERE l.oid = r.rngcollation) END, \
         'canonical', NULLIF(r.rngcanonical, 0)::regproc::text, 'subtype diff', NULLIF(r.rngsubdiff, 0)::regproc::text, \
         'multirange', {multirange}] FROM pg_range r WHERE r.rngtypid = t.oid) \
         WHEN 'b' THEN ARRAY['input', t.typinput::regproc::text, 'output', t.typoutput::regproc::text, \
         'receive', NULLIF(t.typreceive, 0)::regproc::text, 'send', NULLIF(t.typsend, 0)::regproc::text, \
         'typmod in', NULLIF(t.typmodin, 0)::regproc::text, 'typmod out', NULLIF(t.typmodout, 0)::regproc::text, \
         'analyze', NULLIF(t.typanalyze, 0)::regproc::text, 'subscript', {subscript}, \
         'length', t.typlen::text, 'by value', t.typbyval::text, 'alignment', t.typalign::text, \
         'storage', t.typstorage::text, 'category', t.typcategory::text, 'preferred', t.typispreferred::text, \
         'delimiter', t.typdelim::text, 'default', t.typdefault, 'element', CASE WHEN t.typelem <> 0 THEN \
         format_type(t.typelem, NULL) END, 'collatable', (t.typcollation <> 0)::text] END \
         FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid WHERE t.oid >= 16384 AND t.typtype <> 'm' \
         AND (t.typrelid = 0 OR c.relkind = 'c') \
         AND NOT EXISTS (SELECT FROM pg_type b WHERE b.oid = t.typelem AND b.typarray = t.oid) \
         AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = 1247 AND e.objid = t.oid AND e.deptype = 'e')"
    )
}

pub(super) fn read(
    context: &mut CatalogContext<'_>,
    columns: &mut Columns,
    mut constraints: HashMap<u32, Vec<Constraint>>,
    answer: &str,
) -> Result<Vec<Type>, Cause> {
    let mut types = Vec::new();
    for row in rows(answer) {
        types.extend(one(context, columns, &mut constraints, row?)?);
    }
    types.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(types)
}

fn one(
    context: &mut CatalogContext<'_>,
    columns: &mut Columns,
    constraints: &mut HashMap<u32, Vec<Constraint>>,
    mut row: Row<'_>,
) -> Result<Option<Type>, Cause> {
    let oid = row.oid()?;
    context.see(class::TYPE, oid);
    let Some(name) = context.name(row.oid()?, row.text()?) else { return Ok(None) };
    let letter = row.letter()?;
    let mut meta = context.owned_meta(class::TYPE, oid, &mut row)?;
    let (defined, relation) = (row.flag()?, row.oid()?);
    let (labels, base, not_null) = (row.list()?, row.maybe()?, row.flag()?);
    let (default, collation, parts) = (row.maybe()?, row.maybe()?, row.pairs()?);
    let kind = match letter {
        _ if !defined => TypeKind::Defined { what: "shell", details: Vec::new() },
        'e' => TypeKind::Enum(labels),
        'c' => {
            context.see(class::RELATION, relation);
            // The type has the comment of a composite type; its relation has those of the attributes.
            TypeKind::Composite(columns.attributes.remove(&relation).unwrap_or_default())
        }
        'd' => {
            let constraints = constraints.remove(&oid).unwrap_or_default();
            let base = base.ok_or_else(|| super::gone(&name))?;
            TypeKind::Domain { base, not_null, default, collation, constraints }
        }
        'r' => TypeKind::Defined { what: "range", details: parts },
        'b' => TypeKind::Defined { what: "base", details: parts },
        other => return Err(unknown(&format!("the type {}, of kind `{other}`", shown(&name)))),
    };
    if let TypeKind::Composite(_) = kind {
        meta.details.extend(context.labels(class::RELATION, relation, 0));
    }
    Ok(Some(Type { name, kind, meta }))
}
