//! A struct as a table: its options and fields, checked. All mistakes are found at once.

use std::collections::HashMap;

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Field, Fields, GenericParam};

use crate::attribute::{self, Given, Place};
use crate::fragment;
use crate::name::{check as check_name, nearest, snake_case};
use crate::reference::{self, Reference};
use crate::types::{self, Kind};

/// A struct with `#[derive(lockgate::Table)]`.
#[derive(Clone, Debug)]
pub struct Table {
    /// The name of the struct.
    pub of: String,
    /// The name of the table.
    pub name: String,
    /// Its schema in the sense of PostgreSQL.
    pub schema: Option<String>,
    /// Its database, in a folder for several databases of a server.
    pub database: Option<String>,
    /// The name that it had before.
    pub was: Option<String>,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its comment.
    pub comment: Option<String>,
    pub(crate) schema_span: Option<Span>,
    pub(crate) checks: Vec<String>,
    pub(crate) constraints: Vec<String>,
    pub(crate) options: Option<String>,
    pub(crate) span: Span,
}

/// A field as a column.
#[derive(Clone, Debug)]
pub struct Column {
    /// The name of the column.
    pub name: String,
    /// The name that it had before.
    pub was: Option<String>,
    /// The type that `sql_type` gives it.
    pub sql_type: Option<String>,
    /// What its Rust type holds, if that is known.
    pub kind: Option<Kind>,
    /// Whether its Rust type is an `Option`.
    pub nullable: bool,
    /// Whether it is the primary key, or a part of it.
    pub primary_key: bool,
    /// The default, an expression of SQL.
    pub default: Option<String>,
    /// How its value is computed.
    pub generated: Option<Generated>,
    /// Whether the database numbers its rows.
    pub identity: Option<Identity>,
    /// Its comment.
    pub comment: Option<String>,
    /// Its own uniqueness, and the names of the constraints that it is in.
    pub(crate) unique: Vec<Option<String>>,
    pub(crate) indexes: Vec<Option<String>>,
    pub(crate) references: Option<(Reference, Span)>,
    pub(crate) on_delete: Option<&'static str>,
    pub(crate) on_update: Option<&'static str>,
    pub(crate) checks: Vec<String>,
    pub(crate) span: Span,
    pub(crate) type_span: Span,
}

/// The expression of a generated column, and when it is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// The expression.
    pub expression: String,
    /// Whether it is computed when it is read, and not when it is written.
    pub is_virtual: bool,
}

/// Whether a statement may give the number of a row itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// It may.
    ByDefault,
    /// It may not.
    Always,
}

const ACTIONS: [&str; 5] = ["cascade", "restrict", "set null", "set default", "no action"];

impl Table {
    /// Reads a struct with its attributes.
    ///
    /// # Errors
    ///
    /// Every mistake in it, with its place.
    pub fn of(input: &DeriveInput) -> Result<Self, Vec<Error>> {
        let mut errors = Vec::new();
        let fields = match &input.data {
            Data::Struct(data) => match &data.fields {
                Fields::Named(fields) => Some(&fields.named),
                Fields::Unnamed(_) | Fields::Unit => {
                    let message = "columns have names: write the struct with named fields";
                    errors.push(Error::new_spanned(&input.ident, message));
                    None
                }
            },
            Data::Enum(_) | Data::Union(_) => {
                let message = "a table is a struct: delete the derive, and store this type in a column with `sql_type`";
                errors.push(Error::new_spanned(&input.ident, message));
                None
            }
        };
        for parameter in &input.generics.params {
            if !matches!(parameter, GenericParam::Lifetime(_)) {
                let message = "a table has one type for each column: delete the parameter, and write its type";
                errors.push(Error::new_spanned(parameter, message));
            }
        }
        let span = input.ident.span();
        let of = input.ident.unraw().to_string();
        let mut table = Self {
            name: snake_case(&of),
            of,
            schema: None,
            database: None,
            was: None,
            columns: Vec::new(),
            comment: None,
            schema_span: None,
            checks: Vec::new(),
            constraints: Vec::new(),
            options: None,
            span,
        };
        for given in attribute::given(&input.attrs, Place::Struct, &mut errors) {
            if let Err(error) = table.take(given) {
                errors.push(error);
            }
        }
        let mut seen: HashMap<String, String> = HashMap::new();
        for field in fields.into_iter().flatten() {
            let Some(column) = column(field, &mut errors) else { continue };
            let name = field.ident.as_ref().map(|ident| ident.unraw().to_string()).unwrap_or_default();
            // Neither database tells plain names by their case.
            if let Some(other) = seen.insert(column.name.to_lowercase(), name) {
                let message =
                    format!("the column `{}` is that of the field `{other}` too: rename one of them", column.name);
                errors.push(Error::new(column.span, message));
            }
            table.columns.push(column);
        }
        if errors.is_empty() && table.columns.is_empty() {
            errors.push(Error::new(span, "the table has no column: add a field, or delete the derive"));
        }
        if errors.is_empty() { Ok(table) } else { Err(errors) }
    }

