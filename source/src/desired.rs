//! The desired schema, written as SQL files in `schema/` beside the folder of migrations: reads them, divides them into
//! statements, and puts these in an order that works. It is run in an empty database by others.

use std::ops::Range;
use std::path::{Path, PathBuf};

use lockgate_core::{Dialect, Statement, StatementFlags, StatementKind};

use crate::folder::{Folder, read};
use crate::sql::objects::{self, Objects, objects};
use crate::sql::{self, suggest};
use crate::{Code, Diagnostic};

/// The name of the folder of the desired schema, beside the folder of migrations.
pub const FOLDER: &str = "schema";

/// What a comment begins with that says the earlier name of a column or table.
const DIRECTIVE: &str = "lockgate:";

/// The desired schema as texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Its folder, as messages name it: `app/schema`.
    pub shown: String,
    /// Its files, sorted by path.
    pub files: Vec<DesiredFile>,
}

/// One file of the desired schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredFile {
    /// Its path, as messages name it: `app/schema/users.sql`.
    pub shown: String,
    /// Its absolute path.
    pub absolute: PathBuf,
    /// Its text.
    pub text: String,
}

/// One statement of the desired schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredStatement {
    /// The index of its file.
    pub file: usize,
    /// Its bytes in the file.
    pub range: Range<usize>,
    /// The statements before it in the file that change the session, such as `SET search_path`: they must be in force.
    pub session: Vec<Range<usize>>,
}

/// The earlier name of an object, of a column or of a value of an enum, from a comment `-- lockgate: was mail` above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Was {
    /// The name before.
    pub old: String,
    /// The object, with its schema if that is written; in lower case.
    pub table: Vec<String>,
    /// The new name of the column or the value. `None` if the object itself had another name.
    pub column: Option<String>,
    /// The index of the file with the comment.
    pub file: usize,
    /// The bytes of the comment in it.
    pub range: Range<usize>,
}

/// Returns where the desired schema of a folder is, if it is in files: the directory, and its path in messages. `database`
/// is the one of the migrations, in a folder that has several.
pub fn place(folder: &Folder, database: Option<&str>) -> (PathBuf, String) {
    let beside = match folder.shown.rsplit_once('/') {
        Some((beside, _)) => format!("{beside}/{FOLDER}"),
        None => FOLDER.to_owned(),
    };
    let directory = folder.root.parent().unwrap_or(&folder.root).join(FOLDER);
    match database {
        Some(database) if folder.databases().len() > 1 => (directory.join(database), format!("{beside}/{database}")),
        Some(_) | None => (directory, beside),
    }
}

/// Reads the SQL files of a directory and below it. `None` if there are none. Files of other kinds are not read: a snapshot
/// or a page about the schema may be beside them.
pub fn read(directory: &Path, shown: &str) -> (Option<Desired>, Vec<Diagnostic>) {
    if !read::is_directory(directory) {
        return (None, Vec::new());
    }
    let listing = read::list(directory, shown);
    let mut diagnostics = listing.diagnostics;
    let mut files = Vec::new();
    for file in listing.files {
        let shown = read::join(shown, &file.path);
        if !file.path.to_lowercase().ends_with(".sql") {
            continue;
        }
        let Some(stem) = file.path.strip_suffix(".sql") else {
            let better = format!("{}.sql", &shown[..shown.len() - ".sql".len()]);
            let message = format!("`{shown}` has an ending in capital letters");
            diagnostics.push(Diagnostic::error(Code::BadName, shown, message).help(format!("rename it to `{better}`")));
            continue;
        };
        if let Some(stem) = [".up", ".down"].into_iter().find_map(|end| stem.strip_suffix(end)) {
            let message = format!("`{shown}` has a direction, and the desired schema has none");
            let help = format!("rename it to `{stem}.sql`, or, if it is a migration, move it to the migrations");
            diagnostics.push(Diagnostic::error(Code::BadName, shown, message).help(help));
            continue;
        }
        match read::text(&file.absolute, &shown) {
            Ok(text) => {
                let text = text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned);
                files.push(DesiredFile { shown, absolute: file.absolute, text });
            }
            Err(problem) => diagnostics.push(*problem),
        }
    }
    let desired = (!files.is_empty()).then(|| Desired { shown: shown.to_owned(), files });
    (desired, diagnostics)
}

