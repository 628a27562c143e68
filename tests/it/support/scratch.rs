//! A scratch workspace with one package, on which the built xtask and cargo are run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use cargo_metadata::Message;

use super::nested;

/// A workspace with one package `app`, on which the built xtask is run.
pub(crate) struct Scratch {
    directory: tempfile::TempDir,
}

/// The output and exit code of a command.
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        let scratch = Self { directory: tempfile::tempdir().unwrap() };
        scratch.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"app\"]\n");
        scratch.package("app", "");
        scratch
    }

    /// Creates a workspace after `init`, with the migrations 0001_users (released) and 0002_tags (a draft).
    pub(crate) fn with_migrations() -> Self {
        let scratch = Self::new();
        scratch.run(&["init", "--dialects", "sqlite"]).succeeds();
        scratch.run(&["new-migration", "users"]).succeeds();
        scratch.run(&["freeze"]).succeeds();
        scratch.run(&["new-migration", "tags"]).succeeds();
        scratch
    }

    pub(crate) fn package(&self, name: &str, more: &str) {
        let manifest = format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{more}");
        self.write(&format!("{name}/Cargo.toml"), &manifest);
        self.write(&format!("{name}/src/lib.rs"), "");
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        std::fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        std::fs::write(self.path(path), text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.run_in(".", words)
    }

    pub(crate) fn run_in(&self, folder: &str, words: &[&str]) -> Output {
        Self::output(Command::new(xtask()).args(words).current_dir(self.path(folder)))
    }

    /// Runs the xtask with these environment variables.
    pub(crate) fn run_with(&self, variables: &[(&str, &str)], words: &[&str]) -> Output {
        let mut command = Command::new(xtask());
        Self::output(command.args(words).current_dir(self.path(".")).envs(variables.iter().copied()))
    }

    fn output(command: &mut Command) -> Output {
        let output = command.output().unwrap();
        Output {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Runs cargo on `app` with the versions of this workspace, which are already downloaded. All runs share what is
    /// built.
    pub(crate) fn cargo(&self, words: &[&str]) -> (bool, String) {
        self.cargo_with(&[], words)
    }

    /// Runs cargo on `app` with these environment variables.
    pub(crate) fn cargo_with(&self, variables: &[(&str, &str)], words: &[&str]) -> (bool, String) {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        std::fs::copy(workspace.join("Cargo.lock"), self.path("Cargo.lock")).unwrap();
        let mut command = nested::cargo();
        command.args(words).arg("--offline").current_dir(self.path("app")).envs(variables.iter().copied());
        let output = command.output().unwrap();
        std::fs::remove_file(self.path("Cargo.lock")).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout) + &text(output.stderr))
    }

    /// Runs the xtask on what it runs cargo for, as [`cargo`](Self::cargo) does.
    pub(crate) fn run_with_cargo(&self, words: &[&str]) -> Output {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        std::fs::copy(workspace.join("Cargo.lock"), self.path("Cargo.lock")).unwrap();
        let mut command = Command::new(xtask());
        nested::configure(&mut command);
        let output = Self::output(command.args(words).current_dir(self.path(".")).env("CARGO_NET_OFFLINE", "true"));
        std::fs::remove_file(self.path("Cargo.lock")).unwrap();
        output
    }

    /// Whether a program that embeds the migrations of `app` compiles, and what the compiler says.
    pub(crate) fn builds(&self) -> (bool, String) {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().display();
        let (manifest, code) = (self.read("app/Cargo.toml"), self.read("app/src/lib.rs"));
        let build = self.read("app/build.rs");
        let crates = format!(
            "[dependencies]\nlockgate = {{ path = \"{workspace}/runtime\" }}\n\
             [build-dependencies]\nlockgate-build = {{ path = \"{workspace}/build\", features = [\"check\"] }}\n"
        );
        self.package("app", &crates);
        self.write("app/src/lib.rs", "pub static M: lockgate::Migrations = lockgate::embed_migrations!();\n");
        let answer = self.cargo(&["check"]);
        [("Cargo.toml", manifest), ("src/lib.rs", code), ("build.rs", build)]
            .into_iter()
            .for_each(|(file, text)| self.write(&format!("app/{file}"), &text));
        answer
    }

    /// Returns every file with its text, to check that nothing changed.
    pub(crate) fn everything(&self) -> Vec<(PathBuf, String)> {
        fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                } else {
                    let text = std::fs::read_to_string(&path).unwrap();
                    found.push((path, text));
                }
            }
        }
        let mut found = Vec::new();
        walk(self.directory.path(), &mut found);
        found.sort();
        found
    }
}

impl Output {
    #[track_caller]
    pub(crate) fn succeeds(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        assert!(!self.stderr.contains('\u{1b}'), "colours in a pipe: {:?}", self.stderr);
        self.stderr
    }
}

/// Builds the developers' commands with all features, and returns the program.
pub(crate) fn xtask() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        // The second package makes the build share what the tests have built.
        let words = "build --package lockgate-xtask --bin cargo-lockgate --package lockgate-dependencies \
                     --features full,lockgate-dependencies/own --message-format=json";
        let output =
            Command::new(cargo).args(words.split(' ')).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let built = Message::parse_stream(&output.stdout[..]).flatten().find_map(|message| match message {
            Message::CompilerArtifact(artifact) => artifact.executable,
            _ => None,
        });
        built.expect("cargo names what it has built").into_std_path_buf()
    })
}
