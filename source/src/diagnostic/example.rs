//! A small wrong folder and a right one for each code, as `cargo xtask explain` shows them. A test loads each: the
//! wrong one has the code, the right one has no diagnostics.

use super::catalogue::Code;

/// The example of one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// The code of the catalogue.
    pub code: Code,
    wrong: &'static str,
    right: &'static str,
}

/// One file of an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path relative to the folder; may begin with `../`.
    pub path: &'static str,
    /// When it has this text.
    pub when: When,
    /// Its text, without the last newline; empty if the file is gone.
    pub text: &'static str,
}

/// The time at which a file of an example has the text shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Now.
    Now,
    /// When it was released, so the lockfile records this text.
    Released,
    /// When it was added to the lockfile as a draft.
    Drafted,
    /// The file is gone.
    Gone,
}

impl Example {
    /// Returns the example of this code, if files can show the problem.
    pub fn find(code: Code) -> Option<&'static Self> {
        EXAMPLES.binary_search_by_key(&code, |example| example.code).ok().map(|at| &EXAMPLES[at])
    }

    /// The files of a folder that is refused.
    pub fn wrong(&self) -> Vec<File> {
        files(self.wrong)
    }

    /// The files of one that is not.
    pub fn right(&self) -> Vec<File> {
        files(self.right)
    }
}

impl When {
    /// The note after a path, in the table below and in what is shown.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Now => "",
            Self::Released => ", as it was released",
            Self::Drafted => ", with its line in the lockfile",
            Self::Gone => ", which is gone",
        }
    }
}

/// Splits an example at its `# path` lines.
fn files(text: &'static str) -> Vec<File> {
    let mut files = Vec::new();
    for section in text.strip_prefix("# ").unwrap_or(text).split("\n# ") {
        let (head, text) = section.split_once('\n').unwrap_or((section, ""));
        let late = [When::Released, When::Drafted, When::Gone];
        let found = late.into_iter().find_map(|when| Some((head.strip_suffix(when.suffix())?, when)));
        let (path, when) = found.unwrap_or((head, When::Now));
        files.push(File { path, when, text });
    }
    files
}

const fn example(code: Code, wrong: &'static str, right: &'static str) -> Example {
    Example { code, wrong, right }
}

