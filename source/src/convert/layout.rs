//! Reads the file names of other tools: version, name and direction.

use std::collections::{BTreeMap, BTreeSet};

use crate::folder::name::{self, Kind};
use crate::folder::policy::Numbering;
use crate::folder::section::{Direction, SQITCH_PLAN};

use super::tool::{self, Tool};

/// The version, name and direction that a path contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The directory of its migration, with a `/` at its end, or empty.
    pub(super) parent: String,
    version: Version,
    /// The digits of the version.
    digits: String,
    name: String,
    pub(super) direction: Option<Direction>,
    /// Whether path and name stay as they are.
    pub(super) is_as_named: bool,
    pub(super) is_rust: bool,
    pub(super) note: Option<&'static str>,
    /// The whole of a patch's name, which is not made of version and name.
    patch: Option<String>,
    /// Whether the script may begin and commit its own transaction, as those of Sqitch do.
    pub(super) has_transaction: bool,
}

/// The sort key of another tool: numbers, the first of which counts most. `1.2` comes before `1.10`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(Vec<u64>);

impl Named {
    /// Version and name, as files here write them.
    pub(super) fn id(&self, numbering: Numbering) -> String {
        match &self.patch {
            Some(patch) => patch.clone(),
            None => format!("{}{}{}", self.digits, name::separator(numbering), self.name),
        }
    }
}

/// The paths of a folder, of which one can say what another means.
pub(super) struct Layout<'a> {
    paths: &'a BTreeSet<&'a str>,
    numbering: Numbering,
    /// The changes of Sqitch's plan.
    sqitch: Option<BTreeMap<String, Change>>,
    /// The tool, if it is known.
    from: Option<Tool>,
}

/// A change in Sqitch's plan.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    /// Its place in the plan, counted from 1.
    number: u64,
    name: String,
}

/// Reads Sqitch's plan: each change by the path of its script, without `deploy/` and `.sql`. The earlier script of a
/// change that was reworked has the last tag before that behind its name: `users@v1`.
fn sqitch(plan: &str) -> BTreeMap<String, Change> {
    let mut changes: BTreeMap<String, Change> = BTreeMap::new();
    let (mut number, mut tag) = (0, "");
    for line in plan.lines().map(str::trim).filter(|line| !line.starts_with(['#', '%'])) {
        let Some(word) = line.split_whitespace().next() else { continue };
        if word.starts_with('@') {
            tag = word;
            continue;
        }
        number += 1;
        let name = word.trim_start_matches('+');
        if let Some(earlier) = changes.insert(name.to_owned(), Change { number, name: name.to_owned() }) {
            changes.insert(format!("{name}{tag}"), earlier);
        }
    }
    changes
}

const UPS: [&str; 5] = ["up", "do", "apply", "forward", "deploy"];
const DOWNS: [&str; 5] = ["down", "undo", "revert", "rollback", "backward"];

fn direction(word: &str) -> Option<Direction> {
    let word = word.to_ascii_lowercase();
    match () {
        () if UPS.contains(&word.as_str()) => Some(Direction::Up),
        () if DOWNS.contains(&word.as_str()) => Some(Direction::Down),
        () => None,
    }
}

impl<'a> Layout<'a> {
    /// `plan` is the text of Sqitch's plan, if there is one.
    pub(super) fn new(
        paths: &'a BTreeSet<&'a str>,
        numbering: Numbering,
        plan: Option<&str>,
        from: Option<Tool>,
    ) -> Self {
        Self { paths, numbering, sqitch: plan.map(sqitch), from }
    }

    /// What the path of a script of Sqitch says.
    fn of_sqitch(changes: &BTreeMap<String, Change>, path: &str) -> Option<Result<Named, Option<String>>> {
        let left = |why: &str| Some(Err(Some(why.to_owned())));
        let (directory, file) = match path.split_once('/') {
            None if path == SQITCH_PLAN => {
                return left("after the conversion the file names have its order: delete it");
            }
            None if path == "sqitch.conf" => return left("Lockgate does not read it: delete it"),
            None => return None,
            Some(split) => split,
        };
        let direction = match directory {
            "deploy" => Direction::Up,
            "revert" => Direction::Down,
            "verify" => return left("write a test of the migration that checks the same, then delete it"),
            _ => return None,
        };
        let Some(change) = file.strip_suffix(".sql").and_then(|stem| changes.get(stem)) else {
            return left("`sqitch.plan` does not list it: delete it, or list it");
        };
        let named = plain((format!("{:04}", change.number), &change.name), "")?;
        Some(Ok(Named { direction: Some(direction), has_transaction: true, ..named }))
    }

