//! `--tunnel`: connects to the server through a command, which runs as long as the verb.

use lockgate::DatabaseParts;
use lockgate_backup::tunnel::Tunnel;

use crate::command_error::CommandError;
use crate::connect::Chosen;
use crate::options::Options;

/// Starts the tunnel, if there is one, and returns the database with the host and port of the tunnel. The tunnel ends
/// when it is dropped.
pub(crate) async fn through(options: &Options, chosen: Chosen) -> Result<(Chosen, Option<Tunnel>), CommandError> {
    let Some(command) = options.tunnel.clone() else { return Ok((chosen, None)) };
    if !chosen.url.reveal().starts_with("postgres") {
        return Err(CommandError::usage(
            format!("`--tunnel` needs a server, but the database is the file {}", chosen.url),
            "omit `--tunnel`",
        ));
    }
    let (sender, opened) = tokio::sync::oneshot::channel();
    // In a thread of its own, so that a signal can end the command before the tunnel is open.
    std::thread::spawn(move || {
        // If the receiver is gone, `send` returns the tunnel, and it is dropped.
        let _ = sender.send(Tunnel::open(&command));
    });
    let tunnel = opened.await.map_err(|_| CommandError::System("the tunnel's thread has ended".to_owned()))??;
    let parts =
        DatabaseParts { host: Some("127.0.0.1".to_owned()), port: Some(tunnel.port()), ..DatabaseParts::default() };
    let url = lockgate::__private::with_parts(chosen.url.reveal(), &parts).ok_or_else(|| {
        CommandError::usage(
            format!("{} has no host and port that the tunnel could replace", chosen.url),
            "write them: `postgres://user@host:5432/database`",
        )
    })?;
    let note = Some(format!("through a tunnel to {}", chosen.url));
    let Ok(url) = url.parse();
    Ok((Chosen { url, note }, Some(tunnel)))
}
