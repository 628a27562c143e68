//! What the grammar check refuses in a folder, at which level, and which scripts it skips.

use lockgate_source::{Color, Severity};

use crate::support::{Project, check};

/// Place, code and severity of everything that is said.
#[track_caller]
fn codes(files: &[(&str, &str)], expected: &[&str]) {
    assert_eq!(reported(&Project::new(files)), expected, "{files:?}");
}

fn reported(project: &Project) -> Vec<String> {
    let reported = project.load().diagnostics.into_iter().map(|diagnostic| {
        let warning = if diagnostic.severity == Severity::Warning { " (warning)" } else { "" };
        let place = diagnostic.place();
        format!("{} {}{warning}", place.trim_start_matches("migrations/"), diagnostic.code)
    });
    reported.collect()
}

const POSTGRES: (&str, &str) = ("migrations.toml", "dialects = [\"postgres\"]\n");
const SQLITE: (&str, &str) = ("migrations.toml", "dialects = [\"sqlite\"]\n");
const MYSQL: (&str, &str) = ("migrations.toml", "dialects = [\"mysql\"]\n");
const BOTH: (&str, &str) = ("migrations.toml", "dialects = [\"postgres\", \"sqlite\"]\n");

#[test]
fn a_mistake_is_shown_with_place_and_way_out() {
    check(
        &[
            POSTGRES,
            ("1_x.up.sql", "-- users\nCREATE TABEL users (name text);\n"),
            ("1_x.down.sql", "DROP TABLE users x;\n"),
        ],
        "
migrations/1_x.down.sql:1:18 syntax: expected `,`, found `x`
  write a `,` before it
migrations/1_x.up.sql:2:8 syntax: expected `TABLE`, found `TABEL`
  did you mean `TABLE`?
",
    );
    let project = Project::new(&[POSTGRES, ("1_x.sql", "SELECT 1,\n  FROM t;\n")]);
    let diagnostics = project.load().diagnostics;
    assert_eq!(
        diagnostics[0].render(Color::Off),
        "\
error[syntax]: `,` is not allowed here
 --> migrations/1_x.sql:1:9
  |
1 | SELECT 1,
  |         ^ PostgreSQL does not take this
  |
  = help: delete it"
    );
}

#[test]
fn each_dialect_of_the_folder_must_take_it() {
    codes(&[POSTGRES, ("1_x.sql", "CREATE TABLE a (b serial PRIMARY KEY) WITHOUT ROWID;\n")], &["1_x.sql:1:47 syntax"]);
    codes(&[SQLITE, ("1_x.sql", "CREATE TABLE a (b serial PRIMARY KEY) WITHOUT ROWID;\n")], &[]);
    codes(&[SQLITE, ("1_x.sql", "ALTER TABLE a ALTER COLUMN b TYPE text;\n")], &["1_x.sql:1:30 syntax"]);
    codes(&[MYSQL, ("1_x.sql", "CREATE TABEL a (b INT) ENGINE=InnoDB;\nSELECT (1;\n")], &["1_x.sql:2:8 syntax"]);
    // One mistake to both is one error.
    check(
        &[BOTH, ("1_x.sql", "DROP TABEL a;\n")],
        "
migrations/1_x.sql:1:6 syntax: expected `TABLE`, found `TABEL`
  did you mean `TABLE`?
",
    );
    codes(
        &[BOTH, ("1_x.sql", "CREATE TABLE a (b);\nDROP TABLE a CASCADE;\n")],
        &["1_x.sql:1:18 syntax", "1_x.sql:2:14 syntax"],
    );
}

#[test]
fn without_dialects_sql_of_any_database_is_accepted() {
    for text in [
        "CREATE TABLE a (b serial);\nALTER TABLE a ALTER COLUMN b TYPE bigint;\n",
        "CREATE TABLE a (b);\nPRAGMA user_version = 3;\n",
        "CREATE TABLE a (b INT UNSIGNED AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB;\n",
        "ALTER TABLE a MODIFY b BIGINT;\n",
        "INSERT INTO a SET b = 'it\\'s'; # comment\n",
        "SHOW TABLES; CREATE TABLE `a` (b INT) COMMENT 'x';\n",
    ] {
        codes(&[("1_x.sql", text)], &[]);
    }
    // What none of them takes is doubtful.
    codes(&[("1_x.sql", "CREATE TABLE a (b int;);\n")], &["1_x.sql:1:22 syntax (warning)"]);
    codes(&[("1_x.sql", "DROP INDEX IF EXIST a;\n")], &["1_x.sql:1:15 syntax (warning)"]);
    // A typing mistake at the head of a statement is none to no database.
    codes(&[("1_x.sql", "CRAETE TABLE a (b int);\n")], &["1_x.sql:1:1 syntax"]);
    let project = Project::new(&[("1_x.sql", "CREATE TABLE a (b int) c d e;\n")]);
    let rendered = project.load().diagnostics[0].render(Color::Off);
    assert!(rendered.contains("neither PostgreSQL nor SQLite takes this"), "{rendered}");
    assert!(rendered.contains("say in `migrations/migrations.toml` what the folder is for"), "{rendered}");
}

