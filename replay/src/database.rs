//! The in-memory SQLite of a replay: runs scripts as the runtime does, without recording them. It reports the statement
//! that failed, and the views and triggers that stopped working.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use futures_util::TryStreamExt;
use lockgate_schema::sqlite::{Answer, AnswerColumns};
use lockgate_source::core::{Statement, StatementKind};
use lockgate_source::scripts::Sql;
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Either, FromRow, Row, SqliteConnection};

use super::objects::{self, Entry, Found, Objects};

/// The longest piece of a script that is sent at once. SQLite copies all the remaining text each time it prepares a
/// statement.
const PIECE_BYTES: usize = 16 * 1024;

/// Messages about something that a program may register with its connection.
const APP_DEFINED: [&str; 5] =
    ["no such function", "no such module", "no such collation sequence", "no such tokenizer", "unknown tokenizer"];

/// Messages about something that a trigger needs and that is missing.
const MISSING: [&str; 4] = ["no such table", "no such column", "has no column named", "values were supplied"];

/// The query for the tables that the foreign keys of a table refer to and that do not exist.
const DANGLING: &str = r#"SELECT DISTINCT "table" FROM pragma_foreign_key_list(?1, 'main') AS key WHERE NOT EXISTS (
SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = key."table" COLLATE NOCASE)"#;

const INSERT: &str = "INSERT into";
const UPDATE: &str = "UPDATE of";
const DELETE: &str = "DELETE from";
const VERBS: [&str; 3] = [INSERT, UPDATE, DELETE];

/// The database of a replay.
pub(super) struct Database {
    connection: SqliteConnection,
    /// The state after the last script.
    pub(super) state: State,
    /// What could not be checked, and why.
    pub(super) unchecked: BTreeMap<ViewOrTriggers, String>,
    /// What was there when it was last looked at.
    objects: Objects,
    /// Whether no script has run since then.
    is_current: bool,
    /// How many rows were read. A test holds that a longer set reads no more for each migration.
    pub(super) rows_read: usize,
}

/// The state of a database, as far as the replay checks it.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// What does not work.
    pub(super) broken: BTreeSet<ViewOrTriggers>,
    /// The names of tables, views and triggers, in lower case.
    names: Arc<HashSet<String>>,
}

/// A view, the triggers of a table, or a foreign key: SQLite checks them only when they are used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ViewOrTriggers {
    /// A view.
    View(String),
    /// The triggers that fire on this statement for this table.
    Triggers { verb: &'static str, table: String },
    /// The foreign key of a table to another one: SQLite checks it only when a row changes.
    ForeignKey { table: String, target: String },
}

impl ViewOrTriggers {
    /// Returns the name of the view or table.
    fn name(&self) -> &str {
        match self {
            Self::View(name) | Self::Triggers { table: name, .. } | Self::ForeignKey { table: name, .. } => name,
        }
    }
}

/// A view or triggers that worked before a script, but not after it.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) what: ViewOrTriggers,
    pub(super) message: String,
    /// The statement that broke it.
    pub(super) at: usize,
}

/// Why a script failed.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The index of the statement; `None` if the transaction failed to commit.
    pub(super) at: Option<usize>,
    pub(super) message: String,
}

impl Refusal {
    fn at(index: usize, message: String) -> Self {
        Self { at: Some(index), message }
    }

    fn at_commit(message: String) -> Self {
        Self { at: None, message }
    }

    /// Whether a program could have registered what is missing.
    pub(super) fn is_app_defined(&self) -> bool {
        says(&self.message, &APP_DEFINED)
    }
}

impl Database {
    pub(super) async fn open() -> Result<Self, String> {
        let options = SqliteConnectOptions::new().filename(":memory:").foreign_keys(true).disable_statement_logging();
        let connection = options.connect().await.map_err(|error| words(&error))?;
        Ok(Self {
            connection,
            state: State::default(),
            unchecked: BTreeMap::new(),
            objects: Objects::default(),
            is_current: false,
            rows_read: 0,
        })
    }

    pub(super) async fn version(&mut self) -> Result<String, String> {
        let rows = self.rows("SELECT sqlite_version()").await?;
        Ok(rows.first().and_then(|row| row.try_get(0).ok()).unwrap_or_default())
    }

