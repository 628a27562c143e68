//! Reads the block of each kind of object, except tables.

use lockgate_core::Dialect;

use super::Wrong;
use super::line::{Node, name, quoted, value};
use super::property::{MetaReader, counting, is_end, nameless, no_lines, once, persistence, qualified, unknown};
use super::table::{self, column, constraint, index};
use crate::model::{Attribute, Name, Namespace, Object, ObjectKind, Owner, Schema, Sequence, Type, TypeKind, View};

/// The kinds of the objects that have no type of their own, as their blocks begin. A longer name comes before one that
/// is its prefix.
const KINDS: [(&str, ObjectKind); 29] = [
    ("extension", ObjectKind::Extension),
    ("collation", ObjectKind::Collation),
    ("conversion", ObjectKind::Conversion),
    ("language", ObjectKind::Language),
    ("function", ObjectKind::Function),
    ("procedure", ObjectKind::Procedure),
    ("aggregate", ObjectKind::Aggregate),
    ("window function", ObjectKind::WindowFunction),
    ("cast", ObjectKind::Cast),
    ("operator class", ObjectKind::OperatorClass),
    ("operator family", ObjectKind::OperatorFamily),
    ("operator", ObjectKind::Operator),
    ("access method", ObjectKind::AccessMethod),
    ("transform", ObjectKind::Transform),
    ("text search parser", ObjectKind::TextSearchParser),
    ("text search dictionary", ObjectKind::TextSearchDictionary),
    ("text search template", ObjectKind::TextSearchTemplate),
    ("text search configuration", ObjectKind::TextSearchConfiguration),
    ("foreign data wrapper", ObjectKind::ForeignDataWrapper),
    ("server", ObjectKind::Server),
    ("user mapping", ObjectKind::UserMapping),
    ("trigger", ObjectKind::Trigger),
    ("rule", ObjectKind::Rule),
    ("policy", ObjectKind::Policy),
    ("statistics", ObjectKind::Statistics),
    ("event trigger", ObjectKind::EventTrigger),
    ("publication", ObjectKind::Publication),
    ("subscription", ObjectKind::Subscription),
    ("default privileges", ObjectKind::DefaultPrivileges),
];

/// The kinds that have no owner.
const OWNERLESS: [ObjectKind; 10] = [
    ObjectKind::Cast,
    ObjectKind::AccessMethod,
    ObjectKind::Transform,
    ObjectKind::TextSearchParser,
    ObjectKind::TextSearchTemplate,
    ObjectKind::UserMapping,
    ObjectKind::Trigger,
    ObjectKind::Rule,
    ObjectKind::Policy,
    ObjectKind::DefaultPrivileges,
];

/// Adds the object of a block.
pub(super) fn add(schema: &mut Schema, node: &Node<'_>) -> Result<(), Wrong> {
    let owner = (schema.dialect == Dialect::Postgres).then_some(Owner::Database);
    let line = node.text;
    let after = |words: &str| line.strip_prefix(words).and_then(|rest| rest.strip_prefix(' '));
    if let Some(rest) = after("schema") {
        let (name, rest) = name(rest).ok_or_else(|| nameless(node))?;
        is_end(node, rest)?;
        let mut meta = MetaReader::new("a schema", owner);
        node.below.iter().try_for_each(|part| meta.must(part))?;
        schema.namespaces.push(Namespace { name, meta: meta.whole() });
    } else if let Some(rest) = after("table") {
        schema.tables.push(table::table(node, rest, owner, schema.dialect)?);
        return Ok(());
    } else if let Some((rest, materialized)) =
        after("view").map(|rest| (rest, false)).or_else(|| after("materialized view").map(|rest| (rest, true)))
    {
        schema.views.push(view(node, rest, materialized, owner, schema.dialect)?);
        return Ok(());
    } else if let Some(rest) = after("sequence") {
        schema.sequences.push(sequence(node, rest, owner)?);
    } else if let Some(made) = made_type(node, owner.clone())? {
        schema.types.push(made);
    } else {
        let found = KINDS.iter().find_map(|(label, kind)| Some((*kind, after(label)?)));
        let Some((kind, rest)) = found else {
            return Err(node.wrong(format!("`{line}` is not an object that this release knows")));
        };
        schema.objects.push(object(node, kind, rest, owner)?);
        return Ok(());
    }
    no_lines(node)
}

