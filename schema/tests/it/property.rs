//! What holds for all schemas, tried on generated ones.

use std::collections::BTreeMap;

use lockgate_schema::snapshot::read;
use lockgate_schema::{Class, Constraint, Schema, TypeKind, compare, report};

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

#[test]
fn a_text_is_read_back_as_the_schema_that_it_was_written_of() {
    for seed in 0..600 {
        let mut one = schema(&mut Random::new(seed));
        // A constraint that is none is refused, and every database says what it is first.
        let of_types = one.types.iter_mut().filter_map(|made| match &mut made.kind {
            TypeKind::Domain { constraints, .. } => Some(constraints),
            _ => None,
        });
        let of_tables = one.tables.iter_mut().map(|table| &mut table.constraints);
        let is_known = |it: &Constraint| it.definition.starts_with("CHECK (") || it.definition.starts_with("UNIQUE (");
        for it in of_types.chain(of_tables).flatten().filter(|it| !is_known(it)) {
            it.definition = format!("CHECK ({})", it.definition);
        }
        let text = one.to_text();
        let again = read(&text).unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}\n{text}"));
        assert_eq!(report(&compare(&one, &again)), "", "seed {seed}\n{text}");
        assert_eq!(again.to_text(), text, "seed {seed}");
    }
}
