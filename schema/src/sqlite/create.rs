//! Parses `CREATE` statements for what no pragma of SQLite returns.

use super::layout::{self, Layout};
use super::string::{self, Names};
use super::token::{Token, tokens};
use crate::model::{Constraint, ConstraintKind, Detail, Generated, Generation, Name, References};

/// The columns and constraints of a `CREATE TABLE`.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) constraints: Vec<Constraint>,
}

/// What a `CREATE TABLE` says about a column and no pragma returns.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) collation: Option<String>,
    pub(super) generated: Option<Generated>,
    pub(super) options: Vec<Detail>,
}

/// The contents of a `CREATE INDEX`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) unique: bool,
    pub(super) definition: String,
    pub(super) keys: Vec<String>,
}

/// Parses the `CREATE TABLE` of a table with these columns.
pub(super) fn table(sql: &str, columns: &[&str]) -> Result<Table, String> {
    let tokens = tokens(sql)?;
    let mut cursor = Cursor { rest: &tokens, columns, table: String::new() };
    cursor.table = cursor.head("TABLE")?;
    cursor.sign("(")?;
    let mut table = Table::default();
    // SQLite does not require a comma before a table constraint.
    while !cursor.take_sign(")") {
        if cursor.at_constraint() {
            cursor.table_constraint(&mut table)?;
        } else {
            cursor.column(&mut table)?;
        }
        cursor.take_sign(",");
    }
    Ok(table)
}

/// Parses a `CREATE INDEX` on a table with these columns.
pub(super) fn index(sql: &str, columns: &[&str]) -> Result<Index, String> {
    let tokens = tokens(sql)?;
    let mut cursor = Cursor { rest: &tokens, columns, table: String::new() };
    cursor.word("CREATE")?;
    let unique = cursor.take("UNIQUE");
    cursor.word("INDEX")?;
    cursor.qualified_name()?;
    cursor.word("ON")?;
    cursor.table = cursor.name()?;
    let keys = cursor.list()?;
    let condition = match cursor.rest {
        [] => String::new(),
        rest => format!(" {}", cursor.expression(rest)),
    };
    Ok(Index { unique, definition: format!("({}){condition}", keys.join(", ")), keys })
}

/// Returns the query of a `CREATE VIEW`, with the names of its columns if the statement lists them.
pub(super) fn view(sql: &str, names: &Names) -> Result<String, String> {
    let tokens = tokens(sql)?;
    let mut cursor = Cursor { rest: &tokens, columns: &[], table: String::new() };
    cursor.head("VIEW")?;
    let columns = match cursor.next_is_sign("(") {
        true => format!("({}) AS\n", cursor.list()?.join(", ")),
        false => String::new(),
    };
    cursor.word("AS")?;
    Ok(columns + &cursor.write(&names.with_strings(cursor.rest), Layout::Query))
}

/// Returns when a trigger runs and what it does.
pub(super) fn trigger(sql: &str, names: &Names) -> Result<String, String> {
    let tokens = tokens(sql)?;
    let mut cursor = Cursor { rest: &tokens, columns: &[], table: String::new() };
    cursor.head("TRIGGER")?;
    let says_when = ["BEFORE", "AFTER", "INSTEAD"].iter().any(|word| cursor.next_is(word));
    let mut definition = if says_when { Vec::new() } else { vec![Token::Word("BEFORE".to_owned())] };
    while let Some((token, rest)) = cursor.rest.split_first() {
        // All triggers of SQLite are FOR EACH ROW.
        if token.is("FOR") && cursor.take("FOR") {
            cursor.word("EACH")?;
            cursor.word("ROW")?;
            continue;
        }
        if token.is("BEGIN") {
            definition.extend_from_slice(cursor.rest);
            break;
        }
        definition.push(token.clone());
        cursor.rest = rest;
    }
    Ok(layout::write(&names.with_strings(&definition), &[], Layout::Body))
}

