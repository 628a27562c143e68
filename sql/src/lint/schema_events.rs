//! What the statements of earlier scripts did to tables, columns and indexes. Each script is read when a
//! rule first asks about a name that it contains, and the result is kept, so released scripts that no
//! draft refers to cost nothing.

use std::cell::OnceCell;

use lockgate_core::StatementKind;

use super::change::{self, Action, Change, Column, Constraint, ConstraintKind, Table};
use super::constraint_name;
use super::cursor::{Cursor, Name, Written, last_of};
use super::{LintInput, SqlFile};

/// One change that a statement makes to the schema. Names are in lower case.
#[derive(Debug)]
pub(super) enum SchemaEvent {
    TableCreated {
        table: String,
        partitioned: bool,
    },
    TableDropped {
        table: String,
    },
    /// A column was added, or got another type.
    ColumnDefined {
        table: String,
        column: String,
        kind: String,
    },
    /// A column was dropped, or has another name.
    ColumnGone {
        table: String,
        column: String,
    },
    /// The text of a constraint, or of the whole body of a table, in lower case.
    ConstraintText {
        table: String,
        text: String,
    },
    IndexCreated {
        name: String,
        table: String,
        /// The name as messages show it.
        shown: String,
        /// The columns that are indexed directly.
        columns: Vec<Name>,
        /// Their keys.
        plain: Vec<String>,
        /// The names in its expressions and in its condition.
        computed: Vec<String>,
        /// Whether it belongs to a constraint.
        of_constraint: bool,
    },
    /// An index was dropped, or has another name.
    IndexGone {
        name: String,
    },
    /// A column became NOT NULL. `tolerant` says that the statement does nothing if the table or column exists.
    NotNullSet {
        table: String,
        column: String,
        tolerant: bool,
    },
    NotNullDropped {
        table: String,
        column: String,
    },
    /// `PRIMARY KEY USING INDEX`, which makes the columns of the index NOT NULL.
    PrimaryKeyFromIndex {
        table: String,
        index: String,
    },
    /// The name of a constraint: one that the script chose, or the one that the server chooses if it is not taken.
    ConstraintNamed {
        table: String,
        name: Written,
        is_chosen: bool,
    },
    /// A CHECK constraint, and the names in it.
    CheckAdded {
        table: String,
        names: Vec<String>,
    },
    ConstraintDropped {
        table: String,
    },
    TableRenamed {
        from: String,
        to: String,
    },
    /// A foreign key. `deletes` says whether it deletes or changes the referring rows with the row that they
    /// refer to.
    ForeignKeyAdded {
        from: String,
        to: String,
        deletes: bool,
    },
}

/// The events of all scripts.
pub(super) struct SchemaEvents<'s, 'a> {
    input: &'s LintInput<'a>,
    /// Each script's text in lower case.
    lower: Vec<OnceCell<String>>,
    /// Each script's events, with the index of the statement.
    read: Vec<OnceCell<Vec<(usize, SchemaEvent)>>>,
}

impl<'s, 'a> SchemaEvents<'s, 'a> {
    pub(super) fn new(input: &'s LintInput<'a>) -> Self {
        let count = input.files.len();
        Self { input, lower: vec![OnceCell::new(); count], read: (0..count).map(|_| OnceCell::new()).collect() }
    }

    /// Calls `look` with the events before a statement, latest first, until it returns something.
    ///
    /// The statement is given as the index of its script and its index there. Scripts that do not contain
    /// `name` are skipped, and so are down scripts. `look` also gets the name that the table had at the
    /// time of the event.
    pub(super) fn earlier<R>(
        &self,
        (index, at): (usize, usize),
        name: &str,
        mut look: impl FnMut(&SchemaEvent, &str) -> Option<R>,
    ) -> Option<R> {
        let mut name = name.to_owned();
        for file in (0..=index).rev() {
            let script = &self.input.files[file];
            if script.is_down && file != index {
                continue;
            }
            if self.read[file].get().is_none()
                && !self.lower[file].get_or_init(|| script.text.to_lowercase()).contains(last_of(&name))
            {
                continue;
            }
            for (statement, event) in self.read[file].get_or_init(|| read(script)).iter().rev() {
                if file == index && *statement >= at {
                    continue;
                }
                if let SchemaEvent::TableRenamed { from, to } = event
                    && *to == name
                {
                    name.clone_from(from);
                }
                if let Some(result) = look(event, &name) {
                    return Some(result);
                }
            }
        }
        None
    }

