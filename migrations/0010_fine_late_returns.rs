//! From here on the database itself charges for a late return: 20 cents a day, at most 10.00.
//!
//! Triggers are where SQLite and PostgreSQL have nothing in common, so this step asks which of
//! them it is talking to.

use lockgate::{Dialect, StepResult, Transaction};

const SQLITE: &str = "
CREATE TRIGGER loans_fine_late AFTER UPDATE OF returned_on ON loans
WHEN OLD.returned_on IS NULL AND NEW.returned_on > NEW.due_on
BEGIN
    INSERT INTO fines (loan_id, reason, cents)
    VALUES (NEW.id, 'late', MIN(1000, 20 * CAST(julianday(NEW.returned_on) - julianday(NEW.due_on) AS INTEGER)));
END";

const POSTGRES_FUNCTION: &str = "
CREATE FUNCTION loans_fine_late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO fines (loan_id, reason, cents)
    VALUES (NEW.id, 'late', LEAST(1000, 20 * (NEW.returned_on - NEW.due_on)));
    RETURN NULL;
END
$$";

const POSTGRES_TRIGGER: &str = "
CREATE TRIGGER loans_fine_late AFTER UPDATE OF returned_on ON loans
FOR EACH ROW WHEN (OLD.returned_on IS NULL AND NEW.returned_on > NEW.due_on)
EXECUTE FUNCTION loans_fine_late()";

pub async fn up(tx: &mut Transaction<'_>) -> StepResult {
    match tx.dialect() {
        Dialect::Sqlite => {
            tx.execute(SQLITE).await?;
        }
        Dialect::Postgres => {
            tx.execute(POSTGRES_FUNCTION).await?;
            tx.execute(POSTGRES_TRIGGER).await?;
        }
        Dialect::Mysql => return Err("this library keeps its books in SQLite or PostgreSQL".into()),
    }
    Ok(())
}

pub async fn down(tx: &mut Transaction<'_>) -> StepResult {
    match tx.dialect() {
        Dialect::Sqlite => {
            tx.execute("DROP TRIGGER loans_fine_late").await?;
        }
        Dialect::Postgres => {
            tx.execute("DROP TRIGGER loans_fine_late ON loans").await?;
            tx.execute("DROP FUNCTION loans_fine_late()").await?;
        }
        Dialect::Mysql => return Err("this library keeps its books in SQLite or PostgreSQL".into()),
    }
    Ok(())
}
