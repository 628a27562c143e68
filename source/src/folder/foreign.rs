//! What a comment of Liquibase or Atlas changes about the run of a script, and Lockgate does not. Which lines are such
//! comments is decided in `section`.

use std::ops::Range;

use lockgate_core::{Dialect, Dialects};

/// What another tool would do because of a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    /// The comment, or the part of it that means this.
    pub(crate) range: Range<usize>,
    /// The difference between that tool and Lockgate.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) help: String,
    /// Whether a conversion leaves out what this is about, so that nothing is left to do.
    pub(crate) is_left_out: bool,
}

impl Effect {
    fn new(range: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { range, message: message.into(), help: help.into(), is_left_out: false }
    }
}

/// The effects of a line of Liquibase, which is at `at` in the script. `words` are those of the comment, in lower case.
pub(super) fn of_liquibase(text: &str, at: Range<usize>, dialects: Dialects) -> Vec<Effect> {
    let comment = &text[at.clone()];
    let body = comment.trim_start_matches(['-', ' ', '\t']).to_ascii_lowercase();
    let word = body.split([' ', '\t', ':']).next().unwrap_or_default();
    let whole = |message: &str, help: &str| vec![Effect::new(at.clone(), format!("`{comment}` {message}"), help)];
    match word {
        "changeset" => attributes(comment)
            .into_iter()
            .filter_map(|(range, key, value)| {
                let (message, help) = attribute(&key, &value, dialects)?;
                let written = comment[range.clone()].trim();
                let start = at.start + range.start;
                let message = format!("`{written}` is only a comment here: {message}");
                let help = format!("{help}; then delete `{written}`");
                Some(Effect::new(start..start + written.len(), message, help))
            })
            .collect(),
        "property" => whole(
            "is only a comment here: Liquibase writes the value into the script, and Lockgate runs it as it is",
            "write the value in its place, and delete this line",
        ),
        "include" | "includeall" => whole(
            "is only a comment here: Liquibase runs another file at this line, and Lockgate does not",
            "move that file into the folder as a migration of its own, and delete this line",
        ),
        "rollbacksqlfile" => whole(
            "is only a comment here: Liquibase reads the rollback from another file",
            "move that file to the down script of this migration, and delete this line",
        ),
        "rollback" if body.contains("changesetid:") => whole(
            "is only a comment here: Liquibase reverts this by another changeset",
            "write the SQL of that changeset in the down script of this migration, and delete this line",
        ),
        _ if word.starts_with("precondition") => whole(
            "is only a comment here: Liquibase runs the changeset only if this holds, and Lockgate always",
            "write the condition into the SQL, such as `IF NOT EXISTS` or an `IF` in a `DO` block, and delete this line",
        ),
        _ => Vec::new(),
    }
}

/// What an attribute of a changeset changes, and what to do instead; nothing if Lockgate does the same without it.
fn attribute(key: &str, value: &str, dialects: Dialects) -> Option<(&'static str, &'static str)> {
    let is = |expected: &str| value.eq_ignore_ascii_case(expected);
    match key {
        "dbms" if !runs_on(value, dialects) => Some((
            "Liquibase runs this changeset on some databases alone, and Lockgate on each of this folder",
            "move the changeset to the folder of its database, or delete it if this folder is for another one",
        )),
        "context" | "contextfilter" | "labels" if !value.is_empty() => Some((
            "Liquibase can leave this changeset out, and Lockgate always runs it",
            "if it is not for every database, make it a file of its own with `-- lockgate: profile name`, or delete it",
        )),
        "runalways" if is("true") => Some((
            "Liquibase runs this changeset each time, and Lockgate runs a migration once",
            "if it must run each time, let the program do this after `apply`",
        )),
        "runonchange" if is("true") => Some((
            "Liquibase runs this changeset again when it has changed, and Lockgate runs a migration once",
            "if it must run again, make it a repeatable script, such as `R__active_users.sql`",
        )),
        "failonerror" if is("false") => Some((
            "Liquibase goes on after an error of this changeset, and Lockgate stops",
            "write the SQL so that it does not fail, such as with `IF EXISTS`",
        )),
        "ignore" if is("true") => Some((
            "Liquibase does not run this changeset, and Lockgate would",
            "delete the changeset, or run it from now on",
        )),
        "enddelimiter" | "rollbackenddelimiter" if value != ";" => {
            Some(("Liquibase ends a statement with another text, and Lockgate with `;`", "end each statement with `;`"))
        }
        "runwith" if !is("jdbc") => Some((
            "Liquibase gives this changeset to another program",
            "write it in SQL; `-- lockgate: psql` lets a script have the commands of psql",
        )),
        _ => None,
    }
}

/// Whether a changeset with this `dbms` runs on each of these databases.
fn runs_on(value: &str, dialects: Dialects) -> bool {
    let items: Vec<String> = value.split(',').map(|item| item.trim().to_ascii_lowercase()).collect();
    let (without, with): (Vec<&str>, Vec<&str>) =
        items.iter().map(String::as_str).partition(|item| item.starts_with('!'));
    let is_of = |item: &str, dialect: Dialect| match dialect {
        Dialect::Postgres => item == "postgresql",
        Dialect::Sqlite => item == "sqlite",
        Dialect::Mysql => matches!(item, "mysql" | "mariadb"),
    };
    dialects.iter().all(|dialect| {
        !without.iter().any(|item| is_of(item[1..].trim(), dialect))
            && (with.is_empty() || with.iter().any(|item| *item == "all" || is_of(item, dialect)))
    })
}

