//! One draft: written, run on a database with rows, and compared with what should be.

use std::collections::BTreeMap;

use lockgate::Database;
use lockgate::schema::draft::{Draft, Mode, Script, Step, draft};
use lockgate::schema::{Class, Schema, Table, TableKind, compare, report};
use lockgate_source::core::Dialect;
use lockgate_xtask::__private::rows::{name, quoted};

use super::database::{Place, close, connect, execute, read, texts};
use super::fill;

/// Two schemas.
#[derive(Debug)]
pub(super) struct Pair<'a> {
    pub(super) from: &'a Schema,
    pub(super) to: &'a Schema,
    pub(super) mode: Mode,
}

/// How a draft went.
#[derive(Debug)]
pub(super) struct Verdict {
    /// The draft as text.
    pub(super) script: String,
    /// What a person must decide.
    pub(super) questions: Vec<String>,
    /// What was not drafted, and why.
    pub(super) open: Vec<String>,
    /// The first statement that failed, with the server's message.
    pub(super) failed: Option<String>,
    /// The differences that are left.
    pub(super) residue: String,
    /// What a second draft would do.
    pub(super) again: String,
    /// Rows that are gone or have other values, although their table and columns exist in both.
    pub(super) lost: Vec<String>,
    /// The tables that had no row.
    pub(super) empty: Vec<String>,
}

impl Verdict {
    /// Whether nothing is left to do, but perhaps a question to answer.
    pub(super) fn is_whole(&self) -> bool {
        let Self { open, failed, residue, again, lost, .. } = self;
        open.is_empty() && failed.is_none() && residue.is_empty() && again.is_empty() && lost.is_empty()
    }
}

impl Pair<'_> {
    /// Drafts, fills the database, which has the first schema, and runs the draft on it.
    pub(super) async fn tried(&self, place: &Place<'_>, database: &str) -> Result<Verdict, String> {
        let drafted = draft(self.from, self.to, self.mode);
        let mut database = connect(&place.url(database)).await?;
        let empty = fill::fill(&mut database, self.from).await;
        let rows = self.rows(&mut database).await?;
        let mut verdict = Verdict {
            script: shown(&drafted),
            questions: questions(&drafted),
            open: open(&drafted),
            failed: run(&mut database, &drafted, self.from.dialect).await.err(),
            residue: String::new(),
            again: String::new(),
            lost: Vec::new(),
            empty,
        };
        let is_schema = match read(&mut database).await {
            Ok(schema) => schema,
            Err(error) => {
                verdict.failed.get_or_insert(error);
                return Ok(verdict);
            }
        };
        let mut left = compare(&is_schema, self.to);
        // No statement of PostgreSQL changes the order of columns.
        left.retain(|difference| difference.class != Class::ColumnOrder || self.to.dialect != Dialect::Postgres);
        verdict.residue = report(&left);
        if verdict.failed.is_none() && verdict.residue.is_empty() {
            verdict.again = shown(&draft(&is_schema, self.to, self.mode));
            let after = self.rows(&mut database).await?;
            for (table, before) in rows {
                let now = after.get(&table).cloned().unwrap_or_default();
                if before.iter().any(|row| !now.contains(row)) {
                    verdict.lost.push(format!("{table}: {before:?} became {now:?}"));
                }
            }
        }
        close(database).await?;
        Ok(verdict)
    }

    /// Returns the rows of each table that both have: the values of the columns of one type in both.
    async fn rows(&self, database: &mut Database) -> Result<BTreeMap<String, Vec<Option<String>>>, String> {
        let mut rows = BTreeMap::new();
        for table in &self.from.tables {
            let Some(after) = self.to.tables.iter().find(|after| after.name == table.name) else { continue };
            if let Some(query) = query(table, after, self.from.dialect) {
                rows.insert(table.name.name.clone(), texts(database, &query).await?);
            }
        }
        Ok(rows)
    }
}

