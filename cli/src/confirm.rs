//! Asks before a command destroys something.

use std::io::{self, BufRead, IsTerminal};

use crate::command_error::CommandError;
use crate::format::Format;
use crate::invocation::Invocation;

/// Whether somebody can be asked: both sides of the conversation are a terminal. A script is never asked.
pub(crate) fn is_possible(invocation: &Invocation<'_>) -> bool {
    invocation.output().format() == Format::Text && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks, and goes on only if the answer is `yes`.
///
/// # Errors
///
/// [`CommandError::Declined`] after any other answer, and at the end of the input.
pub(crate) async fn confirm(invocation: &Invocation<'_>, question: &str) -> Result<(), CommandError> {
    invocation.output().ask(&format!("{question}\nType `yes` to go on: "));
    // Not in this thread: a signal must interrupt the question too.
    let read = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    match read.await {
        Ok(Ok(answer)) if answer.trim() == "yes" => Ok(()),
        Ok(Ok(_) | Err(_)) | Err(_) => Err(CommandError::Declined),
    }
}
