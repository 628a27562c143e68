//! Plans the conversion of another tool's folder: how Lockgate would name and split its files. `cargo xtask
//! adopt` shows the plan, and carries it out with `--write`.

mod layout;
mod tool;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::folder::directive::{self, Comment};
use crate::folder::name::{self, Kind};
use crate::folder::policy::{self, Numbering};
use crate::folder::section::{self, Direction, Section, Sections};
use crate::folder::{Folder, placeholder, read};
use crate::id::Id;
use crate::{lockfile, sql};
use layout::{Layout, Named};
use lockgate_core::Dialects;
pub use tool::{Evidence, Tool};

/// The planned conversion of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversion {
    /// Each file that is renamed or split, sorted by path.
    pub files: Vec<Converted>,
    /// Why the conversion is impossible.
    pub problems: Vec<String>,
    /// The files that do not belong in a folder, each with what to do about it.
    pub left: Vec<(String, String)>,
}

/// A file, and the files that replace it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Converted {
    /// The path below the folder.
    pub path: String,
    /// The new files; none if another file takes over its contents.
    pub pieces: Vec<Piece>,
    /// Whether it is only renamed.
    pub is_renamed: bool,
    /// Notes for the user.
    pub note: Option<String>,
}

/// A file that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The path below the folder.
    pub path: String,
    /// Its text.
    pub text: String,
    /// The first and last line of each part of the old file that it contains; empty if it contains all of it.
    pub lines: Vec<(usize, usize)>,
}

/// A file of the folder, as read.
struct File {
    path: String,
    text: String,
    named: Named,
    sections: Sections,
    /// Whether its name is right as it is.
    own: bool,
}

const DIRECTIVE: &str = "-- lockgate: no-transaction";

/// Finds the files by which the folders of other tools are recognized.
pub fn evidence(folder: &Folder, dialects: Dialects) -> Vec<Evidence> {
    let listing = read::list(&folder.root, &folder.shown);
    let paths: BTreeSet<&str> = listing.files.iter().map(|found| found.path.as_str()).collect();
    let mut evidence = Vec::new();
    for found in &listing.files {
        let file = found.path.rsplit('/').next().unwrap_or(&found.path);
        // A repeatable script is named here as by Flyway.
        let is_own = |name: name::Name| matches!(name.id, Id::Named(_)) || is_released(folder, &name.id);
        if name::is_ignored(file) || name::parse(file, folder.policy.numbering).is_ok_and(is_own) {
            continue;
        }
        let mut tools = tool::of_name(&found.path, &paths);
        if tools.is_empty() && file.to_ascii_lowercase().ends_with(".sql") {
            let text = read::text(&found.absolute, &found.path).unwrap_or_default();
            tools = tool::of_comments(&section::sections(&text, dialects_of(&text, dialects)).tools);
        }
        if !tools.is_empty() {
            evidence.push(Evidence { path: found.path.clone(), tools: tools.into_iter().collect() });
        }
    }
    evidence
}

/// What a conversion is told about the folder.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The tool, if it is known.
    pub from: Option<Tool>,
    /// Whether Flyway leaves `${…}` as it is.
    pub keep_placeholders: bool,
}

