//! The rows of fills on the database that a walk starts on, which is a copy of a template.

use std::sync::atomic::{AtomicUsize, Ordering};

use lockgate::Dialect;
use lockgate_harness::__private::{MigrationTest, TestPart};
use lockgate_harness::{Db, Phase, TestResult};

use super::{Sql, caught, on_each, passes, tests};

on_each!(the_rows_of_fills_are_there_above_a_template, a_fill_below_a_template_fails_by_its_name);

/// `0003_t3` makes `t3`, and there are forty of them.
fn files() -> Vec<(String, String)> {
    let each = |n: u32| {
        [
            (format!("{n:04}_t{n}.up.sql"), format!("CREATE TABLE t{n} (name TEXT NOT NULL);\n")),
            (format!("{n:04}_t{n}.down.sql"), format!("DROP TABLE t{n};\n")),
        ]
    };
    (1..=40).flat_map(each).collect()
}

async fn the_rows_of_fills_are_there_above_a_template(dialect: Dialect) {
    static FILLS: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];
    async fn fill(db: &mut Db) -> TestResult {
        FILLS[usize::from(db.dialect() == Dialect::Postgres)].fetch_add(1, Ordering::Relaxed);
        db.execute("INSERT INTO t2 VALUES ('a')").await.map(drop)
    }
    let files = files();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let low = MigrationTest { fill: Some(TestPart::Rust(|db| Box::pin(fill(db)))), ..Sql::default().of(3) };
    // It needs the rows of the other fill, which are in an earlier template.
    let lean = Sql { fill: &["INSERT INTO t18 SELECT name FROM t2"], ..Sql::default() };
    let there = Sql { before: &["SELECT count(*) = 1 FROM t2", "SELECT count(*) = 1 FROM t18"], ..Sql::default() };
    let twice = |n| Sql { after: &["SELECT 1 = (SELECT count(*) FROM t40)"], ..there }.of(n);
    let tests = tests(&files, vec![low, lean.of(19), twice(40)]);
    // The rows are there, so the walk only fails at `after`.
    caught(tests, dialect, 40, Phase::After, &["t40"]).await;
    for version in [17, 20, 36, 39] {
        passes(tests, dialect, version).await;
    }
    let index = usize::from(dialect == Dialect::Postgres);
    let own = std::env::var("LOCKGATE_TEST_POSTGRES").is_ok_and(|url| !url.is_empty());
    let expected = if dialect == Dialect::Postgres && own { 5 } else { 1 };
    let count = FILLS[index].load(Ordering::Relaxed);
    assert!([0, expected].contains(&count), "the fill ran {count} times, not {expected}");
}

async fn a_fill_below_a_template_fails_by_its_name(dialect: Dialect) {
    let files = files();
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let bad = Sql { fill: &["INSERT INTO t2 VALUES (NULL)"], ..Sql::default() };
    let tests = tests(&files, vec![bad.of(3)]);
    caught(tests, dialect, 20, Phase::Fill, &["0003_t3", "t2"]).await;
}
