//! Which tables are dumped, and which of their rows.

use std::fmt;
use std::str::FromStr;

use lockgate::Dialect;

use crate::error::Error;
use crate::names::TableName;

/// Which tables, and which of their rows. A table is named as `users` or `public.users`.
#[derive(Clone, Debug, Default)]
pub struct TableChoice {
    /// Dump only these tables; all tables if the list is empty.
    pub only: Vec<String>,
    /// Do not dump these tables.
    pub exclude: Vec<String>,
    /// Dump only the rows of a table for which a condition is true.
    pub conditions: Vec<Condition>,
}

/// `users=created_at > '2024-01-01'`: a table, and a condition in SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The table.
    pub table: String,
    /// The condition, as it is written after WHERE.
    pub sql: String,
}

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((table, sql)) if !table.trim().is_empty() && !sql.trim().is_empty() => {
                Ok(Self { table: table.trim().to_owned(), sql: sql.trim().to_owned() })
            }
            Some(_) | None => Err("write the table and the condition: `users=id < 100`".to_owned()),
        }
    }
}

impl Condition {
    /// Refuses what could end the parentheses in which a dump writes the condition.
    ///
    /// # Errors
    ///
    /// If the condition has a comment, a semicolon outside of quotes, or parentheses or quotes without a counterpart.
    pub(super) fn check(&self, dialect: Dialect) -> Result<(), Error> {
        match fault(&self.sql, dialect) {
            None => Ok(()),
            Some(fault) => Err(Error::usage(format!("the condition of `{}` for `--where` {fault}", self.table))
                .state("nothing was dumped")
                .help("write one expression, as after WHERE: `users=id < 100 AND name <> ''`")),
        }
    }
}

/// Why a text is not one expression, by its tokens alone: the database checks the rest.
fn fault(sql: &str, dialect: Dialect) -> Option<&'static str> {
    const OPEN_QUOTE: &str = "has a quote that is not closed";
    let is_postgres = dialect == Dialect::Postgres;
    let is_of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii();
    let mut depth = 0_usize;
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let mut length = first.len_utf8();
        match first {
            '(' => depth += 1,
            ')' if depth == 0 => return Some("closes a parenthesis that it has not opened"),
            ')' => depth -= 1,
            ';' => return Some("has a semicolon"),
            '-' if rest.starts_with("--") => return Some("has a comment"),
            '/' if rest.starts_with("/*") => return Some("has a comment"),
            '$' if is_postgres => return Some("has a `$` outside of quotes"),
            '\'' | '"' => match quoted(rest, first) {
                Some(end) => length = end,
                None => return Some(OPEN_QUOTE),
            },
            '`' | '[' if !is_postgres => match quoted(rest, if first == '[' { ']' } else { first }) {
                Some(end) => length = end,
                None => return Some(OPEN_QUOTE),
            },
            _ if is_of_name(first) && !first.is_ascii_digit() => {
                length = rest.find(|c| !is_of_name(c)).unwrap_or(rest.len());
                // In such a string alone, a backslash quotes the next character.
                if is_postgres && rest[..length].eq_ignore_ascii_case("e") && rest[length..].starts_with('\'') {
                    return Some("has a string `E'…'`");
                }
            }
            _ => {}
        }
        rest = &rest[length..];
    }
    (depth > 0).then_some("opens a parenthesis that it does not close")
}

/// The length of the quoted text at the beginning. Two quotes in it mean one; they are read as the end of a quoted text
/// and the beginning of another, which comes to the same.
fn quoted(text: &str, end: char) -> Option<usize> {
    text.char_indices().skip(1).find(|(_, c)| *c == end).map(|(at, c)| at + c.len_utf8())
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.table, self.sql)
    }
}

impl TableChoice {
    /// Returns which of these tables are chosen, each with its condition.
    ///
    /// # Errors
    ///
    /// If a name matches no table or several, or if a condition is for a table that is not chosen.
    pub(super) fn of<'a>(&self, tables: &'a [TableName]) -> Result<Vec<(&'a TableName, Option<&str>)>, Error> {
        let find = |option: &str, name: &str| find(tables, option, name);
        let only = self.only.iter().map(|name| find("--only", name)).collect::<Result<Vec<_>, _>>()?;
        let exclude = self.exclude.iter().map(|name| find("--exclude", name)).collect::<Result<Vec<_>, _>>()?;
        let mut conditions: Vec<(&TableName, &str)> = Vec::new();
        for Condition { table, sql } in &self.conditions {
            let found = find("--where", table)?;
            if conditions.iter().any(|(known, _)| *known == found) {
                return Err(Error::usage(format!("`--where` has two conditions for `{found}`"))
                    .help("write them as one, with AND or OR"));
            }
            conditions.push((found, sql));
        }
        let is_chosen = |table: &&TableName| (only.is_empty() || only.contains(table)) && !exclude.contains(table);
        if let Some((left_out, _)) = conditions.iter().find(|(table, _)| !is_chosen(table)) {
            return Err(Error::usage(format!("`--where` names `{left_out}`, which is not dumped"))
                .help("remove the condition, or choose the table"));
        }
        let condition =
            |table: &TableName| conditions.iter().find(|(known, _)| *known == table).map(|(_, condition)| *condition);
        if !tables.is_empty() && !tables.iter().any(|table| is_chosen(&table)) {
            return Err(Error::usage("`--only` and `--exclude` leave no table").help("choose at least one table"));
        }
        Ok(tables.iter().filter(is_chosen).map(|table| (table, condition(table))).collect())
    }
}