/// Plans the conversion of a folder. Released migrations keep their names and texts.
pub fn plan(folder: &Folder, dialects: Dialects, options: Options) -> Conversion {
    let from = options.from;
    let mut conversion = Conversion::default();
    let listing = read::list(&folder.root, &folder.shown);
    let paths: BTreeSet<&str> = listing.files.iter().map(|found| found.path.as_str()).collect();
    let sqitch = listing.files.iter().find(|found| found.path == section::SQITCH_PLAN);
    let sqitch = sqitch.and_then(|found| read::text(&found.absolute, &found.path).ok());
    let layout = Layout::new(&paths, folder.policy.numbering, sqitch.as_deref(), from);
    let mut files = Vec::new();
    let mut settings: BTreeMap<String, String> = BTreeMap::new();
    for found in &listing.files {
        let file = found.path.rsplit('/').next().unwrap_or(&found.path);
        if name::is_ignored(file) || found.path == policy::FILE || found.path == lockfile::FILE {
            continue;
        }
        let own = name::parse(file, folder.policy.numbering);
        let named = match layout.named(&found.path) {
            Ok(named) => named,
            Err(why) => {
                let script = section::settings_of(&found.path).filter(|script| paths.contains(script.as_str()));
                if let Some(script) = script {
                    match read::text(&found.absolute, &found.path) {
                        Ok(text) if section::is_no_transaction(&text) => {
                            settings.insert(script, found.path.clone());
                            continue;
                        }
                        Ok(_) | Err(_) => {}
                    }
                }
                if let Err(bad) = own {
                    let why = why.unwrap_or_else(|| bad.help.render(|name| name.render("<version>", "<user>")));
                    conversion.left.push((found.path.clone(), why));
                }
                continue;
            }
        };
        let is_frozen = own.as_ref().is_ok_and(|name| is_released(folder, &name.id));
        if named.is_rust || is_frozen {
            continue;
        }
        match read::text(&found.absolute, &found.path) {
            Ok(text) => {
                let sections = section::sections(&text, dialects_of(&text, dialects));
                if sections.substitutes.is_some() {
                    let (fills, write) = (section::FILLS_IN, section::WRITE_VALUES);
                    conversion.problems.push(format!("`{}`: {fills}: {write}", found.path));
                }
                conversion.problems.extend(effects(&found.path, &text, &sections));
                let is_flyway = from.is_none_or(|tool| tool.word() == "flyway") && name::is_flyway(&found.path);
                if is_flyway && !options.keep_placeholders {
                    conversion.problems.extend(placeholders(&found.path, &text, dialects));
                }
                files.push(File { path: found.path.clone(), text, named, sections, own: own.is_ok() });
            }
            Err(problem) => conversion.left.push((found.path.clone(), problem.message.clone())),
        }
    }
    layout::number(&mut files.iter_mut().map(|file| &mut file.named).collect::<Vec<_>>());
    convert(&files, &settings, folder.policy.numbering, &mut conversion);
    collisions(&paths, &mut conversion);
    conversion
}

/// Flyway's placeholders in a file, each as a problem.
fn placeholders(path: &str, text: &str, dialects: Dialects) -> Vec<String> {
    let found = placeholder::of_flyway(text, dialects_of(text, dialects)).into_iter();
    let problems = found.map(|range| {
        let line = text[..range.start].matches('\n').count() + 1;
        let name = &text[range];
        format!("`{path}`:{line}: Flyway writes a value in the place of `{name}`: {}", placeholder::WRITE_VALUE)
    });
    let mut problems: Vec<String> = problems.collect();
    if let Some(last) = problems.last_mut() {
        last.push_str(
            "\n  if Flyway leaves them as they are (`placeholderReplacement = false`), add `--from flyway --keep-placeholders`",
        );
    }
    problems
}

/// What the comments of another tool change about the run of a file, each as a problem.
fn effects(path: &str, text: &str, sections: &Sections) -> Vec<String> {
    // The lines that Liquibase ignores are left out of the new files.
    let lost = sections.effects.iter().filter(|effect| !effect.is_left_out);
    let problems = lost.map(|effect| {
        let line = text[..effect.range.start].matches('\n').count() + 1;
        format!("`{path}`:{line}: {}: {}", effect.message, effect.help)
    });
    problems.collect()
}

/// The text without the lines that mean something only to another tool.
fn without_lines(file: &File) -> String {
    let (mut text, mut from) = (String::new(), 0);
    for line in &file.sections.lines {
        text.push_str(&file.text[from..line.start]);
        from = line.end;
    }
    text.push_str(&file.text[from..]);
    text
}

