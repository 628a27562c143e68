//! Reads psql's variables and commands in a script: those of a closed list. Every other command is refused by name, and so
//! is everything that would ask the shell or the database.
//!
//! Variables are found where psql finds them: outside of quotes, comments, function bodies and COPY data.

mod words;

use std::ops::Range;

use lockgate_core::psql::{Form, Piece, Place, Program, Variable, What, is_name, truth};

use crate::Split;
use crate::split::{self, PsqlStatements};

/// The commands that are read, for messages.
pub const COMMANDS: [&str; 13] = [
    "\\connect",
    "\\echo",
    "\\encoding",
    "\\elif",
    "\\else",
    "\\endif",
    "\\getenv",
    "\\i",
    "\\if",
    "\\ir",
    "\\restrict",
    "\\set",
    "\\unrestrict",
];

/// What one file has besides statements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// The variables in its statements, in the order of the text.
    pub places: Vec<Place>,
    /// Its commands, in the order of the text. Those that have a problem do nothing.
    pub lines: Vec<Line>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Where the last statement begins, if it has no end.
    pub unfinished: Option<usize>,
}

/// A line with a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its bytes.
    pub range: Range<usize>,
    /// What it does.
    pub what: What,
    /// The file that it includes.
    pub include: Option<Include>,
}

/// A file to include.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Include {
    /// The path, as it is written.
    pub path: String,
    /// Whether it is relative to the including file (`\ir`), and not to the folder (`\i`).
    pub is_relative: bool,
}

/// Something in a script that the interpreter refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The bytes to point at.
    pub range: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// How to fix it.
    pub help: String,
}

/// Whether `\connect` may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connect<'a> {
    /// In a script that goes on in another database.
    Allowed,
    /// The same, in a script that is one transaction, which cannot go on in another database.
    InTransaction,
    /// In a script that belongs to this database: it may name no other.
    Within(&'a str),
    /// In a script whose database is not known.
    Refused,
}

/// Reads one file.
pub fn read(text: &str, connect: Connect<'_>) -> Script {
    let found = split::psql_lines(text);
    let mut reader = Reader { text, connect, script: Script::default(), open: Vec::new() };
    reader.script.places = found.places;
    reader.script.unfinished = found.open;
    for (range, is_inside) in found.lines {
        reader.line(range, is_inside);
    }
    for (range, _) in std::mem::take(&mut reader.open) {
        reader.problem(range, "this `\\if` has no `\\endif`", "close it in the same file");
    }
    reader.script
}

/// The text with something in the place of each variable that a parser takes: a string for a string, a name for a name. It
/// has the length of the text.
fn masked(text: &str, places: &[Place]) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    for place in places {
        masked.push_str(&text[at..place.range.start]);
        let name = &place.variable.name;
        masked.push_str(&match place.variable.form {
            Form::Plain => format!(" {name}"),
            Form::Literal => format!(" '{name}'"),
            Form::Identifier => format!(" \"{name}\""),
            Form::IsSet => format!(" {:<1$}", "TRUE", place.range.len() - 1),
        });
        at = place.range.end;
    }
    masked.push_str(&text[at..]);
    masked
}

/// Splits a text with these variables into statements, and returns it too, with something in the place of each variable that
/// a parser takes. It has the length of the text. A variable at the beginning of a statement belongs to it with its colon. If its value is written as it is, the text does not show what the statement is:
/// it is masked by a name that is no keyword.
pub fn split(text: &str, places: &[Place]) -> (String, Split) {
    let mut masked = masked(text, places);
    let PsqlStatements { split, leading } = split::psql_statements(&masked, places);
    for colon in leading {
        masked.replace_range(colon..=colon, "_");
    }
    (masked, split)
}

