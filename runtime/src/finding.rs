//! What `doctor` finds: one fact about a database, how bad it is, and what to do.

use std::fmt;

use lockgate_core::Audience;
#[cfg(feature = "databases")]
use lockgate_core::audience::on_bootstraps;

#[cfg(feature = "databases")]
use crate::error::Error;
use crate::error::{Cause, Wording};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The fact is as it should be.
    Ok,
    /// A run works now, but this costs something or may stop one later.
    Warning,
    /// A run does not work.
    Problem,
}

impl Verdict {
    /// Its name: `ok`, `warning` or `problem`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One fact about a database.
#[derive(Clone, Debug)]
pub struct Finding {
    check: &'static str,
    verdict: Verdict,
    fact: Wording,
    advice: Vec<Wording>,
}

impl Finding {
    pub(crate) fn ok(check: &'static str, fact: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, fact: fact.into().into(), advice: Vec::new() }
    }

    pub(crate) fn warning(check: &'static str, fact: impl Into<Wording>, advice: impl Into<Wording>) -> Self {
        Self { check, verdict: Verdict::Warning, fact: fact.into(), advice: vec![advice.into()] }
    }

    pub(crate) fn problem(check: &'static str, fact: impl Into<Wording>, advice: impl Into<Wording>) -> Self {
        Self { verdict: Verdict::Problem, ..Self::warning(check, fact, advice) }
    }

    /// A problem that stopped the examination, with the advice that a run would give.
    pub(crate) fn of_cause(check: &'static str, cause: &Cause) -> Self {
        let audience = |audience| cause.help(audience);
        let advice = audience(Audience::Rust).is_some().then(|| Wording::each(|of| audience(of).unwrap_or_default()));
        let (fact, advice) = (Wording::from(cause.to_string()), advice.into_iter().collect());
        Self { check, verdict: Verdict::Problem, fact, advice }
    }

    /// A problem that an error reports, with its advice.
    #[cfg(feature = "databases")]
    pub(crate) fn of_error(check: &'static str, error: &Error) -> Self {
        let fact = Wording::each(|audience| {
            let report = error.report_for(audience);
            let reasons = report.reasons().map(|(reason, _)| reason);
            let more: Vec<&str> = report.database_message().into_iter().chain(reasons).collect();
            if more.is_empty() {
                report.summary().to_owned()
            } else {
                format!("{}: {}", report.summary(), more.join("; "))
            }
        });
        let advice = Wording::each(|audience| {
            let report = error.report_for(audience);
            let of_reasons = report.reasons().map(|(_, help)| help);
            let each: Vec<&str> = report.help().iter().map(String::as_str).chain(of_reasons).collect();
            each.join("; ")
        });
        Self::problem(check, fact, advice)
    }

    pub(crate) fn with_advice(mut self, advice: impl Into<Wording>) -> Self {
        self.advice.push(advice.into());
        self
    }

    /// The same finding, with the advice for a command line changed.
    #[doc(hidden)]
    #[must_use]
    pub fn advised(mut self, change: impl Fn(&str) -> String) -> Self {
        for advice in &mut self.advice {
            *advice = Wording::each(|audience| match audience {
                Audience::CommandLine => change(advice.to(audience)),
                Audience::Rust => advice.to(audience).to_owned(),
            });
        }
        self
    }

    /// The same finding about the bootstraps of a database; see [`Error::on_bootstraps`].
    #[cfg(feature = "databases")]
    pub(crate) fn on_bootstraps(self, database: &str) -> Self {
        self.advised(|help| on_bootstraps(help, database))
    }

    /// What was looked at, as a stable word: `privileges`, `invalid-index`.
    pub fn check(&self) -> &'static str {
        self.check
    }

    /// How bad it is.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The fact.
    pub fn fact(&self) -> &str {
        self.fact.to(Audience::Rust)
    }

    /// The same in the words of an audience.
    pub fn fact_for(&self, audience: Audience) -> &str {
        self.fact.to(audience)
    }

    /// What to do about it. Statements to type are in backticks.
    pub fn advice(&self) -> impl Iterator<Item = &str> {
        self.advice_for(Audience::Rust)
    }

    /// The same in the words of an audience. A command line names commands, Rust names functions.
    pub fn advice_for(&self, audience: Audience) -> impl Iterator<Item = &str> {
        self.advice.iter().map(move |advice| advice.to(audience))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.verdict, self.check, self.fact())?;
        self.advice().try_for_each(|advice| write!(f, "; {advice}"))
    }
}

/// What to examine besides the cheap facts.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Examination {
    /// Whether to read the whole file of a SQLite database (`PRAGMA integrity_check`). Default: no.
    pub integrity: bool,
    /// A transaction of another session that is open for longer and holds locks is reported. Default: 1 min.
    pub long_transaction: std::time::Duration,
}

impl Default for Examination {
    fn default() -> Self {
        Self { integrity: false, long_transaction: std::time::Duration::from_secs(60) }
    }
}
