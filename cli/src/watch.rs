//! Shows the events of a run while it runs, and on a terminal what the server says about a long statement.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lockgate::{Database, Event, Migrator, server_progress};

use crate::format::Format;
use crate::invocation::Invocation;
use crate::output::Output;
use crate::render::{self, Counts, Line, Shown};

/// The server is asked about statements that run longer than this.
const LONG: Duration = Duration::from_secs(2);
/// How often it is asked.
const EVERY: Duration = Duration::from_secs(1);
/// A terminal does not show the statements of a longer run, because each would cost a round trip.
const FEW: usize = 200;

/// How a run is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) verbose: bool,
    pub(crate) counts: Counts,
}

/// Returns the migrator, set up to show its events.
pub(crate) fn watched(invocation: &Invocation<'_>, migrator: Migrator, view: View) -> Migrator {
    shown(invocation.output(), migrator, view)
}

/// The same, on this output.
pub(crate) fn shown(output: &Output, migrator: Migrator, view: View) -> Migrator {
    let output = output.clone();
    let migrator = match (view.verbose, output.is_live()) {
        (true, _) => migrator.each_statement(),
        (false, true) => migrator.each_statement_of_at_most(FEW),
        (false, false) => migrator,
    };
    let progress = Mutex::new(render::Progress::new(view.verbose, view.counts));
    let aim = Mutex::new(output.aim().clone());
    migrator.on_event(move |event: &Event| {
        output.heard(event);
        let mut aim = aim.lock().unwrap_or_else(PoisonError::into_inner);
        if let Event::DatabaseStarted { database, .. } = event {
            aim.database = Some(database.clone());
        }
        if output.format() == Format::Json {
            let is_shown = view.verbose || !matches!(event, Event::StatementStarted { .. });
            Line::event(event, &aim).iter().filter(|_| is_shown).for_each(|line| output.line(line));
            return;
        }
        for shown in progress.lock().unwrap_or_else(PoisonError::into_inner).show(event) {
            match shown {
                Shown::Line(line) => output.out(&line),
                Shown::Begin(steps) => output.bar(|bar| bar.begin(steps)),
                Shown::Running(what) => output.bar(|bar| bar.runs(&what)),
                Shown::Steps(steps) => output.bar(|bar| bar.steps(steps)),
            }
        }
    })
}

/// Awaits a run, and on a terminal shows meanwhile what the server says about it.
pub(crate) async fn attended<T>(invocation: &Invocation<'_>, run: impl Future<Output = T>) -> T {
    let output = invocation.output();
    let done = if output.is_live() {
        tokio::select! {
            done = run => done,
            () = look_on(output, invocation.url()) => unreachable!("it looks on for ever"),
        }
    } else {
        run.await
    };
    output.bar(|bar| bar.end());
    done
}

/// Asks the server on a second connection while a long statement runs.
async fn look_on(output: &Output, url: &str) {
    let mut second: Option<Database> = None;
    loop {
        tokio::time::sleep(EVERY).await;
        if output.age().is_none_or(|age| age < LONG) {
            continue;
        }
        if second.is_none() {
            // Without a second connection, the bar shows less.
            let Ok(database) = Database::connect(url).await else { break };
            second = Some(database);
        }
        let Some(database) = &mut second else { break };
        match server_progress(database).await {
            Ok(progress) => output.bar(|bar| bar.server(progress.as_ref().map(render::server))),
            Err(_) => break,
        }
    }
    std::future::pending().await
}
