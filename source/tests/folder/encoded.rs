//! Folders of patches, `numbering = "encoded"`: what they are known by, and what may change.

use lockgate_core::patch;
use lockgate_source::folder::{self, NoDatabase};
use lockgate_source::{lockfile, renumber};

use crate::support::{Project, check, show};

const A: &str = "SELECT 1;\n";
const B: &str = "SELECT 2;\n";
const POLICY: (&str, &str) = ("migrations.toml", "numbering = \"encoded\"\n");

fn ids(project: &Project) -> Vec<String> {
    project.load().folder.migrations.into_iter().map(|migration| migration.id.to_string()).collect()
}

#[test]
fn a_bad_name_is_shown_the_right_one() {
    check(
        &[
            POLICY,
            ("billing.00000001.0002.owner.ok.sql", A),
            ("billing.00000001.0003.owner.ok.up.sql", A),
            ("billing.00000001.0003.owner.ok.down.sql", A),
            ("billing.00000001.0004.owner.ok.rs", "pub async fn up() {}"),
            ("a/billing.0000001.0005.owner.seven_digits.sql", A),
            ("a/billing.00000001.0006.no_user.sql", A),
            ("a/billing.00000001.0007.owner.capitals.SQL", A),
            ("a/billing.00000001.0008.owner.v1.2.sql", A),
            ("a/create_users.sql", A),
        ],
        "
migrations/a/billing.00000001.0006.no_user.sql bad-name: `a/billing.00000001.0006.no_user.sql` is not named `database.MAJOR.MINOR.user.description.sql`: it has 4 parts, not 5, and no user
  rename it to `billing.00000001.0006.owner.no_user.sql`
migrations/a/billing.00000001.0007.owner.capitals.SQL bad-name: `a/billing.00000001.0007.owner.capitals.SQL` has an ending in capital letters
  rename it to `billing.00000001.0007.owner.capitals.sql`
migrations/a/billing.00000001.0008.owner.v1.2.sql bad-name: `a/billing.00000001.0008.owner.v1.2.sql` has a dot in its description: a dot parts one part of the name from the next
  rename it to `billing.00000001.0008.owner.v1_2.sql`
migrations/a/billing.0000001.0005.owner.seven_digits.sql bad-name: `a/billing.0000001.0005.owner.seven_digits.sql` has a major number of 7 digits, `0000001`: it has 8
  rename it to `billing.00000001.0005.owner.seven_digits.sql`
migrations/a/create_users.sql bad-name: `a/create_users.sql` is not named `database.MAJOR.MINOR.user.description.sql`: it has 1 part, not 5
  rename it to `billing.00000001.0009.owner.create_users.sql`
",
    );
    check(
        &[POLICY, ("create_users.sql", A)],
        "
migrations/create_users.sql bad-name: `create_users.sql` is not named `database.MAJOR.MINOR.user.description.sql`: it has 1 part, not 5
  rename it to `<database>.00000001.0001.<user>.create_users.sql`
",
    );
}

#[test]
fn without_a_policy_the_numbering_is_suggested() {
    check(
        &[("billing.00000001.0002.owner.x.sql", A)],
        "
migrations/billing.00000001.0002.owner.x.sql bad-name: `billing.00000001.0002.owner.x.sql` is not named `<version>_<name>.sql`
  if the files are named like this one, say `numbering = \"encoded\"` in `migrations/migrations.toml`
",
    );
}

#[test]
fn the_order_is_of_database_major_and_minor_and_folders_mean_nothing() {
    let project = Project::new(&[
        POLICY,
        ("z/audit.00000002.0001.u.first.sql", A),
        ("a/billing.00000010.0001.u.later.sql", A),
        ("m/n/billing.00000002.0002.a.b.sql", A),
        ("billing.00000002.0010.a.a.sql", A),
        ("b/billing.00000002.0001.z.z.sql", A),
        ("a/audit.00000010.0000.u.last.sql", A),
    ]);
    project.check("");
    let order = [
        "audit.00000002.0001.u.first",
        "audit.00000010.0000.u.last",
        "billing.00000002.0001.z.z",
        "billing.00000002.0002.a.b",
        "billing.00000002.0010.a.a",
        "billing.00000010.0001.u.later",
    ];
    assert_eq!(ids(&project), order);
    let folder = project.load().folder;
    assert_eq!(folder.databases(), ["audit", "billing"]);
    let each: Vec<usize> = folder.split_by_database().iter().map(|one| one.migrations.len()).collect();
    assert_eq!(each, [2, 4]);
}

