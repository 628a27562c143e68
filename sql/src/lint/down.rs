//! The rule about down scripts that do not drop every object that their up script creates.

use super::change::{self, Action, Change};
use super::context::Context;
use super::cursor::{Name, key, last_of};
use super::no_effect::has_column;
use super::schema_events::SchemaEvent;
use super::{SqlFile, raise};
use crate::lexer::{Kind, Lexer};
use lockgate_core::Dialect;
use std::collections::{HashMap, HashSet};

/// An object that an up script creates.
struct Created {
    /// The kind of object: `table`, `index`.
    what: &'static str,
    name: Name,
    /// The objects that it is dropped with: its table, its parent table, or its parent index.
    with: Vec<Name>,
    /// The columns of its table that it depends on: dropping any of them drops it.
    columns: Vec<String>,
    /// The objects that it uses: dropping any of them with CASCADE drops it.
    words: Vec<String>,
}

impl Created {
    fn is_with(&self, name: &str) -> bool {
        self.with.iter().any(|with| with.key == name)
    }
}

/// The rule `incomplete-down`.
pub(super) fn check(cx: &mut Context<'_, '_>, (at, up): (usize, &SqlFile<'_>)) {
    // Folders from other tools often have empty down scripts.
    if cx.file.statements.is_empty() && !cx.input.has_lockfile {
        return;
    }
    if raise::says(cx.file.reads_as, cx.file.text, cx.file.statements).is_some() {
        return;
    }
    let made = made(cx, at, up);
    if made.is_empty() {
        return;
    }
    let mentioned = mentioned(cx);
    // Dropping a schema drops everything in it, and DROP OWNED drops everything that a role owns.
    let all_gone =
        cx.changes.iter().flatten().any(|change| matches!(change, Change::Drop { what: "schema" | "owned", .. }));
    let (mut gone, mut cascading) = (HashSet::new(), HashSet::new());
    // The name that each renamed table had before this script. Dropping it under the new name drops the old one.
    let mut old_names: HashMap<&str, &str> = HashMap::new();
    for change in cx.changes.iter().flatten() {
        match change {
            Change::Drop { names, cascade, .. } => {
                for name in names.iter().map(|name| name.key.as_str()) {
                    let names = [Some(name), old_names.get(name).copied()].into_iter().flatten();
                    gone.extend(names.clone());
                    cascading.extend(names.filter(|_| *cascade));
                }
            }
            Change::AlterTable { table, actions } => {
                for (_, action) in actions {
                    if let Action::RenameTable(to) = action {
                        let first = old_names.remove(table.key.as_str()).unwrap_or(&table.key);
                        old_names.insert(&to.key, first);
                    }
                }
            }
            _ => {}
        }
    }
    let is_gone = |made: &Created, gone: &HashSet<&str>| {
        mentioned.contains(last_of(&made.name.key))
            || made.with.iter().any(|with| gone.contains(with.key.as_str()))
            || made.words.iter().any(|word| cascading.contains(word.as_str()))
            || drops_column(cx, made)
    };
    // An index is dropped with its partition, and the partition with its table.
    loop {
        let known = gone.len();
        let more: Vec<&str> =
            made.iter().filter(|made| is_gone(made, &gone)).map(|made| made.name.key.as_str()).collect();
        gone.extend(more);
        if gone.len() == known {
            break;
        }
    }
    let left: Vec<&Created> = made.iter().filter(|made| !is_gone(made, &gone)).collect();
    let Some(first) = left.first().filter(|_| !all_gone) else { return };
    const SHOWN_MAX: usize = 3;
    let mut names: Vec<String> = left.iter().take(SHOWN_MAX).map(|made| shown(made)).collect();
    if left.len() > SHOWN_MAX {
        names.push(format!("{} more", left.len() - SHOWN_MAX));
    }
    let last = names.pop().unwrap_or_default();
    let names = if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) };
    let it = if left.len() == 1 { "it" } else { "them" };
    let file = up.path.rsplit('/').next().unwrap_or(up.path);
    let message = format!("`{file}` creates {names}, but this script does not mention {it}");
    let (name, table) = (&first.name.written, first.with.first().map(|with| &with.written));
    let help = match (first.what, table) {
        ("column", Some(table)) => format!("add `ALTER TABLE {table} DROP COLUMN {name}`"),
        ("trigger", Some(table)) if cx.file.reads_as == Dialect::Postgres => {
            format!("add `DROP TRIGGER {name} ON {table}`")
        }
        // An index is in the schema of its table.
        ("index", Some(table)) if cx.file.reads_as == Dialect::Mysql => {
            format!("add `DROP INDEX {name} ON {table}`")
        }
        ("index", Some(table)) if cx.file.reads_as == Dialect::Postgres => {
            format!("add `DROP INDEX {}`", table.beside(name))
        }
        (what, _) => format!("add `DROP {} {name}`", what.to_uppercase()),
    };
    let range = cx.file.statements.first().map_or(0..0, |statement| statement.range.clone());
    cx.report("incomplete-down", range, message, vec![help]);
}

