//! Requests to a server to stop what a run that was dropped had sent it. They are tasks of their own, as a value
//! that is dropped cannot wait; a program that ends waits for them here.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// How long a program that ends waits for all of them.
const PATIENCE: Duration = Duration::from_secs(3);

static REQUESTS: Mutex<Vec<JoinHandle<bool>>> = Mutex::new(Vec::new());

/// What became of the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// No server had anything of ours to stop.
    Nothing,
    /// Each server took the request.
    Asked,
    /// Not every server answered.
    Unknown,
}

/// Runs a request, which gives whether the server took it. Without an asynchronous runtime it cannot run.
#[allow(dead_code, reason = "a file has no server that could be asked")]
pub(crate) fn spawn(request: impl Future<Output = bool> + Send + 'static) {
    let Ok(runtime) = Handle::try_current() else { return };
    let mut requests = REQUESTS.lock().unwrap_or_else(PoisonError::into_inner);
    requests.retain(|request| !request.is_finished());
    requests.push(runtime.spawn(request));
}

/// Waits until the servers were asked to stop, three seconds at most.
pub async fn cancelled() -> Cancelled {
    within(PATIENCE).await
}

async fn within(patience: Duration) -> Cancelled {
    let requests = std::mem::take(&mut *REQUESTS.lock().unwrap_or_else(PoisonError::into_inner));
    if requests.is_empty() {
        return Cancelled::Nothing;
    }
    let all = async {
        let mut taken = true;
        for request in requests {
            taken &= request.await.unwrap_or(false);
        }
        taken
    };
    match tokio::time::timeout(patience, all).await {
        Ok(true) => Cancelled::Asked,
        Ok(false) | Err(_) => Cancelled::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test, as there is one list of requests a process.
    #[tokio::test]
    async fn it_is_known_whether_each_server_was_asked() {
        assert_eq!(cancelled().await, Cancelled::Nothing);
        spawn(async { true });
        spawn(async {
            tokio::task::yield_now().await;
            true
        });
        assert_eq!(cancelled().await, Cancelled::Asked);
        spawn(async { true });
        spawn(async { false });
        assert_eq!(cancelled().await, Cancelled::Unknown);
        spawn(std::future::pending());
        assert_eq!(within(Duration::ZERO).await, Cancelled::Unknown);
        assert_eq!(cancelled().await, Cancelled::Nothing);
    }
}
