//! Tests one migration by walking it: `fill`, `before`, apply, `after`, revert, `before`, apply, `after`.
//!
//! `before` and `after` must pass on their own side of the migration and fail on the other. The down script must
//! restore the schema and the rows. Applying the migration again must give the same result.

use std::future::Future;

use lockgate::schema::{Class, Difference, Schema, report};
use lockgate::{Dialect, DownTo, Migration, Version};

use crate::database::{Session, TestDatabase};
use crate::db::{Content, Db};
use crate::failure::{Failure, TestResult};
use crate::migration_test::{MigrationTest, TestPart, Tests};
use crate::problem::{Phase, Problem};
use crate::value_changes::{Allowed, Finding, SuspectTable};
use crate::{session, value_changes};

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalkOutcome {
    /// The migration passed every phase.
    Complete,
    /// The migration passed, and has no down script to test.
    Irreversible,
    /// This machine has no server of that dialect. The skip has been reported.
    Skipped,
}

/// The times at which a walk reads the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the migration, after `fill`.
    Before,
    /// After the migration was applied.
    Applied,
    /// After it was reverted.
    Reverted,
    /// After it was applied again.
    AppliedAgain,
}

/// Is called with each schema that a walk reads and the URL of the database, which is still in that state.
pub type Observer<'a> = &'a dyn Fn(Moment, &str, &Schema);

/// Walks one migration, on a database of its own.
///
/// # Errors
///
/// Returns the phase that failed, and what was found.
pub async fn walk(tests: &'static Tests, dialect: Dialect, version: Version) -> Result<WalkOutcome, Problem> {
    walk_observed(tests, dialect, version, &|_, _, _| {}).await
}

/// Does what [`walk`] does, and calls the observer with each schema.
///
/// # Errors
///
/// As for [`walk`].
pub async fn walk_observed(
    tests: &'static Tests,
    dialect: Dialect,
    version: Version,
    observer: Observer<'_>,
) -> Result<WalkOutcome, Problem> {
    let Some(migration) = tests.migrations.set().find(version) else {
        return Err(Problem::new(Phase::Setup, format!("the set has no version {version}")));
    };
    let walked = async {
        let Some(database) = TestDatabase::before_migration(tests, dialect, Some(&migration)).await? else {
            return Ok(WalkOutcome::Skipped);
        };
        Walk { database, migration, test: tests.test_of(version), observer }.run().await
    };
    walked.await.map_err(|problem: Problem| problem.about(migration.id(), dialect))
}

struct Walk<'a> {
    database: TestDatabase,
    migration: Migration,
    test: Option<&'static MigrationTest>,
    observer: Observer<'a>,
}

