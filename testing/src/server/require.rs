//! `LOCKGATE_REQUIRE`: what must be there: its absence is an error instead of a skipped test.

use super::Error;

/// The variable, a list with commas: `LOCKGATE_REQUIRE=sqlite,postgres`.
pub const VARIABLE: &str = "LOCKGATE_REQUIRE";

/// The words that it may contain. `browser` is for Lockgate's own tests of the pages that it writes.
pub const WORDS: [&str; 4] = ["sqlite", "postgres", "mariadb", "browser"];

/// Whether `LOCKGATE_REQUIRE` names this backend.
///
/// # Errors
///
/// `Usage` if the variable contains a word that is not one of [`WORDS`].
pub fn requires(backend: &str) -> Result<bool, Error> {
    let value = std::env::var(VARIABLE).unwrap_or_default();
    Ok(parse(&value)?.contains(&backend))
}

/// Returns the words of a value of the variable.
///
/// ```
/// use lockgate_testing::server::require;
///
/// assert_eq!(require::parse("sqlite, postgres").unwrap(), ["sqlite", "postgres"]);
/// assert_eq!(require::parse("").unwrap(), [""; 0]);
/// assert!(require::parse("postgresql").unwrap_err().to_string().contains("`postgresql`"));
/// ```
///
/// # Errors
///
/// `Usage` if it contains a word that is not one of [`WORDS`].
pub fn parse(value: &str) -> Result<Vec<&str>, Error> {
    let words: Vec<&str> = value.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    match words.iter().find(|word| !WORDS.contains(word)) {
        None => Ok(words),
        Some(unknown) => Err(Error::usage(format!(
            "{VARIABLE} names `{unknown}`, which is not a backend: it may name {}",
            WORDS.join(", ")
        ))),
    }
}
