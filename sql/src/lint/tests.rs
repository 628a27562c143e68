//! Each rule: SQL in, and what it finds out.

use lockgate_core::{Dialect, Dialects};

use super::{Finding, LintInput, RULES, SqlFile, find, lint};
use crate::LintLevel;
use crate::Release;
use crate::cursor::key;
use crate::split;

/// A folder as the rules see it.
struct Folder {
    dialects: Option<Dialects>,
    has_lockfile: bool,
    /// The id of the migrations, or of the repeatable scripts.
    id: &'static str,
    /// Text, whether it is a down script, whether it is a draft.
    scripts: Vec<(String, bool, bool)>,
    foreign_keys_off: bool,
    release: Option<Release>,
}

impl Folder {
    fn new(dialect: Dialect) -> Self {
        let dialects = Some(Dialects::NONE.with(dialect));
        Self { dialects, has_lockfile: true, id: "1_x", scripts: Vec::new(), foreign_keys_off: false, release: None }
    }

    fn released(mut self, text: &str) -> Self {
        self.scripts.push((text.to_owned(), false, false));
        self
    }

    fn draft(mut self, text: &str) -> Self {
        self.scripts.push((text.to_owned(), false, true));
        self
    }

    fn down(mut self, text: &str) -> Self {
        self.scripts.push((text.to_owned(), true, true));
        self
    }

    fn speaks_postgres(&self) -> bool {
        self.dialects.is_some_and(|dialects| dialects.contains(Dialect::Postgres))
    }

    fn lint(&self) -> Vec<(String, Finding)> {
        let reads_as = self.dialects.and_then(|dialects| dialects.iter().next()).unwrap_or(Dialect::Postgres);
        let splits: Vec<_> = self.scripts.iter().map(|(text, _, _)| split(reads_as, text).statements).collect();
        let files = self.scripts.iter().zip(&splits).map(|((text, is_down, is_draft), statements)| SqlFile {
            id: self.id,
            path: "1_x.up.sql",
            text,
            reads_as,
            statements,
            is_down: *is_down,
            is_draft: *is_draft,
            is_transactional: !text.starts_with("-- no-transaction"),
            foreign_keys_off: self.foreign_keys_off,
        });
        let (dialects, has_lockfile) = (self.dialects, self.has_lockfile);
        let input =
            LintInput { files: files.collect(), dialects, release: self.release, has_lockfile, steps: Vec::new() };
        let found = lint(&input).into_iter();
        found.map(|finding| (self.scripts[finding.file].0[finding.range.clone()].to_owned(), finding)).collect()
    }

    /// The findings as `rule: text`, without those that are not shown.
    fn finds(&self, expected: &[&str]) {
        let found: Vec<String> = self
            .lint()
            .into_iter()
            .filter(|(_, finding)| finding.rule != "lossy-down")
            .filter(|(_, finding)| self.speaks_postgres() || !find(finding.rule).is_some_and(|rule| rule.postgres_only))
            .map(|(text, finding)| format!("{}: {text}", finding.rule))
            .collect();
        assert_eq!(found, expected, "{:?}", self.scripts);
    }
}

fn postgres() -> Folder {
    Folder::new(Dialect::Postgres)
}

fn sqlite() -> Folder {
    Folder::new(Dialect::Sqlite)
}

const USERS: &str =
    "CREATE TABLE users (id bigint PRIMARY KEY, name varchar(20), age integer, CHECK (age IS NOT NULL));";

/// What a draft on the released table `users` gives.
fn on_users(draft: &str, expected: &[&str]) {
    postgres().released(USERS).draft(draft).finds(expected);
    // A table that the same release makes is nobody's yet.
    postgres().draft(USERS).draft(draft).finds(&[]);
    postgres().draft(&format!("{USERS}\n{draft}")).finds(&[]);
}

#[test]
fn building_and_dropping_indexes_without_concurrently_is_reported() {
    on_users("CREATE INDEX i ON users (name);", &["blocking-index: CREATE INDEX i ON users (name)"]);
    on_users(
        "CREATE UNIQUE INDEX ON ONLY public.\"users\" (name);",
        &["blocking-index: CREATE UNIQUE INDEX ON ONLY public.\"users\" (name)"],
    );
    on_users("REINDEX TABLE users;", &["blocking-index: REINDEX TABLE users"]);
    for whole in ["REINDEX SCHEMA app", "REINDEX DATABASE app", "REINDEX (VERBOSE) DATABASE"] {
        postgres().draft(&format!("-- no-transaction\n{whole};")).finds(&[&format!("blocking-index: {whole}")]);
        let concurrently = whole.replacen(" (VERBOSE)", "", 1).replacen("SCHEMA", "SCHEMA CONCURRENTLY", 1);
        let concurrently = concurrently.replacen("DATABASE", "DATABASE CONCURRENTLY", 1);
        postgres().draft(&format!("-- no-transaction\n{concurrently};")).finds(&[]);
    }
    on_users("-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON users (name);", &[]);
    on_users("-- no-transaction\nREINDEX (VERBOSE, CONCURRENTLY) TABLE users;", &[]);
    on_users("CREATE TABLE t (a int); CREATE INDEX i ON t (a); DROP INDEX i;", &[]);
    let indexed = format!("{USERS} CREATE INDEX i ON users (name);");
    postgres()
        .released(&indexed)
        .draft("DROP INDEX IF EXISTS i;")
        .finds(&["blocking-drop-index: DROP INDEX IF EXISTS i"]);
    postgres().draft(&indexed).draft("DROP INDEX i;").finds(&[]);
}

#[test]
fn what_does_nothing_because_of_if_exists_is_not_reported() {
    let indexed = format!("{USERS} CREATE INDEX i ON users (name); CREATE INDEX ON users (age);");
    let on = |draft: &str, expected: &[&str]| postgres().released(&indexed).draft(draft).finds(expected);

    // The index exists.
    let create = "CREATE INDEX IF NOT EXISTS i ON users (name);";
    let builds = ["blocking-index: CREATE INDEX IF NOT EXISTS i ON users (name)"];
    on(create, &[]);
    postgres().released(USERS).draft(create).finds(&builds);
    postgres().released(USERS).released(create).draft(create).finds(&[]);
    // It was dropped, alone or with its column or table, or has another name.
    let drop = "blocking-drop-index: DROP INDEX IF EXISTS i";
    on(&format!("DROP INDEX IF EXISTS i; {create}"), &[drop, builds[0]]);
    postgres().released(&indexed).released("DROP INDEX i;").draft(create).finds(&builds);
    postgres().released(&indexed).released("ALTER INDEX i RENAME TO j;").draft(create).finds(&builds);
    let again = "ALTER TABLE users DROP COLUMN name; ALTER TABLE users ADD COLUMN name text;";
    postgres().released(&indexed).released(again).draft(create).finds(&builds);
    postgres().released(&indexed).released(&format!("DROP TABLE users; {USERS}")).draft(create).finds(&builds);
    let rebuilt = "CREATE TABLE u (name text); DROP TABLE users; ALTER TABLE u RENAME TO users;";
    postgres().released(&indexed).released(rebuilt).draft(create).finds(&builds);

    // Nobody has created the index, or it was dropped.
    on("DROP INDEX IF EXISTS other;", &[]);
    // Part of a longer name does not count.
    on("DROP INDEX IF EXISTS user;", &[]);
    on("DROP INDEX IF EXISTS other, i;", &["blocking-drop-index: DROP INDEX IF EXISTS other, i"]);
    on("DROP INDEX other;", &["blocking-drop-index: DROP INDEX other"]);
    postgres().released(&indexed).released("DROP INDEX i;").draft("DROP INDEX IF EXISTS i;").finds(&[]);
    // It may exist: the server has chosen its name, or a function creates it.
    on("DROP INDEX IF EXISTS users_age_idx;", &["blocking-drop-index: DROP INDEX IF EXISTS users_age_idx"]);
    let renamed = format!("{indexed} ALTER INDEX i RENAME TO j;");
    postgres()
        .released(&renamed)
        .draft("DROP INDEX IF EXISTS j;")
        .finds(&["blocking-drop-index: DROP INDEX IF EXISTS j"]);

    // The column exists, with the values that it has.
    on("ALTER TABLE users ADD COLUMN IF NOT EXISTS name text NOT NULL;", &[]);
    on("ALTER TABLE users ADD COLUMN IF NOT EXISTS name text UNIQUE;", &[]);
    let add = "ALTER TABLE users ADD COLUMN IF NOT EXISTS email text;";
    postgres().released(USERS).released(add).draft(add).down("SELECT 1;").finds(&[]);
    let left = "ALTER TABLE users RENAME name TO label;";
    postgres()
        .released(USERS)
        .released(left)
        .draft("ALTER TABLE users ADD COLUMN IF NOT EXISTS name text NOT NULL;")
        .finds(&["filled-table: ADD COLUMN IF NOT EXISTS name text NOT NULL"]);

    // What was dropped has nothing to lose; what no script creates may have.
    let dropped = "ALTER TABLE users DROP COLUMN age; CREATE TABLE t (a int); DROP TABLE t;";
    postgres()
        .released(USERS)
        .released(dropped)
        .draft("ALTER TABLE users DROP COLUMN IF EXISTS age; DROP TABLE IF EXISTS t;")
        .finds(&[]);
    on("DROP TABLE IF EXISTS other;", &["drop-table: other"]);
}

#[test]
fn a_table_of_a_draft_is_new_for_the_next_draft_whatever_its_down_script_does() {
    let folder = || postgres().draft(USERS).down("DROP TABLE users;");
    folder().draft("CREATE INDEX i ON users (name);").down("DROP INDEX i;").finds(&[]);
    folder().draft("ALTER TABLE users ADD COLUMN email text NOT NULL;").finds(&[]);
    // Objects that only a down script creates do not exist.
    let down = postgres().released(USERS).draft("DROP TABLE users;").down(USERS);
    down.draft("CREATE INDEX i ON users (name);")
        .finds(&["drop-table: users", "blocking-index: CREATE INDEX i ON users (name)"]);
}

#[test]
fn a_rebuilt_table_is_reported_by_its_name() {
    let message = |draft: &str| postgres().released(USERS).draft(draft).lint()[0].1.message.clone();
    assert_eq!(
        message("REINDEX TABLE users;"),
        "nobody can write to `users`, nor use its indexes, until the commit: `REINDEX` holds SHARE and ACCESS EXCLUSIVE locks"
    );
    assert_eq!(
        message("-- no-transaction\nREINDEX SCHEMA app;"),
        "nobody can write to a table of the schema, nor use its indexes, while they are rebuilt: `REINDEX` holds SHARE and ACCESS EXCLUSIVE locks"
    );
    assert!(message("REINDEX INDEX i;").starts_with("nobody can write to the table of `i`, nor use the index,"));
}

