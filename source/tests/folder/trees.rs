//! Folders with `layout = "trees"`: what is in each tree, and everything that is wrong in all of them at once.

use lockgate_source::core::{CompanionKind, Version};
use lockgate_source::folder;

use crate::support::{Project, check};

const POLICY: (&str, &str) = ("migrations.toml", "layout = \"trees\"\ndialects = [\"sqlite\"]\n");
const USERS: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY);\n";
const LOANS: &str = "CREATE TABLE loans (id INTEGER PRIMARY KEY, user INTEGER REFERENCES users);\n";
const VIEW: &str = "CREATE VIEW readers AS SELECT id FROM users;\n";

#[test]
fn each_tree_becomes_a_set() {
    let project = Project::new(&[
        POLICY,
        ("README.md", "what this is"),
        ("create/README.md", "what this is"),
        ("create/0-tables/order.json", "[\"users.sql\", \"loans\"]"),
        ("create/0-tables/users.sql", USERS),
        ("create/0-tables/loans.sql", LOANS),
        ("create/01_views/b.sql", VIEW),
        ("create/01_views/a.sql", "CREATE VIEW late AS SELECT id FROM loans;\n"),
        ("deployment/00000-users.sql", USERS),
        ("deployment/00001-loans.up.sql", LOANS),
        ("deployment/00001-loans.down.sql", "DROP TABLE loans;\n"),
        ("manual-deployment/00007-vacuum.sql", "-- lockgate: no-transaction\nVACUUM;\n"),
    ]);
    project.check("");
    let loaded = project.load();
    let set = loaded.folder.leak("shop 1.0.0");
    let ids = |set: lockgate_source::core::Set| set.iter().map(|one| one.id()).collect::<Vec<_>>();
    assert_eq!(ids(set), ["00000-users", "00001-loans"]);
    let create = set.companion(CompanionKind::Create).unwrap();
    let expected = ["create/0-tables/users", "create/0-tables/loans", "create/01_views/a", "create/01_views/b"];
    assert_eq!(ids(create), expected);
    let first = create.get(0).unwrap();
    assert_eq!(
        (first.version(), first.name(), first.up().path()),
        (Version::new(1).unwrap(), "create/0-tables/users", "migrations/create/0-tables/users.sql".to_owned())
    );
    let manual = set.companion(CompanionKind::Manual).unwrap();
    assert_eq!(ids(manual), ["00007-vacuum"]);
    assert_eq!(manual.get(0).unwrap().up().path(), "migrations/manual-deployment/00007-vacuum.sql");
}

#[test]
fn all_defects_of_all_trees_are_reported_at_once() {
    check(
        &[
            POLICY,
            ("notes.txt", ""),
            ("00000-users.sql", USERS),
            ("deployments/00000-x.sql", USERS),
            ("create/init.sql", USERS),
            ("create/types/x.sql", USERS),
            ("create/1-tables/order.json", "[\n  \"user.sql\",\n  \"loans.sql\",\n  \"fines.sql\",\n  \"loans.sql\"\n]\n"),
            ("create/1-tables/users.sql", USERS),
            ("create/1-tables/loans.sql", LOANS),
            ("create/1-tables/members.sql", USERS),
            ("create/2-views/fn-x", VIEW),
            ("create/2-views/A.SQL", VIEW),
            ("create/2-views/b.down.sql", VIEW),
            ("create/2-views/sub/c.sql", VIEW),
            ("create/2-more/c.sql", VIEW),
            ("create/4-last/order.json", "{\"a.sql\": 0, \"b.sql\": 2}"),
            ("create/4-last/a.sql", VIEW),
            ("create/4-last/b.sql", "SELEC 1;\n"),
            ("deployment/00000-users.sql", USERS),
            ("deployment/00000-loans.sql", LOANS),
            ("deployment/00003-view.sql", VIEW),
            ("deployment/fix-tbl.sql", VIEW),
            ("deployment/2026/00004-view.sql", VIEW),
            ("manual-deployment/00009-a.sql", "SELECT 1;\n"),
            ("manual-deployment/00009-b.sql", "SELECT 2;\n"),
            ("manual-deployment/00010-b.rs", ""),
            ("manual-deployment/fix", "SELECT 1;\n"),
        ],
        "
migrations/00000-users.sql unknown-file: `00000-users.sql` is in none of the trees
  if it is a migration, move it to `deployment/`; otherwise move it out of the folder
migrations/create/1-tables/members.sql not-listed: `create/1-tables/members.sql` is not listed in `create/1-tables/order.json`
  write \"members.sql\" at its place in the list
migrations/create/1-tables/order.json:2:3 bad-order: there is no file `user.sql`
  did you mean `users.sql`?
migrations/create/1-tables/order.json:4:3 bad-order: there is no file `fines.sql`
  add the file, or delete this name
migrations/create/1-tables/order.json:5:3 bad-order: `loans.sql` is listed twice
  delete one of the two
migrations/create/2-views duplicate: `create/2-more` and `create/2-views` have the same number, 2
  give one of the two another number
migrations/create/2-views/A.SQL bad-name: `create/2-views/A.SQL` has an ending in capital letters
  rename it to `A.sql`
migrations/create/2-views/b.down.sql bad-name: `create/2-views/b.down.sql` has a direction, and the desired schema has none
  delete it, or move it out of the folder
migrations/create/2-views/fn-x unknown-file: `create/2-views/fn-x` is not an SQL file, and no file is skipped silently
  if it is SQL, name it `fn-x.sql`; otherwise move it out of the folder
migrations/create/2-views/sub stray-folder: `create/2-views/sub` is a folder in a folder: `create/` has numbered folders, and they have files
  give it a number and move it up, to `create/`
migrations/create/4-last gap: the folder with the number 3 is missing: `create/4-last` follows `create/2-views`
  add what is missing, or close the gap: the numbers begin at 0 or 1
migrations/create/4-last/b.sql:1:1 syntax: no statement begins with `SELEC`
  did you mean `SELECT`?
migrations/create/4-last/order.json:1:14 bad-order: the number 1 is missing before `b.sql`
  the numbers begin at 0 or 1, and have no gap
migrations/create/init.sql unknown-file: `create/init.sql` is in none of the numbered folders
  move it into a numbered folder, such as `create/1-tables/`
migrations/create/types stray-folder: `create/types` has no number, so it has no place in the order
  name it `create/<number>-types`
migrations/deployment/00000-users.sql:1:1 duplicate: version 0 exists twice: `migrations/deployment/00000-loans.sql` and `migrations/deployment/00000-users.sql`
  run `cargo xtask renumber 00000-users`
migrations/deployment/00003-view.sql:1:1 gap: versions 1 to 2 are missing: `00003-view` follows `00000-users`
  run `cargo xtask renumber 00003-view`, or add what is missing
migrations/deployment/2026 stray-folder: `deployment/2026` is a folder: `deployment/` has files alone
  move its files up, to `deployment/`
migrations/deployment/fix-tbl.sql bad-name: `deployment/fix-tbl.sql` is not named `<version>-<name>.sql`
  rename it to `00004-fix-tbl.sql`
migrations/deployments stray-folder: `deployments` is none of the trees
  did you mean `deployment`?
migrations/manual-deployment/00009-b.sql:1:1 duplicate: version 9 exists twice: `migrations/manual-deployment/00009-a.sql` and `migrations/manual-deployment/00009-b.sql`
  give one of the two another number
migrations/manual-deployment/00010-b.rs bad-name: `manual-deployment/00010-b.rs` is a Rust step: manual scripts are SQL, one way
  write it as one SQL script, or move it out of the folder
migrations/manual-deployment/fix unknown-file: `manual-deployment/fix` is not a migration, and no file is skipped silently
  if it is a migration, name it `<version>-fix.sql`; otherwise move it out of the folder
migrations/notes.txt unknown-file: `notes.txt` is in none of the trees
  move it out of the folder
",
    );
}

