//! A backup in a bucket: an S3 server on loopback, which keeps its objects in a folder.

use std::net::{Ipv4Addr, SocketAddr};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use lockgate::{Database, Migrations, Migrator, Stage, embed_migrations};
use lockgate_backup::prune::{self, Policy};
use lockgate_backup::{BackupChoice, BackupStage, Purpose, Store, Subject, list, restore};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;

static MIGRATIONS: Migrations = embed_migrations!("tests/migrations");

const URL: &str = "BACKUP_TEST_URL";

/// Serves the buckets that are folders of this one.
async fn serve(buckets: &std::path::Path) -> SocketAddr {
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(buckets).unwrap());
    builder.set_auth(SimpleAuth::from_single("key", "secret"));
    let service = builder.build();
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let server = Builder::new(TokioExecutor::new());
                // A client that goes away is no matter.
                let _ = server.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    address
}

/// Credentials and server are in variables, which a test cannot set for itself: so another process has them.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_comes_back_from_a_bucket() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("buckets/kept")).unwrap();
    let address = serve(&folder.path().join("buckets")).await;
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("library.db").display());
    let program = std::env::current_exe().unwrap();
    let child = |secret: &'static str| {
        let mut command = tokio::process::Command::new(&program);
        command
            .args(["--exact", "child", "--nocapture"])
            .env(URL, &url)
            .env("AWS_ENDPOINT_URL", format!("http://{address}"))
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .env("AWS_REGION", "us-east-1");
        command.output()
    };
    let done = child("secret").await.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    // The database is there now; with the wrong secret there is no backup of it.
    let denied = child("wrong").await.unwrap();
    let said = String::from_utf8_lossy(&denied.stderr).into_owned();
    assert!(!denied.status.success() && said.contains("the store `s3://kept/a/b`"), "{said}");
    assert!(!said.contains("wrong"), "{said}");
}

async fn rows(url: &str, sql: &'static str) -> i64 {
    use sqlx::Connection;

    let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
    let rows = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows
}

/// What the test above starts.
#[tokio::test]
async fn child() {
    let Ok(url) = std::env::var(URL) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut database = Database::connect(&url).await.unwrap();
    let migrator = Migrator::new(&MIGRATIONS);
    migrator.apply(&mut database).await.unwrap();
    migrator.mark_stage(&mut database, Stage::Development).await.unwrap();
    // More than one part.
    sqlx::raw_sql(
        "DELETE FROM books; INSERT INTO books (id, title) WITH RECURSIVE n (i) AS \
         (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 14000) SELECT i, hex(randomblob(200)) FROM n",
    )
    .execute(database.sqlite().unwrap())
    .await
    .unwrap();
    database.close().await.unwrap();

    let store = Store::open("s3://kept/a/b").unwrap();
    let migrator = migrator.expect_stage(Stage::Development);
    let subject = Subject { url: &url, migrator: &migrator, store: &store, on_event: &|_| () };
    let first = lockgate_backup::create(&subject, Purpose::Asked).await.unwrap();
    assert!(first.size > 5 << 20, "{}", first.size);
    let second = lockgate_backup::create(&subject, Purpose::Asked).await.unwrap();
    let listing = list::list(&store, "library", None).await.unwrap();
    assert_eq!((listing.backups, listing.broken), (vec![first.clone(), second.clone()], Vec::new()));

    let fetched = lockgate_backup::fetch(&subject, &BackupChoice::default(), folder.path()).await.unwrap();
    assert_eq!((&fetched.meta, std::fs::metadata(&fetched.file).unwrap().len()), (&second, second.size));
    assert_eq!(lockgate_backup::verify(&subject, &BackupChoice::default()).await.unwrap().meta, second);

    let mut database = Database::connect(&url).await.unwrap();
    sqlx::raw_sql("DELETE FROM books WHERE id = 7").execute(database.sqlite().unwrap()).await.unwrap();
    database.close().await.unwrap();
    let mut options = restore::Options::default();
    options.stage = Some(Stage::Development);
    restore::restore(&subject, &options).await.unwrap();
    assert_eq!(rows(&url, "SELECT count(*) FROM books WHERE id = 7").await, 1);

    let mut options = prune::Options::default();
    options.stage = Some(BackupStage::Stage(Stage::Development));
    options.policy = Policy { last: 1, ..Policy::default() };
    let pruned = prune::prune(&subject, &options).await.unwrap();
    assert_eq!(pruned.deleted, [first]);
    let listing = list::list(&store, "library", None).await.unwrap();
    assert_eq!((listing.backups, listing.broken), (vec![second], Vec::new()));
    let missing = Store::open("s3://nowhere").unwrap();
    let subject = Subject { store: &missing, ..subject };
    let error = lockgate_backup::create(&subject, Purpose::Asked).await.unwrap_err();
    assert!(error.report().contains("the store `s3://nowhere`"), "{error:?}");
}
