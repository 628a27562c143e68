//! The command line as a value: what a program that embeds it may set, and what it runs.

use std::ffi::OsString;
use std::fmt;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use lockgate::{Migrations, Migrator};

use crate::context::Context;
use crate::exit::Exit;
use crate::options::Options;
use crate::problem::Problem;
use crate::render;
use crate::screen::Screen;
use crate::signal;
use crate::url::DatabaseUrl;
use crate::verb::Verb;

/// Lockgate's command line, and the place of a program's own commands beside it.
///
/// ```no_run
/// # static MIGRATIONS: lockgate::Migrations = lockgate::Migrations::EMPTY;
/// use std::process::ExitCode;
///
/// use lockgate_cli::clap; // for the derives
/// use lockgate_cli::{Cli, Exit, Options, Verb};
///
/// #[derive(clap::Parser)]
/// struct Arguments {
///     #[command(flatten)]
///     options: Options,
///     #[command(subcommand)]
///     command: Command,
/// }
///
/// #[derive(clap::Subcommand)]
/// enum Command {
///     #[command(flatten)]
///     Migrations(Verb),
///     /// Serve the library
///     Serve,
/// }
///
/// #[tokio::main]
/// async fn main() -> ExitCode {
///     let cli = Cli::new(&MIGRATIONS).default_url("sqlite://library.db?mode=rwc");
///     let arguments: Arguments = match cli.parse() {
///         Ok(arguments) => arguments,
///         Err(exit) => return exit.into(),
///     };
///     match arguments.command {
///         Command::Migrations(verb) => cli.run(&arguments.options, &verb).await.into(),
///         Command::Serve => {
///             let url = cli.database_url(&arguments.options).expect("there is a default");
///             println!("serving {url}");
///             ExitCode::SUCCESS
///         }
///     }
/// }
/// ```
pub struct Cli {
    migrations: &'static Migrations,
    default_url: Option<DatabaseUrl>,
    configure: Vec<Configure>,
}

type Configure = Box<dyn Fn(Migrator) -> Migrator + Send + Sync>;

// What `main` parses. Not a doc comment: that would be the help's first line.
#[derive(clap::Parser)]
struct Standalone {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    verb: Verb,
}

impl Cli {
    /// The command line for these migrations.
    pub fn new(migrations: &'static Migrations) -> Self {
        Self { migrations, default_url: None, configure: Vec::new() }
    }

    /// The database where neither `--database-url` nor `DATABASE_URL` names one. It is said on the
    /// screen whenever it is used. Without it a URL must be given.
    #[must_use]
    pub fn default_url(mut self, url: &str) -> Self {
        let Ok(url) = url.parse();
        self.default_url = Some(url);
        self
    }

    /// Sets options of the migrator that are the program's own; flags still win.
    ///
    /// ```
    /// # static MIGRATIONS: lockgate::Migrations = lockgate::Migrations::EMPTY;
    /// let cli = lockgate_cli::Cli::new(&MIGRATIONS).migrator_options(|migrator| migrator.set("billing"));
    /// ```
    #[must_use]
    pub fn migrator_options(mut self, configure: impl Fn(Migrator) -> Migrator + Send + Sync + 'static) -> Self {
        self.configure.push(Box::new(configure));
        self
    }

    /// The database: the one of the flag, else of the variable, else the default.
    pub fn database_url(&self, options: &Options) -> Option<DatabaseUrl> {
        options.database_url.clone().or_else(|| self.default_url.clone())
    }

