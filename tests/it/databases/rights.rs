//! Least privilege: what the guide says each role needs is enough, and without it the grant is named.

use lockgate::{Databases, DatabasesMigrator, ErrorKind};

use super::{PATCHES, Server, migrator};
use crate::support::set::databases;
use crate::support::tree::root;

/// The patches of the example, without its bootstraps.
fn patches() -> &'static Databases {
    let mut files =
        vec![("migrations.toml".to_owned(), "numbering = \"encoded\"\ndialects = [\"postgres\"]\n".to_owned())];
    for folder in ["audit", "billing", "catalog"] {
        for file in std::fs::read_dir(root().join("examples/patches/patches").join(folder)).unwrap() {
            let file = file.unwrap();
            files.push((file.file_name().into_string().unwrap(), std::fs::read_to_string(file.path()).unwrap()));
        }
    }
    files.retain(|(name, _)| !name.contains(".00000000."));
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    databases(&files)
}

/// Takes from everybody what PostgreSQL gives to everybody.
async fn strict(server: &Server) {
    for database in ["audit", "billing", "catalog"] {
        server.admin(&format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC")).await;
        server.run(database, "REVOKE ALL ON SCHEMA public FROM PUBLIC").await;
    }
    server.admin("GRANT CONNECT ON DATABASE billing TO reporter").await;
}

fn url_of(server: &Server, user: &str) -> String {
    let (all, own) = (server.url(), format!("postgres:{}@", server.postgres.password()));
    all.replacen(&own, &format!("{user}:{user}-secret@"), 1)
}

#[tokio::test]
async fn the_patch_roles_need_no_more_than_the_guide_says() {
    let Some(server) = Server::with_databases().await else { return };
    strict(&server).await;
    // Without an administrator in the URL: only the patch roles log in.
    let without_user = format!("postgres://127.0.0.1:{}", server.postgres.port());
    let report = migrator(patches()).apply(&without_user).await.unwrap();
    assert_eq!(report.steps().count(), 6);
    // The owner has opened the history to the other role, and to nobody else.
    let sql = "SELECT grantee || ' ' || string_agg(privilege_type, ',' ORDER BY privilege_type) FROM \
               information_schema.role_table_grants WHERE table_name = 'lockgate_history' AND grantee <> grantor \
               GROUP BY grantee";
    assert_eq!(server.texts("billing", sql).await, ["reporter DELETE,INSERT,SELECT,UPDATE"]);
    assert!(migrator(patches()).apply(&without_user).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_reading_role_needs_select_on_the_history() {
    let Some(server) = Server::with_databases().await else { return };
    strict(&server).await;
    migrator(patches()).apply(&format!("postgres://127.0.0.1:{}", server.postgres.port())).await.unwrap();
    server.admin("CREATE ROLE viewer LOGIN PASSWORD 'viewer-secret'").await;
    let reading = DatabasesMigrator::new(patches()).passwords(|_| Some("unknown".to_owned())).only("billing");
    let url = url_of(&server, "viewer");
    assert_eq!(reading.status(&url).await.unwrap_err().kind(), ErrorKind::Denied);
    server.admin("GRANT CONNECT ON DATABASE billing TO viewer").await;
    server.run("billing", "GRANT USAGE ON SCHEMA public TO viewer").await;
    let error = reading.status(&url).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    server.run("billing", "GRANT SELECT ON lockgate_history, lockgate_log TO viewer").await;
    let stand = reading.status(&url).await.unwrap();
    assert!(stand[0].status.is_up_to_date(), "{stand:?}");
    assert!(reading.plan(&url).await.unwrap()[0].is_empty());
    assert_eq!(reading.ready(&url).await.unwrap()[0].1, lockgate::wait::Readiness::Ready);
}

#[tokio::test]
async fn a_grant_that_is_missing_is_named_before_anything_runs() {
    let Some(server) = Server::with_databases().await else { return };
    server.admin("ALTER DATABASE catalog OWNER TO postgres").await;
    server.run("catalog", "REVOKE CREATE ON SCHEMA public FROM PUBLIC").await;
    let error = migrator(&PATCHES).apply(&server.url()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let shown = format!("{error:?}");
    let grant = "GRANT USAGE, CREATE ON SCHEMA \"public\" TO \"librarian\"";
    assert!(shown.contains(grant) && shown.contains("the database `catalog` as the role `librarian`"), "{shown}");
    assert!(server.owners("audit").await.is_empty());
    server.run("catalog", grant).await;
    assert_eq!(migrator(&PATCHES).apply(&server.url()).await.unwrap().steps().count(), 6);
}

#[tokio::test]
async fn a_history_of_somebody_elses_needs_their_grant() {
    let Some(server) = Server::with_databases().await else { return };
    migrator(&PATCHES).only("audit").apply(&server.url()).await.unwrap();
    server.admin("CREATE ROLE keeper").await;
    server.run("audit", "ALTER TABLE lockgate_history OWNER TO keeper; ALTER TABLE lockgate_log OWNER TO keeper").await;
    server.run("audit", "UPDATE lockgate_history SET version = version").await;
    server.run("audit", "DELETE FROM lockgate_history; DROP TABLE entry").await;
    server.run("audit", "GRANT SELECT ON lockgate_history TO auditor").await;
    let error = migrator(&PATCHES).only("audit").apply(&server.url()).await.unwrap_err();
    let shown = format!("{error:?}");
    let grants = "GRANT SELECT, INSERT, UPDATE, DELETE ON \"public\".\"lockgate_history\" TO \"auditor\"; GRANT SELECT, \
                  INSERT ON \"public\".\"lockgate_log\" TO \"auditor\"";
    assert!(shown.contains(grants), "{shown}");
    server.run("audit", grants).await;
    assert_eq!(migrator(&PATCHES).only("audit").apply(&server.url()).await.unwrap().steps().count(), 1);
}
