//! The command line as a value that a program can configure and embed.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use clap::{CommandFactory, FromArgMatches};
use lockgate::{Migrations, Migrator};

use crate::answer::{Answer, Body};
use crate::command_error::CommandError;
use crate::connect::{self, Chosen, Variables};
use crate::exit::Exit;
use crate::format::Format;
use crate::invocation::Invocation;
use crate::options::{Options, PART_FLAGS};
use crate::output::Output;
use crate::signal;
use crate::url::DatabaseUrl;
use crate::verb::Verb;

/// Lockgate's command line, to which a program can add commands of its own.
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
///             let url = match cli.database_url(&arguments.options) {
///                 Ok(url) => url,
///                 Err(exit) => return exit.into(),
///             };
///             println!("serving {url}");
///             ExitCode::SUCCESS
///         }
///     }
/// }
/// ```
pub struct Cli {
    migrations: &'static Migrations,
    default_url: Option<DatabaseUrl>,
    variables: String,
    configure: Vec<Configure>,
    #[cfg(feature = "backup")]
    forbidden: Vec<(lockgate::Stage, lockgate::Stage)>,
    /// The command line that was parsed last, and the program's name in it.
    parsed: Mutex<Option<Parsed>>,
}

/// Makes a program's command line; and its name, as it was typed.
type Parsed = (fn() -> clap::Command, Option<String>);

type Configure = Box<dyn Fn(Migrator) -> Migrator + Send + Sync>;

// The arguments of `main`. Not a doc comment, which would become the first line of the help.
#[derive(clap::Parser)]
struct Standalone {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    verb: Verb,
}

impl Cli {
    /// Creates the command line for these migrations.
    pub fn new(migrations: &'static Migrations) -> Self {
        Self {
            migrations,
            default_url: None,
            variables: "DATABASE".to_owned(),
            configure: Vec::new(),
            #[cfg(feature = "backup")]
            forbidden: Vec::new(),
            parsed: Mutex::new(None),
        }
    }

    /// The database to use if no flag and no variable names one. Every run that uses it says so. Without a default, a
    /// database is required.
    ///
    /// A single part, such as `DATABASE_PASSWORD` or `--host`, replaces that part of a PostgreSQL default.
    #[must_use]
    pub fn default_url(mut self, url: &str) -> Self {
        let Ok(url) = url.parse();
        self.default_url = Some(url);
        self
    }

    /// The prefix of the variables that name the database: `LIBRARY_DB` for `LIBRARY_DB_URL`, `LIBRARY_DB_HOST` and so
    /// on. Default: `DATABASE`.
    ///
    /// The variables are `DATABASE_URL`, or `DATABASE_HOST`, `DATABASE_PORT`, `DATABASE_USER`, `DATABASE_NAME` and
    /// `DATABASE_PASSWORD` or `DATABASE_PASSWORD_FILE`. Flags win over them.
    #[must_use]
    pub fn variables(mut self, prefix: &str) -> Self {
        self.variables = prefix.to_owned();
        self
    }

    /// Forbids `refresh` for this pair of stages: the rows of the first never replace those of the second.
    ///
    /// Rows can only go from production to staging to test to development in any case.
    ///
    /// ```
    /// # static MIGRATIONS: lockgate::Migrations = lockgate::Migrations::EMPTY;
    /// use lockgate::Stage;
    ///
    /// let cli = lockgate_cli::Cli::new(&MIGRATIONS).forbid_refresh(Stage::Production, Stage::Development);
    /// ```
    #[cfg(feature = "backup")]
    #[must_use]
    pub fn forbid_refresh(mut self, from: lockgate::Stage, to: lockgate::Stage) -> Self {
        self.forbidden.push((from, to));
        self
    }

    /// Sets the program's own options of the migrator. Flags override them.
    ///
    /// ```
    /// # static MIGRATIONS: lockgate::Migrations = lockgate::Migrations::EMPTY;
    /// let cli = lockgate_cli::Cli::new(&MIGRATIONS).migrator_options(|migrator| migrator.set_name("billing"));
    /// ```
    #[must_use]
    pub fn migrator_options(mut self, configure: impl Fn(Migrator) -> Migrator + Send + Sync + 'static) -> Self {
        self.configure.push(Box::new(configure));
        self
    }

