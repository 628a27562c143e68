//! The tools whose folders can be converted, and the files by which each is recognized.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::folder::section::SQITCH_PLAN;

/// A tool whose folder can be converted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tool(&'static About);

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct About {
    /// What users type.
    word: &'static str,
    /// How its files look.
    layout: &'static str,
    marks: Marks,
}

/// How the files of a tool differ from files of Lockgate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Marks {
    /// Not at all.
    Nothing,
    /// In their names.
    Names,
    /// In comments within them, for which [`section`](crate::folder::section) has this name.
    Comments(&'static str),
    /// They are programs of another language; this writes their SQL.
    Code(&'static str),
}

const FILES_PER_DIRECTION: &str = "`1_users.up.sql` and `1_users.down.sql`";
const FOLDERS: &str = "`2026-01-02-030405_users/up.sql` and `down.sql`";
const VERSIONED: &str = "`V1__users.sql`";

macro_rules! tools {
    ($($word:literal, $layout:expr, $marks:expr;)*) => {
        static TOOLS: &[About] = &[$(About { word: $word, layout: $layout, marks: $marks }),*];
    };
}

tools! {
    "sqlx", "`1_users.sql`, or `1_users.up.sql` and `1_users.down.sql`", Marks::Nothing;
    "refinery", VERSIONED, Marks::Names;
    "diesel", FOLDERS, Marks::Names;
    "goose", "`-- +goose Up` and `-- +goose Down` in one file", Marks::Comments("goose");
    "dbmate", "`-- migrate:up` and `-- migrate:down` in one file", Marks::Comments("dbmate");
    "golang-migrate", FILES_PER_DIRECTION, Marks::Nothing;
    "flyway", "`V1__users.sql`, `U1__users.sql` and `R__views.sql`", Marks::Names;
    "sqitch", "`sqitch.plan`, `deploy/users.sql` and `revert/users.sql`", Marks::Names;
    "liquibase", "`--changeset` and `--rollback` in SQL files", Marks::Comments("Liquibase");
    "prisma", "`20260102030405_users/migration.sql`", Marks::Names;
    "sql-migrate", "`-- +migrate Up` and `-- +migrate Down` in one file", Marks::Comments("sql-migrate");
    "micrate", "`-- +micrate Up` and `-- +micrate Down` in one file", Marks::Comments("micrate");
    "node-pg-migrate", "`-- Up Migration` and `-- Down Migration` in one file", Marks::Comments("node-pg-migrate");
    "tern", "`---- create above / drop below ----` in the middle of a file", Marks::Comments("tern");
    "rambler", "`-- rambler up` and `-- rambler down` in one file", Marks::Comments("rambler");
    "shmig", "`-- ==== UP ====` and `-- ==== DOWN ====` in one file", Marks::Comments("");
    "play", "`# --- !Ups` and `# --- !Downs` in one file", Marks::Comments("Play");
    "mybatis", "`-- //@UNDO` in the middle of a file", Marks::Comments("MyBatis");
    "atlas", "`20260102030405_users.sql` and `atlas.sum`", Marks::Comments("Atlas");
    "drizzle", "`0000_users.sql` and `meta/_journal.json`", Marks::Names;
    "rusqlite-migration", "`01-users/up.sql` and `down.sql`", Marks::Names;
    "postgrator", "`001.do.users.sql` and `001.undo.users.sql`", Marks::Names;
    "yoyo", "`0001.users.sql` and `0001.users.rollback.sql`", Marks::Names;
    "ragtime", "`001-users.up.sql` and `001-users.down.sql`", Marks::Names;
    "db-migrate", "`20260102030405-users-up.sql` and `-down.sql`", Marks::Names;
    "alembic", "revisions in Python", Marks::Code("`alembic upgrade head --sql` and `alembic downgrade` print it");
    "django", "migrations in Python", Marks::Code("`manage.py sqlmigrate APP NUMBER` prints it, with `--backwards` that of the way down");
    "sea-orm", "migrations in Rust", Marks::Code("`sea-orm-cli` does not print it: take it from the log of `migrate up` on an empty database");
    "rails", "migrations in Ruby", Marks::Code("the log of `rails db:migrate` on an empty database has it");
    "knex", "migrations in JavaScript", Marks::Code("`knex migrate:up` with `DEBUG=knex:query` prints it");
    "sequelize", "migrations in JavaScript", Marks::Code("the log of `sequelize db:migrate` on an empty database has it");
    "typeorm", "migrations in TypeScript", Marks::Code("the calls of `queryRunner.query` in the files have it");
    "kysely", "migrations in TypeScript", Marks::Code("the log of `migrateToLatest` on an empty database has it");
    "mikro-orm", "migrations in TypeScript", Marks::Code("the calls of `this.addSql` in the files have it");
    "ecto", "migrations in Elixir", Marks::Code("`mix ecto.migrate --log-migrations-sql` prints it");
    "doctrine", "migrations in PHP", Marks::Code("`doctrine:migrations:migrate --write-sql` writes it");
    "phinx", "migrations in PHP", Marks::Code("`phinx migrate --dry-run` prints it");
    "entity-framework", "migrations in C#", Marks::Code("`dotnet ef migrations script` prints it");
}

impl Tool {
    /// What users type: `golang-migrate`.
    pub fn word(self) -> &'static str {
        self.0.word
    }

    /// How its files look.
    pub fn layout(self) -> &'static str {
        self.0.layout
    }

    /// What prints the SQL of its migrations, where these are not written in SQL.
    pub fn prints(self) -> Option<&'static str> {
        match self.0.marks {
            Marks::Code(prints) => Some(prints),
            // Most of its folders are XML or YAML.
            _ if self.word() == "liquibase" => Some("`liquibase update-sql` prints it"),
            Marks::Nothing | Marks::Names | Marks::Comments(_) => None,
        }
    }

    /// Whether its files have names and texts that are right for Lockgate.
    pub fn is_plain(self) -> bool {
        self.0.marks == Marks::Nothing
    }

    /// Every tool.
    pub fn all() -> impl Iterator<Item = Self> {
        TOOLS.iter().map(Self)
    }

    fn named(word: &str) -> Self {
        Self::all().find(|tool| tool.word() == word).expect("each tool that is named here is in the table")
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Tool {
    type Err = String;

    /// Reads the name of a tool; `_` and blanks count as `-`.
    ///
    /// # Errors
    ///
    /// A message with all tools, if there is no such tool.
    fn from_str(text: &str) -> Result<Self, String> {
        let plain = text.to_ascii_lowercase().replace(['_', ' '], "-");
        Self::all().find(|tool| tool.word() == plain).ok_or_else(|| {
            let words: Vec<&str> = Self::all().map(Self::word).collect();
            format!(
                "Lockgate knows the folders of {}; `cargo xtask init` also shows how it would convert other folders",
                words.join(", ")
            )
        })
    }
}

/// A file that only some tools write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The path below the folder.
    pub path: String,
    /// The tools that write such files.
    pub tools: BTreeSet<Tool>,
}

