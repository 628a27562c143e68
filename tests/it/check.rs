//! What `cargo xtask check` finds and how it says it, and what `explain` says of each code: real runs
//! on scratch workspaces.

use lockgate_source::diagnostic::catalogue::CODES;

use crate::support::scratch::Scratch;

#[test]
fn every_code_has_a_page() {
    let scratch = Scratch::new();
    let list = scratch.run(&["explain"]).succeeds();
    for entry in CODES {
        let line = list.lines().find(|line| line.split_whitespace().next() == Some(entry.code));
        assert!(line.is_some_and(|line| line.ends_with(entry.summary())), "{}: {line:?}", entry.code);
        let page = scratch.run(&["explain", entry.code]).succeeds();
        let one_line = page.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(one_line.contains(entry.explanation), "{page}");
        assert_eq!(page.contains("\nwrong\n") && page.contains("\nright\n"), entry.example().is_some(), "{page}");
    }
}

#[test]
fn a_page_shows_what_to_write() {
    let scratch = Scratch::new();
    let page = scratch.run(&["explain", "error[misplaced-directive]"]).succeeds();
    assert_eq!(
        page,
        "\
misplaced-directive

A directive stands below the head of a file. Directives are comments above everything else. Further
down they would have no effect, and that in silence: move it up. sqlx's `-- no-transaction` has an
effect only at the very beginning, as in sqlx itself.

wrong
  migrations/0001_create_users.sql
      CREATE TABLE users (id BIGINT PRIMARY KEY);
      -- lockgate: lock-timeout 5s

right
  migrations/0001_create_users.sql
      -- lockgate: lock-timeout 5s
      CREATE TABLE users (id BIGINT PRIMARY KEY);
"
    );
    let page = scratch.run(&["explain", "foreign-keys"]).succeeds();
    assert!(page.contains("a directive at the head of a script") && page.contains("-- lockgate: foreign-keys off"));
    let page = scratch.run(&["explain", "numbering"]).succeeds();
    assert!(page.contains("a key of migrations.toml") && page.contains("Without it: \"any\"."), "{page}");
}

#[test]
fn what_has_no_page_is_an_error_with_the_list() {
    let scratch = Scratch::new();
    for (typed, answer) in [
        ("missordered", "there is no code `missordered`: did you mean `misordered`?"),
        ("lock-timeot", "there is no code `lock-timeot`: did you mean `lock-timeout`?"),
        ("numberring", "there is no code `numberring`: did you mean `numbering`?"),
        ("vacuum", "there is no code `vacuum`: all that there are stand above"),
    ] {
        let said = scratch.run(&["explain", typed]).fails(2);
        assert!(said.ends_with(&format!("error: {answer}\n")), "{said}");
        assert!(CODES.iter().all(|entry| said.contains(entry.code)), "{said}");
    }
}
