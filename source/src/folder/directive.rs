//! Directives: comments at the head of a script that say how to run it. The parser, the suggestions and the
//! guide all use the table [`DIRECTIVES`].

use std::ops::Range;
use std::time::Duration;

use lockgate_core::limit::{self, Limit, LimitError};
use lockgate_core::psql::is_name;

use super::rule as rules;
use crate::sql::{self, suggest};
use crate::{Code, Diagnostic};

/// A row of the table of directives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directive {
    /// The word after `-- lockgate:`.
    pub name: &'static str,
    /// The argument after the word.
    pub argument: Argument,
    /// What it does, in one sentence.
    pub doc: &'static str,
    /// An example, without the comment marker.
    pub example: &'static str,
}

/// The argument of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Nothing.
    Nothing,
    /// `"why"`
    Reason,
    /// `(rule) "why"`
    RuleAndReason,
    /// `500ms`, `5s`, `10min`, `1h`
    Duration,
    /// `off`
    Off,
    /// `name` or `"a name"`
    Name,
}

/// Every directive.
pub const DIRECTIVES: [Directive; 12] = [
    Directive {
        name: "no-transaction",
        argument: Argument::Nothing,
        doc: "the statements run one by one outside a transaction, and an interrupted run resumes at the statement that did not finish",
        example: "no-transaction",
    },
    Directive {
        name: "irreversible",
        argument: Argument::Reason,
        doc: "the migration has no down script, for this reason",
        example: "irreversible \"the old values are gone\"",
    },
    Directive {
        name: "allow",
        argument: Argument::RuleAndReason,
        doc: "this lint does not report in this script, for this reason",
        example: "allow(drop-column) \"nothing reads it since 1.4\"",
    },
    Directive {
        name: "lock-timeout",
        argument: Argument::Duration,
        doc: "how long each statement may wait for a lock",
        example: "lock-timeout 5s",
    },
    Directive {
        name: "statement-timeout",
        argument: Argument::Duration,
        doc: "how long each statement may run",
        example: "statement-timeout 10min",
    },
    Directive {
        name: "foreign-keys",
        argument: Argument::Off,
        doc: "SQLite does not enforce foreign keys while the script runs, and checks them before its commit: for rebuilding a table",
        example: "foreign-keys off",
    },
    Directive {
        name: "role",
        argument: Argument::Name,
        doc: "the script runs as this role",
        example: "role app_owner",
    },
    Directive {
        name: "psql",
        argument: Argument::Nothing,
        doc: "psql's variables and commands are read in the script, as far as they need neither a shell nor the result of a query",
        example: "psql",
    },
    Directive {
        name: "variable",
        argument: Argument::Name,
        doc: "whoever runs the script gives this variable of psql its value; there may be one line for each variable",
        example: "variable app_password",
    },
    Directive {
        name: "profile",
        argument: Argument::Name,
        doc: "the script runs only if this profile is chosen; with several lines, one of them is enough",
        example: "profile testnet",
    },
    Directive {
        name: "after",
        argument: Argument::Name,
        doc: "a repeatable script runs after this one, and again whenever this one does; there may be several lines",
        example: "after R__roles",
    },
    Directive {
        name: "unanswered",
        argument: Argument::Reason,
        doc: "the folder does not compile until somebody has answered this question in the script and deleted the line, which may stand anywhere in it; `cargo xtask generate` writes it",
        example: "unanswered \"the value of users.email in existing rows\"",
    },
];

/// The directive that may stand anywhere in a script, above the statement that it asks about.
pub const UNANSWERED: &str = "unanswered";

/// What the name of a repeatable script begins with.
pub const REPEATABLE: &str = "R__";

