//! Writes one script of a draft as the text of a file: its directives, and above each statement what it locks, what it can
//! do, and what a person must decide.

use lockgate_schema::draft::{Script, Step};
use lockgate_source::Code;
use lockgate_source::core::Dialect;
use lockgate_source::sql::{split, touch};

/// What stands above the first statement.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    /// What the script is, in a sentence.
    pub(super) title: String,
    /// The lints that it silences, with the reasons.
    pub(super) allow: Vec<(Code, String)>,
    /// Whether it says how long statements wait and run.
    pub(super) has_limits: bool,
}

/// Returns the text of a script.
pub(super) fn text(head: &Head, script: &Script, dialect: Dialect) -> String {
    let mut text = String::new();
    if script.outside_transaction {
        text.push_str("-- lockgate: no-transaction\n");
    }
    if script.foreign_keys_off {
        text.push_str("-- lockgate: foreign-keys off\n");
    }
    for (rule, why) in &head.allow {
        text.push_str(&format!("-- lockgate: allow({rule}) \"{why}\"\n"));
    }
    text.push_str(&format!("-- {}\n", head.title));
    if head.has_limits && dialect == Dialect::Postgres {
        text.push_str(
            "-- A statement waits for a lock as long as the program allows (3 s by default), and runs as long as it takes;\n\
             -- `lock-timeout` and `statement-timeout` in a line of this head change that.\n",
        );
    }
    let locks = locks(script, dialect);
    for (step, locks) in script.steps.iter().zip(locks) {
        text.push('\n');
        match step {
            Step::Open { what, why } => {
                text.push_str(&question(&format!("{what}: {why}")));
            }
            Step::Statement(statement) => {
                locks.iter().for_each(|lock| text.push_str(&format!("-- {lock}.\n")));
                for hazard in &statement.hazards {
                    text.push_str(&format!("-- {}.\n", capital(&one_line(&hazard.to_string()))));
                }
                text.push_str(&statement.question.iter().map(|asked| question(asked)).collect::<String>());
                text.push_str(&terminated(&statement.sql));
            }
        }
    }
    text
}

/// The statements alone, as a throwaway database gets them.
pub(super) fn statements(script: &Script) -> impl Iterator<Item = &str> {
    script.steps.iter().filter_map(|step| match step {
        Step::Statement(statement) => Some(statement.sql.as_str()),
        Step::Open { .. } => None,
    })
}

/// A line that does not compile until somebody has answered it.
fn question(asked: &str) -> String {
    format!("-- lockgate: unanswered \"{}\"\n", one_line(asked).replace('"', "`"))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + chars.as_str())
}

/// A statement with its semicolon, which a comment at its end must not swallow.
fn terminated(sql: &str) -> String {
    let sql = sql.trim_end().trim_end_matches(';');
    let last = sql.lines().next_back().unwrap_or_default();
    if last.contains("--") { format!("{sql}\n;\n") } else { format!("{sql};\n") }
}

/// What each step locks, in PostgreSQL.
fn locks(script: &Script, dialect: Dialect) -> Vec<Vec<String>> {
    let mut found = vec![Vec::new(); script.steps.len()];
    if dialect != Dialect::Postgres {
        return found;
    }
    // The locks of a statement depend on those before it: a table that this script creates is locked by nobody else.
    let (mut all, mut starts) = (String::new(), Vec::new());
    for step in &script.steps {
        starts.push(all.len());
        if let Step::Statement(statement) = step {
            all.push_str(&terminated(&statement.sql));
        }
    }
    let mut statements = split(dialect, &all).statements;
    for touch in touch::touches(dialect, &all, &mut statements) {
        let (Some(lock), Some(statement)) = (touch.lock, statements.get(touch.statement)) else { continue };
        let step = starts.partition_point(|start| *start <= statement.range.start).saturating_sub(1);
        if !touch.of_index {
            found[step].push(format!("Locks {} in {lock} mode, which blocks {}", touch.table, lock.blocks()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use lockgate_schema::draft::{Hazard, Loss, Statement};

    use super::*;

    #[test]
    fn each_statement_says_what_it_does() {
        let mut asked = Statement::new("ALTER TABLE users ADD COLUMN email text NOT NULL");
        asked.question = Some("the value of users.\"email\"\nin existing rows".to_owned());
        let script = Script {
            steps: vec![
                Step::Statement(Statement::new("CREATE TABLE tags (t text)")),
                Step::Statement(Statement::new("CREATE INDEX tags_t ON tags (t)")),
                Step::Statement(asked),
                Step::Statement(Statement::new("DROP TABLE old -- gone").with(Hazard::Loses(Loss::Table))),
                Step::Open { what: "cast a".to_owned(), why: "it cannot be drafted".to_owned() },
            ],
            ..Script::default()
        };
        let head = Head {
            title: "Changes users.".to_owned(),
            allow: vec![(Code::DropTable, "asked for".to_owned())],
            has_limits: false,
        };
        assert_eq!(
            text(&head, &script, Dialect::Postgres),
            "-- lockgate: allow(drop-table) \"asked for\"\n-- Changes users.\n\nCREATE TABLE tags (t text);\n\n\
             CREATE INDEX tags_t ON tags (t);\n\n\
             -- Locks users in ACCESS EXCLUSIVE mode, which blocks reads and writes.\n\
             -- lockgate: unanswered \"the value of users.`email` in existing rows\"\n\
             ALTER TABLE users ADD COLUMN email text NOT NULL;\n\n\
             -- Locks old in ACCESS EXCLUSIVE mode, which blocks reads and writes.\n\
             -- Deletes data (drop-table).\nDROP TABLE old -- gone\n;\n\n\
             -- lockgate: unanswered \"cast a: it cannot be drafted\"\n"
        );
    }
}
