//! What holds for all schemas, tried on generated ones.

use std::collections::BTreeMap;

use lockgate_schema::{Class, Schema, compare, report};

use crate::generate::{CHANGES, Random, schema};

fn classes(before: &Schema, after: &Schema) -> Vec<Class> {
    let mut classes: Vec<Class> = compare(before, after).iter().map(|difference| difference.class).collect();
    classes.sort();
    classes
}

#[test]
fn a_schema_differs_in_nothing_from_itself() {
    for seed in 0..300 {
        let one = schema(&mut Random::new(seed));
        let same = schema(&mut Random::new(seed));
        assert_eq!(report(&compare(&one, &same)), "", "seed {seed}");
        assert_eq!(one.to_text(), same.to_text(), "seed {seed}");
    }
}

#[test]
fn there_and_back_find_as_much() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let (one, other) = (schema(&mut random), schema(&mut random));
        assert_eq!(classes(&one, &other), classes(&other, &one), "seed {seed}");
        assert_eq!(compare(&one, &other).is_empty(), one.to_text() == other.to_text(), "seed {seed}");
    }
}

#[test]
fn every_small_change_is_found_and_is_of_its_class() {
    let mut made: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in 0..36 {
        for (name, class, change) in CHANGES {
            let mut random = Random::new(seed);
            let before = schema(&mut random);
            let mut after = before.clone();
            if !change(&mut after, &mut random) {
                continue;
            }
            *made.entry(name).or_default() += 1;
            let found = compare(&before, &after);
            // Where two constraints say the same and one is changed, the other may be taken for it.
            let is_of_class = found.iter().any(|difference| difference.class == class);
            assert!(is_of_class, "seed {seed}, {name}: {}", report(&found));
            let others = found.iter().filter(|difference| difference.class != class).count();
            assert_eq!(others, 0, "seed {seed}, {name}: {}", report(&found));
            assert_ne!(before.to_text(), after.to_text(), "seed {seed}, {name}");
            assert_eq!(classes(&before, &after), classes(&after, &before), "seed {seed}, {name}");
        }
    }
    for (name, _, _) in CHANGES {
        assert!(made.get(name).copied().unwrap_or_default() >= 8, "`{name}` was hardly tried: {made:?}");
    }
}

#[test]
fn texts_are_equal_exactly_if_nothing_differs() {
    for seed in 0..12 {
        let mut random = Random::new(seed);
        let before = schema(&mut random);
        // Two changes may undo each other, or make the same of two.
        for _ in 0..60 {
            let mut after = before.clone();
            for _ in 0..=random.below(3) {
                let (_, _, change) = random.pick(&CHANGES);
                change(&mut after, &mut random);
            }
            let found = compare(&before, &after);
            assert_eq!(found.is_empty(), before.to_text() == after.to_text(), "seed {seed}: {}", report(&found));
        }
    }
}
