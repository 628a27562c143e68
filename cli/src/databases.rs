//! The command line of a program that embeds the patches of several databases of one PostgreSQL server.

use std::process::ExitCode;

use lockgate::{
    Audience, DatabaseMigrations, DatabaseParts, DatabasePlan, Databases, DatabasesMigrator, Dialect, Migrations,
    Migrator, Report, shell_word,
};

use crate::answer::{Answer, Body, DatabasePlanned, NothingToDo, Planned, Stands};
use crate::cli::{self, Cli};
use crate::command_error::CommandError;
use crate::connect::Chosen;
use crate::exit::Exit;
use crate::invocation::{Access, Invocation};
use crate::options::Options;
use crate::output::Output;
use crate::render::Counts;
use crate::url::DatabaseUrl;
use crate::verb::{
    Caution, Verb, baseline, doctor, down, drift, history, mark_stage, mirror, plan, redo, repair, sql, wait,
};
use crate::watch::{View, shown};

/// Lockgate's command line for several databases.
///
/// ```no_run
/// # static PATCHES: lockgate::Databases = lockgate::Databases::EMPTY;
/// use std::process::ExitCode;
///
/// // static PATCHES: lockgate::Databases = lockgate::embed_migrations!("patches", databases);
///
/// fn main() -> ExitCode {
///     lockgate_cli::DatabasesCli::new(&PATCHES).main()
/// }
/// ```
///
/// The database URL names the server, and the user who reads and, for databases that do not exist, the database to
/// connect to meanwhile: `postgres://admin@db.internal/postgres`.
#[derive(Debug)]
pub struct DatabasesCli {
    databases: &'static Databases,
    cli: Cli,
    prefix: String,
}

/// No migrations: for the name of a program without databases.
static NONE: Migrations = Migrations::EMPTY;

/// What every command understands.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "Options for several databases")]
pub struct DatabasesOptions {
    /// What is not about several databases.
    #[command(flatten)]
    pub options: Options,
    /// Work on this database alone
    #[arg(long, global = true, value_name = "NAME")]
    pub database: Option<String>,
    /// What the variables with the passwords of the roles begin with: `PATCH_` for `PATCH_BILLING_OWNER_PASSWORD`
    #[arg(long, global = true, value_name = "PREFIX")]
    pub prefix: Option<String>,
    /// Instead of the patches that are part of this program, those in these files: `'patches/**/*.sql'`
    #[cfg(feature = "files")]
    #[arg(long, global = true, value_name = "GLOB", num_args = 1..)]
    pub files: Vec<String>,
    /// Log in as the user of the URL alone, and become each role by SET ROLE
    #[arg(long, global = true)]
    pub set_role: bool,
}

impl DatabasesOptions {
    /// See [`Options::naming_flags`].
    fn naming_flags(&self) -> Vec<String> {
        let mut flags = self.options.naming_flags();
        #[cfg(feature = "files")]
        if !self.files.is_empty() {
            let files: Vec<_> = self.files.iter().map(|glob| shell_word(glob)).collect();
            flags.push(format!("--files {}", files.join(" ")));
        }
        let with_value = [("--database", &self.database), ("--prefix", &self.prefix)];
        let with_value = with_value.into_iter().filter_map(|(flag, value)| Some((flag, value.as_deref()?)));
        flags.extend(with_value.map(|(flag, value)| format!("{flag} {}", shell_word(value))));
        flags.extend(self.set_role.then(|| "--set-role".to_owned()));
        flags
    }
}