#[test]
fn one_key_twice_names_both_files() {
    check(
        &[
            POLICY,
            ("a/billing.00000001.0002.owner.x.sql", A),
            ("audit.00000001.0002.owner.x.sql", A),
            ("b/billing.00000001.0002.ops.y.sql", B),
            ("billing.00000001.0003.ops.z.sql", A),
            ("c/billing.00000001.0003.ops.z.sql", A),
        ],
        "
migrations/a/billing.00000001.0002.owner.x.sql:1:1 duplicate: `billing.00000001.0002` exists twice: `migrations/b/billing.00000001.0002.ops.y.sql` and `migrations/a/billing.00000001.0002.owner.x.sql`
  run `cargo xtask renumber billing.00000001.0002.owner.x`
migrations/c/billing.00000001.0003.ops.z.sql:1:1 duplicate: `billing.00000001.0003.ops.z` exists twice: as `migrations/billing.00000001.0003.ops.z.sql` and as `migrations/c/billing.00000001.0003.ops.z.sql`
  folder names do not affect the order: delete or rename one of the two
",
    );
    check(
        &[POLICY, ("billing.00000001.0002.owner.x.up.sql", A), ("billing.00000001.0002.ops.x.down.sql", A)],
        "
migrations/billing.00000001.0002.ops.x.down.sql:1:1 mismatched-names: `billing.00000001.0002` is named differently in `migrations/billing.00000001.0002.owner.x.up.sql` and `migrations/billing.00000001.0002.ops.x.down.sql`
  rename this file to `billing.00000001.0002.owner.x.down.sql`
",
    );
}

#[test]
fn a_released_patch_may_be_moved_and_renamed_but_not_edited() {
    let project = Project::new(&[
        POLICY,
        ("billing.00000001.0001.owner.a.up.sql", A),
        ("billing.00000001.0001.owner.a.down.sql", B),
        ("billing.00000001.0002.owner.b.sql", B),
    ]);
    project.freeze();
    let lock = std::fs::read_to_string(project.path(lockfile::FILE)).unwrap();
    project.rename("billing.00000001.0001.owner.a.up.sql", "billing.00000001.0001.ops.new words.up.sql");
    project.write("old/.keep", "");
    project.rename("billing.00000001.0001.owner.a.down.sql", "old/billing.00000001.0001.ops.new words.down.sql");
    project.check("");
    let folder = project.load().folder;
    assert!(folder.migrations.iter().all(|migration| migration.frozen));
    assert_eq!(folder.find("billing.00000001.0001.owner.a").unwrap().id, "billing.00000001.0001.ops.new words");
    // Neither command has anything to write: the line keeps the name of then.
    assert_eq!(folder::with_drafts(&folder, folder.lockfile.as_ref()).render(), lock);
    assert_eq!(folder::freeze(&folder, folder.lockfile.as_ref()).render(), lock);

    project.write("billing.00000001.0001.ops.new words.up.sql", "SELECT 3;\n");
    project.delete("old/billing.00000001.0001.ops.new words.down.sql");
    project.check(
        "
migrations/billing.00000001.0001.ops.new words.up.sql:1:1 edited: `billing.00000001.0001.ops.new words` was edited after its release: `migrations/migrations.lock` records another checksum
  undo the edit (`git checkout HEAD -- 'migrations/billing.00000001.0001.ops.new words.up.sql'` does, unless it is committed), and write a new migration: `cargo xtask new-migration \"what it changes\"`
  or, if no database has applied `billing.00000001.0001.ops.new words` yet, type `cargo xtask amend billing.00000001.0001 --reason \"why\"`
migrations/migrations.lock:3:8 deleted: `billing.00000001.0001.ops.new words` was released with a down script, which is gone
  bring `billing.00000001.0001.ops.new words.down.sql` back from version control
",
    );
    project.delete("billing.00000001.0001.ops.new words.up.sql");
    project.check(
        "
migrations/migrations.lock:3:8 deleted: `billing.00000001.0001.owner.a` was deleted after its release
  restore it from version control: existing databases have it, and new ones need it
",
    );
}

#[test]
fn a_draft_may_be_renamed_without_changing_the_lockfile() {
    let project = Project::new(&[POLICY, ("billing.00000001.0001.owner.a.sql", A)]);
    project.lock();
    project.rename("billing.00000001.0001.owner.a.sql", "billing.00000001.0001.owner.b.sql");
    project.check("");
    project.freeze();
    let lock = std::fs::read_to_string(project.path(lockfile::FILE)).unwrap();
    assert!(lock.contains("\nfrozen billing.00000001.0001.owner.b up=v1:"), "{lock}");
    assert_eq!(lock.lines().count(), 3);
}

