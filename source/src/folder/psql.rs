//! Puts a script together that has psql's lines: its own text and the files that it includes, as one text, and the
//! commands and variables in it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use lockgate_core::psql::{Command, Part, Place, Program, What};

use super::directive::Directives;
use super::model::{Folder, relocate};
use super::read;
use crate::checksum::with_line_feeds;
use crate::id::Id;
use crate::sql::Split;
use crate::sql::psql::{self, Connect};
use crate::{Code, Diagnostic};

/// How many files a script may include, counting those that are included twice.
const INCLUDES_MAX: usize = 1_000;

/// How many bytes a script may have with the files that it includes.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// A script with everything that it includes.
pub(super) struct Assembled {
    /// The text of all its files.
    pub(super) text: String,
    /// The same text, as a parser takes it: with something in the place of each variable.
    pub(super) masked: String,
    pub(super) program: Program,
    pub(super) split: Split,
    /// The paths of the included files below the folder, and where they are.
    pub(super) included: Vec<(String, PathBuf)>,
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Whether psql's lines are read in a script, and whether it may go on in another database. Here alone it is decided: a
/// bootstrap may, because it makes databases, if it is no transaction.
pub(super) fn reading<'a>(directives: &Directives, id: &'a Id) -> Option<Connect<'a>> {
    directives.psql.as_ref()?;
    Some(match id.database() {
        Some(_) if id.is_bootstrap() && directives.no_transaction.is_some() => Connect::Allowed,
        Some(_) if id.is_bootstrap() => Connect::InTransaction,
        Some(database) => Connect::Within(database),
        None => Connect::Refused,
    })
}

/// Whether the interpreter would take each of psql's lines in this text.
pub(super) fn would_read(text: &str) -> bool {
    psql::read(text, Connect::Refused).problems.is_empty()
}

/// Puts a script together. `path` is its path below the folder.
pub(super) fn assemble(
    folder: &Folder,
    path: &str,
    text: &str,
    declared: Vec<String>,
    connect: Connect<'_>,
) -> Assembled {
    let mut assembler = Assembler {
        folder,
        connect,
        text: String::with_capacity(text.len()),
        files: Vec::new(),
        parts: Vec::new(),
        places: Vec::new(),
        lines: Vec::new(),
        included: Vec::new(),
        diagnostics: Vec::new(),
        above: Vec::new(),
    };
    assembler.file(path, text, psql::read(text, connect));
    let Assembler { text, mut files, mut parts, places, lines, included, mut diagnostics, .. } = assembler;
    if included.is_empty() {
        (files, parts) = (Vec::new(), Vec::new());
    }
    let mut program = Program { declared, places, commands: Vec::new(), files, parts };
    let (mut masked, mut split) = psql::split(&text, &program.places);
    let starts: BTreeMap<usize, usize> =
        split.statements.iter().enumerate().map(|(index, statement)| (statement.range.start, index)).collect();
    program.commands =
        lines.into_iter().filter_map(|(start, what)| Some(Command { statement: *starts.get(&start)?, what })).collect();
    let ranges: Vec<Range<usize>> = split.statements.iter().map(|statement| statement.range.clone()).collect();
    let before = program.places.len();
    for (range, name) in psql::unset(&text, &mut program, &ranges) {
        let message = format!("no line above sets the variable `{name}`");
        diagnostics
            .push(Diagnostic::error(Code::PsqlVariable, folder.show(path), message).at(&text, range, "").help(format!(
            "if whoever runs the script gives it, write `-- lockgate: variable {name}` in the head; otherwise set it \
                 above with `\\set` or `\\getenv`"
        )));
    }
    if program.places.len() < before {
        (masked, split) = psql::split(&text, &program.places);
    }
    Assembled { text, masked, program, split, included, diagnostics }
}

struct Assembler<'a> {
    folder: &'a Folder,
    connect: Connect<'a>,
    text: String,
    files: Vec<String>,
    parts: Vec<Part>,
    places: Vec<Place>,
    /// Where each command begins, and what it does.
    lines: Vec<(usize, What)>,
    included: Vec<(String, PathBuf)>,
    diagnostics: Vec<Diagnostic>,
    /// The paths of the files that are being read.
    above: Vec<String>,
}

