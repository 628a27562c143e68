//! Which repeatable scripts run, and when: after the last migration, if they are new or have changed.

use super::{Step, step};
use crate::action::Action;
use crate::drift::{Drift, is_ahead};
use crate::{History, Row, Set};

/// The steps of the repeatable scripts that follow these steps of migrations. There are none before every migration is applied:
/// a script may mention what a later one creates. If the database is ahead, the program is an old build, and would undo
/// what a newer one has done.
pub(super) fn after(set: &Set, versioned: &History, rows: &[&Row], steps: &[Step], drift: &[Drift]) -> Vec<Step> {
    let done = |version| versioned.row(version).is_some() || steps.iter().any(|step| step.version == version);
    let scripts = set.repeatables();
    if scripts.is_empty()
        || is_ahead(drift)
        || set.iter().any(|migration| !migration.is_skipped() && !done(migration.version()))
    {
        return Vec::new();
    }
    let scripts = scripts.iter().filter(|script| !script.is_skipped());
    scripts
        .filter_map(|script| match rows.iter().find(|row| row.version == script.version()) {
            None => Some(step(script, Action::Apply)),
            Some(row) => (row.checksum != script.checksum()).then(|| step(script, Action::ApplyAgain)),
        })
        .collect()
}
