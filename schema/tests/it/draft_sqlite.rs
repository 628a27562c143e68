//! What a draft for SQLite says of what SQLite does not have. Drafts that run are tested on real databases.

use lockgate_core::Dialect;
use lockgate_schema::draft::{Loss, Mode, Step, draft};
use lockgate_schema::{Name, Schema, Table};

use crate::build;

fn schema(dialect: Dialect, tables: impl IntoIterator<Item = Table>) -> Schema {
    Schema { tables: tables.into_iter().collect(), ..Schema::empty(dialect) }
}

fn table() -> Table {
    Table { name: Name::plain("t"), ..build::table("t", [build::column("a", "TEXT")]) }
}

/// Returns the steps as text.
fn steps(from: &Schema, to: &Schema) -> Vec<String> {
    let drafted = draft(from, to, Mode::Online);
    let step = |step: &Step| match step {
        Step::Statement(statement) => statement.sql.clone(),
        Step::Open { what, why } => format!("open: {what}: {why}"),
    };
    drafted.steps().map(step).collect()
}

#[test]
fn what_sqlite_does_not_have_is_named() {
    let mut with_comment = table();
    with_comment.columns[0].comment = Some("where we write to".to_owned());
    let (from, mut to) = (schema(Dialect::Sqlite, [table()]), schema(Dialect::Sqlite, [with_comment]));
    to.sequences = vec![build::sequence("s")];
    assert_eq!(
        steps(&from, &to),
        [
            "open: table t: column a: comment where we write to is new: SQLite has no such thing",
            "open: sequence public.s: is new: SQLite has no such thing",
        ]
    );
    let mut other = build::table("u", [build::column("a", "TEXT")]);
    other.name = Name::plain("u");
    to.tables.push(other);
    assert_eq!(
        steps(&from, &to).last().map(String::as_str),
        Some("CREATE TABLE u (\n  a TEXT\n)"),
        "the rest is drafted"
    );
}

#[test]
fn nothing_is_drafted_for_mysql_and_all_of_it_is_named() {
    let (from, to) = (schema(Dialect::Mysql, []), schema(Dialect::Mysql, [table()]));
    assert_eq!(steps(&from, &to), ["open: table t: is new: this release drafts nothing for MySQL"]);
    assert!(draft(&to, &to, Mode::Online).is_empty());
}

/// SQLite makes a number of '007', and does not say so.
#[test]
fn a_text_that_becomes_a_number_is_a_loss() {
    let with = |data_type: &str| {
        schema(
            Dialect::Sqlite,
            [Table { name: Name::plain("t"), ..build::table("t", [build::column("a", data_type)]) }],
        )
    };
    for (before, after, losses) in [
        ("TEXT", "INTEGER", vec![Loss::Precision]),
        ("TEXT", "NUMERIC", vec![Loss::Precision]),
        ("TEXT", "REAL", vec![Loss::Precision]),
        ("INTEGER", "TEXT", vec![]),
        ("INTEGER", "NUMERIC", vec![]),
        ("TEXT", "VARCHAR(9)", vec![]),
    ] {
        assert_eq!(draft(&with(before), &with(after), Mode::Online).losses(), losses, "{before} to {after}");
    }
}
