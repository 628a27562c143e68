//! `cargo xtask deploy`: the files are shown first, overwrite nothing, and are valid by published schemas.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::app::{Place, answer};
use crate::support::scratch::Scratch;
use crate::support::tree::root;

const EVERYTHING: [&str; 5] = ["deploy", "--kubernetes", "--compose", "--systemd", "--github-actions"];
const FILES: [&str; 7] = [
    "Containerfile",
    ".dockerignore",
    "deploy/kubernetes/migrate-job.yaml",
    "deploy/kubernetes/service.yaml",
    "compose.yaml",
    "deploy/systemd/our-shop-migrate.service",
    ".github/workflows/migrations.yaml",
];

fn scratch(feature: &str) -> Scratch {
    let scratch = Scratch::new();
    let dependency = format!(
        "[dependencies]\nlockgate = {{ version = \"0.1\", features = [\"{feature}\"] }}\n[[bin]]\nname = \"Our_Shop\"\npath = \"src/main.rs\"\n"
    );
    scratch.package("app", &dependency);
    scratch.write("app/src/main.rs", "fn main() {}\n");
    scratch.write("app/migrations/0001_a.sql", "CREATE TABLE a (id INTEGER);\n");
    scratch
}

#[test]
fn files_are_shown_first_and_overwrite_nothing() {
    let scratch = scratch("postgres");
    let before = scratch.everything();
    let shown = scratch.run(&EVERYTHING).succeeds();
    assert_eq!(scratch.everything(), before);
    scratch.write("compose.yaml", "# mine\n");
    let written = scratch.run(&[&EVERYTHING[..], &["--write"]].concat()).succeeds();
    for file in FILES {
        assert!(shown.contains(&format!("# {file}\n")), "{file}: {shown}");
        let kept = file == "compose.yaml";
        let line = format!("{} {file}\n", if kept { "kept   " } else { "written" });
        assert!(written.contains(&line), "{line}: {written}");
        let text = scratch.read(file);
        assert_eq!(text == "# mine\n", kept);
        assert!(kept || shown.contains(&text), "{file}");
        // `${{ … }}` is the workflow's own.
        assert!(!text.replace("${{", "").contains("{{"), "{file} has a gap: {text}");
    }
    let again = scratch.run(&[&EVERYTHING[..], &["--write"]].concat()).succeeds();
    assert!(!again.contains("written "), "{again}");
}

#[test]
fn a_package_that_cannot_be_deployed_is_reported() {
    let sqlite = scratch("sqlite");
    let refused = sqlite.run(&["deploy", "--kubernetes"]).fails(1);
    assert!(refused.contains("its file belongs to one machine: `--systemd`"), "{refused}");
    let unit = sqlite.run(&["deploy", "--systemd"]).succeeds();
    assert!(unit.contains("Environment=DATABASE_URL=sqlite:///var/lib/our-shop/our-shop.db?mode=rwc"), "{unit}");
    let none = sqlite.run(&["deploy", "--systemd", "--binary", "other"]).fails(2);
    assert!(none.contains("has no program `other`: it has Our_Shop"), "{none}");
    let library = Scratch::with_migrations();
    assert!(library.run(&["deploy", "--systemd"]).fails(2).contains("has no program"));
}

