//! Writes everything as one HTML page. It loads nothing, and without its script it only lacks search and zoom.

use super::MARK;
use super::entry::{Entry, Field, Line, Other, Referrer, Site, Target};
use super::escape::html;
use super::history::Origin;
use crate::model::{Name, Schema};
use crate::picture;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Writes the page.
pub(super) fn page(site: &Site<'_>, schema: &Schema) -> String {
    let title = html(&format!("Schema of {}", site.title));
    // The policy forbids every request, should anything on the page ever try one.
    let mut page = format!(
        "<!DOCTYPE html>\n<!-- {MARK}: what is changed here is lost -->\n<html lang=\"en\">\n<head>\n\
         <meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">Skip to the tables</a>\n<header>\n<h1>{title}</h1>\n\
         <p class=\"counts\">{} · {}</p>\n\
         <form class=\"search\" role=\"search\" hidden>\n<label for=\"search\">Search tables, columns and comments</label>\n\
         <input id=\"search\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\" placeholder=\"Search ( / )\">\n\
         <output id=\"hits\" for=\"search\"></output>\n</form>\n</header>\n<div class=\"columns\">\n",
        html(site.product),
        html(&site.counts()),
    );
    page.push_str(&navigation(site));
    page.push_str("<main id=\"main\" tabindex=\"-1\">\n");
    if site.tables().next().is_some() {
        page.push_str("<section class=\"whole\">\n<h2 id=\"picture\">Picture</h2>\n");
        page.push_str(&drawing(site, schema, "All tables and foreign keys"));
        page.push_str("</section>\n");
    }
    for entry in &site.entries {
        page.push_str(&section(site, entry));
    }
    for (index, other) in site.others.iter().enumerate() {
        page.push_str(&format!(
            "<section class=\"entry\" id=\"{}\">\n<h2>{}</h2>\n{}<pre tabindex=\"0\">{}</pre>\n</section>\n",
            other_anchor(index),
            html(&other.title),
            dated(other.origin.as_ref()),
            html(&other.text)
        ));
    }
    page.push_str("<p id=\"nothing\" hidden>Nothing has these words.</p>\n</main>\n</div>\n");
    page.push_str(&format!("<script>\n{SCRIPT}</script>\n</body>\n</html>\n"));
    page
}

fn other_anchor(index: usize) -> String {
    format!("other-{}", index + 1)
}

fn navigation(site: &Site<'_>) -> String {
    let mut text = "<nav aria-label=\"Tables and views\">\n<details open>\n<summary>Contents</summary>\n".to_owned();
    let mut list = |title: &str, links: Vec<(String, String)>| {
        if links.is_empty() {
            return;
        }
        text.push_str(&format!("<h2>{title}</h2>\n<ul>\n"));
        for (anchor, name) in links {
            text.push_str(&format!("<li><a href=\"#{}\">{}</a></li>\n", html(&anchor), html(&name)));
        }
        text.push_str("</ul>\n");
    };
    let of = |entry: &Entry<'_>| (entry.anchor.clone(), entry.title.clone());
    list("Tables", site.tables().map(of).collect());
    list("Views", site.views().map(of).collect());
    let others = site.others.iter().enumerate();
    list("Other objects", others.map(|(index, other)| (other_anchor(index), other.title.clone())).collect());
    text.push_str("</details>\n</nav>\n");
    text
}

/// Writes a picture that can be zoomed.
fn drawing(site: &Site<'_>, schema: &Schema, label: &str) -> String {
    let anchor = |name: &Name| {
        site.entries.iter().find(|entry| !entry.is_view && entry.name == name).map(|entry| entry.anchor.clone())
    };
    let label = html(label);
    format!(
        "<figure class=\"picture\">\n<div class=\"tools\" hidden>\n\
         <button type=\"button\" data-zoom=\"in\" aria-label=\"Zoom in: {label}\">+</button>\n\
         <button type=\"button\" data-zoom=\"out\" aria-label=\"Zoom out: {label}\">−</button>\n\
         <button type=\"button\" data-zoom=\"all\" aria-label=\"Show all: {label}\">All</button>\n</div>\n\
         <div class=\"canvas\" tabindex=\"0\" role=\"group\" aria-label=\"{label}. Zoom with + and −, move with the arrow \
         keys, show all with 0\">\n{}</div>\n</figure>\n",
        picture::inline(schema, "Tables", &anchor)
    )
}

