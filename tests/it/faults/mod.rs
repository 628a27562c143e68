//! Everything that can go wrong. Each error has the right kind, position and cause, says what was committed and what to
//! do next, and shows no secret.

mod connecting;
mod hidden;
mod histories;
mod indexes;
mod leftovers;
mod locks;
mod lost;
mod messages;
mod names;
mod outside_transaction;
mod poolers;
mod released;
mod rights;
mod rows;
mod scripts;
mod sessions;
mod sqlite;
mod sqlite_run;
mod sqlite_unknown_outcome;
mod steps;

use lockgate::{Audience, Database, Error, ErrorKind};

use crate::support::wire::{Cut, Wire};

/// Checks that the error has this kind, and that its report contains each of these, in Rust or on the command line.
#[track_caller]
pub(crate) fn reports(error: &Error, kind: ErrorKind, says: &[&str]) {
    let shown = error.report().to_string();
    assert_eq!(error.kind(), kind, "{shown}");
    let typed = error.report_for(Audience::CommandLine).to_string();
    for text in says {
        assert!(shown.contains(text) || typed.contains(text), "no «{text}» in:\n{shown}\nor in:\n{typed}");
    }
    assert!(!error.report().help().is_empty(), "no way out in:\n{shown}");
    assert!(!error.to_string().contains('\n'), "Display is one line: {error}");
}

/// Calls `run` again and again through a proxy that cuts the connection at one message after the other, before and after
/// the server receives it. Calls `after` when the connection is closed. Returns the number of messages plus one.
pub(crate) async fn cut_at_each_message<R>(
    url: &str,
    mut run: impl AsyncFnMut(&mut Database) -> R,
    mut after: impl AsyncFnMut(Cut, R),
) -> usize {
    let mut message = 1;
    loop {
        let mut was_cut = false;
        for cut in [Cut::BeforeQuery(message), Cut::AfterQuery(message)] {
            let wire = Wire::in_front_of(url).await;
            let mut through = Database::connect(&wire.url()).await.unwrap();
            wire.cut(cut);
            let ran = run(&mut through).await;
            was_cut |= !wire.is_cut_pending();
            drop((through, wire));
            after(cut, ran).await;
        }
        if !was_cut {
            return message;
        }
        message += 1;
    }
}