    /// Returns the database of the flags, else that of the variables, else the default.
    ///
    /// # Errors
    ///
    /// [`Exit::Usage`] if no database is named, or its name is invalid, after printing the reason to standard error.
    pub fn database_url(&self, options: &Options) -> Result<DatabaseUrl, Exit> {
        #[cfg(feature = "backup")]
        let chosen = match options.tunnel {
            None => self.choose(options),
            Some(_) => Err(CommandError::usage(
                "`--tunnel` works only with Lockgate's own commands, and this is a command of the program",
                "omit `--tunnel`, and open the tunnel yourself",
            )),
        };
        #[cfg(not(feature = "backup"))]
        let chosen = self.choose(options);
        chosen.map(|chosen| chosen.url).map_err(|error| {
            Output::standard(options.format).error(None, &error);
            error.exit()
        })
    }

    pub(crate) fn choose(&self, options: &Options) -> Result<Chosen, CommandError> {
        connect::choose(options, &Variables::of_process(&self.variables), self.default_url.as_ref())
    }

    /// Runs the whole program: reads the arguments, runs the verb and returns the exit code.
    ///
    /// It starts its own asynchronous runtime and blocks. In asynchronous code, use [`run`](Self::run).
    pub fn main(&self) -> ExitCode {
        let arguments: Standalone = match self.parse() {
            Ok(arguments) => arguments,
            Err(exit) => return exit.into(),
        };
        let (options, verb) = (&arguments.options, &arguments.verb);
        block_on(options.format, verb.name(), || self.run(options, verb))
    }

    /// Reads the program's arguments.
    ///
    /// # Errors
    ///
    /// [`Exit::Usage`] if they are invalid, after printing the reason to standard error; [`Exit::Done`] if they ask for
    /// help or the version, after printing that.
    pub fn parse<P: CommandFactory + FromArgMatches>(&self) -> Result<P, Exit> {
        self.parse_from(std::env::args_os())
    }

    /// Reads these arguments. The first is the program's name.
    ///
    /// # Errors
    ///
    /// As for [`parse`](Self::parse).
    pub fn parse_from<P: CommandFactory + FromArgMatches>(
        &self,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Result<P, Exit> {
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        let name = arguments.first().and_then(|program| Path::new(program).file_stem()?.to_str());
        let known = (P::command as fn() -> clap::Command, name.map(str::to_owned));
        *self.parsed.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        if let Some(parsed) = at_once(without_conflicts(P::command()), &arguments) {
            return Ok(parsed);
        }
        let mut command = self.described(P::command());
        let parsed = command.try_get_matches_from_mut(&arguments).and_then(|matches| P::from_arg_matches(&matches));
        parsed.map_err(|error| {
            let format = Format::of_arguments(&arguments);
            let output = Output::standard(format);
            let text = without_secrets(error.render().ansi().to_string(), &arguments);
            let plain = || anstream::adapter::strip_str(&text).to_string();
            match (error.use_stderr(), format) {
                (true, Format::Text) => output.note(text.trim_end()),
                (true, Format::Json) => output.error(None, &CommandError::Arguments(plain())),
                (false, Format::Text) => output.out(text.trim_end()),
                (false, Format::Json) => output.answer("help", &Answer::done(Body::Document(plain()))),
            }
            match output.finish() {
                _ if error.use_stderr() => Exit::Usage,
                Some(_) => Exit::Failed,
                None => Exit::Done,
            }
        })
    }

    /// Runs a verb and shows the result.
    ///
    /// SIGINT (Ctrl-C) and SIGTERM interrupt a verb that changes the database, or waits: the connection is closed, and the output
    /// says what is known. From then on these signals no longer end the process by themselves.
    pub async fn run(&self, options: &Options, verb: &Verb) -> Exit {
        let output = Output::standard(options.format).with_flags(options.naming_flags());
        // On the heap: it is too large to be in several futures on the stack of a thread.
        let answer = Box::pin(self.answer(output.clone(), options, verb));
        let run = finished(output.clone(), verb.name(), answer);
        if !verb.is_stoppable() {
            return run.await;
        }
        let url = || self.choose(options).ok().map(|chosen| chosen.url);
        stoppable(output, verb.name(), |signal| verb.stopped(signal, url), run).await
    }

    async fn answer(&self, output: Output, options: &Options, verb: &Verb) -> Result<Answer, CommandError> {
        if let Some(answer) = verb.without_database(|| self.command()) {
            return answer;
        }
        let chosen = self.choose(options)?;
        // The tunnel ends with the verb.
        #[cfg(feature = "backup")]
        let (chosen, _tunnel) = crate::tunnel::through(options, chosen).await?;
        let invocation = Invocation::new(self.migrations, self.migrator(), chosen, options, self.prefix(), output);
        #[cfg(feature = "backup")]
        let invocation = invocation.forbidding(&self.forbidden);
        verb.run(&invocation).await
    }

    /// Returns the program's command line, or one with only these commands if the arguments were parsed elsewhere.
    pub(crate) fn command(&self) -> clap::Command {
        // Built anew, because the few commands that show it need not be fast, and all others must.
        match self.parsed.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            Some((command, name)) => {
                let command = self.described(command());
                let name = name.unwrap_or_else(|| command.get_name().to_owned());
                command.bin_name(name)
            }
            None => self.described(Standalone::command()),
        }
    }

