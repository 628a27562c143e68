//! Reads one statement: which lock it takes on which table, according to PostgreSQL's manual, which tables it creates,
//! and whether it destroys their data.

use lockgate_core::touch::is_same_table;
use lockgate_core::{Dialect, TableLock};

use super::alter;
use super::effect::{TableEffects, made, references};
use crate::cursor::Cursor;

/// Returns the effects of a statement.
pub(super) fn statement(dialect: Dialect, at: Cursor<'_>) -> TableEffects {
    let mut doing = TableEffects::default();
    read(dialect, at, &mut doing);
    doing
}

fn read(dialect: Dialect, mut at: Cursor<'_>, doing: &mut TableEffects) {
    if at.take("with") {
        common(dialect, at, doing);
    } else if at.take("create") {
        create(at, doing);
    } else if at.take("alter") {
        alter(at, doing);
    } else if at.take("drop") {
        drop(dialect, at, doing);
    } else if at.take("truncate") {
        at.take("table");
        doing.lose(tables(&mut at), TableLock::AccessExclusive);
    } else if at.is("delete") {
        if at.seek("from") {
            at.take("only");
            doing.lose(at.path(), TableLock::RowExclusive);
        }
    } else if at.take("update") {
        at.take("only");
        doing.lock(at.path(), TableLock::RowExclusive);
    } else if at.is_any(&["insert", "replace"]) {
        if at.seek("into") {
            doing.lock(at.path(), TableLock::RowExclusive);
            doing.copies.extend(sources(at));
        }
    } else if at.take("merge into") {
        at.take("only");
        match (at.path(), at.has("then delete")) {
            (table, true) => doing.lose(table, TableLock::RowExclusive),
            (table, false) => doing.lock(table, TableLock::RowExclusive),
        }
    } else if at.take("select") {
        select(at, doing);
    } else if at.take("copy") {
        let table = at.path();
        at.group();
        if at.is("from") {
            doing.lock(table, TableLock::RowExclusive);
        }
    } else if at.take("lock") {
        at.take("table");
        let tables = tables(&mut at);
        doing.lock(tables, named(at));
    } else if at.take("refresh materialized view") {
        let lock = if at.take("concurrently") { TableLock::Exclusive } else { TableLock::AccessExclusive };
        doing.lock(at.path(), lock);
    } else if at.take("comment on") {
        comment(at, doing);
    } else if let Some(group) = Some(at).and_then(|mut at| at.group()) {
        read(dialect, group, doing);
    } else {
        maintain(at, doing);
    }
}

/// Reads what follows WITH: the named queries, and the statement that uses them.
fn common(dialect: Dialect, mut at: Cursor<'_>, doing: &mut TableEffects) {
    while !at.ended() {
        if let Some(group) = at.group() {
            read(dialect, group, doing);
        } else if at.is_any(&["select", "insert", "update", "delete", "merge"]) {
            return read(dialect, at, doing);
        } else {
            at.next();
        }
    }
}

/// Reads a list of tables, each perhaps with ONLY before it and a star or columns after it.
pub(super) fn tables(at: &mut Cursor<'_>) -> Vec<String> {
    let mut tables = Vec::new();
    loop {
        at.take("table");
        at.take("only");
        let Some(table) = at.path() else { return tables };
        tables.push(table);
        if at.is_mark("*") {
            at.next();
        }
        at.group();
        if at.take("where") {
            at.group();
        }
        if !at.is_mark(",") {
            return tables;
        }
        at.next();
    }
}

/// Reads the tables after each FROM.
fn sources(mut at: Cursor<'_>) -> Vec<String> {
    let mut tables = Vec::new();
    while at.seek("from") {
        tables.extend(at.path());
    }
    tables
}

fn select(at: Cursor<'_>, doing: &mut TableEffects) {
    let mut into = at;
    if into.seek("into") {
        while into.is_any(&["temp", "temporary", "unlogged", "table"]) {
            doing.is_temporary |= into.is_any(&["temp", "temporary"]);
            into.next();
        }
        // MySQL reads into variables and files.
        if !into.is_any(&["outfile", "dumpfile"]) && !into.is_mark("@") {
            doing.touches.extend(into.path().map(made));
            doing.copies.extend(sources(at));
        }
    }
    if ["for update", "for share", "for no key update", "for key share"].into_iter().any(|words| at.has(words)) {
        doing.lock(sources(at), TableLock::RowShare);
    }
}

/// Returns the lock that `LOCK TABLE` names after the tables.
pub(super) fn named(mut at: Cursor<'_>) -> TableLock {
    if !at.take("in") {
        return TableLock::AccessExclusive;
    }
    let locks = TableLock::ALL.into_iter();
    let mut longest = locks.filter(|lock| at.clone().take(&format!("{} mode", lock.as_str().to_lowercase())));
    longest.next().unwrap_or(TableLock::AccessExclusive)
}

fn create(mut at: Cursor<'_>, doing: &mut TableEffects) {
    let replaces = at.take("or replace");
    doing.is_temporary = at.adjectives();
    if at.take("table") {
        doing.may_exist = at.take("if not exists");
        create_table(at, doing);
    } else if at.take("index") {
        let lock = if at.take("concurrently") { TableLock::ShareUpdateExclusive } else { TableLock::Share };
        at.take("if not exists");
        let index = if at.is("on") { None } else { at.path() };
        if at.take("on") {
            at.take("only");
            let table = at.path();
            doing.index = index.zip(table.clone());
            doing.lock(table, lock);
        }
    } else if at.take("view") {
        at.take("if not exists");
        match (at.path(), replaces) {
            (view, true) => doing.lock(view, TableLock::AccessExclusive),
            (view, false) => doing.touches.extend(view.map(made)),
        }
    } else if at.take("trigger") {
        if at.seek("on") {
            doing.lock(at.path(), TableLock::ShareRowExclusive);
        }
    } else if at.take("rule") {
        if at.seek("to") {
            doing.lock(at.path(), TableLock::AccessExclusive);
        }
    } else if at.take("policy") {
        if at.seek("on") {
            doing.lock(at.path(), TableLock::AccessExclusive);
        }
    } else if at.take("statistics") {
        if at.seek("from") {
            doing.lock(at.path(), TableLock::ShareUpdateExclusive);
        }
    } else if at.take("publication") && at.seek("for table") {
        doing.lock(tables(&mut at), TableLock::ShareUpdateExclusive);
    }
}

