//! Writes a dump in parts. It becomes visible only after the last part.

use lockgate::ErrorKind;
use object_store::{MultipartUpload, WriteMultipart};
use sha2::{Digest, Sha256};

use super::{Content, hex};
use crate::error::Error;

/// The minimum size of a part. On S3, only the last part may be smaller.
const LEAST: u64 = 5 << 20;
/// The number of parts for the estimated size. S3 allows 10,000; the rest is a reserve for dumps that are larger than
/// their database.
const PARTS: u64 = 5_000;
/// How many parts are uploaded at once. These and the part that is being filled are in memory.
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

    /// Makes the dump visible, and returns its size and checksum.
    pub(crate) async fn finish(self) -> Result<Content, Error> {
        self.parts.finish().await.map_err(|error| failed(&error))?;
        Ok(Content { size: self.size, sha256: hex(&self.hash.finalize()) })
    }

    /// Discards what was written. If the store does not answer, it keeps invisible parts.
    pub(crate) async fn abort(self) {
        let _ = self.parts.abort().await;
    }
}

fn failed(error: &object_store::Error) -> Error {
    Error::new(ErrorKind::Failed, format!("the dump cannot be written to the store: {}", super::reason(error)))
}