#[test]
fn a_reason_in_the_file_or_a_level_in_the_policy_lets_it_pass() {
    let text = "DROP TABLE a b;\n";
    codes(&[POSTGRES, ("1_x.sql", text)], &["1_x.sql:1:14 syntax"]);
    codes(&[POSTGRES, ("1_x.sql", &format!("-- lockgate: allow(syntax) \"a fork takes it\"\n{text}"))], &[]);
    codes(&[POSTGRES, ("1_x.sql", &format!("-- lockgate: allow(not-parsed) \"x\"\n{text}"))], &["1_x.sql:2:14 syntax"]);
    let policy = |level: &str| format!("dialects = [\"postgres\"]\n[lint]\nsyntax = \"{level}\"\n");
    codes(&[("migrations.toml", &policy("warn")), ("1_x.sql", text)], &["1_x.sql:1:14 syntax (warning)"]);
    codes(&[("migrations.toml", &policy("allow")), ("1_x.sql", text)], &[]);
}

#[test]
fn released_scripts_are_not_parsed_again() {
    // Released before there was a grammar check, or under `syntax = "warn"`.
    let project = Project::new(&[
        ("migrations.toml", "dialects = [\"postgres\"]\n[lint]\nsyntax = \"allow\"\n"),
        ("1_x.up.sql", "CREATE TABLE a (b int);\n"),
        ("1_x.down.sql", "DROP TABEL a;\n"),
    ]);
    project.freeze();
    project.write("migrations.toml", "dialects = [\"postgres\"]\n");
    assert_eq!(reported(&project), [""; 0]);
    project.write("2_y.sql", "DROP TABEL a;\n");
    project.lock();
    assert_eq!(reported(&project), ["2_y.sql:1:6 syntax"]);
    // An edit is an error of its own, and looked at.
    project.delete("2_y.sql");
    project.lock();
    project.write("1_x.down.sql", "DROP TABEL b;\n");
    assert_eq!(reported(&project), ["1_x.down.sql:1:1 edited", "1_x.down.sql:1:6 syntax"]);
}

#[test]
fn grammar_newer_than_the_server_is_refused_by_name() {
    check(
        &[
            ("migrations.toml", "dialects = [\"postgres\"]\npostgres = \"14\"\n"),
            ("1_x.sql", "CREATE TABLE a (b int);\nCREATE UNIQUE INDEX i ON a (b) NULLS NOT DISTINCT;\n"),
        ],
        "
migrations/1_x.sql:2:32 newer-grammar: `NULLS NOT DISTINCT` came with PostgreSQL 15, and the folder is for PostgreSQL 14
  write it in the older way, or say `postgres = \"15\"` in `migrations/migrations.toml` once the servers are that new
",
    );
}

#[test]
fn bodies_and_monsters_are_warnings() {
    let body = "DO $$ BEGIN\n  IF a THEN NULL;\nEND $$;\n";
    codes(&[POSTGRES, ("1_x.sql", body)], &["1_x.sql:3:5 plpgsql-syntax (warning)"]);
    let deep = format!("SELECT {}1{};\n", "(".repeat(5_000), ")".repeat(5_000));
    codes(&[POSTGRES, ("1_x.sql", &deep)], &["1_x.sql:1:258 not-parsed (warning)"]);
    // To show one line of ten megabytes takes no time either.
    let long = format!("SELECT '{}';\n", "x".repeat(10 << 20));
    let project = Project::new(&[POSTGRES, ("1_x.sql", &long)]);
    assert_eq!(reported(&project), ["1_x.sql:1:1 not-parsed (warning)"]);
    assert!(project.load().diagnostics[0].render(Color::Off).len() < 2_000);
}

#[test]
fn a_script_that_cannot_be_split_is_not_parsed() {
    codes(&[POSTGRES, ("1_x.sql", "DROP TABEL a;\nSELECT 'x;\n")], &["1_x.sql:2:8 unterminated-string"]);
    codes(&[POSTGRES, ("1_x.sql", "SELECT FROM WHERE \0;\n")], &["1_x.sql:1:19 nul-byte"]);
}
