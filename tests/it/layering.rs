//! Which crate may use which, and what each must never do, checked with `cargo metadata` and the code itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Node, Package, PackageId, TargetKind};

use crate::support::tree::{code, root, rust_files, says, text};

/// The crates of the workspace that each crate may use, in programs and in build scripts. `lockgate-tests` uses everything.
const EDGES: &[(&str, &[&str])] = &[
    ("lockgate-core", &[]),
    ("lockgate-sql", &["lockgate-core"]),
    ("lockgate-source", &["lockgate-core", "lockgate-sql"]),
    ("lockgate-tables", &["lockgate-core"]),
    ("lockgate-macros", &["lockgate-source", "lockgate-tables"]),
    ("lockgate-replay", &["lockgate-source", "lockgate-schema"]),
    ("lockgate-build", &["lockgate-source", "lockgate-replay"]),
    ("lockgate-schema", &["lockgate-core"]),
    ("lockgate", &["lockgate-core", "lockgate-macros", "lockgate-schema"]),
    ("lockgate-testing", &["lockgate-core"]),
    ("lockgate-harness", &["lockgate", "lockgate-core", "lockgate-macros", "lockgate-testing"]),
    ("lockgate-backup", &["lockgate", "lockgate-testing"]),
    ("lockgate-cli", &["lockgate", "lockgate-source", "lockgate-backup"]),
    (
        "lockgate-xtask",
        &["lockgate-source", "lockgate-replay", "lockgate-testing", "lockgate", "lockgate-schema", "lockgate-tables"],
    ),
    ("lockgate-dependencies", &["lockgate", "lockgate-core", "lockgate-macros", "lockgate-sql"]),
    ("lockgate-lab", &["lockgate", "lockgate-dependencies", "lockgate-source", "lockgate-testing", "lockgate-xtask"]),
    ("lockgate-faults", &["lockgate", "lockgate-cli", "lockgate-dependencies", "lockgate-harness", "lockgate-source"]),
    ("lockgate-bench", &["lockgate-source", "lockgate-testing"]),
    ("app", &["lockgate", "lockgate-cli", "lockgate-build"]),
    ("patches", &["lockgate", "lockgate-cli", "lockgate-build"]),
    ("service", &["lockgate", "lockgate-build"]),
    ("trees", &["lockgate", "lockgate-cli", "lockgate-build"]),
    ("lockgate-refusals", &[]),
    ("lockgate-tests", &[]),
];

/// The crates that a crate must not depend on, even indirectly, except through macros.
const NEVER_BELOW: &[(&str, &[&str])] = &[
    ("lockgate-sql", &["sqlx", "tokio", "syn", "clap", "toml", "sha2", "annotate-snippets", "lockgate"]),
    ("lockgate-source", &["sqlx", "tokio", "syn", "clap", "lockgate"]),
    ("lockgate-tables", &["sqlx", "tokio", "clap", "toml", "sha2", "lockgate", "lockgate-source"]),
    ("lockgate-macros", &["sqlx", "tokio", "clap", "lockgate"]),
    ("lockgate-replay", &["syn", "clap", "lockgate"]),
    // As it is built here, without its features; with them, see below.
    ("lockgate-build", &["sqlx", "tokio", "clap", "lockgate"]),
    ("lockgate", &["lockgate-source", "lockgate-cli", "clap"]),
    // An example asks for `files`, which reads patches at run time. Without it, see below.
    ("lockgate-cli", &["lockgate-xtask"]),
    ("lockgate-harness", &["lockgate-source", "lockgate-xtask", "clap"]),
];

/// The crates that a crate must not depend on directly, although another crate depends on them.
const NEVER_DIRECTLY: &[(&str, &[&str])] = &[("lockgate-cli", &["sqlx", "sqlx-core", "lockgate-core"])];