/// The variables that have no value where they are used, because nothing before sets them: each with its name. `declared` are
/// those that the caller sets.
///
/// As in psql, `[1:n]` is left alone if `n` is no variable.
pub fn unset(text: &str, script: &mut Program, statements: &[Range<usize>]) -> Vec<(Range<usize>, String)> {
    let mut known: Vec<String> = script.declared.clone();
    let mut unset = Vec::new();
    let mut commands = script.commands.iter().peekable();
    let mut kept = Vec::with_capacity(script.places.len());
    for place in std::mem::take(&mut script.places) {
        let before = |line: usize| statements.get(line).is_some_and(|line| line.start < place.range.start);
        while let Some(command) = commands.next_if(|command| before(command.statement)) {
            unset_in(&command.what, statements[command.statement].clone(), &mut known, &mut unset);
        }
        let name = &place.variable.name;
        if known.contains(name) || place.variable.form == Form::IsSet {
            kept.push(place);
        } else if !(place.variable.form == Form::Plain && in_brackets(text, statements, place.range.start)) {
            unset.push((place.range.clone(), name.clone()));
            kept.push(place);
        }
    }
    for command in commands {
        let range = statements.get(command.statement).cloned().unwrap_or(0..0);
        unset_in(&command.what, range, &mut known, &mut unset);
    }
    script.places = kept;
    unset
}

/// Notes the variables that a command sets, and those that it needs and that are not set.
fn unset_in(what: &What, range: Range<usize>, known: &mut Vec<String>, unset: &mut Vec<(Range<usize>, String)>) {
    let words = match what {
        What::Set(_, words) | What::If(words) | What::Elif(words) | What::Echo(words) => words.as_slice(),
        What::Connect(word) => std::slice::from_ref(word),
        What::GetEnv(..) | What::Else | What::EndIf | What::Nothing => &[],
    };
    for piece in words.iter().flatten() {
        if let Piece::Variable(Variable { name, form }) = piece
            && *form != Form::IsSet
            && !known.contains(name)
        {
            unset.push((range.clone(), name.clone()));
        }
    }
    if let What::Set(name, _) | What::GetEnv(name, _) = what {
        known.push(name.clone());
    }
}

/// Whether a byte of a statement is between `[` and `]`.
fn in_brackets(text: &str, statements: &[Range<usize>], at: usize) -> bool {
    let Some(statement) = statements.iter().find(|statement| statement.contains(&at)) else { return false };
    let mut lexer = crate::lexer::Lexer::new(lockgate_core::Dialect::Postgres, &text[..at], statement.start);
    let mut depth = 0_usize;
    loop {
        let token = lexer.next();
        if token.kind == crate::lexer::Kind::End {
            return depth > 0;
        }
        if lexer.is_byte(token, b'[') {
            depth += 1;
        } else if lexer.is_byte(token, b']') {
            depth = depth.saturating_sub(1);
        }
    }
}

/// The condition of an `\if` without a variable must be true or false.
fn decides(name: &str, words: &[Vec<Piece>]) -> Result<(), (String, String)> {
    let texts = words.iter().flatten().map(|piece| match piece {
        Piece::Text(text) => Some(text.as_str()),
        Piece::Variable(_) => None,
    });
    let Some(texts) = texts.collect::<Option<Vec<&str>>>() else { return Ok(()) };
    let written = texts.join(" ");
    match truth(&written) {
        Some(_) => Ok(()),
        None => Err((
            format!("the condition of this `\\{name}` is neither true nor false: `{written}`"),
            format!("write `\\{name} true`, `\\{name} false`, or a variable, such as `\\{name} :name`"),
        )),
    }
}

struct Reader<'a> {
    text: &'a str,
    connect: Connect<'a>,
    script: Script,
    /// The `\if` lines that are open, and whether their `\else` was seen.
    open: Vec<(Range<usize>, bool)>,
}

