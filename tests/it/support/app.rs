//! Builds the example program once, and runs it like an operator.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use super::postgres;

/// A database and a working directory of the program, for one test.
pub(crate) struct Place {
    folder: TempDir,
    /// Dropping it drops the database.
    _database: Option<postgres::Database>,
    url: String,
}

/// The output and exit code of the program.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    /// The words of the first command with this beginning that the answer says to type, as a shell reads them.
    pub(crate) fn advised(&self, begins: &str) -> Vec<String> {
        let said = format!("{}{}", self.out, self.err);
        let code = said.split('`').find(|code| code.starts_with(begins));
        let code = code.unwrap_or_else(|| panic!("no command `{begins}`: {self:#?}"));
        let printed = Command::new("sh").args(["-c", &format!("printf '%s\\n' {code}")]).output().unwrap();
        String::from_utf8(printed.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

impl Place {
    /// A file that does not exist yet. The URL asks for it to be created.
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("library.db").display());
        Self { folder, _database: None, url }
    }

    /// A new PostgreSQL database; `None` if this machine has no PostgreSQL.
    pub(crate) fn postgres() -> Option<Self> {
        let database = postgres::database()?;
        let url = database.url();
        Some(Self { folder: tempfile::tempdir().unwrap(), _database: Some(database), url })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self._database.is_none()
    }

    /// The SQLite file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("library.db")
    }

    /// The program's working directory.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns a command that runs the program on this database.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments);
        command.env("DATABASE_URL", &self.url).current_dir(self.folder());
        command
    }

    /// Runs the program on this database.
    pub(crate) fn app(&self, arguments: &[&str]) -> Answer {
        answer(self.command(arguments).output().unwrap())
    }

    /// Runs the program on this database, which must succeed, and returns its output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let answer = self.app(arguments);
        assert_eq!(answer.code, Some(0), "{arguments:?}: {answer:#?}");
        answer.out
    }

    /// Returns the first column of a query as text.
    pub(crate) fn rows(&self, sql: &str) -> Vec<String> {
        self.try_rows(sql).unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// Returns the first column of a query as text.
    pub(crate) fn try_rows(&self, sql: &str) -> Result<Vec<String>, sqlx::Error> {
        use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
        let query = AssertSqlSafe(sql.to_owned());
        wait(async {
            if self.is_sqlite() {
                let mut connection = SqliteConnection::connect(&self.url).await?;
                let rows = sqlx::query_scalar(query).fetch_all(&mut connection).await;
                connection.close().await?;
                rows
            } else {
                let mut connection = PgConnection::connect(&self.url).await?;
                let rows = sqlx::query_scalar(query).fetch_all(&mut connection).await;
                connection.close().await?;
                rows
            }
        })
    }

    /// Returns tables, views, indexes, triggers and columns, one per line, without Lockgate's own tables.
    pub(crate) fn schema(&self) -> Vec<String> {
        self.rows(if self.is_sqlite() {
            "SELECT type || ' ' || name || ' ' || COALESCE(sql, '') FROM sqlite_schema \
             WHERE name NOT LIKE 'sqlite_%' AND tbl_name NOT LIKE 'lockgate_%' ORDER BY type, name"
        } else {
            "SELECT CAST(c.relkind AS TEXT) || ' ' || c.relname || ' ' || COALESCE(string_agg(a.attname, ' ' ORDER BY a.attnum), '') \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
             WHERE n.nspname = 'public' AND c.relname NOT LIKE 'lockgate_%' GROUP BY c.relkind, c.relname \
             UNION ALL SELECT 't ' || tgname FROM pg_trigger WHERE NOT tgisinternal \
             UNION ALL SELECT 'f ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1"
        })
    }

    /// Returns the versions in the history, in order.
    pub(crate) fn history(&self) -> Vec<String> {
        self.rows("SELECT CAST(version AS TEXT) FROM lockgate_history ORDER BY lockgate_history.version")
    }
}

/// Returns a command that runs the program without a database.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).stdin(Stdio::null());
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("DATABASE_")
            || ["LOCKGATE_STAGE", "NO_COLOR", "CLICOLOR_FORCE", "CLICOLOR"].contains(&&*name)
        {
            command.env_remove(variable);
        }
    }
    command
}

pub(crate) fn answer(output: Output) -> Answer {
    let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
    Answer { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// Waits for a future in a synchronous test.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(future)
}

/// Builds the program once per process, which is fast if nothing has changed.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| built("app"))
}

/// Builds an example, and returns its program.
pub(crate) fn built(package: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate is a member of the workspace");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        // The second package makes the build share what the tests have built.
        .args(["build", "--quiet", "--package", package, "--package", "lockgate-dependencies"])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be started");
    assert!(built.status.success(), "the example does not build");
    cargo_metadata::Message::parse_stream(&*built.stdout)
        .filter_map(|message| match message.expect("cargo's messages can be read") {
            cargo_metadata::Message::CompilerArtifact(artifact) => artifact.executable,
            _ => None,
        })
        .map(|path| fs::canonicalize(path).expect("cargo names a file that exists"))
        .last()
        .expect("the example is a program")
}

/// Makes a test for each database from each function: `on_each! { down, … }`.
macro_rules! on_each {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            use crate::support::app::Place;

            #[test]
            fn sqlite() {
                super::$name(&Place::sqlite());
            }

            #[test]
            fn postgres() {
                let Some(place) = Place::postgres() else { return };
                super::$name(&place);
            }
        }
    )*};
}
pub(crate) use on_each;

/// Sends a signal: `-TERM`.
pub(crate) fn interrupt(running: &std::process::Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &running.id().to_string()]).status().unwrap();
    assert!(sent.success());
}
