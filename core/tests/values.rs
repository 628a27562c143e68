//! Messages of the small values.

use std::str::FromStr;

use lockgate_core::{Checksum, Dialect, Dialects};

#[test]
fn a_checksum_reads_what_it_writes() {
    let digest: [u8; 32] = std::array::from_fn(|index| (index * 37 + 11) as u8);
    let text = Checksum::v1(digest).to_string();
    assert!(text.starts_with("v1:0b30557a9f"), "{text}");
    assert_eq!(Checksum::from_str(&text), Ok(Checksum::v1(digest)));
    let why = |text: &str| Checksum::from_str(text).unwrap_err().to_string();
    assert_eq!(why("v9:00"), "this release does not know the checksum version `v9`");
    assert_eq!(why("v1:00"), "a checksum is `v1:` and 64 hexadecimal digits");
}

#[test]
fn dialects_are_listed_in_order() {
    let both = Dialects::NONE.with(Dialect::Mysql).with(Dialect::Postgres);
    assert_eq!(both.to_string(), "postgres, mysql");
    assert_eq!(both.with(Dialect::Mysql), both, "a set has no word twice");
    assert_eq!(Dialects::NONE.with(Dialect::Sqlite).to_string(), "sqlite");
    assert_eq!(Dialects::ALL.to_string(), "postgres, sqlite, mysql");
    assert_eq!(Dialects::NONE.to_string(), "");
    let error = Dialect::from_str("oracle").unwrap_err();
    assert_eq!(error.to_string(), "a dialect is one of postgres, sqlite, mysql");
}
