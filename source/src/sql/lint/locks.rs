//! PostgreSQL: statements that keep others from a table while they build an index or look at every row.
//! Which lock that is, [`touch`](crate::sql::touch) says.

use lockgate_core::TableLock;

use super::change::{Action, Change, Constraint, ConstraintKind};
use super::cursor::Name;
use super::facts::Fact;
use super::world::{View, a_lock, one_line};

/// The rules `blocking-index`, `blocking-drop-index`, `blocking-constraint`, `blocking-refresh`, `blocking-unique`,
/// `set-not-null` and `table-rewrite`.
pub(super) fn check(view: &mut View<'_, '_>, change: &Change<'_>) {
    match change {
        Change::CreateIndex(index) if !index.concurrently && !view.is_new(&index.table) => {
            let table = view.shown(&index.table);
            let message = format!(
                "nobody can write to `{table}` while this index is built: `CREATE INDEX` holds {} until the commit",
                a_lock(view.lock())
            );
            let whole = view.statement();
            let behind = one_line(&view.source.text[index.behind_word..whole.end]);
            let before = one_line(&view.source.text[whole.start..index.behind_word]);
            let help = if view.is_partitioned(&index.table) {
                vec![format!(
                    "`{table}` is partitioned: create the index `ON ONLY {table}`, then one on each partition with \
                     CONCURRENTLY, and `ALTER INDEX … ATTACH PARTITION` each of them"
                )]
            } else {
                alone(view, &format!("{before} CONCURRENTLY {behind}"))
            };
            view.tell("blocking-index", whole, message, help);
        }
        Change::Reindex { what, name } => {
            let shown = view.shown(name);
            let (table, indexes) = match what.as_str() {
                "table" => (format!("`{shown}`"), "its indexes"),
                _ => (format!("the table of `{shown}`"), "the index"),
            };
            let message = format!(
                "nobody can write to {table}, nor use {indexes}, until the commit: `REINDEX` holds {} and {} locks",
                view.lock(),
                TableLock::AccessExclusive
            );
            let whole = view.statement();
            if !view.is_new(name) {
                let help = alone(view, &format!("REINDEX {} CONCURRENTLY {shown}", what.to_uppercase()));
                view.tell("blocking-index", whole, message, help);
            }
        }
        Change::Refresh { view: name } if !view.is_new(name) => {
            let shown = view.shown(name);
            let message = format!(
                "nobody can read `{shown}` while it is computed anew: `REFRESH MATERIALIZED VIEW` holds {} until the commit",
                a_lock(view.lock())
            );
            let help = format!(
                "`REFRESH MATERIALIZED VIEW CONCURRENTLY {shown}` lets others read; it asks for a unique index on \
                 columns of the view"
            );
            let whole = view.statement();
            view.tell("blocking-refresh", whole, message, vec![help]);
        }
        Change::Drop { what: "index", names, concurrently: false, .. } => drop_index(view, names),
        Change::Rewrite { verb, table } if table.as_ref().is_none_or(|table| !view.is_new(table)) => {
            let shown = table.as_ref().map_or("every table".to_owned(), |table| format!("`{}`", view.shown(table)));
            let message = format!(
                "nobody can read or write {shown} while `{verb}` writes it anew: it holds {} all the time",
                a_lock(view.lock())
            );
            let help = if *verb == "CLUSTER" {
                "leave it out; pg_repack orders a table without the lock"
            } else {
                "a plain `VACUUM` needs no such lock, and autovacuum runs it; pg_repack gives the space back without the lock"
            };
            let whole = view.statement();
            view.tell("table-rewrite", whole, message, vec![help.to_owned()]);
        }
        Change::AlterTable { table, actions } if !view.is_new(table) => {
            for (range, action) in actions {
                match action {
                    Action::AddConstraint(constraint) => {
                        constrain(view, table, constraint, range.clone());
                    }
                    Action::SetNotNull(column) if !view.has_null_check(table, column) => {
                        not_null(view, table, column, range.clone());
                    }
                    Action::Rewrite(words) => {
                        let shown = view.shown(table);
                        let message = format!(
                            "nobody can read or write `{shown}` while `{words}` writes all of it anew: it holds {} \
                             until the commit",
                            a_lock(view.lock_of(range))
                        );
                        let help = "do it in a maintenance window, in a migration of its own".to_owned();
                        view.tell("table-rewrite", range.clone(), message, vec![help]);
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// The way to run a statement that refuses a transaction.
fn alone(view: &View<'_, '_>, statement: &str) -> Vec<String> {
    let is_alone = view.source.statements.len() == 1;
    vec![match (view.source.is_transactional, is_alone) {
        (true, true) => format!("write `-- lockgate: no-transaction` as the first line, and `{statement}`"),
        (true, false) => format!(
            "give it a migration of its own, with `-- lockgate: no-transaction` as its first line: `{statement}`"
        ),
        (false, _) => format!("write `{statement}`"),
    }]
}

fn drop_index(view: &mut View<'_, '_>, names: &[Name]) {
    // Of a table that is new, or made by this very script.
    let is_new = |name: &Name| {
        view.earlier(&name.key, |fact| match fact {
            Fact::Index { name: known, table } if *known == name.key => Some(view.world.has(table)),
            _ => None,
        }) == Some(true)
    };
    let Some(name) = names.iter().find(|name| !is_new(name)) else { return };
    let shown = view.shown(name);
    let message = format!(
        "nobody can read or write the table of `{shown}` from here to the commit: `DROP INDEX` takes {}, \
         and all queries that come wait behind it until it has it",
        a_lock(view.lock())
    );
    let whole = view.statement();
    let help = alone(view, &format!("DROP INDEX CONCURRENTLY {shown}"));
    view.tell("blocking-drop-index", whole, message, help);
}

fn constrain(view: &mut View<'_, '_>, table: &Name, constraint: &Constraint<'_>, range: std::ops::Range<usize>) {
    let rest = constraint.rest;
    let shown = view.shown(table);
    let name = constraint.name.as_ref().map_or_else(|| format!("{}_…", table.key), |name| view.shown(name));
    match constraint.kind {
        ConstraintKind::Check | ConstraintKind::ForeignKey | ConstraintKind::NotNull => {
            if rest.has("not valid") || rest.has("not enforced") {
                return;
            }
            let what = match constraint.kind {
                ConstraintKind::ForeignKey => {
                    if view.is_partitioned(table) {
                        return;
                    }
                    let mut to = rest;
                    let other = to.seek("references").then(|| to.name()).flatten();
                    let both = match other.filter(|other| other.key != table.key) {
                        Some(other) => format!("`{shown}` or `{}`", view.shown(&other)),
                        None => format!("`{shown}`"),
                    };
                    format!(
                        "nobody can write to {both} while every row is checked: `FOREIGN KEY` holds {} locks until the commit",
                        view.lock_of(&range)
                    )
                }
                ConstraintKind::NotNull => return not_null_constraint(view, &shown, range),
                _ => format!(
                    "nobody can read or write `{shown}` while every row is checked: `CHECK` holds {} until the commit",
                    a_lock(view.lock_of(&range))
                ),
            };
            let statement = view.line(range.clone());
            let word = if constraint.kind == ConstraintKind::ForeignKey { "FOREIGN KEY" } else { "CHECK" };
            let statement =
                if statement.ends_with('…') { format!("ADD CONSTRAINT {name} {word} (…)") } else { statement };
            let help = vec![format!(
                "add it unchecked, which is quick, and let the next migration check the rows, which lets others write: \
                 `ALTER TABLE {shown} {statement} NOT VALID`, then `ALTER TABLE {shown} VALIDATE CONSTRAINT {name}`"
            )];
            view.tell("blocking-constraint", range, what, help);
        }
        ConstraintKind::Unique | ConstraintKind::PrimaryKey => {
            if rest.has("using index") {
                return;
            }
            let word = if constraint.kind == ConstraintKind::Unique { "UNIQUE" } else { "PRIMARY KEY" };
            let columns = rest.seek_group().map_or_else(|| "…".to_owned(), |group| view.line(group.range()));
            let message = format!(
                "nobody can read or write `{shown}` while the index of this constraint is built: `ADD {word}` holds {} \
                 until the commit",
                a_lock(view.lock_of(&range))
            );
            let help = vec![format!(
                "build the index before, in a migration of its own with `-- lockgate: no-transaction` as its first line: \
                 `CREATE UNIQUE INDEX CONCURRENTLY {name} ON {shown} ({columns})`; then \
                 `ALTER TABLE {shown} ADD CONSTRAINT {name} {word} USING INDEX {name}`"
            )];
            view.tell("blocking-unique", range, message, help);
        }
        ConstraintKind::Exclude => {
            let message = format!(
                "nobody can read or write `{shown}` while the index of this constraint is built: `EXCLUDE` holds {} \
                 until the commit",
                a_lock(view.lock_of(&range))
            );
            let help =
                "PostgreSQL has no quick way: do it while the table is small, or in a maintenance window".to_owned();
            view.tell("blocking-unique", range, message, vec![help]);
        }
    }
}

fn not_null_constraint(view: &mut View<'_, '_>, shown: &str, range: std::ops::Range<usize>) {
    let message = format!(
        "nobody can read or write `{shown}` while every row is checked: `NOT NULL` holds {} until the commit",
        a_lock(view.lock_of(&range))
    );
    let statement = view.line(range.clone());
    let help = format!(
        "`ALTER TABLE {shown} {statement} NOT VALID`, and in the next migration `ALTER TABLE {shown} VALIDATE CONSTRAINT …`"
    );
    view.tell("set-not-null", range, message, vec![help]);
}

fn not_null(view: &mut View<'_, '_>, table: &Name, column: &Name, range: std::ops::Range<usize>) {
    let (shown, column) = (view.shown(table), view.shown(column));
    let message = format!(
        "nobody can read or write `{shown}` while every row is checked: `SET NOT NULL` holds {} until the commit",
        a_lock(view.lock_of(&range))
    );
    let check = format!("{}_{}_not_null", table.key, column.to_lowercase());
    let help = vec![format!(
        "let a check prove it before: `ALTER TABLE {shown} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID`; in \
             the next migration `ALTER TABLE {shown} VALIDATE CONSTRAINT {check}`, which lets others write; then \
             `SET NOT NULL` looks at no row"
    )];
    view.tell("set-not-null", range, message, help);
}
