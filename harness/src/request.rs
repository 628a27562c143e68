//! What the xtask asks of a test program, which alone has the set and its functions compiled in: a
//! database for people, the schema that the set makes. The test that embedded files are those on disk
//! looks for a request and answers it into a file.

use std::fs;

use lockgate::schema::picture;
use lockgate::{Dialect, Migrator};

use crate::Throwaway;
use crate::problem::{Problem, Step};
use crate::suite::Tests;
use crate::testdb::{self, Verb};

/// What is asked: `testdb create 42`, `testdb mark`, `schema sqlite svg 0007_add_tags`.
pub const REQUEST: &str = "LOCKGATE_REQUEST";
/// The file that gets the answer: `done` or `refused` in the first line, the words behind it.
pub const ANSWER: &str = "LOCKGATE_ANSWER";

/// Does what the environment asks, if it asks for anything.
pub(crate) fn answer_if_asked(tests: &'static Tests) -> Result<(), Problem> {
    let Ok(request) = std::env::var(REQUEST) else { return Ok(()) };
    let answered = Request::parse(&request).and_then(|request| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        runtime.block_on(answer(tests, request))
    });
    let (word, text) = match &answered {
        Ok(text) => ("done", text),
        Err(text) => ("refused", text),
    };
    if let Some(file) = std::env::var_os(ANSWER) {
        let written = fs::write(file, format!("{word}\n{text}"));
        written.map_err(|e| Problem::new(Step::Ground, "the answer cannot be written").detail(e))?;
    }
    answered.map(drop).map_err(|text| Problem::new(Step::Ground, text))
}

enum Request<'a> {
    Testdb(Verb),
    /// The schema behind this migration, by its id.
    Schema {
        dialect: Dialect,
        form: &'a str,
        at: &'a str,
    },
}

impl<'a> Request<'a> {
    fn parse(text: &'a str) -> Result<Self, String> {
        match *text.split(' ').collect::<Vec<_>>() {
            ["testdb", "mark"] => Ok(Self::Testdb(Verb::Mark)),
            ["testdb", "create", seed] => {
                let seed = seed.parse().map_err(|_| format!("`{seed}` is no seed"))?;
                Ok(Self::Testdb(Verb::Create { seed }))
            }
            ["schema", dialect, form, at] => {
                let dialect = dialect.parse().map_err(|_| format!("`{dialect}` is no dialect"))?;
                Ok(Self::Schema { dialect, form, at })
            }
            _ => Err(format!("{REQUEST} says `{text}`")),
        }
    }
}

async fn answer(tests: &'static Tests, request: Request<'_>) -> Result<String, String> {
    match request {
        Request::Testdb(verb) => testdb::answer(tests, verb).await,
        Request::Schema { dialect, form, at } => schema(tests, dialect, form, at).await,
    }
}

/// What the set makes of an empty database, up to a migration.
///
/// # Errors
///
/// Why there is none, in words.
#[doc(hidden)]
pub async fn schema(tests: &'static Tests, dialect: Dialect, form: &str, at: &str) -> Result<String, String> {
    let found = tests.migrations.iter().find(|migration| migration.id() == at);
    let version = found.map(|migration| migration.version());
    let version = version.ok_or_else(|| format!("the tests of {} embed no `{at}`", tests.folder))?;
    // The whole chain: what fails is told with its place.
    let text = |e: crate::Error| format!("{e:?}").trim_end().to_owned();
    let made = Throwaway::at(tests.migrations, Some(version), dialect).await.map_err(text)?;
    let made = made.ok_or_else(|| format!("there is no {} to run the migrations on", dialect.product()))?;
    let mut database = made.connect().await.map_err(text)?;
    let schema = Migrator::new(tests.migrations).read_schema(&mut database).await;
    let schema = schema.map_err(|e| e.report().to_string())?;
    let _ = database.close().await;
    match form {
        "text" => Ok(schema.to_text()),
        "mermaid" => Ok(picture::mermaid(&schema)),
        "svg" => Ok(picture::svg(&schema)),
        _ => Err(format!("`{form}` is no form of a schema")),
    }
}
