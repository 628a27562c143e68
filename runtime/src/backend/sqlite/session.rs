//! What a migration may leave behind in a connection, and how it is put back before anything else runs there.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use lockgate_core::unit::attached;
use lockgate_core::{StatementFlags, StatementKind};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Either, Row};

use super::{SqliteBackend, cause};
use crate::backend::{Job, JobBody};
use crate::error::{Cause, Class};
use crate::history_table::identifier;

/// What belongs to a connection and can be read and set. What belongs to the file (`user_version`) is a migration's
/// to change.
const PRAGMAS: &[&str] = &[
    "analysis_limit",
    "automatic_index",
    "busy_timeout",
    "cache_size",
    "cache_spill",
    "cell_size_check",
    "checkpoint_fullfsync",
    "count_changes",
    "defer_foreign_keys",
    "empty_result_callbacks",
    "foreign_keys",
    "full_column_names",
    "fullfsync",
    "ignore_check_constraints",
    "journal_mode",
    "journal_size_limit",
    "legacy_alter_table",
    "locking_mode",
    "max_page_count",
    "mmap_size",
    "query_only",
    "read_uncommitted",
    "recursive_triggers",
    "reverse_unordered_selects",
    "secure_delete",
    "short_column_names",
    "synchronous",
    "temp_store",
    "threads",
    "trusted_schema",
    "wal_autocheckpoint",
    "writable_schema",
];

/// How a connection stands.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// As many as there are of [`PRAGMAS`], each with its value where this SQLite knows it.
    pragmas: Vec<Option<String>>,
    /// Whether LIKE tells `a` from `A`: that pragma can be set and not read.
    like: Option<String>,
    attached: BTreeSet<String>,
    /// Temporary objects: kind, name, text.
    temporary: BTreeSet<(String, String, String)>,
}

impl Session {
    /// What sets the pragmas that differ back to how they are here.
    fn words(&self, now: &Self) -> String {
        let mut words = String::new();
        for (index, (name, value)) in PRAGMAS.iter().zip(&self.pragmas).enumerate() {
            let Some(value) = value else { continue };
            let is = now.pragmas[index].as_deref();
            // A file in WAL mode is in it for everybody: that is a migration's to change.
            let wal = *name == "journal_mode" && (value == "wal" || is == Some("wal"));
            if !wal && is != Some(value) {
                words.push_str(&format!("PRAGMA {name} = {value};"));
            }
        }
        if now.like != self.like {
            words.push_str(&format!("{};", self.like()));
        }
        words
    }

    /// The same for one that cannot be asked how it stands, one statement each, as nobody waits for the answers: what
    /// was not changed is set to what it is, and what was never there fails.
    pub(super) fn blind(&self, changed: &Changed) -> Vec<String> {
        let mut words = Vec::new();
        let new =
            changed.attached.iter().filter(|name| !self.attached.iter().any(|old| old.eq_ignore_ascii_case(name)));
        words.extend(new.map(|name| format!("DETACH {}", identifier(name))));
        if self.temporary.is_empty() {
            // Each change of it drops all that is temporary.
            words.extend(["PRAGMA temp_store = FILE".to_owned(), "PRAGMA temp_store = MEMORY".to_owned()]);
        }
        for (name, value) in PRAGMAS.iter().zip(&self.pragmas) {
            let Some(value) = value else { continue };
            let may = match *name {
                "temp_store" => true,
                // WAL mode is the file's, and so a migration's to change.
                "journal_mode" => {
                    value != "wal"
                        && changed.text.is_some_and(|text| contains_any(text, &[name]) && !contains_any(text, &["wal"]))
                }
                name => changed.text.is_none_or(|text| contains_any(text, &[name])),
            };
            if may {
                words.push(format!("PRAGMA {name} = {value}"));
            }
        }
        if changed.text.is_none_or(|text| contains_any(text, &["case_sensitive_like"])) {
            words.push(self.like());
        }
        words
    }

    fn like(&self) -> String {
        format!("PRAGMA case_sensitive_like = {}", u8::from(self.like.as_deref() == Some("0")))
    }
}

/// What a job may change in its connection, as far as its text says so.
#[derive(Default)]
pub(super) struct Changed {
    /// None of a Rust function, which may change anything.
    text: Option<&'static str>,
    /// The databases that it attaches.
    attached: Vec<String>,
}

impl Changed {
    fn by(job: &Job) -> Self {
        let JobBody::Sql(sql) = &job.body else { return Self::default() };
        let names = sql.statements.iter().filter_map(|statement| attached(sql.text, statement));
        Self { text: Some(sql.text), attached: names.collect() }
    }
}