    fn take(&mut self, given: Given) -> Result<(), Error> {
        let Given { name, value, .. } = &given;
        let value = value.as_ref().expect("options of a struct have values");
        let (text, span) = (value.text.clone(), value.span);
        match name.as_str() {
            "table" => {
                check_name(name, &text, span)?;
                if let Some((schema, table)) = text.split_once('.') {
                    let message = format!("write `schema = \"{schema}\", table = \"{table}\"`");
                    return Err(Error::new(span, format!("the name of a table has no dot: {message}")));
                }
                self.name = text;
            }
            "schema" => {
                check_name(name, &text, span)?;
                (self.schema, self.schema_span) = (Some(text), Some(span));
            }
            "database" => {
                check_name(name, &text, span)?;
                self.database = Some(text);
            }
            "was" => {
                check_name(name, &text, span)?;
                self.was = Some(text);
            }
            "check" => self.checks.push(fragment(name, text, span)?),
            "constraint" => self.constraints.push(fragment(name, text, span)?),
            "options" => self.options = Some(fragment(name, text, span)?),
            "comment" => self.comment = Some(comment(text, span)?),
            other => unreachable!("`{other}` is no option of a struct"),
        }
        Ok(())
    }
}

/// Reads a field. `None` if it is left out, or if nothing can be said of it.
fn column(field: &Field, errors: &mut Vec<Error>) -> Option<Column> {
    let ident = field.ident.as_ref()?;
    let options = attribute::given(&field.attrs, Place::Field, errors);
    if let Some(skip) = options.iter().find(|given| given.name == "skip") {
        if let Some(other) = options.iter().find(|given| given.name != "skip") {
            let message =
                format!("`skip` leaves the field out, so `{}` has no meaning: delete one of them", other.name);
            errors.push(Error::new(skip.span, message));
        }
        return None;
    }
    let (inner, nullable) = types::nullable(&field.ty);
    let mut column = Column {
        name: ident.unraw().to_string(),
        was: None,
        sql_type: None,
        kind: None,
        nullable,
        primary_key: false,
        default: None,
        generated: None,
        identity: None,
        comment: None,
        unique: Vec::new(),
        indexes: Vec::new(),
        references: None,
        on_delete: None,
        on_update: None,
        checks: Vec::new(),
        span: ident.span(),
        type_span: field.ty.span(),
    };
    let before = errors.len();
    for given in &options {
        if let Err(error) = column.take(given) {
            errors.push(error);
        }
    }
    match types::kind(inner) {
        Ok(kind) => column.kind = Some(kind),
        Err(_) if options.iter().any(|given| given.name == "sql_type") => {}
        Err(message) => errors.push(Error::new_spanned(&field.ty, message)),
    }
    if errors.len() == before {
        errors.extend(column.contradictions(&options));
    }
    Some(column)
}

impl Column {
    fn take(&mut self, given: &Given) -> Result<(), Error> {
        let name = given.name.as_str();
        let (text, span) = match &given.value {
            Some(value) => (Some(value.text.clone()), value.span),
            None => (None, given.span),
        };
        // `attribute` has checked which options have values.
        let value = || text.clone().expect("this option has a value");
        match name {
            "column" => {
                check_name(name, &value(), span)?;
                self.name = value();
            }
            "was" => {
                check_name(name, &value(), span)?;
                self.was = text;
            }
            "primary_key" => self.primary_key = true,
            "unique" | "index" => {
                if let Some(group) = &text {
                    check_name(name, group, span)?;
                }
                let of_kind = if name == "unique" { &mut self.unique } else { &mut self.indexes };
                if of_kind.contains(&text) {
                    let message = format!("the option `{name}` says the same twice: delete one of them");
                    return Err(Error::new(given.span, message));
                }
                of_kind.push(text);
            }
            "references" => {
                let reference = reference::parse(&value()).map_err(|message| Error::new(span, message))?;
                self.references = Some((reference, span));
            }
            "on_delete" => self.on_delete = Some(action(name, &value(), span)?),
            "on_update" => self.on_update = Some(action(name, &value(), span)?),
            "check" => self.checks.push(fragment(name, value(), span)?),
            "default" => self.default = Some(fragment(name, value(), span)?),
            "sql_type" => self.sql_type = Some(sql_type(value(), span)?),
            "generated" => {
                let expression = fragment(name, value(), span)?;
                let is_virtual = self.generated.as_ref().is_some_and(|generated| generated.is_virtual);
                self.generated = Some(Generated { expression, is_virtual });
            }
            // Looked at together with `generated`, wherever that is.
            "virtual" => {}
            "identity" => {
                self.identity = Some(match text.as_deref() {
                    None => Identity::ByDefault,
                    Some("always") => Identity::Always,
                    Some(other) => {
                        let message = format!(
                            "`identity` is not `{other}`: write `identity`, or `identity = \"always\"` if no statement may \
                             give the number itself"
                        );
                        return Err(Error::new(span, message));
                    }
                });
            }
            "comment" => self.comment = Some(comment(value(), span)?),
            other => unreachable!("`{other}` is no option of a field"),
        }
        Ok(())
    }

