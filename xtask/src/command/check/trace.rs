//! `check --trace`: starts a throwaway server, and shows the results of the trace as a table for people and in the JSON
//! document.

use anstream::eprintln;
use comfy_table::{Table, presets};
use lockgate_source::Diagnostic;
use lockgate_source::core::Dialect;
use lockgate_source::folder::{Folder, Loaded};
use serde::Serialize;

use crate::failure::Failure;
use crate::scripts;
use crate::trace::{Difference, Draft, Effect, trace};
use lockgate_testing::server::{ErrorKind, Options, Postgres, require};

/// The results of a trace in the JSON document. Keys may be added, but are never removed.
#[derive(Debug, Default, Serialize)]
pub(super) struct Trace {
    /// A summary for people.
    pub(super) summary: String,
    /// The version of the server; `None` if nothing ran.
    server: Option<String>,
    migrations: Vec<Migration>,
}

#[derive(Debug, Serialize)]
struct Migration {
    id: String,
    file: String,
    transactional: bool,
    #[serde(skip)]
    controls: bool,
    effects: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    line: usize,
    column: usize,
    relation: String,
    kind: &'static str,
    lock: Option<String>,
    blocks: Option<&'static str>,
    /// The lock that was predicted from the text of the statement; `None` if it is not stronger than that of a program
    /// that writes rows.
    predicted: Option<String>,
    /// Whether the predicted lock differs from the one that was taken.
    differs: bool,
    #[serde(skip)]
    difference: Option<Difference>,
    rewritten: bool,
    scanned: bool,
    indexes: Vec<String>,
}

fn not_traced(why: &str) -> Trace {
    Trace { summary: format!("not traced: {why}"), ..Trace::default() }
}

/// Traces a folder, and adds what it found to the folder's findings.
pub(super) fn run(loaded: &mut Loaded) -> Result<Trace, Failure> {
    let required = require::requires("postgres")?;
    if !scripts::is_for(&loaded.folder, Dialect::Postgres) {
        return Ok(not_traced("the policy does not name `postgres`"));
    }
    if loaded.folder.migrations.is_empty() && loaded.folder.repeatables().is_empty() {
        return Ok(not_traced("there are no migrations"));
    }
    if !scripts::can_run(&loaded.diagnostics) {
        return Ok(not_traced("fix the errors first"));
    }
    let folders = loaded.folder.split_by_database();
    let mut all = Trace::default();
    let mut summaries = Vec::new();
    // Each database gets its own server, as roles belong to a server.
    for folder in &folders {
        let mut traced = of_folder(folder, required, &mut loaded.diagnostics)?;
        summaries.push(scripts::name_database(folder, folders.len(), traced.summary));
        all.server = traced.server.or(all.server);
        all.migrations.append(&mut traced.migrations);
    }
    lockgate_source::diagnostic::sort(&mut loaded.diagnostics);
    all.summary = summaries.join("; ");
    Ok(all)
}

/// Traces the migrations of one database.
fn of_folder(folder: &Folder, required: bool, found: &mut Vec<Diagnostic>) -> Result<Trace, Failure> {
    // The locks of an autovacuum would look like a wait of the script.
    let server = match Postgres::start(&Options::default().setting("autovacuum", "off")) {
        Ok(server) => server,
        Err(e) if e.kind() == ErrorKind::NotFound && !required => {
            let yellow = anstyle::AnsiColor::Yellow.on_default().bold();
            eprintln!("{yellow}skipped{yellow:#}: the trace of {}: postgres: {e}", folder.shown);
            return Ok(not_traced("PostgreSQL is not installed"));
        }
        Err(e) => return Err(e.into()),
    };
    let traced = trace(folder, &server.url("postgres"));
    let traced = traced.map_err(|e| Failure::impossible(format!("the trace failed: PostgreSQL reports: {e}")))?;
    found.extend(traced.diagnostics);

    let (major, minor) = server.version();
    let (applied, all) = (traced.applied, folder.migrations.len());
    let of = if applied < all { format!(" of {all}") } else { String::new() };
    let roles = match &*traced.roles {
        [] => String::new(),
        roles => format!(", with roles that no script creates ({})", roles.join(", ")),
    };
    let twice = match traced.repeated {
        0 => String::new(),
        1 => ", 1 repeatable script twice".to_owned(),
        many => format!(", {many} repeatable scripts twice"),
    };
    Ok(Trace {
        summary: format!("traced on PostgreSQL {major}.{minor}: {applied}{of} up{twice}{roles}"),
        server: Some(format!("{major}.{minor}")),
        migrations: traced.drafts.into_iter().map(Migration::from).collect(),
    })
}

