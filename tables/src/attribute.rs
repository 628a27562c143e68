//! The options in `#[lockgate(…)]`, above a struct or a field, with the places at which they were written.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Expr, Ident, Lit, Token, UnOp, token};

use crate::name::nearest;

/// An option and its value.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) value: Option<Value>,
}

/// The value of an option.
#[derive(Debug)]
pub(crate) struct Value {
    /// A text without its quotes, or a number or `true` as it stands in SQL.
    pub(crate) text: String,
    pub(crate) is_text: bool,
    pub(crate) span: Span,
}

/// What an option is, in one place.
#[derive(Debug)]
struct Known {
    name: &'static str,
    place: Place,
    value: Wanted,
    /// Whether it may be written several times.
    again: bool,
    example: &'static str,
}

/// Where an option belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Struct,
    Field,
    Both,
}

/// Whether an option has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    None,
    Maybe,
    Text,
    /// A text of SQL, or a number or a truth value.
    Literal,
}

const fn known(name: &'static str, place: Place, value: Wanted, again: bool, example: &'static str) -> Known {
    Known { name, place, value, again, example }
}

const OPTIONS: &[Known] = &[
    known("table", Place::Struct, Wanted::Text, false, "table = \"users\""),
    known("schema", Place::Struct, Wanted::Text, false, "schema = \"app\""),
    known("database", Place::Struct, Wanted::Text, false, "database = \"billing\""),
    known("constraint", Place::Struct, Wanted::Text, true, "constraint = \"UNIQUE (a, b)\""),
    known("options", Place::Struct, Wanted::Text, false, "options = \"STRICT\""),
    known("was", Place::Both, Wanted::Text, false, "was = \"mail\""),
    known("check", Place::Both, Wanted::Text, true, "check = \"price > 0\""),
    known("comment", Place::Both, Wanted::Text, false, "comment = \"in cents\""),
    known("column", Place::Field, Wanted::Text, false, "column = \"type\""),
    known("primary_key", Place::Field, Wanted::None, false, "primary_key"),
    known("unique", Place::Field, Wanted::Maybe, true, "unique = \"users_name_team\""),
    known("index", Place::Field, Wanted::Maybe, true, "index = \"users_by_team\""),
    known("references", Place::Field, Wanted::Text, false, "references = \"users(id)\""),
    known("on_delete", Place::Field, Wanted::Text, false, "on_delete = \"cascade\""),
    known("on_update", Place::Field, Wanted::Text, false, "on_update = \"cascade\""),
    known("default", Place::Field, Wanted::Literal, false, "default = \"now()\""),
    known("sql_type", Place::Field, Wanted::Text, false, "sql_type = \"text\""),
    known("generated", Place::Field, Wanted::Text, false, "generated = \"lower(email)\""),
    known("virtual", Place::Field, Wanted::None, false, "virtual"),
    known("identity", Place::Field, Wanted::Maybe, false, "identity = \"always\""),
    known("skip", Place::Field, Wanted::None, false, "skip"),
];

/// Returns the options in these attributes. Mistakes are added to the errors, and the other options are returned.
pub(crate) fn given(attributes: &[Attribute], place: Place, errors: &mut Vec<Error>) -> Vec<Given> {
    let mut found: Vec<Given> = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("lockgate")) {
        match attribute.parse_args_with(Punctuated::<Given, Token![,]>::parse_terminated) {
            Ok(options) if options.is_empty() => {
                errors.push(Error::new_spanned(
                    attribute,
                    format!("no option: write one of {}, or delete it", names(place)),
                ));
            }
            Ok(options) => found.extend(options),
            Err(error) => errors.push(error),
        }
    }
    let mut kept: Vec<Given> = Vec::new();
    for given in found {
        match problem(&given, place, &kept) {
            Some(error) => errors.push(error),
            None => kept.push(given),
        }
    }
    kept
}