    /// Looks at what is there now, without temporary objects.
    pub(super) async fn objects(&mut self) -> Result<Objects, String> {
        if self.is_current {
            return Ok(self.objects.clone());
        }
        let rows = self.rows(objects::QUESTION).await?;
        let answer: String = match rows.first() {
            Some(row) => row.try_get(0).map_err(|error| words(&error))?,
            None => String::new(),
        };
        self.is_current = true;
        if self.objects.is(&answer) {
            return Ok(self.objects.clone());
        }
        let found = self.objects.divide(&answer).ok_or("the list of objects is not understood")?;
        let mut entries = Vec::with_capacity(found.len());
        for (at, one) in found {
            let entry = match one {
                Found::Known(entry) => entry,
                Found::New(mut entry) => {
                    if entry.has_columns() {
                        let rows = sqlx::query(objects::TABLE).bind(&entry.name).fetch_all(&mut self.connection).await;
                        let rows = rows.map_err(|error| words(&error))?;
                        self.rows_read += rows.len();
                        for row in &rows {
                            let answer = AnswerColumns::from_row(row).map_err(|error| words(&error))?;
                            entry.add(Answer::from(answer));
                        }
                    }
                    Arc::new(*entry)
                }
            };
            entries.push((at, entry));
        }
        self.objects = Objects::new(answer, entries);
        Ok(self.objects.clone())
    }

    /// Runs a script as the runtime does. Returns what is broken afterwards and not in `known`.
    pub(super) async fn run(&mut self, sql: Sql<'_>, known: &BTreeSet<ViewOrTriggers>) -> Result<Vec<Broken>, Refusal> {
        let options = &sql.script.options;
        if !options.transactional {
            let done = self.one_by_one(sql, known).await;
            if done.is_err() {
                // The script may have begun a transaction itself.
                let _ = self.roll_back().await;
            }
            self.execute("PRAGMA foreign_keys = ON").await.map_err(Refusal::at_commit)?;
            return done;
        }
        if options.foreign_keys_off {
            self.execute("PRAGMA foreign_keys = OFF").await.map_err(Refusal::at_commit)?;
        }
        let done = self.in_transaction(sql, known).await;
        if done.is_err() {
            // This fails if the error has already ended the transaction.
            let _ = self.roll_back().await;
        }
        if options.foreign_keys_off {
            self.execute("PRAGMA foreign_keys = ON").await.map_err(Refusal::at_commit)?;
        }
        done
    }

    async fn in_transaction(&mut self, sql: Sql<'_>, known: &BTreeSet<ViewOrTriggers>) -> Result<Vec<Broken>, Refusal> {
        self.begin().await.map_err(Refusal::at_commit)?;
        let unenforced = sql.script.options.foreign_keys_off;
        let before = if unenforced { self.violations().await.map_err(Refusal::at_commit)? } else { Vec::new() };
        let broken = self.within(sql, known).await?;
        if unenforced {
            let after = self.violations().await.map_err(Refusal::at_commit)?;
            let new: Vec<&String> = after.iter().filter(|violation| !before.contains(violation)).collect();
            if let Some(first) = new.first() {
                let count = match new.len() {
                    1 => "a foreign key points".to_owned(),
                    count => format!("{count} foreign keys point"),
                };
                let message = format!("{count} to a row that does not exist: {first}");
                return Err(Refusal::at_commit(message));
            }
        }
        self.execute("COMMIT").await.map_err(Refusal::at_commit)?;
        Ok(broken)
    }

    pub(super) async fn begin(&mut self) -> Result<(), String> {
        self.execute("BEGIN IMMEDIATE").await
    }

    pub(super) async fn commit(&mut self) -> Result<(), String> {
        self.execute("COMMIT").await
    }

    pub(super) async fn roll_back(&mut self) -> Result<(), String> {
        self.is_current = false;
        self.execute("ROLLBACK").await
    }

    /// Runs a script in the open transaction.
    pub(super) async fn within(
        &mut self,
        sql: Sql<'_>,
        known: &BTreeSet<ViewOrTriggers>,
    ) -> Result<Vec<Broken>, Refusal> {
        self.is_current = false;
        let mut first = 0;
        // `find_culprits` rolls back to this savepoint.
        let mut text = "SAVEPOINT replay;\n".to_owned();
        while first < sql.statements.len() {
            let own = usize::from(first == 0);
            let last = piece(sql.statements, first);
            text.push_str(&sql.script.text[sql.statements[first].range.start..sql.statements[last - 1].range.end]);
            if let Err((results, message)) = self.send(&std::mem::take(&mut text)).await {
                return Err(Refusal::at((first + results.saturating_sub(own)).min(last - 1), message));
            }
            first = last;
        }
        let mut broken = Vec::new();
        if sql.statements.iter().any(|statement| makes(statement.kind)) {
            let found = self.check_objects(sql).await.map_err(Refusal::at_commit)?;
            let new = found.into_iter().filter(|(what, _)| !known.contains(what));
            broken.extend(new.map(|(what, message)| Broken { what, message, at: 0 }));
        }
        if !broken.is_empty() {
            self.execute("ROLLBACK TO replay").await.map_err(Refusal::at_commit)?;
            self.find_culprits(sql, &mut broken).await?;
        }
        Ok(broken)
    }

