//! The program that cargo runs for `cargo lockgate`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lockgate_xtask::cargo_main()
}
