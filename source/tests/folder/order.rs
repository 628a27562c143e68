//! Which files make a migration, and how migrations follow each other.

use lockgate_source::Color;

use crate::support::{Project, check};

const A: &str = "SELECT 1;\n";

#[test]
fn order_is_that_of_the_versions() {
    let project = Project::new(&[("10_c.sql", A), ("sub/9_b.up.sql", A), ("other/009_b.md", ""), ("0001_a.sql", A)]);
    project.delete("other/009_b.md");
    project.check("");
    let ids: Vec<String> =
        project.load().folder.migrations.into_iter().map(|migration| migration.id.to_string()).collect();
    assert_eq!(ids, ["0001_a", "9_b", "10_c"]);
}

#[test]
fn two_of_one_version_are_both_named() {
    check(
        &[("0001_a.sql", A), ("0002_b.sql", A), ("2_c.up.sql", A)],
        "
migrations/2_c.up.sql:1:1 duplicate: version 2 exists twice: `migrations/0002_b.sql` and `migrations/2_c.up.sql`
  run `cargo xtask renumber 2_c`
",
    );
    check(
        &[("a/0001_a.sql", A), ("b/0001_a.sql", A)],
        "
migrations/b/0001_a.sql:1:1 duplicate: `0001_a` exists twice: as `migrations/a/0001_a.sql` and as `migrations/b/0001_a.sql`
  folder names do not affect the order: delete or rename one of the two
",
    );
    check(
        &[("0001_a.sql", A), ("0001_a.up.sql", A), ("0001_a.rs", "pub async fn up() {}")],
        "
migrations/0001_a.rs:1:1 duplicate: `0001_a` exists twice: as `migrations/0001_a.up.sql` and as `migrations/0001_a.rs`
  delete one of the two
migrations/0001_a.sql:1:1 duplicate: `0001_a` exists twice: as `migrations/0001_a.up.sql` and as `migrations/0001_a.sql`
  delete one of the two
",
    );
    check(
        &[("0001_a_up.sql", A), ("0001_a_down.sql", A)],
        "
migrations/0001_a_up.sql:1:1 duplicate: version 1 exists twice: `migrations/0001_a_down.sql` and `migrations/0001_a_up.sql`
  if they belong together, name them `0001_a.up.sql` and `0001_a.down.sql`
",
    );
    check(
        &[("0001_a.sql", A), ("0001_a_rollback.sql", A)],
        "
migrations/0001_a_rollback.sql:1:1 duplicate: version 1 exists twice: `migrations/0001_a.sql` and `migrations/0001_a_rollback.sql`
  if `0001_a_rollback` reverts `0001_a`, name them `0001_a.up.sql` and `0001_a.down.sql`; otherwise run `cargo xtask renumber 0001_a_rollback`
",
    );
}

#[test]
fn the_released_one_of_two_stays() {
    let project = Project::new(&[("1_a.sql", A), ("2_z.sql", A)]);
    project.freeze();
    project.write("2_b.sql", A);
    project.check(
        "
migrations/2_b.sql:1:1 duplicate: version 2 exists twice: `migrations/2_b.sql` and `migrations/2_z.sql`
  run `cargo xtask renumber 2_b`
",
    );
}

#[test]
fn up_and_down_belong_together() {
    check(
        &[("0001_a.up.sql", A), ("0001_b.down.sql", A)],
        "
migrations/0001_b.down.sql:1:1 mismatched-names: version 1 is named differently in `migrations/0001_a.up.sql` and `migrations/0001_b.down.sql`
  rename this file to `0001_a.down.sql`
",
    );
    check(
        &[("migrations.toml", "down = \"required\"\n"), ("0001_a.down.sql", A)],
        "
migrations/0001_a.down.sql:1:1 down-without-up: `0001_a` has a down script but no up script, so it is never run
  add `0001_a.up.sql`, or delete this file
",
    );
    check(
        &[("1_a.rs", "pub async fn up() {}"), ("1_a.down.sql", A)],
        "
migrations/1_a.down.sql:1:1 duplicate: `migrations/1_a.rs` is a Rust step, and `migrations/1_a.down.sql` is not part of it
  write the down script as `pub async fn down` in the Rust file
",
    );
}

#[test]
fn a_down_script_without_up_is_reported_if_downs_are_optional() {
    let project = Project::new(&[("1_a.sql", A), ("20240325133100_b.down.sql", A), ("20240325143100_b.up.sql", A)]);
    let loaded = project.load();
    assert!(!loaded.has_errors());
    assert_eq!(loaded.folder.encode().texts.len(), 2);
    assert_eq!(
        loaded.diagnostics[0].render(Color::Off),
        "\
warning[down-without-up]: `20240325133100_b` has a down script but no up script, so it is never run
 --> migrations/20240325133100_b.down.sql:1:1
  |
1 | SELECT 1;
  | ^^^^^^^^^
  |
  = help: if it reverts `20240325143100_b`, rename it to `20240325143100_b.down.sql`; otherwise delete it"
    );
}