/// A command for several databases.
#[derive(clap::Subcommand, Clone, Debug)]
#[command(about = None)]
#[non_exhaustive]
pub enum DatabasesVerb {
    /// Apply what is pending in each database, and make those that do not exist
    Up(Up),
    /// Revert patches of the database that `--database` names, each as its role
    Down(down::Arguments),
    /// Revert the newest patches of the database that `--database` names, and apply them again
    Redo(redo::Arguments),
    /// Show what is applied in each database, what is pending and what differs
    Status(StatusOf),
    /// Show what `up` would run, and execute nothing
    Plan(PlanOf),
    /// Wait until another run has applied every patch; ask the databases alone, and change nothing
    Wait(wait::Arguments),
    /// Say whether the databases have every patch; do not wait
    Ready,
    /// List every difference between program and database, of the one that `--database` names
    Drift(drift::Arguments),
    /// Show what was done to the database that `--database` names
    History(HistoryOf),
    /// Record everything up to a patch as applied, and execute nothing, in the database that `--database` names
    Baseline(BaselineOf),
    /// Correct the history of the database that `--database` names, and execute nothing
    Repair(RepairOf),
    /// Look at everything that could stop a run in the database that `--database` names
    Doctor(doctor::Arguments),
    /// Compare the databases with their mirror, or accept one as it is
    Mirror(mirror::Arguments),
    /// Mark the database that `--database` names with its stage
    MarkStage(mark_stage::Arguments),
    /// Open `psql` on the database that `--database` names, as the user of the URL
    Sql(sql::Arguments),
    /// Print a script that completes these commands in a shell
    #[cfg(feature = "completions")]
    Completions(crate::verb::completions::Arguments),
    /// Print a page of the manual, for `man`
    #[cfg(feature = "man")]
    Man(crate::verb::man::Arguments),
    /// Print the JSON Schema of what `--format json` writes
    #[cfg(feature = "json-schema")]
    JsonSchema(crate::verb::json_schema::Arguments),
}

/// The arguments of `up`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Up {
    /// Show what would run, with the SQL, and execute nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Show each statement before it runs; with `--dry-run`, show everything, however much it is
    #[arg(short, long)]
    pub verbose: bool,
    /// How to end without anything to do.
    #[command(flatten)]
    pub nothing: NothingToDo,
}

/// The arguments of `status`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct StatusOf {
    /// Show every patch; a terminal shows only the first and the last of many
    #[arg(long)]
    pub all: bool,
}

/// The arguments of `repair`.
#[derive(clap::Args, Clone, Debug)]
pub struct RepairOf {
    /// What is corrected.
    #[command(flatten)]
    pub repair: repair::Arguments,
    /// Correct the history of the bootstraps of that database, which is in the database of the URL while they run
    #[arg(long)]
    pub bootstraps: bool,
}

/// The arguments of `baseline`.
#[derive(clap::Args, Clone, Debug)]
pub struct BaselineOf {
    /// What is recorded.
    #[command(flatten)]
    pub baseline: baseline::Arguments,
    /// Record bootstraps of that database, which has what they make
    #[arg(long)]
    pub bootstraps: bool,
}

/// The arguments of `history`.
#[derive(clap::Args, Clone, Debug)]
pub struct HistoryOf {
    /// What is shown.
    #[command(flatten)]
    pub history: history::Arguments,
    /// Show what runs did with the bootstraps of that database, which is recorded in the database of the URL
    #[arg(long)]
    pub bootstraps: bool,
}

/// The arguments of `plan`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct PlanOf {
    /// Show everything; a terminal shows only the beginning of much
    #[arg(short, long)]
    pub verbose: bool,
    /// How to end without anything to do.
    #[command(flatten)]
    pub nothing: NothingToDo,
}

// The arguments of `main`. Not a doc comment, which would become the first line of the help.
#[derive(clap::Parser)]
struct Standalone {
    #[command(flatten)]
    options: DatabasesOptions,
    #[command(subcommand)]
    verb: DatabasesVerb,
}

/// A command as it is carried out.
enum Task {
    Up(Up),
    Down(down::Arguments),
    Redo(redo::Arguments),
    Status(StatusOf),
    Plan(PlanOf),
    Wait(wait::Arguments),
    Ready,
    Mirror(mirror::Arguments),
    /// On the history of the bootstraps of one database.
    Bootstraps(Verb),
    /// On one database, as a program with that database alone would do it.
    One(Verb),
    /// Without any database.
    #[cfg_attr(
        not(any(feature = "completions", feature = "man", feature = "json-schema")),
        expect(dead_code, reason = "these alone need no database")
    )]
    Without(Verb),
}

impl DatabasesCli {
    /// Creates the command line for these databases.
    pub fn new(databases: &'static Databases) -> Self {
        let migrations = databases.iter().next().map_or(&NONE, DatabaseMigrations::migrations);
        Self { databases, cli: Cli::new(migrations), prefix: String::new() }
    }

