//! Runs scripts with the plain shell, and compares two databases.

use std::collections::BTreeSet;
use std::fs;

use super::database::Database;
use super::table::Answer;
use super::{Script, Set};
use lockgate_xtask::__private::Failure;

/// Runs scripts with the plain shell. An `Err` has the script that failed and the output of the shell.
pub(super) fn shell(
    set: &Set,
    database: &Database<'_>,
    scripts: &[&Script],
    whole: bool,
) -> Result<(), (String, String)> {
    scripts.iter().try_for_each(|script| {
        let path = set.folder.join(&script.path);
        let text = fs::read_to_string(&path).unwrap_or_default();
        database.script(&path, whole && !outside(&text)).map_err(|error| {
            // Remove the folder of our copy from `psql:/…/0001_x.sql:3: ERROR: …`.
            let error = error.replace(&format!("{}/", set.folder.display()), "");
            (script.path.display().to_string(), error)
        })
    })
}

/// Whether a script asks to run outside a transaction.
pub(super) fn outside(text: &str) -> bool {
    text.lines().next().is_some_and(|line| line.contains("no-transaction"))
}

pub(super) fn compare(plain: &Database<'_>, ours: &Database<'_>) -> Result<Answer, Failure> {
    let (plain, ours) = (plain.schema()?, ours.schema()?);
    if plain == ours {
        return Ok(Answer::Good);
    }
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (of_plain, of_ours) = (lines(&plain), lines(&ours));
    let only = |name: &str, a: &BTreeSet<String>, b: &BTreeSet<String>| {
        a.difference(b).take(10).map(|line| format!("\n    {name} only: {line}")).collect::<String>()
    };
    let differences = only("shell", &of_plain, &of_ours) + &only("lockgate", &of_ours, &of_plain);
    let order = if differences.is_empty() { ": the same lines in another order" } else { ":" };
    Ok(Answer::Differs(format!("the schemas differ{order}{differences}")))
}
