//! `cargo xtask adopt`: makes the folder of another tool one of Lockgate.

use std::collections::BTreeSet;

use anstream::println;
use lockgate_source::Severity;
use lockgate_source::convert::{self, Evidence, Options, Tool};
use lockgate_source::core::Dialect;

use super::convert::Convert;
use super::init::{self, Start, Tests};
use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::project::Package;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Without `--write`, the command shows which files it would rename, split and write, and changes nothing. \
                  With `--write` it makes all changes or none, and overwrites nothing. Files that git tracks are moved as \
                  `git mv` moves them, so that their history is kept; edits that are not staged stay unstaged. A folder \
                  in the layout of sqlx or golang-migrate stays as it is. The package is set up as by `init`, which is for new \
                  folders: type one of the two. The history in a database is taken over by `app adopt`, a command of \
                  your own program."
)]
pub(crate) struct Arguments {
    /// The tool whose layout the folder has: refinery, diesel, goose, dbmate, golang-migrate, flyway, sqitch, sqlx and
    /// others; it may be left out where only one tool writes such files
    #[arg(long, value_name = "TOOL")]
    from: Option<Tool>,
    /// Make the changes that are shown without it
    #[arg(long)]
    write: bool,
    /// Write a test for each migration, which fails until you write it, even if `migrations.toml` does not require tests
    #[arg(long)]
    tests: bool,
    /// Take Flyway's `${…}` for ordinary text, as Flyway does with `placeholderReplacement = false`
    #[arg(long)]
    keep_placeholders: bool,
    /// The package that embeds the folder
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
    /// The databases that every script must be valid for: postgres, sqlite, mysql (separated by commas);
    /// by default those that the features of the package's `lockgate` or `sqlx` enable
    #[arg(long, value_delimiter = ',')]
    dialects: Vec<Dialect>,
}

pub(crate) fn run(arguments: &Arguments, invocation: Invocation) -> Result<(), Failure> {
    let start = Start::find(arguments.package.as_deref(), &arguments.dialects)?;
    let (folder, package) = (&start.before.folder, &start.package);
    if folder.directories.is_empty() {
        return Err(Failure::impossible(format!(
            "there is no folder `{}`: name the package with `--package`",
            package.shown
        )));
    }
    let evidence = convert::evidence(folder, folder.policy.dialects.unwrap_or(start.dialects));
    let from = tool(arguments.from, &evidence, package)?;
    let options = Options { from, keep_placeholders: arguments.keep_placeholders };
    let convert = Convert::plan(folder, package, start.dialects, options)?;
    let loaded = convert.as_ref().map_or(&start.before, |convert| &convert.loaded);
    let has_sql = start.before.diagnostics.iter().any(|problem| problem.file.ends_with(".sql"));
    if loaded.folder.migrations.is_empty() && !has_sql {
        let prints = from.and_then(Tool::prints).map(|prints| format!("; {prints}")).unwrap_or_default();
        return Err(Failure::refused(format!(
            "`{}` has no migration in SQL, and only SQL can be taken over: write the SQL of each migration into a file such as \
             `{}/0001_users.up.sql`{prints}",
            package.shown, package.shown
        )));
    }
    match &convert {
        Some(convert) => convert.show(package),
        None => {
            println!("no file of `{}` has to be renamed or split", package.shown);
            Convert::show_left(folder, start.dialects, options);
        }
    }
    let tests = if arguments.tests { Tests::Required } else { Tests::IfRequired };
    if arguments.write {
        start.write(convert.as_ref(), tests, invocation)?;
    } else {
        for file in init::missing_tests(&loaded.folder, package, tests) {
            println!("  new     {}", start.project.shown(&package.path_of(&file.path)));
        }
    }
    let found = start.checked(&loaded.folder);
    let problems = found.diagnostics.iter().filter(|problem| problem.severity == Severity::Error).count();
    match (arguments.write, problems) {
        (true, 0) => println!("now run `cargo xtask check`, then `app adopt` of your own program on each database"),
        (true, _) => println!("now run `cargo xtask check`: it shows {}", these(problems)),
        (false, _) => {
            if problems > 0 {
                println!("after that, `{} check` would show {}", invocation.program(), these(problems));
            }
            println!("nothing was changed: run `{}` to do it", command(arguments, from, invocation));
        }
    }
    Ok(())
}

/// Returns the tool that the folder is from: the one that was named, or the only one that the files point to.
fn tool(named: Option<Tool>, evidence: &[Evidence], package: &Package) -> Result<Option<Tool>, Failure> {
    let folder = &package.shown;
    let Some((first, others)) = evidence.split_first() else { return Ok(named) };
    let mut common: BTreeSet<Tool> = first.tools.clone();
    for Evidence { path, tools } in others {
        let both: BTreeSet<Tool> = common.intersection(tools).copied().collect();
        if both.is_empty() {
            return Err(Failure::refused(format!(
                "`{folder}/{}` is a file of {}, and `{folder}/{path}` one of {}: put each into a folder of its own",
                first.path,
                list(&common),
                list(tools),
            )));
        }
        common = both;
    }
    match (named, common.iter().copied().collect::<Vec<Tool>>().as_slice()) {
        (Some(named), _) if common.contains(&named) => Ok(Some(named)),
        (Some(named), tools) => Err(Failure::refused(format!(
            "`{folder}/{}` is a file of {}, and not of {named}, whose layout is {}: type {}",
            first.path,
            list(&common),
            named.layout(),
            tools.iter().map(|tool| format!("`--from {tool}`")).collect::<Vec<_>>().join(" or "),
        ))),
        (None, [tool]) => Ok(Some(*tool)),
        (None, _) => Err(Failure::refused(format!(
            "`{folder}/{}` can be a file of {}: say which with `--from`",
            first.path,
            list(&common),
        ))),
    }
}

fn list(tools: &BTreeSet<Tool>) -> String {
    tools.iter().map(|tool| tool.word()).collect::<Vec<_>>().join(" or ")
}

fn these(problems: usize) -> String {
    if problems == 1 { "1 problem".to_owned() } else { format!("{problems} problems") }
}

/// Returns the command that was typed, with `--write`.
fn command(arguments: &Arguments, from: Option<Tool>, invocation: Invocation) -> String {
    let mut line = format!("{} adopt", invocation.program());
    if let Some(from) = from {
        line.push_str(&format!(" --from {from}"));
    }
    if arguments.tests {
        line.push_str(" --tests");
    }
    if arguments.keep_placeholders {
        line.push_str(" --keep-placeholders");
    }
    if let Some(package) = &arguments.package {
        line.push_str(&format!(" --package {package}"));
    }
    if !arguments.dialects.is_empty() {
        let dialects: Vec<&str> = arguments.dialects.iter().map(|dialect| dialect.as_str()).collect();
        line.push_str(&format!(" --dialects {}", dialects.join(",")));
    }
    line + " --write"
}
