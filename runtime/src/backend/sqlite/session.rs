//! Saves the state of a connection before a job that may change it, and restores it afterwards.

use std::borrow::Cow;
use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use lockgate_core::unit::attached;
use lockgate_core::{StatementFlags, StatementKind};
use sqlx::sqlite::SqliteRow;
use sqlx::{Either, Row};

use super::{SqliteBackend, cause};
use crate::backend::{Job, JobBody};
use crate::error::{Cause, Class};
use crate::history_table::identifier;

/// The pragmas of a connection that can be read and set. Pragmas of the file (`user_version`) are for migrations to
/// change.
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

/// The state of a connection.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Session {
    /// The value of each of [`PRAGMAS`], if this SQLite knows it.
    pragmas: Vec<Option<String>>,
    /// Whether LIKE is case-sensitive. That pragma can be set but not read.
    like: Option<String>,
    attached: BTreeSet<String>,
    /// Temporary objects: kind, name and SQL.
    temporary: BTreeSet<(String, String, String)>,
}

impl Session {
    /// The statements that restore the pragmas that differ.
    fn words(&self, now: &Self) -> String {
        let mut words = String::new();
        for (index, (name, value)) in PRAGMAS.iter().zip(&self.pragmas).enumerate() {
            let Some(value) = value else { continue };
            let is = now.pragmas[index].as_deref();
            // WAL mode belongs to the file: a migration may change it.
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

    /// The statements that restore a connection without reading its state or waiting for answers. Some change nothing,
    /// and some may fail.
    pub(super) fn blind(&self, changed: &Changed) -> Vec<String> {
        let mut words = Vec::new();
        let new =
            changed.attached.iter().filter(|name| !self.attached.iter().any(|old| old.eq_ignore_ascii_case(name)));
        words.extend(new.map(|name| format!("DETACH {}", identifier(name))));
        if self.temporary.is_empty() {
            // Each change of `temp_store` drops all temporary objects.
            words.extend(["PRAGMA temp_store = FILE".to_owned(), "PRAGMA temp_store = MEMORY".to_owned()]);
        }
        for (name, value) in PRAGMAS.iter().zip(&self.pragmas) {
            let Some(value) = value else { continue };
            let may = match *name {
                "temp_store" => true,
                // WAL mode belongs to the file: a migration may change it.
                "journal_mode" => {
                    value != "wal"
                        && changed
                            .text
                            .as_deref()
                            .is_some_and(|text| contains_any(text, &[name]) && !contains_any(text, &["wal"]))
                }
                name => changed.text.as_deref().is_none_or(|text| contains_any(text, &[name])),
            };
            if may {
                words.push(format!("PRAGMA {name} = {value}"));
            }
        }
        if changed.text.as_deref().is_none_or(|text| contains_any(text, &["case_sensitive_like"])) {
            words.push(self.like());
        }
        words
    }

    fn like(&self) -> String {
        format!("PRAGMA case_sensitive_like = {}", u8::from(self.like.as_deref() == Some("0")))
    }
}

/// What a job may change in its connection, judged by its text.
#[derive(Default)]
pub(super) struct Changed {
    /// `None` for a Rust function, which may change anything.
    text: Option<Cow<'static, str>>,
    /// The names of the databases that it attaches.
    attached: Vec<String>,
}

impl Changed {
    fn by(job: &Job) -> Self {
        let JobBody::Sql(sql) = &job.body else { return Self::default() };
        let names = sql.statements.iter().filter_map(|statement| attached(&sql.text, statement));
        Self { text: Some(sql.text.clone()), attached: names.collect() }
    }
}

/// Whether a job may change its connection. A Rust function may; a script may if it contains one of these words.
pub(super) fn is_dirty(job: &Job) -> bool {
    match &job.body {
        JobBody::HistoryOnly => false,
        JobBody::Rust(..) => true,
        JobBody::Sql(sql) => {
            let flagged = sql.statements.iter().any(|statement| {
                statement.kind == StatementKind::Pragma || statement.flags.contains(StatementFlags::SESSION_STATE)
            });
            flagged || contains_any(&sql.text, &["pragma", "attach", "detach", "temp"])
        }
    }
}

/// Whether a text contains one of these words, in either case, even inside other words.
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
    /// Saves the state of the connection before a job that may change it.
    pub(super) async fn save_session(&mut self, job: &Job) -> Result<(), Cause> {
        if is_dirty(job) {
            self.dirty = true;
            self.changed = Changed::by(job);
            self.session = Some(self.session().await?);
        }
        Ok(())
    }

    /// Reads the state of the connection.
    pub(super) async fn session(&mut self) -> Result<Session, Cause> {
        let mut sql: String = PRAGMAS.iter().map(|name| format!("PRAGMA {name};")).collect();
        sql.push_str("SELECT 'a' LIKE 'A';");
        let mut values = vec![None; PRAGMAS.len() + 1];
        let mut stream = self.held.driver().fetch(sql);
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

    /// Restores the connection, and checks that it worked.
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
            let message = format!("the changes of a migration to the connection cannot be reverted: {left}");
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
