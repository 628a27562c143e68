//! Gathers what a page says about each table and view, for both forms.

use std::collections::BTreeSet;

use super::history::{History, Origin};
use crate::block::{Item, describe};
use crate::model::{
    Column, Constraint, ConstraintKind, Generation, Index, Name, Object, ObjectKind, Partition, Schema, Table,
    TableKind, View,
};
use crate::text;

/// Everything that is documented.
pub(super) struct Site<'a> {
    pub(super) title: &'a str,
    /// What it is a schema of: `PostgreSQL`.
    pub(super) product: &'static str,
    /// Tables, then views, each sorted by name.
    pub(super) entries: Vec<Entry<'a>>,
    pub(super) others: Vec<Other>,
    /// Whether it is known which migration made what.
    pub(super) has_history: bool,
}

/// A table or a view.
pub(super) struct Entry<'a> {
    /// `Table`, `Partitioned table`, `Materialized view`.
    pub(super) kind: String,
    pub(super) is_view: bool,
    pub(super) name: &'a Name,
    /// Its name, without its schema if all are in one.
    pub(super) title: String,
    /// The path of its page.
    pub(super) path: String,
    /// Its anchor on the HTML page.
    pub(super) anchor: String,
    pub(super) comment: Option<&'a str>,
    pub(super) origin: Option<Origin>,
    pub(super) columns: Vec<Field>,
    pub(super) constraints: Vec<Line>,
    pub(super) indexes: Vec<Line>,
    pub(super) referrers: Vec<Referrer>,
    /// Its triggers, rules and policies.
    pub(super) attached: Vec<Other>,
    /// The query of a view.
    pub(super) query: Option<&'a str>,
    /// The whole of it in the text form, which leaves nothing out.
    pub(super) text: String,
    /// It and the tables that it is connected with; empty if there are none.
    pub(super) neighbourhood: Option<Schema>,
}

/// A column.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) data_type: String,
    pub(super) nullable: bool,
    /// Where its value comes from if a statement gives none.
    pub(super) default: Option<String>,
    pub(super) is_primary: bool,
    /// The entries that it refers to, or their names if they have no page.
    pub(super) refers_to: Vec<Target>,
    pub(super) comment: Option<String>,
    pub(super) origin: Option<Origin>,
}

/// A table that a foreign key refers to.
pub(super) struct Target {
    pub(super) entry: Option<usize>,
    pub(super) title: String,
}

/// A constraint or an index.
pub(super) struct Line {
    pub(super) name: Option<String>,
    pub(super) definition: String,
    pub(super) comment: Option<String>,
    pub(super) origin: Option<Origin>,
}

/// A foreign key of another table, or of the same, that refers to a table.
pub(super) struct Referrer {
    pub(super) entry: usize,
    pub(super) columns: Vec<String>,
    pub(super) referred: Vec<String>,
}

/// Another object, in the text form.
pub(super) struct Other {
    pub(super) title: String,
    pub(super) text: String,
    pub(super) origin: Option<Origin>,
}

impl<'a> Site<'a> {
    pub(super) fn of(schema: &'a Schema, title: &'a str, history: &History) -> Self {
        let mut names: Vec<&Name> = schema.tables.iter().map(|table| &table.name).collect();
        names.extend(schema.views.iter().map(|view| &view.name));
        let one_schema = names.windows(2).all(|pair| pair[0].schema == pair[1].schema);
        let items = describe(schema);
        let mut site = Self {
            title,
            product: schema.dialect.product(),
            entries: Vec::new(),
            others: Vec::new(),
            has_history: items.iter().any(|item| history.of(item).is_some()),
        };
        let mut taken = BTreeSet::new();
        let (mut tables, mut views) =
            (schema.tables.iter().collect::<Vec<_>>(), schema.views.iter().collect::<Vec<_>>());
        tables.sort_by(|one, other| one.name.cmp(&other.name));
        views.sort_by(|one, other| one.name.cmp(&other.name));
        let place = |name: &Name| tables.iter().position(|table| table.name == *name);
        let shown = |name: &Name| shown(name, one_schema);
        for table in &tables {
            let item = item_of(&items, "table", &table.name);
            let mut entry = Entry::new(&table.name, kind_of(table), false, shown(&table.name), &mut taken);
            entry.comment = table.meta.comment.as_deref();
            entry.describe(schema, item, &items, history);
            entry.columns = table.columns.iter().map(|column| field(table, column, &place, &shown)).collect();
            entry.constraints = table.constraints.iter().map(constraint).collect();
            entry.indexes = table.indexes.iter().map(index).collect();
            entry.date(item, history);
            let pairs = tables.iter().enumerate().flat_map(|(at, other)| {
                other.constraints.iter().filter_map(move |key| Some((at, key, key.references.as_ref()?)))
            });
            let to_it = pairs.filter(|(_, _, references)| references.table == table.name);
            entry.referrers = to_it
                .map(|(at, key, references)| Referrer {
                    entry: at,
                    columns: key.columns.clone(),
                    referred: references.columns.clone(),
                })
                .collect();
            entry.neighbourhood = neighbourhood(schema, table);
            site.entries.push(entry);
        }
        for view in &views {
            let kind = if view.materialized { "Materialized view" } else { "View" };
            let label = if view.materialized { "materialized view" } else { "view" };
            let item = item_of(&items, label, &view.name);
            let mut entry = Entry::new(&view.name, kind.to_owned(), true, shown(&view.name), &mut taken);
            entry.comment = view.meta.comment.as_deref();
            entry.describe(schema, item, &items, history);
            entry.columns = fields_of(view);
            entry.indexes = view.indexes.iter().map(index).collect();
            entry.query = Some(&view.definition);
            entry.date(item, history);
            site.entries.push(entry);
        }
        // What is on a table or a view is on its page.
        let mut is_shown: BTreeSet<String> =
            site.entries.iter().flat_map(|entry| &entry.attached).map(|it| it.title.clone()).collect();
        is_shown.extend(
            items.iter().filter(|item| ["table", "view", "materialized view"].contains(&item.label)).map(Item::title),
        );
        let rest = items.iter().filter(|item| !is_shown.contains(&item.title()));
        site.others = rest.map(|item| other(item, history)).collect();
        site
    }

