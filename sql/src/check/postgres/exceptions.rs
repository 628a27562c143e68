//! Where the parser and PostgreSQL disagree, found with PostgreSQL's own tests and mutations of them. SQL that
//! PostgreSQL accepts must pass even if the parser rejects it. Each entry can be deleted once the parser
//! handles it.

use std::ops::Range;

use lockgate_core::Dialect;
use squawk_syntax::syntax_error::SyntaxError;

use crate::Release;
use crate::check::{FindingKind, ParserFinding};
use crate::lexer::Kind;
use crate::words::Words;

/// Beginnings of statements that PostgreSQL accepts and the parser rejects.
const BEGINNINGS: [&str; 3] =
    ["alter user mapping for user", "alter user mapping if exists for user", "alter statistics if exists"];

/// Whether the statement begins like one that the parser does not know.
pub(super) fn begins(text: &str) -> bool {
    let begin = Words::new(Dialect::Postgres, text, 0);
    BEGINNINGS.into_iter().any(|beginning| {
        let mut at = begin.clone();
        beginning.split(' ').all(|word| {
            let is = at.is(word);
            at.next();
            is
        })
    })
}

/// Settings with a syntax of their own, and a replacement that the parser knows and that is not longer.
const SETTINGS: [(&str, &str); 6] = [
    ("time zone", "timezone="),
    ("names", "name="),
    ("role", "rol="),
    ("schema", "schem="),
    ("session authorization", "sessionauthorization="),
    ("xml option", "xmloption="),
];

/// Objects that PostgreSQL drops by a list of names, where the parser accepts a single name.
const DROPPED_IN_LISTS: [&str; 8] = [
    "event trigger",
    "access method",
    "language",
    "procedural language",
    "conversion",
    "text search parser",
    "text search dictionary",
    "text search template",
];

/// Rewrites a statement into syntax that the parser knows, if it has syntax that only PostgreSQL knows. The
/// positions of all other tokens stay the same.
pub(super) fn in_other_words(text: &str) -> Option<String> {
    let mut other = Rewritten { text: text.as_bytes().to_vec(), changed: false };
    let mut at = Words::new(Dialect::Postgres, text, 0);
    if take(&mut at, "create") {
        let _ = take(&mut at, "or replace");
        if at.is_any(&["function", "procedure"]) {
            other.settings(&mut at, &SETTINGS);
        } else if take(&mut at, "database") {
            other.words(&mut at, "location", "template");
        } else if take(&mut at, "server") {
            other.words(&mut at, "version null", "version ''");
        } else {
            let start = at.token.start;
            while at.is_any(&["trusted", "procedural"]) {
                at.next();
            }
            if at.is("language") {
                other.put(start..at.token.start, "");
                other.words(&mut at, "no validator", "");
            }
        }
    } else if take(&mut at, "alter") {
        if at.is_any(&["role", "user", "database"]) {
            other.modes(at.clone());
        }
        if at.is_any(&["role", "user", "database", "function", "procedure", "routine", "system"]) {
            other.settings(&mut at, &SETTINGS);
        } else if take(&mut at, "server") {
            other.words(&mut at, "version null", "version ''");
        } else if take(&mut at, "extension") {
            at.next();
            if at.is_any(&["add", "drop"]) {
                at.next();
                other.type_name(&mut at);
            }
        } else if at.is("table") || take(&mut at.clone(), "foreign table") {
            for (range, ..) in how_stored(at.clone()) {
                other.put(range, "");
            }
        } else if at.is("index") {
            let index = at.token.start..at.token.end;
            let mut column = at.clone();
            at.until(&["owner"]);
            if at.is("to") {
                other.put(index, "view");
            }
            // The columns of an index have names too, and the parser knows only their numbers.
            column.until(&["alter"]);
            column.take("column");
            let name = column.token.start..column.token.end;
            if matches!(column.token.kind, Kind::Word | Kind::Name) && {
                column.next();
                column.is("set")
            } {
                other.put(name, "1");
            }
        }
    } else if take(&mut at, "drop") {
        let configuration = "text search configuration";
        if DROPPED_IN_LISTS.into_iter().chain([configuration]).any(|what| take(&mut at, what)) {
            other.list(&mut at);
        } else {
            other.type_name(&mut at);
        }
    } else if take(&mut at, "comment on") {
        other.type_name(&mut at);
    } else if take(&mut at, "security label") {
        if at.take("for") {
            at.next();
        }
        let _ = at.take("on");
        other.type_name(&mut at);
    } else if at.is_any(&["fetch", "move"]) {
        at.next();
        let direction = at.token.start..at.token.end;
        // `FORWARD` and a cursor, without a number and without `FROM`.
        if at.is_any(&["forward", "backward"]) {
            at.next();
            let is_name = matches!(at.token.kind, Kind::Word | Kind::Name) && !at.is_any(&["all", "from", "in"]);
            at.next();
            if is_name && at.ended() {
                other.put(direction, "next");
            }
        }
    } else if take(&mut at, "import foreign schema") {
        other.qualified(&mut at);
    } else if at.is("set") {
        other.settings(&mut at, &SETTINGS[1..2]);
    } else if at.is("explain") {
        let start = at.token.start;
        at.next();
        at.skip_parentheses();
        while at.is_any(&["analyze", "analyse", "verbose"]) {
            at.next();
        }
        if at.is("refresh") {
            other.put(start..at.token.start, "");
        }
    }
    if at.rewound().is_any(&["create", "alter"]) {
        other.exclusions(at.rewound());
    } else if at.rewound().is("copy") {
        other.delimiters(at.rewound());
    }
    other.only(at.rewound());
    other.changed.then(|| String::from_utf8(other.text).expect("whole tokens are put in the place of whole tokens"))
}

