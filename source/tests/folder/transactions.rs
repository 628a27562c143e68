//! Statements that cannot run, or not the way that their script runs, by the dialects of the folder.

use lockgate_source::core::table::BodyData;
use lockgate_source::core::{Dialect, Dialects};

use crate::support::{Project, check};

const UNDECLARED: &str = "";
const POSTGRES: &str = "dialects = [\"postgres\"]\n";
const SQLITE: &str = "dialects = [\"sqlite\"]\n";
const BOTH: &str = "dialects = [\"postgres\", \"sqlite\"]\n";

#[track_caller]
fn codes(policy: &str, text: &str, expected: &[&str]) {
    let project = Project::new(&[("migrations.toml", policy), ("1_x.sql", text)]);
    let diagnostics = project.load().diagnostics;
    let codes: Vec<String> = diagnostics
        .iter()
        .map(|diagnostic| format!("{}:{}", diagnostic.code, diagnostic.position().map_or(0, |(line, _)| line)))
        .collect();
    assert_eq!(codes, expected, "{policy}{text}");
}

#[test]
fn an_end_without_a_begin_may_end_a_body() {
    check(
        &[
            ("migrations.toml", "dialects = [\"postgres\"]\n[lint]\nsyntax = \"allow\"\n"),
            ("1_x.sql", "CREATE PROCEDURE p() AS BEGIN\nUPDATE t SET a = 1;\nEND;\n"),
        ],
        "
migrations/1_x.sql:3:1 transaction-control: `END` is not allowed here: the script runs inside a transaction that Lockgate begins and commits
  if it ends the body of a function, procedure or trigger, write that body in `$$ … $$`: PostgreSQL takes it in no other way; otherwise delete it
",
    );
}

#[test]
fn a_script_that_brings_its_own_transaction_can_leave_it_out() {
    check(
        &[("1_x.sql", "-- dump\nBEGIN;\nCREATE TABLE a (id INT);\nCOMMIT;\n")],
        "
migrations/1_x.sql:2:1 transaction-control: `BEGIN` is not allowed here: the script runs inside a transaction that Lockgate begins and commits
  delete this line and line 4: Lockgate already gives the script a transaction of its own
",
    );
    check(
        &[("1_x.sql", "CREATE TABLE a (id INT);\nROLLBACK;\n")],
        "
migrations/1_x.sql:2:1 transaction-control: `ROLLBACK` is not allowed here: the script runs inside a transaction that Lockgate begins and commits
  delete it, or write `-- lockgate: no-transaction` as the first line and keep the script's own transactions
",
    );
}

#[test]
fn transaction_control_is_found_in_every_kind_of_folder() {
    for policy in [UNDECLARED, POSTGRES, SQLITE, BOTH] {
        codes(policy, "BEGIN;\nSELECT 1;\nCOMMIT;\n", &["transaction-control:1"]);
        codes(policy, "SELECT 1;\nCOMMIT;\nBEGIN;\n", &["transaction-control:2", "transaction-control:3"]);
        codes(policy, "SELECT 1;\nEND;\n", &["transaction-control:2"]);
        codes(policy, "SAVEPOINT a;\nSELECT 1;\nRELEASE a;\n", &[]);
        codes(policy, "-- lockgate: no-transaction\nBEGIN;\nSELECT 1;\nCOMMIT;\n", &[]);
    }
    codes(UNDECLARED, "START TRANSACTION;\nSELECT 1;\nCOMMIT;\n", &["transaction-control:1"]);
    codes(UNDECLARED, "BEGIN IMMEDIATE;\nSELECT 1;\nEND;\n", &["transaction-control:1"]);
}

