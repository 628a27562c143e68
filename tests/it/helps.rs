//! Follows each help in a message about a folder to the letter: the wrong example of each code is
//! written, the help is typed or edited as it says, and the problem must be gone.
//!
//! [`WAYS`] quotes the words of each help that it follows, so a changed help fails here. A help
//! that is not followed fails too, and so does a code without a help.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lockgate_source::diagnostic::example::{Example, File, When};
use lockgate_source::folder::{self, Loaded, Tests};
use lockgate_source::{Code, Diagnostic, Severity, lockfile};

use crate::support::scratch::Scratch;

/// How a help is followed.
#[derive(Clone, Copy, Debug)]
enum Do {
    /// Types this command, which is in backticks in the help.
    Type(&'static str),
    /// Types a command that is also needed, and that another message names.
    Then(&'static str),
    /// Replaces these words in the file.
    Edit(&'static str, &'static str, &'static str),
    /// Writes these lines at the top of the file; they are in backticks in the help.
    First(&'static str, &'static str),
    /// Writes a file.
    Write(&'static str, &'static str),
    /// Renames a file to a name that is in backticks in the help.
    Rename(&'static str, &'static str),
    Delete(&'static str),
    /// A person must decide; this is why.
    Person(&'static str),
}
use Do::{Delete, Edit, First, Person, Rename, Then, Type, Write};

/// A code, words of one of its helps, and what they mean.
type Way = (Code, &'static str, &'static [Do]);

const USERS: &str = "0001_create_users.sql";
const LOCK: Do = Then("cargo xtask check --write");
const AN_INDEX: &str = "CREATE UNIQUE INDEX CONCURRENTLY users_name ON users (name);\n";
const DESIGN: &str = "what to make of the schema is a design, over more than one release";

const WAYS: &[Way] = &[
    (
        Code::AddColumnRewrite,
        "`ALTER TABLE users ADD COLUMN token UUID`, then `ALTER TABLE users ALTER COLUMN token SET DEFAULT gen_random_uuid()`",
        &[Edit(
            "0002_add_token.sql",
            " DEFAULT gen_random_uuid()",
            ";\nALTER TABLE users ALTER COLUMN token SET DEFAULT gen_random_uuid()",
        )],
    ),
    (Code::BadDirective, "write it like `-- lockgate: lock-timeout 5s`", &[Edit(USERS, "timeout 5", "timeout 5s")]),
    (
        Code::BadLockfile,
        "restore `app/migrations/migrations.lock` from version control",
        &[Person("version control has it, and the example has no version control")],
    ),
    (
        Code::BadLockfile,
        "delete it, run `cargo xtask check --write`, and then `cargo xtask freeze` if these migrations are released",
        &[Delete("migrations.lock"), Type("cargo xtask check --write"), Type("cargo xtask freeze")],
    ),
    (Code::BadName, "rename it to `0001_create_users.sql`", &[Rename("create_users.sql", USERS)]),
    (Code::BadPolicy, "for example `down = \"required\"`", &[Edit("migrations.toml", "required", "\"required\"")]),
    (
        Code::BadRust,
        "run `rustfmt app/migrations/0001_hash_passwords.rs`: its message says where",
        &[Edit("0001_hash_passwords.rs", "Ok(())\n", "Ok(())\n}\n")],
    ),
    (
        Code::BadStep,
        "write `pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult`",
        &[Edit("0001_hash_passwords.rs", "fn up", "pub async fn up")],
    ),
    (
        Code::BadTest,
        "write `pub async fn before(db: &mut Db) -> TestResult`",
        &[Edit("../tests/migrations/0001_create_users.rs", "async fn before", "pub async fn before")],
    ),
    (Code::BadValue, "did you mean \"required\"?", &[Edit("migrations.toml", "mandatory", "required")]),
    (
        Code::BadVersion,
        "run `cargo xtask renumber 20260231093000_create_users`",
        &[Type("cargo xtask renumber 20260231093000_create_users")],
    ),
    (
        Code::BlockingConstraint,
        "`ALTER TABLE users ADD CONSTRAINT adult CHECK (age > 17) NOT VALID`, then `ALTER TABLE users VALIDATE CONSTRAINT adult`",
        &[
            Edit("0002_check_age.sql", "17);", "17) NOT VALID;"),
            Write("0003_validate.sql", "ALTER TABLE users VALIDATE CONSTRAINT adult;\n"),
            LOCK,
        ],
    ),
    (
        Code::BlockingDropIndex,
        "write `-- lockgate: no-transaction` as the first line, and `DROP INDEX CONCURRENTLY users_name`",
        &[
            Edit("0002_drop_index.sql", "INDEX", "INDEX CONCURRENTLY"),
            First("0002_drop_index.sql", "-- lockgate: no-transaction"),
        ],
    ),
    (
        Code::BlockingIndex,
        "write `-- lockgate: no-transaction` as the first line, and `CREATE INDEX CONCURRENTLY users_name ON users (name)`",
        &[
            Edit("0002_index_name.sql", "INDEX", "INDEX CONCURRENTLY"),
            First("0002_index_name.sql", "-- lockgate: no-transaction"),
        ],
    ),
    (
        Code::BlockingRefresh,
        "`REFRESH MATERIALIZED VIEW CONCURRENTLY ages` lets others read",
        &[Edit("0002_refresh_ages.sql", "VIEW", "VIEW CONCURRENTLY")],
    ),
    (
        Code::BlockingUnique,
        "then `ALTER TABLE users ADD CONSTRAINT users_name UNIQUE USING INDEX users_name`",
        &[
            Write("0002_unique_name.sql", AN_INDEX),
            First("0002_unique_name.sql", "-- lockgate: no-transaction"),
            Write("0003_use.sql", "ALTER TABLE users ADD CONSTRAINT users_name UNIQUE USING INDEX users_name;\n"),
            LOCK,
        ],
    ),
    (Code::BrokenChain, "then run `cargo xtask check --write` to write", &[Type("cargo xtask check --write")]),
    (Code::ChangeType, "add a column of the new type beside `age`", &[Person(DESIGN)]),
    (
        Code::ClientCommand,
        "delete it: Lockgate finds the end of a compound statement without it",
        &[Edit("0001_count.sql", "DELIMITER //\n", ""), Edit("0001_count.sql", "//\nDELIMITER ;", ";")],
    ),
    (
        Code::CopyData,
        "if the folder is for PostgreSQL alone, say `dialects = [\"postgres\"]` in its `migrations.toml`",
        &[Write("migrations.toml", "dialects = [\"postgres\"]\n")],
    ),
    (
        Code::CopyData,
        "or write the rows as INSERT statements",
        &[Write("0001_fill_users.sql", "INSERT INTO users (id, name) VALUES (1, 'ada');\n")],
    ),
    (
        Code::CopyLineShared,
        "put it on a line of its own, after the line `\\.` that ends the data",
        &[Edit("0001_fill_users.sql", " SELECT 1;", ""), Edit("0001_fill_users.sql", "\\.\n", "\\.\nSELECT 1;\n")],
    ),
    (
        Code::CopyOut,
        "delete it: the output of a migration is not shown",
        &[Write("0001_show_users.sql", "CREATE TABLE users (id BIGINT PRIMARY KEY);\n")],
    ),
    (
        Code::Deleted,
        "restore it from version control",
        &[Write(USERS, "CREATE TABLE users (id BIGINT PRIMARY KEY);\n")],
    ),
    (Code::DelimiterMissing, "delete it: Lockgate finds", &[Edit("0001_count.sql", "DELIMITER\n", "")]),
    (
        Code::DelimiterTooLong,
        "delete it: Lockgate finds",
        &[Edit("0001_count.sql", "DELIMITER ----------------\n", "")],
    ),
    (
        Code::DownWithoutUp,
        "add `0001_create_users.up.sql`",
        &[Write("0001_create_users.up.sql", "CREATE TABLE users (id BIGINT PRIMARY KEY);\n")],
    ),
    (Code::DownWithoutUp, "or delete this file", &[Delete("0001_create_users.down.sql")]),
    (
        Code::DropCascade,
        "drop its tables by name, without `CASCADE`",
        &[Edit(
            "0002_drop_archive.sql",
            "DROP SCHEMA archive CASCADE",
            "DROP TABLE archive.users;\nDROP SCHEMA archive",
        )],
    ),
    (Code::DropColumn, "drop it one release after the last program that uses it", &[Person(DESIGN)]),
    (Code::DropTable, "drop it one release after the last program that uses it", &[Person(DESIGN)]),
    (
        Code::Duplicate,
        "run `cargo xtask renumber 0001_create_users`",
        &[Type("cargo xtask renumber 0001_create_users")],
    ),
    (
        Code::DuplicateTest,
        "put all of it into one of the two, and delete the other",
        &[Delete("../tests/migrations/0001_create_users.after.sql")],
    ),
    (
        Code::Edited,
        "undo the edit (`git checkout HEAD -- app/migrations/0001_create_users.sql` does, unless it is committed)",
        &[Type("git checkout HEAD -- app/migrations/0001_create_users.sql")],
    ),
    (
        Code::Edited,
        "and write a new migration: `cargo xtask new-migration \"what it changes\"`",
        &[
            Type("git checkout HEAD -- app/migrations/0001_create_users.sql"),
            Type("cargo xtask new-migration \"what it changes\""),
        ],
    ),
    (
        Code::Edited,
        "type `cargo xtask amend 0001 --reason \"why\"`",
        &[Type("cargo xtask amend 0001 --reason \"why\"")],
    ),
    (Code::EmptyScript, "write its statements", &[Write(USERS, "CREATE TABLE users (id BIGINT PRIMARY KEY);\n")]),
    (Code::EmptyScript, "or delete it", &[Delete(USERS)]),
    (
        Code::EmptyTable,
        "delete selected rows with `DELETE … WHERE`",
        &[Write("0002_forget_users.sql", "DELETE FROM users WHERE id < 7;\n")],
    ),
    (
        Code::EnumValueUsed,
        "add the value in a migration of its own, before this one: `ALTER TYPE mood ADD VALUE 'calm'`",
        &[Person("which of the two is released first is not in the files")],
    ),
    (
        Code::FilledTable,
        "give the rows a value: `ADD COLUMN email TEXT NOT NULL DEFAULT …`",
        &[Edit("0002_add_email.sql", "NOT NULL", "NOT NULL DEFAULT ''")],
    ),
    (Code::FilledTable, "or add it without `NOT NULL`, fill it", &[Edit("0002_add_email.sql", " NOT NULL", "")]),
    (Code::ForeignPlaceholder, "write the value in its place", &[Edit(USERS, "${host}", "'db'")]),
    (
        Code::ForeignSection,
        "move line 5 to `0001_create_users.down.sql`, and name this file `0001_create_users.up.sql`",
        &[
            Edit(USERS, "\n-- migrate:down\nDROP TABLE users;", ""),
            Rename(USERS, "0001_create_users.up.sql"),
            Write("0001_create_users.down.sql", "DROP TABLE users;\n"),
            LOCK,
        ],
    ),
    (
        Code::ForeignSection,
        "or type `cargo xtask adopt`",
        &[Then("cargo xtask adopt --dialects postgres --write"), LOCK],
    ),
    (
        Code::ForeignTransaction,
        "write `-- lockgate: no-transaction` as the first line",
        &[First(USERS, "-- lockgate: no-transaction")],
    ),
    (
        Code::ForeignTransaction,
        "or delete this line, if the script may run in a transaction",
        &[Edit(USERS, "-- migrate:up transaction:false\n", "")],
    ),
    (Code::Gap, "run `cargo xtask renumber 0003_create_tags`", &[Type("cargo xtask renumber 0003_create_tags")]),
    (
        Code::Gap,
        "or add what is missing",
        &[Write("0002_create_books.sql", "CREATE TABLE books (id BIGINT PRIMARY KEY);\n")],
    ),
    (Code::Gap, "or say `numbering = \"any\"` instead", &[Edit("migrations.toml", "\"sequence\"", "\"any\"")]),
    (Code::IncompleteDown, "add `DROP TABLE colours`", &[First("0001_create_tags.down.sql", "DROP TABLE colours")]),
    (
        Code::IncompleteTest,
        "write `app/tests/migrations/0001_create_users.before.sql`: statements that return true",
        &[Write("../tests/migrations/0001_create_users.before.sql", "SELECT 1 = 1;\n")],
    ),
    (
        Code::IrreversibleDown,
        "delete the directive",
        &[Write("0001_create_users.up.sql", "CREATE TABLE users (id BIGINT PRIMARY KEY);\n")],
    ),
    (Code::IrreversibleDown, "or delete the down script", &[Delete("0001_create_users.down.sql")]),
    (
        Code::LossyDown,
        "save it first, for example in a table of its own",
        &[Person("what is worth saving is not in the files")],
    ),
    (Code::MergeConflict, "run `cargo xtask check --write`", &[Type("cargo xtask check --write")]),
    (
        Code::MismatchedNames,
        "rename this file to `0001_create_users.down.sql`",
        &[Rename("0001_create_user.down.sql", "0001_create_users.down.sql")],
    ),
    (Code::Misordered, "run `cargo xtask renumber 0002_create_tags`", &[Type("cargo xtask renumber 0002_create_tags")]),
    (
        Code::MisplacedDirective,
        "move it to the head of the file",
        &[
            Edit(USERS, "-- lockgate: lock-timeout 5s\n", ""),
            Edit(USERS, "CREATE TABLE", "-- lockgate: lock-timeout 5s\nCREATE TABLE"),
        ],
    ),
    (
        Code::MissingDown,
        "rename it to `0001_create_users.up.sql` and add `0001_create_users.down.sql`",
        &[Rename(USERS, "0001_create_users.up.sql"), Write("0001_create_users.down.sql", "DROP TABLE users;\n")],
    ),
    (
        Code::MissingDown,
        "or mark it `-- lockgate: irreversible \"why\"`",
        &[First(USERS, "-- lockgate: irreversible \"why\"")],
    ),
    (Code::MissingTest, "type `cargo xtask new-test 0001`", &[Type("cargo xtask new-test 0001")]),
    (
        Code::MissingTest,
        "or say `tests = \"optional\"`",
        &[Edit("migrations.toml", "tests = \"required\"", "tests = \"optional\"")],
    ),
    (
        Code::MissingUp,
        "add `pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { … }`",
        &[Edit(
            "0001_hash_passwords.rs",
            "pub async fn down",
            "pub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult { Ok(()) }\npub async fn down",
        )],
    ),
    (
        Code::NewerGrammar,
        "or say `postgres = \"15\"`",
        &[Edit("migrations.toml", "postgres = \"14\"", "postgres = \"15\"")],
    ),
    (Code::NoSuchFolder, "", &[Person("the path is an argument of the macro, and `tests/refusals/ui` shows it")]),
    (Code::NotAFolder, "", &[Person("the path is an argument of the macro, and `tests/refusals/ui` shows it")]),
    (
        Code::NotParsed,
        "or write `-- lockgate: allow(not-parsed) \"why\"` as the first line",
        &[First("0001_deep.sql", "-- lockgate: allow(not-parsed) \"why\"")],
    ),
    (Code::NotUtf8, "", &[Write(USERS, "CREATE TABLE users (id BIGINT PRIMARY KEY);\n")]),
    (Code::NulByte, "", &[Write(USERS, "CREATE TABLE users (id BIGINT PRIMARY KEY);\n")]),
    (
        Code::OutsideTransaction,
        "write `-- lockgate: no-transaction` as the first line",
        &[First("0002_index_names.sql", "-- lockgate: no-transaction")],
    ),
    (
        Code::PlpgsqlSyntax,
        "write `-- lockgate: allow(plpgsql-syntax) \"why\"` as the first line",
        &[First("0001_note.sql", "-- lockgate: allow(plpgsql-syntax) \"why\"")],
    ),
    (
        Code::PsqlInclude,
        "copy the file into the folder, and include it there",
        &[
            Write("users.sql", "CREATE TABLE users (id BIGINT PRIMARY KEY);\n"),
            Edit(USERS, "../schema/users.sql", "users.sql"),
        ],
    ),
    (Code::PsqlLine, "write `-- lockgate: psql` as the first line", &[First(USERS, "-- lockgate: psql")]),
    (Code::PsqlLine, "delete it", &[Edit(USERS, "\\echo", "-- echo")]),
    (
        Code::PsqlVariable,
        "set it above with `\\set` or `\\getenv`",
        &[Edit("0001_password.sql", "ALTER", "\\getenv password APP_PASSWORD\nALTER")],
    ),
    (
        Code::RebuildForeignKeys,
        "write `-- lockgate: foreign-keys off` as the first line",
        &[First("0002_require_name.sql", "-- lockgate: foreign-keys off")],
    ),
    (Code::Rename, "add a column with the new name, write both for one release", &[Person(DESIGN)]),
    (Code::Renamed, "give it its name back: `0001_create_users.sql`", &[Rename("0001_create_people.sql", USERS)]),
    (Code::RepeatedDirective, "delete one of them", &[Edit(USERS, "-- lockgate: role", "-- role")]),
    (Code::Replay, "", &[Person("what fails on a database is SQL to correct, where the message points")]),
    (
        Code::SetNotNull,
        "prove it with a check first: `ALTER TABLE users ADD CONSTRAINT users_name_not_null CHECK (name IS NOT NULL) NOT VALID`",
        &[
            Write(
                "0002_require_name.sql",
                "ALTER TABLE users ADD CONSTRAINT users_name_not_null CHECK (name IS NOT NULL) NOT VALID;\n",
            ),
            Write("0003_validate.sql", "ALTER TABLE users VALIDATE CONSTRAINT users_name_not_null;\n"),
            Write("0004_require.sql", "ALTER TABLE users ALTER COLUMN name SET NOT NULL;\n"),
            LOCK,
        ],
    ),
    (Code::Syntax, "did you mean `TABLE`?", &[Edit(USERS, "TABEL", "TABLE")]),
    (Code::TableRewrite, "do it in a maintenance window", &[Person("when there is one is not in the files")]),
    (Code::Trace, "", &[Person("what fails on a database is SQL to correct, where the message points")]),
    (
        Code::TransactionControl,
        "delete this line and line 3",
        &[Edit(USERS, "BEGIN;\n", ""), Edit(USERS, "COMMIT;\n", "")],
    ),
    (Code::UnclosedParenthesis, "close it with `)`", &[Edit(USERS, "KEY", "KEY)")]),
    (
        Code::UndeclaredDialects,
        "write `dialects = [\"postgres\"]` or `dialects = [\"sqlite\"]`",
        &[Write("migrations.toml", "dialects = [\"postgres\"]\n")],
    ),
    (Code::UnknownDirective, "did you mean `no-transaction`?", &[Edit(USERS, "no-transation", "no-transaction")]),
    (Code::UnknownFile, "delete it, or move it out of the folder", &[Delete("0001_create_users.sql.orig")]),
    (Code::UnknownKey, "did you mean `down`?", &[Edit("migrations.toml", "downs", "down")]),
    (Code::UnknownRule, "did you mean `drop-column`?", &[Edit("0002_drop_age.sql", "drop-colum)", "drop-column)")]),
    (
        Code::UnknownTest,
        "rename it to `0001_create_users.rs`",
        &[Rename("../tests/migrations/0001_create_user.rs", "../tests/migrations/0001_create_users.rs")],
    ),
    (Code::Unlocked, "run `cargo xtask check --write` to add it as a draft", &[Type("cargo xtask check --write")]),
    (Code::Unreadable, "", &[Delete(USERS)]),
    (
        Code::UnsupportedAlter,
        "add it without, and then `CREATE UNIQUE INDEX users_email_key ON users (email)`",
        &[Edit("0002_add_email.sql", " UNIQUE;", ";\nCREATE UNIQUE INDEX users_email_key ON users (email);")],
    ),
    (Code::UnterminatedBody, "close it with `END`", &[Edit("0001_touch.sql", "= name;", "= name;\nEND;")]),
    (Code::UnterminatedComment, "close it with `*/`", &[Edit(USERS, "login", "login */")]),
    (
        Code::UnterminatedCopyData,
        "close it with a line that holds `\\.` alone",
        &[Edit("0001_fill_users.sql", "1\tada\n", "1\tada\n\\.\n")],
    ),
    (Code::UnterminatedDollarQuote, "close it with the same tag", &[Edit("0001_note.sql", "$Note$", "$note$")]),
    (Code::UnterminatedName, "close the quote", &[Edit(USERS, "\"users", "\"users\"")]),
    (Code::UnterminatedString, "close the quote", &[Edit("0001_add_ada.sql", "'ada", "'ada'")]),
    (Code::VanishedDraft, "run `cargo xtask check --write` to drop the line", &[Type("cargo xtask check --write")]),
    (Code::VanishedDraft, "or bring the file back", &[Write(USERS, "CREATE TABLE users (id BIGINT PRIMARY KEY);\n")]),
    (Code::BadOrder, "did you mean `users.sql`?", &[Edit("create/1-tables/order.json", "user.sql", "users.sql")]),
    (
        Code::NotListed,
        "write \"loans.sql\" at its place in the list",
        &[Edit("create/1-tables/order.json", "\"users.sql\"", "\"users.sql\", \"loans.sql\"")],
    ),
    (
        Code::RepeatableCircle,
        "put what belongs together into one script, in the right order; or move a part into a script of its own",
        &[Person("which script comes first is a design of the views")],
    ),
    (
        Code::BadSnapshot,
        "run `cargo xtask schema --write app/migrations/schema.txt`, or move it out of the folder if it is something else",
        &[Type("cargo xtask schema --write app/migrations/schema.txt")],
    ),
    (
        Code::RunsOnce,
        "write `CREATE OR REPLACE VIEW`",
        &[Edit("R__active_users.sql", "CREATE VIEW", "CREATE OR REPLACE VIEW")],
    ),
    (Code::StaleSnapshot, "", &[Person("only `check` runs the migrations, and its own tests type what it says")]),
    (Code::StrayFolder, "did you mean `deployment`?", &[Rename("deployments", "deployment"), LOCK]),
    (Code::BadSchema, "", &[Person("a server makes the schema, and a person knows where the rows belong")]),
    (Code::SchemaDiffers, "", &[Person("a server makes both schemas, and a person knows which of them is right")]),
    (
        Code::Unanswered,
        "write the answer into the script, and delete this line",
        &[Edit("0002_add_email.sql", "-- lockgate: unanswered \"the value of users.email in existing rows\"\n", "")],
    ),
    (Code::TreesDiffer, "", &[Person("a server makes both trees, and a person knows which of them is right")]),
];

/// Follows the two helps that all lints share: to silence the lint, and to freeze a released script.
fn common(problem: &Diagnostic, help: &str) -> Option<Vec<(String, String)>> {
    let silence = format!("-- lockgate: allow({}) \"why\"", problem.code);
    if help == format!("or, if it does no harm, write `{silence}` as the first line") {
        return Some(vec![("first".to_owned(), silence)]);
    }
    let freeze = "if this migration is released, do not edit it: run `cargo xtask freeze` to record it, and it is not linted again";
    (help == freeze).then(|| vec![("type".to_owned(), "cargo xtask freeze".to_owned())])
}

/// The wrong folder of a code, in a workspace.
struct Wrong {
    scratch: Scratch,
}

impl Wrong {
    fn of(code: Code) -> Option<Self> {
        let wrong = Self { scratch: Scratch::new() };
        wrong.write(".gitattributes", "");
        let Some(example) = Example::find(code) else {
            match code {
                Code::NotParsed => {
                    let deep = format!("SELECT {}1{};\n", "(".repeat(300), ")".repeat(300));
                    wrong.write("migrations.toml", "dialects = [\"postgres\"]\n");
                    wrong.write("0001_deep.sql", &deep);
                }
                Code::NotUtf8 => fs::write(wrong.path(USERS), b"SELECT '\xff';\n").unwrap(),
                Code::NulByte => wrong.write(USERS, "SELECT 1;\0\n"),
                #[cfg(unix)]
                Code::Unreadable => std::os::unix::fs::symlink("nowhere", wrong.path(USERS)).unwrap(),
                _ => return None,
            }
            return Some(wrong);
        };
        let files = example.wrong();
        let at = |when: When| files.iter().filter(move |file| file.when == when);
        let write = |file: &File| wrong.write(file.path, &format!("{}\n", file.text));
        at(When::Released).for_each(write);
        if at(When::Released).count() > 0 {
            let folder = wrong.load().folder;
            wrong.write(lockfile::FILE, &folder::freeze(&folder, folder.lockfile.as_ref()).render());
        }
        at(When::Drafted).for_each(write);
        if at(When::Drafted).count() > 0 {
            let folder = wrong.load().folder;
            wrong.write(lockfile::FILE, &folder::with_drafts(&folder, folder.lockfile.as_ref()).render());
        }
        if code == Code::Edited {
            wrong.types("git init --quiet && git add --all && git -c user.name=a -c user.email=a@b.c commit -qm a");
        }
        at(When::Now).for_each(write);
        at(When::Gone).for_each(|file| fs::remove_file(wrong.path(file.path)).unwrap());
        Some(wrong)
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        match path.strip_prefix("../") {
            Some(beside) => self.scratch.path(&format!("app/{beside}")),
            None => self.scratch.path(&format!("app/migrations/{path}")),
        }
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn load(&self) -> Loaded {
        let tests = Tests { directory: self.path("../tests/migrations"), shown: "app/tests/migrations".to_owned() };
        let backends = folder::backends::of_package(&self.scratch.path("app"));
        let mut loaded = folder::load_for(&self.path(""), "app/migrations", tests, backends);
        let (_, of_tests) = loaded.folder.tests(loaded.folder.policy.dialects());
        loaded.diagnostics.extend(of_tests);
        loaded
    }

    /// Types a line in a shell at the top of the workspace, where `cargo xtask` is ours.
    fn types(&self, line: &str) {
        let words = line.replace("cargo xtask ", &format!("'{}' ", crate::support::scratch::xtask().display()));
        let output = std::process::Command::new("sh").args(["-c", &words]).current_dir(self.scratch.path(".")).output();
        let output = output.unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        // `check --write` also reports other problems, but has done its work.
        let done = output.status.success() || (line.contains("check --write") && !text.contains("nothing was"));
        assert!(done, "{line}\n{text}");
    }

    fn does(&self, what: Do, help: &str) {
        let quoted = |words: &str| {
            let words = words.strip_prefix("../tests/migrations/").unwrap_or(words);
            assert!(help.contains(&format!("`{words}`")), "`{words}` is not what this says: {help}");
        };
        match what {
            Type(line) => {
                quoted(line);
                self.types(line);
            }
            Then(line) => self.types(line),
            Edit(file, from, to) => {
                let text = fs::read_to_string(self.path(file)).unwrap();
                assert!(text.contains(from), "no «{from}» in {file}:\n{text}");
                self.write(file, &text.replacen(from, to, 1));
            }
            First(file, line) => {
                quoted(line);
                self.first(file, line);
            }
            Write(file, text) => {
                let _ = fs::remove_file(self.path(file));
                self.write(file, text);
            }
            Rename(from, to) => {
                quoted(to);
                fs::rename(self.path(from), self.path(to)).unwrap();
            }
            Delete(file) => fs::remove_file(self.path(file)).unwrap(),
            Person(why) => assert!(!why.is_empty(), "why is it for a person to decide?"),
        }
    }

    fn first(&self, file: &str, line: &str) {
        let text = fs::read_to_string(self.path(file)).unwrap();
        let end = if line.starts_with("--") { "" } else { ";" };
        self.write(file, &format!("{line}{end}\n{text}"));
    }

    /// Checks that the problem is gone and that no other error has replaced it.
    #[track_caller]
    fn is_right(&self, code: Code, before: &BTreeSet<Code>, help: &str) {
        let now = self.load().diagnostics;
        let shown: Vec<String> = now.iter().map(|d| d.render(lockgate_source::Color::Off)).collect();
        let is_gone = now.iter().all(|d| d.code != code);
        // A new draft needs its line in the lockfile, as another message says.
        let new =
            |d: &&Diagnostic| d.severity == Severity::Error && !before.contains(&d.code) && d.code != Code::Unlocked;
        assert!(is_gone && !now.iter().any(|d| new(&d)), "{code}: {help}\n{}", shown.join("\n"));
    }
}

#[test]
fn every_help_does_what_it_says() {
    let mut untold: Vec<String> = Vec::new();
    for &code in Code::ALL {
        let ways: Vec<&Way> = WAYS.iter().filter(|(of, _, _)| *of == code).collect();
        if ways.is_empty() {
            untold.push(format!("{code}: no way"));
            continue;
        }
        // No folder can show codes about the macro's argument or a database.
        if ways.iter().all(|(_, words, does)| words.is_empty() && matches!(does, [Person(why)] if !why.is_empty())) {
            continue;
        }
        let problems = Wrong::of(code).unwrap_or_else(|| panic!("{code} has no example")).load().diagnostics;
        let before: BTreeSet<Code> = problems.iter().map(|d| d.code).collect();
        let mut followed = BTreeSet::new();
        for problem in problems.iter().filter(|problem| problem.code == code) {
            assert!(!problem.help.is_empty(), "{code} names no way out");
            for help in &problem.help {
                let of_it: Vec<&&Way> = ways.iter().filter(|(_, words, _)| help.contains(words)).collect();
                if let Some(typed) = common(problem, help) {
                    let wrong = Wrong::of(code).unwrap();
                    let file = Path::new(&problem.file).strip_prefix("app/migrations").unwrap();
                    for (how, what) in typed {
                        match how.as_str() {
                            "first" => wrong.first(file.to_str().unwrap(), &what),
                            _ => wrong.types(&what),
                        }
                    }
                    wrong.is_right(code, &before, help);
                } else if of_it.is_empty() {
                    untold.push(format!("{code}: {help}"));
                }
                for (_, words, does) in of_it {
                    followed.insert(*words);
                    let wrong = Wrong::of(code).unwrap();
                    does.iter().for_each(|what| wrong.does(*what, help));
                    if !matches!(does, [Person(_)]) {
                        wrong.is_right(code, &before, help);
                    }
                }
            }
        }
        for (_, words, _) in ways.iter().filter(|(_, words, _)| !followed.contains(words)) {
            untold.push(format!("{code}: nothing says «{words}»: {problems:?}"));
        }
    }
    assert!(untold.is_empty(), "{}", untold.join("\n"));
}

/// Migrations from before the lockfile are recorded as they are, at any level of a lint.
#[test]
fn a_help_that_names_freeze_is_right_at_every_level() {
    for &code in Code::ALL {
        let Some(wrong) = Wrong::of(code) else { continue };
        let _ = fs::remove_file(wrong.path(lockfile::FILE));
        let policy = fs::read_to_string(wrong.path("migrations.toml")).unwrap_or_default();
        let policy = match policy.contains("[lint]") {
            true => policy.replace("\"warn\"", "\"deny\""),
            false => format!("{policy}\n[lint]\n{code} = \"deny\"\n"),
        };
        if lockgate_source::sql::lint::find(code.as_str()).is_none() {
            continue;
        }
        wrong.write("migrations.toml", &policy);
        let problems = wrong.load().diagnostics;
        let names_freeze = |d: &&Diagnostic| d.help.iter().any(|help| help.contains("`cargo xtask freeze`"));
        if problems.iter().filter(|d| d.code == code).any(|d| names_freeze(&d)) {
            wrong.types("cargo xtask freeze");
            let left = wrong.load().diagnostics;
            assert!(left.iter().all(|d| d.code != code), "{code}: {left:?}");
        }
    }
}
