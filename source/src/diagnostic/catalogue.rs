//! Every diagnostic code with a paragraph on what it means, for `explain` and the manual. What it
//! looks like is in [`example`](super::example).

use super::example::Example;
use crate::sql::suggest;

/// One code of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The code, in kebab-case.
    pub code: &'static str,
    /// What the rule is, why there is one, and the way out.
    pub explanation: &'static str,
    /// Who finds it.
    pub finder: Finder,
}

/// Who finds a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finder {
    /// The macro, while compiling, and `cargo xtask check` too.
    Compiler,
    /// `cargo xtask check` alone, as it takes a database.
    Check,
}

/// The entry of this code.
pub fn find(code: &str) -> Option<&'static Entry> {
    CODES.binary_search_by_key(&code, |entry| entry.code).ok().map(|at| &CODES[at])
}

/// What was meant by a word that is none of these codes and other words.
pub fn nearest<'a>(word: &str, others: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    suggest::nearest(word, CODES.iter().map(|entry| entry.code).chain(others))
}

impl Entry {
    /// The first sentence of the explanation, without its full stop.
    pub fn summary(&self) -> &'static str {
        let text = self.explanation;
        text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.')
    }

    const fn by_check_alone(self) -> Self {
        Self { finder: Finder::Check, ..self }
    }

    /// A small wrong and a small right folder, where files can show it.
    pub fn example(&self) -> Option<&'static Example> {
        Example::find(self.code)
    }
}

const fn entry(code: &'static str, explanation: &'static str) -> Entry {
    Entry { code, explanation, finder: Finder::Compiler }
}

