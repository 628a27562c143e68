//! `cargo xtask schema --docs`: the pages of a schema, and the HTML page in a real browser.

use crate::support::browser::{Browser, ENTER, ESCAPE, RIGHT, TAB};
use crate::support::scratch::Scratch;

const MIGRATIONS: [(&str, &str); 4] = [
    ("0001_readers.sql", "CREATE TABLE readers (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n"),
    (
        "0002_loans.sql",
        "CREATE TABLE loans (id INTEGER PRIMARY KEY, reader INTEGER NOT NULL REFERENCES readers (id), book TEXT);\n\
         CREATE INDEX loans_book ON loans (book);\n",
    ),
    (
        "0003_late.sql",
        "ALTER TABLE loans ADD COLUMN is_late BOOLEAN NOT NULL DEFAULT FALSE;\n\
         CREATE TABLE fines (loan INTEGER NOT NULL REFERENCES loans (id), cents INTEGER NOT NULL CHECK (cents > 0));\n",
    ),
    (
        "R__late_readers.sql",
        "CREATE VIEW late_readers AS SELECT reader FROM loans WHERE is_late AND '</script>|`' <> '';\n",
    ),
];

/// A package for SQLite with these migrations.
fn library() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("app/migrations/migrations.toml", "dialects = [\"sqlite\"]\n");
    MIGRATIONS.iter().for_each(|(file, text)| scratch.write(&format!("app/migrations/{file}"), text));
    scratch
}

#[test]
fn the_pages_are_written_and_say_which_migration_made_what() {
    let scratch = library();
    let output = scratch.run(&["schema", "--docs", "docs/schema"]).succeeds();
    assert_eq!(output, "docs/schema: 6 of 6 pages written\n");
    let loans = scratch.read("docs/schema/tables/loans.md");
    for says in [
        "· Table · made by `0002_loans`, last changed by `0003_late`\n",
        "| `reader` | `INTEGER` |  |  | → [readers](../tables/readers.md) | `0002_loans` |\n",
        "| `is_late` | `BOOLEAN` |  | `FALSE` |  | `0003_late` |\n",
        "* [fines](../tables/fines.md) `loan` → `id`\n",
        "```mermaid\nerDiagram\n    \"fines\" {\n",
    ] {
        assert!(loans.contains(says), "{says}: {loans}");
    }
    let view = scratch.read("docs/schema/views/late_readers.md");
    assert!(view.contains("· View · made by `repeatable scripts`\n"), "{view}");
    assert!(scratch.read("docs/schema/README.md").contains("# Schema of app\n"));
    let output = scratch.run(&["schema", "--docs", "docs/schema"]).succeeds();
    assert_eq!(output, "docs/schema is up to date\n");
}

#[test]
fn stale_pages_are_listed_with_the_command_that_updates_them() {
    let scratch = library();
    let output = scratch.run(&["schema", "--docs", "docs/schema", "--check"]).fails(1);
    assert!(output.contains("docs/schema/tables/loans.md: is missing\n"), "{output}");
    scratch.run(&["schema", "--docs", "docs/schema"]).succeeds();
    assert_eq!(scratch.run(&["schema", "--docs", "docs/schema", "--check"]).succeeds(), "docs/schema is up to date\n");
    let before = scratch.read("docs/schema/README.md");
    scratch.write("docs/schema/README.md", &before.replace('\n', "\r\n"));
    scratch.run(&["schema", "--check", "--docs", "docs/schema"]).succeeds();

    scratch.write("docs/schema/tables/notes.md", "Ours.\n");
    scratch.write("app/migrations/0004_no_fines.sql", "DROP TABLE fines;\n");
    let everything = scratch.everything();
    let output = scratch.run(&["schema", "--docs", "docs/schema", "--check"]).fails(1);
    for says in [
        "docs/schema/README.md: is out of date\n",
        "docs/schema/tables/loans.md: is out of date\n",
        "docs/schema/tables/fines.md: describes what is gone\n",
        "error: docs/schema is out of date: `cargo xtask schema --docs docs/schema` updates it\n",
    ] {
        assert!(output.contains(says), "{says}: {output}");
    }
    assert!(!output.contains("readers.md"), "{output}");
    assert_eq!(scratch.everything(), everything, "a check writes nothing");
    let output = scratch.run(&["schema", "--docs", "docs/schema"]).succeeds();
    assert_eq!(output, "docs/schema: 3 of 5 pages written, 1 removed\n");
    assert!(!scratch.path("docs/schema/tables/fines.md").exists());
    assert_eq!(scratch.read("docs/schema/tables/notes.md"), "Ours.\n", "what others wrote stays");
    scratch.run(&["schema", "--docs", "docs/schema", "--check"]).succeeds();
}

