//! Lets the macro skip the warnings that the build script has already printed, so that a build prints each
//! warning once.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::{Loaded, Severity};

/// Returns the name of the environment variable that the build script sets for the compiler after printing
/// the warnings of this folder; `None` if there are none.
///
/// The name is a hash of the folder's path and its warnings, so a crate can embed several folders. If the
/// macro finds other warnings than the build script did, the name differs and the macro prints them: a
/// warning may be printed twice, and is never lost.
pub fn variable(loaded: &Loaded) -> Option<String> {
    let folder = &loaded.folder;
    let mut digest = Sha256::new();
    let mut part = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    };
    part(env!("CARGO_PKG_VERSION").as_bytes());
    part(folder.root.as_os_str().as_encoded_bytes());
    let mut warnings = loaded.diagnostics.iter().filter(|found| found.severity == Severity::Warning).peekable();
    warnings.peek()?;
    for warning in warnings {
        part(warning.code.as_str().as_bytes());
        // The build script and the macro may run in different directories and show paths relative to them.
        part(warning.file.strip_prefix(&folder.shown).unwrap_or(&warning.file).as_bytes());
        let range = warning.range.clone().unwrap_or(0..0);
        part(&[range.start.to_le_bytes(), range.end.to_le_bytes()].concat());
    }
    let mut name = "LOCKGATE_REPORTED_".to_owned();
    for byte in &digest.finalize()[..16] {
        write!(name, "{byte:02X}").expect("writing to a string does not fail");
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{Code, Diagnostic, folder};

    #[test]
    fn the_name_depends_on_the_folder_and_its_warnings_but_not_on_the_working_directory() {
        let of = |directory: &str, shown: &str, warnings: &[(Code, &str)]| {
            let mut loaded = folder::load(Path::new(directory), shown);
            loaded.diagnostics.clear();
            loaded.diagnostics.push(Diagnostic::error(Code::Gap, "x", "an error is no warning"));
            for (code, file) in warnings {
                loaded.diagnostics.push(Diagnostic::warning(*code, loaded.folder.show(file), "x"));
            }
            variable(&loaded)
        };
        let one = of("/nowhere/a/m", "m", &[(Code::Rename, "1_x.sql")]);
        assert!(one.as_ref().is_some_and(|name| name.len() == "LOCKGATE_REPORTED_".len() + 32), "{one:?}");
        assert_eq!(of("/nowhere/a/m", "a/m", &[(Code::Rename, "1_x.sql")]), one);
        assert_ne!(of("/nowhere/b/m", "m", &[(Code::Rename, "1_x.sql")]), one);
        assert_ne!(of("/nowhere/a/m", "m", &[(Code::Rename, "2_x.sql")]), one);
        assert_ne!(of("/nowhere/a/m", "m", &[(Code::Rename, "1_x.sql"), (Code::Rename, "1_x.sql")]), one);
        assert_eq!(of("/nowhere/a/m", "m", &[]), None);
    }
}
