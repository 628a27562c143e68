//! Places boxes and edges. It knows sizes and edges, but not tables.

use super::geometry::{Edge, Point, Size};
use super::layers::{Layers, Slot};

/// The places of all boxes and edges.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) size: Size,
    /// The upper left corner of each box.
    pub(super) boxes: Vec<Point>,
    /// The points of each edge, from its left end to its right. Between points 1 and 2, 3 and 4 and so on it crosses from
    /// one layer to the next; between the others it runs straight through a layer.
    pub(super) edges: Vec<Vec<Point>>,
}

/// The space between two boxes of a layer.
const GAP: f64 = 30.0;
/// The height of an edge that runs through a layer.
const LANE: f64 = 14.0;
/// The space between two layers.
const CHANNEL: f64 = 96.0;
/// The width of a picture divided by its height.
const ASPECT: f64 = 1.5;
/// The number of passes that move boxes towards the boxes that they are connected with.
const SWEEPS: usize = 16;

/// Lays out boxes of these sizes.
pub(super) fn lay_out(sizes: &[Size], edges: &[Edge]) -> Layout {
    let groups = groups(sizes.len(), edges);
    let (joined, alone): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| group.len() > 1);
    let mut layout = Layout {
        size: Size { width: 0.0, height: 0.0 },
        // Boxes that are not placed yet are far away.
        boxes: vec![Point { x: f64::MAX, y: f64::MAX }; sizes.len()],
        edges: vec![Vec::new(); edges.len()],
    };
    let mut pieces: Vec<Piece> = joined.iter().map(|group| best(group, sizes, edges)).collect();
    pieces.sort_by(|one, other| other.size.height.total_cmp(&one.size.height));
    // Boxes without edges come last, the highest first.
    let mut alone: Vec<Piece> = alone.into_iter().flatten().map(|node| single(node, sizes, edges)).collect();
    alone.sort_by(|one, other| other.size.height.total_cmp(&one.size.height));
    if !pieces.is_empty() {
        pack(std::mem::take(&mut pieces), &mut layout);
        let mut taken = taken(&layout, sizes);
        alone.retain_mut(|piece| match free(&taken, layout.size, piece.size) {
            Some(place) => {
                taken.push((place, piece.size));
                put(std::mem::take(piece), place, &mut layout);
                false
            }
            None => true,
        });
    }
    pack(alone, &mut layout);
    layout
}

/// Returns the groups of connected boxes, in the order of the first box of each.
fn groups(count: usize, edges: &[Edge]) -> Vec<Vec<usize>> {
    let mut of: Vec<usize> = (0..count).collect();
    for edge in edges {
        let (one, other) = (of[edge.from].min(of[edge.to]), of[edge.from].max(of[edge.to]));
        of.iter_mut().filter(|group| **group == other).for_each(|group| *group = one);
    }
    let all = (0..count).map(|group| (0..count).filter(|&node| of[node] == group).collect::<Vec<_>>());
    all.filter(|group| !group.is_empty()).collect()
}

/// The layout of one group, relative to its own corner.
#[derive(Default)]
struct Piece {
    size: Size,
    boxes: Vec<(usize, Point)>,
    edges: Vec<(usize, Vec<Point>)>,
}

fn single(node: usize, sizes: &[Size], edges: &[Edge]) -> Piece {
    piece(&Layers::of(&[node], sizes, edges, GAP, f64::MAX), sizes, edges)
}

/// Tries several heights of layers, and returns the layout that comes nearest to the wanted shape with short edges.
fn best(group: &[usize], sizes: &[Size], edges: &[Edge]) -> Piece {
    let area: f64 = group.iter().map(|&node| (sizes[node].width + CHANNEL) * (sizes[node].height + GAP)).sum();
    let ideal = (area / ASPECT).sqrt();
    let tries = [0.8, 1.0, 1.25, 1.6, 2.0, 3.0];
    let pieces = tries.map(|factor| piece(&Layers::of(group, sizes, edges, GAP, ideal * factor), sizes, edges));
    let far_off = |piece: &Piece| (piece.size.width / ASPECT).max(piece.size.height) + piece.length() * 0.02;
    let best = pieces.into_iter().min_by(|one, other| far_off(one).total_cmp(&far_off(other)));
    best.expect("something was tried")
}