/// Whether structs below the `src` of a package describe tables too. Whoever cannot read them must not take the files for
/// all there should be.
pub fn has_structs(package: &Path) -> bool {
    let files = read::list(&package.join("src"), "src").files;
    let rust = files.iter().filter(|file| file.path.ends_with(".rs"));
    rust.filter_map(|file| read::text(&file.absolute, &file.path).ok()).any(|text| mentions_structs(&text))
}

/// Whether a Rust file may have a struct that describes a table.
pub fn mentions_structs(text: &str) -> bool {
    text.contains("lockgate") && text.contains("Table")
}

impl Desired {
    /// Divides the files into statements, in an order in which each comes after what it needs, as far as that shows in their
    /// texts. Reports what cannot be part of a desired schema, such as rows and what drops something.
    pub fn statements(&self, dialect: Dialect) -> (Vec<DesiredStatement>, Vec<Diagnostic>) {
        let mut found: Vec<(u8, DesiredStatement, Objects)> = Vec::new();
        let mut diagnostics = Vec::new();
        for (at, file) in self.files.iter().enumerate() {
            let split = sql::split(dialect, &file.text);
            diagnostics.extend(split.problems.into_iter().map(|problem| {
                Diagnostic::error(Code::of_sql(problem.code), file.shown.as_str(), problem.message)
                    .at(&file.text, problem.range, "")
                    .help(problem.help)
            }));
            let mut session: Vec<Range<usize>> = Vec::new();
            for statement in split.statements {
                if let Some((message, help)) = refused(&statement, &file.text[statement.range.clone()]) {
                    let word = statement.range.start..statement.range.start + first_word(&file.text, &statement);
                    diagnostics.push(
                        Diagnostic::error(Code::BadSchema, file.shown.as_str(), message)
                            .at(&file.text, word, "")
                            .help(help),
                    );
                    continue;
                }
                if is_of_session(&statement) {
                    session.push(statement.range);
                    continue;
                }
                let of_it = objects(dialect, &file.text, std::slice::from_ref(&statement));
                let rank = rank(&file.text[statement.range.clone()], statement.kind);
                let desired = DesiredStatement { file: at, range: statement.range, session: session.clone() };
                found.push((rank, desired, of_it));
            }
        }
        found.sort_by_key(|(rank, _, _)| *rank);
        let (statements, of_them): (Vec<_>, Vec<_>) = found.into_iter().map(|(_, one, of_it)| (one, of_it)).unzip();
        let order = objects::order(&of_them);
        (order.into_iter().map(|at| statements[at].clone()).collect(), diagnostics)
    }

    /// The earlier names that comments of the form `-- lockgate: was mail` give to objects, columns and values.
    pub fn renames(&self, dialect: Dialect) -> (Vec<Was>, Vec<Diagnostic>) {
        let (mut found, mut diagnostics) = (Vec::new(), Vec::new());
        for (at, file) in self.files.iter().enumerate() {
            let layout = sql::layout(dialect, &file.text);
            let statements = sql::split(dialect, &file.text).statements;
            for start in layout.comments {
                let line = file.text[start..].lines().next().unwrap_or_default();
                let Some(body) = line.strip_prefix("--").map(str::trim).and_then(|body| body.strip_prefix(DIRECTIVE))
                else {
                    continue;
                };
                let range = start..start + line.trim_end().len();
                let next = layout.tokens.iter().copied().find(|token| *token > start);
                match was(dialect, &file.text, body.trim(), next, &statements) {
                    Ok((old, table, column)) => found.push(Was { old, table, column, file: at, range }),
                    Err((message, help)) => diagnostics.push(
                        Diagnostic::error(Code::BadDirective, file.shown.as_str(), message)
                            .at(&file.text, range, "")
                            .help(help),
                    ),
                }
            }
        }
        (found, diagnostics)
    }
}

/// Old name, object, and column or value if it is one of those.
type Renamed = (String, Vec<String>, Option<String>);

