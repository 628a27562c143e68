//! Examines a SQLite database for what could stop a run: the file, its folder and its file system, the journal, and
//! what is in the file.

use std::fs;
use std::path::Path;
use std::time::Duration;

use lockgate_core::other_tools;
use sqlx::{AssertSqlSafe, Row};

use super::{INSIDE, SqliteBackend, cause, depth, sql};
use crate::error::{Cause, Class};
use crate::finding::{Examination, Finding};
use crate::history_table::identifier;

/// File systems over a network, as the kernel names them.
const NETWORKS: [&str; 12] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "glusterfs",
    "fuse.sshfs",
    "fuse.glusterfs",
    "fuse.s3fs",
];
/// A table, from which no row is deleted.
const TABLE: &str = "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' \
                     AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name LIMIT 1";
/// How many violations are listed.
const LISTED: usize = 10;

impl SqliteBackend<'_> {
    pub(super) async fn findings(&mut self, examination: Examination) -> Result<Vec<Finding>, Cause> {
        let mut findings = Vec::new();
        let version = self.texts("SELECT sqlite_version()").await?;
        findings.push(Finding::ok("server", format!("SQLite {}, part of this program", version.join(""))));
        let journal = self.texts("PRAGMA main.journal_mode").await?.join("").to_lowercase();
        match self.file().await? {
            None => findings.push(Finding::ok("file", "the database is in memory, and ends with the program")),
            Some(file) => {
                let file = Path::new(&file);
                findings.push(self.writable(file).await?);
                findings.push(folder(file));
                findings.push(file_system(file, &journal));
            }
        }
        findings.push(match journal.as_str() {
            "off" => Finding::problem(
                "journal",
                "the connection keeps no journal: what fails could not be undone",
                "run `PRAGMA journal_mode = DELETE` on it, or `PRAGMA journal_mode = WAL`",
            ),
            "wal" => {
                Finding::ok("journal", "the journal is a write-ahead log: readers and a run do not block each other")
            }
            mode => Finding::ok("journal", format!("the journal mode is {mode}: readers wait while a run commits")),
        });
        findings.extend(self.foreign_keys().await?);
        if examination.integrity {
            findings.extend(self.integrity().await?);
        }
        let names = self.texts("SELECT name FROM main.sqlite_schema WHERE type = 'table' ORDER BY name").await?;
        findings.extend(self.log_table(&names));
        let tools: Vec<String> =
            names.iter().filter_map(|table| Some(format!("{} (`{table}`)", other_tools::tool(table)?))).collect();
        // Without a history of ours, this is a reason against every run, and reported as such.
        if tools.is_empty() {
            findings.push(Finding::ok("other-tools", "no other tool has migrated this database"));
        } else if !self.fresh {
            let fact = format!("the history of {} is here too, beside Lockgate's", tools.join(", "));
            findings.push(Finding::ok("other-tools", fact));
        }
        Ok(findings)
    }

    /// Whether the log exists, if there is a history. `names` are the tables of the file.
    fn log_table(&self, names: &[String]) -> Option<Finding> {
        let table = self.read_table.as_ref().filter(|_| !self.fresh)?;
        let log = table.log();
        if names.iter().any(|name| name.eq_ignore_ascii_case(&log.name)) {
            return Some(Finding::ok("log", "the log table exists"));
        }
        let fact = format!("the log table {log} does not exist");
        Some(Finding::problem("log", fact, format!("run `{}` on the database", sql::create_log(&table.within("main")))))
    }

    /// The first column of a query.
    async fn texts(&mut self, sql: &str) -> Result<Vec<String>, Cause> {
        let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_all(self.held.connection()).await;
        let rows = rows.map_err(|error| cause(&error))?;
        Ok(rows.iter().filter_map(|row| row.try_get(0).ok()).collect())
    }

    /// Whether the file can be written to. It takes the write lock for a moment, and changes nothing.
    async fn writable(&mut self, file: &Path) -> Result<Finding, Cause> {
        let shown = file.display();
        if let Err(error) = fs::OpenOptions::new().append(true).open(file) {
            return Ok(Finding::problem(
                "file",
                format!("the file `{shown}` cannot be written to: {error}"),
                format!("let this user write to it: `chmod u+w '{shown}'`, or `chown` as root"),
            ));
        }
        if depth::depth(self.held.connection()) != 0 {
            return Err(Cause::new(Class::Usage, INSIDE));
        }
        self.wait_at_most(Duration::ZERO).await?;
        // If this future is dropped, our `drop` rolls it back.
        self.open = true;
        let mut begun = self.execute("BEGIN IMMEDIATE").await;
        if begun.is_ok() {
            // On a connection that only reads, that is a transaction that only reads.
            if let Some(table) = self.texts(TABLE).await?.first() {
                begun = self.execute(format!("DELETE FROM main.{} WHERE 0", identifier(table))).await;
            }
            self.execute("ROLLBACK").await?;
        }
        self.open = false;
        self.wait_as_before().await;
        Ok(match begun {
            Ok(()) => Finding::ok("file", format!("`{shown}` can be written to")),
            Err(cause) if cause.class == Class::LockTimeout => Finding::warning(
                "file",
                format!("another connection is writing to `{shown}` now"),
                "a run waits for it; `fuser` or `lsof` on the file shows which program has it open",
            ),
            Err(cause) => Finding::of_cause("file", &cause),
        })
    }

    async fn foreign_keys(&mut self) -> Result<Vec<Finding>, Cause> {
        const CHECK: &str = "SELECT \"table\", ifnull(rowid, ''), parent FROM main.pragma_foreign_key_check";
        let rows = sqlx::raw_sql(CHECK).fetch_all(self.held.connection()).await.map_err(|error| cause(&error))?;
        let findings: Vec<Finding> = rows
            .iter()
            .take(LISTED)
            .map(|row| {
                let text = |index| row.try_get_unchecked::<String, _>(index).unwrap_or_default();
                let (table, rowid, parent) = (text(0), text(1), text(2));
                let quoted = identifier(&table);
                let which = if rowid.is_empty() { String::new() } else { format!(" (rowid {rowid})") };
                let advice = if rowid.is_empty() {
                    format!("`PRAGMA foreign_key_check({quoted})` lists it: correct the row, or insert its parent")
                } else {
                    format!(
                        "look at it (`SELECT * FROM {quoted} WHERE rowid = {rowid}`): insert its parent, or delete it \
                         (`DELETE FROM {quoted} WHERE rowid = {rowid}`)"
                    )
                };
                let fact = format!("a row of {table}{which} refers to a row of {parent} that does not exist");
                Finding::warning("foreign-keys", fact, advice)
            })
            .collect();
        Ok(match findings {
            findings if findings.is_empty() => {
                vec![Finding::ok("foreign-keys", "every foreign key refers to an existing row")]
            }
            findings => findings,
        })
    }

    async fn integrity(&mut self) -> Result<Vec<Finding>, Cause> {
        let lines = self.texts(&format!("PRAGMA main.integrity_check({LISTED})")).await?;
        if lines == ["ok"] {
            return Ok(vec![Finding::ok("integrity", "the file is whole")]);
        }
        let finding = |line: &String| {
            let index = line.contains("index");
            let advice = match () {
                () if line.starts_with("CHECK constraint failed") || line.starts_with("NULL value in") => {
                    "correct the rows: a run that copies the table would stop at them"
                }
                () if index => "build the indexes again: `REINDEX`",
                () => "restore a backup, or save what can be read: `sqlite3 app.db .recover | sqlite3 saved.db`",
            };
            Finding::problem("integrity", line.clone(), advice)
        };
        Ok(lines.iter().map(finding).collect())
    }
}

