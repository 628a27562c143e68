//! A PostgreSQL cluster and folders that all processes of a test run share.

use std::path::{Path, PathBuf};

use super::postgres::is_ready;
use super::secret::write_secret;
use super::share::{self, Share};
use super::watchdog::{self, Watchdog};
use super::{Error, Options, Postgres};

/// A cluster that the test processes of one user and one target folder share. It runs until a few seconds
/// ([`LINGER`](super::LINGER)) after the last of them has ended, even if that was killed.
#[derive(Debug)]
pub struct Shared {
    state: State,
    share: Share,
    // Set in the process that started it. Dropping it would stop the cluster for all.
    _server: Option<std::mem::ManuallyDrop<Postgres>>,
}

/// What the other processes need to know.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    process: u32,
    port: u16,
    version: (u32, u32),
    password: String,
    directory: PathBuf,
    bin: PathBuf,
}

impl Shared {
    /// Returns the cluster of this test run with these options, and starts it if it does not run yet.
    ///
    /// # Errors
    ///
    /// As for [`Postgres::start`].
    pub fn join(options: &Options) -> Result<Self, Error> {
        let lives = |text: &str| State::read(text).is_some_and(|state| state.lives());
        let (share, text, server) = Share::join(&options.key(), lives, |fresh| {
            let server = Postgres::start_with(options, Some(fresh))?;
            let process = server.pid().ok_or_else(|| Error::failed("the PostgreSQL server has gone"))?;
            let state = State {
                process,
                port: server.port(),
                version: server.version(),
                password: server.password().to_owned(),
                directory: server.directory().to_owned(),
                bin: server.bin().to_owned(),
            };
            let passwords = format!("127.0.0.1:{}:*:postgres:{}\n", state.port, state.password);
            write_secret(&fresh.folder.join("pgpass"), &passwords)?;
            Ok::<_, Error>((state.text(), server))
        })?;
        let state = State::read(&text).ok_or_else(|| Error::failed("the state of the shared server is not ours"))?;
        Ok(Self { state, share, _server: server.map(std::mem::ManuallyDrop::new) })
    }

    /// Returns the URL of one of its databases, over TCP.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres:{}@127.0.0.1:{}/{database}", self.state.password, self.state.port)
    }

    /// Returns the major and minor version: `(15, 14)`.
    pub fn version(&self) -> (u32, u32) {
        self.state.version
    }

    /// Returns the folder of its binaries.
    pub fn bin(&self) -> &Path {
        &self.state.bin
    }

    /// Returns its directory, with `data/`, the socket and the log.
    pub fn directory(&self) -> &Path {
        &self.state.directory
    }

    /// Returns a file for `PGPASSFILE` with its password, which only this user may read.
    pub fn passwords(&self) -> PathBuf {
        self.share.folder().join("pgpass")
    }

    /// Returns the process id of the server.
    pub fn pid(&self) -> u32 {
        self.state.process
    }
}

impl State {
    fn lives(&self) -> bool {
        is_ready(&self.directory, self.process) && !watchdog::all_gone(&[self.process])
    }

    /// The numbers come first, as paths may contain anything but a line break.
    fn text(&self) -> String {
        let (major, minor) = self.version;
        let (directory, bin) = (self.directory.display(), self.bin.display());
        format!("{} {} {major} {minor} {}\n{directory}\n{bin}\n", self.process, self.port, self.password)
    }

    fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut words = lines.next()?.split(' ');
        Some(Self {
            process: words.next()?.parse().ok()?,
            port: words.next()?.parse().ok()?,
            version: (words.next()?.parse().ok()?, words.next()?.parse().ok()?),
            password: words.next()?.to_owned(),
            directory: lines.next()?.into(),
            bin: lines.next()?.into(),
        })
    }
}

/// A folder that the test processes of one user and one target folder share. It is removed after the last of them.
#[derive(Debug)]
pub struct Folder {
    share: Share,
    // The watchdog waits for this process; nothing waits for the watchdog.
    _watchdog: Option<Watchdog>,
}

impl Folder {
    /// Returns the folder for this purpose, and creates it if it does not exist yet.
    ///
    /// # Errors
    ///
    /// `Failed` if it cannot be created, or if there is no `sh` for the watchdog.
    pub fn join(purpose: &str) -> Result<Self, Error> {
        let target = share::target().display().to_string();
        let key = share::key([purpose, env!("CARGO_PKG_VERSION"), &target]);
        let (share, _, watchdog) = Share::join(
            &key,
            |_| true,
            |fresh| {
                let watchdog = Watchdog::start(None, Some(fresh))?;
                Ok::<_, Error>((String::new(), watchdog))
            },
        )?;
        Ok(Self { share, _watchdog: watchdog })
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        self.share.folder()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let state = State {
            process: 7,
            port: 5432,
            version: (15, 14),
            password: "x".to_owned(),
            directory: "/tmp/a b".into(),
            bin: "/usr/lib".into(),
        };
        assert_eq!(State::read(&state.text()), Some(state));
        assert_eq!(State::read(""), None);
    }
}
