//! Builds a schema from the rows of SQLite's catalogue.

use std::collections::HashMap;
use std::fmt;

use lockgate_core::Dialect;

use super::create;
use super::string::Names;
use crate::model::{
    Column, Constraint, ConstraintKind, Detail, Index, Meta, Name, Object, ObjectKind, Persistence, RowSecurity,
    Schema, Table, TableKind, View,
};

/// The rows of the catalogue of an SQLite database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// The rows of `sqlite_schema`, of the database and of `temp`.
    pub objects: Vec<ObjectRow>,
    /// The rows of `pragma_table_list`.
    pub tables: Vec<TableRow>,
    /// The rows of `pragma_table_xinfo` for each table, in their order.
    pub columns: Vec<ColumnRow>,
}

/// A row of `sqlite_schema`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRow {
    /// `main` or `temp`.
    pub schema: String,
    /// `table`, `index`, `view` or `trigger`.
    pub kind: String,
    /// The name.
    pub name: String,
    /// The table that it belongs to.
    pub table: String,
    /// Its `CREATE`.
    pub sql: Option<String>,
}

/// A row of `pragma_table_list`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRow {
    /// `main` or `temp`.
    pub schema: String,
    /// The name.
    pub name: String,
    /// `table`, `view`, `shadow` or `virtual`.
    pub kind: String,
    /// Whether it has no rowid.
    pub without_rowid: bool,
    /// Whether the table is STRICT.
    pub strict: bool,
}

/// A row of `pragma_table_xinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnRow {
    /// `main` or `temp`.
    pub schema: String,
    /// The table of the column.
    pub table: String,
    /// The name.
    pub name: String,
    /// Its type as the statement writes it.
    pub data_type: String,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// Its default as the statement writes it.
    pub default: Option<String>,
    /// Whether it is hidden (1), generated when read (2) or when written (3).
    pub hidden: i64,
}

/// An object of a database that is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    object: String,
    why: String,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not understood: {}", self.object, self.why)
    }
}

impl std::error::Error for Unknown {}

/// The query that reads the catalogue. It is one statement, so it reads one snapshot without a transaction. It does not
/// read the columns of views: if the table of a view is gone, the whole query would fail.
pub const QUESTION: &str = r#"
SELECT 'object' AS what, 'main' AS place, type AS kind, name, tbl_name AS on_table, sql AS text,
       0 AS one, 0 AS other, 0 AS position FROM main.sqlite_schema
UNION ALL
SELECT 'object', 'temp', type, name, tbl_name, sql, 0, 0, 0 FROM temp.sqlite_schema
UNION ALL
SELECT 'table', schema, type, name, name, NULL, wr, strict, 0 FROM pragma_table_list
WHERE schema IN ('main', 'temp')
UNION ALL
SELECT 'column', l.schema, x.type, x.name, l.name, x.dflt_value, x."notnull", x.hidden, x.cid
FROM pragma_table_list AS l, pragma_table_xinfo(l.name, l.schema) AS x
WHERE l.schema IN ('main', 'temp') AND l.type IN ('table', 'virtual')
ORDER BY what, place, on_table, position, name"#;

/// A row of the answer to [`QUESTION`].
#[derive(Clone, Debug)]
pub struct Answer {
    /// `object`, `table` or `column`.
    pub what: String,
    /// `main` or `temp`.
    pub place: String,
    /// The kind of an object or a table; the type of a column.
    pub kind: Option<String>,
    /// The name.
    pub name: String,
    /// The table that it belongs to.
    pub on_table: String,
    /// The `CREATE` of an object; the default of a column.
    pub text: Option<String>,
    /// The first number of its pragma.
    pub one: i64,
    /// The second number of its pragma.
    pub other: i64,
}

/// The columns of the answer to [`QUESTION`], in order, as a driver reads them.
pub type AnswerColumns = (String, String, Option<String>, String, String, Option<String>, i64, i64);

impl From<AnswerColumns> for Answer {
    fn from((what, place, kind, name, on_table, text, one, other): AnswerColumns) -> Self {
        Self { what, place, kind, name, on_table, text, one, other }
    }
}

impl Catalogue {
    /// Adds a row of the answer.
    pub fn add(&mut self, answer: Answer) {
        let Answer { what, place: schema, kind, name, on_table: table, text, one, other } = answer;
        let kind = kind.unwrap_or_default();
        match what.as_str() {
            "object" => self.objects.push(ObjectRow { schema, kind, name, table, sql: text }),
            "table" => self.tables.push(TableRow { schema, name, kind, without_rowid: one != 0, strict: other != 0 }),
            _ => {
                let (not_null, hidden) = (one != 0, other);
                self.columns.push(ColumnRow { schema, table, name, data_type: kind, not_null, default: text, hidden });
            }
        }
    }