/// Returns the module of a `CREATE VIRTUAL TABLE` with its arguments, whose syntax depends on the module.
pub(super) fn module(sql: &str) -> Result<String, String> {
    let tokens = tokens(sql)?;
    let mut cursor = Cursor { rest: &tokens, columns: &[], table: String::new() };
    cursor.word("CREATE")?;
    cursor.word("VIRTUAL")?;
    cursor.word("TABLE")?;
    if cursor.take("IF") {
        cursor.word("NOT")?;
        cursor.word("EXISTS")?;
    }
    cursor.qualified_name()?;
    cursor.word("USING")?;
    let module = cursor.name()?.to_ascii_lowercase();
    // A word means what the module takes it for: it stays as it is.
    let verbatim = |token: &Token| match token {
        Token::Word(word) => Token::Literal(word.clone()),
        Token::Quoted(_) | Token::Literal(_) | Token::Sign(_) => token.clone(),
    };
    let arguments: Vec<Token> = cursor.rest.iter().map(verbatim).collect();
    Ok(format!("{module}{}", cursor.write(&arguments, Layout::Line)))
}

/// Adds the names that a view or a trigger gives to something.
pub(super) fn add_aliases(sql: &str, names: &mut Names) {
    names.add_aliases(&tokens(sql).unwrap_or_default());
}

/// Writes a list of names in brackets.
pub(super) fn name_list(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| layout::name(name)).collect();
    format!("({})", names.join(", "))
}

/// Writes a name, in quotes if it needs them.
pub(super) fn name(name: &str) -> String {
    layout::name(name)
}

/// Normalizes a default.
pub(super) fn default(text: &str) -> Result<String, String> {
    Ok(layout::write(&string::of_default(&tokens(text)?), &[], Layout::Line))
}

/// Normalizes the type of a column.
pub(super) fn data_type(text: &str) -> Result<String, String> {
    Ok(layout::data_type(&tokens(text)?))
}

/// The rest of a statement.
struct Cursor<'a> {
    rest: &'a [Token],
    columns: &'a [&'a str],
    /// The name of the table.
    table: String,
}

impl<'a> Cursor<'a> {
    /// Moves past `CREATE TEMP TABLE IF NOT EXISTS main.name`, and returns the name.
    fn head(&mut self, what: &str) -> Result<String, String> {
        self.word("CREATE")?;
        let _ = self.take("TEMP") || self.take("TEMPORARY");
        self.word(what)?;
        if self.next_is("IF") && self.rest.get(1).is_some_and(|token| token.is("NOT")) {
            self.take("IF");
            self.word("NOT")?;
            self.word("EXISTS")?;
        }
        self.qualified_name()
    }

    fn qualified_name(&mut self) -> Result<String, String> {
        let name = self.name()?;
        if self.take_sign(".") { self.name() } else { Ok(name) }
    }

    fn next_is(&self, word: &str) -> bool {
        self.rest.first().is_some_and(|token| token.is(word))
    }

    fn next_is_sign(&self, sign: &str) -> bool {
        self.rest.first().is_some_and(|token| token.is_sign(sign))
    }

    fn take(&mut self, word: &str) -> bool {
        let is_next = self.next_is(word);
        if is_next {
            self.rest = &self.rest[1..];
        }
        is_next
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let is_next = self.next_is_sign(sign);
        if is_next {
            self.rest = &self.rest[1..];
        }
        is_next
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        if self.take(word) { Ok(()) } else { Err(self.instead_of(word)) }
    }

    fn sign(&mut self, sign: &str) -> Result<(), String> {
        if self.take_sign(sign) { Ok(()) } else { Err(self.instead_of(sign)) }
    }

    fn instead_of(&self, expected: &str) -> String {
        match self.rest {
            [] => format!("its text ends where `{expected}` should stand"),
            rest => format!("`{}` where `{expected}` should stand", self.write(&rest[..1], Layout::Line)),
        }
    }

    fn name(&mut self) -> Result<String, String> {
        let name = self.rest.first().and_then(Token::name).ok_or_else(|| self.instead_of("a name"))?;
        self.rest = &self.rest[1..];
        Ok(name)
    }

    fn write(&self, tokens: &[Token], layout: Layout) -> String {
        layout::write(tokens, self.columns, layout)
    }

