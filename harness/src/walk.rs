//! The walk of one migration: fill, before, up, after, down, before, up, after. Each suite must pass
//! where it belongs and fail as a whole where it does not, the way back must give the same schema, and
//! the second time must be like the first.

use lockgate::schema::Schema;
use lockgate::{Destination, Dialect, Migration, Version};

use crate::failure::{Failure, TestResult};
use crate::ground::{Ground, Session};
use crate::problem::{Problem, Step};
use crate::session;
use crate::suite::{Check, Suite, Tests};

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walked {
    /// All the way.
    There,
    /// As far as the way leads: there is none back.
    Irreversible,
    /// Not at all: this machine has no such database, which has been reported.
    Skipped,
}

/// The times at which a walk reads the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// At the version below, behind the fill.
    Before,
    /// Behind the migration.
    First,
    /// Behind the way back.
    Reverted,
    /// Behind the migration again.
    Second,
}

/// Who is told of each schema, with the address of the database, which is still like this.
pub type Witness<'a> = &'a dyn Fn(Moment, &str, &Schema);

/// Walks one migration, in a database of its own.
///
/// # Errors
///
/// Where something is not as it should be: which step, and what was found.
pub async fn walk(tests: &'static Tests, dialect: Dialect, version: Version) -> Result<Walked, Problem> {
    witnessed(tests, dialect, version, &|_, _, _| {}).await
}

/// The same, while someone looks on.
///
/// # Errors
///
/// As for [`walk`].
pub async fn witnessed(
    tests: &'static Tests,
    dialect: Dialect,
    version: Version,
    witness: Witness<'_>,
) -> Result<Walked, Problem> {
    let Some(migration) = tests.migrations.set().find(version) else {
        return Err(Problem::new(Step::Ground, format!("the set has no version {version}")));
    };
    let walked = async {
        let Some(ground) = Ground::below(tests, dialect, Some(&migration)).await? else { return Ok(Walked::Skipped) };
        Walk { ground, migration, suite: tests.suite(version), witness }.run().await
    };
    walked.await.map_err(|problem: Problem| problem.about(migration.id(), dialect))
}

struct Walk<'a> {
    ground: Ground,
    migration: Migration,
    suite: Option<&'static Suite>,
    witness: Witness<'a>,
}