#[test]
fn what_someone_else_wrote_is_not_lost() {
    let scratch = library();
    scratch.write("docs/README.md", "# Our documents\n");
    let output = scratch.run(&["schema", "--docs", "docs"]).fails(1);
    let says = "docs/README.md would be lost, as this command did not write it: move it, or name another folder";
    assert!(output.contains(says), "{output}");
    assert_eq!(scratch.read("docs/README.md"), "# Our documents\n");
    assert!(!scratch.path("docs/index.html").exists(), "nothing was written");
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let scratch = library();
    let output = scratch.run(&["schema", "--check"]).fails(2);
    assert!(output.contains("`cargo xtask schema --write app/migrations/schema.txt` creates it"), "{output}");
    let output = scratch.run(&["schema", "--docs", "docs", "--check", "schema.txt"]).fails(2);
    assert!(output.contains("leave out `schema.txt`"), "{output}");
    scratch.run(&["schema", "--docs", "docs", "--svg"]).fails(2);
    scratch.write("app/migrations/0004_step.rs", "pub async fn up() {}\n");
    let output = scratch.run(&["schema", "--docs", "docs"]).fails(1);
    assert!(output.contains("`0004_step` is a Rust step, which only a program of `app` can run"), "{output}");
    scratch.run(&["schema", "--docs", "docs", "--at", "3"]).succeeds();
}

#[test]
fn an_existing_database_is_documented_without_a_history() {
    let scratch = library();
    let file = scratch.path("head.db");
    scratch.write("head.db", "");
    let url = format!("sqlite://{}", file.display());
    let output = scratch.run(&["schema", "--docs", "docs", "--database-url", &url]).succeeds();
    assert_eq!(output, "docs: 2 of 2 pages written\n");
    assert!(scratch.read("docs/README.md").contains("# Schema of the database\n\nSQLite: 0 tables."));
}

