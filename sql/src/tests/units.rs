//! The units in which a script outside a transaction is recorded.

use lockgate_core::UnitKind::{Alone, Block, Session, Transaction};
use lockgate_core::{UnitKind, unit};

use super::*;

/// The units of a script, each as its kind and the number of its statements.
#[track_caller]
fn check(dialect: Dialect, text: &str, expected: &[(UnitKind, usize)]) {
    let statements = split(dialect, text).statements;
    let units = unit::units(dialect, text, &statements);
    let found: Vec<(UnitKind, usize)> = units.iter().map(|unit| (unit.kind, unit.statements.len())).collect();
    assert_eq!(found, expected, "{dialect}: {text}");
    let mut next = 0;
    for unit in units {
        assert_eq!(unit.statements.start, next, "{dialect}: {text}");
        next = unit.statements.end;
    }
    assert_eq!(next, statements.len(), "{dialect}: {text}");
}

#[test]
fn each_statement_that_can_run_in_a_transaction_is_a_unit() {
    check(Postgres, "", &[]);
    check(Postgres, "UPDATE t SET a = a + 1; SELECT 1;", &[(Transaction, 1), (Transaction, 1)]);
    check(
        Postgres,
        "DO $$ BEGIN SET a = 1; END $$; UPDATE t SET a = set_config('a', 'b', false)",
        &[(Transaction, 1), (Transaction, 1)],
    );
    check(Sqlite, "UPDATE t SET a = 1; CREATE TEMP TABLE x (a)", &[(Transaction, 1), (Transaction, 1)]);
}

#[test]
fn a_statement_that_refuses_a_transaction_is_alone() {
    let text = "CREATE INDEX CONCURRENTLY i ON t (a); CALL p(); COMMIT PREPARED 'x'; DO $$ BEGIN COMMIT; END $$";
    check(Postgres, text, &[(Alone, 1), (Alone, 1), (Alone, 1), (Alone, 1)]);
    check(Sqlite, "VACUUM; ANALYZE; PRAGMA wal_checkpoint", &[(Alone, 1), (Transaction, 1), (Alone, 1)]);
}

#[test]
fn statements_that_only_set_the_session_are_sent_again() {
    let text = "SET ROLE x; DISCARD ALL; LISTEN a; SELECT set_config('a', 'b', false); PREPARE q AS SELECT 1";
    check(Postgres, text, &[(Session, 1); 5]);
    check(Postgres, "SET LOCAL a = 1; SELECT set_config('a', f(), false)", &[(Transaction, 1), (Transaction, 1)]);
    check(
        Sqlite,
        "PRAGMA foreign_keys = OFF; ATTACH 'x' AS y; PRAGMA user_version = 2",
        &[(Session, 1), (Session, 1), (Transaction, 1)],
    );
}

#[test]
fn a_block_of_the_scripts_own_is_one_unit() {
    for dialect in Dialect::ALL {
        let text = "SELECT 1; BEGIN; UPDATE a SET n = 1; UPDATE b SET n = 2; COMMIT; SELECT 2";
        check(dialect, text, &[(Transaction, 1), (Block, 4), (Transaction, 1)]);
        let text = "BEGIN; SAVEPOINT x; SELECT 1; ROLLBACK TO x; RELEASE x; ROLLBACK; SELECT 2";
        check(dialect, text, &[(Block, 6), (Transaction, 1)]);
        check(
            dialect,
            "BEGIN; SELECT 1; COMMIT AND CHAIN; SELECT 2; COMMIT",
            &[(Block, 3), (Transaction, 1), (Block, 1)],
        );
        check(dialect, "BEGIN; SELECT 1", &[(Block, 2)]);
    }
    check(Postgres, "start transaction; SELECT 1; END; COMMIT", &[(Block, 3), (Block, 1)]);
    let text = "BEGIN; SELECT 1; PREPARE TRANSACTION 'and chain'; COMMIT PREPARED 'x'";
    check(Postgres, text, &[(Block, 3), (Alone, 1)]);
}

#[test]
fn savepoints_form_a_block_if_they_begin_a_transaction() {
    let text = "SAVEPOINT a; SAVEPOINT b; SELECT 1; RELEASE a; SELECT 2";
    check(Sqlite, text, &[(Block, 4), (Transaction, 1)]);
    check(Postgres, text, &[(Transaction, 4), (Transaction, 1)]);
    let text =
        "SAVEPOINT \"A b\"; SAVEPOINT 'b'; RELEASE SAVEPOINT /* x */ b; ROLLBACK TO \"a B\"; RELEASE \"a b\" -- c\n;";
    check(Sqlite, &format!("{text} SELECT 2"), &[(Block, 5), (Transaction, 1)]);
    check(Sqlite, "SAVEPOINT a; SELECT 1; COMMIT; SELECT 2", &[(Block, 3), (Transaction, 1)]);
    check(Postgres, "SAVEPOINT a; SELECT 1; VACUUM; SELECT 2", &[(Transaction, 2), (Alone, 1), (Transaction, 1)]);
}

#[test]
fn lines_for_a_client_belong_to_what_follows_them() {
    check(Postgres, "\\restrict x\nVACUUM;\n\\unrestrict x\n", &[(Alone, 3)]);
    check(Postgres, "\\restrict x\n", &[(Transaction, 1)]);
    check(Postgres, "SELECT 1;\n\\restrict x\nVACUUM;\n", &[(Transaction, 1), (Alone, 2)]);
}
