//! URLs: what would be dropped in silence is refused by name, and the spelling that is named works.

use std::time::Duration;

use lockgate::{Audience, Database, Error, ErrorKind, Migrator};
use lockgate_cli::Exit;
use lockgate_harness::server::Options;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::{quoted, read, types};
use crate::support::postgres;
use crate::support::set::migrations;

const A: (&str, &str) = ("0001_a.sql", "CREATE TABLE a (id INTEGER);");

async fn refused(url: &str) -> Error {
    // A wrong URL is reported immediately, however long the program may wait for a server.
    let error = Database::connect_within(url, Duration::from_secs(3600)).await.expect_err(url);
    assert_eq!(error.kind(), ErrorKind::Usage, "{url}: {error:?}");
    assert!(!error.report().help().is_empty(), "{url}: {error:?}");
    for audience in Audience::ALL {
        let text = error.report_for(audience).to_string();
        assert!(!text.contains("s3cret"), "{url}: a secret is shown:\n{text}");
    }
    error
}

#[tokio::test]
async fn a_parameter_that_the_driver_drops_is_refused_by_name() {
    // The wrong parameter, the name in the message, and the advice.
    let cases = [
        ("search_path=app", "`search_path`", "options=-csearch_path%3Dapp"),
        ("schema=app", "`schema`", "options=-csearch_path%3Dapp"),
        ("currentSchema=app,public", "`currentSchema`", "options=-csearch_path%3Dapp,public"),
        ("search_path=app,%20public", "`search_path`", "options=-csearch_path%3Dapp,%5C%20public"),
        ("statement_timeout=0", "`statement_timeout`", "options=-cstatement_timeout%3D0"),
        ("statementTimeout=5s", "`statementTimeout`", "options=-cstatement_timeout%3D5s"),
        ("app.tenant=7", "`app.tenant`", "options=-capp.tenant%3D7"),
        ("ssl=true", "`ssl`", "sslmode=verify-full"),
        ("ssl=false", "`ssl`", "sslmode=disable"),
        ("sslMode=verify-full", "`sslMode`", "sslmode=verify-full"),
        ("SSLMODE=disable", "`SSLMODE`", "sslmode=disable"),
        ("ssl_mode=Require", "`ssl_mode`", "sslmode=require"),
        ("sslmode=verify_full", "`sslmode=verify_full`", "sslmode=verify-full"),
        ("sslmode=true", "`sslmode=true`", "sslmode=require"),
        ("sslmode=no-verify", "`sslmode=no-verify`", "sslmode=require"),
        ("sslmode=perhaps", "`sslmode=perhaps`", "`verify-ca`"),
        ("sslmode=", "`sslmode`", "leave `sslmode=` out"),
        ("sslmode=disable&sslmode=require", "`sslmode` twice", "write it once"),
        ("sslmode=disable&ssl-mode=disable", "`sslmode` twice", "write it once"),
        ("sslrootcert=/ca.pem", "`sslrootcert` verifies nothing", "sslmode=verify-full"),
        ("sslmode=require&sslrootcert=/ca.pem", "`sslrootcert` verifies nothing", "sslmode=verify-ca"),
        ("sslRootCert=/ca.pem", "`sslRootCert`", "sslrootcert="),
        ("channel_binding=require", "`channel_binding`", "sslmode=verify-full"),
        ("connect_timeout=10", "`connect_timeout`", "leave it out"),
        ("lock_timeout=10s", "`lock_timeout`", "leave it out"),
        ("TimeZone=UTC", "`TimeZone`", "leave it out"),
        ("target_session_attrs=read-write", "`target_session_attrs`", "leave it out"),
        ("applicationName=x", "`applicationName`", "application_name="),
        ("database=x", "`database`", "dbname="),
        ("Password=s3cret", "`Password`", "password="),
        ("pass=s3cret", "`pass`", "password="),
        ("port=none", "`port`", "port=5432"),
        ("pgbouncer=true", "`pgbouncer`", "leave it out"),
        ("options[search_path=app", "`options[search_path`", "options=-c"),
    ];
    for (parameters, names, way_out) in cases {
        let text = refused(&format!("postgres://ann:s3cret@127.0.0.1:1/db?{parameters}")).await.report().to_string();
        assert!(
            text.contains(names) && text.contains(way_out),
            "{parameters}: no «{names}» or «{way_out}» in:\n{text}"
        );
    }
    let error = refused("postgres://ann@127.0.0.1:1/db?connect_timeout=10").await;
    read(&error, &["`--wait-for-server 30s`"]);
    assert!(error.report().to_string().contains("`Database::connect_within`"), "{error:?}");
    read(&refused("postgres://ann@127.0.0.1:1/db?lock_timeout=10").await, &["`--lock-timeout 1min`"]);
    for url in [
        "postgres://ann@a,b/db",
        "postgres://ann:s3cret@127.0.0.1:1/db#x",
        "postgres://ann:12?s3cret@host/db",
        "postgres://ann:12/s3cret@host/db",
        "postgres://ann:12#s3cret@host/db",
    ] {
        refused(url).await;
    }
}

