//! The table of results: a row for each set, and notes below the table.

use comfy_table::{Cell, CellAlignment, Table, presets};

use super::Set;

/// One cell: how one step of a set went.
#[derive(Debug)]
pub(super) enum Answer {
    /// The same as with the plain shell.
    Good,
    /// There is nothing to try.
    Nothing,
    /// Not run here, and why.
    Untried(String),
    /// The plain shell fails too: the set needs something that this server lacks.
    Lacks(String),
    /// The published script fails with the plain shell too.
    Broken(String),
    /// Lockgate gives another result than the plain shell.
    Differs(String),
}

/// One row.
#[derive(Debug)]
pub(super) struct Outcome {
    name: String,
    dialect: String,
    files: usize,
    statements: usize,
    pub(super) up: Answer,
    pub(super) same: Answer,
    pub(super) down: Answer,
    pub(super) up_again: Answer,
    pub(super) each: Answer,
    /// Whether the grammar check accepts what the plain shell runs.
    pub(super) grammar: Answer,
    pub(super) split: Answer,
    pub(super) notes: Vec<String>,
}

impl Outcome {
    pub(super) fn new(set: &Set) -> Self {
        Self {
            name: set.name.clone(),
            dialect: set.dialect.to_string(),
            files: set.ups.len() + set.downs.len(),
            statements: set.statements,
            up: Answer::Nothing,
            same: Answer::Nothing,
            down: Answer::Nothing,
            up_again: Answer::Nothing,
            each: Answer::Nothing,
            grammar: Answer::Nothing,
            split: Answer::Nothing,
            notes: set.notes.clone(),
        }
    }

    fn answers(&self) -> [&Answer; 7] {
        [&self.up, &self.same, &self.down, &self.up_again, &self.each, &self.grammar, &self.split]
    }

    pub(super) fn is_different(&self) -> bool {
        self.answers().into_iter().any(|answer| matches!(answer, Answer::Differs(_)))
    }
}

impl Answer {
    fn word(&self) -> &'static str {
        match self {
            Self::Good => "yes",
            Self::Nothing => "-",
            Self::Untried(_) => "not tried",
            Self::Lacks(_) => "lacks",
            Self::Broken(_) => "broken",
            Self::Differs(_) => "NO",
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Good | Self::Nothing => None,
            Self::Untried(text) | Self::Lacks(text) | Self::Broken(text) | Self::Differs(text) => Some(text),
        }
    }
}

/// The table.
pub(super) fn render(outcomes: &[Outcome]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "set",
        "dialect",
        "files",
        "statements",
        "up",
        "same schema",
        "down",
        "up again",
        "one by one",
        "grammar",
        "by statement",
    ]);
    for outcome in outcomes {
        let numbers = [outcome.files, outcome.statements];
        let mut row = vec![Cell::new(&outcome.name), Cell::new(&outcome.dialect)];
        row.extend(numbers.map(|number| Cell::new(number).set_alignment(CellAlignment::Right)));
        row.extend(outcome.answers().map(|answer| Cell::new(answer.word())));
        table.add_row(row);
    }
    table.lines().map(|line| line.trim().to_owned() + "\n").collect()
}

/// Returns the notes on a row.
pub(super) fn notes(outcome: &Outcome) -> Vec<String> {
    let steps = ["up", "schema", "down", "up again", "one by one", "grammar", "by statement"];
    let notes = outcome.notes.iter().map(|note| format!("{}: {note}", outcome.name));
    let answers = outcome.answers().into_iter().zip(steps).filter_map(|(answer, step)| Some((answer.text()?, step)));
    notes.chain(answers.map(|(text, step)| format!("{}: {step}: {text}", outcome.name))).collect()
}
