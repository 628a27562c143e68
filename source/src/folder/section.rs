//! The sections of other tools: comments such as `-- migrate:down` that divide one file into an up and a down
//! script. To a database they are ordinary comments, so the down section would run as part of the up script.

use std::collections::BTreeSet;
use std::ops::Range;

use lockgate_core::Dialects;

use super::foreign::{self, Effect};
use super::model::{Folder, ScriptState};
use super::name::{CONVERT, Kind, Name};
use super::read::{self, FolderFile};
use super::script::ReadScript;
use crate::sql;
use crate::sql::LintLevel;
use crate::{Code, Diagnostic, Severity};

/// Whether a section applies or reverts a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

/// What a comment means to another tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// A section begins.
    Section(Direction),
    /// A line within a section, such as `-- +goose StatementBegin`.
    Aside,
    /// A line that holds a piece of the down script, such as `--rollback DROP TABLE users;`.
    Rollback,
    /// A line that means something only in a file of Liquibase, such as `--preconditions onFail:HALT`.
    Detail,
}

/// A comment that another tool acts upon.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Marker<'a> {
    mark: Mark,
    /// The tool, where only one writes such lines.
    tool: Option<&'a str>,
    /// Whether the script asks to run outside a transaction.
    outside: bool,
    /// Whether the line has nothing else on it. A line with more text counts only if the file has both sections.
    exact: bool,
}

/// A part of a file that applies or reverts a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) direction: Direction,
    /// The comment that begins it; `None` for the text before the first one.
    pub(crate) marker: Option<Range<usize>>,
    tool: Option<String>,
    /// From the line after the marker to the next marker.
    pub(crate) body: Range<usize>,
    /// Whether there is a statement in it.
    pub(crate) has_statements: bool,
    /// Whether it asks to run outside a transaction.
    pub(crate) outside: bool,
    /// Whether the section is in the comment itself, as Liquibase's rollbacks are.
    pub(crate) is_comment: bool,
}

/// A file, divided as another tool would.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sections {
    pub(crate) sections: Vec<Section>,
    /// The lines that mean something only to another tool, each with its line break.
    pub(crate) lines: Vec<Range<usize>>,
    /// The comments that ask to run outside a transaction, each with the tool and the direction that it applies to.
    outside: Vec<(Range<usize>, Option<String>, Option<Direction>)>,
    /// The comment that asks goose to fill in variables of the environment.
    pub(crate) substitutes: Option<Range<usize>>,
    /// What the comments change about the run of the script.
    pub(crate) effects: Vec<Effect>,
    /// The first line of Liquibase, in one of its files.
    pub(crate) liquibase: Option<Range<usize>>,
    /// The tools that write such comments; the empty name stands for headings that several tools write.
    pub(crate) tools: BTreeSet<String>,
}

impl Sections {
    /// Returns the sections with statements for the other direction than that of the file.
    pub(crate) fn wrong(&self, kind: Kind) -> impl Iterator<Item = &Section> {
        let direction = if kind == Kind::Down { Direction::Up } else { Direction::Down };
        // A single `-- Up` above a down script is a wrong heading, and not a section.
        let divided = kind != Kind::Down
            || self.sections.iter().any(|section| section.direction == Direction::Down && section.marker.is_some());
        self.sections.iter().filter(move |section| {
            section.direction == direction
                && section.has_statements
                && section.marker.is_some()
                && (divided || section.tool.is_some())
        })
    }
}

