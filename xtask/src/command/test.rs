//! `cargo xtask test`: runs the tests of the workspace on real servers.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anstream::eprintln;
use cargo_metadata::{Metadata, MetadataCommand};

use super::check;
use crate::failure::Failure;
use crate::project::Project;
use lockgate_testing::server::{Error, ErrorKind, Options, Postgres, install, require};

/// The variable from which tests read the URL of the server.
const SERVER: &str = "LOCKGATE_TEST_POSTGRES";
/// The variable that names the file to which each skipped test appends a line.
const SKIPPED: &str = "LOCKGATE_SKIPPED";

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Environment variables: LOCKGATE_TEST_POSTGRES=postgres://… uses a server of your own instead of a \
                  throwaway one; LOCKGATE_POSTGRES_BIN is the folder of the server's programs; LOCKGATE_NO_INSTALL=1 \
                  forbids installing the distribution's package; LOCKGATE_REQUIRE=postgres makes a missing server an \
                  error instead of a skip."
)]
pub(crate) struct Arguments {
    /// Run only the test of this migration, by version or full name: `7`, `0007_add_tags`
    #[arg(long, value_name = "MIGRATION")]
    migration: Option<String>,
    /// The package of that migration
    #[arg(long, short, value_name = "NAME", requires = "migration")]
    package: Option<String>,
    /// Arguments for `cargo nextest run` (without doc tests then), or for `cargo test` if nextest is
    /// not installed
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let required = require::requires("postgres")?;
    let metadata = MetadataCommand::new().exec().map_err(|e| Failure::impossible(format!("cargo metadata: {e}")))?;
    let root = metadata.workspace_root.as_std_path();
    let mut skipped = Vec::new();

    // Kept until the tests have ended: dropping it stops the server.
    let mut _server = None;
    let mut url = env::var(SERVER).ok().filter(|url| !url.is_empty());
    if url.is_some() {
        eprintln!("postgres: the server of {SERVER}");
    } else if needs_postgres(&metadata) {
        match postgres() {
            Ok(server) => {
                let (major, minor) = server.version();
                eprintln!("postgres: {major}.{minor} of {}, on port {}", server.bin().display(), server.port());
                url = Some(server.url("postgres"));
                _server = Some(server);
            }
            Err(e) if e.kind() == ErrorKind::NotFound && !required => skipped.push(format!("postgres: {e}")),
            Err(e) => return Err(e.into()),
        }
    }
    skipped.iter().for_each(|what| eprintln!("skipped: {what}"));

    let reports = tempfile::NamedTempFile::new().map_err(|e| Failure::impossible(format!("a temporary file: {e}")))?;
    let mut words = one_migration(arguments)?;
    words.extend(arguments.arguments.iter().cloned());
    let status = tests(&metadata, root, &words, |command| {
        command.env(SKIPPED, reports.path());
        if let Some(url) = &url {
            command.env(SERVER, url);
        }
    })?;

    let reported = fs::read_to_string(reports.path()).unwrap_or_default();
    skipped.extend(reported.lines().map(str::to_owned));
    skipped.sort();
    skipped.dedup();
    if !skipped.is_empty() {
        let yellow = anstyle::AnsiColor::Yellow.on_default().bold();
        skipped.iter().for_each(|what| eprintln!("{yellow}skipped{yellow:#}: {what}"));
    }
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => Err(Failure::Code(u8::try_from(code).unwrap_or(1))),
        None => Err(Failure::impossible(format!("the test runner was killed by a signal ({status})"))),
    }
}

/// Returns the arguments for a test runner that select the tests of one migration.
fn one_migration(arguments: &Arguments) -> Result<Vec<String>, Failure> {
    let Some(word) = &arguments.migration else { return Ok(Vec::new()) };
    let package = Project::find()?.package(arguments.package.as_deref())?;
    let folder = check::load(&package).folder;
    let id = &check::migration(&folder, word)?.id;
    // The version and its separator are in no other test's name.
    let digits: String = id.chars().take_while(char::is_ascii_digit).collect();
    let name = if digits.is_empty() { id.replace('.', "_") } else { format!("{digits}_") };
    Ok(vec!["--package".to_owned(), package.name, "--test".to_owned(), "migrations".to_owned(), format!("::m{name}")])
}

/// Runs nextest or `cargo test`, then the doc tests.
fn tests(
    metadata: &Metadata,
    root: &Path,
    arguments: &[String],
    prepare: impl Fn(&mut Command),
) -> Result<ExitStatus, Failure> {
    let run = |words: &[&str], more: &[String]| {
        let mut command = cargo(root);
        command.args(words).args(more);
        prepare(&mut command);
        let shown = words.iter().copied().chain(more.iter().map(String::as_str)).collect::<Vec<_>>().join(" ");
        eprintln!("$ cargo {shown}");
        command.status().map_err(|e| Failure::impossible(format!("cargo {shown}: {e}")))
    };
    let nextest = has_nextest(root);
    let mut words = if nextest { vec!["nextest", "run"] } else { vec!["test"] };
    let names_packages = |argument: &String| argument.starts_with("-p") || argument.starts_with("--package");
    if !arguments.iter().any(names_packages) {
        words.push("--workspace");
    }
    let status = run(&words, arguments)?;
    let doc_tests = metadata.workspace_packages().iter().any(|package| package.targets.iter().any(|t| t.doctest));
    // `cargo test` has already run the doc tests.
    if !nextest || !status.success() || !arguments.is_empty() || !doc_tests {
        return Ok(status);
    }
    run(&["test", "--doc", "--workspace"], &[])
}

fn has_nextest(root: &Path) -> bool {
    let mut command = cargo(root);
    command.args(["nextest", "--version"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Returns the cargo that runs this program, without the variables that it has set for this package.
fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_PKG_")) {
        command.env_remove(name);
    }
    command.env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_MANIFEST_PATH");
    command
}

/// Whether anything in the workspace uses Lockgate with PostgreSQL.
fn needs_postgres(metadata: &Metadata) -> bool {
    let lockgate = |id| metadata.packages.iter().any(|package| package.id == id && package.name.as_str() == "lockgate");
    let nodes = metadata.resolve.iter().flat_map(|resolve| &resolve.nodes);
    nodes
        .filter(|node| lockgate(node.id.clone()))
        .any(|node| node.features.iter().any(|feature| feature.as_str() == "postgres"))
}

fn postgres() -> Result<Postgres, Error> {
    installed(|| Postgres::start(&Options::default()))
}

/// Starts a server. If PostgreSQL is missing, installs it first, if that is allowed.
pub(super) fn installed<T>(start: impl Fn() -> Result<T, Error>) -> Result<T, Error> {
    match start() {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            install::may(&e)?;
            eprintln!("postgres: {e}");
            eprintln!("postgres: installing it ({}=1 forbids it):", install::VARIABLE);
            install::COMMANDS.iter().for_each(|command| eprintln!("$ {}", command.join(" ")));
            install::install()?;
            start()
        }
        started => started,
    }
}