    /// Runs the statements again, one by one, to find the one that broke each view or trigger for good. Rebuilding a table
    /// breaks its views only for a moment, which is fine.
    async fn find_culprits(&mut self, sql: Sql<'_>, broken: &mut [Broken]) -> Result<(), Refusal> {
        let mut worked = vec![true; broken.len()];
        for index in 0..sql.statements.len() {
            self.statement(sql, index).await?;
            for (broken, worked) in broken.iter_mut().zip(&mut worked) {
                // A view that does not exist yet counts as working.
                let works = !self.exists(&broken.what).await.map_err(Refusal::at_commit)?
                    || self.probe(std::slice::from_ref(&broken.what)).await.map_err(Refusal::at_commit)?.is_empty();
                if *worked && !works {
                    broken.at = index;
                }
                *worked = works;
            }
        }
        Ok(())
    }

    async fn exists(&mut self, what: &ViewOrTriggers) -> Result<bool, String> {
        let question = "SELECT 1 FROM sqlite_schema WHERE name = ? AND type IN ('table', 'view')";
        let row = sqlx::query(question).bind(what.name()).fetch_optional(&mut self.connection).await;
        row.map(|row| row.is_some()).map_err(|error| words(&error))
    }

    /// Runs a script without a transaction.
    async fn one_by_one(&mut self, sql: Sql<'_>, known: &BTreeSet<ViewOrTriggers>) -> Result<Vec<Broken>, Refusal> {
        let mut broken: Vec<Broken> = Vec::new();
        for index in 0..sql.statements.len() {
            self.statement(sql, index).await?;
            let alone = Sql { statements: &sql.statements[index..=index], ..sql };
            let found = self.check_objects(alone).await.map_err(Refusal::at_commit)?;
            broken.retain(|broken| found.contains_key(&broken.what));
            for (what, message) in found.into_iter().filter(|(what, _)| !known.contains(what)) {
                match broken.iter_mut().find(|broken| broken.what == what) {
                    Some(broken) => broken.message = message,
                    None => broken.push(Broken { what, message, at: index }),
                }
            }
        }
        Ok(broken)
    }

    async fn statement(&mut self, sql: Sql<'_>, index: usize) -> Result<(), Refusal> {
        let text = &sql.script.text[sql.statements[index].range.clone()];
        self.is_current = false;
        self.execute(text).await.map_err(|message| Refusal::at(index, message))
    }

    /// Checks the views and triggers that these statements created or may have broken, as they depend on what the statements
    /// alter or drop. Checking all of them each time would take too long.
    async fn check_objects(&mut self, sql: Sql<'_>) -> Result<BTreeMap<ViewOrTriggers, String>, String> {
        let all = self.objects().await?;
        let objects: Vec<&Entry> = all.iter().filter(|entry| entry.kind != "index").collect();
        let names: HashSet<String> = objects.iter().map(|object| object.lower_name.clone()).collect();

        let mut touched = self.touched(sql, &names);
        // Any statement may have repaired what was broken, so check it again.
        let mut to_check = std::mem::take(&mut self.state.broken);
        let mut looked = vec![false; objects.len()];
        let mut grows = true;
        while grows {
            grows = false;
            for (object, looked) in objects.iter().zip(&mut looked).filter(|(object, _)| object.kind != "table") {
                let new = !self.state.names.contains(&object.lower_name);
                let depends = touched.iter().any(|name| object.lower_sql.contains(name.as_str()));
                if *looked || !new && !depends {
                    continue;
                }
                (*looked, grows) = (true, true);
                // Nothing depends on an object that is only new.
                if depends {
                    touched.insert(object.lower_name.clone());
                    touched.insert(object.table.to_lowercase());
                }
                if object.kind == "view" {
                    to_check.insert(ViewOrTriggers::View(object.name.clone()));
                } else {
                    let table = &object.table;
                    to_check.extend(VERBS.map(|verb| ViewOrTriggers::Triggers { verb, table: table.clone() }));
                }
            }
        }
        to_check.extend(self.dangling(sql, &objects).await?);
        let exists = |what: &ViewOrTriggers| names.contains(&what.name().to_lowercase());
        let to_check: Vec<ViewOrTriggers> = to_check.into_iter().filter(exists).collect();
        let found = self.probe(&to_check).await?;
        let broken = found.keys().cloned().collect();
        self.state = State { broken, names: Arc::new(names) };
        Ok(found)
    }

