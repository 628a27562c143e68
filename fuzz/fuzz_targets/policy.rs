//! Fuzzes the parser of `migrations.toml`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lockgate_fuzz::can_be_shown;
use lockgate_source::policy::parse;

fuzz_target!(|text: &str| {
    let (policy, diagnostics) = parse(text, "migrations/migrations.toml");
    can_be_shown(&diagnostics);
    assert!(policy.dialects().iter().next().is_some() || !diagnostics.is_empty(), "a folder for no database");
});
