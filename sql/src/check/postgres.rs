//! Checks PostgreSQL's grammar with the squawk crates. They accept all of some 40,000 statements in
//! PostgreSQL's own tests but those in [`exceptions`], and reject 99 of 100 broken ones.

mod escapes;
mod exceptions;
mod keywords;
mod missed;
mod mistakes;
mod names;
pub(super) mod releases;
mod words;

use std::ops::Range;
use std::sync::OnceLock;

use lockgate_core::{Dialect, StatementKind};
use rowan::TextRange;
use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::syntax_error::SyntaxError;
use squawk_syntax::{Parse, SourceFile, SyntaxKind};

use super::{FindingKind, ParserFinding, Release, repair, stuck};
use crate::words::{CREATE_MODIFIERS, Words};

/// Checks one statement. A function's body and syntax that is too new are checked only if the statement
/// itself is valid.
pub(super) fn check(text: &str, kind: StatementKind, release: Option<Release>) -> Vec<ParserFinding> {
    if exceptions::begins(text) {
        return Vec::new();
    }
    // The parser's errors about the arguments of a trigger say nothing, so they are read here.
    if let Some(wrong) = escapes::find(text).or_else(|| missed::trigger_call(text)) {
        return vec![wrong];
    }
    let Parsed { parse, first, error, other } = parsed(text);
    let other = other.as_deref().unwrap_or(text);
    let found =
        |error| repair::find(Dialect::Postgres, text, wrong(other, error), keywords(), keywords::is_value_word, stops);
    if let (Some(first), Some(error)) = (&first, &error) {
        if exceptions::excuses(text, first) || exceptions::excuses(text, error) {
            return Vec::new();
        }
        let finding = found(first);
        // Where a keyword is read as a name, a `;` missing before it looks like a mistake after it.
        if finding.repair.is_some() || first == error {
            return vec![finding];
        }
        return vec![found(error)];
    }
    if let Some(wrong) = missed::find(text) {
        return vec![repair::find(Dialect::Postgres, text, wrong, keywords(), keywords::is_value_word, stops)];
    }
    if let Some(wrong) = mistakes::find(&parse.syntax_node(), text) {
        // The parser may accept a keyword as a name only because it misses this mistake.
        return vec![first.as_ref().map_or(wrong, found)];
    }
    if let Some(wrong) = names::find(&parse.syntax_node()) {
        return vec![wrong];
    }
    let mut found = Vec::new();
    if matches!(kind, StatementKind::CreateFunction | StatementKind::Do) {
        found.extend(body(text, &parse));
    }
    if let Some(server) = release {
        let newer = releases::newer(&parse.syntax_node(), text, server);
        found.extend(newer.or_else(|| exceptions::newer(text, server)));
    }
    found
}

/// A statement as the parser read it.
struct Parsed {
    parse: Parse<SourceFile>,
    /// The first error with all keywords read as the parser reads them.
    first: Option<SyntaxError>,
    /// The first error that is left when keywords are read as names where that helps.
    error: Option<SyntaxError>,
    /// The statement in other words, where only PostgreSQL knows its own.
    other: Option<String>,
}

/// Parses a statement. Syntax that only PostgreSQL knows is rewritten if the parser stops.
fn parsed(text: &str) -> Parsed {
    let mut parse = SourceFile::parse(text);
    let mut error = first(&parse);
    let other = error.as_ref().and_then(|_| exceptions::in_other_words(text));
    if let Some(other) = &other {
        parse = SourceFile::parse(other);
        error = first(&parse);
    }
    let Some(stopped) = &error else { return Parsed { parse, first: None, error: None, other } };
    let start = |error: &SyntaxError| usize::from(error.range().start());
    let place = |text: &str| first(&SourceFile::parse(text)).as_ref().map(start);
    match keywords::as_names(other.as_deref().unwrap_or(text), start(stopped), keywords(), place) {
        Some(named) => {
            parse = SourceFile::parse(&named);
            let last = first(&parse);
            Parsed { parse, first: error, error: last, other }
        }
        None => Parsed { parse, first: error.clone(), error, other },
    }
}

