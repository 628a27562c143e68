//! Writes a dump in parts. Nothing of it is seen before the last part.

use lockgate::ErrorKind;
use object_store::{MultipartUpload, WriteMultipart};
use sha2::{Digest, Sha256};

use super::{Content, hex};
use crate::error::Error;

/// The smallest part. S3 takes no smaller ones but the last.
const LEAST: u64 = 5 << 20;
/// S3 takes 10,000 parts of a dump; a database is larger than its dump, but not always.
const PARTS: u64 = 5_000;
/// How many parts are under way at once. With the one that is being filled, they are what is in memory.
const AT_ONCE: usize = 3;

/// A dump that is being written.
pub(crate) struct Upload {
    parts: WriteMultipart,
    hash: Sha256,
    size: u64,
}

impl Upload {
    pub(super) fn new(upload: Box<dyn MultipartUpload>, estimate: u64) -> Self {
        let part = usize::try_from(LEAST.max(estimate / PARTS)).unwrap_or(usize::MAX);
        Self { parts: WriteMultipart::new_with_chunk_size(upload, part), hash: Sha256::new(), size: 0 }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.parts.wait_for_capacity(AT_ONCE).await.map_err(|error| failed(&error))?;
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        self.parts.write(bytes);
        Ok(())
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Lets the dump appear, and says what was written.
    pub(crate) async fn finish(self) -> Result<Content, Error> {
        self.parts.finish().await.map_err(|error| failed(&error))?;
        Ok(Content { size: self.size, sha256: hex(&self.hash.finalize()) })
    }

    /// Throws away what was written. A store that does not answer keeps parts that nobody sees.
    pub(crate) async fn abort(self) {
        let _ = self.parts.abort().await;
    }
}

fn failed(error: &object_store::Error) -> Error {
    Error::new(ErrorKind::Failed, format!("the store did not take the dump: {}", super::reason(error)))
}
