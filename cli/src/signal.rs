//! The signals that ask the process to end.

/// Waits for a signal and returns its name. Waits for ever if signals cannot be handled.
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

/// Waits for a signal and returns its name. Waits for ever if signals cannot be handled.
#[cfg(not(unix))]
pub(crate) async fn stop() -> &'static str {
    match tokio::signal::ctrl_c().await {
        Ok(()) => "Ctrl-C",
        Err(_) => std::future::pending().await,
    }
}
