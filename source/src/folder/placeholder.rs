//! Placeholders that other tools fill in before they run a script: Flyway's `${owner}`, tern's `{{.owner}}`. Lockgate runs
//! a script as it is.

use std::ops::Range;

use lockgate_core::{Dialect, Dialects};

use super::model::{Folder, ScriptState};
use super::name::{Kind, Name};
use super::script::ReadScript;
use super::section;
use crate::sql;
use crate::{Code, Diagnostic};

pub(crate) const WRITE_VALUE: &str = "write the value in its place, or let a migration in Rust write the statement";

/// Reports the placeholders of drafts. Between quotation marks, in bodies and in comments, `${` is an ordinary text.
pub(super) fn check(folder: &Folder, files: &[(Name, ReadScript)]) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for (name, read) in files {
        if name.kind == Kind::Rust
            || read.script.state == ScriptState::Frozen
            || find(&read.script.text).next().is_none()
        {
            continue;
        }
        let text = &read.script.text;
        let dialects = folder.policy.dialects.unwrap_or_else(|| section::first_of(read.clear));
        for range in outside(text, dialects) {
            let message =
                format!("`{}` is a placeholder of another tool: Lockgate fills in nothing", &text[range.clone()]);
            let error = Diagnostic::error(Code::ForeignPlaceholder, folder.show(&read.script.path), message);
            diagnostics.push(error.at(text, range, "").help(WRITE_VALUE));
        }
    }
    diagnostics
}

/// Reports the placeholders of a file that is named as Flyway names its files, which fills them in everywhere.
pub(super) fn check_flyway(text: &str, shown: &str) -> Vec<Diagnostic> {
    let placeholders = of_flyway(text, Dialects::ALL);
    let placeholders = placeholders.into_iter().map(|range| {
        let message =
            format!("Flyway writes a value in the place of `{}`, and Lockgate does not", &text[range.clone()]);
        let error = Diagnostic::error(Code::ForeignPlaceholder, shown, message).at(text, range, "");
        error.help(
            "write the value in its place; or only rename the file, if Flyway leaves this as it is, or if it is a file of refinery",
        )
    });
    placeholders.collect()
}

/// Finds what Flyway would fill in: also between quotation marks and in bodies, but not in comments.
pub(crate) fn of_flyway(text: &str, dialects: Dialects) -> Vec<Range<usize>> {
    let dialect = section::first_of(dialects).iter().next().unwrap_or(Dialect::Postgres);
    let mut found = find(text).filter(|range| text[range.clone()].starts_with('$')).peekable();
    if found.peek().is_none() {
        return Vec::new();
    }
    let layout = sql::layout(dialect, text);
    let is_comment = |at: usize| {
        let comment =
            layout.comments.partition_point(|start| *start <= at).checked_sub(1).map(|at| layout.comments[at]);
        let token = layout.tokens.partition_point(|start| *start <= at).checked_sub(1).map(|at| layout.tokens[at]);
        // Line breaks end a comment, but a comment in asterisks may have some.
        comment > token
            && comment.is_some_and(|start| !text[start..at].contains('\n') || text[start..].starts_with("/*"))
    };
    found.filter(|range| !is_comment(range.start)).collect()
}

/// The placeholders that are neither in quotation marks nor in a body nor in a comment, in any of these dialects.
fn outside(text: &str, dialects: Dialects) -> Vec<Range<usize>> {
    let layouts: Vec<sql::Layout> = dialects.iter().map(|dialect| sql::layout(dialect, text)).collect();
    let is_token = |at: usize| layouts.iter().all(|layout| layout.tokens.binary_search(&at).is_ok());
    // In `app_${owner}` the dollar sign belongs to the name before it.
    find(text).filter(|range| is_token(range.start) || is_token(range.start + 1)).collect()
}

/// Finds texts such as `${owner}`, `${flyway:defaultSchema}` and `{{.owner}}`.
fn find(text: &str) -> impl Iterator<Item = Range<usize>> {
    let of = |open: &'static str, close: &'static str, inside: fn(char) -> bool| {
        text.match_indices(open).filter_map(move |(start, _)| {
            // No name is longer: a text full of `${` must not be searched to its end for each of them.
            const LONGEST: usize = 200;
            let name = &text[start + open.len()..];
            let name = &name[..name.floor_char_boundary(LONGEST)];
            let end = name.find(close).filter(|end| *end > 0 && name[..*end].chars().all(inside))?;
            Some(start..start + open.len() + end + close.len())
        })
    };
    let dollar = of("${", "}", |c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'));
    let braces = of("{{", "}}", |c| !matches!(c, '\n' | '{' | '}'));
    dollar.chain(braces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str], flyway: &[&str]) {
        for dialect in [Dialect::Postgres, Dialect::Sqlite, Dialect::Mysql] {
            let shown =
                |ranges: Vec<Range<usize>>| ranges.into_iter().map(|range| text[range].to_owned()).collect::<Vec<_>>();
            let one = Dialects::NONE.with(dialect);
            assert_eq!(shown(outside(text, one)), expected, "{dialect}: {text}");
            assert_eq!(shown(of_flyway(text, one)), flyway, "{dialect}: {text}");
        }
    }

    #[test]
    fn a_placeholder_is_one_outside_of_quotation_marks() {
        let owner = &["${owner}"];
        check("ALTER TABLE t OWNER TO ${owner};", owner, owner);
        check("CREATE TABLE app_${owner} (id INT);", owner, owner);
        check("CREATE TABLE ${owner}.t (id INT);", owner, owner);
        check("SELECT ${flyway:timestamp};", &["${flyway:timestamp}"], &["${flyway:timestamp}"]);
        check("CREATE TABLE {{.owner}}.t (id INT);", &["{{.owner}}"], &[]);
        check("SELECT '${owner}';", &[], owner);
        check("SELECT \"${owner}\";", &[], owner);
        check("-- ${owner}\nSELECT 1;", &[], &[]);
        check("/* of\n ${owner} */ SELECT 1;", &[], &[]);
        check("SELECT 1; -- x\nSELECT 2 -- ${owner}\n;", &[], &[]);
        check("SELECT '$', '{', '${}', '{{}}', '${ x }';", &[], &[]);
    }

    #[test]
    fn a_body_in_dollar_signs_is_ordinary_sql() {
        let text = "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $body$SELECT '${owner}' || $1$body$;\nDO $${x}$$;";
        assert_eq!(outside(text, Dialects::NONE.with(Dialect::Postgres)), Vec::<Range<usize>>::new());
        assert_eq!(of_flyway(text, Dialects::NONE.with(Dialect::Postgres)).len(), 2);
    }
}
