//! `cargo xtask new-test`: creates the test of a migration that has none.

use anstream::println;
use lockgate_source::scaffold::{self, TestLanguage};

use super::{check, new_migration};
use crate::changes::Changes;
use crate::failure::Failure;
use crate::project::Project;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The new test fails until you write it. No test is overwritten: if one exists already, nothing is \
                  changed."
)]
pub(crate) struct Arguments {
    /// The migrations, by version or whole name: `7`, `0007_add_tags`
    #[arg(required = true, value_name = "MIGRATION")]
    migrations: Vec<String>,
    /// Write two files of SQL instead of one of Rust
    #[arg(long)]
    sql: bool,
    /// The package whose migrations these are
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let project = Project::find()?;
    let package = project.package(arguments.package.as_deref())?;
    let folder = check::load(&package).folder;
    let language = if arguments.sql { TestLanguage::Sql } else { TestLanguage::Rust };
    let (has, _) = folder.tests(folder.policy.dialects());
    let mut changes = Changes::default();
    let mut shown = Vec::new();
    for word in &arguments.migrations {
        let id = check::migration(&folder, word)?.id.key().to_owned();
        if has.iter().any(|test| test.key == id) {
            return Err(Failure::refused(format!("`{id}` already has a test: nothing was changed")));
        }
        for file in scaffold::test(&id, language) {
            let path = package.path_of(&file.path);
            shown.push(project.shown(&path));
            changes.create(path, file.content);
        }
    }
    let hint = new_migration::touch_test_main(&mut changes, &package);
    changes.make()?;
    shown.iter().for_each(|path| println!("{path}"));
    println!("now write the test, which fails until it is written");
    hint.iter().for_each(|hint| println!("{hint}"));
    Ok(())
}
