//! A library whose database is made from the desired schema, and kept up to date by migrations: `trees up --from create`
//! makes one, `trees up` brings an older one up to date, and `trees manual` lists what an operator runs by hand.

use std::process::ExitCode;

use lockgate::{Migrations, embed_migrations};
use lockgate_cli::Cli;

static MIGRATIONS: Migrations = embed_migrations!();

fn main() -> ExitCode {
    Cli::new(&MIGRATIONS).default_url("sqlite://library.db?mode=rwc").main()
}