    /// Writes an expression of the table.
    fn expression(&self, tokens: &[Token]) -> String {
        self.write(&string::of_table(tokens, &self.table, self.columns), Layout::Line)
    }

    /// Returns the contents of the brackets that open here.
    fn brackets(&mut self) -> Result<&'a [Token], String> {
        self.sign("(")?;
        let inside = self.rest;
        let mut depth = 1;
        while let Some((token, rest)) = self.rest.split_first() {
            depth += usize::from(token.is_sign("("));
            depth -= usize::from(token.is_sign(")"));
            if depth == 0 {
                let length = inside.len() - self.rest.len();
                self.rest = rest;
                return Ok(&inside[..length]);
            }
            self.rest = rest;
        }
        Err(self.instead_of(")"))
    }

    /// Returns the parts of a list in brackets. `ASC` is left out, as it is the default.
    fn list(&mut self) -> Result<Vec<String>, String> {
        let inside = self.brackets()?;
        let mut depth = 0_usize;
        let parts = inside.split(|token| {
            depth += usize::from(token.is_sign("("));
            depth -= usize::from(token.is_sign(")"));
            depth == 0 && token.is_sign(",")
        });
        let write = |part: &[Token]| {
            let part = match part.split_last() {
                Some((last, before)) if last.is("ASC") && !before.is_empty() => before,
                _ => part,
            };
            // SQLite accepts a string as a name in a list.
            match part {
                [one] => one.name().map_or_else(|| self.write(part, Layout::Line), |name| self.column_name(&name)),
                [Token::Quoted(_), rest @ ..] if !rest[0].is_sign(".") => self.write(part, Layout::Line),
                _ => self.expression(part),
            }
        };
        Ok(parts.map(write).collect())
    }

    /// Returns the name of a column as the table writes it, in quotes if it needs them.
    fn column_name(&self, name: &str) -> String {
        let own = self.columns.iter().find(|column| column.eq_ignore_ascii_case(name));
        layout::name(own.copied().unwrap_or(name))
    }

    fn at_constraint(&self) -> bool {
        ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"].iter().any(|word| self.next_is(word))
    }

    fn table_constraint(&mut self, table: &mut Table) -> Result<(), String> {
        let mut name = None;
        while self.take("CONSTRAINT") {
            name = Some(self.name()?);
        }
        if self.take("PRIMARY") {
            self.word("KEY")?;
            let inside = self.rest;
            let mut columns = self.list()?;
            // `PRIMARY KEY (id AUTOINCREMENT)` means `id … PRIMARY KEY AUTOINCREMENT`.
            let counts = inside[..inside.len() - self.rest.len()].iter().any(|token| token.is("AUTOINCREMENT"));
            for column in columns.iter_mut().filter(|_| counts) {
                *column = column.trim_end_matches(" AUTOINCREMENT").trim_end_matches(" ASC").to_owned();
            }
            let counts = if counts { " AUTOINCREMENT" } else { "" };
            let definition = format!("PRIMARY KEY ({}){}{counts}", columns.join(", "), self.on_conflict()?);
            table.constraints.push(keyed(name, ConstraintKind::PrimaryKey, definition, &columns));
        } else if self.take("UNIQUE") {
            let columns = self.list()?;
            let definition = format!("UNIQUE ({}){}", columns.join(", "), self.on_conflict()?);
            table.constraints.push(keyed(name, ConstraintKind::Unique, definition, &columns));
        } else if self.take("CHECK") {
            table.constraints.push(self.check(name)?);
        } else if self.take("FOREIGN") {
            self.word("KEY")?;
            let columns = self.list()?;
            self.word("REFERENCES")?;
            table.constraints.push(self.foreign_key(name, columns)?);
        } else if name.is_none() {
            return Err(self.instead_of("a constraint"));
        }
        Ok(())
    }

    fn check(&mut self, name: Option<String>) -> Result<Constraint, String> {
        let inside = self.brackets()?;
        let definition = format!("CHECK ({})", self.expression(inside));
        // SQLite accepts ON CONFLICT after a check and ignores it.
        self.on_conflict()?;
        let names = inside.iter().filter_map(Token::name);
        let own = |name: &String| self.columns.iter().position(|column| column.eq_ignore_ascii_case(name));
        let mut columns: Vec<usize> = names.filter_map(|name| own(&name)).collect();
        columns.sort_unstable();
        columns.dedup();
        let columns = columns.into_iter().map(|index| self.columns[index].to_owned()).collect();
        Ok(Constraint { name, kind: ConstraintKind::Check, definition, columns, references: None, ..empty() })
    }

    /// Returns a clause such as ` ON CONFLICT REPLACE`, unless it is the default.
    fn on_conflict(&mut self) -> Result<String, String> {
        if !self.take("ON") {
            return Ok(String::new());
        }
        self.word("CONFLICT")?;
        let what = self.name()?.to_ascii_uppercase();
        Ok(if what == "ABORT" { String::new() } else { format!(" ON CONFLICT {what}") })
    }

    /// Parses what follows `REFERENCES`. The definition is completed once all tables are known.
    fn foreign_key(&mut self, name: Option<String>, columns: Vec<String>) -> Result<Constraint, String> {
        let table = self.name()?;
        let to = if self.next_is_sign("(") { self.list()? } else { Vec::new() };
        let (mut on_delete, mut on_update) = (String::new(), String::new());
        let mut deferred = "";
        loop {
            if self.take("ON") {
                let deletes = self.take("DELETE");
                if !deletes {
                    self.word("UPDATE")?;
                }
                let mut action = self.name()?.to_ascii_uppercase();
                if action == "SET" || action == "NO" {
                    action = format!("{action} {}", self.name()?.to_ascii_uppercase());
                }
                let action = if action == "NO ACTION" { String::new() } else { action };
                *(if deletes { &mut on_delete } else { &mut on_update }) = action;
            } else if self.take("MATCH") {
                // SQLite accepts every MATCH and always acts as for `SIMPLE`.
                self.name()?;
            } else if self.next_is("DEFERRABLE")
                || self.next_is("NOT") && self.rest.get(1).is_some_and(|token| token.is("DEFERRABLE"))
            {
                let never = self.take("NOT");
                self.word("DEFERRABLE")?;
                let initially = self.take("INITIALLY");
                // All other forms mean that the key is checked immediately.
                let later = initially && self.name()?.eq_ignore_ascii_case("DEFERRED");
                deferred = if later && !never { " DEFERRABLE INITIALLY DEFERRED" } else { "" };
            } else {
                break;
            }
        }
        let mut rest = String::new();
        for (words, what) in [(" ON DELETE ", on_delete), (" ON UPDATE ", on_update)] {
            if !what.is_empty() {
                rest.push_str(&format!("{words}{what}"));
            }
        }
        rest.push_str(deferred);
        let references = Some(References { table: Name::plain(table), columns: names(&to) });
        let columns = names(&columns);
        Ok(Constraint { name, kind: ConstraintKind::ForeignKey, definition: rest, columns, references, ..empty() })
    }

    fn column(&mut self, table: &mut Table) -> Result<(), String> {
        let name = self.name()?;
        let own = self.column_name(&name);
        let mut column = Column { name, collation: None, generated: None, options: Vec::new() };
        let type_begins = self.rest;
        self.skip_type()?;
        let is_integer = type_begins.len() - self.rest.len() == 1
            && type_begins[0].name().is_some_and(|word| word.eq_ignore_ascii_case("INTEGER"));
        let mut constraint = None;
        loop {
            if self.take("CONSTRAINT") {
                constraint = Some(self.name()?);
                continue;
            }
            let named = constraint.take();
            if self.take("PRIMARY") {
                self.word("KEY")?;
                let down = self.take("DESC");
                self.take("ASC");
                let conflict = self.on_conflict()?;
                let counts = if self.take("AUTOINCREMENT") { " AUTOINCREMENT" } else { "" };
                let down = if down { " DESC" } else { "" };
                // A quirk that SQLite keeps for old files: with `DESC` on the column the key is not the rowid.
                let beside = if is_integer && !down.is_empty() { " BESIDE THE ROWID" } else { "" };
                let definition = format!("PRIMARY KEY ({own}{down}){conflict}{counts}{beside}");
                table.constraints.push(keyed(
                    named,
                    ConstraintKind::PrimaryKey,
                    definition,
                    std::slice::from_ref(&own),
                ));
            } else if self.take("NOT") {
                self.word("NULL")?;
                let conflict = self.on_conflict()?;
                if let Some(what) = conflict.strip_prefix(" ON CONFLICT ") {
                    column.options.push(Detail { name: "NULL on conflict".to_owned(), value: what.to_owned() });
                }
            } else if self.take("NULL") {
                self.on_conflict()?;
            } else if self.take("UNIQUE") {
                let definition = format!("UNIQUE ({own}){}", self.on_conflict()?);
                table.constraints.push(keyed(named, ConstraintKind::Unique, definition, std::slice::from_ref(&own)));
            } else if self.take("CHECK") {
                table.constraints.push(self.check(named)?);
            } else if self.take("DEFAULT") {
                self.skip_default()?;
            } else if self.take("COLLATE") {
                let collation = self.name()?.to_ascii_uppercase();
                column.collation = (collation != "BINARY").then_some(collation);
            } else if self.take("REFERENCES") {
                table.constraints.push(self.foreign_key(named, vec![own.clone()])?);
            } else if self.take("AS") {
                column.generated = Some(self.generated()?);
            } else if self.take("GENERATED") {
                self.word("ALWAYS")?;
                self.word("AS")?;
                column.generated = Some(self.generated()?);
            } else {
                break;
            }
        }
        if !(self.next_is_sign(",") || self.next_is_sign(")")) {
            return Err(self.instead_of("a constraint of a column"));
        }
        table.columns.push(column);
        Ok(())
    }

    /// Skips the type, which the pragma returns.
    fn skip_type(&mut self) -> Result<(), String> {
        const ENDS: [&str; 11] = [
            "CONSTRAINT",
            "PRIMARY",
            "NOT",
            "NULL",
            "UNIQUE",
            "CHECK",
            "DEFAULT",
            "COLLATE",
            "REFERENCES",
            "AS",
            "GENERATED",
        ];
        while !ENDS.iter().any(|end| self.next_is(end)) && self.rest.first().and_then(Token::name).is_some() {
            self.rest = &self.rest[1..];
        }
        if self.next_is_sign("(") {
            self.brackets()?;
        }
        Ok(())
    }

    /// Skips the default, which the pragma returns.
    fn skip_default(&mut self) -> Result<(), String> {
        if self.next_is_sign("(") {
            self.brackets()?;
            return Ok(());
        }
        let _ = self.take_sign("-") || self.take_sign("+");
        match self.rest.split_first() {
            Some((Token::Word(_) | Token::Quoted(_) | Token::Literal(_), rest)) => {
                self.rest = rest;
                Ok(())
            }
            Some((Token::Sign(_), _)) | None => Err(self.instead_of("a default")),
        }
    }

    fn generated(&mut self) -> Result<Generated, String> {
        let inside = self.brackets()?;
        let expression = self.expression(inside);
        let generation = match self.take("STORED") {
            true => Generation::Stored,
            false => {
                self.take("VIRTUAL");
                Generation::Virtual
            }
        };
        Ok(Generated { generation, expression })
    }
}

fn empty() -> Constraint {
    Constraint {
        name: None,
        kind: ConstraintKind::Check,
        definition: String::new(),
        columns: Vec::new(),
        references: None,
        inherited: false,
        comment: None,
    }
}

/// Creates a constraint on these columns, which may have a collation and an order.
fn keyed(name: Option<String>, kind: ConstraintKind, definition: String, columns: &[String]) -> Constraint {
    Constraint { name, kind, definition, columns: names(columns), ..empty() }
}

/// Returns the names of columns that this module has written.
fn names(columns: &[String]) -> Vec<String> {
    let name = |column: &String| tokens(column).ok()?.first()?.name();
    columns.iter().filter_map(name).collect()
}