    /// Takes what depends on two options, and returns what does not go together.
    fn contradictions(&mut self, options: &[Given]) -> Vec<Error> {
        let span = |name: &str| options.iter().find(|given| given.name == name).map(|given| given.span);
        let mut errors = Vec::new();
        let mut wrong = |span: Option<Span>, message: String| {
            errors.push(Error::new(span.unwrap_or_else(Span::call_site), message));
        };
        match (span("virtual"), &mut self.generated) {
            (Some(_), Some(generated)) => generated.is_virtual = true,
            (Some(place), None) => {
                wrong(Some(place), "`virtual` is about a generated column: write `generated = \"…\"` too".to_owned());
            }
            (None, _) => {}
        }
        for (name, is_given) in [("on_delete", self.on_delete.is_some()), ("on_update", self.on_update.is_some())] {
            if is_given && self.references.is_none() {
                wrong(span(name), format!("`{name}` is about a foreign key: write `references = \"users(id)\"` too"));
            }
        }
        for (name, action) in [("on_delete", self.on_delete), ("on_update", self.on_update)] {
            if action == Some("SET NULL") && !self.nullable {
                let message =
                    format!("`{name} = \"set null\"` needs a column that can be NULL: make the type `Option<…>`");
                wrong(span(name), message);
            }
        }
        if self.primary_key && self.nullable {
            let message = "a primary key is never NULL: write the type without `Option`";
            wrong(span("primary_key"), message.to_owned());
        }
        if self.primary_key && self.unique.contains(&None) {
            wrong(span("unique"), "a primary key is unique already: delete `unique`".to_owned());
        }
        let givers = ["default", "generated", "identity"];
        let given: Vec<&str> = givers.into_iter().filter(|name| span(name).is_some()).collect();
        if let [one, other, ..] = given[..] {
            let message = format!("`{one}` and `{other}` both say where the value comes from: delete one of them");
            wrong(span(other), message);
        }
        if self.identity.is_some() {
            if self.nullable {
                wrong(span("identity"), "a numbered column is never NULL: write the type without `Option`".to_owned());
            }
            if self.sql_type.is_none() && !self.kind.as_ref().is_some_and(Kind::is_integer) {
                wrong(span("identity"), "the database numbers whole numbers: make it `i16`, `i32` or `i64`".to_owned());
            }
        }
        errors
    }
}

fn fragment(option: &str, text: String, span: Span) -> Result<String, Error> {
    match fragment::problem(&text) {
        None => Ok(text.trim().to_owned()),
        Some(problem) => Err(Error::new(span, format!("the SQL of `{option}` {problem}"))),
    }
}

fn comment(text: String, span: Span) -> Result<String, Error> {
    match text.trim() {
        "" => Err(Error::new(span, "the comment is empty: write one, or delete the option")),
        _ if text.contains('\0') => Err(Error::new(span, "the comment has a NUL character: delete it")),
        _ => Ok(text),
    }
}

/// Takes a type, and refuses what has an option of its own.
fn sql_type(text: String, span: Span) -> Result<String, Error> {
    let text = fragment("sql_type", text, span)?;
    let words = text.to_ascii_lowercase();
    let words: Vec<&str> = words.split_whitespace().collect();
    let has = |one: &[&str]| words.windows(one.len()).any(|window| window == one);
    let instead = [
        (has(&["not", "null"]), "NOT NULL", "a field is NOT NULL unless its type is `Option<…>`: delete it"),
        (has(&["primary", "key"]), "PRIMARY KEY", "write `primary_key` beside it"),
        (words.contains(&"default"), "DEFAULT", "write `default = \"…\"` beside it"),
        (words.contains(&"references"), "REFERENCES", "write `references = \"…\"` beside it"),
        (words.contains(&"unique"), "UNIQUE", "write `unique` beside it"),
        (words.contains(&"generated"), "GENERATED", "write `generated = \"…\"` or `identity` beside it"),
    ];
    match instead.into_iter().find(|(is_there, _, _)| *is_there) {
        None => Ok(text),
        Some((_, word, way_out)) => Err(Error::new(span, format!("`{word}` is not part of a type: {way_out}"))),
    }
}

fn action(option: &str, text: &str, span: Span) -> Result<&'static str, Error> {
    const SQL: [&str; 5] = ["CASCADE", "RESTRICT", "SET NULL", "SET DEFAULT", "NO ACTION"];
    let word = text.to_ascii_lowercase().replace('_', " ");
    if let Some(at) = ACTIONS.iter().position(|action| *action == word) {
        return Ok(SQL[at]);
    }
    let meant = match nearest(&word, &ACTIONS) {
        Some(meant) => format!("did you mean `{option} = \"{meant}\"`?"),
        None => format!("it is one of {}", ACTIONS.map(|action| format!("`{action}`")).join(", ")),
    };
    Err(Error::new(span, format!("`{option}` cannot be `{text}`: {meant}")))
}