#[test]
fn a_statement_that_refuses_a_transaction_names_the_directive() {
    check(
        &[("1_x.sql", "CREATE TABLE a (id INT);\nCREATE INDEX CONCURRENTLY i ON a (id);\n")],
        "
migrations/1_x.sql:2:1 outside-transaction: PostgreSQL does not run this statement inside a transaction
  write `-- lockgate: no-transaction` as the first line
  better, give it a migration of its own: otherwise the other statements run outside a transaction too
",
    );
    check(
        &[("1_x.sql", "VACUUM;\n")],
        "
migrations/1_x.sql:1:1 outside-transaction: PostgreSQL and SQLite do not run this statement inside a transaction
  write `-- lockgate: no-transaction` as the first line
",
    );
    check(
        &[("1_x.sql", "PRAGMA foreign_keys=off;\nDROP TABLE a;\n")],
        "
migrations/1_x.sql:1:1 outside-transaction: SQLite does not run this statement inside a transaction
  delete it, and write `-- lockgate: foreign-keys off` as the first line
",
    );
    // Turning them on asks for nothing that the driver does not do.
    for on in ["foreign_keys = ON", "foreign_keys=1", "main.foreign_keys(true)", "Foreign_Keys = 'yes'"] {
        check(
            &[("1_x.sql", &format!("PRAGMA {on};\nDROP TABLE a;\n"))],
            "
migrations/1_x.sql:1:1 outside-transaction: SQLite does not run this statement inside a transaction
  delete it: sqlx enforces foreign keys on every connection unless the program turns that off (`SqliteConnectOptions::foreign_keys`)
",
        );
    }
}

/// Since 12 the server takes it, and refuses the use of the value instead.
#[test]
fn a_value_is_added_to_an_enum_outside_of_a_transaction_before_postgres_12() {
    let on = |release: &str| format!("{POSTGRES}postgres = \"{release}\"\n");
    let add = "ALTER TYPE mood ADD VALUE 'calm';\n";
    for (release, expected) in [("10", &["outside-transaction:1"][..]), ("11", &["outside-transaction:1"]), ("12", &[])]
    {
        codes(&on(release), add, expected);
        codes(&on(release), &format!("-- lockgate: no-transaction\n{add}"), &[]);
        // One that the same transaction makes.
        codes(&on(release), &format!("CREATE TYPE mood AS ENUM ('sad');\n{add}"), &[]);
        codes(&on(release), "ALTER TYPE mood RENAME VALUE 'a' TO 'b';\n", &[]);
    }
    codes(POSTGRES, add, &[]);
    check(
        &[("migrations.toml", &on("11")), ("1_x.sql", add)],
        "
migrations/1_x.sql:1:1 outside-transaction: PostgreSQL 11 does not run this statement inside a transaction: PostgreSQL 12 is the first that does
  write `-- lockgate: no-transaction` as the first line
",
    );
}

#[test]
fn an_undeclared_folder_is_refused_only_what_its_dialect_would_refuse() {
    for statement in [
        "CREATE UNIQUE INDEX CONCURRENTLY i ON a (id)",
        "DROP INDEX CONCURRENTLY i",
        "REINDEX TABLE CONCURRENTLY a",
        "ALTER SYSTEM SET work_mem = '1GB'",
        "VACUUM a",
        "PRAGMA journal_mode = wal",
        "PRAGMA foreign_keys = OFF",
        "DISCARD ALL",
    ] {
        codes(UNDECLARED, &format!("{statement};\n"), &["outside-transaction:1"]);
        codes(UNDECLARED, &format!("-- lockgate: no-transaction\n{statement};\n"), &[]);
    }
    // MySQL runs it within a transaction, in its way: it may be what the folder is for.
    codes(UNDECLARED, "CREATE DATABASE a;\n", &[]);
    codes(POSTGRES, "CREATE DATABASE a;\n", &["outside-transaction:1"]);
    // Another dialect's statement is not one that wants no transaction, it is none.
    codes(POSTGRES, "PRAGMA foreign_keys = OFF;\n", &["syntax:1"]);
    codes(SQLITE, "CREATE INDEX CONCURRENTLY i ON a (id);\n", &["syntax:1"]);
}