    /// The server to use if no flag and no variable names one; see [`Cli::default_url`].
    #[must_use]
    pub fn default_url(mut self, url: &str) -> Self {
        self.cli = self.cli.default_url(url);
        self
    }

    /// The prefix of the variables that name the server; see [`Cli::variables`].
    #[must_use]
    pub fn variables(mut self, prefix: &str) -> Self {
        self.cli = self.cli.variables(prefix);
        self
    }

    /// What the variables with the passwords of the roles begin with, unless `--prefix` says otherwise. Default: nothing,
    /// so that the password of `billing_owner` is in `BILLING_OWNER_PASSWORD`.
    #[must_use]
    pub fn password_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Sets the program's own options of the migrator; see [`Cli::migrator_options`].
    #[must_use]
    pub fn migrator_options(mut self, configure: impl Fn(Migrator) -> Migrator + Send + Sync + 'static) -> Self {
        self.cli = self.cli.migrator_options(configure);
        self
    }

    /// Runs the whole program, as [`Cli::main`] does.
    pub fn main(&self) -> ExitCode {
        let arguments: Standalone = match self.cli.parse() {
            Ok(arguments) => arguments,
            Err(exit) => return exit.into(),
        };
        let (options, verb) = (&arguments.options, &arguments.verb);
        cli::block_on(options.options.format, verb.name(), || self.run(options, verb))
    }

    /// Runs a command and shows the result, as [`Cli::run`] does.
    pub async fn run(&self, options: &DatabasesOptions, verb: &DatabasesVerb) -> Exit {
        let output = Output::standard(options.options.format).with_flags(options.naming_flags());
        let task = verb.task();
        let is_stoppable = match &task {
            Task::Up(arguments) => !arguments.dry_run,
            Task::Down(arguments) => !arguments.dry_run,
            Task::Redo(arguments) => !arguments.dry_run,
            Task::Mirror(arguments) => arguments.what.is_some(),
            Task::One(verb) | Task::Bootstraps(verb) => verb.is_stoppable(),
            // It changes nothing, but says how it ended.
            Task::Wait(_) => true,
            Task::Status(_) | Task::Plan(_) | Task::Ready | Task::Without(_) => false,
        };
        let waits = matches!(task, Task::Wait(_));
        let stopped = move |signal| match waits {
            true => CommandError::StoppedWaiting { signal },
            false => CommandError::Stopped { signal, postgres: true, flags: Vec::new() },
        };
        let answer = Box::pin(self.answer(output.clone(), options, task));
        let run = cli::finished(output.clone(), verb.name(), answer);
        if is_stoppable { cli::stoppable(output, verb.name(), stopped, run).await } else { run.await }
    }

