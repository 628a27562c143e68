//! Compiles the sets in a scratch workspace: each set is a crate that embeds its folder with the real macro, and one
//! program runs them all.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cargo_metadata::Message;
use cargo_metadata::diagnostic::DiagnosticLevel;

use super::Set;
use crate::workspace::{directory_of, root};
use lockgate_xtask::__private::Failure;

/// What the program must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Run up and down, as often as it is called.
    Run,
    /// Walk one migration.
    Walk,
}

impl Purpose {
    fn text(self) -> &'static str {
        match self {
            Self::Run => include_str!("runner.rs.txt"),
            Self::Walk => include_str!("walker.rs.txt"),
        }
    }

    fn package(self) -> &'static str {
        match self {
            Self::Run => "runner",
            Self::Walk => "walker",
        }
    }
}

/// The program, and the compile errors of the sets that are not in it.
#[derive(Debug)]
pub(super) struct Runner {
    program: PathBuf,
    refused: Vec<Option<String>>,
}

impl Runner {
    /// Returns the compile errors of a set, if it has any.
    pub(super) fn refusal(&self, set: usize) -> Option<&str> {
        self.refused[set].as_deref()
    }

    /// The program.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.env("NO_COLOR", "1");
        command
    }

    /// Runs a set, and returns its output. An `Err` is its error report.
    pub(super) fn run(&self, set: usize, url: &str, words: &[&str]) -> Result<String, String> {
        let mut command = self.command();
        command.arg(set.to_string()).args(words).env("CORPUS_URL", url);
        let output = command.output().map_err(|e| e.to_string())?;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if output.status.success() { Ok(out.into_owned()) } else { Err(format!("{out}{err}").trim().to_owned()) }
    }
}

/// Builds the program. The sets are compiled alone first, so that one that does not compile is left out.
pub(super) fn runner(purpose: Purpose, corpus: &Path, sets: &[Set]) -> Result<Runner, Failure> {
    let write = |path: PathBuf, text: String| {
        let failed = |e| Failure::impossible(format!("{} cannot be written: {e}", path.display()));
        fs::create_dir_all(path.parent().expect("it is in the corpus")).map_err(failed)?;
        // An unchanged file keeps its time, and what was built of it.
        if fs::read_to_string(&path).is_ok_and(|before| before == text) {
            return Ok(());
        }
        fs::write(&path, text).map_err(failed)
    };
    let ours = |name: &str, features: &str| {
        let folder = root().join(directory_of(name)).display().to_string();
        format!("{name} = {{ path = {folder:?}, features = [{features}] }}\n")
    };
    // As the harness asks for it, so that it is compiled once.
    let lockgate = ours("lockgate", "\"sqlite\", \"postgres\", \"schema\"");
    for (index, set) in sets.iter().enumerate() {
        let crate_folder = set.folder.parent().expect("a set's folder is in its crate");
        write(crate_folder.join("Cargo.toml"), manifest(&format!("set-{index}"), &lockgate))?;
        let text = "//! One set.\n\n/// The set.\npub static MIGRATIONS: lockgate::Migrations = lockgate::embed_migrations!();\n";
        write(crate_folder.join("src/lib.rs"), text.to_owned())?;
    }
    // The same versions as the checkout's own: they are there already.
    let lock = root().join("Cargo.lock");
    fs::copy(&lock, corpus.join("Cargo.lock"))
        .map_err(|e| Failure::impossible(format!("{} cannot be copied: {e}", lock.display())))?;

    let members: Vec<&Path> = sets.iter().map(|set| set.folder.parent().expect("as above")).collect();
    write(corpus.join("Cargo.toml"), workspace(&members, None))?;
    let target = root().join("target").join("corpus");
    let refused = libraries(corpus, &target, sets.len())?;

    let good = || (0..sets.len()).filter(|index| refused[*index].is_none());
    let sqlx = "sqlx = { version = \"0.9\", default-features = false, features = [\"runtime-tokio\", \"sqlite\", \"postgres\"] }\n";
    let more = match purpose {
        Purpose::Run => sqlx.to_owned(),
        Purpose::Walk => ours("lockgate-harness", "\"sqlite\", \"postgres\"") + "serde_json = \"1\"\n",
    };
    let mut dependencies =
        lockgate + &more + "tokio = { version = \"1\", features = [\"rt-multi-thread\", \"macros\"] }\n";
    for index in good() {
        let path = members[index].display().to_string();
        dependencies += &format!("set-{index} = {{ path = {path:?} }}\n");
    }
    let arms: String = good().map(|index| format!("        \"{index}\" => &set_{index}::MIGRATIONS,\n")).collect();
    let name = purpose.package();
    write(corpus.join(name).join("Cargo.toml"), manifest(name, &dependencies))?;
    write(corpus.join(name).join("src/main.rs"), purpose.text().replace("        // SETS\n", &arms))?;
    write(corpus.join("Cargo.toml"), workspace(&members, Some(name)))?;
    let mut command = cargo(corpus, &target);
    let status = command.args(["build", "--quiet", "--package", name]).status();
    match status {
        Ok(status) if status.success() => {}
        Ok(_) => {
            return Err(Failure::impossible("the program of the corpus does not compile: what rustc says is above"));
        }
        Err(e) => return Err(Failure::impossible(format!("cargo build: {e}"))),
    }
    Ok(Runner { program: target.join("debug").join(format!("{name}{}", env::consts::EXE_SUFFIX)), refused })
}