#[test]
fn tables_of_one_name_in_two_schemas_are_two() {
    let base = "CREATE SCHEMA audit; CREATE TABLE users (id bigint PRIMARY KEY, email text);";
    let lossy = "DROP TABLE public.users;";
    for first in [
        "CREATE TABLE audit.users (a int);",
        "CREATE TABLE IF NOT EXISTS users (a int);",
        "CREATE TEMP TABLE users AS SELECT 1 AS a;",
        "CREATE TABLE pg_temp.users (a int);",
        "CREATE VIEW audit.users AS SELECT 1 AS a;",
    ] {
        postgres().released(base).draft(&format!("{first} {lossy}")).finds(&["drop-table: public.users"]);
    }
    let other = "CREATE TABLE \"audit\".users (a int); ALTER TABLE users DROP COLUMN email; DROP TABLE audit.users;";
    postgres().released(base).draft(other).finds(&["drop-column: DROP COLUMN email"]);
    let across = postgres().released(base).draft("CREATE TABLE audit.users (a int);").draft("DROP TABLE users;");
    across.finds(&["drop-table: users"]);
    // The usual schema may be written or not, and a temporary table hides the one below it.
    for same in [
        "CREATE TABLE public.n (a int); DROP TABLE n;",
        "CREATE TABLE audit.n (a int); ALTER TABLE audit.n RENAME TO m; DROP TABLE audit.m;",
        "CREATE TEMP TABLE users AS SELECT 1 AS a; DROP TABLE users;",
        "SET search_path = audit; CREATE TABLE n (a int); DROP TABLE audit.n;",
        "CREATE TABLE IF NOT EXISTS unknown (a int); DROP TABLE unknown;",
    ] {
        postgres().released(base).draft(same).finds(&[]);
    }
    let u = "CREATE TABLE u (id INTEGER PRIMARY KEY);";
    for first in ["CREATE TABLE IF NOT EXISTS u (id int);", "CREATE TEMP TABLE u (id int);"] {
        sqlite().released(u).draft(&format!("{first} DROP TABLE main.u;")).finds(&["drop-table: main.u"]);
    }
    // The type of a column is that of its own table.
    let types =
        "CREATE TABLE users (id bigint PRIMARY KEY, v int); CREATE TABLE audit.users (id bigint, v varchar(10));";
    let changed = "ALTER TABLE users ALTER v TYPE varchar(20);";
    postgres().released(types).draft(changed).finds(&["change-type: ALTER v TYPE varchar(20)"]);
    let wider = "ALTER TABLE audit.users ALTER v TYPE varchar(20);";
    postgres().released(types).draft(wider).finds(&[]);
}

#[test]
fn a_view_is_refreshed_beside_its_readers() {
    let view = "CREATE MATERIALIZED VIEW v AS SELECT 1 AS a;";
    let on_view = |draft: &str, expected: &[&str]| {
        postgres().released(view).draft(draft).finds(expected);
        postgres().draft(view).draft(draft).finds(&[]);
    };
    on_view("REFRESH MATERIALIZED VIEW public.v;", &["blocking-refresh: REFRESH MATERIALIZED VIEW public.v"]);
    on_view("REFRESH MATERIALIZED VIEW v WITH DATA;", &["blocking-refresh: REFRESH MATERIALIZED VIEW v WITH DATA"]);
    on_view("REFRESH MATERIALIZED VIEW CONCURRENTLY v;", &[]);
    // It is empty then, and quick.
    on_view("REFRESH MATERIALIZED VIEW v WITH NO DATA;", &[]);
}

#[test]
fn a_table_in_use_is_not_emptied_in_silence() {
    on_users("TRUNCATE TABLE ONLY users;", &["empty-table: users"]);
    on_users("DELETE FROM users;", &["empty-table: users"]);
    on_users("DELETE FROM users WHERE age > 7;", &[]);
    on_users("DELETE FROM users USING gone WHERE gone.id = users.id;", &[]);
    on_users("CREATE TABLE t (id int); INSERT INTO t SELECT id FROM users; DELETE FROM users;", &[]);
    on_users("DELETE FROM users; DROP TABLE users;", &["drop-table: users"]);
    sqlite().released(USERS).draft("DELETE FROM users;").finds(&["empty-table: users"]);
    let found = postgres().released(USERS).draft("TRUNCATE users, tags CASCADE;").lint();
    assert_eq!(found.len(), 2);
    let message = "every row of `users`, and of every table that refers to it, is lost for good";
    assert_eq!(found[0].1.message, message);
}

#[test]
fn objects_dropped_by_cascade_are_reported() {
    let released = "CREATE SCHEMA s; CREATE TYPE mood AS ENUM ('a'); CREATE DOMAIN d AS text;";
    for (draft, name) in [
        ("DROP SCHEMA IF EXISTS s CASCADE;", "s"),
        ("DROP TYPE mood CASCADE;", "mood"),
        ("DROP DOMAIN d CASCADE;", "d"),
    ] {
        postgres().released(released).draft(draft).finds(&[&format!("drop-cascade: {name}")]);
        postgres().draft(released).draft(draft).finds(&[]);
        postgres().released(released).draft(&draft.replace(" CASCADE", "")).finds(&[]);
    }
    postgres().draft("DROP EXTENSION citext CASCADE;").finds(&["drop-cascade: citext"]);
    postgres().draft("DROP OWNED BY clerk CASCADE;").finds(&["drop-cascade: clerk"]);
    postgres().draft("DROP OWNED BY clerk, boss;").finds(&["drop-cascade: clerk", "drop-cascade: boss"]);
    // Views and functions have no rows.
    postgres().draft("DROP VIEW v CASCADE; DROP FUNCTION f CASCADE;").finds(&[]);
    // Down scripts are covered by `lossy-down`.
    let down = postgres().draft("SELECT 1;").down("DROP SCHEMA s CASCADE;").lint();
    let rules: Vec<&str> = down.iter().map(|(_, finding)| finding.rule).collect();
    assert_eq!(rules, ["lossy-down"]);
}

#[test]
fn the_rewrite_is_shown() {
    let help = |draft: &str| postgres().released(USERS).draft(draft).lint()[0].1.help[0].clone();
    assert_eq!(
        help("CREATE UNIQUE INDEX i\n  ON users (name);"),
        "write `-- lockgate: no-transaction` as the first line, and `CREATE UNIQUE INDEX CONCURRENTLY i ON users (name)`"
    );
    assert_eq!(
        help("SELECT 1; DROP INDEX i;"),
        "give it a migration of its own, with `-- lockgate: no-transaction` as its first line: `DROP INDEX CONCURRENTLY i`"
    );
    assert_eq!(
        help("ALTER TABLE users ADD CONSTRAINT old CHECK (age > 7);"),
        "add it unchecked, which is fast, and check the rows in the next migration, while others can write: \
         `ALTER TABLE users ADD CONSTRAINT old CHECK (age > 7) NOT VALID`, then `ALTER TABLE users VALIDATE CONSTRAINT old`"
    );
    assert_eq!(
        help("ALTER TABLE users ADD CONSTRAINT one UNIQUE (name, age);"),
        "build the index before, in a migration of its own with `-- lockgate: no-transaction` as its first line: \
         `CREATE UNIQUE INDEX CONCURRENTLY one ON users (name, age)`; then `ALTER TABLE users ADD CONSTRAINT one UNIQUE USING INDEX one`"
    );
    let partitioned =
        postgres().released("CREATE TABLE p (a int) PARTITION BY RANGE (a);").draft("CREATE INDEX i ON p (a);");
    assert!(partitioned.lint()[0].1.help[0].contains("ON ONLY p"));
}

#[test]
fn constraints_are_checked_beside_the_writers() {
    on_users(
        "ALTER TABLE users ADD CONSTRAINT f FOREIGN KEY (age) REFERENCES ages (id);",
        &["blocking-constraint: ADD CONSTRAINT f FOREIGN KEY (age) REFERENCES ages (id)"],
    );
    on_users(
        "ALTER TABLE ONLY users ADD CHECK (age > 7), ADD PRIMARY KEY (id, name);",
        &["blocking-constraint: ADD CHECK (age > 7)", "blocking-unique: ADD PRIMARY KEY (id, name)"],
    );
    on_users(
        "ALTER TABLE users ADD CONSTRAINT e EXCLUDE USING gist (name WITH =);",
        &["blocking-unique: ADD CONSTRAINT e EXCLUDE USING gist (name WITH =)"],
    );
    on_users("ALTER TABLE users ADD CONSTRAINT f CHECK (age > 7) NOT VALID;", &[]);
    on_users("ALTER TABLE users VALIDATE CONSTRAINT f;", &[]);
    on_users("ALTER TABLE users ADD CONSTRAINT u UNIQUE USING INDEX i;", &[]);
    // Nothing to check in a column that is empty.
    on_users("ALTER TABLE users ADD COLUMN boss bigint REFERENCES users (id);", &[]);
}

#[test]
fn a_valid_check_makes_set_not_null_quick() {
    on_users("ALTER TABLE users ALTER COLUMN name SET NOT NULL;", &["set-not-null: ALTER COLUMN name SET NOT NULL"]);
    on_users("ALTER TABLE users ALTER age SET NOT NULL;", &[]);
    let checked = "ALTER TABLE users ADD CONSTRAINT n CHECK (\"name\" IS NOT NULL) NOT VALID;";
    postgres().released(USERS).released(checked).draft("ALTER TABLE users ALTER name SET NOT NULL;").finds(&[]);
    // As the help says.
    let last = "ALTER TABLE users ALTER name SET NOT NULL; ALTER TABLE users DROP CONSTRAINT n;";
    let validated = "ALTER TABLE users VALIDATE CONSTRAINT n;";
    postgres().released(USERS).released(checked).draft(validated).finds(&[]);
    postgres().released(USERS).released(checked).released(validated).draft(last).finds(&[]);
    on_users("ALTER TABLE users ADD CONSTRAINT n NOT NULL name;", &["set-not-null: ADD CONSTRAINT n NOT NULL name"]);
}

#[test]
fn a_column_that_is_not_null_already_is_not_scanned() {
    let on = |released: &str, draft: &str, expected: &[&str]| {
        postgres().released("CREATE TABLE t (a int, b int);").released(released).draft(draft).finds(expected);
    };
    let set = "ALTER TABLE t ALTER a SET NOT NULL;";
    for released in [
        "ALTER TABLE t ALTER a SET NOT NULL;",
        "ALTER TABLE t ADD PRIMARY KEY (b, a);",
        "CREATE UNIQUE INDEX k ON t (a); ALTER TABLE t ADD CONSTRAINT k PRIMARY KEY USING INDEX k;",
        "ALTER TABLE t DROP a; ALTER TABLE t ADD a int NOT NULL DEFAULT 0;",
        "ALTER TABLE t DROP a; ALTER TABLE t ADD a bigserial;",
        "DROP TABLE t; CREATE TABLE t (a int PRIMARY KEY);",
        "DROP TABLE t; CREATE TABLE t (a int GENERATED ALWAYS AS IDENTITY);",
        "DROP TABLE t; CREATE TABLE t (a int, CONSTRAINT k PRIMARY KEY (a));",
        "DROP TABLE t; CREATE TABLE s (a int NOT NULL); ALTER TABLE s RENAME TO t;",
    ] {
        on(released, set, &[]);
    }
    for released in [
        "ALTER TABLE t ALTER b SET NOT NULL;",
        "ALTER TABLE t ALTER a SET NOT NULL; ALTER TABLE t ALTER a DROP NOT NULL;",
        "ALTER TABLE t ALTER a SET NOT NULL; ALTER TABLE t DROP a; ALTER TABLE t ADD a int;",
        "CREATE TABLE IF NOT EXISTS t (a int NOT NULL);",
        "ALTER TABLE other ALTER a SET NOT NULL;",
        "ALTER TABLE t ADD UNIQUE (a);",
    ] {
        on(released, set, &["set-not-null: ALTER a SET NOT NULL"]);
    }
    postgres().released("CREATE TABLE IF NOT EXISTS t (a int NOT NULL);").draft(set).finds(&[]);
}