/// Whether a job may change its connection. A Rust function may do anything; a script is searched for the words that
/// do, in whatever way it was split.
pub(super) fn is_dirty(job: &Job) -> bool {
    match &job.body {
        JobBody::HistoryOnly => false,
        JobBody::Rust(_) => true,
        JobBody::Sql(sql) => {
            let flagged = sql.statements.iter().any(|statement| {
                statement.kind == StatementKind::Pragma || statement.flags.contains(StatementFlags::SESSION_STATE)
            });
            flagged || contains_any(sql.text, &["pragma", "attach", "detach", "temp"])
        }
    }
}

/// Whether a text has one of these words in it, in either case and within whatever other word.
pub(super) fn contains_any(text: &str, words: &[&str]) -> bool {
    let bytes = text.as_bytes();
    let mut firsts = [false; 256];
    words.iter().for_each(|word| firsts[usize::from(word.as_bytes()[0])] = true);
    let begins = |at: usize, word: &&str| {
        bytes.get(at..at + word.len()).is_some_and(|part| part.eq_ignore_ascii_case(word.as_bytes()))
    };
    let candidate = |byte: u8| firsts[usize::from(byte.to_ascii_lowercase())];
    bytes.iter().enumerate().any(|(at, byte)| candidate(*byte) && words.iter().any(|word| begins(at, word)))
}

impl SqliteBackend<'_> {
    /// Notes how the connection stands before a job that may change it.
    pub(super) async fn save_session(&mut self, job: &Job) -> Result<(), Cause> {
        if is_dirty(job) {
            self.dirty = true;
            self.changed = Changed::by(job);
            self.session = Some(self.session().await?);
        }
        Ok(())
    }

    /// How the connection stands now.
    pub(super) async fn session(&mut self) -> Result<Session, Cause> {
        let mut sql: String = PRAGMAS.iter().map(|name| format!("PRAGMA {name};")).collect();
        sql.push_str("SELECT 'a' LIKE 'A';");
        let mut values = vec![None; PRAGMAS.len() + 1];
        let mut stream = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(self.held.connection());
        let mut index = 0;
        while let Some(either) = stream.try_next().await.map_err(|error| cause(&error))? {
            match either {
                Either::Left(_) => index += 1,
                Either::Right(row) => {
                    if let Some(value) = values.get_mut(index) {
                        *value = text(&row);
                    }
                }
            }
        }
        drop(stream);
        let like = values.pop().flatten();
        let attached =
            self.rows("SELECT name, '', '' FROM pragma_database_list WHERE name NOT IN ('main', 'temp')").await?;
        let temporary =
            "SELECT type, name, ifnull(sql, '') FROM temp.sqlite_schema WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'";
        let temporary = self.rows(temporary).await?;
        let attached = attached.into_iter().map(|(name, _, _)| name).collect();
        Ok(Session { pragmas: values, like, attached, temporary })
    }

    async fn rows(&mut self, sql: &'static str) -> Result<BTreeSet<(String, String, String)>, Cause> {
        let rows = sqlx::raw_sql(sql).fetch_all(self.held.connection()).await.map_err(|error| cause(&error))?;
        let read = |row: &SqliteRow| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
        rows.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(|error| cause(&error))
    }

    /// Makes the connection what it was, and looks whether it is.
    pub(super) async fn put_back(&mut self, before: &Session) -> Result<(), Cause> {
        let now = self.session().await?;
        if now == *before {
            return Ok(());
        }
        let mut words = before.words(&now);
        for (kind, name, _) in now.temporary.difference(&before.temporary) {
            // An index goes with its table, and either may be gone already.
            words.push_str(&format!("DROP {kind} IF EXISTS temp.{};", identifier(name)));
        }
        for name in now.attached.difference(&before.attached) {
            words.push_str(&format!("DETACH {};", identifier(name)));
        }
        self.execute(words).await?;
        let now = self.session().await?;
        let left = before.words(&now);
        if !left.is_empty() || now.attached != before.attached || now.temporary != before.temporary {
            let message = format!("what a migration changed in the connection cannot be put back: {left}");
            return Err(Cause::new(Class::Other, message));
        }
        Ok(())
    }
}

/// The first column, whatever its type is.
fn text(row: &SqliteRow) -> Option<String> {
    let number = row.try_get::<i64, _>(0).map(|number| number.to_string());
    number.or_else(|_| row.try_get::<String, _>(0)).ok()
}
