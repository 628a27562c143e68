//! `cargo lockgate`, for a machine that has it installed; and this workspace's own `cargo xtask`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lockgate_xtask::cargo_main()
}
