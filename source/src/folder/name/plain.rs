//! File names of the form `0001_create_users.up.sql`. Says what is wrong with a name, and which name would
//! be right.

use lockgate_core::Version;

use super::{BadName, CONVERT, Help, Kind, Name, ProposedName, clean, direction_word, patch, separator};
use crate::Code;
use crate::folder::directive::REPEATABLE;
use crate::folder::policy::Numbering;
use crate::id::Id;
use crate::sql::suggest;

/// Reads the name of a file (not its folder).
///
/// # Errors
///
/// [`BadName`] if the name does not have the form that the numbering asks for, such as
/// `<version>_<name>.sql`.
pub fn parse(file: &str, numbering: Numbering) -> Result<Name, Box<BadName>> {
    let known = [Kind::Up, Kind::Down, Kind::OneWay, Kind::Rust];
    let Some(kind) = known.into_iter().find(|kind| file.ends_with(kind.suffix())) else {
        return Err(unknown(file, numbering));
    };
    let id = &file[..file.len() - kind.suffix().len()];
    if let Some(name) = id.strip_prefix(REPEATABLE) {
        return repeatable(id, name, kind, numbering);
    }
    if numbering == Numbering::Encoded {
        return patch::parse(id, kind);
    }
    let bad = |message: String, help: Help| Box::new(BadName { code: Code::BadName, message, help });
    let separator = separator(numbering);
    let digits = id.bytes().take_while(u8::is_ascii_digit).count();
    let Some(name) = id[digits..].strip_prefix(separator).filter(|_| digits > 0) else {
        let message = format!("is not named `<version>{separator}<name>{}`", kind.suffix());
        let name = BadStem { file, stem: id, digits, suffix: kind.suffix() };
        return Err(bad(message, name.help(numbering)));
    };
    let version = match id[..digits].parse::<Version>() {
        Ok(version) => version,
        Err(error) => {
            return Err(bad(format!("has no version: {error}"), Help::text("give it a smaller number")));
        }
    };
    if let Some(odd) = name.chars().find(|c| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '))) {
        let better = format!("{}{separator}{}{}", &id[..digits], clean(name), kind.suffix());
        return Err(bad(
            format!("has {odd:?} in its name: letters, digits, `_`, `-`, `.` and blanks make a name"),
            Help::rename(better),
        ));
    }
    if name.is_empty() || name.trim_matches([' ', '.']).len() != name.len() {
        let name = if clean(name).is_empty() { "<name>".to_owned() } else { clean(name) };
        return Err(bad(
            "has a name that is empty, or begins or ends with a blank or a dot".to_owned(),
            Help::rename(format!("{}{separator}{name}{}", &id[..digits], kind.suffix())),
        ));
    }
    if let Some(direction) = direction_word(name) {
        return Err(bad(
            format!("ends in `.{}{}`, which is not a direction", direction.0, kind.suffix()),
            Help::rename(format!(
                "{}{}",
                &id[..id.len() - direction.0.len() - 1],
                if kind == Kind::Rust { ".rs" } else { direction.1 }
            )),
        ));
    }
    Ok(Name { id: Id::numbered(id, version, digits), kind })
}

/// Reads the name of a repeatable script, `R__active_users.sql`.
fn repeatable(id: &str, name: &str, kind: Kind, numbering: Numbering) -> Result<Name, Box<BadName>> {
    let bad =
        |message: &str, help: Help| Err(Box::new(BadName { code: Code::BadName, message: message.to_owned(), help }));
    let better = || Help::rename(format!("{REPEATABLE}{}.sql", or_name(clean(name))));
    if numbering == Numbering::Encoded {
        let help = "write each change as a patch, `database.MAJOR.MINOR.user.description.sql`; scripts that run again \
                    have a folder and a program of their own";
        return bad("is a repeatable script, and its name has no database", Help::text(help));
    }
    if kind == Kind::Rust {
        return bad("is named like a repeatable script, and those are SQL", better());
    }
    if kind == Kind::Down {
        return bad("is the down script of a repeatable one, and nothing reverts those", Help::text("delete it"));
    }
    if kind == Kind::Up {
        return bad("is a repeatable script with a direction, and those have none", better());
    }
    if name.is_empty() || name.chars().any(|c| !(c.is_alphanumeric() || matches!(c, '_' | '-'))) {
        return bad("has a name that is not letters, digits, `_` and `-`", better());
    }
    Ok(Name { id: Id::named(id), kind })
}

