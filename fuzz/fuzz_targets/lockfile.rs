//! Fuzzes the parser of `migrations.lock`: a lockfile that can be read renders to the same text.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lockgate_fuzz::can_be_shown;
use lockgate_source::lockfile::parse;

const FILE: &str = "migrations/migrations.lock";

fuzz_target!(|text: &str| {
    let (lockfile, diagnostics) = parse(text, FILE);
    can_be_shown(&diagnostics);
    let Some(lockfile) = lockfile else {
        assert!(!diagnostics.is_empty(), "no lockfile, and no reason");
        return;
    };
    let rendered = lockfile.render();
    let (again, diagnostics) = parse(&rendered, FILE);
    assert_eq!(again.as_ref(), Some(&lockfile), "{rendered}");
    // A migration that is both a draft and frozen has two lines, and is reported.
    let once = lockfile.lines().windows(2).all(|pair| pair[0].id != pair[1].id);
    assert_eq!(diagnostics.is_empty(), once, "{diagnostics:?}: {rendered}");
    assert_eq!(again.map(|again| again.render()), Some(rendered));
    for line in lockfile.lines() {
        assert_eq!(lockfile.find(&line.id).map(|found| &found.id), Some(&line.id));
    }
});