    /// Whether an up script contains the name before this statement, or the text of a Rust step does.
    pub(super) fn is_mentioned(&self, (index, at): (usize, usize), name: &str) -> bool {
        let name = last_of(name);
        let in_script = |(file, script): (usize, &SqlFile<'_>)| match file == index {
            true => has_word(&script.text[..script.statements[at].range.start].to_lowercase(), name),
            false => !script.is_down && has_word(self.lower[file].get_or_init(|| script.text.to_lowercase()), name),
        };
        self.input.steps.iter().any(|step| has_word(&step.to_lowercase(), name))
            || self.input.files[..=index].iter().enumerate().any(in_script)
    }

    /// Calls `look` with the statements before this one that create or alter a function, type or domain, latest first,
    /// until it returns something. It gets what the statement changes, and its text. Statements without `name` are
    /// skipped.
    pub(super) fn definitions<R>(
        &self,
        (index, at): (usize, usize),
        name: &str,
        mut look: impl FnMut(&Change<'_>, &str) -> Option<R>,
    ) -> Option<R> {
        for (file, script) in self.input.files[..=index].iter().enumerate().rev() {
            if script.is_down && file != index
                || !self.lower[file].get_or_init(|| script.text.to_lowercase()).contains(name)
            {
                continue;
            }
            for (place, statement) in script.statements.iter().enumerate().rev() {
                let defines = matches!(
                    statement.kind,
                    StatementKind::CreateType
                        | StatementKind::CreateFunction
                        | StatementKind::CreateOther
                        | StatementKind::AlterOther
                );
                let text = &script.text[statement.range.clone()];
                if !defines || file == index && place >= at || !text.to_lowercase().contains(name) {
                    continue;
                }
                let tokens = change::tokens_of(script.reads_as, script.text, statement);
                if let Some(result) = change::read(script.text, &tokens).and_then(|change| look(&change, text)) {
                    return Some(result);
                }
            }
        }
        None
    }

    /// The type that a column has before this statement, if a script says so.
    pub(super) fn type_of(&self, place: (usize, usize), of: &str, wanted: &str) -> Option<String> {
        let found = self.earlier(place, of, |event, of| match event {
            SchemaEvent::ColumnDefined { table, column, kind } if table == of && column == wanted => {
                Some(Some(kind.clone()))
            }
            SchemaEvent::TableCreated { table, .. } if table == of => Some(None),
            _ => None,
        });
        found.flatten()
    }

    /// The foreign keys that exist before this statement: the referring table, the table referred to, and
    /// whether the key deletes or changes rows.
    pub(super) fn references(&self, (index, at): (usize, usize)) -> Vec<(String, String, bool)> {
        let mut all: Vec<(String, String, bool)> = Vec::new();
        for (file, script) in self.input.files.iter().enumerate().take(index + 1) {
            if script.is_down && file != index {
                continue;
            }
            for (statement, event) in self.read[file].get_or_init(|| read(script)) {
                if file == index && *statement >= at {
                    break;
                }
                match event {
                    SchemaEvent::ForeignKeyAdded { from, to, deletes } => {
                        all.push((from.clone(), to.clone(), *deletes))
                    }
                    // A newly created table has only the keys that its own statement defines.
                    SchemaEvent::TableDropped { table } | SchemaEvent::TableCreated { table, .. } => {
                        all.retain(|(from, ..)| from != table)
                    }
                    SchemaEvent::TableRenamed { from: old, to: new } => {
                        for (from, to, _) in &mut all {
                            for name in [from, to] {
                                if name == old {
                                    name.clone_from(new);
                                }
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
        all
    }
}

/// Whether the text contains the word, and not only as a part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(in_word) && !text[at + word.len()..].starts_with(in_word))
}

fn read(file: &SqlFile<'_>) -> Vec<(usize, SchemaEvent)> {
    let mut events = Vec::new();
    for (at, statement) in file.statements.iter().enumerate() {
        let changes_schema = matches!(
            statement.kind,
            StatementKind::CreateTable
                | StatementKind::CreateIndex
                | StatementKind::DropTable
                | StatementKind::DropIndex
                | StatementKind::AlterTable
                | StatementKind::AlterOther
                // `CREATE SCHEMA` may create tables, and so does `SELECT … INTO`.
                | StatementKind::CreateOther
                | StatementKind::Select
        );
        if !changes_schema {
            continue;
        }
        let tokens = change::tokens_of(file.reads_as, file.text, statement);
        if let Some(change) = change::read(file.text, &tokens) {
            events_of(&change, &mut |event| events.push((at, event)));
        }
    }
    events
}

fn events_of(change: &Change<'_>, emit: &mut impl FnMut(SchemaEvent)) {
    match change {
        Change::CreateTable(made) => emit_table(made, emit),
        Change::Create { tables, .. } => tables.iter().for_each(|made| emit_table(made, emit)),
        Change::CreateIndex(index) => {
            // An index without a name is skipped: no later DROP could be matched to it.
            if let Some(name) = &index.name {
                emit(SchemaEvent::IndexCreated {
                    name: name.key.clone(),
                    table: index.table.key.clone(),
                    shown: index.table.written.beside(&name.written).to_string(),
                    columns: index.columns.clone(),
                    plain: index.plain.clone(),
                    computed: index.computed.clone(),
                    of_constraint: false,
                });
            }
        }
        Change::Drop { what: "index", names, .. } => {
            names.iter().for_each(|name| emit(SchemaEvent::IndexGone { name: name.key.clone() }));
        }
        Change::Drop { what: "table", names, .. } => {
            names.iter().for_each(|name| emit(SchemaEvent::TableDropped { table: name.key.clone() }));
        }
        Change::Rename { name, .. } => emit(SchemaEvent::IndexGone { name: name.key.clone() }),
        Change::AlterTable { table, actions } => {
            actions.iter().for_each(|(_, action)| emit_action(table, action, emit))
        }
        _ => {}
    }
}

fn emit_table(made: &Table<'_>, emit: &mut impl FnMut(SchemaEvent)) {
    let table = &made.name.key;
    // With IF NOT EXISTS the table may have existed before, with other columns.
    if !made.tolerant {
        emit(SchemaEvent::TableCreated { table: table.clone(), partitioned: made.partitioned });
    }
    for column in &made.columns {
        let (column, kind) = (column.name.key.clone(), column.kind.clone());
        emit(SchemaEvent::ColumnDefined { table: table.clone(), column, kind });
    }
    for column in made.columns.iter().filter(|column| column.is_not_null()) {
        emit_not_null(table, &column.name, made.tolerant, emit);
    }
    if let Some(body) = made.body.filter(|_| !made.temporary) {
        emit_foreign_keys(table, body, emit);
        emit_checks(table, body, emit);
        for piece in body.pieces() {
            match made.columns.iter().find(|column| column.name.range.start == piece.range().start) {
                Some(column) => {
                    emit_key_index(&made.name, column, emit);
                    emit_names_of_column(&made.name, column, emit);
                }
                None => {
                    emit_constraint_index(&made.name, piece, emit);
                    if let Some(constraint) = change::constraint(piece) {
                        emit_constraint(&made.name, &constraint, made.tolerant, emit);
                    }
                }
            }
        }
        emit(SchemaEvent::ConstraintText { table: table.clone(), text: body.plain() });
    }
}

fn emit_action(name: &Name, action: &Action<'_>, emit: &mut impl FnMut(SchemaEvent)) {
    let table = &name.key;
    match action {
        Action::AddColumn(column) => {
            emit_foreign_keys(table, column.rest, emit);
            emit_checks(table, column.rest, emit);
            emit_key_index(name, column, emit);
            emit_names_of_column(name, column, emit);
            let kind = column.kind.clone();
            emit(SchemaEvent::ColumnDefined { table: table.clone(), column: column.name.key.clone(), kind });
            if column.is_not_null() {
                emit_not_null(table, &column.name, column.tolerant, emit);
            }
        }
        Action::DropColumn { column, .. } | Action::RenameColumn(column) => {
            emit(SchemaEvent::ColumnGone { table: table.clone(), column: column.key.clone() });
        }
        Action::ChangeType { column, to, .. } => {
            emit(SchemaEvent::ColumnDefined { table: table.clone(), column: column.key.clone(), kind: to.clone() });
        }
        Action::SetNotNull(column) => emit_not_null(table, column, false, emit),
        Action::DropNotNull(column) => {
            emit(SchemaEvent::NotNullDropped { table: table.clone(), column: column.key.clone() });
        }
        Action::AddConstraint(constraint) => {
            emit_constraint(name, constraint, false, emit);
            emit_foreign_keys(table, constraint.rest, emit);
            match constraint.kind {
                ConstraintKind::Check => {
                    emit(SchemaEvent::CheckAdded { table: table.clone(), names: change::words_of(constraint.rest) });
                }
                ConstraintKind::Unique | ConstraintKind::PrimaryKey | ConstraintKind::Exclude => {
                    emit_index_of(name, constraint.rest, emit);
                }
                ConstraintKind::ForeignKey | ConstraintKind::NotNull => {}
            }
            let text = match constraint.kind {
                ConstraintKind::NotNull => format!("{} is not null", constraint.rest.plain()),
                _ => constraint.rest.plain(),
            };
            emit(SchemaEvent::ConstraintText { table: table.clone(), text });
        }
        Action::DropConstraint => emit(SchemaEvent::ConstraintDropped { table: table.clone() }),
        Action::RenameTable(to) => emit(SchemaEvent::TableRenamed { from: table.clone(), to: to.key.clone() }),
        _ => {}
    }
}

fn emit_not_null(table: &str, column: &Name, tolerant: bool, emit: &mut impl FnMut(SchemaEvent)) {
    emit(SchemaEvent::NotNullSet { table: table.to_owned(), column: column.key.clone(), tolerant });
}

/// Emits the name of a constraint, and the columns that it makes NOT NULL.
fn emit_constraint(name: &Name, constraint: &Constraint<'_>, tolerant: bool, emit: &mut impl FnMut(SchemaEvent)) {
    let table = &name.key;
    emit(SchemaEvent::ConstraintNamed {
        table: table.clone(),
        name: constraint_name::usual(name, constraint),
        is_chosen: constraint.name.is_some(),
    });
    if constraint.kind != ConstraintKind::PrimaryKey {
        return;
    }
    let mut rest = constraint.rest;
    match rest.group() {
        Some(group) => {
            change::plain_columns(group).iter().for_each(|column| emit_not_null(table, column, tolerant, emit));
        }
        None if rest.take("using index") => {
            if let Some(index) = rest.name() {
                emit(SchemaEvent::PrimaryKeyFromIndex { table: table.clone(), index: index.key });
            }
        }
        None => {}
    }
}

fn emit_names_of_column(table: &Name, column: &Column<'_>, emit: &mut impl FnMut(SchemaEvent)) {
    for (name, is_chosen) in constraint_name::of_column(table, column) {
        emit(SchemaEvent::ConstraintNamed { table: table.key.clone(), name, is_chosen });
    }
}

/// Emits the index of a column that is declared as a key.
fn emit_key_index(table: &Name, column: &Column<'_>, emit: &mut impl FnMut(SchemaEvent)) {
    if column.rest.has("primary key") || column.rest.has("unique") {
        emit(constraint_index(table, vec![column.name.key.clone()], Vec::new()));
    }
}

/// Emits the index of a table constraint.
fn emit_constraint_index(table: &Name, mut piece: Cursor<'_>, emit: &mut impl FnMut(SchemaEvent)) {
    if piece.take("constraint") {
        piece.name();
    }
    if ["primary key", "unique", "exclude"].into_iter().any(|words| piece.take(words)) {
        emit_index_of(table, piece, emit);
    }
}

fn emit_index_of(table: &Name, mut rest: Cursor<'_>, emit: &mut impl FnMut(SchemaEvent)) {
    if let Some(group) = rest.seek_group() {
        let (plain, mut computed) = change::indexed(group);
        if rest.seek("where") {
            computed.extend(change::words_of(rest));
        }
        emit(constraint_index(table, plain, computed));
    }
}

fn constraint_index(table: &Name, plain: Vec<String>, computed: Vec<String>) -> SchemaEvent {
    let shown = "of a constraint".to_owned();
    SchemaEvent::IndexCreated {
        name: String::new(),
        table: table.key.clone(),
        shown,
        columns: Vec::new(),
        plain,
        computed,
        of_constraint: true,
    }
}

/// Emits each `CHECK (…)`.
fn emit_checks(table: &str, mut at: Cursor<'_>, emit: &mut impl FnMut(SchemaEvent)) {
    while !at.ended() {
        if !at.take("check") {
            at.next();
        } else if let Some(group) = at.group() {
            emit(SchemaEvent::CheckAdded { table: table.to_owned(), names: change::words_of(group) });
        }
    }
}

/// Emits each `REFERENCES`.
fn emit_foreign_keys(from: &str, mut at: Cursor<'_>, emit: &mut impl FnMut(SchemaEvent)) {
    while !at.ended() {
        if !at.take("references") {
            at.next();
        } else if let Some(to) = at.table() {
            at.group();
            let mut deletes = false;
            while at.is("on") {
                deletes |= at.take("on delete cascade") || at.take("on delete set");
                at.next();
                at.next();
            }
            emit(SchemaEvent::ForeignKeyAdded { from: from.to_owned(), to: to.key, deletes });
        }
    }
}
