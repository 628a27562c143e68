//! PostgreSQL: statements that block others while they build an index or scan every row. The module
//! [`touch`](crate::touch) decides which lock a statement takes.

use std::collections::HashSet;

use lockgate_core::TableLock;

use super::change::{self, Action, Change, Column, Constraint, ConstraintKind};
use super::constraint_name;
use super::context::{Context, a_lock};
use super::cursor::{Cursor, Name, Written, key};
use super::nulls;
use super::schema_events::SchemaEvent;
use crate::LintLevel;

/// The rules `blocking-index`, `blocking-drop-index`, `blocking-constraint`, `blocking-refresh`, `blocking-unique`,
/// `set-not-null` and `table-rewrite`.
pub(super) fn check(cx: &mut Context<'_, '_>, change: &Change<'_>) {
    match change {
        Change::CreateIndex(index) if index.concurrently && cx.is_partitioned(&index.table) => {
            let table = &index.table.written;
            let message = format!(
                "PostgreSQL refuses this: `{table}` is partitioned, and `CREATE INDEX CONCURRENTLY` accepts only a table \
                 without partitions"
            );
            cx.report("blocking-index", cx.statement(), message, vec![by_partitions(table)]);
            refused(cx);
        }
        // This builds nothing: the index has no partitions yet.
        Change::CreateIndex(index) if index.only && cx.is_partitioned(&index.table) => {}
        Change::CreateIndex(index) if !index.concurrently && !cx.is_new(&index.table) => {
            let table = &index.table.written;
            let message = format!(
                "nobody can write to `{table}` while this index is built: `CREATE INDEX` holds {} until the commit",
                a_lock(cx.lock())
            );
            let statement = cx.statement();
            let after = cx.written(index.after_word..statement.end);
            let before = cx.written(statement.start..index.after_word);
            let help = if cx.is_partitioned(&index.table) {
                vec![by_partitions(table)]
            } else {
                alone(cx, &format!("{before} CONCURRENTLY {after}"))
            };
            cx.report("blocking-index", statement, message, help);
        }
        Change::Reindex { what, name } => {
            let shown = &name.written;
            let (table, indexes, until) = match *what {
                "table" => (format!("`{shown}`"), "its indexes", "until the commit"),
                "index" => (format!("the table of `{shown}`"), "the index", "until the commit"),
                // Each table is a transaction of its own.
                _ => (format!("a table of the {what}"), "its indexes", "while they are rebuilt"),
            };
            let message = format!(
                "nobody can write to {table}, nor use {indexes}, {until}: `REINDEX` holds {} and {} locks",
                TableLock::Share,
                TableLock::AccessExclusive
            );
            let statement = cx.statement();
            if !cx.is_new(name) {
                let concurrently = format!("REINDEX {} CONCURRENTLY {shown}", what.to_uppercase());
                let help = alone(cx, concurrently.trim_end());
                cx.report("blocking-index", statement, message, help);
            }
        }
        Change::Refresh { view: name } if !cx.is_new(name) => {
            let shown = &name.written;
            let message = format!(
                "nobody can read `{shown}` while it is refreshed: `REFRESH MATERIALIZED VIEW` holds {} until the commit",
                a_lock(cx.lock())
            );
            let help = format!(
                "`REFRESH MATERIALIZED VIEW CONCURRENTLY {shown}` lets others read; it needs a unique index on \
                 columns of the view"
            );
            let statement = cx.statement();
            cx.report("blocking-refresh", statement, message, vec![help]);
        }
        Change::Drop { what: "index", names, concurrently: false, tolerant, .. } => drop_index(cx, names, *tolerant),
        Change::Drop { what: "index", names, concurrently: true, tolerant, cascade } => {
            drop_index_concurrently(cx, names, *tolerant, *cascade);
        }
        Change::Rewrite { verb, table } if table.as_ref().is_none_or(|table| !cx.is_new(table)) => {
            let shown = table.as_ref().map_or("every table".to_owned(), |table| format!("`{}`", table.written));
            let message = format!(
                "nobody can read or write {shown} while `{verb}` rewrites it: it holds {} until it is done",
                a_lock(cx.lock())
            );
            let help = if *verb == "CLUSTER" {
                "leave it out; pg_repack sorts a table without the lock"
            } else {
                "a plain `VACUUM` needs no such lock, and autovacuum runs it; pg_repack frees the space without the lock"
            };
            let statement = cx.statement();
            cx.report("table-rewrite", statement, message, vec![help.to_owned()]);
        }
        Change::AlterTable { table, actions } => {
            for (range, action) in actions {
                match action {
                    Action::Attach(part) => attach(cx, table, part, range.clone()),
                    _ if cx.is_new(table) => {}
                    Action::AddConstraint(constraint) => {
                        constrain(cx, table, constraint, range.clone());
                    }
                    Action::Validate(name) => validate(cx, table, name, range.clone()),
                    Action::AddColumn(column) => add_column(cx, table, column, range.clone()),
                    Action::SetNotNull(column) if !nulls::is_known_not_null(cx, table, column) => {
                        not_null(cx, table, column, range.clone());
                    }
                    Action::Rewrite(words) => {
                        let shown = &table.written;
                        let message = format!(
                            "nobody can read or write `{shown}` while `{words}` rewrites it: it holds {} \
                             until the commit",
                            a_lock(cx.lock_of(range))
                        );
                        let help = "do it in a maintenance window, in a migration of its own".to_owned();
                        cx.report("table-rewrite", range.clone(), message, vec![help]);
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// Returns the help for a statement that cannot run in a transaction.
fn alone(cx: &Context<'_, '_>, statement: &str) -> Vec<String> {
    let is_alone = cx.file.statements.len() == 1;
    vec![match (cx.file.is_transactional, is_alone) {
        (true, true) => format!("write `-- lockgate: no-transaction` as the first line, and `{statement}`"),
        (true, false) => format!(
            "give it a migration of its own, with `-- lockgate: no-transaction` as its first line: `{statement}`"
        ),
        (false, _) => format!("write `{statement}`"),
    }]
}

/// Returns how to index a partitioned table.
fn by_partitions(table: &Written) -> String {
    format!(
        "`{table}` is partitioned: create the index `ON ONLY {table}`, then one on each partition with CONCURRENTLY, and \
         `ALTER INDEX … ATTACH PARTITION` each of them"
    )
}

/// Makes the last finding an error, because no server accepts the statement.
fn refused(cx: &mut Context<'_, '_>) {
    if let Some(finding) = cx.found.last_mut() {
        finding.level = LintLevel::Deny;
    }
}

fn drop_index(cx: &mut Context<'_, '_>, names: &[Name], tolerant: bool) {
    // Nobody uses the index of a new table yet.
    let is_new = |name: &Name| {
        cx.earlier(&name.key, |event, _| match event {
            SchemaEvent::IndexCreated { name: known, table, .. } if *known == name.key => {
                Some(cx.new_objects.has(table))
            }
            _ => None,
        }) == Some(true)
    };
    let Some(name) = names.iter().find(|name| !is_new(name)) else { return };
    let shown = &name.written;
    let message = format!(
        "nobody can read or write the table of `{shown}` from here to the commit: `DROP INDEX` takes {}, \
         and later queries wait behind it until it gets the lock",
        a_lock(cx.lock())
    );
    let statement = cx.statement();
    let help = if names.iter().any(|name| cx.is_index_of_partitioned(name)) {
        vec![
            "PostgreSQL cannot drop the index of a partitioned table concurrently: drop it when little is running"
                .to_owned(),
        ]
    } else {
        alone(cx, &one_by_one(names, tolerant))
    };
    cx.report("blocking-drop-index", statement, message, help);
}

/// `DROP INDEX CONCURRENTLY` accepts a single index.
fn one_by_one(names: &[Name], tolerant: bool) -> String {
    let exists = if tolerant { "IF EXISTS " } else { "" };
    let each = names.iter().map(|name| format!("DROP INDEX CONCURRENTLY {exists}{}", name.written));
    each.collect::<Vec<_>>().join("; ")
}

/// Reports forms of `DROP INDEX CONCURRENTLY` that no server accepts.
fn drop_index_concurrently(cx: &mut Context<'_, '_>, names: &[Name], tolerant: bool, cascade: bool) {
    let (why, help) = if let Some(name) = names.iter().find(|name| cx.is_index_of_partitioned(name)) {
        let why =
            format!("`{}` is an index of a partitioned table, which cannot be dropped concurrently", name.written);
        let exists = if tolerant { "IF EXISTS " } else { "" };
        let help = format!("when little is running, `DROP INDEX {exists}{}`", name.written);
        (why, help)
    } else if names.len() > 1 {
        let why = "`DROP INDEX CONCURRENTLY` drops one index at a time".to_owned();
        (why, format!("write `{}`", one_by_one(names, tolerant)))
    } else if cascade {
        let why = "`DROP INDEX CONCURRENTLY` does not accept `CASCADE`".to_owned();
        let help = format!(
            "first drop what depends on the index, such as a foreign key, and then `{}`",
            one_by_one(names, tolerant)
        );
        (why, help)
    } else {
        return;
    };
    cx.report("blocking-drop-index", cx.statement(), format!("PostgreSQL refuses this: {why}"), vec![help]);
    refused(cx);
}

fn constrain(cx: &mut Context<'_, '_>, table: &Name, constraint: &Constraint<'_>, range: std::ops::Range<usize>) {
    let rest = constraint.rest;
    let shown = &table.written;
    let name = name_of_new(cx, table, constraint);
    match constraint.kind {
        ConstraintKind::Check | ConstraintKind::ForeignKey | ConstraintKind::NotNull => {
            // Since PostgreSQL 18, a foreign key of a partitioned table may be NOT VALID.
            let by_partition = constraint.kind == ConstraintKind::ForeignKey
                && cx.is_partitioned(table)
                && cx.input.release.is_none_or(|release| release.major() < 18);
            if by_partition && rest.has("not valid") {
                return refused_not_valid(cx, table, &name, rest, range);
            }
            if rest.has("not valid") || rest.has("not enforced") {
                return;
            }
            let what = match constraint.kind {
                ConstraintKind::ForeignKey => {
                    let mut to = rest;
                    let other = to.seek("references").then(|| to.table()).flatten();
                    let both = match other.filter(|other| other.key != table.key) {
                        Some(other) => format!("`{shown}` or `{}`", other.written),
                        None => format!("`{shown}`"),
                    };
                    format!(
                        "nobody can write to {both} while every row is checked: `FOREIGN KEY` holds {} locks until the commit",
                        cx.lock_of(&range)
                    )
                }
                ConstraintKind::NotNull => return not_null_constraint(cx, table, constraint, range),
                _ => format!(
                    "nobody can read or write `{shown}` while every row is checked: `CHECK` holds {} until the commit",
                    a_lock(cx.lock_of(&range))
                ),
            };
            let word = if constraint.kind == ConstraintKind::ForeignKey { "FOREIGN KEY" } else { "CHECK" };
            let says = rest.written();
            if by_partition {
                return cx.report("blocking-constraint", range, what, vec![key_by_partitions(shown, &name, rest)]);
            }
            let help = vec![format!(
                "add it unchecked, which is fast, and check the rows in the next migration, while others can write: \
                 `ALTER TABLE {shown} ADD CONSTRAINT {name} {word} {says} NOT VALID`, then \
                 `ALTER TABLE {shown} VALIDATE CONSTRAINT {name}`"
            )];
            cx.report("blocking-constraint", range, what, help);
        }
        ConstraintKind::Unique | ConstraintKind::PrimaryKey => {
            let mut index = rest;
            if rest.seek_group().is_none() && index.seek("using index") {
                if constraint.kind == ConstraintKind::PrimaryKey
                    && let Some(index) = index.name()
                {
                    key_from_index(cx, table, &index, range);
                }
                return;
            }
            let word = if constraint.kind == ConstraintKind::Unique { "UNIQUE" } else { "PRIMARY KEY" };
            let message = format!(
                "nobody can read or write `{shown}` while the index of this constraint is built: `ADD {word}` holds {} \
                 until the commit",
                a_lock(cx.lock_of(&range))
            );
            let help = by_index(cx, table, &name, word, rest);
            cx.report("blocking-unique", range, message, vec![help]);
        }
        ConstraintKind::Exclude => {
            let message = format!(
                "nobody can read or write `{shown}` while the index of this constraint is built: `EXCLUDE` holds {} \
                 until the commit",
                a_lock(cx.lock_of(&range))
            );
            let help =
                "PostgreSQL has no fast way: do it while the table is small, or in a maintenance window".to_owned();
            cx.report("blocking-unique", range, message, vec![help]);
        }
    }
}

/// Reports a constraint that is added with `NOT VALID` and validated in the same transaction: the rows are then checked
/// under the lock of the first statement.
fn validate(cx: &mut Context<'_, '_>, table: &Name, name: &Name, range: std::ops::Range<usize>) {
    if !cx.file.is_transactional {
        return;
    }
    let added = cx.up_to_here().find_map(|change| match change {
        Change::AlterTable { table: of, actions } if of.key == table.key => {
            actions.iter().find_map(|(at, action)| match action {
                Action::AddConstraint(constraint) if key(constraint_name::usual(of, constraint).last()) == name.key => {
                    Some((constraint.kind, at.clone()))
                }
                _ => None,
            })
        }
        _ => None,
    });
    let Some((kind, at)) = added else { return };
    let shown = &table.written;
    let who = if kind == ConstraintKind::ForeignKey { "nobody can write to" } else { "nobody can read or write" };
    let message = format!(
        "{who} `{shown}` while every row is checked: `ADD CONSTRAINT` holds {} from above until the commit",
        a_lock(cx.lock_of(&at))
    );
    let help = format!(
        "give it a migration of its own, after this one: `ALTER TABLE {shown} VALIDATE CONSTRAINT {}`",
        name.written
    );
    cx.report("blocking-constraint", range, message, vec![help]);
}

/// Reports the constraints of a new column that build an index or check every row.
fn add_column(cx: &mut Context<'_, '_>, table: &Name, column: &Column<'_>, range: std::ops::Range<usize>) {
    if cx.is_empty(table) {
        return;
    }
    let (shown, name) = (&table.written, &column.name.written);
    let has_value = column.default.is_some_and(|default| !default.is("null"));
    let kinds = [("primary key", ConstraintKind::PrimaryKey), ("unique", ConstraintKind::Unique)];
    if let Some((words, kind)) = kinds.into_iter().find(|(words, _)| column.rest.has(words)) {
        let word = words.to_uppercase();
        let message = format!(
            "nobody can read or write `{shown}` while the index of `{name}` is built: `ADD COLUMN … {word}` holds {} until \
             the commit",
            a_lock(cx.lock_of(&range))
        );
        let parts: &[&str] = match kind {
            ConstraintKind::PrimaryKey => &[table.written.last(), "pkey"],
            _ => &[table.written.last(), name.last(), "key"],
        };
        let constraint = Written::joined(parts);
        let help = if cx.is_partitioned(table) {
            format!(
                "add the column without `{word}`, then add the constraint in a migration of its own once every partition has an index for it"
            )
        } else {
            let numbers_itself = column.is_serial() || column.rest.has("as identity");
            let first = match kind {
                ConstraintKind::PrimaryKey if has_value && !column.rest.has("not null") => {
                    format!("add the column with `NOT NULL` instead of `{word}`;")
                }
                ConstraintKind::PrimaryKey if !has_value && !numbers_itself => format!(
                    "add the column without `{word}`, fill it, and make it NOT NULL without scanning the table under the \
                     lock: {}; then",
                    nulls::proof(table, std::slice::from_ref(&column.name))
                ),
                _ => format!("add the column without `{word}`;"),
            };
            format!(
                "{first} build the index in a migration of its own with `-- lockgate: \
                 no-transaction` as its first line: `CREATE UNIQUE INDEX CONCURRENTLY {constraint} ON {shown} ({name})`; then \
                 `ALTER TABLE {shown} ADD CONSTRAINT {constraint} {word} USING INDEX {constraint}`"
            )
        };
        cx.report("blocking-unique", range.clone(), message, vec![help]);
    }
    let word = match (column.rest.has("check"), has_value && column.rest.has("references")) {
        (true, _) => "CHECK",
        (false, true) => "REFERENCES",
        (false, false) => return,
    };
    let message = format!(
        "nobody can read or write `{shown}` while every row is checked: `ADD COLUMN … {word}` holds {} until the commit",
        a_lock(cx.lock_of(&range))
    );
    let help = format!(
        "add the column without `{word}`, then the constraint with `NOT VALID`, and check the rows in the next \
         migration with `VALIDATE CONSTRAINT`, while others can write"
    );
    cx.report("blocking-constraint", range, message, vec![help]);
}

/// Returns the help that builds the index of a constraint concurrently first. `rest` begins after the constraint's
/// keyword.
fn by_index(cx: &Context<'_, '_>, table: &Name, name: &Written, word: &str, mut rest: Cursor<'_>) -> String {
    let shown = &table.written;
    if cx.is_partitioned(table) {
        return format!(
            "`{shown}` is partitioned: first give each partition such a constraint, with the index of a `CREATE \
             UNIQUE INDEX CONCURRENTLY`; then this one uses them and builds none"
        );
    }
    let nulls = ["nulls not distinct", "nulls distinct"].into_iter().find(|words| rest.take(words));
    let group = rest.group();
    let columns = group.map_or_else(String::new, |group| group.written());
    let free = free_name(cx, table, name);
    let (mut index, mut constraint) = (String::new(), String::new());
    if rest.take("include")
        && let Some(group) = rest.group()
    {
        index += &format!(" INCLUDE ({})", group.written());
    }
    if let Some(words) = nulls {
        index += &format!(" {}", words.to_uppercase());
    }
    if rest.take("with")
        && let Some(group) = rest.group()
    {
        index += &format!(" WITH ({})", group.written());
    }
    if rest.take("using index tablespace")
        && let Some(space) = rest.name()
    {
        index += &format!(" TABLESPACE {}", space.written);
    }
    if !rest.ended() {
        constraint = format!(" {}", rest.written());
    }
    let nullable = match (word, group) {
        ("PRIMARY KEY", Some(group)) => nulls::unproven(cx, table, change::plain_columns(group)),
        _ => Vec::new(),
    };
    let proof = match nullable.as_slice() {
        [] => String::new(),
        nullable => format!(
            "make the {} NOT NULL before, without scanning the table under the lock: {}; then ",
            if nullable.len() == 1 { "column" } else { "columns" },
            nulls::proof(table, nullable)
        ),
    };
    // The columns must exist before the index is built.
    let missing = group.map_or_else(Vec::new, |group| added(cx, table, group));
    let first = match missing.as_slice() {
        [] => String::new(),
        [column] => format!("add the column `{column}` in a migration before this one, and "),
        columns => format!("add the columns `{}` in a migration before this one, and ", columns.join("`, `")),
    };
    let before = match (proof.is_empty(), missing.is_empty()) {
        (false, _) => "",
        (true, true) => " before",
        (true, false) => " after that",
    };
    format!(
        "{first}{proof}build the index{before}, in a migration of its own with `-- lockgate: no-transaction` as its first line: \
         `CREATE UNIQUE INDEX CONCURRENTLY {free} ON {shown} ({columns}){index}`; then \
         `ALTER TABLE {shown} ADD CONSTRAINT {name} {word} USING INDEX {free}{constraint}`"
    )
}

/// Reports a foreign key with `NOT VALID` on a partitioned table, which servers before PostgreSQL 18 refuse.
fn refused_not_valid(
    cx: &mut Context<'_, '_>,
    table: &Name,
    name: &Written,
    rest: Cursor<'_>,
    range: std::ops::Range<usize>,
) {
    let shown = &table.written;
    let message = format!(
        "PostgreSQL refuses this before release 18: `{shown}` is partitioned, so its foreign keys cannot be `NOT VALID`"
    );
    cx.report("blocking-constraint", range, message, vec![key_by_partitions(shown, name, rest)]);
    if cx.input.release.is_some() {
        refused(cx);
    }
}

/// Returns how to add a foreign key to a partitioned table. A valid key of a partition becomes part of it.
fn key_by_partitions(table: &Written, name: &Written, rest: Cursor<'_>) -> String {
    let says = rest.written();
    let says = says.strip_suffix(" NOT VALID").unwrap_or(&says);
    format!(
        "`{table}` is partitioned: first add the key to each partition with `ADD CONSTRAINT {name} FOREIGN KEY {says} NOT VALID`, and \
         validate it there in the next migration, while others can write; then \
         `ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY {says}` uses those keys and checks no row"
    )
}

/// Reports a table that becomes a partition and must be scanned for rows that do not belong there.
fn attach(cx: &mut Context<'_, '_>, table: &Name, part: &Name, range: std::ops::Range<usize>) {
    // Whether a CHECK implies the bounds is for the server to say.
    let has_check = cx.earlier(&part.key, |event, of| match event {
        SchemaEvent::CheckAdded { table, .. } if table == of => Some(true),
        SchemaEvent::TableCreated { table, .. } if table == of => Some(false),
        _ => None,
    });
    if cx.is_empty(part) || has_check == Some(true) {
        return;
    }
    let (shown, whole) = (&part.written, &table.written);
    let message = format!(
        "nobody can read or write `{shown}` while every row is checked: `ATTACH PARTITION` holds {} on it until the commit",
        a_lock(TableLock::AccessExclusive)
    );
    let check = Written::joined(&[shown.last(), "bounds"]);
    let help = format!(
        "prove with a check first that every row belongs there: `ALTER TABLE {shown} ADD CONSTRAINT {check} CHECK (…) NOT \
         VALID`, with the bounds of the partition and `IS NOT NULL` for the key of `{whole}`; in the next migration \
         `ALTER TABLE {shown} VALIDATE CONSTRAINT {check}`, while others can write; in the one after it this statement, \
         which then scans no row, and `ALTER TABLE {shown} DROP CONSTRAINT {check}`"
    );
    cx.report("blocking-constraint", range, message, vec![help]);
}

/// Reports a primary key whose index exists, but whose columns may have NULLs as far as the server knows.
fn key_from_index(cx: &mut Context<'_, '_>, table: &Name, index: &Name, range: std::ops::Range<usize>) {
    let columns = nulls::unproven(cx, table, nulls::columns_of_index(cx, &index.key));
    if columns.is_empty() {
        return;
    }
    let shown = &table.written;
    let names: Vec<String> = columns.iter().map(|column| format!("`{}`", column.written)).collect();
    let message = format!(
        "nobody can read or write `{shown}` while every row is checked for NULL in {}: `ADD PRIMARY KEY` holds {} until \
         the commit",
        names.join(" and "),
        a_lock(cx.lock_of(&range))
    );
    let help = format!("rule NULLs out before: {}", nulls::proof(table, &columns));
    cx.report("set-not-null", range, message, vec![help]);
}

/// Returns a name for an index that is built before the script and that becomes the constraint's. If the script drops an
/// object that may have the same name, the name is another one.
fn free_name(cx: &Context<'_, '_>, table: &Name, name: &Written) -> Written {
    let drops = cx.up_to_here().any(|change| match change {
        Change::AlterTable { table: of, actions } if of.key == table.key => {
            actions.iter().any(|(_, action)| matches!(action, Action::DropConstraint | Action::DropColumn { .. }))
        }
        Change::Drop { what: "index", names, .. } => names.iter().any(|dropped| dropped.written.last() == name.last()),
        _ => false,
    });
    if drops { Written::joined(&[name.last(), "new"]) } else { name.clone() }
}

/// Returns those of the columns that the script itself adds to the table.
fn added(cx: &Context<'_, '_>, table: &Name, columns: Cursor<'_>) -> Vec<String> {
    let mut columns = columns.pieces();
    let mut missing: Vec<Name> = columns.iter_mut().filter_map(Cursor::name).collect();
    missing.retain(|wanted| {
        cx.up_to_here().any(|change| match change {
            Change::AlterTable { table: of, actions } if of.key == table.key => actions
                .iter()
                .any(|(_, action)| matches!(action, Action::AddColumn(column) if column.name.key == wanted.key)),
            _ => false,
        })
    });
    missing.iter().map(|column| column.written.to_string()).collect()
}

fn not_null_constraint(
    cx: &mut Context<'_, '_>,
    table: &Name,
    constraint: &Constraint<'_>,
    range: std::ops::Range<usize>,
) {
    let shown = &table.written;
    let message = format!(
        "nobody can read or write `{shown}` while every row is checked: `NOT NULL` holds {} until the commit",
        a_lock(cx.lock_of(&range))
    );
    let (name, says) = (name_of_new(cx, table, constraint), constraint.rest.written());
    let help = format!(
        "`ALTER TABLE {shown} ADD CONSTRAINT {name} NOT NULL {says} NOT VALID`, and in the next migration \
         `ALTER TABLE {shown} VALIDATE CONSTRAINT {name}`"
    );
    cx.report("set-not-null", range, message, vec![help]);
}

fn not_null(cx: &mut Context<'_, '_>, table: &Name, column: &Name, range: std::ops::Range<usize>) {
    let (shown, column) = (&table.written, &column.written);
    let message = format!(
        "nobody can read or write `{shown}` while every row is checked: `SET NOT NULL` holds {} until the commit",
        a_lock(cx.lock_of(&range))
    );
    let check = Written::joined(&[table.written.last(), column.last(), "not_null"]);
    let help = vec![format!(
        "prove it with a check first: `ALTER TABLE {shown} ADD CONSTRAINT {check} CHECK ({column} IS NOT NULL) NOT VALID`; in \
         the next migration `ALTER TABLE {shown} VALIDATE CONSTRAINT {check}`, while others can write; in the one after it \
         this statement, which then scans no row, and `ALTER TABLE {shown} DROP CONSTRAINT {check}`, as the check is no \
         longer needed"
    )];
    cx.report("set-not-null", range, message, help);
}

/// Returns the name of a constraint that the statement adds, or one that the table does not have yet.
fn name_of_new(cx: &Context<'_, '_>, table: &Name, constraint: &Constraint<'_>) -> Written {
    let mut before = Vec::new();
    cx.earlier(&table.key, |event, of| -> Option<()> {
        match event {
            SchemaEvent::ConstraintNamed { table, name, is_chosen } if table == of => {
                before.push((name.clone(), *is_chosen));
            }
            SchemaEvent::TableCreated { table, .. } if table == of => return Some(()),
            _ => {}
        }
        None
    });
    // Events come latest first.
    before.reverse();
    if let Some(Change::AlterTable { actions, .. }) = &cx.changes[cx.at] {
        for (_, action) in actions {
            match action {
                Action::AddConstraint(other) if other.start() < constraint.start() => {
                    before.push((constraint_name::usual(table, other), other.name.is_some()));
                }
                Action::AddColumn(column) => before.extend(constraint_name::of_column(table, column)),
                _ => {}
            }
        }
    }
    let mut taken = HashSet::new();
    for (name, is_chosen) in before {
        let name = if is_chosen { name } else { unused(&taken, &name) };
        taken.insert(key(name.last()));
    }
    let name = constraint_name::usual(table, constraint);
    if constraint.name.is_some() { name } else { unused(&taken, &name) }
}

/// Returns this name, with a number if it is taken.
fn unused(taken: &HashSet<String>, name: &Written) -> Written {
    let mut free = name.clone();
    let mut number = 0;
    while taken.contains(&key(free.last())) {
        number += 1;
        free = name.numbered(number);
    }
    free
}
