//! Parses what `pg_restore` reports about commands that failed.
//!
//! ```text
//! pg_restore: while PROCESSING TOC:
//! pg_restore: from TOC entry 215; 1259 16386 TABLE books ada
//! pg_restore: error: could not execute query: ERROR:  role "ada" does not exist
//! Command was: ALTER TABLE public.books OWNER TO ada;
//!
//! pg_restore: warning: errors ignored on restore: 1
//! ```

use std::fmt;

/// The start of the command that `pg_restore` runs for a tablespace.
const SET_TABLESPACE: &str = "SET default_tablespace = ";

/// A failure of one command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Failure {
    /// `TABLE books ada`
    pub(super) entry: String,
    /// The message of the server.
    pub(super) message: String,
    /// The command. `None` if it cannot be run again.
    pub(super) command: Option<String>,
}

impl Failure {
    /// The tablespace that could not be used.
    pub(super) fn tablespace(&self) -> Option<&str> {
        self.command.as_deref()?.strip_prefix(SET_TABLESPACE)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not every error of `pg_restore` names the entry.
        let first = self.command.as_deref().and_then(|command| command.lines().next());
        match (&*self.entry, first) {
            ("", Some(line)) => write!(f, "`{line}`: {}", self.message),
            ("", None) => f.write_str(&self.message),
            (entry, _) => write!(f, "`{entry}`: {}", self.message),
        }
    }
}

/// The failures in a text. `None` if the text contains an error of an unknown form.
pub(super) fn failures(text: &str) -> Option<Vec<Failure>> {
    const QUERY: &str = "could not execute query: ";
    // Some releases quote the name of the setting.
    const TABLESPACE: [&str; 2] = ["could not set default_tablespace to ", "could not set \"default_tablespace\" to "];
    let mut found: Vec<Failure> = Vec::new();
    let mut entry = String::new();
    let mut in_command = false;
    for line in text.lines() {
        let ours = line.strip_prefix("pg_restore: ").or_else(|| line.strip_prefix("pg_restore: [archiver (db)] "));
        if let Some(words) = ours {
            in_command = false;
            if let Some(of) = words.strip_prefix("from TOC entry ") {
                // A number, and two object identifiers.
                entry = of.splitn(4, ' ').nth(3).unwrap_or(of).to_owned();
            } else if let Some(said) = words.strip_prefix("error: ") {
                // The tablespace of the next entries is not set by a command of the dump.
                let of_tablespace =
                    TABLESPACE.iter().find_map(|start| said.strip_prefix(start)).and_then(|rest| rest.split_once(": "));
                let (command, message) = match of_tablespace {
                    Some((name, message)) => (Some(format!("{SET_TABLESPACE}{name}")), message),
                    None => (None, said.strip_prefix(QUERY)?),
                };
                let message = message.strip_prefix("ERROR:").unwrap_or(message).trim().to_owned();
                found.push(Failure { entry: entry.clone(), message, command });
            } else if !(words.starts_with("while ") || words.starts_with("warning: errors ignored on restore")) {
                // Other warnings are not errors.
                if !words.starts_with("warning: ") {
                    return None;
                }
            }
            continue;
        }
        let Some(last) = found.last_mut() else { continue };
        if let Some(command) = line.strip_prefix("Command was: ") {
            last.command = Some(command.to_owned());
            in_command = true;
        } else if in_command && let Some(command) = &mut last.command {
            command.push('\n');
            command.push_str(line);
        }
    }
    for failure in &mut found {
        if let Some(command) = &mut failure.command {
            command.truncate(command.trim_end().len());
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_is_read_with_its_command() {
        let said = "pg_restore: while PROCESSING TOC:\n\
            pg_restore: from TOC entry 215; 1259 16386 TABLE books ada\n\
            pg_restore: error: could not execute query: ERROR:  role \"ada\" does not exist\n\
            Command was: ALTER TABLE public.books OWNER TO ada;\n\n\n\
            pg_restore: error: could not execute query: ERROR:  type \"x\" does not exist\n\
            LINE 2:     a x\n              ^\n\
            Command was: CREATE TABLE public.t (\n    a x\n);\n\n\n\
            pg_restore: warning: errors ignored on restore: 2\n";
        let found = failures(said).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].entry, "TABLE books ada");
        assert_eq!(found[0].message, "role \"ada\" does not exist");
        assert_eq!(found[0].command.as_deref(), Some("ALTER TABLE public.books OWNER TO ada;"));
        assert_eq!(found[1].command.as_deref(), Some("CREATE TABLE public.t (\n    a x\n);"));
        assert_eq!(failures("pg_restore: error: could not read from input file: end of file\n"), None);
        assert_eq!(failures("").unwrap(), []);
    }

    #[test]
    fn a_failure_without_an_entry_shows_its_command() {
        let said = "pg_restore: error: could not execute query: ERROR:  role \"ada\" does not exist\n\
            Command was: ALTER TABLE public.books OWNER TO ada;\n\n\n";
        let shown = failures(said).unwrap()[0].to_string();
        assert_eq!(shown, "`ALTER TABLE public.books OWNER TO ada;`: role \"ada\" does not exist");
        let said = "pg_restore: error: could not set default_tablespace to fast: ERROR:  invalid value for parameter \
            \"default_tablespace\": \"fast\"\nDETAIL:  Tablespace \"fast\" does not exist.\n";
        let found = failures(said).unwrap();
        assert_eq!(found[0].command.as_deref(), Some("SET default_tablespace = fast"));
        let quoted = said.replace("set default_tablespace", "set \"default_tablespace\"");
        assert_eq!(failures(&quoted).unwrap(), found);
    }
}
