//! Downloads a published package, and finds the folders of migrations in it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lockgate_source::core::StatementFlags;
use lockgate_source::sql;

use super::database::Dialect;
use super::{Script, Set};
use lockgate_xtask::__private::Failure;

/// The version of the migration that does what the set's own runner does first.
const PREPARED: i64 = 1;

/// The table that sqlx creates before the first script.
const SQLX_HISTORY: &str = "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
                            installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL, \
                            checksum BYTEA NOT NULL, execution_time BIGINT NOT NULL)";

/// The table that diesel creates before the first script.
const DIESEL_HISTORY: &str = "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, \
                              run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)";

/// The table of each runner that a script may use, and the statement that creates it.
const HISTORIES: [(&str, &str, &str); 2] =
    [("sqlx", "_sqlx_migrations", SQLX_HISTORY), ("diesel", "__diesel_schema_migrations", DIESEL_HISTORY)];

/// Returns the sets of a package: every folder of scripts in a folder whose name ends in `migrations`. A folder of its
/// own for each database, as `migrations/sqlite/`, is a set with the dialect in its path.
pub(super) fn sets(corpus: &Path, name: &str, version: &str, dialect: Dialect) -> Result<Vec<Set>, Failure> {
    let package = package(corpus, name, version)?;
    let mut folders = Vec::new();
    find(&package, &mut folders)?;
    folders.sort();
    if folders.is_empty() {
        return Err(Failure::impossible(format!("{name} {version} has no folder of migrations")));
    }
    let mut sets = Vec::new();
    for folder in folders {
        let inside = folder.strip_prefix(&package).expect("it was found in there").to_string_lossy().replace('\\', "/");
        let Some(dialect) = dialect_in(&inside).unwrap_or(Some(dialect)) else {
            anstream::eprintln!("left out: `{inside}` of {name} is for MySQL");
            continue;
        };
        let set = if inside == "migrations" { name.to_owned() } else { format!("{name}/{inside}") };
        let copy = corpus.join("sets").join(set.replace(['/', '@'], "_"));
        sets.push(copied(set, dialect, &folder, copy, &package)?);
    }
    Ok(sets)
}

/// Downloads and unpacks a package. `cargo info` downloads only this package, without its dependencies.
fn package(corpus: &Path, name: &str, version: &str) -> Result<PathBuf, Failure> {
    let failed = |e| Failure::impossible(format!("{name} {version} cannot be fetched: {e}"));
    let folder = format!("{name}-{version}");
    if let Some(found) = in_cache(&folder) {
        return Ok(found);
    }
    fs::create_dir_all(corpus).map_err(|e| failed(e.to_string()))?;
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["info", "--quiet", &format!("{name}@{version}")]).current_dir(corpus).stdin(Stdio::null());
    let output = command.output().map_err(|e| failed(e.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    in_cache(&folder).ok_or_else(|| failed("cargo has it, but not unpacked in its `registry/src` folder".to_owned()))
}

fn in_cache(folder: &str) -> Option<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")))?;
    let registries = fs::read_dir(home.join("registry").join("src")).ok()?;
    registries.flatten().map(|entry| entry.path().join(folder)).find(|path| path.join("Cargo.toml").is_file())
}

fn find(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !path.is_dir() {
            continue;
        }
        match name.ends_with("migrations") && !scripts(&path)?.is_empty() {
            true => find_sets(path, found)?,
            false => find(&path, found)?,
        }
    }
    Ok(())
}

/// Finds the sets in a folder of migrations: itself if scripts, or folders with versions in their names, are in it;
/// otherwise the folders in it.
fn find_sets(folder: PathBuf, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let entries = entries(&folder)?;
    let has_version = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(|c: char| c.is_ascii_digit()) || !path.is_dir() && name.ends_with(".sql")
    };
    if entries.iter().any(has_version) {
        found.push(folder);
        return Ok(());
    }
    for path in entries.into_iter().filter(|path| path.is_dir()) {
        if !scripts(&path)?.is_empty() {
            find_sets(path, found)?;
        }
    }
    Ok(())
}

