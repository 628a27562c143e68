//! The owner, the privileges, the comment and the labels of an object.

use crate::draft::step::Statement;
use crate::draft::write::{ident, literal};
use crate::model::{Detail, Meta, Owner, Privilege};

/// How statements name an object.
#[derive(Clone, Debug)]
pub(super) struct Address {
    /// In `COMMENT ON` and `ALTER … OWNER TO`: `TABLE app.users`.
    pub(super) object: String,
    /// In `GRANT … ON`, if it has privileges: `TABLE app.users`.
    pub(super) grant: Option<String>,
}

impl Address {
    /// The address of an object that is called the same everywhere.
    pub(super) fn new(object: String) -> Self {
        Self { grant: Some(object.clone()), object }
    }

    /// The address of an object without privileges.
    pub(super) fn without_privileges(object: String) -> Self {
        Self { object, grant: None }
    }
}

/// What a new object gets that is not in its definition.
pub(super) fn create(at: &Address, after: &Meta) -> Vec<Statement> {
    change(at, &Meta { owner: Some(Owner::Database), ..Meta::default() }, after)
}

/// What changes besides the definition.
pub(super) fn change(at: &Address, before: &Meta, after: &Meta) -> Vec<Statement> {
    let mut found = Vec::new();
    if let Some(owner) = after.owner.as_ref().filter(|owner| before.owner.as_ref() != Some(owner)) {
        let owner = match owner {
            // Migrations run as the owner of the database, or as one of its members.
            Owner::Database => "CURRENT_USER".to_owned(),
            Owner::Role(role) => ident(role),
        };
        found.push(Statement::new(format!("ALTER {} OWNER TO {owner}", at.object)));
    }
    if let Some(grant) = &at.grant {
        // What the new owner was granted is its own now.
        let mut old = before.privileges.clone();
        if let Some(Owner::Role(role)) = after.owner.as_ref().filter(|owner| before.owner.as_ref() != Some(owner)) {
            old.retain(|privilege| privilege.grantee != *role);
        }
        found.extend(privileges(grant, "", &old, &after.privileges));
    }
    found.extend(comment(&at.object, before.comment.as_deref(), after.comment.as_deref()));
    found.extend(labels(&at.object, &before.details, &after.details));
    found
}

/// The statement for another comment.
pub(super) fn comment(object: &str, before: Option<&str>, after: Option<&str>) -> Option<Statement> {
    if before == after {
        return None;
    }
    let text = match after {
        // The comment of `public` that initdb writes is not shown, and its absence is.
        None if object == "SCHEMA public" => literal("standard public schema"),
        Some("") if object == "SCHEMA public" => "NULL".to_owned(),
        Some(text) => literal(text),
        None => "NULL".to_owned(),
    };
    Some(Statement::new(format!("COMMENT ON {object} IS {text}")))
}

/// The statements for other security labels.
pub(super) fn labels(object: &str, before: &[Detail], after: &[Detail]) -> Vec<Statement> {
    let label =
        |detail: &Detail| Some((detail.name.strip_prefix("security label for ")?.to_owned(), detail.value.clone()));
    let write = |provider: &str, value: &str| {
        Statement::new(format!("SECURITY LABEL FOR {} ON {object} IS {value}", ident(provider)))
    };
    let gone = before
        .iter()
        .filter_map(label)
        .filter(|(provider, _)| !after.iter().filter_map(label).any(|(other, _)| other == *provider));
    let new = after.iter().filter(|detail| !before.contains(detail)).filter_map(label);
    gone.map(|(provider, _)| write(&provider, "NULL"))
        .chain(new.map(|(provider, value)| write(&provider, &literal(&value))))
        .collect()
}

/// The statements for other privileges. `columns` is `(a)` for those of a column.
pub(super) fn privileges(on: &str, columns: &str, before: &[Privilege], after: &[Privilege]) -> Vec<Statement> {
    let (gone, new) = differing(before, after);
    let mut found = Vec::new();
    for (privilege, revoke) in gone.iter().map(|p| (p, true)).chain(new.iter().map(|p| (p, false))) {
        let role = role(&privilege.grantee);
        // `no EXECUTE` is a default that was revoked.
        let sql = match (privilege.privilege.strip_prefix("no "), revoke) {
            (None, true) => format!("REVOKE {}{columns} ON {on} FROM {role}", privilege.privilege),
            (Some(word), false) => format!("REVOKE {word}{columns} ON {on} FROM {role}"),
            (Some(word), true) => format!("GRANT {word}{columns} ON {on} TO {role}"),
            (None, false) => {
                let option = if privilege.grantable { " WITH GRANT OPTION" } else { "" };
                format!("GRANT {}{columns} ON {on} TO {role}{option}", privilege.privilege)
            }
        };
        found.push(Statement::new(sql));
    }
    found
}

/// The statements for other default privileges of `FOR ROLE a IN SCHEMA b ON TABLES`. The role is left out if it is the one that runs
/// the migrations.
pub(super) fn default_privileges(name: &str, before: &[Privilege], after: &[Privilege]) -> Vec<Statement> {
    let (of, on) = name.rsplit_once("ON ").unwrap_or(("", name));
    let written = privileges(on, "", before, after);
    written
        .into_iter()
        .map(|statement| Statement::new(format!("ALTER DEFAULT PRIVILEGES {of}{}", statement.sql)))
        .collect()
}

/// The privileges that only one of them has. One that loses its grant option is gone and new.
fn differing<'a>(before: &'a [Privilege], after: &'a [Privilege]) -> (Vec<&'a Privilege>, Vec<&'a Privilege>) {
    let gone = before.iter().filter(|privilege| {
        // A grant option is added to what is there.
        let has_more = |other: &&Privilege| {
            other.grantee == privilege.grantee && other.privilege == privilege.privilege && other.grantable
        };
        !after.contains(privilege) && !after.iter().any(|other| has_more(&other))
    });
    (gone.collect(), after.iter().filter(|privilege| !before.contains(privilege)).collect())
}

pub(super) fn role(name: &str) -> String {
    if name == "PUBLIC" { name.to_owned() } else { ident(name) }
}
