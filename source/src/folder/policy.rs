//! The policy of a folder, `migrations.toml`. Without the file, versions must be distinct and drafts must come
//! after released migrations, and nothing else is required.

use std::collections::BTreeMap;
use std::ops::Range;

use lockgate_core::{Dialect, Dialects};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::rule;
use crate::sql::{LintLevel, Release, suggest};
use crate::{Code, Diagnostic, Severity};

/// The name of the policy file.
pub const FILE: &str = "migrations.toml";

/// The policy of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The dialects that every script must be valid in, if the policy names any.
    pub dialects: Option<Dialects>,
    /// The release of the PostgreSQL servers, if the policy names one.
    pub postgres: Option<Release>,
    /// How versions follow each other.
    pub numbering: Numbering,
    /// How the files are laid out.
    pub layout: Layout,
    /// Whether each migration needs a down script, or a reason for having none.
    pub down: Need,
    /// Whether each migration needs a test file.
    pub tests: Need,
    /// The database, on the same server, that keeps a second record of all histories.
    pub mirror: Option<String>,
    /// The level of each lint that the policy names.
    pub lints: BTreeMap<Code, LintLevel>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            dialects: None,
            postgres: None,
            numbering: Numbering::Any,
            layout: Layout::Flat,
            down: Need::Optional,
            tests: Need::Optional,
            mirror: None,
            lints: BTreeMap::new(),
        }
    }
}

impl Policy {
    /// Returns the dialects that the folder is for; all of them if the policy names none.
    pub fn dialects(&self) -> Dialects {
        self.dialects.unwrap_or(Dialects::ALL)
    }

    /// Returns the severity of what a rule finds, or `None` if the rule is allowed; `default` is its level if the
    /// policy sets none.
    pub(super) fn severity(&self, rule: Code, default: LintLevel) -> Option<Severity> {
        match self.lints.get(&rule).copied().unwrap_or(default) {
            LintLevel::Deny => Some(Severity::Error),
            LintLevel::Warn => Some(Severity::Warning),
            LintLevel::Allow => None,
        }
    }
}

/// How versions follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Numbering {
    /// Any ascending versions.
    Any,
    /// 1, 2, 3, without a gap.
    Sequence,
    /// UTC times of 14 digits: `20260131093000`.
    Timestamp,
    /// `00000-name.sql`, `00001-name.sql`, of five digits and without a gap.
    Ordinal,
    /// `database.MAJOR.MINOR.user.description.sql`, known by its first three parts.
    Encoded,
}

impl Numbering {
    const WORDS: [(&'static str, Self); 5] = [
        ("any", Self::Any),
        ("sequence", Self::Sequence),
        ("timestamp", Self::Timestamp),
        ("ordinal", Self::Ordinal),
        ("encoded", Self::Encoded),
    ];

    /// The word for it in `migrations.toml`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Sequence => "sequence",
            Self::Timestamp => "timestamp",
            Self::Ordinal => "ordinal",
            Self::Encoded => "encoded",
        }
    }
}

/// How the files of a folder are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Migrations, in folders or not.
    Flat,
    /// Three trees: `create/`, `deployment/` and `manual-deployment/`.
    Trees,
}

