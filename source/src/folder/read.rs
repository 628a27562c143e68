//! Lists the files of a folder and reads their text. No other module reads files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Code, Diagnostic};

/// A file of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FolderFile {
    /// Its path relative to the folder, with forward slashes.
    pub(crate) path: String,
    /// Its absolute path.
    pub(crate) absolute: PathBuf,
}

/// Every file in a folder and below it, sorted by path, and every directory.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) files: Vec<FolderFile>,
    /// The folder itself and every directory below it.
    pub(crate) directories: Vec<PathBuf>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl Listing {
    /// The file at this path below the folder.
    pub(crate) fn file(&self, path: &str) -> Option<&FolderFile> {
        self.files.iter().find(|found| found.path == path)
    }
}

/// Lists a folder; `shown` is its path in messages. Follows links, except to a directory above. Skips files
/// and directories whose names begin with a dot.
pub(crate) fn list(folder: &Path, shown: &str) -> Listing {
    let mut listing = Listing::default();
    match fs::metadata(folder) {
        Ok(meta) if meta.is_dir() => {
            let mut above: Vec<PathBuf> = fs::canonicalize(folder).into_iter().collect();
            walk(folder, "", shown, &mut above, &mut listing);
            listing.files.sort_by(|a, b| a.path.cmp(&b.path));
        }
        Ok(_) => listing.diagnostics.push(
            Diagnostic::error(Code::NotAFolder, shown, format!("`{shown}` is a file, not a folder of migrations"))
                .help("name the folder that the file is in"),
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => listing.diagnostics.push(
            Diagnostic::error(Code::NoSuchFolder, shown, format!("there is no folder `{shown}`"))
                .help("run `cargo xtask init` to create it, or create it by hand: an empty folder is a set without migrations")
                .help("the path is relative to the `Cargo.toml` of the crate that embeds it"),
        ),
        Err(error) => listing.diagnostics.push(unreadable(shown, "folder", &error)),
    }
    listing
}

fn walk(directory: &Path, prefix: &str, shown: &str, above: &mut Vec<PathBuf>, listing: &mut Listing) {
    let shown_directory = join(shown, prefix.trim_end_matches('/'));
    let entries = match fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) => return listing.diagnostics.push(unreadable(&shown_directory, "folder", &error)),
    };
    listing.directories.push(directory.to_owned());
    for entry in entries {
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            let lossy = name.to_string_lossy();
            if !lossy.starts_with('.') {
                listing.diagnostics.push(
                    Diagnostic::error(
                        Code::BadName,
                        join(&shown_directory, &lossy),
                        format!("the name of `{lossy}` is not UTF-8"),
                    )
                    .help("rename it with letters, digits and `_`"),
                );
            }
            continue;
        };
        if name.starts_with('.') {
            continue;
        }
        let (path, absolute) = (format!("{prefix}{name}"), entry.path());
        // The entry knows its type without another system call, unless it is a link.
        let link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        let kind = if link { fs::metadata(&absolute).map(|meta| meta.file_type()) } else { entry.file_type() };
        match kind {
            Ok(kind) if kind.is_dir() => {
                let real = fs::canonicalize(&absolute).unwrap_or_else(|_| absolute.clone());
                if above.contains(&real) || fs::canonicalize(directory).is_ok_and(|here| here.starts_with(&real)) {
                    listing.diagnostics.push(
                        Diagnostic::error(
                            Code::Unreadable,
                            join(shown, &path),
                            "this link points to a folder that contains it",
                        )
                        .help("delete the link"),
                    );
                    continue;
                }
                above.push(real);
                walk(&absolute, &format!("{path}/"), shown, above, listing);
                above.pop();
            }
            Ok(kind) if kind.is_file() => listing.files.push(FolderFile { path, absolute }),
            Ok(_) => listing.diagnostics.push(
                Diagnostic::error(
                    Code::UnknownFile,
                    join(shown, &path),
                    format!("`{name}` is neither a file nor a folder"),
                )
                .help("move it out of the folder"),
            ),
            Err(error) => listing.diagnostics.push(unreadable(&join(shown, &path), "file", &error)),
        }
    }
}

/// Reads a file as UTF-8, or says why it cannot be read.
pub(crate) fn text(absolute: &Path, shown: &str) -> Result<String, Box<Diagnostic>> {
    let bytes = fs::read(absolute).map_err(|error| Box::new(unreadable(shown, "file", &error)))?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let bytes = error.into_bytes();
        let before = String::from_utf8_lossy(&bytes[..good]);
        let line = before.matches('\n').count() + 1;
        let column =
            before.rsplit('\n').next().map_or(0, |last| last.trim_start_matches('\u{feff}').chars().count()) + 1;
        let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
        let message = if utf16 {
            "the file is UTF-16, not UTF-8".to_owned()
        } else {
            format!("the file is not UTF-8: byte {:#04x} in line {line}, column {column}", bytes[good])
        };
        Box::new(Diagnostic::error(Code::NotUtf8, shown, message).help("save it as UTF-8"))
    })
}

/// Whether this path is a file.
pub(crate) fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// Whether this path is a directory.
pub(crate) fn is_directory(path: &Path) -> bool {
    path.is_dir()
}

/// Whether a file is below a directory, after links are followed.
pub(crate) fn is_below(file: &Path, directory: &Path) -> bool {
    match (fs::canonicalize(file), fs::canonicalize(directory)) {
        (Ok(file), Ok(directory)) => file.starts_with(directory),
        _ => false,
    }
}

/// Looks for a directory of this name in the three nearest parents, and returns its path relative to
/// `directory`.
pub(crate) fn above(directory: &Path, name: &str) -> Option<String> {
    let found = directory.ancestors().skip(1).take(3).position(|above| above.join(name).is_dir())?;
    Some(format!("{}{name}", "../".repeat(found + 1)))
}

/// Returns the names of the entries of a directory; none if it cannot be read.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn unreadable(shown: &str, what: &str, error: &io::Error) -> Diagnostic {
    // Without the system's error number, which means nothing to a reader.
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "it is a link to a file that does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        kind => kind.to_string(),
    };
    Diagnostic::error(Code::Unreadable, shown, format!("the {what} cannot be read: {reason}"))
        .help("make it readable, or delete it")
}

/// Joins two paths as messages show them.
pub(crate) fn join(shown: &str, path: &str) -> String {
    match (shown, path) {
        ("", path) => path.to_owned(),
        (shown, "") => shown.to_owned(),
        (shown, path) => format!("{shown}/{path}"),
    }
}