fn shown(made: &Created) -> String {
    match (made.what, made.with.first()) {
        ("column", Some(table)) => format!("the column `{}` of `{}`", made.name.written, table.written),
        (what, _) => format!("the {what} `{}`", made.name.written),
    }
}

/// Whether the script drops a column that the object depends on.
fn drops_column(cx: &Context<'_, '_>, made: &Created) -> bool {
    cx.changes.iter().flatten().any(|change| match change {
        Change::AlterTable { table, actions } if made.is_with(&table.key) => actions.iter().any(
            |(_, action)| matches!(action, Action::DropColumn { column, .. } if made.columns.contains(&column.key)),
        ),
        _ => false,
    })
}

/// The objects that a script has created so far.
#[derive(Default)]
struct CreatedSoFar {
    made: Vec<Created>,
    /// The names of objects that existed before the script.
    before: HashSet<String>,
}

impl CreatedSoFar {
    /// Adds an object, unless its name existed before the script.
    fn add(&mut self, what: &'static str, name: &Name, with: Option<&Name>) -> Option<&mut Created> {
        if self.before.contains(&name.key) {
            return None;
        }
        let with = with.into_iter().cloned().collect();
        self.made.push(Created { what, name: name.clone(), with, columns: Vec::new(), words: Vec::new() });
        self.made.last_mut()
    }

    fn is_made(&self, name: &str) -> bool {
        self.made.iter().any(|made| made.name.key == name)
    }

    fn drop(&mut self, name: &Name) {
        if !self.is_made(&name.key) {
            self.before.insert(name.key.clone());
        }
        self.made.retain(|made| made.name.key != name.key && !made.is_with(&name.key));
    }

    fn rename(&mut self, from: &Name, to: &Name) {
        if !self.is_made(&from.key) {
            self.before.insert(from.key.clone());
        }
        for thing in &mut self.made {
            for with in thing.with.iter_mut().filter(|with| with.key == from.key) {
                with.key.clone_from(&to.key);
                with.written = with.written.beside(&to.written);
            }
            if thing.name.key == from.key {
                thing.name.key.clone_from(&to.key);
                thing.name.written = thing.name.written.beside(&to.written);
            }
        }
        let before = &self.before;
        self.made.retain(|made| !before.contains(&made.name.key));
    }

    fn attach(&mut self, name: &Name, to: &Name, column: Option<Name>) {
        for made in self.made.iter_mut().filter(|made| made.name.key == name.key) {
            made.with.push(to.clone());
            made.columns.extend(column.as_ref().map(|column| column.key.clone()));
        }
    }
}

