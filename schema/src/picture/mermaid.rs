//! Writes a picture as Mermaid, which forges, wikis and editors draw.

use super::graph::Graph;
use crate::model::Schema;

/// Returns the tables and their foreign keys as an `erDiagram` of Mermaid.
pub fn mermaid(schema: &Schema) -> String {
    let graph = Graph::of(schema);
    let mut text = "erDiagram\n".to_owned();
    for table in &graph.tables {
        text.push_str(&format!("    {} {{\n", quoted(&table.title)));
        for row in &table.rows {
            let keys = match (row.primary, row.foreign) {
                (true, true) => " PK, FK",
                (true, false) => " PK",
                (false, true) => " FK",
                (false, false) => "",
            };
            let nullable = if row.nullable { " \"or NULL\"" } else { "" };
            text.push_str(&format!("        {} {}{keys}{nullable}\n", word(&row.data_type), word(&row.name)));
        }
        text.push_str("    }\n");
    }
    for link in &graph.links {
        let one = if link.optional { "|o" } else { "||" };
        let many = if link.many { "o{" } else { "o|" };
        let (parent, child) = (&graph.tables[link.parent].title, &graph.tables[link.child].title);
        text.push_str(&format!("    {} {one}--{many} {} : {}\n", quoted(parent), quoted(child), quoted(&link.columns)));
    }
    text
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace(['"', '\n', '\r'], "'"))
}

/// Replaces the characters that Mermaid does not accept in the name of a column or a type.
fn word(text: &str) -> String {
    let kept = |c: char| if c.is_alphanumeric() || matches!(c, '_' | '-' | '(' | ')' | '[' | ']') { c } else { '_' };
    let word: String = text.replace(", ", "-").chars().map(kept).collect();
    if word.starts_with(|c: char| c.is_alphabetic() || c == '_') { word } else { format!("_{word}") }
}
