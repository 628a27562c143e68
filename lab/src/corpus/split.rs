//! Runs every file of a set twice: as a whole with the plain shell, and split, with a driver that accepts one statement at
//! a time. The schemas must be the same after each file.

use std::collections::BTreeSet;
use std::fs;

use lockgate_source::core::StatementFlags;
use lockgate_source::sql;

use super::build::Runner;
use super::database::Database;
use super::shell::{compare, outside, shell};
use super::table::Answer;
use super::{Script, Set};
use lockgate_xtask::__private::Failure;

/// A set on two databases.
pub(super) struct Pair<'a> {
    pub(super) set: &'a Set,
    /// Its index among the sets.
    pub(super) index: usize,
    pub(super) runner: &'a Runner,
    /// Whether the shell is too old for it, so that sqlx's SQLite gets the files instead.
    pub(super) shell_is_old: bool,
    /// The database that gets whole files.
    pub(super) plain: Database<'a>,
    /// The database that gets single statements.
    pub(super) ours: Database<'a>,
}

/// Applies each migration, and reverts and applies it again if it has a down script. The versions in `stuck` are left
/// out, because they cannot be applied again after their down script.
pub(super) fn set(pair: &Pair<'_>, stuck: &BTreeSet<i64>) -> Result<Answer, Failure> {
    let (mut files, mut broken) = (0, Vec::new());
    for up in &pair.set.ups {
        let down = pair.set.downs.iter().find(|down| down.version == up.version);
        let down = down.filter(|down| !stuck.contains(&down.version));
        // Down scripts run in a transaction, so that one that fails half way leaves nothing.
        let ways = [Some((up, false)), down.map(|down| (down, true)), down.map(|_| (up, true))];
        for (number, (script, whole)) in ways.into_iter().flatten().enumerate() {
            let path = script.path.display();
            match (whole_file(pair, script, whole), by_statement(pair, script, whole)?) {
                (Ok(()), Ok(())) => {}
                // After a down script that failed, the up script fails too.
                (Err(_), Err(_)) if number == 1 => broken.push(script.version),
                (Err(_), Err(_)) if number == 2 && broken.last() == Some(&script.version) => continue,
                (Err(output), Err(_)) => return Ok(Answer::Differs(format!("`{path}` fails both ways: {output}"))),
                (Err(output), Ok(())) => return Ok(Answer::Differs(format!("`{path}` fails only whole: {output}"))),
                (Ok(()), Err(output)) => return Ok(Answer::Differs(format!("`{path}` fails only split: {output}"))),
            }
            // If it is not as before after this, the comparison at the end finds it.
            if number < 2
                && let Answer::Differs(output) = compare(&pair.plain, &pair.ours)?
            {
                return Ok(Answer::Differs(format!("behind `{path}`, {output}")));
            }
            files += usize::from(number < 2);
        }
    }
    match compare(&pair.plain, &pair.ours)? {
        Answer::Good => {}
        other => return Ok(other),
    }
    let left_out = pair.set.ups.len() + pair.set.downs.len() - files;
    Ok(match (broken.len(), left_out) {
        (0, 0) => Answer::Good,
        (failed, left_out) => Answer::Broken(format!(
            "the same schema behind each of {files} files, {failed} scripts down of which fail both ways; {left_out} left \
             out, behind which the way up is barred"
        )),
    })
}

fn whole_file(pair: &Pair<'_>, script: &Script, whole: bool) -> Result<(), String> {
    if pair.shell_is_old {
        let file = pair.set.folder.join(&script.path).display().to_string();
        return pair.runner.run(pair.index, &pair.plain.url(), &["plain", &file]).map(drop);
    }
    shell(pair.set, &pair.plain, &[script], whole).map_err(|(_, output)| output)
}

/// Sends the statements as the splitter finds them.
fn by_statement(pair: &Pair<'_>, script: &Script, whole: bool) -> Result<Result<(), String>, Failure> {
    let path = pair.set.folder.join(&script.path);
    let failed = |e| Failure::impossible(format!("{}: {e}", path.display()));
    let text = fs::read_to_string(&path).map_err(failed)?;
    let split = sql::split(pair.set.dialect.source(), &text);
    if let Some(problem) = split.problems.first() {
        return Ok(Err(format!("the splitter says: {}", problem.message)));
    }
    if split.statements.iter().any(|statement| statement.flags.contains(StatementFlags::COPY_DATA)) {
        return Ok(Err("it brings data for COPY, which is not sent by statement here".to_owned()));
    }
    let ours = split.statements.iter().filter(|statement| !statement.flags.contains(StatementFlags::CLIENT_ONLY));
    let pieces: Vec<&str> = ours.map(|statement| &text[statement.range.clone()]).collect();
    let file = tempfile::NamedTempFile::new().map_err(failed)?;
    fs::write(file.path(), pieces.join("\0")).map_err(failed)?;
    let how = if whole && !outside(&text) { "transaction" } else { "each" };
    let words = ["statements", how, &file.path().display().to_string()];
    Ok(pair.runner.run(pair.index, &pair.ours.url(), &words).map(drop))
}
