//! How long a statement may wait or run: whole milliseconds, as databases count them.

use std::fmt;
use std::time::Duration;

/// Reads a length of time as people write it, in directives and on command lines: `500ms`, `5s`, `10min`, `1h`.
/// `None` where it is not a whole number with one of these units, or more than can be counted.
///
/// ```
/// use std::time::Duration;
/// use lockgate_core::limit::duration;
///
/// assert_eq!(duration("10min"), Some(Duration::from_secs(600)));
/// assert_eq!(duration("10m"), None);
/// ```
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let milliseconds: u64 = match unit.trim_start() {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(milliseconds).map(Duration::from_millis)
}

/// How long something may take: without a limit, or from 1 to [`MOST`](Self::MOST) milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit(u32);

impl Limit {
    /// No limit.
    pub const NONE: Self = Self(0);

    /// The longest limit, in milliseconds: what fits into 31 bits, which is 596 hours and a half.
    pub const MOST: u32 = i32::MAX as u32;

    /// The limit of this duration, rounded up to whole milliseconds.
    ///
    /// # Errors
    ///
    /// Where the duration is zero, which databases take for no limit ([`NONE`](Self::NONE) says that), or longer
    /// than [`MOST`](Self::MOST).
    ///
    /// ```
    /// use std::time::Duration;
    /// use lockgate_core::limit::{Limit, LimitError};
    ///
    /// assert_eq!(Limit::new(Duration::from_secs(3)).unwrap().as_millis(), 3000);
    /// assert_eq!(Limit::new(Duration::from_micros(500)).unwrap().as_millis(), 1);
    /// assert_eq!(Limit::new(Duration::ZERO), Err(LimitError::Zero));
    /// assert!(Limit::new(Duration::MAX).is_err());
    /// ```
    pub fn new(duration: Duration) -> Result<Self, LimitError> {
        match u32::try_from(duration.as_nanos().div_ceil(1_000_000)) {
            Ok(0) => Err(LimitError::Zero),
            Ok(millis) if millis <= Self::MOST => Ok(Self(millis)),
            Ok(_) | Err(_) => Err(LimitError::TooLong(duration)),
        }
    }

    /// In milliseconds, as databases write it: 0 is no limit.
    pub const fn as_millis(self) -> u32 {
        self.0
    }
}

/// Why a duration is not a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitError {
    /// It is zero.
    Zero,
    /// It is longer than any limit can be.
    TooLong(Duration),
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero => f.write_str("zero is too short: nothing takes no time at all"),
            Self::TooLong(duration) => {
                write!(f, "{} s is too long: the longest limit is {} ms (596 h)", duration.as_secs(), Limit::MOST)
            }
        }
    }
}

impl std::error::Error for LimitError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_has_a_unit() {
        let millis = |text| duration(text).map(|duration| duration.as_millis());
        assert_eq!(
            ["500ms", "5s", "10min", "1 h"].map(millis),
            [Some(500), Some(5_000), Some(600_000), Some(3_600_000)]
        );
        for bad in ["", "5", "s", "-5s", "5m", "1.5s", "99999999999999999999s", "9999999999999999999h"] {
            assert_eq!(duration(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_limit_is_of_whole_milliseconds_and_never_too_many() {
        let millis = |duration| Limit::new(duration).map(Limit::as_millis).map_err(|error| error.to_string());
        assert_eq!(millis(Duration::from_nanos(1)), Ok(1));
        assert_eq!(millis(Duration::from_micros(1_001)), Ok(2));
        assert_eq!(millis(Duration::from_millis(u64::from(Limit::MOST))), Ok(Limit::MOST));
        assert_eq!(millis(Duration::ZERO), Err("zero is too short: nothing takes no time at all".to_owned()));
        let most = "is too long: the longest limit is 2147483647 ms (596 h)";
        let over = Duration::from_millis(u64::from(Limit::MOST)) + Duration::from_nanos(1);
        assert_eq!(millis(over), Err(format!("2147483 s {most}")));
        assert_eq!(millis(Duration::from_secs(3_600_000)), Err(format!("3600000 s {most}")));
        assert_eq!(millis(Duration::MAX), Err(format!("{} s {most}", u64::MAX)));
    }
}
