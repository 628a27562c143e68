//! What a script says to psql: its variables and its commands, as values. `lockgate-sql` reads them while compiling,
//! the embedded table has them as bytes, and `Program::expand`, behind the feature `psql`, makes plain SQL of them before anything is sent.
//!
//! The language is closed. It knows variables, conditions on them and messages, and cannot ask the database or the
//! shell. So everything that a script will send is known before its first statement runs.

#[cfg(any(feature = "encode", feature = "psql"))]
mod bytes;
#[cfg(feature = "psql")]
mod expand;
#[cfg(feature = "psql")]
mod quote;

use std::ops::Range;

#[cfg(feature = "psql")]
pub use expand::{Expanded, Refused, Unexpandable, Values};

/// The variables and the commands of one script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The variables whose values the caller gives.
    pub declared: Vec<String>,
    /// Where variables are in the statements, in the order of the text.
    pub places: Vec<Place>,
    /// The commands, in the order of the text.
    pub commands: Vec<Command>,
    /// The paths of the files that the text was put together from, below the folder. The first is the script. A file that is
    /// included twice is listed twice. Empty if nothing was included.
    pub files: Vec<String>,
    /// Which part of the text comes from which file, in the order of the text.
    pub parts: Vec<Part>,
}

/// A part of a text, up to the next part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where in the text it begins: at the beginning of a line.
    pub start: usize,
    /// The index of its file in [`Program::files`].
    pub file: usize,
}

/// A variable in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its bytes in the text, with the colon.
    pub range: Range<usize>,
    /// The variable.
    pub variable: Variable,
}

impl Place {
    /// The variable whose colon is at this byte, if there is one.
    pub fn at(text: &str, at: usize) -> Option<Self> {
        let rest = &text.as_bytes()[at + 1..];
        let (open, close, form): (&str, &str, _) = match rest.first()? {
            b'\'' => ("'", "'", Form::Literal),
            b'"' => ("\"", "\"", Form::Identifier),
            b'{' => ("{?", "}", Form::IsSet),
            _ => ("", "", Form::Plain),
        };
        let inner = rest.strip_prefix(open.as_bytes())?;
        let len = inner.iter().take_while(|byte| is_name_byte(**byte)).count();
        if len == 0 || !inner[len..].starts_with(close.as_bytes()) {
            return None;
        }
        let start = at + 1 + open.len();
        let variable = Variable { name: text[start..start + len].to_owned(), form };
        Some(Self { range: at..start + len + close.len(), variable })
    }
}

/// A variable, and how its value is written into the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// How its value is written.
    pub form: Form,
}

/// How the value of a variable is written into the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `:name`: as it is.
    Plain,
    /// `:'name'`: as a string.
    Literal,
    /// `:"name"`: as a name.
    Identifier,
    /// `:{?name}`: as `TRUE` if it is set, otherwise as `FALSE`.
    IsSet,
}

/// A command of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The index of its line among the statements.
    pub statement: usize,
    /// What it does.
    pub what: What,
}

/// What a command does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// `\set`: sets a variable to these words, without anything between them.
    Set(String, Vec<Word>),
    /// `\getenv`: sets a variable to the value of an environment variable, if that is set.
    GetEnv(String, String),
    /// `\if`
    If(Vec<Word>),
    /// `\elif`
    Elif(Vec<Word>),
    /// `\else`
    Else,
    /// `\endif`
    EndIf,
    /// `\echo`
    Echo(Vec<Word>),
    /// `\connect`: goes on in this database.
    Connect(Word),
    /// Nothing: `\restrict`, `\i`, whose file is already in the text, and settings of psql that are in force anyway.
    Nothing,
}

/// An argument of a command.
pub type Word = Vec<Piece>;

/// A piece of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text without quotes and escapes.
    Text(String),
    /// A variable.
    Variable(Variable),
}

/// A place in one of the files of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilePlace<'a> {
    /// The path below the folder, if the byte is in an included file.
    pub included: Option<&'a str>,
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
}

impl Program {
    /// Whether a variable is written into this statement as it is, so that the text alone does not show what the
    /// statement is.
    pub fn is_open(&self, statement: &Range<usize>) -> bool {
        let within = |place: &&Place| statement.start <= place.range.start && place.range.end <= statement.end;
        self.places.iter().filter(within).any(|place| place.variable.form == Form::Plain)
    }

    /// The variable that a statement begins with, if its value is written as it is.
    #[cfg(feature = "psql")]
    fn leading(&self, text: &str, statement: &Range<usize>) -> Option<&Place> {
        let first = self.places.partition_point(|place| place.range.start < statement.start);
        let place = self.places.get(first).filter(|place| place.range.end <= statement.end)?;
        let before = text[statement.start..place.range.start].trim_start_matches('(');
        (before.trim().is_empty() && place.variable.form == Form::Plain).then_some(place)
    }

    /// The part that this byte is in, and where in its file it is.
    pub fn part(&self, byte: usize, len: usize) -> Option<(Part, usize)> {
        let index = self.parts.partition_point(|part| part.start <= byte).checked_sub(1)?;
        let part = self.parts[index];
        let end = |index: usize| self.parts.get(index + 1).map_or(len, |next| next.start);
        let earlier = (0..index).filter(|earlier| self.parts[*earlier].file == part.file);
        let before: usize = earlier.map(|earlier| end(earlier) - self.parts[earlier].start).sum();
        Some((part, before + byte - part.start))
    }

    /// The text of one of the files.
    pub fn file_text(&self, text: &str, file: usize) -> String {
        let end = |index: usize| self.parts.get(index + 1).map_or(text.len(), |next| next.start);
        let of_file = self.parts.iter().enumerate().filter(|(_, part)| part.file == file);
        of_file.map(|(index, part)| &text[part.start..end(index)]).collect()
    }

    /// The file, the line and the column of a byte of the text.
    pub fn locate<'a>(&'a self, text: &str, byte: usize) -> FilePlace<'a> {
        let Some((part, at)) = self.part(byte, text.len()) else {
            return line_and_column(text, byte, None);
        };
        let included = (part.file > 0).then(|| self.files[part.file].as_str());
        line_and_column(&self.file_text(text, part.file), at, included)
    }
}

fn line_and_column<'a>(text: &str, byte: usize, included: Option<&'a str>) -> FilePlace<'a> {
    let before = &text[..text.floor_char_boundary(byte)];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    FilePlace { included, line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() + 1 }
}

/// Whether this byte can be part of a variable's name.
const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Whether a word is true or false for psql. `None` if it is neither.
pub fn truth(word: &str) -> Option<bool> {
    let word = word.to_ascii_lowercase();
    let begins = |whole: &str, least: usize| word.len() >= least && whole.starts_with(&word);
    match word.as_str() {
        "1" => Some(true),
        "0" => Some(false),
        _ if begins("true", 1) || begins("yes", 1) || begins("on", 2) => Some(true),
        _ if begins("false", 1) || begins("no", 1) || begins("off", 2) => Some(false),
        _ => None,
    }
}

/// Whether this is the name of a variable.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(is_name_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_true_and_false_as_in_psql() {
        for word in ["t", "TRUE", "tr", "y", "yes", "on", "1"] {
            assert_eq!(truth(word), Some(true), "{word}");
        }
        for word in ["f", "False", "n", "no", "of", "off", "0"] {
            assert_eq!(truth(word), Some(false), "{word}");
        }
        for word in ["", "o", "2", "truely", "onn", " 1"] {
            assert_eq!(truth(word), None, "{word}");
        }
    }
}
