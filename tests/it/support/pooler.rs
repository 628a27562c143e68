//! `PgBouncer` in front of a test's database, in one of its modes.

use super::postgres;

#[path = "../../../faults/src/pooler.rs"]
mod program;

/// A running pooler. Dropping it stops it.
pub(crate) struct Pooler {
    _program: program::Pooler,
    url: String,
}

impl Pooler {
    /// Starts a pooler with `size` sessions on the server of this URL. `mode` is `session`, `transaction` or `statement`.
    /// Returns `None` and reports the test as skipped if this machine has no pooler.
    pub(crate) fn start(database: &str, mode: &str, size: usize) -> Option<Self> {
        if !program::is_there() {
            postgres::skip("no `pgbouncer` on this machine (`apt-get install pgbouncer`)");
            return None;
        }
        let (login, place) = database.strip_prefix("postgres://").unwrap().split_once('@').unwrap();
        let (address, name) = place.split_once('/').unwrap();
        let (host, upstream) = address.split_once(':').unwrap();
        let (user, password) = login.split_once(':').unwrap();
        let program = program::Pooler::start((host, upstream.parse().unwrap()), (user, password), mode, size).unwrap();
        let url = format!("postgres://{login}@127.0.0.1:{}/{name}?sslmode=disable", program.port);
        Some(Self { _program: program, url })
    }

    /// Returns the URL of the database through the pooler.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }
}