    async fn answer(&self, output: Output, options: &DatabasesOptions, task: Task) -> Result<Answer, CommandError> {
        let verb = match task {
            Task::Without(verb) => {
                let answer = verb.without_database(|| self.cli.command());
                return answer.expect("a verb without a database answers without one");
            }
            Task::One(Verb::Drift(arguments)) => return self.drift(output, options, &arguments).await,
            Task::One(Verb::Doctor(arguments)) => return self.doctor(output, options, arguments).await,
            Task::One(verb) => return self.on_one(output, options, &verb).await,
            Task::Bootstraps(verb) => return self.on_bootstraps(output, options, &verb).await,
            Task::Down(arguments) => return self.down(output, options, &arguments).await,
            Task::Redo(arguments) => return self.redo(output, options, &arguments).await,
            task => task,
        };
        let chosen = self.cli.choose(&options.options)?;
        #[cfg(feature = "backup")]
        let (chosen, _tunnel) = crate::tunnel::through(&options.options, chosen).await?;
        let Chosen { url, note } = chosen;
        let note = note.map(|note| format!(", {note}")).unwrap_or_default();
        output.remark(&format!("the server is {url}{note}"));
        let url = url.reveal();
        let databases = self.databases(options, &output)?;
        let migrator = self.migrator(options, databases);
        match verb {
            Task::Up(arguments) if arguments.dry_run => {
                self.plan(&migrator, url, arguments.verbose, arguments.nothing).await
            }
            Task::Up(arguments) => {
                let view = View { verbose: arguments.verbose, counts: Counts::Migrations };
                let report = migrator.options(|options| shown(&output, options, view)).apply(url).await;
                output.bar(|bar| bar.end());
                let report = report?;
                Ok(Answer { exit: arguments.nothing.exit(report.is_empty()), body: Body::Runs(report) })
            }
            Task::Status(arguments) => {
                let each = migrator.status(url).await?;
                let refuses = each.iter().any(|stand| stand.up_refuses);
                let exit = if refuses { Exit::Refused } else { Exit::Done };
                Ok(Answer { exit, body: Body::Statuses(Stands { each, all: arguments.all }) })
            }
            Task::Plan(arguments) => self.plan(&migrator, url, arguments.verbose, arguments.nothing).await,
            Task::Wait(arguments) => {
                // Whoever waits for a database that nobody makes learns it at once.
                let began = std::time::Instant::now();
                let absent: Vec<String> = match tokio::time::timeout(arguments.timeout, migrator.status(url)).await {
                    Ok(Ok(each)) => each.into_iter().filter(|of| !of.exists).map(|of| of.database).collect(),
                    Ok(Err(error)) => {
                        let absent = databases.iter().find(|database| database.is_absent(&error));
                        absent.map(|database| database.name().to_owned()).into_iter().collect()
                    }
                    Err(_) => Vec::new(),
                };
                for database in absent {
                    output.remark(&format!("the database `{database}` does not exist: waiting for it"));
                }
                let left = arguments.timeout.saturating_sub(began.elapsed());
                migrator.wait(url, left, arguments.interval).await?;
                self.ready(&migrator, url).await
            }
            Task::Ready => self.ready(&migrator, url).await,
            Task::Mirror(arguments) => match &arguments.what {
                None => Ok(mirror::compared(migrator.mirror_status(url).await?)),
                Some(mirror::What::Accept(accept)) => {
                    let accepted = migrator.accept_in_mirror(url, &accept.database, &accept.reason).await?;
                    Ok(mirror::accepted(accepted))
                }
            },
            Task::Down(_) | Task::Redo(_) | Task::Bootstraps(_) | Task::One(_) | Task::Without(_) => {
                unreachable!("they are answered above")
            }
        }
    }