/// The directives of a script, with their byte ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directives {
    /// `no-transaction`
    pub no_transaction: Option<Range<usize>>,
    /// `irreversible` and its reason
    pub irreversible: Option<(String, Range<usize>)>,
    /// Each `allow`: rule and reason
    pub allow: Vec<(Code, String)>,
    /// `lock-timeout`
    pub lock_timeout: Option<Duration>,
    /// `statement-timeout`
    pub statement_timeout: Option<Duration>,
    /// `foreign-keys off`
    pub foreign_keys_off: Option<Range<usize>>,
    /// `role`
    pub role: Option<String>,
    /// `psql`
    pub psql: Option<Range<usize>>,
    /// Each `variable`, with its place
    pub variables: Vec<(String, Range<usize>)>,
    /// Each `profile`, with its place
    pub profiles: Vec<(String, Range<usize>)>,
    /// Each `after`, with its place
    pub after: Vec<(String, Range<usize>)>,
    /// Each `unanswered`: its question and its place
    pub unanswered: Vec<(String, Range<usize>)>,
}

/// The comment marker of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comment {
    /// `--`, as in SQL.
    Sql,
    /// `//`, as in Rust.
    Rust,
}

impl Comment {
    const fn marker(self) -> &'static str {
        match self {
            Self::Sql => "--",
            Self::Rust => "//",
        }
    }
}

const PREFIX: &str = "lockgate:";

/// Reads the directives at the head of a script. The head ends at the first line that is neither blank nor a
/// comment. `file` is the script's path in messages.
pub fn parse(text: &str, file: &str, comment: Comment) -> (Directives, Vec<Diagnostic>) {
    let mut reader =
        Reader { text, file, comment, found: Directives::default(), seen: Vec::new(), diagnostics: Vec::new() };
    // sqlx: a script that begins with these bytes runs outside a transaction.
    let start = text.len() - text.trim_start_matches('\u{feff}').len();
    if comment == Comment::Sql && text[start..].starts_with("-- no-transaction") {
        reader.found.no_transaction = Some(start..start + "-- no-transaction".len());
        reader.seen.push(("no-transaction", String::new()));
    }
    let mut at = start;
    let mut line = |range: Range<usize>| {
        at = range.end;
        reader.line(range);
    };
    match comment {
        Comment::Sql => sql::head_comments(text).for_each(&mut line),
        Comment::Rust => rust_head(text, start).into_iter().for_each(&mut line),
    }
    reader.misplaced(at);
    reader.in_asterisks();
    (reader.found, reader.diagnostics)
}

/// The `//` comments before everything else in a Rust file, as [`sql::head_comments`] gives those
/// of a script.
fn rust_head(text: &str, start: usize) -> Vec<Range<usize>> {
    let mut comments = Vec::new();
    let mut at = start;
    for line in text[start..].split_inclusive('\n') {
        let trimmed = line.trim();
        if let Some(content) = trimmed.strip_prefix("//") {
            let content = content.trim_start();
            let end = at + line.trim_end().len();
            comments.push(end - content.len()..end);
        } else if !trimmed.is_empty() {
            break;
        }
        at += line.len();
    }
    comments
}