/// Divides a text as another tool would. Returns no sections if no line means something to another tool.
pub(crate) fn sections(text: &str, dialects: Dialects) -> Sections {
    // Looking line by line costs little, and most files end here.
    if !lines(text).any(|line| line.trim_start().starts_with(['-', '#', '/', '\u{feff}']) && marker(line).is_some()) {
        return Sections::default();
    }
    let layouts: Vec<sql::Layout> = dialects.iter().map(|dialect| sql::layout(dialect, text)).collect();
    let mut markers = Vec::new();
    let (mut at, mut block_end) = (0, 0);
    for line in lines(text) {
        let mut range = at..at + line.len();
        at = range.end;
        if range.start < block_end {
            continue;
        }
        let content = line.trim_start_matches(['\u{feff}', ' ', '\t', '\x0c']);
        let start = range.end - content.len();
        let Some(found) = marker(content) else { continue };
        // Play writes `# --- !Downs`, of which only some databases take the `#` for a comment.
        let hashes = content.len() - content.trim_start_matches(['#', ' ']).len();
        let begins =
            |layout: &sql::Layout| [start, start + hashes].iter().any(|at| layout.comments.binary_search(at).is_ok());
        if layouts.iter().any(begins) {
            if content.starts_with("/*") {
                block_end = end_of_block(text, start);
                range.end = block_end;
            }
            let content = &content[..content.len().min(range.end - start)];
            markers.push((found, start..start + content.trim_end().len(), range));
        }
    }
    // Other files may mention a rollback too, some in a heading.
    let is_liquibase = markers.iter().any(|(marker, comment, _)| {
        marker.tool == Some(LIQUIBASE) && (marker.mark == Mark::Aside || text[comment.clone()].starts_with("/*"))
    });
    for (marker, comment, _) in markers.iter_mut().filter(|(marker, ..)| marker.mark == Mark::Rollback && !is_liquibase)
    {
        if text[comment.clone()].trim_matches(|c: char| !c.is_alphanumeric()).eq_ignore_ascii_case(ROLLBACK) {
            *marker = Marker { mark: Mark::Section(Direction::Down), tool: None, outside: false, exact: false };
        }
    }
    let has = |direction| markers.iter().any(|(marker, ..)| marker.mark == Mark::Section(direction));
    let both = has(Direction::Up) && has(Direction::Down);
    markers.retain(|(marker, comment, _)| match marker.mark {
        Mark::Rollback => is_liquibase || undoes(&text[comment.clone()]),
        Mark::Detail => is_liquibase,
        Mark::Section(_) | Mark::Aside => marker.exact || both,
    });
    let mut effects = ignored(text, &mut markers);
    for (marker, comment, _) in &markers {
        match marker.tool {
            Some(LIQUIBASE) => effects.extend(foreign::of_liquibase(text, comment.clone(), dialects)),
            Some(ATLAS) => effects.extend(foreign::of_atlas(text, comment.clone())),
            _ => {}
        }
    }
    effects.sort_by_key(|effect| effect.range.start);
    let liquibase = markers.iter().find(|(marker, ..)| is_liquibase && marker.tool == Some(LIQUIBASE));
    let liquibase = liquibase.map(|(_, comment, _)| comment.clone());

    let has_statements = |body: &Range<usize>, lines: &[Range<usize>]| {
        let is_in_line = |token: &usize| lines.iter().any(|line| line.contains(token));
        layouts.iter().any(|layout| {
            let first = layout.tokens.partition_point(|token| *token < body.start);
            let tokens = layout.tokens[first..].iter().take_while(|token| **token < body.end);
            tokens.into_iter().any(|token| !is_in_line(token))
        })
    };
    let lines: Vec<Range<usize>> = markers.iter().map(|(.., line)| line.clone()).collect();
    let begin = |direction, marker, tool, start, outside| Section {
        direction,
        marker,
        tool,
        body: start..text.len(),
        has_statements: false,
        outside,
        is_comment: false,
    };
    let mut sections = vec![begin(Direction::Up, None, None, 0, false)];
    let mut outside = false;
    let mut asking = Vec::new();
    let substitutes = markers.iter().find(|(_, comment, _)| asks_for_variables(&text[comment.clone()]));
    let substitutes = substitutes.map(|(_, comment, _)| comment.clone());
    let tools = markers.iter().map(|(marker, ..)| marker.tool.unwrap_or_default().to_owned()).collect();
    for (marker, comment, line) in markers {
        if marker.outside {
            let direction = match marker.mark {
                Mark::Section(direction) => Some(direction),
                Mark::Aside | Mark::Rollback | Mark::Detail => None,
            };
            asking.push((comment.clone(), marker.tool.map(str::to_owned), direction));
        }
        match marker.mark {
            Mark::Aside | Mark::Detail => outside |= marker.outside,
            Mark::Rollback => {
                sections.last_mut().expect("there is always one").body.end = line.start;
                let words =
                    text[comment.clone()].to_ascii_lowercase().find(ROLLBACK).map_or(0, |at| at + ROLLBACK.len());
                let start = comment.start + words;
                let start = start + text[start..].len() - text[start..].trim_start_matches([' ', '\t']).len();
                let body = match text[comment.clone()].starts_with("/*") {
                    true => body_of_block(text, start, line.end),
                    false => start.min(line.end)..line.end,
                };
                let comment = comment.start..comment.start + line_len(&text[comment]);
                let says = text[body.clone()].trim().to_ascii_lowercase();
                let does = !matches!(says.trim_end_matches(';'), "" | "empty" | "not required");
                let tool = marker.tool.map(str::to_owned);
                let rollback = begin(Direction::Down, Some(comment), tool, 0, false);
                sections.push(Section { body, has_statements: does, is_comment: true, ..rollback });
                sections.push(begin(Direction::Up, None, None, line.end, false));
            }
            Mark::Section(direction) => {
                sections.last_mut().expect("there is always one").body.end = line.start;
                sections.push(begin(
                    direction,
                    Some(comment),
                    marker.tool.map(str::to_owned),
                    line.end,
                    marker.outside,
                ));
            }
        }
    }
    for section in sections.iter_mut().filter(|section| !section.is_comment) {
        section.has_statements = has_statements(&section.body, &lines);
    }
    sections.iter_mut().for_each(|section| section.outside |= outside);
    Sections { sections, lines, outside: asking, substitutes, effects, liquibase, tools }
}

/// Where the comment in asterisks at `start` ends, with the rest of its last line if nothing else is on it.
fn end_of_block(text: &str, start: usize) -> usize {
    let end = text[start..].find("*/").map_or(text.len(), |length| start + length + "*/".len());
    let rest = text[end..].trim_start_matches([' ', '\t']);
    let after = text.len() - rest.len();
    match lines(rest).next() {
        None => after,
        Some(line) if line.trim().is_empty() => after + line.len(),
        Some(_) => end,
    }
}

/// What is in a comment in asterisks after `start`; the comment and its line break end at `end`.
fn body_of_block(text: &str, start: usize, end: usize) -> Range<usize> {
    let body = &text[start.min(end)..end];
    let body = body.rfind("*/").map_or(body, |close| &body[..close]);
    let start = start + body.len() - body.trim_start().len();
    // Its last line break stays: another rollback may follow.
    start..start + body.trim_start().len()
}

