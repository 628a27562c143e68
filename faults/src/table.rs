//! The table of results: for each kind of fault, the number of cases, of those that hit a run, and of violations.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One kind of fault.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) cases: u64,
    pub(crate) landed: u64,
    pub(crate) violations: u64,
    pub(crate) skipped: u64,
}

/// By backend and kind.
pub(crate) type Lines = BTreeMap<(String, String), Line>;

pub(crate) fn text(lines: &Lines, seed: u64) -> String {
    let mut text = format!(
        "# What the fault campaign found\n\n`cargo xtask faults --seed {seed}`: each case is a set of migrations, a fault, a look at the database by \
         an oracle that shares no code with the runtime, and one further run. `Mid-run` counts the cases whose fault hit a run that was at work.\n\n\
         | backend | fault | cases | mid-run | violations | skipped |\n|---|---|---:|---:|---:|---:|\n"
    );
    let mut sum: BTreeMap<&str, Line> = BTreeMap::new();
    for ((backend, fault), line) in lines {
        let Line { cases, landed, violations, skipped } = line;
        let _ = writeln!(text, "| {backend} | {fault} | {cases} | {landed} | {violations} | {skipped} |");
        let all = sum.entry(backend).or_default();
        all.cases += cases;
        all.landed += landed;
        all.violations += violations;
        all.skipped += skipped;
    }
    for (backend, Line { cases, landed, violations, skipped }) in sum {
        let _ = writeln!(text, "| {backend} | all | {cases} | {landed} | {violations} | {skipped} |");
    }
    text
}
