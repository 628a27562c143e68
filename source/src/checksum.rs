//! Computes the checksum of a script: SHA-256 over its canonical text. The type and its text form are in
//! `lockgate-core`.
//!
//! The canonical text is the file without a byte order mark, with LF for CRLF, and with exactly one
//! newline at its end. A carriage return that no line feed follows is content and stays. Everything
//! else counts: blanks, comments and directives too.

use std::borrow::Cow;

use lockgate_core::{Checksum, Statement};
use sha2::{Digest, Sha256};

/// Returns the canonical text, whose bytes are hashed.
///
/// ```
/// use lockgate_source::checksum::canonical;
///
/// assert_eq!(canonical("\u{feff}SELECT 1;\r\n\r\n"), "SELECT 1;\n");
/// assert_eq!(canonical("SELECT 1;\n"), "SELECT 1;\n");
/// ```
pub fn canonical(text: &str) -> Cow<'_, str> {
    match with_line_feeds(text) {
        Cow::Owned(mut lines) => {
            lines.truncate(trimmed_len(&lines));
            lines.push('\n');
            Cow::Owned(lines)
        }
        Cow::Borrowed(text) => {
            let end = trimmed_len(text);
            match text.as_bytes().get(end) {
                Some(_) => Cow::Borrowed(&text[..=end]),
                None => Cow::Owned(format!("{text}\n")),
            }
        }
    }
}

/// Returns the text without a byte order mark and with LF line ends, as it is sent to a database.
pub(crate) fn with_line_feeds(text: &str) -> Cow<'_, str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // `contains` on bytes is the standard library's own compiled search: this runs unoptimised
    // inside the macro, where an iterator over characters costs a hundred times as much.
    if text.as_bytes().contains(&b'\r') { Cow::Owned(text.replace("\r\n", "\n")) } else { Cow::Borrowed(text) }
}

/// The length without the newlines at the end.
fn trimmed_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut end = bytes.len();
    while end > 0 && bytes[end - 1] == b'\n' {
        end -= 1;
    }
    end
}

/// Returns the checksum of a script, given the text of its file.
///
/// Version 1 hashes `lockgate:v1`, a line feed, the length of the canonical text as a little-endian
/// 64-bit number, and the canonical text.
pub fn checksum(text: &str) -> Checksum {
    let canonical = canonical(text);
    let mut hash = Sha256::new();
    hash.update(b"lockgate:v1\n");
    hash.update((canonical.len() as u64).to_le_bytes());
    hash.update(canonical.as_bytes());
    Checksum::v1(hash.finalize().into())
}

/// Returns the checksums of a script that is recorded statement by statement: one over the first statement, one
/// over the first two, and so on. The text between statements and their semicolons do not count.
///
/// Version 1 hashes `lockgate:finished:v1`, a line feed, the checksum before (32 bytes; none for the
/// first), the length of the statement's canonical text as a little-endian 64-bit number, and that.
pub fn finished(text: &str, statements: &[Statement]) -> Vec<Checksum> {
    let mut checksums: Vec<Checksum> = Vec::with_capacity(statements.len());
    for statement in statements {
        let end = |c: char| c == ';' || c.is_ascii_whitespace();
        let canonical = canonical(text[statement.range.clone()].trim_end_matches(end));
        let mut hash = Sha256::new();
        hash.update(b"lockgate:finished:v1\n");
        if let Some(before) = checksums.last() {
            hash.update(before.digest());
        }
        hash.update((canonical.len() as u64).to_le_bytes());
        hash.update(canonical.as_bytes());
        checksums.push(Checksum::v1(hash.finalize().into()));
    }
    checksums
}

