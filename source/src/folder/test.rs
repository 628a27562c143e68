//! The tests of migrations: which files of `tests/migrations` belong to which migration, what is in
//! them, and everything that is wrong with them. Whether a migration must have one is decided in
//! [`load`](super::load).

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;

use lockgate_core::{Dialects, Version};
use proc_macro2::{TokenStream, TokenTree};

use super::{Folder, read};
use crate::{Diagnostic, sql, suggest};

/// The test of one migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationTest {
    /// The migration.
    pub version: Version,
    /// Version and name as its files write them: `0001_create_users`.
    pub id: String,
    /// What it is made of.
    pub body: TestBody,
}

/// What a test of a migration is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestBody {
    /// One file of Rust with `before` and `after`.
    Rust {
        /// The file.
        file: PathBuf,
        /// Whether it has a function `fill`.
        fill: bool,
        /// Whether it has a constant `LOSES_ROWS`.
        loses_rows: bool,
    },
    /// Files of SQL.
    Sql {
        /// What is so before the migration and no longer after it.
        before: SqlSuite,
        /// What is so after the migration and not yet before it.
        after: SqlSuite,
        /// The rows that are put in before the migration.
        fill: Option<SqlSuite>,
    },
}

/// One file of SQL of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlSuite {
    /// The file.
    pub file: PathBuf,
    /// How messages name it.
    pub shown: String,
    /// Its statements, for each group of dialects that cut the text alike.
    pub statements: Vec<(Dialects, Vec<TestStatement>)>,
}

/// One statement of such a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestStatement {
    /// The line that it begins in, counted from 1.
    pub line: u32,
    /// Its text.
    pub sql: String,
}

/// What a file of the folder is by its ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Rust,
    Before,
    After,
    Fill,
}

const ENDINGS: [(&str, Part); 4] =
    [(".before.sql", Part::Before), (".after.sql", Part::After), (".fill.sql", Part::Fill), (".rs", Part::Rust)];

/// The names that a migration's test may have, of which one is enough.
pub(super) fn endings() -> impl Iterator<Item = &'static str> {
    ENDINGS.iter().filter(|(_, part)| *part != Part::Fill).map(|(ending, _)| *ending)
}

impl Folder {
    /// The tests of its migrations, in their order, and everything that is wrong with the files. SQL is
    /// read as each of these dialects reads it.
    ///
    /// A file whose name begins with a digit, or ends like one of SQL, is a test; what else there is
    /// (`main.rs`, modules of helpers) belongs to whoever wrote it.
    pub fn tests(&self, dialects: Dialects) -> (Vec<MigrationTest>, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let mut names = read::names(&self.tests.directory);
        names.sort();
        let mut parts: BTreeMap<(Version, &str), BTreeMap<Part, &str>> = BTreeMap::new();
        for name in names.iter().filter(|name| is_test(name)) {
            let found = ENDINGS.iter().find_map(|(ending, part)| Some((name.strip_suffix(ending)?, *part)));
            let migration = found.and_then(|(id, part)| Some((self.find(id)?, part)));
            match migration {
                Some((migration, part)) => {
                    parts.entry((migration.version, &migration.id)).or_default().insert(part, name);
                }
                None => diagnostics.push(self.unknown_test(name, found.map(|(id, _)| id))),
            }
        }
        let mut tests = Vec::new();
        for ((version, id), parts) in parts {
            let body = self.test_body(id, &parts, dialects, &mut diagnostics);
            tests.extend(body.map(|body| MigrationTest { version, id: id.to_owned(), body }));
        }
        (tests, diagnostics)
    }

    fn unknown_test(&self, name: &str, id: Option<&str>) -> Diagnostic {
        let shown = read::join(&self.tests.shown, name);
        let Some(id) = id else {
            let endings: Vec<String> = ENDINGS.iter().map(|(ending, _)| format!("`{ending}`")).collect();
            return Diagnostic::error("unknown-test", shown, format!("`{name}` has an ending that no test has"))
                .help(format!("the endings are {}", endings.join(", ")));
        };
        let ids = || self.migrations.iter().map(|migration| migration.id.as_str());
        let digits = id.bytes().take_while(u8::is_ascii_digit).count();
        // A renamed migration keeps its number, and one that was renumbered its name.
        let same =
            |a: &str| (digits > 0 && a.starts_with(&id[..=digits.min(id.len() - 1)])) || a.ends_with(&id[digits..]);
        let near = suggest::nearest(id, ids()).or_else(|| ids().find(|known| id.len() > digits && same(known)));
        let error =
            Diagnostic::error("unknown-test", shown, format!("there is no migration `{id}` for the test `{name}`"));
        match near {
            Some(near) => error.help(format!("rename it to `{near}{}`", &name[id.len()..])),
            None => error.help(format!("delete it, or add the migration to `{}`", self.shown)),
        }
    }

