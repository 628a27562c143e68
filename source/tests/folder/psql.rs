//! Scripts with psql's variables and commands: what is read, what is refused, and what they include.

use lockgate_source::core::psql::What;
use lockgate_source::folder::ScriptFile;

use crate::support::{Project, check};

const POSTGRES: (&str, &str) = ("migrations.toml", "dialects = [\"postgres\"]\n");

/// The one script of a folder without problems.
fn script(project: &Project) -> ScriptFile {
    let loaded = project.load();
    assert_eq!(loaded.diagnostics, []);
    loaded.folder.migrations[0].up.clone()
}

#[test]
fn a_script_without_the_directive_is_told_of_it() {
    check(
        &[POSTGRES, ("1_x.sql", "\\set owner app\nCREATE TABLE a (id INT);\n")],
        "
migrations/1_x.sql:1:1 psql-line: `\\set` is a command of psql, and the server does not understand it
  write `-- lockgate: psql` as the first line, and psql's lines are read in this script
  or delete it
",
    );
    // It would not help here.
    check(
        &[POSTGRES, ("1_x.sql", "\\gexec\nCREATE TABLE a (id INT);\n")],
        "
migrations/1_x.sql:1:1 psql-line: `\\gexec` is a command of psql, and the server does not understand it
  end the statement with `;`; a `DO` block can use the result of a query
",
    );
}

#[test]
fn the_directives_are_for_postgres_alone_and_for_each_other() {
    check(
        &[
            ("migrations.toml", "dialects = [\"sqlite\"]\n"),
            ("1_x.sql", "-- lockgate: psql\nCREATE TABLE a (id INT);\n"),
        ],
        "
migrations/1_x.sql:1:14 bad-directive: `psql` is only for folders for PostgreSQL alone
  if this folder is, say `dialects = [\"postgres\"]` in its `migrations.toml`
",
    );
    check(
        &[POSTGRES, ("1_x.sql", "-- lockgate: variable a\n-- lockgate: variable b-c\nCREATE TABLE a (id INT);\n")],
        "
migrations/1_x.sql:1:14 bad-directive: `variable` is only for scripts with `-- lockgate: psql`
  write that line, too, or delete this one
migrations/1_x.sql:2:23 bad-directive: `variable` needs one name of letters, digits and `_`
  write it like `-- lockgate: variable app_password`
",
    );
}

#[test]
fn a_variable_is_set_before_it_is_used() {
    check(
        &[
            POSTGRES,
            (
                "1_x.sql",
                "-- lockgate: psql
-- lockgate: variable owner
\\if :late
\\endif
\\set late 1
\\getenv secret APP_SECRET
CREATE ROLE :\"owner\" PASSWORD :'secret';
SELECT :late, :nothing, ARRAY[1, 2][1:n], x::int, ':quoted' FROM t WHERE :{?nothing};
",
            ),
        ],
        "
migrations/1_x.sql:3:1 psql-variable: no line above sets the variable `late`
  if whoever runs the script gives it, write `-- lockgate: variable late` in the head; otherwise set it above with `\\set` or `\\getenv`
migrations/1_x.sql:8:15 psql-variable: no line above sets the variable `nothing`
  if whoever runs the script gives it, write `-- lockgate: variable nothing` in the head; otherwise set it above with `\\set` or `\\getenv`
",
    );
}

#[test]
fn what_is_not_read_is_refused_by_name() {
    check(
        &[POSTGRES, ("1_x.sql", "-- lockgate: psql\nSELECT 1 \\gset\n\\set a `date`\n\\connect app\n\\if 1\n")],
        "
migrations/1_x.sql:2:10 psql-line: `\\gset` is a command of psql that is not read here
  end the statement with `;`; a `DO` block can use the result of a query
migrations/1_x.sql:3:1 psql-line: backquotes would start a shell, and no shell is started here
  give the script what it needs by `\\getenv name VARIABLE`
migrations/1_x.sql:4:1 psql-line: `\\connect` would leave the database that this script belongs to
  give each database its own migrations; a dump without `--create` has no such line
migrations/1_x.sql:5:1 psql-line: this `\\if` has no `\\endif`
  close it in the same file
",
    );
}