    /// Returns the foreign keys to a table that does not exist and that a statement which drops or renames a table names. One
    /// may refer to a table that a later script creates.
    async fn dangling(&mut self, sql: Sql<'_>, objects: &[&Entry]) -> Result<Vec<ViewOrTriggers>, String> {
        const OWN: [&str; 9] = ["alter", "table", "rename", "to", "column", "drop", "if", "exists", "main"];
        let mut moved = String::new();
        for statement in sql.statements {
            let text = || sql.script.text[statement.range.clone()].to_lowercase();
            match statement.kind {
                StatementKind::DropTable => moved.push_str(&text()),
                StatementKind::AlterTable => moved.extend(Some(text()).filter(|text| text.contains("rename"))),
                _ => {}
            }
        }
        let named: BTreeSet<&str> =
            moved.split(|c| !is_of_word(c)).filter(|word| !word.is_empty() && !OWN.contains(word)).collect();
        let mut found = Vec::new();
        let names_one = |entry: &&&Entry| {
            entry.kind == "table"
                && !entry.lower_sql.is_empty()
                && named.iter().any(|word| entry.lower_sql.contains(word))
        };
        for entry in objects.iter().filter(names_one) {
            let rows = sqlx::query(DANGLING).bind(&entry.name).fetch_all(&mut self.connection).await;
            let rows = rows.map_err(|error| words(&error))?;
            self.rows_read += rows.len();
            for row in &rows {
                let target: String = row.try_get(0).map_err(|error| words(&error))?;
                if moved.contains(&target.to_lowercase()) {
                    found.push(ViewOrTriggers::ForeignKey { table: entry.name.clone(), target });
                }
            }
        }
        Ok(found)
    }

    /// Returns the old and new tables and views that are named in a statement which alters or drops something.
    fn touched(&self, sql: Sql<'_>, names: &HashSet<String>) -> BTreeSet<String> {
        let mut touched = BTreeSet::new();
        let is_known = |word: &str| names.contains(word) || self.state.names.contains(word);
        let known = names.iter().chain(&*self.state.names);
        // A name that is not a word is searched for in the whole text.
        let odd: Vec<&String> = known.filter(|name| !name.chars().all(is_of_word)).collect();
        for statement in sql.statements.iter().filter(|statement| !adds(statement.kind)) {
            let text = sql.script.text[statement.range.clone()].to_lowercase();
            let words = text.split(|c| !is_of_word(c)).filter(|word| !word.is_empty());
            touched.extend(words.filter(|word| is_known(word)).map(str::to_owned));
            touched.extend(odd.iter().filter(|name| text.contains(name.as_str())).map(|name| (*name).clone()));
        }
        touched
    }

