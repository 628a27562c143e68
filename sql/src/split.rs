//! Splits a script into statements. The bytes between two statements are white space, comments and empty statements.

use std::ops::Range;

use lockgate_core::psql::{Form, Place};
use lockgate_core::{Dialect, Statement, StatementFlags, StatementKind};

use super::blocks::Blocks;
use super::calls::calls;
use super::classify::Classifier;
use super::lexer::{Kind, Lexer, Open, Token};
use super::{PROBLEM_CODES, Problem, Split};

/// The length of the longest terminator that the mysql client accepts.
const DELIMITER_MAX: usize = 15;

pub(super) fn split(dialect: Dialect, text: &str) -> Split {
    splitter(dialect, text, None, &[]).out
}

/// What [`psql_statements`] found.
pub(super) struct PsqlStatements {
    pub(super) split: Split,
    /// Where each colon of a variable is that begins a statement and whose value is written as it is.
    pub(super) leading: Vec<usize>,
}

/// Splits a script whose variables are masked. Each variable is a word that no keyword is, and belongs to its statement with
/// its colon.
pub(super) fn psql_statements(masked: &str, places: &[Place]) -> PsqlStatements {
    let Splitter { out, leading, .. } = splitter(Dialect::Postgres, masked, None, places);
    PsqlStatements { split: out, leading }
}

/// What [`psql_lines`] found besides statements.
#[derive(Debug, Default)]
pub(super) struct PsqlLines {
    /// The variables in statements.
    pub(super) places: Vec<Place>,
    /// Each line with a command, and whether it is in the middle of a statement.
    pub(super) lines: Vec<(Range<usize>, bool)>,
    /// Where a statement begins that has no end.
    pub(super) open: Option<usize>,
}

/// Finds psql's variables and commands in a script.
pub(super) fn psql_lines(text: &str) -> PsqlLines {
    splitter(Dialect::Postgres, text, Some(PsqlLines::default()), &[]).psql.unwrap_or_default()
}

fn splitter<'a>(dialect: Dialect, text: &'a str, psql: Option<PsqlLines>, places: &'a [Place]) -> Splitter<'a> {
    let mut splitter = Splitter {
        psql,
        places,
        leading: Vec::new(),
        dialect,
        text,
        lexer: Lexer::new(dialect, text, 0),
        blocks: Blocks::new(dialect),
        script: Classifier::new(dialect, text),
        current: None,
        out: Split { statements: Vec::new(), problems: Vec::new() },
    };
    // The macro is not optimized, but `contains` of the standard library is.
    if text.as_bytes().contains(&0)
        && let Some(at) = text.bytes().position(|byte| byte == 0)
    {
        splitter.problem(
            at..at + 1,
            "nul-byte",
            "the script contains a NUL byte, which no database accepts",
            "remove it; a file full of them was saved as UTF-16: save it as UTF-8",
        );
    }
    splitter.run();
    splitter
}

/// The statement that is being read.
#[derive(Clone, Copy, Debug)]
struct Current {
    start: usize,
    /// The end of its last token.
    end: usize,
    /// The number of open parentheses, and the outermost of them.
    parens: usize,
    paren: usize,
    /// Whether the word `set_config` occurred.
    set_config: bool,
    /// Whether it calls a function that is not known to be harmless.
    calls: bool,
    /// Whether it begins with a variable whose value is written as it is, so that its text does not show what it is.
    is_open: bool,
    /// Whether it has had nothing but parentheses that open.
    begins: bool,
    /// The token before this one, the first token of the name that it ends, and the token before that name.
    last: Token,
    name: Token,
    before: Token,
    copy: Copy,
}

/// How much of `COPY … FROM STDIN` or `COPY … TO STDOUT` was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copy {
    No,
    Begun,
    From,
    To,
    /// The server treats STDOUT the same; `out` says that the statement says STDOUT.
    FromStdin {
        out: bool,
    },
    ToStdout,
}

struct Splitter<'a> {
    dialect: Dialect,
    text: &'a str,
    lexer: Lexer<'a>,
    blocks: Blocks,
    script: Classifier<'a>,
    current: Option<Current>,
    out: Split,
    /// What belongs to psql, if psql's lines are read.
    psql: Option<PsqlLines>,
    /// The variables that are masked from here on.
    places: &'a [Place],
    leading: Vec<usize>,
}

