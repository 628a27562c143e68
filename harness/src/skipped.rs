//! Reports skipped tests: on the test's own output, and in a file that `cargo xtask test` reads.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::Error;
use crate::server::require;

/// The variable that names the file to which each skipped test appends a line. `cargo xtask test` prints these lines
/// at its end.
pub(crate) const VARIABLE: &str = "LOCKGATE_SKIPPED";

/// Reports that the current test is skipped because this machine does not have the backend.
///
/// # Errors
///
/// If `LOCKGATE_REQUIRE` names the backend.
pub fn skipped(backend: &str, why: &str) -> Result<(), Error> {
    if require::requires(backend)? {
        return Err(Error::new(format!("{} requires `{backend}`: {why}", require::VARIABLE)));
    }
    report(backend, why);
    Ok(())
}

/// Writes the skip to the test's own output, which a test runner may hide, and to the file of [`VARIABLE`].
fn report(backend: &str, why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("{backend}: {test}: {why}\n");
    if let Some(path) = std::env::var_os(VARIABLE)
        && let Err(e) = append(Path::new(&path), &line)
    {
        let _ = writeln!(io::stderr(), "{VARIABLE} names a file that cannot be written: {e}");
    }
    let _ = write!(io::stderr(), "skipped: {line}");
}

/// Appends to a file, which is created if it does not exist.
fn append(path: &Path, line: &str) -> io::Result<()> {
    File::options().create(true).append(true).open(path)?.write_all(line.as_bytes())
}

/// Prints a note of a test that passed.
pub(crate) fn print_note(note: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(io::stderr(), "{test}: {note}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skipped_test_is_written_to_a_new_or_existing_file() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("skipped");
        append(&path, "one\n").unwrap();
        append(&path, "two\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }
}
