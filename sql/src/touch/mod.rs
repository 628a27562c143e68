//! What the statements of a script do to tables: which locks they take in PostgreSQL, which tables they create, and
//! what data they destroy. All of it is read from the statements' tokens. The lints, the embedded table and the trace
//! all use this module.
//!
//! Some locks depend on existing objects, such as the tables that a dropped table refers to, partitions and children.
//! They are known from the scripts before. Locks that a function or a `DO` takes are not known, nor those on objects
//! that no script of the folder creates. Rows that an `UPDATE` changes do not count as destroyed: nearly every change of
//! data is an `UPDATE`, and most of them compute the new value from the old one.

mod alter;
mod catalogue;
mod effect;
mod read;
#[cfg(test)]
mod tests;

use lockgate_core::touch::is_same_table;
use lockgate_core::{Dialect, Statement, StatementFlags, StatementKind, TableLock, Touch};

use self::effect::{TableEffects, made};
use super::cursor::{Cursor, tokens};

pub(crate) use self::alter::lock as lock_of_action;
pub use self::catalogue::Catalogue;

/// The number of tokens of a statement that are read. A table has hundreds of columns, not thousands.
const TOKENS_MAX: usize = 20_000;
/// The number of tokens that are read if only the beginning of a statement matters.
const BEGINNING: usize = 400;
/// The number of tokens that are read if only a name matters.
const NAME: usize = 24;

/// Returns what the statements of a script do to tables that existed before it, and which tables they create, in the
/// order of the statements. Sets the flag of statements that destroy data.
///
/// Locks are those of PostgreSQL. SQLite has one lock for the whole database, and the locks of MySQL are not reported.
///
/// ```
/// use lockgate_core::{Dialect, TableLock};
/// use lockgate_sql::{split, touch::touches};
///
/// let text = "CREATE TABLE tags (t text); CREATE INDEX ON tags (t); CREATE INDEX ON users (name);";
/// let mut statements = split(Dialect::Postgres, text).statements;
/// let touches = touches(Dialect::Postgres, text, &mut statements);
/// assert!(touches[0].makes && touches[0].table == "tags");
/// assert_eq!((touches[1].table.as_str(), touches[1].lock), ("users", Some(TableLock::Share)));
/// assert_eq!(touches.len(), 2);
/// ```
pub fn touches(dialect: Dialect, text: &str, statements: &mut [Statement]) -> Vec<Touch<String>> {
    touches_after(dialect, text, statements, &mut Catalogue::default())
}

/// Like [`touches`], for a script that runs after the scripts that are recorded in `catalogue`. Adds what this script
/// creates to the catalogue.
pub fn touches_after(
    dialect: Dialect,
    text: &str,
    statements: &mut [Statement],
    catalogue: &mut Catalogue,
) -> Vec<Touch<String>> {
    let drops = statements.iter().any(|statement| statement.kind == StatementKind::DropTable);
    let mut script = Progress { dialect, ..Progress::default() };
    for (at, statement) in statements.iter_mut().enumerate() {
        let max = tokens_max(text, statement, drops);
        if max == 0 {
            continue;
        }
        let tokens = tokens(dialect, text, statement.command(), max);
        let cursor = Cursor::new(text, &tokens);
        let mut doing = read::statement(dialect, cursor);
        if dialect == Dialect::Postgres {
            catalogue.leads(cursor, &mut doing);
        }
        // A table of an earlier script is not new, and a temporary one only hides it.
        if doing.may_exist || doing.is_temporary {
            doing.touches.retain(|touch| !touch.makes || !catalogue.has(&touch.table));
        }
        catalogue.follow(cursor);
        if script.after(at, doing) {
            statement.flags = statement.flags.union(StatementFlags::DESTROYS_DATA);
        }
    }
    script.touches
}

/// Returns the lock that a statement takes on the first table that it names, without regard to earlier statements.
pub(crate) fn lock_of(text: &str, statement: &Statement) -> Option<TableLock> {
    let tokens = tokens(Dialect::Postgres, text, statement.command(), TOKENS_MAX);
    let doing = read::statement(Dialect::Postgres, Cursor::new(text, &tokens));
    doing.touches.into_iter().find_map(|touch| touch.lock)
}