impl Walk<'_> {
    async fn run(&self) -> Result<WalkOutcome, Problem> {
        let database = &self.database;
        let part = |part: fn(&MigrationTest) -> Option<TestPart>| self.test.and_then(part);
        let (fill, before, after) = (part(|test| test.fill), part(|test| test.before), part(|test| test.after));

        if let Some(fill) = fill {
            database.fill(fill).await.or_problem(Phase::Fill, "its `fill` fails")?;
        }
        let start = self.read_rows(database, Phase::Setup).await?;
        let schema = self.schema(Moment::Before, Phase::Setup).await?;
        self.must_pass(before, Phase::Before, "`before` fails before the migration").await?;
        self.must_fail(after, Phase::AfterMustFail, "`after` passes before the migration, so it proves nothing")
            .await?;

        let left = self.apply(database, Session::Plain).await.or_problem(Phase::Apply, "the migration fails")?;
        self.check_session_is_clean(&left)?;
        self.must_pass(after, Phase::After, "`after` fails after the migration").await?;
        self.must_fail(before, Phase::BeforeMustFail, "`before` passes after the migration, so it proves nothing")
            .await?;
        let first = self.read_rows(database, Phase::RowsAfterApply).await?;
        self.check_no_rows_lost(&start.counts, &first.counts, Phase::RowsAfterApply)?;
        if self.checks_values() {
            self.check_values_kept(&start, &first).await?;
        }
        let first_schema = self.schema(Moment::Applied, Phase::SchemaAgain).await?;
        if self.migration.down().is_none() {
            self.apply_again_on_second_database(&first, &first_schema).await?;
            return Ok(WalkOutcome::Irreversible);
        }

        self.revert(database).await.or_problem(Phase::Revert, "its down script fails")?;
        // A table that the migration drops comes back without its rows, and a test can declare that. If no test
        // could, compare only the tables that the migration kept.
        let stayed = |table: &String| first.counts.iter().any(|(name, _)| name == table);
        let kept: Vec<_> =
            start.counts.iter().filter(|(table, _)| self.checks_values() || stayed(table)).cloned().collect();
        let back = self.read_rows(database, Phase::RowsAfterRevert).await?;
        self.check_no_rows_lost(&kept, &back.counts, Phase::RowsAfterRevert)?;
        let reverted = self.schema(Moment::Reverted, Phase::SchemaAfterRevert).await?;
        let differences = database.differences_that_count(&schema, &reverted);
        if !differences.is_empty() {
            return Err(Problem::new(Phase::SchemaAfterRevert, "its down script does not restore the schema")
                .detail(report(&differences))
                .help(self.down_script_help(&differences)));
        }
        self.check_values_restored(&start, &first, &back).await?;
        self.must_pass(before, Phase::BeforeAgain, "`before` fails after the down script").await?;

        let again = format!("the second run fails, in a session with {}", session::varied(database.dialect()));
        self.apply(database, Session::Varied).await.or_problem(Phase::ApplyAgain, &again)?;
        let second_schema = self.schema(Moment::AppliedAgain, Phase::SchemaAgain).await?;
        if let Some(differences) = database.difference_report(&first_schema, &second_schema) {
            return Err(Problem::new(Phase::SchemaAgain, "the second run makes another schema than the first")
                .detail(differences)
                .help(format!("the session of the second run has {}", session::varied(database.dialect()))));
        }
        self.must_pass(after, Phase::AfterAgain, "`after` fails after the second run").await?;
        let second = self.read_rows(database, Phase::RowsAgain).await?;
        let third = async {
            self.revert(database).await.or_problem(Phase::RowsAgain, "its down script fails after the second run")?;
            self.apply(database, Session::Plain).await.or_problem(Phase::RowsAgain, "the third run fails")?;
            self.read_rows(database, Phase::RowsAgain).await
        };
        self.check_same_rows(&first, &second, third).await?;
        Ok(WalkOutcome::Complete)
    }

    async fn schema(&self, moment: Moment, phase: Phase) -> Result<Schema, Problem> {
        let schema = self.database.schema().await.or_problem(phase, READ)?;
        (self.observer)(moment, &self.database.throwaway.url(), &schema);
        Ok(schema)
    }

    async fn read_rows(&self, database: &TestDatabase, phase: Phase) -> Result<RowSnapshot, Problem> {
        let counts = database.counts().await.or_problem(phase, COUNT)?;
        let contents =
            if counts.iter().any(|(_, count)| *count > 0) { database.contents().await } else { Ok(Vec::new()) };
        Ok(RowSnapshot { counts, contents: contents.or_problem(phase, COUNT)? })
    }

    async fn apply(&self, database: &TestDatabase, session: Session) -> TestResult<Vec<String>> {
        database.apply(self.migration.version(), session).await
    }

    async fn revert(&self, database: &TestDatabase) -> TestResult {
        database.revert(DownTo::Steps(1)).await
    }

    /// Prepares another database like the one at the start of the walk, with the rows of `fill`.
    async fn second_database(&self) -> Result<Option<TestDatabase>, Problem> {
        let database = &self.database;
        let another = TestDatabase::before_migration(database.tests, database.dialect(), Some(&self.migration)).await?;
        if let (Some(another), Some(fill)) = (&another, self.test.and_then(|test| test.fill)) {
            another.fill(fill).await.or_problem(Phase::Fill, "its `fill` fails on a second database")?;
        }
        Ok(another)
    }

    async fn must_pass(&self, part: Option<TestPart>, phase: Phase, fact: &str) -> Result<(), Problem> {
        match part {
            Some(part) => self.database.check(part).await.or_problem(phase, fact),
            None => Ok(()),
        }
    }

    /// Checks that a part fails, and that it fails by what it found rather than by a broken connection.
    async fn must_fail(&self, part: Option<TestPart>, phase: Phase, fact: &str) -> Result<(), Problem> {
        let Some(part) = part else { return Ok(()) };
        match self.database.check(part).await {
            Ok(()) => {
                let file = self.test.map_or("the test", |test| test.file);
                Err(Problem::new(phase, fact).help(format!(
                    "`before` must fail after the migration, and `after` before it: add a check to {file} that holds on \
                     one side only"
                )))
            }
            Err(failure) if failure.is_broken() => {
                Err(Problem::new(phase, "the test could not be run").detail(failure))
            }
            Err(_) => Ok(()),
        }
    }

    fn check_session_is_clean(&self, left: &[String]) -> Result<(), Problem> {
        if left.is_empty() {
            return Ok(());
        }
        Err(Problem::new(
            Phase::Session,
            "the migration leaves state in the session, which can break the migrations after it",
        )
        .detail(left.join("\n"))
        .help("drop temporary objects at the end of the script, and use `SET LOCAL`, which ends with the transaction"))
    }

    /// Checks that no table that still exists has fewer rows than before.
    fn check_no_rows_lost(
        &self,
        before: &[(String, u64)],
        after: &[(String, u64)],
        phase: Phase,
    ) -> Result<(), Problem> {
        let allowed = self.test.map_or(&[][..], |test| test.loses_rows);
        let mut lost = Vec::new();
        for (table, had) in before.iter().filter(|(table, _)| !allowed.contains(&table.as_str())) {
            let has = after.iter().find(|(name, _)| name == table).map(|(_, count)| *count);
            if let Some(has) = has.filter(|has| has < had) {
                lost.push((table.clone(), format!("`{table}` had {had} rows and has {has}")));
            }
        }
        if lost.is_empty() {
            return Ok(());
        }
        let fact =
            if phase == Phase::RowsAfterRevert { "its down script loses rows" } else { "the migration loses rows" };
        let tables: Vec<String> = lost.iter().map(|(table, _)| table.clone()).collect();
        let lines: Vec<String> = lost.into_iter().map(|(_, line)| line).collect();
        let help = format!("if it is meant to, {}", self.declaration_help(&[(Intent::LosesRows, tables)]));
        Err(Problem::new(phase, fact).detail(lines.join("\n")).help(help))
    }

    /// Whether changed values fail the walk: if the migration has a test, which can declare a change, or if a `fill`
    /// has inserted rows.
    fn checks_values(&self) -> bool {
        let earlier = |test: &&MigrationTest| test.version <= self.migration.version().get();
        self.test.is_some()
            || self.database.tests.migration_tests.iter().filter(earlier).any(|test| test.fill.is_some())
    }

    /// Checks that rows keep their values in every column that exists both before and after the migration.
    async fn check_values_kept(&self, start: &RowSnapshot, first: &RowSnapshot) -> Result<(), Problem> {
        let (changes, loses) = self.test.map_or((&[][..], &[][..]), |test| (test.changes_values, test.loses_values));
        let suspects = value_changes::suspects(self.database.dialect(), &start.contents, &first.contents);
        let findings = self.find_changes(&suspects, &[changes, loses], Moment::Applied).await?;
        if findings.is_empty() {
            return Ok(());
        }
        let help =
            format!("if it is meant to, {}", self.declaration_help(&intents_for(Intent::ChangesValues, &findings)));
        Err(Problem::new(Phase::ValuesAfterApply, "the migration changes values of rows that it keeps")
            .detail(list(&findings))
            .help(help))
    }

    /// Checks that after the down script every row has its old values. If no test could declare a change, it compares
    /// only the columns that the migration left alone.
    async fn check_values_restored(
        &self,
        start: &RowSnapshot,
        first: &RowSnapshot,
        back: &RowSnapshot,
    ) -> Result<(), Problem> {
        let dialect = self.database.dialect();
        let loses = self.test.map_or(&[][..], |test| test.loses_values);
        let suspects = value_changes::suspects(dialect, &start.contents, &back.contents);
        let changed_columns = if self.checks_values() { Vec::new() } else { changed_columns(dialect, start, first) };
        let changed_columns: Vec<&str> = changed_columns.iter().map(String::as_str).collect();
        let findings = self.find_changes(&suspects, &[loses, &changed_columns], Moment::Reverted).await?;
        if findings.is_empty() {
            return Ok(());
        }
        let down = self.migration.down().map(|down| down.path()).unwrap_or_default();
        let declarations = self.declaration_help(&intents_for(Intent::LosesValues, &findings));
        Err(Problem::new(Phase::ValuesAfterRevert, "its down script does not restore all values")
            .detail(list(&findings))
            .help(format!("fix {down}; or, if they cannot be restored, {declarations}")))
    }

    /// Finds the rows and values that differ from the start of the walk. This database has only digests of its old
    /// rows, so a second database goes the same way, with its rows read at both ends.
    async fn find_changes(
        &self,
        suspects: &[SuspectTable],
        allowed: &[&[&str]],
        moment: Moment,
    ) -> Result<Vec<Finding>, Problem> {
        let phase = if moment == Moment::Applied { Phase::ValuesAfterApply } else { Phase::ValuesAfterRevert };
        let rows = self.test.map_or(&[][..], |test| test.loses_rows);
        let allowed = Allowed { rows, values: allowed };
        let dialect = self.database.dialect();
        let suspects: Vec<SuspectTable> =
            suspects.iter().filter(|suspect| allowed.is_in_doubt(dialect, suspect)).cloned().collect();
        if suspects.is_empty() {
            return Ok(Vec::new());
        }
        let Some(another) = self.second_database().await? else { return Ok(Vec::new()) };
        let then = value_changes::rows(&another, &suspects).await.or_problem(phase, COUNT)?;
        self.apply(&another, Session::Plain).await.or_problem(phase, "the migration fails on a second database")?;
        if moment == Moment::Reverted {
            self.revert(&another).await.or_problem(phase, "its down script fails on a second database")?;
        }
        let now = value_changes::rows(&another, &suspects).await.or_problem(phase, COUNT)?;
        let mut db = Db::new(another.connect().await.or_problem(phase, COUNT)?);
        let mut findings = Vec::new();
        for (suspect, (then, now)) in suspects.iter().zip(then.iter().zip(&now)) {
            findings.extend(value_changes::compare(&mut db, suspect, allowed, then, now).await);
        }
        db.close().await;
        Ok(findings)
    }

    /// Says which lines declare these intents, and in which file they belong.
    fn declaration_help(&self, intents: &[(Intent, Vec<String>)]) -> String {
        let known = |intent: &Intent| match (self.test, intent) {
            (None, _) => &[][..],
            (Some(test), Intent::LosesRows) => test.loses_rows,
            (Some(test), Intent::ChangesValues) => test.changes_values,
            (Some(test), Intent::LosesValues) => test.loses_values,
        };
        let is_sql = self.test.is_some_and(|test| test.file.ends_with(".sql"));
        let line = |(intent, names): &(Intent, Vec<String>)| {
            let known = known(intent).iter().map(|name| (*name).to_owned());
            let names: Vec<String> = known.chain(names.iter().cloned()).collect();
            if is_sql { intent.directive(&names) } else { intent.constant(&names) }
        };
        let lines: Vec<String> = intents.iter().filter(|(_, names)| !names.is_empty()).map(line).collect();
        let file = match self.test {
            Some(test) => test.file.to_owned(),
            None => format!("its test, which `cargo xtask new-test {}` creates", self.migration.version()),
        };
        format!("declare it in {file}: {}", lines.join(" and "))
    }

    /// Applies a migration without a down script to a second database, in a session with other settings.
    async fn apply_again_on_second_database(&self, first: &RowSnapshot, first_schema: &Schema) -> Result<(), Problem> {
        let (dialect, settings) = (self.database.dialect(), session::varied(self.database.dialect()));
        let Some(second) = self.second_database().await? else { return Ok(()) };
        let again = format!("the migration fails in a session with {settings}");
        if let Err(failure) = self.apply(&second, Session::Varied).await {
            // An object of the whole server, such as a role, cannot be created a second time in any session.
            let Some(plain) = self.second_database().await? else { return Ok(()) };
            return match self.apply(&plain, Session::Plain).await {
                Ok(_) => Err(failure).or_problem(Phase::ApplyAgain, &again),
                Err(_) => Ok(()),
            };
        }
        let third = async {
            let another = self.second_database().await?;
            let third = another.ok_or_else(|| Problem::new(Phase::Setup, format!("the {dialect} server is gone")))?;
            self.apply(&third, Session::Plain).await.or_problem(Phase::RowsAgain, "the third run fails")?;
            Ok(third)
        };
        let second_schema = second.schema().await.or_problem(Phase::SchemaAgain, READ)?;
        if let Some(differences) = self.database.difference_report(first_schema, &second_schema) {
            let third = third.await?.schema().await.or_problem(Phase::SchemaAgain, READ)?;
            if self.database.difference_report(first_schema, &third).is_some() {
                return Ok(());
            }
            return Err(Problem::new(
                Phase::SchemaAgain,
                "the schema that it makes depends on settings of the session",
            )
            .detail(differences)
            .help(format!("the session of the second run has {settings}")));
        }
        let seen = self.read_rows(&second, Phase::RowsAgain).await?;
        self.check_same_rows(first, &seen, async { self.read_rows(&third.await?, Phase::RowsAgain).await }).await
    }

    /// Checks that the second run wrote what the first run wrote. Values that change with every run (the time, random
    /// values, a sequence) also differ in the third run, which has the session of the first, and are not reported.
    async fn check_same_rows(
        &self,
        first: &RowSnapshot,
        second: &RowSnapshot,
        third: impl Future<Output = Result<RowSnapshot, Problem>>,
    ) -> Result<(), Problem> {
        let database = &self.database;
        if first.counts == second.counts && first.columns() == second.columns() {
            return Ok(());
        }
        let third = third.await?;
        let mut other = differs_only_in_second(&first.counts, &second.counts, &third.counts);
        other.extend(differs_only_in_second(&first.columns(), &second.columns(), &third.columns()));
        if other.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = other.iter().map(|name| format!("`{name}`")).collect();
        Err(Problem::new(Phase::RowsAgain, "the rows that it writes depend on settings of the session")
            .detail(lines.join("\n"))
            .help(format!(
                "the session of the second run had {}: set what the migration depends on in the migration",
                session::varied(database.dialect())
            )))
    }

    /// Says what to do about these differences. A real difference cannot be tolerated.
    fn down_script_help(&self, differences: &[Difference]) -> String {
        let down = self.migration.down().map(|down| down.path()).unwrap_or_default();
        let occurs = |class: &Class| differences.iter().any(|difference| difference.class == *class);
        if occurs(&Class::Real) {
            return format!("fix {down}");
        }
        let tolerated = |class: &&Class| occurs(class) || self.database.tests.tolerate.contains(class);
        let classes: Vec<String> = Class::ALL.iter().filter(tolerated).map(|class| format!("{class:?}")).collect();
        format!(
            "fix {down}; or tolerate such differences in every migration: `migration_tests!(tolerate = [{}])`",
            classes.join(", ")
        )
    }
}