/// The length of the first line, without white space at its end.
fn line_len(text: &str) -> usize {
    lines(text).next().map_or(0, |line| line.trim_end().len())
}

/// Extends Liquibase's `--ignoreLines:start` over the lines that it ignores, and `--ignoreLines:2` over the two after it.
fn ignored(text: &str, markers: &mut Vec<(Marker<'_>, Range<usize>, Range<usize>)>) -> Vec<Effect> {
    let mut effects = Vec::new();
    let word = |comment: &Range<usize>| {
        let body = text[comment.clone()].trim_start_matches(['-', ' ', '\t']).to_ascii_lowercase();
        body.strip_prefix(IGNORE_LINES).map(|word| word.trim().to_owned())
    };
    let mut at = 0;
    while at < markers.len() {
        let (_, comment, line) = markers[at].clone();
        at += 1;
        let Some(what) = word(&comment).filter(|what| what != "end") else { continue };
        let end = match what.parse::<usize>() {
            Ok(count) => line.end + lines(&text[line.end..]).take(count).map(str::len).sum::<usize>(),
            Err(_) => {
                let last = markers[at..].iter().find(|(_, comment, _)| word(comment).is_some_and(|word| word == "end"));
                last.map_or(text.len(), |(_, _, last)| last.end)
            }
        };
        markers[at - 1].2.end = end;
        while markers.get(at).is_some_and(|(_, _, line)| line.start < end) {
            markers.remove(at);
        }
        let shown = text[comment.clone()].to_owned();
        let message =
            format!("`{shown}` is only a comment here: Liquibase does not run these lines, and Lockgate would");
        let help = "delete the lines that Liquibase ignores".to_owned();
        effects.push(Effect { range: comment, message, help, is_left_out: true });
    }
    effects
}

/// The lines of a text, each with its line break. A carriage return alone is one too: to PostgreSQL it ends a comment.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.split_inclusive('\n');
    lines.flat_map(|line| {
        let content = line.trim_end_matches(['\r', '\n']).len();
        let (content, end) = line.split_at(content);
        let mut parts: Vec<&str> = content.split_inclusive('\r').collect();
        match parts.pop() {
            Some(last) => parts.push(&line[content.len() - last.len()..]),
            None => parts.push(end),
        }
        parts
    })
}

pub(crate) const FILLS_IN: &str =
    "goose fills variables of the environment into this file, and Lockgate runs it as it is";
pub(crate) const WRITE_VALUES: &str =
    "write the values into the file, or let a migration in Rust read them, and delete this line";

/// The plan of Sqitch, which has the order of the scripts.
pub(crate) const SQITCH_PLAN: &str = "sqitch.plan";

const LIQUIBASE: &str = "Liquibase";
const ATLAS: &str = "Atlas";
const IGNORE_LINES: &str = "ignorelines:";
const ROLLBACK: &str = "rollback";

