//! `cargo xtask deploy`: the files are shown first, overwrite nothing, and are valid by published schemas.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use lockgate_testing::server::require;

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
        let message = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.success(), message)
    };
    if let Some(programs) = validators() {
        let kubernetes = programs.join("kubernetes-validate");
        for file in ["deploy/kubernetes/migrate-job.yaml", "deploy/kubernetes/service.yaml"] {
            let (valid, message) = passes(&kubernetes, &["--strict", file]);
            assert!(valid, "{file}: {message}");
        }
        // The schema would see a mistake.
        let job = scratch.read("deploy/kubernetes/migrate-job.yaml");
        scratch.write("wrong.yaml", &job.replace("backoffLimit", "backofLimit"));
        assert!(!passes(&kubernetes, &["--strict", "wrong.yaml"]).0);
        let schemas = programs.join("check-jsonschema");
        for (schema, file) in
            [("vendor.compose-spec", "compose.yaml"), ("vendor.github-workflows", ".github/workflows/migrations.yaml")]
        {
            let (valid, message) = passes(&schemas, &["--builtin-schema", schema, file]);
            assert!(valid, "{file}: {message}");
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
        let (valid, message) = passes(Path::new("systemd-analyze"), &["verify", unit]);
        let ours = message.lines().filter(|line| line.contains("our-shop-migrate.service"));
        assert!(valid || ours.count() == 0, "{message}");
    }
}

/// A statically linked program with the example's migrations, by the GNU C library: where an image is built, musl does the
/// same. Only the program itself is compiled for this, because nothing else depends on how it is linked.
fn static_program() -> PathBuf {
    const WORDS: &str = "rustc --quiet --offline --package lockgate-tests --features image --example image \
                         --message-format json-render-diagnostics -- -C target-feature=+crt-static";
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let built = command.args(WORDS.split_whitespace()).current_dir(root()).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let mut artifacts = cargo_metadata::Message::parse_stream(&built.stdout[..]).flatten();
    let program = artifacts.find_map(|message| match message {
        cargo_metadata::Message::CompilerArtifact(artifact) => artifact.executable,
        _ => None,
    });
    program.expect("cargo names what it has built").into_std_path_buf()
}

/// An image without anything but the program: a root of its own, read-only, with the folder of a database mounted.
struct Image {
    root: tempfile::TempDir,
    /// What is mounted, at the same path as outside.
    mount: PathBuf,
}

impl Image {
    const USER: u32 = 65532;
    /// The arguments are the root, what is mounted there, and the program with its arguments.
    const ENTER: &str = "set -e; root=$1 mount=$2; shift 2; mount --bind \"$root\" \"$root\"; \
                         mount -o remount,bind,ro \"$root\"; mount --bind \"$mount\" \"$root$mount\"; \
                         exec chroot --userspec=65532:65532 --groups= \"$root\" \"$@\"";

    fn new(program: &Path, mount: &Path) -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::copy(program, root.path().join("app")).unwrap();
        std::fs::create_dir_all(root.path().join(mount.strip_prefix("/").unwrap())).unwrap();
        Self { root, mount: mount.to_owned() }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", Self::ENTER, "sh"]).arg(self.root.path()).arg(&self.mount).args(words);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    /// Runs the program of the image.
    fn app(&self, url: &str, words: &[&str]) -> crate::support::app::Answer {
        answer(self.command(&[&["/app"], words].concat()).env("DATABASE_URL", url).output().unwrap())
    }
}

/// Whether this machine lets a test have a root of its own. If `LOCKGATE_REQUIRE` names `sqlite`, it must: then no
/// test of SQLite may be skipped.
fn can_enter(image: &Image) -> bool {
    let tried = image.command(&["/app", "--version"]).output();
    let text = match &tried {
        Ok(tried) if tried.status.success() => return true,
        Ok(tried) => String::from_utf8_lossy(&tried.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    let required = require::requires("sqlite").expect("the variable was read when the tests began");
    assert!(!required, "the static program cannot run in a root of its own: {text}");
    skipped(&format!("a test cannot have a root of its own here (`unshare`, `mount`, `chroot`): {text}"));
    false
}

/// What the image promises the program: another user, a file system that is read-only, and nothing in it.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn the_static_program_runs_as_another_user_on_a_read_only_root() {
    use std::os::unix::fs::PermissionsExt;

    let program = static_program();
    let sqlite = Place::sqlite();
    let owner = Command::new("chown").arg(format!("{0}:{0}", Image::USER)).arg(sqlite.folder()).status();
    let image = Image::new(&program, sqlite.folder());
    if !can_enter(&image) {
        return;
    }
    assert!(owner.is_ok_and(|owner| owner.success()), "who may mount may also give a folder to another user");
    let steps: [(&[&str], &str); 4] = [
        (&["up"], "applied 12 migrations"),
        (&["up"], "nothing to do"),
        (&["status"], "up to date: 12 migrations applied"),
        (&["wait"], "every migration"),
    ];
    let check = |image: &Image, url: &str| {
        for (words, expected) in steps {
            let answer = image.app(url, words);
            assert!(answer.code == Some(0) && answer.out.contains(expected), "{words:?}: {answer:#?}");
        }
    };
    check(&image, sqlite.url());
    let file = std::fs::metadata(sqlite.file()).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&file), Image::USER);
    // A database in the image itself cannot be written, and the program says so.
    std::fs::set_permissions(image.root.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let refused = image.app("sqlite:///inside.db?mode=rwc", &["up"]);
    assert!(refused.code != Some(0) && refused.err.contains("inside.db"), "{refused:#?}");
    assert!(!image.root.path().join("inside.db").exists());

    let Some(postgres) = Place::postgres() else { return };
    // The folder of the server's socket, or another one where the server is on a port.
    let socket = postgres.url().split("host=").nth(1).map(|rest| rest.split('&').next().unwrap().replace("%2F", "/"));
    let mount = socket.map_or_else(|| sqlite.folder().to_owned(), PathBuf::from);
    check(&Image::new(&program, &mount), postgres.url());
}

/// Every command of the chapters, word by word.
#[test]
fn what_the_guide_says_of_deploying_is_typed() {
    let pages = ["guide/bootstrapping.md", "guide/deploying.md"];
    let guide = pages.map(|page| std::fs::read_to_string(root().join(page)).unwrap()).concat();
    let blocks = guide.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    let commands: Vec<&str> = blocks.flat_map(str::lines).collect();
    let (place, scratch) = (Place::sqlite(), scratch("postgres"));
    let (mut ours, mut developers) = (0, 0);
    for command in commands {
        let words: Vec<&str> = command.split(' ').collect();
        match words.as_slice() {
            ["app", "bootstrap"] => {
                let Some(server) = Place::postgres() else { continue };
                let answer = server.command(&["bootstrap"]).env("DATABASE_ADMIN_URL", server.url()).output().unwrap();
                assert!(answer.status.success(), "{answer:?}");
                ours += 1;
            }
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
