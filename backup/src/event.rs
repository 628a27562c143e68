//! What a command reports while it runs.

use std::fmt;
use std::time::Duration;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A phase begins.
    Began {
        /// The phase.
        phase: Phase,
        /// What it is about: a key, a database.
        what: String,
        /// How many bytes it will move, if that is known.
        bytes: Option<u64>,
    },
    /// How far a phase is.
    Moved {
        /// The phase.
        phase: Phase,
        /// How many bytes were moved so far.
        bytes: u64,
    },
    /// A phase has succeeded.
    Ended {
        /// The phase.
        phase: Phase,
        /// How many bytes it moved.
        bytes: u64,
        /// How long it took.
        elapsed: Duration,
    },
    /// A note for the user that is not an error.
    Noted(String),
}

/// A part of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// The database is dumped, and the dump goes to the store.
    Dump,
    /// The dump is read back from the store.
    ReadBack,
    /// A dump is fetched from the store.
    Fetch,
    /// A dump goes from the store into a database.
    Restore,
    /// The restored database is compared with the meta file of the backup.
    Check,
}

impl Phase {
    /// Its name: `dump`, `read back`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dump => "dump",
            Self::ReadBack => "read back",
            Self::Fetch => "fetch",
            Self::Restore => "restore",
            Self::Check => "check",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reports a phase that moves bytes.
pub(crate) struct Progress<'a> {
    phase: Phase,
    bytes: u64,
    since: std::time::Instant,
    report: &'a (dyn Fn(&Event) + Send + Sync),
}

impl<'a> Progress<'a> {
    pub(crate) fn begin(
        phase: Phase,
        what: &str,
        bytes: Option<u64>,
        report: &'a (dyn Fn(&Event) + Send + Sync),
    ) -> Self {
        report(&Event::Began { phase, what: what.to_owned(), bytes });
        Self { phase, bytes: 0, since: std::time::Instant::now(), report }
    }

    pub(crate) fn moved(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        (self.report)(&Event::Moved { phase: self.phase, bytes: self.bytes });
    }

    pub(crate) fn end(self) {
        (self.report)(&Event::Ended { phase: self.phase, bytes: self.bytes, elapsed: self.since.elapsed() });
    }
}
