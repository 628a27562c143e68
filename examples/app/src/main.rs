//! The living example: the lending desk of a small library, on SQLite or PostgreSQL.
//!
//! It has its own commands next to Lockgate's: `app up` creates the database, and `app lend ada middlemarch` uses it.

mod desk;

use std::process::ExitCode;

use lockgate::{Migrations, embed_migrations};
use lockgate_cli::clap::{self, Parser, Subcommand};
use lockgate_cli::{Cli, Exit, Options, Verb};

static MIGRATIONS: Migrations = embed_migrations!("../../migrations");

/// A library's lending desk
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Migrations(Verb),
    #[command(flatten)]
    Desk(desk::Command),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::new(&MIGRATIONS).default_url("sqlite://library.db?mode=rwc");
    let arguments: Arguments = match cli.parse() {
        Ok(arguments) => arguments,
        Err(exit) => return exit.into(),
    };
    let exit = match arguments.command {
        Command::Migrations(verb) => cli.run(&arguments.options, &verb).await,
        Command::Desk(command) => {
            // Only `up` creates the database.
            let url = match cli.database_url(&arguments.options) {
                Ok(url) => url.existing(),
                Err(exit) => return exit.into(),
            };
            match desk::run(&url, command).await {
                Ok(answer) => {
                    anstream::println!("{answer}");
                    Exit::Done
                }
                Err(problem) => {
                    anstream::eprintln!("error: {problem}");
                    Exit::Failed
                }
            }
        }
    };
    exit.into()
}
