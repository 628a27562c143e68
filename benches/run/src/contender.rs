//! The migrators that are measured. Each is a small program in `contenders/` that embeds its migrations with its own
//! macro. It is built once for each number of migrations.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;
use crate::migrations::{self, Layout, keep};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contender {
    Lockgate,
    Sqlx,
    Refinery,
    Diesel,
    /// `psql -1` and `sqlite3`, without a migrator: the minimum cost of applying.
    Shell,
    /// Plain `include_str!`, without a migrator: the minimum cost of embedding.
    IncludeStr,
    /// `#[lockgate_harness::test]`
    LockgateTest,
    /// `#[sqlx::test]`
    SqlxTest,
}

impl Contender {
    /// All contenders, Lockgate first, as the others are compared with it.
    pub(crate) const ALL: [Self; 6] =
        [Self::Lockgate, Self::Sqlx, Self::Refinery, Self::Diesel, Self::Shell, Self::IncludeStr];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Lockgate => "lockgate",
            Self::Sqlx => "sqlx",
            Self::Refinery => "refinery",
            Self::Diesel => "diesel",
            Self::Shell => "shell",
            Self::IncludeStr => "include_str",
            Self::LockgateTest => "lockgate_test",
            Self::SqlxTest => "sqlx_test",
        }
    }

    /// Whether it is a program that applies migrations.
    pub(crate) const fn applies(self) -> bool {
        match self {
            Self::Lockgate | Self::Sqlx | Self::Refinery | Self::Diesel | Self::Shell => true,
            Self::IncludeStr | Self::LockgateTest | Self::SqlxTest => false,
        }
    }

    /// Whether it embeds migrations in a Rust program.
    pub(crate) const fn embeds(self) -> bool {
        match self {
            Self::Lockgate | Self::Sqlx | Self::Refinery | Self::Diesel | Self::IncludeStr => true,
            Self::Shell | Self::LockgateTest | Self::SqlxTest => false,
        }
    }

    pub(crate) const fn layout(self) -> Layout {
        match self {
            Self::Lockgate | Self::LockgateTest => Layout::Locked,
            Self::Sqlx | Self::SqlxTest | Self::Shell => Layout::Plain,
            Self::Refinery => Layout::Refinery,
            Self::Diesel => Layout::Diesel,
            Self::IncludeStr => Layout::List,
        }
    }

    /// The Cargo package with this many migrations.
    pub(crate) fn package(self, count: usize) -> String {
        format!("bench-{}-{count}", self.name())
    }

    /// The folder of that package, after it was [laid out](Self::lay_out).
    pub(crate) fn folder(self, count: usize) -> PathBuf {
        self.workspace().join(count.to_string())
    }

    /// The Cargo workspace of all sizes, so that dependencies are resolved and built once.
    pub(crate) fn workspace(self) -> PathBuf {
        target().join("contenders").join(self.name())
    }

    /// Writes the package with this many migrations.
    pub(crate) fn lay_out(self, count: usize) -> Outcome<()> {
        let template = benches().join("contenders").join(self.name());
        let root = benches().parent().expect("benches/ is in the repository").to_owned();
        let manifest = fs::read_to_string(template.join("Cargo.toml"))?
            .replace("name = \"contender\"", &format!("name = \"{}\"", self.package(count)))
            .replace("\"../../../", &format!("\"{}/", root.display()))
            .replace("\n[workspace]\n", "");
        let folder = self.folder(count);
        fs::create_dir_all(&folder)?;
        keep(&folder.join("Cargo.toml"), &manifest)?;
        for code in ["src/main.rs", "src/lib.rs", "tests/own.rs"] {
            if let Ok(text) = fs::read_to_string(template.join(code)) {
                fs::create_dir_all(folder.join(code).parent().expect("it is in the folder"))?;
                keep(&folder.join(code), &text)?;
            }
        }
        migrations::write(&folder.join("migrations"), self.layout(), count)?;
        self.write_workspace(&template)
    }

    fn write_workspace(self, template: &Path) -> Outcome<()> {
        let workspace = self.workspace();
        let mut members = Vec::new();
        for entry in fs::read_dir(&workspace)? {
            let name = entry?.file_name();
            members.extend(name.to_str().and_then(|name| name.parse::<usize>().ok()));
        }
        members.sort_unstable();
        let mut manifest = format!("[workspace]\nresolver = \"3\"\nmembers = {:?}\n", to_strings(&members));
        for count in members {
            let package = self.package(count);
            manifest.push_str(&format!("\n[profile.release.package.{package}]\nstrip = true\n"));
            // It has one function that builds every migration, and rustc's optimiser takes the cube of N.
            if self == Self::Refinery && count > 1000 {
                manifest.push_str("opt-level = 0\n");
            }
        }
        keep(&workspace.join("Cargo.toml"), &manifest)?;
        let lock = workspace.join("Cargo.lock");
        if !lock.exists() && template.join("Cargo.lock").exists() {
            fs::copy(template.join("Cargo.lock"), lock)?;
        }
        Ok(())
    }

    /// Returns a Cargo command in its workspace, which has its own target folder.
    pub(crate) fn cargo(self, command: &str, count: usize) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(self.workspace()).args([command, "--package", &self.package(count)]);
        cargo.env("CARGO_TARGET_DIR", self.workspace().join("target"));
        // What `cargo run` told us about this workspace is not true of that one.
        cargo.env_remove("CARGO_MANIFEST_DIR").env_remove("RUSTFLAGS");
        cargo
    }

    /// Builds its tests in the dev profile, and returns the binary.
    pub(crate) fn build_tests(self, count: usize) -> Outcome<PathBuf> {
        self.lay_out(count)?;
        eprintln!("building the tests of {} with {count} migrations", self.name());
        let output = succeed(self.cargo("test", count).args(["--no-run", "--test", "own"]))?;
        let named = output.rsplit_once("(target").or_else(|| output.rsplit_once('('));
        let path = named.and_then(|(_, rest)| rest.split_once(')'));
        let (path, _) = path.ok_or_else(|| format!("cargo names no test binary:\n{output}"))?;
        Ok(self.workspace().join("target").join(path.trim_start_matches('/')))
    }

    /// Builds the release binary with this many migrations. An error contains the last lines of Cargo's output.
    pub(crate) fn build(self, count: usize) -> Outcome<PathBuf> {
        self.lay_out(count)?;
        eprintln!("building {} with {count} migrations", self.name());
        succeed(self.cargo("build", count).arg("--release"))?;
        Ok(self.workspace().join("target/release").join(self.package(count)))
    }
}

/// Runs a command to its end and returns its output. If it fails, the output is the error.
pub(crate) fn succeed(command: &mut Command) -> Outcome<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| format!("`{program}` does not start: {e}"))?;
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        let lines: Vec<&str> = printed.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(12)..].join("\n  ");
        return Err(format!("`{program}` failed:\n  {last}").into());
    }
    Ok(printed)
}

fn to_strings(numbers: &[usize]) -> Vec<String> {
    numbers.iter().map(ToString::to_string).collect()
}

pub(crate) fn benches() -> PathBuf {
    let run = Path::new(env!("CARGO_MANIFEST_DIR"));
    run.parent().expect("run/ is in benches/").to_owned()
}

/// The folder for everything that is built and written, which git ignores.
pub(crate) fn target() -> PathBuf {
    benches().join("target")
}