struct Reader<'a> {
    text: &'a str,
    file: &'a str,
    comment: Comment,
    found: Directives,
    /// Names (and for `allow` rules) that have been read.
    seen: Vec<(&'static str, String)>,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    /// A comment of the head: the text after its marker, without white space around it.
    fn line(&mut self, Range { start, end }: Range<usize>) {
        let body = &self.text[start..end];
        if self.comment == Comment::Sql && body == "no-transaction" && self.found.no_transaction.is_none() {
            let message =
                "`-- no-transaction` has no effect here: as in sqlx, it has one only at the very beginning of the file";
            self.diagnostics.push(
                Diagnostic::warning(Code::MisplacedDirective, self.file, message)
                    .at(self.text, start..end, "")
                    .help("write `-- lockgate: no-transaction`, which may stand anywhere in the head"),
            );
        }
        if body.len() < PREFIX.len() - 1 || !body.is_char_boundary(8) || !body[..8].eq_ignore_ascii_case("lockgate") {
            return self.misspelt(start, body);
        }
        let rest = body[8..].trim_start();
        let at = start + body.len() - rest.len();
        match rest.strip_prefix(':') {
            Some(rest) => {
                let directive = rest.trim_start();
                self.directive(directive, start + body.len() - directive.len());
            }
            // Prose may begin with the name of this tool, but not if a directive's name follows it.
            None => {
                let word = rest.split([' ', '\t', '(']).next().unwrap_or_default();
                if DIRECTIVES.iter().any(|directive| directive.name == word) {
                    let example = format!("{} {PREFIX} {rest}", self.comment.marker());
                    self.error(
                        Code::BadDirective,
                        at..at + word.len(),
                        "a directive has a colon before its name".to_owned(),
                        "",
                    )
                    .help
                    .push(format!("write `{example}`"));
                }
            }
        }
    }

    /// A comment such as `lockgte: role app`: the name of a directive after something much like `lockgate:`.
    fn misspelt(&mut self, start: usize, body: &str) {
        let Some((prefix, rest)) = body.split_once(':') else { return };
        let rest = rest.trim();
        let word = rest.split([' ', '\t', '(']).next().unwrap_or_default();
        let known = DIRECTIVES.iter().any(|directive| directive.name == word);
        if known && suggest::nearest(prefix.trim_end(), ["lockgate"]).is_some() {
            let range = start..start + prefix.trim_end().len();
            let help = format!("write `{} {PREFIX} {rest}`", self.comment.marker());
            let message = "a directive begins with `lockgate:`".to_owned();
            self.error(Code::BadDirective, range, message, "").help.push(help);
        }
    }

    /// A directive: the text after `lockgate:`, and its place.
    fn directive(&mut self, text: &str, at: usize) {
        let name_len = text.find(|c: char| c.is_whitespace() || c == '(').unwrap_or(text.len());
        let (name, argument) = text.split_at(name_len);
        let Some(directive) = DIRECTIVES.into_iter().find(|directive| directive.name == name) else {
            // `no transaction`, `lock timeout 5s`
            let joined = argument.split_whitespace().next().map(|second| format!("{name}-{second}"));
            let names = || DIRECTIVES.iter().map(|directive| directive.name);
            let meant = joined.and_then(|joined| names().find(|name| *name == joined));
            // `lock-timeout=5s`
            let bare = name.split(['=', ':', '"']).next().unwrap_or_default();
            let help = match meant.or_else(|| suggest::nearest(bare, names())) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => {
                    let names: Vec<_> = DIRECTIVES.iter().map(|directive| format!("`{}`", directive.name)).collect();
                    format!("the directives are {}", names.join(", "))
                }
            };
            let message = if name.is_empty() {
                "a directive has a name after the colon".to_owned()
            } else {
                format!("there is no directive `{name}`")
            };
            self.error(Code::UnknownDirective, at..at + name.len(), message, "").help.push(help);
            return;
        };
        let value = argument.trim_start();
        let value_at = at + text.len() - value.len();
        let whole = at..at + text.len();
        let rule = match self.value(directive, value, whole.clone()) {
            Ok(rule) => rule,
            Err(reason) => {
                let range = if value.is_empty() { whole } else { value_at..value_at + value.len() };
                let example = own_example(directive, value).unwrap_or_else(|| directive.example.to_owned());
                let help = format!("write it like `{} {PREFIX} {example}`", self.comment.marker());
                self.error(Code::BadDirective, range, format!("`{name}` {reason}"), "").help.push(help);
                return;
            }
        };
        let key = (directive.name, rule);
        if self.seen.contains(&key) {
            let shown = if key.1.is_empty() { name.to_owned() } else { format!("{name}({})", key.1) };
            self.error(Code::RepeatedDirective, whole, format!("`{shown}` stands here twice"), "again")
                .help
                .push("delete one of them".to_owned());
        }
        self.seen.push(key);
    }

    /// Stores the directive. Returns the rule of an `allow`, which may appear once for each rule.
    fn value(&mut self, directive: Directive, value: &str, range: Range<usize>) -> Result<String, String> {
        match directive.argument {
            Argument::Nothing => {
                if !value.is_empty() {
                    return Err("takes no argument".to_owned());
                }
                let place = match directive.name {
                    "psql" => &mut self.found.psql,
                    _ => &mut self.found.no_transaction,
                };
                place.get_or_insert(range);
            }
            Argument::Reason => {
                let reason = quoted(value)?;
                if directive.name == UNANSWERED {
                    // A draft may ask the same of two statements.
                    let place = range.start.to_string();
                    self.found.unanswered.push((reason, range));
                    return Ok(place);
                }
                self.found.irreversible.get_or_insert((reason, range));
            }
            Argument::RuleAndReason => {
                let inner = value.strip_prefix('(').and_then(|value| value.split_once(')'));
                let (rule, reason) = inner.ok_or("needs a rule in parentheses")?;
                let rule = rule.trim();
                if rule.contains(',') {
                    return Err("names one rule: write a line for each".to_owned());
                }
                if rule.is_empty() || !rule.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
                    return Err("needs the name of a rule, such as `drop-column`".to_owned());
                }
                let reason = quoted(reason.trim_start())?;
                match rules::of_script(rule) {
                    Ok(code) => self.found.allow.push((code, reason)),
                    Err((message, help)) => {
                        let at = range.start + self.text[range.clone()].find('(').map_or(0, |open| open + 1);
                        let at = at + self.text[at..range.end].find(rule).unwrap_or(0);
                        self.error(Code::UnknownRule, at..at + rule.len(), message, "unknown").help.push(help);
                    }
                }
                return Ok(rule.to_owned());
            }
            Argument::Duration => {
                let duration = duration(value)?;
                let place = if directive.name == "lock-timeout" {
                    &mut self.found.lock_timeout
                } else {
                    &mut self.found.statement_timeout
                };
                place.get_or_insert(duration);
            }
            Argument::Off => {
                if value != "off" {
                    return Err("can only be `off`: without the directive they are enforced".to_owned());
                }
                self.found.foreign_keys_off.get_or_insert(range);
            }
            Argument::Name => {
                let name = if value.starts_with('"') { quoted(value)? } else { value.to_owned() };
                let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
                if matches!(directive.name, "profile" | "after") && (name.is_empty() || !name.chars().all(word)) {
                    return Err("needs one name of letters, digits, `_` and `-`".to_owned());
                }
                if name.is_empty() || (!value.starts_with('"') && name.contains(char::is_whitespace)) {
                    return Err("needs one name, in quotation marks if it has blanks".to_owned());
                }
                if directive.name == "variable" {
                    if !is_name(&name) {
                        return Err("needs one name of letters, digits and `_`".to_owned());
                    }
                    if !self.found.variables.iter().any(|(known, _)| *known == name) {
                        self.found.variables.push((name.clone(), range));
                    }
                    return Ok(name);
                }
                let named = match directive.name {
                    "profile" => &mut self.found.profiles,
                    "after" => &mut self.found.after,
                    _ => {
                        self.found.role.get_or_insert(name);
                        return Ok(String::new());
                    }
                };
                if !named.iter().any(|(known, _)| *known == name) {
                    named.push((name.clone(), range));
                }
                return Ok(name);
            }
        }
        Ok(String::new())
    }

    /// Reports directives below the head, which would have no effect, and reads the one that may stand there.
    fn misplaced(&mut self, head_end: usize) {
        let mut from = head_end;
        while let Some(found) = self.text[from..].find(PREFIX) {
            let at = from + found;
            from = at + PREFIX.len();
            let line_start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
            let before = self.text[line_start..at].trim_end();
            if before.ends_with(self.comment.marker()) {
                let line_end = self.text[at..].find('\n').map_or(self.text.len(), |length| at + length);
                let end = at + self.text[at..line_end].trim_end().len();
                let body = self.text[at + PREFIX.len()..end].trim_start();
                if body.split([' ', '\t', '(']).next() == Some(UNANSWERED) {
                    self.directive(body, end - body.len());
                    continue;
                }
                self.error(
                    Code::MisplacedDirective,
                    at..end,
                    "this directive has no effect here".to_owned(),
                    "too late",
                )
                .help
                .push("move it to the head of the file, above everything that is not a comment".to_owned());
            }
        }
    }

    /// Reports directives in comments such as `/* lockgate: role app */`, which have no effect.
    fn in_asterisks(&mut self) {
        let text = self.text;
        let mut from = 0;
        while let Some(open) = text[from..].find("/*").map(|at| from + at) {
            let start = open + "/*".len();
            let end = text[start..].find("*/").map_or(text.len(), |length| start + length);
            from = end;
            let line_start = text[..open].rfind('\n').map_or(0, |newline| newline + 1);
            if text[line_start..open].contains(self.comment.marker()) {
                from = start;
                continue;
            }
            let mut at = start;
            for line in text[start..end].split_inclusive(['\n', '\r']) {
                let body = line.trim_start_matches([' ', '\t', '*', '-', '!']);
                let body_start = at + line.len() - body.len();
                at += line.len();
                let body = body.trim_end_matches(|c: char| c.is_whitespace() || c == '*');
                let Some((prefix, rest)) = body.split_once(':') else { continue };
                let rest = rest.trim_start();
                let word = rest.split([' ', '\t', '(']).next().unwrap_or_default();
                let is_known = DIRECTIVES.iter().any(|directive| directive.name == word);
                if is_known && suggest::nearest(&prefix.trim_end().to_ascii_lowercase(), ["lockgate"]).is_some() {
                    let help = format!("write `{} {PREFIX} {rest}` at the head of the file", self.comment.marker());
                    let message = format!("a directive has no effect in a comment that begins with `/*`: `{word}`");
                    self.error(Code::BadDirective, body_start..body_start + body.len(), message, "").help.push(help);
                }
            }
        }
    }

    fn error(&mut self, code: Code, range: Range<usize>, message: String, label: &str) -> &mut Diagnostic {
        self.diagnostics.push(Diagnostic::error(code, self.file, message).at(self.text, range, label));
        self.diagnostics.last_mut().expect("one was just pushed")
    }
}