#[tokio::test]
async fn a_parameter_of_sqlite_that_means_nothing_is_refused_by_name() {
    let cases = [
        ("Mode=rwc", "`Mode`", "`mode=rwc`"),
        ("mode=RWC", "`mode=RWC`", "`mode=rwc`"),
        ("mode=", "`mode=`", "`mode=rwc`"),
        ("mode=ro&mode=rwc", "`mode` twice", "write it once"),
        ("cache=none", "`cache=none`", "`cache=private`"),
        ("vfs=", "`vfs=`", "leave `vfs=` out"),
        ("foreign_keys=off", "`foreign_keys`", "`-- lockgate: foreign-keys off`"),
        ("journal_mode=wal", "`journal_mode`", "PRAGMA journal_mode = WAL"),
        ("busy_timeout=5000", "`busy_timeout`", "lock_wait"),
        ("key=s3cret", "`key`", "leave it out"),
    ];
    for (parameters, names, way_out) in cases {
        let text = refused(&format!("sqlite://none.db?{parameters}")).await.report().to_string();
        assert!(
            text.contains(names) && text.contains(way_out),
            "{parameters}: no «{names}» or «{way_out}» in:\n{text}"
        );
    }
    // Also if the file does not exist and the verb only reads.
    let set = migrations(&[A]);
    assert_eq!(types(set, "sqlite://none.db?mode=rwc&Mode=ro", "status").await, Exit::Usage);
}

/// The spelling that is named does what was meant.
#[tokio::test]
async fn the_spelling_that_is_named_works() {
    let Some(database) = postgres::database() else { return };
    let url = database.url();
    database.connect().await.execute("CREATE SCHEMA app; CREATE SCHEMA \"my app\"").await.unwrap();
    for (wrong, shows, is) in [
        ("search_path=app", "search_path", "app"),
        ("schema=app,%20public", "search_path", "app, public"),
        ("search_path=%22my%20app%22", "search_path", "\"my app\""),
        ("statement_timeout=1234", "statement_timeout", "1234ms"),
        ("app.tenant=a%5Cb", "app.tenant", "a\\b"),
    ] {
        let error = refused(&format!("{url}?{wrong}")).await;
        let text = read(&error, &[]);
        let url = format!("{url}?{}", quoted(&text, "options="));
        let mut connected = Database::connect(&url).await.unwrap();
        let shown: String = sqlx::query_scalar(AssertSqlSafe(format!("SHOW {shows}")))
            .fetch_one(connected.postgres().unwrap())
            .await
            .unwrap();
        assert_eq!(shown, is, "{wrong}");
    }
    let text = read(&refused(&format!("{url}?search_path=app")).await, &[]);
    let url = format!("{url}?{}", quoted(&text, "options="));
    assert_eq!(types(migrations(&[A]), &url, "up").await, Exit::Done);
    let found = sqlx::query_scalar::<_, String>("SELECT schemaname::text FROM pg_tables WHERE tablename = 'a'");
    assert_eq!(found.fetch_all(&mut database.connect().await).await.unwrap(), ["app"]);
}

#[tokio::test]
async fn encryption_that_is_not_built_in_is_named() {
    for mode in ["require", "verify-ca", "verify-full"] {
        let error = refused(&format!("postgres://ann:s3cret@127.0.0.1:1/db?sslmode={mode}")).await;
        let text =
            read(&error, &[&format!("`sslmode={mode}` needs encryption"), "of the crate `lockgate` in Cargo.toml"]);
        // The message names a feature of that crate, which enables the driver's feature.
        let manifest = std::fs::read_to_string(crate::support::tree::root().join("runtime/Cargo.toml")).unwrap();
        for feature in
            [quoted(&text, "features = [\"").split('"').nth(1).unwrap(), quoted(&text, "\"").trim_matches('"')]
        {
            assert!(manifest.contains(&format!("\n{feature} = [\"sqlx/{feature}\"")), "{feature}:\n{manifest}");
        }
    }
}

