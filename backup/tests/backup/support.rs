//! Throwaway databases, and stores.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use lockgate::{Database, Migrations, Migrator, embed_migrations};
use lockgate_backup::{Event, Meta, Purpose, Store, Subject};
use lockgate_testing::server::{ErrorKind, Options, Shared};
use sqlx::{AssertSqlSafe, Connection};
use tempfile::TempDir;

pub(crate) static MIGRATIONS: Migrations = embed_migrations!("tests/migrations");

/// A database, and a folder beside it.
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) name: String,
    pub(crate) folder: TempDir,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
    is_sqlite: bool,
}

/// The cluster of the test run. `None` if this machine has none.
pub(crate) fn cluster() -> Option<&'static Shared> {
    static CLUSTER: OnceLock<Option<Shared>> = OnceLock::new();
    let join = || match Shared::join(&Options::default()) {
        Ok(cluster) => Some(cluster),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            lockgate_harness::skipped("postgres", &error.to_string()).unwrap();
            None
        }
        Err(error) => panic!("{error}"),
    };
    CLUSTER.get_or_init(join).as_ref()
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("library.db").display());
        std::fs::create_dir(folder.path().join("store")).unwrap();
        Self { url, name: "library".to_owned(), folder, events: Arc::default(), is_sqlite: true }
    }

    pub(crate) async fn postgres() -> Option<Self> {
        static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let cluster = cluster()?;
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("backup_{}_{number}", std::process::id());
        execute(&cluster.url("postgres"), &format!("CREATE DATABASE {name}")).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("store")).unwrap();
        Some(Self { url: cluster.url(&name), name, folder, events: Arc::default(), is_sqlite: false })
    }

    /// One of each that this machine has.
    pub(crate) async fn each() -> Vec<Self> {
        [Some(Self::sqlite()), Self::postgres().await].into_iter().flatten().collect()
    }

    /// The folder of the store.
    pub(crate) fn store_folder(&self) -> PathBuf {
        self.folder.path().join("store")
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(self.store_folder().to_str().unwrap()).unwrap()
    }

    pub(crate) async fn migrate(&self) {
        let mut database = Database::connect(&self.url).await.unwrap();
        migrator().apply(&mut database).await.unwrap();
        database.close().await.unwrap();
    }

    /// Fills `books` with so many rows of text that does not compress well.
    pub(crate) async fn fill(&self, rows: usize) {
        let sql = if self.is_sqlite {
            format!(
                "INSERT INTO books (id, title) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
                 SELECT i, hex(randomblob(200)) FROM n"
            )
        } else {
            let text = ["md5(random()::text)"; 12].join(" || ");
            format!("INSERT INTO books (id, title) SELECT i, {text} FROM generate_series(1, {rows}) i")
        };
        execute(&self.url, &sql).await;
    }

    pub(crate) async fn sql(&self, sql: &str) {
        execute(&self.url, sql).await;
    }

    /// The one number that a query gives.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        number(&self.url, sql).await
    }

    /// Waits until the server has ended the sessions of a process that was killed. It may be renaming until then, and who
    /// connects at that moment finds no database.
    pub(crate) async fn wait_for_other_sessions(&self) {
        if self.is_sqlite {
            return;
        }
        let name = &self.name;
        let others = format!(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE (datname LIKE '{name}%' OR query LIKE '%{name}%') AND pid <> pg_backend_pid()"
        );
        while number(&cluster().unwrap().url("postgres"), &others).await > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.is_sqlite
    }

    /// Calls a command on this database.
    pub(crate) async fn with<T>(
        &self,
        migrator: &Migrator,
        store: &Store,
        call: impl AsyncFnOnce(Subject<'_>) -> T,
    ) -> T {
        let events = Arc::clone(&self.events);
        let on_event = move |event: &Event| events.lock().unwrap().push(event.clone());
        call(Subject { url: &self.url, migrator, store, on_event: &on_event }).await
    }

    pub(crate) async fn backup(&self, store: &Store) -> Result<Meta, lockgate_backup::Error> {
        self.with(&migrator(), store, async |subject| lockgate_backup::create(&subject, Purpose::Asked).await).await
    }

    /// What the store has, each object by its path.
    pub(crate) fn stored(&self) -> Vec<String> {
        let root = self.store_folder();
        let (mut found, mut folders) = (Vec::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path.strip_prefix(&root).unwrap().display().to_string());
                }
            }
        }
        found.sort();
        found
    }
}

pub(crate) fn migrator() -> Migrator {
    Migrator::new(&MIGRATIONS)
}

pub(crate) async fn execute(url: &str, sql: &str) {
    let sql = AssertSqlSafe(sql.to_owned());
    if url.starts_with("sqlite") {
        let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

pub(crate) async fn number(url: &str, sql: &str) -> i64 {
    let sql = AssertSqlSafe(sql.to_owned());
    if url.starts_with("sqlite") {
        let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
        let number = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        number
    } else {
        let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
        let number = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        number
    }
}