#[test]
fn variables_do_not_hide_what_is_wrong_with_a_statement() {
    let head = "-- lockgate: psql\n-- lockgate: variable a\n";
    let found = |text: &str| {
        let project = Project::new(&[POSTGRES, ("1_x.sql", &format!("{head}{text}"))]);
        let loaded = project.load();
        loaded.diagnostics.iter().map(|found| format!("{}:{}", found.code, found.place())).collect::<Vec<_>>()
    };
    assert_eq!(
        found("ALTER ROLE :\"a\" PASSWORD :'a' VALID UNTIL :'a';\nCREATE TABLE :\"a\" (id INT DEFAULT :a);\n"),
        [""; 0]
    );
    assert_eq!(found("SELECT ü FORM :\"a\" x y;\n"), ["syntax:migrations/1_x.sql:3:16"]);
    assert_eq!(found("COMMIT;\nSELECT :'a';\n"), ["transaction-control:migrations/1_x.sql:3:1"]);
    assert_eq!(found("VACUUM :\"a\";\n"), ["outside-transaction:migrations/1_x.sql:3:1"]);
    // What a plain variable makes of a statement is not known before the run.
    assert_eq!(found("CREATE ROLE x CONNECTION LIMIT :a;\nSELECT :a :a :a;\n"), [""; 0]);
}

const INCLUDES: [(&str, &str); 5] = [
    POSTGRES,
    (
        "1_x.sql",
        "-- lockgate: psql\n-- lockgate: variable a\nSELECT 1;\n\\i parts/one.sql\nSELECT 4;\n\\ir parts/two.psql\n",
    ),
    ("parts/one.sql", "SELECT :'a';\r\n\\ir ../two.sql\r\n\\i two.sql -- twice"),
    ("two.sql", "SELECT 2;"),
    ("parts/two.psql", "SELECT 3;\n"),
];

#[test]
fn included_files_become_part_of_the_script() {
    let files =
        [&INCLUDES[..2], &[("parts/one.sql", "SELECT :'a';\r\n\\ir ../two.sql\r\n\\i two.sql\n")], &INCLUDES[3..]]
            .concat();
    let project = Project::new(&files);
    let before = script(&project);
    assert_eq!(
        before.text,
        "-- lockgate: psql\n-- lockgate: variable a\nSELECT 1;\n\\i parts/one.sql\nSELECT :'a';\n\\ir ../two.sql\nSELECT 2;\n\
         \\i two.sql\nSELECT 2;\nSELECT 4;\n\\ir parts/two.psql\nSELECT 3;\n"
    );
    assert!(!before.as_in_file, "the compiler embeds the text, not the file");
    let program = before.options.psql.clone().unwrap();
    assert!(program.commands.iter().all(|command| command.what == What::Nothing));
    let place = |needle: &str| {
        let place = program.locate(&before.text, before.text.rfind(needle).unwrap());
        (place.included.map(str::to_owned), place.line, place.column)
    };
    assert_eq!(place(":'a'"), (Some("parts/one.sql".into()), 1, 8));
    assert_eq!(place("two.sql"), (Some("parts/one.sql".into()), 3, 4));
    assert_eq!(place("SELECT 2"), (Some("two.sql".into()), 1, 1));
    assert_eq!(place("4"), (None, 5, 8));
    assert_eq!(place("SELECT 3"), (Some("parts/two.psql".into()), 1, 1));
    // An edit of an included file is an edit of the migration, and the compiler sees it.
    project.freeze();
    project.check("");
    project.write("two.sql", "SELECT 5;");
    let loaded = project.load();
    let codes: Vec<&str> = loaded.diagnostics.iter().map(|found| found.code.as_str()).collect();
    assert_eq!(codes, ["edited"]);
    for file in ["two.sql", "parts/one.sql", "parts/two.psql"] {
        assert!(loaded.folder.encode().tracked.contains(&project.path(file)), "{file}");
    }
}

