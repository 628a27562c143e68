//! File names under `numbering = "encoded"`: `database.MAJOR.MINOR.user.description.sql`. Says what is
//! wrong with a name, and which name would be right.

use lockgate_core::patch::{Patch, is_bootstrap};

use super::{BadName, Help, Kind, Name, ProposedName, clean, direction_word};
use crate::Code;
use crate::id::Id;

/// The form of a name, without its ending.
pub(super) const FORM: &str = "database.MAJOR.MINOR.user.description";
/// PostgreSQL's limit for a name in bytes; MySQL allows one more.
const BYTES_MAX: usize = 63;

/// Reads a name without its ending.
pub(super) fn parse(id: &str, kind: Kind) -> Result<Name, Box<BadName>> {
    if let Some(message) = problem(id, kind) {
        let help = Help::Rename { origin: None, to: right(id, kind.suffix()) };
        return Err(Box::new(BadName { code: Code::BadName, message, help }));
    }
    match Patch::parse(id) {
        Some(patch) if is_bootstrap(patch.version()) && bad_bootstrap(kind).is_some() => {
            let (message, help) = bad_bootstrap(kind).unwrap_or_default();
            Err(Box::new(BadName { code: Code::BadName, message, help: Help::Text(help) }))
        }
        Some(patch) => Ok(Name { id: Id::of_patch(id, patch), kind }),
        // A name without a problem parses; if one did not, it should be an error and not a panic.
        None => Err(Box::new(BadName {
            code: Code::BadName,
            message: form(kind),
            help: Help::Text(format!("write it as `{FORM}`")),
        })),
    }
}

fn form(kind: Kind) -> String {
    format!("is not named `{FORM}{}`", kind.suffix())
}

