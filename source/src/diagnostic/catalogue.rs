//! Every diagnostic code with its explanation, for `cargo xtask explain` and the guide. The
//! [`example`](super::example) module has a wrong and a right folder for each code.

use std::fmt;
use std::str::FromStr;

use crate::sql::suggest;

/// Where a code is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finder {
    /// In the macro, at compile time, and in `cargo xtask check`.
    Compiler,
    /// Only in `cargo xtask check`, because it needs a database.
    Check,
}

/// No code has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownCode;

impl Code {
    /// Returns the code of a rule or a problem of `lockgate-sql`, by its name there.
    pub(crate) fn of_sql(name: &str) -> Self {
        name.parse().expect("a test holds that each name in `lockgate-sql` is a code")
    }

    /// Returns the first sentence of the explanation, without its full stop.
    pub fn summary(self) -> &'static str {
        let text = self.explanation();
        text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.')
    }
}

impl FromStr for Code {
    type Err = UnknownCode;

    fn from_str(name: &str) -> Result<Self, UnknownCode> {
        Self::ALL.binary_search_by_key(&name, |code| code.as_str()).map(|at| Self::ALL[at]).map_err(|_| UnknownCode)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl PartialEq<&str> for Code {
    fn eq(&self, name: &&str) -> bool {
        self.as_str() == *name
    }
}

/// Returns the code, or the one of `others`, that a misspelt word probably means.
pub fn nearest<'a>(word: &str, others: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    suggest::nearest(word, Code::ALL.iter().map(|code| code.as_str()).chain(others))
}

macro_rules! catalogue {
    ($($variant:ident = $name:literal, found by $finder:ident: $explanation:literal;)*) => {
        /// The code of a diagnostic.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $explanation] $variant,)*
        }

        impl Code {
            /// Every code, in alphabetical order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the code as messages show it, in kebab-case.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Returns what the rule is, why it exists, and how to fix the problem. The first sentence is the summary.
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$variant => $explanation),* }
            }

            /// Returns where it is checked.
            pub const fn finder(self) -> Finder {
                match self { $(Self::$variant => Finder::$finder),* }
            }
        }
    };
}

