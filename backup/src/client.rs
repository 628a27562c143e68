//! Finds PostgreSQL's client programs in the right version, and runs them without secrets in their arguments.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use lockgate::{Console, ErrorKind};
use lockgate_testing::server::locate;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use crate::error::Error;
use crate::meta::major;

/// How many lines of a program's message are shown besides the first.
const LINES: usize = 20;
/// How many bytes of a program's standard error are kept.
const KEPT: usize = 64 << 10;

/// A client program that fits the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    program: &'static str,
    path: PathBuf,
    /// `15.18`.
    version: String,
}

impl Client {
    /// Finds a program of this major release, or else of the next newer one. An older program cannot read the server.
    pub(crate) async fn find(program: &'static str, least: u32) -> Result<Self, Error> {
        let mut best: Option<(u32, Self)> = None;
        let mut others = Vec::new();
        for path in locate::clients(program) {
            let Some(version) = version(&path).await else { continue };
            let Some(found) = major(&version) else { continue };
            if found < least {
                others.push(format!("`{}` has version {version}", path.display()));
                continue;
            }
            if best.as_ref().is_none_or(|(major, _)| found < *major) {
                best = Some((found, Self { program, path, version }));
            }
            if found == least {
                break;
            }
        }
        best.map(|(_, client)| client).ok_or_else(|| {
            let what = format!("there is no `{program}` of PostgreSQL {least} or newer");
            let error = Error::failed(what);
            let error = others.into_iter().fold(error, Error::state);
            error.state("nothing was changed").help(format!(
                "install it (`apt install postgresql-client-{least}`, `apk add postgresql{least}-client`, `brew install \
                 libpq`), or name its folder in {}; Lockgate looked there, in PATH and in the usual places",
                locate::VARIABLE
            ))
        })
    }

    /// Name and version: `pg_dump 15.18`.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.program, self.version)
    }

    /// The command for the database of this URL. The password and all else from the URL are passed in the environment.
    pub(crate) fn command(&self, url: &str) -> Result<Command, Error> {
        let mut command = Console::of(url)?.command_of(&self.path);
        // We parse its messages, so they must be in English.
        command.env("LC_ALL", "C").env_remove("PGCLUSTER");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut command = Command::from(command);
        command.kill_on_drop(true).arg("--no-password");
        Ok(command)
    }

    /// Starts it.
    pub(crate) fn start(&self, command: &mut Command) -> Result<Child, Error> {
        command.spawn().map_err(|error| {
            Error::failed(format!("`{}` does not start: {error}", self.path.display())).state("nothing was changed")
        })
    }

    /// The error of a program that ended with this status and wrote this to standard error.
    pub(crate) fn failed(&self, status: ExitStatus, said: &str, url: &str) -> Error {
        let said = lockgate::__private::masked(said.trim(), url);
        let mut lines = said.lines().filter(|line| !line.trim().is_empty());
        let first = lines.next().map(|line| line.trim_start_matches(self.program).trim_start_matches([':', ' ']));
        let first = first.map(|line| format!(": {line}")).unwrap_or_default();
        let kind = match &*said {
            said if said.contains("permission denied") => ErrorKind::Denied,
            _ => ErrorKind::Failed,
        };
        let how = match status.code() {
            Some(code) => format!("failed with exit code {code}"),
            None => "was killed".to_owned(),
        };
        let error = Error::new(kind, format!("`{}` {how}{first}", self.program));
        let error = lines.by_ref().take(LINES).fold(error, |error, line| error.state(line.to_owned()));
        match lines.count() {
            0 => error,
            more => error.state(format!("and {more} more lines")),
        }
    }
}

/// Reads the standard error of a program, and keeps the end of it.
pub(crate) async fn said(mut stream: impl AsyncRead + Unpin) -> String {
    let (mut kept, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(read) = stream.read(&mut piece).await {
        if read == 0 {
            break;
        }
        kept.extend_from_slice(&piece[..read]);
        if kept.len() > 2 * KEPT {
            kept.drain(..kept.len() - KEPT);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// `pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`
async fn version(path: &std::path::Path) -> Option<String> {
    let mut command = Command::new(path);
    command.arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).env("LC_ALL", "C").env_remove("PGCLUSTER");
    let output = command.output().await.ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned)
}
