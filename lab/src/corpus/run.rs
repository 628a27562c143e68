//! Runs a set with the plain shell and with Lockgate, and compares the two.

use std::collections::BTreeSet;
use std::fs;

use lockgate_source::sql::{
    self,
    check::{FindingKind, check},
};

use super::build::Runner;
use super::database::{Database, Dialect, Programs};
use super::shell::{compare, shell};
use super::split::{self, Pair};
use super::table::{Answer, Outcome};
use super::{Script, Set};
use lockgate_testing::server::Postgres;
use lockgate_xtask::__private::Failure;

/// What happened when each migration in turn went up, down and up again.
#[derive(Debug, Default)]
struct Each {
    /// Versions whose down script fails, and why.
    broken: Vec<(i64, String)>,
    /// Versions whose up script fails after their down script, and why.
    stuck: Vec<(i64, String)>,
}

pub(super) fn set(
    index: usize,
    set: &Set,
    server: Option<&Postgres>,
    programs: &Programs,
    runner: Option<&Runner>,
) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::new(set);
    if let Some(why) = programs.missing(set.dialect, server) {
        outcome.up = Answer::Untried(why.to_owned());
        return Ok(outcome);
    }
    let folder = set.folder.parent().expect("a set's folder is in its crate");
    let fresh = |name: &str| -> Result<Database<'_>, Failure> {
        let database = Database::create(set.dialect, server, programs, name, folder)?;
        set.prepare.iter().try_for_each(|statement| database.must(statement))?;
        Ok(database)
    };

    let mut plain = fresh("plain")?;
    let mut shell_is_old = false;
    let ups: Vec<&Script> = set.ups.iter().collect();
    if let Err((at, output)) = shell(set, &plain, &ups, false) {
        let lacks = format!("the plain shell fails at `{at}`: {output}");
        // The shell's SQLite may be older than the one that sqlx has in it.
        let Some(runner) = runner.filter(|runner| set.dialect == Dialect::Sqlite && runner.refusal(index).is_none())
        else {
            outcome.up = Answer::Lacks(lacks);
            return Ok(outcome);
        };
        plain = fresh("plain")?;
        let files = ups.iter().map(|script| set.folder.join(&script.path).display().to_string());
        let words: Vec<String> = std::iter::once("plain".to_owned()).chain(files).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        if let Err(also) = runner.run(index, &plain.url(), &words) {
            outcome.up = Answer::Lacks(format!("{lacks}; sqlx's SQLite does as well: {also}"));
            return Ok(outcome);
        }
        shell_is_old = true;
        outcome.notes.push(format!("{lacks}; held against sqlx's own, newer SQLite instead"));
    }
    let Some(runner) = runner else {
        outcome.up = Answer::Untried("the plain shell alone was asked for, and succeeds".to_owned());
        return Ok(outcome);
    };
    if let Some(output) = runner.refusal(index) {
        outcome.up = Answer::Differs(format!("the macro refuses it:\n{output}"));
        return Ok(outcome);
    }

    let ours = fresh("ours")?;
    if let Err(output) = runner.run(index, &ours.url(), &["up"]) {
        outcome.up = Answer::Differs(output);
        return Ok(outcome);
    }
    outcome.up = Answer::Good;
    outcome.same = compare(&plain, &ours)?;
    if outcome.is_different() {
        return Ok(outcome);
    }
    let each = if set.downs.is_empty() {
        Each::default()
    } else {
        back(index, set, runner, [&plain, &ours], fresh, &mut outcome)?
    };
    outcome.grammar = grammar(set, &each)?;
    if outcome.is_different() {
        return Ok(outcome);
    }
    let stuck = each.stuck.into_iter().map(|(version, _)| version).collect();
    let pair = Pair { set, index, runner, shell_is_old, plain: fresh("plain")?, ours: fresh("ours")? };
    outcome.split = split::set(&pair, &stuck)?;
    Ok(outcome)
}