/// Returns the first thing that is wrong, as the rest of a sentence whose subject is the file.
fn problem(id: &str, kind: Kind) -> Option<String> {
    let parts: Vec<&str> = id.split('.').collect();
    let [database, major, minor, user, description] = parts[..] else {
        if parts.len() > 5
            && let Some((word, _)) = direction_word(id)
        {
            return Some(format!("ends in `.{word}{}`, which is not a direction", kind.suffix()));
        }
        let what = match parts[..] {
            [_, major, minor, _] if is_number(major) && is_number(minor) => ", and no user".to_owned(),
            [_, major, minor] if is_number(major) && is_number(minor) => ", no user and no description".to_owned(),
            [_, major, minor, _, ..] if parts.len() > 5 && is_number(major) && is_number(minor) => {
                return Some("has a dot in its description: a dot parts one part of the name from the next".to_owned());
            }
            _ => String::new(),
        };
        let parts = if parts.len() == 1 { "1 part".to_owned() } else { format!("{} parts", parts.len()) };
        return Some(format!("{}: it has {parts}, not 5{what}", form(kind)));
    };
    word("database", database)
        .or_else(|| number("major", major, 8))
        .or_else(|| number("minor", minor, 4))
        .or_else(|| word("user", user))
        .or_else(|| words(description))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Checks a database or a user: an identifier that a server accepts too.
pub(super) fn word(what: &str, text: &str) -> Option<String> {
    let first = |c: char| c.is_alphabetic() || c == '_';
    if text.is_empty() {
        return Some(format!("names no {what}"));
    }
    if !text.starts_with(first) || text.chars().any(|c| !(c.is_alphanumeric() || matches!(c, '_' | '-'))) {
        let rule = "a letter or `_`, followed by letters, digits, `_` and `-`";
        return Some(format!("names the {what} {text:?}: one is {rule}"));
    }
    let bytes = text.len();
    (bytes > BYTES_MAX).then(|| format!("names a {what} of {bytes} bytes: a server keeps {BYTES_MAX} of them"))
}

/// Returns what is wrong with this text as the database or the user of a patch, as the rest of a sentence
/// whose subject is the patch. `what` is `"database"` or `"user"`.
pub fn bad_word(what: &str, text: &str) -> Option<String> {
    word(what, text)
}

fn number(what: &str, text: &str, digits: usize) -> Option<String> {
    if !is_number(text) {
        return Some(format!("has {text:?} as its {what} number: it is {digits} digits"));
    }
    (text.len() != digits).then(|| format!("has a {what} number of {} digits, `{text}`: it has {digits}", text.len()))
}

/// Returns what is wrong with the kind of a bootstrap.
fn bad_bootstrap(kind: Kind) -> Option<(String, String)> {
    let rule = "scripts of the major number 00000000 run only where their database does not exist";
    match kind {
        Kind::Up | Kind::OneWay => None,
        Kind::Down => Some((format!("is a down script, but {rule}, and are never reverted"), "delete it".to_owned())),
        Kind::Rust => Some((
            format!("is a Rust step, but {rule}, and are SQL"),
            "write it as `.sql`, or give it another major number".to_owned(),
        )),
    }
}

fn words(text: &str) -> Option<String> {
    if text.is_empty() {
        return Some("has no description".to_owned());
    }
    if let Some(odd) = text.chars().find(|c| !(c.is_alphanumeric() || matches!(c, '_' | '-' | ' '))) {
        return Some(format!("has {odd:?} in its description: letters, digits, `_`, `-` and blanks make one"));
    }
    (text.trim_matches(' ').len() != text.len())
        .then(|| "has a description that begins or ends with a blank".to_owned())
}

/// Returns the name that would be right, as far as it follows from the wrong one.
pub(super) fn right(stem: &str, suffix: &str) -> ProposedName {
    let (stem, suffix) = match direction_word(stem).filter(|_| stem.split('.').count() > 5) {
        Some((word, _)) if suffix == Kind::Rust.suffix() => (&stem[..stem.len() - word.len() - 1], suffix),
        Some((word, meant)) => (&stem[..stem.len() - word.len() - 1], meant),
        None => (stem, suffix),
    };
    let parts: Vec<&str> = stem.split('.').collect();
    // Two numbers in a row are taken for major and minor.
    let pair = parts.windows(2).position(|pair| is_number(pair[0]) && is_number(pair[1]));
    let (at, minor) = match pair {
        Some(at) => (at, at + 2),
        None if parts.len() == 5 => (1, 3),
        None => match parts.iter().skip(1).position(|part| is_number(part)) {
            Some(at) => (at + 1, at + 2),
            None => {
                let name = stem.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '_' | '-' | '.' | ' '));
                let description = format!("{}{suffix}", or(clean(name), "<description>"));
                return ProposedName::Patch { numbers: None, user: None, description };
            }
        },
    };
    let database = or(identifier(&parts[..at].join("_")), "<database>");
    // Eight zeros are those of a bootstrap, if it can be one.
    let is_bootstrap = parts[at] == "00000000" && suffix != Kind::Down.suffix() && suffix != Kind::Rust.suffix();
    let major = match padded(parts[at], 8) {
        Some(major) if major == "00000000" && !is_bootstrap => "00000001".to_owned(),
        major => or(major.unwrap_or_default(), "<MAJOR>"),
    };
    let minor_of = if minor == at + 2 { parts[at + 1] } else { "" };
    let (user, description) = match &parts[minor..] {
        [] => (String::new(), String::new()),
        [description] => (String::new(), clean(description)),
        [user, description @ ..] => (identifier(user), clean(&description.join("_"))),
    };
    let minor = or(padded(minor_of, 4).unwrap_or_default(), "<MINOR>");
    ProposedName::Patch {
        numbers: Some(format!("{database}.{major}.{minor}")),
        user: Some(user).filter(|user| !user.is_empty()),
        description: format!("{}{suffix}", or(description, "<description>")),
    }
}

fn or(text: String, placeholder: &str) -> String {
    if text.is_empty() { placeholder.to_owned() } else { text }
}

fn identifier(text: &str) -> String {
    let mut word = clean(text).trim_start_matches(|c: char| c.is_numeric() || c == '-').to_owned();
    while word.len() > BYTES_MAX {
        word.pop();
    }
    word
}

/// The number with as many digits as it should have.
fn padded(text: &str, digits: usize) -> Option<String> {
    let number = text.trim_start_matches('0');
    (is_number(text) && number.len() <= digits).then(|| format!("{number:0>digits$}"))
}

#[cfg(test)]
mod tests {
    use crate::Code;
    use crate::folder::name::{Help, parse};
    use crate::folder::policy::Numbering;

