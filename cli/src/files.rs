//! Patches beside the binary, for `--files`: read as while compiling, but for the grammar of the SQL.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use lockgate::Databases;
use lockgate_source::core::{Dialect, Dialects};
use lockgate_source::diagnostic::{Color, Diagnostic, Severity};
use lockgate_source::folder::{self, Folder};
use lockgate_source::policy::{Numbering, Policy};

use crate::command_error::CommandError;
use crate::output::Output;

/// What the history says of the program that applies them.
const APPLICATION: &str = concat!("lockgate-cli ", env!("CARGO_PKG_VERSION"));

/// Reads the patches in the files of these patterns. Each pattern must match a file.
/// `output` gets the warnings.
pub(crate) fn read(patterns: &[String], output: &Output) -> Result<&'static Databases, CommandError> {
    let folder = common_folder(patterns);
    // A file that two patterns match is one file.
    let mut files: BTreeMap<PathBuf, String> = BTreeMap::new();
    for pattern in patterns {
        for path in matches(pattern)? {
            let absolute = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
            let path = path.strip_prefix(&folder).unwrap_or(&path);
            files.entry(absolute).or_insert_with(|| path.display().to_string().replace('\\', "/"));
        }
    }
    let files = files.into_iter().map(|(absolute, path)| (path, absolute)).collect();
    let dialects = Some(Dialects::NONE.with(Dialect::Postgres));
    let policy = Policy { numbering: Numbering::Encoded, dialects, ..Policy::default() };
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder.as_path() };
    let mut loaded = folder::load_files(here, &folder.display().to_string(), files, policy);
    loaded.diagnostics.iter_mut().for_each(for_operators);
    let (errors, warnings): (Vec<_>, Vec<_>) =
        loaded.diagnostics.iter().partition(|diagnostic| diagnostic.severity == Severity::Error);
    for warning in warnings {
        output.remark(&warning.render(Color::Off));
    }
    let errors: Vec<String> = errors.iter().map(|diagnostic| diagnostic.render(Color::Off)).collect();
    if !errors.is_empty() {
        return Err(CommandError::usage(
            format!("the files are not in order, and nothing was run\n\n{}", errors.join("\n\n")),
            "correct them, then run again",
        ));
    }
    // What is handed to operators is released.
    loaded.folder.migrations.iter_mut().for_each(|patch| patch.frozen = true);
    let each = loaded.folder.each_database().expect("their numbering has databases");
    let set = |folder: &Folder| folder.leak(APPLICATION).beside();
    let each = each.iter().map(|one| (one.name.clone(), set(&one.bootstraps), set(&one.patches)));
    Ok(Box::leak(Box::new(Databases::leak(each))))
}

/// Leaves the commands of developers out of the advice: whoever has the files may not have the workspace.
fn for_operators(diagnostic: &mut Diagnostic) {
    let numbers = "rename it, with a free number".to_owned();
    let renumbers = diagnostic.help.iter().any(|help| help.contains("`cargo xtask renumber"));
    diagnostic.help.retain(|help| !help.contains("`cargo xtask"));
    diagnostic.help.extend(renumbers.then_some(numbers));
}

/// The folder that all patterns have in common, which `\i` is relative to: that of `db/**/*.sql` is `db`. Empty is the
/// current one.
fn common_folder(patterns: &[String]) -> PathBuf {
    let folder = |pattern: &String| -> PathBuf {
        let named = Path::new(pattern).parent().unwrap_or(Path::new("")).components();
        let is_plain = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
        named.filter(|part| *part != Component::CurDir).take_while(is_plain).collect()
    };
    let shared = |one: PathBuf, other: PathBuf| -> PathBuf {
        one.components().zip(other.components()).take_while(|(a, b)| a == b).map(|(part, _)| part).collect()
    };
    patterns.iter().map(folder).reduce(shared).unwrap_or_default()
}

/// The files of a pattern, of which there is at least one.
fn matches(pattern: &str) -> Result<Vec<PathBuf>, CommandError> {
    let wrong = |error: &dyn std::fmt::Display| {
        CommandError::usage(format!("`{pattern}`: {error}"), "correct the pattern, or the rights to its folders")
    };
    let paths = glob::glob(pattern).map_err(|error| wrong(&error))?;
    let paths = paths.collect::<Result<Vec<PathBuf>, _>>().map_err(|error| wrong(&error))?;
    let (files, others): (Vec<PathBuf>, Vec<PathBuf>) = paths.into_iter().partition(|path| path.is_file());
    // What is named like a script and cannot be read as one must not be left out without a word.
    if let Some(lost) = others.iter().find(|path| !path.exists()) {
        return Err(CommandError::usage(
            format!("`{}` is a link to a file that does not exist", lost.display()),
            "correct the link, or remove it",
        ));
    }
    let is_named_like_a_file = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "sql");
    if let Some(folder) = others.iter().find(is_named_like_a_file) {
        return Err(CommandError::usage(
            format!("`{}` is a folder, and is named like a script", folder.display()),
            "rename the folder, or remove it",
        ));
    }
    let folders = others;
    if !files.is_empty() {
        return Ok(files);
    }
    let error = format!("no file matches `{pattern}`");
    Err(if folders.is_empty() {
        CommandError::usage(
            error,
            "correct the pattern: `*` is any part of a name, `**` any number of folders; in quotation marks, so that the \
             shell leaves it alone",
        )
    } else {
        let within = pattern.trim_end_matches('/').trim_end_matches("/**");
        CommandError::usage(format!("{error}, only folders do"), format!("write `{within}/**/*.sql`"))
    })
}
