//! The exit codes.

use std::process::ExitCode;

use lockgate::ErrorKind;

/// How a command ended. The numbers are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// A migration failed, or the connection broke in the middle of a run.
    Failed = 1,
    /// The arguments or the database URL are invalid.
    Usage = 2,
    /// Nothing ran, because the program and the history differ, the requested version cannot be reached, or a person must
    /// decide; or `drift --schema` cannot tell.
    Refused = 3,
    /// The database does not answer or does not exist.
    Unreachable = 4,
    /// Another run held the lock or went first.
    Busy = 5,
    /// The database refuses this user, or is read-only.
    Denied = 6,
    /// `wait` gave up, or `ready` found: not every migration is applied.
    TimedOut = 7,
    /// `wait` gave up, or `ready` found: a migration has stopped half way.
    Partial = 8,
    /// `drift` found a difference between program and database.
    Drift = 9,
    /// With `--exit-code`: there was nothing to do.
    NothingToDo = 10,
}

impl Exit {
    /// Every exit code, in ascending order.
    pub const ALL: [Self; 11] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Refused,
        Self::Unreachable,
        Self::Busy,
        Self::Denied,
        Self::TimedOut,
        Self::Partial,
        Self::Drift,
        Self::NothingToDo,
    ];

    /// The number for the shell.
    ///
    /// ```
    /// assert_eq!(lockgate_cli::Exit::Refused.code(), 3);
    /// ```
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The exit code for this kind of error.
    pub fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Usage => Self::Usage,
            ErrorKind::Refused | ErrorKind::HistoryFormat => Self::Refused,
            ErrorKind::Unreachable => Self::Unreachable,
            ErrorKind::Locked | ErrorKind::PlanStale => Self::Busy,
            ErrorKind::Denied | ErrorKind::ReadOnly => Self::Denied,
            ErrorKind::TimedOut => Self::TimedOut,
            ErrorKind::Partial => Self::Partial,
            // The enum may grow. An unknown kind is a failure.
            ErrorKind::Failed | ErrorKind::Interrupted | ErrorKind::Unsupported | _ => Self::Failed,
        }
    }

    /// Its name in JSON: `done`, `timed-out`. Names are stable.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::Busy => "busy",
            Self::Denied => "denied",
            Self::TimedOut => "timed-out",
            Self::Partial => "partial",
            Self::Drift => "drift",
            Self::NothingToDo => "nothing-to-do",
        }
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, or nothing to do",
            Self::Failed => "failed: a migration, or the connection in the middle of a run",
            Self::Usage => "usage: the arguments or the database URL are invalid",
            Self::Refused => {
                "refused: nothing ran, because the program and the history differ, the requested version cannot be reached, or a person must decide; or `drift --schema` cannot tell"
            }
            Self::Unreachable => "unreachable: the database does not answer or does not exist",
            Self::Busy => "busy: another run holds the lock or went first; try again",
            Self::Denied => "denied: wrong credentials, a missing privilege, or a read-only database",
            Self::TimedOut => "not ready: `wait` gave up, or `ready` found that not every migration is applied",
            Self::Partial => "partial: `wait` gave up, or `ready` found that a migration has stopped half way",
            Self::Drift => "drift: the database differs from the program, as `drift` found",
            Self::NothingToDo => "nothing to do, if `--exit-code` asks for this code",
        }
    }

    /// The table of exit codes at the end of `--help`.
    pub fn table() -> String {
        let lines = Self::ALL.map(|exit| format!("\n  {:<2} {}", exit.code(), exit.meaning()));
        format!("Exit codes:{}", lines.concat())
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers are stable: changing one would break users' scripts.
    #[test]
    fn every_kind_of_error_has_its_number() {
        let numbers = [
            (ErrorKind::Usage, 2),
            (ErrorKind::Unreachable, 4),
            (ErrorKind::Denied, 6),
            (ErrorKind::ReadOnly, 6),
            (ErrorKind::HistoryFormat, 3),
            (ErrorKind::Refused, 3),
            (ErrorKind::PlanStale, 5),
            (ErrorKind::Locked, 5),
            (ErrorKind::Failed, 1),
            (ErrorKind::Interrupted, 1),
            (ErrorKind::Unsupported, 1),
            (ErrorKind::TimedOut, 7),
            (ErrorKind::Partial, 8),
        ];
        for (kind, number) in numbers {
            assert_eq!(Exit::of(kind).code(), number, "{kind}");
        }
    }

    #[test]
    fn every_way_to_end_has_its_own_number() {
        for (number, exit) in Exit::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(exit.code()), number);
        }
        let manual = include_str!("lib.rs");
        for exit in Exit::ALL {
            let row = format!("//! | {} | {}", exit.code(), exit.meaning());
            assert!(manual.contains(&row), "the manual of the crate lacks `{row}`");
        }
        let guide = include_str!("../../guide/operating.md");
        for exit in Exit::ALL {
            let row = format!("\n| {} | {} |\n", exit.code(), exit.meaning());
            assert!(guide.contains(&row), "the guide lacks `{row}`");
        }
        assert_eq!(Exit::table().lines().count(), 1 + Exit::ALL.len());
    }
}
