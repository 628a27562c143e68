//! Times as versions write them: 14 digits, `YYYYMMDDhhmmss`, in UTC.

use lockgate_core::date::Date;

/// A time in seconds since 1970 as the number `YYYYMMDDhhmmss`.
pub(crate) fn number(seconds: i64) -> i64 {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let Date { year, month, day } = Date::from_days(days);
    let date = (year * 100 + month) * 100 + day;
    date * 1_000_000 + (second / 3_600) * 10_000 + (second / 60 % 60) * 100 + second % 60
}

/// The seconds since 1970 of a time; `None` where the number is not one that a calendar and a clock have, from 1970
/// to 2999.
pub(crate) fn seconds(time: i64) -> Option<i64> {
    let (date, clock) = (time / 1_000_000, time % 1_000_000);
    let (year, month, day) = (date / 10_000, date / 100 % 100, date % 100);
    if !(1970..=2999).contains(&year) {
        return None;
    }
    let days = Date { year, month, day }.days();
    let seconds = days * 86_400 + clock / 10_000 * 3_600 + clock / 100 % 100 * 60 + clock % 100;
    // A 30th of February or a 25th hour is another time.
    (number(seconds) == time).then_some(seconds)
}

/// Whether these are the 14 digits of a time.
pub(crate) fn is_time(digits: &str) -> bool {
    digits.len() == 14 && digits.parse().is_ok_and(|time| seconds(time).is_some())
}
