//! Patches beside the binary, for `--files`: read as while compiling, but for the grammar of the SQL.

use std::collections::BTreeMap;
use std::path::PathBuf;

use lockgate::Databases;
use lockgate_source::core::{Dialect, Dialects};
use lockgate_source::diagnostic::{Color, Severity};
use lockgate_source::folder::{self, Folder};
use lockgate_source::policy::{Numbering, Policy};

use crate::command_error::CommandError;

/// What the history says of the program that applies them.
const APPLICATION: &str = concat!("lockgate-cli ", env!("CARGO_PKG_VERSION"));

/// Reads the patches in the files of these patterns. Each pattern must match a file.
pub(crate) fn read(patterns: &[String]) -> Result<&'static Databases, CommandError> {
    // A file that two patterns match is one file.
    let mut files: BTreeMap<PathBuf, String> = BTreeMap::new();
    for pattern in patterns {
        let found = matches(pattern)?;
        if found.is_empty() {
            return Err(CommandError::usage(
                format!("no file matches `{pattern}`"),
                "correct the pattern: `*` is any part of a name, `**` any number of folders; in quotation marks, so that \
                 the shell leaves it alone",
            ));
        }
        for path in found {
            let absolute = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
            files.entry(absolute).or_insert_with(|| path.display().to_string().replace('\\', "/"));
        }
    }
    let files = files.into_iter().map(|(absolute, shown)| (shown, absolute)).collect();
    let dialects = Some(Dialects::NONE.with(Dialect::Postgres));
    let policy = Policy { numbering: Numbering::Encoded, dialects, ..Policy::default() };
    let mut loaded = folder::load_files(files, policy);
    let errors: Vec<String> = loaded
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(|diagnostic| diagnostic.render(Color::Off))
        .collect();
    if !errors.is_empty() {
        return Err(CommandError::usage(
            format!("the files are not in order, and nothing was run\n\n{}", errors.join("\n\n")),
            "correct them, then run again",
        ));
    }
    // What is handed to operators is released.
    loaded.folder.migrations.iter_mut().for_each(|patch| patch.frozen = true);
    let each = loaded.folder.each_database().expect("their numbering has databases");
    let set = |folder: &Folder| folder.leak(APPLICATION);
    let each = each.iter().map(|one| (one.name.clone(), set(&one.bootstraps), set(&one.patches)));
    Ok(Box::leak(Box::new(Databases::leak(each))))
}

fn matches(pattern: &str) -> Result<Vec<PathBuf>, CommandError> {
    let wrong = |error: &dyn std::fmt::Display| {
        CommandError::usage(format!("`{pattern}`: {error}"), "correct the pattern, or the rights to its folders")
    };
    let paths = glob::glob(pattern).map_err(|error| wrong(&error))?;
    let paths = paths.collect::<Result<Vec<PathBuf>, _>>().map_err(|error| wrong(&error))?;
    Ok(paths.into_iter().filter(|path| path.is_file()).collect())
}