/// Reads what follows `lockgate:` in a comment of the desired schema. `next` is the first token after the comment.
fn was(
    dialect: Dialect,
    text: &str,
    body: &str,
    next: Option<usize>,
    statements: &[Statement],
) -> Result<Renamed, (String, String)> {
    let write = || "write it like `-- lockgate: was mail`, on the line above the column or the table".to_owned();
    let (word, old) = body.split_once(char::is_whitespace).unwrap_or((body, ""));
    if word != "was" {
        let message = format!("the desired schema has no directive `{word}`: it has `was`, which says an earlier name");
        return Err((
            message,
            suggest::nearest(word, ["was"]).map_or_else(write, |_| "did you mean `was`?".to_owned()),
        ));
    }
    let old = old.trim();
    if old.is_empty() || (!old.starts_with(['"', '\'']) && old.contains(char::is_whitespace)) {
        return Err(("`was` needs one name".to_owned(), write()));
    }
    let nothing = || ("nothing follows that could have had another name".to_owned(), write());
    let next = next.ok_or_else(nothing)?;
    let statement = statements.iter().find(|statement| statement.range.contains(&next)).ok_or_else(nothing)?;
    let of_it = objects(dialect, text, std::slice::from_ref(statement));
    let is_inside = next > statement.range.start;
    let is_value = text[next..].starts_with('\'');
    let can_have_one = match statement.kind {
        StatementKind::CreateTable => !is_value,
        // SQLite renames nothing else.
        StatementKind::CreateType => dialect == Dialect::Postgres && is_inside == is_value,
        StatementKind::CreateView | StatementKind::CreateFunction | StatementKind::CreateOther => {
            dialect == Dialect::Postgres && !is_inside
        }
        _ => false,
    };
    let Some(object) = of_it.creates.into_iter().next().filter(|_| can_have_one) else {
        let what = match dialect {
            Dialect::Postgres => {
                "only tables, views, types, sequences, functions, columns and values of enums can have an earlier name"
            }
            Dialect::Sqlite | Dialect::Mysql => "only tables and columns can have an earlier name",
        };
        return Err((what.to_owned(), write()));
    };
    let part = is_inside.then(|| name(&text[next..], dialect));
    Ok((name(old, dialect), object, part))
}

/// The name at the beginning of a text, as the database stores it.
fn name(text: &str, dialect: Dialect) -> String {
    let quote = match text.chars().next() {
        Some('[') => Some(']'),
        Some(quote @ ('"' | '`' | '\'')) => Some(quote),
        _ => None,
    };
    match quote {
        Some(close) => text[1..].split(close).next().unwrap_or_default().to_owned(),
        None => {
            let end = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '$'))).unwrap_or(text.len());
            let word = &text[..end];
            if dialect == Dialect::Postgres { word.to_lowercase() } else { word.to_owned() }
        }
    }
}

/// Why a statement cannot be part of a desired schema, and what to do about it.
fn refused(statement: &Statement, text: &str) -> Option<(String, String)> {
    let delete = || "delete it".to_owned();
    let words: Vec<String> = text.split_whitespace().take(3).map(str::to_lowercase).collect();
    let (what, help) = match statement.kind {
        StatementKind::CreateOther | StatementKind::AlterOther
            if words.get(1).is_some_and(|word| ["role", "user", "group"].contains(&&**word))
                && words.get(2).is_some_and(|word| word != "mapping") =>
        {
            (
                "has no roles: they belong to the server, and no draft would have them",
                "write it in a migration; the throwaway server gets each role that a statement here mentions"
                    .to_owned(),
            )
        }
        StatementKind::CreateOther
            if words.get(1).is_some_and(|word| word == "subscription") && !is_unconnected(text) =>
        {
            (
                "is made on a throwaway server, and this subscription would connect to another one",
                "add `WITH (connect = false)`, which counts only here: a subscription is never drafted".to_owned(),
            )
        }
        StatementKind::Insert | StatementKind::Update | StatementKind::Delete | StatementKind::Copy => {
            ("has no rows", "write the rows in a migration: `cargo xtask new-migration \"fill …\"`".to_owned())
        }
        StatementKind::Truncate => ("has no rows", delete()),
        StatementKind::DropTable | StatementKind::DropIndex | StatementKind::DropOther => (
            "says what there is, and it is made in an empty database",
            "delete it: what is in no file is dropped by the next migration that is generated".to_owned(),
        ),
        StatementKind::Transaction => ("has no transactions: it is made in an empty database", delete()),
        StatementKind::Maintenance => ("has nothing to maintain", delete()),
        StatementKind::PsqlLine | StatementKind::ClientCommand => {
            ("is sent to a server, which knows no commands of a client", delete())
        }
        _ if statement.flags.contains(StatementFlags::CONTROLS_TRANSACTION) => ("has no transactions", delete()),
        _ if statement.flags.contains(StatementFlags::CLIENT_ONLY) => ("has no commands of a client", delete()),
        _ => return None,
    };
    Some((format!("the desired schema {what}"), help))
}