#[test]
fn an_undeclared_folder_is_not_misread_by_the_other_dialects() {
    // PostgreSQL: to SQLite the body ends at its first semicolon, and END is a COMMIT.
    codes(
        UNDECLARED,
        "CREATE FUNCTION f() RETURNS trigger AS $$\nBEGIN\n  NEW.a = 'it''s';\n  COMMIT;\n  RETURN NEW;\nEND;\n$$ LANGUAGE plpgsql;\n",
        &[],
    );
    codes(UNDECLARED, "DO $x$ BEGIN PERFORM 1; END; $x$;\nSELECT $q$it's$q$;\n", &[]);
    codes(UNDECLARED, "SELECT E'it\\'s', 'back\\';\n", &[]);
    codes(UNDECLARED, "SELECT 1 /* a /* nested */ comment */;\n", &[]);
    codes(UNDECLARED, "SELECT a #> '{b}', c # 3 FROM t WHERE d ->> 'it''s' = '#';\n", &[]);
    // SQLite: to PostgreSQL the trigger ends at its first semicolon, and END is a COMMIT.
    codes(
        UNDECLARED,
        "CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  UPDATE a SET b = 1;\n  DELETE FROM c;\nEND;\nSELECT [it's], `it's`, \"it's\";\n",
        &[],
    );
    // MySQL.
    codes(UNDECLARED, "SELECT 'it\\'s' # don't\n;\n", &[]);
    codes(UNDECLARED, "CREATE PROCEDURE p()\nBEGIN\n  SELECT 1;\n  SELECT 2;\nEND;\n", &[]);
}

#[test]
fn a_script_that_no_dialect_can_read_is_refused() {
    codes(UNDECLARED, "SELECT 'open;\n", &["unterminated-string:1"]);
    // SQLite lets a comment end with the text.
    codes(UNDECLARED, "SELECT 1; /* open\n", &[]);
    codes(POSTGRES, "SELECT 1; /* open\n", &["unterminated-comment:1"]);
    codes(POSTGRES, "DO $$ open\n", &["unterminated-dollar-quote:1"]);
    codes(SQLITE, "SELECT 1 /* a /* b */;\n", &[]);
    codes(POSTGRES, "SELECT 1 /* a /* b */;\n", &["unterminated-comment:1"]);
    // Declared for both, it must be right in both.
    codes(BOTH, "SELECT 1 /* a /* b */;\n", &["unterminated-comment:1"]);
}

