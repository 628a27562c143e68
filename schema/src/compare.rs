//! Compares two schemas, and classifies the differences.
//!
//! Both are described as blocks, the same that the text form writes. Blocks and their parts are matched by name. Unmatched
//! ones that are equal except for their name were renamed.

use std::collections::BTreeMap;

use crate::block::{Clause, Form, Item, describe, name_class, order_class};
use crate::difference::{Class, Difference};
use crate::model::Schema;
use crate::text::line;

/// Returns how `after` differs from `before`. The result is empty exactly if their texts are equal.
pub fn compare(before: &Schema, after: &Schema) -> Vec<Difference> {
    let mut found = Found::default();
    if before.dialect != after.dialect {
        let what = format!("speaks {} and spoke {}", after.dialect, before.dialect);
        let [before, after] = [before, after].map(|schema| Some(schema.dialect.to_string()));
        found.add("database", Class::Real, what, before, after);
    }
    let (before, after) = (describe(before), describe(after));
    let matched = Matched::of(&before.iter().collect::<Vec<_>>(), &after.iter().collect::<Vec<_>>());
    for (before, after) in matched.pairs {
        found.item(&before.title(), None, before, after);
    }
    for gone in matched.gone {
        found.add(&gone.title(), gone.class, "is gone".to_owned(), Some(line(gone)), None);
    }
    for new in matched.new {
        found.add(&new.title(), new.class, "is new".to_owned(), None, Some(line(new)));
    }
    found.differences
}

#[derive(Default)]
struct Found {
    differences: Vec<Difference>,
}

impl Found {
    fn add(&mut self, object: &str, class: Class, what: String, before: Option<String>, after: Option<String>) {
        self.differences.push(Difference { class, object: object.to_owned(), what, before, after });
    }

    /// Compares two items of one name. `part` is the name of the item if it is only a part of the object.
    fn item(&mut self, object: &str, part: Option<&str>, before: &Item, after: &Item) {
        self.clauses(object, part, &before.clauses, &after.clauses);
        let labels = [before, after].into_iter().flat_map(|item| &item.parts).map(|part| part.label);
        let mut seen = Vec::new();
        for label in labels {
            if !seen.contains(&label) {
                seen.push(label);
                self.parts(object, label, before, after);
            }
        }
    }

    /// Compares the parts of one kind: all columns, all constraints.
    fn parts(&mut self, object: &str, label: &'static str, before: &Item, after: &Item) {
        let [before, after] =
            [before, after].map(|item| item.parts.iter().filter(|part| part.label == label).collect::<Vec<_>>());
        let mut matched = Matched::of(&before, &after);
        let renamed = match name_class(label) {
            Some(class) => matched.renamed().into_iter().map(|pair| (class, pair)).collect(),
            None => Vec::new(),
        };
        for gone in matched.gone {
            self.add(object, gone.class, format!("{} is gone", gone.title()), Some(line(gone)), None);
        }
        for new in matched.new {
            self.add(object, new.class, format!("{} is new", new.title()), None, Some(line(new)));
        }
        for (class, (before, after)) in renamed {
            let what = match (&before.name, &after.name) {
                (Some(_), Some(name)) => Some(format!("{} is now called {name}", before.title())),
                (None, Some(name)) => Some(format!("{} has a name now: {name}", before.title())),
                (Some(_), None) => Some(format!("{} has no name any more", before.title())),
                // Only its properties differ.
                (None, None) => None,
            };
            if let Some(what) = what {
                self.add(object, class, what, before.name.clone(), after.name.clone());
            }
            self.clauses(object, Some(&after.title()), &before.clauses, &after.clauses);
        }
        for (before, after) in &matched.pairs {
            self.item(object, Some(&after.title()), before, after);
        }
        if let Some(class) = order_class(label) {
            self.order(object, label, class, &before, &matched.pairs);
        }
    }

    /// Compares the order of the parts that both have.
    fn order(&mut self, object: &str, label: &str, class: Class, before: &[&Item], pairs: &[(&Item, &Item)]) {
        // The pairs are in the order of `after`.
        let place = |item: &Item| before.iter().position(|other| std::ptr::eq(*other, item));
        let places: Vec<usize> = pairs.iter().filter_map(|(before, _)| place(before)).collect();
        let moved = moved(&places);
        if moved.is_empty() {
            return;
        }
        let name = |item: &Item| item.name.clone().unwrap_or_default();
        let names: Vec<String> = moved.iter().map(|&index| name(pairs[index].1)).collect();
        let stands = if names.len() == 1 { "stands" } else { "stand" };
        let what = format!("{label} {} {stands} at another place", names.join(", "));
        let mut in_order = pairs.to_vec();
        in_order.sort_by_key(|(before, _)| place(before));
        let [before, after] = [&in_order[..], pairs]
            .map(|pairs| Some(pairs.iter().map(|(_, item)| name(item)).collect::<Vec<_>>().join(", ")));
        self.add(object, class, what, before, after);
    }