/// Whether a `CREATE SUBSCRIPTION` says `connect = false`.
fn is_unconnected(text: &str) -> bool {
    let text: String = text.to_lowercase().split_whitespace().collect();
    ["connect=false", "connect=off", "connect='false'"].iter().any(|option| text.contains(option))
}

fn is_of_session(statement: &Statement) -> bool {
    let changes = statement.flags.contains(StatementFlags::SESSION_STATE);
    statement.kind == StatementKind::Session || (statement.kind == StatementKind::Select && changes)
}

/// What comes first, where neither needs the other: what makes room for names, then what is named, then what changes it, so
/// that a view of all columns of a table has those that `ALTER TABLE` adds.
fn rank(text: &str, kind: StatementKind) -> u8 {
    let mut words = text.split_whitespace().map(str::to_lowercase);
    // Whoever owns a table owns its sequences, if these belong to it by then.
    let gives_away = text.to_lowercase().contains(" owner to ");
    match kind {
        StatementKind::AlterTable | StatementKind::AlterOther if gives_away => 4,
        StatementKind::CreateOther => match (words.next(), words.next()) {
            (_, Some(second)) if ["schema", "extension", "role", "user", "group"].contains(&&*second) => 0,
            _ => 1,
        },
        StatementKind::CreateTable | StatementKind::CreateType | StatementKind::CreateFunction => 1,
        StatementKind::Do => 1,
        StatementKind::AlterTable | StatementKind::AlterOther => 2,
        _ => 3,
    }
}

