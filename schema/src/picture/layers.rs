//! Assigns each box of a picture to a layer, and orders each layer. A table is to the right of the tables that it refers
//! to.

use std::collections::HashSet;

use super::geometry::{Edge, Size};

/// A place in a layer: a box, or a bend of an edge that passes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    Node(usize),
    /// A bend of this edge.
    Bend(usize),
}

/// The layers from left to right, each from top to bottom.
pub(super) struct Layers {
    pub(super) layers: Vec<Vec<Slot>>,
    /// The layer of each box; 0 for a box that is in none.
    pub(super) of_node: Vec<usize>,
    /// The pairs of boxes between which there is an edge.
    joined: HashSet<(usize, usize)>,
}

/// The number of passes that improve the order, alternately from left and right.
const SWEEPS: usize = 24;

impl Layers {
    /// Assigns these boxes to layers. If possible, no layer is higher than `most`.
    pub(super) fn of(nodes: &[usize], sizes: &[Size], edges: &[Edge], gap: f64, most: f64) -> Self {
        let of_node = assign(nodes, sizes, edges, gap, most);
        let count = nodes.iter().map(|&node| of_node[node] + 1).max().unwrap_or_default();
        let mut layers: Vec<Vec<Slot>> = vec![Vec::new(); count];
        for &node in nodes {
            layers[of_node[node]].push(Slot::Node(node));
        }
        for (index, edge) in edges.iter().enumerate() {
            let (left, right) = edge.layers(&of_node);
            if nodes.contains(&edge.from) {
                layers.iter_mut().take(right).skip(left + 1).for_each(|layer| layer.push(Slot::Bend(index)));
            }
        }
        // Both ways, as it is asked for each pair of boxes in neighbouring layers.
        let joined = edges.iter().flat_map(|edge| [(edge.from, edge.to), (edge.to, edge.from)]).collect();
        let mut layers = Self { layers, of_node, joined };
        layers.order(edges);
        layers
    }

    /// Moves slots towards the slots that they are connected with, and keeps the order with the fewest crossings.
    fn order(&mut self, edges: &[Edge]) {
        let mut best = (self.crossings(edges), self.layers.clone());
        for sweep in 0..SWEEPS {
            let forward = sweep % 2 == 0;
            let indexes: Vec<usize> = match forward {
                true => (1..self.layers.len()).collect(),
                false => (0..self.layers.len().saturating_sub(1)).rev().collect(),
            };
            for index in indexes {
                let beside = if forward { index - 1 } else { index + 1 };
                let mut weighed: Vec<(f64, Slot)> = Vec::new();
                for (place, &slot) in self.layers[index].iter().enumerate() {
                    let at: Vec<f64> = self.joined(slot, index, beside, edges).collect();
                    let own = place as f64;
                    let mean = if at.is_empty() { own } else { at.iter().sum::<f64>() / at.len() as f64 };
                    weighed.push((mean, slot));
                }
                weighed.sort_by(|one, other| one.0.total_cmp(&other.0));
                self.layers[index] = weighed.into_iter().map(|(_, slot)| slot).collect();
            }
            let crossings = self.crossings(edges);
            if crossings < best.0 {
                best = (crossings, self.layers.clone());
            }
        }
        self.layers = best.1;
    }

    /// Returns the places, in the neighbouring layer, of the slots that a slot is connected with.
    fn joined<'a>(
        &'a self,
        slot: Slot,
        layer: usize,
        beside: usize,
        edges: &'a [Edge],
    ) -> impl Iterator<Item = f64> + 'a {
        let others = self.layers[beside].iter().enumerate();
        others.filter(move |(_, other)| self.are_joined(slot, layer, **other, beside, edges)).map(|(at, _)| at as f64)
    }

    fn are_joined(&self, one: Slot, layer: usize, other: Slot, beside: usize, edges: &[Edge]) -> bool {
        let passes = |slot: Slot, layer: usize, index: usize| match slot {
            Slot::Bend(bent) => bent == index,
            Slot::Node(node) => {
                let edge = &edges[index];
                (edge.from == node || edge.to == node) && self.of_node[node] == layer
            }
        };
        match (one, other) {
            (Slot::Bend(index), _) => passes(other, beside, index),
            (_, Slot::Bend(index)) => passes(one, layer, index),
            (Slot::Node(one), Slot::Node(other)) => self.joined.contains(&(one, other)),
        }
    }

    fn crossings(&self, edges: &[Edge]) -> usize {
        let mut count = 0;
        for layer in 1..self.layers.len() {
            let mut pairs: Vec<(usize, usize)> = Vec::new();
            for (place, &slot) in self.layers[layer].iter().enumerate() {
                pairs.extend(self.joined(slot, layer, layer - 1, edges).map(|at| (at as usize, place)));
            }
            for (index, one) in pairs.iter().enumerate() {
                let crosses = |other: &&(usize, usize)| {
                    (one.0 < other.0 && one.1 > other.1) || (one.0 > other.0 && one.1 < other.1)
                };
                count += pairs[index + 1..].iter().filter(crosses).count();
            }
        }
        count
    }
}

/// Returns the layer of each box: to the right of all boxes that it points to, and further right if a layer is full.
fn assign(nodes: &[usize], sizes: &[Size], edges: &[Edge], gap: f64, most: f64) -> Vec<usize> {
    let mut layer = vec![0; sizes.len()];
    let mut heights: Vec<f64> = Vec::new();
    let mut done: Vec<usize> = Vec::new();
    let mut left = nodes.to_vec();
    while !left.is_empty() {
        let open = |node: usize| {
            let others = edges.iter().filter(|edge| edge.from == node && edge.to != node);
            others.filter(|edge| !done.contains(&edge.to)).count()
        };
        let degree = |node: usize| edges.iter().filter(|edge| edge.to == node).count();
        // Take a box whose targets are all placed; in a cycle, the box with the fewest targets left.
        let ready = (0..left.len()).min_by_key(|&at| (open(left[at]), std::cmp::Reverse(degree(left[at])), at));
        let node = left.remove(ready.expect("there is one left"));
        let before = edges.iter().filter(|edge| edge.from == node && edge.to != node && done.contains(&edge.to));
        let also = edges.iter().filter(|edge| edge.to == node && edge.from != node && done.contains(&edge.from));
        let behind = before.map(|edge| layer[edge.to]).chain(also.map(|edge| layer[edge.from]));
        let mut at = behind.map(|layer| layer + 1).max().unwrap_or_default();
        let height = sizes[node].height + gap;
        while heights.get(at).is_some_and(|own| own + height > most && *own > 0.0) {
            at += 1;
        }
        heights.resize(heights.len().max(at + 1), 0.0);
        heights[at] += height;
        layer[node] = at;
        done.push(node);
    }
    // No layer is empty, because the target of an edge is in an earlier layer.
    let mut used: Vec<usize> = nodes.iter().map(|&node| layer[node]).collect();
    used.sort_unstable();
    used.dedup();
    for &node in nodes {
        layer[node] = used.iter().position(|&own| own == layer[node]).unwrap_or_default();
    }
    layer
}