/// How the columns that an ALTER TABLE adds are stored, which the parser does not know: `COMPRESSION lz4` and `STORAGE
/// external`, each with what it is and its first release.
fn how_stored(mut at: Words<'_>) -> Vec<(Range<usize>, &'static str, u16)> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    // The number of tokens after ADD: a column may be called `storage`, and its type follows.
    let mut column: Option<usize> = None;
    while !at.ended() {
        match at.token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            _ if at.is_byte(b',') => column = None,
            _ if at.is("add") && column.is_none() => {
                let _ = take(&mut at, "add column") || at.take("add");
                let _ = take(&mut at, "if not exists");
                column = Some(0);
                continue;
            }
            _ if at.is_any(&["compression", "storage"]) && column.is_some_and(|count| count >= 2) => {
                let (start, is_storage) = (at.token.start, at.is("storage"));
                at.next();
                if matches!(at.token.kind, Kind::Word | Kind::Name) {
                    let what = if is_storage { ("STORAGE in ADD COLUMN", 16) } else { ("COMPRESSION", 14) };
                    found.push((start..at.token.end, what.0, what.1));
                }
            }
            _ => {}
        }
        column = column.map(|count| count + 1);
        at.next();
    }
    found
}

/// Returns the first syntax that the server does not know yet and that the parser never knows.
pub(super) fn newer(text: &str, server: Release) -> Option<ParserFinding> {
    let mut at = Words::new(Dialect::Postgres, text, 0);
    if !at.take("alter") || !(at.is("table") || take(&mut at.clone(), "foreign table")) {
        return None;
    }
    let (range, what, since) = how_stored(at).into_iter().find(|(.., since)| *since > server.major())?;
    Some(ParserFinding::new(range, FindingKind::Newer { what, since: Release::new(since), server }))
}

/// Moves past these words if all of them follow here, and returns whether they did.
fn take(at: &mut Words<'_>, words: &str) -> bool {
    let mut here = at.clone();
    let all = words.split(' ').all(|word| here.take(word));
    if all {
        *at = here;
    }
    all
}