impl Layout {
    const WORDS: [(&'static str, Self); 2] = [("flat", Self::Flat), ("trees", Self::Trees)];
}

/// Whether something is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Need {
    /// It is.
    Required,
    /// It is not.
    Optional,
}

impl Need {
    const WORDS: [(&'static str, Self); 2] = [("required", Self::Required), ("optional", Self::Optional)];
}

/// A row of the table of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// What it sets, in one sentence.
    pub doc: &'static str,
    /// Details, in paragraphs.
    pub more: &'static [&'static str],
    /// The default, in words.
    pub default: &'static str,
    /// An example.
    pub example: &'static str,
}

/// Every key.
pub const KEYS: [Key; 8] = [
    Key {
        name: "dialects",
        doc: "the databases that every script must be valid for: postgres, sqlite, mysql",
        more: &[],
        default: "the only database for which the package enables `lockgate`; if there are several, only a script \
        that none of them accepts is refused",
        example: "dialects = [\"postgres\", \"sqlite\"]",
    },
    Key {
        name: "postgres",
        doc: "the oldest release of PostgreSQL among the servers: newer syntax is refused",
        more: &[],
        default: "the newest grammar is taken",
        example: "dialects = [\"postgres\"]\npostgres = \"15\"",
    },
    Key {
        name: "numbering",
        doc: "how versions follow each other: \"sequence\" is 1, 2, 3 without a gap, \"timestamp\" 14 digits in UTC, \"ordinal\" 00000, 00001 without a gap, \"encoded\" database.MAJOR.MINOR.user.description with 8 and 4 digits, \"any\" whatever ascends",
        more: &[
            "Of patches (\"encoded\"), as in `billing.00000001.0007.billing_owner.add_tags.sql`, the first three parts are \
             what a database knows one by: wherever in the folder it is. It may be moved, and user and description may \
             change, before its release and after it, and it is not run again; its content may not. The user is a part of \
             the name and no more: a script runs as another role where `-- lockgate: role NAME` says so.",
            "`up --to` finds a patch as `1.7`, as `billing.00000001.0007` or by its whole name. In the history its version \
             is major * 10000 + minor, and its test is `tests/migrations/billing.00000001.0007.rs`. \
             `cargo xtask new-migration --database billing --user billing_owner \"add tags\"` writes one.",
            "A folder may have the patches of several databases, and a program embeds those of one: \
             `embed_migrations!(\"patches\", database = \"billing\")`. Connected to a database with the history of another \
             one, it refuses to run.",
        ],
        default: "\"any\"; \"ordinal\" with `layout = \"trees\"`",
        example: "numbering = \"sequence\"",
    },
    Key {
        name: "layout",
        doc: "how the files are laid out: \"trees\" is `create/`, `deployment/` and `manual-deployment/`, \"flat\" the migrations alone",
        more: &[
            "With \"trees\", the migrations are in `deployment/`, numbered by ordinals. `create/` has the desired schema, \
             which an empty database is created from; `manual-deployment/` has scripts that an operator runs. The \
             guide's chapter \"Desired-state trees\" has the rest.",
        ],
        default: "\"flat\"",
        example: "layout = \"trees\"",
    },
    Key {
        name: "down",
        doc: "whether each migration needs a down script, or a reason for having none",
        more: &[],
        default: "\"optional\"",
        example: "down = \"required\"",
    },
    Key {
        name: "tests",
        doc: "whether each migration needs a test in `tests/migrations`",
        more: &[],
        default: "\"optional\"",
        example: "tests = \"required\"",
    },
    Key {
        name: "mirror",
        doc: "the database, on the same server, that keeps a second record of the histories of several databases",
        more: &[
            "It is for programs with `embed_migrations!(\"patches\", databases)`. Each run compares the databases with it \
             before it changes anything; see the chapter on several databases.",
        ],
        default: "there is none",
        example: "numbering = \"encoded\"\nmirror = \"lockgate_state\"",
    },
    Key {
        name: "lint",
        doc: "the level of each lint: \"deny\" is an error, \"warn\" a warning, \"allow\" nothing",
        more: &["Scripts that the lockfile records as released are not linted, and tables that a draft creates are \
             exempt. In a folder without a lockfile, only rules that are certain report by default; a rule that this \
            table names always reports. `-- lockgate: allow(RULE) \"why\"` at the head of a script silences it there."],
        default: "each lint has a level of its own",
        example: "[lint]\ndrop-column = \"deny\"",
    },
];

/// Reads a policy; `file` is its path in messages.
pub fn parse(text: &str, file: &str) -> (Policy, Vec<Diagnostic>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        text,
        file,
        policy: Policy::default(),
        release: None,
        mirror: None,
        numbering: None,
        diagnostics: Vec::new(),
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    // One syntax error often causes others, so only the first is reported.
    if let Some(error) = errors.iter().min_by_key(|error| error.span().map_or(0, |range| range.start)) {
        let range = error.span().unwrap_or(0..0);
        let help = match error.message() {
            "duplicate key" => "delete this one, or the one above it".to_owned(),
            _ => "a line is `key = \"word\"`, for example `down = \"required\"`".to_owned(),
        };
        reader.diagnostics.push(
            Diagnostic::error(Code::BadPolicy, file, format!("the policy is not TOML: {}", error.message()))
                .at(text, range, "")
                .help(help),
        );
    }
    if reader.diagnostics.is_empty() {
        for (key, value) in in_order(table.get_ref()) {
            reader.key(key, value);
        }
        reader.together();
    }
    (reader.policy, reader.diagnostics)
}

type Entry<'a, 'i> = (&'a Spanned<std::borrow::Cow<'i, str>>, &'a Spanned<DeValue<'i>>);

fn in_order<'a, 'i>(table: &'a DeTable<'i>) -> Vec<Entry<'a, 'i>> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

struct Reader<'a> {
    text: &'a str,
    file: &'a str,
    policy: Policy,
    /// Where `postgres` names a release.
    release: Option<Range<usize>>,
    /// Where `mirror` names a database.
    mirror: Option<Range<usize>>,
    /// Where `numbering` is set.
    numbering: Option<Range<usize>>,
    diagnostics: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn key(&mut self, key: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>) {
        match key.get_ref().as_ref() {
            "dialects" => self.dialects(value),
            "postgres" => self.postgres(value),
            "numbering" => self.numbering(value),
            "layout" => {
                if let Some(layout) = self.word("layout", value, &Layout::WORDS) {
                    self.policy.layout = layout;
                }
            }
            "down" => {
                if let Some(need) = self.word("down", value, &Need::WORDS) {
                    self.policy.down = need;
                }
            }
            "tests" => {
                if let Some(need) = self.word("tests", value, &Need::WORDS) {
                    self.policy.tests = need;
                }
            }
            "mirror" => self.mirror(value),
            "lint" => self.lints(value),
            unknown => {
                let help = match suggest::nearest(unknown, KEYS.map(|key| key.name)) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => format!("the keys are {}", list(KEYS.map(|key| key.name))),
                };
                self.error(Code::UnknownKey, key.span(), format!("there is no key `{unknown}`"), "unknown", help);
            }
        }
    }

    fn dialects(&mut self, value: &Spanned<DeValue<'_>>) {
        let example = "write a list of one or more of \"postgres\", \"sqlite\", \"mysql\"";
        if let Some(word) = value.get_ref().as_str() {
            let dialect = word
                .parse::<Dialect>()
                .map_or_else(|_| dialect_alias(word).map(str::to_owned), |dialect| Some(dialect.to_string()));
            let help = dialect.map_or(example.to_owned(), |dialect| format!("write `dialects = [\"{dialect}\"]`"));
            return self.error(Code::BadValue, value.span(), "`dialects` is a list".to_owned(), "", help);
        }
        let Some(array) = value.get_ref().as_array().filter(|array| !array.is_empty()) else {
            return self.error(
                Code::BadValue,
                value.span(),
                "`dialects` names no dialect".to_owned(),
                "",
                example.to_owned(),
            );
        };
        let mut dialects = Dialects::NONE;
        for item in array {
            match item.get_ref().as_str().map(|word| (word, word.parse::<Dialect>())) {
                Some((_, Ok(dialect))) => dialects = dialects.with(dialect),
                Some((word, Err(error))) => {
                    let help = match dialect_alias(word) {
                        Some(meant) => format!("did you mean \"{meant}\"?"),
                        None => error.to_string(),
                    };
                    self.error(Code::BadValue, item.span(), format!("there is no dialect {word:?}"), "unknown", help);
                }
                None => {
                    self.error(Code::BadValue, item.span(), "a dialect is a text".to_owned(), "", example.to_owned())
                }
            }
        }
        self.policy.dialects = Some(dialects).filter(|dialects| *dialects != Dialects::NONE);
    }

    fn postgres(&mut self, value: &Spanned<DeValue<'_>>) {
        let written = match value.get_ref() {
            DeValue::String(word) => word.to_string(),
            DeValue::Integer(number) => number.as_str().to_owned(),
            DeValue::Float(number) => number.as_str().to_owned(),
            _ => String::new(),
        };
        if let (Ok(release), true) = (written.parse::<Release>(), value.get_ref().is_str()) {
            self.policy.postgres = Some(release);
            self.release = Some(value.span());
            return;
        }
        // `15.2` and `15` without quotes mean a release too.
        let major = written.split('.').next().and_then(|major| major.parse::<Release>().ok());
        let major = major.map_or("15".to_owned(), |major| major.to_string());
        self.error(
            Code::BadValue,
            value.span(),
            "`postgres` is the release of the servers, by its major number, as a text".to_owned(),
            "",
            format!("write `postgres = \"{major}\"`; the oldest that can be named is {}", Release::OLDEST),
        );
    }

    /// Whether what the policy says fits together.
    fn together(&mut self) {
        if self.policy.layout == Layout::Trees {
            if let (Some(range), false) = (self.numbering.clone(), self.policy.numbering == Numbering::Ordinal) {
                let message = "with `layout = \"trees\"`, deployments are numbered by ordinals".to_owned();
                let help = "write `numbering = \"ordinal\"`, or delete this line".to_owned();
                self.error(Code::BadValue, range, message, "", help);
            }
            self.policy.numbering = Numbering::Ordinal;
        }
        if let Some(range) = self.mirror.clone().filter(|_| self.policy.numbering != Numbering::Encoded) {
            let message = "`mirror` is for the patches of several databases".to_owned();
            let help = "set `numbering = \"encoded\"` too, or delete the line and use `Migrator::mirror` or `--mirror`";
            self.error(Code::BadValue, range, message, "", help.to_owned());
        }
        let Some(range) = self.release.clone() else { return };
        if !self.policy.dialects.is_some_and(|dialects| dialects.contains(Dialect::Postgres)) {
            let message = "`postgres` names a release, but `dialects` does not name PostgreSQL".to_owned();
            let help = "name it in `dialects` too: `dialects = [\"postgres\"]`".to_owned();
            self.error(Code::BadValue, range, message, "", help);
        }
    }

    fn mirror(&mut self, value: &Spanned<DeValue<'_>>) {
        let help = "write the name of a database: `mirror = \"lockgate_state\"`".to_owned();
        match value.get_ref().as_str() {
            Some(name) if name.contains("://") => {
                // The URL is not shown, as it may have a password.
                let help = "name a database on the same server; a URL is for `DatabasesMigrator::mirror` or `--mirror`";
                self.error(Code::BadValue, value.span(), "`mirror` is not a URL".to_owned(), "", help.to_owned());
            }
            Some(name) if !name.trim().is_empty() => {
                self.policy.mirror = Some(name.to_owned());
                self.mirror = Some(value.span());
            }
            Some(_) | None => {
                self.error(Code::BadValue, value.span(), "`mirror` names no database".to_owned(), "", help);
            }
        }
    }

    fn numbering(&mut self, value: &Spanned<DeValue<'_>>) {
        if let Some(numbering) = self.word("numbering", value, &Numbering::WORDS) {
            self.policy.numbering = numbering;
            self.numbering = Some(value.span());
        }
    }

    fn lints(&mut self, value: &Spanned<DeValue<'_>>) {
        let Some(table) = value.get_ref().as_table() else {
            let help = "write `[lint]` on a line of its own, and below it `rule = \"deny\"`".to_owned();
            return self.error(Code::BadValue, value.span(), "`lint` is a table".to_owned(), "", help);
        };
        for (rule, level) in in_order(table) {
            match rule::of_policy(rule.get_ref()) {
                Ok(code) => {
                    if let Some(level) = self.word(rule.get_ref(), level, &LintLevel::WORDS) {
                        self.policy.lints.insert(code, level);
                    }
                }
                Err((message, help)) => self.error(Code::UnknownRule, rule.span(), message, "unknown", help),
            }
        }
    }

    /// One of a few words.
    fn word<T: Copy>(&mut self, key: &str, value: &Spanned<DeValue<'_>>, known: &[(&str, T)]) -> Option<T> {
        let word = value.get_ref().as_str();
        if let Some((_, meaning)) = known.iter().find(|(known, _)| Some(*known) == word) {
            return Some(*meaning);
        }
        let choice = format!("`{key}` is one of {}", words(known));
        let (message, help) = match word {
            Some(word) => {
                let other = SYNONYMS.into_iter().find(|(other, _)| other.eq_ignore_ascii_case(word));
                let other = other.and_then(|(_, meant)| known.iter().find(|(word, _)| *word == meant));
                let meant = other.map(|(word, _)| *word);
                let meant = meant.or_else(|| suggest::nearest(word, known.iter().map(|(word, _)| *word)));
                let help = meant.map_or(choice, |meant| format!("did you mean \"{meant}\"?"));
                (format!("`{key}` cannot be {word:?}"), help)
            }
            None => (
                format!("`{key}` cannot be {} {}", article(value.get_ref().type_str()), value.get_ref().type_str()),
                choice,
            ),
        };
        self.error(Code::BadValue, value.span(), message, "", help);
        None
    }

    fn error(&mut self, code: Code, range: Range<usize>, message: String, label: &str, help: String) {
        self.diagnostics.push(Diagnostic::error(code, self.file, message).at(self.text, range, label).help(help));
    }
}