impl Piece {
    /// Returns the total length of the edges.
    fn length(&self) -> f64 {
        let of = |points: &Vec<Point>| -> f64 {
            points.windows(2).map(|pair| (pair[0].x - pair[1].x).abs() + (pair[0].y - pair[1].y).abs()).sum()
        };
        self.edges.iter().map(|(_, points)| of(points)).sum()
    }
}

fn piece(layers: &Layers, sizes: &[Size], edges: &[Edge]) -> Piece {
    let tops = heights(layers, sizes, edges);
    let mut boxes = Vec::new();
    let mut bends: Vec<Vec<(f64, f64, f64)>> = vec![Vec::new(); edges.len()];
    let mut x = 0.0;
    let mut bottom: f64 = 0.0;
    let mut columns = Vec::new();
    for (layer, tops) in layers.layers.iter().zip(&tops) {
        let width = layer.iter().map(|slot| width(*slot, sizes)).fold(0.0, f64::max);
        columns.push((x, width));
        for (slot, top) in layer.iter().zip(tops) {
            match *slot {
                Slot::Node(node) => {
                    boxes.push((node, Point { x: x + (width - sizes[node].width) / 2.0, y: *top }));
                    bottom = bottom.max(top + sizes[node].height);
                }
                Slot::Bend(edge) => {
                    bends[edge].push((x, x + width, top + LANE / 2.0));
                    bottom = bottom.max(top + LANE);
                }
            }
        }
        x += width + CHANNEL;
    }
    let corner = |node: usize| boxes.iter().find(|(own, _)| *own == node).map(|(_, corner)| *corner);
    let mut runs = Vec::new();
    let mut right: f64 = x - CHANNEL;
    for (index, edge) in edges.iter().enumerate() {
        let (Some(from), Some(to)) = (corner(edge.from), corner(edge.to)) else { continue };
        let (from_y, to_y) = (from.y + edge.from_y, to.y + edge.to_y);
        if edge.from == edge.to {
            // An edge from a box to itself is drawn on its right side.
            let side = from.x + sizes[edge.from].width;
            right = right.max(side + CHANNEL / 2.0);
            runs.push((index, vec![Point { x: side, y: to_y }, Point { x: side, y: from_y }]));
            continue;
        }
        let goes_right = layers.of_node[edge.from] < layers.of_node[edge.to];
        let ends = [(edge.from, from, from_y), (edge.to, to, to_y)];
        let [(left, left_at, left_y), (_, right_at, right_y)] = if goes_right { ends } else { [ends[1], ends[0]] };
        let mut points = vec![Point { x: left_at.x + sizes[left].width, y: left_y }];
        // A bend reaches over the whole width of its layer.
        for (begin, end, y) in &bends[index] {
            points.extend([Point { x: *begin, y: *y }, Point { x: *end, y: *y }]);
        }
        points.push(Point { x: right_at.x, y: right_y });
        runs.push((index, points));
    }
    Piece { size: Size { width: right, height: bottom }, boxes, edges: runs }
}

fn width(slot: Slot, sizes: &[Size]) -> f64 {
    match slot {
        Slot::Node(node) => sizes[node].width,
        Slot::Bend(_) => 0.0,
    }
}

fn height(slot: Slot, sizes: &[Size]) -> f64 {
    match slot {
        Slot::Node(node) => sizes[node].height,
        Slot::Bend(_) => LANE,
    }
}

fn gap(one: Slot, other: Slot) -> f64 {
    if matches!((one, other), (Slot::Bend(_), Slot::Bend(_))) { 0.0 } else { GAP }
}