    /// What a path says, or what to do about it where that is known.
    pub(super) fn named(&self, path: &str) -> Result<Named, Option<String>> {
        if let Some(named) = self.sqitch.as_ref().and_then(|changes| Self::of_sqitch(changes, path)) {
            return named;
        }
        let (directory, file) = path.rsplit_once('/').map_or(("", path), |(directory, file)| (directory, file));
        if let Some(tool) = tool::keeps(directory, file) {
            return Err(Some(format!(
                "this is {tool}'s own: delete it when nobody runs {tool} on this folder any more"
            )));
        }
        let own = name::parse(file, self.numbering).ok();
        if own.as_ref().is_some_and(name::Name::is_repeatable) {
            return Err(None);
        }
        let of_own = |own: &name::Name| {
            let digits = own.id.len() - own.id.name().len() - 1;
            Named {
                parent: folder(directory),
                version: Version(vec![own.id.version().get().unsigned_abs()]),
                digits: own.id[..digits].to_owned(),
                name: own.id.name().to_owned(),
                direction: match own.kind {
                    Kind::Up => Some(Direction::Up),
                    Kind::Down => Some(Direction::Down),
                    Kind::OneWay | Kind::Rust => None,
                },
                is_as_named: true,
                is_rust: own.kind == Kind::Rust,
                note: None,
                patch: own.id.database().is_some().then(|| own.id.to_string()),
                has_transaction: false,
            }
        };
        match &own {
            // Under these numberings a name is what it is; but a file may still have sections.
            Some(own)
                if own.kind == Kind::Rust || matches!(self.numbering, Numbering::Encoded | Numbering::Ordinal) =>
            {
                return Ok(of_own(own));
            }
            None if matches!(self.numbering, Numbering::Encoded | Numbering::Ordinal) => return Err(None),
            Some(_) | None => {}
        }
        let dot = file.len().checked_sub(".sql".len()).filter(|dot| file.is_char_boundary(*dot));
        let Some((stem, _)) = dot.map(|dot| file.split_at(dot)).filter(|(_, end)| end.eq_ignore_ascii_case(".sql"))
        else {
            return Err(None);
        };

        // `up/0001_users.sql` and `down/0001_users.sql`
        if let Some((above, from)) = self.directed(directory)
            && let Some(named) = own
                .as_ref()
                .map(of_own)
                .filter(|named| named.direction.is_none())
                .or_else(|| dated(stem).and_then(|parts| plain(parts, "")))
        {
            return Ok(Named { parent: folder(above), direction: Some(from), is_as_named: false, ..named });
        }
        // `0001_users_up.sql` and `0001_users_down.sql`
        if let Some((base, from)) = self.paired(directory, stem)
            && let Some(named) = dated(base).and_then(|parts| plain(parts, directory))
        {
            return Ok(Named { direction: Some(from), ..named });
        }
        if let Some(own) = &own {
            return Ok(of_own(own));
        }
        // `2026-01-02-030405_create_users/up.sql`, `20260102030405_create_users/migration.sql`
        let lone = stem.to_ascii_lowercase();
        if matches!(lone.as_str(), "up" | "down" | "migration" | "migrate") {
            let (above, of) = directory.rsplit_once('/').unwrap_or(("", directory));
            let Some(named) = dated(of).and_then(|parts| plain(parts, above)) else { return Err(None) };
            let from = direction(&lone).or(Some(Direction::Up)).filter(|_| lone != "migration" && lone != "migrate");
            return Ok(Named { direction: from, ..named });
        }
        if let Some(found) = self.flyway(stem, directory) {
            return found;
        }
        // `0001-users.sql`, `001.do.users.sql`, `0001.users.rollback.sql`
        let Some((digits, rest)) = dated(stem) else { return Err(None) };
        let (first, behind) = rest.split_once('.').unwrap_or((rest, ""));
        let (before, last) = rest.rsplit_once('.').unwrap_or(("", rest));
        let (rest, from) = match (direction(first), direction(last)) {
            (Some(from), _) if !behind.is_empty() || before.is_empty() && rest == first => (behind, Some(from)),
            (_, Some(from)) => (before, Some(from)),
            _ => (rest, None),
        };
        let named = plain((digits, rest), directory).ok_or(None)?;
        Ok(Named { direction: from, ..named })
    }

