//! Folder and lockfile: everything that may differ.

use lockgate_source::lockfile;

use crate::support::{Project, show};

const A: &str = "SELECT 1;\n";
const B: &str = "SELECT 2;\n";

/// Three released migrations and a draft.
fn released() -> Project {
    let project = Project::new(&[("0001_a.up.sql", A), ("0001_a.down.sql", B), ("0002_b.sql", B)]);
    project.write("0003_c.rs", "pub async fn up() {}\npub async fn down() {}\n");
    project.freeze();
    project.write("0004_d.sql", A);
    project.lock();
    project.check("");
    project
}

#[test]
fn the_text_is_stable_and_one_line_a_migration() {
    let project = released();
    let text = std::fs::read_to_string(project.path(lockfile::FILE)).unwrap();
    let sum = |path: &str| {
        let folder = project.load().folder;
        let script =
            folder.migrations.iter().flat_map(|migration| migration.files()).find(|script| script.path == path);
        script.unwrap().checksum.unwrap().to_string()
    };
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("lockgate-lock v1 chain=") && lines[0].len() == 23 + 64, "{}", lines[0]);
    assert_eq!(
        lines[1..],
        [
            "# Written by `cargo xtask`; commit it and do not edit it.".to_owned(),
            format!("frozen 0001_a up={} down={}", sum("0001_a.up.sql"), sum("0001_a.down.sql")),
            format!("frozen 0002_b up={}", sum("0002_b.sql")),
            format!("frozen 0003_c up={}", sum("0003_c.rs")),
            "draft 0004_d".to_owned(),
        ]
    );
    assert!(text.ends_with("draft 0004_d\n"));
    let loaded = project.load();
    assert_eq!(loaded.folder.lockfile.as_ref().unwrap().render(), text);
    assert_eq!(loaded.folder.migrations.iter().filter(|migration| migration.frozen).count(), 3);
}

#[test]
fn line_ends_do_not_matter() {
    let project = released();
    let text = std::fs::read_to_string(project.path(lockfile::FILE)).unwrap();
    project.write(lockfile::FILE, format!("\u{feff}{}", text.replace('\n', "\r\n")));
    project.write("0002_b.sql", B.replace('\n', "\r\n"));
    project.check("");
}

#[test]
fn without_a_lockfile_everything_is_a_draft() {
    let project = Project::new(&[("0001_a.sql", A)]);
    project.check("");
    assert!(!project.load().folder.migrations[0].frozen);
}

#[test]
fn edited_ones_are_named() {
    let project = released();
    project.write("0001_a.up.sql", B);
    project.write("0001_a.down.sql", A);
    project.write("0003_c.rs", "pub async fn up() { }\n");
    project.write("0004_d.sql", B);
    project.check(
        "
migrations/0001_a.down.sql:1:1 edited: the down script of `0001_a` was edited after its release: `migrations/migrations.lock` records another checksum
  undo the edit (`git checkout` brings the released text back), and write a new migration: `cargo xtask new-migration`
migrations/0001_a.up.sql:1:1 edited: `0001_a` was edited after its release: `migrations/migrations.lock` records another checksum
  undo the edit (`git checkout` brings the released text back), and write a new migration: `cargo xtask new-migration`
migrations/0003_c.rs:1:1 edited: `0003_c` was edited after its release: `migrations/migrations.lock` records another checksum
  undo the edit (`git checkout` brings the released text back), and write a new migration: `cargo xtask new-migration`
",
    );
}

#[test]
fn deleted_ones_are_shown_in_the_lockfile() {
    let project = released();
    project.delete("0001_a.down.sql");
    project.delete("0002_b.sql");
    project.delete("0004_d.sql");
    project.check(
        "
migrations/migrations.lock:3:8 deleted: `0001_a` was released with a down script, and it is gone
  bring `0001_a.down.sql` back from version control
migrations/migrations.lock:4:8 deleted: `0002_b` was deleted after its release
  bring it back from version control: databases have it, and new ones need it
migrations/migrations.lock:6:7 vanished-draft: the lockfile has a draft `0004_d`, and the folder has no such file
  run `cargo xtask check --write` to drop the line, or bring the file back
",
    );
}

#[test]
fn renamed_ones_are_recognised() {
    let project = released();
    project.rename("0001_a.up.sql", "0001_aa.up.sql");
    project.rename("0001_a.down.sql", "0001_aa.down.sql");
    project.rename("0002_b.sql", "0005_b.sql");
    project.rename("0004_d.sql", "0004_dd.sql");
    project.check(
        "
migrations/0001_aa.up.sql:1:1 renamed: `0001_aa` was renamed after its release: the lockfile knows it as `0001_a`
  give it its name back: `0001_a.up.sql`
migrations/0005_b.sql:1:1 renamed: `0005_b` was renamed after its release: the lockfile knows it as `0002_b`
  give it its name back: `0002_b.sql`
migrations/migrations.lock:6:7 unlocked: the lockfile has a draft `0004_d`, and the folder calls it `0004_dd`
  run `cargo xtask check --write` to write the new name
",
    );
}

