//! The version of a migration.

use std::fmt;
use std::str::FromStr;

/// The version of a migration: a 64-bit integer that is not negative.
///
/// Leading zeros do not matter: `0007` and `7` are equal.
///
/// ```
/// use lockgate_core::Version;
///
/// let version: Version = "0007".parse().unwrap();
/// assert_eq!(version, Version::new(7).unwrap());
/// assert_eq!(version.to_string(), "7");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(i64);

impl Version {
    /// Returns the version with this number, or `None` if it is negative.
    pub const fn new(number: i64) -> Option<Self> {
        if number < 0 { None } else { Some(Self(number)) }
    }

    /// The version of a script that has only a name, such as `R__active_users`: a number of 16 digits that follows from
    /// the name. It is from 2⁵² to below 2⁵³, where neither counted numbers nor times are, and which JSON can hold.
    ///
    /// ```
    /// use lockgate_core::Version;
    ///
    /// assert_eq!(Version::of_name("R__active_users").get(), 7_876_166_205_326_143);
    /// ```
    pub fn of_name(name: &str) -> Self {
        // FNV-1a. It is in history tables, so it must never change.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in name.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Self(((1 << 52) | ((hash ^ (hash >> 52)) & ((1 << 52) - 1))).cast_signed())
    }

    /// Whether this may be the version of a script that has only a name.
    pub const fn may_be_of_name(self) -> bool {
        self.0 >> 52 == 1
    }

    /// Whether this is the version of a script that has only this name.
    pub fn is_of_name(self, name: &str) -> bool {
        // A number that no name has is no reason to hash one.
        self.may_be_of_name() && Self::of_name(name) == self
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is not a valid [`Version`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseVersionError {
    /// The text is empty or has a character that is not an ASCII digit.
    NotDigits,
    /// The number is larger than 9223372036854775807.
    TooLarge,
}

impl fmt::Display for ParseVersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotDigits => "a version has only the digits 0 to 9",
            Self::TooLarge => "a version is at most 9223372036854775807",
        })
    }
}

impl std::error::Error for ParseVersionError {}

impl FromStr for Version {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ParseVersionError::NotDigits);
        }
        text.parse().map(Self).map_err(|_| ParseVersionError::TooLarge)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_make_a_version() {
        for bad in ["", "-1", "+1", "1a", " 1", "１"] {
            assert_eq!(bad.parse::<Version>(), Err(ParseVersionError::NotDigits), "{bad:?}");
        }
        assert_eq!("9223372036854775808".parse::<Version>(), Err(ParseVersionError::TooLarge));
        assert_eq!("000".parse(), Ok(Version(0)));
        assert_eq!("20261120130000".parse(), Ok(Version(20_261_120_130_000)));
        assert_eq!(Version::new(-1), None);
    }
}
