//! Times as versions write them: 14 digits, `YYYYMMDDhhmmss`, in UTC.

/// A time in seconds since 1970 as the number `YYYYMMDDhhmmss`.
pub(crate) fn number(seconds: i64) -> i64 {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Eras of 400 years that begin on the first of March, so that a leap day is the last of its year.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
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
    let from_march = year - i64::from(month <= 2);
    let (era, year_of_era) = (from_march.div_euclid(400), from_march.rem_euclid(400));
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    let seconds = days * 86_400 + clock / 10_000 * 3_600 + clock / 100 % 100 * 60 + clock % 100;
    // A 30th of February or a 25th hour is another time.
    (number(seconds) == time).then_some(seconds)
}

/// Whether these are the 14 digits of a time.
pub(crate) fn is_time(digits: &str) -> bool {
    digits.len() == 14 && digits.parse().is_ok_and(|time| seconds(time).is_some())
}