    /// The patches: those of the program, or those in the files that were named.
    fn databases(&self, options: &DatabasesOptions, output: &Output) -> Result<&'static Databases, CommandError> {
        #[cfg(feature = "files")]
        if !options.files.is_empty() {
            return crate::files::read(&options.files, output);
        }
        #[cfg(not(feature = "files"))]
        let _ = (options, output);
        Ok(self.databases)
    }

    /// The migrator with the program's options and the flags; flags win.
    fn migrator(&self, options: &DatabasesOptions, databases: &'static Databases) -> DatabasesMigrator {
        let prefix = options.prefix.as_deref().unwrap_or(&self.prefix);
        let mut migrator = DatabasesMigrator::new(databases)
            .passwords_from_environment(prefix)
            .wait_for_server(options.options.wait_for_server.unwrap_or_default())
            .options(|migrator| options.options.configure(self.cli.configured(migrator)));
        let of_run = &options.options;
        if of_run.without_mirror {
            migrator = migrator.without_mirror();
        } else if let Some(mirror) = &of_run.mirror {
            migrator = migrator.mirror(mirror.reveal());
        }
        if options.set_role {
            migrator = migrator.set_role();
        }
        match &options.database {
            Some(database) => migrator.only(database),
            None => migrator,
        }
    }

    async fn plan(
        &self,
        migrator: &DatabasesMigrator,
        url: &str,
        all: bool,
        nothing: NothingToDo,
    ) -> Result<Answer, CommandError> {
        let planned = |migrations: &'static Migrations, plan| Planned {
            migrations: *migrations,
            plan,
            dialect: Dialect::Postgres,
            sizes: Vec::new(),
            all,
        };
        let found = migrator.plan(url).await?;
        let exit = nothing.exit(found.iter().all(DatabasePlan::is_empty));
        let mut plans = Vec::with_capacity(found.len());
        for of in found {
            let database = migrator.databases().get(&of.database).expect("a plan is for one of the databases");
            plans.push(DatabasePlanned {
                exists: of.exists,
                bootstraps: planned(database.bootstraps(), of.bootstraps),
                left_out: of.left_out,
                patches: planned(database.migrations(), of.plan),
                database: of.database,
            });
        }
        Ok(Answer { exit, body: Body::Plans(plans) })
    }

    async fn ready(&self, migrator: &DatabasesMigrator, url: &str) -> Result<Answer, CommandError> {
        use lockgate::wait::Readiness;

        let each = migrator.ready(url).await?;
        let is = |wanted: fn(&Readiness) -> bool| each.iter().any(|(_, readiness)| wanted(readiness));
        let exit = if is(|readiness| matches!(readiness, Readiness::Partial { .. })) {
            Exit::Partial
        } else if is(|readiness| *readiness != Readiness::Ready) {
            Exit::TimedOut
        } else {
            Exit::Done
        };
        Ok(Answer { exit, body: Body::AllReady(each) })
    }

    /// Runs a verb on the database that was named, as the user of the URL.
    async fn on_one(&self, output: Output, options: &DatabasesOptions, verb: &Verb) -> Result<Answer, CommandError> {
        let One { databases, name, invocation, _tunnel, .. } = self.one(output, options, verb.name()).await?;
        let of = databases.get(name).expect("it was found by its name");
        verb.run(&invocation).await.map_err(|error| error.of_database(of).on_database(name))
    }

    /// Compares one database with its patches and bootstraps.
    async fn drift(
        &self,
        output: Output,
        options: &DatabasesOptions,
        arguments: &drift::Arguments,
    ) -> Result<Answer, CommandError> {
        let One { databases, name, invocation, server, _tunnel } = self.one(output, options, "drift").await?;
        let of = databases.get(name).expect("it was found by its name");
        let compared = Verb::Drift(arguments.clone()).run(&invocation).await;
        let mut answer = compared.map_err(|error| error.of_database(of).on_database(name))?;
        if let Body::Drift(differences) = &mut answer.body {
            let one = self.migrator(options, databases).only(name).without_mirror();
            let statuses = one.status(server.reveal()).await?;
            let of_bootstraps =
                statuses.iter().flat_map(|of| of.bootstrap_differences(Audience::CommandLine)).collect();
            let (_, found) = differences.bootstraps.insert((name.to_owned(), of_bootstraps));
            if !found.is_empty() {
                answer.exit = Exit::Drift;
            }
        }
        Ok(answer)
    }

    /// Examines one database as the user of the URL, and the bootstraps and roles that a run would need. The database may be
    /// missing.
    async fn doctor(
        &self,
        output: Output,
        options: &DatabasesOptions,
        arguments: doctor::Arguments,
    ) -> Result<Answer, CommandError> {
        let One { databases, name, invocation, server, _tunnel } = self.one(output, options, "doctor").await?;
        let of = databases.get(name).expect("it was found by its name");
        let mut found = match Verb::Doctor(arguments).run(&invocation).await {
            Ok(Answer { body: Body::Examined(findings), .. }) => {
                let named = |advice: &str| lockgate::on_database(advice, name);
                findings.into_iter().map(|finding| finding.advised(named)).collect()
            }
            Err(CommandError::Lockgate(error)) if of.is_absent(&error) => Vec::new(),
            Ok(_) => unreachable!("doctor answers with findings"),
            Err(error) => return Err(error.of_database(of).on_database(name)),
        };
        found.extend(self.migrator(options, databases).examine(server.reveal(), name).await?);
        Ok(doctor::answer(found))
    }

    /// Runs a verb on the history of bootstraps, as the user of the URL.
    async fn on_bootstraps(
        &self,
        output: Output,
        options: &DatabasesOptions,
        verb: &Verb,
    ) -> Result<Answer, CommandError> {
        let (databases, name) = self.named(options, &format!("{} --bootstraps", verb.name()), &output)?;
        let Chosen { url, note } = self.cli.choose(&options.options)?;
        let several = self.migrator(options, databases);
        let (migrator, url) = match verb {
            // What they did, the database of the URL has logged.
            Verb::History(_) => (several.bootstraps(name)?, several.maintenance_url(url.reveal())?),
            _ => several.recorded_bootstraps(url.reveal(), name).await?,
        };
        let Ok(url) = url.parse();
        let of = databases.get(name).expect("its bootstraps were found");
        // The migrator already has the options, and the name of its set is derived from `--set`.
        let of_run = Options { set: None, mirror: None, ..options.options.clone() };
        let chosen = Chosen { url, note };
        let invocation = Invocation::new(of.bootstraps(), migrator, chosen, &of_run, self.cli.prefix(), output);
        verb.run(&invocation).await.map_err(|error| error.on_bootstraps(name))
    }

    async fn down(
        &self,
        output: Output,
        options: &DatabasesOptions,
        arguments: &down::Arguments,
    ) -> Result<Answer, CommandError> {
        let One { databases, name, invocation, server, _tunnel } = self.one(output, options, "down").await?;
        let destination = arguments.downward.destination(&invocation)?;
        let migrator = self.migrator(options, databases);
        let planned = migrator.plan_revert(server.reveal(), name, destination).await?;
        let exit = arguments.nothing.exit(planned.is_empty());
        let of_run = OfRun { verbose: arguments.verbose, dry_run: arguments.dry_run, caution: arguments.caution };
        let answer =
            carry_out(&invocation, migrator, server.reveal(), name, planned, of_run, Counts::Reversals).await?;
        Ok(Answer { exit, ..answer })
    }

    async fn redo(
        &self,
        output: Output,
        options: &DatabasesOptions,
        arguments: &redo::Arguments,
    ) -> Result<Answer, CommandError> {
        let One { databases, name, invocation, server, _tunnel } = self.one(output, options, "redo").await?;
        let migrator = self.migrator(options, databases);
        let planned = migrator.plan_redo(server.reveal(), name, arguments.steps).await?;
        let of_run = OfRun { verbose: arguments.verbose, dry_run: arguments.dry_run, caution: arguments.caution };
        carry_out(&invocation, migrator, server.reveal(), name, planned, of_run, Counts::Steps).await
    }

    /// The database that was named.
    fn named<'o>(
        &self,
        options: &'o DatabasesOptions,
        verb: &str,
        output: &Output,
    ) -> Result<(&'static Databases, &'o str), CommandError> {
        let databases = self.databases(options, output)?;
        let known: Vec<String> = databases.iter().map(|database| format!("`{}`", database.name())).collect();
        let which = format!("write `--database NAME` with one of {}", known.join(", "));
        let Some(name) = &options.database else {
            return Err(CommandError::usage(format!("`{verb}` works on one database"), which));
        };
        if databases.get(name).is_none() {
            return Err(CommandError::usage(format!("there are no patches for the database `{name}`"), which));
        }
        Ok((databases, name))
    }

    /// The database that was named, and the invocation of a verb on it, as the user of the URL.
    async fn one<'o>(
        &'o self,
        output: Output,
        options: &'o DatabasesOptions,
        verb: &str,
    ) -> Result<One<'o>, CommandError> {
        let (databases, name) = self.named(options, verb, &output)?;
        let database = databases.get(name).expect("it was found by its name");
        let chosen = self.cli.choose(&options.options)?;
        #[cfg(feature = "backup")]
        let (chosen, tunnel) = crate::tunnel::through(&options.options, chosen).await?;
        #[cfg(not(feature = "backup"))]
        let tunnel = ();
        let Chosen { url: server, note } = chosen;
        let parts = DatabaseParts { name: Some(name.to_owned()), ..DatabaseParts::default() };
        let Some(url) = lockgate::__private::with_parts(server.reveal(), &parts) else {
            return Err(CommandError::usage(
                "the URL of the server is not one of PostgreSQL",
                "write `postgres://user@host/postgres`",
            ));
        };
        let Ok(url): Result<DatabaseUrl, _> = url.parse();
        let migrator = lockgate::__private::among(Migrator::new(database.migrations()), databases);
        let mut migrator = self.cli.configured(migrator);
        if let Some(mirror) = databases.mirror() {
            let Ok(mirror): Result<DatabaseUrl, _> = mirror.parse();
            migrator = migrator.mirror(mirror.beside(&url));
        }
        let chosen = Chosen { url, note };
        let (options, prefix) = (&options.options, self.cli.prefix());
        let invocation = Invocation::new(database.migrations(), migrator, chosen, options, prefix, output);
        Ok(One { databases, name, invocation, server, _tunnel: tunnel })
    }
}