/// The tool that keeps its own records in this file.
pub(super) fn keeps(directory: &str, file: &str) -> Option<&'static str> {
    match file {
        "migration_lock.toml" => Some("Prisma"),
        "atlas.sum" => Some("Atlas"),
        _ if directory == "meta" && file.ends_with(".json") => Some("Drizzle"),
        _ => None,
    }
}

/// The tools that name a file like this one; empty if the name says nothing.
pub(super) fn of_name(path: &str, paths: &BTreeSet<&str>) -> Vec<Tool> {
    let lower = path.to_ascii_lowercase();
    let (directory, file) = lower.rsplit_once('/').unwrap_or(("", &lower));
    let words: &[&str] = match file {
        "sqitch.plan" if directory.is_empty() => &["sqitch"],
        "migration_lock.toml" => &["prisma"],
        "atlas.sum" => &["atlas"],
        "_journal.json" if directory == "meta" => &["drizzle"],
        "migration.sql" => &["prisma"],
        "up.sql" | "down.sql" => &["diesel", "rusqlite-migration"],
        _ => &[],
    };
    let words = match file.strip_suffix(".sql") {
        Some(_) if !words.is_empty() => words,
        Some(_) if paths.contains(SQITCH_PLAN) && !directory.is_empty() => &["sqitch"],
        Some(stem) => of_stem(stem, directory, paths),
        None => words,
    };
    words.iter().copied().map(Tool::named).collect()
}