#[test]
fn new_files_want_a_line() {
    let project = released();
    project.write("0005_e.sql", A);
    project.rename("0002_b.sql", "0002_b.up.sql");
    project.write("0002_b.down.sql", A);
    project.check(
        "
migrations/0002_b.down.sql:1:1 unlocked: `0002_b` was released without a down script: `migrations/migrations.lock` does not record this one
  run `cargo xtask freeze` to release it too, or delete the file
migrations/0005_e.sql:1:1 unlocked: `0005_e` is not in the lockfile `migrations/migrations.lock`
  run `cargo xtask check --write` to add it as a draft
",
    );
    project.freeze();
    project.check("");
}

#[test]
fn t1_drafts_before_released_ones_are_misordered() {
    let project = Project::new(&[("0001_a.sql", A), ("0004_d.sql", B)]);
    project.freeze();
    project.write("0002_b.sql", "\n-- what\nSELECT 7;\n");
    project.check(
        "
migrations/0002_b.sql:3:1 misordered: `0002_b` is a draft and sorts before `0004_d`, which is released
  run `cargo xtask renumber 0002_b`
",
    );
}

#[test]
fn t1_two_branches_that_add_a_migration_conflict() {
    let base = Project::new(&[("0001_a.sql", A)]);
    base.freeze();
    let head = |project: &Project| {
        std::fs::read_to_string(project.path(lockfile::FILE)).unwrap().lines().next().unwrap().to_owned()
    };
    let before = head(&base);
    base.write("0002_b.sql", A);
    base.lock();
    let ours = head(&base);
    base.rename("0002_b.sql", "0002_c.sql");
    base.lock();
    let theirs = head(&base);
    assert!(before != ours && ours != theirs && theirs != before);
}

#[test]
fn broken_lockfiles_are_shown_at_the_line() {
    let project = released();
    let good = std::fs::read_to_string(project.path(lockfile::FILE)).unwrap();

    let check = |text: &str, expected: &str| {
        project.write(lockfile::FILE, text);
        assert_eq!(show(&project.load().diagnostics), expected.trim_start());
    };
    let restore = "or delete it and run `cargo xtask check --write`";
    check(
        "",
        &format!(
            "
migrations/migrations.lock bad-lockfile: the lockfile is empty
  take `migrations/migrations.lock` from version control again, {restore}
"
        ),
    );
    check(
        "hello\n",
        &format!(
            "
migrations/migrations.lock:1:1 bad-lockfile: a lockfile begins with `lockgate-lock v1 chain=…`
  take `migrations/migrations.lock` from version control again, {restore}
"
        ),
    );
    check(
        &good.replace("lock v1", "lock v2"),
        "
migrations/migrations.lock:1:1 bad-lockfile: the lockfile has the format `v2`, and this release knows `v1`
  build with a newer release of lockgate
",
    );
    check(
        &good.replace("draft 0004_d", "draft d\nthawed 0005_e\nfrozen 0006_f\nfrozen 0007_g up=v9:00"),
        "
migrations/migrations.lock:6:1 bad-lockfile: this line says nothing: a version is written with the digits 0 to 9 alone
  take `migrations/migrations.lock` from version control again
migrations/migrations.lock:7:1 bad-lockfile: this line says nothing: a line begins with `frozen` or `draft`
  take `migrations/migrations.lock` from version control again
migrations/migrations.lock:8:1 bad-lockfile: this line says nothing: a frozen line has a checksum `up=v1:…`
  take `migrations/migrations.lock` from version control again
migrations/migrations.lock:9:1 bad-lockfile: this line says nothing: `v9` is no checksum version that this release knows
  take `migrations/migrations.lock` from version control again
",
    );
    check(&good.replace("draft 0004_d\n", ""), "
migrations/0004_d.sql:1:1 unlocked: `0004_d` is not in the lockfile `migrations/migrations.lock`
  run `cargo xtask check --write` to add it as a draft
migrations/migrations.lock:1:1 broken-chain: the lines of the lockfile do not give the chain of its head line: it was edited by hand, or merged without a look
  look at what changed (`git diff`), then run `cargo xtask check --write` to write the head line again
");
    let conflict = format!("<<<<<<< HEAD\n{good}=======\n{good}>>>>>>> other\n");
    check(
        &conflict,
        "
migrations/migrations.lock:1:1 merge-conflict: two branches changed the lockfile, and the merge was not finished
  keep the lines of both sides, delete the markers, and run `cargo xtask check --write`
",
    );
    // What the help of a broken chain says is what works.
    project.write(lockfile::FILE, good.replace("draft 0004_d\n", ""));
    project.lock();
    project.check("");
    assert_eq!(std::fs::read_to_string(project.path(lockfile::FILE)).unwrap(), good);
}
