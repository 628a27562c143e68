//! The walk of one migration: fill, before, up, after, down, before, up, after. Each suite must pass
//! where it belongs and fail as a whole where it does not, the way back must give the same schema, and
//! the second time must be like the first.

use std::future::Future;

use lockgate::schema::{Class, Difference, Schema, report};
use lockgate::{Dialect, DownTo, Migration, Version};

use crate::db::{Content, Db};
use crate::failure::{Failure, TestResult};
use crate::ground::{Ground, Session};
use crate::problem::{Problem, Step};
use crate::suite::{Check, Suite, Tests};
use crate::values::{Allowed, Finding, Suspect};
use crate::{session, values};

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
        let start = self.look(ground, Step::Ground).await?;
        let schema = self.schema(Moment::Before, Step::Ground).await?;
        self.passes(before, Step::Before, "`before` fails before the migration").await?;
        self.fails(after, Step::AfterMustFail, "`after` passes before the migration: it does not notice it").await?;

        let left = self.apply(ground, Session::Plain).await.or_problem(Step::Apply, "it fails")?;
        self.nothing_left(&left)?;
        self.passes(after, Step::After, "`after` fails behind the migration").await?;
        self.fails(before, Step::BeforeMustFail, "`before` passes behind the migration: it does not notice it").await?;
        let first = self.look(ground, Step::RowsAfterApply).await?;
        self.survive(&start.counts, &first.counts, Step::RowsAfterApply)?;
        if self.minds_values() {
            self.keeps_values(&start, &first).await?;
        }
        let first_schema = self.schema(Moment::First, Step::SchemaAgain).await?;
        if self.migration.down().is_none() {
            self.once_more_elsewhere(&first, &first_schema).await?;
            return Ok(Walked::Irreversible);
        }

        self.revert(ground).await.or_problem(Step::Revert, "its way back fails")?;
        // A table that is gone above took its rows along, and comes back without them: a test says that this is meant.
        // Where nobody could say it, only the tables count that have stayed.
        let stayed = |table: &String| first.counts.iter().any(|(name, _)| name == table);
        let kept: Vec<_> =
            start.counts.iter().filter(|(table, _)| self.minds_values() || stayed(table)).cloned().collect();
        let back = self.look(ground, Step::RowsAfterRevert).await?;
        self.survive(&kept, &back.counts, Step::RowsAfterRevert)?;
        let reverted = self.schema(Moment::Reverted, Step::SchemaAfterRevert).await?;
        let differences = ground.minded(&schema, &reverted);
        if !differences.is_empty() {
            return Err(Problem::new(Step::SchemaAfterRevert, "the schema behind the way back is not what it was")
                .detail(report(&differences))
                .help(self.help_of_down(&differences)));
        }
        self.brings_values_back(&start, &first, &back).await?;
        self.passes(before, Step::BeforeAgain, "`before` fails behind the way back").await?;

        let again = format!("it fails the second time, in a session with {}", session::varied(ground.dialect()));
        self.apply(ground, Session::Varied).await.or_problem(Step::ApplyAgain, &again)?;
        let second_schema = self.schema(Moment::Second, Step::SchemaAgain).await?;
        if let Some(differences) = ground.differences(&first_schema, &second_schema) {
            return Err(Problem::new(Step::SchemaAgain, "the schema is not what it was the first time")
                .detail(differences)
                .help(format!("the second session has {}", session::varied(ground.dialect()))));
        }
        self.passes(after, Step::AfterAgain, "`after` fails the second time").await?;
        let second = self.look(ground, Step::RowsAgain).await?;
        let third = async {
            self.revert(ground).await.or_problem(Step::RowsAgain, "its way back fails the second time")?;
            self.apply(ground, Session::Plain).await.or_problem(Step::RowsAgain, "it fails the third time")?;
            self.look(ground, Step::RowsAgain).await
        };
        self.same_rows(&first, &second, third).await?;
        Ok(Walked::There)
    }

    async fn schema(&self, moment: Moment, step: Step) -> Result<Schema, Problem> {
        let schema = self.ground.schema().await.or_problem(step, READ)?;
        (self.witness)(moment, &self.ground.place.url(), &schema);
        Ok(schema)
    }

    async fn look(&self, ground: &Ground, step: Step) -> Result<Look, Problem> {
        let counts = ground.counts().await.or_problem(step, COUNT)?;
        let contents =
            if counts.iter().any(|(_, count)| *count > 0) { ground.contents().await } else { Ok(Vec::new()) };
        Ok(Look { counts, contents: contents.or_problem(step, COUNT)? })
    }

    async fn apply(&self, ground: &Ground, session: Session) -> TestResult<Vec<String>> {
        ground.apply(self.migration.version(), session).await
    }

    async fn revert(&self, ground: &Ground) -> TestResult {
        ground.revert(DownTo::Steps(1)).await
    }

    /// Another database like the one that the walk began on, with the rows of the fill.
    async fn another(&self) -> Result<Option<Ground>, Problem> {
        let ground = &self.ground;
        let another = Ground::below(ground.tests, ground.dialect(), Some(&self.migration)).await?;
        if let (Some(another), Some(fill)) = (&another, self.suite.and_then(|suite| suite.fill)) {
            another.fill(fill).await.or_problem(Step::Fill, "its `fill` fails the second time")?;
        }
        Ok(another)
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
                lost.push((table.clone(), format!("`{table}` had {had} and has {has}")));
            }
        }
        if lost.is_empty() {
            return Ok(());
        }
        let fact = if step == Step::RowsAfterRevert { "its way back loses rows" } else { "it loses rows" };
        let tables: Vec<String> = lost.iter().map(|(table, _)| table.clone()).collect();
        let lines: Vec<String> = lost.into_iter().map(|(_, line)| line).collect();
        let help = format!("where it means to, {}", self.said(&[(Said::LosesRows, tables)]));
        Err(Problem::new(step, fact).detail(lines.join("\n")).help(help))
    }

    /// Values are minded where someone has put rows in to see what becomes of them, or could say in a test what is
    /// meant.
    fn minds_values(&self) -> bool {
        let below = |suite: &&Suite| suite.version <= self.migration.version().get();
        self.suite.is_some() || self.ground.tests.suites.iter().filter(below).any(|suite| suite.fill.is_some())
    }

    /// The rows that are there before and after have the values that they had, in every column that is there before
    /// and after.
    async fn keeps_values(&self, start: &Look, first: &Look) -> Result<(), Problem> {
        let (changes, loses) =
            self.suite.map_or((&[][..], &[][..]), |suite| (suite.changes_values, suite.loses_values));
        let suspects = values::suspects(self.ground.dialect(), &start.contents, &first.contents);
        let findings = self.found(&suspects, &[changes, loses], Moment::First).await?;
        if findings.is_empty() {
            return Ok(());
        }
        let help = format!("where it means to, {}", self.said(&named(Said::ChangesValues, &findings)));
        Err(Problem::new(Step::ValuesAfterApply, "it changes values of rows that it keeps")
            .detail(shown(&findings))
            .help(help))
    }

    /// Behind the way back every row has the values that it had. Where nobody could say what is meant, only those
    /// count that the migration itself has left alone.
    async fn brings_values_back(&self, start: &Look, first: &Look, back: &Look) -> Result<(), Problem> {
        let dialect = self.ground.dialect();
        let loses = self.suite.map_or(&[][..], |suite| suite.loses_values);
        let suspects = values::suspects(dialect, &start.contents, &back.contents);
        let touched = if self.minds_values() { Vec::new() } else { touched(dialect, start, first) };
        let touched: Vec<&str> = touched.iter().map(String::as_str).collect();
        let findings = self.found(&suspects, &[loses, &touched], Moment::Reverted).await?;
        if findings.is_empty() {
            return Ok(());
        }
        let down = self.migration.down().map(|down| down.path()).unwrap_or_default();
        let said = self.said(&named(Said::LosesValues, &findings));
        Err(Problem::new(Step::ValuesAfterRevert, "its way back does not bring values back")
            .detail(shown(&findings))
            .help(format!("put it right in {down}; or, where they cannot come back, {said}")))
    }

    /// What is not as it was at the beginning, seen on another database that goes the same way: the digests of this
    /// one do not tell what there was.
    async fn found(&self, suspects: &[Suspect], allowed: &[&[&str]], moment: Moment) -> Result<Vec<Finding>, Problem> {
        let step = if moment == Moment::First { Step::ValuesAfterApply } else { Step::ValuesAfterRevert };
        let rows = self.suite.map_or(&[][..], |suite| suite.loses_rows);
        let allowed = Allowed { rows, values: allowed };
        let dialect = self.ground.dialect();
        let suspects: Vec<Suspect> =
            suspects.iter().filter(|suspect| allowed.is_in_doubt(dialect, suspect)).cloned().collect();
        if suspects.is_empty() {
            return Ok(Vec::new());
        }
        let Some(another) = self.another().await? else { return Ok(Vec::new()) };
        let then = values::rows(&another, &suspects).await.or_problem(step, COUNT)?;
        self.apply(&another, Session::Plain).await.or_problem(step, "it fails on another database like this one")?;
        if moment == Moment::Reverted {
            self.revert(&another).await.or_problem(step, "its way back fails on another database like this one")?;
        }
        let now = values::rows(&another, &suspects).await.or_problem(step, COUNT)?;
        let mut db = Db::new(another.connect().await.or_problem(step, COUNT)?);
        let mut findings = Vec::new();
        for (suspect, (then, now)) in suspects.iter().zip(then.iter().zip(&now)) {
            findings.extend(values::compare(&mut db, suspect, allowed, then, now).await);
        }
        db.close().await;
        Ok(findings)
    }

    /// The lines that say in the test what is meant, and where they belong.
    fn said(&self, said: &[(Said, Vec<String>)]) -> String {
        let known = |said: &Said| match (self.suite, said) {
            (None, _) => &[][..],
            (Some(suite), Said::LosesRows) => suite.loses_rows,
            (Some(suite), Said::ChangesValues) => suite.changes_values,
            (Some(suite), Said::LosesValues) => suite.loses_values,
        };
        let is_sql = self.suite.is_some_and(|suite| suite.file.ends_with(".sql"));
        let line = |(said, names): &(Said, Vec<String>)| {
            let known = known(said).iter().map(|name| (*name).to_owned());
            let names: Vec<String> = known.chain(names.iter().cloned()).collect();
            if is_sql { said.directive(&names) } else { said.constant(&names) }
        };
        let lines: Vec<String> = said.iter().filter(|(_, names)| !names.is_empty()).map(line).collect();
        let file = match self.suite {
            Some(suite) => suite.file.to_owned(),
            None => format!("its test, which `cargo xtask new-test {}` writes", self.migration.version()),
        };
        format!("say so in {file}: {}", lines.join(" and "))
    }

    /// A migration without a way back is applied to another database, in the other session.
    async fn once_more_elsewhere(&self, first: &Look, first_schema: &Schema) -> Result<(), Problem> {
        let (dialect, way) = (self.ground.dialect(), session::varied(self.ground.dialect()));
        let Some(second) = self.another().await? else { return Ok(()) };
        let again = format!("it fails in a session with {way}");
        if let Err(failure) = self.apply(&second, Session::Varied).await {
            // What belongs to the whole server, as a role does, cannot be made a second time in any session.
            let Some(plain) = self.another().await? else { return Ok(()) };
            return match self.apply(&plain, Session::Plain).await {
                Ok(_) => Err(failure).or_problem(Step::ApplyAgain, &again),
                Err(_) => Ok(()),
            };
        }
        let third = async {
            let another = self.another().await?;
            let third =
                another.ok_or_else(|| Problem::new(Step::Ground, format!("{dialect} is not there any more")))?;
            self.apply(&third, Session::Plain).await.or_problem(Step::RowsAgain, "it fails the third time")?;
            Ok(third)
        };
        let second_schema = second.schema().await.or_problem(Step::SchemaAgain, READ)?;
        if let Some(differences) = self.ground.differences(first_schema, &second_schema) {
            let third = third.await?.schema().await.or_problem(Step::SchemaAgain, READ)?;
            if self.ground.differences(first_schema, &third).is_some() {
                return Ok(());
            }
            return Err(Problem::new(Step::SchemaAgain, "the schema that it makes depends on the session")
                .detail(differences)
                .help(format!("the second session has {way}")));
        }
        let seen = self.look(&second, Step::RowsAgain).await?;
        self.same_rows(first, &seen, async { self.look(&third.await?, Step::RowsAgain).await }).await
    }

    /// The second time wrote what the first time wrote. What changes with every run (the time, chance, a
    /// sequence) shows when it is run a third time, as the first: that is not told of.
    async fn same_rows(
        &self,
        first: &Look,
        second: &Look,
        third: impl Future<Output = Result<Look, Problem>>,
    ) -> Result<(), Problem> {
        let ground = &self.ground;
        if first.counts == second.counts && first.columns() == second.columns() {
            return Ok(());
        }
        let third = third.await?;
        let mut other = changed(&first.counts, &second.counts, &third.counts);
        other.extend(changed(&first.columns(), &second.columns(), &third.columns()));
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

    /// What is real cannot be tolerated, and what can is named.
    fn help_of_down(&self, differences: &[Difference]) -> String {
        let down = self.migration.down().map(|down| down.path()).unwrap_or_default();
        let is_minded = |class: &Class| differences.iter().any(|difference| difference.class == *class);
        if is_minded(&Class::Real) {
            return format!("put it right in {down}");
        }
        let tolerated = |class: &&Class| is_minded(class) || self.ground.tests.tolerate.contains(class);
        let classes: Vec<String> = Class::ALL.iter().filter(tolerated).map(|class| format!("{class:?}")).collect();
        format!(
            "put it right in {down}; or tolerate such differences in every migration: `migration_tests!(tolerate = [{}])`",
            classes.join(", ")
        )
    }
}

