//! Standard output and standard error: colours and a progress line on terminals only. A run never stops because its
//! output cannot be written.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Standard output and standard error, shared with the events of a run.
#[derive(Clone)]
pub(crate) struct Output {
    shared: Arc<Mutex<Shared>>,
    width: Option<u16>,
    is_live: bool,
}

struct Shared {
    out: Box<dyn Write + Send>,
    notes: Box<dyn Write + Send>,
    /// Whether a progress line is on the screen, which the next output overwrites.
    is_passing: bool,
    failure: Option<io::Error>,
}

impl Output {
    /// The program's own output.
    pub(crate) fn standard() -> Self {
        let is_live = io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            shared: Arc::new(Mutex::new(Shared {
                out: Box::new(anstream::AutoStream::auto(io::stdout())),
                notes: Box::new(anstream::AutoStream::auto(io::stderr())),
                is_passing: false,
                failure: None,
            })),
            // Without a terminal, lines have any length.
            width: comfy_table::Table::new().width(),
            is_live,
        }
    }

    /// The width of the terminal. `None` if output is piped.
    pub(crate) fn width(&self) -> Option<u16> {
        self.width
    }

    /// Writes the answer to standard output.
    pub(crate) fn out(&self, text: &str) {
        let mut shared = self.shared();
        let result = shared.clear().and_then(|()| writeln!(shared.out, "{text}")).and_then(|()| shared.out.flush());
        shared.note(result);
    }

    /// Writes a note to standard error.
    pub(crate) fn note(&self, text: &str) {
        let mut shared = self.shared();
        let result = shared.clear().and_then(|()| writeln!(shared.notes, "{text}"));
        shared.note(result);
    }

    /// Shows a progress line that the next output overwrites. Does nothing without a terminal.
    pub(crate) fn passing(&self, text: &str) {
        if !self.is_live {
            return;
        }
        // A line that wraps cannot be overwritten.
        let room = self.width.map_or(usize::MAX, |width| usize::from(width.saturating_sub(1)));
        let text: String = text.chars().take(room).collect();
        let mut shared = self.shared();
        let result = shared.clear().and_then(|()| write!(shared.out, "{text}")).and_then(|()| shared.out.flush());
        shared.is_passing = true;
        shared.note(result);
    }

    /// Returns the first error of writing, except that the reader went away.
    pub(crate) fn finish(&self) -> Option<io::Error> {
        let mut shared = self.shared();
        let result = shared.clear().and_then(|()| shared.out.flush());
        shared.note(result);
        shared.failure.take()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // After a panic elsewhere, at worst half a line was written.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn clear(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.is_passing) {
            // To the first column, and erase to the end of the line.
            write!(self.out, "\r\x1b[K")?;
            self.out.flush()?;
        }
        Ok(())
    }

    fn note(&mut self, result: io::Result<()>) {
        if let Err(error) = result
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            self.failure.get_or_insert(error);
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("width", &self.width).finish_non_exhaustive()
    }
}
