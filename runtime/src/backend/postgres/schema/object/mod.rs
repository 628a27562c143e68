//! Objects that are fully described by their definitions. The SQL for each kind returns rows of the same form: kind,
//! catalogue, oid, schema, name, relation, owner, privileges, definition, details.

mod attached;
mod foreign;
mod operator;
mod replication;
mod routine;
mod server;
mod text_search;

use lockgate_schema::{Meta, Name, Object, ObjectKind};

use super::acl::privileges;
use super::context::CatalogContext;
use super::relation::Relations;
use super::rows::{Row, rows};
use super::{Release, unknown};
use crate::error::Cause;

pub(super) use server::DEFAULT_PRIVILEGES;

/// The catalogue of default privileges.
const DEFAULT_ACL: u32 = 826;

/// Which of the rare kinds exist: a letter for each query of `rare`. Planning those queries costs more than all such
/// checks.
pub(super) const PRESENT: &str = "pg_catalog.concat(\
     EXISTS (SELECT FROM pg_catalog.pg_cast WHERE oid OPERATOR(pg_catalog.>=) 16384) \
     OR EXISTS (SELECT FROM pg_catalog.pg_operator WHERE oid OPERATOR(pg_catalog.>=) 16384) \
     OR EXISTS (SELECT FROM pg_catalog.pg_opfamily WHERE oid OPERATOR(pg_catalog.>=) 16384) \
     OR EXISTS (SELECT FROM pg_catalog.pg_opclass WHERE oid OPERATOR(pg_catalog.>=) 16384) \
     OR EXISTS (SELECT FROM pg_catalog.pg_amop WHERE oid OPERATOR(pg_catalog.>=) 16384) \
     OR EXISTS (SELECT FROM pg_catalog.pg_amproc WHERE oid OPERATOR(pg_catalog.>=) 16384) \
     OR EXISTS (SELECT FROM pg_catalog.pg_collation WHERE oid OPERATOR(pg_catalog.>=) 16384) \
     OR EXISTS (SELECT FROM pg_catalog.pg_conversion WHERE oid OPERATOR(pg_catalog.>=) 16384), \
     EXISTS (SELECT FROM pg_catalog.pg_ts_parser WHERE oid OPERATOR(pg_catalog.>=) 16384) \
     OR EXISTS (SELECT FROM pg_catalog.pg_ts_template WHERE oid OPERATOR(pg_catalog.>=) 16384) \
     OR EXISTS (SELECT FROM pg_catalog.pg_ts_dict WHERE oid OPERATOR(pg_catalog.>=) 16384) \
     OR EXISTS (SELECT FROM pg_catalog.pg_ts_config WHERE oid OPERATOR(pg_catalog.>=) 16384), \
     EXISTS (SELECT FROM pg_catalog.pg_foreign_data_wrapper) OR EXISTS (SELECT FROM pg_catalog.pg_foreign_server), \
     EXISTS (SELECT FROM pg_catalog.pg_publication) OR EXISTS (SELECT FROM pg_catalog.pg_subscription) \
     OR EXISTS (SELECT FROM pg_catalog.pg_event_trigger), \
     EXISTS (SELECT FROM pg_catalog.pg_extension WHERE oid OPERATOR(pg_catalog.>=) 16384) \
     OR EXISTS (SELECT FROM pg_catalog.pg_language WHERE oid OPERATOR(pg_catalog.>=) 16384) \
     OR EXISTS (SELECT FROM pg_catalog.pg_am WHERE oid OPERATOR(pg_catalog.>=) 16384) \
     OR EXISTS (SELECT FROM pg_catalog.pg_transform))";

/// The queries for common objects, and for each rare kind that exists.
pub(super) fn queries(release: Release, present: &str) -> Vec<String> {
    let rare = [
        operator::operators as fn(Release) -> Vec<String>,
        |_| text_search::text_search(),
        |_| foreign::foreign(),
        replication::replication,
        |_| server::server(),
    ];
    let rare = rare.iter().zip(present.chars()).filter(|(_, present)| *present == 't').map(|(kinds, _)| kinds(release));
    [routine::routines(), attached::attached(release)]
        .into_iter()
        .chain(rare)
        .map(|kinds| {
            format!(
                "SELECT o.kind, o.class, o.id, o.schema, o.name, o.relation, o.owner, \
             CASE WHEN o.owner <> 0 THEN pg_get_userbyid(o.owner) END, o.acl, \
             CASE WHEN o.acl IS NOT NULL THEN acldefault(o.letter, o.owner) END, o.definition, o.details FROM ({}) o",
                kinds.join(" UNION ALL ")
            )
        })
        .collect()
}

pub(super) fn read(
    context: &mut CatalogContext<'_>,
    relations: &Relations,
    answers: &[&str],
    default_privileges: &str,
) -> Result<Vec<Object>, Cause> {
    let mut objects = Vec::new();
    for row in answers.iter().flat_map(|answer| rows(answer)) {
        objects.extend(object(context, relations, row?)?);
    }
    for row in rows(default_privileges) {
        let mut row = row?;
        context.see(DEFAULT_ACL, row.oid()?);
        let name = row.text()?;
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
