//! The feature `tracing`: what a service's log shows of a run.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use lockgate::{Database, Migrator};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::set::migrations;

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_run_is_a_span_and_its_events_name_migrations() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .without_time()
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let set = migrations(&[
        ("0001_users.sql", "CREATE TABLE users (password TEXT DEFAULT 's3cret');"),
        ("0002_x.sql", "SELECT 1;"),
    ]);
    let mut database = Database::connect("sqlite::memory:").await.unwrap();
    log.lines();
    Migrator::new(set).set_name("billing").apply(&mut database).await.unwrap();
    let lines = log.lines();
    let ours: Vec<&String> = lines.iter().filter(|line| line.contains("lockgate::")).collect();
    let output =
        |words: &str| ours.iter().any(|line| line.contains("lockgate{set=\"billing\"}") && line.contains(words));
    assert!(output("the lock is held steps=2"), "{lines:#?}");
    assert!(output("started migration=\"0001_users\" action=apply"), "{lines:#?}");
    assert!(output("committed migration=\"0002_x\" action=apply"), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("s3cret")), "{lines:#?}");

    Migrator::new(set).set_name("billing").apply(&mut database).await.unwrap();
    assert!(!log.lines().iter().any(|line| line.contains("lockgate::")), "an up-to-date start has nothing to say");
}
