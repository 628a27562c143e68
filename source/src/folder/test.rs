//! The tests of migrations: which files of `tests/migrations` belong to which migration, what they contain,
//! and what is wrong with them. [`load`](super::load) checks whether a migration must have a test.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;

use lockgate_core::{Dialects, Version};
use proc_macro2::{TokenStream, TokenTree};

use super::policy::Numbering;
use super::{Folder, Migration, read};
use crate::sql::{self, suggest};
use crate::{Code, Diagnostic};

/// The test of one migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationTest {
    /// The migration.
    pub version: Version,
    /// The name of its files: the migration's id, `0001_create_users`, or a patch's key.
    pub key: String,
    /// Its contents.
    pub body: TestBody,
}

/// The contents of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestBody {
    /// One file of Rust with `before` and `after`, or several of each: `before_…`, `after_…`.
    Rust {
        /// The file.
        file: PathBuf,
        /// The functions that must pass before the migration and fail after it, in order.
        before: Vec<String>,
        /// The functions that must pass after it and fail before it.
        after: Vec<String>,
        /// Whether it has a function `fill`.
        fill: bool,
        /// The constants that it has.
        intents: Vec<Intent>,
    },
    /// Files of SQL.
    Sql {
        /// What is true before the migration and not after it.
        before: SqlSuite,
        /// What is true after the migration and not before it.
        after: SqlSuite,
        /// The statements that insert rows before the migration.
        fill: Option<SqlSuite>,
        /// Its `-- lockgate: …` declarations, each with the names in it.
        intents: Vec<(Intent, Vec<String>)>,
    },
}

/// A change to rows that a test declares as intended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intent {
    /// The migration deletes rows of these tables.
    LosesRows,
    /// The migration changes the values of these columns, and the down script restores them.
    ChangesValues,
    /// The down script does not restore the values of these columns.
    LosesValues,
}

impl Intent {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::LosesRows, Self::ChangesValues, Self::LosesValues];

    /// The constant of a test in Rust: `LOSES_ROWS`.
    pub fn constant(self) -> &'static str {
        match self {
            Self::LosesRows => "LOSES_ROWS",
            Self::ChangesValues => "CHANGES_VALUES",
            Self::LosesValues => "LOSES_VALUES",
        }
    }

    /// The word of a test in SQL: `-- lockgate: loses-rows sessions`.
    pub fn word(self) -> &'static str {
        match self {
            Self::LosesRows => "loses-rows",
            Self::ChangesValues => "changes-values",
            Self::LosesValues => "loses-values",
        }
    }

    /// What its names are: tables or columns.
    fn example(self) -> &'static str {
        match self {
            Self::LosesRows => "sessions",
            Self::ChangesValues | Self::LosesValues => "users.name",
        }
    }
}

/// One SQL file of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlSuite {
    /// The file.
    pub file: PathBuf,
    /// Its path as messages show it.
    pub shown: String,
    /// Its statements, once for each group of dialects that split the text alike.
    pub statements: Vec<(Dialects, Vec<TestStatement>)>,
}

/// One statement of such a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestStatement {
    /// The line where it begins, counted from 1.
    pub line: u32,
    /// Its text.
    pub sql: String,
}

/// The kind of a test file, by its ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Rust,
    Before,
    After,
    Fill,
}

const ENDINGS: [(&str, Part); 4] =
    [(".before.sql", Part::Before), (".after.sql", Part::After), (".fill.sql", Part::Fill), (".rs", Part::Rust)];

/// The endings that a migration's test may have; one file is enough.
pub(super) fn endings() -> impl Iterator<Item = &'static str> {
    ENDINGS.iter().filter(|(_, part)| *part != Part::Fill).map(|(ending, _)| *ending)
}

