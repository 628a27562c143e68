//! `cargo xtask dev`: a development database, kept in the target folder between runs. For PostgreSQL it has its own
//! server, which `up` starts and `down` stops. The package's test program fills it, as for `testdb`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anstream::{eprintln, println};
use lockgate_source::core::Dialect;
use lockgate_testing::request::{Request, TESTDB_URL};
use lockgate_testing::server::Kept;

use super::{check, test};
use crate::failure::Failure;
use crate::invocation;
use crate::program;
use crate::project::{Package, Project};
use crate::scripts;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The URL is the only line on standard output: `export DATABASE_URL=$(cargo xtask dev up)`. The data are \
                  in `target/lockgate/dev/`, and are deleted with the target folder. If root runs this, and the account of \
                  the server cannot enter that folder, they are in `/var/tmp`. Exit codes: 0 success; 1 the database is \
                  not up, or a migration fails; 2 the command failed."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Start the server if necessary, create the database or apply new migrations to it, and print its URL.
    ///
    /// A new database gets the rows of each `fill` in `tests/migrations` and of `seed(db, random)` in
    /// `tests/migrations/seed.rs`. An existing one keeps its rows.
    Up {
        /// Drop the database first, and create it again
        #[arg(long)]
        fresh: bool,
        /// The seed of the random numbers of a new database: the same seed gives the same rows
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        seed: u64,
        #[command(flatten)]
        which: Which,
    },
    /// Stop the server and keep the data.
    Down {
        /// Delete the data
        #[arg(long)]
        delete: bool,
        #[command(flatten)]
        which: Which,
    },
    /// Print the URL of the database, if it is up.
    Url {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Debug, clap::Args)]
struct Which {
    /// `sqlite` or `postgres`, if the policy names both; by default `sqlite`
    #[arg(long, value_name = "DIALECT")]
    dialect: Option<Dialect>,
    /// The package whose migrations these are
    #[arg(long, short, value_name = "NAME")]
    package: Option<String>,
}

/// The command that creates a database again, as the test program writes it.
const FRESH: &str = "dev up --fresh";

/// The development database of a package.
struct Place {
    package: Package,
    dialect: Dialect,
    /// Its folder in the target folder.
    folder: PathBuf,
    /// The options that choose it, as they are typed.
    options: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.verb {
        Verb::Up { fresh, seed, which } => up(&Place::find(which)?, *fresh, *seed),
        Verb::Down { delete, which } => down(&Place::find(which)?, *delete),
        Verb::Url { which } => {
            let place = Place::find(which)?;
            let url = place.url()?.ok_or_else(|| {
                Failure::refused(format!(
                    "there is no development database, or its server is down: `cargo xtask dev up{}` starts it",
                    place.options
                ))
            })?;
            println!("{url}");
            Ok(())
        }
    }
}

fn up(place: &Place, fresh: bool, seed: u64) -> Result<(), Failure> {
    let url = match place.dialect {
        Dialect::Postgres => {
            let server = test::installed(|| Kept::start(&place.folder))?;
            eprintln!("postgres: {} on port {}, in {}", server.version(), server.port(), server.directory().display());
            server.url(place.database())
        }
        Dialect::Sqlite | Dialect::Mysql => {
            fs::create_dir_all(&place.folder).map_err(|e| cannot(&place.folder, "made", &e))?;
            place.file_url()
        }
    };
    // If a run is killed before it has written all rows, the next one creates the database again.
    let unfinished = place.folder.join("unfinished");
    let is_new = fresh || unfinished.exists() || !place.folder.join("finished").exists();
    if is_new {
        fs::write(&unfinished, "").map_err(|e| cannot(&unfinished, "written", &e))?;
    }
    let request = Request::Develop { seed, fresh: is_new };
    let answer = program::ask(&place.package, &request, &[(TESTDB_URL, &url)]).map_err(|failure| match failure {
        // The test program does not know the options that choose the database.
        Failure::Refused(why) => Failure::Refused(why.replace(FRESH, &format!("{FRESH}{}", place.options))),
        other => other,
    })?;
    if is_new {
        let finished = place.folder.join("finished");
        fs::rename(&unfinished, &finished).map_err(|e| cannot(&finished, "written", &e))?;
    }
    say(&answer);
    println!("{url}");
    Ok(())
}

