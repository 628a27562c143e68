//! Describes each kind of object as a block.

use super::name::{ident, literal, qualified, routine, word};
use super::{Clause, Form, Item};
use crate::difference::Class;
use crate::model::{
    Attribute, Column, Constraint, Detail, Generation, Identity, Index, Meta, Namespace, Object, ObjectKind, Owner,
    Persistence, Privilege, RowSecurity, Schema, Sequence, SequenceOptions, Table, TableKind, Type, TypeKind, View,
};

/// Returns every object as a block, sorted by kind and name.
pub(crate) fn describe(schema: &Schema) -> Vec<Item> {
    let (extensions, objects): (Vec<_>, Vec<_>) =
        schema.objects.iter().partition(|object| object.kind == ObjectKind::Extension);
    let mut blocks = Vec::new();
    let mut add = |mut group: Vec<Item>| {
        group.sort();
        blocks.extend(group);
    };
    add(schema.namespaces.iter().map(namespace).collect());
    add(extensions.into_iter().map(object).collect());
    add(schema.types.iter().map(made_type).collect());
    add(schema.sequences.iter().map(sequence).collect());
    add(schema.tables.iter().map(table).collect());
    add(schema.views.iter().map(view).collect());
    let mut kinds: Vec<ObjectKind> = objects.iter().map(|object| object.kind).collect();
    kinds.sort();
    kinds.dedup();
    for kind in kinds {
        add(objects.iter().filter(|object| object.kind == kind).map(|found| object(found)).collect());
    }
    blocks
}

fn namespace(namespace: &Namespace) -> Item {
    let mut item = Item::new("schema", Some(ident(&namespace.name)));
    meta(&mut item, &namespace.meta);
    item
}

fn made_type(made: &Type) -> Item {
    let name = Some(qualified(&made.name));
    let mut item;
    match &made.kind {
        TypeKind::Enum(values) => {
            item = Item::new("enum", name);
            item.parts = values.iter().map(|value| Item::new("value", Some(literal(value)))).collect();
        }
        TypeKind::Composite(attributes) => {
            item = Item::new("composite", name);
            item.parts = attributes.iter().map(attribute).collect();
        }
        TypeKind::Domain { base, not_null, default, collation, constraints } => {
            item = Item::new("domain", name);
            head(&mut item, base, collation.as_deref(), *not_null);
            item.say(Form::Inline, Class::Real, "DEFAULT", default.clone());
            item.parts = sorted_constraints(constraints);
        }
        TypeKind::Defined { what, details } => {
            item = Item::new("type", name);
            item.say(Form::Inline, Class::Real, "AS", Some((*what).to_owned()));
            options(&mut item, details);
        }
    }
    meta(&mut item, &made.meta);
    item
}

fn attribute(attribute: &Attribute) -> Item {
    let mut item = Item::new("attribute", Some(ident(&attribute.name)));
    head(&mut item, &attribute.data_type, attribute.collation.as_deref(), false);
    comment(&mut item, attribute.comment.as_deref());
    item
}

/// Starts the item of an object or a part that has a type.
fn head(item: &mut Item, data_type: &str, collation: Option<&str>, not_null: bool) {
    item.say(Form::Bare, Class::Real, "type", (!data_type.is_empty()).then(|| data_type.to_owned()));
    item.say(Form::Inline, Class::Real, "COLLATE", collation.map(str::to_owned));
    item.flag(Form::Inline, "NOT NULL", not_null);
}

fn sequence(sequence: &Sequence) -> Item {
    let mut item = Item::new("sequence", Some(qualified(&sequence.name)));
    item.say(Form::Inline, Class::Real, "AS", Some(counting(&sequence.options, None)));
    persistence(&mut item, sequence.persistence);
    let owned_by = sequence.owned_by.as_ref().map(|(table, column)| format!("{}.{}", qualified(table), ident(column)));
    item.say(Form::Line, Class::Real, "owned by", owned_by);
    meta(&mut item, &sequence.meta);
    item
}

/// Adds the options of a sequence: its type, unless it is the type of its column, and the options that are not the
/// default.
fn counting(options: &SequenceOptions, of_column: Option<&str>) -> String {
    let (min, max) = SequenceOptions::usual_range(&options.data_type, options.increment);
    let start = if options.increment < 0 { options.max } else { options.min };
    let mut words = Vec::new();
    if of_column != Some(options.data_type.as_str()) {
        words.push(options.data_type.clone());
    }
    for (word, value, usual) in [
        ("INCREMENT", options.increment, 1),
        ("MINVALUE", options.min, min),
        ("MAXVALUE", options.max, max),
        ("START", options.start, start),
        ("CACHE", options.cache, 1),
    ] {
        if value != usual {
            words.push(format!("{word} {value}"));
        }
    }
    if options.cycle {
        words.push("CYCLE".to_owned());
    }
    words.join(" ")
}

