//! `cargo xtask faults`: starts the fault campaign, which is the unpublished crate `lockgate-faults`.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use crate::workspace;
use lockgate_xtask::__private::Failure;

/// The crate with the campaign.
const PACKAGE: &str = "lockgate-faults";

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes: 0 nothing was lost, done twice or reported wrongly; 1 something was; 2 the campaign failed."
)]
pub(crate) struct Arguments {
    /// The arguments of the campaign: `--backend sqlite|postgres|databases`, `--count N`, `--seed S`, `--case K`, `--only FAULT`,
    /// `--jobs N`, `--calm`, `--record`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["run", "--quiet", "--package", PACKAGE, "--"])
        .args(&arguments.arguments)
        .stdin(Stdio::null())
        .current_dir(workspace::root());
    let status = command.status().map_err(|error| Failure::impossible(format!("cargo does not start: {error}")))?;
    match status.code() {
        Some(0) => Ok(()),
        Some(1) => Err(Failure::Code(1)),
        _ => Err(Failure::impossible(format!("the campaign could not be run ({status})"))),
    }
}
