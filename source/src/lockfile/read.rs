//! The text of a lockfile, read: also one that a merge has left with conflict markers, or with the lines of
//! two branches one after the other. Nothing that is frozen in any part of it is lost.

use std::ops::Range;

use lockgate_core::Checksum;

use super::unite::{Clash, united};
use super::{Amendment, Format, HEAD, Line, LineState, Lockfile, chain};
use crate::Diagnostic;
use crate::id::Id;

/// Reads a lockfile; `file` is how messages name it. There is none where the text is so broken that
/// to compare it with the folder would only repeat it.
///
/// Where a merge was not finished, it has what any of the branches has, and an error `merge-conflict` says so.
pub fn parse(text: &str, file: &str) -> (Option<Lockfile>, Vec<Diagnostic>) {
    let error = |code: &'static str, range: &Range<usize>, message: String| {
        Diagnostic::error(code, file, message).at(text, range.clone(), "")
    };
    let again = || format!("take `{file}` from version control again");
    let (sides, marker) = sides(text);
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut all = Vec::new();
    let mut heads: Vec<Head<'_>> = Vec::new();
    let mut is_in_order = true;
    let mut content = Vec::new();
    for side in sides {
        match Side::read(&side) {
            Ok(side) => {
                all.extend(side.lines);
                heads.extend(side.heads);
                is_in_order &= side.is_in_order;
                content.extend(side.content);
            }
            Err(mistakes) => found.extend(mistakes.into_iter().map(|(range, mistake)| {
                match mistake {
                    Mistake::Format(format) => {
                        let message =
                            format!("the lockfile has the format `{format}`, and this release knows `v1` and `v2`");
                        error("bad-lockfile", &range, message).help("build with a newer release of lockgate")
                    }
                    Mistake::Head => {
                        error("bad-lockfile", &range, "a lockfile begins with `lockgate-lock v1 chain=…`".to_owned())
                            .help(format!("{}, or delete it and run `cargo xtask check --write`", again()))
                    }
                    Mistake::Line(reason) => {
                        error("bad-lockfile", &range, format!("this line says nothing: {reason}")).help(again())
                    }
                }
            })),
        }
    }
    if !found.is_empty() {
        // What two sides share is wrong once.
        crate::diagnostic::sort(&mut found);
        found.dedup();
        return (None, found);
    }
    let is_empty = all.is_empty() && heads.is_empty();
    let lines = match united(all) {
        Ok(lines) => lines,
        Err(clashes) => {
            let clash = |Clash { ours, theirs, range }: Clash| {
                let message = format!("`{}` is frozen with two texts: {} and {}", ours.id, ours.sums(), theirs.sums());
                error("merge-conflict", &range, message).help(format!(
                    "keep the line `frozen {}` of the text that databases have, delete the other one, and run `cargo \
                     xtask check --write`",
                    ours.id
                ))
            };
            return (None, clashes.into_iter().map(clash).collect());
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
        let error = error("merge-conflict", range, message.to_owned());
        if is_empty {
            let help =
                format!("bring the lines of both branches back with `git checkout --merge {file}`, then {write}");
            return (None, vec![error.help(help)]);
        }
        return (Some(lockfile), vec![error.help(write)]);
    }
    if is_empty {
        let empty = Diagnostic::error("bad-lockfile", file, "the lockfile is empty");
        return (None, vec![empty.help(format!("{}, or delete it and run `cargo xtask check --write`", again()))]);
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
            "broken-chain",
            &range,
            format!("the lines of the lockfile {what}: it was edited by hand, or merged without a look"),
        )
        .help("look at what changed (`git diff`), then run `cargo xtask check --write` to write the head line again")
    });
    (Some(lockfile), wrong.into_iter().collect())
}

/// A line of the text without its end, and where it is.
type Piece<'a> = (Range<usize>, &'a str);

/// The lines of the text, of each side of its conflicts; and where its first conflict is.
fn sides(text: &str) -> (Vec<Vec<Piece<'_>>>, Option<Range<usize>>) {
    let mut at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let pieces: Vec<Piece<'_>> = text[at..]
        .split_inclusive('\n')
        .map(|line| {
            let start = at;
            at += line.len();
            let line = line.trim_end();
            (start..start + line.len(), line)
        })
        .collect();
    let first = pieces.iter().find(|(_, line)| ['<', '|', '=', '>'].into_iter().any(|of| marker(line, of).is_some()));
    let Some((first, _)) = first else { return (vec![pieces], None) };
    let first = first.clone();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut rest = &pieces[..];
    while let Some(((range, line), behind)) = rest.split_first() {
        if let Some((conflict, after)) = marker(line, '<').and_then(|len| Conflict::cut(behind, len)) {
            ours.extend_from_slice(conflict.ours);
            theirs.extend_from_slice(conflict.theirs);
            rest = after;
            continue;
        }
        // Markers without their partners: somebody deleted those. What stands around them is everybody's.
        if ['<', '|', '=', '>'].into_iter().all(|of| marker(line, of).is_none()) {
            ours.push((range.clone(), *line));
            theirs.push((range.clone(), *line));
        }
        rest = behind;
    }
    (vec![ours, theirs], Some(first))
}

