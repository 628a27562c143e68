//! The README and the guide: their lists are complete, and every command in them works as written.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use lockgate_cli::clap::{self, CommandFactory, Parser};
use lockgate_cli::{Options, Verb};
use lockgate_source::Code;

use crate::support::app::Place;
use crate::support::nested;
use crate::support::scratch::xtask;
use crate::support::tree::root;

/// Checks the part of a page after its mark. With `LOCKGATE_BLESS=1`, writes it.
#[track_caller]
fn ends_with(page: &str, mark: &str, expected: &str) {
    let path = root().join(page);
    let text = std::fs::read_to_string(&path).unwrap();
    let head = text.split_once(mark).unwrap_or_else(|| panic!("{page} has lost its `{}`", mark.trim())).0;
    let right = format!("{head}{mark}\n{}", expected.trim_start());
    if std::env::var_os("LOCKGATE_BLESS").is_some() {
        std::fs::write(path, right).unwrap();
    } else {
        assert!(text == right, "{page} is out of date: `LOCKGATE_BLESS=1 cargo xtask test -- guide::` writes it anew");
    }
}

#[derive(Parser)]
#[command(name = "shop", about = "Your program")]
struct Program {
    #[command(flatten)]
    _options: Options,
    #[command(subcommand)]
    _verb: Verb,
}

#[test]
fn the_guide_lists_every_command() {
    let mut page = String::new();
    for name in developers() {
        let help = Command::new(xtask()).args(["lockgate", &name, "--help"]).output().unwrap().stdout;
        let help = String::from_utf8(help).unwrap().replace("Usage: cargo lockgate", "Usage: cargo xtask");
        write!(page, "\n### cargo xtask {name}\n\n```text\n{}\n```\n", help.trim_end()).unwrap();
    }
    page.push_str("\n## For operators\n\nThese are the commands of a program that calls `lockgate_cli::main`.\n");
    let shown = |argument: clap::Arg| argument.hide_short_help(false);
    let mut program = Program::command().term_width(100).mut_args(shown);
    program.build();
    for verb in program.get_subcommands_mut().filter(|verb| verb.get_name() != "help") {
        let help = verb.render_help().to_string();
        let help = help.split("\nOptions for every command:").next().unwrap();
        write!(page, "\n### {}\n\n```text\n{}\n```\n", verb.get_name(), help.trim_end()).unwrap();
    }
    let all = program.render_help().to_string();
    let shared = all.split("\nOptions for every command:\n").nth(1).expect("every verb has these");
    write!(page, "\n### Options for every command\n\n```text\n{}\n```\n", shared.trim_end()).unwrap();
    ends_with("guide/commands.md", "## For developers\n", &page);
}

#[test]
fn every_command_of_a_program_in_the_guide_can_be_typed() {
    let mut typed = 0;
    for page in std::fs::read_dir(root().join("guide")).unwrap() {
        let path = page.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for quoted in text.split('`').filter(|quoted| quoted.starts_with("app ") && !quoted.contains('\n')) {
            // `app repair` and others name a command that needs further arguments.
            let needs_more = |kind| {
                use clap::error::ErrorKind::{DisplayHelpOnMissingArgumentOrSubcommand, MissingRequiredArgument};
                matches!(kind, MissingRequiredArgument | DisplayHelpOnMissingArgumentOrSubcommand)
            };
            if let Err(error) = Program::try_parse_from(words(quoted)) {
                let mut command = Some(Program::command());
                for word in quoted.split(' ').skip(1) {
                    command = command.and_then(|command| command.find_subcommand(word).cloned());
                }
                let is_name = command.is_some() && needs_more(error.kind());
                assert!(is_name, "{}: `{quoted}`: {error}", path.display());
            }
            typed += 1;
        }
    }
    assert!(typed > 50, "only {typed} commands were found");
}

/// The words of a command, as a shell reads them: what stands in quotes is one.
fn words(line: &str) -> Vec<&str> {
    let parts = line.split('"').enumerate();
    let words = parts.flat_map(|(place, part)| match place % 2 {
        0 => part.split_whitespace().collect(),
        _ => vec![part],
    });
    words.collect()
}

/// The names of the developers' commands, as their help lists them.
fn developers() -> Vec<String> {
    let help = Command::new(xtask()).args(["lockgate", "--help"]).output().unwrap().stdout;
    let help = String::from_utf8(help).unwrap();
    let list = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("a list of commands");
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

#[test]
fn the_guide_lists_every_code() {
    let mut page = String::from("\n| code | meaning |\n|---|---|\n");
    for code in Code::ALL {
        writeln!(page, "| `{code}` | {} |", code.summary().replace('|', "\\|")).unwrap();
    }
    ends_with("guide/problems.md", "## All codes\n", &page);
}

/// One fenced block of a page.
enum Block<'a> {
    Shell(&'a str),
    File { path: &'a str, text: &'a str },
}

/// The blocks of a part of the README: commands, and files that begin with a comment that is their path.
fn blocks(part: &str) -> Vec<Block<'_>> {
    let fenced = part.split("```").skip(1).step_by(2);
    let read = fenced.map(|block| {
        let (language, text) = block.split_once('\n').unwrap();
        match language {
            "sh" => Block::Shell(text),
            "sql" | "rust,ignore" => {
                let (path, text) = text.split_once('\n').unwrap();
                Block::File { path: path.trim_start_matches(['-', '/', ' ']), text }
            }
            other => panic!("what is to be done with `{other}`?"),
        }
    });
    read.collect()
}

