//! What a foreign key of one column refers to: `users(id)`, `app.users(id)`, `users`.

use crate::name::quoted;

/// A table and one of its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    schema: Option<String>,
    table: String,
    /// If there is none, the primary key of the table.
    column: Option<String>,
}

/// Reads a reference.
pub(crate) fn parse(text: &str) -> Result<Reference, String> {
    let form = "write `references = \"users(id)\"`, with the schema before the table if it needs one";
    let mut rest = text.trim();
    let first = word(&mut rest).ok_or_else(|| format!("`{text}` names no table: {form}"))?;
    let second = match rest.strip_prefix('.') {
        Some(after) => {
            rest = after;
            Some(word(&mut rest).ok_or_else(|| format!("`{text}` has no table after the dot: {form}"))?)
        }
        None => None,
    };
    let (schema, table) = match second {
        Some(second) => (Some(first), second),
        None => (None, first),
    };
    rest = rest.trim_start();
    let mut column = None;
    if let Some(after) = rest.strip_prefix('(') {
        rest = after.trim_start();
        column = Some(word(&mut rest).ok_or_else(|| format!("`{text}` names no column in its parentheses: {form}"))?);
        rest = rest.trim_start();
        if rest.starts_with(',') {
            return Err(format!(
                "`{text}` has several columns, and a field is one: write the key above the struct: `constraint = \
                 \"FOREIGN KEY (a, b) REFERENCES {text}\"`"
            ));
        }
        let Some(after) = rest.strip_prefix(')') else {
            return Err(format!("`{text}` has a `(` that is never closed: {form}"));
        };
        rest = after;
    }
    match rest.trim() {
        "" => Ok(Reference { schema, table, column }),
        more if more.to_ascii_lowercase().starts_with("on ") => Err(format!(
            "`{more}` is an option of its own: write `references = \"…\", on_delete = \"cascade\"`, or `on_update`"
        )),
        more => Err(format!("`{more}` after the table is not understood: {form}")),
    }
}

/// Takes a name from the beginning, plain or in quotes.
fn word(rest: &mut &str) -> Option<String> {
    if let Some(inside) = rest.strip_prefix('"') {
        let end = inside.find('"')?;
        *rest = &inside[end + 1..];
        return (end > 0).then(|| inside[..end].to_owned());
    }
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    *rest = after;
    // Without quotes, the case does not matter to a database, and PostgreSQL stores lower case.
    (!name.is_empty()).then(|| name.to_lowercase())
}

impl Reference {
    /// Writes the reference as SQL.
    pub(crate) fn sql(&self) -> String {
        let schema = self.schema.as_ref().map(|schema| format!("{}.", quoted(schema))).unwrap_or_default();
        let column = self.column.as_ref().map(|column| format!(" ({})", quoted(column))).unwrap_or_default();
        format!("{schema}{}{column}", quoted(&self.table))
    }

    /// The schema that it names.
    pub(crate) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_forms_are_read() {
        for (text, sql) in [
            ("users(id)", "\"users\" (\"id\")"),
            ("users", "\"users\""),
            (" app.Users ( id ) ", "\"app\".\"users\" (\"id\")"),
            ("\"My Users\"(\"Id\")", "\"My Users\" (\"Id\")"),
        ] {
            assert_eq!(parse(text).map(|reference| reference.sql()), Ok(sql.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, says) in [
            ("", "names no table"),
            ("(id)", "names no table"),
            ("app.", "no table after the dot"),
            ("users()", "names no column"),
            ("users(id", "never closed"),
            ("users(a, b)", "FOREIGN KEY (a, b) REFERENCES users(a, b)"),
            ("users(id) on delete cascade", "on_delete"),
            ("users(id) x", "`x` after the table"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