/// How many tables a message lists.
const LISTED: usize = 20;

fn find<'a>(tables: &'a [TableName], option: &str, name: &str) -> Result<&'a TableName, Error> {
    let found: Vec<&TableName> = tables.iter().filter(|table| table.goes_by(name)).collect();
    match found[..] {
        [table] => Ok(table),
        [] => {
            let error = Error::usage(format!("there is no table `{name}` for `{option}`"));
            let near = tables.iter().filter(|table| table.name.eq_ignore_ascii_case(name)).collect::<Vec<_>>();
            let known = if near.is_empty() { tables.iter().collect() } else { near };
            let more = known.len().saturating_sub(LISTED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let known: Vec<String> = known.iter().take(LISTED).map(|table| format!("`{table}`")).collect();
            Err(match known.is_empty() {
                true => error.help("the database has no tables"),
                false => error.help(format!("the tables are {}{more}", known.join(", "))),
            })
        }
        _ => {
            let found: Vec<String> = found.iter().map(|table| format!("`{table}`")).collect();
            Err(Error::usage(format!("several tables are called `{name}`"))
                .help(format!("write the schema too: {}", found.join(" or "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables() -> Vec<TableName> {
        let table = |schema: &str, name: &str| TableName { schema: Some(schema.to_owned()), name: name.to_owned() };
        vec![table("public", "users"), table("public", "loans"), table("old", "loans")]
    }

    fn chosen(choice: &TableChoice) -> Result<String, String> {
        let tables = tables();
        let chosen = choice.of(&tables).map_err(|error| error.report())?;
        let line = |(table, sql): &(&TableName, Option<&str>)| {
            sql.map_or_else(|| table.to_string(), |sql| format!("{table} where {sql}"))
        };
        Ok(chosen.iter().map(line).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn tables_are_chosen_by_name() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let mut choice = TableChoice::default();
        assert_eq!(chosen(&choice).unwrap(), "public.users, public.loans, old.loans");
        choice.exclude = words(&["old.loans"]);
        choice.conditions = vec!["users=name = 'a=b'".parse().unwrap()];
        assert_eq!(chosen(&choice).unwrap(), "public.users where name = 'a=b', public.loans");
        choice.only = words(&["users"]);
        assert_eq!(chosen(&choice).unwrap(), "public.users where name = 'a=b'");
        choice.conditions.clear();
        choice.exclude = words(&["users"]);
        assert!(chosen(&choice).unwrap_err().contains("leave no table"));

        for (only, conditions, message) in [
            ("user", "", "there is no table `user` for `--only`"),
            ("Users", "", "the tables are `public.users`"),
            ("loans", "", "write the schema too: `public.loans` or `old.loans`"),
            ("users", "public.loans=true", "`--where` names `public.loans`, which is not dumped"),
        ] {
            let conditions = if conditions.is_empty() { vec![] } else { vec![conditions.parse().unwrap()] };
            let choice = TableChoice { only: words(&[only]), exclude: vec![], conditions };
            let error = chosen(&choice).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
        let many: Vec<TableName> = (0..23).map(|n| TableName { schema: None, name: format!("t{n}") }).collect();
        let report = find(&many, "--only", "users").unwrap_err().report();
        assert!(report.ends_with("`t18`, `t19` and 3 more"), "{report}");
        assert!("users".parse::<Condition>().is_err() && "=true".parse::<Condition>().is_err());
    }

    #[test]
    fn a_condition_is_one_expression() {
        let says = |sql: &str, dialect: Dialect| {
            let condition = Condition { table: "users".to_owned(), sql: sql.to_owned() };
            condition.check(dialect).err().map(|error| error.report())
        };
        for sql in ["a = 1", "a IN (1, (2))", "a = 'it''s; )--' AND \"b)\" > '('", "(SELECT true)", "e = ''"] {
            for dialect in [Dialect::Postgres, Dialect::Sqlite] {
                assert_eq!(says(sql, dialect), None, "{sql}");
            }
        }
        for (sql, of_postgres, of_sqlite) in [
            ("1=1); DROP TABLE copies; --", "closes a parenthesis", "closes a parenthesis"),
            ("false) UNION SELECT 1 FROM (t", "closes a parenthesis", "closes a parenthesis"),
            ("true; SELECT 1", "has a semicolon", "has a semicolon"),
            ("true -- x", "has a comment", "has a comment"),
            ("true /* x", "has a comment", "has a comment"),
            ("(true", "that it does not close", "that it does not close"),
            ("a = 'x", "has a quote", "has a quote"),
            // A backslash quotes nothing for SQLite, and in PostgreSQL only in such a string.
            ("a = E'\\') UNION SELECT ('", "has a string `E'…'`", "closes a parenthesis"),
            ("ae'\\') UNION SELECT ('", "closes a parenthesis", "closes a parenthesis"),
            ("a = $$'$$) OR ('", "has a `$`", ""),
            ("a = [(]", "that it does not close", ""),
            ("a = `)`", "closes a parenthesis", ""),
        ] {
            for (dialect, said) in [(Dialect::Postgres, of_postgres), (Dialect::Sqlite, of_sqlite)] {
                match says(sql, dialect) {
                    Some(report) => assert!(!said.is_empty() && report.contains(said), "{sql}: {report}"),
                    None => assert!(said.is_empty(), "{sql}"),
                }
            }
        }
    }
}