fn create_table(mut at: Cursor<'_>, doing: &mut TableEffects) {
    let Some(table) = at.path() else { return };
    let mut rest = at;
    if rest.take("partition of") {
        doing.lock(rest.path(), TableLock::AccessExclusive);
    }
    if rest.seek("inherits")
        && let Some(mut parents) = rest.group()
    {
        doing.lock(tables(&mut parents), TableLock::ShareUpdateExclusive);
    }
    doing.lock(references(at).filter(|other| !is_same_table(other, &table)), TableLock::ShareRowExclusive);
    if at.has("as") {
        doing.copies.extend(sources(at));
    }
    doing.touches.push(made(table));
}

fn alter(mut at: Cursor<'_>, doing: &mut TableEffects) {
    at.take("materialized");
    at.take("foreign");
    if at.take("table") || at.take("view") {
        at.take("if exists");
        at.take("only");
        if at.is("all") {
            return;
        }
        let Some(table) = at.path() else { return };
        if at.is_mark("*") {
            at.next();
        }
        alter::table(&table, at, doing);
    } else if at.take("trigger") || at.take("policy") || at.take("rule") {
        if at.seek("on") {
            doing.lock(at.path(), TableLock::AccessExclusive);
        }
    } else if at.take("publication") {
        at.path();
        at.next();
        if at.is("table") {
            doing.lock(tables(&mut at), TableLock::ShareUpdateExclusive);
        }
    } else if at.take("type") {
        doing.destroys |= at.has("drop attribute");
    }
}

fn drop(dialect: Dialect, mut at: Cursor<'_>, doing: &mut TableEffects) {
    at.take("temporary");
    let foreign = at.take("foreign");
    if at.take("table") {
        at.take("if exists");
        let tables = tables(&mut at);
        // The rows of a foreign table are on another server and are kept.
        match foreign {
            true => doing.lock(tables, TableLock::AccessExclusive),
            false => doing.lose(tables, TableLock::AccessExclusive),
        }
        doing.drops = true;
    } else if at.take("view") || at.take("materialized view") {
        at.take("if exists");
        doing.lock(tables(&mut at), TableLock::AccessExclusive);
    } else if at.take("index") {
        let lock = if at.take("concurrently") { TableLock::ShareUpdateExclusive } else { TableLock::AccessExclusive };
        at.take("if exists");
        doing.lock_of_index(tables(&mut at), lock);
    } else if at.take("trigger") || at.take("policy") || at.take("rule") {
        if at.seek("on") {
            doing.lock(at.path(), TableLock::AccessExclusive);
        }
    } else if at.is_any(&["database", "owned"]) {
        doing.destroys = true;
    } else if at.is_any(&["schema", "type", "domain", "extension", "collation"]) {
        // Without CASCADE PostgreSQL drops no object that a table needs, and no schema that has a table.
        doing.destroys = at.has("cascade") || dialect == Dialect::Mysql && at.is("schema");
    }
}

fn comment(mut at: Cursor<'_>, doing: &mut TableEffects) {
    let lock = TableLock::ShareUpdateExclusive;
    if at.take("table") || at.take("view") || at.take("materialized view") || at.take("foreign table") {
        doing.lock(at.path(), lock);
    } else if at.take("column") {
        let column = at.before(&["is"]);
        if let Some(last) = column.tokens.iter().rposition(|token| column.shown(*token) == ".") {
            doing.lock(column.on(&column.tokens[..last]).path(), lock);
        }
    }
}

fn maintain(mut at: Cursor<'_>, doing: &mut TableEffects) {
    let is_on = |options: Cursor<'_>, name: &str| {
        options.pieces().iter().any(|option| option.is(name) && !["false", "off"].iter().any(|no| option.has(no)))
    };
    if at.take("vacuum") {
        let full = match at.group() {
            Some(options) => is_on(options, "full"),
            None => at.take("full"),
        };
        while at.is_any(&["freeze", "verbose", "analyze", "analyse"]) {
            at.next();
        }
        let lock = if full { TableLock::AccessExclusive } else { TableLock::ShareUpdateExclusive };
        doing.lock(tables(&mut at), lock);
    } else if at.take("analyze") || at.take("analyse") {
        at.group();
        at.take("verbose");
        doing.lock(tables(&mut at), TableLock::ShareUpdateExclusive);
    } else if at.take("cluster") {
        at.group();
        at.take("verbose");
        // `CLUSTER index ON table` is the old syntax.
        let table = at.path();
        let table = if at.take("on") { at.path() } else { table };
        doing.lock(table, TableLock::AccessExclusive);
    } else if at.take("reindex") {
        let options = at.group();
        let of_index = at.take("index");
        if !of_index && !at.take("table") {
            return;
        }
        let concurrently = at.take("concurrently") || options.is_some_and(|options| is_on(options, "concurrently"));
        let lock = if concurrently { TableLock::ShareUpdateExclusive } else { TableLock::Share };
        match of_index {
            true => doing.lock_of_index(at.path(), lock),
            false => doing.lock(at.path(), lock),
        }
    }
}