    pub(super) fn tables(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.entries.iter().filter(|entry| !entry.is_view)
    }

    pub(super) fn views(&self) -> impl Iterator<Item = &Entry<'a>> {
        self.entries.iter().filter(|entry| entry.is_view)
    }

    /// Says how much there is: `3 tables, 1 view`.
    pub(super) fn counts(&self) -> String {
        let counted =
            [(self.tables().count(), "table"), (self.views().count(), "view"), (self.others.len(), "other object")];
        let parts: Vec<String> = counted
            .into_iter()
            .filter(|(number, what)| *number > 0 || *what == "table")
            .map(|(number, what)| format!("{number} {what}{}", if number == 1 { "" } else { "s" }))
            .collect();
        parts.join(", ")
    }
}

impl<'a> Entry<'a> {
    fn new(name: &'a Name, kind: String, is_view: bool, title: String, taken: &mut BTreeSet<String>) -> Self {
        let folder = if is_view { "views" } else { "tables" };
        let word = word(&title);
        let slug = (1..)
            .map(|count| if count == 1 { word.clone() } else { format!("{word}-{count}") })
            // Some file systems do not tell names by their case.
            .find(|slug| taken.insert(format!("{folder}/{}", slug.to_lowercase())))
            .expect("one of all numbers is free");
        let anchor = format!("{}-{slug}", if is_view { "view" } else { "table" });
        Self {
            kind,
            is_view,
            name,
            title,
            path: format!("{folder}/{slug}.md"),
            anchor,
            comment: None,
            origin: None,
            columns: Vec::new(),
            constraints: Vec::new(),
            indexes: Vec::new(),
            referrers: Vec::new(),
            attached: Vec::new(),
            query: None,
            text: String::new(),
            neighbourhood: None,
        }
    }

    /// Takes the text form, and the objects on it.
    fn describe(&mut self, schema: &Schema, item: Option<&Item>, items: &[Item], history: &History) {
        self.text = item.map(text::block).unwrap_or_default();
        self.origin = item.and_then(|item| history.of(item)).cloned();
        let is_here = |object: &&Object| {
            let is_attached = matches!(object.kind, ObjectKind::Trigger | ObjectKind::Rule | ObjectKind::Policy);
            is_attached && object.on.as_ref() == Some(self.name)
        };
        let here: Vec<Item> = schema.objects.iter().filter(is_here).map(crate::block::of_object).collect();
        self.attached = items.iter().filter(|item| here.contains(item)).map(|item| other(item, history)).collect();
    }

    /// Adds where each part comes from.
    fn date(&mut self, item: Option<&Item>, history: &History) {
        let Some(item) = item else { return };
        let of = |label: &str, begins: &dyn Fn(&Item) -> bool| {
            let part = item.parts.iter().find(|part| part.label == label && begins(part))?;
            history.of_part(item, part).cloned()
        };
        for column in &mut self.columns {
            let name = crate::block::ident(&column.name);
            column.origin = of("column", &|part| part.name.as_deref() == Some(&name));
        }
        for (label, lines) in [("constraint", &mut self.constraints), ("index", &mut self.indexes)] {
            for line in lines {
                let name = line.name.as_deref().map(crate::block::ident);
                let is_it = |part: &Item| match &name {
                    Some(name) => part.name.as_ref() == Some(name),
                    None => {
                        part.name.is_none()
                            && part
                                .clauses
                                .first()
                                .is_some_and(|clause| clause.value.as_ref() == Some(&line.definition))
                    }
                };
                line.origin = of(label, &is_it);
            }
        }
    }
}