/// A statement in which some words are replaced; its length stays the same.
struct Rewritten {
    text: Vec<u8>,
    changed: bool,
}

impl Rewritten {
    /// Replaces the range by these words, with blanks before them.
    fn put(&mut self, range: Range<usize>, words: &str) {
        self.changed |= !range.is_empty();
        let start = range.end - words.len();
        self.text[range.start..start].fill(b' ');
        self.text[start..range.end].copy_from_slice(words.as_bytes());
    }

    /// Replaces the first occurrence of these words.
    fn words(&mut self, at: &mut Words<'_>, words: &str, other: &str) {
        while !at.ended() {
            let start = at.token.start;
            if let Some(end) = ends(at, words) {
                return self.put(start..end, other);
            }
            at.next();
        }
    }

    /// Replaces each of these settings after SET and RESET.
    fn settings(&mut self, at: &mut Words<'_>, settings: &[(&str, &str)]) {
        while !at.ended() {
            let (sets, resets) = (at.is("set"), at.is("reset"));
            let verb = at.token.start..at.token.end;
            at.next();
            if !sets && !resets {
                continue;
            }
            while sets && at.is_any(&["session", "local"]) && ends(at, "session authorization").is_none() {
                at.next();
            }
            let start = at.token.start;
            if sets && ends(at, "names").is_some() && take(&mut at.clone(), "names") {
                let mut behind = at.clone();
                behind.next();
                // `SET NAMES` without a value sets the default.
                if behind.ended() {
                    return self.put(verb.start..at.token.end, "reset all");
                }
            }
            let Some((end, other)) = settings.iter().find_map(|(words, other)| Some((ends(at, words)?, other))) else {
                continue;
            };
            let mut value = Words::new(Dialect::Postgres, at.text, end);
            if resets {
                self.put(start..end, other.trim_end_matches('='));
            } else if !value.ended() && !value.is_byte(b'=') && !value.is("to") && !is_schema(at, &value) {
                self.put(start..end, other);
                if value.take("interval") {
                    // The parser reads an interval with a precision or a unit as a type, which no setting accepts.
                    value.skip_parentheses();
                    self.put(end..value.token.start, "");
                    value.next();
                    let unit = value.token.start;
                    while value.is_any(&["hour", "minute", "second", "to", "day", "month", "year"]) {
                        value.next();
                    }
                    if unit < value.token.start {
                        self.put(unit..value.token.start, "");
                    }
                }
            }
        }
    }

    /// Replaces `SET TRANSACTION` of a role or a database, which the server accepts although it sets nothing.
    fn modes(&mut self, mut at: Words<'_>) {
        at.until(&["set"]);
        let start = at.token.start;
        while at.is_any(&["session", "local"]) {
            at.next();
        }
        if (take(&mut at, "characteristics as transaction") || take(&mut at, "transaction"))
            && let Some(end) = transaction_modes(&mut at)
        {
            self.put(start..end, "t=1");
        }
    }

    /// Removes the array brackets and the length from the name of a type or a domain.
    fn type_name(&mut self, at: &mut Words<'_>) {
        if !at.is_any(&["type", "domain"]) {
            return;
        }
        at.next();
        let _ = take(at, "if exists");
        loop {
            let start = at.token.start;
            if at.take("setof") {
                self.put(start..at.token.start, "");
            }
            at.next();
            while at.is_byte(b'.') {
                at.next();
                at.next();
            }
            let (start, mut end) = (at.token.start, at.token.start);
            at.skip_parentheses();
            let _ = at.take("array");
            while at.is_byte(b'[') {
                while !at.ended() && !at.is_byte(b']') {
                    at.next();
                }
                at.next();
            }
            end = end.max(at.token.start);
            self.put(start..end, "");
            if !at.is_byte(b',') {
                return;
            }
            at.next();
        }
    }

