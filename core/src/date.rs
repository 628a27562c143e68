//! Days of the Gregorian calendar, in UTC.

/// A day.
///
/// ```
/// use lockgate_core::date::Date;
///
/// assert_eq!(Date::from_days(0), Date { year: 1970, month: 1, day: 1 });
/// assert_eq!(Date { year: 2000, month: 2, day: 29 }.days(), 11_016);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    /// The year.
    pub year: i64,
    /// The month, from 1.
    pub month: i64,
    /// The day of the month, from 1.
    pub day: i64,
}

impl Date {
    /// The day that is this many days after 1970-01-01.
    pub const fn from_days(days: i64) -> Self {
        // Eras of 400 years that begin on the first of March, so that a leap day is the last of its year.
        let days = days + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Self { year: year_of_era + era * 400 + (month <= 2) as i64, month, day }
    }

    /// How many days after 1970-01-01 this is. A day that the month does not have counts as one of the next.
    pub const fn days(self) -> i64 {
        let Self { year, month, day } = self;
        let from_march = year - (month <= 2) as i64;
        let (era, year_of_era) = (from_march.div_euclid(400), from_march.rem_euclid(400));
        let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_day_has_a_date_and_each_date_its_day() {
        let mut last = Date { year: 1599, month: 12, day: 31 };
        for days in last.days() + 1..=(Date { year: 2400, month: 3, day: 1 }).days() {
            let date = Date::from_days(days);
            let is_leap = last.year % 4 == 0 && (last.year % 100 != 0 || last.year % 400 == 0);
            let length = [31, 28 + i64::from(is_leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][last.month as usize - 1];
            let next = match (last.day < length, last.month < 12) {
                (true, _) => Date { day: last.day + 1, ..last },
                (false, true) => Date { month: last.month + 1, day: 1, ..last },
                (false, false) => Date { year: last.year + 1, month: 1, day: 1 },
            };
            assert_eq!((date, date.days()), (next, days));
            last = date;
        }
    }
}
