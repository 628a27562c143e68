//! This workspace's own `cargo xtask`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lockgate_xtask::main()
}
