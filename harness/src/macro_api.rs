//! The functions and types that the output of `migration_tests!` names.

use std::future::Future;

use lockgate::{Dialect, Version};

pub use crate::migration_test::{
    DesiredSchema, DesiredStatement, MigrationTest, SeedFn, Statements, TestFn, TestFuture, TestPart, Tests,
};

use crate::problem::{Phase, Problem};
use crate::set_tests::{self, Note};
use crate::walk::WalkOutcome;

/// Walks one migration.
pub fn walk(tests: &'static Tests, dialect: Dialect, version: i64) -> Result<(), Problem> {
    noted(async {
        let version =
            Version::new(version).ok_or_else(|| Problem::new(Phase::Setup, format!("{version} is not a version")))?;
        let walked = crate::walk::walk(tests, dialect, version).await?;
        Ok((walked == WalkOutcome::Irreversible).then(|| "irreversible: tested up to `after`".to_owned()))
    })
}

macro_rules! set_tests {
    ($($test:ident),+ $(,)?) => {
        $(
            #[doc = "A test of the whole set."]
            pub fn $test(tests: &'static Tests, dialect: Dialect) -> Result<(), Problem> {
                noted(async { about(set_tests::$test(tests, dialect).await, dialect) })
            }
        )+
    };
}

set_tests!(
    back_to_nothing,
    create_equals_deployment,
    every_table_has_a_row,
    fresh_install,
    migrations_make_the_desired_schema,
    repeatable_scripts_run_twice,
    second_run_does_nothing,
    seeds_load_and_survive,
    step_by_step_equals_all_at_once,
    whole_run_is_all_or_nothing,
);

/// Two runners at the same time.
pub fn two_runners_apply_once(tests: &'static Tests, dialect: Dialect) -> Result<(), Problem> {
    noted(async { about(set_tests::runners_apply_once(tests, dialect, 2).await, dialect) })
}

/// Eight runners at the same time.
pub fn eight_runners_apply_once(tests: &'static Tests, dialect: Dialect) -> Result<(), Problem> {
    noted(async { about(set_tests::runners_apply_once(tests, dialect, 8).await, dialect) })
}

/// Compares the embedded files with those on disk. `cargo xtask testdb` and `schema` run this test too, and it answers
/// their request once the files are known to be current.
pub fn embedded_is_what_is_on_disk(tests: &'static Tests) -> Result<(), Problem> {
    set_tests::embedded_is_what_is_on_disk(tests)?;
    crate::request::answer_if_asked(tests)
}

fn about(note: Note, dialect: Dialect) -> Note {
    note.map_err(|problem| problem.about("the set", dialect))
}

/// Runs a test to its end, and prints its note.
fn noted(test: impl Future<Output = Note>) -> Result<(), Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Problem::new(Phase::Setup, "the async runtime cannot be started").detail(e))?;
    if let Some(note) = runtime.block_on(test)? {
        crate::skipped::print_note(&note);
    }
    Ok(())
}
