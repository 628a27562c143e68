//! `completions`: prints a script that completes the program's commands in a shell.

use clap_complete::Shell;

use crate::answer::{Answer, Body};

/// The arguments of `completions`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub shell: Shell,
}

pub(super) fn run(mut program: clap::Command, arguments: &Arguments) -> Answer {
    let name = program.get_bin_name().unwrap_or_else(|| program.get_name()).to_owned();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, name, &mut script);
    Answer::done(Body::Document(String::from_utf8_lossy(&script).into_owned()))
}
