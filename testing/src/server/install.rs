//! Installs the distribution's PostgreSQL if none is found: only on a Debian system, as root, and if it is not forbidden.

use std::env;
use std::fs;
use std::process::{Command, Stdio};

use super::Error;

/// The variable that forbids it: `LOCKGATE_NO_INSTALL=1`.
pub const VARIABLE: &str = "LOCKGATE_NO_INSTALL";

/// Debian's package creates and starts a cluster unless this file forbids it: see pg_createcluster(8).
const CREATE_CLUSTER: &str = "/etc/postgresql-common/createcluster.conf";

/// Checks whether a missing server may be installed.
///
/// # Errors
///
/// If not, `NotFound` with what is missing and what to do by hand.
pub fn may(missing: &Error) -> Result<(), Error> {
    allowed().map_err(|help| Error::not_found(format!("{missing}: {help}")))
}

fn allowed() -> Result<(), Error> {
    let by_hand = "install it (`apt-get install postgresql`, `dnf install postgresql-server`, `brew install \
                   postgresql`), or name a folder with `initdb` and `postgres` in LOCKGATE_POSTGRES_BIN, or a server \
                   of your own in LOCKGATE_TEST_POSTGRES=postgres://user:password@host/database";
    if env::var_os(super::locate::VARIABLE).is_some_and(|value| !value.is_empty()) {
        return Err(Error::not_found("correct the variable, or unset it to search other places"));
    }
    if env::var_os(VARIABLE).is_some_and(|value| !value.is_empty() && value != "0") {
        return Err(Error::not_found(format!("{VARIABLE} forbids installing it: {by_hand}")));
    }
    if !is_root() || !in_path("apt-get") {
        return Err(Error::not_found(by_hand));
    }
    Ok(())
}

/// The commands that install it, which are shown before they run.
pub const COMMANDS: [&[&str]; 3] = [
    &["apt-get", "update"],
    // First the package with the setting that keeps the server's package from starting a cluster.
    &["apt-get", "install", "-y", "--no-install-recommends", "postgresql-common"],
    &["apt-get", "install", "-y", "--no-install-recommends", "postgresql"],
];

/// Installs it, and shows the output of the package manager.
///
/// # Errors
///
/// `Failed` if a command fails.
pub fn install() -> Result<(), Error> {
    run(COMMANDS[0])?;
    run(COMMANDS[1])?;
    let before = fs::read_to_string(CREATE_CLUSTER).unwrap_or_default();
    let write = |text: &str| {
        fs::write(CREATE_CLUSTER, text).map_err(|e| Error::failed(format!("{CREATE_CLUSTER} cannot be written: {e}")))
    };
    write(&without_main_cluster(&before))?;
    let installed = run(COMMANDS[2]);
    // Restore the file, for someone who installs a server later.
    write(&before)?;
    installed
}

fn without_main_cluster(text: &str) -> String {
    let others = text.lines().filter(|line| !line.trim_start().starts_with("create_main_cluster"));
    others.chain(["create_main_cluster = false"]).map(|line| format!("{line}\n")).collect()
}

fn run(words: &[&str]) -> Result<(), Error> {
    let shown = words.join(" ");
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    // Keep its output out of our own stdout.
    command.stdout(std::io::stderr());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Error::failed(format!("`{shown}` fails ({status}): its output is above"))),
        Err(e) => Err(Error::failed(format!("`{shown}` does not start: {e}"))),
    }
}

fn in_path(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

fn is_root() -> bool {
    #[cfg(unix)]
    return super::account::user().is_ok_and(|user| user == 0);
    #[cfg(not(unix))]
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_is_set_once() {
        let text = "# what\n#create_main_cluster = true\ncreate_main_cluster = true\nstart_conf = 'auto'\n";
        let off = without_main_cluster(text);
        assert!(off.ends_with("start_conf = 'auto'\ncreate_main_cluster = false\n"), "{off}");
        assert!(!off.contains("\ncreate_main_cluster = true"), "{off}");
        assert_eq!(without_main_cluster(&off), off);
    }
}
