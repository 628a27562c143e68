//! Which database a command uses: from a URL or its parts, by flags or variables, or the program's default.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::Ipv6Addr;
use std::path::Path;

use lockgate::DatabaseParts;

use crate::command_error::CommandError;
use crate::options::Options;
use crate::url::DatabaseUrl;

/// The words that follow the prefix in the names of the variables, each with its synonyms.
const WORDS: [(&str, &[&str]); 7] = [
    ("URL", &["URI", "DSN", "CONNECTION", "CONNECTION_STRING", "CONNECTION_URL"]),
    ("HOST", &["HOSTNAME", "HOST_NAME", "SERVER", "ADDRESS", "SOCKET"]),
    ("PORT", &[]),
    ("USER", &["USERNAME", "USER_NAME", "LOGIN", "ROLE"]),
    ("NAME", &["DB", "DBNAME", "DB_NAME", "DATABASE", "DATABASE_NAME"]),
    ("PASSWORD", &["PASS", "PASSWD", "PWD", "PASSPHRASE", "SECRET"]),
    ("PASSWORD_FILE", &["PASSWORDFILE", "PASSWORD_PATH", "PASS_FILE", "PASSFILE", "PASSWD_FILE", "SECRET_FILE"]),
];

/// The database of a command.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) url: DatabaseUrl,
    /// A note for the user about the choice.
    pub(crate) note: Option<String>,
}

/// The variables that may name a database.
#[derive(Debug)]
pub(crate) struct Variables<'a> {
    prefix: &'a str,
    all: BTreeMap<String, OsString>,
}

impl<'a> Variables<'a> {
    /// The variables of this process.
    pub(crate) fn of_process(prefix: &'a str) -> Self {
        Self::new(prefix, std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))))
    }

    fn new(prefix: &'a str, all: impl IntoIterator<Item = (String, OsString)>) -> Self {
        Self { prefix, all: all.into_iter().collect() }
    }

    fn name(&self, word: &str) -> String {
        format!("{}_{word}", self.prefix)
    }

    /// The names of the variables for parts that are set.
    fn parts(&self) -> Vec<String> {
        let names = WORDS.iter().skip(1).map(|(word, _)| self.name(word));
        names.filter(|name| self.all.contains_key(name)).collect()
    }

    /// The value of a variable, which must not be empty.
    fn value(&self, word: &str) -> Result<Option<String>, CommandError> {
        let name = self.name(word);
        let Some(value) = self.all.get(&name) else { return Ok(None) };
        let Some(value) = value.to_str() else {
            return Err(CommandError::usage(
                format!("{name} is not UTF-8"),
                format!("set {name} to text in UTF-8, or unset it"),
            ));
        };
        if value.is_empty() {
            return Err(CommandError::usage(
                format!("{name} is set, but empty"),
                format!("give {name} a value, or unset it"),
            ));
        }
        Ok(Some(value.to_owned()))
    }

    /// Refuses a variable that looks like a misspelling of one that is not set.
    fn check_spelling(&self) -> Result<(), CommandError> {
        for (word, others) in WORDS {
            let right = self.name(word);
            if self.all.contains_key(&right) {
                continue;
            }
            let known = |name: &str| WORDS.iter().any(|(word, _)| self.name(word) == name);
            let is_meant = |name: &&String| {
                let upper = name.to_ascii_uppercase().replace('-', "_");
                // If a short name differs in two letters, it is probably another variable.
                let most = if word.len() < 8 { 1 } else { 2 };
                !known(name)
                    && (others.iter().any(|other| self.name(other) == upper)
                        || strsim::osa_distance(&upper, &right) <= most)
            };
            if let Some(wrong) = self.all.keys().find(is_meant) {
                return Err(CommandError::usage(
                    format!("{wrong} is set, and Lockgate does not read it"),
                    format!(
                        "the variable is spelt {right}: rename it; if {wrong} is for another program, unset it here"
                    ),
                ));
            }
        }
        Ok(())
    }
}