/// Returns what this line means to another tool.
fn marker(line: &str) -> Option<Marker<'_>> {
    use Direction::{Down, Up};

    let comment = line.trim_start_matches('\u{feff}').trim();
    if let Some(block) = comment.strip_prefix("/*") {
        // Liquibase: `/* liquibase rollback`
        let mut words = block.split_whitespace();
        let is = |word: Option<&str>, expected: &str| word.is_some_and(|word| word.eq_ignore_ascii_case(expected));
        return (is(words.next(), LIQUIBASE) && is(words.next(), ROLLBACK)).then_some(Marker {
            mark: Mark::Rollback,
            tool: Some(LIQUIBASE),
            outside: false,
            exact: true,
        });
    }
    if !comment.starts_with("--") && !comment.starts_with('#') {
        return None;
    }
    let body = comment.trim_start_matches(['-', '#', ' ', '\t']);
    let lower = body.to_ascii_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let found = |tool, mark, outside| Some(Marker { mark, tool: Some(tool), outside, exact: true });

    // dbmate: `-- migrate:up transaction:false`
    if let Some(rest) = lower.strip_prefix("migrate:") {
        let mut options = rest.split_whitespace();
        let direction = direction(options.next()?)?;
        let exact = options.clone().all(|option| option.contains(':'));
        let outside = options.any(|option| option == "transaction:false");
        return Some(Marker { mark: Mark::Section(direction), tool: Some("dbmate"), outside, exact });
    }
    // goose, sql-migrate and those after them: `-- +goose Up`, `-- +migrate Down notransaction`
    if let Some(rest) = body.strip_prefix('+') {
        let name = &rest[..rest.find(|c: char| c.is_whitespace()).unwrap_or(rest.len())];
        let tool = if name.eq_ignore_ascii_case("migrate") { "sql-migrate" } else { name };
        let words = words.get(1..).unwrap_or_default();
        let outside = matches!(words, ["no", "transaction"]) || words.contains(&"notransaction");
        return match *words {
            [first, ..] if direction(first).is_some() => found(tool, Mark::Section(direction(first)?), outside),
            ["statementbegin" | "statementend", ..] | ["no", "transaction"] | ["envsub", ..] => {
                found(tool, Mark::Aside, outside)
            }
            _ => None,
        };
    }
    match *words {
        // tern: `---- create above / drop below ----`
        ["create", "above", "/", "drop", "below", ..] => return found("tern", Mark::Section(Down), false),
        ["tern:", "disable-tx", ..] => return found("tern", Mark::Aside, true),
        ["rambler", word] => return found("rambler", Mark::Section(direction(word)?), false),
        // Play: `# --- !Ups`
        [first, ..] if first.starts_with('!') && first.ends_with('s') => {
            let direction = direction(&first[1..])?;
            return found("Play", Mark::Section(direction), false);
        }
        // MyBatis: `-- //@UNDO`
        ["//@undo" | "@undo", ..] | ["//", "@undo", ..] => return found("MyBatis", Mark::Section(Down), false),
        // Atlas: `-- down.sql --`
        [file, dashes]
            if dashes.starts_with("--")
                && (matches!(file, "down.sql" | "migration.sql") || foreign::is_checks(file)) =>
        {
            return found(ATLAS, Mark::Section(if file == "down.sql" { Down } else { Up }), false);
        }
        ["atlas:txmode", "none"] => return found(ATLAS, Mark::Aside, true),
        ["atlas:checkpoint", ..] | ["atlas:delimiter", ..] => return found(ATLAS, Mark::Aside, false),
        ["liquibase", "formatted", "sql", ..] => return found(LIQUIBASE, Mark::Aside, false),
        ["changeset", id, ..] if id.contains(':') => {
            return found(LIQUIBASE, Mark::Aside, words.contains(&"runintransaction:false"));
        }
        // An author may have blanks: `--changeset Bob Smith:2`.
        ["changeset", ref id @ ..]
            if id.iter().any(|word| word.find(':').is_some_and(|at| 0 < at && at + 1 < word.len())) =>
        {
            return found(LIQUIBASE, Mark::Detail, words.contains(&"runintransaction:false"));
        }
        ["preconditions" | "property" | "rollbacksqlfile" | "include" | "includeall", ..] => {
            return found(LIQUIBASE, Mark::Detail, false);
        }
        [first, ..]
            if first.starts_with("precondition-")
                || first.starts_with(IGNORE_LINES)
                || first.starts_with("validchecksum:") =>
        {
            return found(LIQUIBASE, Mark::Detail, false);
        }
        [ROLLBACK, ..] => return found(LIQUIBASE, Mark::Rollback, false),
        _ => {}
    }

    // node-pg-migrate's `-- Down Migration`, shmig's `-- ==== DOWN ====`, and whoever else writes a heading.
    let words_of_heading: Vec<&str> =
        lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let section = |direction, exact, tool| Some(Marker { mark: Mark::Section(direction), tool, outside: false, exact });
    let is_noun = |word: &str| matches!(word, "migration" | "migrations" | "migrate" | "section" | "script" | "part");
    match *words_of_heading {
        [word] if direction(word).is_some() => section(direction(word)?, true, None),
        // `-- down.sql`, where two files were joined.
        [word, "sql"] => section(direction(word)?, false, None),
        // These words mean other things too: they count only if the file has a heading of the other direction.
        [word] | ["name", word] => section(heading(word)?, false, None),
        [word, noun] | [noun, word] if is_noun(noun) && direction(word).is_some() => section(
            direction(word)?,
            true,
            (noun == "migration" && words_of_heading[0] == word).then_some("node-pg-migrate"),
        ),
        [word, "migration", ..] => section(direction(word)?, false, None),
        [word, ..] if lower[word.len()..].trim_start().starts_with(':') => section(direction(word)?, false, None),
        _ => None,
    }
}

/// `-- +goose ENVSUB ON`
fn asks_for_variables(line: &str) -> bool {
    let words: Vec<String> = line.split_whitespace().map(str::to_ascii_lowercase).collect();
    words.iter().any(|word| word == "envsub") && words.last().is_some_and(|word| word == "on")
}

/// Whether a rollback is a statement, and not prose: without Liquibase's other lines, only that tells them apart.
fn undoes(line: &str) -> bool {
    const OBJECTS: [&str; 16] = [
        "table",
        "index",
        "view",
        "materialized",
        "sequence",
        "type",
        "domain",
        "function",
        "procedure",
        "trigger",
        "schema",
        "column",
        "extension",
        "policy",
        "role",
        "user",
    ];
    let lower = line.to_ascii_lowercase();
    let words = lower.split(|c: char| c.is_whitespace() || matches!(c, ';' | '(' | ','));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let Some(at) = words.iter().position(|word| word.trim_start_matches('-') == ROLLBACK) else { return false };
    match &words[at + 1..] {
        ["drop" | "create" | "alter", object, _, ..] => OBJECTS.contains(object),
        ["delete", "from", _, ..] | ["insert", "into", _, ..] | ["truncate", "table", _, ..] => true,
        ["update", _, "set", ..] => true,
        _ => false,
    }
}

/// Whether this line holds a rollback of Liquibase, if the file is one of Liquibase.
#[cfg(feature = "tools")]
pub(crate) fn is_rollback(line: &str) -> bool {
    marker(line).is_some_and(|marker| marker.mark == Mark::Rollback)
}

fn direction(word: &str) -> Option<Direction> {
    match word.trim_end_matches(':') {
        "up" | "ups" => Some(Direction::Up),
        "down" | "downs" => Some(Direction::Down),
        _ => None,
    }
}

