//! One cluster for all processes of a test run: each finds it, and it is gone after the last one has ended.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lockgate_harness::server::{Options, Shared, locate};

/// Makes the test binary a member of a test run instead of a test.
const MEMBER: &str = "LOCKGATE_TEST_MEMBER";

#[test]
fn processes_share_a_server_that_their_end_by_kill_9_ends() {
    if std::env::var_os(MEMBER).is_some() {
        return be_a_member();
    }
    if locate::folders().is_empty() {
        return lockgate_harness::skipped("postgres", &locate::places_in_words()).unwrap();
    }
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();

    let mut members: Vec<Member> = (0..3).map(|_| Member::start(place.path())).collect();
    let server = members[0].server();
    for member in &mut members[1..] {
        assert_eq!(member.server(), server);
    }
    // The first process to be let in is not to be missed.
    members.remove(0).kill();
    members.push(Member::start(place.path()));
    assert_eq!(members[2].server(), server);
    assert!(runs(&server));

    members.into_iter().for_each(Member::kill);
    wait_until("the server ends", || !runs(&server));
    wait_until("its folders go", || std::fs::read_dir(place.path()).unwrap().next().is_none());
}

#[test]
fn a_server_that_was_killed_is_replaced() {
    if std::env::var_os(MEMBER).is_some() {
        return be_a_member();
    }
    if locate::folders().is_empty() {
        return lockgate_harness::skipped("postgres", &locate::places_in_words()).unwrap();
    }
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut first = Member::start(place.path());
    let server = first.server();
    assert!(Command::new("kill").args(["-9", &server]).status().unwrap().success());
    wait_until("the server ends", || !runs(&server));
    let mut second = Member::start(place.path());
    let other = second.server();
    assert_ne!(other, server);
    first.kill();
    second.kill();
    wait_until("all is gone", || !runs(&other) && std::fs::read_dir(place.path()).unwrap().next().is_none());
}

/// What a shell has for its own clients leads the throwaway server nowhere, and its password is nobody else's.
#[test]
fn a_server_has_its_own_settings_and_shows_no_password() {
    if std::env::var_os(MEMBER).is_some() {
        return be_a_member();
    }
    if locate::folders().is_empty() {
        return lockgate_harness::skipped("postgres", &locate::places_in_words()).unwrap();
    }
    let place = tempfile::tempdir().unwrap();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    // The server itself reads some of these, and will not start with such values.
    let variables = [("PGDATESTYLE", "nonsense"), ("PGCLIENTENCODING", "nonsense"), ("PGPORT", "x"), ("PGDATA", "/x")];
    let mut member = Member::start_with(place.path(), &variables);
    let server = member.server();
    assert!(runs(&server));

    let password = member.password();
    let mut holds = Vec::new();
    let mut folders = vec![place.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file()
                && String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).contains(&password)
            {
                assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", entry.path().display());
                holds.push(entry.file_name().into_string().unwrap());
            }
        }
    }
    holds.sort();
    assert_eq!(holds, ["pgpass", "state"], "and not one that only `initdb` needs");
    member.kill();
    wait_until("all is gone", || !runs(&server) && std::fs::read_dir(place.path()).unwrap().next().is_none());
}

struct Member {
    process: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Member {
    /// Another process of the run that has this temporary directory.
    fn start(place: &Path) -> Self {
        Self::start_with(place, &[])
    }

    fn start_with(place: &Path, variables: &[(&str, &str)]) -> Self {
        let thread = std::thread::current();
        let test = thread.name().expect("a test's thread has its name");
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", test, "--nocapture"])
            .env(MEMBER, "1")
            .env("TMPDIR", place)
            .env("LOCKGATE_SERVER_DIR", place);
        command.envs(variables.iter().copied());
        command.env("LOCKGATE_LINGER", "0").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        Self { process, lines }
    }

    /// The server's process, as the member says it.
    fn server(&mut self) -> String {
        self.says("server=")
    }

    fn password(&mut self) -> String {
        let file = self.says("passwords=");
        let line = std::fs::read_to_string(file).unwrap();
        line.trim().rsplit_once(':').unwrap().1.to_owned()
    }

    fn says(&mut self, what: &str) -> String {
        let mut lines = self.lines.by_ref().map(Result::unwrap);
        let line = lines.find_map(|line| line.split_once(what).map(|(_, rest)| rest.to_owned()));
        line.expect("a member says which server it has")
    }

    /// SIGKILL: nothing of its own runs any more.
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn be_a_member() {
    let shared = Shared::join(&Options::default()).unwrap();
    let mut out = std::io::stdout();
    writeln!(out, "server={}\npasswords={}", shared.pid(), shared.passwords().display()).unwrap();
    out.flush().unwrap();
    let mut rest = String::new();
    std::io::stdin().read_to_string(&mut rest).unwrap();
}

/// Whether a process runs, and is not only waited for.
fn runs(process: &str) -> bool {
    let output = Command::new("ps").args(["-o", "state=", "-p", process]).output().unwrap();
    let state = String::from_utf8(output.stdout).unwrap();
    !state.trim().is_empty() && !state.trim_start().starts_with('Z')
}

fn wait_until(what: &str, is: impl FnMut() -> bool) {
    let mut is = is;
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < deadline, "{what}: not within a minute");
        std::thread::yield_now();
    }
}
