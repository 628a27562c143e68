//! `--tunnel`: the server of the database is reached through a command, which runs as long as the verb.

use lockgate::DatabaseParts;
use lockgate_backup::tunnel::Tunnel;

use crate::command_error::CommandError;
use crate::connect::Chosen;
use crate::options::Options;

/// Starts the tunnel, if one was asked for, and returns the database as it is reached through it. The tunnel ends when it
/// is dropped.
pub(crate) async fn through(options: &Options, chosen: Chosen) -> Result<(Chosen, Option<Tunnel>), CommandError> {
    let Some(command) = options.tunnel.clone() else { return Ok((chosen, None)) };
    if !chosen.url.reveal().starts_with("postgres") {
        return Err(CommandError::usage(
            format!("`--tunnel` leads to a server, and {} is none", chosen.url),
            "leave out `--tunnel`",
        ));
    }
    let (sender, opened) = tokio::sync::oneshot::channel();
    // In a thread that nobody waits for: a signal must end the command while the tunnel is not open yet.
    std::thread::spawn(move || {
        // If nobody waits for it any more, the tunnel comes back and is dropped.
        let _ = sender.send(Tunnel::open(&command));
    });
    let tunnel = opened.await.map_err(|_| CommandError::System("the tunnel's thread has ended".to_owned()))??;
    let parts =
        DatabaseParts { host: Some("127.0.0.1".to_owned()), port: Some(tunnel.port()), ..DatabaseParts::default() };
    let url = lockgate::__private::with_parts(chosen.url.reveal(), &parts).ok_or_else(|| {
        CommandError::usage(
            format!("{} has no host and port that a tunnel could take the place of", chosen.url),
            "write them: `postgres://user@host:5432/database`",
        )
    })?;
    let note = Some(format!("through a tunnel to {}", chosen.url));
    let Ok(url) = url.parse();
    Ok((Chosen { url, note }, Some(tunnel)))
}