    fn test_body(
        &self,
        id: &str,
        parts: &BTreeMap<Part, &str>,
        dialects: Dialects,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<TestBody> {
        let shown = |name: &str| read::join(&self.tests.shown, name);
        if let Some(rust) = parts.get(&Part::Rust) {
            if let Some(other) = parts.values().find(|name| *name != rust) {
                let message = format!("`{id}` has a test in Rust, `{rust}`, and one in SQL, `{other}`");
                let error = Diagnostic::error("duplicate-test", shown(other), message);
                diagnostics.push(error.help("put all of it into one of the two, and delete the other"));
            }
            let file = self.tests.directory.join(rust);
            let text = read::text(&file, &shown(rust)).map_err(|problem| diagnostics.push(*problem)).ok()?;
            let (found, problems) = scan(&text, &shown(rust));
            diagnostics.extend(problems);
            return Some(TestBody::Rust { file, fill: found.fill, loses_rows: found.loses_rows });
        }
        for (part, ending) in [(Part::Before, "before"), (Part::After, "after")] {
            if !parts.contains_key(&part) {
                let there = parts.values().next().copied().unwrap_or_default();
                let missing = shown(&format!("{id}.{ending}.sql"));
                let error = Diagnostic::error(
                    "incomplete-test",
                    shown(there),
                    format!("the test of `{id}` is only a part: there is no `{missing}`"),
                );
                let what = match part {
                    Part::Before => "is so before the migration and no longer after it",
                    Part::After | Part::Rust | Part::Fill => "is so after the migration and not yet before it",
                };
                diagnostics.push(error.help(format!("write `{missing}`: statements that are true of what {what}")));
            }
        }
        let mut suite = |part| {
            let name = *parts.get(&part)?;
            self.sql_suite(name, part, dialects).map_err(|problems| diagnostics.extend(problems)).ok()
        };
        let (before, after, fill) = (suite(Part::Before), suite(Part::After), suite(Part::Fill));
        Some(TestBody::Sql { before: before?, after: after?, fill })
    }

    fn sql_suite(&self, name: &str, part: Part, dialects: Dialects) -> Result<SqlSuite, Vec<Diagnostic>> {
        let (file, shown) = (self.tests.directory.join(name), read::join(&self.tests.shown, name));
        let text = read::text(&file, &shown).map_err(|problem| vec![*problem])?;
        let mut statements: Vec<(Dialects, Vec<TestStatement>)> = Vec::new();
        let mut problems: Vec<Diagnostic> = Vec::new();
        for dialect in dialects.iter() {
            let split = sql::split(dialect, &text);
            for problem in split.problems {
                let told = Diagnostic::error(problem.code, shown.as_str(), problem.message)
                    .at(&text, problem.range, "")
                    .help(problem.help);
                if !problems.contains(&told) {
                    problems.push(told);
                }
            }
            let cut: Vec<TestStatement> =
                split.statements.iter().map(|statement| TestStatement::of(&text, &statement.range)).collect();
            match statements.iter_mut().find(|(_, known)| *known == cut) {
                Some((dialects, _)) => *dialects = dialects.with(dialect),
                None => statements.push((Dialects::NONE.with(dialect), cut)),
            }
        }
        if part != Part::Fill && statements.iter().any(|(_, statements)| statements.is_empty()) {
            let error = Diagnostic::error("incomplete-test", shown.as_str(), format!("`{name}` has no statement"));
            problems.push(error.help("write a statement that is true: `SELECT count(*) = 1 FROM users`"));
        }
        if problems.is_empty() { Ok(SqlSuite { file, shown, statements }) } else { Err(problems) }
    }
}

impl TestStatement {
    fn of(text: &str, range: &Range<usize>) -> Self {
        let line = text[..range.start].bytes().filter(|byte| *byte == b'\n').count() + 1;
        let sql = text[range.clone()].trim_end().trim_end_matches(';').trim_end().to_owned();
        Self { line: u32::try_from(line).unwrap_or(u32::MAX), sql }
    }
}

/// Whether a file of the folder must be the test of a migration.
fn is_test(name: &str) -> bool {
    let sql = ENDINGS.iter().filter(|(ending, _)| *ending != ".rs").any(|(ending, _)| name.ends_with(ending));
    let left_over = name.ends_with('~') || [".bak", ".orig", ".swp"].iter().any(|ending| name.ends_with(ending));
    !name.starts_with('.') && !left_over && (sql || name.starts_with(|c: char| c.is_ascii_digit()))
}

/// What a test in Rust has at its top level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Found {
    before: bool,
    after: bool,
    fill: bool,
    loses_rows: bool,
}

