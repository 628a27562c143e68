//! Every copy gets a barcode, also those of the opening stock.

use lockgate_harness::{Db, Fails, TestResult};

pub async fn before(db: &mut Db) -> TestResult {
    db.expect_no_column("copies", "barcode").await
}

pub async fn after(db: &mut Db) -> TestResult {
    db.is_true("SELECT length(barcode) = 14 AND barcode LIKE '30417%' FROM copies").await?;
    // The barcode on the label of Middlemarch.
    db.expect_value("30417000000042".to_owned(), "SELECT barcode FROM copies WHERE id = 4").await?;
    db.expect_value("30417000001008".to_owned(), "SELECT barcode FROM copies WHERE id = 100").await?;
    db.fails_with(Fails::Unique, "UPDATE copies SET barcode = '30417000000042' WHERE id = 5").await
}
