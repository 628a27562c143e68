//! Compares each snapshot of the schema beside the migrations with what they make on a throwaway database.

use std::path::Path;

use anstream::eprintln;
use lockgate_schema::snapshot::changes;
use lockgate_source::core::table::BodyData;
use lockgate_source::folder::{Folder, Loaded, SnapshotFile};
use lockgate_source::{Code, Diagnostic};
use lockgate_testing::server::{ErrorKind, require};

use super::answers::{Answers, Key, release};
use crate::command::schema::release_note;
use crate::failure::Failure;
use crate::schema;
use crate::scripts;
use crate::throwaway::NoDatabase;

/// The most objects that a finding lists.
const MOST_LISTED: usize = 10;

/// Compares the snapshots, and adds a finding for each that is stale. Returns a summary; `None` if the folder has none.
pub(super) fn run(loaded: &mut Loaded, target: &Path) -> Result<Option<String>, Failure> {
    if loaded.folder.snapshots.is_empty() {
        return Ok(None);
    }
    let names: Vec<String> = loaded.folder.snapshots.iter().map(|file| format!("`{}`", file.path)).collect();
    let names = names.join(" and ");
    let not_compared = |why: &str| Ok(Some(format!("{names} not compared with the migrations: {why}")));
    if !scripts::can_run(&loaded.diagnostics) {
        return not_compared("fix the errors first");
    }
    let mut stale = Vec::new();
    for folder in loaded.folder.split_by_database() {
        if folder.migrations.iter().any(|migration| migration.up.body == BodyData::Rust) {
            return not_compared(
                "there is a Rust step: `cargo xtask schema --check` runs it in the tests of the migrations",
            );
        }
        for file in &folder.snapshots {
            match compare(&folder, file, target)? {
                Compared::Same => {}
                Compared::Stale(finding) => stale.push(*finding),
                Compared::NoServer => return not_compared("PostgreSQL is not installed"),
            }
        }
    }
    let how = if stale.is_empty() { "up to date" } else { "out of date" };
    loaded.diagnostics.append(&mut stale);
    lockgate_source::diagnostic::sort(&mut loaded.diagnostics);
    Ok(Some(format!("{names} {how}")))
}

enum Compared {
    Same,
    Stale(Box<Diagnostic>),
    /// This machine has no server.
    NoServer,
}

/// Compares one snapshot with what the migrations of its database make.
fn compare(folder: &Folder, file: &SnapshotFile, target: &Path) -> Result<Compared, Failure> {
    let shown = folder.show(&file.path);
    let dialect = file.snapshot.dialect;
    let finding = |message: String| Diagnostic::error(Code::StaleSnapshot, shown.clone(), message);
    // The schema that the migrations make is cached, not the differences, so no server is needed after the snapshot is
    // written again.
    let kept =
        release(dialect).ok().map(|release| Answers::of(target, "made", &Key::of(folder, dialect, &release).digest()));
    let made = match kept.as_ref().and_then(Answers::read) {
        Some(text) => Ok(text),
        None => schema::of_folder(folder, folder.migrations.len(), dialect).map(|made| made.text()),
    };
    let text: String = match made {
        Ok(text) => {
            kept.iter().for_each(|answers| answers.write(&text));
            text
        }
        Err(NoDatabase::Server(e)) if e.kind() == ErrorKind::NotFound && !require::requires("postgres")? => {
            let yellow = anstyle::AnsiColor::Yellow.on_default().bold();
            eprintln!("{yellow}skipped{yellow:#}: the comparison of {shown}: postgres: {e}");
            return Ok(Compared::NoServer);
        }
        Err(NoDatabase::Server(e)) => return Err(e.into()),
        Err(NoDatabase::Other(e)) => return Err(Failure::impossible(e)),
        Err(NoDatabase::Error(error)) => {
            let report = error.report_for(lockgate::Audience::CommandLine).to_string();
            let message = format!("the migrations fail on {}: {report}", dialect.product());
            return Ok(Compared::Stale(Box::new(finding(message).help("correct what failed"))));
        }
    };
    let changes = changes(&file.text, &text);
    if changes.is_empty() {
        return Ok(Compared::Same);
    }
    let mut listed: Vec<String> =
        changes.iter().take(MOST_LISTED).map(|change| change.to_string().replace('\n', "\n  ")).collect();
    if changes.len() > MOST_LISTED {
        listed.push(format!("and {} more", changes.len() - MOST_LISTED));
    }
    let message = format!("`{}` is not what the migrations make:\n  {}", file.path, listed.join("\n  "));
    let database = file.database.as_ref().map(|database| format!(" --database {database}")).unwrap_or_default();
    let write = format!("write it again: `cargo xtask schema --write {shown} --dialect {dialect}{database}`");
    let finding = finding(message).help(write);
    Ok(Compared::Stale(Box::new(match release_note(&shown, &file.text, &text) {
        Some(note) => finding.help(note.trim_start_matches("note: ").to_owned()),
        None => finding,
    })))
}
