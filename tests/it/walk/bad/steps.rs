//! Bad Rust steps. They are walked like scripts.

use lockgate::__private::RustStep;
use lockgate::{Dialect, StepResult, Transaction};
use lockgate_harness::Phase;

use super::super::{FILL, NO_USERS, Sql, USERS, caught, of, on_each};
use crate::support::set::with_steps;

on_each! {
    a_step_that_loses_rows,
    a_step_that_works_only_the_first_time,
    a_step_whose_down_function_forgets_a_column,
    a_step_that_ends_its_transaction,
}

async fn adds(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("ALTER TABLE users ADD COLUMN email VARCHAR(40)").await?;
    Ok(())
}

async fn deletes(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("DELETE FROM users WHERE id = 1").await?;
    Ok(())
}

async fn inserts(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("INSERT INTO users (id, name) VALUES (7, 'Root')").await?;
    Ok(())
}

async fn commits(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("COMMIT").await?;
    Ok(())
}

async fn nothing(_: &mut Transaction<'_>) -> StepResult {
    Ok(())
}

static DELETES: &[RustStep] =
    &[RustStep { version: 2, up: |tx| Box::pin(deletes(tx)), down: Some(|tx| Box::pin(nothing(tx))) }];
static INSERTS: &[RustStep] =
    &[RustStep { version: 2, up: |tx| Box::pin(inserts(tx)), down: Some(|tx| Box::pin(nothing(tx))) }];
static ADDS: &[RustStep] =
    &[RustStep { version: 2, up: |tx| Box::pin(adds(tx)), down: Some(|tx| Box::pin(nothing(tx))) }];
static COMMITS: &[RustStep] =
    &[RustStep { version: 2, up: |tx| Box::pin(commits(tx)), down: Some(|tx| Box::pin(nothing(tx))) }];

/// The second migration is this step, on a table with rows.
async fn step(dialect: Dialect, steps: &'static [RustStep], at: Phase, words: &[&str]) {
    const FUNCTION: &str = "(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }\n";
    let text = format!("pub async fn up{FUNCTION}pub async fn down{FUNCTION}");
    let fill = Sql { fill: FILL, ..Sql::default() };
    let migrations = with_steps(&[USERS, NO_USERS, ("0002_step.rs", &text)], steps);
    caught(of(migrations, vec![fill.of(2)]), dialect, 2, at, words).await;
}

async fn a_step_that_loses_rows(dialect: Dialect) {
    step(dialect, DELETES, Phase::RowsAfterApply, &["`0002_step` on ", "`users` had 2 rows and has 1"]).await;
}

async fn a_step_that_works_only_the_first_time(dialect: Dialect) {
    step(dialect, INSERTS, Phase::ApplyAgain, &["the second run fails", "0002_step"]).await;
}

async fn a_step_whose_down_function_forgets_a_column(dialect: Dialect) {
    step(dialect, ADDS, Phase::SchemaAfterRevert, &["column email is new (real)", "fix ", "0002_step.rs"]).await;
}

async fn a_step_that_ends_its_transaction(dialect: Dialect) {
    step(dialect, COMMITS, Phase::Apply, &["the migration fails [apply]", "ended Lockgate's transaction"]).await;
}