#[tokio::test]
async fn an_address_in_brackets_and_a_socket_are_reached() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return postgres::skip("no IPv6 on this machine");
    }
    let options = Options::default().setting("listen_addresses", "127.0.0.1,::1");
    let Some(server) = postgres::cluster(&options) else { return };
    let (port, password) = (server.port(), server.password());
    let url = server.url("postgres");
    let user = url["postgres://".len()..].split(':').next().unwrap();
    let folder = server.socket_url("postgres");
    let folder = Database::connect(&folder).await.unwrap().postgres().is_some().then_some(folder).unwrap();
    let folder = folder.split("host=").nth(1).map(|rest| rest.split('&').next().unwrap().to_owned());
    let mut forms = vec![
        format!("postgres://{user}:{password}@[::1]:{port}/postgres"),
        format!("postgres://[::1]:{port}/postgres?user={user}&password={password}"),
    ];
    if let Some(folder) = folder {
        forms.push(format!("postgres://{user}:{password}@/postgres?host={folder}&port={port}"));
        forms.push(format!("postgres://{user}:{password}@:{port}/postgres?host={folder}"));
        forms.push(format!("postgres:///postgres?host={folder}&port={port}&user={user}&password={password}"));
        forms.push(format!("postgres://{user}:{password}@localhost/postgres?host={folder}&port={port}"));
    }
    for form in forms {
        let mut database = Database::connect(&form).await.unwrap_or_else(|error| panic!("{form}: {error:?}"));
        database.postgres().unwrap().ping().await.unwrap();
        assert!(!database.url().contains(password), "{}", database.url());
    }
}

#[tokio::test]
async fn a_missing_database_is_created_as_the_message_says() {
    let Some(database) = postgres::database() else { return };
    let url = database.url();
    let (server, name) = url.rsplit_once('/').unwrap();
    let missing = format!("{name}-2");
    let error = Database::connect(&format!("{server}/{missing}")).await.unwrap_err();
    let text = read(&error, &["does not exist"]);
    let mut admin = database.connect().await;
    admin.execute(AssertSqlSafe(quoted(&text, "CREATE DATABASE").to_owned())).await.unwrap();
    Database::connect(&format!("{server}/{missing}")).await.unwrap().close().await.unwrap();

    // One that takes no connections.
    admin.execute(AssertSqlSafe(format!("ALTER DATABASE \"{missing}\" ALLOW_CONNECTIONS false"))).await.unwrap();
    let error = Database::connect(&format!("{server}/{missing}")).await.unwrap_err();
    let text = read(&error, &["accepting connections"]);
    let allow = quoted(&text, "ALTER DATABASE").replace('…', &format!("\"{missing}\""));
    admin.execute(AssertSqlSafe(allow)).await.unwrap();
    Database::connect(&format!("{server}/{missing}")).await.unwrap().close().await.unwrap();
    admin.execute(AssertSqlSafe(format!("DROP DATABASE \"{missing}\""))).await.unwrap();
}

#[tokio::test]
async fn a_missing_file_is_created_as_the_message_says() {
    let place = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/none.db", place.path().display());
    let text = read(&Database::connect(&url).await.unwrap_err(), &[]);
    let url = quoted(&text, "sqlite:");
    assert_eq!(types(migrations(&[A]), url, "up").await, Exit::Done);
    // And one that may not be written.
    let url = url.replace("rwc", "ro");
    let set = migrations(&[A, ("0002_b.sql", "CREATE TABLE b (id INTEGER);")]);
    let error = Migrator::new(set).apply(&mut Database::connect(&url).await.unwrap()).await.unwrap_err();
    read(&error, &["leave `mode=ro`"]);
    assert_eq!(types(set, &url.replace("?mode=ro", ""), "up").await, Exit::Done);
}

#[tokio::test]
async fn waiting_for_a_full_server_works_as_the_message_says() {
    let Some(database) = postgres::database() else { return };
    let mut admin = database.connect().await;
    let role = format!("limited_{}", database.url().rsplit('/').next().unwrap());
    let sql =
        format!("CREATE ROLE {role} LOGIN PASSWORD 's3cret' CONNECTION LIMIT 1; GRANT ALL ON SCHEMA public TO {role}");
    admin.execute(AssertSqlSafe(sql)).await.unwrap();
    let url = database.url();
    let url = format!("postgres://{role}:s3cret{}", &url[url.find('@').unwrap()..]);
    let holder = PgConnection::connect(&url).await.unwrap();
    let text = read(&Database::connect(&url).await.unwrap_err(), &["too many connections"]);
    let line = format!("up {}", quoted(&text, "--wait-for-server"));
    let (exit, closed) = tokio::join!(types(migrations(&[A]), &url, &line), holder.close());
    closed.unwrap();
    assert_eq!(exit, Exit::Done);
    admin.execute(AssertSqlSafe(format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"))).await.unwrap();
}
