//! Folder and lockfile: everything that may differ.

use lockgate_source::{folder, lockfile};

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
  undo the edit (`git checkout HEAD -- migrations/0001_a.down.sql` does, unless it is committed), and write a new migration: `cargo xtask new-migration \"what it changes\"`
  or, if no database has applied `0001_a` yet, type `cargo xtask amend 0001 --reason \"why\"`
migrations/0001_a.up.sql:1:1 edited: `0001_a` was edited after its release: `migrations/migrations.lock` records another checksum
  undo the edit (`git checkout HEAD -- migrations/0001_a.up.sql` does, unless it is committed), and write a new migration: `cargo xtask new-migration \"what it changes\"`
  or, if no database has applied `0001_a` yet, type `cargo xtask amend 0001 --reason \"why\"`
migrations/0003_c.rs:1:1 edited: `0003_c` was edited after its release: `migrations/migrations.lock` records another checksum
  undo the edit (`git checkout HEAD -- migrations/0003_c.rs` does, unless it is committed), and write a new migration: `cargo xtask new-migration \"what it changes\"`
  or, if no database has applied `0003_c` yet, type `cargo xtask amend 0003 --reason \"why\"`
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
migrations/migrations.lock:3:8 deleted: `0001_a` was released with a down script, which is gone
  bring `0001_a.down.sql` back from version control
migrations/migrations.lock:4:8 deleted: `0002_b` was deleted after its release
  restore it from version control: existing databases have it, and new ones need it
migrations/migrations.lock:6:7 vanished-draft: the lockfile has a draft `0004_d`, but the folder has no such file
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
migrations/0001_aa.up.sql:1:1 renamed: `0001_aa` was renamed after its release: the lockfile records it as `0001_a`
  give it its name back: `0001_a.up.sql`
migrations/0005_b.sql:1:1 renamed: `0005_b` was renamed after its release: the lockfile records it as `0002_b`
  give it its name back: `0002_b.sql`