/// One of several databases.
struct One<'o> {
    databases: &'static Databases,
    name: &'o str,
    invocation: Invocation<'o>,
    server: DatabaseUrl,
    /// The tunnel, which ends with the verb.
    #[cfg(feature = "backup")]
    _tunnel: Option<lockgate_backup::tunnel::Tunnel>,
    #[cfg(not(feature = "backup"))]
    _tunnel: (),
}

/// How a plan is carried out.
#[derive(Clone, Copy, Debug)]
struct OfRun {
    verbose: bool,
    dry_run: bool,
    caution: Caution,
}

/// Runs a plan on one of several databases, or shows it.
async fn carry_out(
    invocation: &Invocation<'_>,
    migrator: DatabasesMigrator,
    server: &str,
    name: &str,
    planned: lockgate::Plan,
    of_run: OfRun,
    counts: Counts,
) -> Result<Answer, CommandError> {
    if of_run.dry_run {
        let mut database = invocation.connect(Access::Read).await?;
        return plan::answer(invocation, planned, &mut database, of_run.verbose).await;
    }
    if of_run.caution.asks(invocation) {
        let database = invocation.connect(Access::Write).await?;
        of_run.caution.ask(invocation, &planned, &database).await?;
    }
    let (output, view) = (invocation.output(), View { verbose: of_run.verbose, counts });
    let began = std::time::Instant::now();
    let ran = migrator.options(|options| shown(output, options, view)).apply_plan(server, name, &planned).await;
    output.bar(|bar| bar.end());
    let mut report = Report::default();
    (report.steps, report.elapsed) = (ran?.steps, began.elapsed());
    Ok(Answer::done(Body::Run(report)))
}

