//! Parses privileges in the form of the catalogues: `ada=r*w/postgres`.

use std::collections::BTreeMap;

use lockgate_schema::Privilege;

use crate::error::{Cause, Class};

/// The privileges beyond the defaults. A default that was revoked appears as `no EXECUTE`.
pub(super) fn privileges(acl: &[String], default: &[String]) -> Result<Vec<Privilege>, Cause> {
    let (mut held, usual) = (entries(acl)?, entries(default)?);
    for (grantee, privilege) in usual.into_keys() {
        // Owners always have the grant option, whether the list shows it or not.
        if held.remove(&(grantee.clone(), privilege.clone())).is_none() {
            held.insert((grantee, format!("no {privilege}")), false);
        }
    }
    let named = |grantee: String| if grantee.is_empty() { "PUBLIC".to_owned() } else { grantee };
    let mut found: Vec<_> = held
        .into_iter()
        .map(|((grantee, privilege), grantable)| Privilege { grantee: named(grantee), privilege, grantable })
        .collect();
    found.sort();
    Ok(found)
}

/// Maps grantee and privilege to whether it may be granted further. The grantor does not matter.
fn entries(acl: &[String]) -> Result<BTreeMap<(String, String), bool>, Cause> {
    let mut found = BTreeMap::new();
    for item in acl {
        let unknown = || Cause::new(Class::Unknown, format!("the privilege `{item}` is not known"));
        let (grantee, rest) = grantee(item).ok_or_else(unknown)?;
        let letters = rest.split('/').next().unwrap_or_default();
        let mut letters = letters.chars().peekable();
        while let Some(letter) = letters.next() {
            let grantable = letters.next_if_eq(&'*').is_some();
            let word = word(letter).ok_or_else(unknown)?;
            *found.entry((grantee.clone(), word.to_owned())).or_default() |= grantable;
        }
    }
    Ok(found)
}

/// Splits off the role before the `=`, which is empty for PUBLIC.
fn grantee(item: &str) -> Option<(String, &str)> {
    let Some(mut rest) = item.strip_prefix('"') else {
        return item.split_once('=').map(|(name, rest)| (name.to_owned(), rest));
    };
    let mut name = String::new();
    loop {
        let (part, behind) = rest.split_once('"')?;
        name.push_str(part);
        match behind.strip_prefix('"') {
            Some(_) => name.push('"'),
            None => return behind.strip_prefix('=').map(|rest| (name, rest)),
        };
        rest = &behind[1..];
    }
}

fn word(letter: char) -> Option<&'static str> {
    Some(match letter {
        'r' => "SELECT",
        'a' => "INSERT",
        'w' => "UPDATE",
        'd' => "DELETE",
        'D' => "TRUNCATE",
        'x' => "REFERENCES",
        't' => "TRIGGER",
        'm' => "MAINTAIN",
        'X' => "EXECUTE",
        'U' => "USAGE",
        'C' => "CREATE",
        'T' => "TEMPORARY",
        'c' => "CONNECT",
        's' => "SET",
        'A' => "ALTER SYSTEM",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown_differences(acl: &[&str], default: &[&str]) -> Vec<String> {
        let owned = |list: &[&str]| list.iter().map(|&item| item.to_owned()).collect::<Vec<_>>();
        let found = privileges(&owned(acl), &owned(default)).unwrap();
        let shown = |p: Privilege| format!("{} {}{}", p.grantee, p.privilege, if p.grantable { "*" } else { "" });
        found.into_iter().map(shown).collect()
    }

    #[test]
    fn only_differences_from_the_default_are_listed() {
        assert!(shown_differences(&["=X/ada", "ada=X/ada"], &["=X/ada", "ada=X/ada"]).is_empty());
        assert_eq!(
            shown_differences(&["ada=X/ada", "bob=X*/ada"], &["=X/ada", "ada=X/ada"]),
            ["PUBLIC no EXECUTE", "bob EXECUTE*"]
        );
        assert_eq!(shown_differences(&["ada=r/ada"], &["ada=rw/ada"]), ["ada no UPDATE"]);
        assert!(shown_differences(&["ada=r*w*/ada"], &["ada=rw/ada"]).is_empty());
        assert_eq!(shown_differences(&["\"a \"\"b\"\" =\"=rm/ada"], &[]), ["a \"b\" = MAINTAIN", "a \"b\" = SELECT"]);
        assert_eq!(shown_differences(&["bob=r/ada", "bob=r*w/eve"], &[]), ["bob SELECT*", "bob UPDATE"]);
    }

    #[test]
    fn a_privilege_of_a_newer_release_is_an_error() {
        assert!(privileges(&["ada=q/ada".to_owned()], &[]).is_err());
    }
}