migrations/migrations.lock:6:7 unlocked: the lockfile has a draft `0004_d`, which the folder calls `0004_dd`
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
fn drafts_before_released_ones_are_misordered() {
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
fn two_branches_that_add_a_migration_conflict() {
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
    let restore = "or, if nobody has it any more: delete it, run `cargo xtask check --write`, and then `cargo xtask freeze` \
                   if these migrations are released, because without the file every one is a draft";
    check(
        "",
        &format!(
            "
migrations/migrations.lock bad-lockfile: the lockfile is empty
  restore `migrations/migrations.lock` from version control
  {restore}
"
        ),
    );
    check(
        "hello\n",
        &format!(
            "
migrations/migrations.lock:1:1 bad-lockfile: a lockfile begins with `lockgate-lock v1 chain=…`
  restore `migrations/migrations.lock` from version control
  {restore}
"
        ),
    );
    check(
        &good.replace("lock v1", "lock v3"),
        "
migrations/migrations.lock:1:1 bad-lockfile: the lockfile has the format `v3`; this release of Lockgate reads `v1` and `v2`
  build with a newer release of lockgate
",
    );
    check(
        &good.replace("draft 0004_d", "draft d\nthawed 0005_e\nfrozen 0006_f\nfrozen 0007_g up=v9:00"),
        "
migrations/migrations.lock:6:1 bad-lockfile: this line cannot be read: a version has only the digits 0 to 9
  restore `migrations/migrations.lock` from version control
migrations/migrations.lock:7:1 bad-lockfile: this line cannot be read: a line begins with `frozen`, `draft` or `amended`
  restore `migrations/migrations.lock` from version control
migrations/migrations.lock:8:1 bad-lockfile: this line cannot be read: a frozen line has a checksum `up=v1:…`
  restore `migrations/migrations.lock` from version control
migrations/migrations.lock:9:1 bad-lockfile: this line cannot be read: this release does not know the checksum version `v9`
  restore `migrations/migrations.lock` from version control
",
    );
    check(&good.replace("draft 0004_d\n", ""), "
migrations/0004_d.sql:1:1 unlocked: `0004_d` is not in the lockfile `migrations/migrations.lock`
  run `cargo xtask check --write` to add it as a draft
migrations/migrations.lock:1:1 broken-chain: the lines of the lockfile do not give the chain of its head line: it was edited by hand, or a merge was resolved by hand
  look at what changed (`git diff`), then run `cargo xtask check --write` to write the head line again
");
    let conflict = format!("<<<<<<< HEAD\n{good}=======\n{good}>>>>>>> other\n");
    check(
        &conflict,
        "
migrations/migrations.lock:1:1 merge-conflict: two branches changed the lockfile, and the merge was not finished
  run `cargo xtask check --write`: it keeps what both branches have, and then says which draft needs another number
",
    );
    // What the help of a broken chain says is what works.
    project.write(lockfile::FILE, good.replace("draft 0004_d\n", ""));
    project.lock();
    project.check("");
    assert_eq!(std::fs::read_to_string(project.path(lockfile::FILE)).unwrap(), good);
}

/// The lockfile that is on the disk.
fn text_of(project: &Project) -> String {
    std::fs::read_to_string(project.path(lockfile::FILE)).unwrap()
}

/// What two branches have made of [`released`]: one froze the draft and began another, the other began two.
fn branches() -> (Project, [String; 3]) {
    let project = released();
    let base = text_of(&project);
    project.freeze();
    project.write("0005_e.sql", B);
    project.lock();
    let ours = text_of(&project);
    project.delete("0005_e.sql");
    project.write(lockfile::FILE, &base);
    project.write("0005_f.sql", A);
    project.write("0006_g.sql", A);
    project.lock();
    let theirs = text_of(&project);
    project.write("0005_e.sql", B);
    (project, [base, ours, theirs])
}

#[test]
fn a_conflict_is_read_as_what_both_branches_have() {
    let (project, [base, ours, theirs]) = branches();
    let whole = |marks: [&str; 3]| format!("{}\n{ours}{}{}\n{theirs}{}\n", marks[0], marks[1], "=======", marks[2]);
    let two = whole(["<<<<<<< HEAD", "", ">>>>>>> other"]);
    let three = whole(["<<<<<<< HEAD", &format!("||||||| 5d1f\n{base}"), ">>>>>>> other"]);
    // In a merge of several bases, theirs conflict too, with longer markers.
    let nested =
        format!("||||||| merged\n<<<<<<<<< a\n{base}||||||||| b\n=========\nnothing that could be read\n>>>>>>>>> c\n");
    let of_several = whole(["<<<<<<< HEAD", &nested, ">>>>>>> other"]);
    let left = two.replace("<<<<<<< HEAD\n", "");
    let no_marks = format!("{ours}{theirs}");
    let one_head = format!("{ours}{}", theirs.split_once('\n').unwrap().1);
    let swapped = format!("{theirs}{ours}");
    let as_git_cuts = |base: &str| {
        // Only the lines that differ are between markers, in as many places.
        let rest =
            |text: &str| text.split_once("frozen 0001").unwrap().1.split_once("draft").map(|(same, _)| same.to_owned());
        let head = |text: &str| text.split_once('\n').unwrap().0.to_owned();
        let tail = |text: &str| {
            text[text.rfind("0003_c").map(|at| at + text[at..].find('\n').unwrap() + 1).unwrap()..].to_owned()
        };
        let note = ours.lines().nth(1).unwrap();
        format!(
            "<<<<<<< HEAD\n{}\n{}=======\n{}\n>>>>>>> other\n{note}\nfrozen 0001{}<<<<<<< HEAD\n{}{}=======\n{}>>>>>>> other\n",
            head(&ours),
            if base.is_empty() { String::new() } else { format!("||||||| x\n{}\n", head(base)) },
            head(&theirs),
            rest(&theirs).unwrap(),
            tail(&ours),
            if base.is_empty() { String::new() } else { format!("||||||| x\n{}", tail(base)) },
            tail(&theirs),
        )
    };
    let texts = [two, three, of_several, left, no_marks, one_head, swapped, as_git_cuts(""), as_git_cuts(&base)];
    for text in texts.iter().flat_map(|text| [text.clone(), text.replace('\n', "\r\n")]) {
        project.write(lockfile::FILE, &text);
        let loaded = project.load();
        let codes: Vec<&str> = loaded.diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect();
        assert!(
            codes == ["duplicate", "merge-conflict"] || codes == ["duplicate", "broken-chain"],
            "{codes:?}: {text}"
        );
        project.lock();
        let lines: Vec<String> =
            text_of(&project).lines().skip(2).map(|line| line.chars().take(13).collect()).collect();
        let wanted = [
            "frozen 0001_a",
            "frozen 0002_b",
            "frozen 0003_c",
            "frozen 0004_d",
            "draft 0005_e",
            "draft 0005_f",
            "draft 0006_g",
        ];
        assert_eq!(lines, wanted, "{text}");
        assert_eq!(
            project.load().diagnostics.iter().map(|diagnostic| diagnostic.code).collect::<Vec<_>>(),
            ["duplicate"]
        );
    }
}

#[test]
fn migrations_frozen_differently_by_two_branches_are_named() {
    let project = Project::new(&[("0001_a.sql", A)]);
    project.freeze();
    let ours = text_of(&project);
    project.write("0001_a.sql", B);
    project.delete(lockfile::FILE);
    project.freeze();
    let theirs = text_of(&project);
    let sum =
        |text: &str| text.lines().last().unwrap().split_once(' ').unwrap().1.split_once(' ').unwrap().1.to_owned();
    for text in [format!("<<<<<<< a\n{ours}=======\n{theirs}>>>>>>> b\n"), format!("{ours}{theirs}")] {
        project.write(lockfile::FILE, &text);
        let loaded = project.load();
        assert!(loaded.folder.lockfile.is_none(), "{text}");
        let [problem] = &loaded.diagnostics[..] else { panic!("{:?}", loaded.diagnostics) };
        let message = format!("`0001_a` is frozen with two texts: `{}` and `{}`", sum(&ours), sum(&theirs));
        assert_eq!((problem.code.as_str(), &problem.message), ("merge-conflict", &message));
        let help = "keep the line `frozen 0001_a` of the text that databases have, delete the other one, and run `cargo xtask check --write`";
        assert_eq!(problem.help, [help]);
        // Just that: one of the two lines goes.
        let one = text.replace(&format!("{}\n", ours.lines().last().unwrap()), "");
        project.write(lockfile::FILE, one);
        project.lock();
        project.check("");
    }
    let problems = lockfile::merge("", &ours, &theirs, "m.lock").unwrap_err();
    let message =
        format!("both branches froze `0001_a`, with different texts: `{}` and `{}`", sum(&ours), sum(&theirs));
    assert_eq!(problems[0].message, message);
}

#[test]
fn a_merge_keeps_what_both_have_and_not_what_one_deleted() {
    let (project, [base, ours, theirs]) = branches();
    let merged = lockfile::merge(&base, &ours, &theirs, "m.lock").unwrap();
    project.write(lockfile::FILE, merged.render());
    let ids: Vec<&str> = merged.lines().iter().map(|line| line.id.as_str()).collect();
    assert_eq!(ids, ["0001_a", "0002_b", "0003_c", "0004_d", "0005_e", "0005_f", "0006_g"]);
    assert_eq!(lockfile::merge(&base, &theirs, &ours, "m.lock").unwrap(), merged);
    assert_eq!(lockfile::merge(&base, &base, &ours, "m.lock").unwrap().render(), ours);
    assert_eq!(lockfile::merge("", &ours, &ours, "m.lock").unwrap().render(), ours);
    // One branch renumbered the draft: its old line is gone, though the other still has it.
    let line = |id: &str| lockfile::parse(&format!("draft {id}\n"), "m.lock").0.unwrap().lines()[0].clone();
    let text = |ids: &[&str]| ids.iter().map(|id| format!("draft {id}\n")).collect::<String>();
    let merged =
        lockfile::merge(&text(&["1_a", "2_b"]), &text(&["1_a", "3_b"]), &text(&["1_a", "2_b", "4_c"]), "m.lock");
    assert_eq!(merged.unwrap().lines(), [line("1_a"), line("3_b"), line("4_c")]);
    let bad = lockfile::merge(&base, "nonsense", &theirs, "m.lock").unwrap_err();
    assert_eq!(bad[0].code, "bad-lockfile");
}

/// What [`folder::amend`] makes is written.
fn amend(project: &Project, id: &str, reason: &str) {
    let folder = project.load().folder;
    let amended = folder::amend(&folder, folder.find(id).unwrap(), reason).unwrap();
    project.write(lockfile::FILE, amended.lockfile.render());
}

#[test]
fn an_amendment_is_recorded_with_both_checksums_and_the_reason() {
    let project = released();
    let before = text_of(&project);
    let sums = |text: &str, id: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("frozen {id} "))).unwrap().to_owned();
        line.split_once("up=").unwrap().1.to_owned()
    };
    project.write("0001_a.up.sql", "SELECT 3;\n");
    amend(&project, "0001_a", "  two users\n have one email ");
    project.check("");
    let once = text_of(&project);
    assert!(once.starts_with("lockgate-lock v2 chain="), "{once}");
    let line = format!("amended 0001_a up={} reason=two users have one email\n", sums(&before, "0001_a"));
    assert!(once.contains(&line) && sums(&once, "0001_a") != sums(&before, "0001_a"), "{once}");

    // Again, with the down script this time, and then back to the first text.
    project.write("0001_a.down.sql", "SELECT 4;\n");
    amend(&project, "0001_a", "and down");
    let twice = text_of(&project);
    project.write("0001_a.up.sql", A);
    project.write("0001_a.down.sql", B);
    amend(&project, "0001_a", "as it was");
    project.check("");
    let loaded = project.load();
    let line = loaded.folder.lockfile.as_ref().unwrap().find("0001_a").unwrap();
    let reasons: Vec<&str> = line.amendments.iter().map(|amendment| amendment.reason.as_str()).collect();
    assert_eq!(reasons, ["two users have one email", "and down", "as it was"]);
    assert_eq!(loaded.folder.migrations[0].amended.len(), 3);

    // It stays, whatever is written otherwise, and a merge knows which text is the later one.
    let thrice = text_of(&project);
    project.freeze();
    assert!(text_of(&project).contains(&thrice[thrice.find("amended").unwrap()..thrice.find("frozen 0002").unwrap()]));
    for (one, other) in [(&before, &thrice), (&once, &thrice), (&thrice, &twice), (&thrice, &thrice)] {
        let merged = lockfile::merge(&before, one, other, "m.lock").unwrap();
        assert_eq!(merged.render(), thrice);
        let (read, _) = lockfile::parse(&format!("<<<<<<< a\n{one}=======\n{other}>>>>>>> b\n"), "m.lock");
        assert_eq!(read.unwrap().render(), thrice);
    }
    // Two branches may make the same change for different reasons.
    let amended = |text: &str, reason: &str| {
        project.write(lockfile::FILE, &before);
        project.write("0001_a.up.sql", text);
        amend(&project, "0001_a", reason);
        text_of(&project)
    };
    let (mine, yours) = (amended("SELECT 6;\n", "mine"), amended("SELECT 6;\n", "yours"));
    assert_ne!(mine, yours);
    assert_eq!(lockfile::merge(&before, &mine, &yours, "m.lock").unwrap().render(), mine);
    // Two branches that amended it otherwise are not for a program to decide.
    let otherwise = amended("SELECT 5;\n", "otherwise");
    lockfile::merge(&before, &mine, &otherwise, "m.lock").unwrap_err();
    let conflict = format!("<<<<<<< a\n{mine}=======\n{otherwise}>>>>>>> b\n");
    project.write(lockfile::FILE, &conflict);
    let help = "keep the line `frozen 0001_a` of the text that databases have, delete the other one with the `amended` lines \
                below it, and run `cargo xtask check --write`";
    assert_eq!(project.load().diagnostics[0].help, [help]);
    let lines =
        |text: &str| text.lines().filter(|line| line.contains(" 0001_a ")).map(|line| format!("{line}\n")).collect();
    let theirs: String = lines(&mine);
    project.write(lockfile::FILE, conflict.replacen(&theirs, "", 1));
    project.lock();
    project.check("");
}