    fn shown(help: &Help) -> String {
        help.render(|name| name.render("{next}", "{user}"))
    }

    fn check(file: &str, expected: &str) {
        let got = match parse(file, Numbering::Encoded) {
            Ok(name) => {
                format!(
                    "{:?} {} | {} | {} | {:?}",
                    name.id.database(),
                    name.id.version(),
                    name.id.key(),
                    name.id.name(),
                    name.kind
                )
            }
            Err(bad) => format!("{}: {}: {}", bad.code, bad.message, shown(&bad.help)),
        };
        assert_eq!(got, expected, "{file}");
    }

    #[test]
    fn good_names() {
        check(
            "billing.00000001.0002.billing_owner.add_invoices.sql",
            "Some(\"billing\") 10002 | billing.00000001.0002 | add_invoices | OneWay",
        );
        check("a-b.99999999.9999._x.1 t.up.sql", "Some(\"a-b\") 999999999999 | a-b.99999999.9999 | 1 t | Up");
        check("a.00000001.0000.u.x.down.sql", "Some(\"a\") 10000 | a.00000001.0000 | x | Down");
        check("größe.00000001.0001.ä.ö.rs", "Some(\"größe\") 10001 | größe.00000001.0001 | ö | Rust");
    }

    #[test]
    fn a_wrong_number_of_parts() {
        let not = "bad-name: is not named `database.MAJOR.MINOR.user.description.sql`: it has";
        check(
            "billing.00000001.0002.add_invoices.sql",
            &format!(
                "{not} 4 parts, not 5, and no user: rename it to `billing.00000001.0002.{{user}}.add_invoices.sql`"
            ),
        );
        check(
            "billing.00000001.0002.sql",
            &format!(
                "{not} 3 parts, not 5, no user and no description: rename it to \
                 `billing.00000001.0002.{{user}}.<description>.sql`"
            ),
        );
        check(
            "billing.1.owner.add invoices.sql",
            &format!("{not} 4 parts, not 5: rename it to `billing.00000001.<MINOR>.owner.add_invoices.sql`"),
        );
        check(
            "00000001.0002.owner.x.sql",
            &format!("{not} 4 parts, not 5: rename it to `<database>.00000001.0002.owner.x.sql`"),
        );
        check("0001_create.sql", &format!("{not} 1 part, not 5: rename it to `{{next}}.{{user}}.create.sql`"));
        check("001.sql", &format!("{not} 1 part, not 5: rename it to `{{next}}.{{user}}.<description>.sql`"));
        check(
            "my.billing.00000001.0002.owner.x.sql",
            &format!("{not} 6 parts, not 5: rename it to `my_billing.00000001.0002.owner.x.sql`"),
        );
        check(
            "billing.00000001.0002.owner.add_v1.2.up.sql",
            "bad-name: has a dot in its description: a dot parts one part of the name from the next: rename it to \
             `billing.00000001.0002.owner.add_v1_2.up.sql`",
        );
        check(
            "billing.00000001.0002.owner.x.undo.sql",
            "bad-name: ends in `.undo.sql`, which is not a direction: rename it to \
             `billing.00000001.0002.owner.x.down.sql`",
        );
        check(
            "billing.00000001.0002.owner.x.up.rs",
            "bad-name: ends in `.up.rs`, which is not a direction: rename it to `billing.00000001.0002.owner.x.rs`",
        );
    }

    #[test]
    fn a_bootstrap_stays_one_in_the_proposed_name() {
        check(
            "My Shop.00000000.0001.postgres.create.sql",
            "bad-name: names the database \"My Shop\": one is a letter or `_`, followed by letters, digits, `_` and `-`: \
             rename it to `My_Shop.00000000.0001.postgres.create.sql`",
        );
    }

