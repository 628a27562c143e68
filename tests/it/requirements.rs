//! Each requirement that this release covers has a test whose name begins with its id:
//! `l5_a_late_lower_number_is_never_silent`, `l8_l13_t2_head_and_again_nothing`.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::tree::{files, text};

/// What the issues closed so far have named.
const COVERED: [&str; 43] = [
    "L1", "L2", "L3", "L4", "L5", "L6", "L8", "L10", "L11", "L12", "L13", "L14", "L21", "L23", "P1", "P2", "P3", "P4",
    "P11", "P16", "P17", "P19", "S1", "S2", "S3", "S11", "S12", "S13", "S22", "T1", "T2", "T8", "T9", "Z2", "Z5", "Z7",
    "Z8", "Z9", "Z10", "Z11", "Z12", "Z13", "Z14",
];

#[test]
fn every_requirement_has_a_test_that_names_it() {
    let named = named();
    let missing: Vec<_> = COVERED.into_iter().filter(|id| !named.contains_key(*id)).collect();
    let list: Vec<_> = named.iter().map(|(id, tests)| format!("  {id}: {}", tests.join(", "))).collect();
    assert!(missing.is_empty(), "no test names {}\nthese are named:\n{}", missing.join(", "), list.join("\n"));
}

#[test]
fn a_name_says_its_ids_at_its_beginning() {
    assert_eq!(ids("l8_l13_t2_head_and_again_nothing"), ["L8", "L13", "T2"]);
    assert_eq!(ids("s3_down"), ["S3"]);
    assert!(ids("a_table_t1_and_l2").is_empty());
    assert!(ids("sqlite3_is_there").is_empty());
}

/// The tests that name a requirement, by its id.
fn named() -> BTreeMap<String, Vec<String>> {
    let places = ["tests/it/", "core/", "source/", "macros/", "replay/", "build/", "runtime/", "cli/", "xtask/"];
    let mut named: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in files().iter().filter(|file| file.ends_with(".rs")) {
        if !places.iter().any(|place| file.starts_with(place)) {
            continue;
        }
        let text = text(file).unwrap_or_default();
        for test in tests(&text) {
            for id in ids(test) {
                named.entry(id).or_default().push(format!("{file}::{test}"));
            }
        }
    }
    named
}

/// The functions that are run as tests: marked so, or listed for every backend.
pub(crate) fn tests(text: &str) -> BTreeSet<&str> {
    let name = |line: &'_ str| -> Option<usize> { line.find("fn ").map(|at| at + "fn ".len()) };
    let mut tests = BTreeSet::new();
    let mut is_test = false;
    let mut in_list = false;
    for line in text.lines().map(str::trim) {
        if in_list {
            in_list = line != "}";
            if in_list {
                tests.insert(line.trim_end_matches(','));
            }
        } else if line.starts_with("backends!") || line.starts_with("on_each!") {
            in_list = true;
        } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let (true, Some(start)) = (is_test, name(line)) {
            let rest = &line[start..];
            tests.insert(&rest[..rest.find('(').unwrap_or(rest.len())]);
            is_test = false;
        }
    }
    tests
}

/// `L8` and `L13` of `l8_l13_head`.
fn ids(test: &str) -> Vec<String> {
    let is_id = |word: &&str| {
        let (letter, number) = word.split_at_checked(1).unwrap_or((word, ""));
        letter.bytes().all(|b| b.is_ascii_lowercase())
            && !number.is_empty()
            && number.bytes().all(|b| b.is_ascii_digit())
    };
    test.split('_').take_while(is_id).map(str::to_uppercase).collect()
}