/// Returns the byte at which the text stops being valid.
fn stops(text: &str) -> Option<usize> {
    match parsed(text).error {
        Some(error) => Some(error.range().start().into()),
        None => missed::find(text).map(|wrong| wrong.range.start),
    }
}

/// Returns the first error. At one position, errors of the parser itself, whose range is empty, come before
/// those that need the whole statement.
fn first(parse: &Parse<SourceFile>) -> Option<SyntaxError> {
    let errors = parse.errors();
    let start = errors.first()?.range().start();
    let same = errors.iter().take_while(|error| error.range().start() == start);
    same.min_by_key(|error| !error.range().is_empty()).cloned()
}

fn bytes(range: TextRange) -> Range<usize> {
    range.start().into()..range.end().into()
}

fn wrong(text: &str, error: &SyntaxError) -> ParserFinding {
    let range = bytes(error.range());
    let is_place = text[range.clone()].trim().is_empty();
    match words::translate(error.message()) {
        words::ParserMessage::Expected(expected) if is_place => {
            let wrong = stuck(Dialect::Postgres, text, range.start, expected);
            if matches!(wrong.kind, FindingKind::NoStatement { .. }) {
                after_verb(text).unwrap_or(wrong)
            } else {
                wrong
            }
        }
        words::ParserMessage::Expected(Some(expected)) => {
            ParserFinding::new(range, FindingKind::Refused(format!("expected {expected}")))
        }
        words::ParserMessage::Expected(None) => stuck(Dialect::Postgres, text, range.start, None),
        words::ParserMessage::Rule(rule) if rule.ends_with("is a reserved keyword") => {
            names::reserved(&text[range.clone()], range)
        }
        words::ParserMessage::Rule(rule) => ParserFinding::new(range, FindingKind::Refused(rule)),
    }
}

/// Finds the misspelt object type after a verb: for `DROP TABEL` the parser stops at the verb.
fn after_verb(text: &str) -> Option<ParserFinding> {
    const VERBS: [&str; 6] = ["create", "alter", "drop", "security", "import", "refresh"];
    const OTHER_MODIFIERS: [&str; 5] = ["event", "trusted", "procedural", "default", "foreign"];
    let mut at = Words::new(Dialect::Postgres, text, 0);
    if !at.is_any(&VERBS) {
        return None;
    }
    at.next();
    while at.is_any(&CREATE_MODIFIERS) || at.is_any(&OTHER_MODIFIERS) {
        at.next();
    }
    Some(stuck(Dialect::Postgres, text, at.token.start, None))
}

/// Checks a body in PL/pgSQL. Its parser is incomplete, so errors that it also reports for valid bodies are
/// dropped.
fn body(text: &str, parse: &Parse<SourceFile>) -> Option<ParserFinding> {
    let bodies = parse.syntax_node().descendants().filter_map(|node| {
        let function = ast::CreateFunction::cast(node.clone()).and_then(|function| function.plpgsql());
        let procedure = || ast::CreateProcedure::cast(node.clone()).and_then(|procedure| procedure.plpgsql());
        function.or_else(procedure).or_else(|| ast::Do::cast(node.clone()).and_then(|block| block.plpgsql()))
    });
    let error = bodies.flat_map(|body| body.errors().into_iter().next()).next()?;
    if exceptions::excuses_body(error.message()) {
        return None;
    }
    let wrong = wrong(text, &error);
    Some(ParserFinding { kind: FindingKind::Body(Box::new(wrong.kind)), ..wrong })
}

/// Every keyword, in lower case.
fn keywords() -> &'static [String] {
    static KEYWORDS: OnceLock<Vec<String>> = OnceLock::new();
    KEYWORDS.get_or_init(|| {
        let kinds = (0..u16::from(SyntaxKind::SOURCE_FILE)).map(SyntaxKind::from);
        let names = kinds.filter(|kind| kind.is_keyword()).map(|kind| format!("{kind:?}"));
        names.filter_map(|name| name.strip_suffix("_KW").map(str::to_lowercase)).collect()
    })
}
