//! How to find out whether a statement that cannot run in a transaction has finished: what to look for in
//! PostgreSQL's catalogue after the connection was lost.

use crate::tokens::{Token, tokens};
use crate::{Dialect, Statement, StatementKind};

/// A name with or without its schema, as the catalogue spells it.
pub type Path = Vec<String>;

/// What to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// `CREATE INDEX CONCURRENTLY`: does this index exist, and is it valid?
    Index {
        /// Its name, in the schema of its table.
        name: String,
        /// Its table.
        table: Path,
        /// Whether it is unique.
        unique: bool,
        /// Its columns, if all of them are plain column names.
        columns: Option<Vec<String>>,
        /// What follows the name of the table: the method, the columns, and all else that it is made of.
        definition: String,
        /// Whether an existing index of this name is enough: `IF NOT EXISTS`.
        tolerant: bool,
    },
    /// `DROP INDEX CONCURRENTLY`: is this index gone?
    IndexGone(Path),
    /// `ALTER TABLE … DETACH PARTITION … CONCURRENTLY`: is this table no longer a partition?
    Detached(Path),
    /// `REINDEX TABLE` or `INDEX`, which leaves a half-built index behind when it is interrupted. It can run again once
    /// that index is gone.
    Rebuilt(Path),
    /// `CREATE DATABASE`, `CREATE TABLESPACE` or `CREATE SUBSCRIPTION`: does this object exist?
    Exists(Object, String),
    /// `DROP` of such an object: is it gone?
    Gone(Object, String),
    /// `PREPARE TRANSACTION`: is there a prepared transaction of this name?
    Prepared(String),
    /// The statement can safely run twice: `VACUUM`, `REINDEX`, `CLUSTER`, `ALTER SYSTEM`.
    Repeatable,
    /// Nothing can be looked up: `CALL`, and every statement that is not understood.
    Unknown,
}

/// A kind of object that belongs to the server, not to a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    /// A database.
    Database,
    /// A tablespace.
    Tablespace,
    /// A subscription, which belongs to one database.
    Subscription,
}

impl Probe {
    /// Returns the probe for this statement of a PostgreSQL script.
    pub fn of(text: &str, statement: &Statement) -> Self {
        let command = &text[statement.command()];
        let tokens = tokens(Dialect::Postgres, command);
        let mut at = Cursor(&tokens);
        let found = match statement.kind {
            StatementKind::CreateIndex => at.index(command),
            StatementKind::DropIndex => at.dropped_index(),
            StatementKind::AlterTable => at.detached(),
            StatementKind::CreateOther if at.take("create") => at.object().map(|(of, name)| Self::Exists(of, name)),
            StatementKind::DropOther if at.take("drop") => at.object().map(|(of, name)| Self::Gone(of, name)),
            StatementKind::AlterOther if at.take("alter") => at.altered(),
            StatementKind::Maintenance => Some(at.rebuilt().unwrap_or(Self::Repeatable)),
            StatementKind::Session => Some(Self::Repeatable),
            StatementKind::Transaction if at.take("prepare") && at.take("transaction") => {
                at.string().filter(|_| at.ended()).map(Self::Prepared)
            }
            _ => None,
        };
        found.unwrap_or(Self::Unknown)
    }
}

/// Reads the tokens of a statement from left to right.
struct Cursor<'a>(&'a [Token]);

impl Cursor<'_> {
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
        // `U&"…"` contains escapes.
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
    fn index(&mut self, command: &str) -> Option<Probe> {
        let _ = self.take("create");
        let unique = self.take("unique");
        if !self.take("index") || !self.take("concurrently") {
            return None;
        }
        let tolerant = self.take("if") && self.take("not") && self.take("exists");
        // An index without a name gets one from the server.
        if self.0.first()?.is("on") {
            return None;
        }
        let name = self.name()?;
        if !self.take("on") {
            return None;
        }
        let _ = self.take("only");
        let table = self.path()?;
        let definition = command[self.0.first()?.start..].to_owned();
        if self.take("using") {
            self.name()?;
        }
        Some(Probe::Index { name, table, unique, columns: self.columns(), definition, tolerant })
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

    fn dropped_index(&mut self) -> Option<Probe> {
        let _ = self.take("drop");
        if !self.take("index") || !self.take("concurrently") {
            return None;
        }
        let _ = self.take("if") && self.take("exists");
        let path = self.path()?;
        let _ = self.take("cascade") || self.take("restrict");
        self.ended().then_some(Probe::IndexGone(path))
    }

    fn detached(&mut self) -> Option<Probe> {
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
        (self.take("concurrently") && self.ended()).then_some(Probe::Detached(partition))
    }

    /// `REINDEX [(…)] TABLE [CONCURRENTLY] name`
    fn rebuilt(&mut self) -> Option<Probe> {
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
        self.path().map(Probe::Rebuilt)
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

    /// An `ALTER` that sets a value, and so can run twice.
    fn altered(&mut self) -> Option<Probe> {
        if self.take("system") {
            return Some(Probe::Repeatable);
        }
        if self.take("database") {
            self.name()?;
            return (self.take("set") && self.take("tablespace")).then_some(Probe::Repeatable);
        }
        if !self.take("subscription") {
            return None;
        }
        self.name()?;
        // ADD and DROP fail the second time.
        let again = self.take("refresh") || (self.take("set") && self.take("publication"));
        again.then_some(Probe::Repeatable)
    }
}