fn sequence(node: &Node<'_>, rest: &str, owner: Option<Owner>) -> Result<Sequence, Wrong> {
    let (name, rest) = qualified(node, rest)?;
    let (persistence, rest) = persistence(rest);
    let (mut counts, mut owned_by) = (None, None);
    if let Some(words) = rest.strip_prefix(" AS ") {
        counts = Some(words.to_owned());
    } else {
        is_end(node, rest)?;
    }
    let mut meta = MetaReader::new("a sequence", owner);
    for part in &node.below {
        if let Some(words) = value(part, "AS")? {
            counts = Some(words);
        } else if let Some(by) = value(part, "owned by")? {
            owned_by = Some(owner_of_sequence(part, &by)?);
        } else {
            meta.must(part)?;
        }
    }
    let counts =
        counts.ok_or_else(|| node.wrong("a sequence must have a type, as in `sequence public.s AS bigint`"))?;
    Ok(Sequence { name, options: counting(&counts, ""), persistence, owned_by, meta: meta.whole() })
}

/// Reads `public.users.id`.
fn owner_of_sequence(node: &Node<'_>, text: &str) -> Result<(Name, String), Wrong> {
    let (first, rest) = name(text).ok_or_else(|| nameless(node))?;
    let (second, rest) = rest.strip_prefix('.').and_then(name).ok_or_else(|| nameless(node))?;
    match rest.strip_prefix('.') {
        None => is_end(node, rest).map(|()| (Name::plain(first), second)),
        Some(more) => {
            let (third, rest) = name(more).ok_or_else(|| nameless(node))?;
            is_end(node, rest).map(|()| (Name::qualified(first, second), third))
        }
    }
}

/// Reads an enum, a composite, a domain or a type with a definition.
fn made_type(node: &Node<'_>, owner: Option<Owner>) -> Result<Option<Type>, Wrong> {
    let Some((label, rest)) = node.text.split_once(' ') else { return Ok(None) };
    if !["enum", "composite", "domain", "type"].contains(&label) {
        return Ok(None);
    }
    let (name, rest) = qualified(node, rest)?;
    let mut meta = MetaReader::new("a type", owner);
    let mut kind = match label {
        "enum" => is_end(node, rest).map(|()| TypeKind::Enum(Vec::new()))?,
        "composite" => is_end(node, rest).map(|()| TypeKind::Composite(Vec::new()))?,
        "domain" => {
            let head = table::head(node, rest)?;
            head.is_plain(node)?;
            let (base, not_null, default, collation) = (head.data_type, head.not_null, head.default, head.collation);
            TypeKind::Domain { base, not_null, default, collation, constraints: Vec::new() }
        }
        _ => {
            let what = rest.strip_prefix(" AS ").unwrap_or_default();
            let known = ["range", "base", "shell"].into_iter().find(|known| *known == what);
            let what = known.ok_or_else(|| node.wrong("a type must be `AS range`, `AS base` or `AS shell`"))?;
            TypeKind::Defined { what, details: Vec::new() }
        }
    };
    for part in &node.below {
        let line = part.text;
        match &mut kind {
            TypeKind::Enum(values) if line.starts_with("value ") => {
                let (value, rest) = quoted(&line["value ".len()..], '\'').ok_or_else(|| nameless(part))?;
                is_end(part, rest)?;
                part.is_all()?;
                values.push(value);
            }
            TypeKind::Composite(attributes) if line.starts_with("attribute ") => attributes.push(attribute(part)?),
            TypeKind::Domain { constraints, .. } if table::is_constraint(part) => {
                constraints.push(constraint(part, &[])?);
            }
            TypeKind::Domain { .. } if table::is_head(part) => {}
            TypeKind::Enum(_) | TypeKind::Composite(_) | TypeKind::Domain { .. } | TypeKind::Defined { .. } => {
                meta.must(part)?;
            }
        }
    }
    let meta = match &mut kind {
        TypeKind::Defined { details, .. } => {
            let (own, meta) = meta.end();
            *details = own;
            meta
        }
        TypeKind::Enum(_) | TypeKind::Composite(_) | TypeKind::Domain { .. } => meta.whole(),
    };
    Ok(Some(Type { name, kind, meta }))
}

