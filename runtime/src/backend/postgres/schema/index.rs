//! Indexes, and the options of the indexes of constraints.

use lockgate_schema::{Detail, Index, Name, index_keys};

use super::column::Columns;
use super::context::{CatalogContext, class};
use super::detail;
use super::relation::{READABLE, Relations, setting};
use super::rows::{Row, rows};
use crate::error::Cause;

pub(super) fn indexes() -> String {
    format!(
        "SELECT i.indexrelid, x.relname, i.indrelid, CASE WHEN k.oid IS NULL THEN pg_get_indexdef(i.indexrelid) END, \
         k.oid, k.conname, i.indisunique, i.indisvalid AND i.indisready AND i.indislive, \
         i.indisclustered, i.indisreplident, \
         CASE WHEN k.oid IS NULL THEN i.indkey::text END, \
         i.indnkeyatts, x.reloptions, CASE WHEN x.reltablespace <> 0 THEN \
         (SELECT s.spcname FROM pg_tablespace s WHERE s.oid = x.reltablespace) END, \
         CASE WHEN k.oid IS NULL AND i.indexprs IS NOT NULL THEN ARRAY(SELECT a.attnum || ' to ' || a.attstattarget \
         FROM pg_attribute a WHERE a.attrelid = i.indexrelid AND a.attstattarget >= 0 ORDER BY a.attnum) END \
         FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class c ON c.oid = i.indrelid \
         LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x') \
         WHERE {READABLE} AND c.relkind <> 't'"
    )
}

/// Adds each index to its relation.
pub(super) fn read(
    context: &mut CatalogContext<'_>,
    relations: &mut Relations,
    columns: &Columns,
    answer: &str,
) -> Result<(), Cause> {
    for row in rows(answer) {
        index(context, relations, columns, row?)?;
    }
    let tables = relations.tables.values_mut().map(|table| &mut table.indexes);
    for list in tables.chain(relations.views.values_mut().map(|view| &mut view.indexes)) {
        list.sort_by(|a, b| a.name.cmp(&b.name));
    }
    relations.tables.values_mut().for_each(|table| table.options.sort());
    Ok(())
}

fn index(
    context: &mut CatalogContext<'_>,
    relations: &mut Relations,
    columns: &Columns,
    mut row: Row<'_>,
) -> Result<(), Cause> {
    let oid = row.oid()?;
    context.see(class::RELATION, oid);
    let (name, table, definition) = (row.text()?, row.oid()?, row.maybe()?);
    let (constraint, constraint_name) = (row.maybe()?, row.maybe()?);
    let (unique, valid, clustered, identity) = (row.flag()?, row.flag()?, row.flag()?, row.flag()?);
    let numbers = row.maybe()?.unwrap_or_default();
    let count = usize::try_from(row.int()?).unwrap_or_default();
    let (settings, tablespace, targets) = (row.list()?, row.maybe()?, row.list()?);
    let comment = context.comment(class::RELATION, oid, 0);
    let mut options = Vec::new();
    options.extend(tablespace.map(|name| detail("tablespace", name)));
    options.extend(clustered.then(|| detail("clustered", "true")));
    options.extend(identity.then(|| detail("replica identity", "true")));
    options.extend(context.labels(class::RELATION, oid, 0));
    if constraint.is_some() {
        // A constraint has no such list; its table has it, under the constraint's name.
        options.extend(settings.iter().map(|option| setting("", option)));
        options.extend(comment.map(|comment| detail("comment", comment)));
        options.extend((!valid).then(|| detail("valid", "false")));
        let of = constraint_name.unwrap_or_default();
        let place = |Detail { name, value }| detail(&format!("index of {of}: {name}"), value);
        if let Some(table) = relations.tables.get_mut(&table) {
            table.options.extend(options.into_iter().map(place));
        }
        return Ok(());
    }
    let definition = definition.ok_or_else(|| super::gone(&Name::plain(&name)))?;
    let definition = behind_table(&definition).to_owned();
    let mut written = index_keys(&definition).into_iter();
    let key = |number: &str| {
        let written = written.next()?;
        let column = number.parse().ok().and_then(|number| columns.names.get(&(table, number)));
        Some(column.cloned().unwrap_or_else(|| written.to_owned()))
    };
    let keys = numbers.split(' ').take(count).filter_map(key).collect();
    let above = relations.parents.get(&oid).and_then(|parents| parents.last());
    options.extend(above.map(|(_, parent)| detail("partition of", super::shown(parent))));
    options.extend(targets.into_iter().map(|target| detail("statistics", target)));
    options.sort();
    let index = Index { name, unique, definition, keys, valid, options, comment };
    if let Some(table) = relations.tables.get_mut(&table) {
        table.indexes.push(index);
    } else if let Some(view) = relations.views.get_mut(&table) {
        view.indexes.push(index);
    }
    Ok(())
}

/// Returns what follows `CREATE UNIQUE INDEX name ON ONLY schema.table`.
fn behind_table(definition: &str) -> &str {
    let mut quoted = false;
    let mark = " USING ";
    for (at, c) in definition.char_indices() {
        quoted ^= c == '"';
        if c == ' ' && !quoted && definition[at..].starts_with(mark) {
            return &definition[at + 1..];
        }
    }
    definition
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_names_are_not_keywords() {
        let check = |text, rest| assert_eq!(behind_table(text), rest);
        check("CREATE INDEX a ON public.t USING btree (a)", "USING btree (a)");
        check(
            "CREATE UNIQUE INDEX \" USING \" ON ONLY public.\"a \"\" USING b\" USING gin (\"x\")",
            "USING gin (\"x\")",
        );
    }
}
