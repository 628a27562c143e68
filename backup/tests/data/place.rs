//! A throwaway database, with what these tests ask of it.

use lockgate::{Database, Dialect};
use lockgate_backup::Error;
use lockgate_backup::data::{self, DumpOptions, LoadOptions, Tables};
use lockgate_harness::Throwaway;
use sqlx::{AssertSqlSafe, Row};

pub(crate) struct Place {
    throwaway: Throwaway,
}

impl Place {
    /// A database with this schema; `None` if this machine has no server.
    pub(crate) async fn with(dialect: Dialect, schema: &str) -> Option<Self> {
        let place = Self { throwaway: Throwaway::empty(dialect).await.unwrap()? };
        place.run(schema).await;
        Some(place)
    }

    pub(crate) fn url(&self) -> String {
        self.throwaway.url()
    }

    pub(crate) async fn open(&self) -> Database {
        self.throwaway.connect().await.unwrap()
    }

    pub(crate) async fn run(&self, sql: &str) {
        let mut database = self.open().await;
        let sql = AssertSqlSafe(sql.to_owned());
        match self.throwaway.dialect() {
            Dialect::Sqlite => drop(sqlx::raw_sql(sql).execute(database.sqlite().unwrap()).await.unwrap()),
            _ => drop(sqlx::raw_sql(sql).execute(database.postgres().unwrap()).await.unwrap()),
        }
        database.close().await.unwrap();
    }

    /// The first column of each row, as text.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let mut database = self.open().await;
        let sql = AssertSqlSafe(sql.to_owned());
        let texts = match self.throwaway.dialect() {
            Dialect::Sqlite => {
                let rows = sqlx::query(sql).fetch_all(database.sqlite().unwrap()).await.unwrap();
                rows.iter().map(|row| row.try_get(0).unwrap()).collect()
            }
            _ => {
                let rows = sqlx::query(sql).fetch_all(database.postgres().unwrap()).await.unwrap();
                rows.iter().map(|row| row.try_get(0).unwrap()).collect()
            }
        };
        database.close().await.unwrap();
        texts
    }

    pub(crate) async fn dump(&self, options: &DumpOptions) -> Result<(String, Tables), Error> {
        let mut file = Vec::new();
        let tables = data::dump(&mut self.open().await, options, &mut file).await?;
        Ok((String::from_utf8(file).unwrap(), tables))
    }

    /// The dump of everything.
    pub(crate) async fn whole(&self) -> String {
        self.dump(&DumpOptions::default()).await.unwrap().0
    }

    pub(crate) async fn load(&self, file: &str) -> Result<Tables, Error> {
        self.load_with(&LoadOptions::default(), file).await
    }

    pub(crate) async fn load_with(&self, options: &LoadOptions, file: &str) -> Result<Tables, Error> {
        data::load(&mut self.open().await, options, &mut file.as_bytes()).await
    }
}

/// What an error says, which a user sees.
#[track_caller]
pub(crate) fn says<T: std::fmt::Debug>(result: Result<T, Error>, words: &[&str]) {
    let report = result.unwrap_err().report();
    for word in words {
        assert!(report.contains(word), "`{word}` is not in:\n{report}");
    }
    assert!(report.contains("nothing was changed"), "{report}");
}