/// Returns the objects that exist after the up script but not before it.
fn made(cx: &Context<'_, '_>, at: usize, up: &SqlFile<'_>) -> Vec<Created> {
    let mut so_far = CreatedSoFar::default();
    for (index, statement) in up.statements.iter().enumerate() {
        let tokens = change::tokens_of(up.reads_as, up.text, statement);
        match change::read(up.text, &tokens) {
            Some(Change::CreateTable(table)) if !table.temporary => {
                let was_there = table.tolerant && is_there(cx, at, &table.name.key);
                if !was_there {
                    so_far.add("table", &table.name, table.parent.as_ref());
                }
            }
            Some(Change::Create { what, name, on, column, replaces: false, words, .. }) if what != "schema" => {
                if let Some(made) = so_far.add(what, &name, on.as_ref()) {
                    made.columns.extend(column.map(|column| column.key));
                    made.words = words;
                }
            }
            Some(Change::CreateIndex(index)) => {
                if let Some(name) = index.name.as_ref().filter(|name| !has_index(cx, at, &name.key))
                    && let Some(made) = so_far.add("index", name, Some(&index.table))
                {
                    made.columns = index.names;
                }
            }
            Some(Change::Drop { names, .. }) => names.iter().for_each(|name| so_far.drop(name)),
            Some(Change::Rename { name, to, .. }) => so_far.rename(&name, &to),
            Some(Change::Attach { name, to, column }) => so_far.attach(&name, &to, column),
            Some(Change::AlterTable { table, actions }) => {
                for (_, action) in actions {
                    match action {
                        Action::AddColumn(column) if !has_column(&table, &column, (at, index), cx.events) => {
                            if let Some(made) = so_far.add("column", &column.name, Some(&table)) {
                                made.words.push(column.kind.rsplit('.').next().unwrap_or_default().to_owned());
                            }
                        }
                        Action::DropColumn { column, .. } => {
                            so_far.made.retain(|made| made.name.key != column.key || !made.is_with(&table.key));
                            so_far.before.insert(column.key);
                        }
                        Action::RenameTable(to) => so_far.rename(&table, &to),
                        Action::Attach(part) => so_far.attach(&part, &table, None),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    // Dropping a new table also drops what belongs to it.
    let tables: HashSet<String> =
        so_far.made.iter().filter(|made| made.what == "table").map(|made| made.name.key.clone()).collect();
    so_far.made.retain(|made| !made.with.iter().any(|with| tables.contains(&with.key)));
    so_far.made
}

/// Whether the table exists before the script, as earlier scripts say.
fn is_there(cx: &Context<'_, '_>, at: usize, wanted: &str) -> bool {
    let found = cx.events.earlier((at, 0), wanted, |event, _| match event {
        SchemaEvent::TableCreated { table, .. } if table == wanted => Some(true),
        SchemaEvent::TableDropped { table } if table == wanted => Some(false),
        SchemaEvent::TableRenamed { from, to } if to == wanted || from == wanted => Some(to == wanted),
        _ => None,
    });
    found == Some(true)
}

/// Whether the index exists before the script, as earlier scripts say. An index that is created again after a rebuild
/// is not new.
fn has_index(cx: &Context<'_, '_>, at: usize, wanted: &str) -> bool {
    let found = cx.events.earlier((at, 0), wanted, |event, _| match event {
        SchemaEvent::IndexCreated { name, .. } if name == wanted => Some(true),
        SchemaEvent::IndexGone { name } if name == wanted => Some(false),
        _ => None,
    });
    found == Some(true)
}

/// Returns every name in the script, and every word in its strings: a function body may drop objects too.
fn mentioned(cx: &Context<'_, '_>) -> HashSet<String> {
    let mut mentioned = HashSet::new();
    let mut lexer = Lexer::new(cx.file.reads_as, cx.file.text, 0);
    let mut words = Words::default();
    loop {
        let token = lexer.next();
        let text = &cx.file.text[token.start..token.end];
        match token.kind {
            Kind::End => return mentioned,
            Kind::Terminator => words = Words::default(),
            Kind::Word => {
                let word = key(text);
                if !words.is_keyword(&word) {
                    mentioned.insert(word.clone());
                }
                words.add(word);
            }
            Kind::Name => {
                mentioned.insert(key(text));
                words.add(String::new());
            }
            Kind::Text => {
                let parts = text.split(|c: char| !c.is_alphanumeric() && c != '_');
                mentioned.extend(parts.map(str::to_lowercase));
                words.add(String::new());
            }
            _ => words.add(String::new()),
        }
    }
}

/// The words that were read of a statement. Every token that is not a word counts as an empty one.
#[derive(Default)]
struct Words {
    seen: Vec<String>,
    part: Part,
}

/// The part of a statement that is being read, as in `DROP MATERIALIZED VIEW IF EXISTS name`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    /// Nothing is read yet.
    #[default]
    Start,
    /// After its verb.
    Verb,
    /// After the kind of object.
    Kind,
    /// At the name or after it.
    Name,
}

impl Words {
    /// Whether the next word is a keyword and not a name. Tables and columns may be called like keywords, but
    /// `COMMENT ON TABLE a` mentions neither a table `comment` nor a table `table`.
    fn is_keyword(&self, word: &str) -> bool {
        let before = |back: usize| self.seen.len().checked_sub(back).map_or("", |at| self.seen[at].as_str());
        // A reserved word is a name only in quotes.
        RESERVED.contains(&word)
            || self.after(word) != Part::Name
            || (self.part == Part::Start)
            || PAIRS.contains(&(before(1), word))
            // In `ALTER COLUMN a TYPE b`, neither `TYPE` nor the word after it is the name of an object.
            || (word == "type" && (before(2) == "column" || (before(2) == "alter" && before(1) != "column")))
            || (before(1) == "type" && (before(3) == "column" || before(3) == "alter" || before(2) == "data"))
            || (word == "language" && self.makes_a_function())
    }

    fn makes_a_function(&self) -> bool {
        self.seen.iter().take(4).any(|word| matches!(word.as_str(), "function" | "procedure" | "do" | "transform"))
    }

    /// The part of the statement that comes after this word.
    fn after(&self, word: &str) -> Part {
        match self.part {
            Part::Start if VERBS.contains(&word) => Part::Verb,
            Part::Verb if MODIFIERS.contains(&word) => Part::Verb,
            Part::Verb if KINDS.contains(&word) => Part::Kind,
            Part::Kind if ["concurrently", "exists", "if", "mapping", "not", "only"].contains(&word) => Part::Kind,
            Part::Start | Part::Verb | Part::Kind | Part::Name => Part::Name,
        }
    }

    fn add(&mut self, word: String) {
        self.part = self.after(&word);
        self.seen.push(word);
    }
}

/// The first words of statements whose next words name an object.
const VERBS: [&str; 7] = ["alter", "comment", "create", "drop", "refresh", "reindex", "security"];

/// The words that may stand between the verb and the kind of object.
const MODIFIERS: [&str; 17] = [
    "access",
    "constraint",
    "data",
    "event",
    "foreign",
    "label",
    "local",
    "materialized",
    "on",
    "or",
    "procedural",
    "recursive",
    "replace",
    "temp",
    "temporary",
    "text",
    "unique",
];

/// The kinds of objects.
const KINDS: [&str; 27] = [
    "aggregate",
    "collation",
    "column",
    "conversion",
    "database",
    "domain",
    "extension",
    "function",
    "index",
    "language",
    "operator",
    "policy",
    "procedure",
    "publication",
    "role",
    "routine",
    "rule",
    "schema",
    "sequence",
    "server",
    "statistics",
    "subscription",
    "table",
    "trigger",
    "type",
    "user",
    "view",
];

/// Pairs of words of which the second is never a name.
const PAIRS: [(&str, &str); 20] = [
    ("add", "column"),
    ("data", "type"),
    ("disable", "trigger"),
    ("drop", "column"),
    ("drop", "default"),
    ("each", "row"),
    ("enable", "trigger"),
    ("execute", "function"),
    ("execute", "procedure"),
    ("foreign", "key"),
    ("no", "action"),
    ("no", "data"),
    ("primary", "key"),
    ("rename", "column"),
    ("set", "data"),
    ("set", "role"),
    ("set", "schema"),
    ("using", "index"),
    ("with", "data"),
    ("alter", "column"),
];

/// The words that no database accepts as a name without quotes.
const RESERVED: [&str; 33] = [
    "and",
    "as",
    "case",
    "check",
    "collate",
    "constraint",
    "create",
    "default",
    "distinct",
    "else",
    "except",
    "foreign",
    "from",
    "group",
    "having",
    "in",
    "into",
    "limit",
    "not",
    "null",
    "on",
    "or",
    "order",
    "primary",
    "references",
    "select",
    "table",
    "then",
    "to",
    "union",
    "unique",
    "using",
    "when",
];
