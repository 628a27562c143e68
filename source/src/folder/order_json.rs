//! Reads `order.json`: the names of files in the order in which they run. Whether the files exist is checked in `tree`.

use std::ops::Range;

use jsonc_parser::ast::{Object, ObjectPropName, Value};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use crate::{Code, Diagnostic};

/// The name of the file.
pub(super) const FILE: &str = "order.json";

/// A name in the file, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) range: Range<usize>,
}

const FORM: &str = "write a list of file names: `[\"users.sql\", \"loans.sql\"]`";

/// Returns the names in their order; `file` is the path of the file in messages. The file has one of three forms: a list
/// of names; an object that gives each name its number; an object that gives each number its name.
///
/// # Errors
///
/// Everything that is wrong with the file.
pub(super) fn parse(text: &str, file: &str) -> Result<Vec<Listed>, Vec<Diagnostic>> {
    // Editors on Windows write one, and it is none in scripts either. A blank keeps every place.
    let text = &text.replacen('\u{feff}', "   ", usize::from(text.starts_with('\u{feff}')));
    let reader = Reader { text, file };
    let strict = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let parsed = parse_to_ast(text, &CollectOptions::default(), &strict).map_err(|error| {
        let message = format!("this is not JSON: {}", lower_first(&error.kind().to_string()));
        vec![reader.error(error.range().start..error.range().end, message)]
    })?;
    match parsed.value {
        Some(Value::Array(array)) => reader.list(&array.elements),
        Some(Value::Object(object)) => reader.numbers(&object),
        Some(other) => Err(vec![reader.error(range(&other), "this is neither a list nor an object".to_owned())]),
        None => Err(vec![reader.error(0..0, "the file is empty".to_owned())]),
    }
}

struct Reader<'a> {
    text: &'a str,
    file: &'a str,
}

impl Reader<'_> {
    fn error(&self, range: Range<usize>, message: String) -> Diagnostic {
        self.error_with(range, message, FORM)
    }

    fn error_with(&self, range: Range<usize>, message: String, help: &str) -> Diagnostic {
        Diagnostic::error(Code::BadOrder, self.file, message).at(self.text, range, "").help(help)
    }

    fn list(&self, elements: &[Value<'_>]) -> Result<Vec<Listed>, Vec<Diagnostic>> {
        let mut names = Vec::with_capacity(elements.len());
        let mut problems = Vec::new();
        for element in elements {
            match element {
                Value::StringLit(name) => names.push(Listed { name: name.value.to_string(), range: range(element) }),
                _ => problems.push(self.error(range(element), "this is not the name of a file".to_owned())),
            }
        }
        if problems.is_empty() { Ok(names) } else { Err(problems) }
    }

    /// An object of names with their numbers, or of numbers with their names. The numbers begin at 0 or 1.
    fn numbers(&self, object: &Object<'_>) -> Result<Vec<Listed>, Vec<Diagnostic>> {
        let mut numbered: Vec<(u64, Listed)> = Vec::with_capacity(object.properties.len());
        let mut problems = Vec::new();
        for property in &object.properties {
            let (key, at) = match &property.name {
                ObjectPropName::String(key) => (key.value.as_ref(), key.range),
                ObjectPropName::Word(key) => (key.value, key.range),
            };
            let (at, of_value) = (at.start..at.end, range(&property.value));
            match (key.parse::<u64>(), &property.value) {
                (Ok(number), Value::StringLit(name)) => {
                    numbered.push((number, Listed { name: name.value.to_string(), range: of_value }));
                }
                (_, Value::NumberLit(number)) if number.value.parse::<u64>().is_ok() => {
                    let number = number.value.parse().unwrap_or_default();
                    numbered.push((number, Listed { name: key.to_owned(), range: at }));
                }
                _ => {
                    let message = format!("`{key}` has no number: a number is a whole one, from 0 or 1 on");
                    problems.push(self.error(of_value, message));
                }
            }
        }
        numbered.sort_by_key(|(number, _)| *number);
        let first = numbered.first().map_or(0, |(number, _)| (*number).min(1));
        let mut expected = first;
        let mut before: Option<&(u64, Listed)> = None;
        for one in &numbered {
            let (number, Listed { name, range }) = one;
            match before {
                Some((same, other)) if same == number => {
                    let message = format!("`{}` and `{name}` have the same number, {number}", other.name);
                    problems.push(self.error_with(range.clone(), message, "give one of the two another number"));
                }
                _ if *number > expected => {
                    let message = match number - 1 {
                        last if last == expected => format!("the number {expected} is missing before `{name}`"),
                        last => format!("the numbers {expected} to {last} are missing before `{name}`"),
                    };
                    let help = "the numbers begin at 0 or 1, and have no gap";
                    problems.push(self.error_with(range.clone(), message, help));
                }
                _ => {}
            }
            expected = number.saturating_add(1);
            before = Some(one);
        }
        if problems.is_empty() { Ok(numbered.into_iter().map(|(_, listed)| listed).collect()) } else { Err(problems) }
    }
}

fn range(value: &Value<'_>) -> Range<usize> {
    let range = value.range();
    range.start..range.end
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let got = match parse(text, "order.json") {
            Ok(names) => names.iter().map(|listed| listed.name.as_str()).collect::<Vec<_>>().join(" "),
            Err(problems) => {
                problems.iter().map(|p| format!("{} {}", p.place(), p.message)).collect::<Vec<_>>().join(" | ")
            }
        };
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn a_list_or_numbers_give_the_order() {
        check("[]", "");
        check("[\"b.sql\",\n \"a.sql\"]", "b.sql a.sql");
        check("{\"b.sql\": 1, \"a.sql\": 0}", "a.sql b.sql");
        check("\u{feff}[\"b.sql\"]", "b.sql");
        check("{\"2\": \"b.sql\", \"1\": \"a.sql\"}", "a.sql b.sql");
    }

    #[test]
    fn what_is_not_understood_has_a_place() {
        check("", "order.json:1:1 the file is empty");
        check("\"a.sql\"", "order.json:1:1 this is neither a list nor an object");
        check(
            "[\n  \"a.sql\",\n  3, null\n]",
            "order.json:3:3 this is not the name of a file | order.json:3:6 this is not the name of a file",
        );
        check("{\"a.sql\": -1}", "order.json:1:11 `a.sql` has no number: a number is a whole one, from 0 or 1 on");
        check(
            "{\"a\": 0, \"b\": 0, \"c\": 3}",
            "order.json:1:10 `a` and `b` have the same number, 0 | order.json:1:18 the numbers 1 to 2 are missing before `c`",
        );
        check("{\"a\": 2}", "order.json:1:2 the number 1 is missing before `a`");
        for (text, begins) in
            [("[\"a.sql\"", "order.json:1:1"), ("[\"a.sql\" \"b.sql\"]", "order.json:1:9"), ("[a]", "order.json:1:2")]
        {
            let problems = parse(text, "order.json").unwrap_err();
            assert_eq!(problems[0].place(), begins, "{text}: {}", problems[0].message);
            assert!(problems[0].message.starts_with("this is not JSON: "), "{}", problems[0].message);
        }
    }
}