#[test]
fn one_list_may_order_all_folders() {
    let files = [
        POLICY,
        ("create/1-tables/users.sql", USERS),
        ("create/1-tables/loans.sql", LOANS),
        ("create/2-views/readers.sql", VIEW),
    ];
    let with = |order| [&files[..], &[("create/order.json", order)]].concat();
    let project = Project::new(&with("[\"1-tables/users.sql\", \"1-tables/loans.sql\", \"2-views/readers.sql\"]"));
    project.check("");
    let loaded = project.load();
    let create = loaded.folder.companion(CompanionKind::Create).unwrap();
    assert_eq!(create.migrations[0].id, "create/1-tables/users");
    check(
        &with("[\"2-views/readers.sql\", \"1-tables/users.sql\", \"loans.sql\"]"),
        "
migrations/create/1-tables/users.sql bad-order: `1-tables/users.sql` is listed after `2-views/readers.sql`, and its folder has the smaller number
  folders run in the order of their numbers: list it before, or give its folder another number (in `create/order.json`)
migrations/create/order.json:1:47 bad-order: there is no file `loans.sql`
  did you mean `1-tables/loans.sql`?
",
    );
}

/// The desired schema may be edited; a manual script that was released may not.
#[test]
fn manual_scripts_have_a_lockfile_and_the_desired_schema_has_none() {
    let project = Project::new(&[
        POLICY,
        ("create/1-tables/users.sql", USERS),
        ("deployment/00000-users.sql", USERS),
        ("manual-deployment/00007-fix.sql", "SELECT 1;\n"),
    ]);
    let loaded = project.load();
    let manual = loaded.folder.companion(CompanionKind::Manual).unwrap();
    let lockfile = folder::freeze(manual, None);
    project.write("manual-deployment/migrations.lock", lockfile.render());
    project.check("");
    assert!(project.load().folder.companion(CompanionKind::Manual).unwrap().migrations[0].frozen);
    project.write("create/1-tables/users.sql", "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);\n");
    project.check("");
    project.write("manual-deployment/00007-fix.sql", "SELECT 2;\n");
    project.check("
migrations/manual-deployment/00007-fix.sql:1:1 edited: `00007-fix` was edited after its release: `migrations/manual-deployment/migrations.lock` records another checksum
  undo the edit (`git checkout HEAD -- migrations/manual-deployment/00007-fix.sql` does, unless it is committed), and write a new migration: `cargo xtask new-migration --manual \"what it changes\"`
  or, if no database has applied `00007-fix` yet, type `cargo xtask amend manual-deployment/00007-fix.sql --reason \"why\"`
");
}