/// Chooses the database: flags win over variables, and these over the default. A URL and parts of the same kind are an
/// error, as nobody can know which is meant.
pub(crate) fn choose(
    options: &Options,
    variables: &Variables<'_>,
    default: Option<&DatabaseUrl>,
) -> Result<Chosen, CommandError> {
    let flags = options.part_flags();
    let url_name = variables.name("URL");
    if let Some(url) = &options.database_url {
        if !flags.is_empty() {
            return Err(both("--database-url", &flags, "leave out"));
        }
        return chosen(url.clone(), None, "--database-url");
    }
    let mut note = None;
    if variables.all.contains_key(&url_name) {
        let names = variables.parts();
        if flags.is_empty() && !names.is_empty() {
            return Err(both(&url_name, &names, "unset"));
        }
        if flags.is_empty() {
            let url = variables.value("URL")?.map(|url| match url.parse() {
                Ok(url) => url,
            });
            return chosen(url.expect("the variable is set"), None, &url_name);
        }
        note = Some(format!("{url_name} is not used, because {} names the database", listed(&flags)));
    }
    if flags.is_empty() && variables.parts().is_empty() {
        variables.check_spelling()?;
        let Some(default) = default else {
            return Err(CommandError::usage(
                "there is no database URL",
                format!(
                    "set {url_name}, or write `--database-url URL`: `sqlite://library.db?mode=rwc`, \
                     `postgres://user@host/library`; or give the parts: {}",
                    ["HOST", "PORT", "USER", "NAME", "PASSWORD_FILE"].map(|word| variables.name(word)).join(", ")
                ),
            ));
        };
        return chosen(default.clone(), Some(format!("as {url_name} is not set")), "the default");
    }
    variables.check_spelling()?;
    let parts = DatabaseParts {
        host: match options.host.clone().map(|host| ("`--host`".to_owned(), host)) {
            Some((name, value)) => Some(host(&name, &value)?),
            None => match variables.value("HOST")? {
                Some(value) => Some(host(&variables.name("HOST"), &value)?),
                None => None,
            },
        },
        port: match (options.port, variables.value("PORT")?) {
            (Some(port), _) => Some(port),
            (None, Some(value)) => Some(port(&variables.name("PORT"), &value)?),
            (None, None) => None,
        },
        user: options.user.clone().map_or_else(|| variables.value("USER"), |user| Ok(Some(user)))?,
        name: options.dbname.clone().map_or_else(|| variables.value("NAME"), |name| Ok(Some(name)))?,
        password: password(options, variables)?,
    };
    // If the default is a PostgreSQL URL too, it supplies the other parts.
    let over_default = default.and_then(|default| lockgate::__private::with_parts(default.reveal(), &parts));
    if let Some(url) = over_default {
        let Ok(url) = url.parse();
        return chosen(url, note, "the parts");
    }
    let missing: Vec<(&str, &str, &str)> = [
        ("host", "HOST", "--host HOST", &parts.host),
        ("user", "USER", "--user USER", &parts.user),
        ("name", "NAME", "--dbname NAME", &parts.name),
    ]
    .into_iter()
    .filter_map(|(what, word, flag, part)| part.is_none().then_some((what, word, flag)))
    .collect();
    if !missing.is_empty() {
        let given: Vec<String> = flags.iter().cloned().chain(variables.parts()).collect();
        let what: Vec<String> = missing.iter().map(|(what, ..)| format!("the {what}")).collect();
        let ways = missing.iter().map(|(_, word, flag)| format!("set {} or write `{flag}`", variables.name(word)));
        let why = note.map(|note| format!("; {note}")).unwrap_or_default();
        let verb = if missing.len() == 1 { "is" } else { "are" };
        return Err(CommandError::usage(
            format!("{} of the database {verb} missing: only {} is given{why}", listed(&what), listed(&given)),
            ways.collect::<Vec<_>>().join("; "),
        ));
    }
    let Ok(url) = parts.url().parse();
    chosen(url, note, "the parts")
}

fn chosen(url: DatabaseUrl, note: Option<String>, source: &str) -> Result<Chosen, CommandError> {
    if url.reveal().is_empty() {
        return Err(CommandError::usage(
            format!("the database URL is empty ({source})"),
            "let it name a database: `postgres://user@host/library`",
        ));
    }
    lockgate::__private::understood(url.reveal())?;
    Ok(Chosen { url, note })
}

/// The URL of a server's administrator, and the flag or the variable that gave it: the flag wins.
pub(crate) fn administrator(
    flag: Option<&DatabaseUrl>,
    variables: &Variables<'_>,
) -> Result<(DatabaseUrl, String), CommandError> {
    let found = administrator_if_any(flag, variables)?;
    found.ok_or_else(|| {
        CommandError::usage(
            "there is no administrator's URL",
            format!(
                "set {}, or write `--admin-url URL`: `postgres://postgres@host/postgres`",
                variables.name("ADMIN_URL")
            ),
        )
    })
}

