//! Encodes a folder for the macro to embed: texts, paths and the table of migrations.

use std::path::PathBuf;

use lockgate_core::row_hash;
use lockgate_core::table::{self, BodyData, Encoded, MigrationData, Names, ScriptData};
use lockgate_core::{Companion, CompanionKind, Set, Snapshot, Version};

use super::model::{Folder, Migration, ScriptFile, SnapshotFile};
use super::name::Kind;
use super::policy::Numbering;
use crate::checksum;
use crate::id::Id;

/// What the macro needs to emit a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embedded {
    /// The folder, as messages show it.
    pub shown: String,
    /// Paths and table.
    pub encoded: Encoded,
    /// The SQL files, in the order in which their texts are concatenated.
    pub texts: Vec<EmbeddedText>,
    /// The Rust steps.
    pub rust_steps: Vec<RustStep>,
    /// Other files that the embedded set depends on.
    pub tracked: Vec<PathBuf>,
    /// The snapshots of the schemas that the set makes.
    pub snapshots: Vec<SnapshotFile>,
    /// The companions of the set.
    pub companions: Vec<(CompanionKind, Embedded)>,
}

/// The text of an SQL file, as it is embedded and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedText {
    /// The file.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
    /// Whether these are the bytes of the file: it has no byte order mark and no CRLF.
    pub as_in_file: bool,
}

/// A migration that is a Rust file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RustStep {
    /// Its version.
    pub version: Version,
    /// The file.
    pub file: PathBuf,
    /// Whether it has a function `down`.
    pub has_down: bool,
}

impl Folder {
    /// Returns the folder as a set, without the macro: for tests and tools. Its memory is never freed. `application` is the
    /// name and the version of the program, with a blank between them.
    ///
    /// # Panics
    ///
    /// As [`encode`](Self::encode).
    pub fn leak(&self, application: &'static str) -> Set {
        leak(self.encode(), application)
    }

    /// Encodes the folder.
    ///
    /// # Panics
    ///
    /// If [`load`](super::load) found errors, such as two migrations of one version or texts of more than 4 GiB, or if
    /// the folder is for several databases and [`choose`](Self::choose) was not called.
    pub fn encode(&self) -> Embedded {
        // Texts and table are in the order of the versions. Repeatable scripts run in another one.
        let mut in_order: Vec<&Migration> = self.migrations.iter().collect();
        in_order.sort_by_key(|migration| migration.rank.and(Some(migration.version())));
        let mut texts = Vec::new();
        let mut rust_steps = Vec::new();
        let mut migrations = Vec::with_capacity(self.migrations.len());
        for migration in in_order {
            for script in [Some(&migration.up), migration.down_script()].into_iter().flatten() {
                if script.kind != Kind::Rust {
                    texts.push(EmbeddedText {
                        file: script.absolute.clone(),
                        text: script.text.clone(),
                        as_in_file: script.as_in_file,
                    });
                }
            }
            if migration.up.kind == Kind::Rust {
                let (file, has_down) = (migration.up.absolute.clone(), migration.down.is_some());
                rust_steps.push(RustStep { version: migration.version(), file, has_down });
            }
            migrations.push(MigrationData {
                version: migration.version(),
                name: match &migration.id {
                    Id::Patch(_) | Id::Named(_) | Id::Placed(_) => migration.id.to_string(),
                    Id::Numbered(_) => migration.name().to_owned(),
                },
                frozen: migration.frozen,
                amended: migration.amended.clone(),
                irreversible: migration.reason().map(str::to_owned),
                profiles: migration.profiles.clone(),
                rank: migration.rank,
                up: data(&migration.up),
                down: migration.down_script().map(data),
            });
        }
        let names = match self.policy.numbering {
            // There is no version before such a name.
            _ if self.kind == Some(CompanionKind::Create) => Names::Paths,
            _ if self.migrations.iter().any(|migration| matches!(migration.id, Id::Named(_))) => Names::Free,
            Numbering::Encoded => Names::Free,
            Numbering::Any | Numbering::Sequence | Numbering::Timestamp | Numbering::Ordinal => Names::Kept,
        };
        let row = |migration: &MigrationData| {
            row_hash::applied(migration.version.get(), &migration.name, &migration.up.checksum.to_string())
        };
        // Those with a profile are added when it is chosen.
        let digest = migrations.iter().filter(|migration| migration.profiles.is_empty()).map(row).sum();
        let encoded = table::encode_with_profiles(self.policy.dialects(), names, &self.profiles, &migrations);
        let snapshots: Vec<Snapshot> = self.snapshots.iter().map(|file| file.snapshot).collect();
        let encoded = encoded.with_snapshots(&snapshots).with_digest(digest);
        let companions = self.companions.iter().map(|companion| (companion.kind, companion.folder.encode())).collect();
        let (tracked, snapshots) = (self.tracked.clone(), self.snapshots.clone());
        let shown = self.shown.clone();
        Embedded { shown, encoded, texts, rust_steps, tracked, snapshots, companions }
    }
}

/// Makes the set of what was encoded, with its companions. Its memory is never freed.
fn leak(embedded: Embedded, application: &'static str) -> Set {
    let Embedded { shown, encoded, texts, companions, snapshots, rust_steps: _, tracked: _ } = embedded;
    let texts: String = texts.into_iter().map(|text| text.text).collect();
    let set = Set::from_parts(shown.leak(), application, texts.leak(), encoded.paths.leak(), encoded.table.leak());
    let companion = |(kind, embedded)| Companion { kind, set: leak(embedded, application) };
    let companions: Vec<Companion> = companions.into_iter().map(companion).collect();
    let schemas: Vec<&'static str> = snapshots.into_iter().map(|file| &*file.text.leak()).collect();
    set.with_companions(companions.leak()).with_schemas(schemas.leak())
}

fn data(script: &ScriptFile) -> ScriptData {
    let mut body = script.body.clone();
    if let (BodyData::Sql { readings, .. }, false) = (&mut body, script.options.transactional) {
        for reading in readings {
            reading.finished = checksum::finished(&script.text, &reading.statements);
        }
    }
    ScriptData {
        path: script.path.clone(),
        checksum: script.checksum.expect("an unreadable file is an error, and a folder with errors is not encoded"),
        body,
        options: script.options.clone(),
    }
}