/// `PRIMARY KEY USING INDEX` scans every row for NULL under its lock, unless the columns are NOT NULL.
#[test]
fn the_columns_of_a_primary_key_are_made_not_null_first() {
    let table = "CREATE TABLE t (a int, b int NOT NULL);";
    let help = |draft: &str| postgres().released(table).draft(draft).lint()[0].1.help[0].clone();
    assert_eq!(
        help("ALTER TABLE t ADD PRIMARY KEY (a, b);"),
        "make the column NOT NULL before, without scanning the table under the lock: \
         `ALTER TABLE t ADD CONSTRAINT t_a_not_null CHECK (a IS NOT NULL) NOT VALID`; in the next migration \
         `ALTER TABLE t VALIDATE CONSTRAINT t_a_not_null`, while others can write; in the one after it \
         `ALTER TABLE t ALTER COLUMN a SET NOT NULL`, which then scans no row, and \
         `ALTER TABLE t DROP CONSTRAINT t_a_not_null`; then build the index, in a migration of its own with \
         `-- lockgate: no-transaction` as its first line: `CREATE UNIQUE INDEX CONCURRENTLY t_pkey ON t (a, b)`; then \
         `ALTER TABLE t ADD CONSTRAINT t_pkey PRIMARY KEY USING INDEX t_pkey`"
    );
    assert!(help("ALTER TABLE t ADD PRIMARY KEY (b);").starts_with("build the index before"));
    assert!(
        help("ALTER TABLE t ADD c int PRIMARY KEY DEFAULT 1;").starts_with("add the column with `NOT NULL` instead")
    );
    let with_index = |columns: &str, draft: &str, expected: &[&str]| {
        let index = format!("CREATE UNIQUE INDEX k ON t ({columns});");
        postgres().released(table).released(&index).draft(draft).finds(expected);
    };
    let add = "ALTER TABLE t ADD CONSTRAINT k PRIMARY KEY USING INDEX k;";
    with_index("a, b", add, &["set-not-null: ADD CONSTRAINT k PRIMARY KEY USING INDEX k"]);
    with_index("b", add, &[]);
    with_index("a", "ALTER TABLE t ADD CONSTRAINT k UNIQUE USING INDEX k;", &[]);
    let set = "ALTER TABLE t ALTER a SET NOT NULL, ADD CONSTRAINT k PRIMARY KEY USING INDEX k;";
    with_index("a", set, &["set-not-null: ALTER a SET NOT NULL"]);
}

/// A help with two constraints of one name cannot be followed.
#[test]
fn suggested_names_of_constraints_are_free() {
    let names = |released: &str, draft: &str| -> Vec<String> {
        let found = postgres().released(released).draft(draft).lint();
        let named = found.iter().map(|(_, finding)| finding.help[0].split("ADD CONSTRAINT ").nth(1).unwrap());
        named.map(|rest| rest.split(' ').next().unwrap().to_owned()).collect()
    };
    let table = "CREATE TABLE t (a int, b int);";
    // As PostgreSQL names them.
    assert_eq!(
        names(
            "CREATE TABLE u (a int CHECK (a > 0), b int);",
            "ALTER TABLE u ADD CHECK (a < 5), ADD CHECK (a < b), ADD CHECK (b > a), ADD CHECK (length('x') > 0), \
             ADD CHECK (abs(a) > 0 AND a IN (1, 2));"
        ),
        ["u_a_check1", "u_check", "u_check1", "u_check2", "u_a_check2"]
    );
    assert_eq!(
        names(table, "ALTER TABLE t ADD CHECK (a > 0), ADD CHECK (b::text <> 'a');"),
        ["t_a_check", "t_b_check"]
    );
    let twice = "ALTER TABLE t ADD CHECK (a > 0); ALTER TABLE t ADD CHECK (a < 9);";
    assert_eq!(names(table, twice), ["t_a_check", "t_a_check1"]);
    let taken = "CREATE TABLE t (a int, b int, CONSTRAINT t_a_check CHECK (b > 0));";
    assert_eq!(names(taken, "ALTER TABLE t ADD CHECK (a > 0);"), ["t_a_check1"]);
    let keys = "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES k, ADD FOREIGN KEY (a) REFERENCES l;";
    assert_eq!(names(table, keys), ["t_a_fkey", "t_a_fkey1"]);
}

/// What PostgreSQL refuses is an error, with the statements that it accepts.
#[test]
fn refused_forms_of_concurrently_are_errors() {
    let tables = "CREATE TABLE p (y int) PARTITION BY RANGE (y); CREATE INDEX pi ON p (y); CREATE TABLE u (a int, b int); \
                  CREATE INDEX i ON u (a); CREATE INDEX j ON u (b);";
    let finding = |draft: &str| {
        let found = postgres().released(tables).draft(&format!("-- no-transaction\n{draft};")).lint();
        assert_eq!(found.len(), 1, "{draft}: {found:?}");
        assert_eq!(found[0].1.level, LintLevel::Deny, "{draft}");
        (found[0].1.message.clone(), found[0].1.help[0].clone())
    };
    for draft in ["CREATE INDEX CONCURRENTLY ON p (y)", "CREATE INDEX CONCURRENTLY i2 ON ONLY p (y)"] {
        let (message, help) = finding(draft);
        assert!(message.contains("`p` is partitioned"), "{message}");
        assert!(help.contains("ON ONLY p"), "{help}");
    }
    assert_eq!(
        finding("DROP INDEX CONCURRENTLY i, j").1,
        "write `DROP INDEX CONCURRENTLY i; DROP INDEX CONCURRENTLY j`"
    );
    let (message, help) = finding("DROP INDEX CONCURRENTLY IF EXISTS i CASCADE");
    assert_eq!(message, "PostgreSQL refuses this: `DROP INDEX CONCURRENTLY` does not accept `CASCADE`");
    assert!(help.ends_with("`DROP INDEX CONCURRENTLY IF EXISTS i`"), "{help}");
    assert_eq!(finding("DROP INDEX CONCURRENTLY pi").1, "when little is running, `DROP INDEX pi`");
    let fine = |draft: &str| postgres().released(tables).draft(&format!("-- no-transaction\n{draft};")).finds(&[]);
    fine("CREATE INDEX CONCURRENTLY ON u (a)");
    fine("DROP INDEX CONCURRENTLY i");
    // As the help says.
    fine("CREATE INDEX i2 ON ONLY p (y)");
}

#[test]
fn a_suggested_column_keeps_its_collation_and_storage() {
    let help = |column: &str| {
        postgres().released(USERS).draft(&format!("ALTER TABLE users ADD COLUMN {column};")).lint()[0].1.help[0].clone()
    };
    assert_eq!(
        help("k text COLLATE \"C\" NOT NULL DEFAULT md5(random()::text)"),
        "`ALTER TABLE users ADD COLUMN k text COLLATE \"C\"`, then `ALTER TABLE users ALTER COLUMN k SET DEFAULT \
         md5(random()::text)`, and fill the old rows in batches; after that, add `NOT NULL`"
    );
    let help = help("k varchar (9) STORAGE external COMPRESSION lz4 COLLATE pg_catalog.\"C\" NOT NULL");
    assert!(help.contains("k varchar (9) STORAGE external COMPRESSION lz4 COLLATE pg_catalog.\"C\" NOT NULL DEFAULT"));
}

#[test]
fn a_table_that_a_query_or_a_schema_creates_is_new() {
    for draft in [
        "SELECT 1 AS a INTO n; CREATE INDEX ON n (a);",
        "WITH w AS (SELECT 1 AS a) SELECT a INTO TABLE n FROM w; CREATE INDEX ON n (a);",
        "SELECT a INTO TEMP n FROM t; CREATE INDEX ON n (a);",
        "CREATE SCHEMA zz CREATE TABLE n (a int); CREATE INDEX ON zz.n (a);",
        "CREATE SCHEMA zz AUTHORIZATION ann CREATE VIEW v AS SELECT 1 CREATE TABLE n (a int); CREATE INDEX ON zz.n (a);",
        "CREATE SCHEMA AUTHORIZATION zz CREATE TABLE n (a int); CREATE INDEX ON zz.n (a);",
    ] {
        postgres().draft(draft).finds(&[]);
    }
    let other = "SELECT 1 AS a INTO n; CREATE INDEX ON m (a);";
    postgres().draft(other).finds(&["blocking-index: CREATE INDEX ON m (a)"]);
}

#[test]
fn partitioned_tables_and_their_partitions_are_not_checked_in_silence() {
    let tables = "CREATE TABLE p (a int, b int) PARTITION BY RANGE (a); CREATE TABLE q (a int, b int);";
    let on = |release: Option<u16>, draft: &str, expected: &[&str]| {
        let folder = Folder { release: release.map(Release::new), ..postgres() };
        folder.released(tables).draft(draft).finds(expected);
    };
    let key = "ALTER TABLE p ADD FOREIGN KEY (b) REFERENCES keys;";
    on(None, key, &["blocking-constraint: ADD FOREIGN KEY (b) REFERENCES keys"]);
    on(Some(18), key, &["blocking-constraint: ADD FOREIGN KEY (b) REFERENCES keys"]);
    let unchecked = "ALTER TABLE p ADD FOREIGN KEY (b) REFERENCES keys NOT VALID;";
    on(Some(17), unchecked, &["blocking-constraint: ADD FOREIGN KEY (b) REFERENCES keys NOT VALID"]);
    on(Some(18), unchecked, &[]);
    let help = |release: u16| {
        let folder = Folder { release: Some(Release::new(release)), ..postgres() };
        folder.released(tables).draft(key).lint()[0].1.help[0].clone()
    };
    assert!(
        help(15).contains("to each partition with `ADD CONSTRAINT p_b_fkey FOREIGN KEY (b) REFERENCES keys NOT VALID`")
    );
    assert!(help(18).contains("`ALTER TABLE p ADD CONSTRAINT p_b_fkey FOREIGN KEY (b) REFERENCES keys NOT VALID`"));

    let attach = "ALTER TABLE p ATTACH PARTITION q FOR VALUES FROM (1) TO (2);";
    on(None, attach, &["blocking-constraint: ATTACH PARTITION q FOR VALUES FROM (1) TO (2)"]);
    let checked = "ALTER TABLE q ADD CONSTRAINT q_bounds CHECK (a IS NOT NULL AND a >= 1 AND a < 2) NOT VALID;";
    postgres().released(tables).released(checked).draft(attach).finds(&[]);
    postgres()
        .released("CREATE TABLE p (a int, b int) PARTITION BY RANGE (a);")
        .draft("CREATE TABLE q (a int);")
        .draft(attach)
        .finds(&[]);
}

#[test]
fn a_default_or_domain_of_the_folder_rewrites_the_table() {
    let made = "CREATE FUNCTION vf() RETURNS int LANGUAGE plpgsql AS 'begin return 1; end'; \
                CREATE FUNCTION vs() RETURNS float LANGUAGE sql AS 'select random()'; \
                CREATE FUNCTION f_stable() RETURNS int STABLE LANGUAGE plpgsql AS 'begin return 1; end'; \
                CREATE FUNCTION f_inlined() RETURNS int LANGUAGE sql AS 'select 1'; \
                CREATE DOMAIN plain AS int; CREATE DOMAIN checked AS int CHECK (VALUE > 0); \
                CREATE DOMAIN app.filled AS int NOT NULL DEFAULT 1; CREATE DOMAIN drawn AS int DEFAULT vf(); \
                CREATE DOMAIN fixed AS int DEFAULT 3; CREATE DOMAIN nested AS checked; \
                CREATE DOMAIN later AS int; ALTER DOMAIN later ADD CHECK (VALUE > 0);";
    let on = |column: &str, is_reported: bool| {
        let draft = format!("ALTER TABLE users ADD COLUMN z {column};");
        let expected = format!("add-column-rewrite: ADD COLUMN z {column}");
        let expected: &[&str] = if is_reported { &[expected.as_str()] } else { &[] };
        postgres().released(USERS).released(made).draft(&draft).finds(expected);
    };
    for column in ["int DEFAULT vf()", "float DEFAULT vs()", "checked", "app.filled", "drawn", "nested", "later"] {
        on(column, true);
    }
    for column in ["int DEFAULT f_stable()", "int DEFAULT f_inlined()", "plain", "fixed", "drawn DEFAULT 1", "unknown"]
    {
        on(column, false);
    }
}

#[test]
fn types_that_tables_use_are_changed_under_locks() {
    let made =
        "CREATE DOMAIN dm AS int; CREATE TYPE ct AS (a int); CREATE TABLE t (a int GENERATED ALWAYS AS (1) STORED);";
    for (draft, rule) in [
        ("ALTER DOMAIN dm ADD CHECK (VALUE > 0)", "blocking-constraint"),
        ("ALTER DOMAIN dm ADD CONSTRAINT c CHECK (VALUE > 0)", "blocking-constraint"),
        ("ALTER DOMAIN dm SET NOT NULL", "set-not-null"),
        ("ALTER TYPE ct ALTER ATTRIBUTE a TYPE bigint CASCADE", "change-type"),
    ] {
        postgres().released(made).draft(&format!("{draft};")).finds(&[&format!("{rule}: {draft}")]);
        postgres().draft(made).draft(&format!("{draft};")).finds(&[]);
    }
    for draft in [
        "ALTER DOMAIN dm ADD CHECK (VALUE > 0) NOT VALID;",
        "ALTER DOMAIN dm SET DEFAULT 1;",
        "ALTER TYPE ct ALTER ATTRIBUTE a TYPE bigint;",
        "ALTER TYPE ct ADD ATTRIBUTE b int CASCADE;",
    ] {
        postgres().released(made).draft(draft).finds(&[]);
    }
    let expression = "ALTER TABLE t ALTER a SET EXPRESSION AS (2);";
    postgres().released(made).draft(expression).finds(&["table-rewrite: ALTER a SET EXPRESSION AS (2)"]);
}

