//! How long a statement may wait or run: whole milliseconds, as databases count them.

use std::fmt;
use std::time::Duration;

/// How long something may take: for ever, or from 1 to [`MOST`](Self::MOST) milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit(u32);

impl Limit {
    /// No limit.
    pub const FOREVER: Self = Self(0);

    /// The longest limit, in milliseconds: what fits into 31 bits, which is 596 hours and a half.
    pub const MOST: u32 = i32::MAX as u32;

    /// The limit of this duration. Zero is for ever, as databases write it; what is less than a millisecond is
    /// one, not none.
    ///
    /// # Errors
    ///
    /// Where it is longer than [`MOST`](Self::MOST).
    ///
    /// ```
    /// use std::time::Duration;
    /// use lockgate_core::limit::Limit;
    ///
    /// assert_eq!(Limit::new(Duration::from_secs(3)).unwrap().as_millis(), 3000);
    /// assert_eq!(Limit::new(Duration::from_micros(500)).unwrap().as_millis(), 1);
    /// assert_eq!(Limit::new(Duration::ZERO), Ok(Limit::FOREVER));
    /// assert!(Limit::new(Duration::MAX).is_err());
    /// ```
    pub fn new(duration: Duration) -> Result<Self, TooLong> {
        let millis = duration.as_nanos().div_ceil(1_000_000);
        u32::try_from(millis).ok().filter(|millis| *millis <= Self::MOST).map(Self).ok_or(TooLong(duration))
    }

    /// In milliseconds, as databases write it: 0 is for ever.
    pub const fn as_millis(self) -> u32 {
        self.0
    }
}

/// The duration is longer than any limit can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong(pub Duration);

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} s is too long: at most {} ms (596 h) can be set, and 0 for no limit",
            self.0.as_secs(),
            Limit::MOST
        )
    }
}

impl std::error::Error for TooLong {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_of_whole_milliseconds_and_never_too_many() {
        let millis = |duration| Limit::new(duration).map(Limit::as_millis).map_err(|error| error.to_string());
        assert_eq!(millis(Duration::from_nanos(1)), Ok(1));
        assert_eq!(millis(Duration::from_micros(1_001)), Ok(2));
        assert_eq!(millis(Duration::from_millis(u64::from(Limit::MOST))), Ok(Limit::MOST));
        let most = "is too long: at most 2147483647 ms (596 h) can be set, and 0 for no limit";
        let over = Duration::from_millis(u64::from(Limit::MOST)) + Duration::from_nanos(1);
        assert_eq!(millis(over), Err(format!("2147483 s {most}")));
        assert_eq!(millis(Duration::from_secs(3_600_000)), Err(format!("3600000 s {most}")));
        assert_eq!(millis(Duration::MAX), Err(format!("{} s {most}", u64::MAX)));
    }
}