/// The rows of all tables at one moment, as counts and digests.
struct RowSnapshot {
    counts: Vec<(String, u64)>,
    contents: Vec<Content>,
}

impl RowSnapshot {
    /// Returns each column and the digest of its values.
    fn columns(&self) -> Vec<(String, &str)> {
        let columns =
            self.contents.iter().flat_map(|content| content.columns.iter().map(move |column| (content, column)));
        columns.map(|(content, column)| (format!("{}.{}", content.table, column.name), &*column.values)).collect()
    }
}

/// What a test can declare about its migration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Intent {
    LosesRows,
    ChangesValues,
    LosesValues,
}

impl Intent {
    /// The line that declares it in a Rust test.
    fn constant(self, names: &[String]) -> String {
        let name = match self {
            Self::LosesRows => "LOSES_ROWS",
            Self::ChangesValues => "CHANGES_VALUES",
            Self::LosesValues => "LOSES_VALUES",
        };
        let names: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
        format!("`pub const {name}: &[&str] = &[{}];`", names.join(", "))
    }

    /// The line that declares it in a SQL test.
    fn directive(self, names: &[String]) -> String {
        let word = match self {
            Self::LosesRows => "loses-rows",
            Self::ChangesValues => "changes-values",
            Self::LosesValues => "loses-values",
        };
        format!("`-- lockgate: {word} {}`", names.join(", "))
    }
}

