//! Formats what `doctor` found: one line a fact, and under it what to do.

use lockgate::Front;
use lockgate::doctor::{Finding, Verdict};

use super::{BAD, GOOD, HELP, WAITING, count, paint};

/// Formats the findings, and a summary.
pub(crate) fn findings(findings: &[Finding]) -> String {
    let widest = findings.iter().map(|finding| finding.check().len()).max().unwrap_or_default();
    let mut text = String::new();
    for finding in findings {
        let style = match finding.verdict() {
            Verdict::Ok => GOOD,
            Verdict::Warning => WAITING,
            Verdict::Problem => BAD,
        };
        // Padded before it is painted, because a colour has no width.
        let verdict = paint(style, format_args!("{:<7}", finding.verdict().as_str()));
        let check = format!("{:<widest$}", finding.check());
        text.push_str(&format!(
            "{verdict}  {check}  {}\n",
            indented(finding.fact_for(Front::CommandLine), widest + 11)
        ));
        for advice in finding.advice_for(Front::CommandLine) {
            let margin = " ".repeat(widest + 11);
            text.push_str(&format!("{margin}{} {}\n", paint(HELP, "help:"), indented(advice, widest + 17)));
        }
    }
    let number = |verdict| findings.iter().filter(|finding| finding.verdict() == verdict).count();
    let summary = match (number(Verdict::Problem), number(Verdict::Warning)) {
        (0, 0) => paint(GOOD, "nothing is in the way of a run"),
        (0, warnings) => paint(WAITING, count(warnings, "warning")),
        (problems, 0) => paint(BAD, count(problems, "problem")),
        (problems, warnings) => {
            format!("{}, {}", paint(BAD, count(problems, "problem")), paint(WAITING, count(warnings, "warning")))
        }
    };
    format!("{text}\n{summary}")
}

fn indented(text: &str, margin: usize) -> String {
    text.replace('\n', &format!("\n{}", " ".repeat(margin)))
}