/// The dialects of which a text can be read in one at least.
fn dialects_of(text: &str, dialects: Dialects) -> Dialects {
    let clear = |dialect: &lockgate_core::Dialect| sql::split(*dialect, text).problems.is_empty();
    let clear: Dialects = dialects.iter().filter(clear).collect();
    if clear == Dialects::NONE { section::first_of(dialects) } else { clear }
}

fn is_released(folder: &Folder, id: &str) -> bool {
    let line = folder.lockfile.as_ref().and_then(|lockfile| lockfile.find(id));
    line.is_some_and(|line| matches!(line.state, lockfile::LineState::Frozen { .. }))
}

fn convert(files: &[File], settings: &BTreeMap<String, String>, numbering: Numbering, conversion: &mut Conversion) {
    let kind = |file: &File| match file.named.direction {
        Some(Direction::Down) => Kind::Down,
        Some(Direction::Up) | None => Kind::Up,
    };
    let is_divided = |file: &File| file.sections.wrong(kind(file)).next().is_some();
    // The migrations that have a down script after this: a file of its own, or a section.
    let with_down: BTreeSet<String> = files
        .iter()
        .filter(|file| kind(file) == Kind::Down || is_divided(file))
        .map(|file| file.named.id(numbering))
        .collect();
    let mut used = BTreeSet::new();
    for file in files {
        let id = file.named.id(numbering);
        let place = |kind: Kind| format!("{}{id}{}", file.named.parent, kind.suffix());
        let up = if with_down.contains(&id) { Kind::Up } else { Kind::OneWay };
        let of_both = file.path.strip_suffix("down.sql").and_then(|parent| settings.get(&format!("{parent}up.sql")));
        let outside = settings.get(&file.path).or(of_both);
        let is_liquibase = file.sections.liquibase.is_some() && kind(file) != Kind::Down;
        let mut note = file.named.note.map(str::to_owned);
        if is_liquibase {
            let ignores = file.sections.effects.iter().any(|effect| effect.is_left_out);
            let what = if ignores { ", and those that it ignores" } else { "" };
            note = Some(format!("without the lines of Liquibase{what}"));
        }
        let mut pieces = Vec::new();
        if is_divided(file) {
            for (direction, kind) in [(Direction::Up, Kind::Up), (Direction::Down, Kind::Down)] {
                let mut piece = piece(file, direction, place(kind));
                let asked = file
                    .sections
                    .sections
                    .iter()
                    .any(|part| part.direction == direction && part.outside && part.has_statements);
                if asked || outside.is_some() {
                    piece.text = with_directive(&piece.text);
                }
                pieces.push(piece);
            }
        } else {
            let path = match (file.own, file.named.direction) {
                (true, _) if file.named.is_as_named => file.path.clone(),
                (_, Some(Direction::Down)) => place(Kind::Down),
                (_, Some(Direction::Up) | None) => place(up),
            };
            let asked = file.sections.sections.iter().any(|part| part.outside && part.has_statements);
            let text = match is_liquibase {
                true => without_lines(file),
                false => file.text.clone(),
            };
            let text = if file.named.has_transaction { without_transaction(&text) } else { text };
            if file.named.has_transaction && text != file.text {
                note = Some("without its BEGIN and COMMIT: a migration runs in a transaction anyway".to_owned());
            }
            let asks = asked || outside.is_some();
            let text = if asks { with_directive(&text) } else { text };
            if asks && text != file.text {
                note = Some(format!("it begins with `{DIRECTIVE}` then"));
            } else if path == file.path && text == file.text {
                continue;
            }
            pieces.push(Piece { path, text, lines: Vec::new() });
        }
        if let Some(path) = outside {
            used.insert(path.clone());
        }
        let is_renamed = matches!(pieces.as_slice(), [piece] if piece.text == file.text);
        conversion.files.push(Converted { path: file.path.clone(), pieces, is_renamed, note });
    }
    for path in used {
        let note = Some(format!("`{DIRECTIVE}` says the same"));
        conversion.files.push(Converted { path, pieces: Vec::new(), is_renamed: false, note });
    }
    conversion.files.sort_by(|a, b| a.path.cmp(&b.path));
}

