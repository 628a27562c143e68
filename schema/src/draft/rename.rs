//! Names that may have changed: a draft never guesses, it asks.

use std::collections::BTreeSet;
use std::fmt;

use lockgate_core::Dialect;

use super::step::Statement;
use super::write::{ident, literal, qualified};
use crate::model::{Column, Name, Object, ObjectKind, Schema, Sequence, Table, TableKind, Type, TypeKind, View};

/// The new name of an object, or of a part of one.
///
/// As text it is `public.users=accounts` or `public.users.mail=email`, or `public.users=archive.users` if it moves to another
/// schema. The schema may be left out when it is read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rename {
    /// What has another name.
    pub what: Renamed,
    /// The object, by its name before this change. That of a routine has the types of its arguments.
    pub object: Name,
    /// The column of the table or the value of the enum, if it is one.
    pub part: Option<String>,
    /// The name afterwards, without the arguments of a routine.
    pub to: String,
    /// The schema afterwards, if it is another one.
    pub schema: Option<String>,
}

/// What has another name. Constraints and indexes are not among them: one that is the same but for its name gets the new
/// name in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Renamed {
    /// A column of a table.
    Column,
    /// A value of an enum.
    Value,
    /// A table.
    Table,
    /// A view.
    View,
    /// A materialized view.
    MaterializedView,
    /// A type that is not a domain.
    Type,
    /// A domain.
    Domain,
    /// A sequence that no column owns.
    Sequence,
    /// A function.
    Function,
    /// A procedure.
    Procedure,
    /// An aggregate.
    Aggregate,
}

impl Renamed {
    /// Its word in statements.
    const fn word(self) -> &'static str {
        match self {
            Self::Column | Self::Table => "TABLE",
            Self::View => "VIEW",
            Self::MaterializedView => "MATERIALIZED VIEW",
            Self::Value | Self::Type => "TYPE",
            Self::Domain => "DOMAIN",
            Self::Sequence => "SEQUENCE",
            Self::Function => "FUNCTION",
            Self::Procedure => "PROCEDURE",
            Self::Aggregate => "AGGREGATE",
        }
    }

    /// Its name in messages: `column`.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Column => "column",
            Self::Value => "value",
            Self::Table => "table",
            Self::View => "view",
            Self::MaterializedView => "materialized view",
            Self::Type => "type",
            Self::Domain => "domain",
            Self::Sequence => "sequence",
            Self::Function => "function",
            Self::Procedure => "procedure",
            Self::Aggregate => "aggregate",
        }
    }
}

/// Why a text is not a rename of this schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenameError(String);

impl fmt::Display for RenameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RenameError {}

impl fmt::Display for Rename {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let old = self.object.schema.iter().chain([&self.object.name]).chain(&self.part);
        let new: Vec<&str> = self.schema.iter().chain([&self.to]).map(String::as_str).collect();
        write!(f, "{}={}", old.cloned().collect::<Vec<_>>().join("."), new.join("."))
    }
}

