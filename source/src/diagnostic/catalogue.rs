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
        "broken-chain",
        "The head line of the lockfile holds a hash over all its lines, so that two branches that both add a migration \
         conflict in version control instead of merging in silence. It does not match: the file was edited by hand, or \
         a conflict was resolved by taking one side's head line. Look at the lines; if they are right, \
         `cargo xtask check --write` writes the head line again.",
    ),
    entry(
        "client-command",
        "Some lines are instructions to a command-line client, such as `DELIMITER` of the mysql client. A server does \
         not understand them.",
    ),
    entry(
        "copy-data",
        "`COPY … FROM stdin` is followed by lines of data up to a line `\\.`, as in the output of pg_dump. PostgreSQL \
         alone reads them, and Lockgate sends them only where the folder says that it is for PostgreSQL and nothing \
         else: `dialects = [\"postgres\"]` in `migrations.toml`. Elsewhere write INSERT statements.",
    ),
    entry(
        "copy-line-shared",
        "The data of `COPY … FROM stdin` begins on the next line, so nothing may stand behind the statement on its own \
         line.",
    ),
    entry(
        "copy-out",
        "`COPY … TO stdout` answers with lines of data, and `COPY … FROM stdout` is how nobody means to write \
         `FROM stdin`. In a migration there is nobody to read what comes out: query the database with psql, or write \
         what is read as `FROM stdin`.",
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
        "gap",
        "The folder is numbered in sequence, and a number is missing. Often a file was not committed, or a draft was \
         deleted; `cargo xtask renumber` closes gaps between drafts.",
    ),
    entry(
        "irreversible-down",
        "A migration says `irreversible` and has a way down all the same. One of the two is not true.",
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
        "no-such-folder",
        "The folder that the macro names is not there. The path is relative to the directory of the crate's `Cargo.toml`. \
         An empty folder is fine: it is a set without migrations.",
    ),
    entry("not-a-folder", "The macro names a file. It wants the folder in which the migrations are."),
    entry("not-utf8", "Every file is UTF-8, with or without a byte order mark."),
    entry("nul-byte", "No database takes a script with a NUL byte in it. A file full of them was saved as UTF-16."),
    entry(
        "outside-transaction",
        "The database refuses this statement inside a transaction, or ignores it there, as SQLite does with \
         `PRAGMA foreign_keys`. A script runs inside one unless its head says `-- lockgate: no-transaction`. Such a \
         script is not undone when it fails half way; give the statement a migration of its own.",
    ),
    entry(
        "psql-line",
        "Lines that begin with a backslash are instructions to psql, and a server does not understand them. \
         `\\restrict` and `\\unrestrict`, which pg_dump writes around its output, are passed over in a folder that is \
         for PostgreSQL alone (`dialects = [\"postgres\"]` in `migrations.toml`); every other one is refused, as what it \
         asks for would not be done.",
    ),
    entry(
        "renamed",
        "A released migration has another name or another version than it was released with. Databases know it by both: \
         give it its name back.",
    ),
    entry("repeated-directive", "A directive stands at most once in a file; `allow` once for each rule."),
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
        "unlocked",
        "A file of the folder is not in the lockfile, or not under its name. `cargo xtask new-migration` writes the line \
         of a new migration at once; `cargo xtask check --write` adds those that are missing.",
    ),
    entry("unreadable", "A file or folder cannot be read, or is a link that leads nowhere or in a circle."),
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
