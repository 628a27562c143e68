//! How a test that cannot run says so: nowhere is it silent.

use std::fs::File;
use std::io::Write;

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
    let file = std::env::var_os(VARIABLE);
    if let Some(mut file) = file.and_then(|path| File::options().append(true).open(path).ok()) {
        let _ = file.write_all(line.as_bytes());
    }
    let _ = write!(std::io::stderr(), "skipped: {line}");
}

/// Writes a line of a test that passed to its output.
pub(crate) fn say(note: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let _ = writeln!(std::io::stderr(), "{test}: {note}");
}