/// The dialect that a path names, as `migrations/sqlite3` does. `Some(None)` is one that the corpus has no server for.
fn dialect_in(path: &str) -> Option<Option<Dialect>> {
    path.split(['/', '_', '-']).find_map(|word| match word {
        "sqlite" | "sqlite3" => Some(Some(Dialect::Sqlite)),
        "postgres" | "postgresql" => Some(Some(Dialect::Postgres)),
        "mysql" | "mariadb" => Some(None),
        _ => None,
    })
}

/// Copies a folder, with a policy that names its dialect.
fn copied(name: String, dialect: Dialect, from: &Path, to: PathBuf, package: &Path) -> Result<Set, Failure> {
    let failed = |e| Failure::impossible(format!("{} cannot be written: {e}", to.display()));
    if to.exists() {
        fs::remove_dir_all(&to).map_err(failed)?;
    }
    let mut notes = Vec::new();
    let folder = to.join("migrations");
    let paths = scripts(from)?;
    for path in &paths {
        let copy = folder.join(inside(path, from));
        fs::create_dir_all(copy.parent().expect("it is in the folder")).map_err(failed)?;
        fs::copy(path, &copy).map_err(failed)?;
    }
    if paths.iter().any(|path| inside(path, from).parent() != Some(Path::new(""))) {
        notes.push("has nested folders: both read them recursively, in the order of the versions".to_owned());
    }
    // Published scripts are not corrected: a script that the grammar refuses runs too, and fails by name.
    let policy = format!("dialects = [\"{}\"]\n\n[lint]\nsyntax = \"warn\"\n", dialect.word());
    fs::write(folder.join("migrations.toml"), policy).map_err(failed)?;

    let mut prepare = Vec::new();
    if let Ok(text) = fs::read_to_string(package.join("sqlx.toml")) {
        let schemas = created_schemas(&text);
        prepare.extend(schemas.iter().map(|schema| format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\"")));
        notes.push(match schemas.is_empty() {
            true => "has a `sqlx.toml`, which Lockgate does not read".to_owned(),
            false => format!(
                "has a `sqlx.toml`, which Lockgate does not read; it asks sqlx for the schema {}, made by hand for both",
                schemas.join(", ")
            ),
        });
    }

    let (mut ups, mut downs) = (Vec::new(), Vec::new());
    let (mut controlled, mut statements) = (Vec::new(), 0);
    for path in paths {
        let inside = inside(&path, from);
        let file = inside.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).map_err(|e| Failure::impossible(format!("{}: {e}", path.display())))?;
        for (runner, table, statement) in HISTORIES {
            if text.contains(table) && dialect == Dialect::Postgres && !prepare.contains(&statement.to_owned()) {
                notes.push(format!("`{file}` needs {runner}'s own table `{table}`: made by hand for both"));
                prepare.push(statement.to_owned());
            }
        }
        let split = sql::split(dialect.source(), &text);
        statements += split.statements.len();
        let flags = StatementFlags::CONTROLS_TRANSACTION;
        if split.statements.iter().any(|statement| statement.flags.contains(flags)) {
            controlled.push(file.clone());
        }
        let Some(version) = file.split('_').next().and_then(|digits| digits.parse().ok()) else {
            notes.push(format!("`{file}` does not begin with a version: the plain shell leaves it out"));
            continue;
        };
        let list = if file.ends_with(".down.sql") { &mut downs } else { &mut ups };
        list.push(Script { version, path: inside });
    }
    if !controlled.is_empty() {
        notes.push(format!("has BEGIN or COMMIT of its own: {}", controlled.join(", ")));
    }
    // The macro rightly refuses it: it is unknown what it reverts.
    downs.retain(|down| {
        let orphan = !ups.iter().any(|up: &Script| up.version == down.version);
        if orphan {
            let path = down.path.display();
            notes.push(format!("`{path}` reverts nothing, there is no such script up; the macro refuses it: left out"));
            let _ = fs::remove_file(folder.join(&down.path));
        }
        !orphan
    });
    ups.sort_by_key(|script| script.version);
    downs.sort_by_key(|script| script.version);
    Ok(Set { name, dialect, folder, ups, downs, statements, notes, prepare })
}