/// The example of a directive with what the user wrote in it: the rules of an `allow`, the words of a reason.
fn own_example(directive: Directive, value: &str) -> Option<String> {
    const QUOTES: [char; 8] = ['"', '\'', '`', '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}', '\u{ab}'];
    let reason = |text: &str| text.trim().trim_matches(QUOTES).replace('"', "'");
    match directive.argument {
        Argument::Reason => Some(reason(value)).filter(|text| !text.is_empty()),
        Argument::RuleAndReason => {
            let (rules, text) = match value.strip_prefix('(') {
                Some(value) => value.split_once(')')?,
                None => value.split_once(char::is_whitespace).unwrap_or((value, "")),
            };
            let first = rules.split([',', ' ']).find(|rule| !rule.is_empty())?;
            let known = rules::of_script(first).is_ok();
            let text = Some(reason(text)).filter(|text| !text.is_empty());
            return known.then(|| format!("{}({first}) \"{}\"", directive.name, text.as_deref().unwrap_or("why")));
        }
        _ => None,
    }
    .map(|text| format!("{} \"{text}\"", directive.name))
}

/// `"why"`
fn quoted(value: &str) -> Result<String, String> {
    let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    match inner.map(str::trim) {
        Some(text) if !text.is_empty() && !text.contains('"') => Ok(text.to_owned()),
        _ => Err("needs a text in quotation marks, and nothing after it".to_owned()),
    }
}

