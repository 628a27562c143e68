//! The proof of a draft: it runs up, down and up again on a throwaway database whose tables have rows, and what it makes is
//! compared with what is desired.

use lockgate::__private::{execute, rows as ask};
use lockgate::{Audience, Database, DownTo, Migrator, read_schema};
use lockgate_schema::draft::{Hazard, Mode, Rename, Renamed, Script, Statement, Step, draft};
use lockgate_schema::{Difference, Name, Schema, Table, between, compare};
use lockgate_source::core::Dialect;

use super::rows;
use crate::desired::differences;
use crate::throwaway::{Made, NoDatabase, Replay, Throwaway, apply};

/// What is to be proven.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    /// The migrations with the draft.
    pub(super) migrator: &'a Migrator,
    /// How many migrations the draft has.
    pub(super) drafted: usize,
    /// The names that it changes.
    pub(super) renames: &'a [Rename],
    /// Its up and down scripts.
    pub(super) scripts: &'a [Script],
    /// What the migrations without it make.
    pub(super) before: &'a Schema,
    /// What there should be afterwards.
    pub(super) desired: &'a Schema,
    pub(super) mode: Mode,
}

/// What was proven, in the words of the summary.
#[derive(Debug, Default)]
pub(super) struct Proven {
    /// How many tables had rows, and how many there are.
    pub(super) filled: (usize, usize),
    /// The tables that could not get any, with what the database says.
    pub(super) not_filled: Vec<String>,
    /// Whether no table had rows, because something can fail on them.
    pub(super) is_empty: bool,
    /// What can fail on tables with rows, although it was drafted right.
    pub(super) fails_on_rows: Option<String>,
    /// What the tests of the migration must be told about the order of columns.
    pub(super) order: Option<String>,
}

/// Why a draft is not proven.
#[derive(Debug)]
pub(super) enum Unproven {
    /// It does something else than it should: what, and the lines about it.
    Wrong(String, Vec<String>),
    /// The database could not be used.
    NoDatabase(NoDatabase),
}

impl From<NoDatabase> for Unproven {
    fn from(why: NoDatabase) -> Self {
        Self::NoDatabase(why)
    }
}

impl From<lockgate::Error> for Unproven {
    fn from(error: lockgate::Error) -> Self {
        Self::NoDatabase(error.into())
    }
}

/// Why one walk ended.
enum Ended {
    /// A statement failed on the database: what failed, the report, and the database's own words.
    Failed(String, String, String),
    Unproven(Unproven),
}

impl<T: Into<Unproven>> From<T> for Ended {
    fn from(why: T) -> Self {
        Self::Unproven(why.into())
    }
}

/// How many tables are tried one by one, at most, when rows do not fit.
const TRIED: usize = 16;

/// Proves it on tables with rows. What only a person can decide is proven with those tables empty whose rows do not fit.
pub(super) async fn prove(
    claim: &Claim<'_>,
    throwaway: &mut Throwaway,
    replay: &mut Replay,
) -> Result<Proven, Unproven> {
    let mut proven = Proven::default();
    let message = match walk(claim, throwaway, replay, Some((&mut proven, &[]))).await {
        Ok(order) => {
            proven.order = order;
            return Ok(proven);
        }
        Err(Ended::Unproven(why)) => return Err(why),
        Err(Ended::Failed(what, message, _)) if !depends_on_rows(claim.scripts) => {
            return Err(Unproven::Wrong(what, vec![message]));
        }
        Err(Ended::Failed(_, _, message)) => message,
    };
    // A partition has the rows of its parent.
    let all: Vec<Name> = rows::all(claim.before).into_iter().map(|table| table.table).collect();
    let mut empty = risky_tables(claim);
    empty.retain(|table| all.contains(table));
    let mut last = None;
    if empty.len() < all.len() {
        last = with_empty(claim, throwaway, replay, &empty).await?;
    }
    if last.is_none() {
        empty = all;
    }
    // The rows of most of these fit, and their loss would be seen.
    if empty.len() > 1 {
        for table in empty.clone().into_iter().take(TRIED) {
            let others: Vec<Name> = empty.iter().filter(|other| **other != table).cloned().collect();
            if let Some(found) = with_empty(claim, throwaway, replay, &others).await? {
                (empty, last) = (others, Some(found));
            }
        }
    }
    let mut proven = match last {
        Some(proven) => Proven { is_empty: proven.filled.0 == 0, ..proven },
        None => match walk(claim, throwaway, replay, None).await {
            Ok(order) => Proven { order, is_empty: true, ..proven },
            Err(Ended::Unproven(why)) => return Err(why),
            Err(Ended::Failed(what, message, _)) => return Err(Unproven::Wrong(what, vec![message])),
        },
    };
    proven.fails_on_rows = Some(message);
    Ok(proven)
}

