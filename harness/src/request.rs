//! Answers requests of the xtask to a test program: create or mark a development database, or print the schema of the
//! set. The test `embedded_is_what_is_on_disk` calls this.

use std::env;
use std::path::Path;

use lockgate::schema::picture;
use lockgate::{Dialect, Migrator};
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
    let url = |from: &Path| {
        env::set_current_dir(from).map_err(|e| format!("`{}`: {e}", from.display()))?;
        env::var(TESTDB_URL).map_err(|_| format!("{TESTDB_URL} names no database"))
    };
    match request {
        Request::CreateTestdb { seed, from } => testdb::create(tests, &url(&from)?, seed).await,
        Request::MarkTestdb { from } => testdb::mark(&url(&from)?).await,
        Request::Schema { dialect, form, at } => schema(tests, dialect, form, &at).await,
    }
}

/// Returns the schema that the set makes, up to the migration `at`.
///
/// # Errors
///
/// Returns the reason as a text.
#[doc(hidden)]
pub async fn schema(tests: &'static Tests, dialect: Dialect, form: Form, at: &str) -> Result<String, String> {
    let found = tests.migrations.iter().find(|migration| migration.id() == at);
    let version = found.map(|migration| migration.version());
    let version = version.ok_or_else(|| format!("the tests of {} embed no `{at}`", tests.folder))?;
    // `Debug` shows the whole chain, with the place of the error.
    let text = |e: crate::Error| format!("{e:?}").trim_end().to_owned();
    let made = Throwaway::at(tests.migrations, Some(version), dialect).await.map_err(text)?;
    let made = made.ok_or_else(|| format!("there is no {} to run the migrations on", dialect.product()))?;
    let mut database = made.connect().await.map_err(text)?;
    let schema = Migrator::new(tests.migrations).read_schema(&mut database).await;
    let schema = schema.map_err(|e| e.report().to_string())?;
    let _ = database.close().await;
    Ok(match form {
        Form::Text => schema.to_text(),
        Form::Mermaid => picture::mermaid(&schema),
        Form::Svg => picture::svg(&schema),
    })
}
