//! How the answer is shown: as text for people, or as JSON for programs.

use std::ffi::OsString;

/// How the answer is shown.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// JSON lines on standard output: events, and at the end one result or error
    Json,
}

impl Format {
    /// Finds the format in arguments that cannot be parsed, because their error must be shown in this format too.
    pub(crate) fn of_arguments(arguments: &[OsString]) -> Self {
        let mut words = arguments.iter().filter_map(|word| word.to_str()).take_while(|word| *word != "--");
        while let Some(word) = words.next() {
            let value = match word {
                "--format" => words.next(),
                word => word.strip_prefix("--format="),
            };
            if value == Some("json") {
                return Self::Json;
            }
        }
        Self::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_that_cannot_be_parsed_have_a_format_too() {
        let of = |line: &str| Format::of_arguments(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(of("app upp --format json"), Format::Json);
        assert_eq!(of("app --format=json up --too"), Format::Json);
        assert_eq!(of("app up --format"), Format::Text);
        assert_eq!(of("app up --format text"), Format::Text);
        assert_eq!(of("app up -- --format json"), Format::Text);
    }
}