impl Splitter<'_> {
    fn run(&mut self) {
        loop {
            let token = self.lexer.next();
            match token.kind {
                Kind::End => break,
                _ if !self.places.is_empty() && self.is_masked(token) => self.masked(token),
                Kind::Terminator if self.ends_here() => self.terminate(token),
                Kind::Backslash => self.psql_line(token),
                Kind::Other if self.psql.is_some() && self.lexer.is_byte(token, b':') => self.colon(token),
                Kind::Word if self.current.is_none() && self.is_delimiter_line(token) => self.delimiter_line(token),
                _ => self.token(token),
            }
        }
        self.finish_text();
    }

    /// Reads what begins with a colon, as psql does: `::`, `:=` or a variable.
    fn colon(&mut self, token: Token) {
        let mut token = token;
        if matches!(self.text.as_bytes().get(token.end), Some(b':' | b'=')) {
            token.end += 1;
        } else if let Some(place) = Place::at(self.text, token.start) {
            token = Token { kind: Kind::Word, end: place.range.end, ..token };
            if let Some(psql) = &mut self.psql {
                psql.places.push(place);
            }
        }
        self.lexer.pos = token.end;
        self.token(token);
    }

    /// Whether a variable was masked by this token.
    fn is_masked(&mut self, token: Token) -> bool {
        let passed = self.places.iter().take_while(|place| place.range.start + 1 < token.start).count();
        self.places = &self.places[passed..];
        self.places.first().is_some_and(|place| place.range.start + 1 == token.start)
    }

    /// Reads what a variable was masked by.
    fn masked(&mut self, token: Token) {
        let begins = self.current.is_none_or(|current| current.begins);
        // With the blank in the place of the colon, it is no keyword.
        let token = Token { start: token.start - 1, ..token };
        self.token(token);
        let form = self.places.first().map(|place| place.variable.form);
        if let Some(current) = self.current.as_mut().filter(|_| begins && form == Some(Form::Plain)) {
            current.is_open = true;
            self.leading.push(token.start);
        }
    }

    /// Whether a terminator ends the statement, or belongs to a body.
    fn ends_here(&self) -> bool {
        let Some(current) = &self.current else { return true };
        let nested = self.dialect == Dialect::Postgres && current.parens > 0;
        !nested && self.lexer.code.is_none() && self.blocks.open().is_none()
    }

    fn token(&mut self, token: Token) {
        let lexer = &self.lexer;
        let current = self.current.get_or_insert_with(|| {
            let copies = self.dialect == Dialect::Postgres && lexer.is(token, "copy");
            Current {
                start: token.start,
                end: token.end,
                parens: 0,
                paren: 0,
                set_config: false,
                calls: false,
                is_open: false,
                begins: true,
                last: Token { kind: Kind::End, ..token },
                name: token,
                before: Token { kind: Kind::End, ..token },
                copy: if copies { Copy::Begun } else { Copy::No },
            }
        });
        current.end = token.end;
        current.begins &= token.kind == Kind::Open;
        match token.kind {
            Kind::Open => {
                if current.parens == 0 {
                    current.paren = token.start;
                }
                current.parens += 1;
                let named = matches!(current.last.kind, Kind::Word | Kind::Name);
                if named && !current.calls && self.dialect == Dialect::Postgres {
                    current.calls = calls(lexer, current.before, current.name, current.last);
                }
            }
            Kind::Close => current.parens = current.parens.saturating_sub(1),
            Kind::Word if lexer.is(token, "set_config") => current.set_config = true,
            _ => {}
        }
        if matches!(token.kind, Kind::Word | Kind::Name) && !lexer.is_byte(current.last, b'.') {
            (current.before, current.name) = (current.last, token);
        }
        current.last = token;
        if current.parens == 0 {
            match current.copy {
                Copy::Begun if lexer.is(token, "from") => current.copy = Copy::From,
                Copy::Begun if lexer.is(token, "to") => current.copy = Copy::To,
                Copy::From if lexer.is(token, "stdin") => current.copy = Copy::FromStdin { out: false },
                Copy::From if lexer.is(token, "stdout") => current.copy = Copy::FromStdin { out: true },
                Copy::To if lexer.is(token, "stdin") || lexer.is(token, "stdout") => current.copy = Copy::ToStdout,
                Copy::From | Copy::To => current.copy = Copy::Begun,
                Copy::No | Copy::Begun | Copy::FromStdin { .. } | Copy::ToStdout => {}
            }
        }
        // After a DELIMITER line only the delimiter ends a statement, so bodies need not be tracked.
        if lexer.delimiter.is_none() {
            self.blocks.token(lexer, token);
        }
    }

    fn terminate(&mut self, token: Token) {
        let Some(current) = self.current else { return };
        if let Copy::FromStdin { .. } = current.copy {
            let data = self.copy_data(current.start, token.end);
            self.lexer.pos = self.data_end(&data);
            self.finish(current, self.lexer.pos, Some(data));
        } else {
            self.finish(current, token.end, None);
        }
    }

    /// Ends the statement at `end`; `data` is the range of its COPY data.
    fn finish(&mut self, current: Current, end: usize, data: Option<Range<usize>>) {
        let command = current.start..current.end;
        let (kind, mut flags) = match current.is_open {
            true => (StatementKind::Other, StatementFlags::NONE),
            false => self.script.classify(command, current.set_config, current.calls),
        };
        if let Copy::ToStdout | Copy::FromStdin { out: true } = current.copy {
            flags = flags.union(StatementFlags::COPY_OUT);
        }
        self.push(current.start..end, kind, flags, data);
        self.current = None;
        self.blocks.reset();
    }

    /// Returns the empty data of a statement that ends before its data could begin.
    fn no_data(&self, current: &Current) -> Option<Range<usize>> {
        matches!(current.copy, Copy::FromStdin { .. }).then_some(current.end..current.end)
    }

    fn push(&mut self, range: Range<usize>, kind: StatementKind, flags: StatementFlags, data: Option<Range<usize>>) {
        let flags = if data.is_some() { flags.union(StatementFlags::COPY_DATA) } else { flags };
        self.out.statements.push(Statement { range, kind, flags, data });
    }

    /// Returns the end of the `\.` that ends these data, or the end of the text.
    fn data_end(&self, data: &Range<usize>) -> usize {
        self.text.len().min(data.end + 2)
    }

    /// Returns the data of the COPY whose command ends at `from`: the lines before its `\.` line.
    fn copy_data(&mut self, start: usize, from: usize) -> Range<usize> {
        let text = self.text;
        let first = line_end(text, from);
        let shared = text[from..first].trim();
        if !shared.is_empty() && !shared.starts_with("--") {
            self.problem(
                from..first,
                "copy-line-shared",
                "something follows `COPY … FROM stdin;` on its line, but the data begin on the next line",
                "put it on a line of its own, after the line `\\.` that ends the data",
            );
        }
        let data = text.len().min(first + 1);
        let mut line = data;
        while line < text.len() {
            let end = line_end(text, line);
            if text[line..end].trim_end_matches('\r') == "\\." {
                return data..line;
            }
            line = end + 1;
        }
        self.problem(
            start..from,
            "unterminated-copy-data",
            "the data of this `COPY … FROM stdin` has no end",
            "close it with a line that holds `\\.` alone",
        );
        data..text.len()
    }

    /// Reads a psql command. It ends the statement before it, as `\gexec` and `\g` do.
    fn psql_line(&mut self, token: Token) {
        let is_inside = self.current.is_some();
        if let Some(current) = self.current {
            self.finish(current, current.end, self.no_data(&current));
        }
        // `\;` is a separator, not a psql command.
        if self.text[token.end..].starts_with(';') {
            self.lexer.pos = token.end + 1;
            if let Some(psql) = &mut self.psql {
                psql.lines.push((token.start..token.end + 1, is_inside));
            }
            self.push(token.start..token.end + 1, StatementKind::PsqlLine, StatementFlags::CLIENT_ONLY, None);
            return;
        }
        let end = line_end(self.text, token.start);
        let line = self.text[token.start..end].trim_ascii_end();
        let mut range = token.start..token.start + line.len();
        if let Some(psql) = &mut self.psql {
            psql.lines.push((range.clone(), is_inside));
        }
        let data = copies_from_stdin(line).then(|| self.copy_data(token.start, range.end));
        if let Some(data) = &data {
            range.end = self.data_end(data);
        }
        self.lexer.pos = range.end;
        self.push(range, StatementKind::PsqlLine, StatementFlags::CLIENT_ONLY, data);
    }

    fn is_delimiter_line(&self, token: Token) -> bool {
        self.dialect == Dialect::Mysql
            && self.lexer.is(token, "delimiter")
            && self.text.as_bytes().get(token.end).is_none_or(u8::is_ascii_whitespace)
    }

    fn delimiter_line(&mut self, token: Token) {
        let end = line_end(self.text, token.start);
        let line = self.text[token.start..end].trim_ascii_end();
        let range = token.start..token.start + line.len();
        let rest = line["delimiter".len()..].trim_ascii_start();
        let word = &rest[..rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len())];
        let at = range.end - rest.len();
        match word {
            "" => self.problem(
                range.clone(),
                "delimiter-missing",
                "this `DELIMITER` names no delimiter",
                "delete it: Lockgate finds the end of a compound statement without it",
            ),
            ";" => self.lexer.delimiter = None,
            _ if word.len() > DELIMITER_MAX => self.problem(
                range.clone(),
                "delimiter-too-long",
                "this delimiter is longer than the 15 bytes that the mysql client accepts",
                "delete it: Lockgate finds the end of a compound statement without it",
            ),
            _ => self.lexer.delimiter = Some(&self.text.as_bytes()[at..at + word.len()]),
        }
        self.lexer.pos = range.end;
        self.push(range, StatementKind::ClientCommand, StatementFlags::CLIENT_ONLY, None);
    }

    /// Reports constructs that are still open at the end of the text.
    fn finish_text(&mut self) {
        let current = self.current;
        let block = self.blocks.open();
        if let (Some(psql), Some(current)) = (&mut self.psql, current) {
            psql.open = Some(current.start);
        }
        if let Some(current) = current {
            self.finish(current, current.end, self.no_data(&current));
        }
        if let Some(unterminated) = self.lexer.unterminated {
            let (code, message, help) = match unterminated.what {
                Open::Text => (
                    "unterminated-string",
                    "this string has no end",
                    "close the quote; a quotation mark within the string is written twice: `'it''s'`",
                ),
                Open::Name => ("unterminated-name", "this quoted name has no end", "close the quote"),
                Open::Dollar => (
                    "unterminated-dollar-quote",
                    "this dollar quote has no end",
                    "close it with the same tag, including case",
                ),
                Open::Comment if self.dialect == Dialect::Postgres => (
                    "unterminated-comment",
                    "this comment has no end",
                    "close it with `*/`, and the comments within it too: they nest in PostgreSQL",
                ),
                Open::Comment => ("unterminated-comment", "this comment has no end", "close it with `*/`"),
            };
            self.problem(unterminated.start..unterminated.end, code, message, help);
        } else if let Some(start) = self.lexer.code {
            self.problem(start..start + 3, "unterminated-comment", "this comment has no end", "close it with `*/`");
        } else if let Some(block) = block {
            let opener = &self.text[block.start..block.end];
            let message = format!("the body that begins with this `{opener}` has no end");
            self.problem(block.start..block.end, "unterminated-body", message, "close it with `END`");
        } else if let Some(current) = current {
            if self.dialect == Dialect::Postgres && current.parens > 0 {
                self.problem(
                    current.paren..current.paren + 1,
                    "unclosed-parenthesis",
                    "this parenthesis is not closed before the end of the script",
                    "close it with `)`",
                );
            }
            if let Copy::FromStdin { .. } = current.copy {
                self.copy_data(current.start, current.end);
            }
        }
    }

    fn problem(&mut self, range: Range<usize>, code: &'static str, message: impl Into<String>, help: &str) {
        debug_assert!(PROBLEM_CODES.contains(&code), "{code}");
        self.out.problems.push(Problem { range, code, message: message.into(), help: help.to_owned() });
    }
}

/// Returns the end of the line that contains `from`: its line feed, or the end of the text.
fn line_end(text: &str, from: usize) -> usize {
    text.as_bytes()[from..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |length| from + length)
}

/// Whether a psql command is `\copy … from stdin`, whose data follow it as with COPY.
fn copies_from_stdin(line: &str) -> bool {
    let mut words = line.split(|c: char| c.is_ascii_whitespace() || c == ';').filter(|word| !word.is_empty());
    words.next().is_some_and(|word| word.eq_ignore_ascii_case("\\copy"))
        && words.any(|word| word.eq_ignore_ascii_case("from"))
        && words.next().is_some_and(|word| word.eq_ignore_ascii_case("stdin"))
}