fn query(table: &Table, after: &Table, dialect: Dialect) -> Option<String> {
    let is_read = |table: &Table| matches!(table.kind, TableKind::Ordinary | TableKind::Partitioned { .. });
    if !is_read(table) || !is_read(after) {
        return None;
    }
    let stays = table.columns.iter().filter(|column| {
        column.generated.is_none()
            && after.columns.iter().any(|other| {
                other.name == column.name && other.data_type == column.data_type && other.generated.is_none()
            })
    });
    let column = |name: &str| match dialect {
        Dialect::Postgres => format!("{}::text", quoted(name)),
        Dialect::Sqlite | Dialect::Mysql => format!("quote({})", quoted(name)),
    };
    let columns: Vec<String> = stays.map(|stays| column(&stays.name)).collect();
    let from = name(&table.name);
    Some(match (dialect, columns.is_empty()) {
        (_, true) => format!("SELECT 'row' FROM {from}"),
        (Dialect::Postgres, false) => format!("SELECT ROW({})::text FROM {from} ORDER BY 1", columns.join(", ")),
        (Dialect::Sqlite | Dialect::Mysql, false) => {
            format!("SELECT {} FROM {from} ORDER BY 1", columns.join(" || ',' || "))
        }
    })
}

/// Runs a draft as Lockgate would run its scripts.
async fn run(database: &mut Database, draft: &Draft, dialect: Dialect) -> Result<(), String> {
    for script in &draft.scripts {
        let in_transaction = !script.outside_transaction;
        if script.foreign_keys_off {
            execute(database, "PRAGMA foreign_keys = OFF").await?;
        }
        if in_transaction {
            execute(database, "BEGIN").await?;
        }
        let mut done = statements(database, script).await;
        if script.foreign_keys_off && done.is_ok() {
            let broken = texts(database, "SELECT \"table\" || ' to ' || parent FROM pragma_foreign_key_check").await?;
            if !broken.is_empty() {
                done = Err(format!("foreign keys are broken: {broken:?}"));
            }
        }
        if in_transaction {
            let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
            let ended = execute(database, end).await;
            done = done.and(ended.map_err(|error| format!("{end}: {error}")));
        }
        let reset = match dialect {
            Dialect::Postgres => "RESET ALL",
            Dialect::Sqlite | Dialect::Mysql => "PRAGMA foreign_keys = ON; PRAGMA legacy_alter_table = OFF",
        };
        execute(database, reset).await?;
        done?;
    }
    Ok(())
}

async fn statements(database: &mut Database, script: &Script) -> Result<(), String> {
    for step in &script.steps {
        if let Step::Statement(statement) = step {
            let done = execute(database, &statement.sql).await;
            done.map_err(|error| format!("{}\n  {error}", statement.sql))?;
        }
    }
    Ok(())
}

fn open(draft: &Draft) -> Vec<String> {
    let open = draft.steps().filter_map(|step| match step {
        Step::Open { what, why } => Some(format!("{what}: {why}")),
        Step::Statement(_) => None,
    });
    open.collect()
}

fn questions(draft: &Draft) -> Vec<String> {
    let questions = draft.steps().filter_map(|step| match step {
        Step::Statement(statement) => statement.question.clone(),
        Step::Open { .. } => None,
    });
    questions.collect()
}

fn shown(draft: &Draft) -> String {
    let mut text = String::new();
    for script in &draft.scripts {
        if script.outside_transaction {
            text.push_str("-- outside a transaction\n");
        }
        if script.foreign_keys_off {
            text.push_str("-- foreign keys off\n");
        }
        for step in &script.steps {
            match step {
                Step::Statement(statement) => {
                    for hazard in &statement.hazards {
                        text.push_str(&format!("-- {hazard}\n"));
                    }
                    if let Some(question) = &statement.question {
                        text.push_str(&format!("-- question: {question}\n"));
                    }
                    text.push_str(&format!("{};\n", statement.sql));
                }
                Step::Open { what, why } => text.push_str(&format!("-- open: {what}: {why}\n")),
            }
        }
    }
    text
}