#[test]
fn an_option_that_is_off_is_not_on() {
    for off in ["false", "off", "0", "'off'"] {
        let draft = format!("REINDEX (VERBOSE, CONCURRENTLY {off}) TABLE users");
        on_users(&format!("{draft};"), &[&format!("blocking-index: {draft}")]);
        on_users(&format!("-- no-transaction\nVACUUM (FULL {off}) users;"), &[]);
    }
    on_users("-- no-transaction\nREINDEX (CONCURRENTLY on) TABLE users;", &[]);
}

#[test]
fn names_of_other_objects_are_known_to_programs_too() {
    let made = "CREATE VIEW v AS SELECT 1 AS a; CREATE MATERIALIZED VIEW m AS SELECT 1 AS a; \
                CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TYPE en AS ENUM ('a');";
    for draft in [
        "ALTER VIEW v RENAME TO w",
        "ALTER VIEW IF EXISTS v RENAME COLUMN a TO b",
        "ALTER VIEW v RENAME a TO b",
        "ALTER MATERIALIZED VIEW m RENAME TO w",
        "ALTER MATERIALIZED VIEW m RENAME COLUMN a TO b",
        "ALTER FUNCTION f(int) RENAME TO g",
        "ALTER TYPE en RENAME VALUE 'a' TO 'b'",
    ] {
        postgres().released(made).draft(&format!("{draft};")).finds(&[&format!("rename: {draft}")]);
        postgres().draft(made).draft(&format!("{draft};")).finds(&[]);
    }
    let again = "ALTER VIEW v RENAME TO w; CREATE VIEW v AS SELECT * FROM w;";
    postgres().released(made).draft(again).finds(&[]);
    postgres().released(made).draft("ALTER INDEX i RENAME TO j; ALTER SEQUENCE s RENAME TO r;").finds(&[]);
}

/// `U&"\0074"` is another way to write `t`, and never a table `U`.
#[test]
fn names_with_escapes_are_decoded() {
    let message =
        |draft: &str| postgres().released("CREATE TABLE dat (a int);").draft(draft).lint()[0].1.message.clone();
    for name in ["U&\"dat\"", "u&\"d\\0061t\"", "U&\"d\\+000061t\"", "U&\"d!0061t\" UESCAPE '!'"] {
        let drop = message(&format!("DROP TABLE {name};"));
        assert!(drop.starts_with("the rows of `\"dat\"` are lost"), "{name}: {drop}");
        let draft = format!("CREATE TABLE {name} (a int); CREATE INDEX ON dat (a);");
        postgres().draft(&draft).finds(&[]);
    }
    let released = postgres().released("CREATE TABLE t (a int); CREATE TABLE u (a int);");
    released
        .draft("CREATE TABLE U&\"x\" (a int); CREATE INDEX ON u (a);")
        .finds(&["blocking-index: CREATE INDEX ON u (a)"]);
    assert!(message("DROP TABLE U&\"a\\\\b\"\"\\d83d\\de00\";").contains("`\"a\\b\"\"😀\"`"));
    // Cut short, as while typing.
    for name in ["U&", "U&\"", "U&\"\\", "U&\"\\00", "U&\"\\+00é\"", "U&\"é\\é\" UESCAPE", "U&\"a\" UESCAPE '"] {
        postgres().draft(&format!("DROP TABLE {name}")).lint();
    }
}

#[test]
fn merges_copied_rows_and_blocks_use_the_values_of_an_enum() {
    let released = "CREATE TYPE q AS ENUM ('a'); CREATE TABLE t (d q, b text);";
    let level = |draft: &str| {
        let found = postgres().released(released).draft(&format!("ALTER TYPE q ADD VALUE 'c'; {draft}")).lint();
        found.iter().find(|(_, finding)| finding.rule == "enum-value-used").map(|(_, finding)| finding.level)
    };
    for sure in [
        "MERGE INTO t USING u ON u.d = t.d WHEN MATCHED THEN UPDATE SET d = 'c';",
        "COPY t FROM stdin;\na\tx\nc\ty\n\\.\n",
        "COPY t (b, d) FROM stdin (FORMAT csv);\nx,c\n\\.\n",
    ] {
        assert_eq!(level(sure), Some(LintLevel::Deny), "{sure}");
    }
    for perhaps in [
        "DO $$ BEGIN UPDATE t SET d = 'c'; END $$;",
        "COPY other FROM stdin;\nc\n\\.\n",
        "MERGE INTO other USING u ON u.d = other.d WHEN NOT MATCHED THEN INSERT VALUES ('c');",
    ] {
        assert_eq!(level(perhaps), Some(LintLevel::Warn), "{perhaps}");
    }
    for other in ["COPY t (b) FROM stdin;\nc\n\\.\n", "COPY t FROM stdin;\na\tc\n\\.\n", "DO $$ BEGIN NULL; END $$;"] {
        assert_eq!(level(other), None, "{other}");
    }
}

#[test]
fn only_wider_types_change_in_place() {
    on_users("ALTER TABLE users ALTER age TYPE bigint;", &["change-type: ALTER age TYPE bigint"]);
    on_users(
        "ALTER TABLE users ALTER COLUMN name SET DATA TYPE varchar(10) USING left(name, 10);",
        &["change-type: ALTER COLUMN name SET DATA TYPE varchar(10) USING left(name, 10)"],
    );
    on_users("ALTER TABLE users ALTER name TYPE varchar(40), ALTER name TYPE text;", &[]);
    // Nobody can see what it was.
    postgres().draft("ALTER TABLE elsewhere ALTER a TYPE text;").finds(&[]);
    postgres().draft("ALTER TABLE elsewhere ALTER a TYPE bigint;").finds(&["change-type: ALTER a TYPE bigint"]);
}

#[test]
fn columns_that_rewrite_the_table_are_reported() {
    for column in [
        "token uuid DEFAULT gen_random_uuid()",
        "n bigserial",
        "n int GENERATED ALWAYS AS IDENTITY",
        "n int GENERATED ALWAYS AS (age + 1) STORED",
        "x numeric(10, 2) NOT NULL DEFAULT (random() * 2)",
    ] {
        on_users(
            &format!("ALTER TABLE users ADD COLUMN {column};"),
            &[&format!("add-column-rewrite: ADD COLUMN {column}")],
        );
    }
    for column in [
        "at timestamptz NOT NULL DEFAULT now()",
        "tags text[] NOT NULL DEFAULT ARRAY['a', 'b']::text[]",
        "n int GENERATED ALWAYS AS (age + 1) VIRTUAL",
        "n text",
    ] {
        on_users(&format!("ALTER TABLE users ADD {column};"), &[]);
    }
}

#[test]
fn table_rewrites_are_reported() {
    on_users("ALTER TABLE users SET UNLOGGED;", &["table-rewrite: SET UNLOGGED"]);
    on_users("-- no-transaction\nVACUUM (FULL, ANALYZE) users;", &["table-rewrite: VACUUM (FULL, ANALYZE) users"]);
    on_users("-- no-transaction\nVACUUM ANALYZE users;", &[]);
    on_users("CLUSTER users USING i;", &["table-rewrite: CLUSTER users USING i"]);
}

#[test]
fn a_required_column_needs_a_value_for_the_rows_that_are_there() {
    let draft = "ALTER TABLE users ADD COLUMN email text NOT NULL;";
    on_users(draft, &["filled-table: ADD COLUMN email text NOT NULL"]);
    let level = |folder: Folder| folder.lint()[0].1.level;
    assert_eq!(level(postgres().released(USERS).draft(draft)), LintLevel::Deny);
    assert_eq!(level(sqlite().released(USERS).draft(draft)), LintLevel::Deny);
    // Without a lockfile nobody knows what is in use.
    let unknown = Folder { has_lockfile: false, ..postgres() }.draft(USERS).draft(draft);
    assert_eq!(level(unknown), LintLevel::Warn);
    let undeclared = Folder { dialects: None, ..postgres() }.released(USERS).draft(draft);
    assert_eq!(level(undeclared), LintLevel::Warn);
    on_users(
        "ALTER TABLE users ADD a int NOT NULL DEFAULT NULL, ADD b int NOT NULL DEFAULT 0, ADD c int;",
        &["filled-table: ADD a int NOT NULL DEFAULT NULL"],
    );
    let emptied = &["empty-table: users"];
    on_users("TRUNCATE users; ALTER TABLE users ADD email text NOT NULL;", emptied);
    on_users("DELETE FROM users; ALTER TABLE users ADD email text NOT NULL;", emptied);
    on_users(
        "DELETE FROM users WHERE true; ALTER TABLE users ADD email text NOT NULL;",
        &["filled-table: ADD email text NOT NULL"],
    );
    // MySQL makes up a value.
    Folder::new(Dialect::Mysql).released(USERS).draft(draft).finds(&[]);
}

#[test]
fn columns_that_sqlite_cannot_add_are_reported() {
    let column = |column: &str, expected: &[&str]| {
        sqlite().released(USERS).draft(&format!("ALTER TABLE users ADD COLUMN {column};")).finds(expected);
    };
    column("at text DEFAULT CURRENT_TIMESTAMP", &["filled-table: ADD COLUMN at text DEFAULT CURRENT_TIMESTAMP"]);
    column("at text DEFAULT (datetime('now'))", &["filled-table: ADD COLUMN at text DEFAULT (datetime('now'))"]);
    column("boss int DEFAULT 1 REFERENCES users", &["filled-table: ADD COLUMN boss int DEFAULT 1 REFERENCES users"]);
    column("n int AS (age + 1) STORED", &["filled-table: ADD COLUMN n int AS (age + 1) STORED"]);
    column("email text UNIQUE", &["unsupported-alter: ADD COLUMN email text UNIQUE"]);
    for young in
        ["DROP CONSTRAINT c", "ADD CHECK (age > 1)", "ALTER name SET NOT NULL", "ALTER COLUMN name DROP NOT NULL"]
    {
        let draft = format!("ALTER TABLE users {young};");
        sqlite().released(USERS).draft(&draft).finds(&[&format!("unsupported-alter: {young}")]);
    }
    for fine in ["a int DEFAULT (1)", "a text DEFAULT 'now()'", "boss int REFERENCES users", "n int AS (age + 1)", "a"]
    {
        column(fine, &[]);
    }
}

#[test]
fn removing_what_running_programs_use_is_reported() {
    on_users("DROP TABLE IF EXISTS users;", &["drop-table: users"]);
    on_users("ALTER TABLE users DROP name, DROP CONSTRAINT c;", &["drop-column: DROP name"]);
    on_users("ALTER TABLE users RENAME name TO nick;", &["rename: RENAME name TO nick"]);
    on_users("ALTER TABLE users RENAME TO people;", &["rename: RENAME TO people"]);
    on_users("ALTER TABLE users RENAME TO people; CREATE VIEW users AS SELECT * FROM people;", &[]);
    on_users("ALTER TABLE users RENAME CONSTRAINT a TO b;", &[]);
    let added = "ALTER TABLE users ADD COLUMN nick text;";
    postgres().released(USERS).draft(added).draft("ALTER TABLE users DROP COLUMN nick;").finds(&[]);
}