impl Rename {
    /// Reads `users.mail=email`, `users.mail=users.email`, `users=accounts` or `users=archive.users` for a change from one
    /// schema to another.
    ///
    /// # Errors
    ///
    /// If it has no `=`, or the old name is not in `from`, or the new one not in `to`.
    pub fn parse(text: &str, from: &Schema, to: &Schema) -> Result<Self, RenameError> {
        let Some((old, new)) = text.split_once('=').map(|(old, new)| (old.trim(), new.trim())) else {
            return Err(RenameError(format!("`{text}` is not a rename: write `old=new`, as in `users.mail=email`")));
        };
        let path = new.split('(').next().unwrap_or(new);
        let (place, to_name) = path.rsplit_once('.').map_or((None, path), |(place, name)| (Some(place), name));
        let is_meant = |known: &Named<'_>| {
            let short = known.part.iter().fold(known.object.name.clone(), |name, part| format!("{name}.{part}"));
            let long = known.object.schema.iter().fold(short.clone(), |name, schema| format!("{schema}.{name}"));
            old == short || old == long
        };
        let rename = |known: Named<'_>| Self {
            what: known.what,
            object: known.object.clone(),
            part: known.part.map(str::to_owned),
            to: to_name.to_owned(),
            schema: place
                .filter(|_| known.part.is_none())
                .map(str::to_owned)
                .filter(|place| known.object.schema.as_ref().is_some_and(|present| present != place)),
        };
        let found: Vec<Self> = named(from).into_iter().filter(is_meant).map(rename).collect();
        let is_there: Vec<&Self> = found.iter().filter(|rename| rename.is_in(to)).collect();
        match (&is_there[..], &found[..]) {
            ([rename], _) => Ok((*rename).clone()),
            ([], [rename]) => Err(RenameError(format!(
                "`{new}` in the rename `{text}` is not a {} of the desired schema: `{old}` cannot become it",
                rename.what.noun()
            ))),
            (_, []) => Err(RenameError(format!(
                "`{old}` in the rename `{text}` is nothing of the present schema that can have another name"
            ))),
            _ => {
                Err(RenameError(format!("`{old}` in the rename `{text}` can be several things: write its schema too")))
            }
        }
    }

    /// Whether a schema has what this makes.
    fn is_in(&self, schema: &Schema) -> bool {
        match (self.what, &self.part) {
            // Its table, or its type, may be renamed as well.
            (what, Some(_)) => named(schema).iter().any(|known| known.what == what && known.part == Some(&self.to)),
            (what, None) => {
                let after = self.after();
                named(schema).iter().any(|known| known.what == what && known.part.is_none() && *known.object == after)
            }
        }
    }

    /// The name of the object itself after a change of its own name.
    pub fn after(&self) -> Name {
        let arguments = self.object.name.find('(').filter(|_| self.is_routine());
        let arguments = arguments.map_or("", |at| &self.object.name[at..]);
        let schema = self.schema.clone().or_else(|| self.object.schema.clone());
        Name { schema, name: format!("{}{arguments}", self.to) }
    }

    /// The old name, without the arguments of a routine.
    fn short(&self) -> &str {
        match &self.part {
            Some(part) => part,
            None if self.is_routine() => self.object.name.split('(').next().unwrap_or(&self.object.name),
            None => &self.object.name,
        }
    }

    /// Whether this gives up the name that the other one gives.
    fn has(&self, other: &Self) -> bool {
        match (&self.part, &other.part) {
            (Some(part), Some(_)) => self.object == other.object && *part == other.to,
            (None, None) => self.object == other.after(),
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    fn is_routine(&self) -> bool {
        matches!(self.what, Renamed::Function | Renamed::Procedure | Renamed::Aggregate)
    }

    /// Whether this is another name of a part of an object.
    pub fn is_of_part(&self) -> bool {
        self.part.is_some()
    }

    /// The statements that move and rename it.
    pub fn statements(&self) -> Vec<Statement> {
        let alter = |object: &Name| {
            let object = match object.name.split_once('(').filter(|_| self.is_routine()) {
                Some((name, arguments)) => {
                    let name = Name { schema: object.schema.clone(), name: name.to_owned() };
                    format!("{}({arguments}", qualified(&name))
                }
                None => qualified(object),
            };
            format!("ALTER {} {object}", self.what.word())
        };
        let mut found = Vec::new();
        let mut object = self.object.clone();
        if let Some(schema) = &self.schema {
            found.push(format!("{} SET SCHEMA {}", alter(&object), ident(schema)));
            object.schema = Some(schema.clone());
        }
        let alter = alter(&object);
        match (&self.part, self.what) {
            (Some(value), Renamed::Value) => {
                found.push(format!("{alter} RENAME VALUE {} TO {}", literal(value), literal(&self.to)));
            }
            (Some(column), _) => found.push(format!("{alter} RENAME COLUMN {} TO {}", ident(column), ident(&self.to))),
            (None, _) if self.short() != self.to => found.push(format!("{alter} RENAME TO {}", ident(&self.to))),
            (None, _) => {}
        }
        found.into_iter().map(Statement::new).collect()
    }

    /// The change in the other direction, after this one has happened.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let (what, to) = (self.what, self.short().to_owned());
        match &self.part {
            None => {
                let schema = self.object.schema.clone().filter(|_| self.schema.is_some());
                Self { what, object: self.after(), part: None, to, schema }
            }
            Some(_) => Self { what, object: self.object.clone(), part: Some(self.to.clone()), to, schema: None },
        }
    }
}

/// The same renames in an order in which each name is free when it is given. Where two objects swap their names, one of them
/// has a name of its own in between.
pub fn in_order(renames: &[Rename]) -> Vec<Rename> {
    let mut ordered = Vec::new();
    // A column has the name of its table at that moment, so columns and tables are not mixed.
    for run in renames.chunk_by(|one, other| one.is_of_part() == other.is_of_part()) {
        let mut open = run.to_vec();
        while !open.is_empty() {
            let is_free = |at: usize| !open.iter().enumerate().any(|(other, it)| other != at && it.has(&open[at]));
            match (0..open.len()).find(|&at| is_free(at)) {
                Some(at) => ordered.push(open.remove(at)),
                None => {
                    let first = &mut open[0];
                    let away = Rename { to: format!("{}_before", first.short()), ..first.clone() };
                    *first = match &first.part {
                        Some(_) => Rename { part: Some(away.to.clone()), ..first.clone() },
                        None => Rename { object: away.after(), ..first.clone() },
                    };
                    ordered.push(away);
                }
            }
        }
    }
    ordered
}