/// Compiles the sets, and collects the compile errors of each.
fn libraries(corpus: &Path, target: &Path, count: usize) -> Result<Vec<Option<String>>, Failure> {
    let mut command = cargo(corpus, target);
    command.args(["build", "--workspace", "--keep-going", "--message-format=json"]);
    let output = command.stderr(Stdio::inherit()).stdin(Stdio::null()).output();
    let output = output.map_err(|e| Failure::impossible(format!("cargo build: {e}")))?;
    let mut refused: Vec<Option<String>> = vec![None; count];
    let mut built = 0;
    for message in Message::parse_stream(&output.stdout[..]).flatten() {
        match message {
            Message::CompilerArtifact(artifact) if index_of(&artifact.target.name).is_some() => built += 1,
            Message::CompilerMessage(message) if message.message.level == DiagnosticLevel::Error => {
                let Some(index) = index_of(&message.target.name) else {
                    let rendered = message.message.rendered.unwrap_or(message.message.message);
                    return Err(Failure::impossible(format!("Lockgate itself does not compile:\n{rendered}")));
                };
                let rendered = message.message.rendered.unwrap_or(message.message.message);
                refused[index].get_or_insert_default().push_str(&rendered);
            }
            _ => {}
        }
    }
    let refusals = refused.iter().filter(|rendered| rendered.is_some()).count();
    if built + refusals < count {
        return Err(Failure::impossible("the sets do not compile: what cargo says is above"));
    }
    Ok(refused)
}

/// `set_3` or `set-3`: 3.
fn index_of(name: &str) -> Option<usize> {
    name.strip_prefix("set").and_then(|rest| rest[1..].parse().ok())
}

fn cargo(folder: &Path, target: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(folder).env("CARGO_TARGET_DIR", target);
    command
}

fn manifest(name: &str, dependencies: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\n\n[dependencies]\n{dependencies}"
    )
}

fn workspace(members: &[&Path], program: Option<&str>) -> String {
    let members = members.iter().map(|path| format!("    {:?},\n", path.display().to_string()));
    let program = program.map(|name| format!("    {name:?},\n"));
    let members: String = members.chain(program).collect();
    format!("[workspace]\nresolver = \"3\"\nmembers = [\n{members}]\n\n[profile.dev]\ndebug = \"line-tables-only\"\n")
}
