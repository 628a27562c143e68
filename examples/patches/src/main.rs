//! Brings three databases of one server to their newest patch: `patches up`.

use std::process::ExitCode;

use lockgate::{Databases, embed_migrations};
use lockgate_cli::DatabasesCli;

static PATCHES: Databases = embed_migrations!("patches", databases);

fn main() -> ExitCode {
    DatabasesCli::new(&PATCHES).main()
}