impl DatabasesVerb {
    /// The word that is typed for it.
    fn name(&self) -> &'static str {
        match self.task() {
            Task::Up(_) => "up",
            Task::Down(_) => "down",
            Task::Redo(_) => "redo",
            Task::Status(_) => "status",
            Task::Plan(_) => "plan",
            Task::Wait(_) => "wait",
            Task::Ready => "ready",
            Task::Mirror(_) => "mirror",
            Task::One(verb) | Task::Bootstraps(verb) | Task::Without(verb) => verb.name(),
        }
    }

    fn task(&self) -> Task {
        match self.clone() {
            Self::Up(arguments) => Task::Up(arguments),
            Self::Down(arguments) => Task::Down(arguments),
            Self::Redo(arguments) => Task::Redo(arguments),
            Self::Status(arguments) => Task::Status(arguments),
            Self::Plan(arguments) => Task::Plan(arguments),
            Self::Wait(arguments) => Task::Wait(arguments),
            Self::Ready => Task::Ready,
            Self::Mirror(arguments) => Task::Mirror(arguments),
            Self::Drift(arguments) => Task::One(Verb::Drift(arguments)),
            Self::History(HistoryOf { history, bootstraps: true }) => Task::Bootstraps(Verb::History(history)),
            Self::History(HistoryOf { history, bootstraps: false }) => Task::One(Verb::History(history)),
            Self::Baseline(BaselineOf { baseline, bootstraps: true }) => Task::Bootstraps(Verb::Baseline(baseline)),
            Self::Baseline(BaselineOf { baseline, bootstraps: false }) => Task::One(Verb::Baseline(baseline)),
            Self::Repair(RepairOf { repair, bootstraps: true }) => Task::Bootstraps(Verb::Repair(repair)),
            Self::Repair(RepairOf { repair, bootstraps: false }) => Task::One(Verb::Repair(repair)),
            Self::Doctor(arguments) => Task::One(Verb::Doctor(arguments)),
            Self::MarkStage(arguments) => Task::One(Verb::MarkStage(arguments)),
            Self::Sql(arguments) => Task::One(Verb::Sql(arguments)),
            #[cfg(feature = "completions")]
            Self::Completions(arguments) => Task::Without(Verb::Completions(arguments)),
            #[cfg(feature = "man")]
            Self::Man(arguments) => Task::Without(Verb::Man(arguments)),
            #[cfg(feature = "json-schema")]
            Self::JsonSchema(arguments) => Task::Without(Verb::JsonSchema(arguments)),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_is_well_formed() {
        Standalone::command().debug_assert();
    }
}
