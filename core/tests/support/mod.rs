//! Builds sets and histories from short texts, without files, SQL or a database.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::time::Duration;

use lockgate_core::patch::Patch;
use lockgate_core::table::{self, BodyData, MigrationData, Names, Reading, ScriptData, ScriptOptions};
use lockgate_core::{
    Checksum, Companion, CompanionKind, Dialects, Row, Set, State, Statement, StatementFlags, StatementKind, Version,
};

/// A migration as a short text. Equal scripts have equal checksums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) version: i64,
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) frozen: bool,
    pub(crate) down: bool,
    pub(crate) irreversible: Option<String>,
    pub(crate) outside: bool,
    /// The profiles of which one must be chosen.
    pub(crate) profiles: Vec<String>,
}

impl Words {
    pub(crate) fn new(version: i64, name: &str) -> Self {
        Self {
            version,
            name: name.to_owned(),
            text: name.to_owned(),
            frozen: false,
            down: true,
            irreversible: None,
            outside: false,
            profiles: Vec::new(),
        }
    }

    /// Whether it is a repeatable script, which has only a name.
    fn is_repeatable(&self) -> bool {
        Version::new(self.version).is_some_and(|version| version.is_of_name(&self.name))
    }

    /// The data for the table. Each statement of a script is a line.
    fn encode(&self, texts: &mut String) -> MigrationData {
        let Self { version, name, .. } = self;
        // The name of a patch contains its version.
        let id = if Patch::parse(name).is_some() || self.is_repeatable() {
            name.clone()
        } else {
            format!("{version:04}_{name}")
        };
        let mut script = |kind: &str, words: &str| {
            let start = texts.len();
            let mut statements = Vec::new();
            for word in words.split('+') {
                let (from, flags) = (texts.len() - start, StatementFlags::RUNS_CODE);
                texts.push_str(&format!("{word};\n"));
                let range = from..texts.len() - start - 1;
                statements.push(Statement { range, kind: StatementKind::Other, flags, data: None });
            }
            let finished = (1..=statements.len()).filter_map(|done| finished(words, done)).collect();
            let finished = if self.outside { finished } else { Vec::new() };
            let reading = Reading { finished, ..Reading::new(Dialects::ALL, statements) };
            ScriptData {
                path: format!("{id}.{kind}.sql"),
                checksum: checksum(words),
                body: BodyData::Sql { len: texts.len() - start, readings: vec![reading] },
                options: ScriptOptions { transactional: !self.outside, ..ScriptOptions::default() },
            }
        };
        let (up, down) = scripts(&self.text);
        MigrationData {
            version: self::version(*version),
            name: name.clone(),
            frozen: self.frozen,
            amended: Vec::new(),
            irreversible: self.irreversible.clone(),
            profiles: self.profiles.clone(),
            rank: None,
            up: script("up", &up),
            down: self.down.then(|| script("down", &down)),
        }
    }
}

/// Parses the scripts `up/down`, or only `up`. `+` separates statements.
fn scripts(text: &str) -> (String, String) {
    match text.split_once('/') {
        Some((up, down)) => (up.to_owned(), down.to_owned()),
        None => (text.to_owned(), format!("{text} down")),
    }
}

/// The checksum of the first `done` statements, if there are as many.
fn finished(script: &str, done: usize) -> Option<Checksum> {
    let statements: Vec<&str> = script.split('+').collect();
    (1..=statements.len()).contains(&done).then(|| checksum(&format!("finished {}", statements[..done].join("+"))))
}

/// The set that a program with these migrations embeds.
pub(crate) fn set(dialects: Dialects, migrations: &[Words]) -> Set {
    let mut profiles: Vec<String> = migrations.iter().flat_map(|migration| migration.profiles.clone()).collect();
    profiles.sort();
    profiles.dedup();
    let (mut repeatable, versioned): (Vec<Words>, Vec<Words>) =
        migrations.iter().cloned().partition(Words::is_repeatable);
    let set = one_set(dialects, &versioned, &profiles);
    if repeatable.is_empty() {
        return set;
    }
    // They run in the order in which they are written.
    let order: Vec<i64> = repeatable.iter().map(|script| script.version).collect();
    repeatable.sort_by_key(|script| script.version);
    repeatable.iter_mut().for_each(|script| script.down = false);
    let mut texts = String::new();
    let mut data: Vec<_> = repeatable.iter().map(|script| script.encode(&mut texts)).collect();
    for script in &mut data {
        script.rank = order.iter().position(|version| *version == script.version.get()).map(|rank| rank as u64);
    }
    let encoded = table::encode_with_profiles(dialects, Names::Free, &profiles, &data);
    let set_of = Set::from_parts("migrations", "tests 1.2.3", texts.leak(), encoded.paths.leak(), encoded.table.leak());
    set.with_companions(vec![Companion { kind: CompanionKind::Repeatable, set: set_of }].leak())
}

fn one_set(dialects: Dialects, migrations: &[Words], profiles: &[String]) -> Set {
    let mut texts = String::new();
    let data: Vec<_> = migrations.iter().map(|migration| migration.encode(&mut texts)).collect();
    let free = migrations.iter().any(|migration| Patch::parse(&migration.name).is_some());
    let names = if free { Names::Free } else { Names::Kept };
    let encoded = table::encode_with_profiles(dialects, names, profiles, &data);
    Set::from_parts("migrations", "tests 1.2.3", texts.leak(), encoded.paths.leak(), encoded.table.leak())
}

/// The checksum for this text.
pub(crate) fn checksum(text: &str) -> Checksum {
    let mut digest = [0; 32];
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for (i, place) in digest.iter_mut().enumerate() {
        for byte in text.bytes().chain([i as u8]) {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        *place = (state >> 32) as u8;
    }
    Checksum::v1(digest)
}

/// A row of the history table.
pub(crate) fn row(version: i64, name: &str, text: &str, state: State, statements_done: u32) -> Row {
    let (up, down) = scripts(text);
    Row {
        version: self::version(version),
        name: name.to_owned(),
        checksum: checksum(&up),
        state,
        statements_done,
        finished: match state {
            State::Applied => None,
            State::Partial => finished(&up, statements_done as usize),
            State::Reverting => finished(&down, statements_done as usize),
        },
        owner: None,
        under_way: None,
        applied_at: "2026-11-20T13:24:05.123Z".to_owned(),
        elapsed: Duration::from_millis(3),
        applied_by: "ada".to_owned(),
        application: "tests 1.2.3".to_owned(),
        lockgate: "0.1.0".to_owned(),
    }
}

/// The version with this number.
pub(crate) fn version(number: i64) -> Version {
    Version::new(number).expect("tests have no negative versions")
}

/// A deterministic random number generator (SplitMix64), so that a failure can be repeated.
#[derive(Clone, Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True once in `times` calls on average.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }
}
