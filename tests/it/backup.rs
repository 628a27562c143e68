//! The commands that make, keep and restore backups, as an operator types them.

use lockgate::shell_word;
use serde_json::Value;

use crate::support::app::Place;
use crate::support::tree::root;

/// Every command of the chapter, in its order.
#[test]
fn the_chapter_on_backups_can_be_typed() {
    let page = std::fs::read_to_string(root().join("guide/backups.md")).unwrap();
    let commands: Vec<&str> = page.split("```sh\n").skip(1).filter_map(|block| block.split("\n```").next()).collect();
    for place in [Some(Place::sqlite()), Place::postgres()].into_iter().flatten() {
        let (mut typed, mut notes) = (Vec::new(), Vec::new());
        for line in commands.iter().flat_map(|block| block.lines()) {
            let words: Vec<&str> = line.split(' ').collect();
            if words[0] == "mkdir" {
                std::fs::create_dir(place.folder().join(words[1])).unwrap();
                continue;
            }
            assert_eq!(words[0], "app", "{line}");
            let answer = place.app(&words[1..]);
            assert!(answer.code == Some(0) && !answer.out.is_empty(), "{line}: {answer:#?}");
            notes.push(answer.err);
            typed.push((line, answer.out));
        }
        let output =
            |line: &str| &typed.iter().find(|(typed, _)| *typed == line).unwrap_or_else(|| panic!("`{line}`")).1;
        assert!(output("app backup create --store backups").starts_with("backed up `"));
        assert!(output("app backup verify --store backups").contains("the rows and the schema match"));
        let drops = "`restore --drop-old --store backups --stage development` drops it";
        assert!(notes.iter().any(|note| note.contains(drops)), "{notes:?}");
        let restored = output("app restore --store backups --stage development");
        assert!(restored.starts_with("restored `"), "{restored}");
        let dropped = output("app restore --store backups --stage development --drop-old");
        assert!(dropped.starts_with("dropped `"), "{dropped}");
        assert!(place.folder().join("newest.dump").exists());
        assert!(place.ok(&["status"]).starts_with("up to date"));
    }
}

#[test]
fn the_wrong_place_is_refused_with_what_to_type_and_nothing_changes() {
    for place in [Some(Place::sqlite()), Place::postgres()].into_iter().flatten() {
        std::fs::create_dir(place.folder().join("backups")).unwrap();
        place.ok(&["up"]);
        place.ok(&["backup", "create", "--store", "backups"]);
        let before = place.schema();
        let refused = |words: &[&str], code: i32, said: &[&str]| {
            let answer = place.app(words);
            assert_eq!(answer.code, Some(code), "{words:?}: {answer:#?}");
            for said in said {
                assert!(answer.err.contains(said), "{said}: {answer:#?}");
            }
            let json = place.app(&[words, &["--format", "json"]].concat());
            let line: Value = serde_json::from_str(json.out.lines().last().unwrap()).unwrap();
            assert_eq!((&line["type"], &line["exit_code"]), (&"error".into(), &code.into()), "{line}");
            assert!(
                line["help"].as_array().is_some_and(|help| !help.is_empty()) || line["reasons"][0]["help"].is_string()
            );
            assert_eq!(place.schema(), before);
        };
        refused(&["restore", "--store", "backups"], 3, &["is not marked with a stage", "`mark-stage development`"]);
        place.ok(&["mark-stage", "production"]);
        refused(&["restore", "--store", "backups", "--stage", "development"], 3, &["is marked as production"]);
        refused(&["restore", "--store", "backups", "--stage", "production"], 3, &["--override-stage"]);
        let other = if place.is_sqlite() { "postgres://localhost:1/x" } else { "sqlite://other.db" };
        let words = ["restore", "--store", "backups", "--stage", "production", "--dry-run", "--override-stage", "why"];
        let administrator =
            place.command(&words).env("DATABASE_ADMIN_URL", "mysql://root@localhost/x").output().unwrap();
        let said = String::from_utf8_lossy(&administrator.stderr).into_owned();
        let is_read = said.contains("`DATABASE_ADMIN_URL` is not a URL of PostgreSQL");
        assert!(is_read != place.is_sqlite() && administrator.status.success() == place.is_sqlite(), "{said}");
        let wrong = place.app(&["restore", "--store", "backups", "--database-url", other, "--database", "library"]);
        assert!(matches!(wrong.code, Some(3 | 4)), "{wrong:#?}");
        assert_eq!(place.schema(), before);
        refused(&["backup", "list", "--store", "nowhere"], 4, &["`nowhere`, does not exist", "`mkdir -p nowhere`"]);
        refused(&["backup", "list", "--store", "gs://bucket"], 2, &["with the feature `gcs`"]);
        refused(&["backup", "fetch", "x", "--store", "backups"], 3, &["has no backup `x`", "`backup list`"]);
        refused(
            &["backup", "prune", "--store", "backups", "--of", "production", "--keep-last", "1"],
            3,
            &["backups of production", "--override-stage"],
        );
        refused(&["deploy", "--resume", "--store", "backups"], 3, &["no deploy to resume", "`deploy` starts one"]);
        // The same history as the command that failed.
        let set = ["--set", "other"];
        refused(
            &[&["backup", "fetch", "x", "--store", "backups"], &set[..]].concat(),
            3,
            &["`backup list --set other`"],
        );
        refused(
            &[&["deploy", "--resume", "--store", "backups"], &set[..]].concat(),
            3,
            &["`deploy --set other` starts one"],
        );
    }
}

