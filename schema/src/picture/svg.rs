//! Draws a picture as SVG: a card for each table, with its columns and keys, and a line for each foreign key, with a
//! crow's foot if several rows may refer to the same row.

use super::geometry::{Edge, Point, Size};
use super::graph::{Graph, Link, Row, TableBox};
use super::layout::lay_out;
use crate::model::{Name, Schema};

const HEAD: f64 = 30.0;
const ROW: f64 = 21.0;
/// The space around the picture.
const MARGIN: f64 = 32.0;
/// The width of a character in the font of the columns, which is monospaced.
const CHARACTER: f64 = 7.25;
/// The width of a wide character in the font of the titles.
const TITLE_CHARACTER: f64 = 8.3;
/// The width of the column with the badges of the keys.
const BADGE: f64 = 30.0;
/// The length of a crow's foot.
const FOOT: f64 = 11.0;

/// The colours of table heads, and of the lines that lead to them.
const COLOURS: [&str; 10] =
    ["#3b6ea8", "#2f7d6d", "#a4572e", "#7a4e9c", "#8a6d1f", "#a8435f", "#3f7d3a", "#4c5fb0", "#7d5a4f", "#2b7f95"];

/// The style of a picture on its own. A page that has pictures in it brings its own.
const STYLE: &str = "\
    .page{fill:#fafbfc}.card{fill:#fff;stroke:#c9d1d9}.line{stroke:#eceff2}\
    .title{font:600 13.5px system-ui,'Segoe UI','DejaVu Sans',sans-serif;fill:#fff}\
    .name,.type,.key,.more{font:12px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace}\
    .name{fill:#1f2328}.type{fill:#6e7781}.more{fill:#6e7781;font-style:italic}.primary{font-weight:700}\
    .key{font-size:9px;font-weight:700}.pk{fill:#9a6700}.fk{fill:#57606a}\
    .edge{fill:none;stroke-width:1.5}.halo{fill:none;stroke:#fafbfc;stroke-width:5}.hole{fill:#fafbfc}\
    .note{font:11px system-ui,'Segoe UI','DejaVu Sans',sans-serif;fill:#6e7781}";

/// Returns the tables and their foreign keys as an SVG document. The same schema always gives the same picture.
pub fn svg(schema: &Schema) -> String {
    let graph = Graph::of(schema);
    let Drawing { width, height, content } = draw(&graph, &|_| None);
    let note = format!(
        "{}, {} · NULL is allowed where the type has a ?",
        count(graph.tables.len(), "table"),
        count(graph.links.len(), "foreign key")
    );
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\">\n<style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"100%\" height=\"100%\"/>\n{content}\
         <text class=\"note\" x=\"{MARGIN}\" y=\"{:.1}\">{note}</text>\n</svg>\n",
        height - 14.0
    )
}

/// Returns the same picture as an element of an HTML page, which brings the style. `label` says what it shows to whoever
/// does not see it, and each table leads to the anchor that `anchor` gives.
pub(crate) fn inline(schema: &Schema, label: &str, anchor: &dyn Fn(&Name) -> Option<String>) -> String {
    let Drawing { width, height, content } = draw(&Graph::of(schema), anchor);
    format!(
        "<svg viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"group\" \
         aria-label=\"{}\">\n{content}</svg>\n",
        escaped(label).replace('"', "&quot;")
    )
}

/// A picture without what is around it.
struct Drawing {
    width: f64,
    height: f64,
    content: String,
}

fn draw(graph: &Graph, anchor: &dyn Fn(&Name) -> Option<String>) -> Drawing {
    let sizes: Vec<Size> = graph.tables.iter().map(size).collect();
    let edges: Vec<Edge> = graph.links.iter().map(|link| edge(link, &graph.links)).collect();
    let layout = lay_out(&sizes, &edges);
    let (width, height) = (layout.size.width + 2.0 * MARGIN, layout.size.height + 2.0 * MARGIN + 12.0);
    let width = width.max(260.0);
    let mut content = format!("<g transform=\"translate({MARGIN} {MARGIN})\">\n");
    for (link, points) in graph.links.iter().zip(&layout.edges) {
        content.push_str(&line(link, points, graph, layout.boxes[link.child], sizes[link.child]));
    }
    for ((table, size), (index, corner)) in graph.tables.iter().zip(&sizes).zip(layout.boxes.iter().enumerate()) {
        let card = card(table, *size, *corner, colour(index));
        content.push_str(&match anchor(&table.name) {
            Some(anchor) => format!("<a href=\"#{}\">{card}</a>", escaped(&anchor).replace('"', "&quot;")),
            None => card,
        });
    }
    content.push_str("</g>\n");
    Drawing { width, height, content }
}

