//! Caches the results of comparisons that need a server, in the target directory, until their inputs change.

use std::path::{Path, PathBuf};

use lockgate_source::checksum::checksum;
use lockgate_source::core::{CompanionKind, Dialect};
use lockgate_source::folder::{Folder, ScriptFile};
use lockgate_testing::server::{Error, Options, Postgres};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The release of the server that would be started.
pub(super) fn release(dialect: Dialect) -> Result<String, Error> {
    match dialect {
        Dialect::Postgres => Postgres::installed(&Options::default()).map(|(major, minor)| format!("{major}.{minor}")),
        // SQLite is part of this program.
        Dialect::Sqlite | Dialect::Mysql => Ok(String::new()),
    }
}

/// What an answer depends on.
#[derive(Debug)]
pub(super) struct Key(String);

impl Key {
    /// The scripts of a folder, and the server on which they run.
    pub(super) fn of(folder: &Folder, dialect: Dialect, release: &str) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let mut key = Self(format!("2\n{dialect}\n{release}\n{version}\n{}\n", folder.policy.dialects()));
        let companions =
            folder.companions.iter().filter(|one| !matches!(one.kind, CompanionKind::Manual | CompanionKind::Seed));
        let migrations = companions.flat_map(|one| &one.folder.migrations).chain(&folder.migrations);
        for file in migrations.flat_map(|migration| migration.files()) {
            let ScriptFile { path, text, .. } = file;
            key.add(path, text);
        }
        key
    }

    /// Adds a text that the answer depends on.
    pub(super) fn add(&mut self, path: &str, text: &str) {
        self.0.push_str(&format!("{path}\n{}\n{text}\n", text.len()));
    }

    pub(super) fn digest(&self) -> String {
        checksum(&self.0).to_string()
    }
}

/// The kept answer to one comparison.
#[derive(Debug)]
pub(super) struct Answers {
    file: PathBuf,
}

impl Answers {
    /// `kind` is the folder in which the answers of one kind are.
    pub(super) fn of(target: &Path, kind: &str, key: &str) -> Self {
        let name: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
        Self { file: target.join("lockgate").join(kind).join(format!("{name}.json")) }
    }

    pub(super) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_str(&std::fs::read_to_string(&self.file).ok()?).ok()
    }

    /// Errors are ignored: if the file cannot be written, the next check compares again.
    pub(super) fn write<T: Serialize + ?Sized>(&self, answer: &T) {
        let Ok(text) = serde_json::to_string(answer) else { return };
        let Some(folder) = self.file.parent() else { return };
        let written = std::fs::create_dir_all(folder)
            .and_then(|()| tempfile::NamedTempFile::new_in(folder))
            .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()).map(|()| file));
        if let Ok(file) = written {
            let _ = file.persist(&self.file);
        }
    }
}
