//! One file a command.

pub(crate) mod adopt;
pub(crate) mod amend;
pub(crate) mod check;
mod convert;
pub(crate) mod deploy;
pub(crate) mod dev;
#[cfg(feature = "schema")]
pub(crate) mod drift;
pub(crate) mod explain;
pub(crate) mod freeze;
#[cfg(feature = "schema")]
pub(crate) mod generate;
pub(crate) mod init;
pub(crate) mod merge_lockfile;
pub(crate) mod new_migration;
pub(crate) mod new_test;
pub(crate) mod renumber;
#[cfg(feature = "schema")]
pub(crate) mod schema;
pub(crate) mod test;
pub(crate) mod testdb;

/// Seconds since 1970: what folders that are numbered by time need to know.
fn now() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |time| i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}