fn or_name(name: String) -> String {
    if name.is_empty() { "<name>".to_owned() } else { name }
}

/// The error for a file that has none of the known endings, with what may have been meant.
fn unknown(file: &str, numbering: Numbering) -> Box<BadName> {
    let problem = |code: Code, message: &str, help: Help| Box::new(BadName { code, message: message.to_owned(), help });
    let lower = file.to_lowercase();
    if [".sql", ".rs"].iter().any(|ending| lower.ends_with(ending)) {
        // Only the case of the ending is odd: how the rest is meant is known.
        let stem = &file[..file.rfind('.').unwrap_or(0)];
        let stem = match stem.rsplit_once('.') {
            Some((audience, word)) if word.eq_ignore_ascii_case("up") || word.eq_ignore_ascii_case("down") => {
                format!("{audience}.{}", word.to_lowercase())
            }
            _ => stem.to_owned(),
        };
        let ending = &lower[lower.rfind('.').unwrap_or(0)..];
        return problem(Code::BadName, "has an ending in capital letters", Help::rename(format!("{stem}{ending}")));
    }
    let left_over = ["~", ".bak", ".orig", ".rej", ".tmp", ".swp", ".swo", ".old", ".save"];
    if let Some(ending) = left_over.into_iter().find(|ending| lower.ends_with(ending)) {
        return problem(
            Code::UnknownFile,
            "looks like a leftover from an editor or a merge",
            Help::Text(format!("delete it, or move it out of the folder: `{ending}` files are never migrations")),
        );
    }
    if let Some(meant) = suggest::nearest(file, ["migrations.toml", "migrations.lock"]) {
        return problem(
            Code::UnknownFile,
            "is not a file that Lockgate knows",
            Help::Text(format!("did you mean `{meant}`?")),
        );
    }
    let encoded = numbering == Numbering::Encoded;
    let dot = if encoded { last_dot(&lower) } else { file.find('.') };
    let (stem, ending) = file.split_at(dot.unwrap_or(file.len()));
    let meant = if lower.ends_with(".sql.up") || lower.ends_with(".sql.down") {
        Some(if lower.ends_with("up") { ".up.sql" } else { ".down.sql" })
    } else {
        suggest::nearest(ending, [".up.sql", ".down.sql", ".sql"])
    };
    let separator = separator(numbering);
    if let Some(meant) = meant.filter(|_| !ending.is_empty()) {
        let digits = stem.bytes().take_while(u8::is_ascii_digit).count();
        let name = BadStem { file, stem, digits, suffix: meant };
        let help = if encoded {
            Help::Rename { origin: None, to: patch::right(stem, meant) }
        } else if stem[digits..].starts_with(separator) {
            Help::rename(format!("{stem}{meant}"))
        } else {
            name.help(numbering)
        };
        return problem(Code::UnknownFile, "has an ending that no migration has", help);
    }
    let help = if ending.is_empty() {
        let name = match encoded {
            true => patch::right(stem, Kind::OneWay.suffix()),
            false => ProposedName::Complete(format!("<version>{separator}{}.sql", clean(stem))),
        };
        Help::IfMigration(name)
    } else {
        Help::text("move it out of the folder: only `.up.sql`, `.down.sql`, `.sql` and `.rs` files belong there")
    };
    problem(Code::UnknownFile, "is not a migration, and no file is skipped silently", help)
}

/// Returns where the ending of a patch begins, given its name in lower case: at the last dot, or at the dot
/// before it if the ending includes a direction.
fn last_dot(lower: &str) -> Option<usize> {
    let last = lower.rfind('.')?;
    let before = lower[..last].rfind('.');
    let has_direction = ["up", "down"].iter().any(|word| {
        lower[..last].ends_with(&format!(".{word}")) || (&lower[last + 1..] == *word && lower[..last].ends_with(".sql"))
    });
    if has_direction { before } else { Some(last) }
}

/// A file name with a good ending and a bad stem.
struct BadStem<'a> {
    file: &'a str,
    stem: &'a str,
    /// The number of digits at the beginning of the stem.
    digits: usize,
    suffix: &'static str,
}