/// The lock of the first statement is held until the commit.
#[test]
fn validating_in_the_same_transaction_is_reported() {
    let check = "ALTER TABLE users ADD CONSTRAINT grown CHECK (age > 17) NOT VALID;";
    let validate = "ALTER TABLE users VALIDATE CONSTRAINT grown;";
    on_users(&format!("{check}\n{validate}"), &["blocking-constraint: VALIDATE CONSTRAINT grown"]);
    on_users(
        "ALTER TABLE users ADD FOREIGN KEY (age) REFERENCES ages NOT VALID, VALIDATE CONSTRAINT users_age_fkey;",
        &["blocking-constraint: VALIDATE CONSTRAINT users_age_fkey"],
    );
    on_users(&format!("-- no-transaction\n{check}\n{validate}"), &[]);
    on_users(validate, &[]);
    on_users(&format!("ALTER TABLE others ADD CONSTRAINT grown CHECK (a > 1) NOT VALID;\n{validate}"), &[]);
    postgres().released(USERS).draft(check).draft(validate).finds(&[]);
}

/// What was written somewhere else before is not lost, and programs know the column all the same.
#[test]
fn a_copied_column_is_not_reported_as_lost() {
    let says = |before: &str, lost: bool| {
        let found = postgres().released(USERS).draft(&format!("{before}\nALTER TABLE users DROP COLUMN name;")).lint();
        let (_, finding) = found.iter().find(|(_, finding)| finding.rule == "drop-column").expect(before);
        assert_eq!(finding.message.contains("lost for good"), lost, "{before}: {}", finding.message);
        assert!(finding.message.contains("programs of the previous release that still use"), "{}", finding.message);
    };
    for moved in [
        "ALTER TABLE users ADD nick text; UPDATE users SET nick = name;",
        "ALTER TABLE users ADD is_ann bool; UPDATE users SET is_ann = true WHERE name = 'Ann';",
        "UPDATE users SET age = CASE WHEN name = 'Ann' THEN 1 ELSE 2 END;",
        "INSERT INTO names SELECT id, name FROM public.users;",
        "CREATE TABLE names AS SELECT id, \"name\" FROM users;",
        "UPDATE people SET nick = users.name FROM users WHERE users.id = people.id;",
        "WITH old AS (SELECT name FROM users) INSERT INTO names SELECT * FROM old;",
        "DO $$ BEGIN INSERT INTO names SELECT name FROM users; END $$;",
    ] {
        says(moved, false);
    }
    for lost in [
        "",
        "UPDATE users SET name = 'x';",
        "UPDATE users SET age = 1, name = 'x';",
        "INSERT INTO names SELECT name FROM others;",
        "DELETE FROM users WHERE name = 'x';",
        "UPDATE users SET age = 1;",
    ] {
        says(lost, true);
    }
}

#[test]
fn a_table_whose_rows_were_copied_is_not_reported_as_lost() {
    let says = |before: &str, lost: bool| {
        let found = postgres().released(USERS).draft(&format!("{before}\nDROP TABLE users;")).lint();
        let (_, finding) = found.iter().find(|(_, finding)| finding.rule == "drop-table").expect(before);
        assert_eq!(finding.message.contains("lost for good"), lost, "{before}: {}", finding.message);
        assert_eq!(finding.help[0].contains("saved"), lost, "{before}: {:?}", finding.help);
    };
    for moved in [
        "UPDATE people SET nick = u.name FROM users u WHERE u.id = people.id;",
        "UPDATE people SET nick = u.name FROM old o JOIN public.users u ON u.id = o.id WHERE u.id = people.id;",
        "UPDATE people SET nick = (SELECT name FROM \"users\" WHERE users.id = people.id);",
        "MERGE INTO people USING users ON users.id = people.id WHEN MATCHED THEN UPDATE SET nick = name;",
        "DO $$ BEGIN FOR u IN SELECT * FROM users LOOP PERFORM keep(u); END LOOP; END $$;",
    ] {
        says(moved, false);
    }
    for lost in [
        "",
        "UPDATE users SET name = 'x';",
        "UPDATE people SET nick = 'x' FROM others;",
        "DELETE FROM users WHERE id = 1;",
    ] {
        says(lost, true);
    }
}

#[test]
fn values_of_an_enum_are_used_after_the_commit() {
    let draft =
        "ALTER TYPE mood ADD VALUE 'ok'; CREATE FUNCTION f() RETURNS int AS 'ok' LANGUAGE c; UPDATE t SET m = 'ok';";
    postgres().draft(draft).finds(&["enum-value-used: 'ok'"]);
    postgres().draft(&format!("-- no-transaction\n{draft}")).finds(&[]);
    postgres().draft("ALTER TYPE mood ADD VALUE 'ok';").draft("UPDATE t SET m = 'ok';").finds(&[]);
}

/// Where the value is surely one of the enum, every server refuses it; elsewhere it may be a text.
#[test]
fn a_certain_use_of_a_new_enum_value_is_an_error() {
    let released =
        "CREATE TYPE app.\"Mood\" AS ENUM ('sad'); CREATE TABLE t (id int, \"Feels\" app.\"Mood\", note text);";
    let level = |draft: &str| {
        let draft = format!("ALTER TYPE app.\"Mood\" ADD VALUE 'ok'; {draft}");
        let found = postgres().released(released).draft(&draft).lint().into_iter();
        found.filter(|(_, finding)| finding.rule == "enum-value-used").map(|(_, finding)| finding.level).next()
    };
    for sure in [
        "UPDATE t SET \"Feels\" = 'ok';",
        "UPDATE t AS x SET note = 'ok' WHERE x.\"Feels\" <> 'ok';",
        "INSERT INTO t VALUES (1, 'ok', 'x');",
        "INSERT INTO t (note, \"Feels\") VALUES ('a', 'sad'), ('ok', 'ok');",
        "INSERT INTO t (id, \"Feels\") SELECT 1, 'ok' FROM other;",
        "DELETE FROM t WHERE \"Feels\" NOT IN ('sad', 'ok');",
        "SELECT 'ok'::app.\"Mood\";",
        "SELECT CAST('ok' AS \"Mood\");",
        "ALTER TABLE t ALTER COLUMN \"Feels\" SET DEFAULT 'ok';",
        "ALTER TABLE t ADD COLUMN second app.\"Mood\" DEFAULT 'ok';",
        "CREATE TABLE u (m app.\"Mood\" NOT NULL DEFAULT 'ok');",
        "CREATE INDEX i ON t (id) WHERE \"Feels\" = 'ok';",
    ] {
        assert_eq!(level(sure), Some(LintLevel::Deny), "{sure}");
    }
    for other in ["INSERT INTO t (note) VALUES ('ok');", "UPDATE t SET note = 'ok';"] {
        assert_eq!(level(other), None, "{other}");
    }
    for perhaps in ["UPDATE elsewhere SET m = 'ok';", "SELECT 'ok';"] {
        assert_eq!(level(perhaps), Some(LintLevel::Warn), "{perhaps}");
    }
    assert_eq!(level("SELECT 'ok'::text;"), None);
    // What an earlier script has added is there: `IF NOT EXISTS` does nothing.
    let again = "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'ok'; SELECT 'ok'::mood;";
    postgres().released("ALTER TYPE mood ADD VALUE 'ok';").draft(again).finds(&[]);
    postgres().released("ALTER TYPE mood ADD VALUE 'so so';").draft(again).finds(&["enum-value-used: 'ok'"]);
}

/// Servers from 12 to 16 refuse the value even if the script creates the type. The release is not always known.
#[test]
fn a_value_that_is_added_to_a_new_enum_is_used() {
    let draft = "CREATE TYPE e AS ENUM ('a'); ALTER TYPE e ADD VALUE 'c'; SELECT 'c'::e;";
    let level = |release: Option<u16>, draft: &str| {
        let folder = Folder { release: release.map(Release::new), ..postgres() };
        let found = folder.draft(draft).lint().into_iter();
        found.filter(|(_, finding)| finding.rule == "enum-value-used").map(|(_, finding)| finding.level).next()
    };
    assert_eq!(level(Some(15), draft), Some(LintLevel::Deny));
    assert_eq!(level(Some(12), draft), Some(LintLevel::Deny));
    assert_eq!(level(None, draft), Some(LintLevel::Warn));
    assert_eq!(level(Some(17), draft), None);
    assert_eq!(level(Some(11), draft), None);
    let renamed = "CREATE TYPE d AS ENUM ('a'); ALTER TYPE d RENAME TO e; ALTER TYPE e ADD VALUE 'c'; SELECT 'c'::e;";
    assert_eq!(level(Some(15), renamed), Some(LintLevel::Deny));
    assert_eq!(level(Some(17), renamed), None);
    let found = postgres().draft(draft).lint();
    assert_eq!(found[0].1.help, ["list 'c' in `CREATE TYPE e AS ENUM (…)` instead of adding it"]);
}

#[test]
fn a_text_that_equals_a_new_enum_value_does_not_use_it() {
    let released = "CREATE TYPE q AS ENUM ('a'); CREATE TABLE qq (b text, c varchar(10), d q, e thing);";
    let finds = |draft: &str, expected: &[&str]| {
        postgres().released(released).draft(&format!("ALTER TYPE q ADD VALUE 'c'; {draft}")).finds(expected);
    };
    for text in [
        "INSERT INTO qq (b) VALUES ('c');",
        "INSERT INTO qq (d, c) VALUES ('a', 'c');",
        "UPDATE qq SET b = 'c' WHERE c IN ('b', 'c');",
    ] {
        finds(text, &[]);
    }
    for perhaps in [
        "INSERT INTO qq (e) VALUES ('c');",
        "INSERT INTO other (b) VALUES ('c');",
        "UPDATE qq SET b = 'x' FROM o WHERE b = 'c';",
    ] {
        finds(perhaps, &["enum-value-used: 'c'"]);
    }
    finds("UPDATE qq SET b = 'c' WHERE d = 'c';", &["enum-value-used: 'c'"]);
}

/// One default for all rows cannot be a key.
#[test]
fn a_required_column_that_is_a_key_gets_a_value_for_each_row() {
    let help = |column: &str| {
        let found = postgres().released(USERS).draft(&format!("ALTER TABLE users ADD COLUMN {column};")).lint();
        let found = found.into_iter().find(|(_, finding)| finding.rule == "filled-table").unwrap().1;
        assert!(!found.help.iter().any(|help| help.contains("DEFAULT …")), "{found:?}");
        found.help.join("\n")
    };
    assert_eq!(
        help("z int PRIMARY KEY"),
        "give each row a value of its own: `ADD COLUMN z int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY`\n\
         or add it as `ADD COLUMN z int`, fill it with a value of its own for each row, and then \
         `ALTER TABLE users ADD PRIMARY KEY (z)`"
    );
    assert_eq!(
        help("z text NOT NULL UNIQUE"),
        "add it as `ADD COLUMN z text`, fill it with a value of its own for each row, and then \
         `ALTER TABLE users ALTER COLUMN z SET NOT NULL, ADD UNIQUE (z)`"
    );
    assert!(help("z uuid PRIMARY KEY").contains("`ADD COLUMN z uuid NOT NULL DEFAULT gen_random_uuid() PRIMARY KEY`"));
}

#[test]
fn moving_a_table_to_another_schema_is_reported_like_a_rename() {
    on_users("ALTER TABLE users SET SCHEMA app;", &["rename: SET SCHEMA app"]);
    on_users("ALTER TABLE users SET SCHEMA app; CREATE VIEW public.users AS SELECT * FROM app.users;", &[]);
    let schema = |draft: &str, expected: &[&str]| postgres().draft(draft).finds(expected);
    schema("ALTER SCHEMA s RENAME TO z;", &["rename: ALTER SCHEMA s RENAME TO z"]);
    schema("CREATE SCHEMA s; ALTER SCHEMA s RENAME TO z;", &[]);
    schema("ALTER SCHEMA s RENAME TO z; CREATE SCHEMA s; CREATE VIEW s.a AS SELECT * FROM z.a;", &[]);
    postgres().draft("CREATE TABLE t (a int); ALTER TABLE t SET SCHEMA app;").finds(&[]);
    let found = postgres().released(USERS).draft("ALTER TABLE users SET SCHEMA app;").lint();
    assert!(found[0].1.help[0].ends_with("`CREATE VIEW users AS SELECT * FROM app.users`"), "{found:?}");
}

