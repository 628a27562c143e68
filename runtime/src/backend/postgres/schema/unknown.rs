//! Makes sure that nothing was overlooked: an object that depends on something or has an owner, and that no query read,
//! is an error.

use super::context::CatalogContext;
use super::rows::rows;
use crate::error::Cause;

/// Every object that depends on something or has an owner, by catalogue. Left out are objects of extensions, inner
/// parts of other objects, and what is read with its owner: defaults (2604), members of operator families (2602, 2603),
/// the contents of publications (6106, 6237), TOAST tables, and the triggers of a partition that belong to the parent.
/// Large objects (2613) are data.
pub(super) const EVERYTHING: &str = "SELECT o.classid, array_agg(o.objid) FROM (\
     SELECT d.classid, d.objid FROM pg_depend d WHERE d.objid >= 16384 \
     UNION SELECT d.classid, d.objid FROM pg_shdepend d WHERE d.objid >= 16384 \
     AND d.dbid = (SELECT b.oid FROM pg_database b WHERE b.datname = current_database())) o \
     WHERE o.classid NOT IN (2602, 2603, 2604, 2613, 6106, 6237) \
     AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = o.classid AND e.objid = o.objid AND e.objsubid = 0 \
     AND (e.deptype IN ('e', 'i') OR (e.classid = 2620 AND e.deptype = 'P'))) \
     AND NOT (o.classid = 1259 AND EXISTS (SELECT FROM pg_class c WHERE c.oid = o.objid AND \
     (c.relnamespace = 99 OR (c.relpersistence = 't' AND c.relnamespace <> pg_my_temp_schema())))) \
     GROUP BY o.classid";

/// Finds the objects that exist and were not read.
pub(super) fn unseen(context: &CatalogContext<'_>, everything: &str) -> Result<Vec<(u32, u32)>, Cause> {
    let mut found = Vec::new();
    for row in rows(everything) {
        let mut row = row?;
        let class = row.oid()?;
        let oids = row.list()?;
        let oids = oids.iter().filter_map(|oid| oid.parse().ok());
        found.extend(oids.filter(|&oid| !context.has_seen(class, oid)).map(|oid| (class, oid)));
    }
    found.sort_unstable();
    Ok(found)
}

/// Names them for people. Objects that are gone by now, or are in another session's temporary schema, are left out.
pub(super) fn named(unseen: &[(u32, u32)]) -> String {
    let list: Vec<_> = unseen.iter().take(100).map(|(class, oid)| format!("({class}::oid, {oid}::oid)")).collect();
    format!(
        "SELECT i.type, i.identity, o.class::regclass FROM (VALUES {}) o (class, oid), \
         pg_identify_object(o.class, o.oid, 0) i \
         WHERE COALESCE(i.identity, '') !~ '(^| on )pg_temp_' AND COALESCE(i.schema, '') !~ '^pg_temp_' \
         AND i.type IS NOT NULL",
        list.join(", ")
    )
}
