//! How a test that cannot run says so: nowhere is it silent.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use crate::Error;
use crate::server::require;

/// The variable that names the file to which a test appends a line when it skips something;
/// `cargo xtask test` repeats them at its end.
pub(crate) const VARIABLE: &str = "LOCKGATE_SKIPPED";

/// Reports that the current test is skipped, as this machine does not have what it needs.
///
/// # Errors
///
/// Where `LOCKGATE_REQUIRE` names the backend: then it is no skip.
pub fn skipped(backend: &str, why: &str) -> Result<(), Error> {
    if require::requires(backend)? {
        return Err(Error::new(format!("{} requires `{backend}`: {why}", require::VARIABLE)));
    }
    report(backend, why);
    Ok(())
}

/// Says that the current test is skipped: on its own output, which a test runner may swallow, and
/// in the file of [`VARIABLE`].
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

/// Writes to the end of a file, which is made where there is none.
fn append(path: &Path, line: &str) -> io::Result<()> {
    File::options().create(true).append(true).open(path)?.write_all(line.as_bytes())
}

/// Writes a line of a test that passed to its output.
pub(crate) fn say(note: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(io::stderr(), "{test}: {note}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_skipped_is_written_whether_or_not_the_file_is_there() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("skipped");
        append(&path, "one\n").unwrap();
        append(&path, "two\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }
}