impl Trace {
    /// Describes what each draft did, for people.
    pub(super) fn text(&self) -> String {
        self.migrations.iter().map(Migration::text).collect()
    }
}

impl From<Draft> for Migration {
    fn from(draft: Draft) -> Self {
        let effects = draft.effects.into_iter().map(Line::from).collect();
        Self { id: draft.id, file: draft.file, transactional: draft.transactional, controls: draft.controls, effects }
    }
}

impl From<Effect> for Line {
    fn from(effect: Effect) -> Self {
        Self {
            line: effect.line,
            column: effect.column,
            relation: effect.relation,
            kind: effect.kind,
            lock: effect.lock.map(|lock| lock.to_string()),
            blocks: effect.lock.map(|lock| lock.blocks()),
            predicted: effect.predicted.map(|lock| lock.to_string()),
            differs: effect.differs.is_some(),
            difference: effect.differs,
            rewritten: effect.rewritten,
            scanned: effect.scanned,
            indexes: effect.indexes,
        }
    }
}

impl Migration {
    fn text(&self) -> String {
        if self.effects.is_empty() {
            return format!("  {}: locks nothing that existed before it\n", self.file);
        }
        let until = match (self.transactional, self.controls) {
            (true, _) => "each lock is held until its transaction ends",
            (false, true) => {
                "each lock is held until the transaction that the script opened ends, or for its statement"
            }
            (false, false) => "each lock is held for its statement",
        };
        let mut table = Table::new();
        table.force_no_tty().load_style(presets::NOTHING);
        table.set_header(["line", "relation", "lock", "predicted", "blocks", "also"]);
        let mut last = None;
        for line in &self.effects {
            // Show the line number of a statement once.
            let number = if last == Some(line.line) { String::new() } else { line.line.to_string() };
            last = Some(line.line);
            let unseen = if line.differs { "none" } else { "not seen" };
            let lock = line.lock.clone().unwrap_or_else(|| unseen.to_owned());
            let blocks = line.blocks.unwrap_or_default().to_owned();
            table.add_row([number, line.shown(), lock, line.agrees().to_owned(), blocks, line.also()]);
        }
        let lines: String = table.lines().map(|line| format!("   {}\n", line.trim_end())).collect();
        let differences: String = self.effects.iter().filter_map(Line::differs).collect();
        let why = match self.effects.iter().any(Line::is_a_surprise) {
            true => {
                "    (a function, a `DO` or an object that no script created can take locks that no script shows)\n"
            }
            false => "",
        };
        format!("  {}: {until}\n{lines}{differences}{why}", self.file)
    }
}

impl Line {
    fn shown(&self) -> String {
        let name = self.relation.strip_prefix("public.").unwrap_or(&self.relation);
        match self.kind {
            "table" => name.to_owned(),
            kind => format!("{kind} {name}"),
        }
    }

    /// Whether the lock is the predicted one; empty if none was predicted.
    fn agrees(&self) -> &'static str {
        match (self.differs, &self.predicted) {
            (true, _) => "no",
            (false, Some(_)) => "yes",
            (false, None) => "",
        }
    }

    /// Describes how the two locks differ.
    fn differs(&self) -> Option<String> {
        let (line, shown) = (self.line, self.shown());
        let predicted = self.predicted.as_deref().unwrap_or_default();
        let taken = self.lock.as_deref().unwrap_or_default();
        Some(match (self.difference?, predicted, taken) {
            (Difference::NotPredicted, "", _) => format!("    line {line}: {taken} on {shown}: taken, not predicted\n"),
            (Difference::NotTaken, _, "") => format!("    line {line}: {predicted} on {shown}: predicted, not taken\n"),
            _ => format!("    line {line}: {taken} on {shown}: taken, where {predicted} was predicted\n"),
        })
    }

    /// Whether a lock was taken although none was predicted.
    fn is_a_surprise(&self) -> bool {
        self.difference == Some(Difference::NotPredicted) && self.predicted.is_none()
    }

    fn also(&self) -> String {
        let mut also = Vec::new();
        match (self.rewritten, self.kind) {
            (true, "index") => also.push("rebuilds it".to_owned()),
            (true, _) => also.push("rewrites all of it".to_owned()),
            (false, _) => {}
        }
        // Rewriting a table or building an index includes a scan.
        if self.scanned && !self.rewritten && self.indexes.is_empty() {
            also.push("scans all of it".to_owned());
        }
        also.extend(self.indexes.iter().map(|index| format!("builds {index}")));
        also.join(", ")
    }
}