fn attribute(node: &Node<'_>) -> Result<Attribute, Wrong> {
    let (name, rest) = name(&node.text["attribute ".len()..]).ok_or_else(|| nameless(node))?;
    let head = table::head(node, rest)?;
    head.is_plain(node)?;
    let mut comment = None;
    for part in node.below.iter().filter(|part| !table::is_head(part)) {
        match value(part, "comment")? {
            Some(text) => once(&mut comment, text, part)?,
            None => return Err(unknown(part, "an attribute")),
        }
    }
    no_lines(node)?;
    Ok(Attribute { name, data_type: head.data_type, collation: head.collation, comment })
}

fn view(
    node: &Node<'_>,
    rest: &str,
    materialized: bool,
    owner: Option<Owner>,
    dialect: Dialect,
) -> Result<View, Wrong> {
    let (name, rest) = qualified(node, rest)?;
    is_end(node, rest)?;
    let definition = definition(node)?;
    let mut meta = MetaReader::new("a view", owner);
    let (mut columns, mut indexes) = (Vec::new(), Vec::new());
    for part in &node.below {
        match part.text {
            line if line.starts_with("column ") => columns.push(column(part)?),
            line if line.starts_with("index ") => indexes.push(part),
            _ => meta.must(part)?,
        }
    }
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let indexes = indexes.into_iter().map(|part| index(part, &names, dialect)).collect::<Result<_, _>>()?;
    let (options, meta) = meta.end();
    Ok(View { name, materialized, definition, columns, indexes, options, meta })
}

/// The lines of a definition, which every view and object has.
fn definition(node: &Node<'_>) -> Result<String, Wrong> {
    let missing = || node.wrong(format!("`{}` has no definition: lines below it that begin with `|`", node.text));
    node.lines.clone().ok_or_else(missing)
}

fn object(node: &Node<'_>, kind: ObjectKind, rest: &str, owner: Option<Owner>) -> Result<Object, Wrong> {
    let definition = definition(node)?;
    let (name, on) = object_name(node, rest)?;
    let mut meta = MetaReader::new("an object", owner.filter(|_| !OWNERLESS.contains(&kind)));
    node.below.iter().try_for_each(|part| meta.must(part))?;
    Ok(Object { kind, name, on, definition, meta: meta.whole() })
}

/// Reads `public.add(integer, integer)`, `uuid-ossp` or `audit on public.users`.
fn object_name(node: &Node<'_>, text: &str) -> Result<(Name, Option<Name>), Wrong> {
    let plain = name(text);
    let (schema, rest) = match &plain {
        Some((schema, rest)) if rest.starts_with('.') => (Some(schema.clone()), &rest[1..]),
        _ => (None, text),
    };
    if let Some((own, rest)) = name(rest) {
        if let Some(on) = rest.strip_prefix(" on ") {
            let (on, rest) = qualified(node, on)?;
            is_end(node, rest)?;
            return Ok((Name { schema, name: own }, Some(on)));
        }
        if text.ends_with('"') && rest.is_empty() {
            return Ok((Name { schema, name: own }, None));
        }
    }
    if rest.is_empty() || rest.starts_with('"') {
        return Err(nameless(node));
    }
    Ok((Name { schema, name: rest.to_owned() }, None))
}