impl Assembler<'_> {
    /// Adds a file and what it includes.
    fn file(&mut self, path: &str, text: &str, script: psql::Script) {
        let file = self.files.len();
        self.files.push(path.to_owned());
        self.above.push(path.to_owned());
        for problem in script.problems {
            self.error(Code::PsqlLine, path, text, problem.range, problem.message, problem.help);
        }
        let mut places = script.places.into_iter().peekable();
        let mut at = 0;
        let mut from = self.begin(file);
        for line in script.lines {
            let start = line.range.start;
            while let Some(place) = places.next_if(|place| place.range.start < start) {
                self.place(place, at, from);
            }
            self.lines.push((from + start - at, line.what));
            let Some(include) = line.include else { continue };
            let end = text[line.range.end..].find('\n').map_or(text.len(), |newline| line.range.end + newline + 1);
            self.push(&text[at..end]);
            at = end;
            if let Some((code, message, help)) = self.include(path, &include) {
                self.error(code, path, text, line.range, message, help);
            }
            from = self.begin(file);
        }
        for place in places {
            self.place(place, at, from);
        }
        self.push(&text[at..]);
        self.above.pop();
    }

    /// Begins a part, and returns where.
    fn begin(&mut self, file: usize) -> usize {
        let start = self.text.len();
        // A part without text has no place.
        if self.parts.last().is_some_and(|last| last.start == start) {
            self.parts.pop();
        }
        self.parts.push(Part { start, file });
        start
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        if self.above.len() > 1 && !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    fn place(&mut self, place: Place, at: usize, from: usize) {
        let shift = |byte: usize| from + byte - at;
        self.places.push(Place { range: shift(place.range.start)..shift(place.range.end), ..place });
    }

    /// Adds an included file, or says why it cannot be.
    fn include(&mut self, path: &str, include: &psql::Include) -> Option<(Code, String, String)> {
        let written = &include.path;
        let refuse = |message: String, help: &str| Some((Code::PsqlInclude, message, help.to_owned()));
        let outside = || {
            refuse(
                format!("`{written}` is outside of the folder"),
                "copy the file into the folder, and include it there",
            )
        };
        let base = if include.is_relative { path.rsplit_once('/').map_or("", |(base, _)| base) } else { "" };
        let Some(target) = below(base, written) else { return outside() };
        let absolute = self.folder.root.join(&target);
        if self.above.contains(&target) {
            return refuse(format!("`{target}` includes itself"), "delete this line");
        }
        if !read::is_file(&absolute) {
            let from = if include.is_relative { "the including file" } else { "the folder" };
            return refuse(
                format!("there is no file `{target}`"),
                &format!("write the path relative to {from}, with `/` between its parts"),
            );
        }
        if !read::is_below(&absolute, &self.folder.root) {
            return outside();
        }
        let file = target.rsplit('/').next().unwrap_or(&target);
        if super::name::parse(file, self.folder.policy.numbering).is_ok() {
            return refuse(
                format!("`{target}` is a migration, which runs by itself"),
                "move what both need into a file whose name does not begin with a number",
            );
        }
        if self.included.len() >= INCLUDES_MAX || self.text.len() > BYTES_MAX {
            return refuse(
                format!("the script includes more than {INCLUDES_MAX} files or 64 MiB"),
                "divide it into several migrations",
            );
        }
        let text = match read::text(&absolute, &self.folder.show(&target)) {
            Ok(text) => with_line_feeds(&text).into_owned(),
            Err(problem) => {
                self.diagnostics.push(*problem);
                return None;
            }
        };
        self.included.push((target.clone(), absolute));
        let script = psql::read(&text, self.connect);
        let problems = psql::split(&text, &script.places).1.problems;
        let broken = !problems.is_empty();
        for problem in problems {
            self.error(Code::of_sql(problem.code), &target, &text, problem.range, problem.message, problem.help);
        }
        if let (Some(start), false) = (script.unfinished, broken) {
            let message = "this statement has no end in its file";
            self.error(Code::PsqlLine, &target, &text, start..text.len(), message.into(), "end it with `;`".into());
        } else if !broken {
            self.file(&target, &text, script);
        }
        None
    }

    fn error(&mut self, code: Code, path: &str, text: &str, range: Range<usize>, message: String, help: String) {
        self.diagnostics.push(Diagnostic::error(code, self.folder.show(path), message).at(text, range, "").help(help));
    }
}

/// The path below the folder that a path means, if it is below the folder.
fn below(base: &str, written: &str) -> Option<String> {
    let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    if written.contains('\\') {
        return None;
    }
    for component in Path::new(written).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(parts.pop()?),
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// The texts that were put together of several files, by the path of their script as messages show it.
#[derive(Default)]
pub(super) struct Sources(BTreeMap<String, (Program, Arc<str>)>);

impl Sources {
    pub(super) fn add(&mut self, shown: String, program: &Program, text: &str) {
        if !program.files.is_empty() {
            self.0.insert(shown, (program.clone(), text.into()));
        }
    }

    /// Points the diagnostics at the files that people edit.
    pub(super) fn relocate(&self, folder: &Folder, diagnostics: &mut [Diagnostic]) {
        for diagnostic in diagnostics.iter_mut().filter(|_| !self.0.is_empty()) {
            if let Some((program, text)) = self.0.get(&diagnostic.file)
                && diagnostic.text.as_deref() == Some(text)
            {
                relocate(folder, program, diagnostic);
            }
        }
    }
}