/// In alphabetical order of the codes.
pub static EXAMPLES: &[Example] = &[
    example(
        Code::AddColumnRewrite,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_add_token.sql, with its line in the lockfile\n\
         ALTER TABLE users ADD COLUMN token UUID DEFAULT gen_random_uuid();",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_add_token.sql, with its line in the lockfile\nALTER TABLE users ADD COLUMN token UUID;\n\
         ALTER TABLE users ALTER COLUMN token SET DEFAULT gen_random_uuid();",
    ),
    example(
        Code::BadDirective,
        "# 0001_create_users.sql\n-- lockgate: lock-timeout 5\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
        "# 0001_create_users.sql\n-- lockgate: lock-timeout 5s\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
    ),
    example(
        Code::BadLockfile,
        "# migrations.lock\nreleased: 0001_create_users",
        "# 0001_create_users.sql, as it was released\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
    ),
    example(
        Code::BadName,
        "# create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
        "# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
    ),
    example(Code::BadPolicy, "# migrations.toml\ndown = required", "# migrations.toml\ndown = \"required\""),
    example(
        Code::BadRust,
        "# 0001_hash_passwords.rs\npub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult {\n    \
         Ok(())",
        "# 0001_hash_passwords.rs\npub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult {\n    \
         Ok(())\n}",
    ),
    example(
        Code::BadStep,
        "# 0001_hash_passwords.rs\nfn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult {\n    Ok(())\n}",
        "# 0001_hash_passwords.rs\npub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult {\n    \
         Ok(())\n}",
    ),
    example(
        Code::BadTest,
        "# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n\
         # ../tests/migrations/0001_create_users.rs\nasync fn before(db: &mut Db) -> TestResult {\n    \
         db.expect_no_table(\"users\").await\n}\n\npub async fn after(db: &mut Db) -> TestResult {\n    \
         db.expect_table(\"users\").await\n}",
        "# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n\
         # ../tests/migrations/0001_create_users.rs\npub async fn before(db: &mut Db) -> TestResult {\n    \
         db.expect_no_table(\"users\").await\n}\n\npub async fn after(db: &mut Db) -> TestResult {\n    \
         db.expect_table(\"users\").await\n}",
    ),
    example(Code::BadValue, "# migrations.toml\ndown = \"mandatory\"", "# migrations.toml\ndown = \"required\""),
    example(
        Code::BadVersion,
        "# migrations.toml\nnumbering = \"timestamp\"\n# 20260231093000_create_users.sql\nCREATE TABLE users (id BIGINT \
         PRIMARY KEY);",
        "# migrations.toml\nnumbering = \"timestamp\"\n# 20260228093000_create_users.sql\nCREATE TABLE users (id BIGINT \
         PRIMARY KEY);",
    ),
    example(
        Code::BlockingConstraint,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_check_age.sql, with its line in the lockfile\n\
         ALTER TABLE users ADD CONSTRAINT adult CHECK (age > 17);",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_check_age.sql, with its line in the lockfile\n\
         ALTER TABLE users ADD CONSTRAINT adult CHECK (age > 17) NOT VALID;\n\
         # 0003_validate_age.sql, with its line in the lockfile\nALTER TABLE users VALIDATE CONSTRAINT adult;",
    ),
    example(
        Code::BlockingDropIndex,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         CREATE INDEX users_name ON users (name);\n# 0002_drop_index.sql, with its line in the lockfile\n\
         DROP INDEX users_name;",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         CREATE INDEX users_name ON users (name);\n# 0002_drop_index.sql, with its line in the lockfile\n\
         -- lockgate: no-transaction\nDROP INDEX CONCURRENTLY users_name;",
    ),
    example(
        Code::BlockingIndex,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_index_name.sql, with its line in the lockfile\nCREATE INDEX users_name ON users (name);",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_index_name.sql, with its line in the lockfile\n-- lockgate: no-transaction\n\
         CREATE INDEX CONCURRENTLY users_name ON users (name);",
    ),
    example(
        Code::BlockingRefresh,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_ages.sql, as it was released\n\
         CREATE MATERIALIZED VIEW ages AS SELECT 7 AS age;\nCREATE UNIQUE INDEX ages_age ON ages (age);\n\
         # 0002_refresh_ages.sql, with its line in the lockfile\nREFRESH MATERIALIZED VIEW ages;",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_ages.sql, as it was released\n\
         CREATE MATERIALIZED VIEW ages AS SELECT 7 AS age;\nCREATE UNIQUE INDEX ages_age ON ages (age);\n\
         # 0002_refresh_ages.sql, with its line in the lockfile\nREFRESH MATERIALIZED VIEW CONCURRENTLY ages;",
    ),
    example(
        Code::BlockingUnique,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_unique_name.sql, with its line in the lockfile\n\
         ALTER TABLE users ADD CONSTRAINT users_name UNIQUE (name);",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_unique_name.sql, with its line in the lockfile\n-- lockgate: no-transaction\n\
         CREATE UNIQUE INDEX CONCURRENTLY users_name ON users (name);\n\
         # 0003_use_index.sql, with its line in the lockfile\n\
         ALTER TABLE users ADD CONSTRAINT users_name UNIQUE USING INDEX users_name;",
    ),
    example(
        Code::BrokenChain,
        "# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n# migrations.lock\nlockgate-lock v1 \
         chain=0000000000000000000000000000000000000000000000000000000000000000\n\
         draft 0001_create_users",
        "# 0001_create_users.sql, with its line in the lockfile\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
    ),
    example(
        Code::ChangeType,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_change_age.sql, with its line in the lockfile\nALTER TABLE users ALTER COLUMN age TYPE BIGINT;",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_change_age.sql, with its line in the lockfile\nALTER TABLE users ADD COLUMN years BIGINT;",
    ),
    example(
        Code::ClientCommand,
        "# migrations.toml\ndialects = [\"mysql\"]\n# 0001_count.sql\nDELIMITER //\nCREATE PROCEDURE count_users() BEGIN \
         SELECT COUNT(*) FROM users; END//\nDELIMITER ;",
        "# migrations.toml\ndialects = [\"mysql\"]\n# 0001_count.sql\nCREATE PROCEDURE count_users() BEGIN SELECT \
         COUNT(*) FROM users; END;",
    ),
    example(
        Code::CopyData,
        "# 0001_fill_users.sql\nCOPY users (id, name) FROM stdin;\n1\tada\n\\.",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_fill_users.sql\nCOPY users (id, name) FROM stdin;\n\
         1\tada\n\\.",
    ),
    example(
        Code::CopyLineShared,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_fill_users.sql\nCOPY users (id, name) FROM stdin; SELECT \
         1;\n1\tada\n\\.",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_fill_users.sql\nINSERT INTO users (id, name) VALUES (1, \
         'ada');\nSELECT 1;",
    ),
    example(
        Code::CopyOut,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_show_users.sql\nCOPY users TO stdout;",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_fill_users.sql\nCOPY users (id, name) FROM stdin;\n\
         1\tada\n\\.",
    ),
    example(
        Code::Deleted,
        "# 0001_create_users.sql, as it was released\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n\
         # 0001_create_users.sql, which is gone",
        "# 0001_create_users.sql, as it was released\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n\
         # 0002_drop_users.sql, with its line in the lockfile\n-- lockgate: allow(drop-table) \"nothing uses it any \
         more\"\nDROP TABLE users;",
    ),
    example(
        Code::DelimiterMissing,
        "# migrations.toml\ndialects = [\"mysql\"]\n# 0001_count.sql\nDELIMITER\nSELECT 1;",
        "# migrations.toml\ndialects = [\"mysql\"]\n# 0001_count.sql\nSELECT 1;",
    ),
    example(
        Code::DelimiterTooLong,
        "# migrations.toml\ndialects = [\"mysql\"]\n# 0001_count.sql\nDELIMITER ----------------\nSELECT 1;",
        "# migrations.toml\ndialects = [\"mysql\"]\n# 0001_count.sql\nSELECT 1;",
    ),
    example(
        Code::DownWithoutUp,
        "# migrations.toml\ndown = \"required\"\n# 0001_create_users.down.sql\nDROP TABLE users;",
        "# migrations.toml\ndown = \"required\"\n# 0001_create_users.up.sql\nCREATE TABLE users (id BIGINT PRIMARY \
         KEY);\n# 0001_create_users.down.sql\nDROP TABLE users;",
    ),
    example(
        Code::DropCascade,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_archive.sql, as it was released\n\
         CREATE SCHEMA archive;\nCREATE TABLE archive.users (id BIGINT PRIMARY KEY);\n\
         # 0002_drop_archive.sql, with its line in the lockfile\nDROP SCHEMA archive CASCADE;",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_archive.sql, as it was released\n\
         CREATE SCHEMA archive;\nCREATE TABLE archive.users (id BIGINT PRIMARY KEY);\n\
         # 0002_drop_archive.sql, with its line in the lockfile\n\
         -- lockgate: allow(drop-table) \"nothing uses it since 1.4\"\nDROP TABLE archive.users;\nDROP SCHEMA archive;",
    ),
    example(
        Code::DropColumn,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_drop_age.sql, with its line in the lockfile\nALTER TABLE users DROP COLUMN age;",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_drop_age.sql, with its line in the lockfile\n\
         -- lockgate: allow(drop-column) \"nothing names it since 1.4\"\nALTER TABLE users DROP COLUMN age;",
    ),
    example(
        Code::DropTable,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_drop_users.sql, with its line in the lockfile\nDROP TABLE users;",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_drop_users.sql, with its line in the lockfile\n\
         -- lockgate: allow(drop-table) \"nothing uses it since 1.4\"\nDROP TABLE users;",
    ),
    example(
        Code::Duplicate,
        "# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n# 0001_create_tags.sql\nCREATE TABLE tags \
         (id BIGINT PRIMARY KEY);",
        "# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n# 0002_create_tags.sql\nCREATE TABLE tags \
         (id BIGINT PRIMARY KEY);",
    ),
    example(
        Code::DuplicateTest,
        "# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n\
         # ../tests/migrations/0001_create_users.rs\npub async fn before(db: &mut Db) -> TestResult {\n    \
         db.expect_no_table(\"users\").await\n}\n\npub async fn after(db: &mut Db) -> TestResult {\n    \
         db.expect_table(\"users\").await\n}\n\
         # ../tests/migrations/0001_create_users.after.sql\nSELECT count(*) = 0 FROM users;",
        "# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n\
         # ../tests/migrations/0001_create_users.rs\npub async fn before(db: &mut Db) -> TestResult {\n    \
         db.expect_no_table(\"users\").await\n}\n\npub async fn after(db: &mut Db) -> TestResult {\n    \
         db.expect_table(\"users\").await\n}",
    ),
    example(
        Code::Edited,
        "# 0001_create_users.sql, as it was released\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n\
         # 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY, email TEXT);",
        "# 0001_create_users.sql, as it was released\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n\
         # 0002_add_email.sql, with its line in the lockfile\nALTER TABLE users ADD COLUMN email TEXT;",
    ),
    example(
        Code::EmptyScript,
        "# 0001_create_users.sql\n-- Creates users.",
        "# 0001_create_users.sql\n-- Creates users.\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
    ),
    example(
        Code::EmptyTable,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_forget_users.sql, with its line in the lockfile\nTRUNCATE users;",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_forget_users.sql, with its line in the lockfile\nDELETE FROM users WHERE age IS NULL;",
    ),
    example(
        Code::EnumValueUsed,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_calm_down.sql\nALTER TYPE mood ADD VALUE 'calm';\n\
         UPDATE users SET mood = 'calm';",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_add_calm.sql\nALTER TYPE mood ADD VALUE 'calm';\n\
         # 0002_calm_down.sql\nUPDATE users SET mood = 'calm';",
    ),
    example(
        Code::FilledTable,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_add_email.sql, with its line in the lockfile\nALTER TABLE users ADD COLUMN email TEXT NOT NULL;",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_add_email.sql, with its line in the lockfile\n\
         ALTER TABLE users ADD COLUMN email TEXT NOT NULL DEFAULT '';",
    ),
    example(
        Code::ForeignSection,
        "# 0001_create_users.sql\n-- migrate:up\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n\n-- migrate:down\nDROP TABLE users;",
        "# 0001_create_users.up.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n# 0001_create_users.down.sql\nDROP TABLE users;",
    ),
    example(
        Code::ForeignTransaction,
        "# 0001_create_users.sql\n-- migrate:up transaction:false\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
        "# 0001_create_users.sql\n-- lockgate: no-transaction\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
    ),
    example(
        Code::Gap,
        "# migrations.toml\nnumbering = \"sequence\"\n# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY \
         KEY);\n# 0003_create_tags.sql\nCREATE TABLE tags (id BIGINT PRIMARY KEY);",
        "# migrations.toml\nnumbering = \"sequence\"\n# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY \
         KEY);\n# 0002_create_tags.sql\nCREATE TABLE tags (id BIGINT PRIMARY KEY);",
    ),
    example(
        Code::IncompleteDown,
        "# 0001_create_tags.up.sql\nCREATE TABLE tags (id BIGINT PRIMARY KEY);\n\
         CREATE TABLE colours (id BIGINT PRIMARY KEY);\n# 0001_create_tags.down.sql\nDROP TABLE tags;",
        "# 0001_create_tags.up.sql\nCREATE TABLE tags (id BIGINT PRIMARY KEY);\n\
         CREATE TABLE colours (id BIGINT PRIMARY KEY);\n# 0001_create_tags.down.sql\nDROP TABLE colours;\n\
         DROP TABLE tags;",
    ),
    example(
        Code::IncompleteTest,
        "# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n\
         # ../tests/migrations/0001_create_users.after.sql\nSELECT count(*) = 0 FROM users;",
        "# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n\
         # ../tests/migrations/0001_create_users.before.sql\nSELECT to_regclass('users') IS NULL;\n\
         # ../tests/migrations/0001_create_users.after.sql\nSELECT count(*) = 0 FROM users;",
    ),
    example(
        Code::IrreversibleDown,
        "# 0001_create_users.up.sql\n-- lockgate: irreversible \"users are for ever\"\nCREATE TABLE users (id BIGINT \
         PRIMARY KEY);\n# 0001_create_users.down.sql\nDROP TABLE users;",
        "# 0001_create_users.up.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n# 0001_create_users.down.sql\nDROP \
         TABLE users;",
    ),
    example(
        Code::LossyDown,
        "# migrations.toml\n[lint]\nlossy-down = \"warn\"\n# 0001_create_tags.up.sql\n\
         CREATE TABLE tags (id BIGINT PRIMARY KEY);\n# 0001_create_tags.down.sql\nDROP TABLE tags;",
        "# migrations.toml\n[lint]\nlossy-down = \"warn\"\n# 0001_create_tags.sql\n\
         -- lockgate: irreversible \"the tags are our users' own\"\nCREATE TABLE tags (id BIGINT PRIMARY KEY);",
    ),
    example(
        Code::MergeConflict,
        "# migrations.lock\n<<<<<<< ours\ndraft 0002_create_tags\n=======\ndraft 0002_add_email\n>>>>>>> theirs",
        "# 0002_create_tags.sql, with its line in the lockfile\nCREATE TABLE tags (id BIGINT PRIMARY KEY);\n\
         # 0003_add_email.sql, with its line in the lockfile\nALTER TABLE users ADD COLUMN email TEXT;",
    ),
    example(
        Code::MismatchedNames,
        "# 0001_create_users.up.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n# 0001_create_user.down.sql\nDROP TABLE \
         users;",
        "# 0001_create_users.up.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n# 0001_create_users.down.sql\nDROP \
         TABLE users;",
    ),
    example(
        Code::Misordered,
        "# 0003_add_email.sql, as it was released\nALTER TABLE users ADD COLUMN email TEXT;\n\
         # 0002_create_tags.sql, with its line in the lockfile\nCREATE TABLE tags (id BIGINT PRIMARY KEY);",
        "# 0003_add_email.sql, as it was released\nALTER TABLE users ADD COLUMN email TEXT;\n\
         # 0004_create_tags.sql, with its line in the lockfile\nCREATE TABLE tags (id BIGINT PRIMARY KEY);",
    ),
    example(
        Code::MisplacedDirective,
        "# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n-- lockgate: lock-timeout 5s",
        "# 0001_create_users.sql\n-- lockgate: lock-timeout 5s\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
    ),
    example(
        Code::MissingDown,
        "# migrations.toml\ndown = \"required\"\n# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
        "# migrations.toml\ndown = \"required\"\n# 0001_create_users.up.sql\nCREATE TABLE users (id BIGINT PRIMARY \
         KEY);\n# 0001_create_users.down.sql\nDROP TABLE users;",
    ),
    example(
        Code::MissingTest,
        "# migrations.toml\ntests = \"required\"\n# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
        "# migrations.toml\ntests = \"required\"\n# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n\
         # ../tests/migrations/0001_create_users.rs\npub async fn before(db: &mut Db) -> TestResult {\n    \
         db.expect_no_table(\"users\").await\n}\n\npub async fn after(db: &mut Db) -> TestResult {\n    \
         db.expect_table(\"users\").await\n}",
    ),
    example(
        Code::MissingUp,
        "# 0001_hash_passwords.rs\npub async fn down(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult {\n    \
         Ok(())\n}",
        "# 0001_hash_passwords.rs\npub async fn up(tx: &mut lockgate::Transaction<'_>) -> lockgate::StepResult {\n    \
         Ok(())\n}",
    ),
    example(
        Code::NewerGrammar,
        "# migrations.toml\ndialects = [\"postgres\"]\npostgres = \"14\"\n# 0001_merge_names.sql\nMERGE INTO users USING names ON users.id = names.id WHEN MATCHED THEN UPDATE SET name = names.name;",
        "# migrations.toml\ndialects = [\"postgres\"]\npostgres = \"14\"\n# 0001_merge_names.sql\nUPDATE users SET name = names.name FROM names WHERE users.id = names.id;",
    ),
    example(
        Code::NoSuchFolder,
        "# ../src/main.rs\nstatic M: Migrations = embed_migrations!(\"migration\");",
        "# ../src/main.rs\nstatic M: Migrations = embed_migrations!(\"migrations\");",
    ),
    example(
        Code::NotAFolder,
        "# ../src/main.rs\nstatic M: Migrations = embed_migrations!(\"migrations/0001_create_users.sql\");",
        "# ../src/main.rs\nstatic M: Migrations = embed_migrations!(\"migrations\");",
    ),
    example(
        Code::OutsideTransaction,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0002_index_names.sql\nCREATE INDEX CONCURRENTLY users_name ON \
         users (name);",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0002_index_names.sql\n-- lockgate: no-transaction\nCREATE INDEX \
         CONCURRENTLY users_name ON users (name);",
    ),
    example(
        Code::PlpgsqlSyntax,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_note.sql\nDO $$ BEGIN IF true THE RAISE NOTICE 'hello'; END IF; END $$;",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_note.sql\nDO $$ BEGIN IF true THEN RAISE NOTICE 'hello'; END IF; END $$;",
    ),
    example(
        Code::PsqlLine,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql\n\\echo creating users\nCREATE TABLE users \
         (id BIGINT PRIMARY KEY);",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY \
         KEY);",
    ),
    example(
        Code::RebuildForeignKeys,
        "# migrations.toml\ndialects = [\"sqlite\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         CREATE TABLE posts (author BIGINT REFERENCES users (id) ON DELETE CASCADE);\n\
         # 0002_require_name.sql, with its line in the lockfile\n\
         CREATE TABLE users_new (id BIGINT PRIMARY KEY, name TEXT NOT NULL);\n\
         INSERT INTO users_new SELECT id, name FROM users;\nDROP TABLE users;\n\
         ALTER TABLE users_new RENAME TO users;",
        "# migrations.toml\ndialects = [\"sqlite\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         CREATE TABLE posts (author BIGINT REFERENCES users (id) ON DELETE CASCADE);\n\
         # 0002_require_name.sql, with its line in the lockfile\n-- lockgate: foreign-keys off\n\
         CREATE TABLE users_new (id BIGINT PRIMARY KEY, name TEXT NOT NULL);\n\
         INSERT INTO users_new SELECT id, name FROM users;\nDROP TABLE users;\n\
         ALTER TABLE users_new RENAME TO users;",
    ),
    example(
        Code::Rename,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_rename_name.sql, with its line in the lockfile\nALTER TABLE users RENAME COLUMN name TO nick;",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_rename_name.sql, with its line in the lockfile\nALTER TABLE users ADD COLUMN nick VARCHAR(20);",
    ),
    example(
        Code::Renamed,
        "# 0001_create_users.sql, as it was released\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n\
         # 0001_create_users.sql, which is gone\n# 0001_create_people.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
        "# 0001_create_users.sql, as it was released\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n\
         # 0002_rename_users.sql, with its line in the lockfile\nALTER TABLE users RENAME TO people;\nCREATE VIEW users AS SELECT * FROM people;",
    ),
    example(
        Code::RepeatedDirective,
        "# 0001_create_users.sql\n-- lockgate: role owner\n-- lockgate: role writer\nCREATE TABLE users (id BIGINT \
         PRIMARY KEY);",
        "# 0001_create_users.sql\n-- lockgate: role owner\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
    ),
    example(
        Code::Replay,
        "# migrations.toml\ndialects = [\"sqlite\"]\n# 0001_create_users.sql\nCREATE TABLE users (id INTEGER PRIMARY KEY, name \
         TEXT);\n# 0002_add_ada.sql\nINSERT INTO usrs (name) VALUES ('ada');",
        "# migrations.toml\ndialects = [\"sqlite\"]\n# 0001_create_users.sql\nCREATE TABLE users (id INTEGER PRIMARY KEY, name \
         TEXT);\n# 0002_add_ada.sql\nINSERT INTO users (name) VALUES ('ada');",
    ),
    example(
        Code::SetNotNull,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_require_name.sql, with its line in the lockfile\nALTER TABLE users ALTER COLUMN name SET NOT NULL;",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_require_name.sql, with its line in the lockfile\n\
         ALTER TABLE users ADD CONSTRAINT named CHECK (name IS NOT NULL) NOT VALID;\n\
         # 0003_validate_name.sql, with its line in the lockfile\nALTER TABLE users VALIDATE CONSTRAINT named;\n\
         # 0004_require_name.sql, with its line in the lockfile\nALTER TABLE users ALTER COLUMN name SET NOT NULL;",
    ),
    example(
        Code::Syntax,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql\nCREATE TABEL users (id BIGINT PRIMARY KEY);",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
    ),
    example(
        Code::TableRewrite,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_unlog_users.sql, with its line in the lockfile\nALTER TABLE users SET UNLOGGED;",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_unlog_users.sql, with its line in the lockfile\n\
         -- lockgate: allow(table-rewrite) \"a cache of some hundred rows\"\nALTER TABLE users SET UNLOGGED;",
    ),
    example(
        Code::Trace,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY, name \
         TEXT);\n# 0002_index_names.sql\nCREATE INDEX users_by_name ON users (nmae);",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY, name \
         TEXT);\n# 0002_index_names.sql\nCREATE INDEX users_by_name ON users (name);",
    ),
    example(
        Code::TransactionControl,
        "# 0001_create_users.sql\nBEGIN;\nCREATE TABLE users (id BIGINT PRIMARY KEY);\nCOMMIT;",
        "# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
    ),
    example(
        Code::UnclosedParenthesis,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql\nCREATE TABLE users (\n    id BIGINT PRIMARY \
         KEY\n;",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql\nCREATE TABLE users (\n    id BIGINT PRIMARY \
         KEY\n);",
    ),
    example(
        Code::UndeclaredDialects,
        "# ../Cargo.toml\n[dependencies]\nlockgate = { version = \"0.1\", features = [\"postgres\", \"sqlite\"] }\n\
         # 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
        "# migrations.toml\ndialects = [\"postgres\"]\n\
         # 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
    ),
    example(
        Code::UnknownDirective,
        "# 0001_create_users.sql\n-- lockgate: no-transation\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
        "# 0001_create_users.sql\n-- lockgate: no-transaction\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
    ),
    example(
        Code::UnknownFile,
        "# 0001_create_users.sql.orig\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
        "# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
    ),
    example(Code::UnknownKey, "# migrations.toml\ndowns = \"required\"", "# migrations.toml\ndown = \"required\""),
    example(
        Code::UnknownRule,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_drop_age.sql, with its line in the lockfile\n\
         -- lockgate: allow(drop-colum) \"nothing names it since 1.4\"\nALTER TABLE users DROP COLUMN age;",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_drop_age.sql, with its line in the lockfile\n\
         -- lockgate: allow(drop-column) \"nothing names it since 1.4\"\nALTER TABLE users DROP COLUMN age;",
    ),
    example(
        Code::UnknownTest,
        "# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n\
         # ../tests/migrations/0001_create_user.rs\npub async fn before(db: &mut Db) -> TestResult {\n    \
         db.expect_no_table(\"users\").await\n}\n\npub async fn after(db: &mut Db) -> TestResult {\n    \
         db.expect_table(\"users\").await\n}",
        "# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n\
         # ../tests/migrations/0001_create_users.rs\npub async fn before(db: &mut Db) -> TestResult {\n    \
         db.expect_no_table(\"users\").await\n}\n\npub async fn after(db: &mut Db) -> TestResult {\n    \
         db.expect_table(\"users\").await\n}",
    ),
    example(
        Code::Unlocked,
        "# 0001_create_users.sql, as it was released\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n\
         # 0002_create_tags.sql\nCREATE TABLE tags (id BIGINT PRIMARY KEY);",
        "# 0001_create_users.sql, as it was released\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n\
         # 0002_create_tags.sql, with its line in the lockfile\nCREATE TABLE tags (id BIGINT PRIMARY KEY);",
    ),
    example(
        Code::UnsupportedAlter,
        "# migrations.toml\ndialects = [\"sqlite\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_add_email.sql, with its line in the lockfile\nALTER TABLE users ADD COLUMN email TEXT UNIQUE;",
        "# migrations.toml\ndialects = [\"sqlite\"]\n# 0001_create_users.sql, as it was released\n\
         CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(20), age INTEGER);\n\
         # 0002_add_email.sql, with its line in the lockfile\nALTER TABLE users ADD COLUMN email TEXT;\n\
         CREATE UNIQUE INDEX users_email ON users (email);",
    ),
    example(
        Code::UnterminatedBody,
        "# migrations.toml\ndialects = [\"sqlite\"]\n# 0001_touch.sql\nCREATE TRIGGER touch AFTER INSERT ON users BEGIN\n    \
         UPDATE users SET name = name;",
        "# migrations.toml\ndialects = [\"sqlite\"]\n# 0001_touch.sql\nCREATE TRIGGER touch AFTER INSERT ON users BEGIN\n    \
         UPDATE users SET name = name;\nEND;",
    ),
    example(
        Code::UnterminatedComment,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY); /* for the login",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql\nCREATE TABLE users (id BIGINT PRIMARY KEY); /* for the login */",
    ),
    example(
        Code::UnterminatedCopyData,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_fill_users.sql\nCOPY users (id, name) FROM stdin;\n1\tada",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_fill_users.sql\nINSERT INTO users (id, name) VALUES (1, \
         'ada');",
    ),
    example(
        Code::UnterminatedDollarQuote,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_note.sql\nDO $note$ BEGIN RAISE NOTICE 'hello'; END $Note$;",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_note.sql\nDO $note$ BEGIN RAISE NOTICE 'hello'; END $note$;",
    ),
    example(
        Code::UnterminatedName,
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql\nCREATE TABLE \"users (id BIGINT PRIMARY \
         KEY);",
        "# migrations.toml\ndialects = [\"postgres\"]\n# 0001_create_users.sql\nCREATE TABLE \"users\" (id BIGINT PRIMARY \
         KEY);",
    ),
    example(
        Code::UnterminatedString,
        "# 0001_add_ada.sql\nINSERT INTO users (name) VALUES ('ada);",
        "# 0001_add_ada.sql\nINSERT INTO users (name) VALUES ('ada');",
    ),
    example(
        Code::VanishedDraft,
        "# 0001_create_users.sql, with its line in the lockfile\nCREATE TABLE users (id BIGINT PRIMARY KEY);\n\
         # 0001_create_users.sql, which is gone",
        "# 0001_create_users.sql, with its line in the lockfile\nCREATE TABLE users (id BIGINT PRIMARY KEY);",
    ),
];
