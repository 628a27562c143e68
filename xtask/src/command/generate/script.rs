//! Writes one script of a draft as the text of a file: its directives, and above each statement what it locks, what it can
//! do, and what a person must decide.

use lockgate_schema::Schema;
use lockgate_schema::draft::{Mode, Script, Step, draft};
use lockgate_source::Code;
use lockgate_source::core::{Dialect, TableLock};
use lockgate_source::sql::split;
use lockgate_source::sql::touch::{self, Catalogue};

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

/// What the locks of statements depend on: the foreign keys and partitions of a schema, and its indexes with their tables.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    catalogue: Catalogue,
    indexes: Vec<(String, String)>,
}

/// Returns what there is in a schema.
pub(super) fn known(schema: &Schema) -> Known {
    let mut known = Known::default();
    if schema.dialect == Dialect::Postgres {
        let all = draft(&Schema::empty(schema.dialect), schema, Mode::Offline);
        for script in &all.scripts {
            let text: String = statements(script).map(terminated).collect();
            let mut statements = split(schema.dialect, &text).statements;
            touch::touches_after(schema.dialect, &text, &mut statements, &mut known.catalogue);
        }
        for table in &schema.tables {
            let full = |name: &str| match table.name.schema.as_deref() {
                None | Some("public") => name.to_owned(),
                Some(schema) => format!("{schema}.{name}"),
            };
            let indexes = table.indexes.iter().map(|index| (full(&index.name), full(&table.name.name)));
            known.indexes.extend(indexes);
        }
    }
    known
}

/// A name as the comments have it: without quotes and without the default schema.
fn plain(name: &str) -> String {
    let name = name.replace('"', "");
    name.strip_prefix("public.").map_or_else(|| name.clone(), str::to_owned)
}

/// The index that a statement drops or builds again, and the lock on its table.
fn of_index(sql: &str) -> Option<(String, TableLock)> {
    if let Some(name) = sql.strip_prefix("REINDEX INDEX CONCURRENTLY ") {
        return Some((plain(name), TableLock::ShareUpdateExclusive));
    }
    let rest = sql.strip_prefix("DROP INDEX ")?;
    Some(match rest.strip_prefix("CONCURRENTLY ") {
        Some(name) => (plain(name), TableLock::ShareUpdateExclusive),
        None => (plain(rest), TableLock::AccessExclusive),
    })
}

/// Returns the text of a script that runs where these objects exist.
pub(super) fn text(head: &Head, script: &Script, dialect: Dialect, known: &Known) -> String {
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
    let locks = locks(script, dialect, known);
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
fn locks(script: &Script, dialect: Dialect, known: &Known) -> Vec<Vec<String>> {
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
    let mut touches: Vec<(usize, String, TableLock)> = Vec::new();
    let mut renamed: Vec<(usize, String, String)> = Vec::new();
    for (step, sql) in script.steps.iter().enumerate().filter_map(|(at, step)| match step {
        Step::Statement(statement) => Some((at, statement.sql.as_str())),
        Step::Open { .. } => None,
    }) {
        if let Some((old, new)) = sql.strip_prefix("ALTER TABLE ").and_then(|rest| rest.split_once(" RENAME TO ")) {
            let schema = old.rsplit_once('.').map(|(schema, _)| schema);
            let new = schema.map_or_else(|| plain(new), |schema| plain(&format!("{schema}.{new}")));
            renamed.push((step, plain(old), new));
        }
        if let Some((index, lock)) = of_index(sql) {
            let of = known.indexes.iter().find(|(name, _)| *name == index);
            touches.extend(of.map(|(_, table)| (step, table.clone(), lock)));
        }
    }
    let mut catalogue = known.catalogue.clone();
    for touch in touch::touches_after(dialect, &all, &mut statements, &mut catalogue) {
        let (Some(lock), Some(statement)) = (touch.lock, statements.get(touch.statement)) else { continue };
        let step = starts.partition_point(|start| *start <= statement.range.start).saturating_sub(1);
        if !touch.of_index {
            touches.push((step, touch.table, lock));
        }
    }
    for (step, table, lock) in touches {
        // The statement has the name that the table has by then.
        let earlier = renamed.iter().filter(|(at, ..)| *at < step);
        let table = earlier.fold(table, |table, (_, old, new)| if *old == table { new.clone() } else { table });
        found[step].push(format!("Locks {table} in {lock} mode, which blocks {}", lock.blocks()));
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
            text(&head, &script, Dialect::Postgres, &Known::default()),
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

    #[test]
    fn a_lock_is_that_of_the_table_by_its_name_at_that_moment() {
        let before =
            "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (a int REFERENCES a (id)); CREATE INDEX b_a ON b (a);";
        let mut known = Known { indexes: vec![("b_a".to_owned(), "b".to_owned())], ..Known::default() };
        let mut statements = split(Dialect::Postgres, before).statements;
        touch::touches_after(Dialect::Postgres, before, &mut statements, &mut known.catalogue);
        let steps = ["ALTER TABLE public.b RENAME TO child", "DROP INDEX public.b_a", "DROP TABLE public.child"];
        let steps = steps.into_iter().map(|sql| Step::Statement(Statement::new(sql))).collect();
        let script = Script { steps, ..Script::default() };
        let both = "in ACCESS EXCLUSIVE mode, which blocks reads and writes";
        assert_eq!(
            locks(&script, Dialect::Postgres, &known),
            [
                vec![format!("Locks b {both}")],
                vec![format!("Locks child {both}")],
                vec![format!("Locks child {both}"), format!("Locks a {both}")],
            ]
        );
    }
}