impl BadStem<'_> {
    fn help(&self, numbering: Numbering) -> Help {
        let (separator, suffix) = (separator(numbering), self.suffix);
        let (digits, rest) = self.stem.split_at(self.digits);
        if digits.is_empty() {
            if is_baseline(self.stem) {
                return Help::Text(format!(
                    "this is a baseline of Flyway, which stands for the versions up to its own: delete it, or delete those, {CONVERT}"
                ));
            }
            if has_parts(self.stem) {
                return Help::Text(format!(
                    "this is the naming of Flyway, and here a version is digits alone, followed by the name; {CONVERT}"
                ));
            }
            if let Some((version, name)) = refinery(self.stem) {
                let is_undo = self.stem.starts_with(['U', 'u']) && suffix == Kind::OneWay.suffix();
                let suffix = if is_undo { Kind::Down.suffix() } else { suffix };
                let to = ProposedName::Complete(format!("{version}{separator}{name}{suffix}"));
                return Help::Rename { origin: Some("this is the naming of Flyway and refinery"), to };
            }
            if let Some(name) = self.stem.strip_prefix("r__") {
                let to = ProposedName::Complete(format!("{REPEATABLE}{}.sql", or_name(clean(name))));
                return Help::Rename { origin: Some("a repeatable script begins with a capital `R`"), to };
            }
            if matches!(self.file, "up.sql" | "down.sql") {
                return Help::Text(format!(
                    "this is diesel's layout; move the file up and name it after its folder: \
                     `2026-01-02-030405_create_users/up.sql` is `20260102030405_create_users.up.sql`, {CONVERT}"
                ));
            }
            if matches!(self.file, "mod.rs" | "lib.rs" | "main.rs") {
                return Help::text("move it out of the folder: a Rust step is named `<version>_<name>.rs`");
            }
            if is_callback(self.stem) {
                return Help::text(
                    "this is a callback, which Flyway runs at each of its runs, and a migration runs once: let the \
                     program do this after `apply`, and move the file out of the folder",
                );
            }
            if let Some((version, name)) = sea_orm(self.stem).filter(|_| suffix == Kind::Rust.suffix()) {
                let to = ProposedName::Complete(format!("{version}{separator}{name}{suffix}"));
                return Help::Rename { origin: Some("this is the naming of SeaORM"), to };
            }
            let name = clean(self.stem.trim_start_matches(['-', '+', '_', ' ']));
            if let Some(after) = name.strip_prefix(|c: char| c.is_ascii_digit())
                && self.stem.starts_with(['_', ' '])
                && after.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(separator)
            {
                return Help::rename(format!("{name}{suffix}"));
            }
            return match self.stem.trim_start_matches(['-', '+', 'v', 'V']).bytes().next() {
                Some(b'0'..=b'9') if self.stem.contains("__") => {
                    Help::Text(format!("a version is digits alone, followed by the name; {CONVERT}"))
                }
                Some(b'0'..=b'9') => Help::text("a version is digits alone, followed by the name"),
                _ => Help::Rename { origin: None, to: ProposedName::Numbered(format!("{separator}{name}{suffix}")) },
            };
        }
        if let Some((version, name)) = date(self.stem) {
            return Help::rename(format!("{version}{separator}{}{suffix}", or_name(clean(name))));
        }
        // `1.2_create` and `1.3_create` would have one version.
        if let Some(name) = dotted(rest) {
            return Help::Rename { origin: None, to: ProposedName::Numbered(format!("{separator}{name}{suffix}")) };
        }
        let name = clean(rest.trim_start_matches(|c: char| !c.is_alphanumeric()));
        let name = if name.is_empty() { "<name>".to_owned() } else { name };
        Help::rename(format!("{digits}{separator}{name}{suffix}"))
    }
}

/// Whether Flyway calls a file of this name, such as `afterMigrate` and `beforeEachMigrate__grants`.
fn is_callback(stem: &str) -> bool {
    let stem = stem.split("__").next().unwrap_or(stem);
    let rest = ["before", "after"].iter().find_map(|word| stem.strip_prefix(word)).unwrap_or_default();
    let rest = rest.strip_prefix("Each").unwrap_or(rest);
    const EVENTS: [&str; 10] =
        ["Migrate", "Clean", "Info", "Undo", "Validate", "Baseline", "Repair", "Versioned", "Repeatables", "Connect"];
    EVENTS.iter().any(|event| rest.starts_with(event))
}