/// SQLite deletes a table's rows before it drops the table.
#[test]
fn dropping_a_table_deletes_the_rows_that_refer_to_it() {
    let tables = "CREATE TABLE par (id integer PRIMARY KEY); \
                  CREATE TABLE child (par_id int REFERENCES par ON DELETE CASCADE);";
    let message = |draft: &str| {
        let found = sqlite().released(tables).draft(draft).lint().into_iter();
        found
            .filter(|(_, finding)| finding.rule == "drop-table")
            .map(|(_, finding)| finding.message)
            .collect::<Vec<_>>()
    };
    let also = "SQLite deletes its rows first, which deletes or empties the rows of `child` that refer to it, as its foreign key says";
    assert!(message("DROP TABLE par;")[0].ends_with(also));
    assert!(message("CREATE TABLE n AS SELECT * FROM par; DROP TABLE par;")[0].ends_with(also));
    let both = message("DROP TABLE par; DROP TABLE child;");
    assert!(both.len() == 2 && !both[0].contains("SQLite"), "{both:?}");
    assert!(!message("DROP TABLE child;")[0].contains("SQLite"));
    let off = Folder { foreign_keys_off: true, ..sqlite() };
    let found = off.released(tables).draft("DROP TABLE par;").lint();
    assert!(!found[0].1.message.contains("SQLite"), "{found:?}");
    let found = postgres().released(tables).draft("DROP TABLE par;").lint();
    assert!(!found[0].1.message.contains("SQLite"), "{found:?}");
}

#[test]
fn a_column_that_is_a_key_builds_an_index() {
    for column in ["email text UNIQUE", "code bigint CONSTRAINT c PRIMARY KEY", "email text UNIQUE NULLS NOT DISTINCT"]
    {
        let draft = format!("ALTER TABLE users ADD COLUMN {column};");
        let found = postgres().released(USERS).draft(&draft).lint();
        let rules: Vec<&str> = found.iter().map(|(_, finding)| finding.rule).collect();
        assert!(rules.contains(&"blocking-unique"), "{column}: {rules:?}");
        postgres().draft(USERS).draft(&draft).finds(&[]);
    }
    on_users(
        "ALTER TABLE users ADD COLUMN x int CHECK (x > 1), ADD y int DEFAULT 1 REFERENCES ages;",
        &[
            "blocking-constraint: ADD COLUMN x int CHECK (x > 1)",
            "blocking-constraint: ADD y int DEFAULT 1 REFERENCES ages",
        ],
    );
    on_users("ALTER TABLE users ADD COLUMN y int REFERENCES ages, ADD z int DEFAULT NULL REFERENCES ages;", &[]);
}

#[test]
fn a_type_may_be_free_for_the_table_and_not_for_an_index() {
    let on = |more: &str, change: &str, expected: bool| {
        let table = "CREATE TABLE t (a varchar(10), b text, at timestamp, n numeric(10, 2), c citext);";
        let draft = format!("ALTER TABLE t ALTER COLUMN {change};");
        let found = postgres().released(table).released(more).draft(&draft).lint();
        assert_eq!(found.iter().any(|(_, finding)| finding.rule == "change-type"), expected, "{more} {change}");
        // Under a name that it got later too.
        let renamed = draft.replace("TABLE t ", "TABLE renamed ");
        let folder = postgres().released(table).released(more).released("ALTER TABLE t RENAME TO renamed;");
        let found = folder.draft(&renamed).lint();
        assert_eq!(found.iter().any(|(_, finding)| finding.rule == "change-type"), expected, "{more} {renamed}");
    };
    on("CREATE INDEX i ON t (a, b DESC NULLS LAST);", "a TYPE text", false);
    on("CREATE INDEX i ON t (lower(a));", "a TYPE text", true);
    on("CREATE INDEX i ON t ((a || b));", "a TYPE varchar(20)", true);
    on("CREATE INDEX i ON t (b) WHERE a > 'm';", "a TYPE text", true);
    on("CREATE INDEX i ON t (abs(n));", "n TYPE numeric(12, 2)", true);
    on("CREATE INDEX i ON t (lower(b));", "a TYPE text", false);
    on("CREATE INDEX i ON t (lower(a)); DROP INDEX i;", "a TYPE text", false);
    on("ALTER TABLE t ADD CONSTRAINT e EXCLUDE USING gist (lower(a) WITH =);", "a TYPE text", true);
    // Its rows are looked at again.
    on("ALTER TABLE t ADD CHECK (length(a) > 2);", "a TYPE text", true);
    on("ALTER TABLE t ADD CONSTRAINT c CHECK (length(a) > 2); ALTER TABLE t DROP CONSTRAINT c;", "a TYPE text", false);
    // Another order of the same rows.
    on("", "a TYPE text COLLATE \"C\"", false);
    on("CREATE INDEX i ON t (a);", "a TYPE text COLLATE \"C\"", true);
    on("", "c TYPE text", false);
    on("ALTER TABLE t ADD UNIQUE (c);", "c TYPE text", true);
    // An expression is computed for each row.
    on("", "a TYPE text USING a::text", false);
    on("", "a TYPE text USING (a)", false);
    on("", "a TYPE text USING lower(a)", true);
}

#[test]
fn both_times_are_the_same_in_a_time_zone_without_an_offset() {
    let finds = |script: &str, release: Option<u16>, expected: bool| {
        let mut folder =
            postgres().released("CREATE TABLE t (a timestamp, b timestamptz, c timestamp(3));").draft(script);
        folder.release = release.map(Release::new);
        let found = folder.lint().iter().any(|(_, finding)| finding.rule == "change-type");
        assert_eq!(found, expected, "{release:?}: {script}");
    };
    let change = "ALTER TABLE t ALTER a TYPE timestamptz";
    for zone in [
        "SET timezone = 'UTC'",
        "SET LOCAL timezone TO utc",
        "SET SESSION TimeZone = \"Etc/UTC\"",
        "SET TIME ZONE 'UTC'",
        "SET LOCAL TIME ZONE 'GMT'",
        "SET TIME ZONE 0",
    ] {
        finds(&format!("{zone}; {change};"), None, false);
        finds(&format!("{zone}; {change};"), Some(12), false);
        finds(&format!("{zone}; {change};"), Some(11), true);
        finds(&format!("{zone}; {change} USING a::timestamptz;"), None, false);
        finds(&format!("{zone}; {change} USING a AT TIME ZONE 'UTC';"), None, true);
        finds(&format!("{zone}; ALTER TABLE t ALTER b TYPE timestamp without time zone;"), None, false);
        finds(&format!("{zone}; ALTER TABLE t ALTER c TYPE timestamptz(3);"), None, false);
        finds(&format!("{zone}; ALTER TABLE t ALTER a TYPE timestamptz(3);"), None, true);
        finds(&format!("{zone}; RESET timezone; {change};"), None, true);
        finds(&format!("{zone}; SET timezone = 'Europe/Vienna'; {change};"), None, true);
    }
    finds(&format!("{change};"), None, true);
    finds(&format!("{change}; SET TIME ZONE 'UTC';"), None, true);
    // The rows are as they were; an index on them is not.
    let folder = postgres().released("CREATE TABLE t (a timestamp UNIQUE);");
    folder.draft(&format!("SET timezone = 'UTC'; {change};")).finds(&["change-type: ALTER a TYPE timestamptz"]);
}

#[test]
fn a_table_dropped_by_a_swap_is_not_reported_as_lost() {
    let filled = "CREATE TABLE users_new (id bigint); INSERT INTO users_new SELECT id FROM users;";
    let swap = "ALTER TABLE users RENAME TO users_old; ALTER TABLE users_new RENAME TO users; DROP TABLE users_old;";
    // Filled in this script, or in one before.
    on_users(&format!("{filled} {swap}"), &[]);
    on_users(&format!("CREATE TABLE users_new AS SELECT id FROM users; {swap}"), &[]);
    on_users(
        "CREATE TABLE users_new AS SELECT * FROM ages JOIN users USING (id); DROP TABLE users; ALTER TABLE users_new RENAME TO users;",
        &[],
    );
    postgres()
        .released(USERS)
        .released("CREATE TABLE users_new (id bigint);")
        .draft(swap)
        .finds(&["rename: RENAME TO users"]);
    // What was empty took the place of what had rows.
    postgres()
        .released(USERS)
        .draft(&format!("CREATE TABLE users_new (id bigint); {swap}"))
        .finds(&["drop-table: users_old"]);
    on_users("DROP TABLE users; CREATE TABLE users (id bigint);", &["drop-table: users"]);
    // What was computed is computed again.
    on_users("DROP TABLE users; CREATE TABLE users AS SELECT 1 AS id FROM ages;", &[]);
    on_users("DROP TABLE users; CREATE TABLE users (id bigint); INSERT INTO users SELECT id FROM ages;", &[]);
    // A name that was another table's is not new.
    let renamed = postgres().released(USERS).draft("CREATE TABLE a (b int); ALTER TABLE a RENAME TO c;");
    renamed
        .draft("ALTER TABLE users RENAME TO a; CREATE INDEX i ON a (id);")
        .finds(&["rename: RENAME TO a", "blocking-index: CREATE INDEX i ON a (id)"]);
}

const REBUILD: &str = "CREATE TABLE users_new (id integer PRIMARY KEY, name text NOT NULL);
INSERT INTO users_new SELECT id, name FROM users;
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;";

#[test]
fn a_table_that_others_refer_to_is_rebuilt_without_foreign_keys() {
    let posts = "CREATE TABLE posts (author int REFERENCES users (id) ON DELETE CASCADE);";
    let folder = || sqlite().released(USERS).released(posts).draft(REBUILD);
    folder().finds(&["rebuild-foreign-keys: users"]);
    assert_eq!(folder().lint()[0].1.level, LintLevel::Deny);
    assert!(folder().lint()[0].1.message.contains("deletes or empties the rows of `posts`"));
    Folder { foreign_keys_off: true, ..folder() }.finds(&[]);
    Folder { dialects: None, ..folder() }.finds(&["rebuild-foreign-keys: users"]);
    let plain = sqlite().released(USERS).released("CREATE TABLE posts (author int REFERENCES users);").draft(REBUILD);
    plain.finds(&["rebuild-foreign-keys: users"]);
    assert_eq!(plain.lint()[0].1.level, LintLevel::Warn);
    // A rebuild that gives the old table away first leaves the key with that one.
    let first = "ALTER TABLE posts RENAME TO posts_old; CREATE TABLE posts (author int);
        INSERT INTO posts SELECT author FROM posts_old; DROP TABLE posts_old;";
    sqlite().released(USERS).released(posts).released(first).draft(REBUILD).finds(&[]);
    sqlite().released(USERS).released(posts).draft(&format!("{first} {REBUILD}")).finds(&[]);
    let kept = first.replace("(author int)", "(author int REFERENCES users ON DELETE CASCADE)");
    sqlite().released(USERS).released(posts).released(&kept).draft(REBUILD).finds(&["rebuild-foreign-keys: users"]);
    let renamed = "ALTER TABLE posts RENAME TO articles;";
    let moved = sqlite().released(USERS).released(posts).released(renamed).draft(REBUILD);
    assert!(moved.lint()[0].1.message.contains("the rows of `articles`"));
    sqlite()
        .released(USERS)
        .released(posts)
        .released(renamed)
        .released("DROP TABLE articles;")
        .draft(REBUILD)
        .finds(&[]);
    let again = "CREATE TABLE IF NOT EXISTS posts (author int);";
    sqlite().released(USERS).released(posts).released(again).draft(REBUILD).finds(&["rebuild-foreign-keys: users"]);
    // Nobody refers to it, not any more, or only it itself.
    sqlite().released(USERS).draft(REBUILD).finds(&[]);
    folder().scripts.truncate(0);
    sqlite().released(USERS).released(posts).released("DROP TABLE posts;").draft(REBUILD).finds(&[]);
    let own = "CREATE TABLE users (id integer PRIMARY KEY, boss int REFERENCES users (id));";
    sqlite().released(own).draft(REBUILD).finds(&[]);
}

