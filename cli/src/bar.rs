//! The progress bar on a terminal: how many migrations ran, which one runs now and for how long, and what the server
//! says about it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::render::{self, Charset};

/// How often the bar is redrawn.
const TICK: Duration = Duration::from_millis(120);

/// A progress bar that is hidden until a run begins. Clones share one bar.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    bar: ProgressBar,
    now: Arc<Mutex<Now>>,
    charset: Charset,
    width: Option<u16>,
}

/// The current migration or statement.
#[derive(Debug, Default)]
struct Now {
    what: String,
    since: Option<Instant>,
    server: Option<String>,
}

impl Bar {
    pub(crate) fn new(charset: Charset, width: Option<u16>) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Self { bar, now: Arc::default(), charset, width }
    }

    /// Shows the bar, for a run with this many steps.
    pub(crate) fn begin(&self, steps: usize) {
        let (now, charset) = (Arc::clone(&self.now), self.charset);
        let width = usize::from(self.width.unwrap_or(80));
        let running = move |_: &ProgressState, line: &mut dyn std::fmt::Write| {
            let now = now.lock().unwrap_or_else(PoisonError::into_inner);
            let age = now.since.map(|since| since.elapsed());
            let shown = render::running(&now.what, age, now.server.as_deref(), width.saturating_sub(32), charset);
            // If a line cannot be written, the bar has no way to report it.
            let _ = line.write_str(&shown);
        };
        let style = ProgressStyle::with_template("{spinner} [{bar:16}] {pos}/{len} {running}");
        let style = style.expect("the template is well-formed").with_key("running", running);
        let style = match charset {
            Charset::Unicode => style.progress_chars("█▓░"),
            Charset::Ascii => style.tick_chars("|/-\\ ").progress_chars("#>-"),
        };
        self.bar.set_style(style);
        self.bar.set_length(u64::try_from(steps).unwrap_or(u64::MAX));
        self.bar.set_position(0);
        self.bar.set_draw_target(ProgressDrawTarget::stderr());
        self.bar.enable_steady_tick(TICK);
    }

    /// Shows the bar for a transfer of bytes. If the total is unknown, it shows how many were transferred so far.
    #[cfg(feature = "backup")]
    pub(crate) fn begin_bytes(&self, what: &str, bytes: Option<u64>) {
        let template = match bytes {
            Some(_) => "{spinner} [{bar:16}] {bytes} of {total_bytes}, {binary_bytes_per_sec}, {eta} left  {msg}",
            None => "{spinner} {bytes}, {binary_bytes_per_sec}  {msg}",
        };
        let style = ProgressStyle::with_template(template).expect("the template is well-formed");
        let style = match self.charset {
            Charset::Unicode => style.progress_chars("█▓░"),
            Charset::Ascii => style.tick_chars("|/-\\ ").progress_chars("#>-"),
        };
        self.bar.reset();
        self.bar.set_style(style);
        match bytes {
            Some(bytes) => self.bar.set_length(bytes),
            None => self.bar.unset_length(),
        }
        self.bar.set_message(what.to_owned());
        self.bar.set_draw_target(ProgressDrawTarget::stderr());
        self.bar.enable_steady_tick(TICK);
    }

    /// Sets how many bytes were transferred.
    #[cfg(feature = "backup")]
    pub(crate) fn moved(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    /// Sets what runs from now on.
    pub(crate) fn runs(&self, what: &str) {
        *self.now() = Now { what: what.to_owned(), since: Some(Instant::now()), server: None };
    }

    /// Returns how long it has been running.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.now().since.map(|since| since.elapsed())
    }

    /// Sets how far the server is with it.
    pub(crate) fn server(&self, what: Option<String>) {
        self.now().server = what;
    }

    /// Sets the number of steps that have run.
    pub(crate) fn steps(&self, steps: usize) {
        self.bar.set_position(u64::try_from(steps).unwrap_or(u64::MAX));
    }

    /// Writes other output to the terminal, above the bar.
    pub(crate) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }

    /// Removes the bar from the screen.
    pub(crate) fn end(&self) {
        *self.now() = Now::default();
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
        self.bar.set_draw_target(ProgressDrawTarget::hidden());
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
