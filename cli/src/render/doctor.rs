//! Formats what `doctor` found: one line a fact, and under it what to do.

use lockgate::Audience;
use lockgate::doctor::{Finding, Verdict};

use crate::answer::Aim;

use super::{BAD, GOOD, HELP, WAITING, count, paint, words};

/// Where less is left for the sentences, the terminal breaks them itself.
const NARROWEST: usize = 30;

/// Formats the findings, and a summary. A terminal of this width breaks sentences between words.
pub(crate) fn findings(findings: &[Finding], aim: &Aim, width: Option<u16>) -> String {
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
            indented(finding.fact_for(Audience::CommandLine), widest + 11, width)
        ));
        for advice in finding.advice_for(Audience::CommandLine) {
            let margin = " ".repeat(widest + 11);
            text.push_str(&format!(
                "{margin}{} {}\n",
                paint(HELP, "help:"),
                indented(&aim.advise(advice), widest + 17, width)
            ));
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

/// The lines of a text, all but the first behind a margin.
fn indented(text: &str, margin: usize, width: Option<u16>) -> String {
    let room = width.map(|width| usize::from(width).saturating_sub(margin)).filter(|room| *room >= NARROWEST);
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let mut piece = String::new();
        for word in words(line, room.unwrap_or(usize::MAX)) {
            if !piece.is_empty() && room.is_some_and(|room| piece.chars().count() + 1 + word.chars().count() > room) {
                lines.push(std::mem::take(&mut piece));
            }
            if !piece.is_empty() {
                piece.push(' ');
            }
            piece.push_str(word);
        }
        lines.push(piece);
    }
    lines.join(&format!("\n{}", " ".repeat(margin)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_breaks_sentences_between_words_behind_the_margin() {
        let text = "the role has SELECT ON public.lockgate_history, INSERT ON public.lockgate_log";
        let lines = ["the role has SELECT ON", "public.lockgate_history, INSERT ON", "public.lockgate_log"];
        assert_eq!(indented(text, 6, Some(40)), lines.join("\n      "));
        assert_eq!(indented(text, 6, Some(30)), text, "a narrow terminal breaks lines itself");
        assert_eq!(indented(text, 6, None), text);
    }
}
