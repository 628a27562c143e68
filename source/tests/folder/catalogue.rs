//! Every code that the crate's own text gives to a diagnostic is in the catalogue, and no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lockgate_source::diagnostic::catalogue::CODES;

#[test]
fn the_catalogue_is_complete() {
    let mut used = BTreeSet::new();
    codes(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut used);
    let listed: BTreeSet<String> = CODES.iter().map(|entry| entry.code.to_owned()).collect();
    assert_eq!(used, listed);
}

/// What stands in quotation marks as the first argument of `error`, `warning` or `problem`, or as
/// the value of a `code`.
fn codes(directory: &Path, used: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes(&path, used);
        } else if !path.ends_with("catalogue.rs") && !path.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            let code_only: String = text.lines().filter(|line| !line.trim_start().starts_with("///")).collect();
            let words = code_only.split('"').collect::<Vec<_>>();
            for pair in words.windows(2) {
                let before = pair[0].trim_end();
                let introduces =
                    ["error(", "warning(", "problem(", "code:", "=> ("].iter().any(|end| before.ends_with(end))
                        || before.rsplit_once("problem(").is_some_and(|(_, range)| range.ends_with(','));
                if introduces
                    && pair[1].bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte.is_ascii_digit())
                {
                    used.insert(pair[1].to_owned());
                }
            }
        }
    }
}