#[test]
fn lines_of_clients_are_refused_by_name() {
    check(
        &[("1_x.sql", "\\restrict abc\nCREATE TABLE a (id INT);\n")],
        "
migrations/1_x.sql:1:1 psql-line: `\\restrict` is a command of psql, and the server does not understand it
  if the folder is for PostgreSQL alone, say `dialects = [\"postgres\"]` in its `migrations.toml`
  or delete it
",
    );
    check(
        &[
            ("migrations.toml", POSTGRES),
            ("1_x.sql", "\\connect db\n\\copy a from stdin\n1\n\\.\nSELECT 1 \\gexec\n\\restrict\n\\restrict a b\n"),
        ],
        "
migrations/1_x.sql:1:1 psql-line: `\\connect` is a command of psql, and the server does not understand it
  delete it: a migration runs in the database that the program connects to; if what follows belongs into another one, move it to the migrations of a program for that
migrations/1_x.sql:2:1 psql-line: `\\copy` is a command of psql, and the server does not understand it
  write `COPY … FROM stdin;`, which also reads the lines below it
migrations/1_x.sql:5:10 psql-line: `\\gexec` is a command of psql, and the server does not understand it
  end the statement with `;`; a `DO` block can use the result of a query
migrations/1_x.sql:6:1 psql-line: `\\restrict` is a command of psql, and the server does not understand it
  delete it
migrations/1_x.sql:7:1 psql-line: `\\restrict` is a command of psql, and the server does not understand it
  delete it
",
    );
    codes(POSTGRES, "\\restrict a4\nCREATE TABLE a (id INT);\n\\unrestrict a4\n", &[]);
    codes(BOTH, "\\restrict a4\nCREATE TABLE a (id INT);\n\\unrestrict a4\n", &["psql-line:1", "psql-line:3"]);
    check(
        &[("1_x.sql", "DELIMITER //\nCREATE PROCEDURE p() BEGIN SELECT 1; END//\nDELIMITER ;\n")],
        "
migrations/1_x.sql:1:1 client-command: this line is for a command-line client, and MySQL refuses it
  delete it: Lockgate finds the end of a compound statement without it
migrations/1_x.sql:3:1 client-command: this line is for a command-line client, and MySQL refuses it
  delete it: Lockgate finds the end of a compound statement without it
",
    );
    check(
        &[("1_x.sql", "CREATE TABLE a (id INT);\nCOPY a FROM stdin;\n1\n\\.\n")],
        "
migrations/1_x.sql:2:1 copy-data: only PostgreSQL reads the data lines of COPY
  if the folder is for PostgreSQL alone, say `dialects = [\"postgres\"]` in its `migrations.toml`
  or write the rows as INSERT statements
",
    );
    codes(BOTH, "COPY a FROM stdin;\n1\n\\.\n", &["copy-data:1"]);
    codes(POSTGRES, "COPY a FROM stdin;\n1\n\\.\n", &[]);
    codes(POSTGRES, "-- lockgate: no-transaction\nCOPY a FROM stdin;\n1\n\\.\nVACUUM;\n", &[]);
    for policy in [POSTGRES, UNDECLARED, BOTH] {
        codes(policy, "COPY a FROM stdout;\n1\n\\.\nCOPY a TO stdout;\n", &["copy-out:1", "copy-out:4"]);
    }
}

#[test]
fn every_dialect_of_the_set_has_exactly_one_table() {
    for (policy, text, tables) in [
        (UNDECLARED, "CREATE TABLE a (id INT);\n", 1),
        (UNDECLARED, "DO $$ BEGIN PERFORM 1; END; $$;\n", 3),
        (UNDECLARED, "SELECT E'it\\'s';\n", 1),
        (BOTH, "CREATE TABLE a (id INT);\n", 1),
        (BOTH, "DO $$ BEGIN PERFORM 1; END; $$;\n", 2),
        (POSTGRES, "", 1),
    ] {
        let project = Project::new(&[("migrations.toml", policy), ("1_x.sql", text)]);
        let folder = project.load().folder;
        let BodyData::Sql { len, readings } = &folder.migrations[0].up.body else { panic!("it is SQL") };
        assert_eq!((*len, readings.len()), (text.len(), tables), "{policy}{text}");
        for dialect in folder.policy.dialects().iter() {
            let count = readings.iter().filter(|reading| reading.dialects.contains(dialect)).count();
            assert_eq!(count, 1, "{policy}{text}{dialect}");
        }
        let all = readings.iter().flat_map(|reading| reading.dialects.iter()).collect::<Dialects>();
        assert_eq!(all, folder.policy.dialects());
        assert!(all.contains(Dialect::Postgres));
    }
}

#[test]
fn directives_that_exclude_each_other() {
    check(
        &[("1_x.sql", "-- lockgate: foreign-keys off\n-- lockgate: no-transaction\nSELECT 1;\n")],
        "
migrations/1_x.sql:1:14 bad-directive: `foreign-keys off` and `no-transaction` exclude each other: foreign keys are checked before the commit
  delete one of the two lines
",
    );
    check(
        &[("1_x.rs", "// lockgate: no-transaction\npub async fn up() {}\n")],
        "
migrations/1_x.rs:1:14 bad-directive: a Rust step always runs inside a transaction
  delete this line
",
    );
}