/// Returns the name of a script in our copy. `V1__users.sql` becomes `0001_users.sql`. Diesel's `2019-02-26-002946_create_user/up.sql` becomes
/// `20190226002946_create_user.up.sql`. A version of zeros becomes the first version after the migration of `prepare`.
fn inside(path: &Path, from: &Path) -> PathBuf {
    let inside = path.strip_prefix(from).expect("it was found in there");
    let diesel = || {
        let file = inside.file_name()?.to_str().filter(|file| ["up.sql", "down.sql"].contains(file))?;
        let (version, name) = inside.parent()?.to_str()?.split_once('_')?;
        let digits: String = version.chars().filter(char::is_ascii_digit).take(14).collect();
        let number: i64 = digits.parse().ok()?;
        Some(PathBuf::from(format!("{:04}_{name}.{file}", number.max(PREPARED + 1))))
    };
    // `V1__users.sql` of Flyway and refinery.
    let flyway = || {
        let file = inside.file_name()?.to_str()?;
        let (digits, name) = file.strip_prefix('V')?.split_once("__")?;
        let number: i64 = digits.parse().ok()?;
        Some(inside.with_file_name(format!("{number:04}_{name}")))
    };
    diesel().or_else(flyway).unwrap_or_else(|| inside.to_owned())
}

/// Writes what the set's own runner does first as the first migration of our copy.
pub(super) fn prepare(set: &mut Set) -> Result<(), Failure> {
    if set.prepare.is_empty() {
        return Ok(());
    }
    let script = Script { version: PREPARED, path: format!("{PREPARED:04}_prepare.up.sql").into() };
    let path = set.folder.join(&script.path);
    let text = set.prepare.iter().map(|statement| format!("{statement};\n")).collect::<String>();
    fs::write(&path, text).map_err(|e| Failure::impossible(format!("{} cannot be written: {e}", path.display())))?;
    set.ups.insert(0, script);
    Ok(())
}

fn scripts(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() {
            found.extend(scripts(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            found.push(path);
        }
    }
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let read = || fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>();
    let mut paths = read().map_err(|e| Failure::impossible(format!("{} cannot be read: {e}", folder.display())))?;
    paths.sort();
    Ok(paths)
}

/// Reads `create-schemas = ["a", "b"]` of a `sqlx.toml`: sqlx creates these schemas before the first script.
fn created_schemas(text: &str) -> Vec<String> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix("create-schemas"));
    let inside = line.and_then(|line| Some(line.split_once('[')?.1.split_once(']')?.0)).unwrap_or_default();
    inside.split(',').map(|word| word.trim().trim_matches(['"', '\'']).to_owned()).filter(|w| !w.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_of_diesel_gets_our_name() {
        let of = |path: &str| inside(&Path::new("/x").join(path), Path::new("/x")).display().to_string();
        assert_eq!(of("2019-02-26-002946_create_user/up.sql"), "20190226002946_create_user.up.sql");
        assert_eq!(of("2026-04-16-000000-0000_add-it/down.sql"), "20260416000000_add-it.down.sql");
        assert_eq!(of("00000000000000_diesel_initial_setup/up.sql"), "0002_diesel_initial_setup.up.sql");
        assert_eq!(of("2021/0001_x.up.sql"), "2021/0001_x.up.sql");
        assert_eq!(of("V12__add_tags.sql"), "0012_add_tags.sql");
    }

    #[test]
    fn a_path_can_name_a_dialect() {
        assert_eq!(dialect_in("src/mint/migrations/sqlite"), Some(Some(Dialect::Sqlite)));
        assert_eq!(dialect_in("postgres_migrations/migrations"), Some(Some(Dialect::Postgres)));
        assert_eq!(dialect_in("migrations/mysql"), Some(None));
        assert_eq!(dialect_in("migrations"), None);
    }

    #[test]
    fn schemas_are_read() {
        assert_eq!(created_schemas("[migrate]\ncreate-schemas = [\"a\", 'b']\n"), ["a", "b"]);
        assert_eq!(created_schemas("[migrate]\n"), [""; 0]);
    }
}
