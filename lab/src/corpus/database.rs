//! The databases that a set runs on, and the plain database shells that do not use Lockgate.

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lockgate_testing::server::Postgres;
use lockgate_xtask::__private::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Dialect {
    Postgres,
    Sqlite,
}

impl Dialect {
    /// Its name in `migrations.toml`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        }
    }

    pub(crate) fn source(self) -> lockgate_source::core::Dialect {
        match self {
            Self::Postgres => lockgate_source::core::Dialect::Postgres,
            Self::Sqlite => lockgate_source::core::Dialect::Sqlite,
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The database shells that this machine has.
#[derive(Debug)]
pub(super) struct Programs {
    psql: Option<PathBuf>,
    pg_dump: Option<PathBuf>,
    sqlite3: Option<PathBuf>,
}

impl Programs {
    /// Finds the shells. Those next to the server's programs come first, as pg_dump must not be older than the server.
    pub(super) fn find(server: Option<&Postgres>) -> Self {
        let find = |name: &str| {
            let beside = server.map(|server| server.bin().join(name)).filter(|path| path.is_file());
            beside.or_else(|| env::split_paths(&env::var_os("PATH")?).map(|f| f.join(name)).find(|path| path.is_file()))
        };
        Self { psql: find("psql"), pg_dump: find("pg_dump"), sqlite3: find("sqlite3") }
    }

    /// Passes the server to a program, and `pg_dump` if it needs it.
    pub(super) fn for_server(&self, command: &mut Command, server: &Postgres, dump: bool) {
        environment(command, server, "postgres").env("LOCKGATE_TEST_POSTGRES", server.url("postgres"));
        if let Some(program) = self.pg_dump.as_ref().filter(|_| dump) {
            command.env("CORPUS_DUMP", program);
        }
    }

    /// Returns why sets of this dialect cannot run here, if they cannot.
    pub(super) fn missing(&self, dialect: Dialect, server: Option<&Postgres>) -> Option<&'static str> {
        match dialect {
            Dialect::Postgres if server.is_none() => Some("no PostgreSQL server"),
            Dialect::Postgres if self.psql.is_none() || self.pg_dump.is_none() => {
                Some("no `psql` and `pg_dump` (`apt-get install postgresql-client`)")
            }
            Dialect::Sqlite if self.sqlite3.is_none() => Some("no `sqlite3` (`apt-get install sqlite3`)"),
            Dialect::Postgres | Dialect::Sqlite => None,
        }
    }
}

/// An empty database for the plain shell.
pub(super) enum Database<'a> {
    Postgres { server: &'a Postgres, programs: &'a Programs, name: String },
    Sqlite { programs: &'a Programs, file: PathBuf },
}

impl<'a> Database<'a> {
    /// Creates it, and replaces one with the same name.
    pub(super) fn create(
        dialect: Dialect,
        server: Option<&'a Postgres>,
        programs: &'a Programs,
        name: &str,
        folder: &Path,
    ) -> Result<Self, Failure> {
        match dialect {
            Dialect::Postgres => {
                let server = server.expect("`missing` was asked before");
                let maintenance = Self::Postgres { server, programs, name: "postgres".to_owned() };
                maintenance.must(&format!("DROP DATABASE IF EXISTS {name}"))?;
                maintenance.must(&format!("CREATE DATABASE {name} TEMPLATE template0"))?;
                Ok(Self::Postgres { server, programs, name: name.to_owned() })
            }
            Dialect::Sqlite => {
                let file = folder.join(format!("{name}.db"));
                for suffix in ["", "-wal", "-shm", "-journal"] {
                    let _ = fs::remove_file(folder.join(format!("{name}.db{suffix}")));
                }
                Ok(Self::Sqlite { programs, file })
            }
        }
    }

    /// Returns its URL for Lockgate.
    pub(super) fn url(&self) -> String {
        match self {
            Self::Postgres { server, name, .. } => server.url(name),
            Self::Sqlite { file, .. } => format!("sqlite:{}?mode=rwc", file.display()),
        }
    }

    /// Runs a script in the plain shell. An `Err` is the output of the shell.
    pub(super) fn script(&self, path: &Path, single_transaction: bool) -> Result<(), String> {
        match self {
            Self::Postgres { .. } => {
                let mut command = self.psql();
                command.args(["-v", "ON_ERROR_STOP=1"]);
                if single_transaction {
                    command.arg("--single-transaction");
                }
                output_of(command.arg("-f").arg(path)).map(drop)
            }
            Self::Sqlite { .. } => {
                let text = fs::read_to_string(path).map_err(|e| e.to_string())?;
                let text = if single_transaction { format!("BEGIN;\n{text}\n;COMMIT;\n") } else { text };
                let copy = tempfile::NamedTempFile::new().map_err(|e| e.to_string())?;
                fs::write(copy.path(), text).map_err(|e| e.to_string())?;
                let input = fs::File::open(copy.path()).map_err(|e| e.to_string())?;
                output_of(self.sqlite3().arg("-bail").stdin(input)).map(drop)
            }
        }
    }

    /// Runs one statement.
    pub(super) fn must(&self, statement: &str) -> Result<(), Failure> {
        let output = match self {
            Self::Postgres { .. } => output_of(self.psql().args(["-v", "ON_ERROR_STOP=1", "-c", statement])),
            Self::Sqlite { .. } => output_of(self.sqlite3().arg("-bail").arg(statement)),
        };
        output.map(drop).map_err(|e| Failure::impossible(format!("{statement}: {e}")))
    }

    /// Returns its schema as text, in a stable order, without Lockgate's own tables.
    pub(super) fn schema(&self) -> Result<String, Failure> {
        let failed = |e| Failure::impossible(format!("a schema cannot be read: {e}"));
        match self {
            Self::Postgres { server, programs, name } => {
                let mut command = Command::new(programs.pg_dump.as_ref().expect("`missing` was asked before"));
                command.args(["--schema-only", "--exclude-table=*.lockgate_*", name]);
                let dump = output_of(environment(&mut command, server, name)).map_err(failed)?;
                Ok(without_noise(&dump))
            }
            Self::Sqlite { .. } => {
                let question = "SELECT type || ' ' || name || ' on ' || tbl_name || char(10) || coalesce(sql, '') \
                                FROM sqlite_schema WHERE tbl_name NOT LIKE 'lockgate\\_%' ESCAPE '\\' \
                                AND tbl_name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type, name";
                output_of(self.sqlite3().arg(question)).map_err(failed)
            }
        }
    }

    fn psql(&self) -> Command {
        let Self::Postgres { server, programs, name } = self else { unreachable!("asked of PostgreSQL alone") };
        let mut command = Command::new(programs.psql.as_ref().expect("`missing` was asked before"));
        environment(&mut command, server, name).args(["--no-psqlrc", "--quiet"]);
        command
    }

    fn sqlite3(&self) -> Command {
        let Self::Sqlite { programs, file } = self else { unreachable!("asked of SQLite alone") };
        let mut command = Command::new(programs.sqlite3.as_ref().expect("`missing` was asked before"));
        command.args(["-batch", "-init", "/dev/null"]).arg(file);
        command
    }
}

/// Passes the server in variables, as every user can see a password on a command line.
fn environment<'a>(command: &'a mut Command, server: &Postgres, name: &str) -> &'a mut Command {
    command.env("PGHOST", "127.0.0.1").env("PGPORT", server.port().to_string()).env("PGUSER", "postgres");
    command
        .env("PGPASSWORD", server.password())
        .env("PGDATABASE", name)
        .env("PGOPTIONS", "-c client_min_messages=error")
}

fn output_of(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| e.to_string())?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

/// Removes from a dump what does not depend on the schema.
fn without_noise(dump: &str) -> String {
    let noise = |line: &&str| {
        line.is_empty()
            || line.starts_with("--")
            || line.starts_with("\\restrict")
            || line.starts_with("\\unrestrict")
            || line.starts_with("SET ")
            || line.starts_with("SELECT pg_catalog.set_config(")
    };
    dump.lines().filter(|line| !noise(line)).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_its_statements() {
        let dump =
            "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\nSET x = 1;\nCREATE TABLE a (\n    x int\n);\n";
        assert_eq!(without_noise(dump), "CREATE TABLE a (\n    x int\n);\n");
    }
}
