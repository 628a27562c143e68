//! A program whose migrations are read from the folder `MIGRATIONS` when it starts, so that the commands of the guide can
//! run on many folders without a build for each.

use std::path::Path;
use std::process::ExitCode;

use lockgate::Migrations;
use lockgate_source::folder;

fn main() -> ExitCode {
    let folder = std::env::var_os("MIGRATIONS").expect("`MIGRATIONS` is a folder");
    let loaded = folder::load(Path::new(&folder), "migrations");
    assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics);
    let set = loaded.folder.leak("app 1.2.3");
    let migrations: &'static Migrations = Box::leak(Box::new(lockgate::__private::migrations(set, &[])));
    lockgate_cli::main(migrations)
}
