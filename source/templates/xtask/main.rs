//! The developers' commands: `cargo xtask --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lockgate_xtask::main()
}
