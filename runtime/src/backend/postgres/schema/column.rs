//! The columns of tables and views, and the attributes of composite types.

use std::collections::HashMap;

use lockgate_schema::{Attribute, Column, Detail, Generated, Generation, Identity, Persistence};

use super::acl::privileges;
use super::context::{CatalogContext, class};
use super::relation::{READABLE, Relations, foreign_options, setting};
use super::rows::{Row, rows};
use super::{Release, detail};
use crate::error::Cause;

pub(super) fn columns(release: Release) -> String {
    let compression =
        if release.0 >= 14 { "CASE WHEN a.attcompression <> '' THEN a.attcompression END" } else { "NULL::\"char\"" };
    let options = foreign_options("a.attfdwoptions");
    format!(
        "SELECT a.attrelid, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, \
         a.attgenerated, CASE WHEN a.atthasdef THEN (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d \
         WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum) END, \
         CASE WHEN a.attcollation <> t.typcollation THEN (SELECT quote_ident(n.nspname) || '.' || \
         quote_ident(l.collname) FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace \
         WHERE l.oid = a.attcollation) END, a.attislocal OR a.attinhcount = 0, \
         CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage END, {compression}, \
         CASE WHEN a.attstattarget >= 0 THEN a.attstattarget END, a.attoptions, \
         CASE WHEN a.attfdwoptions IS NOT NULL THEN {options} END, a.attacl \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid LEFT JOIN pg_type t ON t.oid = a.atttypid \
         WHERE {READABLE} AND c.relkind IN ('r', 'p', 'f', 'v', 'm', 'c') AND a.attnum > 0 AND NOT a.attisdropped"
    )
}

/// The columns that do not yet belong to a relation.
pub(super) struct Columns {
    /// Names by relation and number.
    pub(super) names: HashMap<(u32, i64), String>,
    /// The attributes of composite types, by the relation of each type.
    pub(super) attributes: HashMap<u32, Vec<Attribute>>,
}

impl Columns {
    /// Reads all columns, and adds those of tables and views to their relations.
    pub(super) fn read(context: &CatalogContext<'_>, relations: &mut Relations, answer: &str) -> Result<Self, Cause> {
        let mut found: HashMap<u32, Vec<(i64, Column)>> = HashMap::new();
        let mut names = HashMap::new();
        for row in rows(answer) {
            let mut row = row?;
            let (relation, number) = (row.oid()?, row.int()?);
            let column = column(context, relations, (relation, number), row)?;
            names.insert((relation, number), column.name.clone());
            found.entry(relation).or_default().push((number, column));
        }
        let mut attributes = HashMap::new();
        for (relation, mut columns) in found {
            columns.sort_by_key(|(number, _)| *number);
            let columns = columns.into_iter().map(|(_, column)| column);
            if let Some(table) = relations.tables.get_mut(&relation) {
                table.columns = columns.collect();
            } else if let Some(view) = relations.views.get_mut(&relation) {
                view.columns = columns.collect();
            } else {
                let attribute = |Column { name, data_type, collation, comment, .. }| Attribute {
                    name,
                    data_type,
                    collation,
                    comment,
                };
                attributes.insert(relation, columns.map(attribute).collect());
            }
        }
        Ok(Self { names, attributes })
    }
}

fn column(
    context: &CatalogContext<'_>,
    relations: &Relations,
    at: (u32, i64),
    mut row: Row<'_>,
) -> Result<Column, Cause> {
    let (name, data_type, not_null) = (row.text()?, row.definition()?, row.flag()?);
    let (identity, generated) = (row.letter()?, row.letter()?);
    let (mut default, collation, local) = (row.maybe()?, row.maybe()?, row.flag()?);
    let mut options = Vec::new();
    match row.letter()? {
        ' ' => {}
        'p' => options.push(detail("storage", "plain")),
        'm' => options.push(detail("storage", "main")),
        'e' => options.push(detail("storage", "external")),
        'x' => options.push(detail("storage", "extended")),
        other => return Err(super::unknown(&format!("the storage `{other}` of column `{name}`"))),
    }
    match row.letter()? {
        ' ' => {}
        'p' => options.push(detail("compression", "pglz")),
        'l' => options.push(detail("compression", "lz4")),
        other => return Err(super::unknown(&format!("the compression `{other}` of column `{name}`"))),
    }
    options.extend(row.maybe()?.map(|target| detail("statistics", target)));
    options.extend(row.list()?.iter().map(|option| setting("", option)));
    options.extend(row.maybe()?.map(|value| detail("options", value)));
    options.extend(context.labels(class::RELATION, at.0, at.1));
    let privileges = privileges(&row.list()?, &[])?;
    let generation = match generated {
        ' ' => None,
        's' => Some(Generation::Stored),
        'v' => Some(Generation::Virtual),
        other => return Err(super::unknown(&format!("the column `{name}`, generated in the way `{other}`"))),
    };
    let generated = match generation {
        Some(generation) => default.take().map(|expression| Generated { generation, expression }),
        None => None,
    };
    let identity = match (identity, relations.identities.get(&at)) {
        ('a' | 'd', Some(sequence)) => {
            options.extend(of_sequence(relations, at.0, &name, sequence));
            Some(Identity { always: identity == 'a', options: sequence.options.clone() })
        }
        _ => None,
    };
    options.sort();
    Ok(Column {
        comment: context.comment(class::RELATION, at.0, at.1),
        name,
        data_type,
        not_null,
        default,
        generated,
        identity,
        collation,
        inherited: !local,
        options,
        privileges,
    })
}

/// The details of the sequence of an identity column.
fn of_sequence(
    relations: &Relations,
    table: u32,
    column: &str,
    sequence: &super::relation::IdentitySequence,
) -> Vec<Detail> {
    let Some(table) = relations.tables.get(&table) else { return Vec::new() };
    let mut found = Vec::new();
    let usual = format!("{}_{column}_seq", table.name.name);
    // The server shortens longer names in its own way.
    if sequence.name.schema != table.name.schema || (usual.len() < 64 && sequence.name.name != usual) {
        found.push(detail("sequence", super::shown(&sequence.name)));
    }
    if sequence.persistence != table.persistence {
        let word = match sequence.persistence {
            Persistence::Permanent => "permanent",
            Persistence::Unlogged => "unlogged",
            Persistence::Temporary => "temporary",
        };
        found.push(detail("sequence persistence", word));
    }
    found.extend(sequence.meta.comment.iter().map(|comment| detail("sequence comment", comment)));
    found.extend(sequence.meta.privileges.iter().map(|privilege| {
        let option = if privilege.grantable { " WITH GRANT OPTION" } else { "" };
        detail("sequence privilege", format!("{} TO {}{option}", privilege.privilege, privilege.grantee))
    }));
    found.extend(sequence.meta.details.iter().map(|label| detail(&format!("sequence {}", label.name), &label.value)));
    found
}
