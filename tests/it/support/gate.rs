//! A Rust step that stands still until a test lets it go on: a run that is known to be under way.

use std::pin::Pin;

use lockgate::{Dialect, StepResult, Transaction};
use tokio::sync::Semaphore;

/// What a Rust step waits at. One a test and a database, as a step is a plain function.
pub(crate) struct Gate {
    reached: Semaphore,
    open: Semaphore,
}

/// How many tests can have a gate.
const GATES: usize = 16;
static SQLITE: [Gate; GATES] = [const { Gate::new() }; GATES];
static POSTGRES: [Gate; GATES] = [const { Gate::new() }; GATES];

/// The gate of this number. No two tests share one.
pub(crate) fn gate<const N: usize>(dialect: Dialect) -> &'static Gate {
    match dialect {
        Dialect::Sqlite => &SQLITE[N],
        Dialect::Postgres | Dialect::Mysql => &POSTGRES[N],
    }
}

/// The way up of a Rust step that stands at the gate of this number.
pub(crate) fn stands<'a, const N: usize>(
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

    /// Waits until a step stands here.
    pub(crate) async fn reached(&self) {
        self.reached.acquire().await.expect("nobody closes it").forget();
    }

    /// Lets one step go on.
    pub(crate) fn open(&self) {
        self.open.add_permits(1);
    }
}
