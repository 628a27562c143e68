//! Fuzzes the directives at the head of a script and of a Rust step.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lockgate_fuzz::{can_be_shown, is_inside};
use lockgate_source::folder::directive::{Comment, parse};

fuzz_target!(|text: &str| {
    for comment in [Comment::Sql, Comment::Rust] {
        let (found, diagnostics) = parse(text, "migrations/0001_x.up.sql", comment);
        can_be_shown(&diagnostics);
        let irreversible = found.irreversible.iter().map(|(_, range)| range);
        for range in found.no_transaction.iter().chain(&found.foreign_keys_off).chain(irreversible) {
            is_inside(text, range);
        }
    }
});
