//! Several databases of one server, each patch as the role in its name. The patches are those of `examples/patches`, or
//! written here where a test needs others.

mod apply;
mod bootstraps;
mod cli;
mod connect;
mod down;
mod files;
mod killed;
mod mirror;
mod refusals;
mod rights;

use lockgate::{Databases, DatabasesMigrator, embed_migrations};
use lockgate_harness::server::{Options, Postgres};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::support::postgres;

/// The example's: three databases, and four roles beside the administrator.
static PATCHES: Databases = embed_migrations!("../examples/patches/patches", databases);

const ROLES: [&str; 4] = ["auditor", "billing_owner", "librarian", "reporter"];

/// A server of its own for one test, with the four roles. The password of a role is its name and `-secret`.
struct Server {
    postgres: Postgres,
}

impl Server {
    /// With the roles, and without the databases.
    async fn new() -> Option<Self> {
        let server = Self { postgres: postgres::cluster(&Options::default())? };
        for role in ROLES {
            server.admin(&format!("CREATE ROLE {role} LOGIN PASSWORD '{role}-secret'")).await;
        }
        Some(server)
    }

    /// The same, with the databases.
    async fn with_databases() -> Option<Self> {
        let server = Self::new().await?;
        for (database, owner) in [("audit", "auditor"), ("billing", "billing_owner"), ("catalog", "librarian")] {
            server.admin(&format!("CREATE DATABASE {database} OWNER {owner}")).await;
        }
        Some(server)
    }

    /// Its URL, with the administrator.
    fn url(&self) -> String {
        self.postgres.url("postgres")
    }

    async fn connect(&self, database: &str) -> PgConnection {
        PgConnection::connect(&self.postgres.url(database)).await.unwrap()
    }

    /// Runs a statement as the administrator.
    async fn admin(&self, sql: &str) {
        self.run("postgres", sql).await;
    }

    async fn run(&self, database: &str, sql: &str) {
        self.connect(database).await.execute(AssertSqlSafe(sql.to_owned())).await.unwrap();
    }

    /// The first column of a query, as the administrator.
    async fn texts(&self, database: &str, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        sqlx::query_scalar(sql).fetch_all(&mut self.connect(database).await).await.unwrap()
    }

    async fn exists(&self, database: &str) -> bool {
        let sql = format!("SELECT datname::text FROM pg_database WHERE datname = '{database}'");
        !self.texts("postgres", &sql).await.is_empty()
    }

    /// The tables and views of a database, each with its owner.
    async fn owners(&self, database: &str) -> Vec<String> {
        let sql = "SELECT c.relname || ' ' || pg_get_userbyid(c.relowner) FROM pg_class c JOIN pg_namespace n \
                   ON n.oid = c.relnamespace WHERE n.nspname = 'public' AND c.relkind IN ('r', 'v') ORDER BY 1";
        self.texts(database, sql).await
    }

    /// What the history of a database says, each row with the role that applied it.
    async fn history(&self, database: &str) -> Vec<String> {
        let sql =
            "SELECT set_name || ' ' || name || ' ' || applied_by FROM lockgate_history ORDER BY set_name, version";
        self.texts(database, sql).await
    }

    /// How often the log says that something was applied.
    async fn applied(&self, database: &str) -> Vec<String> {
        let sql =
            "SELECT name || ' ' || count(*) FROM lockgate_log WHERE event = 'applied' GROUP BY name ORDER BY name";
        self.texts(database, sql).await
    }
}

/// A migrator that knows the passwords of the roles.
fn migrator(databases: &'static Databases) -> DatabasesMigrator {
    DatabasesMigrator::new(databases).passwords(|role| Some(format!("{role}-secret")).filter(|_| ROLES.contains(&role)))
}

#[test]
fn a_folder_is_embedded_whole() {
    let names: Vec<&str> = PATCHES.into_iter().map(|database| database.name()).collect();
    assert_eq!(names, ["audit", "billing", "catalog"]);
    let billing = PATCHES.get("billing").unwrap();
    assert_eq!((billing.bootstraps().len(), billing.migrations().len()), (1, 3));
    assert!(PATCHES.get("nothing").is_none() && Databases::EMPTY.is_empty());
    // The form for one database has its patches alone.
    static ONE: lockgate::Migrations = embed_migrations!("../examples/patches/patches", database = "billing");
    assert_eq!(ONE.len(), 3);
}