    fn clauses(&mut self, object: &str, part: Option<&str>, before: &[Clause], after: &[Clause]) {
        let with_part = |what: String| match part {
            Some(part) => format!("{part}: {what}"),
            None => what,
        };
        let mut by_word: BTreeMap<&str, [Vec<&Clause>; 2]> = BTreeMap::new();
        for (side, clauses) in [before, after].into_iter().enumerate() {
            for clause in clauses {
                by_word.entry(&clause.word).or_default()[side].push(clause);
            }
        }
        for (word, [mut before, mut after]) in by_word {
            // A clause may occur twice: a role can have a privilege from two other roles.
            before.retain(|clause| !take(&mut after, |other| other == clause));
            let pairs = before.len().min(after.len());
            for (before, after) in before.iter().zip(&after) {
                let what = changed(word, before, after);
                self.add(object, after.class, with_part(what), before.value.clone(), after.value.clone());
            }
            for gone in &before[pairs..] {
                let what = format!("{} is lost", phrase(gone));
                self.add(object, gone.class, with_part(what), Some(gone.value.clone().unwrap_or_default()), None);
            }
            for new in &after[pairs..] {
                let what = format!("{} is new", phrase(new));
                self.add(object, new.class, with_part(what), None, Some(new.value.clone().unwrap_or_default()));
            }
        }
    }
}

/// Returns the name of a clause for a message.
fn phrase(clause: &Clause) -> String {
    let word = &clause.word;
    match &clause.value {
        Some(value) if clause.form != Form::Text && is_short(value) => format!("{word} {value}"),
        Some(_) | None => word.clone(),
    }
}

fn changed(word: &str, before: &Clause, after: &Clause) -> String {
    let value = |clause: &Clause| match &clause.value {
        Some(value) => value.trim_start_matches("= ").to_owned(),
        None => "without more".to_owned(),
    };
    let (before_value, after_value) = (value(before), value(after));
    if is_short(&before_value) && is_short(&after_value) {
        format!("{word} was {before_value}, is {after_value}")
    } else {
        format!("{word} is another")
    }
}

/// Whether a value is short enough for a message.
fn is_short(value: &str) -> bool {
    value.len() <= 200 && !value.contains('\n')
}

/// Items of one kind on both sides, matched by name.
struct Matched<'a> {
    /// In the order of `after`.
    pairs: Vec<(&'a Item, &'a Item)>,
    gone: Vec<&'a Item>,
    new: Vec<&'a Item>,
}

impl<'a> Matched<'a> {
    fn of(before: &[&'a Item], after: &[&'a Item]) -> Self {
        let mut gone = before.to_vec();
        let mut new = after.to_vec();
        // Several items may share a name or have none. Equal ones are matched first.
        let mut pairs = pair(&mut gone, &mut new, |before, after| before == after);
        let one_name = |before: &Item, after: &Item| {
            before.name.is_some() && before.name == after.name && before.label == after.label
        };
        pairs.extend(pair(&mut gone, &mut new, one_name));
        let place = |item: &Item| after.iter().position(|other| std::ptr::eq(*other, item));
        pairs.sort_by_key(|(_, item)| place(item));
        Self { pairs, gone, new }
    }

    /// Removes the renamed items from both sides: first those with equal comments, then all others.
    fn renamed(&mut self) -> Vec<(&'a Item, &'a Item)> {
        let mut pairs = pair(&mut self.gone, &mut self.new, |before, after| before.clauses == after.clauses);
        fn without_comment(item: &Item) -> Vec<&Clause> {
            item.clauses.iter().filter(|clause| clause.class != Class::Comment).collect()
        }
        let but_for_comments = |before: &Item, after: &Item| without_comment(before) == without_comment(after);
        pairs.extend(pair(&mut self.gone, &mut self.new, but_for_comments));
        pairs
    }
}

/// Removes matching pairs from both lists.
fn pair<'a>(
    before: &mut Vec<&'a Item>,
    after: &mut Vec<&'a Item>,
    fits: impl Fn(&Item, &Item) -> bool,
) -> Vec<(&'a Item, &'a Item)> {
    let mut pairs = Vec::new();
    before.retain(|item| match after.iter().position(|other| fits(item, other)) {
        Some(index) => {
            pairs.push((*item, after.remove(index)));
            false
        }
        None => true,
    });
    pairs
}

/// Removes the first item that fits, and returns whether there was one.
fn take<T>(list: &mut Vec<T>, fits: impl Fn(&T) -> bool) -> bool {
    let index = list.iter().position(fits);
    index.map(|index| list.remove(index)).is_some()
}

/// Returns the smallest set of positions that must move so that the rest ascends, as indexes into `places`.
fn moved(places: &[usize]) -> Vec<usize> {
    // For each, the length of the longest ascending row that ends there, and its element before.
    let mut best: Vec<(usize, Option<usize>)> = Vec::with_capacity(places.len());
    for (index, place) in places.iter().enumerate() {
        let before = first_of_the_longest((0..index).filter(|&other| places[other] < *place), &best);
        best.push((before.map_or(1, |before| best[before].0 + 1), before));
    }
    let mut stays = vec![false; places.len()];
    let mut at = first_of_the_longest(0..places.len(), &best);
    while let Some(index) = at {
        stays[index] = true;
        at = best[index].1;
    }
    (0..places.len()).filter(|&index| !stays[index]).collect()
}

/// The first one is kept: if two parts swapped places, the later one is reported as moved, as it was most likely created
/// again.
fn first_of_the_longest(indexes: impl Iterator<Item = usize>, best: &[(usize, Option<usize>)]) -> Option<usize> {
    indexes.min_by_key(|&index| std::cmp::Reverse(best[index].0))
}