/// Of the name of a SQL file, in lower case and without its ending.
fn of_stem(stem: &str, directory: &str, paths: &BTreeSet<&str>) -> &'static [&'static str] {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    if let Some(rest) = stem.strip_prefix("r__") {
        return if rest.is_empty() { &[] } else { &["flyway"] };
    }
    if let Some(rest) = stem.strip_prefix(['v', 'u', 'b'])
        && digits(rest) > 0
        && rest.contains("__")
    {
        let is_one_number = rest[digits(rest)..].starts_with("__");
        return if is_one_number && !stem.starts_with('b') { &["refinery", "flyway"] } else { &["flyway"] };
    }
    let rest = &stem[digits(stem)..];
    if rest.len() == stem.len() {
        return &[];
    }
    let parts: Vec<&str> = rest.split('.').collect();
    match parts.as_slice() {
        ["", "do" | "undo", ..] => return &["postgrator"],
        [_, .., "rollback" | "apply"] => return &["yoyo"],
        [first, "up" | "down"] if first.starts_with('-') => return &["ragtime"],
        _ => {}
    }
    let partner = |from: &str, to: &str| {
        let folder = if directory.is_empty() { String::new() } else { format!("{directory}/") };
        stem.strip_suffix(from).is_some_and(|base| {
            let partner = format!("{folder}{base}{to}.sql");
            paths.iter().any(|path| path.eq_ignore_ascii_case(&partner))
        })
    };
    if rest.starts_with('-') && (partner("-up", "-down") || partner("-down", "-up")) { &["db-migrate"] } else { &[] }
}

/// The tools that write such comments, by the names that sections have for them.
pub(super) fn of_comments(names: &BTreeSet<String>) -> Vec<Tool> {
    let by = |tool: &Tool| match tool.0.marks {
        // Headings such as `-- ==== UP ====` are not the mark of one tool.
        Marks::Comments(name) => !name.is_empty() && names.contains(name),
        Marks::Nothing | Marks::Names | Marks::Code(_) => false,
    };
    Tool::all().filter(by).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_which_tools_write_it() {
        let paths: BTreeSet<&str> = ["1-users-down.sql", "1-users-up.sql"].into();
        let check = |path: &str, expected: &[&str]| {
            let words: Vec<&str> = of_name(path, &paths).into_iter().map(Tool::word).collect();
            assert_eq!(words, expected, "{path}");
        };
        check("0001_users.up.sql", &[]);
        check("20260102030405_users.sql", &[]);
        check("V1__users.sql", &["refinery", "flyway"]);
        check("more/U2__users.sql", &["refinery", "flyway"]);
        check("V1.2__users.sql", &["flyway"]);
        check("R__views.sql", &["flyway"]);
        check("2026-01-02-030405_users/up.sql", &["diesel", "rusqlite-migration"]);
        check("20260102030405_users/migration.sql", &["prisma"]);
        check("sqitch.plan", &["sqitch"]);
        check("001.do.users.sql", &["postgrator"]);
        check("0001.users.rollback.sql", &["yoyo"]);
        check("001-users.up.sql", &["ragtime"]);
        check("1-users-up.sql", &["db-migrate"]);
        check("deploy/users.sql", &[]);
        assert_eq!(of_name("deploy/users.sql", &["sqitch.plan"].into())[0].word(), "sqitch");
    }

    #[test]
    fn each_word_names_one_tool() {
        for tool in Tool::all() {
            assert_eq!(tool.word().parse(), Ok(tool));
        }
        assert_eq!("Golang_Migrate".parse::<Tool>().unwrap().word(), "golang-migrate");
        assert!("oracle".parse::<Tool>().unwrap_err().contains("sqlx, refinery, diesel"));
    }
}
