//! The order in which objects are created: those first that others need.

use super::lookup::{self, Key, key};
use crate::model::{Table, View};
use crate::sqlite::words;

/// Returns tables so that each comes after those to which its foreign keys refer. In a circle, the first of the list comes
/// first.
pub(super) fn parents_first(tables: &[Table]) -> Vec<&Table> {
    let keys: Vec<Key> = tables.iter().map(|table| key(&table.name)).collect();
    let needed = tables.iter().map(|table| {
        let place = |parent: Key| keys.iter().position(|other| *other == parent);
        lookup::parents(table).filter_map(place).collect()
    });
    sorted(tables, needed.collect())
}

/// Returns views so that each comes after those that it mentions.
pub(super) fn mentioned_first(views: &[View]) -> Vec<&View> {
    let names: Vec<String> = views.iter().map(|view| view.name.name.to_ascii_lowercase()).collect();
    let needed = views.iter().map(|view| {
        let words = words(&view.definition);
        words.iter().filter_map(|word| names.iter().position(|name| name == word)).collect()
    });
    sorted(views, needed.collect())
}

/// Sorts so that each comes after those of these places.
fn sorted<T>(all: &[T], needed: Vec<Vec<usize>>) -> Vec<&T> {
    let mut waiting: Vec<usize> = (0..all.len()).collect();
    let mut is_placed = vec![false; all.len()];
    let mut placed = Vec::with_capacity(all.len());
    while !waiting.is_empty() {
        let is_ready = |&one: &usize| needed[one].iter().all(|&other| other == one || is_placed[other]);
        let at = waiting.iter().position(is_ready).unwrap_or(0);
        let next = waiting.remove(at);
        is_placed[next] = true;
        placed.push(&all[next]);
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_comes_after_what_it_needs() {
        let order = |needed: &[&[usize]]| {
            let all = ["a", "b", "c"];
            let needed = needed.iter().map(|needed| needed.to_vec()).collect();
            sorted(&all, needed).into_iter().copied().collect::<String>()
        };
        assert_eq!(order(&[&[], &[], &[]]), "abc");
        assert_eq!(order(&[&[2], &[0], &[]]), "cab");
        assert_eq!(order(&[&[0], &[2], &[]]), "acb", "one may need itself");
        assert_eq!(order(&[&[1], &[0], &[1]]), "abc", "and two each other");
    }
}
