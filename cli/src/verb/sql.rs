//! `sql`: hands over to the client of the database.

use std::ffi::OsString;
use std::io;
use std::process::Command;

use lockgate::{Console, Stage};

use crate::answer::Answer;
use crate::command_error::CommandError;
use crate::format::Format;
use crate::invocation::{Access, Invocation};

/// The arguments of `sql`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Arguments {
    /// Arguments for the client, after `--`: `sql -- -c "SELECT 1"`
    #[arg(last = true, value_name = "ARGUMENT")]
    pub words: Vec<OsString>,
}

/// Does not return once the client runs: it takes the place of this process, and so has its terminal, its signals and
/// its exit code.
pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let output = invocation.output();
    if output.format() == Format::Json {
        let message = "`sql` hands over to a client, whose output is not JSON";
        return Err(CommandError::usage(message, "leave out `--format json`"));
    }
    let console = Console::of(invocation.url())?;
    // Before the client starts, so that a wrong URL, a server that still starts and a wrong stage are reported as ever.
    let mut database = invocation.connect(Access::Write).await?;
    let stage = invocation.migrator().stage_of(&mut database).await?;
    // The client has a connection of its own, whether or not the server says goodbye to this one.
    let _ = database.close().await;
    if let Some(stage) = stage.filter(|stage| Stage::is_protected(*stage)) {
        output.remark(&format!("{} is marked as {stage}: what you type changes it", invocation.database()));
    }
    // Nothing of this process comes after the client's first word.
    let _ = output.finish();
    let error = replace(console.command().args(&arguments.words));
    let why = match error.kind() {
        io::ErrorKind::NotFound => "there is no such program in PATH".to_owned(),
        _ => error.to_string(),
    };
    Err(CommandError::NoClient { program: console.program(), why, url: invocation.database().to_string() })
}

/// Runs the client in place of this process. Returns only if it cannot be started.
#[cfg(unix)]
fn replace(command: &mut Command) -> io::Error {
    use std::os::unix::process::CommandExt;
    command.exec()
}

/// Runs the client, and ends this process with its exit code. Returns only if it cannot be started.
#[cfg(not(unix))]
fn replace(command: &mut Command) -> io::Error {
    match command.status() {
        // Without a code, something has ended the client.
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}