#[test]
fn a_schedule_has_no_secret_and_is_shown_before_it_is_installed() {
    let place = Place::sqlite();
    let units = place.folder().join("units");
    let install = |more: &[&str]| {
        let mut words =
            vec!["schedule", "install", "--at", "03:15", "--store", "backups", "--systemd", "--unit-folder"];
        words.push(units.to_str().unwrap());
        words.extend(more);
        place.app(&words)
    };
    // What each backup would fail at, when nobody sees it.
    let library = ["--database-url", "postgres://ada@localhost/library"];
    let missing = install(&library);
    assert!(missing.code == Some(4) && missing.err.contains("`backups`, does not exist"), "{missing:#?}");
    assert!(missing.err.contains("`mkdir -p backups`"), "{missing:#?}");
    std::fs::create_dir(place.folder().join("backups")).unwrap();
    let bucket = install(&[&library[..], &["--store", "gs://bucket"]].concat());
    assert!(bucket.code == Some(2), "{bucket:#?}");
    let missing = install(&[&library[..], &["--environment-file", "database.env"]].concat());
    let path = place.folder().join("database.env");
    let said = format!("the environment file `{}` cannot be read", path.display());
    assert!(missing.code == Some(2) && missing.err.contains(&said), "{missing:#?}");
    std::fs::write(path, "DATABASE_URL=postgres://ada@localhost/library\n").unwrap();
    assert_eq!(install(&["--environment-file", "database.env"]).code, Some(0));
    let secret = install(&["--database-url", "postgres://ada:s3cret@localhost/library"]);
    assert_eq!(secret.code, Some(2), "{secret:#?}");
    assert!(!secret.err.contains("s3cret") && secret.err.contains("--environment-file"), "{secret:#?}");
    let without = install(&[]);
    assert!(without.err.contains("`--database-url URL`"), "{without:#?}");
    let shown = install(&["--database-url", "postgres://ada@localhost/library", "--name", "library"]);
    assert_eq!(shown.code, Some(0), "{shown:#?}");
    assert!(shown.out.contains("OnCalendar=*-*-* 03:15:00"), "{shown:#?}");
    assert!(shown.out.contains("backup create --store /"), "{shown:#?}");
    assert!(shown.err.contains("nothing was changed: add `--write` to do this"), "{shown:#?}");
    for url in ["sqlite://library.db?mode=rw", "sqlite:./library.db"] {
        let shown = install(&["--database-url", url]);
        assert!(shown.out.contains(&format!("sqlite://{}/library.db", place.folder().display())), "{shown:#?}");
        let said = format!("/library.db` does not exist yet: until `up --database-url {}` makes it", shell_word(url));
        assert!(shown.err.contains(&said), "{shown:#?}");
    }
    assert!(!units.exists());
    // Reloading alone would not enable the timer.
    let words = ["schedule", "install", "--at", "hourly", "--store", "backups", "--systemd", "--unit-folder"];
    let more = [units.to_str().unwrap(), "--database-url", "sqlite://library.db", "--write"];
    let failed = place.command(&[&words[..], &more].concat()).env("PATH", "/nowhere").output().unwrap();
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    let advised = "then run `systemctl daemon-reload && systemctl enable --now lockgate-backup-app.timer`";
    assert!(said.contains(advised) && !said.contains("run it"), "{said}");
    // Without cron there is another way.
    let no_cron = place.command(&["schedule", "show"]).env("PATH", "/nowhere").output().unwrap();
    let said = String::from_utf8_lossy(&no_cron.stderr).into_owned();
    assert!(said.contains("`crontab` does not start") && said.contains("`--systemd`"), "{said}");
}