fn problem(given: &Given, place: Place, before: &[Given]) -> Option<Error> {
    let Given { name, span, value } = given;
    let error = |message: String| Some(Error::new(*span, message));
    let Some(known) = OPTIONS.iter().find(|known| known.name == name) else {
        let all: Vec<&str> = OPTIONS.iter().filter(|known| known.is_for(place)).map(|known| known.name).collect();
        let meant = match (other_tools(name), nearest(name, &all)) {
            (Some(ours), _) => format!("write `{ours}`"),
            (None, Some(meant)) => format!("did you mean `{meant}`?"),
            (None, None) => format!("the options here are {}", names(place)),
        };
        return error(format!("there is no option `{name}`: {meant}"));
    };
    if !known.is_for(place) {
        return error(match known.place {
            Place::Struct => format!("`{name}` is about the table: write it above the struct"),
            Place::Field | Place::Both => format!("`{name}` is about a column: write it above a field"),
        });
    }
    if !known.again && before.iter().any(|other| other.name == *name) {
        return error(format!("the option `{name}` is given twice: delete one of them"));
    }
    let example = known.example;
    match (known.value, value) {
        (Wanted::None, Some(value)) => Some(Error::new(value.span, format!("`{name}` has no value: write `{name}`"))),
        (Wanted::Text | Wanted::Literal, None) => error(format!("`{name}` needs a value, for example `{example}`")),
        (Wanted::Text | Wanted::Maybe, Some(value)) if !value.is_text => {
            Some(Error::new(value.span, format!("the value of `{name}` is a text in quotes, for example `{example}`")))
        }
        (Wanted::None | Wanted::Maybe, None) | (Wanted::Maybe | Wanted::Text | Wanted::Literal, Some(_)) => None,
    }
}

/// Returns how an option of another library is called here.
fn other_tools(name: &str) -> Option<&'static str> {
    Some(match name {
        "table_name" | "rename_all" => "table = \"users\"",
        "column_name" | "rename" | "name" => "column = \"type\"",
        "primary" | "id" | "pk" => "primary_key",
        "auto_increment" | "autoincrement" => "identity",
        "foreign_key" | "belongs_to" => "references = \"users(id)\"",
        "ignore" | "flatten" => "skip",
        "type" | "column_type" | "db_type" => "sql_type = \"text\"",
        "default_value" | "default_expr" => "default = \"now()\"",
        "nullable" | "not_null" => "the type of the field as `Option<…>`, or without `Option`",
        "indexed" => "index",
        _ => return None,
    })
}

fn names(place: Place) -> String {
    let names: Vec<String> =
        OPTIONS.iter().filter(|known| known.is_for(place)).map(|known| format!("`{}`", known.name)).collect();
    names.join(", ")
}

impl Known {
    fn is_for(&self, place: Place) -> bool {
        self.place == place || self.place == Place::Both
    }
}

impl Parse for Given {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if !input.peek(Ident::peek_any) {
            return Err(input.error("options are words: `primary_key`, `references = \"users(id)\"`"));
        }
        let name = Ident::parse_any(input)?;
        let text = name.unraw().to_string();
        let value = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            Some(value(&input.parse::<Expr>()?)?)
        } else if input.peek(token::Paren) || input.peek(token::Bracket) {
            let message = format!("the value of `{text}` is written after `=`: `{text} = \"…\"`");
            return Err(Error::new(name.span(), message));
        } else {
            None
        };
        Ok(Self { name: text, span: name.span(), value })
    }
}

fn value(expression: &Expr) -> syn::Result<Value> {
    let span = syn::spanned::Spanned::span(expression);
    let number = |expression: &Expr| match expression {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(number) => Some(number.base10_digits().to_owned()),
            Lit::Float(number) => Some(number.base10_digits().to_owned()),
            _ => None,
        },
        _ => None,
    };
    let of_text = |text: String| Ok(Value { text, is_text: true, span });
    let literal = |text: String| Ok(Value { text, is_text: false, span });
    if let Some(number) = number(expression) {
        return literal(number);
    }
    match expression {
        Expr::Lit(given) => match &given.lit {
            Lit::Str(text) => return of_text(text.value()),
            Lit::Bool(word) => return literal(word.value.to_string()),
            _ => {}
        },
        Expr::Unary(negative) if matches!(negative.op, UnOp::Neg(_)) => {
            if let Some(number) = number(&negative.expr) {
                return literal(format!("-{number}"));
            }
        }
        Expr::Group(group) => return value(&group.expr),
        _ => {}
    }
    Err(Error::new(span, "a value is a text in quotes, a number, `true` or `false`: what it says is SQL, not Rust"))
}