// In alphabetical order.
catalogue! {
    AddColumnRewrite = "add-column-rewrite", found by Compiler:
        "A column is added whose value differs from row to row, so the table is rewritten. PostgreSQL adds a column \
         instantly if every row gets the same value. A serial, an identity, a STORED column or a default such as \
         `gen_random_uuid()` gives each row its own: PostgreSQL rewrites the table and its indexes under an ACCESS \
         EXCLUSIVE lock, and nobody can read or write the table meanwhile. Add the column without a value, set the \
         default afterwards, and fill the old rows in batches. Tables that a draft creates are exempt: nobody uses \
         them yet.";

    BadDirective = "bad-directive", found by Compiler:
        "A directive has a wrong argument, or does not belong in this file. A directive takes no argument, a reason \
         in quotation marks, a rule and a reason, a duration with a unit, `off`, or a name. Some directives do not \
         fit every file: a Rust step always runs in a transaction, a down script cannot be irreversible, and foreign \
         keys are checked before a commit, which a script without a transaction does not have. Lockgate does not \
         guess what was meant. Write the directive as the message shows.";

    BadLockfile = "bad-lockfile", found by Compiler:
        "The lockfile cannot be read. `cargo xtask` writes it, and its first line names its format. A line that \
         cannot be read, or a format that this release does not know, could hide a change to a released migration. \
         Restore the file from version control, or build with the release that wrote it.";

    BadName = "bad-name", found by Compiler:
        "A file's name has no version, or the version is not a number. An SQL or Rust file is named \
         `<version>_<name>` and ends in `.up.sql`, `.down.sql`, `.sql` or `.rs`. In a folder numbered by ordinals it \
         is `<version>-<name>`; in an `encoded` one `database.MAJOR.MINOR.user.description`, with 8 digits, 4 digits, \
         and no dot within a part. A version is digits alone, up to 9223372036854775807; leading zeros do not change \
         it. A migration without a version has no place in the order: give it the number that the message suggests.";

    BadOrder = "bad-order", found by Compiler:
        "`order.json` in `create/` does not say in which order its files run. It is a list of file names, an object that \
         gives each name its number, or one that gives each number its name; the numbers begin at 0 or 1 and have no \
         gap. Each name stands in it once, and is that of a file beside it. If the file is directly in `create/`, it \
         lists the files of all folders by their paths, and folders still run in the order of their numbers. Lockgate \
         does not guess a place: correct the list, or delete it, and the files run in the order of their names.";

    BadPolicy = "bad-policy", found by Compiler:
        "`migrations.toml` is not valid TOML. A line is `key = value`, with strings in quotation marks. Nothing in \
         the file applies until it can be parsed.";

    BadRust = "bad-rust", found by Compiler:
        "The file of a Rust step cannot be tokenized. A bracket or a quotation mark has no partner. Run rustfmt on \
         the file: it says where.";

    BadSchema = "bad-schema", found by Check:
        "A statement of the desired schema cannot be run. The files in `schema/` say what there should be, and are run in \
         an empty database, each statement after what it needs, whichever file that is in. A statement that never works \
         is reported with what the server says about it. Rows, transactions, `DROP` and commands of a client are not part \
         of a schema. Correct the statement, or move it into a migration.";

    BadSnapshot = "bad-snapshot", found by Compiler:
        "`schema.txt` beside the migrations is not a snapshot of their schema. This name, and `schema.<database>.txt`, are \
         those of the text that `cargo xtask schema --write` writes and that `drift --schema` compares live databases with. \
         Write the file again, for a database of the folder; or move it out of the folder, if it is something else.";

    BadStep = "bad-step", found by Compiler:
        "A function of a Rust step cannot be called. Lockgate calls `up(tx).await` from outside the file, so the \
         functions must be `pub async fn up` and `pub async fn down`, at the top level.";

    BadTest = "bad-test", found by Compiler:
        "A test of a migration cannot be called. The harness calls `before(db).await` from outside the file, so \
         `before`, `after`, `fill` and each `before_…` and `after_…` must be `pub async fn` at the top level. What \
         the test declares about its migration, `LOSES_ROWS`, `CHANGES_VALUES` and `LOSES_VALUES`, must be `pub \
         const`. A test in SQL declares the same on lines of their own: `-- lockgate: loses-rows sessions`, \
         `changes-values users.name`, `loses-values users.name`.";

    BadValue = "bad-value", found by Compiler:
        "A key of `migrations.toml` has a value that it does not accept. Each key accepts a few known words. Any \
         other value would be a policy that is believed in and not applied. Write one of the words that the message \
         lists.";

    BadVersion = "bad-version", found by Compiler:
        "A version does not fit the folder's numbering. A sequence begins at 1, an ordinal has five digits, and a \
         timestamp is a valid date and time with 14 digits, in UTC. Rename the file, or let `cargo xtask \
         new-migration` number it. If versions only need to ascend, set `numbering = \"any\"`.";

    BlockingConstraint = "blocking-constraint", found by Compiler:
        "A foreign key or a check is added in a way that checks every row at once. Meanwhile a foreign key blocks \
         writes to both tables (SHARE ROW EXCLUSIVE), a check blocks reads and writes of its table (ACCESS \
         EXCLUSIVE), and both locks are held until the commit. The same is true of a new column with a check, or with \
         a default and a foreign key. With `NOT VALID` only new rows are checked and the lock is short. `VALIDATE \
         CONSTRAINT` in the next migration checks the old rows while others read and write.";

    BlockingDropIndex = "blocking-drop-index", found by Compiler:
        "An index is dropped in a way that waits for running queries and blocks all later ones. `DROP INDEX` is fast, \
         but needs an ACCESS EXCLUSIVE lock on the table. It waits for every running query, and new queries wait \
         behind it, up to the lock timeout. `DROP INDEX CONCURRENTLY` blocks nobody. It cannot run in a transaction, \
         so give it a migration of its own with `-- lockgate: no-transaction`.";

    BlockingIndex = "blocking-index", found by Compiler:
        "An index is built in a way that blocks writes to its table. `CREATE INDEX` and `REINDEX` hold a SHARE lock \
         on the table until the commit: nobody can insert, update or delete. `REINDEX SCHEMA` and `REINDEX DATABASE` \
         lock one table after the other. `CREATE INDEX CONCURRENTLY` and `REINDEX INDEX CONCURRENTLY` allow writes. \
         They cannot run in a transaction, so give each a migration of its own with `-- lockgate: no-transaction`. \
         Tables that a draft creates are exempt: nobody uses them yet.";

    BlockingRefresh = "blocking-refresh", found by Compiler:
        "A materialised view is refreshed in a way that blocks reads. `REFRESH MATERIALIZED VIEW` holds an ACCESS \
         EXCLUSIVE lock on the view until the commit, and every query of the view waits. With CONCURRENTLY, queries \
         see the old rows meanwhile; the view needs a unique index on columns, without a condition. CONCURRENTLY may \
         run in a transaction. Views that a draft creates are exempt: nobody uses them yet.";

    BlockingUnique = "blocking-unique", found by Compiler:
        "A constraint is added whose index is built while nobody can use the table. A unique constraint, a primary \
         key and an exclusion constraint need an index. `ADD` builds it under an ACCESS EXCLUSIVE lock, and so does \
         `ADD COLUMN` for a column that is a key: nobody can read or write the table until the commit. Build a unique \
         index with CONCURRENTLY in a migration of its own, then add the constraint with `USING INDEX`, which is \
         fast.";

    BrokenChain = "broken-chain", found by Compiler:
        "The lines of the lockfile do not match the hash in its first line. The hash covers all lines, so that two \
         branches that both add a migration conflict in version control instead of merging silently. Either the file \
         was edited by hand, or a conflict was resolved by keeping the first line of one side. Check the lines; if \
         they are right, `cargo xtask check --write` updates the hash.";

    ChangeType = "change-type", found by Compiler:
        "A column changes its type, so the table is rewritten. PostgreSQL writes all rows and indexes anew under an \
         ACCESS EXCLUSIVE lock, and nobody can read or write the table meanwhile. Changes that only widen the type \
         rewrite nothing (`varchar(10)` to `varchar(20)` or `text`, `numeric(10,2)` to `numeric(12,2)`) and are \
         allowed if an earlier script says what the type was. So is a change between `timestamp` and `timestamptz` \
         from PostgreSQL 12 on, if the script sets a time zone without an offset. Even then an index with an \
         expression or a condition is rebuilt and a check is tested on every row, which Lockgate also reports. The \
         safe way is a second column that is filled in batches and that the program then switches to.";

    ClientCommand = "client-command", found by Compiler:
        "A line is a command of a command-line client. One example is `DELIMITER` of the mysql client. The server \
         does not understand it. Delete it: Lockgate finds the end of a compound statement without it.";

    CopyData = "copy-data", found by Compiler:
        "`COPY … FROM stdin` has its data inline, in a folder that is not for PostgreSQL alone. The data are the \
         lines up to `\\.`, as in the output of pg_dump. Only PostgreSQL reads them, and Lockgate sends them only if \
         the folder is declared for PostgreSQL: `dialects = [\"postgres\"]` in `migrations.toml`. Otherwise write \
         INSERT statements.";

    CopyLineShared = "copy-line-shared", found by Compiler:
        "Something follows `COPY … FROM stdin` on the same line. The data begin on the next line, so the rest of this \
         line would be neither data nor a statement. Move it to a line of its own, after the `\\.` that ends the \
         data.";

    CopyOut = "copy-out", found by Compiler:
        "A `COPY` returns lines of data, which nothing reads in a migration. `COPY … TO stdout` returns them; `COPY … \
         FROM stdout` is most likely a mistake for `FROM stdin`. Query the database with psql, or write `FROM stdin`.";

    Deleted = "deleted", found by Compiler:
        "A released migration was deleted. Existing databases have it in their history, and a new database needs it \
         to end up the same: restore the file. To undo what the migration did, write a new migration.";

    DelimiterMissing = "delimiter-missing", found by Compiler:
        "A `DELIMITER` line names no delimiter. It sets the end of the following statements, and without one none \
         would end. Such lines are for the mysql client: delete it.";

    DelimiterTooLong = "delimiter-too-long", found by Compiler:
        "A `DELIMITER` line has a delimiter of more than 15 bytes. The mysql client accepts no longer one. Such lines \
         are for that client: delete it.";

    DownWithoutUp = "down-without-up", found by Compiler:
        "A down script has no up script of the same version and name. It reverts nothing and never runs. Under `down \
         = \"required\"` this is an error; otherwise it is a warning, because folders from other tools contain such \
         files. Give both scripts the same name, or delete this one.";

    DropCascade = "drop-cascade", found by Compiler:
        "Tables or columns are dropped that the script does not name. `DROP SCHEMA`, `DROP TYPE`, `DROP DOMAIN`, \
         `DROP EXTENSION` and `DROP OWNED` with CASCADE also drop everything that depends on the object, with its \
         rows. Only the database knows which tables that affects. Drop those tables by name, and the object without \
         CASCADE, which fails if something was forgotten. Objects that a draft creates are exempt.";

    DropColumn = "drop-column", found by Compiler:
        "A column that is in use is dropped, with its data. No down script brings the data back. During a rollout, \
         programs of the previous release still run, and each of their statements that names the column fails. Drop \
         the column one release after the last program that uses it, and say so with `-- lockgate: allow(drop-column) \
         \"why\"`.";

    DropTable = "drop-table", found by Compiler:
        "A table that is in use is dropped, with all its rows. No down script brings the rows back. During a rollout, \
         programs of the previous release still run. Drop the table one release after the last program that uses it, \
         and say so with `-- lockgate: allow(drop-table) \"why\"`. SQLite deletes the rows first, and with them the \
         rows of other tables whose foreign keys say `ON DELETE CASCADE`; the message names such a table. Some tables are exempt: those whose rows the \
         script has copied before, those replaced by a table of the same name that an earlier script has filled, and \
         those that the script creates again from a query.";

    Duplicate = "duplicate", found by Compiler:
        "Two migrations have the same version. For patches (`numbering = \"encoded\"`) this means the same database, \
         major and minor, whatever their user and description. It happens when two branches take the same number and \
         are merged. The order of the two would be arbitrary. `cargo xtask renumber` moves a draft after all others, \
         together with its test and its line in the lockfile. If both are released, `--thaw` turns the one that no \
         database has applied into a draft.";

    DuplicateTest = "duplicate-test", found by Compiler:
        "A migration has a test in Rust and one in SQL. It would not be clear which of them counts. Put everything \
         into one of the two; Rust can do all that SQL can.";

    Edited = "edited", found by Compiler:
        "A released migration was edited. Databases that have run it will not run it again, so old and new databases \
         would silently differ. Undo the edit and write a new migration. If no database can have applied it yet, \
         `cargo xtask amend` records the new text instead, with both checksums and the reason. Changes to the byte \
         order mark, line ends and newlines at the end of the file do not count as an edit; changes to blanks and \
         comments do.";

    EmptyScript = "empty-script", found by Compiler:
        "An up script has no statement. It would be recorded as applied and do nothing, and adding a statement later \
         would be drift. A script that `cargo xtask new-migration` has created is empty until you fill it in.";

    EmptyTable = "empty-table", found by Compiler:
        "A table that is in use loses all its rows. `TRUNCATE` and `DELETE` without WHERE delete everything, and no \
         down script brings the rows back. With CASCADE, `TRUNCATE` also empties every table that refers to this one. \
         If this is intended, say so with `-- lockgate: allow(empty-table) \"why\"`. Tables whose rows the script has \
         copied before and tables that a draft creates are exempt.";

    EnumValueUsed = "enum-value-used", found by Compiler:
        "A value of an enum is used in the transaction that adds it. PostgreSQL refuses that (`unsafe use of new \
         value`). If the transaction also creates the type, only PostgreSQL 12 to 16 refuse it: list the value in \
         `CREATE TYPE`. If the text may mean something else, for example in a column of unknown type, this is a \
         warning. Add the value in a migration of its own, before the one that uses it.";

    FilledTable = "filled-table", found by Compiler:
        "The statement works on an empty table and fails on one with rows. It passes every test on a fresh database \
         and stops the release. Give a NOT NULL column a default, or add it without `NOT NULL` and fill it. A key \
         needs another value in each row, which an identity gives. SQLite cannot add a column with a computed default, \
         a STORED column, or a column that refers to another table and has a default. If the lockfile shows that the table is released this is an error, otherwise a warning. \
         Tables that the script has emptied are exempt, and so is MySQL, which makes up a value.";

    ForeignPlaceholder = "foreign-placeholder", found by Compiler:
        "A script has a placeholder that another tool fills in before it runs the script. Flyway and Liquibase write \
         `${owner}`, tern `{{.owner}}`. Lockgate runs each script as it is, so that what was tested is what runs in \
         production. Write the value in its place; if it differs between databases, let a [Rust migration](rust.md) read \
         it. Between quotation marks, in the bodies of functions and in comments, `${` is an ordinary text and accepted. \
         Flyway fills in those too, so in a file with a name of Flyway's (`V1__users.sql`) they are errors.";

    ForeignSection = "foreign-section", found by Compiler:
        "A file contains both an up and a down script, divided by a comment of another tool. dbmate writes `-- \
         migrate:down`, goose `-- +goose Down`, node-pg-migrate `-- Down Migration`, and there are others. To a \
         database this is an ordinary comment: the whole file would run as one script, which drops at once what it \
         creates. Lockgate wants two files, `0001_users.up.sql` and `0001_users.down.sql`. Liquibase writes the down \
         script into comments (`--rollback`), which never run here, and goose can fill variables of the environment \
         into a script (`ENVSUB`), which Lockgate does not: both are found too, and so is what changes which statements run: \
         the `context`, `labels`, `dbms`, `runAlways` or `runOnChange` of a changeset, preconditions and ignored lines of \
         Liquibase, and the checks and checkpoints of Atlas. `cargo xtask adopt` shows \
         how it would split the files of a folder, and `cargo xtask adopt --write` splits them. A section without a \
         statement is accepted, and so is a script that the lockfile records as released.";

    ForeignTransaction = "foreign-transaction", found by Compiler:
        "A script asks another tool for no transaction, but Lockgate runs it in one. dbmate reads `-- migrate:up \
         transaction:false`, goose `-- +goose NO TRANSACTION`, and there are others; Lockgate ignores such comments. \
         Write `-- lockgate: no-transaction` as the first line, which means the same, or delete the comment if a \
         transaction does no harm. `foreign-transaction = \"allow\"` below `[lint]` silences this, and `\"deny\"` \
         makes it an error.";

    Gap = "gap", found by Compiler:
        "A number is missing in a folder that is numbered in sequence. Often a file was not committed, or a draft was \
         deleted. Add the file, or let `cargo xtask renumber` close gaps between drafts.";

    IncompleteDown = "incomplete-down", found by Compiler:
        "The up script creates an object that the down script does not mention. Neither the object's name nor that of \
         its table appears in the down script. So the object stays after a revert, and applying the migration again \
         fails. Objects that are dropped with another one need not be named: a partition with its table, a sequence \
         with the column that owns it. A down script that only raises an error does not count as one: the migration \
         is irreversible. Drop the object; or, if it should stay, write `-- lockgate: allow(incomplete-down) \"why\"` \
         in the down script.";

    IncompleteTest = "incomplete-test", found by Compiler:
        "A test of a migration lacks `before` or `after`. Only both together prove something: what is true before the \
         migration and not after it, and what is true after it and not before. In SQL they are `0002_x.before.sql` \
         and `0002_x.after.sql`, each with at least one statement.";

    IrreversibleDown = "irreversible-down", found by Compiler:
        "A migration is marked `irreversible` but has a down script. Only one of the two can be right: delete the \
         directive, or the down script. A down script that only raises an error means the same as the directive, and \
         may stay.";

    LossyDown = "lossy-down", found by Compiler:
        "The down script deletes rows: it drops a table or a column, or empties a table. Most down scripts do, so \
         this is reported only if the policy asks for it: `lossy-down = \"warn\"` below `[lint]`.";

    MergeConflict = "merge-conflict", found by Compiler:
        "Two branches changed the lockfile, and the merge was not finished. `cargo xtask check --write` reads what \
         the merge left, with or without conflict markers. It keeps everything that either branch has frozen, \
         rewrites the file, and says which drafts `cargo xtask renumber` has to move. If both branches froze one \
         migration with different texts, you decide: keep the line of the text that databases have. `cargo xtask \
         init` sets up git to merge the lockfile by itself.";

    MismatchedNames = "mismatched-names", found by Compiler:
        "The up and the down script of a migration have different names. They must have the same version and the same \
         name, and an up script with a down script is called `.up.sql`. Otherwise the down script could belong to \
         another migration, with a mistyped number. Rename one of them.";

    Misordered = "misordered", found by Compiler:
        "A draft sorts before a released migration. Databases that have the released one would get the two in another \
         order than new databases do. Patches are compared within their database. `cargo xtask renumber` moves the \
         draft after all others.";

    MisplacedDirective = "misplaced-directive", found by Compiler:
        "A directive is not at the head of its file. Directives are comments above everything else. Further down they \
         would silently have no effect: move it up. sqlx's `-- no-transaction` takes effect only at the very \
         beginning of the file, as in sqlx itself.";

    MissingDown = "missing-down", found by Compiler:
        "A migration has no down script, and the policy requires one. Under `down = \"required\"` each migration has \
         a down script, or a function `down` in a Rust step, or a directive that says why there is none: `-- \
         lockgate: irreversible \"why\"`.";

    MissingTest = "missing-test", found by Compiler:
        "A migration has no test, and the policy requires one. Under `tests = \"required\"` each migration has a file \
         in `tests/migrations` of the package that embeds the folder, named like the migration. The test of a patch \
         is named by its key, `billing.00000001.0002.rs`, which stays the same when the description changes. `cargo \
         xtask new-test 7` writes the test of version 7, which fails until you fill it in.";

    MissingUp = "missing-up", found by Compiler:
        "A Rust step has no function `up`. It needs `pub async fn up` at the top level of its file. With `down` alone \
         it would do nothing when it is applied.";

    NewerGrammar = "newer-grammar", found by Compiler:
        "A statement uses syntax that is newer than the servers. The policy names their release (`postgres = \
         \"15\"`). The parser knows the newest syntax, but the server does not. Write it in the older way, or raise \
         the release once no older server is left.";

    NoSuchFolder = "no-such-folder", found by Compiler:
        "The folder that the macro names does not exist. The path is relative to the directory of the crate's \
         `Cargo.toml`. An empty folder is fine: it is a set without migrations.";

    NotAFolder = "not-a-folder", found by Compiler:
        "The macro names a file instead of a folder. It needs the folder that contains the migrations, relative to \
         the directory of the crate's `Cargo.toml`.";

    NotListed = "not-listed", found by Compiler:
        "A file of `create/` is not in the `order.json` beside it. A list gives each file its place, so a file that is \
         not in it has none. Add its name where it has to run, or delete the list: the files then run in the order of \
         their names.";

    NotParsed = "not-parsed", found by Compiler:
        "The syntax of a statement was not checked at compile time. It has more than 250 nested brackets, or a chain \
         of thousands of operators, or more than a mebibyte of the script precedes it. Rows of constants in an \
         INSERT, INSERTs of the same shape and the data of COPY do not count. Nothing is known to be wrong; if \
         something is, the server will say so.";

    NotUtf8 = "not-utf8", found by Compiler:
        "A file is not UTF-8. Its text is part of the program and is sent to the database as UTF-8. Lockgate does not \
         guess other encodings: save the file as UTF-8, with or without a byte order mark.";

    NulByte = "nul-byte", found by Compiler:
        "A script contains a NUL byte. No database accepts one. Remove it; if the file is full of them, it was saved \
         as UTF-16 and must be saved as UTF-8.";

    OutsideTransaction = "outside-transaction", found by Compiler:
        "The database refuses this statement inside a transaction, or ignores it there. SQLite ignores `PRAGMA \
         foreign_keys`; PostgreSQL refuses to add a value to an enum before release 12. A script runs inside a \
         transaction unless its head says `-- lockgate: no-transaction`. A script without one is not rolled back if \
         it fails halfway, so give the statement a migration of its own.";

    PlpgsqlSyntax = "plpgsql-syntax", found by Compiler:
        "The body of a PL/pgSQL function looks wrong. The parser for these bodies is less complete than that for SQL, \
         so this is a warning. `plpgsql-syntax = \"deny\"` below `[lint]` makes it an error, and `-- lockgate: \
         allow(plpgsql-syntax) \"why\"` at the head of the file silences it.";

    PsqlInclude = "psql-include", found by Compiler:
        "A file that a script includes with `\\i` or `\\ir` cannot be included. Its text becomes a part of the script while \
         compiling. So the file must be in the folder of migrations, must not include itself, and must not be a migration.";

    PsqlLine = "psql-line", found by Compiler:
        "A line begins with a backslash, which makes it a command of psql. The server does not understand it. \
         `\\restrict` and `\\unrestrict`, which pg_dump writes around its output, are skipped in a folder that is for \
         PostgreSQL alone (`dialects = [\"postgres\"]` in `migrations.toml`). In a script whose head says `-- lockgate: \
         psql`, variables and the commands `\\set`, `\\getenv`, `\\if`, `\\elif`, `\\else`, `\\endif`, `\\echo`, `\\i` and \
         `\\ir` are read, too. Every other command is refused, because nothing would carry it out.";

    PsqlVariable = "psql-variable", found by Compiler:
        "A script with `-- lockgate: psql` uses a variable that has no value. Set it above with `\\set` or `\\getenv`, or \
         declare it with `-- lockgate: variable name` if whoever runs the script gives the value. psql would send the \
         colon and the name to the server.";

    RebuildForeignKeys = "rebuild-foreign-keys", found by Compiler:
        "A table that foreign keys refer to is rebuilt. In SQLite a table is changed by creating a new one, copying \
         the rows and dropping the old one. With foreign keys on, `DROP TABLE` first deletes the rows of the table: \
         rows of other tables that refer to them with `ON DELETE CASCADE` are silently deleted too, and other \
         references make it fail. `-- lockgate: foreign-keys off` turns foreign keys off around the transaction, \
         where SQLite allows it, and has them checked before the commit.";

    Rename = "rename", found by Compiler:
        "A column or a table that is in use is renamed. During a rollout, programs of the previous release still run, \
         and they use the old name. Add the new column beside the old one and switch over in two releases. For a \
         renamed table, or one that is moved to another schema, create a view with the old name. Renaming a schema \
         renames all its tables.";

    Renamed = "renamed", found by Compiler:
        "A released migration has another name or version than it was released with. Databases know it by both, so \
         restore its name. For a patch (`numbering = \"encoded\"`) only database, major and minor must stay; the rest \
         of the name may change.";

    RepeatableCircle = "repeatable-circle", found by Compiler:
        "Repeatable scripts need each other in a circle, so no order is right. A script needs another one if it mentions \
         something that the other creates, or says so by `-- lockgate: after`. Put what belongs together into one script, \
         in the right order, or move the part that the others need into a script of its own.";

    RepeatedDirective = "repeated-directive", found by Compiler:
        "A file has the same directive twice. A directive may appear once, and `allow`, `variable`, `profile` and `after` once for each name: with two \
         it would not be clear which one applies. Delete one.";

    Replay = "replay", found by Check:
        "The migrations do not run on an empty SQLite database. If the policy names `sqlite`, `cargo xtask check` \
         runs all scripts on a database in memory: each one up, down and up again, then the whole set down and up. \
         What fails there fails on every new database: a missing table, a bad column, a view or trigger of a dropped \
         table, a down script that does not undo everything. A problem in a released script is a warning, as the \
         script cannot be edited: a new migration can repair what it left. The replay stops before a Rust step, a \
         function or module that only the program has, and a statement about another file, and says so. A build \
         script does the same with `lockgate_build::replay`. If a set needs tables that it does not create, skip the \
         replay with `--no-replay`, or with `lockgate_build::check` in a build script.";

    RunsOnce = "runs-once", found by Compiler:
        "A repeatable script fails when it runs again. It runs again whenever its text changes, on databases where it \
         has run before: what it creates exists there, and what it drops is gone. Write `CREATE OR REPLACE`, `CREATE … IF \
         NOT EXISTS`, or `DROP … IF EXISTS` before `CREATE`. What should happen once belongs into a migration. Scripts \
         with a `DO` block, and those that drop with CASCADE, are exempt, because what they drop cannot be seen in the text.";

    SchemaDiffers = "schema-differs", found by Check:
        "The migrations do not make the desired schema. `schema/` says what there should be, and the migrations lead there; \
         whoever changes one must change the other. `cargo xtask check` and the tests of the migrations make a database \
         from each, on one throwaway server, and compare the two. `cargo xtask generate \"what it changes\"` drafts the \
         migration that is missing; where the migration is right, write the same into `schema/`.";

    SetNotNull = "set-not-null", found by Compiler:
        "A column becomes NOT NULL, which scans every row. Nobody can read or write the table until the commit, \
         because of an ACCESS EXCLUSIVE lock. If there is a valid constraint `CHECK (column IS NOT NULL)`, no row is \
         scanned. Add such a constraint as `NOT VALID`, validate it in the next migration, which does not block \
         others, then set NOT NULL and drop the check.";

    StaleSnapshot = "stale-snapshot", found by Check:
        "The snapshot of the schema is not what the migrations make. `schema.txt` beside the migrations is what `drift \
         --schema` compares live databases with, so a stale one reports false differences. It changes with each migration \
         that changes the schema: write it again with `cargo xtask schema --write`, and check it in.";

    StrayFolder = "stray-folder", found by Compiler:
        "A folder does not belong where it is, in a folder with `layout = \"trees\"`. There are three trees: `create/`, \
         `deployment/` and `manual-deployment/`. `create/` has numbered folders, such as `1-tables`, and these have \
         files; the other two have files alone. What is in another folder would never run. Rename it, or move its files \
         to where they belong.";

    Syntax = "syntax", found by Compiler:
        "A statement is not valid in the database's grammar. The server would refuse it when the migration runs. \
         Lockgate reports the first mistake of each statement, and a small change that makes the statement valid if \
         it finds one. It checks PostgreSQL with the grammar of its newest release and SQLite with SQLite's own. For \
         MySQL and MariaDB it checks only quotes, comments, `DELIMITER`, compound bodies and brackets. In a folder \
         without `dialects` this is a warning, and only if neither PostgreSQL nor SQLite accepts the script and \
         nothing in it looks like MySQL. Released scripts are not checked again. To release an old broken script that \
         no database runs any more, set `syntax = \"warn\"` below `[lint]` until it is released. If the server does \
         accept a statement, `-- lockgate: allow(syntax) \"why\"` at the head of its file lets it pass; the policy \
         can do so for the whole folder.";

    TableRewrite = "table-rewrite", found by Compiler:
        "A whole table is rewritten while nobody can use it. `VACUUM FULL`, `CLUSTER`, `SET LOGGED`, `SET UNLOGGED`, \
         `SET TABLESPACE` and `SET ACCESS METHOD` do so under an ACCESS EXCLUSIVE lock. A plain `VACUUM` does not; \
         the others need a maintenance window.";

    Trace = "trace", found by Check:
        "The migrations do not run on an empty PostgreSQL database. If the policy names `postgres`, `cargo xtask \
         check --trace` runs all up scripts in order on a throwaway server, and reports what each draft locks, \
         rewrites and scans. What fails there fails on every new database: a missing table, a bad column, a statement \
         in the wrong order. A problem in a released script is a warning, as the script cannot be edited. The trace \
         stops before a Rust step, a COPY, or a missing extension, and says so. Its tables are empty, so it cannot \
         find what depends on rows, or how long a statement takes. Correct the script at the place that the message \
         shows.";

    TransactionControl = "transaction-control", found by Compiler:
        "A script begins, commits or rolls back a transaction itself. It runs inside the transaction that also \
         records it, and would separate the two. Leave out `BEGIN` and `COMMIT`. A script that needs its own \
         transactions says `-- lockgate: no-transaction`. Savepoints are allowed.";

    TreesDiffer = "trees-differ", found by Check:
        "`create/` and `deployment/` do not give the same schema. A new database is made from `create/`, and all others \
         have come from `deployment/`: both must end alike. `cargo xtask check` and the tests of the migrations make a \
         database from each on a throwaway server, and compare the two. Where a deployment was written and `create/` was \
         not changed, change it; where `create/` was changed, write the deployment.";

    Unanswered = "unanswered-question", found by Compiler:
        "A question of a draft has no answer yet. `cargo xtask generate` writes a line `-- lockgate: unanswered \"…\"` where \
         a person must decide: which value a new column has in existing rows, or what to do about a difference that it \
         cannot draft. A guess could destroy data. Write the answer into the script, and delete the line.";

    UnclosedParenthesis = "unclosed-parenthesis", found by Compiler:
        "A parenthesis is not closed. Everything after it belongs to one unfinished statement, which the database \
         refuses. Close it.";

    UndeclaredDialects = "undeclared-dialects", found by Compiler:
        "The package uses several databases, and nothing says which of them the folder is for. So a script is refused \
         only if none of them accepts it, and most mistakes are found only when it runs. Declare the database with \
         `dialects = [\"postgres\"]` in `migrations.toml`; if you list two, each script must be valid in both. \
         `undeclared-dialects = \"allow\"` below `[lint]` silences this.";

    UnknownDirective = "unknown-directive", found by Compiler:
        "There is no directive with this name. Every comment that begins with `lockgate:` is a directive, and \
         ignoring a misspelt one would mislead its author. Correct the name, or begin the comment with another word.";

    UnknownFile = "unknown-file", found by Compiler:
        "A file in the folder is not a migration. Lockgate must understand every file, except `README.md` and files \
         that begin with a dot; otherwise a migration with a misspelt name would be silently skipped. Rename the \
         file, or move it out of the folder.";

    UnknownKey = "unknown-key", found by Compiler:
        "There is no such key in `migrations.toml`. A misspelt key would be a policy that does not apply. Correct it.";

    UnknownRule = "unknown-rule", found by Compiler:
        "The policy, or an `allow`, names a rule that does not exist. It would silence or deny nothing. Only lints \
         have levels: other errors cannot be silenced.";

    UnknownTest = "unknown-test", found by Compiler:
        "A test belongs to no migration. Files in `tests/migrations` whose names begin with a digit are tests, each \
         named like its migration. A test with a misspelt name would never run. Rename it, or delete it with its \
         migration.";

    Unlocked = "unlocked", found by Compiler:
        "A migration is not in the lockfile, or has another name there. The lockfile makes two branches conflict \
         visibly if both add a migration. `cargo xtask new-migration` adds the line of a new migration at once; \
         `cargo xtask check --write` adds missing lines.";

    Unreadable = "unreadable", found by Compiler:
        "A file or folder cannot be read. Its permissions forbid it, or it is a broken or circular link. Leaving it \
         out would change the set of migrations.";

    UnsupportedAlter = "unsupported-alter", found by Compiler:
        "The statement is valid in SQLite's grammar, but SQLite refuses it, or some releases do. SQLite never adds a \
         column with `PRIMARY KEY` or `UNIQUE`. For a unique column, add it without the word and create a unique \
         index; a primary key needs a rebuild of the table. `ADD CHECK`, `DROP CONSTRAINT` and `SET NOT NULL` came \
         with SQLite 3.53, so they are a warning: the replay of `cargo xtask check` shows what the workspace's own \
         SQLite accepts.";

    UnterminatedBody = "unterminated-body", found by Compiler:
        "A body that begins with `BEGIN` or `CASE` has no `END`. The statements after it would belong to it and never \
         run by themselves. Close it with `END;`.";

    UnterminatedComment = "unterminated-comment", found by Compiler:
        "A comment that begins with `/*` has no `*/`. Everything after it would be a comment and not run. Close it; \
         in PostgreSQL comments nest, and each needs its own end.";

    UnterminatedCopyData = "unterminated-copy-data", found by Compiler:
        "The data of `COPY … FROM stdin` have no end. They end with a line that contains only `\\.`; without it, the \
         statements that follow would be read as data.";

    UnterminatedDollarQuote = "unterminated-dollar-quote", found by Compiler:
        "A string that begins with `$tag$` has no second `$tag$`. The tags must match exactly, including case. \
         Everything after the first one would be text and not run.";

    UnterminatedName = "unterminated-name", found by Compiler:
        "A quoted name is not closed. Everything after the quotation mark would belong to the name. Close it.";

    UnterminatedString = "unterminated-string", found by Compiler:
        "A string is not closed. Everything after its quotation mark would belong to it. Close it; a quotation mark \
         inside a string is written twice.";

    VanishedDraft = "vanished-draft", found by Compiler:
        "The lockfile has a line for a draft whose file is gone. If it was deleted on purpose, `cargo xtask check \
         --write` drops the line; if not, the file was not committed.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql;

    #[test]
    fn codes_are_in_order_and_well_formed() {
        assert!(Code::ALL.is_sorted_by_key(|code| code.as_str()));
        for code in Code::ALL {
            let name = code.as_str();
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'));
            assert_eq!(name.parse(), Ok(*code));
            let explanation = code.explanation();
            assert!(explanation.ends_with('.'), "{code}");
            // The list of all codes shows the summary on one line.
            let summary = code.summary();
            assert!(summary.chars().count() <= 90 && summary.len() < explanation.len() - 1, "{code}");
        }
        assert_eq!(nearest("missordered", []), Some("misordered"));
        assert_eq!(nearest("vacuum", []), None);
        assert_eq!("gaps".parse::<Code>(), Err(UnknownCode));
    }

    #[test]
    fn every_rule_and_problem_of_the_sql_crate_has_a_code() {
        for name in sql::lint::names().chain(sql::PROBLEM_CODES) {
            assert_eq!(Code::of_sql(name), name);
        }
    }
}