    /// Returns the prefix of the variables that name the database.
    pub(crate) fn prefix(&self) -> &str {
        &self.variables
    }

    /// Returns the migrator with the program's options.
    fn migrator(&self) -> Migrator {
        self.configured(Migrator::new(self.migrations))
    }

    /// A migrator with the program's options.
    pub(crate) fn configured(&self, migrator: Migrator) -> Migrator {
        self.configure.iter().fold(migrator, |migrator, configure| configure(migrator))
    }

    /// Adds to the command what this value configures: the program's name and version, the default database and the
    /// exit codes.
    fn described(&self, mut command: clap::Command) -> clap::Command {
        if let Some((name, version)) = self.migrations.set().application().split_once(' ') {
            if command.get_version().is_none() {
                command = command.version(version);
            }
            if command.get_about().is_none() {
                command = command.about(format!("The migrations of {name} {version}, which are part of this program"));
            }
        }
        let variables = PART_FLAGS.map(|(id, word, _)| (id, word)).into_iter().chain([("database_url", "URL")]);
        for (id, word) in variables {
            if command.get_arguments().any(|argument| argument.get_id() == id) {
                let default = self.default_url.as_ref().filter(|_| id == "database_url");
                let default = default.map(|url| format!(" [default: {url}]")).unwrap_or_default();
                command = command.mut_arg(id, |argument| {
                    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                    // The value is not shown, as it may hold a password.
                    argument.help(format!("{help} [env: {}_{word}]{default}", self.variables))
                });
            }
        }
        command = without_conflicts(command);
        if command.get_after_help().is_none() {
            command = command.after_help(Exit::table());
        }
        command
    }
}

/// Reads arguments that begin with the name of a command, without the other commands: to give each of them all global
/// options takes longer than the rest of an up-to-date `status`. `None` for anything else, and for wrong arguments, so
/// that messages know all commands.
fn at_once<P: FromArgMatches>(command: clap::Command, arguments: &[OsString]) -> Option<P> {
    let name = arguments.get(1)?.to_str()?;
    // Without positional arguments of its own, the program has a command in this place and nothing else.
    if command.is_multicall_set() || command.get_positionals().next().is_some() {
        return None;
    }
    let mut short = clap::Command::new("program")
        .args(command.get_arguments().cloned())
        .groups(command.get_groups().cloned())
        .subcommand(command.get_subcommands().find(|command| command.get_name() == name)?.clone())
        .args_conflicts_with_subcommands(command.is_args_conflicts_with_subcommands_set())
        .subcommand_negates_reqs(command.is_subcommand_negates_reqs_set());
    let matches = short.try_get_matches_from_mut(arguments).ok()?;
    // Thousands of small texts: the end of the process frees them faster.
    std::mem::forget((command, short));
    P::from_arg_matches(&matches).ok()
}

