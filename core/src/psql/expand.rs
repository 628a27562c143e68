//! Makes plain SQL of a script: sets its variables, decides its conditions and writes the values into the statements.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use super::quote::{identifier, literal, stays_inside};
use super::truth;
use super::{Form, Piece, Program, Variable, What, Word};
use crate::{Statement, StatementFlags, StatementKind};

/// Where the values come from that a script does not set itself.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    /// The values that the caller gave.
    pub given: &'a dyn Fn(&str) -> Option<String>,
    /// The environment of the program, for `\getenv`.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Whether a variable without a value has its own name as its value: on a throwaway database.
    pub stand_in: bool,
}

impl fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").field("stand_in", &self.stand_in).finish_non_exhaustive()
    }
}

/// A script as plain SQL.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Expanded {
    /// Its text, with the values.
    pub text: String,
    /// As many statements as the script has. Commands, and statements that are skipped, are
    /// [`CLIENT_ONLY`](StatementFlags::CLIENT_ONLY) and empty.
    pub statements: Vec<Statement>,
    /// The messages of its `\echo` lines, each with the index of its line among the statements.
    pub echoes: Vec<(usize, String)>,
    /// The databases of its `\connect` lines, each with the index of its line among the statements.
    pub connects: Vec<(usize, String)>,
    /// Values that no message may show, and what to show instead.
    secrets: Vec<(String, String)>,
    /// Which byte of the script each byte of the text comes from.
    origins: Vec<Origin>,
}

impl fmt::Debug for Expanded {
    /// Without the text, which has the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expanded").field("statements", &self.statements.len()).finish_non_exhaustive()
    }
}

/// Where a piece of the text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Origin {
    /// Where it begins in the text.
    start: usize,
    /// Where it begins in the script.
    byte: usize,
    /// Whether it is a value, whose bytes all come from one place.
    is_value: bool,
}

impl Expanded {
    /// The byte of the script that a byte of the text comes from.
    pub fn origin(&self, byte: usize) -> usize {
        let before = self.origins.partition_point(|origin| origin.start <= byte);
        match before.checked_sub(1).map(|index| self.origins[index]) {
            Some(origin) if origin.is_value => origin.byte,
            Some(origin) => origin.byte + byte - origin.start,
            None => 0,
        }
    }

    /// Replaces the values that no message may show.
    pub fn hide(&self, message: &str) -> String {
        let mut shown = message.to_owned();
        for (value, instead) in &self.secrets {
            shown = replace_whole(&shown, value, instead);
        }
        shown
    }
}

/// Replaces a value where it is not a part of a longer word.
fn replace_whole(text: &str, value: &str, instead: &str) -> String {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let (first, last) = (is_word(value.chars().next()), is_word(value.chars().next_back()));
    let (mut replaced, mut from) = (String::new(), 0);
    for (at, _) in text.match_indices(value) {
        if at < from {
            continue;
        }
        let end = at + value.len();
        let longer =
            (first && is_word(text[..at].chars().next_back())) || (last && is_word(text[end..].chars().next()));
        if !longer {
            replaced.push_str(&text[from..at]);
            replaced.push_str(instead);
            from = end;
        }
    }
    replaced.push_str(&text[from..]);
    replaced
}

/// Why a script cannot be made into SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unexpandable {
    /// The index of the statement or line.
    pub statement: usize,
    /// The byte of the script.
    pub byte: usize,
    /// The variable.
    pub variable: String,
    /// What is wrong.
    pub refused: Refused,
}

/// What is wrong with a variable. It never has the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It has no value, though the caller can give one.
    NotGiven,
    /// It has no value, because this environment variable has none.
    NoEnvironment(String),
    /// It has no value, because the lines that set it were skipped.
    Skipped,
    /// Its value contains a NUL byte.
    Nul,
    /// Its value, written as it is, would not stay inside the statement.
    LeavesStatement,
    /// Its value makes a statement that begins or ends a transaction.
    Transaction,
    /// The condition is neither true nor false.
    NotBoolean,
}

