//! Plans as readable scenarios; `core/tests/scenarios/README.md` explains the format.
//!
//! `LOCKGATE_BLESS=1 cargo test -p lockgate-core --test plan` rewrites the answers in the files. Review the diff.

mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use lockgate_core::plan::{self, Repair};
use lockgate_core::{
    Action, Ahead, Atomicity, Destination, Dialect, Dialects, DownTo, Drift, History, OutOfOrder, Plan, Refusal,
    Request, Row, Set, State, UpTo, Version, drift,
};
use support::{Words, row, version};

#[test]
fn going_up() {
    scenarios("up");
}

#[test]
fn going_down_by_steps_and_to_a_version() {
    scenarios("down");
}

#[test]
fn down_and_up_again() {
    scenarios("redo");
}

#[test]
fn irreversible_migrations_are_refused() {
    scenarios("irreversible");
}

#[test]
fn applied_migrations_must_be_a_prefix_of_the_set() {
    scenarios("drift");
}

#[test]
fn a_name_is_free_and_its_key_is_not() {
    scenarios("patches");
}

#[test]
fn a_history_that_is_ahead_has_no_gap() {
    scenarios("ahead");
}

#[test]
fn partial_migrations_are_resumed() {
    scenarios("partial");
}

#[test]
fn repeatable_scripts_run_after_the_last_migration() {
    scenarios("repeatable");
}

#[test]
fn profiles_choose_what_runs() {
    scenarios("profiles");
}

#[test]
fn policies() {
    scenarios("policies");
}

#[test]
fn baseline() {
    scenarios("baseline");
}

#[test]
fn repair() {
    scenarios("repair");
}

#[test]
fn status() {
    scenarios("status");
}

#[test]
fn messages_have_a_help() {
    scenarios("messages");
}