fn persistence(item: &mut Item, persistence: Persistence) {
    match persistence {
        Persistence::Permanent => {}
        Persistence::Unlogged => item.flag(Form::Inline, "UNLOGGED", true),
        Persistence::Temporary => item.flag(Form::Inline, "TEMPORARY", true),
    }
}

fn table(table: &Table) -> Item {
    let mut item = Item::new("table", Some(qualified(&table.name)));
    persistence(&mut item, table.persistence);
    let (word, value) = match &table.kind {
        TableKind::Ordinary => ("", None),
        TableKind::Partitioned { key } => ("partition by", Some(key.clone())),
        TableKind::Foreign { server } => ("foreign server", Some(ident(server))),
        TableKind::Virtual { module } => ("virtual, using", Some(module.clone())),
    };
    item.say(Form::Line, Class::Real, word, value);
    let partition = table.partition_of.as_ref();
    item.say(Form::Line, Class::Real, "partition of", partition.map(|partition| qualified(&partition.parent)));
    item.say(Form::Line, Class::Real, "partition bound", partition.map(|partition| partition.bound.clone()));
    let inherits: Vec<String> = table.inherits.iter().map(qualified).collect();
    item.say(Form::Line, Class::Real, "inherits", (!inherits.is_empty()).then(|| inherits.join(", ")));
    options(&mut item, &table.options);
    item.parts = table.columns.iter().map(column).collect();
    item.parts.extend(sorted_constraints(&table.constraints));
    item.parts.extend(sorted_indexes(&table.indexes));
    let row_security = match table.row_security {
        RowSecurity::Off => None,
        RowSecurity::Enabled => Some("enabled"),
        RowSecurity::Forced => Some("forced"),
    };
    item.say(Form::Line, Class::Real, "row level security", row_security.map(str::to_owned));
    meta(&mut item, &table.meta);
    item
}

fn column(column: &Column) -> Item {
    let mut item = Item::new("column", Some(ident(&column.name)));
    head(&mut item, &column.data_type, column.collation.as_deref(), column.not_null);
    item.flag(Form::Inline, "INHERITED", column.inherited);
    if let Some(identity) = &column.identity {
        item.say(Form::Inline, Class::Real, "IDENTITY", Some(identity_words(identity, &column.data_type)));
    }
    if let Some(generated) = &column.generated {
        let when = match generated.generation {
            Generation::Stored => "STORED",
            Generation::Virtual => "VIRTUAL",
        };
        item.say(Form::Inline, Class::Real, "GENERATED", Some(format!("AS ({}) {when}", generated.expression)));
    }
    item.say(Form::Inline, Class::Real, "DEFAULT", column.default.clone());
    options(&mut item, &column.options);
    privileges(&mut item, &column.privileges);
    comment(&mut item, column.comment.as_deref());
    item
}

fn identity_words(identity: &Identity, data_type: &str) -> String {
    let when = if identity.always { "ALWAYS" } else { "BY DEFAULT" };
    match counting(&identity.options, Some(data_type)) {
        counting if counting.is_empty() => when.to_owned(),
        counting => format!("{when} ({counting})"),
    }
}

/// Sorts constraints: the primary key first, then by kind, then by name.
fn sorted_constraints(constraints: &[Constraint]) -> Vec<Item> {
    let rank = |definition: &str| CONSTRAINTS.iter().position(|word| definition.starts_with(word));
    let mut sorted: Vec<(Option<usize>, Item)> =
        constraints.iter().map(|found| (rank(&found.definition), constraint(found))).collect();
    sorted.sort();
    sorted.into_iter().map(|(_, item)| item).collect()
}

/// The beginnings of definitions, in the order in which they are shown. The shown text decides the order, so that equal
/// texts are equal schemas.
const CONSTRAINTS: [&str; 6] = ["PRIMARY KEY", "UNIQUE", "FOREIGN KEY", "CHECK", "EXCLUDE", "NOT NULL"];

fn constraint(constraint: &Constraint) -> Item {
    let mut item = Item::new("constraint", constraint.name.as_deref().map(ident));
    item.say(Form::Bare, Class::Real, "definition", Some(constraint.definition.clone()));
    item.flag(Form::Line, "inherited", constraint.inherited);
    comment(&mut item, constraint.comment.as_deref());
    item
}

fn sorted_indexes(indexes: &[Index]) -> Vec<Item> {
    let mut sorted: Vec<Item> = indexes.iter().map(index).collect();
    sorted.sort();
    sorted
}

