//! What each script makes of tables and columns, read when a rule first asks and kept: a thousand
//! released scripts cost nothing where no draft touches what they made.

use std::cell::OnceCell;

use lockgate_core::StatementKind;

use super::change::{self, Action, Change, Column, ConstraintKind};
use super::cursor::{Cursor, Name};
use super::{Set, Source};

/// One thing that a statement leaves behind. Names are in lower case.
#[derive(Debug)]
pub(super) enum Fact {
    Table {
        table: String,
        partitioned: bool,
    },
    Gone {
        table: String,
    },
    Column {
        table: String,
        column: String,
        kind: String,
    },
    /// A constraint, in lower case, or the whole body of a table.
    Checked {
        table: String,
        says: String,
    },
    Index {
        name: String,
        table: String,
        /// What messages call it.
        shown: String,
        /// The columns that it has as they are.
        plain: Vec<String>,
        /// The names in its expressions and its condition.
        computed: Vec<String>,
        /// Whether it belongs to a constraint.
        of_constraint: bool,
    },
    IndexGone {
        name: String,
    },
    /// A check on rows of a table, and the names in it.
    Check {
        table: String,
        names: Vec<String>,
    },
    ConstraintGone {
        table: String,
    },
    Renamed {
        from: String,
        to: String,
    },
    /// A foreign key, and whether it deletes or changes rows with those that they refer to.
    Refers {
        from: String,
        to: String,
        deletes: bool,
    },
}

/// The facts of the scripts of a set.
pub(super) struct Facts<'s, 'a> {
    set: &'s Set<'a>,
    lower: Vec<OnceCell<String>>,
    read: Vec<OnceCell<Vec<(usize, Fact)>>>,
}

impl<'s, 'a> Facts<'s, 'a> {
    pub(super) fn new(set: &'s Set<'a>) -> Self {
        let count = set.sources.len();
        Self { set, lower: vec![OnceCell::new(); count], read: (0..count).map(|_| OnceCell::new()).collect() }
    }

    /// Looks at the facts before this statement, the latest first, until one is what is looked for.
    /// Scripts that do not name the table (or the index) are passed over, and so are those that revert.
    /// Each fact comes with the name that the table had then.
    pub(super) fn earlier<R>(
        &self,
        (index, at): (usize, usize),
        name: &str,
        mut look: impl FnMut(&Fact, &str) -> Option<R>,
    ) -> Option<R> {
        let mut name = name.to_owned();
        for source in (0..=index).rev() {
            let script = &self.set.sources[source];
            if script.is_down && source != index {
                continue;
            }
            if self.read[source].get().is_none()
                && !self.lower[source].get_or_init(|| script.text.to_lowercase()).contains(&name)
            {
                continue;
            }
            for (statement, fact) in self.read[source].get_or_init(|| read(script)).iter().rev() {
                if source == index && *statement >= at {
                    continue;
                }
                if let Fact::Renamed { from, to } = fact
                    && *to == name
                {
                    name.clone_from(from);
                }
                if let Some(result) = look(fact, &name) {
                    return Some(result);
                }
            }
        }
        None
    }

    /// The type that a column has before this statement.
    pub(super) fn type_of(&self, place: (usize, usize), of: &str, wanted: &str) -> Option<String> {
        let found = self.earlier(place, of, |fact, of| match fact {
            Fact::Column { table, column, kind } if table == of && column == wanted => Some(Some(kind.clone())),
            Fact::Table { table, .. } if table == of => Some(None),
            _ => None,
        });
        found.flatten()
    }