/// What of a file leads one way, without the lines that mean something to another tool alone.
fn piece(file: &File, direction: Direction, path: String) -> Piece {
    let line = |at: usize| file.text[..at].matches('\n').count() + 1;
    let (mut text, mut lines) = (String::new(), Vec::new());
    let parts = file.sections.sections.iter().filter(|part| part.direction == direction);
    let mut parts: Vec<&Section> = parts.collect();
    if parts.iter().any(|part| part.is_comment) {
        // The rollbacks of a changeset stand behind it in their order; the changesets are undone from the last one.
        let changeset = |part: &Section| {
            file.sections
                .lines
                .iter()
                .filter(|line| line.start < part.body.start)
                .filter(|line| !section::is_rollback(&file.text[(*line).clone()]))
                .count()
        };
        parts.sort_by_key(|part| std::cmp::Reverse(changeset(part)));
    }
    for part in parts {
        let mut rest = part.body.clone();
        let inner =
            file.sections.lines.iter().filter(|line| part.body.start <= line.start && line.end <= part.body.end);
        let mut kept: Vec<Range<usize>> = Vec::new();
        for line in inner {
            kept.push(rest.start..line.start);
            rest.start = line.end;
        }
        kept.push(rest);
        kept.iter().for_each(|range| text.push_str(&file.text[range.clone()]));
        let content = file.text[part.body.clone()].trim_end();
        if !content.trim_start_matches('\u{feff}').trim().is_empty() {
            lines.push((line(part.body.start), line(part.body.start + content.len())));
        }
    }
    Piece { path, text, lines }
}

/// The text with the directive at its head, unless it has one.
fn with_directive(text: &str) -> String {
    if directive::parse(text, "", Comment::Sql).0.no_transaction.is_some() {
        return text.to_owned();
    }
    let (mark, rest) = text.split_at(if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 });
    let line_break = if rest.contains("\r\n") { "\r\n" } else { "\n" };
    format!("{mark}{DIRECTIVE}{line_break}{rest}")
}

/// The text without the line `BEGIN;` before its first statement and the line `COMMIT;` behind its last one.
fn without_transaction(text: &str) -> String {
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("--");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (first, last) = (lines.iter().position(is_code), lines.iter().rposition(is_code));
    let says = |at: Option<usize>, word: &str| at.is_some_and(|at| lines[at].trim().eq_ignore_ascii_case(word));
    if !says(first, "BEGIN;") || !says(last, "COMMIT;") {
        return text.to_owned();
    }
    let kept = lines.iter().enumerate().filter(|(at, _)| Some(*at) != first && Some(*at) != last);
    kept.map(|(_, line)| *line).collect()
}

/// Reports two files that would get the same name, or the name of a file that stays.
fn collisions(paths: &BTreeSet<&str>, conversion: &mut Conversion) {
    let gone: BTreeSet<&str> = conversion.files.iter().map(|file| file.path.as_str()).collect();
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for file in &conversion.files {
        for piece in &file.pieces {
            if let Some(other) = seen.insert(&piece.path, &file.path) {
                problems.push(format!(
                    "`{other}` and `{}` would both become `{}`: rename or delete one of the two",
                    file.path, piece.path
                ));
            } else if paths.contains(piece.path.as_str()) && !gone.contains(piece.path.as_str()) {
                problems.push(format!(
                    "`{}` would become `{}`, which exists: put what is right of both into one of them, and delete the other",
                    file.path, piece.path
                ));
            }
        }
    }
    conversion.problems.extend(problems);
}

impl Conversion {
    /// Whether there is nothing to do, and nothing is in the way.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.problems.is_empty()
    }
}
