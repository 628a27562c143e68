//! The snapshots of the schema that the migrations make: `schema.txt` beside them, or one for each database. The set embeds
//! what is needed to compare a live database with them. Only a server can say whether a snapshot is up to date.

use lockgate_core::Dialect;
use lockgate_core::snapshot::{self, FORM, Head, NamedAfter, Snapshot};

use super::model::{Folder, SnapshotFile};
use super::policy::Numbering;
use super::read::{self, Listing};
use crate::sql::suggest;
use crate::{Code, Diagnostic};

/// The name of the only snapshot of a folder.
pub const FILE: &str = "schema.txt";

/// Whether a file directly in the folder is a snapshot: `schema.txt`, or `schema.<database>.txt`.
pub fn is_named(path: &str) -> bool {
    path == FILE || named_word(path).is_some()
}

/// Returns the word between `schema.` and `.txt`.
fn named_word(path: &str) -> Option<&str> {
    let word = path.strip_prefix("schema.")?.strip_suffix(".txt")?;
    (!word.is_empty() && !word.contains('/')).then_some(word)
}

/// Reads the snapshots of a folder whose migrations have been read.
pub(super) fn read(folder: &mut Folder, listing: &Listing) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for found in listing.files.iter().filter(|found| is_named(&found.path)) {
        let shown = folder.show(&found.path);
        folder.tracked.push(found.absolute.clone());
        let text = match read::text(&found.absolute, &shown) {
            Ok(text) => text,
            Err(problem) => {
                diagnostics.push(*problem);
                continue;
            }
        };
        match understand(folder, &found.path, &text) {
            Ok((snapshot, database)) => {
                let (path, absolute) = (found.path.clone(), found.absolute.clone());
                folder.snapshots.push(SnapshotFile { path, absolute, text, snapshot, database });
            }
            Err((message, help)) => {
                let message = format!("`{}` {message}", found.path);
                diagnostics.push(Diagnostic::error(Code::BadSnapshot, shown, message).help(help));
            }
        }
    }
    diagnostics
}

/// Returns what the text of a snapshot says, and the database that its name says; or what is wrong, and the way out.
fn understand(folder: &Folder, path: &str, text: &str) -> Result<(Snapshot, Option<String>), (String, String)> {
    let shown = folder.show(path);
    let write = |options: &str| format!("run `cargo xtask schema --write {shown}{options}`");
    let is_conflict = |line: &str| ["<<<<<<< ", "=======", ">>>>>>> "].iter().any(|mark| line.starts_with(mark));
    if text.lines().any(is_conflict) {
        let dialect = text.lines().find_map(Head::parse).map(|head| format!(" --dialect {}", head.dialect));
        return Err(("has a merge conflict".to_owned(), write(&dialect.unwrap_or_default())));
    }
    let named_after = match named_word(path) {
        None => NamedAfter::Nothing,
        Some(_) if folder.policy.numbering == Numbering::Encoded => NamedAfter::Database,
        Some(_) => NamedAfter::Dialect,
    };
    let (Some(head), Some(snapshot)) = (Head::parse(text), Snapshot::of(text, named_after)) else {
        let help = format!("{}, or move it out of the folder if it is something else", write(""));
        return Err(("is not the text of a schema".to_owned(), help));
    };
    let dialect = head.dialect;
    let of_dialect = format!(" --dialect {dialect}");
    if head.form != FORM {
        let message = format!("has form {}, and this release reads form {FORM}", head.form);
        return Err((message, write(&of_dialect)));
    }
    let databases = folder.databases();
    let database = match named_word(path) {
        None if databases.len() > 1 => {
            let message = "does not say which of the databases it is for".to_owned();
            return Err((message, format!("rename it to `schema.{}.txt`, if it is that one's", databases[0])));
        }
        None => None,
        Some(word) if folder.policy.numbering == Numbering::Encoded => {
            if !databases.contains(&word) {
                let help = match (suggest::nearest(word, databases.iter().copied()), &databases[..]) {
                    (Some(meant), _) => format!("did you mean `schema.{meant}.txt`?"),
                    (None, [first, ..]) => {
                        format!("name it after a database of the folder, such as `schema.{first}.txt`")
                    }
                    (None, []) => "delete it: the folder has no patch".to_owned(),
                };
                return Err((format!("is for a database `{word}`, of which the folder has no patch"), help));
            }
            Some(word.to_owned())
        }
        Some(word) if word.parse() != Ok(dialect) => {
            let message = format!("is the schema of a database on {}", dialect.product());
            return Err((message, format!("rename it to `schema.{dialect}.txt`")));
        }
        Some(_) => None,
    };
    if !folder.policy.dialects().contains(dialect) {
        let message = format!("is the schema of a database on {}, and the folder is not for it", dialect.product());
        return Err((message, format!("delete it, or {} for a database that the folder is for", write(""))));
    }
    let same = |other: &&SnapshotFile| other.snapshot.dialect == dialect && other.database == database;
    match folder.snapshots.iter().find(same) {
        Some(other) => {
            let message = format!("is a second snapshot for {}, beside `{}`", dialect.product(), other.path);
            Err((message, "delete one of the two".to_owned()))
        }
        None => Ok((snapshot, database)),
    }
}

impl Folder {
    /// Returns the path of the snapshot for this database, relative to the folder, as it is or would be named.
    pub fn snapshot_path(&self, dialect: Dialect) -> String {
        let own = |file: &&SnapshotFile| file.snapshot.dialect == dialect;
        let databases = self.databases();
        let named_after = match (self.snapshots.iter().find(own), &databases[..]) {
            (Some(file), _) => return file.path.clone(),
            (None, [_]) if self.policy.numbering == Numbering::Encoded => NamedAfter::Database,
            (None, _) if self.policy.dialects().iter().count() == 1 => NamedAfter::Nothing,
            (None, _) => NamedAfter::Dialect,
        };
        snapshot::file(named_after, dialect, databases.first().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_these_names_are_snapshots() {
        for name in ["schema.txt", "schema.sqlite.txt", "schema.press.txt"] {
            assert!(is_named(name), "{name}");
        }
        for name in ["Schema.txt", "schema..txt", "schema.sql", "2026/schema.txt", "schema.a/b.txt", "my-schema.txt"] {
            assert!(!is_named(name), "{name}");
        }
    }
}
