//! The service is ready when somebody else has migrated its database, and not before.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use lockgate::{Database, Migrations, Migrator, embed_migrations};

static MIGRATIONS: Migrations = embed_migrations!("../../migrations", tests = "../app/tests/migrations");

/// Ends the service with the test.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn probe(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /ready HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn a_service_is_ready_when_its_database_has_every_migration() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("library.db").display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_service"));
    command.env("DATABASE_URL", &url).env("LISTEN", "127.0.0.1:0").stdout(Stdio::piped());
    let mut service = Service(command.spawn().unwrap());
    let mut lines = BufReader::new(service.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = lines.next().unwrap().trim_start_matches("http://").to_owned();

    let answer = probe(&address);
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("not ready: cannot connect"), "{answer}");
    let mut database = Database::connect(&format!("{url}?mode=rwc")).await.unwrap();
    let migrator = Migrator::new(&MIGRATIONS);
    migrator.apply_to(&mut database, lockgate::UpTo::Steps(3)).await.unwrap();
    let answer = probe(&address);
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("not ready: Behind"), "{answer}");
    migrator.apply(&mut database).await.unwrap();
    assert_eq!(lines.next().unwrap(), "the database has every migration: work begins");
    assert!(probe(&address).starts_with("HTTP/1.1 200 OK"));
}
