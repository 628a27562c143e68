//! Gives every copy the barcode that is printed on its label: 14 digits, the last of which is a
//! Luhn check digit, so that the scanner at the desk notices a misread one.

use lockgate::{StepResult, Transaction};

/// `3` for a thing that is lent (a reader's card has `2`), then the library's own four digits.
const PREFIX: &str = "30417";

pub async fn up(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("ALTER TABLE copies ADD COLUMN barcode TEXT").await?;
    for id in copies(tx).await? {
        // Both are digits alone, so there is nothing to quote.
        let barcode = barcode(id);
        tx.execute(&format!("UPDATE copies SET barcode = '{barcode}' WHERE id = {id}")).await?;
    }
    tx.execute("CREATE UNIQUE INDEX copies_barcode ON copies (barcode)").await?;
    Ok(())
}

pub async fn down(tx: &mut Transaction<'_>) -> StepResult {
    tx.execute("DROP INDEX copies_barcode").await?;
    tx.execute("ALTER TABLE copies DROP COLUMN barcode").await?;
    Ok(())
}

async fn copies(tx: &mut Transaction<'_>) -> Result<Vec<i32>, sqlx::Error> {
    const IDS: &str = "SELECT id FROM copies ORDER BY id";
    if let Some(sqlite) = tx.sqlite() {
        return sqlx::query_scalar(IDS).fetch_all(sqlite).await;
    }
    let postgres = tx.postgres().expect("the policy of this folder names SQLite and PostgreSQL alone");
    sqlx::query_scalar(IDS).fetch_all(postgres).await
}

fn barcode(id: i32) -> String {
    let digits = format!("{PREFIX}{id:08}");
    let sum: u32 = digits.bytes().map(|digit| u32::from(digit - b'0')).rev().enumerate().map(luhn).sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// What one digit adds, counted from the right: every second one is doubled, first of all the last.
fn luhn((place, digit): (usize, u32)) -> u32 {
    match place % 2 {
        0 if digit > 4 => 2 * digit - 9,
        0 => 2 * digit,
        _ => digit,
    }
}
