// lockgate: irreversible "say why here"
//! {{id}}

use lockgate::{StepResult, Transaction};

/// Applies the step, in the transaction that also records it.
pub async fn up(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("SELECT 1").await?;
    Ok(())
}
