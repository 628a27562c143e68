//! The signals that ask the process to end.

/// Waits for one, and gives its name. Where none can be listened to, it waits for ever.
#[cfg(unix)]
pub(crate) async fn stop() -> &'static str {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    }
}

/// Waits for one, and gives its name. Where none can be listened to, it waits for ever.
#[cfg(not(unix))]
pub(crate) async fn stop() -> &'static str {
    match tokio::signal::ctrl_c().await {
        Ok(()) => "Ctrl-C",
        Err(_) => std::future::pending().await,
    }
}