    /// `V1.2__create_users`, `U1.2__create_users` and `R__views`.
    fn flyway(&self, stem: &str, directory: &str) -> Option<Result<Named, Option<String>>> {
        let letter = stem.chars().next()?.to_ascii_uppercase();
        let rest = stem.get(1..)?;
        if letter == 'R' {
            rest.strip_prefix("__")?;
            // A good name stays as it is.
            let own = name::parse(&format!("{stem}.sql"), self.numbering);
            return Some(Err(own.err().map(|bad| bad.help.render(|name| name.render("<version>", "<user>")))));
        }
        if !matches!(letter, 'V' | 'U' | 'B') || !rest.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let (version, name) = rest.split_once("__").or_else(|| rest.split_once('_'))?;
        let parts: Option<Vec<u64>> = version.split(['.', '_']).map(|part| part.parse().ok()).collect();
        let parts = parts?;
        if letter == 'B' {
            let why = "a baseline stands for the versions up to its own: delete it, or delete those and call it `V…`";
            return Some(Err(Some(why.to_owned())));
        }
        let applies = |path: &&str| {
            let file = path.rsplit('/').next().unwrap_or(path).to_ascii_uppercase();
            file.strip_prefix('V').and_then(|file| file.strip_prefix(version)).is_some_and(|rest| rest.starts_with('_'))
        };
        let is_refinery = self.from.is_some_and(|tool| tool.word() == "refinery");
        if letter == 'U' && !is_refinery && !self.paths.iter().any(applies) {
            let why = "Flyway's `U` undoes a version, and refinery's applies one: if this applies something, call it `V…`; \
                       otherwise delete it, because no version of that number is there to undo";
            return Some(Err(Some(why.to_owned())));
        }
        let digits = if parts.len() == 1 { version } else { "0" };
        let named = plain((digits.to_owned(), name), directory)?;
        let direction = Some(if letter == 'U' && !is_refinery { Direction::Down } else { Direction::Up });
        Some(Ok(Named { version: Version(parts), direction, ..named }))
    }

    /// Of a directory such as `down`: the one above it, and the way, where the other way is there too.
    fn directed<'p>(&self, directory: &'p str) -> Option<(&'p str, Direction)> {
        let (above, word) = directory.rsplit_once('/').unwrap_or(("", directory));
        let from = direction(word)?;
        let others = if from == Direction::Up { DOWNS } else { UPS };
        let has = |other: &&str| {
            let prefix = format!("{}{other}/", folder(above));
            self.paths.iter().any(|path| path.to_ascii_lowercase().starts_with(&prefix.to_ascii_lowercase()))
        };
        others.iter().any(has).then_some((above, from))
    }

    /// Of a name such as `0001_users_down`: what is before the way, where the other way is there too.
    fn paired<'p>(&self, directory: &str, stem: &'p str) -> Option<(&'p str, Direction)> {
        let at = stem.rfind(['_', '-'])?;
        let (base, word) = (&stem[..at], &stem[at + 1..]);
        let from = direction(word)?;
        let others = if from == Direction::Up { DOWNS } else { UPS };
        let has = |other: &&str| {
            let partner = format!("{}{base}{}{other}.sql", folder(directory), &stem[at..=at]);
            self.paths.iter().any(|path| path.eq_ignore_ascii_case(&partner))
        };
        others.iter().any(has).then_some((base, from))
    }
}

/// Gives migrations of the same time the seconds after it, in the order of their names: tools that record whole names may
/// have several.
fn spread(files: &mut [&mut Named]) {
    let is_up = |named: &Named| named.patch.is_none() && named.direction != Some(Direction::Down);
    let ups = files.iter().filter(|named| is_up(named) && named.digits.len() == TIME_LEN);
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    ups.clone().filter(|named| named.is_as_named).for_each(|named| {
        taken.insert(named.digits.clone(), named.name.clone());
    });
    let mut others: Vec<(String, String)> =
        ups.filter(|named| !named.is_as_named).map(|named| (named.digits.clone(), named.name.clone())).collect();
    others.sort();
    let times: BTreeSet<String> =
        taken.keys().cloned().chain(others.iter().map(|(digits, _)| digits.clone())).collect();
    for (digits, name) in others {
        if taken.get(&digits).is_none_or(|other| *other == name) {
            taken.insert(digits, name);
            continue;
        }
        // Their order stays: without a second before the next time, both keep theirs, and the check reports them.
        let next = times.iter().find(|time| **time > digits);
        let mut seconds = seconds_after(&digits).take_while(|second| next.is_none_or(|next| second < next));
        let Some(free) = seconds.find(|second| !taken.contains_key(second)) else { continue };
        for named in files.iter_mut().filter(|named| named.digits == digits && named.name == name && !named.is_as_named)
        {
            named.digits.clone_from(&free);
            named.note = Some("another migration has the same time");
        }
        taken.insert(free, name);
    }
}

