//! The values of psql's variables in a run, and a script that they were written into.

use std::collections::BTreeMap;
use std::ops::Range;

use lockgate_core::psql::{Expanded, FilePlace, Program, Refused, Unexpandable, Values};
use lockgate_core::{Audience, Script, Set, Statement};

use crate::error::{Cause, Error, Place, UNCHANGED, Wording};

/// Where variables get their values from.
#[derive(Clone, Default)]
pub(crate) struct Variables {
    /// The values that the caller gave.
    pub(crate) given: BTreeMap<String, String>,
    /// Whether a variable without a value has its own name as its value.
    pub(crate) stand_in: bool,
}

impl Variables {
    /// Fails if a value was given for a variable that no script of these sets declares.
    pub(crate) fn check(&self, sets: &[&Set]) -> Result<(), Error> {
        if self.given.is_empty() {
            return Ok(());
        }
        let all = sets
            .iter()
            .flat_map(|set| set.iter().chain(set.companions().iter().flat_map(|companion| companion.set.iter())));
        let scripts = all.flat_map(|migration| [Some(migration.up()), migration.down()]).flatten();
        let mut declared: Vec<String> =
            scripts.filter_map(|script| script.psql()).flat_map(|program| program.declared).collect();
        declared.sort_unstable();
        declared.dedup();
        let Some(unknown) = self.given.keys().find(|name| !declared.contains(name)) else { return Ok(()) };
        let error = Error::usage(format!("no script declares the variable `{unknown}`"));
        Err(match declared.as_slice() {
            [] => error.with_help(format!("a script declares it with `-- lockgate: variable {unknown}`")),
            _ => {
                let names: Vec<String> = declared.iter().map(|name| format!("`{name}`")).collect();
                error.with_help(format!("the scripts declare {}", names.join(", ")))
            }
        })
    }
}

/// A script whose variables have values.
#[derive(Clone, Debug)]
pub(crate) struct PsqlScript {
    program: Program,
    expanded: Expanded,
    /// The text of the script, with its variables.
    source: &'static str,
    /// The statements of the script in that text.
    statements: Vec<Statement>,
}

impl PsqlScript {
    /// Writes the values into a script. Returns the text and the statements to send, too.
    pub(crate) fn expand(
        id: &str,
        script: &Script,
        source: &'static str,
        statements: Vec<Statement>,
        variables: &Variables,
    ) -> Result<(Self, String, Vec<Statement>), Error> {
        let program = script.psql().unwrap_or_default();
        let values = Values {
            given: &|name| variables.given.get(name).cloned(),
            environment: &|name| std::env::var(name).ok(),
            stand_in: variables.stand_in,
        };
        let mut expanded = match program.expand(source, &statements, values) {
            Ok(expanded) => expanded,
            Err(refused) => {
                let place = Place::in_file(script, &program.locate(source, refused.byte), source, refused.byte);
                return Err(unexpandable(id, &refused).with_place(Some(place)).with_state(UNCHANGED));
            }
        };
        let (text, sent) = (std::mem::take(&mut expanded.text), std::mem::take(&mut expanded.statements));
        Ok((Self { program, expanded, source, statements }, text, sent))
    }

    /// The place of a byte of the text that is sent.
    pub(crate) fn place(&self, script: &Script, byte: usize) -> Place {
        self.source_place(script, self.expanded.origin(byte))
    }

    /// The place of a statement, counted from 0.
    pub(crate) fn place_of(&self, script: &Script, statement: usize) -> Place {
        self.source_place(script, self.range(statement).start)
    }

    fn source_place(&self, script: &Script, byte: usize) -> Place {
        Place::in_file(script, &self.located(byte), self.source, byte)
    }

    fn located(&self, byte: usize) -> FilePlace<'_> {
        self.program.locate(self.source, byte)
    }

    fn range(&self, statement: usize) -> Range<usize> {
        self.statements.get(statement).map_or(0..0, |statement| statement.range.clone())
    }

    /// A statement as the script writes it.
    pub(crate) fn shown(&self, statement: usize) -> &'static str {
        &self.source[self.range(statement)]
    }

    /// The messages of the `\echo` lines before a statement, counted from 0.
    pub(crate) fn echoes_before(&self, statement: usize) -> impl Iterator<Item = &str> {
        let before = self.expanded.echoes.iter().take_while(move |(index, _)| *index < statement);
        before.map(|(_, text)| text.as_str())
    }

    /// The last `\connect` line before a statement, and its database.
    pub(crate) fn connect_before(&self, statement: usize) -> Option<(usize, &str)> {
        let before = self.expanded.connects.iter().take_while(|(index, _)| *index <= statement);
        before.last().map(|(index, database)| (*index, database.as_str()))
    }

    /// Takes the values out of what the server said.
    pub(crate) fn hide(&self, cause: &mut Cause) {
        cause.message = self.expanded.hide(&cause.message);
        for text in [&mut cause.detail, &mut cause.hint, &mut cause.context].into_iter().flatten() {
            *text = self.expanded.hide(text).into();
        }
    }
}

fn unexpandable(id: &str, refused: &Unexpandable) -> Error {
    let name = &refused.variable;
    let give = |audience: Audience| match audience {
        Audience::Rust => format!("give it one: `Migrator::psql_variable({name:?}, …)`"),
        Audience::CommandLine => format!("give it one: `--variable {name}=…`"),
    };
    match &refused.refused {
        Refused::NotGiven => Error::usage(format!("`{id}` needs the variable `{name}`, which has no value"))
            .with_help(Wording::each(give)),
        Refused::NoEnvironment(environment) => Error::usage(format!(
            "`{id}` needs the variable `{name}`, which has no value: the environment variable `{environment}` is not \
             set, or is not UTF-8"
        ))
        .with_help(format!("set `{environment}`, then run again")),
        Refused::Skipped => Error::usage(format!(
            "`{id}` needs the variable `{name}`, which has no value: the lines that set it are in a branch that does not \
             run"
        ))
        .with_help("set it in each branch, or before the `\\if`"),
        Refused::Nul => {
            Error::usage(format!("the value of the variable `{name}` in `{id}` has a NUL byte, which no database accepts"))
        }
        Refused::LeavesStatement => Error::usage(format!(
            "the value of the variable `{name}` in `{id}` cannot be written as it is: it would end the statement or \
             change the rest of it"
        ))
        .with_help(format!("write `:'{name}'` for a string or `:\"{name}\"` for a name")),
        Refused::Transaction => Error::usage(format!(
            "the value of the variable `{name}` in `{id}` makes a statement that begins or ends a transaction"
        ))
        .with_help(
            "write the statement without a variable, in a script with `-- lockgate: no-transaction`: where a transaction \
             ends must be known before the first statement runs",
        ),
        Refused::NotBoolean => {
            let what = if name.is_empty() { "the condition".to_owned() } else { format!("the condition on `{name}`") };
            Error::usage(format!("{what} in `{id}` is neither true nor false"))
                .with_help("psql takes `on`, `off`, `true`, `false`, `yes`, `no`, `1` and `0`")
        }
    }
}