/// Says that a part of a test cannot run on this machine.
fn skipped(why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// The programs that hold the published schemas, from PyPI, in a folder of their own. `None` where that cannot be.
fn validators() -> Option<PathBuf> {
    let place = root().join("target/deploy-validators");
    let programs = place.join("bin");
    if programs.join("kubernetes-validate").exists() && programs.join("check-jsonschema").exists() {
        return Some(programs);
    }
    let run = |program: &Path, words: &[&str]| {
        Command::new(program).args(words).output().is_ok_and(|output| output.status.success())
    };
    let made = run(Path::new("python3"), &["-m", "venv", &place.display().to_string()])
        && run(
            &programs.join("pip"),
            &["install", "--quiet", "check-jsonschema==0.39.0", "kubernetes-validate==1.37.0"],
        );
    if !made {
        skipped("the schemas of Kubernetes, compose and GitHub cannot be installed (`python3 -m venv`, `pip`)");
    }
    made.then_some(programs)
}

#[test]
fn each_file_is_valid_by_a_published_schema() {
    let scratch = scratch("postgres");
    scratch.run(&[&EVERYTHING[..], &["--write"]].concat()).succeeds();
    let passes = |program: &Path, words: &[&str]| {
        let output = Command::new(program).args(words).current_dir(scratch.path(".")).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), said)
    };
    if let Some(programs) = validators() {
        let kubernetes = programs.join("kubernetes-validate");
        for file in ["deploy/kubernetes/migrate-job.yaml", "deploy/kubernetes/service.yaml"] {
            let (valid, said) = passes(&kubernetes, &["--strict", file]);
            assert!(valid, "{file}: {said}");
        }
        // The schema would see a mistake.
        let job = scratch.read("deploy/kubernetes/migrate-job.yaml");
        scratch.write("wrong.yaml", &job.replace("backoffLimit", "backofLimit"));
        assert!(!passes(&kubernetes, &["--strict", "wrong.yaml"]).0);
        let schemas = programs.join("check-jsonschema");
        for (schema, file) in
            [("vendor.compose-spec", "compose.yaml"), ("vendor.github-workflows", ".github/workflows/migrations.yaml")]
        {
            let (valid, said) = passes(&schemas, &["--builtin-schema", schema, file]);
            assert!(valid, "{file}: {said}");
            scratch.write(
                "wrong.yaml",
                &scratch.read(file).replace("    steps:", "    stepps:").replace("cap_drop", "cap_dropp"),
            );
            assert!(!passes(&schemas, &["--builtin-schema", schema, "wrong.yaml"]).0, "{schema}");
        }
    }
    let unit = "deploy/systemd/our-shop-migrate.service";
    if Command::new("systemd-analyze").arg("--version").output().is_ok() {
        let text = scratch.read(unit).replace("/usr/local/bin/Our_Shop", "/bin/true");
        scratch.write(unit, &text);
        let (valid, said) = passes(Path::new("systemd-analyze"), &["verify", unit]);
        let ours = said.lines().filter(|line| line.contains("our-shop-migrate.service"));
        assert!(valid || ours.count() == 0, "{said}");
    }
}

/// What the image promises the program: another user, and nothing but a read-only file system.
#[test]
fn up_runs_as_another_user_on_a_read_only_root() {
    let Some(place) = Place::postgres() else { return };
    const AS_NOBODY: &str = "mount -o remount,bind,ro / && mount -o remount,bind,ro /tmp 2>/dev/null; \
                             exec setpriv --reuid=65532 --regid=65532 --clear-groups \"$@\"";
    let confined = |words: &[&str]| {
        let program = place.command(&[]);
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", AS_NOBODY, "sh"]).args(words).env("DATABASE_URL", place.url());
        (command.output(), program.get_program().to_owned())
    };
    let (tried, program) = confined(&["sh", "-c", "test \"$(id -u)\" = 65532 && ! touch /var/tmp/lockgate-test"]);
    if !tried.is_ok_and(|tried| tried.status.success()) {
        skipped("a test cannot make its root read-only here (`unshare`, `mount`, `setpriv`)");
        return;
    }
    let program = program.to_str().unwrap();
    for (verb, code, words) in
        [("up", 0, "applied 12 migrations"), ("up", 0, "nothing to do"), ("wait", 0, "every migration")]
    {
        let answer = answer(confined(&[program, verb]).0.unwrap());
        assert_eq!(answer.code, Some(code), "{answer:#?}");
        assert!(answer.out.contains(words), "{answer:#?}");
    }
}

/// Every command of the chapter, word by word.
#[test]
fn what_the_guide_says_of_deploying_is_typed() {
    let guide = std::fs::read_to_string(root().join("guide/deploying.md")).unwrap();
    let blocks = guide.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    let commands: Vec<&str> = blocks.flat_map(str::lines).collect();
    let (place, scratch) = (Place::sqlite(), scratch("postgres"));
    let (mut ours, mut developers) = (0, 0);
    for command in commands {
        let words: Vec<&str> = command.split(' ').collect();
        match words.as_slice() {
            ["app", words @ ..] => {
                place.ok(words);
                ours += 1;
            }
            ["cargo", "xtask", words @ ..] => {
                scratch.run(words).succeeds();
                developers += 1;
            }
            _ => panic!("what is to be done with `{command}`?"),
        }
    }
    assert!(ours > 0 && developers > 0, "the chapter has lost its commands");
    // The query that it shows, and the marker that it names.
    place.ok(&["up", "--to", "3"]);
    place.ok(&["down", "1", "--override-stage", "why"]);
    let query = guide.split('`').find(|part| part.starts_with("SELECT logged_at")).expect("the query for the log");
    assert_eq!(place.rows(&query.replace("logged_at, logged_by, name, detail", "detail")), ["production: why"]);
    assert!(guide.contains(&format!("`{}`", lockgate::Stage::Production.comment())));
}