/// What is in the tables at one moment.
struct Look {
    counts: Vec<(String, u64)>,
    contents: Vec<Content>,
}

impl Look {
    /// Each column, and a digest of its values.
    fn columns(&self) -> Vec<(String, &str)> {
        let columns =
            self.contents.iter().flat_map(|content| content.columns.iter().map(move |column| (content, column)));
        columns.map(|(content, column)| (format!("{}.{}", content.table, column.name), &*column.values)).collect()
    }
}

/// What a test can say of its migration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    LosesRows,
    ChangesValues,
    LosesValues,
}

impl Said {
    /// The line of a test in Rust.
    fn constant(self, names: &[String]) -> String {
        let name = match self {
            Self::LosesRows => "LOSES_ROWS",
            Self::ChangesValues => "CHANGES_VALUES",
            Self::LosesValues => "LOSES_VALUES",
        };
        let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
        format!("`pub const {name}: &[&str] = &[{}];`", names.join(", "))
    }

    /// The line of a test in SQL.
    fn directive(self, names: &[String]) -> String {
        let word = match self {
            Self::LosesRows => "loses-rows",
            Self::ChangesValues => "changes-values",
            Self::LosesValues => "loses-values",
        };
        format!("`-- lockgate: {word} {}`", names.join(", "))
    }
}

