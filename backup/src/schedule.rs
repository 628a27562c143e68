//! Makes backups at fixed times, with cron or a systemd timer. Installing again replaces our block or units; everything
//! else stays unchanged, byte for byte.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;

use lockgate::ErrorKind;

use crate::error::Error;

/// The first line of a unit that Lockgate has written.
const OURS: &str = "# Written by Lockgate: `schedule install` replaces this file, and `schedule remove` deletes it.";

/// What starts the backups.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Clock {
    /// The crontab of this user.
    Crontab,
    /// A systemd timer, in this folder of units.
    Systemd {
        /// The folder.
        folder: PathBuf,
        /// Whether the units are those of this user, and not those of the system.
        is_of_user: bool,
    },
}

/// When a backup is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Each hour, at this minute.
    Hourly(u8),
    /// Each day, at this hour and minute in the local time of the machine.
    Daily(u8, u8),
}

/// A backup at fixed times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its name, which distinguishes it from other schedules on the same machine.
    pub name: String,
    /// When the backup is made.
    pub when: When,
    /// The commands, which run one after the other: program and arguments, without secrets.
    pub commands: Vec<Vec<String>>,
    /// A file with variables, for systemd: `DATABASE_PASSWORD=…`.
    pub environment: Option<PathBuf>,
}

/// A change to a unit or to the crontab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The path of the unit, or `crontab`.
    pub target: String,
    /// Our part of it before the change. `None` if there is none.
    pub before: Option<String>,
    /// Our part of it after the change. `None` if it is removed.
    pub after: Option<String>,
}

impl Clock {
    /// A systemd timer. The default folder of units is that of this user, or, for root, that of the system.
    pub fn systemd(folder: Option<PathBuf>) -> Self {
        #[cfg(unix)]
        let is_of_user = !rustix::process::geteuid().is_root();
        #[cfg(not(unix))]
        let is_of_user = true;
        let of_user = || std::env::home_dir().unwrap_or_default().join(".config/systemd/user");
        let usual = || if is_of_user { of_user() } else { PathBuf::from("/etc/systemd/system") };
        Self::Systemd { folder: folder.unwrap_or_else(usual), is_of_user }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str, end: u8| match text.parse::<u8>() {
            Ok(number) if number < end && text.len() == 2 => Some(number),
            _ => None,
        };
        let when = match text.split_once(':') {
            Some(("hourly", minute)) => number(minute, 60).map(Self::Hourly),
            Some((hour, minute)) => {
                number(hour, 24).zip(number(minute, 60)).map(|(hour, minute)| Self::Daily(hour, minute))
            }
            None if text == "hourly" => Some(Self::Hourly(0)),
            None => None,
        };
        when.ok_or_else(|| {
            "write a time of day, `03:15`, or `hourly`, or `hourly:20` for a minute of each hour".to_owned()
        })
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hourly(minute) => write!(f, "each hour, at minute {minute}"),
            Self::Daily(hour, minute) => write!(f, "each day at {hour:02}:{minute:02}"),
        }
    }
}

impl When {
    fn cron(self) -> String {
        match self {
            Self::Hourly(minute) => format!("{minute} * * * *"),
            Self::Daily(hour, minute) => format!("{minute} {hour} * * *"),
        }
    }

    fn calendar(self) -> String {
        match self {
            Self::Hourly(minute) => format!("*-*-* *:{minute:02}:00"),
            Self::Daily(hour, minute) => format!("*-*-* {hour:02}:{minute:02}:00"),
        }
    }
}