fn section(site: &Site<'_>, entry: &Entry<'_>) -> String {
    let (anchor, title) = (html(&entry.anchor), html(&entry.title));
    let mut text = format!(
        "<section class=\"entry\" id=\"{anchor}\" aria-labelledby=\"{anchor}-name\">\n\
         <h2 id=\"{anchor}-name\"><a href=\"#{anchor}\">{title}</a></h2>\n<p class=\"kind\">{}{}</p>\n",
        html(&entry.kind),
        match &entry.origin {
            None => String::new(),
            Some(origin) => format!(" · {}", made(origin)),
        }
    );
    if let Some(comment) = entry.comment {
        text.push_str(&format!("<p class=\"comment\">{}</p>\n", html(comment.trim())));
    }
    if !entry.columns.is_empty() {
        text.push_str(&columns(site, entry));
    }
    for (name, lines) in [("Constraints", &entry.constraints), ("Indexes", &entry.indexes)] {
        if !lines.is_empty() {
            text.push_str(&listed(entry, name, lines));
        }
    }
    if !entry.referrers.is_empty() {
        text.push_str("<h3>Referred to by</h3>\n<ul>\n");
        for Referrer { entry, columns, referred } in &entry.referrers {
            let other = &site.entries[*entry];
            let to = match &**referred {
                [] => String::new(),
                referred => format!(" → <code>{}</code>", html(&referred.join(", "))),
            };
            text.push_str(&format!(
                "<li><a href=\"#{}\">{}</a> <code>{}</code>{to}</li>\n",
                html(&other.anchor),
                html(&other.title),
                html(&columns.join(", "))
            ));
        }
        text.push_str("</ul>\n");
    }
    for Other { title, text: definition, origin } in &entry.attached {
        text.push_str(&format!(
            "<h3>{}</h3>\n{}<pre tabindex=\"0\">{}</pre>\n",
            html(title),
            dated(origin.as_ref()),
            html(definition)
        ));
    }
    if let Some(query) = entry.query {
        text.push_str(&format!("<h3>Query</h3>\n<pre tabindex=\"0\">{}</pre>\n", html(query)));
    }
    if let Some(neighbourhood) = &entry.neighbourhood
        && neighbourhood.tables.len() > 1
    {
        text.push_str("<h3>Picture</h3>\n");
        let label = format!("{} and the tables beside it", entry.title);
        text.push_str(&drawing(site, neighbourhood, &label));
    }
    text.push_str(&format!(
        "<details class=\"text\"><summary>As text</summary>\n<pre tabindex=\"0\">{}</pre>\n</details>\n</section>\n",
        html(&entry.text)
    ));
    text
}

fn columns(site: &Site<'_>, entry: &Entry<'_>) -> String {
    let says = |of: &dyn Fn(&Field) -> bool| entry.columns.iter().any(of);
    let has_default = says(&|column| column.default.is_some());
    let has_key = says(&|column| column.is_primary || !column.refers_to.is_empty());
    let has_comment = says(&|column| column.comment.is_some());
    let head: Vec<&str> = [
        ("Column", true),
        ("Type", true),
        ("NULL", true),
        ("Default", has_default),
        ("Key", has_key),
        ("Comment", has_comment),
        ("Since", site.has_history),
    ]
    .into_iter()
    .filter_map(|(word, is_shown)| is_shown.then_some(word))
    .collect();
    let mut rows = String::new();
    for column in &entry.columns {
        let mut keys: Vec<String> = Vec::new();
        if column.is_primary {
            keys.push("primary".to_owned());
        }
        keys.extend(column.refers_to.iter().map(|Target { entry, title }| match entry {
            Some(entry) => format!("→ <a href=\"#{}\">{}</a>", html(&site.entries[*entry].anchor), html(title)),
            None => format!("→ {}", html(title)),
        }));
        let code = |text: &str| format!("<code>{}</code>", html(text));
        let mut cells = vec![code(&column.data_type), if column.nullable { "yes" } else { "no" }.to_owned()];
        if has_default {
            cells.push(column.default.as_deref().map(code).unwrap_or_default());
        }
        if has_key {
            cells.push(keys.join(", "));
        }
        if has_comment {
            cells.push(column.comment.as_deref().map(html).unwrap_or_default());
        }
        if site.has_history {
            cells.push(column.origin.as_ref().map(since).unwrap_or_default());
        }
        let cells: String = cells.into_iter().map(|cell| format!("<td>{cell}</td>")).collect();
        rows.push_str(&format!("<tr><th scope=\"row\">{}</th>{cells}</tr>\n", code(&column.name)));
    }
    table(&format!("Columns of {}", entry.title), &head, &rows)
}

fn listed(entry: &Entry<'_>, title: &str, lines: &[Line]) -> String {
    let has_comment = lines.iter().any(|line| line.comment.is_some());
    let has_origin = lines.iter().any(|line| line.origin.is_some());
    let mut head = vec!["Name", "Definition"];
    head.extend(has_comment.then_some("Comment"));
    head.extend(has_origin.then_some("Since"));
    let mut rows = String::new();
    for Line { name, definition, comment, origin } in lines {
        let name = name.as_deref().map(|name| format!("<code>{}</code>", html(name))).unwrap_or_default();
        rows.push_str(&format!("<tr><td>{name}</td><td><code>{}</code></td>", html(definition)));
        if has_comment {
            rows.push_str(&format!("<td>{}</td>", comment.as_deref().map(html).unwrap_or_default()));
        }
        if has_origin {
            rows.push_str(&format!("<td>{}</td>", origin.as_ref().map(since).unwrap_or_default()));
        }
        rows.push_str("</tr>\n");
    }
    format!("<h3>{title}</h3>\n{}", table(&format!("{title} of {}", entry.title), &head, &rows))
}

/// Writes a table that scrolls by itself where the page is narrow.
fn table(label: &str, head: &[&str], rows: &str) -> String {
    let head: String = head.iter().map(|word| format!("<th scope=\"col\">{word}</th>")).collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n<table>\n<thead><tr>{head}</tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n</div>\n",
        html(label)
    )
}

fn made(Origin { made, changed }: &Origin) -> String {
    let changed = changed.as_ref().map(|changed| format!(", last changed by <code>{}</code>", html(changed)));
    format!("made by <code>{}</code>{}", html(made), changed.unwrap_or_default())
}

fn since(Origin { made, changed }: &Origin) -> String {
    let changed = changed.as_ref().map(|changed| format!("<br>changed by <code>{}</code>", html(changed)));
    format!("<code>{}</code>{}", html(made), changed.unwrap_or_default())
}

fn dated(origin: Option<&Origin>) -> String {
    origin.map(|origin| format!("<p class=\"kind\">{}</p>\n", made(origin))).unwrap_or_default()
}
