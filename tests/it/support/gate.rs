//! A Rust step that waits until the test lets it continue, so that the test knows that a run is in progress.

use std::pin::Pin;

use lockgate::{Dialect, StepResult, Transaction};
use tokio::sync::Semaphore;

/// The gate at which a Rust step waits. A step is a plain function, so each test has one gate for each database.
pub(crate) struct Gate {
    reached: Semaphore,
    open: Semaphore,
}

/// The number of tests that can have a gate.
const GATES: usize = 16;
static SQLITE: [Gate; GATES] = [const { Gate::new() }; GATES];
static POSTGRES: [Gate; GATES] = [const { Gate::new() }; GATES];

/// Returns the gate with this number. No two tests share one.
pub(crate) fn gate<const N: usize>(dialect: Dialect) -> &'static Gate {
    match dialect {
        Dialect::Sqlite => &SQLITE[N],
        Dialect::Postgres | Dialect::Mysql => &POSTGRES[N],
    }
}

/// The `up` function of a Rust step that waits at the gate with this number.
pub(crate) fn waits<'a, const N: usize>(
    transaction: &'a mut Transaction<'_>,
) -> Pin<Box<dyn Future<Output = StepResult> + Send + 'a>> {
    let gate = gate::<N>(transaction.dialect());
    Box::pin(async move {
        gate.reached.add_permits(1);
        gate.open.acquire().await?.forget();
        Ok(())
    })
}

impl Gate {
    const fn new() -> Self {
        Self { reached: Semaphore::const_new(0), open: Semaphore::const_new(0) }
    }

    /// Waits until a step is at the gate.
    pub(crate) async fn reached(&self) {
        self.reached.acquire().await.expect("nobody closes it").forget();
    }

    /// Lets one step continue.
    pub(crate) fn open(&self) {
        self.open.add_permits(1);
    }
}