impl Folder {
    /// Reads the tests of the folder's migrations, in order, and returns every problem with the files. SQL is
    /// split in each of these dialects.
    ///
    /// Whether a file is a test: its name begins with a digit (for patches: has three dots), or it ends like a test
    /// in SQL. Other files, such as `main.rs` and modules of helpers, are left alone.
    pub fn tests(&self, dialects: Dialects) -> (Vec<MigrationTest>, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let mut names = read::names(&self.tests.directory);
        names.sort();
        let mut parts: BTreeMap<(Version, &str), BTreeMap<Part, &str>> = BTreeMap::new();
        for name in names.iter().filter(|name| is_test(name, self.policy.numbering)) {
            let found = ENDINGS.iter().find_map(|(ending, part)| Some((name.strip_suffix(ending)?, *part)));
            let migration = found.and_then(|(key, part)| Some((self.by_key(key)?, part)));
            match migration {
                Some((migration, part)) => {
                    parts.entry((migration.version(), migration.id.key())).or_default().insert(part, name);
                }
                None => diagnostics.push(self.unknown_test(name, found.map(|(id, _)| id))),
            }
        }
        let mut tests = Vec::new();
        for ((version, id), parts) in parts {
            let body = self.test_body(id, &parts, dialects, &mut diagnostics);
            tests.extend(body.map(|body| MigrationTest { version, key: id.to_owned(), body }));
        }
        (tests, diagnostics)
    }

    fn by_key(&self, key: &str) -> Option<&Migration> {
        match self.policy.numbering {
            Numbering::Encoded => self.migrations.iter().find(|migration| migration.id.key() == key),
            Numbering::Any | Numbering::Sequence | Numbering::Timestamp | Numbering::Ordinal => self.find(key),
        }
    }

