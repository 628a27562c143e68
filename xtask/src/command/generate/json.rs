//! A draft as a JSON document, for programs. It is a stable format: keys may be added, but are never removed.

use serde::Serialize;

/// The version of the document.
const VERSION: u32 = 1;

/// The outcome of a draft.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    /// Its files were written.
    Written,
    /// It was only shown.
    DryRun,
    /// There was nothing to do.
    Nothing,
    /// Nothing was written.
    Refused,
}

#[derive(Debug, Serialize)]
pub(super) struct Document {
    version: u32,
    status: Status,
    /// Why it was refused, or what a person must still do.
    message: Option<String>,
    #[serde(flatten)]
    draft: Draft,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Draft {
    /// `sqlite` or `postgres`.
    pub(super) dialect: Option<String>,
    /// Where the desired schema is.
    pub(super) desired: Option<String>,
    pub(super) renames: Vec<String>,
    pub(super) migrations: Vec<Migration>,
    /// The files that belong to it, with their texts.
    pub(super) files: Vec<File>,
    pub(super) proofs: Vec<Proof>,
    pub(super) notes: Vec<String>,
    pub(super) warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Migration {
    pub(super) id: String,
    pub(super) up: Script,
    pub(super) down: Script,
}

#[derive(Debug, Serialize)]
pub(super) struct Script {
    pub(super) path: String,
    pub(super) outside_transaction: bool,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Serialize)]
pub(super) struct Step {
    /// The statement; null if it could not be drafted.
    pub(super) sql: Option<String>,
    pub(super) hazards: Vec<String>,
    /// What a person must decide.
    pub(super) question: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Proof {
    /// The database: `PostgreSQL 17.2`.
    pub(super) on: String,
    pub(super) tables: usize,
    pub(super) tables_with_rows: usize,
    pub(super) tables_without_rows: Vec<String>,
    /// What can fail on tables with rows. The draft was then proven with those tables empty whose rows do not fit.
    pub(super) fails_on_rows: Option<String>,
}

impl Document {
    pub(super) fn new(status: Status, draft: Draft, message: Option<String>) -> Self {
        Self { version: VERSION, status, message, draft }
    }

    /// Why it was refused, or what a person must still do.
    pub(super) fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// The document, without a final newline.
    pub(super) fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("texts and numbers are JSON")
    }
}
