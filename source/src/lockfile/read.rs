//! Reads the text of a lockfile, even one that a merge left with conflict markers or with the lines of both
//! branches. Keeps every frozen line in it.

use std::ops::Range;

use lockgate_core::Checksum;

use super::unite::{ConflictingFreeze, unite};
use super::{Amendment, Format, HEAD, Line, LineState, Lockfile, chain};
use crate::id::Id;
use crate::{Code, Diagnostic};

/// What to do if nobody has the lockfile any more.
const MAKE_ANEW: &str = "or, if nobody has it any more: delete it, run `cargo xtask check --write`, and then `cargo xtask \
                         freeze` if these migrations are released, because without the file every one is a draft";

/// Reads a lockfile; `file` is its path in messages. Returns `None` if the text is so broken that comparing
/// it with the folder would only repeat the problem.
///
/// After an unfinished merge the result has the lines of both branches, and there is an error
/// `merge-conflict`.
pub fn parse(text: &str, file: &str) -> (Option<Lockfile>, Vec<Diagnostic>) {
    let error = |code: Code, range: &Range<usize>, message: String| {
        Diagnostic::error(code, file, message).at(text, range.clone(), "")
    };
    let again = || format!("restore `{file}` from version control");
    let (branches, marker) = branches(text);
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut all = Vec::new();
    let mut heads: Vec<Head<'_>> = Vec::new();
    let mut is_in_order = true;
    let mut content = Vec::new();
    for branch in branches {
        match Branch::read(&branch) {
            Ok(branch) => {
                all.extend(branch.lines);
                heads.extend(branch.heads);
                is_in_order &= branch.is_in_order;
                content.extend(branch.content);
            }
            Err(mistakes) => found.extend(mistakes.into_iter().map(|(range, mistake)| {
                match mistake {
                    Mistake::Format(format) => {
                        let message = format!(
                            "the lockfile has the format `{format}`; this release of Lockgate reads `v1` and `v2`"
                        );
                        error(Code::BadLockfile, &range, message).help("build with a newer release of lockgate")
                    }
                    Mistake::Head => {
                        error(Code::BadLockfile, &range, "a lockfile begins with `lockgate-lock v1 chain=…`".to_owned())
                            .help(again())
                            .help(MAKE_ANEW)
                    }
                    Mistake::Line(reason) => {
                        error(Code::BadLockfile, &range, format!("this line cannot be read: {reason}")).help(again())
                    }
                }
            })),
        }
    }
    if !found.is_empty() {
        // An error in a line that both branches have is reported once.
        crate::diagnostic::sort(&mut found);
        found.dedup();
        return (None, found);
    }
    let is_empty = all.is_empty() && heads.is_empty();
    let lines = match unite(all) {
        Ok(lines) => lines,
        Err(conflicts) => {
            let conflict = |ConflictingFreeze { ours, theirs, range }: ConflictingFreeze| {
                let message = format!("`{}` is frozen with two texts: {} and {}", ours.id, ours.sums(), theirs.sums());
                let amended = !ours.amendments.is_empty() || !theirs.amendments.is_empty();
                let below = if amended { " with the `amended` lines below it" } else { "" };
                error(Code::MergeConflict, &range, message).help(format!(
                    "keep the line `frozen {}` of the text that databases have, delete the other one{below}, and run \
                     `cargo xtask check --write`",
                    ours.id
                ))
            };
            return (None, conflicts.into_iter().map(conflict).collect());
        }
    };
    let lockfile = Lockfile::of(lines);
    let write = "run `cargo xtask check --write`: it keeps what both branches have, and then says which draft needs \
                 another number";
    let conflict = match (&marker, &heads[..]) {
        (Some(marker), _) => Some((marker, "two branches changed the lockfile, and the merge was not finished")),
        (None, [_, second, ..]) => Some((
            &second.range,
            "the lockfile has two head lines: two branches changed it, and the merge was not finished",
        )),
        (None, _) => None,
    };
    if let Some((range, message)) = conflict {
        let error = error(Code::MergeConflict, range, message.to_owned());
        if is_empty {
            let help =
                format!("bring the lines of both branches back with `git checkout --merge {file}`, then {write}");
            return (None, vec![error.help(help)]);
        }
        return (Some(lockfile), vec![error.help(write)]);
    }
    if is_empty {
        let empty = Diagnostic::error(Code::BadLockfile, file, "the lockfile is empty");
        return (None, vec![empty.help(again()).help(MAKE_ANEW)]);
    }
    let right = |head: &Head<'_>| head.chain == chain(head.format, content.iter().copied());
    let wrong = match heads.first() {
        _ if !is_in_order => Some("are not in the order of their versions"),
        Some(head) if right(head) => None,
        Some(_) => Some("do not give the chain of its head line"),
        None => Some("have no head line"),
    };
    let wrong = wrong.map(|what| {
        let range = heads.first().map_or(0..0, |head| head.range.clone());
        error(
            Code::BrokenChain,
            &range,
            format!("the lines of the lockfile {what}: it was edited by hand, or a merge was resolved by hand"),
        )
        .help("look at what changed (`git diff`), then run `cargo xtask check --write` to write the head line again")
    });
    (Some(lockfile), wrong.into_iter().collect())
}

