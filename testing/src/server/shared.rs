//! What all processes of a test run have together: one PostgreSQL cluster, which the first that
//! needs it starts, and folders.

use std::path::{Path, PathBuf};

use super::postgres::is_ready;
use super::secret::write_secret;
use super::share::{self, Share};
use super::watchdog::{self, Watchdog};
use super::{Error, Options, Postgres};

/// A cluster that the test processes of one user and one target folder share. It lives while one of
/// them does, and a few seconds longer ([`LINGER`](super::LINGER)), also where they are killed.
#[derive(Debug)]
pub struct Shared {
    state: State,
    share: Share,
    // In the process that started it. Dropping it would stop it for all.
    _server: Option<std::mem::ManuallyDrop<Postgres>>,
}

/// What the others must know of it.
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
    /// The cluster of this test run, which is started if it is the first to be asked for with these
    /// options.
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

    /// The URL of a database of it, over TCP.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres:{}@127.0.0.1:{}/{database}", self.state.password, self.state.port)
    }

    /// Major and minor version: `(15, 14)`.
    pub fn version(&self) -> (u32, u32) {
        self.state.version
    }

    /// The folder of its binaries.
    pub fn bin(&self) -> &Path {
        &self.state.bin
    }

    /// The directory that holds all of it: `data/`, the socket and the log.
    pub fn directory(&self) -> &Path {
        &self.state.directory
    }

    /// A file for `PGPASSFILE`, which holds its password and only this user may read.
    pub fn passwords(&self) -> PathBuf {
        self.share.folder().join("pgpass")
    }

    /// The process id of the server.
    pub fn pid(&self) -> u32 {
        self.state.process
    }
}

impl State {
    fn lives(&self) -> bool {
        is_ready(&self.directory, self.process) && !watchdog::all_gone(&[self.process])
    }

    /// Numbers first, as paths may hold anything but a line's end.
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

/// A folder that the test processes of one user and one target folder share, and that goes with
/// the last of them.
#[derive(Debug)]
pub struct Folder {
    share: Share,
    // It waits for us; nothing waits for it.
    _watchdog: Option<Watchdog>,
}

impl Folder {
    /// The folder of this purpose, which is made if it is the first to be asked for.
    ///
    /// # Errors
    ///
    /// `Failed` where it cannot be made, or where there is no `sh` to watch over it.
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

    /// Where it is.
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