/// Looks for the functions at the top level of a file.
fn scan(text: &str, file: &str) -> (Found, Vec<Diagnostic>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Ok(tokens) = TokenStream::from_str(text) else {
        let error =
            Diagnostic::error("bad-test", file, "the file is not Rust: a quotation mark or bracket has no partner")
                .help(format!("run `rustfmt {file}`: its message says where"));
        return (Found { before: true, after: true, ..Found::default() }, vec![error]);
    };
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut found = Found::default();
    let mut diagnostics = Vec::new();
    for (i, pair) in tokens.windows(2).enumerate() {
        let [TokenTree::Ident(keyword), TokenTree::Ident(name)] = pair else { continue };
        let before = |back: usize| i.checked_sub(back).map(|at| tokens[at].to_string()).unwrap_or_default();
        // `pub(crate)` is a word and a group.
        let is_public =
            |back: usize| before(back) == "pub" || (before(back).starts_with('(') && before(back + 1) == "pub");
        let (keyword, name) = (keyword.to_string(), name.to_string());
        let (place, wanted) = match (keyword.as_str(), name.as_str()) {
            ("fn", "before") => (&mut found.before, true),
            ("fn", "after") => (&mut found.after, true),
            ("fn", "fill") => (&mut found.fill, true),
            ("const", "LOSES_ROWS") => (&mut found.loses_rows, false),
            _ => continue,
        };
        *place = true;
        let is_right = if wanted { before(1) == "async" && is_public(2) } else { is_public(1) };
        if is_right {
            continue;
        }
        let (message, help) = if wanted {
            (
                format!("the function `{name}` of a test is not `pub async fn {name}`"),
                format!("write `pub async fn {name}(db: &mut Db) -> TestResult`"),
            )
        } else {
            (
                "the constant `LOSES_ROWS` of a test is not `pub`".to_owned(),
                "write `pub const LOSES_ROWS: &[&str] = &[\"table\"];`".to_owned(),
            )
        };
        let error = Diagnostic::error("bad-test", file, message).help(help);
        let words = format!("{keyword} {name}");
        diagnostics.push(match text.find(&words) {
            Some(at) => error.at(text, at..at + words.len(), ""),
            None => error,
        });
    }
    for (name, is_there) in [("before", found.before), ("after", found.after)] {
        if !is_there {
            let what = if name == "before" {
                "what is so before the migration and no longer after it"
            } else {
                "what is so after the migration and not yet before it"
            };
            diagnostics.push(
                Diagnostic::error("incomplete-test", file, format!("the test has no function `{name}`: {what}"))
                    .help(format!("add `pub async fn {name}(db: &mut Db) -> TestResult {{ … }}`")),
            );
        }
    }
    (found, diagnostics)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Found, codes: &[&str]) {
        let (found, diagnostics) = scan(text, "tests/migrations/1_x.rs");
        assert_eq!(found, expected, "{text}");
        assert_eq!(diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), codes, "{text}");
    }

    const BOTH: Found = Found { before: true, after: true, fill: false, loses_rows: false };

    #[test]
    fn functions_are_found_at_the_top_level_alone() {
        check("pub async fn before() {}\npub(crate) async fn after() {}", BOTH, &[]);
        check(
            "pub async fn before() {} pub async fn after() {} pub async fn fill() {} pub const LOSES_ROWS: &[&str] = &[];",
            Found { fill: true, loses_rows: true, ..BOTH },
            &[],
        );
        check(
            "mod inner { pub async fn before() {} }\n// pub async fn after() {}",
            Found::default(),
            &["incomplete-test", "incomplete-test"],
        );
        check("pub async fn before() {}", Found { before: true, ..Found::default() }, &["incomplete-test"]);
    }

    #[test]
    fn private_and_blocking_functions_are_refused() {
        check("async fn before() {} pub async fn after() {}", BOTH, &["bad-test"]);
        check("pub async fn before() {} pub fn after() {}", BOTH, &["bad-test"]);
        check(
            "pub async fn before() {} pub async fn after() {} const LOSES_ROWS: [&str; 0] = [];",
            Found { loses_rows: true, ..BOTH },
            &["bad-test"],
        );
        check("pub async fn before() {", BOTH, &["bad-test"]);
    }

    #[test]
    fn a_name_says_whether_a_file_is_a_test() {
        for name in ["0001_x.rs", "0001_x.sql", "1.txt", "x.before.sql", "x.fill.sql"] {
            assert!(is_test(name), "{name}");
        }
        for name in ["main.rs", "seed.rs", "helpers", ".0001_x.rs.swp", "0001_x.rs~", "0001_x.rs.orig", "rows.sql"] {
            assert!(!is_test(name), "{name}");
        }
    }

    #[test]
    fn a_statement_knows_its_line_and_not_its_terminator() {
        let text = "-- why\n\nSELECT 1 ;\nSELECT 2";
        let split = sql::split(lockgate_core::Dialect::Sqlite, text);
        let got: Vec<_> = split.statements.iter().map(|s| TestStatement::of(text, &s.range)).collect();
        assert_eq!(
            got.iter().map(|s| (s.line, s.sql.as_str())).collect::<Vec<_>>(),
            [(3, "SELECT 1"), (4, "SELECT 2")]
        );
    }
}