#[test]
fn a_pair_named_like_a_one_way_script_is_reported() {
    let project = Project::new(&[("2_b.sql", A), ("2_b.down.sql", A)]);
    let loaded = project.load();
    assert!(!loaded.has_errors() && loaded.folder.migrations[0].down.is_some());
    assert_eq!(loaded.folder.encode().texts.len(), 2);
    assert_eq!(
        loaded.diagnostics[0].render(Color::Off),
        "\
warning[mismatched-names]: `migrations/2_b.sql` is named like a one-way script, but `migrations/2_b.down.sql` reverts it
 --> migrations/2_b.sql:1:1
  |
1 | SELECT 1;
  | ^^^^^^^^^
  |
  = help: rename this file to `2_b.up.sql`"
    );
}

#[test]
fn a_sequence_has_no_gaps() {
    let policy = ("migrations.toml", "numbering = \"sequence\"\n");
    check(&[policy, ("1_a.sql", A), ("2_b.sql", A)], "");
    check(
        &[policy, ("0_a.sql", A), ("1_b.sql", A), ("3_c.sql", A), ("40_d.sql", A)],
        "
migrations/0_a.sql:1:1 bad-version: `0_a` has the number 0: a sequence begins at 1
  run `cargo xtask renumber 0_a`, or add what is missing
migrations/3_c.sql:1:1 gap: version 2 is missing: `3_c` follows `1_b`
  run `cargo xtask renumber 3_c`, or add what is missing
  or say `numbering = \"any\"` instead of \"sequence\" in `migrations/migrations.toml`
migrations/40_d.sql:1:1 gap: versions 4 to 39 are missing: `40_d` follows `3_c`
  run `cargo xtask renumber 40_d`, or add what is missing
  or say `numbering = \"any\"` instead of \"sequence\" in `migrations/migrations.toml`
",
    );
}

#[test]
fn ordinals_have_five_digits_and_begin_at_0() {
    let policy = ("migrations.toml", "numbering = \"ordinal\"\n");
    check(&[policy, ("00000-a.sql", A), ("00001-b.sql", A)], "");
    check(
        &[policy, ("00000-a.sql", A), ("1-b.sql", A), ("00040-d.sql", A), ("fix-tbl.sql", A)],
        "
migrations/00040-d.sql:1:1 gap: versions 2 to 39 are missing: `00040-d` follows `1-b`
  run `cargo xtask renumber 00040-d`, or add what is missing
  or say `numbering = \"any\"` instead of \"ordinal\" in `migrations/migrations.toml`
migrations/1-b.sql:1:1 bad-version: `1-b` does not have the five digits of an ordinal
  name it `00001-b`
migrations/fix-tbl.sql bad-name: `fix-tbl.sql` is not named `<version>-<name>.sql`
  rename it to `00041-fix-tbl.sql`
",
    );
}

#[test]
fn a_name_without_an_ordinal_is_shown_the_next_free_one() {
    let policy = ("migrations.toml", "numbering = \"ordinal\"\n");
    let good = [policy, ("00000-a.sql", A), ("t/00001-b.sql", A), ("u/v/00002-c.sql", A)];
    check(&good, "");
    check(
        &[good.as_slice(), &[("fix-tbl.sql", A), ("00003-.sql", A)]].concat(),
        "
migrations/00003-.sql bad-name: `00003-.sql` has a name that is empty, or begins or ends with a blank or a dot
  rename it to `00003-<name>.sql`
migrations/fix-tbl.sql bad-name: `fix-tbl.sql` is not named `<version>-<name>.sql`
  rename it to `00003-fix-tbl.sql`
",
    );
}

#[test]
fn gaps_and_duplicates_of_ordinals_are_reported_together() {
    check(
        &[
            ("migrations.toml", "numbering = \"ordinal\"\n"),
            ("00000-a.sql", A),
            ("t/00000-b.sql", A),
            ("00001-c.sql", A),
            ("00040-d.sql", A),
            ("00041-e.SQL", A),
        ],
        "
migrations/00040-d.sql:1:1 gap: versions 2 to 39 are missing: `00040-d` follows `00001-c`
  run `cargo xtask renumber 00040-d`, or add what is missing
  or say `numbering = \"any\"` instead of \"ordinal\" in `migrations/migrations.toml`
migrations/00041-e.SQL bad-name: `00041-e.SQL` has an ending in capital letters
  rename it to `00041-e.sql`
migrations/t/00000-b.sql:1:1 duplicate: version 0 exists twice: `migrations/00000-a.sql` and `migrations/t/00000-b.sql`
  run `cargo xtask renumber 00000-b`
",
    );
}

