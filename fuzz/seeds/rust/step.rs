//! lockgate: not here
// lockgate: irreversible "the old values are gone"
// lockgate: statement-timeout 10min
// lockgate role x
pub async fn up() {}
// lockgate: no-transaction
