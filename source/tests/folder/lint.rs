//! Which lints report in a folder, and at which level. What each rule finds is tested in `sql`.

use lockgate_source::Severity;

use crate::support::Project;

const USERS: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);\n";
const INDEX: &str = "CREATE INDEX users_name ON users (name);\n";
const REQUIRED: &str = "ALTER TABLE users ADD COLUMN email TEXT NOT NULL;\n";

/// Code and severity of what is said of a draft on a released table.
#[track_caller]
fn draft(policy: &str, text: &str, expected: &[&str]) {
    let project = Project::new(&[("migrations.toml", policy), ("1_users.sql", USERS)]);
    project.freeze();
    project.write("2_x.sql", text);
    project.lock();
    assert_reported(&project, expected);
}

#[track_caller]
fn assert_reported(project: &Project, expected: &[&str]) {
    let reported = project.load().diagnostics.into_iter().map(|diagnostic| {
        let warning = if diagnostic.severity == Severity::Warning { " (warning)" } else { "" };
        format!("{}{warning}", diagnostic.code)
    });
    assert_eq!(reported.collect::<Vec<_>>(), expected);
}

#[test]
fn the_policy_gives_each_rule_its_level() {
    draft("dialects = [\"postgres\"]\n", INDEX, &["blocking-index (warning)"]);
    for (level, expected) in [("deny", "blocking-index"), ("warn", "blocking-index (warning)"), ("allow", "")] {
        let policy = format!("dialects = [\"postgres\"]\n[lint]\nblocking-index = \"{level}\"\n");
        let expected: Vec<&str> = [expected].into_iter().filter(|expected| !expected.is_empty()).collect();
        draft(&policy, INDEX, &expected);
    }
    let allowed = format!("-- lockgate: allow(blocking-index) \"a dozen rows\"\n{INDEX}");
    draft("dialects = [\"postgres\"]\n[lint]\nblocking-index = \"deny\"\n", &allowed, &[]);
    draft(
        "dialects = [\"postgres\"]\n",
        &allowed.replace(" \"a dozen rows\"", ""),
        &["bad-directive", "blocking-index (warning)"],
    );
}

#[test]
fn a_rule_for_postgres_reports_only_in_a_folder_for_postgres() {
    draft("dialects = [\"postgres\", \"sqlite\"]\n", INDEX, &[]);
    draft("", INDEX, &[]);
    draft("[lint]\nblocking-index = \"warn\"\n", INDEX, &["blocking-index (warning)"]);
}

#[test]
fn a_required_column_on_a_released_table_does_not_build() {
    for dialects in ["\"postgres\"", "\"sqlite\"", "\"postgres\", \"sqlite\""] {
        draft(&format!("dialects = [{dialects}]\n"), REQUIRED, &["filled-table"]);
    }
    draft("dialects = [\"mysql\"]\n", REQUIRED, &[]);
    // Nobody has said which database it is.
    draft("", REQUIRED, &["filled-table (warning)"]);
    draft("", "ALTER TABLE users ADD n INT UNSIGNED NOT NULL;\n", &[]);
    // The table may be the work of a Rust step that is not released either.
    let project = Project::new(&[("migrations.toml", "dialects = [\"postgres\"]\n"), ("1_users.sql", USERS)]);
    project.freeze();
    let step = "pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult {\n    \
                tx.execute(\"CREATE TABLE tags (id INTEGER)\").await?;\n    Ok(())\n}\n";
    project.write("2_tags.rs", step);
    project.write("3_x.sql", REQUIRED.replace("users", "tags"));
    project.lock();
    assert_reported(&project, &["filled-table (warning)"]);
}

#[test]
fn without_a_lockfile_only_certain_rules_report() {
    let all = format!("{INDEX}ALTER TABLE users DROP COLUMN name;\n{REQUIRED}");
    for policy in ["", "dialects = [\"postgres\"]\n"] {
        let project = Project::new(&[("migrations.toml", policy), ("1_users.sql", USERS), ("2_x.sql", &all)]);
        assert_reported(&project, &["filled-table (warning)"]);
    }
}

#[test]
fn a_script_that_was_edited_after_its_release_has_one_error() {
    let project = Project::new(&[("1_users.sql", USERS)]);
    project.freeze();
    project.write("1_users.sql", format!("{USERS}{REQUIRED}"));
    assert_reported(&project, &["edited"]);
}

#[test]
fn of_many_warnings_of_a_rule_three_are_shown() {
    let project = Project::new(&[("migrations.toml", "dialects = [\"postgres\"]\n"), ("1_users.sql", USERS)]);
    project.freeze();
    project.write("2_x.sql", INDEX.repeat(5));
    project.lock();
    assert_reported(&project, &["blocking-index (warning)"; 3]);
    let last = project.load().diagnostics.pop().unwrap();
    assert_eq!(last.help[0], "there are 2 more of this kind in the file");
}

#[test]
fn rules_that_there_are_none_of_are_errors() {
    let help = |policy: &str| {
        let diagnostics = Project::new(&[("migrations.toml", policy)]).load().diagnostics;
        assert_eq!(diagnostics[0].code, "unknown-rule");
        format!("{}: {}", diagnostics[0].message, diagnostics[0].help[0])
    };
    assert_eq!(help("[lint]\ndrop-colum = \"deny\"\n"), "there is no rule `drop-colum`: did you mean `drop-column`?");
    assert_eq!(
        help("[lint]\nduplicate = \"allow\"\n"),
        "`duplicate` is not a lint: it cannot be silenced: delete this, and put right what it says"
    );
    assert!(
        help("[lint]\nzebra = \"allow\"\n").starts_with("there is no rule `zebra`: the rules are add-column-rewrite, ")
    );
}

#[test]
fn alterations_that_sqlite_lacks_are_refused() {
    for (text, expected) in [
        ("ALTER TABLE users ALTER COLUMN name TYPE int;\n", "syntax"),
        ("ALTER TABLE users ADD CONSTRAINT c UNIQUE (name);\n", "syntax"),
        ("ALTER TABLE users ADD COLUMN c int UNIQUE;\n", "unsupported-alter"),
        ("ALTER TABLE users DROP CONSTRAINT c;\n", "unsupported-alter (warning)"),
    ] {
        let project = Project::new(&[("migrations.toml", "dialects = [\"sqlite\"]\n"), ("1_x.sql", text)]);
        assert_reported(&project, &[expected]);
    }
}
