//! Reads what a statement changes in a schema from its tokens, as far as the rules need it. A statement that
//! is not understood counts as no change, and no rule reports it.

use std::ops::Range;

use lockgate_core::{Dialect, Statement, StatementKind};

use super::cursor::{Cursor, Name, TEMPORARY, key, tokens};
use crate::lexer::{Kind, Token};

/// A statement that changes something by name.
#[derive(Clone, Debug)]
pub(super) enum Change<'a> {
    CreateTable(Table<'a>),
    /// Another object with a name. `on` is the table that it, or its column, belongs to.
    Create {
        what: &'static str,
        name: Name,
        on: Option<Name>,
        column: Option<Name>,
        replaces: bool,
        /// `IF NOT EXISTS`
        tolerant: bool,
        /// Every name and word in its definition.
        words: Vec<String>,
        /// The tables that `CREATE SCHEMA` creates in the schema.
        tables: Vec<Table<'a>>,
    },
    /// An object other than a table is renamed.
    Rename {
        what: &'static str,
        name: Name,
        to: Name,
    },
    RenameViewColumn {
        of: Name,
        column: Name,
    },
    /// `ALTER TYPE … RENAME VALUE`
    RenameValue {
        of: Name,
        value: String,
    },
    /// `ALTER TYPE … ALTER ATTRIBUTE … CASCADE`, which also changes the tables of the type.
    AlterAttribute {
        of: Name,
        attribute: Name,
    },
    /// A constraint is added to a domain: one in a clause, or `SET NOT NULL`.
    AlterDomain {
        name: Name,
        constraint: Option<Constraint<'a>>,
    },
    RenameSchema {
        name: Name,
        to: Name,
    },
    /// `ALTER SEQUENCE … OWNED BY table.column`, and `ALTER INDEX … ATTACH PARTITION …`
    Attach {
        name: Name,
        to: Name,
        column: Option<Name>,
    },
    CreateIndex(Index),
    Drop {
        what: &'static str,
        names: Vec<Name>,
        concurrently: bool,
        cascade: bool,
        /// `IF EXISTS`
        tolerant: bool,
    },
    AlterTable {
        table: Name,
        actions: Vec<(Range<usize>, Action<'a>)>,
    },
    AddValue {
        of: Name,
        value: String,
        /// `IF NOT EXISTS`
        tolerant: bool,
    },
    /// `TRUNCATE`, and `DELETE` without `WHERE`.
    Empty {
        verb: &'static str,
        tables: Vec<Name>,
        cascade: bool,
    },
    /// `REFRESH MATERIALIZED VIEW` without CONCURRENTLY that fills the view.
    Refresh {
        view: Name,
    },
    /// `INSERT INTO … SELECT … FROM …`
    Copy {
        to: Name,
        from: Vec<String>,
    },
    /// `VACUUM FULL` and `CLUSTER`
    Rewrite {
        verb: &'static str,
        table: Option<Name>,
    },
    /// `REINDEX` without CONCURRENTLY. PostgreSQL 16 needs no name for the database.
    Reindex {
        what: &'static str,
        name: Name,
    },
    /// `SET TIME ZONE`, and whether the zone is one without an offset.
    TimeZone {
        is_utc: bool,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Table<'a> {
    pub(super) name: Name,
    pub(super) temporary: bool,
    /// `IF NOT EXISTS`
    pub(super) tolerant: bool,
    pub(super) partitioned: bool,
    /// The table that it is a partition of.
    pub(super) parent: Option<Name>,
    pub(super) columns: Vec<Column<'a>>,
    /// The tables of the query that fills it.
    pub(super) from: Vec<String>,
    /// The contents of its parentheses.
    pub(super) body: Option<Cursor<'a>>,
}

#[derive(Clone, Debug)]
pub(super) struct Index {
    pub(super) name: Option<Name>,
    pub(super) table: Name,
    pub(super) concurrently: bool,
    /// `ON ONLY`
    pub(super) only: bool,
    /// `IF NOT EXISTS`
    pub(super) tolerant: bool,
    /// The place after the word INDEX.
    pub(super) after_word: usize,
    /// The names within its parentheses and its condition.
    pub(super) names: Vec<String>,
    /// The columns that are indexed directly.
    pub(super) columns: Vec<Name>,
    /// Their keys.
    pub(super) plain: Vec<String>,
    /// Those of them in an expression or in the condition.
    pub(super) computed: Vec<String>,
}

/// The definition of a column.
#[derive(Clone, Debug)]
pub(super) struct Column<'a> {
    pub(super) name: Name,
    /// `IF NOT EXISTS`
    pub(super) tolerant: bool,
    /// Its type, as [`Cursor::plain`] writes it, and the type's range.
    pub(super) kind: String,
    pub(super) kind_range: Range<usize>,
    /// The tokens after the type.
    pub(super) rest: Cursor<'a>,
    pub(super) default: Option<Cursor<'a>>,
}

#[derive(Clone, Debug)]
pub(super) enum Action<'a> {
    AddColumn(Column<'a>),
    DropColumn {
        column: Name,
        /// `IF EXISTS`
        tolerant: bool,
    },
    ChangeType {
        column: Name,
        to: String,
        /// The expression after USING, as [`Cursor::plain`] writes it.
        using: Option<String>,
        /// Whether it names a collation.
        collates: bool,
    },
    SetNotNull(Name),
    DropNotNull(Name),
    DropConstraint,
    AddConstraint(Constraint<'a>),
    Validate(Name),
    RenameTable(Name),
    RenameColumn(Name),
    /// The table moves to another schema.
    SetSchema(Name),
    /// The table that becomes a partition.
    Attach(Name),
    /// An action that rewrites the table, such as `SET LOGGED`.
    Rewrite(&'static str),
}

#[derive(Clone, Debug)]
pub(super) struct Constraint<'a> {
    pub(super) name: Option<Name>,
    pub(super) kind: ConstraintKind,
    /// The tokens after its keyword.
    pub(super) rest: Cursor<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConstraintKind {
    Check,
    ForeignKey,
    Unique,
    PrimaryKey,
    Exclude,
    NotNull,
}

/// The number of tokens of a statement that are read. A table has hundreds of columns, not thousands.
const TOKENS_MAX: usize = 20_000;
/// The number of tokens that are read of an INSERT or a query, of which only the beginning matters.
const ROWS_MAX: usize = 2_000;
/// The number of tokens that are read of a REFRESH, which has only a name.
const NAME_MAX: usize = 24;

/// Returns the tokens that [`read`] needs.
pub(super) fn tokens_of(dialect: Dialect, text: &str, statement: &Statement) -> Vec<Token> {
    let max = match statement.kind {
        StatementKind::CreateTable
        | StatementKind::CreateIndex
        | StatementKind::AlterTable
        | StatementKind::DropTable
        | StatementKind::DropIndex
        | StatementKind::DropOther
        | StatementKind::Truncate
        | StatementKind::AlterOther => TOKENS_MAX,
        StatementKind::Insert | StatementKind::Delete => ROWS_MAX,
        StatementKind::CreateView
        | StatementKind::CreateTrigger
        | StatementKind::CreateFunction
        | StatementKind::CreateType
        | StatementKind::CreateOther => ROWS_MAX,
        StatementKind::Maintenance => ROWS_MAX,
        StatementKind::Select if dialect == Dialect::Postgres && may_create(&text[statement.range.clone()]) => ROWS_MAX,
        StatementKind::Other | StatementKind::Session => NAME_MAX,
        _ => 0,
    };
    if max == 0 { Vec::new() } else { tokens(dialect, text, statement.range.clone(), max) }
}

/// Whether a query may be a `SELECT … INTO`.
fn may_create(query: &str) -> bool {
    query.as_bytes().windows(4).any(|word| word.eq_ignore_ascii_case(b"into"))
}

/// Returns what a statement changes.
pub(super) fn read<'a>(text: &'a str, tokens: &'a [Token]) -> Option<Change<'a>> {
    let mut at = Cursor::new(text, tokens);
    if at.take("create") {
        create(at)
    } else if at.take("alter") {
        alter(at)
    } else if at.take("drop") {
        drop(at)
    } else if at.take("truncate") {
        at.take("table");
        at.take("only");
        let tables = at.names().into_iter().map(Name::of_table).collect();
        Some(Change::Empty { verb: "TRUNCATE", tables, cascade: at.has("cascade") })
    } else if at.take("delete from") {
        at.take("only");
        let table = at.table()?;
        at.ended().then(|| Change::Empty { verb: "DELETE", tables: vec![table], cascade: false })
    } else if at.is_any(&["insert", "replace"]) {
        copy(at)
    } else if at.take("refresh materialized view") {
        let view = (!at.is("concurrently")).then(|| at.table()).flatten()?;
        (!at.has("no data")).then_some(Change::Refresh { view })
    } else if at.is_any(&["select", "with"]) {
        select_into(at)
    } else if at.is_any(&["set", "reset", "discard"]) {
        time_zone(at)
    } else {
        maintain(at)
    }
}

fn create(mut at: Cursor<'_>) -> Option<Change<'_>> {
    let start_of_statement = at;
    let replaces = at.take("or replace");
    let temporary = at.adjectives();
    if at.is("index") {
        return index(at);
    }
    if at.take("table") {
        let tolerant = at.take("if not exists");
        return table(at, temporary, tolerant).map(Change::CreateTable);
    }
    let start = at.first()?.start;
    let materialized = start_of_statement
        .tokens
        .iter()
        .take(4)
        .any(|token| token.end <= start && start_of_statement.shown(*token).eq_ignore_ascii_case("materialized"));
    let nouns = ["view", "trigger", "function", "procedure", "type", "domain", "sequence", "schema"];
    let what = nouns.into_iter().find(|noun| at.take(noun)).filter(|_| !temporary)?;
    let tolerant = at.take("if not exists");
    if what == "schema" && at.take("authorization") && at.is_any(&["current_role", "current_user", "session_user"]) {
        return None;
    }
    let name = if what == "view" { at.table()? } else { at.name()? };
    let tables = if what == "schema" { tables_of_schema(at, &name) } else { Vec::new() };
    let words = words_of(at);
    let (mut on, mut column) = (None, None);
    if what == "trigger" && at.seek("on") {
        on = at.table();
    } else if what == "sequence" && at.seek("owned by") {
        (on, column) = owner(at);
    }
    let what = if materialized { "materialized view" } else { what };
    Some(Change::Create { what, name, on, column, replaces, tolerant, words, tables })
}

/// Returns the tables in `CREATE SCHEMA s CREATE TABLE t (…)`.
fn tables_of_schema<'a>(mut at: Cursor<'a>, schema: &Name) -> Vec<Table<'a>> {
    let mut tables = Vec::new();
    while at.seek("create") {
        let temporary = at.adjectives();
        if !at.take("table") {
            continue;
        }
        let tolerant = at.take("if not exists");
        if let Some(mut table) = table(at.before(&["create", "grant"]), temporary, tolerant) {
            let written = schema.written.within(&table.name.written);
            table.name = Name { written, ..table.name }.of_table();
            tables.push(table);
        }
    }
    tables
}

/// Reads `SELECT … INTO table …`, which creates the table.
fn select_into(mut at: Cursor<'_>) -> Option<Change<'_>> {
    let from = sources(at);
    if !at.seek("into") {
        return None;
    }
    let temporary = at.adjectives();
    at.take("table");
    let name = new_table(&mut at, temporary)?;
    Some(Change::CreateTable(Table {
        name,
        temporary,
        tolerant: false,
        partitioned: false,
        parent: None,
        columns: Vec::new(),
        from,
        body: None,
    }))
}

/// `table.column`
fn owner(at: Cursor<'_>) -> (Option<Name>, Option<Name>) {
    let Some(dot) = at.tokens.iter().rposition(|token| at.shown(*token) == ".") else { return (None, None) };
    (at.on(&at.tokens[..dot]).table(), at.on(&at.tokens[dot + 1..]).name())
}

fn index(mut at: Cursor<'_>) -> Option<Change<'_>> {
    let after_word = at.first()?.end;
    at.next();
    let concurrently = at.take("concurrently");
    let tolerant = at.take("if not exists");
    let name = if at.is("on") { None } else { Some(at.name()?) };
    if !at.take("on") {
        return None;
    }
    let only = at.take("only");
    let table = at.table()?;
    let names = words_of(at);
    let columns = at.seek_group().map_or_else(Vec::new, plain_columns);
    let (plain, mut computed) = at.seek_group().map_or_else(Default::default, indexed);
    if at.seek("where") {
        computed.extend(words_of(at));
    }
    Some(Change::CreateIndex(Index {
        name,
        table,
        concurrently,
        only,
        tolerant,
        after_word,
        names,
        columns,
        plain,
        computed,
    }))
}

/// Returns every name, and every word that may be one.
pub(super) fn words_of(at: Cursor<'_>) -> Vec<String> {
    let names = at.tokens.iter().filter(|token| matches!(token.kind, Kind::Word | Kind::Name));
    names.map(|token| key(at.shown(*token))).collect()
}

/// Reads the parentheses of an index: its columns, and the names in its expressions.
pub(super) fn indexed(group: Cursor<'_>) -> (Vec<String>, Vec<String>) {
    let (mut plain, mut computed) = (Vec::new(), Vec::new());
    for piece in group.pieces() {
        let mut at = piece;
        match at.name().filter(|_| at.first().is_none_or(|token| token.kind != Kind::Open)) {
            Some(column) => plain.push(column.key),
            None => computed.extend(words_of(piece)),
        }
    }
    (plain, computed)
}

/// Returns the columns in the parentheses of an index or a key that are no expressions.
pub(super) fn plain_columns(group: Cursor<'_>) -> Vec<Name> {
    let pieces = group.pieces().into_iter();
    pieces.filter_map(|mut at| at.name().filter(|_| at.first().is_none_or(|token| token.kind != Kind::Open))).collect()
}

/// Moves past the name of a table that is created.
fn new_table(at: &mut Cursor<'_>, temporary: bool) -> Option<Name> {
    let mut name = at.table()?;
    if temporary && !name.key.contains('.') {
        name.key = format!("{TEMPORARY}.{}", name.key);
    }
    Some(name)
}

fn table(mut at: Cursor<'_>, temporary: bool, tolerant: bool) -> Option<Table<'_>> {
    let name = new_table(&mut at, temporary)?;
    let parent = if at.take("partition of") { at.table() } else { None };
    let body = at.group();
    let columns = body.map_or_else(Vec::new, |body| body.pieces().into_iter().filter_map(column_of_table).collect());
    let from = if at.has("as") { sources(at) } else { Vec::new() };
    Some(Table { name, temporary, tolerant, partitioned: at.has("partition by"), parent, from, columns, body })
}

fn column_of_table(piece: Cursor<'_>) -> Option<Column<'_>> {
    const OTHERS: [&str; 9] =
        ["constraint", "primary", "unique", "check", "foreign", "exclude", "like", "key", "index"];
    if piece.is_any(&OTHERS) { None } else { column(piece, false) }
}

/// The words that begin a constraint of a column.
const CONSTRAINTS: [&str; 17] = [
    "constraint",
    "not",
    "null",
    "default",
    "check",
    "unique",
    "primary",
    "references",
    "generated",
    "collate",
    "storage",
    "compression",
    "as",
    "autoincrement",
    "auto_increment",
    "comment",
    "on",
];

fn column(mut at: Cursor<'_>, tolerant: bool) -> Option<Column<'_>> {
    let name = at.name()?;
    let has_type = !at.ended() && !at.is_any(&CONSTRAINTS);
    let kind = if has_type { at.before(&CONSTRAINTS) } else { at.on(&[]) };
    let (kind, kind_range) = (kind.plain(), kind.range());
    let rest = at;
    let default = at.seek("default").then(|| at.before(&CONSTRAINTS));
    Some(Column { name, tolerant, kind, kind_range, rest, default })
}

fn alter(mut at: Cursor<'_>) -> Option<Change<'_>> {
    if at.take("type") {
        let of = at.name()?;
        if at.take("rename to") {
            return Some(Change::Rename { what: "type", name: of, to: at.name()? });
        }
        if at.take("rename value") {
            let value = at.first().filter(|token| token.kind == Kind::Text)?;
            return Some(Change::RenameValue { of, value: at.shown(value).to_owned() });
        }
        if at.is_any(&["alter", "add", "drop"]) && at.has("attribute") {
            let cascades = at.has("cascade");
            let changes = at.pieces().into_iter().filter_map(|mut piece| {
                let changed = piece.take("alter attribute");
                piece.name().filter(|_| changed)
            });
            let attributes: Vec<Name> = changes.collect();
            let first = attributes.into_iter().next().filter(|_| cascades)?;
            return Some(Change::AlterAttribute { of, attribute: first });
        }
        if !at.take("add value") {
            return None;
        }
        let tolerant = at.take("if not exists");
        let value = at.first().filter(|token| token.kind == Kind::Text)?;
        return Some(Change::AddValue { of, value: at.shown(value).to_owned(), tolerant });
    }
    if at.take("schema") {
        let name = at.name()?;
        return if at.take("rename to") { Some(Change::RenameSchema { name, to: at.name()? }) } else { None };
    }
    if !at.take("table") {
        return other(at);
    }
    at.take("if exists");
    at.take("only");
    let table = at.table()?;
    if at.is_mark("*") {
        at.next();
    }
    let actions = at.pieces().into_iter();
    let actions = actions.filter_map(|piece| {
        let action = match action(piece)? {
            Action::RenameTable(to) => Action::RenameTable(table.renamed(to)),
            action => action,
        };
        Some((piece.range(), action))
    });
    let actions = actions.collect();
    Some(Change::AlterTable { table, actions })
}

/// Reads `ALTER` of an object that is not a table.
fn other(mut at: Cursor<'_>) -> Option<Change<'_>> {
    let is_materialized = at.take("materialized");
    at.take("foreign");
    let nouns = [
        "view",
        "sequence",
        "index",
        "domain",
        "function",
        "procedure",
        "routine",
        "aggregate",
        "trigger",
        "policy",
        "table",
    ];
    let what = nouns.into_iter().find(|noun| at.take(noun))?;
    let shown = if is_materialized { "materialized view" } else { what };
    at.take("if exists");
    let name = if matches!(what, "view" | "table") { at.table()? } else { at.name()? };
    let mut renamed = at;
    if renamed.seek("rename to") {
        let to = name.renamed(renamed.name()?);
        return Some(Change::Rename { what: shown, name, to });
    }
    match what {
        "view" if at.take("rename") => {
            at.take("column");
            Some(Change::RenameViewColumn { of: name, column: at.name()? })
        }
        "domain" if at.take("set not null") => Some(Change::AlterDomain { name, constraint: None }),
        "domain" if at.take("add") => constraint(at)
            .filter(|constraint| constraint.kind == ConstraintKind::Check || constraint.kind == ConstraintKind::NotNull)
            .map(|constraint| Change::AlterDomain { name, constraint: Some(constraint) }),
        "sequence" if at.seek("owned by") => {
            let (to, column) = owner(at);
            Some(Change::Attach { name, to: to?, column })
        }
        // The attached index is dropped with the other one.
        "index" if at.take("attach partition") => Some(Change::Attach { name: at.name()?, to: name, column: None }),
        _ => None,
    }
}

fn action(mut at: Cursor<'_>) -> Option<Action<'_>> {
    if at.take("add") {
        return add(at);
    }
    if at.take("drop") {
        if at.is("constraint") {
            return Some(Action::DropConstraint);
        }
        let column = at.take("column");
        if !column && at.is_any(&["constraint", "index", "key", "primary", "foreign", "check", "partition"]) {
            return None;
        }
        let tolerant = at.take("if exists");
        return at.name().map(|column| Action::DropColumn { column, tolerant });
    }
    if at.take("alter") {
        if at.is("constraint") {
            return None;
        }
        at.take("column");
        let column = at.name()?;
        if at.take("set not null") {
            return Some(Action::SetNotNull(column));
        }
        if at.take("drop not null") {
            return Some(Action::DropNotNull(column));
        }
        if at.take("set expression") {
            return Some(Action::Rewrite("SET EXPRESSION"));
        }
        if !at.take("set data type") && !at.take("type") {
            return None;
        }
        let to = at.before(&["using", "collate"]).plain();
        let collates = at.is("collate");
        let using = at.seek("using").then(|| at.plain());
        return Some(Action::ChangeType { column, to, using, collates });
    }
    if at.take("rename") {
        if at.take("to") {
            return at.name().map(Action::RenameTable);
        }
        if at.is_any(&["constraint", "index", "key"]) {
            return None;
        }
        at.take("column");
        return at.name().map(Action::RenameColumn);
    }
    if at.take("set schema") {
        return at.name().map(Action::SetSchema);
    }
    if at.take("validate constraint") {
        return at.name().map(Action::Validate);
    }
    if at.take("attach partition") {
        return at.table().map(Action::Attach);
    }
    let rewrites = ["SET LOGGED", "SET UNLOGGED", "SET TABLESPACE", "SET ACCESS METHOD"];
    rewrites.into_iter().find(|words| at.take(&words.to_lowercase())).map(Action::Rewrite)
}

fn add(mut at: Cursor<'_>) -> Option<Action<'_>> {
    if at.take("column") {
        let tolerant = at.take("if not exists");
        return column(at, tolerant).map(Action::AddColumn);
    }
    if let Some(constraint) = constraint(at) {
        return Some(Action::AddConstraint(constraint));
    }
    // MySQL's syntax.
    if at.is_any(&["constraint", "index", "key", "fulltext", "spatial", "partition"]) {
        return None;
    }
    let tolerant = at.take("if not exists");
    column(at, tolerant).map(Action::AddColumn)
}

/// Reads a constraint of a table.
pub(super) fn constraint(mut at: Cursor<'_>) -> Option<Constraint<'_>> {
    let name = if at.take("constraint") { Some(at.name()?) } else { None };
    let kinds = [
        ("check", ConstraintKind::Check),
        ("foreign key", ConstraintKind::ForeignKey),
        ("unique", ConstraintKind::Unique),
        ("primary key", ConstraintKind::PrimaryKey),
        ("exclude", ConstraintKind::Exclude),
        ("not null", ConstraintKind::NotNull),
    ];
    let (_, kind) = kinds.into_iter().find(|(words, _)| at.take(words))?;
    Some(Constraint { name, kind, rest: at })
}

impl Constraint<'_> {
    /// A place that tells it from other constraints of its statement.
    pub(super) fn start(&self) -> usize {
        self.rest.range().start
    }
}

impl Column<'_> {
    /// Whether it takes no NULL.
    pub(super) fn is_not_null(&self) -> bool {
        ["not null", "primary key", "as identity"].into_iter().any(|words| self.rest.has(words)) || self.is_serial()
    }

    /// Its type with what belongs to it, such as a collation, without its default and constraints.
    pub(super) fn type_and_storage(&self) -> String {
        let all = self.rest;
        let read = tokens(Dialect::Postgres, &all.text[..self.kind_range.end], self.kind_range.clone(), usize::MAX);
        let mut written = Cursor::new(all.text, &read).written();
        for word in ["storage", "compression", "collate"] {
            let mut at = all;
            if at.seek(word)
                && let Some(name) = at.name()
            {
                written += &format!(" {} {}", word.to_uppercase(), name.written);
            }
        }
        written
    }

    /// Its constraints that the rows must meet, or that need an index, as messages show them.
    pub(super) fn constraints(&self) -> Vec<&'static str> {
        let kinds = ["NOT NULL", "CHECK", "UNIQUE", "PRIMARY KEY", "REFERENCES"];
        kinds.into_iter().filter(|kind| self.rest.has(&kind.to_lowercase())).collect()
    }

    pub(super) fn is_serial(&self) -> bool {
        ["serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"].contains(&self.kind.as_str())
    }
}

fn drop(mut at: Cursor<'_>) -> Option<Change<'_>> {
    at.take("materialized");
    at.take("foreign");
    let nouns = [
        "table",
        "index",
        "view",
        "trigger",
        "function",
        "procedure",
        "type",
        "domain",
        "sequence",
        "schema",
        "owned",
        "extension",
    ];
    let what = nouns.into_iter().find(|noun| at.take(noun))?;
    if what == "owned" {
        at.take("by");
    }
    let concurrently = at.take("concurrently");
    let tolerant = at.take("if exists");
    let names = at.names().into_iter();
    let names = match what {
        "table" | "view" => names.map(Name::of_table).collect(),
        _ => names.collect(),
    };
    let cascade = at.has("cascade");
    Some(Change::Drop { what, names, concurrently, cascade, tolerant })
}

fn copy(mut at: Cursor<'_>) -> Option<Change<'_>> {
    if !at.seek("into") {
        return None;
    }
    let to = at.table()?;
    if !at.has("select") {
        return None;
    }
    Some(Change::Copy { to, from: sources(at) })
}

/// Returns the tables after each FROM and JOIN.
fn sources(mut at: Cursor<'_>) -> Vec<String> {
    let mut from = Vec::new();
    while !at.ended() {
        let reads = at.is_any(&["from", "join"]);
        at.next();
        if reads {
            at.take("only");
            from.extend(at.clone().table().map(|name| name.key));
        }
    }
    from
}

fn time_zone(mut at: Cursor<'_>) -> Option<Change<'_>> {
    if !at.take("set") {
        let ends =
            ["reset all", "reset timezone", "reset time zone", "discard all"].into_iter().any(|words| at.take(words));
        return ends.then_some(Change::TimeZone { is_utc: false });
    }
    while at.is_any(&["session", "local"]) {
        at.next();
    }
    if at.take("timezone") {
        at.next();
    } else if !at.take("time zone") {
        return None;
    }
    const UTC: [&str; 13] = [
        "utc",
        "etc/utc",
        "uct",
        "etc/uct",
        "gmt",
        "etc/gmt",
        "zulu",
        "etc/zulu",
        "universal",
        "etc/universal",
        "greenwich",
        "etc/greenwich",
        "0",
    ];
    let zone = at.first().map(|token| key(at.shown(token))).unwrap_or_default();
    Some(Change::TimeZone { is_utc: UTC.contains(&zone.as_str()) })
}

/// Whether an option in parentheses is on: `(full)`, `(full true)`, but not `(full off)`.
fn is_on(options: Cursor<'_>, name: &str) -> bool {
    options.pieces().into_iter().any(|mut option| {
        option.take(name)
            && option.first().is_none_or(|value| {
                let value = key(option.shown(value));
                !["false", "off", "0"].contains(&value.as_str())
            })
    })
}

fn maintain(mut at: Cursor<'_>) -> Option<Change<'_>> {
    if at.take("vacuum") {
        let full = match at.group() {
            Some(options) => is_on(options, "full"),
            None => at.take("full"),
        };
        while at.is_any(&["freeze", "verbose", "analyze"]) {
            at.next();
        }
        return full.then(|| Change::Rewrite { verb: "VACUUM FULL", table: at.table() });
    }
    if at.take("cluster") {
        at.group();
        at.take("verbose");
        return Some(Change::Rewrite { verb: "CLUSTER", table: at.table() });
    }
    if !at.take("reindex") {
        return None;
    }
    let options = at.group();
    let what = ["index", "table", "schema", "database"].into_iter().find(|what| at.take(what))?;
    if at.take("concurrently") || options.is_some_and(|options| is_on(options, "concurrently")) {
        return None;
    }
    let name = if what == "table" { at.table()? } else { at.name().unwrap_or_default() };
    Some(Change::Reindex { what, name })
}