/// Splits `m20260102_030405_create_users` into version and name.
fn sea_orm(stem: &str) -> Option<(String, String)> {
    let mut parts = stem.strip_prefix('m')?.splitn(3, '_');
    let digits = |part: Option<&str>, len: usize| {
        part.filter(|part| part.len() == len && part.bytes().all(|byte| byte.is_ascii_digit())).map(str::to_owned)
    };
    let version = digits(parts.next(), 8)? + &digits(parts.next(), 6)?;
    Some((version, clean(parts.next().filter(|name| !name.is_empty())?)))
}

/// Splits `2026-01-02-030405_create_users` and `2026-01-02T03:04_create_users` into version and name.
fn date(stem: &str) -> Option<(String, &str)> {
    let mut version = String::new();
    let mut rest = stem;
    for (len, part) in [4, 2, 2, 2, 2, 2].into_iter().enumerate().map(|(part, len)| (len, part)) {
        let after = match part {
            0 => rest,
            1 | 2 => rest.strip_prefix(['-', '.'])?,
            // The time may be missing, and its parts may stand together.
            _ => rest.strip_prefix(['-', '.', ':', 'T']).unwrap_or(rest),
        };
        let digits = after.get(..len).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        match digits {
            Some(digits) => version.push_str(digits),
            None if part < 3 => return None,
            None => break,
        }
        rest = &after[len..];
    }
    (!rest.starts_with(|c: char| c.is_ascii_digit())).then(|| (version, rest.trim_start_matches(['-', '_', '.', ' '])))
}

/// Returns the name after the rest of a version such as `1.2.3`, given as `.2.3_create_users`.
fn dotted(rest: &str) -> Option<String> {
    let after = rest.strip_prefix('.')?.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let name = clean(after.trim_start_matches(|c: char| !c.is_alphanumeric()));
    (rest[1..].starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty()).then_some(name)
}

/// The version of a stem such as `V1.2__create_users`: what is between this letter and `__`, if it is numbers.
fn version_of_flyway(stem: &str, is_letter: fn(char) -> bool) -> Option<&str> {
    let (version, _) = stem.strip_prefix(is_letter)?.split_once("__")?;
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    version.split(['.', '_']).all(is_number).then_some(version)
}

/// Whether Flyway takes this for a script with a version of several numbers, such as `V1.2__users` and `U1_2__users`.
fn has_parts(stem: &str) -> bool {
    version_of_flyway(stem, |c| matches!(c, 'V' | 'v' | 'U' | 'u')).is_some_and(|version| version.contains(['.', '_']))
}

/// Whether Flyway takes this for a baseline, such as `B2__base`.
fn is_baseline(stem: &str) -> bool {
    version_of_flyway(stem, |c| matches!(c, 'B' | 'b')).is_some()
}

