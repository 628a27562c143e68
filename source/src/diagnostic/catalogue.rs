//! Every diagnostic code with a paragraph on what it means, for `explain` and the manual.

/// One code of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The code, in kebab-case.
    pub code: &'static str,
    /// What the rule is, why there is one, and the way out.
    pub explanation: &'static str,
}

/// The entry of this code.
pub fn find(code: &str) -> Option<&'static Entry> {
    CODES.binary_search_by_key(&code, |entry| entry.code).ok().map(|at| &CODES[at])
}

const fn entry(code: &'static str, explanation: &'static str) -> Entry {
    Entry { code, explanation }
}

/// Every code, in alphabetical order.
pub static CODES: &[Entry] = &[
    entry(
        "add-column-rewrite",
        "PostgreSQL adds a column in no time, whatever the size of the table, if all rows get the same value. A serial, \
         an identity, a STORED column and a default such as `gen_random_uuid()` give each row its own: the table and its \
         indexes are written anew under an ACCESS EXCLUSIVE lock, and nobody reads or writes the table meanwhile. Add the \
         column without a value, set the default afterwards, and fill the old rows in pieces. A table that a draft makes \
         is nobody's yet and is left out.",
    ),
    entry(
        "bad-directive",
        "A directive has an argument of its own shape: nothing, a reason in quotation marks, a rule and a reason, a \
         duration with a unit, `off`, or a name. Some directives cannot stand in every file: a Rust step always has a \
         transaction, a down script cannot say that there is none, and foreign keys are checked before a commit that \
         a script without a transaction does not have.",
    ),
    entry(
        "bad-lockfile",
        "The lockfile is written by `cargo xtask` and begins with its format. A line that says nothing, or a format \
         that this release does not know, could hide that a released migration was changed: take the file from version \
         control again, or build with the release that wrote it.",
    ),
    entry(
        "bad-name",
        "An SQL or Rust file is named `<version>_<name>` and one of `.up.sql`, `.down.sql`, `.sql` and `.rs`, or \
         `<version>-<name>` where the folder is numbered by ordinals. The version is digits alone, up to \
         9223372036854775807; leading zeros do not make another version.",
    ),
    entry("bad-policy", "`migrations.toml` is TOML: one `key = value` a line, and words in quotation marks."),
    entry(
        "bad-rust",
        "The file of a Rust step cannot be cut into tokens: a bracket or a quotation mark has no partner. \
         rustfmt reads the same file and says where.",
    ),
    entry(
        "bad-step",
        "A Rust step is called as `up(tx).await` from outside its file, so its functions are `pub async fn up` and \
         `pub async fn down`.",
    ),
    entry(
        "bad-value",
        "The keys of `migrations.toml` take a few known words. What is not one of them would otherwise be taken for a \
         policy that is not kept.",
    ),
    entry(
        "bad-version",
        "The numbering of the folder asks for more than ascending versions: a sequence begins at 1, an ordinal has five \
         digits, and a timestamp is a time of the calendar with 14 digits, in UTC.",
    ),
    entry(
        "blocking-constraint",
        "A foreign key or a check is held against every row when it is added. Meanwhile a foreign key keeps writers from \
         both tables (SHARE ROW EXCLUSIVE), a check keeps everybody from its table (ACCESS EXCLUSIVE), and both until the \
         commit. With `NOT VALID` only new rows are checked and the lock is held for a moment; `VALIDATE CONSTRAINT` in \
         the next migration looks at the old rows while others read and write.",
    ),
    entry(
        "blocking-drop-index",
        "`DROP INDEX` is quick, but needs an ACCESS EXCLUSIVE lock on the table: it waits for every query that is under \
         way, and those that come wait behind it, as long as the lock timeout lets it. `DROP INDEX CONCURRENTLY` makes \
         nobody wait; it runs in no transaction, so it stands in a migration of its own with `-- lockgate: \
         no-transaction`.",
    ),
    entry(
        "blocking-index",
        "`CREATE INDEX` holds a SHARE lock on the table until the commit: nobody inserts, updates or deletes while the \
         index is built. `CREATE INDEX CONCURRENTLY` lets them; it runs in no transaction, so it stands in a migration of \
         its own with `-- lockgate: no-transaction`. The same goes for `REINDEX`. A table that a draft makes is nobody's \
         yet and is left out.",
    ),
    entry(
        "blocking-unique",
        "A unique constraint, a primary key and an exclusion need an index, and `ADD` builds it under an ACCESS EXCLUSIVE \
         lock: nobody reads or writes the table until the commit. Build a unique index with CONCURRENTLY in a migration \
         of its own, and let the constraint take it over with `USING INDEX`, which is quick.",
    ),
    entry(
        "broken-chain",
        "The head line of the lockfile holds a hash over all its lines, so that two branches that both add a migration \
         conflict in version control instead of merging in silence. It does not match: the file was edited by hand, or \
         a conflict was resolved by taking one side's head line. Look at the lines; if they are right, \
         `cargo xtask check --write` writes the head line again.",
    ),
    entry(
        "change-type",
        "Most changes of a column's type write the table and its indexes anew under an ACCESS EXCLUSIVE lock. Those that \
         only widen do not (`varchar(10)` to `varchar(20)` or `text`, `numeric(10,2)` to `numeric(12,2)`) and are let \
         pass, where an earlier script says what the type was. The safe way is a second column, filled in pieces, to \
         which the program changes over.",
    ),
    entry(
        "client-command",
        "Some lines are instructions to a command-line client, such as `DELIMITER` of the mysql client. A server does \
         not understand them.",
    ),
    entry(
        "copy-data",
        "`COPY … FROM stdin` is followed by lines of data, which travel by another protocol than statements. This \
         release does not send them: write INSERT statements, or load the data with psql.",
    ),
    entry(
        "copy-line-shared",
        "The data of `COPY … FROM stdin` begins on the next line, so nothing may stand behind the statement on its own \
         line.",
    ),
    entry(
        "deleted",
        "A released migration is gone. Databases have it in their history, and a new database needs it to become what \
         the others are: bring the file back. To undo what it does, write a new migration.",
    ),
    entry("delimiter-missing", "A `DELIMITER` line names what ends a statement from there on."),
    entry("delimiter-too-long", "The mysql client takes a delimiter of at most 15 bytes."),
    entry(
        "down-without-up",
        "A down script reverts what an up script of the same version and name does; this one has none, and is never run. \
         Under `down = \"required\"` it is refused; otherwise the compiler says so, as folders of other tools have such \
         files.",
    ),
    entry(
        "drop-column",
        "Dropping a column loses what is in it, and no way down brings it back. While a release is rolled out, programs \
         of the release before still run, and each statement of theirs that names the column fails. Drop it one release \
         after the last program that names it; `-- lockgate: allow(drop-column) \"why\"` says that this is so.",
    ),
    entry(
        "drop-table",
        "Dropping a table loses its rows, and no way down brings them back. While a release is rolled out, programs of \
         the release before still run. Drop it one release after the last program that uses it; `-- lockgate: \
         allow(drop-table) \"why\"` says that this is so. A table whose rows the script has copied before is left out.",
    ),
    entry(
        "duplicate",
        "A version belongs to one migration. After a merge, two branches may have taken the same one: \
         `cargo xtask renumber` moves a draft behind all others, together with its test and its line in the lockfile.",
    ),
    entry(
        "edited",
        "A released migration was edited. Databases that have run it will not run it again, so old and new databases \
         would differ in silence. Undo the edit and write a new migration. Byte order mark, line ends and newlines at \
         the end of the file do not count as an edit; blanks and comments do.",
    ),
    entry(
        "empty-script",
        "An up script without a statement would be recorded as applied and do nothing, and what is written into it later \
         would be drift. Scripts that `cargo xtask new-migration` wrote are so until they are filled in.",
    ),
    entry(
        "enum-value-used",
        "PostgreSQL refuses to use a value of an enum in the transaction that adds it (`unsafe use of new value`), unless \
         the type itself was made in it. Add the value in a migration of its own, before the one that uses it.",
    ),
    entry(
        "filled-table",
        "The statement runs on an empty table and fails on one with rows, so it passes every test on a fresh database and \
         stops the release. A NOT NULL column needs a default, or is added without `NOT NULL` and filled; SQLite adds no \
         column with a computed default, none that is STORED, and none that refers to another table and has a default. \
         Where the lockfile shows that the table was released it is an error, otherwise a warning. Tables that the script \
         has emptied are left out, and so is MySQL, which makes up a value.",
    ),
    entry(
        "gap",
        "The folder is numbered in sequence, and a number is missing. Often a file was not committed, or a draft was \
         deleted; `cargo xtask renumber` closes gaps between drafts.",
    ),
    entry(
        "incomplete-down",
        "The up script makes something by name, and the down script does not mention it: neither its name nor a table \
         that it goes with. Going down and up again would then fail, or leave it behind. Drop it; if it is to stay, say \
         so with `-- lockgate: allow(incomplete-down) \"why\"` in the down script.",
    ),
    entry(
        "irreversible-down",
        "A migration says `irreversible` and has a way down all the same. One of the two is not true.",
    ),
    entry(
        "lossy-down",
        "Going down deletes rows: it drops a table or a column, or empties a table. Most ways down do, so nothing is said \
         unless the policy asks: `lossy-down = \"warn\"` below `[lint]`.",
    ),
    entry(
        "merge-conflict",
        "There are conflict markers in the lockfile: two branches changed it. Keep the lines of both, delete the \
         markers, let `cargo xtask renumber` move what stands in the wrong place, and `cargo xtask check --write` \
         write the head line again.",
    ),
    entry(
        "mismatched-names",
        "The up and the down script of a migration have the same version and the same name, and the up script of a pair \
         is called `.up.sql`.",
    ),
    entry(
        "misordered",
        "A draft sorts before a migration that was released. Databases that have the later one would get the two in \
         another order than new databases do. `cargo xtask renumber` moves the draft behind all others.",
    ),
    entry(
        "misplaced-directive",
        "Directives are comments at the head of a file, above everything else. Further down they would have no effect, \
         and that in silence. sqlx's `-- no-transaction` has an effect only at the very beginning, as in sqlx itself.",
    ),
    entry(
        "missing-down",
        "Under `down = \"required\"` each migration has a down script, a Rust step has a function `down`, or its head says \
         why there is no way back: `-- lockgate: irreversible \"why\"`.",
    ),
    entry(
        "missing-test",
        "Under `tests = \"required\"` each migration has a file of its own in `tests/migrations` beside the folder, named \
         as the migration is.",
    ),
    entry("missing-up", "A Rust step is a file with `pub async fn up` at its top level."),
    entry(
        "newer-grammar",
        "The policy names the release of the PostgreSQL servers (`postgres = \"15\"`), and the statement uses what came \
         with a newer one: the parser knows the newest grammar, the server does not. Write it in the older way, or raise \
         the release once no older server is left.",
    ),
    entry(
        "no-such-folder",
        "The folder that the macro names is not there. The path is relative to the directory of the crate's `Cargo.toml`. \
         An empty folder is fine: it is a set without migrations.",
    ),
    entry("not-a-folder", "The macro names a file. It wants the folder in which the migrations are."),
    entry(
        "not-parsed",
        "The grammar of a statement was not checked while compiling: it is nested beyond 250 brackets, or a chain of \
         thousands of operators, or more than a mebibyte of the script stands before it. Rows of constants in an INSERT, \
         INSERTs of the same shape and the data of COPY do not count. Nothing is known to be wrong; the server says so if \
         there is.",
    ),
    entry("not-utf8", "Every file is UTF-8, with or without a byte order mark."),
    entry("nul-byte", "No database takes a script with a NUL byte in it. A file full of them was saved as UTF-16."),
    entry(
        "outside-transaction",
        "The database refuses this statement inside a transaction, or ignores it there, as SQLite does with \
         `PRAGMA foreign_keys`. A script runs inside one unless its head says `-- lockgate: no-transaction`. Such a \
         script is not undone when it fails half way; give the statement a migration of its own.",
    ),
    entry(
        "plpgsql-syntax",
        "The body of a function in PL/pgSQL looks wrong. The parser of these bodies knows less than that of SQL, so this \
         is a warning: `plpgsql-syntax = \"deny\"` below `[lint]` makes it an error, `-- lockgate: allow(plpgsql-syntax) \
         \"why\"` at the head of the file silences it.",
    ),
    entry(
        "psql-line",
        "Lines that begin with a backslash are instructions to psql, and pg_dump writes some of them. A server does not \
         understand them.",
    ),
    entry(
        "rebuild-foreign-keys",
        "SQLite changes a table by a new one that is filled from the old, which is dropped. With foreign keys on, `DROP \
         TABLE` first deletes the rows of the table: rows of other tables that refer to them with `ON DELETE CASCADE` are \
         deleted with them, in silence, and others make it fail. `-- lockgate: foreign-keys off` turns them off around \
         the transaction, which SQLite does not do inside of one, and has them checked before the commit.",
    ),
    entry(
        "rename",
        "While a release is rolled out, programs of the release before still run, and know a renamed column or table by \
         its old name. Add the new column beside the old one and change over in two releases; behind a renamed table \
         leave a view of the old name.",
    ),
    entry(
        "renamed",
        "A released migration has another name or another version than it was released with. Databases know it by both: \
         give it its name back.",
    ),
    entry("repeated-directive", "A directive stands at most once in a file; `allow` once for each rule."),
    entry(
        "set-not-null",
        "`SET NOT NULL` looks at every row under an ACCESS EXCLUSIVE lock: nobody reads or writes the table until the \
         commit. Where a valid constraint `CHECK (column IS NOT NULL)` is there it looks at none. Add that as `NOT \
         VALID`, validate it in the next migration, which lets others read and write, then set NOT NULL and drop the \
         check.",
    ),
    entry(
        "syntax",
        "The grammar of the database does not take the statement, so the server would refuse it when the migration runs. \
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
        "`VACUUM FULL`, `CLUSTER`, `SET LOGGED`, `SET UNLOGGED`, `SET TABLESPACE` and `SET ACCESS METHOD` write the whole \
         table anew under an ACCESS EXCLUSIVE lock: nobody reads or writes it meanwhile.",
    ),
    entry(
        "transaction-control",
        "Each script runs inside a transaction that also records it. A script that begins, commits or rolls back on its \
         own would break the two apart. Leave `BEGIN` and `COMMIT` out; a script that must do it itself says \
         `-- lockgate: no-transaction`. Savepoints are fine.",
    ),
    entry("unclosed-parenthesis", "A parenthesis is open at the end of the script."),
    entry(
        "unknown-directive",
        "A comment that begins with `lockgate:` is a directive, and there is none of this name. To ignore it would leave \
         the author in the belief that it is kept.",
    ),
    entry(
        "unknown-file",
        "Every file in the folder must be understood; `README.md` and files that begin with a dot are the exceptions. A \
         migration with a slip in its name would otherwise be left out in silence.",
    ),
    entry("unknown-key", "`migrations.toml` has a few keys, and a misspelt one would be a policy that is not kept."),
    entry(
        "unknown-rule",
        "The policy, or an `allow`, names a rule that there is none of. It would silence or deny nothing, and its author \
         would believe that it does. Only lints have levels: what must not be in any case is no lint.",
    ),
    entry(
        "unlocked",
        "A file of the folder is not in the lockfile, or not under its name. `cargo xtask new-migration` writes the line \
         of a new migration at once; `cargo xtask check --write` adds those that are missing.",
    ),
    entry("unreadable", "A file or folder cannot be read, or is a link that leads nowhere or in a circle."),
    entry(
        "unsupported-alter",
        "SQLite's grammar takes `ADD COLUMN … PRIMARY KEY` and `ADD COLUMN … UNIQUE`, and SQLite refuses them whatever is \
         in the table. A unique column is added without the word and gets a unique index; a primary key needs a rebuild \
         of the table.",
    ),
    entry("unterminated-body", "A body that begins with `BEGIN` or `CASE` has no `END`."),
    entry("unterminated-comment", "A comment that begins with `/*` has no `*/`."),
    entry("unterminated-copy-data", "The data of `COPY … FROM stdin` ends with a line that holds `\\.` alone."),
    entry("unterminated-dollar-quote", "A text that begins with `$tag$` ends with the same `$tag$`."),
    entry("unterminated-name", "A quoted name is open at the end of the script."),
    entry("unterminated-string", "A text in quotation marks is open at the end of the script."),
    entry(
        "vanished-draft",
        "The lockfile has a line for a draft whose file is gone. If it was deleted on purpose, \
         `cargo xtask check --write` drops the line; if not, the file was not committed.",
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
        }
        assert_eq!(find("gap").map(|entry| entry.code), Some("gap"));
        assert_eq!(find("gaps"), None);
    }
}
