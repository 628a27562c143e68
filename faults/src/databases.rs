//! The servers of the campaign, a database for each case, and the runner processes.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use lockgate_harness::server::{Options, Postgres};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::oracle::RunOutput;
use crate::runner::Order;

const POSTGRES: &str = "
CREATE SCHEMA app;
CREATE TABLE public.counter (n bigint); INSERT INTO public.counter VALUES (0);
CREATE TABLE public.marks (v int, p int);
CREATE TABLE public.closed (v int);
CREATE TABLE public.gate (x int CHECK (x = 0));
CREATE TABLE public.place (v int);
CREATE TABLE app.place (v int);
CREATE TYPE public.mood AS ENUM ('m0');
CREATE PROCEDURE public.bump(m int) LANGUAGE plpgsql AS $$ BEGIN UPDATE public.counter SET n = n + 1; INSERT INTO public.marks VALUES (m, 9); COMMIT; END $$;
CREATE PROCEDURE public.unbump(m int) LANGUAGE plpgsql AS $$ BEGIN UPDATE public.counter SET n = n - 1; DELETE FROM public.marks WHERE v = m AND p = 9; COMMIT; END $$;
GRANT ALL ON SCHEMA public, app TO faults_owner;
GRANT ALL ON ALL TABLES IN SCHEMA public TO faults_owner;
GRANT ALL ON ALL TABLES IN SCHEMA app TO faults_owner";

/// In the template of databases, all of it is for all roles.
const EVERYONE: &str = "
GRANT ALL ON SCHEMA public, app TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA app TO PUBLIC";

const SQLITE: &str = "
CREATE TABLE counter (n bigint); INSERT INTO counter VALUES (0);
CREATE TABLE marks (v int, p int);
CREATE TABLE closed (v int);
CREATE TABLE gate (x int CHECK (x = 0));
CREATE TABLE place (v int)";

/// A PostgreSQL server with the roles that the sets use.
pub(crate) struct Server {
    pub(crate) cluster: Postgres,
}

impl Server {
    pub(crate) async fn start(durable: bool) -> Result<Self, String> {
        let options = Options::default().durable(durable).setting("max_connections", "400");
        let cluster = tokio::task::spawn_blocking(move || Postgres::start(&options)).await;
        let cluster = cluster.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        let server = Self { cluster };
        let roles =
            "CREATE ROLE faults_owner; CREATE ROLE runner LOGIN PASSWORD 'runner'; GRANT faults_owner TO runner";
        server.administer(roles).await.map_err(|error| error.to_string())?;
        let template = server.admin_url("template1");
        for sql in [POSTGRES, EVERYONE] {
            execute(&template, sql).await.map_err(|error| error.to_string())?;
        }
        Ok(server)
    }

    pub(crate) fn admin_url(&self, database: &str) -> String {
        self.cluster.url(database)
    }

    pub(crate) async fn administer(&self, sql: &str) -> Result<(), sqlx::Error> {
        execute(&self.admin_url("postgres"), sql).await
    }

    /// Creates a database with the tables that every set uses.
    pub(crate) async fn database(&self, name: &str) -> Result<CaseDatabase, sqlx::Error> {
        self.administer(&format!("CREATE DATABASE {name} OWNER runner TEMPLATE template0 ENCODING 'UTF8'")).await?;
        let url = format!("postgres://runner:runner@127.0.0.1:{}/{name}", self.cluster.port());
        execute(&url, POSTGRES).await?;
        Ok(CaseDatabase {
            name: name.to_owned(),
            admin: self.admin_url(name),
            url,
            port: self.cluster.port(),
            _folder: None,
        })
    }

    /// Creates a database with the same tables, which every role may use. Databases that scripts create are copies too.
    pub(crate) async fn of_everyone(&self, name: &str, owner: &str) -> Result<(), sqlx::Error> {
        self.administer(&format!("CREATE DATABASE {name} OWNER {owner}")).await
    }