/// The same. `None` if neither names one.
pub(crate) fn administrator_if_any(
    flag: Option<&DatabaseUrl>,
    variables: &Variables<'_>,
) -> Result<Option<(DatabaseUrl, String)>, CommandError> {
    let name = variables.name("ADMIN_URL");
    let given = match flag {
        Some(url) => Some((url.clone(), "--admin-url".to_owned())),
        None => variables.value("ADMIN_URL")?.map(|url| match url.parse() {
            Ok(url) => (url, name.clone()),
        }),
    };
    let Some((url, given_by)) = given else { return Ok(None) };
    if url.reveal().starts_with("sqlite:") {
        return Err(CommandError::usage(
            "the administrator's URL is one of SQLite, which has no administrator",
            "name the server of the database: `postgres://postgres@host/postgres`",
        ));
    }
    if !["postgres://", "postgresql://"].into_iter().any(|scheme| url.reveal().starts_with(scheme)) {
        return Err(CommandError::usage(
            format!("`{given_by}` is not a URL of PostgreSQL"),
            "name an administrator and the server of the database: `postgres://postgres@host/postgres`",
        ));
    }
    lockgate::__private::understood(url.reveal()).map_err(|error| error.of_administrator(&given_by))?;
    Ok(Some((url, given_by)))
}

/// The database of another stage: `DATABASE_PRODUCTION_URL`.
#[cfg(feature = "backup")]
pub(crate) fn of_stage(stage: lockgate::Stage, variables: &Variables<'_>) -> Result<DatabaseUrl, CommandError> {
    let name = variable_of_stage(stage, variables);
    let Some(url) = variables.value(&word_of_stage(stage))? else {
        return Err(CommandError::usage(
            format!("there is no database for the stage {stage}: {name} is not set"),
            format!("set {name} to the URL of that database"),
        ));
    };
    let Ok(url): Result<DatabaseUrl, _> = url.parse();
    lockgate::__private::understood(url.reveal())?;
    Ok(url)
}

/// The variable of a stage: `DATABASE_PRODUCTION_URL`.
#[cfg(feature = "backup")]
pub(crate) fn variable_of_stage(stage: lockgate::Stage, variables: &Variables<'_>) -> String {
    variables.name(&word_of_stage(stage))
}

#[cfg(feature = "backup")]
fn word_of_stage(stage: lockgate::Stage) -> String {
    format!("{}_URL", stage.as_str().to_ascii_uppercase())
}

fn both(url: &str, parts: &[String], verb: &str) -> CommandError {
    CommandError::usage(
        format!("{url} and {} both say which database", listed(parts)),
        format!("{verb} {url}, or {verb} {}", listed(parts)),
    )
}

/// `a`, `a and b`, `a, b and c`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn host(name: &str, value: &str) -> Result<String, CommandError> {
    let address = value.strip_prefix('[').and_then(|value| value.strip_suffix(']')).unwrap_or(value);
    let is_name = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if value.starts_with('/') || address.parse::<Ipv6Addr>().is_ok() || is_name(value) {
        return Ok(address.to_owned());
    }
    let help = match value.rsplit_once(':') {
        Some((host, port)) if is_name(host) && port.parse::<u16>().is_ok() => {
            format!("write the port by itself: `--port {port}`, or the variable for it")
        }
        _ if value.contains("://") => "a URL is given with `--database-url`".to_owned(),
        _ if value.contains(',') => "name one server: the primary, which accepts writes".to_owned(),
        _ => "write a name, an address, or the directory of a socket: `db.internal`, `10.0.0.7`, `/run/postgresql`"
            .to_owned(),
    };
    Err(CommandError::usage(format!("{name} is not a host"), help))
}

/// The value is not shown, because it may be a password in the wrong variable.
fn port(name: &str, value: &str) -> Result<u16, CommandError> {
    value.parse().map_err(|_| CommandError::usage(format!("{name} is not a port"), "write a number, such as 5432"))
}

