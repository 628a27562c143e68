//! The commands of the desk: lend a copy, take it back, list who has what.
//!
//! The SQL is the same for both databases, except where they calculate dates.

use lockgate::{Database, Migrator};
use lockgate_cli::{DatabaseUrl, clap};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};

use crate::MIGRATIONS;

/// The commands of the desk.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Show who has what
    Loans,
    /// Lend a copy of a book: `lend ada middlemarch`
    Lend {
        /// The member's name
        member: String,
        /// The book's title, or the beginning of it
        title: String,
    },
    /// Take a copy back: `return 30417000000042`
    Return {
        /// The number on its label
        barcode: String,
    },
}

type Answer = Result<String, Box<dyn std::error::Error + Send + Sync>>;

/// Runs a command, and returns what to print.
pub(crate) async fn run(url: &DatabaseUrl, command: Command) -> Answer {
    up_to_date(url).await?;
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(url.reveal()).await?;
    match command {
        Command::Loans => loans(&mut connection).await,
        Command::Lend { member, title } => lend(&mut connection, &member, &title).await,
        Command::Return { barcode } => take_back(&mut connection, &barcode).await,
    }
}

/// Checks that the schema is up to date. The service does not migrate by itself: that is part of its deployment.
async fn up_to_date(url: &DatabaseUrl) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut database = Database::connect(url.reveal()).await?;
    let status = Migrator::new(&MIGRATIONS).status(&mut database).await?;
    if status.is_up_to_date() { Ok(()) } else { Err("the database is not up to date: run `up` first".into()) }
}

async fn loans(connection: &mut AnyConnection) -> Answer {
    const OPEN: &str = "SELECT member, title, barcode, CAST(due_on AS TEXT) FROM open_loans ORDER BY due_on, id";
    let rows = sqlx::query(OPEN).fetch_all(connection).await?;
    if rows.is_empty() {
        return Ok("every book is on its shelf; `lend ada middlemarch` changes that".to_owned());
    }
    let line = |row: &AnyRow| -> Result<String, sqlx::Error> {
        let [member, title, barcode, due]: [String; 4] =
            [row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?];
        Ok(format!("{member} has {title} ({barcode}) until {due}"))
    };
    Ok(rows.iter().map(line).collect::<Result<Vec<_>, _>>()?.join("\n"))
}

async fn lend(connection: &mut AnyConnection, member: &str, title: &str) -> Answer {
    const MEMBER: &str = "SELECT id FROM members WHERE LOWER(name) = LOWER($1)";
    const COPY: &str = "
        SELECT copies.id, books.title, copies.shelf
        FROM copies JOIN books ON books.id = copies.book_id
        WHERE LOWER(books.title) LIKE LOWER($1) || '%'
          AND NOT EXISTS (SELECT 1 FROM loans WHERE loans.copy_id = copies.id AND loans.returned_on IS NULL)
        ORDER BY copies.id LIMIT 1";

    let mut tx = connection.begin().await?;
    let Some(found) = sqlx::query(MEMBER).bind(member).fetch_optional(&mut *tx).await? else {
        return Err(format!("no member is called `{member}`").into());
    };
    let Some(copy) = sqlx::query(COPY).bind(title).fetch_optional(&mut *tx).await? else {
        return Err(format!("no copy of `{title}` is on its shelf").into());
    };
    let in_four_weeks = match tx.backend_name() {
        "SQLite" => "DATE('now', '+28 days')",
        _ => "CURRENT_DATE + 28",
    };
    // Two desks that lend the same copy at once meet at the index `loans_open`.
    let lend = format!(
        "INSERT INTO loans (id, copy_id, member_id, lent_on, due_on)
         SELECT COALESCE(MAX(id), 0) + 1, $1, $2, CURRENT_DATE, {in_four_weeks} FROM loans"
    );
    let (copy_id, book, shelf): (i32, String, String) = (copy.try_get(0)?, copy.try_get(1)?, copy.try_get(2)?);
    let member_id: i32 = found.try_get(0)?;
    sqlx::query(AssertSqlSafe(lend)).bind(copy_id).bind(member_id).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(format!("{book} from shelf {shelf} is lent for four weeks"))
}

async fn take_back(connection: &mut AnyConnection, barcode: &str) -> Answer {
    const RETURN: &str = "
        UPDATE loans SET returned_on = CURRENT_DATE
        WHERE returned_on IS NULL AND copy_id = (SELECT id FROM copies WHERE barcode = $1)";
    match sqlx::query(RETURN).bind(barcode).execute(connection).await?.rows_affected() {
        0 => Err(format!("no copy with the barcode `{barcode}` is lent").into()),
        _ => Ok("thank you; it goes back to its shelf".to_owned()),
    }
}
