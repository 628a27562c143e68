//! A web service whose database something else migrates: a Job, a deploy script, a person.
//!
//! It answers `GET /ready` from the start, for the probe of a cluster, and begins its work when the database has every
//! migration that this program needs. The migrations are those of `examples/app`, which has their tests.

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use lockgate::wait::{self, Readiness};
use lockgate::{Database, Migrations, Migrator, embed_migrations};
use tokio::net::TcpListener;

static MIGRATIONS: Migrations = embed_migrations!("../../migrations", tests = "../app/tests/migrations");

/// 200 if the database has every migration; otherwise 503, and what is missing.
async fn ready(State(url): State<String>) -> (StatusCode, String) {
    match readiness(&url).await {
        Ok(Readiness::Ready) => (StatusCode::OK, "ready\n".to_owned()),
        Ok(other) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {other:?}\n")),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {error}\n")),
    }
}

async fn readiness(url: &str) -> Result<Readiness, lockgate::Error> {
    let mut database = Database::connect(url).await?;
    wait::readiness(&Migrator::new(&MIGRATIONS), &mut database).await
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a program says where it listens")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("DATABASE_URL")?;
    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("http://{}", listener.local_addr()?);
    let service = Router::new().route("/ready", get(ready)).with_state(url.clone());
    let server = tokio::spawn(async move { axum::serve(listener, service).await });

    wait::until_migrated(&Migrator::new(&MIGRATIONS), &url, Duration::from_secs(300)).await?;
    println!("the database has every migration: work begins");
    Ok(server.await??)
}