/// The schemas to which something moves and which do not exist.
pub(super) fn new_schemas<'a>(schema: &Schema, renames: &'a [Rename]) -> BTreeSet<&'a String> {
    let named = renames.iter().filter_map(|rename| rename.schema.as_ref());
    named.filter(|name| !schema.namespaces.iter().any(|known| known.name == **name)).collect()
}

/// Something that can have another name.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// What it is.
    pub what: Renamed,
    /// The object.
    pub object: &'a Name,
    /// The column of the table or the value of the enum, if it is one.
    pub part: Option<&'a str>,
}

/// Everything in a schema that can have another name.
pub fn named(schema: &Schema) -> Vec<Named<'_>> {
    let mut found = Vec::new();
    let mut add = |what, object, part| found.push(Named { what, object, part });
    for table in &schema.tables {
        add(Renamed::Table, &table.name, None);
        // SQLite refuses to alter a virtual table.
        if matches!(table.kind, TableKind::Virtual { .. }) {
            continue;
        }
        table.columns.iter().for_each(|column| add(Renamed::Column, &table.name, Some(column.name.as_str())));
    }
    // SQLite can rename only tables and columns.
    if schema.dialect == Dialect::Sqlite {
        return found;
    }
    for made in &schema.types {
        add(type_word(made), &made.name, None);
        if let TypeKind::Enum(values) = &made.kind {
            values.iter().for_each(|value| add(Renamed::Value, &made.name, Some(value)));
        }
    }
    schema.views.iter().for_each(|view| add(view_word(view), &view.name, None));
    schema.sequences.iter().for_each(|sequence| add(Renamed::Sequence, &sequence.name, None));
    for object in &schema.objects {
        if let Some(what) = routine_word(object) {
            add(what, &object.name, None);
        }
    }
    found
}

fn type_word(made: &Type) -> Renamed {
    match made.kind {
        TypeKind::Domain { .. } => Renamed::Domain,
        TypeKind::Enum(_) | TypeKind::Composite(_) | TypeKind::Defined { .. } => Renamed::Type,
    }
}

fn view_word(view: &View) -> Renamed {
    if view.materialized { Renamed::MaterializedView } else { Renamed::View }
}

fn routine_word(object: &Object) -> Option<Renamed> {
    match object.kind {
        ObjectKind::Function | ObjectKind::WindowFunction => Some(Renamed::Function),
        ObjectKind::Procedure => Some(Renamed::Procedure),
        ObjectKind::Aggregate => Some(Renamed::Aggregate),
        _ => None,
    }
}

/// Returns what may have been renamed: a gone table and a new one with mostly the same columns, a gone column and a new one of the
/// same type, a gone view, type, sequence or routine and a new one that says the same. Each name is in at most one of them.
pub fn possible_renames(from: &Schema, to: &Schema) -> Vec<Rename> {
    let mut found = Vec::new();
    let rename = |what, object: &Name, to: &Name| {
        let to = to.name.split('(').next().filter(|_| object.name.contains('(')).unwrap_or(&to.name).to_owned();
        Rename { what, object: object.clone(), part: None, to, schema: None }
    };
    for (gone, new) in pairs(&from.tables, &to.tables, |it: &Table| &it.name, alike) {
        found.push(rename(Renamed::Table, &gone.name, &new.name));
        columns(gone, new, &mut found);
    }
    for table in &from.tables {
        if let Some(after) = to.tables.iter().find(|after| after.name == table.name) {
            columns(table, after, &mut found);
        }
    }
    if from.dialect == Dialect::Sqlite {
        return found;
    }
    for (gone, new) in pairs(&from.types, &to.types, |it: &Type| &it.name, alike_types) {
        found.push(rename(type_word(gone), &gone.name, &new.name));
        values(gone, new, &mut found);
    }
    for made in &from.types {
        if let Some(after) = to.types.iter().find(|after| after.name == made.name) {
            values(made, after, &mut found);
        }
    }
    for (gone, new) in pairs(&from.views, &to.views, |it: &View| &it.name, alike_views) {
        found.push(rename(view_word(gone), &gone.name, &new.name));
    }
    for (gone, new) in pairs(&from.sequences, &to.sequences, |it: &Sequence| &it.name, alike_sequences) {
        found.push(rename(Renamed::Sequence, &gone.name, &new.name));
    }
    let [old, new] = [from, to].map(|schema| {
        let routines = schema.objects.iter().filter(|object| routine_word(object).is_some());
        routines.cloned().collect::<Vec<Object>>()
    });
    for (gone, new) in pairs(&old, &new, |it: &Object| &it.name, alike_routines) {
        found.extend(routine_word(gone).map(|what| rename(what, &gone.name, &new.name)));
    }
    found
}