#[test]
fn of_two_patches_of_one_key_the_released_one_stays() {
    let project = Project::new(&[POLICY, ("billing.00000001.0001.owner.m.sql", A)]);
    project.freeze();
    // The description changed, and another branch has taken the number meanwhile: one before it, one after it.
    project.rename("billing.00000001.0001.owner.m.sql", "billing.00000001.0001.owner.n.sql");
    for other in ["a", "z"] {
        let file = format!("billing.00000001.0001.owner.{other}.sql");
        project.write(&file, B);
        let shown = show(&project.load().diagnostics);
        assert!(shown.starts_with(&format!("migrations/{file}:1:1 duplicate: ")), "{shown}");
        assert!(
            shown.ends_with(&format!("run `cargo xtask renumber billing.00000001.0001.owner.{other}`\n")),
            "{shown}"
        );
        assert_eq!(shown.lines().count(), 2, "{shown}");
        project.delete(&file);
    }
}

#[test]
fn a_draft_below_the_newest_released_of_its_database_is_misordered() {
    let project = Project::new(&[POLICY, ("billing.00000002.0001.u.a.sql", A), ("audit.00000001.0001.u.a.sql", A)]);
    project.freeze();
    project.write("audit.00000001.0002.u.fine.sql", B);
    project.write("billing.00000001.0009.u.late.sql", B);
    project.write("../tests/migrations/billing.00000001.0009.rs", "");
    project.lock();
    project.check(
        "
migrations/billing.00000001.0009.u.late.sql:1:1 misordered: `billing.00000001.0009.u.late` is a draft and sorts before `billing.00000002.0001.u.a`, which is released
  run `cargo xtask renumber billing.00000001.0009.u.late`
",
    );
    // By its key, or all that are misplaced: the other database stays as it is.
    let folder = project.load().folder;
    for id in [Some("billing.00000001.0009"), None] {
        let plan = renumber::plan(&folder, id, None).unwrap();
        let moved = ("billing.00000001.0009.u.late".to_owned(), "billing.00000002.0002.u.late".to_owned());
        let ids: Vec<_> = plan.ids.iter().map(|(from, to)| (from.to_string(), to.to_string())).collect();
        assert_eq!(ids, [moved]);
        let tests: Vec<&str> = plan.renames.iter().map(|rename| rename.shown_to.as_str()).collect();
        assert!(tests.contains(&"tests/migrations/billing.00000002.0002.rs"), "{tests:?}");
        assert!(plan.lockfile.unwrap().render().contains("\ndraft billing.00000002.0002.u.late\n"));
    }
    let problem = renumber::plan(&folder, Some("billing.00000002.0001"), None).unwrap_err();
    assert_eq!(problem, "`billing.00000002.0001.u.a` is released and keeps its number, by which databases know it");
}

#[test]
fn the_next_number_is_that_of_its_database() {
    let project = Project::new(&[
        POLICY,
        ("billing.00000002.0007.u.a.sql", A),
        ("audit.00000001.9999.u.a.sql", A),
        ("billing.00000001.0042.u.a.sql", A),
    ]);
    let folder = project.load().folder;
    let next = |database| renumber::next_version(&folder, Some(database), None).map(|next| next.digits);
    assert_eq!(next("billing").as_deref(), Ok("00000002.0008"));
    assert_eq!(next("new").as_deref(), Ok("00000001.0001"));
    let full = "no minor number is left after `audit.00000001.9999`: begin a major one";
    assert_eq!(next("audit").unwrap_err(), full);
}

#[test]
fn the_test_of_a_patch_is_found_by_its_key() {
    let project = Project::new(&[
        ("migrations.toml", "numbering = \"encoded\"\ntests = \"required\"\n"),
        ("billing.00000001.0001.owner.a.sql", A),
        ("../tests/migrations/billing.00000001.0001.rs", ""),
    ]);
    project.check("");
    project.rename("billing.00000001.0001.owner.a.sql", "billing.00000001.0001.ops.b.sql");
    project.check("");
    project.delete("../tests/migrations/billing.00000001.0001.rs");
    let shown = show(&project.load().diagnostics);
    assert!(shown.contains("there is no `tests/migrations/billing.00000001.0001.rs`"), "{shown}");
}

#[test]
fn a_set_is_for_one_database() {
    let project = Project::new(&[
        POLICY,
        ("billing.00000001.0002.u.a.sql", A),
        ("audit.00000001.0002.u.b.sql", B),
        ("billing.00000001.0001.u.c.rs", "pub async fn up() {}"),
    ]);
    let chosen = |database: Option<&str>| {
        let mut folder = project.load().folder;
        folder.choose(database).map(|()| folder.encode())
    };
    let known = || vec!["audit".to_owned(), "billing".to_owned()];
    assert_eq!(chosen(None).unwrap_err(), NoDatabase::Several { known: known() });
    let meant = Some("billing".to_owned());
    assert_eq!(chosen(Some("biling")).unwrap_err(), NoDatabase::Unknown { known: known(), meant });
    let set = chosen(Some("billing")).unwrap();
    assert_eq!(set.texts.len(), 1);
    assert_eq!(set.rust_steps.len(), 1);
    assert_eq!(Some(set.rust_steps[0].version), patch::version(1, 1));
    assert!(!set.encoded.paths.contains("audit"), "{}", set.encoded.paths);

    let project = Project::new(&[("0001_a.sql", A)]);
    assert_eq!(project.load().folder.choose(Some("billing")), Err(NoDatabase::NotEncoded));
    assert_eq!(project.load().folder.choose(None), Ok(()));
    let project = Project::new(&[POLICY, ("billing.00000001.0002.u.a.sql", A)]);
    assert_eq!(project.load().folder.choose(None), Ok(()));
    let project = Project::new(&[POLICY]);
    let nothing = NoDatabase::Unknown { known: Vec::new(), meant: None };
    assert_eq!(project.load().folder.choose(Some("billing")), Err(nothing));
}

