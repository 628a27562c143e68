//! Reads a value of a query from the text that the database writes.

/// A type that a value can be read as.
pub trait FromText: Sized {
    /// Its name in messages.
    #[doc(hidden)]
    const NAME: &'static str;

    /// Reads a value; `None` is NULL.
    #[doc(hidden)]
    fn from_text(text: Option<&str>) -> Option<Self>;
}

/// Whether SQLite or PostgreSQL writes true like this.
pub(super) fn is_true(text: &str) -> bool {
    matches!(text, "t" | "true") || text.parse::<i64>().is_ok_and(|number| number != 0)
}

impl FromText for bool {
    const NAME: &'static str = "a truth value";

    fn from_text(text: Option<&str>) -> Option<Self> {
        match text? {
            "t" | "true" | "1" => Some(true),
            "f" | "false" | "0" => Some(false),
            _ => None,
        }
    }
}

impl FromText for String {
    const NAME: &'static str = "a text";

    fn from_text(text: Option<&str>) -> Option<Self> {
        text.map(str::to_owned)
    }
}

impl<T: FromText> FromText for Option<T> {
    const NAME: &'static str = T::NAME;

    fn from_text(text: Option<&str>) -> Option<Self> {
        match text {
            None => Some(None),
            text => T::from_text(text).map(Some),
        }
    }
}

macro_rules! numbers {
    ($($number:ty),+) => {
        $(
            impl FromText for $number {
                const NAME: &'static str = concat!("a number (", stringify!($number), ")");

                fn from_text(text: Option<&str>) -> Option<Self> {
                    text?.parse().ok()
                }
            }
        )+
    };
}

numbers!(i16, i32, i64, u16, u32, u64, usize, f32, f64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truthy_values() {
        for (text, expected) in [("t", true), ("f", false), ("1", true), ("0", false), ("-2", true), ("yes", false)] {
            assert_eq!(is_true(text), expected, "{text}");
        }
    }

    #[test]
    fn values_are_read_or_refused() {
        assert_eq!(i64::from_text(Some("20")), Some(20));
        assert_eq!(i64::from_text(Some("2.5")), None);
        assert_eq!(i64::from_text(None), None);
        assert_eq!(Option::<i64>::from_text(None), Some(None));
        assert_eq!(Option::<i64>::from_text(Some("x")), None);
        assert_eq!(bool::from_text(Some("t")), Some(true));
        assert_eq!(bool::from_text(Some("2")), None);
    }
}
