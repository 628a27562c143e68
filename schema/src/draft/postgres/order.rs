//! Sorts the actions of a draft, and divides them into scripts.

use std::collections::BTreeSet;

use crate::draft::step::{Draft, Script, Step};

/// Some steps that belong together.
#[derive(Clone, Debug, Default)]
pub(super) struct Action {
    pub(super) steps: Vec<Step>,
    /// The actions that must come before, as indexes.
    pub(super) after: BTreeSet<usize>,
    /// The actions that should come before.
    pub(super) prefers: BTreeSet<usize>,
    /// The actions whose transaction must have ended before.
    pub(super) after_commit: BTreeSet<usize>,
    /// What comes first among actions that do not need each other.
    pub(super) rank: u32,
    /// Whether it cannot run in a transaction.
    pub(super) outside_transaction: bool,
}

/// The scripts in which these actions run.
pub(super) fn scripts(actions: Vec<Action>) -> Draft {
    let order = sorted(&actions);
    // Scripts with even numbers are transactions; what cannot run in one is between them.
    let mut numbers = vec![0_usize; actions.len()];
    for &index in &order {
        let action = &actions[index];
        let ordered = |other: &&usize| **other != index;
        let mut number = action.after.iter().filter(ordered).map(|&other| numbers[other]).max().unwrap_or(0);
        for &other in action.after_commit.iter().filter(ordered) {
            number = number.max(numbers[other] + 1);
        }
        if number % 2 != usize::from(action.outside_transaction) && !action.steps.is_empty() {
            number += 1;
        }
        numbers[index] = number;
    }
    let last = numbers.iter().copied().max().unwrap_or(0);
    let scripts = (0..=last).map(|number| {
        let of_it = order.iter().filter(|&&index| numbers[index] == number);
        let steps = of_it.flat_map(|&index| actions[index].steps.clone()).collect();
        Script { outside_transaction: number % 2 == 1, steps, ..Script::default() }
    });
    Draft { scripts: scripts.filter(|script| !script.steps.is_empty()).collect() }
}

/// All actions, each after those that it needs. A wish is dropped where the wishes form a circle.
fn sorted(actions: &[Action]) -> Vec<usize> {
    let mut followers: Vec<Vec<(usize, bool)>> = vec![Vec::new(); actions.len()];
    // How many needs and wishes of each are still to come.
    let mut open: Vec<(usize, usize)> = Vec::with_capacity(actions.len());
    for (index, action) in actions.iter().enumerate() {
        let needs: BTreeSet<usize> =
            action.after.union(&action.after_commit).copied().filter(|&other| other != index).collect();
        let wishes: Vec<usize> =
            action.prefers.iter().copied().filter(|other| *other != index && !needs.contains(other)).collect();
        open.push((needs.len(), wishes.len()));
        needs.iter().for_each(|&other| followers[other].push((index, true)));
        wishes.iter().for_each(|&other| followers[other].push((index, false)));
    }
    let key = |index: usize, open: &[(usize, usize)]| (open[index].0, open[index].1, actions[index].rank, index);
    let mut waiting: BTreeSet<_> = (0..actions.len()).map(|index| key(index, &open)).collect();
    let mut order = Vec::with_capacity(actions.len());
    // With no free action there is a circle, and the proof of the draft shows what does not work.
    while let Some((.., next)) = waiting.pop_first() {
        order.push(next);
        for &(follower, needs) in &followers[next] {
            if waiting.remove(&key(follower, &open)) {
                let count = if needs { &mut open[follower].0 } else { &mut open[follower].1 };
                *count -= 1;
                waiting.insert(key(follower, &open));
            }
        }
    }
    order
}
