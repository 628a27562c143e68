//! Lengths of time as people type them: `500ms`, `5s`, `10min`, `1h`.

use std::time::Duration;

/// Reads one, in the words of the directives in migration files.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err("write a whole number and a unit: `500ms`, `5s`, `10min` or `1h`".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "write a whole number before the unit, as in `5s`".to_owned())?;
    number
        .checked_mul(milliseconds)
        .map(Duration::from_millis)
        .ok_or_else(|| "this is longer than can be counted".to_owned())
}

/// Writes one for a person to read.
pub(crate) fn show(duration: Duration) -> String {
    match duration.as_millis() {
        0 => "<1 ms".to_owned(),
        milliseconds @ 1..1_000 => format!("{milliseconds} ms"),
        milliseconds @ 1_000..60_000 => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        milliseconds => format!("{} min {} s", milliseconds / 60_000, milliseconds % 60_000 / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_a_unit() {
        assert_eq!(parse("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(parse("10min"), Ok(Duration::from_secs(600)));
        assert_eq!(parse("1h"), Ok(Duration::from_secs(3600)));
        for bad in ["", "5", "s", "-5s", "5 s", "5m", "1.5s", "99999999999999999999s", "9999999999999999999h"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_shown_is_short() {
        let shown = |milliseconds| show(Duration::from_millis(milliseconds));
        assert_eq!([0, 1, 999].map(shown), ["<1 ms", "1 ms", "999 ms"]);
        assert_eq!([1_000, 59_999, 60_000, 125_000].map(shown), ["1.0 s", "59.9 s", "1 min 0 s", "2 min 5 s"]);
    }
}