/// The proof with these tables empty; `None` if a statement fails on the rows of another one.
async fn with_empty(
    claim: &Claim<'_>,
    throwaway: &mut Throwaway,
    replay: &mut Replay,
    empty: &[Name],
) -> Result<Option<Proven>, Unproven> {
    let mut proven = Proven::default();
    match walk(claim, throwaway, replay, Some((&mut proven, empty))).await {
        Ok(order) => Ok(Some(Proven { order, ..proven })),
        Err(Ended::Unproven(why)) => Err(why),
        Err(Ended::Failed(..)) => Ok(None),
    }
}

/// The tables that are named in statements of which the draft says that rows may not fit.
fn risky_tables(claim: &Claim<'_>) -> Vec<Name> {
    let steps = claim.scripts.iter().flat_map(|script| &script.steps);
    let risky: Vec<&str> = steps
        .filter_map(|step| match step {
            Step::Statement(statement) if may_fail(statement) => Some(statement.sql.as_str()),
            Step::Statement(_) | Step::Open { .. } => None,
        })
        .collect();
    let is_named = |name: &str| {
        let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
        risky.iter().any(|sql| {
            sql.match_indices(name)
                .any(|(at, _)| !sql[..at].ends_with(is_of_name) && !sql[at + name.len()..].starts_with(is_of_name))
        })
    };
    let tables = claim.before.tables.iter().map(|table| &table.name);
    tables.filter(|name| is_named(&name.name) || is_named(&now(name, claim.renames).name)).cloned().collect()
}

/// Whether the draft says itself that rows may not fit.
fn depends_on_rows(scripts: &[Script]) -> bool {
    scripts.iter().flat_map(|script| &script.steps).any(|step| match step {
        Step::Open { .. } => true,
        Step::Statement(statement) => may_fail(statement),
    })
}

fn may_fail(statement: &Statement) -> bool {
    let may_fail = |hazard: &Hazard| matches!(hazard, Hazard::MayFail(_));
    statement.question.is_some() || statement.hazards.iter().any(may_fail)
}

async fn walk(
    claim: &Claim<'_>,
    throwaway: &mut Throwaway,
    replay: &mut Replay,
    fill: Option<(&mut Proven, &[Name])>,
) -> Result<Option<String>, Ended> {
    let mut database = throwaway.replayed(replay).await?;
    let mut counted: Vec<Counted> = Vec::new();
    if let Some((proven, empty)) = fill {
        *proven = filled(&mut database, claim, empty).await;
        for (table, whole) in to_count(claim) {
            if let Some(count) = count(&mut database, &table, whole).await {
                counted.push(Counted { table, whole, count });
            }
        }
    }
    up(claim, &mut database, "the up scripts fail").await?;
    let after = read_schema(&mut database).await?;
    residue(claim, &after, "after the up scripts")?;
    kept(&mut database, &counted, claim.renames, &after, "the up scripts").await?;
    let reverted = claim.migrator.revert(&mut database, DownTo::Steps(claim.drafted)).await;
    reverted.map_err(|error| failed("the down scripts fail", &error))?;
    let back = read_schema(&mut database).await?;
    let left = differences(&back, claim.before);
    if !left.is_empty() {
        let lines = between(&left, "what the down scripts leave", "what was there before");
        return Err(Unproven::Wrong("the down scripts do not lead back".to_owned(), lines).into());
    }
    counted.retain(|one| has(&after, &now(&one.table, claim.renames)));
    let survived = counted;
    kept(&mut database, &survived, &[], &back, "the down scripts").await?;
    up(claim, &mut database, "the up scripts fail the second time").await?;
    let again = read_schema(&mut database).await?;
    residue(claim, &again, "after the second run of the up scripts")?;
    // The tests of migrations compare the order, too.
    Ok((!compare(&back, claim.before).is_empty()).then(|| {
        "the down scripts put a column at the end of its table, which PostgreSQL cannot change: write \
         `migration_tests!(tolerate = [ColumnOrder])` if no program depends on the order"
            .to_owned()
    }))
}

async fn up(claim: &Claim<'_>, database: &mut Database, what: &str) -> Result<(), Ended> {
    match apply(database, claim.migrator, Made::ByAll).await {
        Ok(()) => Ok(()),
        Err(NoDatabase::Error(error)) => Err(failed(what, &error)),
        Err(other) => Err(other.into()),
    }
}

fn failed(what: &str, error: &lockgate::Error) -> Ended {
    let report = error.report_for(Audience::CommandLine);
    let text = report.to_string().trim_end().to_owned();
    let message = report.database_message().map_or_else(|| text.clone(), str::to_owned);
    Ended::Failed(what.to_owned(), text, message)
}