#[test]
fn timestamps_are_times() {
    let policy = ("migrations.toml", "numbering = \"timestamp\"\n");
    check(
        &[policy, ("20260131093000_a.sql", A), ("20260231093000_b.sql", A), ("3_c.sql", A), ("x.sql", A)],
        "
migrations/20260231093000_b.sql:1:1 bad-version: `20260231093000_b` does not have a time as its version: 14 digits, YYYYMMDDhhmmss
  run `cargo xtask renumber 20260231093000_b`
migrations/3_c.sql:1:1 bad-version: `3_c` does not have a time as its version: 14 digits, YYYYMMDDhhmmss
  run `cargo xtask renumber 3_c`
migrations/x.sql bad-name: `x.sql` is not named `<version>_<name>.sql`
  rename it to `<YYYYMMDDhhmmss>_x.sql`
",
    );
}

#[test]
fn a_migration_without_a_down_needs_a_reason() {
    let policy = ("migrations.toml", "down = \"required\"\n");
    check(
        &[
            policy,
            ("1_a.up.sql", A),
            ("2_b.sql", A),
            ("3_c.rs", "pub async fn up() {}"),
            ("4_d.sql", "-- lockgate: irreversible \"gone\"\nSELECT 1;"),
            ("5_e.rs", "// lockgate: irreversible \"gone\"\npub async fn up() {}"),
            ("6_f.rs", "pub async fn up() {}\npub async fn down() {}"),
        ],
        "
migrations/1_a.up.sql:1:1 missing-down: `1_a` has no down script
  add `1_a.down.sql`, or mark it `-- lockgate: irreversible \"why\"`
migrations/2_b.sql:1:1 missing-down: `2_b` has no down script
  rename it to `2_b.up.sql` and add `2_b.down.sql`, or mark it `-- lockgate: irreversible \"why\"`
migrations/3_c.rs:1:1 missing-down: `3_c` has no down script
  add `pub async fn down`, or mark it `// lockgate: irreversible \"why\"`
",
    );
    check(&[("1_a.up.sql", A), ("2_b.sql", A), ("3_c.rs", "pub async fn up() {}")], "");
}

#[test]
fn irreversible_and_a_down_exclude_each_other() {
    let text = "-- lockgate: irreversible \"gone\"\nSELECT 1;";
    check(
        &[("1_a.up.sql", text), ("1_a.down.sql", A), ("2_b.up.sql", A), ("2_b.down.sql", text)],
        "
migrations/1_a.up.sql:2:1 irreversible-down: `1_a` is marked irreversible, but has a down script in `migrations/1_a.down.sql`
  delete the directive, or delete the down script
migrations/2_b.down.sql:1:14 bad-directive: a down script cannot be marked irreversible
  delete this line, or the file
",
    );
}

#[test]
fn missing_test_is_named() {
    let project = Project::new(&[
        ("migrations.toml", "tests = \"required\"\n"),
        ("001_a.sql", A),
        ("002_b.sql", A),
        ("003_c.sql", A),
        ("../tests/migrations/001_a.rs", ""),
        ("../tests/migrations/003_c.rs", ""),
    ]);
    project.check(
        "
migrations/002_b.sql:1:1 missing-test: `002_b` has no test: there is no `tests/migrations/002_b.rs`
  type `cargo xtask new-test 002`: it writes one that fails until it is filled in
  or say `tests = \"optional\"` in `migrations/migrations.toml`
",
    );
    project.write("../tests/migrations/002_b.rs", "");
    project.check("");
}

/// A down script that only raises an error marks the migration as irreversible.
#[test]
fn a_down_script_that_only_raises_makes_a_migration_irreversible() {
    for (dialect, down, reason) in [
        ("postgres", "DO $$ BEGIN RAISE EXCEPTION 'rows were deleted'; END $$;", "rows were deleted"),
        ("sqlite", "SELECT RAISE(ABORT, 'rows were deleted');", "rows were deleted"),
        ("postgres", "DO $$ BEGIN RAISE division_by_zero; END $$;", "its down script only raises an error"),
    ] {
        let policy = format!("dialects = [\"{dialect}\"]\ndown = \"required\"\n");
        let up = "CREATE TABLE a (b INT);";
        let project = Project::new(&[("migrations.toml", &policy), ("1_a.up.sql", up), ("1_a.down.sql", down)]);
        let loaded = project.load();
        assert_eq!(loaded.diagnostics, [], "{down}");
        let migration = &loaded.folder.migrations[0];
        assert_eq!((migration.reason(), migration.down_script().is_none()), (Some(reason), true), "{down}");
        // The script is there all the same, and its checksum is frozen.
        assert!(migration.down.is_some());
        assert_eq!(loaded.folder.encode().texts.len(), 1, "{down}");
        // What its directive says goes first.
        let up = format!("-- lockgate: irreversible \"too late\"\n{up}");
        let project = Project::new(&[("migrations.toml", &policy), ("1_a.up.sql", &up), ("1_a.down.sql", down)]);
        let loaded = project.load();
        assert_eq!(loaded.diagnostics, [], "{down}");
        assert_eq!(loaded.folder.migrations[0].reason(), Some("too late"));
    }
}
