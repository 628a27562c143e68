//! The files that `cargo xtask init` and `cargo xtask new-migration` write, as values. Their texts come from
//! `templates/`. Nothing here writes to disk.

use include_dir::{Dir, include_dir};
use lockgate_core::{Dialect, Dialects};

use crate::folder::name;
use crate::folder::policy::Numbering;
use crate::id::Id;
use crate::renumber::Next;

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// A file to be written: its path below the directory that holds the folder, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// The path, with forward slashes: `migrations/0001_create_users.up.sql`.
    pub path: String,
    /// The text.
    pub content: String,
}

/// The kind of a new migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// An up and a down script.
    Reversible,
    /// One script, with a directive that says why there is no down script.
    OneWay,
    /// A Rust step with `up` and `down`.
    Rust,
    /// A Rust step without `down`.
    OneWayRust,
}

/// The language of a migration's test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestLanguage {
    /// One file of Rust.
    Rust,
    /// Two files of SQL.
    Sql,
}

/// What a patch is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The database.
    pub database: String,
    /// The role that its name names.
    pub user: String,
}

/// A new migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMigration {
    /// The name of the folder's last component: `migrations`.
    pub folder: String,
    /// Its version, from [`renumber::next_version`](crate::renumber::next_version).
    pub version: Next,
    /// The folder's numbering.
    pub numbering: Numbering,
    /// The other parts of a patch's name; `None` unless the numbering is `encoded`.
    pub owner: Option<Owner>,
    /// What it does, in words: `add email to users`.
    pub name: String,
    /// What it is made of.
    pub shape: Shape,
    /// The language of its test.
    pub test: TestLanguage,
}

impl NewMigration {
    /// Version and name as its files write them: `0002_add_email_to_users`, or `None` if the name
    /// has no letter and no digit.
    pub fn id(&self) -> Option<Id> {
        let (digits, name) = (&self.version.digits, slug(&self.name)?);
        let id = match &self.owner {
            Some(Owner { database, user }) => format!("{database}.{digits}.{user}.{name}"),
            None => format!("{digits}{}{name}", name::separator(self.numbering)),
        };
        Id::parse(&id).ok()
    }

    /// Its files, or `None` if the name has no letter and no digit.
    pub fn files(&self) -> Option<Vec<NewFile>> {
        let id = self.id()?;
        let templates: &[(&str, &str)] = match self.shape {
            Shape::Reversible => &[("migration/up.sql", ".up.sql"), ("migration/down.sql", ".down.sql")],
            Shape::OneWay => &[("migration/one-way.sql", ".sql")],
            Shape::Rust => &[("migration/step.rs", ".rs")],
            Shape::OneWayRust => &[("migration/one-way-step.rs", ".rs")],
        };
        let mut files: Vec<NewFile> = templates
            .iter()
            .map(|(template, suffix)| file(format!("{}/{id}{suffix}", self.folder), template, &[("id", &id)]))
            .collect();
        files.extend(test(id.key(), self.test));
        Some(files)
    }
}

/// Turns words into a file name: `add email to users` becomes `add_email_to_users`. Returns `None` if there is no
/// letter and no digit.
///
/// ```
/// use lockgate_source::scaffold::slug;
///
/// assert_eq!(slug("Add e-mail to Users!").as_deref(), Some("add_e-mail_to_users"));
/// assert_eq!(slug("?!"), None);
/// ```
pub fn slug(text: &str) -> Option<String> {
    let name = name::clean(&text.to_lowercase());
    let name = name.trim_matches(['_', '-']);
    (!name.is_empty()).then(|| name.to_owned())
}

/// The files of a migration's test, which fails until it is written.
///
/// ```
/// use lockgate_source::scaffold::{TestLanguage, test};
///
/// let files = test("0001_add_tags", TestLanguage::Sql);
/// assert_eq!(files[0].path, "tests/migrations/0001_add_tags.before.sql");
/// ```
pub fn test(id: &str, language: TestLanguage) -> Vec<NewFile> {
    let templates: &[(&str, &str)] = match language {
        TestLanguage::Rust => &[("migration/test.rs", ".rs")],
        TestLanguage::Sql => {
            &[("migration/test.before.sql", ".before.sql"), ("migration/test.after.sql", ".after.sql")]
        }
    };
    let of =
        |(template, suffix): &(&str, &str)| file(format!("tests/migrations/{id}{suffix}"), template, &[("id", id)]);
    templates.iter().map(of).collect()
}

/// The part of a generated test for rows where none are needed yet.
const FILL: &str = "\
// Rows that exist when the migration runs. They must survive it and its down script.
// pub async fn fill(db: &mut Db) -> TestResult {
//     db.execute(\"INSERT INTO …\").await?;
//     Ok(())
// }
";