impl Reader<'_> {
    fn problem(&mut self, range: Range<usize>, message: impl Into<String>, help: impl Into<String>) {
        self.script.problems.push(Problem { range, message: message.into(), help: help.into() });
    }

    fn line(&mut self, range: Range<usize>, is_inside: bool) {
        let line = &self.text[range.clone()];
        let (what, include) = match self.command(line, &range) {
            Ok(_) if is_inside => {
                let word = line.split_ascii_whitespace().next().unwrap_or_default();
                self.problem(
                    range.clone(),
                    format!("`{word}` is in the middle of a statement"),
                    "end the statement before it with `;`",
                );
                (What::Nothing, None)
            }
            Ok(done) => done,
            Err((message, help)) => {
                self.problem(range.clone(), message, help);
                (What::Nothing, None)
            }
        };
        self.script.lines.push(Line { range, what, include });
    }

    /// Reads a line with a command. The error is a message and a help.
    fn command(&mut self, line: &str, range: &Range<usize>) -> Result<(What, Option<Include>), (String, String)> {
        let rest = &line[1..];
        let len = rest.find(|c: char| c.is_ascii_whitespace() || c == '\\').unwrap_or(rest.len());
        let (name, arguments) = rest.split_at(len);
        let name = match name {
            "c" => "connect",
            "include" => "i",
            "include_relative" => "ir",
            name => name,
        };
        // Of the key of `\restrict` nothing is read, and `\;` is no command.
        let words = match name {
            "restrict" | "unrestrict" => {
                let keys = arguments.split_ascii_whitespace().count();
                return match keys {
                    1 => Ok((What::Nothing, None)),
                    _ => Err((format!("`\\{name}` has one key after it"), "delete the line".to_owned())),
                };
            }
            _ if !COMMANDS.iter().any(|known| known[1..] == *name) => return Err(refused(name)),
            _ => words::read(arguments)?,
        };
        let usage =
            |shape: &str| (format!("this `\\{name}` is not complete"), format!("write it like `\\{name} {shape}`"));
        let text = |word: &[Piece]| match word {
            [Piece::Text(text)] => Some(text.clone()),
            _ => None,
        };
        let what = match (name, words.as_slice()) {
            ("set", [first, value @ ..]) => {
                let variable = text(first).filter(|name| is_name(name));
                let Some(variable) = variable else { return Err(usage("name value")) };
                self.special(&variable, value)?.unwrap_or(What::Set(variable, value.to_vec()))
            }
            ("getenv", [variable, environment]) => {
                match (text(variable).filter(|name| is_name(name)), text(environment)) {
                    (Some(variable), Some(environment)) => What::GetEnv(variable, environment),
                    _ => return Err(usage("name ENVIRONMENT_VARIABLE")),
                }
            }
            ("if", [_, ..]) => {
                decides(name, &words)?;
                self.open.push((range.clone(), false));
                What::If(words)
            }
            ("elif" | "else" | "endif", _) => return self.branch(name, words).map(|what| (what, None)),
            ("echo", _) => What::Echo(match words.as_slice() {
                [first, rest @ ..] if text(first).as_deref() == Some("-n") => rest.to_vec(),
                _ => words,
            }),
            ("i" | "ir", [path]) => {
                let Some(path) = text(path) else {
                    return Err((
                        format!("the path after `\\{name}` has a variable"),
                        "write the path itself: files are included while compiling".to_owned(),
                    ));
                };
                return Ok((What::Nothing, Some(Include { path, is_relative: name == "ir" })));
            }
            // What pg_dumpall writes. The text of a script is UTF-8, of which ASCII is a part.
            ("encoding", [name]) => match text(name).map(|name| name.to_ascii_uppercase()) {
                Some(name) if ["UTF8", "UTF-8", "UNICODE", "SQL_ASCII"].contains(&name.as_str()) => What::Nothing,
                _ => {
                    return Err((
                        "the text of a script is UTF-8, and in no other encoding".to_owned(),
                        "convert the file to UTF-8, and write `\\encoding UTF8`".to_owned(),
                    ));
                }
            },
            ("encoding", _) => return Err(usage("UTF8")),
            ("connect", words) => return self.connect(words).map(|what| (what, None)),
            ("set", _) => return Err(usage("name value")),
            ("getenv", _) => return Err(usage("name ENVIRONMENT_VARIABLE")),
            ("if", _) => return Err(usage(":name")),
            _ => return Err(usage("file")),
        };
        Ok((what, None))
    }

    fn branch(&mut self, name: &str, words: Vec<Vec<Piece>>) -> Result<What, (String, String)> {
        let Some((_, has_else)) = self.open.last_mut() else {
            return Err((
                format!("this `\\{name}` has no `\\if`"),
                "delete it, or write the `\\if` in the same file".to_owned(),
            ));
        };
        match name {
            "endif" => {
                self.open.pop();
                Ok(What::EndIf)
            }
            _ if *has_else => Err((format!("this `\\{name}` follows an `\\else`"), "delete one of the two".to_owned())),
            "elif" if words.is_empty() => {
                Err(("this `\\elif` is not complete".to_owned(), "write it like `\\elif :name`".to_owned()))
            }
            "elif" => decides(name, &words).map(|()| What::Elif(words)),
            _ => {
                *has_else = true;
                Ok(What::Else)
            }
        }
    }

    /// Reads a setting of psql itself. `None` for an ordinary variable.
    fn special(&self, name: &str, value: &[Vec<Piece>]) -> Result<Option<What>, (String, String)> {
        let value = match value {
            [] => Some("on"),
            [word] => match word.as_slice() {
                [Piece::Text(text)] => Some(text.as_str()),
                _ => None,
            },
            _ => None,
        };
        let is = |words: &[&str]| value.is_some_and(|value| words.iter().any(|word| value.eq_ignore_ascii_case(word)));
        let (on, off) = (is(&["on", "true", "yes", "1"]), is(&["off", "false", "no", "0"]));
        let (fits, always) = match name {
            "ON_ERROR_STOP" => (on, "a script always stops at the first error"),
            "AUTOCOMMIT" => (on, "transactions are begun by the script or by Lockgate"),
            "ON_ERROR_ROLLBACK" => (off, "a script always stops at the first error"),
            "SINGLELINE" | "SINGLESTEP" => (off, "statements end with `;`"),
            "ECHO"
            | "ECHO_HIDDEN"
            | "QUIET"
            | "VERBOSITY"
            | "SHOW_CONTEXT"
            | "FETCH_COUNT"
            | "HISTCONTROL"
            | "HISTFILE"
            | "HISTSIZE"
            | "HIDE_TABLEAM"
            | "HIDE_TOAST_COMPRESSION"
            | "PROMPT1"
            | "PROMPT2"
            | "PROMPT3" => (true, ""),
            _ => return Ok(None),
        };
        match fits {
            true => Ok(Some(What::Nothing)),
            false => Err((format!("`{name}` cannot be set so: {always}"), "delete the line".to_owned())),
        }
    }

    fn connect(&self, words: &[Vec<Piece>]) -> Result<What, (String, String)> {
        let unknown = || {
            ("this `\\connect` names more than a database".to_owned(), "write it like `\\connect database`".to_owned())
        };
        let database = match words {
            [word] => words::without_quotes(word).ok_or_else(unknown),
            // What pg_dump writes for a name that is no plain word.
            [option, target] if words::is(option, "-reuse-previous=on") => {
                words::database_of(target).ok_or_else(unknown)
            }
            _ => Err(unknown()),
        };
        let leaves = |of: &str| {
            (
                format!("`\\connect` would leave the database {of}"),
                "give each database its own migrations; a dump without `--create` has no such line".to_owned(),
            )
        };
        match self.connect {
            Connect::Allowed => Ok(What::Connect(database?)),
            Connect::InTransaction => Err((
                "`\\connect` would leave the transaction of this script".to_owned(),
                "write `-- lockgate: no-transaction` in the head".to_owned(),
            )),
            Connect::Within(of) if database.as_ref().is_ok_and(|word| words::is(word, of)) => Ok(What::Nothing),
            Connect::Within(of) => Err(leaves(&format!("`{of}`, which this script belongs to"))),
            Connect::Refused => Err(leaves("that this script belongs to")),
        }
    }
}