/// Runs something on an asynchronous runtime of its own, and blocks.
pub(crate) fn block_on<F: Future<Output = Exit>>(
    format: Format,
    verb: &str,
    run: impl FnOnce() -> F + Send,
) -> ExitCode {
    let run = || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run()),
        Err(error) => {
            let error = CommandError::System(format!("no asynchronous runtime can be started: {error}"));
            Output::standard(format).error(Some(verb), &error);
            error.exit()
        }
    };
    if tokio::runtime::Handle::try_current().is_err() {
        return run().into();
    }
    // A thread that drives a runtime cannot block on another one.
    match std::thread::scope(|scope| scope.spawn(run).join()) {
        Ok(exit) => exit.into(),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Lets a signal interrupt a verb that changes a database, and says then what is known.
pub(crate) async fn stoppable(
    output: Output,
    verb: &str,
    stopped: impl FnOnce(&'static str) -> CommandError,
    run: impl Future<Output = Exit>,
) -> Exit {
    let signal = tokio::select! {
        // Signals are handled from before the first event of the run.
        biased;
        signal = signal::stop() => signal,
        exit = run => return exit,
    };
    let error = if output.asks() {
        // Nothing runs before the answer.
        output.answered(false);
        CommandError::Declined("the question was not answered")
    } else if output.only_waits() {
        CommandError::StoppedWaiting { signal }
    } else {
        stopped(signal).with_flags(&output.aim().flags)
    };
    output.error(Some(verb), &error);
    output.finish();
    error.exit()
}

/// Shows the answer of a verb, or its error.
pub(crate) async fn finished(
    output: Output,
    verb: &str,
    answer: impl Future<Output = Result<Answer, CommandError>>,
) -> Exit {
    let exit = match answer.await {
        Ok(answer) => {
            output.answer(verb, &answer);
            answer.exit
        }
        Err(error) => {
            let error = error.with_flags(&output.aim().flags);
            output.error(Some(verb), &error);
            error.exit()
        }
    };
    match output.finish() {
        Some(error) => {
            output.note(&format!("error[failed]: the answer could not be written: {error}"));
            if exit == Exit::Done { Exit::Failed } else { exit }
        }
        None => exit,
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

/// Renames flags that the program's own commands have too, such as `--port`: the database's is then `--database-port`.
fn without_conflicts(mut command: clap::Command) -> clap::Command {
    let flag = |id: &str| command.get_arguments().find(|argument| argument.get_id() == id).cloned();
    let flags: Vec<(clap::Arg, &str)> =
        PART_FLAGS.iter().filter_map(|(id, _, long)| Some((flag(id)?, *long))).collect();
    for (flag, long) in &flags {
        if conflicts(&command, flag) {
            command = command.mut_arg(flag.get_id(), |flag| flag.long(*long));
        }
    }
    // To take the commands apart costs more than to read the arguments.
    if is_in_the_way(&command, &flags) { give_way(command, &flags) } else { command }
}

/// Whether a command below this one has a flag of its own with such a name.
fn is_in_the_way(command: &clap::Command, flags: &[(clap::Arg, &str)]) -> bool {
    command
        .get_subcommands()
        .any(|command| flags.iter().any(|(flag, _)| conflicts(command, flag)) || is_in_the_way(command, flags))
}

fn give_way(mut command: clap::Command, flags: &[(clap::Arg, &'static str)]) -> clap::Command {
    let names: Vec<String> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(name, |mut command| {
            for (flag, long) in flags {
                if conflicts(&command, flag) {
                    // clap does not pass a global flag to a command that has a flag with this identifier.
                    command = command.arg(flag.clone().long(*long));
                }
            }
            give_way(command, flags)
        });
    }
    command
}

/// Whether the command has another flag of this name.
fn conflicts(command: &clap::Command, flag: &clap::Arg) -> bool {
    let mut others = command.get_arguments().filter(|other| other.get_id() != flag.get_id());
    others.any(|other| other.get_long() == flag.get_long())
}

/// Masks secrets in a message about arguments: an argument in the wrong place may be a URL.
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

    /// A service that has a `--port` of its own keeps it.
    #[test]
    fn a_command_of_the_program_keeps_its_own_flags() {
        #[derive(clap::Parser)]
        struct Program {
            #[command(flatten)]
            options: Options,
            #[command(subcommand)]
            command: Command,
        }
        #[derive(clap::Subcommand)]
        enum Command {
            #[command(flatten)]
            Migrations(Verb),
            Serve {
                #[arg(long)]
                port: String,
                #[arg(long)]
                host: String,
            },
        }
        let cli = Cli::new(&Migrations::EMPTY);
        let parsed = |line: &str| cli.parse_from::<Program>(line.split(' ')).expect(line);
        let serve = parsed("app serve --port x --host y --database-port 7 --user ada");
        assert_eq!(
            (serve.options.port, serve.options.host, serve.options.user.as_deref()),
            (Some(7), None, Some("ada"))
        );
        assert!(matches!(serve.command, Command::Serve { port, host } if port == "x" && host == "y"));
        let up = parsed("app up --port 7 --host db");
        assert_eq!((up.options.port, up.options.host.as_deref()), (Some(7), Some("db")));
        assert!(matches!(up.command, Command::Migrations(Verb::Up(_))));
        let before = parsed("app --port 7 up");
        assert_eq!(before.options.port, Some(7));
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