    /// Returns the schema, without the tables of these names and their indexes and triggers.
    ///
    /// # Errors
    ///
    /// If an object is not understood.
    pub fn schema(&self, left_out: &[&str]) -> Result<Schema, Unknown> {
        let mut schema = Schema::empty(Dialect::Sqlite);
        let rows = Rows::of(self);
        let is_left_out = |row: &&ObjectRow| {
            // Leave out SQLite's internal tables, and the tables that belong to a virtual table.
            !is_internal(&row.name)
                && !left_out.iter().any(|name| row.table.eq_ignore_ascii_case(name))
                && rows.listed(row).is_none_or(|table| table.kind != "shadow")
        };
        let names = self.names();
        for row in self.objects.iter().filter(is_left_out) {
            let unknown = |why| Unknown { object: format!("{} `{}`", row.kind, row.name), why };
            let sql = || row.sql.as_deref().ok_or_else(|| unknown("it has no text".to_owned()));
            match row.kind.as_str() {
                "table" => schema.tables.push(table(&rows, row, sql()?).map_err(unknown)?),
                "index" => {}
                "view" => schema.views.push(view(row, sql()?, &names).map_err(unknown)?),
                "trigger" => schema.objects.push(trigger(&rows, row, sql()?, &names).map_err(unknown)?),
                _ => return Err(unknown("this release knows tables, indexes, views and triggers".to_owned())),
            }
        }
        let key = |name: &str, is_temporary| (name.to_ascii_lowercase(), is_temporary);
        let tables = schema.tables.iter().enumerate();
        let places: HashMap<(String, bool), usize> =
            tables.map(|(at, table)| (key(&table.name.name, is_temporary(&table.name)), at)).collect();
        for row in self.objects.iter().filter(is_left_out).filter(|row| row.kind == "index") {
            let unknown = |why| Unknown { object: format!("index `{}`", row.name), why };
            let found = places.get(&key(&row.table, row.schema == "temp")).and_then(|at| schema.tables.get_mut(*at));
            let table = found.ok_or_else(|| unknown(format!("there is no table `{}`", row.table)))?;
            let columns: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            let sql = row.sql.as_deref().ok_or_else(|| unknown("it has no text".to_owned()))?;
            let create::Index { unique, definition, keys } = create::index(sql, &columns).map_err(unknown)?;
            let name = row.name.clone();
            let (options, comment) = (Vec::new(), None);
            table.indexes.push(Index { name, unique, definition, keys, valid: true, options, comment });
        }
        complete(&mut schema.tables);
        Ok(schema)
    }

    /// Returns the names that a view or a trigger can mean.
    fn names(&self) -> Names {
        let mut names = Names::default();
        self.objects.iter().for_each(|row| names.add_object(&row.name));
        ["sqlite_schema", "sqlite_master"].into_iter().for_each(|name| names.add_object(name));
        self.columns.iter().for_each(|row| names.add_column(&row.name));
        for row in self.objects.iter().filter(|row| row.kind == "view" || row.kind == "trigger") {
            create::add_aliases(row.sql.as_deref().unwrap_or_default(), &mut names);
        }
        names
    }
}

/// The rows of a catalogue by the tables that they belong to.
struct Rows<'a> {
    tables: HashMap<(&'a str, String), &'a TableRow>,
    columns: HashMap<(&'a str, &'a str), Vec<&'a ColumnRow>>,
}

impl<'a> Rows<'a> {
    fn of(all: &'a Catalogue) -> Self {
        let mut rows = Self { tables: HashMap::new(), columns: HashMap::new() };
        for table in &all.tables {
            rows.tables.entry((&table.schema, table.name.to_ascii_lowercase())).or_insert(table);
        }
        for column in &all.columns {
            rows.columns.entry((&column.schema, &column.table)).or_default().push(column);
        }
        rows
    }

    /// Returns the row of the table that the object is, or is on.
    fn listed(&self, row: &ObjectRow) -> Option<&'a TableRow> {
        self.tables.get(&(row.schema.as_str(), row.table.to_ascii_lowercase())).copied()
    }
}

fn table(all: &Rows<'_>, row: &ObjectRow, sql: &str) -> Result<Table, String> {
    let listed = all.listed(row).ok_or("it is not in the list of tables")?;
    let rows = all.columns.get(&(row.schema.as_str(), row.name.as_str())).cloned().unwrap_or_default();
    let mut table = Table {
        name: name(row),
        kind: TableKind::Ordinary,
        persistence: if row.schema == "temp" { Persistence::Temporary } else { Persistence::Permanent },
        columns: Vec::new(),
        constraints: Vec::new(),
        indexes: Vec::new(),
        inherits: Vec::new(),
        partition_of: None,
        row_security: RowSecurity::Off,
        options: Vec::new(),
        meta: Meta::default(),
    };
    match listed.kind.as_str() {
        "table" => {}
        "virtual" => {
            table.kind = TableKind::Virtual { module: create::module(sql)? };
            let shown = rows.iter().filter(|column| column.hidden != 1);
            table.columns = shown.map(|row| column(row, None)).collect::<Result<_, _>>()?;
            return Ok(table);
        }
        kind => return Err(format!("it is of the kind `{kind}`, which this release does not know")),
    }
    let names: Vec<&str> = rows.iter().map(|column| column.name.as_str()).collect();
    let create::Table { columns, constraints } = create::table(sql, &names)?;
    if !columns.iter().map(|column| &column.name).eq(names.iter()) {
        let read: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        return Err(format!("its text has the columns {}, and SQLite says {}", read.join(", "), names.join(", ")));
    }
    for (row, listed) in rows.into_iter().zip(columns) {
        table.columns.push(column(row, Some(listed))?);
    }
    table.constraints = constraints;
    for (name, is_so) in [("STRICT", listed.strict), ("WITHOUT ROWID", listed.without_rowid)] {
        if is_so {
            table.options.push(Detail { name: name.to_owned(), value: String::new() });
        }
    }
    Ok(table)
}

