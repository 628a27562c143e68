//! Finds the secrets in database URLs, valid or not, and masks them.

use percent_encoding::percent_decode_str;
use std::ops::Range;

const MASK: &str = "***";

/// Masks everything in a database URL that may be a secret. It also works for invalid URLs: a password with an
/// unescaped `@`, `/` or `?` is a common mistake. If in doubt, it masks too much.
///
/// ```
/// assert_eq!(lockgate::mask_secrets("postgres://ada:s3cret@localhost/library"), "postgres://ada:***@localhost/library");
/// ```
pub fn mask_secrets(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut end = 0;
    for secret in places(text) {
        if secret.start >= end {
            shown.push_str(&text[end..secret.start]);
            shown.push_str(MASK);
        }
        end = end.max(secret.end);
    }
    shown + &text[end..]
}

/// Returns the secrets of a text, as written and percent-decoded.
pub(crate) fn secrets(text: &str) -> Vec<String> {
    let mut secrets: Vec<String> = places(text).into_iter().map(|secret| text[secret].to_owned()).collect();
    let decoded: Vec<String> = secrets.iter().filter_map(|secret| percent_decoded(secret)).collect();
    secrets.extend(decoded);
    // Such a short secret also occurs in other words; replacing it there would reveal it.
    secrets.retain(|secret| secret.len() > 2);
    secrets
}

/// Finds the secrets, from left to right.
fn places(text: &str) -> Vec<Range<usize>> {
    let mut places: Vec<Range<usize>> = parameters(text).chain(user_password(text)).collect();
    places.sort_by_key(|secret| secret.start);
    places
}

/// Finds the text between the user name and the last `@`.
fn user_password(text: &str) -> Option<Range<usize>> {
    // A file path may contain both characters, but never a password.
    if text.starts_with("sqlite:") {
        return None;
    }
    let start = text.find("://").map_or(0, |scheme| scheme + "://".len());
    let at = start + text[start..].rfind('@')?;
    let colon = start + text[start..at].find(':')?;
    Some(colon + 1..at)
}

/// Finds the values of `password=…` and similar, in a query (`?a=b&c=d`) or in keywords (`a=b c=d`).
fn parameters(text: &str) -> impl Iterator<Item = Range<usize>> {
    let is_edge = |c: char| matches!(c, '?' | '&' | ';') || c.is_whitespace();
    let mut end = 0;
    text.split_inclusive(is_edge).filter_map(move |piece| {
        let start = end;
        end += piece.len();
        let (key, value) = piece.trim_end_matches(is_edge).split_once('=').filter(|(key, _)| is_secret(key))?;
        let start = start + key.len() + 1;
        Some(start..start + value.len())
    })
}

fn is_secret(key: &str) -> bool {
    if key.contains([':', '/', '@']) {
        return false;
    }
    let key = percent_decoded(key).unwrap_or_else(|| key.to_owned()).to_ascii_lowercase();
    // A SQLite setting in the URLs of other clients.
    key != "foreign_keys" && ["pass", "pwd", "secret", "token", "key"].iter().any(|word| key.contains(word))
}

/// Percent-decodes a text. `None` if the result is not UTF-8.
fn percent_decoded(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let cases = [
            ("postgres://ada:secret@localhost:5432/library", "postgres://ada:***@localhost:5432/library"),
            ("postgres://ada@localhost/library", "postgres://ada@localhost/library"),
            ("postgres://localhost/library", "postgres://localhost/library"),
            // Not escaped as it should be.
            ("postgres://ada:se@cr/et?@localhost/library", "postgres://ada:***@localhost/library"),
            (
                "postgres://h/d?user=ada&password=secret&sslmode=require",
                "postgres://h/d?user=ada&password=***&sslmode=require",
            ),
            ("postgres://h/d?PASSWORD=secret", "postgres://h/d?PASSWORD=***"),
            ("postgres://h/d?p%61ssword=secret", "postgres://h/d?p%61ssword=***"),
            ("postgres://h/d?sslkey=secret", "postgres://h/d?sslkey=***"),
            ("postgres://h/d?password=sec@secret", "postgres://h/d?password=***"),
            ("postgres://h:5432/d?password=sec@secret&user=ada", "postgres://h:***&user=ada"),
            ("postgres://ada:secret=x@h/d?password=secret", "postgres://ada:***@h/d?password=***"),
            // Not a URL at all.
            ("host=localhost password=secret user=ada", "host=localhost password=*** user=ada"),
            ("ada:secret@localhost", "ada:***@localhost"),
            ("sqllite://ada:secret@localhost", "sqllite://ada:***@localhost"),
            ("sqlite:///home/a@b:c@d/library.db?mode=rwc", "sqlite:///home/a@b:c@d/library.db?mode=rwc"),
            ("sqlite://library.db?key=secret", "sqlite://library.db?key=***"),
            ("", ""),
        ];
        for (url, shown) in cases {
            assert_eq!(mask_secrets(url), shown);
            assert!(!mask_secrets(url).contains("secret"));
        }
    }

    #[test]
    fn no_url_shows_its_password() {
        for (url, shown) in [
            ("postgres://ann:s3cret@host/db", "postgres://ann:***@host/db"),
            ("postgres://ann:s3/cr@t@host/db", "postgres://ann:***@host/db"),
            ("postgres://ann:s%40cret@host:5432/db?sslmode=off", "postgres://ann:***@host:5432/db?sslmode=off"),
            ("postgres:///db?user=ann&password=s3cret", "postgres:///db?user=ann&password=***"),
            ("postgres://ann@host/db", "postgres://ann@host/db"),
            ("sqlite://app.db?mode=rwc", "sqlite://app.db?mode=rwc"),
        ] {
            assert_eq!(mask_secrets(url), shown);
        }
        assert_eq!(secrets("postgres://ann:s%40cret@host/db"), ["s%40cret", "s@cret"]);
    }
}
