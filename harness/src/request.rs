//! Answers requests of the xtask to a test program: create or mark a development database, migrate a throwaway one, or
//! print the schema of the set or its documentation. The test `embedded_is_what_is_on_disk` calls this.

use std::env;
use std::path::Path;

use lockgate::__private::{of_every_profile, of_migrations, read_with_release};
use lockgate::schema::{docs, picture, snapshot};
use lockgate::{Database, Dialect, Migrator, UpTo, Version};
use lockgate_testing::request::{Answer, Form, Request, TESTDB_URL};

use crate::Throwaway;
use crate::migration_test::Tests;
use crate::problem::{Phase, Problem};
use crate::testdb;

/// Answers the request in the environment, if there is one.
pub(crate) fn answer_if_asked(tests: &'static Tests) -> Result<(), Problem> {
    let Some(request) = Request::from_environment() else { return Ok(()) };
    let answered = request.and_then(|request| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        runtime.block_on(answer(tests, request))
    });
    let answer = match answered.clone() {
        Ok(text) => Answer::Done(text),
        Err(text) => Answer::Refused(text),
    };
    answer.write().map_err(|e| Problem::new(Phase::Setup, "the answer cannot be written").detail(e))?;
    answered.map(drop).map_err(|text| Problem::new(Phase::Setup, text))
}

async fn answer(tests: &'static Tests, request: Request) -> Result<String, String> {
    let given = || env::var(TESTDB_URL).map_err(|_| format!("{TESTDB_URL} names no database"));
    let url = |from: &Path| {
        env::set_current_dir(from).map_err(|e| format!("`{}`: {e}", from.display()))?;
        given()
    };
    match request {
        Request::CreateTestdb { seed, from } => testdb::create(tests, &url(&from)?, seed).await,
        Request::MarkTestdb { from } => testdb::mark(&url(&from)?).await,
        Request::Develop { seed, fresh } => testdb::develop(tests, &given()?, seed, fresh).await,
        Request::Migrate { at } => migrate(tests, &given()?, &at).await,
        Request::Schema { dialect, form, at } => schema(tests, dialect, form, &at).await,
        Request::Docs { dialect, at, title } => documentation(tests, dialect, &at, &title).await,
    }
}

/// Applies the set to a throwaway database, up to the migration `at`.
///
/// # Errors
///
/// Returns the reason as a text.
#[doc(hidden)]
pub async fn migrate(tests: &'static Tests, url: &str, at: &str) -> Result<String, String> {
    let version = find(tests, at)?;
    let text = |e: lockgate::Error| e.report().to_string().trim_end().to_owned();
    let mut database = Database::connect(url).await.map_err(text)?;
    let migrator = of_every_profile(&Migrator::new(tests.migrations).stand_in_for_variables());
    migrator.apply_to(&mut database, UpTo::Version(version)).await.map_err(text)?;
    database.close().await.map_err(text)?;
    Ok(String::new())
}

/// Returns the schema that the set makes, up to the migration `at`.
///
/// # Errors
///
/// Returns the reason as a text.
#[doc(hidden)]
pub async fn schema(tests: &'static Tests, dialect: Dialect, form: Form, at: &str) -> Result<String, String> {
    let version = find(tests, at)?;
    let made = Throwaway::at(tests.migrations, Some(version), dialect).await.map_err(text)?;
    let made = made.ok_or_else(|| format!("there is no {} to run the migrations on", dialect.product()))?;
    let mut database = made.connect().await.map_err(text)?;
    let read = read_with_release(&Migrator::new(tests.migrations), &mut database).await;
    let (schema, release) = read.map_err(|e| e.report().to_string())?;
    let _ = database.close().await;
    Ok(match form {
        Form::Text => snapshot::text(&schema, release),
        Form::Mermaid => picture::mermaid(&schema),
        Form::Svg => picture::svg(&schema),
    })
}

/// Returns the documentation of the schema that the set makes, up to the migration `at`. The migrations run one after the
/// other, so that each page says which of them made what.
///
/// # Errors
///
/// Returns the reason as a text.
#[doc(hidden)]
pub async fn documentation(tests: &'static Tests, dialect: Dialect, at: &str, title: &str) -> Result<String, String> {
    let last = find(tests, at)?;
    let made = Throwaway::empty(dialect).await.map_err(text)?;
    let made = made.ok_or_else(|| format!("there is no {} to run the migrations on", dialect.product()))?;
    let mut database = made.connect().await.map_err(text)?;
    let migrator = Migrator::new(tests.migrations).stand_in_for_variables();
    let (versioned, whole) = (of_migrations(&migrator), of_every_profile(&migrator));
    let reason = |e: lockgate::Error| e.report().to_string();
    let mut history = docs::History::default();
    let mut schema = versioned.read_schema(&mut database).await.map_err(reason)?;
    for migration in tests.migrations.iter().take_while(|migration| migration.version() <= last) {
        versioned.apply_to(&mut database, UpTo::Version(migration.version())).await.map_err(reason)?;
        schema = versioned.read_schema(&mut database).await.map_err(reason)?;
        history.record(migration.id(), &schema);
    }
    let is_the_end = tests.migrations.iter().last().is_some_and(|newest| newest.version() == last);
    if is_the_end && !tests.migrations.set().repeatables().is_empty() {
        whole.apply_to(&mut database, UpTo::Version(last)).await.map_err(reason)?;
        schema = whole.read_schema(&mut database).await.map_err(reason)?;
        history.record(docs::REPEATABLES, &schema);
    }
    let _ = database.close().await;
    Ok(docs::join(&docs::pages(&schema, title, &history)))
}

fn find(tests: &Tests, at: &str) -> Result<Version, String> {
    let found = tests.migrations.iter().find(|migration| migration.id() == at);
    let version = found.map(|migration| migration.version());
    version.ok_or_else(|| format!("the tests of {} embed no `{at}`", tests.folder))
}

fn text(error: crate::Error) -> String {
    // `Debug` shows the whole chain, with the place of the error.
    format!("{error:?}").trim_end().to_owned()
}