    fn unknown_test(&self, name: &str, id: Option<&str>) -> Diagnostic {
        let shown = read::join(&self.tests.shown, name);
        let Some(id) = id else {
            let endings: Vec<String> = ENDINGS.iter().map(|(ending, _)| format!("`{ending}`")).collect();
            return Diagnostic::error(Code::UnknownTest, shown, format!("`{name}` has an ending that no test has"))
                .help(format!("the endings are {}", endings.join(", ")));
        };
        let ids = || self.migrations.iter().map(|migration| migration.id.key());
        let digits = id.bytes().take_while(u8::is_ascii_digit).count();
        // The migration may have been renamed or renumbered: look for the same number, then for the same name.
        let same =
            |a: &str| (digits > 0 && a.starts_with(&id[..=digits.min(id.len() - 1)])) || a.ends_with(&id[digits..]);
        let near = suggest::nearest(id, ids()).or_else(|| ids().find(|known| id.len() > digits && same(known)));
        let error =
            Diagnostic::error(Code::UnknownTest, shown, format!("there is no migration `{id}` for the test `{name}`"));
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
                let error = Diagnostic::error(Code::DuplicateTest, shown(other), message);
                diagnostics.push(error.help("put all of it into one of the two, and delete the other"));
            }
            let file = self.tests.directory.join(rust);
            let text = read::text(&file, &shown(rust)).map_err(|problem| diagnostics.push(*problem)).ok()?;
            let (found, problems) = scan(&text, &shown(rust));
            diagnostics.extend(problems);
            let FolderFile { before, after, fill, intents } = found;
            return Some(TestBody::Rust { file, before, after, fill, intents });
        }
        for (part, ending) in [(Part::Before, "before"), (Part::After, "after")] {
            if !parts.contains_key(&part) {
                let there = parts.values().next().copied().unwrap_or_default();
                let missing = shown(&format!("{id}.{ending}.sql"));
                let error = Diagnostic::error(
                    Code::IncompleteTest,
                    shown(there),
                    format!("the test of `{id}` is only a part: there is no `{missing}`"),
                );
                let what = match part {
                    Part::Before => "before the migration and not after it",
                    Part::After | Part::Rust | Part::Fill => "after the migration and not before it",
                };
                diagnostics.push(error.help(format!("write `{missing}`: statements that return true {what}")));
            }
        }
        let mut intents = Vec::new();
        let mut suite = |part| {
            let name = *parts.get(&part)?;
            self.sql_suite(name, part, dialects, &mut intents).map_err(|problems| diagnostics.extend(problems)).ok()
        };
        let (before, after, fill) = (suite(Part::Before), suite(Part::After), suite(Part::Fill));
        Some(TestBody::Sql { before: before?, after: after?, fill, intents })
    }

    fn sql_suite(
        &self,
        name: &str,
        part: Part,
        dialects: Dialects,
        intents: &mut Vec<(Intent, Vec<String>)>,
    ) -> Result<SqlSuite, Vec<Diagnostic>> {
        let (file, shown) = (self.tests.directory.join(name), read::join(&self.tests.shown, name));
        let text = read::text(&file, &shown).map_err(|problem| vec![*problem])?;
        let mut statements: Vec<(Dialects, Vec<TestStatement>)> = Vec::new();
        let mut problems: Vec<Diagnostic> = Vec::new();
        for dialect in dialects.iter() {
            let split = sql::split(dialect, &text);
            for problem in split.problems {
                let diagnostic = Diagnostic::error(Code::of_sql(problem.code), shown.as_str(), problem.message)
                    .at(&text, problem.range, "")
                    .help(problem.help);
                if !problems.contains(&diagnostic) {
                    problems.push(diagnostic);
                }
            }
            let cut: Vec<TestStatement> =
                split.statements.iter().map(|statement| TestStatement::of(&text, &statement.range)).collect();
            match statements.iter_mut().find(|(_, known)| *known == cut) {
                Some((dialects, _)) => *dialects = dialects.with(dialect),
                None => statements.push((Dialects::NONE.with(dialect), cut)),
            }
        }
        problems.extend(intended(&text, &shown, intents));
        if part != Part::Fill && statements.iter().any(|(_, statements)| statements.is_empty()) {
            let error = Diagnostic::error(Code::IncompleteTest, shown.as_str(), format!("`{name}` has no statement"));
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

/// Reads the `-- lockgate: …` lines of a test in SQL, and returns the problems in them.
fn intended(text: &str, shown: &str, intents: &mut Vec<(Intent, Vec<String>)>) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let range = start..start + line.trim_end().len();
        start += line.len();
        let comment = line.trim().strip_prefix("--").map(str::trim_start);
        let Some(declaration) = comment.and_then(|comment| comment.strip_prefix("lockgate:")).map(str::trim) else {
            continue;
        };
        let (word, names) = declaration.split_once(char::is_whitespace).unwrap_or((declaration, ""));
        let names: Vec<String> =
            names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let problem = |message: String| Diagnostic::error(Code::BadTest, shown, message).at(text, range.clone(), "");
        match Intent::ALL.into_iter().find(|intent| intent.word() == word) {
            Some(intent) if names.is_empty() => problems.push(
                problem(format!("`{word}` names nothing"))
                    .help(format!("write `-- lockgate: {word} {}`", intent.example())),
            ),
            Some(intent) => intents.push((intent, names)),
            None => {
                let words = || Intent::ALL.into_iter().map(Intent::word);
                let known: Vec<String> = words().map(|word| format!("`{word}`")).collect();
                let problem = problem(format!("`{word}` is not a directive for tests: there are {}", known.join(", ")));
                problems.push(match suggest::nearest(word, words()) {
                    Some(near) => problem.help(format!("did you mean `{near}`?")),
                    None => problem.help("delete the line"),
                });
            }
        }
    }
    problems
}

/// Whether a file of the folder must be the test of a migration.
fn is_test(name: &str, numbering: Numbering) -> bool {
    let sql = ENDINGS.iter().filter(|(ending, _)| *ending != ".rs").any(|(ending, _)| name.ends_with(ending));
    let left_over = name.ends_with('~') || [".bak", ".orig", ".swp"].iter().any(|ending| name.ends_with(ending));
    let named = match numbering {
        Numbering::Encoded => name.matches('.').count() >= 3,
        Numbering::Any | Numbering::Sequence | Numbering::Timestamp | Numbering::Ordinal => {
            name.starts_with(|c: char| c.is_ascii_digit())
        }
    };
    !name.starts_with('.') && !left_over && (sql || named)
}

