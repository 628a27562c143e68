//! Connecting by parts: every odd character arrives, what is missing or misspelt is named, and no password is shown.

use std::fs;
use std::process::Command;

use crate::support::app::{Answer, Place, answer, command};

/// Passwords that a URL would break at, or that a shell, a URL or the server would read as something else.
const PASSWORDS: [&str; 8] = [
    "5ecret@host",
    "5ecret:1/2?3#4",
    "5ecret%40%",
    "5ecret &x=y",
    "5é€😀cret",
    "5ecret'\"\\",
    "[5ecret]",
    "5ecret+$x`",
];

/// A role with this password, which owns a database of this name, and the parts of the server.
struct Odd {
    place: Place,
    host: String,
    port: String,
    user: String,
    name: String,
}

impl Odd {
    fn new(number: usize, password: &str) -> Option<Self> {
        let place = Place::postgres()?;
        let (audience, own) = place.url().rsplit_once('/').unwrap();
        let (host, port) = audience.rsplit_once('@').unwrap().1.rsplit_once(':').unwrap();
        let (host, port) = (host.to_owned(), port.to_owned());
        let user = format!("o'd d\"@:/?#%40ü {own} {number}");
        let name = format!("d'b ../\"@:?#%40ü {own} {number}");
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let password = password.replace('\'', "''");
        place.try_rows(&format!("CREATE ROLE {} LOGIN PASSWORD '{password}'", quoted(&user))).unwrap();
        place.try_rows(&format!("CREATE DATABASE {} OWNER {}", quoted(&name), quoted(&user))).unwrap();
        Some(Self { place, host, port, user, name })
    }

    /// The program with the variables of the parts, but for the password.
    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments);
        command.current_dir(self.place.folder());
        for (name, value) in [("HOST", &self.host), ("PORT", &self.port), ("USER", &self.user), ("NAME", &self.name)] {
            command.env(format!("DATABASE_{name}"), value);
        }
        command
    }
}

impl Drop for Odd {
    fn drop(&mut self) {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        // A test that failed may still hold a connection.
        let _ = self.place.try_rows(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(&self.name)));
        let _ = self.place.try_rows(&format!("DROP ROLE IF EXISTS {}", quoted(&self.user)));
    }
}

#[test]
fn every_odd_character_arrives_and_no_password_is_shown() {
    for (number, password) in PASSWORDS.into_iter().enumerate() {
        let Some(odd) = Odd::new(number, password) else { return };
        let file = odd.place.folder().join("password");
        fs::write(&file, format!("{password}\n")).unwrap();
        let by_variable = run(odd.program(&["up"]).env("DATABASE_PASSWORD", password));
        let by_file_variable = run(odd.program(&["status"]).env("DATABASE_PASSWORD_FILE", &file));
        let mut flags = command(&["status", "--host", &odd.host, "--port", &odd.port, "--user", &odd.user]);
        flags.args(["--dbname", &odd.name, "--password-file"]).arg(&file).env("DATABASE_URL", "sqlite://not-used.db");
        let by_flags = run(&mut flags);
        for answer in [&by_variable, &by_file_variable, &by_flags] {
            assert_eq!(answer.code, Some(0), "{password}: {answer:#?}");
            assert!(answer.err.contains("note: the database is postgres://"), "{answer:#?}");
            hides(answer, password);
        }
        assert!(by_variable.out.contains("applied 12 migrations"), "{by_variable:#?}");
        assert!(by_flags.err.contains("DATABASE_URL is not used, because --host, --port"), "{by_flags:#?}");
        // The server refuses, and its words are shown without the password.
        let wrong = format!("{password}x");
        let refused = run(odd.program(&["status"]).env("DATABASE_PASSWORD", &wrong));
        // A server that trusts its own machine asks for no password.
        assert!(matches!(refused.code, Some(0 | 6)), "{refused:#?}");
        hides(&refused, password);
        for (variable, value) in [("DATABASE_USER", password), ("DATABASE_HOST", password), ("DATABASE_NAME", password)]
        {
            let swapped = run(odd.program(&["status"]).env("DATABASE_PASSWORD", password).env(variable, value));
            assert_ne!(swapped.code, Some(0), "{swapped:#?}");
        }
    }
}

/// Variables, arguments, and what the error says.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], &'a str);

#[test]
fn only_what_is_wrong_is_named() {
    let place = Place::sqlite();
    let program = |arguments: &[&str]| {
        let mut command = command(arguments);
        command.current_dir(place.folder());
        command
    };
    let secret = "5ecret-word";
    let cases: [Case<'_>; 7] = [
        (&[("DATABASE_HOST", "db")], &["up"], "the user and the name of the database are missing"),
        (&[("DATABASE_HOST", "db"), ("DATABASE_PASWORD", secret)], &["up"], "spelt DATABASE_PASSWORD"),
        (
            &[("DATABASE_URL", "sqlite://a.db"), ("DATABASE_PASSWORD", secret)],
            &["up"],
            "unset DATABASE_URL, or unset DATABASE_PASSWORD",
        ),
        (
            &[],
            &["up", "--database-url", "sqlite://a.db", "--host", "db"],
            "leave out --database-url, or leave out --host",
        ),
        (&[], &["up", "--password", secret], "--password-file"),
        (&[], &["up", "--host", ""], "give it a value, or leave it out"),
        (&[("DATABASE_PORT", secret)], &["status"], "DATABASE_PORT is not a port"),
    ];
    for (variables, arguments, words) in cases {
        let answer = run(program(arguments).envs(variables.iter().copied()));
        assert_eq!(answer.code, Some(2), "{variables:?} {arguments:?}: {answer:#?}");
        assert!(answer.err.contains(words), "no «{words}»: {answer:#?}");
        hides(&answer, secret);
        assert_eq!(fs::read_dir(place.folder()).unwrap().count(), 0, "nothing was created");
    }
    let help = run(program(&["up", "--help"]).env("DATABASE_PASSWORD", secret));
    for part in ["--wait-for-server", "--host <HOST>", "[env: DATABASE_HOST]", "[env: DATABASE_PASSWORD_FILE]"] {
        assert!(help.out.contains(part), "{part}: {}", help.out);
    }
    hides(&help, secret);
}

fn run(command: &mut Command) -> Answer {
    answer(command.output().unwrap())
}

/// The password is shown neither as it is nor as a URL has it.
fn hides(answer: &Answer, password: &str) {
    let escaped = lockgate::DatabaseParts { name: Some(password.to_owned()), ..lockgate::DatabaseParts::default() };
    let url = escaped.url();
    let escaped = url.rsplit('/').next().unwrap();
    for text in [&answer.out, &answer.err] {
        assert!(!text.contains(password) && !text.contains(escaped), "{password} is shown: {answer:#?}");
    }
}