    /// A whole program: reads the arguments, runs the verb and says how it ended.
    ///
    /// It makes its own asynchronous runtime and waits for it; asynchronous code uses
    /// [`run`](Self::run).
    pub fn main(&self) -> ExitCode {
        let arguments: Standalone = match self.parse() {
            Ok(arguments) => arguments,
            Err(exit) => return exit.into(),
        };
        let run = || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(self.run(&arguments.options, &arguments.verb)),
            Err(error) => {
                Screen::standard().note(&format!("error[failed]: no asynchronous runtime can be started: {error}"));
                Exit::Failed
            }
        };
        if tokio::runtime::Handle::try_current().is_err() {
            return run().into();
        }
        // A thread that drives a runtime cannot wait for another one.
        match std::thread::scope(|scope| scope.spawn(run).join()) {
            Ok(exit) => exit.into(),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Reads the program's arguments.
    ///
    /// # Errors
    ///
    /// [`Exit::Usage`] where they make no sense, which has been said on standard error; and
    /// [`Exit::Done`] where they ask for help or the version, which has been printed.
    pub fn parse<P: CommandFactory + FromArgMatches>(&self) -> Result<P, Exit> {
        self.parse_from(std::env::args_os())
    }

    /// Reads these arguments, the first of which is the program's name.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_from<P: CommandFactory + FromArgMatches>(
        &self,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Result<P, Exit> {
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        let mut command = self.described(P::command());
        let parsed = command.try_get_matches_from_mut(&arguments).and_then(|matches| P::from_arg_matches(&matches));
        parsed.map_err(|error| {
            let screen = Screen::standard();
            let text = without_secrets(error.render().ansi().to_string(), &arguments);
            if error.use_stderr() {
                screen.note(text.trim_end());
                Exit::Usage
            } else {
                screen.out(text.trim_end());
                if screen.finish().is_some() { Exit::Failed } else { Exit::Done }
            }
        })
    }

    /// Runs a verb and shows what comes of it.
    ///
    /// While a verb runs that changes the database, SIGINT (Ctrl-C) and SIGTERM break it off: the connection is
    /// closed, and the screen says what is known. From then on the process does not end by these signals alone.
    pub async fn run(&self, options: &Options, verb: &Verb) -> Exit {
        let screen = Screen::standard();
        if !verb.writes() {
            return self.run_on(screen, options, verb).await;
        }
        let signal = tokio::select! {
            exit = self.run_on(screen.clone(), options, verb) => return exit,
            signal = signal::stop() => signal,
        };
        let postgres = self.database_url(options).is_some_and(|url| url.reveal().starts_with("postgres"));
        let problem = Problem::Stopped { signal, postgres };
        screen.note(&render::problem(&problem));
        screen.finish();
        problem.exit()
    }

    async fn run_on(&self, screen: Screen, options: &Options, verb: &Verb) -> Exit {
        let url = self.database_url(options);
        let result = match Context::new(self.migrations, self.migrator(), url, options, screen.clone()) {
            Ok(context) => verb.run(&context).await,
            Err(problem) => Err(problem),
        };
        let exit = result.unwrap_or_else(|problem| {
            screen.note(&render::problem(&problem));
            problem.exit()
        });
        match screen.finish() {
            Some(error) => {
                screen.note(&format!("error[failed]: the answer could not be written: {error}"));
                if exit == Exit::Done { Exit::Failed } else { exit }
            }
            None => exit,
        }
    }

    /// The migrator as the program wants it.
    fn migrator(&self) -> Migrator {
        self.configure.iter().fold(Migrator::new(self.migrations), |migrator, configure| configure(migrator))
    }

    /// The command with what only this value knows: the program's name and version, the default
    /// database and the exit codes.
    fn described(&self, mut command: clap::Command) -> clap::Command {
        if let Some((name, version)) = self.migrations.set().application().split_once(' ') {
            if command.get_version().is_none() {
                command = command.version(version);
            }
            if command.get_about().is_none() {
                command = command.about(format!("The migrations of {name} {version}, which are part of this program"));
            }
        }
        if let Some(url) = &self.default_url
            && command.get_arguments().any(|argument| argument.get_id() == "database_url")
        {
            command = command.mut_arg("database_url", |argument| {
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                argument.help(format!("{help} [default: {url}]"))
            });
        }
        if command.get_after_help().is_none() {
            command = command.after_help(Exit::table());
        }
        command
    }
}

impl fmt::Debug for Cli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cli")
            .field("migrations", self.migrations)
            .field("default_url", &self.default_url)
            .finish_non_exhaustive()
    }
}

/// A message about arguments repeats them; one that stands in the wrong place may be a URL.
fn without_secrets(message: String, arguments: &[OsString]) -> String {
    arguments.iter().filter_map(|argument| argument.to_str()).fold(message, |message, argument| {
        let shown = lockgate::mask_secrets(argument);
        if shown == argument { message } else { message.replace(argument, &shown) }
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_is_well_formed() {
        Standalone::command().debug_assert();
    }

    #[test]
    fn a_message_about_arguments_shows_no_secret() {
        let arguments = ["app", "up", "postgres://ada:secret@localhost/library"].map(OsString::from);
        let message = "unexpected argument 'postgres://ada:secret@localhost/library' found".to_owned();
        assert_eq!(
            without_secrets(message, &arguments),
            "unexpected argument 'postgres://ada:***@localhost/library' found"
        );
    }
}