/// The functions and constants at the top level of a test in Rust.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct FolderFile {
    before: Vec<String>,
    after: Vec<String>,
    fill: bool,
    intents: Vec<Intent>,
}

/// Looks for the functions at the top level of a file.
fn scan(text: &str, file: &str) -> (FolderFile, Vec<Diagnostic>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Ok(tokens) = TokenStream::from_str(text) else {
        let error =
            Diagnostic::error(Code::BadTest, file, "the file is not Rust: a quotation mark or bracket has no partner")
                .help(format!("run `rustfmt {file}`: its message says where"));
        return (FolderFile::default(), vec![error]);
    };
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut found = FolderFile::default();
    let mut diagnostics = Vec::new();
    for (i, pair) in tokens.windows(2).enumerate() {
        let [TokenTree::Ident(keyword), TokenTree::Ident(name)] = pair else { continue };
        let before = |back: usize| i.checked_sub(back).map(|at| tokens[at].to_string()).unwrap_or_default();
        // `pub(crate)` is a word and a group.
        let is_public =
            |back: usize| before(back) == "pub" || (before(back).starts_with('(') && before(back + 1) == "pub");
        let (keyword, name) = (keyword.to_string(), name.to_string());
        let is_async = before(1) == "async";
        let (message, help) = match keyword.as_str() {
            "fn" => {
                let exact = matches!(name.as_str(), "before" | "after" | "fill");
                let side = ["before", "after"]
                    .into_iter()
                    .find(|side| name.strip_prefix(side).is_some_and(|rest| rest.is_empty() || rest.starts_with('_')));
                let is_helper = !exact && !is_async && !is_public(1);
                match side {
                    _ if is_helper => continue,
                    Some("before") => found.before.push(name.clone()),
                    Some(_) => found.after.push(name.clone()),
                    None if name == "fill" => found.fill = true,
                    None => continue,
                }
                if is_async && is_public(2) {
                    continue;
                }
                (
                    format!("the function `{name}` of a test is not `pub async fn {name}`"),
                    format!("write `pub async fn {name}(db: &mut Db) -> TestResult`"),
                )
            }
            "const" | "static" => {
                let Some(intent) = Intent::ALL.into_iter().find(|intent| intent.constant() == name) else { continue };
                found.intents.push(intent);
                if is_public(1) {
                    continue;
                }
                (
                    format!("the constant `{name}` of a test is not `pub`"),
                    format!("write `pub const {name}: &[&str] = &[{:?}];`", intent.example()),
                )
            }
            _ => continue,
        };
        let error = Diagnostic::error(Code::BadTest, file, message).help(help);
        let words = format!("{keyword} {name}");
        diagnostics.push(match text.find(&words) {
            Some(at) => error.at(text, at..at + words.len(), ""),
            None => error,
        });
    }
    for (name, is_there) in [("before", !found.before.is_empty()), ("after", !found.after.is_empty())] {
        if !is_there {
            let what = if name == "before" {
                "what is true before the migration and not after it"
            } else {
                "what is true after the migration and not before it"
            };
            diagnostics.push(
                Diagnostic::error(Code::IncompleteTest, file, format!("the test has no function `{name}`: {what}"))
                    .help(format!("add `pub async fn {name}(db: &mut Db) -> TestResult {{ … }}`")),
            );
        }
    }
    (found, diagnostics)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: FolderFile, codes: &[&str]) {
        let (found, diagnostics) = scan(text, "tests/migrations/1_x.rs");
        assert_eq!(found, expected, "{text}");
        assert_eq!(diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), codes, "{text}");
    }

    fn both() -> FolderFile {
        FolderFile { before: vec!["before".to_owned()], after: vec!["after".to_owned()], ..FolderFile::default() }
    }

    #[test]
    fn only_functions_at_the_top_level_are_found() {
        check("pub async fn before() {}\npub(crate) async fn after() {}", both(), &[]);
        check(
            "pub async fn before() {} pub async fn after() {} pub async fn fill() {} pub const LOSES_ROWS: &[&str] = &[];\n\
             pub const LOSES_VALUES: &[&str] = &[]; pub static CHANGES_VALUES: [&str; 0] = [];",
            FolderFile {
                fill: true,
                intents: vec![Intent::LosesRows, Intent::LosesValues, Intent::ChangesValues],
                ..both()
            },
            &[],
        );
        check(
            "mod inner { pub async fn before() {} }\n// pub async fn after() {}",
            FolderFile::default(),
            &["incomplete-test", "incomplete-test"],
        );
        check("pub async fn before() {}", FolderFile { after: Vec::new(), ..both() }, &["incomplete-test"]);
    }

    #[test]
    fn private_and_blocking_functions_are_refused() {
        check("async fn before() {} pub async fn after() {}", both(), &["bad-test"]);
        check("pub async fn before() {} pub fn after() {}", both(), &["bad-test"]);
        check(
            "pub async fn before() {} pub async fn after() {} const LOSES_ROWS: [&str; 0] = [];",
            FolderFile { intents: vec![Intent::LosesRows], ..both() },
            &["bad-test"],
        );
        check("pub async fn before() {", FolderFile::default(), &["bad-test"]);
    }

    #[test]
    fn there_may_be_several_of_each() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let text = "pub async fn before_one() {} pub async fn after() {} fn after_words() {} pub async fn after_two() {}\n\
                    pub async fn afterwards() {} pub async fn before_two() {}";
        let found = FolderFile {
            before: names(&["before_one", "before_two"]),
            after: names(&["after", "after_two"]),
            ..FolderFile::default()
        };
        check(text, found.clone(), &[]);
        // One that nobody would run.
        check(&text.replace("pub async fn before_one", "async fn before_one"), found, &["bad-test"]);
    }

    #[test]
    fn an_invalid_test_in_sql_names_the_right_form() {
        let read = |text: &str| {
            let mut intents = Vec::new();
            let problems = intended(text, "x.after.sql", &mut intents);
            (intents, problems.into_iter().map(|problem| problem.message).collect::<Vec<_>>())
        };
        let text = "-- why\n--lockgate: loses-rows a, b.c\nSELECT 1;\n  -- lockgate: changes-values t.c d\n";
        let (intents, problems) = read(text);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(intents, [(Intent::LosesRows, names(&["a", "b.c"])), (Intent::ChangesValues, names(&["t.c d"]))]);
        assert!(problems.is_empty(), "{problems:?}");
        let (_, problems) = read("-- lockgate: loses-value a.b\n-- lockgate: loses-rows ,\n");
        assert_eq!(
            problems,
            [
                "`loses-value` is not a directive for tests: there are `loses-rows`, `changes-values`, `loses-values`",
                "`loses-rows` names nothing"
            ]
        );
    }

    #[test]
    fn a_name_says_whether_a_file_is_a_test() {
        for name in ["0001_x.rs", "0001_x.sql", "1.txt", "x.before.sql", "x.fill.sql"] {
            assert!(is_test(name, Numbering::Any), "{name}");
        }
        for name in ["main.rs", "seed.rs", "helpers", ".0001_x.rs.swp", "0001_x.rs~", "0001_x.rs.orig", "rows.sql"] {
            assert!(!is_test(name, Numbering::Any), "{name}");
        }
        for (name, expected) in [("billing.00000001.0002.rs", true), ("main.rs", false), ("rows.v2.rs", false)] {
            assert_eq!(is_test(name, Numbering::Encoded), expected, "{name}");
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