#[test]
fn a_table_that_others_refer_to_is_not_renamed_away() {
    const AWAY: &str = "ALTER TABLE users RENAME TO users_old;
CREATE TABLE users (id integer PRIMARY KEY, name text NOT NULL);
INSERT INTO users SELECT id, name FROM users_old;
DROP TABLE users_old;";
    let posts = "CREATE TABLE posts (author int REFERENCES users (id));";
    let of = |text: &str| sqlite().released(USERS).released(posts).draft(text);
    let found = "rebuild-foreign-keys: RENAME TO users_old";
    of(AWAY).finds(&[found]);
    assert_eq!(of(AWAY).lint()[0].1.level, LintLevel::Deny);
    Folder { foreign_keys_off: true, ..of(AWAY) }.finds(&[found]);
    Folder { dialects: None, ..of(AWAY) }.finds(&[found]);
    // SQLite leaves the keys as they are, or nobody refers to the table.
    of(&format!("PRAGMA legacy_alter_table = ON; {AWAY}")).finds(&[]);
    sqlite().released(USERS).draft(AWAY).finds(&[]);
    let again = "CREATE TABLE posts_new (author int REFERENCES users (id)); DROP TABLE posts; ALTER TABLE posts_new RENAME TO posts;";
    of(&format!("DROP TABLE posts; {AWAY} {posts}")).finds(&["drop-table: posts"]);
    of(&format!("{AWAY} {again}")).finds(&["drop-table: posts"]);
}

#[test]
fn a_down_script_undoes_what_the_up_script_made() {
    let pair = |up: &str, down: &str, expected: &[&str]| postgres().draft(up).down(down).finds(expected);
    pair("CREATE TABLE a (b int); CREATE INDEX i ON a (b);", "DROP TABLE a;", &[]);
    pair("CREATE TABLE a (b int);", "DROP TABLE b;", &["incomplete-down: DROP TABLE b;"]);
    pair("CREATE TABLE a (b int);", "-- nothing", &["incomplete-down: "]);
    pair(
        "CREATE INDEX i ON new_one (b); CREATE VIEW v AS SELECT 1;",
        "DROP VIEW v;",
        &["blocking-index: CREATE INDEX i ON new_one (b)", "incomplete-down: DROP VIEW v;"],
    );
    pair(
        "ALTER TABLE a ADD c int; CREATE TYPE t AS ENUM ();",
        "ALTER TABLE a DROP c;",
        &["incomplete-down: ALTER TABLE a DROP c;"],
    );
    // An index goes with its column, a column with its table, and a body may drop things too.
    pair("ALTER TABLE a ADD c int; CREATE INDEX CONCURRENTLY i ON a (lower(c));", "ALTER TABLE a DROP c;", &[]);
    pair("CREATE TYPE t AS ENUM ();", "DO $$ BEGIN EXECUTE 'DROP TYPE t'; END $$;", &[]);
    pair("CREATE SCHEMA s; CREATE TABLE s.t (a int);", "DROP SCHEMA s CASCADE;", &[]);
    pair("CREATE OR REPLACE FUNCTION f() RETURNS int AS 'x' LANGUAGE c; INSERT INTO a VALUES (1);", "", &[]);
    pair("CREATE TEMP TABLE x (a int);", "", &[]);
    sqlite().draft(REBUILD).down("-- as it was").finds(&[]);
    let unknown = Folder { has_lockfile: false, ..postgres() };
    unknown.draft("CREATE TABLE a (b int);").down("-- Add down migration script here").finds(&[]);
    let message = postgres().draft("ALTER TABLE a ADD c int, ADD d int;").down("SELECT 1;").lint()[0].1.message.clone();
    assert_eq!(
        message,
        "`1_x.up.sql` creates the column `c` of `a` and the column `d` of `a`, but this script does not mention them"
    );
}

#[test]
fn objects_dropped_with_another_need_not_be_named() {
    let pair = |up: &str, down: &str, expected: &[&str]| {
        let found = postgres().draft(up).down(down).lint();
        let found: Vec<&str> =
            found.iter().map(|(_, finding)| finding.rule).filter(|rule| *rule == "incomplete-down").collect();
        assert_eq!(found, expected, "{up}\n{down}");
    };
    let incomplete = &["incomplete-down"];
    for owned in [
        "ALTER TABLE t ADD n bigint; CREATE SEQUENCE s OWNED BY t.n;",
        "ALTER TABLE t ADD n bigint; CREATE SEQUENCE s; ALTER SEQUENCE s OWNED BY public.t.n;",
    ] {
        pair(owned, "ALTER TABLE t DROP COLUMN n;", &[]);
        pair(owned, "DROP TABLE t;", &[]);
        pair(owned, "ALTER TABLE t ALTER n DROP NOT NULL;", incomplete);
    }
    pair("CREATE SEQUENCE s; ALTER TABLE t ADD n bigint;", "ALTER TABLE t DROP COLUMN n;", incomplete);
    // Types and others that take the place of one that was there.
    pair(
        "CREATE TYPE mood_new AS ENUM ('a'); ALTER TABLE t ALTER m TYPE mood_new; DROP TYPE mood; ALTER TYPE mood_new RENAME TO mood;",
        "SELECT 1;",
        &[],
    );
    pair(
        "ALTER TYPE mood RENAME TO mood_old; CREATE TYPE mood AS ENUM ('a'); ALTER TABLE t ALTER m TYPE mood; DROP TYPE mood_old;",
        "SELECT 1;",
        &[],
    );
    pair("CREATE SEQUENCE a; ALTER SEQUENCE a RENAME TO b;", "DROP SEQUENCE b;", &[]);
    pair("CREATE INDEX i ON t (a); ALTER INDEX i RENAME TO j;", "DROP INDEX j;", &[]);
    pair("CREATE INDEX i ON t (a); ALTER INDEX i RENAME TO j;", "DROP INDEX k;", incomplete);
    // A partition and its index go with the table.
    let parts = "CREATE TABLE p_1 PARTITION OF p FOR VALUES IN (1); CREATE INDEX i ON p_1 (a);";
    pair(parts, "DROP TABLE p;", &[]);
    pair(parts, "DROP TABLE p_1;", &[]);
    pair(parts, "DROP TABLE q;", incomplete);
    pair("CREATE TABLE p_1 (a int); ALTER TABLE p ATTACH PARTITION p_1 DEFAULT;", "DROP TABLE p;", &[]);
    pair("CREATE INDEX i_1 ON p_1 (a); ALTER INDEX i ATTACH PARTITION i_1;", "DROP INDEX i;", &[]);
    // A table that was there before is changed and not made.
    pair(
        "ALTER TABLE m RENAME TO m_old; CREATE TABLE m (a int); INSERT INTO m SELECT a FROM m_old; DROP TABLE m_old;",
        "SELECT 1;",
        &[],
    );
    pair("CREATE TABLE a (b int); ALTER TABLE a RENAME TO c;", "SELECT 1;", incomplete);
    // A down script may rebuild the table, which drops what depends on it.
    let added = "ALTER TABLE m ADD x int; CREATE INDEX i ON m (y);";
    let rebuilt =
        "ALTER TABLE m RENAME TO m_old; CREATE TABLE m (y int); INSERT INTO m SELECT y FROM m_old; DROP TABLE m_old;";
    pair(added, rebuilt, &[]);
    pair(added, "ALTER TABLE m RENAME TO m_old; CREATE TABLE m (y int);", incomplete);
    // CASCADE takes along what hangs on it.
    let trigger = "CREATE FUNCTION f() RETURNS trigger LANGUAGE sql AS ''; CREATE TRIGGER g AFTER INSERT ON t EXECUTE FUNCTION f();";
    pair(trigger, "DROP FUNCTION f CASCADE;", &[]);
    pair(trigger, "DROP FUNCTION f;", incomplete);
    pair("CREATE TYPE mood AS ENUM (); ALTER TABLE t ADD m mood;", "DROP TYPE mood CASCADE;", &[]);
    pair("CREATE VIEW v AS SELECT * FROM t;", "DROP TABLE t CASCADE;", &[]);

    // What earlier scripts made was there.
    let made = "CREATE TABLE t (a int); CREATE INDEX i ON t (a);";
    let again = "CREATE TABLE IF NOT EXISTS t (a int); DROP INDEX i; CREATE INDEX i ON t (a);";
    postgres().draft(made).down("DROP TABLE t;").draft(again).down("SELECT 1;").finds(&[]);
    sqlite().released(made).draft("CREATE INDEX IF NOT EXISTS i ON t (a);").down("SELECT 1;").finds(&[]);
    postgres()
        .released("CREATE TABLE t (a int); DROP TABLE t;")
        .draft("CREATE TABLE IF NOT EXISTS t (a int);")
        .down("SELECT 1;")
        .finds(&["incomplete-down: SELECT 1;"]);
}

/// Tables and columns may be called as words of SQL are.
#[test]
fn a_keyword_in_a_down_script_is_not_the_name_of_an_object() {
    let assert_incomplete = |folder: Folder, up: &str, down: &str, expected: bool| {
        let found = folder.draft(up).down(down).lint();
        let reported = found.iter().any(|(_, finding)| finding.rule == "incomplete-down");
        assert_eq!(reported, expected, "{up}\n{down}");
    };
    for (up, down) in [
        ("CREATE TABLE comment (a int);", "COMMENT ON COLUMN t.a IS NULL;"),
        ("CREATE TABLE \"table\" (a int);", "DROP TABLE IF EXISTS t;"),
        ("CREATE TABLE \"order\" (a int);", "CREATE VIEW v AS SELECT a FROM t ORDER BY a;"),
        ("CREATE TABLE language (a int);", "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';"),
        ("CREATE TABLE language (a int);", "CREATE FUNCTION f() RETURNS int AS 'SELECT 1' LANGUAGE sql;"),
        ("CREATE TABLE role (a int);", "SET ROLE ann; SELECT 1;"),
        ("CREATE TABLE view (a int);", "DROP MATERIALIZED VIEW IF EXISTS v;"),
        ("CREATE TABLE index (a int);", "DROP INDEX CONCURRENTLY i;"),
        ("ALTER TABLE t ADD COLUMN type text;", "ALTER TABLE t ALTER COLUMN n TYPE int;"),
        ("ALTER TABLE t ADD COLUMN type text;", "ALTER TABLE t ALTER n TYPE int, ALTER m SET DATA TYPE int;"),
        ("ALTER TABLE t ADD COLUMN type text;", "DROP TYPE IF EXISTS mood;"),
        ("ALTER TABLE t ADD COLUMN text text;", "ALTER TABLE t ALTER COLUMN n TYPE text;"),
        ("ALTER TABLE t ADD COLUMN key text;", "ALTER TABLE t ADD PRIMARY KEY (n);"),
        ("ALTER TABLE t ADD COLUMN data text;", "REFRESH MATERIALIZED VIEW v WITH NO DATA;"),
        ("ALTER TABLE t ADD COLUMN trigger text;", "DROP TRIGGER g ON t;"),
        ("ALTER TABLE t ADD COLUMN function text;", "DROP FUNCTION f(integer);"),
        ("ALTER TABLE t ADD COLUMN schema text;", "ALTER TABLE t SET SCHEMA s;"),
        (
            "ALTER TABLE t ADD COLUMN action text;",
            "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES b ON DELETE NO ACTION;",
        ),
    ] {
        assert_incomplete(postgres(), up, down, true);
    }
    for (up, down) in [
        ("CREATE TABLE comment (a int);", "DROP TABLE comment;"),
        ("CREATE TABLE \"table\" (a int);", "DROP TABLE IF EXISTS \"table\";"),
        ("CREATE TABLE language (a int);", "DROP TABLE IF EXISTS public.language;"),
        ("CREATE TABLE role (a int);", "DROP TABLE a, role;"),
        ("CREATE TABLE view (a int);", "DROP TABLE view;"),
        ("CREATE TABLE index (a int);", "ALTER TABLE index RENAME TO was_index;"),
        ("CREATE TABLE type (a int);", "DROP TABLE IF EXISTS type CASCADE;"),
        ("ALTER TABLE t ADD COLUMN type text;", "ALTER TABLE t DROP COLUMN type;"),
        ("ALTER TABLE t ADD COLUMN type text;", "ALTER TABLE t DROP type;"),
        ("ALTER TABLE t ADD COLUMN type text;", "ALTER TABLE t DROP COLUMN IF EXISTS type, ALTER COLUMN n TYPE int;"),
        ("ALTER TABLE t ADD COLUMN type text;", "ALTER TABLE t RENAME COLUMN type TO kind;"),
        ("ALTER TABLE t ADD COLUMN type text;", "ALTER TABLE t RENAME type TO kind;"),
        ("ALTER TABLE t ADD COLUMN type text;", "ALTER TABLE t ALTER COLUMN type DROP NOT NULL;"),
        ("ALTER TABLE t ADD COLUMN key text;", "ALTER TABLE t DROP key;"),
        ("ALTER TABLE t ADD COLUMN data text;", "ALTER TABLE t DROP COLUMN data;"),
        (
            "ALTER TABLE t ADD COLUMN user_id int, ADD COLUMN \"user\" int;",
            "ALTER TABLE t DROP user_id, DROP \"user\";",
        ),
        ("ALTER TABLE t ADD COLUMN value int, ADD COLUMN name text;", "ALTER TABLE t DROP COLUMN value, DROP name;"),
        ("CREATE TYPE role AS ENUM ('a');", "DROP TYPE role;"),
        ("CREATE SEQUENCE sequence;", "DROP SEQUENCE sequence;"),
        ("CREATE INDEX index ON t (a);", "DROP INDEX IF EXISTS index;"),
        ("CREATE INDEX index ON t (a);", "DROP INDEX CONCURRENTLY index;"),
        ("CREATE VIEW user_role AS SELECT 1;", "DROP VIEW user_role;"),
        ("CREATE TRIGGER trigger AFTER INSERT ON t EXECUTE FUNCTION f();", "DROP TRIGGER trigger ON t;"),
        ("CREATE FUNCTION function() RETURNS int LANGUAGE sql AS 'SELECT 1';", "DROP FUNCTION function();"),
    ] {
        assert_incomplete(postgres(), up, down, false);
    }
    assert_incomplete(sqlite(), "CREATE TABLE user (a int);", "DROP TABLE user;", false);
    assert_incomplete(sqlite(), "CREATE TABLE [index] (a int);", "DROP INDEX i;", true);
}