/// SHA-256 of a text as hexadecimal digits, for the chain of the lockfile.
pub(crate) fn sha256_hex(text: &str) -> String {
    // The digest of a checksum prints as hexadecimal digits already.
    Checksum::v1(Sha256::digest(text.as_bytes()).into()).to_string().split_off("v1:".len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_vectors_never_change() {
        for (text, hex) in [
            ("", GOLDEN_EMPTY),
            ("CREATE TABLE users (id BIGINT PRIMARY KEY);\n", GOLDEN_USERS),
            ("-- häuser\nSELECT '\r';\n", GOLDEN_LONE_CR),
        ] {
            assert_eq!(checksum(text).to_string(), format!("v1:{hex}"), "{text:?}");
        }
    }

    // Made by another program: Python's hashlib over b"lockgate:v1\n" + struct.pack("<Q", len(text)) + text.
    const GOLDEN_EMPTY: &str = "481062996fcf46eac3126c40a37a33d361080c9d609e82a5bd345087146934cc";
    const GOLDEN_USERS: &str = "79bc8650fa3f41562b5f505e87f8cdd3c90b397ccf08b0ca53a33e4c94d9180a";
    const GOLDEN_LONE_CR: &str = "dc58ea7a064a671b157c221ae3f220b9d7672cfed6459a679b633c88a7dd7071";

    #[test]
    fn line_ends_byte_order_mark_and_final_newline_do_not_count() {
        let plain = checksum("SELECT 1;\nSELECT 2;\n");
        for same in [
            "SELECT 1;\r\nSELECT 2;\r\n",
            "\u{feff}SELECT 1;\nSELECT 2;\n",
            "SELECT 1;\nSELECT 2;",
            "SELECT 1;\nSELECT 2;\n\n\r\n",
            "\u{feff}SELECT 1;\r\nSELECT 2;",
        ] {
            assert_eq!(checksum(same), plain, "{same:?}");
        }
    }

    #[test]
    fn everything_else_counts() {
        let plain = checksum("SELECT 1;\nSELECT 2;\n");
        for other in [
            "SELECT 1;\n\nSELECT 2;\n",
            "\nSELECT 1;\nSELECT 2;\n",
            "SELECT 1; \nSELECT 2;\n",
            "SELECT 1;\rSELECT 2;\n",
            "SELECT 1;\nSELECT 2;\n\u{feff}",
            "SELECT 1;\nSELECT 2;\r",
        ] {
            assert_ne!(checksum(other), plain, "{other:?}");
        }
    }

    // Made by another program, as above: b"lockgate:finished:v1\n" + before + length + text.
    const GOLDEN_FIRST: &str = "632fc55f6aaee7e3d5391984b56e6b930a4a268dee5583ed892f19c690702e9d";
    const GOLDEN_SECOND: &str = "8be709fa5e7efd77e9cb1741b1543ec7064ec40f3138e25dd5db77dc89118632";

    #[test]
    fn finished_statements_are_their_text_and_nothing_between_them() {
        let of = |text: &str| finished(text, &crate::sql::split(lockgate_core::Dialect::Sqlite, text).statements);
        let plain = of("CREATE TABLE a (id INT);\nINSERT INTO a\n  VALUES ('ü;');\n");
        assert_eq!(
            plain.iter().map(Checksum::to_string).collect::<Vec<_>>(),
            [format!("v1:{GOLDEN_FIRST}"), format!("v1:{GOLDEN_SECOND}")]
        );
        assert_eq!(of("-- a\r\nCREATE TABLE a (id INT) ; -- b\r\n;\r\nINSERT INTO a\r\n  VALUES ('ü;')"), plain);
        let longer = of("CREATE TABLE a (id INT);INSERT INTO a\n  VALUES ('ü;'); DROP TABLE a;");
        assert_eq!((&longer[..2], longer.len()), (&plain[..], 3));
        for other in ["CREATE TABLE a (id  INT); INSERT INTO a\n  VALUES ('ü;');", "INSERT INTO a\n  VALUES ('ü;')"] {
            assert!(of(other).iter().all(|checksum| !plain.contains(checksum)), "{other}");
        }
    }

    #[test]
    fn canonical_text_is_borrowed_if_possible() {
        assert!(matches!(canonical("SELECT 1;\n\n"), Cow::Borrowed("SELECT 1;\n")));
        assert_eq!(canonical(""), "\n");
        assert_eq!(canonical("\n\n"), "\n");
        assert_eq!(canonical("a\rb\r\n"), "a\rb\n");
    }
}