fn count(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn colour(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()]
}

fn size(table: &TableBox) -> Size {
    let of_row = |row: &Row| (characters(&row.name) + characters(&shown_type(row)) + 2.0) * CHARACTER + BADGE;
    let rows = table.rows.iter().map(of_row).fold(0.0, f64::max);
    let width = rows.max(characters(&table.title) * TITLE_CHARACTER).max(110.0) + 22.0;
    let lines = table.rows.len() + usize::from(table.more > 0);
    Size { width: width.round(), height: HEAD + lines as f64 * ROW + 5.0 }
}

fn characters(text: &str) -> f64 {
    text.chars().count() as f64
}

/// Returns the type, shortened to fit on a card.
fn shown_type(row: &Row) -> String {
    let shorter = row
        .data_type
        .replace("character varying", "varchar")
        .replace("timestamp with time zone", "timestamptz")
        .replace("timestamp without time zone", "timestamp")
        .replace("double precision", "float8");
    let long = shorter.chars().count() > 28;
    let shown: String = if long { shorter.chars().take(27).chain(['…']).collect() } else { shorter };
    if row.nullable { format!("{shown}?") } else { shown }
}

fn row_y(row: usize) -> f64 {
    HEAD + row as f64 * ROW + ROW / 2.0 + 2.0
}

/// Returns the edge of a link. All links to a row end at the same point, except that optional ones end a little lower if
/// there are both, because their ends look different.
fn edge(link: &Link, links: &[Link]) -> Edge {
    let mut coming = links.iter().filter(|other| (other.parent, other.parent_row) == (link.parent, link.parent_row));
    let below = match (coming.any(|other| other.optional != link.optional), link.optional) {
        (false, _) => 0.0,
        (true, false) => -5.0,
        (true, true) => 5.5,
    };
    let going = links.iter().filter(|other| (other.child, other.child_row) == (link.child, link.child_row));
    let going: Vec<&Link> = going.collect();
    let at = going.iter().position(|other| std::ptr::eq(*other, link)).unwrap_or_default() as f64;
    let apart = (at - (going.len() as f64 - 1.0) / 2.0) * (12.0 / going.len() as f64).min(5.0);
    Edge {
        from: link.child,
        from_y: row_y(link.child_row) + apart,
        to: link.parent,
        to_y: row_y(link.parent_row) + below,
    }
}

fn card(table: &TableBox, size: Size, corner: Point, colour: &str) -> String {
    let Size { width, height } = size;
    let mut card = format!(
        "<g transform=\"translate({:.1} {:.1})\">\n<rect class=\"card\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>\
         <path d=\"M0 {HEAD}V6a6 6 0 0 1 6-6H{:.1}a6 6 0 0 1 6 6V{HEAD}z\" fill=\"{colour}\"/>\
         <text class=\"title\" x=\"11\" y=\"20\">{}</text>\n",
        corner.x,
        corner.y,
        width - 6.0,
        escaped(&table.title)
    );
    for (index, row) in table.rows.iter().enumerate() {
        let y = row_y(index);
        if index > 0 {
            let top = y - ROW / 2.0;
            card.push_str(&format!("<path class=\"line\" d=\"M1 {top:.1}H{:.1}\"/>", width - 1.0));
        }
        let (badge, class) = match (row.primary, row.foreign) {
            (true, _) => ("PK", "pk"),
            (false, true) => ("FK", "fk"),
            (false, false) => ("", ""),
        };
        if !badge.is_empty() {
            card.push_str(&format!("<text class=\"key {class}\" x=\"11\" y=\"{:.1}\">{badge}</text>", y + 3.5));
        }
        let primary = if row.primary { " primary" } else { "" };
        card.push_str(&format!(
            "<text class=\"name{primary}\" x=\"{BADGE}\" y=\"{y:.1}\">{}</text>\
             <text class=\"type\" x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>\n",
            escaped(&row.name),
            width - 11.0,
            escaped(&shown_type(row)),
            y = y + 4.0,
        ));
    }
    if table.more > 0 {
        let y = row_y(table.rows.len()) + 4.0;
        card.push_str(&format!("<text class=\"more\" x=\"{BADGE}\" y=\"{y:.1}\">… {} more</text>\n", table.more));
    }
    card.push_str("</g>\n");
    card
}