/// Returns the tops of all slots: near the slots that they are connected with, and without overlaps.
fn heights(layers: &Layers, sizes: &[Size], edges: &[Edge]) -> Vec<Vec<f64>> {
    let mut tops: Vec<Vec<f64>> =
        layers.layers.iter().map(|layer| settle(layer, sizes, &vec![0.0; layer.len()])).collect();
    let mut of_node: Vec<Vec<usize>> = vec![Vec::new(); sizes.len()];
    for (index, edge) in edges.iter().enumerate().filter(|(_, edge)| edge.from != edge.to) {
        of_node[edge.from].push(index);
        of_node[edge.to].push(index);
    }
    for sweep in 0..SWEEPS {
        let forward = sweep % 2 == 0;
        let indexes: Vec<usize> = if forward { (0..tops.len()).collect() } else { (0..tops.len()).rev().collect() };
        for index in indexes {
            let layer = &layers.layers[index];
            let wanted: Vec<f64> =
                (0..layer.len()).map(|place| wanted(layers, &tops, (index, place), edges, &of_node)).collect();
            tops[index] = settle(layer, sizes, &wanted);
        }
    }
    let least = tops.iter().flatten().copied().fold(f64::MAX, f64::min);
    tops.iter_mut().flatten().for_each(|top| *top -= least);
    tops
}

/// Returns the best top of a slot, at which its edges are level on average.
fn wanted(
    layers: &Layers,
    tops: &[Vec<f64>],
    (layer, place): (usize, usize),
    edges: &[Edge],
    of_node: &[Vec<usize>],
) -> f64 {
    let slot = layers.layers[layer][place];
    let mut at = Vec::new();
    let passing = match &slot {
        Slot::Bend(bent) => std::slice::from_ref(bent),
        Slot::Node(node) => &of_node[*node],
    };
    for &index in passing {
        let edge = &edges[index];
        // The distance from the slot's top to the edge.
        let own = match slot {
            Slot::Bend(_) => LANE / 2.0,
            Slot::Node(node) if edge.from == node => edge.from_y,
            Slot::Node(_) => edge.to_y,
        };
        let (left, right) = edge.layers(&layers.of_node);
        for beside in [layer.checked_sub(1), Some(layer + 1)].into_iter().flatten() {
            if beside < left || beside > right {
                continue;
            }
            for (other, top) in layers.layers[beside].iter().zip(&tops[beside]) {
                let theirs = match *other {
                    Slot::Bend(bent) if bent == index => LANE / 2.0,
                    Slot::Node(node) if node == edge.from => edge.from_y,
                    Slot::Node(node) if node == edge.to => edge.to_y,
                    Slot::Bend(_) | Slot::Node(_) => continue,
                };
                at.push(top + theirs - own);
            }
        }
    }
    if at.is_empty() { tops[layer][place] } else { at.iter().sum::<f64>() / at.len() as f64 }
}

/// Returns the tops that are nearest to the wanted ones and do not overlap. Neighbours that would overlap are merged into
/// a block, until no blocks overlap.
fn settle(layer: &[Slot], sizes: &[Size], wanted: &[f64]) -> Vec<f64> {
    let mut offsets = Vec::with_capacity(layer.len());
    let mut offset = 0.0;
    for (index, &slot) in layer.iter().enumerate() {
        if let Some(before) = index.checked_sub(1) {
            offset += height(layer[before], sizes) + gap(layer[before], slot);
        }
        offsets.push(offset);
    }
    // For each block: its number of slots, and the sum of the tops that they would give the layer's first slot.
    let mut blocks: Vec<(f64, f64)> = Vec::new();
    for (wanted, offset) in wanted.iter().zip(&offsets) {
        blocks.push((1.0, wanted - offset));
        while let [.., before, last] = &blocks[..] {
            if before.1 / before.0 <= last.1 / last.0 {
                break;
            }
            let together = (before.0 + last.0, before.1 + last.1);
            blocks.truncate(blocks.len() - 2);
            blocks.push(together);
        }
    }
    let starts = blocks.iter().flat_map(|&(count, sum)| std::iter::repeat_n(sum / count, count as usize));
    starts.zip(&offsets).map(|(start, offset)| start + offset).collect()
}