#[test]
fn every_scenario_file_is_run() {
    let tests = include_str!("plan.rs");
    for file in fs::read_dir(folder()).expect("the scenarios are there") {
        let name = file.expect("a folder can be listed").file_name().into_string().expect("names are plain");
        let Some(name) = name.strip_suffix(".txt") else { continue };
        assert!(tests.contains(&format!("scenarios(\"{name}\")")), "no test runs `{name}.txt`");
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

/// The state of a scenario so far.
struct Scene {
    title: String,
    dialects: Dialects,
    migrations: Vec<Words>,
    history: History,
}

/// Runs a file: computes the answers to its questions and compares them with those in the file.
fn scenarios(name: &str) {
    let path = folder().join(format!("{name}.txt"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut scene =
        Scene { title: String::new(), dialects: Dialects::ALL, migrations: Vec::new(), history: History::Absent };
    let (mut written, mut differences, mut cases) = (String::new(), String::new(), 0);
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        writeln!(written, "{line}").expect("a string takes all");
        let at = || format!("{name}.txt:{}", number + 1);
        if let Some(title) = line.strip_prefix('#') {
            scene.title = title.trim().to_owned();
        } else if let Some(words) = line.strip_prefix("dialects:") {
            scene.dialects =
                words.split(',').map(|word| word.trim().parse::<Dialect>().expect("a dialect's word")).collect();
        } else if let Some(words) = line.strip_prefix("set:") {
            scene.migrations =
                words.split('|').filter(|word| !word.trim().is_empty()).map(|word| migration(word, &at())).collect();
            scene.dialects = Dialects::ALL;
        } else if let Some(words) = line.strip_prefix("history:") {
            scene.history = history(words.trim(), &at());
        } else if !line.trim().is_empty() {
            let mut expected = String::new();
            while let Some((_, answer)) = lines.next_if(|(_, line)| line.starts_with("=>") || line.starts_with("   ")) {
                writeln!(expected, "{answer}").expect("a string takes all");
            }
            let actual = answer(&scene, line, &at());
            cases += 1;
            if actual != expected {
                let title = &scene.title;
                write!(differences, "\n{}: {title}\n{line}\nexpected\n{expected}actual\n{actual}", at())
                    .expect("a string takes all");
            }
            written.push_str(&actual);
        }
    }
    assert!(cases > 0, "{name}.txt asks nothing");
    if std::env::var_os("LOCKGATE_BLESS").is_some() {
        fs::write(&path, written).expect("the scenarios can be written");
    } else {
        assert!(differences.is_empty(), "{differences}\nLOCKGATE_BLESS=1 rewrites the answers");
    }
}

/// `3 c! ~"why" - =text`
fn migration(words: &str, at: &str) -> Words {
    let (number, rest) = words.trim().split_once(' ').unwrap_or_else(|| panic!("{at}: «{words}» has no name"));
    let repeatable = format!("R__{rest}");
    let (number, rest) =
        if number == "R" { (script(&repeatable).to_string(), repeatable.as_str()) } else { (number.to_owned(), rest) };
    let end = rest.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.')).unwrap_or(rest.len());
    let mut migration = Words::new(number.parse().unwrap_or_else(|_| panic!("{at}: «{number}»")), &rest[..end]);
    let mut marks = rest[end..].chars();
    while let Some(mark) = marks.next() {
        match mark {
            '!' => migration.frozen = true,
            '~' => migration.down = false,
            '-' => migration.outside = true,
            '@' => migration.profiles.push(marks.by_ref().take_while(|c| *c != ' ').collect()),
            '"' => migration.irreversible = Some(marks.by_ref().take_while(|c| *c != '"').collect()),
            '=' => migration.text = marks.by_ref().take_while(|c| *c != ' ').collect(),
            ' ' => {}
            other => panic!("{at}: «{other}» marks nothing"),
        }
    }
    migration
}

/// The version of the repeatable script with this name and perhaps something after it.
fn script(name: &str) -> i64 {
    let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
    Version::of_name(&name[..end]).get()
}

/// `absent`, `empty`, `of sqlx _sqlx_migrations`, or `1 a, 2 b=text, 3 c (partial 2)`
fn history(words: &str, at: &str) -> History {
    match words {
        "absent" => return History::Absent,
        "empty" => return History::Present(Vec::new()),
        _ => {}
    }
    if let Some((tool, table)) = words.strip_prefix("of ").and_then(|words| words.split_once(' ')) {
        return History::Foreign { tool: tool.to_owned(), table: table.to_owned() };
    }
    let recorded = |words: &str| -> Row {
        let (what, state) = words.split_once('(').unwrap_or((words, "applied)"));
        let (number, name) = what.trim().split_once(' ').unwrap_or_else(|| panic!("{at}: «{words}» has no name"));
        let (name, text) = name.split_once('=').unwrap_or((name, name));
        let repeatable = format!("R__{name}");
        let (number, name, text) = match number {
            "R" => {
                let text = if text == name { repeatable.as_str() } else { text };
                (&*script(&repeatable).to_string(), repeatable.as_str(), text)
            }
            number => (number, name, text),
        };
        let (state, done) = state.trim().trim_end_matches(')').split_once(' ').unwrap_or((state, "1"));
        let state: State = state.trim_end_matches(')').parse().unwrap_or_else(|error| panic!("{at}: {error}"));
        let (done, under_way) =
            done.split_once(" under way ").map_or((done, None), |(done, number)| (done, Some(number)));
        let mut row = row(number.parse().expect("a version"), name, text, state, done.parse().expect("a number"));
        row.under_way = under_way.map(|number| number.parse().expect("a number"));
        row
    };
    let mut rows: Vec<Row> = words.split(',').map(|words| recorded(words.trim())).collect();
    rows.sort_by_key(|row| row.version);
    History::Present(rows)
}

/// The answer to a question, as the lines below it.
fn answer(scene: &Scene, question: &str, at: &str) -> String {
    let mut set = support::set(scene.dialects, &scene.migrations);
    let mut parts = question.split(", ");
    let what: Vec<&str> = parts.next().unwrap_or_default().split(' ').collect();
    let mut request = Request::up(Dialect::Postgres);
    let mut with_help = false;
    for part in parts {
        match part {
            "ahead refused" => request.ahead = Ahead::Refuse,
            "late allowed" => request.out_of_order = OutOfOrder::Allow,
            "in one transaction" => request.atomicity = Atomicity::WholeRun,
            "beside others" => request.beside_others = true,
            "on sqlite" => request.dialect = Dialect::Sqlite,
            "with help" => with_help = true,
            other => match other.strip_prefix("profile ").map(|profile| set.with_profiles(&[profile])) {
                Some(Ok(chosen)) => set = chosen,
                Some(Err(unknown)) => return format!("=> {unknown}\n   help: {}\n", unknown.help()),
                None => panic!("{at}: «{other}» is no option"),
            },
        }
    }
    let number = |text: &str| {
        version(
            if text.starts_with('R') { Ok(script(text)) } else { text.parse() }
                .unwrap_or_else(|_| panic!("{at}: «{text}»")),
        )
    };
    let steps = |text: &str| -> usize { text.parse().unwrap_or_else(|_| panic!("{at}: «{text}»")) };
    let mut go = |destination: Destination| {
        request.destination = destination;
        planned(plan::plan(&set, &scene.history, &request), with_help)
    };
    let lines = match what.as_slice() {
        ["up"] => go(UpTo::Latest.into()),
        ["up", "to", to] => go(UpTo::Version(number(to)).into()),
        ["up", count] => go(UpTo::Steps(steps(count)).into()),
        ["down", "to", to] => go(DownTo::Version(number(to)).into()),
        ["down", "empty"] => go(DownTo::Empty.into()),
        ["down", count] => go(DownTo::Steps(steps(count)).into()),
        ["redo", count] => planned(plan::redo(&set, &scene.history, &request, steps(count)), with_help),
        ["baseline", to] => planned(plan::baseline(&set, &scene.history, request.dialect, number(to)), with_help),
        ["accept-edited"] => {
            planned(plan::repair(&set, &scene.history, request.dialect, Repair::AcceptEdited), with_help)
        }
        ["mark-applied", of] => {
            planned(plan::repair(&set, &scene.history, request.dialect, Repair::MarkApplied(number(of))), with_help)
        }
        ["forget", of] => {
            planned(plan::repair(&set, &scene.history, request.dialect, Repair::Forget(number(of))), with_help)
        }
        ["finished", of] => {
            planned(plan::repair(&set, &scene.history, request.dialect, Repair::Finished(number(of))), with_help)
        }
        ["again", of] => {
            planned(plan::repair(&set, &scene.history, request.dialect, Repair::Again(number(of))), with_help)
        }
        ["drift"] => drift::drift(&set, &scene.history).iter().flat_map(|drift| difference(drift, with_help)).collect(),
        ["status"] => stands(&set, &scene.history),
        _ => panic!("{at}: «{question}» is no question"),
    };
    let lines = if lines.is_empty() { vec!["nothing".to_owned()] } else { lines };
    lines.iter().enumerate().map(|(i, line)| format!("{} {line}\n", if i == 0 { "=>" } else { "  " })).collect()
}

fn planned(plan: Result<Plan, Refusal>, with_help: bool) -> Vec<String> {
    match plan {
        Ok(plan) => {
            let steps = plan.steps.iter().map(|step| format!("{} {}", verb(step.action), step.id));
            let steps: Vec<_> = if plan.is_empty() { vec!["nothing to do".to_owned()] } else { steps.collect() };
            let tolerated = plan.tolerated.iter().map(|drift| format!("tolerated: {}: {drift}", drift.code()));
            steps.into_iter().chain(tolerated).collect()
        }
        Err(refusal) => {
            let mut lines = vec!["refused".to_owned()];
            for reason in &refusal.reasons {
                match reason {
                    plan::Reason::Drift(drift) => lines.extend(difference(drift, with_help)),
                    other => {
                        lines.push(other.to_string());
                        lines.extend(with_help.then(|| format!("  help: {}", other.help())));
                    }
                }
            }
            lines
        }
    }
}

fn difference(drift: &Drift, with_help: bool) -> Vec<String> {
    let help = with_help.then(|| format!("  help: {}", drift.help()));
    [format!("{}: {drift}", drift.code())].into_iter().chain(help).collect()
}

fn verb(action: Action) -> String {
    match action {
        Action::Apply => "apply".to_owned(),
        Action::ApplyAgain => "apply again".to_owned(),
        Action::ResumeApply { statements_done } => format!("resume (behind statement {statements_done})"),
        Action::Revert => "revert".to_owned(),
        Action::ResumeRevert { statements_done } => format!("resume down (behind statement {statements_done})"),
        Action::Record => "record".to_owned(),
        Action::Rewrite => "rewrite".to_owned(),
        Action::Forget => "forget".to_owned(),
        Action::Settle { statements_done, finished } => {
            let sum = if finished.is_some() { "" } else { ", no checksum" };
            format!("settle (behind statement {statements_done}{sum})")
        }
    }
}

fn stands(set: &Set, history: &History) -> Vec<String> {
    let status = lockgate_core::status(set, history);
    let current = status.current().map_or("nothing is applied".to_owned(), |entry| format!("at {}", entry.id));
    let up_to_date = if status.is_up_to_date() { "up to date" } else { "not up to date" };
    let mut lines = vec![format!("{current}, {} pending, {up_to_date}", status.pending().count())];
    lines.extend(status.entries.iter().map(|entry| {
        let not_recorded = if entry.skipped { "skipped" } else { "pending" };
        let state = entry.row.as_ref().map_or(not_recorded, |row| row.state.as_str());
        let embedded = if entry.embedded { "" } else { ", not embedded" };
        let reversible = match entry.reversible {
            Some(true) | None => "",
            Some(false) => ", no way back",
        };
        format!("{} {state}{embedded}{reversible}", entry.id)
    }));
    lines.extend(status.repeatables.iter().map(|script| format!("{} {}", script.id, script.state.as_str())));
    lines.extend(status.drift.iter().map(|drift| format!("drift: {}: {drift}", drift.code())));
    lines
}