/// The file of the test of a migration that was generated: `before` and `after` are the statements of Rust that check what
/// the migration has changed, and `declares` has the names of constants with what they list: `LOSES_ROWS`.
pub fn generated_test(
    id: &str,
    before: &[String],
    after: &[String],
    declares: &[(&str, Vec<String>)],
    rows: &[String],
) -> NewFile {
    let constants: String = declares
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(name, names)| format!("/// What the migration deletes.\npub const {name}: &[&str] = &{names:?};\n\n"))
        .collect();
    let body = |lines: &[String]| match lines.split_last() {
        Some((last, lines)) => {
            let lines: String = lines.iter().map(|line| format!("    {line}.await?;\n")).collect();
            format!("{lines}    {last}.await")
        }
        None => "    db.is_true(\"SELECT 'what this migration changes' = 'not written yet'\").await".to_owned(),
    };
    let fill = match rows.is_empty() {
        true => FILL.to_owned(),
        false => {
            let lines: String = rows.iter().map(|sql| format!("    db.execute({sql:?}).await?;\n")).collect();
            format!(
                "/// Rows that exist when the migration runs. They must survive it and its down script.\n\
                 pub async fn fill(db: &mut Db) -> TestResult {{\n{lines}    Ok(())\n}}\n"
            )
        }
    };
    let words = [
        ("id", id),
        ("declares", &*constants),
        ("before", &*body(before)),
        ("after", &*body(after)),
        ("fill", fill.trim_end()),
    ];
    file(format!("tests/migrations/{id}.rs"), "migration/generated-test.rs", &words)
}

/// The files that `cargo xtask init` writes for a folder of this name: policy, an empty lockfile
/// and how git merges it, the build script and the main file of the migrations' tests.
pub fn init(folder: &str, dialects: Dialects) -> Vec<NewFile> {
    let quoted: Vec<String> = dialects.iter().map(|dialect: Dialect| format!("\"{dialect}\"")).collect();
    let dialects = quoted.join(", ");
    let mut build = file("build.rs".to_owned(), "init/build.rs", &[]);
    build.content = build.content.replace("lockgate_build::check()", &check_in_build_script(folder));
    vec![
        file(format!("{folder}/migrations.toml"), "init/migrations.toml", &[("dialects", &dialects)]),
        NewFile { path: format!("{folder}/migrations.lock"), content: crate::Lockfile::default().render() },
        file(format!("{folder}/.gitattributes"), "init/gitattributes", &[]),
        build,
        main_of_tests(folder),
    ]
}

/// What the build script of a package calls for a folder of this name.
pub fn check_in_build_script(folder: &str) -> String {
    match folder {
        "migrations" => "lockgate_build::check()".to_owned(),
        _ => format!("lockgate_build::check_folder({folder:?})"),
    }
}

/// The main file of the tests of a folder of this name, as `embed_migrations!` would name it.
pub fn main_of_tests(folder: &str) -> NewFile {
    let path = if folder == "migrations" { String::new() } else { format!("{folder:?}") };
    file("tests/migrations/main.rs".to_owned(), "init/tests.rs", &[("folder", &path)])
}

/// The files of a workspace's own xtask: its manifest, its main file, and the alias that makes
/// `cargo xtask` of it.
pub fn xtask() -> Vec<NewFile> {
    vec![
        file("xtask/Cargo.toml".to_owned(), "xtask/Cargo.toml.in", &[("release", env!("CARGO_PKG_VERSION"))]),
        file("xtask/src/main.rs".to_owned(), "xtask/main.rs", &[]),
        file(".cargo/config.toml".to_owned(), "xtask/config.toml", &[]),
    ]
}

/// The alias of a workspace whose people have the commands installed: `cargo xtask` is `cargo lockgate`.
pub fn alias() -> NewFile {
    file(".cargo/config.toml".to_owned(), "xtask/installed.toml", &[])
}

fn file(path: String, template: &str, words: &[(&str, &str)]) -> NewFile {
    let text = TEMPLATES.get_file(template).and_then(|file| file.contents_utf8());
    let mut content = text.expect("each template that is named here is embedded").to_owned();
    for (word, value) in words {
        content = content.replace(&format!("{{{{{word}}}}}"), value);
    }
    NewFile { path, content }
}

#[cfg(test)]
mod tests {
    use lockgate_core::Version;

    use super::*;
    use crate::policy;