/// A down script that only raises an error counts as none.
#[test]
fn a_down_script_that_only_raises_is_not_incomplete() {
    let on = |folder: Folder, down: &str, expected: &[&str]| {
        folder.draft("CREATE TABLE a (b int);").down(down).finds(expected)
    };
    for down in [
        "DO $$ BEGIN RAISE EXCEPTION 'there is no way back'; END $$;",
        "-- why\nDO LANGUAGE plpgsql $x$ DECLARE n int; BEGIN RAISE 'gone: %', 1; END; $x$;",
        "DO 'BEGIN RAISE division_by_zero; END';",
        "SET search_path = a; DO $$ BEGIN RAISE SQLSTATE '22012'; END $$;",
    ] {
        on(postgres(), down, &[]);
    }
    for down in [
        "DO $$ BEGIN RAISE NOTICE 'nothing to do'; END $$;",
        "DO $$ BEGIN RAISE EXCEPTION 'x'; EXCEPTION WHEN others THEN NULL; END $$;",
        "DO $$ BEGIN IF true THEN RAISE EXCEPTION 'x'; END IF; END $$;",
        "DO $$ BEGIN",
    ] {
        let found = postgres().draft("CREATE TABLE a (b int);").down(down).lint();
        assert!(found.iter().any(|(_, finding)| finding.rule == "incomplete-down"), "{down}");
    }
    on(sqlite(), "SELECT RAISE(ABORT, 'there is no way back');", &[]);
    on(sqlite(), "SELECT raise_it();", &["incomplete-down: SELECT raise_it();"]);
}

#[test]
fn down_scripts_that_delete_rows_are_reported() {
    let down = "DROP TABLE a; ALTER TABLE b DROP COLUMN c; DELETE FROM d; DELETE FROM e WHERE f;";
    let found = postgres().draft("SELECT 1;").down(down).lint();
    let found: Vec<(&str, &str)> = found.iter().map(|(text, finding)| (finding.rule, text.as_str())).collect();
    assert_eq!(found, [("lossy-down", "a"), ("lossy-down", "DROP COLUMN c"), ("lossy-down", "d")]);
}

#[test]
fn a_script_does_something() {
    postgres().draft("-- 0001_x\n\n").finds(&["empty-script: "]);
    postgres().draft("SELECT 1;").finds(&[]);
}

/// Found by fuzzing: what ends in the middle of a name has an error of its own, and must not end the compiler.
#[test]
fn a_name_without_its_closing_quote_is_read_to_the_end() {
    for dialect in [Dialect::Postgres, Dialect::Sqlite, Dialect::Mysql] {
        for name in ["\"\u{41e}", "`\u{41e}", "[\u{41e}", "'\u{41e}", "\"", "[", "`"] {
            Folder::new(dialect).draft(&format!("CREATE TABLE {name}")).lint();
        }
    }
    assert_eq!([key("\"\u{41e}"), key("[A]"), key("`A`"), key("\"")], ["\u{43e}", "a", "a", ""]);
}

#[test]
fn released_scripts_are_not_linted() {
    postgres().released(USERS).released("CREATE INDEX i ON users (name);").finds(&[]);
}

#[test]
fn the_rules_are_in_alphabetical_order() {
    assert!(RULES.is_sorted_by(|a, b| a.name < b.name));
}

/// Lints this many drafts, and returns the CPU time of this thread in nanoseconds.
fn time_of(drafts: usize) -> u64 {
    let used = || -> u64 {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        text.split(' ').next().and_then(|time| time.parse().ok()).expect("Linux counts what a thread uses")
    };
    let mut folder = postgres().released(USERS);
    for n in 0..drafts {
        let mut draft = "ALTER TABLE users ALTER name TYPE text;\nCREATE INDEX ON users (name);\n".to_owned();
        while draft.len() < 2_000 {
            draft +=
                &format!("CREATE TABLE t{n}_{} (a int, b text NOT NULL DEFAULT 'x', c numeric(10, 2));\n", draft.len());
            draft += "INSERT INTO t VALUES (1, 'two', 3.4), (5, 'six', 7.8);\n";
        }
        folder = folder.draft(&draft);
    }
    let before = used();
    assert!(!folder.lint().is_empty());
    used() - before
}

#[test]
fn the_time_of_linting_grows_linearly_with_the_drafts() {
    let (few, more) = (time_of(50), time_of(200));
    assert!(more < few * 10, "{few} ns, then {more} ns");
}

/// A default of a new column is written into each row by a server that is older than 11, and by none since.
#[test]
fn findings_depend_on_the_release() {
    let finds = |release: Option<u16>, column: &str, expected: bool| {
        let draft = format!("ALTER TABLE member ADD COLUMN {column};");
        let mut folder =
            Folder::new(Dialect::Postgres).released("CREATE TABLE member (id INT PRIMARY KEY);").draft(&draft);
        folder.release = release.map(Release::new);
        let found = folder.lint().iter().any(|(_, finding)| finding.rule == "add-column-rewrite");
        assert_eq!(found, expected, "{release:?}: {column}");
    };
    for (release, expected) in [(Some(10), true), (Some(11), false), (Some(12), false), (None, false)] {
        finds(release, "note TEXT DEFAULT 'none'", expected);
        finds(release, "note TEXT DEFAULT NULL", false);
        finds(release, "note TEXT", false);
        finds(release, "code UUID DEFAULT gen_random_uuid()", true);
    }
}

#[test]
fn a_repeatable_script_that_cannot_run_twice_is_reported() {
    let repeatable = |dialect: Dialect, text: &str| Folder { id: "R__x", ..Folder::new(dialect) }.draft(text);
    let both = [Dialect::Postgres, Dialect::Sqlite];
    for (text, reported) in [
        ("CREATE TABLE t (a int); SELECT 1;", "CREATE TABLE t (a int)"),
        ("CREATE VIEW v AS SELECT 1;", "CREATE VIEW v AS SELECT 1"),
        ("CREATE INDEX i ON t (a);", "CREATE INDEX i ON t (a)"),
        ("DROP VIEW v;", "DROP VIEW v"),
        ("ALTER TABLE t ADD COLUMN b int;", "ADD COLUMN b int"),
        ("ALTER TABLE t RENAME COLUMN a TO b;", "RENAME COLUMN a TO b"),
    ] {
        for dialect in both {
            let found = repeatable(dialect, text).lint();
            let found: Vec<_> = found.iter().filter(|(_, finding)| finding.rule == "runs-once").collect();
            assert!(matches!(&found[..], [(text, _)] if text == reported), "{text}: {found:?}");
            assert!(found[0].1.help.iter().all(|help| help.starts_with("write") || help.contains("in a migration")));
        }
        // A migration runs once.
        assert!(postgres().draft(text).lint().iter().all(|(_, finding)| finding.rule != "runs-once"), "{text}");
    }
    for text in [
        "CREATE ROLE reader;",
        "CREATE EXTENSION citext;",
        "CREATE POLICY p ON t USING (true);",
        "CREATE SCHEMA app;",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';",
        "CREATE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION f();",
        "CREATE TYPE mood AS ENUM ('ok');",
        "ALTER TYPE mood ADD VALUE 'sad';",
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0);",
    ] {
        let found = repeatable(Dialect::Postgres, text).lint();
        assert!(found.iter().any(|(_, finding)| finding.rule == "runs-once"), "{text}: {found:?}");
    }
    for text in [
        "CREATE TABLE IF NOT EXISTS t (a int);",
        "CREATE TEMP TABLE t (a int);",
        "DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT 1;",
        "CREATE TABLE t (a int); INSERT INTO u SELECT a FROM t; DROP TABLE t;",
        "DROP TABLE IF EXISTS t; CREATE TABLE t (a int); CREATE INDEX i ON t (a);",
        "CREATE INDEX IF NOT EXISTS i ON t (a);",
        "INSERT INTO t VALUES (1);",
        "GRANT SELECT ON t TO reader;",
        "CREATE TABLE n (a int); INSERT INTO n SELECT a FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t;",
    ] {
        for dialect in both {
            let found = repeatable(dialect, text).lint();
            assert!(found.iter().all(|(_, finding)| finding.rule != "runs-once"), "{text}: {found:?}");
        }
    }
    for text in [
        "CREATE OR REPLACE VIEW v AS SELECT 1;",
        "CREATE SCHEMA IF NOT EXISTS app;",
        "DROP SCHEMA IF EXISTS app CASCADE; CREATE SCHEMA app; CREATE TABLE app.t (a int);",
        "DROP ROLE IF EXISTS reader; CREATE ROLE reader;",
        "DO $$ BEGIN CREATE ROLE reader; EXCEPTION WHEN duplicate_object THEN NULL; END $$; CREATE TABLE t (a int);",
        "DROP TRIGGER IF EXISTS g ON t; CREATE TRIGGER g BEFORE INSERT ON t EXECUTE FUNCTION f();",
        "DROP POLICY IF EXISTS p ON t; CREATE POLICY p ON t USING (true);",
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS b int;",
        "ALTER TABLE t DROP CONSTRAINT IF EXISTS c; ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0);",
        "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'sad';",
    ] {
        let found = repeatable(Dialect::Postgres, text).lint();
        assert!(found.iter().all(|(_, finding)| finding.rule != "runs-once"), "{text}: {found:?}");
    }
}
