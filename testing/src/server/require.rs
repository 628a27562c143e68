//! `LOCKGATE_REQUIRE`: the backends whose absence is an error and not a skipped test.

use super::Error;

/// The variable: words with commas between them, as in `LOCKGATE_REQUIRE=sqlite,postgres`.
pub const VARIABLE: &str = "LOCKGATE_REQUIRE";

/// The words that it may hold.
pub const WORDS: [&str; 3] = ["sqlite", "postgres", "mariadb"];

/// Whether `LOCKGATE_REQUIRE` names this backend.
///
/// # Errors
///
/// `Usage` where the variable holds a word that is not one of [`WORDS`].
pub fn requires(backend: &str) -> Result<bool, Error> {
    let value = std::env::var(VARIABLE).unwrap_or_default();
    Ok(parse(&value)?.contains(&backend))
}

/// The words of a value of the variable.
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
/// `Usage` where it holds a word that is not one of [`WORDS`].
pub fn parse(value: &str) -> Result<Vec<&str>, Error> {
    let words: Vec<&str> = value.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    match words.iter().find(|word| !WORDS.contains(word)) {
        None => Ok(words),
        Some(unknown) => Err(Error::usage(format!(
            "{VARIABLE} names `{unknown}`, which is no backend that the tests know: it may name {}",
            WORDS.join(", ")
        ))),
    }
}
