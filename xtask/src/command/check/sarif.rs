//! Writes the findings as SARIF 2.1.0, the interchange format of static analysis tools, for editors and code review.

use lockgate_source::{Code, Diagnostic};
use serde_json::{Value, json};

use super::{Checked, json::word, problems};
use crate::command::explain;
use crate::invocation;

/// Returns the document, without a final newline.
pub(super) fn document(all: &[Checked]) -> String {
    let document = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {
                    "name": "Lockgate",
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": Code::ALL.iter().copied().map(rule).collect::<Vec<_>>(),
                },
            },
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": {
                "%SRCROOT%": { "description": { "text": "The root of the workspace." } },
            },
            "results": problems(all).map(result).collect::<Vec<_>>(),
        }],
    });
    serde_json::to_string_pretty(&document).expect("texts and numbers are JSON")
}

fn rule(code: Code) -> Value {
    json!({
        "id": code.as_str(),
        "shortDescription": { "text": format!("{}.", code.summary()) },
        "fullDescription": { "text": invocation::with_command_name(code.explanation()) },
        "help": { "text": explain::plain(code) },
    })
}

fn result(diagnostic: &Diagnostic) -> Value {
    let mut text = diagnostic.message.clone();
    diagnostic.help.iter().for_each(|help| text.push_str(&format!("\nhelp: {help}")));
    let mut place = json!({ "artifactLocation": artifact(&diagnostic.file) });
    if let (Some((line, column)), Some((end_line, end_column))) = (diagnostic.position(), diagnostic.end_position()) {
        place["region"] =
            json!({ "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column });
    }
    json!({
        "ruleId": diagnostic.code.as_str(),
        "ruleIndex": diagnostic.code as usize,
        "level": word(diagnostic.severity),
        "message": { "text": text },
        "locations": [{ "physicalLocation": place }],
    })
}

/// Returns the location of a file. A file outside the workspace has an absolute path and no base.
fn artifact(file: &str) -> Value {
    let uri = encoded(file);
    if uri.starts_with('/') {
        return json!({ "uri": format!("file:///{}", uri.trim_start_matches('/')) });
    }
    json!({ "uri": uri, "uriBaseId": "%SRCROOT%" })
}

/// Percent-encodes a path for a URI.
fn encoded(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_uris() {
        assert_eq!(encoded("app/migrations/0001_ä b#1.sql"), "app/migrations/0001_%C3%A4%20b%231.sql");
        assert_eq!(artifact("app/a.sql"), json!({ "uri": "app/a.sql", "uriBaseId": "%SRCROOT%" }));
        assert_eq!(artifact("//elsewhere/a.sql"), json!({ "uri": "file:///elsewhere/a.sql" }));
    }
}