fn line(link: &Link, points: &[Point], graph: &Graph, child: Point, child_size: Size) -> String {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return String::new() };
    let to_itself = link.child == link.parent;
    let mut path = format!("M{:.1} {:.1}", first.x, first.y);
    if to_itself {
        let x = first.x + 38.0;
        path.push_str(&format!("C{x:.1} {:.1} {x:.1} {:.1} {:.1} {:.1}", first.y, last.y, last.x, last.y));
    } else {
        for (index, pair) in points.windows(2).enumerate() {
            let [from, to] = pair else { continue };
            if index % 2 == 1 {
                path.push_str(&format!("H{:.1}", to.x));
            } else {
                let half = (to.x - from.x) / 2.0;
                let (one, other) = (from.x + half, to.x - half);
                path.push_str(&format!("C{one:.1} {:.1} {other:.1} {:.1} {:.1} {:.1}", from.y, to.y, to.x, to.y));
            }
        }
    }
    // Find the child's end, and the side on which the line leaves it.
    let child_is_left = !to_itself
        && (first.x - (child.x + child_size.width)).abs() < 0.5
        && first.y > child.y
        && first.y < child.y + child_size.height;
    let (at_child, at_parent) = if child_is_left { (first, last) } else { (last, first) };
    let (child_way, parent_way) = match (to_itself, child_is_left) {
        (true, _) => (1.0, 1.0),
        (false, true) => (1.0, -1.0),
        (false, false) => (-1.0, 1.0),
    };
    let colour = colour(link.parent);
    let (parent, own) = (escaped(&graph.tables[link.parent].title), escaped(&graph.tables[link.child].title));
    format!(
        "<g stroke=\"{colour}\"><title>{own} ({}) → {parent}</title><path class=\"halo\" d=\"{path}\"/>\
         <path class=\"edge\" d=\"{path}\"/>{}{}</g>\n",
        escaped(&link.columns),
        foot(*at_child, child_way, link.many),
        bar(*at_parent, parent_way, link.optional),
    )
}

/// Draws the child's end, which means zero or many, or zero or one.
fn foot(at: Point, way: f64, many: bool) -> String {
    let Point { x, y } = at;
    let out = x + way * FOOT;
    let foot = match many {
        true => format!("M{out:.1} {y:.1}L{x:.1} {:.1}M{out:.1} {y:.1}L{x:.1} {:.1}", y - 5.0, y + 5.0),
        false => format!("M{0:.1} {1:.1}V{2:.1}", x + way * 6.0, y - 5.0, y + 5.0),
    };
    let hole = x + way * (FOOT + 3.5);
    format!("<path class=\"edge\" d=\"{foot}\"/><circle class=\"hole\" cx=\"{hole:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>")
}

/// Draws the parent's end, which means one, or zero or one.
fn bar(at: Point, way: f64, optional: bool) -> String {
    let Point { x, y } = at;
    let (top, bottom) = (y - 5.0, y + 5.0);
    let first = format!("<path class=\"edge\" d=\"M{:.1} {top:.1}V{bottom:.1}\"/>", x + way * 6.0);
    let second = match optional {
        true => format!("<circle class=\"hole\" cx=\"{:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>", x + way * 13.0),
        false => format!("<path class=\"edge\" d=\"M{:.1} {top:.1}V{bottom:.1}\"/>", x + way * 10.0),
    };
    first + &second
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
