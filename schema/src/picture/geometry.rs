//! Sizes, places, and the edges between boxes.

/// A box's width and height.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Size {
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// An edge from one box to another, each at a height below its top.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) from_y: f64,
    pub(super) to: usize,
    pub(super) to_y: f64,
}

impl Edge {
    /// The layers of its left and of its right end.
    pub(super) fn layers(&self, of_node: &[usize]) -> (usize, usize) {
        let (from, to) = (of_node[self.from], of_node[self.to]);
        (from.min(to), from.max(to))
    }
}