/// Returns the areas that boxes and edges take up.
fn taken(layout: &Layout, sizes: &[Size]) -> Vec<(Point, Size)> {
    let is_placed = |corner: &Point| corner.x <= layout.size.width && corner.y <= layout.size.height;
    let boxes = layout.boxes.iter().copied().zip(sizes.iter().copied()).filter(|(corner, _)| is_placed(corner));
    let pairs = layout.edges.iter().flat_map(|points| points.windows(2));
    let lines = pairs.map(|pair| {
        let corner = Point { x: pair[0].x.min(pair[1].x), y: pair[0].y.min(pair[1].y) };
        let size = Size { width: (pair[0].x - pair[1].x).abs(), height: (pair[0].y - pair[1].y).abs() };
        // An edge from a box to itself curves out.
        let width = if size.width == 0.0 { CHANNEL / 2.0 } else { size.width };
        (corner, Size { width, ..size })
    });
    boxes.chain(lines).collect()
}

/// Returns the topmost free place of this size within the picture.
fn free(taken: &[(Point, Size)], within: Size, size: Size) -> Option<Point> {
    const STEP: f64 = 10.0;
    let steps = |room: f64| (0..).map(|step| f64::from(step) * STEP).take_while(move |&at| at <= room);
    let is_free = |place: &Point| {
        taken.iter().all(|(corner, other)| {
            place.x + size.width + GAP <= corner.x
                || corner.x + other.width + GAP <= place.x
                || place.y + size.height + GAP <= corner.y
                || corner.y + other.height + GAP <= place.y
        })
    };
    let rows = steps(within.height - size.height);
    rows.flat_map(|y| steps(within.width - size.width).map(move |x| Point { x, y })).find(is_free)
}

fn put(piece: Piece, place: Point, layout: &mut Layout) {
    let moved = |point: Point| Point { x: point.x + place.x, y: point.y + place.y };
    layout.size.width = layout.size.width.max(place.x + piece.size.width);
    layout.size.height = layout.size.height.max(place.y + piece.size.height);
    for (node, corner) in piece.boxes {
        layout.boxes[node] = moved(corner);
    }
    for (edge, points) in piece.edges {
        layout.edges[edge] = points.into_iter().map(moved).collect();
    }
}

/// Puts the pieces side by side in rows below what is already placed, so that the picture gets the wanted shape.
fn pack(pieces: Vec<Piece>, layout: &mut Layout) {
    if pieces.is_empty() {
        return;
    }
    let area: f64 = pieces.iter().map(|piece| (piece.size.width + GAP) * (piece.size.height + GAP)).sum();
    let widest = pieces.iter().map(|piece| piece.size.width).fold(0.0, f64::max);
    let width = (area * ASPECT).sqrt().max(widest).max(layout.size.width);
    let top = if layout.size.height > 0.0 { layout.size.height + GAP * 1.5 } else { 0.0 };
    let mut at = Point { x: 0.0, y: top };
    let mut row_height: f64 = 0.0;
    // Pieces that are lower than their row may be stacked.
    let mut stack: Option<(f64, f64, f64)> = None;
    for piece in pieces {
        let place = match stack {
            Some((x, y, room)) if piece.size.width <= room && y + piece.size.height <= at.y + row_height => {
                stack = Some((x, y + piece.size.height + GAP, room));
                Point { x, y }
            }
            Some(_) | None => {
                if at.x > 0.0 && at.x + piece.size.width > width {
                    at = Point { x: 0.0, y: at.y + row_height + GAP * 1.5 };
                    row_height = 0.0;
                }
                let place = at;
                stack = Some((at.x, at.y + piece.size.height + GAP, piece.size.width));
                at.x += piece.size.width + GAP * 1.5;
                row_height = row_height.max(piece.size.height);
                place
            }
        };
        put(piece, place, layout);
    }
}
