//! Cargo inside of a test, on a package outside of the workspace. All such builds share one target directory, because each
//! directory would build the grammars and the drivers anew.

use std::path::PathBuf;
use std::process::Command;

use super::tree::root;

/// The target directory.
pub(crate) fn target() -> PathBuf {
    root().join("target/scratch")
}

/// A command for cargo. Nobody debugs what it builds.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    configure(&mut command);
    command
}

/// Sets the variables of [`cargo`] for a command that starts it.
pub(crate) fn configure(command: &mut Command) {
    command
        .env("CARGO_TARGET_DIR", target())
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env_remove("RUSTFLAGS");
}