fn item_of<'b>(items: &'b [Item], label: &str, name: &Name) -> Option<&'b Item> {
    let name = crate::block::qualified(name);
    items.iter().find(|item| item.label == label && item.name.as_ref() == Some(&name))
}

fn other(item: &Item, history: &History) -> Other {
    Other { title: item.title(), text: text::block(item), origin: history.of(item).cloned() }
}

fn shown(name: &Name, one_schema: bool) -> String {
    match &name.schema {
        Some(schema) if !one_schema => format!("{schema}.{}", name.name),
        Some(_) | None => name.name.clone(),
    }
}

fn kind_of(table: &Table) -> String {
    let of_table = match &table.kind {
        TableKind::Ordinary => "Table".to_owned(),
        TableKind::Partitioned { key } => format!("Table, partitioned by {key}"),
        TableKind::Foreign { server } => format!("Foreign table of {server}"),
        TableKind::Virtual { module } => format!("Virtual table of {module}"),
    };
    match &table.partition_of {
        Some(Partition { parent, bound }) => {
            format!("{of_table}, partition of {} {bound}", crate::block::qualified(parent))
        }
        None => of_table,
    }
}

fn field(
    table: &Table,
    column: &Column,
    place: &dyn Fn(&Name) -> Option<usize>,
    shown: &dyn Fn(&Name) -> String,
) -> Field {
    let keys = || table.constraints.iter().filter(|constraint| constraint.columns.contains(&column.name));
    let is_primary = keys().any(|constraint| constraint.kind == ConstraintKind::PrimaryKey);
    let refers_to = keys().filter_map(|constraint| constraint.references.as_ref());
    Field {
        nullable: !column.not_null && !is_primary,
        is_primary,
        refers_to: refers_to.map(|to| Target { entry: place(&to.table), title: shown(&to.table) }).collect(),
        ..plain_field(column)
    }
}

fn plain_field(column: &Column) -> Field {
    let default = match (&column.generated, &column.identity, &column.default) {
        (Some(generated), _, _) => {
            let when = match generated.generation {
                Generation::Stored => "stored",
                Generation::Virtual => "virtual",
            };
            Some(format!("AS ({}) {when}", generated.expression))
        }
        (None, Some(identity), _) => {
            Some(if identity.always { "identity, always".to_owned() } else { "identity".to_owned() })
        }
        (None, None, default) => default.clone(),
    };
    Field {
        name: column.name.clone(),
        data_type: column.data_type.clone(),
        nullable: !column.not_null,
        default,
        is_primary: false,
        refers_to: Vec::new(),
        comment: column.comment.clone(),
        origin: None,
    }
}

fn fields_of(view: &View) -> Vec<Field> {
    view.columns.iter().map(plain_field).collect()
}

fn constraint(constraint: &Constraint) -> Line {
    Line {
        name: constraint.name.clone(),
        definition: constraint.definition.clone(),
        comment: constraint.comment.clone(),
        origin: None,
    }
}

fn index(index: &Index) -> Line {
    let unique = if index.unique { "UNIQUE " } else { "" };
    let invalid = if index.valid { "" } else { " (invalid)" };
    Line {
        name: Some(index.name.clone()),
        definition: format!("{unique}{}{invalid}", index.definition),
        comment: index.comment.clone(),
        origin: None,
    }
}

/// Returns a table and those that it refers to or that refer to it. `None` for a partition, which no picture shows.
fn neighbourhood(schema: &Schema, table: &Table) -> Option<Schema> {
    if table.partition_of.is_some() {
        return None;
    }
    let refers = |from: &Table, to: &Table| {
        from.constraints.iter().filter_map(|key| key.references.as_ref()).any(|references| references.table == to.name)
    };
    let is_near = |other: &&Table| other.name == table.name || refers(table, other) || refers(other, table);
    let tables = schema.tables.iter().filter(is_near).cloned().collect();
    Some(Schema { tables, ..Schema::empty(schema.dialect) })
}

/// Returns a word for paths and anchors.
fn word(title: &str) -> String {
    let kept = |c: char| if c.is_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '-' };
    let word: String = title.chars().map(kept).collect();
    match word.trim_matches(['.', '-']) {
        "" => "table".to_owned(),
        word => word.to_owned(),
    }
}
