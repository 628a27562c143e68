//! Standard output and standard error: as text, with colours and a progress line on terminals only, or as JSON lines. A
//! run never stops because its output cannot be written.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::answer::Answer;
use crate::command_error::CommandError;
use crate::format::Format;
use crate::render::{self, Line};

/// Standard output and standard error, shared with the events of a run.
#[derive(Clone)]
pub(crate) struct Output {
    shared: Arc<Mutex<Shared>>,
    format: Format,
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
    pub(crate) fn standard(format: Format) -> Self {
        let is_live = format == Format::Text
            && io::stdout().is_terminal()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self {
            shared: Arc::new(Mutex::new(Shared {
                out: Box::new(anstream::AutoStream::auto(io::stdout())),
                notes: Box::new(anstream::AutoStream::auto(io::stderr())),
                is_passing: false,
                failure: None,
            })),
            format,
            // Without a terminal, lines have any length.
            width: comfy_table::Table::new().width(),
            is_live,
        }
    }

    /// How the answer is shown.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Shows the answer of a verb, the last thing of a command that worked.
    pub(crate) fn answer(&self, verb: &str, answer: &Answer) {
        match self.format {
            Format::Text => {
                let text = render::answer(answer, self.width);
                text.out.iter().for_each(|text| self.out(text));
                text.notes.iter().for_each(|text| self.remark(text));
            }
            Format::Json => self.line(&Line::result(verb, answer)),
        }
    }

    /// Shows an error, the last thing of a command that failed.
    pub(crate) fn error(&self, verb: Option<&str>, error: &CommandError) {
        match self.format {
            Format::Text => self.note(&render::command_error(error)),
            Format::Json => self.line(&Line::error(verb, error)),
        }
    }

    /// Shows something that is worth knowing and no part of the answer.
    pub(crate) fn remark(&self, text: &str) {
        match self.format {
            Format::Text => self.note(&render::remark(text)),
            Format::Json => self.line(&Line::note(text)),
        }
    }

    /// Writes a line of JSON to standard output.
    pub(crate) fn line(&self, line: &Line) {
        self.out(&line.json());
    }

    /// Writes text to standard output.
    pub(crate) fn out(&self, text: &str) {
        let mut shared = self.shared();
        let result = shared.clear().and_then(|()| writeln!(shared.out, "{text}")).and_then(|()| shared.out.flush());
        shared.note(result);
    }

    /// Writes text to standard error.
    pub(crate) fn note(&self, text: &str) {
        let mut shared = self.shared();
        let result = shared.clear().and_then(|()| writeln!(shared.notes, "{text}"));
        shared.note(result);
    }

    /// Writes a question to standard error, and leaves the cursor behind it.
    pub(crate) fn ask(&self, question: &str) {
        let mut shared = self.shared();
        let result =
            shared.clear().and_then(|()| write!(shared.notes, "{question}")).and_then(|()| shared.notes.flush());
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
