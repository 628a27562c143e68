//! Asks before a command destroys something, and for what the log must say.

use std::io::{self, BufRead, IsTerminal};

use crate::command_error::CommandError;
use crate::format::Format;
use crate::invocation::Invocation;

/// Whether somebody can be asked: standard input and standard error are terminals. A script is never asked.
pub(crate) fn is_possible(invocation: &Invocation<'_>) -> bool {
    invocation.output().format() == Format::Text && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks, and continues only if the answer is `yes`.
///
/// # Errors
///
/// [`CommandError::Declined`] after any other answer, and at the end of the input.
pub(crate) async fn confirm(invocation: &Invocation<'_>, question: &str) -> Result<(), CommandError> {
    match ask(invocation, &format!("{question}\nType `yes` to go on: ")).await.as_deref() {
        Some("yes") => Ok(()),
        Some(_) | None => Err(CommandError::Declined("the answer was not `yes`")),
    }
}

/// Asks why, and gives the answer.
///
/// # Errors
///
/// [`CommandError::Declined`] after an empty answer, and at the end of the input.
pub(crate) async fn reason(invocation: &Invocation<'_>, question: &str) -> Result<String, CommandError> {
    let answer = ask(invocation, &format!("{question}\nWhy? The log keeps the reason: ")).await;
    answer.filter(|why| !why.is_empty()).ok_or(CommandError::Declined("no reason was given"))
}

/// Asks, and gives the line that was typed. `None` at the end of the input.
async fn ask(invocation: &Invocation<'_>, question: &str) -> Option<String> {
    let output = invocation.output();
    output.ask(question);
    let (sender, answer) = tokio::sync::oneshot::channel();
    // In a thread that nobody waits for: a signal must interrupt the question, and end the process although nothing was
    // typed.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        // Nobody receives it after a signal.
        let _ = sender.send(read.is_ok().then_some(line));
    });
    let line = answer.await.ok().flatten().filter(|line| line.ends_with('\n'));
    output.answered(line.is_some());
    line.map(|line| line.trim().to_owned())
}