/// Checks that the grammar check accepts every script that the plain shell has run.
fn grammar(set: &Set, by_shell: &Each) -> Result<Answer, Failure> {
    let (mut refused, mut checked) = (Vec::new(), 0);
    let scripts = set.ups.iter().map(|script| (script, true));
    let scripts = scripts.chain(set.downs.iter().map(|script| {
        let broken = by_shell.broken.iter().any(|(version, _)| *version == script.version);
        (script, !broken)
    }));
    for (script, ran) in scripts {
        let path = set.folder.join(&script.path);
        let text = fs::read_to_string(&path)
            .map_err(|e| Failure::impossible(format!("{} cannot be read: {e}", path.display())))?;
        let statements = sql::split(set.dialect.source(), &text).statements;
        checked += 1;
        let Some(finding) = check(set.dialect.source(), &text, &statements, None).into_iter().next() else { continue };
        // In the body of a function, a finding is a warning, and is shown all the same.
        if !finding.kind.is_refusal() && !matches!(finding.kind, FindingKind::Body(_)) {
            continue;
        }
        let line = text[..finding.range.start].matches('\n').count() + 1;
        let message = format!("`{}:{line}`: {}", script.path.display(), finding.kind);
        if ran {
            return Ok(Answer::Differs(format!("the plain shell runs what the grammar check refuses, {message}")));
        }
        refused.push(message);
    }
    Ok(match refused.is_empty() {
        true => Answer::Good,
        false => Answer::Broken(format!(
            "of {checked} scripts, the grammar check refuses these, which fail in the plain shell as well:\n    {}",
            refused.join("\n    ")
        )),
    })
}

/// Reverts and applies the set, and then each migration by itself. Returns what the plain shell cannot run.
fn back<'a>(
    index: usize,
    set: &Set,
    runner: &Runner,
    [plain, ours]: [&Database<'_>; 2],
    fresh: impl Fn(&str) -> Result<Database<'a>, Failure>,
    outcome: &mut Outcome,
) -> Result<Each, Failure> {
    // Revert as far as every migration has a down script.
    let with_down: BTreeSet<i64> = set.downs.iter().map(|script| script.version).collect();
    let floor = set.ups.iter().rev().map(|script| script.version).find(|version| !with_down.contains(version));
    let downs: Vec<&Script> = set.downs.iter().rev().filter(|script| Some(script.version) > floor).collect();
    let by_shell = shell(set, plain, &downs, true);
    let destination = floor.map_or("empty".to_owned(), |version| version.to_string());
    let by_us = runner.run(index, &ours.url(), &["down", &destination]);
    outcome.down = agreement(&by_shell, &by_us, compare(plain, ours)?);
    if outcome.is_different() {
        return Ok(Each::default());
    }

    let reached =
        by_shell.as_ref().err().and_then(|(at, _)| set.downs.iter().find(|s| s.path.display().to_string() == *at));
    let above = reached.map(|script| script.version).or(floor);
    let again: Vec<&Script> = set.ups.iter().filter(|script| Some(script.version) > above).collect();
    let by_shell = shell(set, plain, &again, true);
    let by_us = runner.run(index, &ours.url(), &["up"]);
    outcome.up_again = agreement(&by_shell, &by_us, compare(plain, ours)?);
    if outcome.is_different() {
        return Ok(Each::default());
    }

    // A broken down script hides older ones, so revert each migration by itself.
    let (by_shell, plain) = each_by_shell(set, || fresh("plain"))?;
    let one_way = set.ups.iter().map(|script| script.version).filter(|version| !with_down.contains(version)).collect();
    outcome.each = match each_by_us(index, runner, one_way, || fresh("ours"))? {
        Ok((by_us, ours)) => match compare(&plain, &ours)? {
            Answer::Good => compare_each(set, &by_shell, &by_us),
            other => other,
        },
        Err(report) => Answer::Differs(format!("one by one, lockgate fails:\n{report}")),
    };
    Ok(by_shell)
}

