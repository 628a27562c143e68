//! What `migration_tests!` calls. Not for use by hand, and free to change.

use std::future::Future;

use lockgate::{Dialect, Version};

pub use crate::suite::{Check, SeedFn, Statements, Suite, SuiteFn, SuiteFuture, Tests};

use crate::problem::{Problem, Step};
use crate::walk::Walked;
use crate::whole::{self, Note};

/// What a test answers: the note is for its output.
pub type Outcome = Result<(), Problem>;

/// The walk of one migration.
pub fn walk(tests: &'static Tests, dialect: Dialect, version: i64) -> Outcome {
    noted(async {
        let version =
            Version::new(version).ok_or_else(|| Problem::new(Step::Ground, format!("{version} is no version")))?;
        let walked = crate::walk::walk(tests, dialect, version).await?;
        Ok((walked == Walked::Irreversible).then(|| "irreversible: walked up to `after`".to_owned()))
    })
}

macro_rules! whole {
    ($($test:ident),+ $(,)?) => {
        $(
            #[doc = "One of the tests of the set as a whole."]
            pub fn $test(tests: &'static Tests, dialect: Dialect) -> Outcome {
                noted(async { about(whole::$test(tests, dialect).await, dialect) })
            }
        )+
    };
}

whole!(
    back_to_nothing,
    every_table_has_a_row,
    fresh_install,
    second_run_does_nothing,
    step_by_step_equals_all_at_once,
    whole_run_is_all_or_nothing,
);

/// Two runners at once.
pub fn two_runners_apply_once(tests: &'static Tests, dialect: Dialect) -> Outcome {
    noted(async { about(whole::runners_apply_once(tests, dialect, 2).await, dialect) })
}

/// Eight runners at once.
pub fn eight_runners_apply_once(tests: &'static Tests, dialect: Dialect) -> Outcome {
    noted(async { about(whole::runners_apply_once(tests, dialect, 8).await, dialect) })
}

/// The files, which need no database. This is also where `cargo xtask testdb` and `schema` come in: what
/// they make is what is on disk.
pub fn embedded_is_what_is_on_disk(tests: &'static Tests) -> Outcome {
    whole::embedded_is_what_is_on_disk(tests)?;
    crate::request::answer_if_asked(tests)
}

fn about(note: Note, dialect: Dialect) -> Note {
    note.map_err(|problem| problem.about("the set", dialect))
}

/// Runs a test to its end, and writes what it has to say to where a test runner collects such.
fn noted(test: impl Future<Output = Note>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Problem::new(Step::Ground, "no runtime can be started").detail(e))?;
    if let Some(note) = runtime.block_on(test)? {
        crate::skip::say(&note);
    }
    Ok(())
}