impl Walk<'_> {
    async fn run(&self) -> Result<Walked, Problem> {
        let ground = &self.ground;
        let part = |part: fn(&Suite) -> Option<Check>| self.suite.and_then(part);
        let (fill, before, after) = (part(|suite| suite.fill), part(|suite| suite.before), part(|suite| suite.after));

        if let Some(fill) = fill {
            ground.fill(fill).await.or_problem(Step::Fill, "its `fill` fails")?;
        }
        let counts = ground.counts().await.or_problem(Step::Ground, COUNT)?;
        let schema = self.schema(Moment::Before, Step::Ground).await?;
        self.passes(before, Step::Before, "`before` fails before the migration").await?;
        self.fails(after, Step::AfterMustFail, "`after` passes before the migration: it does not notice it").await?;

        let left = self.apply(Session::Plain).await.or_problem(Step::Apply, "it fails")?;
        self.nothing_left(&left)?;
        self.passes(after, Step::After, "`after` fails behind the migration").await?;
        self.fails(before, Step::BeforeMustFail, "`before` passes behind the migration: it does not notice it").await?;
        let first = ground.counts().await.or_problem(Step::RowsAfterApply, COUNT)?;
        self.survive(&counts, &first, Step::RowsAfterApply)?;
        if self.migration.down().is_none() {
            return Ok(Walked::Irreversible);
        }
        let first_schema = self.schema(Moment::First, Step::SchemaAgain).await?;
        let first_contents = ground.contents().await.or_problem(Step::RowsAgain, COUNT)?;

        self.revert().await.or_problem(Step::Revert, "its way back fails")?;
        // What is gone above took its rows along; the way back cannot bring them.
        let kept: Vec<_> =
            counts.iter().filter(|(table, _)| first.iter().any(|(name, _)| name == table)).cloned().collect();
        let back = ground.counts().await.or_problem(Step::RowsAfterRevert, COUNT)?;
        self.survive(&kept, &back, Step::RowsAfterRevert)?;
        let reverted = self.schema(Moment::Reverted, Step::SchemaAfterRevert).await?;
        if let Some(differences) = ground.differences(&schema, &reverted) {
            return Err(Problem::new(Step::SchemaAfterRevert, "the schema behind the way back is not what it was")
                .detail(differences)
                .help(self.help_of_down()));
        }
        self.passes(before, Step::BeforeAgain, "`before` fails behind the way back").await?;

        let again = format!("it fails the second time, in a session with {}", session::varied(ground.dialect()));
        self.apply(Session::Varied).await.or_problem(Step::ApplyAgain, &again)?;
        let second_schema = self.schema(Moment::Second, Step::SchemaAgain).await?;
        if let Some(differences) = ground.differences(&first_schema, &second_schema) {
            return Err(Problem::new(Step::SchemaAgain, "the schema is not what it was the first time")
                .detail(differences)
                .help(format!("the second session has {}", session::varied(ground.dialect()))));
        }
        self.passes(after, Step::AfterAgain, "`after` fails the second time").await?;
        self.same_rows(&first, &first_contents).await?;
        Ok(Walked::There)
    }

    async fn schema(&self, moment: Moment, step: Step) -> Result<Schema, Problem> {
        let schema = self.ground.schema().await.or_problem(step, READ)?;
        (self.witness)(moment, &self.ground.place.url(), &schema);
        Ok(schema)
    }

    async fn apply(&self, session: Session) -> TestResult<Vec<String>> {
        self.ground.apply(self.migration.version(), session).await
    }

    async fn revert(&self) -> TestResult {
        self.ground.revert(Destination::Steps(1)).await
    }

    async fn passes(&self, check: Option<Check>, step: Step, fact: &str) -> Result<(), Problem> {
        match check {
            Some(check) => self.ground.ask(check).await.or_problem(step, fact),
            None => Ok(()),
        }
    }

    /// A suite must fail as a whole, and because of what it found.
    async fn fails(&self, check: Option<Check>, step: Step, fact: &str) -> Result<(), Problem> {
        let Some(check) = check else { return Ok(()) };
        match self.ground.ask(check).await {
            Ok(()) => {
                let file = self.suite.map_or("the test", |suite| suite.file);
                Err(Problem::new(step, fact)
                    .help(format!("in {file}, say at least one thing that is so on one side of the migration alone")))
            }
            Err(failure) if failure.is_broken() => {
                Err(Problem::new(step, "the suite could not be asked").detail(failure))
            }
            Err(_) => Ok(()),
        }
    }

    fn nothing_left(&self, left: &[String]) -> Result<(), Problem> {
        if left.is_empty() {
            return Ok(());
        }
        Err(Problem::new(Step::Session, "it leaves something in the session, for what comes behind it to stumble over")
            .detail(left.join("\n"))
            .help("drop what is temporary at the end, and set with `SET LOCAL`, which ends with the transaction"))
    }

    /// No table that is still there has fewer rows than before.
    fn survive(&self, before: &[(String, u64)], after: &[(String, u64)], step: Step) -> Result<(), Problem> {
        let allowed = self.suite.map_or(&[][..], |suite| suite.loses_rows);
        let mut lost = Vec::new();
        for (table, had) in before.iter().filter(|(table, _)| !allowed.contains(&table.as_str())) {
            let has = after.iter().find(|(name, _)| name == table).map(|(_, count)| *count);
            if let Some(has) = has.filter(|has| has < had) {
                lost.push(format!("`{table}` had {had} and has {has}"));
            }
        }
        if lost.is_empty() {
            return Ok(());
        }
        let file =
            self.suite.map_or_else(|| format!("the test of `{}`", self.migration.id()), |suite| suite.file.to_owned());
        let fact = if step == Step::RowsAfterRevert { "its way back loses rows" } else { "it loses rows" };
        Err(Problem::new(step, fact)
            .detail(lost.join("\n"))
            .help(format!("where it means to, say so in {file}: `pub const LOSES_ROWS: &[&str] = &[\"table\"];`")))
    }

    /// The second time wrote what the first time wrote. What changes with every run (the time, chance, a
    /// sequence) shows when it is run a third time, as the first: that is not told of.
    async fn same_rows(&self, counts: &[(String, u64)], contents: &[(String, String)]) -> Result<(), Problem> {
        let ground = &self.ground;
        let second_counts = ground.counts().await.or_problem(Step::RowsAgain, COUNT)?;
        let second = ground.contents().await.or_problem(Step::RowsAgain, COUNT)?;
        if counts == second_counts && contents == second {
            return Ok(());
        }
        self.revert().await.or_problem(Step::RowsAgain, "its way back fails the second time")?;
        self.apply(Session::Plain).await.or_problem(Step::RowsAgain, "it fails the third time")?;
        let third_counts = ground.counts().await.or_problem(Step::RowsAgain, COUNT)?;
        let third = ground.contents().await.or_problem(Step::RowsAgain, COUNT)?;
        let mut other = changed(counts, &second_counts, &third_counts);
        other.extend(changed(contents, &second, &third));
        if other.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = other.iter().map(|name| format!("`{name}`")).collect();
        Err(Problem::new(Step::RowsAgain, "what it writes depends on the session").detail(lines.join("\n")).help(
            format!(
                "the second session had {}: say in the migration what it stands on",
                session::varied(ground.dialect())
            ),
        ))
    }

    fn help_of_down(&self) -> String {
        let down = self.migration.down().map(|down| down.path()).unwrap_or_default();
        format!("put it right in {down}; what may differ can be named: `migration_tests!(tolerate = [ColumnOrder])`")
    }
}

const COUNT: &str = "its rows cannot be counted";
const READ: &str = "the schema cannot be read";

/// What is other in the second, and in the third as in the first.
fn changed<T: PartialEq>(first: &[(String, T)], second: &[(String, T)], third: &[(String, T)]) -> Vec<String> {
    let of = |all: &'_ [(String, T)], name: &str| all.iter().position(|(known, _)| known == name);
    let mut changed = Vec::new();
    for (name, value) in first {
        let same = |all: &[(String, T)]| of(all, name).is_some_and(|at| all[at].1 == *value);
        if !same(second) && same(third) {
            changed.push(name.clone());
        }
    }
    changed
}

/// A failure as the problem of a step.
pub(crate) trait At<T> {
    fn or_problem(self, step: Step, fact: &str) -> Result<T, Problem>;
}

impl<T> At<T> for Result<T, Failure> {
    fn or_problem(self, step: Step, fact: &str) -> Result<T, Problem> {
        self.map_err(|failure| Problem::new(step, fact).detail(failure))
    }
}