/// The direction that a heading of one word names.
fn heading(word: &str) -> Option<Direction> {
    match word {
        "up" | "upgrade" | "do" | "apply" | "forward" | "forwards" | "deploy" => Some(Direction::Up),
        "down" | "downgrade" | "undo" | "rollback" | "revert" | "backward" | "backwards" => Some(Direction::Down),
        _ => None,
    }
}

/// The sections of other tools that would run the wrong way. What the lockfile vouches for has already run
/// as it is.
pub(super) fn check(folder: &Folder, files: &[(Name, ReadScript)]) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for (name, read) in files {
        if name.kind == Kind::Rust || read.script.state == ScriptState::Frozen {
            continue;
        }
        let text = &read.script.text;
        let sections = sections(text, dialects(folder, read));
        if let Some(range) = &sections.substitutes {
            let shown = folder.show(&read.script.path);
            let error = Diagnostic::error(Code::ForeignSection, shown, FILLS_IN.to_owned()).at(text, range.clone(), "");
            diagnostics.push(error.help(WRITE_VALUES));
        }
        let has = |kind| files.iter().any(|(other, _)| other.kind == kind && other.id == name.id);
        for section in sections.wrong(name.kind) {
            diagnostics.extend(diagnostic(folder, name, read, section, &has));
        }
    }
    diagnostics
}

/// The comments of other tools that change what they run, and the files of Liquibase without any such comment.
pub(super) fn check_effects(folder: &Folder, files: &[(Name, ReadScript)]) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for (name, read) in files {
        if name.kind == Kind::Rust || read.script.state == ScriptState::Frozen {
            continue;
        }
        let (text, shown) = (&read.script.text, folder.show(&read.script.path));
        let sections = sections(text, dialects(folder, read));
        for effect in &sections.effects {
            let error = Diagnostic::error(Code::ForeignSection, shown.as_str(), effect.message.as_str());
            diagnostics.push(error.at(text, effect.range.clone(), "").help(effect.help.as_str()).help(CONVERT));
        }
        let is_told = !sections.effects.is_empty() || sections.wrong(name.kind).next().is_some();
        if let Some(range) = sections.liquibase.filter(|_| !is_told && name.kind != Kind::Down) {
            let message =
                format!("`{}` is only a comment here: Lockgate runs the file as one migration", &text[range.clone()]);
            let warning = Diagnostic::warning(Code::ForeignSection, shown, message).at(text, range, "");
            diagnostics.push(warning.help("delete the lines of Liquibase").help(CONVERT));
        }
    }
    diagnostics
}

/// The scripts that another tool would run outside a transaction, and that run inside one here. Where a statement needs
/// that, it says so itself.
pub(super) fn check_transactions(
    folder: &Folder,
    files: &[(Name, ReadScript)],
    others: &[Diagnostic],
) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let Some(severity) = folder.policy.severity(Code::ForeignTransaction, LintLevel::Warn) else { return diagnostics };
    for (name, read) in files {
        let (script, shown) = (&read.script, folder.show(&read.script.path));
        let is_told = |other: &Diagnostic| {
            other.file == shown
                && (matches!(other.code, Code::OutsideTransaction | Code::TransactionControl)
                    || (other.code == Code::ForeignSection && other.severity == Severity::Error))
        };
        if name.kind == Kind::Rust
            || !script.options.transactional
            || script.state == ScriptState::Frozen
            || others.iter().any(is_told)
        {
            continue;
        }
        let text = &script.text;
        let direction = if name.kind == Kind::Down { Direction::Down } else { Direction::Up };
        let asking = sections(text, dialects(folder, read)).outside;
        let asking = asking.into_iter().find(|(_, _, of)| of.is_none_or(|of| of == direction));
        let Some((range, tool, _)) = asking else { continue };
        let whose = tool.map_or("another tool's".to_owned(), |tool| format!("{tool}'s"));
        let message = format!(
            "this script runs in a transaction: `{}` is {whose} way to ask for none, and only a comment here",
            &text[range.clone()]
        );
        let warning = Diagnostic { severity, ..Diagnostic::error(Code::ForeignTransaction, shown, message) };
        diagnostics.push(
            warning
                .at(text, range, "")
                .help("write `-- lockgate: no-transaction` as the first line")
                .help("or delete this line, if the script may run in a transaction"),
        );
    }
    diagnostics
}

/// The script for which another tool keeps its settings in this file, where they ask for no transaction and nothing else:
/// diesel's `metadata.toml` stands beside `up.sql`, Flyway's `V1__x.sql.conf` beside `V1__x.sql`.
pub(super) fn settings(found: &FolderFile, files: &[FolderFile]) -> Option<String> {
    let script = settings_of(&found.path)?;
    let exists = files.iter().any(|other| other.path == script);
    let text = read::text(&found.absolute, &found.path).ok().filter(|_| exists)?;
    is_no_transaction(&text).then_some(script)
}

/// The script that a file of this name has settings for.
pub(crate) fn settings_of(path: &str) -> Option<String> {
    match path.strip_suffix("metadata.toml") {
        Some(parent) => Some(format!("{parent}up.sql")),
        None => path.strip_suffix(".conf").map(str::to_owned),
    }
}

/// Whether such a file says that there is to be no transaction, and nothing else.
pub(crate) fn is_no_transaction(text: &str) -> bool {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let lines: Vec<String> = lines.map(|line| line.replace([' ', '\t'], "")).collect();
    matches!(lines.as_slice(), [line] if line == "run_in_transaction=false" || line == "executeInTransaction=false")
}