/// Quotes a word for the shell and for cron, for which `%` ends a line.
fn of_cron(word: &str) -> String {
    let is_plain = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@=,+".contains(c));
    if is_plain {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''")).replace('%', "\\%")
}

/// Quotes a word for systemd.
fn of_systemd(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    let is_plain =
        !escaped.is_empty() && escaped.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:@=,+%$".contains(c));
    if is_plain { escaped } else { format!("\"{escaped}\"") }
}

fn line(words: &[String], quote: fn(&str) -> String) -> String {
    words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ")
}

impl Schedule {
    fn check(&self) -> Result<(), Error> {
        check_name(&self.name)?;
        let is_broken = |word: &str| word.contains(['\n', '\r', '\0']);
        let file = self.environment.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
        if is_broken(&file) {
            return Err(Error::usage("the path of the file with variables has a line break")
                .help("rename it: `--environment-file FILE`"));
        }
        if self.commands.iter().flatten().any(|word| is_broken(word)) {
            return Err(Error::usage("a scheduled command has a line break").help("write its arguments without one"));
        }
        Ok(())
    }

    fn block(&self) -> String {
        let (begin, end) = marks(&self.name);
        let commands: Vec<String> = self.commands.iter().map(|words| line(words, of_cron)).collect();
        format!("{begin}\n{} {}\n{end}\n", self.when.cron(), commands.join(" && "))
    }

    fn service(&self) -> String {
        let environment = self.environment.as_ref();
        let environment = environment
            .map(|file| format!("EnvironmentFile={}\n", file.display().to_string().replace('%', "%%")))
            .unwrap_or_default();
        let commands: String =
            self.commands.iter().map(|words| format!("ExecStart={}\n", line(words, of_systemd))).collect();
        format!(
            "{OURS}\n[Unit]\nDescription=Backups: {}\nWants=network-online.target\nAfter=network-online.target\n\n[Service]\n\
             Type=oneshot\n{environment}{commands}",
            self.name
        )
    }

    fn timer(&self) -> String {
        format!(
            "{OURS}\n[Unit]\nDescription=Backups, {}\n\n[Timer]\nOnCalendar={}\nPersistent=true\n\n[Install]\n\
             WantedBy=timers.target\n",
            self.name,
            self.when.calendar()
        )
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if is_name {
        return Ok(());
    }
    Err(Error::usage(format!("`{name}` cannot be the name of a schedule"))
        .help("use letters, digits, `-`, `_` and `.`"))
}

fn marks(name: &str) -> (String, String) {
    (format!("# lockgate: begin {name} (`schedule install` replaces this block)"), format!("# lockgate: end {name}"))
}

/// Divides a crontab into the text before our block, the block, and the text after it.
fn divided<'a>(crontab: &'a str, name: &str) -> Result<(&'a str, Option<&'a str>, &'a str), Error> {
    let (_, end_mark) = marks(name);
    let start_mark = format!("# lockgate: begin {name} ");
    let (mut at, mut begin, mut end) = (0, None, None);
    for line in crontab.split_inclusive('\n') {
        let text = line.trim_end_matches(['\n', '\r']);
        if text.starts_with(&start_mark) {
            if begin.is_some() {
                return Err(torn(name));
            }
            begin = Some(at);
        }
        at += line.len();
        if text == end_mark {
            if begin.is_none() || end.is_some() {
                return Err(torn(name));
            }
            end = Some(at);
        }
    }
    match (begin, end) {
        (None, None) => Ok((crontab, None, "")),
        (Some(begin), Some(end)) => Ok((&crontab[..begin], Some(&crontab[begin..end]), &crontab[end..])),
        _ => Err(torn(name)),
    }
}

fn torn(name: &str) -> Error {
    Error::refused(format!("the crontab has only part of the block `{name}`, or has the block twice"))
        .state("nothing was changed")
        .help("delete what remains of it: `crontab -e`")
}

/// The crontab with this block in place of its own.
fn replaced(crontab: &str, name: &str, block: Option<&str>) -> Result<String, Error> {
    let (before, _, after) = divided(crontab, name)?;
    let gap = if block.is_some() && !before.is_empty() && !before.ends_with('\n') { "\n" } else { "" };
    Ok(format!("{before}{gap}{}{after}", block.unwrap_or_default()))
}

fn crontab() -> Result<String, Error> {
    let output = Command::new("crontab").arg("-l").env("LC_ALL", "C").stdin(Stdio::null()).output();
    let output = output.map_err(|error| {
        Error::failed(format!("`crontab` does not start: {error}"))
            .help("install cron, or use a systemd timer: `--systemd`")
    })?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() {
        return String::from_utf8(output.stdout).map_err(|_| Error::failed("the crontab is not UTF-8"));
    }
    if is_absent(&said) {
        return Ok(String::new());
    }
    Err(Error::failed(format!("`crontab -l` fails: {said}"))
        .help("allow this user to have a crontab: see `man crontab`"))
}

/// Whether `crontab -l` says that this user has no crontab, as at first. After any other failure the crontab may have
/// lines, which a new one would replace.
fn is_absent(said: &str) -> bool {
    said.contains("no crontab for") || said.contains("can't open") && said.contains("No such file or directory")
}

fn write_crontab(text: &str) -> Result<(), Error> {
    let failed = |what: String| Error::failed(format!("the crontab cannot be written: {what}"));
    let mut child = Command::new("crontab")
        .arg("-")
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let fed = child.stdin.take().expect("it is a pipe").write_all(text.as_bytes());
    let output = child.wait_with_output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    fed.map_err(|error| failed(error.to_string()))
}

/// The paths of the units of a name: the service and its timer.
fn units(folder: &Path, name: &str) -> [PathBuf; 2] {
    ["service", "timer"].map(|ending| folder.join(format!("lockgate-backup-{name}.{ending}")))
}

/// The content of a unit, if Lockgate has written it.
fn unit(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::read_to_string(path) {
        Ok(text) if text.starts_with(OURS) => Ok(Some(text)),
        Ok(_) => Err(Error::refused(format!("`{}` was not written by Lockgate", path.display()))
            .state("nothing was changed")
            .help("give the schedule another name: `--name NAME`")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::failed(format!("`{}` cannot be read: {error}", path.display()))),
    }
}

/// Runs `systemctl` once for each of these lists of arguments, until one fails. The help then names all that is left to run.
fn systemctl(is_of_user: bool, calls: &[&[&str]]) -> Result<(), Error> {
    let shown = |call: &&[&str]| format!("systemctl {}{}", if is_of_user { "--user " } else { "" }, call.join(" "));
    for (at, call) in calls.iter().enumerate() {
        let failed = |what: &str| {
            let left: Vec<String> = calls[at..].iter().map(shown).collect();
            Error::failed(format!("`{}` fails: {what}", shown(call)))
                .help(format!("correct the cause, then run `{}`", left.join(" && ")))
        };
        let mut command = Command::new("systemctl");
        command.args(is_of_user.then_some("--user")).args(*call).env("LC_ALL", "C").stdin(Stdio::null());
        let output = command.output().map_err(|error| failed(&error.to_string()))?;
        if !output.status.success() {
            return Err(failed(String::from_utf8_lossy(&output.stderr).trim()));
        }
    }
    Ok(())
}

/// Installs a schedule, and replaces the one of the same name. With `dry_run`, it only reports what would change.
///
/// # Errors
///
/// [`ErrorKind::Usage`] for an invalid name; [`ErrorKind::Refused`] if a unit of this name was not written by Lockgate,
/// or our block in the crontab is incomplete; [`ErrorKind::Failed`] if cron or systemd fails.
pub fn install(clock: &Clock, schedule: &Schedule, dry_run: bool) -> Result<Vec<Change>, Error> {
    schedule.check()?;
    match clock {
        Clock::Crontab => {
            let before = crontab()?;
            let block = schedule.block();
            let after = replaced(&before, &schedule.name, Some(&block))?;
            let ours = divided(&before, &schedule.name)?.1.map(str::to_owned);
            if !dry_run && after != before {
                write_crontab(&after)?;
            }
            Ok(vec![Change { target: "crontab".to_owned(), before: ours, after: Some(block) }])
        }
        Clock::Systemd { folder, is_of_user } => {
            let [service, timer] = units(folder, &schedule.name);
            let changes: Vec<(PathBuf, Option<String>, String)> = vec![
                (service.clone(), unit(&service)?, schedule.service()),
                (timer.clone(), unit(&timer)?, schedule.timer()),
            ];
            if !dry_run {
                let failed = |path: &Path, error: std::io::Error| {
                    Error::failed(format!("`{}` cannot be written: {error}", path.display()))
                };
                std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
                for (path, _, text) in &changes {
                    std::fs::write(path, text).map_err(|error| failed(path, error))?;
                }
                let name = format!("lockgate-backup-{}.timer", schedule.name);
                systemctl(*is_of_user, &[&["daemon-reload"], &["enable", "--now", &name]])?;
            }
            let change = |(path, before, after): (PathBuf, Option<String>, String)| Change {
                target: path.display().to_string(),
                before,
                after: Some(after),
            };
            Ok(changes.into_iter().map(change).collect())
        }
    }
}

/// Returns what is installed under this name: the block of the crontab, or the units.
///
/// # Errors
///
/// As for [`install`].
pub fn show(clock: &Clock, name: &str) -> Result<Vec<Change>, Error> {
    check_name(name)?;
    match clock {
        Clock::Crontab => {
            let before = divided(&crontab()?, name)?.1.map(str::to_owned);
            Ok(vec![Change { target: "crontab".to_owned(), after: before.clone(), before }])
        }
        Clock::Systemd { folder, .. } => units(folder, name)
            .into_iter()
            .map(|path| {
                let before = unit(&path)?;
                Ok(Change { target: path.display().to_string(), after: before.clone(), before })
            })
            .collect(),
    }
}

/// Removes what is installed under this name. With `dry_run`, it only reports what would be removed.
///
/// # Errors
///
/// As for [`install`]; [`ErrorKind::Refused`] if nothing is installed under the name.
pub fn remove(clock: &Clock, name: &str, dry_run: bool) -> Result<Vec<Change>, Error> {
    let mut found = show(clock, name)?;
    found.retain(|change| change.before.is_some());
    if found.is_empty() {
        let error = Error::new(ErrorKind::Refused, format!("no schedule `{name}` is installed"));
        return Err(error.state("nothing was changed").help("`schedule show --name NAME` looks for another name"));
    }
    for change in &mut found {
        change.after = None;
    }
    if dry_run {
        return Ok(found);
    }
    match clock {
        Clock::Crontab => write_crontab(&replaced(&crontab()?, name, None)?)?,
        Clock::Systemd { folder, is_of_user } => {
            // The files are deleted even if the timer cannot be stopped.
            let stopped = systemctl(*is_of_user, &[&["disable", "--now", &format!("lockgate-backup-{name}.timer")]]);
            for path in units(folder, name) {
                match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(Error::failed(format!("`{}` cannot be deleted: {error}", path.display())));
                    }
                    _ => {}
                }
            }
            stopped?;
            systemctl(*is_of_user, &[&["daemon-reload"]])?;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(name: &str, when: When) -> Schedule {
        let words = ["/opt/my app/app", "backup", "create", "--store", "/var/back'ups", "100%"].map(str::to_owned);
        Schedule { name: name.to_owned(), when, commands: vec![words.into()], environment: None }
    }

    #[test]
    fn a_block_is_replaced_and_foreign_lines_stay() {
        let foreign = "MAILTO=me\n# comment\n5 4 * * * /bin/true %x\n";
        let first = schedule("library", When::Daily(3, 15)).block();
        let once = replaced(foreign, "library", Some(&first)).unwrap();
        assert_eq!(once, format!("{foreign}{first}"));
        assert!(
            first.contains("\n15 3 * * * '/opt/my app/app' backup create --store '/var/back'\\''ups' '100\\%'\n"),
            "{first}"
        );
        let with_more = format!("{once}@reboot /bin/other\n");
        let second = schedule("library", When::Hourly(20)).block();
        let twice = replaced(&with_more, "library", Some(&second)).unwrap();
        assert_eq!(twice, format!("{foreign}{second}@reboot /bin/other\n"));
        // Another name has its own block, even if it begins with the first name.
        let other = schedule("library-2", When::Hourly(1)).block();
        let both = replaced(&twice, "library-2", Some(&other)).unwrap();
        assert_eq!(replaced(&both, "library-2", None).unwrap(), twice);
        assert_eq!(replaced(&twice, "library", None).unwrap(), format!("{foreign}@reboot /bin/other\n"));
        // The last line has no line break; it must not become part of our block.
        assert_eq!(replaced("a", "library", Some("b\n")).unwrap(), "a\nb\n");
    }

    #[test]
    fn a_torn_block_is_refused() {
        let block = schedule("x", When::Hourly(0)).block();
        let mut lines: Vec<&str> = block.lines().collect();
        for wrong in [format!("{block}{block}"), lines[..2].join("\n"), lines.split_off(1).join("\n")] {
            assert!(replaced(&wrong, "x", None).unwrap_err().report().contains("`crontab -e`"), "{wrong}");
        }
    }

    #[test]
    fn only_a_missing_crontab_is_taken_as_empty() {
        assert!(is_absent("no crontab for me"));
        assert!(is_absent("crontab: can't open 'me': No such file or directory"));
        for other in ["", "crontabs/me/: fopen: Permission denied", "crontab: can't open 'me': Permission denied"] {
            assert!(!is_absent(other), "{other}");
        }
    }

    #[test]
    fn a_line_break_is_refused_wherever_it_is() {
        let mut library = schedule("library", When::Hourly(0));
        library.environment = Some("/etc/a\nExecStart=/bin/x".into());
        assert!(library.check().unwrap_err().report().contains("line break"));
        library.environment = None;
        assert!(library.check().is_ok());
        library.commands[0].push("a\nb".to_owned());
        assert!(library.check().unwrap_err().report().contains("line break"));
    }

    #[test]
    fn times_are_read() {
        for (text, cron, calendar) in [
            ("03:15", "15 3 * * *", "*-*-* 03:15:00"),
            ("hourly", "0 * * * *", "*-*-* *:00:00"),
            ("hourly:20", "20 * * * *", "*-*-* *:20:00"),
        ] {
            let when: When = text.parse().unwrap();
            assert_eq!((&*when.cron(), &*when.calendar()), (cron, calendar));
        }
        for wrong in ["", "3:15", "24:00", "03:60", "daily", "* * * * *", "hourly:60", "03:15:00"] {
            assert!(wrong.parse::<When>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn units_are_written_as_systemd_reads_them() {
        let service = schedule("library", When::Daily(3, 15)).service();
        let exec = "ExecStart=\"/opt/my app/app\" backup create --store \"/var/back'ups\" 100%%\n";
        assert!(service.contains(exec), "{service}");
        assert_eq!(of_systemd("$a\"b\\"), "\"$$a\\\"b\\\\\"");
    }

    #[test]
    fn a_unit_of_somebody_else_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::Systemd { folder: folder.path().to_owned(), is_of_user: true };
        let library = schedule("library", When::Hourly(0));
        let changes = install(&clock, &library, true).unwrap();
        assert_eq!(changes.len(), 2);
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
        let path = folder.path().join("lockgate-backup-library.service");
        std::fs::write(&path, "[Unit]\n").unwrap();
        for refused in [install(&clock, &library, false), remove(&clock, "library", false)] {
            assert!(refused.unwrap_err().report().contains("was not written by Lockgate"));
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), "[Unit]\n");
        assert!(remove(&clock, "other", false).unwrap_err().report().contains("no schedule `other`"));
        assert!(install(&clock, &schedule("a/b", When::Hourly(0)), true).is_err());
    }
}
