//! `doctor`: checks the database for everything that could stop a run.

use std::time::Duration;

use lockgate::doctor::{self, Examination, Finding, Verdict};

use crate::answer::{Answer, Body};
use crate::command_error::CommandError;
use crate::duration;
use crate::exit::Exit;
use crate::invocation::{Access, Invocation};

/// The arguments of `doctor`.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// Read the whole file too, and check it (SQLite)
    #[arg(long)]
    pub integrity: bool,
    /// Report other sessions that hold locks in a transaction open for longer than this (PostgreSQL)
    #[arg(long, value_name = "TIME", default_value = "1min", value_parser = duration::parse)]
    pub long_transaction: Duration,
}

/// Shows the findings. Ends with [`Exit::Refused`] if there is a problem; warnings do not count.
pub(super) async fn run(invocation: &Invocation<'_>, arguments: &Arguments) -> Result<Answer, CommandError> {
    let mut examination = Examination::default();
    examination.integrity = arguments.integrity;
    examination.long_transaction = arguments.long_transaction;
    let migrator = invocation.migrator();
    let findings = match invocation.missing_file() {
        #[cfg(feature = "sqlite")]
        Some(file) => doctor::examine_missing_file(&migrator, &file, examination).await?,
        _ => doctor::examine(&migrator, &mut invocation.connect(Access::Read).await?, examination).await?,
    };
    Ok(answer(findings))
}

/// The answer with these findings.
pub(crate) fn answer(findings: Vec<Finding>) -> Answer {
    let has_problem = findings.iter().any(|finding| finding.verdict() == Verdict::Problem);
    let exit = if has_problem { Exit::Refused } else { Exit::Done };
    Answer { exit, body: Body::Examined(findings) }
}
