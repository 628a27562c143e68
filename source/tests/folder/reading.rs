//! What is read: files, links, bytes that are not text, and everything that is not a migration.

use lockgate_source::core::{Body, CompanionKind, Version};
use lockgate_source::folder::CompanionFolder;
use lockgate_source::id::Id;
use lockgate_source::{Code, folder};

use crate::support::{Project, check, show};

const A: &str = "SELECT 1;\n";

#[test]
fn an_empty_folder_is_an_empty_set() {
    let project = Project::new(&[]);
    project.check("");
    assert!(project.load().folder.migrations.is_empty());
}

#[test]
fn no_folder_and_a_file_in_its_place() {
    let project = Project::new(&[("../other", "")]);
    let loaded = folder::load(&project.path("../nowhere"), "nowhere");
    assert_eq!(
        show(&loaded.diagnostics),
        "nowhere no-such-folder: there is no folder `nowhere`
  run `cargo xtask init` to create it, or create it by hand: an empty folder is a set without migrations
  the path is relative to the `Cargo.toml` of the crate that embeds it
"
    );
    let loaded = folder::load(&project.path("../other"), "other");
    assert_eq!(
        show(&loaded.diagnostics),
        "other not-a-folder: `other` is a file, not a folder of migrations
  name the folder that the file is in
"
    );
}

#[test]
fn nothing_is_skipped_in_silence() {
    check(
        &[
            ("0001_a.sql", A),
            ("fn-x", ""),
            ("sub/create users.sql", A),
            ("sub/migrations.toml", ""),
            ("0002_b.upsql", A),
            ("0003_c.sql~", A),
            (".0004_d.sql.swp", "\0"),
            (".hidden/0001_a.sql", A),
            ("README.md", "text"),
        ],
        "
migrations/0002_b.upsql unknown-file: `0002_b.upsql` has an ending that no migration has
  rename it to `0002_b.up.sql`
migrations/0003_c.sql~ unknown-file: `0003_c.sql~` looks like a leftover from an editor or a merge
  delete it, or move it out of the folder: `~` files are never migrations
migrations/fn-x unknown-file: `fn-x` is not a migration, and no file is skipped silently
  if it is a migration, name it `<version>_fn-x.sql`; otherwise move it out of the folder
migrations/sub/create users.sql bad-name: `sub/create users.sql` is not named `<version>_<name>.sql`
  rename it to `0003_create_users.sql`
migrations/sub/migrations.toml unknown-file: `sub/migrations.toml` is not a file that Lockgate knows
  did you mean `migrations.toml`?
",
    );
}

#[test]
fn every_problem_is_found_at_once() {
    let project = Project::new(&[
        ("migrations.toml", "downs = 1\ndown = \"required\"\n"),
        ("0001_a.sql", "BEGIN;\nSELECT 1;\n"),
        ("0002_b.sql", "-- lockgate: irreversibel \"x\"\nSELECT 'a;\n"),
        ("x.sql", A),
        ("0003_c.rs", "fn x() {}"),
    ]);
    let codes: Vec<Code> = project.load().diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    assert_eq!(
        codes,
        [
            "missing-down",
            "transaction-control",
            "unknown-directive",
            "missing-down",
            "unterminated-string",
            "missing-down",
            "missing-up",
            "unknown-key",
            "bad-name"
        ]
    );
}

#[test]
fn bytes_that_are_not_text() {
    let project = Project::new(&[("0001_a.sql", A)]);
    project.write("0002_b.sql", b"SELECT 1;\n-- \xc3\xa4 caf\xe9\n");
    project.write("0003_c.sql", b"\xff\xfeS\0");
    project.check(
        "
migrations/0002_b.sql not-utf8: the file is not UTF-8: byte 0xe9 in line 2, column 9
  save it as UTF-8
migrations/0003_c.sql not-utf8: the file is UTF-16, not UTF-8
  save it as UTF-8
",
    );
    // What cannot be read is not reported as edited or deleted too.
    project.write("0002_b.sql", A);
    project.delete("0003_c.sql");
    project.freeze();
    project.write("0002_b.sql", b"\xe9");
    project.check(
        "
migrations/0002_b.sql not-utf8: the file is not UTF-8: byte 0xe9 in line 1, column 1
  save it as UTF-8
",
    );
}