    /// Returns which of these do not work, and why.
    async fn probe(&mut self, to_check: &[ViewOrTriggers]) -> Result<BTreeMap<ViewOrTriggers, String>, String> {
        let mut broken = BTreeMap::new();
        let mut probes = Vec::with_capacity(to_check.len());
        let mut probed = Vec::with_capacity(to_check.len());
        for what in to_check {
            if let ViewOrTriggers::ForeignKey { table, target } = what {
                let rows = sqlx::query(DANGLING).bind(table).fetch_all(&mut self.connection).await;
                let rows = rows.map_err(|error| words(&error))?;
                if rows.iter().any(|row| row.try_get::<String, _>(0).is_ok_and(|found| found == *target)) {
                    broken.insert(what.clone(), format!("there is no table `{target}`"));
                }
                continue;
            }
            probed.push(what);
            // EXPLAIN compiles a statement with its triggers, but does not run it.
            probes.push(match what {
                ViewOrTriggers::View(view) => format!("SELECT * FROM {} LIMIT 0", quoted(view)),
                ViewOrTriggers::Triggers { verb: INSERT, table } => {
                    format!("EXPLAIN INSERT INTO {} DEFAULT VALUES", quoted(table))
                }
                ViewOrTriggers::Triggers { verb: UPDATE, table } => {
                    format!("EXPLAIN UPDATE {} SET {}", quoted(table), self.assignments(table).await?)
                }
                ViewOrTriggers::Triggers { table, .. } | ViewOrTriggers::ForeignKey { table, .. } => {
                    format!("EXPLAIN DELETE FROM {}", quoted(table))
                }
            });
        }
        let mut first = 0;
        while first < probes.len() {
            let Err((works, message)) = self.send(&probes[first..].join(";\n")).await else { break };
            let at = (first + works).min(probes.len() - 1);
            let counts = matches!(probed[at], ViewOrTriggers::View(_)) || says(&message, &MISSING);
            if says(&message, &APP_DEFINED) {
                self.unchecked.insert(probed[at].clone(), message);
            } else if counts {
                broken.insert(probed[at].clone(), message);
            }
            first = at + 1;
        }
        Ok(broken)
    }

    /// Returns assignments that set every column of a table to itself.
    async fn assignments(&mut self, table: &str) -> Result<String, String> {
        let question = "SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0";
        let rows = sqlx::query(question).bind(table).fetch_all(&mut self.connection).await;
        let rows = rows.map_err(|error| words(&error))?;
        let names = rows.iter().map(|row| row.try_get::<String, _>(0)).collect::<Result<Vec<_>, _>>();
        let names = names.map_err(|error| words(&error))?;
        Ok(names.iter().map(|name| format!("{0} = {0}", quoted(name))).collect::<Vec<_>>().join(", "))
    }

    async fn violations(&mut self) -> Result<Vec<String>, String> {
        let rows = self.rows("PRAGMA foreign_key_check").await?;
        let read = |row: &SqliteRow| -> Result<String, sqlx::Error> {
            let (table, parent): (String, String) = (row.try_get(0)?, row.try_get(2)?);
            let (id, key): (Option<i64>, i64) = (row.try_get(1)?, row.try_get(3)?);
            let id = id.map_or_else(|| "a row".to_owned(), |id| format!("row {id}"));
            Ok(format!("{id} of `{table}` to `{parent}` (key {key})"))
        };
        rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| words(&error))
    }

    async fn rows(&mut self, question: &'static str) -> Result<Vec<SqliteRow>, String> {
        let rows = sqlx::raw_sql(question).fetch_all(&mut self.connection).await.map_err(|error| words(&error))?;
        self.rows_read += rows.len();
        Ok(rows)
    }

    async fn execute(&mut self, sql: &str) -> Result<(), String> {
        self.send(sql).await.map_err(|(_, message)| message)
    }

    /// Runs SQL. An error includes the number of statements before it.
    async fn send(&mut self, sql: &str) -> Result<(), (usize, String)> {
        let mut results = 0;
        let mut stream = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_many(&mut self.connection);
        loop {
            match stream.try_next().await {
                Ok(None) => return Ok(()),
                Ok(Some(Either::Right(_))) => {}
                Ok(Some(Either::Left(_))) => results += 1,
                Err(error) => return Err((results, words(&error))),
            }
        }
    }
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a statement of this kind may change the schema, and not only rows.
fn makes(kind: StatementKind) -> bool {
    let fills = [StatementKind::Select, StatementKind::Insert, StatementKind::Update, StatementKind::Delete];
    !fills.contains(&kind) && !matches!(kind, StatementKind::CreateIndex | StatementKind::Transaction)
}

/// Whether a statement of this kind leaves existing objects as they are.
fn adds(kind: StatementKind) -> bool {
    matches!(
        kind,
        StatementKind::Select
            | StatementKind::Insert
            | StatementKind::Update
            | StatementKind::Delete
            | StatementKind::CreateTable
            | StatementKind::CreateIndex
            | StatementKind::CreateView
            | StatementKind::CreateTrigger
            | StatementKind::Transaction
    )
}

/// Returns the end of the piece that begins with this statement.
fn piece(statements: &[Statement], first: usize) -> usize {
    let start = statements[first].range.start;
    first + statements[first..].partition_point(|statement| statement.range.end - start <= PIECE_BYTES).max(1)
}

fn says(message: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| message.contains(phrase))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns SQLite's message.
fn words(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned())
}