/// Returns what a test must declare for these findings: `of_columns` for columns, `LosesRows` for tables.
fn intents_for(of_columns: Intent, findings: &[Finding]) -> [(Intent, Vec<String>); 2] {
    let (columns, tables): (Vec<&Finding>, Vec<&Finding>) =
        findings.iter().partition(|finding| finding.column.is_some());
    [(of_columns, columns), (Intent::LosesRows, tables)]
        .map(|(intent, findings)| (intent, findings.into_iter().map(Finding::name).collect()))
}

fn list(findings: &[Finding]) -> String {
    findings.iter().map(Finding::shown).collect::<Vec<_>>().join("\n")
}

/// Returns the columns that are gone or have other values.
fn changed_columns(dialect: Dialect, start: &RowSnapshot, first: &RowSnapshot) -> Vec<String> {
    let suspects = value_changes::suspects(dialect, &start.contents, &first.contents);
    let is_same = |table: &str, name: &str| {
        let found = first.contents.iter().find(|content| value_changes::same_name(dialect, &content.table, table));
        found.is_some_and(|content| {
            content.columns.iter().any(|known| value_changes::same_name(dialect, &known.name, name))
        }) && !suspects.iter().any(|suspect| {
            suspect.table == table && suspect.columns.iter().any(|known| known.differs && known.name == name)
        })
    };
    let mut changed_columns = Vec::new();
    for content in &start.contents {
        let columns = content.columns.iter().filter(|column| !is_same(&content.table, &column.name));
        changed_columns.extend(columns.map(|column| format!("{}.{}", content.table, column.name)));
    }
    changed_columns
}

const COUNT: &str = "the rows cannot be read";
const READ: &str = "the schema cannot be read";

/// Returns the names whose value differs in the second list, and is the same in the first and the third.
fn differs_only_in_second<T: PartialEq>(
    first: &[(String, T)],
    second: &[(String, T)],
    third: &[(String, T)],
) -> Vec<String> {
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

/// Turns a failure into the problem of a phase.
pub(crate) trait OrProblem<T> {
    fn or_problem(self, phase: Phase, fact: &str) -> Result<T, Problem>;
}

impl<T> OrProblem<T> for Result<T, Failure> {
    fn or_problem(self, phase: Phase, fact: &str) -> Result<T, Problem> {
        self.map_err(|failure| Problem::new(phase, fact).detail(failure))
    }
}