    pub(crate) async fn drop(&self, place: &CaseDatabase) {
        let _ = self.administer(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", place.name)).await;
    }
}

/// The database of a case.
pub(crate) struct CaseDatabase {
    pub(crate) name: String,
    pub(crate) url: String,
    /// The URL for the oracle.
    pub(crate) admin: String,
    pub(crate) port: u16,
    _folder: Option<TempDir>,
}

impl CaseDatabase {
    pub(crate) async fn file(folder: &Path) -> Result<Self, sqlx::Error> {
        let folder = tempfile::tempdir_in(folder).map_err(sqlx::Error::Io)?;
        Self::file_in(folder.path().join("faults.db"), Some(folder)).await
    }

    pub(crate) async fn file_in(path: PathBuf, folder: Option<TempDir>) -> Result<Self, sqlx::Error> {
        let url = format!("sqlite://{}?mode=rwc", path.display());
        execute(&url, SQLITE).await?;
        let name = path.display().to_string();
        Ok(Self { name, admin: url.clone(), url, port: 0, _folder: folder })
    }

    /// Runs SQL at this URL.
    pub(crate) async fn run(url: &str, sql: &str) -> Result<(), sqlx::Error> {
        execute(url, sql).await
    }

    /// Runs SQL as the owner of the database.
    pub(crate) async fn execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        execute(&self.admin, sql).await
    }

    /// Returns the URL of the database through another port.
    pub(crate) fn through(&self, port: u16) -> String {
        self.url.replace(&format!(":{}/", self.port), &format!(":{port}/"))
    }
}

async fn execute(url: &str, sql: &str) -> Result<(), sqlx::Error> {
    let sql = AssertSqlSafe(sql.to_owned());
    if url.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(url).await?;
        sqlx::raw_sql(sql).execute(&mut connection).await?;
        connection.close().await
    } else {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::raw_sql(sql).execute(&mut connection).await?;
        connection.close().await
    }
}

/// A runner process.
pub(crate) struct Runner {
    child: Child,
    lines: tokio::io::Lines<BufReader<ChildStdout>>,
    pub(crate) output: RunOutput,
}

impl Runner {
    pub(crate) fn start(order: &Order) -> Self {
        Self::start_under(order, &[])
    }

    /// Starts a runner under another program, such as one that changes the clock.
    pub(crate) fn start_under(order: &Order, before: &[&str]) -> Self {
        let program = std::env::current_exe().expect("the campaign knows its own program");
        let order = serde_json::to_string(order).expect("an order can be written");
        let mut command = match before {
            [] => Command::new(program),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        command.arg("runner").arg(order).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn().expect("a runner starts");
        let out = child.stdout.take().expect("its output is a pipe");
        Self { child, lines: BufReader::new(out).lines(), output: RunOutput::default() }
    }

    /// Reads its output until it has reported this many events. Returns `false` if it ended before.
    pub(crate) async fn until(&mut self, events: usize) -> bool {
        while self.output.events < events {
            if !self.hear().await {
                return false;
            }
        }
        true
    }

    async fn hear(&mut self) -> bool {
        match self.lines.next_line().await {
            Ok(Some(line)) => {
                if let Ok(line) = serde_json::from_str(&line) {
                    self.output.hear(line);
                }
                true
            }
            Ok(None) | Err(_) => false,
        }
    }

    /// Reads its output to the end. A runner that does not end is killed.
    pub(crate) async fn end(mut self, patience: Duration) -> RunOutput {
        let all = async { while self.hear().await {} };
        if tokio::time::timeout(patience, all).await.is_err() {
            self.output.left.push(format!("the runner has not ended within {patience:?}"));
            let _ = self.child.start_kill();
        }
        let _ = self.child.wait().await;
        self.output
    }

    /// Kills it, and returns what it had reported, and whether it was still running migrations.
    pub(crate) async fn kill(mut self) -> (RunOutput, bool) {
        let _ = self.child.start_kill();
        let _ = self.child.wait().await;
        while self.hear().await {}
        let at_work = self.output.planned && self.output.done.is_none() && self.output.failure.is_none();
        (self.output, at_work)
    }

    pub(crate) fn signal(&self, name: &str) {
        if let Some(id) = self.child.id() {
            let _ = std::process::Command::new("kill").args([format!("-{name}"), id.to_string()]).status();
        }
    }
}
