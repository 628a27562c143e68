//! How a test that cannot run says so: nowhere is it silent.

use std::fs::File;
use std::io::Write;

/// The variable that names the file to which a test appends a line when it skips something;
/// `cargo xtask test` repeats them at its end.
pub(crate) const VARIABLE: &str = "LOCKGATE_SKIPPED";

/// Says that the current test is skipped: on its own output, which a test runner may swallow, and
/// in the file of [`VARIABLE`].
pub(crate) fn report(backend: &str, why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("{backend}: {test}: {why}\n");
    let file = std::env::var_os(VARIABLE);
    if let Some(mut file) = file.and_then(|path| File::options().append(true).open(path).ok()) {
        let _ = file.write_all(line.as_bytes());
    }
    let _ = write!(std::io::stderr(), "skipped: {line}");
}