/// By which dialects a text is read: those that the policy names, otherwise the first that can read it.
fn dialects(folder: &Folder, read: &ReadScript) -> Dialects {
    folder.policy.dialects.unwrap_or_else(|| first_of(read.clear))
}

/// The first of these dialects, or of all where there is none.
pub(crate) fn first_of(clear: Dialects) -> Dialects {
    let clear = if clear == Dialects::NONE { Dialects::ALL } else { clear };
    clear.iter().next().map_or(Dialects::NONE, |dialect| Dialects::NONE.with(dialect))
}

fn diagnostic(
    folder: &Folder,
    name: &Name,
    read: &ReadScript,
    section: &Section,
    has: &dyn Fn(Kind) -> bool,
) -> Option<Diagnostic> {
    let text = &read.script.text;
    let marker = section.marker.clone()?;
    let to = if section.direction == Direction::Down { Kind::Down } else { Kind::Up };
    let (direction, own) = if section.direction == Direction::Down { ("down", "up") } else { ("up", "down") };
    let whose = section.tool.as_ref().map_or("this".to_owned(), |tool| format!("{tool}'s"));
    let (there, target) = (has(to), format!("{}{}", name.id, to.suffix()));
    if section.is_comment {
        let message = format!("{whose} rollback never runs here: `{}` is only a comment", &text[marker.clone()]);
        let error =
            Diagnostic::error(Code::ForeignSection, folder.show(&read.script.path), message).at(text, marker, "");
        let help = match (there, name.kind) {
            (true, _) => format!("delete the line if `{target}` already does that, or move its SQL there"),
            (false, Kind::OneWay) => {
                format!("move its SQL to `{target}`, and name this file `{}{}`", name.id, Kind::Up.suffix())
            }
            (false, _) => format!("move its SQL to `{target}`"),
        };
        return Some(error.help(help).help(CONVERT));
    }
    let message = format!(
        "{whose} {direction} section would run as part of the {own} script: `{}` is only a comment here",
        &text[marker.clone()]
    );
    let error = Diagnostic::error(Code::ForeignSection, folder.show(&read.script.path), message).at(text, marker, "");
    let line = |at: usize| text[..at].matches('\n').count() + 1;
    let body = text[section.body.clone()].trim_end();
    let (first, last) = (line(section.body.start), line(section.body.start + body.len()));
    let lines = if first == last { format!("line {first}") } else { format!("lines {first} to {last}") };
    let there = match (to, there || (to == Kind::Up && has(Kind::OneWay))) {
        (_, true) => {
            format!("delete {lines} if the {direction} script of `{}` already does that, or move them there", name.id)
        }
        (_, false) if name.kind == Kind::OneWay => {
            format!("move {lines} to `{target}`, and name this file `{}{}`", name.id, Kind::Up.suffix())
        }
        (_, false) => format!("move {lines} to `{target}`"),
    };
    Some(error.help(there).help(CONVERT))
}

/// Leaves out what else is said of the sections that run the wrong way: it would be gone with them.
pub(super) fn without_echoes(found: Vec<Diagnostic>, wrong: &[Diagnostic]) -> Vec<Diagnostic> {
    let is_echo = |echo: &Diagnostic| {
        wrong.iter().any(|wrong| {
            wrong.file == echo.file
                && echo.range.as_ref().is_some_and(|range| range.start >= wrong.range.clone().unwrap_or(0..0).start)
        })
    };
    found.into_iter().filter(|diagnostic| diagnostic.severity == Severity::Note || !is_echo(diagnostic)).collect()
}

#[cfg(test)]
mod tests {
    use lockgate_core::Dialect;

    use super::*;