/// The attributes of a changeset, each with its place in the comment, its key in lower case and its value.
fn attributes(comment: &str) -> Vec<(Range<usize>, String, String)> {
    const KEYS: [&str; 11] = [
        "dbms",
        "context",
        "contextfilter",
        "labels",
        "runalways",
        "runonchange",
        "failonerror",
        "ignore",
        "enddelimiter",
        "rollbackenddelimiter",
        "runwith",
    ];
    let lower = comment.to_ascii_lowercase();
    let mut found = Vec::new();
    for key in KEYS {
        let starts = lower.match_indices(key).map(|(at, _)| at);
        let is_word = |at: &usize| lower[..*at].ends_with([' ', '\t']) && lower[at + key.len()..].starts_with(':');
        let Some(start) = starts.into_iter().find(is_word) else { continue };
        let after = start + key.len() + 1;
        // Liquibase takes a value after a blank, too.
        let from = comment.len() - comment[after..].trim_start_matches([' ', '\t']).len();
        let rest = &comment[from..];
        let (value, end) = match rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
            Some((value, _)) => (value, from + value.len() + 2),
            None => {
                let value = rest.split([' ', '\t']).next().unwrap_or_default();
                (value, from + value.len())
            }
        };
        found.push((start..end, key.to_owned(), value.trim().to_owned()));
    }
    found.sort_by_key(|(range, ..)| range.start);
    found
}

/// The effects of a line of Atlas, which is at `at` in the script.
pub(super) fn of_atlas(text: &str, at: Range<usize>) -> Option<Effect> {
    let comment = &text[at.clone()];
    let words: Vec<&str> = comment.trim_start_matches(['-', ' ', '\t']).split_whitespace().collect();
    match *words.first()? {
        "atlas:checkpoint" => Some(Effect::new(
            at.clone(),
            format!(
                "`{comment}` is only a comment here: Atlas runs this file in the place of all earlier ones, and Lockgate after them"
            ),
            "delete the earlier files and this line, if each database has run them; otherwise delete this file",
        )),
        "atlas:delimiter" => Some(Effect::new(
            at.clone(),
            format!(
                "`{comment}` is only a comment here: Atlas ends a statement with another text, and Lockgate with `;`"
            ),
            "end each statement with `;`, and delete this line",
        )),
        file if is_checks(file) => Some(Effect::new(
            at.clone(),
            format!(
                "`{comment}` is only a comment here: Atlas stops if a check does not return true, and Lockgate would run it and ignore what it returns"
            ),
            "write a check that fails, such as a `DO` block with `RAISE EXCEPTION`, or delete the section",
        )),
        _ => None,
    }
}

/// Whether Atlas takes a section of this name for checks: `checks.sql`, `checks/1.sql`.
pub(super) fn is_checks(file: &str) -> bool {
    file == "checks.sql" || (file.starts_with("checks/") && file.ends_with(".sql"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: &[&str]) {
        let effects = of_liquibase(line, 0..line.len(), Dialects::NONE.with(Dialect::Postgres));
        let found: Vec<&str> = effects.iter().map(|effect| &line[effect.range.clone()]).collect();
        assert_eq!(found, expected, "{line}");
    }

    #[test]
    fn what_changes_a_run_is_found() {
        check("--changeset bob:2 dbms:oracle context:test", &["dbms:oracle", "context:test"]);
        check("--changeset bob:2 context:\"test or dev\" labels:x", &["context:\"test or dev\"", "labels:x"]);
        check("-- changeSet bob:2 contextFilter: test", &["contextFilter: test"]);
        check("--changeset bob:2 runOnChange:true runAlways:TRUE", &["runOnChange:true", "runAlways:TRUE"]);
        check("--changeset bob:2 splitStatements:false endDelimiter:/", &["endDelimiter:/"]);
        check(
            "--changeset bob:2 failOnError:false ignore:true runWith:psql",
            &["failOnError:false", "ignore:true", "runWith:psql"],
        );
        for line in [
            "--preconditions onFail:MARK_RAN",
            "--precondition-sql-check expectedResult:0 SELECT 1",
            "--property name:x value:y",
            "--rollback changesetId:1 changesetAuthor:bob",
            "--rollbackSqlFile path:x.sql",
        ] {
            check(line, &[line]);
        }
    }

    #[test]
    fn what_lockgate_does_anyway_is_accepted() {
        for line in [
            "--changeset bob:2",
            "--changeset bob:2 runOnChange:false runAlways:false failOnError:true splitStatements:true stripComments:false",
            "--changeset bob:2 endDelimiter:; logicalFilePath:x.sql runInTransaction:false",
            "--changeset bob:2 dbms:postgresql",
            "--changeset bob:2 dbms:\"mysql, postgresql\"",
            "--changeset bob:2 dbms:!oracle,!h2",
            "--changeset bob:2 dbms:all",
            "--rollback DROP TABLE t;",
        ] {
            check(line, &[]);
        }
        check("--changeset bob:2 dbms:!postgresql", &["dbms:!postgresql"]);
        check("--changeset bob:2 dbms:none", &["dbms:none"]);
    }
}