/// Checks that both succeed, or fail at the same file and leave the same schema.
fn agreement(by_shell: &Result<(), (String, String)>, by_us: &Result<String, String>, schema: Answer) -> Answer {
    match (by_shell, by_us) {
        (Ok(()), Ok(_)) => schema,
        (Err((at, output)), Err(report)) if report.contains(at.as_str()) => match schema {
            Answer::Good => Answer::Broken(format!("`{at}` fails in the plain shell as well: {output}")),
            other => other,
        },
        (Err((at, output)), Err(report)) => {
            Answer::Differs(format!("the plain shell fails at `{at}` ({output}), lockgate elsewhere:\n{report}"))
        }
        (Ok(()), Err(report)) => Answer::Differs(format!("the plain shell succeeds, lockgate fails:\n{report}")),
        (Err((at, output)), Ok(_)) => {
            Answer::Differs(format!("the plain shell fails at `{at}` ({output}), lockgate succeeds"))
        }
    }
}

fn each_by_shell<'a>(
    set: &Set,
    fresh: impl Fn() -> Result<Database<'a>, Failure>,
) -> Result<(Each, Database<'a>), Failure> {
    let mut each = Each::default();
    'fresh: loop {
        let database = fresh()?;
        each.broken.clear();
        for up in &set.ups {
            // The first application has been compared already.
            let _ = shell(set, &database, &[up], true);
            let passed_over = each.stuck.iter().any(|(version, _)| *version == up.version);
            let Some(down) = set.downs.iter().find(|down| down.version == up.version).filter(|_| !passed_over) else {
                continue;
            };
            if let Err((_, output)) = shell(set, &database, &[down], true) {
                each.broken.push((up.version, output));
            } else if let Err((_, output)) = shell(set, &database, &[up], true) {
                each.stuck.push((up.version, output));
                continue 'fresh;
            }
        }
        return Ok((each, database));
    }
}

fn each_by_us<'a>(
    index: usize,
    runner: &Runner,
    one_way: Vec<i64>,
    fresh: impl Fn() -> Result<Database<'a>, Failure>,
) -> Result<Result<(Each, Database<'a>), String>, Failure> {
    let mut each = Each::default();
    loop {
        let database = fresh()?;
        let stuck = each.stuck.iter().map(|(version, _)| version);
        let without: Vec<String> = one_way.iter().chain(stuck).map(i64::to_string).collect();
        let output = match runner.run(index, &database.url(), &["each", &without.join(",")]) {
            Ok(output) => output,
            Err(report) => return Ok(Err(report)),
        };
        each.broken.clear();
        let stuck = each.stuck.len();
        for line in output.lines() {
            let mut words = line.splitn(3, ' ');
            let kind = words.next().unwrap_or_default();
            let Some(version) = words.next().and_then(|digits| digits.parse().ok()) else { continue };
            let list = if kind == "broken" { &mut each.broken } else { &mut each.stuck };
            list.push((version, words.next().unwrap_or_default().to_owned()));
        }
        if each.stuck.len() == stuck {
            return Ok(Ok((each, database)));
        }
    }
}

fn compare_each(set: &Set, by_shell: &Each, by_us: &Each) -> Answer {
    let versions = |list: &[(i64, String)]| list.iter().map(|(version, _)| *version).collect::<BTreeSet<_>>();
    let name = |version: i64| {
        let down = set.downs.iter().find(|script| script.version == version);
        down.map_or_else(|| version.to_string(), |script| script.path.display().to_string())
    };
    let mut message = String::new();
    for (what, shell, us) in [
        ("fails", &by_shell.broken, &by_us.broken),
        ("leaves something that bars the way up again", &by_shell.stuck, &by_us.stuck),
    ] {
        if let Some(version) = versions(shell).symmetric_difference(&versions(us)).next() {
            let (who, list) =
                if versions(us).contains(version) { ("lockgate", us) } else { ("the plain shell", shell) };
            let output = list.iter().find(|(other, _)| other == version).map_or("", |(_, output)| output);
            return Answer::Differs(format!("only in {who}, `{}` {what}: {output}", name(*version)));
        }
        for (version, output) in shell {
            let first = output.lines().next().unwrap_or_default();
            message += &format!("\n    `{}` {what}: {first}", name(*version));
        }
    }
    if message.is_empty() {
        return Answer::Good;
    }
    Answer::Broken(format!("published scripts down that are broken, one by one, in the plain shell as well:{message}"))
}