fn first_word(text: &str, statement: &Statement) -> usize {
    let text = &text[statement.range.clone()];
    text.find(|c: char| c.is_whitespace() || c == ';').unwrap_or(text.len()).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Color;

    fn desired(files: &[(&str, &str)]) -> Desired {
        let file = |(name, text): &(&str, &str)| DesiredFile {
            shown: format!("schema/{name}"),
            absolute: PathBuf::from(name),
            text: (*text).to_owned(),
        };
        Desired { shown: "schema".to_owned(), files: files.iter().map(file).collect() }
    }

    fn order(dialect: Dialect, files: &[(&str, &str)]) -> Vec<String> {
        let desired = desired(files);
        let (statements, diagnostics) = desired.statements(dialect);
        assert_eq!(diagnostics, []);
        let shown = |one: &DesiredStatement| desired.files[one.file].text[one.range.clone()].to_owned();
        statements.iter().map(shown).collect()
    }

    #[test]
    fn files_may_be_in_any_order() {
        let files = [
            ("a_view.sql", "CREATE VIEW names AS SELECT * FROM users;"),
            ("index.sql", "CREATE INDEX i ON users (age);"),
            ("posts.sql", "CREATE TABLE posts (author int REFERENCES users);"),
            ("users.sql", "CREATE TABLE users (id int PRIMARY KEY);\nALTER TABLE users ADD age int;"),
            ("z.sql", "CREATE SCHEMA app;"),
        ];
        assert_eq!(
            order(Dialect::Postgres, &files),
            [
                "CREATE SCHEMA app;",
                "CREATE TABLE users (id int PRIMARY KEY);",
                "CREATE TABLE posts (author int REFERENCES users);",
                "ALTER TABLE users ADD age int;",
                "CREATE VIEW names AS SELECT * FROM users;",
                "CREATE INDEX i ON users (age);",
            ]
        );
    }

    #[test]
    fn a_setting_is_in_force_for_what_follows_it_in_its_file() {
        let desired = desired(&[
            ("a.sql", "CREATE TABLE a (); SET search_path = app; CREATE TABLE b ();"),
            ("c.sql", "CREATE TABLE c ();"),
        ]);
        let (statements, _) = desired.statements(Dialect::Postgres);
        let counts: Vec<usize> = statements.iter().map(|one| one.session.len()).collect();
        assert_eq!(counts, [0, 1, 0]);
    }

    #[test]
    fn what_no_schema_has_is_refused_by_name() {
        for (text, message) in [
            ("INSERT INTO a VALUES (1);", "the desired schema has no rows"),
            ("DROP TABLE a;", "the desired schema says what there is, and it is made in an empty database"),
            ("BEGIN;", "the desired schema has no transactions: it is made in an empty database"),
            ("VACUUM;", "the desired schema has nothing to maintain"),
            (
                "CREATE ROLE app;",
                "the desired schema has no roles: they belong to the server, and no draft would have them",
            ),
            (
                "alter  user app CREATEDB;",
                "the desired schema has no roles: they belong to the server, and no draft would have them",
            ),
            (
                "CREATE SUBSCRIPTION s CONNECTION 'host=elsewhere' PUBLICATION p;",
                "the desired schema is made on a throwaway server, and this subscription would connect to another one",
            ),
        ] {
            let (_, diagnostics) = desired(&[("a.sql", text)]).statements(Dialect::Postgres);
            assert_eq!(diagnostics.len(), 1, "{text}");
            assert_eq!((diagnostics[0].message.as_str(), diagnostics[0].code), (message, Code::BadSchema));
        }
    }

    #[test]
    fn a_mapping_of_a_user_and_an_unconnected_subscription_may_be_there() {
        let text = "CREATE USER MAPPING FOR app SERVER other;\nALTER USER MAPPING FOR app SERVER other OPTIONS (SET x 'y');\n\
                    CREATE SUBSCRIPTION s CONNECTION 'host=elsewhere' PUBLICATION p WITH (connect = FALSE);";
        let (statements, diagnostics) = desired(&[("a.sql", text)]).statements(Dialect::Postgres);
        assert_eq!((statements.len(), diagnostics), (3, Vec::new()));
    }

    fn renames(dialect: Dialect, text: &str) -> Vec<String> {
        let (found, diagnostics) = desired(&[("a.sql", text)]).renames(dialect);
        assert_eq!(diagnostics, []);
        let shown = |was: &Was| {
            let column = was.column.as_ref().map_or_else(String::new, |column| format!(".{column}"));
            format!("{} → {}{column}", was.old, was.table.join("."))
        };
        found.iter().map(shown).collect()
    }

    #[test]
    fn an_earlier_name_stands_above_the_column_or_the_table() {
        let text = "-- lockgate: was members\n-- People.\nCREATE TABLE app.Users (\n  id int,\n  -- lockgate: was \"E Mail\"\n  \
                    Email text\n);\nSELECT '-- lockgate: x';";
        assert_eq!(renames(Dialect::Postgres, text), ["members → app.users", "E Mail → app.users.email"]);
        let text = "-- lockgate: was v\nCREATE VIEW app.w AS SELECT 1;\n-- lockgate: was plus\nCREATE FUNCTION add(int, int) RETURNS int \
                    LANGUAGE sql RETURN $1 + $2;\n-- lockgate: was mood\nCREATE TYPE feeling AS ENUM (\n  -- lockgate: was 'not ok'\n  \
                    'sad',\n  'ok'\n);\n-- lockgate: was s\nCREATE SEQUENCE t;";
        assert_eq!(
            renames(Dialect::Postgres, text),
            ["v → app.w", "plus → add", "mood → feeling", "not ok → feeling.sad", "s → t"]
        );
        let text = "CREATE TABLE Users (a int, -- lockgate: was x\n [b c] text)";
        assert_eq!(renames(Dialect::Sqlite, text), ["x → users.b c"]);
    }

    #[test]
    fn a_comment_that_is_no_earlier_name_is_refused() {
        for (text, shown) in [
            (
                "-- lockgate: wass a\nCREATE TABLE a (b int);",
                "error[bad-directive]: the desired schema has no directive `wass`: it has `was`, which says an earlier name",
            ),
            ("-- lockgate: was\nCREATE TABLE a (b int);", "error[bad-directive]: `was` needs one name"),
            (
                "-- lockgate: was a\nCREATE VIEW a AS SELECT 1;",
                "error[bad-directive]: only tables and columns can have an earlier name",
            ),
            (
                "CREATE TABLE a (b int);\n-- lockgate: was a\n",
                "error[bad-directive]: nothing follows that could have had another name",
            ),
        ] {
            let (_, diagnostics) = desired(&[("a.sql", text)]).renames(Dialect::Sqlite);
            let first = diagnostics[0].render(Color::Off);
            assert_eq!(first.lines().next(), Some(shown));
        }
    }
}