    #[test]
    fn an_invalid_part_is_named() {
        let ends = "owner.x.sql";
        check(
            &format!("billing.0000001.0002.{ends}"),
            &format!(
                "bad-name: has a major number of 7 digits, `0000001`: it has 8: rename it to \
                 `billing.00000001.0002.{ends}`"
            ),
        );
        check(
            &format!("billing.000000001.2.{ends}"),
            &format!(
                "bad-name: has a major number of 9 digits, `000000001`: it has 8: rename it to \
                 `billing.00000001.0002.{ends}`"
            ),
        );
        check(
            &format!("billing.123456789.0002.{ends}"),
            &format!(
                "bad-name: has a major number of 9 digits, `123456789`: it has 8: rename it to \
                 `billing.<MAJOR>.0002.{ends}`"
            ),
        );
        check(
            &format!("billing.0000001a.0002.{ends}"),
            &format!(
                "bad-name: has \"0000001a\" as its major number: it is 8 digits: rename it to \
                 `billing.<MAJOR>.0002.{ends}`"
            ),
        );
        check(
            &format!("billing.00000001..{ends}"),
            &format!(
                "bad-name: has \"\" as its minor number: it is 4 digits: rename it to \
                 `billing.00000001.<MINOR>.{ends}`"
            ),
        );
        check("billing.00000000.0002.owner.x.sql", "Some(\"billing\") 2 | billing.00000000.0002 | x | OneWay");
        check(
            "billing.00000000.0002.owner.x.down.sql",
            "bad-name: is a down script, but scripts of the major number 00000000 run only where their database does not \
             exist, and are never reverted: delete it",
        );
        check(
            "billing.00000000.0002.owner.x.rs",
            "bad-name: is a Rust step, but scripts of the major number 00000000 run only where their database does not \
             exist, and are SQL: write it as `.sql`, or give it another major number",
        );
        check(
            "billing.00000001.0002..x.sql",
            "bad-name: names no user: rename it to `billing.00000001.0002.{user}.x.sql`",
        );
        check(
            ".00000001.0002.owner.x.sql",
            "bad-name: names no database: rename it to `<database>.00000001.0002.owner.x.sql`",
        );
        check(
            "1st bill.00000001.0002.owner.x.sql",
            "bad-name: names the database \"1st bill\": one is a letter or `_`, followed by letters, digits, `_` \
             and `-`: rename it to `st_bill.00000001.0002.owner.x.sql`",
        );
        let long = "é".repeat(32);
        check(
            &format!("{long}.00000001.0002.owner.x.sql"),
            &format!(
                "bad-name: names a database of 64 bytes: a server keeps 63 of them: rename it to \
                 `{}.00000001.0002.owner.x.sql`",
                "é".repeat(31)
            ),
        );
        check(
            "billing.00000001.0002.owner.what?.sql",
            "bad-name: has '?' in its description: letters, digits, `_`, `-` and blanks make one: rename it to \
             `billing.00000001.0002.owner.what.sql`",
        );
        check(
            "billing.00000001.0002.owner. x.sql",
            "bad-name: has a description that begins or ends with a blank: rename it to \
             `billing.00000001.0002.owner.x.sql`",
        );
        check(
            "billing.00000001.0002.owner..sql",
            "bad-name: has no description: rename it to `billing.00000001.0002.owner.<description>.sql`",
        );
    }

    #[test]
    fn an_invalid_ending_is_named() {
        let name = "billing.00000001.0002.owner.x";
        for (ending, meant) in [(".SQL", ".sql"), (".UP.SQL", ".up.sql"), (".Down.sql", ".down.sql"), (".Rs", ".rs")] {
            let file = format!("{name}{ending}");
            let bad = parse(&file, Numbering::Encoded).unwrap_err();
            assert_eq!(
                (bad.code, shown(&bad.help)),
                (Code::BadName, format!("rename it to `{name}{meant}`")),
                "{file}"
            );
        }
        for (ending, meant) in [(".sgl", ".sql"), (".up.sq", ".up.sql"), (".sql.up", ".up.sql"), (".upsql", ".up.sql")]
        {
            let file = format!("{name}{ending}");
            let bad = parse(&file, Numbering::Encoded).unwrap_err();
            assert_eq!(
                (bad.code, shown(&bad.help)),
                (Code::UnknownFile, format!("rename it to `{name}{meant}`")),
                "{file}"
            );
        }
        check(
            "fn-x",
            "unknown-file: is not a migration, and no file is skipped silently: if it is a migration, name it \
             `{next}.{user}.fn-x.sql`; otherwise move it out of the folder",
        );
    }
}
