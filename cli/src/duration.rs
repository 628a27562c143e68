//! Durations as people type them: `500ms`, `5s`, `10min`, `1h`.

use std::time::Duration;

/// Parses a duration, in the same form as in the directives of migration files.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let duration = lockgate::__private::duration(text);
    duration.ok_or_else(|| "write a whole number and a unit: `500ms`, `5s`, `10min` or `1h`".to_owned())
}

/// Formats a duration for people.
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
    fn what_is_shown_is_short() {
        let shown = |milliseconds| show(Duration::from_millis(milliseconds));
        assert_eq!([0, 1, 999].map(shown), ["<1 ms", "1 ms", "999 ms"]);
        assert_eq!([1_000, 59_999, 60_000, 125_000].map(shown), ["1.0 s", "59.9 s", "1 min 0 s", "2 min 5 s"]);
    }
}
