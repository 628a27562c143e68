//! Where Lockgate's own workspace is.

use std::path::Path;

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate is a folder of the workspace")
}

/// The folder of one of its crates, below the root.
pub(crate) fn directory_of(package: &str) -> &str {
    match package {
        "lockgate" => "runtime",
        other => other.trim_start_matches("lockgate-"),
    }
}