    /// The lines that begin a section which runs the wrong way.
    fn wrong(kind: Kind, text: &str) -> Vec<&str> {
        let sections = sections(text, Dialects::NONE.with(Dialect::Postgres));
        sections.wrong(kind).filter_map(|section| Some(&text[section.marker.clone()?])).collect()
    }

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(wrong(Kind::OneWay, text), expected, "{text}");
        let crlf = text.replace('\n', "\r\n");
        assert_eq!(wrong(Kind::Up, &crlf), expected, "{crlf}");
    }

    #[test]
    fn the_down_section_of_each_tool_is_found() {
        for (up, down) in [
            ("-- migrate:up", "-- migrate:down"),
            ("--migrate:up", "--migrate:down"),
            ("-- migrate:up transaction:false", "-- migrate:down transaction:false"),
            ("-- Migrate:Up", "--   MIGRATE:DOWN"),
            ("-- +goose Up", "-- +goose Down"),
            ("--+goose up", "--+GOOSE DOWN"),
            ("-- +migrate Up", "-- +migrate Down"),
            ("-- +migrate Up notransaction", "-- +migrate Down notransaction"),
            ("-- +micrate Up", "-- +micrate Down"),
            ("-- Up Migration", "-- Down Migration"),
            ("---- up migration ----", "  ---- down  migration"),
            ("-- Up Migration: users", "-- Down Migration: users"),
            ("-- rambler up", "-- rambler down"),
            ("-- ==== UP ====", "-- ==== DOWN ===="),
            ("-- Up", "-- Down"),
            ("-- UP:", "-- DOWN:"),
            ("-- up: make users", "-- down: drop users"),
            ("-- up.sql", "-- down.sql"),
            ("-- @up", "-- @down"),
            ("# --- !Ups", "# --- !Downs"),
            ("-- !Ups", "-- !Downs"),
            ("-- !UP", "-- !DOWN"),
            ("-- // make users", "-- //@UNDO"),
            ("-- // make users", "-- @UNDO"),
            ("", "---- create above / drop below ----"),
            ("-- atlas:txtar\n\n-- migration.sql --", "-- down.sql --"),
        ] {
            let text = format!("{up}\nCREATE TABLE t (x int);\n\n{down}\nDROP TABLE t;\n");
            check(&text, &[down.trim()]);
            // The byte order mark of an editor does not hide the first line.
            check(&format!("\u{feff}{down}\nDROP TABLE t;\n{up}\nSELECT 1;"), &[down.trim()]);
        }
    }

    #[test]
    fn a_section_that_runs_the_right_way_or_does_nothing_is_accepted() {
        check("-- migrate:up\nCREATE TABLE t (x int);\n-- migrate:down\n", &[]);
        check(
            "-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n-- +goose StatementEnd\n-- +goose Down\n-- DROP TABLE t;\n;\n",
            &[],
        );
        check("-- Up Migration\nSELECT 1;\n", &[]);
        assert_eq!(wrong(Kind::Down, "-- Down Migration\nDROP TABLE t;\n"), [""; 0]);
        assert_eq!(wrong(Kind::Down, "-- Up Migration: a slip\nDROP TABLE t;\n"), [""; 0]);
        assert_eq!(wrong(Kind::Down, "-- Up\nDROP TABLE t;\n"), [""; 0]);
        assert_eq!(wrong(Kind::Down, "-- migrate:up\nSELECT 1;\n-- migrate:down\nDROP TABLE t;\n"), ["-- migrate:up"]);
        assert_eq!(wrong(Kind::Down, "-- migrate:up\nSELECT 1;\n"), ["-- migrate:up"]);
    }

    #[test]
    fn a_carriage_return_alone_ends_a_line() {
        let text = "-- migrate:up\rCREATE TABLE t (x int);\r-- migrate:down\rDROP TABLE t;\r";
        assert_eq!(wrong(Kind::Up, text), ["-- migrate:down"]);
        assert_eq!(lines("a\rb\r\n\nc\r\r").collect::<Vec<_>>(), ["a\r", "b\r\n", "\n", "c\r\r"]);
        for text in ["", "a", "\r", "a\r", "\r\n", "\ra\n\r\rb\r\n"] {
            assert_eq!(lines(text).collect::<String>(), text);
        }
        // To SQLite the whole text is one comment.
        let sections = sections(text, Dialects::NONE.with(Dialect::Sqlite));
        assert_eq!(sections.wrong(Kind::Up).count(), 0);
    }

    #[test]
    fn rollbacks_of_liquibase_are_found() {
        let text = "--liquibase formatted sql\n\n--changeset ann:1\nCREATE TABLE t (x int);\n--rollback DROP TABLE t;\n\n\
                    -- changeset ann:2 runInTransaction:false\nSELECT 1;\n--rollback not required\n--rollback\n";
        check(text, &["--rollback DROP TABLE t;"]);
        let sections = sections(text, Dialects::NONE.with(Dialect::Postgres));
        let down = sections.sections.iter().find(|section| section.has_statements && section.is_comment).unwrap();
        assert_eq!(&text[down.body.clone()], "DROP TABLE t;\n");
        assert!(sections.sections.iter().all(|section| section.outside));
        check("--changeset ann:1\nSELECT 1;\n--rollback SELECT 2;", &["--rollback SELECT 2;"]);
        // Alone it counts if it is a statement.
        for rollback in [
            "--rollback DROP TABLE t;",
            "-- rollback drop index t_x",
            "--ROLLBACK ALTER TABLE t DROP COLUMN x;",
            "--  rollback  DELETE  FROM t WHERE x = 1;",
            "--rollback UPDATE t SET x = 1",
        ] {
            check(&format!("CREATE TABLE t (x int);\n{rollback}\n"), &[rollback]);
        }
        // A down script of a file of its own, with the rollback kept.
        assert_eq!(wrong(Kind::Down, text), [""; 0]);
    }

    #[test]
    fn a_rollback_in_a_block_comment_is_found() {
        let text = "--liquibase formatted sql\n--changeset ann:1\nCREATE TABLE t (x int);\n/* liquibase rollback\n\
                    DROP TABLE t;\n--rollback SELECT 1;\n*/\nSELECT 1;\n";
        check(text, &["/* liquibase rollback"]);
        let sections = sections(text, Dialects::NONE.with(Dialect::Postgres));
        let down = sections.sections.iter().find(|section| section.is_comment).unwrap();
        assert_eq!(&text[down.body.clone()], "DROP TABLE t;\n--rollback SELECT 1;\n");
        let block = text.find("/*").unwrap()..text.find("SELECT 1;\n").unwrap() + 10;
        assert!(sections.lines.iter().any(|line| line.start == block.start && text[line.end..] == *"SELECT 1;\n"));
        check("SELECT 1;\n/* liquibase  rollback\n*/\nSELECT 2;\n", &[]);
        check("SELECT 1; /* liquibase rollback\nDROP TABLE t;\n*/\n", &[]);
        check("SELECT 1;\n/* liquibase rollback\nDROP TABLE t;\n*/ SELECT 2;", &["/* liquibase rollback"]);
        check("/* liquibase rollback", &[]);
    }

    #[test]
    fn what_another_tool_would_not_run_is_found() {
        #[track_caller]
        fn check(text: &str, expected: &[&str]) {
            for text in [text.to_owned(), text.replace('\n', "\r\n")] {
                let sections = sections(&text, Dialects::NONE.with(Dialect::Postgres));
                let found: Vec<&str> = sections.effects.iter().map(|effect| &text[effect.range.clone()]).collect();
                assert_eq!(found, expected, "{text}");
            }
        }
        let liquibase = |text: &str| format!("--liquibase formatted sql\n--changeset ann:1\n{text}\nSELECT 1;\n");
        check(
            &liquibase("--ignoreLines:start\nSELECT 2;\n--changeset x:1 context:y\n--ignoreLines:end"),
            &["--ignoreLines:start"],
        );
        check(
            &liquibase("--ignoreLines:1\n--changeset x:1 context:y\n--changeset Bob Smith:2 context:z"),
            &["--ignoreLines:1", "context:z"],
        );
        check(
            &liquibase("--preconditions onFail:HALT\n--precondition-sql-check expectedResult:0 SELECT 1"),
            &["--preconditions onFail:HALT", "--precondition-sql-check expectedResult:0 SELECT 1"],
        );
        // These words are Liquibase's only in one of its files.
        check("-- property of the users: a table\nSELECT 1;\n-- ignoreLines:start\nSELECT 2;\n", &[]);
        check(
            "-- atlas:txtar\n\n-- checks.sql --\nSELECT true;\n\n-- migration.sql --\nSELECT 1;\n",
            &["-- checks.sql --"],
        );
        check("-- atlas:txtar\n\n-- checks/1.sql --\nSELECT true;\n", &["-- checks/1.sql --"]);
        check("-- atlas:checkpoint v1\n\nSELECT 1;\n", &["-- atlas:checkpoint v1"]);
        check("-- atlas:delimiter \\n\\n\n\nSELECT 1;\n", &["-- atlas:delimiter \\n\\n"]);
        check("-- atlas:txmode file\n-- atlas:nolint\nSELECT 1;\n", &[]);
    }

    #[test]
    fn several_sections_are_each_found() {
        check(
            "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\n-- +goose Up\nSELECT 3;\n-- +goose Down\nSELECT 4;\n",
            &["-- +goose Down", "-- +goose Down"],
        );
        check("-- migrate:down\nDROP TABLE t;\n", &["-- migrate:down"]);
        for (up, down) in [
            ("-- upgrade", "-- downgrade"),
            ("-- DO", "-- UNDO"),
            ("--- apply ---", "--- rollback ---"),
            ("-- @up", "-- @rollback"),
            ("-- name: up", "-- name: down"),
        ] {
            check(&format!("{up}\nSELECT 1;\n{down}\nSELECT 2;\n"), &[down]);
            check(&format!("SELECT 1;\n{down}\nSELECT 2;\n"), &[]);
        }
        // A statement without an end does not hide the line.
        check("-- migrate:up\nCREATE TABLE t (x int)\n-- migrate:down\nDROP TABLE t", &["-- migrate:down"]);
    }

    #[test]
    fn a_comment_that_only_looks_like_a_marker_is_ignored() {
        for text in [
            "SELECT '\n-- migrate:down\n';\nSELECT 1;",
            "/*\n-- migrate:down\n*/\nSELECT 1;",
            "/* /* */\n-- migrate:down\n*/\nSELECT 1;",
            "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$\n-- +goose Down\nSELECT 'x' $$;\nSELECT 1;",
            "COPY t FROM stdin;\n-- migrate:down\n\\.\nSELECT 1;",
            "SELECT 1; -- migrate:down\nSELECT 2;",
            "-- the users go up and down\nSELECT 1;",
            "-- down the line this becomes NOT NULL\nSELECT 1;",
            "-- Add down migration script here\nSELECT 1;",
            "-- Down migration: see 0001_x.down.sql\nSELECT 1;",
            "-- rollback\nSELECT 1;",
            "-- ROLLBACK;\nSELECT 1;",
            "-- This should undo anything in `up.sql`\nSELECT 1;",
            "-- scale down\nSELECT 1;",
            "-- migrate: down the road\nSELECT 1;",
            "-- +1 for this\nSELECT 1;",
            "-- rollback is not needed\nSELECT 1;",
            "-- rollback drop it by hand\nSELECT 1;",
            "-- up to date\nSELECT 1;\n-- down payments\nSELECT 2;",
        ] {
            check(text, &[]);
        }
    }

    #[test]
    fn no_transaction_is_noted() {
        let of = |text: &str| -> Vec<bool> {
            sections(text, Dialects::NONE.with(Dialect::Postgres))
                .sections
                .iter()
                .map(|section| section.outside)
                .collect()
        };
        assert_eq!(of("-- migrate:up transaction:false\nSELECT 1;\n-- migrate:down\nSELECT 2;"), [false, true, false]);
        assert_eq!(of("-- +goose NO TRANSACTION\n-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;"), [true; 3]);
        assert_eq!(of("-- +migrate Up notransaction\nSELECT 1;"), [false, true]);
        assert_eq!(of("---- tern: disable-tx ----\nSELECT 1;"), [true]);
    }
}