#[test]
fn problems_are_shown_in_the_file_that_has_them() {
    let one = ("parts/one.sql", "SELECT :'b';\n\n\\endif\nSELECT ä FORM x y;\n");
    let files = [&INCLUDES[..2], &[one], &INCLUDES[3..], &[("three.sql", "SELECT 3;")]].concat();
    let project = Project::new(&files);
    project.write("two.sql", "SELECT 'open;");
    let loaded = project.load();
    let shown: Vec<String> =
        loaded.diagnostics.iter().map(|found| format!("{} {}", found.place(), found.code)).collect();
    assert_eq!(
        shown,
        [
            "migrations/parts/one.sql:1:8 psql-variable",
            "migrations/parts/one.sql:3:1 psql-line",
            "migrations/parts/one.sql:4:15 syntax",
            "migrations/three.sql bad-name",
            "migrations/two.sql bad-name",
        ],
        "a file that no script includes is an error as ever"
    );
}

#[test]
fn a_file_is_included_only_from_the_folder() {
    let project = Project::new(&[
        POSTGRES,
        ("../secret.sql", "SELECT 1;"),
        ("0002_y.sql", "SELECT 2;"),
        ("loop.sql", "\\i sub/loop.sql\n"),
        ("sub/loop.sql", "\\ir ../loop.sql\n"),
        ("open.sql", "SELECT 1"),
        ("quote.sql", "\nSELECT '"),
        (
            "0001_x.sql",
            "-- lockgate: psql\n\\i ../secret.sql\n\\i /etc/passwd\n\\i link.sql\n\\i none.sql\n\\i 0002_y.sql\n\\i loop.sql\n\\i open.sql\n\\i quote.sql\n\\ir .\nSELECT 1;\n",
        ),
    ]);
    std::os::unix::fs::symlink(project.path("../secret.sql"), project.path("link.sql")).unwrap();
    project.check(
        "
migrations/0001_x.sql:2:1 psql-include: `../secret.sql` is outside of the folder
  copy the file into the folder, and include it there
migrations/0001_x.sql:3:1 psql-include: `/etc/passwd` is outside of the folder
  copy the file into the folder, and include it there
migrations/0001_x.sql:4:1 psql-include: `link.sql` is outside of the folder
  copy the file into the folder, and include it there
migrations/0001_x.sql:5:1 psql-include: there is no file `none.sql`
  write the path relative to the folder, with `/` between its parts
migrations/0001_x.sql:6:1 psql-include: `0002_y.sql` is a migration, which runs by itself
  move what both need into a file whose name does not begin with a number
migrations/0001_x.sql:10:1 psql-include: `.` is outside of the folder
  copy the file into the folder, and include it there
migrations/link.sql bad-name: `link.sql` is not named `<version>_<name>.sql`
  rename it to `0003_link.sql`
migrations/open.sql:1:1 psql-line: this statement has no end in its file
  end it with `;`
migrations/quote.sql:2:8 unterminated-string: this string has no end
  close the quote; a quotation mark within the string is written twice: `'it''s'`
migrations/sub/loop.sql:1:1 psql-include: `loop.sql` includes itself
  delete this line
",
    );
}

#[test]
fn files_that_include_each_other_often_are_refused() {
    let files: Vec<(String, String)> =
        (0..20).map(|n| (format!("f{n}.sql"), format!("\\i f{0}.sql\n\\i f{0}.sql\n", n + 1))).collect();
    let mut all = vec![POSTGRES, ("1_x.sql", "-- lockgate: psql\n\\i f0.sql\nSELECT 1;\n"), ("f20.sql", "SELECT 1;\n")];
    all.extend(files.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    let loaded = Project::new(&all).load();
    assert!(
        loaded.diagnostics.iter().any(|found| found.message == "the script includes more than 1000 files or 64 MiB"),
        "{:?}",
        loaded.diagnostics.first()
    );
}