/// Every code, in alphabetical order.
pub static CODES: &[Entry] = &[
    entry(
        "add-column-rewrite",
        "A column is added whose value differs from row to row, so the table is written anew. PostgreSQL adds a \
         column in no time if all rows get the same value. A serial, an identity, a STORED column and a default such \
         as `gen_random_uuid()` give each row its own: the table and its indexes are written anew under an ACCESS \
         EXCLUSIVE lock, and nobody reads or writes the table meanwhile. Add the column without a value, set the \
         default afterwards, and fill the old rows in pieces. A table that a draft makes is nobody's yet and is left \
         out.",
    ),
    entry(
        "bad-directive",
        "A directive has another argument than its own, or stands where it cannot be kept. Each takes nothing, a \
         reason in quotation marks, a rule and a reason, a duration with a unit, `off`, or a name. Some cannot \
         stand in every file: a Rust step always has a transaction, a down script cannot say that there is none, \
         and foreign keys are checked before a commit that a script without a transaction does not have. To guess \
         what was meant would be to run a script otherwise than its author believes: write it as the message shows.",
    ),
    entry(
        "bad-lockfile",
        "The lockfile cannot be understood. It is written by `cargo xtask` and begins with its format. A line that \
         says nothing, or a format that this release does not know, could hide that a released migration was \
         changed: take the file from version control again, or build with the release that wrote it.",
    ),
    entry(
        "bad-name",
        "A file's name has no version, or one that is no number. An SQL or Rust file is named `<version>_<name>` \
         and one of `.up.sql`, `.down.sql`, `.sql` and `.rs`, or `<version>-<name>` where the folder is numbered by \
         ordinals, or `database.MAJOR.MINOR.user.description` where it is `encoded`: 8 digits, 4 digits, and no dot in \
         a part. The version is digits alone, up to 9223372036854775807; leading zeros do not make another \
         version. Without a version a migration has no place in the order: give it the number that the message \
         suggests.",
    ),
    entry(
        "bad-policy",
        "`migrations.toml` is not TOML. A line is `key = value`, with words in quotation marks. Nothing in the file \
         is kept until it can be read, so it is refused as a whole.",
    ),
    entry(
        "bad-rust",
        "The file of a Rust step cannot be cut into tokens. A bracket or a quotation mark has no partner. rustfmt \
         reads the same file and says where.",
    ),
    entry(
        "bad-step",
        "A function of a Rust step cannot be called. It is called as `up(tx).await` from outside its file, so its \
         functions are `pub async fn up` and `pub async fn down`, at the top level.",
    ),
    entry(
        "bad-test",
        "A test of a migration cannot be called. It is called as `before(db).await` from outside its file, so \
         `before`, `after`, `fill` and each `before_…` and `after_…` are `pub async fn` at the top level. What it says of \
         its migration, `LOSES_ROWS`, `CHANGES_VALUES` and `LOSES_VALUES`, is a `pub const`. A test in SQL says the same in \
         lines of their own: `-- lockgate: loses-rows sessions`, `changes-values users.name`, `loses-values users.name`.",
    ),
    entry(
        "bad-value",
        "A key of `migrations.toml` has a value that it does not take. Each takes a few known words. What is not \
         one of them would otherwise be a policy that everybody believes in and nobody keeps: write one of the \
         words that the message names.",
    ),
    entry(
        "bad-version",
        "A version is not one of the folder's numbering. A sequence begins at 1, an ordinal has five digits, and a \
         timestamp is a time of the calendar with 14 digits, in UTC. Rename the file, or let `cargo xtask \
         new-migration` number it; a folder whose versions only ascend says `numbering = \"any\"`.",
    ),
    entry(
        "blocking-constraint",
        "A foreign key or a check is added that is held against every row at once. Meanwhile a foreign key keeps \
         writers from both tables (SHARE ROW EXCLUSIVE), a check keeps everybody from its table (ACCESS EXCLUSIVE), \
         and both until the commit. So does a column that is added with a check, or with a default and a foreign \
         key. With `NOT VALID` only new rows are checked and the lock is held for a moment; \
         `VALIDATE CONSTRAINT` in the next migration looks at the old rows while others read and write.",
    ),
    entry(
        "blocking-drop-index",
        "An index is dropped in a way that waits for all queries, and lets all others wait. `DROP INDEX` is quick, \
         but needs an ACCESS EXCLUSIVE lock on the table: it waits for every query that is under way, and those that \
         come wait behind it, as long as the lock timeout lets it. `DROP INDEX CONCURRENTLY` makes nobody wait; it \
         runs in no transaction, so it stands in a migration of its own with `-- lockgate: no-transaction`.",
    ),
    entry(
        "blocking-index",
        "An index is built while nobody can write to its table. `CREATE INDEX` and `REINDEX` hold a SHARE lock on the \
         table until the commit: nobody inserts, updates or deletes. `CREATE INDEX CONCURRENTLY` lets them; it runs \
         in no transaction, so it stands in a migration of its own with `-- lockgate: no-transaction`. A table that a \
         draft makes is nobody's yet and is left out.",
    ),
    entry(
        "blocking-refresh",
        "A materialised view is computed anew while nobody can read it. `REFRESH MATERIALIZED VIEW` holds an ACCESS \
         EXCLUSIVE lock on the view until the commit, and every query of it waits. With CONCURRENTLY others go on \
         reading what was there; the view needs a unique index on columns, without a condition. It may stand in a \
         transaction. A view that a draft makes is nobody's yet and is left out.",
    ),
    entry(
        "blocking-unique",
        "A constraint is added whose index is built while nobody can use the table. A unique constraint, a primary \
         key and an exclusion need an index, and `ADD` builds it, as does `ADD COLUMN` for a column that is a key, under an ACCESS EXCLUSIVE lock: nobody reads or \
         writes the table until the commit. Build a unique index with CONCURRENTLY in a migration of its own, and let \
         the constraint take it over with `USING INDEX`, which is quick.",
    ),
    entry(
        "broken-chain",
        "The lines of the lockfile do not match the hash at its head. The hash is over all lines, so that two \
         branches that both add a migration conflict in version control instead of merging in silence. The file was \
         edited by hand, or a conflict was resolved by taking one side's head line. Look at the lines; if they are \
         right, `cargo xtask check --write` writes the head line again.",
    ),
    entry(
        "change-type",
        "A column changes its type, so the table is written anew. Nobody reads or writes the table meanwhile: its \
         rows and indexes are written under an ACCESS EXCLUSIVE lock. Changes that only widen touch no row \
         (`varchar(10)` to `varchar(20)` or `text`, `numeric(10,2)` to `numeric(12,2)`) and are let pass, where an \
         earlier script says what the type was; so are `timestamp` and `timestamptz` from PostgreSQL 12 on, where the \
         script has set a time zone without an offset. An index with an expression or a condition is built anew even \
         then, and a check looks at each row: both are said. The safe way is a second column, filled in pieces, to which the \
         program changes over.",
    ),
    entry(
        "client-command",
        "A line is an instruction to a command-line client. `DELIMITER` of the mysql client is one. A server does \
         not understand it. Delete it: Lockgate finds the end of a compound statement without it.",
    ),
    entry(
        "copy-data",
        "`COPY … FROM stdin` stands with its data in a folder that is not for PostgreSQL alone. It is followed by \
         lines of data up to a line `\\.`, as in the output of pg_dump; PostgreSQL alone reads them, and Lockgate sends \
         them only where the folder says so: `dialects = [\"postgres\"]` in `migrations.toml`. Elsewhere write INSERT \
         statements.",
    ),
    entry(
        "copy-line-shared",
        "Something stands behind `COPY … FROM stdin` on its own line. The data begins on the next line, so whatever \
         stands there would be neither data nor statement. Give it a line of its own, behind the `\\.` that ends \
         the data.",
    ),
    entry(
        "copy-out",
        "A `COPY` asks for lines of data, and in a migration nobody reads them. `COPY … TO stdout` answers with \
         them, and `COPY … FROM stdout` is how nobody means to write `FROM stdin`: query the database with psql, or \
         write what is read as `FROM stdin`.",
    ),
    entry(
        "deleted",
        "A released migration is gone. Databases have it in their history, and a new database needs it to become what \
         the others are: bring the file back. To undo what it does, write a new migration.",
    ),
    entry(
        "delimiter-missing",
        "A `DELIMITER` line names no delimiter. It says what ends a statement from there on, and without it nothing \
         would. Such lines are for the mysql client: delete it.",
    ),
    entry(
        "delimiter-too-long",
        "A `DELIMITER` line names more than 15 bytes. The mysql client takes no more; such lines are for \
         that client: delete it.",
    ),
    entry(
        "down-without-up",
        "A down script has no up script of the same version and name. It reverts nothing and is never run. Under \
         `down = \"required\"` it is refused; otherwise the compiler says so, as folders of other tools have such \
         files. Give both the same name, or delete it.",
    ),
    entry(
        "drop-cascade",
        "Tables or columns are dropped that the script does not name. `DROP SCHEMA`, `DROP TYPE`, `DROP DOMAIN`, \
         `DROP EXTENSION` and `DROP OWNED` with CASCADE take along whatever hangs on what is dropped, with its rows: \
         which tables that are, only the database knows. Drop those by name, and the rest without CASCADE, which \
         fails where something was forgotten. What a draft makes is left out.",
    ),
    entry(
        "drop-column",
        "A column that is in use is dropped, with all that is in it. No way down brings it back. While a release is \
         rolled out, programs of the release before still run, and each statement of theirs that names the column \
         fails. Drop it one release after the last program that names it; `-- lockgate: allow(drop-column) \"why\"` \
         says that this is so.",
    ),
    entry(
        "drop-table",
        "A table that is in use is dropped, with all its rows. No way down brings them back. While a release is \
         rolled out, programs of the release before still run. Drop it one release after the last program that uses \
         it; `-- lockgate: allow(drop-table) \"why\"` says that this is so. A table whose rows the script has copied \
         before is left out, one whose name another takes that an earlier script has filled, and one that the script makes again by a query.",
    ),
    entry(
        "duplicate",
        "Two migrations have the same version. Of patches (`numbering = \"encoded\"`) it is database, major and minor \
         that are the same, whatever user and description say. After a merge, two branches may have taken the same one. Which of \
         them runs first would be chance: `cargo xtask renumber` moves a draft behind all others, together with its \
         test and its line in the lockfile. Where both are released, `--thaw` makes a draft of the one that no database \
         has applied.",
    ),
    entry(
        "duplicate-test",
        "A migration has a test in Rust and one in SQL. Which of them counts, nobody could tell by looking at one. Put all \
         of it into one of the two: Rust can do what SQL can.",
    ),
    entry(
        "edited",
        "A released migration was edited. Databases that have run it will not run it again, so old and new databases \
         would differ in silence. Undo the edit and write a new migration. Where no database could apply it yet, `cargo \
         xtask amend` records the new text instead, with both checksums and the reason. Byte order mark, line ends and newlines at \
         the end of the file do not count as an edit; blanks and comments do.",
    ),
    entry(
        "empty-script",
        "An up script has no statement. It would be recorded as applied and do nothing, and what is written into it \
         later would be drift. Scripts that `cargo xtask new-migration` wrote are so until they are filled in.",
    ),
    entry(
        "empty-table",
        "A table that is in use loses all its rows. `TRUNCATE` and a `DELETE` without WHERE leave nothing, and no way \
         down brings them back; with CASCADE, `TRUNCATE` empties every table that refers to it too. Where that is meant, \
         `-- lockgate: allow(empty-table) \"why\"` says so. A table whose rows the script has copied before is left out, \
         and one that a draft makes.",
    ),
    entry(
        "enum-value-used",
        "A value of an enum is used in the transaction that adds it. PostgreSQL refuses that (`unsafe use of new \
         value`), unless the type itself was made in it. Where the text may stand for something else, such as in a \
         column of an unknown type, it is a warning. Add the value in a migration of its own, before the one that \
         uses it.",
    ),
    entry(
        "filled-table",
        "The statement runs on an empty table and fails on one with rows. So it passes every test on a fresh database \
         and stops the release. A NOT NULL column needs a default, or is added without `NOT NULL` and filled; SQLite \
         adds no column with a computed default, none that is STORED, and none that refers to another table and has a \
         default. Where the lockfile shows that the table was released it is an error, otherwise a warning. Tables \
         that the script has emptied are left out, and so is MySQL, which makes up a value.",
    ),
    entry(
        "foreign-section",
        "A file has a way up and a way down, divided by a comment that another tool acts upon. dbmate writes `-- migrate:down`, \
         goose `-- +goose Down`, node-pg-migrate `-- Down Migration`, and there are others. To a database such a line is a comment \
         like any other: all of the file would run as one script, and what it makes would be dropped again at once. Here a way \
         up and a way down are two files, `0001_users.up.sql` and `0001_users.down.sql`. `cargo xtask init` shows how it would \
         split the files of a folder, and `cargo xtask init --convert` does it. A section without a statement does nothing and \
         is accepted, and so is what the lockfile records as released.",
    ),
    entry(
        "foreign-transaction",
        "A script asks another tool for no transaction, and runs in one here. dbmate reads `-- migrate:up transaction:false`, \
         goose `-- +goose NO TRANSACTION`, and there are others; to Lockgate these are comments. `-- lockgate: no-transaction` as the first line says the same here; where a transaction does no harm, delete the \
         line. `foreign-transaction = \"allow\"` below `[lint]` silences this, and `\"deny\"` makes it an error.",
    ),
    entry(
        "gap",
        "A number is missing in a folder that is numbered in sequence. Often a file was not committed, or a draft \
         was deleted. Add the file, or let `cargo xtask renumber` close gaps between drafts.",
    ),
    entry(
        "incomplete-down",
        "The up script makes something by name that the down script does not mention. Neither its name is there nor a \
         table that it goes with, so going down leaves it behind, and going up again fails. What goes with something else need not be named: a \
         partition with its table, a sequence with the column that owns it. A down script that only raises an error \
         is none: the migration is irreversible. Drop it; if it is to \
         stay, say so with `-- lockgate: allow(incomplete-down) \"why\"` in the down script.",
    ),
    entry(
        "incomplete-test",
        "A test of a migration lacks `before` or `after`. Only both together prove something: what is so before and \
         not after, and what is so after and not before. In SQL they are `0002_x.before.sql` and `0002_x.after.sql`, of \
         which each has a statement at least.",
    ),
    entry(
        "irreversible-down",
        "A migration says `irreversible` and has a way down all the same. One of the two is not true: delete the \
         directive, or the down script. A down script that only raises an error says the same as the directive, and may \
         stay.",
    ),
    entry(
        "lossy-down",
        "Going down deletes rows: it drops a table or a column, or empties a table. Most ways down do, so nothing is \
         said unless the policy asks: `lossy-down = \"warn\"` below `[lint]`.",
    ),
    entry(
        "merge-conflict",
        "Two branches changed the lockfile, and the merge was not finished. `cargo xtask check --write` reads what the \
         merge left, with or without its markers, keeps everything that either branch has frozen, writes the file \
         anew, and says which drafts `cargo xtask renumber` has to move. What both have frozen with different texts is \
         for a person to decide: keep the line of the text that databases have. `cargo xtask init` has git do the \
         merge by itself.",
    ),
    entry(
        "mismatched-names",
        "The two scripts of a migration are not named alike. Up and down script have the same version and the same \
         name, and the up script of a pair is called `.up.sql`. Otherwise the down script could be that of another \
         migration, whose number is a slip: rename one of them.",
    ),
    entry(
        "misordered",
        "A draft sorts before a migration that was released. Databases that have the later one would get the two in \
         another order than new databases do. Of patches, each database counts for itself. `cargo xtask renumber` moves \
         the draft behind all others.",
    ),
    entry(
        "misplaced-directive",
        "A directive stands below the head of a file. Directives are comments above everything else. Further down \
         they would have no effect, and that in silence: move it up. sqlx's `-- no-transaction` has an effect only \
         at the very beginning, as in sqlx itself.",
    ),
    entry(
        "missing-down",
        "A migration has no way back, and the folder requires one. Under `down = \"required\"` each migration has a \
         down script, a Rust step has a function `down`, or its head says why there is none: `-- lockgate: \
         irreversible \"why\"`.",
    ),
    entry(
        "missing-test",
        "A migration has no test, and the folder requires one. Under `tests = \"required\"` each migration has a \
         file of its own in `tests/migrations` of the package that embeds it, named as the migration is; that of a patch \
         by its key, `billing.00000001.0002.rs`, which stays when the patch is described anew. `cargo xtask new-test 7` \
         writes that of version 7, which fails until it is filled in.",
    ),
    entry(
        "missing-up",
        "A Rust step has no function `up`. It is a file with `pub async fn up` at its top level; a file with a \
         `down` alone would do nothing when it is applied.",
    ),
    entry(
        "newer-grammar",
        "A statement uses grammar that is newer than the servers. The policy names their release (`postgres = \"15\"`): the parser knows the newest grammar, the server does not. Write it in the older way, or raise \
         the release once no older server is left.",
    ),
    entry(
        "no-such-folder",
        "The folder that the macro names is not there. The path is relative to the directory of the crate's \
         `Cargo.toml`. An empty folder is fine: it is a set without migrations.",
    ),
    entry(
        "not-a-folder",
        "The macro names a file. It wants the folder in which the migrations are, relative to the directory of the \
         crate's `Cargo.toml`.",
    ),
    entry(
        "not-parsed",
        "The grammar of a statement was not checked while compiling. It is nested beyond 250 brackets, or a chain of \
         thousands of operators, or more than a mebibyte of the script stands before it. Rows of constants in an INSERT, \
         INSERTs of the same shape and the data of COPY do not count. Nothing is known to be wrong; the server says so if \
         there is.",
    ),
    entry(
        "not-utf8",
        "A file is not UTF-8. Its text is part of the program and is sent to the database as UTF-8, with or without \
         a byte order mark. Save it so in the editor; what the bytes mean is not guessed.",
    ),
    entry(
        "nul-byte",
        "A script holds a NUL byte. No database takes one. Remove it; a file full of them was saved as UTF-16, and \
         is to be saved as UTF-8.",
    ),
    entry(
        "outside-transaction",
        "The database refuses this statement inside a transaction, or ignores it there. SQLite does the latter with \
         `PRAGMA foreign_keys`. PostgreSQL adds a value to an enum there since 12. A script runs inside a transaction unless its head says `-- lockgate: \
         no-transaction`. Such a script is not undone when it fails half way; give the statement a migration of its \
         own.",
    ),
    entry(
        "plpgsql-syntax",
        "The body of a function in PL/pgSQL looks wrong. The parser of these bodies knows less than that of SQL, so this \
         is a warning: `plpgsql-syntax = \"deny\"` below `[lint]` makes it an error, `-- lockgate: allow(plpgsql-syntax) \
         \"why\"` at the head of the file silences it.",
    ),
    entry(
        "psql-line",
        "A line begins with a backslash and is for psql. A server does not understand it. `\\restrict` and \
         `\\unrestrict`, which pg_dump writes around its output, are passed over in a folder that is for PostgreSQL \
         alone (`dialects = [\"postgres\"]` in `migrations.toml`); every other one is refused, as what it asks for would \
         not be done.",
    ),
    entry(
        "rebuild-foreign-keys",
        "A table is rebuilt while foreign keys lead to it. SQLite changes a table by a new one that is filled from \
         the old, which is dropped. With foreign keys on, `DROP TABLE` first deletes the rows of the table: rows of \
         other tables that refer to them with `ON DELETE CASCADE` are deleted with them, in silence, and others make \
         it fail. `-- lockgate: foreign-keys off` turns them off around the transaction, which SQLite does not do \
         inside of one, and has them checked before the commit.",
    ),
    entry(
        "rename",
        "A column or a table that is in use gets another name. While a release is rolled out, programs of the release \
         before still run, and know the old name. Add the new column beside the old one and change over in two \
         releases; behind a renamed table leave a view of the old name.",
    ),
    entry(
        "renamed",
        "A released migration has another name or another version than it was released with. Databases know it by both: \
         give it its name back. A patch (`numbering = \"encoded\"`) keeps database, major and minor, and the rest of \
         its name is free.",
    ),
    entry(
        "repeated-directive",
        "A directive stands twice in a file. It stands at most once, and `allow` once for each rule, as which of \
         two would hold is not for the reader to guess. Delete one.",
    ),
    entry(
        "replay",
        "The set does not run on an empty SQLite. Where the policy names `sqlite`, all scripts are run on one in memory: \
         up in order, each down and up again, and the whole set down and up. What fails there fails on every new \
         database: a missing table, a bad column, a view or trigger of what is no longer there, a way back that does not \
         undo everything. A released script is only warned of, as it cannot be edited: a new migration can mend what it \
         left. The replay ends before a Rust step, a function or module that only the program has, and a statement about \
         another file, and says so. A build script does the same with `lockgate_build::replay`. Where a set begins with \
         tables that it did not make, `--no-replay` leaves it out, and in a build script `lockgate_build::check`.",
    )
    .by_check_alone(),
    entry(
        "set-not-null",
        "A column becomes NOT NULL, for which every row is looked at. Nobody reads or writes the table until the \
         commit: it is under an ACCESS EXCLUSIVE lock. Where a valid constraint `CHECK (column IS NOT NULL)` is \
         there, no row is looked at. Add that as `NOT VALID`, validate it in the next migration, which lets others \
         read and write, then set NOT NULL and drop the check.",
    ),
    entry(
        "syntax",
        "The grammar of the database does not take a statement. The server would refuse it when the migration runs. \
         The first mistake of each statement is told, and where a small change makes the statement right, that change. \
         PostgreSQL is checked with the grammar of its newest release, SQLite with its own; of MySQL and MariaDB quotes, \
         comments, `DELIMITER`, compound bodies and brackets are looked at, and the server tells the rest. A folder \
         without `dialects` is for one of them: there it is a warning, and only where neither PostgreSQL nor SQLite takes \
         the script and nothing in it is MySQL's. What the lockfile records as released is not parsed again: a broken \
         script of old that no database runs any more is released under `syntax = \"warn\"` below `[lint]`, and the line can \
         go then. A statement that the server does take \
         is let through by `-- lockgate: allow(syntax) \"why\"` at the head of its file; the policy can do so for \
         the folder.",
    ),
    entry(
        "table-rewrite",
        "A whole table is written anew while nobody can use it. `VACUUM FULL`, `CLUSTER`, `SET LOGGED`, `SET \
         UNLOGGED`, `SET TABLESPACE` and `SET ACCESS METHOD` do so under an ACCESS EXCLUSIVE lock. A plain `VACUUM` \
         needs none, and the others want a maintenance window.",
    ),
    entry(
        "trace",
        "The set does not run on an empty PostgreSQL. `cargo xtask check --trace` runs all scripts up, in order, on a \
         throwaway server, where the policy names `postgres`, and says of each draft what it locks, rewrites and scans of \
         what was there before it. What fails there fails on every new database: a missing table, a bad column, a \
         statement in the wrong order. A released script is only warned of, as it cannot be edited. The trace ends before \
         a Rust step, a COPY, and where the server lacks an extension, and says so. Its tables are empty: what rows would \
         refuse, and how long anything takes, it cannot know. Correct the script, where the message points.",
    )
    .by_check_alone(),
    entry(
        "transaction-control",
        "A script begins, commits or rolls back on its own. It runs inside a transaction that also records it, and \
         would break the two apart. Leave `BEGIN` and `COMMIT` out; a script that must do it itself says `-- \
         lockgate: no-transaction`. Savepoints are fine.",
    ),
    entry(
        "unclosed-parenthesis",
        "A parenthesis is open at the end of the script. Everything behind it is one unfinished statement, which \
         the database refuses. Close it.",
    ),
    entry(
        "undeclared-dialects",
        "Nothing says which of several databases the folder is for. The package has more than one, so a script is refused only \
         where none of them takes it, and most mistakes are found when it runs. With one database the folder is checked as \
         that one's. `dialects = [\"postgres\"]` in `migrations.toml` says what it is for, and with two in the list each script \
         must be valid in both. `undeclared-dialects = \"allow\"` below `[lint]` silences this.",
    ),
    entry(
        "unknown-directive",
        "There is no directive of this name. A comment that begins with `lockgate:` is a directive, and to ignore \
         one would leave its author in the belief that it is kept. Write the name that was meant, or begin the \
         comment with another word.",
    ),
    entry(
        "unknown-file",
        "A file of the folder is not one that is known there. Every file must be understood; `README.md` and files \
         that begin with a dot are the exceptions. A migration with a slip in its name would otherwise be left out \
         in silence. Rename it or move it elsewhere.",
    ),
    entry(
        "unknown-key",
        "There is no key of this name in `migrations.toml`. It has a few keys, and a misspelt one would be a policy \
         that is not kept. Write the one that was meant.",
    ),
    entry(
        "unknown-rule",
        "The policy, or an `allow`, names a rule that there is none of. It would silence or deny nothing, and its \
         author would believe that it does. Only lints have levels: what must not be in any case is no lint.",
    ),
    entry(
        "unknown-test",
        "A test belongs to no migration. Files of `tests/migrations` whose names begin with a digit are tests, each named \
         as its migration is; one with a slip in its name would never run. Rename it, or delete it with its migration.",
    ),
    entry(
        "unlocked",
        "A file of the folder is not in the lockfile, or not under its name. The lockfile makes two branches that \
         both add a migration conflict where one can see it. `cargo xtask new-migration` writes the line of a new \
         migration at once; `cargo xtask check --write` adds those that are missing.",
    ),
    entry(
        "unreadable",
        "A file or folder cannot be read. Its permissions forbid it, or it is a link that leads nowhere or in a \
         circle. What cannot be read cannot be embedded, and to leave it out would change the set.",
    ),
    entry(
        "unsupported-alter",
        "SQLite's grammar takes the statement, and SQLite does not, or not every release of it. It adds no column \
         with `PRIMARY KEY` or `UNIQUE`, whatever is in the table: a unique column is added without the word and gets \
         a unique index; a primary key needs a rebuild of the table. `ADD CHECK`, `DROP CONSTRAINT` and `SET NOT \
         NULL` came with SQLite 3.53, which is a warning: the replay of `cargo xtask check` tells what the \
         workspace's own SQLite takes.",
    ),
    entry(
        "unterminated-body",
        "A body that begins with `BEGIN` or `CASE` has no `END`. The statements behind it belong to it and would \
         never run by themselves. Close it with `END;`.",
    ),
    entry(
        "unterminated-comment",
        "A comment that begins with `/*` has no `*/`. Everything behind it is comment and would not run. Close it; \
         in PostgreSQL comments nest, and each needs its own end.",
    ),
    entry(
        "unterminated-copy-data",
        "The data of `COPY … FROM stdin` has no end. It ends with a line that holds `\\.` alone; without it the \
         statements that follow would be read as data.",
    ),
    entry(
        "unterminated-dollar-quote",
        "A text that begins with `$tag$` has no second `$tag$`. The tag is the same in the same letters, case \
         included. Everything behind it is text and would not run.",
    ),
    entry(
        "unterminated-name",
        "A quoted name is open at the end of the script. Everything behind the quotation mark belongs to the name. \
         Close it.",
    ),
    entry(
        "unterminated-string",
        "A text in quotation marks is open at the end of the script. Everything behind the quotation mark belongs \
         to it. Close it; a quotation mark inside a text is written twice.",
    ),
    entry(
        "vanished-draft",
        "The lockfile has a line for a draft whose file is gone. If it was deleted on purpose, `cargo xtask check \
         --write` drops the line; if not, the file was not committed.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_well_formed() {
        assert!(CODES.is_sorted_by(|a, b| a.code < b.code));
        for entry in CODES {
            assert!(entry.code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
            assert!(entry.explanation.ends_with('.'), "{}", entry.code);
            // What stands beside the code in the list of all codes is one line.
            let summary = entry.summary();
            assert!(summary.chars().count() <= 90 && summary.len() < entry.explanation.len() - 1, "{}", entry.code);
        }
        assert_eq!(nearest("missordered", []), Some("misordered"));
        assert_eq!(nearest("vacuum", []), None);
        assert_eq!(find("gap").map(|entry| entry.code), Some("gap"));
        assert_eq!(find("gaps"), None);
    }
}
