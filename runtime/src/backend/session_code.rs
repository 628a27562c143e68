//! Code that may change the session in which it runs, for longer than its transaction. A statement that reaches such code
//! through a trigger, a view or a rule does not show it, so its text cannot decide whether the session is restored.

use lockgate_core::StatementKind;

use super::Sql;

/// PostgreSQL's pattern of such code: a call that sets something, a statement that begins with `SET`, and the like, or
/// something temporary. It also matches some code that does no harm, after which the session is restored for nothing.
pub(super) const PATTERN: &str = "\\m(set_config|temp|temporary|pg_temp|pg_advisory_lock|pg_advisory_lock_shared|\
     pg_try_advisory_lock|pg_try_advisory_lock_shared)\\M|(^|[;'$]|\\m(begin|then|else|loop)\\M)\\s*\
     (set|reset|discard|listen|load)\\s+(?!(local|constraints|transaction)\\M)";

/// The names in [`PATTERN`] that count anywhere in code.
const WORDS: [&str; 8] = [
    "set_config",
    "temp",
    "temporary",
    "pg_temp",
    "pg_advisory_lock",
    "pg_advisory_lock_shared",
    "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared",
];

/// Whether a script creates or replaces such code.
pub(super) fn is_defined_in(sql: &Sql) -> bool {
    let defines = |kind| {
        matches!(
            kind,
            StatementKind::CreateFunction
                | StatementKind::CreateOther
                | StatementKind::CreateView
                | StatementKind::CreateTable
                | StatementKind::CreateTrigger
                | StatementKind::AlterTable
                | StatementKind::AlterOther
        )
    };
    sql.statements
        .iter()
        .filter(|statement| defines(statement.kind))
        .any(|statement| sql.text.get(statement.range.clone()).is_some_and(may_change_session))
}

/// Whether code may change the session. The same as [`PATTERN`].
fn may_change_session(code: &str) -> bool {
    let code = code.to_ascii_lowercase();
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut before = "";
    let mut end = 0;
    for word in code.split(|c: char| !is_part(c)).filter(|word| !word.is_empty()) {
        let at = word.as_ptr() as usize - code.as_ptr() as usize;
        let between = code[end..at].trim_end();
        end = at + word.len();
        let is_first = between.ends_with([';', '\'', '$'])
            || (between.is_empty() && matches!(before, "" | "begin" | "then" | "else" | "loop"));
        let sets = matches!(word, "set" | "reset" | "discard" | "listen" | "load") && is_first && {
            let next = code[end..].trim_start().split(|c: char| !is_part(c)).next().unwrap_or_default();
            !matches!(next, "local" | "constraints" | "transaction")
        };
        if sets || WORDS.contains(&word) {
            return true;
        }
        before = word;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_changes_the_session_is_known_by_its_text() {
        for code in [
            "AS $$ SELECT set_config('search_path', 'app', false) $$",
            "AS $$BEGIN SET search_path = app; RETURN new; END$$",
            "AS 'begin update t set a = 1; set role bob; return null; end'",
            "AS $$BEGIN IF true THEN RESET ALL; END IF; END$$",
            "AS $$BEGIN EXECUTE 'SET ROLE bob'; END$$",
            "AS $$BEGIN CREATE TEMP TABLE n (a int); END$$",
            "AS $$BEGIN PERFORM pg_advisory_lock(1); END$$",
        ] {
            assert!(may_change_session(code), "{code}");
        }
        for code in [
            "LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$BEGIN UPDATE t SET a = 1; END$$",
            "AS $$BEGIN SET LOCAL search_path = app; SET CONSTRAINTS ALL DEFERRED; END$$",
            "AS $$BEGIN UPDATE t SET template = 'a set'; RETURN new; END$$",
            "AS $$BEGIN PERFORM pg_advisory_xact_lock(1); END$$",
        ] {
            assert!(!may_change_session(code), "{code}");
        }
    }
}
