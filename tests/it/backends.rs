//! A folder whose policy does not say which databases it is for: it is checked for the only database of its
//! package, and if there are several, a message says what is not checked.

use crate::support::scratch::Scratch;

/// SQL that PostgreSQL accepts and SQLite does not.
const POSTGRES: &str = "CREATE TABLE t (id BIGINT GENERATED ALWAYS AS IDENTITY, tags TEXT[]);\n";

fn with(dependencies: &str) -> Scratch {
    let scratch = Scratch::new();
    scratch.package("app", dependencies);
    scratch.write("app/migrations/0001_t.sql", POSTGRES);
    scratch
}

fn lockgate(features: &str) -> String {
    let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().display();
    format!("[dependencies]\nlockgate = {{ path = \"{workspace}/runtime\", features = [{features}] }}\n")
}

#[test]
fn the_only_database_is_the_one_it_is_checked_by() {
    let dependency =
        |features: &str| format!("[dependencies]\nlockgate = {{ version = \"0.1\", features = [{features}] }}\n");
    let scratch = with(&dependency("\"sqlite\""));
    let output = scratch.run(&["check"]).fails(1);
    assert!(output.contains("error[syntax]") && output.contains("SQLite does not take this"), "{output}");
    let output = with(&dependency("\"postgres\", \"schema\"")).run(&["check"]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
    // Before `lockgate` is a dependency, the features of sqlx decide.
    let output =
        with("[dependencies]\nsqlx = { version = \"0.9\", features = [\"sqlite\"] }\n").run(&["check"]).fails(1);
    assert!(output.contains("SQLite does not take this"), "{output}");
    // The policy decides.
    scratch.write("app/migrations/migrations.toml", "dialects = [\"postgres\"]\n");
    scratch.run(&["check"]).succeeds();
}

#[test]
fn several_backends_give_a_warning_and_the_advised_line_works() {
    let scratch = with(&lockgate("\"postgres\", \"sqlite\""));
    let output = scratch.run(&["check"]);
    let warning = "\
warning[undeclared-dialects]: the SQL of `app/migrations` is hardly checked: it could be for PostgreSQL or SQLite, and only SQL that is invalid in all of them is refused
--> app/migrations/migrations.toml
 = help: write `dialects = [\"postgres\"]` or `dialects = [\"sqlite\"]` into `app/migrations/migrations.toml`, above any `[lint]`; or write `dialects = [\"postgres\", \"sqlite\"]` if each script is for all of them
";
    assert_eq!((output.code, output.stderr.trim_end()), (0, warning.trim_end()));
    // Each line is typed as the message shows it.
    let (_, help) = warning.split_once("help: ").unwrap();
    for (line, takes_it) in help.split('`').filter(|word| word.starts_with("dialects")).zip([true, false, false]) {
        scratch.write("app/migrations/migrations.toml", &format!("{line}\n"));
        let output = scratch.run(&["check"]);
        assert_eq!(output.code == 0, takes_it, "{line}: {}", output.stderr);
        assert!(!output.stderr.contains("undeclared"), "{}", output.stderr);
    }
    scratch.write("app/migrations/migrations.toml", "[lint]\nundeclared-dialects = \"allow\"\n");
    let output = scratch.run(&["check"]);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""));
}

#[test]
fn the_macro_and_the_build_script_know_it_too() {
    let scratch = with(&lockgate("\"sqlite\""));
    scratch.write("app/src/lib.rs", "pub static M: lockgate::Migrations = lockgate::embed_migrations!();\n");
    let (builds, output) = scratch.cargo(&["check"]);
    assert!(!builds && output.contains("[syntax]") && output.contains("SQLite does not take this"), "{output}");
    // A manifest that forwards the feature, as a package with several databases does.
    let forwarded =
        lockgate("").replace("[dependencies]", "[features]\ndefault = [\"lockgate/sqlite\"]\n[dependencies]");
    let build = lockgate("\"check\"")
        .replace("[dependencies]", "[build-dependencies]")
        .replace("lockgate =", "lockgate-build =")
        .replace("/runtime", "/build");
    scratch.package("app", &format!("{forwarded}{build}"));
    scratch.write("app/build.rs", "fn main() {\n    lockgate_build::check();\n}\n");
    let (builds, output) = scratch.cargo(&["check"]);
    assert!(
        !builds && output.contains("error: app@0.1.0: [syntax]") && output.contains("SQLite does not take this"),
        "{output}"
    );
}

/// The folder belongs to another package of the workspace, and the message names it.
#[test]
fn a_folder_at_the_root_of_the_workspace_is_named() {
    let scratch = Scratch::new();
    scratch.package("app", &lockgate(""));
    scratch.write("migrations/0001_t.sql", POSTGRES);
    scratch.write("app/src/lib.rs", "pub static M: lockgate::Migrations = lockgate::embed_migrations!();\n");
    let (builds, output) = scratch.cargo(&["check"]);
    let help = "help: there is `../migrations`: if that is meant, write `embed_migrations!(\"../migrations\")`";
    assert!(!builds && output.contains("[no-such-folder]") && output.contains(help), "{output}");
    scratch.write(
        "app/src/lib.rs",
        "pub static M: lockgate::Migrations = lockgate::embed_migrations!(\"../migrations\");\n",
    );
    let (builds, output) = scratch.cargo(&["check"]);
    assert!(builds, "{output}");
}

#[test]
fn init_asks_which_folder_is_meant_and_both_ways_work() {
    let new = || {
        let scratch = Scratch::new();
        scratch.write("migrations/0001_t.sql", POSTGRES);
        let output = scratch.run(&["init", "--dialects", "postgres"]).fails(1);
        assert!(output.contains("`app` has no folder `migrations`, but `../migrations` exists"), "{output}");
        (scratch, output)
    };
    let (scratch, output) = new();
    let lines: Vec<&str> = output.split("\n\n").collect();
    assert!(lines[0].ends_with("add to `app/Cargo.toml`"), "{output}");
    let manifest = scratch.read("app/Cargo.toml");
    scratch.write("app/Cargo.toml", &format!("{manifest}\n{}\n", lines[1]));
    scratch.run(&["init", "--dialects", "postgres"]).succeeds();
    assert!(scratch.path("migrations/migrations.lock").exists() && !scratch.path("app/migrations").exists());
    assert!(scratch.read("app/build.rs").contains("lockgate_build::check_folder(\"../migrations\")"));
    scratch.run(&["check"]).succeeds();

    let (scratch, output) = new();
    assert!(output.contains("run `mkdir app/migrations` first"), "{output}");
    std::fs::create_dir(scratch.path("app/migrations")).unwrap();
    scratch.run(&["init", "--dialects", "postgres"]).succeeds();
    assert!(scratch.path("app/migrations/migrations.lock").exists());
}
