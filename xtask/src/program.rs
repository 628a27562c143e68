//! Runs the test program of a package's migrations, into which the Rust steps and test functions are compiled. The
//! request goes through environment variables, and the answer comes in a file.

use std::env;
use std::process::{Command, Stdio};

use anstream::eprint;
use lockgate_testing::request::{ANSWER, Answer, REQUEST, Request};

use crate::failure::Failure;
use crate::project::Package;

/// The test that answers requests.
const TEST: &str = "embedded_is_what_is_on_disk";

/// Whether the package has such a program.
#[cfg(feature = "schema")]
pub(crate) fn exists(package: &Package) -> bool {
    let main = std::fs::read_to_string(package.tests.join("main.rs")).unwrap_or_default();
    main.lines().any(|line| !line.trim_start().starts_with("//") && line.contains("migration_tests!"))
}

/// Builds the program, sends the request, and returns the answer.
pub(crate) fn ask(package: &Package, request: &Request, variables: &[(&str, &str)]) -> Result<String, Failure> {
    let cargo = || {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(["test", "--quiet", "--package", &package.name, "--test", "migrations"]);
        command.stdin(Stdio::null());
        command
    };
    let impossible = |e| Failure::impossible(format!("cargo test: {e}"));
    // Keep the output of cargo out of ours.
    let built = cargo().arg("--no-run").stdout(Stdio::null()).status().map_err(impossible)?;
    if !built.success() {
        return Err(Failure::impossible(format!(
            "the migration tests of `{}` do not build: `tests/migrations/main.rs` must be \
             `lockgate_harness::migration_tests!();`",
            package.name
        )));
    }
    let answer = tempfile::NamedTempFile::new().map_err(|e| Failure::impossible(format!("a temporary file: {e}")))?;
    let mut command = cargo();
    command.args(["--", "--exact", TEST]);
    command.env(REQUEST, request.to_text()).env(ANSWER, answer.path()).envs(variables.iter().copied());
    let output = command.output().map_err(impossible)?;
    match Answer::read(answer.path()) {
        Some(Answer::Done(text)) => Ok(text),
        Some(Answer::Refused(text)) => Err(Failure::refused(text)),
        // The test ended before it read the request.
        None => {
            eprint!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            Err(Failure::impossible(format!("the test `{TEST}` of `{}` did not answer", package.name)))
        }
    }
}
