//! Times as other tools write them, as RFC 3339 in UTC.

/// Reads `2026-01-02 03:04:05.678+01:00` and its relatives, and seconds or milliseconds since 1970. A time without a
/// zone is taken as UTC. `None` for anything else.
pub(super) fn utc(text: &str) -> Option<String> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        // Seconds have so many digits only after the year 5000.
        let millis = if number.abs() < 100_000_000_000 { number.checked_mul(1000)? } else { number };
        return Some(written(millis)).filter(|_| millis >= 0);
    }
    let digits = |range: std::ops::Range<usize>| {
        let part = text.get(range)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse::<i64>().ok())?
    };
    let sign = |at: usize, allowed: &[u8]| text.as_bytes().get(at).is_some_and(|byte| allowed.contains(byte));
    let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
    let (hour, minute, second) = (digits(11..13)?, digits(14..16)?, digits(17..19)?);
    let separated = sign(4, b"-") && sign(7, b"-") && sign(10, b"T t") && sign(13, b":") && sign(16, b":");
    let days_of = [31, 28 + i64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let days_of = *days_of.get(usize::try_from(month).ok()?.checked_sub(1)?)?;
    if !separated || day < 1 || day > days_of || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let rest = text.get(19..)?;
    let (fraction, zone) = match rest.strip_prefix(['.', ',']) {
        Some(rest) => rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count()),
        None => ("", rest),
    };
    let millis: i64 = format!("{:0<3.3}", fraction).parse().ok()?;
    let offset = offset(zone.trim())?;
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset * 60;
    Some(written(seconds * 1000 + millis)).filter(|_| seconds >= 0)
}

/// The minutes by which a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    // Go writes `+0000 UTC`.
    let zone = zone.split(' ').next().unwrap_or_default();
    if zone.is_empty() || zone.eq_ignore_ascii_case("z") || zone.eq_ignore_ascii_case("utc") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits: String = zone.strip_prefix(['+', '-'])?.chars().filter(|c| *c != ':').collect();
    let number = |range| digits.get(range).map_or(Some(0), |part: &str| part.parse::<i64>().ok());
    let (hours, minutes) = (number(0..2)?, number(2..4)?);
    matches!(digits.len(), 2 | 4).then_some(sign * (hours * 60 + minutes))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The days from 1970-01-01 to this day.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let before = |year: i64| year * 365 + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    let months = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let index = usize::try_from(month - 1).unwrap_or_default().min(11);
    before(year) - before(1970) + months[index] + i64::from(month > 2 && is_leap(year)) + day - 1
}

fn written(millis: i64) -> String {
    let (mut rest, of_day) = (millis.div_euclid(86_400_000), millis.rem_euclid(86_400_000));
    let mut year = 1970 + rest / 366;
    while days(year + 1, 1, 1) <= rest {
        year += 1;
    }
    rest -= days(year, 1, 1);
    let month = (1..=12).rev().find(|month| days(year, *month, 1) - days(year, 1, 1) <= rest).unwrap_or(1);
    let day = rest - (days(year, month, 1) - days(year, 1, 1)) + 1;
    let (seconds, millis) = (of_day / 1000, of_day % 1000);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{millis:03}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_all_tools_become_rfc_3339_in_utc() {
        for (text, expected) in [
            ("2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z"),
            ("2026-01-02 03:04:05", "2026-01-02T03:04:05.000Z"),
            ("2026-01-02 03:04:05.6", "2026-01-02T03:04:05.600Z"),
            ("2026-01-01T23:30:00.123456789-01:30", "2026-01-02T01:00:00.123Z"),
            ("2024-03-01 00:30:00+01", "2024-02-29T23:30:00.000Z"),
            ("2026-01-02 03:04:05.123456 +0000 UTC", "2026-01-02T03:04:05.123Z"),
            ("0", "1970-01-01T00:00:00.000Z"),
            ("951782400", "2000-02-29T00:00:00.000Z"),
            ("1767323045", "2026-01-02T03:04:05.000Z"),
            ("1767323045678", "2026-01-02T03:04:05.678Z"),
            ("2100-12-31 23:59:59", "2100-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(utc(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "now", "2026-13-01 00:00:00", "2026-02-29 00:00:00", "2026-01-02", "2026-01-02 24:00:00", "-5"]
        {
            assert_eq!(utc(text), None, "{text}");
        }
    }
}