    /// The foreign keys that are there before this statement, as `from`, `to` and whether they delete.
    pub(super) fn references(&self, (index, at): (usize, usize)) -> Vec<(String, String, bool)> {
        let mut all: Vec<(String, String, bool)> = Vec::new();
        for (source, script) in self.set.sources.iter().enumerate().take(index + 1) {
            if script.is_down && source != index {
                continue;
            }
            for (statement, fact) in self.read[source].get_or_init(|| read(script)) {
                if source == index && *statement >= at {
                    break;
                }
                match fact {
                    Fact::Refers { from, to, deletes } => all.push((from.clone(), to.clone(), *deletes)),
                    // A table that is made has no other keys than its own.
                    Fact::Gone { table } | Fact::Table { table, .. } => all.retain(|(from, ..)| from != table),
                    Fact::Renamed { from: old, to: new } => {
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

fn read(source: &Source<'_>) -> Vec<(usize, Fact)> {
    let mut facts = Vec::new();
    for (at, statement) in source.statements.iter().enumerate() {
        let leaves = matches!(
            statement.kind,
            StatementKind::CreateTable
                | StatementKind::CreateIndex
                | StatementKind::DropTable
                | StatementKind::DropIndex
                | StatementKind::AlterTable
        );
        if !leaves {
            continue;
        }
        let tokens = change::tokens_of(source.reads_as, source.text, statement);
        if let Some(change) = change::read(source.text, &tokens) {
            of(&change, &mut |fact| facts.push((at, fact)));
        }
    }
    facts
}

fn of(change: &Change<'_>, tell: &mut impl FnMut(Fact)) {
    match change {
        Change::CreateTable(made) => {
            let table = &made.name.key;
            // One that may have been there keeps what it had.
            if !made.tolerant {
                tell(Fact::Table { table: table.clone(), partitioned: made.partitioned });
            }
            for column in &made.columns {
                let (column, kind) = (column.name.key.clone(), column.kind.clone());
                tell(Fact::Column { table: table.clone(), column, kind });
            }
            if let Some(body) = made.body.filter(|_| !made.temporary) {
                refers(table, body, tell);
                checks(table, body, tell);
                for piece in body.pieces() {
                    match made.columns.iter().find(|column| column.name.range.start == piece.range().start) {
                        Some(column) => keyed(&made.name, column, tell),
                        None => constrained(&made.name, piece, tell),
                    }
                }
                tell(Fact::Checked { table: table.clone(), says: body.plain() });
            }
        }
        Change::CreateIndex(index) => {
            // Without a name it cannot be known when it is dropped.
            if let Some(name) = &index.name {
                tell(Fact::Index {
                    name: name.key.clone(),
                    table: index.table.key.clone(),
                    shown: index.table.written.beside(&name.written).to_string(),
                    plain: index.plain.clone(),
                    computed: index.computed.clone(),
                    of_constraint: false,
                });
            }
        }
        Change::Drop { what: "index", names, .. } => {
            names.iter().for_each(|name| tell(Fact::IndexGone { name: name.key.clone() }));
        }
        Change::Drop { what: "table", names, .. } => {
            names.iter().for_each(|name| tell(Fact::Gone { table: name.key.clone() }));
        }
        Change::AlterTable { table, actions } => actions.iter().for_each(|(_, action)| altered(table, action, tell)),
        _ => {}
    }
}

fn altered(name: &Name, action: &Action<'_>, tell: &mut impl FnMut(Fact)) {
    let table = &name.key;
    match action {
        Action::AddColumn(column) => {
            refers(table, column.rest, tell);
            checks(table, column.rest, tell);
            keyed(name, column, tell);
            let (column, kind) = (column.name.key.clone(), column.kind.clone());
            tell(Fact::Column { table: table.clone(), column, kind });
        }
        Action::ChangeType { column, to, .. } => {
            tell(Fact::Column { table: table.clone(), column: column.key.clone(), kind: to.clone() });
        }
        Action::AddConstraint(constraint) => {
            refers(table, constraint.rest, tell);
            match constraint.kind {
                ConstraintKind::Check => {
                    tell(Fact::Check { table: table.clone(), names: change::words_of(constraint.rest) });
                }
                ConstraintKind::Unique | ConstraintKind::PrimaryKey | ConstraintKind::Exclude => {
                    index_of(name, constraint.rest, tell);
                }
                ConstraintKind::ForeignKey | ConstraintKind::NotNull => {}
            }
            let says = match constraint.kind {
                ConstraintKind::NotNull => format!("{} is not null", constraint.rest.plain()),
                _ => constraint.rest.plain(),
            };
            tell(Fact::Checked { table: table.clone(), says });
        }
        Action::DropConstraint => tell(Fact::ConstraintGone { table: table.clone() }),
        Action::RenameTable(to) => tell(Fact::Renamed { from: table.clone(), to: to.key.clone() }),
        _ => {}
    }
}

/// The index of a column that is a key.
fn keyed(table: &Name, column: &Column<'_>, tell: &mut impl FnMut(Fact)) {
    if column.rest.has("primary key") || column.rest.has("unique") {
        tell(constraint_index(table, vec![column.name.key.clone()], Vec::new()));
    }
}

/// The index of a constraint among the columns of a table.
fn constrained(table: &Name, mut piece: Cursor<'_>, tell: &mut impl FnMut(Fact)) {
    if piece.take("constraint") {
        piece.name();
    }
    if ["primary key", "unique", "exclude"].into_iter().any(|words| piece.take(words)) {
        index_of(table, piece, tell);
    }
}

fn index_of(table: &Name, mut rest: Cursor<'_>, tell: &mut impl FnMut(Fact)) {
    if let Some(group) = rest.seek_group() {
        let (plain, mut computed) = change::indexed(group);
        if rest.seek("where") {
            computed.extend(change::words_of(rest));
        }
        tell(constraint_index(table, plain, computed));
    }
}

fn constraint_index(table: &Name, plain: Vec<String>, computed: Vec<String>) -> Fact {
    let shown = "of a constraint".to_owned();
    Fact::Index { name: String::new(), table: table.key.clone(), shown, plain, computed, of_constraint: true }
}

/// Each `CHECK (…)`.
fn checks(table: &str, mut at: Cursor<'_>, tell: &mut impl FnMut(Fact)) {
    while !at.ended() {
        if !at.take("check") {
            at.next();
        } else if let Some(group) = at.group() {
            tell(Fact::Check { table: table.to_owned(), names: change::words_of(group) });
        }
    }
}

/// Each `REFERENCES`.
fn refers(from: &str, mut at: Cursor<'_>, tell: &mut impl FnMut(Fact)) {
    while !at.ended() {
        if !at.take("references") {
            at.next();
        } else if let Some(to) = at.name() {
            at.group();
            let mut deletes = false;
            while at.is("on") {
                deletes |= at.take("on delete cascade") || at.take("on delete set");
                at.next();
                at.next();
            }
            tell(Fact::Refers { from: from.to_owned(), to: to.key, deletes });
        }
    }
}