#[derive(Clone, Debug, Default)]
struct Value {
    text: String,
    /// Whether it, or a part of it, comes from outside of the script.
    from_outside: bool,
}

impl Value {
    /// Appends another value.
    fn push(&mut self, other: Self) {
        self.text.push_str(&other.text);
        self.from_outside |= other.from_outside;
    }
}

/// An `\if` that is open.
struct Condition {
    /// Whether it is in a part that runs.
    reached: bool,
    /// Whether one of its branches was chosen.
    chosen: bool,
    /// Whether its current branch runs.
    runs: bool,
}

impl Program {
    /// Makes plain SQL of a script with these statements.
    ///
    /// # Errors
    ///
    /// [`Unexpandable`] if a variable has no value, or one that cannot be written.
    pub fn expand(
        &self,
        text: &str,
        statements: &[Statement],
        values: Values<'_>,
    ) -> Result<Expanded, Box<Unexpandable>> {
        let mut run = Run {
            program: self,
            values,
            variables: BTreeMap::new(),
            environment: BTreeMap::new(),
            conditions: Vec::new(),
            secret: BTreeMap::new(),
            names: BTreeSet::new(),
            out: Expanded::default(),
        };
        for name in &self.declared {
            if let Some(text) = (values.given)(name) {
                run.variables.insert(name.clone(), Value { text, from_outside: true });
            }
        }
        let mut commands = self.commands.iter().peekable();
        for (index, statement) in statements.iter().enumerate() {
            match commands.next_if(|command| command.statement == index) {
                Some(command) => {
                    run.command(index, statement.range.start, &command.what)?;
                    run.skip();
                }
                None if statement.flags.contains(StatementFlags::CLIENT_ONLY) || !run.runs() => run.skip(),
                None => run.statement(text, index, statement)?,
            }
        }
        let Run { mut out, secret, names, .. } = run;
        out.secrets = secret.into_iter().filter(|(value, _)| !value.is_empty() && !names.contains(value)).collect();
        // A value may be a part of a longer one.
        out.secrets.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        Ok(out)
    }
}

struct Run<'a> {
    program: &'a Program,
    values: Values<'a>,
    variables: BTreeMap<String, Value>,
    /// For each variable that has no value because of it: the environment variable.
    environment: BTreeMap<String, String>,
    conditions: Vec<Condition>,
    /// Values from outside that were written as strings or as they are, and how the script writes them.
    secret: BTreeMap<String, String>,
    /// Values that were written as names, which the server's messages show.
    names: BTreeSet<String>,
    out: Expanded,
}