/// `500ms`, `5s`, `10min`, `1h`
fn duration(value: &str) -> Result<Duration, String> {
    let duration = limit::duration(value).ok_or("needs a number with a unit: ms, s, min or h")?;
    match Limit::new(duration) {
        Ok(_) => Ok(duration),
        Err(LimitError::Zero) => Err("needs more than nothing".to_owned()),
        Err(LimitError::TooLong(_)) => Err("can be 596h at most".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Color;

    fn read(text: &str) -> Directives {
        let (directives, diagnostics) = parse(text, "m/1_x.sql", Comment::Sql);
        assert_eq!(diagnostics, []);
        directives
    }

    fn check(text: &str, expected: &str) {
        check_as(Comment::Sql, text, expected);
    }

    fn check_as(comment: Comment, text: &str, expected: &str) {
        let (_, diagnostics) = parse(text, "m/1_x.sql", comment);
        let shown: Vec<String> = diagnostics
            .iter()
            .map(|d| format!("{} {}: {}: {}", &d.place()[10..], d.code, d.message, d.help.join(", ")))
            .collect();
        assert_eq!(shown.join("\n"), expected, "{text:?}");
    }

    #[test]
    fn every_directive_is_read_as_its_example_says() {
        for directive in DIRECTIVES {
            let (found, diagnostics) = parse(&format!("-- lockgate: {}\n", directive.example), "", Comment::Sql);
            assert_eq!(diagnostics, [], "{}", directive.name);
            assert_ne!(found, Directives::default(), "{}", directive.name);
        }
    }

    #[test]
    fn a_head_of_several() {
        let found = read(
            "\u{feff}\r\n-- Rebuilds the table.\r\n--\r\n  --lockgate: lock-timeout 500ms\r\n-- lockgate: statement-timeout 10min\r\n\
             -- Lockgate : role \"App Owner\"\r\n-- lockgate: foreign-keys off\r\n-- lockgate: allow(rename) \"x\"\r\n\
             -- lockgate: allow(drop-table) \"y\"\r\n-- lockgate: irreversible \"gone\"\r\nSELECT 1;\r\n",
        );
        assert_eq!(found.lock_timeout, Some(Duration::from_millis(500)));
        assert_eq!(found.statement_timeout, Some(Duration::from_secs(600)));
        assert_eq!(found.role.as_deref(), Some("App Owner"));
        assert!(found.foreign_keys_off.is_some());
        assert_eq!(found.allow, [(Code::Rename, "x".to_owned()), (Code::DropTable, "y".to_owned())]);
        assert_eq!(found.irreversible.map(|(reason, _)| reason).as_deref(), Some("gone"));
        assert_eq!(found.no_transaction, None);
    }

    #[test]
    fn a_question_may_stand_above_its_statement() {
        let found = read(
            "-- lockgate: unanswered \"a\"\nSELECT 1;\n-- lockgate: unanswered \"b\"\n-- lockgate: unanswered \"b\"\n",
        );
        let questions: Vec<&str> = found.unanswered.iter().map(|(question, _)| question.as_str()).collect();
        assert_eq!(questions, ["a", "b", "b"]);
        check(
            "SELECT 1;\n-- lockgate: unanswered\n",
            "2:14 bad-directive: `unanswered` needs a text in quotation marks, and nothing after it: write it like \
             `-- lockgate: unanswered \"the value of users.email in existing rows\"`",
        );
    }

    #[test]
    fn sqlx_s_first_line_means_the_same() {
        assert!(read("-- no-transaction\nVACUUM;").no_transaction.is_some());
        assert!(read("\u{feff}-- no-transaction because\nVACUUM;").no_transaction.is_some());
        check(
            "\n-- no-transaction\nVACUUM;",
            "2:4 misplaced-directive: `-- no-transaction` has no effect here: as in sqlx, it has one only at the \
             very beginning of the file: write `-- lockgate: no-transaction`, which may stand anywhere in the head",
        );
        assert!(read("-- lockgate: no-transaction\nVACUUM;").no_transaction.is_some());
    }

    #[test]
    fn comments_of_rust_are_read_in_rust() {
        let (found, diagnostics) = parse("//! Doc.\n// lockgate: lock-timeout 1h\nuse x;\n", "", Comment::Rust);
        assert_eq!((found.lock_timeout, diagnostics), (Some(Duration::from_secs(3600)), vec![]));
        check_as(
            Comment::Rust,
            "use x;\n// lockgate: role a\n",
            "2:4 misplaced-directive: this directive has no effect here: \
             move it to the head of the file, above everything that is not a comment",
        );
    }

    #[test]
    fn unknown_directives_suggest_the_nearest() {
        check(
            "-- lockgate: no-transation\n",
            "1:14 unknown-directive: there is no directive `no-transation`: did you mean `no-transaction`?",
        );
        check(
            "-- x\n-- lockgate: vacuum\n",
            "2:14 unknown-directive: there is no directive `vacuum`: the directives are `no-transaction`, `irreversible`, \
             `allow`, `lock-timeout`, `statement-timeout`, `foreign-keys`, `role`, `psql`, `variable`, `profile`, `after`, `unanswered`",
        );
        check(
            "-- lockgate:\n",
            "1:13 unknown-directive: a directive has a name after the colon: the directives are \
             `no-transaction`, `irreversible`, `allow`, `lock-timeout`, `statement-timeout`, `foreign-keys`, `role`, `psql`, `variable`, `profile`, `after`, `unanswered`",
        );
    }

    #[test]
    fn bad_arguments_say_what_is_right() {
        for (text, expected) in [
            (
                "no-transaction please",
                "1:29 bad-directive: `no-transaction` takes no argument: write it like `-- lockgate: no-transaction`",
            ),
            (
                "irreversible",
                "1:14 bad-directive: `irreversible` needs a text in quotation marks, and nothing after it: write it like `-- lockgate: irreversible \"the old values are gone\"`",
            ),
            (
                "irreversible \"\"",
                "1:27 bad-directive: `irreversible` needs a text in quotation marks, and nothing after it: write it like `-- lockgate: irreversible \"the old values are gone\"`",
            ),
            (
                "lock-timeout 5",
                "1:27 bad-directive: `lock-timeout` needs a number with a unit: ms, s, min or h: write it like `-- lockgate: lock-timeout 5s`",
            ),
            (
                "lock-timeout 5m",
                "1:27 bad-directive: `lock-timeout` needs a number with a unit: ms, s, min or h: write it like `-- lockgate: lock-timeout 5s`",
            ),
            (
                "lock-timeout s",
                "1:27 bad-directive: `lock-timeout` needs a number with a unit: ms, s, min or h: write it like `-- lockgate: lock-timeout 5s`",
            ),
            (
                "lock-timeout 0s",
                "1:27 bad-directive: `lock-timeout` needs more than nothing: write it like `-- lockgate: lock-timeout 5s`",
            ),
            (
                "statement-timeout 597h",
                "1:32 bad-directive: `statement-timeout` can be 596h at most: write it like `-- lockgate: statement-timeout 10min`",
            ),
            (
                "foreign-keys on",
                "1:27 bad-directive: `foreign-keys` can only be `off`: without the directive they are enforced: write it like `-- lockgate: foreign-keys off`",
            ),
            (
                "role a b",
                "1:19 bad-directive: `role` needs one name, in quotation marks if it has blanks: write it like `-- lockgate: role app_owner`",
            ),
            (
                "allow drop",
                "1:20 bad-directive: `allow` needs a rule in parentheses: write it like `-- lockgate: allow(drop-column) \"nothing reads it since 1.4\"`",
            ),
            (
                "allow(rename)",
                "1:19 bad-directive: `allow` needs a text in quotation marks, and nothing after it: write it like `-- lockgate: allow(rename) \"why\"`",
            ),
            (
                "allow rename nobody reads it",
                "1:20 bad-directive: `allow` needs a rule in parentheses: write it like `-- lockgate: allow(rename) \"nobody reads it\"`",
            ),
            (
                "allow(rename, drop-table) \"gone\"",
                "1:19 bad-directive: `allow` names one rule: write a line for each: write it like `-- lockgate: allow(rename) \"gone\"`",
            ),
            (
                "irreversible \u{201c}the rows are gone\u{201d}",
                "1:27 bad-directive: `irreversible` needs a text in quotation marks, and nothing after it: write it like `-- lockgate: irreversible \"the rows are gone\"`",
            ),
        ] {
            check(&format!("-- lockgate: {text}\n"), expected);
        }
        check(
            "-- lockgate no-transaction\n",
            "1:13 bad-directive: a directive has a colon before its name: write `-- lockgate: no-transaction`",
        );
        check("-- lockgate runs this.\n", "");
    }

    #[test]
    fn a_misspelt_prefix_is_no_comment() {
        let expected = |written: &str| {
            format!("1:4 bad-directive: a directive begins with `lockgate:`: write `-- lockgate: {written}`")
        };
        check("-- lockgte: no-transaction\n", &expected("no-transaction"));
        check("-- lock-gate: role app\n", &expected("role app"));
        check("-- logate : allow(rename) \"x\"\n", &expected("allow(rename) \"x\""));
        check("-- locked: the table is\n-- gate: no-transaction\n", "");
    }

    #[test]
    fn a_directive_in_asterisks_is_refused() {
        let expected = |at: &str, word: &str, written: &str| {
            format!(
                "{at} bad-directive: a directive has no effect in a comment that begins with `/*`: `{word}`: \
                 write `-- lockgate: {written}` at the head of the file"
            )
        };
        let role = |at: &str| expected(at, "role", "role app_owner");
        check("/* lockgate: role app_owner */\nSELECT 1;\n", &role("1:4"));
        check("/* Lock-gate:  role app_owner*/\nSELECT 1;\n", &role("1:4"));
        check("/**\r\n * lockgate: role app_owner\r\n **/\r\nSELECT 1;\r\n", &role("2:4"));
        check("SELECT 1; /* lockgate: role app_owner */\n", &role("1:14"));
        check("/* a *//* lockgate: allow(rename) \"x\" */ -- b\n", &expected("1:11", "allow", "allow(rename) \"x\""));
        check(
            "/* lockgate: this runs once */\n/* lockgate */\n-- as in /* lockgate: role x */\nSELECT 1;\n/* lockgate: role",
            &expected("5:4", "role", "role"),
        );
    }

    #[test]
    fn a_directive_in_two_words_or_with_an_equals_sign_is_suggested() {
        let meant = |at: &str, wrong: &str, right: &str| {
            format!("{at} unknown-directive: there is no directive `{wrong}`: did you mean `{right}`?")
        };
        check("-- lockgate: no transaction\n", &meant("1:14", "no", "no-transaction"));
        check("-- lockgate: lock timeout 5s\n", &meant("1:14", "lock", "lock-timeout"));
        check("-- lockgate: lock-timeout=5s\n", &meant("1:14", "lock-timeout=5s", "lock-timeout"));
    }

    #[test]
    fn repeated_and_misplaced_directives_are_errors() {
        check(
            "-- no-transaction\n-- lockgate: no-transaction\n-- lockgate: allow(rename) \"x\"\n-- lockgate: allow(rename) \"x\"\n",
            "2:14 repeated-directive: `no-transaction` stands here twice: delete one of them\n\
             4:14 repeated-directive: `allow(rename)` stands here twice: delete one of them",
        );
        check(
            "SELECT 1; -- lockgate: role x\nSELECT 'lockgate: y';\n",
            "1:14 misplaced-directive: this directive has no effect here: \
             move it to the head of the file, above everything that is not a comment",
        );
        let (_, diagnostics) =
            parse("CREATE TABLE x (\n  -- lockgate: role x\n  id INT\n);", "m/1_x.sql", Comment::Sql);
        let expected = "\
error[misplaced-directive]: this directive has no effect here
 --> m/1_x.sql:2:6
  |
2 |   -- lockgate: role x
  |      ^^^^^^^^^^^^^^^^ too late
  |
  = help: move it to the head of the file, above everything that is not a comment";
        assert_eq!(diagnostics[0].render(Color::Off), expected);
    }
}