    /// Removes the schemas from the names in parentheses.
    fn qualified(&mut self, at: &mut Words<'_>) {
        while !at.ended() && at.token.kind != Kind::Open {
            if at.take("from") {
                return;
            }
            at.next();
        }
        while !at.ended() && at.token.kind != Kind::Close {
            let start = at.token.start;
            at.next();
            if at.is_byte(b'.') {
                at.next();
                self.put(start..at.token.start, "");
            }
        }
    }

    /// Removes what an index has after a column in each EXCLUDE, where the parser expects `WITH`.
    fn exclusions(&mut self, mut at: Words<'_>) {
        while !at.ended() {
            if !at.take("exclude") {
                at.next();
                continue;
            }
            if at.take("using") {
                at.next();
            }
            while at.token.kind == Kind::Open || at.is_byte(b',') {
                at.next();
                // A column, a function's call, or an expression in parentheses.
                if at.token.kind != Kind::Open {
                    name(&mut at);
                }
                at.skip_parentheses();
                let start = at.token.start;
                if at.take("collate") {
                    name(&mut at);
                }
                if matches!(at.token.kind, Kind::Word | Kind::Name) && !at.is_any(&["asc", "desc", "nulls", "with"]) {
                    name(&mut at);
                    at.skip_parentheses();
                }
                let _ = at.take("asc") || at.take("desc");
                let _ = take(&mut at, "nulls first") || take(&mut at, "nulls last");
                // `WITH` may be misspelt, and then it stands before an operator.
                let mut next = at.clone();
                next.next();
                if !at.is("with") && !text_at(&next).starts_with(OPERATOR) {
                    break;
                }
                self.put(start..at.token.start, "");
                let mut depth = 0_usize;
                while !at.ended() && (depth > 0 || !(at.token.kind == Kind::Close || at.is_byte(b','))) {
                    match at.token.kind {
                        Kind::Open => depth += 1,
                        Kind::Close => depth -= 1,
                        _ => {}
                    }
                    at.next();
                }
            }
        }
    }

    /// Removes the delimiter of a COPY as it was written before PostgreSQL 7.3.
    fn delimiters(&mut self, mut at: Words<'_>) {
        at.until(&["from", "to"]);
        at.take("program");
        if !matches!(at.token.kind, Kind::Text) && !at.is_any(&["stdin", "stdout"]) {
            return;
        }
        at.next();
        let start = at.token.start;
        at.take("using");
        if at.take("delimiters") && at.token.kind == Kind::Text {
            self.put(start..at.token.end, "");
        }
    }

    /// Removes the parentheses from `ONLY (table)`.
    fn only(&mut self, mut at: Words<'_>) {
        while !at.ended() {
            if !at.take("only") || at.token.kind != Kind::Open {
                at.next();
                continue;
            }
            let open = at.token.start..at.token.end;
            at.next();
            if at.is_any(&["select", "values", "with", "table"]) {
                continue;
            }
            name(&mut at);
            if at.token.kind == Kind::Close {
                self.put(open, "");
                self.put(at.token.start..at.token.end, "");
            }
        }
    }

    /// Removes all names of a list but the first.
    fn list(&mut self, at: &mut Words<'_>) {
        let _ = take(at, "if exists");
        at.next();
        while at.is_byte(b'.') {
            at.next();
            at.next();
        }
        while at.is_byte(b',') {
            let start = at.token.start;
            at.next();
            let mut end = at.token.end;
            if !matches!(at.token.kind, Kind::Word | Kind::Name) {
                return;
            }
            at.next();
            while at.is_byte(b'.') {
                at.next();
                end = at.token.end;
                at.next();
            }
            self.put(start..end, "");
        }
    }
}

fn text_at<'a>(at: &Words<'a>) -> &'a str {
    &at.text[at.token.start..at.token.end]
}

/// Moves past a name with its schema.
fn name(at: &mut Words<'_>) {
    at.next();
    while at.is_byte(b'.') {
        at.next();
        at.next();
    }
}