/// What other linters, and other tools, call the words of a policy.
const SYNONYMS: [(&str, &str); 9] = [
    ("error", "deny"),
    ("forbid", "deny"),
    ("off", "allow"),
    ("ignore", "allow"),
    ("none", "allow"),
    ("sequential", "sequence"),
    ("mandatory", "required"),
    ("always", "required"),
    ("never", "optional"),
];

fn dialect_alias(word: &str) -> Option<&'static str> {
    match word.to_lowercase().as_str() {
        "postgresql" | "pg" | "psql" | "postgre" => Some("postgres"),
        "sqlite3" => Some("sqlite"),
        "mariadb" => Some("mysql"),
        lower => suggest::nearest(lower, Dialect::ALL.map(Dialect::as_str)),
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

fn words<T>(known: &[(&str, T)]) -> String {
    known.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

fn list<const N: usize>(known: [&str; N]) -> String {
    known.map(|word| format!("`{word}`")).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Color;

    const RELEASE: &str = "`postgres` is the release of the servers, by its major number, as a text";

    fn check(text: &str, expected: &str) {
        let (_, diagnostics) = parse(text, "migrations/migrations.toml");
        let rendered: Vec<String> = diagnostics.iter().map(|d| d.render(Color::Off)).collect();
        assert_eq!(rendered.join("\n"), expected);
    }

    #[test]
    fn every_key_is_read() {
        let text = "\
dialects = [\"postgres\", \"sqlite\"]
postgres = \"15\"
numbering = \"sequence\"
down = \"required\"
tests = \"required\"

[lint]
drop-column = \"deny\"
rename = \"allow\"
";
        let (policy, diagnostics) = parse(text, "migrations.toml");
        assert_eq!(diagnostics, []);
        assert_eq!(policy.dialects, Some(Dialects::NONE.with(Dialect::Postgres).with(Dialect::Sqlite)));
        assert_eq!(policy.postgres, Some(Release::new(15)));
        assert_eq!(policy.numbering, Numbering::Sequence);
        assert_eq!((policy.down, policy.tests), (Need::Required, Need::Required));
        assert_eq!(policy.lints[&Code::DropColumn], LintLevel::Deny);
        assert_eq!(policy.lints[&Code::Rename], LintLevel::Allow);
    }

    #[test]
    fn every_key_has_an_example_that_is_read() {
        for key in KEYS {
            let (policy, diagnostics) = parse(key.example, "migrations.toml");
            assert_eq!(diagnostics, [], "{}", key.name);
            assert_ne!(policy, Policy::default(), "{}", key.name);
            assert!(key.example.contains(key.name));
        }
    }

    #[test]
    fn a_mirror_is_a_database_for_several() {
        check(
            "mirror = \"lockgate_state\"\n",
            "\
error[bad-value]: `mirror` is for the patches of several databases
 --> migrations/migrations.toml:1:10
  |
1 | mirror = \"lockgate_state\"
  |          ^^^^^^^^^^^^^^^^
  |
  = help: set `numbering = \"encoded\"` too, or delete the line and use `Migrator::mirror` or `--mirror`",
        );
        let (_, diagnostics) = parse("numbering = \"encoded\"\nmirror = \"postgres://a:secret@b/c\"\n", "m.toml");
        assert_eq!(diagnostics[0].message, "`mirror` is not a URL");
        let (_, diagnostics) = parse("numbering = \"encoded\"\nmirror = \"\"\n", "m.toml");
        assert_eq!(diagnostics[0].message, "`mirror` names no database");
    }

    #[test]
    fn without_a_file_nothing_is_required() {
        assert_eq!(parse("", "migrations.toml"), (Policy::default(), vec![]));
        assert_eq!(Policy::default().dialects(), Dialects::ALL);
    }

    #[test]
    fn unknown_keys_and_words_are_shown_with_what_was_meant() {
        check(
            "# policy\ndowns = \"required\"\ncolour = 1\n",
            "\
error[unknown-key]: there is no key `downs`
 --> migrations/migrations.toml:2:1
  |
2 | downs = \"required\"
  | ^^^^^ unknown
  |
  = help: did you mean `down`?
error[unknown-key]: there is no key `colour`
 --> migrations/migrations.toml:3:1
  |
3 | colour = 1
  | ^^^^^^ unknown
  |
  = help: the keys are `dialects`, `postgres`, `numbering`, `layout`, `down`, `tests`, `mirror`, `lint`",
        );
        check(
            "numbering = \"sequenc\"\ndown = true\n",
            "\
error[bad-value]: `numbering` cannot be \"sequenc\"
 --> migrations/migrations.toml:1:13
  |
1 | numbering = \"sequenc\"
  |             ^^^^^^^^^
  |
  = help: did you mean \"sequence\"?
error[bad-value]: `down` cannot be a boolean
 --> migrations/migrations.toml:2:8
  |
2 | down = true
  |        ^^^^
  |
  = help: `down` is one of \"required\", \"optional\"",
        );
        for (line, message, help) in [
            ("dialects = \"Postgres\"", "`dialects` is a list", "write `dialects = [\"postgres\"]`"),
            ("dialects = \"mariadb\"", "`dialects` is a list", "write `dialects = [\"mysql\"]`"),
            ("down = \"mandatory\"", "`down` cannot be \"mandatory\"", "did you mean \"required\"?"),
            ("numbering = \"sequential\"", "`numbering` cannot be \"sequential\"", "did you mean \"sequence\"?"),
            ("[lint]\nrename = \"error\"", "`rename` cannot be \"error\"", "did you mean \"deny\"?"),
            ("[lint]\nrename = \"off\"", "`rename` cannot be \"off\"", "did you mean \"allow\"?"),
            ("postgres = 16", RELEASE, "write `postgres = \"16\"`; the oldest that can be named is 10"),
            ("postgres = 16.2", RELEASE, "write `postgres = \"16\"`; the oldest that can be named is 10"),
            ("postgres = \"16.2\"", RELEASE, "write `postgres = \"16\"`; the oldest that can be named is 10"),
            (
                "down = \"required\"\ndown = \"optional\"",
                "the policy is not TOML: duplicate key",
                "delete this one, or the one above it",
            ),
        ] {
            let (_, diagnostics) = parse(line, "m.toml");
            let found: Vec<_> = diagnostics.iter().map(|d| (d.message.as_str(), d.help[0].as_str())).collect();
            assert_eq!(found, [(message, help)], "{line}");
        }
        check(
            "dialects = [\"postgresql\"]\nnumbering = \"encodet\"\nlint = 1\n",
            "\
error[bad-value]: there is no dialect \"postgresql\"
 --> migrations/migrations.toml:1:13
  |
1 | dialects = [\"postgresql\"]
  |             ^^^^^^^^^^^^ unknown
  |
  = help: did you mean \"postgres\"?
error[bad-value]: `numbering` cannot be \"encodet\"
 --> migrations/migrations.toml:2:13
  |
2 | numbering = \"encodet\"
  |             ^^^^^^^^^
  |
  = help: did you mean \"encoded\"?
error[bad-value]: `lint` is a table
 --> migrations/migrations.toml:3:8
  |
3 | lint = 1
  |        ^
  |
  = help: write `[lint]` on a line of its own, and below it `rule = \"deny\"`",
        );
    }

    #[test]
    fn a_release_is_a_major_number_of_a_dialect_that_is_named() {
        for value in ["\"15.4\"", "\"9\"", "\"pg15\"", "\"\"", "15", "\"+15\""] {
            let (policy, diagnostics) = parse(&format!("dialects = [\"postgres\"]\npostgres = {value}\n"), "m.toml");
            assert_eq!((policy.postgres, diagnostics.len()), (None, 1), "{value}");
        }
        check(
            "postgres = \"15\"\n",
            "\
error[bad-value]: `postgres` names a release, but `dialects` does not name PostgreSQL
 --> migrations/migrations.toml:1:12
  |
1 | postgres = \"15\"
  |            ^^^^
  |
  = help: name it in `dialects` too: `dialects = [\"postgres\"]`",
        );
    }

    #[test]
    fn invalid_toml_is_reported_once() {
        let (policy, diagnostics) = parse("down = required\ntests = [\n", "migrations/migrations.toml");
        assert_eq!(policy, Policy::default());
        assert_eq!(diagnostics.len(), 1, "{diagnostics:?}");
        assert_eq!(diagnostics[0].code, "bad-policy");
        assert_eq!(diagnostics[0].place(), "migrations/migrations.toml:1:8");
    }
}