/// The words that the code of a folder must not contain.
const NEVER_SAID: &[(&str, &[&str])] = &[
    (
        "core/src",
        &[
            "std::{",
            "std::fs",
            "std::io",
            "std::net",
            "std::env",
            "std::process",
            "std::thread",
            "SystemTime",
            "Instant",
            "sqlx::",
            "tokio::",
        ],
    ),
    ("sql/src", &["sqlx::", "tokio::", "std::process", "std::fs", "std::net", "std::env", "Policy", "Lockfile"]),
    ("source/src", &["sqlx::", "tokio::", "clap::", "syn::", "std::process", "process::Command", "std::net"]),
    ("tables/src", &["std::fs", "std::io", "std::env", "std::process", "std::net"]),
    ("macros/src", &["use lockgate::", "use sqlx", "tokio::", "use lockgate_core"]),
    ("build/src", &["lockgate::", "sqlx::", "tokio::"]),
    ("replay/src", &["lockgate::", "std::process", "process::Command", "std::fs", "std::env"]),
    ("runtime/src", &["lockgate_source", "lockgate_cli", "clap::", "Step {", "Plan {"]),
    // Only the trace knows a driver.
    ("xtask/src/command", &["sqlx::", "tokio::"]),
    ("testing/src", &["sqlx::", "tokio::"]),
    ("cli/src", &["sqlx::", "lockgate_core", "lockgate_source", "Step {", "Plan {"]),
];

/// Beyond what sqlx itself brings, in a user's program.
const MOST_CRATES: usize = 5;

#[test]
fn a_crate_uses_only_what_is_below_it() {
    let known: BTreeMap<_, _> = EDGES.iter().copied().collect();
    for package in workspace().workspace_packages() {
        let name = package.name.as_str();
        let allowed = known.get(name).unwrap_or_else(|| panic!("`{name}` has no line in EDGES and ARCHITECTURE.md"));
        let used = package.dependencies.iter().filter(|used| used.kind != DependencyKind::Development);
        for used in used.filter(|used| known.contains_key(used.name.as_str())) {
            assert!(allowed.contains(&used.name.as_str()), "`{name}` uses `{}`, which is not below it", used.name);
        }
    }
}

#[test]
fn the_picture_in_architecture_shows_these_edges() {
    let page = text("ARCHITECTURE.md").expect("the page is text");
    let long = |short: &str| match short {
        "runtime" => "lockgate".to_owned(),
        short => format!("lockgate-{short}"),
    };
    let mut shown = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()) && line.contains('→')) {
        // `2  macros → source      build → source`
        for edge in line[1..].split("   ").map(str::trim).filter(|edge| edge.contains('→')) {
            let (user, used) = edge.split_once('→').expect("an edge has an arrow");
            let used = used.split(',').map(|used| long(used.trim().trim_matches(['[', ']'])));
            shown.insert(long(user.trim()), used.collect::<BTreeSet<_>>());
        }
    }
    assert!(shown.len() >= 5, "ARCHITECTURE.md has lost its picture: {shown:?}");
    for (user, used) in shown {
        let held = EDGES.iter().find(|(name, _)| *name == user).map(|(_, used)| used.iter().copied());
        let held: BTreeSet<_> = held.unwrap_or_else(|| panic!("`{user}` is no crate")).map(str::to_owned).collect();
        assert_eq!(used, held, "what ARCHITECTURE.md shows of `{user}` is not what is held here");
    }
}

