//! `peers TOOL URL FOLDER`: lets another migration tool apply the migrations of a folder to a database.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sea_orm_migration::MigratorTrait;
use sea_orm_migration::sea_orm::{ConnectionTrait, Database, DbErr};
use sea_orm_migration::{MigrationName, MigrationTrait, SchemaManager, async_trait};

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [tool, url, folder] = words.as_slice() else { return Err("peers TOOL URL FOLDER".into()) };
    let folder = Path::new(folder);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match (tool.as_str(), url.strip_prefix("sqlite://")) {
        ("refinery", Some(file)) => {
            let mut connection = rusqlite::Connection::open(file)?;
            refinery_runner(folder)?.run(&mut connection)?;
            Ok(())
        }
        ("refinery", None) => runtime.block_on(async {
            let (mut client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
            tokio::spawn(connection);
            refinery_runner(folder)?.run_async(&mut client).await?;
            Ok(())
        }),
        ("diesel", Some(file)) => diesel_sqlite(file, folder),
        ("diesel", None) => diesel_postgres(url, folder),
        ("rusqlite_migration", Some(file)) => rusqlite_migrations(file, folder),
        ("sea-orm", _) => runtime.block_on(async {
            SEA_ORM.set(folder.to_owned()).map_err(|_| "once")?;
            SeaOrm::up(&Database::connect(url.as_str()).await?, None).await?;
            Ok(())
        }),
        (tool, _) => Err(format!("{tool} is not here, or not for this database").into()),
    }
}

fn refinery_runner(folder: &Path) -> Result<refinery::Runner, Box<dyn Error>> {
    Ok(refinery::Runner::new(&refinery::load_sql_migrations(folder)?))
}

fn diesel_sqlite(file: &str, folder: &Path) -> Outcome {
    use diesel::Connection;
    use diesel_migrations::MigrationHarness;
    let mut connection = diesel::SqliteConnection::establish(file)?;
    let migrations = diesel_migrations::FileBasedMigrations::from_path(folder)?;
    connection.run_pending_migrations(migrations).map_err(|error| error.to_string())?;
    Ok(())
}

#[cfg(feature = "libpq")]
fn diesel_postgres(url: &str, folder: &Path) -> Outcome {
    use diesel::Connection;
    use diesel_migrations::MigrationHarness;
    let mut connection = diesel::PgConnection::establish(url)?;
    let migrations = diesel_migrations::FileBasedMigrations::from_path(folder)?;
    connection.run_pending_migrations(migrations).map_err(|error| error.to_string())?;
    Ok(())
}

#[cfg(not(feature = "libpq"))]
fn diesel_postgres(_: &str, _: &Path) -> Outcome {
    Err("diesel was built without libpq".into())
}

fn rusqlite_migrations(file: &str, folder: &Path) -> Outcome {
    let texts = files(folder)?.into_iter().map(std::fs::read_to_string).collect::<Result<Vec<_>, _>>()?;
    let steps = texts.iter().map(|text| rusqlite_migration::M::up(text)).collect();
    rusqlite_migration::Migrations::new(steps).to_latest(&mut rusqlite::Connection::open(file)?)?;
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// Where the migrations of SeaORM are, as SQL.
static SEA_ORM: OnceLock<PathBuf> = OnceLock::new();

struct SeaOrm;

impl MigratorTrait for SeaOrm {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let folder = SEA_ORM.get().expect("it is set first");
        let files = files(folder).expect("the folder can be read");
        files.into_iter().map(|file| Box::new(SeaOrmFile(file)) as Box<dyn MigrationTrait>).collect()
    }
}

/// One migration. In SeaORM it is a Rust file of this name.
struct SeaOrmFile(PathBuf);

impl MigrationName for SeaOrmFile {
    fn name(&self) -> &str {
        self.0.file_stem().and_then(|stem| stem.to_str()).expect("a name")
    }
}

#[async_trait::async_trait]
impl MigrationTrait for SeaOrmFile {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let text = std::fs::read_to_string(&self.0).expect("the file can be read");
        manager.get_connection().execute_unprepared(&text).await.map(|_| ())
    }
}
