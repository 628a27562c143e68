//! Objects that are fully described by their definitions. The SQL for each kind returns rows of the same form: kind,
//! catalogue, oid, schema, name, relation, owner, privileges, definition, details.

mod attached;
mod foreign;
mod operator;
mod replication;
mod routine;
mod server;
mod text_search;

use std::borrow::Cow;

use lockgate_schema::{Meta, Name, Object, ObjectKind};

use super::acl::privileges;
use super::context::CatalogContext;
use super::relation::Relations;
use super::rows::{Row, rows};
use super::{Release, unknown};
use crate::backend::postgres::sql::literal;
use crate::error::Cause;

pub(super) use server::DEFAULT_PRIVILEGES;

/// The catalogue of default privileges.
const DEFAULT_ACL: u32 = 826;

/// Makes the queries for some kinds of objects.
type Queries = fn(Release) -> Vec<String>;

/// Whether one of the rare kinds exists, and the queries that read it. Planning those queries costs more than all such
/// checks, so the server plans only those that it needs.
const RARE: [(&str, Queries); 5] = [
    (
        "EXISTS (SELECT FROM pg_cast WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_operator WHERE oid >= 16384) \
         OR EXISTS (SELECT FROM pg_opfamily WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_opclass WHERE oid >= 16384) \
         OR EXISTS (SELECT FROM pg_amop WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_amproc WHERE oid >= 16384) \
         OR EXISTS (SELECT FROM pg_collation WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_conversion WHERE oid >= 16384)",
        operator::operators,
    ),
    (
        "EXISTS (SELECT FROM pg_ts_parser WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_ts_template WHERE oid >= 16384) \
         OR EXISTS (SELECT FROM pg_ts_dict WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_ts_config WHERE oid >= 16384)",
        |_| text_search::text_search(),
    ),
    ("EXISTS (SELECT FROM pg_foreign_data_wrapper) OR EXISTS (SELECT FROM pg_foreign_server)", |_| foreign::foreign()),
    (
        "EXISTS (SELECT FROM pg_publication) OR EXISTS (SELECT FROM pg_subscription) \
         OR EXISTS (SELECT FROM pg_event_trigger)",
        replication::replication,
    ),
    (
        "EXISTS (SELECT FROM pg_extension WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_language WHERE oid >= 16384) \
         OR EXISTS (SELECT FROM pg_am WHERE oid >= 16384) OR EXISTS (SELECT FROM pg_transform)",
        |_| server::server(),
    ),
];

/// The queries for common objects, each of which returns its rows as one text.
pub(super) fn queries(release: Release) -> Vec<String> {
    [routine::routines(), attached::attached(release)].iter().map(|kinds| all_rows(kinds)).collect()
}

/// The queries for rare kinds, each of which returns its rows as a field of XML, or nothing if there are none.
pub(super) fn rare_queries(release: Release) -> Vec<String> {
    RARE.iter()
        .map(|(exist, kinds)| {
            let query = literal(&super::wrapped(&all_rows(&kinds(release)), ROWS));
            format!("SELECT CASE WHEN {exist} THEN query_to_xml({query}, false, true, '')::text END")
        })
        .collect()
}

/// The name of the field with the rows of a rare kind.
pub(super) const ROWS: &str = "rows";

fn all_rows(kinds: &[String]) -> String {
    format!(
        "SELECT o.kind, o.class, o.id, o.schema, o.name, o.relation, o.owner, \
         CASE WHEN o.owner <> 0 THEN pg_get_userbyid(o.owner) END, o.acl, \
         CASE WHEN o.acl IS NOT NULL THEN acldefault(o.letter, o.owner) END, o.definition, o.details FROM ({}) o",
        kinds.join(" UNION ALL ")
    )
}

pub(super) fn read(
    context: &mut CatalogContext<'_>,
    relations: &Relations,
    answers: &[Cow<'_, str>],
    default_privileges: &str,
) -> Result<Vec<Object>, Cause> {
    let mut objects = Vec::new();
    for row in answers.iter().flat_map(|answer| rows(answer)) {
        objects.extend(object(context, relations, row?)?);
    }
    for row in rows(default_privileges) {
        let mut row = row?;
        context.see(DEFAULT_ACL, row.oid()?);
        let (role, for_role, of) = (row.oid()?, row.definition()?, row.text()?);
        // The name of the role that runs the migrations can differ between databases that are otherwise the same.
        let name = if context.is_own_role(role) { of } else { format!("{for_role}{of}") };
        let definition = format!("ALTER DEFAULT PRIVILEGES {name}");
        let meta = Meta { privileges: privileges(&row.list()?, &row.list()?)?, ..Meta::default() };
        let name = Name::plain(name);
        objects.push(Object { kind: ObjectKind::DefaultPrivileges, name, on: None, definition, meta });
    }
    objects.sort_by(|a, b| (a.kind, &a.name, &a.on).cmp(&(b.kind, &b.name, &b.on)));
    Ok(objects)
}

fn object(context: &mut CatalogContext<'_>, relations: &Relations, mut row: Row<'_>) -> Result<Option<Object>, Cause> {
    let word = row.text()?;
    let (class, oid) = (row.oid()?, row.oid()?);
    context.see(class, oid);
    let Some(name) = context.name(row.oid()?, row.text()?) else { return Ok(None) };
    let on = match row.oid()? {
        0 => None,
        relation => match relations.name(relation) {
            Some(name) => Some(name.clone()),
            // It belongs to one of Lockgate's tables.
            None => return Ok(None),
        },
    };
    let mut meta = context.owned_meta(class, oid, &mut row)?;
    let definition = row.definition()?.trim_end().to_owned();
    meta.details.extend(row.pairs()?);
    meta.details.sort();
    let kind = kind(&word).ok_or_else(|| unknown(&format!("the {word} {}", super::shown(&name))))?;
    Ok(Some(Object { kind, name, on, definition, meta }))
}

fn kind(word: &str) -> Option<ObjectKind> {
    Some(match word {
        "function" => ObjectKind::Function,
        "procedure" => ObjectKind::Procedure,
        "window function" => ObjectKind::WindowFunction,
        "aggregate" => ObjectKind::Aggregate,
        "trigger" => ObjectKind::Trigger,
        "rule" => ObjectKind::Rule,
        "policy" => ObjectKind::Policy,
        "statistics" => ObjectKind::Statistics,
        "cast" => ObjectKind::Cast,
        "operator" => ObjectKind::Operator,
        "operator family" => ObjectKind::OperatorFamily,
        "operator class" => ObjectKind::OperatorClass,
        "collation" => ObjectKind::Collation,
        "conversion" => ObjectKind::Conversion,
        "text search parser" => ObjectKind::TextSearchParser,
        "text search template" => ObjectKind::TextSearchTemplate,
        "text search dictionary" => ObjectKind::TextSearchDictionary,
        "text search configuration" => ObjectKind::TextSearchConfiguration,
        "foreign data wrapper" => ObjectKind::ForeignDataWrapper,
        "server" => ObjectKind::Server,
        "user mapping" => ObjectKind::UserMapping,
        "publication" => ObjectKind::Publication,
        "subscription" => ObjectKind::Subscription,
        "event trigger" => ObjectKind::EventTrigger,
        "extension" => ObjectKind::Extension,
        "language" => ObjectKind::Language,
        "access method" => ObjectKind::AccessMethod,
        "transform" => ObjectKind::Transform,
        _ => return None,
    })
}