fn down(place: &Place, delete: bool) -> Result<(), Failure> {
    let up = format!("`cargo xtask dev up{}`", place.options);
    let folder = place.folder.as_path();
    let was_there = folder.join("finished").exists() || folder.join("unfinished").exists();
    let stopped = match (place.dialect, delete) {
        (Dialect::Postgres, false) => Kept::stop(folder)?,
        (Dialect::Postgres, true) => Kept::delete(folder)?,
        (Dialect::Sqlite | Dialect::Mysql, _) => false,
    };
    if delete {
        match fs::remove_dir_all(folder) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(cannot(folder, "deleted", &e)),
            Ok(()) | Err(_) => {}
        }
    }
    say(&match (delete, stopped, was_there) {
        (true, true, _) | (true, _, true) => format!("deleted; {up} creates the database again"),
        (true, false, false) => format!("there is no development database; {up} creates one"),
        (false, true, _) => format!("stopped; the data are kept, and {up} starts the server again"),
        (false, false, true) => "the server was not running; the data are kept".to_owned(),
        (false, false, false) => format!("there is no development database; {up} creates one"),
    });
    Ok(())
}

impl Place {
    fn find(which: &Which) -> Result<Self, Failure> {
        let project = Project::find()?;
        let package = project.package(which.package.as_deref())?;
        let folder = check::load(&package).folder;
        let can_run = |dialect: &Dialect| matches!(dialect, Dialect::Sqlite | Dialect::Postgres);
        let names: Vec<Dialect> =
            Dialect::ALL.into_iter().filter(|&dialect| scripts::is_for(&folder, dialect)).filter(can_run).collect();
        let dialect = match (which.dialect, &*names) {
            (Some(wanted), []) if can_run(&wanted) => wanted,
            (Some(wanted), names) if names.contains(&wanted) => wanted,
            (Some(wanted), _) => {
                let names: Vec<_> = names.iter().map(|dialect| format!("`{dialect}`")).collect();
                return Err(Failure::refused(format!(
                    "{} is not for `{wanted}`: the databases that `dev` supports for it are {}",
                    folder.shown,
                    if names.is_empty() { "none".to_owned() } else { names.join(" and ") }
                )));
            }
            // SQLite by default, as for `schema`, because it needs no server.
            (None, names) => {
                names.iter().copied().max_by_key(|&dialect| dialect == Dialect::Sqlite).ok_or_else(|| {
                    Failure::refused(format!(
                        "the policy of {} names no dialect: choose one with `--dialect sqlite` or `--dialect postgres`",
                        folder.shown
                    ))
                })?
            }
        };
        let mut options = String::new();
        options.extend(which.dialect.map(|dialect| format!(" --dialect {dialect}")));
        options.extend(which.package.as_ref().map(|package| format!(" --package {package}")));
        let name = if package.name.is_empty() { "app" } else { &package.name };
        let folder = project.target.join("lockgate/dev").join(name).join(dialect.as_str());
        Ok(Self { package, dialect, folder, options })
    }

    /// The name of the database on its server.
    fn database(&self) -> &str {
        if self.package.name.is_empty() { "app" } else { &self.package.name }
    }

    fn file(&self) -> PathBuf {
        self.folder.join("dev.db")
    }

    /// The URL of the file, with the special characters of URLs escaped.
    fn file_url(&self) -> String {
        let path = self.file().display().to_string();
        let escaped = path.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
        format!("sqlite://{escaped}")
    }

    /// Returns the URL of the database if it is up.
    fn url(&self) -> Result<Option<String>, Failure> {
        if !self.folder.join("finished").exists() {
            return Ok(None);
        }
        Ok(match self.dialect {
            Dialect::Postgres => Kept::running(&self.folder)?.map(|server| server.url(self.database())),
            Dialect::Sqlite | Dialect::Mysql => self.file().exists().then(|| self.file_url()),
        })
    }
}

/// Writes to standard error, because standard output has only the URL.
fn say(text: &str) {
    eprintln!("{}", invocation::with_command_name(text));
}

fn cannot(path: &Path, what: &str, error: &io::Error) -> Failure {
    Failure::impossible(format!("{} cannot be {what}: {error}", path.display()))
}
