//! The migrations that all contenders apply: the same 155 bytes each, in the layout that each migrator needs.

use std::fs;
use std::io;
use std::path::Path;

use lockgate_source::folder;

use crate::Outcome;

/// The length of one script in bytes.
pub(crate) const BYTES: usize = 155;

/// The script with this number, counted from 1: a table and an index.
pub(crate) fn text(number: usize) -> String {
    let mut text = format!(
        "CREATE TABLE bench_{number:05} (id BIGINT NOT NULL, owner BIGINT NOT NULL, state INT NOT NULL);\n\
         CREATE INDEX bench_{number:05}_owner ON bench_{number:05} (owner);\n"
    );
    text.push_str("-- ");
    while text.len() < BYTES - 1 {
        text.push('.');
    }
    text.push('\n');
    text
}

/// A draft of two kilobytes like one written by hand, with tables that refer to each other, an index, a view and some
/// rows.
fn draft(number: usize) -> String {
    const BYTES: usize = 2000;
    let before = number.saturating_sub(1).max(1);
    let mut text = format!(
        "CREATE TABLE bench_{number:05} (\n    id BIGINT NOT NULL PRIMARY KEY,\n    \
         owner BIGINT NOT NULL REFERENCES bench_{before:05} (id),\n    name TEXT NOT NULL DEFAULT '',\n    \
         state INT NOT NULL CHECK (state >= 0),\n    made_at TIMESTAMPTZ NOT NULL DEFAULT now()\n);\n\
         CREATE INDEX bench_{number:05}_owner ON bench_{number:05} (owner);\n\
         CREATE VIEW bench_{number:05}_open AS SELECT b.id, b.name, b.made_at FROM bench_{number:05} AS b \
         WHERE b.state = 0 AND b.made_at > now() - INTERVAL '7 days';\n"
    );
    if before < number {
        text.push_str(&format!(
            "ALTER TABLE bench_{before:05} ADD COLUMN next BIGINT;\n\
             COMMENT ON TABLE bench_{before:05} IS 'the one before';\n"
        ));
    }
    let mut row = 1;
    while text.len() < BYTES {
        text.push_str(&format!("INSERT INTO bench_{number:05} VALUES ({row}, 1, 'row {row}', {});\n", row % 3));
        row += 1;
    }
    text
}

/// Writes a folder of this many drafts for PostgreSQL. They are not released, so all of them are checked.
pub(crate) fn write_drafts(folder: &Path, count: usize) -> Outcome<()> {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder)?;
    fs::write(folder.join("migrations.toml"), "dialects = [\"postgres\"]\n")?;
    (1..=count).try_for_each(|number| fs::write(folder.join(Layout::Plain.path(number)), draft(number)))?;
    Ok(())
}

/// The layout of a migrator's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `00001_bench.sql`
    Plain,
    /// `00001_bench.sql`, and a lockfile in which all but the newest are frozen.
    Locked,
    /// `V00001__bench.sql`
    Refinery,
    /// `00001_bench/up.sql`
    Diesel,
    /// `00001_bench.sql`, and a `list.in` that includes each file.
    List,
}

impl Layout {
    fn path(self, number: usize) -> String {
        match self {
            Self::Plain | Self::Locked | Self::List => format!("{number:05}_bench.sql"),
            Self::Refinery => format!("V{number:05}__bench.sql"),
            Self::Diesel => format!("{number:05}_bench/up.sql"),
        }
    }

    /// Returns the path of the newest migration in the folder, which a developer still edits.
    pub(crate) fn newest(self, count: usize) -> String {
        self.path(count)
    }
}

/// Writes a folder of this many migrations. Files that need no change keep their times.
pub(crate) fn write(folder: &Path, layout: Layout, count: usize) -> Outcome<()> {
    fs::create_dir_all(folder)?;
    let one = |number| {
        let path = folder.join(layout.path(number));
        fs::create_dir_all(path.parent().expect("it is in the folder"))?;
        keep(&path, &text(number))
    };
    (1..=count).try_for_each(one)?;
    if layout == Layout::Locked {
        let mut folder = folder::load(&fs::canonicalize(folder)?, "migrations").folder;
        let newest = folder.migrations.pop();
        let released = folder::freeze(&folder, None);
        folder.migrations.extend(newest);
        let text = folder::with_drafts(&folder, Some(&released)).render();
        keep(&folder.root.join("migrations.lock"), &text)?;
    }
    if layout == Layout::List {
        let entry = |number| {
            let path = fs::canonicalize(folder.join(layout.path(number)))?;
            Ok(format!("    ({:?}, include_str!({path:?})),\n", format!("{number:05}_bench")))
        };
        let entries = (1..=count).map(entry).collect::<io::Result<String>>()?;
        keep(&folder.join("list.in"), &format!("&[\n{entries}]\n"))?;
    }
    Ok(())
}

/// Returns all migrations in one script, for the shells.
pub(crate) fn all(count: usize) -> String {
    (1..=count).map(text).collect()
}

/// Writes a file, unless it already has this text.
pub(crate) fn keep(path: &Path, text: &str) -> io::Result<()> {
    if fs::read(path).is_ok_and(|bytes| bytes == text.as_bytes()) {
        return Ok(());
    }
    fs::write(path, text)
}