/// The gone objects of one kind, each with the new one in the same schema that is most like it, if one is at least half
/// like it.
fn pairs<'a, T>(
    from: &'a [T],
    to: &'a [T],
    name: impl Fn(&T) -> &Name,
    alike: impl Fn(&T, &T) -> f64,
) -> Vec<(&'a T, &'a T)> {
    let is_in = |list: &[T], it: &T| list.iter().any(|other| name(other) == name(it));
    let mut new: Vec<&T> = to.iter().filter(|it| !is_in(from, it)).collect();
    let mut found = Vec::new();
    for gone in from.iter().filter(|it| !is_in(to, it)) {
        let fits = |other: &&T| name(other).schema == name(gone).schema && alike(gone, other) >= 0.5;
        let best = new.iter().copied().filter(fits).max_by(|a, b| alike(gone, a).total_cmp(&alike(gone, b)));
        if let Some(best) = best {
            new.retain(|other| !std::ptr::eq(*other, best));
            found.push((gone, best));
        }
    }
    found
}

/// 1 if something holds, and 0 otherwise.
fn either(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

fn alike_types(one: &Type, other: &Type) -> f64 {
    match (&one.kind, &other.kind) {
        (TypeKind::Enum(old), TypeKind::Enum(new)) => {
            let common = old.iter().filter(|value| new.contains(value)).count();
            let most = old.len().max(new.len());
            if most == 0 { 0.0 } else { common as f64 / most as f64 }
        }
        (TypeKind::Composite(old), TypeKind::Composite(new)) => either(old == new),
        (TypeKind::Domain { base, .. }, TypeKind::Domain { base: other, .. }) => either(base == other),
        (TypeKind::Defined { .. }, TypeKind::Defined { .. }) => either(one.kind == other.kind),
        _ => 0.0,
    }
}

fn alike_views(one: &View, other: &View) -> f64 {
    either(one.materialized == other.materialized && one.definition == other.definition)
}

fn alike_sequences(one: &Sequence, other: &Sequence) -> f64 {
    either(one.owned_by.is_none() && other.owned_by.is_none() && one.options == other.options)
}

/// Whether two routines differ only in their names.
fn alike_routines(one: &Object, other: &Object) -> f64 {
    let [old, new] = [one, other].map(|it| it.name.name.split_once('('));
    let (Some((old, old_arguments)), Some((new, new_arguments))) = (old, new) else { return 0.0 };
    let called_so = one.definition.replacen(
        &format!("{}(", crate::block::ident(old)),
        &format!("{}(", crate::block::ident(new)),
        1,
    );
    either(routine_word(one) == routine_word(other) && old_arguments == new_arguments && called_so == other.definition)
}

/// Adds the values that an enum has lost and gained at the same places.
fn values(from: &Type, to: &Type, found: &mut Vec<Rename>) {
    let (TypeKind::Enum(old), TypeKind::Enum(new)) = (&from.kind, &to.kind) else { return };
    if old.len() != new.len() {
        return;
    }
    for (gone, value) in old.iter().zip(new).filter(|(gone, value)| !new.contains(gone) && !old.contains(value)) {
        let (object, part) = (from.name.clone(), Some(gone.clone()));
        found.push(Rename { what: Renamed::Value, object, part, to: value.clone(), schema: None });
    }
}

/// How much of both tables' columns is the same, from 0 to 1.
fn alike(one: &Table, other: &Table) -> f64 {
    let common = one
        .columns
        .iter()
        .filter(|column| other.columns.iter().any(|c| c.name == column.name && c.data_type == column.data_type));
    let most = one.columns.len().max(other.columns.len());
    if most == 0 { 0.0 } else { common.count() as f64 / most as f64 }
}

/// Adds the columns that one table has lost and the other has gained.
fn columns(from: &Table, to: &Table, found: &mut Vec<Rename>) {
    if matches!(from.kind, TableKind::Virtual { .. }) {
        return;
    }
    let missing = |column: &&Column, table: &Table| table.columns.iter().all(|other| other.name != column.name);
    let mut new: Vec<&Column> = to.columns.iter().filter(|column| missing(column, from)).collect();
    for gone in from.columns.iter().filter(|column| missing(column, to)) {
        let same_type = |column: &&Column| column.data_type == gone.data_type && !column.inherited && !gone.inherited;
        let alike = |column: &Column| (column.not_null == gone.not_null, column.default == gone.default);
        let mut fitting: Vec<&Column> = new.iter().copied().filter(same_type).collect();
        fitting.sort_by_key(|column| std::cmp::Reverse(alike(column)));
        if let Some(best) = fitting.first() {
            new.retain(|column| column.name != best.name);
            let (object, part) = (from.name.clone(), Some(gone.name.clone()));
            found.push(Rename { what: Renamed::Column, object, part, to: best.name.clone(), schema: None });
        }
    }
}
