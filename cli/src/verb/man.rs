//! `man`: prints a manual page, in the format of `man`.

use crate::answer::{Answer, Body};
use crate::command_error::CommandError;

/// The arguments of `man`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// The command whose page to print; by default the program itself
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
}

pub(super) fn run(mut program: clap::Command, arguments: &Arguments) -> Result<Answer, CommandError> {
    program.build();
    let command = match &arguments.command {
        None => program,
        Some(name) => match program.find_subcommand(name) {
            Some(command) => command.clone(),
            None => {
                let message = format!("there is no command `{name}`");
                return Err(CommandError::usage(message, "`--help` lists the commands"));
            }
        },
    };
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command).render(&mut page);
    rendered.map_err(|error| CommandError::System(format!("the page cannot be written: {error}")))?;
    Ok(Answer::done(Body::Document(String::from_utf8_lossy(&page).into_owned())))
}