#[test]
fn a_draft_that_one_branch_renames_and_the_other_releases_is_a_rename() {
    let project = Project::new(&[("0001_a.sql", A), ("0002_d.sql", B)]);
    project.lock();
    let base = text_of(&project);
    project.freeze();
    let theirs = text_of(&project);
    for new in ["0002_dd.sql", "0003_dd.sql"] {
        project.write(lockfile::FILE, &base);
        project.rename("0002_d.sql", new);
        project.lock();
        let merged = lockfile::merge(&base, &text_of(&project), &theirs, "m.lock").unwrap();
        project.write(lockfile::FILE, merged.render());
        let problems = project.load().diagnostics;
        let renamed =
            problems.iter().find(|problem| problem.code == "renamed").unwrap_or_else(|| panic!("{problems:?}"));
        assert_eq!(renamed.help, ["give it its name back: `0002_d.sql`"]);
        assert!(problems.iter().all(|problem| problem.code != "deleted"), "{problems:?}");
        project.rename(new, "0002_d.sql");
        project.lock();
        project.check("");
    }
}

#[test]
fn an_impossible_amendment_is_refused() {
    let project = released();
    let folder = project.load().folder;
    let refusal = |id: &str, reason: &str| folder::amend(&folder, folder.find(id).unwrap(), reason).unwrap_err();
    assert_eq!(refusal("0004_d", "why"), "`0004_d` is a draft: edit it, there is nothing to amend");
    assert_eq!(refusal("0001_a", "why"), "`0001_a` is just as it was released: edit it first, then amend it");
    assert_eq!(refusal("0001_a", " \n "), "say why `0001_a` is amended: `--reason \"…\"` stands in the lockfile");
    // A line of another migration between the two, or one without its migration, is not what is ever written.
    let good = text_of(&project);
    let sums = good.lines().find(|line| line.starts_with("frozen 0002_b")).unwrap().split_once(" up=").unwrap().1;
    let (read, problems) = lockfile::parse(&format!("{good}amended 0002_b up={sums} reason=x\n"), "m.lock");
    assert_eq!((read.is_some(), problems[0].code.as_str()), (true, "broken-chain"));
    let (read, problems) = lockfile::parse(&format!("{good}amended 0004_d up={sums} reason=x\n"), "m.lock");
    assert!(read.is_none() && problems[0].message.ends_with("there is no line `frozen 0004_d` before it"));
}
