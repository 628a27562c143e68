//! What the statements of a script do to tables: which locks they take in PostgreSQL, which tables they create, and
//! what data they destroy. All of it is read from the statements' tokens. The lints, the embedded table and the trace
//! all use this module.
//!
//! Locks that hang on what is there already come from what the scripts before have made: the tables that a
//! dropped one refers to, partitions and children. Not seen are those of a function, of a `DO`, and of what
//! no script of the folder made. Rows
//! that an `UPDATE` changes are not counted as destroyed: nearly every change of data is one, and what it
//! replaces it has most often read.

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

/// As many tokens of a statement are read: a table has hundreds of columns, not thousands.
const TOKENS_MAX: usize = 20_000;
/// Where only the beginning is of interest.
const BEGINNING: usize = 400;
/// Where only a name is.
const NAME: usize = 24;

/// What the statements of a script do to tables that were there before it, and which ones it makes, in
/// the order of the statements. Those that destroy data are flagged.
///
/// Locks are those of PostgreSQL. SQLite has one for the whole database, and of MySQL's nothing is said.
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

/// The same behind scripts that have made what is in the catalogue. What this one makes is there afterwards.
pub fn touches_after(
    dialect: Dialect,
    text: &str,
    statements: &mut [Statement],
    catalogue: &mut Catalogue,
) -> Vec<Touch<String>> {
    let drops = statements.iter().any(|statement| statement.kind == StatementKind::DropTable);
    let mut script = Script { dialect, ..Script::default() };
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
            catalogue.follow(cursor);
        }
        if script.after(at, doing) {
            statement.flags = statement.flags.union(StatementFlags::DESTROYS_DATA);
        }
    }
    script.touches
}

/// The lock that a statement takes on the first table that it names, whatever went before it.
pub(crate) fn lock_of(text: &str, statement: &Statement) -> Option<TableLock> {
    let tokens = tokens(Dialect::Postgres, text, statement.command(), TOKENS_MAX);
    let doing = read::statement(Dialect::Postgres, Cursor::new(text, &tokens));
    doing.touches.into_iter().find_map(|touch| touch.lock)
}

/// How many tokens tell what there is to tell: what a macro does with thousands of released scripts
/// must cost next to nothing.
fn tokens_max(text: &str, statement: &Statement, drops: bool) -> usize {
    let has = |words: &[&str]| {
        // Compiled into the standard library: this runs unoptimised inside the macro.
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

/// What the statements up to here have done.
#[derive(Debug)]
struct Script {
    dialect: Dialect,
    touches: Vec<Touch<String>>,
    /// The tables that the script has made.
    made: Vec<String>,
    /// The tables that were there before it, as far as it names them.
    known: Vec<String>,
    /// The tables whose rows went to another one, as in a rebuild.
    copied: Vec<String>,
    /// The indexes that it has built, with their tables.
    indexes: Vec<(String, String)>,
    /// New names of tables that were there before, with the old ones.
    renamed: Vec<(String, String)>,
}

impl Default for Script {
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

impl Script {
    /// A statement has run. Says whether it destroyed data.
    fn after(&mut self, statement: usize, doing: TableEffects) -> bool {
        let mut destroys = doing.destroys;
        if let Some((index, _)) = doing.index.as_ref().filter(|_| self.dialect == Dialect::Postgres) {
            self.push(Touch { statement, of_index: true, ..made(index.clone()) });
        }
        for mut touch in doing.touches {
            touch.statement = statement;
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

    /// A table is there that was not; where another one had its name, programs know it.
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
        // One that names a table twice takes the stronger lock.
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
