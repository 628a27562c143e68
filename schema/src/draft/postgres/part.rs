//! The parts of a schema that a draft creates, changes and drops one by one, and what each needs.

use std::collections::{BTreeMap, BTreeSet};

use super::index;
use super::key::Key;
use super::mention::{self, Mentioned, Names};
use crate::model::{
    Column, Constraint, ConstraintKind, Index, Name, Namespace, Object, ObjectKind, Schema, Sequence, Table, TableKind,
    Type, TypeKind, View,
};

/// A part as a value of the model.
#[derive(Clone, Copy, Debug)]
pub(super) enum Model<'a> {
    Namespace(&'a Namespace),
    Type(&'a Type),
    Sequence(&'a Sequence),
    Owned(&'a Sequence),
    Table(&'a Table),
    Parent(&'a Table),
    Marks(&'a Table),
    Column(&'a Table, &'a Column),
    Default(&'a Table, &'a Column),
    Constraint(&'a Table, &'a Constraint),
    /// Of a table or of a materialized view.
    Index(&'a Name, &'a Index),
    View(&'a View),
    Object(&'a Object),
}

/// One part with what it needs.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    pub(super) model: Model<'a>,
    /// It cannot exist without these.
    pub(super) needs: BTreeSet<Key>,
    /// It should be created after these. The server does not check the bodies of most functions.
    pub(super) prefers: BTreeSet<Key>,
}

/// The parts of one schema.
#[derive(Clone, Debug)]
pub(super) struct Parts<'a> {
    pub(super) all: BTreeMap<Key, Part<'a>>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(schema: &'a Schema) -> Self {
        let mut all = BTreeMap::new();
        for (key, model) in models(schema) {
            all.insert(key, Part { model, needs: BTreeSet::new(), prefers: BTreeSet::new() });
        }
        let mut names = Names::default();
        for key in all.keys() {
            names.add(key);
        }
        let extensions: BTreeSet<Key> =
            all.keys().filter(|key| matches!(key, Key::Object(ObjectKind::Extension, ..))).cloned().collect();
        let tables: BTreeMap<&Name, &Table> = schema.tables.iter().map(|table| (&table.name, table)).collect();
        let mut parts = Self { all };
        let keys: Vec<Key> = parts.all.keys().cloned().collect();
        for key in keys {
            let model = parts.all[&key].model;
            let mut needs = needs(model, &names, &tables);
            needs.certain.remove(&key);
            needs.certain.retain(|need| parts.all.contains_key(need));
            if !matches!(key, Key::Namespace(_) | Key::Object(ObjectKind::Extension, ..)) {
                needs.likely.extend(extensions.iter().cloned());
            }
            needs.likely.retain(|need| *need != key && !needs.certain.contains(need));
            if let Some(part) = parts.all.get_mut(&key) {
                part.needs = needs.certain;
                part.prefers = needs.likely;
            }
        }
        parts
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Part<'a>> {
        self.all.get(key)
    }
}

/// Every part of a schema. What a parent brings along is none: the inherited parts of a child.
fn models(schema: &Schema) -> Vec<(Key, Model<'_>)> {
    let mut found = Vec::new();
    found.extend(schema.namespaces.iter().map(|it| (Key::Namespace(it.name.clone()), Model::Namespace(it))));
    found.extend(schema.types.iter().map(|it| (Key::Type(it.name.clone()), Model::Type(it))));
    for it in &schema.sequences {
        found.push((Key::Sequence(it.name.clone()), Model::Sequence(it)));
        if it.owned_by.is_some() {
            found.push((Key::Owned(it.name.clone()), Model::Owned(it)));
        }
    }
    for table in &schema.tables {
        found.push((Key::Table(table.name.clone()), Model::Table(table)));
        if parents(table).next().is_some() {
            found.push((Key::Parent(table.name.clone()), Model::Parent(table)));
        }
        found.push((Key::Marks(table.name.clone()), Model::Marks(table)));
        for column in &table.columns {
            let (on, name) = (table.name.clone(), column.name.clone());
            if column.default.is_some() {
                found.push((Key::Default(on.clone(), name.clone()), Model::Default(table, column)));
            }
            found.push((Key::Column(on, name), Model::Column(table, column)));
        }
        for it in &table.constraints {
            let name = it.name.clone().unwrap_or_default();
            found.push((Key::Constraint(table.name.clone(), name), Model::Constraint(table, it)));
        }
        let indexes = table.indexes.iter();
        found
            .extend(indexes.map(|it| (Key::Index(table.name.clone(), it.name.clone()), Model::Index(&table.name, it))));
    }
    for view in &schema.views {
        found.push((Key::View(view.name.clone()), Model::View(view)));
        let indexes = view.indexes.iter();
        found.extend(indexes.map(|it| (Key::Index(view.name.clone(), it.name.clone()), Model::Index(&view.name, it))));
    }
    let key = |it: &Object| Key::Object(it.kind, it.name.clone(), it.on.clone());
    found.extend(schema.objects.iter().map(|it| (key(it), Model::Object(it))));
    found
}

/// What a part needs.
#[derive(Debug, Default)]
struct Needs {
    certain: BTreeSet<Key>,
    likely: BTreeSet<Key>,
}

fn needs(model: Model<'_>, names: &Names, tables: &BTreeMap<&Name, &Table>) -> Needs {
    let mut found = Needs::default();
    let in_schema = |found: &mut Needs, name: &Name| {
        found.certain.extend(name.schema.clone().map(Key::Namespace));
    };
    match model {
        Model::Namespace(_) => {}
        Model::Type(it) => {
            in_schema(&mut found, &it.name);
            found.certain.extend(names.in_texts(type_texts(&it.kind)));
        }
        Model::Sequence(it) => in_schema(&mut found, &it.name),
        Model::Owned(it) => {
            found.certain.insert(Key::Sequence(it.name.clone()));
            if let Some((table, column)) = &it.owned_by {
                found.certain.insert(Key::Column(table.clone(), column.clone()));
            }
        }
        Model::Table(it) => {
            in_schema(&mut found, &it.name);
            match &it.kind {
                TableKind::Partitioned { key } => found.certain.extend(names.in_texts([key.as_str()])),
                TableKind::Foreign { server } => {
                    found.certain.insert(Key::Object(ObjectKind::Server, Name::plain(server), None));
                }
                TableKind::Ordinary | TableKind::Virtual { .. } => {}
            }
            for option in &it.options {
                match option.name.as_str() {
                    "of type" => found.certain.extend(names.in_texts([option.value.as_str()])),
                    "access method" => {
                        let name = Name::plain(&option.value);
                        found.certain.insert(Key::Object(ObjectKind::AccessMethod, name, None));
                    }
                    _ => {}
                }
            }
        }
        Model::Parent(it) => {
            found.certain.insert(Key::Table(it.name.clone()));
            found.certain.extend(parents(it).cloned().map(Key::Table));
            // The server compares the columns of both.
            found.certain.extend(it.columns.iter().map(|column| Key::Column(it.name.clone(), column.name.clone())));
        }
        Model::Marks(it) => {
            found.certain.insert(Key::Table(it.name.clone()));
            let constraints = it.constraints.iter().filter_map(|constraint| constraint.name.clone());
            found.certain.extend(constraints.map(|name| Key::Constraint(it.name.clone(), name)));
            found.certain.extend(it.indexes.iter().map(|index| Key::Index(it.name.clone(), index.name.clone())));
        }
        Model::Column(table, it) => {
            found.certain.insert(Key::Table(table.name.clone()));
            found.certain.extend(names.in_texts([it.data_type.as_str()].into_iter().chain(it.collation.as_deref())));
            if let Some(generated) = &it.generated {
                let mentioned = Mentioned::of(&generated.expression);
                found.certain.extend(names.of(&mentioned));
                found.certain.extend(columns_in(&mentioned, table));
            }
            if it.inherited {
                found.certain.extend(parents(table).map(|parent| Key::Column(parent.clone(), it.name.clone())));
            }
        }
        Model::Default(table, it) => {
            found.certain.insert(Key::Column(table.name.clone(), it.name.clone()));
            found.certain.extend(names.in_texts(it.default.as_deref()));
        }
        Model::Constraint(table, it) => {
            found.certain.insert(Key::Table(table.name.clone()));
            found.certain.extend(it.columns.iter().map(|column| Key::Column(table.name.clone(), column.clone())));
            let mentioned = Mentioned::of(&it.definition);
            if let Some(references) = &it.references {
                found.certain.extend(referred(references.table.clone(), &references.columns, tables));
            } else {
                found.certain.extend(names.of(&mentioned));
                found.certain.extend(columns_in(&mentioned, table));
            }
            if it.inherited {
                let name = it.name.clone().unwrap_or_default();
                found.certain.extend(parents(table).map(|parent| Key::Constraint(parent.clone(), name.clone())));
            }
        }
        Model::Index(on, it) => {
            let mentioned = Mentioned::of(&it.definition);
            found.certain.extend(names.of(&mentioned));
            match tables.get(on) {
                Some(table) => {
                    found.certain.insert(Key::Table(on.clone()));
                    found.certain.extend(columns_in(&mentioned, table));
                    if let Some(above) = index::above(it) {
                        found.certain.extend(parents(table).map(|parent| Key::Index(parent.clone(), above.clone())));
                    }
                }
                None => {
                    found.certain.insert(Key::View(on.clone()));
                }
            }
        }
        Model::View(it) => {
            in_schema(&mut found, &it.name);
            let mentioned = Mentioned::of(&it.definition);
            let mut named = names.of(&mentioned);
            for column in &it.columns {
                named.extend(names.in_texts(column.default.as_deref()));
            }
            found.certain.extend(of_tables(&named, &mentioned, tables));
            found.certain.extend(named);
        }
        Model::Object(it) => object(it, names, tables, &mut found),
    }
    found
}

fn object(it: &Object, names: &Names, tables: &BTreeMap<&Name, &Table>, found: &mut Needs) {
    found.certain.extend(it.name.schema.clone().map(Key::Namespace));
    let (checked, body) = checked_part(it);
    let mentioned = Mentioned::of(checked);
    let mut named = names.of(&mentioned);
    // A definition names its own object, and so all of that name.
    let own = mention::short(it.kind, &it.name);
    named.retain(|key| match key {
        Key::Object(ObjectKind::OperatorFamily, ..) if it.kind == ObjectKind::OperatorClass => true,
        Key::Object(kind, name, None) => mention::short(*kind, name) != own || name.schema != it.name.schema,
        _ => true,
    });
    if let Some(on) = &it.on {
        let table = Key::Table(on.clone());
        named.insert(if tables.contains_key(on) { table } else { Key::View(on.clone()) });
    }
    let reads_columns = match it.kind {
        ObjectKind::Trigger
        | ObjectKind::Rule
        | ObjectKind::Policy
        | ObjectKind::Statistics
        | ObjectKind::Publication => true,
        ObjectKind::Function | ObjectKind::Procedure => body.is_none(),
        _ => false,
    };
    if reads_columns {
        found.certain.extend(of_tables(&named, &mentioned, tables));
    }
    match it.kind {
        ObjectKind::Extension => {
            let schema = it.definition.split(" WITH SCHEMA ").nth(1).and_then(|rest| rest.split(' ').next());
            found.certain.extend(schema.map(|schema| Key::Namespace(schema.trim_matches('"').to_owned())));
        }
        ObjectKind::DefaultPrivileges => {
            let schema = it.name.name.split("IN SCHEMA ").nth(1).and_then(|rest| rest.split(" ON ").next());
            found.certain.extend(schema.map(|schema| Key::Namespace(schema.trim_matches('"').to_owned())));
        }
        ObjectKind::Server => {
            let wrapper = it.definition.split(" FOREIGN DATA WRAPPER ").nth(1).and_then(|rest| rest.split(' ').next());
            let name = wrapper.map(|name| Name::plain(name.trim_matches('"')));
            found.certain.extend(name.map(|name| Key::Object(ObjectKind::ForeignDataWrapper, name, None)));
        }
        ObjectKind::UserMapping => {
            let server = it.name.name.split(" SERVER ").nth(1);
            let name = server.map(|name| Name::plain(name.trim_matches('"')));
            found.certain.extend(name.map(|name| Key::Object(ObjectKind::Server, name, None)));
        }
        ObjectKind::Transform => {
            let language = it.name.name.split(" LANGUAGE ").nth(1);
            let name = language.map(|name| Name::plain(name.trim_matches('"')));
            found.certain.extend(name.map(|name| Key::Object(ObjectKind::Language, name, None)));
        }
        ObjectKind::Function | ObjectKind::Procedure | ObjectKind::WindowFunction => {
            // The base type of a function of its own input comes after its shell, which is the same part.
            if let Some(language) =
                it.definition.split("\n LANGUAGE ").nth(1).and_then(|rest| rest.split_whitespace().next())
            {
                let name = Name::plain(language.trim_matches('"'));
                found.certain.insert(Key::Object(ObjectKind::Language, name, None));
            }
        }
        _ => {}
    }
    found.certain.extend(named);
    if let Some(body) = body {
        let mentioned = Mentioned::of(body);
        let named = names.in_body(&mentioned);
        found.likely.extend(of_tables(&named, &mentioned, tables));
        found.likely.extend(named);
    }
}

/// Divides a definition into what the server checks and the body of a function as a text, which it reads when it runs.
pub(super) fn checked_part(it: &Object) -> (&str, Option<&str>) {
    let is_routine = matches!(it.kind, ObjectKind::Function | ObjectKind::Procedure | ObjectKind::WindowFunction);
    match it.definition.find("\nAS ") {
        Some(at) if is_routine => (&it.definition[..at], Some(&it.definition[at..])),
        _ => (&it.definition, None),
    }
}

fn type_texts(kind: &TypeKind) -> Vec<&str> {
    match kind {
        TypeKind::Enum(_) => Vec::new(),
        TypeKind::Composite(attributes) => {
            let types = attributes.iter().map(|attribute| attribute.data_type.as_str());
            types.chain(attributes.iter().filter_map(|attribute| attribute.collation.as_deref())).collect()
        }
        TypeKind::Domain { base, default, collation, constraints, .. } => [base.as_str()]
            .into_iter()
            .chain(default.as_deref())
            .chain(collation.as_deref())
            .chain(constraints.iter().map(|constraint| constraint.definition.as_str()))
            .collect(),
        TypeKind::Defined { details, .. } => details.iter().map(|detail| detail.value.as_str()).collect(),
    }
}

pub(super) fn parents(table: &Table) -> impl Iterator<Item = &Name> {
    table.inherits.iter().chain(table.partition_of.iter().map(|partition| &partition.parent))
}

/// The columns of a table that a text mentions.
fn columns_in(mentioned: &Mentioned, table: &Table) -> Vec<Key> {
    let columns = table.columns.iter().filter(|column| mentioned.has_word(&column.name));
    columns.map(|column| Key::Column(table.name.clone(), column.name.clone())).collect()
}

/// The columns that a text mentions of the tables that it mentions.
fn of_tables(named: &BTreeSet<Key>, mentioned: &Mentioned, tables: &BTreeMap<&Name, &Table>) -> Vec<Key> {
    let tables = named.iter().filter_map(|key| match key {
        Key::Table(name) => tables.get(name),
        _ => None,
    });
    tables.flat_map(|table| columns_in(mentioned, table)).collect()
}

/// What a foreign key needs of the table it refers to: the columns, and what makes them unique.
fn referred(table: Name, columns: &[String], tables: &BTreeMap<&Name, &Table>) -> Vec<Key> {
    let mut found = vec![Key::Table(table.clone())];
    found.extend(columns.iter().map(|column| Key::Column(table.clone(), column.clone())));
    let Some(model) = tables.get(&table) else { return found };
    // Its partitions are referred to as well.
    let mut whole = vec![&table];
    while let Some(parent) = whole.pop() {
        let is_part =
            |other: &&&Table| other.partition_of.as_ref().is_some_and(|partition| partition.parent == *parent);
        for part in tables.values().filter(is_part) {
            found.push(Key::Table(part.name.clone()));
            whole.push(&part.name);
        }
    }
    let same =
        |others: &[String]| others.len() == columns.len() && columns.iter().all(|column| others.contains(column));
    for constraint in &model.constraints {
        if matches!(constraint.kind, ConstraintKind::PrimaryKey | ConstraintKind::Unique) && same(&constraint.columns) {
            found.push(Key::Constraint(table.clone(), constraint.name.clone().unwrap_or_default()));
        }
    }
    let unique = model.indexes.iter().filter(|index| index.unique && same(&index.keys));
    found.extend(unique.map(|index| Key::Index(table.clone(), index.name.clone())));
    found
}
