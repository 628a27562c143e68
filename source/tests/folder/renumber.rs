//! New numbers for drafts in the wrong place: after them the folder is right.

use lockgate_source::{lockfile, renumber};

use crate::support::Project;

const A: &str = "SELECT 1;\n";

/// Does what the plan says.
#[track_caller]
fn renumber(project: &Project, id: Option<&str>) -> Vec<String> {
    let folder = project.load().folder;
    let plan = renumber::plan(&folder, id, None).unwrap();
    for rename in &plan.renames {
        assert!(!rename.to.exists(), "{} is in the way", rename.shown_to);
        std::fs::rename(&rename.from, &rename.to).unwrap();
    }
    if let Some(lock) = &plan.lockfile {
        project.write(lockfile::FILE, lock.render());
    }
    plan.renames.into_iter().map(|rename| format!("{} -> {}", rename.shown_from, rename.shown_to)).collect()
}

#[test]
fn a_misordered_draft_moves_to_the_end_with_its_test() {
    let project = Project::new(&[("0001_a.sql", A), ("0004_d.sql", A)]);
    project.freeze();
    project.write("sub/0002_b.up.sql", "SELECT 2;");
    project.write("sub/0002_b.down.sql", A);
    project.write("../tests/migrations/0002_b.rs", "");
    assert_eq!(project.load().diagnostics[0].code, "misordered");
    assert_eq!(
        renumber(&project, Some("0002_b")),
        [
            "migrations/sub/0002_b.up.sql -> migrations/sub/0005_b.up.sql",
            "migrations/sub/0002_b.down.sql -> migrations/sub/0005_b.down.sql",
            "tests/migrations/0002_b.rs -> tests/migrations/0005_b.rs"
        ]
    );
    project.check("");
}

#[test]
fn two_branches_with_one_number_are_put_in_order() {
    let project = Project::new(&[("migrations.toml", "numbering = \"sequence\"\n"), ("30_a.sql", A)]);
    project.write("migrations.toml", "");
    project.freeze();
    project.write("31_ours.sql", A);
    project.write("32_ours_too.sql", A);
    project.lock();
    project.write("31_theirs.sql", A);
    assert_eq!(project.load().diagnostics[0].code, "duplicate");
    assert_eq!(renumber(&project, None), ["migrations/31_theirs.sql -> migrations/33_theirs.sql"]);
    project.check("");
}

#[test]
fn a_sequence_closes_its_gaps_and_files_do_not_stand_in_each_others_way() {
    let files = [("1_a.sql", A), ("1_b.sql", A), ("2_b.sql", A), ("5_c.sql", A)];
    let project = Project::new(&files);
    project.write("migrations.toml", "numbering = \"sequence\"\n");
    assert_eq!(
        renumber(&project, None),
        [
            "migrations/2_b.sql -> migrations/3_b.sql",
            "migrations/1_b.sql -> migrations/2_b.sql",
            "migrations/5_c.sql -> migrations/4_c.sql"
        ]
    );
    project.check("");
}

#[test]
fn released_and_unknown_ones_are_refused() {
    let project = Project::new(&[("0001_create.sql", A)]);
    project.freeze();
    let folder = project.load().folder;
    let error = |id| renumber::plan(&folder, Some(id), None).unwrap_err();
    assert_eq!(error("0001_create"), "`0001_create` is released and keeps its number, by which databases know it");
    assert_eq!(error("0001_crate"), "there is no migration `0001_crate` in `migrations`: did you mean `0001_create`?");
    assert_eq!(renumber::plan(&folder, None, None).unwrap().ids, []);
}
