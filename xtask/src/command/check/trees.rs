//! Compares what `create/` makes with what `deployment/` makes, each on a throwaway database.

use anstream::eprintln;
use lockgate_schema::{between, compare};
use lockgate_source::core::table::BodyData;
use lockgate_source::core::{CompanionKind, Dialect};
use lockgate_source::folder::{Folder, Loaded};
use lockgate_source::{Code, Diagnostic};
use lockgate_testing::server::{ErrorKind, require};

use crate::failure::Failure;
use crate::schema::{self, NoSchema};
use crate::scripts;

/// Compares the two on each database that the policy names, and adds the differences to the folder's findings. Returns a
/// summary; `None` if the folder has no tree `create/`.
pub(super) fn run(loaded: &mut Loaded) -> Result<Option<String>, Failure> {
    let folder = &loaded.folder;
    if folder.companion(CompanionKind::Create).is_none() {
        return Ok(None);
    }
    let not_compared = |why: &str| Ok(Some(format!("`create/` was not compared with `deployment/`: {why}")));
    if !scripts::can_run(&loaded.diagnostics) {
        return not_compared("fix the errors first");
    }
    if folder.migrations.iter().any(|migration| migration.up.body == BodyData::Rust) {
        return not_compared("there is a Rust step, and the tests of the migrations compare them");
    }
    let dialects = [Dialect::Sqlite, Dialect::Postgres].into_iter().filter(|dialect| scripts::is_for(folder, *dialect));
    let dialects: Vec<Dialect> = dialects.collect();
    if dialects.is_empty() {
        return not_compared("the policy names neither `sqlite` nor `postgres`");
    }
    let mut found = Vec::new();
    let mut on = Vec::new();
    for dialect in dialects {
        match on_database(folder, dialect)? {
            Some(mut differences) => {
                on.push(dialect.product());
                found.append(&mut differences);
            }
            None => return not_compared("PostgreSQL is not installed"),
        }
    }
    let how = if found.is_empty() { "alike" } else { "unlike" };
    loaded.diagnostics.append(&mut found);
    lockgate_source::diagnostic::sort(&mut loaded.diagnostics);
    Ok(Some(format!("`create/` and `deployment/` are {how} on {}", on.join(" and "))))
}

/// Returns the differences on a database of this dialect; `None` if this machine has no server.
fn on_database(folder: &Folder, dialect: Dialect) -> Result<Option<Vec<Diagnostic>>, Failure> {
    let shown = folder.show("create");
    let error = |message: String| Diagnostic::error(Code::TreesDiffer, shown.clone(), message);
    let deployed = schema::of_folder(folder, folder.migrations.len(), dialect);
    let (deployed, created) = match (deployed, schema::of_create(folder, dialect)) {
        (Ok(deployed), Ok(created)) => (deployed, created),
        (Err(NoSchema::Server(e)), _) | (_, Err(NoSchema::Server(e))) => {
            if e.kind() == ErrorKind::NotFound && !require::requires("postgres")? {
                let yellow = anstyle::AnsiColor::Yellow.on_default().bold();
                eprintln!("{yellow}skipped{yellow:#}: the comparison of the trees of {}: postgres: {e}", folder.shown);
                return Ok(None);
            }
            return Err(e.into());
        }
        (Err(NoSchema::Other(e)), _) | (_, Err(NoSchema::Other(e))) => return Err(Failure::impossible(e)),
        (deployed, created) => {
            let failed = [("deployment/", deployed.err()), ("create/", created.err())].into_iter();
            let failed = failed.filter_map(|(tree, failed)| match failed? {
                NoSchema::Error(failed) => {
                    let report = failed.report_for(lockgate::Audience::CommandLine);
                    Some(
                        error(format!("`{tree}` fails on {}: {report}", dialect.product())).help("correct what failed"),
                    )
                }
                NoSchema::Server(_) | NoSchema::Other(_) => None,
            });
            return Ok(Some(failed.collect()));
        }
    };
    let differences = compare(&deployed, &created);
    let lines = between(&differences, "`deployment/`", "`create/`");
    Ok(Some(
        lines
            .into_iter()
            .map(|line| {
                error(format!("on {}: {line}", dialect.product()))
                    .help("if the deployment is right, write the same into `create/`")
                    .help(
                        "if `create/` is right, write the deployment: `cargo xtask new-migration \"what it changes\"`",
                    )
            })
            .collect(),
    ))
}
