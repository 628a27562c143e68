//! Sizes, places, and the edges between boxes.

/// The width and height of a box.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Size {
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// An edge between two boxes. `from_y` and `to_y` are measured from the top of each box.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) from_y: f64,
    pub(super) to: usize,
    pub(super) to_y: f64,
}

impl Edge {
    /// Returns the layers of its left and right end.
    pub(super) fn layers(&self, of_node: &[usize]) -> (usize, usize) {
        let (from, to) = (of_node[self.from], of_node[self.to]);
        (from.min(to), from.max(to))
    }
}
