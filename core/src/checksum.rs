//! The checksum of a script, as lockfiles and history tables store it. Programs only compare checksums;
//! `lockgate-source` computes them.

use std::fmt;
use std::str::FromStr;

/// A versioned SHA-256, written `v1:` and 64 hexadecimal digits.
///
/// Versions are only added, never removed, so that checksums of older releases stay comparable.
///
/// ```
/// use lockgate_core::Checksum;
///
/// let checksum = Checksum::v1([0xab; 32]);
/// assert_eq!(checksum.to_string(), format!("v1:{}", "ab".repeat(32)));
/// assert_eq!(checksum.to_string().parse(), Ok(checksum));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Checksum {
    digest: [u8; 32],
}

impl Checksum {
    /// A checksum of the first version: SHA-256 over the canonical text, length-framed.
    pub const fn v1(digest: [u8; 32]) -> Self {
        Self { digest }
    }

    /// The 32 bytes of the digest.
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A start formats thousands of checksums; formatting digit by digit took most of its time.
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.digest) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        f.write_str("v1:")?;
        f.write_str(std::str::from_utf8(&digits).expect("digits are text"))
    }
}

/// Why a text is not a valid [`Checksum`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseChecksumError {
    /// This release does not know the version before the colon.
    UnknownVersion(String),
    /// The text after the colon is not 64 hexadecimal digits.
    BadDigest,
}

impl fmt::Display for ParseChecksumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownVersion(version) => {
                write!(f, "this release does not know the checksum version `{version}`")
            }
            Self::BadDigest => f.write_str("a checksum is `v1:` and 64 hexadecimal digits"),
        }
    }
}

impl std::error::Error for ParseChecksumError {}

impl FromStr for Checksum {
    type Err = ParseChecksumError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (version, hex) = text.split_once(':').ok_or(ParseChecksumError::BadDigest)?;
        if version != "v1" {
            return Err(ParseChecksumError::UnknownVersion(version.to_owned()));
        }
        if hex.len() != 64 || !hex.is_ascii() {
            return Err(ParseChecksumError::BadDigest);
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let nibble = |c: u8| char::from(c).to_digit(16).ok_or(ParseChecksumError::BadDigest);
            *byte = (nibble(pair[0])? * 16 + nibble(pair[1])?) as u8;
        }
        Ok(Self::v1(digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_checksum_is_explained() {
        let unknown = ParseChecksumError::UnknownVersion("v2".to_owned());
        assert_eq!(format!("v2:{}", "0".repeat(64)).parse::<Checksum>(), Err(unknown));
        for bad in ["", "v1", "v1:", "v1:0g", &format!("v1:{}", "é".repeat(32))] {
            assert_eq!(bad.parse::<Checksum>(), Err(ParseChecksumError::BadDigest), "{bad:?}");
        }
    }
}
