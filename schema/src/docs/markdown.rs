//! Writes the pages as Markdown, which forges and editors show.

use super::MARK;
use super::entry::{Entry, Field, Line, Other, Referrer, Site, Target};
use super::escape::{block, code, line, paragraph};
use super::history::Origin;
use crate::picture;

fn head(title: &str) -> String {
    format!("<!-- {MARK}: what is changed here is lost -->\n\n# {}\n\n", line(title))
}

/// Writes the page that leads to all others.
pub(super) fn index(site: &Site<'_>) -> String {
    let mut page = head(&format!("Schema of {}", site.title));
    page.push_str(&format!("{}: {}. [As one page, with a picture](index.html)\n", site.product, site.counts()));
    for (title, is_view) in [("Tables", false), ("Views", true)] {
        let entries: Vec<&Entry<'_>> = site.entries.iter().filter(|entry| entry.is_view == is_view).collect();
        if entries.is_empty() {
            continue;
        }
        let mut table = Cells::new(["Name", "Columns", "Comment", "Made by", "Last changed by"]);
        for entry in entries {
            let [made, changed] = origin(entry.origin.as_ref());
            let name = format!("[{}]({})", line(&entry.title), link(&entry.path));
            let comment = entry.comment.map(line).unwrap_or_default();
            table.row([name, entry.columns.len().to_string(), comment, made, changed]);
        }
        page.push_str(&format!("\n## {title}\n\n{}", table.text()));
    }
    if !site.others.is_empty() {
        page.push_str("\n## Other objects\n\n");
        for other in &site.others {
            page.push_str(&format!("* [{}](other.md)\n", line(&other.title)));
        }
    }
    page
}

/// Writes the page of a table or a view.
pub(super) fn entry(site: &Site<'_>, entry: &Entry<'_>) -> String {
    let mut page = head(&entry.title);
    page.push_str(&format!("[Schema of {}](../README.md) · {}", line(site.title), line(&entry.kind)));
    page.push_str(&match &entry.origin {
        None => "\n".to_owned(),
        Some(Origin { made, changed: None }) => format!(" · made by {}\n", code(made)),
        Some(Origin { made, changed: Some(changed) }) => {
            format!(" · made by {}, last changed by {}\n", code(made), code(changed))
        }
    });
    if let Some(comment) = entry.comment {
        page.push_str(&format!("\n{}\n", paragraph(comment)));
    }
    if !entry.columns.is_empty() {
        page.push_str(&format!("\n## Columns\n\n{}", columns(site, &entry.columns)));
    }
    for (title, lines) in [("Constraints", &entry.constraints), ("Indexes", &entry.indexes)] {
        if !lines.is_empty() {
            page.push_str(&format!("\n## {title}\n\n{}", listed(lines)));
        }
    }
    if !entry.referrers.is_empty() {
        page.push_str("\n## Referred to by\n\n");
        for Referrer { entry, columns, referred } in &entry.referrers {
            let other = &site.entries[*entry];
            let to = if referred.is_empty() { String::new() } else { format!(" → {}", code(&referred.join(", "))) };
            page.push_str(&format!(
                "* [{}](../{}) {}{to}\n",
                line(&other.title),
                link(&other.path),
                code(&columns.join(", "))
            ));
        }
    }
    for Other { title, text, origin: made } in &entry.attached {
        page.push_str(&format!("\n## {}\n\n{}{}", line(title), dated(made.as_ref()), block("text", text)));
    }
    if let Some(query) = entry.query {
        page.push_str(&format!("\n## Query\n\n{}", block("sql", query)));
    }
    if let Some(neighbourhood) = &entry.neighbourhood {
        page.push_str(&format!("\n## Picture\n\n{}", block("mermaid", &picture::mermaid(neighbourhood))));
    }
    page.push_str(&format!("\n## As text\n\n{}", block("text", &entry.text)));
    page
}

/// Writes the page of everything that has no page of its own.
pub(super) fn others(site: &Site<'_>) -> String {
    let mut page = head("Other objects");
    page.push_str(&format!("[Schema of {}](README.md)\n", line(site.title)));
    for Other { title, text, origin: made } in &site.others {
        page.push_str(&format!("\n## {}\n\n{}{}", line(title), dated(made.as_ref()), block("text", text)));
    }
    page
}

fn columns(site: &Site<'_>, columns: &[Field]) -> String {
    let mut table = Cells::new(["Column", "Type", "NULL", "Default", "Key", "Comment", "Made by", "Last changed by"]);
    for column in columns {
        let mut keys = Vec::new();
        if column.is_primary {
            keys.push("primary".to_owned());
        }
        keys.extend(column.refers_to.iter().map(|Target { entry, title }| match entry {
            Some(entry) => format!("→ [{}](../{})", line(title), link(&site.entries[*entry].path)),
            None => format!("→ {}", line(title)),
        }));
        let [made, changed] = origin(column.origin.as_ref());
        table.row([
            code(&column.name),
            code(&column.data_type),
            if column.nullable { "yes".to_owned() } else { String::new() },
            column.default.as_deref().map(code).unwrap_or_default(),
            keys.join(", "),
            column.comment.as_deref().map(line).unwrap_or_default(),
            made,
            changed,
        ]);
    }
    table.text()
}

fn listed(lines: &[Line]) -> String {
    let mut table = Cells::new(["Name", "Definition", "Comment", "Made by", "Last changed by"]);
    for Line { name, definition, comment, origin: made } in lines {
        let [made, changed] = origin(made.as_ref());
        let name = name.as_deref().map(code).unwrap_or_default();
        table.row([name, code(definition), comment.as_deref().map(line).unwrap_or_default(), made, changed]);
    }
    table.text()
}

fn origin(origin: Option<&Origin>) -> [String; 2] {
    let Some(Origin { made, changed }) = origin else { return [String::new(), String::new()] };
    [code(made), changed.as_deref().map(code).unwrap_or_default()]
}

fn dated(made: Option<&Origin>) -> String {
    match made {
        None => String::new(),
        Some(Origin { made, changed: None }) => format!("Made by {}.\n\n", code(made)),
        Some(Origin { made, changed: Some(changed) }) => {
            format!("Made by {}, last changed by {}.\n\n", code(made), code(changed))
        }
    }
}

/// Writes a path as the target of a link.
fn link(path: &str) -> String {
    let encoded = |c: char| match c {
        c if c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_') => c.to_string(),
        c => {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")).collect()
        }
    };
    path.chars().map(encoded).collect()
}

/// A table of Markdown. Columns in which no row says anything are left out.
struct Cells<const N: usize> {
    head: [&'static str; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Cells<N> {
    fn new(head: [&'static str; N]) -> Self {
        Self { head, rows: Vec::new() }
    }

    fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    fn text(&self) -> String {
        let kept: Vec<usize> =
            (0..N).filter(|&at| at == 0 || self.rows.iter().any(|row| !row[at].is_empty())).collect();
        let line = |cell: &dyn Fn(usize) -> String| {
            let cells: Vec<String> = kept.iter().map(|&at| cell(at)).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let mut text = line(&|at| self.head[at].to_owned());
        text.push_str(&line(&|_| "---".to_owned()));
        for row in &self.rows {
            text.push_str(&line(&|at| row[at].clone()));
        }
        text
    }
}