/// Why a command is refused, and what to write instead.
fn refused(name: &str) -> (String, String) {
    let message = match name {
        "" => "`\\` alone is a command of psql that is not read here".to_owned(),
        _ => format!("`\\{name}` is a command of psql that is not read here"),
    };
    let help = instead(name).map_or_else(
        || format!("delete it: the commands that are read are {}", COMMANDS.map(|name| format!("`{name}`")).join(", ")),
        str::to_owned,
    );
    (message, help)
}

/// What to write instead of a command that is not read, if there is something. Without it, deleting some of them would
/// change what the script does without a word.
pub fn instead(name: &str) -> Option<&'static str> {
    Some(match name {
        "copy" => "write `COPY … FROM stdin;`, which also reads the lines below it",
        "!" | "setenv" => "no shell is started: give the script what it needs by `\\getenv name VARIABLE`",
        "gset" | "gexec" | "g" | "gx" | "gdesc" | "bind" | "watch" | "crosstabview" => {
            "end the statement with `;`; a `DO` block can use the result of a query"
        }
        "unset" => "delete it: a variable ends with its script",
        "q" | "quit" => "delete it, and what follows it",
        "prompt" => "nobody can be asked: declare the variable with `-- lockgate: variable name`",
        "password" => "write `ALTER ROLE name PASSWORD :'password';`",
        "qecho" | "warn" => "write `\\echo`",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