/// Whether nothing but what was not drafted is left.
fn residue(claim: &Claim<'_>, after: &Schema, when: &str) -> Result<(), Unproven> {
    let open: Vec<&str> = claim
        .scripts
        .iter()
        .flat_map(|script| &script.steps)
        .filter_map(|step| match step {
            Step::Open { what, .. } => Some(what.as_str()),
            Step::Statement(_) => None,
        })
        .collect();
    let again = draft(after, claim.desired, claim.mode);
    let is_open = |step: &Step| matches!(step, Step::Open { what, .. } if open.contains(&what.as_str()));
    // The draft names the object of each difference that it leaves open.
    let is_named = |difference: &Difference| {
        let name = difference.object.split_whitespace().nth(1).unwrap_or(&difference.object);
        open.iter().any(|what| what.contains(name))
    };
    let left = differences(after, claim.desired);
    if again.steps().all(is_open) && left.iter().all(is_named) {
        return Ok(());
    }
    let mut lines = between(&left, "what the draft makes", "what is desired");
    if lines.is_empty() {
        lines = again
            .steps()
            .map(|step| match step {
                Step::Statement(statement) => format!("another draft would have: {}", statement.sql),
                Step::Open { what, .. } => what.clone(),
            })
            .collect();
    }
    Err(Unproven::Wrong(format!("{when}, this is left"), lines))
}

/// The rows of one table.
struct Counted {
    table: Name,
    /// Whether those of its partitions and children are among them.
    whole: bool,
    count: String,
}

/// The tables whose rows are counted, and which of them with their partitions: the rows of a table that becomes partitioned
/// move into its partitions, and back. Otherwise rows stay where they are, whatever becomes a part of what.
fn to_count(claim: &Claim<'_>) -> Vec<(Name, bool)> {
    let find = |schema: &'_ Schema, name: &Name| schema.tables.iter().find(|table| table.name == *name).cloned();
    let moves = |table: &Table| {
        let after = find(claim.desired, &now(&table.name, claim.renames));
        after.is_some_and(|after| after.kind != table.kind)
    };
    let mut found = Vec::new();
    for table in &claim.before.tables {
        let mut above = Some(table.clone());
        let mut moves_above = false;
        while let Some(parent) =
            above.and_then(|table| table.partition_of).and_then(|one| find(claim.before, &one.parent))
        {
            moves_above |= moves(&parent);
            above = Some(parent);
        }
        if !moves_above {
            found.push((table.name.clone(), claim.before.dialect != Dialect::Postgres || moves(table)));
        }
    }
    found
}

/// Inserts rows into every table but these.
async fn filled(database: &mut Database, claim: &Claim<'_>, empty: &[Name]) -> Proven {
    let mut proven = Proven::default();
    for table in rows::fitting(claim.before, claim.desired) {
        if empty.contains(&table.table) {
            proven.filled.1 += 1;
            continue;
        }
        let mut refused = None;
        for row in &table.rows {
            let mut inserted = false;
            for statement in row {
                match execute(database, statement).await {
                    Ok(()) => {
                        inserted = true;
                        break;
                    }
                    Err(why) => refused = Some(why.to_string()),
                }
            }
            if inserted {
                refused = None;
            }
        }
        proven.filled.1 += 1;
        let has_rows = count(database, &table.table, true).await.is_some_and(|count| count != "0");
        match (has_rows, refused) {
            (true, _) => proven.filled.0 += 1,
            (false, why) => {
                let why = why.unwrap_or_else(|| "nothing is known that fits its columns".to_owned());
                proven.not_filled.push(format!("`{}`: {why}", shown(&table.table)));
            }
        }
    }
    proven
}

async fn count(database: &mut Database, table: &Name, whole: bool) -> Option<String> {
    ask(database, &rows::count(table, whole)).await.ok()?.into_iter().next()?.into_iter().next()?
}

/// Whether every table still has its rows.
async fn kept(
    database: &mut Database,
    counted: &[Counted],
    renames: &[Rename],
    schema: &Schema,
    by: &str,
) -> Result<(), Unproven> {
    let mut lost = Vec::new();
    for Counted { table, whole, count: before } in counted {
        let table = now(table, renames);
        if !has(schema, &table) {
            continue;
        }
        let after = count(database, &table, *whole).await.unwrap_or_else(|| "no".to_owned());
        if after != *before {
            lost.push(format!("`{}` had {before} rows, and has {after}", shown(&table)));
        }
    }
    if lost.is_empty() { Ok(()) } else { Err(Unproven::Wrong(format!("{by} change the number of rows"), lost)) }
}

fn has(schema: &Schema, table: &Name) -> bool {
    schema.tables.iter().any(|known| known.name == *table)
}

/// The name of a table after the renames.
fn now(table: &Name, renames: &[Rename]) -> Name {
    let renamed = renames.iter().find(|rename| rename.what == Renamed::Table && rename.object == *table);
    renamed.map_or_else(|| table.clone(), Rename::after)
}

fn shown(name: &Name) -> String {
    name.schema.iter().chain([&name.name]).cloned().collect::<Vec<_>>().join(".")
}