#[test]
fn a_new_table_in_one_database_is_unknown_in_another() {
    let toml = "dialects = [\"postgres\"]\nnumbering = \"encoded\"\n";
    let project = Project::new(&[("migrations.toml", toml)]);
    project.freeze();
    project.write("audit.00000001.0001.u.a.sql", "CREATE TABLE users (id bigint PRIMARY KEY);\n");
    project.write("audit.00000001.0002.u.b.sql", "DROP TABLE users;\n");
    project.write("billing.00000001.0002.u.b.sql", "DROP TABLE users;\n");
    project.lock();
    let found = project.load().diagnostics;
    let reported: Vec<(&str, &str)> = found.iter().map(|found| (found.file.as_str(), found.code.as_str())).collect();
    assert_eq!(reported, [("migrations/billing.00000001.0002.u.b.sql", "drop-table")]);
}

const BOOTSTRAP: &str = "-- lockgate: no-transaction\nCREATE DATABASE billing;\n";

#[test]
fn bootstraps_are_kept_apart_from_the_patches_of_a_database() {
    let project = Project::new(&[
        (
            "migrations.toml",
            "dialects = [\"postgres\"]\nnumbering = \"encoded\"\ndown = \"required\"\ntests = \"required\"\n",
        ),
        ("billing.00000000.0001.admin.create.sql", BOOTSTRAP),
        ("billing.00000000.0002.admin.comment.sql", "COMMENT ON DATABASE billing IS 'x';\n"),
        ("audit.00000000.0001.admin.create.sql", "-- lockgate: no-transaction\nCREATE DATABASE audit;\n"),
        ("billing.00000001.0001.u.a.up.sql", A),
        ("billing.00000001.0001.u.a.down.sql", A),
        ("../tests/migrations/billing.00000001.0001.rs", ""),
    ]);
    // No down script and no test is asked of a bootstrap.
    project.check("");
    let folder = project.load().folder;
    let each = folder.each_database().unwrap();
    let counts: Vec<(&str, usize, usize)> = each
        .iter()
        .map(|one| (one.name.as_str(), one.bootstraps.migrations.len(), one.patches.migrations.len()))
        .collect();
    assert_eq!(counts, [("audit", 1, 0), ("billing", 2, 1)]);
    let mut one = folder.clone();
    one.choose(Some("billing")).unwrap();
    assert_eq!(one.migrations.len(), 1);
    let split: Vec<usize> = folder.split_by_database().iter().map(|one| one.migrations.len()).collect();
    assert_eq!(split, [0, 1]);
    // The first patch follows no bootstrap.
    let next = |database| renumber::next_version(&folder, Some(database), None).map(|next| next.digits);
    assert_eq!((next("audit").as_deref(), next("billing").as_deref()), (Ok("00000001.0001"), Ok("00000001.0002")));
    let plain = Project::new(&[("0001_a.sql", A)]);
    assert_eq!(plain.load().folder.each_database().unwrap_err(), NoDatabase::NotEncoded);
}

#[test]
fn a_bootstrap_may_come_after_the_release_of_patches() {
    let project = Project::new(&[POLICY, ("billing.00000001.0001.u.a.sql", A)]);
    project.freeze();
    project.write("billing.00000000.0001.admin.create.sql", A);
    project.write("billing.00000000.0001.admin.again.sql", B);
    project.lock();
    let shown = show(&project.load().diagnostics);
    assert!(shown.contains("duplicate: `billing.00000000.0001` exists twice"), "{shown}");
    assert!(!shown.contains("misordered"), "{shown}");
    // A new number keeps it a bootstrap.
    let plan = renumber::plan(&project.load().folder, None, None).unwrap();
    let ids: Vec<String> = plan.ids.iter().map(|(_, to)| to.to_string()).collect();
    assert_eq!(ids.len(), 1);
    assert!(ids[0].starts_with("billing.00000000.0002.admin."), "{ids:?}");
}