fn index(index: &Index) -> Item {
    let mut item = Item::new("index", Some(ident(&index.name)));
    item.flag(Form::Inline, "UNIQUE", index.unique);
    item.say(Form::Bare, Class::Real, "definition", Some(index.definition.clone()));
    item.flag(Form::Line, "invalid", !index.valid);
    options(&mut item, &index.options);
    comment(&mut item, index.comment.as_deref());
    item
}

fn view(view: &View) -> Item {
    let label = if view.materialized { "materialized view" } else { "view" };
    let mut item = Item::new(label, Some(qualified(&view.name)));
    item.say(Form::Text, Class::Real, "definition", Some(view.definition.clone()));
    options(&mut item, &view.options);
    item.parts = view.columns.iter().map(column).collect();
    item.parts.extend(sorted_indexes(&view.indexes));
    meta(&mut item, &view.meta);
    item
}

/// Returns the block of an object that has no type of its own.
pub(crate) fn object(object: &Object) -> Item {
    let class = match object.kind {
        ObjectKind::DefaultPrivileges => Class::Privileges,
        _ => Class::Real,
    };
    let schema = object.name.schema.iter().map(|schema| format!("{}.", ident(schema)));
    let name = match &object.on {
        Some(on) => schema.chain([ident(&object.name.name), format!(" on {}", qualified(on))]).collect(),
        None => schema.chain([routine(&object.name.name)]).collect(),
    };
    let mut item = Item::new(label(object.kind), Some(name));
    item.class = class;
    item.say(Form::Text, class, "definition", Some(object.definition.clone()));
    meta(&mut item, &object.meta);
    item
}

fn label(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Extension => "extension",
        ObjectKind::Collation => "collation",
        ObjectKind::Conversion => "conversion",
        ObjectKind::Language => "language",
        ObjectKind::Function => "function",
        ObjectKind::Procedure => "procedure",
        ObjectKind::Aggregate => "aggregate",
        ObjectKind::WindowFunction => "window function",
        ObjectKind::Cast => "cast",
        ObjectKind::Operator => "operator",
        ObjectKind::OperatorClass => "operator class",
        ObjectKind::OperatorFamily => "operator family",
        ObjectKind::AccessMethod => "access method",
        ObjectKind::Transform => "transform",
        ObjectKind::TextSearchParser => "text search parser",
        ObjectKind::TextSearchDictionary => "text search dictionary",
        ObjectKind::TextSearchTemplate => "text search template",
        ObjectKind::TextSearchConfiguration => "text search configuration",
        ObjectKind::ForeignDataWrapper => "foreign data wrapper",
        ObjectKind::Server => "server",
        ObjectKind::UserMapping => "user mapping",
        ObjectKind::Trigger => "trigger",
        ObjectKind::Rule => "rule",
        ObjectKind::Policy => "policy",
        ObjectKind::Statistics => "statistics",
        ObjectKind::EventTrigger => "event trigger",
        ObjectKind::Publication => "publication",
        ObjectKind::Subscription => "subscription",
        ObjectKind::DefaultPrivileges => "default privileges",
    }
}

fn meta(item: &mut Item, meta: &Meta) {
    options(item, &meta.details);
    comment(item, meta.comment.as_deref());
    // The owner of the database differs between databases, and is not a difference of the schema.
    if let Some(Owner::Role(role)) = &meta.owner {
        item.say(Form::Line, Class::Owner, "owner", Some(ident(role)));
    }
    privileges(item, &meta.privileges);
}

fn comment(item: &mut Item, comment: Option<&str>) {
    item.say(Form::Line, Class::Comment, "comment", comment.map(str::to_owned));
}

fn options(item: &mut Item, details: &[Detail]) {
    let mut details: Vec<&Detail> = details.iter().collect();
    details.sort();
    for Detail { name, value } in details {
        let value = (!value.is_empty()).then(|| format!("= {value}"));
        let word = format!("with {}", word(name));
        item.clauses.push(Clause { word, value, form: Form::Line, class: Class::Real });
    }
}

fn privileges(item: &mut Item, privileges: &[Privilege]) {
    let mut privileges: Vec<&Privilege> = privileges.iter().collect();
    privileges.sort();
    for Privilege { grantee, privilege, grantable } in privileges {
        let grantee = if grantee == "PUBLIC" { grantee.clone() } else { ident(grantee) };
        let word = format!("grant {} to {grantee}", word(privilege));
        let value = grantable.then(|| "with grant option".to_owned());
        item.clauses.push(Clause { word, value, form: Form::Line, class: Class::Privileges });
    }
}