/// A line of the text without its line end, with its byte range.
type TextLine<'a> = (Range<usize>, &'a str);

/// Returns the lines of each branch, and the range of the first conflict marker. Without a marker there is
/// one list of lines.
fn branches(text: &str) -> (Vec<Vec<TextLine<'_>>>, Option<Range<usize>>) {
    let mut at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let lines_of_text: Vec<TextLine<'_>> = text[at..]
        .split_inclusive('\n')
        .map(|line| {
            let start = at;
            at += line.len();
            let line = line.trim_end();
            (start..start + line.len(), line)
        })
        .collect();
    let first =
        lines_of_text.iter().find(|(_, line)| ['<', '|', '=', '>'].into_iter().any(|of| marker(line, of).is_some()));
    let Some((first, _)) = first else { return (vec![lines_of_text], None) };
    let first = first.clone();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut rest = &lines_of_text[..];
    while let Some(((range, line), behind)) = rest.split_first() {
        if let Some((conflict, after)) = marker(line, '<').and_then(|len| Conflict::cut(behind, len)) {
            ours.extend_from_slice(conflict.ours);
            theirs.extend_from_slice(conflict.theirs);
            rest = after;
            continue;
        }
        // An incomplete conflict: someone deleted some of its markers. The lines around it belong to both branches.
        if ['<', '|', '=', '>'].into_iter().all(|of| marker(line, of).is_none()) {
            ours.push((range.clone(), *line));
            theirs.push((range.clone(), *line));
        }
        rest = behind;
    }
    (vec![ours, theirs], Some(first))
}

/// Returns the length of the conflict marker if the line is one made of this symbol. Git makes the markers of
/// nested conflicts longer.
fn marker(line: &str, symbol: char) -> Option<usize> {
    let len = line.bytes().take_while(|byte| char::from(*byte) == symbol).count();
    let ends = line[len..].is_empty() || line[len..].starts_with(' ');
    (len >= 7 && ends).then_some(len)
}

/// The lines between the markers of one conflict.
struct Conflict<'a, 'text> {
    ours: &'a [TextLine<'text>],
    theirs: &'a [TextLine<'text>],
}

impl<'a, 'text> Conflict<'a, 'text> {
    /// Returns the conflict whose opening marker, of this length, precedes these lines, and the lines after it.
    fn cut(lines: &'a [TextLine<'text>], len: usize) -> Option<(Self, &'a [TextLine<'text>])> {
        let find = |of: char| lines.iter().position(|(_, line)| marker(line, of) == Some(len));
        let (middle, end) = (find('=')?, find('>')?);
        // Skip the common ancestor, which the diff3 style shows.
        let base = find('|').filter(|base| *base < middle).unwrap_or(middle);
        let begins_another = find('<').is_some_and(|other| other < end);
        (middle < end && !begins_another)
            .then(|| (Self { ours: &lines[..base], theirs: &lines[middle + 1..end] }, &lines[end + 1..]))
    }
}

struct Head<'a> {
    format: Format,
    chain: &'a str,
    range: Range<usize>,
}

