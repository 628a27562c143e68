//! Which tables are dumped, and which of their rows.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::names::TableName;

/// Which tables, and which of their rows. A table is named as `users` or `public.users`.
#[derive(Clone, Debug, Default)]
pub struct Choice {
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

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.table, self.sql)
    }
}

impl Choice {
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

fn find<'a>(tables: &'a [TableName], option: &str, name: &str) -> Result<&'a TableName, Error> {
    let found: Vec<&TableName> = tables.iter().filter(|table| table.goes_by(name)).collect();
    match found[..] {
        [table] => Ok(table),
        [] => {
            let error = Error::usage(format!("there is no table `{name}` for `{option}`"));
            let near = tables.iter().filter(|table| table.name.eq_ignore_ascii_case(name)).collect::<Vec<_>>();
            let known = if near.is_empty() { tables.iter().collect() } else { near };
            let known: Vec<String> = known.iter().take(20).map(|table| format!("`{table}`")).collect();
            Err(match known.is_empty() {
                true => error.help("the database has no tables"),
                false => error.help(format!("the tables are {}", known.join(", "))),
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

    fn chosen(choice: &Choice) -> Result<String, String> {
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
        let mut choice = Choice::default();
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
            let choice = Choice { only: words(&[only]), exclude: vec![], conditions };
            let error = chosen(&choice).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
        assert!("users".parse::<Condition>().is_err() && "=true".parse::<Condition>().is_err());
    }
}