#[cfg(unix)]
#[test]
fn links_are_followed_but_not_in_circles() {
    use std::os::unix::fs::symlink;

    let project = Project::new(&[("0001_a.sql", A), ("../shared/0002_b.sql", A), ("../one/file.sql", A)]);
    symlink(project.path("../shared"), project.path("linked")).unwrap();
    symlink(project.path("../one/file.sql"), project.path("0003_c.sql")).unwrap();
    let ids: Vec<String> =
        project.load().folder.migrations.into_iter().map(|migration| migration.id.to_string()).collect();
    assert_eq!(ids, ["0001_a", "0002_b", "0003_c"]);
    project.check("");

    symlink(project.folder(), project.path("../shared/back")).unwrap();
    symlink(project.path("../nowhere.sql"), project.path("0004_d.sql")).unwrap();
    symlink("..", project.path("up")).unwrap();
    project.check(
        "
migrations/0004_d.sql unreadable: the file cannot be read: it is a link to a file that does not exist
  make it readable, or delete it
migrations/linked/back unreadable: this link points to a folder that contains it
  delete the link
migrations/up unreadable: this link points to a folder that contains it
  delete the link
",
    );
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_not_text_and_entries_that_are_not_files() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::UnixListener;

    let project = Project::new(&[("0001_a.sql", A)]);
    std::fs::write(project.folder().join(OsStr::from_bytes(b"0002_\xe9.sql")), A).unwrap();
    let _listener = UnixListener::bind(project.path("0003_c.sql")).unwrap();
    project.check(
        "
migrations/0002_\u{fffd}.sql bad-name: the name of `0002_\u{fffd}.sql` is not UTF-8
  rename it with letters, digits and `_`
migrations/0003_c.sql unknown-file: `0003_c.sql` is neither a file nor a folder
  move it out of the folder
",
    );
}

#[test]
fn thousands_of_files_are_read_in_their_order() {
    let project = Project::new(&[]);
    for number in 1..=1000 {
        project.write(&format!("{}/{number:04}_x.sql", number % 7), format!("SELECT {number};\n"));
    }
    project.write("1001_x.rs", "pub async fn up() {}");
    project.check("");
    let folder = project.load().folder;
    assert!(folder.migrations.iter().zip(1..).all(|(migration, number)| migration.version().get() == number));
    assert_eq!(folder.migrations[776].up.text, "SELECT 777;\n");
    let embedded = folder.encode();
    assert_eq!((embedded.texts.len(), embedded.rust_steps.len()), (1000, 1));
}

/// The companions of a folder are sets of their own, and come with the set.
#[test]
fn a_folder_brings_its_companions_along() {
    let project = Project::new(&[("0001_a.sql", A), ("0002_b.sql", "SELECT 2;\n")]);
    let mut folder = project.load().folder;
    let mut companion = folder.clone();
    companion.migrations = vec![folder.migrations.pop().unwrap()];
    companion.migrations[0].id = Id::named("0002_b");
    folder.companions = vec![CompanionFolder { kind: CompanionKind::Repeatable, folder: companion }];
    let set = folder.leak("app 1.2.3");
    assert_eq!((format!("{set:?}"), set.applied_digest().is_some()), ("[\"0001_a\"]".to_owned(), true));
    let companion = set.companion(CompanionKind::Repeatable).unwrap();
    let script = companion.get(0).unwrap();
    assert_eq!((script.id(), script.name(), script.up().body()), ("0002_b", "0002_b", Body::Sql("SELECT 2;\n")));
    assert_eq!((script.version(), companion.application()), (Version::of_name("0002_b"), "app 1.2.3"));
    assert_ne!(companion.applied_digest(), set.applied_digest());
    assert!(set.companion(CompanionKind::Manual).is_none() && companion.companions().is_empty());
}

/// No message proposes a number that is taken, and no two the same one, unless they are the two scripts of one migration.
#[test]
fn a_name_that_is_proposed_is_free() {
    let proposed = |project: &Project| -> Vec<String> {
        let names = project.load().diagnostics.into_iter().filter(|diagnostic| diagnostic.code == "bad-name");
        names.map(|diagnostic| diagnostic.help[0].split('`').nth(1).unwrap().to_owned()).collect()
    };
    let project = Project::new(&[
        ("0001_a.sql", "SELECT 1;"),
        ("0001b.sql", "SELECT 1;"),
        ("books.down.sql", "SELECT 1;"),
        ("books.up.sql", "SELECT 1;"),
        ("tags.sql", "SELECT 1;"),
    ]);
    assert_eq!(proposed(&project), ["0002_b.sql", "0003_books.down.sql", "0003_books.up.sql", "0004_tags.sql"]);
    // What was released keeps its number, though its file is gone.
    for file in ["0001b.sql", "books.down.sql", "books.up.sql"] {
        project.delete(file);
    }
    project.write("0002_b.sql", "SELECT 1;");
    project.freeze();
    project.delete("0002_b.sql");
    assert_eq!(proposed(&project), ["0003_tags.sql"]);
}