#[test]
fn core_has_no_dependency_at_all() {
    let core = package("lockgate-core");
    let names: Vec<_> = core.dependencies.iter().map(|used| used.name.as_str()).collect();
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn no_crate_brings_what_it_must_not() {
    let graph = Graph::of(workspace());
    for (name, never) in NEVER_BELOW {
        let below = graph.names_below(&package(name).id, Edges::Program);
        for other in *never {
            assert!(!below.contains(*other), "`{name}` brings `{other}`: {}", graph.way(&package(name).id, other));
        }
    }
    for (name, never) in NEVER_DIRECTLY {
        let direct = &package(name).dependencies;
        let found: Vec<_> = direct.iter().filter(|used| never.contains(&used.name.as_str())).collect();
        assert!(found.is_empty(), "`{name}` names {found:?}");
    }
}

#[test]
fn nothing_that_is_shipped_brings_what_is_for_tests() {
    let graph = Graph::of(workspace());
    let (ours, shipped): (Vec<_>, Vec<_>) =
        workspace().workspace_packages().into_iter().partition(|package| package.publish == Some(Vec::new()));
    assert!(shipped.len() >= 7, "{shipped:?}");
    for package in shipped {
        let below = graph.names_below(&package.id, Edges::All);
        let for_tests = ours.iter().map(|package| package.name.as_str()).chain(["trybuild", "criterion"]);
        for name in for_tests {
            assert!(!below.contains(name), "`{}` brings `{name}`: {}", package.name, graph.way(&package.id, name));
        }
    }
}

#[test]
fn the_code_of_a_crate_does_not_say_what_it_must_not() {
    let mut found = Vec::new();
    for (folder, never) in NEVER_SAID {
        // Patches beside the binary are read while the program runs, and nothing else is.
        for file in rust_files(folder).filter(|file| *file != "cli/src/files.rs") {
            let code = code(file);
            found.extend(never.iter().filter(|words| says(&code, words)).map(|words| format!("{file}: {words}")));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn source_reads_files_in_a_single_file() {
    let reads = |code: &str| ["fs::", "std::fs", "File::open", "OpenOptions"].iter().any(|words| says(code, words));
    let readers: Vec<_> = rust_files("source/src").filter(|file| reads(&code(file))).collect();
    assert_eq!(readers, ["source/src/folder/read.rs"]);
}

#[test]
fn nothing_below_the_command_line_prints() {
    let mut found = Vec::new();
    for folder in
        ["core/src", "sql/src", "source/src", "tables/src", "macros/src", "replay/src", "build/src", "runtime/src"]
    {
        for file in rust_files(folder) {
            let code = code(file);
            // A build script talks to cargo on standard output.
            let printers: &[&str] = match folder {
                "build/src" => &["eprintln!", "eprint!", "stderr()"],
                _ => &["println!", "eprintln!", "print!", "eprint!", "stdout()", "stderr()"],
            };
            found.extend(printers.iter().filter(|words| says(&code, words)).map(|words| format!("{file}: {words}")));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn backends_do_not_know_each_other() {
    let backends = ["postgres", "sqlite", "mysql"];
    let mut files = 0;
    for backend in backends {
        for file in rust_files(&format!("runtime/src/backend/{backend}")) {
            files += 1;
            let code = code(file);
            for other in backends.into_iter().filter(|other| *other != backend) {
                for words in [format!("{other}::"), format!("::{other}")] {
                    assert!(!says(&code, &words), "{file} says `{words}`");
                }
            }
        }
    }
    assert!(files >= 4);
}

/// A user's program grows by our own two crates and the macro, which is not in it; the rest of what
/// it needs, sqlx has brought already.
#[test]
fn a_users_program_grows_by_few_crates() {
    for backend in ["sqlite", "postgres"] {
        let sqlx = format!(
            r#"sqlx = {{ version = "0.9", default-features = false, features = ["runtime-tokio", "{backend}"] }}"#
        );
        let runtime = root().join("runtime");
        let lockgate =
            format!("lockgate = {{ path = {:?}, features = [\"{backend}\"] }}", runtime.display().to_string());
        let alone = crates_of_a_program(&sqlx);
        let with_us = crates_of_a_program(&format!("{sqlx}\n{lockgate}"));
        let more: Vec<_> = with_us.difference(&alone).cloned().collect();

        assert!(more.iter().any(|name| name == "lockgate-core"), "{backend}: {more:?}");
        assert!(more.len() <= MOST_CRATES, "{backend}: {} crates more than sqlx alone: {more:?}", more.len());
        let for_building = ["toml", "annotate-snippets", "clap", "syn", "sha2", "include_dir", "proc-macro2"];
        let strange: Vec<_> = more
            .iter()
            .filter(|name| for_building.contains(&name.as_str()) || name.contains("squawk") || name.contains("pars"))
            .collect();
        assert!(strange.is_empty(), "{backend}: {strange:?} belong into builds, not into programs");
    }
}

/// The command line brings as many crates as the page says.
#[test]
fn the_crates_of_the_command_line_are_counted() {
    let path = |folder: &str| root().join(folder).display().to_string();
    let backends = "\"sqlite\", \"postgres\"";
    let lockgate = format!("lockgate = {{ path = {:?}, features = [{backends}] }}", path("runtime"));
    let with = |options: &str| {
        crates_of(&format!("{lockgate}\nlockgate-cli = {{ path = {:?}, {options} }}", path("cli")), Edges::All)
    };
    let more = |one: &BTreeSet<String>, other: &BTreeSet<String>| one.difference(other).count();
    let bare = with(&format!("default-features = false, features = [{backends}]"));
    let usual = with(&format!("features = [{backends}]"));
    let full = with(&format!("features = [{backends}, \"json-schema\"]"));
    let counted = [more(&bare, &crates_of(&lockgate, Edges::All)), more(&usual, &bare), more(&full, &usual)];
    assert_eq!(counted, [27, 4, 6], "ARCHITECTURE.md counts them too");
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the page is there");
    for says in
        ["beyond `lockgate`: 27 crates", "three more crates, and `adopt` with one", "`json-schema` has six more"]
    {
        assert!(page.contains(says), "{says}");
    }
}

/// What reads folders is in a program with a command line only if that asks for `files`, and then without a grammar.
#[test]
fn a_command_line_reads_no_folder_unless_it_is_asked_to() {
    let with = |features: &str| {
        let cli = root().join("cli").display().to_string();
        crates_of_a_program(&format!("lockgate-cli = {{ path = {cli:?}, features = [{features}] }}"))
    };
    let of_the_reader = ["lockgate-source", "glob", "toml"];
    let without = with("\"postgres\"");
    assert!(of_the_reader.iter().all(|name| !without.contains(*name)), "{without:?}");
    let reads = with("\"files\"");
    assert!(of_the_reader.iter().all(|name| reads.contains(*name)), "{reads:?}");
}

/// A build script that only watches compiles nothing but that; one that checks gets what the macro is
/// compiled with anyway, and one that replays the driver that the program has.
#[test]
fn a_build_script_gets_what_it_asks_for() {
    let with = |features: &str| {
        let build = root().join("build").display().to_string();
        crates_of_a_program(&format!("lockgate-build = {{ path = {build:?}, features = [{features}] }}"))
    };
    assert_eq!(with(""), BTreeSet::from(["lockgate-build".to_owned()]));

    let checks = with("\"check\"");
    let source = root().join("source").display().to_string();
    let mut of_the_macro = crates_of_a_program(&format!("lockgate-source = {{ path = {source:?} }}"));
    of_the_macro.insert("lockgate-build".to_owned());
    assert_eq!(checks, of_the_macro);

    let replays = with("\"replay\"");
    let runtime = root().join("runtime").display().to_string();
    let of_the_program = crates_of_a_program(&format!("lockgate = {{ path = {runtime:?}, features = [\"sqlite\"] }}"));
    let more: Vec<_> = replays.difference(&checks).filter(|name| !of_the_program.contains(*name)).collect();
    assert_eq!(more, ["lockgate-replay", "lockgate-schema"]);
    assert!(replays.contains("sqlx-sqlite") && !replays.contains("sqlx-postgres"), "{replays:?}");
}

/// Each parser of the grammar check is built only with its feature.
#[test]
fn a_program_builds_the_parsers_that_it_asks_for() {
    let path = |folder: &str| root().join(folder).display().to_string();
    let parsers = |dependencies: &str| -> Vec<String> {
        let crates = crates_of(dependencies, Edges::All);
        let is_parser =
            |name: &&String| name.starts_with("squawk") || matches!(name.as_str(), "rowan" | "sqlite3-parser");
        crates.iter().filter(is_parser).cloned().collect()
    };
    let lockgate = |options: &str| format!("lockgate = {{ path = {:?}, {options} }}", path("runtime"));
    let cli = format!("lockgate-cli = {{ path = {:?}, features = [\"sqlite\"] }}", path("cli"));
    let sqlites = ["sqlite3-parser"];
    let postgres = ["rowan", "squawk-lexer", "squawk-line-index", "squawk-parser", "squawk-syntax"];
    let both: Vec<_> = ["rowan", "sqlite3-parser"].into_iter().chain(postgres.into_iter().skip(1)).collect();

    for backend in ["sqlite", "postgres"] {
        assert_eq!(parsers(&lockgate(&format!("features = [{backend:?}]"))), both, "{backend}: on by default");
        let without = |more: &str| lockgate(&format!("default-features = false, features = [{backend:?}, {more}]"));
        let none = without("\"schema\"");
        assert_eq!(parsers(&none), [""; 0], "{backend}: without");
        assert_eq!(parsers(&format!("{none}\n{cli}")), [""; 0], "{backend}: with a command line");
        assert_eq!(parsers(&without("\"grammar-sqlite\"")), sqlites, "{backend}");
        assert_eq!(parsers(&without("\"grammar-postgres\"")), postgres, "{backend}");
        assert_eq!(parsers(&without("\"grammar\"")), both, "{backend}");
        // No dependency of a parser remains.
        let crates = |dependencies: &str| crates_of(dependencies, Edges::All);
        let more: Vec<_> = crates(&without("\"grammar\"")).difference(&crates(&none)).cloned().collect();
        assert!(more.len() > both.len(), "{backend}: {more:?}");
    }
    // `check` always has the parsers.
    for checks in ["xtask", "harness", "build"] {
        let features = match checks {
            "build" => "\"check\"",
            "xtask" => "\"grammar\"",
            _ => "",
        };
        let checks = format!("lockgate-{checks} = {{ path = {:?}, features = [{features}] }}", path(checks));
        assert_eq!(parsers(&checks), both, "{checks}");
    }
}

/// The crates that are linked into a program with these dependencies.
fn crates_of_a_program(dependencies: &str) -> BTreeSet<String> {
    crates_of(dependencies, Edges::Program)
}

fn crates_of(dependencies: &str, edges: Edges) -> BTreeSet<String> {
    let scratch = tempfile::tempdir().expect("a temporary folder can be made");
    let manifest = scratch.path().join("Cargo.toml");
    let package = "[package]\nname = \"user\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n";
    fs::write(&manifest, format!("{package}\n[dependencies]\n{dependencies}\n")).expect("a file can be written");
    fs::create_dir(scratch.path().join("src")).expect("a folder can be made");
    fs::write(scratch.path().join("src/main.rs"), "fn main() {}\n").expect("a file can be written");
    // The same versions as ours.
    fs::copy(root().join("Cargo.lock"), scratch.path().join("Cargo.lock")).expect("the lockfile can be copied");

    let metadata = metadata(&manifest, &["--offline".to_owned(), "--filter-platform".to_owned(), host()]);
    let user = metadata.root_package().expect("the scratch package is the root").id.clone();
    Graph::of(&metadata).names_below(&user, edges)
}

fn host() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
    let output = Command::new(rustc).arg("-vV").output().expect("rustc is there");
    let text = String::from_utf8(output.stdout).expect("rustc speaks plainly");
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.expect("rustc says what it runs on").to_owned()
}

fn workspace() -> &'static Metadata {
    static WORKSPACE: OnceLock<Metadata> = OnceLock::new();
    WORKSPACE.get_or_init(|| metadata(&root().join("Cargo.toml"), &["--locked".to_owned()]))
}

fn metadata(manifest: &Path, options: &[String]) -> Metadata {
    MetadataCommand::new()
        .manifest_path(manifest)
        .other_options(options)
        .exec()
        .unwrap_or_else(|error| panic!("cargo metadata of {}: {error}", manifest.display()))
}

fn package(name: &str) -> &'static Package {
    let packages = workspace().workspace_packages();
    packages.into_iter().find(|package| package.name.as_str() == name).unwrap_or_else(|| panic!("no crate `{name}`"))
}

/// Which edges are followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edges {
    /// Only crates that are linked into the program, without macros, build scripts and tests.
    Program,
    /// Also crates that are used to build it.
    All,
}

/// The resolved dependencies.
struct Graph<'a> {
    packages: BTreeMap<&'a PackageId, &'a Package>,
    nodes: BTreeMap<&'a PackageId, &'a Node>,
}

impl<'a> Graph<'a> {
    fn of(metadata: &'a Metadata) -> Self {
        let resolve = metadata.resolve.as_ref().expect("cargo resolves what it describes");
        Self {
            packages: metadata.packages.iter().map(|package| (&package.id, package)).collect(),
            nodes: resolve.nodes.iter().map(|node| (&node.id, node)).collect(),
        }
    }

    fn used_by(&self, id: &PackageId, edges: Edges) -> impl Iterator<Item = &'a PackageId> {
        self.nodes[id].deps.iter().filter(move |used| self.is_asked_for(id, &used.pkg)).filter_map(move |used| {
            let kinds = &used.dep_kinds;
            let counts = match edges {
                Edges::Program => {
                    kinds.iter().any(|kind| kind.kind == DependencyKind::Normal) && !self.is_macro(&used.pkg)
                }
                Edges::All => kinds.iter().any(|kind| kind.kind != DependencyKind::Development),
            };
            counts.then_some(&used.pkg)
        })
    }

    /// Whether a feature that is on brings this dependency of a crate of ours. Cargo also lists those that a feature would
    /// only extend: `lockgate-backup?/sqlite`.
    fn is_asked_for(&self, id: &PackageId, used: &PackageId) -> bool {
        let (package, name) = (self.packages[id], self.packages[used].name.as_str());
        let mut dependencies = package.dependencies.iter().filter(|dependency| dependency.name == name);
        if !package.name.starts_with("lockgate") || !dependencies.all(|dependency| dependency.optional) {
            return true;
        }
        let brings = |word: &String| *word == format!("dep:{name}") || word.starts_with(&format!("{name}/"));
        let is_on = |feature: &str| package.features.get(feature).is_some_and(|words| words.iter().any(brings));
        self.nodes[id].features.iter().any(|feature| is_on(feature))
    }

    fn is_macro(&self, id: &PackageId) -> bool {
        self.packages[id].targets.iter().any(|target| target.kind.contains(&TargetKind::ProcMacro))
    }

    /// Returns all dependencies of a package, each with the package through which it was found first.
    fn below(&self, id: &PackageId, edges: Edges) -> BTreeMap<&'a PackageId, PackageId> {
        let mut found = BTreeMap::new();
        let mut open = vec![id.clone()];
        while let Some(next) = open.pop() {
            for used in self.used_by(&next, edges) {
                if !found.contains_key(used) {
                    found.insert(used, next.clone());
                    open.push(used.clone());
                }
            }
        }
        found
    }

    fn names_below(&self, id: &PackageId, edges: Edges) -> BTreeSet<String> {
        self.below(id, edges).keys().map(|id| self.packages[id].name.to_string()).collect()
    }

    /// Returns the path from a package to another: `lockgate → sqlx → …`.
    fn way(&self, from: &PackageId, to: &str) -> String {
        let found = self.below(from, Edges::All);
        let mut at = found.keys().find(|id| self.packages[*id].name.as_str() == to).map(|id| (*id).clone());
        let mut names = Vec::new();
        while let Some(id) = at {
            names.push(self.packages[&id].name.to_string());
            at = found.get(&id).cloned();
        }
        names.reverse();
        names.join(" → ")
    }
}