/// Moves past the modes of a transaction, and returns where they end.
fn transaction_modes(at: &mut Words<'_>) -> Option<usize> {
    const MODES: [&str; 8] = [
        "isolation level serializable",
        "isolation level repeatable read",
        "isolation level read committed",
        "isolation level read uncommitted",
        "read only",
        "read write",
        "not deferrable",
        "deferrable",
    ];
    let mut end = None;
    loop {
        let ended = MODES.into_iter().find_map(|mode| Some((ends(at, mode)?, mode)));
        if let Some((behind, mode)) = ended {
            end = Some(behind);
            take(at, mode);
        } else if at.take("snapshot") {
            end = Some(at.token.end);
            at.next();
        } else if at.is_byte(b',') {
            at.next();
        } else {
            return end;
        }
    }
}

/// Whether `SET SCHEMA` moves a function. With a string it changes the setting.
fn is_schema(at: &Words<'_>, value: &Words<'_>) -> bool {
    at.is("schema") && value.token.kind != Kind::Text
}

/// Returns the byte after these words, if they follow here.
fn ends(at: &Words<'_>, words: &str) -> Option<usize> {
    let mut here = at.clone();
    let mut end = at.token.start;
    let all = words.split(' ').all(|word| {
        end = here.token.end;
        here.take(word)
    });
    all.then_some(end)
}

/// The characters of operators.
const OPERATOR: [char; 16] = ['<', '>', '=', '!', '+', '-', '*', '/', '%', '^', '&', '|', '~', '@', '#', '?'];

/// Whether the parser also reports this error for valid statements.
pub(super) fn excuses(text: &str, error: &SyntaxError) -> bool {
    // `SELECT * FROM json_object(…)`, and `;;` in the list of a rule.
    if error.message().ends_with("is not a valid function name") || error.message().ends_with("got EMPTY_STMT") {
        return true;
    }
    // `ALTER USER a`, which changes nothing.
    if error.message() == "expected SET or RESET" {
        let mut at = Words::new(Dialect::Postgres, text, 0);
        if take(&mut at, "alter user") {
            at.next();
            return at.ended();
        }
    }
    // `a = ANY (b) = c`, where the parser associates to the right.
    let start = usize::from(error.range().start());
    if error.message().ends_with("must follow an operator") && text[..start].trim_end().ends_with(OPERATOR) {
        return true;
    }
    // Any keyword may be an argument of a trigger, where it is a string.
    let mut at = Words::new(Dialect::Postgres, text, 0);
    if !at.take("create") {
        return false;
    }
    at.until(&["trigger"]);
    at.until(&["execute"]);
    while !at.ended() && at.token.kind != Kind::Open {
        at.next();
    }
    !at.ended() && at.token.start < usize::from(error.range().start())
}

/// Whether the parser also reports this error for valid bodies. It rejects `SELECT … INTO variable` and the
/// like at the verb.
pub(super) fn excuses_body(message: &str) -> bool {
    const VERBS: [&str; 8] = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "TABLE"];
    message.starts_with("SELECT ... INTO")
        // A second DECLARE is useless, but valid.
        || message == "expected a declaration, got DECLARE_KW"
        || message
            .strip_prefix("expected a statement, got ")
            .and_then(|kind| kind.strip_suffix("_KW"))
            .is_some_and(|verb| VERBS.contains(&verb))
}

#[cfg(test)]
mod tests {
    use lockgate_core::StatementKind;

    use super::*;

    #[test]
    fn gaps_are_left_alone() {
        assert!(begins("ALTER USER MAPPING FOR user SERVER s OPTIONS (ADD a 'b');"));
        assert!(!begins("ALTER USER a NOLOGIN;"));
        assert!(super::super::check("ALTER USER a;", StatementKind::Other, None).is_empty());
        assert!(!super::super::check("ALTER USER;", StatementKind::Other, None).is_empty());
        assert!(excuses_body("expected a statement, got SELECT_KW"));
        assert!(!excuses_body("expected a statement, got NULL_KW"));
    }
}