fn trigger(all: &Rows<'_>, row: &ObjectRow, sql: &str, names: &Names) -> Result<Object, String> {
    // A temporary trigger may be on a table that is not temporary.
    let is_on_temporary = row.schema == "temp" && all.listed(row).is_some();
    let on = if is_on_temporary { Name::qualified("temp", &row.table) } else { Name::plain(&row.table) };
    let definition = create::trigger(sql, names)?;
    Ok(Object { kind: ObjectKind::Trigger, name: name(row), on: Some(on), definition, meta: Meta::default() })
}

fn is_internal(name: &str) -> bool {
    name.get(.."sqlite_".len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case("sqlite_"))
}

fn is_temporary(name: &Name) -> bool {
    name.schema.is_some()
}

fn name(row: &ObjectRow) -> Name {
    match row.schema.as_str() {
        "temp" => Name::qualified("temp", &row.name),
        _ => Name::plain(&row.name),
    }
}

fn view(row: &ObjectRow, sql: &str, names: &Names) -> Result<View, String> {
    Ok(View {
        name: name(row),
        materialized: false,
        definition: create::view(sql, names)?,
        // The query decides the columns. SQLite does not store them, and the tables of a view may be gone.
        columns: Vec::new(),
        indexes: Vec::new(),
        options: Vec::new(),
        meta: Meta::default(),
    })
}

fn column(row: &ColumnRow, parsed: Option<create::Column>) -> Result<Column, String> {
    let (generated, collation, options) = match parsed {
        Some(parsed) => (parsed.generated, parsed.collation, parsed.options),
        None => (None, None, Vec::new()),
    };
    if generated.is_some() != matches!(row.hidden, 2 | 3) {
        return Err(format!("whether the column `{}` is generated", row.name));
    }
    Ok(Column {
        name: row.name.clone(),
        data_type: create::data_type(&row.data_type)?,
        not_null: row.not_null,
        // For a generated column, the pragma repeats the expression here.
        default: match &row.default {
            Some(default) if generated.is_none() => Some(create::default(default)?),
            Some(_) | None => None,
        },
        generated,
        identity: None,
        collation,
        inherited: false,
        options,
        privileges: Vec::new(),
        comment: None,
    })
}

/// Completes foreign keys: writes the names of table and columns as those write them, and adds the primary key where a
/// foreign key names no columns.
fn complete(tables: &mut [Table]) {
    let key = |name: &str, is_temporary| (name.to_ascii_lowercase(), is_temporary);
    let others = tables.iter().map(|table| (key(&table.name.name, is_temporary(&table.name)), Parent::of(table)));
    let others: HashMap<(String, bool), Parent> = others.collect();
    for table in tables {
        let is_temporary_too = is_temporary(&table.name);
        let foreign = |constraint: &&mut Constraint| constraint.kind == ConstraintKind::ForeignKey;
        for constraint in table.constraints.iter_mut().filter(foreign) {
            let Some(references) = &mut constraint.references else { continue };
            let other = others.get(&key(&references.table.name, is_temporary_too));
            if let Some(other) = other {
                references.table = other.name.clone();
                if references.columns.is_empty() && other.key.len() == constraint.columns.len() {
                    references.columns = other.key.clone();
                }
                for column in &mut references.columns {
                    let own = other.columns.iter().find(|own| own.eq_ignore_ascii_case(column));
                    *column = own.cloned().unwrap_or_else(|| column.clone());
                }
            }
            let to = match references.columns.is_empty() {
                true => String::new(),
                false => format!(" {}", create::name_list(&references.columns)),
            };
            constraint.definition = format!(
                "FOREIGN KEY {} REFERENCES {}{to}{}",
                create::name_list(&constraint.columns),
                create::name(&references.table.name),
                constraint.definition,
            );
        }
    }
}

/// A table that foreign keys may refer to.
struct Parent {
    name: Name,
    columns: Vec<String>,
    key: Vec<String>,
}

impl Parent {
    fn of(table: &Table) -> Self {
        let key = table.constraints.iter().find(|constraint| constraint.kind == ConstraintKind::PrimaryKey);
        Self {
            name: table.name.clone(),
            columns: table.columns.iter().map(|column| column.name.clone()).collect(),
            key: key.map_or_else(Vec::new, |key| key.columns.clone()),
        }
    }
}