impl Run<'_> {
    fn runs(&self) -> bool {
        self.conditions.last().is_none_or(|condition| condition.runs)
    }

    /// Adds a statement that is not sent.
    fn skip(&mut self) {
        let at = self.out.text.len();
        self.out.statements.push(Statement {
            range: at..at,
            kind: StatementKind::PsqlLine,
            flags: StatementFlags::CLIENT_ONLY,
            data: None,
        });
    }

    fn statement(&mut self, text: &str, index: usize, statement: &Statement) -> Result<(), Box<Unexpandable>> {
        let start = self.out.text.len();
        let command = statement.command();
        let program = self.program;
        let first = program.places.partition_point(|place| place.range.start < command.start);
        let mut at = command.start;
        for place in program.places[first..].iter().take_while(|place| place.range.end <= command.end) {
            self.verbatim(text, at..place.range.start);
            let written = self.written(index, place.range.start, &place.variable)?;
            self.origin(place.range.start, true);
            self.out.text.push_str(&written);
            at = place.range.end;
        }
        self.verbatim(text, at..command.end);
        if let Some(place) = program.leading(text, &command)
            && controls_transaction(&self.out.text[start..])
        {
            let (byte, variable) = (place.range.start, place.variable.name.clone());
            return Err(Box::new(Unexpandable { statement: index, byte, variable, refused: Refused::Transaction }));
        }
        let data = statement.data.as_ref().map(|data| {
            let begin = self.out.text.len();
            self.verbatim(text, command.end..statement.range.end);
            begin..begin + data.len()
        });
        if data.is_none() && !self.out.text.ends_with(';') {
            self.out.text.push(';');
        }
        let range = start..self.out.text.len();
        self.out.statements.push(Statement { range, kind: statement.kind, flags: statement.flags, data });
        self.out.text.push('\n');
        Ok(())
    }

    fn origin(&mut self, byte: usize, is_value: bool) {
        self.out.origins.push(Origin { start: self.out.text.len(), byte, is_value });
    }

    fn verbatim(&mut self, text: &str, range: Range<usize>) {
        self.origin(range.start, false);
        self.out.text.push_str(&text[range]);
    }

    /// The value of a variable as it is written into a statement.
    fn written(&mut self, statement: usize, byte: usize, variable: &Variable) -> Result<String, Box<Unexpandable>> {
        let (name, form) = (variable.name.as_str(), variable.form);
        let value = match form {
            Form::IsSet => return Ok(self.is_set(name)),
            Form::Plain | Form::Literal | Form::Identifier => self.value(statement, byte, name)?,
        };
        let refuse = |refused| Err(Box::new(Unexpandable { statement, byte, variable: name.to_owned(), refused }));
        if value.text.contains('\0') {
            return refuse(Refused::Nul);
        }
        // Two dashes would begin a comment.
        let joins = |byte: &u8| matches!(byte, b'-' | b'/') && self.out.text.as_bytes().last() == Some(byte);
        let opens = value.text.starts_with('*') && self.out.text.ends_with('/');
        let joins = opens || value.text.as_bytes().first().is_some_and(joins);
        if form == Form::Plain && (joins || !stays_inside(&value.text)) {
            return refuse(Refused::LeavesStatement);
        }
        match form {
            Form::Identifier => drop(self.names.insert(value.text.clone())),
            Form::Plain | Form::Literal if value.from_outside => {
                self.secret.entry(value.text.clone()).or_insert_with(|| shown(variable));
            }
            Form::Plain | Form::Literal | Form::IsSet => {}
        }
        Ok(quoted(form, value.text))
    }

    /// What `:{?name}` stands for.
    fn is_set(&self, name: &str) -> String {
        if self.variables.contains_key(name) { "TRUE" } else { "FALSE" }.to_owned()
    }

    fn value(&self, statement: usize, byte: usize, name: &str) -> Result<Value, Box<Unexpandable>> {
        if let Some(value) = self.variables.get(name) {
            return Ok(value.clone());
        }
        if self.values.stand_in {
            return Ok(Value { text: name.to_owned(), from_outside: false });
        }
        let refused = match self.environment.get(name) {
            Some(environment) => Refused::NoEnvironment(environment.clone()),
            None if self.program.declared.iter().any(|declared| declared == name) => Refused::NotGiven,
            None => Refused::Skipped,
        };
        Err(Box::new(Unexpandable { statement, byte, variable: name.to_owned(), refused }))
    }

    fn piece(&self, statement: usize, byte: usize, piece: &Piece) -> Result<Value, Box<Unexpandable>> {
        Ok(match piece {
            Piece::Text(text) => Value { text: text.clone(), from_outside: false },
            Piece::Variable(Variable { name, form: Form::IsSet }) => {
                Value { text: self.is_set(name), from_outside: false }
            }
            Piece::Variable(Variable { name, form }) => {
                let value = self.value(statement, byte, name)?;
                Value { text: quoted(*form, value.text), ..value }
            }
        })
    }

    fn word(&self, statement: usize, byte: usize, word: &Word) -> Result<Value, Box<Unexpandable>> {
        let mut joined = Value::default();
        for piece in word {
            joined.push(self.piece(statement, byte, piece)?);
        }
        Ok(joined)
    }

    /// A word of a message. It has no values from outside, which may be secrets.
    fn shown_word(&self, statement: usize, byte: usize, word: &Word) -> Result<String, Box<Unexpandable>> {
        let mut joined = String::new();
        for piece in word {
            let value = self.piece(statement, byte, piece)?;
            match piece {
                Piece::Variable(variable) if value.from_outside => joined.push_str(&shown(variable)),
                Piece::Variable(_) | Piece::Text(_) => joined.push_str(&value.text),
            }
        }
        Ok(joined)
    }

    fn command(&mut self, index: usize, byte: usize, what: &What) -> Result<(), Box<Unexpandable>> {
        let runs = self.runs();
        match what {
            What::If(words) => {
                let holds = runs && self.holds(index, byte, words)?;
                self.conditions.push(Condition { reached: runs, chosen: holds, runs: holds });
            }
            What::Elif(words) => {
                let tried = self.conditions.last().is_some_and(|condition| condition.reached && !condition.chosen);
                // psql decides it outside of the branch before it.
                let holds = tried && self.holds(index, byte, words)?;
                if let Some(condition) = self.conditions.last_mut() {
                    condition.runs = holds;
                    condition.chosen |= holds;
                }
            }
            What::Else => {
                if let Some(condition) = self.conditions.last_mut() {
                    condition.runs = condition.reached && !condition.chosen;
                    condition.chosen = true;
                }
            }
            What::EndIf => drop(self.conditions.pop()),
            _ if !runs => {}
            What::Set(name, words) => {
                let mut joined = Value::default();
                for word in words {
                    joined.push(self.word(index, byte, word)?);
                }
                self.variables.insert(name.clone(), joined);
            }
            What::GetEnv(name, environment) => match (self.values.environment)(environment) {
                Some(text) => drop(self.variables.insert(name.clone(), Value { text, from_outside: true })),
                None => drop(self.environment.insert(name.clone(), environment.clone())),
            },
            What::Echo(words) => {
                let words: Result<Vec<_>, _> = words.iter().map(|word| self.shown_word(index, byte, word)).collect();
                self.out.echoes.push((index, words?.join(" ")));
            }
            What::Connect(word) => {
                let database = self.word(index, byte, word)?;
                self.out.connects.push((index, database.text));
            }
            What::Nothing => {}
        }
        Ok(())
    }

    fn holds(&self, index: usize, byte: usize, words: &[Word]) -> Result<bool, Box<Unexpandable>> {
        let values: Result<Vec<_>, _> = words.iter().map(|word| self.word(index, byte, word)).collect();
        let texts: Vec<String> = values?.into_iter().map(|value| value.text).collect();
        let variable = || {
            let names = words.iter().flatten().filter_map(|piece| match piece {
                Piece::Variable(variable) => Some(variable.name.clone()),
                Piece::Text(_) => None,
            });
            names.into_iter().next().unwrap_or_default()
        };
        truth(&texts.join(" ")).ok_or_else(|| {
            Box::new(Unexpandable { statement: index, byte, variable: variable(), refused: Refused::NotBoolean })
        })
    }
}

/// Whether a statement begins or ends a transaction, or a part of one. Its first word says so.
fn controls_transaction(statement: &str) -> bool {
    const VERBS: [&str; 8] = ["begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release"];
    let mut words = statement.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
    let first = words.next().unwrap_or_default().to_ascii_lowercase();
    let prepares = first == "prepare" && words.next().is_some_and(|word| word.eq_ignore_ascii_case("transaction"));
    prepares || VERBS.contains(&first.as_str())
}

/// A value as SQL, in the form in which a script names its variable.
fn quoted(form: Form, value: String) -> String {
    match form {
        Form::Literal => literal(&value),
        Form::Identifier => identifier(&value),
        Form::Plain | Form::IsSet => value,
    }
}

/// A variable as a script writes it.
fn shown(variable: &Variable) -> String {
    let name = &variable.name;
    match variable.form {
        Form::Plain => format!(":{name}"),
        Form::Literal => format!(":'{name}'"),
        Form::Identifier => format!(":\"{name}\""),
        Form::IsSet => format!(":{{?{name}}}"),
    }
}