/// Splits `V1__create_users` into version and name.
fn refinery(stem: &str) -> Option<(&str, String)> {
    let rest = stem.strip_prefix(['V', 'U', 'v', 'u'])?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let name = rest[digits..].strip_prefix("__").or_else(|| rest[digits..].strip_prefix('_'))?;
    (digits > 0 && !name.is_empty()).then(|| (&rest[..digits], clean(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::name::is_ignored;

    fn check(file: &str, expected: &str) {
        check_as(Numbering::Any, file, expected);
    }

    fn check_as(numbering: Numbering, file: &str, expected: &str) {
        let got = match parse(file, numbering) {
            Ok(name) => format!("{} | {} | {:?}", name.id.version(), name.id.name(), name.kind),
            Err(bad) => {
                format!("{}: {}: {}", bad.code, bad.message, bad.help.render(|name| name.render("{next}", "{user}")))
            }
        };
        assert!(got.contains(expected), "{file}: {got}");
    }

    #[test]
    fn good_names() {
        check("0001_create_users.sql", "1 | create_users | OneWay");
        check("0001_create_users.up.sql", "1 | create_users | Up");
        check("0001_create_users.down.sql", "1 | create_users | Down");
        check("3_x.rs", "3 | x | Rust");
        check("20230331140529_jobs-and_more.sql", "20230331140529 | jobs-and_more | OneWay");
        check("0_a.sql", "0 | a | OneWay");
        check("1_v1.2 for all.sql", "1 | v1.2 for all | OneWay");
        check("1__double.sql", "1 | _double | OneWay");
        check("1_1_1.sql", "1 | 1_1 | OneWay");
        check("2_größe.sql", "2 | größe | OneWay");
        check_as(Numbering::Ordinal, "00000-create.sql", "0 | create | OneWay");
    }

    #[test]
    fn bad_names_say_what_would_be_good() {
        check("0001-create.sql", "bad-name: is not named `<version>_<name>.sql`: rename it to `0001_create.sql`");
        check("0001 create users.up.sql", "rename it to `0001_create_users.up.sql`");
        check("0001create.sql", "rename it to `0001_create.sql`");
        check("0001.sql", "rename it to `0001_<name>.sql`");
        check("0001_.sql", "bad-name: has a name that is empty");
        check("create.sql", "rename it to `{next}_create.sql`");
        check(
            "V1__init.sql",
            "the naming of Flyway and refinery; rename it to `1_init.sql`, or type `cargo xtask adopt`",
        );
        check("U1__init.sql", "rename it to `1_init.down.sql`, or type `cargo xtask adopt`");
        check("r__views.sql", "a repeatable script begins with a capital `R`; rename it to `R__views.sql`, or type");
        check("V1.2__init.sql", "digits alone, followed by the name; or type `cargo xtask adopt`");
        for name in ["V1.2__init.sql", "U1.2__init.sql", "V1_2__init.sql", "u1_2.3__init.sql"] {
            check(
                name,
                "this is the naming of Flyway, and here a version is digits alone, followed by the name; or type",
            );
        }
        check("B2__base.sql", "this is a baseline of Flyway, which stands for the versions up to its own: delete it");
        check("B1.2__base.sql", "this is a baseline of Flyway");
        check("V1_users__of.sql", "rename it to `1_users__of.sql`");
        check("up.sql", "diesel's layout");
        check("2026-01-02_create.sql", "rename it to `20260102_create.sql`");
        check("2026-01-02-030405_create.up.sql", "rename it to `20260102030405_create.up.sql`");
        check("2026-01-02T03:04_create.sql", "rename it to `202601020304_create.sql`");
        check("1.2.3_create.sql", "rename it to `{next}_create.sql`");
        check("_0001_create.sql", "rename it to `0001_create.sql`");
        check("m20260102_030405_create.rs", "this is the naming of SeaORM; rename it to `20260102030405_create.rs`");
        check("-1_x.sql", "bad-name: is not named");
        check("+1_x.sql", "digits alone");
        check("9223372036854775808_x.sql", "has no version: a version is at most 9223372036854775807");
        check("0001_x.SQL", "capital letters: rename it to `0001_x.sql`");
        check("0001_x.UP.SQL", "capital letters: rename it to `0001_x.up.sql`");
        check("0001_x.Up.sql", "not a direction: rename it to `0001_x.up.sql`");
        check("0001_x.undo.sql", "not a direction: rename it to `0001_x.down.sql`");
        check("0003_x.up.rs", "not a direction");
        check("0001_a/b?.sql", "has '/' in its name");
        check("0001_what?.sql", "rename it to `0001_what.sql`");
        check("0001_ x.sql", "rename it to `0001_x.sql`");
        check("mod.rs", "move it out of the folder");
        check_as(Numbering::Ordinal, "00000-.sql", "has a name that is empty");
        check_as(Numbering::Ordinal, "00000_x.sql", "rename it to `00000-x.sql`");
        check_as(Numbering::Ordinal, "fix-tbl.sql", "rename it to `{next}-fix-tbl.sql`");
    }

    #[test]
    fn unknown_files_say_what_may_be_meant() {
        check("fn-x", "unknown-file: is not a migration, and no file is skipped silently: if it is a migration");
        check("0001_x.upsql", "unknown-file: has an ending that no migration has: rename it to `0001_x.up.sql`");
        check("0001_x.up.sq", "rename it to `0001_x.up.sql`");
        check("0001_x.sql.up", "rename it to `0001_x.up.sql`");
        check("0001_x.sgl", "rename it to `0001_x.sql`");
        check("0001_x.sql.bak", "unknown-file: looks like a leftover");
        check("0001_x.sql~", "unknown-file: looks like a leftover");
        check("migration.toml", "did you mean `migrations.toml`?");
        check("notes.txt", "move it out of the folder");
    }

    #[test]
    fn what_is_ignored() {
        for file in [".gitkeep", ".0001_x.sql.swp", "README.md", "readme.md"] {
            assert!(is_ignored(file), "{file}");
        }
        assert!(!is_ignored("README"));
    }
}
