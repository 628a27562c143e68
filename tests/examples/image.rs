//! The program of an image: the operators' commands for the example's migrations. A test links it statically, which takes
//! no more than this crate, because everything else is built already.

use lockgate::{Migrations, embed_migrations};

static MIGRATIONS: Migrations = embed_migrations!("../migrations", tests = "../examples/app/tests/migrations");

fn main() -> std::process::ExitCode {
    lockgate_cli::main(&MIGRATIONS)
}