/// The contents of the lockfile of one branch.
struct Branch<'a> {
    heads: Vec<Head<'a>>,
    lines: Vec<(Line, Range<usize>)>,
    /// Whether the lines are in the order in which Lockgate writes them.
    is_in_order: bool,
    /// All lines below the head.
    content: Vec<&'a str>,
}

enum Mistake {
    /// A format that this release does not know.
    Format(String),
    /// The head line is missing.
    Head,
    /// A line that cannot be read, and why.
    Line(String),
}

impl<'a> Branch<'a> {
    fn read(lines_of_text: &[TextLine<'a>]) -> Result<Self, Vec<(Range<usize>, Mistake)>> {
        let mut branch = Self { heads: Vec::new(), lines: Vec::new(), is_in_order: true, content: Vec::new() };
        let mut mistakes = Vec::new();
        for (range, line) in lines_of_text.iter().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            if let Some(head) = line.strip_prefix(HEAD) {
                match head.split_once(" chain=") {
                    Some(("v1", chain)) => branch.heads.push(Head { format: Format::V1, chain, range: range.clone() }),
                    Some(("v2", chain)) => branch.heads.push(Head { format: Format::V2, chain, range: range.clone() }),
                    _ => {
                        let format = head.split(' ').next().unwrap_or(head).to_owned();
                        return Err(vec![(range.clone(), Mistake::Format(format))]);
                    }
                }
                continue;
            }
            branch.content.push(*line);
            match ParsedLine::parse(line) {
                Ok(ParsedLine::Line(line)) => branch.lines.push((line, range.clone())),
                Ok(ParsedLine::Amended(id, amendment)) => {
                    let known = branch.lines.iter().rposition(|(line, _)| line.id == id && line.is_frozen());
                    branch.is_in_order &= known.is_some_and(|at| at + 1 == branch.lines.len());
                    match known {
                        Some(at) => branch.lines[at].0.amendments.push(amendment),
                        None => {
                            let reason = format!("there is no line `frozen {id}` before it");
                            mistakes.push((range.clone(), Mistake::Line(reason)));
                        }
                    }
                }
                // No line above was understood either, so this is not a lockfile.
                Err(_) if branch.heads.is_empty() && branch.lines.is_empty() => {
                    return Err(vec![(range.clone(), Mistake::Head)]);
                }
                Err(reason) => mistakes.push((range.clone(), Mistake::Line(reason))),
            }
        }
        branch.is_in_order &= branch.lines.windows(2).all(|pair| pair[0].0.place() < pair[1].0.place());
        if mistakes.is_empty() { Ok(branch) } else { Err(mistakes) }
    }
}

/// One line below the head.
enum ParsedLine {
    Line(Line),
    Amended(Id, Amendment),
}

impl ParsedLine {
    fn parse(text: &str) -> Result<Self, String> {
        const WORDS: &str = "a line begins with `frozen`, `draft` or `amended`";
        let (word, rest) = text.split_once(' ').ok_or(WORDS)?;
        match word {
            "draft" => Ok(Self::Line(Line::draft(Id::parse(rest)?))),
            "frozen" => {
                let (id, sums) = rest.split_once(" up=").ok_or("a frozen line has a checksum `up=v1:…`")?;
                let (up, down) = checksums(sums)?;
                let state = LineState::Frozen { up, down };
                Ok(Self::Line(Line { id: Id::parse(id)?, state, amendments: Vec::new() }))
            }
            "amended" => {
                let (id, rest) = rest.split_once(" up=").ok_or("an amended line has a checksum `up=v1:…`")?;
                let (sums, reason) = rest.split_once(" reason=").ok_or("an amended line has a `reason=`")?;
                let (up, down) = checksums(sums)?;
                Ok(Self::Amended(Id::parse(id)?, Amendment { up, down, reason: reason.to_owned() }))
            }
            _ => Err(WORDS.to_owned()),
        }
    }
}

/// Parses the checksums after `up=`.
fn checksums(text: &str) -> Result<(Checksum, Option<Checksum>), String> {
    let (up, down) = match text.split_once(" down=") {
        Some((up, down)) => (up, Some(down)),
        None => (text, None),
    };
    let checksum = |text: &str| text.parse::<Checksum>().map_err(|error| error.to_string());
    Ok((checksum(up)?, down.map(checksum).transpose()?))
}
