//! A digest of the schema of a database, to compare the schemas of two databases.

use lockgate::{Database, ErrorKind, Migrator};
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::store::hex;

/// The SHA-256 of the schema as text. `None` if it contains something that this release does not know.
pub(crate) async fn digest(migrator: &Migrator, database: &mut Database) -> Result<Option<String>, Error> {
    match migrator.read_schema(database).await {
        Ok(schema) => Ok(Some(hex(&Sha256::digest(schema.to_text())))),
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
        Err(error) => Err(error.into()),
    }
}
