//! Standard output and standard error: as text, with colours and a progress line on terminals only, or as JSON lines. A
//! run never stops because its output cannot be written.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockgate::Event;

use crate::answer::{Aim, Answer};
use crate::bar::Bar;
use crate::command_error::CommandError;
use crate::format::Format;
use crate::render::{self, Charset, Line};

/// Standard output and standard error, shared with the events of a run.
#[derive(Clone)]
pub(crate) struct Output {
    shared: Arc<Mutex<Shared>>,
    format: Format,
    /// What the commands in all advice must name.
    aim: Arc<Aim>,
    width: Option<u16>,
    charset: Charset,
    /// On a terminal.
    bar: Option<Bar>,
}

struct Shared {
    out: Box<dyn Write + Send>,
    notes: Box<dyn Write + Send>,
    failure: Option<io::Error>,
    /// Whether a question waits for its answer.
    asks: bool,
    /// Whether a step of a run has begun.
    has_begun: bool,
    /// Whether a run waits for another one, and no step has begun before.
    waits: bool,
}

impl Output {
    /// The program's own output.
    pub(crate) fn standard(format: Format) -> Self {
        let is_live = format == Format::Text
            && io::stderr().is_terminal()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        // Without a terminal, lines have any length.
        let width = comfy_table::Table::new().width();
        let charset = Charset::of_locale(|name| std::env::var(name).ok());
        Self {
            shared: Arc::new(Mutex::new(Shared {
                out: Box::new(anstream::AutoStream::auto(io::stdout())),
                notes: Box::new(anstream::AutoStream::auto(io::stderr())),
                failure: None,
                asks: false,
                has_begun: false,
                waits: false,
            })),
            format,
            aim: Arc::default(),
            width,
            charset,
            bar: is_live.then(|| Bar::new(charset, width)),
        }
    }

    /// The same output, for a command on which these flags were typed: the commands in its advice carry them.
    pub(crate) fn with_flags(self, flags: Vec<String>) -> Self {
        Self { aim: Arc::new(Aim { database: None, flags }), ..self }
    }

    /// What the commands in its advice must name.
    pub(crate) fn aim(&self) -> &Aim {
        &self.aim
    }

    /// How the answer is shown.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Shows the answer of a verb, at the end of a command that succeeded.
    pub(crate) fn answer(&self, verb: &str, answer: &Answer) {
        match self.format {
            Format::Text => {
                let text = render::answer(answer, &self.aim, self.width);
                text.out.iter().for_each(|text| self.out(text));
                text.notes.iter().for_each(|text| self.remark(text));
            }
            Format::Json => self.line(&Line::result(verb, answer, &self.aim)),
        }
    }

    /// Shows an error, at the end of a command that failed.
    pub(crate) fn error(&self, verb: Option<&str>, error: &CommandError) {
        match self.format {
            Format::Text => self.note(&render::command_error(error, self.width)),
            Format::Json => self.line(&Line::error(verb, error)),
        }
    }

    /// Shows a note, which is not part of the answer.
    pub(crate) fn remark(&self, text: &str) {
        let text = self.aim.advise(text);
        match self.format {
            Format::Text => self.note(&render::remark(&text)),
            Format::Json => self.line(&Line::note(&text)),
        }
    }

    /// Writes a line of JSON to standard output.
    pub(crate) fn line(&self, line: &Line) {
        self.write(|shared| writeln!(shared.out, "{}", line.json()).and_then(|()| shared.out.flush()));
    }

    /// Writes text to standard output.
    pub(crate) fn out(&self, text: &str) {
        let text = self.charset.show(text);
        self.write(|shared| writeln!(shared.out, "{text}").and_then(|()| shared.out.flush()));
    }

    /// Writes text to standard error.
    pub(crate) fn note(&self, text: &str) {
        let text = self.charset.show(text);
        self.write(|shared| writeln!(shared.notes, "{text}"));
    }

    /// Writes a question to standard error, and leaves the cursor after it.
    pub(crate) fn ask(&self, question: &str) {
        self.shared().asks = true;
        let question = self.charset.show(question);
        self.write(|shared| write!(shared.notes, "{question}").and_then(|()| shared.notes.flush()));
    }

    /// The question was answered, or not: then what follows begins on a line of its own.
    pub(crate) fn answered(&self, with_a_line: bool) {
        self.shared().asks = false;
        if !with_a_line {
            self.write(|shared| writeln!(shared.notes));
        }
    }

    /// Whether a question waits for its answer.
    pub(crate) fn asks(&self) -> bool {
        self.shared().asks
    }

    /// Takes note of an event of a run.
    pub(crate) fn heard(&self, event: &Event) {
        let mut shared = self.shared();
        shared.has_begun |= matches!(event, Event::Started { .. });
        shared.waits = matches!(event, Event::LockWaiting { .. }) && !shared.has_begun;
    }

    /// Whether a run waits for another one, and no step has begun before.
    pub(crate) fn only_waits(&self) -> bool {
        self.shared().waits
    }

    /// Whether somebody looks on at a terminal.
    pub(crate) fn is_live(&self) -> bool {
        self.bar.is_some()
    }

    /// Changes the progress bar. Does nothing without a terminal.
    pub(crate) fn bar(&self, change: impl FnOnce(&Bar)) {
        if let Some(bar) = &self.bar {
            change(bar);
        }
    }

    /// Returns how long the current statement has been running, if there is a progress bar.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.bar.as_ref().and_then(Bar::age)
    }

    /// Returns the first error of writing. A reader that went away is not an error.
    pub(crate) fn finish(&self) -> Option<io::Error> {
        self.bar(Bar::end);
        self.write(|shared| shared.out.flush());
        self.shared().failure.take()
    }

    /// Writes above the progress bar, and keeps the first error.
    fn write(&self, write: impl FnOnce(&mut Shared) -> io::Result<()>) {
        let written = || {
            let mut shared = self.shared();
            let result = write(&mut shared);
            shared.note(result);
        };
        match &self.bar {
            Some(bar) => bar.aside(written),
            None => written(),
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        // After a panic on another thread, half a line may have been written; that is harmless.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
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
