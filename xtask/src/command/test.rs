//! `cargo xtask test`: every test of the workspace, on real servers.

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

/// The variable by which tests learn of the server.
const SERVER: &str = "LOCKGATE_TEST_POSTGRES";
/// The variable that names the file to which a test appends a line when it skips something.
const SKIPPED: &str = "LOCKGATE_SKIPPED";

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Variables: LOCKGATE_TEST_POSTGRES=postgres://… is a server of your own, used instead of a throwaway \
                  one; LOCKGATE_POSTGRES_BIN names the folder of the server's programs; LOCKGATE_NO_INSTALL=1 forbids \
                  to install the distribution's package; LOCKGATE_REQUIRE=postgres makes a missing server an error and \
                  not a skip."
)]
pub(crate) struct Arguments {
    /// Only the test of this migration, by version or whole name: `7`, `0007_add_tags`
    #[arg(long, value_name = "MIGRATION")]
    migration: Option<String>,
    /// The package whose migration that is
    #[arg(long, short, value_name = "NAME", requires = "migration")]
    package: Option<String>,
    /// Arguments for `cargo nextest run` (doc tests are left out then), or for `cargo test` where
    /// there is no nextest
    #[arg(last = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let required = require::requires("postgres")?;
    let metadata = MetadataCommand::new().exec().map_err(|e| Failure::impossible(format!("cargo metadata: {e}")))?;
    let root = metadata.workspace_root.as_std_path();
    let mut skipped = Vec::new();

    // Kept until the tests are over: dropping it stops the server.
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
        None => Err(Failure::impossible(format!("the test runner was ended by a signal ({status})"))),
    }
}

/// What a test runner is told to run the tests of one migration alone.
fn one_migration(arguments: &Arguments) -> Result<Vec<String>, Failure> {
    let Some(word) = &arguments.migration else { return Ok(Vec::new()) };
    let package = Project::find()?.package(arguments.package.as_deref())?;
    let folder = check::load(&package).folder;
    let id = &check::migration(&folder, word)?.id;
    // The version and what separates it from the name: no other test has that in its name.
    let digits: String = id.chars().take_while(char::is_ascii_digit).collect();
    let name = if digits.is_empty() { id.replace('.', "_") } else { format!("{digits}_") };
    Ok(vec!["--package".to_owned(), package.name, "--test".to_owned(), "migrations".to_owned(), format!("::m{name}")])
}

/// Nextest or `cargo test`, then the doc tests.
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
    // `cargo test` has run them already.
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

/// The cargo that runs us, without the traces that it left for us.
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

/// Starts a server, after installing one where there is none and we may.
fn postgres() -> Result<Postgres, Error> {
    match Postgres::start(&Options::default()) {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            install::may(&e)?;
            eprintln!("postgres: {e}");
            eprintln!("postgres: installing it ({}=1 forbids it):", install::VARIABLE);
            install::COMMANDS.iter().for_each(|command| eprintln!("$ {}", command.join(" ")));
            install::install()?;
            Postgres::start(&Options::default())
        }
        started => started,
    }
}