/// Follows the README's section about a new project to the letter, except for the installation of a program that this
/// workspace has built already.
#[test]
fn the_readme_leads_to_a_first_migration() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let part = readme.split("## Your own project").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let program = |line: &str| line.starts_with("cargo install --path lockgate/xtask");
    assert_eq!(part.lines().filter(|line| program(line)).count(), 1, "the README installs the commands");

    let mut here = folder.path().to_owned();
    let mut last = String::new();
    for block in blocks(part) {
        match block {
            Block::Shell(commands) => {
                for line in commands.lines().filter(|line| !program(line)) {
                    if let Some(inner) = line.strip_prefix("cd ") {
                        here.push(inner.trim());
                        std::fs::copy(root().join("Cargo.lock"), here.join("Cargo.lock")).unwrap();
                    } else {
                        // The real path, so that builds are reused.
                        last = shell(&line.replace("../lockgate", &root().display().to_string()), &here);
                    }
                }
            }
            Block::File { path, text } => {
                let path = here.join(path);
                assert!(path.exists(), "the command has not written {}", path.display());
                std::fs::write(path, text).unwrap();
            }
        }
    }
    assert!(last.contains("applied 0001_create_users") && last.contains("applied 1 migration"), "{last}");
    assert!(here.join("shop.db").exists());
}

/// Every command of the chapter, in its order, on the example's program.
#[test]
fn the_chapter_on_operating_can_be_typed() {
    let page = std::fs::read_to_string(root().join("guide/operating.md")).unwrap();
    let place = Place::sqlite();
    place.ok(&["up", "--to", "11"]);
    let mut typed = Vec::new();
    for block in blocks(&page) {
        let Block::Shell(commands) = block else { panic!("the chapter has commands alone") };
        for line in commands.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words[0], "app", "{line}");
            let out = place.ok(&words[1..]);
            assert!(!out.is_empty(), "{line}");
            typed.push((line.to_owned(), out));
        }
    }
    let output = |line: &str| &typed.iter().find(|(typed, _)| typed == line).unwrap_or_else(|| panic!("`{line}`")).1;
    assert!(output("app plan").starts_with("1 migration would run"));
    assert!(output("app status").starts_with("up to date"));
    assert!(output("app ready").starts_with("the database has every migration"));
    assert!(output("app up --verbose").contains("\nALTER TABLE members ADD COLUMN phone TEXT;\n"));
    let result = output("app up --format json").lines().last().unwrap();
    assert!(result.starts_with("{\"lockgate\":1,\"type\":\"result\",\"verb\":\"up\",\"exit_code\":0,"), "{result}");
}

/// Each way out of the table, typed word for word where it is needed; then the database is well.
#[test]
fn each_repair_of_the_guide_can_be_typed() {
    let page = std::fs::read_to_string(root().join("guide/operating.md")).unwrap();
    let part = page.split("\n## Repairing\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let ways: Vec<Vec<&str>> = part
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains("`app "))
        .map(|row| row.rsplit(" | ").next().unwrap().split('`').skip(1).step_by(2).collect())
        .collect();
    let partial = "UPDATE lockgate_history SET state = 'partial', statements_done = 0 WHERE version = 11";
    let in_doubt =
        "UPDATE lockgate_history SET state = 'partial', statements_done = 0, under_way = 1 WHERE version = 11";
    let undone = "DELETE FROM lockgate_history WHERE version = 12; UPDATE lockgate_history SET state = 'partial', \
                  statements_done = 0 WHERE version = 11";
    let broken = [
        "UPDATE lockgate_history SET name = 'a_phone' WHERE version = 12",
        "ALTER TABLE members DROP COLUMN phone",
        partial,
        partial,
        undone,
        in_doubt,
        in_doubt,
        "CREATE INDEX loans_due ON loans (due_on); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'loans_due'::regclass",
    ];
    assert_eq!(ways.len(), broken.len(), "{ways:?}");
    for (commands, how) in ways.iter().zip(broken) {
        let Some(place) = Place::postgres() else { return };
        place.ok(&["up", "--to", if how.contains("11") { "11" } else { "12" }]);
        for statement in how.split("; ") {
            place.try_rows(statement).unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
        for command in commands {
            place.ok(&words(command)[1..]);
        }
        place.ok(&["up"]);
        assert_eq!(place.ok(&["drift"]), "no difference between program and database\n", "{commands:?}");
        assert!(place.ok(&["status"]).starts_with("up to date"), "{commands:?}");
        assert_eq!(place.rows("SELECT count(*)::text FROM pg_index WHERE NOT indisvalid"), ["0"], "{commands:?}");
    }
}

fn shell(line: &str, folder: &Path) -> String {
    let path = format!("{}:{}", xtask().parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-c", line]).current_dir(folder).env("PATH", path).env_remove("DATABASE_URL");
    nested::configure(&mut command);
    command.env("CARGO_NET_OFFLINE", "true");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "`{line}` failed:\n{text}");
    text
}