/// How long the conflict marker of this kind is, if the line is one: git makes them longer inside of others.
fn marker(line: &str, of: char) -> Option<usize> {
    let len = line.bytes().take_while(|byte| char::from(*byte) == of).count();
    let ends = line[len..].is_empty() || line[len..].starts_with(' ');
    (len >= 7 && ends).then_some(len)
}

/// The lines between the markers of one conflict.
struct Conflict<'a, 'text> {
    ours: &'a [Piece<'text>],
    theirs: &'a [Piece<'text>],
}

impl<'a, 'text> Conflict<'a, 'text> {
    /// The conflict that begins above these lines, with markers of this length, and what follows it.
    fn cut(lines: &'a [Piece<'text>], len: usize) -> Option<(Self, &'a [Piece<'text>])> {
        let find = |of: char| lines.iter().position(|(_, line)| marker(line, of) == Some(len));
        let (middle, end) = (find('=')?, find('>')?);
        // What both began with, which diff3 shows, is nobody's change.
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

/// What one branch has.
struct Side<'a> {
    heads: Vec<Head<'a>>,
    lines: Vec<(Line, Range<usize>)>,
    /// Whether the lines stand where they are written.
    is_in_order: bool,
    /// All lines below the heads.
    content: Vec<&'a str>,
}

enum Mistake {
    /// A format that this release does not know.
    Format(String),
    /// What stands in the place of a head line.
    Head,
    /// A line that cannot be read, and why.
    Line(String),
}

impl<'a> Side<'a> {
    fn read(pieces: &[Piece<'a>]) -> Result<Self, Vec<(Range<usize>, Mistake)>> {
        let mut side = Self { heads: Vec::new(), lines: Vec::new(), is_in_order: true, content: Vec::new() };
        let mut mistakes = Vec::new();
        for (range, line) in pieces.iter().filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            if let Some(head) = line.strip_prefix(HEAD) {
                match head.split_once(" chain=") {
                    Some(("v1", chain)) => side.heads.push(Head { format: Format::V1, chain, range: range.clone() }),
                    Some(("v2", chain)) => side.heads.push(Head { format: Format::V2, chain, range: range.clone() }),
                    _ => {
                        let format = head.split(' ').next().unwrap_or(head).to_owned();
                        return Err(vec![(range.clone(), Mistake::Format(format))]);
                    }
                }
                continue;
            }
            side.content.push(*line);
            match Entry::parse(line) {
                Ok(Entry::Line(line)) => side.lines.push((line, range.clone())),
                Ok(Entry::Amended(id, amendment)) => {
                    let known = side.lines.iter().rposition(|(line, _)| line.id == id && line.is_frozen());
                    side.is_in_order &= known.is_some_and(|at| at + 1 == side.lines.len());
                    match known {
                        Some(at) => side.lines[at].0.amendments.push(amendment),
                        None => {
                            let reason = format!("there is no line `frozen {id}` before it");
                            mistakes.push((range.clone(), Mistake::Line(reason)));
                        }
                    }
                }
                // Nothing above it was understood either: this is another file.
                Err(_) if side.heads.is_empty() && side.lines.is_empty() => {
                    return Err(vec![(range.clone(), Mistake::Head)]);
                }
                Err(reason) => mistakes.push((range.clone(), Mistake::Line(reason))),
            }
        }
        side.is_in_order &= side.lines.windows(2).all(|pair| pair[0].0.place() < pair[1].0.place());
        if mistakes.is_empty() { Ok(side) } else { Err(mistakes) }
    }
}

/// What one line below the head says.
enum Entry {
    Line(Line),
    Amended(Id, Amendment),
}

impl Entry {
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

/// The checksums behind `up=`.
fn checksums(text: &str) -> Result<(Checksum, Option<Checksum>), String> {
    let (up, down) = match text.split_once(" down=") {
        Some((up, down)) => (up, Some(down)),
        None => (text, None),
    };
    let checksum = |text: &str| text.parse::<Checksum>().map_err(|error| error.to_string());
    Ok((checksum(up)?, down.map(checksum).transpose()?))
}
