//! What a statement that refuses a transaction leaves in PostgreSQL's catalogue: what is asked of the database
//! when it is not known whether such a statement has finished.

use crate::words::{Word, words};
use crate::{Dialect, Statement, StatementKind};

/// A name, perhaps with its schema before it, as the catalogue has it.
pub type Path = Vec<String>;

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// `CREATE INDEX CONCURRENTLY`: whether this index is there, and valid.
    Index {
        /// Its name: it is in the schema of its table.
        name: String,
        /// Its table.
        table: Path,
        /// Whether it is unique.
        unique: bool,
        /// Its columns, where all that stands there are names of columns.
        columns: Option<Vec<String>>,
    },
    /// `DROP INDEX CONCURRENTLY`: whether this index is gone.
    IndexGone(Path),
    /// `ALTER TABLE … DETACH PARTITION … CONCURRENTLY`: whether this table is no partition any more.
    Detached(Path),
    /// `REINDEX TABLE` or `INDEX` in the form that leaves a half-made index behind where it is broken off: with
    /// these gone, it can be sent again.
    Rebuilt(Path),
    /// `CREATE DATABASE`, `CREATE TABLESPACE` or `CREATE SUBSCRIPTION`, where whether it is there says enough.
    There(Object, String),
    /// The same with `DROP`.
    Gone(Object, String),
    /// `PREPARE TRANSACTION`: whether there is one of this name.
    Prepared(String),
    /// Done twice, it is as done once: `VACUUM`, `REINDEX`, `CLUSTER`, `ALTER SYSTEM`.
    Again,
    /// Nothing that could be asked: `CALL`, and whatever is not understood.
    Unknown,
}

/// What a whole server has by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    /// A database.
    Database,
    /// A tablespace.
    Tablespace,
    /// A subscription, which one database has.
    Subscription,
}

impl Effect {
    /// What this statement of a script for PostgreSQL leaves behind.
    pub fn of(text: &str, statement: &Statement) -> Self {
        let words = words(Dialect::Postgres, &text[statement.command()]);
        let mut at = Words(&words);
        let found = match statement.kind {
            StatementKind::CreateIndex => at.index(),
            StatementKind::DropIndex => at.dropped_index(),
            StatementKind::AlterTable => at.detached(),
            StatementKind::CreateOther if at.take("create") => at.object().map(|(of, name)| Self::There(of, name)),
            StatementKind::DropOther if at.take("drop") => at.object().map(|(of, name)| Self::Gone(of, name)),
            StatementKind::AlterOther if at.take("alter") => at.altered(),
            StatementKind::Maintenance => Some(at.rebuilt().unwrap_or(Self::Again)),
            StatementKind::Session => Some(Self::Again),
            StatementKind::Transaction if at.take("prepare") && at.take("transaction") => {
                at.string().filter(|_| at.ended()).map(Self::Prepared)
            }
            _ => None,
        };
        found.unwrap_or(Self::Unknown)
    }
}

/// A place among the words.
struct Words<'a>(&'a [Word]);

impl Words<'_> {
    fn take(&mut self, word: &str) -> bool {
        let is = self.0.first().is_some_and(|first| first.is(word));
        if is {
            self.0 = &self.0[1..];
        }
        is
    }

    fn ended(&self) -> bool {
        self.0.is_empty() || (self.0.len() == 1 && self.0[0].is(";"))
    }

    fn string(&mut self) -> Option<String> {
        let first = self.0.first().filter(|word| word.quoted)?;
        self.0 = &self.0[1..];
        Some(first.text.clone())
    }

    fn name(&mut self) -> Option<String> {
        let first = self.0.first()?;
        let letter = |c: char| c.is_alphabetic() || c == '_';
        if !first.quoted && !first.text.starts_with(letter) {
            return None;
        }
        self.0 = &self.0[1..];
        // `U&"…"` has escapes within.
        if self.0.first().is_some_and(|next| next.is("&")) {
            return None;
        }
        Some(first.text.clone())
    }

    fn path(&mut self) -> Option<Path> {
        let mut path = vec![self.name()?];
        while self.take(".") {
            path.push(self.name()?);
        }
        Some(path)
    }

    /// `CREATE [UNIQUE] INDEX CONCURRENTLY [IF NOT EXISTS] name ON [ONLY] table [USING method] (columns…`
    fn index(&mut self) -> Option<Effect> {
        let _ = self.take("create");
        let unique = self.take("unique");
        if !self.take("index") || !self.take("concurrently") {
            return None;
        }
        let _ = self.take("if") && self.take("not") && self.take("exists");
        // Without a name the server makes one up.
        if self.0.first()?.is("on") {
            return None;
        }
        let name = self.name()?;
        if !self.take("on") {
            return None;
        }
        let _ = self.take("only");
        let table = self.path()?;
        if self.take("using") {
            self.name()?;
        }
        Some(Effect::Index { name, table, unique, columns: self.columns() })
    }

    fn columns(&mut self) -> Option<Vec<String>> {
        let mut columns = Vec::new();
        if !self.take("(") {
            return None;
        }
        loop {
            columns.push(self.name()?);
            if self.take(")") {
                return Some(columns);
            }
            if !self.take(",") {
                return None;
            }
        }
    }

    fn dropped_index(&mut self) -> Option<Effect> {
        let _ = self.take("drop");
        if !self.take("index") || !self.take("concurrently") {
            return None;
        }
        let _ = self.take("if") && self.take("exists");
        let path = self.path()?;
        let _ = self.take("cascade") || self.take("restrict");
        self.ended().then_some(Effect::IndexGone(path))
    }

    fn detached(&mut self) -> Option<Effect> {
        let _ = self.take("alter");
        let _ = self.take("table");
        let _ = self.take("if") && self.take("exists");
        let _ = self.take("only");
        self.path()?;
        let _ = self.take("*");
        if !self.take("detach") || !self.take("partition") {
            return None;
        }
        let partition = self.path()?;
        (self.take("concurrently") && self.ended()).then_some(Effect::Detached(partition))
    }

    /// `REINDEX [(…)] TABLE [CONCURRENTLY] name`
    fn rebuilt(&mut self) -> Option<Effect> {
        if !self.take("reindex") {
            return None;
        }
        if self.take("(") {
            while !self.take(")") {
                self.0 = self.0.get(1..)?;
            }
        }
        if !self.take("table") && !self.take("index") {
            return None;
        }
        let _ = self.take("concurrently");
        self.path().map(Effect::Rebuilt)
    }

    fn object(&mut self) -> Option<(Object, String)> {
        let object = if self.take("database") {
            Object::Database
        } else if self.take("tablespace") {
            Object::Tablespace
        } else if self.take("subscription") {
            Object::Subscription
        } else {
            return None;
        };
        let _ = self.take("if") && self.take("exists");
        Some((object, self.name()?))
    }

    /// What sets something to a value, however often it does.
    fn altered(&mut self) -> Option<Effect> {
        if self.take("system") {
            return Some(Effect::Again);
        }
        if self.take("database") {
            self.name()?;
            return (self.take("set") && self.take("tablespace")).then_some(Effect::Again);
        }
        if !self.take("subscription") {
            return None;
        }
        self.name()?;
        // ADD and DROP are refused the second time.
        let again = self.take("refresh") || (self.take("set") && self.take("publication"));
        again.then_some(Effect::Again)
    }
}
