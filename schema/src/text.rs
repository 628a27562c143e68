//! The text form of a schema. Each object is a block, and each column, constraint and index is a line, so a diff of two
//! texts shows what has changed.
//!
//! ```text
//! -- lockgate schema 1 (postgres)
//!
//! table public.users
//!   column id bigint NOT NULL IDENTITY ALWAYS
//!   column email text NOT NULL
//!     comment where we write to
//!   constraint users_pkey PRIMARY KEY (id)
//!   index users_email UNIQUE USING btree (email)
//! ```
//!
//! Two schemas that differ have different texts: a value that could be confused with what follows it gets lines of its
//! own, each after a `|`.

use lockgate_core::snapshot::{FORM, Head};

use crate::block::{Clause, Form, Item, describe};
use crate::model::Schema;

impl Schema {
    /// Returns the schema as text, for people and for version control. It is sorted, and two schemas are equal exactly if
    /// their texts are.
    pub fn to_text(&self) -> String {
        let mut text = Head { form: FORM, dialect: self.dialect, release: None }.to_string();
        for block in describe(self) {
            text.push('\n');
            write(&mut text, &block, 0);
        }
        text
    }
}

/// Returns the text of a single object.
pub(crate) fn block(item: &Item) -> String {
    let mut text = String::new();
    write(&mut text, item, 0);
    text
}

fn write(text: &mut String, item: &Item, depth: usize) {
    let indent = "  ".repeat(depth);
    text.push_str(&format!("{indent}{}\n", line(item)));
    let below = "  ".repeat(depth + 1);
    for clause in &item.clauses {
        let value = clause.value.as_deref();
        match clause.form {
            Form::Inline | Form::Bare if fits(item, clause) => {}
            Form::Text => write_lines(text, &below, value.unwrap_or_default()),
            Form::Line if value.is_none_or(is_plain) => {
                text.push_str(&format!("{below}{}\n", words(&clause.word, value)));
            }
            Form::Line | Form::Inline | Form::Bare => {
                text.push_str(&format!("{below}{}:\n", clause.word));
                write_lines(text, &format!("{below}  "), value.unwrap_or_default());
            }
        }
    }
    for part in &item.parts {
        write(text, part, depth + 1);
    }
}

/// Returns the line of an item, without the lines below it.
pub(crate) fn line(item: &Item) -> String {
    let mut line = words(item.label, item.name.as_deref());
    for clause in item.clauses.iter().filter(|clause| fits(item, clause)) {
        let word = if clause.form == Form::Bare { "" } else { &clause.word };
        if !word.is_empty() {
            line.push_str(&format!(" {word}"));
        }
        if let Some(value) = &clause.value {
            line.push_str(&format!(" {value}"));
        }
    }
    line
}

fn words(word: &str, value: Option<&str>) -> String {
    match value {
        Some(value) => format!("{word} {value}"),
        None => word.to_owned(),
    }
}

fn write_lines(text: &mut String, indent: &str, value: &str) {
    for line in value.split('\n') {
        let space = if line.is_empty() { "" } else { " " };
        text.push_str(&format!("{indent}|{space}{line}\n"));
    }
}

/// Whether a clause is on the line of its item.
fn fits(item: &Item, clause: &Clause) -> bool {
    if !matches!(clause.form, Form::Inline | Form::Bare) {
        return false;
    }
    let Some(value) = &clause.value else { return true };
    // An item without a name begins with the clause that would follow the name: `CHECK (a > 0)`.
    let is_told_from_a_name = item.name.is_some() || value.starts_with(|c: char| c.is_ascii_uppercase());
    let is_told_from_a_flag = item.label != "index" || !value.starts_with("UNIQUE");
    let spaced = format!(" {value}");
    let is_told_from_the_rest = !followers(&clause.word).iter().any(|word| spaced.contains(word));
    is_plain(value) && is_told_from_a_name && is_told_from_a_flag && is_told_from_the_rest
}

/// The words that may follow a clause on its line. A value that contains one of them gets lines of its own.
fn followers(word: &str) -> &'static [&'static str] {
    match word {
        "type" | "COLLATE" => &[" COLLATE", " NOT NULL", " INHERITED", " IDENTITY", " GENERATED", " DEFAULT"],
        // An identity may itself contain ` BY DEFAULT`.
        "IDENTITY" => &[" GENERATED", ") DEFAULT"],
        "GENERATED" => &[" DEFAULT"],
        "AS" => &[" UNLOGGED", " TEMPORARY"],
        // These are always the last on their lines.
        _ => &[],
    }
}

/// Whether a value is a single line without white space at its ends.
fn is_plain(value: &str) -> bool {
    !value.is_empty() && value == value.trim() && !value.contains(char::is_control)
}
