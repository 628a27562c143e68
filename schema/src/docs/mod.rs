//! The documentation of a schema: a page for each table and view as Markdown, and all of it as one HTML page that needs no
//! network. Here are only texts; who calls writes the files.

mod entry;
mod escape;
mod history;
mod html;
mod markdown;

pub use history::History;

use crate::model::Schema;
use entry::Site;

/// What the first lines of every page contain. A file without it is not ours to replace or to delete.
pub const MARK: &str = "written by `cargo xtask schema --docs`";

/// The name under which a [`History`] records what repeatable scripts make.
pub const REPEATABLES: &str = "repeatable scripts";

/// A file of the documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its path below the folder of the documentation, with forward slashes: `tables/users.md`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// The folders below that of the documentation in which there are pages.
pub const FOLDERS: [&str; 2] = ["tables", "views"];

/// Returns the pages of a schema: `README.md`, `index.html`, one for each table and view, and `other.md` if there is
/// anything else. The same schema always gives the same pages.
pub fn pages(schema: &Schema, title: &str, history: &History) -> Vec<Page> {
    let site = Site::of(schema, title, history);
    let page = |path: &str, text: String| Page { path: path.to_owned(), text };
    let mut pages = vec![page("README.md", markdown::index(&site)), page("index.html", html::page(&site, schema))];
    pages.extend(site.entries.iter().map(|entry| page(&entry.path, markdown::entry(&site, entry))));
    if !site.others.is_empty() {
        pages.push(page("other.md", markdown::others(&site)));
    }
    pages
}

/// Writes pages as one text, for another process.
pub fn join(pages: &[Page]) -> String {
    pages.iter().map(|Page { path, text }| format!("{path}\n{}\n{text}", text.len())).collect()
}

/// Reads what [`join`] wrote; `None` if it is something else.
pub fn split(mut text: &str) -> Option<Vec<Page>> {
    let mut pages = Vec::new();
    while !text.is_empty() {
        let (path, rest) = text.split_once('\n')?;
        let (length, rest) = rest.split_once('\n')?;
        let (page, rest) = rest.split_at_checked(length.parse().ok()?)?;
        pages.push(Page { path: path.to_owned(), text: page.to_owned() });
        text = rest;
    }
    Some(pages)
}