/// The password. There is no flag for it, because other users can see the arguments of a process.
fn password(options: &Options, variables: &Variables<'_>) -> Result<Option<String>, CommandError> {
    if let Some(file) = &options.password_file {
        return password_in(file, "--password-file").map(Some);
    }
    let (word, file) = (variables.value("PASSWORD")?, variables.value("PASSWORD_FILE")?);
    match (word, file) {
        (Some(_), Some(_)) => {
            let (word, file) = (variables.name("PASSWORD"), variables.name("PASSWORD_FILE"));
            Err(CommandError::usage(
                format!("{word} and {file} are both set"),
                format!("unset {word}, or unset {file}"),
            ))
        }
        (Some(password), None) => Ok(Some(password)),
        (None, Some(file)) => password_in(Path::new(&file), &variables.name("PASSWORD_FILE")).map(Some),
        (None, None) => Ok(None),
    }
}

fn password_in(file: &Path, source: &str) -> Result<String, CommandError> {
    Ok(lockgate::__private::password_in(file, source)?)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Variables, flags, and parts of the error message.
    type Case<'a> = (Vec<(&'a str, &'a str)>, &'a Options, &'a [&'a str]);

    fn variables(set: &[(&str, &str)]) -> Variables<'static> {
        Variables::new("DATABASE", set.iter().map(|&(name, value)| (name.to_owned(), OsString::from(value))))
    }

    /// Returns the URL for these variables and flags, or the error.
    fn with(set: &[(&str, &str)], options: &Options, default: Option<&str>) -> Result<String, String> {
        let default = default.map(|url| url.parse().unwrap());
        match choose(options, &variables(set), default.as_ref()) {
            Ok(chosen) => Ok(chosen.url.reveal().to_owned()),
            Err(error) => Err(error.report()),
        }
    }

    const HOST: (&str, &str) = ("DATABASE_HOST", "db");
    const USER: (&str, &str) = ("DATABASE_USER", "ada");
    const NAME: (&str, &str) = ("DATABASE_NAME", "library");
    const URL: (&str, &str) = ("DATABASE_URL", "postgres://ada@db/library");

    #[cfg(feature = "postgres")]
    #[test]
    fn parts_make_a_url_and_flags_win() {
        let none = Options::default();
        let all = [HOST, USER, NAME, ("DATABASE_PORT", "6432"), ("DATABASE_PASSWORD", "p@ss:/?#%")];
        assert_eq!(with(&all, &none, None).unwrap(), "postgres://ada:p%40ss%3A%2F%3F%23%25@db:6432/library");
        let flags = Options {
            host: Some("other".into()),
            port: Some(1),
            user: Some("eve".into()),
            dbname: Some("a/b".into()),
            ..Options::default()
        };
        assert_eq!(with(&[HOST, USER, NAME], &flags, None).unwrap(), "postgres://eve@other:1/a%2Fb");
        // A flag of parts wins over the URL of a variable.
        assert_eq!(with(&[URL], &flags, None).unwrap(), "postgres://eve@other:1/a%2Fb");
        let url = Options { database_url: Some("sqlite://x.db".parse().unwrap()), ..Options::default() };
        assert_eq!(with(&all, &url, None).unwrap(), "sqlite://x.db");
        // Only the password set: the documented URL has the rest.
        let documented = Some("postgres://app@localhost/app");
        let password = ("DATABASE_PASSWORD", "s3cret");
        assert_eq!(with(&[password], &none, documented).unwrap(), "postgres://app:s3cret@localhost/app");
    }

    #[test]
    fn missing_misspelt_and_repeated_settings_are_named() {
        let none = Options::default();
        let flags = Options { host: Some("other".into()), ..Options::default() };
        let url = Options { database_url: Some("sqlite://x.db".parse().unwrap()), ..flags.clone() };
        let pass = ("DATABASE_PASSWORD", "s3cret");
        let cases: Vec<Case<'_>> = vec![
            (vec![], &none, &["there is no database URL", "set DATABASE_URL", "DATABASE_HOST"]),
            (
                vec![HOST, NAME],
                &none,
                &["the user of the database is missing", "set DATABASE_USER or write `--user USER`"],
            ),
            (
                vec![pass],
                &none,
                &["the host, the user and the name of the database are missing: only DATABASE_PASSWORD is"],
            ),
            (
                vec![URL],
                &flags,
                &["the user and the name", "DATABASE_URL is not used, because --host names the database"],
            ),
            (
                vec![URL, HOST, pass],
                &none,
                &[
                    "DATABASE_URL and DATABASE_HOST and DATABASE_PASSWORD both say which database",
                    "unset DATABASE_URL, or unset DATABASE_HOST and DATABASE_PASSWORD",
                ],
            ),
            (
                vec![],
                &url,
                &["--database-url and --host both say which database", "leave out --database-url, or leave out --host"],
            ),
            (
                vec![HOST, USER, NAME, ("DATABASE_PASWORD", "s3cret")],
                &none,
                &["DATABASE_PASWORD is set", "spelt DATABASE_PASSWORD"],
            ),
            (
                vec![HOST, USER, NAME, ("DATABASE_PASS", "s3cret")],
                &none,
                &["DATABASE_PASS is set", "spelt DATABASE_PASSWORD"],
            ),
            (vec![HOST, USER, ("DATABASE_DB", "x")], &none, &["DATABASE_DB is set", "spelt DATABASE_NAME"]),
            (vec![HOST, NAME, ("DATABASE_USERNAME", "x")], &none, &["spelt DATABASE_USER"]),
            (vec![USER, NAME, ("database_host", "x")], &none, &["database_host is set", "spelt DATABASE_HOST"]),
            (vec![USER, NAME, ("DATABSE_HOST", "x")], &none, &["DATABSE_HOST is set", "spelt DATABASE_HOST"]),
            (vec![("DATABASE_URI", "postgres://a:s3cret@h/d")], &none, &["DATABASE_URI is set", "spelt DATABASE_URL"]),
            (
                vec![HOST, USER, NAME, pass, ("DATABASE_PASSWORD_FILE", "x")],
                &none,
                &["DATABASE_PASSWORD and DATABASE_PASSWORD_FILE are both set", "unset DATABASE_PASSWORD, or"],
            ),
            (vec![HOST, USER, ("DATABASE_NAME", "")], &none, &["DATABASE_NAME is set, but empty"]),
            (vec![("DATABASE_URL", "")], &none, &["DATABASE_URL is set, but empty"]),
            (vec![HOST, USER, NAME, ("DATABASE_PORT", "54x")], &none, &["DATABASE_PORT is not a port"]),
            (vec![("DATABASE_HOST", "db:5433"), USER, NAME], &none, &["by itself: `--port 5433`"]),
            (vec![("DATABASE_HOST", "postgres://a:s3cret@db"), USER, NAME], &none, &["not a host", "`--database-url`"]),
            (vec![("DATABASE_HOST", "a,b"), USER, NAME], &none, &["name one server"]),
            (
                vec![HOST, USER, NAME, ("DATABASE_PASSWORD_FILE", "/no/such/file")],
                &none,
                &["`/no/such/file`", "cannot be read"],
            ),
        ];
        for (set, options, words) in cases {
            let error = with(&set, options, None).expect_err(&format!("{set:?}"));
            for word in words {
                assert!(error.contains(word), "no «{word}» for {set:?}:\n{error}");
            }
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn variables_for_other_programs_are_left_alone() {
        let set = [
            ("DATABASE_POOL_SIZE", "7"),
            ("DATABASE_MAX_CONNECTIONS", "9"),
            ("DATABASE_SSL", "x"),
            ("DATABASE_POOL", "1"),
        ];
        assert_eq!(with(&set, &Options::default(), Some("sqlite://x.db")).unwrap(), "sqlite://x.db");
        // If a URL is given, nothing else is read.
        assert!(with(&[URL, ("DATABASE_USERNAME", "x")], &Options::default(), None).is_ok());
    }

    #[test]
    fn a_password_file_holds_the_password_alone() {
        let folder = std::env::temp_dir().join(format!("lockgate-password-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("password");
        for (content, expected) in [
            ("s3cret", Ok("s3cret")),
            ("s3cret\n", Ok("s3cret")),
            ("s3cret\r\n", Ok("s3cret")),
            (" s3 cret ", Ok(" s3 cret ")),
            ("", Err("is empty")),
            ("\n", Err("is empty")),
            ("DATABASE_PASSWORD=s3cret\nX=y\n", Err("holds more than one line")),
        ] {
            fs::write(&file, content).unwrap();
            match (password_in(&file, "DATABASE_PASSWORD_FILE"), expected) {
                (Ok(password), Ok(expected)) => assert_eq!(password, expected),
                (Err(error), Err(words)) => {
                    assert!(error.report().contains(words) && !error.report().contains("s3cret"), "{}", error.report());
                }
                (found, _) => panic!("{content:?}: {found:?}"),
            }
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