/// The page is right at every width and in both schemes, finds what is searched, and needs no mouse and no network.
#[test]
fn the_page_works_in_a_browser() {
    let Some(browser) = Browser::start() else { return };
    let scratch = library();
    scratch.run(&["schema", "--docs", "docs"]).succeeds();
    let page = scratch.path("docs/index.html");

    for (width, height) in [(320, 640), (800, 600), (1920, 1080)] {
        for (scheme, page_colour) in [("light", "rgb(255, 255, 255)"), ("dark", "rgb(13, 17, 23)")] {
            browser.look(width, height, scheme);
            browser.open(&page);
            let place = format!("{width} px, {scheme}");
            assert_eq!(browser.value("innerWidth"), width, "{place}");
            assert_eq!(browser.value("getComputedStyle(document.body).backgroundColor"), page_colour, "{place}");
            // The page does not scroll sideways, and nothing is cut off where it cannot be scrolled to.
            assert!(browser.holds("document.documentElement.scrollWidth <= innerWidth"), "{place}");
            let outside = browser.value(
                "[...document.querySelectorAll('main *, nav *, header *')].filter(element => !element.closest('svg, .scroll, \
                 pre, .skip') && element.getBoundingClientRect().right > innerWidth + 1).map(element => element.outerHTML)",
            );
            assert_eq!(outside.as_array().map(Vec::len), Some(0), "{place}: {outside}");
            let contrast = browser.value(CONTRAST);
            assert_eq!(contrast.as_array().map(Vec::len), Some(0), "{place}: low contrast: {contrast}");
            let small = browser.value(
                "[...document.querySelectorAll('button')].filter(button => { const box = button.getBoundingClientRect(); \
                 return box.width < 24 || box.height < 24; }).length",
            );
            assert_eq!(small, 0, "{place}: a button is too small for a finger");
            assert_eq!(browser.holds("document.querySelector('nav details').open"), width >= 960, "{place}");
        }
    }
    assert_eq!(browser.value("performance.getEntriesByType('resource').length"), 0, "the page loads nothing");
    assert_eq!(browser.value("document.scripts.length"), 1);

    // The search, by keyboard alone. A word in a cell finds the table, and marks the row.
    browser.press("/");
    assert_eq!(browser.value("document.activeElement.id"), "search");
    browser.press("late fal");
    let shown = "[...document.querySelectorAll('.entry')].filter(entry => !entry.hidden).map(entry => entry.id).join()";
    assert_eq!(browser.value(shown), "table-loans");
    assert_eq!(browser.value("document.getElementById('hits').textContent"), "1 of 4");
    let marked = "[...document.querySelectorAll('tr.hit th')].map(cell => cell.textContent).join()";
    assert_eq!(browser.value(marked), "is_late");
    assert_eq!(browser.value("[...document.querySelectorAll('nav li')].filter(item => !item.hidden).length"), 1);
    browser.press(&ENTER.to_string());
    assert_eq!(browser.value("document.activeElement.textContent"), "loans");
    assert_eq!(
        browser.value("Math.abs(document.getElementById('table-loans').getBoundingClientRect().top) < 40"),
        true
    );
    browser.press("/");
    browser.press("nowhere");
    assert!(browser.holds("!document.getElementById('nothing').hidden"));
    browser.press(&ESCAPE.to_string());
    assert_eq!(browser.value(shown), "table-fines,table-loans,table-readers,view-late_readers");
    // A link to what the search hides shows it again.
    browser.press("fines");
    browser.value("(location.hash = '#table-readers', 1)");
    browser.value("new Promise(resolve => setTimeout(resolve, 50))");
    assert!(browser.holds("!document.getElementById('table-readers').hidden"));

    // The picture, by keyboard alone.
    let focused = "document.activeElement.className";
    browser.value("(document.querySelector('.whole .tools button:last-child').focus(), 1)");
    browser.press(&TAB.to_string());
    assert_eq!(browser.value(focused), "canvas");
    let view = "document.querySelector('.whole svg').getAttribute('viewBox')";
    let whole = browser.value(view);
    browser.press(&RIGHT.to_string());
    assert_eq!(browser.value(view), whole, "what is seen whole does not move");
    browser.press("+");
    let near = browser.value(view);
    assert_ne!(near, whole);
    browser.press(&RIGHT.to_string());
    assert_ne!(browser.value(view), near);
    browser.press("0");
    assert_eq!(browser.value(view), whole);
    // Each table in it is a link.
    browser.press(&format!("{TAB}{ENTER}"));
    assert_eq!(browser.value("location.hash"), "#table-fines");

    // By pointer: the buttons.
    browser.value("(document.querySelector('.whole [data-zoom=in]').click(), 1)");
    assert_ne!(browser.value(view), whole);
    browser.value("(document.querySelector('.whole [data-zoom=all]').click(), 1)");
    assert_eq!(browser.value(view), whole);

    // Everything can be reached with the tab key, and shows that it is.
    let unreachable = browser.value(
        "[...document.querySelectorAll('a, button, input, summary')].filter(element => element.tabIndex < 0).length",
    );
    assert_eq!(unreachable, 0);
}

/// Lists the texts whose contrast with what is behind them is below 4.5 : 1.
const CONTRAST: &str = "(() => {
    const parts = colour => (colour.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
    const light = colour => {
        const [r, g, b] = parts(colour).slice(0, 3).map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = element => {
        for (let at = element; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if ((parts(colour)[3] ?? 1) > 0) return colour;
        }
        return 'rgb(255, 255, 255)';
    };
    const low = [];
    for (const element of document.querySelectorAll('body *')) {
        const has_text = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim() !== '');
        if (!has_text || element.closest('svg, script, [hidden]')) continue;
        const [one, other] = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => b - a);
        const ratio = (one + 0.05) / (other + 0.05);
        if (ratio < 4.5) low.push(`${element.tagName} ${element.textContent.trim()}: ${ratio.toFixed(1)}`);
    }
    return low;
})()";