/// What is known of a file that does not exist yet.
pub(crate) fn missing(file: &Path) -> [Finding; 2] {
    let (folder, shown) = (folder_of(file), folder_of(file).display());
    let exists =
        Finding::ok("file", format!("the file `{}` does not exist yet: the first run creates it", file.display()));
    let place = match () {
        () if !folder.is_dir() => Finding::problem(
            "folder",
            format!("there is no folder `{shown}`, in which the file could be created"),
            format!("create it (`mkdir -p '{shown}'`), or correct the path in the database URL"),
        ),
        () if !is_writable(folder) => Finding::problem(
            "folder",
            format!("the file cannot be created in the folder `{shown}`: this user may not write there"),
            format!("let this user write to the folder: `chmod u+w '{shown}'`, or `chown` as root"),
        ),
        () => Finding::ok("folder", format!("the file can be created in `{shown}`")),
    };
    [exists, place]
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether the journal can be created beside the file.
fn folder(file: &Path) -> Finding {
    let folder = folder_of(file);
    let shown = folder.display();
    if is_writable(folder) {
        return Finding::ok("folder", format!("the journal can be created in `{shown}`"));
    }
    Finding::problem(
        "folder",
        format!("the journal cannot be created in the folder `{shown}`: this user may not write there"),
        format!("let this user write to the folder too: `chmod u+w '{shown}'`, or `chown` as root"),
    )
}

/// Whether this user may create files in a folder, as far as its mode says. Access by a second group or a list is not
/// seen, so whoever is in doubt may.
#[cfg(target_os = "linux")]
fn is_writable(folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    // The folder of a process in /proc belongs to the user and the group that it runs as.
    let (Ok(folder), Ok(own)) = (fs::metadata(folder), fs::metadata("/proc/self")) else { return true };
    let mode = folder.mode();
    if own.uid() == 0 {
        return true;
    }
    if folder.uid() == own.uid() {
        return mode & 0o200 != 0;
    }
    mode & 0o022 != 0
}

#[cfg(not(target_os = "linux"))]
fn is_writable(folder: &Path) -> bool {
    fs::metadata(folder).is_ok_and(|folder| !folder.permissions().readonly())
}

/// Whether the locks of the file can be relied on.
fn file_system(file: &Path, journal: &str) -> Finding {
    let path = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    match mounted(&mounts, &path) {
        None => Finding::ok("file-system", "this system does not say on which file system the file is"),
        Some(kind) if !NETWORKS.contains(&kind) => {
            Finding::ok("file-system", format!("the file is on a local file system ({kind})"))
        }
        Some(kind) if journal == "wal" => Finding::problem(
            "file-system",
            format!("the file is on a network file system ({kind}), where a write-ahead log does not work"),
            "move the file to a local disk, or run `PRAGMA journal_mode = DELETE`",
        ),
        Some(kind) => Finding::warning(
            "file-system",
            format!("the file is on a network file system ({kind}), whose locks may not keep two runs apart"),
            "move the file to a local disk",
        ),
    }
}

/// The kind of file system that a path is on, by the text of `/proc/self/mountinfo`.
fn mounted<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let entries = mounts.lines().filter_map(|line| {
        let (audience, back) = line.split_once(" - ")?;
        let point = audience.split(' ').nth(4)?.replace("\\040", " ");
        path.starts_with(&point).then_some((point.len(), back.split(' ').next()?))
    });
    // Of two mounts on one place, the later one is seen.
    entries.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_system_of_a_path_is_the_innermost() {
        let mounts = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:25 / /mnt/my\\040share rw - cifs //host/share rw
31 22 0:26 / /srv rw - nfs4 host:/export rw
32 31 8:2 / /srv/local rw - xfs /dev/sdb1 rw
";
        for (path, kind) in [
            ("/var/lib/app.db", "ext4"),
            ("/mnt/my share/app.db", "cifs"),
            ("/srv/app.db", "nfs4"),
            ("/srvs/app.db", "ext4"),
            ("/srv/local/app.db", "xfs"),
        ] {
            assert_eq!(mounted(mounts, Path::new(path)), Some(kind), "{path}");
        }
        assert_eq!(mounted("", Path::new("/app.db")), None);
    }
}