/// Returns the number of tokens that must be read to know what the statement does. The macro reads thousands of released
/// scripts, so it reads no more than it needs.
fn tokens_max(text: &str, statement: &Statement, drops: bool) -> usize {
    let has = |words: &[&str]| {
        // The macro is not optimized, but these functions of the standard library are.
        let lower = text[statement.range.clone()].to_ascii_lowercase();
        words.iter().any(|word| lower.contains(word))
    };
    match statement.kind {
        StatementKind::Insert | StatementKind::Update | StatementKind::Delete | StatementKind::Select
            if has_with(text, statement) =>
        {
            TOKENS_MAX
        }
        StatementKind::Insert if drops => BEGINNING,
        StatementKind::Insert | StatementKind::Update | StatementKind::Delete => NAME,
        StatementKind::Select if has(&["for ", "into "]) => BEGINNING,
        StatementKind::CreateTable | StatementKind::CreateView => TOKENS_MAX,
        StatementKind::CreateIndex => NAME,
        StatementKind::CreateTrigger | StatementKind::CreateOther | StatementKind::Copy => BEGINNING,
        StatementKind::AlterTable
        | StatementKind::AlterOther
        | StatementKind::DropTable
        | StatementKind::DropIndex
        | StatementKind::DropOther
        | StatementKind::Truncate
        | StatementKind::Maintenance
        | StatementKind::Other => TOKENS_MAX,
        _ => 0,
    }
}

fn has_with(text: &str, statement: &Statement) -> bool {
    let bytes = &text.as_bytes()[statement.range.clone()];
    bytes.len() > 4 && bytes[..4].eq_ignore_ascii_case(b"with") || bytes.first() == Some(&b'(')
}

/// What the statements of a script have done so far.
#[derive(Debug)]
struct Progress {
    dialect: Dialect,
    touches: Vec<Touch<String>>,
    /// The tables that the script has created.
    made: Vec<String>,
    /// The tables that the script names and that existed before it.
    known: Vec<String>,
    /// The tables whose rows were copied to another table, as in a rebuild.
    copied: Vec<String>,
    /// The indexes that the script has built, with their tables.
    indexes: Vec<(String, String)>,
    /// New names of tables that existed before the script, with their old names.
    renamed: Vec<(String, String)>,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            dialect: Dialect::Postgres,
            touches: Vec::new(),
            made: Vec::new(),
            known: Vec::new(),
            copied: Vec::new(),
            indexes: Vec::new(),
            renamed: Vec::new(),
        }
    }
}

fn has(names: &[String], name: &str) -> bool {
    names.iter().any(|known| is_same_table(known, name))
}

impl Progress {
    /// Records the effects of a statement. Returns whether it destroys data.
    fn after(&mut self, statement: usize, doing: TableEffects) -> bool {
        let mut destroys = doing.destroys;
        if let Some((index, _)) = doing.index.as_ref().filter(|_| self.dialect == Dialect::Postgres) {
            self.push(Touch { statement, of_index: true, ..made(index.clone()) });
        }
        for mut touch in doing.touches {
            touch.statement = statement;
            if touch.makes && doing.is_temporary {
                self.made.push(touch.table);
                continue;
            }
            if touch.makes {
                self.make(touch);
                continue;
            }
            if touch.of_index
                && let Some((_, table)) = self.indexes.iter().find(|(index, _)| is_same_table(index, &touch.table))
            {
                touch.table.clone_from(table);
                touch.of_index = false;
            }
            touch.destroys &= !(doing.drops && has(&self.copied, &touch.table));
            if !touch.of_index {
                if let Some((_, old)) = self.renamed.iter().rfind(|(new, _)| is_same_table(new, &touch.table)) {
                    touch.table.clone_from(old);
                } else if has(&self.made, &touch.table) {
                    if doing.index.is_some() && self.dialect == Dialect::Postgres {
                        self.push(Touch { lock: None, makes: true, ..touch });
                    }
                    continue;
                } else if !has(&self.known, &touch.table) {
                    self.known.push(touch.table.clone());
                }
            }
            destroys |= touch.destroys;
            self.push(touch);
        }
        if let Some((from, to)) = doing.renames {
            if let Some(at) = self.renamed.iter().rposition(|(new, _)| is_same_table(new, &from)) {
                self.renamed[at].0 = to;
            } else if has(&self.made, &from) {
                self.make(Touch { statement, ..made(to) });
            } else {
                self.renamed.push((to, from));
            }
        }
        self.copied.extend(doing.copies);
        self.indexes.extend(doing.index);
        destroys
    }

    /// Records that a table is created. If a table of this name existed before the script, it does not count as new.
    fn make(&mut self, touch: Touch<String>) {
        let is_known = has(&self.known, &touch.table);
        if !has(&self.made, &touch.table) {
            self.made.push(touch.table.clone());
            if !is_known {
                self.push(touch);
            }
        }
    }

    fn push(&mut self, mut touch: Touch<String>) {
        touch.lock = touch.lock.filter(|_| self.dialect == Dialect::Postgres);
        if touch.lock.is_none() && !touch.makes && !touch.destroys {
            return;
        }
        // A statement that names a table twice takes the stronger lock.
        let same = |known: &&mut Touch<String>| {
            known.statement == touch.statement && known.table == touch.table && known.of_index == touch.of_index
        };
        match self.touches.iter_mut().find(same) {
            Some(known) => {
                known.lock = known.lock.max(touch.lock);
                known.destroys |= touch.destroys;
            }
            None => self.touches.push(touch),
        }
    }
}
