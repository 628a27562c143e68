//! What a message advises works when it is typed: each test provokes an error, looks for the advice in its text, does
//! word for word what it says, and sees that the problem is gone.

mod connect;
mod history;
mod server;
mod table;

use lockgate::{Audience, Error, Migrations};
use lockgate_cli::clap::{self, Parser};
use lockgate_cli::{Cli, Exit, Options, Verb};

/// The command line as a program has it.
#[derive(Parser)]
struct Typed {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    verb: Verb,
}

/// Runs a command as an operator types it after the program's name.
pub(crate) async fn types(set: &'static Migrations, url: &str, line: &str) -> Exit {
    let words = ["app"].into_iter().chain(line.split(' ')).chain(["--database-url", url]);
    let cli = Cli::new(set);
    let typed: Typed = cli.parse_from(words).unwrap_or_else(|_| panic!("`{line}` is no command"));
    cli.run(&typed.options, &typed.verb).await
}

/// Returns the operator's report, which must contain each of these texts and nothing that is only for Rust.
#[track_caller]
fn read(error: &Error, says: &[&str]) -> String {
    let text = error.report_for(Audience::CommandLine).to_string();
    for wanted in says {
        assert!(text.contains(wanted), "no «{wanted}» in:\n{text}");
    }
    for word in
        ["Migrator", "Repair::", "UpTo::", "DownTo::", "OutOfOrder", "Atomicity", "lock_wait", "`apply", "`revert"]
    {
        assert!(!text.contains(word), "`{word}` means nothing to an operator:\n{text}");
    }
    text
}

/// Returns the text in backticks that begins like this.
#[track_caller]
fn quoted<'a>(text: &'a str, start: &str) -> &'a str {
    let mut pieces = text.split('`').skip(1).step_by(2);
    pieces.find(|piece| piece.starts_with(start)).unwrap_or_else(|| panic!("no `{start}…` in:\n{text}"))
}

/// Each command and each option that a message can name is one.
#[test]
fn commands_in_messages_work() {
    let audience = Audience::CommandLine;
    let id = "0007_g";
    let commands = [
        audience.up().to_owned(),
        audience.up_to(id),
        audience.down_by(3),
        audience.down_all().to_owned(),
        audience.status().to_owned(),
        audience.baseline(id),
        audience.accept_edited().to_owned(),
        audience.mark_applied(id),
        audience.forget(9),
        audience.finished(id),
        audience.again(id),
        audience.out_of_order().to_owned(),
        audience.allow_other_tools().to_owned(),
    ];
    let options = [
        audience.per_migration().to_owned(),
        audience.set("billing"),
        audience.history_table().to_owned(),
        audience.wait_for_server().to_owned(),
        audience.lock_wait().to_owned(),
        audience.lock_timeout().to_owned(),
        audience.statement_timeout().to_owned(),
    ];
    let with_options = options.iter().map(|option| format!("up {}", option.trim_matches('`')));
    for line in commands.iter().map(|command| command.trim_matches('`').to_owned()).chain(with_options) {
        let parsed = Typed::try_parse_from(["app"].into_iter().chain(line.split(' ')));
        assert!(parsed.is_ok(), "{line}: {}", parsed.err().unwrap());
    }
}