    fn new(name: &str, shape: Shape) -> NewMigration {
        NewMigration {
            folder: "migrations".to_owned(),
            version: Next { version: Version::new(31).unwrap(), digits: "031".to_owned() },
            numbering: Numbering::Any,
            owner: None,
            name: name.to_owned(),
            shape,
            test: TestLanguage::Rust,
        }
    }

    fn paths(name: &str, shape: Shape) -> Vec<String> {
        new(name, shape).files().unwrap().into_iter().map(|file| file.path).collect()
    }

    #[test]
    fn a_new_migration_has_its_final_name_and_a_test() {
        assert_eq!(
            paths("add foo", Shape::Reversible),
            ["migrations/031_add_foo.up.sql", "migrations/031_add_foo.down.sql", "tests/migrations/031_add_foo.rs"]
        );
        assert_eq!(
            paths("Größe: neu", Shape::OneWay),
            ["migrations/031_größe_neu.sql", "tests/migrations/031_größe_neu.rs"]
        );
        assert_eq!(paths("x", Shape::Rust)[0], "migrations/031_x.rs");
        assert_eq!(paths("x", Shape::OneWayRust)[0], "migrations/031_x.rs");
        assert_eq!(new(" .. ", Shape::OneWay).files(), None);
    }

    #[test]
    fn the_test_of_a_patch_has_the_name_of_its_key() {
        let owner = Some(Owner { database: "billing".to_owned(), user: "billing_owner".to_owned() });
        let version = Next { version: Version::new(1_0002).unwrap(), digits: "00000001.0002".to_owned() };
        let numbering = Numbering::Encoded;
        let new = NewMigration { version, numbering, owner, ..new("Add invoices v1.2", Shape::Reversible) };
        let files = new.files().unwrap();
        let id = "billing.00000001.0002.billing_owner.add_invoices_v1_2";
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                &format!("migrations/{id}.up.sql"),
                &format!("migrations/{id}.down.sql"),
                "tests/migrations/billing.00000001.0002.rs"
            ]
        );
        assert!(!files[2].content.contains("invoices"), "{}", files[2].content);
    }

    #[test]
    fn every_template_is_filled_in_and_none_is_left() {
        let mut used = 1; // the README
        for shape in [Shape::Reversible, Shape::OneWay, Shape::Rust, Shape::OneWayRust] {
            let files = new("x", shape).files().unwrap();
            used += files.len() - 1;
            for file in files {
                assert!(file.content.contains("031_x") && !file.content.contains("{{"), "{file:?}");
            }
        }
        used += test("x", TestLanguage::Rust).len() + test("x", TestLanguage::Sql).len();
        let generated = generated_test(
            "031_x",
            &["a".to_owned()],
            &["b".to_owned(), "c".to_owned()],
            &[("LOSES_ROWS", vec!["t".to_owned()])],
            &["INSERT INTO \"t\" DEFAULT VALUES".to_owned()],
        )
        .content;
        let fill = "pub async fn fill(db: &mut Db) -> TestResult {\n    \
                    db.execute(\"INSERT INTO \\\"t\\\" DEFAULT VALUES\").await?;\n    Ok(())\n}\n";
        assert!(generated.ends_with(fill), "{generated}");
        assert!(generated.contains("{\n    b.await?;\n    c.await\n}") && !generated.contains("{{"), "{generated}");
        assert!(generated.contains("pub const LOSES_ROWS: &[&str] = &[\"t\"];"), "{generated}");
        assert!(generated_test("031_x", &[], &[], &[], &[]).content.contains("not written yet"));
        used += 1;
        let init = init("migrations", Dialects::NONE.with(Dialect::Sqlite));
        used += init.len() - 1; // the lockfile has no template
        let mut xtask = xtask();
        xtask.push(alias());
        used += xtask.len();
        assert!(init.iter().chain(&xtask).all(|file| !file.content.contains("{{")));
        assert_eq!(used, count(&TEMPLATES));
    }

    fn count(dir: &Dir<'_>) -> usize {
        dir.files().count() + dir.dirs().map(count).sum::<usize>()
    }

    #[test]
    fn the_policy_that_is_written_is_strict_and_valid() {
        let files = init("db", Dialects::NONE.with(Dialect::Postgres).with(Dialect::Sqlite));
        let (policy, diagnostics) = policy::parse(&files[0].content, &files[0].path);
        assert_eq!(diagnostics, []);
        assert_eq!(policy.numbering, Numbering::Sequence);
        assert_eq!((policy.down, policy.tests), (policy::Need::Required, policy::Need::Required));
        assert_eq!(policy.dialects.map(|dialects| dialects.to_string()).as_deref(), Some("postgres, sqlite"));
        assert!(files[3].content.contains("lockgate_build::check_folder(\"db\")"));
    }
}