/// The later seconds of the same hour: `20260102030405` is followed by `20260102030406`.
fn seconds_after(digits: &str) -> impl Iterator<Item = String> {
    let (hour, rest) = digits.split_at(TIME_LEN - 4);
    let second = rest.parse::<u32>().map_or(u32::MAX, |rest| rest / 100 * 60 + rest % 100);
    (second.saturating_add(1)..60 * 60).map(move |second| format!("{hour}{:02}{:02}", second / 60, second % 60))
}

fn folder(directory: &str) -> String {
    if directory.is_empty() { String::new() } else { format!("{directory}/") }
}

/// Cuts `0001_create_users` behind its digits; a date such as `2026-01-02-030405` is one number.
fn dated(stem: &str) -> Option<(String, &str)> {
    let bytes = stem.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let is_date = (0..4).all(is_digit)
        && bytes.get(4) == Some(&b'-')
        && (5..7).all(is_digit)
        && bytes.get(7) == Some(&b'-')
        && (8..10).all(is_digit);
    let end = match is_date {
        true => bytes.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'-').count(),
        false => bytes.iter().take_while(|byte| byte.is_ascii_digit()).count(),
    };
    let mut digits: String = stem[..end].chars().filter(char::is_ascii_digit).collect();
    // diesel counts the migrations of one second: `2026-05-22-124436-0000_users`.
    if is_date && digits.len() == TIME_LEN + COUNT.len() && digits.ends_with(COUNT) {
        digits.truncate(TIME_LEN);
    }
    (!digits.is_empty()).then(|| (digits, stem[end..].trim_start_matches(['_', '-', '.', ' '])))
}

/// The number of digits of a time to the second.
const TIME_LEN: usize = 14;
/// The first that diesel counts.
const COUNT: &str = "0000";

fn plain((digits, rest): (String, &str), directory: &str) -> Option<Named> {
    let version = digits.parse::<lockgate_core::Version>().ok()?.get().unsigned_abs();
    Some(Named {
        parent: folder(directory),
        version: Version(vec![version]),
        digits,
        name: good_name(rest),
        direction: None,
        is_as_named: false,
        is_rust: false,
        note: None,
        patch: None,
        has_transaction: false,
    })
}

/// A name that is one here: as it is where it can be.
fn good_name(text: &str) -> String {
    let trimmed = text.trim_matches([' ', '.', '_', '-']);
    let is_good = trimmed.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '));
    let name = if is_good { trimmed.to_owned() } else { name::clean(trimmed) };
    if name.is_empty() { "migration".to_owned() } else { name }
}

/// Numbers the files without a number, and gives each down script the name of its up script.
pub(super) fn number(files: &mut [&mut Named]) {
    let has_parts = files.iter().any(|named| named.version.0.len() > 1);
    let mut versions: BTreeSet<Version> = BTreeSet::new();
    if has_parts {
        versions.extend(files.iter().filter(|named| named.patch.is_none()).map(|named| named.version.clone()));
    }
    for (number, version) in (1_u64..).zip(versions) {
        for named in files.iter_mut().filter(|named| named.patch.is_none() && named.version == version) {
            named.digits = format!("{number:04}");
            named.is_as_named = false;
        }
    }
    // Times with such a count and times without are compared from their first digits on.
    let is_time = |named: &Named| {
        named.patch.is_none() && matches!(named.digits.len(), 14 | 18) && named.digits.starts_with("20")
    };
    if files.iter().any(|named| is_time(named) && named.digits.len() > TIME_LEN) {
        for named in files.iter_mut().filter(|named| is_time(named) && named.digits.len() == TIME_LEN) {
            named.digits.push_str(COUNT);
            named.is_as_named = false;
        }
    }
    spread(files);
    // Undo scripts may be described otherwise than what they undo.
    let ups: Vec<(Version, String, String)> = files
        .iter()
        .filter(|named| named.direction != Some(Direction::Down))
        .map(|named| (named.version.clone(), named.digits.clone(), named.name.clone()))
        .collect();
    for named in files.iter_mut().filter(|named| named.direction == Some(Direction::Down) && !named.is_as_named) {
        let of_it: Vec<_> = ups.iter().filter(|(version, ..)| *version == named.version).collect();
        if let [(_, digits, name)] = of_it.as_slice() {
            (named.digits, named.name) = (digits.clone(), name.clone());
        }
    }
}