/// What a test has to say of these findings: of the columns this, and of the tables whose rows are gone that.
fn named(of_columns: Said, findings: &[Finding]) -> [(Said, Vec<String>); 2] {
    let (columns, tables): (Vec<&Finding>, Vec<&Finding>) =
        findings.iter().partition(|finding| finding.column.is_some());
    [(of_columns, columns), (Said::LosesRows, tables)]
        .map(|(said, findings)| (said, findings.into_iter().map(Finding::place).collect()))
}

fn shown(findings: &[Finding]) -> String {
    findings.iter().map(Finding::shown).collect::<Vec<_>>().join("\n")
}

/// The columns that are gone, or in which something is not what it was.
fn touched(dialect: Dialect, start: &Look, first: &Look) -> Vec<String> {
    let suspects = values::suspects(dialect, &start.contents, &first.contents);
    let is_same = |table: &str, name: &str| {
        let found = first.contents.iter().find(|content| values::same_name(dialect, &content.table, table));
        found.is_some_and(|content| content.columns.iter().any(|known| values::same_name(dialect, &known.name, name)))
            && !suspects.iter().any(|suspect| {
                suspect.table == table && suspect.columns.iter().any(|known| known.differs && known.name == name)
            })
    };
    let mut touched = Vec::new();
    for content in &start.contents {
        let columns = content.columns.iter().filter(|column| !is_same(&content.table, &column.name));
        touched.extend(columns.map(|column| format!("{}.{}", content.table, column.name)));
    }
    touched
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
